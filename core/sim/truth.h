/* The energy that has truly flowed, from the mathematics of the mains and
 * nothing that a meter sees or says.
 *
 * Over the samples' time of each tick the power of every phase is integrated:
 * the mean of its sinusoids (fundamental, harmonics, direct current, the cut
 * current of a shape), and its ripple at once and twice the mains frequency
 * from the tick's beginning to its end. What harmonics make of faster ripple,
 * and that of a burst within its four periods, are left out: they are over
 * within a period and never add up. Reactive is of the fundamental, positive
 * for inductive. Spikes and ringing have no energy.
 *
 * A circuit's phases are netted: its sum alone decides the direction. */
#ifndef MG_SIM_TRUTH_H
#define MG_SIM_TRUTH_H

#include "sim/mains.h"
#include "sim/turn.h"

/* mWh or mvarh, and below that 1e-9 J; of the same sign, if the energy ever
 * was above the ripple. */
struct mg_sim_energy {
    int64_t mwh, rest_nj;
};

struct mg_sim_energies {
    struct mg_sim_energy import, export;
    struct mg_sim_energy q_import, q_export;
};

/* What is the same from tick to tick: of one phase, W and var. */
struct mg_sim_truth_power {
    double p, q;
    /* The ripple's integral, J: at x times sine, cosine of x and of 2 x. */
    double once_sin, once_cos, twice_sin, twice_cos;
};

/* Sine and cosine of x and 2 x. */
struct mg_sim_truth_corner {
    double s1, c1, s2, c2;
};

struct mg_sim_truth {
    struct mg_sim_energies circuit[MG_CIRCUITS_MAX]; /* netted */
    struct mg_sim_energies phase[MG_LANES_MAX];      /* each by itself */
    bool has_power;
    struct mg_sim_mains mains; /* that `power` is made of */
    struct mg_sim_truth_power power[MG_LANES_MAX];
    bool has_corner; /* where the last tick ended, as the next one begins */
    mg_phase_turn corner_at;
    struct mg_sim_truth_corner corner;
};

/** From the next tick on. @param mains  within mg_sim_mains_limit */
void mg_sim_truth_set(struct mg_sim_truth *truth,
                      const struct mg_sim_mains *mains, unsigned n_lanes);

/** A tick of n samples, a step apart, the first at the reference phase x. */
void mg_sim_truth_tick(struct mg_sim_truth *truth, unsigned n_lanes,
                       mg_phase_turn x, mg_phase_turn step, uint32_t n_samples,
                       uint32_t rate_mhz);

/** Wh as a number for comparisons. */
double mg_sim_energy_wh(const struct mg_sim_energy *energy);

#endif
