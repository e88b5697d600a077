/* `clear-energy`: set all energies to zero.
 *
 * KPM31 manual V2.0, 6.2: writing 55AAH to 000CH clears "immediately". That it
 * has happened shows in the total active energy (0080H): zero, or less than
 * before when the meter has counted on since. */
#include "commands.h"
#include "metergate/bytes.h"
#include "metergate/fixed.h"

#define TOTAL_ENERGY  0x0080
#define CLEAR         0x000c
#define CLEAR_COMMAND 0x55aa
#define KWH_TO_MWH    6 /* decimals between the register and the base unit */

static void ask(const struct mg_step_in *in, bool is_new_place,
                struct mg_step_out *out)
{
    (void)in;
    (void)is_new_place; /* the meter stays where it is */
    kpm31__read(out, 3, TOTAL_ENERGY, 2);
}

static int64_t magnitude(int64_t v)
{
    return v < 0 ? -v : v;
}

/* A total that was zero before cannot show it: then the meter's word counts. */
static bool is_cleared(const struct kpm31_clear_state *s)
{
    if (s->before_mwh == 0) {
        return s->flow.is_acknowledged;
    }
    return magnitude(s->after_mwh) < magnitude(s->before_mwh);
}

static void report_before(const struct kpm31_clear_state *s,
                          struct mg_step_out *out)
{
    kpm31__value(out, MG_CH(ENERGY_ACTIVE, TOTAL), s->before_mwh,
                 s->before_step_mwh);
}

static enum kpm31_verdict judge(void *state, const struct mg_step_in *in,
                                struct mg_step_out *out)
{
    struct kpm31_clear_state *s = state;
    const uint8_t *data = kpm31__answer(in, 3, 4);
    if (data == NULL) {
        return KPM31_GARBLED;
    }
    struct mg_rd r = mg_rd_init(data, 4);
    int64_t mwh;
    int64_t step_mwh;
    if (mg_fixed_from_f32(mg_rd_be32(&r), KWH_TO_MWH, &mwh, &step_mwh) !=
        MG_OK) {
        return KPM31_GARBLED;
    }
    if (s->flow.phase == KPM31_LOOK) {
        s->before_mwh = mwh;
        s->before_step_mwh = step_mwh;
        report_before(s, out);
        return KPM31_NOT_YET;
    }
    s->after_mwh = mwh;
    if (!is_cleared(s)) {
        return KPM31_NOT_YET;
    }
    if (s->flow.is_resumed) {
        report_before(s, out); /* the first report went with the old process */
    }
    kpm31__value(out, MG_CH(ENERGY_ACTIVE, TOTAL), mwh, step_mwh);
    return KPM31_REACHED;
}

static bool act(void *state, const struct mg_step_in *in,
                struct mg_step_out *out)
{
    (void)state;
    (void)in;
    uint16_t command = CLEAR_COMMAND;
    kpm31__write_registers(out, CLEAR, &command, 1);
    return true;
}

static void missed(const void *state, const struct mg_step_in *in,
                   struct mg_step_out *out)
{
    const struct kpm31_clear_state *s = state;
    (void)in;
    kpm31__say(out, "not cleared: ");
    kpm31__say_number(out, s->after_mwh / 1000);
    kpm31__say(out, " Wh after ");
    kpm31__say_number(out, s->before_mwh / 1000);
    kpm31__say(out, " Wh before");
}

static const struct kpm31_flow FLOW = {
    .subject = "the total active energy",
    .deed = "clear its energies",
    .max_rounds = 10,
    .ask = ask,
    .judge = judge,
    .act = act,
    .missed = missed,
};

void kpm31__clear_step(void *state, const struct mg_step_in *in,
                       struct mg_step_out *out)
{
    kpm31__flow_step(&FLOW, state, in, out);
}
