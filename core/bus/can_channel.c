/* ISO-TP over a bus: moves frames and times between the state machine
 * (wire/isotp.h) and the engine, and its events to the owner. */
#include <stddef.h>
#include <stdlib.h>

#include "bus/can.h"
#include "wire/isotp.h"

struct mg_can_channel {
    struct mg_can_listener listener; /* first: found again by a cast */
    struct mg_timer timer;
    struct mg_can *can;
    struct mg_clock *clock;
    struct mg_can_channel_events events;
    void *ctx;
    struct mg_can_frame tx; /* identifier and kind of what we send */
    struct mg_isotp tp;
    bool is_pumping; /* the bus and the owner may call back at once */
};

static void tell(struct mg_can_channel *channel,
                 const struct mg_isotp_event *event)
{
    const struct mg_can_channel_events *to = &channel->events;
    switch (event->kind) {
    case MG_ISOTP_MESSAGE:
        if (to->message != NULL) {
            to->message(channel->ctx, event->data, event->len);
        }
        break;
    case MG_ISOTP_SENT:
    case MG_ISOTP_TX_FAILED:
        if (to->sent != NULL) {
            to->sent(channel->ctx, event->code, event->reason);
        }
        break;
    case MG_ISOTP_RX_FAILED:
        if (to->failed != NULL) {
            to->failed(channel->ctx, event->code, event->reason);
        }
        break;
    case MG_ISOTP_NOTHING:
        break;
    }
}

static void pump(struct mg_can_channel *channel);

static void time_has_come(struct mg_timer *timer)
{
    struct mg_can_channel *channel =
        (struct mg_can_channel *)((char *)timer -
                                  offsetof(struct mg_can_channel, timer));
    mg_isotp_expire(&channel->tp, mg_clock_now_ns(channel->clock));
    pump(channel);
}

static void arm(struct mg_can_channel *channel)
{
    uint64_t deadline_ns = mg_isotp_deadline_ns(&channel->tp);
    if (deadline_ns == UINT64_MAX) {
        mg_timer_stop(&channel->timer);
    } else {
        mg_timer_start(channel->clock, &channel->timer, deadline_ns,
                       time_has_come);
    }
}

static void frame_done(void *ctx, int code)
{
    struct mg_can_channel *channel = ctx;
    if (code == MG_E_CANCELED) {
        mg_timer_stop(&channel->timer);
        mg_isotp_reset(&channel->tp);
        return;
    }
    if (code == MG_OK) {
        mg_isotp_sent(&channel->tp, mg_clock_now_ns(channel->clock));
    } else {
        mg_isotp_abort(&channel->tp, code, "the bus lost a frame");
    }
    pump(channel);
}

/* @return false: nothing to send now */
static bool send_next(struct mg_can_channel *channel)
{
    struct mg_can_frame frame = channel->tx;
    size_t len = 0;
    if (!mg_isotp_pull(&channel->tp, mg_clock_now_ns(channel->clock),
                       frame.data, &len)) {
        return false;
    }
    frame.len = (uint8_t)len;
    int code = mg_can_send(channel->can, &frame, frame_done, channel);
    if (code != MG_OK) {
        mg_isotp_abort(&channel->tp, code, "the bus refuses a frame");
    }
    return true;
}

/* The bus or the owner may call back into the channel from within: this only
 * changes the state, and the loop here goes on with it. */
static void pump(struct mg_can_channel *channel)
{
    if (channel->is_pumping) {
        return;
    }
    channel->is_pumping = true;
    struct mg_isotp_event event;
    do {
        while (mg_isotp_event(&channel->tp, &event)) {
            tell(channel, &event);
        }
    } while (send_next(channel));
    channel->is_pumping = false;
    arm(channel);
}

static void frame_came(struct mg_can_listener *listener,
                       const struct mg_can_frame *frame, uint64_t arrived_ns)
{
    struct mg_can_channel *channel = (struct mg_can_channel *)listener;
    if (frame->is_remote) {
        return;
    }
    mg_isotp_receive(&channel->tp, frame->data, frame->len, arrived_ns);
    pump(channel);
}

struct mg_can_channel *
mg_can_channel_create(struct mg_can *can, const struct mg_can_frame *rx,
                      const struct mg_can_frame *tx,
                      const struct mg_isotp_settings *settings,
                      const struct mg_can_channel_events *events, void *ctx)
{
    struct mg_can_channel *channel = calloc(1, sizeof *channel);
    if (channel == NULL) {
        return NULL;
    }
    channel->can = can;
    channel->clock = mg_can_clock(can);
    channel->events = *events;
    channel->ctx = ctx;
    channel->tx.id = tx->id;
    channel->tx.is_extended = tx->is_extended;
    channel->tx.is_fd = settings->tx_dl > MG_CAN_CLASSIC_MAX;
    channel->listener.id = rx->id;
    channel->listener.is_extended = rx->is_extended;
    channel->listener.frame = frame_came;
    if (mg_isotp_init(&channel->tp, settings) != MG_OK ||
        mg_can_listen(can, &channel->listener) != MG_OK) {
        free(channel);
        return NULL;
    }
    return channel;
}

void mg_can_channel_destroy(struct mg_can_channel *channel)
{
    if (channel == NULL) {
        return;
    }
    mg_timer_stop(&channel->timer);
    free(channel);
}

int mg_can_channel_send(struct mg_can_channel *channel, const uint8_t *data,
                        size_t len)
{
    if (!mg_can_is_up(channel->can)) {
        return MG_E_IO;
    }
    uint64_t now_ns = mg_clock_now_ns(channel->clock);
    int code = mg_isotp_send(&channel->tp, data, len, now_ns);
    if (code == MG_OK) {
        arm(channel); /* sent from the loop, so that no event comes before
                       * this has returned */
    }
    return code;
}
