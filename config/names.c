#include "config/names.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metergate/types.h"

#define NAME_MAX_LEN 4200 /* a path, or host and port */

int mg_names_init(struct mg_names *names, size_t cap)
{
    *names = (struct mg_names){.cap = cap};
    names->names = calloc(cap + 1, sizeof *names->names);
    return names->names == NULL ? MG_E_NOMEM : MG_OK;
}

void mg_names_fini(struct mg_names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        free(names->names[i].text);
    }
    free(names->names);
    *names = (struct mg_names){0};
}

int mg_names_add(struct mg_names *names, size_t index, const char *format, ...)
{
    char text[NAME_MAX_LEN];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (names->n == names->cap || len < 0 || (size_t)len >= sizeof text) {
        return MG_E_NOSPC;
    }
    char *copy = strdup(text);
    if (copy == NULL) {
        return MG_E_NOMEM;
    }
    names->names[names->n++] = (struct mg_name){copy, index};
    return MG_OK;
}

static int compare(const void *a, const void *b)
{
    const struct mg_name *x = a;
    const struct mg_name *y = b;
    int order = strcmp(x->text, y->text);
    if (order != 0) {
        return order;
    }
    return x->index < y->index ? -1 : x->index > y->index;
}

void mg_names_sort(struct mg_names *names)
{
    qsort(names->names, names->n, sizeof *names->names, compare);
}

size_t mg_names_find(const struct mg_names *names, const char *text)
{
    size_t low = 0;
    size_t high = names->n;
    while (low < high) { /* the first that is not before `text` */
        size_t middle = low + (high - low) / 2;
        if (strcmp(names->names[middle].text, text) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool is_found = low < names->n && strcmp(names->names[low].text, text) == 0;
    return is_found ? names->names[low].index : SIZE_MAX;
}

void mg_names_repeats(const struct mg_names *names,
                      void (*repeated)(void *ctx, size_t first, size_t index),
                      void *ctx)
{
    size_t first = 0;
    for (size_t i = 1; i < names->n; i++) {
        if (strcmp(names->names[i].text, names->names[first].text) == 0) {
            repeated(ctx, names->names[first].index, names->names[i].index);
        } else {
            first = i;
        }
    }
}
