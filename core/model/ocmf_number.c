#include "metergate/fixed.h"
#include "model/ocmf_priv.h"

#define DIGITS_MAX 18

struct digits {
    const char *at, *end;
    int64_t mantissa;
    int decimals;
    bool is_any, is_exact;
};

static bool is_digit(const struct digits *d)
{
    return d->at < d->end && *d->at >= '0' && *d->at <= '9';
}

static bool take(struct digits *d, char c)
{
    if (d->at == d->end || *d->at != c) {
        return false;
    }
    d->at++;
    return true;
}

static void take_digits(struct digits *d, bool is_fraction)
{
    for (; is_digit(d); d->at++) {
        d->is_any = true;
        if (d->mantissa >= mg_pow10(DIGITS_MAX - 1)) {
            d->is_exact = false;
            continue;
        }
        d->mantissa = d->mantissa * 10 + (*d->at - '0');
        d->decimals += is_fraction;
    }
}

/* @return false: a sign without digits */
static bool take_exponent(struct digits *d)
{
    if (!take(d, 'e') && !take(d, 'E')) {
        return true;
    }
    bool is_negative = take(d, '-');
    if (!is_negative) {
        (void)take(d, '+');
    }
    int exponent = 0;
    bool is_any = is_digit(d);
    for (; is_digit(d); d->at++) {
        exponent = exponent > 999 ? exponent : exponent * 10 + (*d->at - '0');
    }
    d->decimals += is_negative ? exponent : -exponent;
    return is_any;
}

/* 1.606848e7 is 16068480 with no digit after the point. */
static void settle(struct digits *d)
{
    while (d->decimals < 0 && d->is_exact) {
        d->is_exact = d->mantissa < mg_pow10(DIGITS_MAX - 1);
        d->mantissa = d->is_exact ? d->mantissa * 10 : d->mantissa;
        d->decimals = d->mantissa == 0 ? 0 : d->decimals + 1;
    }
    if (d->decimals > DIGITS_MAX) {
        d->is_exact = d->is_exact && d->mantissa == 0;
        d->decimals = DIGITS_MAX;
    }
}

void ocmf_number_parse(struct mg_span text, bool is_text,
                       struct mg_ocmf_number *ret)
{
    struct digits d = {text.text, text.text + text.len, 0, 0, false, true};
    *ret = (struct mg_ocmf_number){.is_text = is_text, .text = text};
    while (is_text && take(&d, ' ')) {
    }
    while (is_text && d.end > d.at && d.end[-1] == ' ') {
        d.end--;
    }
    bool is_negative = take(&d, '-');
    take_digits(&d, false);
    if (take(&d, '.')) {
        take_digits(&d, true);
    }
    if (!d.is_any || !take_exponent(&d) || d.at != d.end) {
        return;
    }
    settle(&d);
    ret->is_there = true;
    ret->is_exact = d.is_exact;
    if (d.is_exact) {
        ret->mantissa = is_negative ? -d.mantissa : d.mantissa;
        ret->decimals = (uint8_t)d.decimals;
    }
}

static int scale(const struct mg_ocmf_number *n, uint8_t decimals, int64_t *ret)
{
    int64_t factor = mg_pow10(decimals - n->decimals);
    if (n->mantissa > INT64_MAX / factor || n->mantissa < -INT64_MAX / factor) {
        return MG_E_RANGE;
    }
    *ret = n->mantissa * factor;
    return MG_OK;
}

int mg_ocmf_difference(const struct mg_ocmf_number *a,
                       const struct mg_ocmf_number *b, int64_t *ret_mantissa,
                       uint8_t *ret_decimals)
{
    if (!a->is_exact || !b->is_exact) {
        return MG_E_RANGE;
    }
    uint8_t decimals = a->decimals > b->decimals ? a->decimals : b->decimals;
    int64_t x = 0;
    int64_t y = 0;
    if (scale(a, decimals, &x) != MG_OK || scale(b, decimals, &y) != MG_OK ||
        (x < 0 && y > INT64_MAX + x) || (x > 0 && y < -INT64_MAX + x)) {
        return MG_E_RANGE;
    }
    *ret_mantissa = y - x;
    *ret_decimals = decimals;
    return MG_OK;
}
