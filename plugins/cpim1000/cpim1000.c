/* ChargePoint CPIM1000: the signals of its DBC, and the constant that the
 * gateway loads. One unit, two meters. ChargePoint publishes no CAN layout;
 * cpim1000.dbc and the messages are ours. See README.md. */
#include "cpim1000.h"

#include "firmware.h"
#include "messages.h"
#include "options.h"

#define OURS "cpim1000.dbc (invented)"

#define SIGNAL(quantity, phase, name_, variants_)                              \
    {                                                                          \
        .channel = MG_CH(quantity, phase), .name = (name_),                    \
        .variants = (variants_), .source = OURS                                \
    }
#define THREE(quantity, names, n_phases_3)                                     \
    SIGNAL(quantity, L1, names "L1", n_phases_3),                              \
        SIGNAL(quantity, L2, names "L2", n_phases_3),                          \
        SIGNAL(quantity, L3, names "L3", n_phases_3)
/* All that a side has; a single-phase meter's only phase is the total. */
#define SIDE(side, all, one, three)                                            \
    SIGNAL(VOLTAGE, TOTAL, side "Voltages.VoltageL1", one),                    \
        THREE(VOLTAGE, side "Voltages.Voltage", three),                        \
        SIGNAL(CURRENT, TOTAL, side "Currents.CurrentL1", one),                \
        THREE(CURRENT, side "Currents.Current", three),                        \
        SIGNAL(POWER_ACTIVE, TOTAL, side "Totals.PowerTotal", all),            \
        THREE(POWER_ACTIVE, side "ActivePower.Power", three),                  \
        SIGNAL(POWER_REACTIVE, TOTAL, side "Totals.ReactiveTotal", all),       \
        THREE(POWER_REACTIVE, side "ReactivePower.Reactive", three),           \
        SIGNAL(POWER_FACTOR, TOTAL, side "Totals.PowerFactor", all),           \
        SIGNAL(ENERGY_ACTIVE_IMPORT, TOTAL, side "Energy.EnergyImport", all),  \
        SIGNAL(PULSES, TOTAL, side "Impulses.Pulses", all),                    \
        SIGNAL(RELAY_CLOSED, TOTAL, side "Status.RelayClosed", all),           \
        SIGNAL(DIGITAL_INPUT, TOTAL, side "Status.SpdEnabled", all),           \
        SIGNAL(ERROR_WORD, TOTAL, side "Status.Flags", all),                   \
        SIGNAL(TEMPERATURE, TOTAL, side "Status.Temperature", all)

static const struct mg_signal SIGNALS[] = {
    SIDE("Right", CPIM1000_RIGHT_3PH | CPIM1000_RIGHT_1PH, CPIM1000_RIGHT_1PH,
         CPIM1000_RIGHT_3PH),
    SIDE("Left", CPIM1000_LEFT_3PH | CPIM1000_LEFT_1PH, CPIM1000_LEFT_1PH,
         CPIM1000_LEFT_3PH),
    SIGNAL(FREQUENCY, TOTAL, "UnitState.Frequency", 0),
    SIGNAL(TEMPERATURE_AMBIENT, TOTAL, "UnitState.AmbientTemperature", 0),
    SIGNAL(BOOTS, TOTAL, "UnitState.Boots", 0),
};

/* What of it is in the station's catalogue (Flex Series guide, chapter 4). */
static const struct mg_fault_bit FAULTS[] = {
    {0, "urn:fault:koala:acm-firmware-failed", false},
    {1, "urn:fault:koala:acm-firmware-failed", true},
    {2, "urn:fault:koala:acm-firmware-failed", true},
    {4, "urn:fault:koala:acm-over-temp", false},
    {5, "urn:fault:koala:acm-temp-sensor-error", false},
    {6, "urn:fault:koala:acm-temp-sensor-error", false},
    {7, "urn:fault:metergate:welded-contact", false},
};

static const struct mg_can_driver CAN = {
    .dbc = "cpim1000.dbc",
    .signals = SIGNALS,
    .n_signals = sizeof SIGNALS / sizeof *SIGNALS,
    .max_node = 31,
    .to_meter = {"RightRequest", "LeftRequest"},
    .from_meter = {"RightAnswer", "LeftAnswer"},
    .identify = cpim1000__identify,
    .identity = cpim1000__identity,
    .faults = FAULTS,
    .n_faults = sizeof FAULTS / sizeof *FAULTS,
    .starting_current_ma = 20, /* guide, "Environmental Specifications" */
};

static const struct mg_driver DRIVER = {
    .timeout_ms = 1000, /* ours */
    .n_phases = 3,
    /* What can be measured, not what is allowed: 230 V and 32 A at most. Ours.
     */
    .max_voltage_mv = 300000,
    .max_current_ma = 64000,
    .procedures = cpim1000_procedures,
    .n_procedures = CPIM1000_N_PROCEDURES,
    .can = &CAN,
};

static unsigned circuit(const void *options)
{
    const struct cpim1000_options *o = options;
    return o->side == CPIM1000_LEFT ? 1 : 0;
}

static unsigned variant(const void *options)
{
    const struct cpim1000_options *o = options;
    return circuit(options) * 2 + (o->phases == CPIM1000_ONE_PHASE ? 1 : 0);
}

static bool is_one_phase(const void *options)
{
    const struct cpim1000_options *o = options;
    return o->phases == CPIM1000_ONE_PHASE;
}

/* Guide, "Technical Specifications"; ranges of accuracy other than the class
 * are not given. */
static const struct mg_rating RATING = {
    .classes = MG_CLASS_B,
    .voltage_mv = 230000,
    .frequency_mhz = 50000,
    .start_ma = 20,
    .min_ma = 250,
    .tr_ma = 500,
    .ref_ma = 5000,
    .max_ma = 32000,
    .impulses_per_kwh = 20000,
    .n_phases = 3,
    .one_phase_lane = 0,
    .is_one_phase = is_one_phase,
    .needs_l1 = true,
    .min_degc = -25,
    .max_degc = 55,
    .register_step_mwh = 100,
    .repeat_pulses = {5, 15, 100, 300},
    .source = "CPIM1000 guide, Environmental Specifications",
    .repeat_source = "CPIM1000 guide, Minimum Number of Pulses for "
                     "Repeatability Testing",
    .note = "the option side says which of the two meters is tested; L1 of "
            "the right one supplies both",
};

extern const struct mg_plugin mg_plugin;

__attribute__((visibility("default"))) const struct mg_plugin mg_plugin = {
    .abi = MG_PLUGIN_ABI,
    .size = sizeof(struct mg_plugin),
    .model = "cpim1000",
    .vendor = "Chargepoint Inc.",
    .description = "two meters, right and left, of the ChargePoint CP6000: "
                   "import, 32 A, relays (CAN layout ours)",
    .bus = MG_BUS_CAN,
    .capabilities = MG_CAP_RELAY | MG_CAP_FIRMWARE | MG_CAP_DUTIES,
    .options = cpim1000_options,
    .n_options = CPIM1000_N_OPTIONS,
    .options_size = sizeof(struct cpim1000_options),
    .variant = variant,
    .circuit = circuit,
    .driver = &DRIVER,
    .rating = &RATING,
    .firmware = &cpim1000_firmware,
};
