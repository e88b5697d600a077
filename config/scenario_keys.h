/* What the keys of a scenario are read into, before names become indexes.
 * Private to config/scenario*.c. */
#ifndef MG_CONFIG_SCENARIO_KEYS_H
#define MG_CONFIG_SCENARIO_KEYS_H

#include "config/keys.h"
#include "sim/scenario.h"

struct mg_raw_vehicle {
    struct mg_sim_vehicle v;
    uint32_t pf_1e4;
    bool is_capacitive;
};

struct mg_raw_session {
    struct mg_sim_session s;
    char meter[MG_ID_MAX], vehicle[MG_ID_MAX];
};

struct mg_raw_net {
    struct mg_sim_net_event e;
    uint32_t per_hour;
    char meter[MG_ID_MAX];
};

/* Values of the key `type` of `faults`. */
enum mg_raw_fault_type {
    MG_RAW_POWER_LOSS,
    MG_RAW_RESET,
    MG_RAW_NV_SLOT,
    MG_RAW_NV_ALL,
    MG_RAW_CLOCK,
    MG_RAW_NAN,
    MG_RAW_CRYPTO,
    MG_RAW_WELDED,
    MG_RAW_TEMPERATURE,
    MG_RAW_SENSOR,
    MG_RAW_TELEGRAM,
    MG_RAW_IMAGE,
    MG_RAW_PHASE_LOSS,
    MG_RAW_TAMPER,
    MG_RAW_INPUT,
    MG_RAW_REQUEST,
    MG_RAW_TARIFFS,
    MG_RAW_UPDATE
};

struct mg_raw_fault {
    uint32_t type; /* enum mg_raw_fault_type */
    struct mg_sim_when when;
    uint32_t per_hour, share;
    uint8_t phase;
    char meter[MG_ID_MAX];
    char pdu[2 * MG_SIM_REQUEST_MAX + 1];
    char schedule[128];
};

struct mg_raw_wire {
    uint32_t type; /* enum mg_sim_wire */
    struct mg_sim_when when;
    uint32_t per_hour, chance;
    char bus[MG_ID_MAX];
};

/* scenario_keys.c; the others in scenario_keys_events.c */
extern const struct mg_section mg_section_scenario, mg_section_net,
    mg_section_fault, mg_section_wire;

#define MG_SCN_PERIODS_MAX 12

/** Start and rate (1..9) of each part of a day, the earliest first:
 *  "06:00 1, 22:00 2". @return how many; 0: it is no such text */
size_t mg_scn_periods(const char *text,
                      struct mg_fw_period ret[MG_SCN_PERIODS_MAX]);

#endif
