#include "typetest/reader.h"

#include <string.h>

int reader_open(struct reader *reader, struct bench *bench)
{
    const struct mg_plugin *p = bench->settings->plugin;
    size_t row;
    reader->bench = bench;
    reader->variant =
        p->variant == NULL ? 0 : p->variant(bench->settings->options);
    if (p->bus == MG_BUS_CAN) {
        return MG_OK;
    }
    return mg_plan_build(p->driver, reader->variant, &reader->plan, &row);
}

static int read_block(struct reader *r, const struct mg_plan_block *block,
                      struct mg_sample *ret)
{
    uint8_t request[MG_PDU_MAX];
    uint8_t answer[MG_PDU_MAX];
    struct mg_fw_outputs out;
    mg_sim_device_outputs(r->bench->device, &out);
    size_t len = mg_plan_request(block, request);
    size_t n =
        mg_sim_device_pdu(r->bench->device, out.unit, request, len, answer);
    return mg_plan_decode(&r->plan, block, answer, n, ret);
}

static int read_modbus(struct reader *r, struct mg_sample *ret)
{
    for (size_t k = 0; k < r->plan.n_blocks; k++) {
        const struct mg_plan_block *block = &r->plan.blocks[k];
        int rc =
            block->group == MG_GROUP_LIVE ? read_block(r, block, ret) : MG_OK;
        if (rc != MG_OK) {
            return rc;
        }
    }
    return MG_OK;
}

static bool find_signal(const struct mg_firmware *fw, const char *name,
                        size_t *ret)
{
    for (size_t k = 0; k < fw->n_signals; k++) {
        if (strcmp(fw->signals[k].name, name) == 0) {
            *ret = k;
            return true;
        }
    }
    return false;
}

static int read_can(struct reader *r, struct mg_sample *ret)
{
    const struct mg_plugin *p = r->bench->settings->plugin;
    for (size_t k = 0; k < p->driver->can->n_signals; k++) {
        const struct mg_signal *s = &p->driver->can->signals[k];
        struct mg_value value = {.channel = s->channel};
        size_t index;
        bool is_ours = s->variants == 0 || (s->variants >> r->variant & 1) != 0;
        if (!is_ours || !find_signal(p->firmware, s->name, &index) ||
            !mg_sim_device_signal(r->bench->device, index, &value.value)) {
            continue;
        }
        int rc = mg_sample_add(ret, &value);
        if (rc != MG_OK) {
            return rc;
        }
    }
    return MG_OK;
}

int reader_read(struct reader *reader, struct mg_sample *ret)
{
    memset(ret, 0, sizeof *ret);
    return reader->bench->settings->plugin->bus == MG_BUS_CAN
               ? read_can(reader, ret)
               : read_modbus(reader, ret);
}

int reader_value(struct reader *reader, mg_channel channel, int64_t *ret)
{
    struct mg_sample sample;
    int rc = reader_read(reader, &sample);
    if (rc != MG_OK) {
        return rc;
    }
    const struct mg_value *value = mg_sample_find(&sample, channel);
    if (value == NULL || value->quality != MG_QUALITY_GOOD) {
        return MG_E_NOTFOUND;
    }
    *ret = value->value;
    return MG_OK;
}
