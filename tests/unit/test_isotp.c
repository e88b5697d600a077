/* ISO-TP: the frames of ISO 15765-2:2016 byte for byte, every time-out, every
 * wrong frame, and two machines against each other over a bus that loses,
 * doubles and swaps frames. The seed is printed; MG_SEED sets it. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "wire/isotp.h"

#define MS UINT64_C(1000000)
#define US UINT64_C(1000)
#define BYTES(...)                                                             \
    (const uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__})

static uint64_t rng;

static uint32_t random_below(uint32_t n)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return (uint32_t)(rng >> 32) % n;
}

static const struct mg_isotp_settings classic = {.tx_dl = 8,
                                                 .is_padded = true,
                                                 .pad = 0xcc,
                                                 .wait_max = 10,
                                                 .max_len = MG_ISOTP_MAX};
static const struct mg_isotp_settings fd = {
    .tx_dl = 64, .pad = 0xcc, .wait_max = 10, .max_len = MG_ISOTP_MAX};

static struct mg_isotp tp; /* of one test */

static void start(const struct mg_isotp_settings *settings)
{
    memset(&tp, 0x5a, sizeof tp);
    assert_int_equal(mg_isotp_init(&tp, settings), MG_OK);
}

static void pulls(uint64_t now_ns, const uint8_t *want, size_t want_len)
{
    uint8_t frame[MG_CAN_FD_MAX];
    size_t len = 0;
    assert_true(mg_isotp_pull(&tp, now_ns, frame, &len));
    assert_int_equal(len, want_len);
    assert_memory_equal(frame, want, len);
}

static void pulls_nothing(uint64_t now_ns)
{
    uint8_t frame[MG_CAN_FD_MAX];
    size_t len = 77;
    assert_false(mg_isotp_pull(&tp, now_ns, frame, &len));
    assert_int_equal(len, 77);
}

static void sends(uint64_t now_ns, const uint8_t *want, size_t want_len)
{
    pulls(now_ns, want, want_len);
    mg_isotp_sent(&tp, now_ns);
}

static void no_event(void)
{
    struct mg_isotp_event event;
    assert_false(mg_isotp_event(&tp, &event));
}

static void event_is(enum mg_isotp_event_kind kind, int code,
                     const char *reason)
{
    struct mg_isotp_event event;
    assert_true(mg_isotp_event(&tp, &event));
    assert_int_equal(event.kind, kind);
    assert_int_equal(event.code, code);
    if (reason != NULL) {
        assert_non_null(event.reason);
        assert_non_null(strstr(event.reason, reason));
    }
}

static void only_event(enum mg_isotp_event_kind kind, int code,
                       const char *reason)
{
    event_is(kind, code, reason);
    no_event();
}

static void message_is(const uint8_t *want, size_t len)
{
    struct mg_isotp_event event;
    assert_true(mg_isotp_event(&tp, &event));
    assert_int_equal(event.kind, MG_ISOTP_MESSAGE);
    assert_int_equal(event.len, len);
    assert_memory_equal(event.data, want, len);
    no_event();
}

static void is_idle(void)
{
    no_event();
    pulls_nothing(UINT64_MAX / 2);
    assert_true(mg_isotp_deadline_ns(&tp) == UINT64_MAX);
}

/* 0, 1, 2 ... */
static const uint8_t *counting(void)
{
    static uint8_t data[MG_ISOTP_MAX + 1];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i + i / 256);
    }
    return data;
}

/* ---- Settings ---- */

static void settings_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    struct mg_isotp_settings set = classic;
    for (unsigned dl = 0; dl < 256; dl++) {
        bool is_right = dl == 8 || dl == 12 || dl == 16 || dl == 20 ||
                        dl == 24 || dl == 32 || dl == 48 || dl == 64;
        set.tx_dl = (uint8_t)dl;
        assert_int_equal(mg_isotp_init(&tp, &set),
                         is_right ? MG_OK : MG_E_INVAL);
    }
    set = classic;
    for (unsigned st = 0; st < 256; st++) {
        bool is_right = st <= 0x7f || (st >= 0xf1 && st <= 0xf9);
        set.st_min = (uint8_t)st;
        assert_int_equal(mg_isotp_init(&tp, &set),
                         is_right ? MG_OK : MG_E_INVAL);
    }
    set = classic;
    set.max_len = 0;
    assert_int_equal(mg_isotp_init(&tp, &set), MG_E_INVAL);
    set.max_len = MG_ISOTP_MAX + 1;
    assert_int_equal(mg_isotp_init(&tp, &set), MG_E_INVAL);
}

/* ---- Sending ---- */

static void single_frames_are_sent(void **state)
{
    (void)state;
    start(&classic);
    is_idle();
    assert_int_equal(mg_isotp_send(&tp, NULL, 0, 0), MG_E_INVAL);
    assert_int_equal(mg_isotp_send(&tp, counting(), 4096, 0), MG_E_INVAL);
    assert_int_equal(mg_isotp_send(&tp, BYTES(0x22, 0xf1, 0x90), 0), MG_OK);
    assert_int_equal(mg_isotp_send(&tp, BYTES(1), 0), MG_E_BUSY);
    pulls(0, BYTES(3, 0x22, 0xf1, 0x90, 0xcc, 0xcc, 0xcc, 0xcc));
    pulls_nothing(0);
    no_event();
    mg_isotp_sent(&tp, 1);
    only_event(MG_ISOTP_SENT, MG_OK, NULL);
    assert_int_equal(mg_isotp_send(&tp, counting(), 7, 0), MG_OK);
    sends(0, BYTES(7, 0, 1, 2, 3, 4, 5, 6));
    only_event(MG_ISOTP_SENT, MG_OK, NULL);
    is_idle();
    struct mg_isotp_settings set = classic;
    set.is_padded = false;
    start(&set);
    assert_int_equal(mg_isotp_send(&tp, BYTES(0x3e, 0), 0), MG_OK);
    sends(0, BYTES(2, 0x3e, 0));
}

static void single_frames_of_fd_are_sent(void **state)
{
    (void)state;
    start(&fd);
    assert_int_equal(mg_isotp_send(&tp, counting(), 7, 0), MG_OK);
    sends(0, BYTES(7, 0, 1, 2, 3, 4, 5, 6));
    assert_int_equal(mg_isotp_send(&tp, counting(), 8, 0), MG_OK);
    sends(0, BYTES(0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 0xcc, 0xcc));
    uint8_t want[64] = {0, 62};
    memcpy(want + 2, counting(), 62);
    assert_int_equal(mg_isotp_send(&tp, counting(), 62, 0), MG_OK);
    sends(0, want, 64);
    assert_int_equal(mg_isotp_send(&tp, counting(), 63, 0), MG_OK);
    want[0] = 0x10;
    want[1] = 63;
    sends(0, want, 64);
    mg_isotp_receive(&tp, BYTES(0x30, 0, 0), 0);
    sends(0, BYTES(0x21, 62));
    for (int i = 0; i < 4; i++) {
        event_is(MG_ISOTP_SENT, MG_OK, NULL);
    }
    is_idle();
}

static void long_messages_are_sent_in_blocks(void **state)
{
    (void)state;
    start(&classic);
    assert_int_equal(mg_isotp_send(&tp, counting(), 30, 0), MG_OK);
    sends(0, BYTES(0x10, 30, 0, 1, 2, 3, 4, 5));
    pulls_nothing(5 * MS);
    mg_isotp_receive(&tp, BYTES(0x30, 2, 0, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa), 0);
    sends(0, BYTES(0x21, 6, 7, 8, 9, 10, 11, 12));
    sends(0, BYTES(0x22, 13, 14, 15, 16, 17, 18, 19));
    pulls_nothing(0);
    mg_isotp_receive(&tp, BYTES(0x30, 0, 0), 0); /* no limit from now on */
    sends(0, BYTES(0x23, 20, 21, 22, 23, 24, 25, 26));
    no_event();
    sends(0, BYTES(0x24, 27, 28, 29, 0xcc, 0xcc, 0xcc, 0xcc));
    only_event(MG_ISOTP_SENT, MG_OK, NULL);
    is_idle();
}

static void frames_keep_the_separation_time(void **state)
{
    (void)state;
    static const struct {
        uint8_t st_min;
        uint64_t ns;
    } cases[] = {{0, 0},           {1, MS},          {0x7f, 127 * MS},
                 {0xf1, 100 * US}, {0xf9, 900 * US}, {0x80, 127 * MS},
                 {0xf0, 127 * MS}, {0xfa, 127 * MS}, {0xff, 127 * MS}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t st = cases[i].ns;
        start(&classic);
        assert_int_equal(mg_isotp_send(&tp, counting(), 27, 0), MG_OK);
        sends(0, BYTES(0x10, 27, 0, 1, 2, 3, 4, 5));
        mg_isotp_receive(&tp, BYTES(0x30, 0, cases[i].st_min), 10 * MS);
        assert_true(mg_isotp_deadline_ns(&tp) == 10 * MS);
        pulls(10 * MS, BYTES(0x21, 6, 7, 8, 9, 10, 11, 12));
        mg_isotp_sent(&tp, 11 * MS); /* counts from here */
        assert_true(mg_isotp_deadline_ns(&tp) == 11 * MS + st);
        if (st != 0) {
            pulls_nothing(11 * MS + st - 1);
        }
        /* However late the owner is: no time-out is his. */
        mg_isotp_expire(&tp, 5000 * MS);
        sends(5000 * MS, BYTES(0x22, 13, 14, 15, 16, 17, 18, 19));
        assert_true(mg_isotp_deadline_ns(&tp) == 5000 * MS + st);
        sends(5000 * MS + st, BYTES(0x23, 20, 21, 22, 23, 24, 25, 26));
        only_event(MG_ISOTP_SENT, MG_OK, NULL);
    }
}

static void send_first(size_t len, uint64_t now_ns)
{
    uint8_t frame[MG_CAN_FD_MAX];
    size_t frame_len = 0;
    assert_int_equal(mg_isotp_send(&tp, counting(), len, now_ns), MG_OK);
    assert_true(mg_isotp_pull(&tp, now_ns, frame, &frame_len));
    assert_int_equal(frame[0] >> 4, 1);
    mg_isotp_sent(&tp, now_ns);
}

static void the_peer_may_let_us_wait(void **state)
{
    (void)state;
    struct mg_isotp_settings set = classic;
    set.wait_max = 2;
    start(&set);
    send_first(13, 0);
    for (int round = 0; round < 2; round++) {
        mg_isotp_receive(&tp, BYTES(0x31, 0, 0), 900 * MS);
        assert_true(mg_isotp_deadline_ns(&tp) == 1900 * MS);
        pulls_nothing(900 * MS);
    }
    mg_isotp_receive(&tp, BYTES(0x30, 0, 0), 1800 * MS);
    sends(1800 * MS, BYTES(0x21, 6, 7, 8, 9, 10, 11, 12));
    only_event(MG_ISOTP_SENT, MG_OK, NULL);
    send_first(27, 0); /* counted anew, for each block too */
    for (uint8_t block = 1; block < 4; block++) {
        mg_isotp_receive(&tp, BYTES(0x31, 0, 0), 1);
        mg_isotp_receive(&tp, BYTES(0x31, 0, 0), 1);
        no_event();
        mg_isotp_receive(&tp, BYTES(0x30, 1, 0), 1);
        uint8_t frame[8] = {(uint8_t)(0x20 | block)};
        memcpy(frame + 1, counting() + block * 7 - 1, 7);
        sends(1, frame, 8);
    }
    only_event(MG_ISOTP_SENT, MG_OK, NULL);
    send_first(20, 0);
    for (int i = 0; i < 3; i++) {
        no_event();
        mg_isotp_receive(&tp, BYTES(0x31, 0, 0), 1);
    }
    only_event(MG_ISOTP_TX_FAILED, MG_E_PROTO, "WAIT");
    is_idle();
}

static void flow_control_can_end_it(void **state)
{
    (void)state;
    start(&classic);
    send_first(20, 0);
    mg_isotp_receive(&tp, BYTES(0x32, 0, 0), 0);
    only_event(MG_ISOTP_TX_FAILED, MG_E_NOSPC, "too long");
    is_idle();
    for (uint8_t status = 3; status < 16; status++) {
        send_first(20, 0);
        mg_isotp_receive(&tp, (uint8_t[]){(uint8_t)(0x30 | status), 0, 0}, 3,
                         0);
        only_event(MG_ISOTP_TX_FAILED, MG_E_PROTO, "flow status");
        is_idle();
    }
}

static void flow_control_out_of_turn_is_ignored(void **state)
{
    (void)state;
    start(&classic);
    mg_isotp_receive(&tp, BYTES(0x32, 0, 0), 0);
    is_idle();
    assert_int_equal(mg_isotp_send(&tp, counting(), 27, 0), MG_OK);
    mg_isotp_receive(&tp, BYTES(0x32, 0, 0), 0); /* nothing went yet */
    sends(0, BYTES(0x10, 27, 0, 1, 2, 3, 4, 5));
    mg_isotp_receive(&tp, BYTES(0x30), 0);
    mg_isotp_receive(&tp, BYTES(0x30, 0), 0); /* too short */
    pulls_nothing(0);
    mg_isotp_receive(&tp, BYTES(0x30, 0, 0), 0);
    sends(0, BYTES(0x21, 6, 7, 8, 9, 10, 11, 12));
    mg_isotp_receive(&tp, BYTES(0x32, 0, 0), 0);
    mg_isotp_receive(&tp, BYTES(0x3f, 0, 0), 0);
    sends(0, BYTES(0x22, 13, 14, 15, 16, 17, 18, 19));
    sends(0, BYTES(0x23, 20, 21, 22, 23, 24, 25, 26));
    only_event(MG_ISOTP_SENT, MG_OK, NULL);
    is_idle();
}

/* ---- Receiving ---- */

static void ignores(const uint8_t *data, size_t len)
{
    mg_isotp_receive(&tp, data, len, 0);
    is_idle();
}

static void single_frames_are_received(void **state)
{
    (void)state;
    start(&classic);
    mg_isotp_receive(&tp, BYTES(3, 0x62, 0xf1, 0x90), 0);
    message_is(BYTES(0x62, 0xf1, 0x90));
    mg_isotp_receive(&tp, BYTES(1, 9, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa), 0);
    message_is(BYTES(9));
    mg_isotp_receive(&tp, BYTES(7, 1, 2, 3, 4, 5, 6, 7), 0);
    message_is(BYTES(1, 2, 3, 4, 5, 6, 7));
    uint8_t frame[64] = {0, 62};
    memcpy(frame + 2, counting(), 62);
    mg_isotp_receive(&tp, frame, 64, 0);
    message_is(counting(), 62);
    mg_isotp_receive(&tp, BYTES(0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0), 0);
    message_is(BYTES(1, 2, 3, 4, 5, 6, 7, 8));
    is_idle();
}

static void wrong_frames_are_ignored(void **state)
{
    (void)state;
    start(&classic);
    ignores(BYTES(0)); /* single: of nothing, longer than the frame, of 8 */
    ignores(BYTES(0, 2, 1, 2, 3, 4, 5, 6));
    ignores(BYTES(3, 1, 2));
    ignores(BYTES(8, 1, 2, 3, 4, 5, 6, 7));
    ignores(BYTES(0xf, 1, 2, 3, 4, 5, 6, 7));
    ignores(BYTES(0, 7, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0));
    ignores(BYTES(0, 11, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0));
    ignores(BYTES(1, 8, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0));
    ignores(BYTES(7, 1, 2, 3, 4, 5, 6, 7, 0)); /* no frame has 9 bytes */
    ignores(BYTES(0x10, 8, 0, 1, 2, 3, 4));    /* first: too short a frame, */
    ignores(BYTES(0x10, 7, 0, 1, 2, 3, 4, 5)); /* would fit a single one */
    ignores(BYTES(0x10, 0, 0, 0, 0x0f, 0xff, 4, 5));
    ignores(BYTES(0x10, 10, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
    ignores(BYTES(0x21, 0, 1, 2, 3, 4, 5, 6)); /* not asked for */
    for (unsigned pci = 0x40; pci < 0x100; pci += 0x10) {
        ignores((uint8_t[]){(uint8_t)pci, 8, 0, 1, 2, 3, 4, 5}, 8);
    }
    mg_isotp_receive(&tp, NULL, 0, 0);
    uint8_t big[80] = {0, 62};
    mg_isotp_receive(&tp, big, 65, 0);
    is_idle();
}

static void long_messages_are_received_in_blocks(void **state)
{
    (void)state;
    struct mg_isotp_settings set = classic;
    set.block_size = 2;
    set.st_min = 0xf5;
    start(&set);
    mg_isotp_receive(&tp, BYTES(0x10, 22, 0, 1, 2, 3, 4, 5), 0);
    sends(0, BYTES(0x30, 2, 0xf5, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc));
    mg_isotp_receive(&tp, BYTES(0x21, 6, 7, 8, 9, 10, 11, 12), 0);
    pulls_nothing(0);
    mg_isotp_receive(&tp, BYTES(0x22, 13, 14, 15, 16, 17, 18, 19), 0);
    sends(0, BYTES(0x30, 2, 0xf5, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc));
    no_event();
    mg_isotp_receive(&tp, BYTES(0x23, 20, 21), 0);
    message_is(counting(), 22);
    is_idle();
}

/* 585 frames and no limit: flow control once. */
static void the_longest_message_is_received(void **state)
{
    (void)state;
    start(&classic);
    mg_isotp_receive(&tp, BYTES(0x1f, 0xff, 0, 1, 2, 3, 4, 5), 0);
    sends(0, BYTES(0x30, 0, 0, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc));
    uint8_t sn = 1;
    for (size_t done = 6; done < MG_ISOTP_MAX; done += 7) {
        uint8_t frame[8] = {(uint8_t)(0x20 | sn)};
        no_event();
        pulls_nothing(0);
        memcpy(frame + 1, counting() + done,
               MG_ISOTP_MAX - done < 7 ? MG_ISOTP_MAX - done : 7);
        mg_isotp_receive(&tp, frame, 8, 0);
        sn = (sn + 1) & 0xf;
    }
    message_is(counting(), MG_ISOTP_MAX);
    is_idle();
}

/* The length of frames is the peer's, whatever our own. */
static void frames_of_fd_are_received(void **state)
{
    (void)state;
    start(&classic);
    uint8_t frame[64] = {0x10, 70};
    memcpy(frame + 2, counting(), 62);
    mg_isotp_receive(&tp, frame, 64, 0);
    sends(0, BYTES(0x30, 0, 0, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc));
    mg_isotp_receive(
        &tp, BYTES(0x21, 62, 63, 64, 65, 66, 67, 68, 69, 0xcc, 0xcc, 0xcc), 0);
    message_is(counting(), 70);
    frame[1] = 63;
    mg_isotp_receive(&tp, frame, 64, 0);
    sends(0, BYTES(0x30, 0, 0, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc));
    mg_isotp_receive(&tp, BYTES(0x21, 62), 0);
    message_is(counting(), 63);
}

static void what_is_too_long_overflows(void **state)
{
    (void)state;
    struct mg_isotp_settings set = classic;
    set.max_len = 20;
    start(&set);
    mg_isotp_receive(&tp, BYTES(0x10, 21, 0, 1, 2, 3, 4, 5), 0);
    only_event(MG_ISOTP_RX_FAILED, MG_E_NOSPC, "longer");
    sends(0, BYTES(0x32, 0, 0, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc));
    is_idle();
    start(&classic); /* 4096 bytes, in 32 bits */
    mg_isotp_receive(&tp, BYTES(0x10, 0, 0, 0, 0x10, 0, 4, 5), 0);
    only_event(MG_ISOTP_RX_FAILED, MG_E_NOSPC, "longer");
    pulls(0, BYTES(0x32, 0, 0, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc));
    for (uint8_t sn = 0; sn < 16; sn++) { /* the peer goes on all the same */
        mg_isotp_receive(
            &tp, (uint8_t[]){(uint8_t)(0x20 | sn), 0, 1, 2, 3, 4, 5, 6}, 8, 0);
        no_event();
    }
    mg_isotp_sent(&tp, 0);
    is_idle();
    mg_isotp_receive(&tp, BYTES(0x10, 0, 0xff, 0xff, 0xff, 0xff, 4, 5), 0);
    only_event(MG_ISOTP_RX_FAILED, MG_E_NOSPC, "longer");
    /* Begins anew at once: the answer to the former is not sent any more. */
    mg_isotp_receive(&tp, BYTES(0x10, 8, 0, 1, 2, 3, 4, 5), 0);
    no_event();
    sends(0, BYTES(0x30, 0, 0, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc));
    set.max_len = 3;
    start(&set);
    mg_isotp_receive(&tp, BYTES(4, 1, 2, 3, 4), 0);
    only_event(MG_ISOTP_RX_FAILED, MG_E_NOSPC, "single");
    is_idle();
}

static void receive_first(uint8_t len)
{
    mg_isotp_receive(&tp, (uint8_t[]){0x10, len, 0, 1, 2, 3, 4, 5}, 8, 0);
    sends(0, BYTES(0x30, 0, 0, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc));
}

static void wrong_consecutive_frames_end_it(void **state)
{
    (void)state;
    start(&classic);
    for (uint8_t sn = 0; sn < 16; sn++) {
        receive_first(20);
        mg_isotp_receive(
            &tp, (uint8_t[]){(uint8_t)(0x20 | sn), 6, 7, 8, 9, 10, 11, 12}, 8,
            0);
        if (sn == 1) {
            no_event();
            mg_isotp_receive(&tp, BYTES(0x21, 6, 7, 8, 9, 10, 11, 12), 0);
        }
        only_event(MG_ISOTP_RX_FAILED, MG_E_PROTO, "sequence");
        is_idle();
    }
    receive_first(20); /* shorter than the first frame, not the last */
    mg_isotp_receive(&tp, BYTES(0x21, 6, 7, 8, 9, 10, 11), 0);
    only_event(MG_ISOTP_RX_FAILED, MG_E_PROTO, "length");
    receive_first(20); /* longer */
    mg_isotp_receive(&tp, BYTES(0x21, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16),
                     0);
    only_event(MG_ISOTP_RX_FAILED, MG_E_PROTO, "length");
    receive_first(9); /* the last: too short, too long */
    mg_isotp_receive(&tp, BYTES(0x21, 6, 7), 0);
    only_event(MG_ISOTP_RX_FAILED, MG_E_PROTO, "length");
    receive_first(9);
    mg_isotp_receive(&tp, BYTES(0x21, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16),
                     0);
    only_event(MG_ISOTP_RX_FAILED, MG_E_PROTO, "length");
    is_idle();
}

static void a_new_message_ends_the_old_one(void **state)
{
    (void)state;
    start(&classic);
    receive_first(20);
    mg_isotp_receive(&tp, BYTES(2, 0xaa, 0xbb), 0);
    event_is(MG_ISOTP_RX_FAILED, MG_E_PROTO, "single frame");
    message_is(BYTES(0xaa, 0xbb));
    is_idle();
    receive_first(20);
    mg_isotp_receive(&tp, BYTES(0x21, 6, 7, 8, 9, 10, 11, 12), 0);
    mg_isotp_receive(&tp, BYTES(0x10, 8, 0, 1, 2, 3, 4, 5), 0);
    only_event(MG_ISOTP_RX_FAILED, MG_E_PROTO, "first frame");
    mg_isotp_receive(&tp, BYTES(0x21, 6, 7), 0); /* not asked for yet */
    no_event();
    sends(0, BYTES(0x30, 0, 0, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc));
    mg_isotp_receive(&tp, BYTES(0x21, 6, 7), 0);
    message_is(counting(), 8);
    receive_first(20); /* ignored frames end nothing */
    mg_isotp_receive(&tp, BYTES(0), 0);
    mg_isotp_receive(&tp, BYTES(0x10, 7, 0, 1, 2, 3, 4, 5), 0);
    mg_isotp_receive(&tp, BYTES(0x30, 0, 0), 0);
    mg_isotp_receive(&tp, BYTES(0x21, 6, 7, 8, 9, 10, 11, 12), 0);
    mg_isotp_receive(&tp, BYTES(0x22, 13, 14, 15, 16, 17, 18, 19), 0);
    message_is(counting(), 20);
    is_idle();
}

static void unfetched_messages_are_never_mixed(void **state)
{
    (void)state;
    start(&classic);
    mg_isotp_receive(&tp, BYTES(2, 1, 2), 0);
    mg_isotp_receive(&tp, BYTES(1, 3), 0);
    message_is(BYTES(3));
    mg_isotp_receive(&tp, BYTES(1, 4), 0);
    mg_isotp_receive(&tp, BYTES(0x10, 8, 0, 1, 2, 3, 4, 5), 0);
    no_event();
}

/* ---- Times ---- */

static void n_as(void **state)
{
    (void)state;
    struct mg_isotp_settings set = classic;
    set.n_as_ms = 30;
    start(&set);
    assert_int_equal(mg_isotp_send(&tp, BYTES(1), 0), MG_OK);
    assert_true(mg_isotp_deadline_ns(&tp) == 0);
    pulls(5 * MS, BYTES(1, 1, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc));
    assert_true(mg_isotp_deadline_ns(&tp) == 35 * MS);
    mg_isotp_expire(&tp, 35 * MS - 1);
    no_event();
    mg_isotp_expire(&tp, 35 * MS);
    only_event(MG_ISOTP_TX_FAILED, MG_E_TIMEOUT, "N_As");
    is_idle();
    /* The bus still has that frame: the next one waits for it, not for ever. */
    assert_int_equal(mg_isotp_send(&tp, BYTES(2), 40 * MS), MG_OK);
    pulls_nothing(40 * MS);
    assert_true(mg_isotp_deadline_ns(&tp) == 70 * MS);
    mg_isotp_expire(&tp, 70 * MS);
    only_event(MG_ISOTP_TX_FAILED, MG_E_TIMEOUT, "N_As");
    assert_int_equal(mg_isotp_send(&tp, BYTES(3), 80 * MS), MG_OK);
    mg_isotp_sent(&tp, 81 * MS); /* the first: not taken for the third */
    no_event();
    sends(82 * MS, BYTES(1, 3, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc));
    only_event(MG_ISOTP_SENT, MG_OK, NULL);
    is_idle();
}

static void n_bs(void **state)
{
    (void)state;
    struct mg_isotp_settings set = classic;
    set.n_bs_ms = 50;
    start(&set);
    send_first(27, 100 * MS);
    assert_true(mg_isotp_deadline_ns(&tp) == 150 * MS);
    mg_isotp_expire(&tp, 150 * MS);
    only_event(MG_ISOTP_TX_FAILED, MG_E_TIMEOUT, "N_Bs");
    is_idle();
    send_first(27, 0);
    mg_isotp_receive(&tp, BYTES(0x31, 0, 0), 40 * MS);
    mg_isotp_expire(&tp, 89 * MS);
    no_event();
    mg_isotp_expire(&tp, 90 * MS);
    only_event(MG_ISOTP_TX_FAILED, MG_E_TIMEOUT, "N_Bs");
    send_first(27, 0); /* the one after a block is lost */
    mg_isotp_receive(&tp, BYTES(0x30, 1, 0), 40 * MS);
    sends(41 * MS, BYTES(0x21, 6, 7, 8, 9, 10, 11, 12));
    assert_true(mg_isotp_deadline_ns(&tp) == 91 * MS);
    /* It came too late, though nobody has called expire. */
    mg_isotp_receive(&tp, BYTES(0x30, 1, 0), 91 * MS);
    only_event(MG_ISOTP_TX_FAILED, MG_E_TIMEOUT, "N_Bs");
    is_idle();
}

static void n_ar(void **state)
{
    (void)state;
    struct mg_isotp_settings set = classic;
    set.n_ar_ms = 20;
    start(&set);
    mg_isotp_receive(&tp, BYTES(0x10, 8, 0, 1, 2, 3, 4, 5), 0);
    assert_true(mg_isotp_deadline_ns(&tp) == 0);
    mg_isotp_expire(&tp, 500 * MS); /* the owner is late, not the bus */
    no_event();
    pulls(500 * MS, BYTES(0x30, 0, 0, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc));
    assert_true(mg_isotp_deadline_ns(&tp) == 520 * MS);
    mg_isotp_expire(&tp, 520 * MS);
    only_event(MG_ISOTP_RX_FAILED, MG_E_TIMEOUT, "N_Ar");
    is_idle();
    /* The next message waits for that frame; told late, it is not mistaken. */
    mg_isotp_receive(&tp, BYTES(0x10, 8, 0, 1, 2, 3, 4, 5), 530 * MS);
    pulls_nothing(530 * MS);
    assert_true(mg_isotp_deadline_ns(&tp) == 550 * MS);
    mg_isotp_sent(&tp, 531 * MS);
    mg_isotp_receive(&tp, BYTES(0x21, 6, 7), 532 * MS);
    no_event();
    sends(533 * MS, BYTES(0x30, 0, 0, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc));
    mg_isotp_receive(&tp, BYTES(0x21, 6, 7), 534 * MS);
    message_is(counting(), 8);
    set.max_len = 8; /* OVERFLOW that cannot be sent: has failed already */
    start(&set);
    mg_isotp_receive(&tp, BYTES(0x10, 9, 0, 1, 2, 3, 4, 5), 0);
    only_event(MG_ISOTP_RX_FAILED, MG_E_NOSPC, NULL);
    pulls(0, BYTES(0x32, 0, 0, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc));
    mg_isotp_expire(&tp, 20 * MS);
    is_idle();
}

static void n_cr(void **state)
{
    (void)state;
    struct mg_isotp_settings set = classic;
    set.n_cr_ms = 70;
    start(&set);
    receive_first(20);
    assert_true(mg_isotp_deadline_ns(&tp) == 70 * MS);
    mg_isotp_receive(&tp, BYTES(0x21, 6, 7, 8, 9, 10, 11, 12), 60 * MS);
    mg_isotp_expire(&tp, 130 * MS - 1);
    no_event();
    mg_isotp_expire(&tp, 130 * MS);
    only_event(MG_ISOTP_RX_FAILED, MG_E_TIMEOUT, "N_Cr");
    is_idle();
    receive_first(20);
    mg_isotp_receive(&tp, BYTES(0x21, 6, 7, 8, 9, 10, 11, 12), 70 * MS);
    only_event(MG_ISOTP_RX_FAILED, MG_E_TIMEOUT, "N_Cr");
    is_idle();
}

/* ---- The bus ---- */

static void answers_may_overtake_the_bus(void **state)
{
    (void)state;
    start(&classic);
    assert_int_equal(mg_isotp_send(&tp, counting(), 20, 0), MG_OK);
    pulls(0, BYTES(0x10, 20, 0, 1, 2, 3, 4, 5));
    mg_isotp_receive(&tp, BYTES(0x30, 1, 0), 1);
    pulls_nothing(1);
    mg_isotp_sent(&tp, 2);
    pulls(2, BYTES(0x21, 6, 7, 8, 9, 10, 11, 12));
    mg_isotp_receive(&tp, BYTES(0x30, 1, 0), 3);
    mg_isotp_sent(&tp, 4);
    sends(4, BYTES(0x22, 13, 14, 15, 16, 17, 18, 19));
    only_event(MG_ISOTP_SENT, MG_OK, NULL);
    mg_isotp_receive(&tp, BYTES(0x10, 20, 0, 1, 2, 3, 4, 5), 5);
    pulls(5, BYTES(0x30, 0, 0, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc));
    mg_isotp_receive(&tp, BYTES(0x21, 6, 7, 8, 9, 10, 11, 12), 6);
    mg_isotp_sent(&tp, 7);
    assert_true(mg_isotp_deadline_ns(&tp) == 1000 * MS + 6);
    mg_isotp_receive(&tp, BYTES(0x22, 13, 14, 15, 16, 17, 18, 19), 8);
    message_is(counting(), 20);
    mg_isotp_sent(&tp, 9); /* of nothing */
    is_idle();
}

static void both_directions_at_once(void **state)
{
    (void)state;
    start(&classic);
    send_first(13, 0);
    mg_isotp_receive(&tp, BYTES(0x10, 8, 0, 1, 2, 3, 4, 5), 0);
    mg_isotp_receive(&tp, BYTES(0x30, 0, 0), 0);
    sends(0, BYTES(0x30, 0, 0, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc)); /* first */
    sends(0, BYTES(0x21, 6, 7, 8, 9, 10, 11, 12));
    only_event(MG_ISOTP_SENT, MG_OK, NULL);
    mg_isotp_receive(&tp, BYTES(0x21, 6, 7), 0);
    message_is(counting(), 8);
    is_idle();
}

static void an_early_answer_leaves_n_as_alone(void **state)
{
    (void)state;
    start(&classic);
    assert_int_equal(mg_isotp_send(&tp, counting(), 20, 0), MG_OK);
    pulls(0, BYTES(0x10, 20, 0, 1, 2, 3, 4, 5));
    mg_isotp_receive(&tp, BYTES(0x30, 0, 0), 500 * MS);
    assert_true(mg_isotp_deadline_ns(&tp) == 1000 * MS);
    mg_isotp_expire(&tp, 1000 * MS);
    only_event(MG_ISOTP_TX_FAILED, MG_E_TIMEOUT, "N_As");
}

/* A whole block comes before the bus has told that its flow control went. */
static void a_block_may_overtake_the_bus(void **state)
{
    (void)state;
    struct mg_isotp_settings set = classic;
    set.block_size = 1;
    start(&set);
    mg_isotp_receive(&tp, BYTES(0x10, 20, 0, 1, 2, 3, 4, 5), 0);
    pulls(0, BYTES(0x30, 1, 0, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc));
    mg_isotp_receive(&tp, BYTES(0x21, 6, 7, 8, 9, 10, 11, 12), 1);
    pulls_nothing(1);
    mg_isotp_sent(&tp, 2);
    mg_isotp_receive(&tp, BYTES(0x22, 0, 0, 0, 0, 0, 0, 0), 3); /* not asked */
    no_event();
    sends(4, BYTES(0x30, 1, 0, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc));
    mg_isotp_receive(&tp, BYTES(0x22, 13, 14, 15, 16, 17, 18, 19), 5);
    message_is(counting(), 20);
    is_idle();
}

static void a_bus_that_is_gone(void **state)
{
    (void)state;
    start(&classic);
    mg_isotp_abort(&tp, MG_E_IO, "gone");
    is_idle();
    receive_first(20);
    assert_int_equal(mg_isotp_send(&tp, BYTES(1), 0), MG_OK);
    pulls(0, BYTES(1, 1, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc));
    mg_isotp_abort(&tp, MG_E_IO, "gone");
    event_is(MG_ISOTP_RX_FAILED, MG_E_IO, "gone");
    only_event(MG_ISOTP_TX_FAILED, MG_E_IO, "gone");
    assert_int_equal(mg_isotp_send(&tp, BYTES(2), 0), MG_OK);
    sends(0, BYTES(1, 2, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc));
    receive_first(20);
    mg_isotp_reset(&tp);
    is_idle();
}

/* ---- Two machines ---- */

struct flight {
    uint64_t at_ns; /* UINT64_MAX: none */
    uint64_t number;
    unsigned to;
    size_t len;
    uint8_t data[MG_CAN_FD_MAX];
};

struct side {
    struct mg_isotp tp;
    uint8_t data[MG_ISOTP_MAX]; /* what it sends */
    size_t len;
    uint64_t sent_at_ns;
    unsigned n_messages, n_failed, n_sent, n_not_sent;
    int code; /* of the last failure in either direction */
};

static struct pair {
    struct side sides[2];
    struct flight flights[256];
    uint64_t now_ns, n_frames;
    uint32_t loss, doubling, swapping; /* percent */
} pair;

static void fly(unsigned to, const uint8_t *data, size_t len)
{
    if (random_below(100) < pair.loss) {
        return;
    }
    for (size_t i = 0; i < sizeof pair.flights / sizeof *pair.flights; i++) {
        struct flight *f = &pair.flights[i];
        if (f->at_ns == UINT64_MAX) {
            f->at_ns = pair.now_ns + 200 * US;
            if (random_below(100) < pair.swapping) {
                f->at_ns += random_below(2000) * US;
            }
            f->number = pair.n_frames++;
            f->to = to;
            f->len = len;
            memcpy(f->data, data, len);
            return;
        }
    }
    fail_msg("too many frames at once");
}

static void fetch_events(unsigned who)
{
    struct side *side = &pair.sides[who];
    const struct side *other = &pair.sides[1 - who];
    struct mg_isotp_event event;
    while (mg_isotp_event(&side->tp, &event)) {
        switch (event.kind) {
        case MG_ISOTP_MESSAGE:
            assert_int_equal(event.len, other->len);
            assert_memory_equal(event.data, other->data, event.len);
            side->n_messages++;
            break;
        case MG_ISOTP_SENT:
            side->n_sent++;
            break;
        case MG_ISOTP_TX_FAILED:
            side->n_not_sent++;
            side->code = event.code;
            assert_non_null(event.reason);
            break;
        case MG_ISOTP_RX_FAILED:
            side->n_failed++;
            side->code = event.code;
            assert_non_null(event.reason);
            break;
        case MG_ISOTP_NOTHING:
            fail();
        }
    }
}

static void work(unsigned who)
{
    struct side *side = &pair.sides[who];
    uint8_t frame[MG_CAN_FD_MAX];
    size_t len = 0;
    fetch_events(who);
    if (mg_isotp_pull(&side->tp, pair.now_ns, frame, &len)) {
        assert_true(len >= 1 && len <= side->tp.settings.tx_dl);
        fly(1 - who, frame, len);
        if (random_below(100) < pair.doubling) {
            fly(1 - who, frame, len);
        }
        /* Told before the frame arrives, or after. */
        side->sent_at_ns = pair.now_ns + (50 + random_below(300)) * US;
    }
}

static struct flight *next_flight(void)
{
    struct flight *next = &pair.flights[0];
    for (size_t i = 1; i < sizeof pair.flights / sizeof *pair.flights; i++) {
        struct flight *f = &pair.flights[i];
        if (f->at_ns < next->at_ns ||
            (f->at_ns == next->at_ns && f->number < next->number)) {
            next = f;
        }
    }
    return next;
}

static void handle(unsigned who)
{
    struct side *side = &pair.sides[who];
    if (side->sent_at_ns <= pair.now_ns) {
        side->sent_at_ns = UINT64_MAX;
        mg_isotp_sent(&side->tp, pair.now_ns);
    }
    mg_isotp_expire(&side->tp, pair.now_ns);
    fetch_events(who);
}

/* @return false: nothing will happen any more */
static bool step(void)
{
    work(0);
    work(1);
    struct flight *flight = next_flight();
    uint64_t next_ns = flight->at_ns;
    for (unsigned who = 0; who < 2; who++) {
        uint64_t deadline_ns = mg_isotp_deadline_ns(&pair.sides[who].tp);
        uint64_t sent_ns = pair.sides[who].sent_at_ns;
        next_ns = deadline_ns < next_ns ? deadline_ns : next_ns;
        next_ns = sent_ns < next_ns ? sent_ns : next_ns;
    }
    if (next_ns == UINT64_MAX) {
        return false;
    }
    pair.now_ns = next_ns > pair.now_ns ? next_ns : pair.now_ns;
    if (flight->at_ns <= pair.now_ns) {
        flight->at_ns = UINT64_MAX;
        mg_isotp_receive(&pair.sides[flight->to].tp, flight->data, flight->len,
                         pair.now_ns);
        fetch_events(flight->to);
    } else {
        handle(0);
        handle(1);
    }
    return true;
}

static void random_settings(struct mg_isotp *machine)
{
    static const uint8_t lengths[] = {8, 8, 8, 12, 16, 20, 24, 32, 48, 64};
    static const uint8_t times[] = {0, 0, 1, 5, 0xf1, 0xf9};
    struct mg_isotp_settings set = {.wait_max = 10, .max_len = MG_ISOTP_MAX};
    set.tx_dl = lengths[random_below(sizeof lengths)];
    set.is_padded = random_below(2) != 0;
    set.pad = (uint8_t)random_below(256);
    set.block_size = (uint8_t)(random_below(2) * random_below(20));
    set.st_min = times[random_below(sizeof times)];
    if (random_below(8) == 0) {
        set.max_len = (uint16_t)(1 + random_below(200));
    }
    assert_int_equal(mg_isotp_init(machine, &set), MG_OK);
}

static void random_message(struct side *side)
{
    side->len = 1 + random_below(random_below(4) == 0 ? MG_ISOTP_MAX : 100);
    for (size_t i = 0; i < side->len; i++) {
        side->data[i] = (uint8_t)random_below(256);
    }
}

static void exchange(bool is_duplex)
{
    for (unsigned who = 0; who < 2; who++) {
        struct side *side = &pair.sides[who];
        random_message(side);
        side->n_messages = side->n_failed = side->n_sent = side->n_not_sent = 0;
        side->code = MG_OK;
        if (who == 0 || is_duplex) {
            assert_int_equal(
                mg_isotp_send(&side->tp, side->data, side->len, pair.now_ns),
                MG_OK);
        }
    }
    unsigned n = 0;
    while (step()) {
        assert_true(n++ < 20000);
    }
}

static void new_pair(void)
{
    memset(&pair, 0, sizeof pair);
    for (size_t i = 0; i < sizeof pair.flights / sizeof *pair.flights; i++) {
        pair.flights[i].at_ns = UINT64_MAX;
    }
    for (unsigned who = 0; who < 2; who++) {
        pair.sides[who].sent_at_ns = UINT64_MAX;
        random_settings(&pair.sides[who].tp);
    }
}

/* Delivered once, or too long for the receiver and nothing at all. */
static void arrived(const struct side *from, const struct side *to)
{
    bool fits = from->len <= to->tp.settings.max_len;
    size_t dl = from->tp.settings.tx_dl;
    bool is_single = from->len <= (dl == 8 ? 7 : dl - 2);
    assert_int_equal(to->n_messages, fits);
    assert_int_equal(to->n_failed, !fits);
    assert_int_equal(from->n_sent, fits || is_single);
    assert_int_equal(from->n_not_sent, !fits && !is_single);
    if (!fits) {
        assert_int_equal(to->code, MG_E_NOSPC);
    }
}

static void a_good_bus_delivers_everything(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 400; round++) {
        new_pair();
        exchange(false);
        arrived(&pair.sides[0], &pair.sides[1]);
        exchange(true);
        arrived(&pair.sides[0], &pair.sides[1]);
        arrived(&pair.sides[1], &pair.sides[0]);
    }
}

static void a_bad_bus_delivers_nothing_wrong(void **state)
{
    (void)state;
    unsigned n_right = 0;
    unsigned n_spoilt = 0;
    for (unsigned round = 0; round < 1500; round++) {
        new_pair();
        pair.loss = random_below(2) * random_below(20);
        pair.doubling = random_below(2) * random_below(20);
        pair.swapping = random_below(2) * random_below(50);
        for (int message = 0; message < 3; message++) {
            exchange(random_below(2) != 0);
            const struct side *from = &pair.sides[0];
            assert_int_equal(from->n_sent + from->n_not_sent, 1);
            n_right += pair.sides[1].n_messages;
            n_spoilt += pair.sides[1].n_failed + from->n_not_sent;
        }
    }
    assert_true(n_right > 100);
    assert_true(n_spoilt > 100);
}

/* Hostile frames between those of a transfer: nothing but a failure or a
 * message of its own comes of them, and the machine always ends idle. */
static void noise_is_stood(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 2000; round++) {
        struct mg_isotp *machine = &pair.sides[0].tp;
        new_pair();
        uint64_t now_ns = 0;
        for (unsigned i = 0; i < 60; i++) {
            uint8_t frame[MG_CAN_FD_MAX];
            size_t len = random_below(65);
            for (size_t k = 0; k < sizeof frame; k++) {
                frame[k] = (uint8_t)random_below(256);
            }
            frame[0] &= 0x3f;
            now_ns += random_below(3) * 100 * MS;
            mg_isotp_receive(machine, frame, len, now_ns);
            (void)mg_isotp_send(machine, frame, 1 + random_below(64), now_ns);
            if (mg_isotp_pull(machine, now_ns, frame, &len) &&
                random_below(4) != 0) {
                mg_isotp_sent(machine, now_ns);
            }
        }
        mg_isotp_sent(machine, now_ns);
        for (unsigned i = 0; mg_isotp_deadline_ns(machine) != UINT64_MAX; i++) {
            uint8_t frame[MG_CAN_FD_MAX];
            size_t len = 0;
            assert_true(i < 2000);
            uint64_t deadline_ns = mg_isotp_deadline_ns(machine);
            now_ns = deadline_ns > now_ns ? deadline_ns : now_ns;
            mg_isotp_expire(machine, now_ns);
            if (mg_isotp_pull(machine, now_ns, frame, &len)) {
                mg_isotp_sent(machine, now_ns);
            }
        }
    }
}

int main(void)
{
    const char *seed = getenv("MG_SEED");
    rng = seed != NULL ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
    (void)printf("MG_SEED=%" PRIu64 "\n", rng);
    (void)fflush(stdout); /* to be there when a test crashes */
    rng = rng * UINT64_C(0x9e3779b97f4a7c15) | 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_that_make_no_sense_are_refused),
        cmocka_unit_test(single_frames_are_sent),
        cmocka_unit_test(single_frames_of_fd_are_sent),
        cmocka_unit_test(long_messages_are_sent_in_blocks),
        cmocka_unit_test(frames_keep_the_separation_time),
        cmocka_unit_test(the_peer_may_let_us_wait),
        cmocka_unit_test(flow_control_can_end_it),
        cmocka_unit_test(flow_control_out_of_turn_is_ignored),
        cmocka_unit_test(single_frames_are_received),
        cmocka_unit_test(wrong_frames_are_ignored),
        cmocka_unit_test(long_messages_are_received_in_blocks),
        cmocka_unit_test(the_longest_message_is_received),
        cmocka_unit_test(frames_of_fd_are_received),
        cmocka_unit_test(what_is_too_long_overflows),
        cmocka_unit_test(wrong_consecutive_frames_end_it),
        cmocka_unit_test(a_new_message_ends_the_old_one),
        cmocka_unit_test(unfetched_messages_are_never_mixed),
        cmocka_unit_test(n_as),
        cmocka_unit_test(n_bs),
        cmocka_unit_test(n_ar),
        cmocka_unit_test(n_cr),
        cmocka_unit_test(answers_may_overtake_the_bus),
        cmocka_unit_test(an_early_answer_leaves_n_as_alone),
        cmocka_unit_test(a_block_may_overtake_the_bus),
        cmocka_unit_test(both_directions_at_once),
        cmocka_unit_test(a_bus_that_is_gone),
        cmocka_unit_test(a_good_bus_delivers_everything),
        cmocka_unit_test(a_bad_bus_delivers_nothing_wrong),
        cmocka_unit_test(noise_is_stood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
