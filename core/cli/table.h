/* A table of meters that redraws in place on a terminal, or prints plain lines
 * elsewhere. */
#ifndef MG_CLI_TABLE_H
#define MG_CLI_TABLE_H

#include <stdio.h>

#include "run/gateway.h"

struct table {
    FILE *out;
    bool is_terminal;
    unsigned n_lines; /* drawn last time: moved over before the next */
};

void table_init(struct table *table, FILE *out);

/** Draw all meters and a footer of one or two lines. */
void table_draw(struct table *table, const struct mg_gateway *gateway,
                int64_t utc_ms, const char *footer);

#endif
