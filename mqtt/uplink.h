/* The MQTT uplink: the sink that publishes to a broker with paho.mqtt.c.
 *
 * Its own thread owns paho: paho holds a process-wide lock across name look-ups
 * and must never be called from the loop that polls meters. It keeps its own
 * window, reconnects itself, and sends the rows of the outbox in order. */
#ifndef MG_MQTT_UPLINK_H
#define MG_MQTT_UPLINK_H

#include "run/setup.h"
#include "run/sink.h"

/** Start the uplink. Does not wait for a connection.
 *  @param loop   where the events are delivered
 *  @param store  the outbox to drain; borrowed until destroy
 *  @param setup  borrowed until destroy; setup->gateway and setup->mqtt
 *  @return owned; NULL with err */
struct mg_sink *mg_uplink_create(uv_loop_t *loop, struct mg_store *store,
                                 const struct mg_setup *setup,
                                 const struct mg_sink_events *events, void *ctx,
                                 struct mg_err *err);

void mg_uplink_stats(struct mg_sink *sink, struct mg_sink_stats *ret);

#endif
