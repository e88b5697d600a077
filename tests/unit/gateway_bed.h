/* A whole gateway in virtual time: the KPM31's driver, meters that are register
 * files with a temper, the real store in a folder of its own, and a sink that
 * writes down what it gets. */
#ifndef MG_TEST_GATEWAY_BED_H
#define MG_TEST_GATEWAY_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "run/gateway.h"
#include "run/plugins.h"

#define BED_METERS    6
#define BED_BUSES     2
#define BED_REGISTERS 0x200
#define BED_RULES     4
#define BED_TOPICS    64
#define BED_REPLIES   64
#define BED_EVENT_MAX 4096
#define BED_UTC_MS    INT64_C(1740916800000) /* 2025-03-02 12:00 UTC */
#define BED_MS        UINT64_C(1000000)

/* Registers of the KPM31 (manual V2.0, 6.2 to 6.4). */
#define REG_ADDRESS 0x0001
#define REG_CLEAR   0x000c
#define REG_SERIAL  0x0012
#define REG_CLOCK   0x0023
#define REG_VOLTAGE 0x0030
#define REG_DEMAND  0x0070
#define REG_ENERGY  0x0080
#define REG_MONTHS  0x009c

#define BED_SILENT 0xff /* instead of an exception */

/* What a meter does when it is asked for certain registers. */
struct bed_rule {
    uint8_t function; /* 0: any */
    uint16_t first, last;
    uint8_t exception; /* or BED_SILENT */
};

struct bed_meter {
    bool is_silent;
    uint8_t unit;
    size_t bus;
    uint32_t delay_ms; /* of its answers, default 20 */
    uint16_t registers[BED_REGISTERS];
    bool is_closed;          /* relay */
    bool ignores_writes;     /* but says it has */
    bool is_mute_on_writes;  /* acts, and its answer is lost */
    uint32_t clear_delay_ms; /* before cleared energies show */
    struct mg_timer clear_timer;
    struct bed_rule rules[BED_RULES];
    unsigned n_requests, n_coil_writes, n_writes;
};

/* A request that came to a meter. */
struct bed_request {
    uint64_t ns;
    size_t meter;
    uint8_t function;
    uint16_t address, count;
};

struct bed_topic {
    char name[MG_STORE_TOPIC_MAX];
    char *payload; /* the last; owned */
    unsigned n;
};

struct bed_sample {
    struct mg_sample sample;
    uint64_t seen_ns;
    unsigned n; /* so many of this meter and group */
};

struct gateway_bed;

struct bed_line {
    struct gateway_bed *bed;
    size_t bus;
    struct mg_transport *transport;
    struct mg_transport_ops ops; /* of a line that can be away */
    int (*open)(struct mg_transport *transport, struct mg_err *err);
    uint32_t baud; /* last set; 0 = never */
    struct mg_timer timer;
    uint8_t answer[300];
    size_t answer_len;
};

struct gateway_bed {
    char dir[64], path[96];
    uv_loop_t loop;
    uv_timer_t watchdog;
    struct mg_plugins plugins;
    struct mg_setup setup;
    struct mg_setup_bus buses[BED_BUSES];
    struct mg_setup_meter meters[BED_METERS];
    int64_t options[BED_METERS];
    struct bed_meter fakes[BED_METERS];
    struct bed_line lines[BED_BUSES];

    bool has_store; /* set before bed_start */
    int64_t utc_ms; /* at time 0 of the clock */
    struct mg_clock *clock;
    struct mg_store *store;
    struct mg_gateway *gateway;
    struct mg_sink sink;
    struct mg_gateway_observer observer;
    bool line_is_away; /* and cannot be opened */
    /* Lines other than the fakes'; optional. */
    struct mg_transport *(*line)(void *ctx, size_t bus);
    void *line_ctx;
    /* Of a CAN bus; ctx is the bed. */
    struct mg_can_transport *(*can_line)(void *ctx, size_t bus);

    /* Called before a meter answers; optional. */
    void (*asked)(struct gateway_bed *bed, size_t meter, const uint8_t *pdu,
                  size_t len);
    unsigned n_asked; /* for its own use */

    bool refuses_rows, refuses_values; /* the store is full */
    bool is_disk_slow; /* what is handed over does not become durable */
    uint64_t last_ticket, durable_ticket;
    unsigned n_appends;

    struct bed_request *requests; /* owned */
    size_t n_requests, cap_requests;
    struct bed_topic topics[BED_TOPICS];
    size_t n_topics;
    char replies[BED_REPLIES][2048];
    char reply_topics[BED_REPLIES][MG_REPLY_TOPIC_MAX];
    size_t n_replies;
    struct bed_sample samples[BED_METERS][MG_N_GROUPS];
    enum mg_meter_state states[BED_METERS];
    unsigned n_states[BED_METERS];
    char event[BED_EVENT_MAX]; /* the last that bed_n_events has found */
};

/** Meters m0, m1, ... on bus b0, units 1, 2, ...; 1 s, 9600 baud, store. */
void bed_init(struct gateway_bed *bed, size_t n_meters);
/** Stops what runs. */
void bed_fini(struct gateway_bed *bed);

void bed_start(struct gateway_bed *bed);
/** Start, and wait until the polls have begun. */
void bed_run(struct gateway_bed *bed);
/** A clean stop. */
void bed_stop(struct gateway_bed *bed);
/** The process dies. What was handed over to the store is on the disk. */
void bed_kill(struct gateway_bed *bed);

/** Let time pass; the store keeps up, unless is_disk_slow. */
void bed_pass(struct gateway_bed *bed, uint64_t ms);
/** Wait until all that was handed over is on the disk. */
void bed_settle(struct gateway_bed *bed);

void bed_set_f32(struct bed_meter *fake, uint16_t address, double value);
/** Add a rule. */
void bed_rule(struct bed_meter *fake, uint8_t function, uint16_t first,
              uint16_t last, uint8_t exception);
void bed_set_serial(struct bed_meter *fake, const char *serial);
void bed_set_option(struct gateway_bed *bed, size_t meter, const char *name,
                    const char *text);
void bed_allow(struct gateway_bed *bed, size_t meter, const char *verb);

/** Give a command with a reply topic "r". */
void bed_command(struct gateway_bed *bed, const char *meter, const char *verb,
                 const char *payload);

/** Newest payload of a retained topic; "" when there is none. */
const char *bed_topic(struct gateway_bed *bed, const char *name);
unsigned bed_n_topic(struct gateway_bed *bed, const char *name);

/** How many requests of this meter so far. @param function  0: any */
unsigned bed_n_requests(const struct gateway_bed *bed, size_t meter,
                        uint8_t function, uint16_t address);

/** Events of this name in the outbox; all rows are checked: JSON, numbers. */
unsigned bed_n_events(struct gateway_bed *bed, const char *name);

/** For each reading in the outbox of a meter, in order. */
void bed_readings(struct gateway_bed *bed, size_t meter,
                  void (*each)(void *ctx, const char *json, size_t len),
                  void *ctx);

/** A member of a flat JSON object; fails when it is not there. */
int64_t bed_int(const char *json, const char *key);
/** @param ret  a string without its quotes */
void bed_text(const char *json, const char *key, char *ret, size_t cap);
bool bed_has(const char *json, const char *key);
void bed_assert_text(const char *json, const char *key, const char *expected);

#endif
