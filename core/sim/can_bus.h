/* A simulated CAN bus: nodes (simulated meters) and clients over the socketcand
 * protocol, or one client in memory under a virtual clock. A frame of one goes
 * to all others at once. */
#ifndef MG_SIM_CAN_BUS_H
#define MG_SIM_CAN_BUS_H

#include "bus/can.h"

#define MG_SIM_CAN_CLIENTS_MAX 32

/** Trouble on the wire, by chance from the seed: how many of 10,000 frames of
 *  the nodes. At most one of them befalls a frame. */
struct mg_sim_can_faults {
    uint32_t drop;
    uint32_t duplicate;
    uint32_t flip;    /* one bit of the data; a real bus has a checksum */
    uint32_t reorder; /* the frame comes after the next one */
    bool is_off;      /* nothing gets through, either way */
};

struct mg_sim_can_bus_settings {
    char host[64];      /* to listen on */
    uint16_t port;      /* 0 = any */
    char name[16];      /* of the bus: "can0" */
    char interface[16]; /* of SocketCAN, to be on as well; "": none. It is taken
                         * as it is, up or not */
    bool is_fd;         /* the interface takes CAN FD frames */
    uint64_t seed;
    struct mg_sim_can_faults faults;
};

struct mg_sim_can_bus;

/** Embedded in its owner; attached until the bus is destroyed. */
struct mg_sim_can_node {
    void (*frame)(struct mg_sim_can_node *node,
                  const struct mg_can_frame *frame);
    struct mg_sim_can_node *next; /* the bus's */
};

/** @param loop  NULL with a virtual clock: then use mg_sim_can_bus_memory
 *  @return owned; NULL with err */
struct mg_sim_can_bus *
mg_sim_can_bus_create(uv_loop_t *loop, struct mg_clock *clock,
                      const struct mg_sim_can_bus_settings *settings,
                      struct mg_err *err);

/** Frees once the loop has let go of the connections. NULL is allowed. */
void mg_sim_can_bus_destroy(struct mg_sim_can_bus *bus);

/** "127.0.0.1:29536"; "" in memory. */
const char *mg_sim_can_bus_address(const struct mg_sim_can_bus *bus);

void mg_sim_can_bus_attach(struct mg_sim_can_bus *bus,
                           struct mg_sim_can_node *node);

/** A node sends; it does not hear itself. */
void mg_sim_can_bus_send(struct mg_sim_can_bus *bus,
                         struct mg_sim_can_node *node,
                         const struct mg_can_frame *frame);

void mg_sim_can_bus_set_faults(struct mg_sim_can_bus *bus,
                               const struct mg_sim_can_faults *faults);

/** The near end in memory; owned by the client engine, one at a time. */
struct mg_can_transport *mg_sim_can_bus_memory(struct mg_sim_can_bus *bus);

#endif
