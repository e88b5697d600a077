#include "sim/closed_block.h"

#include "sim/closed_form.h"
#include "sim/sample_path.h"

#define BLOCK MG_SIM_BLOCK

#define WIDE 8 /* ticks side by side in any vector unit */

/* u(x) = s sin x + c cos x + dc */
struct wave {
    double s, c, dc;
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

/* The widest that this CPU has, by what the sample path knows of it. */
static mg_pure_sums *choose_sums(void)
{
#ifdef MG_SAMPLE_PATH_X86
    const char *name;
    if (mg_sample_path_at(2, &name) != NULL) {
        return mg_pure_sums_avx512;
    }
    if (mg_sample_path_at(1, &name) != NULL) {
        return mg_pure_sums_avx2;
    }
#endif
    return mg_pure_sums_baseline;
}

void mg_sim_pure_make(const struct mg_sim_waves *waves, struct mg_sim_pure *ret)
{
    const struct mg_sim_waves *w = waves;
    ret->sums = choose_sums();
    ret->step = w->step;
    ret->n_half = (uint32_t)((MG_TURN_HALF - 1) / w->step);
    ret->half = ret->n_half * w->step;
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
        uint32_t last = n - 1;
        pure->n[which] = n;
        pure->middle[which] = (last >> 1) * pure->step;
        pure->middle[which] += (last & 1U) != 0 ? pure->step >> 1 : 0;
        pure->whole[which] = n * pure->step;
        pure->kernel[which][0] = mg_sim_closed_kernel(pure->step, 1, n);
        pure->kernel[which][1] = mg_sim_closed_kernel(pure->step, 2, n);
    }
    return which;
}

static void make_ticks(struct mg_sim_pure *pure, mg_phase_turn phase,
                       const struct mg_sim_block *block,
                       struct mg_pure_ticks *t)
{
    for (unsigned k = 0; k < block->n_ticks; k++) {
        uint32_t n = block->n_samples[k];
        unsigned which = kernel_of(pure, n);
        t->middle[k] = phase + pure->middle[which];
        phase += pure->whole[which];
        t->n[k] = n;
        t->first[k] = pure->kernel[which][0];
        t->second[k] = pure->kernel[which][1];
    }
    for (unsigned k = block->n_ticks; k < t->n_wide; k++) {
        t->middle[k] = 0;
        t->n[k] = t->first[k] = t->second[k] = 0.0;
    }
}

void mg_sim_pure_block(struct mg_sim_pure *pure, mg_phase_turn phase,
                       struct mg_sim_block *block)
{
    struct mg_pure_ticks t;
    t.n_wide = (block->n_ticks + WIDE - 1) / WIDE * WIDE;
    make_ticks(pure, phase, block, &t);
    pure->sums(pure, &t, block);
}
