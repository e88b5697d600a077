/* Sending: frames wait in a ring; the first n_handed of them are with the
 * transport. */
#include "bus/can_priv.h"

#define STALL_MS 1000U /* then what waits is too old to be sent */

static bool is_well_made(const struct mg_can_frame *frame)
{
    static const uint8_t fd_len[] = {12, 16, 20, 24, 32, 48, 64};
    if (frame->id >
        (frame->is_extended ? MG_CAN_EXTENDED_MAX : MG_CAN_STANDARD_MAX)) {
        return false;
    }
    if (frame->len <= MG_CAN_CLASSIC_MAX) {
        return !(frame->is_fd && frame->is_remote);
    }
    for (size_t i = 0; frame->is_fd && i < sizeof fd_len; i++) {
        if (frame->len == fd_len[i]) {
            return !frame->is_remote;
        }
    }
    return false;
}

static void end_first(struct mg_can *can, int code)
{
    struct can_waiting *first = &can->queue[can->head];
    void (*done)(void *, int) = first->done;
    void *ctx = first->ctx;
    can->head = (can->head + 1) % MG_CAN_QUEUE_MAX;
    can->n_queued--;
    if (code == MG_OK) {
        can->stats.n_sent++;
    } else {
        can->stats.n_dropped++;
    }
    if (done != NULL) {
        done(ctx, code); /* may queue another */
    }
}

void mg_can_frame_sent(struct mg_can *can)
{
    can->is_stalled = false;
    if (can->n_handed > 0) {
        can->n_handed--;
        end_first(can, MG_OK);
    }
    mg_can_pump(can);
}

void mg_can_fail_queue(struct mg_can *can, int code)
{
    mg_timer_stop(&can->stall_timer);
    can->n_handed = 0;
    can->is_stalled = false;
    for (size_t n = can->n_queued; n > 0 && can->n_queued > 0; n--) {
        end_first(can, code);
    }
}

/* A full queue that does not move: nobody acknowledges. The frames are not
 * kept, or they would all go out, long outdated, when somebody does. */
static void stalled_long(struct mg_timer *timer)
{
    struct mg_can *can =
        (struct mg_can *)((char *)timer - offsetof(struct mg_can, stall_timer));
    if (can->n_handed == 0) {
        mg_can_fail_queue(can, MG_E_TIMEOUT);
    }
}

static void stall(struct mg_can *can)
{
    can->is_stalled = true;
    if (can->stall_timer.heap_index == 0) {
        mg_timer_start(can->clock, &can->stall_timer,
                       mg_clock_now_ns(can->clock) + STALL_MS * MS_NS,
                       stalled_long);
    }
}

/* The first frame that the transport has not got, when it is refused for good:
 * those before it are told first, so it waits for its turn at the head. */
static bool drop_refused(struct mg_can *can, int code)
{
    if (can->n_handed > 0) {
        return false;
    }
    end_first(can, code);
    return true;
}

/* @return go on with the next */
static bool hand_over(struct mg_can *can)
{
    struct mg_err err;
    size_t at = (can->head + can->n_handed) % MG_CAN_QUEUE_MAX;
    can->n_handed++; /* `sent` may come from within */
    int code =
        can->transport->ops->send(can->transport, &can->queue[at].frame, &err);
    if (code == MG_OK) {
        mg_timer_stop(&can->stall_timer);
        return true;
    }
    can->n_handed -= can->n_handed > 0 ? 1 : 0; /* 0: lost from within */
    if (code == MG_E_BUSY) {
        stall(can);
        return false;
    }
    if (code == MG_E_IO) {
        can->is_open = false; /* `lost` follows */
        return false;
    }
    return drop_refused(can, code);
}

void mg_can_pump(struct mg_can *can)
{
    if (can->is_pumping) {
        return; /* the loop below goes on with it */
    }
    can->is_pumping = true;
    while (can->is_open && can->is_up && !can->is_renewed && !can->is_stalled &&
           can->n_handed < can->n_queued && hand_over(can)) {
    }
    can->is_pumping = false;
}

int mg_can_send(struct mg_can *can, const struct mg_can_frame *frame,
                void (*done)(void *ctx, int code), void *ctx)
{
    if (!is_well_made(frame)) {
        return MG_E_INVAL;
    }
    if (!can->is_up || can->is_closing) {
        return MG_E_IO;
    }
    if (can->n_queued == MG_CAN_QUEUE_MAX) {
        can->stats.n_dropped++;
        return MG_E_NOSPC;
    }
    struct can_waiting *last =
        &can->queue[(can->head + can->n_queued) % MG_CAN_QUEUE_MAX];
    last->frame = *frame;
    last->done = done;
    last->ctx = ctx;
    can->n_queued++;
    mg_can_pump(can);
    return MG_OK;
}
