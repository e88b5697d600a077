/* Two channels on one register. */
#include "small_plugin.h"

static const struct mg_point POINTS[] = {
    {.channel = MG_CH(VOLTAGE, TOTAL),
     .function = 3,
     .encoding = MG_ENC_F32,
     .address = 0x10,
     .source = "made up"},
    {.channel = MG_CH(CURRENT, TOTAL),
     .function = 3,
     .encoding = MG_ENC_F32,
     .address = 0x11,
     .source = "made up"},
};

static const struct mg_driver DRIVER = {
    .points = POINTS,
    .n_points = 2,
    .max_registers = 125,
    .timeout_ms = 500,
    .serial = {.baud = 9600, .parity = 'N', .stop_bits = 1},
    .n_phases = 1,
    .max_voltage_mv = 264000,
    .max_current_ma = 72000,
};

SMALL_EXPORT const struct mg_plugin mg_plugin = {
    .abi = MG_PLUGIN_ABI,
    .size = sizeof(struct mg_plugin),
    .model = "table",
    .vendor = "Nobody",
    .description = "Two channels on one register",
    .driver = &DRIVER,
};
