/* The closed form (sim/closed_form.h) for many ticks of the mains' fundamental
 * alone, which is what most meters see most of the time: what does not change
 * from tick to tick is found once. With the phase x of the middle of a tick's n
 * samples, every sum is
 *
 *   a n + D(1) (b cos x + c sin x) + D(2) (d cos 2x + e sin 2x)
 *
 * with Dirichlet's kernel D of the order, and a to e of the waves. */
#ifndef MG_SIM_CLOSED_BLOCK_H
#define MG_SIM_CLOSED_BLOCK_H

#include "sim/waves.h"

#define MG_SIM_BLOCK 16 /* ticks */

enum mg_sim_sum {
    MG_SUM_UI,
    MG_SUM_UQ,
    MG_SUM_U2,
    MG_SUM_I2,
    MG_SUM_U,
    MG_SUM_I,
    MG_N_SUMS
};

struct mg_sim_pure;
struct mg_sim_block;

/* The ticks of a block, with the phase and the kernels of each. */
struct mg_pure_ticks {
    unsigned n_wide; /* rounded up to vectors; those beyond have no samples */
    mg_phase_turn middle[MG_SIM_BLOCK];
    double n[MG_SIM_BLOCK], first[MG_SIM_BLOCK], second[MG_SIM_BLOCK];
};

typedef void mg_pure_sums(const struct mg_sim_pure *pure,
                          const struct mg_pure_ticks *ticks,
                          struct mg_sim_block *block);

mg_pure_sums mg_pure_sums_baseline;
mg_pure_sums mg_pure_sums_avx2;   /* where MG_SAMPLE_PATH_X86 */
mg_pure_sums mg_pure_sums_avx512; /* is defined */

struct mg_sim_pure {
    mg_pure_sums *sums;
    mg_phase_turn step;
    uint32_t n_half; /* whole steps in half a turn, and what they turn */
    mg_phase_turn half;
    unsigned n_lanes;
    double factor[MG_LANES_MAX][MG_N_SUMS][5]; /* a to e */
    /* For odd and even numbers of samples: what the phase turns to the middle
     * and in all, and the kernels of the orders 1 and 2. */
    uint32_t n[2];
    mg_phase_turn middle[2], whole[2];
    double kernel[2][2];
};

struct mg_sim_block {
    unsigned n_ticks; /* 1..MG_SIM_BLOCK */
    uint32_t n_samples[MG_SIM_BLOCK];
    int64_t sum[MG_LANES_MAX][MG_N_SUMS][MG_SIM_BLOCK];
};

/** @param waves  as for mg_sim_closed_sums, with n = 1 */
void mg_sim_pure_make(const struct mg_sim_waves *waves,
                      struct mg_sim_pure *ret);

/** As mg_mains_samples, without a division where the phase has just passed a
 *  multiple of half a turn, as it has after a tick. */
static inline uint32_t mg_sim_pure_samples(const struct mg_sim_pure *pure,
                                           mg_phase_turn phase,
                                           unsigned n_half_periods)
{
    mg_phase_turn past = phase & (MG_TURN_HALF - 1);
    if (n_half_periods != 1 || past >= pure->step) {
        return mg_mains_samples(phase, pure->step, n_half_periods);
    }
    return pure->n_half + (MG_TURN_HALF - past > pure->half);
}

/** The sums of block->n_samples, one tick after the other from `phase` on;
 *  those of a tick do not depend on what else is in the block. */
void mg_sim_pure_block(struct mg_sim_pure *pure, mg_phase_turn phase,
                       struct mg_sim_block *block);

#endif
