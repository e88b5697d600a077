/* Reading datasets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/dataset.h"
#include "store/reader.h"

#define DATASET_VERSION 2 /* of the schema, that datasets came with */
#define SQL_MAX         1024

/* The kinds of looking; one prepared query of each is kept. */
enum query {
    Q_FILTER, /* prepared anew when the filter has another form */
    Q_GET,
    Q_NEWEST,
    Q_BY_PAGINATION,
    Q_MISSING,
    N_QUERIES
};

struct mg_datasets {
    sqlite3 *db;
    sqlite3_stmt *stmt[N_QUERIES];
    unsigned form; /* of Q_FILTER */
    char *bytes;   /* owned; record and original of the last row */
    size_t cap;
};

#define COLUMNS                                                                \
    "SELECT id, kind, state, meter, transaction_id, context, pagination,"      \
    " fingerprint, stored_ms, begun_ms, ended_ms, begin_mwh, end_mwh,"         \
    " is_billable, verdict, model, serial, mark, why, key_hex, record,"        \
    " original, arrival FROM dataset "

enum column {
    COL_ID,
    COL_KIND,
    COL_STATE,
    COL_METER,
    COL_TRANSACTION,
    COL_CONTEXT,
    COL_PAGINATION,
    COL_FINGERPRINT,
    COL_STORED,
    COL_BEGUN,
    COL_ENDED,
    COL_BEGIN_MWH,
    COL_END_MWH,
    COL_BILLABLE,
    COL_VERDICT,
    COL_MODEL,
    COL_SERIAL,
    COL_MARK,
    COL_WHY,
    COL_KEY,
    COL_RECORD,
    COL_ORIGINAL,
    COL_ARRIVAL
};

static const char *const queries[N_QUERIES] = {
    [Q_GET] = COLUMNS "WHERE id=?1",
    [Q_NEWEST] = COLUMNS "WHERE meter=?1 AND fingerprint=?2 AND context=?3"
                         " ORDER BY pagination DESC, id DESC LIMIT 1",
    [Q_BY_PAGINATION] =
        COLUMNS "WHERE (meter, fingerprint, context, pagination, id)"
                " > (?1, ?2, ?3, ?4, ?5) AND context<>''"
                " ORDER BY meter, fingerprint, context, pagination, id LIMIT 1",
    /* The first id behind ?1 that is not there though a later one was given,
     * and the first behind it that is. */
    [Q_MISSING] =
        "WITH last(seq) AS (SELECT coalesce(max(seq), 0) FROM sqlite_sequence"
        " WHERE name='dataset'),"
        " hole(first) AS (SELECT CASE WHEN EXISTS(SELECT 1 FROM dataset"
        " WHERE id=?1+1) THEN (SELECT id+1 FROM dataset AS d WHERE id>?1"
        " AND NOT EXISTS(SELECT 1 FROM dataset WHERE id=d.id+1)"
        " ORDER BY id LIMIT 1) ELSE ?1+1 END)"
        " SELECT first, coalesce((SELECT min(id) FROM dataset WHERE id>first),"
        " seq+1)-first FROM hole, last WHERE first<=seq",
};

/* ---- Open and close ---- */

struct mg_datasets *mg_datasets_open(const char *path, struct mg_err *err)
{
    struct mg_datasets *d = calloc(1, sizeof *d);
    if (d == NULL) {
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        return NULL;
    }
    if (store__reader_open(path, DATASET_VERSION, "datasets", &d->db, err) ==
        MG_OK) {
        return d;
    }
    mg_datasets_close(d);
    return NULL;
}

void mg_datasets_close(struct mg_datasets *d)
{
    if (d == NULL) {
        return;
    }
    for (size_t i = 0; i < N_QUERIES; i++) {
        (void)sqlite3_finalize(d->stmt[i]); /* repeats an old error */
    }
    (void)sqlite3_close(d->db); /* nothing is open on it */
    free(d->bytes);
    free(d);
}

/* ---- One row ---- */

static int foreign_row(sqlite3_stmt *q, struct mg_err *err)
{
    return mg_err_set(err, MG_E_IO, "dataset %lld is not one of ours",
                      (long long)sqlite3_column_int64(q, COL_ID));
}

static bool take_texts(sqlite3_stmt *q, struct mg_dataset *d)
{
    char context[2];
    if (!store__reader_text(q, COL_CONTEXT, context, sizeof context)) {
        return false;
    }
    d->context = context[0];
    return store__reader_text(q, COL_METER, d->meter, sizeof d->meter) &&
           store__reader_text(q, COL_TRANSACTION, d->transaction,
                              sizeof d->transaction) &&
           store__reader_text(q, COL_FINGERPRINT, d->fingerprint,
                              sizeof d->fingerprint) &&
           store__reader_text(q, COL_VERDICT, d->verdict, sizeof d->verdict) &&
           store__reader_text(q, COL_MODEL, d->model, sizeof d->model) &&
           store__reader_text(q, COL_SERIAL, d->serial, sizeof d->serial) &&
           store__reader_text(q, COL_MARK, d->mark, sizeof d->mark) &&
           store__reader_text(q, COL_WHY, d->why, sizeof d->why) &&
           store__reader_text(q, COL_KEY, d->key_hex, sizeof d->key_hex);
}

static int64_t known(sqlite3_stmt *q, enum column column, int64_t not_known)
{
    return sqlite3_column_type(q, (int)column) == SQLITE_NULL
               ? not_known
               : sqlite3_column_int64(q, (int)column);
}

static void take_numbers(sqlite3_stmt *q, struct mg_dataset *d)
{
    d->id = sqlite3_column_int64(q, COL_ID);
    d->pagination = (uint64_t)sqlite3_column_int64(q, COL_PAGINATION);
    d->is_billable = sqlite3_column_int(q, COL_BILLABLE) != 0;
    d->arrival = sqlite3_column_int64(q, COL_ARRIVAL);
    d->stored_ms = sqlite3_column_int64(q, COL_STORED);
    d->begun_ms = known(q, COL_BEGUN, 0);
    d->ended_ms = known(q, COL_ENDED, 0);
    d->begin_mwh = known(q, COL_BEGIN_MWH, INT64_MIN);
    d->end_mwh = known(q, COL_END_MWH, INT64_MIN);
}

static bool take_enums(sqlite3_stmt *q, struct mg_dataset *d)
{
    int64_t kind = sqlite3_column_int64(q, COL_KIND);
    int64_t state = sqlite3_column_int64(q, COL_STATE);
    if (kind < 0 || kind >= MG_N_DATASET_KINDS || state < 0 ||
        state > MG_DATASET_VOID) {
        return false;
    }
    d->kind = (enum mg_dataset_kind)kind;
    d->state = (enum mg_dataset_state)state;
    return true;
}

/* Record and original one after the other, each with a NUL behind it. */
static int take_bytes(struct mg_datasets *d, sqlite3_stmt *q,
                      struct mg_dataset *row, struct mg_err *err)
{
    const void *record = sqlite3_column_blob(q, COL_RECORD);
    size_t len = (size_t)sqlite3_column_bytes(q, COL_RECORD);
    const void *original = sqlite3_column_blob(q, COL_ORIGINAL);
    size_t original_len = (size_t)sqlite3_column_bytes(q, COL_ORIGINAL);
    if (len > MG_DATASET_RECORD_MAX || original_len > MG_DATASET_RECORD_MAX) {
        return foreign_row(q, err);
    }
    if (len + original_len + 2 > d->cap) {
        size_t cap = 2 * (len + original_len + 2);
        char *bytes = realloc(d->bytes, cap);
        if (bytes == NULL) {
            return mg_err_set(err, MG_E_NOMEM, "out of memory");
        }
        d->bytes = bytes;
        d->cap = cap;
    }
    if (record != NULL) {
        memcpy(d->bytes, record, len);
    }
    d->bytes[len] = '\0';
    if (original != NULL) {
        memcpy(d->bytes + len + 1, original, original_len);
    }
    d->bytes[len + 1 + original_len] = '\0';
    row->record = len > 0 ? d->bytes : NULL;
    row->record_len = len;
    row->original = original_len > 0 ? d->bytes + len + 1 : NULL;
    row->original_len = original_len;
    return MG_OK;
}

static int take_row(struct mg_datasets *d, sqlite3_stmt *q,
                    struct mg_dataset *ret, struct mg_err *err)
{
    struct mg_dataset row = {0};
    if (!take_enums(q, &row) || !take_texts(q, &row)) {
        return foreign_row(q, err);
    }
    take_numbers(q, &row);
    int rc = take_bytes(d, q, &row, err);
    if (rc == MG_OK) {
        *ret = row;
    }
    return rc;
}

static int read_failed(struct mg_datasets *d, struct mg_err *err)
{
    return store__reader_failed(d->db, "cannot read the datasets", err);
}

/* Step a query with its parameters bound, and reset it. */
static int read_row(struct mg_datasets *d, enum query query,
                    struct mg_dataset *ret, struct mg_err *err)
{
    sqlite3_stmt *q = d->stmt[query];
    int step = sqlite3_step(q), rc;
    if (step == SQLITE_ROW) {
        rc = take_row(d, q, ret, err);
    } else if (step == SQLITE_DONE) {
        rc = mg_err_set(err, MG_E_NOTFOUND, "no such dataset");
    } else {
        rc = read_failed(d, err);
    }
    (void)sqlite3_reset(q); /* repeats the error of the step */
    return rc;
}

static int prepare(struct mg_datasets *d, enum query query, struct mg_err *err)
{
    return d->stmt[query] != NULL
               ? MG_OK
               : store__prepare(d->db, queries[query], &d->stmt[query], err);
}

/* A parameter that could not be bound for want of memory is NULL and finds
 * nothing: that must not look like the end. */
static int bind_text(struct mg_datasets *d, enum query query, int parameter,
                     const char *text, struct mg_err *err)
{
    return sqlite3_bind_text(d->stmt[query], parameter, text, -1,
                             SQLITE_TRANSIENT) == SQLITE_OK
               ? MG_OK
               : mg_err_set(err, MG_E_NOMEM, "out of memory");
}

/* ---- By filter ---- */

struct condition {
    const char *sql;
    bool is_set;
};

/* The planner has no statistics: '+' keeps it from sorting all rows of a meter
 * for each step, where going on by id is as short a way. */
static unsigned list_conditions(const struct mg_dataset_filter *f,
                                struct condition ret[9])
{
    bool has_index = f->transaction != NULL;
    ret[0] = (struct condition){" AND meter=?2", f->meter != NULL && has_index};
    ret[1] =
        (struct condition){" AND +meter=?2", f->meter != NULL && !has_index};
    ret[2] = (struct condition){" AND transaction_id=?3", has_index};
    ret[3] = (struct condition){" AND +fingerprint=?4", f->fingerprint != NULL};
    ret[4] = (struct condition){" AND stored_ms>=?5", f->from_ms != 0};
    ret[5] = (struct condition){" AND stored_ms<=?6", f->to_ms != 0};
    ret[6] = (struct condition){" AND is_billable", f->is_billable_only};
    ret[7] = (struct condition){" AND kind=0", f->is_transactions_only};
    ret[8] = (struct condition){f->is_open_only ? " AND state=0"
                                                : " AND record IS NOT NULL",
                                f->is_open_only || f->has_record};
    unsigned form = f->is_open_only;
    for (unsigned i = 0; i < 9; i++) {
        form = form << 1 | ret[i].is_set;
    }
    return form | 1U << 10; /* never 0: that is no query yet */
}

static int prepare_filter(struct mg_datasets *d,
                          const struct mg_dataset_filter *f, struct mg_err *err)
{
    struct condition conditions[9];
    unsigned form = list_conditions(f, conditions);
    if (form == d->form) {
        return MG_OK;
    }
    char sql[SQL_MAX];
    const char *start = f->is_open_only ? COLUMNS
                            "INDEXED BY dataset_open WHERE id>?1"
                                        : COLUMNS "WHERE id>?1";
    size_t len = (size_t)snprintf(sql, sizeof sql, "%s", start);
    for (size_t i = 0; i < 9; i++) {
        if (conditions[i].is_set) {
            len += (size_t)snprintf(sql + len, sizeof sql - len, "%s",
                                    conditions[i].sql);
        }
    }
    (void)snprintf(sql + len, sizeof sql - len, " ORDER BY id LIMIT 1");
    (void)sqlite3_finalize(d->stmt[Q_FILTER]); /* repeats an old error */
    d->stmt[Q_FILTER] = NULL;
    d->form = 0;
    int rc = store__prepare(d->db, sql, &d->stmt[Q_FILTER], err);
    if (rc == MG_OK) {
        d->form = form;
    }
    return rc;
}

/* Parameters that the query has not are refused by SQLite, which is right. */
static int bind_filter(struct mg_datasets *d, const struct mg_dataset_filter *f,
                       struct mg_err *err)
{
    const char *const texts[] = {f->meter, f->transaction, f->fingerprint};
    sqlite3_stmt *q = d->stmt[Q_FILTER];
    (void)sqlite3_bind_int64(q, 1, f->after_id);
    int rc = MG_OK;
    for (int i = 0; rc == MG_OK && i < 3; i++) {
        if (texts[i] != NULL) {
            rc = bind_text(d, Q_FILTER, i + 2, texts[i], err);
        }
    }
    (void)sqlite3_bind_int64(q, 5, f->from_ms);
    (void)sqlite3_bind_int64(q, 6, f->to_ms);
    return rc;
}

int mg_datasets_next(struct mg_datasets *d,
                     const struct mg_dataset_filter *filter,
                     struct mg_dataset *ret, struct mg_err *err)
{
    int rc = prepare_filter(d, filter, err);
    if (rc == MG_OK) {
        rc = bind_filter(d, filter, err);
    }
    return rc == MG_OK ? read_row(d, Q_FILTER, ret, err) : rc;
}

/* ---- Others ---- */

int mg_datasets_get(struct mg_datasets *d, int64_t id, struct mg_dataset *ret,
                    struct mg_err *err)
{
    int rc = prepare(d, Q_GET, err);
    if (rc != MG_OK) {
        return rc;
    }
    (void)sqlite3_bind_int64(d->stmt[Q_GET], 1, id);
    return read_row(d, Q_GET, ret, err);
}

int mg_datasets_newest(struct mg_datasets *d, const char *meter,
                       const char *fingerprint, char context,
                       struct mg_dataset *ret, struct mg_err *err)
{
    const char text[2] = {context, '\0'};
    int rc = prepare(d, Q_NEWEST, err);
    if (rc == MG_OK) {
        rc = bind_text(d, Q_NEWEST, 1, meter, err);
    }
    if (rc == MG_OK) {
        rc = bind_text(d, Q_NEWEST, 2, fingerprint, err);
    }
    if (rc == MG_OK) {
        rc = bind_text(d, Q_NEWEST, 3, text, err);
    }
    return rc == MG_OK ? read_row(d, Q_NEWEST, ret, err) : rc;
}

int mg_datasets_by_pagination(struct mg_datasets *d,
                              const struct mg_dataset *after, const char *meter,
                              struct mg_dataset *ret, struct mg_err *err)
{
    static const struct mg_dataset first = {.pagination = (uint64_t)INT64_MIN};
    int rc = prepare(d, Q_BY_PAGINATION, err);
    const struct mg_dataset *from = after != NULL ? after : &first;
    const char context[2] = {from->context, '\0'};
    const char *from_meter =
        after == NULL && meter != NULL ? meter : from->meter;
    if (rc == MG_OK) {
        rc = bind_text(d, Q_BY_PAGINATION, 1, from_meter, err);
    }
    if (rc == MG_OK) {
        rc = bind_text(d, Q_BY_PAGINATION, 2, from->fingerprint, err);
    }
    if (rc == MG_OK) {
        rc = bind_text(d, Q_BY_PAGINATION, 3, context, err);
    }
    if (rc != MG_OK) {
        return rc;
    }
    sqlite3_stmt *q = d->stmt[Q_BY_PAGINATION];
    (void)sqlite3_bind_int64(q, 4, (int64_t)from->pagination);
    (void)sqlite3_bind_int64(q, 5, from->id);
    struct mg_dataset row;
    rc = read_row(d, Q_BY_PAGINATION, &row, err);
    if (rc == MG_OK && meter != NULL && strcmp(row.meter, meter) != 0) {
        return mg_err_set(err, MG_E_NOTFOUND, "no more of %s", meter);
    }
    if (rc == MG_OK) {
        *ret = row;
    }
    return rc;
}

int mg_datasets_missing(struct mg_datasets *d, int64_t after_id,
                        int64_t *ret_first, int64_t *ret_n, struct mg_err *err)
{
    int rc = prepare(d, Q_MISSING, err);
    if (rc != MG_OK) {
        return rc;
    }
    sqlite3_stmt *q = d->stmt[Q_MISSING];
    (void)sqlite3_bind_int64(q, 1, after_id);
    int step = sqlite3_step(q);
    if (step == SQLITE_ROW) {
        *ret_first = sqlite3_column_int64(q, 0);
        *ret_n = sqlite3_column_int64(q, 1);
    } else if (step == SQLITE_DONE) {
        rc = mg_err_set(err, MG_E_NOTFOUND, "no id is missing");
    } else {
        rc = read_failed(d, err);
    }
    (void)sqlite3_reset(q); /* repeats the error of the step */
    return rc;
}
