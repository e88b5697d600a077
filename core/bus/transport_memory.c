/* A line in memory, for virtual time: bytes go to a peer function and come back
 * through the clock, never from within the call that sent them. */
#include <stdlib.h>
#include <string.h>

#include "bus/transport.h"

#define INBOX_MAX 4096U

struct memory_line {
    struct mg_transport base;
    struct mg_clock *clock;
    uint64_t delay_ns;
    void (*peer)(void *peer_ctx, struct mg_transport *line, const uint8_t *data,
                 size_t len);
    void *peer_ctx;
    struct mg_timer send_timer, deliver_timer, open_timer;
    bool is_open;
    uint8_t outbox[INBOX_MAX], inbox[INBOX_MAX];
    size_t out_len, in_len;
};

static void now_open(struct mg_timer *timer)
{
    struct memory_line *m =
        (struct memory_line *)((char *)timer -
                               offsetof(struct memory_line, open_timer));
    m->is_open = true;
    m->base.events->opened(m->base.ctx);
}

static int memory_open(struct mg_transport *t, struct mg_err *err)
{
    struct memory_line *m = (struct memory_line *)t;
    (void)err;
    mg_timer_start(m->clock, &m->open_timer, mg_clock_now_ns(m->clock),
                   now_open);
    return MG_OK;
}

static void hand_over(struct mg_timer *timer)
{
    struct memory_line *m =
        (struct memory_line *)((char *)timer -
                               offsetof(struct memory_line, send_timer));
    uint8_t data[INBOX_MAX];
    size_t len = m->out_len;
    memcpy(data, m->outbox, len);
    m->out_len = 0;
    m->peer(m->peer_ctx, &m->base, data, len);
}

static int memory_send(struct mg_transport *t, const uint8_t *data, size_t len,
                       struct mg_err *err)
{
    struct memory_line *m = (struct memory_line *)t;
    if (!m->is_open || len > sizeof m->outbox - m->out_len) {
        return mg_err_set(err, MG_E_IO, "line in memory: not open, or full");
    }
    memcpy(m->outbox + m->out_len, data, len);
    m->out_len += len;
    mg_timer_start(m->clock, &m->send_timer,
                   mg_clock_now_ns(m->clock) + m->delay_ns, hand_over);
    return MG_OK;
}

static size_t memory_discard(struct mg_transport *t)
{
    struct memory_line *m = (struct memory_line *)t;
    size_t len = m->in_len;
    m->in_len = 0;
    mg_timer_stop(&m->deliver_timer);
    return len;
}

static void memory_close(struct mg_transport *t)
{
    struct memory_line *m = (struct memory_line *)t;
    mg_timer_stop(&m->send_timer);
    mg_timer_stop(&m->deliver_timer);
    mg_timer_stop(&m->open_timer);
    m->is_open = false;
    m->in_len = 0;
    m->out_len = 0;
}

static void memory_destroy(struct mg_transport *t)
{
    memory_close(t);
    free(t);
}

struct mg_transport *
mg_transport_memory(struct mg_clock *clock, uint64_t delay_ns,
                    void (*peer)(void *peer_ctx, struct mg_transport *line,
                                 const uint8_t *data, size_t len),
                    void *peer_ctx)
{
    static const struct mg_transport_ops ops = {.open = memory_open,
                                                .send = memory_send,
                                                .discard = memory_discard,
                                                .close = memory_close,
                                                .destroy = memory_destroy};
    struct memory_line *m = calloc(1, sizeof *m);
    if (m == NULL) {
        return NULL;
    }
    m->base.ops = &ops;
    m->clock = clock;
    m->delay_ns = delay_ns;
    m->peer = peer;
    m->peer_ctx = peer_ctx;
    return &m->base;
}

static void deliver(struct mg_timer *timer)
{
    struct memory_line *m =
        (struct memory_line *)((char *)timer -
                               offsetof(struct memory_line, deliver_timer));
    uint8_t data[INBOX_MAX];
    size_t len = m->in_len;
    memcpy(data, m->inbox, len);
    m->in_len = 0;
    m->base.events->received(m->base.ctx, data, len);
}

void mg_transport_memory_deliver(struct mg_transport *line, const uint8_t *data,
                                 size_t len)
{
    struct memory_line *m = (struct memory_line *)line;
    if (!m->is_open) {
        return; /* as on a wire that nobody listens to */
    }
    size_t room = sizeof m->inbox - m->in_len;
    len = len < room ? len : room;
    memcpy(m->inbox + m->in_len, data, len);
    m->in_len += len;
    mg_timer_start(m->clock, &m->deliver_timer, mg_clock_now_ns(m->clock),
                   deliver);
}

void mg_transport_memory_cut(struct mg_transport *line, const char *why)
{
    struct memory_line *m = (struct memory_line *)line;
    struct mg_err err;
    memory_close(line);
    (void)mg_err_set(&err, MG_E_IO, "%s", why);
    m->base.events->lost(m->base.ctx, &err);
}
