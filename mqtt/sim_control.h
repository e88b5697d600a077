/* Orders to simulated meters from the broker, for tests: a message on
 * <root>/<gateway>/sim/control is an order (run/scene.h), and its answer, a
 * JSON object, comes on <root>/<gateway>/sim/done and at the order's response
 * topic. Only for simulated runs. Retained orders are refused: they would be
 * obeyed again at every connection. It has an uplink of its own, with the
 * client id sim-<gateway>. */
#ifndef MG_MQTT_SIM_CONTROL_H
#define MG_MQTT_SIM_CONTROL_H

#include <uv.h>

#include "base/err.h"
#include "run/setup.h"

#define MG_SIM_CONTROL_WAITING 16 /* orders without an answer */

struct mg_sim_control;

/** Begin to listen. Does not wait for a connection.
 *  @param loop, setup  borrowed until destroy
 *  @param order  obey, and call mg_sim_control_answer then or later, once for
 *                each order, in their order
 *  @return owned; NULL with err */
struct mg_sim_control *
mg_sim_control_create(uv_loop_t *loop, const struct mg_setup *setup,
                      void (*order)(void *ctx, const char *text, size_t len),
                      void *ctx, struct mg_err *err);

void mg_sim_control_answer(struct mg_sim_control *control, const char *answer,
                           size_t len);

/** NULL is allowed. */
void mg_sim_control_destroy(struct mg_sim_control *control,
                            uint32_t timeout_ms);

#endif
