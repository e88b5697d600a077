/* Needs a function that nobody has. */
#include "small_plugin.h"

unsigned nobody_has_this(const void *options);

SMALL_EXPORT const struct mg_plugin mg_plugin = {
    .abi = MG_PLUGIN_ABI,
    .size = sizeof(struct mg_plugin),
    .model = "import",
    .vendor = "Nobody",
    .description = "One register",
    .variant = nobody_has_this,
    .driver = &SMALL_DRIVER,
};
