/* ISO-TP (ISO 15765-2:2016), normal addressing: messages of more than a frame
 * over a pair of CAN identifiers. A state machine over bytes and times: no
 * timer, no I/O. One message in each direction at a time (full duplex).
 *
 * The owner
 * - hands in every frame of the receiving identifier with mg_isotp_receive,
 * - takes frames to send with mg_isotp_pull until it gives none, tells with
 *   mg_isotp_sent that the bus took each one, and
 * - calls mg_isotp_expire when mg_isotp_deadline_ns has come.
 * Each of these may leave an event, fetched with mg_isotp_event. */
#ifndef MG_WIRE_ISOTP_H
#define MG_WIRE_ISOTP_H

#include <stddef.h>

#include "metergate/types.h"
#include "wire/can_frame.h"

#define MG_ISOTP_MAX 4095 /* of a message, either direction */

struct mg_isotp_settings {
    uint8_t tx_dl;  /* bytes of a frame that we send: 8 classic; 12, 16, 20, 24,
                     * 32, 48 or 64 for FD */
    bool is_padded; /* fill up classic frames to 8 bytes (FD frames are
                     * always filled up to the next length) */
    uint8_t pad;    /* with this; 0xcc */
    uint8_t block_size; /* asked of the peer; 0 = no limit */
    uint8_t st_min;     /* asked of the peer: 0..127 ms, 0xf1..0xf9 100..900
                         * us */
    uint8_t wait_max;   /* flow-control WAIT frames taken in a row; 10 */
    uint16_t max_len;   /* longest message taken, at most MG_ISOTP_MAX; a
                         * longer one is answered with OVERFLOW */
    uint16_t n_as_ms, n_ar_ms, n_bs_ms, n_cr_ms; /* 0 = 1000; N_Br and N_Cs are
                                                  * kept by answering at once */
};

enum mg_isotp_event_kind {
    MG_ISOTP_NOTHING,
    MG_ISOTP_MESSAGE,   /* received: data and len */
    MG_ISOTP_SENT,      /* the whole message has gone */
    MG_ISOTP_RX_FAILED, /* code: MG_E_TIMEOUT (N_Cr, N_Ar), MG_E_PROTO (wrong
                         * sequence number, wrong length, unexpected frame),
                         * MG_E_NOSPC (longer than max_len) */
    MG_ISOTP_TX_FAILED  /* code: MG_E_TIMEOUT (N_As, N_Bs), MG_E_NOSPC (peer:
                         * OVERFLOW), MG_E_PROTO (invalid flow status, too many
                         * WAITs) */
};

struct mg_isotp_event {
    enum mg_isotp_event_kind kind;
    int code;
    const char *reason;  /* of a failure: which timer, which rule; static */
    const uint8_t *data; /* MESSAGE: borrowed until the next call of any
                          * function but mg_isotp_event */
    size_t len;
};

/* Private to isotp*.c; here so that it can be embedded. Plain data. */
struct mg_isotp {
    struct mg_isotp_settings settings;
    struct {
        uint8_t data[MG_ISOTP_MAX];
        size_t len, done;
        uint8_t state, sequence, in_block, rx_dl;
        uint64_t deadline_ns;
    } rx;
    struct {
        uint8_t data[MG_ISOTP_MAX];
        size_t len, done;
        uint8_t state, sequence, in_block, block_size, n_waits;
        uint32_t st_min_us;
        uint64_t deadline_ns, next_ns;
    } tx;
    bool has_flow_control; /* waits to be pulled */
    uint8_t flow_control;  /* its status */
    uint8_t out;           /* what is with the bus, not yet `sent` */
    struct mg_isotp_event events[4];
    size_t n_events;
};

/** @return MG_OK or MG_E_INVAL: settings that make no sense */
int mg_isotp_init(struct mg_isotp *tp,
                  const struct mg_isotp_settings *settings);

/** Forget what is going on in both directions, a frame that is with the bus
 *  too: nothing is to be told of it any more. */
void mg_isotp_reset(struct mg_isotp *tp);

/** The bus is gone, or refuses a frame: as mg_isotp_reset, and each direction
 *  that was at work has failed with this code.
 *  @param reason  static */
void mg_isotp_abort(struct mg_isotp *tp, int code, const char *reason);

/** Begin to send a message; it is copied.
 *  @param len  1..MG_ISOTP_MAX
 *  @return MG_OK; MG_E_BUSY: one is being sent; MG_E_INVAL: len */
int mg_isotp_send(struct mg_isotp *tp, const uint8_t *data, size_t len,
                  uint64_t now_ns);

/** A frame of the receiving identifier. Never fails: what is wrong with it is
 *  an event, or ignored where ISO 15765-2 says so. */
void mg_isotp_receive(struct mg_isotp *tp, const uint8_t *data, size_t len,
                      uint64_t now_ns);

/** The next frame to send now, if any: flow control first. One at a time: the
 *  next one comes when this one is `sent`, also when its message has failed
 *  meanwhile.
 *  @param ret_len  8 at most, or up to tx_dl
 *  @return false: nothing now; mg_isotp_deadline_ns says when to ask again */
bool mg_isotp_pull(struct mg_isotp *tp, uint64_t now_ns,
                   uint8_t ret[MG_CAN_FD_MAX], size_t *ret_len);

/** The bus has taken the frame that was pulled (N_As, N_Ar end). */
void mg_isotp_sent(struct mg_isotp *tp, uint64_t now_ns);

/** When to call mg_isotp_expire or mg_isotp_pull; UINT64_MAX: nothing is
 * waiting for time. */
uint64_t mg_isotp_deadline_ns(const struct mg_isotp *tp);
void mg_isotp_expire(struct mg_isotp *tp, uint64_t now_ns);

/** Fetch the oldest event. @return false: none */
bool mg_isotp_event(struct mg_isotp *tp, struct mg_isotp_event *ret);

#endif
