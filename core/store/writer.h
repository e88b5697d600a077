/* The only connection that writes, on the store thread: one transaction after
 * the other, and the books about what is in the file. */
#ifndef MG_STORE_WRITER_H
#define MG_STORE_WRITER_H

#include "store/file.h"
#include "store/queue.h"
#include "store/settled.h"

enum store_query {
    STORE_Q_BEGIN,
    STORE_Q_COMMIT,
    STORE_Q_ROLLBACK,
    STORE_Q_ADD_ROW,
    STORE_Q_PUT,
    STORE_Q_DELETE_KEY,
    STORE_Q_FIND_ROW,
    STORE_Q_DELETE_ROW,
    STORE_Q_PARK_ROW,
    STORE_Q_OLDEST,
    STORE_Q_N_PAGES,
    STORE_Q_LIVE_AFTER,
    STORE_Q_PARKED_LIVE,
    STORE_Q_DELETE_PARKED,
    STORE_Q_ADD_RESERVE,
    STORE_Q_DROP_RESERVE,
    STORE_Q_ADD_DATASET,
    STORE_Q_COMPLETE_DATASET,
    STORE_Q_ADD_LOG,
    STORE_Q_SIGN_LOG,
    STORE_N_QUERIES
};

/* What is in the file; "live" are rows of class MG_ROW_READINGS. */
struct store_books {
    uint64_t n_rows, n_bytes, n_live;
    uint64_t n_parked, n_parked_live, n_parked_live_bytes;
    int64_t oldest_ms;
    uint64_t n_reserve; /* rows of the reserve */
    /* All live rows up to here were looked at for thinning; all live rows up
     * to here are gone. Begin at 0 with each start. */
    int64_t thinned_to, dropped_to;
};

struct store_writer {
    sqlite3 *db;
    sqlite3_stmt *stmt[STORE_N_QUERIES];
    struct store_books books;                     /* as committed */
    struct store_books next;                      /* within a transaction */
    struct store_dropped dropped, dropped_parked; /* within a transaction */
    uint64_t max_bytes, reserve_bytes;
};

/* What a transaction gives away to make room in the file. */
enum store_shrink {
    STORE_SHRINK_NOTHING,
    STORE_SHRINK_LIVE,   /* 1/16 of the live rows */
    STORE_SHRINK_RESERVE /* and the reserve */
};

/** @param writer  zero-initialised; also after a failure to be closed
 *  @param db       owned by the writer from now on */
int store__writer_open(struct store_writer *writer, sqlite3 *db,
                       uint64_t max_bytes, uint64_t reserve_bytes,
                       struct mg_err *err);

/** Also of a half opened one. */
void store__writer_close(struct store_writer *writer);

/** All in one transaction: the items, the settlements, then what has to go so
 *  that the outbox stays within its limit. After a failure nothing was done.
 *  @return MG_OK, with writer->books, ->dropped and ->dropped_parked */
int store__writer_commit(struct store_writer *writer,
                         const struct store_list *items,
                         const struct store_settlement *settled,
                         size_t n_settled, enum store_shrink shrink,
                         struct mg_err *err);

/** Fill the reserve up again, in a transaction of its own. Where the disk has
 *  no room it stays as it is and is tried again later. */
void store__writer_fill_reserve(struct store_writer *writer);

/** Make the space of the WAL usable again, after a failed commit. */
void store__writer_make_space(struct store_writer *writer);

/* ---- For retention.c, reserve.c and dataset_write.c, within a transaction
 * ---- */

/** Run a statement that returns no row, and reset it. */
int store__writer_run(struct store_writer *writer, enum store_query query,
                      struct mg_err *err);

/** After a commit was tried: take its books over, or roll back. */
void store__writer_end(struct store_writer *writer, int rc);

/** Have the disk set space aside for the transaction. */
int store__writer_reserve(struct store_writer *writer, struct mg_err *err);

/** Bring the outbox and the parked rows below their limits. */
int store__retain(struct store_writer *writer, enum store_shrink shrink,
                  struct mg_err *err);

#endif
