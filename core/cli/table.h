/* A table of meters that redraws in place on a terminal, or prints plain lines
 * elsewhere. On a terminal no line is longer and no table higher than the
 * window, since a line that wraps or scrolls could not be drawn over. */
#ifndef MG_CLI_TABLE_H
#define MG_CLI_TABLE_H

#include <stdio.h>

#include "run/gateway.h"

struct table {
    FILE *out;
    bool is_terminal;
    unsigned n_columns, n_rows; /* of the window; UINT_MAX: no terminal */
    unsigned n_lines; /* drawn last time: moved over before the next */
    unsigned column;  /* where the line being drawn is */
};

void table_init(struct table *table, FILE *out);

/** Draw all meters and the lines of the footer, which '\n' divides. */
void table_draw(struct table *table, const struct mg_gateway *gateway,
                int64_t utc_ms, const char *footer);

#endif
