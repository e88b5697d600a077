/* How bytes reach a bus: a tty, a TCP connection, or memory.
 *
 * A transport is opened, used and closed by one bus engine on one loop. All
 * calls return at once; what happens later comes through the events. */
#ifndef MG_BUS_TRANSPORT_H
#define MG_BUS_TRANSPORT_H

#include "base/clock.h"
#include "metergate/plugin.h"

struct mg_transport;

struct mg_transport_events {
    /** The line is ready to send. */
    void (*opened)(void *ctx);
    /** Bytes came in; borrowed for the call. */
    void (*received)(void *ctx, const uint8_t *data, size_t len);
    /** The line is gone, or opening failed; the transport is closed already
     *  and may be opened again. */
    void (*lost)(void *ctx, const struct mg_err *err);
};

struct mg_transport_ops {
    /** Start opening. @return MG_OK: `opened` or `lost` will be called, never
     *  from within this call; otherwise err says why and nothing is open */
    int (*open)(struct mg_transport *t, struct mg_err *err);
    /** Send all bytes in one write. A short write is MG_E_IO. */
    int (*send)(struct mg_transport *t, const uint8_t *data, size_t len,
                struct mg_err *err);
    /** Read and throw away what has arrived. @return bytes discarded */
    size_t (*discard)(struct mg_transport *t);
    /** Change the speed of a tty once output has drained; optional. */
    int (*set_baud)(struct mg_transport *t, uint32_t baud, struct mg_err *err);
    /** Close; no event follows. Allowed in any state. */
    void (*close)(struct mg_transport *t);
    /** Close and free once the loop has let go of the handles. */
    void (*destroy)(struct mg_transport *t);
};

struct mg_transport {
    const struct mg_transport_ops *ops;
    const struct mg_transport_events *events; /* set by the bus engine */
    void *ctx;                                /* of the events */
};

struct mg_tty_settings {
    char device[128];
    struct mg_serial serial;
    bool has_rs485;      /* TIOCSRS485: the kernel drives the transceiver */
    bool is_low_latency; /* ASYNC_LOW_LATENCY on USB adapters */
};

/** @param settings  copied */
struct mg_transport *mg_transport_tty(uv_loop_t *loop,
                                      const struct mg_tty_settings *settings);

/** TCP with TCP_NODELAY, keep-alive and user time-out; names are looked up off
 *  the loop. Used for Modbus TCP and for RTU frames over TCP alike.
 *  @param host  copied, at most 255 bytes */
struct mg_transport *mg_transport_tcp(uv_loop_t *loop, struct mg_clock *clock,
                                      const char *host, uint16_t port,
                                      uint32_t connect_timeout_ms);

/** Bytes handed to `peer` and back through the clock, for virtual time.
 *  `peer` is called once per send, `delay_ns` after it; it answers by
 *  mg_transport_memory_deliver, at once or later. */
struct mg_transport *
mg_transport_memory(struct mg_clock *clock, uint64_t delay_ns,
                    void (*peer)(void *peer_ctx, struct mg_transport *line,
                                 const uint8_t *data, size_t len),
                    void *peer_ctx);
void mg_transport_memory_deliver(struct mg_transport *line, const uint8_t *data,
                                 size_t len);
/** The far end goes away: `lost` is raised with this text. */
void mg_transport_memory_cut(struct mg_transport *line, const char *why);

#endif
