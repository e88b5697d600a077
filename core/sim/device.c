#include "sim/device_priv.h"

#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/deterministic.h"
#include "sim/rng.h"

/* No meter has more; a plugin that asks for more is wrong. */
#define MEMORY_MAX (16U << 20)

static size_t to_multiple(size_t n, size_t of)
{
    return (n + of - 1) / of * of;
}

static size_t aligned(size_t n)
{
    return to_multiple(n, alignof(max_align_t));
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
    d->env = (struct mg_fw_env){
        .options = d->options,
        .nv = memory + nv_at,
        .seed = seed,
        .serial = serial,
        .unit = unit,
        .baud = baud,
    };
    if (n_options > 0) {
        memcpy(d->options, options, n_options);
    }
    memset(d->env.nv, 0xff, fw->nv_size);
    if (device_give_chip(d, plugin) != MG_OK) {
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

void device_ensure_power(struct mg_sim_device *d)
{
    if (d->is_powered) {
        return;
    }
    d->is_powered = true;
    memset(d->state, 0, d->firmware->state_size);
    d->env.utc_ms = d->born_utc_ms + (int64_t)(d->now_ns / 1000000);
    d->firmware->power_on(d->state, &d->env);
    device_start_pulses(d);
    device_watch(d);
}

uint64_t mg_sim_device_now_ns(const struct mg_sim_device *device)
{
    return device->now_ns;
}

size_t mg_sim_device_pdu(struct mg_sim_device *device, uint8_t unit,
                         const uint8_t *request, size_t len,
                         uint8_t ret[MG_PDU_MAX])
{
    if (device_is_off(device)) {
        return 0;
    }
    device_ensure_power(device);
    size_t n = device->firmware->pdu(device->state, unit, request, len, ret,
                                     MG_PDU_MAX);
    device_serve_chip(device);
    return n <= MG_PDU_MAX ? n : 0;
}

size_t mg_sim_device_optical_pdu(struct mg_sim_device *device, uint8_t unit,
                                 const uint8_t *request, size_t len,
                                 uint8_t ret[MG_PDU_MAX])
{
    if (device_is_off(device) || device->firmware->optical_pdu == NULL) {
        return 0;
    }
    device_ensure_power(device);
    size_t n = device->firmware->optical_pdu(device->state, unit, request, len,
                                             ret, MG_PDU_MAX);
    device_serve_chip(device);
    return n <= MG_PDU_MAX ? n : 0;
}

bool mg_sim_device_is_off(const struct mg_sim_device *device)
{
    return device_is_off(device);
}

bool mg_sim_device_signal(const struct mg_sim_device *device, size_t index,
                          int64_t *ret)
{
    return device->is_powered && !device_is_off(device) &&
           device->firmware->signal(device->state, index, ret);
}

size_t mg_sim_device_unasked(struct mg_sim_device *device, unsigned circuit,
                             uint8_t ret[MG_PDU_MAX])
{
    if (device_is_off(device) || !device->is_powered ||
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
    device->longest_ns =
        longest_ns < DEVICE_TICK_MAX_NS ? longest_ns : DEVICE_TICK_MAX_NS;
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
    (void)device_load(device, circuit, &load);
    load.current_ma = ma;
    device->has_load[circuit] = true;
    device->profile[circuit] =
        (struct mg_sim_profile){.is_fixed = true, .fixed = load};
}

int mg_sim_device_set(struct mg_sim_device *device, mg_channel channel,
                      int64_t value)
{
    device_ensure_power(device);
    return device->firmware->set(device->state, channel, value);
}

int mg_sim_device_set_input(struct mg_sim_device *device, unsigned index,
                            bool is_closed)
{
    device_ensure_power(device);
    device_watch(device);
    return device->firmware->set_input(device->state, index, is_closed);
}

int mg_sim_device_fault(struct mg_sim_device *device, enum mg_fw_fault fault)
{
    device_ensure_power(device);
    device_watch(device);
    return device->firmware->fault(device->state, fault);
}

void mg_sim_device_power_cycle(struct mg_sim_device *device, uint64_t off_ms)
{
    device_ensure_power(device);
    device->firmware->power_fail(device->state);
    device->is_powered = false;
    device->now_ns += off_ms * 1000000;
    device->until_ns = device->now_ns;
    device_ensure_power(device);
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

void mg_sim_device_set_defects(struct mg_sim_device *device,
                               const struct mg_sim_defects *defects)
{
    device->are_pulses_at_update = defects->pulses_at_update;
    mg_sim_frontend_set_defect(&device->frontend, defects->phase_error_cdeg);
}
