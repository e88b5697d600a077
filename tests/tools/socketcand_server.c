/* socketcand_server: a simulated bus "can0" on any loopback port, which it
 * prints. Its one node counts in frames 100 (32 bits, big-endian) every 20 ms
 * and answers every other frame by the same with the next identifier. Ends on a
 * signal. */
#include <stdio.h>
#include <string.h>

#include "sim/can_bus.h"

#define COUNTER_ID    0x100U
#define COUNTER_PAUSE (20 * UINT64_C(1000000))

struct counter {
    struct mg_sim_can_node node; /* first */
    struct mg_sim_can_bus *bus;
    struct mg_clock *clock;
    struct mg_timer timer;
    uint32_t n;
};

static void answer(struct mg_sim_can_node *node,
                   const struct mg_can_frame *frame)
{
    struct counter *c = (struct counter *)node;
    struct mg_can_frame next = *frame;
    next.id++;
    mg_sim_can_bus_send(c->bus, node, &next);
}

static void count(struct mg_timer *timer)
{
    struct counter *c =
        (struct counter *)((char *)timer - offsetof(struct counter, timer));
    const struct mg_can_frame frame = {
        .id = COUNTER_ID,
        .len = 4,
        .data = {(uint8_t)(c->n >> 24), (uint8_t)(c->n >> 16),
                 (uint8_t)(c->n >> 8), (uint8_t)c->n}};
    c->n++;
    mg_sim_can_bus_send(c->bus, &c->node, &frame);
    mg_timer_start(c->clock, timer, mg_clock_now_ns(c->clock) + COUNTER_PAUSE,
                   count);
}

int main(void)
{
    static const struct mg_sim_can_bus_settings settings = {
        .host = "127.0.0.1", .name = "can0", .seed = 1};
    struct counter c = {.node = {.frame = answer}};
    struct mg_err err = {0};
    uv_loop_t loop;
    if (uv_loop_init(&loop) != 0) {
        return 1;
    }
    c.clock = mg_clock_create_real(&loop, &err);
    c.bus = c.clock == NULL
                ? NULL
                : mg_sim_can_bus_create(&loop, c.clock, &settings, &err);
    if (c.bus == NULL) {
        (void)fprintf(stderr, "socketcand_server: %s\n", err.text);
        return 1;
    }
    mg_sim_can_bus_attach(c.bus, &c.node);
    count(&c.timer);
    (void)printf("%s\n", mg_sim_can_bus_address(c.bus));
    (void)fflush(stdout);
    return uv_run(&loop, UV_RUN_DEFAULT);
}
