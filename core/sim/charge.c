#include "sim/charge.h"

#include "sim/turn.h"

#define PLUG_MS       3000U  /* pilot, contactor: nothing flows before */
#define UNPLUG_MS     60000U /* a full one without a time to leave */
#define STEP_MS       1000U
#define TAPER_STEP_MA 100
#define UJ_PER_MWH    INT64_C(3600000)
#define WHOLE         10000

static int64_t capacity_uj(const struct mg_sim_vehicle *v)
{
    return v->battery_mwh * UJ_PER_MWH;
}

/* Part of the battery; in an order that cannot overflow. */
static int64_t share_uj(const struct mg_sim_vehicle *v, uint32_t soc)
{
    return capacity_uj(v) / WHOLE * soc;
}

int64_t mg_sim_charge_start_uj(const struct mg_sim_vehicle *vehicle)
{
    return share_uj(vehicle, vehicle->soc_start);
}

static int64_t power_mw(const struct mg_sim_charge *c, int64_t ma)
{
    double s;
    double cosine;
    mg_sincos(mg_turn_from_cdeg(c->vehicle->phase_cdeg), &s, &cosine);
    int64_t pf_1e6 = (int64_t)(cosine * 1e6);
    return MG_SIM_VOLTAGE_MV * c->n_phases * ma / 1000 * pf_1e6 / 1000000;
}

int64_t mg_sim_charge_stored_uj(const struct mg_sim_charge *charge,
                                uint64_t t_ms)
{
    const struct mg_sim_charge *c = charge;
    if (c->is_standby) {
        return c->stored_uj;
    }
    return c->stored_uj +
           power_mw(c, c->current_ma) * (int64_t)(t_ms - c->from_ms);
}

static void not_after(uint64_t *until_ms, uint64_t t_ms)
{
    *until_ms = t_ms < *until_ms ? t_ms : *until_ms;
}

/* The span that holds since_ms, or NULL.
 * @param until_ms  not after the next begin or end */
static const struct mg_sim_span *span_at(const struct mg_sim_span *spans,
                                         size_t n, uint64_t since_ms,
                                         uint64_t *until_ms)
{
    const struct mg_sim_span *found = NULL;
    for (size_t i = 0; i < n; i++) {
        uint64_t end_ms = spans[i].after_ms + spans[i].length_ms;
        if (since_ms < spans[i].after_ms) {
            not_after(until_ms, spans[i].after_ms);
        } else if (since_ms < end_ms) {
            not_after(until_ms, end_ms);
            found = &spans[i];
        }
    }
    return found;
}

static int64_t limit_at(const struct mg_sim_charge *c, uint64_t since_ms,
                        uint64_t *until_ms)
{
    int64_t ma = c->limit_ma;
    for (size_t i = 0; i < c->n_limits; i++) {
        if (since_ms < c->limits[i].after_ms) {
            not_after(until_ms, c->limits[i].after_ms);
        } else {
            ma = c->limits[i].current_ma;
        }
    }
    return ma < c->vehicle->max_ma ? ma : c->vehicle->max_ma;
}

/* What it wants, and until how much energy is in the battery it wants that. */
struct wish {
    int64_t ma; /* 0: nothing */
    int64_t goal_uj;
};

static struct wish taper(const struct mg_sim_charge *c, int64_t limit_ma)
{
    const struct mg_sim_vehicle *v = c->vehicle;
    int64_t whole = capacity_uj(v);
    int64_t fall = whole - share_uj(v, v->taper_from);
    int64_t per_ma = fall / v->max_ma; /* uJ until it draws 1 mA less */
    int64_t line_ma = (whole - c->stored_uj) / (per_ma > 0 ? per_ma : 1);
    int64_t step_ma =
        (line_ma + TAPER_STEP_MA - 1) / TAPER_STEP_MA * TAPER_STEP_MA;
    struct wish wish = {.ma = step_ma < limit_ma ? step_ma : limit_ma,
                        .goal_uj = share_uj(v, v->soc_target)};
    if (wish.ma <= v->min_ma) {
        wish.ma = v->min_ma;
        return wish;
    }
    int64_t next_uj = whole - (wish.ma - TAPER_STEP_MA) * per_ma;
    wish.goal_uj = next_uj < wish.goal_uj ? next_uj : wish.goal_uj;
    return wish;
}

static struct wish draw(const struct mg_sim_charge *c, int64_t limit_ma)
{
    const struct mg_sim_vehicle *v = c->vehicle;
    int64_t from_uj = share_uj(v, v->taper_from);
    int64_t target_uj = share_uj(v, v->soc_target);
    if (c->is_full || limit_ma < v->min_ma) {
        return (struct wish){0};
    }
    if (c->stored_uj >= from_uj && v->taper_from < WHOLE) {
        return taper(c, limit_ma);
    }
    return (struct wish){.ma = limit_ma,
                         .goal_uj = from_uj < target_uj ? from_uj : target_uj};
}

static struct wish wish_at(struct mg_sim_charge *c, uint64_t *until_ms)
{
    const struct mg_sim_vehicle *v = c->vehicle;
    uint64_t since_ms = c->from_ms - c->arrival_ms;
    uint64_t until = UINT64_MAX;
    if (since_ms < PLUG_MS) {
        not_after(until_ms, c->arrival_ms + PLUG_MS);
        return (struct wish){0};
    }
    const struct mg_sim_span *pause =
        span_at(v->pauses, v->n_pauses, since_ms, &until);
    const struct mg_sim_span *export =
        span_at(v->exports, v->n_exports, since_ms, &until);
    int64_t limit_ma = limit_at(c, since_ms, &until);
    if (until != UINT64_MAX) {
        not_after(until_ms, c->arrival_ms + until);
    }
    int64_t reserve_uj = share_uj(v, v->reserve);
    if (pause != NULL) {
        return (struct wish){0};
    }
    if (export != NULL) {
        int64_t ma =
            export->current_ma < limit_ma ? export->current_ma : limit_ma;
        if (c->stored_uj <= reserve_uj) {
            return (struct wish){0};
        }
        c->is_full = false;
        return (struct wish){.ma = -ma, .goal_uj = reserve_uj};
    }
    return draw(c, limit_ma);
}

/* A second nearer to what it wants: slowly to more, at once to less, and
 * through nothing to the other direction. */
static int64_t nearer(int64_t ma, int64_t wanted_ma, int64_t ramp_ma)
{
    bool is_reversal = (ma > 0 && wanted_ma < 0) || (ma < 0 && wanted_ma > 0);
    if (is_reversal) {
        return 0;
    }
    if (wanted_ma > ma + ramp_ma && ma >= 0) {
        return ma + ramp_ma;
    }
    if (wanted_ma < ma - ramp_ma && wanted_ma < 0) {
        return ma - ramp_ma;
    }
    return wanted_ma;
}

static void stand_by(struct mg_sim_charge *c)
{
    c->is_standby = true;
    c->current_ma =
        c->vehicle->standby_mw * 1000 / (MG_SIM_VOLTAGE_MV * c->n_phases);
}

/* The end of the piece by the energy: when the goal is reached. */
static void until_goal(const struct mg_sim_charge *c, int64_t goal_uj,
                       uint64_t *until_ms)
{
    int64_t mw = power_mw(c, c->current_ma);
    int64_t way_uj = goal_uj - c->stored_uj;
    if (mw == 0 || (way_uj > 0) != (mw > 0)) {
        return;
    }
    int64_t ms = way_uj / mw + 1;
    not_after(until_ms, c->from_ms + (ms > 0 ? (uint64_t)ms : 1));
}

static void plan(struct mg_sim_charge *c)
{
    uint64_t until_ms = c->leave_ms;
    int64_t before_ma = c->is_standby ? 0 : c->current_ma;
    c->is_standby = false;
    if (c->stored_uj >= share_uj(c->vehicle, c->vehicle->soc_target)) {
        c->is_full = true;
        if (c->leave_ms == UINT64_MAX) {
            c->leave_ms = c->from_ms + UNPLUG_MS;
            until_ms = c->leave_ms;
        }
    }
    struct wish wish = wish_at(c, &until_ms);
    c->current_ma = nearer(before_ma, wish.ma, c->vehicle->ramp_ma_per_s);
    if (c->current_ma != wish.ma) {
        not_after(&until_ms, c->from_ms + STEP_MS);
    }
    if (c->current_ma == 0) {
        stand_by(c);
    } else {
        until_goal(c, wish.goal_uj, &until_ms);
    }
    c->to_ms = until_ms > c->from_ms ? until_ms : c->from_ms + 1;
}

void mg_sim_charge_begin(struct mg_sim_charge *charge)
{
    struct mg_sim_charge *c = charge;
    c->from_ms = c->arrival_ms;
    c->stored_uj = mg_sim_charge_start_uj(c->vehicle);
    c->is_full = false;
    c->is_standby = true;
    plan(c);
}

bool mg_sim_charge_go(struct mg_sim_charge *charge, uint64_t t_ms)
{
    struct mg_sim_charge *c = charge;
    while (t_ms >= c->to_ms) {
        if (c->to_ms >= c->leave_ms) {
            return false;
        }
        c->stored_uj = mg_sim_charge_stored_uj(c, c->to_ms);
        c->from_ms = c->to_ms;
        plan(c);
    }
    return true;
}

void mg_sim_charge_limit(struct mg_sim_charge *charge, uint64_t t_ms,
                         int64_t limit_ma)
{
    struct mg_sim_charge *c = charge;
    c->stored_uj = mg_sim_charge_stored_uj(c, t_ms);
    c->from_ms = t_ms;
    c->limit_ma = limit_ma;
    c->n_limits = 0;
    plan(c);
}
