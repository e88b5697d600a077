/* The client end of socketcand against a server that the test plays, byte by
 * byte, on a loopback connection. The clock is virtual. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "bus/can.h"

#define WATCHDOG_S 50 /* ends a test that waits for what never comes */
#define S_NS       UINT64_C(1000000000)
#define CONNECT_MS 60000U

struct bed {
    uv_loop_t loop;
    struct mg_clock *clock;
    struct mg_can_transport *line;
    int listener, peer;
    uint16_t port;
    unsigned n_opened, n_lost, n_sent, n_state, n_received;
    struct mg_err err;
    struct mg_can_status status;
    struct mg_can_frame frames[512];
    bool reopens_on_rx;
};

static void opened(void *ctx)
{
    ((struct bed *)ctx)->n_opened++;
}

static void open_line(struct bed *b)
{
    struct mg_err err;
    assert_int_equal(b->line->ops->open(b->line, NULL, 0, &err), MG_OK);
}

static void received(void *ctx, const struct mg_can_frame *frame,
                     uint64_t arrived_ns)
{
    struct bed *b = ctx;
    assert_int_equal(arrived_ns, mg_clock_now_ns(b->clock));
    assert_true(b->n_received < sizeof b->frames / sizeof *b->frames);
    b->frames[b->n_received++] = *frame;
    if (b->reopens_on_rx) {
        b->line->ops->close(b->line);
        open_line(b);
    }
}

static void sent(void *ctx)
{
    ((struct bed *)ctx)->n_sent++;
}

static void state_is(void *ctx, const struct mg_can_status *status)
{
    struct bed *b = ctx;
    b->n_state++;
    b->status = *status;
}

static void overrun(void *ctx, uint64_t n_lost)
{
    (void)ctx;
    fail_msg("overrun of %llu", (unsigned long long)n_lost);
}

static void lost(void *ctx, const struct mg_err *err)
{
    struct bed *b = ctx;
    b->n_lost++;
    b->err = *err;
}

static const struct mg_can_transport_events events = {.opened = opened,
                                                      .received = received,
                                                      .sent = sent,
                                                      .state = state_is,
                                                      .overrun = overrun,
                                                      .lost = lost};

static void listen_on_any(struct bed *b)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    b->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(b->listener >= 0);
    assert_int_equal(bind(b->listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(b->listener, 4), 0);
    assert_int_equal(getsockname(b->listener, (struct sockaddr *)&a, &len), 0);
    b->port = ntohs(a.sin_port);
}

static int make(void **state)
{
    struct bed *b = calloc(1, sizeof *b);
    assert_non_null(b);
    (void)alarm(WATCHDOG_S);
    assert_int_equal(uv_loop_init(&b->loop), 0);
    b->clock = mg_clock_create_virtual(0);
    assert_non_null(b->clock);
    b->peer = -1;
    listen_on_any(b);
    b->line = mg_can_transport_socketcand(&b->loop, b->clock, "127.0.0.1",
                                          b->port, "can7", CONNECT_MS);
    assert_non_null(b->line);
    b->line->events = &events;
    b->line->ctx = b;
    *state = b;
    return 0;
}

static int end(void **state)
{
    struct bed *b = *state;
    b->line->ops->destroy(b->line);
    assert_int_equal(uv_run(&b->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&b->loop), 0); /* no handle was left */
    assert_int_equal(mg_clock_next_ns(b->clock), UINT64_MAX); /* no timer */
    mg_clock_destroy(b->clock);
    assert_int_equal(close(b->listener), 0);
    if (b->peer >= 0) {
        assert_int_equal(close(b->peer), 0);
    }
    (void)alarm(0);
    free(b);
    return 0;
}

/* ---- The server ---- */

static void say(struct bed *b, const char *text)
{
    size_t len = strlen(text);
    assert_int_equal(send(b->peer, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* What the client says, until that is all of `text`. */
static void hear(struct bed *b, const char *text)
{
    char got[1024] = "";
    size_t n_all = 0;
    while (n_all < strlen(text)) {
        (void)uv_run(&b->loop, UV_RUN_NOWAIT);
        ssize_t n =
            recv(b->peer, got + n_all, sizeof got - 1 - n_all, MSG_DONTWAIT);
        assert_true(n != 0);
        n_all += n > 0 ? (size_t)n : 0;
    }
    assert_string_equal(got, text);
}

static void run_until(struct bed *b, const unsigned *n, unsigned wanted)
{
    while (*n < wanted) {
        (void)uv_run(&b->loop, UV_RUN_ONCE);
    }
    assert_int_equal(*n, wanted);
}

static void accept_client(struct bed *b)
{
    open_line(b);
    if (b->peer >= 0) {
        assert_int_equal(close(b->peer), 0);
    }
    b->peer = accept(b->listener, NULL, NULL);
    assert_true(b->peer >= 0);
}

static void shake_hands(struct bed *b)
{
    unsigned n = b->n_opened;
    accept_client(b);
    say(b, "< hi >");
    hear(b, "< open can7 >");
    say(b, "< ok >");
    hear(b, "< rawmode >");
    assert_int_equal(b->n_opened, n);
    say(b, "< ok >");
    run_until(b, &b->n_opened, n + 1);
}

/* It says what is wrong, and whose. */
static void assert_lost(struct bed *b, int code, const char *what)
{
    char where[32];
    run_until(b, &b->n_lost, 1);
    (void)snprintf(where, sizeof where, "127.0.0.1:%u", b->port);
    assert_int_equal(b->err.code, code);
    assert_non_null(strstr(b->err.text, where));
    if (strstr(b->err.text, what) == NULL) {
        fail_msg("%s", b->err.text);
    }
}

/* ---- Tests ---- */

static void test_frames(void **state)
{
    struct bed *b = *state;
    shake_hands(b);
    say(b, "< frame 123 1.5 1122 >\n< frame 00000123 1.5 >< stat 1 >"
           "< frame 18DAF110 1.5 00 >");
    run_until(b, &b->n_received, 3);
    assert_int_equal(b->frames[0].id, 0x123);
    assert_int_equal(b->frames[0].len, 2);
    assert_int_equal(b->frames[0].data[1], 0x22);
    assert_true(b->frames[1].is_extended);
    assert_int_equal(b->frames[2].id, 0x18daf110);
    assert_int_equal(b->n_lost, 0);
}

static void test_byte_by_byte(void **state)
{
    static const char text[] = "< frame 7FF 1700000000.000001 0102030405060708"
                               " >\r\n";
    struct bed *b = *state;
    shake_hands(b);
    for (const char *at = text; *at != '\0'; at++) {
        const char one[] = {*at, '\0'};
        say(b, one);
        (void)uv_run(&b->loop, UV_RUN_ONCE);
    }
    assert_int_equal(b->n_received, 1);
    assert_int_equal(b->frames[0].data[7], 8);
}

/* More than the buffer holds, in one go. */
static void test_many(void **state)
{
    char text[64];
    struct bed *b = *state;
    shake_hands(b);
    for (unsigned i = 0; i < 500; i++) {
        (void)snprintf(text, sizeof text,
                       "< frame %03X 1700000000.000000 0102030405060708 >", i);
        say(b, text);
    }
    run_until(b, &b->n_received, 500);
    for (unsigned i = 0; i < 500; i++) {
        assert_int_equal(b->frames[i].id, i);
    }
}

static void test_send(void **state)
{
    struct mg_can_frame f = {.id = 0x12, .len = 2, .data = {0xab, 0}};
    struct bed *b = *state;
    struct mg_err err;
    assert_int_equal(b->line->ops->send(b->line, &f, &err), MG_E_IO);
    shake_hands(b);
    assert_int_equal(b->line->ops->send(b->line, &f, &err), MG_OK);
    f.is_extended = true;
    f.len = 0;
    assert_int_equal(b->line->ops->send(b->line, &f, &err), MG_OK);
    hear(b, "< send 012 2 AB 00 >< send 00000012 0 >");
    mg_clock_advance(b->clock, mg_clock_now_ns(b->clock));
    assert_int_equal(b->n_sent, 2);
    f.is_fd = true;
    assert_int_equal(b->line->ops->send(b->line, &f, &err), MG_E_NOSUP);
    f.is_fd = false;
    f.is_remote = true;
    assert_int_equal(b->line->ops->send(b->line, &f, &err), MG_E_NOSUP);
    assert_int_equal(b->n_lost, 0);
}

/* A server that reads nothing: not more is stored than the kernel does. */
static void test_server_does_not_read(void **state)
{
    const struct mg_can_frame f = {.id = 1, .len = 8};
    struct bed *b = *state;
    struct mg_err err;
    int code = MG_OK;
    shake_hands(b);
    for (unsigned i = 0; code == MG_OK; i++) {
        assert_true(i < 10000000);
        code = b->line->ops->send(b->line, &f, &err);
    }
    assert_int_equal(code, MG_E_IO);
    assert_int_equal(b->n_lost, 0); /* not from within */
    mg_clock_advance(b->clock, mg_clock_now_ns(b->clock));
    assert_int_equal(b->n_lost, 1);
    assert_non_null(strstr(b->err.text, "does not take what is sent"));
}

static void test_refused(void **state)
{
    struct bed *b = *state;
    accept_client(b);
    say(b, "< hi >");
    hear(b, "< open can7 >");
    say(b, "< error could not open bus >");
    assert_lost(b, MG_E_DENIED, "bus can7 is refused: could not open bus");
}

static void test_error_when_open(void **state)
{
    struct bed *b = *state;
    shake_hands(b);
    say(b, "< error unknown command >");
    assert_lost(b, MG_E_DENIED, "unknown command");
}

static void test_no_greeting(void **state)
{
    struct bed *b = *state;
    accept_client(b);
    say(b, "SSH-2.0-OpenSSH_9.2\r\n");
    while (mg_clock_next_ns(b->clock) != 5 * S_NS) { /* connected */
        (void)uv_run(&b->loop, UV_RUN_ONCE);
    }
    mg_clock_advance(b->clock, 5 * S_NS - 1);
    assert_int_equal(b->n_lost, 0);
    mg_clock_advance(b->clock, 5 * S_NS);
    assert_lost(b, MG_E_TIMEOUT, "expected \"< hi >\"");
}

static void test_silent_after_open(void **state)
{
    struct bed *b = *state;
    accept_client(b);
    say(b, "< hi >");
    hear(b, "< open can7 >");
    mg_clock_advance(b->clock, 5 * S_NS);
    assert_lost(b, MG_E_TIMEOUT, "\"< ok >\" to the name of the bus");
}

static void test_not_the_protocol(void **state)
{
    struct bed *b = *state;
    accept_client(b);
    say(b, "HTTP/1.1 400 Bad Request\r\n\r\n<html\033>");
    assert_lost(b, MG_E_PROTO, "got \"<html?>\"");
}

static void test_malformed(void **state)
{
    struct bed *b = *state;
    shake_hands(b);
    say(b, "< frame 1 1.0 11 >< frame 123 1.0 1 >< frame 2 1.0 11 >");
    assert_lost(b, MG_E_PROTO, "got \"< frame 123 1.0 1 >\"");
    assert_int_equal(b->n_received, 1); /* nothing after it */
}

static void test_without_end(void **state)
{
    char text[200];
    struct bed *b = *state;
    shake_hands(b);
    memset(text, '<', sizeof text);
    text[sizeof text - 1] = '\0';
    say(b, text);
    assert_lost(b, MG_E_PROTO, "more than 128 bytes");
}

static void test_bus_off(void **state)
{
    struct bed *b = *state;
    shake_hands(b);
    say(b, "< error 008 1.0 >< error 040 1.0 >");
    run_until(b, &b->n_state, 1);
    assert_int_equal(b->status.state, MG_CAN_BUS_OFF);
    say(b, "< error 100 1.0 >");
    run_until(b, &b->n_state, 2);
    assert_int_equal(b->status.state, MG_CAN_ACTIVE);
    assert_int_equal(b->n_lost, 0);
}

/* Half an element of the old connection is not the new one's beginning. */
static void test_again(void **state)
{
    struct bed *b = *state;
    shake_hands(b);
    say(b, "< frame 1 1.0 11 >< frame 2 1");
    run_until(b, &b->n_received, 1);
    assert_int_equal(shutdown(b->peer, SHUT_WR), 0);
    run_until(b, &b->n_lost, 1);
    assert_non_null(strstr(b->err.text, "closed by the other side"));
    shake_hands(b);
    say(b, "< frame 3 1.0 11 >");
    run_until(b, &b->n_received, 2);
    assert_int_equal(b->frames[1].id, 3);
}

/* What came with the frame that made its owner open anew is of the past. */
static void test_opened_anew_within(void **state)
{
    struct bed *b = *state;
    shake_hands(b);
    b->reopens_on_rx = true;
    say(b, "< frame 1 1.0 11 >< frame 2 1.0 11 >< fra");
    run_until(b, &b->n_received, 1);
    b->reopens_on_rx = false;
    assert_int_equal(close(b->peer), 0);
    b->peer = accept(b->listener, NULL, NULL);
    assert_true(b->peer >= 0);
    say(b, "< hi >");
    hear(b, "< open can7 >");
    assert_int_equal(b->n_received, 1);
    assert_int_equal(b->n_lost, 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, make, end)

int main(void)
{
    static const struct CMUnitTest tests[] = {T(test_frames),
                                              T(test_byte_by_byte),
                                              T(test_many),
                                              T(test_send),
                                              T(test_server_does_not_read),
                                              T(test_refused),
                                              T(test_error_when_open),
                                              T(test_no_greeting),
                                              T(test_silent_after_open),
                                              T(test_not_the_protocol),
                                              T(test_malformed),
                                              T(test_without_end),
                                              T(test_bus_off),
                                              T(test_again),
                                              T(test_opened_anew_within)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
