/* The result of a type test, for people and for programs. */
#ifndef MG_CLI_TYPETEST_SHOW_H
#define MG_CLI_TYPETEST_SHOW_H

#include "typetest/typetest.h"

void typetest_print(const struct mg_plugin *plugin,
                    const struct mg_typetest_result *result);

/** @param defect  "none" or its name
 *  @return 0; 1: out of memory */
int typetest_print_json(const struct mg_plugin *plugin, const char *defect,
                        const struct mg_typetest_result *result);

#endif
