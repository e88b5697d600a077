/* The closed form against the sample path, which is the oracle: random loads,
 * frequencies, harmonics, unbalance and front ends. Where a sum is noisy, what
 * samples say is known to within their noise: six standard deviations, and what
 * rounding to counts adds at most. */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "sim/frontend.h"
#include "sim/rng.h"

#define N_CASES 10000

#define IST_MA  20
#define IMIN_MA 250
#define IMAX_MA 32000

/* The front ends of the meters, and one without noise. */
static const struct mg_frontend frontends[] = {
    {.rate_mhz = 3906250,
     .half_periods = 1,
     .n_lanes = 3,
     .bits = 24,
     .full_scale_mv = 500000,
     .full_scale_ma = 56000,
     .sinc_order = 3,
     .gain_u_ppm = 200,
     .gain_i_ppm = -300,
     .phase_error_cdeg = 2,
     .skew_ns = 1500,
     .offset_u_lsb = 3,
     .offset_i_lsb = -5},
    {.rate_mhz = 3906250,
     .half_periods = 1,
     .n_lanes = 6,
     .bits = 24,
     .full_scale_mv = 500000,
     .full_scale_ma = 56000,
     .sinc_order = 3,
     .noise_u_mlsb = 20000,
     .noise_i_mlsb = 100000},
    {.rate_mhz = 4000000,
     .samples_per_tick = 800,
     .n_lanes = 1,
     .bits = 24,
     .full_scale_mv = 1 << 19,
     .full_scale_ma = 1 << 17,
     .noise_u_mlsb = 3000,
     .noise_i_mlsb = 3000},
    {.rate_mhz = 8000000,
     .half_periods = 4,
     .n_lanes = 3,
     .bits = 16,
     .full_scale_mv = 16 << 15,
     .full_scale_ma = 4 << 15,
     .offset_u_lsb = 3,
     .offset_i_lsb = -2,
     .noise_u_mlsb = 1500,
     .noise_i_mlsb = 1500},
};

static int64_t below(struct mg_sim_rng *rng, int64_t n)
{
    return (int64_t)mg_sim_rng_below(rng, (uint64_t)n);
}

/* 20 mA to 32 A, each decade as often as the other; some phases without. */
static int64_t random_ma(struct mg_sim_rng *rng)
{
    double part = (double)mg_sim_rng_below(rng, 1U << 20) / (1U << 20);
    double ma = IST_MA * pow((double)IMAX_MA / IST_MA, part);
    return below(rng, 10) == 0 ? 0 : (int64_t)ma;
}

static void random_mains(struct mg_sim_rng *rng, struct mg_sim_mains *m)
{
    struct mg_sim_load load = {.frequency_mhz = 45000 + below(rng, 20001)};
    mg_sim_mains_balanced(&load, m);
    m->ambient_mdegc = (int32_t)(-25000 + below(rng, 80001));
    for (unsigned k = 0; k < MG_LANES_MAX; k++) {
        struct mg_sim_phase *p = &m->phase[k];
        p->voltage_mv = 200000 + below(rng, 60001);
        p->current_ma = random_ma(rng);
        p->angle_cdeg += (int32_t)(below(rng, 1001) - 500);
        p->phase_cdeg = (int32_t)(below(rng, 36000) - 18000);
    }
    m->n_harmonics =
        (uint8_t)(below(rng, 2) == 0 ? below(rng, MG_SIM_HARMONICS_MAX + 1)
                                     : 0);
    for (unsigned k = 0; k < m->n_harmonics; k++) {
        m->harmonic[k] = (struct mg_sim_harmonic){
            .order = (uint8_t)(2 + below(rng, MG_SIM_HARMONIC_LAST - 1)),
            .u_ppm = (uint32_t)below(rng, 3000),
            .i_ppm = (uint32_t)below(rng, 100000),
            .u_cdeg = (int32_t)below(rng, 36000),
            .i_cdeg = (int32_t)below(rng, 36000)};
    }
}

struct totals {
    double ui, uq, u2, i2;
};

static void add(struct totals *t, const struct mg_lane_sums *s)
{
    t->ui += (double)s->ui;
    t->uq += (double)s->uq;
    t->u2 += (double)s->u2;
    t->i2 += (double)s->i2;
}

struct pair {
    struct mg_sim_frontend sampled, fast;
    double n; /* samples */
    struct totals want[MG_LANES_MAX], got[MG_LANES_MAX];
    int64_t n_late; /* crossings that the closed form has not counted yet */
};

/* A crossing at a sample may come with the next one, by its noise; never more
 * than one. */
static void add_crossings(struct pair *p, const struct mg_tick *sampled,
                          const struct mg_tick *fast)
{
    int64_t n = (int64_t)sampled->n_crossings - fast->n_crossings;
    int64_t span = (int64_t)sampled->crossing_span_q8 - fast->crossing_span_q8;
    p->n_late += n;
    assert_true(p->n_late >= -1 && p->n_late <= 1);
    if (n == 0 && (span < -4 || span > 4)) {
        fail_msg("span %" PRId64 "/256 too long", span);
    }
}

static void run(struct pair *p, uint32_t n_samples)
{
    const struct mg_frontend *d = p->fast.description;
    for (uint32_t at = 0; at < n_samples;) {
        struct mg_tick a, b;
        uint32_t n = mg_sim_frontend_tick_samples(&p->sampled);
        assert_int_equal(mg_sim_frontend_tick_samples(&p->fast), n);
        mg_sim_frontend_tick(&p->sampled, n, &a);
        mg_sim_frontend_tick(&p->fast, n, &b);
        for (unsigned lane = 0; lane < d->n_lanes; lane++) {
            add(&p->want[lane], &a.lane[lane]);
            add(&p->got[lane], &b.lane[lane]);
        }
        add_crossings(p, &a, &b);
        at += n;
    }
    assert_true(p->sampled.phase == p->fast.phase);
    p->n = n_samples;
}

/* A value of the pair that is too far off. */
struct miss {
    const char *what;
    double want, got, limit;
};

static bool is_close(const char *what, double want, double got, double limit,
                     struct miss *ret)
{
    *ret = (struct miss){what, want, got, limit};
    return fabs(want - got) <= limit;
}

/* Every value in counts, rms. */
static bool is_lane_close(const struct pair *p, unsigned lane, struct miss *ret)
{
    const struct mg_sim_waves *w = &p->sampled.waves;
    const struct totals *want = &p->want[lane];
    const struct totals *got = &p->got[lane];
    double n = p->n;
    double u = sqrt(want->u2 / n);
    double i = sqrt(want->i2 / n);
    double n_u = sqrt(w->noise_u * w->noise_u + 1.0 / 12.0);
    double n_i = sqrt(w->noise_i * w->noise_i + 1.0 / 12.0);
    int64_t ma = p->sampled.mains.phase[lane].current_ma;
    double part = (ma < IMIN_MA ? 10e-6 : 2e-6) * (ma == 0 ? 0.0 : 1.0);
    double s = part * u * i * n;
    double products = 6.0 * sqrt(n * (u * u * n_i * n_i + i * i * n_u * n_u));
    double u2 = 1e-6 * u * u * n + 12.0 * sqrt(n) * u * n_u;
    double i2 = 2.0 * part * i * i * n + 12.0 * sqrt(n) * (i + n_i) * n_i;
    return is_close("P", want->ui, got->ui, s + products, ret) &&
           is_close("Q", want->uq, got->uq, s + products, ret) &&
           is_close("U2", want->u2, got->u2, u2, ret) &&
           is_close("I2", want->i2, got->i2, i2 + 0.1 * n, ret);
}

enum defect {
    NO_DEFECT,
    GAIN,     /* 5 ppm */
    PHASE,    /* 5 ppm of Q at power factor 1 */
    NO_NOISE, /* what it adds to squares is left out */
    LOST_HARMONIC
};

static void put_defect(struct mg_sim_waves *w, enum defect defect)
{
    for (unsigned lane = 0; lane < w->n_lanes; lane++) {
        struct mg_sim_component *i = w->i[lane];
        i[0].peak *= defect == GAIN ? 1.000005 : 1.0;
        i[0].phase += defect == PHASE ? UINT64_C(14680000000000) : 0;
        if (defect == LOST_HARMONIC && w->n > 1) {
            i[w->n - 1].peak = 0.0;
        }
    }
    if (defect == NO_NOISE) {
        w->noise_u = w->noise_i = 0.0;
    }
}

enum outcome { CLOSE, MISSED, NOT_FAST };

static enum outcome run_case(struct mg_sim_rng *rng, unsigned which,
                             enum defect defect, struct miss *ret)
{
    static struct pair p;
    const struct mg_frontend *d = &frontends[which % 4];
    struct mg_sim_mains m;
    memset(&p, 0, sizeof p);
    random_mains(rng, &m);
    uint64_t seed = mg_sim_rng_next(rng);
    assert_int_equal(mg_sim_frontend_init(&p.sampled, d, seed), MG_OK);
    p.fast = p.sampled;
    p.fast.may_be_fast = true;
    mg_sim_frontend_set_start(&p.fast, 1); /* far below what flows */
    mg_sim_frontend_set(&p.sampled, &m);
    mg_sim_frontend_set(&p.fast, &m);
    if (mg_sim_frontend_longest(&p.fast) == 0) {
        return NOT_FAST;
    }
    put_defect(&p.fast.waves, defect);
    run(&p, 1000);
    for (unsigned lane = 0; lane < d->n_lanes; lane++) {
        if (!is_lane_close(&p, lane, ret)) {
            return MISSED;
        }
    }
    return CLOSE;
}

static void test_ten_thousand_cases(void **state)
{
    (void)state;
    struct mg_sim_rng rng = {.state = 20};
    unsigned n_fast = 0;
    for (unsigned k = 0; n_fast < N_CASES; k++) {
        struct miss miss;
        enum outcome outcome = run_case(&rng, k, NO_DEFECT, &miss);
        if (outcome == MISSED) {
            fail_msg("case %u: %s: samples %.9g, closed form %.9g, allowed "
                     "%.3g",
                     k, miss.what, miss.want, miss.got, miss.limit);
        }
        n_fast += outcome == CLOSE;
        assert_true(k < 2 * N_CASES); /* few have no closed form */
    }
}

/* Of 400 cases, a good part finds each of them. */
static void test_mistakes_are_found(void **state)
{
    (void)state;
    for (enum defect defect = GAIN; defect <= LOST_HARMONIC; defect++) {
        struct mg_sim_rng rng = {.state = 21};
        unsigned n_missed = 0;
        for (unsigned k = 0; k < 400; k++) {
            struct miss miss;
            n_missed += run_case(&rng, k, defect, &miss) == MISSED;
        }
        if (n_missed < 20) {
            fail_msg("defect %d: found by %u of 400 cases", (int)defect,
                     n_missed);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ten_thousand_cases),
        cmocka_unit_test(test_mistakes_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
