/* Exact decimals of 128 bits. Signed, and kept below 2^126, so that a sum of
 * two and twice a remainder still fit. Most values are small: they go the fast
 * way, without a division of 128 bits. */
#include "dbc_priv.h"
#include "metergate/fixed.h"

static const dbc_wide limit = (dbc_wide)1 << 126;

static const int64_t pow10_of[MG_POW10_MAX + 1] = {
    1,
    10,
    100,
    1000,
    10000,
    100000,
    1000000,
    10000000,
    100000000,
    1000000000,
    10000000000,
    100000000000,
    1000000000000,
    10000000000000,
    100000000000000,
    1000000000000000,
    10000000000000000,
    100000000000000000,
    1000000000000000000,
};

static bool is_int64(dbc_wide v)
{
    return v >= INT64_MIN && v <= INT64_MAX;
}

struct dbc_value dbc_value_of(struct mg_decimal decimal)
{
    return (struct dbc_value){decimal.mantissa, decimal.exp10};
}

bool dbc_wide_scale(dbc_wide *v, unsigned n)
{
    if (n <= MG_POW10_MAX && is_int64(*v)) {
        *v *= pow10_of[n]; /* below 2^63 * 2^60 */
        return true;
    }
    for (; n > 0 && *v != 0; n--) {
        if (*v > limit / 10 || *v < -(limit / 10)) {
            return false;
        }
        *v *= 10;
    }
    return true;
}

/* Both to the smaller exponent. */
static bool align(struct dbc_value *a, struct dbc_value *b)
{
    if (a->exp10 > b->exp10) {
        unsigned n = (unsigned)(a->exp10 - b->exp10);
        a->exp10 = b->exp10;
        return dbc_wide_scale(&a->n, n);
    }
    unsigned n = (unsigned)(b->exp10 - a->exp10);
    b->exp10 = a->exp10;
    return dbc_wide_scale(&b->n, n);
}

bool dbc_value_add(struct dbc_value a, struct dbc_value b,
                   struct dbc_value *ret)
{
    if (b.n == 0) {
        *ret = a;
        return true;
    }
    if (!align(&a, &b)) {
        return false;
    }
    dbc_wide sum = a.n + b.n;
    *ret = (struct dbc_value){sum, a.exp10};
    return sum < limit && sum > -limit;
}

int dbc_value_compare(struct dbc_value a, struct dbc_value b)
{
    int sign_a = (a.n > 0) - (a.n < 0);
    int sign_b = (b.n > 0) - (b.n < 0);
    if (sign_a != sign_b) {
        return sign_a - sign_b;
    }
    bool a_is_scaled = a.exp10 > b.exp10;
    if (!align(&a, &b)) { /* the scaled one is the larger in magnitude */
        return a_is_scaled ? sign_a : -sign_a;
    }
    return (a.n > b.n) - (a.n < b.n);
}

dbc_wide dbc_wide_divide(dbc_wide num, dbc_wide den)
{
    dbc_wide quotient = num / den;
    dbc_wide rest = num % den;
    dbc_wide twice = rest < 0 ? -2 * rest : 2 * rest;
    dbc_wide size = den < 0 ? -den : den;
    if (twice > size || (twice == size && quotient % 2 != 0)) {
        quotient += (num < 0) == (den < 0) ? 1 : -1;
    }
    return quotient;
}

dbc_wide dbc_wide_divide_up(dbc_wide num, dbc_wide den)
{
    return num / den + (num % den != 0);
}

int dbc_value_round(struct dbc_value v, int exp10, int64_t *ret)
{
    int exponent = v.exp10 + exp10;
    if (exponent >= 0) {
        if (!dbc_wide_scale(&v.n, (unsigned)exponent)) {
            return MG_E_RANGE;
        }
    } else if (exponent >= -MG_POW10_MAX && is_int64(v.n)) {
        *ret = mg_div_half_even((int64_t)v.n, pow10_of[-exponent]);
        return MG_OK;
    } else if (exponent >= -2 * MG_POW10_MAX) {
        dbc_wide den = 1;
        (void)dbc_wide_scale(&den, (unsigned)-exponent); /* 10^36 < 2^126 */
        v.n = dbc_wide_divide(v.n, den);
    } else { /* 2^126 / 10^37 is less than 9 */
        return MG_E_RANGE;
    }
    if (!is_int64(v.n)) {
        return MG_E_RANGE;
    }
    *ret = (int64_t)v.n;
    return MG_OK;
}
