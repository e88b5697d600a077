/* Reading frames, bounded, so that a flood leaves time for the rest of the
 * loop; what the kernel had to drop meanwhile it counts. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "bus/socketcan_priv.h"

#define BATCH       64 /* frames per system call */
#define BATCHES_MAX 4  /* per turn of the loop */

static void take_error(struct socketcan *c, const struct can_frame *frame)
{
    unsigned news = mg_socketcan_error(frame, &c->status);
    if ((news & SOCKETCAN_STATE) != 0) {
        c->base.events->state(c->base.ctx, &c->status);
    }
    if ((news & SOCKETCAN_OVERFLOW) != 0) {
        c->n_lost++;
        c->base.events->overrun(c->base.ctx, c->n_lost);
    }
}

static void take_frame(struct socketcan *c, const struct canfd_frame *raw,
                       bool is_fd, uint64_t now_ns)
{
    bool is_extended = (raw->can_id & CAN_EFF_FLAG) != 0;
    struct mg_can_frame frame = {
        .id = raw->can_id & (is_extended ? CAN_EFF_MASK : CAN_SFF_MASK),
        .is_extended = is_extended,
        .is_remote = (raw->can_id & CAN_RTR_FLAG) != 0,
        .is_fd = is_fd,
        .is_brs = is_fd && (raw->flags & CANFD_BRS) != 0,
        .len = raw->len};
    if (frame.len <= (is_fd ? MG_CAN_FD_MAX : MG_CAN_CLASSIC_MAX)) {
        memcpy(frame.data, raw->data, frame.len);
        c->base.events->received(c->base.ctx, &frame, now_ns);
    }
}

static void take_message(struct socketcan *c, const struct canfd_frame *raw,
                         size_t len, uint64_t now_ns)
{
    if (len != CAN_MTU && len != CANFD_MTU) {
        return; /* CAN XL was not asked for */
    }
    if ((raw->can_id & CAN_ERR_FLAG) != 0) {
        struct can_frame classic; /* the same beginning */
        memcpy(&classic, raw, sizeof classic);
        take_error(c, &classic);
    } else {
        take_frame(c, raw, len == CANFD_MTU, now_ns);
    }
}

static void take_dropped(struct socketcan *c, struct msghdr *head)
{
    for (struct cmsghdr *m = CMSG_FIRSTHDR(head); m != NULL;
         m = CMSG_NXTHDR(head, m)) {
        uint32_t n = 0;
        if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SO_RXQ_OVFL ||
            m->cmsg_len < CMSG_LEN(sizeof n)) {
            continue;
        }
        memcpy(&n, CMSG_DATA(m), sizeof n);
        if (n != c->n_dropped) {
            c->n_lost += (uint32_t)(n - c->n_dropped); /* it wraps */
            c->n_dropped = n;
            c->base.events->overrun(c->base.ctx, c->n_lost);
        }
    }
}

struct control {
    _Alignas(struct cmsghdr) uint8_t bytes[CMSG_SPACE(sizeof(uint32_t))];
};

/* @return frames read, or -1 with errno */
static int receive_batch(struct socketcan *c)
{
    struct canfd_frame frames[BATCH];
    struct iovec parts[BATCH];
    struct mmsghdr heads[BATCH];
    struct control controls[BATCH];
    memset(heads, 0, sizeof heads);
    memset(frames, 0, sizeof frames);
    for (size_t i = 0; i < BATCH; i++) {
        parts[i].iov_base = &frames[i];
        parts[i].iov_len = sizeof frames[i];
        heads[i].msg_hdr.msg_iov = &parts[i];
        heads[i].msg_hdr.msg_iovlen = 1;
        heads[i].msg_hdr.msg_control = &controls[i];
        heads[i].msg_hdr.msg_controllen = sizeof controls[i];
    }
    int n = recvmmsg(c->port->fd, heads, BATCH, 0, NULL);
    uint64_t now_ns = mg_clock_now_ns(c->clock);
    for (int i = 0; i < n && c->port != NULL; i++) {
        take_dropped(c, &heads[i].msg_hdr);
        take_message(c, &frames[i], heads[i].msg_len, now_ns);
    }
    return n;
}

static void receive_all(struct socketcan *c)
{
    const struct port *p = c->port;
    for (int i = 0; i < BATCHES_MAX && c->port == p; i++) {
        int n = receive_batch(c);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            struct mg_err err;
            (void)mg_socketcan_errno(c->set.interface, errno, "receiving",
                                     &err);
            mg_socketcan_lose(c, &err);
            return;
        }
        if (n < BATCH) {
            return;
        }
    }
}

void mg_socketcan_readable(uv_poll_t *poll, int status, int events)
{
    struct port *p = poll->data;
    (void)events;
    if (p->owner == NULL) {
        return;
    }
    receive_all(p->owner); /* tells the error too, if there is one */
    if (status < 0 && p->owner != NULL) {
        (void)uv_poll_start(poll, UV_READABLE,
                            mg_socketcan_readable); /* libuv stopped it */
    }
}
