#include "run/scene_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define NS_PER_MS UINT64_C(1000000)
#define DAY_MS    86400000
#define NOBODY    SIZE_MAX
#define REFERENCE 23000

uint64_t mg_scene_now_ms(const struct mg_scene *scene)
{
    return (mg_clock_now_ns(scene->settings.clock) - scene->start_ns) /
           NS_PER_MS;
}

/* ---- Mains ---- */

static uint64_t mains_at(void *ctx, uint64_t now_ns, struct mg_sim_mains *ret)
{
    const struct mg_scene_device *d = ctx;
    uint64_t since_ns = now_ns > d->lived_ns ? now_ns - d->lived_ns : 0;
    uint64_t until_ms = mg_sim_play_at(d->scene->play, d->meters[0],
                                       d->meters[1], since_ns / NS_PER_MS, ret);
    ret->ringing.start_ns += d->lived_ns;
    return until_ms > UINT64_MAX / NS_PER_MS / 2
               ? UINT64_MAX
               : until_ms * NS_PER_MS + d->lived_ns;
}

void mg_scene_drive(struct mg_scene *scene, size_t meter)
{
    struct mg_scene_device *d = &scene->devices[scene->device_of[meter]];
    const struct mg_sim_source source = {mains_at, d};
    d->is_driven = true;
    mg_sim_device_set_source(d->device, &source);
}

/* ---- Wires ---- */

static void add_line_fault(struct mg_sim_faults *f, const struct mg_sim_act *a)
{
    uint32_t *const chances[] = {[MG_SIM_WIRE_DROP] = &f->drop,
                                 [MG_SIM_WIRE_LATE] = &f->late,
                                 [MG_SIM_WIRE_BAD_CRC] = &f->bad_crc,
                                 [MG_SIM_WIRE_HALF_FRAME] = &f->half_frame,
                                 [MG_SIM_WIRE_WRONG_UNIT] = &f->wrong_unit,
                                 [MG_SIM_WIRE_NOISE] = &f->noise,
                                 [MG_SIM_WIRE_EXCEPTION] = &f->exception,
                                 [MG_SIM_WIRE_STALL] = &f->stall};
    if (a->fault == MG_SIM_WIRE_UNPLUG) {
        f->is_unplugged = true;
    } else if (a->fault < sizeof chances / sizeof *chances) {
        *chances[a->fault] += a->chance;
    }
}

static void add_can_fault(struct mg_sim_can_faults *f,
                          const struct mg_sim_act *a)
{
    switch (a->fault) {
    case MG_SIM_WIRE_DROP:
        f->drop += a->chance;
        break;
    case MG_SIM_WIRE_DUPLICATE:
        f->duplicate += a->chance;
        break;
    case MG_SIM_WIRE_FLIP:
        f->flip += a->chance;
        break;
    case MG_SIM_WIRE_REORDER:
        f->reorder += a->chance;
        break;
    default: /* UNPLUG, BUS_OFF */
        f->is_off = true;
    }
}

static void set_bus(struct mg_scene *s, size_t bus)
{
    const struct mg_sim_scenario *scenario = s->settings.scenario;
    struct mg_sim_faults line = s->settings.faults;
    struct mg_sim_can_faults can = {0};
    for (size_t i = 0; i < scenario->n_acts + MG_SCENE_LIVE_MAX; i++) {
        bool is_live = i >= scenario->n_acts;
        const struct mg_scene_live *l =
            is_live ? &s->live[i - scenario->n_acts] : NULL;
        const struct mg_sim_act *a = is_live ? &l->act : &scenario->acts[i];
        bool is_on = is_live ? l->is_used : s->is_on[i];
        if (is_on && a->kind == MG_SIM_DEED_WIRE && a->target == bus) {
            add_line_fault(&line, a);
            add_can_fault(&can, a);
        }
    }
    if (mg_simulation_line(s->settings.simulation, bus) != NULL) {
        mg_sim_line_set_faults(mg_simulation_line(s->settings.simulation, bus),
                               &line);
    } else {
        mg_sim_can_bus_set_faults(
            mg_simulation_can(s->settings.simulation, bus), &can);
    }
}

void mg_scene_set_wires(struct mg_scene *scene)
{
    for (size_t i = 0; i < scene->settings.setup->n_buses; i++) {
        set_bus(scene, i);
    }
}

/* ---- Deeds ---- */

static const char *break_it(struct mg_sim_device *d, uint32_t fault)
{
    return mg_sim_device_fault(d, (enum mg_fw_fault)fault) == MG_OK
               ? NULL
               : "this model knows no such fault";
}

uint8_t mg_scene_unit(const struct mg_setup_meter *m)
{
    return m->plugin->driver->can != NULL ? (uint8_t)mg_setup_circuit(m)
                                          : m->unit;
}

static const char *request(struct mg_scene *s, struct mg_sim_device *d,
                           const struct mg_sim_act *a)
{
    uint8_t answer[MG_PDU_MAX];
    uint8_t unit = mg_scene_unit(&s->settings.setup->meters[a->target]);
    size_t len = mg_sim_device_pdu(d, unit, a->request, a->request_len, answer);
    if (len == 0) {
        return "the meter does not answer";
    }
    return (answer[0] & 0x80) != 0 && answer[0] == (a->request[0] | 0x80)
               ? "the meter has refused it"
               : NULL;
}

/* It begins. */
static const char *begin(struct mg_scene *s, const struct mg_sim_act *a)
{
    struct mg_simulation *sim = s->settings.simulation;
    if (a->kind == MG_SIM_DEED_WIRE) {
        return NULL; /* set_bus */
    }
    mg_simulation_live(sim, a->target);
    struct mg_sim_device *d = mg_simulation_device(sim, a->target);
    switch ((enum mg_sim_deed)a->kind) {
    case MG_SIM_DEED_POWER:
        mg_sim_device_power_cycle(d, a->when.length_ms);
        return NULL;
    case MG_SIM_DEED_FAULT:
        return break_it(d, a->fault);
    case MG_SIM_DEED_INPUT:
        return mg_sim_device_set_input(d, 0, true) == MG_OK
                   ? NULL
                   : "this model has no input";
    case MG_SIM_DEED_REQUEST:
        return request(s, d, a);
    default:
        return mg_scene_update(s, a->target);
    }
}

static void end(struct mg_scene *s, const struct mg_sim_act *a)
{
    struct mg_simulation *sim = s->settings.simulation;
    if (a->kind != MG_SIM_DEED_FAULT && a->kind != MG_SIM_DEED_INPUT) {
        return; /* the supply comes back by itself */
    }
    mg_simulation_live(sim, a->target);
    struct mg_sim_device *d = mg_simulation_device(sim, a->target);
    if (a->kind == MG_SIM_DEED_INPUT) {
        (void)mg_sim_device_set_input(d, 0, false);
    } else if (a->fault == MG_FW_FAULT_NAN ||
               mg_sim_device_fault(d, MG_FW_FAULT_OVER) != MG_OK) {
        (void)mg_sim_device_fault(d, MG_FW_FAULT_NONE);
    }
}

/* ---- Time ---- */

static void due(struct mg_timer *timer);

static void arm(struct mg_scene *s)
{
    struct mg_sim_happening h;
    uint64_t next_ms = UINT64_MAX;
    if (mg_sim_play_next(s->play, &h)) {
        next_ms = h.at_ms;
    }
    for (size_t i = 0; i < MG_SCENE_LIVE_MAX; i++) {
        if (s->live[i].is_used && s->live[i].end_ms < next_ms) {
            next_ms = s->live[i].end_ms;
        }
    }
    if (next_ms != UINT64_MAX) {
        mg_timer_start(s->settings.clock, &s->timer,
                       s->start_ns + next_ms * NS_PER_MS, due);
    }
}

static void happen(struct mg_scene *s, const struct mg_sim_happening *h)
{
    const char *failed = NULL;
    size_t i = (size_t)(h->act - s->settings.scenario->acts);
    if (h->is_end) {
        end(s, h->act);
    } else {
        failed = begin(s, h->act);
    }
    s->is_on[i] = !h->is_end && h->act->when.length_ms > 0;
    if (h->act->kind == MG_SIM_DEED_WIRE) {
        set_bus(s, h->act->target);
    }
    if (failed != NULL) {
        mg_log(MG_LOG_INFO, "scenario: %s: %s",
               s->settings.setup->meters[h->act->target].id, failed);
    }
}

static void end_live(struct mg_scene *s, uint64_t now_ms)
{
    for (size_t i = 0; i < MG_SCENE_LIVE_MAX; i++) {
        struct mg_scene_live *l = &s->live[i];
        if (l->is_used && l->end_ms <= now_ms) {
            l->is_used = false;
            end(s, &l->act);
            if (l->act.kind == MG_SIM_DEED_WIRE) {
                set_bus(s, l->act.target);
            }
        }
    }
}

static void due(struct mg_timer *timer)
{
    struct mg_scene *s =
        (struct mg_scene *)((char *)timer - offsetof(struct mg_scene, timer));
    struct mg_sim_happening h;
    uint64_t now_ms = mg_scene_now_ms(s);
    end_live(s, now_ms);
    while (mg_sim_play_next(s->play, &h) && h.at_ms <= now_ms) {
        happen(s, &h);
        mg_sim_play_pass(s->play);
    }
    arm(s);
}

const char *mg_scene_do(struct mg_scene *scene, const struct mg_sim_act *act)
{
    size_t i = 0;
    bool has_end = act->when.length_ms > 0 && act->kind != MG_SIM_DEED_POWER;
    while (has_end && i < MG_SCENE_LIVE_MAX && scene->live[i].is_used) {
        i++;
    }
    if (i == MG_SCENE_LIVE_MAX) {
        return "too much is going on already";
    }
    const char *failed = begin(scene, act);
    if (failed == NULL && has_end) {
        scene->live[i] = (struct mg_scene_live){
            .is_used = true,
            .end_ms = mg_scene_now_ms(scene) + act->when.length_ms,
            .act = *act};
        if (act->kind == MG_SIM_DEED_WIRE) {
            set_bus(scene, act->target);
        }
        arm(scene);
    }
    return failed;
}

/* ---- Making ---- */

static void make_point(const struct mg_scene *s, size_t meter,
                       struct mg_sim_point *ret)
{
    const struct mg_setup_meter *m = &s->settings.setup->meters[meter];
    *ret = (struct mg_sim_point){
        .n_phases = m->plugin->driver->n_phases,
        .profile = mg_simulation_profile(s->settings.simulation, meter)};
    if (s->has_file && !m->load.is_fixed) {
        ret->profile.is_fixed = true;
        ret->profile.fixed = (struct mg_sim_load){
            .voltage_mv = MG_SIM_VOLTAGE_MV, .frequency_mhz = 50000};
    }
}

/* Two meters may be one device. */
static void find_devices(struct mg_scene *s)
{
    const struct mg_setup *setup = s->settings.setup;
    for (size_t m = 0; m < setup->n_meters; m++) {
        struct mg_sim_device *device =
            mg_simulation_device(s->settings.simulation, m);
        size_t i = 0;
        while (i < s->n_devices && s->devices[i].device != device) {
            i++;
        }
        if (i == s->n_devices) {
            s->devices[s->n_devices++] = (struct mg_scene_device){
                .scene = s,
                .device = device,
                .meters = {NOBODY, NOBODY},
                .lived_ns = mg_sim_device_now_ns(device)};
        }
        s->devices[i].meters[mg_setup_circuit(&setup->meters[m])] = m;
        s->device_of[m] = i;
    }
}

static int make_play(struct mg_scene *s)
{
    size_t n = s->settings.setup->n_meters;
    struct mg_sim_point *points = calloc(n + 1, sizeof *points);
    if (points == NULL) {
        return MG_E_NOMEM;
    }
    for (size_t m = 0; m < n; m++) {
        make_point(s, m, &points[m]);
    }
    s->play = mg_sim_play_create(s->settings.scenario, points, n);
    free(points);
    return s->play == NULL ? MG_E_NOMEM : MG_OK;
}

struct mg_scene *mg_scene_create(const struct mg_scene_settings *settings)
{
    struct mg_scene *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->settings = *settings;
    s->scenario.low_mdegc = s->scenario.high_mdegc = REFERENCE;
    s->has_file = settings->scenario != NULL;
    if (s->has_file) {
        s->scenario = *settings->scenario;
    }
    s->scenario.day_start_ms =
        (uint32_t)(mg_clock_utc_ms(settings->clock) % DAY_MS);
    s->settings.scenario = &s->scenario;
    size_t n_meters = settings->setup->n_meters;
    s->start_ns = mg_clock_now_ns(settings->clock);
    s->devices = calloc(n_meters + 1, sizeof *s->devices);
    s->device_of = calloc(n_meters + 1, sizeof *s->device_of);
    s->is_on = calloc(s->settings.scenario->n_acts + 1, sizeof *s->is_on);
    if (s->devices == NULL || s->device_of == NULL || s->is_on == NULL ||
        make_play(s) != MG_OK) {
        mg_scene_destroy(s);
        return NULL;
    }
    find_devices(s);
    for (size_t m = 0; s->has_file && m < n_meters; m++) {
        mg_scene_drive(s, m);
    }
    arm(s);
    return s;
}

void mg_scene_destroy(struct mg_scene *scene)
{
    struct mg_scene *s = scene;
    if (s == NULL) {
        return;
    }
    mg_timer_stop(&s->timer);
    for (size_t i = 0; i < s->n_devices; i++) {
        mg_sim_device_set_source(s->devices[i].device, NULL);
    }
    mg_sim_play_destroy(s->play);
    free(s->devices);
    free(s->device_of);
    free(s->is_on);
    free(s);
}
