/* The simulated CPIM1000 on the simulation's sampled front end: class B of
 * EN 50470-3 from Ist to Imax on both sides, neither of which sees the other;
 * supply, start and faults as the mains and the hardware make them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/device.h"

#include "../../plugins/cpim1000/firmware.h"
#include "../../plugins/cpim1000/options.h"

#define S_NS  UINT64_C(1000000000)
#define RIGHT 0
#define LEFT  1

static const struct mg_plugin plugin = {.abi = MG_PLUGIN_ABI,
                                        .size = sizeof plugin,
                                        .model = "cpim1000",
                                        .options_size =
                                            sizeof(struct cpim1000_options),
                                        .firmware = &cpim1000_firmware};

struct load {
    int64_t u_mv, i_ma;
    int32_t cdeg;
    unsigned n_phases; /* that are loaded */
};

struct bench {
    struct cpim1000_options options;
    struct mg_sim_device *device;
    struct load load[2];
    int64_t mhz;
    int32_t ambient_mdegc;
    uint64_t now_ns;
    /* The right side's L1 is away. */
    uint64_t off_from_ns, off_until_ns;
};

static uint64_t mains_at(void *ctx, uint64_t now_ns, struct mg_sim_mains *ret)
{
    static const int32_t angles[3] = {0, -12000, 12000};
    const struct bench *b = ctx;
    memset(ret, 0, sizeof *ret);
    ret->frequency_mhz = b->mhz;
    ret->ambient_mdegc = b->ambient_mdegc;
    for (unsigned k = 0; k < 6; k++) {
        const struct load *l = &b->load[k / 3];
        ret->phase[k] = (struct mg_sim_phase){
            .voltage_mv = l->u_mv,
            .current_ma = k % 3 < l->n_phases ? l->i_ma : 0,
            .angle_cdeg = angles[k % 3],
            .phase_cdeg = l->cdeg};
    }
    if (now_ns >= b->off_from_ns && now_ns < b->off_until_ns) {
        ret->phase[0].voltage_mv = 0;
    }
    return now_ns + 10000000;
}

static void bench_new(struct bench *b, uint64_t seed)
{
    static const struct mg_sim_profile profile = {.is_fixed = true};
    memset(b, 0, sizeof *b);
    b->options.phases = CPIM1000_THREE_PHASE;
    b->options.region = CPIM1000_REGION_EU;
    b->options.has_seal = 1;
    b->options.display_s = 1;
    b->load[RIGHT] = (struct load){230000, 0, 0, 3};
    b->load[LEFT] = b->load[RIGHT];
    b->mhz = 50000;
    b->ambient_mdegc = 23000;
    b->device = mg_sim_device_create(&plugin, &b->options, &profile, seed, 1, 1,
                                     500000, 0);
    assert_non_null(b->device);
    struct mg_sim_source source = {.at = mains_at, .ctx = b};
    mg_sim_device_set_source(b->device, &source);
    mg_sim_device_set_path(b->device, MG_SIM_PATH_SAMPLES, 0);
}

static void run_s(struct bench *b, uint64_t s)
{
    b->now_ns += s * S_NS;
    mg_sim_device_run(b->device, b->now_ns);
}

static int64_t signal_of(const struct bench *b, const char *name)
{
    const struct mg_firmware *fw = &cpim1000_firmware;
    int64_t value;
    for (size_t k = 0; k < fw->n_signals; k++) {
        if (strcmp(fw->signals[k].name, name) == 0 &&
            mg_sim_device_signal(b->device, k, &value)) {
            return value;
        }
    }
    return INT64_MIN;
}

static int64_t pulses(const struct bench *b, unsigned side)
{
    return signal_of(b, side == RIGHT ? "RightImpulses.Pulses"
                                      : "LeftImpulses.Pulses");
}

static void check_near(const struct bench *b, const char *name, int64_t want,
                       int64_t tolerance)
{
    int64_t is = signal_of(b, name);
    if (is < want - tolerance || is > want + tolerance) {
        fail_msg("%s is %lld, want %lld", name, (long long)is, (long long)want);
    }
}

/* ---- Class B ---- */

struct point {
    int64_t ma;
    int32_t cdeg;
    int64_t u_mv, mhz;
    int64_t limit_ppm; /* a third of the class's */
    int64_t cos_e6;
    unsigned n_phases;
};

#define PF1   0, 230000, 50000
#define PF05I 6000, 230000, 50000
#define PF08C -3687, 230000, 50000

/* Impulses against the truth over some 300 of them, or a minute; the other
 * side has nothing. */
static void check_point(const struct point *p, unsigned side, uint64_t seed)
{
    struct bench b;
    bench_new(&b, seed);
    b.mhz = p->mhz;
    b.load[side] = (struct load){p->u_mv, p->ma, p->cdeg, p->n_phases};
    run_s(&b, 2);
    int64_t before = pulses(&b, side);
    int64_t uw = p->u_mv * p->ma * p->n_phases / 1000 * p->cos_e6 / 1000;
    int64_t s = INT64_C(300) * 180000000 / uw;
    s = s < 60 ? 60 : s;
    run_s(&b, (uint64_t)s);
    int64_t is = pulses(&b, side) - before;
    int64_t want = uw / 180 * s / 1000; /* impulses, 1e-3 */
    int64_t ppm = (is * 1000 - want) * 1000000 / want;
    /* One impulse and what is registered a second late, besides. */
    int64_t slack = 2000 * INT64_C(1000000) / want;
    if (ppm > p->limit_ppm + slack || ppm < -p->limit_ppm - slack) {
        fail_msg("side %u, %lld mA at %d cdeg, %lld mHz: %lld ppm", side,
                 (long long)p->ma, (int)p->cdeg, (long long)p->mhz,
                 (long long)ppm);
    }
    assert_int_equal(pulses(&b, 1 - side), 0);
    mg_sim_device_destroy(b.device);
}

static void test_class_b(void **state)
{
    (void)state;
    static const struct point points[] = {
        {20, PF1, 5000, 1000000, 3}, /* Ist */
        {250, PF1, 5000, 1000000, 3},
        {500, PF1, 3333, 1000000, 3},
        {32000, PF1, 3333, 1000000, 3},
        {40000, PF1, 3333, 1000000, 3}, /* overload of a station */
        {500, PF05I, 3333, 500000, 3},
        {32000, PF05I, 3333, 500000, 3},
        {32000, PF08C, 3333, 799999, 3},
        {500, PF1, 6667, 1000000, 1},
        {5000, PF05I, 6667, 500000, 1},
        {5000, 0, 230000, 49000, 3333, 1000000, 3},
        {5000, 0, 230000, 60000, 3333, 1000000, 3},
        {5000, 0, 207000, 50000, 3333, 1000000, 3},
        {5000, 0, 264500, 50000, 3333, 1000000, 3},
    };
    for (size_t k = 0; k < sizeof points / sizeof *points; k++) {
        check_point(&points[k], k % 2, 11 + k);
    }
}

/* Open circuit at 1.15 times rated; and what flows below Ist. */
static void test_no_load(void **state)
{
    (void)state;
    struct bench b;
    bench_new(&b, 3);
    b.load[RIGHT] = (struct load){264500, 0, 0, 3};
    b.load[LEFT] = (struct load){264500, 19, 0, 3};
    run_s(&b, 240);
    assert_int_equal(pulses(&b, RIGHT), 0);
    assert_int_equal(pulses(&b, LEFT), 0);
    check_near(&b, "RightCurrents.CurrentL1", 0, 0);
    mg_sim_device_destroy(b.device);
}

static void test_values(void **state)
{
    (void)state;
    static const int64_t mhz[] = {47500, 50000, 50987, 60000};
    for (size_t k = 0; k < sizeof mhz / sizeof *mhz; k++) {
        struct bench b;
        bench_new(&b, k);
        b.mhz = mhz[k];
        b.load[RIGHT] = (struct load){230000, 16000, 3000, 3};
        b.load[LEFT] = (struct load){220000, 6000, 0, 3};
        run_s(&b, 9);
        check_near(&b, "UnitState.Frequency", mhz[k], 10);
        check_near(&b, "RightVoltages.VoltageL1", 230000, 150);
        check_near(&b, "LeftVoltages.VoltageL3", 220000, 150);
        check_near(&b, "RightCurrents.CurrentL2", 16000, 20);
        check_near(&b, "LeftCurrents.CurrentL1", 6000, 10);
        check_near(&b, "RightActivePower.PowerL2", 3186973, 6000);
        check_near(&b, "RightReactivePower.ReactiveL2", 1840000, 6000);
        check_near(&b, "RightTotals.PowerFactor", 8660, 10);
        check_near(&b, "LeftTotals.PowerFactor", 10000, 1);
        mg_sim_device_destroy(b.device);
    }
}

/* As fast as it goes: equal ticks as one, sums in closed form. */
static void test_fast_path(void **state)
{
    (void)state;
    struct bench slow, fast;
    bench_new(&slow, 5);
    bench_new(&fast, 5);
    slow.load[RIGHT] = (struct load){230000, 12000, 1000, 3};
    slow.load[LEFT] = (struct load){230000, 25, 0, 3};
    memcpy(fast.load, slow.load, sizeof fast.load);
    mg_sim_device_set_path(fast.device, MG_SIM_PATH_AUTO, 15 * S_NS);
    run_s(&slow, 300);
    run_s(&fast, 300);
    check_near(&fast, "RightImpulses.Pulses", pulses(&slow, RIGHT), 1);
    check_near(&fast, "LeftImpulses.Pulses", pulses(&slow, LEFT), 1);
    assert_true(pulses(&slow, LEFT) > 20);
    mg_sim_device_destroy(slow.device);
    mg_sim_device_destroy(fast.device);
}

/* ---- Supply, start, faults ---- */

static void test_supply(void **state)
{
    (void)state;
    struct bench b;
    struct mg_fw_outputs out;
    bench_new(&b, 7);
    b.load[LEFT].i_ma = 10000;
    b.off_from_ns = 30 * S_NS;
    b.off_until_ns = 60 * S_NS;
    run_s(&b, 45);
    assert_int_equal(signal_of(&b, "LeftStatus.Flags"), INT64_MIN);
    mg_sim_device_outputs(b.device, &out);
    assert_false(out.circuit[LEFT].load_connected);
    assert_false(out.circuit[RIGHT].load_connected);
    run_s(&b, 45);
    /* 6.9 kW for 60 of the 90 s. */
    check_near(&b, "LeftImpulses.Pulses", 2300, 10);
    check_near(&b, "UnitState.Boots", 2, 0);
    mg_sim_device_outputs(b.device, &out);
    assert_true(out.circuit[LEFT].load_connected);
    mg_sim_device_destroy(b.device);
}

static void test_start_up_faults(void **state)
{
    (void)state;
    static const struct {
        enum mg_fw_fault kind;
        const char *row;
        bool is_dark;
    } cases[] = {{MG_FW_FAULT_IMAGE, "-CHARGEPOIN+", true},
                 {MG_FW_FAULT_NAN, "Initializing", false}};
    for (size_t k = 0; k < 2; k++) {
        struct bench b;
        struct mg_fw_display shown;
        struct mg_fw_outputs out;
        bench_new(&b, 8);
        b.load[LEFT].i_ma = 32000;
        run_s(&b, 10);
        int64_t before = pulses(&b, LEFT);
        assert_int_equal(mg_sim_device_fault(b.device, cases[k].kind), MG_OK);
        mg_sim_device_power_cycle(b.device, 1000);
        run_s(&b, 30);
        assert_int_equal(mg_sim_device_display(b.device, &shown), MG_OK);
        assert_string_equal(shown.row, cases[k].row);
        mg_sim_device_outputs(b.device, &out);
        assert_false(out.circuit[LEFT].load_connected);
        assert_false(out.circuit[RIGHT].load_connected);
        bool is_dark = signal_of(&b, "LeftStatus.Flags") == INT64_MIN;
        assert_int_equal(is_dark, cases[k].is_dark);
        if (!is_dark) {
            check_near(&b, "LeftImpulses.Pulses", before, 0);
        }
        assert_int_equal(mg_sim_device_fault(b.device, MG_FW_FAULT_NONE),
                         MG_OK);
        mg_sim_device_power_cycle(b.device, 1000);
        run_s(&b, 5);
        assert_true(pulses(&b, LEFT) > before);
        mg_sim_device_destroy(b.device);
    }
}

/* The coldest that the guide allows. */
static void test_surroundings(void **state)
{
    (void)state;
    struct bench b;
    bench_new(&b, 9);
    b.ambient_mdegc = -25000;
    b.load[RIGHT] = (struct load){230000, 5000, 0, 3};
    run_s(&b, 61);
    /* 23 degrees - 48 K at 50 ppm/K: within 0.5 %. */
    check_near(&b, "RightImpulses.Pulses", 3450 * 61 / 180, 6);
    check_near(&b, "UnitState.AmbientTemperature", -25000, 0);
    check_near(&b, "RightStatus.Flags", 0x001f0000 | 1 << 12, 0);
    mg_sim_device_destroy(b.device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_class_b),
        cmocka_unit_test(test_no_load),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_fast_path),
        cmocka_unit_test(test_supply),
        cmocka_unit_test(test_start_up_faults),
        cmocka_unit_test(test_surroundings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
