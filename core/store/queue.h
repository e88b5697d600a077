/* What the loop has handed over and the disk does not have yet: rows, values,
 * datasets and entries of the log book in one order. No locking in here: the
 * owner holds its mutex.
 *
 * All that is handed over in one turn of the loop is a group, and a group is
 * never split between two transactions. */
#ifndef MG_STORE_QUEUE_H
#define MG_STORE_QUEUE_H

#include "store/store.h"

#define STORE_QUEUE_ROWS     4096
#define STORE_QUEUE_PUTS     4096
#define STORE_QUEUE_DATASETS 1024 /* whatever else waits */
#define STORE_QUEUE_LOGS     2048 /* likewise */
#define STORE_QUEUE_BYTES    (64ULL * 1024 * 1024)

enum store_item_kind {
    STORE_ITEM_PUT, /* a value to set */
    STORE_ITEM_ROW, /* of the outbox */
    STORE_ITEM_DATASET,
    STORE_ITEM_LOG, /* an entry of the log book, or its signature */
    STORE_N_ITEM_KINDS
};

struct store_item {
    struct store_item *next;
    uint64_t ticket;
    enum store_item_kind kind;
    bool is_group_last; /* of what was handed over in one turn of the loop */
    enum mg_row_class class_;
    uint32_t n_readings;
    int64_t created_ms;
    size_t name_len; /* topic, key, struct mg_dataset or struct store_log */
    size_t len;      /* payload, value, record and original, entry or
                      * signature; 0 of a value: delete it */
    char bytes[];    /* the name, then the payload */
};

struct store_list {
    struct store_item *first, *last; /* owned */
    size_t n[STORE_N_ITEM_KINDS];
    uint64_t n_bytes;
};

struct store_queue {
    struct store_list waiting;
    struct store_item *sealed; /* the last the thread may take; NULL: none */
    size_t n_taken[STORE_N_ITEM_KINDS]; /* in the hands of the thread */
    uint64_t n_taken_bytes;
    uint64_t since_ns; /* when the oldest waiting item came */
};

/** Readings that had to go. */
struct store_dropped {
    uint64_t n_rows, n_readings;
};

/** All items of a list. */
static inline size_t store__list_count(const struct store_list *list)
{
    size_t n = 0;
    for (size_t i = 0; i < STORE_N_ITEM_KINDS; i++) {
        n += list->n[i];
    }
    return n;
}

/** @param data  NULL: the caller writes the payload
 *  @return owned; NULL: no memory */
struct store_item *store__item_create(const char *name, size_t name_len,
                                      const void *data, size_t len);

bool store__queue_has_room(const struct store_queue *q,
                           const struct store_item *item);

/** Drop the oldest waiting readings until the item fits.
 *  @param dropped  counted up
 *  @return whether it fits now; when not, nothing was dropped */
bool store__queue_make_room(struct store_queue *q,
                            const struct store_item *item,
                            struct store_dropped *dropped);

/** @param item  owned by the queue from now on */
void store__queue_add(struct store_queue *q, struct store_item *item,
                      uint64_t now_ns);

/** End the group: the thread may take what waits. */
void store__queue_seal(struct store_queue *q);

/** Take whole sealed groups from the front, at least one when there is one,
 *  then no more than about max_items. */
void store__queue_take(struct store_queue *q, size_t max_items,
                       uint64_t max_bytes, struct store_list *ret_list);

/** The taken items are on the disk, or not wanted any more. */
void store__queue_done(struct store_queue *q);

/** The taken items could not be written: put them back to the front. */
void store__queue_give_back(struct store_queue *q, struct store_list *list);

void store__list_free(struct store_list *list);

#endif
