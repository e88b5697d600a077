/* metergate plugin SDK: error codes, channels, values.
 *
 * A channel says what a number is, whatever meter it came from: quantity,
 * phase, tariff and billing period packed into 32 bits. Values are int64 in
 * one fixed base unit per quantity; there is no floating point above the wire.
 */
#ifndef METERGATE_TYPES_H
#define METERGATE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Return codes of every fallible function: MG_OK or one of these. */
#define MG_ERRORS(X)                                                           \
    X(OK, 0, "ok")                                                             \
    X(E_INVAL, -1, "invalid argument")                                         \
    X(E_RANGE, -2, "out of range")                                             \
    X(E_NOSPC, -3, "no space left")                                            \
    X(E_NOSUP, -4, "not supported")                                            \
    X(E_PROTO, -5, "malformed data")                                           \
    X(E_TIMEOUT, -6, "no answer in time")                                      \
    X(E_EXCEPTION, -7, "refused by the meter")                                 \
    X(E_IO, -8, "input/output error")                                          \
    X(E_BUSY, -9, "busy")                                                      \
    X(E_DENIED, -10, "not allowed")                                            \
    X(E_NOTFOUND, -11, "not found")                                            \
    X(E_STATE, -12, "not possible in this state")                              \
    X(E_CANCELED, -13, "canceled")                                             \
    X(E_MISMATCH, -14, "read back differs")                                    \
    X(E_NOMEM, -15, "out of memory")

enum mg_code {
#define X(name, number, text) MG_##name = (number),
    MG_ERRORS(X)
#undef X
};

/* Units of the int64 values. The base unit is the 1e-3 of the SI unit unless
 * noted; `MG_UNIT_TEXT` values live in the text area of a sample. */
enum mg_unit {
    MG_UNIT_MWH,     /* 1e-3 Wh */
    MG_UNIT_MVARH,   /* 1e-3 varh */
    MG_UNIT_MVAH,    /* 1e-3 VAh */
    MG_UNIT_MW,      /* 1e-3 W */
    MG_UNIT_MVAR,    /* 1e-3 var */
    MG_UNIT_MVA,     /* 1e-3 VA */
    MG_UNIT_MV,      /* 1e-3 V */
    MG_UNIT_MA,      /* 1e-3 A */
    MG_UNIT_MHZ,     /* 1e-3 Hz */
    MG_UNIT_MDEGC,   /* 1e-3 degree Celsius */
    MG_UNIT_PF,      /* 1e-4, power factor, signed by direction of energy */
    MG_UNIT_CDEG,    /* 1e-2 degree of angle */
    MG_UNIT_CPCT,    /* 1e-2 percent */
    MG_UNIT_COUNT,   /* a plain number */
    MG_UNIT_BOOL,    /* 0 or 1 */
    MG_UNIT_BITS,    /* bit field */
    MG_UNIT_SECONDS, /* a duration */
    MG_UNIT_UNIX_S,  /* seconds since 1970-01-01 UTC, the meter's own clock */
    MG_UNIT_TEXT     /* UTF-8 text; value = offset << 16 | length */
};

/* What may be expected of a value from one reading to the next. */
enum mg_kind {
    MG_KIND_COUNTER, /* never goes down within a register epoch */
    MG_KIND_AMOUNT,  /* grows within a billing period, then starts again */
    MG_KIND_GAUGE,   /* moves freely */
    MG_KIND_STATE    /* switches, bits, settings, identification */
};

/* Quantities: X(id, key, unit, kind). The key is the first part of the JSON
 * member; core/model/channel.c holds the OBIS codes. Append only. */
#define MG_QUANTITIES(X)                                                       \
    X(VOLTAGE, "voltage", MV, GAUGE)                                           \
    X(VOLTAGE_LL, "voltage_ll", MV, GAUGE)                                     \
    X(CURRENT, "current", MA, GAUGE)                                           \
    X(POWER_ACTIVE, "power_active", MW, GAUGE)                                 \
    X(POWER_REACTIVE, "power_reactive", MVAR, GAUGE)                           \
    X(POWER_APPARENT, "power_apparent", MVA, GAUGE)                            \
    X(POWER_FACTOR, "power_factor", PF, GAUGE)                                 \
    X(FREQUENCY, "frequency", MHZ, GAUGE)                                      \
    X(PHASE_ANGLE, "phase_angle", CDEG, GAUGE)                                 \
    X(THD_VOLTAGE, "thd_voltage", CPCT, GAUGE)                                 \
    X(THD_CURRENT, "thd_current", CPCT, GAUGE)                                 \
    X(DEMAND_APPARENT, "demand_apparent", MVA, GAUGE)                          \
    X(TEMPERATURE, "temperature", MDEGC, GAUGE)                                \
    X(ENERGY_ACTIVE, "energy_active", MWH, COUNTER)                            \
    X(ENERGY_ACTIVE_IMPORT, "energy_active_import", MWH, COUNTER)              \
    X(ENERGY_ACTIVE_EXPORT, "energy_active_export", MWH, COUNTER)              \
    X(ENERGY_REACTIVE, "energy_reactive", MVARH, COUNTER)                      \
    X(ENERGY_REACTIVE_IMPORT, "energy_reactive_import", MVARH, COUNTER)        \
    X(ENERGY_REACTIVE_EXPORT, "energy_reactive_export", MVARH, COUNTER)        \
    X(ENERGY_APPARENT, "energy_apparent", MVAH, COUNTER)                       \
    X(PULSES, "pulses", COUNT, COUNTER)                                        \
    X(RELAY_CLOSED, "relay_closed", BOOL, STATE)                               \
    X(DIGITAL_INPUT, "digital_input", BOOL, STATE)                             \
    X(ERROR_WORD, "error_word", BITS, STATE)                                   \
    X(METER_CLOCK, "meter_clock", UNIX_S, GAUGE)                               \
    X(BUS_ADDRESS, "bus_address", COUNT, STATE)                                \
    X(BAUD, "baud", COUNT, STATE)                                              \
    X(SERIAL, "serial", TEXT, STATE)                                           \
    X(MODEL, "model", TEXT, STATE)                                             \
    X(VERSION, "version", TEXT, STATE)                                         \
    /* A meter that signs: what it keeps of the charging transaction. */       \
    X(SESSION_STATE, "session_state", COUNT, STATE)                            \
    X(SESSION_DURATION, "session_duration", SECONDS, GAUGE)                    \
    X(SESSION_ENERGY, "session_energy", MWH, GAUGE)                            \
    X(SIGNATURE_STATUS, "signature_status", COUNT, STATE)                      \
    X(SIGNATURES, "signatures", COUNT, COUNTER)                                \
    X(FISCAL_READINGS, "fiscal_readings", COUNT, COUNTER)                      \
    X(TARIFF_CHANGES, "tariff_changes", COUNT, GAUGE)                          \
    X(INTERMEDIATE_READINGS, "intermediate_readings", COUNT, GAUGE)            \
    X(START_TIME, "start_time", UNIX_S, GAUGE)                                 \
    X(START_ENERGY, "start_energy", MWH, GAUGE)                                \
    X(STOP_TIME, "stop_time", UNIX_S, GAUGE)                                   \
    X(STOP_ENERGY, "stop_energy", MWH, GAUGE)                                  \
    X(TARIFF_TIME, "tariff_time", UNIX_S, GAUGE)                               \
    X(TARIFF_ENERGY, "tariff_energy", MWH, GAUGE)                              \
    X(INTERMEDIATE_TIME, "intermediate_time", UNIX_S, GAUGE)                   \
    X(INTERMEDIATE_ENERGY, "intermediate_energy", MWH, GAUGE)                  \
    X(FISCAL_TIME, "fiscal_time", UNIX_S, GAUGE)                               \
    X(FISCAL_ENERGY, "fiscal_energy", MWH, GAUGE)                              \
    X(HOLD_TIME, "hold_time", UNIX_S, GAUGE)                                   \
    X(HOLD_ENERGY, "hold_energy", MWH, GAUGE)                                  \
    X(SUSPEND_TIME, "suspend_time", UNIX_S, GAUGE)                             \
    X(SUSPEND_ENERGY, "suspend_energy", MWH, GAUGE)                            \
    X(CLOCK_STATUS, "clock_status", COUNT, STATE)                              \
    X(SIGNATURE_ALGORITHM, "signature_algorithm", COUNT, STATE)                \
    X(OCMF_VERSION, "ocmf_version", COUNT, STATE)                              \
    /* A meter within a charging station. */                                   \
    X(PART_NUMBER, "part_number", TEXT, STATE)                                 \
    X(UDID, "udid", TEXT, STATE)                                               \
    X(LRS_VERSION, "lrs_version", TEXT, STATE)                                 \
    X(LRS_HASH, "lrs_hash", TEXT, STATE)                                       \
    X(EVSE_FAULT, "evse_fault", BOOL, STATE)                                   \
    X(PULSES_EXPORT, "pulses_export", COUNT, COUNTER)                          \
    X(BOOTS, "boots", COUNT, STATE)                                            \
    X(TEMPERATURE_AMBIENT, "temperature_ambient", MDEGC, GAUGE)                \
    X(SOFTWARE_HASH, "software_hash", TEXT, STATE)

enum mg_quantity {
#define X(id, key, unit, kind) MG_Q_##id,
    MG_QUANTITIES(X)
#undef X
        MG_N_QUANTITIES
};

enum mg_phase {
    MG_PHASE_TOTAL, /* the meter as a whole, or its only phase */
    MG_PHASE_L1,    /* for VOLTAGE_LL: L1-L2 */
    MG_PHASE_L2,    /* L2-L3 */
    MG_PHASE_L3,    /* L3-L1 */
    MG_PHASE_N
};

#define MG_N_TARIFFS 8  /* tariff 0 is the total, 1..8 are rates */
#define MG_N_MONTHS  12 /* settlement months kept in the schema */

/* Billing period of an energy: the register since ever, the period that is
 * running, or the n-th one before it (1..MG_N_MONTHS). */
enum mg_period { MG_PERIOD_EVER = 0, MG_PERIOD_CURRENT = 1 };
#define MG_PERIOD_PREVIOUS(n) (MG_PERIOD_CURRENT + (n))

/* A channel: quantity << 24 | phase << 20 | tariff << 16 | period << 8. */
typedef uint32_t mg_channel;

#define MG_CHANNEL(quantity, phase, tariff, period)                            \
    ((mg_channel)(quantity) << 24 | (mg_channel)(phase) << 20 |                \
     (mg_channel)(tariff) << 16 | (mg_channel)(period) << 8)
/* The common case: MG_CH(VOLTAGE, L1). */
#define MG_CH(quantity, phase)                                                 \
    MG_CHANNEL(MG_Q_##quantity, MG_PHASE_##phase, 0, MG_PERIOD_EVER)

static inline enum mg_quantity mg_channel_quantity(mg_channel c)
{
    return (enum mg_quantity)(c >> 24);
}

static inline unsigned mg_channel_phase(mg_channel c)
{
    return c >> 20 & 0xf;
}

static inline unsigned mg_channel_tariff(mg_channel c)
{
    return c >> 16 & 0xf;
}

static inline unsigned mg_channel_period(mg_channel c)
{
    return c >> 8 & 0xff;
}

/* Quality of one value. Only GOOD values are ever published as readings. */
enum mg_quality {
    MG_QUALITY_GOOD,
    MG_QUALITY_MISSING,     /* not asked, or no answer */
    MG_QUALITY_INVALID,     /* the register holds no number (NaN, sentinel) */
    MG_QUALITY_IMPLAUSIBLE, /* a number that cannot be true */
    MG_QUALITY_STALE        /* older than the meter's poll interval allows */
};

struct mg_value {
    mg_channel channel;
    uint8_t quality;    /* enum mg_quality */
    int64_t value;      /* base units of the channel */
    int64_t resolution; /* step of the register at this value, base units,
                         * at least 1; 0 = not known */
};

/* State of the clock that stamped something; the letters are OCMF's. */
enum mg_clock_sync {
    MG_CLOCK_UNSYNC = 'U',
    MG_CLOCK_INFORMATIVE = 'I',
    MG_CLOCK_SYNCED = 'S',
    MG_CLOCK_RELATIVE = 'R'
};

#endif
