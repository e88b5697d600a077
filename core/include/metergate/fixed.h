/* metergate plugin SDK: exact conversion between decimal fixed point and the
 * bits of IEEE 754 float32 registers, with integers only. */
#ifndef METERGATE_FIXED_H
#define METERGATE_FIXED_H

#include "metergate/types.h"

#define MG_POW10_MAX 18

/** 10^n for 0 <= n <= MG_POW10_MAX. */
static inline int64_t mg_pow10(unsigned n)
{
    int64_t p = 1;
    while (n-- > 0) {
        p *= 10;
    }
    return p;
}

/** a / b rounded half to even.
 *  @param b  > 0 */
static inline int64_t mg_div_half_even(int64_t a, int64_t b)
{
    int64_t q = a / b;
    int64_t r = a % b;
    int64_t twice = r < 0 ? -2 * r : 2 * r;
    if (twice > b || (twice == b && (q & 1) != 0)) {
        q += a < 0 ? -1 : 1;
    }
    return q;
}

/** part / whole as a fraction of 2^32, rounded down; within 2^-31.
 *  @param part  0..whole - 1 */
static inline uint32_t mg_ratio_q32(int64_t part, int64_t whole)
{
    while (whole >> 32 != 0) {
        whole >>= 1;
        part >>= 1;
    }
    if (part < 0) {
        return 0;
    }
    return part < whole ? (uint32_t)(((uint64_t)part << 32) / (uint64_t)whole)
                        : UINT32_MAX;
}

/* (m * scale) / 2^shift rounded half to even; m < 2^24, scale <= 1e9. */
static inline uint64_t mg_fixed__shift_half_even(uint64_t v, unsigned shift)
{
    if (shift == 0) {
        return v;
    }
    if (shift >= 64) {
        return 0;
    }
    uint64_t q = v >> shift;
    uint64_t rest = v & (((uint64_t)1 << shift) - 1);
    uint64_t half = (uint64_t)1 << (shift - 1);
    if (rest > half || (rest == half && (q & 1) != 0)) {
        q++;
    }
    return q;
}

/** Convert the bits of a float32 to fixed point: value * 10^decimals, rounded
 *  half to even. Worked: 0x43661EB8 (230.12) with decimals 3 -> 230120.
 *  @param decimals        0..9
 *  @param ret_value       set on success only
 *  @param ret_resolution  one step of the float at this value in the same
 *                         units, rounded up, at least 1; set on success only
 *  @return MG_OK; MG_E_PROTO: NaN or infinite; MG_E_RANGE: does not fit */
static inline int mg_fixed_from_f32(uint32_t bits, unsigned decimals,
                                    int64_t *ret_value, int64_t *ret_resolution)
{
    if (decimals > 9) {
        return MG_E_INVAL;
    }
    unsigned exponent = bits >> 23 & 0xff;
    uint64_t mantissa = bits & 0x7fffff;
    if (exponent == 0xff) {
        return MG_E_PROTO;
    }
    if (exponent == 0) {
        exponent = 1;
    } else {
        mantissa |= 0x800000;
    }
    uint64_t scale = (uint64_t)mg_pow10(decimals);
    int shift = (int)exponent - 150;    /* value = mantissa * 2^shift */
    uint64_t scaled = mantissa * scale; /* < 2^24 * 2^30 */
    uint64_t step = 1;
    if (shift >= 0) {
        if (shift > 62 || (scaled >> (62 - shift)) != 0) {
            return MG_E_RANGE;
        }
        scaled <<= shift;
        step = scale << shift;
    } else {
        scaled = mg_fixed__shift_half_even(scaled, (unsigned)-shift);
        if (shift > -60) {
            step = (scale + (((uint64_t)1 << -shift) - 1)) >> -shift;
        }
    }
    *ret_value = bits >> 31 ? -(int64_t)scaled : (int64_t)scaled;
    *ret_resolution = step == 0 ? 1 : (int64_t)step;
    return MG_OK;
}

#endif
