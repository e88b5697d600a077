/* The durable store: outbox, counters, meter state, signed datasets (which
 * dataset.h hands over and reads). SQLite in WAL mode with synchronous=FULL; one
 * thread owns the only writing connection.
 *
 * The loop hands rows over and goes on; the store thread commits what has come
 * together (a group commit), then tells both sides. A row stays until the
 * broker has acknowledged it. */
#ifndef MG_STORE_STORE_H
#define MG_STORE_STORE_H

#include <uv.h>

#include "base/err.h"

#define MG_STORE_TOPIC_MAX   200
#define MG_STORE_PAYLOAD_MAX 262144
#define MG_STORE_KEY_MAX     96
#define MG_STORE_VALUE_MAX   4096

struct mg_store;

/** What may be dropped when space runs out. */
enum mg_row_class {
    MG_ROW_READINGS, /* live readings: thinned, oldest first */
    MG_ROW_EVENT,    /* never dropped */
    MG_ROW_SIGNED    /* never dropped */
};

struct mg_store_row {
    int64_t id; /* given by the store, ascending */
    enum mg_row_class class_;
    char topic[MG_STORE_TOPIC_MAX]; /* below the gateway's root */
    char *payload;                  /* see each function */
    size_t len;
    uint32_t n_readings;
    int64_t created_ms; /* UTC */
};

struct mg_store_settings {
    const char *path;       /* file; its directory must exist */
    uint64_t max_bytes;     /* of outbox payloads; beyond, readings thin out; 0:
                             * 256 MiB. Thinning keeps, from the oldest on, one
                             * minute of ten, then drops the oldest */
    uint32_t commit_ms;     /* group commit at least this often; default 100 */
    uint64_t reserve_bytes; /* of the file, held for signed datasets that come
                             * when the disk is full; 0: 1 MiB, for about 60
                             * charging sessions */
};

/** What the loop hears, on its own thread. */
struct mg_store_events {
    /** All puts and rows handed over up to this ticket are on the disk. */
    void (*durable)(void *ctx, uint64_t ticket);
    /** Readings were dropped because the outbox is full or the disk is, or
     *  nothing can be written: told at once, when the first readings go, then
     *  after growing pauses, with the totals since it began. err->code is then
     *  never MG_OK. With 0 rows and MG_OK: the trouble is over. */
    void (*trouble)(void *ctx, uint64_t n_rows_dropped, uint64_t n_readings,
                    const struct mg_err *err);
};

struct mg_store_stats {
    uint64_t n_rows, n_bytes, n_parked; /* in the outbox */
    int64_t oldest_ms;                  /* UTC, 0 = empty */
    uint64_t n_commits, n_dropped_readings;
};

/** Open or create, take the lock, check the schema version, read the epoch (a
 *  random number made with the file), start the thread.
 *  @return owned; NULL with err (locked by another gateway, no database, made
 *  by a newer version, disk full) */
struct mg_store *mg_store_open(uv_loop_t *loop,
                               const struct mg_store_settings *settings,
                               const struct mg_store_events *events, void *ctx,
                               struct mg_err *err);

/** Commit all that was handed over, stop the thread, close. NULL is allowed.
 *  No event follows. The handles' memory goes when the loop has run once more.
 *  A disk that cannot be written is tried three times, then given up. The
 *  uplink must have stopped. */
void mg_store_close(struct mg_store *store);

/** 16 hex digits, for the life of the file. */
const char *mg_store_epoch(const struct mg_store *store);

/** Queue a row for the outbox, copying topic and payload. Loop thread. What is
 *  handed over in one turn of the loop goes into one transaction.
 *  @param row  id is not used
 *  @return MG_OK and *ret_ticket; MG_E_NOSPC: queue full (4096 rows or 64 MiB
 *  wait for the disk): the caller keeps the row and tries again. Events, signed
 *  rows and values first push waiting readings out of a full queue, which
 *  `trouble` reports. MG_E_INVAL: no topic, payload too long */
int mg_store_append(struct mg_store *store, const struct mg_store_row *row,
                    uint64_t *ret_ticket);

/** Set a value, in the same order and transaction as the rows. len 0 deletes.
 *  Loop thread. @param key  1 to MG_STORE_KEY_MAX - 1 bytes
 *  @return as mg_store_append; the queue holds 4096 values */
int mg_store_put(struct mg_store *store, const char *key, const void *value,
                 size_t len, uint64_t *ret_ticket);

/** Read a committed value. Any thread; blocks for a read of the file: used at
 *  start only. @return MG_OK; MG_E_NOTFOUND; MG_E_NOSPC; MG_E_IO */
int mg_store_get(struct mg_store *store, const char *key, void *buf, size_t cap,
                 size_t *ret_len, struct mg_err *err);

/** Ask for the commit to happen as soon as this turn of the loop ends. Loop
 *  thread. */
void mg_store_flush(struct mg_store *store);

void mg_store_stats(struct mg_store *store, struct mg_store_stats *ret);

/* ---- For the uplink thread ---- */

/** Called on the store thread when rows were committed. Set once, before the
 *  uplink starts, and to NULL before what it wakes goes away: then it is not
 *  called any more. Must only wake (uv_async_send). */
void mg_store_set_wake(struct mg_store *store, void (*wake)(void *ctx),
                       void *ctx);

/** Own read-only connection of the uplink thread. */
struct mg_outbox;
struct mg_outbox *mg_outbox_open(struct mg_store *store, struct mg_err *err);
void mg_outbox_close(struct mg_outbox *outbox);

/** The first row after this id that is neither acknowledged nor parked.
 *  @param ret_row  payload is owned by the outbox until the next call
 *  @return MG_OK; MG_E_NOTFOUND: none; MG_E_IO */
int mg_outbox_next(struct mg_outbox *outbox, int64_t after_id,
                   struct mg_store_row *ret_row, struct mg_err *err);

/** The broker has it: delete. Any thread; done with the next commit, at the
 *  latest after ten times commit_ms. */
void mg_store_ack(struct mg_store *store, int64_t id);

/** The broker refuses it for good: keep it aside with the reason. Any thread.
 *  Of parked readings the newest 1000 rows or 16 MiB stay.
 *  @param reason_code  MQTT v5 */
void mg_store_park(struct mg_store *store, int64_t id, int reason_code);

#endif
