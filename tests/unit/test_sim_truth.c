/* The truth against theory, and against what perfect samples say of the same
 * time. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "sim/frontend.h"
#include "sim/truth.h"

#define RATE_MHZ 3906250U
#define HOUR     14062500U /* samples */

static struct mg_sim_mains mains_of(int64_t ma, int32_t cdeg)
{
    struct mg_sim_mains mains;
    mg_sim_mains_balanced(&(struct mg_sim_load){.voltage_mv = 230000,
                                                .current_ma = ma,
                                                .frequency_mhz = 50000,
                                                .phase_cdeg = cdeg},
                          &mains);
    return mains;
}

static struct mg_sim_truth hour_of(const struct mg_sim_mains *mains,
                                   unsigned n_lanes)
{
    struct mg_sim_truth truth;
    memset(&truth, 0, sizeof truth);
    mg_sim_truth_set(&truth, mains, n_lanes);
    mg_phase_turn step = mg_mains_step(mains->frequency_mhz, RATE_MHZ);
    mg_phase_turn x = 12345;
    for (unsigned k = 0; k < 3600 * 50; k++) { /* ticks of 78 and 79 samples */
        uint32_t n = k % 8 == 0 ? 79 : 78;
        mg_sim_truth_tick(&truth, n_lanes, x, step, n, RATE_MHZ);
        x += n * step;
    }
    return truth;
}

static void assert_wh(const struct mg_sim_energy *e, double want)
{
    double got = mg_sim_energy_wh(e);
    if (fabs(got - want) > 1e-6 * want + 2e-3) {
        fail_msg("got %.9g Wh, want %.9g", got, want);
    }
}

static void test_an_hour(void **state)
{
    (void)state;
    struct mg_sim_mains mains = mains_of(10000, 6000);
    struct mg_sim_truth t = hour_of(&mains, 6);
    for (unsigned c = 0; c < 2; c++) {
        assert_wh(&t.circuit[c].import, 3450.0);
        assert_wh(&t.circuit[c].export, 0.0);
        assert_wh(&t.circuit[c].q_import, 6900.0 * sin(M_PI / 3));
        assert_wh(&t.circuit[c].q_export, 0.0);
    }
    assert_wh(&t.phase[4].import, 1150.0);
    mains = mains_of(10000, 12000 + 18000);
    t = hour_of(&mains, 3);
    assert_wh(&t.circuit[0].import, 3450.0);
    assert_wh(&t.circuit[0].q_export, 6900.0 * sin(M_PI / 3));
    assert_wh(&t.circuit[1].import, 0.0);
}

static void test_netting(void **state)
{
    (void)state;
    struct mg_sim_mains mains = mains_of(10000, 0);
    mains.phase[1].phase_cdeg = 18000;
    mains.phase[2].current_ma = 1000;
    mains.phase[2].phase_cdeg = 18000;
    struct mg_sim_truth t = hour_of(&mains, 3);
    assert_wh(&t.circuit[0].import, 0.0);
    assert_wh(&t.circuit[0].export, 230.0);
    assert_wh(&t.phase[0].import, 2300.0);
    assert_wh(&t.phase[1].export, 2300.0);
    assert_wh(&t.phase[1].import, 0.0);
}

static void test_everything_that_has_power(void **state)
{
    (void)state;
    struct mg_sim_mains mains = mains_of(10000, 3000);
    mains.phase[0].dc_mv = 2000;
    mains.phase[0].dc_ma = -500;
    mains.n_harmonics = 1;
    mains.harmonic[0] = (struct mg_sim_harmonic){
        .order = 5, .u_ppm = 100000, .i_ppm = 400000, .i_cdeg = 1000};
    struct mg_sim_truth t = hour_of(&mains, 3);
    double own = 2300 * cos(M_PI / 6);
    double fifth = 92 * cos((10 - 150) * M_PI / 180);
    assert_wh(&t.phase[0].import, own + fifth - 1.0);
    assert_wh(&t.phase[1].import, own + fifth);
    assert_wh(&t.phase[1].q_import, 1150.0); /* of the fundamental */
    static const struct {
        uint8_t shape;
        double p, q;
    } shapes[] = {
        {MG_SIM_HALF_WAVE, 0.5 * 2300 * 0.8660254, 0.5 * 1150},
        {MG_SIM_BURST_FIRED, 0.5 * 2300 * 0.8660254, 0.5 * 1150},
        {MG_SIM_PHASE_FIRED, 1150 * 0.8660254 - 1150 / M_PI,
         1150 * 0.5 + 2300 * 0.8660254 / M_PI},
    };
    for (size_t k = 0; k < 3; k++) {
        mains = mains_of(10000, 3000);
        mains.shape = shapes[k].shape;
        t = hour_of(&mains, 3);
        assert_wh(&t.phase[2].import, shapes[k].p);
        assert_wh(&t.phase[2].q_import, shapes[k].q);
    }
}

/* Of any window whatever: what samples without imperfections add up to. */
static void compare_with_samples(const struct mg_sim_mains *mains,
                                 double ppm_of_s)
{
    static const struct mg_frontend perfect = {.rate_mhz = RATE_MHZ,
                                               .half_periods = 1,
                                               .n_lanes = 3,
                                               .bits = 24,
                                               .full_scale_mv = 524288,
                                               .full_scale_ma = 131072};
    struct mg_sim_frontend fe;
    struct mg_sim_truth truth;
    struct mg_tick t;
    double joule[3] = {0};
    memset(&truth, 0, sizeof truth);
    assert_int_equal(mg_sim_frontend_init(&fe, &perfect, 9), MG_OK);
    mg_sim_frontend_set(&fe, mains);
    mg_sim_truth_set(&truth, mains, 3);
    uint32_t total = 0;
    for (unsigned k = 0; k < 400; k++) {
        uint32_t n = 1 + (k * 37) % 97;
        total += n;
        mg_sim_truth_tick(&truth, 3, fe.phase, fe.waves.step, n, RATE_MHZ);
        mg_sim_frontend_tick(&fe, n, &t);
        for (unsigned lane = 0; lane < 3; lane++) {
            joule[lane] += (double)t.lane[lane].ui * (524.288 * 131.072) /
                           (8388608.0 * 8388608.0 * 3906.25);
            double true_j =
                3600 * (mg_sim_energy_wh(&truth.phase[lane].import) -
                        mg_sim_energy_wh(&truth.phase[lane].export));
            double s = 2300.0 * total / 3906.25; /* VA s */
            double off = fabs(joule[lane] - true_j);
            if (off > ppm_of_s * 1e-6 * s + 1e-2) {
                fail_msg("%u samples, phase %u: %.6f J, truth %.6f", total,
                         lane + 1, joule[lane], true_j);
            }
        }
    }
}

static void test_windows_of_any_length(void **state)
{
    (void)state;
    struct mg_sim_mains mains = mains_of(10000, 0);
    /* The sum of sines stands for 1.0011 times their integral between its
     * ends: of a ripple of 3.7 J at each that is 8 mJ. */
    compare_with_samples(&mains, 3);
    mains = mains_of(10000, 9000);
    mains.frequency_mhz = 51170;
    compare_with_samples(&mains, 3);
    mains.phase[0].dc_ma = 3000;
    compare_with_samples(&mains, 3);
}

/* However the time is cut into ticks, to 1e-9 J each. */
static void test_the_sum_is_the_same(void **state)
{
    (void)state;
    struct mg_sim_mains mains = mains_of(7321, 1234);
    struct mg_sim_truth many, one;
    mg_phase_turn step = mg_mains_step(50000, RATE_MHZ);
    memset(&many, 0, sizeof many);
    memset(&one, 0, sizeof one);
    mg_sim_truth_set(&many, &mains, 3);
    mg_sim_truth_set(&one, &mains, 3);
    for (unsigned k = 0; k < 1000; k++) {
        mg_sim_truth_tick(&many, 3, k * 40 * step, step, 40, RATE_MHZ);
    }
    mg_sim_truth_tick(&one, 3, 0, step, 40000, RATE_MHZ);
    assert_true(fabs(mg_sim_energy_wh(&many.circuit[0].import) -
                     mg_sim_energy_wh(&one.circuit[0].import)) < 2e-9);
}

/* After a power cut the mains are somewhere else. */
static void test_a_leap_of_the_phase(void **state)
{
    (void)state;
    struct mg_sim_mains mains = mains_of(10000, 4500);
    struct mg_sim_truth old, new;
    mg_phase_turn step = mg_mains_step(50000, RATE_MHZ);
    memset(&old, 0, sizeof old);
    memset(&new, 0, sizeof new);
    mg_sim_truth_set(&old, &mains, 1);
    mg_sim_truth_set(&new, &mains, 1);
    mg_sim_truth_tick(&old, 1, 0, step, 17, RATE_MHZ);
    double before = mg_sim_energy_wh(&old.phase[0].import);
    mg_sim_truth_tick(&old, 1, MG_TURN_QUARTER, step, 23, RATE_MHZ);
    mg_sim_truth_tick(&new, 1, MG_TURN_QUARTER, step, 23, RATE_MHZ);
    double both = mg_sim_energy_wh(&old.phase[0].import);
    assert_true(fabs(both - before - mg_sim_energy_wh(&new.phase[0].import)) <
                1e-11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_hour),
        cmocka_unit_test(test_netting),
        cmocka_unit_test(test_everything_that_has_power),
        cmocka_unit_test(test_windows_of_any_length),
        cmocka_unit_test(test_the_sum_is_the_same),
        cmocka_unit_test(test_a_leap_of_the_phase),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
