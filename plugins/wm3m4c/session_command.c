/* The command, and whether it was carried out (manual V1.07, 5.5.8, 5.5.9). */
#include "requests.h"
#include "session.h"

#define COMMAND 7051
#define ADJUST  7074

#define SIGNING_IN_PROGRESS 2
#define SIGNING_OK          15
#define SIGNING_ERROR       128 /* and above */
#define SIGNING_IDLE        1   /* and 0, not initialised */

#define FIRST_PAUSE_MS 50
#define PAUSE_MS       100
/* A content of 47052 that was there before the command may be the old one for
 * so long: an error; a 15, which the count of signatures proves too. The meter
 * signs within a second. */
#define SETTLED_MS    1500
#define SETTLED_OK_MS 300
#define GIVE_UP_MS    15000
#define MAX_SENT      3

static unsigned op_of(const struct mg_step_in *in)
{
    const struct mg_session_args *args = in->args;
    return args->op;
}

/* ---- Adjustment of the clock ---- */

static void ask_adjust(const struct wm3m4c_session_state *s,
                       const struct mg_step_in *in, struct mg_step_out *out)
{
    const struct mg_session_args *args = in->args;
    uint16_t content = (uint16_t)args->adjust_s;
    (void)s;
    wm3m4c__write(out, ADJUST, &content, 1);
}

static void take_adjust(struct wm3m4c_session_state *s,
                        const struct mg_step_in *in, struct mg_step_out *out)
{
    struct mg_step_out request = {0};
    ask_adjust(s, in, &request);
    if (wm3m4c__is_written(in, &request)) {
        wm3m4c__done(s, in, out);
    } else {
        wm3m4c__garbled(s, in, out);
    }
}

/* ---- Command ---- */

static void ask_command(const struct wm3m4c_session_state *s,
                        const struct mg_step_in *in, struct mg_step_out *out)
{
    (void)in;
    uint16_t content = (uint16_t)((unsigned char)s->letter << 8);
    wm3m4c__write(out, COMMAND, &content, 1);
}

static void watch(struct wm3m4c_session_state *s, const struct mg_step_in *in,
                  uint32_t pause_ms, struct mg_step_out *out)
{
    s->since_ms = in->now_ms;
    wm3m4c__go_later(s, WM3M4C_POLL, pause_ms, out);
}

static void take_command(struct wm3m4c_session_state *s,
                         const struct mg_step_in *in, struct mg_step_out *out)
{
    struct mg_step_out request = {0};
    ask_command(s, in, &request);
    if (!wm3m4c__is_written(in, &request)) {
        /* It may have acted all the same. */
        s->is_uncertain = true;
        wm3m4c__go(s, WM3M4C_CHECK_STATUS, in, out);
        return;
    }
    s->is_uncertain = false;
    watch(s, in, FIRST_PAUSE_MS, out);
}

/* ---- After a lost answer or a restart: was it carried out? ---- */

static void take_check_status(struct wm3m4c_session_state *s,
                              const struct mg_step_in *in,
                              struct mg_step_out *out)
{
    if (wm3m4c__take_status(s, in, out)) {
        wm3m4c__go(s, WM3M4C_CHECK_SIGNING, in, out);
    }
}

static bool has_signed(const struct wm3m4c_session_state *s)
{
    return s->now.n_signatures != s->before.n_signatures ||
           s->now.n_fiscal != s->before.n_fiscal;
}

/* BEGIN and END show in 47000, whether the signature succeeded or not. */
static bool shows_in_state(const struct wm3m4c_session_state *s, unsigned op)
{
    bool is_idle = s->now.state == MG_SESSION_IDLE;
    return (op == MG_SESSION_BEGIN && !is_idle) ||
           (op == MG_SESSION_END && is_idle);
}

/* After a restart everything is looked at anew before it is sent again: hours
 * may have gone by. */
static void not_carried_out(struct wm3m4c_session_state *s,
                            const struct mg_step_in *in,
                            struct mg_step_out *out)
{
    if (s->is_resumed) {
        struct mg_step_in again = *in;
        again.event = MG_STEP_START;
        wm3m4c__session_step(s, &again, out);
    } else if (s->n_sent + 1 >= MAX_SENT) {
        wm3m4c__fail(out, MG_E_TIMEOUT,
                     "no answer to the command, given 3 times; the meter did "
                     "not carry it out");
    } else {
        s->n_sent++;
        wm3m4c__go(s, WM3M4C_COMMAND, in, out);
    }
}

static void take_check_signing(struct wm3m4c_session_state *s,
                               const struct mg_step_in *in,
                               struct mg_step_out *out)
{
    if (!wm3m4c__take_signing(s, in, out)) {
        return;
    }
    unsigned op = op_of(in);
    s->is_proven = has_signed(s);
    if (op == MG_SESSION_HOLD) {
        wm3m4c__go(s, WM3M4C_HELD, in, out);
    } else if (s->is_proven || shows_in_state(s, op) ||
               s->signing.status == SIGNING_IN_PROGRESS) {
        s->since_ms = in->now_ms;
        wm3m4c__go(s, WM3M4C_POLL, in, out);
    } else {
        not_carried_out(s, in, out);
    }
}

/* ---- Hold ---- */

/* Nothing is to be signed now; the reading that is held shows that it was done.
 * Held twice within a second it may be the same, which is as good. */
static void take_held(struct wm3m4c_session_state *s,
                      const struct mg_step_in *in, struct mg_step_out *out)
{
    if (!wm3m4c__take_held(&s->held, in)) {
        wm3m4c__garbled(s, in, out);
        return;
    }
    bool is_new = s->held.time_s != s->held_before.time_s ||
                  s->held.energy_wh != s->held_before.energy_wh;
    bool is_settled =
        !s->is_uncertain && in->now_ms - s->since_ms >= SETTLED_MS;
    if (is_new || is_settled) {
        wm3m4c__done(s, in, out);
    } else if (s->is_uncertain) {
        not_carried_out(s, in, out);
    } else {
        wm3m4c__go_later(s, WM3M4C_POLL, PAUSE_MS, out);
    }
}

/* ---- Poll ---- */

static void say_command(const struct wm3m4c_session_state *s,
                        struct mg_step_out *out)
{
    char letter[2] = {s->letter, 0};
    wm3m4c__say(out, " after command ");
    wm3m4c__say(out, letter);
}

static void give_up(const struct wm3m4c_session_state *s,
                    struct mg_step_out *out)
{
    wm3m4c__fail(out, MG_E_TIMEOUT, "");
    wm3m4c__say_signing(out, s->signing.status);
    wm3m4c__say(out, " 15 s");
    say_command(s, out);
    if (s->signing.status == SIGNING_OK) {
        wm3m4c__say(out, ", but 47013 did not go up");
    }
}

static void failed(const struct wm3m4c_session_state *s,
                   struct mg_step_out *out)
{
    wm3m4c__fail(out, MG_E_EXCEPTION, "");
    wm3m4c__say_signing(out, s->signing.status);
    say_command(s, out);
    wm3m4c__say(out, ", signature OK (15) expected");
}

/* 5.5.10: the output is gone after a power-down. */
static void lost_output(const struct wm3m4c_session_state *s,
                        struct mg_step_out *out)
{
    wm3m4c__fail(out, MG_E_NOTFOUND, "");
    wm3m4c__say_signing(out, s->signing.status);
    wm3m4c__say(out, ": the meter signed, but its output is gone");
}

static void wrong_lengths(const struct wm3m4c_session_state *s,
                          struct mg_step_out *out)
{
    wm3m4c__fail(out, MG_E_PROTO, "output of ");
    wm3m4c__say_number(out, s->signing.output_len);
    wm3m4c__say(out, " bytes (47057), 1 to 1024 expected; signature of ");
    wm3m4c__say_number(out, s->signing.signature_len);
    wm3m4c__say(out, ", 1 to 256");
}

static void take_ok(struct wm3m4c_session_state *s, const struct mg_step_in *in,
                    struct mg_step_out *out)
{
    if (!s->is_proven) {
        wm3m4c__go(s, WM3M4C_PROOF, in, out);
    } else if (!wm3m4c__has_record(&s->signing)) {
        wrong_lengths(s, out);
    } else {
        wm3m4c__read_record(s, in, out);
    }
}

static void take_poll(struct wm3m4c_session_state *s,
                      const struct mg_step_in *in, struct mg_step_out *out)
{
    if (!wm3m4c__take_signing(s, in, out)) {
        return;
    }
    uint64_t waited_ms = in->now_ms - s->since_ms;
    unsigned status = s->signing.status;
    bool is_settled = waited_ms >= SETTLED_MS;
    s->is_fresh = s->is_fresh || status != s->signing_before;
    if (status >= SIGNING_ERROR && (s->is_fresh || is_settled)) {
        failed(s, out);
    } else if (op_of(in) == MG_SESSION_HOLD && status < SIGNING_ERROR) {
        wm3m4c__go(s, WM3M4C_HELD, in, out);
    } else if (waited_ms >= GIVE_UP_MS &&
               !(status == SIGNING_OK && s->is_proven)) {
        give_up(s, out);
    } else if (status == SIGNING_OK &&
               (s->is_fresh || waited_ms >= SETTLED_OK_MS)) {
        take_ok(s, in, out);
    } else if (status <= SIGNING_IDLE && s->is_proven && is_settled) {
        lost_output(s, out);
    } else {
        wm3m4c__go_later(s, WM3M4C_POLL, PAUSE_MS, out);
    }
}

/* Signed, says 47052; is that this command's signature? Then the lengths are
 * read again, since those that came with the 15 may be older. */
static void take_proof(struct wm3m4c_session_state *s,
                       const struct mg_step_in *in, struct mg_step_out *out)
{
    if (!wm3m4c__take_status(s, in, out)) {
        return;
    }
    s->is_proven = has_signed(s);
    if (s->is_proven) {
        wm3m4c__go(s, WM3M4C_POLL, in, out);
    } else {
        wm3m4c__go_later(s, WM3M4C_POLL, PAUSE_MS, out);
    }
}

const struct wm3m4c_phase_ops wm3m4c__adjust = {ask_adjust, take_adjust};
const struct wm3m4c_phase_ops wm3m4c__command = {ask_command, take_command};
const struct wm3m4c_phase_ops wm3m4c__check_status = {wm3m4c__ask_status,
                                                      take_check_status};
const struct wm3m4c_phase_ops wm3m4c__check_signing = {wm3m4c__ask_signing,
                                                       take_check_signing};
const struct wm3m4c_phase_ops wm3m4c__poll = {wm3m4c__ask_signing, take_poll};
const struct wm3m4c_phase_ops wm3m4c__proof = {wm3m4c__ask_status, take_proof};
const struct wm3m4c_phase_ops wm3m4c__held = {wm3m4c__ask_held, take_held};
