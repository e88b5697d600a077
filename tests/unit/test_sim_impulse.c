/* The impulse LED: where in a tick it is lit, and what that is worth in a test
 * of few impulses. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "sim/device.h"
#include "sim/impulse.h"

/* ---- The walk ---- */

#define LIT_MAX 64

struct lit {
    uint32_t sample[LIT_MAX];
    unsigned n;
};

static void note(void *ctx, uint32_t sample)
{
    struct lit *lit = ctx;
    assert_true(lit->n < LIT_MAX);
    lit->sample[lit->n++] = sample;
}

static struct mg_fw_circuit at(double impulses)
{
    uint64_t q32 = (uint64_t)(impulses * 4294967296.0);
    return (struct mg_fw_circuit){.n_pulses = q32 >> 32,
                                  .rest_q32 = (uint32_t)q32};
}

static void pass(struct mg_sim_impulse *impulse, uint32_t n_ticks,
                 uint32_t n_samples, double impulses, struct lit *lit)
{
    struct mg_tick tick = {.n_ticks = n_ticks, .n_samples = n_samples};
    struct mg_fw_circuit now = at(impulses);
    lit->n = 0;
    mg_sim_impulse_tick(impulse, &tick, &now, false, note, lit);
}

static void test_walks_over_the_next_tick(void **state)
{
    (void)state;
    struct mg_sim_impulse impulse;
    struct mg_fw_circuit start = at(7.75);
    struct lit lit;
    mg_sim_impulse_start(&impulse, &start);
    pass(&impulse, 1, 100, 10.25, &lit);
    assert_int_equal(lit.n, 0); /* one tick late */
    pass(&impulse, 1, 100, 10.25, &lit);
    assert_int_equal(lit.n, 3); /* 8, 9, 10 of 7.75 to 10.25 */
    assert_int_equal(lit.sample[0], 10);
    assert_int_equal(lit.sample[1], 50);
    assert_int_equal(lit.sample[2], 90);
    pass(&impulse, 1, 100, 11.0, &lit);
    assert_int_equal(lit.n, 0);
    pass(&impulse, 1, 39, 11.0, &lit);
    assert_int_equal(lit.n, 1); /* a whole one at the very end */
    assert_int_equal(lit.sample[0], 39);
    pass(&impulse, 1, 39, 11.0, &lit);
    assert_int_equal(lit.n, 0); /* and once only */
    pass(&impulse, 1, 100, 12.5, &lit);
    pass(&impulse, 1, 100, 12.5, &lit);
    assert_int_equal(lit.n, 1);
    assert_int_equal(lit.sample[0], 67); /* 66.67: not before it is due */
}

static void test_at_the_update(void **state)
{
    (void)state;
    struct mg_sim_impulse impulse;
    struct mg_fw_circuit start = at(0.5);
    struct mg_fw_circuit now = at(4.25);
    struct mg_tick tick = {.n_ticks = 1, .n_samples = 40};
    struct lit lit;
    mg_sim_impulse_start(&impulse, &start);
    pass(&impulse, 1, 40, 2.75, &lit);
    assert_int_equal(lit.n, 0);
    /* What was due is not lost when the defect begins. */
    mg_sim_impulse_tick(&impulse, &tick, &now, true, note, &lit);
    assert_int_equal(lit.n, 4);
    assert_int_equal(lit.sample[0], 40);
    assert_int_equal(lit.sample[3], 40);
    lit.n = 0;
    mg_sim_impulse_tick(&impulse, &tick, &now, true, note, &lit);
    assert_int_equal(lit.n, 0);
}

static void test_many_ticks_as_one(void **state)
{
    (void)state;
    struct mg_sim_impulse impulse, each;
    struct mg_fw_circuit start = at(0.4);
    struct lit lit, one;
    unsigned n = 0;
    mg_sim_impulse_start(&impulse, &start);
    mg_sim_impulse_start(&each, &start);
    pass(&impulse, 1, 40, 0.6, &lit);
    pass(&each, 1, 40, 0.6, &one);
    pass(&impulse, 100, 4000, 20.6, &lit);
    for (unsigned k = 1; k <= 100; k++) {
        pass(&each, 1, 40, 0.6 + 0.2 * k, &one);
        for (unsigned j = 0; j < one.n; j++, n++) {
            uint32_t sample = 40 * (k - 1) + one.sample[j];
            assert_true(n < lit.n);
            assert_in_range(lit.sample[n], sample - 1, sample + 1);
        }
    }
    assert_int_equal(n, lit.n);
    pass(&impulse, 1, 40, 20.8, &lit);
    pass(&each, 1, 40, 20.8, &one);
    assert_int_equal(lit.n, one.n);
}

static void test_a_restart_lights_nothing(void **state)
{
    (void)state;
    struct mg_sim_impulse impulse;
    struct mg_fw_circuit start = at(1000.5);
    struct lit lit;
    mg_sim_impulse_start(&impulse, &start);
    pass(&impulse, 1, 40, 1003.5, &lit);
    pass(&impulse, 1, 40, 0.5, &lit); /* counts from 0 again */
    assert_true(lit.n <= 3);
    pass(&impulse, 1, 40, 2.25, &lit);
    assert_int_equal(lit.n, 0);
    pass(&impulse, 1, 40, 2.25, &lit);
    assert_int_equal(lit.n, 2);
}

/* ---- Repeatability ---- */

#define N_RUNS   12
#define LAMP_MAX 8192

/* 20000 imp/kWh from the sums, as a meter of 3906.25 Hz makes them; a load of
 * import alone. */
struct small {
    uint64_t impulses_q32;
};

static const struct mg_frontend frontend = {.rate_mhz = 3906250,
                                            .half_periods = 1,
                                            .n_lanes = 3,
                                            .bits = 24,
                                            .full_scale_mv = 524288,
                                            .full_scale_ma = 56000,
                                            .noise_u_mlsb = 61000,
                                            .noise_i_mlsb = 111000};

static void power_on(void *state, const struct mg_fw_env *env)
{
    (void)env;
    memset(state, 0, sizeof(struct small));
}

static void tick(void *state, const struct mg_tick *t)
{
    struct small *s = state;
    double counts =
        (double)t->lane[0].ui + (double)t->lane[1].ui + (double)t->lane[2].ui;
    double joule =
        counts / (8388608.0 * 8388608.0) * (524.288 * 56.0) / 3906.25;
    s->impulses_q32 += (uint64_t)(joule / 180.0 * 4294967296.0 + 0.5);
}

static void outputs(const void *state, struct mg_fw_outputs *ret)
{
    const struct small *s = state;
    *ret = (struct mg_fw_outputs){
        .circuit[0] = {.load_connected = true,
                       .n_pulses = s->impulses_q32 >> 32,
                       .rest_q32 = (uint32_t)s->impulses_q32}};
}

static const struct mg_firmware firmware = {.frontend = &frontend,
                                            .state_size = sizeof(struct small),
                                            .power_on = power_on,
                                            .tick = tick,
                                            .outputs = outputs};

static const struct mg_plugin plugin = {.firmware = &firmware};

struct lamp {
    uint64_t at_ns[LAMP_MAX];
    unsigned n;
};

static void see(void *ctx, uint64_t at_ns)
{
    struct lamp *lamp = ctx;
    if (lamp->n < LAMP_MAX) {
        assert_true(lamp->n == 0 || at_ns >= lamp->at_ns[lamp->n - 1]);
        lamp->at_ns[lamp->n++] = at_ns;
    }
}

/* The spread, in %, of the time that n impulses take, over a dozen runs one
 * after the other, as a test bench measures it. */
static double spread(int64_t ma, unsigned n, bool is_at_update)
{
    static struct lamp lamp;
    struct mg_sim_profile profile = {.is_fixed = true,
                                     .fixed = {.voltage_mv = 230000,
                                               .current_ma = ma,
                                               .frequency_mhz = 50013}};
    struct mg_sim_device *d =
        mg_sim_device_create(&plugin, NULL, &profile, 3, 1, 1, 9600, 0);
    assert_non_null(d);
    lamp.n = 0;
    mg_sim_device_set_path(d, MG_SIM_PATH_SAMPLES, 0);
    mg_sim_device_set_defects(
        d, &(struct mg_sim_defects){.pulses_at_update = is_at_update});
    mg_sim_device_on_pulse(d, 0, see, &lamp);
    double watt = 3 * 230e-3 * (double)ma;
    double seconds = (n * N_RUNS + 3) * 180.0 / watt;
    mg_sim_device_run(d, (uint64_t)(seconds * 1e9) + 20000000);
    mg_sim_device_destroy(d);
    assert_true(lamp.n > n * N_RUNS);
    double least = 1e30;
    double most = 0;
    for (unsigned run = 0; run < N_RUNS; run++) {
        double took = (double)(lamp.at_ns[(run + 1) * n] - lamp.at_ns[run * n]);
        double error = 100.0 * (took * 1e-9 * watt / (n * 180.0) - 1.0);
        assert_true(fabs(error) < 1.0);
        least = fmin(least, error);
        most = fmax(most, error);
    }
    return most - least;
}

/* CPIM1000 guide, "Testing": 5, 15, 100 and 300 impulses; a tenth of the limit
 * of 1 % (OIML R46). */
static void test_repeatability(void **state)
{
    (void)state;
    static const struct {
        int64_t ma;
        unsigned n;
    } points[] = {{250, 5}, {500, 15}, {5000, 100}, {32000, 300}};
    double worst = 0;
    for (size_t k = 0; k < 4; k++) {
        assert_true(spread(points[k].ma, points[k].n, false) < 0.1);
        worst = fmax(worst, spread(points[k].ma, points[k].n, true));
    }
    assert_true(worst > 0.1); /* all at the update: it fails */
}

static void test_pulses_are_the_energy(void **state)
{
    (void)state;
    static struct lamp lamp;
    struct mg_sim_profile profile = {.is_fixed = true,
                                     .fixed = {.voltage_mv = 230000,
                                               .current_ma = 16000,
                                               .frequency_mhz = 50000,
                                               .phase_cdeg = 6000}};
    struct mg_sim_device *d =
        mg_sim_device_create(&plugin, NULL, &profile, 3, 1, 1, 9600, 0);
    struct mg_fw_outputs out;
    lamp.n = 0;
    mg_sim_device_on_pulse(d, 0, see, &lamp);
    mg_sim_device_run(d, UINT64_C(60000000000));
    mg_sim_device_outputs(d, &out);
    double wh = (double)mg_sim_device_true_energy_mwh(d) / 1000;
    assert_true(fabs(wh * 20 - lamp.n) < 2);
    assert_in_range(lamp.n, out.circuit[0].n_pulses - 1,
                    out.circuit[0].n_pulses);
    /* Nobody looks: nothing is kept for later. */
    mg_sim_device_on_pulse(d, 0, NULL, NULL);
    mg_sim_device_run(d, UINT64_C(120000000000));
    unsigned n = lamp.n;
    mg_sim_device_on_pulse(d, 0, see, &lamp);
    mg_sim_device_run(d, UINT64_C(120020000000));
    assert_true(lamp.n <= n + 2);
    mg_sim_device_destroy(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walks_over_the_next_tick),
        cmocka_unit_test(test_at_the_update),
        cmocka_unit_test(test_many_ticks_as_one),
        cmocka_unit_test(test_a_restart_lights_nothing),
        cmocka_unit_test(test_repeatability),
        cmocka_unit_test(test_pulses_are_the_energy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
