#include "sim/device.h"

#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/deterministic.h"
#include "crypto/verify.h"
#include "sim/frontend.h"
#include "sim/impulse.h"
#include "sim/rng.h"
#include "sim/truth.h"

/* No meter has more; a plugin that asks for more is wrong. */
#define MEMORY_MAX (16U << 20)

/* Time is counted in 1e-12 s / rate_mhz below the nanosecond: one sample is
 * SAMPLE_PARTS / rate_mhz nanoseconds. */
#define SAMPLE_PARTS UINT64_C(1000000000000)

#define TICK_MAX_NS UINT64_C(15000000000) /* see mg_tick */
#define WATCHED_NS  UINT64_C(3000000000)

/* Who watches the impulse LED of a circuit. */
struct watcher {
    void (*lit)(void *ctx, uint64_t at_ns); /* NULL: nobody */
    void *ctx;
    struct mg_sim_impulse impulse;
};

struct mg_sim_device {
    const struct mg_firmware *firmware; /* borrowed */
    struct mg_sim_profile profile[MG_CIRCUITS_MAX];
    bool has_load[MG_CIRCUITS_MAX]; /* else nothing flows */
    struct mg_sim_frontend frontend;
    struct mg_sim_source source; /* at NULL: the profile */
    struct mg_sim_mains mains;   /* of the next tick */
    struct mg_fw_env env;
    void *options, *state;  /* parts of this allocation, as env.nv is */
    struct mg_sim_key *key; /* owned: of its crypto chip; NULL: it has none */
    bool is_powered;
    uint64_t longest_ns;
    uint64_t alone_until_ns; /* until then, each tick is by itself */
    uint64_t now_ns;         /* the meter has lived until here, whole ticks */
    uint64_t now_rest;       /* below that, see SAMPLE_PARTS */
    uint64_t until_ns;       /* the caller's time */
    int64_t born_utc_ms;
    struct mg_sim_truth truth;
    struct watcher watcher[MG_CIRCUITS_MAX];
    bool are_pulses_at_update; /* a defect */
};

static size_t to_multiple(size_t n, size_t of)
{
    return (n + of - 1) / of * of;
}

static size_t aligned(size_t n)
{
    return to_multiple(n, alignof(max_align_t));
}

/* A meter that signs has a key made of its seed and serial number. */
static int give_key(struct mg_sim_device *d, const struct mg_plugin *plugin)
{
    const struct mg_firmware *fw = plugin->firmware;
    if ((plugin->capabilities & (MG_CAP_SIGNS | MG_CAP_TELEGRAM)) == 0 ||
        fw->sign_request == NULL || fw->sign_result == NULL) {
        return MG_OK;
    }
    d->key = mg_sim_key_create(d->env.seed, d->env.serial);
    if (d->key == NULL) {
        return MG_E_NOMEM;
    }
    d->env.public_key = mg_sim_key_public(d->key);
    return MG_OK;
}

/* The chip's other work. */
static bool verify(const uint8_t public_key[64], const uint8_t *message,
                   size_t len, const uint8_t signature[64])
{
    struct mg_public_key *key = NULL;
    struct mg_err err;
    unsigned lenient;
    uint8_t der[MG_SIGNATURE_MAX];
    size_t der_len;
    bool is_good =
        mg_public_key_parse((const char *)public_key, 64, MG_CURVE_SECP256R1,
                            &key, &lenient, &err) == MG_OK &&
        mg_signature_normalise(signature, 64, MG_CURVE_SECP256R1, der, &der_len,
                               &lenient) == MG_OK &&
        mg_verify(key, message, len, der, der_len) == MG_OK;
    mg_public_key_destroy(key);
    return is_good;
}

static void sha256(const uint8_t *data, size_t len, uint8_t ret[32])
{
    mg_sha256(data, len, ret);
}

struct mg_sim_device *mg_sim_device_create(const struct mg_plugin *plugin,
                                           const void *options,
                                           const struct mg_sim_profile *profile,
                                           uint64_t seed, uint32_t serial,
                                           uint8_t unit, uint32_t baud,
                                           int64_t utc_ms)
{
    const struct mg_firmware *fw = plugin->firmware;
    size_t n_options = options == NULL ? 0 : plugin->options_size;
    if (n_options > MEMORY_MAX || fw->state_size > MEMORY_MAX ||
        fw->nv_size > MEMORY_MAX) {
        return NULL;
    }
    size_t options_at = aligned(sizeof(struct mg_sim_device));
    size_t state_at = options_at + aligned(n_options);
    size_t nv_at = state_at + aligned(fw->state_size);
    size_t size =
        to_multiple(nv_at + fw->nv_size, alignof(struct mg_sim_device));
    struct mg_sim_device *d =
        aligned_alloc(alignof(struct mg_sim_device), size);
    if (d == NULL) {
        return NULL;
    }
    memset(d, 0, size);
    if (mg_sim_frontend_init(&d->frontend, fw->frontend,
                             mg_sim_hash3(seed, 1, serial)) != MG_OK) {
        free(d);
        return NULL;
    }
    d->frontend.may_be_fast = true;
    if (plugin->rating != NULL) {
        mg_sim_frontend_set_start(&d->frontend, plugin->rating->start_ma);
    }
    uint8_t *memory = (uint8_t *)d;
    d->firmware = fw;
    for (unsigned i = 0; i < MG_CIRCUITS_MAX; i++) {
        mg_sim_device_set_profile(d, i, profile);
    }
    d->options = memory + options_at;
    d->state = memory + state_at;
    d->born_utc_ms = utc_ms;
    d->env = (struct mg_fw_env){.options = d->options,
                                .nv = memory + nv_at,
                                .seed = seed,
                                .serial = serial,
                                .unit = unit,
                                .baud = baud,
                                .verify = verify,
                                .sha256 = sha256};
    if (n_options > 0) {
        memcpy(d->options, options, n_options);
    }
    memset(d->env.nv, 0xff, fw->nv_size);
    if (give_key(d, plugin) != MG_OK) {
        free(d);
        return NULL;
    }
    return d;
}

void mg_sim_device_destroy(struct mg_sim_device *device)
{
    if (device != NULL) {
        mg_sim_key_destroy(device->key);
        free(device);
    }
}

/* The crypto chip: it answers at once, and the firmware takes the time that
 * the meter takes. Out of memory, it does not answer. */
static void serve_chip(struct mg_sim_device *d)
{
    const uint8_t *message;
    uint8_t signature[64];
    if (d->key == NULL) {
        return;
    }
    size_t len = d->firmware->sign_request(d->state, &message);
    if (len > 0 && mg_sim_key_sign(d->key, message, len, signature) == MG_OK) {
        d->firmware->sign_result(d->state, signature);
    }
}

/* The caller's clock has not come to the end of a power cut yet. */
static bool is_off(const struct mg_sim_device *d)
{
    return d->until_ns < d->now_ns;
}

/* A meter that starts or to which something happens is watched tick by tick. */
static void watch(struct mg_sim_device *d)
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
    const struct watcher *watcher;
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
        struct watcher *w = &d->watcher[k];
        struct watched_tick t = {d, w, start_ns, start_rest};
        if (w->lit != NULL) {
            mg_sim_impulse_tick(&w->impulse, tick, &out.circuit[k],
                                d->are_pulses_at_update, light, &t);
        }
    }
}

static void start_pulses(struct mg_sim_device *d)
{
    struct mg_fw_outputs out;
    mg_sim_device_outputs(d, &out);
    for (unsigned k = 0; k < MG_CIRCUITS_MAX; k++) {
        mg_sim_impulse_start(&d->watcher[k].impulse, &out.circuit[k]);
    }
}

/* Power comes with the first use, so that the caller can put back what the
 * meter kept in its memory when it was last off. */
static void ensure_power(struct mg_sim_device *d)
{
    if (d->is_powered) {
        return;
    }
    d->is_powered = true;
    memset(d->state, 0, d->firmware->state_size);
    d->env.utc_ms = d->born_utc_ms + (int64_t)(d->now_ns / 1000000);
    d->firmware->power_on(d->state, &d->env);
    start_pulses(d);
    watch(d);
}

/* @return until when it stays so */
static uint64_t load_of(const struct mg_sim_device *d, unsigned circuit,
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
    uint64_t until_ns = load_of(d, 0, &load);
    uint64_t other_ns = load_of(d, 1, &other);
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
    left_ns = left_ns < TICK_MAX_NS ? left_ns : TICK_MAX_NS;
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
    if (is_off(d)) {
        return;
    }
    ensure_power(d);
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
        serve_chip(d);
    }
}

uint64_t mg_sim_device_now_ns(const struct mg_sim_device *device)
{
    return device->now_ns;
}

size_t mg_sim_device_pdu(struct mg_sim_device *device, uint8_t unit,
                         const uint8_t *request, size_t len,
                         uint8_t ret[MG_PDU_MAX])
{
    if (is_off(device)) {
        return 0;
    }
    ensure_power(device);
    size_t n = device->firmware->pdu(device->state, unit, request, len, ret,
                                     MG_PDU_MAX);
    serve_chip(device);
    return n <= MG_PDU_MAX ? n : 0;
}

size_t mg_sim_device_optical_pdu(struct mg_sim_device *device, uint8_t unit,
                                 const uint8_t *request, size_t len,
                                 uint8_t ret[MG_PDU_MAX])
{
    if (is_off(device) || device->firmware->optical_pdu == NULL) {
        return 0;
    }
    ensure_power(device);
    size_t n = device->firmware->optical_pdu(device->state, unit, request, len,
                                             ret, MG_PDU_MAX);
    serve_chip(device);
    return n <= MG_PDU_MAX ? n : 0;
}

bool mg_sim_device_is_off(const struct mg_sim_device *device)
{
    return is_off(device);
}

bool mg_sim_device_signal(const struct mg_sim_device *device, size_t index,
                          int64_t *ret)
{
    return device->is_powered && !is_off(device) &&
           device->firmware->signal(device->state, index, ret);
}

size_t mg_sim_device_unasked(struct mg_sim_device *device, unsigned circuit,
                             uint8_t ret[MG_PDU_MAX])
{
    if (is_off(device) || !device->is_powered ||
        device->firmware->unasked == NULL) {
        return 0;
    }
    size_t n =
        device->firmware->unasked(device->state, circuit, ret, MG_PDU_MAX);
    return n <= MG_PDU_MAX ? n : 0;
}

int mg_sim_device_display(const struct mg_sim_device *device,
                          struct mg_fw_display *ret)
{
    if (!device->is_powered || device->firmware->display == NULL) {
        return MG_E_NOSUP;
    }
    device->firmware->display(device->state, ret);
    return MG_OK;
}

void mg_sim_device_outputs(const struct mg_sim_device *device,
                           struct mg_fw_outputs *ret)
{
    if (device->is_powered) {
        device->firmware->outputs(device->state, ret);
        return;
    }
    *ret = (struct mg_fw_outputs){
        .circuit = {{.load_connected = true}, {.load_connected = true}},
        .unit = device->env.unit,
        .baud = device->env.baud};
}

void mg_sim_device_set_source(struct mg_sim_device *device,
                              const struct mg_sim_source *source)
{
    device->source =
        source != NULL ? *source : (struct mg_sim_source){.at = NULL};
}

void mg_sim_device_set_path(struct mg_sim_device *device, enum mg_sim_path path,
                            uint64_t longest_ns)
{
    device->frontend.may_be_fast = path == MG_SIM_PATH_AUTO;
    device->longest_ns = longest_ns < TICK_MAX_NS ? longest_ns : TICK_MAX_NS;
}

void mg_sim_device_set_profile(struct mg_sim_device *device, unsigned circuit,
                               const struct mg_sim_profile *profile)
{
    device->has_load[circuit] = profile != NULL;
    device->profile[circuit] =
        profile != NULL ? *profile : (struct mg_sim_profile){.seed = 0};
}

void mg_sim_device_set_current(struct mg_sim_device *device, unsigned circuit,
                               int64_t ma)
{
    struct mg_sim_load load;
    (void)load_of(device, circuit, &load);
    load.current_ma = ma;
    device->has_load[circuit] = true;
    device->profile[circuit] =
        (struct mg_sim_profile){.is_fixed = true, .fixed = load};
}

int mg_sim_device_set(struct mg_sim_device *device, mg_channel channel,
                      int64_t value)
{
    ensure_power(device);
    return device->firmware->set(device->state, channel, value);
}

int mg_sim_device_set_input(struct mg_sim_device *device, unsigned index,
                            bool is_closed)
{
    ensure_power(device);
    watch(device);
    return device->firmware->set_input(device->state, index, is_closed);
}

int mg_sim_device_fault(struct mg_sim_device *device, enum mg_fw_fault fault)
{
    ensure_power(device);
    watch(device);
    return device->firmware->fault(device->state, fault);
}

void mg_sim_device_power_cycle(struct mg_sim_device *device, uint64_t off_ms)
{
    ensure_power(device);
    device->firmware->power_fail(device->state);
    device->is_powered = false;
    device->now_ns += off_ms * 1000000;
    device->until_ns = device->now_ns;
    ensure_power(device);
}

const uint8_t *mg_sim_device_nv(const struct mg_sim_device *device,
                                size_t *ret_len)
{
    *ret_len = device->firmware->nv_size;
    return device->env.nv;
}

int mg_sim_device_load_nv(struct mg_sim_device *device, const uint8_t *nv,
                          size_t len)
{
    if (len != device->firmware->nv_size) {
        return MG_E_INVAL;
    }
    if (device->is_powered) {
        return MG_E_STATE;
    }
    memcpy(device->env.nv, nv, len);
    return MG_OK;
}

int64_t mg_sim_device_true_energy_mwh(const struct mg_sim_device *device)
{
    int64_t mwh = 0;
    int64_t rest_nj = 0;
    for (unsigned k = 0; k < MG_CIRCUITS_MAX; k++) {
        const struct mg_sim_energies *e = &device->truth.circuit[k];
        mwh += e->import.mwh - e->export.mwh;
        rest_nj += e->import.rest_nj - e->export.rest_nj;
    }
    return mwh + rest_nj / INT64_C(3600000000);
}

const struct mg_sim_truth *
mg_sim_device_truth(const struct mg_sim_device *device)
{
    return &device->truth;
}

void mg_sim_device_on_pulse(struct mg_sim_device *device, unsigned circuit,
                            void (*lit)(void *ctx, uint64_t at_ns), void *ctx)
{
    if (circuit >= MG_CIRCUITS_MAX) {
        return;
    }
    ensure_power(device);
    device->watcher[circuit].lit = lit;
    device->watcher[circuit].ctx = ctx;
    start_pulses(device);
}

void mg_sim_device_set_defects(struct mg_sim_device *device,
                               const struct mg_sim_defects *defects)
{
    device->are_pulses_at_update = defects->pulses_at_update;
    mg_sim_frontend_set_defect(&device->frontend, defects->phase_error_cdeg);
}
