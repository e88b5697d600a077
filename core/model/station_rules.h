/* Smaller duties of a charging station, as rules over readings: voltage out of
 * range, currents badly distributed, and when a meter was without power. Pure.
 * The Flex Series guide names the faults but no numbers: the limits are ours.
 */
#ifndef MG_MODEL_STATION_RULES_H
#define MG_MODEL_STATION_RULES_H

#include "metergate/types.h"

/* ---- A condition that must last ---- */

/** All zero: not there. Times are monotonic milliseconds. */
struct mg_condition {
    bool is_there;    /* the fault is to be raised */
    bool is_turning;  /* the readings say otherwise since since_ms */
    int64_t since_ms; /* first reading that says otherwise */
};

/* ---- Voltage: input-overvoltage, input-undervoltage ---- */

/* Of the nominal voltage, in per mille: the range in which meters of this kind
 * measure is -20 % to +15 % (WM3M4C manual, technical data; the CPKM3000 guide
 * gives none). Ours: 2 % back inside it ends the fault, each after 3 s. */
#define MG_VOLTAGE_OVER_PM    1150
#define MG_VOLTAGE_UNDER_PM   800
#define MG_VOLTAGE_BACK_PM    20
#define MG_VOLTAGE_LAST_MS    3000
#define MG_VOLTAGE_NOMINAL_MV 230000 /* CPKM3000: phase to neutral */

struct mg_voltage_watch {
    struct mg_condition over, under;
};

/** A sample: any phase above, any phase below.
 *  @param nominal_mv  above 0
 *  @param voltage_mv  of the phases that the installation has
 *  @return true: over.is_there or under.is_there has changed */
bool mg_voltage_watch_sample(struct mg_voltage_watch *watch, int64_t nominal_mv,
                             const int64_t *voltage_mv, unsigned n_phases,
                             int64_t now_ms);

/* ---- Distribution: circuit-distribution-error ---- */

/* Ours, after the 4.6 kVA (20 A) that VDE-AR-N 4100 allows between phases, a
 * mean of a minute; 2 A less ends it. */
#define MG_BALANCE_LIMIT_MA 20000
#define MG_BALANCE_BACK_MA  2000
#define MG_BALANCE_LAST_MS  60000

/** A sample: the currents of two phases differ by more than limit_ma.
 *  @param current_ma  magnitudes; one phase alone is always balanced
 *  @param limit_ma    above MG_BALANCE_BACK_MA; 0: never
 *  @return true: is_there has changed */
bool mg_balance_sample(struct mg_condition *condition, int64_t limit_ma,
                       const int64_t *current_ma, unsigned n_phases,
                       int64_t now_ms);

/* ---- Power: how long a meter was off ---- */

/** All zero: no meter yet. Plain data, to be stored now and then: a last_ms
 *  that is too old makes the time off too long. */
struct mg_power_watch {
    bool is_known;
    uint32_t boot;   /* how often the meter has started */
    int64_t last_ms; /* when it was heard last */
};

/** It was heard.
 *  @param boot       its number of starts
 *  @param uptime_ms  since its start
 *  @param now_ms     UTC, since it must span a restart of the gateway that went
 *                    off with it
 *  @return how long it was off, at most, when it has started since it was heard
 *  last; -1: it has not, or was never heard */
int64_t mg_power_watch_heard(struct mg_power_watch *watch, uint32_t boot,
                             uint64_t uptime_ms, int64_t now_ms);

#endif
