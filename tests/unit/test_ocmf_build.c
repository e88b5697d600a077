/* Payloads that we write, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/ocmf_build.h"

static const struct mg_ocmf_head empty = {
    .version = "1.0", .ct = "EVSEID", .is_assigned = true};

/* WM3M4C description V1.07, 5.5.13: "Downloaded message should look like". */
static void test_dataset_of_the_manual(void **state)
{
    (void)state;
    char text[1024];
    size_t len;
    assert_int_equal(mg_ocmf_dataset(&empty, text, sizeof text, &len), MG_OK);
    assert_string_equal(
        text, "{\"FV\":\"1.0\",\"GI\":\"\",\"GS\":\"\",\"PG\":\"\",\"MV\":\"\","
              "\"MM\":\"\",\"MS\":\"\",\"MF\":\"\",\"IS\":true,\"IF\":[],"
              "\"IT\":\"NONE\",\"ID\":\"\",\"CT\":\"EVSEID\",\"CI\":\"\","
              "\"RD\":[]}");
    assert_int_equal(len, strlen(text));
}

static void test_dataset_with_user(void **state)
{
    (void)state;
    struct mg_ocmf_head head = empty;
    head.gi = "Gateway 1";
    head.gs = "123456789";
    head.n_flags = 2;
    head.flags[0] = "RFID_PLAIN";
    head.flags[1] = "OCPP_RS_TLS";
    head.type = "ISO14443";
    head.data = "1F2D3A4F5506C7";
    char text[1024];
    size_t len;
    assert_int_equal(mg_ocmf_dataset(&head, text, sizeof text, &len), MG_OK);
    assert_string_equal(
        text, "{\"FV\":\"1.0\",\"GI\":\"Gateway 1\",\"GS\":\"123456789\","
              "\"PG\":\"\",\"MV\":\"\",\"MM\":\"\",\"MS\":\"\",\"MF\":\"\","
              "\"IS\":true,\"IF\":[\"RFID_PLAIN\",\"OCPP_RS_TLS\"],"
              "\"IT\":\"ISO14443\",\"ID\":\"1F2D3A4F5506C7\","
              "\"CT\":\"EVSEID\",\"CI\":\"\",\"RD\":[]}");
}

static void test_texts_are_escaped(void **state)
{
    (void)state;
    struct mg_ocmf_head head = empty;
    head.data = "a|b\"c\\d";
    head.tariff = "0,30 \xe2\x82\xac";
    char text[1024];
    size_t len;
    assert_int_equal(mg_ocmf_dataset(&head, text, sizeof text, &len), MG_OK);
    assert_non_null(strstr(text, "\"ID\":\"a\\u007Cb\\\"c\\\\d\","
                                 "\"TT\":\"0,30 \xe2\x82\xac\",\"CT\""));
    assert_null(strchr(text, '|'));
}

static void test_dataset_does_not_fit(void **state)
{
    (void)state;
    char text[1024];
    size_t len;
    assert_int_equal(mg_ocmf_dataset(&empty, text, sizeof text, &len), MG_OK);
    assert_int_equal(mg_ocmf_dataset(&empty, text, len, &len), MG_E_NOSPC);
    assert_int_equal(mg_ocmf_dataset(&empty, text, len + 1, &len), MG_OK);
    char long_text[600];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    struct mg_ocmf_head head = empty;
    head.data = long_text;
    assert_int_equal(mg_ocmf_dataset(&head, text, sizeof text, &len),
                     MG_E_NOSPC);
}

static void test_check_text(void **state)
{
    (void)state;
    struct mg_err err = {0};
    assert_int_equal(mg_ocmf_check_text("x", "a|b\"\\ \xc3\xa4", 20, &err),
                     MG_OK);
    assert_int_equal(mg_ocmf_check_text("x", "12345", 5, &err), MG_OK);
    assert_int_equal(mg_ocmf_check_text("x", "secret", 5, &err), MG_E_INVAL);
    assert_null(strstr(err.text, "secret"));
    assert_int_equal(mg_ocmf_check_text("x", "a\nb", 20, &err), MG_E_INVAL);
    assert_string_equal(err.text, "x: byte 2 is a control character");
    assert_int_equal(mg_ocmf_check_text("x", "\x7f", 20, &err), MG_E_INVAL);
    assert_int_equal(mg_ocmf_check_text("x", "a\xff", 20, &err), MG_E_INVAL);
    assert_string_equal(err.text, "x: byte 2 is not UTF-8");
}

static const struct mg_ocmf_entry entries[] = {
    {.utc_ms = 1748936925000,
     .clock = 'U',
     .tx = 'B',
     .status = 'G',
     .meter_mwh = 415912},
    {.utc_ms = 1748936964250,
     .offset_min = 120,
     .clock = 'S',
     .tx = 'S',
     .status = 'G',
     .meter_mwh = 8808199,
     .loss_mwh = 399},
    {.utc_ms = 1748936965000,
     .offset_min = -90,
     .clock = 'S',
     .tx = 'E',
     .status = 'G',
     .meter_mwh = 9756999,
     .loss_mwh = 999,
     .is_energy_bad = true,
     .is_time_bad = true},
};

static void test_payload(void **state)
{
    (void)state;
    struct mg_ocmf_head head = {.version = "1.0",
                                .gi = "CP0001",
                                .gv = "metergate 0.1.0",
                                .mv = "Compere",
                                .mm = "kpm31",
                                .ms = "1234",
                                .is_assigned = true,
                                .level = "TRUSTED",
                                .data = "05",
                                .tariff = "",
                                .has_loss = true,
                                .loss_uohm = 23000};
    char text[2048];
    size_t len;
    assert_int_equal(
        mg_ocmf_payload(&head, "T15", entries, 3, 4, text, sizeof text, &len),
        MG_OK);
    assert_string_equal(
        text, "{\"FV\":\"1.0\",\"GI\":\"CP0001\",\"PG\":\"T15\","
              "\"GV\":\"metergate 0.1.0\",\"MV\":\"Compere\",\"MM\":\"kpm31\","
              "\"MS\":\"1234\",\"IS\":true,\"IL\":\"TRUSTED\",\"IF\":[],"
              "\"IT\":\"NONE\",\"ID\":\"05\",\"LC\":{\"LU\":\"uOhm\","
              "\"LR\":23000},\"TT\":\"\",\"RD\":["
              "{\"TX\":\"B\",\"TM\":\"2025-06-03T07:48:45,000+0000 U\","
              "\"RU\":\"kWh\",\"RI\":\"1-b:1.8.0\",\"RT\":\"AC\",\"RV\":0.4159,"
              "\"CL\":0.0000,\"ST\":\"G\"},"
              "{\"TX\":\"S\",\"TM\":\"2025-06-03T09:49:24,250+0200 S\","
              "\"RU\":\"kWh\",\"RI\":\"1-b:1.8.0\",\"RT\":\"AC\",\"RV\":8.8078,"
              "\"CL\":0.0003,\"ST\":\"G\"},"
              "{\"TX\":\"E\",\"TM\":\"2025-06-03T06:19:25,000-0130 S\","
              "\"RU\":\"kWh\",\"RI\":\"1-b:1.8.0\",\"RT\":\"AC\",\"RV\":9.7560,"
              "\"CL\":0.0009,\"EF\":\"Et\",\"ST\":\"G\"}]}");
}

/* RV + CL is what the meter showed, cut to the decimals of the record. */
static void test_sum_is_the_meter_reading(void **state)
{
    (void)state;
    struct mg_ocmf_head head = {.version = "1.0", .has_loss = true};
    int64_t step[] = {10000, 1000, 100};
    for (int64_t i = 0; i < 3000; i++) {
        struct mg_ocmf_entry e = {.utc_ms = 1748936925000,
                                  .clock = 'S',
                                  .tx = 'B',
                                  .status = 'G',
                                  .meter_mwh = 7 + i * 7919,
                                  .loss_mwh = i * 6133};
        unsigned decimals = (unsigned)(2 + i % 3);
        char text[1024];
        size_t len;
        assert_int_equal(mg_ocmf_payload(&head, "T1", &e, 1, decimals, text,
                                         sizeof text, &len),
                         MG_OK);
        long long a, b, c, d;
        assert_int_equal(sscanf(strstr(text, "\"RV\":"),
                                "\"RV\":%lld.%lld,\"CL\":%lld.%lld", &a, &b, &c,
                                &d),
                         4);
        int64_t scale = decimals == 2 ? 100 : decimals == 3 ? 1000 : 10000;
        assert_int_equal((a + c) * scale + b + d,
                         e.meter_mwh / step[decimals - 2]);
    }
}

static void test_payload_refusals(void **state)
{
    (void)state;
    struct mg_ocmf_head head = {.version = "1.0"};
    struct mg_ocmf_entry e = entries[0];
    char text[1024];
    size_t len;
    assert_int_equal(
        mg_ocmf_payload(&head, "T1", &e, 1, 5, text, sizeof text, &len),
        MG_E_RANGE);
    assert_int_equal(
        mg_ocmf_payload(&head, "T1", &e, 1, 1, text, sizeof text, &len),
        MG_E_RANGE);
    e.loss_mwh = e.meter_mwh + 1000;
    assert_int_equal(
        mg_ocmf_payload(&head, "T1", &e, 1, 4, text, sizeof text, &len),
        MG_E_RANGE);
    e = entries[0];
    e.meter_mwh = -1;
    assert_int_equal(
        mg_ocmf_payload(&head, "T1", &e, 1, 4, text, sizeof text, &len),
        MG_E_RANGE);
    e = entries[0];
    e.utc_ms = -1;
    assert_int_equal(
        mg_ocmf_payload(&head, "T1", &e, 1, 4, text, sizeof text, &len),
        MG_E_RANGE);
    e = entries[0];
    e.offset_min = 1440;
    assert_int_equal(
        mg_ocmf_payload(&head, "T1", &e, 1, 4, text, sizeof text, &len),
        MG_E_RANGE);
}

static void test_decimals(void **state)
{
    (void)state;
    assert_int_equal(mg_ocmf_decimals(1), 4);
    assert_int_equal(mg_ocmf_decimals(100), 4);
    assert_int_equal(mg_ocmf_decimals(101), 3);
    assert_int_equal(mg_ocmf_decimals(1000), 3);
    assert_int_equal(mg_ocmf_decimals(10000), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dataset_of_the_manual),
        cmocka_unit_test(test_dataset_with_user),
        cmocka_unit_test(test_texts_are_escaped),
        cmocka_unit_test(test_dataset_does_not_fit),
        cmocka_unit_test(test_check_text),
        cmocka_unit_test(test_payload),
        cmocka_unit_test(test_sum_is_the_meter_reading),
        cmocka_unit_test(test_payload_refusals),
        cmocka_unit_test(test_decimals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
