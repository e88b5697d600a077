/* How long to wait before the next attempt: full jitter below a bound that
 * doubles from 1 s to 60 s, so that a fleet does not come back all at once. */
#ifndef MG_MQTT_BACKOFF_H
#define MG_MQTT_BACKOFF_H

#include <stdint.h>

struct mg_backoff {
    uint32_t n_failures; /* 0: the next wait is the first */
};

/** @param random  uniform
 *  @return ms, 100 to 60,000; counts the failure */
uint32_t mg_backoff_next(struct mg_backoff *backoff, uint32_t random);

#endif
