/* Before the command: settings, clock, and the dataset (manual V1.07, 5.4). */
#include <string.h>

#include "options.h"
#include "requests.h"
#include "session.h"

#define DATASET     7100
#define LENGTH      7056
#define DATASET_MAX 1024
#define CHUNK_BYTES ((size_t)2 * WM3M4C_REGISTERS_MAX)

#define TIME_FORM       7073
#define TIME_ZONE       7053
#define TIME            7054
#define CLOCK_STATE     7071
#define CLOCK_TIMEOUT   7072
#define FORMAT          7059
#define ENDING          7076
#define LCD_ROW2        7062
#define LCD_TEXT        7063
#define LCD_LABEL       7067
#define VERSION_ENDINGS 205

/* In this order: the time form says what the time means. */
enum setting {
    SET_TIME_FORM,
    SET_TIME_ZONE,
    SET_TIME,
    SET_CLOCK_STATE,
    SET_CLOCK_TIMEOUT,
    SET_FORMAT,
    SET_ENDING, /* as at the begin: whether the meter keeps it is not said */
    N_RESTORED, /* that is all after a power loss */
    SET_LCD_ROW2 = N_RESTORED,
    SET_LCD_TEXT,
    SET_LCD_LABEL,
    N_SETTINGS
};

/* What is written for a setting; no registers: nothing. */
struct content {
    uint16_t address, n;
    uint16_t registers[4];
};

static struct content one(uint16_t address, int64_t value)
{
    return (struct content){address, 1, {(uint16_t)value}};
}

/* Table 3. */
static int64_t clock_state(uint8_t clock)
{
    switch (clock) {
    case MG_CLOCK_INFORMATIVE:
        return 1;
    case MG_CLOCK_SYNCED:
        return 2;
    case MG_CLOCK_RELATIVE:
        return 3;
    default:
        return 0;
    }
}

/* 5.5.4: 1570096309 = 5D95C4B5, the high word first. */
static struct content time_now(const struct mg_step_in *in)
{
    int64_t s = (in->utc_ms + 500) / 1000;
    return (struct content){
        TIME, 2, {(uint16_t)(s >> 16), (uint16_t)(s & 0xffff)}};
}

/* Bit 0 is the bus: always UTC, so that the time registers are. */
static int64_t time_form(const struct wm3m4c_options *o)
{
    return 1 | (o->lcd_time == WM3M4C_UTC ? 2 : 0) |
           (o->record_time == WM3M4C_UTC ? 4 : 0);
}

/* @param len  of the field, filled up with blanks */
static struct content lcd(uint16_t address, const char *text, size_t len)
{
    struct content c = {.address = address};
    char field[8];
    size_t n = strlen(text);
    if (n == 0) {
        return c;
    }
    memset(field, ' ', sizeof field);
    memcpy(field, text, n < len ? n : len);
    c.n = (uint16_t)(len / 2);
    for (size_t i = 0; i < c.n; i++) {
        unsigned high = (unsigned char)field[2 * i];
        unsigned low = (unsigned char)field[2 * i + 1];
        c.registers[i] = (uint16_t)(high << 8 | low);
    }
    return c;
}

static struct content content_of(const struct wm3m4c_session_state *s,
                                 const struct mg_step_in *in)
{
    static const struct content NOTHING = {0};
    const struct wm3m4c_options *o = in->options;
    const struct mg_session_args *args = in->args;
    switch ((enum setting)s->at) {
    case SET_TIME_FORM:
        return one(TIME_FORM, time_form(o));
    case SET_TIME_ZONE:
        return one(TIME_ZONE, args->offset_min);
    case SET_TIME:
        return time_now(in);
    case SET_CLOCK_STATE:
        return one(CLOCK_STATE, clock_state(in->clock));
    case SET_CLOCK_TIMEOUT:
        return one(CLOCK_TIMEOUT, o->clock_timeout_min);
    case SET_FORMAT:
        return one(FORMAT, o->signature_format);
    case SET_ENDING:
        return s->version >= VERSION_ENDINGS ? one(ENDING, o->end_format)
                                             : NOTHING;
    case SET_LCD_ROW2:
        return o->lcd_row2 != WM3M4C_LCD_UNCHANGED ? one(LCD_ROW2, o->lcd_row2)
                                                   : NOTHING;
    case SET_LCD_TEXT:
        return lcd(LCD_TEXT, o->lcd_text, WM3M4C_LCD_TEXT_LEN);
    case SET_LCD_LABEL:
        return lcd(LCD_LABEL, o->lcd_label, WM3M4C_LCD_LABEL_LEN);
    case N_SETTINGS:
        break;
    }
    return NOTHING;
}

/* ---- Is there anything to prepare? ---- */

static bool check_dataset(const struct mg_step_in *in, struct mg_step_out *out)
{
    size_t len = in->text == NULL ? 0 : in->text_len;
    if (len > 0 && len <= DATASET_MAX) {
        return true;
    }
    wm3m4c__fail(out, MG_E_INVAL, "the dataset has ");
    wm3m4c__say_number(out, (int64_t)len);
    wm3m4c__say(out, " bytes, 1 to 1024 expected");
    return false;
}

static bool check_time(const struct mg_step_in *in, struct mg_step_out *out)
{
    int64_t s = (in->utc_ms + 500) / 1000;
    if (s > 0 && s <= UINT32_MAX) {
        return true;
    }
    wm3m4c__fail(out, MG_E_RANGE,
                 "the gateway's own clock is not between 1970 and 2106");
    return false;
}

static void prepared(struct wm3m4c_session_state *s,
                     const struct mg_step_in *in, struct mg_step_out *out)
{
    const struct mg_session_args *args = in->args;
    if (args->op == MG_SESSION_RESTORE) {
        wm3m4c__done(s, in, out);
    } else {
        wm3m4c__go(s, WM3M4C_COMMAND, in, out);
    }
}

/* Idle: everything. While it charges, the meter has all it needs and would not
 * take a time; after power loss or reset the clock and the dataset are gone.
 * A reading in the idle state without a dataset signs what the meter has. */
void wm3m4c__prepare(struct wm3m4c_session_state *s,
                     const struct mg_step_in *in, struct mg_step_out *out)
{
    const struct mg_session_args *args = in->args;
    bool is_idle = s->now.state == MG_SESSION_IDLE;
    bool is_optional = is_idle && args->op != MG_SESSION_BEGIN;
    if (s->now.state == MG_SESSION_ACTIVE ||
        (is_optional && in->text == NULL)) {
        prepared(s, in, out);
    } else if (check_dataset(in, out) && check_time(in, out)) {
        s->is_restoring = !is_idle;
        s->at = 0;
        wm3m4c__go(s, WM3M4C_SETTING, in, out);
    }
}

/* ---- Settings ---- */

static void ask_setting(const struct wm3m4c_session_state *s,
                        const struct mg_step_in *in, struct mg_step_out *out)
{
    struct content c = content_of(s, in);
    wm3m4c__write(out, c.address, c.registers, c.n);
}

/* The next setting that there is, then the dataset. */
static void next_setting(struct wm3m4c_session_state *s,
                         const struct mg_step_in *in, struct mg_step_out *out)
{
    uint16_t end = s->is_restoring ? N_RESTORED : N_SETTINGS;
    while (s->at < end && content_of(s, in).n == 0) {
        s->at++;
    }
    if (s->at < end) {
        wm3m4c__go(s, WM3M4C_SETTING, in, out);
        return;
    }
    s->at = 0;
    wm3m4c__go(s, WM3M4C_CHUNK, in, out);
}

static void take_setting(struct wm3m4c_session_state *s,
                         const struct mg_step_in *in, struct mg_step_out *out)
{
    struct content c = content_of(s, in);
    bool is_right = in->pdu != NULL && in->pdu_len == 5 &&
                    in->pdu[0] == (c.n == 1 ? 6 : 16) &&
                    (in->pdu[1] << 8 | in->pdu[2]) == c.address;
    if (!is_right) {
        wm3m4c__garbled(s, in, out);
        return;
    }
    s->at++;
    next_setting(s, in, out);
}

/* ---- Dataset ---- */

static size_t chunk_len(const struct wm3m4c_session_state *s,
                        const struct mg_step_in *in)
{
    size_t left = in->text_len - s->at;
    return left < CHUNK_BYTES ? left : CHUNK_BYTES;
}

static uint16_t chunk_address(const struct wm3m4c_session_state *s)
{
    return (uint16_t)(DATASET + s->at / 2);
}

/* The dataset is given with every event; without it there is no going on. */
static bool has_rest(const struct wm3m4c_session_state *s,
                     const struct mg_step_in *in)
{
    return in->text != NULL && in->text_len <= DATASET_MAX &&
           s->at < in->text_len;
}

static void no_rest(struct mg_step_out *out)
{
    wm3m4c__fail(out, MG_E_INVAL,
                 "the dataset is not the one that was begun to be written");
}

static void ask_chunk(const struct wm3m4c_session_state *s,
                      const struct mg_step_in *in, struct mg_step_out *out)
{
    if (!has_rest(s, in)) {
        no_rest(out);
        return;
    }
    wm3m4c__write_bytes(out, chunk_address(s),
                        (const uint8_t *)in->text + s->at, chunk_len(s, in));
}

static void take_chunk(struct wm3m4c_session_state *s,
                       const struct mg_step_in *in, struct mg_step_out *out)
{
    struct mg_step_out request = {0};
    ask_chunk(s, in, &request);
    if (wm3m4c__is_written(in, &request)) {
        wm3m4c__go(s, WM3M4C_CHUNK_BACK, in, out);
    } else {
        wm3m4c__garbled(s, in, out);
    }
}

static uint16_t chunk_registers(const struct wm3m4c_session_state *s,
                                const struct mg_step_in *in)
{
    return (uint16_t)((chunk_len(s, in) + 1) / 2);
}

static void ask_chunk_back(const struct wm3m4c_session_state *s,
                           const struct mg_step_in *in, struct mg_step_out *out)
{
    if (!has_rest(s, in)) {
        no_rest(out);
        return;
    }
    wm3m4c__read(out, 3, chunk_address(s), chunk_registers(s, in));
}

/* What it holds is not said: there is a customer's identification in it. */
static void differs(const struct wm3m4c_session_state *s,
                    const struct mg_step_in *in, const uint8_t *data,
                    struct mg_step_out *out)
{
    size_t i = 0;
    while (i + 1 < chunk_len(s, in) &&
           data[i] == (uint8_t)in->text[s->at + i]) {
        i++;
    }
    wm3m4c__fail(out, MG_E_MISMATCH, "the dataset read back differs at byte ");
    wm3m4c__say_number(out, (int64_t)(s->at + i));
    wm3m4c__say(out, ", register ");
    wm3m4c__say_number(out, 40000 + chunk_address(s) + (int64_t)(i / 2));
}

static void take_chunk_back(struct wm3m4c_session_state *s,
                            const struct mg_step_in *in,
                            struct mg_step_out *out)
{
    size_t len = has_rest(s, in) ? chunk_len(s, in) : 0;
    const uint8_t *data =
        len == 0 ? NULL : wm3m4c__answer(in, 3, chunk_registers(s, in));
    if (data == NULL) {
        wm3m4c__garbled(s, in, out);
    } else if (memcmp(data, in->text + s->at, len) != 0) {
        differs(s, in, data, out);
    } else {
        s->at = (uint16_t)(s->at + len);
        wm3m4c__go(s, s->at < in->text_len ? WM3M4C_CHUNK : WM3M4C_LENGTH, in,
                   out);
    }
}

static void ask_length(const struct wm3m4c_session_state *s,
                       const struct mg_step_in *in, struct mg_step_out *out)
{
    (void)s;
    uint16_t len = (uint16_t)in->text_len;
    wm3m4c__write(out, LENGTH, &len, 1);
}

static void take_length(struct wm3m4c_session_state *s,
                        const struct mg_step_in *in, struct mg_step_out *out)
{
    struct mg_step_out request = {0};
    ask_length(s, in, &request);
    if (wm3m4c__is_written(in, &request)) {
        prepared(s, in, out);
    } else {
        wm3m4c__garbled(s, in, out);
    }
}

const struct wm3m4c_phase_ops wm3m4c__setting = {ask_setting, take_setting};
const struct wm3m4c_phase_ops wm3m4c__chunk = {ask_chunk, take_chunk};
const struct wm3m4c_phase_ops wm3m4c__chunk_back = {ask_chunk_back,
                                                    take_chunk_back};
const struct wm3m4c_phase_ops wm3m4c__length = {ask_length, take_length};
