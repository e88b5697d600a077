/* Whether a meter is online, and what is said about it. */
#include <stdio.h>
#include <string.h>

#include "model/channel.h"
#include "run/can_priv.h"
#include "run/duties.h"
#include "run/line.h"
#include "run/session.h"

/* Polls in a row without any answer before a meter counts as offline. */
#define FAILED_POLLS_MAX 3
/* Incomplete polls in a row before a meter counts as degraded: a frame is lost
 * now and then on any line, and the next poll repeats it. */
#define INCOMPLETE_POLLS_MAX 3

const char *mg_meter_state_text(enum mg_meter_state state)
{
    static const char *const texts[] = {"unknown", "online", "degraded",
                                        "offline"};
    return texts[state];
}

static void tell_observer(struct meter *m)
{
    const struct mg_gateway_settings *s = &m->gateway->settings;
    if (s->observer != NULL && s->observer->state != NULL) {
        s->observer->state(s->ctx, m->index, m->state, m->reason);
    }
    const struct mg_gateway_observer *bridge = m->gateway->bridge;
    if (bridge != NULL && bridge->state != NULL) {
        bridge->state(m->gateway->bridge_ctx, m->index, m->state, m->reason);
    }
}

void mg_meter_retain(struct meter *m, const char *leaf, const char *payload,
                     size_t len, int qos)
{
    struct mg_sink *sink = m->gateway->sink;
    if (sink == NULL) {
        return;
    }
    char topic[MG_STORE_TOPIC_MAX];
    (void)snprintf(topic, sizeof topic, "m/%s/%s", m->setup->id, leaf);
    (void)sink->ops->retain(sink, topic, payload, len, qos);
}

void mg_meter_publish_availability(struct meter *m)
{
    if (m->state != MG_METER_UNKNOWN) {
        const char *text = m->state == MG_METER_OFFLINE ? "offline" : "online";
        mg_meter_retain(m, "availability", text, strlen(text), 1);
    }
}

static void put_channel(mg_channel channel, struct mg_json *j)
{
    char key[MG_CHANNEL_KEY_MAX];
    char obis[MG_OBIS_MAX];
    if (mg_channel_key(channel, key) == MG_OK &&
        mg_channel_obis(channel, obis) == MG_OK) {
        mg_json_member_str(j, key, obis);
    }
}

static void put_obis(const struct meter *m, struct mg_json *j)
{
    const struct mg_plan *plan = &m->plan->plan;
    mg_json_key(j, "obis");
    mg_json_open(j, '{');
    for (size_t i = 0; i < plan->n_points; i++) {
        if (plan->points[i].row->group == MG_GROUP_LIVE) {
            put_channel(plan->points[i].channel, j);
        }
    }
    for (size_t i = 0; m->can != NULL && i < m->can->map.n; i++) {
        put_channel(m->can->map.signals[i].row->channel, j);
    }
    mg_json_close(j, '}');
}

/* What only a meter within a charging station has. */
static void put_station(const struct meter *m, struct mg_json *j)
{
    char hex[MG_FINGERPRINT_HEX_MAX];
    if (m->udid[0] != '\0') {
        mg_json_member_str(j, "udid", m->udid);
        mg_json_member_str(j, "part_number", m->part_number);
        mg_json_member_str(j, "lrs_version", m->lrs_version);
    }
    for (size_t i = 0; m->has_lrs_hash && i < sizeof m->lrs_hash; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", m->lrs_hash[i]);
    }
    if (m->has_lrs_hash) {
        mg_json_member_str(j, "lrs_hash", hex);
    }
    if (m->can != NULL && m->can->telegram.key != NULL) {
        char key_hex[2 * MG_KEY_SPKI_MAX + 1];
        mg_public_key_hex(m->can->telegram.key, key_hex);
        mg_json_member_str(j, "meter_key", key_hex);
    }
}

/* Of which device it is a part, by the name of that one's first meter. */
static void put_device(const struct meter *m, struct mg_json *j)
{
    const struct mg_setup *setup = m->gateway->setup;
    const char *circuit = mg_setup_circuit_text(m->setup);
    if (circuit != NULL) {
        mg_json_member_str(j, "device",
                           setup->meters[mg_setup_device(setup, m->index)].id);
        mg_json_member_str(j, "circuit", circuit);
    }
}

void mg_meter_publish_info(struct meter *m)
{
    if (m->gateway->sink == NULL) {
        return;
    }
    const struct mg_plugin *plugin = m->setup->plugin;
    char buf[READING_JSON_MAX];
    struct mg_json j = mg_json_init(buf, sizeof buf);
    mg_json_open(&j, '{');
    mg_json_member_str(&j, "meter", m->setup->id);
    mg_json_member_str(&j, "vendor", plugin->vendor);
    mg_json_member_str(&j, "model", plugin->model);
    if (m->serial[0] != '\0') {
        mg_json_member_str(&j, "serial", m->serial);
    }
    put_station(m, &j);
    const char *key_hex = mg_gateway_public_key(m->gateway, m->index);
    if (key_hex[0] != '\0') {
        mg_json_member_str(&j, "public_key", key_hex);
    }
    mg_json_member_str(&j, "bus", m->line->setup->id);
    mg_json_member_int(&j, "unit", m->address);
    put_device(m, &j);
    mg_json_member_int(&j, "phases", plugin->driver->n_phases);
    mg_json_member_int(&j, "interval_ms", m->setup->interval_ms);
    mg_json_member_int(&j, "reg_epoch", (int64_t)m->check.epoch);
    put_obis(m, &j);
    mg_json_close(&j, '}');
    if (!j.failed) {
        mg_meter_retain(m, "info", j.buf, j.len, 1);
    }
    mg_duties_publish(m);
}

static void change_state(struct meter *m, enum mg_meter_state state,
                         const char *reason)
{
    bool was_offline =
        m->state == MG_METER_OFFLINE || m->state == MG_METER_UNKNOWN;
    bool is_offline = state == MG_METER_OFFLINE;
    bool is_new = m->state != state;
    m->state = state;
    (void)snprintf(m->reason, sizeof m->reason, "%s", reason);
    if (!is_new) {
        return;
    }
    if (was_offline != is_offline || is_offline) {
        mg_meter_publish_availability(m);
    }
    tell_observer(m);
}

void mg_meter_answered(struct meter *m, bool is_complete, const char *reason)
{
    mg_line_answered(m->line);
    m->n_failed = 0;
    uint64_t lasted_ms;
    uint32_t n_failures;
    uint64_t now_ms = mg_clock_now_ms(m->gateway->clock);
    bool is_back = m->state == MG_METER_OFFLINE;
    if (mg_complaint_ok(&m->complaint, now_ms, &lasted_ms, &n_failures) &&
        is_back) {
        mg_event(m->gateway, m, MG_LOG_INFO, "meter-online", NULL,
                 "answers again after %llu s, %u failed polls",
                 (unsigned long long)(lasted_ms / 1000), n_failures);
    }
    m->n_incomplete = is_complete ? 0 : m->n_incomplete + 1;
    bool is_degraded = m->n_incomplete >= INCOMPLETE_POLLS_MAX;
    change_state(m, is_degraded ? MG_METER_DEGRADED : MG_METER_ONLINE,
                 is_degraded ? reason : "");
    if (m->task != NULL && m->task->must_resume) {
        mg_procedure_start(m->task, MG_STEP_RESUME);
    }
    mg_session_meter_answered(m);
    mg_duties_offline(m, false);
    if (is_complete) {
        (void)mg_complaint_ok(&m->quality_complaint, now_ms, &lasted_ms,
                              &n_failures);
    } else if (is_degraded &&
               mg_complaint_fail(&m->quality_complaint, now_ms)) {
        mg_event(m->gateway, m, MG_LOG_WARN, "meter-degraded", NULL,
                 "some values are missing: %s", reason);
    }
}

void mg_meter_failed(struct meter *m, const char *reason)
{
    struct mg_gateway *g = m->gateway;
    m->n_failed++;
    mg_duties_tick(m);
    /* Counted for the "answers again" event; said below, once. */
    (void)mg_complaint_fail(&m->complaint, mg_clock_now_ms(g->clock));
    if (m->is_once) {
        m->state = MG_METER_OFFLINE;
        (void)snprintf(m->reason, sizeof m->reason, "%s", reason);
        tell_observer(m);
        return;
    }
    if (m->n_failed < FAILED_POLLS_MAX || m->state == MG_METER_OFFLINE) {
        return;
    }
    m->has_info = false; /* another meter may come back in its place */
    m->n_silent[MG_GROUP_INFO] = 0;
    change_state(m, MG_METER_OFFLINE, reason);
    mg_event(g, m, MG_LOG_WARN, "meter-offline", NULL,
             "%s unit %u: %s, %u polls in a row", m->line->setup->id,
             m->address, reason, m->n_failed);
    mg_duties_offline(m, true);
    mg_session_meter_lost(m);
}
