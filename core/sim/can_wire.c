/* The simulated bus on a SocketCAN interface: what its nodes and clients send
 * goes there too, and what comes from there goes to them. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "sim/can_priv.h"

struct mg_sim_can_wire {
    struct mg_sim_can_bus *bus; /* borrowed */
    struct mg_can *can;         /* owned */
    struct mg_can_listener listener;
    char interface[16];
};

static void came(struct mg_can_listener *listener,
                 const struct mg_can_frame *frame, uint64_t arrived_ns)
{
    struct mg_sim_can_wire *w =
        (struct mg_sim_can_wire *)((char *)listener -
                                   offsetof(struct mg_sim_can_wire, listener));
    (void)arrived_ns;
    mg_sim_can_bus_came(w->bus, w, frame);
}

static void up(void *ctx)
{
    const struct mg_sim_can_wire *w = ctx;
    mg_log(MG_LOG_INFO, "%s: the simulated meters are on it", w->interface);
}

static void down(void *ctx, const struct mg_err *err)
{
    const struct mg_sim_can_wire *w = ctx;
    mg_log(MG_LOG_WARN, "%s: the simulated meters are not on it: %s",
           w->interface, err->text);
}

struct mg_sim_can_wire *mg_sim_can_wire_create(uv_loop_t *loop,
                                               struct mg_sim_can_bus *bus,
                                               const char *interface,
                                               bool is_fd, struct mg_err *err)
{
    static const struct mg_can_events events = {.up = up, .down = down};
    struct mg_socketcan_settings set = {.is_fd = is_fd};
    struct mg_sim_can_wire *w = calloc(1, sizeof *w);
    if (w != NULL) {
        (void)snprintf(set.interface, sizeof set.interface, "%s", interface);
        (void)snprintf(w->interface, sizeof w->interface, "%s", interface);
        w->bus = bus;
        w->can = mg_can_create(
            bus->clock, mg_can_transport_socketcan(loop, bus->clock, &set),
            &events, w);
    }
    if (w == NULL || w->can == NULL) {
        free(w);
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        return NULL;
    }
    w->listener.frame = came;
    mg_can_listen_rest(w->can, &w->listener);
    return w;
}

void mg_sim_can_wire_destroy(struct mg_sim_can_wire *wire)
{
    if (wire != NULL) {
        mg_can_destroy(wire->can);
        free(wire);
    }
}

void mg_sim_can_wire_send(struct mg_sim_can_wire *wire,
                          const struct mg_can_frame *frame)
{
    /* A bus that is down or full loses it, as a meter's would. */
    (void)mg_can_send(wire->can, frame, NULL, NULL);
}
