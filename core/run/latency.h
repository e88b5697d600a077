/* A histogram of latencies with about 6 % resolution, for percentiles. Pure. */
#ifndef MG_RUN_LATENCY_H
#define MG_RUN_LATENCY_H

#include <stdint.h>

#define MG_LATENCY_BUCKETS 512

struct mg_latency {
    uint64_t n;
    uint32_t counts[MG_LATENCY_BUCKETS];
};

void mg_latency_add(struct mg_latency *latency, uint64_t us);

/** @param permille  500 = median
 *  @return upper bound of the bucket in us; 0 when empty */
uint32_t mg_latency_percentile(const struct mg_latency *latency,
                               unsigned permille);

#endif
