/* Commands: may this be done, with these arguments, now? And the answer. */
#include <stdio.h>
#include <string.h>

#include "model/channel.h"
#include "run/gateway_priv.h"

#define REFUSALS_MAX     20U /* reported within a minute */
#define MEMBERS_MAX      24
#define MEMBERS_TEXT_MAX 256 /* a verb of 31 bytes, all of them escaped */

/* Members that belong to the envelope, not to the command. */
bool mg_command_is_envelope(const struct mg_json_member *member)
{
    static const char *const names[] = {"id", "reply_to", "expires",
                                        "expires_ms"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i]) == member->key_len &&
            memcmp(names[i], member->key, member->key_len) == 0) {
            return true;
        }
    }
    return false;
}

static struct meter *find_meter(struct mg_gateway *g, const char *id)
{
    for (size_t i = 0; i < g->n_meters; i++) {
        if (strcmp(g->meters[i].setup->id, id) == 0) {
            return &g->meters[i];
        }
    }
    return NULL;
}

void mg_command_put_head(struct mg_json *j, const struct mg_gateway *g,
                         const char *meter, const char *verb, const char *id,
                         bool is_ok)
{
    int64_t utc_ms = mg_clock_utc_ms(g->clock);
    mg_json_open(j, '{');
    mg_json_member_bool(j, "ok", is_ok);
    if (id[0] != '\0') {
        mg_json_member_str(j, "id", id);
    }
    mg_json_member_str(j, "gateway", g->setup->gateway);
    mg_json_member_str(j, "meter", meter);
    mg_json_member_str(j, "verb", verb);
    mg_json_member_time(j, "ts", utc_ms);
    mg_json_member_int(j, "ts_ms", utc_ms);
}

void mg_command_put_error(struct mg_json *j, int code, const char *reason)
{
    mg_json_member_str(j, "error", mg_code_name(code));
    mg_json_member_str(j, "reason", reason);
}

void mg_command_send(struct mg_gateway *g, const struct mg_reply_to *to,
                     const struct mg_json *j)
{
    if (g->sink != NULL && to->topic[0] != '\0' && !j->failed) {
        g->sink->ops->reply(g->sink, to, j->buf, j->len);
    }
}

/* Members of an event. A verb that was refused is anybody's text. */
static void put_outcome(char ret[MEMBERS_TEXT_MAX], const char *verb,
                        bool is_ok)
{
    struct mg_json j = mg_json_init(ret, MEMBERS_TEXT_MAX - 1);
    mg_json_member_str(&j, "verb", verb);
    mg_json_member_bool(&j, "ok", is_ok);
    ret[j.len] = '\0';
}

/* A storm of them must not fill the log and the outbox. */
bool mg_refusal_is_reported(struct mg_gateway *g)
{
    uint64_t now_ms = mg_clock_now_ms(g->clock);
    if (g->refusals.n == 0 || now_ms - g->refusals.since_ms >= 60000) {
        g->refusals.since_ms = now_ms;
        g->refusals.n = 0;
    }
    if (g->refusals.n > REFUSALS_MAX) {
        return false;
    }
    if (g->refusals.n++ < REFUSALS_MAX) {
        return true;
    }
    mg_event(g, NULL, MG_LOG_WARN, "commands-refused", NULL,
             "more than %u commands were refused within a minute; those that "
             "follow in it are not reported",
             REFUSALS_MAX);
    return false;
}

static void refuse(struct mg_gateway *g, const struct mg_command *c,
                   const char *id, const struct mg_err *err)
{
    char buf[COMMAND_JSON_MAX];
    struct mg_json j = mg_json_init(buf, sizeof buf);
    mg_command_put_head(&j, g, c->meter, c->verb, id, false);
    mg_command_put_error(&j, err->code, err->text);
    mg_json_close(&j, '}');
    mg_command_send(g, &c->reply_to, &j);
    if (!mg_refusal_is_reported(g)) {
        return;
    }
    char members[MEMBERS_TEXT_MAX];
    put_outcome(members, c->verb, false);
    mg_event(g, find_meter(g, c->meter), MG_LOG_WARN, "command-refused",
             members, "command %s refused: %s", c->verb, err->text);
}

static int set_arg(const struct mg_procedure *p, void *args,
                   const struct mg_json_member *member, bool *seen,
                   struct mg_err *err)
{
    char name[48];
    char text[128];
    size_t len = 0;
    if (member->key_len >= sizeof name) {
        return mg_err_set(err, MG_E_INVAL, "a member's name is too long");
    }
    memcpy(name, member->key, member->key_len);
    name[member->key_len] = '\0';
    if (member->type == MG_JSON_STRING) {
        if (mg_json_string(member, text, sizeof text - 1, &len) != MG_OK) {
            return mg_err_set(err, MG_E_RANGE, "%s is too long", name);
        }
    } else if (member->value_len < sizeof text) {
        len = member->value_len;
        memcpy(text, member->value, len);
    }
    text[len] = '\0';
    if (strlen(text) != len) {
        return mg_err_set(err, MG_E_INVAL, "%s has a zero byte in it", name);
    }
    size_t index;
    int rc = mg_options_set(p->args, p->n_args, args, name, text, &index, err);
    if (rc == MG_E_NOTFOUND) {
        return mg_err_set(err, MG_E_INVAL, "%s is no member of %s", name,
                          p->verb);
    }
    if (rc == MG_OK) {
        seen[index] = true;
    }
    return rc;
}

static int parse_args(const struct mg_procedure *p,
                      const struct mg_command *command, void *args,
                      struct mg_err *err)
{
    struct mg_json_member members[MEMBERS_MAX];
    bool seen[MEMBERS_MAX] = {false};
    size_t n = 0;
    size_t error_at = 0;
    const char *text = command->len == 0 ? "{}" : command->payload;
    size_t len = command->len == 0 ? 2 : command->len;
    if (p->n_args > MEMBERS_MAX || p->args_size > TASK_ARGS_MAX) {
        return mg_err_set(err, MG_E_NOSPC, "%s has too many arguments",
                          p->verb);
    }
    int rc = mg_json_parse_flat(text, len, members, MEMBERS_MAX, &n, &error_at);
    if (rc != MG_OK) {
        return mg_err_set(err, rc, "not a flat JSON object: byte %zu",
                          error_at + 1);
    }
    mg_options_default(p->args, p->n_args, args);
    for (size_t i = 0; i < n; i++) {
        if (mg_command_is_envelope(&members[i])) {
            continue;
        }
        rc = set_arg(p, args, &members[i], seen, err);
        if (rc != MG_OK) {
            return rc;
        }
    }
    for (size_t i = 0; i < p->n_args; i++) {
        if (p->args[i].is_required && !seen[i]) {
            return mg_err_set(err, MG_E_INVAL, "member %s is missing: %s",
                              p->args[i].name, p->args[i].help);
        }
    }
    return MG_OK;
}

static void read_id(const struct mg_command *command, char id[TASK_ID_MAX])
{
    struct mg_json_member members[MEMBERS_MAX];
    size_t n = 0;
    size_t error_at;
    size_t len;
    id[0] = '\0';
    if (mg_json_parse_flat(command->payload, command->len, members, MEMBERS_MAX,
                           &n, &error_at) != MG_OK) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (members[i].key_len == 2 && memcmp(members[i].key, "id", 2) == 0 &&
            members[i].type == MG_JSON_STRING &&
            mg_json_string(&members[i], id, TASK_ID_MAX - 1, &len) == MG_OK) {
            id[len] = '\0';
        }
    }
}

/* "session" allows all verbs of sessions. */
static bool is_allowed(const struct meter *m, const char *verb)
{
    bool is_session = mg_session_verb_find(verb) >= 0;
    for (size_t i = 0; i < m->setup->n_allowed; i++) {
        const char *allowed = m->setup->allowed[i];
        if (strcmp(allowed, verb) == 0 ||
            (is_session && strcmp(allowed, "session") == 0)) {
            return true;
        }
    }
    return false;
}

static size_t n_meters_on_line(const struct meter *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->gateway->n_meters; i++) {
        n += m->gateway->meters[i].line == m->line;
    }
    return n;
}

/* The number an integer argument was set to; 0 when there is none. */
static int64_t int_arg(const struct mg_procedure *p, const void *args,
                       const char *name)
{
    for (size_t i = 0; i < p->n_args; i++) {
        if (strcmp(p->args[i].name, name) == 0 &&
            p->args[i].type == MG_OPTION_INT) {
            int64_t value;
            memcpy(&value, (const char *)args + p->args[i].offset,
                   sizeof value);
            return value;
        }
    }
    return 0;
}

/* What would hurt other meters of the line. */
static int check_line(const struct meter *m, const struct mg_procedure *p,
                      const void *args, struct mg_err *err)
{
    if ((p->flags & (MG_PROC_SEAL | MG_PROC_UPDATE)) != 0 &&
        mg_session_transaction(m) != NULL) {
        return mg_err_set(err, MG_E_STATE,
                          "session %s is going on: not while it is billed",
                          mg_session_transaction(m));
    }
    if ((p->flags & MG_PROC_LINE_SPEED) != 0 &&
        m->line->setup->modbus.framing != MG_MODBUS_RTU) {
        return mg_err_set(err, MG_E_STATE,
                          "the line speed behind %s belongs to its gateway",
                          m->line->setup->id);
    }
    if ((p->flags & MG_PROC_LINE_SPEED) != 0 && n_meters_on_line(m) > 1) {
        return mg_err_set(err, MG_E_STATE,
                          "%zu meters share %s: the speed of one cannot be "
                          "changed alone",
                          n_meters_on_line(m), m->line->setup->id);
    }
    if ((p->flags & MG_PROC_NEW_ADDRESS) == 0) {
        return MG_OK;
    }
    int64_t address = int_arg(p, args, "address");
    for (size_t i = 0; i < m->gateway->n_meters; i++) {
        const struct meter *other = &m->gateway->meters[i];
        if (other != m && other->line == m->line && other->address == address) {
            return mg_err_set(err, MG_E_STATE,
                              "address %lld is %s's on this line",
                              (long long)address, other->setup->id);
        }
    }
    return MG_OK;
}

static int refuse_verb(const char *verb, struct mg_err *err)
{
    return mg_err_set(err, MG_E_DENIED,
                      "%s is not in this meter's `allow` list", verb);
}

/* @param ret_task  NULL: a session command, it is on its way */
static int admit(struct mg_gateway *g, const struct mg_command *c,
                 const char *id, struct task **ret_task, struct mg_err *err)
{
    struct meter *m = find_meter(g, c->meter);
    *ret_task = NULL;
    if (!g->is_running) {
        return mg_err_set(err, MG_E_STATE, "the gateway is %s",
                          g->is_stopped ? "stopping" : "starting");
    }
    if (c->meter[0] == '\0') {
        return mg_err_set(err, MG_E_NOSUP, "the gateway has no command %s",
                          c->verb);
    }
    if (m == NULL) {
        return mg_err_set(err, MG_E_NOTFOUND, "no meter %s here", c->meter);
    }
    if (mg_session_verb_find(c->verb) >= 0) {
        return is_allowed(m, c->verb) ? mg_session_command(m, c, id, err)
                                      : refuse_verb(c->verb, err);
    }
    const struct mg_procedure *p = mg_procedure_find(m, c->verb);
    if (p == NULL || (p->flags & MG_PROC_SESSION) != 0) {
        return mg_err_set(err, MG_E_NOSUP, "%s has no command %s",
                          m->setup->plugin->model, c->verb);
    }
    if (!is_allowed(m, c->verb)) {
        return refuse_verb(c->verb, err);
    }
    struct task *t = mg_task_of(m);
    if (t == NULL) {
        return mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    if (t->procedure != NULL) {
        return mg_err_set(err, MG_E_BUSY, "%s is still going on",
                          t->procedure->verb);
    }
    memset(&t->kept, 0, sizeof t->kept);
    int rc = parse_args(p, c, t->kept.args, err);
    if (rc == MG_OK) {
        rc = check_line(m, p, t->kept.args, err);
    }
    if (rc == MG_OK) {
        t->procedure = p;
        *ret_task = t;
    }
    return rc;
}

void mg_command_receive(struct mg_gateway *g, const struct mg_command *command)
{
    struct mg_err err = {0};
    struct task *t = NULL;
    char id[TASK_ID_MAX];
    read_id(command, id);
    if (admit(g, command, id, &t, &err) != MG_OK) {
        refuse(g, command, id, &err);
        return;
    }
    if (t == NULL) {
        return;
    }
    (void)snprintf(t->kept.verb, sizeof t->kept.verb, "%s", command->verb);
    memcpy(t->kept.id, id, sizeof id);
    t->kept.reply_to = command->reply_to;
    t->kept.started_ms = mg_clock_utc_ms(g->clock);
    mg_log(MG_LOG_INFO, "%s: command %s begins", command->meter, command->verb);
    mg_procedure_start(t, MG_STEP_START);
}

/* A channel that was reported twice is shown before and after. */
static void put_values(struct mg_json *j, const struct task *t)
{
    for (size_t i = 0; i < t->n_values; i++) {
        const struct mg_value *v = &t->values[i];
        char key[MG_CHANNEL_KEY_MAX + 8];
        if (v->quality != MG_QUALITY_GOOD ||
            mg_channel_key(v->channel, key) != MG_OK) {
            continue;
        }
        for (size_t k = i + 1; k < t->n_values; k++) {
            if (t->values[k].channel == v->channel) {
                (void)snprintf(key + strlen(key), 8, "_before");
                break;
            }
        }
        enum mg_unit unit = mg_channel_unit(v->channel);
        mg_json_key(j, key);
        if (unit == MG_UNIT_BOOL) {
            mg_json_bool(j, v->value != 0);
        } else {
            mg_json_decimal(j, v->value, mg_unit_decimals(unit), v->resolution);
        }
    }
}

static void take_over_place(struct task *t)
{
    struct meter *m = t->meter;
    if ((t->procedure->flags & MG_PROC_NEW_ADDRESS) != 0 && t->out.unit != 0) {
        m->address = t->out.unit;
        mg_modbus_unit_move(m->unit, m->address);
    } else if ((t->procedure->flags & MG_PROC_LINE_SPEED) != 0 &&
               t->out.baud != 0) {
        m->baud = t->out.baud;
    } else {
        return;
    }
    mg_memory_save_place(m);
    mg_meter_publish_info(m);
    mg_event(m->gateway, m, MG_LOG_WARN, "meter-moved", NULL,
             "the meter now answers at unit %u, %u baud; update the "
             "configuration",
             m->address, m->baud != 0 ? m->baud : m->line->setup->modbus.baud);
}

void mg_command_finish(struct task *t, int code, const char *reason)
{
    struct meter *m = t->meter;
    struct mg_gateway *g = m->gateway;
    char buf[COMMAND_JSON_MAX];
    struct mg_json j = mg_json_init(buf, sizeof buf);
    mg_command_put_head(&j, g, m->setup->id, t->kept.verb, t->kept.id,
                        code == MG_OK);
    if (code != MG_OK) {
        mg_command_put_error(&j, code, reason);
    }
    put_values(&j, t);
    mg_json_close(&j, '}');
    mg_command_send(g, &t->kept.reply_to, &j);
    if (code == MG_OK) {
        take_over_place(t);
    }
    char members[MEMBERS_TEXT_MAX];
    put_outcome(members, t->kept.verb, code == MG_OK);
    mg_event(g, m, code == MG_OK ? MG_LOG_INFO : MG_LOG_WARN, "command",
             members, "command %s %s%s", t->kept.verb,
             code == MG_OK ? "carried out" : "failed: ", reason);
}
