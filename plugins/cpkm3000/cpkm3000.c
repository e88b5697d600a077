/* ChargePoint CPKM3000: the signals of its DBC, and the constant that the
 * gateway loads. ChargePoint publishes no CAN layout; cpkm3000.dbc and the
 * messages are ours. See README.md. */
#include "cpkm3000.h"

#include "firmware.h"
#include "messages.h"
#include "options.h"

#define OURS "cpkm3000.dbc (invented)"

#define SIGNAL(quantity, phase, name_, variants_)                              \
    {                                                                          \
        .channel = MG_CH(quantity, phase), .name = (name_),                    \
        .variants = (variants_), .source = OURS                                \
    }
/* A value of the meter's three elements, under the lines that feed them. */
#define PER_ELEMENT(quantity, first, second, third)                            \
    SIGNAL(quantity, L1, first, CPKM3000_3PH),                                 \
        SIGNAL(quantity, L2, second, CPKM3000_3PH_123),                        \
        SIGNAL(quantity, L3, third, CPKM3000_3PH_123),                         \
        SIGNAL(quantity, L2, third, CPKM3000_3PH_132),                         \
        SIGNAL(quantity, L3, second, CPKM3000_3PH_132)

static const struct mg_signal SIGNALS[] = {
    SIGNAL(VOLTAGE, TOTAL, "MeterVoltages.VoltageL1", CPKM3000_1PH),
    PER_ELEMENT(VOLTAGE, "MeterVoltages.VoltageL1", "MeterVoltages.VoltageL2",
                "MeterVoltages.VoltageL3"),
    SIGNAL(CURRENT, TOTAL, "MeterCurrents.CurrentL1", CPKM3000_1PH),
    PER_ELEMENT(CURRENT, "MeterCurrents.CurrentL1", "MeterCurrents.CurrentL2",
                "MeterCurrents.CurrentL3"),
    SIGNAL(POWER_ACTIVE, TOTAL, "MeterTotals.PowerTotal", 0),
    PER_ELEMENT(POWER_ACTIVE, "MeterActivePower.PowerL1",
                "MeterActivePower.PowerL2", "MeterActivePower.PowerL3"),
    SIGNAL(POWER_REACTIVE, TOTAL, "MeterTotals.ReactiveTotal", 0),
    PER_ELEMENT(POWER_REACTIVE, "MeterReactivePower.ReactiveL1",
                "MeterReactivePower.ReactiveL2",
                "MeterReactivePower.ReactiveL3"),
    SIGNAL(POWER_FACTOR, TOTAL, "MeterTotals.PowerFactor", 0),
    SIGNAL(FREQUENCY, TOTAL, "MeterVoltages.Frequency", 0),
    SIGNAL(ENERGY_ACTIVE_IMPORT, TOTAL, "MeterEnergyPos.EnergyPos", 0),
    SIGNAL(ENERGY_ACTIVE_EXPORT, TOTAL, "MeterEnergyNeg.EnergyNeg", 0),
    SIGNAL(PULSES, TOTAL, "MeterImpulses.PulsesPos", 0),
    SIGNAL(PULSES_EXPORT, TOTAL, "MeterImpulses.PulsesNeg", 0),
    SIGNAL(RELAY_CLOSED, TOTAL, "MeterStatus.RelayClosed", 0),
    SIGNAL(EVSE_FAULT, TOTAL, "MeterStatus.EvseFault", 0),
    SIGNAL(ERROR_WORD, TOTAL, "MeterStatus.ErrorWord", 0),
    SIGNAL(TEMPERATURE, TOTAL, "MeterDiagnostics.Temperature", 0),
    SIGNAL(BOOTS, TOTAL, "MeterDiagnostics.Boots", 0),
};

/* Flex Series guide, chapter 4: the faults that the meter itself tells. */
static const struct mg_fault_bit FAULTS[] = {
    {0, "urn:fault:koala:acm-firmware-failed", false},
    {1, "urn:fault:koala:acm-firmware-failed", false},
    {2, "urn:fault:koala:acm-over-temp", false},
    {3, "urn:fault:koala:acm-temp-sensor-error", false},
    {4, "urn:fault:koala:acm-firmware-failed", true},
    {5, "urn:fault:metergate:welded-contact", false},
    {6, "urn:fault:koala:acm-firmware-failed", false},
    {7, "urn:fault:koala:acm-firmware-failed", false},
};

static const struct mg_can_driver CAN = {
    .dbc = "cpkm3000.dbc",
    .signals = SIGNALS,
    .n_signals = sizeof SIGNALS / sizeof *SIGNALS,
    .max_node = 31,
    .to_meter = {"MeterRequest"},
    .from_meter = {"MeterAnswer"},
    .identify = cpkm3000__identify,
    .identity = cpkm3000__identity,
    .ask_telegram = cpkm3000__ask_telegram,
    .telegram = cpkm3000__telegram,
    .faults = FAULTS,
    .n_faults = sizeof FAULTS / sizeof *FAULTS,
    .starting_current_ma = 25, /* guide, chapter 5 */
};

static const struct mg_driver DRIVER = {
    .timeout_ms = 1000, /* ours */
    .n_phases = 3,
    /* What can be measured, not what is allowed: 230 V and 32 A at most, and
     * an overload begins at 40 A (Flex Series guide, annex B). Ours. */
    .max_voltage_mv = 300000,
    .max_current_ma = 64000,
    .procedures = cpkm3000_procedures,
    .n_procedures = CPKM3000_N_PROCEDURES,
    .can = &CAN,
};

static unsigned variant(const void *options)
{
    const struct cpkm3000_options *o = options;
    if (o->variant == CPKM3000_ONE_PHASE || o->wiring == CPKM3000_WIRING_IT) {
        return 0;
    }
    return o->phase_map == CPKM3000_L1_L2_L3 ? 1 : 2;
}

static bool is_one_phase(const void *options)
{
    return variant(options) == 0;
}

/* Guide, "Environmental specifications" and "LED specifications"; ranges of
 * accuracy other than the class are not given. */
static const struct mg_rating RATING = {
    .classes = MG_CLASS_B,
    .voltage_mv = 230000,
    .frequency_mhz = 50000,
    .start_ma = 25,
    .min_ma = 250,
    .tr_ma = 500,
    .ref_ma = 5000,
    .max_ma = 32000,
    .impulses_per_kwh = 20000,
    .n_phases = 3,
    .one_phase_lane = 0,
    .is_one_phase = is_one_phase,
    .needs_l1 = true, /* "Voltage configurations" */
    .has_export = true,
    .min_degc = -25,
    .max_degc = 70,
    .register_step_mwh = 100, /* telegrams; the display has 10 Wh */
    .repeat_pulses = {5, 15, 100, 300},
    .source = "CPKM3000 guide, Environmental specifications",
    .repeat_source = "CPIM1000 manual, LED specifications: the same currents "
                     "and impulse constant",
    .note = "Ist 25 mA is what the guide says; class B of EN 50470-3 asks for "
            "at most 0.04 Itr = 20 mA",
};

extern const struct mg_plugin mg_plugin;

__attribute__((visibility("default"))) const struct mg_plugin mg_plugin = {
    .abi = MG_PLUGIN_ABI,
    .size = sizeof(struct mg_plugin),
    .model = "cpkm3000",
    .vendor = "Chargepoint Inc.",
    .description = "meter of the ChargePoint Flex Series, POS and NEG, 32 A, "
                   "signed energy telegrams (CAN layout ours)",
    .bus = MG_BUS_CAN,
    .capabilities = MG_CAP_RELAY | MG_CAP_FIRMWARE | MG_CAP_TELEGRAM |
                    MG_CAP_SEAL | MG_CAP_DUTIES,
    .options = cpkm3000_options,
    .n_options = CPKM3000_N_OPTIONS,
    .options_size = sizeof(struct cpkm3000_options),
    .variant = variant,
    .driver = &DRIVER,
    .firmware = &cpkm3000_firmware,
    .rating = &RATING,
};
