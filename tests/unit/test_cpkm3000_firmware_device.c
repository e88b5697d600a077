/* The simulated CPKM3000 on the simulation's sampled front end: class B of
 * EN 50470-3 from Ist to Imax, 45 to 65 Hz (guide, "Technical specification").
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/frontend.h"

#include "../../plugins/cpkm3000/firmware.h"
#include "../../plugins/cpkm3000/options.h"

#define FW cpkm3000_firmware

struct bench {
    uint64_t state[1024];
    uint8_t nv[40960];
    struct cpkm3000_options options;
    struct mg_sim_frontend frontend;
    uint64_t n_samples;
};

static void power_on(struct bench *b, int64_t variant, uint64_t seed)
{
    memset(b, 0, sizeof *b);
    memset(b->nv, 0xff, sizeof b->nv);
    assert_true(FW.state_size <= sizeof b->state);
    assert_true(FW.nv_size <= sizeof b->nv);
    b->options.variant = variant;
    b->options.display_s = 3;
    struct mg_fw_env env = {
        .options = &b->options, .nv = b->nv, .serial = 1, .unit = 1};
    FW.power_on(b->state, &env);
    assert_int_equal(mg_sim_frontend_init(&b->frontend, FW.frontend, seed),
                     MG_OK);
}

/* The chip signs anything: here only the energies count. */
static void run_s(struct bench *b, const struct mg_sim_load *load, uint64_t s)
{
    uint8_t signature[64] = {0};
    const uint8_t *message;
    uint64_t end = b->n_samples + s * 8000;
    struct mg_sim_mains mains;
    mg_sim_mains_balanced(load, &mains);
    mg_sim_frontend_set(&b->frontend, &mains);
    while (b->n_samples < end) {
        struct mg_tick tick;
        uint32_t n = mg_sim_frontend_tick_samples(&b->frontend);
        mg_sim_frontend_tick(&b->frontend, n, &tick);
        tick.elapsed_us = n * 125;
        b->n_samples += n;
        FW.tick(b->state, &tick);
        if (FW.sign_request(b->state, &message) > 0) {
            FW.sign_result(b->state, signature);
        }
    }
}

static int64_t signal_of(const struct bench *b, const char *name)
{
    int64_t value = INT64_MIN;
    for (size_t k = 0; k < FW.n_signals; k++) {
        if (strcmp(FW.signals[k].name, name) == 0) {
            (void)FW.signal(b->state, k, &value);
        }
    }
    return value;
}

struct point {
    int64_t ma;
    int32_t cdeg;
    int64_t u_mv, mhz;
    int64_t limit_ppm;
    int64_t cos_e6;
    int64_t n_lanes;
};

#define PF1   0, 230000, 50000
#define PF05I 6000, 230000, 50000
#define PF08C -3687, 230000, 50000

/* Impulses against the truth over some 200 of them, or a minute. */
static void check_point(const struct point *p, uint64_t seed)
{
    struct bench b;
    struct mg_sim_load load = {p->u_mv, p->ma, p->mhz, p->cdeg};
    power_on(&b, p->n_lanes == 3 ? CPKM3000_THREE_PHASE : CPKM3000_ONE_PHASE,
             seed);
    run_s(&b, &load, 2);
    const char *name =
        p->cos_e6 < 0 ? "MeterImpulses.PulsesNeg" : "MeterImpulses.PulsesPos";
    int64_t before = signal_of(&b, name);
    uint64_t n_before = b.n_samples;
    int64_t uw = p->u_mv * p->ma * p->n_lanes / 1000 * llabs(p->cos_e6) / 1000;
    uint64_t s = (uint64_t)(INT64_C(300) * 180000000 / uw);
    run_s(&b, &load, s < 60 ? 60 : s);
    int64_t is = signal_of(&b, name) - before;
    int64_t us = (int64_t)((b.n_samples - n_before) * 125);
    int64_t want = uw / 180 * (us / 1000) / 1000000; /* impulses, 1e-3 */
    int64_t ppm = (is * 1000 - want) * 1000000 / want;
    /* One impulse and what is registered a second late, besides. */
    int64_t slack = 2000 * INT64_C(1000000) / want;
    if (llabs(ppm) > p->limit_ppm + slack) {
        fail_msg("%lld mA at %d cdeg, %lld mHz: %lld ppm", (long long)p->ma,
                 (int)p->cdeg, (long long)p->mhz, (long long)ppm);
    }
    assert_int_equal(signal_of(&b, "MeterStatus.ErrorWord") & 0xffff, 0);
}

static void test_class_b(void **state)
{
    (void)state;
    static const struct point points[] = {
        {25, PF1, 25000, 1000000, 3}, /* Ist: OIML R46, 1.5 % Imin / Ist */
        {250, PF1, 15000, 1000000, 3},
        {500, PF1, 10000, 1000000, 3},
        {5000, PF1, 10000, 1000000, 3},
        {32000, PF1, 10000, 1000000, 3},
        {40000, PF1, 10000, 1000000, 3}, /* overload of a station */
        {500, PF05I, 10000, 500000, 3},
        {32000, PF05I, 10000, 500000, 3},
        {500, PF08C, 10000, 799999, 3},
        {32000, PF08C, 10000, 799999, 3},
        {5000, PF1, 10000, 1000000, 1},
        {250, PF1, 15000, 1000000, 1},
        {5000, 18000, 230000, 50000, 10000, -1000000, 3},
        {32000, 18000, 230000, 50000, 10000, -1000000, 3},
        {5000, 0, 230000, 45000, 10000, 1000000, 3},
        {5000, 0, 230000, 65000, 10000, 1000000, 3},
        {5000, 6000, 230000, 49020, 10000, 500000, 3},
        {5000, 0, 184000, 50000, 10000, 1000000, 3},
        {5000, 0, 264500, 50000, 10000, 1000000, 3},
    };
    for (size_t k = 0; k < sizeof points / sizeof *points; k++) {
        check_point(&points[k], 11 + k);
    }
}

/* Open circuit at 1.15 times rated, ten times as long as EN 50470-3 asks. */
static void test_no_load(void **state)
{
    (void)state;
    struct bench b;
    struct mg_sim_load load = {264500, 0, 50000, 0};
    power_on(&b, CPKM3000_THREE_PHASE, 3);
    run_s(&b, &load, 360);
    assert_int_equal(signal_of(&b, "MeterImpulses.PulsesPos"), 0);
    assert_int_equal(signal_of(&b, "MeterImpulses.PulsesNeg"), 0);
    assert_int_equal(signal_of(&b, "MeterCurrents.CurrentL1"), 0);
    load.current_ma = 23;
    run_s(&b, &load, 360);
    assert_int_equal(signal_of(&b, "MeterImpulses.PulsesPos"), 0);
}

static void check_near(const struct bench *b, const char *name, int64_t want,
                       int64_t tolerance)
{
    int64_t is = signal_of(b, name);
    if (llabs(is - want) > tolerance) {
        fail_msg("%s is %lld, want %lld", name, (long long)is, (long long)want);
    }
}

static void test_values(void **state)
{
    (void)state;
    static const int64_t mhz[] = {45000, 49013, 50000, 50987, 65000};
    for (size_t k = 0; k < sizeof mhz / sizeof *mhz; k++) {
        struct bench b;
        struct mg_sim_load load = {230000, 16000, mhz[k], 3000};
        power_on(&b, CPKM3000_THREE_PHASE, k);
        run_s(&b, &load, 3);
        check_near(&b, "MeterVoltages.Frequency", mhz[k], 3);
        check_near(&b, "MeterVoltages.VoltageL1", 230000, 230);
        check_near(&b, "MeterVoltages.VoltageL3", 230000, 230);
        check_near(&b, "MeterCurrents.CurrentL2", 16000, 32);
        check_near(&b, "MeterActivePower.PowerL2", 3186973, 9000);
        check_near(&b, "MeterReactivePower.ReactiveL2", 1840000, 9000);
        check_near(&b, "MeterTotals.PowerFactor", 8660, 10);
        check_near(&b, "MeterStatus.ErrorWord", 0x00090000, 0);
    }
}

/* Twice what a station may draw: seen, not yet an error; 100 A is. */
static void test_overload_and_saturation(void **state)
{
    (void)state;
    struct bench b;
    struct mg_sim_load load = {230000, 64000, 50000, 0};
    power_on(&b, CPKM3000_THREE_PHASE, 5);
    run_s(&b, &load, 3);
    check_near(&b, "MeterCurrents.CurrentL1", 64000, 130);
    check_near(&b, "MeterStatus.ErrorWord", 0x00090000, 0);
    load.current_ma = 100000;
    run_s(&b, &load, 1);
    check_near(&b, "MeterStatus.ErrorWord", 0x00080010, 0);
}

static void test_without_any_supply(void **state)
{
    (void)state;
    struct bench b;
    struct mg_sim_load load = {0, 0, 50000, 0};
    power_on(&b, CPKM3000_THREE_PHASE, 6);
    run_s(&b, &load, 3);
    check_near(&b, "MeterVoltages.VoltageL1", 0, 0);
    check_near(&b, "MeterVoltages.Frequency", 0, 0);
    check_near(&b, "MeterStatus.ErrorWord", 0x00090000, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_class_b),
        cmocka_unit_test(test_no_load),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_overload_and_saturation),
        cmocka_unit_test(test_without_any_supply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
