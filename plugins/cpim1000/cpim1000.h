/* What the files of the driver share. */
#ifndef CPIM1000_H
#define CPIM1000_H

#include "metergate/plugin.h"

#define CPIM1000_N_OPTIONS    6
#define CPIM1000_N_PROCEDURES 4

/* Bits of `variants`: twice the circuit, and 1 for one phase. */
#define CPIM1000_RIGHT_3PH (1U << 0)
#define CPIM1000_RIGHT_1PH (1U << 1)
#define CPIM1000_LEFT_3PH  (1U << 2)
#define CPIM1000_LEFT_1PH  (1U << 3)

extern const struct mg_option cpim1000_options[CPIM1000_N_OPTIONS]
    __attribute__((visibility("hidden")));
extern const struct mg_procedure cpim1000_procedures[CPIM1000_N_PROCEDURES]
    __attribute__((visibility("hidden")));

#endif
