#include "run/latency.h"

/* Sixteen buckets per power of two above 16 us, one per us below. */
static unsigned bucket_of(uint64_t us)
{
    if (us < 16) {
        return (unsigned)us;
    }
    unsigned log2 = 63 - (unsigned)__builtin_clzll(us);
    unsigned index = (log2 - 3) * 16 + (unsigned)(us >> (log2 - 4) & 15);
    return index < MG_LATENCY_BUCKETS ? index : MG_LATENCY_BUCKETS - 1;
}

static uint32_t upper_bound_us(unsigned bucket)
{
    if (bucket < 16) {
        return bucket;
    }
    unsigned log2 = bucket / 16 + 3;
    uint64_t bound = ((uint64_t)16 + bucket % 16 + 1) << (log2 - 4);
    return bound > UINT32_MAX ? UINT32_MAX : (uint32_t)bound;
}

void mg_latency_add(struct mg_latency *latency, uint64_t us)
{
    latency->counts[bucket_of(us)]++;
    latency->n++;
}

uint32_t mg_latency_percentile(const struct mg_latency *latency,
                               unsigned permille)
{
    if (latency->n == 0) {
        return 0;
    }
    uint64_t rank = (latency->n * permille + 999) / 1000;
    uint64_t seen = 0;
    for (unsigned i = 0; i < MG_LATENCY_BUCKETS; i++) {
        seen += latency->counts[i];
        if (seen >= rank) {
            return upper_bound_us(i);
        }
    }
    return UINT32_MAX;
}
