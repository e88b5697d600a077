/* The sums of a tick without its samples. The sum of products of sinusoids at
 * equally spaced times is itself a closed expression (Dirichlet's kernel), so
 * this is no approximation of an integral but the very sum of the samples that
 * the front end would take, before they are rounded; the converter's noise and
 * rounding are in it with their expectation. It costs the same for a tick and
 * for hours.
 *
 * The same bits on every compiler and CPU: integers for phases, our own sine,
 * and additions and multiplications in a fixed order. */
#ifndef MG_SIM_CLOSED_FORM_H
#define MG_SIM_CLOSED_FORM_H

#include "sim/waves.h"

/** Whether samples would say the same.
 *
 *  Not for waves without a closed form (shapes, spikes, ringing, end stops),
 *  nor where chance decides what a firmware registers: a starting threshold is
 *  compared with sums of squares that the noise moves. So no current may be
 *  near the starting current (7/8 to 9/8 of it). Where the starting current is
 *  not known, none may be below 64 times the noise, but none at all is right.
 *  Nor where the voltage of lane 0 crosses zero more than once a period, which
 *  its harmonics or the noise could make it do.
 *  @param start  the meter's starting current in counts, rms; 0: not known */
bool mg_sim_closed_is_exact(const struct mg_sim_waves *waves, double start);

/** The sums of n_samples from the reference phase `phase` on. Exact before the
 *  last addition to within 1e-13 of the sum of the products' magnitudes.
 *  @param waves      without a shape, spikes, ringing or end stops
 *  @param n_samples  1..2^32 - 1; the caller sees to it that no sum exceeds
 *                    63 bits, see mg_sim_closed_longest
 *  @param ret        of waves->n_lanes */
void mg_sim_closed_sums(const struct mg_sim_waves *waves, mg_phase_turn phase,
                        uint32_t n_samples, struct mg_lane_sums *ret);

/** Dirichlet's kernel: the sum of cos(order * d) over n samples, d their
 *  distances in phase from their middle. */
double mg_sim_closed_kernel(mg_phase_turn step, unsigned order, uint32_t n);

/** What noise and rounding add to the mean square of a wave of n components. */
double mg_sim_closed_extra(const struct mg_sim_component *components,
                           unsigned n, double noise);

/** Samples whose sums stay below 2^60 each, so that a firmware can add those of
 *  three lanes or of five ticks; at least 1. */
uint32_t mg_sim_closed_longest(const struct mg_sim_waves *waves);

/** Rising zero crossings of lane 0's voltage as the sample path counts them.
 *  @param last  the sample before, in counts; rounded; becomes the last one */
void mg_sim_closed_crossings(const struct mg_sim_waves *waves,
                             mg_phase_turn phase, uint32_t n_samples,
                             double *last, uint32_t *ret_n,
                             uint32_t *ret_span_q8);

#endif
