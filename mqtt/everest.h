/* The bridge to EVerest: meters of this gateway as power meters of an EVerest
 * charging stack, over its MQTT contract "powermeter_API" (version 1). Below
 * everest_api/1/powermeter/<module>/ it serves
 *
 *   e2m/start_transaction, e2m/stop_transaction   answered at replyTo
 *   e2m/heartbeat                                 EVerest is there
 *   m2e/powermeter_values       a live reading, at most each `interval`
 *   m2e/communication_check     each second: is the meter online
 *   m2e/public_key_ocmf         retained; what signs the meter's records
 *
 * It has an uplink of its own (mqtt/uplink.h). A request is carried out once:
 * repeated while it is under way it is answered with the first, repeated later
 * with the same record. Others of the same meter wait in the order they came.
 */
#ifndef MG_MQTT_EVEREST_H
#define MG_MQTT_EVEREST_H

#include "base/clock.h"
#include "run/session.h"

struct mg_everest;

struct mg_everest_settings {
    uv_loop_t *loop;
    struct mg_clock *clock;
    const struct mg_setup *setup; /* setup->everest and the meters' modules */
    struct mg_gateway *gateway;   /* its second observer is the bridge */
};

/** Begin to serve. Does not wait for a connection; settings are borrowed until
 *  destroy, but for the struct itself.
 *  @return owned; NULL with err */
struct mg_everest *mg_everest_create(const struct mg_everest_settings *settings,
                                     struct mg_err *err);

/** The gateway has stopped: say that the meters are gone, disconnect, free.
 *  Before the gateway is destroyed. NULL is allowed. */
void mg_everest_destroy(struct mg_everest *everest, uint32_t timeout_ms);

#endif
