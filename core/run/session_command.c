/* The session verbs of the command topics: from the members of a command to a
 * request, from a result to the answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/session_priv.h"

#define MEMBERS_MAX 24
#define VALUE_MAX   256

struct asked {
    struct mg_gateway *gateway;
    struct meter *meter;
    char id[TASK_ID_MAX];
    char verb[32];
    struct mg_reply_to reply_to;
};

int mg_session_verb_find(const char *verb)
{
    for (int i = 0; i < MG_N_SESSION_VERBS; i++) {
        if (strcmp(mg_session_verb_text((enum mg_session_verb)i), verb) == 0) {
            return i;
        }
    }
    return -1;
}

/* ---- The request ---- */

static int set_text(char *to, size_t cap, const char *name, const char *value,
                    struct mg_err *err)
{
    if (strlen(value) >= cap) {
        return mg_err_set(err, MG_E_RANGE,
                          "%s: %zu bytes are too long; expected at most %zu",
                          name, strlen(value), cap - 1);
    }
    (void)snprintf(to, cap, "%s", value);
    return MG_OK;
}

/* "RFID_PLAIN,OCPP_AUTH" */
static int set_flags(struct mg_session_request *r, const char *value,
                     struct mg_err *err)
{
    const char *at = value;
    while (*at != '\0') {
        size_t len = strcspn(at, ", ");
        if (r->n_flags >= 4 || len >= sizeof r->flags[0]) {
            return mg_err_set(err, MG_E_RANGE,
                              "identification_flags: expected at most 4, with "
                              "a comma between them");
        }
        memcpy(r->flags[r->n_flags], at, len);
        r->flags[r->n_flags][len] = '\0';
        r->n_flags += len > 0;
        at += len;
        at += strspn(at, ", ");
    }
    return MG_OK;
}

static int set_reason(struct mg_session_request *r, const char *value,
                      struct mg_err *err)
{
    static const struct {
        const char *name;
        char letter;
    } reasons[] = {{"end", 'E'},   {"local", 'L'},      {"remote", 'R'},
                   {"abort", 'A'}, {"power-loss", 'P'}, {"E", 'E'},
                   {"L", 'L'},     {"R", 'R'},          {"A", 'A'},
                   {"P", 'P'}};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (strcmp(reasons[i].name, value) == 0) {
            r->reason = reasons[i].letter;
            return MG_OK;
        }
    }
    return mg_err_set(err, MG_E_INVAL,
                      "reason: expected end, local, remote, abort or "
                      "power-loss");
}

static int set_member(struct mg_session_request *r, const char *name,
                      const char *value, const struct mg_json_member *member,
                      struct mg_err *err)
{
    struct {
        const char *name;
        char *to;
        size_t cap;
    } texts[] = {
        {"transaction", r->transaction, sizeof r->transaction},
        {"identification", r->data, sizeof r->data},
        {"identification_type", r->type, sizeof r->type},
        {"identification_level", r->level, sizeof r->level},
        {"tariff_text", r->tariff, sizeof r->tariff},
        {"evse", r->evse, sizeof r->evse},
    };
    bool is_bool = strcmp(name, "assigned") == 0;
    if (is_bool != (member->type == MG_JSON_BOOL) ||
        (!is_bool && member->type != MG_JSON_STRING)) {
        return mg_err_set(err, MG_E_INVAL, "%s: expected %s", name,
                          is_bool ? "true or false" : "a text");
    }
    if (is_bool) {
        r->is_assigned = member->value[0] == 't';
        return MG_OK;
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(texts[i].name, name) == 0) {
            return set_text(texts[i].to, texts[i].cap, name, value, err);
        }
    }
    if (strcmp(name, "identification_flags") == 0) {
        return set_flags(r, value, err);
    }
    if (strcmp(name, "reason") == 0) {
        return set_reason(r, value, err);
    }
    return mg_err_set(err, MG_E_INVAL,
                      "%s is no member of a session command; there are "
                      "transaction, reason, assigned, identification, "
                      "identification_type, _level, _flags, tariff_text, evse",
                      name);
}

static int read_member(const struct mg_json_member *member,
                       struct mg_session_request *r, struct mg_err *err)
{
    char name[48], value[VALUE_MAX + 1];
    size_t len = 0;
    if (member->key_len >= sizeof name) {
        return mg_err_set(err, MG_E_INVAL, "a member's name is too long");
    }
    memcpy(name, member->key, member->key_len);
    name[member->key_len] = '\0';
    if (member->type == MG_JSON_STRING &&
        mg_json_string(member, value, sizeof value, &len) != MG_OK) {
        return mg_err_set(err, MG_E_RANGE, "%s is too long", name);
    }
    if (memchr(value, '\0', len) != NULL) {
        return mg_err_set(err, MG_E_INVAL, "%s has a NUL in it", name);
    }
    value[len] = '\0';
    return set_member(r, name, value, member, err);
}

static int parse(const struct mg_command *c, struct mg_session_request *r,
                 struct mg_err *err)
{
    struct mg_json_member members[MEMBERS_MAX];
    size_t n = 0, error_at = 0;
    if (c->len == 0) {
        return MG_OK;
    }
    int rc = mg_json_parse_flat(c->payload, c->len, members, MEMBERS_MAX, &n,
                                &error_at);
    if (rc != MG_OK) {
        return mg_err_set(err, rc, "not a flat JSON object: byte %zu",
                          error_at + 1);
    }
    for (size_t i = 0; rc == MG_OK && i < n; i++) {
        if (!mg_command_is_envelope(&members[i])) {
            rc = read_member(&members[i], r, err);
        }
    }
    return rc;
}

/* ---- The answer ---- */

static void put_dataset(struct mg_json *j, const struct mg_dataset *d)
{
    if (d->state != MG_DATASET_DONE) {
        return;
    }
    char pg[32];
    (void)snprintf(pg, sizeof pg, "%c%llu", d->context,
                   (unsigned long long)d->pagination);
    mg_json_member_str(j, "kind", mg_dataset_kind_text(d->kind));
    mg_json_member_str(j, "pagination", pg);
    mg_session_put_energy(j, "begin_wh", d->begin_mwh);
    mg_session_put_energy(j, "end_wh", d->end_mwh);
    if (d->begin_mwh != INT64_MIN && d->end_mwh != INT64_MIN) {
        mg_session_put_energy(j, "energy_wh", d->end_mwh - d->begin_mwh);
    }
    mg_json_member_str(j, "verification", d->verdict);
    mg_json_member_bool(j, "billable", d->is_billable);
    if (!d->is_billable) {
        mg_json_member_str(j, "not_billable_because", d->why);
    }
    mg_json_member_str(j, "fingerprint", d->fingerprint);
}

static void put_result(struct mg_json *j, const struct mg_session_result *r)
{
    if (r->transaction[0] != '\0') {
        mg_json_member_str(j, "transaction", r->transaction);
    }
    mg_json_member_bool(j, "running", r->is_running);
    if (r->is_repeated) {
        mg_json_member_bool(j, "repeated", true);
    }
    if (r->dataset != NULL) {
        put_dataset(j, r->dataset);
    } else {
        mg_session_put_energy(j, "begin_wh", r->begin_mwh);
        mg_session_put_energy(j, "now_wh", r->now_mwh);
    }
}

static void done(void *ctx, const struct mg_session_result *r)
{
    struct asked *a = ctx;
    char buf[COMMAND_JSON_MAX];
    struct mg_json j = mg_json_init(buf, sizeof buf);
    mg_command_put_head(&j, a->gateway, a->meter->setup->id, a->verb, a->id,
                        r->code == MG_OK);
    if (r->code != MG_OK) {
        mg_command_put_error(&j, r->code, r->reason);
    }
    put_result(&j, r);
    mg_json_close(&j, '}');
    mg_command_send(a->gateway, &a->reply_to, &j);
    /* The store may be closed when the gateway goes. */
    if (r->code == MG_OK ||
        (r->code != MG_E_CANCELED && mg_refusal_is_reported(a->gateway))) {
        char members[160];
        struct mg_json m = mg_json_init(members, sizeof members - 1);
        mg_json_member_str(&m, "verb", a->verb);
        mg_json_member_bool(&m, "ok", r->code == MG_OK);
        mg_json_member_str(&m, "transaction", r->transaction);
        members[m.len] = '\0';
        mg_event(a->gateway, a->meter,
                 r->code == MG_OK ? MG_LOG_INFO : MG_LOG_WARN, "command",
                 members, "%s %s%s", a->verb,
                 r->code == MG_OK ? "carried out" : "failed: ",
                 r->code == MG_OK ? "" : r->reason);
    }
    free(a);
}

int mg_session_command(struct meter *m, const struct mg_command *c,
                       const char *id, struct mg_err *err)
{
    struct mg_session_request r = {
        .verb = (enum mg_session_verb)mg_session_verb_find(c->verb)};
    int rc = parse(c, &r, err);
    if (rc != MG_OK) {
        return rc;
    }
    struct asked *a = calloc(1, sizeof *a);
    if (a == NULL) {
        return mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    a->gateway = m->gateway;
    a->meter = m;
    a->reply_to = c->reply_to;
    (void)snprintf(a->id, sizeof a->id, "%s", id);
    (void)snprintf(a->verb, sizeof a->verb, "%s", c->verb);
    mg_gateway_session(m->gateway, m->index, &r, done, a);
    explicit_bzero(&r, sizeof r);
    return MG_OK;
}
