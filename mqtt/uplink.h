/* The MQTT uplink: the sink that publishes to a broker with paho.mqtt.c.
 *
 * Its own thread owns paho: paho holds a process-wide lock across name look-ups
 * and must never be called from the loop that polls meters. It keeps its own
 * window, reconnects itself, and sends the rows of the outbox in order. */
#ifndef MG_MQTT_UPLINK_H
#define MG_MQTT_UPLINK_H

#include "mqtt/command.h"

/** Start the uplink. Does not wait for a connection.
 *  @param loop   where the events are delivered
 *  @param store  the outbox to drain; borrowed until destroy
 *  @param setup  borrowed until destroy; setup->gateway and setup->mqtt
 *  @return owned; NULL with err */
struct mg_sink *mg_uplink_create(uv_loop_t *loop, struct mg_store *store,
                                 const struct mg_setup *setup,
                                 const struct mg_sink_events *events, void *ctx,
                                 struct mg_err *err);

/** What one uplink has that others have not. */
struct mg_uplink_settings {
    uv_loop_t *loop;                  /* where the events are delivered */
    struct mg_store *store;           /* its outbox; NULL: no rows are sent */
    const struct mg_setup_mqtt *mqtt; /* borrowed until destroy */
    const char *base;                 /* in front of all topics, with '/' */
    const char *availability;         /* below base, also the will; "": none */
    const char *const *filters;       /* below base, 1..64 */
    size_t n_filters;
    const struct mg_command_protocol *protocol; /* borrowed until destroy */
    /* Owned from here on, also when this fails; NULL: ids are not watched. */
    struct mg_recent *recent;
    const struct mg_sink_events *events; /* borrowed until destroy, as ctx */
    void *ctx;
};

/** An uplink of another kind. As mg_uplink_create. */
struct mg_sink *mg_uplink_open(const struct mg_uplink_settings *settings,
                               struct mg_err *err);

/** Publish what tells of now: QoS 0, not retained, only the newest is sent.
 *  @return as retain */
int mg_uplink_tell(struct mg_sink *sink, const char *topic, const char *payload,
                   size_t len);

void mg_uplink_stats(struct mg_sink *sink, struct mg_sink_stats *ret);

#endif
