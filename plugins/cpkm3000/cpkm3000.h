/* What the files of the driver share. */
#ifndef CPKM3000_H
#define CPKM3000_H

#include "metergate/plugin.h"

#define CPKM3000_N_OPTIONS    6
#define CPKM3000_N_PROCEDURES 4

/* Bits of `variants`. */
#define CPKM3000_1PH     (1U << 0)
#define CPKM3000_3PH_123 (1U << 1) /* elements 1, 2, 3 on L1, L2, L3 */
#define CPKM3000_3PH_132 (1U << 2) /* on L1, L3, L2 */
#define CPKM3000_3PH     (CPKM3000_3PH_123 | CPKM3000_3PH_132)

extern const struct mg_option cpkm3000_options[CPKM3000_N_OPTIONS]
    __attribute__((visibility("hidden")));
extern const struct mg_procedure cpkm3000_procedures[CPKM3000_N_PROCEDURES]
    __attribute__((visibility("hidden")));

#endif
