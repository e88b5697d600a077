/* can_bridge HOST:PORT BUS INTERFACE: all standard frames between a socketcand
 * server (simulated meters) and a CAN interface of the kernel. Ends on a
 * signal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/can.h"

struct side {
    const char *name;
    struct mg_can *can;
    struct mg_can_listener listeners[MG_CAN_STANDARD_MAX + 1];
};

static struct side left, right;

static void pass(struct side *to, const struct mg_can_frame *frame)
{
    /* Lost while the other side is down, as on any bridge. */
    (void)mg_can_send(to->can, frame, NULL, NULL);
}

static void from_left(struct mg_can_listener *listener,
                      const struct mg_can_frame *frame, uint64_t arrived_ns)
{
    (void)listener;
    (void)arrived_ns;
    pass(&right, frame);
}

static void from_right(struct mg_can_listener *listener,
                       const struct mg_can_frame *frame, uint64_t arrived_ns)
{
    (void)listener;
    (void)arrived_ns;
    pass(&left, frame);
}

static void up(void *ctx)
{
    const struct side *side = ctx;
    (void)printf("up %s\n", side->name);
    (void)fflush(stdout);
}

static void down(void *ctx, const struct mg_err *err)
{
    const struct side *side = ctx;
    (void)printf("down %s: %s\n", side->name, err->text);
    (void)fflush(stdout);
}

static int open_side(struct side *side, const char *name,
                     struct mg_clock *clock, struct mg_can_transport *transport,
                     void (*frame)(struct mg_can_listener *,
                                   const struct mg_can_frame *, uint64_t))
{
    static const struct mg_can_events events = {.up = up, .down = down};
    side->name = name;
    side->can = transport == NULL
                    ? NULL
                    : mg_can_create(clock, transport, &events, side);
    for (uint32_t id = 0; side->can != NULL && id <= MG_CAN_STANDARD_MAX;
         id++) {
        side->listeners[id] =
            (struct mg_can_listener){.id = id, .frame = frame};
        if (mg_can_listen(side->can, &side->listeners[id]) != MG_OK) {
            return 1;
        }
    }
    return side->can == NULL;
}

int main(int argc, char **argv)
{
    struct mg_err err = {0};
    struct mg_socketcan_settings set = {0};
    uv_loop_t loop;
    char host[64];
    if (argc != 4 || strrchr(argv[1], ':') == NULL) {
        (void)fprintf(stderr, "usage: can_bridge HOST:PORT BUS INTERFACE\n");
        return 2;
    }
    const char *colon = strrchr(argv[1], ':');
    (void)snprintf(host, sizeof host, "%.*s", (int)(colon - argv[1]), argv[1]);
    (void)snprintf(set.interface, sizeof set.interface, "%s", argv[3]);
    uint16_t port = (uint16_t)strtoul(colon + 1, NULL, 10);
    if (uv_loop_init(&loop) != 0) {
        return 1;
    }
    struct mg_clock *clock = mg_clock_create_real(&loop, &err);
    if (clock == NULL ||
        open_side(&left, argv[1], clock,
                  mg_can_transport_socketcand(&loop, clock, host, port, argv[2],
                                              5000),
                  from_left) != 0 ||
        open_side(&right, argv[3], clock,
                  mg_can_transport_socketcan(&loop, clock, &set),
                  from_right) != 0) {
        (void)fprintf(stderr, "can_bridge: %s\n", err.text);
        return 1;
    }
    return uv_run(&loop, UV_RUN_DEFAULT);
}
