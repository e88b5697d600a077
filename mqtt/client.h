/* One connection to an MQTT broker, without saying by which library.
 *
 * All calls are made on the uplink thread. The library's own threads only push
 * events to a bounded queue and call `wake`; the uplink thread takes them with
 * mg_client_next. A client makes one connection: after a loss it is destroyed
 * and made anew, so that nothing of the old connection can reach the new. What
 * has not left for the socket by then is lost memory with paho 1.3.12: keep
 * that little (is_marked). */
#ifndef MG_MQTT_CLIENT_H
#define MG_MQTT_CLIENT_H

#include "base/err.h"
#include "run/setup.h"
#include "run/sink.h"

#define MG_CLIENT_WINDOW_MAX  16
#define MG_CLIENT_MESSAGE_MAX ((size_t)2 * 1024 * 1024)
#define MG_CLIENT_TEXT        160
#define MG_CLIENT_FILTERS_MAX 64
#define MG_CLIENT_TAG_WRITTEN MG_CLIENT_WINDOW_MAX

/** A message that came. Lengths are those on the wire; what is longer than its
 *  field is cut there, an oversized payload is left out. */
struct mg_client_message {
    char topic[512];
    size_t topic_len;
    char response_topic[MG_REPLY_TOPIC_MAX];
    size_t response_topic_len; /* 0: none */
    uint8_t correlation[MG_CORRELATION_MAX];
    size_t correlation_len;
    bool is_retained, is_duplicate, is_expired;
    size_t len;
    char payload[]; /* len bytes and a NUL; nothing when oversized */
};

enum mg_client_event_kind {
    MG_CLIENT_UP,     /* CONNACK: success, with limits */
    MG_CLIENT_FAILED, /* no connection; code and text */
    MG_CLIENT_LOST, /* the connection is gone; code > 0: the broker's reason */
    MG_CLIENT_SENT, /* tag: answered with code; below 0: no answer */
    MG_CLIENT_SUBSCRIBED, /* code: the worst of the SUBACK */
    MG_CLIENT_MESSAGE
};

struct mg_client_event {
    enum mg_client_event_kind kind;
    uint32_t tag;
    int code;
    char text[MG_CLIENT_TEXT];
    struct {
        uint32_t window;      /* Receive Maximum */
        uint32_t max_packet;  /* bytes; UINT32_MAX = no limit */
        uint16_t keepalive_s; /* 0: the broker leaves it to us */
    } limits;
    struct mg_client_message *message; /* owned by who took the event: free() */
};

struct mg_client_settings {
    const struct mg_setup_mqtt *mqtt; /* borrowed for the call */
    const char *will_topic; /* payload "offline", retained, QoS 1; NULL: none */
    bool is_v311;
    uint16_t keepalive_s;
    void (*wake)(void *ctx); /* any thread */
    void *ctx;
};

struct mg_client_publish {
    const char *topic; /* whole */
    const void *payload;
    size_t len;
    int qos; /* 0 or 1 */
    bool is_retained;
    bool has_json_properties;   /* content type, payload format */
    const uint8_t *correlation; /* NULL: none */
    size_t correlation_len;
    uint32_t tag; /* QoS 1: below MG_CLIENT_WINDOW_MAX, free */
    /* QoS 0: SENT with the tag MG_CLIENT_TAG_WRITTEN when it left for the
     * socket; at most one at a time. */
    bool is_marked;
};

struct mg_client;

/** Make a client and begin to connect: UP or FAILED follows.
 *  @return owned; NULL with err */
struct mg_client *mg_client_create(const struct mg_client_settings *settings,
                                   struct mg_err *err);

/** Send. QoS 1: exactly one SENT or the LOST of the connection follows.
 *  @return MG_OK; MG_E_BUSY: too much waits for the socket, try later;
 *  MG_E_STATE: not connected; MG_E_RANGE: never possible */
int mg_client_publish(struct mg_client *client,
                      const struct mg_client_publish *publish);

/** Subscribe at QoS 1; SUBSCRIBED follows.
 *  @param n  1..MG_CLIENT_FILTERS_MAX
 *  @return MG_OK or MG_E_STATE */
int mg_client_subscribe(struct mg_client *client, char *const *filters,
                        size_t n);

/** Send DISCONNECT, so that the broker does not publish the will. */
void mg_client_disconnect(struct mg_client *client);

/** Take the next event. @return false: none */
bool mg_client_next(struct mg_client *client, struct mg_client_event *ret);

/** Messages dropped since the last call, because the queue was full. */
uint32_t mg_client_take_dropped(struct mg_client *client);

/** Bytes of the PUBLISH packet this would be. */
size_t mg_client_packet_len(const struct mg_client_publish *publish);

/** Close and free; takes about 0.1 s. Without mg_client_disconnect before it
 *  the connection may end with or without the will. NULL is allowed. */
void mg_client_destroy(struct mg_client *client);

#endif
