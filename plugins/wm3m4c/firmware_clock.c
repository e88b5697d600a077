/* The clock: no battery, set over the bus, UTC inside (manual 5.5.4). */
#include "firmware_priv.h"

#define US_PER_S    1000000
#define UTC_ON_WIRE 1U /* register 47073 */

/* Days since 1970-01-01 to a date of the Gregorian calendar; years counted from
 * March, so that the leap day is the last of one. */
void wm3m4c_fw_date(int64_t unix_s, struct fw_date *ret)
{
    int64_t second = unix_s % 86400;
    int64_t days = unix_s / 86400;
    if (second < 0) {
        second += 86400;
        days--;
    }
    days += 719468; /* since 0000-03-01 */
    int64_t era = days / 146097;
    int64_t day = days % 146097;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day -= 365 * year + year / 4 - year / 100;
    int64_t month = (5 * day + 2) / 153; /* 0 = March */
    ret->day = (uint8_t)(day - (153 * month + 2) / 5 + 1);
    ret->month = (uint8_t)(month < 10 ? month + 3 : month - 9);
    ret->year = (uint16_t)(era * 400 + year + (ret->month <= 2 ? 1 : 0));
    ret->hour = (uint8_t)(second / 3600);
    ret->minute = (uint8_t)(second / 60 % 60);
    ret->second = (uint8_t)(second % 60);
}

int64_t wm3m4c_fw_clock_now(const struct fw_state *st)
{
    return st->clock.is_set ? st->clock.utc_us / US_PER_S : 0;
}

void wm3m4c_fw_clock_set(struct fw_state *st, int64_t utc_s)
{
    st->clock.is_set = true;
    st->clock.utc_us = utc_s * US_PER_S;
    st->clock.since_sync_us = 0;
}

void wm3m4c_fw_clock_lose(struct fw_state *st)
{
    st->clock = (struct fw_clock){0};
}

/* Manual 5.5.4.2. A time-out of 0 is none (ours). */
void wm3m4c_fw_clock_advance(struct fw_state *st, uint32_t elapsed_us)
{
    struct fw_clock *c = &st->clock;
    uint64_t limit_us = (uint64_t)st->settings.clock_timeout * FW_MINUTE_US;
    c->utc_us += c->is_set ? elapsed_us : 0;
    c->since_sync_us += elapsed_us;
    if (limit_us != 0 && c->since_sync_us >= limit_us) {
        c->status = 0;
    }
}

uint32_t wm3m4c_fw_clock_shown(const struct fw_state *st, uint32_t unix_s,
                               int16_t offset_min)
{
    if ((st->settings.utc_mask & UTC_ON_WIRE) != 0 || unix_s == 0) {
        return unix_s;
    }
    return unix_s + (uint32_t)(offset_min * 60);
}
