/* Answers to commands that wait to be sent. Put by the loop and by the uplink
 * thread, taken by the uplink thread. Bounded; not durable. */
#ifndef MG_MQTT_REPLIES_H
#define MG_MQTT_REPLIES_H

#include "run/sink.h"

#define MG_REPLIES_MAX       64
#define MG_REPLY_PAYLOAD_MAX ((size_t)64 * 1024)

struct mg_reply {
    struct mg_reply_to to;
    size_t len;
    char payload[];
};

struct mg_replies;

struct mg_replies *mg_replies_create(void); /* owned; NULL: out of memory */
void mg_replies_destroy(struct mg_replies *replies); /* NULL is allowed */

/** Copies; when full, the oldest is dropped. @return MG_OK; MG_E_RANGE: too
 *  long, or nowhere to send it; MG_E_NOMEM */
int mg_replies_put(struct mg_replies *replies, const struct mg_reply_to *to,
                   const char *payload, size_t len);

/** @return the oldest, owned by the caller: free(); NULL: none */
struct mg_reply *mg_replies_take(struct mg_replies *replies);

/** It could not be sent: back to the front. Owned by the replies again. */
void mg_replies_again(struct mg_replies *replies, struct mg_reply *reply);

#endif
