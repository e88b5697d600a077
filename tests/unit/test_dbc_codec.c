/* Values from CAN frames and into them. Frames are worked out by hand from the
 * rules of the format; the first is the published example of another tool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "wire/dbc.h"

#define DATA(...)                                                              \
    (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static struct mg_dbc *parse(const char *text)
{
    struct mg_err err = {0};
    struct mg_dbc *dbc = mg_dbc_parse("x.dbc", text, strlen(text), &err);
    if (dbc == NULL) {
        fail_msg("refused: %s", err.text);
    }
    return dbc;
}

/* A message of 8 bytes with one signal "S : <what> \"\" N", more lines behind
 * it. */
static struct mg_dbc *one(const char *what, const char *more)
{
    char text[300];
    (void)snprintf(text, sizeof text, "BO_ 1 A: 8 N\n SG_ S : %s \"\" N\n%s",
                   what, more);
    return parse(text);
}

static int decode(const struct mg_dbc *dbc, const char *name,
                  const uint8_t *data, int exp10, int64_t *ret,
                  int64_t *ret_resolution)
{
    const struct mg_dbc_message *message = mg_dbc_message(dbc, 0);
    const struct mg_dbc_signal *signal = mg_dbc_find_signal(message, name);
    assert_non_null(signal);
    return mg_dbc_decode(message, signal, data, message->len, exp10, ret,
                         ret_resolution);
}

static void value_is(const struct mg_dbc *dbc, const char *name,
                     const uint8_t *data, int exp10, int64_t want)
{
    int64_t value = -77;
    int64_t resolution = -77;
    assert_int_equal(decode(dbc, name, data, exp10, &value, &resolution),
                     MG_OK);
    if (value != want) {
        fail_msg("%s is %lld, not %lld", name, (long long)value,
                 (long long)want);
    }
}

/* Decoded, and encoded into zeros and into ones: other bits stay. */
static void is_both_ways(const char *what, const uint8_t *data, size_t len,
                         int exp10, int64_t want)
{
    struct mg_dbc *dbc = one(what, "");
    const struct mg_dbc_message *message = mg_dbc_message(dbc, 0);
    const struct mg_dbc_signal *signal = &message->signals[0];
    uint8_t mask[8] = {0};
    uint8_t zeros[8] = {0};
    uint8_t ones[8];
    assert_int_equal(len, 8);
    memset(ones, 0xff, sizeof ones);
    value_is(dbc, "S", data, exp10, want);
    assert_int_equal(mg_dbc_encode(message, signal, want, exp10, zeros, len),
                     MG_OK);
    assert_int_equal(mg_dbc_encode(message, signal, want, exp10, ones, len),
                     MG_OK);
    unsigned n_bits = 0;
    for (size_t i = 0; i < 8; i++) {
        mask[i] = (uint8_t) ~(zeros[i] ^ ones[i]);
        assert_int_equal(zeros[i], data[i] & mask[i]);
        assert_int_equal(ones[i], data[i] | (uint8_t)~mask[i]);
        for (unsigned bit = 0; bit < 8; bit++) {
            n_bits += mask[i] >> bit & 1;
        }
    }
    assert_int_equal(n_bits, signal->length);
    mg_dbc_destroy(dbc);
}

/* The example of the cantools documentation: c0 06 e0 is 250.55 degK, 3.2 m,
 * enabled; 250.1, 3.2, enabled is c0 01 40. */
static void test_published_example(void **state)
{
    (void)state;
    struct mg_dbc *dbc = parse(
        "BO_ 496 ExampleMessage: 8 PCM1\n"
        " SG_ Temperature : 0|12@0- (0.01,250) [229.52|270.47] \"degK\" X\n"
        " SG_ AverageRadius : 6|6@0+ (0.1,0) [0|5] \"m\" X\n"
        " SG_ Enable : 7|1@0+ (1,0) [0|0] \"-\" X\n");
    const uint8_t data[8] = {0xc0, 0x06, 0xe0};
    value_is(dbc, "Temperature", data, 2, 25055);
    value_is(dbc, "AverageRadius", data, 3, 3200);
    value_is(dbc, "Enable", data, 0, 1);
    const struct mg_dbc_message *message = mg_dbc_message(dbc, 0);
    uint8_t made[8] = {0};
    static const int64_t values[] = {2501, 32, 10};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(
            mg_dbc_encode(message, &message->signals[i], values[i], 1, made, 8),
            MG_OK);
    }
    const uint8_t want[8] = {0xc0, 0x01, 0x40};
    assert_memory_equal(made, want, 8);
    mg_dbc_destroy(dbc);
}

static void test_byte_orders(void **state)
{
    (void)state;
    /* Intel: from the lowest bit upwards. */
    is_both_ways("8|16@1+ (1,0) [0|0]", DATA(0, 0x34, 0x12, 0, 0, 0, 0, 0), 0,
                 0x1234);
    /* 0x5a << 4 over bytes 1 and 2: 11 bits from bit 12. */
    is_both_ways("12|11@1+ (1,0) [0|0]",
                 DATA(0xff, 0xaf, 0x85, 0xff, 0, 0, 0, 0), 0, 0x05a);
    /* Motorola: from the highest bit, on at bit 7 of the next byte. */
    is_both_ways("15|16@0+ (1,0) [0|0]", DATA(0, 0x12, 0x34, 0, 0, 0, 0, 0), 0,
                 0x1234);
    /* 3 bits of byte 1, then 8 of byte 2, then 1 of byte 3: 101 00110011 1 */
    is_both_ways("10|12@0+ (1,0) [0|0]", DATA(0, 0xfd, 0x33, 0x80, 0, 0, 0, 0),
                 0, 0xa67);
    is_both_ways("0|1@1+ (1,0) [0|0]", DATA(1, 0, 0, 0, 0, 0, 0, 0), 0, 1);
    is_both_ways("56|1@0+ (1,0) [0|0]", DATA(0, 0, 0, 0, 0, 0, 0, 1), 0, 1);
    is_both_ways("63|1@1+ (1,0) [0|0]", DATA(0, 0, 0, 0, 0, 0, 0, 0x80), 0, 1);
}

static void test_signed(void **state)
{
    (void)state;
    is_both_ways("0|8@1- (1,0) [0|0]", DATA(0x80, 0, 0, 0, 0, 0, 0, 0), 0,
                 -128);
    is_both_ways("0|8@1- (1,0) [0|0]", DATA(0x7f, 0, 0, 0, 0, 0, 0, 0), 0, 127);
    is_both_ways("4|12@1- (1,0) [0|0]", DATA(0xef, 0xff, 0, 0, 0, 0, 0, 0), 0,
                 -2);
    is_both_ways("3|12@0- (1,0) [0|0]", DATA(0xf8, 0x01, 0, 0, 0, 0, 0, 0), 0,
                 -2047);
    is_both_ways("0|1@1- (1,0) [0|0]", DATA(1, 0, 0, 0, 0, 0, 0, 0), 0, -1);
}

static void test_64_bits(void **state)
{
    (void)state;
    is_both_ways("0|64@1- (1,0) [0|0]", DATA(0, 0, 0, 0, 0, 0, 0, 0x80), 0,
                 INT64_MIN);
    is_both_ways("7|64@0- (1,0) [0|0]",
                 DATA(0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), 0,
                 INT64_MAX);
    struct mg_dbc *dbc = one("0|64@1+ (0.1,0) [0|0]", "");
    const uint8_t all[8] = {255, 255, 255, 255, 255, 255, 255, 255};
    value_is(dbc, "S", all, -1, 184467440737095516);
    mg_dbc_destroy(dbc);
    dbc = one("0|64@1+ (1,0) [0|0]", "");
    int64_t value = -77;
    int64_t resolution = -77;
    assert_int_equal(decode(dbc, "S", (const uint8_t[8]){[7] = 0x80}, 0, &value,
                            &resolution),
                     MG_E_RANGE);
    assert_int_equal(value, -77);
    assert_int_equal(resolution, -77);
    mg_dbc_destroy(dbc);
}

/* Nine bytes of a longer frame, both ways. */
static void test_64_bits_across_nine_bytes(void **state)
{
    (void)state;
    struct mg_dbc *dbc = parse("BO_ 1 A: 12 N\n"
                               " SG_ I : 3|64@1+ (1,0) [0|0] \"\" N\n");
    const struct mg_dbc_message *message = mg_dbc_message(dbc, 0);
    uint8_t data[12] = {0x3f, 0x67, 0x45, 0x23, 0x01, 0xef, 0xcd, 0xab, 0xfc};
    /* (fc abcdef01234567 3f) >> 3, 64 bits: 0x9579bde02468ace7 - too large as
     * it stands, so with the top bit cleared. */
    data[8] = 0x03;
    value_is(dbc, "I", data, 0, 0x7579bde02468ace7);
    uint8_t made[12] = {7};
    assert_int_equal(mg_dbc_encode(message, message->signals,
                                   0x7579bde02468ace7, 0, made, 12),
                     MG_OK);
    assert_memory_equal(made, data, 12);
    mg_dbc_destroy(dbc);
    dbc = parse("BO_ 1 A: 12 N\n"
                " SG_ M : 4|64@0+ (1,0) [0|0] \"\" N\n");
    /* 5 bits of byte 0, bytes 1 to 7, 3 bits of byte 8: 01111 ... 101 */
    const uint8_t big[12] = {0xef, 0, 0, 0, 0, 0, 0, 0x01, 0xa0};
    value_is(dbc, "M", big, 0, 0x780000000000000d);
    mg_dbc_destroy(dbc);
}

static void test_scaling(void **state)
{
    (void)state;
    /* 12345 * 0.01 V is 123450 mV. */
    is_both_ways("0|16@1+ (0.01,0) [0|655.35]",
                 DATA(0x39, 0x30, 0, 0, 0, 0, 0, 0), 3, 123450);
    is_both_ways("0|8@1+ (0.5,-40) [-40|87.5]", DATA(3, 0, 0, 0, 0, 0, 0, 0), 1,
                 -385);
    is_both_ways("0|8@1+ (-2,10) [0|0]", DATA(9, 0, 0, 0, 0, 0, 0, 0), 0, -8);
    is_both_ways("0|8@1+ (1e18,0) [0|0]", DATA(9, 0, 0, 0, 0, 0, 0, 0), 0,
                 9000000000000000000);
    is_both_ways("0|8@1+ (1e-18,0) [0|0]", DATA(255, 0, 0, 0, 0, 0, 0, 0), 18,
                 255);
    is_both_ways("0|8@1+ (1e-18,1) [0|0]", DATA(255, 0, 0, 0, 0, 0, 0, 0), 18,
                 1000000000000000255);
}

/* Half to even, both ways. */
static void test_rounding(void **state)
{
    (void)state;
    static const struct {
        uint8_t raw;
        int64_t want;
    } cases[] = {{5, 0}, {15, 2}, {25, 2}, {26, 3}, {14, 1}, {35, 4}};
    struct mg_dbc *dbc = one("0|8@1+ (0.0001,0) [0|0]", "");
    struct mg_dbc *minus = one("0|8@1+ (-0.0001,0) [0|0]", "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t data[8] = {cases[i].raw};
        value_is(dbc, "S", data, 3, cases[i].want);
        value_is(minus, "S", data, 3, -cases[i].want);
    }
    mg_dbc_destroy(minus);
    mg_dbc_destroy(dbc);
    dbc = one("0|8@1- (2,0) [0|0]", "");
    const struct mg_dbc_message *message = mg_dbc_message(dbc, 0);
    static const int64_t values[][2] = {{1, 0},  {3, 4},   {5, 4},
                                        {-1, 0}, {-3, -4}, {-4, -4}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        uint8_t data[8] = {0};
        assert_int_equal(
            mg_dbc_encode(message, message->signals, values[i][0], 0, data, 8),
            MG_OK);
        value_is(dbc, "S", data, 0, values[i][1]);
    }
    mg_dbc_destroy(dbc);
}

static void resolution_is(const char *what, int exp10, int64_t want)
{
    struct mg_dbc *dbc = one(what, "");
    int64_t value;
    int64_t resolution;
    const uint8_t data[8] = {1};
    assert_int_equal(decode(dbc, "S", data, exp10, &value, &resolution), MG_OK);
    assert_int_equal(resolution, want);
    mg_dbc_destroy(dbc);
}

static void test_resolution(void **state)
{
    (void)state;
    resolution_is("0|8@1+ (0.01,0) [0|0]", 3, 10);
    resolution_is("0|8@1+ (-0.01,0) [0|0]", 3, 10);
    resolution_is("0|8@1+ (0.0001,0) [0|0]", 3, 1);
    resolution_is("0|8@1+ (0.0011,0) [0|0]", 3, 2);
    resolution_is("0|8@1+ (0.0019,0) [0|0]", 3, 2);
    resolution_is("0|8@1+ (1,5) [0|0]", 0, 1);
    resolution_is("0|8@1+ (7,0) [0|0]", -18, 1);
}

/* Both ends of the limits are allowed; neither way beyond them. */
static void test_limits(void **state)
{
    (void)state;
    struct mg_dbc *dbc = one("0|8@1+ (0.1,0) [1|20.05]", "");
    const struct mg_dbc_message *message = mg_dbc_message(dbc, 0);
    int64_t value;
    int64_t resolution;
    for (unsigned raw = 0; raw < 256; raw++) {
        uint8_t data[8] = {(uint8_t)raw};
        uint8_t made[8] = {0};
        int want = raw >= 10 && raw <= 200 ? MG_OK : MG_E_RANGE;
        assert_int_equal(decode(dbc, "S", data, 1, &value, &resolution), want);
        assert_int_equal(
            mg_dbc_encode(message, message->signals, raw, 1, made, 8), want);
        assert_int_equal(made[0], want == MG_OK ? raw : 0);
    }
    mg_dbc_destroy(dbc);
    /* Limits that only look like it: of all 64 bits. */
    is_both_ways("0|64@1- (1,0) [-9223372036854775808|9223372036854775807]",
                 DATA(0, 0, 0, 0, 0, 0, 0, 0x80), 0, INT64_MIN);
    is_both_ways("0|8@1+ (1e-18,0) [0|1e33]", DATA(9, 0, 0, 0, 0, 0, 0, 0), 18,
                 9);
}

/* Where a limit and a value are too far apart for 128 bits. */
static void test_far_limits(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "0|8@1+ (1e-18,0) [1e33|1e33]",
        "0|8@1- (1e-18,0) [-1e33|-1e33]",
        "0|8@1+ (1e33,0) [1e-18|1e-18]",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mg_dbc *dbc = one(cases[i], "");
        const uint8_t data[8] = {9};
        int64_t value;
        int64_t resolution;
        assert_int_equal(decode(dbc, "S", data, -18, &value, &resolution),
                         MG_E_RANGE);
        mg_dbc_destroy(dbc);
    }
    is_both_ways("0|8@1+ (1e33,0) [1e-18|1e33]", DATA(1, 0, 0, 0, 0, 0, 0, 0),
                 -18, 1000000000000000);
}

static void test_does_not_fit(void **state)
{
    (void)state;
    struct mg_dbc *dbc = one("0|8@1- (1,0) [0|0]", "");
    const struct mg_dbc_message *message = mg_dbc_message(dbc, 0);
    static const int64_t values[] = {128, -129, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        uint8_t data[8] = {0x55, 0x55};
        assert_int_equal(
            mg_dbc_encode(message, message->signals, values[i], 0, data, 8),
            MG_E_RANGE);
        assert_int_equal(data[0], 0x55);
        assert_int_equal(data[1], 0x55);
    }
    uint8_t data[8] = {1};
    int64_t value;
    int64_t resolution;
    assert_int_equal(decode(dbc, "S", data, 19, &value, &resolution),
                     MG_E_RANGE);
    assert_int_equal(decode(dbc, "S", data, -19, &value, &resolution),
                     MG_E_RANGE);
    assert_int_equal(mg_dbc_encode(message, message->signals, 1, 19, data, 8),
                     MG_E_RANGE);
    mg_dbc_destroy(dbc);
    dbc = one("0|8@1+ (1e18,0) [0|0]", "");
    data[0] = 10;
    assert_int_equal(decode(dbc, "S", data, 0, &value, &resolution),
                     MG_E_RANGE);
    mg_dbc_destroy(dbc);
    dbc = one("0|8@1+ (1e33,1e-18) [0|0]", ""); /* beyond 128 bits */
    assert_int_equal(decode(dbc, "S", data, 0, &value, &resolution),
                     MG_E_RANGE);
    mg_dbc_destroy(dbc);
    dbc = one("0|8@1+ (1,0) [0|0]", "");
    assert_int_equal(mg_dbc_encode(mg_dbc_message(dbc, 0),
                                   mg_dbc_message(dbc, 0)->signals, -1, 0, data,
                                   8),
                     MG_E_RANGE);
    mg_dbc_destroy(dbc);
}

static void test_short_and_long_frames(void **state)
{
    (void)state;
    struct mg_dbc *dbc = one("0|8@1+ (1,0) [0|0]", "");
    const struct mg_dbc_message *message = mg_dbc_message(dbc, 0);
    uint8_t data[12] = {5};
    int64_t value = -77;
    int64_t resolution = -77;
    assert_int_equal(mg_dbc_decode(message, message->signals, data, 7, 0,
                                   &value, &resolution),
                     MG_E_PROTO);
    assert_int_equal(value, -77);
    assert_int_equal(mg_dbc_encode(message, message->signals, 6, 0, data, 7),
                     MG_E_NOSPC);
    assert_int_equal(data[0], 5);
    assert_int_equal(mg_dbc_decode(message, message->signals, data, 12, 0,
                                   &value, &resolution),
                     MG_OK);
    assert_int_equal(value, 5);
    mg_dbc_destroy(dbc);
}

static void test_multiplexed(void **state)
{
    (void)state;
    struct mg_dbc *dbc =
        parse("BO_ 1 A: 8 N\n SG_ Page M : 4|4@1+ (1,0) [0|0] \"\" N\n"
              " SG_ Low m0 : 8|16@1+ (1,0) [0|0] \"\" N\n"
              " SG_ High m9 : 15|16@0+ (1,0) [0|0] \"\" N\n");
    const struct mg_dbc_message *message = mg_dbc_message(dbc, 0);
    uint8_t data[8] = {0x0f, 0x34, 0x12};
    int64_t value = -77;
    int64_t resolution = -77;
    value_is(dbc, "Page", data, 0, 0);
    value_is(dbc, "Low", data, 0, 0x1234);
    assert_int_equal(decode(dbc, "High", data, 0, &value, &resolution),
                     MG_E_NOTFOUND);
    assert_int_equal(value, -77);
    /* The multiplexor is set, its neighbours stay. */
    assert_int_equal(mg_dbc_encode(message, mg_dbc_find_signal(message, "High"),
                                   0xabcd, 0, data, 8),
                     MG_OK);
    const uint8_t want[8] = {0x9f, 0xab, 0xcd};
    assert_memory_equal(data, want, 8);
    value_is(dbc, "High", data, 0, 0xabcd);
    assert_int_equal(decode(dbc, "Low", data, 0, &value, &resolution),
                     MG_E_NOTFOUND);
    /* Not when the value does not fit. */
    assert_int_equal(mg_dbc_encode(message, mg_dbc_find_signal(message, "Low"),
                                   65536, 0, data, 8),
                     MG_E_RANGE);
    assert_memory_equal(data, want, 8);
    mg_dbc_destroy(dbc);
}

#define FLOAT "SIG_VALTYPE_ 1 S : 1;\n"

static void float_is(const char *what, uint32_t bits, int exp10, int64_t want,
                     int64_t want_resolution)
{
    struct mg_dbc *dbc = one(what, FLOAT);
    uint8_t data[8] = {(uint8_t)bits, (uint8_t)(bits >> 8),
                       (uint8_t)(bits >> 16), (uint8_t)(bits >> 24)};
    int64_t value;
    int64_t resolution;
    assert_int_equal(decode(dbc, "S", data, exp10, &value, &resolution), MG_OK);
    assert_int_equal(value, want);
    assert_int_equal(resolution, want_resolution);
    mg_dbc_destroy(dbc);
}

/* Bits as of IEEE 754. */
static void test_float(void **state)
{
    (void)state;
    const char *plain = "0|32@1- (1,0) [0|0]";
    float_is(plain, 0x43661eb8, 3, 230120, 1); /* 230.12 */
    float_is(plain, 0xc3661eb8, 3, -230120, 1);
    float_is(plain, 0x00000000, 3, 0, 1);
    float_is(plain, 0x80000000, 3, 0, 1);
    float_is(plain, 0x00000001, 18, 0, 1);
    float_is(plain, 0x3f800000, 18, 1000000000000000000, 119209289551);
    float_is(plain, 0x4b800001, 0, 16777218, 2); /* 2^24 + 2 */
    float_is(plain, 0x3f000000, 0, 0, 1);        /* a half, to even */
    float_is(plain, 0x3fc00000, 0, 2, 1);        /* 1.5 */
    float_is(plain, 0x5effffff, 0, 9223371487098961920, 549755813888);
    float_is(plain, 0x60000000, -3, 36893488147419103, 4398046512);
    float_is("0|32@1+ (0.001,0) [0|0]", 0x447a0000, 3, 1000, 1);
    float_is("0|32@1+ (-1000,0) [0|0]", 0x3fc00000, 0, -1500, 1);
    float_is("0|32@1+ (1,0) [0.1|0.1]", 0x3dcccccd, 1, 1, 1);
    /* 999999999999999 * 2^-50 is 0.888, a divisor of more than 64 bits. */
    float_is("0|32@1+ (999999999999999,0) [0|0]", 0x26800000, 0, 1, 1);
}

static int float_code(const char *what, uint32_t bits, int exp10)
{
    struct mg_dbc *dbc = one(what, FLOAT);
    uint8_t data[8] = {(uint8_t)bits, (uint8_t)(bits >> 8),
                       (uint8_t)(bits >> 16), (uint8_t)(bits >> 24)};
    int64_t value = -77;
    int64_t resolution = -77;
    int rc = decode(dbc, "S", data, exp10, &value, &resolution);
    assert_int_equal(value, -77);
    assert_int_equal(resolution, -77);
    mg_dbc_destroy(dbc);
    return rc;
}

static void test_float_refused(void **state)
{
    (void)state;
    const char *plain = "0|32@1- (1,0) [0|0]";
    assert_int_equal(float_code(plain, 0x7fc00000, 0), MG_E_INVAL); /* NaN */
    assert_int_equal(float_code(plain, 0x7f800000, 0), MG_E_INVAL);
    assert_int_equal(float_code(plain, 0xff800000, 0), MG_E_INVAL);
    assert_int_equal(float_code(plain, 0x5f000000, 0), MG_E_RANGE); /* 2^63 */
    assert_int_equal(float_code(plain, 0x7f7fffff, 18), MG_E_RANGE);
    assert_int_equal(float_code(plain, 0x7f7fffff, -18), MG_E_RANGE);
    assert_int_equal(float_code("0|32@1- (1,0) [-1|1]", 0x3f8ccccd, 1),
                     MG_E_RANGE);
}

static void float_encodes(const char *what, int64_t value, int exp10,
                          uint32_t want)
{
    struct mg_dbc *dbc = one(what, FLOAT);
    const struct mg_dbc_message *message = mg_dbc_message(dbc, 0);
    uint8_t data[8] = {0};
    assert_int_equal(
        mg_dbc_encode(message, message->signals, value, exp10, data, 8), MG_OK);
    uint32_t bits = (uint32_t)data[0] | (uint32_t)data[1] << 8 |
                    (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
    assert_int_equal(bits, want);
    assert_int_equal(data[4], 0);
    mg_dbc_destroy(dbc);
}

static void test_float_encode(void **state)
{
    (void)state;
    const char *plain = "0|32@1- (1,0) [0|0]";
    float_encodes(plain, 230120, 3, 0x43661eb8);
    float_encodes(plain, -230120, 3, 0xc3661eb8);
    float_encodes(plain, 0, 3, 0);
    float_encodes(plain, 1, 0, 0x3f800000);
    float_encodes(plain, 1, 1, 0x3dcccccd);
    float_encodes(plain, 16777217, 0, 0x4b800000); /* a tie, to even */
    float_encodes(plain, 16777219, 0, 0x4b800002);
    float_encodes(plain, 33554431, 0, 0x4c000000); /* up to 2^25 */
    float_encodes(plain, INT64_MAX, 0, 0x5f000000);
    float_encodes(plain, INT64_MIN, 0, 0xdf000000);
    float_encodes("0|32@1- (1e18,0) [0|0]", 1, 10, 0x10fd87b6); /* 1e-28 */
    float_encodes("0|32@1- (-0.5,0) [0|0]", 1, 0, 0xc0000000);
    float_encodes("0|32@1- (1e18,0) [0|0]", 2, 18, 0x042a2425);
    struct mg_dbc *dbc = one("0|32@1- (1,0) [-1|1]", FLOAT);
    const struct mg_dbc_message *message = mg_dbc_message(dbc, 0);
    uint8_t data[8] = {9};
    assert_int_equal(mg_dbc_encode(message, message->signals, 11, 1, data, 8),
                     MG_E_RANGE);
    assert_int_equal(data[0], 9);
    mg_dbc_destroy(dbc);
    dbc = one("0|32@1- (1e33,0) [0|0]", FLOAT);
    message = mg_dbc_message(dbc, 0);
    assert_int_equal(mg_dbc_encode(message, message->signals, 1, 7, data, 8),
                     MG_E_RANGE); /* 1e-40 */
    mg_dbc_destroy(dbc);
    dbc = one("0|32@1- (1e-18,0) [0|0]", FLOAT);
    message = mg_dbc_message(dbc, 0);
    assert_int_equal(
        mg_dbc_encode(message, message->signals, INT64_MAX, -3, data, 8),
        MG_E_RANGE); /* 9e39 */
    mg_dbc_destroy(dbc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_example),
        cmocka_unit_test(test_byte_orders),
        cmocka_unit_test(test_signed),
        cmocka_unit_test(test_64_bits),
        cmocka_unit_test(test_64_bits_across_nine_bytes),
        cmocka_unit_test(test_scaling),
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_resolution),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_far_limits),
        cmocka_unit_test(test_does_not_fit),
        cmocka_unit_test(test_short_and_long_frames),
        cmocka_unit_test(test_multiplexed),
        cmocka_unit_test(test_float),
        cmocka_unit_test(test_float_refused),
        cmocka_unit_test(test_float_encode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
