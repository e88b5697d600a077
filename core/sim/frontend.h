/* The meter's analogue side: what its converters see of the mains, and the sums
 * its sampling interrupt makes of that.
 *
 * Counts: value / full scale * 2^(bits - 1), times 1 + gain error, plus offset
 * and noise, rounded half to even and clipped to the converter's range. The
 * samples for UQ are not taken from a delay ring: they are the same voltage a
 * quarter period back, exact at every frequency, converted by the same
 * converter with the same noise. The current is behind the voltage by the
 * load's angle plus the current path's phase error; UQ is positive when it is
 * behind (inductive).
 *
 * From the counts on everything is an integer; before that, only additions and
 * multiplications of doubles in a fixed order, without contraction: the same
 * sums bit for bit on every compiler and CPU. */
#ifndef MG_SIM_FRONTEND_H
#define MG_SIM_FRONTEND_H

#include "sim/device.h"
#include "sim/turn.h"

#define MG_FRONTEND_CHUNK 64 /* samples computed together */
#define MG_FRONTEND_WIDE  8  /* independent sums and noise generators */

struct mg_sim_frontend {
    const struct mg_frontend *description; /* borrowed */
    mg_phase_turn phase;                   /* of lane 0's voltage */
    mg_phase_turn step;                    /* per sample */
    mg_phase_turn lag;                     /* measured current behind voltage */
    int64_t frequency_mhz;                 /* that the tables are made for */
    double peak_u, peak_i;                 /* counts */
    double last_u; /* lane 0's last count, for the crossing between ticks */
    /* cos and sin of k steps: what turns the phasor at a chunk's start into
     * its k-th sample, without a chain from sample to sample. */
    double turn_cos[MG_FRONTEND_CHUNK], turn_sin[MG_FRONTEND_CHUNK];
    uint64_t noise[MG_FRONTEND_WIDE];
};

/** @return MG_OK; MG_E_INVAL: the description makes no sense (rate below 1 kHz
 *  or above 1 MHz, no tick rule, more than 1 s per tick, not 1..3 lanes, not
 *  8..24 bits, no full scale) */
int mg_sim_frontend_init(struct mg_sim_frontend *fe,
                         const struct mg_frontend *description, uint64_t seed);

/** From the next sample on. Phase is continuous.
 *  @param mains  within mg_sim_mains_limit */
void mg_sim_frontend_set(struct mg_sim_frontend *fe,
                         const struct mg_sim_mains *mains);

/** Samples of the tick that starts now. */
uint32_t mg_sim_frontend_tick_samples(const struct mg_sim_frontend *fe);

/** Sample a whole tick; `elapsed_us` is left to the caller. */
void mg_sim_frontend_tick(struct mg_sim_frontend *fe, uint32_t n_samples,
                          struct mg_tick *ret);

#endif
