/* From a sample to what is published: checks, sequence number, JSON once, the
 * live `state`, and the batch that becomes an outbox row. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/channel.h"
#include "model/reading_json.h"
#include "run/duties.h"
#include "run/gateway_priv.h"

/* A poll whose answers are further apart than this is no reading any more. */
#define STALE_FLOOR_MS  10000U
#define CLOCK_OFF_MAX_S 60
/* Counters are kept now and then, so that after a kill a meter that was cleared
 * or exchanged meanwhile does not pass for the same. */
#define CHECK_SAVE_NS (900 * 1000000000ULL)

static void batch_drop(struct meter *m)
{
    struct mg_gateway *g = m->gateway;
    g->n_unstored += m->batch.n;
    if (mg_complaint_fail(&g->disk_complaint, mg_clock_now_ms(g->clock))) {
        mg_log(MG_LOG_ERROR,
               "the disk does not keep up: live readings are "
               "dropped (%llu so far)",
               (unsigned long long)g->n_unstored);
    }
    m->batch.n = 0;
    m->batch.len = 0;
}

void mg_pipeline_flush(struct meter *m)
{
    struct batch *b = &m->batch;
    struct mg_gateway *g = m->gateway;
    if (b->n == 0 || g->store == NULL) {
        return;
    }
    b->buf[b->len] = ']'; /* batch_add leaves room for it */
    struct mg_store_row row = {.class_ = MG_ROW_READINGS,
                               .payload = b->buf,
                               .len = b->len + 1,
                               .n_readings = b->n,
                               .created_ms = mg_clock_utc_ms(g->clock)};
    (void)snprintf(row.topic, sizeof row.topic, "m/%s/readings", m->setup->id);
    uint64_t ticket;
    if (mg_store_append(g->store, &row, &ticket) != MG_OK) {
        if (b->n >= 2 * g->setup->outbox.max_readings) {
            batch_drop(m);
        }
        return; /* tried again with the next reading */
    }
    uint64_t lasted_ms;
    uint32_t n_failures;
    if (mg_complaint_ok(&g->disk_complaint, mg_clock_now_ms(g->clock),
                        &lasted_ms, &n_failures)) {
        mg_log(MG_LOG_INFO, "the disk keeps up again after %llu s",
               (unsigned long long)(lasted_ms / 1000));
    }
    b->n = 0;
    b->len = 0;
    mg_sequence_stored(m);
}

static bool batch_reserve(struct batch *b, size_t len)
{
    size_t need = b->len + len + 2; /* a separator and the bracket */
    if (need <= b->cap) {
        return true;
    }
    if (need > MG_STORE_PAYLOAD_MAX) {
        return false;
    }
    size_t cap =
        need * 2 > MG_STORE_PAYLOAD_MAX ? MG_STORE_PAYLOAD_MAX : need * 2;
    char *buf = realloc(b->buf, cap);
    if (buf == NULL) {
        return false;
    }
    b->buf = buf;
    b->cap = cap;
    return true;
}

static void batch_add(struct meter *m, const struct mg_sample *sample,
                      const char *json, size_t len)
{
    struct batch *b = &m->batch;
    if (!batch_reserve(b, len)) {
        mg_pipeline_flush(m);
        if (b->n > 0) {
            batch_drop(m);
        }
        if (!batch_reserve(b, len)) {
            m->gateway->n_unstored++; /* out of memory */
            return;
        }
    }
    if (b->n == 0) {
        b->first_ns = mg_clock_now_ns(m->gateway->clock);
    }
    b->buf[b->len] = b->n == 0 ? '[' : ',';
    memcpy(b->buf + b->len + 1, json, len);
    b->len += len + 1;
    b->n++;
    b->last_seq = sample->seq;
    if (b->n >= m->gateway->setup->outbox.max_readings) {
        mg_pipeline_flush(m);
    }
}

void mg_pipeline_flush_old(struct mg_gateway *g)
{
    uint64_t now_ns = mg_clock_now_ns(g->clock);
    uint64_t max_age_ns = (uint64_t)g->setup->outbox.max_age_ms * 1000000;
    for (size_t i = 0; i < g->n_meters; i++) {
        struct meter *m = &g->meters[i];
        if (m->batch.n > 0 && now_ns - m->batch.first_ns >= max_age_ns) {
            mg_pipeline_flush(m);
        }
    }
}

static void say_finding(struct meter *m, const struct mg_check_report *r)
{
    char key[MG_CHANNEL_KEY_MAX] = "?";
    (void)mg_channel_key(r->channel, key);
    char members[256];
    (void)snprintf(members, sizeof members,
                   "\"channel\":\"%s\",\"before\":%lld,\"after\":%lld,"
                   "\"limit\":%lld,\"reg_epoch\":%llu",
                   key, (long long)r->before, (long long)r->after,
                   (long long)r->limit, (unsigned long long)m->check.epoch);
    if (r->event == MG_CHECK_NEW_EPOCH) {
        mg_event(m->gateway, m, MG_LOG_WARN, "register-epoch", members,
                 "registers were cleared or the meter was exchanged: %s went "
                 "from %lld to %lld (1e-3 units); epoch %llu begins",
                 key, (long long)r->before, (long long)r->after,
                 (unsigned long long)m->check.epoch);
        mg_memory_save_check(m);
        mg_meter_publish_info(m);
        return;
    }
    if (r->event != MG_CHECK_RANGE) {
        m->has_info = false; /* is it still the same meter? */
        m->n_silent[MG_GROUP_INFO] = 0;
    }
    uint64_t now_ms = mg_clock_now_ms(m->gateway->clock);
    if (!mg_complaint_fail(&m->check_complaint, now_ms)) {
        return;
    }
    const char *what = r->event == MG_CHECK_COUNTER_DOWN ? "went down"
                       : r->event == MG_CHECK_JUMP       ? "jumped"
                                                         : "is out of range";
    mg_event(m->gateway, m, MG_LOG_WARN, "implausible", members,
             "%s %s: %lld after %lld (1e-3 units); not published", key, what,
             (long long)r->after, (long long)r->before);
}

static void mark_stale(struct meter *m, struct mg_sample *s)
{
    uint64_t max_ms = 2ULL * m->setup->interval_ms;
    max_ms = max_ms > STALE_FLOOR_MS ? max_ms : STALE_FLOOR_MS;
    uint64_t age_ns = mg_clock_now_ns(m->gateway->clock) - s->mono_ns;
    if (age_ns <= max_ms * 1000000) {
        return;
    }
    for (size_t i = 0; i < s->n_values; i++) {
        s->values[i].quality = MG_QUALITY_STALE;
    }
}

static bool has_good_counter(const struct mg_sample *s)
{
    for (size_t i = 0; i < s->n_values; i++) {
        if (s->values[i].quality == MG_QUALITY_GOOD &&
            mg_channel_kind(s->values[i].channel) == MG_KIND_COUNTER) {
            return true;
        }
    }
    return false;
}

static void save_check_now_and_then(struct meter *m)
{
    uint64_t now_ns = mg_clock_now_ns(m->gateway->clock);
    m->is_check_dirty = true;
    if (now_ns >= m->next_save_ns) {
        mg_memory_save_check(m);
        m->next_save_ns = m->is_check_dirty ? now_ns : now_ns + CHECK_SAVE_NS;
    }
}

static void check_live(struct meter *m, struct mg_sample *s)
{
    const struct mg_driver *driver = m->setup->plugin->driver;
    struct mg_check_limits limits = {driver->max_voltage_mv,
                                     driver->max_current_ma, driver->n_phases};
    struct mg_check_report report = {0};
    mg_check_sample(&m->check, &limits, m->is_clear_expected, s, &report);
    if (report.event == MG_CHECK_NEW_EPOCH ||
        (has_good_counter(s) && !mg_procedure_is_clearing(m))) {
        m->is_clear_expected = false; /* this sample has shown it */
    }
    save_check_now_and_then(m);
    s->epoch = m->check.epoch;
    if (report.event != MG_CHECK_NOTHING) {
        say_finding(m, &report);
    }
    if (report.event == MG_CHECK_NOTHING ||
        report.event == MG_CHECK_NEW_EPOCH) {
        m->check_complaint = (struct mg_complaint){0};
    }
}

static size_t write_reading(struct meter *m, const struct mg_sample *s,
                            char buf[READING_JSON_MAX])
{
    struct mg_json j = mg_json_init(buf, READING_JSON_MAX);
    if (mg_reading_json(s, m->gateway->epoch, &j) != MG_OK || j.failed) {
        return 0;
    }
    return j.len;
}

/* Only what is filled: a whole sample is 5 KB. */
static void keep_live(struct mg_sample *live, const struct mg_sample *s)
{
    memcpy(live, s, offsetof(struct mg_sample, values));
    memcpy(live->values, s->values, s->n_values * sizeof *s->values);
    memcpy(live->text, s->text, s->text_len);
}

static void publish_live(struct meter *m, struct mg_sample *s)
{
    struct mg_gateway *g = m->gateway;
    mark_stale(m, s);
    check_live(m, s);
    mg_duties_sample(m, s);
    mg_session_sample(m, s);
    s->seq = mg_sequence_next(m);
    keep_live(m->live, s);
    g->n_readings++;
    char buf[READING_JSON_MAX];
    size_t len = write_reading(m, s, buf);
    if (len == 0) {
        return; /* cannot happen: a full sample fits */
    }
    mg_meter_retain(m, "state", buf, len, 0);
    if (g->store == NULL) {
        return;
    }
    if (s->seq == 0) {
        g->n_unstored++;
        return;
    }
    batch_add(m, s, buf, len);
}

/* The meter's clock decides its tariffs: say when it is wrong. */
static void check_meter_clock(struct meter *m, const struct mg_sample *s)
{
    const struct mg_value *v = mg_sample_find(s, MG_CH(METER_CLOCK, TOTAL));
    if (v == NULL || v->quality != MG_QUALITY_GOOD) {
        return;
    }
    int64_t off_s = v->value - s->utc_ms / 1000;
    if (off_s >= -CLOCK_OFF_MAX_S && off_s <= CLOCK_OFF_MAX_S) {
        return;
    }
    char members[64];
    (void)snprintf(members, sizeof members, "\"off_s\":%lld", (long long)off_s);
    mg_event(m->gateway, m, MG_LOG_WARN, "meter-clock-off", members,
             "the meter's clock is off by %lld s; its tariffs follow it",
             (long long)off_s);
}

static void publish_slow(struct meter *m, struct mg_sample *s)
{
    check_meter_clock(m, s);
    /* Only what belongs to a billing period is settlement. */
    size_t n = 0;
    for (size_t i = 0; i < s->n_values; i++) {
        if (mg_channel_period(s->values[i].channel) != MG_PERIOD_EVER) {
            s->values[n++] = s->values[i];
        }
    }
    s->n_values = (uint16_t)n;
    s->epoch = m->check.epoch;
    char buf[READING_JSON_MAX];
    struct mg_json j = mg_json_init(buf, sizeof buf);
    if (n > 0 && mg_reading_json(s, m->gateway->epoch, &j) == MG_OK) {
        mg_meter_retain(m, "settlement", j.buf, j.len, 1);
    }
}

static void take_info(struct meter *m, const struct mg_sample *s)
{
    const struct mg_value *v = mg_sample_find(s, MG_CH(SERIAL, TOTAL));
    if (v != NULL && v->quality == MG_QUALITY_GOOD) {
        size_t len;
        const char *serial = mg_sample_text(s, v, &len);
        if (mg_check_serial(&m->check, serial, len)) {
            mg_event(m->gateway, m, MG_LOG_WARN, "meter-exchanged", NULL,
                     "another meter answers: serial %.*s instead of %s; "
                     "register epoch %llu begins",
                     (int)len, serial, m->serial,
                     (unsigned long long)m->check.epoch);
        }
        (void)snprintf(m->serial, sizeof m->serial, "%s", m->check.serial);
        mg_memory_save_check(m);
    }
    v = mg_sample_find(s, MG_CH(OCMF_VERSION, TOTAL));
    if (v != NULL && v->quality == MG_QUALITY_GOOD && v->value > 0 &&
        v->value <= UINT16_MAX) {
        m->ocmf_version = (uint16_t)v->value;
    }
    mg_meter_publish_info(m);
}

void mg_pipeline_sample(struct meter *m, struct mg_sample *s)
{
    const struct mg_gateway_settings *settings = &m->gateway->settings;
    if (s->group == MG_GROUP_LIVE) {
        publish_live(m, s);
    }
    if (settings->observer != NULL && settings->observer->sample != NULL) {
        settings->observer->sample(settings->ctx, m->index, s);
    }
    const struct mg_gateway_observer *bridge = m->gateway->bridge;
    if (bridge != NULL && bridge->sample != NULL) {
        bridge->sample(m->gateway->bridge_ctx, m->index, s);
    }
    if (s->group == MG_GROUP_SLOW) {
        publish_slow(m, s);
    } else if (s->group == MG_GROUP_INFO) {
        take_info(m, s);
    }
}
