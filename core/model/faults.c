#include "model/faults.h"

#include <string.h>

#define KOALA "urn:fault:koala:"

/* Host texts that the guide gives to several rows. */
#define IF_IT_STAYS     " Contact support if it does not go away."
#define SEE_DIAGNOSTICS "See the station's diagnostics."

/* One row: id, severity, latch, source, whether it blocks sessions, texts. The
 * guide says how ac-over-current (annex B), both DC ground faults and a welded
 * contact end; that the others go with their cause is ours, and so is that a
 * bad cable must be unplugged. */
#define ROW(number, urn, how_bad, how_long, who, blocks, what, shown)          \
    [MG_FAULT_##number] = {.id = (urn),                                        \
                           .severity = MG_FAULT_##how_bad,                     \
                           .latch = MG_FAULT_##how_long,                       \
                           .source = MG_FAULT_OF_##who,                        \
                           .blocks_sessions = (blocks),                        \
                           .description = (what),                              \
                           .host_text = (shown)}

static const struct mg_fault_row rows[MG_N_FAULTS] = {
    ROW(INPUT_OVERVOLTAGE, KOALA "input-overvoltage", MAJOR, UNLATCHED, GATEWAY,
        false, "The mains voltage measured is too high",
        "Mains voltage too high." IF_IT_STAYS),
    ROW(INPUT_UNDERVOLTAGE, KOALA "input-undervoltage", MAJOR, UNLATCHED,
        GATEWAY, false, "The mains voltage measured is too low",
        "Mains voltage too low." IF_IT_STAYS),
    ROW(UNABLE_PROVIDE_VENTILATION, KOALA "unable-provide-ventilation", MAJOR,
        UNLATCHED, STATION, false,
        "The vehicle asks for ventilation, which the station does not have",
        "This station offers no ventilation." IF_IT_STAYS),
    ROW(ACS_HARDWARE_ERROR, KOALA "acs-hardware-error", CRITICAL, UNLATCHED,
        STATION, true,
        "A component is missing or has failed: charging was broken off",
        SEE_DIAGNOSTICS),
    ROW(ACB_SELF_TEST_FAIL, KOALA "acb-self-test-fail", CRITICAL, UNLATCHED,
        STATION, true,
        "The ACB board failed its self-test: charging was broken off",
        SEE_DIAGNOSTICS),
    ROW(ACB_FIRMWARE_FAILED, KOALA "acb-firmware-failed", CRITICAL, UNLATCHED,
        STATION, true,
        "The ACB board's firmware has failed: charging was broken off",
        SEE_DIAGNOSTICS),
    ROW(ACB_OVER_TEMP, KOALA "acb-over-temp", MINOR, UNLATCHED, STATION, false,
        "A critical part of the ACB board is hotter than it may be",
        "ACB too hot." IF_IT_STAYS),
    ROW(ACB_TEMP_SENSOR_ERROR, KOALA "acb-temp-sensor-error", MINOR, UNLATCHED,
        STATION, false, "A temperature sensor of the ACB board has failed",
        "Fault of the ACB temperature sensor." IF_IT_STAYS),
    ROW(ACM_TEMP_SENSOR_ERROR, KOALA "acm-temp-sensor-error", MINOR, UNLATCHED,
        METER, false, "The temperature sensor of the meter (ACM) has failed",
        "Fault of the ACM temperature sensor." IF_IT_STAYS),
    ROW(ACM_OVER_TEMP, KOALA "acm-over-temp", MINOR, UNLATCHED, METER, false,
        "A critical part of the meter (ACM) is hotter than it may be",
        "ACM too hot." IF_IT_STAYS),
    ROW(CPCM_OVER_TEMP, KOALA "cpcm-over-temp", MINOR, UNLATCHED, STATION,
        false, "A critical part of the CPCM board is hotter than it may be",
        "CPCM too hot." IF_IT_STAYS),
    ROW(BKPLT_OVER_TEMP, KOALA "bkplt-over-temp", MINOR, UNLATCHED, STATION,
        false, "The input terminals of the back plate are too hot",
        "Back plate too hot." IF_IT_STAYS),
    ROW(CAN_BUS_ERROR, KOALA "can-bus-error", MINOR, UNLATCHED, GATEWAY, false,
        "The CAN bus to the meter does not work", "CAN bus error." IF_IT_STAYS),
    ROW(PILOT_FAULT, KOALA "pilot-fault", MAJOR, UNLATCHED, STATION, false,
        "The control pilot's voltage is outside its range; the pilot diode of "
        "the vehicle may be broken",
        "Fault of the control pilot." IF_IT_STAYS),
    ROW(EICHRECHT_METER_MISMATCH, KOALA "eichrecht-meter-mismatch", CRITICAL,
        UNLATCHED, GATEWAY, true,
        "Station and meter are not the pair that was sealed to each other",
        "The station's identity could not be verified. Please call support."),
    ROW(FRONTPLATE_TAMPER_DETECT, KOALA "frontplate-tamper-detect", MAJOR,
        UNLATCHED, STATION, false, "Somebody has tampered with the front plate",
        "Tampering with the front plate detected." IF_IT_STAYS),
    ROW(BACKPLATE_TAMPER_DETECT, KOALA "backplate-tamper-detect", MAJOR,
        UNLATCHED, STATION, false, "Somebody has tampered with the back plate",
        "Tampering with the back plate detected." IF_IT_STAYS),
    ROW(SIGNATURE_VERIFICATION_FAILED, KOALA "signature-verification-failed",
        CRITICAL, UNLATCHED, GATEWAY, true,
        "The signature of data from the meter is not right",
        "The signature of the meter's data could not be verified."),
    ROW(AC_OVER_CURRENT, KOALA "ac-over-current", MAJOR, UNTIL_POWER_CYCLED,
        GATEWAY, true,
        "The current was too high again after every attempt to resume",
        "Fault of the AC power. Please call support."),
    ROW(AC_OVER_CURRENT_SOFT, KOALA "ac-over-current-soft", MINOR, UNLATCHED,
        GATEWAY, false,
        "The current was too high; charging resumes in a few seconds",
        "Current too high; it will be tried again."),
    ROW(CIRCUIT_DISTRIBUTION_ERROR, KOALA "circuit-distribution-error", MINOR,
        UNLATCHED, GATEWAY, false,
        "The currents of the circuits differ by more than they may",
        "The load is badly distributed." IF_IT_STAYS),
    ROW(ACS_COMMS_FAULT, KOALA "acs-comms-fault", MAJOR, UNLATCHED, STATION,
        false, "The CPCM board does not reach the ACS",
        "No connection to the ACS." IF_IT_STAYS),
    ROW(WIREDCOMSS_UPDATE_FAILED, KOALA "wiredcomss-update-failed", MAJOR,
        UNLATCHED, STATION, false,
        "The update of the wired communication failed: charging was broken off",
        SEE_DIAGNOSTICS),
    ROW(ACM_COMMS_LOSS, KOALA "acm-comms-loss", CRITICAL, UNLATCHED, GATEWAY,
        true, "The meter (ACM) is not heard any more",
        "No connection to the ACM. Call customer service."),
    ROW(LCD_COMMS_LOSS, KOALA "lcd-comms-loss", CRITICAL, UNLATCHED, STATION,
        true, "The display is not heard any more",
        "No connection to the display. Call customer service."),
    ROW(ACM_FIRMWARE_FAILED, KOALA "acm-firmware-failed", CRITICAL, UNLATCHED,
        METER, true,
        "The firmware of the meter (ACM) has failed: charging was broken off",
        SEE_DIAGNOSTICS),
    ROW(DIFF_COIL_FAULT, KOALA "diff-coil-fault", MAJOR, UNLATCHED, STATION,
        false, "The coil that measures the residual current has failed",
        "Fault of the residual-current coil." IF_IT_STAYS),
    ROW(DC_GROUND_FAULT, KOALA "dc-ground-fault", MAJOR, UNLATCHED, STATION,
        false, "A direct current flows to earth",
        "Direct current to earth: the relays are open. This ends in 10 "
        "seconds."),
    ROW(CHASSIS_REQUIRED_DEVICES_NOT_FOUND,
        KOALA "chassis-required-devices-not-found", CRITICAL, UNLATCHED,
        STATION, true,
        "The chassis server waits for devices that are not ready",
        "Contact customer service."),
    ROW(DC_GROUND_FAULT_NONRECOVERABLE, KOALA "dc-ground-fault-nonrecoverable",
        MAJOR, UNTIL_UNPLUGGED, STATION, true,
        "A direct current flows to earth",
        "Direct current to earth that does not end by itself. Unplug the "
        "vehicle to start again."),
    ROW(CABLE_CUT_DETECTED, KOALA "cable-cut-detected", CRITICAL, UNLATCHED,
        STATION, true, "The charging cable has been cut",
        "The charging cable has been cut. Contact support."),
    ROW(INVALID_CABLE_DETECTED, KOALA "invalid-cable-detected", MAJOR,
        UNTIL_UNPLUGGED, STATION, true,
        "Charging would be dangerous, for example because the cable is bad",
        "A faulty cable cannot be used for charging."),
    ROW(SMART_METER_COMMS_LOSS, KOALA "smart-meter-comms-loss", MAJOR,
        UNLATCHED, STATION, false, "The site's smart meter is not heard",
        "No connection to the smart meter. Contact support."),
    ROW(SMART_METER_OVERLOAD, KOALA "smart-meter-overload", MAJOR, UNLATCHED,
        STATION, false, "The site's smart meter reports an overload",
        "Overload at the smart meter."),
    ROW(ENWG_GRID_SUSPEND, KOALA "enwg-grid-suspend", MAJOR, UNLATCHED, STATION,
        false,
        "The grid operator has suspended charging (German Energy Industry Act, "
        "EnWG)",
        "The grid operator has suspended charging."),
    [MG_FAULT_WELDED_CONTACT] =
        {.id = "urn:fault:metergate:welded-contact",
         .severity = MG_FAULT_CRITICAL,
         .latch = MG_FAULT_UNTIL_SERVICED,
         .source = MG_FAULT_OF_GATEWAY,
         .blocks_sessions = true,
         .is_ours = true,
         .description = "The contact is open but a current flows: it is welded",
         .host_text = "Unplug the vehicle and put the connector back. Do not "
                      "touch its contacts. Call support."},
};

_Static_assert(MG_N_FAULTS <= 64, "struct mg_fault_set has one bit for each");

const struct mg_fault_row *mg_fault_row(unsigned id)
{
    return id < MG_N_FAULTS ? &rows[id] : NULL;
}

int mg_fault_find(const char *urn, enum mg_fault_id *ret_id)
{
    for (unsigned i = 0; i < MG_N_FAULTS; i++) {
        if (strcmp(rows[i].id, urn) == 0) {
            *ret_id = (enum mg_fault_id)i;
            return MG_OK;
        }
    }
    return MG_E_NOTFOUND;
}

const char *mg_fault_severity_text(uint8_t severity)
{
    static const char *const texts[] = {"minor", "major", "critical"};
    return severity <= MG_FAULT_CRITICAL ? texts[severity] : "?";
}

const char *mg_fault_latch_text(uint8_t latch)
{
    static const char *const texts[] = {"no", "until unplugged",
                                        "until power cycled", "until serviced"};
    return latch <= MG_FAULT_UNTIL_SERVICED ? texts[latch] : "?";
}

const char *mg_fault_source_text(uint8_t source)
{
    static const char *const texts[] = {"meter", "gateway", "station"};
    return source <= MG_FAULT_OF_STATION ? texts[source] : "?";
}

static uint64_t bit(enum mg_fault_id id)
{
    return (unsigned)id < MG_N_FAULTS ? UINT64_C(1) << id : 0;
}

bool mg_fault_is_active(const struct mg_fault_set *set, enum mg_fault_id id)
{
    return (set->active & bit(id)) != 0;
}

bool mg_fault_raise(struct mg_fault_set *set, enum mg_fault_id id)
{
    uint64_t before = set->active;
    set->active |= bit(id);
    return set->active != before;
}

bool mg_fault_reset(struct mg_fault_set *set, enum mg_fault_id id)
{
    uint64_t before = set->active;
    set->active &= ~bit(id);
    return set->active != before;
}

bool mg_fault_clear(struct mg_fault_set *set, enum mg_fault_id id)
{
    const struct mg_fault_row *row = mg_fault_row(id);
    return row != NULL && row->latch == MG_FAULT_UNLATCHED &&
           mg_fault_reset(set, id);
}

bool mg_fault_follow(struct mg_fault_set *set, enum mg_fault_id id,
                     bool is_present)
{
    return is_present ? mg_fault_raise(set, id) : mg_fault_clear(set, id);
}

static bool is_released(uint8_t latch, enum mg_fault_release release)
{
    switch (release) {
    case MG_FAULT_AT_RESTART:
        return latch == MG_FAULT_UNLATCHED;
    case MG_FAULT_AT_UNPLUG:
        return latch == MG_FAULT_UNTIL_UNPLUGGED;
    case MG_FAULT_AT_POWER_CYCLE:
        return latch != MG_FAULT_UNTIL_SERVICED;
    case MG_FAULT_AT_SERVICE:
        return latch != MG_FAULT_UNLATCHED;
    }
    return false;
}

struct mg_fault_set mg_fault_release(struct mg_fault_set *set,
                                     enum mg_fault_release release)
{
    struct mg_fault_set kept = {0}, released = {0};
    for (unsigned i = 0; i < MG_N_FAULTS; i++) {
        uint64_t mask = set->active & bit((enum mg_fault_id)i);
        if (is_released(rows[i].latch, release)) {
            released.active |= mask;
        } else {
            kept.active |= mask;
        }
    }
    *set = kept;
    return released;
}

const struct mg_fault_row *mg_fault_blocking(const struct mg_fault_set *set)
{
    const struct mg_fault_row *worst = NULL;
    for (unsigned i = 0; i < MG_N_FAULTS; i++) {
        if (mg_fault_is_active(set, (enum mg_fault_id)i) &&
            rows[i].blocks_sessions &&
            (worst == NULL || rows[i].severity > worst->severity)) {
            worst = &rows[i];
        }
    }
    return worst;
}
