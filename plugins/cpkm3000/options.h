/* What a CPKM3000 can be configured to be. */
#ifndef CPKM3000_OPTIONS_H
#define CPKM3000_OPTIONS_H

#include <stdint.h>

enum cpkm3000_variant { CPKM3000_ONE_PHASE, CPKM3000_THREE_PHASE };
enum cpkm3000_wiring { CPKM3000_WIRING_TN, CPKM3000_WIRING_IT };
/* Which line feeds which element (Flex Series guide, chapter 5). */
enum cpkm3000_phase_map { CPKM3000_L1_L2_L3, CPKM3000_L1_L3_L2 };

struct cpkm3000_options {
    int64_t variant;   /* enum cpkm3000_variant */
    int64_t wiring;    /* enum; IT: L2 is the neutral, 230 V */
    int64_t phase_map; /* enum; the driver turns it back */
    /* Simulated meter only. */
    int64_t display_s;    /* 3..10: each value on the display */
    int64_t has_sw_page;  /* bool: the last page is "SW" */
    char update_key[129]; /* X and Y of the manufacturer's key, hex; "" = no
                           * update is taken */
};

#endif
