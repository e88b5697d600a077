#include "mqtt/everest_json.h"

#include <stdio.h>
#include <string.h>

#include "model/channel.h"
#include "model/json.h"
#include "model/json_pull.h"

#define ALGORITHM_MAX     64
#define DEFAULT_ALGORITHM "ECDSA-secp256r1-SHA256" /* OCMF 1.4, table 22 */
#define SECTION_END       '|'
/* Of an answer without the record, all texts at their longest. */
#define ANSWER_FRAME_MAX 2048U

/* ---- Values ---- */

static const struct mg_value *good(const struct mg_sample *sample,
                                   enum mg_quantity quantity,
                                   enum mg_phase phase)
{
    const struct mg_value *v =
        mg_sample_find(sample, MG_CHANNEL(quantity, phase, 0, MG_PERIOD_EVER));
    return v != NULL && v->quality == MG_QUALITY_GOOD ? v : NULL;
}

static void member(struct mg_json *j, const char *key, const struct mg_value *v)
{
    mg_json_key(j, key);
    mg_json_decimal(j, v->value, mg_unit_decimals(mg_channel_unit(v->channel)),
                    v->resolution);
}

/* {"total":..,"L1":..}: `total` must be there, or `L1` for what has none. */
static bool group(struct mg_json *j, const struct mg_sample *sample,
                  const char *name, enum mg_quantity quantity, bool has_total)
{
    static const char *const phases[] = {
        [MG_PHASE_L1] = "L1", [MG_PHASE_L2] = "L2", [MG_PHASE_L3] = "L3"};
    const struct mg_value *total = good(sample, quantity, MG_PHASE_TOTAL);
    const struct mg_value *l1 = good(sample, quantity, MG_PHASE_L1);
    if (!has_total && l1 == NULL) {
        l1 = total;
    }
    if ((has_total ? total : l1) == NULL) {
        return false;
    }
    mg_json_key(j, name);
    mg_json_open(j, '{');
    if (has_total) {
        member(j, "total", total);
    }
    if (l1 != NULL) {
        member(j, phases[MG_PHASE_L1], l1);
    }
    for (int i = MG_PHASE_L2; i <= MG_PHASE_L3; i++) {
        const struct mg_value *v = good(sample, quantity, (enum mg_phase)i);
        if (v != NULL) {
            member(j, phases[i], v);
        }
    }
    mg_json_close(j, '}');
    return true;
}

size_t mg_everest_values(const struct mg_sample *sample, const char *meter_id,
                         char buf[MG_EVEREST_VALUES_MAX])
{
    static const struct {
        const char *name;
        enum mg_quantity quantity;
        bool has_total;
    } groups[] = {
        {"energy_Wh_export", MG_Q_ENERGY_ACTIVE_EXPORT, true},
        {"power_W", MG_Q_POWER_ACTIVE, true},
        {"voltage_V", MG_Q_VOLTAGE, false},
        {"VAR", MG_Q_POWER_REACTIVE, true},
        {"current_A", MG_Q_CURRENT, false},
        {"frequency_Hz", MG_Q_FREQUENCY, false},
    };
    static const char import[] = "energy_Wh_import";
    struct mg_json j = mg_json_init(buf, MG_EVEREST_VALUES_MAX);
    mg_json_open(&j, '{');
    mg_json_member_time(&j, "timestamp", sample->utc_ms);
    mg_json_member_str(&j, "meter_id", meter_id);
    /* A meter that knows one direction counts what is drawn. */
    bool has_import =
        group(&j, sample, import, MG_Q_ENERGY_ACTIVE_IMPORT, true) ||
        group(&j, sample, import, MG_Q_ENERGY_ACTIVE, true);
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        (void)group(&j, sample, groups[i].name, groups[i].quantity,
                    groups[i].has_total);
    }
    mg_json_close(&j, '}');
    return j.failed || !has_import ? 0 : j.len;
}

/* ---- Answers ---- */

static const char *status_of(int code)
{
    switch (code) {
    case MG_OK:
        return "OK";
    case MG_E_NOSUP:
        return "NOT_SUPPORTED";
    default:
        return "UNEXPECTED_ERROR";
    }
}

static void open_answer(struct mg_json *j, int code, const char *reason)
{
    mg_json_open(j, '{');
    mg_json_member_str(j, "status", status_of(code));
    if (code != MG_OK) {
        mg_json_member_str(j, "error", reason);
    }
}

size_t mg_everest_started(const struct mg_session_result *result, char *buf,
                          size_t cap)
{
    struct mg_json j = mg_json_init(buf, cap);
    open_answer(&j, result->code, result->reason);
    mg_json_close(&j, '}');
    return j.failed ? 0 : j.len;
}

/* The member SA of the record's last section, or what it is by default. */
static void find_algorithm(const struct mg_dataset *d, char ret[ALGORITHM_MAX])
{
    const char *section = memrchr(d->record, SECTION_END, d->record_len);
    const char *end = d->record + d->record_len;
    struct mg_pull_item item;
    size_t len;
    (void)snprintf(ret, ALGORITHM_MAX, DEFAULT_ALGORITHM);
    if (section == NULL) {
        return;
    }
    struct mg_pull p = mg_pull_init(section + 1, (size_t)(end - section) - 1);
    while (mg_pull_next(&p, &item) && item.kind != MG_PULL_CLOSE) {
        char name[ALGORITHM_MAX];
        if (item.kind == MG_PULL_STRING && item.key_len == 2 &&
            memcmp(item.key, "SA", 2) == 0 &&
            mg_pull_unescape(item.value, item.value_len, name, sizeof name,
                             &len) == MG_OK) {
            memcpy(ret, name, sizeof name);
        }
    }
}

static void put_record(struct mg_json *j, const struct mg_dataset *d)
{
    char algorithm[ALGORITHM_MAX];
    find_algorithm(d, algorithm);
    mg_json_key(j, "signed_meter_value");
    mg_json_open(j, '{');
    mg_json_key(j, "signed_meter_data");
    mg_json_str(j, d->record, d->record_len);
    mg_json_member_str(j, "signing_method", algorithm);
    mg_json_member_str(j, "encoding_method", "OCMF");
    if (d->key_hex[0] != '\0') {
        mg_json_member_str(j, "public_key", d->key_hex);
    }
    int64_t at_ms = d->ended_ms != 0 ? d->ended_ms : d->stored_ms;
    if (at_ms != 0) {
        mg_json_member_time(j, "timestamp", at_ms);
    }
    mg_json_close(j, '}');
}

static bool has_record(const struct mg_session_result *result)
{
    return result->dataset != NULL && result->dataset->record_len > 0;
}

size_t mg_everest_stopped_max(const struct mg_session_result *result)
{
    /* A byte has at most six in JSON: \u001f. */
    size_t len = has_record(result) ? result->dataset->record_len : 0;
    return ANSWER_FRAME_MAX + 6 * len;
}

size_t mg_everest_stopped(const struct mg_session_result *result,
                          bool is_record_due, char *buf, size_t cap)
{
    struct mg_json j = mg_json_init(buf, cap);
    bool is_missing =
        result->code == MG_OK && is_record_due && !has_record(result);
    open_answer(&j, is_missing ? MG_E_NOTFOUND : result->code,
                is_missing ? "there is no signed record of this transaction"
                           : result->reason);
    if (has_record(result)) {
        put_record(&j, result->dataset);
    }
    mg_json_close(&j, '}');
    return j.failed ? 0 : j.len;
}
