/* The bench's truth, a formula for the mean power, against the simulation's,
 * which adds up tick by tick; and the source at its points. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run/plugins.h"
#include "sim/truth.h"
#include "typetest/bench.h"

#define UW_S_PER_WH 3.6e9
#define LONG_S      80 /* whole bursts of 80 ms */

static struct mg_typetest_settings settings(void)
{
    static struct mg_plugins plugins;
    static char options[4096];
    struct mg_err err = {0};
    if (plugins.n == 0 &&
        mg_plugins_load(&plugins, MG_TEST_PLUGINS, &err) != MG_OK) {
        fail_msg("%s", err.text);
    }
    const struct mg_plugin *p = mg_plugins_find(&plugins, "wm3m4c");
    assert_non_null(p);
    assert_true(p->options_size <= sizeof options);
    mg_options_default(p->options, p->n_options, options);
    return (struct mg_typetest_settings){
        .plugin = p, .options = options, .seed = 3, .n_threads = 1};
}

static void assert_close(double a, double b, double ratio)
{
    double by = a > b ? a - b : b - a;
    if (by > ratio * (b < 0 ? -b : b)) {
        fail_msg("%.9g is not near %.9g", a, b);
    }
}

static double true_wh(const struct bench *bench)
{
    const struct mg_sim_energies *e =
        &mg_sim_device_truth(bench->device)->circuit[0];
    return mg_sim_energy_wh(&e->import) - mg_sim_energy_wh(&e->export);
}

static void compare(const struct bench_point *point,
                    void (*change)(struct mg_sim_mains *))
{
    struct mg_typetest_settings s = settings();
    struct bench bench;
    struct mg_sim_mains mains;
    assert_int_equal(bench_open(&bench, &s), MG_OK);
    bench_mains(&bench, point, &mains);
    if (change != NULL) {
        change(&mains);
    }
    bench_apply(&bench, &mains);
    bench_run(&bench, BENCH_S);
    uint64_t from_ns = mg_sim_device_now_ns(bench.device);
    double from = true_wh(&bench);
    bench_run(&bench, LONG_S * BENCH_S);
    double passed_s =
        (double)(mg_sim_device_now_ns(bench.device) - from_ns) * 1e-9;
    assert_close(true_wh(&bench) - from,
                 bench_power_uw(&bench) * passed_s / UW_S_PER_WH, 2e-4);
    bench_close(&bench);
}

static void add_harmonics(struct mg_sim_mains *m)
{
    m->n_harmonics = 2;
    m->harmonic[0] =
        (struct mg_sim_harmonic){.order = 5, .u_ppm = 100000, .i_ppm = 400000};
    m->harmonic[1] = (struct mg_sim_harmonic){.order = 3,
                                              .u_ppm = 50000,
                                              .i_ppm = 300000,
                                              .u_cdeg = 3000,
                                              .i_cdeg = -9000};
}

static void cut_half_waves(struct mg_sim_mains *m)
{
    m->shape = MG_SIM_HALF_WAVE;
}

static void fire_phases(struct mg_sim_mains *m)
{
    m->shape = MG_SIM_PHASE_FIRED;
}

static void fire_bursts(struct mg_sim_mains *m)
{
    m->shape = MG_SIM_BURST_FIRED;
}

static void test_truth(void **state)
{
    static void (*const changes[])(struct mg_sim_mains *) = {
        NULL, add_harmonics, cut_half_waves, fire_phases, fire_bursts};
    (void)state;
    for (size_t k = 0; k < sizeof changes / sizeof *changes; k++) {
        compare(&(struct bench_point){.current_ma = 5000}, changes[k]);
    }
    compare(
        &(struct bench_point){.current_ma = 700, .factor = MG_FACTOR_05_IND},
        add_harmonics);
    compare(&(struct bench_point){.current_ma = 700,
                                  .factor = MG_FACTOR_08_CAP,
                                  .load = MG_LOAD_SINGLE,
                                  .phase = 1,
                                  .is_export = true},
            NULL);
}

/* 230 V, 5 A, three phases: 3450 W at power factor 1. */
static void test_points(void **state)
{
    static const double factors[MG_N_FACTORS] = {1, 0.5, 0.8, 0.25, 0.5};
    struct mg_typetest_settings s = settings();
    struct bench bench;
    struct mg_sim_mains mains;
    (void)state;
    assert_int_equal(bench_open(&bench, &s), MG_OK);
    for (unsigned f = 0; f < MG_N_FACTORS; f++) {
        struct bench_point point = {.current_ma = 5000, .factor = (uint8_t)f};
        bench_mains(&bench, &point, &mains);
        bench_apply(&bench, &mains);
        assert_close(bench_power_uw(&bench), 3450e6 * factors[f], 1e-3);
        point.is_export = true;
        bench_mains(&bench, &point, &mains);
        bench_apply(&bench, &mains);
        assert_close(bench_power_uw(&bench), -3450e6 * factors[f], 1e-3);
        point.is_export = false;
        point.is_reactive = true;
        bench_mains(&bench, &point, &mains);
        bench_apply(&bench, &mains);
        double sign = f == MG_FACTOR_08_CAP || f == MG_FACTOR_05_CAP ? -1 : 1;
        assert_close(bench_reactive_uvar(&bench), sign * 3450e6 * factors[f],
                     1e-3);
    }
    /* One phase of three: 1150 W, an impulse of 1 Wh in 3.13 s. */
    struct bench_point single = {.current_ma = 5000, .load = MG_LOAD_SINGLE};
    bench_mains(&bench, &single, &mains);
    bench_apply(&bench, &mains);
    assert_close(bench_period_ns(&bench), 3600e9 / 1150, 1e-6);
    bench_close(&bench);
}

static void test_ppb(void **state)
{
    (void)state;
    assert_int_equal(bench_ppb(101, 100), 10000000);
    assert_int_equal(bench_ppb(99, 100), -10000000);
    assert_int_equal(bench_ppb(100, 100), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truth),
        cmocka_unit_test(test_points),
        cmocka_unit_test(test_ppb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
