/* A CAN bus in memory, for virtual time: frames go to a peer function and come
 * back through the clock, never from within the call that sent them. */
#include <stdlib.h>

#include "bus/can.h"

#define INBOX_MAX 256U

struct memory_bus {
    struct mg_can_transport base;
    struct mg_clock *clock;
    void (*peer)(void *peer_ctx, const struct mg_can_frame *frame);
    void *peer_ctx;
    struct mg_timer turn;
    bool is_opening, is_open;
    size_t n_untold; /* sent */
    struct arrived {
        struct mg_can_frame frame;
        uint64_t at_ns;
    } inbox[INBOX_MAX]; /* a ring */
    size_t head, n_arrived;
    uint64_t n_lost;
};

static struct memory_bus *bus_of(struct mg_can_transport *t)
{
    return (struct memory_bus *)((char *)t - offsetof(struct memory_bus, base));
}

/* Every callback may end in a cut. */
static void turn(struct mg_timer *timer)
{
    struct memory_bus *m =
        (struct memory_bus *)((char *)timer -
                              offsetof(struct memory_bus, turn));
    const struct mg_can_transport_events *events = m->base.events;
    if (m->is_opening) {
        m->is_opening = false;
        m->is_open = true;
        events->opened(m->base.ctx);
    }
    for (size_t n = m->n_untold; n > 0 && m->n_untold > 0; n--) {
        m->n_untold--;
        events->sent(m->base.ctx);
    }
    for (size_t n = m->n_arrived; n > 0 && m->n_arrived > 0; n--) {
        struct arrived a = m->inbox[m->head];
        m->head = (m->head + 1) % INBOX_MAX;
        m->n_arrived--;
        events->received(m->base.ctx, &a.frame, a.at_ns);
    }
}

static void turn_soon(struct memory_bus *m)
{
    if (m->turn.heap_index == 0) {
        mg_timer_start(m->clock, &m->turn, mg_clock_now_ns(m->clock), turn);
    }
}

static void memory_close(struct mg_can_transport *t)
{
    struct memory_bus *m = bus_of(t);
    mg_timer_stop(&m->turn);
    m->is_opening = false;
    m->is_open = false;
    m->n_untold = 0;
    m->n_arrived = 0;
    m->n_lost = 0;
}

static int memory_open(struct mg_can_transport *t,
                       const struct mg_can_filter *filters, size_t n,
                       struct mg_err *err)
{
    struct memory_bus *m = bus_of(t);
    (void)filters; /* the engine knows who listens */
    (void)n;
    (void)err;
    memory_close(t);
    m->is_opening = true;
    turn_soon(m);
    return MG_OK;
}

static int memory_send(struct mg_can_transport *t,
                       const struct mg_can_frame *frame, struct mg_err *err)
{
    struct memory_bus *m = bus_of(t);
    if (!m->is_open) {
        return mg_err_set(err, MG_E_IO, "bus in memory: not open");
    }
    m->n_untold++;
    turn_soon(m);
    if (m->peer != NULL) {
        m->peer(m->peer_ctx, frame);
    }
    return MG_OK;
}

static void memory_destroy(struct mg_can_transport *t)
{
    memory_close(t);
    free(bus_of(t));
}

struct mg_can_transport *mg_can_transport_memory(
    struct mg_clock *clock,
    void (*peer)(void *peer_ctx, const struct mg_can_frame *frame),
    void *peer_ctx)
{
    static const struct mg_can_transport_ops ops = {.open = memory_open,
                                                    .send = memory_send,
                                                    .close = memory_close,
                                                    .destroy = memory_destroy};
    struct memory_bus *m = calloc(1, sizeof *m);
    if (m == NULL) {
        return NULL;
    }
    m->base.ops = &ops;
    m->clock = clock;
    m->peer = peer;
    m->peer_ctx = peer_ctx;
    return &m->base;
}

void mg_can_transport_memory_deliver(struct mg_can_transport *t,
                                     const struct mg_can_frame *frame)
{
    struct memory_bus *m = bus_of(t);
    if (!m->is_open) {
        return; /* as on a wire that nobody listens to */
    }
    if (m->n_arrived == INBOX_MAX) {
        m->n_lost++;
        m->base.events->overrun(m->base.ctx, m->n_lost);
        return;
    }
    struct arrived *a = &m->inbox[(m->head + m->n_arrived) % INBOX_MAX];
    a->frame = *frame;
    a->at_ns = mg_clock_now_ns(m->clock);
    m->n_arrived++;
    turn_soon(m);
}

void mg_can_transport_memory_state(struct mg_can_transport *t,
                                   const struct mg_can_status *status)
{
    struct memory_bus *m = bus_of(t);
    if (m->is_opening || m->is_open) {
        m->base.events->state(m->base.ctx, status);
    }
}

void mg_can_transport_memory_cut(struct mg_can_transport *t, const char *why)
{
    struct memory_bus *m = bus_of(t);
    struct mg_err err;
    if (m->is_opening || m->is_open) {
        memory_close(t);
        (void)mg_err_set(&err, MG_E_IO, "%s", why);
        m->base.events->lost(m->base.ctx, &err);
    }
}
