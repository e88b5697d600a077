/* A line in virtual time: framing, pace, order, silence and trouble, each at
 * its exact moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sim/fleet.h"
#include "toy_meter.h"
#include "wire/crc16.h"

#define MS UINT64_C(1000000)

/* 9600 8E1: 11 bits per character. */
#define CHAR_NS UINT64_C(1145833)
#define GAP_NS  (7 * CHAR_NS / 2)
#define TEAR_NS (3 * CHAR_NS / 2)

struct client {
    struct mg_clock *clock;
    struct mg_sim_line *line;
    struct mg_transport *transport;
    uint8_t rx[8192];
    size_t rx_len, n_pieces;
    uint64_t first_ns, last_ns; /* of what is in rx */
    bool is_open, is_lost;
};

static void opened(void *ctx)
{
    struct client *c = ctx;
    c->is_open = true;
}

static void received(void *ctx, const uint8_t *data, size_t len)
{
    struct client *c = ctx;
    assert_true(c->rx_len + len <= sizeof(c->rx));
    memcpy(c->rx + c->rx_len, data, len);
    c->last_ns = mg_clock_now_ns(c->clock);
    c->first_ns = c->rx_len == 0 ? c->last_ns : c->first_ns;
    c->rx_len += len;
    c->n_pieces++;
}

static void lost(void *ctx, const struct mg_err *err)
{
    struct client *c = ctx;
    assert_true(err->text[0] != '\0');
    c->is_lost = true;
    c->is_open = false;
}

static const struct mg_transport_events events = {opened, received, lost};

static struct mg_sim_line_settings settings(enum mg_sim_framing framing)
{
    return (struct mg_sim_line_settings){.framing = framing,
                                         .serial = {9600, 'E', 1},
                                         .is_paced = true,
                                         .turnaround_ms = 5,
                                         .seed = 1};
}

static void advance(struct client *c, uint64_t ns)
{
    mg_clock_advance(c->clock, mg_clock_now_ns(c->clock) + ns);
}

static void open_line(struct client *c)
{
    struct mg_err err;
    assert_int_equal(c->transport->ops->open(c->transport, &err), MG_OK);
    advance(c, 1);
    assert_true(c->is_open);
}

/* A line with the meters 1 and 2. */
static struct client *start(const struct mg_sim_line_settings *set)
{
    struct client *c = calloc(1, sizeof(*c));
    struct mg_err err;
    assert_non_null(c);
    c->clock = mg_clock_create_virtual(0);
    assert_non_null(c->clock);
    c->line = mg_sim_line_create(NULL, c->clock, set, &err);
    assert_non_null(c->line);
    for (uint8_t unit = 1; unit <= 2; unit++) {
        assert_int_equal(mg_sim_line_add(c->line, toy_create(unit, 9600)),
                         MG_OK);
    }
    c->transport = mg_sim_line_memory(c->line);
    assert_non_null(c->transport);
    c->transport->events = &events;
    c->transport->ctx = c;
    open_line(c);
    return c;
}

static void stop(struct client *c)
{
    c->transport->ops->destroy(c->transport);
    mg_sim_line_destroy(c->line);
    mg_clock_destroy(c->clock);
    free(c);
}

static void send_bytes(struct client *c, const uint8_t *data, size_t len)
{
    struct mg_err err;
    c->rx_len = 0;
    c->n_pieces = 0;
    assert_int_equal(c->transport->ops->send(c->transport, data, len, &err),
                     MG_OK);
}

static size_t rtu(uint8_t *ret, uint8_t unit, const uint8_t *pdu, size_t len)
{
    ret[0] = unit;
    memcpy(ret + 1, pdu, len);
    uint16_t crc = mg_crc16(ret, len + 1);
    ret[len + 1] = (uint8_t)crc;
    ret[len + 2] = (uint8_t)(crc >> 8);
    return len + 3;
}

static size_t tcp(uint8_t *ret, uint8_t transaction, uint8_t unit,
                  const uint8_t *pdu, size_t len)
{
    const uint8_t head[7] = {0, transaction, 0, 0, 0, (uint8_t)(len + 1), unit};
    memcpy(ret, head, 7);
    memcpy(ret + 7, pdu, len);
    return len + 7;
}

static void send_rtu(struct client *c, uint8_t unit, const uint8_t *pdu,
                     size_t len)
{
    uint8_t frame[256];
    size_t n = rtu(frame, unit, pdu, len);
    send_bytes(c, frame, n);
}

static const uint8_t read_two[5] = {3, 0, 16, 0, 2};

/* The right answer of a unit to read_two. */
static bool is_answer(const uint8_t *rx, size_t len, uint8_t unit)
{
    uint8_t want[16];
    const uint8_t pdu[6] = {3, 4, unit, 16, unit, 17};
    size_t n = rtu(want, unit, pdu, 6);
    return len == n && memcmp(rx, want, n) == 0;
}

static uint64_t violations(const struct client *c)
{
    uint64_t n_answered, n_violations;
    mg_sim_line_stats(c->line, &n_answered, &n_violations);
    return n_violations;
}

static uint64_t answered(const struct client *c)
{
    uint64_t n_answered, n_violations;
    mg_sim_line_stats(c->line, &n_answered, &n_violations);
    return n_answered;
}

/* ---- RTU ---- */

static void test_rtu_answer_comes_at_the_pace_of_the_wire(void **state)
{
    (void)state;
    struct mg_sim_line_settings set = settings(MG_SIM_RTU_PTY);
    struct client *c = start(&set);
    uint64_t t0 = mg_clock_now_ns(c->clock);
    send_rtu(c, 2, read_two, 5);
    advance(c, 100 * MS);
    assert_true(is_answer(c->rx, c->rx_len, 2));
    /* 8 characters there, t3.5, the meter's time, then pieces of 8 and 1. */
    uint64_t begin = t0 + 8 * CHAR_NS + GAP_NS + 5 * MS;
    assert_int_equal(c->n_pieces, 2);
    assert_int_equal(c->first_ns, begin + 8 * CHAR_NS);
    assert_int_equal(c->last_ns, begin + 9 * CHAR_NS);
    assert_int_equal(answered(c), 1);
    assert_int_equal(violations(c), 0);
    stop(c);
}

static void test_rtu_too_little_silence_is_counted(void **state)
{
    (void)state;
    struct mg_sim_line_settings set = settings(MG_SIM_RTU_PTY);
    struct client *c = start(&set);
    uint64_t cycle =
        8 * CHAR_NS + GAP_NS + 5 * MS + 9 * CHAR_NS; /* answer is out */
    send_rtu(c, 1, read_two, 5);
    advance(c, cycle + GAP_NS);
    send_rtu(c, 1, read_two, 5);
    advance(c, cycle + GAP_NS - 1);
    assert_int_equal(violations(c), 0);
    send_rtu(c, 1, read_two, 5); /* 1 ns too early */
    advance(c, 500 * MS);
    assert_int_equal(violations(c), 1);
    assert_int_equal(answered(c), 3);
    stop(c);
}

static void test_rtu_without_pace(void **state)
{
    (void)state;
    struct mg_sim_line_settings set = settings(MG_SIM_RTU_PTY);
    set.is_paced = false;
    struct client *c = start(&set);
    uint64_t t0 = mg_clock_now_ns(c->clock);
    send_rtu(c, 1, read_two, 5);
    advance(c, 50 * MS);
    assert_true(is_answer(c->rx, c->rx_len, 1));
    assert_int_equal(c->n_pieces, 1);
    assert_int_equal(c->last_ns, t0 + 5 * MS);
    stop(c);
}

static void test_rtu_silence_of_what_is_not_there(void **state)
{
    (void)state;
    struct mg_sim_line_settings set = settings(MG_SIM_RTU_PTY);
    struct client *c = start(&set);
    uint8_t frame[256];
    send_rtu(c, 3, read_two, 5);
    advance(c, 1000 * MS);
    assert_int_equal(c->rx_len, 0);
    size_t n = rtu(frame, 1, read_two, 5);
    frame[n - 1] ^= 1; /* wrong checksum */
    send_bytes(c, frame, n);
    advance(c, 1000 * MS);
    assert_int_equal(c->rx_len, 0);
    send_rtu(c, 1, read_two, 5); /* and nothing of it sticks */
    advance(c, 1000 * MS);
    assert_true(is_answer(c->rx, c->rx_len, 1));
    stop(c);
}

static void test_rtu_broadcast(void **state)
{
    (void)state;
    struct mg_sim_line_settings set = settings(MG_SIM_RTU_PTY);
    struct client *c = start(&set);
    const uint8_t write[5] = {6, 0, 9, 0, 1};
    const uint8_t count[1] = {7};
    send_rtu(c, 0, write, 5);
    advance(c, 1000 * MS);
    assert_int_equal(c->rx_len, 0);
    for (uint8_t unit = 1; unit <= 2; unit++) {
        /* Function 7: only silence can tell that the request is whole. */
        send_rtu(c, unit, count, 1);
        advance(c, 1000 * MS);
        assert_int_equal(c->rx_len, 5);
        assert_int_equal(c->rx[2], 1);
    }
    stop(c);
}

static void test_rtu_request_in_pieces(void **state)
{
    (void)state;
    struct mg_sim_line_settings set = settings(MG_SIM_RTU_PTY);
    struct client *c = start(&set);
    uint8_t frame[256];
    size_t n = rtu(frame, 1, read_two, 5);
    /* The first piece takes three characters' time. */
    send_bytes(c, frame, 3);
    advance(c, 3 * CHAR_NS + TEAR_NS);
    send_bytes(c, frame + 3, n - 3);
    advance(c, 1000 * MS);
    assert_true(is_answer(c->rx, c->rx_len, 1));
    send_bytes(c, frame, 3);
    advance(c, 3 * CHAR_NS + TEAR_NS + 1); /* beyond t1.5: torn */
    send_bytes(c, frame + 3, n - 3);
    advance(c, 1000 * MS);
    assert_int_equal(c->rx_len, 0);
    send_bytes(c, frame, 3);
    advance(c, 3 * CHAR_NS + TEAR_NS + 1); /* what follows may be whole */
    send_bytes(c, frame, n);
    advance(c, 1000 * MS);
    assert_true(is_answer(c->rx, c->rx_len, 1));
    stop(c);
}

static void test_rtu_flood_of_noise(void **state)
{
    (void)state;
    struct mg_sim_line_settings set = settings(MG_SIM_RTU_PTY);
    struct client *c = start(&set);
    uint8_t noise[2000];
    memset(noise, 1, sizeof(noise));
    send_bytes(c, noise, sizeof(noise));
    advance(c, 10000 * MS);
    send_rtu(c, 1, read_two, 5);
    advance(c, 1000 * MS);
    assert_true(is_answer(c->rx, c->rx_len, 1));
    stop(c);
}

static void test_address_and_speed_follow_the_meter(void **state)
{
    (void)state;
    struct mg_sim_line_settings set = settings(MG_SIM_RTU_PTY);
    struct client *c = start(&set);
    struct mg_err err;
    const uint8_t move[5] = {6, 0, 0, 0, 50};
    const uint8_t slow[5] = {6, 0, 1, 0, 48};
    send_rtu(c, 2, move, 5);
    advance(c, 1000 * MS);
    send_rtu(c, 50, read_two, 5);
    advance(c, 1000 * MS);
    assert_true(is_answer(c->rx, c->rx_len, 50));
    send_rtu(c, 50, slow, 5);
    advance(c, 1000 * MS);
    send_rtu(c, 50, read_two, 5); /* still at 9600: not understood */
    advance(c, 1000 * MS);
    assert_int_equal(c->rx_len, 0);
    assert_int_equal(c->transport->ops->set_baud(c->transport, 4800, &err),
                     MG_OK);
    send_rtu(c, 50, read_two, 5);
    advance(c, 1000 * MS);
    assert_true(is_answer(c->rx, c->rx_len, 50));
    assert_int_equal(c->last_ns - c->first_ns,
                     11 * UINT64_C(1000000000) / 4800);
    stop(c);
}

/* ---- TCP ---- */

static void test_tcp_pipelined_in_order(void **state)
{
    (void)state;
    struct mg_sim_line_settings set = settings(MG_SIM_TCP);
    struct client *c = start(&set);
    uint8_t frames[256];
    size_t n = 0;
    for (uint8_t i = 0; i < 3; i++) {
        n += tcp(frames + n, (uint8_t)(10 + i), (uint8_t)(2 - i % 2), read_two,
                 5);
    }
    uint64_t t0 = mg_clock_now_ns(c->clock);
    send_bytes(c, frames, n);
    advance(c, 1000 * MS);
    assert_int_equal(c->rx_len, 3 * 13);
    assert_int_equal(c->n_pieces, 3);
    assert_int_equal(c->first_ns, t0 + 5 * MS);
    assert_int_equal(c->last_ns, t0 + 15 * MS);
    for (uint8_t i = 0; i < 3; i++) {
        uint8_t unit = (uint8_t)(2 - i % 2);
        const uint8_t pdu[6] = {3, 4, unit, 16, unit, 17};
        uint8_t want[16];
        assert_int_equal(tcp(want, (uint8_t)(10 + i), unit, pdu, 6), 13);
        assert_memory_equal(c->rx + (size_t)13 * i, want, 13);
    }
    stop(c);
}

static void test_tcp_in_order_without_any_delay(void **state)
{
    (void)state;
    struct mg_sim_line_settings set = settings(MG_SIM_TCP);
    set.turnaround_ms = 0;
    struct client *c = start(&set);
    uint8_t frames[256];
    size_t n = 0;
    for (uint8_t i = 0; i < 5; i++) {
        n += tcp(frames + n, i, 1, read_two, 5);
    }
    send_bytes(c, frames, n);
    advance(c, 1);
    assert_int_equal(c->rx_len, 5 * 13);
    for (uint8_t i = 0; i < 5; i++) {
        assert_int_equal(c->rx[13 * i + 1], i);
    }
    stop(c);
}

static void test_tcp_gateway_says_when_nobody_answers(void **state)
{
    (void)state;
    struct mg_sim_line_settings set = settings(MG_SIM_TCP);
    struct client *c = start(&set);
    uint8_t frame[64];
    const uint8_t want[9] = {0, 7, 0, 0, 0, 3, 77, 0x83, 0x0b};
    send_bytes(c, frame, tcp(frame, 7, 77, read_two, 5));
    advance(c, 1000 * MS);
    assert_int_equal(c->rx_len, 9);
    assert_memory_equal(c->rx, want, 9);
    /* A meter without power, too. */
    mg_sim_device_power_cycle(mg_sim_line_device(c->line, 0), 60000);
    send_bytes(c, frame, tcp(frame, 8, 1, read_two, 5));
    advance(c, 1000 * MS);
    assert_int_equal(c->rx_len, 9);
    assert_int_equal(c->rx[8], 0x0b);
    advance(c, 60000 * MS);
    send_bytes(c, frame, tcp(frame, 9, 1, read_two, 5));
    advance(c, 1000 * MS);
    assert_int_equal(c->rx_len, 13);
    stop(c);
}

static void test_tcp_nonsense_closes(void **state)
{
    (void)state;
    static const uint8_t wrong[3][8] = {
        {0, 1, 0, 1, 0, 6, 1, 3},   /* another protocol */
        {0, 1, 0, 0, 0, 1, 1, 3},   /* no function code */
        {0, 1, 0, 0, 0, 255, 1, 3}, /* longer than any PDU */
    };
    struct mg_sim_line_settings set = settings(MG_SIM_TCP);
    struct client *c = start(&set);
    for (size_t i = 0; i < 3; i++) {
        uint8_t frame[64];
        c->is_lost = false;
        send_bytes(c, wrong[i], 8);
        advance(c, 10 * MS);
        assert_true(c->is_lost);
        open_line(c);
        send_bytes(c, frame, tcp(frame, 9, 1, read_two, 5));
        advance(c, 1000 * MS);
        assert_int_equal(c->rx_len, 13);
    }
    stop(c);
}

static void test_rtu_over_tcp(void **state)
{
    (void)state;
    struct mg_sim_line_settings set = settings(MG_SIM_RTU_TCP);
    struct client *c = start(&set);
    uint8_t frames[64];
    size_t n = rtu(frames, 1, read_two, 5);
    n += rtu(frames + n, 2, read_two, 5);
    send_bytes(c, frames, 11); /* cut anywhere, with a pause */
    advance(c, 100 * MS);
    assert_true(is_answer(c->rx, c->rx_len, 1));
    send_bytes(c, frames + 11, n - 11);
    advance(c, 100 * MS);
    assert_true(is_answer(c->rx, c->rx_len, 2));
    assert_int_equal(c->n_pieces, 1);
    stop(c);
}

/* ---- Trouble ---- */

static void with_fault(struct client *c, const struct mg_sim_faults *faults,
                       uint64_t wait_ms)
{
    mg_sim_line_set_faults(c->line, faults);
    send_rtu(c, 1, read_two, 5);
    advance(c, wait_ms * MS);
}

static void test_each_fault_does_what_it_says(void **state)
{
    (void)state;
    struct mg_sim_line_settings set = settings(MG_SIM_RTU_PTY);
    struct client *c = start(&set);
    bool has_rest = false, has_half = false, has_before = false,
         has_after = false;
    for (unsigned n = 0; n < 40; n++) {
        with_fault(c, &(struct mg_sim_faults){.drop = 10000}, 10000);
        assert_int_equal(c->rx_len, 0);

        with_fault(c, &(struct mg_sim_faults){.late = 10000}, 900);
        assert_int_equal(c->rx_len, 0);
        advance(c, 4000 * MS);
        assert_true(is_answer(c->rx, c->rx_len, 1));

        with_fault(c, &(struct mg_sim_faults){.bad_crc = 10000}, 1000);
        assert_int_equal(c->rx_len, 9);
        assert_int_equal(c->rx[0], 1);
        assert_false(is_answer(c->rx, c->rx_len, 1));

        with_fault(c, &(struct mg_sim_faults){.wrong_unit = 10000}, 1000);
        assert_int_equal(c->rx_len, 9);
        assert_int_equal(c->rx[0], 2);
        assert_int_equal(mg_crc16(c->rx, 7),
                         c->rx[7] | (unsigned)c->rx[8] << 8);

        with_fault(c, &(struct mg_sim_faults){.exception = 10000}, 1000);
        assert_int_equal(c->rx_len, 5);
        assert_int_equal(c->rx[1], 0x83);
        assert_int_equal(c->rx[2], 6);

        with_fault(c, &(struct mg_sim_faults){.half_frame = 10000}, 200);
        assert_in_range(c->rx_len, 1, 8);
        advance(c, 1000 * MS);
        has_rest |= is_answer(c->rx, c->rx_len, 1);
        has_half |= c->rx_len < 9;

        with_fault(c, &(struct mg_sim_faults){.noise = 10000}, 1000);
        assert_in_range(c->rx_len, 10, 13);
        has_after |= is_answer(c->rx, 9, 1);
        has_before |= is_answer(c->rx + c->rx_len - 9, 9, 1);
    }
    assert_true(has_rest && has_half && has_before && has_after);

    with_fault(c, &(struct mg_sim_faults){.stall = 10000}, 1000);
    with_fault(c, &(struct mg_sim_faults){0}, 1000);
    assert_int_equal(c->rx_len, 0); /* 1 s into the stall */
    advance(c, 1500 * MS);
    with_fault(c, &(struct mg_sim_faults){0}, 1000);
    assert_true(is_answer(c->rx, c->rx_len, 1));
    stop(c);
}

static void test_faults_on_tcp_spoil_the_length(void **state)
{
    (void)state;
    struct mg_sim_line_settings set = settings(MG_SIM_TCP);
    struct client *c = start(&set);
    uint8_t frame[64];
    for (unsigned n = 0; n < 40; n++) {
        mg_sim_line_set_faults(
            c->line, n % 2 == 0 ? &(struct mg_sim_faults){.bad_crc = 10000}
                                : &(struct mg_sim_faults){.noise = 10000});
        send_bytes(c, frame, tcp(frame, 1, 1, read_two, 5));
        advance(c, 1000 * MS);
        assert_int_equal(c->rx_len, 13);
        assert_int_not_equal(c->rx[4] << 8 | c->rx[5], 7);
    }
    stop(c);
}

static void test_half_a_frame_on_tcp_is_never_mixed(void **state)
{
    (void)state;
    struct mg_sim_line_settings set = settings(MG_SIM_TCP);
    struct client *c = start(&set);
    unsigned n_finished = 0, n_stuck = 0;
    for (unsigned n = 0; n < 40; n++) {
        uint8_t frame[64];
        mg_sim_line_set_faults(c->line,
                               &(struct mg_sim_faults){.half_frame = 10000});
        send_bytes(c, frame, tcp(frame, 1, 1, read_two, 5));
        advance(c, 50 * MS);
        mg_sim_line_set_faults(c->line, &(struct mg_sim_faults){0});
        size_t half = c->rx_len;
        assert_in_range(half, 1, 12);
        send_bytes(c, frame, tcp(frame, 2, 2, read_two, 5));
        advance(c, 50 * MS);
        assert_int_equal(c->rx_len, 0);
        advance(c, 60000 * MS);
        if (c->rx_len == 0) {
            n_stuck++;
            c->transport->ops->close(c->transport);
            open_line(c);
        } else {
            assert_int_equal(half + c->rx_len, 26);
            assert_int_equal(c->rx[13 - half + 1], 2); /* transaction */
            n_finished++;
        }
    }
    assert_true(n_stuck > 0 && n_finished > 0);
    stop(c);
}

/* All that comes in 2,000 requests, as one number. */
static uint64_t campaign(uint64_t seed, unsigned *ret_good)
{
    struct mg_sim_line_settings set = settings(MG_SIM_RTU_PTY);
    set.seed = seed;
    set.faults = (struct mg_sim_faults){.drop = 100,
                                        .late = 100,
                                        .bad_crc = 100,
                                        .half_frame = 100,
                                        .wrong_unit = 100,
                                        .noise = 100,
                                        .exception = 100,
                                        .stall = 100};
    struct client *c = start(&set);
    uint64_t hash = 1;
    *ret_good = 0;
    for (unsigned n = 0; n < 2000; n++) {
        send_rtu(c, 1, read_two, 5);
        advance(c, 5000 * MS);
        *ret_good += is_answer(c->rx, c->rx_len, 1);
        for (size_t i = 0; i < c->rx_len; i++) {
            hash = (hash ^ c->rx[i]) * 0x100000001b3U;
        }
        hash = (hash ^ c->last_ns) * 0x100000001b3U;
    }
    stop(c);
    return hash;
}

static void test_faults_by_chance_from_the_seed(void **state)
{
    (void)state;
    unsigned n_good;
    uint64_t a = campaign(1, &n_good);
    /* 6.5 % are wrong for good; late ones and half of the halves are not. */
    assert_in_range(2000 - n_good, 90, 180);
    assert_true(a == campaign(1, &n_good));
    assert_true(a != campaign(2, &n_good));
}

/* ---- The line itself ---- */

static void test_meters_live_unasked(void **state)
{
    (void)state;
    struct mg_sim_line_settings set = settings(MG_SIM_RTU_PTY);
    struct client *c = start(&set);
    advance(c, 60000 * MS);
    for (size_t i = 0; i < 2; i++) {
        struct mg_sim_device *d = mg_sim_line_device(c->line, i);
        assert_true(mg_sim_device_now_ns(d) >= 49000 * MS);
    }
    assert_null(mg_sim_line_device(c->line, 2));
    stop(c);
}

static void test_more_than_247_meters_are_refused(void **state)
{
    (void)state;
    struct mg_sim_line_settings set = settings(MG_SIM_TCP);
    struct client *c = start(&set);
    for (size_t i = 2; i < 247; i++) {
        assert_int_equal(mg_sim_line_add(c->line, toy_create(9, 0)), MG_OK);
    }
    struct mg_sim_device *d = toy_create(9, 0);
    assert_int_equal(mg_sim_line_add(c->line, d), MG_E_NOSPC);
    mg_sim_device_destroy(d);
    stop(c);
}

static void test_ends_go_in_any_order(void **state)
{
    (void)state;
    struct mg_sim_line_settings set = settings(MG_SIM_TCP);
    struct client *c = start(&set);
    uint8_t frame[64];
    struct mg_err err;
    assert_null(mg_sim_line_memory(c->line)); /* one near end only */
    size_t n = tcp(frame, 1, 1, read_two, 5);
    send_bytes(c, frame, n);
    c->transport->ops->destroy(c->transport); /* with an answer on its way */
    mg_clock_advance(c->clock, 1000 * MS);
    assert_int_equal(c->rx_len, 0);

    c->transport = mg_sim_line_memory(c->line);
    c->transport->events = &events;
    c->transport->ctx = c;
    open_line(c);
    send_bytes(c, frame, n);
    mg_sim_line_destroy(c->line);
    advance(c, 1000 * MS);
    assert_true(c->is_lost);
    assert_int_equal(c->transport->ops->open(c->transport, &err), MG_E_IO);
    c->line = NULL;
    stop(c);

    c = start(&set); /* closed by the client: nothing more is heard */
    c->transport->ops->close(c->transport);
    mg_sim_line_destroy(c->line);
    assert_false(c->is_lost);
    c->line = NULL;
    stop(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rtu_answer_comes_at_the_pace_of_the_wire),
        cmocka_unit_test(test_rtu_too_little_silence_is_counted),
        cmocka_unit_test(test_rtu_without_pace),
        cmocka_unit_test(test_rtu_silence_of_what_is_not_there),
        cmocka_unit_test(test_rtu_broadcast),
        cmocka_unit_test(test_rtu_request_in_pieces),
        cmocka_unit_test(test_rtu_flood_of_noise),
        cmocka_unit_test(test_address_and_speed_follow_the_meter),
        cmocka_unit_test(test_tcp_pipelined_in_order),
        cmocka_unit_test(test_tcp_in_order_without_any_delay),
        cmocka_unit_test(test_tcp_gateway_says_when_nobody_answers),
        cmocka_unit_test(test_tcp_nonsense_closes),
        cmocka_unit_test(test_rtu_over_tcp),
        cmocka_unit_test(test_each_fault_does_what_it_says),
        cmocka_unit_test(test_faults_on_tcp_spoil_the_length),
        cmocka_unit_test(test_half_a_frame_on_tcp_is_never_mixed),
        cmocka_unit_test(test_faults_by_chance_from_the_seed),
        cmocka_unit_test(test_meters_live_unasked),
        cmocka_unit_test(test_more_than_247_meters_are_refused),
        cmocka_unit_test(test_ends_go_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
