#include "mqtt_bed.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_MS 30000

/* What paho 1.3.12 has not written to a connection that is lost, it never
 * frees. Named by the sanitizer. */
const char *__lsan_default_suppressions(void); /* NOLINT(bugprone-*,cert-*) */
const char *__lsan_default_suppressions(void)  /* NOLINT(bugprone-*,cert-*) */
{
    return "leak:libpaho-mqtt3as";
}

/* ---- What the uplink says ---- */

static void on_command(void *ctx, const struct mg_command *c)
{
    struct bed *b = ctx;
    b->n_commands++;
    (void)snprintf(b->meter, sizeof b->meter, "%s", c->meter);
    (void)snprintf(b->verb, sizeof b->verb, "%s", c->verb);
    (void)snprintf(b->payload, sizeof b->payload, "%s", c->payload);
    assert_int_equal(strlen(c->payload), c->len);
    b->reply_to = c->reply_to;
}

static void on_link(void *ctx, bool is_up, const char *text)
{
    struct bed *b = ctx;
    b->n_up += is_up;
    b->n_down += !is_up;
    (void)snprintf(b->link, sizeof b->link, "%s", text);
}

static void on_parked(void *ctx, const char *topic, int code,
                      const char *reason)
{
    struct bed *b = ctx;
    b->n_parked++;
    b->parked_code = code;
    (void)snprintf(b->parked_topic, sizeof b->parked_topic, "%s", topic);
    assert_true(strlen(reason) > 0);
}

static void on_refused(void *ctx, const char *topic, const char *reason)
{
    struct bed *b = ctx;
    b->n_refused++;
    (void)snprintf(b->refused, sizeof b->refused, "%s", reason);
    (void)snprintf(b->refused_topic, sizeof b->refused_topic, "%s", topic);
}

/* ---- Life ---- */

struct bed *bed_create(void)
{
    static struct mg_setup_meter meters[1] = {{.id = "cp1"}};
    struct bed *b = calloc(1, sizeof *b);
    assert_non_null(b);
    broker_init(&b->broker);
    assert_int_equal(uv_loop_init(&b->loop), 0);
    (void)snprintf(b->setup.gateway, sizeof b->setup.gateway, "gw");
    b->setup.meters = meters;
    b->setup.n_meters = 1;
    b->setup.mqtt = (struct mg_setup_mqtt){.is_enabled = true,
                                           .host = "127.0.0.1",
                                           .port = b->broker.port,
                                           .root = "t",
                                           .client_id = "metergate-gw",
                                           .is_host_checked = true,
                                           .keepalive_s = 15,
                                           .window = 16,
                                           .max_command_bytes = 4096};
    return b;
}

void bed_open_store(struct bed *bed)
{
    static const struct mg_store_events events = {0};
    char path[128];
    struct mg_err err = {0};
    (void)snprintf(path, sizeof path, "%s/store.db", bed->broker.dir);
    struct mg_store_settings settings = {
        .path = path, .max_bytes = 1 << 28, .commit_ms = 20};
    bed->store = mg_store_open(&bed->loop, &settings, &events, bed, &err);
    if (bed->store == NULL) {
        fail_msg("store: %s", err.text);
    }
}

void bed_close_store(struct bed *bed)
{
    mg_store_close(bed->store);
    bed->store = NULL;
}

void bed_start_uplink(struct bed *bed)
{
    static const struct mg_sink_events events = {.command = on_command,
                                                 .link = on_link,
                                                 .parked = on_parked,
                                                 .refused = on_refused};
    struct mg_err err = {0};
    bed->sink = mg_uplink_create(&bed->loop, bed->store, &bed->setup, &events,
                                 bed, &err);
    if (bed->sink == NULL) {
        fail_msg("uplink: %s", err.text);
    }
}

void bed_stop_uplink(struct bed *bed)
{
    bed->sink->ops->destroy(bed->sink, 1500);
    bed->sink = NULL;
}

static void close_any(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

void bed_kill_child(struct bed *bed)
{
    if (bed->child > 0) {
        (void)kill(bed->child, SIGKILL);
        (void)waitpid(bed->child, NULL, 0);
        bed->child = 0;
    }
}

void bed_destroy(struct bed *bed)
{
    bed_kill_child(bed);
    if (bed->sink != NULL) {
        bed_stop_uplink(bed);
    }
    mg_store_close(bed->store);
    if (bed->peer != 0) {
        bed_stop_peer(bed);
    }
    uv_walk(&bed->loop, close_any, NULL);
    (void)uv_run(&bed->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&bed->loop), 0);
    bed_forget(bed);
    free(bed->messages);
    broker_free(&bed->broker);
    free(bed);
}

/* ---- Waiting ---- */

static void on_due(uv_timer_t *timer)
{
    ((struct bed *)timer->data)->is_due = true;
}

static void on_beat(uv_timer_t *timer)
{
    (void)timer; /* only turns the loop, for conditions without an event */
}

void bed_wait_for(struct bed *bed, bed_condition *condition, const void *arg,
                  const char *what)
{
    uv_timer_t due;
    uv_timer_t beat;
    (void)uv_timer_init(&bed->loop, &due);
    (void)uv_timer_init(&bed->loop, &beat);
    due.data = bed;
    bed->is_due = false;
    (void)uv_timer_start(&due, on_due, LIMIT_MS, 0);
    (void)uv_timer_start(&beat, on_beat, 10, 10);
    bool holds = condition(bed, arg);
    while (!holds && !bed->is_due) {
        (void)uv_run(&bed->loop, UV_RUN_ONCE);
        holds = condition(bed, arg);
    }
    uv_close((uv_handle_t *)&due, NULL);
    uv_close((uv_handle_t *)&beat, NULL);
    (void)uv_run(&bed->loop, UV_RUN_NOWAIT); /* the two end on this stack */
    if (!holds) {
        fail_msg("not within %d ms: %s (link: %s)", LIMIT_MS, what, bed->link);
    }
}

bool is_up(struct bed *bed, const void *arg)
{
    (void)arg;
    return strncmp(bed->link, "connected", 9) == 0;
}

bool is_down(struct bed *bed, const void *arg)
{
    (void)arg;
    return bed->link[0] != '\0' && strncmp(bed->link, "connected", 9) != 0;
}

bool is_store_empty(struct bed *bed, const void *arg)
{
    (void)arg;
    struct mg_store_stats stats;
    mg_store_stats(bed->store, &stats);
    return stats.n_rows == 0;
}

bool has_message(struct bed *bed, const void *arg)
{
    return bed_last(bed, arg) != NULL;
}

/* ---- The peer ---- */

static char *next_field(char **at)
{
    char *begin = *at;
    char *tab = strchr(begin, '\t');
    assert_non_null(tab);
    *tab = '\0';
    *at = tab + 1;
    return begin;
}

static void take_line(struct bed *b, char *line)
{
    if (strcmp(line, "ready") == 0) {
        b->is_peer_ready = true;
        return;
    }
    if (b->n_messages == b->cap_messages) {
        b->cap_messages = b->cap_messages * 2 + 64;
        b->messages =
            realloc(b->messages, b->cap_messages * sizeof *b->messages);
        assert_non_null(b->messages);
    }
    struct bed_message *m = &b->messages[b->n_messages++];
    (void)snprintf(m->topic, sizeof m->topic, "%.*s", (int)sizeof m->topic - 1,
                   next_field(&line));
    m->qos = next_field(&line)[0] - '0';
    m->is_retained = next_field(&line)[0] == '1';
    (void)snprintf(m->correlation, sizeof m->correlation, "%.*s",
                   (int)sizeof m->correlation - 1, next_field(&line));
    (void)snprintf(m->type, sizeof m->type, "%.*s", (int)sizeof m->type - 1,
                   next_field(&line));
    m->payload = strdup(line);
    assert_non_null(m->payload);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct bed *b = poll->data;
    (void)events;
    ssize_t n = status != 0 ? -1
                            : read(b->from_peer, b->line + b->line_len,
                                   sizeof b->line - b->line_len);
    if (n <= 0) {
        (void)uv_poll_stop(poll);
        return;
    }
    b->line_len += (size_t)n;
    char *begin = b->line;
    char *end;
    while ((end = memchr(begin, '\n',
                         b->line_len - (size_t)(begin - b->line))) != NULL) {
        *end = '\0';
        take_line(b, begin);
        begin = end + 1;
    }
    b->line_len -= (size_t)(begin - b->line);
    memmove(b->line, begin, b->line_len);
}

static bool is_peer_ready(struct bed *bed, const void *arg)
{
    (void)arg;
    if (waitpid(bed->peer, NULL, WNOHANG) != 0) {
        fail_msg("mqtt_peer.py ended: is python3-paho-mqtt installed?");
    }
    return bed->is_peer_ready;
}

void bed_start_peer(struct bed *bed)
{
    int to[2];
    int from[2];
    char port[8];
    assert_int_equal(pipe2(to, O_CLOEXEC), 0);
    assert_int_equal(pipe2(from, O_CLOEXEC), 0);
    (void)snprintf(port, sizeof port, "%u", bed->broker.port);
    bed->peer = fork();
    assert_true(bed->peer >= 0);
    if (bed->peer == 0) {
        (void)dup2(to[0], STDIN_FILENO);
        (void)dup2(from[1], STDOUT_FILENO);
        (void)execl("/usr/bin/python3", "/usr/bin/python3", MG_TEST_PEER, port,
                    "#", NULL);
        _exit(127);
    }
    (void)close(to[0]);
    (void)close(from[1]);
    bed->to_peer = to[1];
    bed->from_peer = from[0];
    bed->is_peer_ready = false;
    bed->poll.data = bed;
    assert_int_equal(uv_poll_init(&bed->loop, &bed->poll, bed->from_peer), 0);
    assert_int_equal(uv_poll_start(&bed->poll, UV_READABLE, on_readable), 0);
    bed_wait(bed, is_peer_ready, NULL);
}

void bed_stop_peer(struct bed *bed)
{
    uv_close((uv_handle_t *)&bed->poll, NULL);
    (void)uv_run(&bed->loop, UV_RUN_NOWAIT);
    (void)kill(bed->peer, SIGKILL);
    (void)waitpid(bed->peer, NULL, 0);
    (void)close(bed->to_peer);
    (void)close(bed->from_peer);
    bed->peer = 0;
}

static void put_hex(FILE *out, const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        (void)fprintf(out, "%02x", bytes[i]);
    }
}

void bed_publish(struct bed *bed, const char *topic, bool is_retained,
                 const char *response_topic, const char *correlation_hex,
                 const void *payload, size_t len)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    (void)fprintf(out, "pub\t" BASE "%s\t%d\t%s\t%s\t\t", topic, is_retained,
                  response_topic == NULL ? "" : response_topic,
                  correlation_hex == NULL ? "" : correlation_hex);
    put_hex(out, payload, len);
    (void)fputc('\n', out);
    assert_int_equal(fclose(out), 0);
    for (size_t done = 0; done < size;) {
        ssize_t n = write(bed->to_peer, text + done, size - done);
        assert_true(n > 0);
        done += (size_t)n;
    }
    free(text);
}

static bool is_topic(const struct bed_message *m, const char *topic)
{
    return strcmp(m->topic, topic) == 0 ||
           (strncmp(m->topic, BASE, strlen(BASE)) == 0 &&
            strcmp(m->topic + strlen(BASE), topic) == 0);
}

const struct bed_message *bed_last(const struct bed *bed, const char *topic)
{
    for (size_t i = bed->n_messages; i > 0; i--) {
        if (is_topic(&bed->messages[i - 1], topic)) {
            return &bed->messages[i - 1];
        }
    }
    return NULL;
}

void bed_forget(struct bed *bed)
{
    for (size_t i = 0; i < bed->n_messages; i++) {
        free(bed->messages[i].payload);
    }
    bed->n_messages = 0;
}

size_t bed_count(const struct bed *bed, const char *topic)
{
    size_t n = 0;
    for (size_t i = 0; i < bed->n_messages; i++) {
        n += is_topic(&bed->messages[i], topic);
    }
    return n;
}

/* ---- Rows ---- */

void bed_append(struct bed *bed, const char *topic, unsigned number)
{
    char payload[32];
    uint64_t ticket;
    struct mg_store_row row = {.class_ = MG_ROW_EVENT, .n_readings = 1};
    (void)snprintf(row.topic, sizeof row.topic, "%s", topic);
    row.len = (size_t)snprintf(payload, sizeof payload, "{\"n\":%u}", number);
    row.payload = payload;
    assert_int_equal(mg_store_append(bed->store, &row, &ticket), MG_OK);
}

void bed_assert_complete(const struct bed *bed, const char *topic, unsigned n)
{
    unsigned highest = 0;
    for (size_t i = 0; i < bed->n_messages; i++) {
        const struct bed_message *m = &bed->messages[i];
        if (is_topic(m, topic)) {
            unsigned number = (unsigned)strtoul(m->payload + 5, NULL, 10);
            /* What is not a repetition must be the next. */
            assert_true(number <= highest + 1);
            highest = number > highest ? number : highest;
        }
    }
    assert_int_equal(highest, n);
}
