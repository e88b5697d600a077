#include "sim/can_bus.h"

#include <stdio.h>
#include <stdlib.h>

#include "sim/can_priv.h"

#define CHANCES 10000

static void tell_nodes(struct mg_sim_can_bus *bus,
                       const struct mg_sim_can_node *but,
                       const struct mg_can_frame *frame)
{
    for (struct mg_sim_can_node *n = bus->nodes; n != NULL; n = n->next) {
        if (n != but) {
            n->frame(n, frame);
        }
    }
}

static void tell_all(struct mg_sim_can_bus *bus,
                     const struct mg_sim_can_node *node,
                     const struct mg_can_frame *frame)
{
    tell_nodes(bus, node, frame);
    if (bus->server != NULL) {
        mg_sim_can_server_send(bus->server, NULL, frame);
    }
    if (bus->wire != NULL) {
        mg_sim_can_wire_send(bus->wire, frame);
    }
    if (bus->near != NULL) {
        mg_can_transport_memory_deliver(bus->near, frame);
    }
}

void mg_sim_can_bus_came(struct mg_sim_can_bus *bus, void *client,
                         const struct mg_can_frame *frame)
{
    if (bus->server != NULL) {
        mg_sim_can_server_send(bus->server, client, frame);
    }
    if (bus->wire != NULL && client != bus->wire) {
        mg_sim_can_wire_send(bus->wire, frame);
    }
    if (bus->near != NULL && client != NULL) {
        mg_can_transport_memory_deliver(bus->near, frame);
    }
    if (!bus->faults.is_off) {
        tell_nodes(bus, NULL, frame);
    }
}

/* ---- Trouble ---- */

/* One after the other takes its share of the chances. */
static bool befalls(uint32_t *chance, uint32_t n)
{
    if (*chance >= n) {
        *chance -= n;
        return false;
    }
    *chance = CHANCES; /* one is enough */
    return true;
}

static void tell_late(struct mg_sim_can_bus *bus)
{
    if (bus->has_late) {
        struct mg_can_frame late = bus->late;
        bus->has_late = false;
        tell_all(bus, bus->late_node, &late);
    }
}

void mg_sim_can_bus_send(struct mg_sim_can_bus *bus,
                         struct mg_sim_can_node *node,
                         const struct mg_can_frame *frame)
{
    const struct mg_sim_can_faults *f = &bus->faults;
    struct mg_can_frame copy = *frame;
    uint32_t chance = mg_sim_rng_below(&bus->rng, CHANCES);
    if (f->is_off || befalls(&chance, f->drop)) {
        return;
    }
    if (befalls(&chance, f->reorder) && !bus->has_late) {
        bus->has_late = true;
        bus->late_node = node;
        bus->late = copy;
        return;
    }
    bool is_double = befalls(&chance, f->duplicate);
    if (befalls(&chance, f->flip) && copy.len > 0) {
        uint32_t bit = mg_sim_rng_below(&bus->rng, copy.len * UINT64_C(8));
        copy.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    tell_all(bus, node, &copy);
    if (is_double) {
        tell_all(bus, node, &copy);
    }
    tell_late(bus);
}

void mg_sim_can_bus_set_faults(struct mg_sim_can_bus *bus,
                               const struct mg_sim_can_faults *faults)
{
    bus->faults = *faults;
}

/* ---- Making ---- */

struct mg_sim_can_bus *
mg_sim_can_bus_create(uv_loop_t *loop, struct mg_clock *clock,
                      const struct mg_sim_can_bus_settings *settings,
                      struct mg_err *err)
{
    struct mg_sim_can_bus *bus = calloc(1, sizeof *bus);
    if (bus == NULL) {
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        return NULL;
    }
    bus->clock = clock;
    bus->faults = settings->faults;
    bus->rng.state = mg_sim_hash(settings->seed);
    (void)snprintf(bus->name, sizeof bus->name, "%s", settings->name);
    if (loop != NULL) {
        bus->server = mg_sim_can_server_create(loop, bus, settings->host,
                                               settings->port, err);
        if (bus->server != NULL && settings->interface[0] != '\0') {
            bus->wire = mg_sim_can_wire_create(loop, bus, settings->interface,
                                               settings->is_fd, err);
        }
        if (bus->server == NULL ||
            (settings->interface[0] != '\0' && bus->wire == NULL)) {
            mg_sim_can_bus_destroy(bus);
            return NULL;
        }
    }
    return bus;
}

void mg_sim_can_bus_destroy(struct mg_sim_can_bus *bus)
{
    if (bus != NULL) {
        mg_sim_can_wire_destroy(bus->wire);
        mg_sim_can_server_destroy(bus->server);
        free(bus);
    }
}

const char *mg_sim_can_bus_address(const struct mg_sim_can_bus *bus)
{
    return bus->server == NULL ? "" : mg_sim_can_server_address(bus->server);
}

void mg_sim_can_bus_attach(struct mg_sim_can_bus *bus,
                           struct mg_sim_can_node *node)
{
    node->next = bus->nodes;
    bus->nodes = node;
}

static void from_memory(void *ctx, const struct mg_can_frame *frame)
{
    mg_sim_can_bus_came(ctx, NULL, frame);
}

struct mg_can_transport *mg_sim_can_bus_memory(struct mg_sim_can_bus *bus)
{
    bus->near = mg_can_transport_memory(bus->clock, from_memory, bus);
    return bus->near;
}
