/* Messages of EVerest's broker: any topic and payload.
 *
 * Input: flags, then the topic up to a newline, then the payload. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/json.h"
#include "mqtt/everest_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_answer_topic(const struct mg_reply_to *to)
{
    assert(to->topic[0] == '\0' ||
           strncmp(to->topic, MG_EVEREST_API, strlen(MG_EVEREST_API)) == 0);
    assert(strpbrk(to->topic, "+#") == NULL);
    assert(strstr(to->topic, "/e2m/") == NULL);
}

static void check_text(const char *text, size_t cap)
{
    assert(memchr(text, '\0', cap) != NULL);
}

/* What the gateway is asked is bounded and says what it is. */
static void check_request(const struct mg_session_request *r)
{
    assert(r->verb == MG_VERB_BEGIN || r->verb == MG_VERB_END ||
           r->verb == MG_VERB_CANCEL);
    assert(r->verb != MG_VERB_CANCEL || r->transaction[0] == '\0');
    assert(r->is_forced == (r->verb == MG_VERB_BEGIN));
    assert(r->n_flags <= 4);
    for (size_t i = 0; i < r->n_flags; i++) {
        check_text(r->flags[i], sizeof r->flags[i]);
    }
    check_text(r->transaction, sizeof r->transaction);
    check_text(r->level, sizeof r->level);
    check_text(r->type, sizeof r->type);
    check_text(r->data, sizeof r->data);
    check_text(r->tariff, sizeof r->tariff);
    check_text(r->evse, sizeof r->evse);
}

static void check_accepted(const struct mg_command *c)
{
    struct mg_session_request request;
    struct mg_err err = {0};
    check_answer_topic(&c->reply_to);
    assert(c->meter[0] != '\0' && strpbrk(c->meter, "/+#") == NULL);
    if (strcmp(c->verb, MG_EVEREST_ALIVE) == 0) {
        assert(c->len == 0);
        return;
    }
    int rc = mg_everest_parse(c->verb, c->payload, c->len, &request, &err);
    if (rc == MG_OK) {
        check_request(&request);
    } else {
        assert(rc == MG_E_INVAL && err.text[0] != '\0');
    }
}

static void check_refused(const struct mg_command_verdict *v)
{
    char answer[MG_COMMAND_ANSWER_MAX];
    struct mg_json_member members[4];
    size_t n;
    size_t at;
    assert(v->code != NULL && v->reason[0] != '\0');
    check_answer_topic(&v->reply_to);
    size_t len = mg_everest_refusal(v, answer);
    assert(len > 0);
    assert(mg_json_parse_flat(answer, len, members, 4, &n, &at) == MG_OK);
    assert(n == 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct mg_command_rules rules = {.base = MG_EVEREST_BASE,
                                                  .max_bytes = 4096};
    struct mg_client_message *m = calloc(1, sizeof *m + size + 1);
    struct mg_command_verdict verdict;
    if (m == NULL || size == 0) {
        free(m);
        return 0;
    }
    const uint8_t *end = data + size;
    const uint8_t *topic = data + 1;
    const uint8_t *newline = memchr(topic, '\n', size - 1);
    m->is_retained = (data[0] & 1) != 0;
    m->is_duplicate = (data[0] & 2) != 0;
    m->is_expired = (data[0] & 4) != 0;
    m->topic_len = (size_t)((newline == NULL ? end : newline) - topic);
    memcpy(m->topic, topic,
           m->topic_len < sizeof m->topic ? m->topic_len : sizeof m->topic);
    if (newline != NULL) {
        m->len = (size_t)(end - newline) - 1;
        memcpy(m->payload, newline + 1, m->len);
    }
    mg_everest_check(&rules, m, 1740916800000, &verdict);
    if (verdict.command != NULL) {
        check_accepted(verdict.command);
    } else {
        check_refused(&verdict);
    }
    free(verdict.command);
    free(m);
    return 0;
}
