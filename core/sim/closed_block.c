#include "sim/closed_block.h"

#include <string.h>

#include "sim/closed_form.h"

#define BLOCK MG_SIM_BLOCK

#define WIDE 8 /* ticks side by side in any vector unit */

#define TURN 6.283185307179586477

/* u(x) = s sin x + c cos x + dc */
struct wave {
    double s, c, dc;
};

/* What a tick brings to every sum: the factors of a to e. */
struct basis {
    double of[5][BLOCK];
};

static struct wave make_wave(const struct mg_sim_component *x, double dc)
{
    double s, c;
    mg_sincos(x->phase, &s, &c);
    return (struct wave){.s = x->peak * c, .c = x->peak * s, .dc = dc};
}

static void multiply(const struct wave *u, const struct wave *i, double extra,
                     double ret[5])
{
    ret[0] = u->dc * i->dc + 0.5 * (u->s * i->s + u->c * i->c) + extra;
    ret[1] = u->dc * i->c + i->dc * u->c;
    ret[2] = u->dc * i->s + i->dc * u->s;
    ret[3] = 0.5 * (u->c * i->c - u->s * i->s);
    ret[4] = 0.5 * (u->s * i->c + u->c * i->s);
}

static void add_up(const struct wave *u, double ret[5])
{
    ret[0] = u->dc;
    ret[1] = u->c;
    ret[2] = u->s;
    ret[3] = ret[4] = 0.0;
}

void mg_sim_pure_make(const struct mg_sim_waves *waves, struct mg_sim_pure *ret)
{
    const struct mg_sim_waves *w = waves;
    ret->step = w->step;
    ret->n_lanes = w->n_lanes;
    ret->n[0] = ret->n[1] = 0;
    for (unsigned lane = 0; lane < w->n_lanes; lane++) {
        struct wave u = make_wave(&w->u[lane][0], w->dc_u[lane]);
        struct wave i = make_wave(&w->i[lane][0], w->dc_i[lane]);
        struct wave q = {.s = u.c, .c = -u.s, .dc = u.dc};
        double(*factor)[5] = ret->factor[lane];
        multiply(&u, &i, 0.0, factor[MG_SUM_UI]);
        multiply(&q, &i, 0.0, factor[MG_SUM_UQ]);
        multiply(&u, &u, mg_sim_closed_extra(w->u[lane], 1, w->noise_u),
                 factor[MG_SUM_U2]);
        multiply(&i, &i, mg_sim_closed_extra(w->i[lane], 1, w->noise_i),
                 factor[MG_SUM_I2]);
        add_up(&u, factor[MG_SUM_U]);
        add_up(&i, factor[MG_SUM_I]);
    }
}

static unsigned kernel_of(struct mg_sim_pure *pure, uint32_t n)
{
    unsigned which = n & 1U;
    if (pure->n[which] != n) {
        pure->n[which] = n;
        pure->kernel[which][0] = mg_sim_closed_kernel(pure->step, 1, n);
        pure->kernel[which][1] = mg_sim_closed_kernel(pure->step, 2, n);
    }
    return which;
}

/* An integer of at most 52 bits as a double, by its bits: plain SSE2 has no
 * conversion for two of them at once. */
static inline double from_bits(uint64_t small)
{
    uint64_t bits = small | UINT64_C(0x4330000000000000); /* 2^52 + small */
    double x;
    memcpy(&x, &bits, sizeof(x));
    return x - 4503599627370496.0;
}

/* As mg_sincos, without branches; 2^-53 of a turn are left out. */
static inline void sincos_flat(mg_phase_turn turn, double *ret_s, double *ret_c)
{
    uint64_t shifted = turn + MG_TURN_QUARTER / 2;
    uint64_t quarter = shifted >> 62;
    uint64_t rest = (shifted & (MG_TURN_QUARTER - 1)) >> 11;
    double x = (from_bits(rest) * (1.0 / 9007199254740992.0) - 0.125) * TURN;
    double y = x * x;
    double p = -1.0 / 1307674368000.0;
    p = p * y + 1.0 / 6227020800.0;
    p = p * y - 1.0 / 39916800.0;
    p = p * y + 1.0 / 362880.0;
    p = p * y - 1.0 / 5040.0;
    p = p * y + 1.0 / 120.0;
    p = p * y - 1.0 / 6.0;
    double s = x + x * (y * p);
    double r = 1.0 / 20922789888000.0;
    r = r * y - 1.0 / 87178291200.0;
    r = r * y + 1.0 / 479001600.0;
    r = r * y - 1.0 / 3628800.0;
    r = r * y + 1.0 / 40320.0;
    r = r * y - 1.0 / 720.0;
    r = r * y + 1.0 / 24.0;
    r = r * y - 0.5;
    double c = 1.0 + y * r;
    double is_odd = from_bits(quarter & 1);
    double sign = 1.0 - 2.0 * from_bits(quarter >> 1);
    double even = 1.0 - is_odd;
    *ret_s = sign * (even * s + is_odd * c);
    *ret_c = sign * (even * c - is_odd * s);
}

static void make_basis(struct mg_sim_pure *pure, mg_phase_turn phase,
                       const struct mg_sim_block *block, unsigned n_wide,
                       struct basis *b)
{
    uint64_t middle[BLOCK];
    double first[BLOCK];
    double second[BLOCK];
    for (unsigned k = 0; k < block->n_ticks; k++) {
        uint32_t n = block->n_samples[k];
        uint32_t last = n - 1;
        middle[k] = phase + (last >> 1) * pure->step;
        middle[k] += (last & 1U) != 0 ? pure->step >> 1 : 0;
        phase += n * pure->step;
        unsigned which = kernel_of(pure, n);
        b->of[0][k] = n;
        first[k] = pure->kernel[which][0];
        second[k] = pure->kernel[which][1];
    }
    for (unsigned k = block->n_ticks; k < n_wide; k++) {
        middle[k] = 0;
        b->of[0][k] = first[k] = second[k] = 0.0;
    }
    for (unsigned k = 0; k < n_wide; k++) {
        double s, c;
        sincos_flat(middle[k], &s, &c);
        b->of[1][k] = first[k] * c;
        b->of[2][k] = first[k] * s;
        b->of[3][k] = second[k] * (c * c - s * s);
        b->of[4][k] = second[k] * (2.0 * (s * c));
    }
}

void mg_sim_pure_block(struct mg_sim_pure *pure, mg_phase_turn phase,
                       struct mg_sim_block *block)
{
    unsigned n_wide = (block->n_ticks + WIDE - 1) / WIDE * WIDE;
    struct basis b;
    make_basis(pure, phase, block, n_wide, &b);
    for (unsigned lane = 0; lane < pure->n_lanes; lane++) {
        for (unsigned sum = 0; sum < MG_N_SUMS; sum++) {
            const double *f = pure->factor[lane][sum];
            int64_t *ret = block->sum[lane][sum];
            for (unsigned k = 0; k < n_wide; k++) {
                double x = f[0] * b.of[0][k] + f[1] * b.of[1][k];
                x += f[2] * b.of[2][k] + f[3] * b.of[3][k];
                x += f[4] * b.of[4][k];
                ret[k] = (int64_t)(x + (x < 0.0 ? -0.5 : 0.5));
            }
        }
    }
}
