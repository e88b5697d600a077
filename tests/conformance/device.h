/* One simulated meter under test: a plugin's firmware with memory around it,
 * asked in bytes as the wire would. */
#ifndef TEST_DEVICE_H
#define TEST_DEVICE_H

#include "bus/can_signals.h"
#include "model/points.h"
#include "run/plugins.h"

#define DEVICE_UNIT    17
#define DEVICE_BAUD    9600
#define DEVICE_UTC_MS  1740916800000 /* 2025-03-02T12:00:00Z */
#define DEVICE_OPTIONS 4096

struct device {
    const struct mg_plugin *plugin;
    const struct mg_firmware *firmware;
    void *state; /* owned */
    uint8_t *nv; /* owned */
    _Alignas(8) uint8_t options[DEVICE_OPTIONS];
    char label[64]; /* "kpm31 variant=B", for messages */
    struct mg_fw_env env;
    unsigned variant;
    uint8_t circuit;
    int64_t utc_ms;
    /* Of a meter on CAN: one block, a point for each signal. */
    struct mg_plan plan;
    struct mg_dbc *dbc; /* owned; NULL: on Modbus */
    struct mg_can_map map;
};

/** Where the plugins and their DBC files are; before device_init. */
void device_set_directory(const char *directory);

/** Power on a new meter with these options. Aborts when out of memory. */
void device_init(struct device *d, const struct mg_plugin *plugin,
                 const void *options, const char *label);
void device_fini(struct device *d);

/** Off and on again at once. */
void device_power_cycle(struct device *d);

/** Let so much time go by at 230 V without load; whole ticks. */
void device_run(struct device *d, uint32_t ms);

/** The same with 10 A in phase on every lane. */
void device_run_loaded(struct device *d, uint32_t ms);

/** The same on the lanes of this circuit only. */
void device_run_circuit(struct device *d, unsigned circuit, uint32_t ms);

/** @return length of the answer; 0: silent */
size_t device_ask(struct device *d, uint8_t unit, uint32_t baud,
                  const uint8_t *pdu, size_t len, uint8_t ret[MG_PDU_MAX]);

/** Read one block into the sample; MISSING when the answer is none. */
void device_read(struct device *d, const struct mg_plan_block *block,
                 struct mg_sample *sample);

/** Read everything of the plan. */
void device_read_all(struct device *d, struct mg_sample *sample);

/** Count a failure and say it. Counts for the whole program. */
void fail(const struct device *d, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
unsigned n_failures(void);

/* The parts of the test: each gets a meter fresh from the factory. */
void test_readings(struct device *d);
void test_sweep(struct device *d);
void test_independence(struct device *d);
void test_circuits(struct device *d); /* of one device */
void test_refusals(struct device *d);
void test_messages(struct device *d); /* the same for a meter on CAN */
void test_faults(struct device *d);
void test_procedures(struct device *d);

#endif
