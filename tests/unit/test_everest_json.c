/* What EVerest is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mqtt/everest_json.h"

static void add(struct mg_sample *s, mg_channel channel, int64_t value,
                int64_t resolution)
{
    struct mg_value v = {
        .channel = channel, .value = value, .resolution = resolution};
    assert_int_equal(mg_sample_add(s, &v), MG_OK);
}

static void assert_values(const struct mg_sample *s, const char *expected)
{
    char buf[MG_EVEREST_VALUES_MAX];
    size_t len = mg_everest_values(s, "M1", buf);
    assert_true(len < sizeof buf);
    buf[len] = '\0';
    assert_string_equal(buf, expected);
}

static void test_three_phases(void **state)
{
    (void)state;
    struct mg_sample s = {.utc_ms = 1740916800123};
    add(&s, MG_CH(ENERGY_ACTIVE_IMPORT, TOTAL), 1234567890123456, 1000);
    add(&s, MG_CH(ENERGY_ACTIVE_IMPORT, L1), 1000, 1);
    add(&s, MG_CH(ENERGY_ACTIVE_EXPORT, TOTAL), 500, 1);
    add(&s, MG_CH(POWER_ACTIVE, TOTAL), -7000500, 100);
    add(&s, MG_CH(POWER_ACTIVE, L3), -500, 100);
    add(&s, MG_CH(POWER_REACTIVE, TOTAL), 0, 1);
    for (unsigned i = MG_PHASE_L1; i <= MG_PHASE_L3; i++) {
        add(&s, MG_CHANNEL(MG_Q_VOLTAGE, i, 0, 0), 230100 + (int64_t)i, 1);
        add(&s, MG_CHANNEL(MG_Q_CURRENT, i, 0, 0), (int64_t)i * 1000, 10);
    }
    add(&s, MG_CH(FREQUENCY, TOTAL), 49980, 10);
    assert_values(&s,
                  "{\"timestamp\":\"2025-03-02T12:00:00.123Z\","
                  "\"meter_id\":\"M1\","
                  "\"energy_Wh_import\":{\"total\":1234567890123,\"L1\":1.000},"
                  "\"energy_Wh_export\":{\"total\":0.500},"
                  "\"power_W\":{\"total\":-7000.5,\"L3\":-0.5},"
                  "\"voltage_V\":{\"L1\":230.101,\"L2\":230.102,\"L3\":230.103}"
                  ",\"VAR\":{\"total\":0.000},"
                  "\"current_A\":{\"L1\":1.00,\"L2\":2.00,\"L3\":3.00},"
                  "\"frequency_Hz\":{\"L1\":49.98}}");
}

/* A meter without phases, which knows one direction. */
static void test_single_phase(void **state)
{
    (void)state;
    struct mg_sample s = {.utc_ms = 1740916800000};
    add(&s, MG_CH(ENERGY_ACTIVE, TOTAL), 7500, 10);
    add(&s, MG_CH(VOLTAGE, TOTAL), 230000, 100);
    add(&s, MG_CH(CURRENT, TOTAL), 10000, 1);
    assert_values(&s, "{\"timestamp\":\"2025-03-02T12:00:00.000Z\","
                      "\"meter_id\":\"M1\","
                      "\"energy_Wh_import\":{\"total\":7.50},"
                      "\"voltage_V\":{\"L1\":230.0},"
                      "\"current_A\":{\"L1\":10.000}}");
}

/* What is not good is left out; without imported energy there is nothing. */
static void test_missing(void **state)
{
    (void)state;
    struct mg_sample s = {.utc_ms = 1740916800000};
    char buf[MG_EVEREST_VALUES_MAX];
    assert_int_equal(mg_everest_values(&s, "M1", buf), 0);
    add(&s, MG_CH(ENERGY_ACTIVE_IMPORT, TOTAL), 1, 1);
    add(&s, MG_CH(POWER_ACTIVE, TOTAL), 1, 1);
    add(&s, MG_CH(CURRENT, L2), 5, 1); /* L1 is due where there is no total */
    s.values[1].quality = MG_QUALITY_IMPLAUSIBLE;
    assert_values(&s, "{\"timestamp\":\"2025-03-02T12:00:00.000Z\","
                      "\"meter_id\":\"M1\","
                      "\"energy_Wh_import\":{\"total\":0.001}}");
    s.values[0].quality = MG_QUALITY_MISSING;
    assert_int_equal(mg_everest_values(&s, "M1", buf), 0);
    s.values[0].quality = MG_QUALITY_GOOD;
    s.utc_ms = -1;
    assert_int_equal(mg_everest_values(&s, "M1", buf), 0);
}

static void test_started(void **state)
{
    (void)state;
    char buf[256];
    static const struct {
        struct mg_session_result result;
        const char *text;
    } cases[] = {
        {{.code = MG_OK, .reason = ""}, "{\"status\":\"OK\"}"},
        {{.code = MG_E_NOSUP, .reason = "no"},
         "{\"status\":\"NOT_SUPPORTED\",\"error\":\"no\"}"},
        {{.code = MG_E_TIMEOUT, .reason = "the \"meter\" is gone"},
         "{\"status\":\"UNEXPECTED_ERROR\",\"error\":\"the \\\"meter\\\" is "
         "gone\"}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = mg_everest_started(&cases[i].result, buf, sizeof buf);
        assert_int_equal(len, strlen(cases[i].text));
        assert_memory_equal(buf, cases[i].text, len);
    }
    assert_int_equal(mg_everest_started(&cases[0].result, buf, 5), 0);
}

static void assert_stopped(const struct mg_session_result *r, bool is_due,
                           const char *expected)
{
    size_t cap = mg_everest_stopped_max(r);
    char *buf = calloc(1, cap + 1);
    assert_non_null(buf);
    assert_true(mg_everest_stopped(r, is_due, buf, cap) > 0);
    assert_string_equal(buf, expected);
    free(buf);
}

static void test_stopped(void **state)
{
    (void)state;
    char record[] = "OCMF|{\"PG\":\"T1\"}|{\"SA\":\"ECDSA-secp384r1-SHA256\","
                    "\"SD\":\"30\"}";
    struct mg_dataset d = {.record = record,
                           .record_len = strlen(record),
                           .key_hex = "3059",
                           .ended_ms = 1740916800000};
    struct mg_session_result r = {.code = MG_OK, .reason = "", .dataset = &d};
    assert_stopped(&r, true,
                   "{\"status\":\"OK\",\"signed_meter_value\":{"
                   "\"signed_meter_data\":\"OCMF|{\\\"PG\\\":\\\"T1\\\"}|{"
                   "\\\"SA\\\":\\\"ECDSA-secp384r1-SHA256\\\",\\\"SD\\\":"
                   "\\\"30\\\"}\",\"signing_method\":"
                   "\"ECDSA-secp384r1-SHA256\",\"encoding_method\":\"OCMF\","
                   "\"public_key\":\"3059\",\"timestamp\":"
                   "\"2025-03-02T12:00:00.000Z\"}}");
    /* Without SA it is OCMF's default. */
    char plain[] = "OCMF|{}|{\"SD\":\"30\"}";
    d = (struct mg_dataset){.record = plain, .record_len = strlen(plain)};
    r.code = MG_E_IO;
    r.reason = "not billable";
    assert_stopped(&r, true,
                   "{\"status\":\"UNEXPECTED_ERROR\",\"error\":\"not "
                   "billable\",\"signed_meter_value\":{\"signed_meter_data\":"
                   "\"OCMF|{}|{\\\"SD\\\":\\\"30\\\"}\",\"signing_method\":"
                   "\"ECDSA-secp256r1-SHA256\",\"encoding_method\":\"OCMF\"}}");
}

static void test_stopped_without_record(void **state)
{
    (void)state;
    struct mg_session_result r = {.code = MG_OK, .reason = ""};
    assert_stopped(&r, false, "{\"status\":\"OK\"}");
    assert_stopped(&r, true,
                   "{\"status\":\"UNEXPECTED_ERROR\",\"error\":\"there is no "
                   "signed record of this transaction\"}");
}

/* Whatever bytes a record has, the answer has room for it. */
static void test_stopped_long(void **state)
{
    (void)state;
    struct mg_dataset d = {.record_len = MG_DATASET_RECORD_MAX};
    struct mg_session_result r = {.code = MG_OK, .reason = "", .dataset = &d};
    d.record = malloc(d.record_len);
    assert_non_null(d.record);
    memset(d.record, 0x1f, d.record_len);
    size_t cap = mg_everest_stopped_max(&r);
    char *buf = malloc(cap);
    assert_non_null(buf);
    assert_true(mg_everest_stopped(&r, true, buf, cap) > 6 * d.record_len);
    free(buf);
    free(d.record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_phases),
        cmocka_unit_test(test_single_phase),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_started),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_stopped_without_record),
        cmocka_unit_test(test_stopped_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
