/* The SDK's conversions and cursors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "metergate/bytes.h"
#include "metergate/fixed.h"

struct conversion {
    uint32_t bits;
    unsigned decimals;
    int64_t value, resolution;
};

/* Bits and values worked out by hand from IEEE 754: mantissa * 2^shift. */
static const struct conversion CONVERSIONS[] = {
    {0x43661eb8, 3, 230120, 1},               /* 230.12: step 2^-16 */
    {0x42480000, 3, 50000, 1},                /* 50 Hz */
    {0xc2480000, 3, -50000, 1},               /* minus that */
    {0x00000000, 3, 0, 1},                    /* zero */
    {0x80000000, 3, 0, 1},                    /* minus zero */
    {0x00000001, 9, 0, 1},                    /* smallest subnormal */
    {0x3f800000, 4, 10000, 1},                /* PF 1 */
    {0x3f000000, 0, 0, 1},                    /* 0.5 to even */
    {0x3fc00000, 0, 2, 1},                    /* 1.5 to even */
    {0x40200000, 0, 2, 1},                    /* 2.5 to even */
    {0xc0200000, 0, -2, 1},                   /* -2.5 to even */
    {0x3a83126f, 3, 1, 1},                    /* 0.001 */
    {0x41458937, 6, 12346000, 1},             /* 12.346 kWh, step 2^-20 */
    {0x49800000, 6, 1048576000000, 125000},   /* 2^20 kWh: step 1/8 kWh */
    {0x497fffff, 6, 1048575937500, 62500},    /* one step below */
    {0x4b7fffff, 6, 16777215000000, 1000000}, /* 2^24 - 1: step 1 kWh */
    {0x4b800000, 6, 16777216000000, 2000000}, /* 2^24: step 2 kWh */
    {0x5e7fffff, 0, 4611685743549480960, 274877906944}, /* below 2^62 */
};

static void float_bits_become_fixed_point(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CONVERSIONS / sizeof CONVERSIONS[0]; i++) {
        const struct conversion *c = &CONVERSIONS[i];
        int64_t value = -99;
        int64_t resolution = -99;
        assert_int_equal(
            mg_fixed_from_f32(c->bits, c->decimals, &value, &resolution),
            MG_OK);
        assert_true(value == c->value);
        assert_true(resolution == c->resolution);
    }
}

static void no_number_gives_no_value(void **state)
{
    (void)state;
    int64_t value = 7;
    int64_t resolution = 7;
    static const uint32_t NO_NUMBER[] = {0x7fc00000, 0xffc00000, 0x7f800001,
                                         0x7f800000, 0xff800000};
    for (size_t i = 0; i < sizeof NO_NUMBER / sizeof NO_NUMBER[0]; i++) {
        assert_int_equal(
            mg_fixed_from_f32(NO_NUMBER[i], 3, &value, &resolution),
            MG_E_PROTO);
    }
    static const uint32_t TOO_LARGE[] = {0x5e800000, 0xde800000, 0x7f7fffff};
    for (size_t i = 0; i < sizeof TOO_LARGE / sizeof TOO_LARGE[0]; i++) {
        assert_int_equal(
            mg_fixed_from_f32(TOO_LARGE[i], 0, &value, &resolution),
            MG_E_RANGE);
    }
    assert_int_equal(mg_fixed_from_f32(0x5d000000, 9, &value, &resolution),
                     MG_E_RANGE);
    assert_int_equal(mg_fixed_from_f32(0x3f800000, 10, &value, &resolution),
                     MG_E_INVAL);
    assert_int_equal(value, 7);
    assert_int_equal(resolution, 7);
}

static void division_rounds_half_to_even(void **state)
{
    (void)state;
    assert_int_equal(mg_div_half_even(25, 10), 2);
    assert_int_equal(mg_div_half_even(35, 10), 4);
    assert_int_equal(mg_div_half_even(26, 10), 3);
    assert_int_equal(mg_div_half_even(-25, 10), -2);
    assert_int_equal(mg_div_half_even(-35, 10), -4);
    assert_int_equal(mg_div_half_even(-24, 10), -2);
    assert_int_equal(mg_div_half_even(7, 1), 7);
    assert_true(mg_div_half_even(INT64_MIN, 10) == -922337203685477581);
    assert_true(mg_div_half_even(INT64_MAX, 10) == 922337203685477581);
    assert_true(mg_pow10(0) == 1);
    assert_true(mg_pow10(MG_POW10_MAX) == 1000000000000000000);
}

static void reader_fails_once_and_for_good(void **state)
{
    (void)state;
    const uint8_t data[] = {0x12, 0x34, 0x56, 0x78, 0x9a};
    struct mg_rd r = mg_rd_init(data, sizeof data);
    assert_int_equal(mg_rd_be32(&r), 0x12345678);
    assert_int_equal(mg_rd_left(&r), 1);
    assert_int_equal(mg_rd_be16(&r) & 0xff, 0);
    assert_true(r.failed);
    assert_int_equal(mg_rd_u8(&r), 0);
    assert_int_equal(mg_rd_left(&r), 0);
    struct mg_rd empty = mg_rd_init(NULL, 0);
    assert_int_equal(mg_rd_u8(&empty), 0);
    assert_true(empty.failed);
}

static void writer_stops_at_its_end(void **state)
{
    (void)state;
    uint8_t data[12] = {0};
    struct mg_wr w = mg_wr_init(data, 11);
    mg_put_be64(&w, 0x0102030405060708);
    mg_put_be16(&w, 0x090a);
    assert_false(w.failed);
    assert_int_equal(w.len, 10);
    mg_put_be16(&w, 0x0b0c);
    assert_true(w.failed);
    assert_int_equal(data[11], 0);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(data[i], i + 1);
    }
    struct mg_rd r = mg_rd_init(data, 8);
    assert_true(mg_rd_be64(&r) == 0x0102030405060708);
    w = mg_wr_init(data, 3);
    mg_put_bytes(&w, (const uint8_t *)"abcd", 4);
    assert_true(w.failed);
    assert_int_equal(w.len, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(float_bits_become_fixed_point),
        cmocka_unit_test(no_number_gives_no_value),
        cmocka_unit_test(division_rounds_half_to_even),
        cmocka_unit_test(reader_fails_once_and_for_good),
        cmocka_unit_test(writer_stops_at_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
