/* Nothing is wrong with this one either: another model. */
#include "small_plugin.h"

SMALL_EXPORT const struct mg_plugin mg_plugin = {
    .abi = MG_PLUGIN_ABI,
    .size = sizeof(struct mg_plugin),
    .model = "other",
    .vendor = "Nobody",
    .description = "One register",
    .driver = &SMALL_DRIVER,
};
