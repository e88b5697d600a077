#include "sim/rng.h"

#define GOLDEN 0x9e3779b97f4a7c15U /* 2^64 / golden ratio, odd */

uint64_t mg_sim_hash(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27) * 0x94d049bb133111ebU;
    return x ^ x >> 31;
}

uint64_t mg_sim_hash3(uint64_t seed, uint64_t salt, uint64_t index)
{
    return mg_sim_hash(mg_sim_hash(seed + salt * GOLDEN) +
                       (index + 1) * GOLDEN);
}

uint64_t mg_sim_rng_next(struct mg_sim_rng *rng)
{
    rng->state += GOLDEN;
    return mg_sim_hash(rng->state);
}

uint32_t mg_sim_rng_below(struct mg_sim_rng *rng, uint64_t n)
{
    /* The high half times n: no division, and a bias below n / 2^32. */
    return (uint32_t)((mg_sim_rng_next(rng) >> 32) * n >> 32);
}
