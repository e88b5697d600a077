/* The keys of a meter, and how they follow each other. */
#include <stdlib.h>
#include <string.h>

#include "record/audit_priv.h"

/* The last one first: rows come in groups of one key. */
struct audit_key *audit__find_key(struct mg_audit *a, const char *fingerprint)
{
    for (size_t i = a->n_keys; i > 0; i--) {
        if (strcmp(a->keys[i - 1].fingerprint, fingerprint) == 0) {
            return &a->keys[i - 1];
        }
    }
    if (a->n_keys == MG_AUDIT_KEYS_MAX) {
        return NULL;
    }
    if (a->n_keys == a->cap) {
        size_t cap = a->cap == 0 ? 4 : 2 * a->cap;
        struct audit_key *keys = realloc(a->keys, cap * sizeof *keys);
        if (keys == NULL) {
            return NULL;
        }
        a->keys = keys;
        a->cap = cap;
    }
    struct audit_key *key = &a->keys[a->n_keys++];
    *key = (struct audit_key){.first_arrival = INT64_MAX};
    audit__copy(key->fingerprint, sizeof key->fingerprint, fingerprint);
    a->summary.n_keys++;
    return key;
}

static int by_arrival(const void *a, const void *b)
{
    const struct audit_key *left = a, *right = b;
    return (left->first_arrival > right->first_arrival) -
           (left->first_arrival < right->first_arrival);
}

static void check_key_change(struct mg_audit *a, const struct audit_key *before,
                             const struct audit_key *key)
{
    const struct mg_audit_row row = {.meter = a->meter,
                                     .fingerprint = key->fingerprint,
                                     .context = key->first_context,
                                     .pagination = key->first_pagination,
                                     .id = key->first_row};
    bool is_known =
        before->last_serial[0] != '\0' && key->first_serial[0] != '\0';
    if (is_known && strcmp(before->last_serial, key->first_serial) != 0) {
        audit__tell(
            a, FOUND_EXCHANGE, &row,
            "the key %.*s follows %.*s: the serial changed from %s to %s",
            SHORT_KEY, key->fingerprint, SHORT_KEY, before->fingerprint,
            before->last_serial, key->first_serial);
        return;
    }
    audit__tell(a, FOUND_KEY, &row, "the key %.*s follows %.*s%s%s%s",
                SHORT_KEY, key->fingerprint, SHORT_KEY, before->fingerprint,
                is_known ? ", the serial stayed " : ", the serial is not known",
                is_known ? key->first_serial : "",
                before->last_arrival > key->first_arrival
                    ? "; the old one came again"
                    : "");
    audit__compare(a, &row, &before->last, &key->first);
}

void audit__end_meter(struct mg_audit *a)
{
    if (a->n_keys > 1) {
        qsort(a->keys, a->n_keys, sizeof *a->keys, by_arrival);
    }
    for (size_t i = 1; i < a->n_keys; i++) {
        check_key_change(a, &a->keys[i - 1], &a->keys[i]);
    }
    a->n_keys = 0;
    a->is_full_told = false;
}
