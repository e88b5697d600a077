#include "cpim1000_meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/deterministic.h"
#include "crypto/encode.h"
#include "crypto/verify.h"
#include "metergate/bytes.h"

#include "../../plugins/cpim1000/firmware.h"

#define FW cpim1000_firmware
/* The converters' noise, squared: 60^2 and 111.7^2 counts. */
#define NOISE_U2 3600
#define NOISE_I2 12477

static bool verify(const uint8_t key[64], const uint8_t *message, size_t len,
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
    assert_true(FW.state_size <= sizeof m->state);
    assert_true(FW.nv_size <= sizeof m->nv);
    memset(m->state, 0, sizeof m->state);
    struct mg_fw_env env = {.options = &m->options,
                            .nv = m->nv,
                            .seed = 1,
                            .serial = METER_SERIAL,
                            .unit = METER_NODE,
                            .verify = verify,
                            .sha256 = sha256};
    FW.power_on(m->state, &env);
}

void meter_blank(struct meter *m)
{
    memset(m, 0, sizeof *m);
    memset(m->nv, 0xff, sizeof m->nv);
    m->options.phases = CPIM1000_THREE_PHASE;
    m->options.region = CPIM1000_REGION_EU;
    m->options.has_seal = 1;
    m->options.display_s = 1;
    m->flow.hz = 50;
    m->flow.ambient_mdegc = 23000;
    for (unsigned k = 0; k < 6; k++) {
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

/* ---- Load ---- */

void meter_load(struct meter *m, unsigned side, int64_t i_ma,
                struct angle angle)
{
    for (unsigned k = side * 3; k < side * 3 + 3; k++) {
        m->flow.i_ma[k] = i_ma;
        m->flow.angle[k] = angle;
    }
}

/* 16 counts a mV, 64 a mA. */
static struct mg_lane_sums sums_of(const struct flow *f, unsigned k, int64_t n)
{
    int64_t u = f->u_mv[k] * 16;
    int64_t i = f->i_ma[k] * 64;
    return (struct mg_lane_sums){.u2 = (u * u + NOISE_U2) * n,
                                 .i2 = (i * i + NOISE_I2) * n,
                                 .ui = u * i / 1000 * f->angle[k].cos_pm * n,
                                 .uq = u * i / 1000 * f->angle[k].sin_pm * n,
                                 .n_saturated = f->n_saturated[k]};
}

/* Samples until the end of tick k: 3906.25 a second, two ticks a period. */
static uint64_t samples_at(const struct meter *m, uint64_t k)
{
    return k * 390625 / (200U * m->flow.hz);
}

void meter_long_tick(struct meter *m, unsigned n)
{
    uint64_t first = samples_at(m, m->n_ticks);
    m->n_ticks += n;
    uint32_t n_samples = (uint32_t)(samples_at(m, m->n_ticks) - first);
    struct mg_tick tick = {.n_ticks = n,
                           .n_samples = n_samples,
                           .elapsed_us = n_samples * 256,
                           .ambient_mdegc = m->flow.ambient_mdegc};
    for (unsigned k = 0; k < 6; k++) {
        tick.lane[k] = sums_of(&m->flow, k, n_samples);
    }
    m->now_us += tick.elapsed_us;
    FW.tick(m->state, &tick);
}

void meter_ticks(struct meter *m, unsigned n)
{
    for (unsigned k = 0; k < n; k++) {
        meter_long_tick(m, 1);
    }
}

void meter_run_s(struct meter *m, unsigned s)
{
    meter_ticks(m, s * 2 * m->flow.hz);
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

int64_t meter_of(const struct meter *m, unsigned side, const char *name)
{
    char whole[64];
    (void)snprintf(whole, sizeof whole, "%s%s",
                   side == RIGHT ? "Right" : "Left", name);
    return meter_signal(m, whole);
}

unsigned meter_flags(const struct meter *m, unsigned side)
{
    return (unsigned)meter_of(m, side, "Status.Flags");
}

bool meter_is_connected(const struct meter *m, unsigned side)
{
    struct mg_fw_outputs out;
    FW.outputs(m->state, &out);
    return out.circuit[side].load_connected;
}

bool meter_is_dark(struct meter *m)
{
    static const uint8_t identify[] = {0x10};
    uint8_t answer[MG_PDU_MAX];
    int64_t value;
    for (size_t k = 0; k < FW.n_signals; k++) {
        if (FW.signal(m->state, k, &value)) {
            return false;
        }
    }
    return meter_ask(m, RIGHT, identify, 1, answer) == 0 &&
           meter_ask(m, LEFT, identify, 1, answer) == 0;
}

void meter_fault(struct meter *m, enum mg_fw_fault kind)
{
    assert_int_equal(FW.fault(m->state, kind), MG_OK);
}

void meter_row(struct meter *m, const char *caption, char ret[17])
{
    struct mg_fw_display shown;
    for (unsigned s = 0; s < 20; s++) {
        FW.display(m->state, &shown);
        assert_non_null(memchr(shown.row, 0, sizeof shown.row));
        assert_non_null(memchr(shown.caption, 0, sizeof shown.caption));
        if (strcmp(shown.caption, caption) == 0) {
            memcpy(ret, shown.row, 17);
            return;
        }
        meter_run_s(m, 1);
    }
    fail_msg("nothing with \"%s\" is shown", caption);
}

/* ---- Messages ---- */

/* In memory of the exact size, so that a sanitizer sees an overrun. */
size_t meter_ask(struct meter *m, unsigned side, const uint8_t *request,
                 size_t len, uint8_t ret[MG_PDU_MAX])
{
    uint8_t *copy = malloc(len + (len == 0));
    assert_non_null(copy);
    memcpy(copy, request, len);
    size_t n = FW.pdu(m->state, (uint8_t)side, copy, len, ret, MG_PDU_MAX);
    free(copy);
    assert_true(n <= MG_PDU_MAX);
    return n;
}

int meter_do(struct meter *m, unsigned side, uint8_t service, const void *data,
             size_t len)
{
    uint8_t request[MG_PDU_MAX];
    uint8_t answer[MG_PDU_MAX];
    assert_true(len < sizeof request);
    request[0] = service;
    if (len > 0) {
        memcpy(request + 1, data, len);
    }
    size_t n = meter_ask(m, side, request, len + 1, answer);
    assert_true(n > 0);
    if (answer[0] == 0x7f) {
        assert_int_equal(n, 3);
        assert_int_equal(answer[1], service);
        assert_in_range(answer[2], 1, 8);
        return answer[2];
    }
    assert_int_equal(answer[0], service + 0x40);
    return 0;
}
