/* Arguments, states and step functions of the commands, one file each. */
#ifndef KPM31_COMMANDS_H
#define KPM31_COMMANDS_H

#include "flow.h"

struct kpm31_relay_args {
    int64_t closed; /* 0 or 1 */
};

struct kpm31_relay_state {
    struct kpm31_flow_state flow;
};

struct kpm31_clear_state {
    struct kpm31_flow_state flow;
    int64_t before_mwh, before_step_mwh; /* total before the command */
    int64_t after_mwh;                   /* last read since */
};

struct kpm31_address_args {
    int64_t address; /* 1..247 */
};

struct kpm31_baud_args {
    int64_t baud; /* index: 0 = 1200 ... 3 = 9600 */
};

struct kpm31_place_state {
    struct kpm31_flow_state flow;
    uint16_t content; /* last read of the register */
};

struct kpm31_clock_state {
    struct kpm31_flow_state flow;
    int64_t off_s; /* clock minus UTC at the last look */
    bool has_time; /* the registers held a date */
};

void kpm31__relay_step(void *state, const struct mg_step_in *in,
                       struct mg_step_out *out);
void kpm31__clear_step(void *state, const struct mg_step_in *in,
                       struct mg_step_out *out);
void kpm31__address_step(void *state, const struct mg_step_in *in,
                         struct mg_step_out *out);
void kpm31__baud_step(void *state, const struct mg_step_in *in,
                      struct mg_step_out *out);
void kpm31__clock_step(void *state, const struct mg_step_in *in,
                       struct mg_step_out *out);

#endif
