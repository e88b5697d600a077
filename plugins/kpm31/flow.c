#include "flow.h"

#define ROUND_MS     200
#define SILENCE_MS   500
#define MAX_TIMEOUTS 3

#define EXCEPTION_ACKNOWLEDGE 5 /* accepted, takes long */

static void say_exception(struct mg_step_out *out, uint8_t exception)
{
    static const char *const MEANINGS[] = {
        "",
        " (no such function)",
        " (no such register)",
        " (value refused)",
        " (failure in the meter)",
        "",
        " (meter busy)",
    };
    kpm31__say(out, "exception ");
    kpm31__say_number(out, exception);
    if (exception < sizeof MEANINGS / sizeof *MEANINGS) {
        kpm31__say(out, MEANINGS[exception]);
    }
}

static void wait(struct mg_step_out *out, uint32_t ms)
{
    out->action = MG_STEP_WAIT;
    out->wait_ms = ms;
    out->n_values = 0;
}

static void look(const struct kpm31_flow *flow, struct kpm31_flow_state *s,
                 const struct mg_step_in *in, struct mg_step_out *out)
{
    s->phase = KPM31_LOOK;
    flow->ask(in, false, out);
}

static void check(const struct kpm31_flow *flow, struct kpm31_flow_state *s,
                  const struct mg_step_in *in, struct mg_step_out *out)
{
    s->phase = KPM31_CHECK;
    flow->ask(in, !s->is_at_old, out);
}

static void act(const struct kpm31_flow *flow, struct kpm31_flow_state *s,
                const struct mg_step_in *in, struct mg_step_out *out)
{
    s->phase = KPM31_ACT;
    s->n_timeouts = 0;
    (void)flow->act(s, in, out); /* false: out holds the failure */
}

static void garbled(const struct kpm31_flow *flow, struct mg_step_out *out)
{
    kpm31__fail(out, MG_E_PROTO, "the meter's answer does not hold ");
    kpm31__say(out, flow->subject);
}

static void cancel(const struct kpm31_flow *flow,
                   const struct kpm31_flow_state *s, struct mg_step_out *out)
{
    bool is_told = s->phase >= KPM31_ACT;
    kpm31__fail(out, MG_E_CANCELED,
                is_told ? "canceled; the meter was told to "
                        : "canceled before the meter was told to ");
    kpm31__say(out, flow->deed);
    kpm31__say(out, is_told ? ", the outcome was not seen" : "");
}

/* Another round of CHECK after a pause, unless somebody waits for the end. */
static void check_later(const struct kpm31_flow *flow,
                        struct kpm31_flow_state *s, uint32_t ms,
                        struct mg_step_out *out)
{
    s->is_at_old = false;
    if (s->is_canceled) {
        cancel(flow, s, out);
        return;
    }
    wait(out, ms);
}

static void looked(const struct kpm31_flow *flow, struct kpm31_flow_state *s,
                   const struct mg_step_in *in, struct mg_step_out *out)
{
    switch (flow->judge(s, in, out)) {
    case KPM31_REACHED:
        out->action = MG_STEP_DONE;
        return;
    case KPM31_GARBLED:
        garbled(flow, out);
        return;
    case KPM31_NOT_YET:
        break;
    }
    if (flow->must_be_free) {
        s->phase = KPM31_PROBE;
        flow->ask(in, true, out);
        return;
    }
    act(flow, s, in, out);
}

static void missed(const struct kpm31_flow *flow,
                   const struct kpm31_flow_state *s,
                   const struct mg_step_in *in, struct mg_step_out *out)
{
    kpm31__fail(out, MG_E_MISMATCH, "");
    flow->missed(s, in, out);
    if (s->is_resumed) {
        kpm31__say(out, "; the gateway was restarted");
    } else if (!s->is_acknowledged) {
        kpm31__say(out, "; the command got no answer");
    }
}

static void checked(const struct kpm31_flow *flow, struct kpm31_flow_state *s,
                    const struct mg_step_in *in, struct mg_step_out *out)
{
    enum kpm31_verdict verdict = flow->judge(s, in, out);
    if (verdict == KPM31_GARBLED) {
        garbled(flow, out);
    } else if (verdict == KPM31_REACHED && !s->is_at_old) {
        out->action = MG_STEP_DONE;
    } else if (++s->n_rounds > flow->max_rounds) {
        missed(flow, s, in, out);
    } else {
        check_later(flow, s, ROUND_MS, out);
    }
}

static void replied(const struct kpm31_flow *flow, struct kpm31_flow_state *s,
                    const struct mg_step_in *in, struct mg_step_out *out)
{
    switch ((enum kpm31_phase)s->phase) {
    case KPM31_LOOK:
        looked(flow, s, in, out);
        break;
    case KPM31_PROBE:
        kpm31__fail(out, MG_E_STATE,
                    "another meter answers at the new address; nothing was "
                    "changed");
        break;
    case KPM31_ACT:
        s->is_acknowledged = true;
        check(flow, s, in, out);
        break;
    case KPM31_CHECK:
        checked(flow, s, in, out);
        break;
    }
}

static void excepted(const struct kpm31_flow *flow, struct kpm31_flow_state *s,
                     const struct mg_step_in *in, struct mg_step_out *out)
{
    if (s->phase == KPM31_PROBE) {
        replied(flow, s, in, out);
        return;
    }
    if (s->phase == KPM31_ACT && in->exception == EXCEPTION_ACKNOWLEDGE) {
        check(flow, s, in, out);
        return;
    }
    kpm31__fail(out, MG_E_EXCEPTION, "");
    say_exception(out, in->exception);
    if (s->phase == KPM31_ACT) {
        kpm31__say(out, " when told to ");
        kpm31__say(out, flow->deed);
        return;
    }
    kpm31__say(out, " when asked for ");
    kpm31__say(out, flow->subject);
    kpm31__say(out, s->phase == KPM31_LOOK ? "; nothing was changed" : "");
}

static void silent(const struct kpm31_flow *flow,
                   const struct kpm31_flow_state *s, struct mg_step_out *out)
{
    if (s->phase == KPM31_LOOK) {
        kpm31__fail(out, MG_E_TIMEOUT, "no answer when asked for ");
        kpm31__say(out, flow->subject);
        kpm31__say(out, "; nothing was changed");
        return;
    }
    kpm31__fail(out, MG_E_TIMEOUT, "told to ");
    kpm31__say(out, flow->deed);
    kpm31__say(out, ", then silent: whether it did is not known");
}

static void timed_out(const struct kpm31_flow *flow, struct kpm31_flow_state *s,
                      const struct mg_step_in *in, struct mg_step_out *out)
{
    if (s->phase == KPM31_PROBE) {
        act(flow, s, in, out);
    } else if (s->phase == KPM31_ACT) {
        check(flow, s, in, out);
    } else if (s->phase == KPM31_CHECK && flow->has_two_places &&
               !s->is_at_old) {
        s->is_at_old = true;
        check(flow, s, in, out);
    } else if (++s->n_timeouts >= MAX_TIMEOUTS) {
        silent(flow, s, out);
    } else if (s->phase == KPM31_LOOK) {
        wait(out, SILENCE_MS);
    } else {
        check_later(flow, s, SILENCE_MS, out);
    }
}

static void resume(const struct kpm31_flow *flow, struct kpm31_flow_state *s,
                   const struct mg_step_in *in, struct mg_step_out *out)
{
    s->n_rounds = 0;
    s->n_timeouts = 0;
    s->is_at_old = false;
    s->is_canceled = false;
    if (s->phase < KPM31_ACT) {
        look(flow, s, in, out); /* nothing was sent that acts */
        return;
    }
    s->is_resumed = true;
    check(flow, s, in, out);
}

void kpm31__flow_step(const struct kpm31_flow *flow, void *state,
                      const struct mg_step_in *in, struct mg_step_out *out)
{
    struct kpm31_flow_state *s = state;
    switch (in->event) {
    case MG_STEP_START:
        look(flow, s, in, out);
        break;
    case MG_STEP_REPLY:
        replied(flow, s, in, out);
        break;
    case MG_STEP_EXCEPTION:
        excepted(flow, s, in, out);
        break;
    case MG_STEP_TIMEOUT:
        timed_out(flow, s, in, out);
        break;
    case MG_STEP_WOKE:
        if (s->phase == KPM31_LOOK) {
            look(flow, s, in, out);
        } else {
            check(flow, s, in, out);
        }
        break;
    case MG_STEP_CANCEL:
        if (s->phase < KPM31_ACT) {
            cancel(flow, s, out);
        } else {
            s->is_canceled = true;
            s->is_at_old = false;
            check(flow, s, in, out);
        }
        break;
    case MG_STEP_RESUME:
        resume(flow, s, in, out);
        break;
    }
}
