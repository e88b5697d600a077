/* The store thread: waits until a commit is due, writes, tells. */
#include "store/report.h"

#define BACK_OFF_FIRST_NS 100000000ULL
#define BACK_OFF_LAST_NS  5000000000ULL
#define STOP_PAUSE_NS     50000000ULL
#define STOP_TRIES        3

/* In units of commit_ms: acknowledgements wait longer than rows, as one lost
 * only sends a row again, and a trouble is over when it stayed away. */
#define SETTLE_COMMITS 10
#define CALM_COMMITS   100

struct state {
    struct store_trouble disk, full;
    struct mg_err err;   /* of the last failure */
    unsigned n_failures; /* in a row */
    unsigned n_stop_tries;
    uint64_t failed_ns, reserve_ns; /* the last tries */
};

/* One look at what waits. */
struct pass {
    struct store_list items;
    size_t n_settled;
    struct store_dropped queue_dropped;
    bool is_queue_calm;
};

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t back_off_ns(const struct mg_store *s, const struct state *t)
{
    if (s->is_stopping) {
        return STOP_PAUSE_NS;
    }
    unsigned shift = t->n_failures < 7 ? t->n_failures - 1 : 6;
    return earlier(BACK_OFF_FIRST_NS << shift, BACK_OFF_LAST_NS);
}

/* When to go on; UINT64_MAX: only when woken. Under the mutex. */
static uint64_t due_ns(const struct mg_store *s, const struct state *t)
{
    if (t->n_failures > 0 && store__has_work(s)) {
        return t->failed_ns + back_off_ns(s, t);
    }
    if (s->is_stopping || (s->queue.sealed != NULL && store__has_much(s)) ||
        (s->is_flushing && store__has_work(s))) {
        return 0;
    }
    uint64_t due = UINT64_MAX;
    if (t->disk.is_on && t->n_failures == 0) {
        due = t->disk.last_ns + CALM_COMMITS * s->commit_ns;
    }
    if (s->queue.sealed != NULL) {
        due = earlier(due, s->queue.since_ns + s->commit_ns);
    }
    if (s->settled.n > 0) {
        due = earlier(due, s->settled.since_ns + SETTLE_COMMITS * s->commit_ns);
    }
    return due;
}

/* @return false: stopped and nothing left. Under the mutex. */
static bool wait_for_work(struct mg_store *s, const struct state *t)
{
    for (;;) {
        uint64_t due = due_ns(s, t), now = uv_hrtime();
        if (due <= now) {
            break;
        }
        if (due == UINT64_MAX) {
            uv_cond_wait(&s->cond, &s->mutex);
        } else {
            /* Woken or not, the clock tells. */
            (void)uv_cond_timedwait(&s->cond, &s->mutex, due - now);
        }
    }
    return store__has_work(s) || !s->is_stopping;
}

/* Under the mutex. */
static void take(struct mg_store *s, bool is_failing, struct pass *ret)
{
    const struct store_list *w = &s->queue.waiting;
    ret->is_queue_calm = w->n[STORE_ITEM_ROW] <= STORE_QUEUE_ROWS / 2 &&
                         w->n[STORE_ITEM_PUT] <= STORE_QUEUE_PUTS / 2 &&
                         w->n_bytes <= STORE_QUEUE_BYTES / 2;
    store__queue_take(&s->queue,
                      is_failing ? STORE_RETRY_ITEMS : STORE_COMMIT_ITEMS,
                      STORE_COMMIT_BYTES, &ret->items);
    ret->n_settled = s->settled.n < STORE_COMMIT_SETTLED ? s->settled.n
                                                         : STORE_COMMIT_SETTLED;
    for (size_t i = 0; i < ret->n_settled; i++) {
        s->settling[i] = s->settled.all[i];
    }
    ret->queue_dropped = s->queue_dropped;
    s->queue_dropped = (struct store_dropped){0};
    if (s->queue.sealed == NULL) {
        s->is_flushing = false;
    }
}

static void set_stats(struct mg_store *s)
{
    const struct store_books *b = &s->writer.books;
    s->stats.n_rows = b->n_rows;
    s->stats.n_bytes = b->n_bytes;
    s->stats.n_parked = b->n_parked;
    s->stats.oldest_ms = b->oldest_ms;
    s->stats.n_commits++;
    s->stats.n_dropped_readings +=
        s->writer.dropped.n_readings + s->writer.dropped_parked.n_readings;
}

static void committed(struct mg_store *s, struct pass *p)
{
    bool has_rows = p->items.n[STORE_ITEM_ROW] > 0;
    bool is_durable = p->items.last != NULL;
    uint64_t ticket = is_durable ? p->items.last->ticket : 0;
    store__list_free(&p->items);
    uv_mutex_lock(&s->mutex);
    if (is_durable) {
        store__queue_done(&s->queue);
    }
    store__settled_done(&s->settled, p->n_settled, uv_hrtime());
    set_stats(s);
    if (is_durable) {
        s->report.is_durable = true;
        s->report.durable_ticket = ticket;
    }
    if (has_rows && s->wake != NULL) {
        s->wake(s->wake_ctx);
    }
    uv_mutex_unlock(&s->mutex);
    if (is_durable) {
        store__report_send(s);
    }
}

static void give_back(struct mg_store *s, struct pass *p)
{
    uv_mutex_lock(&s->mutex);
    store__queue_give_back(&s->queue, &p->items);
    uv_mutex_unlock(&s->mutex);
}

static void failed(struct mg_store *s, struct state *t, struct pass *p)
{
    t->n_failures++;
    t->failed_ns = uv_hrtime();
    uv_mutex_lock(&s->mutex);
    t->n_stop_tries += s->is_stopping;
    uv_mutex_unlock(&s->mutex);
    give_back(s, p);
    struct store_dropped none = {0};
    store__trouble_add(s, &t->disk, &none, &t->err);
    store__writer_make_space(&s->writer);
}

static void tell_thinned(struct mg_store *s, struct state *t,
                         enum store_shrink shrink)
{
    const struct store_dropped *dropped = &s->writer.dropped;
    if (dropped->n_rows > 0 && shrink != STORE_SHRINK_NOTHING) {
        store__trouble_add(s, &t->disk, dropped, &t->err);
    } else if (dropped->n_rows > 0) {
        struct mg_err err;
        (void)mg_err_set(&err, MG_E_NOSPC,
                         "the outbox is full (%llu MiB): the broker did not "
                         "take rows for too long",
                         (unsigned long long)(s->max_bytes >> 20));
        store__trouble_add(s, &t->full, dropped, &err);
    }
    if (t->full.is_on && s->writer.books.n_bytes <= s->max_bytes / 2) {
        store__trouble_end(s, &t->full, !t->disk.is_on);
    }
}

static bool commit(struct mg_store *s, struct state *t, struct pass *p,
                   enum store_shrink shrink)
{
    struct mg_err err;
    if (store__writer_commit(&s->writer, &p->items, s->settling, p->n_settled,
                             shrink, &err) != MG_OK) {
        t->err = err;
        failed(s, t, p);
        return false;
    }
    committed(s, p);
    tell_thinned(s, t, shrink);
    p->n_settled = 0;
    return true;
}

/* On a full disk the rows wait until a transaction that only deletes has made
 * room within the file. */
static void commit_all(struct mg_store *s, struct state *t, struct pass *p)
{
    bool is_disk_full = t->n_failures > 0 && t->err.code == MG_E_NOSPC;
    if (is_disk_full) {
        bool is_urgent =
            t->n_failures > 1 && (p->items.n[STORE_ITEM_DATASET] > 0 ||
                                  p->items.n[STORE_ITEM_LOG] > 0);
        enum store_shrink shrink =
            is_urgent ? STORE_SHRINK_RESERVE : STORE_SHRINK_LIVE;
        struct store_list items = p->items;
        p->items = (struct store_list){0};
        bool is_done = commit(s, t, p, shrink);
        p->items = items;
        if (!is_done) {
            give_back(s, p);
            return;
        }
    }
    if (commit(s, t, p, STORE_SHRINK_NOTHING)) {
        t->n_failures = 0;
    }
}

static void tell_queue(struct mg_store *s, struct state *t,
                       const struct pass *p)
{
    if (p->queue_dropped.n_rows > 0) {
        struct mg_err slow;
        (void)mg_err_set(&slow, MG_E_NOSPC,
                         "the disk is too slow for the readings");
        store__trouble_add(s, &t->disk, &p->queue_dropped,
                           t->n_failures > 0 ? &t->err : &slow);
    }
    if (!t->disk.is_on || t->n_failures > 0 ||
        uv_hrtime() < t->disk.last_ns + CALM_COMMITS * s->commit_ns) {
        return;
    }
    if (p->is_queue_calm) {
        store__trouble_end(s, &t->disk, !t->full.is_on);
    } else {
        t->disk.last_ns = uv_hrtime(); /* look again after the same time */
    }
}

static void fill_reserve(const struct mg_store *s, struct state *t,
                         struct store_writer *writer)
{
    uint64_t now = uv_hrtime();
    if (!t->disk.is_on && t->n_failures == 0 &&
        now >= t->reserve_ns + CALM_COMMITS * s->commit_ns) {
        t->reserve_ns = now;
        store__writer_fill_reserve(writer);
    }
}

void store__thread(void *arg)
{
    struct mg_store *s = arg;
    struct state t = {0};
    struct pass p = {0};
    uv_mutex_lock(&s->mutex);
    while (t.n_stop_tries < STOP_TRIES && wait_for_work(s, &t)) {
        take(s, t.n_failures > 0, &p);
        uv_mutex_unlock(&s->mutex);
        if (p.items.first != NULL || p.n_settled > 0) {
            commit_all(s, &t, &p);
        }
        tell_queue(s, &t, &p);
        fill_reserve(s, &t, &s->writer);
        uv_mutex_lock(&s->mutex);
    }
    uv_mutex_unlock(&s->mutex);
}
