/* A CAN bus of the kernel: a raw socket, opened, watched and written to. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus/socketcan_priv.h"

#define RETRY_NS 2000000ULL    /* a queue of 10 frames has moved then */
#define ASK_NS   1000000000ULL /* the controller */

static struct socketcan *can_of(struct mg_can_transport *t)
{
    return (struct socketcan *)((char *)t - offsetof(struct socketcan, base));
}

/* ---- Closing ---- */

static void port_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void can_close(struct mg_can_transport *t)
{
    struct socketcan *c = can_of(t);
    struct port *p = c->port;
    mg_timer_stop(&c->turn);
    mg_timer_stop(&c->asker);
    c->is_opening = false;
    c->has_failed = false;
    c->n_untold = 0;
    if (p != NULL) {
        c->port = NULL;
        p->owner = NULL;
        uv_close((uv_handle_t *)&p->poll, port_closed);
        (void)close(p->fd); /* libuv has let go of it */
    }
}

void mg_socketcan_lose(struct socketcan *c, const struct mg_err *err)
{
    can_close(&c->base);
    c->base.events->lost(c->base.ctx, err);
}

/* ---- Later ---- */

static void turn(struct mg_timer *timer)
{
    struct socketcan *c =
        (struct socketcan *)((char *)timer - offsetof(struct socketcan, turn));
    const struct mg_can_transport_events *events = c->base.events;
    if (c->has_failed) {
        struct mg_err failure = c->failure;
        mg_socketcan_lose(c, &failure);
        return;
    }
    if (c->is_opening) {
        c->is_opening = false;
        if (c->link.has_state) {
            events->state(c->base.ctx, &c->status);
        }
        events->opened(c->base.ctx);
        (void)uv_poll_start(&c->port->poll, UV_READABLE, mg_socketcan_readable);
        return;
    }
    size_t n = c->n_untold;
    c->n_untold = 0;
    do { /* none: only room for more */
        events->sent(c->base.ctx);
    } while (n-- > 1);
}

static void turn_in(struct socketcan *c, uint64_t ns)
{
    uint64_t at_ns = mg_clock_now_ns(c->clock) + ns;
    if (c->turn.heap_index == 0 || c->turn.deadline_ns > at_ns) {
        mg_timer_start(c->clock, &c->turn, at_ns, turn);
    }
}

static void fail_later(struct socketcan *c)
{
    c->has_failed = true;
    turn_in(c, 0);
}

static void ask_controller(struct mg_timer *timer)
{
    struct socketcan *c =
        (struct socketcan *)((char *)timer - offsetof(struct socketcan, asker));
    mg_timer_start(c->clock, &c->asker, mg_clock_now_ns(c->clock) + ASK_NS,
                   ask_controller);
    if (mg_socketcan_ask(c->set.interface, &c->link, &c->status)) {
        c->base.events->state(c->base.ctx, &c->status);
    }
}

/* ---- Opening ---- */

static int watch(struct socketcan *c, int fd, struct mg_err *err)
{
    struct port *p = calloc(1, sizeof *p);
    int rc = p == NULL ? UV_ENOMEM : uv_poll_init(c->loop, &p->poll, fd);
    if (rc != 0) {
        free(p);
        (void)close(fd);
        return mg_err_set(err, MG_E_IO, "%s: %s", c->set.interface,
                          uv_strerror(rc));
    }
    p->poll.data = p;
    p->owner = c;
    p->fd = fd;
    c->port = p;
    return MG_OK;
}

static int can_open(struct mg_can_transport *t,
                    const struct mg_can_filter *filters, size_t n,
                    struct mg_err *err)
{
    struct socketcan *c = can_of(t);
    int fd = -1;
    can_close(t);
    int code = mg_socketcan_check_kernel(c->set.interface, err);
    if (code == MG_OK) {
        code = mg_socketcan_prepare(&c->set, &c->refusal, &c->link, err);
    }
    if (code == MG_OK) {
        code =
            mg_socketcan_socket(&c->set, c->link.index, filters, n, &fd, err);
    }
    if (code == MG_OK) {
        code = watch(c, fd, err);
    }
    if (code != MG_OK) {
        return code;
    }
    c->n_dropped = 0;
    c->n_lost = 0;
    c->status = (struct mg_can_status){.state = MG_CAN_ACTIVE};
    if (mg_socketcan_ask(c->set.interface, &c->link, &c->status)) {
        mg_timer_start(c->clock, &c->asker, mg_clock_now_ns(c->clock) + ASK_NS,
                       ask_controller);
    }
    c->is_opening = true;
    turn_in(c, 0);
    return MG_OK;
}

/* ---- Sending ---- */

static size_t encode(const struct mg_can_frame *frame, struct canfd_frame *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->can_id = frame->id | (frame->is_extended ? CAN_EFF_FLAG : 0) |
                  (frame->is_remote ? CAN_RTR_FLAG : 0);
    ret->len = frame->len;
    if (!frame->is_remote) {
        memcpy(ret->data, frame->data, frame->len);
    }
    if (!frame->is_fd) {
        return CAN_MTU;
    }
    ret->flags = frame->is_brs ? CANFD_BRS : 0;
    return CANFD_MTU;
}

static int can_send(struct mg_can_transport *t,
                    const struct mg_can_frame *frame, struct mg_err *err)
{
    struct socketcan *c = can_of(t);
    struct canfd_frame raw;
    if (c->port == NULL || c->is_opening || c->has_failed) {
        return mg_err_set(err, MG_E_IO, "%s: not open", c->set.interface);
    }
    if (frame->is_fd && !c->set.is_fd) {
        return mg_err_set(err, MG_E_NOSUP, "%s: takes no CAN FD frames",
                          c->set.interface);
    }
    size_t len = encode(frame, &raw);
    ssize_t n = write(c->port->fd, &raw, len);
    if (n == (ssize_t)len) {
        c->n_untold++;
        turn_in(c, 0);
        return MG_OK;
    }
    if (n < 0 && (errno == ENOBUFS || errno == EAGAIN || errno == EINTR)) {
        turn_in(c, RETRY_NS);
        return mg_err_set(err, MG_E_BUSY, "%s: its queue is full",
                          c->set.interface);
    }
    (void)mg_socketcan_errno(c->set.interface, n < 0 ? errno : EIO, "sending",
                             &c->failure);
    fail_later(c);
    *err = c->failure;
    return err->code;
}

static void can_destroy(struct mg_can_transport *t)
{
    can_close(t);
    free(can_of(t));
}

struct mg_can_transport *
mg_can_transport_socketcan(uv_loop_t *loop, struct mg_clock *clock,
                           const struct mg_socketcan_settings *settings)
{
    static const struct mg_can_transport_ops ops = {.open = can_open,
                                                    .send = can_send,
                                                    .close = can_close,
                                                    .destroy = can_destroy};
    struct socketcan *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->base.ops = &ops;
    c->loop = loop;
    c->clock = clock;
    c->set = *settings;
    c->set.interface[sizeof c->set.interface - 1] = '\0';
    return &c->base;
}
