/* The vectors of the closed form of many ticks. Compiled once for each vector
 * unit, with the name of its function in MG_PURE_SUMS; the same bits with each:
 * every tick by itself, without contraction. */
#include <string.h>

#include "sim/closed_block.h"

#define BLOCK MG_SIM_BLOCK

#define TURN 6.283185307179586477

#define WIDE 8

typedef double vector __attribute__((vector_size(8 * WIDE)));
typedef int64_t whole __attribute__((vector_size(8 * WIDE)));

/* What a tick brings to every sum: the factors of a to e. */
struct basis {
    double of[5][BLOCK];
};

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

static void make_basis(const struct mg_pure_ticks *t, struct basis *b)
{
    for (unsigned k = 0; k < t->n_wide; k++) {
        double s, c;
        sincos_flat(t->middle[k], &s, &c);
        b->of[0][k] = t->n[k];
        b->of[1][k] = t->first[k] * c;
        b->of[2][k] = t->first[k] * s;
        b->of[3][k] = t->second[k] * (c * c - s * s);
        b->of[4][k] = t->second[k] * (2.0 * (s * c));
    }
}

/* Rounded half away from zero. */
static inline void put(int64_t ret[WIDE], const vector *x)
{
    const vector half = 0.5 - (vector){0};
    whole sign = (whole)*x & INT64_MIN;
    whole sums =
        __builtin_convertvector(*x + (vector)((whole)half | sign), whole);
    memcpy(ret, &sums, sizeof sums);
}

static inline void add_up(const double factor[MG_N_SUMS][5], const vector b[5],
                          unsigned at, int64_t ret[MG_N_SUMS][BLOCK])
{
    for (unsigned sum = 0; sum < MG_SUM_U; sum++) {
        const double *f = factor[sum];
        vector x = f[0] * b[0] + f[1] * b[1];
        x += f[2] * b[2] + f[3] * b[3];
        x += f[4] * b[4];
        put(&ret[sum][at], &x);
    }
    for (unsigned sum = MG_SUM_U; sum < MG_N_SUMS; sum++) {
        const double *f = factor[sum]; /* has no second order */
        vector x = f[0] * b[0] + f[1] * b[1];
        x += f[2] * b[2];
        put(&ret[sum][at], &x);
    }
}

void MG_PURE_SUMS(const struct mg_sim_pure *pure, const struct mg_pure_ticks *t,
                  struct mg_sim_block *block)
{
    struct basis basis;
    make_basis(t, &basis);
    for (unsigned at = 0; at < t->n_wide; at += WIDE) {
        vector b[5];
        for (unsigned k = 0; k < 5; k++) {
            memcpy(&b[k], &basis.of[k][at], sizeof b[k]);
        }
        for (unsigned lane = 0; lane < pure->n_lanes; lane++) {
            add_up(pure->factor[lane], b, at, block->sum[lane]);
        }
    }
}
