/* `set-clock`: set the meter's clock to UTC.
 *
 * The KPM31 manual names a clock and no register of it; the sibling keeps it in
 * 0023H as six bytes, year month day hour minute second (KPM33B manual V3.4,
 * confidence C). The year counts from 2000 (ours). */
#include "commands.h"
#include "metergate/bytes.h"

#define CLOCK           0x0023
#define SECONDS_PER_DAY 86400
#define GOOD_MS         2000 /* after setting */
#define GOOD_ALREADY_MS 1000 /* not worth a write */
#define DAYS_TO_2000    10957
#define DAYS_PER_4_YEARS                                                       \
    1461 /* every fourth year is a leap year until 2099                        \
          */

static const uint16_t DAYS_BEFORE_MONTH[] = {0,   31,  59,  90,  120, 151, 181,
                                             212, 243, 273, 304, 334, 365};

static unsigned days_before(unsigned month, bool is_leap)
{
    return DAYS_BEFORE_MONTH[month - 1] + (is_leap && month > 2 ? 1U : 0U);
}

/* @return false: no such date */
static bool unix_from_clock(const uint8_t c[6], int64_t *ret_s)
{
    unsigned year = c[0];
    unsigned month = c[1];
    bool is_leap = year % 4 == 0;
    if (year > 99 || month < 1 || month > 12 || c[2] < 1 || c[3] > 23 ||
        c[4] > 59 || c[5] > 59) {
        return false;
    }
    unsigned days = days_before(month, is_leap) + c[2];
    unsigned days_end = month == 12 ? 365U + (is_leap ? 1U : 0U)
                                    : days_before(month + 1, is_leap);
    if (days > days_end) {
        return false;
    }
    int64_t day = DAYS_TO_2000 + year * 365LL + (year + 3) / 4 + days - 1;
    *ret_s = day * SECONDS_PER_DAY + c[3] * 3600LL + c[4] * 60LL + c[5];
    return true;
}

/* @param s  from 2000 to the end of 2099 */
static void clock_from_unix(int64_t s, uint8_t ret_clock[6])
{
    unsigned days = (unsigned)(s / SECONDS_PER_DAY - DAYS_TO_2000);
    unsigned second = (unsigned)(s % SECONDS_PER_DAY);
    unsigned year = days / DAYS_PER_4_YEARS * 4;
    unsigned left = days % DAYS_PER_4_YEARS;
    if (left >= 366) {
        year += 1 + (left - 366) / 365;
        left = (left - 366) % 365;
    }
    unsigned month = 12;
    while (days_before(month, year % 4 == 0) > left) {
        month--;
    }
    ret_clock[0] = (uint8_t)year;
    ret_clock[1] = (uint8_t)month;
    ret_clock[2] = (uint8_t)(left - days_before(month, year % 4 == 0) + 1);
    ret_clock[3] = (uint8_t)(second / 3600);
    ret_clock[4] = (uint8_t)(second / 60 % 60);
    ret_clock[5] = (uint8_t)(second % 60);
}

static void ask(const struct mg_step_in *in, bool is_new_place,
                struct mg_step_out *out)
{
    (void)in;
    (void)is_new_place; /* the meter stays where it is */
    kpm31__read(out, 3, CLOCK, 3);
}

static enum kpm31_verdict judge(void *state, const struct mg_step_in *in,
                                struct mg_step_out *out)
{
    struct kpm31_clock_state *s = state;
    const uint8_t *data = kpm31__answer(in, 3, 6);
    if (data == NULL) {
        return KPM31_GARBLED;
    }
    int64_t clock_s = 0;
    s->has_time = unix_from_clock(data, &clock_s);
    if (!s->has_time) {
        return KPM31_NOT_YET; /* that is what setting it is for */
    }
    int64_t off_ms = clock_s * 1000 - in->utc_ms;
    int64_t limit_ms = s->flow.phase == KPM31_LOOK ? GOOD_ALREADY_MS : GOOD_MS;
    s->off_s = off_ms / 1000;
    if (off_ms > limit_ms || off_ms < -limit_ms) {
        return KPM31_NOT_YET;
    }
    kpm31__value(out, MG_CH(METER_CLOCK, TOTAL), clock_s, 1);
    return KPM31_REACHED;
}

static bool act(void *state, const struct mg_step_in *in,
                struct mg_step_out *out)
{
    (void)state;
    int64_t s = (in->utc_ms + 500) / 1000;
    int64_t first = (int64_t)DAYS_TO_2000 * SECONDS_PER_DAY;
    int64_t end = first + 25LL * DAYS_PER_4_YEARS * SECONDS_PER_DAY;
    if (s < first || s >= end) {
        kpm31__fail(out, MG_E_RANGE,
                    "the gateway's own clock is not between 2000 and 2099");
        return false;
    }
    uint8_t c[6];
    clock_from_unix(s, c);
    uint16_t registers[3];
    for (size_t i = 0; i < 3; i++) {
        registers[i] = (uint16_t)(c[2 * i] << 8 | c[2 * i + 1]);
    }
    kpm31__write_registers(out, CLOCK, registers, 3);
    return true;
}

static void missed(const void *state, const struct mg_step_in *in,
                   struct mg_step_out *out)
{
    const struct kpm31_clock_state *s = state;
    (void)in;
    if (!s->has_time) {
        kpm31__say(out, "the clock was set but holds no date");
        return;
    }
    kpm31__say(out, "the clock was set but is ");
    kpm31__say_number(out, s->off_s);
    kpm31__say(out, " s off");
}

static const struct kpm31_flow FLOW = {
    .subject = "its clock",
    .deed = "set its clock",
    .max_rounds = 3,
    .ask = ask,
    .judge = judge,
    .act = act,
    .missed = missed,
};

void kpm31__clock_step(void *state, const struct mg_step_in *in,
                       struct mg_step_out *out)
{
    kpm31__flow_step(&FLOW, state, in, out);
}
