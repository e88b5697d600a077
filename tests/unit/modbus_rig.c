#include "modbus_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- Far end ---- */

static void packet_due(struct mg_timer *timer)
{
    struct rig_packet *p = (struct rig_packet *)timer;
    struct rig *rig = p->rig;
    p->is_used = false;
    mg_transport_memory_deliver(rig->line, p->data, p->len);
}

void rig_deliver(struct rig *rig, uint64_t at_ns, const uint8_t *data,
                 size_t len)
{
    size_t i = 0;
    while (i < RIG_PACKETS && rig->packets[i].is_used) {
        i++;
    }
    assert_true(i < RIG_PACKETS && len <= sizeof rig->packets[i].data);
    struct rig_packet *p = &rig->packets[i];
    p->rig = rig;
    p->is_used = true;
    p->len = len;
    memcpy(p->data, data, len);
    mg_timer_start(rig->clock, &p->timer, at_ns, packet_due);
}

uint16_t rig_register(uint8_t unit, uint16_t address)
{
    return (uint16_t)(unit * 251U + address * 7U);
}

size_t rig_frame(const struct rig *rig, uint16_t transaction, uint8_t unit,
                 const uint8_t *pdu, size_t len, uint8_t ret[MG_MBAP_MAX])
{
    return rig->set.framing == MG_MODBUS_TCP
               ? mg_mbap_build(ret, transaction, unit, pdu, len)
               : mg_rtu_build(ret, unit, pdu, len);
}

size_t rig_answer(struct rig *rig, uint8_t unit, const uint8_t *pdu, size_t len,
                  uint8_t ret[MG_MBAP_MAX])
{
    uint8_t reply[MG_PDU_MAX] = {0};
    size_t n = mg_adu_reply_len(pdu);
    assert_true(len >= 5);
    memcpy(reply, pdu, n < len ? n : len);
    if (pdu[0] <= 4) {
        unsigned address = (unsigned)pdu[1] << 8 | pdu[2];
        reply[1] = (uint8_t)(n - 2);
        for (size_t i = 2; i < n; i++) {
            uint16_t value =
                rig_register(unit, (uint16_t)(address + (i - 2) / 2));
            reply[i] = (uint8_t)(i % 2 == 0 ? value >> 8 : value);
        }
    }
    return rig_frame(rig, rig->transaction, unit, reply, n, ret);
}

/* Ten bits and a half of what it is about: the wire's time there and back
 * only matters to the serial line. */
static uint64_t wire_ns(const struct rig *rig, size_t n)
{
    uint32_t baud = rig->baud;
    return baud == 0 ? 0 : (uint64_t)n * 11 * 1000000000U / baud;
}

static void answer(struct rig *rig, uint8_t unit, const uint8_t *pdu,
                   size_t len)
{
    struct rig_meter *m = &rig->meter[unit];
    uint8_t frame[MG_MBAP_MAX];
    size_t n = rig_answer(rig, unit, pdu, len, frame);
    if (m->is_silent) {
        return;
    }
    if (m->exception != 0) {
        const uint8_t refusal[2] = {(uint8_t)(pdu[0] | 0x80U), m->exception};
        n = rig_frame(rig, rig->transaction, unit, refusal, 2, frame);
        if (m->n_exceptions > 0 && --m->n_exceptions == 0) {
            m->exception = 0;
        }
    }
    uint64_t at_ns = rig->sent_ns + wire_ns(rig, rig->sent_len) +
                     m->delay_ms * RIG_MS + wire_ns(rig, n);
    rig_deliver(rig, at_ns, frame, n);
}

static void from_engine(void *ctx, struct mg_transport *line,
                        const uint8_t *data, size_t len)
{
    struct rig *rig = ctx;
    bool is_tcp = rig->set.framing == MG_MODBUS_TCP;
    (void)line;
    assert_true(len <= sizeof rig->sent && len >= 8);
    memcpy(rig->sent, data, len);
    rig->sent_len = len;
    rig->sent_ns = mg_clock_now_ns(rig->clock);
    rig->n_sent++;
    uint8_t unit = data[is_tcp ? 6 : 0];
    const uint8_t *pdu = data + (is_tcp ? 7 : 1);
    size_t pdu_len = len - (is_tcp ? 7 : 3);
    if (is_tcp) {
        rig->transaction = (uint16_t)((unsigned)data[0] << 8 | data[1]);
        assert_int_not_equal(rig->transaction, 0);
    }
    if (rig->has_echo) {
        rig_deliver(rig, rig->sent_ns + wire_ns(rig, len), data, len);
    }
    if (rig->on_request != NULL) {
        rig->on_request(rig, unit, pdu, pdu_len);
    } else if (unit != 0) {
        answer(rig, unit, pdu, pdu_len);
    }
}

/* ---- Between engine and line ---- */

static struct rig *rig_of(struct mg_transport *t)
{
    return ((const struct rig_coat *)t->ops)->rig;
}

static int rig_open(struct mg_transport *t, struct mg_err *err)
{
    struct rig *rig = rig_of(t);
    if (rig->n_opens < sizeof rig->opened_ns / sizeof rig->opened_ns[0]) {
        rig->opened_ns[rig->n_opens] = mg_clock_now_ns(rig->clock);
    }
    rig->n_opens++;
    rig->baud = rig->set.baud;
    if (rig->n_fail_open > 0) {
        rig->n_fail_open--;
        return mg_err_set(err, MG_E_IO, "no such line");
    }
    return rig->inner->open(t, err);
}

static int rig_send(struct mg_transport *t, const uint8_t *data, size_t len,
                    struct mg_err *err)
{
    struct rig *rig = rig_of(t);
    if (rig->fails_send) {
        return mg_err_set(err, MG_E_IO, "line: nobody takes bytes");
    }
    return rig->inner->send(t, data, len, err);
}

static size_t rig_discard(struct mg_transport *t)
{
    struct rig *rig = rig_of(t);
    size_t n = rig->n_to_discard;
    rig->n_to_discard = 0;
    return n;
}

static int rig_set_baud(struct mg_transport *t, uint32_t baud,
                        struct mg_err *err)
{
    struct rig *rig = rig_of(t);
    if (baud == 31250) {
        return mg_err_set(err, MG_E_INVAL, "line: no speed of 31250 baud");
    }
    rig->baud = baud;
    rig->n_bauds++;
    return MG_OK;
}

static void rig_close(struct mg_transport *t)
{
    struct rig *rig = rig_of(t);
    rig->n_closes++;
    rig->inner->close(t);
}

static void rig_destroy(struct mg_transport *t)
{
    rig_of(t)->inner->destroy(t);
}

/* ---- Near end ---- */

static void up(void *ctx)
{
    ((struct rig *)ctx)->n_up++;
}

static void down(void *ctx, const struct mg_err *err)
{
    struct rig *rig = ctx;
    rig->n_down++;
    rig->err = *err;
}

static void done(struct mg_modbus_request *request,
                 const struct mg_modbus_result *result)
{
    struct rig_call *call = (struct rig_call *)request;
    struct rig *rig = call->rig;
    call->n_done++;
    call->code = result->code;
    call->exception = result->exception;
    call->pdu_len = result->pdu_len;
    if (result->pdu_len > 0) {
        memcpy(call->pdu, result->pdu, result->pdu_len);
    }
    call->answered_ns = result->answered_ns;
    call->sent_ns = rig->sent_ns;
    call->done_ns = mg_clock_now_ns(rig->clock);
    call->order = ++rig->n_done;
    if (call->then != NULL) {
        call->then(call);
    }
}

int rig_submit(struct rig *rig, unsigned slot, uint8_t unit, const uint8_t *pdu,
               size_t len)
{
    struct rig_call *call = &rig->calls[slot];
    assert_true(slot < RIG_REQUESTS && unit <= RIG_UNITS);
    if (len > 0) {
        memcpy(call->request.pdu, pdu, len);
    }
    call->request.pdu_len = len;
    call->request.done = done;
    call->rig = rig;
    call->n_done = 0;
    return mg_modbus_submit(rig->unit[unit], &call->request);
}

int rig_read(struct rig *rig, unsigned slot, uint8_t unit, uint16_t address,
             uint16_t count)
{
    const uint8_t pdu[5] = {3, (uint8_t)(address >> 8), (uint8_t)address,
                            (uint8_t)(count >> 8), (uint8_t)count};
    return rig_submit(rig, slot, unit, pdu, sizeof pdu);
}

bool rig_is_right(const struct rig_call *call, uint8_t unit)
{
    const uint8_t *asked = call->request.pdu;
    unsigned address = (unsigned)asked[1] << 8 | asked[2];
    unsigned count = (unsigned)asked[3] << 8 | asked[4];
    if (call->n_done != 1 || call->code != MG_OK ||
        call->pdu_len != 2 + (size_t)count * 2 || call->pdu[0] != asked[0]) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        unsigned value =
            (unsigned)call->pdu[2 + 2 * i] << 8 | call->pdu[3 + 2 * i];
        if (value != rig_register(unit, (uint16_t)(address + i))) {
            return false;
        }
    }
    return true;
}

void rig_advance(struct rig *rig, uint64_t ns)
{
    mg_clock_advance(rig->clock, mg_clock_now_ns(rig->clock) + ns);
}

struct rig *rig_start(const struct mg_modbus_settings *set, unsigned n_units)
{
    static const struct mg_modbus_events events = {.up = up, .down = down};
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    rig->set = *set;
    rig->clock = mg_clock_create_virtual(0);
    rig->line = mg_transport_memory(rig->clock, 0, from_engine, rig);
    if (rig->clock == NULL || rig->line == NULL) {
        abort();
    }
    rig->inner = rig->line->ops;
    rig->coat.rig = rig;
    rig->coat.ops = (struct mg_transport_ops){.open = rig_open,
                                              .send = rig_send,
                                              .discard = rig_discard,
                                              .set_baud = rig_set_baud,
                                              .close = rig_close,
                                              .destroy = rig_destroy};
    rig->line->ops = &rig->coat.ops;
    rig->bus = mg_modbus_create(rig->clock, rig->line, set, &events, rig);
    assert_non_null(rig->bus);
    assert_true(n_units <= RIG_UNITS);
    for (unsigned i = 1; i <= n_units; i++) {
        const struct mg_modbus_unit_settings unit = {.unit = (uint8_t)i,
                                                     .timeout_ms = 100};
        rig->unit[i] = mg_modbus_add_unit(rig->bus, &unit);
        assert_non_null(rig->unit[i]);
    }
    assert_int_equal(rig->n_opens, 0); /* not from within create */
    rig_advance(rig, 10 * RIG_MS);
    assert_true(mg_modbus_is_up(rig->bus));
    assert_int_equal(rig->n_up, 1);
    return rig;
}

void rig_end(struct rig *rig)
{
    for (size_t i = 0; i < RIG_PACKETS; i++) {
        mg_timer_stop(&rig->packets[i].timer);
    }
    mg_modbus_destroy(rig->bus);
    assert_int_equal(mg_clock_next_ns(rig->clock), UINT64_MAX);
    mg_clock_destroy(rig->clock);
    free(rig);
}
