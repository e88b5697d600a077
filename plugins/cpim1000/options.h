/* What one meter of a CPIM1000 can be configured to be. All but `side` are the
 * unit's: both of its meters are given the same. */
#ifndef CPIM1000_OPTIONS_H
#define CPIM1000_OPTIONS_H

#include <stdint.h>

/* The value is the circuit of the device (mg_plugin.circuit). */
enum cpim1000_side { CPIM1000_RIGHT, CPIM1000_LEFT };
enum cpim1000_phases { CPIM1000_ONE_PHASE, CPIM1000_THREE_PHASE };
/* Straps of the power plate (guide, "Pinout Definition", S11 and S12). */
enum cpim1000_region {
    CPIM1000_REGION_NONE,
    CPIM1000_REGION_EU,
    CPIM1000_REGION_NA,
    CPIM1000_REGION_BOTH
};

struct cpim1000_options {
    int64_t side;   /* enum cpim1000_side */
    int64_t phases; /* enum cpim1000_phases */
    /* Simulated unit only. */
    int64_t region;       /* enum cpim1000_region */
    int64_t has_seal;     /* bool: the seal is in place */
    int64_t display_s;    /* 1..10: each readout in the one line of text */
    char update_key[129]; /* X and Y of the manufacturer's key, hex; "" = no
                           * update is taken */
};

#endif
