/* Drives a virtual clock: so many times faster than real time, or as fast as
 * the store takes the readings. */
#ifndef MG_CLI_VIRTUAL_H
#define MG_CLI_VIRTUAL_H

#include "base/clock.h"
#include "run/gateway.h"

struct virtual_time {
    uv_timer_t timer;
    struct mg_clock *clock;
    struct mg_gateway *gateway;
    uint32_t speed;  /* times real time; 0 = as fast as it goes */
    uint64_t end_ns; /* virtual time to stop at; UINT64_MAX = never */
    uint64_t real_start_ms;
    bool has_timer;
    void (*ended)(void *ctx);
    void *ctx;
};

/** The caller has set all members but timer, real_start_ms, has_timer. */
int virtual_start(struct virtual_time *v, uv_loop_t *loop, struct mg_err *err);
void virtual_stop(struct virtual_time *v);

#endif
