/* The simulated KPM31 on the sampled front end: accuracy as the manual gives
 * it (KPM31 manual V2.0, 2.3: U, I 0.2 %, P, Q, PF 0.5 %, F 0.02 Hz, kWh class
 * 0.5S, kvarh class 2), against the truth of the simulation. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "sim/device.h"

#include "../../plugins/kpm31/firmware.h"
#include "../../plugins/kpm31/options.h"

#define UNIT  3
#define NS    UINT64_C(1000000000)
#define HOUR  UINT64_C(3600)
#define PI    3.14159265358979323846
#define PULSE 0.000625 /* kWh */

static const struct mg_plugin plugin = {
    .firmware = &kpm31_firmware, .options_size = sizeof(struct kpm31_options)};

static struct mg_sim_device *create(const struct mg_sim_profile *profile,
                                    enum kpm31_variant variant, uint64_t seed)
{
    struct kpm31_options options = {.variant = variant};
    struct mg_sim_device *d =
        mg_sim_device_create(&plugin, &options, profile, seed, 4711, UNIT, 9600,
                             INT64_C(1710460800000));
    assert_non_null(d);
    return d;
}

static struct mg_sim_device *fixed(int64_t u_mv, int64_t i_ma, int64_t f_mhz,
                                   int32_t phase_cdeg)
{
    struct mg_sim_profile profile = {.is_fixed = true,
                                     .fixed = {u_mv, i_ma, f_mhz, phase_cdeg}};
    return create(&profile, KPM31_B, 1);
}

static double read_float(struct mg_sim_device *d, unsigned address)
{
    uint8_t answer[MG_PDU_MAX];
    const uint8_t request[5] = {3, (uint8_t)(address >> 8), (uint8_t)address, 0,
                                2};
    float x;
    assert_int_equal(mg_sim_device_pdu(d, UNIT, request, 5, answer), 6);
    uint32_t bits = (uint32_t)answer[2] << 24 | (uint32_t)answer[3] << 16 |
                    (uint32_t)answer[4] << 8 | answer[5];
    memcpy(&x, &bits, sizeof(x));
    return (double)x;
}

static void assert_near(double is, double want, double tolerance)
{
    if (!(fabs(is - want) <= tolerance)) {
        fail_msg("is %.9g, want %.9g +- %.3g", is, want, tolerance);
    }
}

static void check_live(int64_t u_mv, int64_t i_ma, int64_t f_mhz,
                       int32_t phase_cdeg)
{
    double u = (double)u_mv / 1000;
    double i = (double)i_ma / 1000;
    double angle = phase_cdeg * PI / 18000;
    struct mg_sim_device *d = fixed(u_mv, i_ma, f_mhz, phase_cdeg);
    for (uint64_t s = 2; s < 12; s++) {
        mg_sim_device_run(d, s * NS);
        assert_near(read_float(d, 0x30), u, 0.002 * u);
        assert_near(read_float(d, 0x32), i, 0.002 * i);
        assert_near(read_float(d, 0x34), u * i * cos(angle), 0.005 * u * i);
        assert_near(read_float(d, 0x36), u * i * sin(angle), 0.005 * u * i);
        assert_near(read_float(d, 0x38), u * i, 0.005 * u * i);
        assert_near(read_float(d, 0x3a), cos(angle), 0.005);
        assert_true(fabs(read_float(d, 0x3a)) <= 1);
        assert_near(read_float(d, 0x3c), (double)f_mhz / 1000, 0.02);
    }
    mg_sim_device_destroy(d);
}

static void test_live_values(void **state)
{
    (void)state;
    const int64_t currents[] = {50, 500, 5000, 60000, 72000};
    const int64_t voltages[] = {176000, 220000, 264000};
    const int64_t frequencies[] = {45000, 49730, 50000, 50210, 60000, 65000};
    const int32_t phases[] = {0, 6000, -3687, 9000, 18000, -12000};
    for (size_t k = 0; k < 90; k++) {
        check_live(voltages[k % 3], currents[k % 5], frequencies[k % 6],
                   phases[k / 3 % 6]);
    }
}

/* @return kWh that the registers may be off by: class, pulse per direction */
static double energy_tolerance(double truth_kwh, double percent)
{
    return fabs(truth_kwh) * percent / 100 + 2 * PULSE;
}

static void check_energy(int64_t i_ma, int64_t f_mhz, int32_t phase_cdeg,
                         double percent)
{
    struct mg_sim_device *d = fixed(230000, i_ma, f_mhz, phase_cdeg);
    uint64_t seconds = i_ma < 100 ? 8 * HOUR : i_ma < 1000 ? 2 * HOUR : HOUR;
    mg_sim_device_run(d, seconds * NS);
    double truth = (double)mg_sim_device_true_energy_mwh(d) / 1e6;
    double net = read_float(d, 0x82) - read_float(d, 0x84);
    double angle = phase_cdeg * PI / 18000;
    double apparent = 230e-6 * (double)i_ma * (double)seconds / HOUR;
    /* Of 2 cdeg in the current path at power factor 0. */
    double tolerance = energy_tolerance(truth, percent) + apparent * 4e-4;
    assert_near(net, truth, tolerance);
    assert_near(read_float(d, 0x80), fabs(truth), tolerance);
    assert_near(read_float(d, 0x88) - read_float(d, 0x8a),
                apparent * sin(angle), energy_tolerance(apparent, 0.5));
    mg_sim_device_destroy(d);
}

/* Class 0.5S and class 2 at their test points, both directions. */
static void test_energy(void **state)
{
    (void)state;
    check_energy(50, 50000, 0, 1.0);
    check_energy(250, 50000, 0, 0.5);
    check_energy(5000, 50013, 0, 0.5);
    check_energy(60000, 49870, 0, 0.5);
    check_energy(500, 50000, 6000, 0.6);
    check_energy(60000, 50130, 6000, 0.6);
    check_energy(60000, 50130, -3687, 0.6);
    check_energy(32000, 49700, 18000, 0.5);
    check_energy(32000, 60000, -14313, 0.6);
    check_energy(32000, 50000, 9000, 0.6);
}

/* Sums over parts of a period swing; with no reactive power and a mains beside
 * the tick's frequency they must not add up in both directions. */
static void test_no_reactive_energy_from_beating(void **state)
{
    (void)state;
    struct mg_sim_device *d = fixed(264000, 72000, 49700, -2);
    mg_sim_device_run(d, HOUR * NS); /* 19 kWh */
    assert_true(read_float(d, 0x80) > 18.9);
    assert_near(read_float(d, 0x86), 0, 0.005);
    mg_sim_device_destroy(d);
}

static void test_charging(void **state)
{
    (void)state;
    struct mg_sim_profile charging = {.seed = 7};
    struct mg_sim_device *d = create(&charging, KPM31_A, 7);
    mg_sim_device_run(d, 3 * HOUR * NS);
    double truth = (double)mg_sim_device_true_energy_mwh(d) / 1e6;
    assert_true(fabs(truth) > 1);
    assert_near(read_float(d, 0x82) - read_float(d, 0x84), truth,
                energy_tolerance(truth, 0.5));
    double rates = read_float(d, 0x8c) + read_float(d, 0x8e) +
                   read_float(d, 0x90) + read_float(d, 0x92);
    assert_near(rates, read_float(d, 0x80), 1e-4);
    mg_sim_device_destroy(d);
}

static void test_no_load_and_start(void **state)
{
    (void)state;
    struct mg_fw_outputs out;
    struct mg_sim_device *d = fixed(253000, 0, 50000, 0);
    mg_sim_device_run(d, 2 * HOUR * NS);
    mg_sim_device_outputs(d, &out);
    assert_int_equal(out.circuit[0].n_pulses, 0);
    assert_true(read_float(d, 0x32) < 1e-9);
    mg_sim_device_destroy(d);
    d = fixed(220000, 5, 50000, 0);
    mg_sim_device_run(d, 3067 * NS); /* 1.5 times the ideal time */
    mg_sim_device_outputs(d, &out);
    assert_int_equal(out.circuit[0].n_pulses, 1);
    mg_sim_device_run(d, 6135 * NS);
    mg_sim_device_outputs(d, &out);
    assert_true(out.circuit[0].n_pulses >= 2);
    mg_sim_device_destroy(d);
}

static void test_relay_interrupts_the_load(void **state)
{
    (void)state;
    uint8_t answer[MG_PDU_MAX];
    const uint8_t open[5] = {5, 0, 1, 0, 0};
    const uint8_t close[5] = {5, 0, 1, 0xff, 0};
    struct mg_sim_device *d = fixed(230000, 32000, 50000, 0);
    mg_sim_device_run(d, 60 * NS);
    assert_int_equal(mg_sim_device_pdu(d, UNIT, open, 5, answer), 5);
    int64_t truth = mg_sim_device_true_energy_mwh(d);
    double shown = read_float(d, 0x80);
    mg_sim_device_run(d, 62 * NS);
    assert_true(read_float(d, 0x32) < 1e-9);
    assert_true(fabs(read_float(d, 0x34)) < 1e-9);
    assert_near(read_float(d, 0x30), 230, 0.46);
    mg_sim_device_run(d, 600 * NS);
    assert_int_equal(mg_sim_device_true_energy_mwh(d), truth);
    assert_near(read_float(d, 0x80), shown, PULSE / 2);
    assert_int_equal(mg_sim_device_pdu(d, UNIT, close, 5, answer), 5);
    mg_sim_device_run(d, 602 * NS);
    assert_near(read_float(d, 0x34), 7360, 7.36);
    mg_sim_device_destroy(d);
}

static void test_power_cycles_lose_nothing(void **state)
{
    (void)state;
    struct mg_sim_device *d = fixed(230000, 16000, 50000, 0);
    for (int k = 0; k < 50; k++) {
        mg_sim_device_run(d, mg_sim_device_now_ns(d) + 30 * NS + (uint64_t)k);
        mg_sim_device_power_cycle(d, 5000);
    }
    double truth = (double)mg_sim_device_true_energy_mwh(d) / 1e6;
    assert_near(read_float(d, 0x80), truth, truth * 2e-4 + PULSE);
    mg_sim_device_destroy(d);
}

static void test_same_seed_same_answers(void **state)
{
    (void)state;
    struct mg_sim_profile charging = {.seed = 7};
    struct mg_sim_device *a = create(&charging, KPM31_BK, 7);
    struct mg_sim_device *b = create(&charging, KPM31_BK, 7);
    for (uint64_t s = 0; s < 3000; s += 300) {
        mg_sim_device_run(a, s * NS);
    }
    mg_sim_device_run(b, 2700 * NS);
    for (uint8_t address = 0x30; address <= 0x3c; address += 2) {
        uint8_t x[MG_PDU_MAX], y[MG_PDU_MAX];
        const uint8_t request[5] = {3, 0, address, 0, 2};
        assert_int_equal(mg_sim_device_pdu(a, UNIT, request, 5, x), 6);
        assert_int_equal(mg_sim_device_pdu(b, UNIT, request, 5, y), 6);
        assert_memory_equal(x, y, 6);
    }
    mg_sim_device_power_cycle(a, 0);
    mg_sim_device_power_cycle(b, 0);
    size_t len;
    const uint8_t *nv_a = mg_sim_device_nv(a, &len);
    assert_memory_equal(nv_a, mg_sim_device_nv(b, &len), len);
    mg_sim_device_destroy(a);
    mg_sim_device_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live_values),
        cmocka_unit_test(test_energy),
        cmocka_unit_test(test_no_reactive_energy_from_beating),
        cmocka_unit_test(test_charging),
        cmocka_unit_test(test_no_load_and_start),
        cmocka_unit_test(test_relay_interrupts_the_load),
        cmocka_unit_test(test_power_cycles_lose_nothing),
        cmocka_unit_test(test_same_seed_same_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
