/* Meters on CAN: the DBC file that says where their values lie, other names of
 * signals, and identifiers that two of them would share. */
#include <stdlib.h>
#include <string.h>

#include "config/load.h"

static const struct mg_can_driver *can_of(const struct mg_setup_meter *meter)
{
    return meter->plugin == NULL || meter->plugin->driver == NULL
               ? NULL
               : meter->plugin->driver->can;
}

/* ---- Bus and address ---- */

static bool check_bus(struct mg_load *load, size_t i)
{
    const struct mg_setup_meter *meter = &load->setup->meters[i];
    if (meter->bus == MG_NO_BUS || meter->plugin == NULL ||
        !mg_item_has(&load->buses[meter->bus], "type")) {
        return false;
    }
    const struct mg_setup_bus *bus = &load->setup->buses[meter->bus];
    bool is_can = meter->plugin->bus == MG_BUS_CAN;
    if (is_can == mg_setup_is_can(bus)) {
        return is_can;
    }
    mg_fault_add(&load->faults, mg_item_place(&load->meters[i], "bus"),
                 "bus: a %s is not on %s; expected a bus of type %s",
                 meter->plugin->model,
                 mg_item_text(&load->buses[meter->bus], "type"),
                 is_can ? "socketcan or socketcand"
                        : "modbus-rtu, modbus-tcp or modbus-rtu-tcp");
    return false;
}

static void check_node(struct mg_load *load, size_t i)
{
    const struct mg_item *item = &load->meters[i];
    const struct mg_setup_meter *meter = &load->setup->meters[i];
    if (mg_item_has(item, "unit") && meter->unit > can_of(meter)->max_node) {
        mg_fault_add(&load->faults, mg_item_place(item, "unit"),
                     "unit: %u is no node address of a %s; expected 0 to %u",
                     meter->unit, meter->plugin->model,
                     can_of(meter)->max_node);
    }
}

/* ---- The DBC file ---- */

/* The built-in one lies beside the plugin. */
static char *builtin_path(const struct mg_load *load,
                          const struct mg_plugin *plugin)
{
    const char *file = "";
    for (size_t i = 0; i < load->plugins->n; i++) {
        if (load->plugins->loaded[i].plugin == plugin &&
            load->plugins->loaded[i].file != NULL) {
            file = load->plugins->loaded[i].file;
        }
    }
    const char *slash = strrchr(file, '/');
    int n_dir = slash == NULL ? 0 : (int)(slash + 1 - file);
    size_t cap = (size_t)n_dir + strlen(plugin->driver->can->dbc) + 1;
    char *path = malloc(cap);
    if (path != NULL) {
        (void)snprintf(path, cap, "%.*s%s", n_dir, file,
                       plugin->driver->can->dbc);
    }
    return path;
}

static const struct mg_dbc *find_dbc(const struct mg_setup *setup,
                                     const char *path)
{
    for (size_t i = 0; i < setup->n_dbcs; i++) {
        if (strcmp(setup->dbcs[i].file, path) == 0) {
            return setup->dbcs[i].dbc;
        }
    }
    return NULL;
}

/* @param path  taken over on success */
static int add_dbc(struct mg_setup *setup, char *path,
                   const struct mg_dbc **ret, struct mg_err *err)
{
    char *text = NULL;
    size_t len = 0;
    int rc = mg_load_file(path, MG_DBC_FILE_MAX, &text, &len, err);
    if (rc != MG_OK) {
        return rc;
    }
    const char *slash = strrchr(path, '/');
    struct mg_dbc *dbc =
        mg_dbc_parse(slash == NULL ? path : slash + 1, text, len, err);
    free(text);
    if (dbc == NULL) {
        return err->code;
    }
    struct mg_setup_dbc *dbcs =
        realloc(setup->dbcs, (setup->n_dbcs + 1) * sizeof *dbcs);
    if (dbcs == NULL) {
        mg_dbc_destroy(dbc);
        return mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    setup->dbcs = dbcs;
    dbcs[setup->n_dbcs++] = (struct mg_setup_dbc){.file = path, .dbc = dbc};
    *ret = dbc;
    return MG_OK;
}

static int load_dbc(struct mg_load *load, size_t i)
{
    struct mg_setup_meter *meter = &load->setup->meters[i];
    const struct mg_item *item = &load->meters[i];
    struct mg_err err = {0};
    char *path = meter->dbc_file != NULL ? strdup(meter->dbc_file)
                                         : builtin_path(load, meter->plugin);
    if (path == NULL) {
        return MG_E_NOMEM;
    }
    meter->dbc = find_dbc(load->setup, path);
    int rc = MG_OK;
    if (meter->dbc != NULL) {
        free(path);
    } else {
        rc = add_dbc(load->setup, path, &meter->dbc, &err);
    }
    if (rc != MG_OK && rc != MG_E_NOMEM) {
        mg_fault_add(
            &load->faults,
            mg_item_place(item, mg_item_has(item, "dbc") ? "dbc" : "model"),
            "dbc: %s", err.text);
        free(path);
    }
    return rc == MG_E_NOMEM ? rc : MG_OK;
}

/* ---- Other names ---- */

static void add_override(struct mg_load *load, struct mg_setup_meter *meter,
                         const yaml_node_t *node)
{
    const char *text =
        mg_node_scalar(&load->reader, node, "signals", "KEY=Message.Signal");
    struct mg_can_override *o = &meter->signals[meter->n_signals];
    if (text == NULL) {
        return;
    }
    const char *equals = strchr(text, '=');
    size_t n = equals == NULL ? 0 : (size_t)(equals - text);
    if (n == 0 || n >= sizeof o->what || strlen(equals + 1) == 0 ||
        strlen(equals + 1) >= sizeof o->name) {
        mg_fault_add(&load->faults, mg_yaml_place(node),
                     "signals: \"%.80s\"; expected e.g. "
                     "voltage_l1_v=Message.Signal, answer=Message, or "
                     "boots=none",
                     text);
        return;
    }
    (void)snprintf(o->what, sizeof o->what, "%.*s", (int)n, text);
    (void)snprintf(o->name, sizeof o->name, "%s", equals + 1);
    meter->n_signals++;
}

static int read_signals(struct mg_load *load, size_t i)
{
    const struct mg_item *item = &load->meters[i];
    struct mg_setup_meter *meter = &load->setup->meters[i];
    if (!mg_item_has(item, "signals")) {
        return MG_OK;
    }
    const yaml_node_t *node = mg_item_value(item, "signals");
    const yaml_node_item_t *start = node->data.sequence.items.start;
    const yaml_node_item_t *top = node->data.sequence.items.top;
    meter->signals = calloc((size_t)(top - start) + 1, sizeof *meter->signals);
    if (meter->signals == NULL) {
        return MG_E_NOMEM;
    }
    for (const yaml_node_item_t *entry = start; entry < top; entry++) {
        const yaml_node_t *value =
            yaml_document_get_node(load->reader.doc, *entry);
        if (!mg_reader_spend(&load->reader, value)) {
            break;
        }
        add_override(load, meter, value);
    }
    return MG_OK;
}

static void check_map(struct mg_load *load, size_t i)
{
    const struct mg_item *item = &load->meters[i];
    const struct mg_setup_meter *meter = &load->setup->meters[i];
    struct mg_can_map map;
    struct mg_err err = {0};
    unsigned variant = meter->plugin->variant == NULL
                           ? 0
                           : meter->plugin->variant(meter->options);
    const char *key = mg_item_has(item, "signals") ? "signals"
                      : mg_item_has(item, "dbc")   ? "dbc"
                                                   : "model";
    if (meter->dbc != NULL &&
        mg_can_map_build(can_of(meter), variant, mg_setup_circuit(meter),
                         meter->dbc, meter->signals, meter->n_signals, &map,
                         &err) != MG_OK) {
        mg_fault_add(&load->faults, mg_item_place(item, key), "%s: %s", key,
                     err.text);
    }
}

static void refuse_unused(struct mg_load *load, size_t i)
{
    static const char *const keys[] = {"dbc", "signals"};
    for (size_t k = 0; k < 2; k++) {
        if (mg_item_has(&load->meters[i], keys[k])) {
            mg_fault_add(&load->faults,
                         mg_item_place(&load->meters[i], keys[k]),
                         "%s: is for meters on CAN; expected it to be left out",
                         keys[k]);
        }
    }
}

int mg_load_can(struct mg_load *load, size_t i)
{
    const struct mg_plugin *plugin = load->setup->meters[i].plugin;
    if (!check_bus(load, i)) {
        if (plugin != NULL && plugin->bus != MG_BUS_CAN) {
            refuse_unused(load, i);
        }
        return MG_OK;
    }
    check_node(load, i);
    int rc = read_signals(load, i);
    if (rc == MG_OK) {
        rc = load_dbc(load, i);
    }
    if (rc == MG_OK) {
        check_map(load, i);
    }
    return rc;
}

/* ---- Identifiers of one bus ---- */

static void repeated_id(void *ctx, size_t first, size_t index)
{
    struct mg_load *load = ctx;
    const struct mg_setup_meter *meters = load->setup->meters;
    if (first == index || meters[first].unit == meters[index].unit) {
        return; /* its own message, or said of the unit */
    }
    mg_fault_add(&load->faults, mg_item_place(&load->meters[index], "unit"),
                 "unit: meters %s (line %u) and %s would share identifiers on "
                 "bus %s; expected another node address",
                 meters[first].id,
                 mg_item_place(&load->meters[first], "unit").line,
                 meters[index].id, load->setup->buses[meters[index].bus].id);
}

static int add_ids(const struct mg_setup *setup, size_t i, struct mg_names *ids)
{
    const struct mg_setup_meter *m = &setup->meters[i];
    int code = MG_OK;
    for (size_t k = 0; code == MG_OK && k < mg_dbc_n_messages(m->dbc); k++) {
        const struct mg_dbc_message *message = mg_dbc_message(m->dbc, k);
        uint32_t id;
        if (mg_can_node_id(m->dbc, message, m->unit, &id) == MG_OK) {
            code = mg_names_add(ids, i, "%zu/%x%s", m->bus, id,
                                message->is_extended ? "x" : "");
        }
    }
    return code;
}

int mg_load_check_can(struct mg_load *load)
{
    const struct mg_setup *setup = load->setup;
    struct mg_names ids = {0};
    size_t n = 0;
    for (size_t i = 0; i < setup->n_meters; i++) {
        n += setup->meters[i].dbc == NULL
                 ? 0
                 : mg_dbc_n_messages(setup->meters[i].dbc);
    }
    int code = mg_names_init(&ids, n);
    for (size_t i = 0; code == MG_OK && i < setup->n_meters; i++) {
        if (setup->meters[i].dbc != NULL && setup->meters[i].bus != MG_NO_BUS) {
            code = add_ids(setup, i, &ids);
        }
    }
    if (code == MG_OK) {
        mg_names_sort(&ids);
        mg_names_repeats(&ids, repeated_id, load);
    }
    mg_names_fini(&ids);
    return code;
}
