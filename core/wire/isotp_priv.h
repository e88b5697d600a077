/* What the two directions of ISO-TP share; see wire/isotp.h. */
#ifndef MG_WIRE_ISOTP_PRIV_H
#define MG_WIRE_ISOTP_PRIV_H

#include "wire/isotp.h"

#define MG_ISOTP_NEVER UINT64_MAX

enum mg_isotp_pci { /* upper half of the first byte, 9.6.1 */
                    MG_ISOTP_SINGLE = 0,
                    MG_ISOTP_FIRST = 1,
                    MG_ISOTP_CONSECUTIVE = 2,
                    MG_ISOTP_FLOW_CONTROL = 3
};

enum mg_isotp_flow { /* 9.6.5.2 */
                     MG_ISOTP_CONTINUE = 0,
                     MG_ISOTP_WAIT = 1,
                     MG_ISOTP_OVERFLOW = 2
};

enum mg_isotp_rx_state {
    MG_ISOTP_RX_IDLE,
    MG_ISOTP_RX_FLOW, /* flow control is to be pulled, or with the bus */
    MG_ISOTP_RX_DATA  /* the next consecutive frame is awaited */
};

enum mg_isotp_tx_state {
    MG_ISOTP_TX_IDLE,
    MG_ISOTP_TX_READY, /* a frame may be pulled from next_ns on */
    MG_ISOTP_TX_FLOW,  /* flow control is awaited; the frame before it may
                        * still be with the bus */
    MG_ISOTP_TX_LAST   /* the last frame is with the bus */
};

enum mg_isotp_out { /* the frame that is with the bus */
                    MG_ISOTP_OUT_NONE,
                    MG_ISOTP_OUT_FLOW_CONTROL,
                    MG_ISOTP_OUT_DATA,
                    MG_ISOTP_OUT_ORPHAN /* of a message that has failed */
};

static inline uint64_t mg_isotp_after(uint64_t now_ns, uint16_t ms)
{
    uint64_t ns = (uint64_t)ms * 1000000U;
    return now_ns > MG_ISOTP_NEVER - 1 - ns ? MG_ISOTP_NEVER - 1 : now_ns + ns;
}

/** Is this a length that a CAN frame can have? */
bool mg_isotp_is_frame_len(size_t len);

/** Fill a frame up to the next length that it can have, or to 8 bytes.
 *  @return its length */
size_t mg_isotp_pad(const struct mg_isotp_settings *set,
                    uint8_t frame[MG_CAN_FD_MAX], size_t len);

void mg_isotp_tell(struct mg_isotp *tp, enum mg_isotp_event_kind kind, int code,
                   const char *reason);

/* isotp_receive.c */
void mg_isotp_receive_single(struct mg_isotp *tp, const uint8_t *data,
                             size_t len);
void mg_isotp_receive_first(struct mg_isotp *tp, const uint8_t *data,
                            size_t len, uint64_t now_ns);
void mg_isotp_receive_consecutive(struct mg_isotp *tp, const uint8_t *data,
                                  size_t len, uint64_t now_ns);
void mg_isotp_receive_fail(struct mg_isotp *tp, int code, const char *reason);
size_t mg_isotp_flow_control_pull(struct mg_isotp *tp, uint64_t now_ns,
                                  uint8_t frame[MG_CAN_FD_MAX]);
void mg_isotp_flow_control_sent(struct mg_isotp *tp, uint64_t now_ns);
uint64_t mg_isotp_receive_deadline_ns(const struct mg_isotp *tp);
void mg_isotp_receive_expire(struct mg_isotp *tp, uint64_t now_ns);

/* isotp_send.c */
void mg_isotp_take_flow_control(struct mg_isotp *tp, const uint8_t *data,
                                size_t len, uint64_t now_ns);
void mg_isotp_send_fail(struct mg_isotp *tp, int code, const char *reason);
size_t mg_isotp_data_pull(struct mg_isotp *tp, uint64_t now_ns,
                          uint8_t frame[MG_CAN_FD_MAX]);
void mg_isotp_data_sent(struct mg_isotp *tp, uint64_t now_ns);
uint64_t mg_isotp_send_deadline_ns(const struct mg_isotp *tp);
void mg_isotp_send_expire(struct mg_isotp *tp, uint64_t now_ns);

#endif
