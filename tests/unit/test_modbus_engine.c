/* The Modbus engine in virtual time, against meters at the far end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "modbus_rig.h"

#define MS RIG_MS
#define S  (1000 * MS)
/* 9600 baud, 11 bits per character; up to the next nanosecond. */
#define CHAR_NS UINT64_C(1145834)
#define GAP_NS  UINT64_C(4010417)

#define BYTES(...)                                                             \
    (const uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__})

static const struct mg_modbus_settings rtu = {
    .framing = MG_MODBUS_RTU, .baud = 9600, .char_bits = 11};
static const struct mg_modbus_settings tcp = {.framing = MG_MODBUS_TCP};
static const struct mg_modbus_settings rtu_tcp = {.framing = MG_MODBUS_RTU_TCP};

static const struct mg_modbus_stats *stats(const struct rig *rig)
{
    return mg_modbus_stats(rig->bus);
}

static uint64_t now(const struct rig *rig)
{
    return mg_clock_now_ns(rig->clock);
}

/* ---- The normal case ---- */

static void test_read_over_each_framing(void **state)
{
    (void)state;
    const struct mg_modbus_settings *all[] = {&rtu, &tcp, &rtu_tcp};
    for (size_t i = 0; i < 3; i++) {
        struct rig *rig = rig_start(all[i], 2);
        assert_int_equal(rig_read(rig, 0, 1, 0x30, 22), MG_OK);
        assert_int_equal(rig->calls[0].n_done, 0);
        assert_int_equal(rig_read(rig, 1, 2, 0x70, 2), MG_OK);
        rig_advance(rig, 200 * MS);
        assert_true(rig_is_right(&rig->calls[0], 1));
        assert_true(rig_is_right(&rig->calls[1], 2));
        assert_int_equal(stats(rig)->n_requests, 2);
        assert_int_equal(stats(rig)->n_ok, 2);
        assert_int_equal(stats(rig)->n_stray_bytes, 0);
        rig_end(rig);
    }
}

static void test_bytes_on_the_wire(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 1);
    assert_int_equal(rig_read(rig, 0, 1, 0x30, 2), MG_OK);
    rig_advance(rig, 0);
    /* KPM31 manual V2.0, 6.3: a read of 0030H; checksum by hand. */
    const uint8_t want[] = {1, 3, 0, 0x30, 0, 2, 0xc4, 4};
    assert_int_equal(rig->sent_len, sizeof want);
    assert_memory_equal(rig->sent, want, sizeof want);
    rig_end(rig);
}

/* An answer is handed over with its last byte; the next request keeps t3.5
 * from that byte, to the nanosecond. */
static void test_silence_between_frames(void **state)
{
    (void)state;
    static const struct {
        uint32_t baud, bus_gap_us;
        uint64_t gap_ns;
    } cases[] = {{9600, 0, GAP_NS},
                 {19200, 0, 2005209},
                 {38400, 0, 1750000},
                 {115200, 0, 1750000},
                 {115200, 5000, 5000000}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mg_modbus_settings set = rtu;
        set.baud = cases[i].baud;
        set.bus_gap_us = cases[i].bus_gap_us;
        struct rig *rig = rig_start(&set, 1);
        assert_int_equal(rig_read(rig, 0, 1, 0, 10), MG_OK);
        assert_int_equal(rig_read(rig, 1, 1, 0, 10), MG_OK);
        rig_advance(rig, 500 * MS);
        assert_int_equal(rig->calls[0].done_ns, rig->calls[0].answered_ns);
        assert_int_equal(rig->calls[1].sent_ns - rig->calls[0].done_ns,
                         cases[i].gap_ns);
        rig_end(rig);
    }
}

static void in_pieces(struct rig *rig, uint8_t unit, const uint8_t *pdu,
                      size_t len)
{
    uint8_t frame[MG_MBAP_MAX];
    size_t n = rig_answer(rig, unit, pdu, len, frame);
    for (size_t i = 0; i < n; i++) {
        rig_deliver(rig, now(rig) + (i + 1) * 2 * MS, frame + i, 1);
    }
}

static void test_answer_in_pieces(void **state)
{
    (void)state;
    const struct mg_modbus_settings *all[] = {&rtu, &tcp, &rtu_tcp};
    for (size_t i = 0; i < 3; i++) {
        struct rig *rig = rig_start(all[i], 1);
        rig->on_request = in_pieces;
        assert_int_equal(rig_read(rig, 0, 1, 0x30, 3), MG_OK);
        rig_advance(rig, 200 * MS);
        assert_true(rig_is_right(&rig->calls[0], 1));
        rig_end(rig);
    }
}

static void test_every_function(void **state)
{
    (void)state;
    static const struct {
        uint8_t len, pdu[10];
    } requests[] = {
        {5, {1, 0, 1, 0, 9}},           {5, {2, 0, 1, 0, 1}},
        {5, {4, 0, 1, 0, 2}},           {5, {5, 0, 1, 0xff, 0}},
        {5, {6, 0, 12, 0x55, 0xaa}},    {7, {15, 0, 1, 0, 8, 1, 0xa5}},
        {8, {16, 0, 1, 0, 1, 2, 3, 4}}, {7, {22, 0, 1, 0xff, 0, 0, 1}}};
    const struct mg_modbus_settings *all[] = {&rtu, &tcp};
    for (size_t i = 0; i < sizeof requests / sizeof requests[0] * 2; i++) {
        struct rig *rig = rig_start(all[i % 2], 1);
        assert_int_equal(
            rig_submit(rig, 0, 1, requests[i / 2].pdu, requests[i / 2].len),
            MG_OK);
        rig_advance(rig, 300 * MS);
        assert_int_equal(rig->calls[0].code, MG_OK);
        assert_int_equal(rig->calls[0].n_done, 1);
        assert_int_equal(rig->calls[0].pdu_len,
                         mg_adu_reply_len(requests[i / 2].pdu));
        rig_end(rig);
    }
}

static void test_what_is_no_request_is_refused(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 1);
    assert_int_equal(rig_submit(rig, 0, 1, BYTES(3, 0, 0, 0, 126)), MG_E_INVAL);
    assert_int_equal(rig_submit(rig, 0, 1, BYTES(43, 14, 1, 0, 0)), MG_E_INVAL);
    assert_int_equal(rig_submit(rig, 0, 1, BYTES(3)), MG_E_INVAL);
    rig_advance(rig, S);
    assert_int_equal(rig->n_sent, 0);
    rig_end(rig);
}

/* ---- Turns ---- */

static void test_queue_is_bounded(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 2);
    for (unsigned i = 0; i < 9; i++) { /* the first is on its way at once */
        assert_int_equal(rig_read(rig, i, 1, (uint16_t)i, 1), MG_OK);
    }
    assert_int_equal(rig_read(rig, 9, 1, 9, 1), MG_E_BUSY);
    assert_int_equal(rig_read(rig, 10, 2, 0, 1), MG_OK);
    rig_advance(rig, 5 * S);
    for (unsigned i = 0; i < 9; i++) {
        assert_true(rig_is_right(&rig->calls[i], 1));
    }
    assert_int_equal(rig->calls[9].n_done, 0);
    assert_int_equal(rig->calls[10].order, 2); /* its unit's turn */
    rig_end(rig);
}

static void test_urgent_first_then_turns(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 3);
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
    assert_int_equal(rig_read(rig, 1, 1, 1, 1), MG_OK);
    assert_int_equal(rig_read(rig, 2, 1, 2, 1), MG_OK);
    assert_int_equal(rig_read(rig, 3, 2, 3, 1), MG_OK);
    assert_int_equal(rig_read(rig, 4, 2, 4, 1), MG_OK);
    assert_int_equal(rig_read(rig, 5, 3, 5, 1), MG_OK);
    for (unsigned i = 6; i < 8; i++) {
        rig->calls[i].request.is_urgent = true;
        assert_int_equal(rig_read(rig, i, 3, (uint16_t)i, 1), MG_OK);
    }
    rig_advance(rig, 3 * S);
    static const unsigned order[] = {0, 6, 7, 3, 5, 1, 4, 2};
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(rig->calls[order[i]].order, i + 1);
    }
    rig_end(rig);
}

static void test_a_unit_has_its_own_pause(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 1);
    const struct mg_modbus_unit_settings slow = {
        .unit = 2, .timeout_ms = 100, .gap_ms = 300};
    rig->unit[2] = mg_modbus_add_unit(rig->bus, &slow);
    assert_int_equal(rig_read(rig, 0, 2, 0, 1), MG_OK);
    assert_int_equal(rig_read(rig, 1, 2, 0, 1), MG_OK);
    for (unsigned i = 2; i < 8; i++) {
        assert_int_equal(rig_read(rig, i, 1, 0, 1), MG_OK);
    }
    rig_advance(rig, 250 * MS);
    for (unsigned i = 2; i < 8; i++) {
        assert_int_equal(rig->calls[i].n_done, 1); /* not held up */
    }
    assert_int_equal(rig->calls[1].n_done, 0);
    assert_int_equal(mg_modbus_unit_ready_ns(rig->unit[2]),
                     rig->calls[0].done_ns + 300 * MS);
    rig_advance(rig, 250 * MS);
    assert_int_equal(rig->calls[1].sent_ns, rig->calls[0].done_ns + 300 * MS);
    rig_end(rig);
}

/* ---- Strange bytes ---- */

static void foreign_first(struct rig *rig, uint8_t unit, const uint8_t *pdu,
                          size_t len)
{
    uint8_t frame[MG_MBAP_MAX];
    size_t n = rig_answer(rig, (uint8_t)(unit + 1), pdu, len, frame);
    rig_deliver(rig, now(rig) + 20 * MS, frame, n);
    n = rig_answer(rig, unit, pdu, len, frame);
    rig_deliver(rig, now(rig) + 40 * MS, frame, n);
}

static void test_frames_of_others_are_dropped(void **state)
{
    (void)state;
    const struct mg_modbus_settings *all[] = {&rtu, &tcp, &rtu_tcp};
    for (size_t i = 0; i < 3; i++) {
        struct rig *rig = rig_start(all[i], 2);
        rig->on_request = foreign_first;
        assert_int_equal(rig_read(rig, 0, 1, 0x30, 3), MG_OK);
        rig_advance(rig, 80 * MS);
        assert_true(rig_is_right(&rig->calls[0], 1));
        assert_int_equal(stats(rig)->n_foreign, 1);
        rig_end(rig);
    }
}

static void test_noise_around_an_answer(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 1);
    const uint8_t noise[700] = {1, 3, 4, 1, 3, 6};
    assert_int_equal(rig_read(rig, 0, 1, 0x30, 3), MG_OK);
    rig_deliver(rig, now(rig) + MS, noise, 300);
    rig_deliver(rig, now(rig) + 2 * MS, noise, 300);
    rig_advance(rig, 99 * MS);
    assert_true(rig_is_right(&rig->calls[0], 1));
    rig_end(rig);
}

/* Noise on an idle line is counted, and the silence begins again. */
static void test_stray_bytes_restart_the_silence(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 1);
    rig_deliver(rig, now(rig) + MS, BYTES(1, 2, 3));
    rig_advance(rig, 2 * MS);
    uint64_t stray_ns = now(rig) - MS;
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
    rig_advance(rig, 90 * MS);
    assert_int_equal(rig->calls[0].sent_ns, stray_ns + GAP_NS);
    assert_int_equal(stats(rig)->n_stray_bytes, 3);

    rig->n_to_discard = 5; /* noticed only when about to send */
    uint64_t asked_ns = now(rig);
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
    rig_advance(rig, 90 * MS);
    assert_int_equal(rig->calls[0].sent_ns, asked_ns + GAP_NS);
    assert_int_equal(stats(rig)->n_stray_bytes, 8);
    rig_end(rig);
}

static void babble(struct mg_timer *timer)
{
    struct rig_packet *p = (struct rig_packet *)timer;
    mg_transport_memory_deliver(p->rig->line, BYTES(0x55));
    mg_timer_start(p->rig->clock, timer, timer->deadline_ns + MS, babble);
}

static void test_a_line_that_is_never_silent(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 1);
    struct rig_packet *p = &rig->packets[RIG_PACKETS - 1];
    p->rig = rig;
    p->is_used = true;
    mg_timer_start(rig->clock, &p->timer, now(rig), babble);
    rig_advance(rig, 5 * MS);
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
    rig_advance(rig, 400 * MS);
    assert_int_equal(rig->n_sent, 0);
    rig_advance(rig, 400 * MS); /* then it is tried all the same */
    assert_int_equal(rig->n_sent, 1);
    assert_true(rig_is_right(&rig->calls[0], 1));
    rig_end(rig);
}

static void test_own_echo(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 1);
    rig->has_echo = true;
    assert_int_equal(rig_read(rig, 0, 1, 0x30, 3), MG_OK);
    rig_advance(rig, 99 * MS);
    assert_true(rig_is_right(&rig->calls[0], 1));
    /* From now on known: the copy of a write is not its answer. */
    rig->meter[1].is_silent = true;
    assert_int_equal(rig_submit(rig, 0, 1, BYTES(6, 0, 1, 0, 3)), MG_OK);
    rig_advance(rig, 200 * MS);
    assert_int_equal(rig->calls[0].code, MG_E_TIMEOUT);
    rig->meter[1].is_silent = false;
    rig_advance(rig, 2 * S);
    assert_int_equal(rig_submit(rig, 0, 1, BYTES(6, 0, 1, 0, 3)), MG_OK);
    rig_advance(rig, 99 * MS);
    assert_int_equal(rig->calls[0].code, MG_OK);
    assert_int_equal(stats(rig)->n_foreign, 0);
    /* The adapter is exchanged for one without echo. */
    rig->has_echo = false;
    assert_int_equal(rig_read(rig, 0, 1, 0x30, 3), MG_OK);
    rig_advance(rig, 99 * MS);
    assert_int_equal(rig_submit(rig, 0, 1, BYTES(6, 0, 1, 0, 3)), MG_OK);
    rig_advance(rig, 99 * MS);
    assert_int_equal(rig->calls[0].code, MG_OK);
    rig_end(rig);
}

/* ---- Exceptions ---- */

static void test_exception(void **state)
{
    (void)state;
    const struct mg_modbus_settings *all[] = {&rtu, &tcp};
    for (size_t i = 0; i < 2; i++) {
        struct rig *rig = rig_start(all[i], 1);
        rig->meter[1].exception = 2;
        assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
        rig_advance(rig, 99 * MS);
        assert_int_equal(rig->calls[0].code, MG_E_EXCEPTION);
        assert_int_equal(rig->calls[0].exception, 2);
        assert_int_equal(rig->n_sent, 1);
        assert_int_equal(stats(rig)->n_exceptions, 1);
        rig_end(rig);
    }
}

static void test_a_busy_meter_is_asked_again(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 2);
    rig->meter[1].exception = 6;
    rig->meter[1].n_exceptions = 2;
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
    assert_int_equal(rig_read(rig, 1, 2, 0, 1), MG_OK);
    rig_advance(rig, 99 * MS);
    assert_int_equal(rig->calls[0].n_done, 0);
    assert_true(rig_is_right(&rig->calls[1], 2)); /* does not wait for it */
    rig_advance(rig, S);
    assert_true(rig_is_right(&rig->calls[0], 1));
    assert_int_equal(rig->n_sent, 4);

    rig->meter[1].exception = 5;
    rig->meter[1].n_exceptions = 0;
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
    rig_advance(rig, 10 * S);
    assert_int_equal(rig->calls[0].code, MG_E_EXCEPTION);
    assert_int_equal(rig->calls[0].exception, 5);
    assert_int_equal(rig->n_sent, 8);
    rig_end(rig);
}

static void test_a_write_is_never_repeated(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 1);
    rig->meter[1].exception = 6;
    assert_int_equal(rig_submit(rig, 0, 1, BYTES(5, 0, 1, 0xff, 0)), MG_OK);
    rig_advance(rig, 10 * S);
    assert_int_equal(rig->calls[0].code, MG_E_EXCEPTION);
    rig->meter[1].is_silent = true;
    assert_int_equal(rig_submit(rig, 0, 1, BYTES(5, 0, 1, 0xff, 0)), MG_OK);
    rig_advance(rig, 10 * S);
    assert_int_equal(rig->calls[0].code, MG_E_TIMEOUT);
    assert_int_equal(rig->n_sent, 2);
    rig_end(rig);
}

static void test_gateway_without_its_meter(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&tcp, 2);
    rig->meter[1].exception = 11;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
        rig_advance(rig, 99 * MS);
        assert_int_equal(rig->calls[0].code, MG_E_TIMEOUT);
    }
    assert_int_equal(mg_modbus_unit_state(rig->unit[1]), MG_UNIT_DEAD);
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_E_TIMEOUT);
    assert_int_equal(rig->n_opens, 1); /* the connection is fine */
    assert_int_equal(rig_read(rig, 0, 2, 0, 1), MG_OK);
    rig_advance(rig, 99 * MS);
    assert_true(rig_is_right(&rig->calls[0], 2));
    rig_end(rig);
}

/* ---- Time-outs ---- */

static void test_deadline_counts_the_wire(void **state)
{
    (void)state;
    struct mg_modbus_settings set = rtu;
    set.slack_ms = 30;
    struct rig *rig = rig_start(&set, 1);
    rig->meter[1].is_silent = true;
    assert_int_equal(rig_read(rig, 0, 1, 0, 10), MG_OK);
    rig_advance(rig, S);
    uint64_t waited_ns = rig->calls[0].done_ns - rig->calls[0].sent_ns;
    uint64_t want_ns = 130 * MS + (8 + 25) * CHAR_NS;
    assert_true(waited_ns <= want_ns && waited_ns + 33 > want_ns);
    rig->calls[0].request.timeout_ms = 250; /* the request's own */
    rig_advance(rig, 2 * S);
    assert_int_equal(rig_read(rig, 0, 1, 0, 10), MG_OK);
    rig_advance(rig, S);
    assert_int_equal(rig->calls[0].done_ns - rig->calls[0].sent_ns,
                     waited_ns + 150 * MS);
    rig_end(rig);
}

/* The answer to one read comes when the next read of the same length might
 * be waiting: on a serial line nothing but time tells them apart. */
static void test_a_late_answer_is_never_taken(void **state)
{
    (void)state;
    const struct mg_modbus_settings *all[] = {&rtu, &tcp, &rtu_tcp};
    for (size_t i = 0; i < 3; i++) {
        for (uint32_t late_ms = 95; late_ms <= 400; late_ms += 5) {
            struct rig *rig = rig_start(all[i], 2);
            rig->meter[1].delay_ms = late_ms;
            assert_int_equal(rig_read(rig, 0, 1, 100, 4), MG_OK);
            rig_advance(rig, 1);
            rig->meter[1].delay_ms = 10;
            assert_int_equal(rig_read(rig, 1, 1, 200, 4), MG_OK);
            assert_int_equal(rig_read(rig, 2, 2, 300, 4), MG_OK);
            rig_advance(rig, 5 * S);
            for (unsigned k = 0; k < 3; k++) {
                uint8_t unit = k == 2 ? 2 : 1;
                assert_int_equal(rig->calls[k].n_done, 1);
                assert_true(rig->calls[k].code == MG_E_TIMEOUT ||
                            rig_is_right(&rig->calls[k], unit));
            }
            assert_true(rig_is_right(&rig->calls[2], 2));
            assert_int_equal(stats(rig)->n_late, stats(rig)->n_timeouts);
            rig_end(rig);
        }
    }
}

static void test_quarantine_holds_up_nobody_else(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 2);
    rig->meter[1].is_silent = true;
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
    assert_int_equal(rig_read(rig, 1, 1, 0, 1), MG_OK);
    assert_int_equal(rig_read(rig, 2, 2, 0, 1), MG_OK);
    rig_advance(rig, 200 * MS);
    assert_int_equal(rig->calls[0].code, MG_E_TIMEOUT);
    assert_int_equal(mg_modbus_unit_state(rig->unit[1]), MG_UNIT_QUARANTINED);
    assert_int_equal(mg_modbus_unit_state(rig->unit[2]), MG_UNIT_OK);
    assert_true(rig_is_right(&rig->calls[2], 2));
    /* 20 ms of silence, then at once. */
    assert_int_equal(rig->calls[2].sent_ns, rig->calls[0].done_ns + 20 * MS);
    uint64_t ready_ns = mg_modbus_unit_ready_ns(rig->unit[1]);
    assert_true(ready_ns >= rig->calls[0].done_ns + S);
    assert_int_equal(rig->calls[1].n_done, 0);
    rig->meter[1].is_silent = false;
    rig_advance(rig, 2 * S);
    assert_int_equal(rig->calls[1].sent_ns, ready_ns);
    assert_true(rig_is_right(&rig->calls[1], 1));
    rig_end(rig);
}

/* A meter that goes on and on is drained, but not for ever. */
static void test_drain(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 2);
    struct rig_packet *p = &rig->packets[RIG_PACKETS - 1];
    rig->meter[1].is_silent = true;
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
    assert_int_equal(rig_read(rig, 1, 2, 0, 1), MG_OK);
    rig_advance(rig, 50 * MS);
    p->rig = rig;
    p->is_used = true;
    mg_timer_start(rig->clock, &p->timer, now(rig), babble);
    rig_advance(rig, S);
    assert_int_equal(rig->calls[0].code, MG_E_TIMEOUT);
    assert_int_equal(rig->n_sent, 1);
    mg_timer_stop(&p->timer);
    uint64_t silent_ns = now(rig);
    rig_advance(rig, 90 * MS);
    assert_true(rig_is_right(&rig->calls[1], 2));
    assert_true(rig->calls[1].sent_ns > silent_ns + 18 * MS);
    assert_true(rig->calls[1].sent_ns <= silent_ns + 20 * MS);

    rig->meter[2].is_silent = true;
    mg_timer_start(rig->clock, &p->timer, now(rig), babble);
    assert_int_equal(rig_read(rig, 0, 2, 0, 1), MG_OK);
    rig_advance(rig, 2 * S);
    rig->meter[1].is_silent = false;
    assert_int_equal(rig_read(rig, 1, 1, 0, 1), MG_OK);
    rig_advance(rig, 4 * S);
    assert_true(rig_is_right(&rig->calls[1], 1));
    rig_end(rig);
}

static void kill_unit(struct rig *rig, uint8_t unit)
{
    rig->meter[unit].is_silent = true;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(rig_read(rig, 0, unit, 0, 1), MG_OK);
        rig_advance(rig, 3 * S);
        assert_int_equal(rig->calls[0].code, MG_E_TIMEOUT);
    }
    assert_int_equal(mg_modbus_unit_state(rig->unit[unit]), MG_UNIT_DEAD);
}

static void test_a_dead_unit_is_only_probed(void **state)
{
    (void)state;
    static const unsigned pauses_s[] = {10, 20, 40, 60, 60};
    struct rig *rig = rig_start(&rtu, 1);
    kill_unit(rig, 1);
    for (size_t i = 0; i < sizeof pauses_s / sizeof pauses_s[0]; i++) {
        uint64_t due_ns = rig->calls[0].done_ns + pauses_s[i] * S;
        assert_int_equal(mg_modbus_unit_ready_ns(rig->unit[1]), due_ns);
        mg_clock_advance(rig->clock, due_ns - 1);
        assert_int_equal(rig_read(rig, 1, 1, 0, 1), MG_E_TIMEOUT);
        rig_advance(rig, 1);
        assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
        assert_int_equal(rig_read(rig, 1, 1, 0, 1), MG_E_TIMEOUT);
        rig_advance(rig, 500 * MS);
        assert_int_equal(rig->calls[0].code, MG_E_TIMEOUT);
    }
    rig->meter[1].is_silent = false;
    rig_advance(rig, 60 * S);
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
    rig_advance(rig, 99 * MS);
    assert_true(rig_is_right(&rig->calls[0], 1));
    assert_int_equal(mg_modbus_unit_state(rig->unit[1]), MG_UNIT_OK);
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
    rig_end(rig);
}

static void test_what_waits_for_a_dead_unit_fails_with_it(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 1);
    rig->meter[1].is_silent = true;
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(rig_read(rig, i, 1, 0, 1), MG_OK);
    }
    rig_advance(rig, 10 * S);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(rig->calls[i].n_done, 1);
        assert_int_equal(rig->calls[i].code, MG_E_TIMEOUT);
    }
    assert_int_equal(rig->n_sent, 3);
    rig_end(rig);
}

/* Ten meters at 9600 baud, each read every second, 71 ms each; one is dead,
 * with a time-out of half a second. */
struct poller {
    struct mg_timer timer;
    struct rig *rig;
    uint8_t unit;
    unsigned n_polls, n_ok;
};

static void poll_due(struct mg_timer *timer)
{
    struct poller *p = (struct poller *)timer;
    struct rig_call *call = &p->rig->calls[p->unit];
    p->n_ok += p->n_polls > 0 && rig_is_right(call, p->unit);
    if (p->n_polls == 0 || call->n_done == 1) {
        call->request.timeout_ms = 500;
        if (rig_read(p->rig, p->unit, p->unit, 0x30, 20) != MG_OK) {
            call->code = MG_E_TIMEOUT;
            call->n_done = 1;
        }
    }
    p->n_polls++;
    mg_timer_start(p->rig->clock, timer, timer->deadline_ns + S, poll_due);
}

static void test_one_dead_unit_of_ten(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 10);
    struct poller pollers[11];
    memset(pollers, 0, sizeof pollers);
    for (uint8_t i = 1; i <= 10; i++) {
        rig->meter[i].delay_ms = 2;
        pollers[i] = (struct poller){.rig = rig, .unit = i};
        mg_timer_start(rig->clock, &pollers[i].timer, now(rig) + i * (100 * MS),
                       poll_due);
    }
    rig->meter[4].is_silent = true;
    rig_advance(rig, 300 * S);
    unsigned n_polls = 0, n_ok = 0;
    for (unsigned i = 1; i <= 10; i++) {
        mg_timer_stop(&pollers[i].timer);
        if (i != 4) {
            n_polls += pollers[i].n_polls;
            n_ok += pollers[i].n_ok;
            assert_true(pollers[i].n_ok * 100 >= pollers[i].n_polls * 95);
        }
    }
    print_message("healthy units: %u of %u reads\n", n_ok, n_polls);
    assert_true(n_polls >= 9 * 299);
    assert_true(n_ok * 100 >= n_polls * 95);
    assert_int_equal(pollers[4].n_ok, 0);
    rig_end(rig);
}

/* ---- Modbus TCP ---- */

static void test_transaction_is_never_zero(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&tcp, 1);
    uint16_t last = 0;
    for (unsigned i = 0; i < 66000; i++) {
        assert_int_equal(rig_read(rig, 0, 1, (uint16_t)i, 1), MG_OK);
        rig_advance(rig, 1);
        assert_true(rig_is_right(&rig->calls[0], 1));
        assert_int_not_equal(rig->transaction, last); /* 0 is refused there */
        last = rig->transaction;
    }
    rig_end(rig);
}

static void wrong_transaction(struct rig *rig, uint8_t unit, const uint8_t *pdu,
                              size_t len)
{
    uint8_t frame[MG_MBAP_MAX];
    rig->transaction = (uint16_t)(rig->transaction - 1);
    size_t n = rig_answer(rig, unit, pdu, len, frame);
    rig_deliver(rig, now(rig) + MS, frame, n);
}

static void test_foreign_transactions_are_late(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&tcp, 1);
    rig->on_request = wrong_transaction;
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
    rig_advance(rig, 200 * MS);
    assert_int_equal(rig->calls[0].code, MG_E_TIMEOUT);
    assert_int_equal(stats(rig)->n_late, 1);
    assert_int_equal(rig->n_opens, 1); /* and the connection is kept */
    assert_int_equal(mg_modbus_unit_state(rig->unit[1]), MG_UNIT_OK);
    rig_end(rig);
}

static void no_modbus(struct rig *rig, uint8_t unit, const uint8_t *pdu,
                      size_t len)
{
    (void)unit;
    (void)pdu;
    (void)len;
    rig_deliver(rig, now(rig) + MS,
                (const uint8_t *)"HTTP/1.1 400 Bad Request\r\n", 26);
}

/* The first time the connection is made anew, quietly; the second time it is
 * said that this is no Modbus. */
static void test_what_is_no_modbus_ends_the_connection(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&tcp, 1);
    rig->on_request = no_modbus;
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
    assert_int_equal(rig_read(rig, 1, 1, 0, 1), MG_OK);
    assert_int_equal(rig_read(rig, 2, 1, 0, 1), MG_OK);
    rig_advance(rig, 1 * MS);
    assert_int_equal(rig->calls[0].code, MG_E_TIMEOUT);
    assert_int_equal(rig->n_opens, 2);
    assert_int_equal(rig->n_down, 0);
    rig_advance(rig, 1 * MS);
    assert_int_equal(rig->calls[1].code, MG_E_IO);
    assert_int_equal(rig->calls[2].code, MG_E_IO);
    assert_false(mg_modbus_is_up(rig->bus));
    assert_int_equal(rig->n_closes, 2);
    assert_int_equal(rig->n_down, 1);
    assert_non_null(strstr(rig->err.text, "4854 5450"));
    rig->on_request = NULL;
    rig_advance(rig, S);
    assert_true(mg_modbus_is_up(rig->bus));
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
    rig_advance(rig, 10 * MS);
    assert_true(rig_is_right(&rig->calls[0], 1));
    rig_end(rig);
}

static void frame_and_garbage(struct rig *rig, uint8_t unit, const uint8_t *pdu,
                              size_t len)
{
    uint8_t bytes[MG_MBAP_MAX + 4] = {0};
    size_t n = rig_answer(rig, unit, pdu, len, bytes);
    memset(bytes + n, 0xee, 4);
    rig_deliver(rig, now(rig) + MS, bytes, n + 4);
}

/* What follows is no frame, so this one may be put together from two. */
static void test_a_frame_before_garbage_is_not_trusted(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&tcp, 1);
    rig->on_request = frame_and_garbage;
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
    rig_advance(rig, 2 * MS);
    assert_int_equal(rig->calls[0].code, MG_E_TIMEOUT);
    assert_int_equal(rig->n_opens, 2);
    rig_end(rig);
}

/* Not one byte during two time-outs: half open. It is made anew without the
 * line counting as down. */
static void test_half_open_connection(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&tcp, 3);
    for (uint8_t i = 1; i <= 3; i++) {
        rig->meter[i].is_silent = true;
        assert_int_equal(rig_read(rig, i, i, 0, 1), MG_OK);
    }
    rig_advance(rig, 150 * MS);
    assert_int_equal(rig->n_opens, 1);
    rig_advance(rig, 52 * MS);
    assert_int_equal(rig->n_opens, 2);
    rig->meter[3].is_silent = false;
    rig_advance(rig, 10 * MS);
    assert_int_equal(rig->calls[2].code, MG_E_TIMEOUT);
    assert_int_equal(rig->n_down, 0);
    assert_int_equal(rig->n_up, 1);
    assert_int_equal(stats(rig)->n_losses, 1);
    rig_advance(rig, 200 * MS);
    assert_int_equal(rig->calls[3].n_done, 1);
    rig_end(rig);
}

static void test_half_open_and_gone(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&tcp, 1);
    rig->meter[1].is_silent = true;
    rig->n_fail_open = 1;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(rig_read(rig, i, 1, 0, 1), MG_OK);
    }
    rig_advance(rig, 201 * MS);
    assert_false(mg_modbus_is_up(rig->bus));
    assert_int_equal(rig->n_down, 1);
    assert_int_equal(rig->calls[1].code, MG_E_TIMEOUT);
    assert_int_equal(rig->calls[2].code, MG_E_IO);
    rig_end(rig);
}

static void test_tcp_reconnects_after_three_time_outs(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&tcp, 3);
    rig->on_request = wrong_transaction; /* there is life, but no use */
    for (uint8_t i = 1; i <= 3; i++) {
        assert_int_equal(rig_read(rig, i, i, 0, 1), MG_OK);
    }
    rig_advance(rig, 250 * MS);
    assert_int_equal(rig->n_opens, 1);
    rig_advance(rig, 60 * MS);
    assert_int_equal(rig->n_opens, 2);
    rig_end(rig);
}

static void test_rtu_over_tcp_reconnects_after_two(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu_tcp, 3);
    for (uint8_t i = 1; i <= 3; i++) {
        rig->meter[i].is_silent = i < 3;
        assert_int_equal(rig_read(rig, i, i, 0, 1), MG_OK);
    }
    rig_advance(rig, 150 * MS);
    assert_int_equal(rig->n_opens, 1);
    rig_advance(rig, 150 * MS);
    assert_int_equal(rig->n_opens, 2);
    assert_int_equal(rig->n_down, 0);
    assert_true(rig_is_right(&rig->calls[3], 3));
    rig_end(rig);
}

/* ---- The line ---- */

static void test_lost_line(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 2);
    rig->meter[1].is_silent = true;
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
    assert_int_equal(rig_read(rig, 1, 2, 0, 1), MG_OK);
    rig_advance(rig, 10 * MS);
    mg_transport_memory_cut(rig->line, "unplugged");
    assert_int_equal(rig->n_down, 1);
    assert_string_equal(rig->err.text, "unplugged");
    assert_int_equal(rig->calls[0].code, MG_E_IO);
    assert_int_equal(rig->calls[1].code, MG_E_IO);
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_E_IO);
    rig_advance(rig, S);
    assert_int_equal(rig->n_up, 2);
    assert_int_equal(stats(rig)->n_opens, 2);
    assert_int_equal(stats(rig)->n_losses, 1);
    assert_int_equal(rig_read(rig, 1, 2, 0, 1), MG_OK);
    rig_advance(rig, 99 * MS);
    assert_true(rig_is_right(&rig->calls[1], 2));
    rig_end(rig);
}

static void test_reopening_backs_off(void **state)
{
    (void)state;
    struct mg_modbus_settings set = rtu;
    uint64_t first_ns = 0;
    for (set.seed = 1; set.seed <= 2; set.seed++) {
        struct rig *rig = rig_start(&set, 1);
        rig->n_fail_open = 12;
        mg_transport_memory_cut(rig->line, "unplugged");
        uint64_t last_ns = now(rig), nominal_ns = S;
        rig_advance(rig, 600 * S);
        assert_int_equal(rig->n_opens, 14);
        for (unsigned i = 1; i < 14; i++) {
            uint64_t pause_ns = rig->opened_ns[i] - last_ns;
            assert_true(pause_ns <= nominal_ns);
            assert_true(pause_ns >= nominal_ns * 3 / 4);
            last_ns = rig->opened_ns[i];
            nominal_ns = nominal_ns * 2 < 60 * S ? nominal_ns * 2 : 60 * S;
        }
        assert_int_equal(rig->n_down, 13);
        assert_int_equal(rig->n_up, 2);
        assert_int_not_equal(rig->opened_ns[1], first_ns); /* spread */
        first_ns = rig->opened_ns[1];
        /* Only an answer proves the line: then it begins at 1 s again. */
        assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
        rig_advance(rig, 99 * MS);
        mg_transport_memory_cut(rig->line, "unplugged");
        rig_advance(rig, S);
        assert_int_equal(rig->n_opens, 15);
        rig_end(rig);
    }
}

static void test_a_line_that_takes_no_bytes(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 1);
    rig->fails_send = true;
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
    assert_int_equal(rig->calls[0].n_done, 0); /* never within submit */
    rig_advance(rig, 0);
    assert_int_equal(rig->calls[0].code, MG_E_IO);
    assert_string_equal(rig->err.text, "line: nobody takes bytes");
    assert_false(mg_modbus_is_up(rig->bus));
    rig_end(rig);
}

static void test_a_new_line_gives_dead_units_a_chance(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 1);
    kill_unit(rig, 1);
    mg_transport_memory_cut(rig->line, "unplugged");
    rig_advance(rig, 2 * S);
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
    rig_end(rig);
}

/* ---- Broadcast, alias, speed ---- */

static void test_broadcast(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 1);
    const struct mg_modbus_unit_settings all = {.unit = 0, .timeout_ms = 100};
    rig->unit[0] = mg_modbus_add_unit(rig->bus, &all);
    assert_int_equal(rig_read(rig, 0, 0, 0, 1), MG_E_INVAL);
    assert_int_equal(rig_submit(rig, 0, 0, BYTES(6, 0, 1, 0, 3)), MG_OK);
    assert_int_equal(rig_read(rig, 1, 1, 0, 1), MG_OK);
    uint64_t sent_ns = now(rig);
    rig_advance(rig, 300 * MS);
    assert_int_equal(rig->sent_len, 8);
    assert_int_equal(rig->calls[0].code, MG_OK);
    assert_int_equal(rig->calls[0].pdu_len, 0);
    uint64_t turn_ns = rig->calls[0].done_ns - sent_ns;
    assert_true(turn_ns >= 100 * MS + 8 * CHAR_NS - 8);
    assert_true(turn_ns <= 100 * MS + 8 * CHAR_NS);
    assert_int_equal(rig->calls[1].order, 2);
    assert_true(rig_is_right(&rig->calls[1], 1));
    assert_int_equal(stats(rig)->n_timeouts, 0);
    rig_end(rig);
}

static void test_alias_and_move(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 1);
    rig->meter[1].is_silent = true;
    kill_unit(rig, 1);
    rig->calls[0].request.alias = 5;
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK); /* dead elsewhere */
    rig_advance(rig, 99 * MS);
    assert_true(rig_is_right(&rig->calls[0], 5));
    rig->calls[0].request.alias = 0;
    mg_modbus_unit_move(rig->unit[1], 5);
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
    rig_advance(rig, 99 * MS);
    assert_true(rig_is_right(&rig->calls[0], 5));

    rig->calls[0].request.alias = 9; /* looking in vain is no time-out of 5 */
    rig->meter[9].is_silent = true;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
        rig_advance(rig, 3 * S);
        assert_int_equal(rig->calls[0].code, MG_E_TIMEOUT);
    }
    assert_int_equal(mg_modbus_unit_state(rig->unit[1]), MG_UNIT_OK);
    rig_end(rig);
}

/* Whoever has the address that did not answer is left alone as well. */
static void test_quarantine_goes_by_address(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 2);
    rig->meter[2].is_silent = true;
    rig->calls[0].request.alias = 2;
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
    rig_advance(rig, 300 * MS);
    assert_int_equal(rig->calls[0].code, MG_E_TIMEOUT);
    assert_int_equal(mg_modbus_unit_state(rig->unit[2]), MG_UNIT_QUARANTINED);
    rig_end(rig);
}

static void test_speed_for_one_request(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 2);
    rig->calls[0].request.baud = 4800;
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
    assert_int_equal(rig_read(rig, 1, 2, 0, 1), MG_OK);
    rig_advance(rig, 20 * MS);
    assert_int_equal(rig->baud, 4800);
    rig_advance(rig, 200 * MS);
    assert_true(rig_is_right(&rig->calls[0], 1));
    assert_true(rig_is_right(&rig->calls[1], 2));
    assert_int_equal(rig->baud, 9600);
    assert_int_equal(rig->n_bauds, 2);

    rig->calls[0].request.baud = 31250;
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
    rig_advance(rig, 20 * MS);
    assert_int_equal(rig->calls[0].code, MG_E_IO);
    assert_string_equal(rig->err.text, "line: no speed of 31250 baud");
    rig_end(rig);
}

/* ---- Calling back ---- */

static void ask_again(struct rig_call *call)
{
    if (call->order < 50) {
        assert_int_equal(rig_read(call->rig, 0, 1, (uint16_t)call->order, 1),
                         MG_OK);
        assert_int_equal(call->rig->n_sent, call->order); /* later */
    }
}

static void test_done_may_submit(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&tcp, 1);
    rig->calls[0].then = ask_again;
    assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
    rig_advance(rig, S);
    assert_int_equal(rig->n_done, 50);
    assert_int_equal(stats(rig)->n_ok, 50);
    rig_end(rig);
}

static void destroy_bus(struct rig_call *call)
{
    if (call->rig->bus != NULL) {
        struct mg_modbus *bus = call->rig->bus;
        call->rig->bus = NULL;
        mg_modbus_destroy(bus);
    }
}

static void test_done_may_destroy(void **state)
{
    (void)state;
    const struct mg_modbus_settings *all[] = {&rtu, &tcp, &rtu_tcp};
    for (size_t i = 0; i < 9; i++) {
        struct rig *rig = rig_start(all[i / 3], 2);
        rig->meter[1].is_silent = i % 3 == 0;
        rig->meter[1].exception = i % 3 == 1;
        rig->calls[0].then = destroy_bus;
        assert_int_equal(rig_read(rig, 0, 1, 0, 1), MG_OK);
        assert_int_equal(rig_read(rig, 1, 1, 0, 1), MG_OK);
        assert_int_equal(rig_read(rig, 2, 2, 0, 1), MG_OK);
        rig_advance(rig, S);
        assert_null(rig->bus);
        assert_int_equal(rig->calls[1].code, MG_E_CANCELED);
        assert_int_equal(rig->calls[2].code, MG_E_CANCELED);
        rig_end(rig);
    }
}

static void test_destroy_cancels_everything(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 2);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(rig_read(rig, i, (uint8_t)(i % 2 + 1), 0, 1), MG_OK);
    }
    struct mg_modbus *bus = rig->bus;
    rig->bus = NULL;
    mg_modbus_destroy(bus);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(rig->calls[i].n_done, 1);
        assert_int_equal(rig->calls[i].code, MG_E_CANCELED);
    }
    mg_modbus_destroy(NULL);
    rig_end(rig);
}

static void test_units_are_bounded(void **state)
{
    (void)state;
    struct rig *rig = rig_start(&rtu, 0);
    struct mg_modbus_unit_settings unit = {.timeout_ms = 100};
    for (unsigned i = 1; i <= 247; i++) {
        unit.unit = (uint8_t)i;
        assert_non_null(mg_modbus_add_unit(rig->bus, &unit));
    }
    assert_null(mg_modbus_add_unit(rig->bus, &unit));
    rig_end(rig);
}

/* 2 registers at 9600 baud: 17 characters and two times 3.5. */
static void test_exchange_time(void **state)
{
    (void)state;
    uint64_t ns = mg_modbus_exchange_ns(&rtu, 5, 6);
    assert_in_range(ns, 27499990, 27500010);
    assert_int_equal(mg_modbus_exchange_ns(&rtu, 0, 0), 2 * GAP_NS);
    struct mg_modbus_settings fast = rtu;
    fast.baud = 115200;
    ns = mg_modbus_exchange_ns(&fast, 5, 202);
    assert_in_range(ns, 23838500, 23838600);
    assert_int_equal(mg_modbus_exchange_ns(&tcp, 5, 6), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_over_each_framing),
        cmocka_unit_test(test_bytes_on_the_wire),
        cmocka_unit_test(test_silence_between_frames),
        cmocka_unit_test(test_answer_in_pieces),
        cmocka_unit_test(test_every_function),
        cmocka_unit_test(test_what_is_no_request_is_refused),
        cmocka_unit_test(test_queue_is_bounded),
        cmocka_unit_test(test_urgent_first_then_turns),
        cmocka_unit_test(test_a_unit_has_its_own_pause),
        cmocka_unit_test(test_frames_of_others_are_dropped),
        cmocka_unit_test(test_noise_around_an_answer),
        cmocka_unit_test(test_stray_bytes_restart_the_silence),
        cmocka_unit_test(test_a_line_that_is_never_silent),
        cmocka_unit_test(test_own_echo),
        cmocka_unit_test(test_exception),
        cmocka_unit_test(test_a_busy_meter_is_asked_again),
        cmocka_unit_test(test_a_write_is_never_repeated),
        cmocka_unit_test(test_gateway_without_its_meter),
        cmocka_unit_test(test_deadline_counts_the_wire),
        cmocka_unit_test(test_a_late_answer_is_never_taken),
        cmocka_unit_test(test_quarantine_holds_up_nobody_else),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_a_dead_unit_is_only_probed),
        cmocka_unit_test(test_what_waits_for_a_dead_unit_fails_with_it),
        cmocka_unit_test(test_one_dead_unit_of_ten),
        cmocka_unit_test(test_transaction_is_never_zero),
        cmocka_unit_test(test_foreign_transactions_are_late),
        cmocka_unit_test(test_what_is_no_modbus_ends_the_connection),
        cmocka_unit_test(test_a_frame_before_garbage_is_not_trusted),
        cmocka_unit_test(test_half_open_connection),
        cmocka_unit_test(test_half_open_and_gone),
        cmocka_unit_test(test_tcp_reconnects_after_three_time_outs),
        cmocka_unit_test(test_rtu_over_tcp_reconnects_after_two),
        cmocka_unit_test(test_lost_line),
        cmocka_unit_test(test_reopening_backs_off),
        cmocka_unit_test(test_a_line_that_takes_no_bytes),
        cmocka_unit_test(test_a_new_line_gives_dead_units_a_chance),
        cmocka_unit_test(test_broadcast),
        cmocka_unit_test(test_alias_and_move),
        cmocka_unit_test(test_quarantine_goes_by_address),
        cmocka_unit_test(test_speed_for_one_request),
        cmocka_unit_test(test_done_may_submit),
        cmocka_unit_test(test_done_may_destroy),
        cmocka_unit_test(test_destroy_cancels_everything),
        cmocka_unit_test(test_units_are_bounded),
        cmocka_unit_test(test_exchange_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
