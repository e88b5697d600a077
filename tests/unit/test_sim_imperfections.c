/* What a front end makes of the mains, each of its imperfections against what
 * theory says. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "sim/frontend.h"

#define N_TICKS 80 /* of 10 periods of 50 Hz each */

/* 78.125 samples per period, as most of the meters have. */
static const struct mg_frontend perfect = {.rate_mhz = 3906250,
                                           .samples_per_tick = 3125,
                                           .n_lanes = 3,
                                           .bits = 24,
                                           .full_scale_mv = 524288,
                                           .full_scale_ma = 131072};

struct means {
    double p, q, u2, i2, u, i; /* W, var, V^2, A^2, V, A */
    uint32_t n_saturated;
};

static void assert_near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance)) {
        fail_msg("got %.9g, want %.9g +- %g", got, want, tolerance);
    }
}

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

/* Mean over 16 s of whole periods. */
static void measure(const struct mg_frontend *d,
                    const struct mg_sim_mains *mains, struct means ret[3])
{
    struct mg_sim_frontend fe;
    double full = (double)(1U << (d->bits - 1));
    double volt = d->full_scale_mv * 1e-3 / full;
    double ampere = d->full_scale_ma * 1e-3 / full;
    double n = (double)N_TICKS * d->samples_per_tick;
    memset(ret, 0, 3 * sizeof *ret);
    assert_int_equal(mg_sim_frontend_init(&fe, d, 5), MG_OK);
    mg_sim_frontend_set(&fe, mains);
    for (unsigned k = 0; k < N_TICKS; k++) {
        struct mg_tick t;
        mg_sim_frontend_tick(&fe, d->samples_per_tick, &t);
        for (unsigned lane = 0; lane < d->n_lanes; lane++) {
            const struct mg_lane_sums *s = &t.lane[lane];
            ret[lane].p += (double)s->ui / n * volt * ampere;
            ret[lane].q += (double)s->uq / n * volt * ampere;
            ret[lane].u2 += (double)s->u2 / n * volt * volt;
            ret[lane].i2 += (double)s->i2 / n * ampere * ampere;
            ret[lane].u += (double)s->u_sum / n * volt;
            ret[lane].i += (double)s->i_sum / n * ampere;
            ret[lane].n_saturated += s->n_saturated;
        }
    }
}

static double power(const struct mg_frontend *d,
                    const struct mg_sim_mains *mains)
{
    struct means m[3];
    measure(d, mains, m);
    return m[0].p;
}

static void add_harmonic(struct mg_sim_mains *mains, uint8_t order,
                         uint32_t u_ppm, uint32_t i_ppm, int32_t i_cdeg)
{
    mains->harmonic[mains->n_harmonics++] = (struct mg_sim_harmonic){
        .order = order, .u_ppm = u_ppm, .i_ppm = i_ppm, .i_cdeg = i_cdeg};
}

/* ---- The filter ---- */

static void test_droop_of_sinc3(void **state)
{
    (void)state;
    static const struct {
        int64_t order;
        double percent;
    } rows[] = {{3, -0.65}, {5, -1.92},  {7, -3.8},
                {11, -9.3}, {13, -12.8}, {21, -30.6}};
    struct mg_frontend d = perfect;
    d.sinc_order = 3;
    assert_near(mg_sim_droop(&d, 50000), 1.0, 1e-15);
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        double x = M_PI * (double)rows[k].order * 50.0 / 3906.25;
        double one = M_PI * 50.0 / 3906.25;
        double want = pow(sin(x) / x / (sin(one) / one), 3);
        double got = mg_sim_droop(&d, rows[k].order * 50000);
        assert_near(got, want, 1e-14);
        assert_near((got - 1.0) * 100, rows[k].percent, 0.06);
    }
}

/* EN 50470-3: 10 % of U, 40 % of I, in phase: 1.04 of the fundamental's power,
 * of which 0.04 is attenuated twice. */
static void test_fifth_harmonic(void **state)
{
    (void)state;
    struct mg_frontend d = perfect;
    struct mg_sim_mains mains = mains_of(16000, 0);
    add_harmonic(&mains, 5, 100000, 400000, 0);
    assert_near(power(&d, &mains), 230.0 * 16.0 * 1.04, 1e-3);
    d.sinc_order = 3;
    double error = power(&d, &mains) / (230.0 * 16.0 * 1.04) - 1.0;
    assert_near(error * 100, -0.147, 0.002);
}

static void test_harmonics_against_their_definition(void **state)
{
    (void)state;
    struct mg_sim_mains mains = mains_of(10000, 3000);
    add_harmonic(&mains, 3, 50000, 200000, 4500);
    add_harmonic(&mains, 2, 20000, 100000, -9000);
    mains.harmonic[1].u_cdeg = 1000;
    struct means m[3];
    measure(&perfect, &mains, m);
    for (unsigned lane = 0; lane < 3; lane++) {
        double s = 2300.0;
        /* A harmonic's current is order times 30 degrees behind. */
        double third = s * 0.05 * 0.2 * cos((-90 + 45) * M_PI / 180);
        double second = s * 0.02 * 0.1 * cos((-60 - 90 - 10) * M_PI / 180);
        assert_near(m[lane].p, s * cos(M_PI / 6) + third + second, 2e-3);
        /* The voltage is late by as many quarters as the order says. */
        double third_q = s * 0.05 * 0.2 * cos((45 - 270) * M_PI / 180);
        double second_q = s * 0.02 * 0.1 * cos((160 - 180) * M_PI / 180);
        assert_near(m[lane].q, s * 0.5 + third_q + second_q, 2e-3);
        assert_near(m[lane].u2, 52900 * (1 + 0.0025 + 0.0004), 0.05);
        assert_near(m[lane].i2, 100 * (1 + 0.04 + 0.01), 1e-4);
    }
}

/* ---- Angles ---- */

static void test_skew(void **state)
{
    (void)state;
    struct mg_sim_mains mains = mains_of(10000, 6000);
    struct mg_frontend d = perfect;
    d.skew_ns = 1000;
    double right = power(&perfect, &mains);
    /* 1 us is 0.018 degree of 50 Hz; a later current seems less behind. */
    double want = cos((60 - 0.018) * M_PI / 180) / cos(60 * M_PI / 180) - 1;
    assert_near(want * 100, 0.0544, 0.0002);
    assert_near((power(&d, &mains) / right - 1) * 100, want * 100, 1e-4);
    mains.frequency_mhz = 60000;
    right = power(&perfect, &mains);
    assert_near((power(&d, &mains) / right - 1) * 100, want * 120, 2e-3);
}

static void test_reversed_sequence_and_lost_phases(void **state)
{
    (void)state;
    struct mg_sim_mains mains = mains_of(10000, 6000);
    struct means m[3];
    mains.phase[1].angle_cdeg = 12000;
    mains.phase[2].angle_cdeg = -12000;
    measure(&perfect, &mains, m);
    for (unsigned lane = 0; lane < 3; lane++) {
        assert_near(m[lane].p, 1150.0, 1e-3);
        assert_near(m[lane].q, 2300.0 * sin(M_PI / 3), 1e-3);
    }
    mains.phase[1].voltage_mv = 0;
    mains.phase[2].current_ma = 2500;
    mains.phase[2].phase_cdeg = 18000;
    measure(&perfect, &mains, m);
    assert_near(m[0].p, 1150.0, 1e-3);
    assert_near(m[1].p, 0.0, 1e-3);
    assert_near(m[1].i2, 100.0, 1e-3);
    assert_near(m[2].p, -575.0, 1e-3);
}

/* ---- Gain ---- */

static void test_drift_by_temperature(void **state)
{
    (void)state;
    struct mg_sim_mains mains = mains_of(10000, 0);
    struct mg_frontend d = perfect;
    double right = power(&d, &mains);
    d.drift_u_ppb = 30000;
    d.drift_i_ppb = -10000;
    assert_near(power(&d, &mains) / right, 1.0, 1e-9);
    mains.ambient_mdegc = 53000;
    assert_near(power(&d, &mains) / right - 1, 1.0009 * 0.9997 - 1, 1e-7);
    mains.ambient_mdegc = -17000;
    assert_near(power(&d, &mains) / right - 1, 0.9988 * 1.0004 - 1, 1e-7);
}

/* ---- Direct current and shapes ---- */

static void test_direct_current(void **state)
{
    (void)state;
    struct mg_sim_mains mains = mains_of(10000, 0);
    struct mg_frontend d = perfect;
    struct means m[3];
    mains.phase[0].dc_mv = 1000;
    mains.phase[0].dc_ma = 2000;
    measure(&d, &mains, m);
    assert_near(m[0].p, 2302.0, 1e-3);
    assert_near(m[0].u, 1.0, 1e-4);
    assert_near(m[0].i, 2.0, 1e-4);
    assert_near(m[1].i, 0.0, 1e-4);
    d.current_sensor = MG_SENSOR_TRANSFORMER;
    measure(&d, &mains, m);
    assert_near(m[0].p, 2300.0, 1e-3);
    assert_near(m[0].i, 0.0, 1e-4);
}

static void test_half_wave(void **state)
{
    (void)state;
    struct mg_sim_mains mains = mains_of(20000, 3000);
    struct mg_frontend d = perfect;
    struct means m[3];
    /* The droop is right at 50 Hz, and so not at 0. */
    double mean = 20.0 * M_SQRT2 / M_PI * 1.00027;
    mains.shape = MG_SIM_HALF_WAVE;
    measure(&d, &mains, m);
    for (unsigned lane = 0; lane < 3; lane++) {
        assert_near(m[lane].p, 2300.0 * cos(M_PI / 6), 0.05);
        assert_near(m[lane].q, 1150.0, 0.05);
        assert_near(m[lane].i, mean, 2e-4);
        assert_near(m[lane].i2, 200.0, 0.02);
    }
    d.current_sensor = MG_SENSOR_TRANSFORMER;
    measure(&d, &mains, m);
    assert_near(m[0].p, 2300.0 * cos(M_PI / 6), 0.05);
    assert_near(m[0].i, 0.0, 1e-4);
    assert_near(m[0].i2, 200.0 - mean * mean, 0.02);
}

static void test_phase_fired(void **state)
{
    (void)state;
    struct mg_sim_mains mains = mains_of(20000, 0);
    struct means m[3];
    mains.shape = MG_SIM_PHASE_FIRED;
    mains.frequency_mhz = 51250; /* the cut falls everywhere in a sample */
    measure(&perfect, &mains, m);
    assert_near(m[0].p, 2300.0, 0.05);
    assert_near(m[0].q, 4600.0 / M_PI, 0.05);
    /* A sample at the crest has the part f of it in mean, but f^2 of its
     * square: a sixth is lost, in each 38.11th sample. */
    assert_near(m[0].i2, 200.0 - 800.0 / 6 / 38.11, 0.02);
    assert_near(m[0].i, 0.0, 0.01);
}

static void test_burst_fired(void **state)
{
    (void)state;
    struct mg_sim_mains mains = mains_of(20000, 6000);
    struct means m[3];
    mains.shape = MG_SIM_BURST_FIRED;
    measure(&perfect, &mains, m);
    for (unsigned lane = 0; lane < 3; lane++) {
        assert_near(m[lane].p, 1150.0, 0.05);
        assert_near(m[lane].i2, 200.0, 0.02);
    }
}

/* Two periods on, two off: each lane, whatever its angle. */
static void test_burst_is_four_periods(void **state)
{
    (void)state;
    struct mg_frontend d = perfect;
    struct mg_sim_frontend fe;
    struct mg_sim_mains mains = mains_of(20000, 0);
    unsigned n_changes = 0;
    bool was_on = false;
    d.samples_per_tick = 5;
    mains.shape = MG_SIM_BURST_FIRED;
    assert_int_equal(mg_sim_frontend_init(&fe, &d, 5), MG_OK);
    mg_sim_frontend_set(&fe, &mains);
    for (unsigned k = 0; k < 625; k++) { /* 40 periods */
        struct mg_tick t;
        mg_sim_frontend_tick(&fe, 5, &t);
        bool is_on = t.lane[1].i2 > 0;
        n_changes += is_on != was_on;
        was_on = is_on;
    }
    assert_in_range(n_changes, 19, 21);
}

/* ---- Transients ---- */

static void test_spikes(void **state)
{
    (void)state;
    struct mg_sim_mains mains = mains_of(0, 0);
    struct means m[3];
    for (unsigned lane = 0; lane < 3; lane++) {
        mains.phase[lane].voltage_mv = 0;
    }
    mains.spikes =
        (struct mg_sim_spikes){.per_s = 30, .peak_mv = 200000, .peak_ma = 7000};
    measure(&perfect, &mains, m);
    double n = 0;
    for (unsigned lane = 0; lane < 3; lane++) {
        n += m[lane].u2 / 40000 * N_TICKS * 3125;
        assert_near(m[lane].i2 / 49, m[lane].u2 / 40000, 1e-9);
    }
    assert_near(n, 30 * N_TICKS * 0.8, 60); /* sigma 16: even pauses */
}

static void test_ringing(void **state)
{
    (void)state;
    struct mg_frontend d = perfect;
    struct mg_sim_frontend fe;
    struct mg_sim_mains mains = mains_of(0, 0);
    struct mg_tick t;
    double volt = 524.288 / 8388608.0;
    mains.phase[0].voltage_mv = mains.phase[1].voltage_mv = 0;
    mains.phase[2].voltage_mv = 0;
    mains.ringing = (struct mg_sim_ringing){.start_ns = 2000000000,
                                            .peak_mv = 100000,
                                            .frequency_hz = 600,
                                            .decay_us = 50000};
    assert_int_equal(mg_sim_frontend_init(&fe, &d, 5), MG_OK);
    mg_sim_frontend_set(&fe, &mains);
    fe.now_ns = 1000000000;
    mg_sim_frontend_tick(&fe, 3125, &t); /* until 1.8 s */
    assert_true(t.lane[0].u2 == 0);
    fe.now_ns += 800000000;
    mg_sim_frontend_tick(&fe, 3125, &t);
    /* peak^2 / 2 * decay / 2, in V^2 s */
    double energy = (double)t.lane[0].u2 * volt * volt / 3906.25;
    assert_near(energy, 100.0 * 100.0 / 4 * 0.05, 0.5);
    assert_true(t.lane[2].u2 == t.lane[0].u2);
    assert_true(t.lane[0].i2 == 0);
    fe.now_ns += 800000000;
    mg_sim_frontend_tick(&fe, 3125, &t);
    fe.now_ns += 800000000;
    mg_sim_frontend_tick(&fe, 3125, &t);
    assert_true(t.lane[0].u2 == 0); /* over */
}

/* ---- Bounds ---- */

static void test_clipping_is_foreseen(void **state)
{
    (void)state;
    static const int64_t currents_ma[] = {92600, 92700, 130000};
    struct mg_sim_waves w;
    for (size_t k = 0; k < 3; k++) {
        struct mg_sim_mains mains = mains_of(currents_ma[k], 0);
        struct means m[3];
        mg_sim_waves_make(&perfect, &mains, &w);
        measure(&perfect, &mains, m);
        assert_int_equal(w.may_clip, k > 0); /* 131.072 A / sqrt 2 = 92.68 */
        assert_true((m[0].n_saturated > 0) == (k > 0));
    }
    struct mg_sim_mains mains = mains_of(90000, 0);
    mg_sim_waves_make(&perfect, &mains, &w);
    assert_false(w.may_clip);
    add_harmonic(&mains, 3, 0, 40000, 0);
    mg_sim_waves_make(&perfect, &mains, &w);
    assert_true(w.may_clip);
}

/* A field that a comparison forgot would leave the waves as they were. */
static void test_every_change_of_the_mains_is_seen(void **state)
{
    (void)state;
    struct mg_sim_mains a, b;
    memset(&a, 0, sizeof a);
    a.n_harmonics = MG_SIM_HARMONICS_MAX;
    b = a;
    assert_true(mg_sim_mains_is_same(&a, &b));
    size_t n_seen = 0;
    for (size_t k = 0; k < sizeof b; k++) {
        ((uint8_t *)&b)[k] ^= 1;
        n_seen += !mg_sim_mains_is_same(&a, &b);
        ((uint8_t *)&b)[k] ^= 1;
    }
    size_t phase = 2 * 8 + 4 * 4;
    size_t harmonic = 1 + 4 * 4;
    size_t others = 8 + 4 + 1 + 1 + (4 + 8 + 8) + (8 + 8 + 4 + 4);
    assert_int_equal(n_seen, MG_LANES_MAX * phase +
                                 MG_SIM_HARMONICS_MAX * harmonic + others);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_droop_of_sinc3),
        cmocka_unit_test(test_fifth_harmonic),
        cmocka_unit_test(test_harmonics_against_their_definition),
        cmocka_unit_test(test_skew),
        cmocka_unit_test(test_reversed_sequence_and_lost_phases),
        cmocka_unit_test(test_drift_by_temperature),
        cmocka_unit_test(test_direct_current),
        cmocka_unit_test(test_half_wave),
        cmocka_unit_test(test_phase_fired),
        cmocka_unit_test(test_burst_fired),
        cmocka_unit_test(test_burst_is_four_periods),
        cmocka_unit_test(test_spikes),
        cmocka_unit_test(test_ringing),
        cmocka_unit_test(test_clipping_is_foreseen),
        cmocka_unit_test(test_every_change_of_the_mains_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
