#include "sim/scenario.h"

#include <stdlib.h>

#include "sim/rng.h"
#include "sim/turn.h"

void mg_sim_scenario_destroy(struct mg_sim_scenario *scenario)
{
    if (scenario != NULL) {
        free(scenario->vehicles);
        free(scenario->sessions);
        free(scenario->net);
        free(scenario->acts);
        free(scenario);
    }
}

#define KWH INT64_C(1000000) /* mWh */

#define COMMON(phases_, max_ma_, kwh_)                                         \
    .max_ma = (max_ma_), .min_ma = 6000, .ramp_ma_per_s = 4000,                \
    .battery_mwh = (kwh_)*KWH, .soc_start = 3000, .soc_target = 9500,          \
    .taper_from = 8500, .reserve = 2000, .standby_mw = 4000,                   \
    .phase_cdeg = -400, .n_phases = (phases_), .has_harmonics = true

static const struct mg_sim_vehicle common[] = {
    {.id = "ac1-16", COMMON(1, 16000, 20)},
    {.id = "ac1-32", COMMON(1, 32000, 40)},
    {.id = "ac2-16", COMMON(2, 16000, 30)},
    {.id = "ac3-16", COMMON(3, 16000, 60)},
    {.id = "ac3-32", COMMON(3, 32000, 80)},
    {.id = "v2g",
     COMMON(3, 16000, 60),
     .n_exports = 1,
     .exports = {{.after_ms = 1800000,
                  .length_ms = 900000,
                  .current_ma = 10000}}},
};

const struct mg_sim_vehicle *mg_sim_vehicle_common(size_t i)
{
    return i < sizeof common / sizeof *common ? &common[i] : NULL;
}

int32_t mg_sim_angle_of(uint32_t pf_1e4)
{
    int32_t lo = 0;
    int32_t hi = 9000;
    double wanted = (double)pf_1e4 / 10000.0;
    while (lo < hi) {
        int32_t middle = (lo + hi) / 2;
        double s;
        double c;
        mg_sincos(mg_turn_from_cdeg(middle), &s, &c);
        if (c > wanted) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    return lo;
}

/* ---- When ---- */

/* 0..n-1 by chance; n at least 1. */
static uint64_t pick(uint64_t seed, uint64_t salt, uint64_t i, uint64_t n)
{
    return mg_sim_hash3(seed, salt, i) % n;
}

/* How much later than at the earliest. */
static uint64_t delay(const struct mg_sim_when *w, uint64_t seed, uint64_t salt,
                      uint64_t i)
{
    uint64_t room = 1;
    if (!w->is_random) {
        return 0;
    }
    if (w->window_ms != 0) {
        room = w->window_ms;
    } else if (w->slot_ms > w->length_ms) {
        room = w->slot_ms - w->length_ms;
    } else if (w->slot_ms == 0 && w->until_ms > w->at_ms) {
        room = w->until_ms - w->at_ms;
    }
    return pick(seed, salt, i, room);
}

bool mg_sim_when_start(const struct mg_sim_when *when, uint64_t seed,
                       uint64_t salt, uint64_t i, uint64_t *ret_ms)
{
    const struct mg_sim_when *w = when;
    if (w->slot_ms == 0) {
        *ret_ms = w->at_ms + delay(w, seed, salt, 0);
        return i == 0;
    }
    if (i > MG_SIM_TIME_MAX_MS * 10 / w->slot_ms) {
        return false; /* long after any end, and before an overflow */
    }
    *ret_ms = w->at_ms + i * w->slot_ms + delay(w, seed, salt, i);
    return w->until_ms == 0 || *ret_ms < w->until_ms;
}

bool mg_sim_when_active(const struct mg_sim_when *when, uint64_t seed,
                        uint64_t salt, uint64_t t_ms, uint64_t *ret_until_ms,
                        uint64_t *ret_start_ms)
{
    uint64_t start;
    uint64_t i = 0;
    *ret_until_ms = UINT64_MAX;
    if (when->slot_ms != 0 && t_ms > when->at_ms) {
        i = (t_ms - when->at_ms) / when->slot_ms;
    }
    /* One that began in its slot may last into this one. */
    if (i > 0 && mg_sim_when_start(when, seed, salt, i - 1, &start) &&
        t_ms < start + when->length_ms) {
        *ret_until_ms = start + when->length_ms;
        *ret_start_ms = start;
        return true;
    }
    for (unsigned k = 0; k < 2; k++) {
        if (!mg_sim_when_start(when, seed, salt, i + k, &start)) {
            return false;
        }
        if (t_ms < start) {
            *ret_until_ms = start;
            return false;
        }
        if (t_ms < start + when->length_ms) {
            *ret_until_ms = start + when->length_ms;
            *ret_start_ms = start;
            return true;
        }
    }
    return false;
}
