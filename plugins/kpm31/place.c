/* `set-address` and `set-baud`: move the meter to another place on its line.
 *
 * KPM31 manual V2.0, 6.2: the address is in 0001H; the speed in 0002H, 1 to 4
 * for 1200 to 9600 baud. The row of 0002H is cut off after the speeds; the
 * sibling keeps the parity in the high byte (KPM33B manual V3.4), so the high
 * byte is written back as it was read. */
#include "commands.h"
#include "metergate/bytes.h"

#define ADDRESS 0x0001
#define SPEED   0x0002

static const uint32_t BAUDS[] = {1200, 2400, 4800, 9600};
#define N_BAUDS ((int64_t)(sizeof BAUDS / sizeof *BAUDS))

static bool read_content(struct kpm31_place_state *s,
                         const struct mg_step_in *in)
{
    const uint8_t *data = kpm31__answer(in, 3, 2);
    if (data == NULL) {
        return false;
    }
    struct mg_rd r = mg_rd_init(data, 2);
    s->content = mg_rd_be16(&r);
    return true;
}

/* ---- Address ---- */

static uint8_t wanted_address(const struct mg_step_in *in)
{
    const struct kpm31_address_args *args = in->args;
    return (uint8_t)args->address;
}

static void ask_address(const struct mg_step_in *in, bool is_new_place,
                        struct mg_step_out *out)
{
    kpm31__read(out, 3, ADDRESS, 1);
    out->unit = is_new_place ? wanted_address(in) : 0;
}

static enum kpm31_verdict
judge_address(void *state, const struct mg_step_in *in, struct mg_step_out *out)
{
    struct kpm31_place_state *s = state;
    uint8_t wanted = wanted_address(in);
    if (!read_content(s, in)) {
        return KPM31_GARBLED;
    }
    bool is_there =
        s->flow.phase == KPM31_LOOK ? in->unit == wanted : !s->flow.is_at_old;
    if (s->content != wanted || !is_there) {
        return KPM31_NOT_YET;
    }
    out->unit = s->flow.phase == KPM31_LOOK ? 0 : wanted;
    kpm31__value(out, MG_CH(BUS_ADDRESS, TOTAL), wanted, 1);
    return KPM31_REACHED;
}

static bool act_address(void *state, const struct mg_step_in *in,
                        struct mg_step_out *out)
{
    (void)state;
    uint16_t wanted = wanted_address(in);
    kpm31__write_registers(out, ADDRESS, &wanted, 1);
    return true;
}

static void missed_address(const void *state, const struct mg_step_in *in,
                           struct mg_step_out *out)
{
    const struct kpm31_place_state *s = state;
    kpm31__say(out, "address ");
    kpm31__say_number(out, wanted_address(in));
    kpm31__say(out, " wanted, the register holds ");
    kpm31__say_number(out, s->content);
}

static const struct kpm31_flow ADDRESS_FLOW = {
    .subject = "its address",
    .deed = "change its address",
    .max_rounds = 3,
    .has_two_places = true,
    .must_be_free = true,
    .ask = ask_address,
    .judge = judge_address,
    .act = act_address,
    .missed = missed_address,
};

void kpm31__address_step(void *state, const struct mg_step_in *in,
                         struct mg_step_out *out)
{
    kpm31__flow_step(&ADDRESS_FLOW, state, in, out);
}

/* ---- Speed ---- */

static uint16_t wanted_code(const struct mg_step_in *in)
{
    const struct kpm31_baud_args *args = in->args;
    int64_t index = args->baud;
    return (uint16_t)(1 +
                      (index < 0 || index >= N_BAUDS ? N_BAUDS - 1 : index));
}

static uint32_t wanted_baud(const struct mg_step_in *in)
{
    return BAUDS[wanted_code(in) - 1];
}

static void ask_baud(const struct mg_step_in *in, bool is_new_place,
                     struct mg_step_out *out)
{
    kpm31__read(out, 3, SPEED, 1);
    out->baud = is_new_place ? wanted_baud(in) : 0;
}

static enum kpm31_verdict judge_baud(void *state, const struct mg_step_in *in,
                                     struct mg_step_out *out)
{
    struct kpm31_place_state *s = state;
    if (!read_content(s, in)) {
        return KPM31_GARBLED;
    }
    if ((s->content & 0xff) != wanted_code(in)) {
        return KPM31_NOT_YET;
    }
    out->baud = s->flow.phase == KPM31_LOOK ? 0 : wanted_baud(in);
    kpm31__value(out, MG_CH(BAUD, TOTAL), wanted_baud(in), 1);
    return KPM31_REACHED;
}

static bool act_baud(void *state, const struct mg_step_in *in,
                     struct mg_step_out *out)
{
    const struct kpm31_place_state *s = state;
    uint16_t content = (uint16_t)((s->content & 0xff00) | wanted_code(in));
    kpm31__write_registers(out, SPEED, &content, 1);
    return true;
}

static void missed_baud(const void *state, const struct mg_step_in *in,
                        struct mg_step_out *out)
{
    const struct kpm31_place_state *s = state;
    kpm31__say(out, "code ");
    kpm31__say_number(out, wanted_code(in));
    kpm31__say(out, " (");
    kpm31__say_number(out, wanted_baud(in));
    kpm31__say(out, " baud) wanted, register holds ");
    kpm31__say_number(out, s->content & 0xff);
}

static const struct kpm31_flow BAUD_FLOW = {
    .subject = "its line speed",
    .deed = "change its line speed",
    .max_rounds = 3,
    .has_two_places = true,
    .ask = ask_baud,
    .judge = judge_baud,
    .act = act_baud,
    .missed = missed_baud,
};

void kpm31__baud_step(void *state, const struct mg_step_in *in,
                      struct mg_step_out *out)
{
    kpm31__flow_step(&BAUD_FLOW, state, in, out);
}
