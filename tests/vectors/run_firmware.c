/* The simulated meter's side of a vector: set to `=`, it answers `>` with `<`.
 */
#include <stdlib.h>
#include <string.h>

#include "model/channel.h"
#include "vector.h"

#define OPTIONS_MAX  4096
#define DEFAULT_BAUD 9600

struct device {
    const struct mg_firmware *firmware;
    void *state;
    uint8_t *nv;
    _Alignas(8) uint8_t options[OPTIONS_MAX];
};

static const struct expected *preset(const struct vector *v, size_t *ret_n)
{
    *ret_n = v->verb[0] == '\0' ? v->n_values : v->n_before;
    return v->verb[0] == '\0' ? v->values : v->before;
}

static int64_t preset_or(const struct vector *v, mg_channel channel,
                         int64_t otherwise)
{
    size_t n;
    const struct expected *list = preset(v, &n);
    const struct expected *e = vector_find(list, n, channel);
    return e == NULL ? otherwise : e->value;
}

static bool power_on(const struct vector *v, const struct mg_plugin *plugin,
                     struct device *d)
{
    d->firmware = plugin->firmware;
    d->state = calloc(1, d->firmware->state_size);
    d->nv = malloc(d->firmware->nv_size);
    if (d->state == NULL || d->nv == NULL) {
        return vector_fail(v, v->line, "out of memory");
    }
    memset(d->nv, 0xff, d->firmware->nv_size);
    int64_t clock_s = preset_or(v, MG_CH(METER_CLOCK, TOTAL), 1740916800);
    int64_t baud = preset_or(v, MG_CH(BAUD, TOTAL), DEFAULT_BAUD);
    struct mg_fw_env env = {.options = d->options,
                            .nv = d->nv,
                            .seed = 1,
                            .serial = 1,
                            .unit = v->exchanges[0].request.adu[0],
                            .baud = (uint32_t)baud,
                            .utc_ms = clock_s * 1000};
    d->firmware->power_on(d->state, &env);
    return true;
}

/* These were given with the power. */
static bool is_environment(mg_channel channel)
{
    return channel == MG_CH(METER_CLOCK, TOTAL) ||
           channel == MG_CH(BAUD, TOTAL) ||
           channel == MG_CH(BUS_ADDRESS, TOTAL);
}

static bool set_values(const struct vector *v, const struct device *d)
{
    size_t n;
    const struct expected *list = preset(v, &n);
    for (size_t i = 0; i < n; i++) {
        if (is_environment(list[i].channel)) {
            continue;
        }
        if (d->firmware->set(d->state, list[i].channel, list[i].value) !=
            MG_OK) {
            return vector_fail(v, list[i].line,
                               "firmware: no back door for this channel");
        }
    }
    return true;
}

static size_t ask(const struct device *d, const struct frame *request,
                  uint8_t *ret)
{
    struct mg_fw_outputs out;
    d->firmware->outputs(d->state, &out);
    if (request->baud != 0 && request->baud != out.baud) {
        return 0;
    }
    return d->firmware->pdu(d->state, request->adu[0], request->adu + 1,
                            request->len - 3, ret, MG_PDU_MAX);
}

static bool exchange(const struct vector *v, const struct device *d,
                     const struct exchange *x)
{
    uint8_t pdu[MG_PDU_MAX];
    char hex[3 * ADU_MAX + 1];
    size_t len = ask(d, &x->request, pdu);
    size_t want = x->answer.len == 0 ? 0 : x->answer.len - 3;
    if (len != want || memcmp(pdu, x->answer.adu + 1, len) != 0) {
        return vector_fail(v, x->answer.line, "firmware: answers %s",
                           len == 0 ? "nothing" : vector_hex(pdu, len, hex));
    }
    return true;
}

bool vector_run_firmware(const struct vector *vector,
                         const struct mg_plugin *plugin)
{
    static struct device d;
    memset(&d, 0, sizeof d);
    if (plugin->firmware == NULL) {
        return vector_fail(vector, vector->line, "%s has no firmware",
                           plugin->model);
    }
    bool is_right = vector_options(vector, plugin, d.options, OPTIONS_MAX) &&
                    power_on(vector, plugin, &d) && set_values(vector, &d);
    for (size_t i = 0; is_right && i < vector->n_exchanges; i++) {
        is_right = exchange(vector, &d, &vector->exchanges[i]);
    }
    free(d.state);
    free(d.nv);
    return is_right;
}
