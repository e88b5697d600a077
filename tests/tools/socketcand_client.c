/* socketcand_client HOST PORT BUS ID...: our client of a socketcand server. It
 * prints "up", "down TEXT", "state TEXT" and each frame with one of these
 * identifiers (hexadecimal, eight digits: extended) as "ID DATA", and sends it
 * back with the next identifier. Ends on a signal. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/can.h"

#define IDS_MAX 16

static struct mg_can *can;

static void up(void *ctx)
{
    (void)ctx;
    (void)printf("up\n");
    (void)fflush(stdout);
}

static void down(void *ctx, const struct mg_err *err)
{
    (void)ctx;
    (void)printf("down %s\n", err->text);
    (void)fflush(stdout);
}

static void state(void *ctx, const struct mg_can_status *status)
{
    (void)ctx;
    (void)printf("state %s\n", mg_can_state_text(status->state));
    (void)fflush(stdout);
}

static void heard(struct mg_can_listener *listener,
                  const struct mg_can_frame *frame, uint64_t arrived_ns)
{
    struct mg_can_frame next = *frame;
    (void)listener;
    (void)arrived_ns;
    (void)printf("%0*" PRIX32 " ", frame->is_extended ? 8 : 3, frame->id);
    for (size_t i = 0; i < frame->len; i++) {
        (void)printf("%02X", frame->data[i]);
    }
    (void)printf("\n");
    (void)fflush(stdout);
    next.id++;
    if (mg_can_send(can, &next, NULL, NULL) != MG_OK) {
        (void)printf("not sent\n");
    }
}

int main(int argc, char **argv)
{
    static const struct mg_can_events events = {
        .up = up, .down = down, .state = state};
    static struct mg_can_listener listeners[IDS_MAX];
    struct mg_err err = {0};
    uv_loop_t loop;
    if (argc < 4 || argc > 4 + IDS_MAX || uv_loop_init(&loop) != 0) {
        (void)fprintf(stderr, "socketcand_client HOST PORT BUS ID...\n");
        return 2;
    }
    struct mg_clock *clock = mg_clock_create_real(&loop, &err);
    can = clock == NULL
              ? NULL
              : mg_can_create(clock,
                              mg_can_transport_socketcand(
                                  &loop, clock, argv[1],
                                  (uint16_t)strtoul(argv[2], NULL, 10), argv[3],
                                  5000),
                              &events, NULL);
    for (int i = 4; can != NULL && i < argc; i++) {
        struct mg_can_listener *l = &listeners[i - 4];
        l->id = (uint32_t)strtoul(argv[i], NULL, 16);
        l->is_extended = strlen(argv[i]) == 8;
        l->frame = heard;
        if (mg_can_listen(can, l) != MG_OK) {
            return 2;
        }
    }
    return can == NULL ? 1 : uv_run(&loop, UV_RUN_DEFAULT);
}
