/* Orders in words. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/scene_priv.h"

#define OFF_MAX_MS    86400000
#define CHANCES       10000
#define FAULT_KINDS   8U
#define LOAD_MAX_MA   100000
#define LIMIT_MAX_MA  1000000
#define WORDS_MAX     6
#define DEFAULT_LIMIT 32000

const char mg_scene_orders[] =
    "      power METER MS     the supply is off for MS milliseconds\n"
    "      reset METER        the meter restarts without warning\n"
    "      load METER MA      a fixed current in each phase; 0: none\n"
    "      input METER 0|1    its first input, as the station's fault line\n"
    "      fault METER KIND   it breaks: nv-slot, nv-all, clock, nan, reset, "
    "crypto,\n"
    "                         welded, temperature, sensor, telegram, image\n"
    "                         (at its next start) or over\n"
    "      request METER HEX  another tool asks the meter (a Modbus PDU, or a "
    "message\n"
    "                         over ISO-TP)\n"
    "      update METER       somebody tries to give it another firmware\n"
    "      session METER VEHICLE [MA]\n"
    "                         a vehicle of the scenario or ac1-16, ac1-32, "
    "ac2-16,\n"
    "                         ac3-16, ac3-32, v2g comes; MA: the station's "
    "limit\n"
    "      limit METER MA     the station's limit from now on\n"
    "      leave METER        the vehicle goes\n"
    "      grid KIND METER|all VALUE MS\n"
    "                         for MS milliseconds: voltage (mV), frequency "
    "(mHz),\n"
    "                         phase-loss (1, 2, 3; 0: all), harmonic-N (ppm), "
    "bypass\n"
    "                         (1/10000 of the current), ringing (mV), spikes "
    "(mV),\n"
    "                         temperature (1/1000 degC)\n"
    "      wire BUS KIND CHANCE MS\n"
    "                         CHANCE of 10,000 answers: drop, late, bad-crc, "
    "half-frame,\n"
    "                         wrong-unit, noise, exception, stall, duplicate, "
    "flip,\n"
    "                         reorder; unplug, bus-off: all of them\n"
    "      faults N           as the option\n"
    "      state METER        its vehicle, and the energy that has truly "
    "flowed\n";

const struct mg_scene_name mg_scene_fw_faults[] = {
    {"nv-slot", MG_FW_FAULT_NV_SLOT},
    {"nv-all", MG_FW_FAULT_NV_ALL},
    {"clock", MG_FW_FAULT_CLOCK},
    {"nan", MG_FW_FAULT_NAN},
    {"reset", MG_FW_FAULT_RESET},
    {"crypto", MG_FW_FAULT_CRYPTO},
    {"welded", MG_FW_FAULT_WELDED},
    {"temperature", MG_FW_FAULT_TEMPERATURE},
    {"sensor", MG_FW_FAULT_SENSOR},
    {"telegram", MG_FW_FAULT_TELEGRAM},
    {"image", MG_FW_FAULT_IMAGE},
    {"over", MG_FW_FAULT_OVER},
    {NULL, 0}};

const struct mg_scene_name mg_scene_wires[] = {
    {"drop", MG_SIM_WIRE_DROP},
    {"late", MG_SIM_WIRE_LATE},
    {"bad-crc", MG_SIM_WIRE_BAD_CRC},
    {"half-frame", MG_SIM_WIRE_HALF_FRAME},
    {"wrong-unit", MG_SIM_WIRE_WRONG_UNIT},
    {"noise", MG_SIM_WIRE_NOISE},
    {"exception", MG_SIM_WIRE_EXCEPTION},
    {"stall", MG_SIM_WIRE_STALL},
    {"duplicate", MG_SIM_WIRE_DUPLICATE},
    {"flip", MG_SIM_WIRE_FLIP},
    {"reorder", MG_SIM_WIRE_REORDER},
    {"unplug", MG_SIM_WIRE_UNPLUG},
    {"bus-off", MG_SIM_WIRE_BUS_OFF},
    {NULL, 0}};

bool mg_scene_wire_fits(uint32_t wire, bool is_can)
{
    bool is_of_both = wire == MG_SIM_WIRE_DROP || wire == MG_SIM_WIRE_UNPLUG;
    bool is_of_lines = wire <= MG_SIM_WIRE_STALL;
    return is_of_both || is_of_lines != is_can;
}

struct mg_sim_faults mg_scene_faults(uint32_t per_10000)
{
    uint32_t each = (per_10000 + FAULT_KINDS - 1) / FAULT_KINDS;
    return (struct mg_sim_faults){each, each, each, each, each,
                                  each, each, each, false};
}

/* ---- Words ---- */

struct order {
    struct mg_scene *scene;
    size_t n;
    char word[WORDS_MAX][2 * MG_SIM_REQUEST_MAX + 1];
    size_t meter; /* the first word after the verb, where that is one */
};

static bool find_meter(const struct order *o, const char *id, size_t *ret)
{
    const struct mg_setup *setup = o->scene->settings.setup;
    for (size_t i = 0; i < setup->n_meters; i++) {
        if (strcmp(setup->meters[i].id, id) == 0) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static bool find_name(const struct mg_scene_name *names, const char *name,
                      uint32_t *ret)
{
    for (; names->name != NULL; names++) {
        if (strcmp(names->name, name) == 0) {
            *ret = names->value;
            return true;
        }
    }
    return false;
}

static bool number(const char *text, long min, long max, long *ret)
{
    char *end;
    long n = strtol(text, &end, 10); /* huge: LONG_MAX or LONG_MIN */
    bool is_digit = text[0] == '-' ? text[1] >= '0' && text[1] <= '9'
                                   : text[0] >= '0' && text[0] <= '9';
    if (!is_digit || *end != '\0' || n < min || n > max) {
        return false;
    }
    *ret = n;
    return true;
}

static const char *deed(const struct order *o, enum mg_sim_deed kind,
                        uint32_t fault, long length_ms)
{
    const struct mg_sim_act act = {.when = {.length_ms = (uint64_t)length_ms},
                                   .kind = kind,
                                   .fault = fault,
                                   .target = o->meter};
    return mg_scene_do(o->scene, &act);
}

/* ---- Orders to a meter ---- */

static const char *power(const struct order *o)
{
    long ms;
    return number(o->word[2], 0, OFF_MAX_MS, &ms)
               ? deed(o, MG_SIM_DEED_POWER, 0, ms)
               : "expected milliseconds, at most a day";
}

static const char *reset(const struct order *o)
{
    return deed(o, MG_SIM_DEED_FAULT, MG_FW_FAULT_RESET, 0);
}

static const char *fault(const struct order *o)
{
    uint32_t kind;
    return find_name(mg_scene_fw_faults, o->word[2], &kind)
               ? deed(o, MG_SIM_DEED_FAULT, kind, 0)
               : "expected nv-slot, nv-all, clock, nan, reset, crypto, welded, "
                 "temperature, sensor, telegram, image or over";
}

static const char *update(const struct order *o)
{
    return deed(o, MG_SIM_DEED_UPDATE, 0, 0);
}

/* The meter as it is now, not as it was when it was last asked. */
static struct mg_sim_device *meter_now(const struct order *o)
{
    struct mg_simulation *s = o->scene->settings.simulation;
    mg_simulation_live(s, o->meter);
    return mg_simulation_device(s, o->meter);
}

static const char *load(const struct order *o)
{
    long ma;
    if (!number(o->word[2], 0, LOAD_MAX_MA, &ma)) {
        return "expected milliamperes, at most 100000";
    }
    struct mg_scene *s = o->scene;
    mg_sim_device_set_current(
        meter_now(o), mg_setup_circuit(&s->settings.setup->meters[o->meter]),
        ma);
    mg_sim_play_fix(s->play, o->meter, ma);
    if (s->devices[s->device_of[o->meter]].is_driven) {
        mg_scene_drive(s, o->meter);
    }
    return NULL;
}

static const char *input(const struct order *o)
{
    long closed;
    if (!number(o->word[2], 0, 1, &closed)) {
        return "expected 0 or 1";
    }
    return mg_sim_device_set_input(meter_now(o), 0, closed == 1) == MG_OK
               ? NULL
               : "this model has no input";
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c | 0x20);
    return at == NULL ? -1 : (int)(at - digits);
}

static const char *request(const struct order *o)
{
    struct mg_sim_act act = {.kind = MG_SIM_DEED_REQUEST, .target = o->meter};
    const char *p = o->word[2];
    size_t n = strlen(p);
    for (size_t i = 0; i < n; i += 2) {
        int high = hex_digit(p[i]);
        int low = hex_digit(p[i + 1]);
        if (high < 0 || low < 0 || act.request_len == MG_SIM_REQUEST_MAX) {
            return "expected two hex digits for each byte";
        }
        act.request[act.request_len++] = (uint8_t)(high << 4 | low);
    }
    return mg_scene_do(o->scene, &act);
}

/* ---- Vehicles ---- */

static const struct mg_sim_vehicle *find_vehicle(const struct order *o,
                                                 const char *id)
{
    const struct mg_sim_scenario *s = o->scene->settings.scenario;
    for (size_t i = 0; i < s->n_vehicles; i++) {
        if (strcmp(s->vehicles[i].id, id) == 0) {
            return &s->vehicles[i];
        }
    }
    for (size_t i = 0; mg_sim_vehicle_common(i) != NULL; i++) {
        if (strcmp(mg_sim_vehicle_common(i)->id, id) == 0) {
            return mg_sim_vehicle_common(i);
        }
    }
    return NULL;
}

static const char *session(const struct order *o)
{
    struct mg_scene *s = o->scene;
    long ma = DEFAULT_LIMIT;
    const struct mg_sim_vehicle *vehicle = find_vehicle(o, o->word[2]);
    if (vehicle == NULL) {
        return "no such vehicle; expected one of the scenario, ac1-16, ac1-32, "
               "ac2-16, ac3-16, ac3-32 or v2g";
    }
    if (o->n == 4 && !number(o->word[3], 0, LIMIT_MAX_MA, &ma)) {
        return "expected milliamperes, at most 1000000";
    }
    (void)meter_now(o);
    mg_sim_play_plug(s->play, o->meter, mg_scene_now_ms(s), vehicle, ma);
    mg_scene_drive(s, o->meter);
    return NULL;
}

static const char *limit(const struct order *o)
{
    struct mg_scene *s = o->scene;
    long ma;
    if (!number(o->word[2], 0, LIMIT_MAX_MA, &ma)) {
        return "expected milliamperes, at most 1000000";
    }
    (void)meter_now(o);
    mg_sim_play_limit(s->play, o->meter, mg_scene_now_ms(s), ma);
    mg_scene_drive(s, o->meter);
    return NULL;
}

static const char *leave(const struct order *o)
{
    struct mg_scene *s = o->scene;
    (void)meter_now(o);
    mg_sim_play_unplug(s->play, o->meter, mg_scene_now_ms(s));
    mg_scene_drive(s, o->meter);
    return NULL;
}

/* ---- The net, the wires ---- */

/* What the value of an event means. */
static const struct net_kind {
    const char *name;
    uint32_t kind;
    long min, max;
    const char *expect;
} net_kinds[] = {
    {"voltage", MG_SIM_NET_DIP, 0, 1000000, "expected mV, at most 1000000"},
    {"frequency", MG_SIM_NET_FREQUENCY, 40000, 70000,
     "expected mHz, 40000 to 70000"},
    {"phase-loss", MG_SIM_NET_PHASE_LOSS, 0, 3,
     "expected the phase, 1 to 3, or 0 for all"},
    {"harmonic", MG_SIM_NET_HARMONIC, 0, 1000000,
     "expected ppm, at most 1000000"},
    {"bypass", MG_SIM_NET_BYPASS, 0, 10000, "expected 0 to 10000"},
    {"temperature", MG_SIM_NET_TEMPERATURE, -60000, 120000,
     "expected 1/1000 degC, -60000 to 120000"},
    {"ringing", MG_SIM_NET_RINGING, 0, 1000000, "expected mV, at most 1000000"},
    {"spikes", MG_SIM_NET_SPIKES, 0, 1000000, "expected mV, at most 1000000"},
};

static void set_value(struct mg_sim_net_event *e, long n)
{
    switch ((enum mg_sim_net)e->kind) {
    case MG_SIM_NET_FREQUENCY:
        e->frequency_mhz = n;
        break;
    case MG_SIM_NET_PHASE_LOSS:
        e->phase = (uint8_t)n;
        break;
    case MG_SIM_NET_HARMONIC:
        e->u_ppm = (uint32_t)n;
        break;
    case MG_SIM_NET_BYPASS:
        e->share = (uint32_t)n;
        break;
    case MG_SIM_NET_TEMPERATURE:
        e->mdegc = (int32_t)n;
        break;
    default: /* fields that the others do not look at */
        e->voltage_mv = e->peak_mv = n;
        e->ringing_hz = 1000;
        e->decay_us = 5000;
        e->per_s = 10;
    }
}

/* "harmonic-5": the order is part of the kind's name.
 * @return length of the name without it; 0: it is wrong */
static size_t take_harmonic(const char *kind, struct mg_sim_net_event *e)
{
    static const char name[] = "harmonic";
    size_t len = sizeof name - 1;
    long order;
    if (strncmp(kind, "harmonic-", len + 1) != 0) {
        return strcmp(kind, name) == 0 ? 0 : strlen(kind);
    }
    if (!number(kind + len + 1, 2, MG_SIM_HARMONIC_LAST, &order)) {
        return 0;
    }
    e->order = (uint8_t)order;
    return len;
}

/* @return NULL: taken; else what is right */
static const char *take_value(const char *kind, const char *text,
                              struct mg_sim_net_event *e)
{
    size_t len = take_harmonic(kind, e);
    for (size_t i = 0; i < sizeof net_kinds / sizeof *net_kinds; i++) {
        const struct net_kind *k = &net_kinds[i];
        long n;
        if (len != strlen(k->name) || memcmp(kind, k->name, len) != 0) {
            continue;
        }
        if (!number(text, k->min, k->max, &n)) {
            return k->expect;
        }
        e->kind = k->kind;
        set_value(e, n);
        return NULL;
    }
    return "expected voltage, frequency, phase-loss, harmonic-2 to "
           "harmonic-40, bypass, ringing, spikes or temperature";
}

static const char *grid(const struct order *o)
{
    struct mg_scene *s = o->scene;
    struct mg_sim_net_event e = {.meter = MG_SIM_ALL_METERS};
    long ms;
    if (strcmp(o->word[2], "all") != 0 &&
        !find_meter(o, o->word[2], &e.meter)) {
        return "no such meter; expected one, or all";
    }
    if (!number(o->word[4], 1, OFF_MAX_MS, &ms)) {
        return "expected milliseconds, at most a day";
    }
    e.when.length_ms = (uint64_t)ms;
    const char *failed = take_value(o->word[1], o->word[3], &e);
    for (size_t m = 0; failed == NULL && m < s->settings.setup->n_meters; m++) {
        if (e.meter == MG_SIM_ALL_METERS || e.meter == m) {
            mg_simulation_live(s->settings.simulation, m);
            mg_scene_drive(s, m);
        }
    }
    if (failed == NULL &&
        mg_sim_play_add_net(s->play, mg_scene_now_ms(s), &e) != MG_OK) {
        failed = "too much is going on already";
    }
    return failed;
}

static const char *wire(const struct order *o)
{
    const struct mg_setup *setup = o->scene->settings.setup;
    struct mg_sim_act act = {.kind = MG_SIM_DEED_WIRE};
    long chance;
    long ms;
    while (act.target < setup->n_buses &&
           strcmp(setup->buses[act.target].id, o->word[1]) != 0) {
        act.target++;
    }
    if (act.target == setup->n_buses) {
        return "no such bus";
    }
    if (!find_name(mg_scene_wires, o->word[2], &act.fault) ||
        !mg_scene_wire_fits(act.fault,
                            mg_setup_is_can(&setup->buses[act.target]))) {
        return "no such trouble on this kind of bus";
    }
    if (!number(o->word[3], 0, CHANCES, &chance) ||
        !number(o->word[4], 1, OFF_MAX_MS, &ms)) {
        return "expected 0 to 10000, and milliseconds, at most a day";
    }
    act.chance = (uint32_t)chance;
    act.when.length_ms = (uint64_t)ms;
    return mg_scene_do(o->scene, &act);
}

static const char *faults(const struct order *o)
{
    long n;
    if (!number(o->word[1], 0, CHANCES, &n)) {
        return "expected 0 to 10000";
    }
    o->scene->settings.faults = mg_scene_faults((uint32_t)n);
    mg_scene_set_wires(o->scene);
    return NULL;
}

/* The answer says it. */
static const char *nothing(const struct order *o)
{
    (void)o;
    return NULL;
}

/* ---- All ---- */

static const struct verb {
    const char *name;
    size_t n_least, n_most;
    bool has_meter;
    const char *(*act)(const struct order *o);
} verbs[] = {
    {"power", 3, 3, true, power},    {"reset", 2, 2, true, reset},
    {"fault", 3, 3, true, fault},    {"load", 3, 3, true, load},
    {"input", 3, 3, true, input},    {"request", 3, 3, true, request},
    {"update", 2, 2, true, update},  {"session", 3, 4, true, session},
    {"limit", 3, 3, true, limit},    {"leave", 2, 2, true, leave},
    {"grid", 5, 5, false, grid},     {"wire", 5, 5, false, wire},
    {"faults", 2, 2, false, faults}, {"state", 2, 2, true, nothing},
};

static bool split(const char *line, struct order *o)
{
    size_t n = 0;
    while (*line != '\0') {
        size_t len = strcspn(line, " \t\r");
        if (len > 0) {
            if (n == WORDS_MAX || len >= sizeof o->word[0]) {
                return false;
            }
            memcpy(o->word[n], line, len);
            o->word[n++][len] = '\0';
        }
        line += len;
        line += strspn(line, " \t\r");
    }
    o->n = n;
    return true;
}

int mg_scene_state(struct mg_scene *scene, const char *meter,
                   struct mg_scene_state *ret)
{
    struct order o = {.scene = scene};
    struct mg_sim_presence p;
    struct mg_fw_outputs out;
    if (!find_meter(&o, meter, &o.meter)) {
        return MG_E_NOTFOUND;
    }
    const struct mg_scene_device *d =
        &scene->devices[scene->device_of[o.meter]];
    unsigned circuit = d->meters[0] == o.meter ? 0 : 1;
    const struct mg_sim_device *device = meter_now(&o);
    mg_sim_play_presence(scene->play, o.meter, mg_scene_now_ms(scene), &p);
    mg_sim_device_outputs(device, &out);
    const struct mg_sim_energies *e =
        &mg_sim_device_truth(device)->circuit[circuit];
    *ret = (struct mg_scene_state){.has_vehicle = p.is_there,
                                   .is_full = p.is_full,
                                   .is_off = mg_sim_device_is_off(device),
                                   .current_ma = p.current_ma,
                                   .charged_mwh = p.charged_mwh,
                                   .true_mwh = e->import.mwh - e->export.mwh,
                                   .n_pulses = out.circuit[circuit].n_pulses};
    return MG_OK;
}

const char *mg_scene_order(struct mg_scene *scene, const char *line)
{
    struct order o = {.scene = scene};
    if (!split(line, &o)) {
        return "too many words, or too long ones";
    }
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        const struct verb *v = &verbs[i];
        if (strcmp(o.word[0], v->name) != 0) {
            continue;
        }
        if (o.n < v->n_least || o.n > v->n_most) {
            return "wrong number of words";
        }
        if (v->has_meter && !find_meter(&o, o.word[1], &o.meter)) {
            return "no such meter";
        }
        return v->act(&o);
    }
    return "expected power, reset, fault, load, input, request, update, "
           "session, limit, leave, grid, wire, faults or state";
}
