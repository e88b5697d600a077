#include "mqtt/everest_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/json.h"
#include "model/json_pull.h"

#define VALUE_MAX  512 /* bytes of a text, unescaped */
#define LEVELS_MAX 16U /* of an answer's topic; the API's own have 7 */

/* What stands around the payload of a request. */
struct envelope {
    char module[MG_ID_MAX], verb[32];
    const char *payload; /* borrowed; JSON */
    size_t payload_len;
    bool has_payload;
};

static bool refuse(struct mg_command_verdict *v, const char *code,
                   const char *reason)
{
    v->code = code;
    (void)snprintf(v->reason, sizeof v->reason, "%s", reason);
    return false;
}

/* ---- The topic ---- */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

/* A level of the topic, up to the separator or the end. */
static bool take_level(const char **at, const char *end, char *to, size_t cap)
{
    size_t n = 0;
    while (*at + n < end && is_name_char((*at)[n])) {
        n++;
    }
    if (n == 0 || n >= cap) {
        return false;
    }
    memcpy(to, *at, n);
    to[n] = '\0';
    *at += n;
    return true;
}

static bool take_text(const char **at, const char *end, const char *text)
{
    size_t n = strlen(text);
    if ((size_t)(end - *at) < n || memcmp(*at, text, n) != 0) {
        return false;
    }
    *at += n;
    return true;
}

/* <base><module>/e2m/<verb> */
static bool parse_topic(const char *base, const char *topic, size_t len,
                        struct envelope *e)
{
    const char *at = topic;
    const char *end = topic + len;
    return take_text(&at, end, base) &&
           take_level(&at, end, e->module, sizeof e->module) &&
           take_text(&at, end, "/e2m/") &&
           take_level(&at, end, e->verb, sizeof e->verb) && at == end &&
           (strcmp(e->verb, MG_EVEREST_START) == 0 ||
            strcmp(e->verb, MG_EVEREST_STOP) == 0 ||
            strcmp(e->verb, MG_EVEREST_ALIVE) == 0);
}

/* Answers stay within the API, and are never requests themselves. */
static bool is_answer_topic(const char *topic)
{
    size_t n_levels = 1;
    for (const char *c = topic; *c != '\0'; c++) {
        if (*c < 0x21 || *c > 0x7e || *c == '+' || *c == '#') {
            return false;
        }
        n_levels += *c == '/';
    }
    return strncmp(topic, MG_EVEREST_API, strlen(MG_EVEREST_API)) == 0 &&
           strstr(topic, "/e2m/") == NULL && n_levels <= LEVELS_MAX;
}

/* ---- The envelope ---- */

static bool is_key(const struct mg_pull_item *item, const char *key)
{
    return item->key != NULL && item->key_len == strlen(key) &&
           memcmp(item->key, key, item->key_len) == 0;
}

static bool take_reply_to(const struct mg_pull_item *item,
                          struct mg_command_verdict *v)
{
    size_t len;
    char *topic = v->reply_to.topic;
    if (item->kind == MG_PULL_STRING &&
        mg_pull_unescape(item->value, item->value_len, topic,
                         sizeof v->reply_to.topic, &len) == MG_OK &&
        (len == 0 || (strlen(topic) == len && is_answer_topic(topic)))) {
        return true;
    }
    topic[0] = '\0';
    return refuse(v, "malformed",
                  "replyTo must be a topic below " MG_EVEREST_API
                  " that is no request: ASCII, at most 255 bytes, no wildcard");
}

static bool take_headers(struct mg_pull *p, const struct mg_pull_item *headers,
                         struct mg_command_verdict *v)
{
    struct mg_pull_item item;
    if (headers->kind != MG_PULL_OBJECT) {
        return refuse(v, "malformed", "headers must be an object");
    }
    while (mg_pull_next(p, &item) && item.kind != MG_PULL_CLOSE) {
        if (is_key(&item, "replyTo") && !take_reply_to(&item, v)) {
            return false;
        }
        if (!mg_pull_skip(p, &item)) {
            break;
        }
    }
    return true; /* whether it ended well, the next item tells */
}

/* Where the value of an item begins that was just read. */
static const char *begin_of(const struct mg_pull *p,
                            const struct mg_pull_item *item)
{
    bool is_opened =
        item->kind == MG_PULL_OBJECT || item->kind == MG_PULL_ARRAY;
    bool is_string = item->kind == MG_PULL_STRING;
    return is_opened ? p->at - 1 : is_string ? item->value - 1 : item->value;
}

/* The members of a request. Which byte is wrong would not help: EVerest writes
 * it, no person does. */
static bool take_members(struct mg_pull *p, struct envelope *e,
                         struct mg_command_verdict *v)
{
    struct mg_pull_item item;
    while (mg_pull_next(p, &item)) {
        if (item.kind == MG_PULL_CLOSE) {
            return true;
        }
        if (is_key(&item, "headers")) {
            if (!take_headers(p, &item, v)) {
                return false;
            }
            continue;
        }
        const char *begin = begin_of(p, &item);
        if (!mg_pull_skip(p, &item)) {
            break;
        }
        if (is_key(&item, "payload")) {
            e->payload = begin;
            e->payload_len = (size_t)(p->at - begin);
            e->has_payload = true;
        }
    }
    return refuse(v, "malformed", "the request is not JSON");
}

static bool parse_envelope(const struct mg_client_message *m,
                           struct envelope *e, struct mg_command_verdict *v)
{
    struct mg_pull p = mg_pull_init(m->payload, m->len);
    struct mg_pull_item item;
    if (!mg_pull_next(&p, &item) || item.kind != MG_PULL_OBJECT) {
        return refuse(v, "malformed", "the request is not a JSON object");
    }
    if (!take_members(&p, e, v)) {
        return false;
    }
    mg_pull_space(&p);
    if (p.at != p.end) {
        return refuse(v, "malformed", "something follows the request");
    }
    return e->has_payload ||
           refuse(v, "malformed", "the request has no payload");
}

static bool check(const struct mg_command_rules *rules,
                  const struct mg_client_message *m, struct envelope *e,
                  struct mg_command_verdict *v)
{
    if (m->topic_len > sizeof m->topic ||
        !parse_topic(rules->base, m->topic, m->topic_len, e)) {
        return refuse(v, "malformed", "no request of the powermeter API");
    }
    if (m->is_retained) {
        return refuse(v, "retained", "a retained request is never carried out");
    }
    if (strcmp(e->verb, MG_EVEREST_ALIVE) == 0) {
        e->payload = "";
        return true;
    }
    if (m->len > rules->max_bytes) {
        v->code = "oversized";
        (void)snprintf(v->reason, sizeof v->reason,
                       "the request has %zu bytes; at most %zu are taken",
                       m->len, rules->max_bytes);
        return false;
    }
    if (!parse_envelope(m, e, v)) {
        return false;
    }
    return !m->is_expired || refuse(v, "expired", "the request has expired");
}

void mg_everest_check(const struct mg_command_rules *rules,
                      const struct mg_client_message *message, int64_t now_ms,
                      struct mg_command_verdict *ret)
{
    struct envelope e = {0};
    (void)now_ms; /* requests have no time of their own */
    *ret = (struct mg_command_verdict){0};
    if (!check(rules, message, &e, ret)) {
        return;
    }
    struct mg_command *c = calloc(1, sizeof *c + e.payload_len + 1);
    if (c == NULL) {
        (void)refuse(ret, "no-space", "out of memory");
        return;
    }
    memcpy(c->meter, e.module, sizeof c->meter);
    memcpy(c->verb, e.verb, sizeof c->verb);
    c->reply_to = ret->reply_to;
    c->len = e.payload_len;
    memcpy(c->payload, e.payload, e.payload_len);
    ret->command = c;
}

size_t mg_everest_refusal(const struct mg_command_verdict *verdict,
                          char buf[MG_COMMAND_ANSWER_MAX])
{
    struct mg_json j = mg_json_init(buf, MG_COMMAND_ANSWER_MAX);
    mg_json_open(&j, '{');
    mg_json_member_str(&j, "status", "UNEXPECTED_ERROR");
    mg_json_member_str(&j, "error", verdict->reason);
    mg_json_close(&j, '}');
    return j.failed ? 0 : j.len;
}

/* ---- The payload ---- */

static int wrong(struct mg_err *err, const char *name, const char *expected)
{
    return mg_err_set(err, MG_E_INVAL, "%s: expected %s", name, expected);
}

/* A text without NUL that fits. */
static int take_string(const struct mg_pull_item *item, const char *name,
                       char *to, size_t cap, struct mg_err *err)
{
    char text[VALUE_MAX + 1];
    size_t len = 0;
    if (item->kind == MG_PULL_NULL) {
        return MG_OK; /* as if it were not there */
    }
    if (item->kind != MG_PULL_STRING ||
        mg_pull_unescape(item->value, item->value_len, text, sizeof text,
                         &len) != MG_OK ||
        len >= cap || strlen(text) != len) {
        return mg_err_set(err, MG_E_INVAL,
                          "%s: expected a text of at most %zu bytes", name,
                          cap - 1);
    }
    memcpy(to, text, len + 1);
    return MG_OK;
}

static int take_status(const struct mg_pull_item *item, bool *ret,
                       struct mg_err *err)
{
    char text[32] = "";
    if (take_string(item, "identification_status", text, sizeof text, err) ==
            MG_OK &&
        (strcmp(text, "ASSIGNED") == 0 || strcmp(text, "NOT_ASSIGNED") == 0)) {
        *ret = strcmp(text, "ASSIGNED") == 0;
        return MG_OK;
    }
    return wrong(err, "identification_status", "ASSIGNED or NOT_ASSIGNED");
}

static int take_flags(struct mg_pull *p, const struct mg_pull_item *list,
                      struct mg_session_request *r, struct mg_err *err)
{
    static const char name[] = "identification_flags";
    struct mg_pull_item item;
    if (list->kind != MG_PULL_ARRAY) {
        return wrong(err, name, "a list of at most 4 texts");
    }
    r->n_flags = 0;
    while (mg_pull_next(p, &item) && item.kind != MG_PULL_CLOSE) {
        if (r->n_flags == sizeof r->flags / sizeof r->flags[0] ||
            item.kind != MG_PULL_STRING) {
            return wrong(err, name, "a list of at most 4 texts");
        }
        int rc = take_string(&item, name, r->flags[r->n_flags],
                             sizeof r->flags[0], err);
        if (rc != MG_OK) {
            return rc;
        }
        r->n_flags++;
    }
    return MG_OK;
}

/* Bits of the members that must be there. */
enum { HAS_EVSE = 1, HAS_ID = 2, HAS_STATUS = 4, HAS_ALL = 7 };

static int take_member(struct mg_pull *p, const struct mg_pull_item *item,
                       struct mg_session_request *r, unsigned *has,
                       struct mg_err *err)
{
    const struct {
        const char *name;
        char *to;
        size_t cap;
        unsigned bit;
    } texts[] = {
        {"evse_id", r->evse, sizeof r->evse, HAS_EVSE},
        {"transaction_id", r->transaction, sizeof r->transaction, HAS_ID},
        {"identification_type", r->type, sizeof r->type, 0},
        {"identification_level", r->level, sizeof r->level, 0},
        {"identification_data", r->data, sizeof r->data, 0},
        {"tariff_text", r->tariff, sizeof r->tariff, 0},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (is_key(item, texts[i].name)) {
            *has |= texts[i].bit;
            return take_string(item, texts[i].name, texts[i].to, texts[i].cap,
                               err);
        }
    }
    if (is_key(item, "identification_status")) {
        *has |= HAS_STATUS;
        return take_status(item, &r->is_assigned, err);
    }
    if (is_key(item, "identification_flags")) {
        return take_flags(p, item, r, err);
    }
    return mg_pull_skip(p, item) ? MG_OK : wrong(err, "payload", "JSON");
}

static int parse_start(struct mg_pull *p, const struct mg_pull_item *payload,
                       struct mg_session_request *r, struct mg_err *err)
{
    struct mg_pull_item item;
    unsigned has = 0;
    if (payload->kind != MG_PULL_OBJECT) {
        return wrong(err, "payload", "a TransactionReq");
    }
    while (mg_pull_next(p, &item) && item.kind != MG_PULL_CLOSE) {
        int rc = take_member(p, &item, r, &has, err);
        if (rc != MG_OK) {
            return rc;
        }
    }
    if (has != HAS_ALL) {
        return wrong(err, "payload",
                     "evse_id, transaction_id and identification_status");
    }
    r->verb = MG_VERB_BEGIN;
    r->is_forced = true;
    return MG_OK;
}

static int parse_stop(const struct mg_pull_item *payload,
                      struct mg_session_request *r, struct mg_err *err)
{
    int rc = payload->kind == MG_PULL_STRING
                 ? take_string(payload, "payload", r->transaction,
                               sizeof r->transaction, err)
                 : wrong(err, "payload", "a transaction id");
    r->verb = r->transaction[0] == '\0' ? MG_VERB_CANCEL : MG_VERB_END;
    return rc;
}

int mg_everest_parse(const char *verb, const char *payload, size_t len,
                     struct mg_session_request *ret, struct mg_err *err)
{
    struct mg_session_request r = {0};
    struct mg_pull p = mg_pull_init(payload, len);
    struct mg_pull_item item;
    if (!mg_pull_next(&p, &item)) {
        return wrong(err, "payload", "JSON");
    }
    int rc = strcmp(verb, MG_EVEREST_START) == 0
                 ? parse_start(&p, &item, &r, err)
                 : parse_stop(&item, &r, err);
    if (rc == MG_OK && p.depth != 0) {
        rc = wrong(err, "payload", "JSON");
    }
    if (rc == MG_OK) {
        *ret = r;
    }
    return rc;
}
