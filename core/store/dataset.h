/* Signed datasets: kept for good, byte for byte.
 *
 * A row is made when a charging session begins and completed when its record is
 * there; other records (begin, intermediate, fiscal, ...) are rows of their
 * own. What is handed over in one turn of the loop goes into one transaction,
 * together with the outbox row and the counters of the session. */
#ifndef MG_STORE_DATASET_H
#define MG_STORE_DATASET_H

#include "store/store.h"

#define MG_DATASET_RECORD_MAX 65536
#define MG_TRANSACTION_MAX    64 /* bytes of a transaction id, NUL included */

enum mg_dataset_kind {
    MG_DATASET_TRANSACTION, /* the record of a session */
    MG_DATASET_BEGIN,       /* signed along the way: */
    MG_DATASET_INTERMEDIATE,
    MG_DATASET_TARIFF,
    MG_DATASET_SUSPEND,
    MG_DATASET_RESUME,
    MG_DATASET_EXCEPTION,
    MG_DATASET_FISCAL,  /* outside of sessions */
    MG_DATASET_REISSUE, /* a transaction again, with a new pagination */
    MG_DATASET_UNKNOWN, /* found in the meter, of no session of ours */
    MG_N_DATASET_KINDS
};

/** "transaction", "begin", ... */
const char *mg_dataset_kind_text(enum mg_dataset_kind kind);

enum mg_dataset_state {
    MG_DATASET_OPEN, /* the session goes on: no record yet */
    MG_DATASET_DONE,
    MG_DATASET_VOID /* the session never began, or no record could be had;
                     * `why` says it */
};

struct mg_dataset {
    int64_t id;      /* given by the store, ascending; not for add */
    int64_t arrival; /* of the record: 1, 2, ... as they came; 0 = no record;
                      * given by the store */
    enum mg_dataset_kind kind;
    enum mg_dataset_state state;
    char meter[48];
    char model[32], serial[48];           /* of the meter; "" = not known */
    char transaction[MG_TRANSACTION_MAX]; /* "" = none */
    char context;                         /* 'T', 'F'; 0 = no record */
    uint64_t pagination;
    char key_hex[321]; /* SPKI DER of the public key, hex; "" = none */
    char fingerprint[65];
    char verdict[16]; /* mg_verdict_text on arrival */
    bool is_billable;
    char why[160];                         /* not billable, or void, because */
    char mark[64];                         /* "", or what is odd: "key-changed",
                                            * "serial-changed", "pagination-gap",
                                            * "pagination-back", "duplicate", "dangling" ...;
                                            * several joined with ',' */
    int64_t begun_ms, ended_ms, stored_ms; /* UTC; 0 = not known */
    int64_t begin_mwh, end_mwh;            /* INT64_MIN = not known */
    char *record;                          /* OCMF text; for add: borrowed */
    size_t record_len;                     /* 0 = none */
    char *original; /* as the meter gave it, where that differs; or NULL */
    size_t original_len;
};

/* Row ids of a store count up from 1 without a gap. */

/** Queue a dataset: in order and in one transaction with what else this turn of
 *  the loop hands over. Never dropped. A row that is OPEN for the same meter
 *  and transaction is completed by one of kind TRANSACTION; otherwise a row is
 *  made. What the completing one does not know (model, serial, begun_ms,
 *  begin_mwh) stays as it was at the begin. Loop thread.
 *  @return as mg_store_append; the queue holds 1024 datasets, whatever else
 *          waits. MG_E_INVAL: no meter, DONE without a record, OPEN with one,
 *          a text that does not end, too long */
int mg_store_add_dataset(struct mg_store *store,
                         const struct mg_dataset *dataset,
                         uint64_t *ret_ticket);

/* ---- Reading: any process, also beside a running gateway ---- */

struct mg_datasets;

/** @param path  of the database
 *  @return owned; NULL with err (no such file, no database, another version) */
struct mg_datasets *mg_datasets_open(const char *path, struct mg_err *err);
void mg_datasets_close(struct mg_datasets *datasets);

struct mg_dataset_filter {
    const char *meter, *transaction, *fingerprint; /* NULL = all */
    int64_t from_ms, to_ms; /* stored_ms within, both included; 0 = open */
    int64_t after_id;       /* to go on, the id of the row before */
    bool is_billable_only, is_transactions_only, has_record;
    bool is_open_only; /* sessions that go on */
};

/** The first row after filter->after_id in order of id. With a meter and a
 *  transaction, or with is_open_only, an index finds it.
 *  @param ret  strings are owned by the reader until the next call
 *  @return MG_OK; MG_E_NOTFOUND: no more; MG_E_IO with err */
int mg_datasets_next(struct mg_datasets *datasets,
                     const struct mg_dataset_filter *filter,
                     struct mg_dataset *ret, struct mg_err *err);
int mg_datasets_get(struct mg_datasets *datasets, int64_t id,
                    struct mg_dataset *ret, struct mg_err *err);

/** The newest record of a meter, key and context by pagination; the last known
 *  ones are loaded at start. @return as mg_datasets_next */
int mg_datasets_newest(struct mg_datasets *datasets, const char *meter,
                       const char *fingerprint, char context,
                       struct mg_dataset *ret, struct mg_err *err);

/** All records in the order of an audit: by meter, key, context and
 *  pagination.
 *  @param after  the row before, or NULL for the first; may be `ret`
 *  @param meter  NULL = all
 *  @return as mg_datasets_next */
int mg_datasets_by_pagination(struct mg_datasets *datasets,
                              const struct mg_dataset *after, const char *meter,
                              struct mg_dataset *ret, struct mg_err *err);

/** Rows are never deleted: ids that are missing were taken out by somebody.
 *  @param after_id  look behind this one
 *  @return MG_OK and the first missing id and how many follow it, itself
 *          included; MG_E_NOTFOUND: none; MG_E_IO */
int mg_datasets_missing(struct mg_datasets *datasets, int64_t after_id,
                        int64_t *ret_first, int64_t *ret_n, struct mg_err *err);

/** Path of a running store's database. */
const char *mg_store_path(const struct mg_store *store);

#endif
