#include "sim/fast_path.h"

#include "sim/closed_form.h"

void mg_sim_fast_path_set(struct mg_sim_fast_path *fast,
                          const struct mg_sim_waves *waves)
{
    fast->has_pure = false;
    fast->is_exact = mg_sim_closed_is_exact(waves, fast->start);
    fast->longest = fast->is_exact ? mg_sim_closed_longest(waves) : 0;
}

/* Made with the first tick that needs it. */
static void sum_fundamental(struct mg_sim_fast_path *fast,
                            const struct mg_sim_waves *waves,
                            mg_phase_turn phase, struct mg_tick *ret)
{
    struct mg_sim_block block;
    if (!fast->has_pure) {
        mg_sim_pure_make(waves, &fast->pure);
        fast->has_pure = true;
    }
    block.n_ticks = 1;
    block.n_samples[0] = ret->n_samples;
    mg_sim_pure_block(&fast->pure, phase, &block);
    for (unsigned lane = 0; lane < waves->n_lanes; lane++) {
        ret->lane[lane] =
            (struct mg_lane_sums){.ui = block.sum[lane][MG_SUM_UI][0],
                                  .uq = block.sum[lane][MG_SUM_UQ][0],
                                  .u2 = block.sum[lane][MG_SUM_U2][0],
                                  .i2 = block.sum[lane][MG_SUM_I2][0],
                                  .u_sum = block.sum[lane][MG_SUM_U][0],
                                  .i_sum = block.sum[lane][MG_SUM_I][0]};
    }
}

void mg_sim_fast_path_tick(struct mg_sim_fast_path *fast,
                           const struct mg_sim_waves *waves,
                           mg_phase_turn phase, double *last_u,
                           struct mg_tick *ret)
{
    if (waves->n == 1) {
        sum_fundamental(fast, waves, phase, ret);
    } else {
        mg_sim_closed_sums(waves, phase, ret->n_samples, ret->lane);
    }
    mg_sim_closed_crossings(waves, phase, ret->n_samples, last_u,
                            &ret->n_crossings, &ret->crossing_span_q8);
}
