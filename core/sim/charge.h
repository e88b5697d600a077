/* One vehicle at a charge point: what it draws, piece by piece, until it is
 * full or leaves. Integers; each piece lasts a second or more. */
#ifndef MG_SIM_CHARGE_H
#define MG_SIM_CHARGE_H

#include "sim/scenario.h"

struct mg_sim_charge {
    const struct mg_sim_vehicle *vehicle;
    const struct mg_sim_span *limits;
    size_t n_limits;
    int64_t limit_ma;
    uint8_t n_phases; /* that it uses here */
    uint64_t arrival_ms;
    uint64_t leave_ms; /* UINT64_MAX: once it is full */
    /* The present piece. */
    uint64_t from_ms, to_ms;
    int64_t current_ma; /* per phase; negative: into the net */
    bool is_standby;    /* current_ma is not of the charger */
    bool is_full;
    int64_t stored_uj; /* in the battery at from_ms */
};

/** The first piece; the caller has set all above from_ms. */
void mg_sim_charge_begin(struct mg_sim_charge *charge);

/** Go to the piece that holds t_ms, not before the present one.
 *  @return false: it has left; to_ms is when */
bool mg_sim_charge_go(struct mg_sim_charge *charge, uint64_t t_ms);

/** Another limit from t_ms on, in the present piece. */
void mg_sim_charge_limit(struct mg_sim_charge *charge, uint64_t t_ms,
                         int64_t limit_ma);

/** Energy in the battery at t_ms of the present piece. */
int64_t mg_sim_charge_stored_uj(const struct mg_sim_charge *charge,
                                uint64_t t_ms);

/** The battery when the vehicle arrived. */
int64_t mg_sim_charge_start_uj(const struct mg_sim_vehicle *vehicle);

#endif
