/* What happens to the station's clock, for the log book and as events. */
#ifndef MG_RUN_CLOCK_EVENTS_H
#define MG_RUN_CLOCK_EVENTS_H

#include "run/gateway_priv.h"

/** Watch it; nothing to do under a virtual clock. */
int mg_clock_events_start(struct mg_gateway *gateway, struct mg_err *err);
void mg_clock_events_stop(struct mg_gateway *gateway);

#endif
