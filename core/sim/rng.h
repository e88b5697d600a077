/* One small seeded generator (splitmix64, public domain by S. Vigna) for all
 * chance in the simulator. The same seed gives the same numbers everywhere. */
#ifndef MG_SIM_RNG_H
#define MG_SIM_RNG_H

#include <stdint.h>

struct mg_sim_rng {
    uint64_t state;
};

/** Well-mixed 64 bits of one number; pure. */
uint64_t mg_sim_hash(uint64_t x);

/** The same of a seed and what is asked of it (`salt`, `index`); pure. */
uint64_t mg_sim_hash3(uint64_t seed, uint64_t salt, uint64_t index);

uint64_t mg_sim_rng_next(struct mg_sim_rng *rng);

/** 0..n-1.
 *  @param n  1..2^32 */
uint32_t mg_sim_rng_below(struct mg_sim_rng *rng, uint64_t n);

#endif
