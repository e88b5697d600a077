/* The newest value of each topic, and which have still to be sent. Most are
 * retained; a passing one tells only of now.
 *
 * Written by the loop, read by the uplink thread; each call takes the table's
 * own lock for a copy and never blocks on anything else. A topic waits in the
 * order in which it first became dirty; a newer value replaces the waiting one
 * in its place. */
#ifndef MG_MQTT_RETAINED_H
#define MG_MQTT_RETAINED_H

#include "metergate/types.h"

struct mg_retained;

/** @param prefix      put in front of every topic: "<root>/<gateway>/"
 *  @param max_topics  1..1,048,576
 *  @return owned; NULL: out of memory or prefix longer than 255 bytes */
struct mg_retained *mg_retained_create(const char *prefix, size_t max_topics);
void mg_retained_destroy(struct mg_retained *table); /* NULL is allowed */

/* How a topic is published. */
#define MG_TOPIC_QOS1    1U
#define MG_TOPIC_PASSING 2U /* not retained, not sent again when reconnected   \
                             */

/** Set the value of a topic and mark it dirty. An empty payload deletes the
 *  topic at the broker.
 *  @param topic      below the prefix
 *  @param ret_is_due true when nothing was dirty before: the uplink must be
 *                    woken; may be set on success only
 *  @return MG_OK; MG_E_NOSPC: too many topics; MG_E_NOMEM; MG_E_RANGE: topic
 *  of more than 255 bytes or payload of more than 256 KiB */
int mg_retained_set(struct mg_retained *table, const char *topic,
                    const char *payload, size_t len, unsigned flags,
                    bool *ret_is_due);

/** A dirty topic as taken; buffers are reused by the next take. */
struct mg_retained_item {
    char topic[512]; /* whole, with the prefix */
    char *payload;   /* owned by the caller: free() when done */
    size_t len, cap;
    int qos;
    bool is_passing;
    size_t index; /* names the topic, for mg_retained_again */
};

/** Take the topic that is dirty for the longest time.
 *  @param max_qos  leave it when its QoS is above this
 *  @return true and item; false: nothing dirty, out of memory or QoS too high
 */
bool mg_retained_take(struct mg_retained *table, int max_qos,
                      struct mg_retained_item *item);

/** It could not be sent: dirty again, at the front unless a newer value
 *  waits. */
void mg_retained_again(struct mg_retained *table, size_t index);

/** A new connection: all but the passing are dirty, those that waited first.
 */
void mg_retained_again_all(struct mg_retained *table);

bool mg_retained_is_dirty(struct mg_retained *table);

/** True once per topic: its refusal has not been said before. */
bool mg_retained_complain(struct mg_retained *table, size_t index);

#endif
