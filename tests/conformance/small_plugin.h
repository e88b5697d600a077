/* The smallest plugin that is right: one register. The bad_*.c change one thing
 * of it each. */
#ifndef SMALL_PLUGIN_H
#define SMALL_PLUGIN_H

#include "metergate/plugin.h"

extern const struct mg_plugin mg_plugin;

static const struct mg_point SMALL_POINTS[] = {
    {.channel = MG_CH(VOLTAGE, TOTAL),
     .function = 3,
     .encoding = MG_ENC_U16,
     .source = "made up"},
};

static const struct mg_driver SMALL_DRIVER = {
    .points = SMALL_POINTS,
    .n_points = 1,
    .max_registers = 125,
    .timeout_ms = 500,
    .serial = {.baud = 9600, .parity = 'N', .stop_bits = 1},
    .n_phases = 1,
    .max_voltage_mv = 264000,
    .max_current_ma = 72000,
};

#define SMALL_EXPORT __attribute__((visibility("default")))

#endif
