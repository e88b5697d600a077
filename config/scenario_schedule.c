/* A day's tariffs in a text: "06:00 1, 22:00 2". */
#include "config/scenario_keys.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Two digits below a limit. @return behind them; NULL: they are none */
static const char *read_two(const char *p, unsigned limit, uint8_t *ret)
{
    if (!is_digit(p[0]) || !is_digit(p[1])) {
        return NULL;
    }
    unsigned n = (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
    *ret = (uint8_t)n;
    return n < limit ? p + 2 : NULL;
}

/* @return behind it; NULL: it is none */
static const char *read_period(const char *p, struct mg_fw_period *ret)
{
    p = read_two(p, 24, &ret->hour);
    if (p == NULL || *p != ':') {
        return NULL;
    }
    p = read_two(p + 1, 60, &ret->minute);
    if (p == NULL || *p != ' ' || p[1] < '1' || p[1] > '9') {
        return NULL;
    }
    ret->rate = (uint8_t)(p[1] - '0');
    return p + 2;
}

static bool is_later(const struct mg_fw_period *a, const struct mg_fw_period *b)
{
    return a->hour * 60 + a->minute > b->hour * 60 + b->minute;
}

size_t mg_scn_periods(const char *text,
                      struct mg_fw_period ret[MG_SCN_PERIODS_MAX])
{
    for (size_t n = 0; n < MG_SCN_PERIODS_MAX; n++) {
        text = read_period(text, &ret[n]);
        if (text == NULL || (n > 0 && !is_later(&ret[n], &ret[n - 1]))) {
            return 0;
        }
        if (*text == '\0') {
            return n + 1;
        }
        if (text[0] != ',' || text[1] != ' ') {
            return 0;
        }
        text += 2;
    }
    return 0;
}
