/* Error frames: how the kernel tells of a controller's troubles. */
#include <linux/can/error.h>

#include "bus/socketcan_priv.h"

/* Kernels before 6.0 do not have it. */
#ifndef CAN_ERR_CNT
#define CAN_ERR_CNT 0x00000200U
#endif
#ifndef CAN_ERR_CRTL_ACTIVE
#define CAN_ERR_CRTL_ACTIVE 0x40
#endif

#define TX_COUNTER 6 /* in the data */
#define RX_COUNTER 7

static bool controller_state(uint8_t problem, enum mg_can_state *ret)
{
    if ((problem & (CAN_ERR_CRTL_RX_PASSIVE | CAN_ERR_CRTL_TX_PASSIVE)) != 0) {
        *ret = MG_CAN_PASSIVE;
    } else if ((problem &
                (CAN_ERR_CRTL_RX_WARNING | CAN_ERR_CRTL_TX_WARNING)) != 0) {
        *ret = MG_CAN_WARNING;
    } else if ((problem & CAN_ERR_CRTL_ACTIVE) != 0) {
        *ret = MG_CAN_ACTIVE;
    } else {
        return false;
    }
    return true;
}

static bool new_state(const struct can_frame *frame, enum mg_can_state *ret)
{
    if ((frame->can_id & CAN_ERR_BUSOFF) != 0) {
        *ret = MG_CAN_BUS_OFF;
        return true;
    }
    if ((frame->can_id & CAN_ERR_RESTARTED) != 0) {
        *ret = MG_CAN_ACTIVE;
        return true;
    }
    return (frame->can_id & CAN_ERR_CRTL) != 0 &&
           controller_state(frame->data[1], ret);
}

/* Older kernels do not say whether the counters are there: 0 and 0 in a frame
 * about a new state means that they are not. */
static bool has_counters(const struct can_frame *frame)
{
    return (frame->can_id & CAN_ERR_CNT) != 0 ||
           ((frame->can_id & CAN_ERR_CRTL) != 0 &&
            (frame->data[TX_COUNTER] | frame->data[RX_COUNTER]) != 0);
}

unsigned mg_socketcan_error(const struct can_frame *frame,
                            struct mg_can_status *status)
{
    unsigned news = 0;
    if (frame->can_dlc != CAN_ERR_DLC) {
        return 0; /* anybody may send such a frame on a virtual bus */
    }
    if (new_state(frame, &status->state)) {
        news |= SOCKETCAN_STATE;
    }
    if (has_counters(frame)) {
        status->tx_errors = frame->data[TX_COUNTER];
        status->rx_errors = frame->data[RX_COUNTER];
        status->has_counters = true;
        news |= SOCKETCAN_STATE;
    }
    if ((frame->can_id & CAN_ERR_CRTL) != 0 &&
        (frame->data[1] & CAN_ERR_CRTL_RX_OVERFLOW) != 0) {
        news |= SOCKETCAN_OVERFLOW;
    }
    return news;
}
