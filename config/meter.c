/* What a meter's model decides: its options, commands and limits. */
#include <stdlib.h>
#include <string.h>

#include "config/known.h"
#include "config/load.h"

/* ---- Model and bus ---- */

static void find_model(struct mg_load *load, size_t i)
{
    const struct mg_item *item = &load->meters[i];
    struct mg_setup_meter *meter = &load->setup->meters[i];
    const char *model = mg_item_text(item, "model");
    if (model == NULL) {
        return;
    }
    const yaml_node_t *node = mg_item_value(item, "model");
    const struct mg_plugin *plugin = mg_plugins_find(load->plugins, model);
    if (plugin == NULL) {
        struct mg_known known = mg_known_init(node);
        for (size_t k = 0; k < load->plugins->n; k++) {
            const struct mg_plugin *p = load->plugins->loaded[k].plugin;
            mg_known_add(&known, p->model);
        }
        mg_known_report(&load->reader, node, "model", &known);
    } else {
        meter->plugin = plugin;
    }
}

static void find_bus(struct mg_load *load, size_t i)
{
    const struct mg_item *item = &load->meters[i];
    const char *bus = mg_item_text(item, "bus");
    if (bus == NULL) {
        return;
    }
    size_t index = mg_names_find(&load->bus_ids, bus);
    load->setup->meters[i].bus = index;
    if (index == MG_NO_BUS && !mg_item_is_bad(&load->root, "buses")) {
        const yaml_node_t *node = mg_item_value(item, "bus");
        struct mg_known known = mg_known_init(node);
        for (size_t k = 0; k < load->bus_ids.n; k++) {
            mg_known_add(&known, load->bus_ids.names[k].text);
        }
        mg_known_report(&load->reader, node, "bus", &known);
    }
}

static void check_unit(struct mg_load *load, size_t i)
{
    const struct mg_item *item = &load->meters[i];
    const struct mg_setup_meter *meter = &load->setup->meters[i];
    if (meter->bus == MG_NO_BUS || !mg_item_has(item, "unit") ||
        !mg_item_has(&load->buses[meter->bus], "type")) {
        return;
    }
    if (mg_setup_is_can(&load->setup->buses[meter->bus])) {
        return; /* can.c */
    }
    bool is_tcp =
        load->setup->buses[meter->bus].modbus.framing == MG_MODBUS_TCP;
    bool is_usual = meter->unit >= 1 && meter->unit <= 247;
    if (!is_usual && !(is_tcp && (meter->unit == 0 || meter->unit == 255))) {
        mg_fault_add(&load->faults, mg_item_place(item, "unit"),
                     "unit: %u is no address on bus %s; expected 1 to 247%s",
                     meter->unit, load->setup->buses[meter->bus].id,
                     is_tcp ? ", 0 or 255" : "");
    }
}

/* ---- Options ---- */

static size_t find_option(const struct mg_plugin *plugin,
                          const yaml_node_t *name)
{
    size_t i = 0;
    while (i < plugin->n_options &&
           strcmp(plugin->options[i].name,
                  (const char *)name->data.scalar.value) != 0) {
        i++;
    }
    return i;
}

static void report_option(struct mg_load *load, const yaml_node_t *name,
                          const struct mg_plugin *plugin)
{
    struct mg_known known = mg_known_init(name);
    for (size_t i = 0; i < plugin->n_options; i++) {
        mg_known_add(&known, plugin->options[i].name);
    }
    char what[128];
    (void)snprintf(what, sizeof what, "option of %s", plugin->model);
    mg_known_report(&load->reader, name, what, &known);
}

/* Whether YAML reads the scalar as what the option is, as editors will. */
static const char *expected_kind(const struct mg_option *option,
                                 const yaml_node_t *value)
{
    enum mg_scalar_kind kind = mg_node_kind(value);
    switch (option->type) {
    case MG_OPTION_BOOL:
        return kind == MG_SCALAR_BOOL ? NULL : "true or false";
    case MG_OPTION_INT:
        return kind == MG_SCALAR_INT ? NULL : "an integer without quotes";
    case MG_OPTION_TEXT:
        return kind == MG_SCALAR_TEXT ? NULL : "a text; put it into quotes";
    default:
        return kind == MG_SCALAR_NULL ? "one of its choices" : NULL;
    }
}

static bool set_option(struct mg_load *load, struct mg_setup_meter *meter,
                       const struct mg_option *option, const yaml_node_t *value)
{
    const struct mg_plugin *plugin = meter->plugin;
    const char *text =
        mg_node_scalar(&load->reader, value, option->name, "a single value");
    if (text == NULL) {
        return false;
    }
    const char *kind = expected_kind(option, value);
    if (kind != NULL) {
        char quoted[MG_QUOTE_MAX];
        mg_fault_add(&load->faults, mg_yaml_place(value),
                     "%s: wrong type %s; expected %s", option->name,
                     mg_node_quote(value, quoted), kind);
        return false;
    }
    struct mg_err err = {0};
    size_t index = 0;
    if (mg_options_set(plugin->options, plugin->n_options, meter->options,
                       option->name, text, &index, &err) != MG_OK) {
        mg_fault_add(&load->faults, mg_yaml_place(value), "%s", err.text);
        return false;
    }
    return true;
}

/* Lines in which options were given, 0 = not yet. */
static void read_option(struct mg_load *load, struct mg_setup_meter *meter,
                        const yaml_node_pair_t *pair, uint32_t *lines)
{
    const yaml_node_t *name =
        yaml_document_get_node(load->reader.doc, pair->key);
    const yaml_node_t *value =
        yaml_document_get_node(load->reader.doc, pair->value);
    if (!mg_reader_spend(&load->reader, name) ||
        mg_node_scalar(&load->reader, name, "options", "keys that are words") ==
            NULL) {
        return;
    }
    size_t i = find_option(meter->plugin, name);
    if (i == meter->plugin->n_options) {
        report_option(load, name, meter->plugin);
    } else if (lines[i] != 0) {
        mg_fault_add(&load->faults, mg_yaml_place(name),
                     "duplicate option \"%s\"; it stands in line %u already",
                     meter->plugin->options[i].name, lines[i]);
    } else {
        lines[i] = mg_yaml_place(name).line;
        (void)set_option(load, meter, &meter->plugin->options[i], value);
    }
}

static int read_options(struct mg_load *load, size_t i)
{
    const struct mg_item *item = &load->meters[i];
    struct mg_setup_meter *meter = &load->setup->meters[i];
    const struct mg_plugin *plugin = meter->plugin;
    meter->options = calloc(1, plugin->options_size + 1);
    uint32_t *lines = calloc(plugin->n_options + 1, sizeof *lines);
    if (meter->options == NULL || lines == NULL) {
        free(lines);
        return MG_E_NOMEM;
    }
    mg_options_default(plugin->options, plugin->n_options, meter->options);
    if (mg_item_has(item, "options")) {
        const yaml_node_t *node = mg_item_value(item, "options");
        for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
             pair < node->data.mapping.pairs.top; pair++) {
            read_option(load, meter, pair, lines);
        }
    }
    for (size_t k = 0; k < plugin->n_options; k++) {
        if (plugin->options[k].is_required && lines[k] == 0) {
            mg_fault_add(&load->faults, mg_item_place(item, "options"),
                         "required option \"%s\" is missing; expected it in "
                         "options: %s",
                         plugin->options[k].name, plugin->options[k].help);
        }
    }
    free(lines);
    return MG_OK;
}

/* ---- Commands ---- */

bool mg_load_has_procedure(const struct mg_setup_meter *meter,
                           const struct mg_procedure *procedure)
{
    const struct mg_plugin *plugin = meter->plugin;
    if (procedure->variants == 0 || plugin->variant == NULL) {
        return true;
    }
    unsigned variant = plugin->variant(meter->options);
    return variant < 32 && (procedure->variants >> variant & 1) != 0;
}

/* Procedures of sessions are not the broker's to call; the verbs are. */
static bool is_command(const struct mg_procedure *procedure)
{
    return (procedure->flags & MG_PROC_SESSION) == 0;
}

static const struct mg_procedure *find_procedure(const struct mg_plugin *plugin,
                                                 const char *verb)
{
    const struct mg_driver *driver = plugin->driver;
    for (size_t i = 0; i < driver->n_procedures; i++) {
        const struct mg_procedure *p = &driver->procedures[i];
        if (is_command(p) && strcmp(p->verb, verb) == 0) {
            return p;
        }
    }
    return NULL;
}

static void report_verb(struct mg_load *load,
                        const struct mg_setup_meter *meter,
                        const yaml_node_t *node)
{
    const struct mg_driver *driver = meter->plugin->driver;
    struct mg_known known = mg_known_init(node);
    for (size_t i = 0; i < driver->n_procedures; i++) {
        const struct mg_procedure *p = &driver->procedures[i];
        if (is_command(p) && mg_load_has_procedure(meter, p)) {
            mg_known_add(&known, p->verb);
        }
    }
    mg_known_add(&known, MG_ALLOW_SESSION);
    for (size_t i = 0; mg_load_session_verb(i) != NULL; i++) {
        mg_speller_try(&known.near, mg_load_session_verb(i));
    }
    char what[128];
    (void)snprintf(what, sizeof what, "command of %s", meter->plugin->model);
    mg_known_report(&load->reader, node, what, &known);
}

static bool is_allowed(const struct mg_setup_meter *meter, const char *verb)
{
    for (size_t i = 0; i < meter->n_allowed; i++) {
        if (strcmp(meter->allowed[i], verb) == 0) {
            return true;
        }
    }
    return false;
}

static void allow_verb(struct mg_load *load, struct mg_setup_meter *meter,
                       const yaml_node_t *node)
{
    const char *verb =
        mg_node_scalar(&load->reader, node, "allow", "the name of a command");
    if (verb == NULL) {
        return;
    }
    bool is_session = mg_load_is_session_verb(verb);
    const struct mg_procedure *procedure = find_procedure(meter->plugin, verb);
    if (!is_session && procedure == NULL) {
        report_verb(load, meter, node);
    } else if (!is_session && !mg_load_has_procedure(meter, procedure)) {
        mg_fault_add(&load->faults, mg_yaml_place(node),
                     "command %s is not there with these options of %s; "
                     "expected other options or another command",
                     verb, meter->plugin->model);
    } else if (is_allowed(meter, verb)) {
        mg_fault_add(&load->faults, mg_yaml_place(node),
                     "command %s is allowed twice; expected it once", verb);
    } else if (meter->n_allowed == MG_ALLOW_MAX) {
        mg_fault_add(&load->faults, mg_yaml_place(node),
                     "allow: more than %d commands; expected \"session\" "
                     "instead of each verb of sessions",
                     MG_ALLOW_MAX);
    } else {
        (void)snprintf(meter->allowed[meter->n_allowed++],
                       sizeof meter->allowed[0], "%s", verb);
    }
}

static void read_allow(struct mg_load *load, size_t i)
{
    const struct mg_item *item = &load->meters[i];
    struct mg_setup_meter *meter = &load->setup->meters[i];
    if (!mg_item_has(item, "allow")) {
        return;
    }
    const yaml_node_t *node = mg_item_value(item, "allow");
    for (const yaml_node_item_t *entry = node->data.sequence.items.start;
         entry < node->data.sequence.items.top; entry++) {
        const yaml_node_t *verb =
            yaml_document_get_node(load->reader.doc, *entry);
        if (!mg_reader_spend(&load->reader, verb)) {
            return;
        }
        allow_verb(load, meter, verb);
    }
}

/* ---- Limits and load ---- */

static void set_limits(struct mg_load *load, size_t i)
{
    const struct mg_item *item = &load->meters[i];
    struct mg_setup_meter *meter = &load->setup->meters[i];
    const struct mg_driver *driver = meter->plugin->driver;
    if (!mg_item_has(item, "timeout")) {
        meter->timeout_ms = driver->timeout_ms;
    }
    if (!mg_item_has(item, "gap")) {
        meter->gap_ms = driver->min_gap_ms;
    }
    if (!mg_item_has(item, "max_gap")) {
        meter->max_gap = driver->max_gap;
    }
    if (!mg_item_has(item, "max_registers")) {
        meter->max_registers = driver->max_registers;
    } else if (meter->max_registers > driver->max_registers) {
        mg_fault_add(&load->faults, mg_item_place(item, "max_registers"),
                     "max_registers: %u is more than a %s answers at once; "
                     "expected 1 to %u",
                     meter->max_registers, meter->plugin->model,
                     driver->max_registers);
    }
}

static void read_load(struct mg_load *load, size_t i)
{
    const struct mg_item *item = &load->meters[i];
    struct mg_setup_load *fixed = &load->setup->meters[i].load;
    if (!mg_item_has(item, "simulate")) {
        return;
    }
    size_t k = mg_section_find(item->section, "simulate", strlen("simulate"));
    struct mg_item simulate = {0};
    mg_item_read(&load->reader, item->section->keys[k].section, item->values[k],
                 fixed, &simulate);
    fixed->is_fixed = true;
}

int mg_load_meter(struct mg_load *load, size_t i)
{
    int code = MG_OK;
    load->setup->meters[i].bus = MG_NO_BUS;
    find_model(load, i);
    find_bus(load, i);
    check_unit(load, i);
    read_load(load, i);
    if (load->setup->meters[i].plugin != NULL) {
        set_limits(load, i);
        code = read_options(load, i);
    }
    if (code == MG_OK && load->setup->meters[i].plugin != NULL) {
        read_allow(load, i);
        code = mg_load_can(load, i);
    }
    mg_load_session(load, i);
    return code;
}
