/* Events of a session's operation: what to ask next, or again. */
#include "session.h"

#include <string.h>

#include "requests.h"

#define RETRY_MS     1000
#define MAX_TIMEOUTS 5

#define EXCEPTION_ACKNOWLEDGE 5 /* accepted, takes long */
#define EXCEPTION_BUSY        6

_Static_assert(sizeof(struct wm3m4c_session_state) <= MG_STEP_STATE_MAX,
               "state of a procedure");

static const struct wm3m4c_phase_ops *const PHASES[WM3M4C_N_PHASES] = {
    [WM3M4C_VERSION] = &wm3m4c__version,
    [WM3M4C_KIND] = &wm3m4c__kind,
    [WM3M4C_STATUS] = &wm3m4c__status,
    [WM3M4C_SIGNING] = &wm3m4c__signing,
    [WM3M4C_CLOCK] = &wm3m4c__clock,
    [WM3M4C_ENDING] = &wm3m4c__ending,
    [WM3M4C_BEFORE_HOLD] = &wm3m4c__before_hold,
    [WM3M4C_SETTING] = &wm3m4c__setting,
    [WM3M4C_CHUNK] = &wm3m4c__chunk,
    [WM3M4C_CHUNK_BACK] = &wm3m4c__chunk_back,
    [WM3M4C_LENGTH] = &wm3m4c__length,
    [WM3M4C_ADJUST] = &wm3m4c__adjust,
    [WM3M4C_COMMAND] = &wm3m4c__command,
    [WM3M4C_CHECK_STATUS] = &wm3m4c__check_status,
    [WM3M4C_CHECK_SIGNING] = &wm3m4c__check_signing,
    [WM3M4C_POLL] = &wm3m4c__poll,
    [WM3M4C_PROOF] = &wm3m4c__proof,
    [WM3M4C_HELD] = &wm3m4c__held,
    [WM3M4C_OUTPUT] = &wm3m4c__output,
    [WM3M4C_SIGNATURE] = &wm3m4c__signature,
    [WM3M4C_KEY] = &wm3m4c__key,
    [WM3M4C_STILL] = &wm3m4c__still,
};

static unsigned op_of(const struct mg_step_in *in)
{
    const struct mg_session_args *args = in->args;
    return args->op;
}

/* What this phase asks, to name it. */
static void request_of(const struct wm3m4c_session_state *s,
                       const struct mg_step_in *in, struct mg_step_out *ret)
{
    memset(ret, 0, sizeof *ret);
    PHASES[s->phase]->ask(s, in, ret);
}

static void ask(struct wm3m4c_session_state *s, const struct mg_step_in *in,
                struct mg_step_out *out)
{
    PHASES[s->phase]->ask(s, in, out);
}

void wm3m4c__go(struct wm3m4c_session_state *s, enum wm3m4c_phase phase,
                const struct mg_step_in *in, struct mg_step_out *out)
{
    s->phase = (uint8_t)phase;
    s->n_timeouts = 0;
    ask(s, in, out);
}

void wm3m4c__go_later(struct wm3m4c_session_state *s, enum wm3m4c_phase phase,
                      uint32_t ms, struct mg_step_out *out)
{
    s->phase = (uint8_t)phase;
    out->action = MG_STEP_WAIT;
    out->wait_ms = ms;
}

void wm3m4c__garbled(const struct wm3m4c_session_state *s,
                     const struct mg_step_in *in, struct mg_step_out *out)
{
    struct mg_step_out request;
    request_of(s, in, &request);
    wm3m4c__fail(out, MG_E_PROTO, "the answer for ");
    wm3m4c__say_register(out, &request);
    wm3m4c__say(out, " is not what was asked");
}

static void say_status(const struct wm3m4c_session_state *s,
                       struct mg_step_out *out)
{
    const struct wm3m4c_status *n = &s->now;
    wm3m4c__value(out, MG_CH(SESSION_STATE, TOTAL), n->state, 1);
    wm3m4c__value(out, MG_CH(SIGNATURE_STATUS, TOTAL), s->signing.status, 1);
    wm3m4c__value(out, MG_CH(SIGNATURES, TOTAL), n->n_signatures, 1);
}

void wm3m4c__done(const struct wm3m4c_session_state *s,
                  const struct mg_step_in *in, struct mg_step_out *out)
{
    out->action = MG_STEP_DONE;
    say_status(s, out);
    if (op_of(in) == MG_SESSION_LOOK) {
        wm3m4c__value(out, MG_CH(CLOCK_STATUS, TOTAL), s->clock, 1);
        wm3m4c__value(out, MG_CH(METER_CLOCK, TOTAL), s->now.clock_s, 1);
        wm3m4c__value(out, MG_CH(SESSION_DURATION, TOTAL), s->now.duration_s,
                      1);
        wm3m4c__value(out, MG_CH(SESSION_ENERGY, TOTAL),
                      s->now.energy_wh * 1000LL, 1000);
    }
    if (op_of(in) == MG_SESSION_HOLD) {
        wm3m4c__value(out, MG_CH(HOLD_TIME, TOTAL), s->held.time_s, 1);
        wm3m4c__value(out, MG_CH(HOLD_ENERGY, TOTAL),
                      s->held.energy_wh * 1000LL, 1000);
    }
}

static void start(struct wm3m4c_session_state *s, const struct mg_step_in *in,
                  struct mg_step_out *out)
{
    memset(s, 0, sizeof *s);
    if (op_of(in) > MG_SESSION_ADJUST) {
        wm3m4c__fail(out, MG_E_NOSUP, "operation ");
        wm3m4c__say_number(out, op_of(in));
        wm3m4c__say(out, " of a session is not known");
        return;
    }
    s->since_ms = in->now_ms;
    wm3m4c__go(s, op_of(in) == MG_SESSION_LOOK ? WM3M4C_KIND : WM3M4C_VERSION,
               in, out);
}

/* Whether the meter may be acting on a command already. */
static bool is_told(const struct wm3m4c_session_state *s,
                    const struct mg_step_in *in)
{
    return s->phase >= WM3M4C_ADJUST && op_of(in) != MG_SESSION_LOOK;
}

/* Nobody else may know either: the adjustment shows nowhere. */
static void adjustment_is_unknown(struct mg_step_out *out, int code)
{
    wm3m4c__fail(out, code,
                 "register 47074 was written and not answered: not known "
                 "whether the clock was adjusted");
}

static void check(struct wm3m4c_session_state *s, const struct mg_step_in *in,
                  struct mg_step_out *out)
{
    s->is_uncertain = true;
    wm3m4c__go(s, WM3M4C_CHECK_STATUS, in, out);
}

static void canceled(struct wm3m4c_session_state *s,
                     const struct mg_step_in *in, struct mg_step_out *out)
{
    if (!is_told(s, in)) {
        wm3m4c__fail(out, MG_E_CANCELED,
                     "canceled before the meter was given the command");
    } else if (s->phase == WM3M4C_ADJUST) {
        adjustment_is_unknown(out, MG_E_CANCELED);
    } else if (s->phase == WM3M4C_COMMAND) {
        check(s, in, out);
    } else {
        ask(s, in, out); /* the record that it made is not left behind */
    }
}

static void resumed(struct wm3m4c_session_state *s, const struct mg_step_in *in,
                    struct mg_step_out *out)
{
    if (!is_told(s, in)) {
        start(s, in, out);
    } else if (s->phase == WM3M4C_ADJUST) {
        adjustment_is_unknown(out, MG_E_TIMEOUT);
    } else {
        s->is_resumed = true;
        check(s, in, out);
    }
}

static void silent(const struct wm3m4c_session_state *s,
                   const struct mg_step_in *in, struct mg_step_out *out)
{
    struct mg_step_out request;
    request_of(s, in, &request);
    wm3m4c__fail(out, MG_E_TIMEOUT, "no answer for ");
    wm3m4c__say_register(out, &request);
    wm3m4c__say(out, ", asked 5 times");
    wm3m4c__say(out, is_told(s, in) ? "; the meter was given the command"
                                    : "; the meter was not given the command");
}

static void timed_out(struct wm3m4c_session_state *s,
                      const struct mg_step_in *in, struct mg_step_out *out)
{
    if (s->phase == WM3M4C_ADJUST) {
        adjustment_is_unknown(out, MG_E_TIMEOUT);
    } else if (s->phase == WM3M4C_COMMAND) {
        s->is_uncertain = true;
        s->n_timeouts = 0;
        wm3m4c__go_later(s, WM3M4C_CHECK_STATUS, RETRY_MS, out);
    } else if (++s->n_timeouts >= MAX_TIMEOUTS) {
        silent(s, in, out);
    } else {
        wm3m4c__go_later(s, (enum wm3m4c_phase)s->phase, RETRY_MS, out);
    }
}

static void refused(struct wm3m4c_session_state *s, const struct mg_step_in *in,
                    struct mg_step_out *out)
{
    if (s->phase == WM3M4C_VERSION && in->exception != EXCEPTION_BUSY) {
        wm3m4c__go(s, WM3M4C_KIND, in, out); /* as the oldest version */
        return;
    }
    if (in->exception == EXCEPTION_BUSY ||
        (in->exception == EXCEPTION_ACKNOWLEDGE &&
         s->phase == WM3M4C_COMMAND)) {
        timed_out(s, in, out);
        return;
    }
    struct mg_step_out request;
    request_of(s, in, &request);
    wm3m4c__fail(out, MG_E_EXCEPTION, "");
    wm3m4c__say_refused(out, in->exception, &request);
}

void wm3m4c__session_step(void *state, const struct mg_step_in *in,
                          struct mg_step_out *out)
{
    struct wm3m4c_session_state *s = state;
    if (s->phase >= WM3M4C_N_PHASES) {
        wm3m4c__fail(out, MG_E_INVAL, "the state of the operation is damaged");
        return;
    }
    switch (in->event) {
    case MG_STEP_START:
        start(s, in, out);
        break;
    case MG_STEP_REPLY:
        s->n_timeouts = 0;
        PHASES[s->phase]->take(s, in, out);
        break;
    case MG_STEP_EXCEPTION:
        refused(s, in, out);
        break;
    case MG_STEP_TIMEOUT:
        timed_out(s, in, out);
        break;
    case MG_STEP_WOKE:
        ask(s, in, out);
        break;
    case MG_STEP_CANCEL:
        canceled(s, in, out);
        break;
    case MG_STEP_RESUME:
        resumed(s, in, out);
        break;
    }
}
