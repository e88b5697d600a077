/* Energy: exact sums over the phases, pulses of 1 Wh (manual 4.3). */
#include "firmware_priv.h"

#define REVERSED 2U /* register 40151, bit 1 */

/* Function add() of the manual. One remainder for both directions: what flows
 * to and fro below a pulse is not registered twice. @return pulses */
static uint32_t add(const struct fw_state *st, struct fw_energy *e,
                    int64_t flow)
{
    e->rest += flow;
    int64_t n = e->rest / FW_PULSE;
    e->rest = st->is_forgetful ? 0 : e->rest % FW_PULSE;
    uint32_t pulses = (uint32_t)(n < 0 ? -n : n);
    e->wh[n < 0 ? 1 : 0] += pulses;
    return pulses;
}

void wm3m4c_fw_energy_tick(struct fw_state *st, const struct mg_tick *tick)
{
    int64_t active = 0;
    int64_t reactive = 0;
    st->is_no_load = true;
    for (unsigned k = 0; k < FW_N_PHASES; k++) {
        const struct mg_lane_sums *s = &tick->lane[k];
        if (wm3m4c_fw_is_flowing(st, s->i2, tick->n_samples)) {
            active += s->ui;
            reactive += s->uq;
            st->is_no_load = false;
        }
    }
    if ((st->settings.energy_flow & REVERSED) != 0) {
        active = -active;
        reactive = -reactive;
    }
    uint32_t n_active = add(st, &st->energy, active);
    uint32_t n_reactive = add(st, &st->reactive, reactive);
    st->n_pulses += st->is_led_reactive ? n_reactive : n_active;
}

uint64_t wm3m4c_fw_energy_fine(const struct fw_state *st, unsigned direction)
{
    const struct fw_energy *e = &st->energy;
    int64_t rest = direction == 0 ? e->rest : -e->rest;
    uint64_t mwh = rest > 0 ? (uint64_t)(rest / (FW_PULSE / 1000)) : 0;
    return (uint64_t)e->wh[direction] * 1000 + mwh;
}
