/* The simulated meter, as the plugin's constant refers to it. */
#ifndef WM3M4C_FIRMWARE_H
#define WM3M4C_FIRMWARE_H

#include "metergate/plugin.h"

extern const struct mg_firmware wm3m4c_firmware
    __attribute__((visibility("hidden")));

#endif
