/* Reading the log book. */
#include <stdlib.h>
#include <string.h>

#include "store/logbook.h"
#include "store/reader.h"

#define LOGBOOK_VERSION 3 /* of the schema, that the log book came with */

enum query { Q_NEXT, Q_GET, Q_NEWEST, Q_UNSIGNED, Q_BOOKS, Q_VALUE, N_QUERIES };

#define BOOKS                                                                  \
    "SELECT n_entries, n_bytes, last_number, last_hash FROM logbook_books "
#define COLUMNS                                                                \
    "SELECT number, entry, hash, signature, fingerprint FROM logbook "

enum column { COL_NUMBER, COL_ENTRY, COL_HASH, COL_SIGNATURE, COL_FINGERPRINT };

static const char *const queries[N_QUERIES] = {
    [Q_NEXT] = COLUMNS "WHERE number>?1 ORDER BY number LIMIT 1",
    [Q_GET] = COLUMNS "WHERE number=?1",
    [Q_NEWEST] = COLUMNS "ORDER BY number DESC LIMIT 1",
    [Q_UNSIGNED] = COLUMNS "WHERE number>?1 AND signature IS NULL"
                           " ORDER BY number LIMIT 1",
    [Q_BOOKS] = BOOKS "WHERE id=1",
    [Q_VALUE] = "SELECT value FROM kv WHERE key=?1",
};

struct mg_logs {
    sqlite3 *db;
    sqlite3_stmt *stmt[N_QUERIES];
    char text[MG_LOG_TEXT_MAX];
};

struct mg_logs *mg_logs_open(const char *path, struct mg_err *err)
{
    struct mg_logs *l = calloc(1, sizeof *l);
    if (l == NULL) {
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        return NULL;
    }
    int rc = store__reader_open(path, LOGBOOK_VERSION, "log book", &l->db, err);
    for (size_t i = 0; rc == MG_OK && i < N_QUERIES; i++) {
        rc = store__prepare(l->db, queries[i], &l->stmt[i], err);
    }
    if (rc == MG_OK) {
        return l;
    }
    mg_logs_close(l);
    return NULL;
}

void mg_logs_close(struct mg_logs *l)
{
    if (l == NULL) {
        return;
    }
    for (size_t i = 0; i < N_QUERIES; i++) {
        (void)sqlite3_finalize(l->stmt[i]); /* repeats an old error */
    }
    (void)sqlite3_close(l->db); /* nothing is open on it */
    free(l);
}

/* ---- One row ---- */

/* @return whether the blob of a column has a length that is allowed */
static bool take_blob(sqlite3_stmt *q, enum column column, void *ret,
                      size_t min, size_t max, size_t *ret_len)
{
    const void *bytes = sqlite3_column_blob(q, (int)column);
    size_t len = (size_t)sqlite3_column_bytes(q, (int)column);
    if (len < min || len > max) {
        return false;
    }
    if (len > 0) {
        memcpy(ret, bytes, len);
    }
    *ret_len = len;
    return true;
}

static int take_row(struct mg_logs *l, sqlite3_stmt *q, struct mg_log_row *ret,
                    struct mg_err *err)
{
    struct mg_log_row row = {.number = sqlite3_column_int64(q, COL_NUMBER),
                             .text = l->text};
    size_t hash_len;
    if (!take_blob(q, COL_ENTRY, l->text, 1, sizeof l->text, &row.len) ||
        !take_blob(q, COL_HASH, row.hash, sizeof row.hash, sizeof row.hash,
                   &hash_len) ||
        !take_blob(q, COL_SIGNATURE, row.signature, 0, sizeof row.signature,
                   &row.signature_len) ||
        !store__reader_text(q, COL_FINGERPRINT, row.fingerprint,
                            sizeof row.fingerprint)) {
        ret->number = row.number;
        return mg_err_set(err, MG_E_PROTO,
                          "entry %lld of the log book is not one of ours",
                          (long long)row.number);
    }
    *ret = row;
    return MG_OK;
}

static int read_row(struct mg_logs *l, enum query query, struct mg_log_row *ret,
                    struct mg_err *err)
{
    sqlite3_stmt *q = l->stmt[query];
    int step = sqlite3_step(q), rc;
    if (step == SQLITE_ROW) {
        rc = take_row(l, q, ret, err);
    } else if (step == SQLITE_DONE) {
        rc = mg_err_set(err, MG_E_NOTFOUND, "no such entry in the log book");
    } else {
        rc = store__reader_failed(l->db, "cannot read the log book", err);
    }
    (void)sqlite3_reset(q); /* repeats the error of the step */
    return rc;
}

static int read_by_number(struct mg_logs *l, enum query query, int64_t number,
                          struct mg_log_row *ret, struct mg_err *err)
{
    (void)sqlite3_bind_int64(l->stmt[query], 1, number);
    return read_row(l, query, ret, err);
}

int mg_logs_next(struct mg_logs *l, int64_t after, struct mg_log_row *ret,
                 struct mg_err *err)
{
    return read_by_number(l, Q_NEXT, after, ret, err);
}

int mg_logs_get(struct mg_logs *l, int64_t number, struct mg_log_row *ret,
                struct mg_err *err)
{
    return read_by_number(l, Q_GET, number, ret, err);
}

int mg_logs_newest(struct mg_logs *l, struct mg_log_row *ret,
                   struct mg_err *err)
{
    return read_row(l, Q_NEWEST, ret, err);
}

int mg_logs_unsigned(struct mg_logs *l, int64_t after, struct mg_log_row *ret,
                     struct mg_err *err)
{
    return read_by_number(l, Q_UNSIGNED, after, ret, err);
}

/* ---- Beside the rows ---- */

int mg_logs_books(struct mg_logs *l, struct mg_log_books *ret,
                  struct mg_err *err)
{
    sqlite3_stmt *q = l->stmt[Q_BOOKS];
    int step = sqlite3_step(q), rc = MG_OK;
    if (step == SQLITE_ROW && sqlite3_column_bytes(q, 3) == MG_LOG_HASH_LEN) {
        ret->n_entries = (uint64_t)sqlite3_column_int64(q, 0);
        ret->n_bytes = (uint64_t)sqlite3_column_int64(q, 1);
        ret->last_number = sqlite3_column_int64(q, 2);
        memcpy(ret->last_hash, sqlite3_column_blob(q, 3), MG_LOG_HASH_LEN);
    } else if (step == SQLITE_ROW || step == SQLITE_DONE) {
        rc = mg_err_set(err, MG_E_PROTO, "the count of the log book is gone");
    } else {
        rc = store__reader_failed(l->db, "cannot read the log book", err);
    }
    (void)sqlite3_reset(q); /* repeats the error of the step */
    return rc;
}

int mg_logs_value(struct mg_logs *l, const char *key, char *buf, size_t cap,
                  struct mg_err *err)
{
    sqlite3_stmt *q = l->stmt[Q_VALUE];
    if (sqlite3_bind_text(q, 1, key, -1, SQLITE_TRANSIENT) != SQLITE_OK) {
        return mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    int step = sqlite3_step(q), rc = MG_OK;
    if (step == SQLITE_DONE) {
        rc = mg_err_set(err, MG_E_NOTFOUND, "no value %s in the store", key);
    } else if (step != SQLITE_ROW) {
        rc = store__reader_failed(l->db, "cannot read the store", err);
    } else if (!store__reader_text(q, 0, buf, cap)) {
        rc =
            mg_err_set(err, MG_E_PROTO, "the value %s is not one of ours", key);
    }
    (void)sqlite3_reset(q); /* repeats the error of the step */
    return rc;
}
