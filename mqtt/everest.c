#include "mqtt/everest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "model/json.h"
#include "mqtt/everest_json.h"
#include "mqtt/everest_request.h"
#include "mqtt/uplink.h"

#define CHECK_MS    1000U /* EVerest raises a fault after 5 s of silence */
#define SILENCE_MS  5000U /* of EVerest, whose heart beats each second */
#define BUSY_MS     200U  /* another request of the meter is under way */
#define BUSY_TRIES  150U
#define ASKS_MAX    8 /* that wait, of a module */
#define REPLIES_MAX 4 /* to one request that is repeated */
#define TOPIC_MAX   128
#define SERIAL_MAX  64

/* A request and who wants to know what came of it. */
struct ask {
    struct mg_session_request request;
    struct mg_reply_to reply_to[REPLIES_MAX];
    size_t n_replies;
};

/* A meter that serves a module. */
struct served {
    struct mg_everest *everest;
    size_t meter;
    const char *module;
    char meter_id[SERIAL_MAX];
    bool is_known, is_online;
    bool has_told; /* values, at told_ns */
    uint64_t told_ns, alive_ms;
    bool is_alive;     /* EVerest, by its heartbeat */
    bool is_under_way; /* asks[0] is with the gateway */
    unsigned n_busy;
    size_t n_asks;
    struct ask asks[ASKS_MAX];
    struct mg_timer timer; /* the next request */
};

struct mg_everest {
    struct mg_everest_settings settings;
    struct mg_sink *sink; /* owned */
    struct mg_timer check;
    bool has_link, is_up;
    size_t n_served;
    struct served *served; /* owned */
    size_t *served_of;     /* owned; of a meter, SIZE_MAX = not served */
    struct mg_complaint complaint;
};

static uint64_t now_ns(const struct mg_everest *e)
{
    return mg_clock_now_ns(e->settings.clock);
}

/* ---- Telling ---- */

static void topic_of(const struct served *s, const char *name,
                     char ret[TOPIC_MAX])
{
    (void)snprintf(ret, TOPIC_MAX, "%s/m2e/%s", s->module, name);
}

static void tell(struct served *s, const char *name, const char *payload,
                 size_t len)
{
    char topic[TOPIC_MAX];
    struct mg_everest *e = s->everest;
    topic_of(s, name, topic);
    /* Fails when out of memory only; the next comes within a second. */
    (void)mg_uplink_tell(e->sink, topic, payload, len);
}

static void tell_check(struct served *s)
{
    const char *text = s->is_online ? "true" : "false";
    if (s->is_known) {
        tell(s, "communication_check", text, strlen(text));
    }
}

static void tell_key(struct served *s, const char *key_hex)
{
    char topic[TOPIC_MAX];
    char text[512];
    struct mg_json j = mg_json_init(text, sizeof text);
    struct mg_sink *sink = s->everest->sink;
    mg_json_str(&j, key_hex, strlen(key_hex));
    if (key_hex[0] == '\0' || j.failed) {
        return;
    }
    topic_of(s, "public_key_ocmf", topic);
    /* Retained: it changes hardly ever, and EVerest may start after us. */
    (void)sink->ops->retain(sink, topic, text, j.len, 1);
}

/* ---- What the gateway says ---- */

static struct served *served_of(struct mg_everest *e, size_t meter)
{
    size_t i = e->served_of[meter];
    return i == SIZE_MAX ? NULL : &e->served[i];
}

/* The serial number once it is known. */
static void learn_serial(struct served *s, const struct mg_sample *sample)
{
    const struct mg_value *v = mg_sample_find(sample, MG_CH(SERIAL, TOTAL));
    if (v == NULL || v->quality != MG_QUALITY_GOOD) {
        return;
    }
    size_t len;
    const char *text = mg_sample_text(sample, v, &len);
    if (len > 0 && len < sizeof s->meter_id) {
        memcpy(s->meter_id, text, len);
        s->meter_id[len] = '\0';
    }
}

static void on_sample(void *ctx, size_t meter, const struct mg_sample *sample)
{
    struct mg_everest *e = ctx;
    struct served *s = served_of(e, meter);
    char text[MG_EVEREST_VALUES_MAX];
    if (s == NULL) {
        return;
    }
    learn_serial(s, sample);
    uint64_t interval_ns = e->settings.setup->everest.interval_ms * 1000000ULL;
    /* Polls come a little early or late: half an interval is no reason to
     * wait for the one after the next. */
    bool is_early =
        s->has_told && now_ns(e) - s->told_ns < interval_ns - interval_ns / 8;
    if (sample->group != MG_GROUP_LIVE || is_early) {
        return;
    }
    size_t len = mg_everest_values(sample, s->meter_id, text);
    if (len > 0) {
        tell(s, "powermeter_values", text, len);
        s->has_told = true;
        s->told_ns = now_ns(e);
    }
}

static void on_state(void *ctx, size_t meter, enum mg_meter_state state,
                     const char *reason)
{
    struct served *s = served_of(ctx, meter);
    (void)reason;
    if (s == NULL || state == MG_METER_UNKNOWN) {
        return;
    }
    bool is_online = state != MG_METER_OFFLINE;
    bool is_news = !s->is_known || is_online != s->is_online;
    s->is_known = true;
    s->is_online = is_online;
    if (is_news) {
        tell_check(s);
    }
}

static void on_public_key(void *ctx, size_t meter, const char *key_hex)
{
    struct served *s = served_of(ctx, meter);
    if (s != NULL) {
        tell_key(s, key_hex);
    }
}

static void on_check(struct mg_timer *timer)
{
    struct mg_everest *e =
        (struct mg_everest *)((char *)timer -
                              offsetof(struct mg_everest, check));
    uint64_t now_ms = mg_clock_now_ms(e->settings.clock);
    for (size_t i = 0; i < e->n_served; i++) {
        struct served *s = &e->served[i];
        tell_check(s);
        if (s->is_alive && now_ms - s->alive_ms >= SILENCE_MS) {
            s->is_alive = false;
            mg_log(MG_LOG_WARN, "EVerest's module %s is silent", s->module);
        }
    }
    mg_timer_start(e->settings.clock, &e->check,
                   now_ns(e) + CHECK_MS * 1000000ULL, on_check);
}

/* ---- Requests ---- */

static void answer_all(const struct ask *a, struct mg_sink *sink,
                       const char *text, size_t len)
{
    for (size_t i = 0; i < a->n_replies; i++) {
        sink->ops->reply(sink, &a->reply_to[i], text, len);
    }
}

static size_t write_answer(const struct ask *a,
                           const struct mg_session_result *result, char *buf,
                           size_t cap)
{
    if (a->request.verb == MG_VERB_BEGIN) {
        return mg_everest_started(result, buf, cap);
    }
    return mg_everest_stopped(result, a->request.verb == MG_VERB_END, buf, cap);
}

static void answer(struct served *s, const struct mg_session_result *result)
{
    struct ask *a = &s->asks[0];
    size_t cap = mg_everest_stopped_max(result);
    char *buf = malloc(cap);
    size_t len = buf == NULL ? 0 : write_answer(a, result, buf, cap);
    if (len > 0) {
        answer_all(a, s->everest->sink, buf, len);
    } else {
        mg_log(MG_LOG_ERROR, "EVerest's module %s gets no answer: no memory",
               s->module);
    }
    free(buf);
}

static void finish(struct served *s)
{
    s->is_under_way = false;
    s->n_busy = 0;
    s->n_asks--;
    memmove(s->asks, s->asks + 1, s->n_asks * sizeof s->asks[0]);
    memset(&s->asks[s->n_asks], 0, sizeof s->asks[0]); /* names a person */
}

static void on_turn(struct mg_timer *timer);

static void next_in(struct served *s, uint32_t ms)
{
    if (s->n_asks > 0) {
        mg_timer_start(s->everest->settings.clock, &s->timer,
                       now_ns(s->everest) + ms * 1000000ULL, on_turn);
    }
}

static void on_done(void *ctx, const struct mg_session_result *result)
{
    struct served *s = ctx;
    if (result->code == MG_E_BUSY && s->n_busy < BUSY_TRIES) {
        s->n_busy++;
        s->is_under_way = false;
        next_in(s, BUSY_MS);
        return;
    }
    answer(s, result);
    finish(s);
    next_in(s, 0); /* the gateway is done with this one only after us */
}

static void on_turn(struct mg_timer *timer)
{
    struct served *s =
        (struct served *)((char *)timer - offsetof(struct served, timer));
    if (!s->is_under_way && s->n_asks > 0) {
        s->is_under_way = true;
        mg_gateway_session(s->everest->settings.gateway, s->meter,
                           &s->asks[0].request, on_done, s);
    }
}

static bool is_same(const struct mg_session_request *a,
                    const struct mg_session_request *b)
{
    return a->verb == b->verb && strcmp(a->transaction, b->transaction) == 0;
}

static void add_reply(struct ask *a, const struct mg_reply_to *to)
{
    if (to->topic[0] == '\0') {
        return;
    }
    if (a->n_replies == REPLIES_MAX) { /* nobody waits for the oldest */
        a->n_replies--;
        memmove(a->reply_to, a->reply_to + 1,
                a->n_replies * sizeof a->reply_to[0]);
    }
    a->reply_to[a->n_replies++] = *to;
}

static void refuse(struct mg_everest *e, const struct mg_command *c,
                   const char *reason)
{
    char text[MG_COMMAND_ANSWER_MAX];
    struct mg_command_verdict v = {0};
    (void)snprintf(v.reason, sizeof v.reason, "%s", reason);
    size_t len = mg_everest_refusal(&v, text);
    if (c->reply_to.topic[0] != '\0' && len > 0) {
        e->sink->ops->reply(e->sink, &c->reply_to, text, len);
    }
    if (mg_complaint_fail(&e->complaint, mg_clock_now_ms(e->settings.clock))) {
        mg_log(MG_LOG_WARN, "request of EVerest's module %s refused: %s",
               c->meter, reason);
    }
}

static void take_request(struct served *s, const struct mg_command *c)
{
    struct mg_err err = {0};
    struct mg_session_request request;
    if (mg_everest_parse(c->verb, c->payload, c->len, &request, &err) !=
        MG_OK) {
        refuse(s->everest, c, err.text);
        return;
    }
    /* What came last may be repeated; before another it is a new one. */
    struct ask *last = s->n_asks == 0 ? NULL : &s->asks[s->n_asks - 1];
    if (last != NULL && is_same(&last->request, &request)) {
        add_reply(last, &c->reply_to);
        return;
    }
    if (s->n_asks == ASKS_MAX) {
        refuse(s->everest, c, "too many requests wait");
        return;
    }
    struct ask *a = &s->asks[s->n_asks++];
    *a = (struct ask){.request = request};
    add_reply(a, &c->reply_to);
    if (s->n_asks == 1) {
        on_turn(&s->timer);
    }
}

static void take_heartbeat(struct served *s)
{
    struct mg_everest *e = s->everest;
    s->alive_ms = mg_clock_now_ms(e->settings.clock);
    if (!s->is_alive) {
        s->is_alive = true;
        mg_log(MG_LOG_INFO, "EVerest's module %s is there", s->module);
        tell_check(s);
    }
}

static void on_command(void *ctx, const struct mg_command *command)
{
    struct mg_everest *e = ctx;
    for (size_t i = 0; i < e->n_served; i++) {
        struct served *s = &e->served[i];
        if (strcmp(s->module, command->meter) != 0) {
            continue;
        }
        if (strcmp(command->verb, MG_EVEREST_ALIVE) == 0) {
            take_heartbeat(s);
        } else {
            take_request(s, command);
        }
        return;
    }
}

/* Said once, not for every attempt. */
static void on_link(void *ctx, bool is_up, const char *text)
{
    struct mg_everest *e = ctx;
    if (!e->has_link || e->is_up != is_up) {
        mg_log(is_up ? MG_LOG_INFO : MG_LOG_WARN, "EVerest: %s", text);
    }
    e->has_link = true;
    e->is_up = is_up;
}

static void on_refused(void *ctx, const char *topic, const char *reason)
{
    struct mg_everest *e = ctx;
    if (mg_complaint_fail(&e->complaint, mg_clock_now_ms(e->settings.clock))) {
        mg_log(MG_LOG_WARN, "request of EVerest refused: %s: %s", topic,
               reason);
    }
}

/* ---- Life ---- */

static bool add_served(struct mg_everest *e)
{
    const struct mg_setup *setup = e->settings.setup;
    e->served = calloc(setup->n_meters + 1, sizeof *e->served);
    e->served_of = calloc(setup->n_meters + 1, sizeof *e->served_of);
    if (e->served == NULL || e->served_of == NULL) {
        return false;
    }
    for (size_t i = 0; i < setup->n_meters; i++) {
        const struct mg_setup_meter *meter = &setup->meters[i];
        e->served_of[i] = SIZE_MAX;
        if (meter->session.everest[0] != '\0') {
            struct served *s = &e->served[e->n_served];
            e->served_of[i] = e->n_served++;
            s->everest = e;
            s->meter = i;
            s->module = meter->session.everest;
            (void)snprintf(s->meter_id, sizeof s->meter_id, "%s", meter->id);
        }
    }
    return true;
}

/* Each module's requests, so that those of others are not heard; beyond what
 * one subscription takes, all. */
static struct mg_sink *open_uplink(struct mg_everest *e,
                                   const struct mg_sink_events *events,
                                   struct mg_err *err)
{
    static const struct mg_command_protocol protocol = {
        .check = mg_everest_check, .answer = mg_everest_refusal};
    static const char *const all[] = {"+/e2m/+"};
    char filters[MG_CLIENT_FILTERS_MAX][TOPIC_MAX];
    const char *list[MG_CLIENT_FILTERS_MAX];
    bool is_listed = e->n_served <= MG_CLIENT_FILTERS_MAX;
    for (size_t i = 0; is_listed && i < e->n_served; i++) {
        (void)snprintf(filters[i], TOPIC_MAX, "%s/e2m/+", e->served[i].module);
        list[i] = filters[i];
    }
    struct mg_uplink_settings settings = {
        .loop = e->settings.loop,
        .mqtt = &e->settings.setup->everest.mqtt,
        .base = MG_EVEREST_BASE,
        .availability = "",
        .filters = is_listed ? list : all,
        .n_filters = is_listed ? e->n_served : 1,
        .protocol = &protocol,
        .events = events,
        .ctx = e};
    return mg_uplink_open(&settings, err);
}

static int begin(struct mg_everest *e, struct mg_err *err)
{
    static const struct mg_sink_events events = {
        .command = on_command, .link = on_link, .refused = on_refused};
    static const struct mg_gateway_observer observer = {
        .sample = on_sample, .state = on_state, .public_key = on_public_key};
    struct mg_gateway *gateway = e->settings.gateway;
    if (!add_served(e)) {
        return mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    e->sink = open_uplink(e, &events, err);
    if (e->sink == NULL) {
        return err->code;
    }
    mg_gateway_listen(gateway, &observer, e);
    for (size_t i = 0; i < e->n_served; i++) {
        tell_key(&e->served[i],
                 mg_gateway_public_key(gateway, e->served[i].meter));
    }
    mg_timer_start(e->settings.clock, &e->check,
                   now_ns(e) + CHECK_MS * 1000000ULL, on_check);
    return MG_OK;
}

struct mg_everest *mg_everest_create(const struct mg_everest_settings *settings,
                                     struct mg_err *err)
{
    struct mg_everest *e = calloc(1, sizeof *e);
    if (e == NULL) {
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        return NULL;
    }
    e->settings = *settings;
    if (begin(e, err) != MG_OK) {
        mg_err_prefix(err, "EVerest");
        free(e->served);
        free(e->served_of);
        free(e);
        return NULL;
    }
    return e;
}

void mg_everest_destroy(struct mg_everest *everest, uint32_t timeout_ms)
{
    struct mg_everest *e = everest;
    if (e == NULL) {
        return;
    }
    mg_gateway_listen(e->settings.gateway, NULL, NULL);
    mg_timer_stop(&e->check);
    for (size_t i = 0; i < e->n_served; i++) {
        struct served *s = &e->served[i];
        mg_timer_stop(&s->timer);
        s->is_known = true;
        s->is_online = false;
        tell_check(s);
    }
    e->sink->ops->destroy(e->sink, timeout_ms);
    if (e->served != NULL) {
        explicit_bzero(e->served, e->n_served * sizeof *e->served);
    }
    free(e->served);
    free(e->served_of);
    free(e);
}
