/* A CAN bus behind a socketcand server: its protocol over a TCP transport. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/can.h"
#include "bus/transport.h"
#include "wire/socketcand.h"

#define HAND_SHAKE_NS (5000 * 1000000ULL)
#define BUFFER_MAX    16384

enum phase { CLOSED, CONNECTING, WANTS_HI, WANTS_OPEN_OK, WANTS_RAW_OK, OPEN };

struct socketcand {
    struct mg_can_transport base; /* first */
    struct mg_clock *clock;
    struct mg_transport *tcp; /* owned */
    char host[256], bus[MG_SOCKETCAND_NAME_MAX];
    uint16_t port;
    enum phase phase;
    struct mg_timer timer;      /* the hand-shake takes too long; or broken */
    struct mg_timer sent_timer; /* tells of what was sent */
    unsigned n_sent;
    size_t len;
    char buffer[BUFFER_MAX];
};

static void close_all(struct socketcand *s)
{
    s->phase = CLOSED;
    s->len = 0;
    s->n_sent = 0;
    mg_timer_stop(&s->timer);
    mg_timer_stop(&s->sent_timer);
}

static void give_up(struct socketcand *s, int code, const char *what)
{
    struct mg_err err = {0};
    (void)mg_err_set(&err, code, "socketcand %s:%u: %s", s->host, s->port,
                     what);
    s->tcp->ops->close(s->tcp);
    close_all(s);
    s->base.events->lost(s->base.ctx, &err);
}

static void too_late(struct mg_timer *timer)
{
    struct socketcand *s =
        (struct socketcand *)((char *)timer -
                              offsetof(struct socketcand, timer));
    give_up(s, MG_E_TIMEOUT,
            s->phase == WANTS_HI
                ? "it does not greet; expected a socketcand server"
                : "no answer to the hand-shake in time");
}

static void broken(struct mg_timer *timer)
{
    give_up((struct socketcand *)((char *)timer -
                                  offsetof(struct socketcand, timer)),
            MG_E_IO, "the connection does not take what is sent");
}

static bool say(struct socketcand *s, const char *text, size_t len)
{
    struct mg_err err = {0};
    if (s->tcp->ops->send(s->tcp, (const uint8_t *)text, len, &err) == MG_OK) {
        return true;
    }
    give_up(s, err.code, err.text);
    return false;
}

static void connected(void *ctx)
{
    struct socketcand *s = ctx;
    s->phase = WANTS_HI;
    s->len = 0;
    mg_timer_start(s->clock, &s->timer,
                   mg_clock_now_ns(s->clock) + HAND_SHAKE_NS, too_late);
}

static void shake_hands(struct socketcand *s,
                        const struct mg_socketcand_element *e)
{
    static const char raw[] = "< rawmode >";
    char text[64];
    if (e->kind == MG_SOCKETCAND_ERROR) {
        char what[96 + MG_SOCKETCAND_MAX];
        (void)snprintf(what, sizeof what, "bus %s is refused:%s", s->bus,
                       e->text);
        give_up(s, MG_E_DENIED, what);
    } else if (s->phase == WANTS_HI && e->kind == MG_SOCKETCAND_HI) {
        s->phase = WANTS_OPEN_OK;
        int n = snprintf(text, sizeof text, "< open %s >", s->bus);
        (void)say(s, text, (size_t)n);
    } else if (s->phase == WANTS_OPEN_OK && e->kind == MG_SOCKETCAND_OK) {
        s->phase = WANTS_RAW_OK;
        (void)say(s, raw, sizeof raw - 1);
    } else if (s->phase == WANTS_RAW_OK && e->kind == MG_SOCKETCAND_OK) {
        s->phase = OPEN;
        mg_timer_stop(&s->timer);
        s->base.events->opened(s->base.ctx);
    } else {
        give_up(s, MG_E_PROTO, "not the hand-shake of socketcand");
    }
}

static void take(struct socketcand *s, const char *element, size_t len,
                 uint64_t now_ns)
{
    struct mg_socketcand_element e;
    if (mg_socketcand_parse(element, len, &e) != MG_OK) {
        give_up(s, MG_E_PROTO, "a malformed element");
    } else if (s->phase != OPEN) {
        shake_hands(s, &e);
    } else if (e.kind == MG_SOCKETCAND_FRAME) {
        s->base.events->received(s->base.ctx, &e.frame, now_ns);
    }
}

/* All whole elements of the buffer. The engine may close us within. */
static void work_off(struct socketcand *s)
{
    uint64_t now_ns = mg_clock_now_ns(s->clock);
    size_t at = 0;
    int rc = MG_OK;
    while (rc == MG_OK && s->phase != CLOSED) {
        const char *element;
        size_t len;
        size_t used = 0;
        rc = mg_socketcand_cut(s->buffer + at, s->len - at, &element, &len,
                               &used);
        at += used;
        if (rc == MG_OK) {
            take(s, element, len, now_ns);
        }
    }
    if (s->phase == CLOSED) {
        return;
    }
    if (rc == MG_E_PROTO) {
        give_up(s, rc, "an element without an end");
        return;
    }
    s->len -= at;
    memmove(s->buffer, s->buffer + at, s->len);
}

static void received(void *ctx, const uint8_t *data, size_t len)
{
    struct socketcand *s = ctx;
    while (len > 0 && s->phase != CLOSED) {
        size_t room = sizeof s->buffer - s->len;
        size_t n = len < room ? len : room;
        memcpy(s->buffer + s->len, data, n);
        s->len += n;
        data += n;
        len -= n;
        work_off(s); /* leaves less than an element */
    }
}

static void tcp_lost(void *ctx, const struct mg_err *err)
{
    struct socketcand *s = ctx;
    close_all(s);
    s->base.events->lost(s->base.ctx, err);
}

static const struct mg_transport_events tcp_events = {
    .opened = connected, .received = received, .lost = tcp_lost};

/* ---- The engine's side ---- */

static struct socketcand *of(struct mg_can_transport *t)
{
    return (struct socketcand *)t;
}

static int open_bus(struct mg_can_transport *t,
                    const struct mg_can_filter *filters, size_t n,
                    struct mg_err *err)
{
    struct socketcand *s = of(t);
    (void)filters; /* the engine looks at them: the protocol has none */
    (void)n;
    int rc = s->tcp->ops->open(s->tcp, err);
    s->phase = rc == MG_OK ? CONNECTING : CLOSED;
    return rc;
}

static void tell_sent(struct mg_timer *timer)
{
    struct socketcand *s =
        (struct socketcand *)((char *)timer -
                              offsetof(struct socketcand, sent_timer));
    while (s->n_sent > 0) {
        s->n_sent--;
        s->base.events->sent(s->base.ctx);
    }
}

static int send_frame(struct mg_can_transport *t,
                      const struct mg_can_frame *frame, struct mg_err *err)
{
    struct socketcand *s = of(t);
    char text[MG_SOCKETCAND_MAX];
    size_t len = mg_socketcand_put_send(frame, text);
    if (len == 0) {
        return mg_err_set(err, MG_E_NOSUP,
                          "socketcand carries classic data frames only");
    }
    if (s->phase != OPEN) {
        return mg_err_set(err, MG_E_IO, "not open");
    }
    int rc = s->tcp->ops->send(s->tcp, (const uint8_t *)text, len, err);
    if (rc != MG_OK) {
        mg_timer_start(s->clock, &s->timer, mg_clock_now_ns(s->clock), broken);
        return MG_E_IO;
    }
    s->n_sent++;
    mg_timer_start(s->clock, &s->sent_timer, mg_clock_now_ns(s->clock),
                   tell_sent);
    return MG_OK;
}

static void close_bus(struct mg_can_transport *t)
{
    struct socketcand *s = of(t);
    s->tcp->ops->close(s->tcp);
    close_all(s);
}

static void destroy(struct mg_can_transport *t)
{
    struct socketcand *s = of(t);
    close_all(s);
    s->tcp->ops->destroy(s->tcp);
    free(s);
}

static const struct mg_can_transport_ops ops = {.open = open_bus,
                                                .send = send_frame,
                                                .close = close_bus,
                                                .destroy = destroy};

struct mg_can_transport *
mg_can_transport_socketcand(uv_loop_t *loop, struct mg_clock *clock,
                            const char *host, uint16_t port, const char *bus,
                            uint32_t connect_timeout_ms)
{
    struct socketcand *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->base.ops = &ops;
    s->clock = clock;
    s->port = port;
    (void)snprintf(s->host, sizeof s->host, "%s", host);
    (void)snprintf(s->bus, sizeof s->bus, "%s", bus);
    s->tcp = mg_transport_tcp(loop, clock, host, port, connect_timeout_ms);
    if (s->tcp == NULL) {
        free(s);
        return NULL;
    }
    s->tcp->events = &tcp_events;
    s->tcp->ctx = s;
    return &s->base;
}
