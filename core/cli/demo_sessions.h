/* Charging sessions of the demo: some meters charge for a while, pause, and
 * charge again. */
#ifndef MG_CLI_DEMO_SESSIONS_H
#define MG_CLI_DEMO_SESSIONS_H

#include "run/session.h"

struct demo_sessions;

/** For the meters that sign and for one that does not. NULL: out of memory. */
struct demo_sessions *demo_sessions_create(uv_loop_t *loop,
                                           struct mg_gateway *gateway,
                                           const struct mg_setup *setup);
/** The loop must run once more. NULL is allowed. No session is ended. */
void demo_sessions_destroy(struct demo_sessions *s);

/** "3 signed records; cp11: T2 valid, 0.030 kWh, billable" */
void demo_sessions_text(const struct demo_sessions *s, char *buf, size_t cap);

#endif
