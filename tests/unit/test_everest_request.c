/* What comes from EVerest's broker: which messages are requests, and what they
 * ask for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mqtt/everest_request.h"

#define TOPIC(verb) MG_EVEREST_BASE "pm_1/e2m/" verb
#define REPLY       MG_EVEREST_BASE "pm_1/m2e/reply/7"
#define HEADERS     "\"headers\":{\"replyTo\":\"" REPLY "\"}"

static struct mg_command_verdict verdict;
static struct mg_client_message *message;

static int teardown(void **state)
{
    (void)state;
    free(verdict.command);
    free(message);
    verdict = (struct mg_command_verdict){0};
    message = NULL;
    return 0;
}

static void make_len(const char *topic, const char *payload, size_t len)
{
    (void)teardown(NULL);
    message = calloc(1, sizeof *message + len + 1);
    assert_non_null(message);
    message->topic_len = strlen(topic);
    assert_true(message->topic_len <= sizeof message->topic);
    memcpy(message->topic, topic, message->topic_len);
    message->len = len;
    memcpy(message->payload, payload, len);
}

static const struct mg_command *check_now(void)
{
    static const struct mg_command_rules rules = {.base = MG_EVEREST_BASE,
                                                  .max_bytes = 4096};
    mg_everest_check(&rules, message, 0, &verdict);
    return verdict.command;
}

static const struct mg_command *check(const char *topic, const char *payload)
{
    make_len(topic, payload, strlen(payload));
    return check_now();
}

static void assert_refused(const char *topic, const char *payload,
                           const char *part)
{
    assert_null(check(topic, payload));
    if (strstr(verdict.reason, part) == NULL) {
        fail_msg("%s: \"%s\" for %s", part, verdict.reason, payload);
    }
}

static void test_accepted(void **state)
{
    (void)state;
    const struct mg_command *c = check(
        TOPIC("start_transaction"),
        " {" HEADERS ",\"more\":[{\"x\":[]}],\"payload\" : {\"a\":[1]} } ");
    assert_non_null(c);
    assert_string_equal(c->meter, "pm_1");
    assert_string_equal(c->verb, "start_transaction");
    assert_string_equal(c->reply_to.topic, REPLY);
    assert_string_equal(c->payload, "{\"a\":[1]}");
    assert_int_equal(c->len, strlen(c->payload));
    /* Nobody has to want an answer. */
    c = check(TOPIC("stop_transaction"), "{\"payload\":\"tx\"}");
    assert_non_null(c);
    assert_string_equal(c->reply_to.topic, "");
    assert_string_equal(c->payload, "\"tx\"");
    c = check(TOPIC("stop_transaction"),
              "{\"headers\":{\"replyTo\":\"\"},\"payload\":\"\"}");
    assert_non_null(c);
    assert_string_equal(c->payload, "\"\"");
    c = check(TOPIC("heartbeat"), "17");
    assert_non_null(c);
    assert_int_equal(c->len, 0);
    c = check(TOPIC("stop_transaction"),
              "{\"payload\":[true,{}],\"headers\":{\"other\":{}}}");
    assert_non_null(c);
    assert_string_equal(c->payload, "[true,{}]");
}

static void test_topics(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "everest_api/2/powermeter/pm_1/e2m/start_transaction",
        MG_EVEREST_BASE "pm_1/m2e/start_transaction",
        MG_EVEREST_BASE "/e2m/start_transaction",
        MG_EVEREST_BASE "pm/1/e2m/start_transaction",
        TOPIC("start_transactions"),
        TOPIC("start_transaction/x"),
        MG_EVEREST_BASE "a234567890123456789012345678901234567890123456789"
                        "/e2m/start_transaction",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_refused(wrong[i], "{\"payload\":\"\"}", "no request");
    }
}

static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *payload, *part;
    } wrong[] = {
        {"", "not a JSON object"},
        {"\"tx\"", "not a JSON object"},
        {"{\"payload\":\"tx\"", "not JSON"},
        {"{\"payload\":\"tx\",}", "not JSON"},
        {"{\"payload\":\"tx\"}x", "follows"},
        {"{\"payload\":{\"a\":}}", "not JSON"},
        {"{" HEADERS "}", "no payload"},
        {"{\"headers\":7,\"payload\":\"\"}", "headers must be"},
        {"{\"headers\":{\"replyTo\":\"x\",\"payload\":\"\"}", "replyTo"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_refused(TOPIC("stop_transaction"), wrong[i].payload,
                       wrong[i].part);
    }
    /* Who asked is told, when that could be read. */
    assert_refused(TOPIC("stop_transaction"),
                   "{" HEADERS ",\"payload\":", "not JSON");
    assert_string_equal(verdict.reply_to.topic, REPLY);
    char answer[MG_COMMAND_ANSWER_MAX];
    size_t len = mg_everest_refusal(&verdict, answer);
    assert_int_equal(len, strlen("{\"status\":\"UNEXPECTED_ERROR\",\"error\":"
                                 "\"the request is not JSON\"}"));
    assert_memory_equal(answer,
                        "{\"status\":\"UNEXPECTED_ERROR\",\"error\":\"the "
                        "request is not JSON\"}",
                        len);
}

/* Nesting is bounded. */
static void test_deep(void **state)
{
    (void)state;
    char text[2048] = "{\"payload\":";
    size_t n = strlen(text);
    memset(text + n, '[', 1000);
    assert_refused(TOPIC("stop_transaction"), text, "not JSON");
}

static void test_answer_topics(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "\"mg/v1/depot/m/cp1/cmd/relay\"",
        "\"everest_api\"",
        "\"everest_api/1/+/m2e\"",
        "\"everest_api/#\"",
        "\"everest_api/1/powermeter/pm_1/e2m/start_transaction\"",
        "\"everest_api/a b\"",
        "\"everest_api/\\u0000\"",
        "\"everest_api/\\n\"",
        "\"everest_api/\\u00e4\"",
        "\"everest_api/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g\"",
        "7",
        "null",
        "{}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char text[256];
        (void)snprintf(text, sizeof text,
                       "{\"headers\":{\"replyTo\":%s},\"payload\":\"\"}",
                       wrong[i]);
        assert_refused(TOPIC("stop_transaction"), text, "replyTo");
        assert_string_equal(verdict.reply_to.topic, "");
    }
    char text[512] = "{\"headers\":{\"replyTo\":\"everest_api/";
    size_t n = strlen(text);
    memset(text + n, 'x', 260);
    (void)snprintf(text + n + 260, sizeof text - n - 260,
                   "\"},\"payload\":\"\"}");
    assert_refused(TOPIC("stop_transaction"), text, "replyTo");
}

static void test_circumstances(void **state)
{
    (void)state;
    make_len(TOPIC("stop_transaction"), "{\"payload\":\"\"}", 14);
    message->is_retained = true;
    assert_null(check_now());
    assert_string_equal(verdict.code, "retained");
    message->is_retained = false;
    message->is_expired = true;
    assert_null(check_now());
    assert_string_equal(verdict.code, "expired");
    message->is_expired = false;
    message->is_duplicate = true; /* the verbs are idempotent */
    assert_non_null(check_now());
    free(verdict.command);
    verdict.command = NULL;
    message->len = 4097; /* as on the wire; the payload was left out */
    assert_null(check_now());
    assert_string_equal(verdict.code, "oversized");
    message->len = 14;
}

/* ---- The payload ---- */

static int parse(const char *verb, const char *payload,
                 struct mg_session_request *ret, struct mg_err *err)
{
    return mg_everest_parse(verb, payload, strlen(payload), ret, err);
}

#define NEEDED                                                                 \
    "\"evse_id\":\"DE*1\",\"transaction_id\":\"tx-1\","                        \
    "\"identification_status\":\"ASSIGNED\""

static void test_start(void **state)
{
    (void)state;
    struct mg_session_request r;
    struct mg_err err = {0};
    assert_int_equal(
        parse(MG_EVEREST_START,
              "{" NEEDED ",\"identification_flags\":[\"RFID_PLAIN\","
              "\"OCPP_AUTH\"],\"identification_type\":\"ISO14443\","
              "\"identification_level\":\"VERIFIED\","
              "\"identification_data\":\"04\\u00e4\",\"tariff_text\":\"30 "
              "ct\",\"new\":{\"member\":[1]},\"identification_level\":null}",
              &r, &err),
        MG_OK);
    assert_int_equal(r.verb, MG_VERB_BEGIN);
    assert_true(r.is_forced);
    assert_true(r.is_assigned);
    assert_string_equal(r.evse, "DE*1");
    assert_string_equal(r.transaction, "tx-1");
    assert_int_equal(r.n_flags, 2);
    assert_string_equal(r.flags[0], "RFID_PLAIN");
    assert_string_equal(r.flags[1], "OCPP_AUTH");
    assert_string_equal(r.type, "ISO14443");
    assert_string_equal(r.level, "VERIFIED");
    assert_string_equal(r.data, "04\xc3\xa4");
    assert_string_equal(r.tariff, "30 ct");
    assert_int_equal(parse(MG_EVEREST_START,
                           "{\"evse_id\":\"\",\"transaction_id\":\"t\","
                           "\"identification_status\":\"NOT_ASSIGNED\"}",
                           &r, &err),
                     MG_OK);
    assert_false(r.is_assigned);
    assert_int_equal(r.n_flags, 0);
    assert_string_equal(r.data, "");
}

static void test_start_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *payload, *part;
    } wrong[] = {
        {"\"tx\"", "TransactionReq"},
        {"{}", "evse_id, transaction_id"},
        {"{\"evse_id\":\"x\",\"transaction_id\":\"t\"}", "evse_id"},
        {"{" NEEDED ",\"transaction_id\":7}", "transaction_id"},
        {"{" NEEDED ",\"identification_status\":\"YES\"}", "ASSIGNED"},
        {"{" NEEDED ",\"identification_flags\":\"RFID_PLAIN\"}", "list"},
        {"{" NEEDED ",\"identification_flags\":[1]}", "list"},
        {"{" NEEDED ",\"identification_flags\":[\"a\",\"b\",\"c\",\"d\",\"e\""
         "]}",
         "at most 4"},
        {"{" NEEDED ",\"identification_flags\":[\"a2345678901234567890123456"
         "\"]}",
         "at most 23"},
        {"{" NEEDED ",\"identification_data\":\"secret\\u0000\"}",
         "identification_data"},
        {"{" NEEDED, "JSON"},
        {"", "JSON"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct mg_session_request r;
        struct mg_err err = {0};
        assert_int_equal(parse(MG_EVEREST_START, wrong[i].payload, &r, &err),
                         MG_E_INVAL);
        if (strstr(err.text, wrong[i].part) == NULL) {
            fail_msg("%s: %s", wrong[i].payload, err.text);
        }
        assert_null(strstr(err.text, "secret"));
    }
    char text[512];
    struct mg_session_request r;
    struct mg_err err = {0};
    (void)snprintf(text, sizeof text, "{" NEEDED ",\"tariff_text\":\"%0251d\"}",
                   1);
    assert_int_equal(parse(MG_EVEREST_START, text, &r, &err), MG_E_INVAL);
    (void)snprintf(text, sizeof text, "{" NEEDED ",\"tariff_text\":\"%0250d\"}",
                   1);
    assert_int_equal(parse(MG_EVEREST_START, text, &r, &err), MG_OK);
}

static void test_stop(void **state)
{
    (void)state;
    struct mg_session_request r;
    struct mg_err err = {0};
    assert_int_equal(parse(MG_EVEREST_STOP, "\"tx-1\"", &r, &err), MG_OK);
    assert_int_equal(r.verb, MG_VERB_END);
    assert_string_equal(r.transaction, "tx-1");
    assert_int_equal(r.reason, 0);
    assert_int_equal(parse(MG_EVEREST_STOP, "\"\"", &r, &err), MG_OK);
    assert_int_equal(r.verb, MG_VERB_CANCEL);
    assert_int_equal(parse(MG_EVEREST_STOP, "{}", &r, &err), MG_E_INVAL);
    assert_int_equal(parse(MG_EVEREST_STOP, "null", &r, &err), MG_E_INVAL);
    char text[128];
    (void)snprintf(text, sizeof text, "\"%0*d\"", MG_TRANSACTION_MAX, 1);
    assert_int_equal(parse(MG_EVEREST_STOP, text, &r, &err), MG_E_INVAL);
}

#define TEST(f) cmocka_unit_test_teardown(f, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_accepted), TEST(test_topics),        TEST(test_malformed),
        TEST(test_deep),     TEST(test_answer_topics), TEST(test_circumstances),
        TEST(test_start),    TEST(test_start_wrong),   TEST(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
