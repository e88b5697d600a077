/* A reading as it is published. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "model/reading_json.h"

#define EPOCH "0123456789abcdef"
#define HEAD                                                                   \
    "{\"ts\":\"2025-03-02T12:00:00.123Z\",\"ts_ms\":1740916800123,"            \
    "\"clk\":\"S\",\"seq\":42,\"epoch\":\"" EPOCH "\",\"reg_epoch\":3,"

static struct mg_sample sample;
static char text[16384];
static struct mg_json out;

static int setup(void **state)
{
    (void)state;
    memset(&sample, 0, sizeof sample);
    sample.utc_ms = 1740916800123;
    sample.seq = 42;
    sample.epoch = 3;
    sample.clock = MG_CLOCK_SYNCED;
    out = mg_json_init(text, sizeof text - 1);
    return 0;
}

static void add(mg_channel channel, enum mg_quality quality, int64_t value,
                int64_t resolution)
{
    struct mg_value v = {channel, (uint8_t)quality, value, resolution};
    assert_int_equal(mg_sample_add(&sample, &v), MG_OK);
}

static void assert_reading(const char *expected)
{
    assert_int_equal(mg_reading_json(&sample, EPOCH, &out), MG_OK);
    text[out.len] = '\0';
    assert_string_equal(text, expected);
}

static void values_have_the_form_of_their_unit(void **state)
{
    (void)state;
    add(MG_CH(VOLTAGE, TOTAL), MG_QUALITY_GOOD, 230120, 10);
    add(MG_CH(POWER_FACTOR, TOTAL), MG_QUALITY_GOOD, -9998, 1);
    add(MG_CHANNEL(MG_Q_ENERGY_ACTIVE, 0, 2, MG_PERIOD_CURRENT),
        MG_QUALITY_GOOD, 12345678, 1);
    add(MG_CH(RELAY_CLOSED, TOTAL), MG_QUALITY_GOOD, 2, 1);
    add(MG_CH(DIGITAL_INPUT, TOTAL), MG_QUALITY_GOOD, 0, 1);
    add(MG_CH(METER_CLOCK, TOTAL), MG_QUALITY_GOOD, 1740916799, 1);
    add(MG_CH(ERROR_WORD, TOTAL), MG_QUALITY_GOOD, 5, 1);
    assert_int_equal(mg_sample_add_text(&sample, MG_CH(SERIAL, TOTAL),
                                        (const uint8_t *)"31\"1", 4),
                     MG_OK);
    assert_reading(HEAD "\"quality\":\"good\",\"voltage_v\":230.12,"
                        "\"power_factor\":-0.9998,"
                        "\"energy_active_t2_month_wh\":12345.678,"
                        "\"relay_closed\":true,\"digital_input\":false,"
                        "\"meter_clock_s\":1740916799,\"error_word\":5,"
                        "\"serial\":\"31\\\"1\"}");
}

static void what_is_not_good_is_absent_and_named(void **state)
{
    (void)state;
    add(MG_CH(VOLTAGE, L1), MG_QUALITY_INVALID, 1, 1);
    add(MG_CH(FREQUENCY, TOTAL), MG_QUALITY_GOOD, 50000, 1);
    add(MG_CH(CURRENT, L1), MG_QUALITY_MISSING, 1, 1);
    assert_reading(HEAD "\"quality\":\"partial\",\"frequency_hz\":50.000,"
                        "\"missing\":\"voltage_l1_v:invalid,"
                        "current_l1_a:missing\"}");
}

static void nothing_good_is_bad(void **state)
{
    (void)state;
    add(MG_CH(VOLTAGE, L1), MG_QUALITY_STALE, 1, 1);
    assert_reading(HEAD
                   "\"quality\":\"bad\",\"missing\":\"voltage_l1_v:stale\"}");
    setup(NULL);
    assert_reading(HEAD "\"quality\":\"bad\"}");
}

static void an_unknown_clock_is_not_trusted(void **state)
{
    (void)state;
    static const char LETTERS[] = "\0USIR\"x";
    static const char EXPECTED[] = "UUSIRUU";
    for (size_t i = 0; i < sizeof LETTERS - 1; i++) {
        setup(NULL);
        sample.clock = (uint8_t)LETTERS[i];
        assert_int_equal(mg_reading_json(&sample, EPOCH, &out), MG_OK);
        text[out.len] = '\0';
        const char *clk = strstr(text, "\"clk\":\"");
        assert_non_null(clk);
        assert_int_equal(clk[7], EXPECTED[i]);
        assert_int_equal(clk[8], '"');
    }
}

/* The longest list: 192 values of which none is good. */
static void the_list_of_missing_ends_at_a_whole_item(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MG_SAMPLE_VALUES_MAX; i++) {
        add(MG_CHANNEL(MG_Q_ENERGY_REACTIVE_IMPORT, 1 + i / 60, i % 9,
                       i / 9 % 13 + 1),
            MG_QUALITY_IMPLAUSIBLE, 0, 0);
    }
    assert_int_equal(mg_reading_json(&sample, EPOCH, &out), MG_OK);
    text[out.len] = '\0';
    const char *list = strstr(text, "\"missing\":\"");
    assert_non_null(list);
    list += strlen("\"missing\":\"");
    size_t len = strcspn(list, "\"");
    assert_true(len <= MG_READING_MISSING_MAX);
    assert_true(len > MG_READING_MISSING_MAX - 64);
    assert_memory_equal(list + len - 12, ":implausible", 12);
    assert_string_equal(list + len, "\"}");
}

static void the_list_of_missing_is_as_long_as_it_may(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        add(MG_CH(BAUD, TOTAL), MG_QUALITY_STALE, 0, 0);
    }
    assert_int_equal(mg_reading_json(&sample, EPOCH, &out), MG_OK);
    text[out.len] = '\0';
    const char *list = strstr(text, "\"baud:stale,");
    assert_non_null(list);
    /* 46 items of 10 bytes and 45 commas; one more would be 516 */
    assert_int_equal(strlen(list), 505 + strlen("\"\"}"));
}

static void a_full_sample_fits_where_it_must(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MG_SAMPLE_VALUES_MAX; i++) {
        add(MG_CHANNEL(MG_Q_ENERGY_REACTIVE_IMPORT, 3, 8, 13), MG_QUALITY_GOOD,
            INT64_MIN, 1);
    }
    assert_int_equal(mg_reading_json(&sample, EPOCH, &out), MG_OK);
    size_t len = out.len;
    for (size_t cap = 0; cap <= len; cap += cap + 64 < len ? 61 : 1) {
        memset(text, '#', sizeof text);
        out = mg_json_init(text, cap);
        assert_int_equal(mg_reading_json(&sample, EPOCH, &out),
                         cap < len ? MG_E_NOSPC : MG_OK);
        assert_int_equal(out.failed, cap < len);
        assert_int_equal(text[cap], '#');
    }
}

static void a_time_without_text_is_refused(void **state)
{
    (void)state;
    sample.utc_ms = -1;
    assert_int_equal(mg_reading_json(&sample, EPOCH, &out), MG_E_RANGE);
    assert_int_equal(mg_reading_json_members(&sample, EPOCH, &out), MG_E_RANGE);
    assert_int_equal(out.len, 0);
}

static void members_go_into_an_open_object(void **state)
{
    (void)state;
    mg_json_open(&out, '{');
    mg_json_member_str(&out, "meter", "cp1");
    add(MG_CH(VOLTAGE, L1), MG_QUALITY_GOOD, 230000, 1000);
    assert_int_equal(mg_reading_json_members(&sample, EPOCH, &out), MG_OK);
    mg_json_close(&out, '}');
    text[out.len] = '\0';
    static const char BEGIN[] = "{\"meter\":\"cp1\",\"ts\":\"2025";
    assert_memory_equal(text, BEGIN, sizeof BEGIN - 1);
    assert_non_null(strstr(text, ",\"voltage_l1_v\":230}"));
}

static void what_is_no_channel_is_left_out(void **state)
{
    (void)state;
    add(UINT32_MAX, MG_QUALITY_GOOD, 1, 1);
    add(UINT32_MAX, MG_QUALITY_MISSING, 1, 1);
    sample.seq = UINT64_MAX;
    assert_int_equal(mg_reading_json(&sample, EPOCH, &out), MG_OK);
    text[out.len] = '\0';
    assert_non_null(strstr(text, "\"seq\":9223372036854775807,"));
    assert_non_null(strstr(text, "\"quality\":\"partial\",\"missing\":\"\"}"));
}

static void without_a_number_there_is_no_seq(void **state)
{
    (void)state;
    sample.seq = 0;
    assert_int_equal(mg_reading_json(&sample, EPOCH, &out), MG_OK);
    text[out.len] = '\0';
    assert_null(strstr(text, "\"seq\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(values_have_the_form_of_their_unit, setup),
        cmocka_unit_test_setup(what_is_not_good_is_absent_and_named, setup),
        cmocka_unit_test_setup(nothing_good_is_bad, setup),
        cmocka_unit_test_setup(an_unknown_clock_is_not_trusted, setup),
        cmocka_unit_test_setup(the_list_of_missing_ends_at_a_whole_item, setup),
        cmocka_unit_test_setup(the_list_of_missing_is_as_long_as_it_may, setup),
        cmocka_unit_test_setup(a_full_sample_fits_where_it_must, setup),
        cmocka_unit_test_setup(a_time_without_text_is_refused, setup),
        cmocka_unit_test_setup(members_go_into_an_open_object, setup),
        cmocka_unit_test_setup(what_is_no_channel_is_left_out, setup),
        cmocka_unit_test_setup(without_a_number_there_is_no_seq, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
