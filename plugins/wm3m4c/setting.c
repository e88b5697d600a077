#include "setting.h"

#include "metergate/bytes.h"
#include "requests.h"

#define ROUND_MS     200
#define SILENCE_MS   500
#define MAX_ROUNDS   5
#define MAX_TIMEOUTS 3

#define EXCEPTION_ACKNOWLEDGE 5

static void wait(struct mg_step_out *out, uint32_t ms)
{
    out->action = MG_STEP_WAIT;
    out->wait_ms = ms;
    out->n_values = 0;
}

static void ask(const struct wm3m4c_setting *setting,
                const struct wm3m4c_setting_state *s,
                const struct mg_step_in *in, struct mg_step_out *out)
{
    const struct wm3m4c_look *look = &setting->looks[s->look];
    wm3m4c__read(out, 3, look->address, look->count);
    if (s->phase == WM3M4C_CHECK && setting->new_baud != NULL &&
        !s->is_at_old) {
        out->baud = setting->new_baud(in);
    }
}

static void begin(const struct wm3m4c_setting *setting,
                  struct wm3m4c_setting_state *s,
                  enum wm3m4c_setting_phase phase, const struct mg_step_in *in,
                  struct mg_step_out *out)
{
    s->phase = (uint8_t)phase;
    s->look = 0;
    ask(setting, s, in, out);
}

static void act(const struct wm3m4c_setting *setting,
                struct wm3m4c_setting_state *s, const struct mg_step_in *in,
                struct mg_step_out *out)
{
    struct wm3m4c_change c = {0};
    s->phase = WM3M4C_ACT;
    s->n_timeouts = 0;
    setting->change(s, in, &c);
    wm3m4c__write(out, c.address, c.registers, c.n);
}

static void not_known(const struct wm3m4c_setting *setting, int code,
                      struct mg_step_out *out)
{
    wm3m4c__fail(out, code, "told to ");
    wm3m4c__say(out, setting->deed);
    wm3m4c__say(out, ", no answer: whether it did is not known");
}

static void cancel(const struct wm3m4c_setting *setting,
                   const struct wm3m4c_setting_state *s,
                   struct mg_step_out *out)
{
    if (s->phase != WM3M4C_LOOK) {
        not_known(setting, MG_E_CANCELED, out);
        return;
    }
    wm3m4c__fail(out, MG_E_CANCELED, "canceled before the meter was told to ");
    wm3m4c__say(out, setting->deed);
}

/* After ACT: read back, or believe where there is nothing to read. */
static void check(const struct wm3m4c_setting *setting,
                  struct wm3m4c_setting_state *s, const struct mg_step_in *in,
                  struct mg_step_out *out)
{
    if (!setting->is_write_only) {
        begin(setting, s, WM3M4C_CHECK, in, out);
    } else if (s->is_acknowledged) {
        out->action = MG_STEP_DONE;
    } else {
        not_known(setting, MG_E_TIMEOUT, out);
    }
}

/* Another round of CHECK after a pause, unless somebody waits for the end. */
static void check_later(const struct wm3m4c_setting *setting,
                        struct wm3m4c_setting_state *s, uint32_t ms,
                        struct mg_step_out *out)
{
    s->is_at_old = false;
    s->look = 0;
    if (s->is_canceled) {
        cancel(setting, s, out);
        return;
    }
    wait(out, ms);
}

static void missed(const struct wm3m4c_setting *setting,
                   const struct wm3m4c_setting_state *s,
                   const struct mg_step_in *in, struct mg_step_out *out)
{
    wm3m4c__fail(out, MG_E_MISMATCH, "");
    setting->missed(s, in, out);
    if (s->is_resumed) {
        wm3m4c__say(out, "; the gateway was restarted");
    } else if (!s->is_acknowledged) {
        wm3m4c__say(out, "; the command got no answer");
    }
}

static void looked(const struct wm3m4c_setting *setting,
                   struct wm3m4c_setting_state *s, const struct mg_step_in *in,
                   struct mg_step_out *out)
{
    if (!setting->is_write_only && setting->is_reached(s, in, out)) {
        out->action = MG_STEP_DONE;
    } else if (setting->is_allowed == NULL || setting->is_allowed(s, in, out)) {
        act(setting, s, in, out);
    }
}

static void checked(const struct wm3m4c_setting *setting,
                    struct wm3m4c_setting_state *s, const struct mg_step_in *in,
                    struct mg_step_out *out)
{
    if (setting->is_reached(s, in, out) && !s->is_at_old) {
        out->action = MG_STEP_DONE;
        out->baud = setting->new_baud != NULL ? setting->new_baud(in) : 0;
    } else if (++s->n_rounds > MAX_ROUNDS) {
        missed(setting, s, in, out);
    } else {
        check_later(setting, s, ROUND_MS, out);
    }
}

/* Keep what came; ask for the next piece, or judge it all. */
static void collect(const struct wm3m4c_setting *setting,
                    struct wm3m4c_setting_state *s, const struct mg_step_in *in,
                    struct mg_step_out *out)
{
    const struct wm3m4c_look *look = &setting->looks[s->look];
    const uint8_t *data = wm3m4c__answer(in, 3, look->count);
    size_t at = 0;
    if (data == NULL) {
        wm3m4c__fail(out, MG_E_PROTO, "the meter's answer does not hold ");
        wm3m4c__say(out, setting->subject);
        return;
    }
    for (size_t i = 0; i < s->look; i++) {
        at += setting->looks[i].count;
    }
    struct mg_rd r = mg_rd_init(data, 2U * (size_t)look->count);
    while (mg_rd_left(&r) > 0 && at < WM3M4C_CONTENT_MAX) {
        s->content[at++] = mg_rd_be16(&r);
    }
    if (++s->look < setting->n_looks) {
        ask(setting, s, in, out);
    } else if (s->phase == WM3M4C_LOOK) {
        looked(setting, s, in, out);
    } else {
        checked(setting, s, in, out);
    }
}

static void replied(const struct wm3m4c_setting *setting,
                    struct wm3m4c_setting_state *s, const struct mg_step_in *in,
                    struct mg_step_out *out)
{
    if (s->phase == WM3M4C_ACT) {
        s->is_acknowledged = true;
        check(setting, s, in, out);
    } else {
        collect(setting, s, in, out);
    }
}

static void refused(const struct wm3m4c_setting *setting,
                    struct wm3m4c_setting_state *s, const struct mg_step_in *in,
                    struct mg_step_out *out)
{
    if (s->phase == WM3M4C_ACT && in->exception == EXCEPTION_ACKNOWLEDGE) {
        check(setting, s, in, out);
        return;
    }
    struct mg_step_out request = {0};
    if (s->phase == WM3M4C_ACT) {
        struct wm3m4c_change c = {0};
        setting->change(s, in, &c);
        wm3m4c__write(&request, c.address, c.registers, c.n);
    } else {
        ask(setting, s, in, &request);
    }
    wm3m4c__fail(out, MG_E_EXCEPTION, "");
    wm3m4c__say_refused(out, in->exception, &request);
    wm3m4c__say(out, s->phase == WM3M4C_LOOK ? "; nothing was changed" : "");
}

static void timed_out(const struct wm3m4c_setting *setting,
                      struct wm3m4c_setting_state *s,
                      const struct mg_step_in *in, struct mg_step_out *out)
{
    if (s->phase == WM3M4C_ACT) {
        check(setting, s, in, out);
    } else if (s->phase == WM3M4C_CHECK && setting->new_baud != NULL &&
               !s->is_at_old) {
        s->is_at_old = true;
        begin(setting, s, WM3M4C_CHECK, in, out);
    } else if (++s->n_timeouts < MAX_TIMEOUTS) {
        if (s->phase == WM3M4C_LOOK) {
            s->look = 0;
            wait(out, SILENCE_MS);
        } else {
            check_later(setting, s, SILENCE_MS, out);
        }
    } else if (s->phase == WM3M4C_LOOK) {
        wm3m4c__fail(out, MG_E_TIMEOUT, "no answer when asked for ");
        wm3m4c__say(out, setting->subject);
        wm3m4c__say(out, "; nothing was changed");
    } else {
        not_known(setting, MG_E_TIMEOUT, out);
    }
}

static void start(const struct wm3m4c_setting *setting,
                  struct wm3m4c_setting_state *s, const struct mg_step_in *in,
                  struct mg_step_out *out)
{
    if (setting->n_looks > 0) {
        begin(setting, s, WM3M4C_LOOK, in, out);
    } else {
        act(setting, s, in, out);
    }
}

static void resume(const struct wm3m4c_setting *setting,
                   struct wm3m4c_setting_state *s, const struct mg_step_in *in,
                   struct mg_step_out *out)
{
    s->n_rounds = 0;
    s->n_timeouts = 0;
    s->is_at_old = false;
    s->is_canceled = false;
    if (s->phase == WM3M4C_LOOK) {
        start(setting, s, in, out); /* nothing was sent that acts */
        return;
    }
    s->is_resumed = true;
    check(setting, s, in, out);
}

void wm3m4c__setting_step(const struct wm3m4c_setting *setting, void *state,
                          const struct mg_step_in *in, struct mg_step_out *out)
{
    struct wm3m4c_setting_state *s = state;
    switch (in->event) {
    case MG_STEP_START:
        start(setting, s, in, out);
        break;
    case MG_STEP_REPLY:
        replied(setting, s, in, out);
        break;
    case MG_STEP_EXCEPTION:
        refused(setting, s, in, out);
        break;
    case MG_STEP_TIMEOUT:
        timed_out(setting, s, in, out);
        break;
    case MG_STEP_WOKE:
        ask(setting, s, in, out);
        break;
    case MG_STEP_CANCEL:
        if (s->phase == WM3M4C_LOOK) {
            cancel(setting, s, out);
        } else {
            s->is_canceled = true;
            s->is_at_old = false;
            check(setting, s, in, out);
        }
        break;
    case MG_STEP_RESUME:
        resume(setting, s, in, out);
        break;
    }
}
