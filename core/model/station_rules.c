#include "model/station_rules.h"

/* A reading between the two limits changes nothing, and ends a turn. */
static bool follow(struct mg_condition *c, bool is_beyond, bool is_back,
                   int64_t last_ms, int64_t now_ms)
{
    bool says_otherwise = c->is_there ? is_back : is_beyond;
    if (!says_otherwise) {
        c->is_turning = false;
        return false;
    }
    if (!c->is_turning) {
        c->is_turning = true;
        c->since_ms = now_ms;
    }
    if (now_ms - c->since_ms < last_ms) {
        return false;
    }
    c->is_there = !c->is_there;
    c->is_turning = false;
    return true;
}

/* Lowest and highest; no phases: 0 and 0. */
static void extremes(const int64_t *values, unsigned n, int64_t *ret_lo,
                     int64_t *ret_hi)
{
    *ret_lo = *ret_hi = n == 0 ? 0 : values[0];
    for (unsigned i = 1; i < n; i++) {
        *ret_lo = values[i] < *ret_lo ? values[i] : *ret_lo;
        *ret_hi = values[i] > *ret_hi ? values[i] : *ret_hi;
    }
}

bool mg_voltage_watch_sample(struct mg_voltage_watch *w, int64_t nominal_mv,
                             const int64_t *voltage_mv, unsigned n_phases,
                             int64_t now_ms)
{
    if (n_phases == 0) {
        return false;
    }
    int64_t lo, hi;
    extremes(voltage_mv, n_phases, &lo, &hi);
    int64_t back_mv = nominal_mv * MG_VOLTAGE_BACK_PM / 1000;
    int64_t over_mv = nominal_mv * MG_VOLTAGE_OVER_PM / 1000;
    int64_t under_mv = nominal_mv * MG_VOLTAGE_UNDER_PM / 1000;
    bool is_over_changed =
        follow(&w->over, hi > over_mv, hi <= over_mv - back_mv,
               MG_VOLTAGE_LAST_MS, now_ms);
    bool is_under_changed =
        follow(&w->under, lo < under_mv, lo >= under_mv + back_mv,
               MG_VOLTAGE_LAST_MS, now_ms);
    return is_over_changed || is_under_changed;
}

bool mg_balance_sample(struct mg_condition *condition, int64_t limit_ma,
                       const int64_t *current_ma, unsigned n_phases,
                       int64_t now_ms)
{
    int64_t lo, hi;
    extremes(current_ma, n_phases, &lo, &hi);
    bool is_beyond = limit_ma > 0 && hi - lo > limit_ma;
    bool is_back = limit_ma <= 0 || hi - lo <= limit_ma - MG_BALANCE_BACK_MA;
    return follow(condition, is_beyond, is_back, MG_BALANCE_LAST_MS, now_ms);
}

int64_t mg_power_watch_heard(struct mg_power_watch *w, uint32_t boot,
                             uint64_t uptime_ms, int64_t now_ms)
{
    int64_t off_ms = -1;
    if (w->is_known && w->boot != boot) {
        int64_t silent_ms = now_ms - w->last_ms;
        bool was_off = silent_ms > 0 && (uint64_t)silent_ms > uptime_ms;
        off_ms = was_off ? silent_ms - (int64_t)uptime_ms : 0;
    }
    w->is_known = true;
    w->boot = boot;
    w->last_ms = now_ms;
    return off_ms;
}
