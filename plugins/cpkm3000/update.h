/* `firmware-update`: an image to the meter, which decides whether it takes it.
 *
 * The file is the image followed by its signature (r and s, 64 bytes). After a
 * restart of the gateway it begins again: the meter forgets half an image. */
#ifndef CPKM3000_UPDATE_H
#define CPKM3000_UPDATE_H

#include "metergate/plugin.h"

struct cpkm3000_update_args {
    char file[64];
};

struct cpkm3000_update_state {
    uint8_t phase;
    uint8_t n_timeouts;
    uint32_t offset;
};

void cpkm3000__update_step(void *state, const struct mg_step_in *in,
                           struct mg_step_out *out);

#endif
