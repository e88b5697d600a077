/* Compere KPM31, single-phase energy meter: registers, options, and the
 * constant that the gateway loads.
 *
 * Everything is read with FC03, the relay with FC01. 32-bit registers are
 * IEEE 754, high word first. Confidence of the rows: A the manual, or the
 * manual and its sibling's agree; B the sibling KPM33B's manual continues the
 * same map; C the sibling's only. See README.md. */
#include "firmware.h"
#include "options.h"
#include "procedures.h"

_Static_assert(KPM31_WITH_RELAY == (1U << KPM31_B | 1U << KPM31_BK),
               "variants with a relay");

#define KPM33B "KPM33B manual V3.4"

/* A live value: one float in the unit itself. Power factor has no unit. */
#define LIVE(quantity, register_)                                              \
    {                                                                          \
        .channel = MG_CH(quantity, TOTAL), .function = 3,                      \
        .encoding = MG_ENC_F32, .group = MG_GROUP_LIVE,                        \
        .address = (register_), .source = "KPM31 manual V2.0, 6.3"             \
    }

/* An energy register: a float in kWh or kvarh. */
#define ENERGY(quantity, tariff, register_)                                    \
    {                                                                          \
        .channel = MG_CHANNEL(MG_Q_##quantity, MG_PHASE_TOTAL, (tariff),       \
                              MG_PERIOD_EVER),                                 \
        .function = 3, .encoding = MG_ENC_F32, .group = MG_GROUP_LIVE,         \
        .exp10 = 3, .address = (register_), .source = "KPM31 manual V2.0, 6.4" \
    }

/* This month and the 12 before it: 13 floats in a row. */
#define MONTHS(quantity, tariff, register_, source_)                           \
    {                                                                          \
        .channel = MG_CHANNEL(MG_Q_##quantity, MG_PHASE_TOTAL, (tariff),       \
                              MG_PERIOD_CURRENT),                              \
        .function = 3, .encoding = MG_ENC_F32, .group = MG_GROUP_SLOW,         \
        .exp10 = 3, .address = (register_), .n_periods = 1 + MG_N_MONTHS,      \
        .stride = 2, .source = (source_)                                       \
    }

/* Rates: the manual calls them sharp, peak, flat and valley in this order. */
enum { SHARP = 1, PEAK, FLAT, VALLEY };

/* Codes of register 0002H; 0 is none. */
static const uint32_t BAUDS[] = {MG_MAP_HOLE, 1200, 2400, 4800, 9600};

static const struct mg_point POINTS[] = {
    {.channel = MG_CH(RELAY_CLOSED, TOTAL),
     .function = 1,
     .encoding = MG_ENC_BIT,
     .group = MG_GROUP_LIVE,
     .address = 0x0001,
     .variants = KPM31_WITH_RELAY,
     .source = "KPM31 manual V2.0, 6.1.1"},

    LIVE(VOLTAGE, 0x0030),
    LIVE(CURRENT, 0x0032),
    LIVE(POWER_ACTIVE, 0x0034),
    LIVE(POWER_REACTIVE, 0x0036),
    LIVE(POWER_APPARENT, 0x0038),
    LIVE(POWER_FACTOR, 0x003a),
    LIVE(FREQUENCY, 0x003c),
    LIVE(DEMAND_APPARENT, 0x0070),

    ENERGY(ENERGY_ACTIVE, 0, 0x0080),
    ENERGY(ENERGY_ACTIVE_IMPORT, 0, 0x0082),
    ENERGY(ENERGY_ACTIVE_EXPORT, 0, 0x0084),
    ENERGY(ENERGY_REACTIVE, 0, 0x0086),
    ENERGY(ENERGY_REACTIVE_IMPORT, 0, 0x0088),
    ENERGY(ENERGY_REACTIVE_EXPORT, 0, 0x008a),
    ENERGY(ENERGY_ACTIVE, SHARP, 0x008c),
    ENERGY(ENERGY_ACTIVE, PEAK, 0x008e),
    ENERGY(ENERGY_ACTIVE, FLAT, 0x0090),
    ENERGY(ENERGY_ACTIVE, VALLEY, 0x0092),
    ENERGY(ENERGY_REACTIVE, SHARP, 0x0094),
    ENERGY(ENERGY_REACTIVE, PEAK, 0x0096),
    ENERGY(ENERGY_REACTIVE, FLAT, 0x0098),
    ENERGY(ENERGY_REACTIVE, VALLEY, 0x009a),

    /* The manual calls 00B6H-00CEH "active energy", in kvarh; the sibling's
     * says reactive. The manual breaks off at 0152H; the sibling goes on. */
    MONTHS(ENERGY_ACTIVE, 0, 0x009c, "KPM31 manual V2.0, 6.4"),
    MONTHS(ENERGY_REACTIVE, 0, 0x00b6, "KPM31 manual V2.0, 6.4; " KPM33B),
    MONTHS(ENERGY_ACTIVE, SHARP, 0x00d0, "KPM31 manual V2.0, 6.4"),
    MONTHS(ENERGY_REACTIVE, SHARP, 0x00ea, "KPM31 manual V2.0, 6.4"),
    MONTHS(ENERGY_ACTIVE, PEAK, 0x0104, "KPM31 manual V2.0, 6.4"),
    MONTHS(ENERGY_REACTIVE, PEAK, 0x011e, "KPM31 manual V2.0, 6.4"),
    MONTHS(ENERGY_ACTIVE, FLAT, 0x0138, "KPM31 manual V2.0, 6.4"),
    MONTHS(ENERGY_REACTIVE, FLAT, 0x0152, KPM33B " (confidence B)"),
    MONTHS(ENERGY_ACTIVE, VALLEY, 0x016c, KPM33B " (confidence B)"),
    MONTHS(ENERGY_REACTIVE, VALLEY, 0x0186, KPM33B " (confidence B)"),

    /* 0000H holds the password: it is never asked for. */
    {.channel = MG_CH(BUS_ADDRESS, TOTAL),
     .function = 3,
     .encoding = MG_ENC_U16,
     .group = MG_GROUP_SLOW,
     .address = 0x0001,
     .source = "KPM31 manual V2.0, 6.2"},
    {.channel = MG_CH(BAUD, TOTAL),
     .function = 3,
     .encoding = MG_ENC_MAP,
     .group = MG_GROUP_SLOW,
     .address = 0x0002,
     .map = BAUDS,
     .n_map = sizeof BAUDS / sizeof *BAUDS,
     .source = "KPM31 manual V2.0, 6.2"},
    {.channel = MG_CH(METER_CLOCK, TOTAL),
     .function = 3,
     .encoding = MG_ENC_CLOCK6,
     .group = MG_GROUP_SLOW,
     .address = 0x0023,
     .source = KPM33B " (confidence C)"},
    {.channel = MG_CH(SERIAL, TOTAL),
     .function = 3,
     .encoding = MG_ENC_ASCII,
     .group = MG_GROUP_INFO,
     .address = 0x0012,
     .length = 7,
     .source = KPM33B " (confidence C)"},
};

static const struct mg_driver DRIVER = {
    .points = POINTS,
    .n_points = sizeof POINTS / sizeof *POINTS,
    /* The manual gives no limit (confidence C). The 260 registers of the months
     * take three requests with Modbus's own limit of 125, and still with 88:
     * shorter frames for the same number of requests. */
    .max_registers = 88,
    .max_gap = 0,
    .timeout_ms = 500, /* ours; the manual gives none */
    .min_gap_ms = 0,   /* t3.5 is enough for all that the manual says */
    /* 5.4: 9600 baud; the parity's default is missing in the manual, the
     * sibling's is even (confidence C). */
    .serial = {.baud = 9600, .parity = 'E', .stop_bits = 1},
    .n_phases = 1,
    /* 2.2: 220 V and 60 A, 1.2 times of both for good. */
    .max_voltage_mv = 264000,
    .max_current_ma = 72000,
    .procedures = kpm31_procedures,
    .n_procedures = KPM31_N_PROCEDURES,
};

static const char *const VARIANTS[] = {"A", "B", "BK", NULL};

static const struct mg_option OPTIONS[] = {
    {.name = "variant",
     .type = MG_OPTION_ENUM,
     .def = KPM31_A,
     .min = KPM31_A,
     .max = KPM31_BK,
     .choices = VARIANTS,
     .offset = offsetof(struct kpm31_options, variant),
     .size = sizeof(int64_t),
     .help = "Model: A without relay, B with relay, BK with relay and a second "
             "source chosen by the digital input."},
};

static unsigned variant(const void *options)
{
    const struct kpm31_options *o = options;
    return (unsigned)o->variant;
}

#define ACCURACY(quantity_, rule_, limit_)                                     \
    {                                                                          \
        .quantity = MG_Q_##quantity_, .rule = MG_ACCURACY_##rule_,             \
        .limit = (limit_), .source = "KPM31 manual V2.0, 2.3"                  \
    }

/* Per cent without saying of what: of the value, which is the stricter. */
static const struct mg_accuracy ACCURACIES[] = {
    ACCURACY(VOLTAGE, OF_VALUE, 2000),
    ACCURACY(CURRENT, OF_VALUE, 2000),
    ACCURACY(POWER_ACTIVE, OF_VALUE, 5000),
    ACCURACY(POWER_REACTIVE, OF_VALUE, 5000),
    ACCURACY(POWER_FACTOR, ABSOLUTE, 50), /* 0.5 % of 1 */
    ACCURACY(FREQUENCY, ABSOLUTE, 20),
};

/* The manual has 5-60 A and a class; what a class 0.5S meter of In = 5 A makes
 * of that is ours. */
static const struct mg_rating RATING = {
    .classes = MG_CLASS_05S | MG_CLASS_2_REACTIVE,
    .voltage_mv = 220000,
    .frequency_mhz = 50000,
    .start_ma = 5,
    .min_ma = 50,
    .tr_ma = 250,
    .ref_ma = 5000,
    .max_ma = 60000,
    .impulses_per_kwh = 1600,
    .n_phases = 1,
    .has_export = true,
    .min_degc = -10,
    .max_degc = 55,
    .register_step_mwh = 625, /* one impulse; registers are float32 kWh */
    .repeat_pulses = {3, 3, 10, 100},
    .accuracies = ACCURACIES,
    .n_accuracies = sizeof ACCURACIES / sizeof *ACCURACIES,
    .source = "KPM31 manual V2.0, 2.1 to 2.3; In = 5 A ours",
    .repeat_source = "ours",
    .note = "class 0.5S is for meters behind transformers (IEC 62053-22), this "
            "one is connected directly: In = 5 A is taken, Imax = 60 A",
};

extern const struct mg_plugin mg_plugin;

__attribute__((visibility("default"))) const struct mg_plugin mg_plugin = {
    .abi = MG_PLUGIN_ABI,
    .size = sizeof(struct mg_plugin),
    .model = "kpm31",
    .vendor = "Compere",
    .description = "KPM31 single-phase DIN-rail energy meter, 5(60) A",
    .bus = MG_BUS_MODBUS,
    .capabilities = MG_CAP_RELAY | MG_CAP_TARIFFS | MG_CAP_SETTLEMENT |
                    MG_CAP_CLOCK | MG_CAP_FIRMWARE,
    .options = OPTIONS,
    .n_options = sizeof OPTIONS / sizeof *OPTIONS,
    .options_size = sizeof(struct kpm31_options),
    .variant = variant,
    .driver = &DRIVER,
    .firmware = &kpm31_firmware,
    .rating = &RATING,
};
