/* The result of a type test, for people and for programs. */
#ifndef MG_CLI_TYPETEST_SHOW_H
#define MG_CLI_TYPETEST_SHOW_H

#include "typetest/typetest.h"

/** What was tested, as it was asked for. */
struct typetest_subject {
    const struct mg_plugin *plugin;
    const char *const *options; /* NAME=VALUE */
    size_t n_options;
    const char *defect; /* "none" or its name */
};

void typetest_print(const struct typetest_subject *subject,
                    const struct mg_typetest_result *result);

/** @return 0; 1: out of memory */
int typetest_print_json(const struct typetest_subject *subject,
                        const struct mg_typetest_result *result);

#endif
