/* The analogue front end: its sums against what the mathematics of sinusoids
 * says they must be, and against themselves on other compilers. */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "sim/frontend.h"

/* 80 samples per period of 50 Hz, 10 periods per tick. */
static const struct mg_frontend plain = {.rate_mhz = 4000000,
                                         .samples_per_tick = 800,
                                         .n_lanes = 1,
                                         .bits = 24,
                                         .full_scale_mv = 400000,
                                         .full_scale_ma = 100000};

static const struct mg_sim_load lagging = {.voltage_mv = 230000,
                                           .current_ma = 10000,
                                           .frequency_mhz = 50000,
                                           .phase_cdeg = 6000};

/* rms counts of the plain front end */
static const double rms_u = 230.0 / 400.0 * 8388608.0;
static const double rms_i = 10.0 / 100.0 * 8388608.0;

static void set_load(struct mg_sim_frontend *fe, const struct mg_sim_load *load)
{
    struct mg_sim_mains mains;
    mg_sim_mains_balanced(load, &mains);
    mg_sim_frontend_set(fe, &mains);
}

static struct mg_tick one_tick(const struct mg_frontend *d,
                               const struct mg_sim_load *load)
{
    struct mg_sim_frontend fe;
    struct mg_tick tick;
    assert_int_equal(mg_sim_frontend_init(&fe, d, 7), MG_OK);
    set_load(&fe, load);
    mg_sim_frontend_tick(&fe, mg_sim_frontend_tick_samples(&fe), &tick);
    return tick;
}

static void assert_near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance)) {
        fail_msg("got %.9g, want %.9g +- %g", got, want, tolerance);
    }
}

static void test_sine(void **state)
{
    (void)state;
    uint64_t turn = 0;
    for (unsigned n = 0; n < 100000; n++) {
        double s, c;
        mg_sincos(turn, &s, &c);
        long double x = (long double)turn * M_PIl / 9223372036854775808.0L;
        assert_near(s, (double)sinl(x), 3e-16);
        assert_near(c, (double)cosl(x), 3e-16);
        turn += 0x0123456789abcdefU;
    }
}

static void test_power_and_squares(void **state)
{
    (void)state;
    struct mg_tick t = one_tick(&plain, &lagging);
    assert_int_equal(t.n_samples, 800);
    assert_near((double)t.lane[0].u2 / 800, rms_u * rms_u,
                1e-7 * rms_u * rms_u);
    assert_near((double)t.lane[0].i2 / 800, rms_i * rms_i,
                1e-6 * rms_i * rms_i);
    assert_near((double)t.lane[0].ui / 800, rms_u * rms_i * cos(M_PI / 3),
                1e-6 * rms_u * rms_i);
    assert_int_equal(t.lane[0].n_saturated, 0);
}

static void test_reactive_power_of_lagging_current_is_positive(void **state)
{
    (void)state;
    double want = rms_u * rms_i * sin(M_PI / 3);
    struct mg_sim_load load = lagging;
    struct mg_tick t = one_tick(&plain, &load);
    assert_near((double)t.lane[0].uq / 800, want, 1e-6 * want);
    load.phase_cdeg = -6000;
    t = one_tick(&plain, &load);
    assert_near((double)t.lane[0].uq / 800, -want, 1e-6 * want);
    load.phase_cdeg = 18000; /* export */
    t = one_tick(&plain, &load);
    assert_near((double)t.lane[0].ui / 800, -rms_u * rms_i,
                1e-6 * rms_u * rms_i);
}

static void test_phase_error_shows_at_half_power_factor(void **state)
{
    (void)state;
    struct mg_frontend d = plain;
    double right = (double)one_tick(&d, &lagging).lane[0].ui;
    d.phase_error_cdeg = 40;
    double wrong = (double)one_tick(&d, &lagging).lane[0].ui;
    /* cos 60.4 / cos 60 */
    assert_near((wrong / right - 1) * 100, -1.2116, 0.001);
}

static void test_gain_and_offset(void **state)
{
    (void)state;
    struct mg_frontend d = plain;
    double right = (double)one_tick(&d, &lagging).lane[0].ui;
    d.gain_u_ppm = 3000;
    d.gain_i_ppm = -1000;
    double wrong = (double)one_tick(&d, &lagging).lane[0].ui;
    assert_near(wrong / right, 1.003 * 0.999, 1e-6);
    d.offset_u_lsb = 100;
    d.offset_i_lsb = -30;
    struct mg_tick t = one_tick(&d, &lagging);
    assert_near((double)t.lane[0].u_sum, 800 * 100, 40);
    assert_near((double)t.lane[0].i_sum, 800 * -30, 40);
}

static void test_clipping_is_counted(void **state)
{
    (void)state;
    struct mg_sim_load load = lagging;
    load.current_ma = 200000; /* peak 2.83 times full scale */
    struct mg_tick t = one_tick(&plain, &load);
    /* Of each quarter wave the part above asin(1 / 2.83) is clipped. */
    double part = 1 - asin(1 / (2 * M_SQRT2)) / (M_PI / 2);
    assert_near(t.lane[0].n_saturated, 800 * part, 20);
    assert_true((double)t.lane[0].i2 <= 800 * 8388608.0 * 8388608.0);
}

static void test_coarse_converter_rounds_half_lsb(void **state)
{
    (void)state;
    struct mg_frontend d = plain;
    struct mg_sim_load load = lagging;
    d.bits = 8;
    load.current_ma = 200; /* peak 0.36 LSB of 100 A / 128: never seen */
    assert_true(one_tick(&d, &load).lane[0].i2 == 0);
    load.current_ma = 300; /* peak 0.54 LSB: some samples are 1 */
    int64_t i2 = one_tick(&d, &load).lane[0].i2;
    assert_true(i2 > 0 && i2 < 800);
}

static void test_noise_has_the_declared_size(void **state)
{
    (void)state;
    struct mg_frontend d = plain;
    struct mg_sim_load none = {.frequency_mhz = 50000};
    struct mg_sim_frontend fe;
    struct mg_tick t;
    double u2 = 0, i2 = 0, sum = 0, ui = 0;
    d.noise_u_mlsb = 4000;
    d.noise_i_mlsb = 10000;
    assert_int_equal(mg_sim_frontend_init(&fe, &d, 1), MG_OK);
    set_load(&fe, &none);
    for (unsigned n = 0; n < 100; n++) {
        mg_sim_frontend_tick(&fe, 800, &t);
        u2 += (double)t.lane[0].u2 / 80000;
        i2 += (double)t.lane[0].i2 / 80000;
        ui += (double)t.lane[0].ui / 80000;
        sum += (double)t.lane[0].u_sum / 80000;
    }
    /* Rounding adds a twelfth; 80,000 draws are within 1 %. */
    assert_near(u2, 16 + 1.0 / 12, 0.16);
    assert_near(i2, 100 + 1.0 / 12, 1.0);
    assert_near(sum, 0, 0.06); /* 4 sigma */
    assert_near(ui, 0, 0.6);   /* voltage and current independently */
}

static void test_crossings_give_the_frequency(void **state)
{
    (void)state;
    static const int64_t frequencies_mhz[] = {45000, 49950, 50000, 50013,
                                              65000};
    for (size_t k = 0; k < 5; k++) {
        struct mg_sim_load load = lagging;
        load.frequency_mhz = frequencies_mhz[k];
        struct mg_tick t = one_tick(&plain, &load);
        assert_true(t.n_crossings >= 8);
        double periods = (double)(t.n_crossings - 1);
        double mhz = periods * 4000000.0 * 256 / t.crossing_span_q8;
        assert_near(mhz, (double)frequencies_mhz[k], 1.0);
    }
    struct mg_sim_load dead = {.frequency_mhz = 50000};
    struct mg_tick t = one_tick(&plain, &dead);
    assert_int_equal(t.n_crossings, 0);
    assert_int_equal(t.crossing_span_q8, 0);
}

static void test_half_period_ticks(void **state)
{
    (void)state;
    struct mg_frontend d = plain;
    struct mg_sim_frontend fe;
    uint32_t total = 0;
    d.rate_mhz = 3906250;
    d.samples_per_tick = 0;
    d.half_periods = 1;
    assert_int_equal(mg_sim_frontend_init(&fe, &d, 3), MG_OK);
    set_load(&fe, &lagging);
    struct mg_tick t;
    mg_sim_frontend_tick(&fe, mg_sim_frontend_tick_samples(&fe), &t);
    /* 78.125 samples per period: 625 in 8, in ticks of 39 and 40. */
    for (unsigned n = 0; n < 16; n++) {
        uint32_t samples = mg_sim_frontend_tick_samples(&fe);
        assert_in_range(samples, 39, 40);
        mg_sim_frontend_tick(&fe, samples, &t);
        total += samples;
    }
    assert_int_equal(total, 625);
}

static void test_three_lanes(void **state)
{
    (void)state;
    struct mg_frontend d = plain;
    d.n_lanes = 3;
    struct mg_tick t = one_tick(&d, &lagging);
    double want = rms_u * rms_i * 800;
    for (size_t lane = 0; lane < 3; lane++) {
        assert_near((double)t.lane[lane].ui, want * cos(M_PI / 3), want * 1e-6);
        assert_near((double)t.lane[lane].uq, want * sin(M_PI / 3), want * 1e-6);
    }
}

static uint64_t mix(uint64_t hash, int64_t x)
{
    return (hash ^ (uint64_t)x) * 0x100000001b3U; /* FNV-1a, by words */
}

/* Pinned: another compiler, optimisation or CPU must give the same bits. */
static void test_same_bits_everywhere(void **state)
{
    (void)state;
    struct mg_frontend d = plain;
    d.n_lanes = 3;
    d.samples_per_tick = 777; /* an odd rest in every tick */
    d.noise_u_mlsb = 1300;
    d.noise_i_mlsb = 2100;
    d.offset_i_lsb = 17;
    d.gain_u_ppm = -123;
    struct mg_sim_frontend fe;
    uint64_t hash = 0xcbf29ce484222325U;
    assert_int_equal(mg_sim_frontend_init(&fe, &d, 42), MG_OK);
    for (int32_t n = 0; n < 200; n++) {
        struct mg_sim_load load = {.voltage_mv = 230000 + 10 * (int64_t)n,
                                   .current_ma = 150 * (int64_t)n,
                                   .frequency_mhz = 49900 + n,
                                   .phase_cdeg = n * 7};
        struct mg_tick t;
        set_load(&fe, &load);
        mg_sim_frontend_tick(&fe, 777, &t);
        for (size_t lane = 0; lane < 3; lane++) {
            hash = mix(mix(hash, t.lane[lane].ui), t.lane[lane].uq);
            hash = mix(mix(hash, t.lane[lane].u2), t.lane[lane].i2);
            hash = mix(mix(hash, t.lane[lane].u_sum), t.lane[lane].i_sum);
        }
        hash = mix(mix(hash, t.n_crossings), t.crossing_span_q8);
    }
    if (hash != UINT64_C(0x89fff8f9c7173d07)) {
        fail_msg("hash 0x%016" PRIx64, hash);
    }
}

static void test_senseless_descriptions_are_refused(void **state)
{
    (void)state;
    struct mg_sim_frontend fe;
    struct mg_frontend d = plain;
    d.samples_per_tick = 0;
    assert_int_equal(mg_sim_frontend_init(&fe, &d, 1), MG_E_INVAL);
    d = plain;
    d.samples_per_tick = 4001;
    assert_int_equal(mg_sim_frontend_init(&fe, &d, 1), MG_E_INVAL);
    d = plain;
    d.n_lanes = 7;
    assert_int_equal(mg_sim_frontend_init(&fe, &d, 1), MG_E_INVAL);
    d = plain;
    d.bits = 25;
    assert_int_equal(mg_sim_frontend_init(&fe, &d, 1), MG_E_INVAL);
    d = plain;
    d.full_scale_ma = 0;
    assert_int_equal(mg_sim_frontend_init(&fe, &d, 1), MG_E_INVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sine),
        cmocka_unit_test(test_power_and_squares),
        cmocka_unit_test(test_reactive_power_of_lagging_current_is_positive),
        cmocka_unit_test(test_phase_error_shows_at_half_power_factor),
        cmocka_unit_test(test_gain_and_offset),
        cmocka_unit_test(test_clipping_is_counted),
        cmocka_unit_test(test_coarse_converter_rounds_half_lsb),
        cmocka_unit_test(test_noise_has_the_declared_size),
        cmocka_unit_test(test_crossings_give_the_frequency),
        cmocka_unit_test(test_half_period_ticks),
        cmocka_unit_test(test_three_lanes),
        cmocka_unit_test(test_same_bits_everywhere),
        cmocka_unit_test(test_senseless_descriptions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
