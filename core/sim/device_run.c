/* The time of a simulated meter: what flows, tick by tick, and its LEDs. */
#include "sim/device_priv.h"

/* Time is counted in 1e-12 s / rate_mhz below the nanosecond: one sample is
 * SAMPLE_PARTS / rate_mhz nanoseconds. */
#define SAMPLE_PARTS UINT64_C(1000000000000)

#define WATCHED_NS UINT64_C(3000000000)

void device_watch(struct mg_sim_device *d)
{
    d->alone_until_ns = d->now_ns + WATCHED_NS;
}

/* Time moves by whole samples without ever losing a part of a nanosecond.
 * @return the whole microseconds that went by */
static uint32_t pass_samples(struct mg_sim_device *d, uint32_t n)
{
    uint64_t rate_mhz = d->firmware->frontend->rate_mhz;
    uint64_t before_us = d->now_ns / 1000;
    uint64_t parts = n * SAMPLE_PARTS + d->now_rest;
    d->now_ns += parts / rate_mhz;
    d->now_rest = parts % rate_mhz;
    return (uint32_t)(d->now_ns / 1000 - before_us);
}

/* A tick in which somebody watches an LED. */
struct watched_tick {
    const struct mg_sim_device *device;
    const struct device_watcher *watcher;
    uint64_t start_ns, start_rest;
};

static void light(void *ctx, uint32_t sample)
{
    const struct watched_tick *t = ctx;
    uint64_t parts = sample * SAMPLE_PARTS + t->start_rest;
    t->watcher->lit(t->watcher->ctx,
                    t->start_ns +
                        parts / t->device->firmware->frontend->rate_mhz);
}

static void show_pulses(struct mg_sim_device *d, const struct mg_tick *tick,
                        uint64_t start_ns, uint64_t start_rest)
{
    if (d->watcher[0].lit == NULL && d->watcher[1].lit == NULL) {
        return;
    }
    struct mg_fw_outputs out;
    d->firmware->outputs(d->state, &out);
    for (unsigned k = 0; k < MG_CIRCUITS_MAX; k++) {
        struct device_watcher *w = &d->watcher[k];
        struct watched_tick t = {d, w, start_ns, start_rest};
        if (w->lit != NULL) {
            mg_sim_impulse_tick(&w->impulse, tick, &out.circuit[k],
                                d->are_pulses_at_update, light, &t);
        }
    }
}

void device_start_pulses(struct mg_sim_device *d)
{
    struct mg_fw_outputs out;
    mg_sim_device_outputs(d, &out);
    for (unsigned k = 0; k < MG_CIRCUITS_MAX; k++) {
        mg_sim_impulse_start(&d->watcher[k].impulse, &out.circuit[k]);
    }
}

void mg_sim_device_on_pulse(struct mg_sim_device *device, unsigned circuit,
                            void (*lit)(void *ctx, uint64_t at_ns), void *ctx)
{
    if (circuit >= MG_CIRCUITS_MAX) {
        return;
    }
    device_ensure_power(device);
    device->watcher[circuit].lit = lit;
    device->watcher[circuit].ctx = ctx;
    device_start_pulses(device);
}

uint64_t device_load(const struct mg_sim_device *d, unsigned circuit,
                     struct mg_sim_load *ret)
{
    unsigned shown = d->has_load[circuit] ? circuit : 1 - circuit;
    const struct mg_sim_profile *p = &d->profile[shown];
    uint64_t now_ms = d->now_ns / 1000000;
    uint64_t until_ms = now_ms + 1;
    if (d->longest_ns == 0) {
        mg_sim_profile_at(p, now_ms, ret);
    } else {
        until_ms = mg_sim_profile_step(p, now_ms, ret);
    }
    ret->current_ma = d->has_load[circuit] ? ret->current_ma : 0;
    return until_ms < UINT64_MAX / 1000000 ? until_ms * 1000000 : UINT64_MAX;
}

/* @return until when it stays so */
static uint64_t profile_mains(const struct mg_sim_device *d,
                              struct mg_sim_mains *ret)
{
    struct mg_sim_load load, other;
    uint64_t until_ns = device_load(d, 0, &load);
    uint64_t other_ns = device_load(d, 1, &other);
    mg_sim_mains_balanced(&load, ret);
    if (d->profile[1].is_fixed && !d->profile[0].is_fixed) {
        ret->frequency_mhz = other.frequency_mhz;
    }
    for (unsigned k = 3; k < MG_LANES_MAX; k++) {
        ret->phase[k].voltage_mv = other.voltage_mv;
        ret->phase[k].current_ma = other.current_ma;
        ret->phase[k].phase_cdeg = other.phase_cdeg;
    }
    if (d->firmware->frontend->n_lanes <= 3) {
        return until_ns;
    }
    return until_ns < other_ns ? until_ns : other_ns;
}

/* What flows in the tick that starts now. @return until when it stays so */
static uint64_t sample_mains(struct mg_sim_device *d)
{
    uint64_t same_until_ns;
    struct mg_fw_outputs out;
    mg_sim_device_outputs(d, &out);
    if (d->source.at != NULL) {
        same_until_ns = d->source.at(d->source.ctx, d->now_ns, &d->mains);
    } else {
        same_until_ns = profile_mains(d, &d->mains);
    }
    mg_sim_mains_limit(&d->mains);
    for (unsigned k = 0; k < MG_LANES_MAX; k++) {
        if (!out.circuit[k / 3].load_connected) {
            d->mains.phase[k].current_ma = 0;
            d->mains.phase[k].dc_ma = 0;
        }
    }
    mg_sim_frontend_set(&d->frontend, &d->mains);
    return same_until_ns;
}

/* The most samples from now on that are over at `end_ns`. */
static uint32_t samples_until(const struct mg_sim_device *d, uint64_t end_ns)
{
    uint64_t rate_mhz = d->firmware->frontend->rate_mhz;
    if (end_ns < d->now_ns) {
        return 0;
    }
    uint64_t left_ns = end_ns - d->now_ns;
    left_ns = left_ns < DEVICE_TICK_MAX_NS ? left_ns : DEVICE_TICK_MAX_NS;
    return (uint32_t)(((left_ns + 1) * rate_mhz - 1 - d->now_rest) /
                      SAMPLE_PARTS);
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* As with each tick alone, what flows in it is what flowed at its start: the
 * last of them starts before that changes. */
static uint32_t ticks_at_once(const struct mg_sim_device *d,
                              uint64_t same_until_ns)
{
    const struct mg_sim_frontend *fe = &d->frontend;
    if (d->longest_ns == 0 || d->now_ns < d->alone_until_ns) {
        return 1;
    }
    uint32_t n = least(samples_until(d, d->until_ns),
                       samples_until(d, d->now_ns + d->longest_ns));
    n = least(n, mg_sim_frontend_longest(fe));
    uint32_t n_ticks = mg_sim_frontend_ticks_within(fe, n);
    uint32_t n_same = samples_until(d, same_until_ns - 1);
    n_ticks = least(n_ticks, mg_sim_frontend_ticks_within(fe, n_same) + 1);
    return n_ticks > 1 ? n_ticks : 1;
}

void mg_sim_device_run(struct mg_sim_device *device, uint64_t until_ns)
{
    struct mg_sim_device *d = device;
    uint64_t rate_mhz = d->firmware->frontend->rate_mhz;
    d->until_ns = until_ns;
    if (device_is_off(d)) {
        return;
    }
    device_ensure_power(d);
    for (;;) {
        uint64_t same_until_ns = sample_mains(d);
        uint32_t n_ticks = ticks_at_once(d, same_until_ns);
        uint32_t n = mg_sim_frontend_samples(&d->frontend, n_ticks);
        uint64_t parts = n * SAMPLE_PARTS + d->now_rest;
        if (d->now_ns + parts / rate_mhz > until_ns) {
            return;
        }
        struct mg_tick tick;
        uint64_t start_ns = d->now_ns;
        uint64_t start_rest = d->now_rest;
        mg_sim_truth_set(&d->truth, &d->mains, d->frontend.waves.n_lanes);
        mg_sim_truth_tick(&d->truth, d->frontend.waves.n_lanes,
                          d->frontend.phase, d->frontend.waves.step, n,
                          (uint32_t)rate_mhz);
        d->frontend.now_ns = start_ns;
        mg_sim_frontend_tick(&d->frontend, n, &tick);
        tick.n_ticks = n_ticks;
        tick.elapsed_us = pass_samples(d, n);
        tick.ambient_mdegc = d->mains.ambient_mdegc;
        d->firmware->tick(d->state, &tick);
        show_pulses(d, &tick, start_ns, start_rest);
        device_serve_chip(d);
    }
}
