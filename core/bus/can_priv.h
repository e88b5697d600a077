/* The CAN engine from inside, for its own files.
 *
 * can.c         making, opening, the controller's state, recovery
 * can_listen.c  who listens to which identifier
 * can_queue.c   sending */
#ifndef MG_BUS_CAN_PRIV_H
#define MG_BUS_CAN_PRIV_H

#include "bus/can.h"

#define CAN_BUCKETS 1024U
#define MS_NS       1000000ULL

struct can_waiting { /* a frame in the queue */
    struct mg_can_frame frame;
    void (*done)(void *ctx, int code);
    void *ctx;
};

struct mg_can {
    struct mg_clock *clock;
    struct mg_can_transport *transport;
    struct mg_can_events events;
    void *ctx;

    struct mg_timer open_timer; /* opens, or opens anew */
    unsigned n_failures;        /* in a row: how long to wait */
    uint64_t up_ns, n_received_at_up;
    bool is_open;    /* the transport is */
    bool is_up;      /* as told: open and the controller takes part */
    bool is_renewed; /* listeners have come: the filters are to follow */
    bool is_closing;
    struct mg_can_status status;
    enum mg_can_state told; /* the newest that the owner has heard of */
    uint64_t n_overrun;     /* since opened */
    struct mg_can_stats stats;

    struct mg_can_listener *buckets[CAN_BUCKETS];
    size_t n_listeners;
    struct mg_can_listener *rest; /* of frames that nobody is for; NULL: none */

    struct can_waiting queue[MG_CAN_QUEUE_MAX]; /* a ring */
    size_t head, n_queued;
    size_t n_handed;             /* the first ones: the transport has them */
    bool is_pumping, is_stalled; /* the transport is full */
    struct mg_timer stall_timer;
};

/* can.c */
void mg_can_renew(struct mg_can *can); /* open anew as soon as possible */

/* can_listen.c */
int mg_can_filters(const struct mg_can *can, struct mg_can_filter **ret,
                   size_t *ret_n); /* to be freed; NULL: all; MG_OK or MG_E_NOMEM */
void mg_can_dispatch(struct mg_can *can, const struct mg_can_frame *frame,
                     uint64_t arrived_ns);

/* can_queue.c */
void mg_can_pump(struct mg_can *can);
void mg_can_frame_sent(struct mg_can *can);
void mg_can_fail_queue(struct mg_can *can, int code);

#endif
