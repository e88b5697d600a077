/* Compiled once for each vector unit, with the name of its function in
 * MG_SAMPLE_PATH and -O3 in every kind of build.
 *
 * Vectors by the extension that gcc and clang share, as wide as the unit's:
 * what the compilers make of plain loops differs too much. Samples go through
 * in blocks of MG_WIDE, all in registers. */
#include "sim/sample_path.h"

#include <string.h>

#if defined __AVX512F__
#define VECTOR_BYTES 64
#elif defined __AVX2__
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
#define LANES  (VECTOR_BYTES / sizeof(double))
#define PIECES (MG_WIDE / LANES) /* of a block */

typedef double vector __attribute__((vector_size(VECTOR_BYTES), __may_alias__));
typedef uint64_t whole
    __attribute__((vector_size(VECTOR_BYTES), __may_alias__));

struct block {
    vector at[PIECES];
};

/* Exact: each is of at most MG_CHUNK / 2 products of two 24-bit counts, below
 * 2^53. */
struct sums {
    vector ui, uq, u2, i2, u, i;
    whole n_saturated;
};

/* Adding and taking away 1.5 * 2^52 rounds a small double half to even. */
#define ROUNDER 6755399441055744.0

/* The sum of four bytes of chance: mean and standard deviation. */
#define NOISE_MEAN  510.0
#define NOISE_SIGMA 147.8

static inline vector all(double x)
{
    return x - (vector){0};
}

/* x where the mask is set, else y. */
static inline vector choose(whole mask, vector x, vector y)
{
    return (vector)((mask & (whole)x) | (~mask & (whole)y));
}

static inline vector load(const double *x)
{
    return *(const vector *)x;
}

/* ---- Signals ---- */

static inline void add_term(struct block *y, const struct mg_sample_term *t,
                            size_t b)
{
    const double *cosine = &t->turns->cosine[b];
    const double *sine = &t->turns->sine[b];
    vector s = all(t->sine);
    vector c = all(t->cosine);
    for (size_t p = 0; p < PIECES; p++) {
        y->at[p] += s * load(cosine + p * LANES) + c * load(sine + p * LANES);
    }
}

static inline void make_signal(struct block *y,
                               const struct mg_sample_signal *x, size_t b)
{
    unsigned k = 0;
    for (size_t p = 0; p < PIECES; p++) {
        y->at[p] = all(x->dc);
    }
    for (; k + 2 < x->n; k += 3) {
        add_term(y, &x->term[k], b);
        add_term(y, &x->term[k + 1], b);
        add_term(y, &x->term[k + 2], b);
    }
    for (; k < x->n; k++) {
        add_term(y, &x->term[k], b);
    }
}

/* The current's fundamental is cut to its shape before all else is added. */
static void make_cut_current(struct block *y, const struct mg_sample_job *job,
                             size_t b)
{
    for (size_t p = 0; p < PIECES; p++) {
        y->at[p] = all(0.0);
    }
    for (unsigned k = 0; k < job->i.n; k++) {
        add_term(y, &job->i.term[k], b);
        for (size_t p = 0; k == 0 && p < PIECES; p++) {
            y->at[p] = y->at[p] * load(&job->extras->gate[b + p * LANES]) +
                       all(job->i.dc);
        }
    }
}

static void add_extras(const struct mg_sample_job *job, size_t b,
                       struct block *u, struct block *i)
{
    make_cut_current(i, job, b);
    for (size_t p = 0; p < PIECES; p++) {
        u->at[p] += load(&job->extras->u[b + p * LANES]);
        i->at[p] += load(&job->extras->i[b + p * LANES]);
    }
}

/* ---- Noise ---- */

/* Integers below 2^51 as doubles less NOISE_MEAN, by their bits: plain SSE2 has
 * no conversion. */
static inline vector centred(whole small)
{
    whole bits = small | UINT64_C(0x4330000000000000); /* 2^52 + small */
    return (vector)bits - (4503599627370496.0 + NOISE_MEAN);
}

/* Near enough to a normal distribution: four uniform bytes added, for voltage
 * and current from one draw of xorshift. */
static inline void add_noise(whole state[PIECES], double noise_u,
                             double noise_i, struct block *u, struct block *q,
                             struct block *i)
{
    for (size_t p = 0; p < PIECES; p++) {
        whole x = state[p];
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        state[p] = x;
        whole sums = (x & UINT64_C(0x00ff00ff00ff00ff)) +
                     (x >> 8 & UINT64_C(0x00ff00ff00ff00ff));
        sums = (sums & UINT64_C(0x0000ffff0000ffff)) +
               (sums >> 16 & UINT64_C(0x0000ffff0000ffff));
        vector more_u = centred(sums & UINT64_C(0xffff)) * noise_u;
        u->at[p] += more_u;
        q->at[p] += more_u;
        i->at[p] += centred(sums >> 32) * noise_i;
    }
}

/* ---- Counts ---- */

static inline void round_off(struct block *x)
{
    for (size_t p = 0; p < PIECES; p++) {
        x->at[p] = (x->at[p] + ROUNDER) - ROUNDER;
    }
}

static inline void clip(struct block *x, double full)
{
    vector high = all(full - 1.0);
    vector low = all(-full);
    for (size_t p = 0; p < PIECES; p++) {
        vector y = x->at[p];
        y = choose((whole)(y > high), high, y);
        x->at[p] = choose((whole)(y < low), low, y);
    }
}

static void count_saturated(const struct block *x, double full,
                            struct sums *sums)
{
    vector high = all(full - 1.0);
    vector low = all(-full);
    for (size_t p = 0; p < PIECES; p++) {
        whole at_end = (whole)(x->at[p] >= high) | (whole)(x->at[p] <= low);
        sums->n_saturated -= at_end; /* set is -1 */
    }
}

/* Beyond the last sample, zeros add nothing to any sum. */
static void blank(struct block *x, size_t n_left)
{
    for (size_t k = n_left; k < MG_WIDE; k++) {
        x->at[k / LANES][k % LANES] = 0.0;
    }
}

static inline void add_sums(const struct block *u, const struct block *q,
                            const struct block *i, struct sums *sums)
{
    for (size_t p = 0; p < PIECES; p++) {
        sums->ui += u->at[p] * i->at[p];
        sums->uq += q->at[p] * i->at[p];
        sums->u2 += u->at[p] * u->at[p];
        sums->i2 += i->at[p] * i->at[p];
        sums->u += u->at[p];
        sums->i += i->at[p];
    }
}

/* Halves added to halves: exact, so the order is free. */
static inline int64_t total(vector x)
{
    double part[LANES];
    memcpy(part, &x, sizeof part);
    for (size_t half = LANES / 2; half > 0; half /= 2) {
        for (size_t k = 0; k < half; k++) {
            part[k] += part[k + half];
        }
    }
    return (int64_t)part[0];
}

static void finish(const struct sums *sums, struct mg_lane_sums *ret)
{
    ret->ui += total(sums->ui);
    ret->uq += total(sums->uq);
    ret->u2 += total(sums->u2);
    ret->i2 += total(sums->i2);
    ret->u_sum += total(sums->u);
    ret->i_sum += total(sums->i);
    for (size_t k = 0; k < LANES; k++) {
        ret->n_saturated += (uint32_t)sums->n_saturated[k];
    }
}

void MG_SAMPLE_PATH(const struct mg_sample_job *job, struct mg_lane_sums *sums,
                    double *ret_u)
{
    vector zero = all(0.0);
    struct sums s = {zero, zero, zero, zero, zero, zero, (whole)zero};
    whole state[PIECES];
    double noise_u = job->noise_u / NOISE_SIGMA;
    double noise_i = job->noise_i / NOISE_SIGMA;
    bool has_noise = noise_u > 0.0 || noise_i > 0.0;
    memcpy(state, job->noise, sizeof state);
    for (size_t b = 0; b < job->n; b += MG_WIDE) {
        struct block u, q, i;
        make_signal(&u, &job->u, b);
        make_signal(&q, &job->q, b);
        if (job->extras == NULL) {
            make_signal(&i, &job->i, b);
        } else {
            add_extras(job, b, &u, &i);
        }
        if (has_noise) {
            add_noise(state, noise_u, noise_i, &u, &q, &i);
        }
        round_off(&u);
        round_off(&q);
        round_off(&i);
        if (job->may_clip) {
            clip(&u, job->full);
            clip(&q, job->full);
            clip(&i, job->full);
        }
        if (job->n - b < MG_WIDE) {
            blank(&u, job->n - b);
            blank(&q, job->n - b);
            blank(&i, job->n - b);
        }
        if (job->may_clip) {
            count_saturated(&u, job->full, &s);
            count_saturated(&i, job->full, &s);
        }
        if (ret_u != NULL) {
            memcpy(&ret_u[b], u.at, sizeof u.at);
        }
        add_sums(&u, &q, &i, &s);
    }
    memcpy(job->noise, state, sizeof state);
    finish(&s, sums);
}
