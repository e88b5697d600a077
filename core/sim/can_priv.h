/* What the parts of the simulated CAN bus share: can_bus.c (who hears what),
 * can_server.c (clients over TCP) and can_wire.c (a SocketCAN interface). */
#ifndef MG_SIM_CAN_PRIV_H
#define MG_SIM_CAN_PRIV_H

#include "sim/can_bus.h"
#include "sim/rng.h"

struct mg_sim_can_server;
struct mg_sim_can_wire;

struct mg_sim_can_bus {
    struct mg_clock *clock;
    char name[16];
    struct mg_sim_can_node *nodes;
    struct mg_can_transport *near;    /* borrowed; NULL: none */
    struct mg_sim_can_server *server; /* NULL: in memory */
    struct mg_sim_can_wire *wire;     /* NULL: on no interface */
    struct mg_sim_rng rng;
    struct mg_sim_can_faults faults;
    bool has_late; /* comes after the next frame */
    struct mg_sim_can_node *late_node;
    struct mg_can_frame late;
};

/** A client has sent a frame.
 *  @param client  not told of it; NULL: the one in memory */
void mg_sim_can_bus_came(struct mg_sim_can_bus *bus, void *client,
                         const struct mg_can_frame *frame);

/* can_server.c */
struct mg_sim_can_server *
mg_sim_can_server_create(uv_loop_t *loop, struct mg_sim_can_bus *bus,
                         const char *host, uint16_t port, struct mg_err *err);
void mg_sim_can_server_destroy(struct mg_sim_can_server *server);
const char *mg_sim_can_server_address(const struct mg_sim_can_server *server);
void mg_sim_can_server_send(struct mg_sim_can_server *server,
                            const void *but_client,
                            const struct mg_can_frame *frame);

/* can_wire.c */
/** Opens by itself, and again when the interface was lost; says so in the log.
 *  @return owned; NULL with err when out of memory */
struct mg_sim_can_wire *mg_sim_can_wire_create(uv_loop_t *loop,
                                               struct mg_sim_can_bus *bus,
                                               const char *interface,
                                               bool is_fd, struct mg_err *err);
void mg_sim_can_wire_destroy(struct mg_sim_can_wire *wire);
void mg_sim_can_wire_send(struct mg_sim_can_wire *wire,
                          const struct mg_can_frame *frame);

#endif
