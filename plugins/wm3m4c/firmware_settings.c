/* Settings 40012 to 40432. They hold at once and last beyond the next power
 * cycle when saved (register 40012). */
#include "firmware_priv.h"

#define SAVE_COMMAND 1
#define OFFSET_MAX   840 /* minutes: UTC+14 is the farthest there is */

static bool is_charging(const struct fw_state *st)
{
    return st->charge.state != FW_CHARGE_IDLE;
}

static int at_most(uint16_t word, unsigned limit)
{
    return word > limit ? FW_BAD_VALUE : 0;
}

/* ---- 40012: operator command ---- */

static uint16_t zero_word(const struct fw_state *st, unsigned offset)
{
    (void)st;
    (void)offset;
    return 0;
}

static int check_command(const struct fw_state *st, unsigned offset,
                         uint16_t word)
{
    (void)st;
    (void)offset;
    return word == SAVE_COMMAND ? 0 : FW_BAD_VALUE;
}

static void apply_command(struct fw_state *st, unsigned offset, uint16_t word)
{
    (void)offset;
    (void)word;
    wm3m4c_fw_nv_save_settings(st);
}

/* ---- 40101 to 40140: description, location ---- */

static void put_chars(uint8_t *bytes, unsigned offset, uint16_t word)
{
    size_t at = 2 * (size_t)offset;
    bytes[at] = (uint8_t)(word >> 8);
    bytes[at + 1] = (uint8_t)word;
}

static int check_any(const struct fw_state *st, unsigned offset, uint16_t word)
{
    (void)st;
    (void)offset;
    (void)word;
    return 0;
}

static uint16_t text_word(const struct fw_state *st, unsigned offset)
{
    const struct fw_settings *s = &st->settings;
    return offset < FW_TEXT / 2
               ? wm3m4c_fw_chars(s->description, FW_TEXT, offset)
               : wm3m4c_fw_chars(s->location, FW_TEXT, offset - FW_TEXT / 2);
}

static void apply_text(struct fw_state *st, unsigned offset, uint16_t word)
{
    struct fw_settings *s = &st->settings;
    if (offset < FW_TEXT / 2) {
        put_chars(s->description, offset, word);
    } else {
        put_chars(s->location, offset - FW_TEXT / 2, word);
    }
}

/* ---- 40148, 40149: used current and voltage, 1e-4 of nominal ---- */

static uint16_t used_word(const struct fw_state *st, unsigned offset)
{
    (void)st;
    (void)offset;
    return 10000;
}

/* ---- 40151: direction of energy; not while it is being sold ---- */

static uint16_t flow_word(const struct fw_state *st, unsigned offset)
{
    (void)offset;
    return st->settings.energy_flow;
}

static int check_flow(const struct fw_state *st, unsigned offset, uint16_t word)
{
    (void)offset;
    if (word != st->settings.energy_flow && is_charging(st)) {
        return FW_BAD_STATE;
    }
    return at_most(word, 3);
}

static void apply_flow(struct fw_state *st, unsigned offset, uint16_t word)
{
    (void)offset;
    st->settings.energy_flow = word;
}

/* ---- 40174: cycle of the display, 5 to 60 s (manual 4.6) ---- */

static uint16_t period_word(const struct fw_state *st, unsigned offset)
{
    (void)offset;
    return st->settings.lcd_period_s;
}

static int check_period(const struct fw_state *st, unsigned offset,
                        uint16_t word)
{
    (void)st;
    (void)offset;
    return word >= 5 && word <= 60 ? 0 : FW_BAD_VALUE;
}

static void apply_period(struct fw_state *st, unsigned offset, uint16_t word)
{
    (void)offset;
    st->settings.lcd_period_s = word;
}

/* ---- 40203 to 40206: the line (manual Table 5) ---- */

static uint16_t line_word(const struct fw_state *st, unsigned offset)
{
    const struct fw_settings *s = &st->settings;
    const uint8_t words[] = {s->baud_code, s->stop_bits, s->parity, 0};
    return words[offset];
}

static int check_line(const struct fw_state *st, unsigned offset, uint16_t word)
{
    static const uint8_t limits[] = {7, 1, 2, 0};
    (void)st;
    return at_most(word, limits[offset]);
}

static void apply_line(struct fw_state *st, unsigned offset, uint16_t word)
{
    struct fw_settings *s = &st->settings;
    uint8_t *const at[] = {&s->baud_code, &s->stop_bits, &s->parity};
    if (offset < 3) {
        *at[offset] = (uint8_t)word;
    }
}

/* ---- 40421, 40422, 40431, 40432: counters. Not enabled on this meter (manual
 * 5.1): a locked meter refuses; one that is open takes the change, and finds
 * the error at its next check. ---- */

static uint16_t counter_word(const struct fw_state *st, unsigned offset)
{
    unsigned counter = offset / 10;
    unsigned which = offset % 10;
    return which < 2 ? st->settings.counter[counter][which] : 0;
}

static int check_counter(const struct fw_state *st, unsigned offset,
                         uint16_t word)
{
    if (word == counter_word(st, offset)) {
        return 0;
    }
    return st->settings.is_locked || offset % 10 >= 2 ? FW_BAD_STATE : 0;
}

static void apply_counter(struct fw_state *st, unsigned offset, uint16_t word)
{
    if (offset % 10 < 2) {
        st->settings.counter[offset / 10][offset % 10] = word;
    }
}

/* ---- Those of the display and the clock: 47053, 47061 to 47068 and others
 * are in every variant ---- */

static uint16_t backlight_word(const struct fw_state *st, unsigned offset)
{
    return offset == 0 ? st->settings.backlight : st->settings.lcd_mask;
}

static int check_backlight(const struct fw_state *st, unsigned offset,
                           uint16_t word)
{
    (void)st;
    return offset == 0 ? 0 : at_most(word, 0x1ff); /* manual Table 2 */
}

static void apply_backlight(struct fw_state *st, unsigned offset, uint16_t word)
{
    if (offset == 0) {
        st->settings.backlight = word;
    } else {
        st->settings.lcd_mask = word;
    }
}

static uint16_t custom_word(const struct fw_state *st, unsigned offset)
{
    const struct fw_settings *s = &st->settings;
    return offset < 4 ? wm3m4c_fw_chars(s->lcd_text, 8, offset)
                      : wm3m4c_fw_chars(s->lcd_label, 4, offset - 4);
}

static void apply_custom(struct fw_state *st, unsigned offset, uint16_t word)
{
    if (offset < 4) {
        put_chars(st->settings.lcd_text, offset, word);
    } else {
        put_chars(st->settings.lcd_label, offset - 4, word);
    }
}

/* ---- 47053: minutes from UTC ---- */

static uint16_t zone_word(const struct fw_state *st, unsigned offset)
{
    (void)offset;
    return (uint16_t)st->settings.offset_min;
}

static int check_zone(const struct fw_state *st, unsigned offset, uint16_t word)
{
    int minutes = (int16_t)word;
    (void)st;
    (void)offset;
    return minutes >= -OFFSET_MAX && minutes <= OFFSET_MAX ? 0 : FW_BAD_VALUE;
}

static void apply_zone(struct fw_state *st, unsigned offset, uint16_t word)
{
    (void)offset;
    st->settings.offset_min = (int16_t)word;
}

/* ---- 47054, 47055: time, as two words in one request or in two. Not during
 * charging (manual 5.5.4), unless it was lost with the supply. ---- */

static uint16_t time_word(const struct fw_state *st, unsigned offset)
{
    uint32_t now = wm3m4c_fw_clock_shown(st, (uint32_t)wm3m4c_fw_clock_now(st),
                                         st->settings.offset_min);
    return (uint16_t)(offset == 0 ? now >> 16 : now);
}

static int check_time(const struct fw_state *st, unsigned offset, uint16_t word)
{
    (void)offset;
    (void)word;
    return st->charge.state == FW_CHARGE_ACTIVE ? FW_BAD_STATE : 0;
}

static void apply_time(struct fw_state *st, unsigned offset, uint16_t word)
{
    bool is_utc = (st->settings.utc_mask & 1) != 0;
    if (offset == 0) {
        st->clock.high_word = word;
        return;
    }
    int64_t time = (int64_t)st->clock.high_word << 16 | word;
    wm3m4c_fw_clock_set(
        st, is_utc ? time : time - INT64_C(60) * st->settings.offset_min);
}

/* ---- 47071 to 47073: clock status, its time-out, presentation ---- */

static uint16_t sync_word(const struct fw_state *st, unsigned offset)
{
    const uint16_t words[] = {st->clock.status, st->settings.clock_timeout,
                              st->settings.utc_mask};
    return words[offset];
}

static int check_sync(const struct fw_state *st, unsigned offset, uint16_t word)
{
    static const uint16_t limits[] = {3, UINT16_MAX, 7};
    (void)st;
    return at_most(word, limits[offset]);
}

static void apply_sync(struct fw_state *st, unsigned offset, uint16_t word)
{
    if (offset == 0) {
        st->clock.status = (uint8_t)word;
        st->clock.since_sync_us = 0;
    } else if (offset == 1) {
        st->settings.clock_timeout = word;
    } else {
        st->settings.utc_mask = word;
    }
}

/* ---- 47074: one step of at most 3 s per charge ---- */

static int check_step(const struct fw_state *st, unsigned offset, uint16_t word)
{
    int seconds = (int16_t)word;
    (void)offset;
    if (seconds < -3 || seconds > 3) {
        return FW_BAD_VALUE;
    }
    bool is_used = is_charging(st) && st->charge.is_adjusted;
    return is_used || !st->clock.is_set ? FW_BAD_STATE : 0;
}

static void apply_step(struct fw_state *st, unsigned offset, uint16_t word)
{
    (void)offset;
    st->clock.utc_us += (int16_t)word * INT64_C(1000000);
    st->charge.is_adjusted = is_charging(st);
    wm3m4c_fw_nv_save_energies(st);
}

/* ---- 47075: firmware identification for so many seconds (5.5.14) ---- */

static void apply_screen(struct fw_state *st, unsigned offset, uint16_t word)
{
    (void)offset;
    st->fw_screen_until_us = st->life_us + (uint64_t)word * FW_SECOND_US;
}

const struct fw_area wm3m4c_fw_setting_areas[] = {
    {12, 12, FW_AREA_SETTING, zero_word, check_command, apply_command},
    {101, 140, FW_AREA_SETTING, text_word, check_any, apply_text},
    {148, 149, 0, used_word, NULL, NULL},
    {151, 151, FW_AREA_SETTING, flow_word, check_flow, apply_flow},
    {174, 174, FW_AREA_SETTING, period_word, check_period, apply_period},
    {203, 206, FW_AREA_SETTING, line_word, check_line, apply_line},
    {421, 440, FW_AREA_SETTING, counter_word, check_counter, apply_counter},
    {7053, 7053, 0, zone_word, check_zone, apply_zone},
    {7054, 7055, 0, time_word, check_time, apply_time},
    {7061, 7062, 0, backlight_word, check_backlight, apply_backlight},
    {7063, 7068, 0, custom_word, check_any, apply_custom},
    {7071, 7073, 0, sync_word, check_sync, apply_sync},
    {7074, 7074, 0, zero_word, check_step, apply_step},
    {7075, 7075, 0, zero_word, check_any, apply_screen},
};

const size_t wm3m4c_fw_n_setting_areas =
    sizeof wm3m4c_fw_setting_areas / sizeof *wm3m4c_fw_setting_areas;
