#include "firmware_priv.h"

#define MANTISSA_BITS 24 /* of a float32, the hidden one included */

/* value * 2^-shift, rounded half to even; `is_inexact`: there was more below.
 * @return at most 2^24 */
static uint32_t round_mantissa(uint64_t value, unsigned shift, bool is_inexact)
{
    uint64_t kept = value >> shift;
    uint64_t rest = value & (((uint64_t)1 << shift) - 1);
    uint64_t half = shift == 0 ? 0 : (uint64_t)1 << (shift - 1);
    bool is_above = rest > half || (rest == half && is_inexact);
    bool is_tie = rest == half && !is_inexact;
    if (shift != 0 && (is_above || (is_tie && (kept & 1) != 0))) {
        kept++;
    }
    return (uint32_t)kept;
}

uint32_t kpm31_fw_f32(int64_t num, uint64_t den)
{
    if (num == 0) {
        return 0;
    }
    uint64_t n = num < 0 ? 0 - (uint64_t)num : (uint64_t)num;
    uint64_t q = n / den;
    uint64_t r = n % den;
    unsigned exponent = 127 + MANTISSA_BITS - 1;
    /* Long division until there is one bit more than the mantissa has. */
    while (q < (uint64_t)1 << MANTISSA_BITS) {
        r *= 2;
        q = 2 * q + (r >= den);
        r -= r >= den ? den : 0;
        exponent--;
    }
    unsigned shift = 0;
    while (q >> shift >= (uint64_t)1 << MANTISSA_BITS) {
        shift++;
    }
    exponent += shift;
    /* A carry out of the mantissa goes on into the exponent, as it should. */
    uint32_t mantissa = round_mantissa(q, shift, r != 0);
    uint32_t bits = (exponent << (MANTISSA_BITS - 1)) +
                    (mantissa - (UINT32_C(1) << (MANTISSA_BITS - 1)));
    return num < 0 ? bits | UINT32_C(0x80000000) : bits;
}

uint32_t kpm31_fw_isqrt(uint64_t x)
{
    uint64_t root = 0;
    for (uint64_t bit = (uint64_t)1 << 62; bit != 0; bit >>= 2) {
        uint64_t trial = root + bit;
        root >>= 1;
        if (x >= trial) {
            x -= trial;
            root += bit;
        }
    }
    return (uint32_t)root;
}
