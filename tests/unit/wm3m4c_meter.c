#include "wm3m4c_meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "../../plugins/wm3m4c/firmware.h"

#define TICK_SAMPLES 160 /* two periods of 50 Hz at 4 kHz */
/* Counts per mV and mA of the front end: 2^23 at 2^19 mV and 2^17 mA. */
#define U_COUNTS 16
#define I_COUNTS 64

void meter_start(struct meter *m)
{
    const struct mg_frontend *fe = wm3m4c_firmware.frontend;
    assert_int_equal(fe->rate_mhz, 4000000);
    assert_int_equal(fe->half_periods, 4);
    assert_int_equal(fe->n_lanes, 3);
    assert_int_equal(fe->full_scale_mv * U_COUNTS, 1 << (fe->bits - 1));
    assert_int_equal(fe->full_scale_ma * I_COUNTS, 1 << (fe->bits - 1));
    assert_true(wm3m4c_firmware.state_size <= sizeof m->state);
    assert_int_equal(wm3m4c_firmware.nv_size, sizeof m->nv);
    memset(m->state, 0, sizeof m->state);
    struct mg_fw_env env = {.options = &m->options,
                            .nv = m->nv,
                            .seed = 1,
                            .serial = METER_SERIAL,
                            .unit = METER_UNIT,
                            .baud = 115200,
                            .public_key = m->public_key};
    wm3m4c_firmware.power_on(m->state, &env);
}

void meter_blank(struct meter *m)
{
    memset(m, 0, sizeof *m);
    memset(m->nv, 0xff, sizeof m->nv);
    m->options = (struct wm3m4c_options){.crypto = 1,
                                         .firmware_version = 208,
                                         .sign_time_ms = 400,
                                         .is_locked = 1};
    for (unsigned k = 0; k < 64; k++) {
        m->public_key[k] = (uint8_t)(k + 1);
        m->signature[k] = (uint8_t)(0x40 + k);
    }
    for (unsigned k = 0; k < 3; k++) {
        m->flow.u_mv[k] = 230000;
        m->flow.angle[k] = (struct angle){1000, 0};
    }
}

void meter_new(struct meter *m)
{
    meter_blank(m);
    meter_start(m);
}

void meter_power_cycle(struct meter *m)
{
    wm3m4c_firmware.power_fail(m->state);
    meter_start(m);
}

void meter_load(struct meter *m, int64_t i_ma, struct angle angle)
{
    for (unsigned k = 0; k < 3; k++) {
        m->flow.i_ma[k] = i_ma;
        m->flow.angle[k] = angle;
    }
}

void meter_serve_chip(struct meter *m)
{
    const uint8_t *message;
    if (m->is_chip_silent) {
        return;
    }
    size_t len = wm3m4c_firmware.sign_request(m->state, &message);
    if (len == 0) {
        return;
    }
    assert_true(len < sizeof m->message);
    memcpy(m->message, message, len);
    m->message[len] = '\0';
    m->n_signed++;
    wm3m4c_firmware.sign_result(m->state, m->signature);
    assert_int_equal(wm3m4c_firmware.sign_request(m->state, &message), 0);
}

void meter_run_ms(struct meter *m, int64_t ms)
{
    struct mg_tick tick = {.n_ticks = 1,
                           .n_samples = TICK_SAMPLES,
                           .elapsed_us = TICK_MS * 1000,
                           .n_crossings = 2,
                           .crossing_span_q8 = 80 * 256};
    for (unsigned k = 0; k < 3; k++) {
        const struct flow *f = &m->flow;
        int64_t u = f->u_mv[k] * U_COUNTS;
        int64_t i = f->i_ma[k] * I_COUNTS;
        tick.lane[k].u2 = u * u * TICK_SAMPLES;
        tick.lane[k].i2 = i * i * TICK_SAMPLES;
        tick.lane[k].ui = u * i / 1000 * f->angle[k].cos_pm * TICK_SAMPLES;
        tick.lane[k].uq = u * i / 1000 * f->angle[k].sin_pm * TICK_SAMPLES;
    }
    if (m->flow.u_mv[0] == 0) {
        tick.n_crossings = 0; /* they are those of L1 */
        tick.crossing_span_q8 = 0;
    }
    for (int64_t t = 0; t < ms; t += TICK_MS) {
        wm3m4c_firmware.tick(m->state, &tick);
        meter_serve_chip(m);
    }
}

void meter_run_s(struct meter *m, int64_t s)
{
    meter_run_ms(m, s * 1000);
}

size_t meter_ask(struct meter *m, uint8_t unit, const uint8_t *request,
                 size_t len, uint8_t ret[MG_PDU_MAX])
{
    size_t n =
        wm3m4c_firmware.pdu(m->state, unit, request, len, ret, MG_PDU_MAX);
    assert_true(n <= MG_PDU_MAX);
    meter_serve_chip(m);
    return n;
}

int meter_refusal(struct meter *m, const uint8_t *request, size_t len)
{
    uint8_t answer[MG_PDU_MAX];
    size_t n = meter_ask(m, METER_UNIT, request, len, answer);
    assert_true(n >= 2);
    if (answer[0] == request[0]) {
        return 0;
    }
    assert_int_equal(n, 2);
    assert_int_equal(answer[0], request[0] | 0x80);
    return answer[1];
}

/* Register numbers count from 30000 and 40000, without a further 1. */
static size_t make_request(uint8_t *pdu, uint8_t function, unsigned number,
                           unsigned value)
{
    unsigned address = number % 10000 + (number >= 50000 ? 10000 : 0);
    if (number >= 30000 && number < 40000) {
        address = number - 30000;
    } else if (number >= 40000) {
        address = number - 40000;
    }
    pdu[0] = function;
    pdu[1] = (uint8_t)(address >> 8);
    pdu[2] = (uint8_t)address;
    pdu[3] = (uint8_t)(value >> 8);
    pdu[4] = (uint8_t)value;
    return 5;
}

static uint8_t reading_function(unsigned number)
{
    return number < 40000 ? 4 : 3;
}

void meter_read(struct meter *m, unsigned number, unsigned n, uint16_t *ret)
{
    uint8_t request[5];
    uint8_t answer[MG_PDU_MAX];
    size_t len = make_request(request, reading_function(number), number, n);
    assert_int_equal(meter_ask(m, METER_UNIT, request, len, answer), 2 + 2 * n);
    assert_int_equal(answer[1], 2 * n);
    for (unsigned k = 0; k < n; k++) {
        ret[k] = (uint16_t)(answer[2 + 2 * k] << 8 | answer[3 + 2 * k]);
    }
}

uint16_t meter_word(struct meter *m, unsigned number)
{
    uint16_t word;
    meter_read(m, number, 1, &word);
    return word;
}

uint32_t meter_wide(struct meter *m, unsigned number)
{
    uint16_t words[2];
    meter_read(m, number, 2, words);
    return (uint32_t)words[0] << 16 | words[1];
}

int meter_read_refusal(struct meter *m, unsigned number, unsigned n)
{
    uint8_t request[5];
    size_t len = make_request(request, reading_function(number), number, n);
    return meter_refusal(m, request, len);
}

int meter_write(struct meter *m, unsigned number, uint16_t word)
{
    uint8_t request[5];
    return meter_refusal(m, request, make_request(request, 6, number, word));
}

int meter_write_many(struct meter *m, unsigned number, unsigned n,
                     const uint16_t *words)
{
    uint8_t request[MG_PDU_MAX];
    size_t len = make_request(request, 16, number, n);
    request[len++] = (uint8_t)(2 * n);
    for (unsigned k = 0; k < n; k++) {
        request[len++] = (uint8_t)(words[k] >> 8);
        request[len++] = (uint8_t)words[k];
    }
    return meter_refusal(m, request, len);
}

int64_t meter_milli(struct meter *m, unsigned number)
{
    uint32_t bits = meter_wide(m, number);
    int exponent = (int)(bits >> 24) - 256; /* here always negative */
    bool is_signed = number >= 30140 && number < 30156;
    int64_t value = bits & 0xffffff;
    if (is_signed && value >= 0x800000) {
        value -= 0x1000000;
    }
    for (; exponent > -3; exponent--) {
        value *= 10;
    }
    return value;
}

void meter_text(struct meter *m, unsigned number, unsigned n_bytes, char *ret)
{
    unsigned at = 0;
    for (unsigned k = 0; k < (n_bytes + 1) / 2; k++) {
        uint16_t word = meter_word(m, number + k);
        ret[at++] = (char)(word >> 8);
        ret[at++] = (char)word;
    }
    ret[n_bytes] = '\0';
}

void meter_set_time(struct meter *m, uint32_t unix_s)
{
    assert_int_equal(meter_write(m, 47054, (uint16_t)(unix_s >> 16)), 0);
    assert_int_equal(meter_write(m, 47055, (uint16_t)unix_s), 0);
    assert_int_equal(meter_write(m, 47071, 2), 0);
}

void meter_dataset(struct meter *m, const char *text)
{
    size_t len = strlen(text);
    for (size_t at = 0; at < len; at += 240) {
        uint16_t words[120];
        unsigned n = 0;
        for (size_t k = at; n < 120 && k < len; k += 2) {
            unsigned high = (uint8_t)text[k];
            unsigned low = (uint8_t)text[k + 1]; /* or the NUL */
            words[n++] = (uint16_t)(high << 8 | low);
        }
        assert_int_equal(
            meter_write_many(m, 47100 + (unsigned)at / 2, n, words), 0);
    }
    assert_int_equal(meter_write(m, 47056, (uint16_t)len), 0);
}

unsigned meter_command(struct meter *m, char letter)
{
    assert_int_equal(meter_write(m, 47051, (uint16_t)((uint8_t)letter << 8)),
                     0);
    for (unsigned k = 0; k < 100 && meter_word(m, 47052) == 2; k++) {
        meter_run_ms(m, TICK_MS);
    }
    return meter_word(m, 47052);
}

void meter_output(struct meter *m, char ret[1025])
{
    unsigned len = meter_word(m, 47057);
    assert_true(len > 0 && len <= 1024);
    meter_text(m, 47612, len, ret);
}
