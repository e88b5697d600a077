/* The faults of a charging station: what there is to know about each, and the
 * set of those that one meter's station has. Pure.
 *
 * The rows are those of the Flex Series operating and maintenance guide,
 * chapter 4, all 35, ids verbatim (`wiredcomss` too); texts in our own words. A
 * welded contact has no id there: the row after them is ours. */
#ifndef MG_MODEL_FAULTS_H
#define MG_MODEL_FAULTS_H

#include "metergate/types.h"

/* In the order of the guide. Sets are stored by these numbers: append only. */
enum mg_fault_id {
    MG_FAULT_INPUT_OVERVOLTAGE,
    MG_FAULT_INPUT_UNDERVOLTAGE,
    MG_FAULT_UNABLE_PROVIDE_VENTILATION,
    MG_FAULT_ACS_HARDWARE_ERROR,
    MG_FAULT_ACB_SELF_TEST_FAIL,
    MG_FAULT_ACB_FIRMWARE_FAILED,
    MG_FAULT_ACB_OVER_TEMP,
    MG_FAULT_ACB_TEMP_SENSOR_ERROR,
    MG_FAULT_ACM_TEMP_SENSOR_ERROR,
    MG_FAULT_ACM_OVER_TEMP,
    MG_FAULT_CPCM_OVER_TEMP,
    MG_FAULT_BKPLT_OVER_TEMP,
    MG_FAULT_CAN_BUS_ERROR,
    MG_FAULT_PILOT_FAULT,
    MG_FAULT_EICHRECHT_METER_MISMATCH,
    MG_FAULT_FRONTPLATE_TAMPER_DETECT,
    MG_FAULT_BACKPLATE_TAMPER_DETECT,
    MG_FAULT_SIGNATURE_VERIFICATION_FAILED,
    MG_FAULT_AC_OVER_CURRENT,
    MG_FAULT_AC_OVER_CURRENT_SOFT,
    MG_FAULT_CIRCUIT_DISTRIBUTION_ERROR,
    MG_FAULT_ACS_COMMS_FAULT,
    MG_FAULT_WIREDCOMSS_UPDATE_FAILED,
    MG_FAULT_ACM_COMMS_LOSS,
    MG_FAULT_LCD_COMMS_LOSS,
    MG_FAULT_ACM_FIRMWARE_FAILED,
    MG_FAULT_DIFF_COIL_FAULT,
    MG_FAULT_DC_GROUND_FAULT,
    MG_FAULT_CHASSIS_REQUIRED_DEVICES_NOT_FOUND,
    MG_FAULT_DC_GROUND_FAULT_NONRECOVERABLE,
    MG_FAULT_CABLE_CUT_DETECTED,
    MG_FAULT_INVALID_CABLE_DETECTED,
    MG_FAULT_SMART_METER_COMMS_LOSS,
    MG_FAULT_SMART_METER_OVERLOAD,
    MG_FAULT_ENWG_GRID_SUSPEND,
    MG_FAULT_WELDED_CONTACT, /* ours */
    MG_N_FAULTS
};

enum mg_fault_severity { MG_FAULT_MINOR, MG_FAULT_MAJOR, MG_FAULT_CRITICAL };

/* How long a fault stays when its cause has gone. */
enum mg_fault_latch {
    MG_FAULT_UNLATCHED,          /* it goes with its cause */
    MG_FAULT_UNTIL_UNPLUGGED,    /* the vehicle */
    MG_FAULT_UNTIL_POWER_CYCLED, /* off for at least a minute */
    MG_FAULT_UNTIL_SERVICED      /* kept across restarts and power cycles */
};

/* Who can know of it. What only the station's own boards can know is carried
 * as data and never raised by the gateway. */
enum mg_fault_source {
    MG_FAULT_OF_METER,   /* bits of the meter's status word */
    MG_FAULT_OF_GATEWAY, /* seen in readings, telegrams, or on the bus */
    MG_FAULT_OF_STATION  /* the station's boards */
};

struct mg_fault_row {
    const char *id; /* "urn:fault:koala:input-overvoltage" */
    uint8_t severity, latch, source;
    bool blocks_sessions;    /* none may start while it is active: all critical
                              * ones, and those that end charging for good */
    bool is_ours;            /* not a row of the guide */
    const char *description; /* for the operator */
    const char *host_text;   /* for who stands before the station */
};

/** @return borrowed for ever; NULL from MG_N_FAULTS on */
const struct mg_fault_row *mg_fault_row(unsigned id);

/** By the whole id. @return MG_OK; MG_E_NOTFOUND */
int mg_fault_find(const char *urn, enum mg_fault_id *ret_id);

/** "minor"; "until unplugged"; "gateway": for people and programs. */
const char *mg_fault_severity_text(uint8_t severity);
const char *mg_fault_latch_text(uint8_t latch);
const char *mg_fault_source_text(uint8_t source);

/* ---- The faults of one meter ---- */

/** All zero: none. Plain data, to be stored whenever it changes. */
struct mg_fault_set {
    uint64_t active; /* bit = enum mg_fault_id */
};

bool mg_fault_is_active(const struct mg_fault_set *set, enum mg_fault_id id);

/** @return true: it was not active before, so it is to be reported */
bool mg_fault_raise(struct mg_fault_set *set, enum mg_fault_id id);

/** The cause has gone. @return true: the fault was active and has gone with
 *  it; false: it was not active, or is latched and stays */
bool mg_fault_clear(struct mg_fault_set *set, enum mg_fault_id id);

/** Raise or clear. @return true: the set has changed */
bool mg_fault_follow(struct mg_fault_set *set, enum mg_fault_id id,
                     bool is_present);

/* What ends faults by itself. */
enum mg_fault_release {
    MG_FAULT_AT_RESTART,     /* of the gateway: only what is latched is known to
                              * be true still; bits that mean nothing go too */
    MG_FAULT_AT_UNPLUG,      /* of the vehicle: faults latched until then */
    MG_FAULT_AT_POWER_CYCLE, /* of a minute at least: all but those kept */
    MG_FAULT_AT_SERVICE      /* every latched one: somebody has been there */
};

/** @return the faults that were active and have gone. A cause that is still
 *  there raises its fault again. */
struct mg_fault_set mg_fault_release(struct mg_fault_set *set,
                                     enum mg_fault_release release);

/** Service reset of one fault. @return true: it was active */
bool mg_fault_reset(struct mg_fault_set *set, enum mg_fault_id id);

/** The most severe active fault that lets no session start.
 *  @return borrowed for ever; NULL: sessions may start */
const struct mg_fault_row *mg_fault_blocking(const struct mg_fault_set *set);

#endif
