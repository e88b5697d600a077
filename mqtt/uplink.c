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
    struct mg_store *store; /* borrowed; NULL: none */
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

static int set_topic(struct mg_sink *sink, const char *topic,
                     const char *payload, size_t len, unsigned flags)
{
    struct mg_worker *w = worker_of(sink);
    bool is_due = false;
    int rc = mg_retained_set(w->retained, topic, payload, len, flags, &is_due);
    if (is_due) {
        mg_worker_wake(w, MG_WAKE_RETAINED);
    }
    return rc;
}

static int retain(struct mg_sink *sink, const char *topic, const char *payload,
                  size_t len, int qos)
{
    return set_topic(sink, topic, payload, len, qos > 0 ? MG_TOPIC_QOS1 : 0);
}

int mg_uplink_tell(struct mg_sink *sink, const char *topic, const char *payload,
                   size_t len)
{
    return set_topic(sink, topic, payload, len, MG_TOPIC_PASSING);
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
    for (size_t i = 0; i < w->n_filters; i++) {
        free(w->filters[i]);
    }
    (void)pthread_cond_destroy(&u->ended);
    (void)pthread_mutex_destroy(&u->lock);
    free(u);
}

static void watch_rows(struct mg_uplink *u, void (*wake)(void *ctx))
{
    if (u->store != NULL) {
        mg_store_set_wake(u->store, wake, wake == NULL ? NULL : &u->worker);
    }
}

static void destroy(struct mg_sink *sink, uint32_t timeout_ms)
{
    struct mg_uplink *u = (struct mg_uplink *)(void *)sink;
    watch_rows(u, NULL);
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

static bool set_topics(struct mg_worker *w,
                       const struct mg_uplink_settings *settings)
{
    bool has_availability = settings->availability[0] != '\0';
    (void)snprintf(w->base, sizeof w->base, "%s", settings->base);
    if (has_availability) {
        (void)snprintf(w->availability, sizeof w->availability, "%s%s", w->base,
                       settings->availability);
    }
    for (size_t i = 0; i < settings->n_filters; i++) {
        size_t cap = strlen(w->base) + strlen(settings->filters[i]) + 1;
        w->filters[i] = malloc(cap);
        if (w->filters[i] == NULL) {
            return false;
        }
        w->n_filters++;
        (void)snprintf(w->filters[i], cap, "%s%s", w->base,
                       settings->filters[i]);
    }
    return true;
}

static int make_parts(struct mg_uplink *u,
                      const struct mg_uplink_settings *settings,
                      struct mg_err *err)
{
    struct mg_worker *w = &u->worker;
    bool has_topics = set_topics(w, settings);
    w->mqtt = *settings->mqtt;
    w->protocol = settings->protocol;
    w->retained = mg_retained_create(w->base, TOPICS_MAX);
    w->replies = mg_replies_create();
    if (!has_topics || w->retained == NULL || w->replies == NULL) {
        return mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    if (u->store == NULL) {
        return MG_OK;
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

struct mg_sink *mg_uplink_open(const struct mg_uplink_settings *settings,
                               struct mg_err *err)
{
    struct mg_uplink *u = allocate(settings->store);
    if (u == NULL) {
        mg_recent_destroy(settings->recent);
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        return NULL;
    }
    u->worker.recent = settings->recent;
    if (make_parts(u, settings, err) != MG_OK) {
        goto free_parts;
    }
    u->worker.delivery = mg_delivery_create(settings->loop, settings->events,
                                            settings->ctx, err);
    if (u->worker.delivery == NULL) {
        goto free_parts;
    }
    if (mg_worker_init(&u->worker, settings->store, err) != MG_OK) {
        goto close_delivery;
    }
    /* The library ignores it for the whole process anyway. */
    (void)signal(SIGPIPE, SIG_IGN);
    watch_rows(u, wake_rows);
    int rc = start_thread(u);
    if (rc == 0) {
        return &u->sink;
    }
    (void)mg_err_errno(err, rc, "cannot start the uplink thread");
    watch_rows(u, NULL);
    mg_worker_fini(&u->worker);
close_delivery:
    mg_delivery_close(u->worker.delivery, false);
free_parts:
    free_parts(u);
    return NULL;
}

/* ---- The gateway's own ---- */

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

struct mg_sink *mg_uplink_create(uv_loop_t *loop, struct mg_store *store,
                                 const struct mg_setup *setup,
                                 const struct mg_sink_events *events, void *ctx,
                                 struct mg_err *err)
{
    static const struct mg_command_protocol protocol = {
        .check = mg_command_check, .answer = mg_command_answer};
    static const char *const filters[] = {"m/+/cmd/+", "cmd/+"};
    char base[MG_BASE_MAX + 1];
    (void)snprintf(base, sizeof base, "%s/%s/", setup->mqtt.root,
                   setup->gateway);
    struct mg_uplink_settings settings = {.loop = loop,
                                          .store = store,
                                          .mqtt = &setup->mqtt,
                                          .base = base,
                                          .availability = "availability",
                                          .filters = filters,
                                          .n_filters = 2,
                                          .protocol = &protocol,
                                          .recent = make_recent(setup),
                                          .events = events,
                                          .ctx = ctx};
    if (settings.recent == NULL) {
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        return NULL;
    }
    return mg_uplink_open(&settings, err);
}
