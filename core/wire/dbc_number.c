#include "dbc_priv.h"

#define DIGITS_MAX 19     /* that fit uint64_t whatever they are */
#define EXP_MAX    100000 /* beyond it, every number is too large or 0 */

struct number { /* mantissa * 10^exp10 */
    bool is_negative;
    uint64_t mantissa;
    int64_t exp10;
    bool is_cut; /* digits were left out: the mantissa is too small */
};

static void add_digit(struct number *x, unsigned digit, bool is_behind,
                      unsigned *n_digits)
{
    if (*n_digits < DIGITS_MAX) {
        x->mantissa = x->mantissa * 10 + digit;
        *n_digits += x->mantissa != 0;
        x->exp10 -= is_behind;
    } else {
        x->is_cut = x->is_cut || digit != 0;
        x->exp10 += !is_behind;
    }
}

static int64_t exponent_of(const char *text, size_t len)
{
    bool is_negative = text[0] == '-';
    int64_t exponent = 0;
    for (size_t i = is_negative || text[0] == '+'; i < len; i++) {
        if (exponent < EXP_MAX) {
            exponent = exponent * 10 + (text[i] - '0');
        }
    }
    return is_negative ? -exponent : exponent;
}

/* The lexer has seen to the form. */
static struct number number_of(const struct dbc_token *token)
{
    struct number x = {.is_negative = token->text[0] == '-'};
    bool is_behind = false;
    unsigned n_digits = 0;
    for (size_t i = 0; i < token->len; i++) {
        char c = token->text[i];
        if (c == '.') {
            is_behind = true;
        } else if (c == 'e' || c == 'E') {
            x.exp10 += exponent_of(&token->text[i + 1], token->len - i - 1);
            break;
        } else if (c != '+' && c != '-') {
            add_digit(&x, (unsigned)(c - '0'), is_behind, &n_digits);
        }
    }
    while (x.mantissa != 0 && x.mantissa % 10 == 0) {
        x.mantissa /= 10;
        x.exp10++;
    }
    return x;
}

static bool to_int(struct number x, int64_t *ret)
{
    if (x.mantissa == 0) {
        *ret = 0;
        return !x.is_cut;
    }
    for (; x.exp10 > 0; x.exp10--) {
        if (x.mantissa > INT64_MAX / 10) {
            return false;
        }
        x.mantissa *= 10;
    }
    if (x.exp10 < 0 || x.is_cut || x.mantissa > INT64_MAX) {
        return false;
    }
    *ret = x.is_negative ? -(int64_t)x.mantissa : (int64_t)x.mantissa;
    return true;
}

int64_t dbc_take_int(struct dbc_lex *lex, const char *what, int64_t min,
                     int64_t max)
{
    const struct dbc_token *token = &lex->token;
    if (token->kind != DBC_NUMBER) {
        dbc_expected(lex, what);
        return min;
    }
    int64_t value;
    if (!to_int(number_of(token), &value) || value < min || value > max) {
        dbc_fault(lex, token->at,
                  "%s is %.*s; a whole number from %lld to %lld would be right",
                  what, (int)(token->len < 40 ? token->len : 40), token->text,
                  (long long)min, (long long)max);
        return min;
    }
    dbc_next(lex);
    return value;
}

static void cut_digit(struct number *x)
{
    x->is_cut = x->is_cut || x->mantissa % 10 != 0;
    x->mantissa /= 10;
    x->exp10++;
}

/* Into the range of a mg_decimal. False: too large. */
static bool fit(struct number *x)
{
    while (x->mantissa >= (uint64_t)DBC_MANTISSA_MAX) {
        cut_digit(x);
    }
    while (x->exp10 < -DBC_EXP10_MAX && x->mantissa != 0) {
        cut_digit(x);
    }
    if (x->mantissa == 0) {
        x->exp10 = x->is_cut ? -DBC_EXP10_MAX : 0;
        return true;
    }
    for (; x->exp10 > DBC_EXP10_MAX; x->exp10--) {
        if (x->mantissa > (uint64_t)DBC_MANTISSA_MAX / 10) {
            x->mantissa = (uint64_t)DBC_MANTISSA_MAX;
            x->exp10 = DBC_EXP10_MAX;
            return false;
        }
        x->mantissa *= 10;
    }
    return true;
}

struct mg_decimal dbc_take_decimal(struct dbc_lex *lex, const char *what,
                                   enum dbc_rounding rounding)
{
    const struct dbc_token *token = &lex->token;
    if (token->kind != DBC_NUMBER) {
        dbc_expected(lex, what);
        return (struct mg_decimal){0};
    }
    struct number x = number_of(token);
    bool fits = fit(&x);
    if (rounding == DBC_EXACT && (!fits || x.is_cut)) {
        dbc_fault(lex, token->at,
                  "%s is %.*s; at most 15 digits, from 1e-18 to 1e33, would be "
                  "right",
                  what, (int)(token->len < 40 ? token->len : 40), token->text);
        return (struct mg_decimal){0};
    }
    /* Cut digits bring it nearer to 0: outwards is one more. */
    if (fits && x.is_cut && x.is_negative == (rounding == DBC_DOWN)) {
        x.mantissa++;
    }
    dbc_next(lex);
    int64_t mantissa = (int64_t)x.mantissa;
    return (struct mg_decimal){x.is_negative ? -mantissa : mantissa,
                               (int8_t)x.exp10};
}
