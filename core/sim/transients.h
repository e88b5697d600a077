/* What no sum of sinusoids is: the shapes of the influence tests' currents,
 * spikes and ringing, sample by sample. Rare, and therefore not fast. */
#ifndef MG_SIM_TRANSIENTS_H
#define MG_SIM_TRANSIENTS_H

#include "sim/frontend.h"

bool mg_sim_has_extras(const struct mg_sim_waves *waves);

/** For the chunk of n samples that starts at fe->phase, one for each lane; the
 *  ringing and the spikes move on by as many samples.
 *  @param at  samples since fe->now_ns */
void mg_sim_extras_make(struct mg_sim_frontend *fe, uint32_t at, size_t n,
                        struct mg_sample_extras ret[MG_LANES_MAX]);

#endif
