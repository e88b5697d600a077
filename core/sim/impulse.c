#include "sim/impulse.h"

#define ONE ((uint64_t)1 << 32)

__extension__ typedef unsigned __int128 wide;

/* Wraps after 2^32 impulses; only differences count. */
static uint64_t position(const struct mg_fw_circuit *c)
{
    return c->n_pulses << 32 | c->rest_q32;
}

void mg_sim_impulse_start(struct mg_sim_impulse *impulse,
                          const struct mg_fw_circuit *now)
{
    impulse->shown = impulse->due = position(now);
}

/* From `from` to `to` in n samples after the first `at`. */
static void walk(uint64_t from, uint64_t to, uint32_t at, uint32_t n,
                 mg_sim_impulse_lit *lit, void *ctx)
{
    uint64_t way = to - from;
    for (uint64_t next = ONE - from % ONE; next <= way; next += ONE) {
        uint32_t sample = (uint32_t)(((wide)next * n + way - 1) / way);
        lit(ctx, at + sample);
    }
}

static void all_at(uint64_t from, uint64_t to, uint32_t at,
                   mg_sim_impulse_lit *lit, void *ctx)
{
    for (uint64_t n = (to >> 32) - (from >> 32); n > 0; n--) {
        lit(ctx, at);
    }
}

void mg_sim_impulse_tick(struct mg_sim_impulse *impulse,
                         const struct mg_tick *tick,
                         const struct mg_fw_circuit *now, bool is_at_update,
                         mg_sim_impulse_lit *lit, void *ctx)
{
    uint64_t end = position(now);
    uint64_t way = end - impulse->due;
    if (way > UINT64_MAX / 2) { /* the firmware has started again */
        mg_sim_impulse_start(impulse, now);
        return;
    }
    if (is_at_update) {
        all_at(impulse->shown, end, tick->n_samples, lit, ctx);
        impulse->shown = impulse->due = end;
        return;
    }
    uint32_t first = tick->n_samples / tick->n_ticks;
    uint64_t last = way / tick->n_ticks; /* of its last tick: still due */
    walk(impulse->shown, impulse->due, 0, first, lit, ctx);
    if (tick->n_ticks > 1) {
        walk(impulse->due, end - last, first, tick->n_samples - first, lit,
             ctx);
        impulse->shown = end - last;
    } else {
        impulse->shown = impulse->due;
    }
    impulse->due = end;
}
