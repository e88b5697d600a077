/* Plans and answers: what is asked, and what the bytes mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "model/points.h"

#define SERIES(quantity, tariff)                                               \
    MG_CHANNEL(MG_Q_ENERGY_##quantity, 0, tariff, MG_PERIOD_CURRENT)

static struct mg_plan plan;
static struct mg_sample sample;

static int setup(void **state)
{
    (void)state;
    memset(&plan, 0, sizeof plan);
    memset(&sample, 0, sizeof sample);
    return 0;
}

static struct mg_driver driver_of(const struct mg_point *points, size_t n)
{
    return (struct mg_driver){
        .points = points, .n_points = n, .max_registers = 125, .n_phases = 1};
}

static int build(const struct mg_point *points, size_t n, size_t *ret_row)
{
    struct mg_driver driver = driver_of(points, n);
    return mg_plan_build(&driver, 0, &plan, ret_row);
}

static void build_one(const struct mg_point *point)
{
    size_t row = 99;
    assert_int_equal(build(point, 1, &row), MG_OK);
    assert_int_equal(plan.n_blocks, 1);
}

static int decode(const void *pdu, size_t len)
{
    return mg_plan_decode(&plan, &plan.blocks[0], pdu, len, &sample);
}

static void assert_block(size_t i, unsigned function, unsigned address,
                         unsigned count)
{
    assert_true(i < plan.n_blocks);
    assert_int_equal(plan.blocks[i].function, function);
    assert_int_equal(plan.blocks[i].address, address);
    assert_int_equal(plan.blocks[i].count, count);
}

/* ---- Plans ---- */

/* Live registers of KPM31 manual V2.0, 6.3 and 6.4, out of order. */
static const struct mg_point LIVE[] = {
    {MG_CH(ENERGY_ACTIVE_IMPORT, TOTAL), 3, MG_ENC_F32, 0, 3,
     .address = 0x0082},
    {MG_CH(VOLTAGE, TOTAL), 3, MG_ENC_F32, 0, 0, .address = 0x0030},
    {MG_CH(CURRENT, TOTAL), 3, MG_ENC_F32, 0, 0, .address = 0x0032},
    {MG_CH(RELAY_CLOSED, TOTAL), 1, MG_ENC_BIT, 0, 0, .address = 0x0001},
    {MG_CH(DEMAND_APPARENT, TOTAL), 3, MG_ENC_F32, 0, 0, .address = 0x0070},
    {MG_CH(ENERGY_ACTIVE, TOTAL), 3, MG_ENC_F32, 0, 3, .address = 0x0080},
    {SERIES(ACTIVE, 0), 3, MG_ENC_F32, MG_GROUP_SLOW, 3, .address = 0x009c,
     .n_periods = 13, .stride = 2},
    {MG_CH(BUS_ADDRESS, TOTAL), 3, MG_ENC_U16, MG_GROUP_INFO, 0,
     .address = 0x0001},
};
#define N_LIVE (sizeof LIVE / sizeof LIVE[0])

static void neighbours_merge_and_holes_do_not(void **state)
{
    (void)state;
    size_t row = 99;
    assert_int_equal(build(LIVE, N_LIVE, &row), MG_OK);
    assert_int_equal(plan.n_points, 7 + 13);
    assert_int_equal(plan.n_blocks, 6);
    assert_block(0, 1, 0x0001, 1);
    assert_block(1, 3, 0x0030, 4);
    assert_block(2, 3, 0x0070, 2);
    assert_block(3, 3, 0x0080, 4);
    assert_block(4, 3, 0x009c, 26);
    assert_block(5, 3, 0x0001, 1);
    assert_int_equal(plan.blocks[4].group, MG_GROUP_SLOW);
    assert_int_equal(plan.blocks[5].group, MG_GROUP_INFO);
    assert_int_equal(row, 99);
}

static void points_know_their_block(void **state)
{
    (void)state;
    size_t row;
    assert_int_equal(build(LIVE, N_LIVE, &row), MG_OK);
    size_t n = 0;
    for (size_t b = 0; b < plan.n_blocks; b++) {
        assert_int_equal(plan.blocks[b].first_point, n);
        for (size_t i = 0; i < plan.blocks[b].n_points; i++) {
            assert_int_equal(plan.points[n++].block, b);
        }
    }
    assert_int_equal(n, plan.n_points);
}

static void a_series_counts_periods_up(void **state)
{
    (void)state;
    size_t row;
    assert_int_equal(build(LIVE, N_LIVE, &row), MG_OK);
    const struct mg_plan_point *p = &plan.points[plan.blocks[4].first_point];
    for (unsigned i = 0; i < 13; i++) {
        assert_int_equal(p[i].channel, MG_CHANNEL(MG_Q_ENERGY_ACTIVE, 0, 0,
                                                  MG_PERIOD_CURRENT + i));
        assert_int_equal(p[i].address, 0x009c + 2 * i);
    }
}

static void holes_up_to_the_gap_are_read_across(void **state)
{
    (void)state;
    struct mg_driver driver = driver_of(LIVE, N_LIVE);
    size_t row;
    driver.max_gap = 14; /* from 0x72 to 0x80 */
    assert_int_equal(mg_plan_build(&driver, 0, &plan, &row), MG_OK);
    assert_block(2, 3, 0x0070, 20);
    assert_int_equal(plan.n_blocks, 5);
    driver.max_gap = 13;
    assert_int_equal(mg_plan_build(&driver, 0, &plan, &row), MG_OK);
    assert_int_equal(plan.n_blocks, 6);
    driver.max_gap = 200; /* never across groups or functions */
    assert_int_equal(mg_plan_build(&driver, 0, &plan, &row), MG_OK);
    assert_int_equal(plan.n_blocks, 4);
    assert_block(1, 3, 0x0030, 84);
}

static void no_request_is_longer_than_the_limit(void **state)
{
    (void)state;
    struct mg_driver driver = driver_of(LIVE, N_LIVE);
    size_t row;
    driver.max_registers = 7; /* three floats, never a half */
    assert_int_equal(mg_plan_build(&driver, 0, &plan, &row), MG_OK);
    assert_int_equal(plan.n_blocks, 4 + 5 + 1);
    assert_block(4, 3, 0x009c, 6);
    assert_block(7, 3, 0x00ae, 6);
    assert_block(8, 3, 0x00b4, 2);
}

static void variants_choose_points(void **state)
{
    (void)state;
    struct mg_point points[] = {LIVE[1], LIVE[3]};
    points[1].variants = 1U << 1 | 1U << 31;
    struct mg_driver driver = driver_of(points, 2);
    size_t row;
    static const struct {
        unsigned variant;
        size_t n_points;
    } CASES[] = {{0, 1}, {1, 2}, {2, 1}, {31, 2}};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(mg_plan_build(&driver, CASES[i].variant, &plan, &row),
                         MG_OK);
        assert_int_equal(plan.n_points, CASES[i].n_points);
    }
    assert_int_equal(mg_plan_build(&driver, 32, &plan, &row), MG_E_INVAL);
}

static void a_request_is_five_bytes(void **state)
{
    (void)state;
    uint8_t pdu[MG_PDU_MAX];
    struct mg_plan_block block = {
        .function = 4, .address = 0x1234, .count = 125};
    assert_int_equal(mg_plan_request(&block, pdu), 5);
    assert_memory_equal(pdu, "\x04\x12\x34\x00\x7d", 5);
}

static const uint32_t BAUDS[] = {0, 1200, 2400};

#define ROW(channel, function, encoding, exp10)                                \
    {                                                                          \
        channel, function, encoding, MG_GROUP_LIVE, exp10, .address = 0x0010   \
    }
static const struct mg_point WRONG[] = {
    ROW(MG_CH(VOLTAGE, L1), 0, MG_ENC_U16, 0),
    ROW(MG_CH(VOLTAGE, L1), 5, MG_ENC_U16, 0),
    ROW(MG_CH(VOLTAGE, L1), 3, 99, 0),
    ROW(MG_CH(VOLTAGE, L1), 1, MG_ENC_U16, 0),         /* a register of coils */
    ROW(MG_CH(RELAY_CLOSED, TOTAL), 3, MG_ENC_BIT, 0), /* the other way round */
    ROW(MG_CH(RELAY_CLOSED, TOTAL), 1, MG_ENC_BIT, 1),
    ROW(MG_CH(VOLTAGE, L1), 1, MG_ENC_BIT, 0),
    ROW(MG_CH(VOLTAGE, L1), 3, MG_ENC_U16, -4), /* finer than 1 mV */
    ROW(MG_CH(ENERGY_ACTIVE, TOTAL), 3, MG_ENC_F32, 7),
    ROW(MG_CH(METER_CLOCK, TOTAL), 3, MG_ENC_CLOCK6, 1),
    ROW(MG_CH(VOLTAGE, L1), 3, MG_ENC_CLOCK6, 0),
    ROW(MG_CH(SERIAL, TOTAL), 3, MG_ENC_U16, 0),
    ROW(MG_CH(SERIAL, TOTAL), 3, MG_ENC_ASCII, 0), /* no length */
    {MG_CH(VOLTAGE, L1), 3, MG_ENC_ASCII, 0, 0, .address = 0x10, .length = 4},
    {MG_CH(SERIAL, TOTAL), 3, MG_ENC_ASCII, 0, 0, .address = 0x10,
     .length = 126},
    {MG_CH(SERIAL, TOTAL), 3, MG_ENC_ASCII, 0, 1, .address = 0x10, .length = 4},
    {MG_CH(BAUD, TOTAL), 3, MG_ENC_MAP, 0, 0, .address = 0x10, .n_map = 3},
    {MG_CH(BAUD, TOTAL), 3, MG_ENC_MAP, 0, -1, .address = 0x10, .map = BAUDS,
     .n_map = 3},
    {MG_CH(BAUD, TOTAL), 3, MG_ENC_MAP, 0, 0, .address = 0x10, .map = BAUDS},
    {MG_CH(VOLTAGE, L1), 3, MG_ENC_U16, MG_N_GROUPS, 0, .address = 0x10},
    {MG_CH(VOLTAGE, L1), 3, MG_ENC_U32, 0, 0, .address = 0xffff},
    {MG_CH(VOLTAGE, L1) | 1, 3, MG_ENC_U16, 0, 0, .address = 0x10},
    {MG_CH(FREQUENCY, L1), 3, MG_ENC_U16, 0, 0, .address = 0x10},
    {SERIES(ACTIVE, 0), 3, MG_ENC_F32, 0, 3, .address = 0x10, .n_periods = 14,
     .stride = 2},
    {SERIES(ACTIVE, 0), 3, MG_ENC_F32, 0, 3, .address = 0x10, .n_periods = 2,
     .stride = 1}, /* overlaps itself */
    {SERIES(ACTIVE, 0), 3, MG_ENC_F32, 0, 3, .address = 0xfff0, .n_periods = 9,
     .stride = 2},
    ROW(MG_CH(VERSION, TOTAL), 3, MG_ENC_VERSION, -2),
    ROW(MG_CH(VOLTAGE, L1), 3, MG_ENC_VERSION, 0),
    ROW(MG_CH(VOLTAGE, L1), 3, MG_ENC_PF, 0),
    ROW(MG_CH(POWER_FACTOR, L1), 3, MG_ENC_PF, -4),
    ROW(MG_CH(VOLTAGE, L1), 3, MG_ENC_U24E8, -4),
    {MG_CH(VOLTAGE, L1), 3, MG_ENC_U24E8, 0, 0, .address = 0x12,
     .exponent_at = 0x10},
    {MG_CH(VOLTAGE, L1), 3, MG_ENC_U32, 0, 0, .address = 0x12,
     .exponent_at = 0x12},
    {MG_CH(VOLTAGE, L1), 3, MG_ENC_U32, 0, 0, .address = 0x12,
     .exponent_at = 0x14},
    {MG_CH(VOLTAGE, L1), 3, MG_ENC_U32, 0, 0, .address = 0x90,
     .exponent_at = 0x10},
    {SERIES(ACTIVE, 0), 3, MG_ENC_U32, 0, 0, .address = 0x12, .n_periods = 2,
     .stride = 2, .exponent_at = 0x10},
};

static void a_wrong_row_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        struct mg_point points[] = {LIVE[4], WRONG[i]};
        size_t row = 99;
        plan.n_points = 77;
        assert_int_equal(build(points, 2, &row), MG_E_INVAL);
        assert_int_equal(row, 1);
        assert_int_equal(plan.n_points, 77); /* untouched */
    }
}

static void rows_must_not_collide(void **state)
{
    (void)state;
    static const struct mg_point BASE =
        ROW(MG_CH(VOLTAGE, L1), 3, MG_ENC_U32, 0);
    struct mg_point other = ROW(MG_CH(CURRENT, L1), 3, MG_ENC_U16, 0);
    size_t row = 99;
    for (unsigned address = 0x0f; address <= 0x12; address++) {
        other.address = (uint16_t)address;
        struct mg_point points[] = {BASE, other};
        bool is_over = address == 0x10 || address == 0x11;
        assert_int_equal(build(points, 2, &row), is_over ? MG_E_INVAL : MG_OK);
    }
    assert_int_equal(row, 1);
    other.function = 4; /* another address space */
    other.address = 0x10;
    struct mg_point spaces[] = {BASE, other};
    assert_int_equal(build(spaces, 2, &row), MG_OK);
    other.channel = BASE.channel; /* but not twice the same channel */
    struct mg_point twice[] = {BASE, other};
    assert_int_equal(build(twice, 2, &row), MG_E_INVAL);
}

static void limits_of_the_driver_are_checked(void **state)
{
    (void)state;
    struct mg_driver driver = driver_of(LIVE, N_LIVE);
    size_t row = 99;
    driver.max_registers = 126;
    assert_int_equal(mg_plan_build(&driver, 0, &plan, &row), MG_E_INVAL);
    driver.max_registers = 0;
    assert_int_equal(mg_plan_build(&driver, 0, &plan, &row), MG_E_INVAL);
    driver.max_registers = 1; /* no float fits */
    assert_int_equal(mg_plan_build(&driver, 0, &plan, &row), MG_E_INVAL);
    assert_int_equal(row, 0);
}

/* Nine tariffs of thirteen periods: 117 points; three of them are too many. */
static void a_table_too_large_is_refused(void **state)
{
    (void)state;
    static struct mg_point points[27];
    static const unsigned QUANTITIES[] = {
        MG_Q_ENERGY_ACTIVE, MG_Q_ENERGY_REACTIVE, MG_Q_ENERGY_APPARENT};
    for (unsigned i = 0; i < 27; i++) {
        points[i] =
            (struct mg_point){.channel = MG_CHANNEL(QUANTITIES[i / 9], 0, i % 9,
                                                    MG_PERIOD_CURRENT),
                              .function = 3,
                              .encoding = MG_ENC_U32,
                              .address = (uint16_t)(i * 100),
                              .n_periods = 13,
                              .stride = 7};
    }
    size_t row = 99;
    assert_int_equal(build(points, 27, &row), MG_E_NOSPC);
    assert_int_equal(row, 256 / 13);
    /* Few enough points, but each is a request of its own. */
    assert_int_equal(build(points, 5, &row), MG_E_NOSPC);
    assert_int_equal(row, 64 / 13);
    assert_int_equal(build(points, 4, &row), MG_OK);
    assert_int_equal(plan.n_blocks, 52);
}

static void bits_fill_up_to_2000(void **state)
{
    (void)state;
    struct mg_point points[] = {
        {MG_CH(RELAY_CLOSED, TOTAL), 2, MG_ENC_BIT, 0, 0, .address = 100},
        {MG_CH(DIGITAL_INPUT, TOTAL), 2, MG_ENC_BIT, 0, 0, .address = 2099},
    };
    struct mg_driver driver = driver_of(points, 2);
    size_t row;
    driver.max_gap = 5000;
    assert_int_equal(mg_plan_build(&driver, 0, &plan, &row), MG_OK);
    assert_int_equal(plan.n_blocks, 1);
    assert_block(0, 2, 100, 2000);
    points[1].address = 2100;
    assert_int_equal(mg_plan_build(&driver, 0, &plan, &row), MG_OK);
    assert_int_equal(plan.n_blocks, 2);
}

/* ---- Answers ---- */

struct decoding {
    struct mg_point point;
    const char *pdu;
    size_t pdu_len;
    enum mg_quality quality;
    int64_t value, resolution;
};

#define ANSWER(bytes) bytes, sizeof(bytes) - 1
#define GOOD          MG_QUALITY_GOOD
#define INVALID       MG_QUALITY_INVALID

static const struct decoding DECODINGS[] = {
    {ROW(MG_CH(VOLTAGE, L1), 3, MG_ENC_U16, -1), ANSWER("\x03\x02\x08\xfd"),
     GOOD, 230100, 100},
    {ROW(MG_CH(TEMPERATURE, TOTAL), 4, MG_ENC_S16, -1),
     ANSWER("\x04\x02\xff\x9c"), GOOD, -10000, 100},
    {ROW(MG_CH(PULSES, TOTAL), 3, MG_ENC_U32, 0),
     ANSWER("\x03\x04\xff\xff\xff\xff"), GOOD, 4294967295, 1},
    {ROW(MG_CH(ENERGY_ACTIVE, TOTAL), 3, MG_ENC_U32, 6),
     ANSWER("\x03\x04\xff\xff\xff\xff"), GOOD, 4294967295000000000, 1000000000},
    {ROW(MG_CH(POWER_ACTIVE, TOTAL), 3, MG_ENC_S32, -3),
     ANSWER("\x03\x04\xff\xff\xff\xfe"), GOOD, -2, 1},
    {ROW(MG_CH(POWER_ACTIVE, TOTAL), 3, MG_ENC_S32, 0),
     ANSWER("\x03\x04\x80\x00\x00\x00"), GOOD, -2147483648000, 1000},
    {ROW(MG_CH(VOLTAGE, TOTAL), 3, MG_ENC_F32, 0),
     ANSWER("\x03\x04\x43\x66\x1e\xb8"), GOOD, 230120, 1},
    {ROW(MG_CH(ENERGY_ACTIVE, TOTAL), 3, MG_ENC_F32, 3),
     ANSWER("\x03\x04\x49\x80\x00\x01"), GOOD, 1048576125000, 125000},
    {ROW(MG_CH(POWER_FACTOR, TOTAL), 3, MG_ENC_F32, 0),
     ANSWER("\x03\x04\xbf\x80\x00\x00"), GOOD, -10000, 1},
    {ROW(MG_CH(VOLTAGE, TOTAL), 3, MG_ENC_F32, 0),
     ANSWER("\x03\x04\x7f\xc0\x00\x00"), INVALID, 0, 0},
    {ROW(MG_CH(VOLTAGE, TOTAL), 3, MG_ENC_F32, 0),
     ANSWER("\x03\x04\xff\x80\x00\x00"), INVALID, 0, 0},
    {ROW(MG_CH(VOLTAGE, TOTAL), 3, MG_ENC_F32, 0),
     ANSWER("\x03\x04\x7f\x00\x00\x00"), INVALID, 0, 0},
    {ROW(MG_CH(METER_CLOCK, TOTAL), 3, MG_ENC_CLOCK6, 0),
     ANSWER("\x03\x06\x18\x02\x1d\x17\x3b\x3b"), GOOD, 1709251199, 1},
    {ROW(MG_CH(METER_CLOCK, TOTAL), 3, MG_ENC_CLOCK6, 0),
     ANSWER("\x03\x06\x19\x02\x1d\x17\x3b\x3b"), INVALID, 0, 0},
    {ROW(MG_CH(METER_CLOCK, TOTAL), 3, MG_ENC_CLOCK6, 0),
     ANSWER("\x03\x06\x00\x00\x00\x00\x00\x00"), INVALID, 0, 0},
    {ROW(MG_CH(METER_CLOCK, TOTAL), 3, MG_ENC_CLOCK6, 0),
     ANSWER("\x03\x06\x64\x01\x01\x00\x00\x00"), INVALID, 0, 0},
    {ROW(MG_CH(METER_CLOCK, TOTAL), 3, MG_ENC_CLOCK6, 0),
     ANSWER("\x03\x06\x18\x01\x01\x18\x00\x00"), INVALID, 0, 0},
    {{MG_CH(BAUD, TOTAL), 3, MG_ENC_MAP, 0, 0, .address = 0x10, .map = BAUDS,
      .n_map = 3},
     ANSWER("\x03\x02\x00\x02"),
     GOOD,
     2400,
     1},
    {{MG_CH(BAUD, TOTAL), 3, MG_ENC_MAP, 0, 0, .address = 0x10, .map = BAUDS,
      .n_map = 3},
     ANSWER("\x03\x02\x00\x03"),
     INVALID,
     0,
     0},
    {ROW(MG_CH(RELAY_CLOSED, TOTAL), 1, MG_ENC_BIT, 0), ANSWER("\x01\x01\x01"),
     GOOD, 1, 1},
    {ROW(MG_CH(RELAY_CLOSED, TOTAL), 1, MG_ENC_BIT, 0), ANSWER("\x01\x01\xfe"),
     GOOD, 0, 1},
    {{MG_CH(SERIAL, TOTAL), 3, MG_ENC_ASCII, 0, 0, .address = 0x10,
      .length = 2},
     ANSWER("\x03\x04\x00\x00\x20\xff"),
     INVALID,
     0,
     0},
    {ROW(MG_CH(SESSION_DURATION, TOTAL), 3, MG_ENC_U32, 0),
     ANSWER("\x03\x04\x00\x01\x51\x80"), GOOD, 86400, 1},
    {ROW(MG_CH(METER_CLOCK, TOTAL), 3, MG_ENC_U32, 0),
     ANSWER("\x03\x04\x5d\x95\xc4\xb5"), GOOD, 1570096309, 1},
};

/* Mantissa and decade: the worked values and frames are Finder's (7M type table
 * and protocol), whose meters share the map and types of the WM3M4. */
static const struct decoding DECADES[] = {
    {ROW(MG_CH(VOLTAGE, L1), 4, MG_ENC_U24E8, 0),
     ANSWER("\x04\x04\xfd\x01\xe2\x40"), GOOD, 123456, 1},
    {ROW(MG_CH(POWER_ACTIVE, L1), 4, MG_ENC_S24E8, 0),
     ANSWER("\x04\x04\xfd\xfe\x1d\xc0"), GOOD, -123456, 1},
    {ROW(MG_CH(VOLTAGE, L1), 4, MG_ENC_U24E8, 0),
     ANSWER("\x04\x04\xff\x00\x09\x56"), GOOD, 239000, 100},
    {ROW(MG_CH(FREQUENCY, TOTAL), 4, MG_ENC_U24E8, 0),
     ANSWER("\x04\x04\xfe\x00\x13\x8a"), GOOD, 50020, 10},
    {ROW(MG_CH(POWER_ACTIVE, TOTAL), 4, MG_ENC_S24E8, 0),
     ANSWER("\x04\x04\xff\x00\x00\x00"), GOOD, 0, 100},
    {ROW(MG_CH(TEMPERATURE, TOTAL), 4, MG_ENC_S16, -2),
     ANSWER("\x04\x02\x0c\x1c"), GOOD, 31000, 10},
    {ROW(MG_CH(THD_VOLTAGE, L1), 4, MG_ENC_U16, -2), ANSWER("\x04\x02\x30\x39"),
     GOOD, 12345, 1},
    {ROW(MG_CH(PHASE_ANGLE, L1), 4, MG_ENC_S16, -2), ANSWER("\x04\x02\xcf\xc7"),
     GOOD, -12345, 1},
    /* All 24 bits: unsigned and two's complement. */
    {ROW(MG_CH(CURRENT, L1), 4, MG_ENC_U24E8, 0),
     ANSWER("\x04\x04\xfd\xff\xff\xff"), GOOD, 16777215, 1},
    {ROW(MG_CH(POWER_ACTIVE, L1), 4, MG_ENC_S24E8, 0),
     ANSWER("\x04\x04\xfd\xff\xff\xff"), GOOD, -1, 1},
    {ROW(MG_CH(POWER_ACTIVE, L1), 4, MG_ENC_S24E8, 0),
     ANSWER("\x04\x04\xfd\x80\x00\x00"), GOOD, -8388608, 1},
    /* Finer than the base unit: half to even, never more digits than there
     * are. 1.0005 A, 1.0015 A, 1.00051 A, -1.0005 W. */
    {ROW(MG_CH(CURRENT, L1), 4, MG_ENC_U24E8, 0),
     ANSWER("\x04\x04\xfc\x00\x27\x15"), GOOD, 1000, 1},
    {ROW(MG_CH(CURRENT, L1), 4, MG_ENC_U24E8, 0),
     ANSWER("\x04\x04\xfc\x00\x27\x1f"), GOOD, 1002, 1},
    {ROW(MG_CH(CURRENT, L1), 4, MG_ENC_U24E8, 0),
     ANSWER("\x04\x04\xfb\x01\x86\xd3"), GOOD, 1001, 1},
    {ROW(MG_CH(POWER_ACTIVE, L1), 4, MG_ENC_S24E8, 0),
     ANSWER("\x04\x04\xfc\xff\xd8\xeb"), GOOD, -1000, 1},
    {ROW(MG_CH(CURRENT, L1), 4, MG_ENC_U24E8, 0),
     ANSWER("\x04\x04\x80\xff\xff\xff"), GOOD, 0, 1}, /* 10^-128 */
    /* Too large: 10^12 W fit, 2^23 * 10^12 mW do not; 10^18 is the limit. */
    {ROW(MG_CH(POWER_ACTIVE, L1), 4, MG_ENC_S24E8, 0),
     ANSWER("\x04\x04\x0c\x00\x00\x01"), GOOD, 1000000000000000,
     1000000000000000},
    {ROW(MG_CH(POWER_ACTIVE, L1), 4, MG_ENC_S24E8, 0),
     ANSWER("\x04\x04\x0c\x7f\xff\xff"), INVALID, 0, 0},
    {ROW(MG_CH(POWER_ACTIVE, L1), 4, MG_ENC_S24E8, 0),
     ANSWER("\x04\x04\x0c\x80\x00\x00"), INVALID, 0, 0},
    {ROW(MG_CH(POWER_ACTIVE, L1), 4, MG_ENC_S24E8, 0),
     ANSWER("\x04\x04\x0f\x00\x00\x09"), GOOD, 9000000000000000000,
     1000000000000000000},
    {ROW(MG_CH(POWER_ACTIVE, L1), 4, MG_ENC_S24E8, 0),
     ANSWER("\x04\x04\x0f\x00\x00\x0a"), INVALID, 0, 0},
    {ROW(MG_CH(VOLTAGE, L1), 4, MG_ENC_U24E8, 0),
     ANSWER("\x04\x04\x10\x00\x00\x00"), INVALID, 0, 0},
    {ROW(MG_CH(VOLTAGE, L1), 4, MG_ENC_U24E8, 0),
     ANSWER("\x04\x04\x7f\x00\x00\x01"), INVALID, 0, 0},
    /* Power factor: direction, character, 1e-4. */
    {ROW(MG_CH(POWER_FACTOR, TOTAL), 4, MG_ENC_PF, 0),
     ANSWER("\x04\x04\x00\xff\x26\x94"), GOOD, 9876, 1},
    {ROW(MG_CH(POWER_FACTOR, TOTAL), 4, MG_ENC_PF, 0),
     ANSWER("\x04\x04\x00\x00\x27\x10"), GOOD, 10000, 1},
    {ROW(MG_CH(POWER_FACTOR, TOTAL), 4, MG_ENC_PF, 0),
     ANSWER("\x04\x04\xff\x00\x26\x94"), GOOD, -9876, 1},
    {ROW(MG_CH(POWER_FACTOR, TOTAL), 4, MG_ENC_PF, 0),
     ANSWER("\x04\x04\x01\x00\x26\x94"), INVALID, 0, 0},
    {ROW(MG_CH(POWER_FACTOR, TOTAL), 4, MG_ENC_PF, 0),
     ANSWER("\x04\x04\x00\x7f\x26\x94"), INVALID, 0, 0},
};

/* Registers 10 and 12: exponent, a hole, the energy. */
#define COUNTER(encoding, exp10)                                               \
    {                                                                          \
        MG_CH(ENERGY_ACTIVE_IMPORT, TOTAL), 4, encoding, MG_GROUP_LIVE, exp10, \
            .address = 12, .exponent_at = 10                                   \
    }
static const struct decoding EXPONENTS[] = {
    {COUNTER(MG_ENC_U32, 0), ANSWER("\x04\x08\x00\x00\xaa\xaa\x07\x5b\xcd\x15"),
     GOOD, 123456789000, 1000},
    {COUNTER(MG_ENC_U32, 0), ANSWER("\x04\x08\x00\x01\xaa\xaa\xff\xff\xff\xff"),
     GOOD, 42949672950000, 10000},
    {COUNTER(MG_ENC_S32, 0), ANSWER("\x04\x08\xff\xff\xaa\xaa\xff\xff\xff\xff"),
     GOOD, -100, 100},
    {COUNTER(MG_ENC_U32, 3), /* kWh in the table, hundredths by exponent */
     ANSWER("\x04\x08\xff\xfe\xaa\xaa\x00\x00\x00\x07"), GOOD, 70000, 10000},
    {COUNTER(MG_ENC_U32, 0), /* 0.0025 Wh */
     ANSWER("\x04\x08\xff\xfc\xaa\xaa\x00\x00\x00\x19"), GOOD, 2, 1},
    {COUNTER(MG_ENC_U32, 0), ANSWER("\x04\x08\x00\x0c\xaa\xaa\x00\x00\x24\x08"),
     INVALID, 0, 0},
    {COUNTER(MG_ENC_U32, 0), ANSWER("\x04\x08\x7f\xff\xaa\xaa\x00\x00\x00\x01"),
     INVALID, 0, 0},
    {COUNTER(MG_ENC_U32, 0), ANSWER("\x04\x08\x80\x00\xaa\xaa\x00\x00\x00\x01"),
     GOOD, 0, 1},
};

static void check_decodings(const struct decoding *decodings, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct decoding *d = &decodings[i];
        sample.n_values = 0;
        build_one(&d->point);
        assert_int_equal(decode(d->pdu, d->pdu_len), MG_OK);
        assert_int_equal(sample.n_values, 1);
        const struct mg_value *v = &sample.values[0];
        assert_int_equal(v->channel, d->point.channel);
        assert_int_equal(v->quality, d->quality);
        assert_true(v->value == d->value);
        assert_true(v->resolution == d->resolution);
    }
}

static void registers_become_values(void **state)
{
    (void)state;
    check_decodings(DECODINGS, sizeof DECODINGS / sizeof DECODINGS[0]);
    check_decodings(DECADES, sizeof DECADES / sizeof DECADES[0]);
    check_decodings(EXPONENTS, sizeof EXPONENTS / sizeof EXPONENTS[0]);
}

static void versions_are_text(void **state)
{
    (void)state;
    static const struct mg_point VERSION = {
        MG_CH(VERSION, TOTAL), 4, MG_ENC_VERSION, 0, 0, .address = 13};
    static const struct {
        const char *pdu, *text;
    } CASES[] = {{"\x04\x02\x00\xd0", "2.08"},
                 {"\x04\x02\x00\x00", "0.00"},
                 {"\x04\x02\x00\xd2", "2.10"},
                 {"\x04\x02\xff\xff", "655.35"}};
    build_one(&VERSION);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        sample.n_values = 0;
        sample.text_len = 0;
        assert_int_equal(decode(CASES[i].pdu, 4), MG_OK);
        size_t len;
        const char *text = mg_sample_text(&sample, &sample.values[0], &len);
        assert_int_equal(len, strlen(CASES[i].text));
        assert_memory_equal(text, CASES[i].text, len);
    }
}

/* As in the WM3M4: two exponents, then the two counters they belong to. */
static const struct mg_point COUNTERS[] = {
    {MG_CH(ENERGY_ACTIVE_EXPORT, TOTAL), 4, MG_ENC_U32, 0, 0, .address = 420,
     .exponent_at = 415},
    {MG_CH(ENERGY_ACTIVE_IMPORT, TOTAL), 4, MG_ENC_U32, 0, 0, .address = 418,
     .exponent_at = 414},
    {MG_CH(TEMPERATURE, TOTAL), 4, MG_ENC_S16, 0, -2, .address = 417},
    {MG_CH(VOLTAGE, L1), 4, MG_ENC_U16, 0, 0, .address = 422},
};

static void exponents_are_read_with_their_values(void **state)
{
    (void)state;
    struct mg_driver driver = driver_of(COUNTERS, 4);
    size_t row;
    assert_int_equal(mg_plan_build(&driver, 0, &plan, &row), MG_OK);
    assert_int_equal(plan.n_blocks, 1);
    assert_block(0, 4, 414, 9);
    assert_int_equal(decode("\x04\x12"
                            "\x00\x00\x00\x01\xaa\xaa\x0c\x1c"
                            "\x00\x00\x00\x05\x00\x00\x00\x06\x00\xe6",
                            20),
                     MG_OK);
    static const int64_t VALUES[] = {5000, 60000, 31000, 230000};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(sample.values[i].value, VALUES[i]);
    }
}

/* A value does not go into one request and its exponent into another. */
static void exponents_count_against_the_limit(void **state)
{
    (void)state;
    struct mg_driver driver = driver_of(COUNTERS, 2);
    size_t row = 99;
    driver.max_registers = 7;
    assert_int_equal(mg_plan_build(&driver, 0, &plan, &row), MG_OK);
    assert_int_equal(plan.n_blocks, 2);
    assert_block(0, 4, 414, 6);
    assert_block(1, 4, 415, 7);
    driver.max_registers = 6;
    assert_int_equal(mg_plan_build(&driver, 0, &plan, &row), MG_E_INVAL);
    assert_int_equal(row, 0);
}

static void texts_are_decoded(void **state)
{
    (void)state;
    static const struct mg_point SERIAL = {
        MG_CH(SERIAL, TOTAL), 3,          MG_ENC_ASCII, 0, 0,
        .address = 0x12,      .length = 3};
    build_one(&SERIAL);
    assert_int_equal(decode("\x03\x06"
                            "31B1\0\0",
                            8),
                     MG_OK);
    size_t len;
    const char *text = mg_sample_text(&sample, &sample.values[0], &len);
    assert_int_equal(len, 4);
    assert_memory_equal(text, "31B1", 4);
}

/* Registers that lie between points are read across, not read as points. */
static void points_are_found_within_a_block(void **state)
{
    (void)state;
    static const struct mg_point POINTS[] = {
        {MG_CH(VOLTAGE, L1), 3, MG_ENC_U16, 0, -1, .address = 10},
        {MG_CH(CURRENT, L1), 3, MG_ENC_U32, 0, -3, .address = 12},
    };
    struct mg_driver driver = driver_of(POINTS, 2);
    driver.max_gap = 1;
    size_t row;
    assert_int_equal(mg_plan_build(&driver, 0, &plan, &row), MG_OK);
    assert_int_equal(decode("\x03\x08\x08\xfd\xaa\xaa\x00\x01\x00\x00", 10),
                     MG_OK);
    assert_int_equal(sample.values[0].value, 230100);
    assert_int_equal(sample.values[1].value, 65536);
}

static void bits_are_found_across_bytes(void **state)
{
    (void)state;
    static const struct mg_point POINTS[] = {
        {MG_CH(RELAY_CLOSED, TOTAL), 2, MG_ENC_BIT, 0, 0, .address = 1},
        {MG_CH(DIGITAL_INPUT, TOTAL), 2, MG_ENC_BIT, 0, 0, .address = 10},
    };
    struct mg_driver driver = driver_of(POINTS, 2);
    driver.max_gap = 8;
    size_t row;
    assert_int_equal(mg_plan_build(&driver, 0, &plan, &row), MG_OK);
    assert_block(0, 2, 1, 10);
    assert_int_equal(decode("\x02\x02\xfe\x02", 4), MG_OK);
    assert_int_equal(sample.values[0].value, 0);
    assert_int_equal(sample.values[1].value, 1);
    assert_int_equal(decode("\x02\x01\xfe", 3), MG_E_PROTO);
}

static void what_is_not_the_answer_is_refused(void **state)
{
    (void)state;
    static const struct mg_point POINT =
        ROW(MG_CH(VOLTAGE, TOTAL), 3, MG_ENC_F32, 0);
    static const struct {
        const char *pdu;
        size_t len;
    } WRONG_ANSWERS[] = {
        {"", 0},
        {"\x03", 1},
        {"\x03\x04\x43\x66\x1e", 5},
        {"\x03\x04\x43\x66\x1e\xb8\x00", 7},
        {"\x04\x04\x43\x66\x1e\xb8", 6},
        {"\x83\x02", 2},
        {"\x03\x05\x43\x66\x1e\xb8", 6},
        {"\x03\x02\x43\x66\x1e\xb8", 6},
        {"\x03\x02\x43\x66", 4},
    };
    build_one(&POINT);
    for (size_t i = 0; i < sizeof WRONG_ANSWERS / sizeof WRONG_ANSWERS[0];
         i++) {
        assert_int_equal(decode(WRONG_ANSWERS[i].pdu, WRONG_ANSWERS[i].len),
                         MG_E_PROTO);
    }
    assert_int_equal(sample.n_values, 0);
}

static void a_full_sample_is_left_as_it_was(void **state)
{
    (void)state;
    static const struct mg_point POINTS[] = {
        {MG_CH(SERIAL, TOTAL), 3, MG_ENC_ASCII, 0, 0, .address = 10,
         .length = 1},
        {MG_CH(VOLTAGE, L1), 3, MG_ENC_U16, 0, 0, .address = 11},
    };
    size_t row;
    assert_int_equal(build(POINTS, 2, &row), MG_OK);
    sample.n_values = MG_SAMPLE_VALUES_MAX - 1;
    assert_int_equal(decode("\x03\x04"
                            "ab\x00\xe6",
                            6),
                     MG_E_NOSPC);
    assert_int_equal(sample.n_values, MG_SAMPLE_VALUES_MAX - 1);
    assert_int_equal(sample.text_len, 0);
    assert_int_equal(
        mg_plan_miss(&plan, &plan.blocks[0], MG_QUALITY_MISSING, &sample),
        MG_E_NOSPC);
    assert_int_equal(sample.n_values, MG_SAMPLE_VALUES_MAX - 1);
}

static void a_missing_answer_names_its_points(void **state)
{
    (void)state;
    size_t row;
    assert_int_equal(build(LIVE, N_LIVE, &row), MG_OK);
    assert_int_equal(
        mg_plan_miss(&plan, &plan.blocks[1], MG_QUALITY_MISSING, &sample),
        MG_OK);
    assert_int_equal(sample.n_values, 2);
    assert_int_equal(sample.values[0].channel, MG_CH(VOLTAGE, TOTAL));
    assert_int_equal(sample.values[1].channel, MG_CH(CURRENT, TOTAL));
    assert_int_equal(sample.values[1].quality, MG_QUALITY_MISSING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(neighbours_merge_and_holes_do_not, setup),
        cmocka_unit_test_setup(points_know_their_block, setup),
        cmocka_unit_test_setup(a_series_counts_periods_up, setup),
        cmocka_unit_test_setup(holes_up_to_the_gap_are_read_across, setup),
        cmocka_unit_test_setup(no_request_is_longer_than_the_limit, setup),
        cmocka_unit_test_setup(variants_choose_points, setup),
        cmocka_unit_test_setup(a_request_is_five_bytes, setup),
        cmocka_unit_test_setup(a_wrong_row_is_named, setup),
        cmocka_unit_test_setup(rows_must_not_collide, setup),
        cmocka_unit_test_setup(limits_of_the_driver_are_checked, setup),
        cmocka_unit_test_setup(a_table_too_large_is_refused, setup),
        cmocka_unit_test_setup(bits_fill_up_to_2000, setup),
        cmocka_unit_test_setup(registers_become_values, setup),
        cmocka_unit_test_setup(versions_are_text, setup),
        cmocka_unit_test_setup(exponents_are_read_with_their_values, setup),
        cmocka_unit_test_setup(exponents_count_against_the_limit, setup),
        cmocka_unit_test_setup(texts_are_decoded, setup),
        cmocka_unit_test_setup(points_are_found_within_a_block, setup),
        cmocka_unit_test_setup(bits_are_found_across_bytes, setup),
        cmocka_unit_test_setup(what_is_not_the_answer_is_refused, setup),
        cmocka_unit_test_setup(a_full_sample_is_left_as_it_was, setup),
        cmocka_unit_test_setup(a_missing_answer_names_its_points, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
