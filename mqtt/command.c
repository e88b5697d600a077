#include "mqtt/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/json.h"

#define LEVELS_MAX 64U /* of an answer's topic; mosquitto takes 200 */

/* What a message says besides its arguments. */
struct envelope {
    char meter[MG_ID_MAX], verb[32];
    const struct mg_json_member *id, *reply_to, *expires, *expires_ms;
    struct mg_json_member members[MG_COMMAND_MEMBERS_MAX];
    size_t n;
};

static bool refuse(struct mg_command_verdict *v, const char *code,
                   const char *reason)
{
    v->code = code;
    (void)snprintf(v->reason, sizeof v->reason, "%s", reason);
    return false;
}

/* ---- The topic ---- */

static bool is_id_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

/* Takes [a-z0-9_-]+ up to the separator or the end. */
static bool take_id(const char **at, const char *end, char *to, size_t cap)
{
    const char *s = *at;
    size_t n = 0;
    while (s + n < end && is_id_char(s[n])) {
        n++;
    }
    if (n == 0 || n >= cap) {
        return false;
    }
    memcpy(to, s, n);
    to[n] = '\0';
    *at = s + n;
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

/* m/<meter>/cmd/<verb>, or cmd/<verb> for the gateway itself */
static bool parse_topic(const char *base, const char *topic, size_t len,
                        struct envelope *e)
{
    const char *at = topic;
    const char *end = topic + len;
    e->meter[0] = '\0';
    if (!take_text(&at, end, base)) {
        return false;
    }
    if (take_text(&at, end, "m/") &&
        !(take_id(&at, end, e->meter, sizeof e->meter) &&
          take_text(&at, end, "/"))) {
        return false;
    }
    return take_text(&at, end, "cmd/") &&
           take_id(&at, end, e->verb, sizeof e->verb) && at == end;
}

/* ---- Where the answer goes ---- */

/* Answers go below BASE/reply/ or elsewhere, never to our own topics: whoever
 * may only give commands could write readings there, or commands again. */
static bool is_own_topic(const char *base, const char *topic, size_t len)
{
    const char *at = topic;
    const char *end = topic + len;
    return take_text(&at, end, base) && !take_text(&at, end, "reply/");
}

/* A topic that an answer may go to. Brokers end the connection for one with too
 * many levels or with characters they do not like, so only ASCII is taken. */
static bool is_answer_topic(const char *base, const char *topic, size_t len)
{
    size_t n_levels = 1;
    if (len == 0 || len >= MG_REPLY_TOPIC_MAX || topic[0] == '$') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = topic[i];
        if (c < 0x20 || c > 0x7e || c == '+' || c == '#') {
            return false;
        }
        n_levels += c == '/';
    }
    return n_levels <= LEVELS_MAX && !is_own_topic(base, topic, len);
}

static bool set_answer_topic(const struct mg_command_rules *rules,
                             const char *topic, size_t len,
                             struct mg_command_verdict *v)
{
    if (!is_answer_topic(rules->base, topic, len)) {
        return refuse(
            v, "malformed",
            "the answer topic is not one that may be published to "
            "(1 to 255 ASCII characters, no wildcard, no $, at most 64 "
            "levels, no topic of the gateway but reply/...)");
    }
    memcpy(v->reply_to.topic, topic, len);
    v->reply_to.topic[len] = '\0';
    return true;
}

static bool take_response_topic(const struct mg_command_rules *rules,
                                const struct mg_client_message *m,
                                struct mg_command_verdict *v)
{
    if (m->response_topic_len == 0) {
        return true;
    }
    if (!set_answer_topic(rules, m->response_topic, m->response_topic_len, v)) {
        return false;
    }
    if (m->correlation_len > MG_CORRELATION_MAX) {
        return refuse(v, "malformed",
                      "the correlation data is longer than 64 bytes");
    }
    memcpy(v->reply_to.correlation, m->correlation, m->correlation_len);
    v->reply_to.correlation_len = m->correlation_len;
    return true;
}

/* The property of MQTT 5 goes before the member. */
static bool take_reply_to(const struct mg_command_rules *rules,
                          const struct envelope *e,
                          struct mg_command_verdict *v)
{
    char topic[MG_REPLY_TOPIC_MAX];
    size_t len;
    if (e->reply_to == NULL || v->reply_to.topic[0] != '\0') {
        return true;
    }
    if (mg_json_string(e->reply_to, topic, sizeof topic, &len) != MG_OK) {
        return refuse(v, "malformed",
                      "reply_to must be a topic of at most 255 bytes");
    }
    return set_answer_topic(rules, topic, len, v);
}

/* ---- The payload ---- */

static bool is_key(const struct mg_json_member *m, const char *name)
{
    return m->key_len == strlen(name) && memcmp(m->key, name, m->key_len) == 0;
}

static void find_members(struct envelope *e)
{
    for (size_t i = 0; i < e->n; i++) {
        const struct mg_json_member *m = &e->members[i];
        if (is_key(m, "id")) {
            e->id = m;
        } else if (is_key(m, "reply_to")) {
            e->reply_to = m;
        } else if (is_key(m, "expires")) {
            e->expires = m;
        } else if (is_key(m, "expires_ms")) {
            e->expires_ms = m;
        }
    }
}

static bool parse_payload(const struct mg_client_message *m, struct envelope *e,
                          struct mg_command_verdict *v)
{
    const char *text = m->len == 0 ? "{}" : m->payload;
    size_t len = m->len == 0 ? 2 : m->len;
    size_t at = 0;
    int rc = mg_json_parse_flat(text, len, e->members, MG_COMMAND_MEMBERS_MAX,
                                &e->n, &at);
    if (rc == MG_OK) {
        find_members(e);
        return true;
    }
    v->code = "malformed";
    (void)snprintf(v->reason, sizeof v->reason,
                   "the payload is not one flat JSON object: byte %zu%s",
                   at + 1,
                   rc == MG_E_NOSPC   ? ", too many members"
                   : rc == MG_E_NOSUP ? ", a nested value"
                                      : "");
    return false;
}

/* A string or an integer; kept as it is written. */
static bool take_id_member(const struct envelope *e,
                           struct mg_command_verdict *v)
{
    int64_t unused;
    if (e->id == NULL) {
        return true;
    }
    bool is_string = e->id->type == MG_JSON_STRING;
    if (e->id->value_len == 0 || e->id->value_len > MG_COMMAND_ID_MAX ||
        (!is_string && mg_json_int64(e->id, &unused) != MG_OK)) {
        return refuse(v, "malformed",
                      "id must be a string of 1 to 64 bytes or an integer");
    }
    (void)snprintf(v->id, sizeof v->id, "%s%.*s%s", is_string ? "\"" : "",
                   (int)e->id->value_len, e->id->value, is_string ? "\"" : "");
    return true;
}

static bool check_expiry(const struct envelope *e,
                         const struct mg_client_message *m, int64_t now_ms,
                         struct mg_command_verdict *v)
{
    static const char sentence[] = "the command has expired";
    int64_t at_ms;
    char text[MG_TIME_TEXT + 16];
    size_t len;
    if (m->is_expired) {
        return refuse(v, "expired", sentence);
    }
    if (e->expires != NULL) {
        if (mg_json_string(e->expires, text, sizeof text, &len) != MG_OK ||
            mg_time_parse(text, len, &at_ms) != MG_OK) {
            return refuse(v, "malformed",
                          "expires must be a time like 2025-03-02T12:00:00Z");
        }
        if (at_ms <= now_ms) {
            return refuse(v, "expired", sentence);
        }
    }
    if (e->expires_ms != NULL) {
        if (mg_json_int64(e->expires_ms, &at_ms) != MG_OK) {
            return refuse(v, "malformed",
                          "expires_ms must be an integer, ms since 1970");
        }
        if (at_ms <= now_ms) {
            return refuse(v, "expired", sentence);
        }
    }
    return true;
}

static bool is_repeated(const struct mg_command_rules *rules,
                        const struct envelope *e,
                        const struct mg_client_message *m,
                        const struct mg_command_verdict *v)
{
    if (m->is_duplicate) {
        return true;
    }
    return rules->recent != NULL && v->id[0] != '\0' &&
           mg_recent_test_and_add(rules->recent, e->meter, v->id,
                                  strlen(v->id));
}

static struct mg_command *make_command(const struct envelope *e,
                                       const struct mg_client_message *m,
                                       const struct mg_reply_to *reply_to)
{
    struct mg_command *c = calloc(1, sizeof *c + m->len + 1);
    if (c != NULL) {
        memcpy(c->meter, e->meter, sizeof c->meter);
        memcpy(c->verb, e->verb, sizeof c->verb);
        c->reply_to = *reply_to;
        c->len = m->len;
        memcpy(c->payload, m->payload, m->len);
    }
    return c;
}

static bool check(const struct mg_command_rules *rules,
                  const struct mg_client_message *m, int64_t now_ms,
                  struct envelope *e, struct mg_command_verdict *v)
{
    bool has_answer_topic = take_response_topic(rules, m, v);
    if (m->topic_len > sizeof m->topic ||
        !parse_topic(rules->base, m->topic, m->topic_len, e)) {
        return refuse(v, "malformed",
                      "not a command topic: m/<meter>/cmd/<verb> or "
                      "cmd/<verb>, of a-z 0-9 _ -");
    }
    if (m->len > rules->max_bytes) {
        v->code = "oversized";
        (void)snprintf(v->reason, sizeof v->reason,
                       "the command has %zu bytes; at most %zu are taken",
                       m->len, rules->max_bytes);
        return false;
    }
    if (!parse_payload(m, e, v) || !take_id_member(e, v)) {
        return false;
    }
    if (!has_answer_topic) {
        return false; /* the reason is set */
    }
    if (!take_reply_to(rules, e, v)) {
        return false;
    }
    if (m->is_retained) {
        return refuse(v, "retained",
                      "a retained command is never carried out; publish it "
                      "without the retain flag");
    }
    if (!check_expiry(e, m, now_ms, v)) {
        return false;
    }
    if (is_repeated(rules, e, m, v)) {
        return refuse(v, "duplicate",
                      "the command was delivered before and is not carried "
                      "out twice");
    }
    return true;
}

void mg_command_check(const struct mg_command_rules *rules,
                      const struct mg_client_message *message, int64_t now_ms,
                      struct mg_command_verdict *ret)
{
    struct envelope e = {0};
    *ret = (struct mg_command_verdict){0};
    if (!check(rules, message, now_ms, &e, ret)) {
        return;
    }
    ret->command = make_command(&e, message, &ret->reply_to);
    if (ret->command == NULL) {
        (void)refuse(ret, "no-space", "out of memory");
    }
}

void mg_command_refuse(struct mg_command_verdict *verdict, const char *code,
                       const char *reason)
{
    free(verdict->command);
    verdict->command = NULL;
    (void)refuse(verdict, code, reason);
}

size_t mg_command_answer(const struct mg_command_verdict *verdict,
                         char buf[MG_COMMAND_ANSWER_MAX])
{
    struct mg_json j = mg_json_init(buf, MG_COMMAND_ANSWER_MAX);
    mg_json_open(&j, '{');
    mg_json_member_bool(&j, "ok", false);
    if (verdict->id[0] != '\0') {
        mg_json_key(&j, "id");
        mg_json_raw(&j, verdict->id, strlen(verdict->id));
    }
    mg_json_member_str(&j, "error", verdict->code);
    mg_json_member_str(&j, "reason", verdict->reason);
    mg_json_close(&j, '}');
    return j.failed ? 0 : j.len;
}
