/* The closed form of sampled sums against the samples of the same waves, added
 * one by one. */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "sim/closed_block.h"
#include "sim/closed_form.h"
#include "sim/rng.h"
#include "sim/sample_path.h"

static double chance(struct mg_sim_rng *rng)
{
    return (double)(mg_sim_rng_next(rng) >> 11) / 9007199254740992.0;
}

static void random_lane(struct mg_sim_rng *rng, struct mg_sim_waves *w,
                        unsigned lane)
{
    for (unsigned k = 0; k < w->n; k++) {
        double part = k == 0 ? 1.0 : 0.02 * chance(rng);
        w->u[lane][k].peak = 3e6 * part;
        w->i[lane][k].peak = 1e6 * chance(rng) * (k == 0 ? 1.0 : 0.3);
        w->u[lane][k].phase = mg_sim_rng_next(rng);
        w->i[lane][k].phase = mg_sim_rng_next(rng);
    }
    w->dc_u[lane] = 20.0 * chance(rng) - 10.0;
    w->dc_i[lane] = 20.0 * chance(rng) - 10.0;
}

/* Anything but a shape. Each second one with harmonics. */
static struct mg_sim_waves random_waves(struct mg_sim_rng *rng)
{
    static const uint32_t rates[] = {3906250, 4000000, 8000000};
    struct mg_sim_waves w = {.n_lanes = (uint8_t)(1 + mg_sim_rng_below(rng, 6)),
                             .n = 1,
                             .order = {1},
                             .full = 8388608.0};
    int64_t mhz = 45000 + (int64_t)mg_sim_rng_below(rng, 20001);
    mhz = mg_sim_rng_below(rng, 4) == 0 ? 50000 : mhz;
    w.step = mg_mains_step(mhz, rates[mg_sim_rng_below(rng, 3)]);
    if (mg_sim_rng_below(rng, 2) == 0) {
        w.n = (uint8_t)(1 + mg_sim_rng_below(rng, MG_SIM_HARMONICS_MAX + 1));
    }
    for (unsigned k = 1; k < w.n; k++) {
        w.order[k] = (uint8_t)(2 + mg_sim_rng_below(rng, 39));
    }
    for (unsigned lane = 0; lane < w.n_lanes; lane++) {
        random_lane(rng, &w, lane);
    }
    return w;
}

static long double sample(const struct mg_sim_waves *w,
                          const struct mg_sim_component *components, double dc,
                          mg_phase_turn x)
{
    long double sum = dc;
    for (unsigned k = 0; k < w->n; k++) {
        mg_phase_turn turn = w->order[k] * x + components[k].phase;
        sum += components[k].peak *
               sinl((long double)turn * M_PIl / 9223372036854775808.0L);
    }
    return sum;
}

struct sums {
    long double ui, uq, u2, i2, u, i;
};

static struct sums one_by_one(const struct mg_sim_waves *w, unsigned lane,
                              mg_phase_turn phase, uint32_t n)
{
    struct sums s = {0};
    for (uint32_t k = 0; k < n; k++) {
        mg_phase_turn x = phase + k * w->step;
        long double u = sample(w, w->u[lane], w->dc_u[lane], x);
        long double i = sample(w, w->i[lane], w->dc_i[lane], x);
        long double q =
            sample(w, w->u[lane], w->dc_u[lane], x - MG_TURN_QUARTER);
        s.ui += u * i;
        s.uq += q * i;
        s.u2 += u * u;
        s.i2 += i * i;
        s.u += u;
        s.i += i;
    }
    return s;
}

static void assert_near(long double want, int64_t got, double tolerance)
{
    if (!(fabsl(want - (long double)got) <= tolerance)) {
        fail_msg("got %" PRId64 ", want %.3Lf +- %g", got, want, tolerance);
    }
}

static void assert_same(const struct mg_sim_waves *w, mg_phase_turn phase,
                        uint32_t n)
{
    struct mg_lane_sums got[MG_LANES_MAX];
    mg_sim_closed_sums(w, phase, n, got);
    for (unsigned lane = 0; lane < w->n_lanes; lane++) {
        struct sums want = one_by_one(w, lane, phase, n);
        double all = n * 3e6 * 3e6 * 1e-13 + 0.6;
        double rounding = n / 12.0;
        assert_near(want.ui, got[lane].ui, all);
        assert_near(want.uq, got[lane].uq, all);
        assert_near(want.u2 + rounding, got[lane].u2, all);
        assert_near(want.i2 + rounding, got[lane].i2, all);
        assert_near(want.u, got[lane].u_sum, 0.6);
        assert_near(want.i, got[lane].i_sum, 0.6);
    }
}

static void test_any_waves(void **state)
{
    (void)state;
    struct mg_sim_rng rng = {.state = 1};
    for (unsigned n = 0; n < 400; n++) {
        struct mg_sim_waves w = random_waves(&rng);
        assert_same(&w, mg_sim_rng_next(&rng),
                    1 + mg_sim_rng_below(&rng, n % 8 == 0 ? 900 : 90));
    }
}

/* 80 samples a period: orders that add up to 80 turn nearly whole turns from
 * sample to sample, of which only the step's last bits are left. */
static void test_nearly_whole_turns(void **state)
{
    (void)state;
    struct mg_sim_rng rng = {.state = 2};
    struct mg_sim_waves w = random_waves(&rng);
    w.n_lanes = 1;
    w.n = 3;
    w.order[1] = 40;
    w.order[2] = 39;
    random_lane(&rng, &w, 0);
    const int64_t mhz[] = {50000, 49999, 50001};
    for (size_t k = 0; k < 3; k++) {
        w.step = mg_mains_step(mhz[k], 4000000);
        assert_same(&w, mg_sim_rng_next(&rng), 799);
        assert_same(&w, mg_sim_rng_next(&rng), 800);
    }
    w.step = (mg_phase_turn)1 << 58; /* 64 samples, exact */
    w.order[1] = 32;
    w.order[2] = 16;
    assert_same(&w, mg_sim_rng_next(&rng), 1000);
    assert_same(&w, mg_sim_rng_next(&rng), 1001);
}

/* Hours are the same as their seconds. */
static void test_hours(void **state)
{
    (void)state;
    struct mg_sim_rng rng = {.state = 3};
    for (unsigned n = 0; n < 20; n++) {
        struct mg_sim_waves w = random_waves(&rng);
        struct mg_lane_sums all[MG_LANES_MAX], part[MG_LANES_MAX];
        mg_phase_turn phase = mg_sim_rng_next(&rng);
        int64_t ui = 0, uq = 0, u2 = 0;
        w.n_lanes = 1;
        w.u[0][0].peak = 3e4; /* the sums of hours must fit */
        mg_sim_closed_sums(&w, phase, 7200 * 4001, all);
        for (uint32_t k = 0; k < 7200; k++) {
            mg_sim_closed_sums(&w, phase + k * 4001U * w.step, 4001, part);
            ui += part[0].ui;
            uq += part[0].uq;
            u2 += part[0].u2;
        }
        assert_near(ui, all[0].ui, 3e4 * 1e6 * 7200 * 4001 * 1e-13);
        assert_near(uq, all[0].uq, 3e4 * 1e6 * 7200 * 4001 * 1e-13);
        assert_near(u2, all[0].u2, 9e8 * 7200 * 4001 * 1e-13 + 3600);
    }
}

static void test_noise_and_rounding(void **state)
{
    (void)state;
    struct mg_sim_rng rng = {.state = 4};
    struct mg_sim_waves w = random_waves(&rng);
    struct mg_lane_sums still[MG_LANES_MAX], noisy[MG_LANES_MAX];
    mg_sim_closed_sums(&w, 0, 1200, still);
    w.noise_u = 3.0;
    w.noise_i = 5.0;
    mg_sim_closed_sums(&w, 0, 1200, noisy);
    assert_int_equal(noisy[0].u2 - still[0].u2, 1200 * 9);
    assert_int_equal(noisy[0].i2 - still[0].i2, 1200 * 25);
    assert_int_equal(noisy[0].ui, still[0].ui);
    /* A whole count is converted without an error. */
    w.noise_i = 0.0;
    w.dc_i[0] = -2.0;
    for (unsigned k = 0; k < w.n; k++) {
        w.i[0][k].peak = 0.0;
    }
    mg_sim_closed_sums(&w, 0, 1200, still);
    assert_int_equal(still[0].i2, 1200 * 4);
    assert_int_equal(still[0].i_sum, -2400);
}

/* As the sample path counts them, from the rounded samples. */
static void find_crossings(const struct mg_sim_waves *w, mg_phase_turn phase,
                           uint32_t n, double *last, uint32_t *ret_n,
                           uint32_t *ret_span)
{
    int64_t first_q8 = 0, last_q8 = 0;
    *ret_n = 0;
    for (uint32_t k = 0; k < n; k++) {
        mg_phase_turn x = phase + k * w->step;
        double u = rint((double)sample(w, w->u[0], w->dc_u[0], x));
        if (*last < 0.0 && u >= 0.0) {
            last_q8 = ((int64_t)k - 1) * 256 +
                      (int64_t)rint(-*last * 256.0 / (u - *last));
            first_q8 = *ret_n == 0 ? last_q8 : first_q8;
            ++*ret_n;
        }
        *last = u;
    }
    *ret_span = (uint32_t)(last_q8 - first_q8);
}

static void test_crossings(void **state)
{
    (void)state;
    struct mg_sim_rng rng = {.state = 5};
    unsigned n_tried = 0;
    while (n_tried < 150) {
        struct mg_sim_waves w = random_waves(&rng);
        if (!mg_sim_closed_is_exact(&w, 0.0)) {
            continue;
        }
        mg_phase_turn phase = mg_sim_rng_next(&rng);
        double last = n_tried % 5 == 0 ? -1e5 : 0.0;
        double want_last = last;
        for (unsigned tick = 0; tick < 40; tick++) {
            uint32_t n = 1 + mg_sim_rng_below(&rng, tick % 8 == 0 ? 1500 : 90);
            uint32_t got_n, got_span, want_n, want_span;
            mg_sim_closed_crossings(&w, phase, n, &last, &got_n, &got_span);
            find_crossings(&w, phase, n, &want_last, &want_n, &want_span);
            assert_int_equal(got_n, want_n);
            assert_near(want_span, got_span, 1.0);
            assert_true(last == want_last);
            phase += n * w.step;
        }
        n_tried++;
    }
}

static void test_no_voltage_has_no_crossings(void **state)
{
    (void)state;
    struct mg_sim_waves w = {.step = mg_mains_step(50000, 4000000),
                             .n_lanes = 1,
                             .n = 1,
                             .order = {1},
                             .dc_u = {2.0},
                             .noise_u = 3.0};
    double last = -1.0;
    uint32_t n, span;
    assert_true(mg_sim_closed_is_exact(&w, 0.0));
    mg_sim_closed_crossings(&w, 5, 4000, &last, &n, &span);
    assert_int_equal(n, 0);
    assert_int_equal(span, 0);
    assert_true(last == 2.0);
}

static void test_where_it_is_allowed(void **state)
{
    (void)state;
    struct mg_sim_waves plain = {.step = mg_mains_step(50000, 4000000),
                                 .n_lanes = 3,
                                 .n = 2,
                                 .order = {1, 5},
                                 .noise_u = 3.0,
                                 .noise_i = 3.0};
    for (unsigned lane = 0; lane < 3; lane++) {
        plain.u[lane][0].peak = 5e6;
        plain.i[lane][0].peak = 1e5;
    }
    assert_true(mg_sim_closed_is_exact(&plain, 0.0));
    assert_true(mg_sim_closed_is_exact(&plain, 300.0));
    struct mg_sim_waves w = plain;
    w.shape = MG_SIM_HALF_WAVE;
    assert_false(mg_sim_closed_is_exact(&w, 300.0));
    w = plain;
    w.has_spikes = true;
    assert_false(mg_sim_closed_is_exact(&w, 300.0));
    w = plain;
    w.has_ringing = true;
    assert_false(mg_sim_closed_is_exact(&w, 300.0));
    w = plain;
    w.may_clip = true;
    assert_false(mg_sim_closed_is_exact(&w, 300.0));
    w = plain;
    w.u[0][1].peak = 2e6; /* slope five times that of 40 % */
    assert_false(mg_sim_closed_is_exact(&w, 300.0));
    w = plain;
    w.u[0][0].peak = 100.0; /* the noise crosses zero too */
    assert_false(mg_sim_closed_is_exact(&w, 300.0));
    w = plain;
    w.i[1][0].peak = 0.0;
    assert_true(mg_sim_closed_is_exact(&w, 300.0));
    assert_true(mg_sim_closed_is_exact(&w, 0.0));
    w.i[1][0].peak = 250.0; /* 177 rms: far below 300, but 59 times the noise */
    assert_true(mg_sim_closed_is_exact(&w, 300.0));
    assert_false(mg_sim_closed_is_exact(&w, 0.0));
    w.i[1][0].peak = 430.0; /* 304 rms */
    assert_false(mg_sim_closed_is_exact(&w, 300.0));
    assert_true(mg_sim_closed_is_exact(&w, 0.0));
}

static void test_longest(void **state)
{
    (void)state;
    struct mg_sim_rng rng = {.state = 6};
    for (unsigned n = 0; n < 200; n++) {
        struct mg_sim_waves w = random_waves(&rng);
        struct mg_lane_sums s[MG_LANES_MAX];
        w.u[0][0].peak = 8388608.0;
        uint32_t longest = mg_sim_closed_longest(&w);
        assert_in_range(longest, 10000, 40000);
        mg_sim_closed_sums(&w, 0, longest, s);
        assert_in_range(s[0].u2, INT64_C(1) << 57, INT64_C(1) << 60);
    }
}

/* The same bits for every compiler and CPU. */
static void test_same_bits(void **state)
{
    (void)state;
    struct mg_sim_rng rng = {.state = 7};
    uint64_t hash = 0;
    for (unsigned n = 0; n < 500; n++) {
        struct mg_sim_waves w = random_waves(&rng);
        struct mg_lane_sums s[MG_LANES_MAX];
        mg_phase_turn phase = mg_sim_rng_next(&rng);
        mg_sim_closed_sums(&w, phase, 1 + mg_sim_rng_below(&rng, 100000), s);
        for (unsigned lane = 0; lane < w.n_lanes; lane++) {
            hash = mg_sim_hash(hash ^ (uint64_t)s[lane].ui);
            hash = mg_sim_hash(hash ^ (uint64_t)s[lane].uq);
            hash = mg_sim_hash(hash ^ (uint64_t)s[lane].u2);
            hash = mg_sim_hash(hash ^ (uint64_t)s[lane].i2);
        }
    }
    assert_int_equal(hash, UINT64_C(0xb897533c70fb5cc4));
}

/* A block of ticks of the fundamental says what the general form says of each,
 * and the same bits whatever else is in the block. */
static void test_blocks(void **state)
{
    (void)state;
    struct mg_sim_rng rng = {.state = 9};
    for (unsigned n = 0; n < 100; n++) {
        struct mg_sim_waves w = random_waves(&rng);
        struct mg_sim_pure pure;
        struct mg_sim_block block = {.n_ticks = 1 + n % MG_SIM_BLOCK};
        struct mg_sim_block one = {.n_ticks = 1};
        mg_phase_turn phase = mg_sim_rng_next(&rng);
        w.n = 1;
        mg_sim_pure_make(&w, &pure);
        for (unsigned k = 0; k < block.n_ticks; k++) {
            block.n_samples[k] = 1 + mg_sim_rng_below(&rng, 900);
        }
        mg_sim_pure_block(&pure, phase, &block);
        for (unsigned k = 0; k < block.n_ticks; k++) {
            struct mg_lane_sums want[MG_LANES_MAX];
            one.n_samples[0] = block.n_samples[k];
            mg_sim_closed_sums(&w, phase, one.n_samples[0], want);
            mg_sim_pure_block(&pure, phase, &one);
            unsigned lane = w.n_lanes - 1U;
            int64_t(*sum)[MG_SIM_BLOCK] = block.sum[lane];
            double all = 900 * 3e6 * 3e6 * 1e-14 + 1.0;
            assert_near(want[lane].ui, sum[MG_SUM_UI][k], all);
            assert_near(want[lane].uq, sum[MG_SUM_UQ][k], all);
            assert_near(want[lane].u2, sum[MG_SUM_U2][k], all);
            assert_near(want[lane].i2, sum[MG_SUM_I2][k], all);
            assert_near(want[lane].u_sum, sum[MG_SUM_U][k], 1.0);
            assert_near(want[lane].i_sum, sum[MG_SUM_I][k], 1.0);
            assert_int_equal(one.sum[lane][MG_SUM_UI][0], sum[MG_SUM_UI][k]);
            assert_int_equal(one.sum[lane][MG_SUM_UQ][0], sum[MG_SUM_UQ][k]);
            phase += block.n_samples[k] * w.step;
        }
    }
}

/* The same bits for each vector unit; where one is not here, it is not tried.
 */
static void test_vector_units(void **state)
{
    (void)state;
#ifdef MG_SAMPLE_PATH_X86
    const char *name;
    mg_pure_sums *const units[] = {mg_pure_sums_avx2, mg_pure_sums_avx512};
    struct mg_sim_rng rng = {.state = 10};
    for (unsigned n = 0; n < 200; n++) {
        struct mg_sim_waves w = random_waves(&rng);
        static struct mg_sim_block want, got;
        struct mg_sim_pure pure;
        mg_phase_turn phase = mg_sim_rng_next(&rng);
        want.n_ticks = 1 + n % MG_SIM_BLOCK;
        for (unsigned k = 0; k < want.n_ticks; k++) {
            want.n_samples[k] = 1 + mg_sim_rng_below(&rng, 900);
        }
        got = want;
        w.n = 1;
        mg_sim_pure_make(&w, &pure);
        pure.sums = mg_pure_sums_baseline;
        mg_sim_pure_block(&pure, phase, &want);
        for (unsigned unit = 0; unit < 2; unit++) {
            if (mg_sample_path_at(unit + 1, &name) != NULL) {
                pure.sums = units[unit];
                mg_sim_pure_block(&pure, phase, &got);
                assert_memory_equal(&got, &want, sizeof want);
            }
        }
    }
#endif
}

/* Many ticks as one end where the last of them ends. */
static void test_many_ticks_at_once(void **state)
{
    (void)state;
    struct mg_sim_rng rng = {.state = 8};
    for (unsigned n = 0; n < 300; n++) {
        struct mg_sim_waves w = random_waves(&rng);
        mg_phase_turn step = w.step;
        struct mg_sim_pure pure;
        w.n = 1;
        mg_sim_pure_make(&w, &pure);
        mg_phase_turn phase = n == 0 ? 0 : mg_sim_rng_next(&rng);
        uint32_t all = 0;
        for (unsigned k = 1; k <= 1500; k++) {
            mg_phase_turn x = phase + all * step;
            all += mg_mains_samples(x, step, 1);
            assert_int_equal(mg_sim_pure_samples(&pure, x, 1),
                             mg_mains_samples(x, step, 1));
            assert_int_equal(mg_mains_samples(phase, step, k), all);
            assert_int_equal(mg_mains_half_periods(phase, step, all), k);
            assert_int_equal(mg_mains_half_periods(phase, step, all - 1),
                             k - 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_waves),
        cmocka_unit_test(test_nearly_whole_turns),
        cmocka_unit_test(test_hours),
        cmocka_unit_test(test_noise_and_rounding),
        cmocka_unit_test(test_crossings),
        cmocka_unit_test(test_no_voltage_has_no_crossings),
        cmocka_unit_test(test_where_it_is_allowed),
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_vector_units),
        cmocka_unit_test(test_many_ticks_at_once),
        cmocka_unit_test(test_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
