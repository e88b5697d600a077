/* Signed values as OCPP carries them: read back with the JSON reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/encode.h"
#include "record/ocpp.h"

#define TEXT_MAX 400000

struct world {
    char json[TEXT_MAX];
    char inner[TEXT_MAX], data[TEXT_MAX];
    uint8_t bytes[TEXT_MAX];
};

static void write_members(struct world *w, const char *record, size_t len,
                          const char *key, bool is_plain)
{
    struct mg_json j = mg_json_init(w->json, sizeof w->json - 1);
    mg_json_open(&j, '{');
    mg_ocpp_members(&j, record, len, key, "Transaction.End", is_plain);
    mg_json_member_int(&j, "after", 1);
    mg_json_close(&j, '}');
    assert_false(j.failed);
    w->json[j.len] = '\0';
}

/* The string member `key` of the object between two texts of w->json, or of
 * w->inner. */
static size_t member_of(const char *object, size_t object_len, const char *key,
                        char *ret, size_t cap)
{
    struct mg_json_member members[8];
    size_t n = 0, error = 0, len = 0;
    if (mg_json_parse_flat(object, object_len, members, 8, &n, &error) !=
        MG_OK) {
        fail_msg("no JSON at %zu of %.200s", error, object);
    }
    for (size_t i = 0; i < n; i++) {
        if (members[i].key_len == strlen(key) &&
            memcmp(members[i].key, key, members[i].key_len) == 0) {
            assert_int_equal(mg_json_string(&members[i], ret, cap, &len),
                             MG_OK);
            return len;
        }
    }
    fail_msg("no member %s", key);
    return 0;
}

/* The object that follows `from` and ends before `to`. */
static const char *object_of(const struct world *w, const char *from,
                             const char *to, size_t *ret_len)
{
    const char *start = strstr(w->json, from);
    assert_non_null(start);
    start += strlen(from);
    const char *end = strstr(start, to);
    assert_non_null(end);
    *ret_len = (size_t)(end - start);
    return start;
}

static void data_is(struct world *w, const char *object, size_t object_len,
                    const char *record, size_t len, bool is_plain)
{
    size_t n = member_of(object, object_len, "signedMeterData", w->data,
                         sizeof w->data);
    if (!is_plain) {
        assert_int_equal(
            mg_base64_read(w->data, n, w->bytes, sizeof w->bytes, &n), MG_OK);
        memcpy(w->data, w->bytes, n);
    }
    assert_int_equal(n, len);
    assert_memory_equal(w->data, record, len);
    n = member_of(object, object_len, "signingMethod", w->data, sizeof w->data);
    assert_int_equal(n, 0);
    (void)member_of(object, object_len, "encodingMethod", w->data,
                    sizeof w->data);
    assert_string_equal(w->data, "OCMF");
}

static void both_forms_carry(struct world *w, const char *record, size_t len,
                             bool is_plain)
{
    write_members(w, record, len, "3059", is_plain);
    size_t object_len;
    const char *object = object_of(w, "\"2.0.1\":", ",\"after\"", &object_len);
    data_is(w, object, object_len, record, len, is_plain);
    object = object_of(w, "{\"1.6\":", ",\"2.0.1\":", &object_len);
    size_t inner_len =
        member_of(object, object_len, "value", w->inner, sizeof w->inner);
    data_is(w, w->inner, inner_len, record, len, is_plain);
}

static void members_are_as_the_note_says(void **state)
{
    struct world *w = *state;
    write_members(w, "OCMF|{\"a\":1}|{}", 15, "3059", false);
    assert_string_equal(
        w->json,
        "{\"1.6\":{\"format\":\"SignedData\",\"context\":\"Transaction.End\","
        "\"value\":\"{\\\"signedMeterData\\\":\\\"T0NNRnx7ImEiOjF9fHt9\\\","
        "\\\"signingMethod\\\":\\\"\\\",\\\"encodingMethod\\\":\\\"OCMF\\\","
        "\\\"publicKey\\\":\\\"b2NhOmJhc2UxNjphc24xOjMwNTk=\\\"}\"},"
        "\"2.0.1\":{\"signedMeterData\":\"T0NNRnx7ImEiOjF9fHt9\","
        "\"signingMethod\":\"\",\"encodingMethod\":\"OCMF\","
        "\"publicKey\":\"b2NhOmJhc2UxNjphc24xOjMwNTk=\"},\"after\":1}");
}

static void plain_is_the_record_as_it_is(void **state)
{
    struct world *w = *state;
    write_members(w, "OCMF|{\"a\":1}|{}", 15, "", true);
    assert_non_null(strstr(w->json, "\"{\\\"signedMeterData\\\":\\\"OCMF|{"
                                    "\\\\\\\"a\\\\\\\":1}|{}\\\""));
    assert_non_null(strstr(
        w->json, "\"2.0.1\":{\"signedMeterData\":\"OCMF|{\\\"a\\\":1}|{}\""));
    /* Without a key the member is there and empty. */
    assert_non_null(strstr(w->json, "\"publicKey\":\"\"},\"after\""));
    assert_non_null(strstr(w->json, "\\\"publicKey\\\":\\\"\\\"}\""));
}

static void odd_records_come_back(void **state)
{
    struct world *w = *state;
    static const char odd[] =
        "OCMF|{\"TT\":\"\\\"\\\\ \n\r\t\x01 \xc3\xa4\xe2\x82\xac\"}|{}";
    both_forms_carry(w, odd, sizeof odd - 1, true);
    both_forms_carry(w, odd, sizeof odd - 1, false);
    both_forms_carry(w, "\xff\0", 2, false); /* base64 carries any byte */
}

/* Characters of one to four bytes across every boundary of the pieces. */
static void long_records_come_back(void **state)
{
    struct world *w = *state;
    static const char *const units[] = {
        "x", "\"", "\x01", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x94\x8c"};
    static char record[9000];
    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        size_t unit_len = strlen(units[u]);
        for (size_t before = 0; before < 4; before++) {
            size_t len = before;
            memset(record, 'b', before);
            while (len + unit_len <= 700) {
                memcpy(record + len, units[u], unit_len);
                len += unit_len;
            }
            both_forms_carry(w, record, len, true);
            both_forms_carry(w, record, len, false);
        }
    }
    memset(record, '\x02', sizeof record);
    both_forms_carry(w, record, sizeof record, true);
}

static void what_does_not_fit_fails(void **state)
{
    (void)state;
    char buf[512];
    struct mg_json j = mg_json_init(buf, sizeof buf);
    mg_json_open(&j, '{');
    mg_ocpp_members(&j, "OCMF||", 6, "3059", "Transaction.End", false);
    mg_json_close(&j, '}');
    assert_false(j.failed);
    size_t need = j.len;
    for (size_t cap = 0; cap < need; cap++) {
        memset(buf, '#', sizeof buf);
        j = mg_json_init(buf, cap);
        mg_json_open(&j, '{');
        mg_ocpp_members(&j, "OCMF||", 6, "3059", "Transaction.End", false);
        mg_json_close(&j, '}');
        assert_true(j.failed);
        assert_int_equal(buf[cap], '#');
    }
    char key[400];
    memset(key, 'a', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    j = mg_json_init(buf, sizeof buf);
    mg_json_open(&j, '{');
    mg_ocpp_members(&j, "OCMF||", 6, key, "Transaction.End", false);
    assert_true(j.failed); /* no key is so long */
}

int main(void)
{
    static struct world w;
    struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(members_are_as_the_note_says, &w),
        cmocka_unit_test_prestate(plain_is_the_record_as_it_is, &w),
        cmocka_unit_test_prestate(odd_records_come_back, &w),
        cmocka_unit_test_prestate(long_records_come_back, &w),
        cmocka_unit_test(what_does_not_fit_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
