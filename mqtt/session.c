#include "mqtt/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mqtt/reason.h"

/* Beyond the client's own limit of 10 s for a connection: its timers follow
 * the wall clock and may stand still when that is set back. */
#define ATTEMPT_MS 20000
/* A connection that lasted this long was a good one. */
#define GOOD_MS 10000

static void begin(struct mg_mqtt_session *s);

static struct mg_mqtt_session *session_of(uv_handle_t *handle)
{
    return handle->data;
}

static void describe(const struct mg_mqtt_session *s, char *buf, size_t cap)
{
    (void)snprintf(buf, cap, "%s://%s:%u", s->mqtt->has_tls ? "mqtts" : "mqtt",
                   s->mqtt->host, s->mqtt->port);
}

/* ---- The end of an attempt ---- */

static void on_wait_over(uv_timer_t *timer)
{
    begin(session_of((uv_handle_t *)timer));
}

static void wait_and_retry(struct mg_mqtt_session *s)
{
    uint32_t random = 0;
    /* Without randomness the waits are short, but still waits. */
    (void)uv_random(NULL, NULL, &random, sizeof random, 0, NULL);
    s->state = MG_MQTT_SESSION_WAITING;
    (void)uv_timer_start(&s->timer, on_wait_over,
                         mg_backoff_next(&s->backoff, random), 0);
}

static void close_client(struct mg_mqtt_session *s)
{
    mg_client_destroy(s->client);
    s->client = NULL;
}

static void fail(struct mg_mqtt_session *s, const char *why)
{
    char url[320];
    char text[640];
    describe(s, url, sizeof url);
    (void)snprintf(text, sizeof text, "cannot connect to %s: %s", url, why);
    wait_and_retry(s);
    s->events->down(s->ctx, text);
}

static void lose(struct mg_mqtt_session *s, const char *why)
{
    char url[320];
    char text[640];
    describe(s, url, sizeof url);
    (void)snprintf(text, sizeof text, "connection to %s lost: %s", url, why);
    if (uv_now(s->timer.loop) - s->up_since_ms >= GOOD_MS) {
        s->backoff.n_failures = 0;
    }
    s->is_v311 = false; /* the broker that comes back may be a newer one */
    close_client(s);
    wait_and_retry(s);
    s->events->down(s->ctx, text);
}

/* ---- Why it failed ---- */

static void on_probe_work(uv_work_t *work)
{
    struct mg_mqtt_session *s = work->data;
    mg_probe_run(&s->probe);
}

static void on_probe_done(uv_work_t *work, int status)
{
    struct mg_mqtt_session *s = work->data;
    s->is_probing = false;
    if (s->state == MG_MQTT_SESSION_PROBING) {
        fail(s, status == 0 ? s->probe.text : "no connection");
    }
}

static void probe(struct mg_mqtt_session *s)
{
    s->state = MG_MQTT_SESSION_PROBING;
    s->work.data = s;
    if (uv_queue_work(s->timer.loop, &s->work, on_probe_work, on_probe_done) !=
        0) {
        fail(s, "no connection");
        return;
    }
    s->is_probing = true;
}

/* The broker answered, but with a refusal. */
static void refused(struct mg_mqtt_session *s, int code)
{
    char text[160];
    if (code == MG_REASON_UNSUPPORTED_VERSION) {
        if (s->is_v311) {
            fail(s, "broker refused: it speaks neither MQTT 5 nor 3.1.1");
            return;
        }
        if (s->mqtt->is_v311_allowed) {
            s->is_v311 = true;
            begin(s);
            return;
        }
        fail(s, "broker refused: it speaks MQTT 3.1.1 only; allow_v311 would "
                "connect, but hides which messages it refuses");
        return;
    }
    (void)snprintf(text, sizeof text, "broker refused: %s (0x%02x)",
                   mg_reason_text(code), (unsigned)code);
    fail(s, text);
}

static void on_failed(struct mg_mqtt_session *s, int code)
{
    (void)uv_timer_stop(&s->timer); /* cannot fail */
    close_client(s);
    if (code > 0) {
        /* A broker of MQTT 3.1.1 answers so to version 5, too. */
        refused(s, mg_reason_from_v311(code));
    } else {
        probe(s);
    }
}

/* ---- Connecting ---- */

static void on_attempt_over(uv_timer_t *timer)
{
    on_failed(session_of((uv_handle_t *)timer), -1);
}

static void connect_client(struct mg_mqtt_session *s)
{
    struct mg_err err = {0};
    struct mg_client_settings settings = {.mqtt = s->mqtt,
                                          .will_topic = s->will_topic,
                                          .is_v311 = s->is_v311,
                                          .keepalive_s = s->keepalive_s,
                                          .wake = s->wake,
                                          .ctx = s->ctx};
    s->client = mg_client_create(&settings, &err);
    if (s->client == NULL) {
        fail(s, err.text);
        return;
    }
    s->state = MG_MQTT_SESSION_CONNECTING;
    (void)uv_timer_start(&s->timer, on_attempt_over, ATTEMPT_MS, 0);
}

static void keep_addresses(struct mg_mqtt_session *s,
                           const struct addrinfo *list)
{
    struct mg_probe *p = &s->probe;
    p->n_addresses = 0;
    for (; list != NULL && p->n_addresses < MG_PROBE_ADDRESSES_MAX;
         list = list->ai_next) {
        if (list->ai_addrlen <= sizeof p->addresses[0]) {
            memcpy(&p->addresses[p->n_addresses++], list->ai_addr,
                   list->ai_addrlen);
        }
    }
}

static void on_resolved(uv_getaddrinfo_t *request, int status,
                        struct addrinfo *list)
{
    struct mg_mqtt_session *s = request->data;
    char why[400];
    s->is_resolving = false;
    if (s->state == MG_MQTT_SESSION_RESOLVING && status == 0) {
        keep_addresses(s, list);
        connect_client(s);
    } else if (s->state == MG_MQTT_SESSION_RESOLVING) {
        (void)snprintf(why, sizeof why, "the name %s is not resolved: %s",
                       s->mqtt->host, uv_strerror(status));
        fail(s, why);
    }
    uv_freeaddrinfo(list);
}

/* The library looks the name up while it holds its lock: let it do so only
 * when that is known to be quick. */
static void begin(struct mg_mqtt_session *s)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM};
    char port[8];
    (void)snprintf(port, sizeof port, "%u", s->mqtt->port);
    s->state = MG_MQTT_SESSION_RESOLVING;
    s->resolve.data = s;
    int rc = uv_getaddrinfo(s->timer.loop, &s->resolve, on_resolved,
                            s->mqtt->host, port, &hints);
    s->is_resolving = rc == 0;
    if (rc != 0) {
        fail(s, uv_strerror(rc));
    }
}

/* ---- Up ---- */

static void on_up(struct mg_mqtt_session *s,
                  const struct mg_client_event *event)
{
    uint16_t keepalive_s = event->limits.keepalive_s;
    char url[320];
    char text[512];
    (void)uv_timer_stop(&s->timer);
    if (keepalive_s != 0 &&
        (s->keepalive_s == 0 || keepalive_s < s->keepalive_s)) {
        /* The library goes on with its own: connect again with the broker's. */
        s->keepalive_s = keepalive_s;
        mg_client_disconnect(s->client);
        close_client(s);
        begin(s);
        return;
    }
    struct mg_mqtt_session_limits limits = {.max_packet =
                                                event->limits.max_packet};
    limits.window = s->mqtt->window;
    if (limits.window == 0 || limits.window > MG_CLIENT_WINDOW_MAX) {
        limits.window = MG_CLIENT_WINDOW_MAX;
    }
    if (event->limits.window > 0 && event->limits.window < limits.window) {
        limits.window = event->limits.window;
    }
    s->state = MG_MQTT_SESSION_UP;
    s->up_since_ms = uv_now(s->timer.loop);
    describe(s, url, sizeof url);
    (void)snprintf(text, sizeof text, "connected to %s%s", url,
                   s->is_v311 ? " with MQTT 3.1.1 only: messages that it "
                                "refuses are lost without a word"
                              : "");
    s->events->up(s->ctx, &limits, text);
}

static void on_lost(struct mg_mqtt_session *s,
                    const struct mg_client_event *event)
{
    if (s->state == MG_MQTT_SESSION_CONNECTING) {
        on_failed(s, event->code);
        return;
    }
    lose(s, event->code > 0 ? mg_reason_text(event->code)
                            : "the broker closed it or does not answer");
}

static void dispatch(struct mg_mqtt_session *s, struct mg_client_event *event)
{
    switch (event->kind) {
    case MG_CLIENT_UP:
        on_up(s, event);
        return;
    case MG_CLIENT_FAILED:
        on_failed(s, event->code);
        return;
    case MG_CLIENT_LOST:
        on_lost(s, event);
        return;
    default:
        s->events->client(s->ctx, event);
        return;
    }
}

void mg_mqtt_session_poll(struct mg_mqtt_session *session)
{
    struct mg_client_event event;
    /* An event may end the client. */
    while (session->client != NULL && mg_client_next(session->client, &event)) {
        dispatch(session, &event);
        free(event.message);
    }
}

void mg_mqtt_session_drop(struct mg_mqtt_session *session, const char *why)
{
    if (session->state == MG_MQTT_SESSION_UP) {
        lose(session, why);
    }
}

/* ---- Life ---- */

int mg_mqtt_session_init(struct mg_mqtt_session *session, uv_loop_t *loop,
                         const struct mg_setup_mqtt *mqtt,
                         const char *will_topic,
                         const struct mg_mqtt_session_events *events,
                         void (*wake)(void *ctx), void *ctx)
{
    *session = (struct mg_mqtt_session){.mqtt = mqtt,
                                        .will_topic = will_topic,
                                        .events = events,
                                        .wake = wake,
                                        .ctx = ctx,
                                        .keepalive_s = mqtt->keepalive_s};
    session->probe.mqtt = mqtt;
    session->timer.data = session;
    return uv_timer_init(loop, &session->timer) == 0 ? MG_OK : MG_E_IO;
}

void mg_mqtt_session_start(struct mg_mqtt_session *session)
{
    begin(session);
}

void mg_mqtt_session_stop(struct mg_mqtt_session *session)
{
    session->state = MG_MQTT_SESSION_STOPPED;
    atomic_store(&session->probe.is_canceled, true);
    if (session->is_resolving) {
        /* Fails when it runs already: then the loop ends after it. */
        (void)uv_cancel((uv_req_t *)&session->resolve);
    }
    if (session->client != NULL) {
        mg_client_disconnect(session->client);
        close_client(session);
    }
    uv_close((uv_handle_t *)&session->timer, NULL);
}
