/* The lines of the gateway: a bus engine each, and who is on it. */
#ifndef MG_RUN_LINE_H
#define MG_RUN_LINE_H

#include "run/gateway_priv.h"

/** Make the bus engine of a line; it opens by itself, and again. */
int mg_line_open(struct line *line, struct mg_err *err);

/** Put a meter on its line. */
int mg_line_add_meter(struct meter *meter, struct mg_err *err);

/** A meter of the line answered: only that ends the line's complaint, since a
 *  line that opens and closes at once would be one event after the other. */
void mg_line_answered(struct line *line);

#endif
