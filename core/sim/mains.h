/* What the mains and the loads are at one moment: the truth, of which a meter's
 * analogue side sees a part. */
#ifndef MG_SIM_MAINS_H
#define MG_SIM_MAINS_H

#include "metergate/plugin.h"

#define MG_SIM_HARMONICS_MAX 12
#define MG_SIM_HARMONIC_LAST 40 /* highest order */

/* A balanced load without harmonics. */
struct mg_sim_load {
    int64_t voltage_mv, current_ma; /* rms per phase */
    int64_t frequency_mhz;
    int32_t phase_cdeg; /* current behind voltage, 1e-2 degree; +-9000..18000
                         * is export */
};

/* One phase: fundamentals in rms, and what is added to them. */
struct mg_sim_phase {
    int64_t voltage_mv, current_ma;
    int32_t angle_cdeg; /* voltage ahead of phase 1's reference: 0, -12000,
                         * 12000 in a healthy net */
    int32_t phase_cdeg; /* current behind this phase's voltage */
    int32_t dc_mv, dc_ma;
};

/* In all phases alike, in ppm of the fundamental's rms. With x the angle of the
 * phase's fundamental voltage, and p how far its current is behind:
 * voltage sin(order * x + u_cdeg), current sin(order * (x - p) + i_cdeg). */
struct mg_sim_harmonic {
    uint8_t order; /* 2..MG_SIM_HARMONIC_LAST */
    uint32_t u_ppm, i_ppm;
    int32_t u_cdeg, i_cdeg;
};

/* The currents of the influence tests (EN 50470-3, IEC 62053-21 annex A):
 * `current_ma` is the rms of the sine that they are cut from. */
enum mg_sim_shape {
    MG_SIM_SINE,
    MG_SIM_HALF_WAVE,   /* its positive halves: direct current and even
                         * harmonics */
    MG_SIM_PHASE_FIRED, /* each half from its crest on: odd harmonics */
    MG_SIM_BURST_FIRED  /* two periods on, two off: sub-harmonics */
};

/* Fast transients, each of one sample, at random. */
struct mg_sim_spikes {
    uint32_t per_s; /* 0: none */
    int64_t peak_mv, peak_ma;
};

/* One ringing, as of a capacitor that is switched: peak * exp(-t / decay) *
 * sin(2 pi f t) on every voltage. */
struct mg_sim_ringing {
    uint64_t start_ns;
    int64_t peak_mv; /* 0: none */
    uint32_t frequency_hz, decay_us;
};

struct mg_sim_mains {
    int64_t frequency_mhz; /* 40000..70000 */
    int32_t ambient_mdegc;
    struct mg_sim_phase phase[MG_LANES_MAX]; /* of the device's lanes */
    uint8_t n_harmonics;
    struct mg_sim_harmonic harmonic[MG_SIM_HARMONICS_MAX];
    uint8_t shape; /* enum mg_sim_shape, of all currents */
    struct mg_sim_spikes spikes;
    struct mg_sim_ringing ringing;
};

/** The same load in every phase, L1 L2 L3 in this order, 23 degC. */
void mg_sim_mains_balanced(const struct mg_sim_load *load,
                           struct mg_sim_mains *ret);

/** Keep what comes from outside in the bounds in which no sum overflows: 1 kV,
 *  1 kA, 40..70 Hz, known orders and shapes. */
void mg_sim_mains_limit(struct mg_sim_mains *mains);

bool mg_sim_mains_is_same(const struct mg_sim_mains *a,
                          const struct mg_sim_mains *b);

/* Where a meter's mains come from: a pure function of time. */
struct mg_sim_source {
    /** @param now_ns  since the meter's creation
     *  @return until when it stays so, > now_ns; UINT64_MAX: for ever */
    uint64_t (*at)(void *ctx, uint64_t now_ns, struct mg_sim_mains *ret);
    void *ctx;
};

#endif
