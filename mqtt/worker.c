#include "mqtt/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mqtt/publish.h"
#include "mqtt/reason.h"

#define BATCH_MS 50 /* changes of retained topics are sent together */
#define TICK_MS  1000
/* Nothing acknowledged for so many keep-alive times: the peer is gone. */
#define DEAD_KEEPALIVES 2U

static struct mg_worker *worker_of(const void *handle)
{
    return ((const uv_handle_t *)handle)->data;
}

static void finish(struct mg_worker *w);
static void advance_stop(struct mg_worker *w);

void mg_worker_wake(struct mg_worker *worker, enum mg_wake why)
{
    (void)atomic_fetch_or(&worker->flags, (unsigned)why);
    /* libuv before 1.53 does not order earlier writes before its own flag. */
    atomic_thread_fence(memory_order_seq_cst);
    (void)uv_async_send(&worker->wake); /* fails on misuse only */
}

static void wake_from_client(void *ctx)
{
    mg_worker_wake(ctx, MG_WAKE_CLIENT);
}

/* ---- Sending ---- */

static void on_timer(uv_timer_t *timer)
{
    struct mg_worker *w = worker_of(timer);
    if (timer == &w->batch) {
        w->is_retained_due = true;
    }
    mg_publish_all(w);
    advance_stop(w);
}

void mg_worker_later(struct mg_worker *worker, uv_timer_t *timer, uint64_t ms)
{
    if (!worker->is_finished) {
        (void)uv_timer_start(timer, on_timer, ms, 0); /* not closing */
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct mg_worker *w = worker_of(timer);
    uint64_t oldest_ms = mg_window_oldest_ms(&w->window);
    uint64_t keepalive_ms =
        w->session.keepalive_s == 0 ? 60000 : w->session.keepalive_s * 1000ULL;
    uint64_t now_ms = uv_now(&w->loop);
    if (oldest_ms != UINT64_MAX && now_ms > oldest_ms &&
        now_ms - oldest_ms > DEAD_KEEPALIVES * keepalive_ms) {
        mg_mqtt_session_drop(&w->session, "nothing is acknowledged any more");
    }
}

/* ---- The link ---- */

static void on_up(void *ctx, const struct mg_mqtt_session_limits *limits,
                  const char *text)
{
    struct mg_worker *w = ctx;
    w->max_packet = limits->max_packet;
    mg_window_reset(&w->window, limits->window);
    mg_publish_availability(w, "online");
    if (mg_client_subscribe(w->session.client, w->filters, w->n_filters) !=
        MG_OK) {
        mg_log(MG_LOG_WARN, "cannot subscribe to commands");
    }
    mg_retained_again_all(w->retained);
    w->is_retained_due = true;
    w->is_batch_out = false;
    w->is_syncing = true;
    w->n_connected++;
    (void)uv_timer_start(&w->tick, on_tick, TICK_MS, TICK_MS);
    mg_delivery_put_link(w->delivery, true, text);
}

static void on_down(void *ctx, const char *text)
{
    struct mg_worker *w = ctx;
    (void)uv_timer_stop(&w->tick); /* cannot fail */
    mg_drain_rewind(&w->drain, &w->window);
    mg_window_reset(&w->window, 0);
    mg_delivery_put_link(w->delivery, false, text);
}

/* ---- Answers of the broker ---- */

static void on_retained_sent(struct mg_worker *w, size_t index, int code)
{
    switch (mg_reason_classify(code)) {
    case MG_REASON_TAKEN:
        return;
    case MG_REASON_RETRY:
        mg_retained_again(w->retained, index);
        w->is_retained_due = false;
        mg_worker_later(w, &w->batch, TICK_MS);
        return;
    case MG_REASON_POISON:
        if (mg_retained_complain(w->retained, index)) {
            mg_log(MG_LOG_WARN, "the broker refuses a retained topic: %s",
                   mg_reason_text(code));
        }
        return;
    }
}

static void on_sent(struct mg_worker *w, const struct mg_client_event *event)
{
    struct mg_sent sent;
    if (event->tag == MG_CLIENT_TAG_WRITTEN) {
        w->is_batch_out = false;
        return;
    }
    if (!mg_window_release(&w->window, event->tag, &sent)) {
        return;
    }
    switch (sent.kind) {
    case MG_SENT_ROW:
        mg_drain_answered(&w->drain, &sent, event->code, uv_now(&w->loop));
        return;
    case MG_SENT_RETAINED:
        on_retained_sent(w, (size_t)sent.id, event->code);
        return;
    case MG_SENT_AVAILABILITY:
        if (mg_reason_classify(event->code) == MG_REASON_POISON) {
            mg_log(MG_LOG_WARN, "the broker refuses %s: %s", w->availability,
                   mg_reason_text(event->code));
        }
        return;
    case MG_SENT_REPLY:
        /* Whoever asked chose the topic: nothing to tell our user. */
        mg_log(MG_LOG_DEBUG, "answer sent: %s", mg_reason_text(event->code));
        return;
    }
}

static void on_subscribed(struct mg_worker *w, int code)
{
    bool is_deaf = code < 0 || code >= 0x80;
    if (is_deaf && !w->has_said_deaf) {
        mg_log(MG_LOG_WARN,
               "the broker refuses our subscription to commands: %s",
               mg_reason_text(code));
    }
    w->has_said_deaf = is_deaf;
}

/* ---- Commands ---- */

static int64_t utc_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t); /* cannot fail */
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void answer_refusal(struct mg_worker *w,
                           const struct mg_client_message *message,
                           const struct mg_command_verdict *verdict)
{
    char answer[MG_COMMAND_ANSWER_MAX];
    size_t len = w->protocol->answer(verdict, answer);
    if (len > 0 && verdict->reply_to.topic[0] != '\0') {
        (void)mg_replies_put(w->replies, &verdict->reply_to, answer, len);
    }
    char topic[MG_REPLY_TOPIC_MAX];
    size_t base_len = strlen(w->base);
    size_t n = message->topic_len < sizeof message->topic
                   ? message->topic_len
                   : sizeof message->topic;
    size_t skip =
        n >= base_len && memcmp(message->topic, w->base, base_len) == 0
            ? base_len
            : 0;
    (void)snprintf(topic, sizeof topic, "%.*s", (int)(n - skip),
                   message->topic + skip);
    mg_delivery_put_refused(w->delivery, topic, verdict->reason);
}

static void on_message(struct mg_worker *w,
                       const struct mg_client_message *message)
{
    struct mg_command_verdict verdict;
    bool has_room = mg_delivery_has_room(w->delivery) && !w->is_stopping;
    /* A command that there is no room for may come again: not remembered. */
    struct mg_command_rules rules = {.base = w->base,
                                     .max_bytes = w->mqtt.max_command_bytes,
                                     .recent = has_room ? w->recent : NULL};
    w->protocol->check(&rules, message, utc_ms(), &verdict);
    if (verdict.command != NULL && !has_room) {
        mg_command_refuse(&verdict, "busy",
                          "too many commands wait; try again later");
    }
    if (verdict.command != NULL) {
        mg_delivery_put_command(w->delivery, verdict.command);
    } else {
        answer_refusal(w, message, &verdict);
    }
}

static void on_client_event(void *ctx, struct mg_client_event *event)
{
    struct mg_worker *w = ctx;
    if (event->kind == MG_CLIENT_SENT) {
        on_sent(w, event);
    } else if (event->kind == MG_CLIENT_SUBSCRIBED) {
        on_subscribed(w, event->code);
    } else if (event->kind == MG_CLIENT_MESSAGE) {
        on_message(w, event->message);
    }
}

/* ---- Waking ---- */

static void update_stats(struct mg_worker *w)
{
    const struct mg_drain *d = &w->drain;
    (void)pthread_mutex_lock(&w->lock); /* fails on misuse only */
    w->stats = (struct mg_sink_stats){
        .is_connected = w->session.state == MG_MQTT_SESSION_UP,
        .n_acked = d->n_acked,
        .n_failed = d->n_failed,
        .n_parked = d->n_parked,
        .n_no_subscriber = d->n_no_subscriber,
        .n_reconnects = w->n_connected > 0 ? w->n_connected - 1 : 0};
    (void)pthread_mutex_unlock(&w->lock);
}

void mg_worker_stats(struct mg_worker *worker, struct mg_sink_stats *ret)
{
    (void)pthread_mutex_lock(&worker->lock);
    *ret = worker->stats;
    (void)pthread_mutex_unlock(&worker->lock);
}

static void begin_stop(struct mg_worker *w);

static void poll_session(struct mg_worker *w)
{
    mg_mqtt_session_poll(&w->session);
    uint32_t n_dropped = w->session.client == NULL
                             ? 0
                             : mg_client_take_dropped(w->session.client);
    if (n_dropped > 0) {
        mg_log(MG_LOG_WARN, "%u commands were dropped: too many at once",
               n_dropped);
    }
}

static void on_wake(uv_async_t *async)
{
    struct mg_worker *w = worker_of(async);
    unsigned flags = atomic_exchange(&w->flags, 0);
    if ((flags & MG_WAKE_CLIENT) != 0) {
        poll_session(w);
    }
    if ((flags & MG_WAKE_ROWS) != 0) {
        mg_drain_wake(&w->drain);
    }
    if ((flags & MG_WAKE_RETAINED) != 0 && !w->is_retained_due &&
        !uv_is_active((uv_handle_t *)&w->batch)) {
        mg_worker_later(w, &w->batch, BATCH_MS);
    }
    mg_publish_all(w);
    if ((flags & MG_WAKE_STOP) != 0 && !w->is_stopping) {
        begin_stop(w);
    }
    advance_stop(w);
    if (!w->is_finished) {
        update_stats(w);
    }
}

/* ---- The end ---- */

/* In the first 2/5 of the time rows are sent; in the next 2/5 "offline" must
 * be acknowledged; the rest is for the disconnect. */
static void on_stop_timer(uv_timer_t *timer)
{
    struct mg_worker *w = worker_of(timer);
    if (w->is_offline_sent) {
        finish(w);
        return;
    }
    w->is_offline_sent = true;
    mg_publish_availability(w, "offline");
    (void)uv_timer_start(&w->stop, on_stop_timer,
                         atomic_load(&w->stop_ms) * 2 / 5, 0);
}

static void begin_stop(struct mg_worker *w)
{
    w->is_stopping = true;
    w->is_retained_due = true; /* do not wait for the batch */
    mg_publish_all(w);
    (void)uv_timer_start(&w->stop, on_stop_timer,
                         atomic_load(&w->stop_ms) * 2 / 5, 0);
}

static bool is_all_sent(const struct mg_worker *w)
{
    return w->window.n == 0 && w->drain.is_empty && !w->is_retained_due &&
           !w->is_batch_out;
}

/* As soon as nothing is left to be done, without waiting for the timer. */
static void advance_stop(struct mg_worker *w)
{
    if (!w->is_stopping || w->is_finished) {
        return;
    }
    bool is_offline_taken =
        w->is_offline_sent && !mg_window_has(&w->window, MG_SENT_AVAILABILITY);
    if (w->session.state != MG_MQTT_SESSION_UP || is_offline_taken) {
        finish(w);
    } else if (!w->is_offline_sent && is_all_sent(w)) {
        on_stop_timer(&w->stop);
    }
}

static void finish(struct mg_worker *w)
{
    if (w->is_finished) {
        return;
    }
    w->is_finished = true;
    mg_mqtt_session_stop(&w->session);
    uv_close((uv_handle_t *)&w->batch, NULL);
    uv_close((uv_handle_t *)&w->rows, NULL);
    uv_close((uv_handle_t *)&w->tick, NULL);
    uv_close((uv_handle_t *)&w->stop, NULL);
    uv_close((uv_handle_t *)&w->wake, NULL);
}

/* ---- Life ---- */

static void row_parked(void *ctx, const char *topic, int code,
                       const char *reason)
{
    struct mg_worker *w = ctx;
    mg_delivery_put_parked(w->delivery, topic, code, reason);
}

int mg_worker_init(struct mg_worker *worker, struct mg_store *store,
                   struct mg_err *err)
{
    static const struct mg_mqtt_session_events session_events = {
        .up = on_up, .down = on_down, .client = on_client_event};
    static const struct mg_drain_events drain_events = {.parked = row_parked};
    struct mg_worker *w = worker;
    int rc = uv_loop_init(&w->loop);
    if (rc != 0) {
        return mg_err_errno(err, -rc, "uv_loop_init");
    }
    rc = uv_async_init(&w->loop, &w->wake, on_wake);
    if (rc != 0) {
        (void)uv_loop_close(&w->loop); /* it has no handle */
        return mg_err_errno(err, -rc, "uv_async_init");
    }
    (void)pthread_mutex_init(&w->lock, NULL); /* cannot fail on Linux */
    uv_timer_t *timers[] = {&w->batch, &w->rows, &w->tick, &w->stop, NULL};
    for (uv_timer_t **timer = timers; *timer != NULL; timer++) {
        (void)uv_timer_init(&w->loop, *timer); /* cannot fail */
        (*timer)->data = w;
    }
    w->wake.data = w;
    const char *will = w->availability[0] == '\0' ? NULL : w->availability;
    (void)mg_mqtt_session_init(&w->session, &w->loop, &w->mqtt, will,
                               &session_events, wake_from_client, w);
    mg_drain_init(&w->drain, store, w->outbox, w->base, &drain_events, w);
    w->drain.is_empty = w->outbox == NULL;
    return MG_OK;
}

void mg_worker_run(struct mg_worker *worker)
{
    mg_mqtt_session_start(&worker->session);
    (void)uv_run(&worker->loop, UV_RUN_DEFAULT); /* until all is closed */
    free(worker->item.payload);
    worker->item.payload = NULL;
}

void mg_worker_fini(struct mg_worker *worker)
{
    finish(worker);
    (void)uv_run(&worker->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&worker->loop); /* all handles are closed */
    (void)pthread_mutex_destroy(&worker->lock);
}
