/* A front end's ticks without samples, where the closed form says the same. */
#ifndef MG_SIM_FAST_PATH_H
#define MG_SIM_FAST_PATH_H

#include "sim/closed_block.h"
#include "sim/waves.h"

struct mg_sim_fast_path {
    bool is_exact;    /* for the present waves */
    bool has_pure;    /* they are the fundamental alone, and `pure` is made */
    uint32_t longest; /* samples whose sums may be one tick */
    double start;     /* the meter's starting current in counts; 0: unknown */
    struct mg_sim_pure pure;
    /* The ticks to come, as they will be if the waves stay: a vector of them
     * costs what one does. */
    struct mg_sim_block ahead;
    unsigned n_taken;
    mg_phase_turn next; /* phase of ahead's next one */
};

/** The waves are these from the next tick on. */
void mg_sim_fast_path_set(struct mg_sim_fast_path *fast,
                          const struct mg_sim_waves *waves);

/** @param waves   as set; fast->is_exact
 *  @param phase   of the first sample
 *  @param last_u  lane 0's last count, in and out
 *  @param ret     n_samples is set; gets the sums and the crossings */
void mg_sim_fast_path_tick(struct mg_sim_fast_path *fast,
                           const struct mg_frontend *description,
                           const struct mg_sim_waves *waves,
                           mg_phase_turn phase, double *last_u,
                           struct mg_tick *ret);

#endif
