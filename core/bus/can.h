/* A CAN bus on the loop: who listens to which identifier, sending, the state
 * of the controller, recovery. Over SocketCAN, socketcand or memory. */
#ifndef MG_BUS_CAN_H
#define MG_BUS_CAN_H

#include "base/clock.h"
#include "wire/can_frame.h"

#define MG_CAN_LISTENERS_MAX 4096 /* of one bus */
#define MG_CAN_QUEUE_MAX     256  /* frames waiting to be sent */

enum mg_can_state {
    MG_CAN_ACTIVE,
    MG_CAN_WARNING, /* more than 96 errors */
    MG_CAN_PASSIVE, /* more than 127 */
    MG_CAN_BUS_OFF,
    MG_CAN_STOPPED /* the interface is down */
};
const char *mg_can_state_text(enum mg_can_state state); /* "error-passive" */

struct mg_can_status {
    enum mg_can_state state;
    uint16_t tx_errors, rx_errors; /* error counters, where known */
    bool has_counters;
};

/* ---- Transport: one bus engine owns one ---- */

struct mg_can_filter { /* exactly this identifier */
    uint32_t id;
    bool is_extended;
};

struct mg_can_transport;

struct mg_can_transport_events {
    void (*opened)(void *ctx);
    /** Borrowed for the call. arrived_ns: clock time of arrival. */
    void (*received)(void *ctx, const struct mg_can_frame *frame,
                     uint64_t arrived_ns);
    /** The frame handed to `send` first, of those not yet told, has gone to the
     *  controller's queue; allowed from within `send`. None untold: there is
     *  room again. */
    void (*sent)(void *ctx);
    /** Before `opened` too: then the state it opens in. Without it a bus opens
     *  error-active. */
    void (*state)(void *ctx, const struct mg_can_status *status);
    /** Frames were lost before they could be read; the total since opened. */
    void (*overrun)(void *ctx, uint64_t n_lost);
    /** Gone, or opening failed: closed already, may be opened again. */
    void (*lost)(void *ctx, const struct mg_err *err);
};

struct mg_can_transport_ops {
    /** @param filters  copied; taken anew with each open; NULL: all frames
     *  @return as mg_transport_ops.open */
    int (*open)(struct mg_can_transport *t, const struct mg_can_filter *filters,
                size_t n, struct mg_err *err);
    /** @return MG_OK: `sent` follows; MG_E_BUSY: the queue is full, `sent` says
     *  when to try again; MG_E_IO with err: `lost` follows; MG_E_NOSUP: FD on a
     *  classic bus */
    int (*send)(struct mg_can_transport *t, const struct mg_can_frame *frame,
                struct mg_err *err);
    void (*close)(struct mg_can_transport *t);
    void (*destroy)(struct mg_can_transport *t);
};

struct mg_can_transport {
    const struct mg_can_transport_ops *ops;
    const struct mg_can_transport_events *events; /* set by the engine */
    void *ctx;
};

/** SocketCAN. The kernel filters (up to 512 identifiers; remote frames stay
 *  away). With `is_managed` (needs CAP_NET_ADMIN) the interface is brought up
 *  with these values through libsocketcan, and again when it went down or
 *  bus-off; otherwise it is used as it is. */
struct mg_socketcan_settings {
    char interface[16];
    bool is_fd;      /* the interface takes CAN FD frames */
    bool is_managed; /* bring it up: bitrate, sample point, restart-ms */
    uint32_t bitrate;
    uint32_t sample_point; /* 1e-3; 0 = the kernel's choice */
    uint32_t restart_ms;   /* after bus-off; 0 = we bring it down and up */
};
struct mg_can_transport *
mg_can_transport_socketcan(uv_loop_t *loop, struct mg_clock *clock,
                           const struct mg_socketcan_settings *settings);

/** The socketcand protocol over TCP (classic frames only), raw mode.
 *  @param bus  its name of the bus: "can0" */
struct mg_can_transport *
mg_can_transport_socketcand(uv_loop_t *loop, struct mg_clock *clock,
                            const char *host, uint16_t port, const char *bus,
                            uint32_t connect_timeout_ms);

/** In memory, for virtual time: frames go to `peer` at once, and back with
 *  mg_can_transport_memory_deliver, at the next turn of the clock (256 wait;
 *  then it is an overrun). `peer`: NULL allowed. */
struct mg_can_transport *mg_can_transport_memory(
    struct mg_clock *clock,
    void (*peer)(void *peer_ctx, const struct mg_can_frame *frame),
    void *peer_ctx);
void mg_can_transport_memory_deliver(struct mg_can_transport *t,
                                     const struct mg_can_frame *frame);
void mg_can_transport_memory_state(struct mg_can_transport *t,
                                   const struct mg_can_status *status);
void mg_can_transport_memory_cut(struct mg_can_transport *t, const char *why);

/* ---- Engine ---- */

struct mg_can;

struct mg_can_events { /* all optional */
    void (*up)(void *ctx);
    /** Could not be opened, was lost, or the controller is bus-off or stopped;
     *  it is opened anew after 1, 2, 4 ... 30 s for ever, each failure is told.
     *  What waited to be sent is dropped with MG_E_IO. */
    void (*down)(void *ctx, const struct mg_err *err);
    /** The controller's state has changed (of changed counters alone only
     *  mg_can_status knows); `down` or `up` follows where it changes that. */
    void (*state)(void *ctx, const struct mg_can_status *status);
    void (*overrun)(void *ctx, uint64_t n_lost); /* so many more */
};

/** Embedded in its owner. Those of one identifier are called in the order of
 *  mg_can_listen. */
struct mg_can_listener {
    uint32_t id;
    bool is_extended;
    void (*frame)(struct mg_can_listener *listener,
                  const struct mg_can_frame *frame, uint64_t arrived_ns);
    struct mg_can_listener *next; /* the engine's */
};

struct mg_can_stats {
    uint64_t n_received, n_foreign /* nobody listens */, n_sent, n_dropped,
        n_overrun, n_state_changes, n_opens;
};

/** Opens by itself with the next turn of the loop, and again when lost.
 *  @param transport  owned from now on, also on failure; NULL: out of memory
 *  @return owned; NULL when out of memory */
struct mg_can *mg_can_create(struct mg_clock *clock,
                             struct mg_can_transport *transport,
                             const struct mg_can_events *events, void *ctx);
/** No event follows. NULL allowed. Not from within an event, a listener or a
 *  `done` of this bus. */
void mg_can_destroy(struct mg_can *can);

/** Several may listen to one identifier. Before the first turn of the loop, or
 *  later: then the transport is opened anew with the new filters.
 *  @param listener  borrowed until mg_can_destroy
 *  @return MG_OK, MG_E_NOSPC, MG_E_INVAL: no such identifier */
int mg_can_listen(struct mg_can *can, struct mg_can_listener *listener);

/** Hear every frame that none of the others is for; its identifier does not
 *  matter. For who takes part as a whole bus does. One at a time; as
 *  mg_can_listen otherwise. */
void mg_can_listen_rest(struct mg_can *can, struct mg_can_listener *listener);

/** Queue a frame; `done` (optional) is called when it has gone to the
 *  controller (from within this call too), or with a code when it never will:
 *  MG_E_IO: the bus went down; MG_E_TIMEOUT: its queue did not move for 1 s,
 *  nobody acknowledges; MG_E_NOSUP: FD on a classic bus; MG_E_CANCELED: the bus
 *  is being destroyed.
 *  @return MG_OK; MG_E_NOSPC: MG_CAN_QUEUE_MAX wait; MG_E_IO: the bus is down;
 *          MG_E_INVAL: no such frame
 */
int mg_can_send(struct mg_can *can, const struct mg_can_frame *frame,
                void (*done)(void *ctx, int code), void *ctx);

/** The clock that mg_can_create was given. */
struct mg_clock *mg_can_clock(const struct mg_can *can);

/** Open, and the controller takes part. */
bool mg_can_is_up(const struct mg_can *can);
/** While it is not open: MG_CAN_STOPPED. */
const struct mg_can_status *mg_can_status(const struct mg_can *can);
const struct mg_can_stats *mg_can_stats(const struct mg_can *can);

/* ---- ISO-TP over a bus ---- */

struct mg_isotp_settings;
struct mg_can_channel; /* a pair of identifiers */

/* All optional; none comes from within mg_can_channel_send. */
struct mg_can_channel_events {
    /** data: borrowed for the call */
    void (*message)(void *ctx, const uint8_t *data, size_t len);
    void (*sent)(void *ctx, int code,
                 const char *reason); /* MG_OK or why not */
    void (*failed)(void *ctx, int code, const char *reason); /* receiving */
};

/** @param rx,tx  identifier received and sent (only id and is_extended are
 * used)
 *  @return owned; NULL when out of memory, the settings make no sense or the
 *          listener is refused */
struct mg_can_channel *
mg_can_channel_create(struct mg_can *can, const struct mg_can_frame *rx,
                      const struct mg_can_frame *tx,
                      const struct mg_isotp_settings *settings,
                      const struct mg_can_channel_events *events, void *ctx);
/** Right after mg_can_destroy (same turn of the loop): until then the bus may
 *  call its listener and the `done` of its frame. NULL allowed. */
void mg_can_channel_destroy(struct mg_can_channel *channel);
/** As mg_isotp_send; MG_E_IO: the bus is down. */
int mg_can_channel_send(struct mg_can_channel *channel, const uint8_t *data,
                        size_t len);

#endif
