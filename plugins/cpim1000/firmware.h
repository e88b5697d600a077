/* The simulated CPIM1000. */
#ifndef CPIM1000_FIRMWARE_H
#define CPIM1000_FIRMWARE_H

#include "metergate/plugin.h"

extern const struct mg_firmware cpim1000_firmware
    __attribute__((visibility("hidden")));

#endif
