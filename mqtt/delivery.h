/* From the uplink thread to the loop: commands and news, in order, bounded.
 *
 * Created, closed and delivered on the loop thread; the puts are the uplink
 * thread's. */
#ifndef MG_MQTT_DELIVERY_H
#define MG_MQTT_DELIVERY_H

#include <uv.h>

#include "base/err.h"
#include "run/sink.h"

struct mg_delivery;

/** @param events, ctx  borrowed until mg_delivery_close
 *  @return owned; NULL with err */
struct mg_delivery *mg_delivery_create(uv_loop_t *loop,
                                       const struct mg_sink_events *events,
                                       void *ctx, struct mg_err *err);

/** No event follows; what waits is dropped. Freed when the loop has run once
 *  more.
 *  @param is_leaked  the memory stays: a thread that could not be ended may
 *                    still put; its puts are ignored */
void mg_delivery_close(struct mg_delivery *delivery, bool is_leaked);

/** Room for a command? Stays true until the next put. */
bool mg_delivery_has_room(struct mg_delivery *delivery);

/** @param command  owned by the delivery from here on */
void mg_delivery_put_command(struct mg_delivery *delivery,
                             struct mg_command *command);

/** The newest state of the link; never dropped, an older one that waits is
 *  replaced. */
void mg_delivery_put_link(struct mg_delivery *delivery, bool is_up,
                          const char *text);

/** Dropped when 256 events wait. */
void mg_delivery_put_parked(struct mg_delivery *delivery, const char *topic,
                            int reason_code, const char *reason);
void mg_delivery_put_refused(struct mg_delivery *delivery, const char *topic,
                             const char *reason);

#endif
