/* ISO-TP channels against a bus made here: what they send, when, what they
 * tell, and calls that come back from within calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bus/can.h"
#include "wire/isotp.h"

#define MS UINT64_C(1000000)
#define BYTES(...)                                                             \
    (const uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__})

/* ---- The bus: two listeners at most, frames go to each other's ---- */

struct mg_can {
    struct mg_clock *clock;
    struct mg_can_listener *listeners[2];
    size_t n_listeners;
    bool is_down, is_deaf;
    bool is_loop; /* frames reach their listener from within mg_can_send */
    int refusal;  /* of mg_can_send */
    int outcome;  /* told to `done` */
    bool is_held; /* `done` is kept for later */
    void (*done)(void *ctx, int code);
    void *done_ctx;
    struct mg_can_frame last;
    unsigned n_sent;
};

struct mg_clock *mg_can_clock(const struct mg_can *can)
{
    return can->clock;
}

bool mg_can_is_up(const struct mg_can *can)
{
    return !can->is_down;
}

int mg_can_listen(struct mg_can *can, struct mg_can_listener *listener)
{
    if (can->is_deaf || can->n_listeners == 2) {
        return MG_E_NOSPC;
    }
    can->listeners[can->n_listeners++] = listener;
    return MG_OK;
}

static void deliver(struct mg_can *can, const struct mg_can_frame *frame)
{
    for (size_t i = 0; i < can->n_listeners; i++) {
        struct mg_can_listener *l = can->listeners[i];
        if (l->id == frame->id && l->is_extended == frame->is_extended) {
            l->frame(l, frame, mg_clock_now_ns(can->clock));
        }
    }
}

int mg_can_send(struct mg_can *can, const struct mg_can_frame *frame,
                void (*done)(void *ctx, int code), void *ctx)
{
    if (can->refusal != MG_OK) {
        return can->refusal;
    }
    can->n_sent++;
    can->last = *frame;
    if (can->is_held) {
        assert_null(can->done); /* one at a time */
        can->done = done;
        can->done_ctx = ctx;
        return MG_OK;
    }
    if (can->is_loop) {
        deliver(can, frame); /* overtakes `done` */
    }
    done(ctx, can->outcome);
    return MG_OK;
}

/* ---- The owner ---- */

struct owner {
    uint8_t data[MG_ISOTP_MAX];
    size_t len;
    unsigned n_messages, n_sent, n_failed;
    int sent_code, failed_code;
    struct mg_can_channel *channel;
    bool is_echo; /* answers each message with itself */
    bool is_calling;
};

static void on_message(void *ctx, const uint8_t *data, size_t len)
{
    struct owner *o = ctx;
    assert_false(o->is_calling);
    memcpy(o->data, data, len);
    o->len = len;
    o->n_messages++;
    if (o->is_echo) {
        assert_int_equal(mg_can_channel_send(o->channel, data, len), MG_OK);
    }
}

static void on_sent(void *ctx, int code, const char *reason)
{
    struct owner *o = ctx;
    assert_false(o->is_calling);
    assert_true(code == MG_OK || reason != NULL);
    o->sent_code = code;
    o->n_sent++;
}

static void on_failed(void *ctx, int code, const char *reason)
{
    struct owner *o = ctx;
    assert_false(o->is_calling);
    assert_non_null(reason);
    o->failed_code = code;
    o->n_failed++;
}

static const struct mg_can_channel_events events = {on_message, on_sent,
                                                    on_failed};
static const struct mg_isotp_settings classic = {.tx_dl = 8,
                                                 .is_padded = true,
                                                 .pad = 0xcc,
                                                 .wait_max = 10,
                                                 .max_len = MG_ISOTP_MAX};
static const struct mg_can_frame id_a = {.id = 0x601};
static const struct mg_can_frame id_b = {.id = 0x1234567, .is_extended = true};

/* One rig per test. */
static struct mg_can can;
static struct owner a, b;

static struct mg_can_channel *open_channel(struct owner *o,
                                           const struct mg_can_frame *rx,
                                           const struct mg_can_frame *tx,
                                           const struct mg_isotp_settings *set)
{
    o->channel = mg_can_channel_create(&can, rx, tx, set, &events, o);
    return o->channel;
}

static int begin(void **state)
{
    (void)state;
    memset(&can, 0, sizeof can);
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    can.clock = mg_clock_create_virtual(0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    mg_can_channel_destroy(a.channel);
    mg_can_channel_destroy(b.channel);
    assert_true(mg_clock_next_ns(can.clock) == UINT64_MAX);
    mg_clock_destroy(can.clock);
    return 0;
}

static void advance(uint64_t ns)
{
    mg_clock_advance(can.clock, mg_clock_now_ns(can.clock) + ns);
}

static int ask(struct owner *o, const uint8_t *data, size_t len)
{
    o->is_calling = true; /* no event may come from within */
    int code = mg_can_channel_send(o->channel, data, len);
    o->is_calling = false;
    return code;
}

static void came(const uint8_t *data, size_t len)
{
    struct mg_can_frame frame = id_a;
    frame.len = (uint8_t)len;
    memcpy(frame.data, data, len);
    deliver(&can, &frame);
}

static void last_is(const uint8_t *data, size_t len)
{
    assert_int_equal(can.last.len, len);
    assert_memory_equal(can.last.data, data, len);
}

static void message_is(const uint8_t *data, size_t len)
{
    assert_int_equal(a.len, len);
    assert_memory_equal(a.data, data, len);
}

static void channels_are_refused(void **state)
{
    (void)state;
    struct mg_isotp_settings set = classic;
    set.tx_dl = 9;
    assert_null(open_channel(&a, &id_a, &id_b, &set));
    assert_int_equal(can.n_listeners, 0);
    can.is_deaf = true;
    assert_null(open_channel(&a, &id_a, &id_b, &classic));
}

static void frames_carry_the_identifier(void **state)
{
    (void)state;
    assert_non_null(open_channel(&a, &id_a, &id_b, &classic));
    assert_int_equal(ask(&a, BYTES(1, 2)), MG_OK);
    assert_int_equal(ask(&a, BYTES(1)), MG_E_BUSY);
    assert_int_equal(can.n_sent, 0);
    advance(0);
    last_is(BYTES(2, 1, 2, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc));
    assert_int_equal(can.last.id, 0x1234567);
    assert_true(can.last.is_extended);
    assert_false(can.last.is_fd || can.last.is_brs || can.last.is_remote);
    assert_int_equal(a.n_sent, 1);
    assert_int_equal(a.sent_code, MG_OK);
    assert_int_equal(ask(&a, NULL, 0), MG_E_INVAL);
    can.is_down = true;
    assert_int_equal(ask(&a, BYTES(1)), MG_E_IO);
}

static void fd_settings_send_fd_frames(void **state)
{
    (void)state;
    struct mg_isotp_settings set = classic;
    set.tx_dl = 64;
    assert_non_null(open_channel(&a, &id_a, &id_b, &set));
    assert_int_equal(ask(&a, BYTES(1, 2, 3, 4, 5, 6, 7, 8, 9)), MG_OK);
    advance(0);
    assert_true(can.last.is_fd);
    last_is(BYTES(0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xcc));
}

static void messages_are_told(void **state)
{
    (void)state;
    assert_non_null(open_channel(&a, &id_a, &id_b, &classic));
    struct mg_can_frame remote = id_a;
    remote.is_remote = true;
    remote.len = 2;
    remote.data[0] = 1;
    deliver(&can, &remote);
    assert_int_equal(a.n_messages, 0);
    came(BYTES(2, 5, 6));
    assert_int_equal(a.n_messages, 1);
    message_is(BYTES(5, 6));
    came(BYTES(0x10, 8, 0, 1, 2, 3, 4, 5));
    last_is(BYTES(0x30, 0, 0, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc));
    came(BYTES(0x21, 6, 7));
    message_is(BYTES(0, 1, 2, 3, 4, 5, 6, 7));
    assert_true(mg_clock_next_ns(can.clock) == UINT64_MAX);
}

static void times_are_kept(void **state)
{
    (void)state;
    static const uint8_t data[27] = {0};
    assert_non_null(open_channel(&a, &id_a, &id_b, &classic));
    came(BYTES(0x10, 8, 0, 1, 2, 3, 4, 5));
    advance(1000 * MS - 1);
    assert_int_equal(a.n_failed, 0);
    advance(1);
    assert_int_equal(a.n_failed, 1);
    assert_int_equal(a.failed_code, MG_E_TIMEOUT);
    assert_int_equal(ask(&a, data, sizeof data), MG_OK);
    advance(0);
    came(BYTES(0x30, 0, 10)); /* 10 ms between frames */
    assert_int_equal(can.n_sent, 3);
    advance(10 * MS - 1);
    assert_int_equal(can.n_sent, 3);
    advance(1);
    assert_int_equal(can.n_sent, 4);
    advance(10 * MS);
    assert_int_equal(can.n_sent, 5);
    assert_int_equal(a.n_sent, 1);
    assert_int_equal(ask(&a, data, sizeof data), MG_OK);
    advance(1000 * MS);
    assert_int_equal(a.n_sent, 2);
    assert_int_equal(a.sent_code, MG_E_TIMEOUT);
}

static void a_bus_that_refuses_or_loses_frames(void **state)
{
    (void)state;
    assert_non_null(open_channel(&a, &id_a, &id_b, &classic));
    can.refusal = MG_E_NOSPC;
    assert_int_equal(ask(&a, BYTES(1)), MG_OK);
    advance(0);
    assert_int_equal(a.n_sent, 1);
    assert_int_equal(a.sent_code, MG_E_NOSPC);
    came(BYTES(0x10, 8, 0, 1, 2, 3, 4, 5));
    assert_int_equal(a.failed_code, MG_E_NOSPC);
    can.refusal = MG_OK;
    can.outcome = MG_E_IO;
    assert_int_equal(ask(&a, BYTES(1)), MG_OK);
    advance(0);
    assert_int_equal(a.n_sent, 2);
    assert_int_equal(a.sent_code, MG_E_IO);
    can.outcome = MG_OK;
    assert_int_equal(ask(&a, BYTES(1)), MG_OK);
    advance(0);
    assert_int_equal(a.n_sent, 3);
    assert_int_equal(a.sent_code, MG_OK);
}

static void a_bus_that_never_sends(void **state)
{
    (void)state;
    assert_non_null(open_channel(&a, &id_a, &id_b, &classic));
    can.is_held = true;
    assert_int_equal(ask(&a, BYTES(1)), MG_OK);
    advance(1000 * MS);
    assert_int_equal(a.sent_code, MG_E_TIMEOUT);
    assert_int_equal(ask(&a, BYTES(2)), MG_OK);
    advance(10 * MS);
    assert_int_equal(can.n_sent, 1); /* waits for the first */
    void (*done)(void *, int) = can.done;
    can.done = NULL;
    done(can.done_ctx, MG_OK);
    assert_int_equal(can.n_sent, 2);
    assert_int_equal(a.n_sent, 1);
    can.done(can.done_ctx, MG_OK);
    assert_int_equal(a.n_sent, 2);
    assert_int_equal(a.sent_code, MG_OK);
}

/* The engine ends with a frame of ours in its queue. */
static void nothing_is_told_of_a_bus_being_destroyed(void **state)
{
    (void)state;
    assert_non_null(open_channel(&a, &id_a, &id_b, &classic));
    can.is_held = true;
    assert_int_equal(ask(&a, BYTES(1)), MG_OK);
    advance(0);
    can.done(can.done_ctx, MG_E_CANCELED);
    assert_true(mg_clock_next_ns(can.clock) == UINT64_MAX);
    assert_int_equal(a.n_sent, 0);
    mg_can_channel_destroy(NULL);
}

static void events_are_optional(void **state)
{
    (void)state;
    static const struct mg_can_channel_events none = {0};
    a.channel =
        mg_can_channel_create(&can, &id_a, &id_b, &classic, &none, NULL);
    assert_non_null(a.channel);
    assert_int_equal(ask(&a, BYTES(1)), MG_OK);
    advance(0);
    came(BYTES(1, 1));
    came(BYTES(0x10, 8, 0, 1, 2, 3, 4, 5));
    advance(2000 * MS);
}

/* Every frame is answered from within the call that sends it. */
static void two_channels_talk(void **state)
{
    (void)state;
    struct mg_isotp_settings set = classic;
    set.block_size = 3;
    set.st_min = 1;
    assert_non_null(open_channel(&a, &id_a, &id_b, &classic));
    assert_non_null(open_channel(&b, &id_b, &id_a, &set));
    can.is_loop = true;
    b.is_echo = true;
    static uint8_t data[MG_ISOTP_MAX];
    static const size_t lengths[] = {1, 7, 8, 500, MG_ISOTP_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        for (size_t k = 0; k < lengths[i]; k++) {
            data[k] = (uint8_t)(k * 7 + i);
        }
        assert_int_equal(ask(&a, data, lengths[i]), MG_OK);
        advance(5000 * MS);
        assert_int_equal(a.n_messages, i + 1);
        assert_int_equal(a.len, lengths[i]);
        assert_memory_equal(a.data, data, a.len);
        assert_int_equal(a.n_sent, i + 1);
        assert_int_equal(b.n_sent, i + 1);
    }
    assert_int_equal(a.n_failed + b.n_failed, 0);
    assert_int_equal(a.sent_code, MG_OK);
    assert_int_equal(b.sent_code, MG_OK);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(channels_are_refused),
        TEST(frames_carry_the_identifier),
        TEST(fd_settings_send_fd_frames),
        TEST(messages_are_told),
        TEST(times_are_kept),
        TEST(a_bus_that_refuses_or_loses_frames),
        TEST(a_bus_that_never_sends),
        TEST(nothing_is_told_of_a_bus_being_destroyed),
        TEST(events_are_optional),
        TEST(two_channels_talk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
