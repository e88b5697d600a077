/* Rows the broker has taken or refused for good, until their deletion is on
 * the disk. No locking in here: the owner holds its mutex. */
#ifndef MG_STORE_SETTLED_H
#define MG_STORE_SETTLED_H

#include "store/store.h"

struct store_settlement {
    int64_t id;
    int reason; /* of a row to park */
    bool is_park;
};

struct store_settled {
    struct store_settlement *all; /* owned */
    size_t n, cap;
    uint64_t since_ns; /* when the oldest came */
};

/** Beyond a million (or without memory) it is forgotten: the row is sent
 *  again after the next start, nothing is lost. */
void store__settled_add(struct store_settled *s, int64_t id, bool is_park,
                        int reason, uint64_t now_ns);

bool store__settled_has(const struct store_settled *s, int64_t id);

/** The first n are on the disk. */
void store__settled_done(struct store_settled *s, size_t n, uint64_t now_ns);

#endif
