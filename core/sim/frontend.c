#include "sim/frontend.h"

#include <string.h>

#include "sim/rng.h"

#define CHUNK MG_FRONTEND_CHUNK
#define WIDE  MG_FRONTEND_WIDE

#define SQRT2 1.4142135623730950488

/* Adding and taking away 1.5 * 2^52 rounds a small double half to even. */
#define ROUNDER 6755399441055744.0

/* The sum of four bytes of chance: mean, standard deviation, farthest. */
#define NOISE_MEAN  510.0
#define NOISE_SIGMA 147.8
#define NOISE_PEAK  3.46

struct chunk {
    double u[CHUNK], q[CHUNK], i[CHUNK]; /* counts */
    double noise_u[CHUNK], noise_i[CHUNK];
};

/* Voltage and current at a chunk's start, in counts. */
struct phasors {
    double u_sin, u_cos, i_sin, i_cos;
};

/* Sums side by side, so that they can be made in parallel. Exact: each is of
 * CHUNK / WIDE products of two 24-bit counts, far below 2^53. */
struct wide_sums {
    double ui[WIDE], uq[WIDE], u2[WIDE], i2[WIDE], u[WIDE], i[WIDE];
};

static bool is_sane(const struct mg_frontend *d)
{
    uint64_t longest = d->samples_per_tick;
    if (longest == 0) {
        /* Half periods of a mains at the lowest 40 Hz it may have. */
        longest = (uint64_t)d->half_periods * (d->rate_mhz / 80000 + 1);
    }
    return d->rate_mhz >= 1000000 && d->rate_mhz <= 1000000000 && longest > 0 &&
           longest <= d->rate_mhz / 1000 && d->n_lanes >= 1 &&
           d->n_lanes <= MG_LANES_MAX && d->bits >= 8 && d->bits <= 24 &&
           d->full_scale_mv > 0 && d->full_scale_ma > 0;
}

int mg_sim_frontend_init(struct mg_sim_frontend *fe,
                         const struct mg_frontend *description, uint64_t seed)
{
    if (!is_sane(description)) {
        return MG_E_INVAL;
    }
    struct mg_sim_rng rng = {.state = seed};
    *fe = (struct mg_sim_frontend){.description = description};
    fe->phase = mg_sim_rng_next(&rng);
    for (size_t k = 0; k < WIDE; k++) {
        fe->noise[k] = mg_sim_rng_next(&rng) | 1; /* xorshift stays at 0 */
    }
    struct mg_sim_mains mains;
    mg_sim_mains_balanced(&(struct mg_sim_load){.frequency_mhz = 50000},
                          &mains);
    mg_sim_frontend_set(fe, &mains);
    return MG_OK;
}

static void make_tables(struct mg_sim_frontend *fe)
{
    fe->turn_cos[0] = 1.0;
    fe->turn_sin[0] = 0.0;
    for (size_t half = 1; half < CHUNK; half *= 2) {
        double s, c;
        mg_sincos(fe->step * half, &s, &c);
        for (size_t k = 0; k < half; k++) {
            fe->turn_cos[half + k] = fe->turn_cos[k] * c - fe->turn_sin[k] * s;
            fe->turn_sin[half + k] = fe->turn_sin[k] * c + fe->turn_cos[k] * s;
        }
    }
}

void mg_sim_frontend_set(struct mg_sim_frontend *fe,
                         const struct mg_sim_mains *mains)
{
    const struct mg_sim_phase *load = &mains->phase[0];
    const struct mg_frontend *d = fe->description;
    double half_scale = (double)((uint32_t)1 << (d->bits - 1));
    fe->peak_u = (double)load->voltage_mv * SQRT2 / d->full_scale_mv *
                 half_scale * (1.0 + d->gain_u_ppm * 1e-6);
    fe->peak_i = (double)load->current_ma * SQRT2 / d->full_scale_ma *
                 half_scale * (1.0 + d->gain_i_ppm * 1e-6);
    fe->lag = mg_turn_from_cdeg(load->phase_cdeg) +
              mg_turn_from_cdeg(d->phase_error_cdeg);
    if (mains->frequency_mhz != fe->frequency_mhz) {
        fe->frequency_mhz = mains->frequency_mhz;
        fe->step = mg_mains_step(mains->frequency_mhz, d->rate_mhz);
        make_tables(fe);
    }
}

uint32_t mg_sim_frontend_tick_samples(const struct mg_sim_frontend *fe)
{
    const struct mg_frontend *d = fe->description;
    return d->samples_per_tick != 0
               ? d->samples_per_tick
               : mg_mains_samples(fe->phase, fe->step, d->half_periods);
}

/* An integer below 2^52 as a double, by its bits: plain SSE2 has no conversion
 * for four or two of them at once. */
static double from_bits(uint64_t small)
{
    uint64_t bits = small | UINT64_C(0x4330000000000000); /* 2^52 + small */
    double x;
    memcpy(&x, &bits, sizeof(x));
    return x - 4503599627370496.0;
}

/* Near enough to a normal distribution, in units of 1 / NOISE_SIGMA: four
 * uniform bytes added, for voltage and current from one draw of xorshift. */
static void make_noise(uint64_t state[WIDE], size_t n, struct chunk *c)
{
    uint64_t x[WIDE];
    memcpy(x, state, sizeof(x));
    for (size_t b = 0; b < n; b += WIDE) {
        for (size_t k = 0; k < WIDE; k++) {
            x[k] ^= x[k] << 13;
            x[k] ^= x[k] >> 7;
            x[k] ^= x[k] << 17;
            uint64_t sums = (x[k] & UINT64_C(0x00ff00ff00ff00ff)) +
                            (x[k] >> 8 & UINT64_C(0x00ff00ff00ff00ff));
            sums = (sums & UINT64_C(0x0000ffff0000ffff)) +
                   (sums >> 16 & UINT64_C(0x0000ffff0000ffff));
            c->noise_u[b + k] = from_bits(sums & 0xffff) - NOISE_MEAN;
            c->noise_i[b + k] = from_bits(sums >> 32) - NOISE_MEAN;
        }
    }
    memcpy(state, x, sizeof(x));
}

static inline double convert(double x, double full)
{
    x = (x + ROUNDER) - ROUNDER;
    x = x > full - 1.0 ? full - 1.0 : x;
    return x < -full ? -full : x;
}

/* Samples from the phasors at the chunk's start: voltage a_u sin + b_u cos, a
 * quarter period back -b_u sin + a_u cos, current a_i sin + b_i cos. */
static void convert_all(const struct mg_sim_frontend *fe,
                        const struct phasors *p, size_t n, struct chunk *c)
{
    const struct mg_frontend *d = fe->description;
    double full = (double)((uint32_t)1 << (d->bits - 1));
    double noise_u = d->noise_u_mlsb * 1e-3 / NOISE_SIGMA;
    double noise_i = d->noise_i_mlsb * 1e-3 / NOISE_SIGMA;
    double offset_u = d->offset_u_lsb;
    double offset_i = d->offset_i_lsb;
    double u_sin = p->u_sin, u_cos = p->u_cos, i_sin = p->i_sin,
           i_cos = p->i_cos;
    for (size_t k = 0; k < n; k++) {
        double co = fe->turn_cos[k];
        double si = fe->turn_sin[k];
        double extra_u = c->noise_u[k] * noise_u + offset_u;
        double extra_i = c->noise_i[k] * noise_i + offset_i;
        c->u[k] = convert(u_sin * co + u_cos * si + extra_u, full);
        c->q[k] = convert(u_sin * si - u_cos * co + extra_u, full);
        c->i[k] = convert(i_sin * co + i_cos * si + extra_i, full);
    }
}

static uint32_t count_at_end_stop(const double *x, size_t n, double full)
{
    uint32_t count = 0;
    for (size_t k = 0; k < n; k++) {
        count += (x[k] >= full - 1.0) | (x[k] <= -full);
    }
    return count;
}

/* Most signals never come near: then there is nothing to look for. */
static uint32_t count_saturated(const struct mg_sim_frontend *fe,
                                const struct chunk *c, size_t n)
{
    const struct mg_frontend *d = fe->description;
    double full = (double)((uint32_t)1 << (d->bits - 1));
    double u = fe->peak_u + d->noise_u_mlsb * (NOISE_PEAK * 1e-3);
    double i = fe->peak_i + d->noise_i_mlsb * (NOISE_PEAK * 1e-3);
    double offset_u = d->offset_u_lsb < 0 ? -d->offset_u_lsb : d->offset_u_lsb;
    double offset_i = d->offset_i_lsb < 0 ? -d->offset_i_lsb : d->offset_i_lsb;
    uint32_t count = 0;
    if (u + offset_u >= full - 2.0) {
        count += count_at_end_stop(c->u, n, full);
    }
    if (i + offset_i >= full - 2.0) {
        count += count_at_end_stop(c->i, n, full);
    }
    return count;
}

static int64_t total(const double wide[WIDE])
{
    double sum = 0.0;
    for (size_t k = 0; k < WIDE; k++) {
        sum += wide[k];
    }
    return (int64_t)sum;
}

static void add_sums(const struct chunk *c, size_t n, struct mg_lane_sums *sums)
{
    struct wide_sums w = {0};
    for (size_t b = 0; b < n; b += WIDE) {
        for (size_t k = 0; k < WIDE; k++) {
            double u = c->u[b + k];
            double i = c->i[b + k];
            w.ui[k] += u * i;
            w.uq[k] += c->q[b + k] * i;
            w.u2[k] += u * u;
            w.i2[k] += i * i;
            w.u[k] += u;
            w.i[k] += i;
        }
    }
    sums->ui += total(w.ui);
    sums->uq += total(w.uq);
    sums->u2 += total(w.u2);
    sums->i2 += total(w.i2);
    sums->u_sum += total(w.u);
    sums->i_sum += total(w.i);
}

/* n samples of one lane from `phase` on, in counts. Past n up to the next
 * multiple of WIDE there are zeros, which add nothing to any sum. */
static void sample_lane(struct mg_sim_frontend *fe, mg_phase_turn phase,
                        size_t n, struct chunk *c, struct mg_lane_sums *sums)
{
    size_t n_wide = (n + WIDE - 1) / WIDE * WIDE;
    struct phasors p;
    mg_sincos(phase, &p.u_sin, &p.u_cos);
    mg_sincos(phase - fe->lag, &p.i_sin, &p.i_cos);
    p.u_sin *= fe->peak_u;
    p.u_cos *= fe->peak_u;
    p.i_sin *= fe->peak_i;
    p.i_cos *= fe->peak_i;
    make_noise(fe->noise, n_wide, c);
    convert_all(fe, &p, n_wide, c);
    for (size_t k = n; k < n_wide; k++) {
        c->u[k] = c->q[k] = c->i[k] = 0.0;
    }
    add_sums(c, n_wide, sums);
    sums->n_saturated += count_saturated(fe, c, n);
}

struct crossings {
    uint32_t n;
    int64_t first_q8, last_q8;
};

/* Rising zero crossings, interpolated between two counts. */
static void find_crossings(const double *u, size_t n, uint32_t at, double last,
                           struct crossings *x)
{
    for (size_t k = 0; k < n; k++) {
        if (last < 0.0 && u[k] >= 0.0) {
            int64_t below = -(int64_t)last;
            int64_t rise = (int64_t)u[k] + below;
            int64_t q8 = ((int64_t)at + (int64_t)k - 1) * 256 +
                         (below * 256 + rise / 2) / rise;
            x->first_q8 = x->n == 0 ? q8 : x->first_q8;
            x->last_q8 = q8;
            x->n++;
        }
        last = u[k];
    }
}

void mg_sim_frontend_tick(struct mg_sim_frontend *fe, uint32_t n_samples,
                          struct mg_tick *ret)
{
    struct chunk c = {0};
    struct crossings x = {0};
    *ret = (struct mg_tick){.n_ticks = 1, .n_samples = n_samples};
    for (uint32_t at = 0; at < n_samples; at += CHUNK) {
        size_t n = n_samples - at < CHUNK ? n_samples - at : CHUNK;
        mg_phase_turn phase = fe->phase;
        for (size_t lane = 0; lane < fe->description->n_lanes; lane++) {
            sample_lane(fe, phase, n, &c, &ret->lane[lane]);
            if (lane == 0) {
                find_crossings(c.u, n, at, fe->last_u, &x);
                fe->last_u = c.u[n - 1];
            }
            phase -= MG_TURN_THIRD; /* L2 is behind L1, L3 behind L2 */
        }
        fe->phase += fe->step * n;
    }
    ret->n_crossings = x.n;
    ret->crossing_span_q8 = (uint32_t)(x.last_q8 - x.first_q8);
}
