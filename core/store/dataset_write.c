/* A dataset into the file. Bindings can only fail for want of memory; the
 * value is then NULL and a NOT NULL refuses the row, or, for the record, the
 * check below. */
#include "store/dataset_row.h"

#include <string.h>

static void bind_text(sqlite3_stmt *stmt, int column, const char *text)
{
    (void)sqlite3_bind_text(stmt, column, text, -1, SQLITE_STATIC);
}

static void bind_known(sqlite3_stmt *stmt, int column, int64_t value,
                       int64_t not_known)
{
    if (value == not_known) {
        (void)sqlite3_bind_null(stmt, column);
    } else {
        (void)sqlite3_bind_int64(stmt, column, value);
    }
}

/* @return whether the bytes are bound, or none are to be */
static bool bind_bytes(sqlite3_stmt *stmt, int column, const char *bytes,
                       size_t len)
{
    return (len == 0 ? sqlite3_bind_null(stmt, column)
                     : sqlite3_bind_blob(stmt, column, bytes, (int)len,
                                         SQLITE_STATIC)) == SQLITE_OK;
}

/* The same parameters for a new row and for one to complete. */
static bool bind_all(sqlite3_stmt *stmt, const struct mg_dataset *d,
                     const char context[2], const char *bytes)
{
    (void)sqlite3_bind_int(stmt, 1, (int)d->kind);
    (void)sqlite3_bind_int(stmt, 2, (int)d->state);
    bind_text(stmt, 3, d->meter);
    bind_text(stmt, 4, d->transaction);
    bind_text(stmt, 5, context);
    if (d->context == '\0') {
        (void)sqlite3_bind_null(stmt, 6);
    } else {
        (void)sqlite3_bind_int64(stmt, 6, (int64_t)d->pagination);
    }
    bind_text(stmt, 7, d->fingerprint);
    (void)sqlite3_bind_int64(stmt, 8, d->stored_ms);
    bind_known(stmt, 9, d->begun_ms, 0);
    bind_known(stmt, 10, d->ended_ms, 0);
    bind_known(stmt, 11, d->begin_mwh, INT64_MIN);
    bind_known(stmt, 12, d->end_mwh, INT64_MIN);
    (void)sqlite3_bind_int(stmt, 13, d->is_billable);
    bind_text(stmt, 14, d->verdict);
    bind_text(stmt, 15, d->model);
    bind_text(stmt, 16, d->serial);
    bind_text(stmt, 17, d->mark);
    bind_text(stmt, 18, d->why);
    bind_text(stmt, 19, d->key_hex);
    return bind_bytes(stmt, 20, bytes, d->record_len) &&
           bind_bytes(stmt, 21, bytes + d->record_len, d->original_len);
}

static int write_row(struct store_writer *w, enum store_query query,
                     const struct mg_dataset *d, const char *bytes,
                     struct mg_err *err)
{
    const char context[2] = {d->context, '\0'};
    sqlite3_stmt *stmt = w->stmt[query];
    int rc = bind_all(stmt, d, context, bytes)
                 ? store__writer_run(w, query, err)
                 : mg_err_set(err, MG_E_NOMEM, "out of memory");
    (void)sqlite3_clear_bindings(stmt); /* they end with this call */
    return rc;
}

int store__write_dataset(struct store_writer *w, const struct store_item *item,
                         struct mg_err *err)
{
    struct mg_dataset d;
    memcpy(&d, item->bytes, sizeof d);
    const char *bytes = item->bytes + sizeof d;
    if (d.kind == MG_DATASET_TRANSACTION && d.transaction[0] != '\0') {
        int rc = write_row(w, STORE_Q_COMPLETE_DATASET, &d, bytes, err);
        if (rc != MG_OK || sqlite3_changes(w->db) > 0) {
            return rc;
        }
    }
    return write_row(w, STORE_Q_ADD_DATASET, &d, bytes, err);
}
