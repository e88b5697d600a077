/* MQTT command messages: any topic, properties and payload.
 *
 * Input: flags, then topic, response topic and payload, each up to a newline
 * (the payload to the end). */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/json.h"
#include "mqtt/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes a line. @return its length on the wire; cut to cap in the buffer */
static size_t take_line(const uint8_t **at, const uint8_t *end, char *to,
                        size_t cap)
{
    const uint8_t *begin = *at;
    const uint8_t *newline =
        begin == end ? NULL : memchr(begin, '\n', (size_t)(end - begin));
    size_t len = (size_t)((newline == NULL ? end : newline) - begin);
    memcpy(to, begin, len < cap ? len : cap);
    *at = newline == NULL ? end : newline + 1;
    return len;
}

/* An accepted command must be what was promised. */
static void check_accepted(const struct mg_command *c)
{
    struct mg_json_member members[MG_COMMAND_MEMBERS_MAX];
    size_t n;
    size_t at;
    assert(c->verb[0] != '\0' && strlen(c->payload) == c->len);
    assert(strpbrk(c->reply_to.topic, "+#") == NULL);
    assert(c->reply_to.topic[0] != '$');
    assert(c->len == 0 ||
           mg_json_parse_flat(c->payload, c->len, members,
                              MG_COMMAND_MEMBERS_MAX, &n, &at) == MG_OK);
}

static void check_refused(const struct mg_command_verdict *v)
{
    char answer[MG_COMMAND_ANSWER_MAX];
    struct mg_json_member members[4];
    size_t n;
    size_t at;
    assert(v->code != NULL && v->reason[0] != '\0');
    size_t len = mg_command_answer(v, answer);
    assert(len > 0);
    assert(mg_json_parse_flat(answer, len, members, 4, &n, &at) == MG_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"cp1"};
    struct mg_client_message *m = calloc(1, sizeof *m + size + 1);
    struct mg_recent *recent = mg_recent_create(names, 1);
    struct mg_command_rules rules = {
        .base = "mg/v1/gw/", .max_bytes = 4096, .recent = recent};
    struct mg_command_verdict verdict;
    const uint8_t *end = data + size;
    if (m == NULL || recent == NULL || size == 0) {
        goto out;
    }
    m->is_retained = (data[0] & 1) != 0;
    m->is_duplicate = (data[0] & 2) != 0;
    m->is_expired = (data[0] & 4) != 0;
    m->correlation_len = data[0] >> 1;
    data++;
    m->topic_len = take_line(&data, end, m->topic, sizeof m->topic);
    m->response_topic_len =
        take_line(&data, end, m->response_topic, sizeof m->response_topic);
    m->len = (size_t)(end - data);
    memcpy(m->payload, data, m->len);
    mg_command_check(&rules, m, 1740916800000, &verdict);
    if (verdict.command != NULL) {
        check_accepted(verdict.command);
    } else {
        check_refused(&verdict);
    }
    free(verdict.command);
out:
    mg_recent_destroy(recent);
    free(m);
    return 0;
}
