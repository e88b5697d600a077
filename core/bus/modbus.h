/* Modbus client engine: one bus, one line, one request in flight.
 *
 * RTU on a tty, Modbus TCP, and RTU frames over TCP, as one state machine over
 * transport ops and the clock; no thread, no blocking call. Several units
 * share a bus fairly: writes first, then units in turn. A unit that does not
 * answer is quarantined for the time its late answer may need, and after three
 * time-outs in a row probed only every 10, 20, 40, 60 s; others go on. */
#ifndef MG_BUS_MODBUS_H
#define MG_BUS_MODBUS_H

#include "bus/transport.h"

enum mg_modbus_framing {
    MG_MODBUS_RTU,    /* tty */
    MG_MODBUS_TCP,    /* MBAP */
    MG_MODBUS_RTU_TCP /* RTU frames in a TCP stream */
};

struct mg_modbus_settings {
    enum mg_modbus_framing framing;
    uint32_t baud;       /* RTU: for t3.5 and wire times */
    uint8_t char_bits;   /* RTU: bits per character on the wire, 10 or 11 */
    uint32_t bus_gap_us; /* silence between frames where longer than t3.5 */
    uint32_t slack_ms;   /* added to every deadline: USB latency, gateway */
    uint32_t quiet_ms;   /* silence that ends a drain; 0 = default 20 */
    uint32_t reopen_min_ms, reopen_max_ms; /* 0 = defaults 1000, 60000 */
    uint64_t seed;                         /* of the reopen jitter */
};

struct mg_modbus_unit_settings {
    uint8_t unit;        /* 1..247; TCP also 0 and 255; 0 on a serial line is
                          * everybody, for writes only */
    uint32_t timeout_ms; /* answer time without the wire */
    uint32_t gap_ms;     /* silence this unit wants before a request */
};

enum mg_modbus_unit_state {
    MG_UNIT_OK,
    MG_UNIT_QUARANTINED, /* a late answer may still come */
    MG_UNIT_DEAD         /* three time-outs in a row: probes only */
};

struct mg_modbus;      /* one bus */
struct mg_modbus_unit; /* one address on it */

struct mg_modbus_result {
    int code;             /* MG_OK, MG_E_EXCEPTION, MG_E_TIMEOUT, MG_E_IO (bus
                           * lost), MG_E_CANCELED (bus closing) */
    uint8_t exception;    /* MG_E_EXCEPTION; MG_E_TIMEOUT: 10 or 11 when a
                           * gateway before the meter said so, else 0 */
    const uint8_t *pdu;   /* MG_OK: borrowed for the call; function code and
                           * data; length, counts and echoes checked */
    size_t pdu_len;       /* 0 after a broadcast, which nobody answers */
    uint64_t answered_ns; /* clock time at which the answer was complete */
};

/** Caller-owned until `done` was called, which happens exactly once for each
 *  accepted request and never from within submit. `done` may submit again. */
struct mg_modbus_request {
    uint8_t pdu[MG_PDU_MAX]; /* function code and data */
    size_t pdu_len;
    bool is_urgent;      /* before all polls: writes, procedures */
    uint32_t timeout_ms; /* 0 = the unit's */
    uint8_t alias;       /* ask this address instead of the unit's, also when
                          * the unit is dead; 0 = no */
    uint32_t baud;       /* tty: at this speed, then back; 0 = the bus's */
    void (*done)(struct mg_modbus_request *request,
                 const struct mg_modbus_result *result);
    /* private to the engine */
    struct mg_modbus_unit *unit;
    struct mg_modbus_request *next;
};

struct mg_modbus_stats {
    uint64_t n_requests, n_ok, n_exceptions, n_timeouts;
    uint64_t n_stray_bytes; /* arrived while nothing was asked */
    uint64_t n_bad_frames;  /* checksum or form wrong */
    uint64_t n_foreign;     /* another unit's or transaction's frame */
    uint64_t n_late;        /* our own frame, after its time-out */
    uint64_t n_opens, n_losses;
};

/** The bus calls these when the line comes up and when it is lost. */
struct mg_modbus_events {
    void (*up)(void *ctx);
    void (*down)(void *ctx, const struct mg_err *err);
};

/** Create and start opening the line; retries for ever with back-off. A TCP
 *  connection that answers nobody any more is made anew without an event, as
 *  long as that succeeds; requests wait meanwhile.
 *  @param transport  owned by the bus from now on
 *  @param events     optional; borrowed; ctx passed back
 *  @return owned by the caller; NULL: out of memory, transport is destroyed */
struct mg_modbus *mg_modbus_create(struct mg_clock *clock,
                                   struct mg_transport *transport,
                                   const struct mg_modbus_settings *settings,
                                   const struct mg_modbus_events *events,
                                   void *ctx);

/** Cancel what is queued (`done` is called for each), close and free. Allowed
 *  from within `done` and the events. NULL is allowed. */
void mg_modbus_destroy(struct mg_modbus *bus);

/** @return borrowed, lives as long as the bus; NULL when 247 are there */
struct mg_modbus_unit *
mg_modbus_add_unit(struct mg_modbus *bus,
                   const struct mg_modbus_unit_settings *settings);

/** Queue a request. At most 8 wait per unit.
 *  @return MG_OK; MG_E_BUSY: queue full; MG_E_INVAL: pdu is no request of
 *  function 1-6, 15, 16, 22, 23 with consistent lengths; MG_E_IO: the line is
 *  down; MG_E_TIMEOUT: the unit is dead and its next probe is not due */
int mg_modbus_submit(struct mg_modbus_unit *unit,
                     struct mg_modbus_request *request);

enum mg_modbus_unit_state
mg_modbus_unit_state(const struct mg_modbus_unit *unit);

/** Earliest time a request to the unit would be sent, on the clock. */
uint64_t mg_modbus_unit_ready_ns(const struct mg_modbus_unit *unit);

/** The meter answers on another address from now on. */
void mg_modbus_unit_move(struct mg_modbus_unit *unit, uint8_t address);

bool mg_modbus_is_up(const struct mg_modbus *bus);
const struct mg_modbus_stats *mg_modbus_stats(const struct mg_modbus *bus);

/** RTU time of a whole exchange in ns: request, answer, two gaps; without the
 *  meter's own time. For budgets (`check`) and benchmarks. */
uint64_t mg_modbus_exchange_ns(const struct mg_modbus_settings *settings,
                               size_t request_pdu_len, size_t reply_pdu_len);

#endif
