/* An engine in virtual time with meters at the far end of a memory line. */
#ifndef MG_TESTS_MODBUS_RIG_H
#define MG_TESTS_MODBUS_RIG_H

#include "bus/modbus.h"
#include "wire/modbus_adu.h"

#define RIG_UNITS    16
#define RIG_PACKETS  32
#define RIG_REQUESTS 16
#define RIG_MS       UINT64_C(1000000)

struct rig;

struct rig_meter {
    bool is_silent;
    uint8_t exception; /* answered instead; n_exceptions times, 0 = always */
    unsigned n_exceptions;
    uint32_t delay_ms; /* turnaround */
};

struct rig_packet {
    struct mg_timer timer;
    struct rig *rig;
    bool is_used;
    size_t len;
    uint8_t data[600];
};

/* What a request came to. */
struct rig_call {
    struct mg_modbus_request request;
    struct rig *rig;
    unsigned n_done;
    int code;
    uint8_t exception;
    uint8_t pdu[MG_PDU_MAX];
    size_t pdu_len;
    uint64_t sent_ns, done_ns, answered_ns;
    unsigned order; /* of being done, from 1 */
    void (*then)(struct rig_call *call);
};

struct rig {
    struct mg_clock *clock;
    struct mg_modbus *bus;
    struct mg_transport *line;
    struct mg_modbus_settings set;
    struct mg_modbus_unit *unit[RIG_UNITS + 1]; /* by address, from 1 */
    struct rig_meter meter[256];
    struct rig_packet packets[RIG_PACKETS];
    struct rig_call calls[RIG_REQUESTS];
    unsigned n_done;

    /* The last request on the wire. */
    uint8_t sent[MG_MBAP_MAX];
    size_t sent_len;
    uint64_t sent_ns;
    unsigned n_sent;
    uint16_t transaction;
    bool has_echo;
    /* Optional: does what the meters would do. */
    void (*on_request)(struct rig *rig, uint8_t unit, const uint8_t *pdu,
                       size_t len);

    /* The transport's operations, with ours in between. */
    struct rig_coat {
        struct mg_transport_ops ops; /* first */
        struct rig *rig;
    } coat;
    const struct mg_transport_ops *inner;
    unsigned n_opens, n_fail_open, n_closes;
    uint64_t opened_ns[32];
    bool fails_send;
    size_t n_to_discard; /* of the next discard */
    uint32_t baud;
    unsigned n_bauds;

    unsigned n_up, n_down;
    struct mg_err err;
};

/** A line that is up, with units 1..n_units of 100 ms time-out. */
struct rig *rig_start(const struct mg_modbus_settings *set, unsigned n_units);
void rig_end(struct rig *rig);
void rig_advance(struct rig *rig, uint64_t ns);

/** Ask unit for count registers from address; slot of calls. @return of
 *  submit */
int rig_read(struct rig *rig, unsigned slot, uint8_t unit, uint16_t address,
             uint16_t count);
/** Submit calls[slot].request as it is, with the PDU given. */
int rig_submit(struct rig *rig, unsigned slot, uint8_t unit, const uint8_t *pdu,
               size_t len);

/** Bytes come in at this time. */
void rig_deliver(struct rig *rig, uint64_t at_ns, const uint8_t *data,
                 size_t len);
/** The meter's answer to a request, framed; @return length */
size_t rig_answer(struct rig *rig, uint8_t unit, const uint8_t *pdu, size_t len,
                  uint8_t ret[MG_MBAP_MAX]);
size_t rig_frame(const struct rig *rig, uint16_t transaction, uint8_t unit,
                 const uint8_t *pdu, size_t len, uint8_t ret[MG_MBAP_MAX]);
/** Register content. */
uint16_t rig_register(uint8_t unit, uint16_t address);
/** Is it the right answer to the read in calls[slot]? */
bool rig_is_right(const struct rig_call *call, uint8_t unit);

#endif
