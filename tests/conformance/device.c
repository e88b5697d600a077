#include "device.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAINS_HZ     50
#define VOLTAGE_MV   230000
#define LOAD_MA      INT64_C(10000)
#define FAILURES_MAX 40 /* said; more are only counted */

static unsigned *failures(void)
{
    static unsigned n;
    return &n;
}

unsigned n_failures(void)
{
    return *failures();
}

void fail(const struct device *d, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (++*failures() <= FAILURES_MAX) {
        (void)fprintf(stderr, "FAIL %s: %s\n", d->label, text);
    }
}

static void *must(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static void power_on(struct device *d)
{
    memset(d->state, 0, d->firmware->state_size);
    d->env.utc_ms = d->utc_ms;
    d->firmware->power_on(d->state, &d->env);
}

void device_init(struct device *d, const struct mg_plugin *plugin,
                 const void *options, const char *label)
{
    size_t row;
    memset(d, 0, sizeof *d);
    d->plugin = plugin;
    d->firmware = plugin->firmware;
    (void)snprintf(d->label, sizeof d->label, "%s", label);
    memcpy(d->options, options, plugin->options_size);
    d->variant = plugin->variant == NULL ? 0 : plugin->variant(d->options);
    d->state = must(malloc(d->firmware->state_size));
    d->nv = must(malloc(d->firmware->nv_size));
    memset(d->nv, 0xff, d->firmware->nv_size);
    d->utc_ms = DEVICE_UTC_MS;
    d->env = (struct mg_fw_env){.options = d->options,
                                .nv = d->nv,
                                .seed = 7,
                                .serial = 12345678,
                                .unit = DEVICE_UNIT,
                                .baud = DEVICE_BAUD};
    power_on(d);
    if (mg_plan_build(plugin->driver, d->variant, &d->plan, &row) != MG_OK) {
        fail(d, "no plan, row %zu", row);
    }
}

void device_fini(struct device *d)
{
    free(d->state);
    free(d->nv);
}

void device_power_cycle(struct device *d)
{
    d->firmware->power_fail(d->state);
    power_on(d);
}

/* All lanes at 230 V with this current in phase, no errors. */
static void make_tick(const struct mg_frontend *f, int64_t current_ma,
                      struct mg_tick *ret)
{
    uint64_t n = f->samples_per_tick;
    uint64_t rate_hz = f->rate_mhz / 1000;
    if (n == 0) {
        n = rate_hz * f->half_periods / 2 / MAINS_HZ;
    }
    int64_t u = ((int64_t)VOLTAGE_MV << (f->bits - 1)) / f->full_scale_mv;
    int64_t i = (current_ma << (f->bits - 1)) / f->full_scale_ma;
    uint64_t crossings = n * MAINS_HZ / rate_hz;
    memset(ret, 0, sizeof *ret);
    ret->n_samples = (uint32_t)n;
    ret->elapsed_us = (uint32_t)(n * 1000000 / rate_hz);
    ret->n_crossings = (uint32_t)crossings;
    if (crossings > 1) {
        ret->crossing_span_q8 =
            (uint32_t)((crossings - 1) * rate_hz / MAINS_HZ * 256);
    }
    for (unsigned lane = 0; lane < f->n_lanes; lane++) {
        ret->lane[lane].u2 = u * u * (int64_t)n;
        ret->lane[lane].i2 = i * i * (int64_t)n;
        ret->lane[lane].ui = u * i * (int64_t)n;
    }
}

static void run(struct device *d, int64_t current_ma, uint32_t ms)
{
    struct mg_tick tick;
    make_tick(d->firmware->frontend, current_ma, &tick);
    for (uint64_t us = 0; us < ms * UINT64_C(1000); us += tick.elapsed_us) {
        d->firmware->tick(d->state, &tick);
    }
    d->utc_ms += ms;
}

void device_run(struct device *d, uint32_t ms)
{
    run(d, 0, ms);
}

void device_run_loaded(struct device *d, uint32_t ms)
{
    run(d, LOAD_MA, ms);
}

size_t device_ask(struct device *d, uint8_t unit, uint32_t baud,
                  const uint8_t *pdu, size_t len, uint8_t ret[MG_PDU_MAX])
{
    struct mg_fw_outputs out;
    d->firmware->outputs(d->state, &out);
    if (baud != out.baud) {
        return 0; /* noise to it */
    }
    return d->firmware->pdu(d->state, unit, pdu, len, ret, MG_PDU_MAX);
}

void device_read(struct device *d, const struct mg_plan_block *block,
                 struct mg_sample *sample)
{
    uint8_t request[MG_PDU_MAX];
    uint8_t answer[MG_PDU_MAX];
    size_t len = mg_plan_request(block, request);
    size_t n = device_ask(d, DEVICE_UNIT, DEVICE_BAUD, request, len, answer);
    if (mg_plan_decode(&d->plan, block, answer, n, sample) != MG_OK) {
        (void)mg_plan_miss(&d->plan, block, MG_QUALITY_MISSING, sample);
    }
}

void device_read_all(struct device *d, struct mg_sample *sample)
{
    memset(sample, 0, sizeof *sample);
    for (size_t i = 0; i < d->plan.n_blocks; i++) {
        device_read(d, &d->plan.blocks[i], sample);
    }
}
