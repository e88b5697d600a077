/* float32 from and to its bits, with integers only. */
#include "dbc_priv.h"

#define MANTISSA_BITS 24
#define EXPONENT_MIN  (-149) /* of the lowest bit of the mantissa */
#define EXPONENT_MAX  104
#define WIDE_BITS     126

static unsigned bits_of(dbc_uwide v)
{
    uint64_t high = (uint64_t)(v >> 64);
    uint64_t low = (uint64_t)v;
    if (high != 0) {
        return 128 - (unsigned)__builtin_clzll(high);
    }
    return low == 0 ? 0 : 64 - (unsigned)__builtin_clzll(low);
}

static dbc_wide magnitude(int64_t v)
{
    return v < 0 ? -(dbc_wide)v : v;
}

/* n * 10^exp10 * 2^exp2 as an integer, rounded half to even or upwards.
 * n >= 0. False: beyond 2^126 on the way. */
static bool scaled(dbc_wide n, int exp10, int exp2, bool is_upwards,
                   dbc_wide *ret)
{
    dbc_wide den = 1;
    if (exp10 >= 0 ? !dbc_wide_scale(&n, (unsigned)exp10)
                   : !dbc_wide_scale(&den, (unsigned)-exp10)) {
        return false;
    }
    unsigned shift = (unsigned)(exp2 < 0 ? -exp2 : exp2);
    if (exp2 >= 0) {
        if (bits_of((dbc_uwide)n) + shift > WIDE_BITS) {
            return n == 0 ? (*ret = 0, true) : false;
        }
        n = (dbc_wide)((dbc_uwide)n << shift);
    } else if (shift > WIDE_BITS ||
               bits_of((dbc_uwide)den) + shift > WIDE_BITS + 1) {
        /* The divisor is 2^127 or more: at most a half is left. */
        *ret = is_upwards && n != 0;
        return true;
    } else {
        den = (dbc_wide)((dbc_uwide)den << shift);
    }
    *ret = is_upwards ? dbc_wide_divide_up(n, den) : dbc_wide_divide(n, den);
    return true;
}

int dbc_float_decode(uint32_t bits, struct mg_decimal factor, int exp10,
                     int64_t *ret, int64_t *ret_resolution)
{
    unsigned exponent = bits >> 23 & 0xff;
    int64_t mantissa = bits & 0x7fffff;
    if (exponent == 0xff) {
        return MG_E_INVAL;
    }
    if (exponent == 0) { /* subnormal */
        exponent = 1;
    } else {
        mantissa |= 0x800000;
    }
    int exp2 = (int)exponent + EXPONENT_MIN - 1;
    exp10 += factor.exp10;
    dbc_wide size = magnitude(factor.mantissa);
    dbc_wide value;
    dbc_wide step;
    if (!scaled(mantissa * size, exp10, exp2, false, &value) ||
        !scaled(size, exp10, exp2, true, &step) || value > INT64_MAX ||
        step > INT64_MAX) {
        return MG_E_RANGE;
    }
    bool is_negative = (bits >> 31 != 0) != (factor.mantissa < 0);
    *ret = is_negative ? -(int64_t)value : (int64_t)value;
    *ret_resolution = step == 0 ? 1 : (int64_t)step;
    return MG_OK;
}

/* num / den as mantissa * 2^exp2, with two bits more than a float has and the
 * lowest one set if something was cut. num > 0. */
static uint64_t divide(dbc_wide num, dbc_wide den, int *ret_exp2)
{
    dbc_uwide quotient = (dbc_uwide)(num / den);
    dbc_uwide rest = (dbc_uwide)(num % den);
    int exp2 = 0;
    while (bits_of(quotient) < MANTISSA_BITS + 2) {
        rest *= 2;
        bool is_one = rest >= (dbc_uwide)den;
        rest -= is_one ? (dbc_uwide)den : 0;
        quotient = quotient * 2 + is_one;
        exp2--;
    }
    bool is_cut = rest != 0;
    while (bits_of(quotient) > MANTISSA_BITS + 2) {
        is_cut = is_cut || (quotient & 1) != 0;
        quotient >>= 1;
        exp2++;
    }
    *ret_exp2 = exp2;
    return (uint64_t)quotient | is_cut;
}

/* Two bits less, half to even. */
static uint32_t round_mantissa(uint64_t v)
{
    uint64_t kept = v >> 2;
    unsigned rest = v & 3;
    kept += rest == 3 || (rest == 2 && (kept & 1) != 0);
    return (uint32_t)kept;
}

int dbc_float_encode(int64_t value, struct mg_decimal factor, int exp10,
                     uint32_t *ret)
{
    dbc_wide num = magnitude(value);
    dbc_wide den = magnitude(factor.mantissa);
    int exponent = -exp10 - factor.exp10;
    if (exponent >= 0 ? !dbc_wide_scale(&num, (unsigned)exponent)
                      : !dbc_wide_scale(&den, (unsigned)-exponent)) {
        return MG_E_RANGE;
    }
    uint32_t sign = (value < 0) != (factor.mantissa < 0) ? 0x80000000 : 0;
    if (num == 0) {
        *ret = 0;
        return MG_OK;
    }
    int exp2;
    uint32_t mantissa = round_mantissa(divide(num, den, &exp2));
    exp2 += 2;
    if (mantissa >> MANTISSA_BITS != 0) { /* rounded up to a power of two */
        mantissa >>= 1;
        exp2++;
    }
    if (exp2 > EXPONENT_MAX) {
        return MG_E_RANGE;
    }
    /* Never subnormal: num / den is 2^-126 or more, the least normal float. */
    uint32_t field = (uint32_t)(exp2 - EXPONENT_MIN + 1);
    *ret = sign | field << 23 | (mantissa & 0x7fffff);
    return MG_OK;
}
