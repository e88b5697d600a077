#include "mqtt/backoff.h"

#define FIRST_MS 1000U
#define LAST_MS  60000U
#define LEAST_MS 100U

uint32_t mg_backoff_next(struct mg_backoff *backoff, uint32_t random)
{
    uint32_t bound_ms =
        backoff->n_failures < 6 ? FIRST_MS << backoff->n_failures : LAST_MS;
    bound_ms = bound_ms < LAST_MS ? bound_ms : LAST_MS;
    if (backoff->n_failures < UINT32_MAX) {
        backoff->n_failures++;
    }
    return LEAST_MS + random % (bound_ms - LEAST_MS + 1);
}
