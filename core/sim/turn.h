/* The mains as a phase: an integer of 2^-64 turns, so that it never drifts and
 * wraps by itself. Sine and cosine are our own, because the C library's differ
 * between its versions and CPUs and a simulation must not. */
#ifndef MG_SIM_TURN_H
#define MG_SIM_TURN_H

#include <stdint.h>

/* Phase: 2^64 is one turn. */
typedef uint64_t mg_phase_turn;

#define MG_TURN_HALF    ((mg_phase_turn)1 << 63)
#define MG_TURN_QUARTER ((mg_phase_turn)1 << 62)
#define MG_TURN_THIRD   ((mg_phase_turn)0x5555555555555555U)

/** Both within 3e-16 of the truth. */
void mg_sincos(mg_phase_turn turn, double *ret_sin, double *ret_cos);

/** 1e-2 degree (any sign) as a phase. */
mg_phase_turn mg_turn_from_cdeg(int32_t cdeg);

/** The phase one sample adds.
 *  @param frequency_mhz  held between 1 Hz and a quarter of the rate
 *  @param rate_mhz       samples per second in 1e-3 Hz, at least 4000 */
mg_phase_turn mg_mains_step(int64_t frequency_mhz, uint32_t rate_mhz);

/** Samples until the phase passes its n-th next multiple of half a turn: as
 *  many as with n calls for one after the other.
 *  @param step  > 0, below half a turn */
uint32_t mg_mains_samples(mg_phase_turn phase, mg_phase_turn step,
                          unsigned n_half_periods);

/** The most half periods that are over within so many samples, counted as
 *  mg_mains_samples does. */
uint32_t mg_mains_half_periods(mg_phase_turn phase, mg_phase_turn step,
                               uint32_t n_samples);

#endif
