/* The right ABI number with another struct behind it. */
#include "metergate/plugin.h"

extern const uint32_t mg_plugin[2];

__attribute__((visibility("default")))
const uint32_t mg_plugin[2] = {MG_PLUGIN_ABI, 8};
