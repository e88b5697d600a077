/* The connection to the broker: resolve, connect, lose, say why, come back.
 *
 * On the uplink thread and its loop. The library's own reconnecting is not
 * used: it would hide the properties of the CONNACK. */
#ifndef MG_MQTT_SESSION_H
#define MG_MQTT_SESSION_H

#include <uv.h>

#include "mqtt/backoff.h"
#include "mqtt/client.h"
#include "mqtt/probe.h"

struct mg_mqtt_session_limits {
    uint32_t window;     /* messages without PUBACK, 1..16 */
    uint32_t max_packet; /* bytes */
};

struct mg_mqtt_session_events {
    /** Connected; session->client may be used until `down`. */
    void (*up)(void *ctx, const struct mg_mqtt_session_limits *limits,
               const char *text);
    /** Lost, or not reached; called for every attempt that fails. */
    void (*down)(void *ctx, const char *text);
    /** SENT, SUBSCRIBED and MESSAGE of the client. */
    void (*client)(void *ctx, struct mg_client_event *event);
};

enum mg_mqtt_session_state {
    MG_MQTT_SESSION_STOPPED,
    MG_MQTT_SESSION_RESOLVING,
    MG_MQTT_SESSION_CONNECTING,
    MG_MQTT_SESSION_UP,
    MG_MQTT_SESSION_PROBING, /* finding out why it failed */
    MG_MQTT_SESSION_WAITING  /* for the next attempt */
};

struct mg_mqtt_session {
    enum mg_mqtt_session_state state;
    struct mg_client *client; /* owned; NULL unless CONNECTING or UP */
    const struct mg_setup_mqtt *mqtt;
    const char *will_topic;
    const struct mg_mqtt_session_events *events;
    void (*wake)(void *ctx); /* of the client, any thread */
    void *ctx;
    uv_timer_t timer; /* next attempt, or end of this one */
    uv_getaddrinfo_t resolve;
    uv_work_t work;
    struct mg_probe probe;
    bool is_resolving, is_probing; /* a request of libuv is out */
    bool is_v311;
    uint16_t keepalive_s;
    uint64_t up_since_ms;
    struct mg_backoff backoff;
};

/** @param mqtt, will_topic, events, ctx  borrowed until mg_mqtt_session_stop
 *  @param will_topic  NULL: none */
int mg_mqtt_session_init(struct mg_mqtt_session *session, uv_loop_t *loop,
                         const struct mg_setup_mqtt *mqtt,
                         const char *will_topic,
                         const struct mg_mqtt_session_events *events,
                         void (*wake)(void *ctx), void *ctx);

/** Begin the first attempt. */
void mg_mqtt_session_start(struct mg_mqtt_session *session);

/** Take what the client has to say; to be called after each wake. */
void mg_mqtt_session_poll(struct mg_mqtt_session *session);

/** The connection is of no use (nothing is acknowledged): make a new one. */
void mg_mqtt_session_drop(struct mg_mqtt_session *session, const char *why);

/** Disconnect and close all handles; no event follows. The loop ends when its
 *  requests have come back. */
void mg_mqtt_session_stop(struct mg_mqtt_session *session);

#endif
