/* The driver's side of a vector: it must ask `>` and understand `<`. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "model/channel.h"
#include "model/points.h"
#include "run/plugins.h"
#include "vector.h"

#define OPTIONS_MAX 4096
#define STEPS_MAX   200

static const struct mg_plan_block *find_block(const struct mg_plan *plan,
                                              const struct exchange *x)
{
    uint8_t pdu[MG_PDU_MAX];
    for (size_t i = 0; i < plan->n_blocks; i++) {
        size_t len = mg_plan_request(&plan->blocks[i], pdu);
        if (len == x->request.len - 3 &&
            memcmp(pdu, x->request.adu + 1, len) == 0) {
            return &plan->blocks[i];
        }
    }
    return NULL;
}

static bool check_text(const struct vector *v, const struct expected *e,
                       const struct mg_sample *sample,
                       const struct mg_value *value)
{
    size_t len = 0;
    const char *text = mg_sample_text(sample, value, &len);
    return (len == strlen(e->text) && memcmp(text, e->text, len) == 0) ||
           vector_fail(v, e->line, "driver: text is \"%.*s\"", (int)len, text);
}

static bool check_value(const struct vector *v, const struct expected *e,
                        const struct mg_sample *sample,
                        const struct mg_value *value)
{
    char key[MG_CHANNEL_KEY_MAX] = "?";
    (void)mg_channel_key(value->channel, key);
    unsigned line = e == NULL ? v->line : e->line;
    bool is_invalid = e != NULL && e->is_invalid;
    if ((value->quality == MG_QUALITY_GOOD) == is_invalid) {
        return vector_fail(v, line, "driver: %s has quality %u", key,
                           value->quality);
    }
    if (is_invalid) {
        return true;
    }
    if (mg_channel_unit(value->channel) == MG_UNIT_TEXT) {
        return e != NULL && check_text(v, e, sample, value);
    }
    int64_t want = e == NULL ? 0 : e->value;
    return value->value == want ||
           vector_fail(v, line,
                       "driver: %s is %" PRId64 ", want %" PRId64
                       " (base units)",
                       key, value->value, want);
}

static bool check_sample(const struct vector *v, const struct mg_sample *sample)
{
    bool is_right = true;
    for (size_t i = 0; i < sample->n_values; i++) {
        const struct mg_value *value = &sample->values[i];
        const struct expected *e =
            vector_find(v->values, v->n_values, value->channel);
        is_right = check_value(v, e, sample, value) && is_right;
    }
    for (size_t i = 0; i < v->n_values; i++) {
        if (mg_sample_find(sample, v->values[i].channel) == NULL) {
            is_right = vector_fail(v, v->values[i].line,
                                   "driver: the answer has no such channel");
        }
    }
    return is_right;
}

/* Cut anywhere, it is no answer and adds nothing. */
static bool check_cuts(const struct vector *v, const struct mg_plan *plan,
                       const struct mg_plan_block *block,
                       const struct frame *answer)
{
    for (size_t len = 0; len < answer->len - 3; len++) {
        struct mg_sample sample = {0};
        if (mg_plan_decode(plan, block, answer->adu + 1, len, &sample) !=
                MG_E_PROTO ||
            sample.n_values != 0) {
            return vector_fail(v, answer->line,
                               "driver: %zu bytes of it are taken for an "
                               "answer",
                               len);
        }
    }
    return true;
}

static bool run_reading(const struct vector *v, const struct mg_plugin *plugin,
                        const void *options)
{
    static struct mg_plan plan;
    size_t row = 0;
    unsigned variant = plugin->variant == NULL ? 0 : plugin->variant(options);
    if (mg_plan_build(plugin->driver, variant, &plan, &row) != MG_OK) {
        return vector_fail(v, v->line, "driver: no plan, row %zu", row);
    }
    const struct exchange *x = &v->exchanges[0];
    const struct mg_plan_block *block = find_block(&plan, x);
    if (block == NULL) {
        return vector_fail(v, x->request.line, "driver: never asks this");
    }
    struct mg_sample sample = {0};
    if (x->answer.len == 0 ||
        mg_plan_decode(&plan, block, x->answer.adu + 1, x->answer.len - 3,
                       &sample) != MG_OK) {
        return vector_fail(v, x->answer.line, "driver: not its answer");
    }
    return check_sample(v, &sample) && check_cuts(v, &plan, block, &x->answer);
}

/* ---- Commands ---- */

static bool check_request(const struct vector *v, const struct exchange *x,
                          const struct mg_step_out *out)
{
    const struct frame *f = &x->request;
    char hex[3 * ADU_MAX + 1];
    uint8_t unit = out->unit != 0 ? out->unit : v->exchanges[0].request.adu[0];
    if (f->len - 3 != out->pdu_len || unit != f->adu[0] ||
        memcmp(f->adu + 1, out->pdu, out->pdu_len) != 0) {
        return vector_fail(v, f->line, "driver: sends %s to %u",
                           vector_hex(out->pdu, out->pdu_len, hex), unit);
    }
    return out->baud == f->baud ||
           vector_fail(v, f->line, "driver: sends at %" PRIu32 " baud",
                       out->baud);
}

static void answer(const struct frame *f, struct mg_step_in *in)
{
    in->pdu = NULL;
    in->pdu_len = 0;
    if (f->len == 0) {
        in->event = MG_STEP_TIMEOUT;
    } else if ((f->adu[1] & 0x80) != 0) {
        in->event = MG_STEP_EXCEPTION;
        in->exception = f->adu[2];
    } else {
        in->event = MG_STEP_REPLY;
        in->pdu = f->adu + 1;
        in->pdu_len = f->len - 3;
    }
}

/* Give the values of one step to a sample: a later one replaces. */
static void collect(const struct mg_step_out *out, struct mg_sample *sample)
{
    for (size_t i = 0; i < out->n_values; i++) {
        size_t k = 0;
        while (k < sample->n_values &&
               sample->values[k].channel != out->values[i].channel) {
            k++;
        }
        sample->values[k] = out->values[i];
        if (k == sample->n_values) {
            sample->n_values++;
        }
    }
}

static bool check_end(const struct vector *v, const struct mg_step_out *out,
                      size_t n_exchanges, const struct mg_sample *sample)
{
    char end[64];
    if (out->action == MG_STEP_DONE) {
        (void)snprintf(end, sizeof end, "done");
    } else {
        (void)snprintf(end, sizeof end, "fail %s", mg_code_name(out->code));
    }
    if (strcmp(end, v->end) != 0) {
        return vector_fail(v, v->line, "driver: ends with \"%s\" %s", end,
                           out->reason);
    }
    if (n_exchanges != v->n_exchanges) {
        return vector_fail(v, v->line, "driver: ends after %zu exchanges",
                           n_exchanges);
    }
    return check_sample(v, sample);
}

static bool drive(const struct vector *v, const struct mg_procedure *procedure,
                  struct mg_step_in *in)
{
    _Alignas(8) uint8_t state[MG_STEP_STATE_MAX] = {0};
    struct mg_sample sample = {0};
    size_t n = 0;
    for (unsigned i = 0; i < STEPS_MAX; i++) {
        struct mg_step_out out = {0};
        procedure->step(state, in, &out);
        collect(&out, &sample);
        if (out.action == MG_STEP_WAIT) {
            in->event = MG_STEP_WOKE;
        } else if (out.action != MG_STEP_SEND) {
            return check_end(v, &out, n, &sample);
        } else if (n >= v->n_exchanges) {
            return vector_fail(v, v->line, "driver: asks on after %zu", n);
        } else if (!check_request(v, &v->exchanges[n], &out)) {
            return false;
        } else {
            answer(&v->exchanges[n++].answer, in);
        }
    }
    return vector_fail(v, v->line, "driver: comes to no end");
}

static const struct mg_procedure *
find(const struct vector *v, const struct mg_driver *driver, unsigned variant)
{
    for (size_t i = 0; i < driver->n_procedures; i++) {
        const struct mg_procedure *p = &driver->procedures[i];
        if (strcmp(p->verb, v->verb) == 0 &&
            (p->variants == 0 || (p->variants >> variant & 1) != 0)) {
            return p;
        }
    }
    return NULL;
}

static bool run_command(const struct vector *v, const struct mg_plugin *plugin,
                        const void *options)
{
    _Alignas(8) uint8_t args[OPTIONS_MAX] = {0};
    struct mg_err err = {0};
    unsigned variant = plugin->variant == NULL ? 0 : plugin->variant(options);
    const struct mg_procedure *p = find(v, plugin->driver, variant);
    if (p == NULL) {
        return vector_fail(v, v->line, "driver: no command %s", v->verb);
    }
    mg_options_default(p->args, p->n_args, args);
    for (size_t i = 0; i < v->n_args; i++) {
        size_t index;
        if (mg_options_set(p->args, p->n_args, args, v->args[i].name,
                           v->args[i].value, &index, &err) != MG_OK) {
            return vector_fail(v, v->line, "%s", err.text);
        }
    }
    struct mg_step_in in = {.event = MG_STEP_START,
                            .utc_ms = v->utc_s * 1000,
                            .options = options,
                            .args = args,
                            .unit = v->exchanges[0].request.adu[0]};
    return drive(v, p, &in);
}

bool vector_run_driver(const struct vector *vector,
                       const struct mg_plugin *plugin)
{
    _Alignas(8) uint8_t options[OPTIONS_MAX] = {0};
    if (!vector_options(vector, plugin, options, sizeof options)) {
        return false;
    }
    return vector->verb[0] == '\0' ? run_reading(vector, plugin, options)
                                   : run_command(vector, plugin, options);
}
