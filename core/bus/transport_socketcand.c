/* A CAN bus behind a socketcand server: its protocol over a TCP transport. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/can/error.h>

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
    unsigned n_closings;        /* what was being read then is of the past */
    struct mg_timer timer;      /* the hand-shake takes too long; or broken */
    struct mg_timer sent_timer; /* tells of what was sent */
    unsigned n_sent;
    size_t len;
    char buffer[BUFFER_MAX];
};

static void close_all(struct socketcand *s)
{
    s->phase = CLOSED;
    s->n_closings++;
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

/* What the server is to say next. */
static const char *wanted(const struct socketcand *s)
{
    return s->phase == WANTS_HI        ? "\"< hi >\" of a socketcand server"
           : s->phase == WANTS_OPEN_OK ? "\"< ok >\" to the name of the bus"
                                       : "\"< ok >\" to raw mode";
}

static void too_late(struct mg_timer *timer)
{
    struct socketcand *s =
        (struct socketcand *)((char *)timer -
                              offsetof(struct socketcand, timer));
    char what[96];
    (void)snprintf(what, sizeof what, "expected %s, none within %llu ms",
                   wanted(s), HAND_SHAKE_NS / 1000000);
    give_up(s, MG_E_TIMEOUT, what);
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

static void say_open(struct socketcand *s)
{
    char text[16 + MG_SOCKETCAND_NAME_MAX];
    int n = snprintf(text, sizeof text, "< open %s >", s->bus);
    s->phase = WANTS_OPEN_OK;
    (void)say(s, text, (size_t)n);
}

static void refused(struct socketcand *s, const char *text)
{
    char what[64 + MG_SOCKETCAND_MAX];
    (void)snprintf(what, sizeof what, "bus %s is refused: %s", s->bus, text);
    give_up(s, MG_E_DENIED, what);
}

/* Says what came, printable. */
static void give_up_element(struct socketcand *s, const char *expected,
                            const char *element, size_t len)
{
    char what[96 + MG_SOCKETCAND_MAX];
    int n = snprintf(what, sizeof what, "expected %s, got \"%.*s\"", expected,
                     (int)len, element);
    for (int i = 0; i < n && i < (int)sizeof what - 1; i++) {
        if (what[i] < ' ' || what[i] > '~') {
            what[i] = '?';
        }
    }
    give_up(s, MG_E_PROTO, what);
}

/* @return the element is what was to come */
static bool shake_hands(struct socketcand *s,
                        const struct mg_socketcand_element *e)
{
    static const char raw[] = "< rawmode >";
    if (e->kind == MG_SOCKETCAND_ERROR) {
        refused(s, e->text);
    } else if (s->phase == WANTS_HI && e->kind == MG_SOCKETCAND_HI) {
        say_open(s);
    } else if (s->phase == WANTS_OPEN_OK && e->kind == MG_SOCKETCAND_OK) {
        s->phase = WANTS_RAW_OK;
        (void)say(s, raw, sizeof raw - 1);
    } else if (s->phase == WANTS_RAW_OK && e->kind == MG_SOCKETCAND_OK) {
        s->phase = OPEN;
        mg_timer_stop(&s->timer);
        s->base.events->opened(s->base.ctx);
    } else {
        return false;
    }
    return true;
}

/* Without its data an error frame tells of these two only. */
static void error_frame(struct socketcand *s, uint32_t class)
{
    struct mg_can_status status = {.state = MG_CAN_ACTIVE};
    if ((class & CAN_ERR_BUSOFF) != 0) {
        status.state = MG_CAN_BUS_OFF;
    } else if ((class & CAN_ERR_RESTARTED) == 0) {
        return;
    }
    s->base.events->state(s->base.ctx, &status);
}

static void take_open(struct socketcand *s,
                      const struct mg_socketcand_element *e, uint64_t now_ns)
{
    if (e->kind == MG_SOCKETCAND_FRAME) {
        s->base.events->received(s->base.ctx, &e->frame, now_ns);
    } else if (e->kind == MG_SOCKETCAND_ERROR_FRAME) {
        error_frame(s, e->error_class);
    } else if (e->kind == MG_SOCKETCAND_ERROR) {
        refused(s, e->text); /* what we said last does not work there */
    }
}

static void take(struct socketcand *s, const char *element, size_t len,
                 uint64_t now_ns)
{
    struct mg_socketcand_element e;
    if (mg_socketcand_parse(element, len, &e) != MG_OK) {
        give_up_element(s, "an element of socketcand", element, len);
    } else if (s->phase == OPEN) {
        take_open(s, &e, now_ns);
    } else if (!shake_hands(s, &e)) {
        give_up_element(s, wanted(s), element, len);
    }
}

/* All whole elements of the buffer. The engine may close us within, and open
 * again. */
static void work_off(struct socketcand *s)
{
    uint64_t now_ns = mg_clock_now_ns(s->clock);
    size_t at = 0;
    int rc = MG_OK;
    unsigned n_closings = s->n_closings;
    while (rc == MG_OK && s->n_closings == n_closings) {
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
    if (s->n_closings != n_closings) {
        return;
    }
    if (rc == MG_E_PROTO) {
        char what[64];
        (void)snprintf(what, sizeof what, "an element of more than %u bytes",
                       (unsigned)MG_SOCKETCAND_MAX);
        give_up(s, rc, what);
        return;
    }
    s->len -= at;
    memmove(s->buffer, s->buffer + at, s->len);
}

static void received(void *ctx, const uint8_t *data, size_t len)
{
    struct socketcand *s = ctx;
    unsigned n_closings = s->n_closings;
    while (len > 0 && s->n_closings == n_closings) {
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
    close_all(s);
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
