/* Iskra WM3M4 and WM3M4C, three-phase energy meters for charging stations:
 * registers, and the constant that the gateway loads.
 *
 * On the wire a register's address is its number - 30000 (FC04) or - 40000
 * (FC03), without a further 1. 32-bit registers have the high word first.
 * Confidence of the rows: A the manual or two independent implementations; B
 * one implementation used in the field. What is a guess is not read. See
 * README.md. */
#include "firmware.h"
#include "options.h"
#include "procedures.h"

#define MANUAL "WM3M4 manual V1.07"
#define MAP    "Iskra map as in EVerest and Tinkerforge"
#define SIGNS  (1U << WM3M4C_SIGNS)

/* A measurement, registers 30105..30190. */
#define MEASURED(quantity, phase, encoding_, exp10_, register_, source_)       \
    {                                                                          \
        .channel = MG_CH(quantity, phase), .function = 4,                      \
        .encoding = (encoding_), .group = MG_GROUP_LIVE, .exp10 = (exp10_),    \
        .address = (register_)-30000, .source = (source_)                      \
    }
#define T5(quantity, phase, register_)                                         \
    MEASURED(quantity, phase, MG_ENC_U24E8, 0, register_, MAP)
#define T5_B(quantity, phase, register_)                                       \
    MEASURED(quantity, phase, MG_ENC_U24E8, 0, register_,                      \
             "Iskra map as in Tinkerforge (confidence B)")
#define T6(quantity, phase, register_)                                         \
    MEASURED(quantity, phase, MG_ENC_S24E8, 0, register_, MAP)
#define T7(quantity, phase, register_)                                         \
    MEASURED(quantity, phase, MG_ENC_PF, 0, register_, MAP)
#define T16(quantity, phase, register_)                                        \
    MEASURED(quantity, phase, MG_ENC_U16, -2, register_, MAP)
#define T17(quantity, phase, register_)                                        \
    MEASURED(quantity, phase, MG_ENC_S16, -2, register_, MAP)

/* A counter in Wh times ten to the content of another register. The table of
 * types calls it signed; the counters of this meter are unsigned and have
 * 1 Wh (4.3), and below 2 GWh both are the same. */
#define COUNTER(quantity, register_, exponent_)                                \
    {                                                                          \
        .channel = MG_CH(quantity, TOTAL), .function = 4,                      \
        .encoding = MG_ENC_U32, .group = MG_GROUP_LIVE,                        \
        .address = (register_)-30000, .exponent_at = (exponent_)-30000,        \
        .source = MAP "; " MANUAL ", 4.3"                                      \
    }

/* A register 47xxx of the meter with the crypto chip. */
#define CRYPTO(quantity, encoding_, group_, register_, source_)                \
    {                                                                          \
        .channel = MG_CH(quantity, TOTAL), .function = 3,                      \
        .encoding = (encoding_), .group = (group_),                            \
        .address = (register_)-40000, .variants = SIGNS, .source = (source_)   \
    }
#define TABLE(quantity, encoding, register_)                                   \
    CRYPTO(quantity, encoding, MG_GROUP_LIVE, register_, MANUAL ", 5.5.15")

/* Codes of register 40203. */
static const uint32_t BAUDS[] = {1200,  2400,  4800,  9600,
                                 19200, 38400, 57600, 115200};

static const struct mg_point POINTS[] = {
    {.channel = MG_CH(MODEL, TOTAL),
     .function = 4,
     .encoding = MG_ENC_ASCII,
     .group = MG_GROUP_INFO,
     .address = 1,
     .length = 8,
     .source = MAP},
    {.channel = MG_CH(SERIAL, TOTAL),
     .function = 4,
     .encoding = MG_ENC_ASCII,
     .group = MG_GROUP_INFO,
     .address = 9,
     .length = 4,
     .source = MAP},
    {.channel = MG_CH(VERSION, TOTAL),
     .function = 4,
     .encoding = MG_ENC_VERSION,
     .group = MG_GROUP_INFO,
     .address = 13,
     .source = "Iskra map as in pyiskra (confidence B)"},

    T5(FREQUENCY, TOTAL, 30105),
    T5(VOLTAGE, L1, 30107),
    T5(VOLTAGE, L2, 30109),
    T5(VOLTAGE, L3, 30111),
    T5_B(VOLTAGE, TOTAL, 30113), /* mean */
    T5_B(VOLTAGE_LL, L1, 30118),
    T5_B(VOLTAGE_LL, L2, 30120),
    T5_B(VOLTAGE_LL, L3, 30122),
    T5_B(VOLTAGE_LL, TOTAL, 30124), /* mean */
    T5(CURRENT, L1, 30126),
    T5(CURRENT, L2, 30128),
    T5(CURRENT, L3, 30130),
    T5_B(CURRENT, TOTAL, 30138), /* sum */
    T6(POWER_ACTIVE, TOTAL, 30140),
    T6(POWER_ACTIVE, L1, 30142),
    T6(POWER_ACTIVE, L2, 30144),
    T6(POWER_ACTIVE, L3, 30146),
    T6(POWER_REACTIVE, TOTAL, 30148),
    T6(POWER_REACTIVE, L1, 30150),
    T6(POWER_REACTIVE, L2, 30152),
    T6(POWER_REACTIVE, L3, 30154),
    T5(POWER_APPARENT, TOTAL, 30156),
    T5(POWER_APPARENT, L1, 30158),
    T5(POWER_APPARENT, L2, 30160),
    T5(POWER_APPARENT, L3, 30162),
    T7(POWER_FACTOR, TOTAL, 30164),
    T7(POWER_FACTOR, L1, 30166),
    T7(POWER_FACTOR, L2, 30168),
    T7(POWER_FACTOR, L3, 30170),
    T17(PHASE_ANGLE, TOTAL, 30172),
    T17(PHASE_ANGLE, L1, 30173),
    T17(PHASE_ANGLE, L2, 30174),
    T17(PHASE_ANGLE, L3, 30175),
    T17(TEMPERATURE, TOTAL, 30181),
    T16(THD_VOLTAGE, L1, 30182),
    T16(THD_VOLTAGE, L2, 30183),
    T16(THD_VOLTAGE, L3, 30184),
    T16(THD_CURRENT, L1, 30188),
    T16(THD_CURRENT, L2, 30189),
    T16(THD_CURRENT, L3, 30190),

    COUNTER(ENERGY_ACTIVE_IMPORT, 30418, 30414),
    COUNTER(ENERGY_ACTIVE_EXPORT, 30420, 30415),

    /* Another bank, 30406 and 30408, holds the same counters; 30434 and 30436
     * hold them coarser. */

    TABLE(SESSION_STATE, MG_ENC_U16, 47000),
    TABLE(SESSION_DURATION, MG_ENC_U32, 47001),
    TABLE(SESSION_ENERGY, MG_ENC_U32, 47003),
    /* 47005 is the total active power again, 30140. */
    TABLE(METER_CLOCK, MG_ENC_U32, 47007),
    TABLE(TARIFF_CHANGES, MG_ENC_U16, 47009),
    TABLE(INTERMEDIATE_READINGS, MG_ENC_U16, 47010),
    TABLE(FISCAL_READINGS, MG_ENC_U32, 47011),
    TABLE(SIGNATURES, MG_ENC_U32, 47013),
    TABLE(START_TIME, MG_ENC_U32, 47015),
    TABLE(START_ENERGY, MG_ENC_U32, 47017),
    TABLE(STOP_TIME, MG_ENC_U32, 47019),
    TABLE(STOP_ENERGY, MG_ENC_U32, 47021),
    TABLE(TARIFF_TIME, MG_ENC_U32, 47023),
    TABLE(TARIFF_ENERGY, MG_ENC_U32, 47025),
    TABLE(INTERMEDIATE_TIME, MG_ENC_U32, 47027),
    TABLE(INTERMEDIATE_ENERGY, MG_ENC_U32, 47029),
    TABLE(FISCAL_TIME, MG_ENC_U32, 47031),
    TABLE(FISCAL_ENERGY, MG_ENC_U32, 47033),
    TABLE(HOLD_TIME, MG_ENC_U32, 47035),
    TABLE(HOLD_ENERGY, MG_ENC_U32, 47037),
    TABLE(SUSPEND_TIME, MG_ENC_U32, 47039),
    TABLE(SUSPEND_ENERGY, MG_ENC_U32, 47041),
    CRYPTO(CLOCK_STATUS, MG_ENC_U16, MG_GROUP_LIVE, 47071, MANUAL ", 5.5.4.1"),
    CRYPTO(SIGNATURE_ALGORITHM, MG_ENC_U16, MG_GROUP_INFO, 47060,
           MANUAL ", 5.5.6"),
    CRYPTO(OCMF_VERSION, MG_ENC_U16, MG_GROUP_INFO, 47069, MANUAL ", 5.5.2"),

    {.channel = MG_CH(BAUD, TOTAL),
     .function = 3,
     .encoding = MG_ENC_MAP,
     .group = MG_GROUP_SLOW,
     .address = 203,
     .map = BAUDS,
     .n_map = sizeof BAUDS / sizeof *BAUDS,
     .source = MANUAL ", 5.5.1"},
};

static const struct mg_driver DRIVER = {
    .points = POINTS,
    .n_points = sizeof POINTS / sizeof *POINTS,
    .max_registers = 120, /* 5.5.7 and 5.5.10 */
    /* What is skipped inside a request is at most the angles between phases,
     * the means and the neutral's current: registers that the family has and
     * nobody describes for this meter. pyiskra reads across them. */
    .max_gap = 8,
    .timeout_ms = 500, /* ours; the manual gives none */
    .min_gap_ms = 0,
    .serial = {.baud = 115200, .parity = 'N', .stop_bits = 1}, /* 5.5.1, 6.6 */
    .n_phases = 3,
    /* 6.2: 230 V + 15 %. 40 A and the 1.2 times of it that EN 50470-3 lets a
     * direct connected meter bear (ours). */
    .max_voltage_mv = 264500,
    .max_current_ma = 48000,
    .procedures = wm3m4c_procedures,
    .n_procedures = WM3M4C_N_PROCEDURES,
};

static unsigned variant(const void *options)
{
    const struct wm3m4c_options *o = options;
    return o->crypto != 0 ? WM3M4C_SIGNS : WM3M4C_PLAIN;
}

static bool is_one_phase(const void *options)
{
    const struct wm3m4c_options *o = options;
    return o->single_phase != 0;
}

#define ACCURACY(quantity_, rule_, limit_)                                     \
    {                                                                          \
        .quantity = MG_Q_##quantity_, .rule = MG_ACCURACY_##rule_,             \
        .limit = (limit_), .source = MANUAL ", 6.3"                            \
    }

static const struct mg_accuracy ACCURACIES[] = {
    ACCURACY(VOLTAGE, OF_VALUE, 10000),
    ACCURACY(CURRENT, OF_RATED_THEN_VALUE, 10000),
    ACCURACY(POWER_ACTIVE, OF_RATED_THEN_VALUE, 10000),
    ACCURACY(POWER_REACTIVE, OF_RATED_THEN_VALUE, 20000),
    ACCURACY(POWER_APPARENT, OF_RATED_THEN_VALUE, 20000),
    ACCURACY(FREQUENCY, OF_VALUE, 5000),
};

static const struct mg_rating RATING = {
    .classes = MG_CLASS_B | MG_CLASS_1,
    .voltage_mv = 230000,
    .frequency_mhz = 50000,
    .start_ma = 20,
    .min_ma = 250,
    .tr_ma = 500,
    .ref_ma = 5000,
    .max_ma = 40000,
    .impulses_per_kwh = 1000,
    .n_phases = 3,
    .one_phase_lane = 2, /* manual 2: on L3 */
    .is_one_phase = is_one_phase,
    .has_export = true,
    .min_degc = -25,
    .max_degc = 70,
    .register_step_mwh = 1000,
    .repeat_pulses = {1, 1, 10, 77}, /* the manual's 10 s */
    .accuracies = ACCURACIES,
    .n_accuracies = sizeof ACCURACIES / sizeof *ACCURACIES,
    .source = MANUAL ", 6.2",
    .repeat_source = MANUAL ", 6.2: at least 10 s",
};

extern const struct mg_plugin mg_plugin;

__attribute__((visibility("default"))) const struct mg_plugin mg_plugin = {
    .abi = MG_PLUGIN_ABI,
    .size = sizeof(struct mg_plugin),
    .model = "wm3m4c",
    .vendor = "Iskra",
    .description = "WM3M4 and WM3M4C three-phase meters for charging stations, "
                   "40 A; the WM3M4C signs",
    .bus = MG_BUS_MODBUS,
    .capabilities = MG_CAP_CLOCK | MG_CAP_SIGNS | MG_CAP_FIRMWARE,
    .options = wm3m4c_options,
    .n_options = WM3M4C_N_OPTIONS,
    .options_size = sizeof(struct wm3m4c_options),
    .variant = variant,
    .driver = &DRIVER,
    .firmware = &wm3m4c_firmware,
    .rating = &RATING,
};
