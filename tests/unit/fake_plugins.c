#include "fake_plugins.h"

#include <stdio.h>
#include <string.h>

#define WITH_RELAY (1U << 1 | 1U << 2)

/* Live: 20 registers in one request, two in another. Slow: twelve months. */
static const struct mg_point points[] = {
    {.channel = MG_CH(VOLTAGE, TOTAL),
     .function = 3,
     .encoding = MG_ENC_F32,
     .address = 0x30,
     .source = "ours"},
    {.channel = MG_CH(ENERGY_ACTIVE, TOTAL),
     .function = 3,
     .encoding = MG_ENC_F32,
     .exp10 = 3,
     .address = 0x32,
     .source = "ours"},
    {.channel = MG_CH(SERIAL, TOTAL),
     .function = 3,
     .encoding = MG_ENC_ASCII,
     .address = 0x34,
     .length = 16,
     .source = "ours"},
    {.channel = MG_CH(FREQUENCY, TOTAL),
     .function = 3,
     .encoding = MG_ENC_F32,
     .address = 0x80,
     .source = "ours"},
    {.channel = MG_CHANNEL(MG_Q_ENERGY_ACTIVE, MG_PHASE_TOTAL, 0,
                           MG_PERIOD_PREVIOUS(1)),
     .function = 3,
     .encoding = MG_ENC_F32,
     .group = MG_GROUP_SLOW,
     .exp10 = 3,
     .address = 0x100,
     .n_periods = 12,
     .stride = 2,
     .source = "ours"},
};

static void step(void *state, const struct mg_step_in *in,
                 struct mg_step_out *out)
{
    (void)state;
    (void)in;
    out->action = MG_STEP_DONE;
}

static const struct mg_procedure procedures[] = {
    {.verb = "relay", .help = "", .variants = WITH_RELAY, .step = step},
    {.verb = "clear-energy", .help = "", .step = step},
    {.verb = "set-address", .help = "", .step = step},
    {.verb = "set-baud", .help = "", .step = step},
    {.verb = "set-clock", .help = "", .step = step},
};

static const struct mg_driver kpm31_driver = {
    .points = points,
    .n_points = sizeof points / sizeof points[0],
    .max_registers = 60,
    .timeout_ms = 500,
    .min_gap_ms = 5,
    .serial = {9600, 'E', 1},
    .n_phases = 1,
    .max_voltage_mv = 264000,
    .max_current_ma = 72000,
    .procedures = procedures,
    .n_procedures = sizeof procedures / sizeof procedures[0],
};

static const struct mg_driver tm1_driver = {
    .points = points,
    .n_points = 1,
    .max_registers = 125,
    .max_gap = 2,
    .timeout_ms = 300,
    .serial = {19200, 'N', 2},
    .n_phases = 1,
    .max_voltage_mv = 264000,
    .max_current_ma = 72000,
};

/* Signs itself, in its first variant only. */
static const struct mg_procedure signing[] = {
    {.verb = "sign",
     .help = "",
     .flags = MG_PROC_SESSION,
     .variants = 1U << 0,
     .step = step},
    {.verb = "set-clock", .help = "", .step = step},
};

static const struct mg_driver wm3m4c_driver = {
    .points = points,
    .n_points = 1,
    .max_registers = 120,
    .timeout_ms = 500,
    .serial = {115200, 'N', 2},
    .n_phases = 3,
    .max_voltage_mv = 300000,
    .max_current_ma = 65000,
    .procedures = signing,
    .n_procedures = 2,
};

static const char *const variants[] = {"A", "B", "BK", NULL};
static const struct mg_option kpm31_options[] = {
    {.name = "variant",
     .type = MG_OPTION_ENUM,
     .max = 2,
     .choices = variants,
     .offset = offsetof(struct fake_kpm31_options, variant),
     .size = sizeof(int64_t),
     .help = "Model."},
};

static const char *const speeds[] = {"1200", "9600", NULL};
static const struct mg_option tm1_options[] = {
    {.name = "channels",
     .type = MG_OPTION_INT,
     .is_required = true,
     .def = 1,
     .min = 1,
     .max = 4,
     .offset = offsetof(struct fake_tm1_options, channels),
     .size = sizeof(int64_t),
     .help = "Number of channels, 1 to 4."},
    {.name = "label",
     .type = MG_OPTION_TEXT,
     .offset = offsetof(struct fake_tm1_options, label),
     .size = 8,
     .help = "Text on the display."},
    {.name = "fast",
     .type = MG_OPTION_BOOL,
     .max = 1,
     .offset = offsetof(struct fake_tm1_options, fast),
     .size = sizeof(int64_t),
     .help = "Answers at once."},
    {.name = "speed",
     .type = MG_OPTION_ENUM,
     .max = 1,
     .choices = speeds,
     .offset = offsetof(struct fake_tm1_options, speed),
     .size = sizeof(int64_t),
     .help = "Speed of its second port."},
};

static unsigned variant(const void *options)
{
    return (unsigned)((const struct fake_kpm31_options *)options)->variant;
}

static const struct mg_plugin kpm31 = {
    .abi = MG_PLUGIN_ABI,
    .size = sizeof(struct mg_plugin),
    .model = "kpm31",
    .vendor = "ours",
    .description = "A fake.",
    .options = kpm31_options,
    .n_options = 1,
    .options_size = sizeof(struct fake_kpm31_options),
    .variant = variant,
    .driver = &kpm31_driver,
};

static const struct mg_plugin wm3m4c = {
    .abi = MG_PLUGIN_ABI,
    .size = sizeof(struct mg_plugin),
    .model = "wm3m4c",
    .vendor = "ours",
    .description = "A fake that signs.",
    .options = kpm31_options,
    .n_options = 1,
    .options_size = sizeof(struct fake_kpm31_options),
    .variant = variant,
    .driver = &wm3m4c_driver,
};

static const struct mg_plugin tm1 = {
    .abi = MG_PLUGIN_ABI,
    .size = sizeof(struct mg_plugin),
    .model = "tm1",
    .vendor = "ours",
    .description = "A fake with options of every type.",
    .options = tm1_options,
    .n_options = sizeof tm1_options / sizeof tm1_options[0],
    .options_size = sizeof(struct fake_tm1_options),
    .driver = &tm1_driver,
};

static const struct mg_signal signals[] = {
    {MG_CH(VOLTAGE, L1), "MeterVoltages.VoltageL1", 0, "ours"},
    {MG_CH(ENERGY_ACTIVE_IMPORT, TOTAL), "MeterEnergyPos.EnergyPos", 0, "ours"},
};

static const struct mg_procedure station_procedures[] = {
    {.verb = "relay", .help = "", .step = step},
    {.verb = "seal", .help = "", .step = step},
    {.verb = "clear-fault", .help = "", .step = step},
};

static const struct mg_can_driver can = {
    .dbc = "cpkm3000.dbc",
    .signals = signals,
    .n_signals = 2,
    .max_node = 31,
    .to_meter = {"MeterRequest"},
    .from_meter = {"MeterAnswer"},
};

static const struct mg_driver can_driver = {
    .timeout_ms = 1000,
    .n_phases = 3,
    .procedures = station_procedures,
    .n_procedures = 3,
    .can = &can,
};

static const struct mg_plugin cpkm3000 = {
    .abi = MG_PLUGIN_ABI,
    .size = sizeof(struct mg_plugin),
    .model = "cpkm3000",
    .vendor = "ours",
    .description = "A fake on CAN.",
    .bus = MG_BUS_CAN,
    .capabilities = MG_CAP_DUTIES | MG_CAP_TELEGRAM,
    .driver = &can_driver,
};

/* ---- Two meters in one ---- */

#define SIDE_OF(member) offsetof(struct fake_cpim1000_options, member)

static const char *const sides[] = {"right", "left", NULL};
static const char *const regions[] = {"none", "eu", "na", "both", NULL};

static const struct mg_option cpim1000_options[] = {
    {.name = "side",
     .type = MG_OPTION_ENUM,
     .is_required = true,
     .max = 1,
     .choices = sides,
     .offset = SIDE_OF(side),
     .size = sizeof(int64_t),
     .help = "Side."},
    {.name = "seal",
     .type = MG_OPTION_BOOL,
     .def = 1,
     .max = 1,
     .offset = SIDE_OF(seal),
     .size = sizeof(int64_t),
     .help = "Seal.",
     .is_device = true},
    {.name = "region",
     .type = MG_OPTION_ENUM,
     .def = 1,
     .max = 3,
     .choices = regions,
     .offset = SIDE_OF(region),
     .size = sizeof(int64_t),
     .help = "Region.",
     .is_device = true},
    {.name = "display-period",
     .type = MG_OPTION_INT,
     .max = 9,
     .offset = SIDE_OF(period),
     .size = sizeof(int64_t),
     .help = "Period.",
     .is_device = true},
    {.name = "update-key",
     .type = MG_OPTION_TEXT,
     .offset = SIDE_OF(key),
     .size = 8,
     .help = "Key.",
     .is_device = true},
};

static unsigned circuit(const void *options)
{
    const struct fake_cpim1000_options *o = options;
    return o->side == 1 ? 1 : 0;
}

static const struct mg_signal side_signals[] = {
    {MG_CH(VOLTAGE, L1), "RightVoltages.VoltageL1", 1, "ours"},
    {MG_CH(VOLTAGE, L1), "LeftVoltages.VoltageL1", 2, "ours"},
    {MG_CH(FREQUENCY, TOTAL), "UnitState.Frequency", 0, "ours"},
};

static const struct mg_can_driver side_can = {
    .dbc = "cpim1000.dbc",
    .signals = side_signals,
    .n_signals = 3,
    .max_node = 31,
    .to_meter = {"RightRequest", "LeftRequest"},
    .from_meter = {"RightAnswer", "LeftAnswer"},
};

static const struct mg_driver side_driver = {
    .timeout_ms = 1000,
    .n_phases = 3,
    .procedures = station_procedures,
    .n_procedures = 3,
    .can = &side_can,
};

static const struct mg_plugin cpim1000 = {
    .abi = MG_PLUGIN_ABI,
    .size = sizeof(struct mg_plugin),
    .model = "cpim1000",
    .vendor = "ours",
    .description = "A fake that is two meters.",
    .bus = MG_BUS_CAN,
    .capabilities = MG_CAP_DUTIES,
    .options = cpim1000_options,
    .n_options = sizeof cpim1000_options / sizeof *cpim1000_options,
    .options_size = sizeof(struct fake_cpim1000_options),
    .variant = circuit,
    .circuit = circuit,
    .driver = &side_driver,
};

/* A file beside the true plugin's, in the source tree above this file. */
static char *beside(const char *model, char *path, size_t cap)
{
    const char *end = strstr(__FILE__, "tests/unit/");
    (void)snprintf(path, cap, "%.*splugins/%s/%s.so",
                   end == NULL ? 0 : (int)(end - __FILE__), __FILE__, model,
                   model);
    return path;
}

void fake_plugins(struct mg_plugins *ret_plugins)
{
    static char paths[2][1024];
    *ret_plugins = (struct mg_plugins){.n = 5};
    ret_plugins->loaded[0].plugin = &kpm31;
    ret_plugins->loaded[1].plugin = &tm1;
    ret_plugins->loaded[2].plugin = &cpkm3000;
    ret_plugins->loaded[2].file = beside("cpkm3000", paths[0], sizeof paths[0]);
    ret_plugins->loaded[3].plugin = &wm3m4c;
    ret_plugins->loaded[4].plugin = &cpim1000;
    ret_plugins->loaded[4].file = beside("cpim1000", paths[1], sizeof paths[1]);
}
