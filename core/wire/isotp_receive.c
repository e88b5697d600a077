/* ISO-TP, receiving: single, first and consecutive frames in, flow control
 * out. Section numbers are those of ISO 15765-2:2016. */
#include <string.h>

#include "wire/isotp_priv.h"

#define CLASSIC_SINGLE_MAX 7U /* bytes in a single frame of 8 */

/* A message that nobody has fetched is about to be overwritten. */
static void drop_message(struct mg_isotp *tp)
{
    size_t n = 0;
    for (size_t i = 0; i < tp->n_events; i++) {
        if (tp->events[i].kind != MG_ISOTP_MESSAGE) {
            tp->events[n++] = tp->events[i];
        }
    }
    tp->n_events = n;
}

static bool is_overflow(const struct mg_isotp *tp)
{
    return tp->rx.state == MG_ISOTP_RX_FLOW &&
           tp->flow_control == MG_ISOTP_OVERFLOW;
}

void mg_isotp_receive_fail(struct mg_isotp *tp, int code, const char *reason)
{
    /* A message that was too long has failed already. */
    if (tp->rx.state != MG_ISOTP_RX_IDLE && !is_overflow(tp)) {
        mg_isotp_tell(tp, MG_ISOTP_RX_FAILED, code, reason);
    }
    tp->rx.state = MG_ISOTP_RX_IDLE;
    tp->has_flow_control = false;
    if (tp->out == MG_ISOTP_OUT_FLOW_CONTROL) {
        tp->out = MG_ISOTP_OUT_ORPHAN;
    }
}

/* 9.8.3: a reception that runs ends, the new one begins. */
static void begin_anew(struct mg_isotp *tp, const char *reason)
{
    mg_isotp_receive_fail(tp, MG_E_PROTO, reason);
    drop_message(tp);
}

static void ask(struct mg_isotp *tp, enum mg_isotp_flow status, uint64_t now_ns)
{
    tp->rx.state = MG_ISOTP_RX_FLOW;
    tp->rx.in_block = 0;
    tp->rx.deadline_ns = mg_isotp_after(now_ns, tp->settings.n_ar_ms);
    tp->has_flow_control = true;
    tp->flow_control = (uint8_t)status;
}

static void await_data(struct mg_isotp *tp, uint64_t now_ns)
{
    tp->rx.state = MG_ISOTP_RX_DATA;
    tp->rx.deadline_ns = mg_isotp_after(now_ns, tp->settings.n_cr_ms);
}

/* 9.6.2: the length is in the half byte of a frame of up to 8 bytes, and in
 * the second byte of a longer one, which is not used for less. */
void mg_isotp_receive_single(struct mg_isotp *tp, const uint8_t *data,
                             size_t len)
{
    size_t head = len <= MG_CAN_CLASSIC_MAX ? 1 : 2;
    size_t n = data[0] & 0xfU;
    if (head == 2) {
        if (n != 0 || data[1] <= CLASSIC_SINGLE_MAX) {
            return;
        }
        n = data[1];
    }
    if (n == 0 || n > len - head) {
        return;
    }
    begin_anew(tp, "a single frame amid another message");
    if (n > tp->settings.max_len) {
        mg_isotp_tell(tp, MG_ISOTP_RX_FAILED, MG_E_NOSPC,
                      "single frame longer than allowed");
        return;
    }
    memcpy(tp->rx.data, data + head, n);
    tp->rx.len = n;
    mg_isotp_tell(tp, MG_ISOTP_MESSAGE, MG_OK, NULL);
}

/* 9.6.3: the shortest message that does not fit a single frame. */
static size_t first_min(size_t frame_len)
{
    return frame_len == MG_CAN_CLASSIC_MAX ? 8 : frame_len - 1;
}

static uint32_t long_length(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

void mg_isotp_receive_first(struct mg_isotp *tp, const uint8_t *data,
                            size_t len, uint64_t now_ns)
{
    if (len < MG_CAN_CLASSIC_MAX) {
        return;
    }
    size_t n = (size_t)(data[0] & 0xfU) << 8 | data[1];
    if (n == 0) { /* 32 bits follow, for what 12 bits cannot say */
        n = long_length(data + 2);
        if (n <= MG_ISOTP_MAX) {
            return;
        }
    }
    if (n < first_min(len)) {
        return;
    }
    begin_anew(tp, "a first frame amid another message");
    if (n > tp->settings.max_len) {
        mg_isotp_tell(tp, MG_ISOTP_RX_FAILED, MG_E_NOSPC,
                      "message longer than allowed");
        ask(tp, MG_ISOTP_OVERFLOW, now_ns);
        return;
    }
    tp->rx.len = n;
    tp->rx.done = len - 2;
    tp->rx.rx_dl = (uint8_t)len;
    tp->rx.sequence = 1;
    memcpy(tp->rx.data, data + 2, tp->rx.done);
    ask(tp, MG_ISOTP_CONTINUE, now_ns);
}

/* The peer may answer before the bus has told us that flow control went. */
static bool is_awaited(const struct mg_isotp *tp)
{
    return tp->rx.state == MG_ISOTP_RX_DATA ||
           (tp->rx.state == MG_ISOTP_RX_FLOW && !tp->has_flow_control &&
            tp->flow_control == MG_ISOTP_CONTINUE);
}

/* 9.6.4: all are as long as the first frame; only the last may be shorter. */
static bool is_length_right(const struct mg_isotp *tp, size_t len)
{
    size_t left = tp->rx.len - tp->rx.done;
    size_t full = tp->rx.rx_dl - 1U;
    return left > full ? len - 1 == full : len - 1 >= left && len - 1 <= full;
}

void mg_isotp_receive_consecutive(struct mg_isotp *tp, const uint8_t *data,
                                  size_t len, uint64_t now_ns)
{
    if (!is_awaited(tp)) {
        return;
    }
    if ((data[0] & 0xfU) != tp->rx.sequence) {
        mg_isotp_receive_fail(tp, MG_E_PROTO, "wrong sequence number");
        return;
    }
    if (!is_length_right(tp, len)) {
        mg_isotp_receive_fail(tp, MG_E_PROTO,
                              "wrong length of a consecutive frame");
        return;
    }
    size_t left = tp->rx.len - tp->rx.done;
    size_t n = len - 1 < left ? len - 1 : left;
    memcpy(tp->rx.data + tp->rx.done, data + 1, n);
    tp->rx.done += n;
    tp->rx.sequence = (tp->rx.sequence + 1) & 0xf;
    tp->rx.in_block++;
    if (tp->rx.done == tp->rx.len) {
        tp->rx.state = MG_ISOTP_RX_IDLE;
        mg_isotp_tell(tp, MG_ISOTP_MESSAGE, MG_OK, NULL);
    } else if (tp->settings.block_size != 0 &&
               tp->rx.in_block == tp->settings.block_size) {
        ask(tp, MG_ISOTP_CONTINUE, now_ns);
    } else {
        await_data(tp, now_ns);
    }
}

size_t mg_isotp_flow_control_pull(struct mg_isotp *tp, uint64_t now_ns,
                                  uint8_t frame[MG_CAN_FD_MAX])
{
    frame[0] = (uint8_t)(MG_ISOTP_FLOW_CONTROL << 4 | tp->flow_control);
    frame[1] = tp->settings.block_size;
    frame[2] = tp->settings.st_min;
    tp->has_flow_control = false;
    tp->out = MG_ISOTP_OUT_FLOW_CONTROL;
    tp->rx.deadline_ns = mg_isotp_after(now_ns, tp->settings.n_ar_ms);
    return 3;
}

void mg_isotp_flow_control_sent(struct mg_isotp *tp, uint64_t now_ns)
{
    /* Not when the peer was quicker, or a later one waits already. */
    if (tp->rx.state != MG_ISOTP_RX_FLOW || tp->has_flow_control) {
        return;
    }
    if (is_overflow(tp)) {
        tp->rx.state = MG_ISOTP_RX_IDLE;
    } else {
        await_data(tp, now_ns);
    }
}

/* Flow control that only waits to be pulled is the owner's turn: no time-out,
 * however late the owner is. */
static bool is_owners_turn(const struct mg_isotp *tp)
{
    return tp->has_flow_control && tp->out == MG_ISOTP_OUT_NONE;
}

uint64_t mg_isotp_receive_deadline_ns(const struct mg_isotp *tp)
{
    if (is_owners_turn(tp)) {
        return 0;
    }
    return tp->rx.state == MG_ISOTP_RX_IDLE ? MG_ISOTP_NEVER
                                            : tp->rx.deadline_ns;
}

void mg_isotp_receive_expire(struct mg_isotp *tp, uint64_t now_ns)
{
    if (tp->rx.state == MG_ISOTP_RX_IDLE || is_owners_turn(tp) ||
        now_ns < tp->rx.deadline_ns) {
        return;
    }
    bool is_flow = tp->rx.state == MG_ISOTP_RX_FLOW;
    mg_isotp_receive_fail(tp, MG_E_TIMEOUT,
                          is_flow ? "N_Ar: flow control could not be sent"
                                  : "N_Cr: no consecutive frame");
}
