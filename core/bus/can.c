/* The engine's outside: making, opening, the controller's state, recovery. */
#include "bus/can.h"

#include <stdlib.h>

#include "bus/can_priv.h"

#define REOPEN_MIN_MS 1000U
#define REOPEN_MAX_MS 30000U
#define STEADY_MS     60000U /* up for so long: the next trouble is a new one */

const char *mg_can_state_text(enum mg_can_state state)
{
    switch (state) {
    case MG_CAN_ACTIVE:
        return "error-active";
    case MG_CAN_WARNING:
        return "error-warning";
    case MG_CAN_PASSIVE:
        return "error-passive";
    case MG_CAN_BUS_OFF:
        return "bus-off";
    case MG_CAN_STOPPED:
        return "stopped";
    }
    return "unknown";
}

/* ---- Trouble ---- */

static void open_now(struct mg_timer *timer);

static void open_in(struct mg_can *can, uint64_t pause_ms)
{
    mg_timer_start(can->clock, &can->open_timer,
                   mg_clock_now_ns(can->clock) + pause_ms * MS_NS, open_now);
}

static void try_again_later(struct mg_can *can)
{
    uint64_t pause_ms = REOPEN_MAX_MS;
    if (can->n_failures < 5) {
        pause_ms = (uint64_t)REOPEN_MIN_MS << can->n_failures;
        can->n_failures++;
    }
    open_in(can, pause_ms);
}

/* A bus that has worked for a while, or heard somebody, starts with the
 * shortest pause again. That frames went out proves nothing. */
static void forget_failures(struct mg_can *can)
{
    uint64_t up_for_ns = mg_clock_now_ns(can->clock) - can->up_ns;
    if (can->stats.n_received > can->n_received_at_up ||
        up_for_ns >= STEADY_MS * MS_NS) {
        can->n_failures = 0;
    }
}

static void fail(struct mg_can *can, const struct mg_err *err)
{
    if (can->is_up) {
        can->is_up = false;
        forget_failures(can);
    }
    try_again_later(can);
    mg_can_fail_queue(can, MG_E_IO);
    if (can->events.down != NULL) {
        can->events.down(can->ctx, err);
    }
}

static void gone(struct mg_can *can, const struct mg_err *err)
{
    can->is_open = false;
    can->status = (struct mg_can_status){.state = MG_CAN_STOPPED};
    fail(can, err);
}

/* ---- Opening ---- */

static void open_now(struct mg_timer *timer)
{
    struct mg_can *can =
        (struct mg_can *)((char *)timer - offsetof(struct mg_can, open_timer));
    struct mg_can_filter *filters = NULL;
    size_t n = 0;
    struct mg_err err;
    can->transport->ops->close(can->transport);
    can->is_open = false;
    can->is_renewed = false;
    can->n_overrun = 0;
    can->status = (struct mg_can_status){.state = MG_CAN_ACTIVE};
    int code = mg_can_filters(can, &filters, &n);
    if (code == MG_OK) {
        code = can->transport->ops->open(can->transport, filters, n, &err);
    } else {
        (void)mg_err_set(&err, code, "CAN: out of memory");
    }
    free(filters);
    if (code != MG_OK) {
        gone(can, &err);
    }
}

/* What the transport has still to tell of is waited for: the last `sent` comes
 * here again. */
static void renew_if_quiet(struct mg_can *can)
{
    if (can->is_renewed && can->is_open && can->n_handed == 0 &&
        can->open_timer.heap_index == 0) {
        open_in(can, 0);
    }
}

void mg_can_renew(struct mg_can *can)
{
    can->is_renewed = true; /* reset by the next opening in any case */
    renew_if_quiet(can);
}

/* ---- The transport's events ---- */

static void tell_state(struct mg_can *can)
{
    if (can->told == can->status.state) {
        return;
    }
    can->told = can->status.state;
    can->stats.n_state_changes++;
    if (can->events.state != NULL) {
        can->events.state(can->ctx, &can->status);
    }
}

static void now_up(struct mg_can *can)
{
    mg_timer_stop(&can->open_timer); /* it came back by itself */
    if (!can->is_up) {
        can->is_up = true;
        can->up_ns = mg_clock_now_ns(can->clock);
        can->n_received_at_up = can->stats.n_received;
        if (can->events.up != NULL) {
            can->events.up(can->ctx);
        }
    }
}

/* Open, with a state that may be new. */
static void settle(struct mg_can *can)
{
    tell_state(can);
    if (can->status.state < MG_CAN_BUS_OFF) {
        now_up(can);
    } else if (can->is_up || can->open_timer.heap_index == 0) {
        struct mg_err err;
        (void)mg_err_set(&err, MG_E_IO, "the controller is %s",
                         mg_can_state_text(can->status.state));
        fail(can, &err);
    }
    renew_if_quiet(can);
    mg_can_pump(can);
}

static void transport_opened(void *ctx)
{
    struct mg_can *can = ctx;
    can->is_open = true;
    can->stats.n_opens++;
    settle(can);
}

static void transport_received(void *ctx, const struct mg_can_frame *frame,
                               uint64_t arrived_ns)
{
    struct mg_can *can = ctx;
    can->stats.n_received++;
    mg_can_dispatch(can, frame, arrived_ns);
}

static void transport_sent(void *ctx)
{
    struct mg_can *can = ctx;
    mg_can_frame_sent(can);
    renew_if_quiet(can);
}

static void transport_state(void *ctx, const struct mg_can_status *status)
{
    struct mg_can *can = ctx;
    can->status = *status;
    if (can->is_open) {
        settle(can);
    }
}

static void transport_overrun(void *ctx, uint64_t n_lost)
{
    struct mg_can *can = ctx;
    uint64_t n_more = n_lost - can->n_overrun;
    if (n_lost <= can->n_overrun) {
        return;
    }
    can->n_overrun = n_lost;
    can->stats.n_overrun += n_more;
    if (can->events.overrun != NULL) {
        can->events.overrun(can->ctx, n_more);
    }
}

static void transport_lost(void *ctx, const struct mg_err *err)
{
    struct mg_err copy = *err; /* `down` may use the transport's memory */
    gone(ctx, &copy);
}

/* ---- Outside ---- */

struct mg_can *mg_can_create(struct mg_clock *clock,
                             struct mg_can_transport *transport,
                             const struct mg_can_events *events, void *ctx)
{
    static const struct mg_can_transport_events transport_events = {
        .opened = transport_opened,
        .received = transport_received,
        .sent = transport_sent,
        .state = transport_state,
        .overrun = transport_overrun,
        .lost = transport_lost};
    if (transport == NULL) {
        return NULL;
    }
    struct mg_can *can = calloc(1, sizeof *can);
    if (can == NULL) {
        transport->ops->destroy(transport);
        return NULL;
    }
    can->clock = clock;
    can->transport = transport;
    can->events = *events;
    can->ctx = ctx;
    can->status.state = MG_CAN_STOPPED;
    transport->events = &transport_events;
    transport->ctx = can;
    open_in(can, 0);
    return can;
}

void mg_can_destroy(struct mg_can *can)
{
    if (can == NULL) {
        return;
    }
    can->is_closing = true;
    can->transport->ops->destroy(can->transport);
    mg_timer_stop(&can->open_timer);
    mg_can_fail_queue(can, MG_E_CANCELED);
    free(can);
}

struct mg_clock *mg_can_clock(const struct mg_can *can)
{
    return can->clock;
}

bool mg_can_is_up(const struct mg_can *can)
{
    return can->is_up;
}

const struct mg_can_status *mg_can_status(const struct mg_can *can)
{
    return &can->status;
}

const struct mg_can_stats *mg_can_stats(const struct mg_can *can)
{
    return &can->stats;
}
