/* The mains as one front end sees them: every lane's voltage and current as a
 * sum of sinusoids in converter counts. The gain errors, the temperature's
 * drift, the path's phase error, the skew of the converters, the droop of their
 * filter and a transformer's blindness to direct current are in it; the noise,
 * the rounding and the end stops come with the samples. */
#ifndef MG_SIM_WAVES_H
#define MG_SIM_WAVES_H

#include "sim/mains.h"
#include "sim/turn.h"

#define MG_SIM_COMPONENTS_MAX (1 + MG_SIM_HARMONICS_MAX)

/* At the reference phase x of lane 0's voltage: peak * sin(order * x + phase).
 * The quarter-period-late voltage of `uq` is the same at x - a quarter turn. */
struct mg_sim_component {
    double peak;
    mg_phase_turn phase;
};

struct mg_sim_waves {
    mg_phase_turn step; /* that x advances per sample */
    uint8_t n_lanes;
    uint8_t n;                            /* components, at least 1 */
    uint8_t order[MG_SIM_COMPONENTS_MAX]; /* order[0] is 1 */
    struct mg_sim_component u[MG_LANES_MAX][MG_SIM_COMPONENTS_MAX];
    struct mg_sim_component i[MG_LANES_MAX][MG_SIM_COMPONENTS_MAX];
    double dc_u[MG_LANES_MAX], dc_i[MG_LANES_MAX]; /* with the offsets */
    double noise_u, noise_i;                       /* rms */
    double full;                                   /* end stop: 2^(bits - 1) */
    /* These need samples: there is no closed form for them. */
    uint8_t shape; /* enum mg_sim_shape */
    bool has_spikes, has_ringing, may_clip;
};

/** @param mains  within mg_sim_mains_limit */
void mg_sim_waves_make(const struct mg_frontend *description,
                       const struct mg_sim_mains *mains,
                       struct mg_sim_waves *ret);

/** What the converter's filter leaves of a sinusoid, as a part of what it
 * leaves of 50 Hz: (sin x / x) ^ sinc_order with x = pi f / rate; negative
 * beyond odd zeros of odd powers.
 *  @param f_mhz  > 0 */
double mg_sim_droop(const struct mg_frontend *description, int64_t f_mhz);

#endif
