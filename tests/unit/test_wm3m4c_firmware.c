/* The simulated WM3M4C: what it measures, counts and shows in its input
 * registers. WM3M4 manual V1.07, 4.1 to 4.6, 5.1; types of the Iskra family. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wm3m4c_meter.h"

#include "../../plugins/wm3m4c/firmware.h"

static const struct angle in_phase = {1000, 0};
static const struct angle behind = {800, 600};
static const struct angle ahead = {600, -800};
static const struct angle exporting = {-1000, 0};

static void assert_near(int64_t is, int64_t want, int64_t tolerance)
{
    if (llabs(is - want) > tolerance) {
        fail_msg("is %lld, want %lld +- %lld", (long long)is, (long long)want,
                 (long long)tolerance);
    }
}

/* ---- Identification ---- */

static void test_identification(void **state)
{
    (void)state;
    struct meter m;
    char text[17];
    meter_new(&m);
    /* The detection of the published drivers: FC04, address 1, 4 words. */
    uint8_t request[] = {4, 0, 1, 0, 4};
    uint8_t answer[MG_PDU_MAX];
    assert_int_equal(meter_ask(&m, 0x21, request, sizeof request, answer), 10);
    assert_memory_equal(answer + 2, "WM3M4C\0\0", 8);
    meter_text(&m, 30001, 16, text);
    assert_string_equal(text, "WM3M4C");
    meter_text(&m, 30009, 8, text);
    assert_string_equal(text, "18230001");
    assert_int_equal(meter_word(&m, 30013), 208);
}

static void test_plain_variant(void **state)
{
    (void)state;
    struct meter m;
    char text[17];
    meter_blank(&m);
    m.options.crypto = 0;
    meter_start(&m);
    meter_text(&m, 30001, 16, text);
    assert_string_equal(text, "WM3M4");
    assert_int_equal(meter_word(&m, 47060), 0);
    static const unsigned crypto[] = {47000, 47042, 47051, 47052, 47056,
                                      47059, 47069, 47076, 47100, 47612,
                                      48124, 48156, 48188, 48316};
    for (size_t k = 0; k < sizeof crypto / sizeof *crypto; k++) {
        assert_int_equal(meter_read_refusal(&m, crypto[k], 1), 2);
    }
    assert_int_equal(meter_write(&m, 47051, 0x4200), 2);
    assert_int_equal(meter_write(&m, 47100, 0x7b22), 2);
    assert_int_equal(meter_read_refusal(&m, 47053, 3), 0);
    assert_int_equal(meter_read_refusal(&m, 47061, 8), 0);
}

/* ---- Live values ---- */

static void test_three_phase_values(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    m.flow.u_mv[1] = 231000;
    m.flow.u_mv[2] = 229000;
    m.flow.i_ma[0] = 10000;
    m.flow.i_ma[1] = 16000;
    m.flow.i_ma[2] = 32000;
    m.flow.angle[1] = behind;
    m.flow.angle[2] = ahead;
    meter_run_s(&m, 2);
    assert_int_equal(meter_milli(&m, 30105), 50000);
    assert_int_equal(meter_milli(&m, 30107), 230000);
    assert_int_equal(meter_milli(&m, 30109), 231000);
    assert_int_equal(meter_milli(&m, 30111), 229000);
    assert_int_equal(meter_milli(&m, 30113), 230000);
    assert_int_equal(meter_milli(&m, 30126), 10000);
    assert_int_equal(meter_milli(&m, 30128), 16000);
    assert_int_equal(meter_milli(&m, 30130), 32000);
    assert_int_equal(meter_milli(&m, 30136), 19333);
    assert_int_equal(meter_milli(&m, 30138), 58000);
    assert_int_equal(meter_milli(&m, 30142), 2300000);
    assert_int_equal(meter_milli(&m, 30144), 2956800);
    assert_int_equal(meter_milli(&m, 30146), 4396800);
    assert_int_equal(meter_milli(&m, 30140), 9653600);
    assert_int_equal(meter_milli(&m, 30150), 0);
    assert_int_equal(meter_milli(&m, 30152), 2217600);
    assert_int_equal(meter_milli(&m, 30154), -5862400);
    assert_int_equal(meter_milli(&m, 30156), 2300000 + 3696000 + 7328000);
    assert_int_equal(meter_milli(&m, 30162), 7328000);
    /* T7: sign of the power, kind of the load, 1e-4. */
    assert_int_equal(meter_wide(&m, 30166), 0x00002710);
    assert_int_equal(meter_wide(&m, 30168), 0x00001f40);
    assert_int_equal(meter_wide(&m, 30170), 0x00ff1770);
    assert_int_equal(meter_word(&m, 30173), 0);
    assert_near(meter_word(&m, 30174), 3687, 1);
    assert_near((int16_t)meter_word(&m, 30175), -5313, 1);
}

static void test_between_phases(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, 10000, in_phase);
    meter_run_s(&m, 2);
    for (unsigned k = 0; k < 3; k++) {
        assert_near(meter_milli(&m, 30118 + 2 * k), 398372, 1);
        assert_int_equal(meter_word(&m, 30115 + k), 12000);
    }
    assert_near(meter_milli(&m, 30124), 398372, 1);
    assert_near(meter_milli(&m, 30132), 0, 2); /* neutral */
    m.flow.i_ma[0] = 0;
    meter_run_s(&m, 2);
    assert_near(meter_milli(&m, 30132), 10000, 2);
    m.flow.i_ma[1] = 0;
    meter_run_s(&m, 2);
    assert_near(meter_milli(&m, 30132), 10000, 2);
    for (unsigned k = 0; k < 9; k++) {
        assert_int_equal(meter_word(&m, 30182 + k), 0); /* THD */
    }
}

static void test_export(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, 10000, exporting);
    meter_run_s(&m, 2);
    assert_int_equal(meter_milli(&m, 30140), -6900000);
    assert_int_equal(meter_wide(&m, 30164), 0xff002710);
    assert_int_equal(meter_word(&m, 30172), 18000);
    meter_run_s(&m, 3598);
    assert_int_equal(meter_wide(&m, 30418), 0);
    assert_near(meter_wide(&m, 30420), 6900, 1);
}

/* The second that is running does not show (manual 4.3). */
static void test_averages_of_a_second(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_run_s(&m, 1);
    meter_load(&m, 10000, in_phase);
    meter_run_ms(&m, 960);
    assert_int_equal(meter_milli(&m, 30140), 0);
    meter_run_ms(&m, 40);
    assert_int_equal(meter_milli(&m, 30140), 6900000);
    meter_run_ms(&m, 480);
    meter_load(&m, 0, in_phase);
    meter_run_ms(&m, 520);
    assert_near(meter_milli(&m, 30140), 3312000, 10); /* 12 of 25 ticks */
}

static void test_frequency_without_l1(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    m.flow.u_mv[0] = 0;
    m.flow.u_mv[1] = 0;
    m.flow.i_ma[2] = 32000;
    meter_run_s(&m, 2);
    assert_int_equal(meter_milli(&m, 30105), 50000);
    assert_int_equal(meter_milli(&m, 30107), 0);
    assert_int_equal(meter_milli(&m, 30140), 7360000);
    assert_int_equal(meter_milli(&m, 30146), 7360000);
    assert_int_equal(meter_milli(&m, 30118), 0);
    assert_int_equal(meter_milli(&m, 30120), 230000);
    meter_run_s(&m, 3598);
    assert_near(meter_wide(&m, 30418), 7360, 1);
}

static void test_single_phase_option(void **state)
{
    (void)state;
    struct meter m;
    meter_blank(&m);
    m.options.single_phase = 1;
    meter_start(&m);
    meter_load(&m, 16000, in_phase);
    meter_run_s(&m, 2);
    assert_int_equal(meter_milli(&m, 30107), 0);
    assert_int_equal(meter_milli(&m, 30128), 0);
    assert_int_equal(meter_milli(&m, 30130), 16000);
    assert_int_equal(meter_milli(&m, 30140), 3680000);
}

/* ---- No load and start (manual 4.5, 6.2) ---- */

static void test_no_load(void **state)
{
    (void)state;
    struct meter m;
    struct mg_fw_outputs out;
    meter_new(&m);
    meter_load(&m, 19, in_phase);
    meter_run_s(&m, 600); /* 2 Wh, would they count */
    wm3m4c_firmware.outputs(m.state, &out);
    assert_int_equal(out.circuit[0].n_pulses, 0);
    assert_int_equal(meter_wide(&m, 30418), 0);
    assert_int_equal(meter_milli(&m, 30126), 0);
    assert_int_equal(meter_milli(&m, 30140), 0);
    assert_int_equal(meter_milli(&m, 30156), 0);
    assert_int_equal(meter_milli(&m, 30107), 230000);
    assert_int_equal(meter_milli(&m, 30105), 50000);
    assert_int_equal(meter_word(&m, 49006), 1); /* LED steadily on */
    /* At 20 mA it starts: 13.8 W, 1 Wh in 260.87 s. */
    meter_load(&m, 20, in_phase);
    meter_run_s(&m, 260);
    assert_int_equal(meter_wide(&m, 30418), 0);
    assert_int_equal(meter_word(&m, 49006), 0);
    meter_run_s(&m, 1);
    assert_int_equal(meter_wide(&m, 30418), 1);
    wm3m4c_firmware.outputs(m.state, &out);
    assert_int_equal(out.circuit[0].n_pulses, 1);
}

/* One phase below the threshold does not count, the others do. */
static void test_no_load_of_one_phase(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, 10000, in_phase);
    m.flow.i_ma[1] = 19;
    meter_run_s(&m, 3600);
    assert_int_equal(meter_milli(&m, 30128), 0);
    assert_int_equal(meter_milli(&m, 30140), 4600000);
    assert_int_equal(meter_wide(&m, 30418), 4600);
}

/* ---- Counters ---- */

static void test_both_banks(void **state)
{
    (void)state;
    struct meter m;
    uint16_t words[37];
    meter_new(&m);
    meter_load(&m, 20000, in_phase);
    meter_run_s(&m, 3600);
    meter_load(&m, 10000, exporting);
    meter_run_s(&m, 1800);
    meter_read(&m, 30401, 37, words);
    assert_int_equal(words[0], 0); /* exponents */
    assert_int_equal(words[1], 0);
    assert_int_equal(words[13], 0);
    assert_int_equal(words[14], 0);
    assert_int_equal(words[5] << 16 | words[6], 13800);
    assert_int_equal(words[7] << 16 | words[8], 3450);
    assert_int_equal(words[17] << 16 | words[18], 13800);
    assert_int_equal(words[19] << 16 | words[20], 3450);
    assert_int_equal(words[33] << 16 | words[34], 13);
    assert_int_equal(words[35] << 16 | words[36], 3);
}

/* The sum of the phases decides (one counter, manual 4.3). */
static void test_phases_are_netted(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, 10000, in_phase);
    m.flow.angle[1] = exporting;
    m.flow.i_ma[2] = 0;
    meter_run_s(&m, 3600);
    assert_int_equal(meter_wide(&m, 30418), 0);
    assert_int_equal(meter_wide(&m, 30420), 0);
}

static void test_reversed_connection(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    assert_int_equal(meter_write(&m, 40151, 2), 0);
    meter_load(&m, 10000, in_phase);
    meter_run_s(&m, 3600);
    assert_int_equal(meter_wide(&m, 30418), 0);
    assert_int_equal(meter_wide(&m, 30420), 6900);
    assert_int_equal(meter_milli(&m, 30140), -6900000);
}

static void test_average_max_min(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, 10000, in_phase);
    meter_run_s(&m, 450);
    meter_load(&m, 20000, in_phase);
    meter_run_s(&m, 450);
    assert_int_equal(meter_word(&m, 35500), 15);
    assert_int_equal(meter_word(&m, 35501), 0);
    /* P total at 30140: + 5400, + 5500, + 5600. */
    assert_near((int32_t)(meter_wide(&m, 35540) & 0xffffff), 1035000, 1);
    assert_int_equal(meter_wide(&m, 35640), 0xfe150ea0); /* 13800.00 */
    assert_int_equal(meter_wide(&m, 35740), 0xfd694920); /* 6900.000 */
    assert_int_equal(meter_wide(&m, 34999), 900);
}

/* ---- Vectors of the family's types ---- */

static void test_type_vectors(void **state)
{
    (void)state;
    struct meter m;
    struct mg_firmware const *fw = &wm3m4c_firmware;
    meter_new(&m);
    /* T5 123.456, T6 -123.456, T7 0.9876, T16 and T17 +-123.45. */
    assert_int_equal(fw->set(m.state, MG_CH(VOLTAGE, L1), 123456), 0);
    assert_int_equal(meter_wide(&m, 30107), 0xfd01e240);
    assert_int_equal(fw->set(m.state, MG_CH(POWER_ACTIVE, L1), -123456), 0);
    assert_int_equal(meter_wide(&m, 30142), 0xfdfe1dc0);
    assert_int_equal(fw->set(m.state, MG_CH(POWER_FACTOR, L1), 9876), 0);
    assert_int_equal(meter_wide(&m, 30166), 0x00002694);
    assert_int_equal(fw->set(m.state, MG_CH(POWER_FACTOR, L1), -9876), 0);
    assert_int_equal(meter_wide(&m, 30166), 0xff002694);
    assert_int_equal(fw->set(m.state, MG_CH(THD_VOLTAGE, L1), 12345), 0);
    assert_int_equal(meter_word(&m, 30182), 0x3039);
    assert_int_equal(fw->set(m.state, MG_CH(PHASE_ANGLE, L1), -12345), 0);
    assert_int_equal(meter_word(&m, 30173), 0xcfc7);
    assert_int_equal(fw->set(m.state, MG_CH(ENERGY_ACTIVE_IMPORT, TOTAL),
                             INT64_C(123456789000)),
                     0);
    assert_int_equal(meter_wide(&m, 30418), 0x075bcd15);
    meter_run_ms(&m, 40); /* a tick, and the truth is back */
    assert_int_equal(meter_milli(&m, 30107), 230000);
}

/* ---- Requests ---- */

static void test_limits_of_a_request(void **state)
{
    (void)state;
    struct meter m;
    uint16_t words[121] = {0};
    meter_new(&m);
    assert_int_equal(meter_read_refusal(&m, 47100, 120), 0);
    assert_int_equal(meter_read_refusal(&m, 47100, 121), 3);
    assert_int_equal(meter_read_refusal(&m, 47100, 0), 3);
    assert_int_equal(meter_write_many(&m, 47100, 120, words), 0);
    assert_int_equal(meter_write_many(&m, 47100, 121, words), 3);
    assert_int_equal(meter_read_refusal(&m, 30105, 86), 0);
    assert_int_equal(meter_read_refusal(&m, 30105, 87), 2);
    assert_int_equal(meter_read_refusal(&m, 30019, 1), 2);
    assert_int_equal(meter_read_refusal(&m, 47043, 1), 2);
    assert_int_equal(meter_read_refusal(&m, 48316, 1), 0);
    assert_int_equal(meter_read_refusal(&m, 48316, 2), 2);
    assert_int_equal(meter_write(&m, 47000, 0), 2);
    assert_int_equal(meter_write(&m, 47612, 0), 2);
}

static void test_other_units_and_broadcast(void **state)
{
    (void)state;
    struct meter m;
    uint8_t write[] = {6, 0x1b, 0x96, 0, 3}; /* 7062 */
    uint8_t answer[MG_PDU_MAX];
    meter_new(&m);
    assert_int_equal(meter_ask(&m, 34, write, sizeof write, answer), 0);
    assert_int_equal(meter_word(&m, 47062), 1);
    assert_int_equal(meter_ask(&m, 0, write, sizeof write, answer), 0);
    assert_int_equal(meter_word(&m, 47062), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identification),
        cmocka_unit_test(test_plain_variant),
        cmocka_unit_test(test_three_phase_values),
        cmocka_unit_test(test_between_phases),
        cmocka_unit_test(test_export),
        cmocka_unit_test(test_averages_of_a_second),
        cmocka_unit_test(test_frequency_without_l1),
        cmocka_unit_test(test_single_phase_option),
        cmocka_unit_test(test_no_load),
        cmocka_unit_test(test_no_load_of_one_phase),
        cmocka_unit_test(test_both_banks),
        cmocka_unit_test(test_phases_are_netted),
        cmocka_unit_test(test_reversed_connection),
        cmocka_unit_test(test_average_max_min),
        cmocka_unit_test(test_type_vectors),
        cmocka_unit_test(test_limits_of_a_request),
        cmocka_unit_test(test_other_units_and_broadcast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
