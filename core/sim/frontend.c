#include "sim/frontend.h"

#include <stdlib.h>
#include <string.h>

#include "sim/rng.h"
#include "sim/transients.h"

#define CHUNK MG_CHUNK

__extension__ typedef unsigned __int128 wide_turn;

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
           d->sinc_order <= 5 && d->full_scale_mv > 0 && d->full_scale_ma > 0;
}

static mg_sample_path *choose_kernel(void)
{
    mg_sample_path *path = mg_sample_path_named(getenv("MG_SIM_ISA"));
    return path != NULL ? path : mg_sample_path_named(NULL);
}

int mg_sim_frontend_init(struct mg_sim_frontend *fe,
                         const struct mg_frontend *description, uint64_t seed)
{
    if (!is_sane(description)) {
        return MG_E_INVAL;
    }
    struct mg_sim_rng rng = {.state = seed};
    memset(fe, 0, sizeof *fe);
    fe->description = description;
    fe->kernel = choose_kernel();
    fe->phase = mg_sim_rng_next(&rng);
    for (size_t k = 0; k < MG_WIDE; k++) {
        fe->noise[k] = mg_sim_rng_next(&rng) | 1; /* xorshift stays at 0 */
    }
    fe->spike_rng = mg_sim_rng_next(&rng);
    fe->spike_in = mg_sim_rng_below(&rng, 1U << 20);
    struct mg_sim_mains mains;
    mg_sim_mains_balanced(&(struct mg_sim_load){.frequency_mhz = 50000},
                          &mains);
    mg_sim_frontend_set(fe, &mains);
    return MG_OK;
}

/* ---- The mains ---- */

void mg_sim_frontend_set_start(struct mg_sim_frontend *fe, int64_t start_ma)
{
    const struct mg_frontend *d = fe->description;
    double full = (double)((uint32_t)1 << (d->bits - 1));
    fe->fast.start = (double)start_ma * full / d->full_scale_ma;
    mg_sim_fast_path_set(&fe->fast, &fe->waves);
}

static void make_turns(mg_phase_turn step, struct mg_sample_turns *t)
{
    t->cosine[0] = 1.0;
    t->sine[0] = 0.0;
    for (size_t half = 1; half < CHUNK; half *= 2) {
        double s, c;
        mg_sincos(step * half, &s, &c);
        for (size_t k = 0; k < half; k++) {
            t->cosine[half + k] = t->cosine[k] * c - t->sine[k] * s;
            t->sine[half + k] = t->sine[k] * c + t->cosine[k] * s;
        }
    }
}

/* Which components have to be computed at all. */
static uint8_t find_used(const struct mg_sim_waves *w, bool is_current,
                         uint8_t ret[MG_SIM_COMPONENTS_MAX])
{
    uint8_t n_used = 0;
    for (uint8_t n = 0; n < w->n; n++) {
        bool is_used = n == 0; /* the shapes are cut from it */
        for (unsigned lane = 0; lane < w->n_lanes; lane++) {
            double peak = is_current ? w->i[lane][n].peak : w->u[lane][n].peak;
            is_used = is_used || peak != 0.0;
        }
        if (is_used) {
            ret[n_used++] = n;
        }
    }
    return n_used;
}

static void make_phasors(const struct mg_sim_component *of, unsigned n,
                         double *ret_sin, double *ret_cos)
{
    for (unsigned k = 0; k < n; k++) {
        double s, c;
        mg_sincos(of[k].phase, &s, &c);
        ret_sin[k] = of[k].peak * s;
        ret_cos[k] = of[k].peak * c;
    }
}

static void add_defect(struct mg_sim_frontend *fe)
{
    struct mg_sim_waves *w = &fe->waves;
    for (unsigned lane = 0; lane < w->n_lanes; lane++) {
        for (unsigned n = 0; n < w->n; n++) {
            w->i[lane][n].phase -= mg_turn_from_cdeg(fe->phase_error_cdeg);
        }
    }
}

void mg_sim_frontend_set(struct mg_sim_frontend *fe,
                         const struct mg_sim_mains *mains)
{
    struct mg_sim_waves *w = &fe->waves;
    if (fe->has_waves && mg_sim_mains_is_same(&fe->mains, mains)) {
        return;
    }
    if (fe->ring.start_ns != mains->ringing.start_ns) {
        fe->ring = (struct mg_sim_ring){.start_ns = mains->ringing.start_ns};
    }
    fe->mains = *mains;
    mg_sim_waves_make(fe->description, mains, w);
    add_defect(fe);
    mg_sim_fast_path_set(&fe->fast, w);
    fe->has_waves = true;
    fe->has_phasors = false;
}

/* Made with the first tick that needs it. */
static void prepare_samples(struct mg_sim_frontend *fe)
{
    const struct mg_sim_waves *w = &fe->waves;
    for (unsigned n = 0; n < w->n; n++) {
        mg_phase_turn turn = w->step * w->order[n];
        if (turn != fe->turn_of[n]) {
            make_turns(turn, &fe->turns[n]);
            fe->turn_of[n] = turn;
        }
    }
    for (unsigned lane = 0; lane < w->n_lanes; lane++) {
        make_phasors(w->u[lane], w->n, fe->u_sin[lane], fe->u_cos[lane]);
        make_phasors(w->i[lane], w->n, fe->i_sin[lane], fe->i_cos[lane]);
    }
    fe->n_u = find_used(w, false, fe->used_u);
    fe->n_i = find_used(w, true, fe->used_i);
    fe->has_phasors = true;
}

void mg_sim_frontend_set_defect(struct mg_sim_frontend *fe,
                                int32_t phase_error_cdeg)
{
    fe->phase_error_cdeg = phase_error_cdeg;
    fe->has_waves = false;
}

uint32_t mg_sim_frontend_tick_samples(const struct mg_sim_frontend *fe)
{
    const struct mg_frontend *d = fe->description;
    return d->samples_per_tick != 0
               ? d->samples_per_tick
               : mg_mains_samples(fe->phase, fe->waves.step, d->half_periods);
}

uint32_t mg_sim_frontend_samples(const struct mg_sim_frontend *fe,
                                 uint32_t n_ticks)
{
    const struct mg_frontend *d = fe->description;
    return d->samples_per_tick != 0
               ? n_ticks * d->samples_per_tick
               : mg_mains_samples(fe->phase, fe->waves.step,
                                  n_ticks * d->half_periods);
}

uint32_t mg_sim_frontend_ticks_within(const struct mg_sim_frontend *fe,
                                      uint32_t n_samples)
{
    const struct mg_frontend *d = fe->description;
    return d->samples_per_tick != 0
               ? n_samples / d->samples_per_tick
               : mg_mains_half_periods(fe->phase, fe->waves.step, n_samples) /
                     d->half_periods;
}

static bool is_fast(const struct mg_sim_frontend *fe)
{
    return fe->fast.is_exact && fe->may_be_fast;
}

uint32_t mg_sim_frontend_longest(const struct mg_sim_frontend *fe)
{
    return is_fast(fe) ? fe->fast.longest : 0;
}

/* ---- Samples ---- */

/* Where the orders are at a chunk's start. */
struct start {
    double sine[MG_SIM_COMPONENTS_MAX], cosine[MG_SIM_COMPONENTS_MAX];
};

static void make_signal(const struct mg_sim_frontend *fe,
                        const struct start *start, const uint8_t *used,
                        const double *own_sin, const double *own_cos,
                        struct mg_sample_signal *ret)
{
    for (unsigned k = 0; k < ret->n; k++) {
        unsigned n = used[k];
        double s = start->sine[n];
        double c = start->cosine[n];
        ret->term[k] =
            (struct mg_sample_term){.sine = s * own_cos[n] + c * own_sin[n],
                                    .cosine = c * own_cos[n] - s * own_sin[n],
                                    .turns = &fe->turns[n]};
    }
}

/* A quarter period of the fundamental earlier: each order turns back by as many
 * quarters. */
static void make_quarter(const struct mg_sim_waves *w, const uint8_t *used,
                         const struct mg_sample_signal *u,
                         struct mg_sample_signal *ret)
{
    for (unsigned k = 0; k < u->n; k++) {
        const struct mg_sample_term *t = &u->term[k];
        unsigned quarters = w->order[used[k]] & 3U;
        double s = (quarters & 1U) != 0 ? -t->cosine : t->sine;
        double c = (quarters & 1U) != 0 ? t->sine : t->cosine;
        ret->term[k] = (struct mg_sample_term){.sine = quarters >= 2 ? -s : s,
                                               .cosine = quarters >= 2 ? -c : c,
                                               .turns = t->turns};
    }
}

static void sample_chunk(struct mg_sim_frontend *fe, struct mg_sample_job *job,
                         struct mg_lane_sums *sums, double *u)
{
    const struct mg_sim_waves *w = &fe->waves;
    const struct mg_sample_extras *extras = job->extras;
    struct start start;
    for (unsigned n = 0; n < w->n; n++) {
        mg_sincos(fe->phase * w->order[n], &start.sine[n], &start.cosine[n]);
    }
    for (unsigned lane = 0; lane < w->n_lanes; lane++) {
        make_signal(fe, &start, fe->used_u, fe->u_sin[lane], fe->u_cos[lane],
                    &job->u);
        make_signal(fe, &start, fe->used_i, fe->i_sin[lane], fe->i_cos[lane],
                    &job->i);
        make_quarter(w, fe->used_u, &job->u, &job->q);
        job->u.dc = job->q.dc = w->dc_u[lane];
        job->i.dc = w->dc_i[lane];
        job->extras = extras == NULL ? NULL : &extras[lane];
        fe->kernel(job, &sums[lane], lane == 0 ? u : NULL);
    }
    job->extras = extras;
}

void mg_sim_frontend_skip(struct mg_sim_frontend *fe, uint32_t n_samples)
{
    wide_turn x = (wide_turn)fe->n_turns << 64 | fe->phase;
    x += (wide_turn)fe->waves.step * n_samples;
    fe->phase = (mg_phase_turn)x;
    fe->n_turns = (uint64_t)(x >> 64);
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

/* @param ret  n_samples is set */
static void sample_tick(struct mg_sim_frontend *fe, struct mg_tick *ret)
{
    uint32_t n_samples = ret->n_samples;
    const struct mg_sim_waves *w = &fe->waves;
    bool has_extras = mg_sim_has_extras(w);
    struct mg_sample_extras extras[MG_LANES_MAX];
    double u[CHUNK] = {0.0};
    struct crossings x = {0};
    struct mg_sample_job job;
    if (!fe->has_phasors) {
        prepare_samples(fe);
    }
    job.noise_u = w->noise_u;
    job.noise_i = w->noise_i;
    job.full = w->full;
    job.may_clip = w->may_clip;
    job.u.n = job.q.n = fe->n_u;
    job.i.n = fe->n_i;
    job.extras = has_extras ? extras : NULL;
    job.noise = fe->noise;
    for (uint32_t at = 0; at < n_samples; at += CHUNK) {
        job.n = n_samples - at < CHUNK ? n_samples - at : CHUNK;
        if (has_extras) {
            mg_sim_extras_make(fe, at, job.n, extras);
        }
        sample_chunk(fe, &job, ret->lane, u);
        find_crossings(u, job.n, at, fe->last_u, &x);
        fe->last_u = u[job.n - 1];
        mg_sim_frontend_skip(fe, (uint32_t)job.n);
    }
    ret->n_crossings = x.n;
    ret->crossing_span_q8 = (uint32_t)(x.last_q8 - x.first_q8);
}

void mg_sim_frontend_tick(struct mg_sim_frontend *fe, uint32_t n_samples,
                          struct mg_tick *ret)
{
    *ret = (struct mg_tick){.n_ticks = 1, .n_samples = n_samples};
    if (!is_fast(fe)) {
        sample_tick(fe, ret);
        return;
    }
    mg_sim_fast_path_tick(&fe->fast, fe->description, &fe->waves, fe->phase,
                          &fe->last_u, ret);
    mg_sim_frontend_skip(fe, n_samples);
}
