/* A sample: values and texts, and that neither overflows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "model/sample.h"

static struct mg_sample sample;

static int setup(void **state)
{
    (void)state;
    memset(&sample, 0, sizeof sample);
    return 0;
}

static int add_text(const char *text, size_t len)
{
    return mg_sample_add_text(&sample, MG_CH(SERIAL, TOTAL),
                              (const uint8_t *)text, len);
}

static void assert_text(size_t index, const char *expected)
{
    size_t len = 99;
    const char *text = mg_sample_text(&sample, &sample.values[index], &len);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(text, expected, len);
}

static void values_are_found_by_channel(void **state)
{
    (void)state;
    struct mg_value u = {.channel = MG_CH(VOLTAGE, L1), .value = 230120};
    struct mg_value i = {.channel = MG_CH(CURRENT, L1), .value = 16000};
    assert_null(mg_sample_find(&sample, u.channel));
    assert_int_equal(mg_sample_add(&sample, &u), MG_OK);
    assert_int_equal(mg_sample_add(&sample, &i), MG_OK);
    assert_ptr_equal(mg_sample_find(&sample, i.channel), &sample.values[1]);
    assert_int_equal(mg_sample_find(&sample, u.channel)->value, 230120);
    assert_null(mg_sample_find(&sample, MG_CH(VOLTAGE, L2)));
}

static void a_full_sample_takes_no_more(void **state)
{
    (void)state;
    struct mg_value v = {.channel = MG_CH(VOLTAGE, L1)};
    for (int i = 0; i < MG_SAMPLE_VALUES_MAX; i++) {
        assert_int_equal(mg_sample_add(&sample, &v), MG_OK);
    }
    assert_int_equal(mg_sample_add(&sample, &v), MG_E_NOSPC);
    assert_int_equal(sample.n_values, MG_SAMPLE_VALUES_MAX);
    assert_int_equal(add_text("1", 1), MG_E_NOSPC);
    assert_int_equal(sample.text_len, 0);
}

static void texts_are_cleaned(void **state)
{
    (void)state;
    assert_int_equal(add_text("KPM31-B \0 \0", 11), MG_OK);
    assert_int_equal(add_text(" a\x01\xc3\xa9\0\x7f~", 8), MG_OK);
    assert_int_equal(add_text("  \0", 3), MG_OK);
    assert_text(0, "KPM31-B");
    assert_text(1, " a?????~");
    assert_text(2, "");
}

static void texts_fill_their_area_exactly(void **state)
{
    (void)state;
    char long_text[MG_SAMPLE_TEXT_MAX + 1];
    memset(long_text, 'x', sizeof long_text);
    assert_int_equal(add_text(long_text, sizeof long_text), MG_E_NOSPC);
    assert_int_equal(add_text(long_text, sizeof long_text - 2), MG_OK);
    assert_int_equal(add_text("ab", 2), MG_E_NOSPC);
    assert_int_equal(add_text("c", 1), MG_OK);
    assert_text(1, "c");
    assert_int_equal(sample.n_values, 2);
    assert_int_equal(sample.text_len, MG_SAMPLE_TEXT_MAX);
}

static void a_wrong_place_gives_no_text(void **state)
{
    (void)state;
    assert_int_equal(add_text("1234", 4), MG_OK);
    static const int64_t WRONG[] = {5, 1 << 16 | 4, 5 << 16, -1, INT64_MIN};
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        sample.values[0].value = WRONG[i];
        assert_text(0, "");
    }
    sample.values[0].value = 4;
    assert_text(0, "1234");
    sample.values[0].channel = MG_CH(VOLTAGE, L1);
    assert_text(0, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(values_are_found_by_channel, setup),
        cmocka_unit_test_setup(a_full_sample_takes_no_more, setup),
        cmocka_unit_test_setup(texts_are_cleaned, setup),
        cmocka_unit_test_setup(texts_fill_their_area_exactly, setup),
        cmocka_unit_test_setup(a_wrong_place_gives_no_text, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
