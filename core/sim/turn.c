#include "sim/turn.h"

__extension__ typedef unsigned __int128 wide_turn; /* 2^64 is one turn */

/* Taylor series up to an eighth of a turn: the first term left out is below
 * 5e-17 of the result. */
static double sine(double x)
{
    double y = x * x;
    double p = -1.0 / 1307674368000.0;
    p = p * y + 1.0 / 6227020800.0;
    p = p * y - 1.0 / 39916800.0;
    p = p * y + 1.0 / 362880.0;
    p = p * y - 1.0 / 5040.0;
    p = p * y + 1.0 / 120.0;
    p = p * y - 1.0 / 6.0;
    return x + x * (y * p);
}

static double cosine(double x)
{
    double y = x * x;
    double p = 1.0 / 20922789888000.0;
    p = p * y - 1.0 / 87178291200.0;
    p = p * y + 1.0 / 479001600.0;
    p = p * y - 1.0 / 3628800.0;
    p = p * y + 1.0 / 40320.0;
    p = p * y - 1.0 / 720.0;
    p = p * y + 1.0 / 24.0;
    p = p * y - 0.5;
    return 1.0 + y * p;
}

void mg_sincos(mg_phase_turn turn, double *ret_sin, double *ret_cos)
{
    /* The nearest quarter turn, and what is left: -1/8..1/8 turn. */
    uint64_t quarter = (turn + MG_TURN_QUARTER / 2) >> 62;
    uint64_t rest = turn - (quarter << 62);
    double x = rest < MG_TURN_HALF ? (double)rest : -(double)(0 - rest);
    x *= 6.283185307179586477 / 18446744073709551616.0;
    double s = sine(x);
    double c = cosine(x);
    switch (quarter & 3) {
    case 0:
        *ret_sin = s, *ret_cos = c;
        break;
    case 1:
        *ret_sin = c, *ret_cos = -s;
        break;
    case 2:
        *ret_sin = -s, *ret_cos = -c;
        break;
    default:
        *ret_sin = -c, *ret_cos = s;
        break;
    }
}

mg_phase_turn mg_turn_from_cdeg(int32_t cdeg)
{
    /* 2^64 / 36000 is 512409557603043.1; the tenth is 1e-16 of a turn. */
    return (uint64_t)(int64_t)cdeg * 512409557603043U;
}

mg_phase_turn mg_mains_step(int64_t frequency_mhz, uint32_t rate_mhz)
{
    uint64_t f = frequency_mhz < 1000 ? 1000 : (uint64_t)frequency_mhz;
    if (f > rate_mhz / 4) {
        f = rate_mhz / 4;
    }
    /* f * 2^64 / rate by long division in two halves of 32 bits. */
    uint64_t high = (f << 32) / rate_mhz;
    uint64_t rest = (f << 32) % rate_mhz;
    return high << 32 | (rest << 32) / rate_mhz;
}

uint32_t mg_mains_samples(mg_phase_turn phase, mg_phase_turn step,
                          unsigned n_half_periods)
{
    uint64_t left = MG_TURN_HALF - (phase & (MG_TURN_HALF - 1)) - 1;
    if (n_half_periods <= 1) {
        return n_half_periods == 0 ? 0 : (uint32_t)(left / step) + 1;
    }
    wide_turn all = left + ((wide_turn)(n_half_periods - 1) << 63);
    return (uint32_t)(all / step) + 1;
}

uint32_t mg_mains_half_periods(mg_phase_turn phase, mg_phase_turn step,
                               uint32_t n_samples)
{
    uint64_t left = MG_TURN_HALF - (phase & (MG_TURN_HALF - 1));
    wide_turn all = (wide_turn)n_samples * step;
    return all < left ? 0 : (uint32_t)((all - left) >> 63) + 1;
}
