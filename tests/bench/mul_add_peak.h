/* The most multiplications and additions of doubles that one core does. */
#ifndef MG_MUL_ADD_PEAK_H
#define MG_MUL_ADD_PEAK_H

#include <stdint.h>

/** @return operations done, of `rounds` rounds */
typedef double mg_mul_add_peak(uint64_t rounds);

mg_mul_add_peak mg_mul_add_peak_baseline;
mg_mul_add_peak mg_mul_add_peak_avx2, mg_mul_add_peak_avx512;

#endif
