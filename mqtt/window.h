/* The messages that wait for their PUBACK: at most 16, and never more than the
 * broker takes, since the library collapses when it has to queue. Pure. */
#ifndef MG_MQTT_WINDOW_H
#define MG_MQTT_WINDOW_H

#include "mqtt/client.h"
#include "store/store.h"

enum mg_sent_kind {
    MG_SENT_AVAILABILITY,
    MG_SENT_ROW,      /* id: of the row */
    MG_SENT_RETAINED, /* id: index of the topic */
    MG_SENT_REPLY
};

struct mg_sent {
    bool is_used;
    enum mg_sent_kind kind;
    int64_t id;
    uint64_t since_ms;
    char topic[MG_STORE_TOPIC_MAX]; /* of a row */
};

struct mg_window {
    struct mg_sent slots[MG_CLIENT_WINDOW_MAX];
    uint32_t limit, n; /* n <= limit <= 16 */
};

/** All free. */
void mg_window_reset(struct mg_window *window, uint32_t limit);

bool mg_window_has_room(const struct mg_window *window);

/** @return the tag of a free slot, now in use; there must be room */
uint32_t mg_window_take(struct mg_window *window, enum mg_sent_kind kind,
                        int64_t id, uint64_t now_ms);

/** Free a slot. @return false: no such slot in use */
bool mg_window_release(struct mg_window *window, uint32_t tag,
                       struct mg_sent *ret);

/** Does one of this kind wait? */
bool mg_window_has(const struct mg_window *window, enum mg_sent_kind kind);

/** Since when the oldest waits; UINT64_MAX: none does. */
uint64_t mg_window_oldest_ms(const struct mg_window *window);

#endif
