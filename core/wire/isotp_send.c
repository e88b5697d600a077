/* ISO-TP, sending: single, first and consecutive frames out, flow control in.
 * Section numbers are those of ISO 15765-2:2016. */
#include <string.h>

#include "wire/isotp_priv.h"

#define CLASSIC_SINGLE_MAX 7U /* bytes in a single frame of 8 */

static void ready(struct mg_isotp *tp, uint64_t from_ns)
{
    tp->tx.state = MG_ISOTP_TX_READY;
    tp->tx.next_ns = from_ns;
    /* A frame that is still with the bus has its own N_As. */
    if (tp->out != MG_ISOTP_OUT_DATA) {
        tp->tx.deadline_ns = mg_isotp_after(from_ns, tp->settings.n_as_ms);
    }
}

int mg_isotp_send(struct mg_isotp *tp, const uint8_t *data, size_t len,
                  uint64_t now_ns)
{
    if (len < 1 || len > MG_ISOTP_MAX) {
        return MG_E_INVAL;
    }
    if (tp->tx.state != MG_ISOTP_TX_IDLE) {
        return MG_E_BUSY;
    }
    memcpy(tp->tx.data, data, len);
    tp->tx.len = len;
    tp->tx.done = 0;
    tp->tx.sequence = 1;
    tp->tx.n_waits = 0;
    tp->tx.st_min_us = 0;
    ready(tp, now_ns);
    return MG_OK;
}

void mg_isotp_send_fail(struct mg_isotp *tp, int code, const char *reason)
{
    if (tp->tx.state != MG_ISOTP_TX_IDLE) {
        mg_isotp_tell(tp, MG_ISOTP_TX_FAILED, code, reason);
    }
    tp->tx.state = MG_ISOTP_TX_IDLE;
    if (tp->out == MG_ISOTP_OUT_DATA) {
        tp->out = MG_ISOTP_OUT_ORPHAN;
    }
}

/* 9.6.5.4; what is reserved means the longest. */
static uint32_t st_min_us(uint8_t st_min)
{
    if (st_min >= 0xf1 && st_min <= 0xf9) {
        return (st_min - 0xf0U) * 100;
    }
    return (st_min <= 0x7f ? st_min : 0x7fU) * 1000;
}

static void wait_more(struct mg_isotp *tp, uint64_t now_ns)
{
    if (tp->tx.n_waits == tp->settings.wait_max) {
        mg_isotp_send_fail(tp, MG_E_PROTO, "too many WAITs");
        return;
    }
    tp->tx.n_waits++;
    tp->tx.deadline_ns = mg_isotp_after(now_ns, tp->settings.n_bs_ms);
}

/* May come before the bus has told us that our frame went. */
void mg_isotp_take_flow_control(struct mg_isotp *tp, const uint8_t *data,
                                size_t len, uint64_t now_ns)
{
    if (tp->tx.state != MG_ISOTP_TX_FLOW || len < 3) {
        return;
    }
    switch (data[0] & 0xf) {
    case MG_ISOTP_CONTINUE:
        tp->tx.n_waits = 0;
        tp->tx.in_block = 0;
        tp->tx.block_size = data[1];
        tp->tx.st_min_us = st_min_us(data[2]);
        ready(tp, now_ns);
        break;
    case MG_ISOTP_WAIT:
        wait_more(tp, now_ns);
        break;
    case MG_ISOTP_OVERFLOW:
        mg_isotp_send_fail(tp, MG_E_NOSPC, "too long for the peer");
        break;
    default:
        mg_isotp_send_fail(tp, MG_E_PROTO, "invalid flow status");
        break;
    }
}

/* 9.6.2 @return 0: it does not fit a single frame */
static size_t single(struct mg_isotp *tp, uint8_t frame[MG_CAN_FD_MAX])
{
    size_t len = tp->tx.len;
    size_t head = len <= CLASSIC_SINGLE_MAX ? 1 : 2;
    if (head == 2 && (tp->settings.tx_dl == MG_CAN_CLASSIC_MAX ||
                      len > tp->settings.tx_dl - 2U)) {
        return 0;
    }
    frame[0] = head == 1 ? (uint8_t)len : 0;
    if (head == 2) {
        frame[1] = (uint8_t)len;
    }
    memcpy(frame + head, tp->tx.data, len);
    tp->tx.done = len;
    return head + len;
}

static size_t first(struct mg_isotp *tp, uint8_t frame[MG_CAN_FD_MAX])
{
    frame[0] = (uint8_t)(MG_ISOTP_FIRST << 4 | tp->tx.len >> 8);
    frame[1] = (uint8_t)tp->tx.len;
    tp->tx.done = tp->settings.tx_dl - 2U;
    memcpy(frame + 2, tp->tx.data, tp->tx.done);
    return tp->settings.tx_dl;
}

static size_t consecutive(struct mg_isotp *tp, uint8_t frame[MG_CAN_FD_MAX])
{
    size_t n = tp->tx.len - tp->tx.done;
    size_t full = tp->settings.tx_dl - 1U;
    n = n < full ? n : full;
    frame[0] = (uint8_t)(MG_ISOTP_CONSECUTIVE << 4 | tp->tx.sequence);
    memcpy(frame + 1, tp->tx.data + tp->tx.done, n);
    tp->tx.done += n;
    tp->tx.sequence = (tp->tx.sequence + 1) & 0xf;
    tp->tx.in_block++;
    return n + 1;
}

size_t mg_isotp_data_pull(struct mg_isotp *tp, uint64_t now_ns,
                          uint8_t frame[MG_CAN_FD_MAX])
{
    if (tp->tx.state != MG_ISOTP_TX_READY || now_ns < tp->tx.next_ns) {
        return 0;
    }
    bool is_first = false;
    size_t len = 0;
    if (tp->tx.done == 0) {
        len = single(tp, frame);
        is_first = len == 0;
        len = is_first ? first(tp, frame) : len;
    } else {
        len = consecutive(tp, frame);
    }
    bool is_block_end =
        tp->tx.block_size != 0 && tp->tx.in_block == tp->tx.block_size;
    if (tp->tx.done == tp->tx.len) {
        tp->tx.state = MG_ISOTP_TX_LAST;
    } else if (is_first || is_block_end) {
        tp->tx.state = MG_ISOTP_TX_FLOW;
    }
    tp->out = MG_ISOTP_OUT_DATA;
    tp->tx.deadline_ns = mg_isotp_after(now_ns, tp->settings.n_as_ms);
    return len;
}

void mg_isotp_data_sent(struct mg_isotp *tp, uint64_t now_ns)
{
    switch (tp->tx.state) {
    case MG_ISOTP_TX_LAST:
        tp->tx.state = MG_ISOTP_TX_IDLE;
        mg_isotp_tell(tp, MG_ISOTP_SENT, MG_OK, NULL);
        break;
    case MG_ISOTP_TX_FLOW:
        tp->tx.deadline_ns = mg_isotp_after(now_ns, tp->settings.n_bs_ms);
        break;
    case MG_ISOTP_TX_READY:
        ready(tp, now_ns + tp->tx.st_min_us * UINT64_C(1000));
        break;
    default:
        break;
    }
}

/* A frame that only waits for its time, or to be pulled, is the owner's turn:
 * no time-out, however late the owner is. */
static bool is_owners_turn(const struct mg_isotp *tp)
{
    return tp->tx.state == MG_ISOTP_TX_READY && tp->out == MG_ISOTP_OUT_NONE;
}

uint64_t mg_isotp_send_deadline_ns(const struct mg_isotp *tp)
{
    if (tp->tx.state == MG_ISOTP_TX_IDLE) {
        return MG_ISOTP_NEVER;
    }
    /* Behind flow control: the owner asks again when that has gone. */
    return is_owners_turn(tp) ? tp->tx.next_ns : tp->tx.deadline_ns;
}

void mg_isotp_send_expire(struct mg_isotp *tp, uint64_t now_ns)
{
    if (tp->tx.state == MG_ISOTP_TX_IDLE || is_owners_turn(tp) ||
        now_ns < tp->tx.deadline_ns) {
        return;
    }
    bool is_with_bus =
        tp->out == MG_ISOTP_OUT_DATA || tp->tx.state == MG_ISOTP_TX_READY;
    mg_isotp_send_fail(tp, MG_E_TIMEOUT,
                       is_with_bus ? "N_As: a frame could not be sent"
                                   : "N_Bs: no flow control");
}
