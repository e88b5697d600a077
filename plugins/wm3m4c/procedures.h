/* The commands of the WM3M4C: what the plugin's constant needs of them. */
#ifndef WM3M4C_PROCEDURES_H
#define WM3M4C_PROCEDURES_H

#include "metergate/plugin.h"

#define WM3M4C_N_PROCEDURES 8

extern const struct mg_procedure wm3m4c_procedures[WM3M4C_N_PROCEDURES];

#endif
