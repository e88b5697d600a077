/* Prints the JSON Schema of scenarios, for test_config_schema.py. */
#include "config/scenario.h"

int main(void)
{
    mg_scenario_schema(stdout);
    return 0;
}
