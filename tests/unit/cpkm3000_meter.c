#include "cpkm3000_meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "crypto/deterministic.h"
#include "crypto/verify.h"
#include "metergate/bytes.h"

#include "../../plugins/cpkm3000/firmware.h"

#define TICK_SAMPLES 320 /* two periods of 50 Hz at 8 kHz */
/* The noise of 1.5 LSB and of rounding, squared, in 1/64. */
#define NOISE_Q6 149

#define FW cpkm3000_firmware

bool bench_verify(const uint8_t key[64], const uint8_t *message, size_t len,
                  const uint8_t signature[64])
{
    uint8_t der[MG_SIGNATURE_MAX];
    size_t der_len;
    unsigned lenient;
    struct mg_public_key *k;
    struct mg_err err;
    if (mg_public_key_parse((const char *)key, 64, MG_CURVE_SECP256R1, &k,
                            &lenient, &err) != MG_OK) {
        return false;
    }
    bool is_good = mg_signature_normalise(signature, 64, MG_CURVE_SECP256R1,
                                          der, &der_len, &lenient) == MG_OK &&
                   mg_verify(k, message, len, der, der_len) == MG_OK;
    mg_public_key_destroy(k);
    return is_good;
}

static void sha256(const uint8_t *data, size_t len, uint8_t ret[32])
{
    mg_sha256(data, len, ret);
}

/* ---- Power ---- */

void meter_start(struct meter *m)
{
    const struct mg_frontend *fe = FW.frontend;
    assert_int_equal(fe->rate_mhz, 8000000);
    assert_int_equal(fe->half_periods, 4);
    assert_int_equal(fe->full_scale_mv, 16 << (fe->bits - 1));
    assert_int_equal(fe->full_scale_ma, 4 << (fe->bits - 1));
    assert_true(FW.state_size <= sizeof m->state);
    assert_true(FW.nv_size <= sizeof m->nv);
    memset(m->state, 0, sizeof m->state);
    struct mg_fw_env env = {.options = &m->options,
                            .nv = m->nv,
                            .seed = 1,
                            .serial = METER_SERIAL,
                            .unit = METER_NODE,
                            .public_key = m->public_key,
                            .verify = bench_verify,
                            .sha256 = sha256};
    FW.power_on(m->state, &env);
}

void meter_blank(struct meter *m)
{
    memset(m, 0, sizeof *m);
    memset(m->nv, 0xff, sizeof m->nv);
    m->options.variant = CPKM3000_THREE_PHASE;
    m->options.display_s = 3;
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
    FW.power_fail(m->state);
    meter_start(m);
}

void meter_give_key(struct meter *m, uint64_t seed)
{
    m->key = mg_sim_key_create(seed, METER_SERIAL);
    assert_non_null(m->key);
    memcpy(m->public_key, mg_sim_key_public(m->key), 64);
}

void meter_drop_key(struct meter *m)
{
    mg_sim_key_destroy(m->key);
    m->key = NULL;
}

/* ---- The chip and what comes of it ---- */

static struct telegram decode(const uint8_t *bytes)
{
    struct telegram t = {0};
    struct mg_rd r = mg_rd_init(bytes, TELEGRAM_LEN);
    assert_memory_equal(bytes, "CPKM", 4);
    (void)mg_rd_be32(&r);
    t.version = mg_rd_u8(&r);
    t.node = mg_rd_u8(&r);
    memcpy(t.serial, bytes + 6, 16);
    r.pos = 22;
    t.boot = mg_rd_be32(&r);
    t.counter = mg_rd_be64(&r);
    t.uptime_ms = mg_rd_be64(&r);
    t.pos = mg_rd_be64(&r);
    t.neg = mg_rd_be64(&r);
    t.status = mg_rd_be32(&r);
    memcpy(t.hash, bytes + 62, 32);
    memcpy(t.challenge, bytes + 94, CHALLENGE_LEN);
    return t;
}

static void serve_chip(struct meter *m)
{
    const uint8_t *message;
    uint8_t signature[SIGNATURE_LEN];
    if (m->is_chip_silent) {
        return;
    }
    size_t len = FW.sign_request(m->state, &message);
    if (len == 0) {
        return;
    }
    assert_int_equal(len, 110);
    memset(signature, 0xa5, sizeof signature);
    if (m->key != NULL) {
        assert_int_equal(mg_sim_key_sign(m->key, message, len, signature),
                         MG_OK);
    }
    FW.sign_result(m->state, signature);
    assert_int_equal(FW.sign_request(m->state, &message), 0);
}

static void serve(struct meter *m)
{
    uint8_t out[MG_PDU_MAX];
    size_t len;
    serve_chip(m);
    while ((len = FW.unasked(m->state, 0, out, sizeof out)) > 0) {
        assert_int_equal(len, TELEGRAM_LEN);
        memcpy(m->last, out, TELEGRAM_LEN);
        m->telegram = decode(out);
        m->n_telegrams++;
    }
}

bool meter_verifies(const struct meter *m)
{
    return bench_verify(m->public_key, m->last, 110, m->last + 110);
}

/* ---- Load ---- */

void meter_load(struct meter *m, int64_t i_ma, struct angle angle)
{
    for (unsigned k = 0; k < 3; k++) {
        m->flow.i_ma[k] = i_ma;
        m->flow.angle[k] = angle;
    }
}

static struct mg_lane_sums sums_of(const struct flow *f, unsigned k)
{
    int64_t u = f->u_mv[k];
    int64_t i = f->i_ma[k];
    return (struct mg_lane_sums){
        .u2 = u * u * TICK_SAMPLES / 256 + NOISE_Q6 * TICK_SAMPLES / 64,
        .i2 = i * i * TICK_SAMPLES / 16 + NOISE_Q6 * TICK_SAMPLES / 64,
        .ui = u * i * TICK_SAMPLES / 1000 * f->angle[k].cos_pm / 64,
        .uq = u * i * TICK_SAMPLES / 1000 * f->angle[k].sin_pm / 64,
        .n_saturated = f->n_saturated};
}

void meter_run_ms(struct meter *m, int64_t ms)
{
    struct mg_tick tick = {.n_ticks = 1,
                           .n_samples = TICK_SAMPLES,
                           .elapsed_us = TICK_MS * 1000,
                           .n_crossings = 2,
                           .crossing_span_q8 = 160 * 256};
    for (unsigned k = 0; k < 3 && !m->flow.is_dead; k++) {
        tick.lane[k] = sums_of(&m->flow, k);
    }
    if (m->flow.u_mv[0] == 0) {
        tick.n_crossings = 0; /* they are those of L1 */
        tick.crossing_span_q8 = 0;
    }
    for (int64_t t = 0; t < ms; t += TICK_MS) {
        FW.tick(m->state, &tick);
        serve(m);
    }
}

void meter_run_s(struct meter *m, int64_t s)
{
    meter_run_ms(m, s * 1000);
}

/* ---- What it shows ---- */

int64_t meter_signal(const struct meter *m, const char *name)
{
    int64_t value;
    for (size_t k = 0; k < FW.n_signals; k++) {
        if (strcmp(FW.signals[k].name, name) == 0) {
            return FW.signal(m->state, k, &value) ? value : SIGNAL_MISSING;
        }
    }
    fail_msg("no signal %s", name);
    return SIGNAL_MISSING;
}

unsigned meter_errors(const struct meter *m)
{
    return (unsigned)meter_signal(m, "MeterStatus.ErrorWord") & 0xffff;
}

bool meter_is_connected(const struct meter *m)
{
    struct mg_fw_outputs out;
    FW.outputs(m->state, &out);
    return out.circuit[0].load_connected;
}

void meter_fault(struct meter *m, enum mg_fw_fault kind)
{
    assert_int_equal(FW.fault(m->state, kind), MG_OK);
}

/* ---- Messages ---- */

/* In memory of the exact size, so that a sanitizer sees an overrun. */
size_t meter_ask(struct meter *m, const uint8_t *request, size_t len,
                 uint8_t ret[MG_PDU_MAX])
{
    uint8_t *copy = malloc(len + (len == 0));
    assert_non_null(copy);
    memcpy(copy, request, len);
    size_t n = FW.pdu(m->state, 0, copy, len, ret, MG_PDU_MAX);
    free(copy);
    assert_true(n <= MG_PDU_MAX);
    serve(m);
    return n;
}

int meter_refusal(struct meter *m, const uint8_t *request, size_t len)
{
    uint8_t answer[MG_PDU_MAX];
    size_t n = meter_ask(m, request, len, answer);
    if (n == 3 && answer[0] == 0x7f) {
        assert_int_equal(answer[1], request[0]);
        assert_in_range(answer[2], 1, 7);
        return answer[2];
    }
    if (n > 0) {
        assert_int_equal(answer[0], request[0] + 0x40);
    } else {
        assert_int_equal(request[0], 0x11);
    }
    return 0;
}

int meter_do(struct meter *m, uint8_t service, const void *data, size_t len)
{
    uint8_t request[MG_PDU_MAX];
    assert_true(len < sizeof request);
    request[0] = service;
    if (len > 0) {
        memcpy(request + 1, data, len);
    }
    return meter_refusal(m, request, len + 1);
}
