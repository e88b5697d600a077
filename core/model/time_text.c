#include "model/civil.h"
#include "model/json.h"

#define MS_PER_DAY   86400000
#define UTC_MS_LIMIT 253402300800000 /* 10000-01-01 */

static bool is_leap(unsigned year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const uint8_t DAYS[] = {31, 28, 31, 30, 31, 30,
                                   31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : DAYS[month - 1];
}

bool mg_civil_exists(const struct mg_civil *c)
{
    return c->year >= 1970 && c->year <= 9999 && c->month >= 1 &&
           c->month <= 12 && c->day >= 1 &&
           c->day <= days_in_month(c->year, c->month) && c->hour < 24 &&
           c->minute < 60 && c->second < 60;
}

/* Years counted from March, so that the leap day is the last of its year:
 * month m of that year begins at day (153 m + 2) / 5. 719468 days lie between
 * 0000-03-01 and 1970-01-01. */
static int64_t days_of(unsigned year, unsigned month, unsigned day)
{
    unsigned y = month <= 2 ? year - 1 : year;
    unsigned m = month <= 2 ? month + 9 : month - 3;
    unsigned days = y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5;
    return (int64_t)days + day - 1 - 719468;
}

int64_t mg_civil_unix_s(const struct mg_civil *c)
{
    return days_of(c->year, c->month, c->day) * 86400 +
           (int64_t)c->hour * 3600 + (int64_t)c->minute * 60 + c->second;
}

/* The way back: 146097 days are 400 years, which the first line counts. */
static void date_of(unsigned days_since_1970, struct mg_civil *ret)
{
    unsigned days = days_since_1970 + 719468;
    unsigned era = days / 146097;
    unsigned d = days % 146097;
    unsigned y = (d - d / 1460 + d / 36524 - d / 146096) / 365;
    d -= y * 365 + y / 4 - y / 100;
    unsigned m = (5 * d + 2) / 153;
    ret->day = d - (153 * m + 2) / 5 + 1;
    ret->month = m < 10 ? m + 3 : m - 9;
    ret->year = era * 400 + y + (ret->month <= 2);
}

static char *put_digits(char *to, unsigned value, unsigned n_digits,
                        char behind)
{
    for (unsigned i = n_digits; i-- > 0;) {
        to[i] = (char)('0' + value % 10);
        value /= 10;
    }
    to[n_digits] = behind;
    return to + n_digits + 1;
}

int mg_time_format(int64_t utc_ms, char ret_text[MG_TIME_TEXT])
{
    if (utc_ms < 0 || utc_ms >= UTC_MS_LIMIT) {
        return MG_E_RANGE;
    }
    struct mg_civil c;
    date_of((unsigned)(utc_ms / MS_PER_DAY), &c);
    unsigned ms = (unsigned)(utc_ms % MS_PER_DAY);
    char *to = put_digits(ret_text, c.year, 4, '-');
    to = put_digits(to, c.month, 2, '-');
    to = put_digits(to, c.day, 2, 'T');
    to = put_digits(to, ms / 3600000, 2, ':');
    to = put_digits(to, ms / 60000 % 60, 2, ':');
    to = put_digits(to, ms / 1000 % 60, 2, '.');
    to = put_digits(to, ms % 1000, 3, 'Z');
    *to = '\0';
    return MG_OK;
}

/* A cursor over the text; the first wrong byte sets failed. */
struct scan {
    const char *at, *end;
    bool failed;
};

static unsigned take_digits(struct scan *s, unsigned n_digits)
{
    unsigned value = 0;
    for (unsigned i = 0; i < n_digits; i++) {
        if (s->at == s->end || *s->at < '0' || *s->at > '9') {
            s->failed = true;
            return 0;
        }
        value = value * 10 + (unsigned)(*s->at++ - '0');
    }
    return value;
}

static bool take(struct scan *s, char c)
{
    if (s->at == s->end || *s->at != c) {
        return false;
    }
    s->at++;
    return true;
}

static void need(struct scan *s, char c, char other)
{
    if (!take(s, c) && !take(s, other)) {
        s->failed = true;
    }
}

/* ".5" is 500 ms. */
static unsigned take_fraction_ms(struct scan *s)
{
    if (!take(s, '.')) {
        return 0;
    }
    unsigned ms = take_digits(s, 1) * 100;
    for (unsigned place = 10; place > 0 && s->at != s->end; place /= 10) {
        if (*s->at < '0' || *s->at > '9') {
            break;
        }
        ms += (unsigned)(*s->at++ - '0') * place;
    }
    return ms;
}

static int64_t take_offset_ms(struct scan *s)
{
    if (take(s, 'Z') || take(s, 'z')) {
        return 0;
    }
    bool is_west = take(s, '-');
    if (!is_west) {
        need(s, '+', '+');
    }
    unsigned hours = take_digits(s, 2);
    need(s, ':', ':');
    unsigned minutes = take_digits(s, 2);
    if (hours > 23 || minutes > 59) {
        s->failed = true;
    }
    int64_t ms = ((int64_t)hours * 60 + minutes) * 60000;
    return is_west ? -ms : ms;
}

int mg_time_parse(const char *text, size_t len, int64_t *ret_utc_ms)
{
    struct scan s = {text, text + len, false};
    struct mg_civil c;
    c.year = take_digits(&s, 4);
    need(&s, '-', '-');
    c.month = take_digits(&s, 2);
    need(&s, '-', '-');
    c.day = take_digits(&s, 2);
    need(&s, 'T', 't');
    c.hour = take_digits(&s, 2);
    need(&s, ':', ':');
    c.minute = take_digits(&s, 2);
    need(&s, ':', ':');
    c.second = take_digits(&s, 2);
    unsigned ms = take_fraction_ms(&s);
    int64_t offset_ms = take_offset_ms(&s);
    if (s.failed || s.at != s.end || !mg_civil_exists(&c)) {
        return MG_E_PROTO;
    }
    int64_t utc_ms = mg_civil_unix_s(&c) * 1000 + ms - offset_ms;
    if (utc_ms < 0 || utc_ms >= UTC_MS_LIMIT) {
        return MG_E_PROTO;
    }
    *ret_utc_ms = utc_ms;
    return MG_OK;
}
