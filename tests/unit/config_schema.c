/* Prints the JSON Schema with the models of the tests, for
 * test_config_schema.py. */
#include "config/config.h"
#include "fake_plugins.h"

int main(void)
{
    struct mg_plugins plugins;
    fake_plugins(&plugins);
    mg_config_schema(&plugins, stdout);
    return 0;
}
