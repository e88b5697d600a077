/* "Did you mean ...?" Pure. */
#ifndef MG_CONFIG_SPELL_H
#define MG_CONFIG_SPELL_H

#include <stddef.h>

#define MG_SPELL_MAX 64 /* longer words get no suggestion */

/** Damerau-Levenshtein distance (swapped neighbours count once).
 *  @return MG_SPELL_MAX when a word is longer than that */
unsigned mg_spell_distance(const char *a, size_t a_len, const char *b,
                           size_t b_len);

/** Looks for the nearest of several words. */
struct mg_speller {
    const char *word; /* what was written */
    size_t len;
    const char *best; /* NULL = nothing near */
    unsigned distance;
};

/** A word is near at a distance of at most 2 (1 for short words), or when one
 *  continues the other after a '_' or '-' ("password", "password_file"). */
void mg_speller_try(struct mg_speller *speller, const char *candidate);

#endif
