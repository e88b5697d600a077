/* The clock: its battery keeps it running, so that at power-on it is the true
 * time plus whatever somebody set it wrong by. */
#include "firmware_priv.h"

#include "metergate/bytes.h"

#define CLOCK_MIN_S INT64_C(946684800)  /* 2000-01-01 00:00:00 */
#define CLOCK_MAX_S INT64_C(4102444799) /* 2099-12-31 23:59:59 */
#define US_PER_S    INT64_C(1000000)
#define DAY_S       86400

/* First byte of the battery-backed registers. */
#define CLOCK_NEW  0xff
#define CLOCK_SET  0xa5
#define CLOCK_LOST 0x5a

static bool is_leap(int32_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static unsigned month_days(int32_t year, unsigned month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30,
                                     31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year) ? 1U : 0U);
}

bool kpm31_fw_date_to_unix(const struct fw_date *date, int64_t *ret_unix_s)
{
    if (date->year < 2000 || date->year > 2099 || date->month < 1 ||
        date->month > 12 || date->day < 1 ||
        date->day > month_days(date->year, date->month) || date->hour > 23 ||
        date->minute > 59 || date->second > 59) {
        return false;
    }
    int64_t days = date->day - 1;
    for (int32_t y = 2000; y < date->year; y++) {
        days += is_leap(y) ? 366 : 365;
    }
    for (unsigned m = 1; m < date->month; m++) {
        days += month_days(date->year, m);
    }
    *ret_unix_s = CLOCK_MIN_S + days * DAY_S + date->hour * INT64_C(3600) +
                  date->minute * INT64_C(60) + date->second;
    return true;
}

void kpm31_fw_date_from_unix(int64_t unix_s, struct fw_date *ret)
{
    int64_t days = (unix_s - CLOCK_MIN_S) / DAY_S;
    int64_t rest = (unix_s - CLOCK_MIN_S) % DAY_S;
    int32_t year = 2000;
    unsigned month = 1;
    while (days >= (is_leap(year) ? 366 : 365)) {
        days -= is_leap(year) ? 366 : 365;
        year++;
    }
    while (days >= month_days(year, month)) {
        days -= month_days(year, month);
        month++;
    }
    *ret = (struct fw_date){.year = year,
                            .month = (uint8_t)month,
                            .day = (uint8_t)(days + 1),
                            .hour = (uint8_t)(rest / 3600),
                            .minute = (uint8_t)(rest / 60 % 60),
                            .second = (uint8_t)(rest % 60)};
}

static bool is_in_range(int64_t clock_us)
{
    return clock_us >= CLOCK_MIN_S * US_PER_S &&
           clock_us < (CLOCK_MAX_S + 1) * US_PER_S;
}

int64_t kpm31_fw_clock_now(const struct fw_state *st)
{
    return (st->true_us + st->clock_offset_us) / US_PER_S;
}

int32_t kpm31_fw_clock_month(const struct fw_state *st)
{
    struct fw_date date;
    kpm31_fw_date_from_unix(kpm31_fw_clock_now(st), &date);
    return date.year * 12 + date.month - 1;
}

static void keep(struct fw_state *st)
{
    struct mg_wr w = mg_wr_init(st->env.nv + FW_NV_CLOCK, 9);
    mg_put_u8(&w, st->is_clock_lost ? CLOCK_LOST : CLOCK_SET);
    mg_put_be64(&w, (uint64_t)st->clock_offset_us);
}

void kpm31_fw_clock_set(struct fw_state *st, int64_t unix_s)
{
    st->clock_offset_us = unix_s * US_PER_S - st->true_us;
    st->is_clock_lost = false;
    keep(st);
}

void kpm31_fw_clock_lose(struct fw_state *st)
{
    kpm31_fw_clock_set(st, CLOCK_MIN_S);
    st->is_clock_lost = true;
    keep(st);
}

void kpm31_fw_clock_power_on(struct fw_state *st)
{
    struct mg_rd r = mg_rd_init(st->env.nv + FW_NV_CLOCK, 9);
    unsigned mark = mg_rd_u8(&r);
    int64_t offset = (int64_t)mg_rd_be64(&r);
    int64_t utc_ms = st->env.utc_ms;
    int64_t limit_us = CLOCK_MAX_S * US_PER_S;
    utc_ms = utc_ms < 0 ? 0 : utc_ms;
    utc_ms = utc_ms > CLOCK_MAX_S * 1000 ? CLOCK_MAX_S * 1000 : utc_ms;
    st->true_us = utc_ms * 1000;
    st->is_clock_lost = mark == CLOCK_LOST;
    bool is_known = mark == CLOCK_SET || mark == CLOCK_LOST;
    st->clock_offset_us = is_known ? offset : 0;
    if ((!is_known && mark != CLOCK_NEW) || st->clock_offset_us < -limit_us ||
        st->clock_offset_us > limit_us ||
        !is_in_range(st->true_us + st->clock_offset_us)) {
        kpm31_fw_clock_lose(st);
    }
}

void kpm31_fw_clock_advance(struct fw_state *st, uint32_t elapsed_us)
{
    st->true_us += elapsed_us;
    if (!is_in_range(st->true_us + st->clock_offset_us)) {
        kpm31_fw_clock_lose(st); /* two digits of a year wrap */
    }
}

uint32_t kpm31_fw_clock_left_us(const struct fw_state *st)
{
    int64_t now_us = st->true_us + st->clock_offset_us;
    return (uint32_t)(60 * US_PER_S - now_us % (60 * US_PER_S));
}
