/* The simulated meters of a setup: one simulated line per bus, real (ptys, TCP
 * on loopback) or in memory under a virtual clock. */
#ifndef MG_RUN_SIMULATION_H
#define MG_RUN_SIMULATION_H

#include "run/setup.h"
#include "sim/can_bus.h"
#include "sim/fleet.h"

struct mg_simulation;

struct mg_simulation_settings {
    uv_loop_t *loop; /* NULL: in memory, `clock` is virtual */
    struct mg_clock *clock;
    const char *link_dir; /* stable links to the ptys, <dir>/<bus> and
                           * <dir>/<meter>-optical; NULL: none */
    const char *keep_dir; /* non-volatile memories across runs, each named after
                           * its device's first meter; NULL: none */
    uint16_t port_base;   /* TCP buses on port_base, +1, ...; 0 = any port */
    struct mg_sim_faults faults;
    bool is_on_socketcan; /* CAN buses are on their interfaces too */
};

/** @param setup  borrowed
 *  @return owned; NULL with err (a model without firmware, a port in use) */
struct mg_simulation *
mg_simulation_create(const struct mg_setup *setup,
                     const struct mg_simulation_settings *settings,
                     struct mg_err *err);

/** Saves the non-volatile memories; frees after the loop has run once more. */
void mg_simulation_destroy(struct mg_simulation *simulation);

/** Where a client reaches a bus: a pty, or host:port. */
const char *mg_simulation_address(struct mg_simulation *simulation, size_t bus);

/** The CAN bus; NULL: it is none. */
struct mg_sim_can_bus *mg_simulation_can(struct mg_simulation *simulation,
                                         size_t bus);

/** The meter lives up to now: before something is done to it. */
void mg_simulation_live(struct mg_simulation *simulation, size_t meter);

/** NULL: the bus is a CAN bus. */
struct mg_sim_line *mg_simulation_line(struct mg_simulation *simulation,
                                       size_t bus);

/** The line of a meter's optical port; NULL: it has none. Meters whose plugin
 *  has an option `optical-port` that is true, on real lines only. */
struct mg_sim_line *mg_simulation_optical(struct mg_simulation *simulation,
                                          size_t meter);

/** The simulated meter of setup->meters[meter]; borrowed. Meters that are one
 *  device (mg_setup_is_one_device) have the same one. */
struct mg_sim_device *mg_simulation_device(struct mg_simulation *simulation,
                                           size_t meter);

/** What flows through it when nothing else is said. */
struct mg_sim_profile mg_simulation_profile(struct mg_simulation *simulation,
                                            size_t meter);

/** Point a bus of a setup at the simulated line: a pty path or host:port;
 *  a CAN bus is then one of a socketcand server.
 *  @return MG_OK or MG_E_PROTO */
int mg_simulation_redirect(struct mg_setup_bus *bus, const char *address);

#endif
