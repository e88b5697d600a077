#include "sim/closed_form.h"

#include <string.h>

__extension__ typedef unsigned __int128 wide_turn; /* 2^64 is one turn */

#define TERMS_MAX  (1 + MG_SIM_COMPONENTS_MAX) /* [0]: direct current */
#define ORDERS_MAX (2 * MG_SIM_HARMONIC_LAST + 1)

#define HALF_UNIT 1.7029974998549894e-19 /* 2^-65 turn in radians */
#define RADIANS   3.4059949997099788e-19 /* 2^-64 turn in radians */

#define ROUNDING_POWER (1.0 / 12.0) /* of a converter, counts squared */
#define SUMS_LIMIT     1152921504606846976.0 /* 2^60 */

/* Seen from the middle of the samples, whose times are then symmetric, a
 * sinusoid is an even part and an odd part: even * cos(order * d) + odd *
 * sin(order * d) at the distance d. Sums of an even times an odd one are 0, and
 * so the sum of two waves' products is two quadratic forms. */
struct wave {
    double even[TERMS_MAX], odd[TERMS_MAX];
};

struct kernels {
    unsigned n;                        /* terms */
    double sum[TERMS_MAX];             /* of cos(order_a d) */
    double even[TERMS_MAX][TERMS_MAX]; /* cos(order_a d) cos(order_b d) */
    double odd[TERMS_MAX][TERMS_MAX];  /* sin(order_a d) sin(order_b d) */
};

/* ---- Kernels ---- */

/* The sine of units / 2 * 2^-64 turns, exact near its zeros too. */
static double sine_of_half(mg_phase_turn whole, unsigned is_odd)
{
    double s, c;
    mg_sincos(whole, &s, &c);
    return is_odd != 0 ? s + c * HALF_UNIT : s;
}

/* sin(n h) / sin(h), h half of what a step turns this order. h is order * step
 * / 2, whose lowest bit is kept apart: where many turns of a step make nearly a
 * whole one, it is all there is. */
double mg_sim_closed_kernel(mg_phase_turn step, unsigned order, uint32_t n)
{
    uint64_t low = (step & 1) * order;
    uint64_t low_n = low * n;
    mg_phase_turn h = order * (step >> 1) + (low >> 1);
    mg_phase_turn nh = (mg_phase_turn)n * order * (step >> 1) + (low_n >> 1);
    double s = sine_of_half(h, low & 1);
    if (s == 0.0) {
        double s_n, c_n, c;
        mg_sincos(nh, &s_n, &c_n);
        mg_sincos(h, &s, &c);
        return n * c_n * c; /* both are 1 or -1 */
    }
    return sine_of_half(nh, low_n & 1) / s;
}

static unsigned difference(unsigned a, unsigned b)
{
    return a > b ? a - b : b - a;
}

static unsigned order_of(const struct mg_sim_waves *w, unsigned term)
{
    return term == 0 ? 0 : w->order[term - 1];
}

/* Kernels by their order, found when first needed. */
struct known {
    bool is_known[ORDERS_MAX];
    double kernel[ORDERS_MAX];
};

static double known_kernel(struct known *known, mg_phase_turn step,
                           unsigned order, uint32_t n)
{
    if (!known->is_known[order]) {
        known->is_known[order] = true;
        known->kernel[order] = mg_sim_closed_kernel(step, order, n);
    }
    return known->kernel[order];
}

static void make_kernels(const struct mg_sim_waves *w, uint32_t n,
                         struct kernels *ret)
{
    struct known known;
    memset(known.is_known, 0, sizeof known.is_known);
    ret->n = w->n + 1U;
    for (unsigned a = 0; a < ret->n; a++) {
        for (unsigned b = 0; b <= a; b++) {
            unsigned x = order_of(w, a);
            unsigned y = order_of(w, b);
            double less = known_kernel(&known, w->step, difference(x, y), n);
            double more = known_kernel(&known, w->step, x + y, n);
            ret->even[a][b] = ret->even[b][a] = 0.5 * (less + more);
            ret->odd[a][b] = ret->odd[b][a] = 0.5 * (less - more);
        }
        ret->sum[a] = ret->even[a][0];
    }
}

/* ---- Waves ---- */

static void make_wave(const struct mg_sim_waves *w,
                      const struct mg_sim_component *components, double dc,
                      mg_phase_turn middle, struct wave *ret)
{
    ret->even[0] = dc;
    ret->odd[0] = 0.0;
    for (unsigned k = 0; k < w->n; k++) {
        double s, c;
        mg_sincos(w->order[k] * middle + components[k].phase, &s, &c);
        ret->even[k + 1] = components[k].peak * s;
        ret->odd[k + 1] = components[k].peak * c;
    }
}

/* The same a quarter period of the fundamental earlier: each order turns back
 * by as many quarters. */
static void make_quarter(const struct mg_sim_waves *w, const struct wave *u,
                         struct wave *ret)
{
    ret->even[0] = u->even[0];
    ret->odd[0] = u->odd[0];
    for (unsigned k = 1; k <= w->n; k++) {
        double e = u->even[k];
        double o = u->odd[k];
        unsigned quarters = w->order[k - 1] & 3U;
        double turned_e = (quarters & 1U) != 0 ? -o : e;
        double turned_o = (quarters & 1U) != 0 ? e : o;
        ret->even[k] = quarters >= 2 ? -turned_e : turned_e;
        ret->odd[k] = quarters >= 2 ? -turned_o : turned_o;
    }
}

/* What has to be multiplied with another wave to give the sum of products. */
static void apply(const struct kernels *kernels, const struct wave *x,
                  struct wave *ret)
{
    for (unsigned a = 0; a < kernels->n; a++) {
        double even = 0.0;
        double odd = 0.0;
        for (unsigned b = 0; b < kernels->n; b++) {
            even += kernels->even[a][b] * x->even[b];
            odd += kernels->odd[a][b] * x->odd[b];
        }
        ret->even[a] = even;
        ret->odd[a] = odd;
    }
}

static double product(unsigned n, const struct wave *x, const struct wave *y)
{
    double sum = 0.0;
    for (unsigned k = 0; k < n; k++) {
        sum += x->even[k] * y->even[k];
        sum += x->odd[k] * y->odd[k];
    }
    return sum;
}

static double total(const struct kernels *kernels, const struct wave *x)
{
    double sum = 0.0;
    for (unsigned k = 0; k < kernels->n; k++) {
        sum += kernels->sum[k] * x->even[k];
    }
    return sum;
}

static int64_t rounded(double x)
{
    return (int64_t)(x < 0.0 ? x - 0.5 : x + 0.5);
}

/* A constant that is a whole count is converted without an error. */
double mg_sim_closed_extra(const struct mg_sim_component *components,
                           unsigned n, double noise)
{
    bool is_constant = noise == 0.0;
    for (unsigned k = 0; k < n && is_constant; k++) {
        is_constant = components[k].peak == 0.0;
    }
    return is_constant ? 0.0 : noise * noise + ROUNDING_POWER;
}

void mg_sim_closed_sums(const struct mg_sim_waves *waves, mg_phase_turn phase,
                        uint32_t n_samples, struct mg_lane_sums *ret)
{
    const struct mg_sim_waves *w = waves;
    uint32_t last = n_samples - 1;
    mg_phase_turn middle = phase + (last >> 1) * w->step;
    middle += (last & 1U) != 0 ? w->step >> 1 : 0;
    struct kernels kernels;
    make_kernels(w, n_samples, &kernels);
    for (unsigned lane = 0; lane < w->n_lanes; lane++) {
        struct wave u = {0}, q = {0}, i = {0}, for_u, for_i;
        make_wave(w, w->u[lane], w->dc_u[lane], middle, &u);
        make_wave(w, w->i[lane], w->dc_i[lane], middle, &i);
        make_quarter(w, &u, &q);
        apply(&kernels, &u, &for_u);
        apply(&kernels, &i, &for_i);
        unsigned n = kernels.n;
        double more_u =
            n_samples * mg_sim_closed_extra(w->u[lane], w->n, w->noise_u);
        double more_i =
            n_samples * mg_sim_closed_extra(w->i[lane], w->n, w->noise_i);
        ret[lane] = (struct mg_lane_sums){
            .ui = rounded(product(n, &u, &for_i)),
            .uq = rounded(product(n, &q, &for_i)),
            .u2 = rounded(product(n, &u, &for_u) + more_u),
            .i2 = rounded(product(n, &i, &for_i) + more_i),
            .u_sum = rounded(total(&kernels, &u)),
            .i_sum = rounded(total(&kernels, &i)),
        };
    }
}

/* ---- Bounds ---- */

/* Mean square, as it is over whole periods. */
static double mean_square(const struct mg_sim_waves *w,
                          const struct mg_sim_component *components, double dc)
{
    double sum = 0.0;
    for (unsigned k = 0; k < w->n; k++) {
        sum += components[k].peak * components[k].peak;
    }
    return 0.5 * sum + dc * dc;
}

uint32_t mg_sim_closed_longest(const struct mg_sim_waves *waves)
{
    const struct mg_sim_waves *w = waves;
    double most = 1.0;
    for (unsigned lane = 0; lane < w->n_lanes; lane++) {
        double u = mean_square(w, w->u[lane], w->dc_u[lane]);
        double i = mean_square(w, w->i[lane], w->dc_i[lane]);
        most = u > most ? u : most;
        most = i > most ? i : most;
    }
    double n = SUMS_LIMIT / (2.0 * most);
    return n < 1.0 ? 1 : n > 4294967295.0 ? UINT32_MAX : (uint32_t)n;
}

static double magnitude(double x)
{
    return x < 0.0 ? -x : x;
}

/* Each wave with harmonics below this total slope crosses zero as often as its
 * fundamental; sqrt(1 - h^2) - s > 0 with h, s the sums of the harmonics and of
 * the harmonics times their orders. */
static bool crosses_once(const struct mg_sim_waves *w)
{
    double fundamental = w->u[0][0].peak;
    double high = magnitude(w->dc_u[0]);
    double steep = 0.0;
    for (unsigned k = 1; k < w->n; k++) {
        high += magnitude(w->u[0][k].peak);
        steep += magnitude(w->u[0][k].peak) * w->order[k];
    }
    double slope = fundamental * RADIANS * (double)w->step;
    if (fundamental == 0.0) {
        return high < 1e3; /* an offset, no wave */
    }
    return high < fundamental && slope > 64.0 * (w->noise_u + 1.0) &&
           fundamental * fundamental - high * high > steep * steep;
}

/* Squares, so that no root is needed. */
static bool is_sure(const struct mg_sim_waves *w, unsigned lane, double start)
{
    double square = mean_square(w, w->i[lane], 0.0);
    double noise = w->noise_i * w->noise_i + ROUNDING_POWER;
    if (square == 0.0) {
        return true;
    }
    if (start <= 0.0) {
        return square > 4096.0 * noise;
    }
    double of_start = square / (start * start);
    return of_start < 49.0 / 64.0 || of_start > 81.0 / 64.0;
}

bool mg_sim_closed_is_exact(const struct mg_sim_waves *waves, double start)
{
    const struct mg_sim_waves *w = waves;
    if (w->shape != MG_SIM_SINE || w->has_spikes || w->has_ringing ||
        w->may_clip || !crosses_once(w)) {
        return false;
    }
    for (unsigned lane = 0; lane < w->n_lanes; lane++) {
        if (!is_sure(w, lane, start)) {
            return false;
        }
    }
    return true;
}

/* ---- Crossings ---- */

static double voltage(const struct mg_sim_waves *w, mg_phase_turn x)
{
    double sum = w->dc_u[0];
    for (unsigned k = 0; k < w->n; k++) {
        double s, c;
        mg_sincos(w->order[k] * x + w->u[0][k].phase, &s, &c);
        sum += w->u[0][k].peak * s;
    }
    return sum;
}

static double slope(const struct mg_sim_waves *w, mg_phase_turn x)
{
    double sum = 0.0;
    for (unsigned k = 0; k < w->n; k++) {
        double s, c;
        mg_sincos(w->order[k] * x + w->u[0][k].phase, &s, &c);
        sum += w->order[k] * w->u[0][k].peak * c;
    }
    return sum;
}

/* Where a rising voltage becomes a count that is not negative, at -0.5. */
static mg_phase_turn rising_zero(const struct mg_sim_waves *w)
{
    mg_phase_turn x = 0 - w->u[0][0].phase;
    for (unsigned k = 0; k < (w->n == 1 ? 1U : 6U); k++) {
        double turns = (voltage(w, x) + 0.5) / (slope(w, x) * RADIANS);
        x -= (mg_phase_turn)(int64_t)turns;
    }
    return x;
}

static double whole_counts(double x)
{
    return (double)rounded(x);
}

/* Where between the samples k - 1 and k the straight line crosses zero. */
static int64_t crossing_q8(int64_t k, double before, double after)
{
    double below = -before;
    double rise = after + below;
    double part = rise > 0.0 ? below * 256.0 / rise : 0.0;
    return (k - 1) * 256 + rounded(part);
}

static int64_t crossing_at(const struct mg_sim_waves *w, mg_phase_turn phase,
                           uint32_t k)
{
    return crossing_q8(k, voltage(w, phase + (k - 1) * w->step),
                       voltage(w, phase + k * w->step));
}

void mg_sim_closed_crossings(const struct mg_sim_waves *waves,
                             mg_phase_turn phase, uint32_t n_samples,
                             double *last, uint32_t *ret_n,
                             uint32_t *ret_span_q8)
{
    const struct mg_sim_waves *w = waves;
    double before = *last;
    double first = whole_counts(voltage(w, phase));
    *last = whole_counts(voltage(w, phase + (n_samples - 1) * w->step));
    *ret_n = 0;
    *ret_span_q8 = 0;
    if (w->u[0][0].peak == 0.0) {
        return;
    }
    bool is_first = before < 0.0 && first >= 0.0;
    /* Later ones: the first at the sample `next`, then one each turn. */
    mg_phase_turn left = rising_zero(w) - phase;
    wide_turn all = (wide_turn)(n_samples - 1) * w->step;
    uint32_t n_later =
        left != 0 && all >= left ? (uint32_t)((all - left) >> 64) + 1 : 0;
    *ret_n = n_later + is_first;
    if (*ret_n < 2) {
        return;
    }
    wide_turn to_last = left + ((wide_turn)(n_later - 1) << 64);
    uint32_t k = (uint32_t)((to_last + w->step - 1) / w->step);
    uint32_t next = (uint32_t)(((wide_turn)left + w->step - 1) / w->step);
    int64_t from =
        is_first ? crossing_q8(0, before, first) : crossing_at(w, phase, next);
    *ret_span_q8 = (uint32_t)(crossing_at(w, phase, k) - from);
}
