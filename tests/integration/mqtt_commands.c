/* Commands through a real broker, from an independent MQTT 5 client. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mqtt_bed.h"

#define RELAY  "m/cp1/cmd/relay"
#define ANSWER "app/answers" /* of the peer's choice */

static int setup(void **state)
{
    struct bed *b = bed_create();
    broker_start(&b->broker, "allow_anonymous true\n");
    bed_open_store(b);
    bed_start_peer(b);
    *state = b;
    return 0;
}

static int setup_up(void **state)
{
    (void)setup(state);
    struct bed *b = *state;
    bed_start_uplink(b);
    /* Retained topics leave behind the subscription. */
    (void)b->sink->ops->retain(b->sink, "info", "{}", 2, 1);
    bed_wait(b, has_message, "info");
    bed_forget(b);
    return 0;
}

static int teardown(void **state)
{
    bed_destroy(*state);
    return 0;
}

static bool has_command(struct bed *bed, const void *arg)
{
    return bed->n_commands >= *(const unsigned *)arg;
}

static bool has_refusal(struct bed *bed, const void *arg)
{
    return bed->n_refused >= *(const unsigned *)arg;
}

static void publish(struct bed *b, const char *topic, const char *payload)
{
    bed_publish(b, topic, false, ANSWER, "00ff10", payload, strlen(payload));
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("'%s' does not say '%s'", text, part);
    }
}

/* The last answer says that, with the correlation data; nothing was done. */
static void assert_refused(struct bed *b, unsigned n, const char *code)
{
    char error[64];
    bed_wait(b, has_refusal, &n);
    bed_wait(b, has_message, ANSWER);
    const struct bed_message *m = bed_last(b, ANSWER);
    (void)snprintf(error, sizeof error, "\"error\":\"%s\"", code);
    assert_has(m->payload, "{\"ok\":false,");
    assert_has(m->payload, error);
    assert_string_equal(m->correlation, "00ff10");
    assert_int_equal(m->qos, 1);
    assert_false(m->is_retained);
    assert_int_equal(b->n_commands, 0);
    bed_forget(b);
}

static void test_good(void **state)
{
    struct bed *b = *state;
    publish(b, RELAY, "{\"closed\":false,\"id\":\"a1\"}");
    bed_wait(b, has_command, &(unsigned){1});
    assert_string_equal(b->meter, "cp1");
    assert_string_equal(b->verb, "relay");
    assert_string_equal(b->payload, "{\"closed\":false,\"id\":\"a1\"}");
    assert_string_equal(b->reply_to.topic, ANSWER);
    assert_int_equal(b->reply_to.correlation_len, 3);
    b->sink->ops->reply(b->sink, &b->reply_to, "{\"ok\":true}", 11);
    bed_wait(b, has_message, ANSWER);
    const struct bed_message *m = bed_last(b, ANSWER);
    assert_string_equal(m->payload, "{\"ok\":true}");
    assert_string_equal(m->correlation, "00ff10");
    assert_string_equal(m->type, "application/json");
}

static void test_gateway_verb(void **state)
{
    struct bed *b = *state;
    publish(b, "cmd/hello", "");
    bed_wait(b, has_command, &(unsigned){1});
    assert_string_equal(b->meter, "");
    assert_string_equal(b->verb, "hello");
}

static void test_reply_to_member(void **state)
{
    struct bed *b = *state;
    static const char text[] = "{\"reply_to\":\"t/gw/reply/7\"}";
    bed_publish(b, RELAY, false, NULL, NULL, text, strlen(text));
    bed_wait(b, has_command, &(unsigned){1});
    b->sink->ops->reply(b->sink, &b->reply_to, "{\"ok\":true}", 11);
    bed_wait(b, has_message, "reply/7");
    assert_string_equal(bed_last(b, "reply/7")->correlation, "");
}

static void test_refusals(void **state)
{
    struct bed *b = *state;
    static char big[5000];
    static const struct {
        const char *payload, *code;
    } cases[] = {
        {"{\"closed\":", "malformed"},
        {"[1]", "malformed"},
        {"{\"a\":{}}", "malformed"},
        {"{\"a\":1,\"a\":2}", "malformed"},
        {"{\"a\":\"\xff\"}", "malformed"},
        {"{\"expires\":\"2020-01-01T00:00:00Z\"}", "expired"},
        {"{\"expires_ms\":1577836800000}", "expired"},
        {"{\"expires\":5}", "malformed"},
    };
    unsigned n = 0;
    for (; n < sizeof cases / sizeof *cases; n++) {
        publish(b, RELAY, cases[n].payload);
        assert_refused(b, n + 1, cases[n].code);
    }
    memset(big, ' ', sizeof big - 1);
    publish(b, RELAY, big);
    assert_refused(b, ++n, "oversized");
    publish(b, "m/CP1/cmd/relay", "{}");
    assert_refused(b, ++n, "malformed");
    assert_string_equal(b->refused_topic, "m/CP1/cmd/relay");
}

/* A megabyte is no trouble either, and the connection stays. */
static void test_megabyte(void **state)
{
    struct bed *b = *state;
    size_t len = 1000000;
    char *big = malloc(len);
    assert_non_null(big);
    memset(big, '[', len);
    bed_publish(b, RELAY, false, ANSWER, "00ff10", big, len);
    free(big);
    assert_refused(b, 1, "oversized");
    assert_int_equal(b->n_down, 0);
}

static void test_duplicate(void **state)
{
    struct bed *b = *state;
    publish(b, RELAY, "{\"id\":7}");
    bed_wait(b, has_command, &(unsigned){1});
    b->n_commands = 0;
    publish(b, RELAY, "{\"id\":7}");
    bed_wait(b, has_message, ANSWER);
    assert_has(bed_last(b, ANSWER)->payload, "\"id\":7");
    assert_refused(b, 1, "duplicate");
    publish(b, RELAY, "{\"id\":8}");
    bed_wait(b, has_command, &(unsigned){1});
}

/* Left at the broker before we came, and published while we listen. */
static void test_retained(void **state)
{
    struct bed *b = *state;
    bed_publish(b, RELAY, true, ANSWER, "00ff10", "{}", 2);
    bed_wait(b, has_message, RELAY);
    bed_forget(b);
    bed_start_uplink(b);
    assert_refused(b, 1, "retained");
    assert_has(b->refused, "retained");
    bed_publish(b, RELAY, true, ANSWER, "00ff10", "{}", 2);
    assert_refused(b, 2, "retained");
}

/* An answer must not become the next command. */
static void test_answer_to_a_command_topic(void **state)
{
    struct bed *b = *state;
    bed_publish(b, RELAY, false, BASE RELAY, NULL, "{}", 2);
    bed_wait(b, has_refusal, &(unsigned){1});
    publish(b, RELAY, "{}");
    bed_wait(b, has_command, &(unsigned){1});
    assert_int_equal(b->n_refused, 1);
}

#define UP(f) cmocka_unit_test_setup_teardown(f, setup_up, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        UP(test_good),
        UP(test_gateway_verb),
        UP(test_reply_to_member),
        UP(test_refusals),
        UP(test_megabyte),
        UP(test_duplicate),
        UP(test_answer_to_a_command_topic),
        cmocka_unit_test_setup_teardown(test_retained, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
