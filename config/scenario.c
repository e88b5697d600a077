#include "config/scenario.h"

#include <stdlib.h>
#include <string.h>

#include "config/load.h"
#include "config/scenario_load.h"

#define FILE_MAX (1 << 20)

static const struct mg_setup_place whole_file = {0, 0};

/* The entries of a list key. @return 0: not there, or a fault was noted */
size_t mg_scn_list(struct mg_scn *l, const struct mg_item *item,
                   const char *name)
{
    if (!mg_item_has(item, name)) {
        return 0;
    }
    const yaml_node_t *node = mg_item_value(item, name);
    const yaml_node_item_t *start = node->data.sequence.items.start;
    size_t n = (size_t)(node->data.sequence.items.top - start);
    size_t k = mg_section_find(item->section, name, strlen(name));
    size_t max = (size_t)item->section->keys[k].max;
    if (n == 0 || n > max) {
        mg_fault_add(&l->faults, mg_yaml_place(node),
                     "%s: %zu entries; expected 1 to %zu", name, n, max);
        return 0;
    }
    return n;
}

void mg_scn_entry(struct mg_scn *l, const struct mg_item *item,
                  const char *name, size_t i, void *base,
                  struct mg_item *ret_item)
{
    const yaml_node_t *list = mg_item_value(item, name);
    const yaml_node_t *node = yaml_document_get_node(
        l->reader.doc, list->data.sequence.items.start[i]);
    size_t k = mg_section_find(item->section, name, strlen(name));
    *ret_item = (struct mg_item){0};
    mg_item_read(&l->reader, item->section->keys[k].section, node, base,
                 ret_item);
}

static void unknown(struct mg_scn *l, const struct mg_item *item,
                    const char *key, size_t n,
                    const char *(*name)(const struct mg_scn *l, size_t i))
{
    const yaml_node_t *node = mg_item_value(item, key);
    struct mg_known known = mg_known_init(node);
    for (size_t i = 0; i < n; i++) {
        mg_known_add(&known, name(l, i));
    }
    mg_known_report(&l->reader, node, key, &known);
}

static const char *meter_name(const struct mg_scn *l, size_t i)
{
    return l->setup->meters[i].id;
}

static const char *bus_name(const struct mg_scn *l, size_t i)
{
    return l->setup->buses[i].id;
}

bool mg_scn_meter(struct mg_scn *l, const struct mg_item *item,
                  const char *name, size_t *ret)
{
    if (!mg_item_has(item, "meter")) {
        return false;
    }
    *ret = mg_names_find(&l->meter_ids, name);
    if (*ret == SIZE_MAX) {
        unknown(l, item, "meter", l->setup->n_meters, meter_name);
    }
    return *ret != SIZE_MAX;
}

bool mg_scn_bus(struct mg_scn *l, const struct mg_item *item, const char *name,
                size_t *ret)
{
    if (!mg_item_has(item, "bus")) {
        return false;
    }
    for (*ret = 0; *ret < l->setup->n_buses; (*ret)++) {
        if (strcmp(l->setup->buses[*ret].id, name) == 0) {
            return true;
        }
    }
    unknown(l, item, "bus", l->setup->n_buses, bus_name);
    return false;
}

/* ---- Vehicles and sessions ---- */

/* In order, and one after the other.
 * @return how many were read */
static size_t read_spans(struct mg_scn *l, const struct mg_item *item,
                         const char *name,
                         struct mg_sim_span spans[MG_SIM_SPANS_MAX])
{
    size_t n = mg_scn_list(l, item, name);
    for (size_t i = 0; i < n; i++) {
        struct mg_item entry;
        spans[i] = (struct mg_sim_span){0};
        mg_scn_entry(l, item, name, i, &spans[i], &entry);
        uint64_t free_ms =
            i == 0 ? 0 : spans[i - 1].after_ms + spans[i - 1].length_ms;
        if (mg_item_has(&entry, "after") && i > 0 &&
            (spans[i].after_ms < free_ms ||
             spans[i].after_ms == spans[i - 1].after_ms)) {
            mg_fault_add(&l->faults, mg_item_place(&entry, "after"),
                         "after: this is before the end of the entry above; "
                         "expected times in order");
        }
    }
    return n;
}

static void check_vehicle(struct mg_scn *l, const struct mg_item *item,
                          const struct mg_sim_vehicle *v)
{
    if (v->min_ma > v->max_ma) {
        mg_fault_add(&l->faults, mg_item_place(item, "min_current"),
                     "min_current: more than max_current; expected at most "
                     "that");
    }
    if (v->soc_start >= v->soc_target) {
        mg_fault_add(&l->faults, mg_item_place(item, "soc_target"),
                     "soc_target: the vehicle is full when it arrives; "
                     "expected more than soc_start");
    }
    for (size_t i = 0; i < v->n_exports; i++) {
        if (v->exports[i].current_ma > v->max_ma) {
            mg_fault_add(&l->faults, mg_item_place(item, "exports"),
                         "exports: more than max_current; expected at most "
                         "that");
        }
    }
}

static void check_id(struct mg_scn *l, const struct mg_item *item, size_t i)
{
    const char *id = mg_item_text(item, "id");
    for (size_t k = 0; id != NULL && k < i; k++) {
        if (strcmp(l->scenario->vehicles[k].id, id) == 0) {
            mg_fault_add(&l->faults, mg_item_place(item, "id"),
                         "duplicate vehicle id \"%s\"; expected each once", id);
            return;
        }
    }
    for (size_t k = 0; id != NULL && mg_sim_vehicle_common(k) != NULL; k++) {
        if (strcmp(mg_sim_vehicle_common(k)->id, id) == 0) {
            mg_fault_add(&l->faults, mg_item_place(item, "id"),
                         "vehicle \"%s\" is there already; expected a name "
                         "that is not one of the common vehicles",
                         id);
        }
    }
}

static void read_vehicle(struct mg_scn *l, size_t i)
{
    struct mg_raw_vehicle raw = {.pf_1e4 = 0};
    struct mg_item item;
    mg_scn_entry(l, &l->root, "vehicles", i, &raw, &item);
    raw.v.n_pauses = read_spans(l, &item, "pauses", raw.v.pauses);
    raw.v.n_exports = read_spans(l, &item, "exports", raw.v.exports);
    int32_t cdeg = mg_sim_angle_of(raw.pf_1e4);
    raw.v.phase_cdeg = raw.is_capacitive ? -cdeg : cdeg;
    check_id(l, &item, i);
    check_vehicle(l, &item, &raw.v);
    l->scenario->vehicles[i] = raw.v;
}

static const char *vehicle_name(const struct mg_scn *l, size_t i)
{
    return l->scenario->vehicles[i].id;
}

static void check_arrivals(struct mg_scn *l, const struct mg_item *item,
                           struct mg_sim_when *w)
{
    w->is_random = w->window_ms != 0;
    if (w->slot_ms == 0 && mg_item_has(item, "until")) {
        mg_fault_add(&l->faults, mg_item_place(item, "until"),
                     "until has no effect without every; expected it to be "
                     "left out");
    }
    if (w->until_ms != 0 && w->until_ms <= w->at_ms) {
        mg_fault_add(&l->faults, mg_item_place(item, "until"),
                     "until: not after at; expected a later time");
    }
    if (w->slot_ms != 0 && w->window_ms >= w->slot_ms) {
        mg_fault_add(&l->faults, mg_item_place(item, "window"),
                     "window: not shorter than every; expected less, so that "
                     "they come one after the other");
    }
}

static void read_session(struct mg_scn *l, size_t i)
{
    struct mg_raw_session raw = {.meter = ""};
    struct mg_item item;
    struct mg_sim_scenario *s = l->scenario;
    mg_scn_entry(l, &l->root, "sessions", i, &raw, &item);
    raw.s.n_limits = read_spans(l, &item, "limits", raw.s.limits);
    (void)mg_scn_meter(l, &item, raw.meter, &raw.s.meter);
    check_arrivals(l, &item, &raw.s.when);
    while (raw.s.vehicle < s->n_vehicles &&
           strcmp(s->vehicles[raw.s.vehicle].id, raw.vehicle) != 0) {
        raw.s.vehicle++;
    }
    if (mg_item_has(&item, "vehicle") && raw.s.vehicle == s->n_vehicles) {
        unknown(l, &item, "vehicle", s->n_vehicles, vehicle_name);
    }
    s->sessions[i] = raw.s;
}

/* The common vehicles stand behind those of the file. */
static void add_common(struct mg_sim_scenario *s, size_t n_own)
{
    size_t n = n_own;
    for (size_t i = 0; mg_sim_vehicle_common(i) != NULL; i++) {
        s->vehicles[n++] = *mg_sim_vehicle_common(i);
    }
    s->n_vehicles = n;
}

/* ---- The file ---- */

static size_t n_common(void)
{
    size_t n = 0;
    while (mg_sim_vehicle_common(n) != NULL) {
        n++;
    }
    return n;
}

static int allocate(struct mg_scn *l)
{
    struct mg_sim_scenario *s = l->scenario;
    l->n_vehicles = mg_scn_list(l, &l->root, "vehicles");
    s->n_sessions = mg_scn_list(l, &l->root, "sessions");
    l->n_net = mg_scn_list(l, &l->root, "grid");
    l->n_faults = mg_scn_list(l, &l->root, "faults");
    l->n_wires = mg_scn_list(l, &l->root, "wires");
    s->vehicles = calloc(l->n_vehicles + n_common(), sizeof *s->vehicles);
    s->sessions = calloc(s->n_sessions + 1, sizeof *s->sessions);
    s->net = calloc(l->n_net + l->n_faults + 1, sizeof *s->net);
    s->acts = calloc(l->n_faults + l->n_wires + 1, sizeof *s->acts);
    bool is_whole = s->vehicles != NULL && s->sessions != NULL &&
                    s->net != NULL && s->acts != NULL &&
                    mg_names_init(&l->meter_ids, l->setup->n_meters) == MG_OK;
    for (size_t i = 0; is_whole && i < l->setup->n_meters; i++) {
        is_whole = mg_names_add(&l->meter_ids, i, "%s",
                                l->setup->meters[i].id) == MG_OK;
    }
    mg_names_sort(&l->meter_ids);
    return is_whole ? MG_OK : MG_E_NOMEM;
}

static void read_day(struct mg_scn *l)
{
    struct mg_sim_scenario *s = l->scenario;
    struct mg_item item = {0};
    s->low_mdegc = s->high_mdegc = 23000;
    if (!mg_item_has(&l->root, "temperature")) {
        return;
    }
    size_t k = mg_section_find(l->root.section, "temperature", 11);
    mg_item_read(&l->reader, l->root.section->keys[k].section,
                 mg_item_value(&l->root, "temperature"), s, &item);
    if (s->low_mdegc > s->high_mdegc) {
        mg_fault_add(&l->faults, mg_item_place(&item, "low"),
                     "low: above high; expected at most that");
    }
}

static int read_all(struct mg_scn *l)
{
    struct mg_sim_scenario *s = l->scenario;
    mg_item_read(&l->reader, &mg_section_scenario,
                 yaml_document_get_root_node(l->reader.doc), s, &l->root);
    read_day(l);
    if (allocate(l) != MG_OK) {
        return MG_E_NOMEM;
    }
    for (size_t i = 0; i < l->n_vehicles; i++) {
        read_vehicle(l, i);
    }
    add_common(s, l->n_vehicles);
    for (size_t i = 0; i < s->n_sessions; i++) {
        read_session(l, i);
    }
    mg_scn_events(l);
    return MG_OK;
}

static void load_text(struct mg_scn *l, const char *text, size_t len)
{
    yaml_document_t doc;
    int code = MG_OK;
    if (len > FILE_MAX) {
        mg_fault_add(&l->faults, whole_file,
                     "larger than 1 MiB; expected a scenario");
        return;
    }
    if (mg_yaml_read(text, len, &l->faults, &doc) != MG_OK) {
        return;
    }
    l->reader =
        (struct mg_reader){.doc = &doc, .faults = &l->faults, .folder = ""};
    l->scenario = calloc(1, sizeof *l->scenario);
    code = l->scenario == NULL ? MG_E_NOMEM : read_all(l);
    if (code != MG_OK) {
        mg_fault_add(&l->faults, whole_file, "out of memory");
    }
    yaml_document_delete(&doc);
}

int mg_scenario_parse(const char *name, const char *text, size_t len,
                      const struct mg_setup *setup, FILE *report,
                      struct mg_sim_scenario **ret_scenario,
                      size_t *ret_n_faults)
{
    struct mg_scn l = {.setup = setup,
                       .faults = {.name = name, .text = text, .len = len}};
    *ret_scenario = NULL;
    load_text(&l, text, len);
    size_t n_faults = mg_faults_count(&l.faults);
    if (n_faults == 0) {
        *ret_scenario = l.scenario;
    } else {
        mg_faults_print(&l.faults, report);
        mg_sim_scenario_destroy(l.scenario);
    }
    if (ret_n_faults != NULL) {
        *ret_n_faults = n_faults;
    }
    mg_names_fini(&l.meter_ids);
    mg_faults_fini(&l.faults);
    return n_faults == 0 ? MG_OK : MG_E_INVAL;
}

int mg_scenario_load(const char *file, const struct mg_setup *setup,
                     FILE *report, struct mg_sim_scenario **ret_scenario,
                     size_t *ret_n_faults)
{
    char *text = NULL;
    size_t len = 0;
    struct mg_err err = {0};
    *ret_scenario = NULL;
    if (mg_load_file(file, FILE_MAX, &text, &len, &err) != MG_OK) {
        (void)fprintf(report, "%s: %s; expected a YAML file\n", file, err.text);
        if (ret_n_faults != NULL) {
            *ret_n_faults = 1;
        }
        return MG_E_IO;
    }
    int code = mg_scenario_parse(file, text, len, setup, report, ret_scenario,
                                 ret_n_faults);
    free(text);
    return code;
}
