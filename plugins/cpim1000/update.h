/* `firmware-update`: an image to the unit, which decides whether it takes it:
 * never while its seal is in place.
 *
 * The file is the image followed by its signature (r and s, 64 bytes). After a
 * restart of the gateway it begins again: the unit forgets half an image. */
#ifndef CPIM1000_UPDATE_H
#define CPIM1000_UPDATE_H

#include "metergate/plugin.h"

struct cpim1000_update_args {
    char file[64];
};

struct cpim1000_update_state {
    uint8_t phase;
    uint8_t n_timeouts;
    uint32_t offset;
};

void cpim1000__update_step(void *state, const struct mg_step_in *in,
                           struct mg_step_out *out);

#endif
