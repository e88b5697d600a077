/* Orders to the simulated meters on standard input, one a line: what happens
 * to a meter in the field, for tests.
 *
 *   power METER MS   its supply is off for MS milliseconds
 *   reset METER      an unexpected reset, as by its watchdog
 *   fault METER KIND one of nv-slot, nv-all, clock, nan, reset, crypto, welded,
 *                    temperature, sensor, telegram; `over` ends the last five
 *   load METER MA    from now on this current flows, in mA per phase
 *   input METER 0|1  its first input: the fault line of the charging station
 *   faults N         from now on N of 10,000 answers go wrong
 *
 * Each is answered on standard output by a JSON line: {"done":"reset cp1"} or
 * {"failed":"reset cp1","reason":"..."}. */
#ifndef MG_CLI_CONTROL_H
#define MG_CLI_CONTROL_H

#include "cli/app.h"

#define CONTROL_LINE_MAX 128

struct control {
    struct app *app; /* its simulation runs */
    uv_poll_t poll;
    bool has_poll, is_too_long;
    size_t len;
    char line[CONTROL_LINE_MAX];
};

/** @return MG_OK; or err: standard input is neither a pipe nor a terminal */
int control_start(struct control *control, struct app *app, struct mg_err *err);
void control_stop(struct control *control);

/** N of 10,000 answers go wrong, all kinds alike. */
struct mg_sim_faults control_faults(uint32_t per_10000);

#endif
