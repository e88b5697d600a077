/* ISO-TP: settings, events, and which direction a frame or a time belongs to.
 * Section numbers are those of ISO 15765-2:2016. */
#include "wire/isotp.h"

#include <string.h>

#include "wire/isotp_priv.h"

#define DEFAULT_MS 1000U

bool mg_isotp_is_frame_len(size_t len)
{
    static const uint8_t longer[] = {12, 16, 20, 24, 32, 48, 64};
    for (size_t i = 0; i < sizeof longer; i++) {
        if (len == longer[i]) {
            return true;
        }
    }
    return len <= MG_CAN_CLASSIC_MAX;
}

size_t mg_isotp_pad(const struct mg_isotp_settings *set,
                    uint8_t frame[MG_CAN_FD_MAX], size_t len)
{
    size_t full = len;
    if (set->is_padded && full < MG_CAN_CLASSIC_MAX) {
        full = MG_CAN_CLASSIC_MAX;
    }
    while (!mg_isotp_is_frame_len(full)) {
        full++;
    }
    memset(frame + len, set->pad, full - len);
    return full;
}

static bool is_st_min(uint8_t st_min)
{
    return st_min <= 0x7f || (st_min >= 0xf1 && st_min <= 0xf9);
}

static uint16_t or_default(uint16_t ms)
{
    return ms == 0 ? DEFAULT_MS : ms;
}

int mg_isotp_init(struct mg_isotp *tp, const struct mg_isotp_settings *settings)
{
    if (settings->tx_dl < MG_CAN_CLASSIC_MAX ||
        !mg_isotp_is_frame_len(settings->tx_dl) ||
        !is_st_min(settings->st_min) || settings->max_len < 1 ||
        settings->max_len > MG_ISOTP_MAX) {
        return MG_E_INVAL;
    }
    memset(tp, 0, sizeof *tp);
    tp->settings = *settings;
    struct mg_isotp_settings *set = &tp->settings;
    set->n_as_ms = or_default(set->n_as_ms);
    set->n_ar_ms = or_default(set->n_ar_ms);
    set->n_bs_ms = or_default(set->n_bs_ms);
    set->n_cr_ms = or_default(set->n_cr_ms);
    return MG_OK;
}

void mg_isotp_reset(struct mg_isotp *tp)
{
    tp->rx.state = MG_ISOTP_RX_IDLE;
    tp->tx.state = MG_ISOTP_TX_IDLE;
    tp->has_flow_control = false;
    tp->out = MG_ISOTP_OUT_NONE;
    tp->n_events = 0;
}

void mg_isotp_abort(struct mg_isotp *tp, int code, const char *reason)
{
    mg_isotp_receive_fail(tp, code, reason);
    mg_isotp_send_fail(tp, code, reason);
    tp->out = MG_ISOTP_OUT_NONE;
}

void mg_isotp_tell(struct mg_isotp *tp, enum mg_isotp_event_kind kind, int code,
                   const char *reason)
{
    const size_t max = sizeof tp->events / sizeof tp->events[0];
    if (tp->n_events == max) { /* nobody fetches them */
        tp->n_events--;
        memmove(tp->events, tp->events + 1, tp->n_events * sizeof *tp->events);
    }
    tp->events[tp->n_events++] =
        (struct mg_isotp_event){.kind = kind, .code = code, .reason = reason};
}

bool mg_isotp_event(struct mg_isotp *tp, struct mg_isotp_event *ret)
{
    if (tp->n_events == 0) {
        return false;
    }
    *ret = tp->events[0];
    if (ret->kind == MG_ISOTP_MESSAGE) {
        ret->data = tp->rx.data;
        ret->len = tp->rx.len;
    }
    tp->n_events--;
    memmove(tp->events, tp->events + 1, tp->n_events * sizeof *tp->events);
    return true;
}

void mg_isotp_receive(struct mg_isotp *tp, const uint8_t *data, size_t len,
                      uint64_t now_ns)
{
    if (len == 0 || len > MG_CAN_FD_MAX || !mg_isotp_is_frame_len(len)) {
        return;
    }
    /* What counts is when the frame came, not whether the owner's timer was
     * quicker than it. */
    mg_isotp_expire(tp, now_ns);
    switch (data[0] >> 4) {
    case MG_ISOTP_SINGLE:
        mg_isotp_receive_single(tp, data, len);
        break;
    case MG_ISOTP_FIRST:
        mg_isotp_receive_first(tp, data, len, now_ns);
        break;
    case MG_ISOTP_CONSECUTIVE:
        mg_isotp_receive_consecutive(tp, data, len, now_ns);
        break;
    case MG_ISOTP_FLOW_CONTROL:
        mg_isotp_take_flow_control(tp, data, len, now_ns);
        break;
    default: /* unknown: ignored, 9.8.3 */
        break;
    }
}

bool mg_isotp_pull(struct mg_isotp *tp, uint64_t now_ns,
                   uint8_t ret[MG_CAN_FD_MAX], size_t *ret_len)
{
    if (tp->out != MG_ISOTP_OUT_NONE) {
        return false;
    }
    size_t len = tp->has_flow_control
                     ? mg_isotp_flow_control_pull(tp, now_ns, ret)
                     : mg_isotp_data_pull(tp, now_ns, ret);
    if (len == 0) {
        return false;
    }
    *ret_len = mg_isotp_pad(&tp->settings, ret, len);
    return true;
}

void mg_isotp_sent(struct mg_isotp *tp, uint64_t now_ns)
{
    uint8_t out = tp->out;
    tp->out = MG_ISOTP_OUT_NONE;
    if (out == MG_ISOTP_OUT_FLOW_CONTROL) {
        mg_isotp_flow_control_sent(tp, now_ns);
    } else if (out == MG_ISOTP_OUT_DATA) {
        mg_isotp_data_sent(tp, now_ns);
    }
}

uint64_t mg_isotp_deadline_ns(const struct mg_isotp *tp)
{
    uint64_t rx = mg_isotp_receive_deadline_ns(tp);
    uint64_t tx = mg_isotp_send_deadline_ns(tp);
    return rx < tx ? rx : tx;
}

void mg_isotp_expire(struct mg_isotp *tp, uint64_t now_ns)
{
    mg_isotp_receive_expire(tp, now_ns);
    mg_isotp_send_expire(tp, now_ns);
}
