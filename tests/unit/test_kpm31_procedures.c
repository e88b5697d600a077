/* The commands of the KPM31 driver, with bytes alone: a meter of a few lines
 * answers, loses, refuses, and every step is interrupted once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../plugins/kpm31/commands.h"
#include "../../plugins/kpm31/procedures.h"
#include "metergate/bytes.h"

#define OLD_UNIT  1
#define OLD_BAUD  9600
#define NO_STEP   1000
#define MAX_STEPS 100
#define T0_MS     1740916800000 /* 2025-03-02T12:00:00Z */
#define F32_5_KWH 0x40a00000
#define F32_2_KWH 0x40000000
#define F32_NAN   0x7fc00000
#define N_LOG     64
#define RELAY     0
#define CLEAR     1
#define ADDRESS   2
#define BAUD      3
#define CLOCK     4

struct meter {
    uint8_t unit;
    uint32_t baud;
    uint16_t regs[0x100];
    bool is_closed, is_told_closed;
    unsigned relay_lag;   /* reads until the relay has moved */
    bool is_deaf;         /* writes do nothing, and are acknowledged */
    bool loses_requests;  /* writes do nothing and are not answered */
    bool loses_answers;   /* writes act and are not answered */
    uint8_t refuses;      /* writes get this exception */
    uint8_t other_unit;   /* another meter on the line */
    bool is_gone;         /* after a write */
    int64_t clock_off_ms; /* its clock runs on, this far off */
};

struct sent {
    uint8_t pdu[32];
    size_t len;
    uint8_t unit;
    uint32_t baud;
    bool has_effect;
};

struct run {
    const struct mg_procedure *procedure;
    _Alignas(8) uint8_t state[MG_STEP_STATE_MAX];
    _Alignas(8) int64_t args[4];
    struct mg_step_out out;
    struct sent log[N_LOG];
    size_t n_sent, n_effects, n_steps;
    uint32_t waited_ms;
    struct mg_value values[16];
    size_t n_values;
};

static void put_f32(struct meter *m, unsigned reg, uint32_t bits)
{
    m->regs[reg] = (uint16_t)(bits >> 16);
    m->regs[reg + 1] = (uint16_t)bits;
}

static struct meter new_meter(void)
{
    struct meter m = {.unit = OLD_UNIT, .baud = OLD_BAUD};
    m.regs[1] = OLD_UNIT;
    m.regs[2] = 4;
    put_f32(&m, 0x80, F32_5_KWH);
    return m;
}

/* 2025-03-02T12:00:00Z and seconds of that minute. */
static void show_clock(struct meter *m, int64_t utc_ms)
{
    if (m->regs[0x23] == 0) {
        return; /* was never set */
    }
    int64_t s = (utc_ms + m->clock_off_ms - T0_MS) / 1000;
    m->regs[0x23] = 25 << 8 | 3;
    m->regs[0x24] = 2 << 8 | 12;
    m->regs[0x25] = (uint16_t)(s / 60 << 8 | s % 60);
}

static void take_write(struct meter *m, unsigned reg, struct mg_rd *r,
                       unsigned n)
{
    (void)mg_rd_u8(r); /* byte count */
    for (unsigned i = 0; i < n; i++) {
        m->regs[reg + i] = mg_rd_be16(r);
    }
    assert_false(r->failed);
    assert_int_equal(mg_rd_left(r), 0);
    if (reg == 1) {
        m->unit = (uint8_t)m->regs[1];
    } else if (reg == 2) {
        m->baud = 600U << (m->regs[2] & 0xff);
    } else if (reg == 0x0c) {
        assert_int_equal(m->regs[0x0c], 0x55aa);
        put_f32(m, 0x80, 0);
    }
}

static enum mg_step_event write_pdu(struct meter *m, const uint8_t *pdu,
                                    size_t len, struct mg_wr *w)
{
    if (m->refuses != 0) {
        return MG_STEP_EXCEPTION;
    }
    struct mg_rd r = mg_rd_init(pdu + 1, len - 1);
    unsigned reg = mg_rd_be16(&r);
    unsigned value = mg_rd_be16(&r);
    if (m->is_deaf || m->loses_requests) {
        /* nothing happens */
    } else if (pdu[0] == 5) {
        assert_int_equal(reg, 1);
        assert_true(value == 0xff00 || value == 0);
        m->is_told_closed = value == 0xff00;
    } else {
        take_write(m, reg, &r, value);
    }
    mg_put_bytes(w, pdu, 5);
    return m->loses_requests || m->loses_answers ? MG_STEP_TIMEOUT
                                                 : MG_STEP_REPLY;
}

static enum mg_step_event read_pdu(struct meter *m, const uint8_t *pdu,
                                   struct mg_wr *w)
{
    unsigned reg = (unsigned)pdu[1] << 8 | pdu[2];
    unsigned n = (unsigned)pdu[3] << 8 | pdu[4];
    mg_put_u8(w, pdu[0]);
    if (pdu[0] == 1) {
        if (m->is_closed != m->is_told_closed && m->relay_lag-- == 0) {
            m->is_closed = m->is_told_closed;
            m->relay_lag = 0;
        }
        mg_put_u8(w, 1);
        mg_put_u8(w, m->is_closed);
        return MG_STEP_REPLY;
    }
    assert_int_equal(pdu[0], 3);
    mg_put_u8(w, 2 * n);
    for (unsigned i = 0; i < n; i++) {
        mg_put_be16(w, m->regs[reg + i]);
    }
    return MG_STEP_REPLY;
}

static enum mg_step_event answer(struct meter *m, const struct sent *s,
                                 int64_t utc_ms, struct mg_wr *w)
{
    if (s->unit == m->other_unit && s->unit != 0) {
        return MG_STEP_EXCEPTION;
    }
    if (m->is_gone || s->unit != m->unit || s->baud != m->baud) {
        return MG_STEP_TIMEOUT;
    }
    show_clock(m, utc_ms);
    if (s->pdu[0] == 5 || s->pdu[0] == 16) {
        return write_pdu(m, s->pdu, s->len, w);
    }
    return read_pdu(m, s->pdu, w);
}

static const struct sent *log_sent(struct run *r)
{
    const struct mg_step_out *out = &r->out;
    assert_true(out->pdu_len > 0 && out->pdu_len <= 32);
    assert_true(r->n_sent < N_LOG);
    struct sent *s = &r->log[r->n_sent++];
    memcpy(s->pdu, out->pdu, out->pdu_len);
    s->len = out->pdu_len;
    s->unit = out->unit != 0 ? out->unit : OLD_UNIT;
    s->baud = out->baud != 0 ? out->baud : OLD_BAUD;
    s->has_effect = out->has_effect;
    /* What acts, and nothing else, says so. */
    assert_int_equal(s->has_effect, s->pdu[0] == 5 || s->pdu[0] == 16);
    r->n_effects += s->has_effect;
    return s;
}

static void step(struct run *r, struct mg_step_in *in)
{
    memset(&r->out, 0, sizeof r->out);
    r->procedure->step(r->state, in, &r->out);
    r->n_steps++;
    for (size_t i = 0; i < r->out.n_values; i++) {
        assert_true(r->n_values < 16);
        r->values[r->n_values++] = r->out.values[i];
    }
}

static bool is_over(const struct run *r)
{
    return r->out.action == MG_STEP_DONE || r->out.action == MG_STEP_FAIL;
}

/* Run to the end; what happens at step `at` is `event` instead. */
static void play(struct run *r, struct meter *m, size_t at,
                 enum mg_step_event event)
{
    uint8_t pdu[MG_PDU_MAX];
    struct mg_step_in in = {.event = MG_STEP_START,
                            .utc_ms = T0_MS,
                            .args = r->args,
                            .unit = OLD_UNIT,
                            .exception = 4};
    step(r, &in);
    while (!is_over(r)) {
        assert_true(r->n_steps < MAX_STEPS);
        struct mg_wr w = mg_wr_init(pdu, sizeof pdu);
        if (r->out.action == MG_STEP_WAIT) {
            assert_true(r->out.wait_ms > 0);
            r->waited_ms += r->out.wait_ms;
            in.utc_ms += r->out.wait_ms;
            in.event = MG_STEP_WOKE;
        } else {
            const struct sent *s = log_sent(r);
            in.event = answer(m, s, in.utc_ms, &w);
            in.exception = m->refuses != 0 ? m->refuses : 4;
            in.utc_ms += 30;
        }
        in.pdu = w.data;
        in.pdu_len = w.len;
        if (r->n_steps == at) {
            in.event = event;
        }
        if (in.event != MG_STEP_REPLY) {
            in.pdu = NULL;
            in.pdu_len = 0;
        }
        step(r, &in);
    }
    assert_non_null(memchr(r->out.reason, 0, sizeof r->out.reason));
    assert_int_equal(r->out.action == MG_STEP_FAIL, r->out.reason[0] != 0);
}

static struct run new_run(size_t which, int64_t arg)
{
    struct run r = {.procedure = &kpm31_procedures[which], .args = {arg}};
    return r;
}

static struct run run(size_t which, int64_t arg, struct meter *m)
{
    struct run r = new_run(which, arg);
    play(&r, m, NO_STEP, MG_STEP_START);
    return r;
}

static void assert_done(const struct run *r)
{
    assert_string_equal(r->out.reason, "");
    assert_int_equal(r->out.action, MG_STEP_DONE);
}

static void assert_failed(const struct run *r, int code, const char *reason)
{
    assert_int_equal(r->out.action, MG_STEP_FAIL);
    assert_string_equal(r->out.reason, reason);
    assert_int_equal(r->out.code, code);
}

static void assert_sent(const struct run *r, size_t i, const char *hex)
{
    char text[3 * 32 + 1] = "";
    assert_true(i < r->n_sent);
    for (size_t k = 0; k < r->log[i].len; k++) {
        (void)snprintf(text + 3 * k, 4, "%02X ", r->log[i].pdu[k]);
    }
    text[3 * r->log[i].len - 1] = '\0';
    assert_string_equal(text, hex);
}

static void assert_value(const struct run *r, size_t i, mg_channel channel,
                         int64_t value)
{
    assert_true(i < r->n_values);
    assert_int_equal(r->values[i].channel, channel);
    assert_int_equal(r->values[i].quality, MG_QUALITY_GOOD);
    assert_int_equal(r->values[i].value, value);
    assert_true(r->values[i].resolution >= 1);
}

/* ---- relay ---- */

static void test_relay_closes(void **state)
{
    (void)state;
    struct meter m = new_meter();
    struct run r = run(RELAY, 1, &m);
    assert_done(&r);
    assert_int_equal(r.n_sent, 3);
    assert_sent(&r, 0, "01 00 01 00 01");
    assert_sent(&r, 1, "05 00 01 FF 00");
    assert_sent(&r, 2, "01 00 01 00 01");
    assert_int_equal(r.n_values, 1);
    assert_value(&r, 0, MG_CH(RELAY_CLOSED, TOTAL), 1);
    assert_true(m.is_closed);
    struct run again = run(RELAY, 0, &m);
    assert_done(&again);
    assert_sent(&again, 1, "05 00 01 00 00");
    assert_value(&again, 0, MG_CH(RELAY_CLOSED, TOTAL), 0);
}

static void test_relay_is_there_already(void **state)
{
    (void)state;
    struct meter m = new_meter();
    struct run r = run(RELAY, 0, &m);
    assert_done(&r);
    assert_int_equal(r.n_sent, 1);
    assert_int_equal(r.n_effects, 0);
    assert_value(&r, 0, MG_CH(RELAY_CLOSED, TOTAL), 0);
}

static void test_relay_is_slow(void **state)
{
    (void)state;
    struct meter m = new_meter();
    m.relay_lag = 3;
    struct run r = run(RELAY, 1, &m);
    assert_done(&r);
    assert_int_equal(r.waited_ms, 3 * 200);
    assert_int_equal(r.n_effects, 1);
}

static void test_relay_is_stuck(void **state)
{
    (void)state;
    struct meter m = new_meter();
    m.is_deaf = true;
    struct run r = run(RELAY, 1, &m);
    assert_failed(&r, MG_E_MISMATCH,
                  "the relay was told to close but reads open");
    assert_int_equal(r.waited_ms, 2000);
    assert_int_equal(r.n_effects, 1);
    assert_int_equal(r.n_values, 0);
}

static void test_relay_refused(void **state)
{
    (void)state;
    struct meter m = new_meter();
    m.refuses = 2;
    struct run r = run(RELAY, 1, &m);
    assert_failed(&r, MG_E_EXCEPTION,
                  "exception 2 (no such register) when told to switch the "
                  "relay");
    /* "Acknowledge": accepted, but it takes long. */
    m = new_meter();
    m.refuses = 5;
    m.is_told_closed = true;
    m.relay_lag = 1;
    r = run(RELAY, 1, &m);
    assert_done(&r);
}

static void test_relay_lost(void **state)
{
    (void)state;
    struct meter m = new_meter();
    m.loses_answers = true;
    struct run r = run(RELAY, 1, &m);
    assert_done(&r);
    assert_int_equal(r.n_effects, 1);
    m = new_meter();
    m.loses_requests = true;
    r = run(RELAY, 1, &m);
    assert_failed(&r, MG_E_MISMATCH,
                  "the relay was told to close but reads open; the command got "
                  "no answer");
    assert_int_equal(r.n_effects, 1);
}

static void test_relay_silent(void **state)
{
    (void)state;
    struct meter m = new_meter();
    m.is_gone = true;
    struct run r = run(RELAY, 1, &m);
    assert_failed(&r, MG_E_TIMEOUT,
                  "no answer when asked for the state of the relay; nothing "
                  "was changed");
    assert_int_equal(r.n_sent, 3);
    assert_int_equal(r.n_effects, 0);
}

static void test_relay_interrupted(void **state)
{
    (void)state;
    struct meter m = new_meter();
    struct run r = new_run(RELAY, 1);
    play(&r, &m, 1, MG_STEP_CANCEL); /* while it is being looked at */
    assert_failed(&r, MG_E_CANCELED,
                  "canceled before the meter was told to switch the relay");
    assert_int_equal(r.n_effects, 0);

    m = new_meter();
    m.is_deaf = true;
    r = new_run(RELAY, 1);
    play(&r, &m, 3, MG_STEP_CANCEL); /* while it is being read back */
    assert_failed(&r, MG_E_CANCELED,
                  "canceled; the meter was told to switch the relay, the "
                  "outcome was not seen");

    m = new_meter();
    r = new_run(RELAY, 1);
    play(&r, &m, 2, MG_STEP_RESUME); /* it acted, nobody saw the answer */
    assert_done(&r);
    assert_int_equal(r.n_effects, 1);

    m = new_meter();
    m.is_deaf = true;
    r = new_run(RELAY, 1);
    play(&r, &m, 2, MG_STEP_RESUME); /* it did not: never written again */
    assert_failed(&r, MG_E_MISMATCH,
                  "the relay was told to close but reads open; the gateway was "
                  "restarted");
    assert_int_equal(r.n_effects, 1);

    m = new_meter();
    r = new_run(RELAY, 1);
    play(&r, &m, 1, MG_STEP_RESUME); /* nothing was written yet */
    assert_done(&r);
    assert_int_equal(r.n_effects, 1);
}

/* ---- clear-energy ---- */

static void test_clear(void **state)
{
    (void)state;
    struct meter m = new_meter();
    struct run r = run(CLEAR, 0, &m);
    assert_done(&r);
    assert_sent(&r, 0, "03 00 80 00 02");
    assert_sent(&r, 1, "10 00 0C 00 01 02 55 AA");
    assert_int_equal(r.n_effects, 1);
    assert_int_equal(r.n_values, 2);
    assert_value(&r, 0, MG_CH(ENERGY_ACTIVE, TOTAL), 5000000);
    assert_value(&r, 1, MG_CH(ENERGY_ACTIVE, TOTAL), 0);
}

static void test_clear_does_nothing(void **state)
{
    (void)state;
    struct meter m = new_meter();
    m.is_deaf = true;
    struct run r = run(CLEAR, 0, &m);
    assert_failed(&r, MG_E_MISMATCH,
                  "not cleared: 5000 Wh after 5000 Wh before");
    assert_int_equal(r.n_effects, 1);
    m = new_meter();
    m.loses_requests = true;
    r = run(CLEAR, 0, &m);
    assert_failed(&r, MG_E_MISMATCH,
                  "not cleared: 5000 Wh after 5000 Wh before; the command got "
                  "no answer");
    assert_int_equal(r.n_effects, 1);
}

static void test_clear_of_no_number(void **state)
{
    (void)state;
    struct meter m = new_meter();
    put_f32(&m, 0x80, F32_NAN);
    struct run r = run(CLEAR, 0, &m);
    assert_failed(&r, MG_E_PROTO,
                  "the meter's answer does not hold the total active energy");
    assert_int_equal(r.n_effects, 0);
}

static void test_clear_of_zero(void **state)
{
    (void)state;
    struct meter m = new_meter();
    put_f32(&m, 0x80, 0);
    struct run r = run(CLEAR, 0, &m);
    assert_done(&r); /* the other registers may have held something */
    assert_int_equal(r.n_effects, 1);
}

static void test_clear_resumed(void **state)
{
    (void)state;
    struct meter m = new_meter();
    struct run r = new_run(CLEAR, 0);
    play(&r, &m, 2, MG_STEP_RESUME);
    assert_done(&r);
    assert_int_equal(r.n_effects, 1);
    /* Before and after, again: the first report died with the gateway. */
    assert_int_equal(r.n_values, 3);
    assert_value(&r, 1, MG_CH(ENERGY_ACTIVE, TOTAL), 5000000);
    assert_value(&r, 2, MG_CH(ENERGY_ACTIVE, TOTAL), 0);

    /* It has counted 2 kWh since. */
    m = new_meter();
    r = new_run(CLEAR, 0);
    struct mg_step_in in = {.event = MG_STEP_START, .args = r.args};
    static const uint8_t five[] = {3, 4, 0x40, 0xa0, 0, 0};
    static const uint8_t two[] = {3, 4, 0x40, 0, 0, 0};
    step(&r, &in);
    in.event = MG_STEP_REPLY;
    in.pdu = five;
    in.pdu_len = sizeof five;
    step(&r, &in);
    assert_true(r.out.has_effect);
    in.event = MG_STEP_RESUME;
    step(&r, &in);
    in.event = MG_STEP_REPLY;
    in.pdu = two;
    step(&r, &in);
    assert_done(&r);
    assert_value(&r, r.n_values - 1, MG_CH(ENERGY_ACTIVE, TOTAL), 2000000);
}

/* ---- set-address ---- */

static void test_address(void **state)
{
    (void)state;
    struct meter m = new_meter();
    struct run r = run(ADDRESS, 7, &m);
    assert_done(&r);
    assert_int_equal(r.n_sent, 4);
    assert_sent(&r, 0, "03 00 01 00 01");
    assert_int_equal(r.log[1].unit, 7); /* is it free? */
    assert_sent(&r, 1, "03 00 01 00 01");
    assert_int_equal(r.log[2].unit, OLD_UNIT);
    assert_sent(&r, 2, "10 00 01 00 01 02 00 07");
    assert_int_equal(r.log[3].unit, 7);
    assert_sent(&r, 3, "03 00 01 00 01");
    assert_int_equal(r.out.unit, 7);
    assert_value(&r, 0, MG_CH(BUS_ADDRESS, TOTAL), 7);
}

static void test_address_already(void **state)
{
    (void)state;
    struct meter m = new_meter();
    struct run r = run(ADDRESS, OLD_UNIT, &m);
    assert_done(&r);
    assert_int_equal(r.n_sent, 1);
    assert_int_equal(r.out.unit, 0);
}

static void test_address_taken(void **state)
{
    (void)state;
    struct meter m = new_meter();
    m.other_unit = 7;
    struct run r = run(ADDRESS, 7, &m);
    assert_failed(&r, MG_E_STATE,
                  "another meter answers at the new address; nothing was "
                  "changed");
    assert_int_equal(r.n_effects, 0);
}

static void test_address_not_taken_over(void **state)
{
    (void)state;
    struct meter m = new_meter();
    m.is_deaf = true;
    struct run r = run(ADDRESS, 7, &m);
    assert_failed(&r, MG_E_MISMATCH, "address 7 wanted, the register holds 1");
    assert_int_equal(r.out.unit, 0);
    assert_int_equal(r.n_effects, 1);
}

static void test_address_lost(void **state)
{
    (void)state;
    struct meter m = new_meter();
    m.loses_answers = true;
    struct run r = run(ADDRESS, 247, &m);
    assert_done(&r);
    assert_int_equal(r.out.unit, 247);
    m = new_meter();
    r = new_run(ADDRESS, 7);
    play(&r, &m, 3, MG_STEP_RESUME); /* in place of the write's answer */
    assert_done(&r);
    assert_int_equal(r.out.unit, 7);
    assert_int_equal(r.n_effects, 1);
}

/* ---- set-baud ---- */

static void test_baud(void **state)
{
    (void)state;
    struct meter m = new_meter();
    m.regs[2] = 0x0104; /* the high byte is not ours to change */
    struct run r = run(BAUD, 1, &m);
    assert_done(&r);
    assert_int_equal(r.n_sent, 3);
    assert_sent(&r, 0, "03 00 02 00 01");
    assert_sent(&r, 1, "10 00 02 00 01 02 01 02");
    assert_int_equal(r.log[1].baud, OLD_BAUD);
    assert_sent(&r, 2, "03 00 02 00 01");
    assert_int_equal(r.log[2].baud, 2400);
    assert_int_equal(r.out.baud, 2400);
    assert_value(&r, 0, MG_CH(BAUD, TOTAL), 2400);
}

static void test_baud_already(void **state)
{
    (void)state;
    struct meter m = new_meter();
    struct run r = run(BAUD, 3, &m);
    assert_done(&r);
    assert_int_equal(r.n_effects, 0);
    assert_int_equal(r.out.baud, 0);
}

static void test_baud_not_taken_over(void **state)
{
    (void)state;
    struct meter m = new_meter();
    m.is_deaf = true;
    struct run r = run(BAUD, 0, &m);
    assert_failed(&r, MG_E_MISMATCH,
                  "code 1 (1200 baud) wanted, register holds 4");
    assert_int_equal(r.n_effects, 1);
}

/* ---- set-clock ---- */

static void test_clock(void **state)
{
    (void)state;
    struct meter m = new_meter();
    m.regs[0x23] = 1;
    m.clock_off_ms = 47000;
    struct run r = new_run(CLOCK, 0);
    /* The meter's clock is right as soon as it was written. */
    struct mg_step_in in = {.event = MG_STEP_START, .utc_ms = T0_MS};
    static const uint8_t wrong[] = {3, 6, 25, 3, 2, 12, 0, 47};
    static const uint8_t right[] = {3, 6, 25, 3, 2, 12, 0, 1};
    step(&r, &in);
    (void)log_sent(&r);
    assert_sent(&r, 0, "03 00 23 00 03");
    in.event = MG_STEP_REPLY;
    in.pdu = wrong;
    in.pdu_len = sizeof wrong;
    in.utc_ms = T0_MS + 500;
    step(&r, &in);
    (void)log_sent(&r);
    assert_sent(&r, 1, "10 00 23 00 03 06 19 03 02 0C 00 01");
    step(&r, &in);
    in.pdu = right;
    step(&r, &in);
    assert_done(&r);
    assert_value(&r, 0, MG_CH(METER_CLOCK, TOTAL), T0_MS / 1000 + 1);
    (void)m;
}

static void test_clock_stays_wrong(void **state)
{
    (void)state;
    struct meter m = new_meter();
    m.regs[0x23] = 1;
    m.clock_off_ms = 5000;
    struct run r = run(CLOCK, 0, &m);
    assert_failed(&r, MG_E_MISMATCH, "the clock was set but is 4 s off");
    m.clock_off_ms = 0;
    r = run(CLOCK, 0, &m);
    assert_done(&r); /* right already */
    assert_int_equal(r.n_effects, 0);
}

static void test_clock_limits(void **state)
{
    (void)state;
    static const int64_t wrong_s[] = {0, 946684799, 4102444800};
    static const uint8_t unset[] = {3, 6, 0, 0, 0, 0, 0, 0};
    for (size_t i = 0; i < 3; i++) {
        struct run r = new_run(CLOCK, 0);
        struct mg_step_in in = {.event = MG_STEP_START,
                                .utc_ms = wrong_s[i] * 1000};
        step(&r, &in);
        in.event = MG_STEP_REPLY;
        in.pdu = unset;
        in.pdu_len = sizeof unset;
        step(&r, &in);
        assert_failed(&r, MG_E_RANGE,
                      "the gateway's own clock is not between 2000 and 2099");
    }
}

/* Set every noon of the century and read it back. */
static void test_clock_calendar(void **state)
{
    (void)state;
    static const uint8_t unset[] = {3, 6, 0, 0, 0, 0, 0, 0};
    unsigned day = 0;
    unsigned month = 0;
    for (int64_t s = 946728000; s < 4102444800; s += 86400) {
        struct run r = new_run(CLOCK, 0);
        struct mg_step_in in = {.event = MG_STEP_START, .utc_ms = s * 1000};
        step(&r, &in);
        in.event = MG_STEP_REPLY;
        in.pdu = unset;
        in.pdu_len = sizeof unset;
        step(&r, &in);
        assert_int_equal(r.out.pdu_len, 12);
        uint8_t back[8] = {3, 6};
        memcpy(back + 2, r.out.pdu + 6, 6);
        /* The days of a month follow each other. */
        assert_true(back[3] == month ? back[4] == day + 1 : back[4] == 1);
        assert_true(back[3] == month || back[3] == month % 12 + 1);
        month = back[3];
        day = back[4];
        step(&r, &in);
        in.pdu = back;
        step(&r, &in);
        assert_done(&r);
        assert_value(&r, 0, MG_CH(METER_CLOCK, TOTAL), s);
    }
    assert_int_equal(month, 12);
    assert_int_equal(day, 31);
}

static void test_clock_refuses_no_date(void **state)
{
    (void)state;
    static const uint8_t wrong[][8] = {
        {3, 6, 25, 2, 29, 0, 0, 0},  {3, 6, 25, 4, 31, 0, 0, 0},
        {3, 6, 25, 13, 1, 0, 0, 0},  {3, 6, 25, 1, 0, 0, 0, 0},
        {3, 6, 25, 1, 1, 24, 0, 0},  {3, 6, 25, 1, 1, 0, 60, 0},
        {3, 6, 25, 1, 1, 0, 0, 60},  {3, 6, 100, 1, 1, 0, 0, 0},
        {3, 6, 25, 12, 32, 0, 0, 0}, {3, 6, 25, 0, 1, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct run r = new_run(CLOCK, 0);
        struct mg_step_in in = {.event = MG_STEP_START, .utc_ms = T0_MS};
        step(&r, &in);
        in.event = MG_STEP_REPLY;
        in.pdu = wrong[i];
        in.pdu_len = 8;
        for (unsigned k = 0; k < 12 && !is_over(&r); k++) {
            in.event =
                r.out.action == MG_STEP_WAIT ? MG_STEP_WOKE : MG_STEP_REPLY;
            step(&r, &in);
        }
        assert_failed(&r, MG_E_MISMATCH, "the clock was set but holds no date");
    }
}

/* ---- all of them ---- */

static void test_cut_answers(void **state)
{
    (void)state;
    static const uint8_t pdu[] = {3, 6, 25, 3, 2, 12, 0, 0};
    for (size_t which = 0; which < KPM31_N_PROCEDURES; which++) {
        for (size_t len = 0; len <= 3; len++) {
            struct run r = new_run(which, 1);
            struct mg_step_in in = {.event = MG_STEP_START,
                                    .args = r.args,
                                    .unit = OLD_UNIT,
                                    .utc_ms = T0_MS};
            step(&r, &in);
            in.event = MG_STEP_REPLY;
            in.pdu = pdu;
            in.pdu_len = len;
            step(&r, &in);
            assert_int_equal(r.out.action, MG_STEP_FAIL);
            assert_int_equal(r.out.code, MG_E_PROTO);
        }
    }
}

/* Whatever happens at whatever step (3 meters, 4 events, 16 steps): it ends,
 * with a reason or done, and the meter is written to once at most. */
static void test_interrupted_anywhere(void **state)
{
    (void)state;
    static const enum mg_step_event EVENTS[] = {
        MG_STEP_TIMEOUT, MG_STEP_EXCEPTION, MG_STEP_CANCEL, MG_STEP_RESUME};
    static const int64_t args[] = {1, 0, 7, 0, 0};
    for (size_t which = 0; which < KPM31_N_PROCEDURES; which++) {
        for (size_t kind = 0; kind < 192; kind++) {
            struct meter m = new_meter();
            m.is_deaf = kind % 3 == 1;
            m.loses_answers = kind % 3 == 2;
            m.relay_lag = 2;
            struct run r = new_run(which, args[which]);
            play(&r, &m, 1 + kind / 12, EVENTS[kind / 3 % 4]);
            assert_true(r.n_effects <= 1);
            assert_true(r.n_steps < 60);
        }
    }
}

static void test_table(void **state)
{
    (void)state;
    static const char *const verbs[] = {"relay", "clear-energy", "set-address",
                                        "set-baud", "set-clock"};
    for (size_t i = 0; i < KPM31_N_PROCEDURES; i++) {
        assert_string_equal(kpm31_procedures[i].verb, verbs[i]);
        assert_true(kpm31_procedures[i].state_size <= MG_STEP_STATE_MAX);
    }
    assert_int_equal(kpm31_procedures[RELAY].flags, MG_PROC_SWITCHES);
    assert_int_equal(kpm31_procedures[RELAY].variants, 6);
    assert_int_equal(kpm31_procedures[CLEAR].flags, MG_PROC_NEW_EPOCH);
    assert_int_equal(kpm31_procedures[ADDRESS].flags, MG_PROC_NEW_ADDRESS);
    assert_int_equal(kpm31_procedures[BAUD].flags, MG_PROC_LINE_SPEED);
    assert_int_equal(kpm31_procedures[CLOCK].flags, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_relay_closes),
        cmocka_unit_test(test_relay_is_there_already),
        cmocka_unit_test(test_relay_is_slow),
        cmocka_unit_test(test_relay_is_stuck),
        cmocka_unit_test(test_relay_refused),
        cmocka_unit_test(test_relay_lost),
        cmocka_unit_test(test_relay_silent),
        cmocka_unit_test(test_relay_interrupted),
        cmocka_unit_test(test_clear),
        cmocka_unit_test(test_clear_does_nothing),
        cmocka_unit_test(test_clear_of_no_number),
        cmocka_unit_test(test_clear_of_zero),
        cmocka_unit_test(test_clear_resumed),
        cmocka_unit_test(test_address),
        cmocka_unit_test(test_address_already),
        cmocka_unit_test(test_address_taken),
        cmocka_unit_test(test_address_not_taken_over),
        cmocka_unit_test(test_address_lost),
        cmocka_unit_test(test_baud),
        cmocka_unit_test(test_baud_already),
        cmocka_unit_test(test_baud_not_taken_over),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_clock_stays_wrong),
        cmocka_unit_test(test_clock_limits),
        cmocka_unit_test(test_clock_calendar),
        cmocka_unit_test(test_clock_refuses_no_date),
        cmocka_unit_test(test_cut_answers),
        cmocka_unit_test(test_interrupted_anywhere),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
