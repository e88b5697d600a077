#include "mqtt/sim_control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "model/json.h"
#include "mqtt/uplink.h"
#include "run/scene.h"

#define CONTROL_TOPIC "sim/control"
#define DONE_TOPIC    "sim/done"

struct mg_sim_control {
    struct mg_sink *sink;      /* owned */
    struct mg_setup_mqtt mqtt; /* texts borrowed from the setup */
    char base[sizeof((struct mg_setup_mqtt *)NULL)->root + MG_ID_MAX + 2];
    void (*order)(void *ctx, const char *text, size_t len);
    void *ctx;
    /* Who waits for an answer, the oldest first. */
    size_t n_waiting;
    struct mg_reply_to waiting[MG_SIM_CONTROL_WAITING];
};

/* ---- What is taken ---- */

static void refuse(struct mg_command_verdict *ret, const char *code,
                   const char *reason)
{
    ret->code = code;
    (void)snprintf(ret->reason, sizeof ret->reason, "%s", reason);
}

static void set_reply(const struct mg_client_message *m, struct mg_reply_to *to)
{
    if (m->response_topic_len == 0 ||
        m->response_topic_len >= sizeof to->topic ||
        m->correlation_len > sizeof to->correlation) {
        return;
    }
    memcpy(to->topic, m->response_topic, m->response_topic_len);
    memcpy(to->correlation, m->correlation, m->correlation_len);
    to->correlation_len = m->correlation_len;
}

/* Answers are told in the order of the orders: each must be one, and get one.
 */
static bool is_one_line(const struct mg_client_message *m)
{
    return m->len > 0 && m->len <= MG_SCENE_ORDER_MAX &&
           memchr(m->payload, '\n', m->len) == NULL &&
           memchr(m->payload, '\0', m->len) == NULL;
}

static void check(const struct mg_command_rules *rules,
                  const struct mg_client_message *message, int64_t now_ms,
                  struct mg_command_verdict *ret)
{
    const struct mg_client_message *m = message;
    (void)now_ms;
    (void)rules;
    *ret = (struct mg_command_verdict){0};
    set_reply(m, &ret->reply_to);
    if (m->is_retained) {
        refuse(ret, "retained",
               "the order is retained; expected one that is "
               "not");
        return;
    }
    if (m->is_expired) {
        refuse(ret, "bad-order", "the order is expired");
        return;
    }
    if (!is_one_line(m)) {
        refuse(ret, "bad-order", "expected one line of at most 256 characters");
        return;
    }
    struct mg_command *c = calloc(1, sizeof *c + m->len + 1);
    if (c == NULL) {
        refuse(ret, "no-space", "out of memory");
        return;
    }
    c->reply_to = ret->reply_to;
    c->len = m->len;
    memcpy(c->payload, m->payload, m->len);
    ret->command = c;
}

static size_t refusal(const struct mg_command_verdict *verdict,
                      char buf[MG_COMMAND_ANSWER_MAX])
{
    struct mg_json j = mg_json_init(buf, MG_COMMAND_ANSWER_MAX);
    mg_json_open(&j, '{');
    mg_json_member_str(&j, "failed", verdict->code);
    mg_json_member_str(&j, "reason", verdict->reason);
    mg_json_close(&j, '}');
    return j.failed ? 0 : j.len;
}

/* ---- Loop thread ---- */

static void tell(struct mg_sim_control *c, const char *answer, size_t len)
{
    struct mg_reply_to to = {.correlation_len = 0};
    int n = snprintf(to.topic, sizeof to.topic, "%s" DONE_TOPIC, c->base);
    if (n > 0 && (size_t)n < sizeof to.topic) {
        c->sink->ops->reply(c->sink, &to, answer, len);
    }
}

static void on_command(void *ctx, const struct mg_command *command)
{
    static const char full[] =
        "{\"failed\":\"order\",\"reason\":\"too many orders without an "
        "answer\"}";
    struct mg_sim_control *c = ctx;
    if (c->n_waiting == MG_SIM_CONTROL_WAITING) {
        tell(c, full, sizeof full - 1);
        return;
    }
    c->waiting[c->n_waiting++] = command->reply_to;
    c->order(c->ctx, command->payload, command->len);
}

static void on_link(void *ctx, bool is_up, const char *text)
{
    (void)ctx;
    mg_log(MG_LOG_DEBUG, "orders to simulated meters: %s %s",
           is_up ? "connected" : "not connected:", text);
}

static void on_refused(void *ctx, const char *topic, const char *reason)
{
    (void)ctx;
    mg_log(MG_LOG_WARN, "%s: refused: %s", topic, reason);
}

void mg_sim_control_answer(struct mg_sim_control *control, const char *answer,
                           size_t len)
{
    struct mg_sim_control *c = control;
    tell(c, answer, len);
    if (c->n_waiting == 0) {
        return;
    }
    struct mg_reply_to to = c->waiting[0];
    c->n_waiting--;
    memmove(c->waiting, c->waiting + 1, c->n_waiting * sizeof c->waiting[0]);
    if (to.topic[0] != '\0') {
        c->sink->ops->reply(c->sink, &to, answer, len);
    }
}

static int open_uplink(struct mg_sim_control *c, uv_loop_t *loop,
                       struct mg_err *err)
{
    static const char *const filters[] = {CONTROL_TOPIC};
    static const struct mg_command_protocol protocol = {.check = check,
                                                        .answer = refusal};
    static const struct mg_sink_events events = {
        .command = on_command, .link = on_link, .refused = on_refused};
    struct mg_uplink_settings settings = {.loop = loop,
                                          .mqtt = &c->mqtt,
                                          .base = c->base,
                                          .availability = "",
                                          .filters = filters,
                                          .n_filters = 1,
                                          .protocol = &protocol,
                                          .events = &events,
                                          .ctx = c};
    c->sink = mg_uplink_open(&settings, err);
    return c->sink == NULL ? err->code : MG_OK;
}

struct mg_sim_control *
mg_sim_control_create(uv_loop_t *loop, const struct mg_setup *setup,
                      void (*order)(void *ctx, const char *text, size_t len),
                      void *ctx, struct mg_err *err)
{
    struct mg_sim_control *c = calloc(1, sizeof *c);
    if (c == NULL) {
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        return NULL;
    }
    c->order = order;
    c->ctx = ctx;
    c->mqtt = setup->mqtt;
    (void)snprintf(c->mqtt.client_id, sizeof c->mqtt.client_id, "sim-%s",
                   setup->gateway);
    (void)snprintf(c->base, sizeof c->base, "%s/%s/", setup->mqtt.root,
                   setup->gateway);
    if (open_uplink(c, loop, err) != MG_OK) {
        free(c);
        return NULL;
    }
    return c;
}

void mg_sim_control_destroy(struct mg_sim_control *control, uint32_t timeout_ms)
{
    if (control != NULL) {
        control->sink->ops->destroy(control->sink, timeout_ms);
        free(control);
    }
}
