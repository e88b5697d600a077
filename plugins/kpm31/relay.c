/* `relay`: switch the magnetic latching relay of the variants B and BK.
 *
 * KPM31 manual V2.0, 6.1: read with FC01, address 0001H; written with FC05,
 * where the manual prints the address as "xx": the sibling's (KPM33B manual
 * V3.4) is 0001H too. A latching relay needs a pulse of some 100 ms, so the
 * state is read back for up to 2 s. */
#include "commands.h"

#define COIL 0x0001

static bool is_wanted_closed(const struct mg_step_in *in)
{
    const struct kpm31_relay_args *args = in->args;
    return args->closed != 0;
}

static void ask(const struct mg_step_in *in, bool is_new_place,
                struct mg_step_out *out)
{
    (void)in;
    (void)is_new_place; /* the meter stays where it is */
    kpm31__read(out, 1, COIL, 1);
}

static enum kpm31_verdict judge(void *state, const struct mg_step_in *in,
                                struct mg_step_out *out)
{
    (void)state;
    const uint8_t *data = kpm31__answer(in, 1, 1);
    if (data == NULL) {
        return KPM31_GARBLED;
    }
    bool is_closed = (data[0] & 1) != 0;
    if (is_closed != is_wanted_closed(in)) {
        return KPM31_NOT_YET;
    }
    kpm31__value(out, MG_CH(RELAY_CLOSED, TOTAL), is_closed, 1);
    return KPM31_REACHED;
}

static bool act(void *state, const struct mg_step_in *in,
                struct mg_step_out *out)
{
    (void)state;
    kpm31__write_coil(out, COIL, is_wanted_closed(in));
    return true;
}

static void missed(const void *state, const struct mg_step_in *in,
                   struct mg_step_out *out)
{
    (void)state;
    kpm31__say(out, is_wanted_closed(in)
                        ? "the relay was told to close but reads open"
                        : "the relay was told to open but reads closed");
}

static const struct kpm31_flow FLOW = {
    .subject = "the state of the relay",
    .deed = "switch the relay",
    .max_rounds = 10,
    .ask = ask,
    .judge = judge,
    .act = act,
    .missed = missed,
};

void kpm31__relay_step(void *state, const struct mg_step_in *in,
                       struct mg_step_out *out)
{
    kpm31__flow_step(&FLOW, state, in, out);
}
