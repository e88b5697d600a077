/* What a reason code makes of a message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mqtt/backoff.h"
#include "mqtt/reason.h"

static void test_classes(void **state)
{
    (void)state;
    assert_int_equal(mg_reason_classify(0x00), MG_REASON_TAKEN);
    assert_int_equal(mg_reason_classify(0x10), MG_REASON_TAKEN);
    static const int retry[] = {0x80, 0x83, 0x97, 0x91, -1, -11, 0xff, 0x42};
    for (size_t i = 0; i < sizeof retry / sizeof *retry; i++) {
        assert_int_equal(mg_reason_classify(retry[i]), MG_REASON_RETRY);
    }
    static const int poison[] = {0x87, 0x90, 0x95, 0x99};
    for (size_t i = 0; i < sizeof poison / sizeof *poison; i++) {
        assert_int_equal(mg_reason_classify(poison[i]), MG_REASON_POISON);
    }
}

static void test_texts(void **state)
{
    (void)state;
    for (int code = -20; code < 300; code++) {
        assert_true(strlen(mg_reason_text(code)) > 0);
    }
    assert_string_equal(mg_reason_text(0x87), "not authorised");
    assert_string_equal(mg_reason_text(-1), "no answer");
}

/* MQTT 3.1.1, 3.2.2.3 */
static void test_v311(void **state)
{
    (void)state;
    assert_int_equal(mg_reason_from_v311(0), 0);
    assert_int_equal(mg_reason_from_v311(1), 0x84);
    assert_int_equal(mg_reason_from_v311(4), 0x86);
    assert_int_equal(mg_reason_from_v311(5), 0x87);
    assert_int_equal(mg_reason_from_v311(6), 6);
    assert_int_equal(mg_reason_from_v311(-1), -1);
}

static void test_backoff(void **state)
{
    (void)state;
    static const uint32_t bounds_ms[] = {1000,  2000,  4000,  8000,
                                         16000, 32000, 60000, 60000};
    for (size_t i = 0; i < sizeof bounds_ms / sizeof *bounds_ms; i++) {
        struct mg_backoff least = {.n_failures = (uint32_t)i};
        struct mg_backoff most = {.n_failures = (uint32_t)i};
        assert_int_equal(mg_backoff_next(&least, 0), 100);
        assert_int_equal(mg_backoff_next(&most, bounds_ms[i] - 100),
                         bounds_ms[i]);
        assert_int_equal(most.n_failures, i + 1);
    }
    struct mg_backoff old = {.n_failures = UINT32_MAX};
    assert_in_range(mg_backoff_next(&old, UINT32_MAX), 100, 60000);
    assert_int_equal(old.n_failures, UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_v311),
        cmocka_unit_test(test_backoff),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
