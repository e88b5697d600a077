/* The inside of a store, for the files of this folder. */
#ifndef MG_STORE_STORE_PRIV_H
#define MG_STORE_STORE_PRIV_H

#include "store/writer.h"

/* In one transaction at most, but for a group that is larger. */
#define STORE_COMMIT_ITEMS   1000
#define STORE_COMMIT_BYTES   (8ULL * 1024 * 1024)
#define STORE_COMMIT_SETTLED 4096
#define STORE_RETRY_ITEMS    50 /* while the disk fails: what little fits */

/* What the loop has still to be told. */
struct store_report {
    bool is_durable;
    uint64_t durable_ticket;
    bool is_trouble, is_over;
    struct store_dropped dropped;
    struct mg_err err;
};

struct mg_store {
    /* Loop thread. */
    uv_async_t async;
    uv_prepare_t seal; /* runs when a turn of the loop has handed over */
    int n_open_handles;
    bool is_flush_wanted; /* at the end of this turn */
    uint64_t last_ticket;
    struct mg_store_events events;
    void *ctx;

    /* Constant after open. */
    char *path; /* owned */
    char epoch[STORE_EPOCH_LEN + 1];
    uint64_t max_bytes, reserve_bytes, commit_ns;
    int lock_fd;
    uv_thread_t thread;

    /* Store thread. */
    struct store_writer writer;
    struct store_settlement settling[STORE_COMMIT_SETTLED];

    /* mg_store_get, any thread. */
    uv_mutex_t get_mutex;
    sqlite3 *get_db;
    sqlite3_stmt *get_stmt;

    /* All threads. */
    uv_mutex_t mutex;
    uv_cond_t cond; /* there is something for the store thread */
    /* Under the mutex. */
    struct store_queue queue;
    struct store_settled settled;
    struct store_dropped queue_dropped; /* by the loop, not yet reported */
    struct store_report report;
    struct mg_store_stats stats;
    bool is_flushing, is_stopping;
    void (*wake)(void *ctx);
    void *wake_ctx;
};

/** The store thread: runs until is_stopping and all is on the disk, or the
 *  disk has failed too often. @param arg  the store */
void store__thread(void *arg);

/** Queue an item, or free it.
 *  @param item  owned from now on; NULL: no memory
 *  @return MG_OK and the ticket; MG_E_NOSPC */
int store__hand_over(struct mg_store *store, struct store_item *item,
                     uint64_t *ret_ticket);

/* Under the mutex. */
static inline bool store__has_work(const struct mg_store *store)
{
    return store->queue.sealed != NULL || store->settled.n > 0;
}

/* So much waits that it is written without waiting for more. */
static inline bool store__has_much(const struct mg_store *store)
{
    const struct store_list *w = &store->queue.waiting;
    return store__list_count(w) >= STORE_COMMIT_ITEMS ||
           w->n_bytes >= STORE_COMMIT_BYTES;
}

#endif
