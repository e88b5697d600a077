/* Compiled once for each vector unit, with the name of its function in
 * MG_SAMPLE_PATH and -O3 in every kind of build. */
#include "sim/sample_path.h"

#include <string.h>

#define CHUNK MG_CHUNK
#define WIDE  MG_WIDE

/* Adding and taking away 1.5 * 2^52 rounds a small double half to even. */
#define ROUNDER 6755399441055744.0

/* The sum of four bytes of chance: mean and standard deviation. */
#define NOISE_MEAN  510.0
#define NOISE_SIGMA 147.8

#define ALIGNED alignas(MG_LINE)

struct counts {
    ALIGNED double u[CHUNK];
    ALIGNED double q[CHUNK];
    ALIGNED double i[CHUNK];
};

/* Sums side by side, so that they can be made in parallel. Exact: each is of
 * CHUNK / WIDE products of two 24-bit counts, far below 2^53. */
struct wide_sums {
    double ui[WIDE], uq[WIDE], u2[WIDE], i2[WIDE], u[WIDE], i[WIDE];
};

static void fill(double *y, double x, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        y[k] = x;
    }
}

static void add_one(double *restrict y, const struct mg_sample_term *t,
                    size_t n)
{
    const double *restrict co = t[0].turns->cosine;
    const double *restrict si = t[0].turns->sine;
    double s = t[0].sine;
    double c = t[0].cosine;
    for (size_t b = 0; b < n; b += WIDE) {
        for (size_t k = b; k < b + WIDE; k++) {
            y[k] += s * co[k] + c * si[k];
        }
    }
}

static void add_two(double *restrict y, const struct mg_sample_term *t,
                    size_t n)
{
    const double *restrict co_0 = t[0].turns->cosine;
    const double *restrict si_0 = t[0].turns->sine;
    const double *restrict co_1 = t[1].turns->cosine;
    const double *restrict si_1 = t[1].turns->sine;
    double s_0 = t[0].sine;
    double c_0 = t[0].cosine;
    double s_1 = t[1].sine;
    double c_1 = t[1].cosine;
    for (size_t b = 0; b < n; b += WIDE) {
        for (size_t k = b; k < b + WIDE; k++) {
            y[k] = (y[k] + (s_0 * co_0[k] + c_0 * si_0[k])) +
                   (s_1 * co_1[k] + c_1 * si_1[k]);
        }
    }
}

static void add_terms(double *restrict y, const struct mg_sample_signal *x,
                      unsigned from, size_t n)
{
    unsigned k = from;
    for (; k + 2 <= x->n; k += 2) {
        add_two(y, &x->term[k], n);
    }
    if (k < x->n) {
        add_one(y, &x->term[k], n);
    }
}

/* The current's fundamental, cut to its shape, before all else. */
static void gated_current(const struct mg_sample_job *job, double *restrict y,
                          size_t n)
{
    const struct mg_sample_extras *x = job->extras;
    fill(y, 0.0, n);
    if (job->i.n > 0) {
        add_one(y, &job->i.term[0], n);
    }
    for (size_t k = 0; k < n; k++) {
        y[k] = y[k] * x->gate[k] + job->i.dc;
    }
    add_terms(y, &job->i, 1, n);
}

static void make_signals(const struct mg_sample_job *job, size_t n,
                         struct counts *c)
{
    fill(c->u, job->u.dc, n);
    fill(c->q, job->q.dc, n);
    add_terms(c->u, &job->u, 0, n);
    add_terms(c->q, &job->q, 0, n);
    if (job->extras == NULL) {
        fill(c->i, job->i.dc, n);
        add_terms(c->i, &job->i, 0, n);
        return;
    }
    gated_current(job, c->i, n);
    for (size_t k = 0; k < n; k++) {
        c->u[k] += job->extras->u[k];
        c->i[k] += job->extras->i[k];
    }
}

/* An integer below 2^51 as a double less NOISE_MEAN, by its bits: plain SSE2
 * has no conversion for four or two of them at once. */
static inline double centred(uint64_t small)
{
    uint64_t bits = small | UINT64_C(0x4330000000000000); /* 2^52 + small */
    double x;
    memcpy(&x, &bits, sizeof(x));
    return x - (4503599627370496.0 + NOISE_MEAN);
}

/* Near enough to a normal distribution: four uniform bytes added, for voltage
 * and current from one draw of xorshift. */
static void add_noise(const struct mg_sample_job *job, size_t n,
                      struct counts *c)
{
    double noise_u = job->noise_u / NOISE_SIGMA;
    double noise_i = job->noise_i / NOISE_SIGMA;
    uint64_t x[WIDE];
    memcpy(x, job->noise, sizeof(x));
    for (size_t b = 0; b < n; b += WIDE) {
        for (size_t k = 0; k < WIDE; k++) {
            x[k] ^= x[k] << 13;
            x[k] ^= x[k] >> 7;
            x[k] ^= x[k] << 17;
            uint64_t sums = (x[k] & UINT64_C(0x00ff00ff00ff00ff)) +
                            (x[k] >> 8 & UINT64_C(0x00ff00ff00ff00ff));
            sums = (sums & UINT64_C(0x0000ffff0000ffff)) +
                   (sums >> 16 & UINT64_C(0x0000ffff0000ffff));
            double u = centred(sums & 0xffff) * noise_u;
            double i = centred(sums >> 32) * noise_i;
            c->u[b + k] += u;
            c->q[b + k] += u;
            c->i[b + k] += i;
        }
    }
    memcpy(job->noise, x, sizeof(x));
}

static void clip(double *x, size_t n, double full)
{
    for (size_t k = 0; k < n; k++) {
        double y = (x[k] + ROUNDER) - ROUNDER;
        y = y > full - 1.0 ? full - 1.0 : y;
        x[k] = y < -full ? -full : y;
    }
}

static uint32_t at_end_stop(const double *x, size_t n, double full)
{
    uint32_t count = 0;
    for (size_t k = 0; k < n; k++) {
        count += (x[k] >= full - 1.0) | (x[k] <= -full);
    }
    return count;
}

/* To whole counts, and their sums. */
static void add_wide(struct counts *c, size_t n, struct wide_sums *w)
{
    for (size_t b = 0; b < n; b += WIDE) {
        for (size_t k = 0; k < WIDE; k++) {
            double u = (c->u[b + k] + ROUNDER) - ROUNDER;
            double q = (c->q[b + k] + ROUNDER) - ROUNDER;
            double i = (c->i[b + k] + ROUNDER) - ROUNDER;
            c->u[b + k] = u;
            w->ui[k] += u * i;
            w->uq[k] += q * i;
            w->u2[k] += u * u;
            w->i2[k] += i * i;
            w->u[k] += u;
            w->i[k] += i;
        }
    }
}

static int64_t total(const double wide[WIDE])
{
    double sum = 0.0;
    for (size_t k = 0; k < WIDE; k++) {
        sum += wide[k];
    }
    return (int64_t)sum;
}

void MG_SAMPLE_PATH(const struct mg_sample_job *job, struct mg_lane_sums *sums,
                    double *ret_u)
{
    struct counts c;
    struct wide_sums w = {0};
    size_t n_wide = (job->n + WIDE - 1) / WIDE * WIDE;
    make_signals(job, n_wide, &c);
    if (job->noise_u > 0.0 || job->noise_i > 0.0) {
        add_noise(job, n_wide, &c);
    }
    if (job->may_clip) {
        clip(c.u, n_wide, job->full);
        clip(c.q, n_wide, job->full);
        clip(c.i, n_wide, job->full);
        sums->n_saturated += at_end_stop(c.u, job->n, job->full);
        sums->n_saturated += at_end_stop(c.i, job->n, job->full);
    }
    for (size_t k = job->n; k < n_wide; k++) {
        c.u[k] = c.q[k] = c.i[k] = 0.0; /* adds nothing to any sum */
    }
    add_wide(&c, n_wide, &w);
    if (ret_u != NULL) {
        memcpy(ret_u, c.u, job->n * sizeof(double));
    }
    sums->ui += total(w.ui);
    sums->uq += total(w.uq);
    sums->u2 += total(w.u2);
    sums->i2 += total(w.i2);
    sums->u_sum += total(w.u);
    sums->i_sum += total(w.i);
}
