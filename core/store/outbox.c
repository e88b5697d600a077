/* The uplink's view: its own connection, one short read for each row. A read
 * transaction left open would keep the WAL from being used again. */
#include <stdlib.h>
#include <string.h>

#include "store/store_priv.h"

struct mg_outbox {
    struct mg_store *store; /* borrowed until mg_outbox_close */
    sqlite3 *db;
    sqlite3_stmt *next;
    char *payload; /* owned; of the last row */
    size_t cap;
};

enum { COL_ID, COL_CLASS, COL_N_READINGS, COL_CREATED, COL_TOPIC, COL_PAYLOAD };

struct mg_outbox *mg_outbox_open(struct mg_store *store, struct mg_err *err)
{
    struct mg_outbox *o = calloc(1, sizeof *o);
    if (o == NULL) {
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        return NULL;
    }
    o->store = store;
    if (store__file_open_reader(store->path, &o->db, err) != MG_OK ||
        store__prepare(o->db,
                       "SELECT id, class, n_readings, created_ms, topic,"
                       " payload FROM outbox WHERE id>?1 ORDER BY id LIMIT 1",
                       &o->next, err) != MG_OK) {
        mg_outbox_close(o);
        return NULL;
    }
    return o;
}

void mg_outbox_close(struct mg_outbox *o)
{
    if (o == NULL) {
        return;
    }
    (void)sqlite3_finalize(o->next); /* repeats an old error */
    (void)sqlite3_close(o->db);      /* nothing is open on it */
    free(o->payload);
    free(o);
}

static int hold_payload(struct mg_outbox *o, const void *data, size_t len,
                        struct mg_err *err)
{
    if (len + 1 > o->cap) {
        size_t cap = o->cap * 2 > len + 1 ? o->cap * 2 : len + 1;
        char *payload = realloc(o->payload, cap);
        if (payload == NULL) {
            return mg_err_set(err, MG_E_NOMEM, "out of memory");
        }
        o->payload = payload;
        o->cap = cap;
    }
    if (len > 0) {
        memcpy(o->payload, data, len);
    }
    o->payload[len] = '\0';
    return MG_OK;
}

static int take_row(struct mg_outbox *o, struct mg_store_row *ret_row,
                    struct mg_err *err)
{
    sqlite3_stmt *q = o->next;
    const void *topic = sqlite3_column_text(q, COL_TOPIC);
    const void *payload = sqlite3_column_blob(q, COL_PAYLOAD);
    size_t topic_len = (size_t)sqlite3_column_bytes(q, COL_TOPIC);
    size_t len = (size_t)sqlite3_column_bytes(q, COL_PAYLOAD);
    int class_ = sqlite3_column_int(q, COL_CLASS);
    struct mg_store_row row = {
        .id = sqlite3_column_int64(q, COL_ID),
        .class_ = (enum mg_row_class)class_,
        .n_readings = (uint32_t)sqlite3_column_int64(q, COL_N_READINGS),
        .created_ms = sqlite3_column_int64(q, COL_CREATED),
        .len = len};
    if (topic == NULL || topic_len >= sizeof row.topic ||
        len > MG_STORE_PAYLOAD_MAX || class_ < 0 || class_ > MG_ROW_SIGNED) {
        return mg_err_set(err, MG_E_IO,
                          "row %lld of the outbox is not one of ours",
                          (long long)row.id);
    }
    int rc = hold_payload(o, payload, len, err);
    if (rc == MG_OK) {
        memcpy(row.topic, topic, topic_len);
        row.payload = o->payload;
        *ret_row = row;
    }
    return rc;
}

static int read_next(struct mg_outbox *o, int64_t after_id,
                     struct mg_store_row *ret_row, struct mg_err *err)
{
    (void)sqlite3_bind_int64(o->next, 1, after_id);
    int step = sqlite3_step(o->next);
    int rc;
    if (step == SQLITE_ROW) {
        rc = take_row(o, ret_row, err);
    } else if (step == SQLITE_DONE) {
        rc = mg_err_set(err, MG_E_NOTFOUND, "no row after %lld",
                        (long long)after_id);
    } else {
        (void)store__db_err(o->db, err, "cannot read the outbox");
        rc = err->code = MG_E_IO;
    }
    (void)sqlite3_reset(o->next); /* repeats the error of the step */
    return rc;
}

static bool is_settled(struct mg_store *s, int64_t id)
{
    uv_mutex_lock(&s->mutex);
    bool is_found = store__settled_has(&s->settled, id);
    uv_mutex_unlock(&s->mutex);
    return is_found;
}

int mg_outbox_next(struct mg_outbox *o, int64_t after_id,
                   struct mg_store_row *ret_row, struct mg_err *err)
{
    struct mg_store_row row = {0};
    int rc = read_next(o, after_id, &row, err);
    /* After a reconnect the uplink begins anew: what was acknowledged just
     * before is not sent again only because its deletion is not written. */
    while (rc == MG_OK && is_settled(o->store, row.id)) {
        rc = read_next(o, row.id, &row, err);
    }
    if (rc == MG_OK) {
        *ret_row = row;
    }
    return rc;
}
