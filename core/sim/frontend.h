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
 * filter; harmonics and direct current are added uncut. Where the cut is not at
 * a zero, the sample at it has the part that lies in its time, as a filter
 * gives.
 *
 * From the counts on everything is an integer: the same sums bit for bit on
 * every compiler and CPU, see sim/sample_path.h. */
#ifndef MG_SIM_FRONTEND_H
#define MG_SIM_FRONTEND_H

#include "sim/device.h"
#include "sim/sample_path.h"

/* A ringing under way; see sim/transients.h. */
struct mg_sim_ring {
    uint64_t start_ns; /* which one */
    bool is_over, is_started;
    double sine, cosine;           /* counts, now */
    double turn_sine, turn_cosine; /* a sample's turn and decay */
};

struct mg_sim_frontend {
    const struct mg_frontend *description; /* borrowed */
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
    bool has_waves;
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
    struct mg_sample_turns turns[MG_SIM_COMPONENTS_MAX]; /* of each component */
};

/** The kernel is what the environment variable MG_SIM_ISA names (baseline,
 *  avx2, avx512), else the widest here; a name that is not known or not here is
 *  not used.
 *  @return MG_OK; MG_E_INVAL: the description makes no sense (rate below 1 kHz
 *  or above 1 MHz, no tick rule, more than 1 s per tick, not 1..6 lanes, not
 *  8..24 bits, a filter above order 5, no full scale) */
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

/** Time goes on by so many samples that nobody looks at. */
void mg_sim_frontend_skip(struct mg_sim_frontend *fe, uint32_t n_samples);

#endif
