#include "sim/play.h"

#include <stdlib.h>
#include <string.h>

#include "sim/charge.h"

#define LIVE_MAX     64
#define DAY_MS       UINT64_C(86400000)
#define DAY_STEP     UINT64_C(300000) /* the temperature goes in steps of 5 min */
#define PROFILE_STEP 100U             /* a profile never stands still */
#define LOW_AT_MS    INT64_C(14400000)
#define HIGH_AT_MS   INT64_C(54000000)
#define NOBODY       SIZE_MAX
#define NS_PER_MS    1000000U

/* Different streams for each rule of one seed. */
#define SALT_SESSION UINT64_C(1000000)
#define SALT_NET     UINT64_C(2000000)
#define SALT_ACT     UINT64_C(3000000)

/* One meter. */
struct run {
    struct mg_sim_point point;
    size_t first, n_rules; /* in play->rules */
    bool is_there;
    size_t rule; /* of the vehicle; NOBODY: an order's */
    uint64_t free_ms;
    uint64_t order_ms; /* of the newest order: before, nothing is known */
    struct mg_sim_charge charge;
    struct mg_sim_vehicle ordered; /* the vehicle of an order */
    bool is_fixed;
    int64_t fixed_ma;
};

/* The sessions of a meter, and the next arrival of each. */
struct rule {
    size_t session;
    uint64_t i;
};

/* How far an act has come. */
struct cursor {
    uint64_t i, at_ms;
    bool is_on, is_done;
};

struct mg_sim_play {
    const struct mg_sim_scenario *scenario;
    size_t n_meters;
    struct run *runs;       /* owned */
    struct rule *rules;     /* owned */
    struct cursor *cursors; /* owned, one per act */
    struct mg_sim_net_event live[LIVE_MAX];
    size_t n_live;
};

static void not_after(uint64_t *until_ms, uint64_t t_ms)
{
    *until_ms = t_ms < *until_ms ? t_ms : *until_ms;
}

/* ---- Vehicles ---- */

/* The next that comes to a free place; others drive on. */
static bool next_arrival(struct mg_sim_play *p, struct run *r, size_t *ret_rule,
                         uint64_t *ret_ms)
{
    *ret_rule = NOBODY;
    for (size_t k = r->first; k < r->first + r->n_rules; k++) {
        struct rule *rule = &p->rules[k];
        const struct mg_sim_session *s = &p->scenario->sessions[rule->session];
        uint64_t at_ms;
        bool is_coming;
        while ((is_coming = mg_sim_when_start(&s->when, p->scenario->seed,
                                              SALT_SESSION + rule->session,
                                              rule->i, &at_ms)) &&
               at_ms < r->free_ms) {
            rule->i++;
        }
        if (is_coming && (*ret_rule == NOBODY || at_ms < *ret_ms)) {
            *ret_rule = k;
            *ret_ms = at_ms;
        }
    }
    return *ret_rule != NOBODY;
}

static uint8_t phases_of(const struct run *r, const struct mg_sim_vehicle *v)
{
    return v->n_phases < r->point.n_phases ? v->n_phases : r->point.n_phases;
}

static void arrive(struct mg_sim_play *p, struct run *r, size_t rule,
                   uint64_t at_ms)
{
    const struct mg_sim_session *s =
        &p->scenario->sessions[p->rules[rule].session];
    const struct mg_sim_vehicle *v = &p->scenario->vehicles[s->vehicle];
    uint64_t stay_ms = s->when.length_ms;
    p->rules[rule].i++;
    r->is_there = true;
    r->rule = rule;
    r->charge = (struct mg_sim_charge){
        .vehicle = v,
        .limits = s->limits,
        .n_limits = s->n_limits,
        .limit_ma = s->limit_ma,
        .n_phases = phases_of(r, v),
        .arrival_ms = at_ms,
        .leave_ms = stay_ms == 0 ? UINT64_MAX : at_ms + stay_ms};
    mg_sim_charge_begin(&r->charge);
}

static void start_again(struct mg_sim_play *p, struct run *r)
{
    for (size_t k = r->first; k < r->first + r->n_rules; k++) {
        p->rules[k].i = 0;
    }
    r->is_there = false;
    r->free_ms = r->order_ms;
}

/* What has been before t_ms is behind. @return until when it stays so */
static uint64_t go(struct mg_sim_play *p, struct run *r, uint64_t t_ms)
{
    size_t rule;
    uint64_t at_ms;
    uint64_t known_ms = r->is_there ? r->charge.from_ms : r->free_ms;
    if (t_ms < known_ms && r->is_there && r->rule == NOBODY) {
        t_ms = known_ms; /* a meter is some ticks behind the order */
    } else if (t_ms < known_ms) {
        start_again(p, r); /* somebody asks for what is past */
    }
    t_ms = t_ms > r->order_ms ? t_ms : r->order_ms;
    for (;;) {
        if (r->is_there) {
            if (mg_sim_charge_go(&r->charge, t_ms)) {
                return r->charge.to_ms;
            }
            r->is_there = false;
            r->free_ms = r->charge.leave_ms;
        }
        if (!next_arrival(p, r, &rule, &at_ms)) {
            return UINT64_MAX;
        }
        if (at_ms > t_ms) {
            return at_ms;
        }
        arrive(p, r, rule, at_ms);
    }
}

/* ---- The mains ---- */

/* Rated parts of a charger's harmonics, and how they rise as the current
 * falls: with (rated / I)^0.8. */
static const struct {
    uint8_t order;
    uint32_t i_ppm;
} spectrum[] = {{3, 40000}, {5, 30000},  {7, 15000},
                {9, 6000},  {11, 10000}, {13, 7000}};

/* 256 * (rated / I)^0.8, at most for a 16th of the rated current. */
static uint64_t rise_q8(int64_t rated_ma, int64_t ma)
{
    uint64_t q = ma <= 0 ? 4096 : (uint64_t)(rated_ma * 256 / ma);
    q = q < 4096 ? q : 4096;
    q = q > 256 ? q : 256;
    uint64_t wanted = q * q * q * q * 256; /* < 2^57 */
    uint64_t lo = 256;
    uint64_t hi = 4096; /* 2359 at most; its fifth power is 2^60 */
    while (lo < hi) {
        uint64_t middle = (lo + hi + 1) / 2;
        if (middle * middle * middle * middle * middle <= wanted) {
            lo = middle;
        } else {
            hi = middle - 1;
        }
    }
    return lo;
}

static void add_spectrum(const struct mg_sim_charge *c,
                         struct mg_sim_mains *ret)
{
    int64_t ma = c->current_ma < 0 ? -c->current_ma : c->current_ma;
    if (c->is_standby || !c->vehicle->has_harmonics || ret->n_harmonics > 0) {
        return;
    }
    uint64_t rise = rise_q8(c->vehicle->max_ma, ma);
    for (size_t i = 0; i < sizeof spectrum / sizeof *spectrum; i++) {
        ret->harmonic[ret->n_harmonics++] = (struct mg_sim_harmonic){
            .order = spectrum[i].order,
            .i_ppm = (uint32_t)(spectrum[i].i_ppm * rise >> 8)};
    }
}

static void add_load(const struct run *r, uint64_t t_ms,
                     struct mg_sim_phase *phase)
{
    struct mg_sim_load load;
    mg_sim_profile_at(&r->point.profile, t_ms, &load);
    for (unsigned k = 0; k < r->point.n_phases; k++) {
        phase[k].current_ma = r->is_fixed ? r->fixed_ma : load.current_ma;
        phase[k].phase_cdeg = load.phase_cdeg;
    }
}

static void add_charge(const struct mg_sim_charge *c,
                       struct mg_sim_phase *phase)
{
    bool is_export = c->current_ma < 0;
    for (unsigned k = 0; k < c->n_phases; k++) {
        phase[k].current_ma = is_export ? -c->current_ma : c->current_ma;
        phase[k].phase_cdeg = (c->is_standby ? 0 : c->vehicle->phase_cdeg) +
                              (is_export ? 18000 : 0);
    }
}

static uint64_t flow(struct mg_sim_play *p, size_t meter, uint64_t t_ms,
                     unsigned circuit, struct mg_sim_mains *ret)
{
    struct mg_sim_phase *phase = &ret->phase[(size_t)circuit * 3];
    struct run *r = &p->runs[meter];
    uint64_t until_ms = go(p, r, t_ms);
    if (r->is_fixed || !r->is_there) {
        add_load(r, t_ms, phase);
        return r->is_fixed ? UINT64_MAX : until_ms;
    }
    add_charge(&r->charge, phase);
    add_spectrum(&r->charge, ret);
    return until_ms;
}

/* From the low at 4 h up to the high at 15 h, and down again. */
static uint64_t add_day(const struct mg_sim_scenario *s, uint64_t t_ms,
                        struct mg_sim_mains *ret)
{
    if (s->low_mdegc == s->high_mdegc) {
        ret->ambient_mdegc = s->low_mdegc;
        return UINT64_MAX;
    }
    uint64_t step = t_ms / DAY_STEP * DAY_STEP;
    int64_t of_day = (int64_t)((step + s->day_start_ms) % DAY_MS);
    int64_t since_low = of_day - LOW_AT_MS;
    if (since_low < 0) {
        since_low += (int64_t)DAY_MS;
    }
    int64_t rise = HIGH_AT_MS - LOW_AT_MS;
    int64_t fall = (int64_t)DAY_MS - rise;
    int64_t span = s->high_mdegc - s->low_mdegc;
    int64_t above = since_low < rise
                        ? span * since_low / rise
                        : span * ((int64_t)DAY_MS - since_low) / fall;
    ret->ambient_mdegc = (int32_t)(s->low_mdegc + above);
    return step + DAY_STEP;
}

static bool is_phase(const struct mg_sim_net_event *e, unsigned lane)
{
    return e->phase == 0 || e->phase == lane % 3 + 1;
}

static void set_voltage(const struct mg_sim_net_event *e,
                        struct mg_sim_mains *ret)
{
    for (unsigned k = 0; k < MG_LANES_MAX; k++) {
        if (e->kind == MG_SIM_NET_UNBALANCE) {
            ret->phase[k].voltage_mv = e->phase_mv[k % 3];
        } else if (is_phase(e, k)) {
            ret->phase[k].voltage_mv =
                e->kind == MG_SIM_NET_PHASE_LOSS ? 0 : e->voltage_mv;
        }
        if (e->kind == MG_SIM_NET_PHASE_LOSS && is_phase(e, k)) {
            ret->phase[k].current_ma = 0;
        }
    }
}

static void add_harmonic(const struct mg_sim_net_event *e,
                         struct mg_sim_mains *ret)
{
    for (unsigned k = 0; k < ret->n_harmonics; k++) {
        if (ret->harmonic[k].order == e->order) {
            ret->harmonic[k].u_ppm = e->u_ppm;
            return;
        }
    }
    if (ret->n_harmonics < MG_SIM_HARMONICS_MAX) {
        ret->harmonic[ret->n_harmonics++] =
            (struct mg_sim_harmonic){.order = e->order, .u_ppm = e->u_ppm};
    }
}

/* @param start_ns  when it began, as the device counts */
static void add_event(const struct mg_sim_net_event *e, uint64_t start_ms,
                      struct mg_sim_mains *ret)
{
    switch ((enum mg_sim_net)e->kind) {
    case MG_SIM_NET_DIP:
    case MG_SIM_NET_SWELL:
    case MG_SIM_NET_UNBALANCE:
    case MG_SIM_NET_PHASE_LOSS:
        set_voltage(e, ret);
        break;
    case MG_SIM_NET_FREQUENCY:
        ret->frequency_mhz = e->frequency_mhz;
        break;
    case MG_SIM_NET_HARMONIC:
        add_harmonic(e, ret);
        break;
    case MG_SIM_NET_RINGING:
        ret->ringing = (struct mg_sim_ringing){.start_ns = start_ms * NS_PER_MS,
                                               .peak_mv = e->peak_mv,
                                               .frequency_hz = e->ringing_hz,
                                               .decay_us = e->decay_us};
        break;
    case MG_SIM_NET_SPIKES:
        ret->spikes = (struct mg_sim_spikes){
            .per_s = e->per_s, .peak_mv = e->peak_mv, .peak_ma = e->peak_ma};
        break;
    case MG_SIM_NET_TEMPERATURE:
        ret->ambient_mdegc = e->mdegc;
        break;
    case MG_SIM_NET_BYPASS:
        for (unsigned k = 0; k < MG_LANES_MAX; k++) {
            ret->phase[k].current_ma =
                ret->phase[k].current_ma * (10000 - (int64_t)e->share) / 10000;
        }
        break;
    }
}

static void add_net(const struct mg_sim_play *p,
                    const struct mg_sim_net_event *e, uint64_t salt,
                    uint64_t t_ms, uint64_t *until_ms, struct mg_sim_mains *ret)
{
    uint64_t next_ms;
    uint64_t start_ms;
    if (mg_sim_when_active(&e->when, p->scenario->seed, salt, t_ms, &next_ms,
                           &start_ms)) {
        add_event(e, start_ms, ret);
    }
    not_after(until_ms, next_ms);
}

static bool concerns(const struct mg_sim_net_event *e, size_t a, size_t b)
{
    return e->meter == MG_SIM_ALL_METERS || e->meter == a || e->meter == b;
}

uint64_t mg_sim_play_at(struct mg_sim_play *play, size_t meter, size_t second,
                        uint64_t t_ms, struct mg_sim_mains *ret)
{
    const struct mg_sim_scenario *s = play->scenario;
    size_t any = meter == NOBODY ? second : meter;
    const struct mg_sim_profile *profile = &play->runs[any].point.profile;
    struct mg_sim_load load;
    mg_sim_profile_at(profile, t_ms, &load);
    load.current_ma = 0;
    mg_sim_mains_balanced(&load, ret);
    uint64_t until_ms = add_day(s, t_ms, ret);
    if (!profile->is_fixed) {
        not_after(&until_ms, t_ms + PROFILE_STEP);
    }
    if (meter != NOBODY) {
        not_after(&until_ms, flow(play, meter, t_ms, 0, ret));
    }
    if (second != NOBODY) {
        not_after(&until_ms, flow(play, second, t_ms, 1, ret));
    }
    for (size_t i = 0; i < s->n_net; i++) {
        if (concerns(&s->net[i], meter, second)) {
            add_net(play, &s->net[i], SALT_NET + i, t_ms, &until_ms, ret);
        }
    }
    for (size_t i = 0; i < play->n_live; i++) {
        if (concerns(&play->live[i], meter, second)) {
            add_net(play, &play->live[i], 0, t_ms, &until_ms, ret);
        }
    }
    return until_ms;
}

void mg_sim_play_presence(struct mg_sim_play *play, size_t meter, uint64_t t_ms,
                          struct mg_sim_presence *ret)
{
    struct run *r = &play->runs[meter];
    const struct mg_sim_charge *c = &r->charge;
    *ret = (struct mg_sim_presence){0};
    (void)go(play, r, t_ms);
    if (r->is_there) {
        int64_t uj = mg_sim_charge_stored_uj(c, t_ms) -
                     mg_sim_charge_start_uj(c->vehicle);
        ret->is_there = true;
        ret->is_full = c->is_full;
        ret->since_ms = c->arrival_ms;
        ret->current_ma = c->current_ma;
        ret->charged_mwh = uj / 3600000;
        ret->vehicle =
            r->rule == NOBODY
                ? NOBODY
                : play->scenario->sessions[play->rules[r->rule].session]
                      .vehicle;
    }
}

/* ---- What is done ---- */

static void find_start(const struct mg_sim_play *p, size_t act)
{
    struct cursor *c = &p->cursors[act];
    c->is_done =
        !mg_sim_when_start(&p->scenario->acts[act].when, p->scenario->seed,
                           SALT_ACT + act, c->i, &c->at_ms);
}

static size_t soonest(const struct mg_sim_play *p)
{
    size_t best = NOBODY;
    for (size_t i = 0; i < p->scenario->n_acts; i++) {
        const struct cursor *c = &p->cursors[i];
        if (!c->is_done &&
            (best == NOBODY || c->at_ms < p->cursors[best].at_ms)) {
            best = i;
        }
    }
    return best;
}

bool mg_sim_play_next(const struct mg_sim_play *play,
                      struct mg_sim_happening *ret)
{
    size_t i = soonest(play);
    if (i == NOBODY) {
        return false;
    }
    *ret = (struct mg_sim_happening){.at_ms = play->cursors[i].at_ms,
                                     .act = &play->scenario->acts[i],
                                     .is_end = play->cursors[i].is_on};
    return true;
}

void mg_sim_play_pass(struct mg_sim_play *play)
{
    size_t i = soonest(play);
    if (i == NOBODY) {
        return;
    }
    struct cursor *c = &play->cursors[i];
    uint64_t length_ms = play->scenario->acts[i].when.length_ms;
    if (!c->is_on && length_ms > 0) {
        c->is_on = true;
        c->at_ms += length_ms;
        return;
    }
    c->is_on = false;
    c->i++;
    find_start(play, i);
}

/* ---- Orders ---- */

void mg_sim_play_unplug(struct mg_sim_play *play, size_t meter, uint64_t t_ms)
{
    struct run *r = &play->runs[meter];
    (void)go(play, r, t_ms);
    r->is_there = false;
    r->free_ms = t_ms;
    r->order_ms = t_ms;
}

void mg_sim_play_plug(struct mg_sim_play *play, size_t meter, uint64_t t_ms,
                      const struct mg_sim_vehicle *vehicle, int64_t limit_ma)
{
    struct run *r = &play->runs[meter];
    mg_sim_play_unplug(play, meter, t_ms);
    r->ordered = *vehicle;
    r->is_there = true;
    r->is_fixed = false;
    r->rule = NOBODY;
    r->charge = (struct mg_sim_charge){.vehicle = &r->ordered,
                                       .limit_ma = limit_ma,
                                       .n_phases = phases_of(r, vehicle),
                                       .arrival_ms = t_ms,
                                       .leave_ms = UINT64_MAX};
    mg_sim_charge_begin(&r->charge);
}

void mg_sim_play_limit(struct mg_sim_play *play, size_t meter, uint64_t t_ms,
                       int64_t limit_ma)
{
    struct run *r = &play->runs[meter];
    (void)go(play, r, t_ms);
    r->order_ms = t_ms;
    if (r->is_there) {
        if (r->rule != NOBODY) { /* from now on as ordered */
            r->ordered = *r->charge.vehicle;
            r->charge.vehicle = &r->ordered;
            r->rule = NOBODY;
        }
        mg_sim_charge_limit(&r->charge, t_ms, limit_ma);
    }
}

void mg_sim_play_fix(struct mg_sim_play *play, size_t meter, int64_t ma)
{
    play->runs[meter].is_fixed = ma >= 0;
    play->runs[meter].fixed_ma = ma;
}

int mg_sim_play_add_net(struct mg_sim_play *play, uint64_t t_ms,
                        const struct mg_sim_net_event *event)
{
    size_t n = 0;
    for (size_t i = 0; i < play->n_live; i++) { /* those that are over go */
        const struct mg_sim_when *w = &play->live[i].when;
        if (w->at_ms + w->length_ms > t_ms) {
            play->live[n++] = play->live[i];
        }
    }
    play->n_live = n;
    if (n == LIVE_MAX) {
        return MG_E_NOSPC;
    }
    play->live[n] = *event;
    play->live[n].when.at_ms = t_ms;
    play->n_live++;
    return MG_OK;
}

/* ---- Making ---- */

static void sort_rules(struct mg_sim_play *p)
{
    const struct mg_sim_scenario *s = p->scenario;
    size_t n = 0;
    for (size_t m = 0; m < p->n_meters; m++) {
        p->runs[m].first = n;
        for (size_t i = 0; i < s->n_sessions; i++) {
            if (s->sessions[i].meter == m) {
                p->rules[n++].session = i;
            }
        }
        p->runs[m].n_rules = n - p->runs[m].first;
    }
}

struct mg_sim_play *mg_sim_play_create(const struct mg_sim_scenario *scenario,
                                       const struct mg_sim_point *points,
                                       size_t n_meters)
{
    struct mg_sim_play *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    p->scenario = scenario;
    p->n_meters = n_meters;
    p->runs = calloc(n_meters + 1, sizeof *p->runs);
    p->rules = calloc(scenario->n_sessions + 1, sizeof *p->rules);
    p->cursors = calloc(scenario->n_acts + 1, sizeof *p->cursors);
    if (p->runs == NULL || p->rules == NULL || p->cursors == NULL) {
        mg_sim_play_destroy(p);
        return NULL;
    }
    for (size_t m = 0; m < n_meters; m++) {
        p->runs[m].point = points[m];
    }
    sort_rules(p);
    for (size_t i = 0; i < scenario->n_acts; i++) {
        find_start(p, i);
    }
    return p;
}

void mg_sim_play_destroy(struct mg_sim_play *play)
{
    if (play != NULL) {
        free(play->runs);
        free(play->rules);
        free(play->cursors);
        free(play);
    }
}
