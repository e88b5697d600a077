#include "kpm31_meter.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "../../plugins/kpm31/firmware.h"

#define TICK_SAMPLES 800
#define RATE_HZ      4000
/* Counts per mV and mA of the front end: 2^23 at 2^19 mV and 2^17 mA. */
#define U_COUNTS 16
#define I_COUNTS 64

static void start(struct meter *m)
{
    assert_true(kpm31_firmware.state_size <= sizeof(m->state));
    assert_true(kpm31_firmware.nv_size <= sizeof(m->nv));
    memset(m->state, 0, sizeof(m->state));
    struct mg_fw_env env = {.options = &m->options,
                            .nv = m->nv,
                            .seed = 1,
                            .serial = METER_SERIAL,
                            .unit = METER_UNIT,
                            .baud = 9600,
                            .utc_ms = m->utc_ms};
    kpm31_firmware.power_on(m->state, &env);
}

void meter_new(struct meter *m, enum kpm31_variant variant, int64_t utc_ms)
{
    const struct mg_frontend *fe = kpm31_firmware.frontend;
    assert_int_equal(fe->rate_mhz, RATE_HZ * 1000);
    assert_int_equal(fe->samples_per_tick, TICK_SAMPLES);
    assert_int_equal(fe->full_scale_mv * U_COUNTS, 1 << (fe->bits - 1));
    assert_int_equal(fe->full_scale_ma * I_COUNTS, 1 << (fe->bits - 1));
    memset(m, 0, sizeof(*m));
    memset(m->nv, 0xff, sizeof(m->nv));
    m->options.variant = variant;
    m->utc_ms = utc_ms;
    m->flow = (struct flow){230000, 0, {1000, 0}, 50000};
    start(m);
}

void meter_power_on(struct meter *m, int64_t off_ms)
{
    m->utc_ms += off_ms;
    start(m);
}

void meter_power_cycle(struct meter *m, int64_t off_ms)
{
    kpm31_firmware.power_fail(m->state);
    meter_power_on(m, off_ms);
}

static void note(int64_t *by_direction, int64_t sum)
{
    sum /= TICK_SAMPLES; /* exact, see below */
    by_direction[sum < 0 ? 1 : 0] += sum < 0 ? -sum : sum;
}

void meter_ticks(struct meter *m, int64_t n)
{
    const struct flow *f = &m->flow;
    int64_t u = f->u_mv * U_COUNTS;
    int64_t i = f->i_ma * I_COUNTS;
    int64_t ui = u * i / 1000 * TICK_SAMPLES;
    struct mg_tick tick = {
        .n_ticks = 1, .n_samples = TICK_SAMPLES, .elapsed_us = 200000};
    tick.lane[0].u2 = u * u * TICK_SAMPLES;
    tick.lane[0].i2 = i * i * TICK_SAMPLES;
    tick.lane[0].ui = ui * f->angle.cos_pm;
    tick.lane[0].uq = ui * f->angle.sin_pm;
    tick.n_crossings = (uint32_t)(f->f_mhz / TICKS_PER_S / 1000);
    if (tick.n_crossings > 0) {
        tick.crossing_span_q8 =
            (uint32_t)((tick.n_crossings - 1) * INT64_C(256000) * RATE_HZ /
                       f->f_mhz);
    }
    for (int64_t k = 0; k < n; k++) {
        kpm31_firmware.tick(m->state, &tick);
        note(m->active, tick.lane[0].ui);
        note(m->reactive, tick.lane[0].uq);
        m->utc_ms += 200;
    }
}

void meter_run_s(struct meter *m, int64_t seconds)
{
    meter_ticks(m, seconds * TICKS_PER_S);
}

size_t meter_ask(struct meter *m, uint8_t unit, const uint8_t *request,
                 size_t len, uint8_t ret[MG_PDU_MAX])
{
    size_t n =
        kpm31_firmware.pdu(m->state, unit, request, len, ret, MG_PDU_MAX);
    assert_true(n <= MG_PDU_MAX);
    return n;
}

uint16_t meter_unit_now(struct meter *m)
{
    struct mg_fw_outputs out;
    kpm31_firmware.outputs(m->state, &out);
    return out.unit;
}

uint64_t meter_output_pulses(struct meter *m)
{
    struct mg_fw_outputs out;
    kpm31_firmware.outputs(m->state, &out);
    return out.circuit[0].n_pulses;
}

bool meter_has_load(struct meter *m)
{
    struct mg_fw_outputs out;
    kpm31_firmware.outputs(m->state, &out);
    return out.circuit[0].load_connected;
}

int meter_refusal(struct meter *m, const uint8_t *request, size_t len)
{
    uint8_t answer[MG_PDU_MAX];
    size_t n = meter_ask(m, (uint8_t)meter_unit_now(m), request, len, answer);
    assert_true(n >= 2);
    if (answer[0] == request[0] && request[0] < 0x80) {
        return 0;
    }
    assert_int_equal(n, 2);
    assert_int_equal(answer[0], request[0] | 0x80);
    return answer[1];
}

static void read_request(uint8_t *pdu, unsigned first, unsigned n)
{
    pdu[0] = 3;
    pdu[1] = (uint8_t)(first >> 8);
    pdu[2] = (uint8_t)first;
    pdu[3] = (uint8_t)(n >> 8);
    pdu[4] = (uint8_t)n;
}

int meter_read_refusal(struct meter *m, unsigned first, unsigned n)
{
    uint8_t request[5];
    read_request(request, first, n);
    return meter_refusal(m, request, sizeof(request));
}

void meter_read(struct meter *m, unsigned first, unsigned n, uint16_t *ret)
{
    uint8_t request[5], answer[MG_PDU_MAX];
    read_request(request, first, n);
    size_t len = meter_ask(m, (uint8_t)meter_unit_now(m), request,
                           sizeof(request), answer);
    assert_int_equal(len, 2 + 2 * n);
    assert_int_equal(answer[0], 3);
    assert_int_equal(answer[1], 2 * n);
    for (unsigned k = 0; k < n; k++) {
        ret[k] = (uint16_t)(answer[2 + 2 * k] << 8 | answer[3 + 2 * k]);
    }
}

int meter_write(struct meter *m, unsigned first, unsigned n,
                const uint16_t *words)
{
    uint8_t request[MG_PDU_MAX];
    read_request(request, first, n);
    request[0] = 16;
    request[5] = (uint8_t)(2 * n);
    for (unsigned k = 0; k < n; k++) {
        request[6 + 2 * k] = (uint8_t)(words[k] >> 8);
        request[7 + 2 * k] = (uint8_t)words[k];
    }
    return meter_refusal(m, request, 6 + 2 * (size_t)n);
}

int meter_write_one(struct meter *m, unsigned address, uint16_t word)
{
    return meter_write(m, address, 1, &word);
}

uint32_t meter_bits(struct meter *m, unsigned address)
{
    uint16_t words[2];
    meter_read(m, address, 2, words);
    return (uint32_t)words[0] << 16 | words[1];
}

double meter_float(struct meter *m, unsigned address)
{
    uint32_t bits = meter_bits(m, address);
    float x;
    memcpy(&x, &bits, sizeof(x));
    return (double)x;
}

int64_t meter_pulses(struct meter *m, unsigned address)
{
    double pulses = meter_float(m, address) * 1600.0;
    double whole = nearbyint(pulses);
    /* Half a float step, up to 10,000 kWh, is less than 0.4 pulses. */
    assert_true(fabs(pulses - whole) < 0.4);
    return (int64_t)whole;
}
