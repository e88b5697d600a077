/* The simulated meter, as the plugin's constant refers to it. */
#ifndef CPKM3000_FIRMWARE_H
#define CPKM3000_FIRMWARE_H

#include "metergate/plugin.h"

extern const struct mg_firmware cpkm3000_firmware
    __attribute__((visibility("hidden")));

#endif
