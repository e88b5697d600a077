/* Numbers, amounts, ids, and how near two words are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/scalar.h"
#include "config/spell.h"

static enum mg_scalar_kind kind(const char *text)
{
    return mg_scalar_kind(text, strlen(text));
}

static void test_kind(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum mg_scalar_kind kind;
    } rows[] = {
        {"", MG_SCALAR_NULL},      {"~", MG_SCALAR_NULL},
        {"null", MG_SCALAR_NULL},  {"nul", MG_SCALAR_TEXT},
        {"true", MG_SCALAR_BOOL},  {"FALSE", MG_SCALAR_BOOL},
        {"yes", MG_SCALAR_TEXT},   {"tRUE", MG_SCALAR_TEXT},
        {"0", MG_SCALAR_INT},      {"-12", MG_SCALAR_INT},
        {"+7", MG_SCALAR_INT},     {"007", MG_SCALAR_INT},
        {"0x1F", MG_SCALAR_INT},   {"0o17", MG_SCALAR_INT},
        {"0o18", MG_SCALAR_TEXT},  {"0x", MG_SCALAR_TEXT},
        {"1.5", MG_SCALAR_FLOAT},  {".5", MG_SCALAR_FLOAT},
        {"1.", MG_SCALAR_FLOAT},   {"1e3", MG_SCALAR_FLOAT},
        {"1e", MG_SCALAR_TEXT},    {"-.inf", MG_SCALAR_FLOAT},
        {".nan", MG_SCALAR_FLOAT}, {"-", MG_SCALAR_TEXT},
        {".", MG_SCALAR_TEXT},     {"10.0.0.5", MG_SCALAR_TEXT},
        {"1s", MG_SCALAR_TEXT},    {"1_000", MG_SCALAR_TEXT},
        {"12:30", MG_SCALAR_TEXT}, {"e3", MG_SCALAR_TEXT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (kind(rows[i].text) != rows[i].kind) {
            fail_msg("%s: %d", rows[i].text, (int)kind(rows[i].text));
        }
    }
}

static int get_int(const char *text, int64_t *ret)
{
    return mg_scalar_int(text, strlen(text), ret);
}

static void test_int(void **state)
{
    (void)state;
    int64_t v = 5;
    assert_int_equal(get_int("0", &v), MG_OK);
    assert_int_equal(v, 0);
    assert_int_equal(get_int("+12", &v), MG_OK);
    assert_int_equal(v, 12);
    assert_int_equal(get_int("9223372036854775807", &v), MG_OK);
    assert_true(v == INT64_MAX);
    assert_int_equal(get_int("-9223372036854775808", &v), MG_OK);
    assert_true(v == INT64_MIN);
    v = 5;
    assert_int_equal(get_int("9223372036854775808", &v), MG_E_RANGE);
    assert_int_equal(get_int("-9223372036854775809", &v), MG_E_RANGE);
    assert_int_equal(get_int("99999999999999999999", &v), MG_E_RANGE);
    static const char *const wrong[] = {"",   "-",   "+",   "1.0", "007",
                                        "1 ", "0x1", "1e1", "-01"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(get_int(wrong[i], &v), MG_E_PROTO);
    }
    assert_int_equal(v, 5);
}

static void test_amount(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const struct mg_scale *scales;
        int code;
        int64_t value;
    } rows[] = {
        {"500ms", mg_scales_duration, MG_OK, 500000},
        {"1.5 s", mg_scales_duration, MG_OK, 1500000},
        {"0ms", mg_scales_duration, MG_OK, 0},
        {"0.001ms", mg_scales_duration, MG_OK, 1},
        {"0.0001ms", mg_scales_duration, MG_E_RANGE, 0},
        {"24h", mg_scales_duration, MG_OK, 86400000000},
        {"-1s", mg_scales_duration, MG_OK, -1000000},
        {"15", mg_scales_duration, MG_E_PROTO, 0},
        {"15  s", mg_scales_duration, MG_E_PROTO, 0},
        {"15 ", mg_scales_duration, MG_E_PROTO, 0},
        {"s", mg_scales_duration, MG_E_PROTO, 0},
        {"1.s", mg_scales_duration, MG_E_PROTO, 0},
        {".5s", mg_scales_duration, MG_E_PROTO, 0},
        {"1.2.3s", mg_scales_duration, MG_E_PROTO, 0},
        {"1S", mg_scales_duration, MG_E_PROTO, 0},
        {"999999999999999999h", mg_scales_duration, MG_E_RANGE, 0},
        {"1234567890123456789ms", mg_scales_duration, MG_E_RANGE, 0},
        {"4096", mg_scales_size, MG_OK, 4096},
        {"1.5MiB", mg_scales_size, MG_OK, 3 << 19},
        {"0.3B", mg_scales_size, MG_E_RANGE, 0},
        {"230", mg_scales_voltage, MG_OK, 230000},
        {"230.12 V", mg_scales_voltage, MG_OK, 230120},
        {"230 A", mg_scales_voltage, MG_E_PROTO, 0},
        {"-0.95", mg_scales_factor, MG_OK, -9500},
        {"50.01Hz", mg_scales_frequency, MG_OK, 50010},
        {"", mg_scales_size, MG_E_PROTO, 0},
        {"-", mg_scales_size, MG_E_PROTO, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t v = 0;
        int code = mg_scalar_amount(rows[i].text, strlen(rows[i].text),
                                    rows[i].scales, &v);
        if (code != rows[i].code || v != rows[i].value) {
            fail_msg("%s: %d, %lld", rows[i].text, code, (long long)v);
        }
    }
}

/* What is printed is read back as the same value. */
static void test_print(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        const struct mg_scale *scales;
        const char *text;
    } rows[] = {
        {1000000, mg_scales_duration, "1s"},
        {90000000, mg_scales_duration, "90s"},
        {900000000, mg_scales_duration, "15m"},
        {86400000000, mg_scales_duration, "24h"},
        {500000, mg_scales_duration, "500ms"},
        {0, mg_scales_duration, "0ms"},
        {(int64_t)256 << 20, mg_scales_size, "256MiB"},
        {100, mg_scales_size, "100B"},
        {230000, mg_scales_voltage, "230V"},
        {-10000, mg_scales_factor, "-1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[64];
        int64_t back = -5;
        mg_scalar_print(rows[i].value, rows[i].scales, text, sizeof text);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(
            mg_scalar_amount(text, strlen(text), rows[i].scales, &back), MG_OK);
        assert_int_equal(back, rows[i].value);
    }
}

static void test_id(void **state)
{
    (void)state;
    assert_true(mg_scalar_is_id("depot-1_a", 9));
    assert_true(mg_scalar_is_id("7", 1));
    assert_false(mg_scalar_is_id("", 0));
    assert_false(mg_scalar_is_id("-a", 2));
    assert_false(mg_scalar_is_id("_a", 2));
    assert_false(mg_scalar_is_id("A", 1));
    assert_false(mg_scalar_is_id("a b", 3));
    assert_false(mg_scalar_is_id("a\0b", 3));
    assert_false(mg_scalar_is_id("\xc3\xa4", 2));
}

static unsigned distance(const char *a, const char *b)
{
    unsigned d = mg_spell_distance(a, strlen(a), b, strlen(b));
    assert_int_equal(d, mg_spell_distance(b, strlen(b), a, strlen(a)));
    return d;
}

static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(distance("", ""), 0);
    assert_int_equal(distance("host", "host"), 0);
    assert_int_equal(distance("hots", "host"), 1);
    assert_int_equal(distance("hst", "host"), 1);
    assert_int_equal(distance("hoost", "host"), 1);
    assert_int_equal(distance("hast", "host"), 1);
    assert_int_equal(distance("", "abc"), 3);
    assert_int_equal(distance("kitten", "sitting"), 3);
    assert_int_equal(distance("ca", "abc"), 3);
    char longest[MG_SPELL_MAX + 1];
    memset(longest, 'a', sizeof longest);
    longest[MG_SPELL_MAX] = '\0';
    assert_int_equal(distance(longest, "a"), MG_SPELL_MAX);
    longest[MG_SPELL_MAX - 1] = '\0';
    assert_int_equal(distance(longest, "a"), MG_SPELL_MAX - 2);
}

static const char *nearest(const char *word)
{
    static const char *const known[] = {
        "port", "host", "tls", "interval", "slow_interval", "password_file"};
    struct mg_speller speller = {.word = word, .len = strlen(word)};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        mg_speller_try(&speller, known[i]);
    }
    return speller.best == NULL ? "" : speller.best;
}

static void test_nearest(void **state)
{
    (void)state;
    assert_string_equal(nearest("prot"), "port");
    assert_string_equal(nearest("hosts"), "host");
    assert_string_equal(nearest("intreval"), "interval");
    assert_string_equal(nearest("intervalls"), "interval");
    assert_string_equal(nearest("interval_ms"), "interval");
    assert_string_equal(nearest("password"), "password_file");
    assert_string_equal(nearest("pass"), "");
    assert_string_equal(nearest("xx"), "");
    assert_string_equal(nearest("tsl"), "tls");
    assert_string_equal(nearest("sll"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kind),    cmocka_unit_test(test_int),
        cmocka_unit_test(test_amount),  cmocka_unit_test(test_print),
        cmocka_unit_test(test_id),      cmocka_unit_test(test_distance),
        cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
