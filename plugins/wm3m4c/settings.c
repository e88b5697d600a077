/* The commands for settings (manual V1.07; wire address = number - 40000). */
#include "settings.h"

#include <string.h>

#include "requests.h"

#define COMMAND    12  /* 40012; as in Tinkerforge (confidence B) */
#define LCD_PERIOD 174 /* 40174; 4.6 */
#define SPEED      203 /* 40203; 5.5.1 */
#define STATUS     7000
#define N_STATUS   9 /* to 47008 */
#define TIME_ZONE  7053
#define TIME       7054
#define BACKLIGHT  7061 /* then row 2, its text (4), its label (2) */
#define N_LCD      8
#define RESET      7070
#define TIME_FORM  7073
#define SCREEN     7075

#define GOOD_S 2 /* between the meter's clock and ours, after setting */

static uint32_t long_at(const struct wm3m4c_setting_state *s, size_t at)
{
    return (uint32_t)s->content[at] << 16 | s->content[at + 1];
}

/* While a charging is recorded. */
static bool is_idle(const struct wm3m4c_setting_state *s,
                    const struct mg_step_in *in, struct mg_step_out *out)
{
    (void)in;
    if (s->content[0] == 0) {
        return true;
    }
    wm3m4c__fail(out, MG_E_STATE, "not while charging: 47000 is ");
    wm3m4c__say_number(out, s->content[0]);
    wm3m4c__say(out, ", idle (0) expected; nothing was changed");
    return false;
}

/* ---- set-clock ---- */

/* Content: 47000..47008, 47053, 47073. */
enum { AT_CLOCK = 7, AT_ZONE = N_STATUS, AT_FORM };

/* What the registers add to UTC: nothing when bit 0 of 47073 says so. */
static int64_t zone_s(const struct wm3m4c_setting_state *s)
{
    bool is_utc = (s->content[AT_FORM] & 1) != 0;
    int64_t minutes = s->content[AT_ZONE];
    minutes = minutes < 0x8000 ? minutes : minutes - 0x10000;
    return is_utc ? 0 : minutes * 60;
}

static int64_t now_s(const struct mg_step_in *in)
{
    return (in->utc_ms + 500) / 1000;
}

static bool clock_is_reached(struct wm3m4c_setting_state *s,
                             const struct mg_step_in *in,
                             struct mg_step_out *out)
{
    int64_t clock = (int64_t)long_at(s, AT_CLOCK) - zone_s(s);
    int64_t limit = s->phase == WM3M4C_LOOK ? 0 : GOOD_S;
    s->off_s = clock - now_s(in);
    if (s->off_s > limit || s->off_s < -limit) {
        return false;
    }
    wm3m4c__value(out, MG_CH(METER_CLOCK, TOTAL), clock, 1);
    return true;
}

static bool clock_is_allowed(const struct wm3m4c_setting_state *s,
                             const struct mg_step_in *in,
                             struct mg_step_out *out)
{
    int64_t time = now_s(in) + zone_s(s);
    if (!is_idle(s, in, out)) {
        return false;
    }
    if (time > 0 && time <= UINT32_MAX) {
        return true;
    }
    wm3m4c__fail(out, MG_E_RANGE,
                 "the gateway's own clock is not between 1970 and 2106");
    return false;
}

static void change_clock(const struct wm3m4c_setting_state *s,
                         const struct mg_step_in *in,
                         struct wm3m4c_change *ret_change)
{
    int64_t time = now_s(in) + zone_s(s);
    *ret_change = (struct wm3m4c_change){
        TIME, 2, {(uint16_t)(time >> 16), (uint16_t)(time & 0xffff)}};
}

static void clock_missed(const struct wm3m4c_setting_state *s,
                         const struct mg_step_in *in, struct mg_step_out *out)
{
    (void)in;
    wm3m4c__say(out, "the clock was set but is ");
    wm3m4c__say_number(out, s->off_s);
    wm3m4c__say(out, " s off");
}

static const struct wm3m4c_setting CLOCK = {
    .subject = "its clock",
    .deed = "set its clock",
    .n_looks = 3,
    .looks = {{STATUS, N_STATUS}, {TIME_ZONE, 1}, {TIME_FORM, 1}},
    .is_allowed = clock_is_allowed,
    .is_reached = clock_is_reached,
    .change = change_clock,
    .missed = clock_missed,
};

void wm3m4c__clock_step(void *state, const struct mg_step_in *in,
                        struct mg_step_out *out)
{
    wm3m4c__setting_step(&CLOCK, state, in, out);
}

/* ---- lcd ---- */

/* Put a text over registers, filled up with blanks; an empty one changes
 * nothing. */
static void put_text(uint16_t *registers, const char *text, size_t len)
{
    size_t n = strlen(text);
    if (n == 0) {
        return;
    }
    for (size_t i = 0; i < len; i += 2) {
        unsigned high = i < n ? (unsigned char)text[i] : ' ';
        unsigned low = i + 1 < n ? (unsigned char)text[i + 1] : ' ';
        registers[i / 2] = (uint16_t)(high << 8 | low);
    }
}

/* What 47061..47068 are to hold. */
static void wanted_lcd(const struct wm3m4c_setting_state *s,
                       const struct mg_step_in *in, uint16_t ret[N_LCD])
{
    const struct wm3m4c_lcd_args *a = in->args;
    memcpy(ret, s->content, N_LCD * sizeof *ret);
    if (a->backlight != WM3M4C_UNCHANGED) {
        ret[0] = (uint16_t)a->backlight;
    }
    if (a->row2 != WM3M4C_UNCHANGED) {
        ret[1] = (uint16_t)a->row2;
    }
    put_text(ret + 2, a->text, 8);
    put_text(ret + 6, a->label, 4);
}

static bool lcd_is_reached(struct wm3m4c_setting_state *s,
                           const struct mg_step_in *in, struct mg_step_out *out)
{
    uint16_t wanted[N_LCD];
    (void)out;
    wanted_lcd(s, in, wanted);
    return memcmp(wanted, s->content, sizeof wanted) == 0;
}

/* One request from the first register that changes to the last. */
static void change_lcd(const struct wm3m4c_setting_state *s,
                       const struct mg_step_in *in,
                       struct wm3m4c_change *ret_change)
{
    uint16_t wanted[N_LCD];
    wanted_lcd(s, in, wanted);
    uint16_t first = 0;
    uint16_t end = N_LCD;
    while (first + 1 < end && wanted[first] == s->content[first]) {
        first++;
    }
    while (end > first + 1 && wanted[end - 1] == s->content[end - 1]) {
        end--;
    }
    ret_change->address = (uint16_t)(BACKLIGHT + first);
    ret_change->n = (uint16_t)(end - first);
    memcpy(ret_change->registers, wanted + first,
           ret_change->n * sizeof *wanted);
}

static void lcd_missed(const struct wm3m4c_setting_state *s,
                       const struct mg_step_in *in, struct mg_step_out *out)
{
    uint16_t wanted[N_LCD];
    size_t i = 0;
    wanted_lcd(s, in, wanted);
    while (i + 1 < N_LCD && wanted[i] == s->content[i]) {
        i++;
    }
    wm3m4c__say(out, "register ");
    wm3m4c__say_number(out, 40000 + BACKLIGHT + (int64_t)i);
    wm3m4c__say(out, " is ");
    wm3m4c__say_number(out, s->content[i]);
    wm3m4c__say(out, ", ");
    wm3m4c__say_number(out, wanted[i]);
    wm3m4c__say(out, " wanted");
}

static const struct wm3m4c_setting LCD = {
    .subject = "its display",
    .deed = "change its display",
    .n_looks = 1,
    .looks = {{BACKLIGHT, N_LCD}},
    .is_reached = lcd_is_reached,
    .change = change_lcd,
    .missed = lcd_missed,
};

void wm3m4c__lcd_step(void *state, const struct mg_step_in *in,
                      struct mg_step_out *out)
{
    wm3m4c__setting_step(&LCD, state, in, out);
}

/* ---- lcd-period ---- */

static uint16_t wanted_seconds(const struct mg_step_in *in)
{
    const struct wm3m4c_seconds_args *a = in->args;
    return (uint16_t)a->seconds;
}

static bool period_is_reached(struct wm3m4c_setting_state *s,
                              const struct mg_step_in *in,
                              struct mg_step_out *out)
{
    (void)out;
    return s->content[0] == wanted_seconds(in);
}

static void change_period(const struct wm3m4c_setting_state *s,
                          const struct mg_step_in *in,
                          struct wm3m4c_change *ret_change)
{
    (void)s;
    *ret_change = (struct wm3m4c_change){LCD_PERIOD, 1, {wanted_seconds(in)}};
}

static void period_missed(const struct wm3m4c_setting_state *s,
                          const struct mg_step_in *in, struct mg_step_out *out)
{
    wm3m4c__say_number(out, wanted_seconds(in));
    wm3m4c__say(out, " s wanted, 40174 holds ");
    wm3m4c__say_number(out, s->content[0]);
}

static const struct wm3m4c_setting PERIOD = {
    .subject = "the period of its display",
    .deed = "change the period of its display",
    .n_looks = 1,
    .looks = {{LCD_PERIOD, 1}},
    .is_reached = period_is_reached,
    .change = change_period,
    .missed = period_missed,
};

void wm3m4c__lcd_period_step(void *state, const struct mg_step_in *in,
                             struct mg_step_out *out)
{
    wm3m4c__setting_step(&PERIOD, state, in, out);
}

/* ---- reset-consumption ---- */

/* Content: 47000..47004, state, duration, consumption. */
static bool reset_is_reached(struct wm3m4c_setting_state *s,
                             const struct mg_step_in *in,
                             struct mg_step_out *out)
{
    (void)in;
    if (s->content[0] != 0 || long_at(s, 1) != 0 || long_at(s, 3) != 0) {
        return false;
    }
    wm3m4c__value(out, MG_CH(SESSION_DURATION, TOTAL), 0, 1);
    wm3m4c__value(out, MG_CH(SESSION_ENERGY, TOTAL), 0, 1000);
    return true;
}

static void change_reset(const struct wm3m4c_setting_state *s,
                         const struct mg_step_in *in,
                         struct wm3m4c_change *ret_change)
{
    (void)s;
    (void)in;
    *ret_change = (struct wm3m4c_change){RESET, 1, {1}};
}

static void reset_missed(const struct wm3m4c_setting_state *s,
                         const struct mg_step_in *in, struct mg_step_out *out)
{
    (void)in;
    wm3m4c__say(out, "0 s and 0 Wh wanted, 47001 holds ");
    wm3m4c__say_number(out, long_at(s, 1));
    wm3m4c__say(out, " s and 47003 ");
    wm3m4c__say_number(out, long_at(s, 3));
    wm3m4c__say(out, " Wh");
}

static const struct wm3m4c_setting RESET_CONSUMPTION = {
    .subject = "the last charging",
    .deed = "reset duration and consumption",
    .n_looks = 1,
    .looks = {{STATUS, 5}},
    .is_allowed = is_idle,
    .is_reached = reset_is_reached,
    .change = change_reset,
    .missed = reset_missed,
};

void wm3m4c__reset_step(void *state, const struct mg_step_in *in,
                        struct mg_step_out *out)
{
    wm3m4c__setting_step(&RESET_CONSUMPTION, state, in, out);
}

/* ---- set-baud ---- */

static const uint32_t BAUDS[] = {1200,  2400,  4800,  9600,
                                 19200, 38400, 57600, 115200};
#define N_BAUDS ((int64_t)(sizeof BAUDS / sizeof *BAUDS))

static uint16_t wanted_code(const struct mg_step_in *in)
{
    const struct wm3m4c_baud_args *a = in->args;
    int64_t index = a->baud;
    return (uint16_t)(index < 0 || index >= N_BAUDS ? N_BAUDS - 1 : index);
}

static uint32_t wanted_baud(const struct mg_step_in *in)
{
    return BAUDS[wanted_code(in)];
}

static bool baud_is_reached(struct wm3m4c_setting_state *s,
                            const struct mg_step_in *in,
                            struct mg_step_out *out)
{
    if (s->content[0] != wanted_code(in)) {
        return false;
    }
    wm3m4c__value(out, MG_CH(BAUD, TOTAL), wanted_baud(in), 1);
    return true;
}

static void change_baud(const struct wm3m4c_setting_state *s,
                        const struct mg_step_in *in,
                        struct wm3m4c_change *ret_change)
{
    (void)s;
    *ret_change = (struct wm3m4c_change){SPEED, 1, {wanted_code(in)}};
}

static void baud_missed(const struct wm3m4c_setting_state *s,
                        const struct mg_step_in *in, struct mg_step_out *out)
{
    wm3m4c__say(out, "code ");
    wm3m4c__say_number(out, wanted_code(in));
    wm3m4c__say(out, " (");
    wm3m4c__say_number(out, wanted_baud(in));
    wm3m4c__say(out, " baud) wanted, 40203 holds ");
    wm3m4c__say_number(out, s->content[0]);
}

static const struct wm3m4c_setting BAUD = {
    .subject = "its line speed",
    .deed = "change its line speed",
    .n_looks = 1,
    .looks = {{SPEED, 1}},
    .is_reached = baud_is_reached,
    .change = change_baud,
    .missed = baud_missed,
    .new_baud = wanted_baud,
};

void wm3m4c__baud_step(void *state, const struct mg_step_in *in,
                       struct mg_step_out *out)
{
    wm3m4c__setting_step(&BAUD, state, in, out);
}

/* ---- save-settings, fw-screen: registers that cannot be read ---- */

static void change_save(const struct wm3m4c_setting_state *s,
                        const struct mg_step_in *in,
                        struct wm3m4c_change *ret_change)
{
    (void)s;
    (void)in;
    *ret_change = (struct wm3m4c_change){COMMAND, 1, {1}};
}

static const struct wm3m4c_setting SAVE = {
    .deed = "save its settings", .is_write_only = true, .change = change_save};

void wm3m4c__save_step(void *state, const struct mg_step_in *in,
                       struct mg_step_out *out)
{
    wm3m4c__setting_step(&SAVE, state, in, out);
}

static void change_screen(const struct wm3m4c_setting_state *s,
                          const struct mg_step_in *in,
                          struct wm3m4c_change *ret_change)
{
    (void)s;
    *ret_change = (struct wm3m4c_change){SCREEN, 1, {wanted_seconds(in)}};
}

static const struct wm3m4c_setting SHOW = {
    .deed = "show its firmware's version and checksums",
    .is_write_only = true,
    .change = change_screen};

void wm3m4c__screen_step(void *state, const struct mg_step_in *in,
                         struct mg_step_out *out)
{
    wm3m4c__setting_step(&SHOW, state, in, out);
}
