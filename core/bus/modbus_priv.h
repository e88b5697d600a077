/* The engine's own structs, shared by modbus*.c only. */
#ifndef MG_BUS_MODBUS_PRIV_H
#define MG_BUS_MODBUS_PRIV_H

#include "bus/modbus.h"
#include "wire/modbus_adu.h"

#define QUEUE_MAX  8
#define UNITS_MAX  247
#define RX_MAX     512 /* more than any frame */
#define MS_NS      1000000ULL
#define DEAD_AFTER 3U /* time-outs in a row */

enum bus_state {
    BUS_BACKOFF,   /* closed; the timer opens again */
    BUS_OPENING,   /* waiting for the transport */
    BUS_IDLE,      /* may send; the timer waits for silence or for a unit */
    BUS_WAITING,   /* `current` was sent; the timer is its deadline */
    BUS_BROADCAST, /* `current` was sent to all; the timer is the turnaround */
    BUS_DRAINING,  /* after a time-out, until the line is silent */
    BUS_FAILED,    /* sending failed; the timer gives the line up */
    BUS_GONE       /* destroyed */
};

struct mg_modbus_unit {
    struct mg_modbus *bus;
    struct mg_modbus_unit *next; /* a ring, for taking turns */
    struct mg_modbus_unit_settings set;
    struct mg_modbus_request *queue; /* borrowed; urgent ones first */
    uint32_t n_queued;
    uint32_t n_failed;    /* time-outs in a row */
    uint32_t n_probes;    /* without an answer, since it is dead */
    uint32_t n_busy;      /* exceptions 05, 06 to the same request */
    uint64_t silent_ns;   /* quarantine: nothing is sent before */
    uint64_t probe_ns;    /* dead: nothing is taken before */
    uint64_t rested_ns;   /* its own gap, and pauses of a busy meter */
    bool has_late_answer; /* one may still come */
};

struct mg_modbus {
    struct mg_clock *clock;
    struct mg_transport *transport; /* owned */
    struct mg_modbus_settings set;
    const struct mg_modbus_events *events; /* borrowed, optional */
    void *events_ctx;
    struct mg_timer timer; /* its meaning is the state's */
    enum bus_state state;
    struct mg_modbus_stats stats;
    struct mg_modbus_unit *last; /* owned ring; the unit served last */
    uint32_t n_units, n_queued;  /* n_queued: of all units */
    bool is_up;        /* requests are taken; also during a quiet reconnect */
    unsigned n_inside; /* callbacks of ours on the stack: no sending, no
                        * freeing below them */
    struct mg_err failure; /* BUS_FAILED */
    uint32_t reopen_ms;    /* the next pause */
    uint64_t random;

    struct mg_modbus_request *current; /* borrowed */
    struct mg_modbus_unit *unit;       /* of current */
    uint8_t address;                   /* it was sent to */
    uint16_t transaction;
    uint8_t tx[MG_MBAP_MAX];
    size_t tx_len;

    uint8_t rx[RX_MAX];
    size_t rx_len, rx_from; /* offsets below rx_from are ruled out */
    uint64_t quiet_ns;      /* the silence between frames lasts until */
    uint64_t patience_ns;   /* a line that is never silent is sent to then;
                             * 0 = it is silent */
    uint64_t drain_end_ns;  /* likewise for a drain */
    uint32_t baud;          /* the line's now */
    bool has_echo, is_echo; /* the line repeats us; seen in this exchange */
    bool has_grace;         /* a deadline noticed late is put off once */
    uint32_t n_row;         /* time-outs in a row, over all units */
    uint32_t n_row_garbled; /* connections that came to no frame, in a row */
    uint32_t n_row_silent;  /* of them since the last byte came in */
};

/* modbus_timing.c */
uint64_t mg_modbus_chars_ns(const struct mg_modbus *bus, size_t n);
uint64_t mg_modbus_gap_ns(const struct mg_modbus *bus);
uint64_t mg_modbus_drain_ns(const struct mg_modbus *bus);

/* modbus.c: whatever enters the engine from a timer or the transport is
 * counted in and out; the last one out sends, or frees a destroyed bus. */
void mg_modbus_enter(struct mg_modbus *bus);
void mg_modbus_leave(struct mg_modbus *bus);
void mg_modbus_set_timer(struct mg_modbus *bus, uint64_t deadline_ns);

/* modbus_send.c: choose and send, if the line may be sent to. Calls nobody
 * back: a failure waits for the timer. */
void mg_modbus_pump(struct mg_modbus *bus);

/* modbus_line.c: opening and losing the line. */
extern const struct mg_transport_events mg_modbus_line_events;
void mg_modbus_open(struct mg_modbus *bus);
void mg_modbus_reconnect(struct mg_modbus *bus);
void mg_modbus_give_up_line(struct mg_modbus *bus, const struct mg_err *err);
void mg_modbus_fail_requests(struct mg_modbus *bus, int code);

/* modbus_receive.c */
void mg_modbus_receive(struct mg_modbus *bus, const uint8_t *data, size_t len);
/* Count the frames among the bytes that nobody wanted, and forget them. */
void mg_modbus_forget_rx(struct mg_modbus *bus);

/* modbus_finish.c: the exchange has come to its end. */
void mg_modbus_answered(struct mg_modbus *bus, const uint8_t *pdu, size_t len);
void mg_modbus_refused(struct mg_modbus *bus, uint8_t exception);
void mg_modbus_timed_out(struct mg_modbus *bus);
void mg_modbus_out_of_step(struct mg_modbus *bus, const struct mg_err *err);
void mg_modbus_broadcast_over(struct mg_modbus *bus);
void mg_modbus_report(struct mg_modbus_request *request, int code);

/* modbus_unit.c */
void mg_modbus_unit_push(struct mg_modbus_unit *unit,
                         struct mg_modbus_request *request);
void mg_modbus_unit_push_first(struct mg_modbus_unit *unit,
                               struct mg_modbus_request *request);
struct mg_modbus_request *mg_modbus_unit_pop(struct mg_modbus_unit *unit);
void mg_modbus_unit_fail_all(struct mg_modbus_unit *unit, int code);
bool mg_modbus_unit_is_dead(const struct mg_modbus_unit *unit);
/* Nothing is sent to the unit before. */
uint64_t mg_modbus_unit_pause_ns(const struct mg_modbus_unit *unit);
void mg_modbus_unit_alive(struct mg_modbus_unit *unit);
/* It did not answer what was sent to `address`. */
void mg_modbus_unit_missed(struct mg_modbus_unit *unit, uint8_t address,
                           uint32_t timeout_ms);
uint32_t mg_modbus_timeout_ms(const struct mg_modbus_unit *unit,
                              const struct mg_modbus_request *request);

static inline bool mg_modbus_is_serial(const struct mg_modbus *bus)
{
    return bus->set.framing == MG_MODBUS_RTU;
}

static inline bool mg_modbus_is_rtu(const struct mg_modbus *bus)
{
    return bus->set.framing != MG_MODBUS_TCP;
}

#endif
