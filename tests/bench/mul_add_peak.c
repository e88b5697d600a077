/* Compiled for each vector unit, with contraction: fused where there is such an
 * instruction. Enough chains to hide its latency. */
#include "mul_add_peak.h"

#if defined __AVX512F__
#define VECTOR_BYTES 64
#elif defined __AVX2__
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
#define LANES  (VECTOR_BYTES / sizeof(double))
#define CHAINS 10

typedef double vector __attribute__((vector_size(VECTOR_BYTES)));

double MG_MUL_ADD_PEAK(uint64_t rounds)
{
    vector half = (vector){0} + 0.5;
    vector one = (vector){0} + 1.0;
    vector a = one, b = one, c = one, d = one, e = one;
    vector f = half, g = half, h = half, i = half, j = half;
    for (uint64_t k = 0; k < rounds; k++) {
        a = a * half + one;
        b = b * half + one;
        c = c * half + one;
        d = d * half + one;
        e = e * half + one;
        f = f * half + one;
        g = g * half + one;
        h = h * half + one;
        i = i * half + one;
        j = j * half + one;
        /* Not to be foreseen by the compiler, and each by itself. */
        __asm__ volatile(""
                         : "+x"(a), "+x"(b), "+x"(c), "+x"(d), "+x"(e), "+x"(f),
                           "+x"(g), "+x"(h), "+x"(i), "+x"(j));
    }
    vector sum = a + b + c + d + e + f + g + h + i + j;
    return sum[0] > 0.0 ? (double)rounds * 2.0 * CHAINS * (double)LANES : 0.0;
}
