/* Meters that are one device: circuits of one model at one address. */
#include <string.h>

#include "config/load.h"

static unsigned line_of(const struct mg_load *load, size_t i, const char *key)
{
    return mg_item_place(&load->meters[i], key).line;
}

/* ---- Which circuit ---- */

/* Where an option stands in the file, or would. */
static struct mg_setup_place option_place(const struct mg_load *load, size_t i,
                                          const char *name)
{
    const struct mg_item *item = &load->meters[i];
    if (!mg_item_has(item, "options")) {
        return mg_item_place(item, "unit");
    }
    const yaml_node_t *node = mg_item_value(item, "options");
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key =
            yaml_document_get_node(load->reader.doc, pair->key);
        if (key->type == YAML_SCALAR_NODE &&
            strcmp((const char *)key->data.scalar.value, name) == 0) {
            return mg_yaml_place(
                yaml_document_get_node(load->reader.doc, pair->value));
        }
    }
    return mg_item_place(item, "options");
}

static void repeated_circuit(void *ctx, size_t first, size_t index)
{
    struct mg_load *load = ctx;
    const struct mg_setup_meter *meters = load->setup->meters;
    const struct mg_option *o = mg_setup_circuit_option(meters[index].plugin);
    mg_fault_add(&load->faults, option_place(load, index, o->name),
                 "%s: meter %s (line %u) is the %s one of the %s at unit %u of "
                 "bus %s already; expected the other one, or a unit of its own",
                 o->name, meters[first].id, line_of(load, first, "id"),
                 mg_setup_circuit_text(&meters[index]),
                 meters[index].plugin->model, meters[index].unit,
                 load->setup->buses[meters[index].bus].id);
}

/* ---- What they share ---- */

static void option_text(const struct mg_option *o, const void *options,
                        char *ret, size_t cap)
{
    const char *at = (const char *)options + o->offset;
    int64_t value = 0;
    if (o->type == MG_OPTION_TEXT) {
        (void)snprintf(ret, cap, "\"%.40s\"", at);
        return;
    }
    memcpy(&value, at, sizeof value);
    if (o->type == MG_OPTION_ENUM) {
        (void)snprintf(ret, cap, "%s", o->choices[value]);
    } else if (o->type == MG_OPTION_BOOL) {
        (void)snprintf(ret, cap, "%s", value != 0 ? "true" : "false");
    } else {
        (void)snprintf(ret, cap, "%lld", (long long)value);
    }
}

static bool is_same_option(const struct mg_option *o, const void *a,
                           const void *b)
{
    const char *of_a = (const char *)a + o->offset;
    const char *of_b = (const char *)b + o->offset;
    return o->type == MG_OPTION_TEXT ? strcmp(of_a, of_b) == 0
                                     : memcmp(of_a, of_b, sizeof(int64_t)) == 0;
}

static void check_options(struct mg_load *load, size_t first, size_t index)
{
    const struct mg_setup_meter *a = &load->setup->meters[first];
    const struct mg_setup_meter *b = &load->setup->meters[index];
    for (size_t i = 0; i < a->plugin->n_options; i++) {
        const struct mg_option *o = &a->plugin->options[i];
        char there[64], here[64];
        if (!o->is_device || is_same_option(o, a->options, b->options)) {
            continue;
        }
        option_text(o, a->options, there, sizeof there);
        option_text(o, b->options, here, sizeof here);
        mg_fault_add(&load->faults, option_place(load, index, o->name),
                     "%s is %s here and %s for meter %s (line %u), which is "
                     "the same device; expected the same for both",
                     o->name, here, there, a->id, line_of(load, first, "id"));
    }
}

static void report_shared(struct mg_load *load, size_t first, size_t index,
                          const char *key, const char *what)
{
    const struct mg_item *item = &load->meters[index];
    mg_fault_add(&load->faults,
                 mg_item_place(item, mg_item_has(item, key) ? key : "unit"),
                 "%s: not that of meter %s (line %u), which is the same "
                 "device; expected %s",
                 key, load->setup->meters[first].id, line_of(load, first, "id"),
                 what);
}

void mg_load_check_device(struct mg_load *load, size_t first, size_t index)
{
    const struct mg_setup_meter *a = &load->setup->meters[first];
    const struct mg_setup_meter *b = &load->setup->meters[index];
    if (a->options == NULL || b->options == NULL) {
        return;
    }
    check_options(load, first, index);
    if (a->dbc != NULL && b->dbc != NULL && a->dbc != b->dbc) {
        report_shared(load, first, index, "dbc", "one file for both");
    }
    if (a->load.is_fixed && b->load.is_fixed &&
        a->load.frequency_mhz != b->load.frequency_mhz) {
        report_shared(load, first, index, "simulate",
                      "the frequency of one net for both");
    }
    if (mg_setup_circuit(a) != mg_setup_circuit(b) &&
        a->session.connector == b->session.connector) {
        report_shared(load, first, index, "session",
                      "a connector of its own for each");
    }
}

int mg_load_check_circuits(struct mg_load *load, const size_t *line_of_bus)
{
    const struct mg_setup *setup = load->setup;
    struct mg_names circuits = {0};
    int code = mg_names_init(&circuits, setup->n_meters);
    for (size_t i = 0; code == MG_OK && i < setup->n_meters; i++) {
        const struct mg_setup_meter *m = &setup->meters[i];
        if (m->bus != MG_NO_BUS && mg_item_has(&load->meters[i], "unit") &&
            m->plugin != NULL && m->plugin->circuit != NULL &&
            m->options != NULL) {
            code =
                mg_names_add(&circuits, i, "%zu/%u/%s/%u", line_of_bus[m->bus],
                             m->unit, m->plugin->model, mg_setup_circuit(m));
        }
    }
    if (code == MG_OK) {
        mg_names_sort(&circuits);
        mg_names_repeats(&circuits, repeated_circuit, load);
    }
    mg_names_fini(&circuits);
    return code;
}
