/* JSON and time texts: exact in writing, strict in reading. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "model/json.h"

static char text[1024];
static struct mg_json out;

static int setup(void **state)
{
    (void)state;
    memset(text, 0, sizeof text);
    out = mg_json_init(text, sizeof text - 1);
    return 0;
}

static void assert_text(const char *expected)
{
    assert_false(out.failed);
    text[out.len] = '\0';
    assert_string_equal(text, expected);
}

/* ---- Writing ---- */

static void commas_go_where_they_are_due(void **state)
{
    (void)state;
    mg_json_open(&out, '{');
    mg_json_member_str(&out, "a", "x");
    mg_json_member_int(&out, "b", -5);
    mg_json_key(&out, "c");
    mg_json_open(&out, '[');
    mg_json_int(&out, 1);
    mg_json_open(&out, '{');
    mg_json_member_int(&out, "n", 2);
    mg_json_close(&out, '}');
    mg_json_str(&out, "y", 1);
    mg_json_raw(&out, "null", 4);
    mg_json_close(&out, ']');
    mg_json_member_bool(&out, "d", true);
    mg_json_member_bool(&out, "e", false);
    mg_json_close(&out, '}');
    assert_text(
        "{\"a\":\"x\",\"b\":-5,\"c\":[1,{\"n\":2},\"y\",null],\"d\":true,"
        "\"e\":false}");
}

static void strings_are_escaped(void **state)
{
    (void)state;
    static const char IN[] = "q\" b\\ /\b\f\n\r\t\x01\x1f\x7f\0\xc3\xa9";
    mg_json_str(&out, IN, sizeof IN - 1);
    assert_text("\"q\\\" b\\\\ /\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\\u0000"
                "\xc3\xa9\"");
}

static void what_is_not_utf8_is_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } CASES[] = {
        {"\x80", "\"\xef\xbf\xbd\""},
        {"a\xc3", "\"a\xef\xbf\xbd\""},
        {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xf4\x90\x80\x80",
         "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xf4\x8f\xbf\xbf", "\"\xf4\x8f\xbf\xbf\""},
        {"\xe2\x82\xac", "\"\xe2\x82\xac\""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        out = mg_json_init(text, sizeof text - 1);
        mg_json_str(&out, CASES[i].in, strlen(CASES[i].in));
        assert_text(CASES[i].out);
    }
}

struct decimal {
    int64_t value;
    unsigned decimals;
    int64_t resolution;
    const char *text;
};

static const struct decimal DECIMALS[] = {
    {230120, 3, 10, "230.12"},
    {230100, 3, 1, "230.100"},
    {230120, 3, 0, "230.120"},
    {0, 3, 1, "0.000"},
    {5, 3, 1, "0.005"},
    {-5, 3, 1, "-0.005"},
    {-5, 3, 10, "0.00"}, /* rounds to even, and there is no minus zero */
    {15, 3, 10, "0.02"},
    {25, 3, 10, "0.02"},
    {230123, 3, 15, "230.12"},
    {230123, 3, 99, "230.12"},
    {230123, 3, 100, "230.1"},
    {230500, 3, 1000, "230"},
    {231500, 3, 1000, "232"},
    {1048576125000, 3, 125000, "1048576125"}, /* digits before the point stay */
    {524288062500, 3, 62500, "524288062"},
    {-9998, 4, 1, "-0.9998"},
    {42, 0, 1, "42"},
    {42, 0, 1000, "42"},
    {INT64_MAX, 0, 0, "9223372036854775807"},
    {INT64_MIN, 0, 0, "-9223372036854775808"},
    {INT64_MIN, 3, 0, "-9223372036854775.808"},
    {INT64_MIN, 18, 0, "-9.223372036854775808"},
    {7, 18, 0, "0.000000000000000007"},
    {INT64_MAX, 3, INT64_MAX, "9223372036854776"},
    {1, 3, -5, "0.001"},
};

static void decimals_are_exact(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof DECIMALS / sizeof DECIMALS[0]; i++) {
        const struct decimal *d = &DECIMALS[i];
        out = mg_json_init(text, sizeof text - 1);
        mg_json_decimal(&out, d->value, d->decimals, d->resolution);
        assert_text(d->text);
    }
    mg_json_decimal(&out, 1, 19, 0);
    assert_true(out.failed);
}

static void what_does_not_fit_fails_for_good(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < 14; cap++) {
        memset(text, '#', sizeof text);
        out = mg_json_init(text, cap);
        mg_json_open(&out, '{');
        mg_json_member_str(&out, "key", "v\"");
        mg_json_close(&out, '}');
        assert_true(out.failed == (cap < 13));
        assert_int_equal(text[cap], '#');
        mg_json_int(&out, 1);
        assert_true(out.failed);
    }
}

/* ---- Time ---- */

struct moment {
    int64_t utc_ms;
    const char *text;
};

/* From GNU date -u +%s -d. */
static const struct moment MOMENTS[] = {
    {0, "1970-01-01T00:00:00.000Z"},
    {1740916800000, "2025-03-02T12:00:00.000Z"},
    {951782399999, "2000-02-28T23:59:59.999Z"},
    {951782400001, "2000-02-29T00:00:00.001Z"},
    {951868800000, "2000-03-01T00:00:00.000Z"},
    {4107542399000, "2100-02-28T23:59:59.000Z"},
    {4107542400000, "2100-03-01T00:00:00.000Z"},
    {1709164800000, "2024-02-29T00:00:00.000Z"},
    {1735689599000, "2024-12-31T23:59:59.000Z"},
    {253402300799999, "9999-12-31T23:59:59.999Z"},
};

static void times_go_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof MOMENTS / sizeof MOMENTS[0]; i++) {
        char s[MG_TIME_TEXT];
        int64_t ms = -1;
        assert_int_equal(mg_time_format(MOMENTS[i].utc_ms, s), MG_OK);
        assert_string_equal(s, MOMENTS[i].text);
        assert_int_equal(mg_time_parse(s, strlen(s), &ms), MG_OK);
        assert_true(ms == MOMENTS[i].utc_ms);
    }
}

static void times_outside_the_calendar_are_refused(void **state)
{
    (void)state;
    char s[MG_TIME_TEXT] = "untouched";
    assert_int_equal(mg_time_format(-1, s), MG_E_RANGE);
    assert_int_equal(mg_time_format(253402300800000, s), MG_E_RANGE);
    assert_int_equal(mg_time_format(INT64_MAX, s), MG_E_RANGE);
    assert_string_equal(s, "untouched");
    mg_json_member_time(&out, "ts", -1);
    assert_true(out.failed);
}

static void time_member_is_rfc3339(void **state)
{
    (void)state;
    mg_json_member_time(&out, "ts", 1740916800007);
    assert_text("\"ts\":\"2025-03-02T12:00:00.007Z\"");
}

static void times_are_parsed_with_offset_and_fraction(void **state)
{
    (void)state;
    static const struct moment CASES[] = {
        {1740916800000, "2025-03-02T12:00:00Z"},
        {1740916800000, "2025-03-02t12:00:00z"},
        {1740916800500, "2025-03-02T12:00:00.5Z"},
        {1740916800050, "2025-03-02T12:00:00.05Z"},
        {1740916800000, "2025-03-02T13:30:00+01:30"},
        {1740916800000, "2025-03-02T00:00:00.000-12:00"},
        {1740916800000, "2025-03-02T12:00:00-00:00"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        int64_t ms = -1;
        assert_int_equal(
            mg_time_parse(CASES[i].text, strlen(CASES[i].text), &ms), MG_OK);
        assert_true(ms == CASES[i].utc_ms);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const WRONG[] = {
        "",
        "2025",
        "2025-03-02",
        "2025-03-02T12:00:00",
        "2025-03-02T12:00:00.Z",
        "2025-03-02T12:00:00.0000Z",
        "2025-03-02T12:00:00Zx",
        "2025-03-02 12:00:00Z",
        "2025-3-02T12:00:00Z",
        "2025-13-02T12:00:00Z",
        "2025-00-02T12:00:00Z",
        "2025-02-29T12:00:00Z",
        "2100-02-29T12:00:00Z",
        "2025-04-31T12:00:00Z",
        "2025-04-00T12:00:00Z",
        "2025-03-02T24:00:00Z",
        "2025-03-02T12:60:00Z",
        "2016-12-31T23:59:60Z",
        "2025-03-02T12:00:00+24:00",
        "2025-03-02T12:00:00+01:60",
        "2025-03-02T12:00:00+0100",
        "2025-03-02T12:00:00+1",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "-025-03-02T12:00:00Z",
        "20a5-03-02T12:00:00Z",
    };
    int64_t ms = 7;
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        assert_int_equal(mg_time_parse(WRONG[i], strlen(WRONG[i]), &ms),
                         MG_E_PROTO);
    }
    assert_int_equal(ms, 7);
}

/* ---- Reading ---- */

enum { MAX = 8 };
static struct mg_json_member members[MAX];
static size_t n_members, error_at;

static int parse(const char *json)
{
    n_members = 99;
    error_at = 99;
    return mg_json_parse_flat(json, strlen(json), members, MAX, &n_members,
                              &error_at);
}

static void assert_member(size_t i, const char *key, enum mg_json_type type,
                          const char *value)
{
    assert_int_equal(members[i].type, type);
    assert_int_equal(members[i].key_len, strlen(key));
    assert_memory_equal(members[i].key, key, strlen(key));
    assert_int_equal(members[i].value_len, strlen(value));
    assert_memory_equal(members[i].value, value, strlen(value));
}

static void flat_objects_are_taken_apart(void **state)
{
    (void)state;
    assert_int_equal(parse(" {\"s\" : \"a\\nb\",\r\n\t\"n\":-0.5e+10,"
                           "\"t\":true,\"f\":false,\"z\":null,\"\":\"\"} "),
                     MG_OK);
    assert_int_equal(n_members, 6);
    assert_member(0, "s", MG_JSON_STRING, "a\\nb");
    assert_member(1, "n", MG_JSON_NUMBER, "-0.5e+10");
    assert_member(2, "t", MG_JSON_BOOL, "true");
    assert_member(3, "f", MG_JSON_BOOL, "false");
    assert_member(4, "z", MG_JSON_NULL, "null");
    assert_member(5, "", MG_JSON_STRING, "");
    assert_int_equal(error_at, 99);
    assert_int_equal(parse("{ }"), MG_OK);
    assert_int_equal(n_members, 0);
}

struct refusal {
    const char *json;
    int code;
    size_t at;
};

static const struct refusal REFUSALS[] = {
    {"", MG_E_PROTO, 0},
    {"  ", MG_E_PROTO, 2},
    {"[]", MG_E_PROTO, 0},
    {"1", MG_E_PROTO, 0},
    {"\xef\xbb\xbf{}", MG_E_PROTO, 0},
    {"{", MG_E_PROTO, 1},
    {"{}{", MG_E_PROTO, 2},
    {"{},", MG_E_PROTO, 2},
    {"{a:1}", MG_E_PROTO, 1},
    {"{'a':1}", MG_E_PROTO, 1},
    {"{\"a\"}", MG_E_PROTO, 4},
    {"{\"a\":}", MG_E_PROTO, 5},
    {"{\"a\":1,}", MG_E_PROTO, 7},
    {"{,\"a\":1}", MG_E_PROTO, 1},
    {"{\"a\":1 \"b\":2}", MG_E_PROTO, 7},
    {"{\"a\":1;}", MG_E_PROTO, 6},
    {"{\"a\":01}", MG_E_PROTO, 6},
    {"{\"a\":+1}", MG_E_PROTO, 5},
    {"{\"a\":-}", MG_E_PROTO, 6},
    {"{\"a\":.5}", MG_E_PROTO, 5},
    {"{\"a\":1.}", MG_E_PROTO, 7},
    {"{\"a\":1e}", MG_E_PROTO, 7},
    {"{\"a\":1e+}", MG_E_PROTO, 8},
    {"{\"a\":0x1}", MG_E_PROTO, 6},
    {"{\"a\":NaN}", MG_E_PROTO, 5},
    {"{\"a\":nul}", MG_E_PROTO, 8},
    {"{\"a\":True}", MG_E_PROTO, 5},
    {"{\"a\":truee}", MG_E_PROTO, 9},
    {"{\"a\":\"b}", MG_E_PROTO, 8},
    {"{\"a\":\"\t\"}", MG_E_PROTO, 6},
    {"{\"a\":\"\\x\"}", MG_E_PROTO, 7},
    {"{\"a\":\"\\u12g4\"}", MG_E_PROTO, 10},
    {"{\"a\":\"\\ud800\"}", MG_E_PROTO, 12},
    {"{\"a\":\"\\ud800\\u0041\"}", MG_E_PROTO, 18},
    {"{\"a\":\"\\udc00\"}", MG_E_PROTO, 12},
    {"{\"a\":\"\\udc00\\udc00\"}", MG_E_PROTO, 12},
    {"{\"a\":\"\xc0\xaf\"}", MG_E_PROTO, 6},
    {"{\"a\":\"\xe0\x80\xaf\"}", MG_E_PROTO, 6},
    {"{\"a\":\"\xed\xa0\x80\"}", MG_E_PROTO, 6},
    {"{\"a\":\"\xf0\x8f\xbf\xbf\"}", MG_E_PROTO, 6},
    {"{\"a\":\"\xf5\x80\x80\x80\"}", MG_E_PROTO, 6},
    {"{\"a\":\"\xc3\"}", MG_E_PROTO, 6},
    {"{\"a\":1,\"a\":2}", MG_E_PROTO, 7},
    {"{\"a\":1,\"\\u0061\":2}", MG_E_PROTO, 7},
    {"{\"a\":{}}", MG_E_NOSUP, 5},
    {"{\"a\":[1]}", MG_E_NOSUP, 5},
    {"{\"1\":1,\"2\":1,\"3\":1,\"4\":1,\"5\":1,\"6\":1,\"7\":1,\"8\":1,"
     "\"9\":1}",
     MG_E_NOSPC, 49},
};

static void what_is_no_flat_object_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof REFUSALS / sizeof REFUSALS[0]; i++) {
        assert_int_equal(parse(REFUSALS[i].json), REFUSALS[i].code);
        assert_int_equal(error_at, REFUSALS[i].at);
        assert_int_equal(n_members, 99);
    }
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    static const char JSON[] =
        "{\"a\":\"\\ud83d\\ude00\xe2\x82\xac\",\"b\":-1.5e3,\"c\":true}";
    size_t n;
    size_t at;
    for (size_t len = 0; len < sizeof JSON - 1; len++) {
        assert_int_equal(mg_json_parse_flat(JSON, len, members, MAX, &n, &at),
                         MG_E_PROTO);
        assert_true(at <= len);
    }
    assert_int_equal(parse(JSON), MG_OK);
}

static void strings_are_unescaped(void **state)
{
    (void)state;
    static const char EXPECTED[] =
        "\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\0z";
    assert_int_equal(parse("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\xc3\xa9"
                           "\\u20aC\\uD83D\\uDe00\\u0000z\"}"),
                     MG_OK);
    char buf[32];
    size_t len = 0;
    assert_int_equal(mg_json_string(&members[0], buf, sizeof buf, &len), MG_OK);
    assert_int_equal(len, sizeof EXPECTED - 1);
    assert_memory_equal(buf, EXPECTED, sizeof EXPECTED);
    for (size_t cap = 0; cap <= len; cap++) {
        memset(buf, '#', sizeof buf);
        assert_int_equal(mg_json_string(&members[0], buf, cap, &len),
                         MG_E_NOSPC);
        assert_int_equal(buf[cap], '#');
    }
    assert_int_equal(mg_json_string(&members[0], buf, len + 1, &len), MG_OK);
}

static void only_strings_are_strings(void **state)
{
    (void)state;
    char buf[8] = "x";
    size_t len = 7;
    assert_int_equal(parse("{\"a\":1,\"b\":\"\"}"), MG_OK);
    assert_int_equal(mg_json_string(&members[0], buf, sizeof buf, &len),
                     MG_E_INVAL);
    assert_int_equal(len, 7);
    assert_int_equal(mg_json_string(&members[1], buf, sizeof buf, &len), MG_OK);
    assert_int_equal(len, 0);
    assert_string_equal(buf, "");
}

static void integers_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int code;
        int64_t value;
    } CASES[] = {
        {"{\"a\":0}", MG_OK, 0},
        {"{\"a\":-0}", MG_OK, 0},
        {"{\"a\":9223372036854775807}", MG_OK, INT64_MAX},
        {"{\"a\":-9223372036854775808}", MG_OK, INT64_MIN},
        {"{\"a\":9223372036854775808}", MG_E_RANGE, 0},
        {"{\"a\":-9223372036854775809}", MG_E_RANGE, 0},
        {"{\"a\":92233720368547758070}", MG_E_RANGE, 0},
        {"{\"a\":1.0}", MG_E_RANGE, 0},
        {"{\"a\":1e3}", MG_E_RANGE, 0},
        {"{\"a\":\"1\"}", MG_E_RANGE, 0},
        {"{\"a\":true}", MG_E_RANGE, 0},
        {"{\"a\":null}", MG_E_RANGE, 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        int64_t value = 77;
        assert_int_equal(parse(CASES[i].json), MG_OK);
        assert_int_equal(mg_json_int64(&members[0], &value), CASES[i].code);
        assert_true(value == (CASES[i].code == MG_OK ? CASES[i].value : 77));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(commas_go_where_they_are_due, setup),
        cmocka_unit_test_setup(strings_are_escaped, setup),
        cmocka_unit_test_setup(what_is_not_utf8_is_replaced, setup),
        cmocka_unit_test_setup(decimals_are_exact, setup),
        cmocka_unit_test_setup(what_does_not_fit_fails_for_good, setup),
        cmocka_unit_test_setup(times_go_both_ways, setup),
        cmocka_unit_test_setup(times_outside_the_calendar_are_refused, setup),
        cmocka_unit_test_setup(time_member_is_rfc3339, setup),
        cmocka_unit_test_setup(times_are_parsed_with_offset_and_fraction,
                               setup),
        cmocka_unit_test_setup(what_is_no_time_is_refused, setup),
        cmocka_unit_test_setup(flat_objects_are_taken_apart, setup),
        cmocka_unit_test_setup(what_is_no_flat_object_is_refused, setup),
        cmocka_unit_test_setup(every_truncation_is_refused, setup),
        cmocka_unit_test_setup(strings_are_unescaped, setup),
        cmocka_unit_test_setup(only_strings_are_strings, setup),
        cmocka_unit_test_setup(integers_are_exact, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
