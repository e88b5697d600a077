/* The simulated KPM31: register map, settings, commands, relay and what it
 * refuses. KPM31 manual V2.0, section 6; what is ours stands in the plugin's
 * README. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kpm31_meter.h"
#include "sim/rng.h"

#include "../../plugins/kpm31/firmware.h"

#define BAD_FUNCTION 1
#define BAD_ADDRESS  2
#define BAD_VALUE    3

static const struct angle in_phase = {1000, 0};

static void new_meter(struct meter *m, enum kpm31_variant variant)
{
    meter_new(m, variant, UTC_2024_03_15);
}

static int refusal(struct meter *m, const char *bytes, size_t len)
{
    return meter_refusal(m, (const uint8_t *)bytes, len);
}

/* ---- The map ---- */

/* Which addresses exist, read one float or word at a time. */
static void check_map(enum kpm31_variant variant)
{
    static const struct {
        unsigned first, last;
        bool is_float, only_bk;
    } areas[] = {{0x0000, 0x0002, false, false}, {0x000c, 0x000c, false, false},
                 {0x0012, 0x0018, false, false}, {0x0023, 0x0025, false, false},
                 {0x0030, 0x003d, true, false},  {0x0070, 0x0071, true, false},
                 {0x0080, 0x019f, true, false},  {0x0200, 0x0210, false, false},
                 {0x0220, 0x0220, false, false}, {0x0222, 0x0222, false, true},
                 {0x0300, 0x041f, true, true},   {0x0500, 0x061f, true, true}};
    struct meter m;
    new_meter(&m, variant);
    for (unsigned address = 0; address <= 0xffff; address++) {
        int want_one = BAD_ADDRESS;
        int want_two = BAD_ADDRESS;
        for (size_t k = 0; k < sizeof(areas) / sizeof(areas[0]); k++) {
            if (address < areas[k].first || address > areas[k].last ||
                (areas[k].only_bk && variant != KPM31_BK)) {
                continue;
            }
            unsigned odd = (address - areas[k].first) % 2;
            want_one = areas[k].is_float ? BAD_ADDRESS : 0;
            want_two =
                address == areas[k].last || (areas[k].is_float && odd != 0)
                    ? BAD_ADDRESS
                    : 0;
        }
        assert_int_equal(meter_read_refusal(&m, address, 1), want_one);
        assert_int_equal(meter_read_refusal(&m, address, 2), want_two);
    }
}

static void test_every_address(void **state)
{
    (void)state;
    check_map(KPM31_A);
    check_map(KPM31_B);
    check_map(KPM31_BK);
}

static void test_ranges(void **state)
{
    (void)state;
    struct meter m;
    new_meter(&m, KPM31_A);
    assert_int_equal(meter_read_refusal(&m, 0x30, 14), 0);
    assert_int_equal(meter_read_refusal(&m, 0x30, 15), BAD_ADDRESS);
    assert_int_equal(meter_read_refusal(&m, 0x2e, 16), BAD_ADDRESS);
    assert_int_equal(meter_read_refusal(&m, 0x30, 13), BAD_ADDRESS);
    assert_int_equal(meter_read_refusal(&m, 0x31, 2), BAD_ADDRESS);
    assert_int_equal(meter_read_refusal(&m, 0x30, 0), BAD_VALUE);
    assert_int_equal(meter_read_refusal(&m, 0x80, 124), 0);
    assert_int_equal(meter_read_refusal(&m, 0x80, 125), BAD_ADDRESS);
    assert_int_equal(meter_read_refusal(&m, 0x80, 126), BAD_VALUE);
    assert_int_equal(meter_read_refusal(&m, 0x80, 0xffff), BAD_VALUE);
    assert_int_equal(meter_read_refusal(&m, 0x19e, 2), 0);
    assert_int_equal(meter_read_refusal(&m, 0x19e, 4), BAD_ADDRESS);
    assert_int_equal(meter_read_refusal(&m, 0xffff, 2), BAD_ADDRESS);
    assert_int_equal(meter_read_refusal(&m, 0x0000, 3), 0);
}

static void test_new_meter(void **state)
{
    (void)state;
    struct meter m;
    uint16_t w[17];
    const uint16_t schedule[11] = {5, 0x0600, 1, 0x0a00, 2, 0x0c00,
                                   1, 0x0f00, 3, 0x1700, 4};
    new_meter(&m, KPM31_B);
    meter_read(&m, 0, 3, w);
    assert_int_equal(w[0], 6666);
    assert_int_equal(w[1], METER_UNIT);
    assert_int_equal(w[2], 4);
    meter_read(&m, 0x0c, 1, w);
    assert_int_equal(w[0], 0);
    meter_read(&m, 0x200, 17, w);
    assert_memory_equal(w, schedule, sizeof(schedule));
    meter_read(&m, 0x23, 3, w);
    assert_int_equal(w[0], 24 << 8 | 3);
    assert_int_equal(w[1], 15 << 8 | 0);
    assert_int_equal(w[2], 0);
    meter_read(&m, 0x220, 1, w);
    assert_int_equal(w[0], 0);
    for (unsigned address = 0x80; address <= 0x19e; address += 2) {
        assert_int_equal(meter_bits(&m, address), 0);
    }
}

static void check_serial(enum kpm31_variant variant, const char *text)
{
    struct meter m;
    uint16_t w[7];
    new_meter(&m, variant);
    meter_read(&m, 0x12, 7, w);
    for (size_t k = 0; k < 7; k++) {
        assert_int_equal(w[k] >> 8, text[2 * k]);
        assert_int_equal(w[k] & 0xff, text[2 * k + 1]);
    }
}

static void test_serial(void **state)
{
    (void)state;
    check_serial(KPM31_A, "31A0101234567");
    check_serial(KPM31_B, "31B0101234567");
    check_serial(KPM31_BK, "31B0101234567");
}

/* Bits worked out with exact fractions, apart from any floating point. */
static void test_float_bits(void **state)
{
    (void)state;
    struct meter m;
    const struct {
        int64_t mwh;
        uint32_t bits;
    } cases[] = {{0, 0},
                 {1000000, 0x3f800000},  /* 1 */
                 {625, 0x3a23d70a},      /* 0.000625 */
                 {12345600, 0x41458794}, /* 12.3456 */
                 {-1500000, 0xbfc00000}, /* -1.5 */
                 {16777216000000, 0x4b800000} /* 2^24 */,
                 {16777217000000, 0x4b800000} /* a tie, to even */,
                 {16777219000000, 0x4b800002} /* a tie, to even, up */,
                 {16777217000001, 0x4b800001} /* a hair above */,
                 {33554431000000, 0x4c000000} /* carry to the exponent */,
                 {1, 0x358637bd} /* 1e-6 */,
                 {INT64_MAX, 0x550637bd},
                 {INT64_MIN, 0xd50637bd}};
    new_meter(&m, KPM31_A);
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        assert_int_equal(kpm31_firmware.set(m.state,
                                            MG_CH(ENERGY_ACTIVE, TOTAL),
                                            cases[k].mwh),
                         MG_OK);
        if (meter_bits(&m, 0x80) != cases[k].bits) {
            fail_msg("%lld mWh: %08x, want %08x", (long long)cases[k].mwh,
                     (unsigned)meter_bits(&m, 0x80), (unsigned)cases[k].bits);
        }
    }
}

static uint32_t host_bits(int64_t num, int64_t den)
{
    float x = (float)((double)num / (double)den);
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

/* Against the host's own division: exact while both fit a double and the
 * quotient is not within a double's rounding of a tie, which powers of ten
 * below 2^53 with a 24-bit result are not. */
static void test_floats_against_the_host(void **state)
{
    (void)state;
    struct meter m;
    struct mg_sim_rng rng = {.state = 20240315};
    new_meter(&m, KPM31_A);
    for (int k = 0; k < 20000; k++) {
        uint64_t random = mg_sim_rng_next(&rng);
        int64_t value = (int64_t)(random >> (11 + random % 53));
        value = random & 64 ? -value : value;
        (void)kpm31_firmware.set(m.state, MG_CH(VOLTAGE, L1), value);
        uint32_t is = meter_bits(&m, 0x30);
        uint32_t want = host_bits(value, 1000);
        if (is != want) {
            fail_msg("%lld: %08x, want %08x", (long long)value, (unsigned)is,
                     (unsigned)want);
        }
    }
}

/* ---- Requests ---- */

static void test_functions(void **state)
{
    (void)state;
    struct meter m;
    new_meter(&m, KPM31_B);
    for (unsigned function = 0; function < 256; function++) {
        uint8_t request[5] = {(uint8_t)function, 0, 1, 0, 1};
        if (function == 1 || function == 3 || function == 5 || function == 16) {
            assert_int_not_equal(meter_refusal(&m, request, 5), BAD_FUNCTION);
        } else {
            assert_int_equal(meter_refusal(&m, request, 5), BAD_FUNCTION);
        }
    }
}

static void test_lengths(void **state)
{
    (void)state;
    struct meter m;
    uint8_t answer[MG_PDU_MAX];
    new_meter(&m, KPM31_B);
    assert_int_equal(meter_ask(&m, METER_UNIT, NULL, 0, answer), 0);
    assert_int_equal(refusal(&m, "\x03", 1), BAD_VALUE);
    assert_int_equal(refusal(&m, "\x03\x00\x30\x00", 4), BAD_VALUE);
    assert_int_equal(refusal(&m, "\x03\x00\x30\x00\x02\x00", 6), BAD_VALUE);
    assert_int_equal(refusal(&m, "\x01\x00\x01\x00", 4), BAD_VALUE);
    assert_int_equal(refusal(&m, "\x05\x00\x01\xff", 4), BAD_VALUE);
    assert_int_equal(refusal(&m, "\x05\x00\x01\xff\x00\x00", 6), BAD_VALUE);
    assert_int_equal(refusal(&m, "\x10\x00\x01\x00\x01", 5), BAD_VALUE);
    assert_int_equal(refusal(&m, "\x10\x00\x01\x00\x01\x02\x00", 7), BAD_VALUE);
    assert_int_equal(refusal(&m, "\x10\x00\x01\x00\x01\x03\x00\x07\x00", 9),
                     BAD_VALUE);
    assert_int_equal(refusal(&m, "\x10\x00\x01\x00\x01\x02\x00\x07\x00", 9),
                     BAD_VALUE);
    assert_int_equal(refusal(&m, "\x10\x00\x01\x00\x00\x00", 6), BAD_VALUE);
    assert_int_equal(meter_unit_now(&m), METER_UNIT);
}

static void test_other_units_and_broadcast(void **state)
{
    (void)state;
    struct meter m;
    uint8_t answer[MG_PDU_MAX];
    const uint8_t read[] = {3, 0, 0x30, 0, 2};
    const uint8_t open[] = {5, 0, 1, 0, 0};
    const uint8_t wrong[] = {0x2b, 0};
    new_meter(&m, KPM31_B);
    for (unsigned unit = 0; unit < 256; unit++) {
        size_t n = meter_ask(&m, (uint8_t)unit, read, sizeof(read), answer);
        assert_int_equal(n, unit == METER_UNIT ? 6 : 0);
    }
    assert_int_equal(meter_ask(&m, 9, open, sizeof(open), answer), 0);
    assert_true(meter_has_load(&m));
    assert_int_equal(meter_ask(&m, 0, open, sizeof(open), answer), 0);
    assert_false(meter_has_load(&m));
    assert_int_equal(meter_ask(&m, 0, wrong, sizeof(wrong), answer), 0);
}

static void test_read_only_registers(void **state)
{
    (void)state;
    struct meter m;
    uint16_t w[4] = {0};
    const unsigned addresses[] = {0x03,  0x12,  0x30,  0x70,  0x80,  0x19e,
                                  0x220, 0x222, 0x300, 0x500, 0xffff};
    new_meter(&m, KPM31_BK);
    for (size_t k = 0; k < sizeof(addresses) / sizeof(addresses[0]); k++) {
        assert_int_equal(meter_write(&m, addresses[k], 1, w), BAD_ADDRESS);
        assert_int_equal(meter_write(&m, addresses[k], 2, w), BAD_ADDRESS);
    }
    assert_int_equal(meter_write(&m, 0x00, 4, w), BAD_ADDRESS);
    assert_int_equal(meter_write(&m, 0x02, 2, w), BAD_ADDRESS);
    assert_int_equal(meter_write(&m, 0x0c, 2, w), BAD_ADDRESS);
    assert_int_equal(meter_write(&m, 0x24, 3, w), BAD_ADDRESS);
}

/* ---- Settings ---- */

static void test_password_address_baud(void **state)
{
    (void)state;
    struct meter m;
    struct mg_fw_outputs out;
    uint8_t answer[MG_PDU_MAX];
    const uint8_t to_42[] = {16, 0, 1, 0, 1, 2, 0, 42};
    const uint8_t echo[] = {16, 0, 1, 0, 1};
    uint16_t w[3];
    new_meter(&m, KPM31_A);
    assert_int_equal(meter_write_one(&m, 0, 10000), BAD_VALUE);
    assert_int_equal(meter_write_one(&m, 1, 0), BAD_VALUE);
    assert_int_equal(meter_write_one(&m, 1, 248), BAD_VALUE);
    assert_int_equal(meter_write_one(&m, 1, 0x0101), BAD_VALUE);
    assert_int_equal(meter_write_one(&m, 2, 0), BAD_VALUE);
    assert_int_equal(meter_write_one(&m, 2, 5), BAD_VALUE);
    assert_int_equal(meter_write_one(&m, 2, 0x0104), BAD_VALUE);
    assert_int_equal(meter_write_one(&m, 0, 1234), 0);
    assert_int_equal(meter_write_one(&m, 2, 1), 0);
    /* Answered under the old address, then gone from there. */
    assert_int_equal(meter_ask(&m, METER_UNIT, to_42, 8, answer), 5);
    assert_memory_equal(answer, echo, 5);
    assert_int_equal(meter_ask(&m, METER_UNIT, to_42, 8, answer), 0);
    meter_power_cycle(&m, 1000);
    kpm31_firmware.outputs(m.state, &out);
    assert_int_equal(out.unit, 42);
    assert_int_equal(out.baud, 1200);
    meter_read(&m, 0, 3, w);
    assert_int_equal(w[0], 1234);
    assert_int_equal(w[1], 42);
    assert_int_equal(w[2], 1);
    const uint16_t all[3] = {6666, 8, 3};
    const uint16_t half_bad[3] = {1, 9, 9};
    assert_int_equal(meter_write(&m, 0, 3, all), 0);
    assert_int_equal(meter_write(&m, 0, 3, half_bad), BAD_VALUE);
    meter_read(&m, 0, 3, w);
    assert_memory_equal(w, all, sizeof(all));
}

static void test_every_baud(void **state)
{
    (void)state;
    struct meter m;
    const uint32_t bauds[] = {1200, 2400, 4800, 9600};
    new_meter(&m, KPM31_A);
    for (uint16_t code = 1; code <= 4; code++) {
        struct mg_fw_outputs out;
        assert_int_equal(meter_write_one(&m, 2, code), 0);
        kpm31_firmware.outputs(m.state, &out);
        assert_int_equal(out.baud, bauds[code - 1]);
    }
}

static void test_schedule_values(void **state)
{
    (void)state;
    struct meter m;
    uint16_t w[17], before[17];
    new_meter(&m, KPM31_A);
    meter_read(&m, 0x200, 17, before);
    assert_int_equal(meter_write_one(&m, 0x200, 0), BAD_VALUE);
    assert_int_equal(meter_write_one(&m, 0x200, 9), BAD_VALUE);
    assert_int_equal(meter_write_one(&m, 0x200, 0x105), BAD_VALUE);
    assert_int_equal(meter_write_one(&m, 0x202, 0), BAD_VALUE);
    assert_int_equal(meter_write_one(&m, 0x202, 5), BAD_VALUE);
    assert_int_equal(meter_write_one(&m, 0x202, 0x101), BAD_VALUE);
    assert_int_equal(meter_write_one(&m, 0x201, 0x0a00), BAD_VALUE); /* equal */
    assert_int_equal(meter_write_one(&m, 0x201, 0x0b00), BAD_VALUE); /* after */
    assert_int_equal(meter_write_one(&m, 0x201, 0x003c), BAD_VALUE);
    assert_int_equal(meter_write_one(&m, 0x209, 0x1800), BAD_VALUE);
    assert_int_equal(meter_write_one(&m, 0x200, 6), BAD_VALUE); /* 6th is 0 */
    meter_read(&m, 0x200, 17, w);
    assert_memory_equal(w, before, sizeof(w));
    assert_int_equal(meter_write_one(&m, 0x201, 0x0959), BAD_VALUE);
    assert_int_equal(meter_write_one(&m, 0x201, 0x093b), 0);
    assert_int_equal(meter_write_one(&m, 0x200, 1), 0);
}

/* What a tool writes, as the vector of manual 4.1; and what does not fit. */
static void test_tariff_request(void **state)
{
    (void)state;
    static const struct mg_fw_period day[] = {
        {6, 0, 1}, {10, 0, 2}, {12, 0, 1}, {15, 0, 3}, {23, 0, 4}};
    const uint16_t want[] = {5,      0x0600, 1, 0x0a00, 2, 0x0c00, 1, 0x0f00, 3,
                             0x1700, 4,      0, 0,      0, 0,      0, 0};
    const struct mg_fw_period wrong = {6, 0, 5};
    struct mg_fw_period many[9] = {{0, 0, 1}};
    uint8_t pdu[MG_PDU_MAX], answer[MG_PDU_MAX];
    uint16_t w[17];
    struct meter m;
    new_meter(&m, KPM31_A);
    assert_int_equal(meter_write_one(&m, 0x200, 1), 0);
    size_t len = kpm31_firmware.tariff_request(day, 5, pdu, sizeof pdu);
    assert_int_equal(len, 40);
    assert_int_equal(meter_ask(&m, METER_UNIT, pdu, len, answer), 5);
    meter_read(&m, 0x200, 17, w);
    assert_memory_equal(w, want, sizeof want);
    len = kpm31_firmware.tariff_request(&wrong, 1, pdu, sizeof pdu);
    assert_int_equal(meter_ask(&m, METER_UNIT, pdu, len, answer), 2);
    assert_int_equal(answer[0], 0x90);
    assert_int_equal(kpm31_firmware.tariff_request(many, 9, pdu, sizeof pdu),
                     0);
    assert_int_equal(kpm31_firmware.tariff_request(day, 5, pdu, 39), 0);
}

/* ---- Clear ---- */

static void test_clear(void **state)
{
    (void)state;
    struct meter m;
    new_meter(&m, KPM31_BK);
    m.flow = (struct flow){230000, 50000, {600, -800}, 50000};
    meter_run_s(&m, 1000);
    assert_int_equal(kpm31_firmware.set_input(m.state, 0, true), MG_OK);
    meter_run_s(&m, 1000);
    meter_power_cycle(&m, INT64_C(31) * 86400000);
    meter_run_s(&m, 1000);
    uint64_t pulses = meter_output_pulses(&m);
    assert_int_equal(meter_write_one(&m, 0x0c, 0x55ab), BAD_VALUE);
    assert_true(meter_pulses(&m, 0x80) > 0);
    assert_true(meter_pulses(&m, 0x300) > 0);
    assert_int_equal(
        kpm31_firmware.set(m.state, MG_CH(ENERGY_ACTIVE, TOTAL), 7), MG_OK);
    assert_int_equal(meter_write_one(&m, 0x0c, 0x55aa), 0);
    for (unsigned k = 0; k < 144; k++) {
        assert_int_equal(meter_bits(&m, 0x80 + 2 * k), 0);
        assert_int_equal(meter_bits(&m, 0x300 + 2 * k), 0);
        assert_int_equal(meter_bits(&m, 0x500 + 2 * k), 0);
    }
    assert_int_equal(meter_output_pulses(&m), pulses);
    /* Not even the part below a pulse is left. */
    m.active[0] = 0;
    meter_ticks(&m, 3);
    assert_int_equal(meter_pulses(&m, 0x80), m.active[0] / PULSE_SUM);
}

/* ---- Relay ---- */

static void test_relay(void **state)
{
    (void)state;
    struct meter m;
    uint8_t answer[MG_PDU_MAX];
    const uint8_t ask[] = {1, 0, 1, 0, 1};
    const uint8_t open[] = {5, 0, 1, 0, 0};
    const uint8_t close[] = {5, 0, 1, 0xff, 0};
    new_meter(&m, KPM31_B);
    assert_true(meter_has_load(&m));
    assert_int_equal(meter_ask(&m, METER_UNIT, ask, 5, answer), 3);
    assert_memory_equal(answer, "\x01\x01\x01", 3);
    assert_int_equal(meter_ask(&m, METER_UNIT, open, 5, answer), 5);
    assert_memory_equal(answer, open, 5);
    assert_false(meter_has_load(&m));
    meter_power_cycle(&m, 1000); /* it latches */
    assert_false(meter_has_load(&m));
    assert_int_equal(meter_ask(&m, METER_UNIT, ask, 5, answer), 3);
    assert_memory_equal(answer, "\x01\x01\x00", 3);
    assert_int_equal(meter_ask(&m, METER_UNIT, close, 5, answer), 5);
    assert_memory_equal(answer, close, 5);
    assert_true(meter_has_load(&m));
    assert_int_equal(refusal(&m, "\x05\x00\x01\x00\x01", 5), BAD_VALUE);
    assert_int_equal(refusal(&m, "\x05\x00\x01\xff\xff", 5), BAD_VALUE);
    assert_int_equal(refusal(&m, "\x05\x00\x01\x01\x00", 5), BAD_VALUE);
    assert_int_equal(refusal(&m, "\x05\x00\x00\xff\x00", 5), BAD_ADDRESS);
    assert_int_equal(refusal(&m, "\x05\x00\x02\xff\x00", 5), BAD_ADDRESS);
    assert_int_equal(refusal(&m, "\x01\x00\x00\x00\x01", 5), BAD_ADDRESS);
    assert_int_equal(refusal(&m, "\x01\x00\x01\x00\x02", 5), BAD_ADDRESS);
    assert_int_equal(refusal(&m, "\x01\x00\x01\x00\x00", 5), BAD_VALUE);
    assert_int_equal(refusal(&m, "\x01\x00\x01\x07\xd1", 5), BAD_VALUE);
    assert_true(meter_has_load(&m));
}

static void test_variant_a_has_no_relay(void **state)
{
    (void)state;
    struct meter m;
    new_meter(&m, KPM31_A);
    assert_int_equal(refusal(&m, "\x01\x00\x01\x00\x01", 5), BAD_ADDRESS);
    assert_int_equal(refusal(&m, "\x05\x00\x01\x00\x00", 5), BAD_ADDRESS);
    assert_int_equal(kpm31_firmware.set(m.state, MG_CH(RELAY_CLOSED, TOTAL), 0),
                     MG_E_NOSUP);
    assert_true(meter_has_load(&m));
}

/* ---- Clock ---- */

static void check_clock(struct meter *m, const uint8_t want[6])
{
    uint16_t w[3];
    meter_read(m, 0x23, 3, w);
    for (size_t k = 0; k < 3; k++) {
        assert_int_equal(w[k] >> 8, want[2 * k]);
        assert_int_equal(w[k] & 0xff, want[2 * k + 1]);
    }
}

static int set_clock(struct meter *m, const uint8_t bytes[6])
{
    uint16_t w[3];
    for (size_t k = 0; k < 3; k++) {
        w[k] = (uint16_t)(bytes[2 * k] << 8 | bytes[2 * k + 1]);
    }
    return meter_write(m, 0x23, 3, w);
}

static void test_clock_runs(void **state)
{
    (void)state;
    struct meter m;
    new_meter(&m, KPM31_A);
    meter_run_s(&m, 3661);
    check_clock(&m, (const uint8_t[]){24, 3, 15, 1, 1, 1});
    meter_power_cycle(&m, 86400000);
    check_clock(&m, (const uint8_t[]){24, 3, 16, 1, 1, 1});
    const uint8_t leap[6] = {28, 2, 28, 23, 59, 58};
    assert_int_equal(set_clock(&m, leap), 0);
    meter_run_s(&m, 3);
    check_clock(&m, (const uint8_t[]){28, 2, 29, 0, 0, 1});
    meter_power_cycle(&m, 86400000);
    check_clock(&m, (const uint8_t[]){28, 3, 1, 0, 0, 1});
}

static void test_clock_refuses_no_dates(void **state)
{
    (void)state;
    struct meter m;
    const uint8_t bad[][6] = {
        {100, 1, 1, 0, 0, 0}, {24, 0, 1, 0, 0, 0},  {24, 13, 1, 0, 0, 0},
        {24, 1, 0, 0, 0, 0},  {24, 1, 32, 0, 0, 0}, {24, 4, 31, 0, 0, 0},
        {23, 2, 29, 0, 0, 0}, {24, 2, 30, 0, 0, 0}, {24, 1, 1, 24, 0, 0},
        {24, 1, 1, 0, 60, 0}, {24, 1, 1, 0, 0, 60}};
    new_meter(&m, KPM31_A);
    for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
        assert_int_equal(set_clock(&m, bad[k]), BAD_VALUE);
    }
    check_clock(&m, (const uint8_t[]){24, 3, 15, 0, 0, 0});
    assert_int_equal(set_clock(&m, (const uint8_t[]){24, 2, 29, 23, 59, 59}),
                     0);
    assert_int_equal(set_clock(&m, (const uint8_t[]){0, 1, 1, 0, 0, 0}), 0);
    assert_int_equal(set_clock(&m, (const uint8_t[]){99, 12, 31, 23, 59, 59}),
                     0);
}

static void test_set_clock_settles(void **state)
{
    (void)state;
    struct meter m;
    new_meter(&m, KPM31_A);
    m.flow = (struct flow){230000, 50000, in_phase, 50000};
    meter_run_s(&m, 36);
    int64_t n = meter_pulses(&m, 0x80);
    assert_int_equal(set_clock(&m, (const uint8_t[]){24, 4, 1, 0, 5, 0}), 0);
    assert_int_equal(meter_pulses(&m, 0x9c), 0);
    assert_int_equal(meter_pulses(&m, 0x9e), n);
    /* Put right: the end of the month is not settled twice. */
    assert_int_equal(set_clock(&m, (const uint8_t[]){24, 3, 31, 23, 59, 59}),
                     0);
    meter_run_s(&m, 10);
    assert_int_equal(meter_pulses(&m, 0x9e), n);
    assert_true(meter_pulses(&m, 0x9c) > 0);
    /* From a clock that was years ahead back to the truth. */
    assert_int_equal(set_clock(&m, (const uint8_t[]){34, 1, 1, 0, 0, 0}), 0);
    assert_int_equal(meter_pulses(&m, 0x9e), 0);
    assert_int_equal(set_clock(&m, (const uint8_t[]){24, 4, 30, 23, 59, 59}),
                     0);
    meter_run_s(&m, 2);
    assert_true(meter_pulses(&m, 0x9e) > 0);
}

static void test_lost_clock(void **state)
{
    (void)state;
    struct meter m;
    uint16_t w;
    new_meter(&m, KPM31_A);
    m.flow = (struct flow){230000, 50000, in_phase, 50000};
    meter_run_s(&m, 36);
    int64_t n = meter_pulses(&m, 0x9c);
    assert_int_equal(kpm31_firmware.fault(m.state, MG_FW_FAULT_CLOCK), MG_OK);
    check_clock(&m, (const uint8_t[]){0, 1, 1, 0, 0, 0});
    meter_power_cycle(&m, 10000);
    check_clock(&m, (const uint8_t[]){0, 1, 1, 0, 0, 10});
    meter_read(&m, 0x220, 1, &w);
    assert_int_equal(w, 2);
    assert_int_equal(meter_pulses(&m, 0x9c), n); /* nothing was settled */
    assert_int_equal(set_clock(&m, (const uint8_t[]){24, 3, 15, 0, 1, 0}), 0);
    assert_int_equal(meter_pulses(&m, 0x9c), n);
    meter_read(&m, 0x220, 1, &w);
    assert_int_equal(w, 0);
}

static void test_clock_at_the_ends_of_time(void **state)
{
    (void)state;
    struct meter m;
    const int64_t starts[] = {0, -1, INT64_MIN, INT64_MAX,
                              INT64_C(946684799999)};
    for (size_t k = 0; k < sizeof(starts) / sizeof(starts[0]); k++) {
        meter_new(&m, KPM31_A, starts[k]);
        meter_run_s(&m, 0);
        uint16_t w[3];
        meter_read(&m, 0x23, 3, w);
    }
    meter_new(&m, KPM31_A, INT64_C(4102444799000)); /* 2099-12-31 23:59:59 */
    meter_run_s(&m, 2);
    check_clock(&m, (const uint8_t[]){0, 1, 1, 0, 0, 1});
}

/* ---- Back doors and faults ---- */

static void check_set(struct meter *m, mg_channel channel, unsigned address)
{
    int64_t lo, hi, tolerance;
    assert_int_equal(kpm31_firmware.range(channel, &lo, &hi, &tolerance),
                     MG_OK);
    int64_t scale = mg_channel_quantity(channel) == MG_Q_POWER_FACTOR ? 10000
                    : address >= 0x80                                 ? 1000000
                                                                      : 1000;
    for (int k = 0; k <= 10; k++) {
        int64_t value = lo + (hi - lo) / 10 * k;
        assert_int_equal(kpm31_firmware.set(m->state, channel, value), MG_OK);
        double error = meter_float(m, address) * (double)scale - (double)value;
        assert_true(error <= (double)tolerance + 0.5);
        assert_true(error >= -(double)tolerance - 0.5);
    }
    meter_ticks(m, 1);
    assert_true(meter_float(m, address) * (double)scale < (double)hi);
}

#define ENERGY(kind, tariff, period)                                           \
    MG_CHANNEL(MG_Q_ENERGY_##kind, MG_PHASE_TOTAL, tariff, period)

static void test_back_door(void **state)
{
    (void)state;
    struct meter m;
    new_meter(&m, KPM31_A);
    const struct {
        mg_channel channel;
        unsigned address;
    } singles[] = {
        {MG_CH(VOLTAGE, L1), 0x30},
        {MG_CH(VOLTAGE, TOTAL), 0x30},
        {MG_CH(CURRENT, L1), 0x32},
        {MG_CH(POWER_ACTIVE, TOTAL), 0x34},
        {MG_CH(POWER_REACTIVE, TOTAL), 0x36},
        {MG_CH(POWER_APPARENT, TOTAL), 0x38},
        {MG_CH(POWER_FACTOR, TOTAL), 0x3a},
        {MG_CH(FREQUENCY, TOTAL), 0x3c},
        {MG_CH(DEMAND_APPARENT, TOTAL), 0x70},
        {MG_CH(ENERGY_ACTIVE, TOTAL), 0x80},
        {MG_CH(ENERGY_ACTIVE_IMPORT, TOTAL), 0x82},
        {MG_CH(ENERGY_ACTIVE_EXPORT, TOTAL), 0x84},
        {MG_CH(ENERGY_REACTIVE, TOTAL), 0x86},
        {MG_CH(ENERGY_REACTIVE_IMPORT, TOTAL), 0x88},
        {MG_CH(ENERGY_REACTIVE_EXPORT, TOTAL), 0x8a},
        {ENERGY(ACTIVE, 1, 0), 0x8c},
        {ENERGY(ACTIVE, 4, 0), 0x92},
        {ENERGY(REACTIVE, 1, 0), 0x94},
        {ENERGY(REACTIVE, 4, 0), 0x9a},
        {ENERGY(ACTIVE, 0, MG_PERIOD_CURRENT), 0x9c},
        {ENERGY(ACTIVE, 0, MG_PERIOD_PREVIOUS(12)), 0xb4},
        {ENERGY(REACTIVE, 0, MG_PERIOD_CURRENT), 0xb6},
        {ENERGY(ACTIVE, 1, MG_PERIOD_PREVIOUS(1)), 0xd2},
        {ENERGY(REACTIVE, 2, MG_PERIOD_PREVIOUS(3)), 0x124},
        {ENERGY(ACTIVE, 3, MG_PERIOD_PREVIOUS(12)), 0x150},
        {ENERGY(REACTIVE, 3, MG_PERIOD_CURRENT), 0x152},
        {ENERGY(ACTIVE, 4, MG_PERIOD_CURRENT), 0x16c},
        {ENERGY(REACTIVE, 4, MG_PERIOD_PREVIOUS(12)), 0x19e},
    };
    for (size_t k = 0; k < sizeof(singles) / sizeof(singles[0]); k++) {
        check_set(&m, singles[k].channel, singles[k].address);
    }
}

static void test_no_such_back_door(void **state)
{
    (void)state;
    struct meter m;
    int64_t lo, hi, tolerance;
    const mg_channel none[] = {MG_CH(VOLTAGE, L2),
                               MG_CH(SERIAL, TOTAL),
                               MG_CH(VOLTAGE_LL, TOTAL),
                               MG_CHANNEL(MG_Q_VOLTAGE, MG_PHASE_L1, 1, 0),
                               MG_CHANNEL(MG_Q_VOLTAGE, MG_PHASE_L1, 0, 1),
                               ENERGY(ACTIVE, 5, 0),
                               ENERGY(ACTIVE, 0, MG_PERIOD_PREVIOUS(13)),
                               ENERGY(ACTIVE_IMPORT, 1, 0),
                               ENERGY(ACTIVE_EXPORT, 0, 1),
                               ENERGY(APPARENT, 0, 0),
                               UINT32_MAX};
    new_meter(&m, KPM31_BK);
    for (size_t k = 0; k < sizeof(none) / sizeof(none[0]); k++) {
        assert_int_equal(kpm31_firmware.set(m.state, none[k], 1), MG_E_NOSUP);
        assert_int_equal(kpm31_firmware.range(none[k], &lo, &hi, &tolerance),
                         MG_E_NOSUP);
    }
}

static void test_back_door_of_settings(void **state)
{
    (void)state;
    struct meter m;
    uint16_t w[3];
    new_meter(&m, KPM31_BK);
    assert_int_equal(kpm31_firmware.set(m.state, MG_CH(BUS_ADDRESS, TOTAL), 99),
                     MG_OK);
    assert_int_equal(kpm31_firmware.set(m.state, MG_CH(BAUD, TOTAL), 2400),
                     MG_OK);
    meter_read(&m, 0, 3, w);
    assert_int_equal(w[1], 99);
    assert_int_equal(w[2], 2);
    assert_int_equal(meter_unit_now(&m), METER_UNIT); /* it is only shown */
    assert_int_equal(meter_write_one(&m, 0, 1), 0);
    assert_int_equal(meter_unit_now(&m), METER_UNIT);
    assert_int_equal(kpm31_firmware.set(m.state, MG_CH(BAUD, TOTAL), 19200),
                     MG_E_RANGE);
    assert_int_equal(kpm31_firmware.set(m.state, MG_CH(RELAY_CLOSED, TOTAL), 0),
                     MG_OK);
    assert_false(meter_has_load(&m));
    assert_int_equal(
        kpm31_firmware.set(m.state, MG_CH(DIGITAL_INPUT, TOTAL), 1), MG_OK);
    meter_read(&m, 0x222, 1, w);
    assert_int_equal(w[0], 1);
    assert_int_equal(kpm31_firmware.set(m.state, MG_CH(METER_CLOCK, TOTAL),
                                        1709251199), /* 2024-02-29 23:59:59 */
                     MG_OK);
    check_clock(&m, (const uint8_t[]){24, 2, 29, 23, 59, 59});
    assert_int_equal(kpm31_firmware.set(m.state, MG_CH(METER_CLOCK, TOTAL), -1),
                     MG_E_RANGE);
}

static void test_measuring_fault(void **state)
{
    (void)state;
    struct meter m;
    uint16_t w;
    new_meter(&m, KPM31_A);
    m.flow = (struct flow){230000, 50000, in_phase, 50000};
    meter_run_s(&m, 10);
    int64_t n = meter_pulses(&m, 0x80);
    assert_int_equal(kpm31_firmware.set(m.state, MG_CH(VOLTAGE, L1), 230000),
                     MG_OK);
    assert_int_equal(kpm31_firmware.fault(m.state, MG_FW_FAULT_NAN), MG_OK);
    for (unsigned address = 0x30; address <= 0x3c; address += 2) {
        assert_int_equal(meter_bits(&m, address), 0x7fc00000);
    }
    assert_int_equal(meter_bits(&m, 0x70), 0x7fc00000);
    meter_read(&m, 0x220, 1, &w);
    assert_int_equal(w, 4);
    meter_run_s(&m, 10);
    assert_int_equal(meter_pulses(&m, 0x80), n);
    assert_int_equal(kpm31_firmware.fault(m.state, MG_FW_FAULT_NONE), MG_OK);
    meter_run_s(&m, 1);
    assert_true(meter_float(&m, 0x34) > 11000);
}

/* ---- Anything at all ---- */

static void random_request(struct mg_sim_rng *rng, uint8_t *request,
                           size_t *ret_len)
{
    static const uint8_t functions[] = {1, 3, 5, 16, 16, 16};
    size_t len = mg_sim_rng_below(rng, MG_PDU_MAX + 1);
    for (size_t k = 0; k < len; k++) {
        request[k] = (uint8_t)mg_sim_rng_next(rng);
    }
    if (len >= 6 && mg_sim_rng_below(rng, 4) != 0) {
        /* Near the map, and often of the right length. */
        request[0] = functions[mg_sim_rng_below(rng, 6)];
        request[1] &= 0x07;
        request[3] = 0;
        if (mg_sim_rng_below(rng, 2) != 0) {
            request[5] = (uint8_t)(len - 6);
            request[4] = (uint8_t)(request[5] / 2);
        }
    }
    *ret_len = len;
}

static void test_random_requests(void **state)
{
    (void)state;
    struct meter m;
    struct mg_sim_rng rng = {.state = 31};
    for (int k = 0; k < 100000; k++) {
        uint8_t request[MG_PDU_MAX] = {0}, answer[MG_PDU_MAX];
        size_t len;
        if (k % 1000 == 0) {
            new_meter(&m, (enum kpm31_variant)(k / 1000 % 3));
            m.flow = (struct flow){230000, 50000, in_phase, 50000};
        }
        random_request(&rng, request, &len);
        size_t n =
            meter_ask(&m, (uint8_t)meter_unit_now(&m), request, len, answer);
        assert_int_equal(n == 0, len == 0);
        assert_true(n == 0 || (answer[0] & 0x7f) == (request[0] & 0x7f));
        meter_ticks(&m, 1);
        if (k % 100 == 0) {
            meter_power_cycle(&m, 1000);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_address),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_new_meter),
        cmocka_unit_test(test_serial),
        cmocka_unit_test(test_float_bits),
        cmocka_unit_test(test_floats_against_the_host),
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_other_units_and_broadcast),
        cmocka_unit_test(test_read_only_registers),
        cmocka_unit_test(test_password_address_baud),
        cmocka_unit_test(test_every_baud),
        cmocka_unit_test(test_schedule_values),
        cmocka_unit_test(test_tariff_request),
        cmocka_unit_test(test_clear),
        cmocka_unit_test(test_relay),
        cmocka_unit_test(test_variant_a_has_no_relay),
        cmocka_unit_test(test_clock_runs),
        cmocka_unit_test(test_clock_refuses_no_dates),
        cmocka_unit_test(test_set_clock_settles),
        cmocka_unit_test(test_lost_clock),
        cmocka_unit_test(test_clock_at_the_ends_of_time),
        cmocka_unit_test(test_back_door),
        cmocka_unit_test(test_no_such_back_door),
        cmocka_unit_test(test_back_door_of_settings),
        cmocka_unit_test(test_measuring_fault),
        cmocka_unit_test(test_random_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
