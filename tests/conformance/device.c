#include "device.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/verify.h"

#define MAINS_HZ     50
#define VOLTAGE_MV   230000
#define LOAD_MA      INT64_C(10000)
#define FAILURES_MAX 40 /* said; more are only counted */

static const char **directory(void)
{
    static const char *path = ".";
    return &path;
}

void device_set_directory(const char *path)
{
    *directory() = path;
}

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

static bool verify(const uint8_t public_key[64], const uint8_t *message,
                   size_t len, const uint8_t signature[64])
{
    (void)public_key;
    (void)message;
    (void)len;
    (void)signature;
    return false; /* no update is the right one here */
}

static void sha256(const uint8_t *data, size_t len, uint8_t ret[32])
{
    mg_sha256(data, len, ret);
}

/* The chip of a meter that sends signed telegrams; what it signs is looked at
 * elsewhere. */
static void serve_chip(struct device *d)
{
    static const uint8_t signature[64] = {1};
    const uint8_t *message;
    if ((d->plugin->capabilities & MG_CAP_TELEGRAM) != 0 &&
        d->firmware->sign_request(d->state, &message) > 0) {
        d->firmware->sign_result(d->state, signature);
    }
    for (unsigned i = 0; d->firmware->unasked != NULL && i < 16; i++) {
        uint8_t telegram[MG_PDU_MAX];
        (void)d->firmware->unasked(d->state, i % MG_CIRCUITS_MAX, telegram,
                                   sizeof telegram);
    }
}

static void power_on(struct device *d)
{
    memset(d->state, 0, d->firmware->state_size);
    d->env.utc_ms = d->utc_ms;
    d->firmware->power_on(d->state, &d->env);
}

/* ---- CAN ---- */

static void load_dbc(struct device *d)
{
    const struct mg_can_driver *can = d->plugin->driver->can;
    char path[4096];
    struct mg_err err = {0};
    (void)snprintf(path, sizeof path, "%s/%s", *directory(), can->dbc);
    char *text = must(malloc(MG_DBC_FILE_MAX));
    FILE *file = must(fopen(path, "r"));
    size_t len = fread(text, 1, MG_DBC_FILE_MAX, file);
    (void)fclose(file); /* only read */
    d->dbc = mg_dbc_parse(can->dbc, text, len, &err);
    free(text);
    if (d->dbc == NULL || mg_can_map_build(can, d->variant, d->circuit, d->dbc,
                                           NULL, 0, &d->map, &err) != MG_OK) {
        fail(d, "%s", err.text);
        return;
    }
    d->plan.n_blocks = 1;
    d->plan.n_points = d->map.n;
    for (size_t i = 0; i < d->map.n; i++) {
        d->plan.points[i].channel = d->map.signals[i].row->channel;
    }
}

/* What the firmware says of all signals of a message, and of this one last:
 * it chooses the page. */
static void fill_frame(struct device *d, const struct mg_can_signal *wanted,
                       uint8_t frame[MG_CAN_FD_MAX])
{
    const struct mg_firmware *f = d->firmware;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < f->n_signals; i++) {
            char message[MG_DBC_NAME_MAX], name[MG_DBC_NAME_MAX];
            int64_t value;
            int exp10;
            if (mg_can_split_name(f->signals[i].name, message, name) != MG_OK ||
                strcmp(message, wanted->message->name) != 0 ||
                !f->signal(d->state, i, &value)) {
                continue;
            }
            const struct mg_dbc_signal *s =
                mg_dbc_find_signal(wanted->message, name);
            bool is_wanted = s == wanted->signal;
            if (s == NULL || is_wanted != (pass == 1) ||
                (!is_wanted && s->mux != MG_DBC_PLAIN)) {
                continue;
            }
            if (mg_can_unit_exp10(s->unit, f->signals[i].unit, &exp10) !=
                    MG_OK ||
                mg_dbc_encode(wanted->message, s, value, exp10, frame,
                              wanted->message->len) != MG_OK) {
                fail(d, "%s does not fit its signal", f->signals[i].name);
            }
        }
    }
}

static void read_signals(struct device *d, struct mg_sample *sample)
{
    for (size_t i = 0; i < d->map.n; i++) {
        const struct mg_can_signal *s = &d->map.signals[i];
        uint8_t frame[MG_CAN_FD_MAX] = {0};
        struct mg_value v = {.channel = s->row->channel};
        fill_frame(d, s, frame);
        if (mg_dbc_decode(s->message, s->signal, frame, s->message->len,
                          s->exp10, &v.value, &v.resolution) != MG_OK) {
            v.quality = MG_QUALITY_INVALID;
        }
        (void)mg_sample_add(sample, &v);
    }
    mg_can_void_measured(d->plugin->driver->can, sample->values,
                         sample->n_values);
}

/* ---- */

void device_init(struct device *d, const struct mg_plugin *plugin,
                 const void *options, const char *label)
{
    static const uint8_t public_key[64] = {4, 5, 6};
    size_t row;
    memset(d, 0, sizeof *d);
    d->plugin = plugin;
    d->firmware = plugin->firmware;
    (void)snprintf(d->label, sizeof d->label, "%s", label);
    memcpy(d->options, options, plugin->options_size);
    d->variant = plugin->variant == NULL ? 0 : plugin->variant(d->options);
    d->circuit =
        plugin->circuit == NULL ? 0 : (uint8_t)plugin->circuit(d->options);
    d->state = must(malloc(d->firmware->state_size));
    d->nv = must(malloc(d->firmware->nv_size));
    memset(d->nv, 0xff, d->firmware->nv_size);
    d->utc_ms = DEVICE_UTC_MS;
    d->env = (struct mg_fw_env){.options = d->options,
                                .nv = d->nv,
                                .seed = 7,
                                .serial = 12345678,
                                .unit = DEVICE_UNIT,
                                .baud = DEVICE_BAUD,
                                .public_key = public_key,
                                .verify = verify,
                                .sha256 = sha256};
    power_on(d);
    if (plugin->driver->can != NULL) {
        load_dbc(d);
    } else if (mg_plan_build(plugin->driver, d->variant, &d->plan, &row) !=
               MG_OK) {
        fail(d, "no plan, row %zu", row);
    }
}

void device_fini(struct device *d)
{
    free(d->state);
    free(d->nv);
    mg_dbc_destroy(d->dbc);
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

static void run_tick(struct device *d, const struct mg_tick *tick, uint32_t ms)
{
    for (uint64_t us = 0; us < ms * UINT64_C(1000); us += tick->elapsed_us) {
        d->firmware->tick(d->state, tick);
        serve_chip(d);
    }
    d->utc_ms += ms;
}

static void run(struct device *d, int64_t current_ma, uint32_t ms)
{
    struct mg_tick tick;
    make_tick(d->firmware->frontend, current_ma, &tick);
    run_tick(d, &tick, ms);
}

void device_run_circuit(struct device *d, unsigned circuit, uint32_t ms)
{
    struct mg_tick tick;
    make_tick(d->firmware->frontend, LOAD_MA, &tick);
    for (unsigned lane = 0; lane < MG_LANES_MAX; lane++) {
        if (lane / 3 != circuit) {
            tick.lane[lane].i2 = 0;
            tick.lane[lane].ui = 0;
        }
    }
    run_tick(d, &tick, ms);
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
    uint8_t to = d->plugin->driver->can != NULL ? d->circuit : unit;
    return d->firmware->pdu(d->state, to, pdu, len, ret, MG_PDU_MAX);
}

void device_read(struct device *d, const struct mg_plan_block *block,
                 struct mg_sample *sample)
{
    uint8_t request[MG_PDU_MAX];
    uint8_t answer[MG_PDU_MAX];
    if (d->dbc != NULL) {
        read_signals(d, sample);
        return;
    }
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
