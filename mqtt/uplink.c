#include "mqtt/uplink.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mqtt/worker.h"

#define TOPICS_MAX 65536
/* Beyond the time that the end may take, for a loaded machine. */
#define GRACE_MS 200

struct mg_uplink {
    struct mg_sink sink; /* first: a sink is an uplink */
    struct mg_worker worker;
    struct mg_store *store; /* borrowed */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ended; /* monotonic */
    bool has_ended;
};

/* ---- Calls of the loop ---- */

static struct mg_worker *worker_of(struct mg_sink *sink)
{
    return &((struct mg_uplink *)(void *)sink)->worker;
}

static int retain(struct mg_sink *sink, const char *topic, const char *payload,
                  size_t len, int qos)
{
    struct mg_worker *w = worker_of(sink);
    bool is_due = false;
    int rc = mg_retained_set(w->retained, topic, payload, len, qos, &is_due);
    if (is_due) {
        mg_worker_wake(w, MG_WAKE_RETAINED);
    }
    return rc;
}

static void reply(struct mg_sink *sink, const struct mg_reply_to *to,
                  const char *payload, size_t len)
{
    struct mg_worker *w = worker_of(sink);
    if (mg_replies_put(w->replies, to, payload, len) == MG_OK) {
        mg_worker_wake(w, MG_WAKE_REPLY);
    }
}

void mg_uplink_stats(struct mg_sink *sink, struct mg_sink_stats *ret)
{
    mg_worker_stats(worker_of(sink), ret);
}

/* ---- The thread ---- */

static void *thread_main(void *arg)
{
    struct mg_uplink *u = arg;
    /* The library's threads inherit this: none preempts the other when woken,
     * so a batch is handed over and sent whole, not message by message. It
     * saves a third of the time and is only that: a failure does not matter. */
    (void)sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0});
    mg_worker_run(&u->worker);
    (void)pthread_mutex_lock(&u->lock); /* fails on misuse only */
    u->has_ended = true;
    (void)pthread_cond_signal(&u->ended);
    (void)pthread_mutex_unlock(&u->lock);
    return NULL;
}

/* Signals are the loop's; the library's threads inherit this. */
static int start_thread(struct mg_uplink *u)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&u->thread, NULL, thread_main, u);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

/* @return false: it did not end in time */
static bool wait_for_end(struct mg_uplink *u, uint64_t timeout_ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* cannot fail */
    uint64_t ns = (uint64_t)until.tv_nsec + timeout_ms % 1000 * 1000000;
    until.tv_sec += (time_t)(timeout_ms / 1000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    int rc = 0;
    (void)pthread_mutex_lock(&u->lock);
    while (!u->has_ended && rc == 0) {
        rc = pthread_cond_timedwait(&u->ended, &u->lock, &until);
    }
    bool has_ended = u->has_ended;
    (void)pthread_mutex_unlock(&u->lock);
    return has_ended;
}

/* ---- Life ---- */

static void free_parts(struct mg_uplink *u)
{
    struct mg_worker *w = &u->worker;
    mg_outbox_close(w->outbox);
    mg_retained_destroy(w->retained);
    mg_replies_destroy(w->replies);
    mg_recent_destroy(w->recent);
    (void)pthread_cond_destroy(&u->ended);
    (void)pthread_mutex_destroy(&u->lock);
    free(u);
}

static void destroy(struct mg_sink *sink, uint32_t timeout_ms)
{
    struct mg_uplink *u = (struct mg_uplink *)(void *)sink;
    mg_store_set_wake(u->store, NULL, NULL);
    atomic_store(&u->worker.stop_ms, timeout_ms);
    mg_worker_wake(&u->worker, MG_WAKE_STOP);
    bool has_ended = wait_for_end(u, (uint64_t)timeout_ms + GRACE_MS);
    mg_delivery_close(u->worker.delivery, !has_ended);
    if (!has_ended) {
        /* Stuck in a look-up of the broker's name. It touches nothing of the
         * gateway any more, but its memory must stay. */
        mg_log(MG_LOG_WARN, "the uplink did not end within %u ms", timeout_ms);
        (void)pthread_detach(u->thread);
        return;
    }
    (void)pthread_join(u->thread, NULL); /* it has ended */
    mg_worker_fini(&u->worker);
    free_parts(u);
}

static struct mg_recent *make_recent(const struct mg_setup *setup)
{
    const char **names = calloc(setup->n_meters + 1, sizeof *names);
    if (names == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < setup->n_meters; i++) {
        names[i] = setup->meters[i].id;
    }
    struct mg_recent *recent = mg_recent_create(names, setup->n_meters);
    free(names);
    return recent;
}

static void set_topics(struct mg_worker *w, const struct mg_setup *setup)
{
    (void)snprintf(w->base, sizeof w->base, "%s/%s/", setup->mqtt.root,
                   setup->gateway);
    (void)snprintf(w->availability, sizeof w->availability, "%savailability",
                   w->base);
    (void)snprintf(w->filters[0], sizeof w->filters[0], "%sm/+/cmd/+", w->base);
    (void)snprintf(w->filters[1], sizeof w->filters[1], "%scmd/+", w->base);
}

static int make_parts(struct mg_uplink *u, const struct mg_setup *setup,
                      struct mg_err *err)
{
    struct mg_worker *w = &u->worker;
    set_topics(w, setup);
    w->mqtt = setup->mqtt;
    w->retained = mg_retained_create(w->base, TOPICS_MAX);
    w->replies = mg_replies_create();
    w->recent = make_recent(setup);
    if (w->retained == NULL || w->replies == NULL || w->recent == NULL) {
        return mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    w->outbox = mg_outbox_open(u->store, err);
    return w->outbox == NULL ? err->code : MG_OK;
}

static struct mg_uplink *allocate(struct mg_store *store)
{
    static const struct mg_sink_ops ops = {
        .retain = retain, .reply = reply, .destroy = destroy};
    pthread_condattr_t attr;
    struct mg_uplink *u = calloc(1, sizeof *u);
    if (u != NULL) {
        u->sink.ops = &ops;
        u->store = store;
        (void)pthread_mutex_init(&u->lock, NULL); /* cannot fail on Linux */
        (void)pthread_condattr_init(&attr);
        (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        (void)pthread_cond_init(&u->ended, &attr);
        (void)pthread_condattr_destroy(&attr);
    }
    return u;
}

static void wake_rows(void *ctx)
{
    mg_worker_wake(ctx, MG_WAKE_ROWS);
}

struct mg_sink *mg_uplink_create(uv_loop_t *loop, struct mg_store *store,
                                 const struct mg_setup *setup,
                                 const struct mg_sink_events *events, void *ctx,
                                 struct mg_err *err)
{
    struct mg_uplink *u = allocate(store);
    if (u == NULL) {
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        return NULL;
    }
    if (make_parts(u, setup, err) != MG_OK) {
        goto free_parts;
    }
    u->worker.delivery = mg_delivery_create(loop, events, ctx, err);
    if (u->worker.delivery == NULL) {
        goto free_parts;
    }
    if (mg_worker_init(&u->worker, store, err) != MG_OK) {
        goto close_delivery;
    }
    /* The library ignores it for the whole process anyway. */
    (void)signal(SIGPIPE, SIG_IGN);
    mg_store_set_wake(store, wake_rows, &u->worker);
    int rc = start_thread(u);
    if (rc == 0) {
        return &u->sink;
    }
    (void)mg_err_errno(err, rc, "cannot start the uplink thread");
    mg_store_set_wake(store, NULL, NULL);
    mg_worker_fini(&u->worker);
close_delivery:
    mg_delivery_close(u->worker.delivery, false);
free_parts:
    free_parts(u);
    return NULL;
}
