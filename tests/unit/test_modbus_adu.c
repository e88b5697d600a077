/* Modbus frames. Examples are those of the Modbus application protocol
 * V1.1b3, section 6, and of the KPM31 manual V2.0; checksums are also computed
 * bit by bit here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "wire/crc16.h"
#include "wire/modbus_adu.h"

#define BYTES(...)                                                             \
    (const uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__})

static void are_same(const uint8_t *data, const uint8_t *want, size_t len)
{
    assert_memory_equal(data, want, len);
}

/* The definition, V1.02 of the serial line, 6.2.2. */
static uint16_t crc_by_bits(const uint8_t *data, size_t len)
{
    unsigned crc = 0xffff;
    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0xa001 : crc >> 1;
        }
    }
    return (uint16_t)crc;
}

static void test_crc(void **state)
{
    (void)state;
    uint8_t data[300];
    /* The check value of CRC-16/MODBUS. */
    assert_int_equal(mg_crc16((const uint8_t *)"123456789", 9), 0x4b37);
    /* V1.02 of the serial line, 6.2.2: 02 07 gives 41 12. */
    assert_int_equal(mg_crc16(BYTES(2, 7)), 0x1241);
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 37 + (i >> 3));
        assert_int_equal(mg_crc16(data, i), crc_by_bits(data, i));
    }
}

static void test_requests(void **state)
{
    (void)state;
    uint8_t pdu[MG_PDU_MAX + 1] = {0};
    assert_true(mg_adu_is_request(BYTES(1, 0, 0x13, 0, 0x13)));
    assert_true(mg_adu_is_request(BYTES(3, 0, 0x6b, 0, 3)));
    assert_true(mg_adu_is_request(BYTES(5, 0, 0xac, 0xff, 0)));
    assert_true(mg_adu_is_request(BYTES(6, 0, 1, 0, 3)));
    assert_true(mg_adu_is_request(BYTES(15, 0, 0x13, 0, 10, 2, 0xcd, 1)));
    assert_true(mg_adu_is_request(BYTES(16, 0, 1, 0, 2, 4, 0, 10, 1, 2)));
    assert_true(mg_adu_is_request(BYTES(22, 0, 4, 0, 0xf2, 0, 0x25)));
    assert_true(mg_adu_is_request(
        BYTES(23, 0, 3, 0, 6, 0, 14, 0, 3, 6, 0, 255, 0, 255, 0, 255)));

    assert_false(mg_adu_is_request(pdu, 0));
    assert_false(mg_adu_is_request(BYTES(3, 0, 0x6b, 0)));
    assert_false(mg_adu_is_request(BYTES(3, 0, 0x6b, 0, 3, 0)));
    assert_false(mg_adu_is_request(BYTES(3, 0, 0, 0, 0)));
    assert_false(mg_adu_is_request(BYTES(3, 0, 0, 0, 126)));
    assert_true(mg_adu_is_request(BYTES(3, 0, 0, 0, 125)));
    assert_false(mg_adu_is_request(BYTES(1, 0, 0, 7, 0xd1)));
    assert_true(mg_adu_is_request(BYTES(1, 0, 0, 7, 0xd0)));
    assert_false(mg_adu_is_request(BYTES(16, 0, 1, 0, 2, 4, 0, 10, 1)));
    assert_false(mg_adu_is_request(BYTES(16, 0, 1, 0, 2, 5, 0, 10, 1, 2, 3)));
    assert_false(mg_adu_is_request(BYTES(15, 0, 0, 0, 9, 1, 0xff)));
    assert_false(mg_adu_is_request(BYTES(16, 0, 1, 0, 0)));
    assert_false(mg_adu_is_request(BYTES(7, 0, 0, 0, 0)));
    assert_false(mg_adu_is_request(BYTES(0x83, 0, 0, 0, 1)));
    assert_false(
        mg_adu_is_request(BYTES(23, 0, 3, 0, 6, 0, 14, 0, 3, 5, 0, 255)));
    pdu[0] = 16; /* 124 registers would not fit: 255 bytes */
    pdu[4] = 124;
    pdu[5] = 248;
    assert_false(mg_adu_is_request(pdu, 254));
    pdu[4] = 123;
    pdu[5] = 246;
    assert_true(mg_adu_is_request(pdu, 252));
}

static void test_answers(void **state)
{
    (void)state;
    const uint8_t read[] = {3, 0, 0x6b, 0, 3};
    assert_int_equal(mg_adu_reply_len(read), 8);
    assert_int_equal(mg_adu_check(read, BYTES(3, 6, 2, 0x2b, 0, 0, 0, 0x64)),
                     MG_ADU_OK);
    assert_int_equal(mg_adu_check(read, BYTES(3, 6, 2, 0x2b, 0, 0, 0)),
                     MG_ADU_BAD);
    assert_int_equal(mg_adu_check(read, BYTES(3, 5, 2, 0x2b, 0, 0, 0, 0x64)),
                     MG_ADU_BAD);
    assert_int_equal(mg_adu_check(read, BYTES(4, 6, 2, 0x2b, 0, 0, 0, 0x64)),
                     MG_ADU_BAD);
    assert_int_equal(mg_adu_check(read, BYTES(0x83, 2)), MG_ADU_EXCEPTION);
    assert_int_equal(mg_adu_check(read, BYTES(0x83, 0)), MG_ADU_BAD);
    assert_int_equal(mg_adu_check(read, BYTES(0x84, 2)), MG_ADU_BAD);
    assert_int_equal(mg_adu_check(read, BYTES(0x83)), MG_ADU_BAD);

    const uint8_t coils[] = {1, 0, 0x13, 0, 0x13};
    assert_int_equal(mg_adu_reply_len(coils), 5);
    assert_int_equal(mg_adu_check(coils, BYTES(1, 3, 0xcd, 0x6b, 5)),
                     MG_ADU_OK);

    const uint8_t many[] = {16, 0, 1, 0, 2, 4, 0, 10, 1, 2};
    assert_int_equal(mg_adu_check(many, BYTES(16, 0, 1, 0, 2)), MG_ADU_OK);
    assert_int_equal(mg_adu_check(many, BYTES(16, 0, 1, 0, 3)), MG_ADU_BAD);

    const uint8_t both[] = {23, 0, 3, 0, 6, 0, 14, 0, 1, 2, 0, 255};
    assert_int_equal(mg_adu_reply_len(both), 14);
}

/* What a meter repeats of a write must be what was written. */
static void test_echoes_of_writes_are_compared(void **state)
{
    (void)state;
    const uint8_t write[] = {5, 0, 0xac, 0xff, 0};
    const uint8_t mask[] = {22, 0, 4, 0, 0xf2, 0, 0x25};
    for (size_t i = 0; i < sizeof write; i++) {
        uint8_t reply[sizeof write];
        memcpy(reply, write, sizeof write);
        assert_int_equal(mg_adu_check(write, reply, 5), MG_ADU_OK);
        reply[i] ^= 1;
        assert_int_equal(mg_adu_check(write, reply, 5), MG_ADU_BAD);
    }
    assert_int_equal(mg_adu_check(mask, mask, 7), MG_ADU_OK);
    assert_int_equal(mg_adu_check(mask, BYTES(22, 0, 4, 0, 0xf2, 0, 0x26)),
                     MG_ADU_BAD);
}

static void test_build(void **state)
{
    (void)state;
    uint8_t rtu[MG_RTU_MAX], mbap[MG_MBAP_MAX], pdu[MG_PDU_MAX] = {0};
    size_t n = mg_rtu_build(rtu, 0x11, BYTES(3, 0, 0x6b, 0, 3));
    assert_int_equal(n, 8);
    are_same(rtu, BYTES(0x11, 3, 0, 0x6b, 0, 3, 0x76, 0x87));
    n = mg_mbap_build(mbap, 0x1501, 0xff, BYTES(3, 0, 4, 0, 1));
    assert_int_equal(n, 12);
    are_same(mbap, BYTES(0x15, 1, 0, 0, 0, 6, 0xff, 3, 0, 4, 0, 1));
    assert_int_equal(mg_rtu_build(rtu, 1, pdu, MG_PDU_MAX), MG_RTU_MAX);
    assert_int_equal(mg_mbap_build(mbap, 1, 1, pdu, MG_PDU_MAX), MG_MBAP_MAX);
}

static void test_cut(void **state)
{
    (void)state;
    const uint8_t two[] = {0x15, 1,    0, 0, 0, 5, 9, 3, 2,    0,
                           5,    0x15, 2, 0, 0, 0, 3, 9, 0x83, 2};
    struct mg_mbap_frame f;
    for (size_t len = 0; len < 11; len++) {
        assert_int_equal(mg_mbap_cut(two, len, &f), MG_E_BUSY);
    }
    assert_int_equal(mg_mbap_cut(two, sizeof two, &f), MG_OK);
    assert_int_equal(f.transaction, 0x1501);
    assert_int_equal(f.unit, 9);
    assert_int_equal(f.len, 11);
    assert_int_equal(f.pdu_len, 4);
    are_same(f.pdu, BYTES(3, 2, 0, 5));
    assert_int_equal(mg_mbap_cut(two + f.len, sizeof two - f.len, &f), MG_OK);
    assert_int_equal(f.pdu_len, 2);
    assert_int_equal(mg_mbap_cut(BYTES(0, 1, 0, 1), &f), MG_E_PROTO);
    assert_int_equal(mg_mbap_cut(BYTES(0, 1, 1, 0), &f), MG_E_PROTO);
    assert_int_equal(mg_mbap_cut(BYTES(0, 1, 0, 0, 0, 2), &f), MG_E_PROTO);
    assert_int_equal(mg_mbap_cut(BYTES(0, 1, 0, 0, 0, 255), &f), MG_E_PROTO);
    assert_int_equal(mg_mbap_cut(BYTES(0, 1, 0, 0, 0, 254), &f), MG_E_BUSY);
    assert_int_equal(mg_mbap_cut(BYTES(0, 1, 0, 0, 1, 0), &f), MG_E_PROTO);
}

/* ---- Search ---- */

struct search {
    uint8_t tx[MG_RTU_MAX], data[512];
    struct mg_rtu_query query;
    size_t len, from;
    bool is_echo;
    struct mg_rtu_hit hit;
};

static struct search ask(uint8_t unit, const uint8_t *pdu, size_t len)
{
    struct search s = {.len = 0};
    s.query.frame_len = mg_rtu_build(s.tx, unit, pdu, len);
    return s;
}

static void add(struct search *s, const uint8_t *data, size_t len)
{
    memcpy(s->data + s->len, data, len);
    s->len += len;
}

static void add_frame(struct search *s, uint8_t unit, const uint8_t *pdu,
                      size_t len)
{
    s->len += mg_rtu_build(s->data + s->len, unit, pdu, len);
}

static bool find(struct search *s)
{
    s->query.frame = s->tx;
    return mg_rtu_find(&s->query, s->data, s->len, &s->from, &s->is_echo,
                       &s->hit);
}

static void test_find_in_noise(void **state)
{
    (void)state;
    struct search s = ask(9, BYTES(3, 0, 0x30, 0, 1));
    add(&s, BYTES(0, 9, 3, 7, 9, 3)); /* much like it, but not it */
    assert_false(find(&s));
    add_frame(&s, 8, BYTES(3, 2, 1, 2)); /* another unit */
    assert_false(find(&s));
    add_frame(&s, 9, BYTES(3, 4, 1, 2, 3, 4)); /* another length */
    assert_false(find(&s));
    add_frame(&s, 9, BYTES(4, 2, 1, 2)); /* another function */
    assert_false(find(&s));
    size_t offset = s.len;
    add_frame(&s, 9, BYTES(3, 2, 1, 2));
    add(&s, BYTES(0xff, 0));
    assert_true(find(&s));
    assert_int_equal(s.hit.offset, offset);
    assert_int_equal(s.hit.len, 7);
    assert_false(s.hit.is_exception);
}

static void test_find_byte_by_byte(void **state)
{
    (void)state;
    struct search s = ask(9, BYTES(3, 0, 0x30, 0, 2)), part;
    /* A false beginning that wants more bytes than will come. */
    add(&s, BYTES(9, 3, 4));
    add_frame(&s, 9, BYTES(3, 4, 9, 3, 4, 9));
    part = s;
    for (part.len = 0; part.len < s.len; part.len++) {
        assert_false(find(&part));
        assert_true(part.from <= 3);
    }
    assert_true(find(&part));
    assert_int_equal(part.hit.offset, 3);
}

static void test_find_wants_the_checksum(void **state)
{
    (void)state;
    struct search s = ask(9, BYTES(3, 0, 0x30, 0, 1));
    add_frame(&s, 9, BYTES(3, 2, 1, 2));
    for (size_t i = 0; i < (size_t)7 * 8; i++) {
        struct search bad = s;
        bad.data[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_false(find(&bad));
    }
    assert_true(find(&s));
}

static void test_find_exception(void **state)
{
    (void)state;
    struct search s = ask(9, BYTES(3, 0, 0x30, 0, 1));
    add_frame(&s, 9, BYTES(0x83, 2));
    assert_true(find(&s));
    assert_true(s.hit.is_exception);
    assert_int_equal(s.hit.len, 5);
}

static void test_echo_is_skipped(void **state)
{
    (void)state;
    struct search s = ask(9, BYTES(3, 0, 0x30, 0, 1));
    add(&s, s.tx, 8);
    assert_false(find(&s));
    assert_true(s.is_echo);
    add_frame(&s, 9, BYTES(3, 2, 1, 2));
    assert_true(find(&s));
    assert_int_equal(s.hit.offset, 8);
}

/* The copy of a write looks like its answer. */
static void test_echo_of_a_write(void **state)
{
    (void)state;
    struct search s = ask(9, BYTES(6, 0, 1, 0, 3));
    add(&s, s.tx, 8);
    assert_true(find(&s));
    assert_int_equal(s.hit.offset, 0);
    s.from = 0;
    s.query.has_echo = true;
    assert_false(find(&s));
    assert_true(s.is_echo);
    add(&s, s.tx, 8);
    assert_true(find(&s));
    assert_int_equal(s.hit.offset, 8);
}

/* FC01 at 03xxH: 8 bytes, 03H as byte count. */
static void test_echo_that_reads_like_an_answer(void **state)
{
    (void)state;
    struct search s = ask(9, BYTES(1, 3, 0x20, 0, 20));
    s.query.has_echo = true;
    add(&s, s.tx, 8);
    assert_false(find(&s));
    add_frame(&s, 9, BYTES(1, 3, 7, 8, 9));
    assert_true(find(&s));
    assert_int_equal(s.hit.offset, 8);
}

static void test_any_answer(void **state)
{
    (void)state;
    uint8_t frame[MG_RTU_MAX];
    size_t n = mg_rtu_build(frame, 7, BYTES(3, 2, 1, 2));
    assert_int_equal(mg_rtu_answer_len(frame, n), 7);
    assert_int_equal(mg_rtu_answer_len(frame, n - 1), 0);
    frame[3] ^= 1;
    assert_int_equal(mg_rtu_answer_len(frame, n), 0);
    n = mg_rtu_build(frame, 7, BYTES(0x83, 2));
    assert_int_equal(mg_rtu_answer_len(frame, n), 5);
    n = mg_rtu_build(frame, 7, BYTES(16, 0, 1, 0, 2));
    assert_int_equal(mg_rtu_answer_len(frame, n), 8);
    n = mg_rtu_build(frame, 7, BYTES(22, 0, 4, 0, 0xf2, 0, 0x25));
    assert_int_equal(mg_rtu_answer_len(frame, n), 10);
    n = mg_rtu_build(frame, 7, BYTES(0, 1, 1));
    assert_int_equal(mg_rtu_answer_len(frame, n), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_echoes_of_writes_are_compared),
        cmocka_unit_test(test_build),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_find_in_noise),
        cmocka_unit_test(test_find_byte_by_byte),
        cmocka_unit_test(test_find_wants_the_checksum),
        cmocka_unit_test(test_find_exception),
        cmocka_unit_test(test_echo_is_skipped),
        cmocka_unit_test(test_echo_of_a_write),
        cmocka_unit_test(test_echo_that_reads_like_an_answer),
        cmocka_unit_test(test_any_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
