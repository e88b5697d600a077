/* The scenario file: YAML to struct mg_sim_scenario, with the machinery of the
 * configuration: one table of keys (scenario_keys.c) drives the reader, the
 * table of keys in SCENARIOS.md and the JSON Schema, and all faults of a file
 * are reported in one run. */
#ifndef MG_CONFIG_SCENARIO_H
#define MG_CONFIG_SCENARIO_H

#include <stdio.h>

#include "run/setup.h"
#include "sim/scenario.h"

/** Load and check a file whole, for the meters of a setup.
 *  @param report  where faults are written
 *  @param ret_scenario  owned by the caller; NULL unless MG_OK
 *  @param ret_n_faults  optional
 *  @return MG_OK; MG_E_INVAL: faults were reported; MG_E_IO: cannot be read,
 *  reported too */
int mg_scenario_load(const char *file, const struct mg_setup *setup,
                     FILE *report, struct mg_sim_scenario **ret_scenario,
                     size_t *ret_n_faults);

/** The same from memory; `name` stands for the file. */
int mg_scenario_parse(const char *name, const char *text, size_t len,
                      const struct mg_setup *setup, FILE *report,
                      struct mg_sim_scenario **ret_scenario,
                      size_t *ret_n_faults);

/** Write the JSON Schema (2020-12). */
void mg_scenario_schema(FILE *out);

/** Write the table of keys of SCENARIOS.md. */
void mg_scenario_document(FILE *out);

#endif
