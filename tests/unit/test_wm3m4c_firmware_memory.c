/* The simulated WM3M4C: EEPROM, power loss, reset, errors, lock, passwords.
 * WM3M4 manual V1.07, 4.3, 4.6.1, 5.1, 5.5.17, 5.5.18, 5.6. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "wm3m4c_meter.h"

#include "../../plugins/wm3m4c/firmware.h"

static const struct angle in_phase = {1000, 0};

#define SLOTS_AT 0x200 /* of the energies; 3 of them */
#define SLOT_LEN 139

static void fault(struct meter *m, enum mg_fw_fault kind)
{
    assert_int_equal(wm3m4c_firmware.fault(m->state, kind), MG_OK);
}

static void charge(struct meter *m)
{
    meter_new(m);
    meter_load(m, 20000, in_phase); /* 13.8 kW: 3.83 Wh a second */
    meter_run_s(m, 1);
    meter_set_time(m, UTC_2022_11_11);
    meter_dataset(m, DATASET);
    assert_int_equal(meter_write(m, 47076, 1), 0);
    assert_int_equal(meter_write(m, 40012, 1), 0);
    assert_int_equal(meter_command(m, 'B'), 15);
}

/* ---- Saving ---- */

/* What is in the EEPROM when the supply goes without a warning. */
static uint32_t kept_wh(const struct meter *m)
{
    static struct meter copy;
    copy = *m;
    meter_start(&copy);
    return meter_wide(&copy, 30418);
}

static void test_saves_while_idle(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, 20000, in_phase);
    meter_run_s(&m, 3599);
    assert_int_equal(kept_wh(&m), 0);
    meter_run_s(&m, 1);
    assert_int_equal(kept_wh(&m), 13800);
    meter_run_s(&m, 3599);
    assert_int_equal(kept_wh(&m), 13800);
    meter_power_cycle(&m); /* low voltage */
    assert_int_equal(meter_wide(&m, 30418), 27596);
}

static void test_saves_while_charging(void **state)
{
    (void)state;
    struct meter m;
    charge(&m);
    uint32_t at_begin = kept_wh(&m);
    assert_int_equal(at_begin, 5); /* with the command, then with the number */
    meter_run_s(&m, 299);
    assert_int_equal(kept_wh(&m), at_begin);
    meter_run_s(&m, 1);
    assert_in_range(kept_wh(&m), at_begin + 1149, at_begin + 1151);
    meter_run_s(&m, 100);
    assert_int_equal(meter_command(&m, 'T'), 15); /* each event */
    assert_in_range(kept_wh(&m), at_begin + 1530, at_begin + 1536);
}

/* The state moves with the command, before there is a signature. */
static void test_command_is_saved_at_once(void **state)
{
    (void)state;
    struct meter m;
    charge(&m);
    meter_start(&m); /* the supply went without a warning */
    assert_int_equal(meter_word(&m, 47000), 2);
    meter_set_time(&m, UTC_2022_11_11 + 60);
    meter_dataset(&m, DATASET);
    assert_int_equal(meter_write(&m, 47051, 0x4500), 0);
    meter_start(&m);
    assert_int_equal(meter_word(&m, 47000), 0);
    assert_int_equal(meter_wide(&m, 47019), UTC_2022_11_11 + 60);
}

/* Nothing below a pulse is lost by going off and on. */
static void test_remainder_is_kept(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, 100, in_phase); /* 69 W: 1 Wh in 52.2 s */
    for (unsigned k = 0; k < 360; k++) {
        meter_run_s(&m, 10);
        meter_power_cycle(&m);
    }
    assert_int_equal(meter_wide(&m, 30418), 69);
}

static void spoil(struct meter *m, unsigned slot)
{
    m->nv[SLOTS_AT + slot * SLOT_LEN + 20] ^= 4;
}

/* Any one or two of three copies may be bad (manual 4.3). */
static void test_damaged_slots(void **state)
{
    (void)state;
    for (unsigned mask = 0; mask < 8; mask++) {
        struct meter m;
        meter_new(&m);
        meter_load(&m, 20000, in_phase);
        for (unsigned k = 0; k < 3; k++) {
            meter_run_s(&m, 360);
            meter_power_cycle(&m);
        }
        for (unsigned slot = 0; slot < 3; slot++) {
            if ((mask >> slot & 1) != 0) {
                spoil(&m, slot);
            }
        }
        meter_start(&m);
        uint32_t wh = meter_wide(&m, 30418);
        if (mask == 7) {
            assert_int_equal(wh, 0);
            assert_int_equal(meter_word(&m, 49000), 1);
        } else {
            assert_true(wh == 4140 || wh == 2760 || wh == 1380);
            assert_int_equal(meter_word(&m, 49000), 0);
        }
    }
}

static void test_all_copies_bad(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, 20000, in_phase);
    meter_run_s(&m, 3600);
    fault(&m, MG_FW_FAULT_NV_ALL);
    meter_power_cycle(&m);
    assert_int_equal(meter_wide(&m, 30418), 0);
    assert_int_equal(meter_word(&m, 49000), 1);
    meter_run_s(&m, 3600); /* no plausible value grows from there */
    assert_int_equal(meter_wide(&m, 30418), 0);
    meter_set_time(&m, UTC_2022_11_11);
    meter_dataset(&m, DATASET);
    assert_int_equal(meter_command(&m, 'B'), 129);
    assert_int_equal(meter_command(&m, 'f'), 129);
    fault(&m, MG_FW_FAULT_NONE);
    meter_power_cycle(&m);
    assert_int_equal(meter_word(&m, 49000), 1); /* needs to be replaced */
}

static void test_cut_off_save(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, 20000, in_phase);
    meter_run_s(&m, 3700);
    fault(&m, MG_FW_FAULT_NV_SLOT);
    meter_power_cycle(&m);
    assert_int_equal(meter_wide(&m, 30418), 13800);
    assert_int_equal(meter_word(&m, 49000), 0);
}

/* Unsaved settings are gone, saved ones are there (register 40012). */
static void test_settings(void **state)
{
    (void)state;
    struct meter m;
    char text[41];
    meter_new(&m);
    static const uint16_t name[] = {0x4261, 0x7920, 0x3700};
    assert_int_equal(meter_write_many(&m, 40101, 3, name), 0);
    assert_int_equal(meter_write(&m, 40140, 0x2121), 0);
    assert_int_equal(meter_write(&m, 40174, 60), 0);
    assert_int_equal(meter_write(&m, 47053, 120), 0);
    assert_int_equal(meter_write(&m, 40012, 1), 0);
    assert_int_equal(meter_write(&m, 40174, 5), 0);
    assert_int_equal(meter_write(&m, 47053, (uint16_t)-60), 0);
    meter_power_cycle(&m);
    meter_text(&m, 40101, 5, text);
    assert_string_equal(text, "Bay 7");
    assert_int_equal(meter_word(&m, 40140), 0x2121);
    assert_int_equal(meter_word(&m, 40174), 60);
    assert_int_equal(meter_word(&m, 47053), 120);
    assert_int_equal(meter_write(&m, 40012, 2), 3);
    assert_int_equal(meter_write(&m, 40174, 4), 3);
    assert_int_equal(meter_write(&m, 40174, 61), 3);
}

static void test_line_settings(void **state)
{
    (void)state;
    struct meter m;
    struct mg_fw_outputs out;
    static const uint32_t bauds[] = {1200,  2400,  4800,  9600,
                                     19200, 38400, 57600, 115200};
    meter_new(&m);
    assert_int_equal(meter_word(&m, 40203), 7);
    for (uint16_t code = 0; code < 8; code++) {
        assert_int_equal(meter_write(&m, 40203, code), 0);
        wm3m4c_firmware.outputs(m.state, &out);
        assert_int_equal(out.baud, bauds[code]);
    }
    static const uint16_t both[] = {4, 1, 2, 0};
    assert_int_equal(meter_write_many(&m, 40203, 4, both), 0);
    assert_int_equal(meter_word(&m, 40205), 2);
    assert_int_equal(meter_write(&m, 40203, 8), 3);
    assert_int_equal(meter_write(&m, 40204, 2), 3);
    assert_int_equal(meter_write(&m, 40205, 3), 3);
    assert_int_equal(meter_write(&m, 40206, 1), 3);
    /* Whole or not at all. */
    static const uint16_t wrong[] = {5, 0, 3, 0};
    assert_int_equal(meter_write_many(&m, 40203, 4, wrong), 3);
    assert_int_equal(meter_word(&m, 40203), 4);
    assert_int_equal(meter_word(&m, 40204), 1);
}

/* ---- Power loss and reset while charging ---- */

static void test_power_loss(void **state)
{
    (void)state;
    struct meter m;
    charge(&m);
    uint32_t start = meter_wide(&m, 47017);
    meter_run_s(&m, 60);
    uint32_t duration = meter_wide(&m, 47001);
    meter_power_cycle(&m);
    assert_int_equal(meter_word(&m, 47000), 2);
    assert_int_equal(meter_word(&m, 47071), 0);
    assert_int_equal(meter_wide(&m, 47007), 0); /* no battery */
    assert_int_equal(meter_wide(&m, 47015), UTC_2022_11_11);
    assert_int_equal(meter_wide(&m, 47017), start);
    meter_run_s(&m, 60); /* it goes on measuring */
    assert_int_equal(meter_wide(&m, 47001), duration + 60);
    assert_int_equal(meter_command(&m, 'r'), 128);
    meter_set_time(&m, UTC_2022_11_11 + 600);
    assert_int_equal(meter_command(&m, 'r'), 253);
    meter_dataset(&m, DATASET);
    assert_int_equal(meter_command(&m, 'r'), 15);
    assert_int_equal(meter_word(&m, 47000), 0);
    assert_non_null(strstr(
        m.message, "{\"TM\":\"2022-11-11T13:22:28,000+0000 S\",\"TX\":\"B\","
                   "\"RV\":0.00,\"RI\":\"1-b:1.8.0\",\"RU\":\"kWh\",\"RT\":"
                   "\"AC\",\"EF\":\"\",\"ST\":\"G\"},{\"TM\":\"2022-11-11T13:"
                   "32:28,000+0000 S\",\"TX\":\"E\",\"RV\":0.46,\"RI\":"
                   "\"1-b:1.8.0\",\"RU\":\"kWh\",\"RT\":\"AC\",\"EF\":\"t\","
                   "\"ST\":\"G\"}]}"));
    /* The next one is free of it. */
    assert_int_equal(meter_command(&m, 'B'), 15);
    assert_int_equal(meter_command(&m, 'r'), 15);
    assert_null(strstr(m.message, "\"EF\":\"t\""));
}

static void test_reset(void **state)
{
    (void)state;
    struct meter m;
    struct mg_fw_outputs before;
    struct mg_fw_outputs after;
    charge(&m);
    meter_run_s(&m, 299);
    wm3m4c_firmware.outputs(m.state, &before);
    fault(&m, MG_FW_FAULT_RESET);
    wm3m4c_firmware.outputs(m.state, &after);
    assert_int_equal(after.circuit[0].n_pulses, before.circuit[0].n_pulses);
    assert_int_equal(meter_word(&m, 47000), 3);
    assert_int_equal(meter_wide(&m, 30418), 5); /* the last save */
    meter_set_time(&m, UTC_2022_11_11 + 600);
    meter_dataset(&m, DATASET);
    assert_int_equal(meter_command(&m, 'r'), 15);
    assert_non_null(strstr(m.message, "\"TX\":\"E\",\"RV\":0.00,"));
    assert_non_null(strstr(m.message, "\"EF\":\"E\",\"ST\":\"G\"}]}"));
    /* 'i' tells it again. */
    assert_int_equal(meter_command(&m, 'i'), 15);
    assert_non_null(strstr(m.message, "\"EF\":\"E\",\"ST\":\"G\"}]}"));
}

static void test_reset_and_power_loss(void **state)
{
    (void)state;
    struct meter m;
    charge(&m);
    fault(&m, MG_FW_FAULT_RESET);
    meter_power_cycle(&m);
    assert_int_equal(meter_word(&m, 47000), 3);
    meter_set_time(&m, UTC_2022_11_11 + 600);
    meter_dataset(&m, DATASET);
    assert_int_equal(meter_command(&m, 'C'), 15);
    assert_non_null(strstr(m.message, "\"EF\":\"Et\""));
    assert_int_equal(meter_word(&m, 47000), 3);
    assert_int_equal(meter_command(&m, 'A'), 15);
    assert_non_null(strstr(m.message, "\"TX\":\"A\""));
    assert_non_null(strstr(m.message, "\"EF\":\"Et\""));
}

static void test_reset_while_idle(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    fault(&m, MG_FW_FAULT_RESET);
    assert_int_equal(meter_word(&m, 47000), 0);
    assert_int_equal(meter_word(&m, 47052), 0);
}

/* Off in the middle of a signature: the number was seen by nobody. */
static void test_power_loss_while_signing(void **state)
{
    (void)state;
    struct meter m;
    charge(&m);
    assert_int_equal(meter_write(&m, 47051, 0x7200), 0);
    assert_int_equal(meter_word(&m, 47052), 2);
    meter_power_cycle(&m);
    assert_int_equal(meter_word(&m, 47000), 0); /* it has ended */
    assert_int_equal(meter_wide(&m, 47013), 1);
    meter_set_time(&m, UTC_2022_11_11 + 600);
    meter_dataset(&m, DATASET);
    assert_int_equal(meter_command(&m, 'i'), 15);
    assert_non_null(strstr(m.message, "\"PG\":\"T2\""));
    assert_int_equal(meter_wide(&m, 47013), 2);
}

/* ---- Errors ---- */

static void test_errors_block_the_start(void **state)
{
    (void)state;
    static const struct {
        unsigned errors, status;
    } cases[] = {{1U << 0, 129},  {1U << 2, 249},  {1U << 3, 132},
                 {1U << 4, 132},  {1U << 5, 132},  {1U << 6, 129},
                 {1U << 11, 129}, {1U << 12, 129}, {1U << 13, 129},
                 {1U << 14, 129}, {1U << 15, 247}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct meter m;
        meter_blank(&m);
        m.options.errors = cases[k].errors;
        meter_start(&m);
        meter_set_time(&m, UTC_2022_11_11);
        meter_dataset(&m, DATASET);
        assert_int_equal(meter_word(&m, 49000), cases[k].errors);
        assert_int_equal(meter_command(&m, 'B'), cases[k].status);
        assert_int_equal(meter_word(&m, 47000), 0);
    }
}

/* An error blocks the start, not the end of what runs. */
static void test_errors_do_not_block_the_end(void **state)
{
    (void)state;
    struct meter m;
    charge(&m);
    m.options.errors = 1U << 6;
    assert_int_equal(meter_command(&m, 'r'), 15);
    assert_int_equal(meter_command(&m, 'B'), 129);
}

static void test_lock(void **state)
{
    (void)state;
    struct meter m;
    meter_blank(&m);
    m.options.is_locked = 0;
    meter_start(&m);
    meter_set_time(&m, UTC_2022_11_11);
    meter_dataset(&m, DATASET);
    assert_int_equal(meter_word(&m, 49000), 1U << 2);
    assert_int_equal(meter_command(&m, 'B'), 249);
    assert_int_equal(meter_write(&m, 47097, 1), 4);
    assert_int_equal(meter_write(&m, 47098, 12344), 3);
    assert_int_equal(meter_write(&m, 47098, 12345), 0);
    meter_run_s(&m, 60);
    assert_int_equal(meter_write(&m, 47097, 1), 4);
    assert_int_equal(meter_write(&m, 47098, 12345), 0);
    meter_run_s(&m, 59);
    assert_int_equal(meter_write(&m, 47097, 1), 0);
    assert_int_equal(meter_word(&m, 47097), 1);
    assert_int_equal(meter_word(&m, 49000), 0);
    assert_int_equal(meter_write(&m, 47098, 12345), 0);
    assert_int_equal(meter_write(&m, 47097, 0), 4); /* for good */
    meter_power_cycle(&m);
    assert_int_equal(meter_word(&m, 47097), 1);
}

/* Manual 5.1: counter settings are not enabled; a change is an error. */
static void test_counter_settings(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    uint16_t unit = meter_word(&m, 40421);
    assert_int_equal(unit & 3, 1); /* Wh */
    assert_int_equal(meter_word(&m, 40422), 6);
    assert_int_equal(meter_word(&m, 40432), 9);
    assert_int_equal(meter_write(&m, 40421, unit), 0);
    assert_int_equal(meter_write(&m, 40421, 2), 4);
    assert_int_equal(meter_write(&m, 40432, 15), 4);
    meter_run_s(&m, 60);
    assert_int_equal(meter_word(&m, 49000), 0);
    meter_blank(&m);
    m.options.is_locked = 0;
    meter_start(&m);
    assert_int_equal(meter_write(&m, 40421, 2), 0);
    assert_int_equal(meter_word(&m, 49000), 4);
    meter_run_s(&m, 60); /* checked every minute */
    assert_int_equal(meter_word(&m, 49000), 5);
}

/* ---- Passwords (manual 5.6) ---- */

static int enter(struct meter *m, const char *password)
{
    const uint16_t words[] = {
        (uint16_t)((uint8_t)password[0] << 8 | (uint8_t)password[1]),
        (uint16_t)((uint8_t)password[2] << 8 | (uint8_t)password[3])};
    return meter_write_many(m, 49007, 2, words);
}

static int set_password(struct meter *m, unsigned level, const char *password)
{
    const uint16_t words[] = {
        (uint16_t)((uint8_t)password[0] << 8 | (uint8_t)password[1]),
        (uint16_t)((uint8_t)password[2] << 8 | (uint8_t)password[3])};
    return meter_write_many(m, 49010 + 2 * (level - 1), 2, words);
}

static void test_passwords(void **state)
{
    (void)state;
    struct meter m;
    uint16_t words[4];
    meter_new(&m);
    assert_int_equal(meter_word(&m, 49009), 2); /* AAAA does not limit */
    assert_int_equal(set_password(&m, 2, "WXYZ"), 0);
    assert_int_equal(set_password(&m, 1, "PQRS"), 4);
    assert_int_equal(meter_word(&m, 49009), 1); /* PL1 is off */
    assert_int_equal(meter_write(&m, 40174, 7), 4);
    assert_int_equal(meter_write(&m, 40101, 0x4141), 4);
    assert_int_equal(enter(&m, "WXYA"), 0);
    assert_int_equal(meter_write(&m, 40174, 7), 4);
    assert_int_equal(enter(&m, "WXYZ"), 0);
    assert_int_equal(meter_word(&m, 49009), 2);
    assert_int_equal(meter_write(&m, 40174, 7), 0);
    assert_int_equal(set_password(&m, 1, "PQRS"), 0);
    meter_run_ms(&m, 59960);
    assert_int_equal(meter_write(&m, 40174, 8), 0);
    meter_run_ms(&m, 40); /* locks after a minute */
    assert_int_equal(meter_write(&m, 40174, 9), 4);
    assert_int_equal(meter_word(&m, 49009), 0);
    assert_int_equal(enter(&m, "PQRS"), 0); /* PL1 guards nothing */
    assert_int_equal(meter_word(&m, 49009), 1);
    assert_int_equal(meter_write(&m, 40174, 9), 4);
    /* Kept without being saved; never to be read. */
    meter_power_cycle(&m);
    assert_int_equal(meter_write(&m, 40174, 9), 4);
    meter_read(&m, 49010, 4, words);
    assert_int_equal(words[0] | words[1] | words[2] | words[3], 0);
    assert_int_equal(enter(&m, "wxyz"), 3);
    assert_int_equal(enter(&m, "WX1Z"), 3);
    /* Charging does not ask for it. */
    meter_set_time(&m, UTC_2022_11_11);
    meter_dataset(&m, DATASET);
    assert_int_equal(meter_command(&m, 'B'), 15);
    assert_int_equal(enter(&m, "WXYZ"), 0);
    assert_int_equal(set_password(&m, 2, "AAAA"), 0);
    meter_run_s(&m, 61);
    assert_int_equal(meter_write(&m, 40174, 9), 0);
}

/* The backup password differs from meter to meter. */
static void test_backup_password(void **state)
{
    (void)state;
    struct meter m;
    unsigned n_found = 0;
    meter_new(&m);
    assert_int_equal(set_password(&m, 2, "WXYZ"), 0);
    for (unsigned k = 0; k < 26 * 26 * 26 * 26; k++) {
        char word[5] = {(char)('A' + k / 17576), (char)('A' + k / 676 % 26),
                        (char)('A' + k / 26 % 26), (char)('A' + k % 26), 0};
        assert_int_equal(enter(&m, word), 0);
        n_found += meter_word(&m, 49009) == 2;
    }
    assert_int_equal(n_found, 2); /* the backup, and PL2 itself */
}

/* ---- Test mode (manual 4.5) ---- */

static void test_test_mode(void **state)
{
    (void)state;
    struct meter m;
    uint16_t words[8];
    meter_new(&m);
    meter_load(&m, 20, in_phase); /* 13.8 W */
    assert_int_equal(meter_read_refusal(&m, 49040, 8), 2);
    assert_int_equal(meter_write(&m, 49004, 1), 0);
    meter_run_s(&m, 120);
    meter_read(&m, 49040, 8, words);
    assert_int_equal(words[0] | words[1] | words[2], 0);
    assert_int_equal(words[3], 460); /* mWh */
    assert_int_equal(words[7], 0);
    meter_set_time(&m, UTC_2022_11_11);
    meter_dataset(&m, DATASET);
    assert_int_equal(meter_command(&m, 'B'), 133);
    assert_int_equal(meter_command(&m, 'f'), 133);
    assert_int_equal(meter_write(&m, 49004, 0), 4); /* until power-off */
    assert_int_equal(meter_write(&m, 49004, 2), 3);
    meter_power_cycle(&m);
    assert_int_equal(meter_word(&m, 49004), 0);
    assert_int_equal(meter_read_refusal(&m, 49040, 8), 2);
    charge(&m);
    assert_int_equal(meter_write(&m, 49004, 1), 4);
    assert_int_equal(meter_write(&m, 40151, 2), 4); /* nor this */
    assert_int_equal(meter_write(&m, 40151, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_saves_while_idle),
        cmocka_unit_test(test_saves_while_charging),
        cmocka_unit_test(test_command_is_saved_at_once),
        cmocka_unit_test(test_remainder_is_kept),
        cmocka_unit_test(test_damaged_slots),
        cmocka_unit_test(test_all_copies_bad),
        cmocka_unit_test(test_cut_off_save),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_line_settings),
        cmocka_unit_test(test_power_loss),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_reset_and_power_loss),
        cmocka_unit_test(test_reset_while_idle),
        cmocka_unit_test(test_power_loss_while_signing),
        cmocka_unit_test(test_errors_block_the_start),
        cmocka_unit_test(test_errors_do_not_block_the_end),
        cmocka_unit_test(test_lock),
        cmocka_unit_test(test_counter_settings),
        cmocka_unit_test(test_passwords),
        cmocka_unit_test(test_backup_password),
        cmocka_unit_test(test_test_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
