/* The configuration file: YAML to struct mg_setup.
 *
 * One table of keys drives the parser, the checks, `--help` texts and the JSON
 * Schema. All faults of a file are reported in one run, each as
 * file:line:column: what, and what would be right, with the line and a caret.
 */
#ifndef MG_CONFIG_CONFIG_H
#define MG_CONFIG_CONFIG_H

#include <stdio.h>

#include "run/plugins.h"
#include "run/setup.h"

/** Load and check a file whole.
 *  @param plugins   loaded models; borrowed for the life of the setup
 *  @param report    where faults are written, e.g. stderr
 *  @param ret_setup owned by the caller; NULL unless MG_OK
 *  @param ret_n_faults  optional
 *  @return MG_OK; MG_E_INVAL: faults were reported; MG_E_IO: cannot be read,
 *  reported too */
int mg_config_load(const char *file, const struct mg_plugins *plugins,
                   FILE *report, struct mg_setup **ret_setup,
                   size_t *ret_n_faults);

/** The same from memory, for tests and fuzzing; `name` stands for the file.
 *  Secrets are not read when is_offline. */
int mg_config_parse(const char *name, const char *text, size_t len,
                    const struct mg_plugins *plugins, bool is_offline,
                    FILE *report, struct mg_setup **ret_setup,
                    size_t *ret_n_faults);

/** Write the JSON Schema (2020-12), with the options of the loaded models. */
void mg_config_schema(const struct mg_plugins *plugins, FILE *out);

#endif
