/* What happens to the net, the meters and the wires. */
#include <string.h>

#include "config/scenario_load.h"
#include "run/scene.h"
#include "sim/device.h"

#define MS_PER_HOUR 3600000U

/* ---- When ---- */

static void check_random(struct mg_scn *l, const struct mg_item *item,
                         struct mg_sim_when *w, uint32_t per_hour)
{
    if (mg_item_has(item, "every")) {
        mg_fault_add(&l->faults, mg_item_place(item, "every"),
                     "every and per_hour: two ways at once; expected one of "
                     "them");
    }
    w->is_random = true;
    w->slot_ms = MS_PER_HOUR / per_hour;
    if (w->length_ms >= w->slot_ms) {
        mg_fault_add(&l->faults, mg_item_place(item, "per_hour"),
                     "per_hour: %u of this length do not fit into an hour; "
                     "expected fewer, or shorter ones",
                     per_hour);
    }
}

static void check_when(struct mg_scn *l, const struct mg_item *item,
                       struct mg_sim_when *w, uint32_t per_hour)
{
    if (per_hour != 0) {
        check_random(l, item, w, per_hour);
    } else if (w->slot_ms != 0 && w->length_ms > w->slot_ms) {
        mg_fault_add(&l->faults, mg_item_place(item, "every"),
                     "every: shorter than it lasts; expected at least that");
    }
    if (w->slot_ms == 0 && mg_item_has(item, "until")) {
        mg_fault_add(&l->faults, mg_item_place(item, "until"),
                     "until has no effect without every or per_hour; expected "
                     "it to be left out");
    }
    if (w->until_ms != 0 && w->until_ms <= w->at_ms) {
        mg_fault_add(&l->faults, mg_item_place(item, "until"),
                     "until: not after at; expected a later time");
    }
}

static void check_phase(struct mg_scn *l, const struct mg_item *item,
                        size_t meter, unsigned phase)
{
    const struct mg_plugin *p = l->setup->meters[meter].plugin;
    if (phase > p->driver->n_phases) {
        mg_fault_add(&l->faults, mg_item_place(item, "phase"),
                     "phase: a %s measures %u; expected at most that", p->model,
                     p->driver->n_phases);
    }
}

/* ---- The net ---- */

static void check_voltage(struct mg_scn *l, const struct mg_item *item,
                          const struct mg_sim_net_event *e)
{
    if (!mg_item_has(item, "voltage")) {
        return;
    }
    if (e->kind == MG_SIM_NET_DIP && e->voltage_mv >= MG_SIM_VOLTAGE_MV) {
        mg_fault_add(&l->faults, mg_item_place(item, "voltage"),
                     "voltage: a dip is below 230V; expected less, or type "
                     "swell");
    }
    if (e->kind == MG_SIM_NET_SWELL && e->voltage_mv <= MG_SIM_VOLTAGE_MV) {
        mg_fault_add(&l->faults, mg_item_place(item, "voltage"),
                     "voltage: a swell is above 230V; expected more, or type "
                     "dip");
    }
}

static void read_net(struct mg_scn *l, size_t i)
{
    struct mg_raw_net raw = {.meter = ""};
    struct mg_item item;
    mg_scn_entry(l, &l->root, "grid", i, &raw, &item);
    raw.e.meter = MG_SIM_ALL_METERS;
    if (mg_item_value(&item, "meter") != NULL &&
        mg_scn_meter(l, &item, raw.meter, &raw.e.meter)) {
        check_phase(l, &item, raw.e.meter, raw.e.phase);
    }
    if (raw.e.kind == MG_SIM_NET_RINGING) {
        raw.e.when.length_ms = 10 * (uint64_t)raw.e.decay_us / 1000 + 1;
    }
    check_when(l, &item, &raw.e.when, raw.per_hour);
    check_voltage(l, &item, &raw.e);
    l->scenario->net[l->scenario->n_net++] = raw.e;
}

/* ---- Meters ---- */

/* MG_FW_FAULT_NONE: it is none of the firmware's. */
static const uint8_t fw_faults[] = {[MG_RAW_RESET] = MG_FW_FAULT_RESET,
                                    [MG_RAW_NV_SLOT] = MG_FW_FAULT_NV_SLOT,
                                    [MG_RAW_NV_ALL] = MG_FW_FAULT_NV_ALL,
                                    [MG_RAW_CLOCK] = MG_FW_FAULT_CLOCK,
                                    [MG_RAW_NAN] = MG_FW_FAULT_NAN,
                                    [MG_RAW_CRYPTO] = MG_FW_FAULT_CRYPTO,
                                    [MG_RAW_WELDED] = MG_FW_FAULT_WELDED,
                                    [MG_RAW_TEMPERATURE] =
                                        MG_FW_FAULT_TEMPERATURE,
                                    [MG_RAW_SENSOR] = MG_FW_FAULT_SENSOR,
                                    [MG_RAW_TELEGRAM] = MG_FW_FAULT_TELEGRAM,
                                    [MG_RAW_IMAGE] = MG_FW_FAULT_IMAGE,
                                    [MG_RAW_TARIFFS] = MG_FW_FAULT_NONE,
                                    [MG_RAW_UPDATE] = MG_FW_FAULT_NONE};

static bool takes_updates(const struct mg_driver *driver)
{
    for (size_t i = 0; i < driver->n_procedures; i++) {
        if ((driver->procedures[i].flags & MG_PROC_UPDATE) != 0) {
            return true;
        }
    }
    return false;
}

/* A meter of this kind is asked whether it can fail so.
 * @return NULL, or why not */
static const char *try_fault(const struct mg_setup_meter *m, uint32_t type)
{
    static const struct mg_sim_profile idle = {
        .is_fixed = true,
        .fixed = {.voltage_mv = 230000, .frequency_mhz = 50000}};
    const char *reason = NULL;
    if (type == MG_RAW_UPDATE) {
        return takes_updates(m->plugin->driver) ? NULL : "takes no firmware";
    }
    if (type != MG_RAW_INPUT && fw_faults[type] == MG_FW_FAULT_NONE) {
        return NULL;
    }
    struct mg_sim_device *d = mg_sim_device_create(m->plugin, m->options, &idle,
                                                   1, 1, m->unit, 9600, 0);
    if (d == NULL) {
        return "does not fit into memory";
    }
    if (type == MG_RAW_INPUT) {
        reason = mg_sim_device_set_input(d, 0, true) == MG_OK
                     ? NULL
                     : "with these options has no input";
    } else if (mg_sim_device_fault(d, (enum mg_fw_fault)fw_faults[type]) !=
               MG_OK) {
        reason = "with these options knows no such fault";
    }
    mg_sim_device_destroy(d);
    return reason;
}

static void check_model(struct mg_scn *l, const struct mg_item *item,
                        const struct mg_raw_fault *raw, size_t meter)
{
    const struct mg_setup_meter *m = &l->setup->meters[meter];
    if (!mg_item_has(item, "type")) {
        return;
    }
    const char *reason = m->plugin->firmware == NULL ? "has no simulated meter"
                                                     : try_fault(m, raw->type);
    if (reason != NULL) {
        mg_fault_add(&l->faults, mg_item_place(item, "type"),
                     "type: a %s %s; expected another type or meter",
                     m->plugin->model, reason);
    }
}

static unsigned hex_digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10;
}

/* Checked to be hex digits. */
static void take_pdu(const char *text, struct mg_sim_act *act)
{
    for (size_t n = strlen(text); 2 * act->request_len + 1 < n;) {
        const char *p = text + 2 * act->request_len;
        act->request[act->request_len++] =
            (uint8_t)(hex_digit(p[0]) << 4 | hex_digit(p[1]));
    }
}

/* Checked to be a schedule.
 * @return false: the meter does not take it */
static bool take_tariffs(const struct mg_plugin *plugin, const char *text,
                         struct mg_sim_act *act)
{
    struct mg_fw_period periods[MG_SCN_PERIODS_MAX];
    size_t n = mg_scn_periods(text, periods);
    if (plugin->firmware == NULL || plugin->firmware->tariff_request == NULL) {
        return false;
    }
    act->request_len = plugin->firmware->tariff_request(
        periods, n, act->request, sizeof act->request);
    return act->request_len > 0;
}

static void add_net(struct mg_scn *l, const struct mg_raw_fault *raw,
                    size_t meter)
{
    l->scenario->net[l->scenario->n_net++] = (struct mg_sim_net_event){
        .kind = raw->type == MG_RAW_TAMPER ? MG_SIM_NET_BYPASS
                                           : MG_SIM_NET_PHASE_LOSS,
        .when = raw->when,
        .meter = meter,
        .phase = raw->phase,
        .share = raw->share};
}

static void add_act(struct mg_scn *l, const struct mg_item *item,
                    const struct mg_raw_fault *raw, size_t meter)
{
    const struct mg_plugin *plugin = l->setup->meters[meter].plugin;
    struct mg_sim_act act = {.when = raw->when, .target = meter};
    switch (raw->type) {
    case MG_RAW_POWER_LOSS:
        act.kind = MG_SIM_DEED_POWER;
        break;
    case MG_RAW_INPUT:
        act.kind = MG_SIM_DEED_INPUT;
        break;
    case MG_RAW_UPDATE:
        act.kind = MG_SIM_DEED_UPDATE;
        break;
    case MG_RAW_REQUEST:
        act.kind = MG_SIM_DEED_REQUEST;
        take_pdu(raw->pdu, &act);
        break;
    case MG_RAW_TARIFFS:
        act.kind = MG_SIM_DEED_REQUEST;
        if (mg_item_has(item, "schedule") &&
            !take_tariffs(plugin, raw->schedule, &act)) {
            mg_fault_add(&l->faults, mg_item_place(item, "schedule"),
                         "schedule: a %s takes no such tariffs; expected "
                         "another schedule or meter",
                         plugin->model);
        }
        break;
    default:
        act.kind = MG_SIM_DEED_FAULT;
        act.fault = fw_faults[raw->type];
    }
    l->scenario->acts[l->scenario->n_acts++] = act;
}

static void read_fault(struct mg_scn *l, size_t i)
{
    struct mg_raw_fault raw = {.meter = ""};
    struct mg_item item;
    size_t meter;
    mg_scn_entry(l, &l->root, "faults", i, &raw, &item);
    check_when(l, &item, &raw.when, raw.per_hour);
    if (!mg_scn_meter(l, &item, raw.meter, &meter)) {
        return;
    }
    check_model(l, &item, &raw, meter);
    check_phase(l, &item, meter, raw.phase);
    if (raw.type == MG_RAW_PHASE_LOSS || raw.type == MG_RAW_TAMPER) {
        add_net(l, &raw, meter);
    } else {
        add_act(l, &item, &raw, meter);
    }
}

/* ---- Wires ---- */

static void read_wire(struct mg_scn *l, size_t i)
{
    struct mg_raw_wire raw = {.bus = ""};
    struct mg_item item;
    struct mg_sim_act act = {.kind = MG_SIM_DEED_WIRE};
    mg_scn_entry(l, &l->root, "wires", i, &raw, &item);
    check_when(l, &item, &raw.when, raw.per_hour);
    if (!mg_scn_bus(l, &item, raw.bus, &act.target)) {
        return;
    }
    bool is_can = mg_setup_is_can(&l->setup->buses[act.target]);
    if (mg_item_has(&item, "type") && !mg_scene_wire_fits(raw.type, is_can)) {
        mg_fault_add(&l->faults, mg_item_place(&item, "type"),
                     "type: no such trouble on %s; expected %s",
                     is_can ? "a CAN bus" : "a Modbus line",
                     is_can ? "drop, duplicate, flip, reorder, unplug or "
                              "bus-off"
                            : "drop, late, bad-crc, half-frame, wrong-unit, "
                              "noise, exception, stall or unplug");
    }
    act.when = raw.when;
    act.fault = raw.type;
    act.chance = raw.chance;
    l->scenario->acts[l->scenario->n_acts++] = act;
}

void mg_scn_events(struct mg_scn *load)
{
    for (size_t i = 0; i < load->n_net; i++) {
        read_net(load, i);
    }
    for (size_t i = 0; i < load->n_faults; i++) {
        read_fault(load, i);
    }
    for (size_t i = 0; i < load->n_wires; i++) {
        read_wire(load, i);
    }
}
