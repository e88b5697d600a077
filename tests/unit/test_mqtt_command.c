/* Which messages are commands, and which are refused with what reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/json.h"
#include "mqtt/command.h"

#define BASE   "mg/v1/gw/"
#define NOW_MS 1740916800000 /* 2025-03-02T12:00:00Z */

struct bed {
    struct mg_command_rules rules;
    struct mg_client_message *message; /* owned */
    struct mg_command_verdict verdict;
};

static int setup(void **state)
{
    static struct bed bed;
    static const char *const names[] = {"cp2", "cp1"};
    bed = (struct bed){0};
    bed.rules = (struct mg_command_rules){
        .base = BASE, .max_bytes = 300, .recent = mg_recent_create(names, 2)};
    bed.message = calloc(1, sizeof *bed.message + 8192);
    *state = &bed;
    return bed.rules.recent == NULL || bed.message == NULL;
}

static int teardown(void **state)
{
    struct bed *bed = *state;
    free(bed->verdict.command);
    free(bed->message);
    mg_recent_destroy(bed->rules.recent);
    return 0;
}

static void set_message(struct bed *bed, const char *topic, const char *payload)
{
    struct mg_client_message *m = bed->message;
    *m = (struct mg_client_message){0};
    m->topic_len = strlen(topic);
    memcpy(m->topic, topic, m->topic_len);
    m->len = strlen(payload);
    memcpy(m->payload, payload, m->len + 1);
}

static void set_response(struct bed *bed, const char *topic, size_t len)
{
    struct mg_client_message *m = bed->message;
    m->response_topic_len = len;
    memcpy(m->response_topic, topic,
           len < sizeof m->response_topic ? len : sizeof m->response_topic);
}

static void check(struct bed *bed)
{
    free(bed->verdict.command);
    bed->verdict.command = NULL;
    mg_command_check(&bed->rules, bed->message, NOW_MS, &bed->verdict);
}

static void assert_taken(struct bed *bed)
{
    check(bed);
    if (bed->verdict.command == NULL) {
        fail_msg("refused: %s", bed->verdict.reason);
    }
}

static void assert_refused(struct bed *bed, const char *code,
                           const char *reason)
{
    check(bed);
    assert_null(bed->verdict.command);
    assert_string_equal(bed->verdict.code, code);
    if (strstr(bed->verdict.reason, reason) == NULL) {
        fail_msg("'%s' does not say '%s'", bed->verdict.reason, reason);
    }
}

static void test_topics(void **state)
{
    struct bed *bed = *state;
    set_message(bed, BASE "m/cp1/cmd/set-address", "{\"address\":3}");
    assert_taken(bed);
    assert_string_equal(bed->verdict.command->meter, "cp1");
    assert_string_equal(bed->verdict.command->verb, "set-address");
    assert_string_equal(bed->verdict.command->payload, "{\"address\":3}");
    assert_int_equal(bed->verdict.command->len, 13);
    assert_string_equal(bed->verdict.reply_to.topic, "");
    set_message(bed, BASE "cmd/reload", "");
    assert_taken(bed);
    assert_string_equal(bed->verdict.command->meter, "");
    assert_string_equal(bed->verdict.command->verb, "reload");
    static const char *const bad[] = {
        "",
        "mg/v1/gw",
        BASE,
        BASE "m/cp1/cmd/",
        BASE "m/cp1/cmd/a/b",
        BASE "m//cmd/a",
        BASE "m/cp1/cmd",
        BASE "m/CP1/cmd/a",
        BASE "m/cp1/cmd/a b",
        BASE "m/cp1/cmdx/a",
        BASE "m/cp1/x/a",
        BASE "cmd/",
        BASE "cmd/a/b",
        "mg/v1/gw2/m/cp1/cmd/a",
        BASE "m/0123456789012345678901234567890123456789012345678/cmd/a",
        BASE "m/cp1/cmd/01234567890123456789012345678901",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        set_message(bed, bad[i], "{}");
        assert_refused(bed, "malformed", "not a command topic");
    }
    /* A NUL within, and one that did not fit. */
    set_message(bed, BASE "m/cp1/cmd/a", "{}");
    bed->message->topic_len++;
    assert_refused(bed, "malformed", "not a command topic");
    bed->message->topic_len = 60000;
    assert_refused(bed, "malformed", "not a command topic");
}

static void test_payloads(void **state)
{
    struct bed *bed = *state;
    static const char *const bad[] = {"x",
                                      "[]",
                                      "{",
                                      "{}x",
                                      "{\"a\":[]}",
                                      "{\"a\":{}}",
                                      "{\"a\":1,}",
                                      "{\"a\":1,\"a\":1}",
                                      "{\"a\":01}",
                                      "{\"a\":\"\xc0\xaf\"}",
                                      "{\"\xff\":1}",
                                      "null"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        set_message(bed, BASE "m/cp1/cmd/a", bad[i]);
        assert_refused(bed, "malformed", "not one flat JSON object: byte ");
    }
    set_message(bed, BASE "m/cp1/cmd/a", "");
    bed->message->len = 301;
    assert_refused(bed, "oversized", "301 bytes; at most 300");
    bed->message->len = 0;
    assert_taken(bed);
    assert_int_equal(bed->verdict.command->len, 0);
}

static void test_expiry(void **state)
{
    struct bed *bed = *state;
    static const struct {
        const char *payload, *code;
    } cases[] = {
        {"{\"expires\":\"2025-03-02T12:00:00.001Z\"}", NULL},
        {"{\"expires\":\"2025-03-02T14:00:01+02:00\"}", NULL},
        {"{\"expires\":\"2025-03-02T12:00:00Z\"}", "expired"},
        {"{\"expires\":\"2025-03-02T13:00:00+01:00\"}", "expired"},
        {"{\"expires\":\"tomorrow\"}", "malformed"},
        {"{\"expires\":1740916800001}", "malformed"},
        {"{\"expires\":null}", "malformed"},
        {"{\"expires_ms\":1740916800001}", NULL},
        {"{\"expires_ms\":1740916800000}", "expired"},
        {"{\"expires_ms\":-1}", "expired"},
        {"{\"expires_ms\":1740916800001.5}", "malformed"},
        {"{\"expires_ms\":\"1740916800001\"}", "malformed"},
        {"{\"expires_ms\":1740916800001,\"expires\":\"2024-01-01T00:00:00Z\"}",
         "expired"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        set_message(bed, BASE "m/cp1/cmd/a", cases[i].payload);
        if (cases[i].code == NULL) {
            assert_taken(bed);
        } else {
            assert_refused(bed, cases[i].code, "");
        }
    }
    set_message(bed, BASE "m/cp1/cmd/a", "{}");
    bed->message->is_expired = true;
    assert_refused(bed, "expired", "has expired");
}

static void test_retained(void **state)
{
    struct bed *bed = *state;
    set_message(bed, BASE "m/cp1/cmd/a", "{\"id\":\"x\"}");
    bed->message->is_retained = true;
    assert_refused(bed, "retained", "retained command is never carried out");
    bed->message->is_retained = false;
    assert_taken(bed); /* its id was not remembered */
}

static void test_duplicates(void **state)
{
    struct bed *bed = *state;
    char payload[32];
    set_message(bed, BASE "m/cp1/cmd/a", "{}");
    bed->message->is_duplicate = true;
    assert_refused(bed, "duplicate", "delivered before");
    for (unsigned i = 0; i <= MG_RECENT_IDS; i++) {
        (void)snprintf(payload, sizeof payload, "{\"id\":\"%u\"}", i);
        set_message(bed, BASE "m/cp1/cmd/a", payload);
        assert_taken(bed);
        assert_refused(bed, "duplicate", "");
    }
    /* Of 65 the first is forgotten, the second is not. */
    set_message(bed, BASE "m/cp1/cmd/a", "{\"id\":\"1\"}");
    assert_refused(bed, "duplicate", "");
    set_message(bed, BASE "m/cp1/cmd/a", "{\"id\":\"0\"}");
    assert_taken(bed);
    /* A number is another id; another meter and the gateway have their own. */
    set_message(bed, BASE "m/cp1/cmd/a", "{\"id\":0}");
    assert_taken(bed);
    set_message(bed, BASE "m/cp2/cmd/a", "{\"id\":\"0\"}");
    assert_taken(bed);
    set_message(bed, BASE "cmd/a", "{\"id\":\"0\"}");
    assert_taken(bed);
    assert_refused(bed, "duplicate", "");
    /* Of a meter that is not ours nothing is remembered. */
    set_message(bed, BASE "m/cp9/cmd/a", "{\"id\":\"0\"}");
    assert_taken(bed);
    assert_taken(bed);
}

static void test_ids(void **state)
{
    struct bed *bed = *state;
    char payload[128];
    static const char *const bad[] = {"{\"id\":\"\"}", "{\"id\":1.5}",
                                      "{\"id\":true}", "{\"id\":null}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        set_message(bed, BASE "m/cp1/cmd/a", bad[i]);
        assert_refused(bed, "malformed", "id must be");
    }
    (void)snprintf(payload, sizeof payload, "{\"id\":\"%065d\"}", 0);
    set_message(bed, BASE "m/cp1/cmd/a", payload);
    assert_refused(bed, "malformed", "id must be");
    (void)snprintf(payload, sizeof payload, "{\"id\":\"%064d\"}", 0);
    set_message(bed, BASE "m/cp1/cmd/a", payload);
    assert_taken(bed);
    assert_int_equal(strlen(bed->verdict.id), 66);
}

static void assert_answer_refused(struct bed *bed)
{
    assert_refused(bed, "malformed", "answer topic");
    assert_string_equal(bed->verdict.reply_to.topic, "");
}

static void test_response_topic(void **state)
{
    struct bed *bed = *state;
    char topic[300];
    set_message(bed, BASE "m/cp1/cmd/a", "{\"reply_to\":\"elsewhere\"}");
    set_response(bed, "app/1", 5);
    memcpy(bed->message->correlation, "\0\1", 2);
    bed->message->correlation_len = 2;
    assert_taken(bed); /* the property goes first */
    assert_string_equal(bed->verdict.command->reply_to.topic, "app/1");
    assert_int_equal(bed->verdict.command->reply_to.correlation_len, 2);
    memset(topic, 'x', sizeof topic);
    set_response(bed, topic, 255);
    assert_taken(bed);
    set_response(bed, topic, 256);
    assert_answer_refused(bed);
    memset(topic, '/', sizeof topic);
    set_response(bed, topic, 63); /* 64 levels */
    assert_taken(bed);
    set_response(bed, topic, 64);
    assert_answer_refused(bed);
    static const char *const bad[] = {"$SYS/x",
                                      "a/+/b",
                                      "a/#",
                                      "a\nb",
                                      "a\xc2\x85",
                                      "a\xef\xbf\xbf",
                                      BASE "m/cp1/cmd/a",
                                      BASE "cmd/b",
                                      BASE "m/cp1/readings",
                                      BASE "availability",
                                      BASE "reply"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        set_response(bed, bad[i], strlen(bad[i]));
        assert_answer_refused(bed);
    }
    set_response(bed, "a\0b", 3);
    assert_answer_refused(bed);
    set_response(bed, "app/1", 5);
    bed->message->correlation_len = 65;
    assert_refused(bed, "malformed", "correlation data");
    assert_string_equal(bed->verdict.reply_to.topic, "app/1");
    assert_int_equal(bed->verdict.reply_to.correlation_len, 0);
}

static void test_reply_to(void **state)
{
    struct bed *bed = *state;
    char payload[400];
    set_message(bed, BASE "m/cp1/cmd/a",
                "{\"reply_to\":\"mg\\/v1/gw/reply/\\u0037\"}");
    assert_taken(bed);
    assert_string_equal(bed->verdict.reply_to.topic, BASE "reply/7");
    static const char *const bad[] = {"$x",         "a/+",       "#",
                                      "",           "a\\u0000b", BASE "cmd/b",
                                      BASE "event", "a\\u0085"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        (void)snprintf(payload, sizeof payload, "{\"reply_to\":\"%s\"}",
                       bad[i]);
        set_message(bed, BASE "m/cp1/cmd/a", payload);
        assert_answer_refused(bed);
    }
    (void)snprintf(payload, sizeof payload, "{\"reply_to\":\"%0256d\"}", 0);
    set_message(bed, BASE "m/cp1/cmd/a", payload);
    assert_refused(bed, "malformed", "reply_to must be");
    set_message(bed, BASE "m/cp1/cmd/a", "{\"reply_to\":7}");
    assert_refused(bed, "malformed", "reply_to must be");
}

static void test_answer(void **state)
{
    struct bed *bed = *state;
    char buf[MG_COMMAND_ANSWER_MAX];
    set_message(bed, BASE "m/cp1/cmd/a",
                "{\"id\":\"x\\\"y\",\"expires_ms\":0}");
    check(bed);
    size_t len = mg_command_answer(&bed->verdict, buf);
    static const char want[] =
        "{\"ok\":false,\"id\":\"x\\\"y\",\"error\":\"expired\","
        "\"reason\":\"the command has expired\"}";
    assert_int_equal(len, sizeof want - 1);
    assert_memory_equal(buf, want, len);
    set_message(bed, BASE "m/cp1/cmd/a", "{}");
    assert_taken(bed);
    mg_command_refuse(&bed->verdict, "busy", "later");
    assert_null(bed->verdict.command);
    len = mg_command_answer(&bed->verdict, buf);
    assert_memory_equal(buf,
                        "{\"ok\":false,\"error\":\"busy\",\"reason\":"
                        "\"later\"}",
                        len);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_topics),         TEST(test_payloads),   TEST(test_expiry),
        TEST(test_retained),       TEST(test_duplicates), TEST(test_ids),
        TEST(test_response_topic), TEST(test_reply_to),   TEST(test_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
