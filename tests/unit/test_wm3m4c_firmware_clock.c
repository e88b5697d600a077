/* The simulated WM3M4C: clock and display. WM3M4 manual V1.07, 4.4 to 4.6,
 * 5.5.4, 5.5.14. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "wm3m4c_meter.h"

#include "../../plugins/wm3m4c/firmware.h"

static const struct angle in_phase = {1000, 0};

/* ---- Clock ---- */

static void test_time_forms(void **state)
{
    (void)state;
    struct meter m;
    /* The manual's example: 1570096309 is 5D95 C4B5. */
    const uint16_t words[] = {0x5d95, 0xc4b5};
    meter_new(&m);
    assert_int_equal(meter_wide(&m, 47007), 0);
    assert_int_equal(meter_write(&m, 47054, 0x5d95), 0);
    assert_int_equal(meter_wide(&m, 47007), 0); /* half a time is none */
    assert_int_equal(meter_write(&m, 47055, 0xc4b5), 0);
    assert_int_equal(meter_wide(&m, 47007), 1570096309);
    meter_run_s(&m, 10);
    assert_int_equal(meter_wide(&m, 47054), 1570096319);
    assert_int_equal(meter_write_many(&m, 47054, 2, words), 0);
    assert_int_equal(meter_wide(&m, 47007), 1570096309);
}

/* Register 47073: bit 0 RS-485, bit 2 the record; 1 = UTC. */
static void check_presentation(uint16_t mask, int16_t offset_min, uint32_t told,
                               const char *time)
{
    struct meter m;
    meter_new(&m);
    assert_int_equal(meter_write(&m, 47073, mask), 0);
    assert_int_equal(meter_write(&m, 47053, (uint16_t)offset_min), 0);
    meter_set_time(&m, told);
    meter_dataset(&m, DATASET);
    assert_int_equal(meter_wide(&m, 47007), told);
    assert_int_equal(meter_wide(&m, 47054), told);
    assert_int_equal(meter_command(&m, 'B'), 15);
    assert_non_null(strstr(m.message, time));
    assert_int_equal(meter_wide(&m, 47015), told);
}

static void test_presentation(void **state)
{
    (void)state;
    uint32_t utc = UTC_2022_11_11;
    check_presentation(0, 60, utc + 3600, "2022-11-11T14:22:28,000+0100 S");
    check_presentation(1, 60, utc, "2022-11-11T14:22:28,000+0100 S");
    check_presentation(4, 60, utc + 3600, "2022-11-11T13:22:28,000+0000 S");
    check_presentation(5, 60, utc, "2022-11-11T13:22:28,000+0000 S");
    check_presentation(1, -210, utc, "2022-11-11T09:52:28,000-0330 S");
    check_presentation(1, 345, utc, "2022-11-11T19:07:28,000+0545 S");
    /* A leap day, across midnight. */
    check_presentation(1, 60, 1709161200, "2024-02-29T00:00:00,000+0100 S");
    check_presentation(1, 0, 4102444799, "2099-12-31T23:59:59,000+0000 S");
}

static void test_zone_limits(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    assert_int_equal(meter_write(&m, 47053, 840), 0);
    assert_int_equal(meter_write(&m, 47053, 841), 3);
    assert_int_equal(meter_write(&m, 47053, (uint16_t)-840), 0);
    assert_int_equal(meter_write(&m, 47053, (uint16_t)-841), 3);
}

static void test_status_letters(void **state)
{
    (void)state;
    static const char *const ends[] = {" U\"", " I\"", " S\"", " R\""};
    for (uint16_t k = 0; k < 4; k++) {
        struct meter m;
        meter_new(&m);
        meter_set_time(&m, UTC_2022_11_11);
        assert_int_equal(meter_write(&m, 47071, k), 0);
        meter_dataset(&m, DATASET);
        assert_int_equal(meter_command(&m, 'f'), 15);
        assert_non_null(strstr(m.message, ends[k]));
        assert_int_equal(meter_write(&m, 47071, 4), 3);
    }
}

static void test_status_timeout(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    assert_int_equal(meter_word(&m, 47072), 1440);
    assert_int_equal(meter_write(&m, 47072, 2), 0);
    meter_set_time(&m, UTC_2022_11_11);
    meter_run_ms(&m, 119960);
    assert_int_equal(meter_word(&m, 47071), 2);
    meter_run_ms(&m, 40);
    assert_int_equal(meter_word(&m, 47071), 0);
    assert_int_equal(meter_write(&m, 47071, 1), 0); /* told again */
    meter_run_s(&m, 119);
    assert_int_equal(meter_word(&m, 47071), 1);
    meter_power_cycle(&m);
    assert_int_equal(meter_word(&m, 47071), 0);
}

/* Manual 5.5.4: not while charging, but one step of up to 3 s. */
static void test_time_while_charging(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    assert_int_equal(meter_write(&m, 47074, 1), 4); /* no time yet */
    meter_set_time(&m, UTC_2022_11_11);
    meter_dataset(&m, DATASET);
    assert_int_equal(meter_write(&m, 47074, 3), 0);
    assert_int_equal(meter_write(&m, 47074, (uint16_t)-2), 0);
    assert_int_equal(meter_wide(&m, 47007), UTC_2022_11_11 + 1);
    assert_int_equal(meter_command(&m, 'B'), 15);
    assert_int_equal(meter_write(&m, 47054, 1), 4);
    assert_int_equal(meter_write(&m, 47055, 1), 4);
    uint32_t now = meter_wide(&m, 47007);
    assert_int_equal(meter_write(&m, 47074, 4), 3);
    assert_int_equal(meter_write(&m, 47074, (uint16_t)-4), 3);
    assert_int_equal(meter_write(&m, 47074, (uint16_t)-3), 0);
    assert_int_equal(meter_wide(&m, 47007), now - 3);
    assert_int_equal(meter_write(&m, 47074, 1), 4);
    assert_int_equal(meter_command(&m, 'E'), 15);
    assert_int_equal(meter_write(&m, 47054, 1), 0);
    assert_int_equal(meter_command(&m, 'B'), 15);
    assert_int_equal(meter_write(&m, 47074, 1), 0); /* a new charge */
}

static void test_lost_clock(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_set_time(&m, UTC_2022_11_11);
    meter_dataset(&m, DATASET);
    assert_int_equal(wm3m4c_firmware.fault(m.state, MG_FW_FAULT_CLOCK), 0);
    assert_int_equal(meter_wide(&m, 47007), 0);
    assert_int_equal(meter_word(&m, 47071), 0);
    assert_int_equal(meter_command(&m, 'B'), 128);
}

static void test_reset_register(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_set_time(&m, UTC_2022_11_11);
    meter_dataset(&m, DATASET);
    assert_int_equal(meter_command(&m, 'B'), 15);
    meter_load(&m, 20000, in_phase);
    meter_run_s(&m, 60);
    assert_int_equal(meter_write(&m, 47070, 1), 4);
    assert_int_equal(meter_command(&m, 'E'), 15);
    assert_true(meter_wide(&m, 47003) >= 230);
    assert_true(meter_wide(&m, 47001) >= 60);
    assert_int_equal(meter_write(&m, 47070, 2), 0);
    assert_true(meter_wide(&m, 47003) >= 230);
    assert_int_equal(meter_write(&m, 47070, 1), 0);
    assert_int_equal(meter_wide(&m, 47003), 0);
    assert_int_equal(meter_wide(&m, 47001), 0);
    assert_int_equal(meter_command(&m, 'B'), 15);
    meter_run_s(&m, 60);
    assert_true(meter_wide(&m, 47003) >= 230);
}

/* ---- Display ---- */

static void assert_lcd(struct meter *m, const char *top, const char *row2,
                       const char *label)
{
    const char *const want[] = {top, row2, label};
    for (unsigned k = 0; k < 3; k++) {
        char text[17];
        size_t len = strlen(want[k]);
        meter_text(m, 49014 + 8 * k, 16, text);
        assert_memory_equal(text, want[k], len);
        assert_int_equal(strspn(text + len, " "), 16 - len);
    }
}

/* A meter at work for an hour, 13.8 kW, showing what `mask` says. */
static void at_work(struct meter *m, uint16_t mask)
{
    meter_new(m);
    meter_run_s(m, 2);
    assert_int_equal(meter_write(m, 47062, mask), 0);
    assert_int_equal(meter_write(m, 47053, 60), 0);
    assert_int_equal(meter_write(m, 47073, 1), 0);
    meter_set_time(m, UTC_2022_11_11);
    meter_dataset(m, DATASET);
    assert_int_equal(meter_command(m, 'B'), 15);
    meter_load(m, 20000, in_phase);
    meter_run_s(m, 3602);
}

static void check_row2(uint16_t mask, const char *row2, const char *label)
{
    struct meter m;
    at_work(&m, mask);
    assert_lcd(&m, "000013.80", row2, label);
}

/* Manual Table 2. */
static void test_rows(void **state)
{
    (void)state;
    check_row2(1U << 0, "Run 13.80", "5C00");
    check_row2(1U << 1, "1h 00 02", "13800 W");
    check_row2(1U << 2, "1", "tr.no");
    check_row2(1U << 4, "11-11-22", "15.22");
    check_row2(1U << 5, "15.22.30", "5.Loc");
    check_row2(1U << 6, "18230001", "Sn");
    check_row2(1U << 7, "2.08", "SoF");
    check_row2(1U << 8, "000000.00", "A-");
    check_row2(0, "Run 13.80", "5C00"); /* the default */
}

static void test_row_after_charging(void **state)
{
    (void)state;
    struct meter m;
    at_work(&m, 1);
    meter_load(&m, 0, in_phase);
    assert_int_equal(meter_command(&m, 'E'), 15);
    assert_lcd(&m, "000013.80", "End 13.80", "5I00");
    assert_int_equal(meter_command(&m, 'B'), 15);
    meter_power_cycle(&m);
    meter_run_s(&m, 2);
    assert_lcd(&m, "000013.80", "Run 0.00", "uP00");
    assert_int_equal(wm3m4c_firmware.fault(m.state, MG_FW_FAULT_RESET), 0);
    meter_run_s(&m, 2);
    assert_lcd(&m, "000013.80", "Run 0.00", "ud00");
}

/* Manual 4.6.2: 47063 text, 47067 label; others are dark. */
static void test_custom_text(void **state)
{
    (void)state;
    struct meter m;
    at_work(&m, 1U << 3);
    static const uint16_t words[] = {0x4162, 0x4b31,
                                     0x7a2d, 0x3920,  /* AbK1z-9 */
                                     0x4576, 0x5321}; /* EvS! */
    assert_int_equal(meter_write_many(&m, 47063, 6, words), 0);
    assert_lcd(&m, "000013.80", "Ab 1 -9", "EvS");
    assert_int_equal(meter_word(&m, 47064), 0x4b31); /* as it was written */
}

static void test_cycle(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    assert_int_equal(meter_write(&m, 47062, 1U << 6 | 1U << 7), 0);
    assert_int_equal(meter_write(&m, 40174, 10), 0);
    meter_run_s(&m, 5);
    assert_lcd(&m, "000000.00", "18230001", "Sn");
    meter_run_s(&m, 10);
    assert_lcd(&m, "000000.00", "2.08", "SoF");
    meter_run_s(&m, 10);
    assert_lcd(&m, "000000.00", "18230001", "Sn");
    assert_int_equal(meter_write(&m, 47062, 0x200), 3);
}

/* Manual 4.6.1: "Err 0005", before all else in row 2. */
static void test_error_row(void **state)
{
    (void)state;
    struct meter m;
    meter_blank(&m);
    m.options.errors = 0x8005;
    meter_start(&m);
    meter_run_s(&m, 2);
    assert_int_equal(meter_write(&m, 47062, 0x1ff), 0);
    for (unsigned k = 0; k < 20; k++) {
        assert_lcd(&m, "000000.00", "Err 8005", "");
        meter_run_s(&m, 5);
    }
}

/* Manual 4.5, 5.5.14: at the start, and for as long as 47075 says. */
static void test_identification_screen(void **state)
{
    (void)state;
    struct meter m;
    char crc[9];
    char phase[5];
    static const char digits[] = "0123456789ABCDEF";
    meter_new(&m);
    uint32_t sum = meter_wide(&m, 49001);
    unsigned small = meter_word(&m, 49003);
    for (unsigned k = 0; k < 8; k++) {
        crc[k] = digits[sum >> (28 - 4 * k) & 0xf];
        phase[k % 4] = digits[small >> (12 - 4 * (k % 4)) & 0xf];
    }
    crc[8] = '\0';
    phase[4] = '\0';
    assert_lcd(&m, crc, phase, "2.08");
    meter_run_s(&m, 2);
    assert_lcd(&m, "000000.00", "End 0.00", "uI00");
    assert_int_equal(meter_write(&m, 47075, 10), 0);
    meter_run_ms(&m, 9960);
    assert_lcd(&m, crc, phase, "2.08");
    meter_run_ms(&m, 40);
    assert_lcd(&m, "000000.00", "End 0.00", "uI00");
    /* Another version has another sum. */
    meter_blank(&m);
    m.options.firmware_version = 205;
    meter_start(&m);
    assert_int_not_equal(meter_wide(&m, 49001), sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_forms),
        cmocka_unit_test(test_presentation),
        cmocka_unit_test(test_zone_limits),
        cmocka_unit_test(test_status_letters),
        cmocka_unit_test(test_status_timeout),
        cmocka_unit_test(test_time_while_charging),
        cmocka_unit_test(test_lost_clock),
        cmocka_unit_test(test_reset_register),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_row_after_charging),
        cmocka_unit_test(test_custom_text),
        cmocka_unit_test(test_cycle),
        cmocka_unit_test(test_error_row),
        cmocka_unit_test(test_identification_screen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
