/* Meters on CAN send by themselves. Their signals are decoded as they arrive;
 * at each due time the newest values become a reading, like a poll. A value
 * that is later than three cycles is stale; a meter none of whose messages is
 * in time is not there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/channel.h"
#include "run/can_priv.h"
#include "run/line.h"
#include "wire/isotp.h"

#define ONCE_TICK_NS (50 * 1000000ULL)
#define ONCE_MIN_NS  (2000 * 1000000ULL)

static struct mg_clock *clock_of(const struct can_meter *cm)
{
    return cm->meter->gateway->clock;
}

static uint64_t late_ns(const struct can_meter *cm, uint32_t cycle_ms)
{
    uint32_t ms = cycle_ms == 0 ? cm->meter->setup->interval_ms : cycle_ms;
    return (uint64_t)ms * CAN_STALE_CYCLES * 1000000;
}

/* ---- Frames ---- */

static void decode(struct can_meter *cm, size_t i,
                   const struct mg_can_frame *frame, uint64_t arrived_ns)
{
    const struct mg_can_signal *s = &cm->map.signals[i];
    struct can_value *v = &cm->values[i];
    int64_t value = 0;
    int64_t resolution = 0;
    int rc = mg_dbc_decode(s->message, s->signal, frame->data, frame->len,
                           s->exp10, &value, &resolution);
    if (rc == MG_E_NOTFOUND) {
        return; /* another page has come */
    }
    v->arrived_ns = arrived_ns;
    v->quality = rc == MG_OK ? MG_QUALITY_GOOD : MG_QUALITY_INVALID;
    v->value = value;
    v->resolution = resolution;
}

static void arrived(struct mg_can_listener *listener,
                    const struct mg_can_frame *frame, uint64_t arrived_ns)
{
    struct can_frame *f = (struct can_frame *)listener;
    struct can_meter *cm = f->owner;
    if (frame->is_remote || frame->len < f->message->len) {
        return; /* whoever sent it, it is not this message */
    }
    cm->heard_ns = arrived_ns;
    for (size_t i = 0; i < f->n; i++) {
        decode(cm, f->at[i], frame, arrived_ns);
    }
}

static struct can_frame *frame_of(struct can_meter *cm,
                                  const struct mg_dbc_message *message)
{
    for (size_t i = 0; i < cm->n_frames; i++) {
        if (cm->frames[i].message == message) {
            return &cm->frames[i];
        }
    }
    if (cm->n_frames == CAN_FRAMES_MAX) {
        return NULL;
    }
    struct can_frame *f = &cm->frames[cm->n_frames++];
    f->owner = cm;
    f->message = message;
    f->late_ns = late_ns(cm, message->cycle_ms);
    return f;
}

static unsigned variant_of(const struct mg_setup_meter *setup)
{
    return setup->plugin->variant == NULL
               ? 0
               : setup->plugin->variant(setup->options);
}

int mg_can_meter_make(struct meter *m, struct mg_err *err)
{
    const struct mg_setup_meter *setup = m->setup;
    struct can_meter *cm = calloc(1, sizeof *cm);
    if (cm == NULL) {
        return mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    m->can = cm;
    cm->meter = m;
    int rc = mg_can_map_build(setup->plugin->driver->can, variant_of(setup),
                              mg_setup_circuit(setup), setup->dbc,
                              setup->signals, setup->n_signals, &cm->map, err);
    for (size_t i = 0; rc == MG_OK && i < cm->map.n; i++) {
        struct can_frame *f = frame_of(cm, cm->map.signals[i].message);
        if (f == NULL) {
            return mg_err_set(err, MG_E_NOSPC,
                              "meter %s: more than %d CAN messages", setup->id,
                              CAN_FRAMES_MAX);
        }
        f->at[f->n++] = (uint8_t)i;
    }
    if (rc != MG_OK) {
        mg_err_prefix(err, "meter %s", setup->id);
    }
    return rc;
}

void mg_can_meter_free(struct meter *m)
{
    if (m->can != NULL) {
        mg_telegram_free(m->can);
        free(m->can);
        m->can = NULL;
    }
}

/* ---- On the bus ---- */

static int identifier(const struct can_meter *cm,
                      const struct mg_dbc_message *message, uint32_t *ret,
                      struct mg_err *err)
{
    const struct meter *m = cm->meter;
    if (mg_can_node_id(cm->map.dbc, message, m->address, ret) != MG_OK) {
        return mg_err_set(err, MG_E_RANGE,
                          "meter %s: node %u puts message %s beyond the "
                          "identifiers of CAN",
                          m->setup->id, m->address, message->name);
    }
    return MG_OK;
}

static void message_came(void *ctx, const uint8_t *data, size_t len)
{
    struct can_meter *cm = ctx;
    if (!mg_telegram_message(cm, data, len)) {
        mg_can_exchange_message(cm, data, len);
    }
}

static void message_sent(void *ctx, int code, const char *reason)
{
    (void)reason; /* said with the time-out of whoever asked */
    mg_can_exchange_sent(ctx, code);
}

static int open_channel(struct can_meter *cm, struct mg_err *err)
{
    static const struct mg_can_channel_events events = {.message = message_came,
                                                        .sent = message_sent};
    const struct mg_isotp_settings settings = {.tx_dl = MG_CAN_CLASSIC_MAX,
                                               .is_padded = true,
                                               .pad = 0xcc,
                                               .wait_max = 10,
                                               .max_len = MG_PDU_MAX};
    const struct mg_can_map *map = &cm->map;
    if (map->to_meter == NULL || map->from_meter == NULL) {
        return MG_OK;
    }
    struct mg_can_frame rx = {.is_extended = map->from_meter->is_extended};
    struct mg_can_frame tx = {.is_extended = map->to_meter->is_extended};
    int rc = identifier(cm, map->from_meter, &rx.id, err);
    if (rc == MG_OK) {
        rc = identifier(cm, map->to_meter, &tx.id, err);
    }
    if (rc != MG_OK) {
        return rc;
    }
    cm->channel = mg_can_channel_create(cm->meter->line->can, &rx, &tx,
                                        &settings, &events, cm);
    return cm->channel == NULL
               ? mg_err_set(err, MG_E_NOMEM,
                            "meter %s: out of memory, or more than %d "
                            "identifiers on the bus",
                            cm->meter->setup->id, MG_CAN_LISTENERS_MAX)
               : MG_OK;
}

int mg_can_meter_attach(struct meter *m, struct mg_err *err)
{
    struct can_meter *cm = m->can;
    int rc = mg_telegram_load(cm, err);
    for (size_t i = 0; rc == MG_OK && i < cm->n_frames; i++) {
        struct can_frame *f = &cm->frames[i];
        f->listener.is_extended = f->message->is_extended;
        f->listener.frame = arrived;
        rc = identifier(cm, f->message, &f->listener.id, err);
        if (rc == MG_OK && mg_can_listen(m->line->can, &f->listener) != MG_OK) {
            rc =
                mg_err_set(err, MG_E_NOSPC, "line %s: more than %d identifiers",
                           m->line->setup->id, MG_CAN_LISTENERS_MAX);
        }
    }
    return rc == MG_OK ? open_channel(cm, err) : rc;
}

void mg_can_meter_detach(struct meter *m)
{
    struct can_meter *cm = m->can;
    if (cm == NULL) {
        return;
    }
    mg_timer_stop(&cm->once_timer);
    mg_can_exchange_stop(cm);
    mg_telegram_stop(cm);
}

void mg_can_meter_close(struct meter *m)
{
    if (m->can != NULL && m->can->channel != NULL) {
        mg_can_channel_destroy(m->can->channel);
        m->can->channel = NULL;
    }
}

/* ---- Readings ---- */

static uint8_t quality_now(const struct can_meter *cm, size_t i,
                           uint64_t now_ns)
{
    const struct can_value *v = &cm->values[i];
    if (v->arrived_ns == 0) {
        return MG_QUALITY_MISSING;
    }
    const struct mg_can_signal *s = &cm->map.signals[i];
    uint64_t limit_ns = late_ns(cm, s->message->cycle_ms);
    if (s->signal->mux == MG_DBC_MULTIPLEXED) {
        limit_ns *= s->message->n_signals; /* its page comes round */
    }
    return now_ns - v->arrived_ns > limit_ns ? MG_QUALITY_STALE : v->quality;
}

static void note_late(struct meter *m, const struct mg_can_signal *s,
                      uint8_t quality)
{
    if (m->trouble[0] == '\0') {
        (void)snprintf(m->trouble, sizeof m->trouble, "%s.%s is %s",
                       s->message->name, s->signal->name,
                       mg_quality_text((enum mg_quality)quality));
    }
}

/* @return values that are good */
static size_t fill_sample(struct can_meter *cm, struct mg_sample *sample)
{
    struct meter *m = cm->meter;
    uint64_t now_ns = mg_clock_now_ns(clock_of(cm));
    size_t n_good = 0;
    for (size_t i = 0; i < cm->map.n; i++) {
        const struct mg_can_signal *s = &cm->map.signals[i];
        struct mg_value v = {.channel = s->row->channel,
                             .quality = quality_now(cm, i, now_ns),
                             .value = cm->values[i].value,
                             .resolution = cm->values[i].resolution};
        if (v.quality == MG_QUALITY_GOOD) {
            n_good++;
            /* No value is older than the reading says. */
            if (sample->mono_ns == 0 ||
                cm->values[i].arrived_ns < sample->mono_ns) {
                sample->mono_ns = cm->values[i].arrived_ns;
            }
        } else {
            m->n_blocks_bad++;
            note_late(m, s, v.quality);
        }
        (void)mg_sample_add(sample, &v); /* a map fits */
    }
    mg_can_void_measured(m->setup->plugin->driver->can, sample->values,
                         sample->n_values);
    return n_good;
}

static const char *why_silent(const struct can_meter *cm)
{
    const struct line *line = cm->meter->line;
    if (!line->is_up) {
        return line->reason;
    }
    return cm->heard_ns == 0 ? "no frame of it has come"
                             : "no frame of it for more than three cycles";
}

void mg_can_meter_poll(struct meter *m)
{
    struct can_meter *cm = m->can;
    struct mg_sample *sample = &m->sample;
    m->is_polling = false;
    memset(sample, 0, offsetof(struct mg_sample, values));
    sample->group = MG_GROUP_LIVE;
    if (fill_sample(cm, sample) == 0) {
        mg_meter_failed(m, why_silent(cm));
        return;
    }
    uint64_t age_ns = mg_clock_now_ns(clock_of(cm)) - sample->mono_ns;
    sample->utc_ms =
        mg_clock_utc_ms(clock_of(cm)) - (int64_t)(age_ns / 1000000);
    sample->clock = (uint8_t)mg_clock_sync(clock_of(cm));
    m->n_good++;
    if (!m->has_info) {
        mg_can_identify(cm);
    }
    mg_telegram_watch(cm);
    mg_pipeline_sample(m, sample);
    mg_meter_answered(m, m->n_blocks_bad == 0, m->trouble);
}

/* ---- `read`: wait until all of it has come ---- */

static bool is_complete(const struct can_meter *cm)
{
    for (size_t i = 0; i < cm->map.n; i++) {
        if (cm->values[i].arrived_ns == 0) {
            return false;
        }
    }
    return cm->channel == NULL || cm->meter->has_info;
}

static void once_due(struct mg_timer *timer)
{
    struct can_meter *cm =
        (struct can_meter *)((char *)timer -
                             offsetof(struct can_meter, once_timer));
    uint64_t now_ns = mg_clock_now_ns(clock_of(cm));
    if (!cm->meter->has_info && cm->heard_ns != 0) {
        mg_can_identify(cm);
    }
    if (!is_complete(cm) && now_ns < cm->once_end_ns) {
        mg_timer_start(clock_of(cm), timer, now_ns + ONCE_TICK_NS, once_due);
        return;
    }
    mg_can_meter_poll(cm->meter);
}

void mg_can_meter_once(struct meter *m)
{
    struct can_meter *cm = m->can;
    uint64_t now_ns = mg_clock_now_ns(clock_of(cm));
    uint64_t longest_ns = ONCE_MIN_NS;
    for (size_t i = 0; i < cm->n_frames; i++) {
        longest_ns = cm->frames[i].late_ns > longest_ns ? cm->frames[i].late_ns
                                                        : longest_ns;
    }
    cm->once_end_ns = now_ns + longest_ns;
    mg_timer_start(clock_of(cm), &cm->once_timer, now_ns + ONCE_TICK_NS,
                   once_due);
}
