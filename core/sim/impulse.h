/* The impulse LED of one circuit: what a meter's sampling interrupt makes of
 * the energy that its firmware has found.
 *
 * The firmware says after each tick how many impulses there were in all, and
 * how far it is to the next one. The LED shows that during the next tick,
 * walking evenly, sample by sample: it is one tick late, but as even as the
 * load. (Lit at the update, an impulse comes up to a tick too late, which
 * spoils a test of few impulses.) Ticks handed over as one are walked as if
 * each had been by itself. */
#ifndef MG_SIM_IMPULSE_H
#define MG_SIM_IMPULSE_H

#include "metergate/plugin.h"

struct mg_sim_impulse {
    /* 2^-32 impulses: shown until now, and to be shown in the next tick */
    uint64_t shown, due;
};

/* @param sample  of the tick at whose end it is lit, 1..n_samples */
typedef void mg_sim_impulse_lit(void *ctx, uint32_t sample);

/** Nothing is due: at power-on, or when somebody begins to look. */
void mg_sim_impulse_start(struct mg_sim_impulse *impulse,
                          const struct mg_fw_circuit *now);

/** A tick of n_ticks rule ticks is over; after it the firmware says `now`.
 *  @param is_at_update  the defect: all at the end of the tick */
void mg_sim_impulse_tick(struct mg_sim_impulse *impulse,
                         const struct mg_tick *tick,
                         const struct mg_fw_circuit *now, bool is_at_update,
                         mg_sim_impulse_lit *lit, void *ctx);

#endif
