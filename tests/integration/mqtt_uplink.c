/* The uplink against a real broker: nothing is lost, whatever happens to it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mqtt_bed.h"

#define ANYBODY "allow_anonymous true\n"

static int setup(void **state)
{
    *state = bed_create();
    return 0;
}

static int teardown(void **state)
{
    bed_destroy(*state);
    return 0;
}

struct want {
    const char *topic;
    size_t n;
};

static bool has_count(struct bed *bed, const void *arg)
{
    const struct want *want = arg;
    return bed_count(bed, want->topic) >= want->n;
}

static bool has_last(struct bed *bed, const void *arg)
{
    const char *const *want = arg; /* topic, payload */
    const struct bed_message *m = bed_last(bed, want[0]);
    return m != NULL && strcmp(m->payload, want[1]) == 0;
}

static bool says(struct bed *bed, const void *arg)
{
    return strstr(bed->link, arg) != NULL;
}

static bool has_command(struct bed *bed, const void *arg)
{
    (void)arg;
    return bed->n_commands > 0;
}

/* Mosquitto's Receive Maximum is 20: with more than that in the library it
 * would take 45 s. */
static void test_backlog(void **state)
{
    struct bed *b = *state;
    broker_start(&b->broker, ANYBODY);
    bed_open_store(b);
    for (unsigned i = 1; i <= 500; i++) {
        bed_append(b, "m/cp1/readings", i);
        bed_append(b, "event", i);
    }
    bed_start_peer(b);
    bed_start_uplink(b);
    bed_wait(b, has_count, (&(struct want){"event", 500}));
    bed_assert_complete(b, "event", 500);
    bed_assert_complete(b, "m/cp1/readings", 500);
    bed_wait(b, is_store_empty, NULL);
    const struct bed_message *m = bed_last(b, "event");
    assert_int_equal(m->qos, 1);
    assert_string_equal(m->type, "application/json");
    struct mg_sink_stats stats;
    mg_uplink_stats(b->sink, &stats);
    assert_true(stats.is_connected);
    assert_int_equal(stats.n_acked, 1000);
    assert_int_equal(stats.n_failed, 0);
}

/* With more than these 3 in the library it would take 100 s. */
static void test_small_window(void **state)
{
    struct bed *b = *state;
    broker_start(&b->broker, ANYBODY "max_inflight_messages 3\n"
                                     "max_queued_messages 0\n");
    bed_open_store(b);
    for (unsigned i = 1; i <= 2000; i++) {
        bed_append(b, "event", i);
    }
    bed_start_peer(b);
    bed_start_uplink(b);
    bed_wait(b, is_store_empty, NULL);
    bed_wait(b, has_count, (&(struct want){"event", 2000}));
    bed_assert_complete(b, "event", 2000);
}

static void start_with_log(struct bed *b, const char *lines)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   ANYBODY "log_type all\nlog_dest file %s/log\n%s",
                   b->broker.dir, lines);
    broker_start(&b->broker, text);
}

static bool has_acked(struct bed *bed, const void *arg)
{
    struct mg_sink_stats stats;
    mg_uplink_stats(bed->sink, &stats);
    return stats.n_acked >= *(const uint64_t *)arg;
}

/* By the log of the broker, since a killed one forgets what its subscribers
 * have not taken: it received the topics event/1 to event/n, each at least
 * once, in this order when repetitions are left out. */
static void assert_received(const struct bed *b, unsigned n)
{
    static const char topic[] = "'" BASE "event/";
    char line[1024];
    unsigned highest = 0;
    (void)snprintf(line, sizeof line, "%s/log", b->broker.dir);
    FILE *log = fopen(line, "r");
    assert_non_null(log);
    while (fgets(line, sizeof line, log) != NULL) {
        const char *at = strstr(line, topic);
        if (strstr(line, "Received PUBLISH from") != NULL && at != NULL) {
            unsigned number =
                (unsigned)strtoul(at + sizeof topic - 1, NULL, 10);
            assert_true(number <= highest + 1);
            highest = number > highest ? number : highest;
        }
    }
    (void)fclose(log);
    assert_int_equal(highest, n);
}

static void append_numbered(struct bed *b, unsigned from, unsigned to)
{
    char topic[32];
    for (unsigned i = from; i <= to; i++) {
        (void)snprintf(topic, sizeof topic, "event/%u", i);
        bed_append(b, topic, i);
    }
}

static void test_broker_killed(void **state)
{
    struct bed *b = *state;
    start_with_log(b, "");
    bed_open_store(b);
    bed_start_uplink(b);
    bed_wait(b, is_up, NULL);
    for (unsigned round = 0; round < 3; round++) {
        append_numbered(b, 500 * round + 1, 500 * round + 400);
        bed_wait(b, has_acked, &(uint64_t){500 * round + 10});
        broker_kill(&b->broker);
        bed_wait(b, is_down, NULL);
        append_numbered(b, 500 * round + 401, 500 * round + 500);
        broker_restart(&b->broker);
        bed_wait(b, is_up, NULL);
        bed_wait(b, is_store_empty, NULL);
    }
    assert_received(b, 1500);
    struct mg_sink_stats stats;
    mg_uplink_stats(b->sink, &stats);
    assert_int_equal(stats.n_reconnects, 3);
    assert_int_equal(stats.n_parked, 0);
}

/* A frozen broker keeps its clients: every row must reach the peer. */
static void test_broker_frozen(void **state)
{
    struct bed *b = *state;
    b->setup.mqtt.keepalive_s = 2;
    broker_start(&b->broker, ANYBODY);
    bed_open_store(b);
    bed_start_peer(b);
    bed_start_uplink(b);
    bed_wait(b, is_up, NULL);
    for (unsigned i = 1; i <= 100; i++) {
        bed_append(b, "event", i);
    }
    bed_wait(b, has_count, (&(struct want){"event", 1}));
    broker_signal(&b->broker, SIGSTOP);
    for (unsigned i = 101; i <= 200; i++) {
        bed_append(b, "event", i);
    }
    bed_wait(b, is_down, NULL);
    broker_signal(&b->broker, SIGCONT);
    bed_wait(b, is_up, NULL);
    bed_wait(b, is_store_empty, NULL);
    bed_wait(b, has_last, ((const char *const[]){"event", "{\"n\":200}"}));
    bed_assert_complete(b, "event", 200);
}

static void test_denied_topic(void **state)
{
    struct bed *b = *state;
    char acl[128];
    char lines[256];
    broker_file(&b->broker, "acl",
                "topic deny " BASE "m/cp1/denied\ntopic readwrite #\n", acl);
    (void)snprintf(lines, sizeof lines, ANYBODY "acl_file %s\n", acl);
    broker_start(&b->broker, lines);
    bed_open_store(b);
    for (unsigned i = 1; i <= 40; i++) {
        bed_append(b, i == 5 ? "m/cp1/denied" : "event", i);
    }
    bed_start_peer(b);
    bed_start_uplink(b);
    bed_wait(b, has_count, (&(struct want){"event", 39}));
    bed_wait(b, is_store_empty, NULL);
    assert_int_equal(b->n_parked, 1);
    assert_int_equal(b->parked_code, 0x87);
    assert_string_equal(b->parked_topic, "m/cp1/denied");
    struct mg_store_stats stats;
    mg_store_stats(b->store, &stats);
    assert_int_equal(stats.n_parked, 1);
}

static void test_large_row(void **state)
{
    struct bed *b = *state;
    static char payload[1000];
    uint64_t ticket;
    broker_start(&b->broker, ANYBODY "max_packet_size 500\n");
    bed_open_store(b);
    memset(payload, '1', sizeof payload);
    struct mg_store_row row = {.class_ = MG_ROW_SIGNED,
                               .topic = "big",
                               .payload = payload,
                               .len = 800};
    assert_int_equal(mg_store_append(b->store, &row, &ticket), MG_OK);
    /* Just fits: 500 bytes are fixed header 3, topic 2 + 8, packet id 2,
     * properties 1 + 21 and the payload. */
    (void)snprintf(row.topic, sizeof row.topic, "big");
    row.len = 500 - 3 - 10 - 2 - 22;
    assert_int_equal(mg_store_append(b->store, &row, &ticket), MG_OK);
    row.len++;
    assert_int_equal(mg_store_append(b->store, &row, &ticket), MG_OK);
    bed_append(b, "event", 1);
    bed_start_peer(b);
    bed_start_uplink(b);
    bed_wait(b, has_message, "event");
    bed_wait(b, is_store_empty, NULL);
    assert_int_equal(b->n_parked, 2);
    assert_int_equal(b->parked_code, 0x95);
    assert_int_equal(bed_count(b, "big"), 1);
}

/* The newest value, as a retained message, also after the broker forgot it. */
static void test_retained(void **state)
{
    struct bed *b = *state;
    broker_start(&b->broker, ANYBODY);
    bed_open_store(b);
    bed_start_uplink(b);
    b->sink->ops->retain(b->sink, "info", "old", 3, 1);
    b->sink->ops->retain(b->sink, "info", "new", 3, 1);
    b->sink->ops->retain(b->sink, "m/cp1/state", "one", 3, 0);
    bed_wait(b, is_up, NULL);
    bed_start_peer(b);
    bed_wait(b, has_last, ((const char *const[]){"info", "new"}));
    bed_wait(b, has_last, ((const char *const[]){"m/cp1/state", "one"}));
    bed_wait(b, has_last, ((const char *const[]){"availability", "online"}));
    assert_int_equal(bed_last(b, "availability")->qos, 1);
    b->sink->ops->retain(b->sink, "m/cp1/state", "two", 3, 0);
    bed_wait(b, has_last, ((const char *const[]){"m/cp1/state", "two"}));
    bed_stop_peer(b);
    broker_kill(&b->broker);
    bed_wait(b, is_down, NULL);
    b->sink->ops->retain(b->sink, "m/cp1/state", "three", 5, 0);
    broker_restart(&b->broker);
    bed_wait(b, is_up, NULL);
    bed_forget(b);
    bed_start_peer(b);
    bed_wait(b, has_last, ((const char *const[]){"info", "new"}));
    bed_wait(b, has_last, ((const char *const[]){"m/cp1/state", "three"}));
}

static void test_many_topics(void **state)
{
    struct bed *b = *state;
    char topic[64];
    char last[16];
    broker_start(&b->broker, ANYBODY);
    bed_open_store(b);
    bed_start_peer(b);
    bed_start_uplink(b);
    for (unsigned i = 1; i <= 5000; i++) {
        (void)snprintf(topic, sizeof topic, "m/m%u/state", i);
        int len = snprintf(last, sizeof last, "%u", i);
        int rc = b->sink->ops->retain(b->sink, topic, last, (size_t)len, 0);
        assert_int_equal(rc, MG_OK);
    }
    bed_append(b, "event", 1);
    bed_wait(b, has_message, "m/m5000/state");
    bed_wait(b, has_message, "event");
    size_t n = 0;
    for (size_t i = 0; i < b->n_messages; i++) {
        n += strstr(b->messages[i].topic, "/state") != NULL;
    }
    assert_int_equal(n, 5000);
}

static void test_stop(void **state)
{
    struct bed *b = *state;
    broker_start(&b->broker, ANYBODY);
    bed_open_store(b);
    bed_start_peer(b);
    bed_start_uplink(b);
    bed_wait(b, has_last, ((const char *const[]){"availability", "online"}));
    bed_stop_uplink(b);
    unsigned n_up = b->n_up;
    bed_wait(b, has_last, ((const char *const[]){"availability", "offline"}));
    assert_int_equal(b->n_up, n_up);
    assert_int_equal(b->n_down, 0);
}

static bool has_rows(struct bed *b, const void *n)
{
    struct mg_store_stats stats;
    mg_store_stats(b->store, &stats);
    return stats.n_rows == *(const unsigned *)n;
}

/* It must end although nothing can be said to the broker any more. */
static void test_stop_while_frozen(void **state)
{
    struct bed *b = *state;
    const unsigned n = 100;
    broker_start(&b->broker, ANYBODY);
    bed_open_store(b);
    bed_start_uplink(b);
    bed_wait(b, is_up, NULL);
    broker_signal(&b->broker, SIGSTOP);
    for (unsigned i = 1; i <= n; i++) {
        bed_append(b, "event", i);
    }
    bed_wait(b, has_rows, &n);
    bed_stop_uplink(b);
    assert_true(has_rows(b, &n));
    broker_signal(&b->broker, SIGCONT);
}

static void test_stop_while_down(void **state)
{
    struct bed *b = *state;
    bed_open_store(b);
    bed_start_uplink(b);
    bed_wait(b, is_down, NULL);
    bed_stop_uplink(b);
    bed_start_uplink(b); /* and at once */
    bed_stop_uplink(b);
}

/* The broker publishes the will of a gateway that was killed. */
static void test_will(void **state)
{
    struct bed *b = *state;
    broker_start(&b->broker, ANYBODY);
    b->child = fork();
    assert_true(b->child >= 0);
    if (b->child == 0) {
        bed_open_store(b);
        bed_start_uplink(b);
        (void)uv_run(&b->loop, UV_RUN_DEFAULT);
        _exit(1);
    }
    bed_start_peer(b);
    bed_wait(b, has_last, ((const char *const[]){"availability", "online"}));
    bed_kill_child(b);
    bed_wait(b, has_last, ((const char *const[]){"availability", "offline"}));
    bed_stop_peer(b);
    bed_forget(b);
    bed_start_peer(b); /* it is retained */
    bed_wait(b, has_last, ((const char *const[]){"availability", "offline"}));
}

static bool is_logged(struct bed *bed, const void *arg)
{
    char line[1024];
    bool is_found = false;
    (void)snprintf(line, sizeof line, "%s/log", bed->broker.dir);
    FILE *log = fopen(line, "r");
    while (log != NULL && !is_found && fgets(line, sizeof line, log) != NULL) {
        is_found = strstr(line, arg) != NULL;
    }
    if (log != NULL) {
        (void)fclose(log);
    }
    return is_found;
}

/* The broker allows 10 s only: the uplink connects again with that, and says
 * nothing of it. Mosquitto logs (protocol, clean start, keep alive). */
static void test_server_keepalive(void **state)
{
    struct bed *b = *state;
    b->setup.mqtt.keepalive_s = 60;
    start_with_log(b, "max_keepalive 10\n");
    bed_open_store(b);
    bed_start_uplink(b);
    bed_wait(b, is_up, NULL);
    bed_wait(b, is_logged, "as metergate-gw (p5, c1, k10");
    assert_int_equal(b->n_up, 1);
    assert_int_equal(b->n_down, 0);
}

static void assert_link(const struct bed *b, const char *part)
{
    if (strstr(b->link, part) == NULL) {
        fail_msg("'%s' does not say '%s'", b->link, part);
    }
}

static void test_unreachable(void **state)
{
    struct bed *b = *state;
    bed_open_store(b);
    bed_start_uplink(b);
    bed_wait(b, is_down, NULL);
    assert_link(b, "refused: no broker listens on port");
    bed_stop_uplink(b);
    b->link[0] = '\0';
    (void)snprintf(b->setup.mqtt.host, sizeof b->setup.mqtt.host,
                   "nowhere.invalid");
    bed_start_uplink(b);
    bed_wait(b, is_down, NULL);
    assert_link(b, "the name nowhere.invalid is not resolved");
}

static void test_wrong_password(void **state)
{
    struct bed *b = *state;
    char path[128];
    char lines[256];
    char secret[] = "wrong-secret";
    char user[] = "gw";
    broker_file(&b->broker, "passwords", "", path);
    run_program((const char *const[]){"mosquitto_passwd", "-b", path, "gw",
                                      "right", NULL});
    (void)snprintf(lines, sizeof lines,
                   "allow_anonymous false\npassword_file %s\n", path);
    broker_start(&b->broker, lines);
    b->setup.mqtt.username = user;
    b->setup.mqtt.password = secret;
    bed_open_store(b);
    bed_start_uplink(b);
    bed_wait(b, is_down, NULL);
    assert_link(b, "broker refused: not authorised");
    assert_null(strstr(b->link, secret));
    bed_stop_uplink(b);
    (void)snprintf(secret, sizeof secret, "right");
    bed_start_uplink(b);
    bed_wait(b, is_up, NULL);
}

/* ---- A broker that does not speak version 5 ---- */

static void start_old_broker(struct bed *b, const char *refusal_hex)
{
    char port[8];
    char upstream[8];
    b->setup.mqtt.port = free_port();
    (void)snprintf(port, sizeof port, "%u", b->setup.mqtt.port);
    (void)snprintf(upstream, sizeof upstream, "%u", b->broker.port);
    b->child = fork();
    assert_true(b->child >= 0);
    if (b->child == 0) {
        (void)execl("/usr/bin/python3", "/usr/bin/python3", MG_TEST_OLD_BROKER,
                    port, upstream, refusal_hex, NULL);
        _exit(127);
    }
}

static void check_old_broker(struct bed *b, const char *refusal_hex)
{
    start_old_broker(b, refusal_hex);
    bed_start_uplink(b);
    /* At first it may be "connection refused": python needs its time. */
    bed_wait(b, says, "it speaks MQTT 3.1.1 only; allow_v311");
    bed_stop_uplink(b);
    b->setup.mqtt.is_v311_allowed = true;
    bed_append(b, "event", 1);
    bed_start_uplink(b);
    bed_wait(b, says, "with MQTT 3.1.1 only: messages that");
    bed_wait(b, has_message, "event");
    bed_wait(b, is_store_empty, NULL);
    bed_publish(b, "m/cp1/cmd/relay", false, NULL, NULL, "{}", 2);
    bed_wait(b, has_command, NULL);
}

/* 3.1.1, 3.2: return code 1. 5.0, 3.2: reason code 0x84. */
static void test_old_broker(void **state)
{
    struct bed *b = *state;
    broker_start(&b->broker, ANYBODY);
    bed_open_store(b);
    bed_start_peer(b);
    check_old_broker(b, "20020001");
}

static void test_refusing_broker(void **state)
{
    struct bed *b = *state;
    broker_start(&b->broker, ANYBODY);
    bed_open_store(b);
    bed_start_peer(b);
    check_old_broker(b, "2003008400");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_will), /* first: it forks, while there is one thread */
        TEST(test_backlog),
        TEST(test_small_window),
        TEST(test_broker_killed),
        TEST(test_broker_frozen),
        TEST(test_denied_topic),
        TEST(test_large_row),
        TEST(test_retained),
        TEST(test_many_topics),
        TEST(test_stop),
        TEST(test_stop_while_frozen),
        TEST(test_stop_while_down),
        TEST(test_server_keepalive),
        TEST(test_unreachable),
        TEST(test_wrong_password),
        TEST(test_old_broker),
        TEST(test_refusing_broker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
