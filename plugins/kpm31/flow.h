/* What all commands of the KPM31 have in common: look, act, check.
 *
 *   LOOK   read what is to be changed; done when it is as wanted
 *   PROBE  (new address only) nobody may answer there yet
 *   ACT    the one request that has an effect
 *   CHECK  read back until it is as wanted, a few times with a pause
 *
 * After a time-out of ACT it is not known whether the meter acted: CHECK finds
 * out. The request that acts is sent once at most: after a restart of the
 * gateway the flow goes on at CHECK and never writes again, because hours may
 * have gone by. */
#ifndef KPM31_FLOW_H
#define KPM31_FLOW_H

#include "metergate/plugin.h"

enum kpm31_phase { KPM31_LOOK, KPM31_PROBE, KPM31_ACT, KPM31_CHECK };

enum kpm31_verdict {
    KPM31_REACHED, /* the meter is as wanted */
    KPM31_NOT_YET, /* it is not */
    KPM31_GARBLED  /* the answer does not say */
};

/* First member of each procedure's state. */
struct kpm31_flow_state {
    uint8_t phase; /* enum kpm31_phase */
    uint8_t n_rounds, n_timeouts;
    bool is_acknowledged, is_canceled, is_resumed;
    bool is_at_old; /* CHECK asks at the old address or speed */
};

struct kpm31_flow {
    const char *subject; /* what is read: "the state of the relay" */
    const char *deed;    /* what is done: "switch the relay" */
    uint8_t max_rounds;  /* of CHECK, 200 ms apart */
    bool has_two_places; /* CHECK looks at the old place too */
    bool must_be_free;   /* PROBE before ACT */
    /** Build the reading request.
     *  @param is_new_place  at the address or speed that is wanted */
    void (*ask)(const struct mg_step_in *in, bool is_new_place,
                struct mg_step_out *out);
    /** Judge the answer to `ask` in LOOK and CHECK; adds values to `out`. */
    enum kpm31_verdict (*judge)(void *state, const struct mg_step_in *in,
                                struct mg_step_out *out);
    /** Build the request that acts. @return false: out says why not */
    bool (*act)(void *state, const struct mg_step_in *in,
                struct mg_step_out *out);
    /** Say what was found instead of what was wanted. */
    void (*missed)(const void *state, const struct mg_step_in *in,
                   struct mg_step_out *out);
};

/** Advance by one event, as mg_procedure.step.
 *  @param state  begins with struct kpm31_flow_state */
void kpm31__flow_step(const struct kpm31_flow *flow, void *state,
                      const struct mg_step_in *in, struct mg_step_out *out);

/** Fail with a sentence that starts like this. */
void kpm31__fail(struct mg_step_out *out, int code, const char *text);

/** Go on with the sentence; what does not fit is cut. */
void kpm31__say(struct mg_step_out *out, const char *text);
void kpm31__say_number(struct mg_step_out *out, int64_t number);

/** Requests: FC01/FC03, FC05, FC16 with at most 3 registers. */
void kpm31__read(struct mg_step_out *out, uint8_t function, uint16_t address,
                 uint16_t count);
void kpm31__write_coil(struct mg_step_out *out, uint16_t address, bool is_on);
void kpm31__write_registers(struct mg_step_out *out, uint16_t address,
                            const uint16_t *values, uint16_t count);

/** The data of an answer to kpm31__read, after its byte count.
 *  @return NULL: not n_bytes of this function */
const uint8_t *kpm31__answer(const struct mg_step_in *in, uint8_t function,
                             size_t n_bytes);

/** Put a good value into the answer to the command. */
void kpm31__value(struct mg_step_out *out, mg_channel channel, int64_t value,
                  int64_t resolution);

#endif
