/* What leaves, in this order: answers, retained topics, rows of the outbox. On
 * the uplink thread. */
#ifndef MG_MQTT_PUBLISH_H
#define MG_MQTT_PUBLISH_H

#include "mqtt/worker.h"

/** Send what may be sent now; nothing while not connected. */
void mg_publish_all(struct mg_worker *worker);

/** "online" or "offline", retained; at QoS 0 when the window is full. */
void mg_publish_availability(struct mg_worker *worker, const char *text);

/** Call mg_publish_all again in so many ms; for the timer `batch` with the
 *  retained topics. */
void mg_worker_later(struct mg_worker *worker, uv_timer_t *timer, uint64_t ms);

#endif
