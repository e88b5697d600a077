/* The simulated CAN bus: in virtual time, and over socketcand with our own
 * client and with peers that the test plays. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "sim/can_bus.h"

#define WATCHDOG_S 50 /* ends a test that waits for what never comes */
#define HEARD_MAX  32768
#define FRAMES_N   10000U
#define SLOW_N     100000U
#define FRAME_LEN  41U /* "\n< frame 123 1700000000.123000 00000123 >" */
#define MS_NS      UINT64_C(1000000)

struct node {
    struct mg_sim_can_node base; /* first */
    size_t n;
    struct mg_can_frame heard[HEARD_MAX];
};

struct ear {
    struct mg_can_listener listener; /* first */
    unsigned n;
    struct mg_can_frame last;
};

struct client {
    struct mg_can *can;
    unsigned n_up, n_down;
    char text[MG_ERR_TEXT];
    struct ear ear;
    int done;
};

struct bed {
    uv_loop_t loop;
    bool has_loop;
    struct mg_clock *clock;
    struct mg_sim_can_bus *bus;
    struct node *a, *b;
    struct client clients[3];
};

static void node_frame(struct mg_sim_can_node *base,
                       const struct mg_can_frame *frame)
{
    struct node *n = (struct node *)base;
    assert_true(n->n < HEARD_MAX);
    n->heard[n->n++] = *frame;
}

static struct node *attached(struct bed *b)
{
    struct node *n = calloc(1, sizeof *n);
    assert_non_null(n);
    n->base.frame = node_frame;
    mg_sim_can_bus_attach(b->bus, &n->base);
    return n;
}

static struct mg_sim_can_bus *new_bus(struct bed *b, uint64_t seed)
{
    const struct mg_sim_can_bus_settings settings = {
        .host = "127.0.0.1", .name = "can0", .seed = seed};
    struct mg_err err = {0};
    struct mg_sim_can_bus *bus = mg_sim_can_bus_create(
        b->has_loop ? &b->loop : NULL, b->clock, &settings, &err);
    if (bus == NULL) {
        fail_msg("%s", err.text);
    }
    return bus;
}

static int make(void **state, bool has_loop, bool is_virtual)
{
    struct bed *b = calloc(1, sizeof *b);
    struct mg_err err;
    assert_non_null(b);
    (void)alarm(WATCHDOG_S);
    b->has_loop = has_loop;
    if (has_loop) {
        assert_int_equal(uv_loop_init(&b->loop), 0);
    }
    b->clock = is_virtual ? mg_clock_create_virtual(1700000000123)
                          : mg_clock_create_real(&b->loop, &err);
    assert_non_null(b->clock);
    b->bus = new_bus(b, 1);
    b->a = attached(b);
    b->b = attached(b);
    *state = b;
    return 0;
}

static int make_memory(void **state)
{
    return make(state, false, true);
}

static int make_real(void **state)
{
    return make(state, true, false);
}

/* Connections are real, the time of the bus is not. */
static int make_virtual(void **state)
{
    return make(state, true, true);
}

static int end(void **state)
{
    struct bed *b = *state;
    for (size_t i = 0; i < 3; i++) {
        mg_can_destroy(b->clients[i].can);
    }
    mg_sim_can_bus_destroy(b->bus);
    mg_clock_destroy(b->clock);
    if (b->has_loop) {
        assert_int_equal(uv_run(&b->loop, UV_RUN_DEFAULT), 0);
        assert_int_equal(uv_loop_close(&b->loop), 0); /* no handle was left */
    }
    free(b->a);
    free(b->b);
    (void)alarm(0);
    free(b);
    return 0;
}

static struct mg_can_frame frame_of(uint32_t i)
{
    return (struct mg_can_frame){.id = i & MG_CAN_STANDARD_MAX,
                                 .len = 4,
                                 .data = {(uint8_t)(i >> 24),
                                          (uint8_t)(i >> 16), (uint8_t)(i >> 8),
                                          (uint8_t)i}};
}

static void assert_same(const struct mg_can_frame *f,
                        const struct mg_can_frame *wanted)
{
    assert_int_equal(f->id, wanted->id);
    assert_int_equal(f->is_extended, wanted->is_extended);
    assert_int_equal(f->len, wanted->len);
    assert_memory_equal(f->data, wanted->data, wanted->len);
}

/* ---- A client of ours ---- */

static void up(void *ctx)
{
    ((struct client *)ctx)->n_up++;
}

static void down(void *ctx, const struct mg_err *err)
{
    struct client *c = ctx;
    c->n_down++;
    memcpy(c->text, err->text, sizeof c->text);
}

static void heard(struct mg_can_listener *listener,
                  const struct mg_can_frame *frame, uint64_t arrived_ns)
{
    struct ear *e = (struct ear *)listener;
    (void)arrived_ns;
    e->n++;
    e->last = *frame;
}

static void use(struct bed *b, struct client *c, struct mg_can_transport *t,
                uint32_t id)
{
    static const struct mg_can_events events = {.up = up, .down = down};
    c->can = mg_can_create(b->clock, t, &events, c);
    assert_non_null(c->can);
    c->ear.listener.id = id;
    c->ear.listener.frame = heard;
    assert_int_equal(mg_can_listen(c->can, &c->ear.listener), MG_OK);
}

static void connect_to(struct bed *b, struct client *c, const char *bus,
                       uint32_t id)
{
    const char *address = mg_sim_can_bus_address(b->bus);
    const char *colon = strrchr(address, ':');
    assert_non_null(colon);
    use(b, c,
        mg_can_transport_socketcand(&b->loop, b->clock, "127.0.0.1",
                                    (uint16_t)strtoul(colon + 1, NULL, 10), bus,
                                    30000),
        id);
}

static void run_until(struct bed *b, const unsigned *n, unsigned wanted)
{
    while (*n < wanted) {
        (void)uv_run(&b->loop, UV_RUN_ONCE);
    }
    assert_int_equal(*n, wanted);
}

static void run_until_heard(struct bed *b, const struct node *n, size_t wanted)
{
    while (n->n < wanted) {
        (void)uv_run(&b->loop, UV_RUN_ONCE);
    }
    assert_int_equal(n->n, wanted);
}

static void done(void *ctx, int code)
{
    ((struct client *)ctx)->done = code;
}

static void send_of(struct client *c, const struct mg_can_frame *frame)
{
    c->done = -1;
    assert_int_equal(mg_can_send(c->can, frame, done, c), MG_OK);
}

/* ---- Virtual time ---- */

static void test_nodes(void **state)
{
    struct bed *b = *state;
    const struct mg_can_frame f = frame_of(0x123);
    assert_string_equal(mg_sim_can_bus_address(b->bus), "");
    mg_sim_can_bus_send(b->bus, &b->a->base, &f);
    assert_int_equal(b->a->n, 0); /* not itself */
    assert_int_equal(b->b->n, 1);
    assert_same(&b->b->heard[0], &f);
}

static void test_memory(void **state)
{
    struct bed *b = *state;
    struct client *c = &b->clients[0];
    const struct mg_can_frame f = frame_of(0x123);
    const struct mg_can_frame other = frame_of(0x124);
    use(b, c, mg_sim_can_bus_memory(b->bus), 0x123);
    mg_sim_can_bus_send(b->bus, &b->a->base, &f); /* nobody listens yet */
    mg_clock_advance(b->clock, 1000);
    assert_int_equal(c->n_up, 1);
    assert_int_equal(c->ear.n, 0);
    mg_sim_can_bus_send(b->bus, &b->a->base, &f);
    mg_sim_can_bus_send(b->bus, &b->a->base, &other);
    assert_int_equal(c->ear.n, 0); /* not from within */
    mg_clock_advance(b->clock, 2000);
    assert_int_equal(c->ear.n, 1);
    assert_same(&c->ear.last, &f);
    send_of(c, &other);
    mg_clock_advance(b->clock, 3000);
    assert_int_equal(c->done, MG_OK);
    assert_int_equal(b->a->n, 1); /* both nodes, not itself */
    assert_int_equal(b->b->n, 4);
    assert_same(&b->a->heard[0], &other);
    assert_int_equal(mg_can_stats(c->can)->n_received, 2);
}

/* Frames 0 .. FRAMES_N - 1 of node a, as b hears them. */
static void send_all(struct bed *b, const struct mg_sim_can_faults *faults)
{
    mg_sim_can_bus_set_faults(b->bus, faults);
    b->b->n = 0;
    for (uint32_t i = 0; i < FRAMES_N; i++) {
        const struct mg_can_frame f = frame_of(i);
        mg_sim_can_bus_send(b->bus, &b->a->base, &f);
    }
}

static unsigned n_bits_wrong(const struct mg_can_frame *f, uint32_t i)
{
    const struct mg_can_frame wanted = frame_of(i);
    unsigned n = 0;
    assert_int_equal(f->id, wanted.id);
    assert_int_equal(f->len, wanted.len);
    for (size_t k = 0; k < f->len; k++) {
        n +=
            (unsigned)__builtin_popcount((unsigned)f->data[k] ^ wanted.data[k]);
    }
    return n;
}

static void test_no_fault(void **state)
{
    struct bed *b = *state;
    send_all(b, &(struct mg_sim_can_faults){0});
    assert_int_equal(b->b->n, FRAMES_N);
    for (uint32_t i = 0; i < FRAMES_N; i++) {
        assert_int_equal(n_bits_wrong(&b->b->heard[i], i), 0);
    }
}

static void test_always(void **state)
{
    struct bed *b = *state;
    send_all(b, &(struct mg_sim_can_faults){.drop = 10000});
    assert_int_equal(b->b->n, 0);
    send_all(b, &(struct mg_sim_can_faults){.duplicate = 10000});
    assert_int_equal(b->b->n, 2 * FRAMES_N);
    for (uint32_t i = 0; i < 2 * FRAMES_N; i++) { /* 0 0 1 1 ... */
        assert_int_equal(n_bits_wrong(&b->b->heard[i], i / 2), 0);
    }
    send_all(b, &(struct mg_sim_can_faults){.flip = 10000});
    assert_int_equal(b->b->n, FRAMES_N);
    for (uint32_t i = 0; i < FRAMES_N; i++) {
        assert_int_equal(n_bits_wrong(&b->b->heard[i], i), 1);
    }
    send_all(b, &(struct mg_sim_can_faults){.reorder = 10000});
    assert_int_equal(b->b->n, FRAMES_N);
    for (uint32_t i = 0; i < FRAMES_N; i++) { /* 1 0 3 2 ... */
        assert_int_equal(n_bits_wrong(&b->b->heard[i], i ^ 1), 0);
    }
}

static void test_flip_without_data(void **state)
{
    struct bed *b = *state;
    const struct mg_can_frame f = {.id = 5};
    mg_sim_can_bus_set_faults(b->bus,
                              &(struct mg_sim_can_faults){.flip = 10000});
    mg_sim_can_bus_send(b->bus, &b->a->base, &f);
    assert_int_equal(b->b->n, 1);
    assert_same(&b->b->heard[0], &f);
}

struct counts {
    unsigned n_dropped, n_double, n_flipped, n_both;
};

/* Frames in order: no reordering here. */
static struct counts count(const struct bed *b)
{
    struct counts c = {0};
    size_t at = 0;
    for (uint32_t i = 0; i < FRAMES_N; i++) {
        size_t n = 0;
        unsigned n_wrong = 0;
        while (at < b->b->n && n < 2 && b->b->heard[at].id == frame_of(i).id) {
            n_wrong += n_bits_wrong(&b->b->heard[at], i);
            at++;
            n++;
        }
        c.n_dropped += n == 0;
        c.n_double += n == 2;
        c.n_flipped += n_wrong == 1;
        c.n_both += n == 2 && n_wrong > 0;
    }
    assert_int_equal(at, b->b->n);
    return c;
}

/* By chance of 10,000, at most one of them at a time: 6 sigma are 240. */
static void test_chances(void **state)
{
    struct bed *b = *state;
    send_all(b, &(struct mg_sim_can_faults){
                    .drop = 1000, .duplicate = 2000, .flip = 3000});
    struct counts c = count(b);
    assert_in_range(c.n_dropped, 1000 - 240, 1000 + 240);
    assert_in_range(c.n_double, 2000 - 240, 2000 + 240);
    assert_in_range(c.n_flipped, 3000 - 280, 3000 + 280);
    assert_int_equal(c.n_both, 0);
}

static void test_seed(void **state)
{
    static const struct mg_sim_can_faults faults = {
        .drop = 100, .duplicate = 100, .flip = 100, .reorder = 100};
    struct bed *b = *state;
    size_t n[3];
    struct node *heard_by[3];
    for (size_t i = 0; i < 3; i++) {
        free(b->a);
        free(i == 0 ? b->b : NULL);
        mg_sim_can_bus_destroy(b->bus);
        b->bus = new_bus(b, i < 2 ? 7 : 8);
        b->a = attached(b);
        b->b = heard_by[i] = attached(b);
        send_all(b, &faults);
        n[i] = b->b->n;
    }
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(heard_by[0]->heard, heard_by[1]->heard,
                        n[0] * sizeof(struct mg_can_frame));
    assert_true(n[0] != n[2] ||
                memcmp(heard_by[0]->heard, heard_by[2]->heard,
                       n[0] * sizeof(struct mg_can_frame)) != 0);
    free(heard_by[0]);
    free(heard_by[1]);
}

/* ---- Over socketcand, our client ---- */

static void test_both_ways(void **state)
{
    struct bed *b = *state;
    struct client *c = &b->clients[0];
    struct mg_can_frame f = frame_of(0x10);
    connect_to(b, c, "can0", 0x123);
    run_until(b, &c->n_up, 1);
    send_of(c, &f);
    run_until_heard(b, b->a, 1);
    run_until_heard(b, b->b, 1);
    assert_same(&b->a->heard[0], &f);
    f = frame_of(0x123); /* it has sent: it hears at once */
    mg_sim_can_bus_send(b->bus, &b->a->base, &f);
    run_until(b, &c->ear.n, 1);
    assert_same(&c->ear.last, &f);
    assert_int_equal(c->done, MG_OK);
    f = (struct mg_can_frame){.id = 0x123, .is_extended = true};
    send_of(c, &f);
    run_until_heard(b, b->a, 2);
    assert_same(&b->a->heard[1], &f);
    f.is_fd = true;
    send_of(c, &f);
    assert_int_equal(c->done, MG_E_NOSUP);
    assert_int_equal(c->n_down, 0);
}

/* The others hear it, the sender does not. */
static void test_several_clients(void **state)
{
    struct bed *b = *state;
    const struct mg_can_frame hello = frame_of(0x700);
    const struct mg_can_frame f = frame_of(0x42);
    for (size_t i = 0; i < 3; i++) {
        connect_to(b, &b->clients[i], "can0", 0x42);
        run_until(b, &b->clients[i].n_up, 1);
        send_of(&b->clients[i], &hello);
        run_until_heard(b, b->a, i + 1);
    }
    send_of(&b->clients[0], &f);
    run_until(b, &b->clients[1].ear.n, 1);
    run_until(b, &b->clients[2].ear.n, 1);
    run_until_heard(b, b->a, 4);
    send_of(&b->clients[1], &f);
    run_until(b, &b->clients[0].ear.n, 1); /* of the other's only */
    run_until(b, &b->clients[2].ear.n, 2);
    assert_int_equal(b->clients[1].ear.n, 1);
}

static void test_other_name(void **state)
{
    struct bed *b = *state;
    struct client *c = &b->clients[0];
    connect_to(b, c, "can1", 1);
    run_until(b, &c->n_down, 1);
    assert_non_null(strstr(c->text, "bus can1 is refused"));
    assert_int_equal(c->n_up, 0);
}

static void test_bus_goes(void **state)
{
    struct bed *b = *state;
    struct client *c = &b->clients[0];
    connect_to(b, c, "can0", 1);
    run_until(b, &c->n_up, 1);
    mg_sim_can_bus_destroy(b->bus);
    b->bus = NULL;
    run_until(b, &c->n_down, 1);
    assert_non_null(strstr(c->text, "closed by the other side"));
}

static void test_port_taken(void **state)
{
    struct bed *b = *state;
    struct mg_sim_can_bus_settings settings = {.host = "127.0.0.1",
                                               .name = "can0"};
    struct mg_err err = {0};
    const char *address = mg_sim_can_bus_address(b->bus);
    settings.port = (uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10);
    assert_true(settings.port != 0);
    assert_null(mg_sim_can_bus_create(&b->loop, b->clock, &settings, &err));
    assert_int_equal(err.code, MG_E_IO);
    assert_non_null(strstr(err.text, address));
}

/* ---- Over socketcand, peers that the test plays ---- */

static int connected(struct bed *b)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const char *address = mg_sim_can_bus_address(b->bus);
    int small = 4096; /* what is not read shows up early */
    a.sin_port = htons((uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    size_t len = strlen(text);
    assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* @return bytes; 0 or -1: the other side has closed */
static ssize_t read_some(struct bed *b, int fd, char *data, size_t max)
{
    for (;;) {
        (void)uv_run(&b->loop, UV_RUN_NOWAIT);
        ssize_t n = recv(fd, data, max, MSG_DONTWAIT);
        if (n >= 0 || errno != EAGAIN) {
            return n;
        }
    }
}

static void hear(struct bed *b, int fd, const char *text)
{
    char got[512] = "";
    size_t n_all = 0;
    while (n_all < strlen(text)) {
        ssize_t n = read_some(b, fd, got + n_all, strlen(text) - n_all);
        assert_true(n > 0);
        n_all += (size_t)n;
    }
    assert_string_equal(got, text);
}

static void hear_end(struct bed *b, int fd)
{
    char got[64];
    assert_true(read_some(b, fd, got, sizeof got) <= 0);
    assert_int_equal(close(fd), 0);
}

static int in_raw_mode(struct bed *b)
{
    int fd = connected(b);
    hear(b, fd, "< hi >");
    say(fd, "< open can0 >");
    hear(b, fd, "< ok >");
    say(fd, "< rawmode >");
    hear(b, fd, "< ok >");
    return fd;
}

static void test_text(void **state)
{
    struct bed *b = *state;
    struct mg_can_frame f = {.id = 0x12, .len = 2, .data = {0xab, 1}};
    int fd = in_raw_mode(b);
    say(fd, "< echo >");
    hear(b, fd, "< echo >");
    say(fd, "< send 7FF 2 1 ab >");
    run_until_heard(b, b->a, 1);
    assert_int_equal(b->a->heard[0].id, 0x7ff);
    assert_int_equal(b->a->heard[0].len, 2);
    assert_int_equal(b->a->heard[0].data[1], 0xab);
    mg_sim_can_bus_send(b->bus, &b->a->base, &f);
    hear(b, fd, "\n< frame 012 1700000000.123000 AB01 >");
    f.is_extended = true;
    f.len = 0;
    mg_clock_advance(b->clock, 2 * MS_NS);
    mg_sim_can_bus_send(b->bus, &b->a->base, &f);
    hear(b, fd, "\n< frame 00000012 1700000000.125000  >");
    f.is_remote = true; /* not in this protocol */
    mg_sim_can_bus_send(b->bus, &b->a->base, &f);
    say(fd, "< echo >");
    hear(b, fd, "< echo >");
    assert_int_equal(close(fd), 0);
}

/* The last answer of the hand-shake stands alone: python-can looks at all that
 * has come by then. */
static void test_first_frame(void **state)
{
    struct bed *b = *state;
    const struct mg_can_frame f = frame_of(0x123);
    int fd = connected(b);
    hear(b, fd, "< hi >");
    say(fd, "< open can0 >");
    hear(b, fd, "< ok >");
    mg_clock_advance(b->clock, 100 * MS_NS);
    mg_sim_can_bus_send(b->bus, &b->a->base, &f); /* not in raw mode */
    say(fd, "< rawmode >");
    hear(b, fd, "< ok >");
    mg_clock_advance(b->clock, 150 * MS_NS - 1);
    mg_sim_can_bus_send(b->bus, &b->a->base, &f);
    say(fd, "< echo >");
    hear(b, fd, "< echo >");
    mg_clock_advance(b->clock, 150 * MS_NS);
    mg_sim_can_bus_send(b->bus, &b->a->base, &f);
    hear(b, fd, "\n< frame 123 ");
    assert_int_equal(close(fd), 0);
}

static void test_strange_words(void **state)
{
    struct bed *b = *state;
    int fd = connected(b);
    hear(b, fd, "< hi >");
    say(fd, "< rawmode >");
    hear(b, fd, "< error unknown command >");
    say(fd, "< send 1 1 1 >");
    hear(b, fd, "< error unknown command >");
    say(fd, "< send 1 9 1 >");
    hear(b, fd, "< error syntax error >");
    say(fd, "\r\n< open can0 >");
    hear(b, fd, "< ok >");
    assert_int_equal(b->a->n, 0);
    assert_int_equal(close(fd), 0);
    fd = connected(b);
    hear(b, fd, "< hi >");
    say(fd, "< open vcan0 >");
    hear(b, fd, "< error could not open bus >");
    hear_end(b, fd);
}

static void test_without_end(void **state)
{
    char text[300];
    struct bed *b = *state;
    int fd = in_raw_mode(b);
    memset(text, '<', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    say(fd, text);
    hear_end(b, fd);
}

/* Who does not read is let go, before much is stored; the others stay. */
static void test_slow(void **state)
{
    struct bed *b = *state;
    struct client *c = &b->clients[0];
    const struct mg_can_frame hello = frame_of(0x700);
    char got[4096];
    size_t n_all = 0;
    int fd = in_raw_mode(b);
    say(fd, "< send 700 0 >");
    run_until_heard(b, b->a, 1);
    connect_to(b, c, "can0", 0x123);
    run_until(b, &c->n_up, 1);
    send_of(c, &hello);
    run_until_heard(b, b->a, 2);
    hear(b, fd, "\n< frame 700 ");
    for (unsigned n = 0; n < SLOW_N; n++) {
        const struct mg_can_frame f = frame_of(n << 11 | 0x123);
        b->b->n = 0;
        mg_sim_can_bus_send(b->bus, &b->a->base, &f);
        if (n % 100 == 99) {
            run_until(b, &c->ear.n, n + 1);
        }
    }
    for (ssize_t n = 1; n > 0; n_all += (size_t)n) {
        n = read_some(b, fd, got, sizeof got);
        n = n < 0 ? 0 : n;
    }
    assert_in_range(n_all, 1, SLOW_N * FRAME_LEN / 2);
    assert_int_equal(c->n_down, 0);
    assert_int_equal(close(fd), 0);
}

static void test_too_many(void **state)
{
    int fds[MG_SIM_CAN_CLIENTS_MAX];
    struct bed *b = *state;
    for (size_t i = 0; i < MG_SIM_CAN_CLIENTS_MAX; i++) {
        fds[i] = connected(b);
        hear(b, fds[i], "< hi >");
    }
    hear_end(b, connected(b));
    assert_int_equal(close(fds[0]), 0); /* one goes: there is room again */
    int fd = -1;
    char got[8];
    ssize_t n = 0;
    while (n <= 0) { /* until the server has seen it go */
        fd = connected(b);
        n = read_some(b, fd, got, sizeof got);
        assert_int_equal(close(fd), 0);
    }
    for (size_t i = 1; i < MG_SIM_CAN_CLIENTS_MAX; i++) {
        assert_int_equal(close(fds[i]), 0);
    }
}

#define M(test) cmocka_unit_test_setup_teardown(test, make_memory, end)
#define V(test) cmocka_unit_test_setup_teardown(test, make_virtual, end)
#define R(test) cmocka_unit_test_setup_teardown(test, make_real, end)

int main(void)
{
    static const struct CMUnitTest tests[] = {M(test_nodes),
                                              M(test_memory),
                                              M(test_no_fault),
                                              M(test_always),
                                              M(test_flip_without_data),
                                              M(test_chances),
                                              M(test_seed),
                                              R(test_both_ways),
                                              R(test_several_clients),
                                              R(test_other_name),
                                              R(test_bus_goes),
                                              R(test_port_taken),
                                              V(test_text),
                                              V(test_first_frame),
                                              V(test_strange_words),
                                              V(test_without_end),
                                              R(test_slow),
                                              V(test_too_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
