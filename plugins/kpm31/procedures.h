/* The commands of the KPM31: what the plugin's constant needs of them. */
#ifndef KPM31_PROCEDURES_H
#define KPM31_PROCEDURES_H

#include "metergate/plugin.h"

#define KPM31_N_PROCEDURES 5

extern const struct mg_procedure kpm31_procedures[KPM31_N_PROCEDURES];

/* Bits of `variants`: the models with a relay. */
#define KPM31_WITH_RELAY (1U << 1 | 1U << 2)

#endif
