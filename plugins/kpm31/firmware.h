/* The simulated meter, as the plugin's constant refers to it. */
#ifndef KPM31_FIRMWARE_H
#define KPM31_FIRMWARE_H

#include "metergate/plugin.h"

extern const struct mg_firmware kpm31_firmware
    __attribute__((visibility("hidden")));

#endif
