/* A sorted list of names: look-up and duplicates without quadratic work. */
#ifndef MG_CONFIG_NAMES_H
#define MG_CONFIG_NAMES_H

#include <stddef.h>

struct mg_name {
    char *text;   /* owned */
    size_t index; /* what has this name */
};

struct mg_names {
    size_t n, cap;
    struct mg_name *names; /* owned */
};

/** @param cap  names that will be added at most
 *  @return MG_OK or MG_E_NOMEM */
int mg_names_init(struct mg_names *names, size_t cap);
void mg_names_fini(struct mg_names *names);

/** @return MG_OK, MG_E_NOMEM or MG_E_NOSPC */
int mg_names_add(struct mg_names *names, size_t index, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Sort by text, then index; after the last add. */
void mg_names_sort(struct mg_names *names);

/** @return index of the first that has this name, SIZE_MAX when none has */
size_t mg_names_find(const struct mg_names *names, const char *text);

/** Call `repeated` for each name that was there before, with the first. */
void mg_names_repeats(const struct mg_names *names,
                      void (*repeated)(void *ctx, size_t first, size_t index),
                      void *ctx);

#endif
