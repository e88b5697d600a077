/* The meter's analogue side: what its converters see of the mains, and the sums
 * its sampling interrupt makes of that.
 *
 * Counts: value / full scale * 2^(bits - 1) with the imperfections of
 * sim/waves.h, plus noise, rounded half to even and clipped to the converter's
 * range. The samples for UQ are not taken from a delay ring: they are the same
 * voltage a quarter period back, exact at every frequency, converted by the
 * same converter with the same noise; spikes and ringing are not in them. The
 * current is behind the voltage by the load's angle plus the current path's
 * phase error; UQ is positive when it is behind (inductive).
 *
 * The shapes are cut from the current's fundamental, after the converter's
 * filter; harmonics and direct current are added uncut. A sample at a cut has
 * the mean of its own time, as a filter gives.
 *
 * From the counts on everything is an integer: the same sums bit for bit on
 * every compiler and CPU, see sim/sample_path.h. */
#ifndef MG_SIM_FRONTEND_H
#define MG_SIM_FRONTEND_H

#include "sim/device.h"
#include "sim/fast_path.h"
#include "sim/sample_path.h"

/* A ringing under way; see sim/transients.h. */
struct mg_sim_ring {
    uint64_t start_ns; /* which one */
    bool is_over, is_started;
    double sine, cosine;           /* counts, now */
    double turn_sine, turn_cosine; /* a sample's turn and decay */
};

struct mg_sim_frontend {
    struct mg_sample_turns turns[MG_SIM_COMPONENTS_MAX]; /* of each component */
    const struct mg_frontend *description;               /* borrowed */
    mg_sample_path *kernel;
    mg_phase_turn phase; /* x of the waves: phase 1's reference, at the next
                          * sample; the caller may advance it and n_turns */
    uint64_t n_turns;    /* whole turns of it until now */
    uint64_t now_ns;     /* of the next sample; the caller keeps it, for
                          * ringing alone */
    double last_u; /* lane 0's last count, for the crossing between ticks */
    int32_t phase_error_cdeg;  /* a defect, more than the description's; what
                                * mg_sim_frontend_set puts into the waves */
    struct mg_sim_mains mains; /* that the waves are made of */
    struct mg_sim_waves waves;
    bool has_waves, has_phasors; /* the second: what samples are made of */
    bool may_be_fast; /* the caller wants no samples where none are needed */
    struct mg_sim_fast_path fast;
    uint8_t n_u, n_i; /* components that some lane has ... */
    uint8_t used_u[MG_SIM_COMPONENTS_MAX]; /* ... and their indices */
    uint8_t used_i[MG_SIM_COMPONENTS_MAX];
    /* peak * sin, cos of each component's own phase */
    double u_sin[MG_LANES_MAX][MG_SIM_COMPONENTS_MAX];
    double u_cos[MG_LANES_MAX][MG_SIM_COMPONENTS_MAX];
    double i_sin[MG_LANES_MAX][MG_SIM_COMPONENTS_MAX];
    double i_cos[MG_LANES_MAX][MG_SIM_COMPONENTS_MAX];
    struct mg_sim_ring ring;
    uint64_t spike_rng, spike_in; /* samples until the next spike */
    uint64_t noise[MG_WIDE];
    mg_phase_turn turn_of[MG_SIM_COMPONENTS_MAX]; /* that they are made for */
};

/** The kernel is what the environment variable MG_SIM_ISA names (baseline,
 *  avx2, avx512), else the widest here; a name that is not known or not here is
 *  not used.
 *  @return MG_OK; MG_E_INVAL: the description makes no sense (rate below 1 kHz
 *  or above 1 MHz, no tick rule, more than 1 s per tick, not 1..6 lanes, not
 *  8..24 bits, a filter above order 5, no full scale) */
int mg_sim_frontend_init(struct mg_sim_frontend *fe,
                         const struct mg_frontend *description, uint64_t seed);

/** The meter starts at this current, which decides where samples are needed
 *  (sim/closed_form.h). */
void mg_sim_frontend_set_start(struct mg_sim_frontend *fe, int64_t start_ma);

/** From the next sample on. Phase is continuous.
 *  @param mains  within mg_sim_mains_limit */
void mg_sim_frontend_set(struct mg_sim_frontend *fe,
                         const struct mg_sim_mains *mains);

/** A current path that is so much later than the description says. */
void mg_sim_frontend_set_defect(struct mg_sim_frontend *fe,
                                int32_t phase_error_cdeg);

/** Samples of the tick that starts now. */
uint32_t mg_sim_frontend_tick_samples(const struct mg_sim_frontend *fe);

/** Samples of the n_ticks that start now.
 *  @param n_ticks  1, or what mg_sim_frontend_ticks_within says of the longest
 */
uint32_t mg_sim_frontend_samples(const struct mg_sim_frontend *fe,
                                 uint32_t n_ticks);

/** Whole ticks that are over within so many samples. */
uint32_t mg_sim_frontend_ticks_within(const struct mg_sim_frontend *fe,
                                      uint32_t n_samples);

/** The most samples that may be one tick; 0: each tick by itself, because there
 *  is no closed form for these mains. */
uint32_t mg_sim_frontend_longest(const struct mg_sim_frontend *fe);

/** A whole tick, or many as one, from the closed form where samples would say
 *  the same, else sampled; `elapsed_us` and `n_ticks` are left to the caller.
 */
void mg_sim_frontend_tick(struct mg_sim_frontend *fe, uint32_t n_samples,
                          struct mg_tick *ret);

/** Time goes on by so many samples that nobody looks at. */
void mg_sim_frontend_skip(struct mg_sim_frontend *fe, uint32_t n_samples);

#endif
