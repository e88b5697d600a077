#include "config/spell.h"

#include <string.h>

#define SHORT_WORD 5

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned mg_spell_distance(const char *a, size_t a_len, const char *b,
                           size_t b_len)
{
    /* Three rows of the usual table: before last, last, current. */
    unsigned rows[3][MG_SPELL_MAX + 1];
    if (a_len >= MG_SPELL_MAX || b_len >= MG_SPELL_MAX) {
        return MG_SPELL_MAX;
    }
    unsigned *older = rows[0];
    unsigned *old = rows[1];
    unsigned *now = rows[2];
    for (unsigned j = 0; j <= b_len; j++) {
        older[j] = j;
        old[j] = j;
    }
    for (unsigned i = 1; i <= a_len; i++) {
        now[0] = i;
        for (unsigned j = 1; j <= b_len; j++) {
            unsigned cost = a[i - 1] == b[j - 1] ? 0 : 1;
            now[j] =
                least(least(old[j] + 1, now[j - 1] + 1), old[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
                a[i - 2] == b[j - 1]) {
                now[j] = least(now[j], older[j - 2] + 1);
            }
        }
        unsigned *free_row = older;
        older = old;
        old = now;
        now = free_row;
    }
    return old[b_len];
}

static int continues(const char *longer, size_t longer_len, const char *shorter,
                     size_t shorter_len)
{
    return shorter_len >= 3 && longer_len > shorter_len &&
           memcmp(longer, shorter, shorter_len) == 0 &&
           (longer[shorter_len] == '_' || longer[shorter_len] == '-');
}

void mg_speller_try(struct mg_speller *speller, const char *candidate)
{
    size_t len = strlen(candidate);
    size_t longest = len > speller->len ? len : speller->len;
    unsigned limit = longest < SHORT_WORD ? 1 : 2;
    unsigned distance =
        mg_spell_distance(speller->word, speller->len, candidate, len);
    if (distance > limit &&
        (continues(candidate, len, speller->word, speller->len) ||
         continues(speller->word, speller->len, candidate, len))) {
        distance = limit;
    }
    if (distance <= limit &&
        (speller->best == NULL || distance < speller->distance)) {
        speller->best = candidate;
        speller->distance = distance;
    }
}
