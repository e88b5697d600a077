#include "sim/fast_path.h"

#include "sim/closed_form.h"

#define N_AHEAD 8

void mg_sim_fast_path_set(struct mg_sim_fast_path *fast,
                          const struct mg_sim_waves *waves)
{
    fast->has_pure = false;
    fast->is_exact = mg_sim_closed_is_exact(waves, fast->start);
    fast->longest = fast->is_exact ? mg_sim_closed_longest(waves) : 0;
}

static uint32_t tick_samples(const struct mg_sim_pure *pure,
                             const struct mg_frontend *d, mg_phase_turn phase)
{
    return d->samples_per_tick != 0
               ? d->samples_per_tick
               : mg_sim_pure_samples(pure, phase, d->half_periods);
}

/* This tick, and with it the next ones, unless it is many as one. */
static void look_ahead(struct mg_sim_fast_path *fast,
                       const struct mg_frontend *d, mg_phase_turn phase,
                       uint32_t n_samples)
{
    struct mg_sim_block *b = &fast->ahead;
    mg_phase_turn step = fast->pure.step;
    mg_phase_turn x = phase + n_samples * step;
    bool is_one = n_samples == tick_samples(&fast->pure, d, phase);
    b->n_ticks = is_one ? N_AHEAD : 1;
    b->n_samples[0] = n_samples;
    for (unsigned k = 1; k < b->n_ticks; k++) {
        b->n_samples[k] = tick_samples(&fast->pure, d, x);
        x += b->n_samples[k] * step;
    }
    mg_sim_pure_block(&fast->pure, phase, b);
    fast->n_taken = 0;
    fast->next = phase;
}

static void sum_fundamental(struct mg_sim_fast_path *fast,
                            const struct mg_frontend *d,
                            const struct mg_sim_waves *waves,
                            mg_phase_turn phase, struct mg_tick *ret)
{
    struct mg_sim_block *b = &fast->ahead;
    uint32_t n = ret->n_samples;
    if (!fast->has_pure) {
        mg_sim_pure_make(waves, &fast->pure);
        fast->has_pure = true;
        b->n_ticks = fast->n_taken = 0;
    }
    if (fast->n_taken >= b->n_ticks || fast->next != phase ||
        b->n_samples[fast->n_taken] != n) {
        look_ahead(fast, d, phase, n);
    }
    unsigned k = fast->n_taken++;
    fast->next += n * fast->pure.step;
    for (unsigned lane = 0; lane < waves->n_lanes; lane++) {
        ret->lane[lane] =
            (struct mg_lane_sums){.ui = b->sum[lane][MG_SUM_UI][k],
                                  .uq = b->sum[lane][MG_SUM_UQ][k],
                                  .u2 = b->sum[lane][MG_SUM_U2][k],
                                  .i2 = b->sum[lane][MG_SUM_I2][k],
                                  .u_sum = b->sum[lane][MG_SUM_U][k],
                                  .i_sum = b->sum[lane][MG_SUM_I][k]};
    }
}

void mg_sim_fast_path_tick(struct mg_sim_fast_path *fast,
                           const struct mg_frontend *description,
                           const struct mg_sim_waves *waves,
                           mg_phase_turn phase, double *last_u,
                           struct mg_tick *ret)
{
    if (waves->n == 1) {
        sum_fundamental(fast, description, waves, phase, ret);
    } else {
        mg_sim_closed_sums(waves, phase, ret->n_samples, ret->lane);
    }
    mg_sim_closed_crossings(waves, phase, ret->n_samples, last_u,
                            &ret->n_crossings, &ret->crossing_span_q8);
}
