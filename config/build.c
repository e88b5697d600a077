/* From the document to the setup, section by section. */
#include <stdlib.h>
#include <string.h>

#include "config/load.h"

/* Of a line without meters. */
static const struct mg_serial no_serial = {9600, 'E', 1};

static void read_section(struct mg_load *load, const char *key, void *base,
                         struct mg_item *item)
{
    const struct mg_section *section = mg_section_of(key);
    if (mg_item_has(&load->root, key)) {
        mg_item_read(&load->reader, section, mg_item_value(&load->root, key),
                     base, item);
    } else {
        mg_item_defaults(section, base);
    }
}

void mg_load_finish_mqtt(struct mg_load *load, struct mg_setup_mqtt *mqtt)
{
    if (mqtt->port == 0) {
        mqtt->port = mqtt->has_tls ? 8883 : 1883;
    }
    if (mqtt->client_id[0] == '\0') {
        (void)snprintf(mqtt->client_id, sizeof mqtt->client_id, "metergate-%s",
                       load->setup->gateway);
    }
}

static void finish_mqtt(struct mg_load *load)
{
    struct mg_setup_mqtt *mqtt = &load->setup->mqtt;
    mqtt->is_enabled = load->mqtt.section != NULL;
    mg_load_finish_mqtt(load, mqtt);
    if (mqtt->is_enabled) {
        mg_load_mqtt_files(load, &load->mqtt, mqtt);
    }
}

/* The entries of a list. @return 0: not there, or a fault was noted */
static size_t list_length(struct mg_load *load, const char *key)
{
    if (!mg_item_has(&load->root, key)) {
        return 0;
    }
    const yaml_node_t *node = mg_item_value(&load->root, key);
    const yaml_node_item_t *start = node->data.sequence.items.start;
    const yaml_node_item_t *top = node->data.sequence.items.top;
    size_t n = (size_t)(top - start);
    size_t i = mg_section_find(&mg_section_root, key, strlen(key));
    size_t max = (size_t)mg_section_root.keys[i].max;
    if (n == 0 || n > max) {
        mg_fault_add(&load->faults, mg_yaml_place(node),
                     "%s: %zu entries; expected 1 to %zu", key, n, max);
        return 0;
    }
    return n;
}

static const yaml_node_t *list_entry(struct mg_load *load, const char *key,
                                     size_t i)
{
    const yaml_node_t *node = mg_item_value(&load->root, key);
    return yaml_document_get_node(load->reader.doc,
                                  node->data.sequence.items.start[i]);
}

static int read_buses(struct mg_load *load)
{
    struct mg_setup *setup = load->setup;
    size_t n = list_length(load, "buses");
    setup->buses = calloc(n + 1, sizeof *setup->buses);
    load->buses = calloc(n + 1, sizeof *load->buses);
    if (setup->buses == NULL || load->buses == NULL ||
        mg_names_init(&load->bus_ids, n) != MG_OK) {
        return MG_E_NOMEM;
    }
    setup->n_buses = n;
    for (size_t i = 0; i < n; i++) {
        const yaml_node_t *node = list_entry(load, "buses", i);
        setup->buses[i].place = mg_yaml_place(node);
        mg_item_read(&load->reader, mg_section_of("buses"), node,
                     &setup->buses[i], &load->buses[i]);
        struct mg_setup_bus *bus = &setup->buses[i];
        bus->modbus.framing = mg_setup_is_can(bus)
                                  ? MG_MODBUS_TCP /* no line of characters */
                                  : (enum mg_modbus_framing)bus->type;
        if (bus->port == 0) {
            bus->port = bus->type == MG_SETUP_SOCKETCAND ? 29536 : 502;
        }
        const char *id = mg_item_text(&load->buses[i], "id");
        if (id != NULL &&
            mg_names_add(&load->bus_ids, i, "%s", id) == MG_E_NOMEM) {
            return MG_E_NOMEM;
        }
    }
    mg_names_sort(&load->bus_ids);
    return MG_OK;
}

static int read_meters(struct mg_load *load)
{
    struct mg_setup *setup = load->setup;
    size_t n = list_length(load, "meters");
    setup->meters = calloc(n + 1, sizeof *setup->meters);
    load->meters = calloc(n + 1, sizeof *load->meters);
    if (setup->meters == NULL || load->meters == NULL) {
        return MG_E_NOMEM;
    }
    setup->n_meters = n;
    for (size_t i = 0; i < n; i++) {
        const yaml_node_t *node = list_entry(load, "meters", i);
        setup->meters[i].place = mg_yaml_place(node);
        mg_item_read(&load->reader, mg_section_of("meters"), node,
                     &setup->meters[i], &load->meters[i]);
        if (mg_load_meter(load, i) != MG_OK) {
            return MG_E_NOMEM;
        }
    }
    return MG_OK;
}

static void merge_serial(struct mg_serial *serial, const struct mg_serial *from)
{
    if (serial->baud == 0) {
        serial->baud = from->baud;
    }
    if (serial->parity == '\0') {
        serial->parity = from->parity;
    }
    if (serial->stop_bits == 0) {
        serial->stop_bits = from->stop_bits;
    }
}

static void finish_line(struct mg_load *load, size_t i)
{
    struct mg_setup_bus *bus = &load->setup->buses[i];
    struct mg_serial *serial = &bus->tty.serial;
    merge_serial(serial, &no_serial);
    int parity_bits = serial->parity == 'N' ? 0 : 1;
    int bits = 1 + 8 + parity_bits + serial->stop_bits;
    if (bits > 11) {
        mg_fault_add(&load->faults, mg_item_place(&load->buses[i], "stop_bits"),
                     "stop_bits: 2 with a parity bit makes %d bits per "
                     "character; expected at most 11: stop_bits 1, or parity "
                     "none",
                     bits);
    }
    bus->modbus.baud = serial->baud;
    bus->modbus.char_bits = (uint8_t)bits;
}

/* What the file leaves open about a line is as its first meter is delivered. */
static void finish_lines(struct mg_load *load)
{
    struct mg_setup *setup = load->setup;
    for (size_t i = 0; i < setup->n_meters; i++) {
        const struct mg_setup_meter *meter = &setup->meters[i];
        if (meter->bus != MG_NO_BUS && meter->plugin != NULL &&
            meter->plugin->driver != NULL) {
            merge_serial(&setup->buses[meter->bus].tty.serial,
                         &meter->plugin->driver->serial);
        }
    }
    for (size_t i = 0; i < setup->n_buses; i++) {
        if (setup->buses[i].modbus.framing == MG_MODBUS_RTU) {
            finish_line(load, i);
        }
    }
}

int mg_load_build(struct mg_load *load, const yaml_node_t *root)
{
    struct mg_setup *setup = load->setup;
    mg_item_read(&load->reader, &mg_section_root, root, setup, &load->root);
    read_section(load, "gateway", setup, &load->gateway);
    read_section(load, "mqtt", &setup->mqtt, &load->mqtt);
    read_section(load, "outbox", &setup->outbox, &load->outbox);
    read_section(load, "simulation", &setup->simulation, &load->simulation);
    read_section(load, "station", &setup->station, &load->station);
    read_section(load, "everest", &setup->everest, &load->everest);
    finish_mqtt(load);
    mg_load_check_zone(load);
    mg_load_station(load);
    if (mg_load_everest(load) != MG_OK || read_buses(load) != MG_OK ||
        read_meters(load) != MG_OK) {
        return MG_E_NOMEM;
    }
    finish_lines(load);
    return MG_OK;
}
