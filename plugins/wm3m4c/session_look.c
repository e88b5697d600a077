/* The first part of an operation: what does the meter say, and does that allow
 * it? Tables 7 and 11 of the manual V1.07, and 5.5.15. */
#include "metergate/bytes.h"
#include "requests.h"
#include "session.h"

#define VERSION      13 /* 30013 */
#define KIND         7060
#define N_KIND       10 /* to 47069 */
#define STATUS       7000
#define N_STATUS     15 /* to 47014 */
#define SIGNING      7052
#define N_SIGNING    8 /* to 47059 */
#define CLOCK_STATUS 7071
#define ENDING       7076
#define HELD         7035
#define N_HELD       4

#define ALGORITHM_P256      4
#define OCMF_MAJOR          1
#define VERSION_WITH_ENDING 205
#define VERSION_WITH_LAST   208
#define SIGNING_IN_PROGRESS 2
#define PAUSE_MS            100
#define GIVE_UP_MS          15000

static const struct mg_session_args *args_of(const struct mg_step_in *in)
{
    return in->args;
}

/* ---- What the numbers mean ---- */

void wm3m4c__say_state(struct mg_step_out *out, unsigned state)
{
    static const char *const MEANINGS[] = {
        "idle", "active", "active after power failure", "active after reset"};
    wm3m4c__say(out, "47000 is ");
    wm3m4c__say_number(out, state);
    wm3m4c__say(out, " (");
    wm3m4c__say(out, state < 4 ? MEANINGS[state] : "not documented");
    wm3m4c__say(out, ")");
}

static const char *signing_text(unsigned status)
{
    static const struct {
        uint8_t status;
        const char *text;
    } MEANINGS[] = {
        {0, "not initialised"},        {1, "idle"},
        {2, "signature in progress"},  {15, "signature OK"},
        {128, "invalid date time"},    {129, "checksum error"},
        {130, "invalid command"},      {131, "invalid state"},
        {132, "invalid measurement"},  {133, "test mode error"},
        {243, "verify state error"},   {244, "signature state error"},
        {245, "keypair generation"},   {246, "SHA failed"},
        {247, "init failed"},          {248, "data not locked"},
        {249, "config not locked"},    {250, "verify error"},
        {251, "public key error"},     {252, "invalid message format"},
        {253, "invalid message size"}, {254, "signature error"},
        {255, "undefined error"},
    };
    for (size_t i = 0; i < sizeof MEANINGS / sizeof *MEANINGS; i++) {
        if (MEANINGS[i].status == status) {
            return MEANINGS[i].text;
        }
    }
    return "not documented";
}

void wm3m4c__say_signing(struct mg_step_out *out, unsigned status)
{
    wm3m4c__say(out, "47052 is ");
    wm3m4c__say_number(out, status);
    wm3m4c__say(out, " (");
    wm3m4c__say(out, signing_text(status));
    wm3m4c__say(out, ")");
}

/* ---- Version and kind ---- */

static void ask_version(const struct wm3m4c_session_state *s,
                        const struct mg_step_in *in, struct mg_step_out *out)
{
    (void)s;
    (void)in;
    wm3m4c__read(out, 4, VERSION, 1);
}

static void take_version(struct wm3m4c_session_state *s,
                         const struct mg_step_in *in, struct mg_step_out *out)
{
    const uint8_t *data = wm3m4c__answer(in, 4, 1);
    if (data == NULL) {
        wm3m4c__garbled(s, in, out);
        return;
    }
    struct mg_rd r = mg_rd_init(data, 2);
    s->version = mg_rd_be16(&r);
    wm3m4c__go(s, WM3M4C_KIND, in, out);
}

static void ask_kind(const struct wm3m4c_session_state *s,
                     const struct mg_step_in *in, struct mg_step_out *out)
{
    (void)s;
    (void)in;
    wm3m4c__read(out, 3, KIND, N_KIND);
}

/* 47060 and, nine registers on, 47069. */
static void take_kind(struct wm3m4c_session_state *s,
                      const struct mg_step_in *in, struct mg_step_out *out)
{
    const uint8_t *data = wm3m4c__answer(in, 3, N_KIND);
    if (data == NULL) {
        wm3m4c__garbled(s, in, out);
        return;
    }
    unsigned algorithm = (unsigned)data[0] << 8 | data[1];
    unsigned major = data[18];
    if (algorithm != ALGORITHM_P256) {
        wm3m4c__fail(out, MG_E_NOSUP, "signature algorithm 47060 is ");
        wm3m4c__say_number(out, algorithm);
        wm3m4c__say(out, ", 4 (P-256) expected: this meter does not sign");
    } else if (major != OCMF_MAJOR) {
        wm3m4c__fail(out, MG_E_NOSUP, "OCMF version 47069 is ");
        wm3m4c__say_number(out, major);
        wm3m4c__say(out, ".x, 1.x expected");
    } else {
        wm3m4c__go(s, WM3M4C_SIGNING, in, out);
    }
}

/* ---- Signing and state ---- */

void wm3m4c__ask_status(const struct wm3m4c_session_state *s,
                        const struct mg_step_in *in, struct mg_step_out *out)
{
    (void)s;
    (void)in;
    wm3m4c__read(out, 3, STATUS, N_STATUS);
}

bool wm3m4c__take_status(struct wm3m4c_session_state *s,
                         const struct mg_step_in *in, struct mg_step_out *out)
{
    const uint8_t *data = wm3m4c__answer(in, 3, N_STATUS);
    if (data == NULL) {
        wm3m4c__garbled(s, in, out);
        return false;
    }
    struct mg_rd r = mg_rd_init(data, (size_t)2 * N_STATUS);
    s->now.state = mg_rd_be16(&r);
    s->now.duration_s = mg_rd_be32(&r);
    s->now.energy_wh = mg_rd_be32(&r);
    (void)mg_rd_be32(&r); /* active power */
    s->now.clock_s = mg_rd_be32(&r);
    (void)mg_rd_be32(&r); /* tariff changes, intermediate readings */
    s->now.n_fiscal = mg_rd_be32(&r);
    s->now.n_signatures = mg_rd_be32(&r);
    return true;
}

void wm3m4c__ask_signing(const struct wm3m4c_session_state *s,
                         const struct mg_step_in *in, struct mg_step_out *out)
{
    (void)s;
    (void)in;
    wm3m4c__read(out, 3, SIGNING, N_SIGNING);
}

bool wm3m4c__take_signing(struct wm3m4c_session_state *s,
                          const struct mg_step_in *in, struct mg_step_out *out)
{
    const uint8_t *data = wm3m4c__answer(in, 3, N_SIGNING);
    if (data == NULL) {
        wm3m4c__garbled(s, in, out);
        return false;
    }
    struct mg_rd r = mg_rd_init(data, (size_t)2 * N_SIGNING);
    s->signing.status = mg_rd_be16(&r);
    (void)mg_rd_be64(&r); /* time zone, time, length of the dataset */
    s->signing.output_len = mg_rd_be16(&r);
    s->signing.signature_len = mg_rd_be16(&r);
    s->signing.format = mg_rd_be16(&r);
    return true;
}

/* ---- May the operation be done? ---- */

static void wrong_state(const struct wm3m4c_session_state *s,
                        const char *expected, struct mg_step_out *out)
{
    wm3m4c__fail(out, MG_E_STATE, "meter status ");
    wm3m4c__say_state(out, s->now.state);
    wm3m4c__say(out, expected);
}

static bool is_active(const struct wm3m4c_session_state *s)
{
    return s->now.state >= MG_SESSION_ACTIVE &&
           s->now.state <= MG_SESSION_AFTER_RESET;
}

/* Table 11. */
static bool check_state(const struct wm3m4c_session_state *s, unsigned op,
                        struct mg_step_out *out)
{
    bool wants_idle = op == MG_SESSION_BEGIN || op == MG_SESSION_LAST;
    bool is_idle = s->now.state == MG_SESSION_IDLE;
    if (wants_idle && !is_idle) {
        wrong_state(s, ", idle (0) expected", out);
        return false;
    }
    bool is_allowed = is_active(s) || (is_idle && op == MG_SESSION_FISCAL);
    if (!wants_idle && !is_allowed) {
        wrong_state(s, ", active (1 to 3) expected", out);
        return false;
    }
    return true;
}

/* The letter of Table 11, but that of END. */
static char letter_of(unsigned op)
{
    static const char LETTERS[] = {
        [MG_SESSION_BEGIN] = 'B',  [MG_SESSION_INTERMEDIATE] = 'C',
        [MG_SESSION_TARIFF] = 'T', [MG_SESSION_SUSPEND] = 'S',
        [MG_SESSION_RESUME] = 'C', [MG_SESSION_FISCAL] = 'f',
        [MG_SESSION_HOLD] = 'h',   [MG_SESSION_EXCEPTION] = 'X',
        [MG_SESSION_END] = 'r',    [MG_SESSION_LAST] = 'i',
        [MG_SESSION_ADJUST] = 0};
    return LETTERS[op];
}

static bool is_reason(char reason)
{
    return reason == 'E' || reason == 'L' || reason == 'R' || reason == 'A' ||
           reason == 'P';
}

static bool check_args(const struct wm3m4c_session_state *s,
                       const struct mg_session_args *args,
                       struct mg_step_out *out)
{
    if (args->op == MG_SESSION_END && !is_reason(args->reason)) {
        wm3m4c__fail(out, MG_E_INVAL,
                     "reason of the end: E, L, R, A or P expected");
        return false;
    }
    if (args->op == MG_SESSION_ADJUST &&
        (args->adjust_s < -3 || args->adjust_s > 3)) {
        wm3m4c__fail(out, MG_E_RANGE, "clock to be adjusted by ");
        wm3m4c__say_number(out, args->adjust_s);
        wm3m4c__say(out, " s, at most 3 s are possible");
        return false;
    }
    if (args->op == MG_SESSION_LAST && s->version < VERSION_WITH_LAST) {
        wm3m4c__fail(out, MG_E_NOSUP,
                     "command i needs version 2.08, 30013 is ");
        wm3m4c__say_number(out, s->version);
        wm3m4c__say(out, " (hundredths)");
        return false;
    }
    return true;
}

/* Allowed. What else must be known before the meter is touched? */
static void allowed(struct wm3m4c_session_state *s, const struct mg_step_in *in,
                    struct mg_step_out *out)
{
    unsigned op = args_of(in)->op;
    s->letter = letter_of(op);
    if (op == MG_SESSION_END && s->version >= VERSION_WITH_ENDING) {
        wm3m4c__go(s, WM3M4C_ENDING, in, out);
    } else if (op == MG_SESSION_HOLD) {
        wm3m4c__go(s, WM3M4C_BEFORE_HOLD, in, out);
    } else if (op == MG_SESSION_ADJUST) {
        wm3m4c__go(s, WM3M4C_ADJUST, in, out);
    } else {
        wm3m4c__prepare(s, in, out);
    }
}

static void look_on(struct wm3m4c_session_state *s, const struct mg_step_in *in,
                    struct mg_step_out *out)
{
    unsigned op = args_of(in)->op;
    s->signing_before = s->signing.status;
    if (op == MG_SESSION_LOOK) {
        wm3m4c__go(s, WM3M4C_CLOCK, in, out);
    } else if (check_args(s, args_of(in), out) && check_state(s, op, out)) {
        allowed(s, in, out);
    }
}

static void take_status(struct wm3m4c_session_state *s,
                        const struct mg_step_in *in, struct mg_step_out *out)
{
    if (wm3m4c__take_status(s, in, out)) {
        s->before = s->now;
        look_on(s, in, out);
    }
}

/* A signature in progress is waited for: it belongs to an earlier command, and
 * the counts are read when it is over. */
static void take_signing(struct wm3m4c_session_state *s,
                         const struct mg_step_in *in, struct mg_step_out *out)
{
    if (!wm3m4c__take_signing(s, in, out)) {
        return;
    }
    bool is_busy = s->signing.status == SIGNING_IN_PROGRESS;
    if (is_busy && in->now_ms - s->since_ms < GIVE_UP_MS) {
        wm3m4c__go_later(s, WM3M4C_SIGNING, PAUSE_MS, out);
    } else if (is_busy && args_of(in)->op != MG_SESSION_LOOK) {
        wm3m4c__fail(out, MG_E_BUSY, "");
        wm3m4c__say_signing(out, s->signing.status);
        wm3m4c__say(out, " for 15 s; the command was not given");
    } else {
        wm3m4c__go(s, WM3M4C_STATUS, in, out);
    }
}

/* ---- One register each ---- */

static bool take_one(struct wm3m4c_session_state *s,
                     const struct mg_step_in *in, struct mg_step_out *out,
                     uint16_t *ret_content)
{
    const uint8_t *data = wm3m4c__answer(in, 3, 1);
    if (data == NULL) {
        wm3m4c__garbled(s, in, out);
        return false;
    }
    struct mg_rd r = mg_rd_init(data, 2);
    *ret_content = mg_rd_be16(&r);
    return true;
}

static void ask_clock(const struct wm3m4c_session_state *s,
                      const struct mg_step_in *in, struct mg_step_out *out)
{
    (void)s;
    (void)in;
    wm3m4c__read(out, 3, CLOCK_STATUS, 1);
}

static void take_clock(struct wm3m4c_session_state *s,
                       const struct mg_step_in *in, struct mg_step_out *out)
{
    if (!take_one(s, in, out, &s->clock)) {
        return;
    }
    if (wm3m4c__has_record(&s->signing)) {
        wm3m4c__read_record(s, in, out);
    } else {
        wm3m4c__go(s, WM3M4C_KEY, in, out);
    }
}

static void ask_ending(const struct wm3m4c_session_state *s,
                       const struct mg_step_in *in, struct mg_step_out *out)
{
    (void)s;
    (void)in;
    wm3m4c__read(out, 3, ENDING, 1);
}

/* Table 12. What the meter has is asked, not the option: that may have changed
 * since the charging began. */
static void take_ending(struct wm3m4c_session_state *s,
                        const struct mg_step_in *in, struct mg_step_out *out)
{
    uint16_t ending;
    if (take_one(s, in, out, &ending)) {
        s->letter = 'r';
        if (ending == 2) {
            s->letter = args_of(in)->reason;
        }
        wm3m4c__prepare(s, in, out);
    }
}

void wm3m4c__ask_held(const struct wm3m4c_session_state *s,
                      const struct mg_step_in *in, struct mg_step_out *out)
{
    (void)s;
    (void)in;
    wm3m4c__read(out, 3, HELD, N_HELD);
}

bool wm3m4c__take_held(struct wm3m4c_held *ret_held,
                       const struct mg_step_in *in)
{
    const uint8_t *data = wm3m4c__answer(in, 3, N_HELD);
    if (data == NULL) {
        return false;
    }
    struct mg_rd r = mg_rd_init(data, (size_t)2 * N_HELD);
    ret_held->time_s = mg_rd_be32(&r);
    ret_held->energy_wh = mg_rd_be32(&r);
    return true;
}

static void take_before_hold(struct wm3m4c_session_state *s,
                             const struct mg_step_in *in,
                             struct mg_step_out *out)
{
    if (wm3m4c__take_held(&s->held_before, in)) {
        wm3m4c__prepare(s, in, out);
    } else {
        wm3m4c__garbled(s, in, out);
    }
}

const struct wm3m4c_phase_ops wm3m4c__version = {ask_version, take_version};
const struct wm3m4c_phase_ops wm3m4c__kind = {ask_kind, take_kind};
const struct wm3m4c_phase_ops wm3m4c__status = {wm3m4c__ask_status,
                                                take_status};
const struct wm3m4c_phase_ops wm3m4c__signing = {wm3m4c__ask_signing,
                                                 take_signing};
const struct wm3m4c_phase_ops wm3m4c__clock = {ask_clock, take_clock};
const struct wm3m4c_phase_ops wm3m4c__ending = {ask_ending, take_ending};
const struct wm3m4c_phase_ops wm3m4c__before_hold = {wm3m4c__ask_held,
                                                     take_before_hold};
