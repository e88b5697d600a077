#include "run/setup.h"

#include <stdlib.h>
#include <string.h>

#include "model/points.h"

/* Of the process itself: stdio, epoll, timer and wake-up descriptors of two
 * loops, database with its log and index, broker, name look-ups, signals,
 * notify socket; generously rounded. */
#define DESCRIPTORS_BASE 64

static void wipe_and_free(char *secret)
{
    if (secret != NULL) {
        explicit_bzero(secret, strlen(secret));
        free(secret);
    }
}

static void free_broker(struct mg_setup_mqtt *mqtt)
{
    wipe_and_free(mqtt->password);
    free(mqtt->username);
    free(mqtt->ca_file);
    free(mqtt->cert_file);
    free(mqtt->key_file);
}

void mg_setup_destroy(struct mg_setup *setup)
{
    if (setup == NULL) {
        return;
    }
    for (size_t i = 0; setup->meters != NULL && i < setup->n_meters; i++) {
        free(setup->meters[i].options);
        free(setup->meters[i].session.public_key);
        free(setup->meters[i].dbc_file);
        free(setup->meters[i].signals);
    }
    for (size_t i = 0; setup->dbcs != NULL && i < setup->n_dbcs; i++) {
        mg_dbc_destroy(setup->dbcs[i].dbc);
        free(setup->dbcs[i].file);
    }
    free(setup->dbcs);
    free(setup->meters);
    free(setup->buses);
    free_broker(&setup->mqtt);
    free_broker(&setup->everest.mqtt);
    free(setup->station.key_file);
    free(setup->station.pkcs11_module);
    free(setup->station.pkcs11_uri);
    free(setup->station.pkcs11_pin_file);
    free(setup->state_dir);
    free(setup->update_dir);
    free(setup->file);
    free(setup);
}

unsigned mg_setup_circuit(const struct mg_setup_meter *meter)
{
    const struct mg_plugin *p = meter->plugin;
    unsigned circuit = p->circuit == NULL ? 0 : p->circuit(meter->options);
    return circuit < MG_CIRCUITS_MAX ? circuit : 0;
}

const struct mg_option *mg_setup_circuit_option(const struct mg_plugin *plugin)
{
    for (size_t i = 0; plugin->circuit != NULL && i < plugin->n_options; i++) {
        if (!plugin->options[i].is_device) {
            return &plugin->options[i];
        }
    }
    return NULL;
}

const char *mg_setup_circuit_text(const struct mg_setup_meter *meter)
{
    const struct mg_option *o = mg_setup_circuit_option(meter->plugin);
    int64_t value;
    if (o == NULL) {
        return NULL;
    }
    memcpy(&value, (const char *)meter->options + o->offset, sizeof value);
    return o->choices[value];
}

bool mg_setup_is_one_device(const struct mg_setup_meter *a,
                            const struct mg_setup_meter *b)
{
    return a->plugin != NULL && a->plugin == b->plugin &&
           a->plugin->circuit != NULL && a->bus == b->bus && a->unit == b->unit;
}

size_t mg_setup_device(const struct mg_setup *setup, size_t meter)
{
    const struct mg_setup_meter *m = &setup->meters[meter];
    size_t i = m->plugin->circuit == NULL ? meter : 0;
    while (i < meter && !mg_setup_is_one_device(&setup->meters[i], m)) {
        i++;
    }
    return i;
}

size_t mg_setup_descriptors(const struct mg_setup *setup)
{
    return DESCRIPTORS_BASE + setup->n_buses; /* one line per bus */
}

static size_t reply_len(const struct mg_plan_block *block)
{
    bool is_bits = block->function <= 2;
    size_t n_bytes = is_bits ? (block->count + 7U) / 8U : block->count * 2U;
    return 2 + n_bytes;
}

/* Least time of one exchange. Over TCP the wire is not known: only the
 * silence that the meter wants counts. */
static uint64_t exchange_ns(const struct mg_setup_bus *bus,
                            const struct mg_setup_meter *meter,
                            const struct mg_plan_block *block)
{
    uint64_t gap_ns = (uint64_t)meter->gap_ms * 1000000;
    if (bus->modbus.framing != MG_MODBUS_RTU) {
        return gap_ns;
    }
    uint8_t pdu[MG_PDU_MAX];
    size_t request_len = mg_plan_request(block, pdu);
    uint64_t wire_ns =
        mg_modbus_exchange_ns(&bus->modbus, request_len, reply_len(block));
    /* The meter's gap takes the place of the one before the request. */
    uint64_t own_gap_ns = mg_modbus_exchange_ns(&bus->modbus, 0, 0) / 2;
    return wire_ns + (gap_ns > own_gap_ns ? gap_ns - own_gap_ns : 0);
}

int mg_setup_poll_ns(const struct mg_setup *setup, size_t meter,
                     uint64_t ret_ns[MG_N_GROUPS])
{
    const struct mg_setup_meter *m = &setup->meters[meter];
    const struct mg_setup_bus *bus = &setup->buses[m->bus];
    struct mg_driver driver = *m->plugin->driver;
    driver.max_registers = m->max_registers;
    driver.max_gap = m->max_gap;
    unsigned variant = 0;
    if (m->plugin->variant != NULL) {
        variant = m->plugin->variant(m->options);
    }
    struct mg_plan plan;
    size_t row = 0;
    int code = mg_plan_build(&driver, variant, &plan, &row);
    if (code != MG_OK) {
        return code;
    }
    memset(ret_ns, 0, sizeof ret_ns[0] * MG_N_GROUPS);
    for (size_t i = 0; i < plan.n_blocks; i++) {
        const struct mg_plan_block *block = &plan.blocks[i];
        if (block->group < MG_N_GROUPS) {
            ret_ns[block->group] += exchange_ns(bus, m, block);
        }
    }
    return MG_OK;
}

/* Classic frames of 8 bytes with an 11-bit identifier and the space after them,
 * with the average of stuff bits (ISO 11898-1). */
#define CAN_FRAME_BITS      121
#define CAN_DEFAULT_BITRATE 500000

/* The frames that the meter sends by itself. */
static uint64_t can_load_ns(const struct mg_setup_bus *bus,
                            const struct mg_setup_meter *m)
{
    uint32_t bitrate =
        bus->can.bitrate == 0 ? CAN_DEFAULT_BITRATE : bus->can.bitrate;
    uint64_t frame_ns = UINT64_C(1000000000) * CAN_FRAME_BITS / bitrate;
    uint64_t ns = 0;
    for (size_t i = 0; m->dbc != NULL && i < mg_dbc_n_messages(m->dbc); i++) {
        uint32_t cycle_ms = mg_dbc_message(m->dbc, i)->cycle_ms;
        ns += cycle_ms == 0 ? 0 : frame_ns * 1000 / cycle_ms;
    }
    return ns;
}

uint64_t mg_setup_meter_load_ns(const struct mg_setup *setup, size_t meter)
{
    const struct mg_setup_meter *m = &setup->meters[meter];
    uint64_t ns[MG_N_GROUPS];
    if (mg_setup_is_can(&setup->buses[m->bus])) {
        /* A device sends its messages once, however many meters it is. */
        return mg_setup_device(setup, meter) != meter
                   ? 0
                   : can_load_ns(&setup->buses[m->bus], m);
    }
    if (m->interval_ms == 0 || m->slow_interval_ms == 0 ||
        mg_setup_poll_ns(setup, meter, ns) != MG_OK) {
        return 0;
    }
    return ns[MG_GROUP_LIVE] * 1000 / m->interval_ms +
           ns[MG_GROUP_SLOW] * 1000 / m->slow_interval_ms;
}

uint32_t mg_setup_bus_load(const struct mg_setup *setup, size_t bus)
{
    uint64_t busy_ns = 0; /* of each second */
    for (size_t i = 0; i < setup->n_meters; i++) {
        const struct mg_setup_meter *m = &setup->meters[i];
        if (m->bus == bus && m->plugin != NULL) {
            busy_ns += mg_setup_meter_load_ns(setup, i);
        }
    }
    uint64_t load = (busy_ns + 999999) / 1000000;
    return load > UINT32_MAX ? UINT32_MAX : (uint32_t)load;
}
