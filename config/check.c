/* What is wrong only in sight of another entry: ids, lines and units that are
 * used twice. */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "config/load.h"

struct context {
    struct mg_load *load;
    size_t *line_of; /* owned; bus -> first bus on the same line */
};

/* ---- Ids ---- */

static void report_id(struct mg_load *load, const struct mg_item *items,
                      size_t first, size_t index)
{
    const struct mg_item *item = &items[index];
    mg_fault_add(&load->faults, mg_item_place(item, "id"),
                 "duplicate %s id \"%s\"; it stands in line %u already",
                 item->section->name, mg_item_text(item, "id"),
                 mg_item_place(&items[first], "id").line);
}

static void repeated_bus(void *ctx, size_t first, size_t index)
{
    struct context *c = ctx;
    report_id(c->load, c->load->buses, first, index);
}

static void repeated_meter(void *ctx, size_t first, size_t index)
{
    struct context *c = ctx;
    report_id(c->load, c->load->meters, first, index);
}

static int check_meter_ids(struct context *c)
{
    struct mg_load *load = c->load;
    struct mg_names ids = {0};
    int code = mg_names_init(&ids, load->setup->n_meters);
    for (size_t i = 0; code == MG_OK && i < load->setup->n_meters; i++) {
        const char *id = mg_item_text(&load->meters[i], "id");
        if (id != NULL) {
            code = mg_names_add(&ids, i, "%s", id);
        }
    }
    if (code == MG_OK) {
        mg_names_sort(&ids);
        mg_names_repeats(&ids, repeated_meter, c);
    }
    mg_names_fini(&ids);
    return code;
}

/* ---- Lines ---- */

static int add_tty(struct mg_load *load, size_t i, struct mg_names *lines)
{
    const char *device = load->setup->buses[i].tty.device;
    /* A link below by-id and the device it leads to are one line. */
    char *real = load->is_offline ? NULL : realpath(device, NULL);
    int code = mg_names_add(lines, i, "tty %s", real == NULL ? device : real);
    free(real);
    return code;
}

static int add_line(struct mg_load *load, size_t i, struct mg_names *lines)
{
    const struct mg_setup_bus *bus = &load->setup->buses[i];
    const struct mg_item *item = &load->buses[i];
    if (!mg_item_has(item, "type")) {
        return MG_OK;
    }
    if (bus->type == MG_SETUP_RTU) {
        return mg_item_has(item, "device") ? add_tty(load, i, lines) : MG_OK;
    }
    if (bus->type == MG_SETUP_SOCKETCAN) {
        return mg_item_is_bad(item, "interface")
                   ? MG_OK
                   : mg_names_add(lines, i, "can %s", bus->can.interface);
    }
    if (!mg_item_has(item, "host") || mg_item_is_bad(item, "port")) {
        return MG_OK;
    }
    char host[sizeof bus->host];
    size_t n = 0;
    for (; bus->host[n] != '\0'; n++) {
        host[n] = (char)tolower((unsigned char)bus->host[n]);
    }
    host[n] = '\0';
    if (bus->type == MG_SETUP_SOCKETCAND) {
        return mg_names_add(lines, i, "can %s:%u %s", host, bus->port,
                            bus->can.interface);
    }
    return mg_names_add(lines, i, "%s:%u", host, bus->port);
}

static void repeated_line(void *ctx, size_t first, size_t index)
{
    struct context *c = ctx;
    const struct mg_item *buses = c->load->buses;
    const struct mg_setup_bus *bus = &c->load->setup->buses[index];
    const struct mg_setup_bus *other = &c->load->setup->buses[first];
    unsigned line = mg_item_place(&buses[first], "id").line;
    c->line_of[index] = first;
    if (mg_setup_is_can(bus)) {
        mg_fault_add(&c->load->faults,
                     mg_item_place(&buses[index], "interface"),
                     "interface: bus %s (line %u) is on %s already; expected "
                     "one bus per interface, with all its meters",
                     other->id, line, bus->can.interface);
    } else if (bus->modbus.framing == MG_MODBUS_RTU) {
        mg_fault_add(&c->load->faults, mg_item_place(&buses[index], "device"),
                     "device: bus %s (line %u) is on this line already; "
                     "expected one bus per device, with all its meters",
                     other->id, line);
    } else if (bus->modbus.framing != other->modbus.framing) {
        mg_fault_add(&c->load->faults, mg_item_place(&buses[index], "type"),
                     "%s:%u speaks %s for bus %s (line %u), and %s here; "
                     "expected one protocol per host and port",
                     bus->host, bus->port, mg_item_text(&buses[first], "type"),
                     other->id, line, mg_item_text(&buses[index], "type"));
    } else if (bus->modbus.framing == MG_MODBUS_RTU_TCP) {
        mg_fault_add(&c->load->faults, mg_item_place(&buses[index], "host"),
                     "host: bus %s (line %u) is on %s:%u already; expected "
                     "one bus per serial line, with all its meters",
                     other->id, line, bus->host, bus->port);
    }
}

static int check_lines(struct context *c)
{
    struct mg_load *load = c->load;
    struct mg_names lines = {0};
    int code = mg_names_init(&lines, load->setup->n_buses);
    for (size_t i = 0; code == MG_OK && i < load->setup->n_buses; i++) {
        c->line_of[i] = i;
        code = add_line(load, i, &lines);
    }
    if (code == MG_OK) {
        mg_names_sort(&lines);
        mg_names_repeats(&lines, repeated_line, c);
    }
    mg_names_fini(&lines);
    return code;
}

/* ---- Units ---- */

static void repeated_unit(void *ctx, size_t first, size_t index)
{
    struct context *c = ctx;
    const struct mg_setup_meter *meter = &c->load->setup->meters[index];
    const struct mg_setup_meter *other = &c->load->setup->meters[first];
    if (mg_setup_is_one_device(other, meter)) {
        mg_load_check_device(c->load, first, index);
        return;
    }
    mg_fault_add(&c->load->faults,
                 mg_item_place(&c->load->meters[index], "unit"),
                 "unit: meter %s (line %u) has %u on bus %s already; expected "
                 "a unit of its own",
                 other->id, mg_item_place(&c->load->meters[first], "unit").line,
                 meter->unit, c->load->setup->buses[other->bus].id);
}

static int check_units(struct context *c)
{
    struct mg_load *load = c->load;
    struct mg_names units = {0};
    int code = mg_names_init(&units, load->setup->n_meters);
    for (size_t i = 0; code == MG_OK && i < load->setup->n_meters; i++) {
        const struct mg_setup_meter *meter = &load->setup->meters[i];
        if (meter->bus != MG_NO_BUS && mg_item_has(&load->meters[i], "unit")) {
            code = mg_names_add(&units, i, "%zu/%u", c->line_of[meter->bus],
                                meter->unit);
        }
    }
    if (code == MG_OK) {
        mg_names_sort(&units);
        mg_names_repeats(&units, repeated_unit, c);
    }
    mg_names_fini(&units);
    return code;
}

int mg_load_check(struct mg_load *load)
{
    struct context c = {.load = load};
    c.line_of = calloc(load->setup->n_buses + 1, sizeof *c.line_of);
    if (c.line_of == NULL) {
        return MG_E_NOMEM;
    }
    mg_names_repeats(&load->bus_ids, repeated_bus, &c);
    int code = check_meter_ids(&c);
    if (code == MG_OK) {
        code = check_lines(&c);
    }
    if (code == MG_OK) {
        code = check_units(&c);
    }
    if (code == MG_OK) {
        code = mg_load_check_circuits(load, c.line_of);
    }
    if (code == MG_OK) {
        code = mg_load_check_can(load);
    }
    free(c.line_of);
    return code;
}
