/* The loop's side: opening, closing, handing over. */
#include "store/store.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/dataset.h"
#include "store/report.h"

#define DEFAULT_COMMIT_MS     100
#define DEFAULT_MAX_BYTES     (256ULL * 1024 * 1024)
#define DEFAULT_RESERVE_BYTES (1024ULL * 1024)

static void on_async(uv_async_t *handle)
{
    store__report_deliver(handle->data);
}

static void seal(struct mg_store *s, bool is_flush)
{
    uv_mutex_lock(&s->mutex);
    bool is_first = s->queue.sealed == NULL;
    store__queue_seal(&s->queue);
    s->is_flushing = s->is_flushing || (is_flush && store__has_work(s));
    if (is_first || is_flush || store__has_much(s)) {
        uv_cond_signal(&s->cond);
    }
    uv_mutex_unlock(&s->mutex);
    (void)uv_prepare_stop(&s->seal); /* cannot fail */
}

static void on_turn_end(uv_prepare_t *handle)
{
    struct mg_store *s = handle->data;
    seal(s, s->is_flush_wanted);
    s->is_flush_wanted = false;
}

/* ---- Open and close ---- */

static int init_locks(struct mg_store *s, struct mg_err *err)
{
    if (uv_mutex_init(&s->mutex) != 0) {
        goto out;
    }
    if (uv_mutex_init(&s->get_mutex) != 0) {
        goto out_mutex;
    }
    if (uv_cond_init(&s->cond) == 0) {
        return MG_OK;
    }
    uv_mutex_destroy(&s->get_mutex);
out_mutex:
    uv_mutex_destroy(&s->mutex);
out:
    return mg_err_set(err, MG_E_NOMEM, "cannot make the locks of the store");
}

static struct mg_store *create(const struct mg_store_settings *settings,
                               struct mg_err *err)
{
    struct mg_store *s = calloc(1, sizeof *s);
    char *path = strdup(settings->path);
    if (s == NULL || path == NULL) {
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
    } else if (init_locks(s, err) == MG_OK) {
        uint32_t ms = settings->commit_ms;
        s->path = path;
        s->lock_fd = -1;
        s->commit_ns = (ms == 0 ? DEFAULT_COMMIT_MS : ms) * 1000000ULL;
        s->max_bytes =
            settings->max_bytes == 0 ? DEFAULT_MAX_BYTES : settings->max_bytes;
        s->reserve_bytes = settings->reserve_bytes == 0
                               ? DEFAULT_RESERVE_BYTES
                               : settings->reserve_bytes;
        return s;
    }
    free(path);
    free(s);
    return NULL;
}

static int open_files(struct mg_store *s, struct mg_err *err)
{
    sqlite3 *db = NULL;
    int rc = store__lock(s->path, &s->lock_fd, err);
    if (rc == MG_OK) {
        rc = store__file_open(s->path, &db, s->epoch, err);
    }
    if (rc == MG_OK) {
        rc = store__writer_open(&s->writer, db, s->max_bytes, s->reserve_bytes,
                                err);
    }
    if (rc == MG_OK) {
        rc = store__file_open_reader(s->path, &s->get_db, err);
    }
    if (rc == MG_OK) {
        rc = store__prepare(s->get_db, "SELECT value FROM kv WHERE key=?1",
                            &s->get_stmt, err);
    }
    const struct store_books *b = &s->writer.books;
    s->stats = (struct mg_store_stats){.n_rows = b->n_rows,
                                       .n_bytes = b->n_bytes,
                                       .n_parked = b->n_parked,
                                       .oldest_ms = b->oldest_ms};
    return rc;
}

/* Everything but the handles and the memory; also of a half opened store. */
static void close_files(struct mg_store *s)
{
    (void)sqlite3_finalize(s->get_stmt); /* repeats an old error */
    (void)sqlite3_close(s->get_db);      /* only read */
    store__writer_close(&s->writer);
    if (s->lock_fd >= 0) {
        (void)close(s->lock_fd); /* the pid in it is only a hint */
    }
    store__list_free(&s->queue.waiting);
    free(s->settled.all);
    uv_cond_destroy(&s->cond);
    uv_mutex_destroy(&s->get_mutex);
    uv_mutex_destroy(&s->mutex);
    free(s->path);
}

static void on_closed(uv_handle_t *handle)
{
    struct mg_store *s = handle->data;
    if (--s->n_open_handles == 0) {
        free(s);
    }
}

static void close_handles(struct mg_store *s)
{
    uv_close((uv_handle_t *)&s->async, on_closed);
    uv_close((uv_handle_t *)&s->seal, on_closed);
}

static int start(struct mg_store *s, uv_loop_t *loop, struct mg_err *err)
{
    int rc = uv_async_init(loop, &s->async, on_async);
    if (rc != 0) {
        return mg_err_set(err, MG_E_IO, "cannot wake the loop: %s",
                          uv_strerror(rc));
    }
    (void)uv_prepare_init(loop, &s->seal); /* cannot fail */
    s->async.data = s;
    s->seal.data = s;
    s->n_open_handles = 2;
    rc = uv_thread_create(&s->thread, store__thread, s);
    return rc == 0 ? MG_OK
                   : mg_err_set(err, MG_E_IO, "cannot start a thread: %s",
                                uv_strerror(rc));
}

struct mg_store *mg_store_open(uv_loop_t *loop,
                               const struct mg_store_settings *settings,
                               const struct mg_store_events *events, void *ctx,
                               struct mg_err *err)
{
    struct mg_store *s = create(settings, err);
    if (s == NULL) {
        return NULL;
    }
    s->events = *events;
    s->ctx = ctx;
    int rc = open_files(s, err);
    if (rc == MG_OK) {
        rc = start(s, loop, err);
    }
    if (rc == MG_OK) {
        return s;
    }
    close_files(s);
    if (s->n_open_handles > 0) {
        close_handles(s);
    } else {
        free(s);
    }
    return NULL;
}

void mg_store_close(struct mg_store *s)
{
    if (s == NULL) {
        return;
    }
    seal(s, true);
    uv_mutex_lock(&s->mutex);
    s->is_stopping = true;
    uv_cond_signal(&s->cond);
    uv_mutex_unlock(&s->mutex);
    (void)uv_thread_join(&s->thread); /* it was created and not joined */
    close_files(s);
    close_handles(s);
}

const char *mg_store_path(const struct mg_store *s)
{
    return s->path;
}

const char *mg_store_epoch(const struct mg_store *s)
{
    return s->epoch;
}

/* ---- Hand over ---- */

int store__hand_over(struct mg_store *s, struct store_item *item,
                     uint64_t *ret_ticket)
{
    if (item == NULL) {
        return MG_E_NOSPC; /* to the caller it is the same */
    }
    bool is_live =
        item->kind == STORE_ITEM_ROW && item->class_ == MG_ROW_READINGS;
    struct store_dropped dropped = {0};
    uv_mutex_lock(&s->mutex);
    bool is_taken =
        store__queue_has_room(&s->queue, item) ||
        (!is_live && store__queue_make_room(&s->queue, item, &dropped));
    if (is_taken) {
        item->ticket = ++s->last_ticket;
        store__queue_add(&s->queue, item, uv_hrtime());
    }
    s->queue_dropped.n_rows += dropped.n_rows;
    s->queue_dropped.n_readings += dropped.n_readings;
    s->stats.n_dropped_readings += dropped.n_readings;
    uv_mutex_unlock(&s->mutex);
    if (!is_taken) {
        free(item);
        return MG_E_NOSPC;
    }
    (void)uv_prepare_start(&s->seal, on_turn_end); /* cannot fail */
    *ret_ticket = s->last_ticket;
    return MG_OK;
}

int mg_store_append(struct mg_store *s, const struct mg_store_row *row,
                    uint64_t *ret_ticket)
{
    size_t topic_len = strnlen(row->topic, sizeof row->topic);
    if (topic_len == 0 || topic_len >= sizeof row->topic ||
        row->len > MG_STORE_PAYLOAD_MAX ||
        (row->len > 0 && row->payload == NULL) || row->class_ > MG_ROW_SIGNED) {
        return MG_E_INVAL;
    }
    struct store_item *item =
        store__item_create(row->topic, topic_len, row->payload, row->len);
    if (item != NULL) {
        item->kind = STORE_ITEM_ROW;
        item->class_ = row->class_;
        item->n_readings = row->n_readings;
        item->created_ms = row->created_ms;
    }
    return store__hand_over(s, item, ret_ticket);
}

int mg_store_put(struct mg_store *s, const char *key, const void *value,
                 size_t len, uint64_t *ret_ticket)
{
    size_t key_len = strnlen(key, MG_STORE_KEY_MAX);
    if (key_len == 0 || key_len >= MG_STORE_KEY_MAX ||
        len > MG_STORE_VALUE_MAX || (len > 0 && value == NULL)) {
        return MG_E_INVAL;
    }
    return store__hand_over(s, store__item_create(key, key_len, value, len),
                            ret_ticket);
}

/* Not before the turn ends: what it hands over belongs together, a record and
 * the row that publishes it above all. */
void mg_store_flush(struct mg_store *s)
{
    s->is_flush_wanted = true;
    (void)uv_prepare_start(&s->seal, on_turn_end); /* cannot fail */
}

/* ---- Look ---- */

static int read_value(struct mg_store *s, const char *key, void *buf,
                      size_t cap, size_t *ret_len, struct mg_err *err)
{
    (void)sqlite3_bind_text(s->get_stmt, 1, key, -1, SQLITE_STATIC);
    int step = sqlite3_step(s->get_stmt);
    if (step == SQLITE_DONE) {
        return mg_err_set(err, MG_E_NOTFOUND, "no value %s in the store", key);
    }
    if (step != SQLITE_ROW) {
        (void)store__db_err(s->get_db, err, "cannot read the store");
        return err->code = MG_E_IO;
    }
    const void *value = sqlite3_column_blob(s->get_stmt, 0);
    size_t len = (size_t)sqlite3_column_bytes(s->get_stmt, 0);
    if (len > cap) {
        return mg_err_set(err, MG_E_NOSPC,
                          "the value %s has %zu bytes, room is for %zu", key,
                          len, cap);
    }
    if (len > 0) {
        memcpy(buf, value, len);
    }
    *ret_len = len;
    return MG_OK;
}

int mg_store_get(struct mg_store *s, const char *key, void *buf, size_t cap,
                 size_t *ret_len, struct mg_err *err)
{
    uv_mutex_lock(&s->get_mutex);
    int rc = read_value(s, key, buf, cap, ret_len, err);
    (void)sqlite3_reset(s->get_stmt); /* repeats the error of the step */
    uv_mutex_unlock(&s->get_mutex);
    return rc;
}

void mg_store_stats(struct mg_store *s, struct mg_store_stats *ret)
{
    uv_mutex_lock(&s->mutex);
    *ret = s->stats;
    uv_mutex_unlock(&s->mutex);
}

/* ---- For the uplink ---- */

void mg_store_set_wake(struct mg_store *s, void (*wake)(void *ctx), void *ctx)
{
    uv_mutex_lock(&s->mutex);
    s->wake = wake;
    s->wake_ctx = ctx;
    uv_mutex_unlock(&s->mutex);
}

static void settle(struct mg_store *s, int64_t id, bool is_park, int reason)
{
    uv_mutex_lock(&s->mutex);
    if (s->settled.n == 0) {
        uv_cond_signal(&s->cond);
    }
    store__settled_add(&s->settled, id, is_park, reason, uv_hrtime());
    uv_mutex_unlock(&s->mutex);
}

void mg_store_ack(struct mg_store *s, int64_t id)
{
    settle(s, id, false, 0);
}

void mg_store_park(struct mg_store *s, int64_t id, int reason_code)
{
    settle(s, id, true, reason_code);
}
