/* A simulated device on a simulated CAN bus: sends the messages of its DBC at
 * their cycle times with what the firmware says, and answers over ISO-TP: each
 * of its circuits on a channel of its own. */
#ifndef MG_SIM_CAN_METER_H
#define MG_SIM_CAN_METER_H

#include "bus/can_signals.h"
#include "sim/can_bus.h"
#include "sim/device.h"

struct mg_sim_can_meter;

/** What the configuration says of a circuit of the device. */
struct mg_sim_can_side {
    bool is_used; /* false: no meter of the configuration is this circuit; it is
                   * where the model's own DBC has it */
    unsigned variant;
    const struct mg_can_override *overrides;
    size_t n_overrides;
};

struct mg_sim_can_meter_settings {
    struct mg_clock *clock;     /* borrowed */
    struct mg_sim_can_bus *bus; /* borrowed */
    const struct mg_plugin *plugin;
    const struct mg_dbc *dbc; /* borrowed */
    uint8_t node;
    struct mg_sim_can_side sides[MG_CIRCUITS_MAX];
    uint64_t lived_ns; /* time that the device has lived already */
};

/** @param device  owned from now on, also on failure
 *  @return owned; before the bus is destroyed; NULL with err */
struct mg_sim_can_meter *
mg_sim_can_meter_create(const struct mg_sim_can_meter_settings *settings,
                        struct mg_sim_device *device, struct mg_err *err);
void mg_sim_can_meter_destroy(struct mg_sim_can_meter *meter);

/** It lives up to now: before something is done to it. */
void mg_sim_can_meter_live(struct mg_sim_can_meter *meter);

#endif
