/* ChargePoint's form of a record, held to the one that is printed in the
 * station's guide, and what is made of such records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/encode.h"
#include "model/ocmf_build.h"
#include "model/ocmf_check.h"
#include "model/ocmf_summary.h"
#include "record/assemble.h"
#include "record/chargepoint.h"
#include "record/verify.h"

static char printed[4096]; /* the record of the guide */
static struct mg_ocmf ocmf;
static struct mg_findings findings;

static const struct mg_ocmf_entry printed_entries[] = {{.utc_ms = 1748936925000,
                                                        .clock = 'U',
                                                        .tx = 'B',
                                                        .status = 'G',
                                                        .meter_mwh = 415900},
                                                       {.utc_ms = 1748936964000,
                                                        .clock = 'U',
                                                        .tx = 'S',
                                                        .status = 'G',
                                                        .meter_mwh = 415900},
                                                       {.utc_ms = 1748936965000,
                                                        .clock = 'U',
                                                        .tx = 'E',
                                                        .status = 'G',
                                                        .meter_mwh = 415900}};

/* SHA-256 of the station's legally relevant software, out of its MF by another
 * program (base64 -d | xxd). */
static const uint8_t printed_hash[32] = {
    0xb1, 0xc7, 0xe4, 0x9b, 0xed, 0xde, 0xf2, 0x0f, 0xe9, 0x9a, 0xff,
    0x89, 0x2f, 0x08, 0x60, 0xf8, 0xd5, 0x29, 0xc4, 0xfc, 0x3b, 0xf8,
    0x95, 0xda, 0x56, 0x84, 0xf0, 0xde, 0x01, 0x8f, 0xda, 0x84};

struct texts {
    char ms[MG_CHARGEPOINT_MS_MAX], mf[MG_CHARGEPOINT_MF_MAX];
    char gv[MG_CHARGEPOINT_GV_MAX], pg[MG_CHARGEPOINT_PG_MAX];
};

static struct mg_ocmf_head printed_head(struct texts *t)
{
    mg_chargepoint_ms("251362B00001", "31-002700-04-01", t->ms);
    mg_chargepoint_mf(printed_hash, t->mf);
    mg_chargepoint_gv("1.0.0", "2024.05.00.423-alpha", t->gv);
    mg_chargepoint_pg('T', 15, "4193206880799101095", t->pg);
    return (struct mg_ocmf_head){.form = MG_OCMF_FORM_CHARGEPOINT,
                                 .version = "1.0",
                                 .gi = "CP0001",
                                 .gs = "not in this form",
                                 .gv = t->gv,
                                 .is_assigned = true,
                                 .level = "TRUSTED",
                                 .type = "ISO14443",
                                 .n_flags = 1,
                                 .flags = {"RFID_PLAIN"},
                                 .data = "0000000000000005",
                                 .ct = "EVSEID",
                                 .ci = "DE*1",
                                 .mv = "Chargepoint Inc.",
                                 .mm = "CPKM3000",
                                 .ms = t->ms,
                                 .mf = t->mf,
                                 .has_loss = true,
                                 .connector = 1};
}

/* ---- The record of the guide ---- */

static void the_printed_record_byte_for_byte(void **state)
{
    (void)state;
    struct texts t;
    struct mg_ocmf_head head = printed_head(&t);
    char payload[2048], record[4096];
    size_t len, record_len, der_len;
    assert_int_equal(mg_ocmf_payload(&head, t.pg, printed_entries, 3, 4,
                                     payload, sizeof payload, &len),
                     MG_OK);
    const char *sd = strstr(printed, "\"SD\":\"") + 6;
    uint8_t der[MG_SIGNATURE_MAX];
    assert_int_equal(mg_base64_read(sd, (size_t)(strchr(sd, '"') - sd), der,
                                    sizeof der, &der_len),
                     MG_OK);
    assert_int_equal(mg_record_assemble(payload, len, MG_CURVE_SECP384R1, der,
                                        der_len, MG_SIGNATURE_CHARGEPOINT,
                                        record, sizeof record, &record_len),
                     MG_OK);
    assert_string_equal(record, printed);
    assert_int_equal(record_len, strlen(printed));
}

static void the_printed_record_is_read(void **state)
{
    (void)state;
    struct mg_err err;
    uint64_t session;
    char serial[MG_CHARGEPOINT_SERIAL_MAX], ms[MG_CHARGEPOINT_MS_MAX];
    assert_int_equal(mg_ocmf_parse(printed, strlen(printed), &ocmf, &err),
                     MG_OK);
    assert_int_equal(ocmf.context, 'T');
    assert_true(ocmf.pagination == 15);
    assert_true(mg_ocmf_session(&ocmf, &session));
    assert_true(session == UINT64_C(4193206880799101095));
    assert_true(mg_chargepoint_is_session(&ocmf, "4193206880799101095"));
    assert_false(mg_chargepoint_is_session(&ocmf, "4193206880799101094"));
    assert_int_equal(mg_ocmf_text(ocmf.ms, ms, sizeof ms), 44);
    assert_true(mg_chargepoint_serial(ms, serial));
    assert_string_equal(serial, "251362B00001");
    assert_int_equal(ocmf.n_readings, 3);
}

static bool was_found(const char *id)
{
    for (size_t i = 0; i < findings.n; i++) {
        if (strcmp(findings.all[i].id, id) == 0) {
            return true;
        }
    }
    return false;
}

/* Its deviations from OCMF are named; none keeps it from being billed, nor
 * Transparenzsoftware from opening it. */
static void the_deviations_of_the_printed_record(void **state)
{
    (void)state;
    static const char *const known[] = {"pagination-suffix", "member-type",
                                        "missing-member", "clock-state"};
    struct mg_err err;
    char why[120];
    assert_int_equal(mg_ocmf_parse(printed, strlen(printed), &ocmf, &err),
                     MG_OK);
    findings.n = 0;
    findings.is_cut = false;
    mg_ocmf_check(&ocmf, &findings);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!was_found(known[i])) {
            fail_msg("%s is not named", known[i]);
        }
    }
    assert_int_equal(findings.n, 4);
    assert_false(mg_findings_has(&findings, MG_SEVERITY_ERROR));
    assert_true(mg_ocmf_is_billable(&ocmf, why));
    mg_ocmf_check_profile(&ocmf, MG_PROFILE_TRANSPARENZ_1_3, &findings);
    assert_false(mg_findings_has(&findings, MG_SEVERITY_ERROR));
}

/* ---- Payloads ---- */

static const char *build(const struct mg_ocmf_head *head,
                         const struct mg_ocmf_entry *entries, size_t n,
                         unsigned decimals)
{
    static char text[4096];
    size_t len;
    assert_int_equal(mg_ocmf_payload(head, "T1-7", entries, n, decimals, text,
                                     sizeof text, &len),
                     MG_OK);
    return text;
}

static void cable_connector_and_errors(void **state)
{
    (void)state;
    struct texts t;
    struct mg_ocmf_head head = printed_head(&t);
    head.loss_uohm = 23000;
    head.connector = 2;
    head.mf = NULL;
    head.data = NULL;
    head.is_assigned = false;
    struct mg_ocmf_entry e = {.utc_ms = 1748936925250,
                              .clock = 'S',
                              .tx = 'E',
                              .status = 'G',
                              .is_energy_bad = true,
                              .meter_mwh = 9756900,
                              .loss_mwh = 999};
    assert_string_equal(
        build(&head, &e, 1, 4),
        "{\"FV\":\"1.0\",\"GI\":\"CP0001\",\"PG\":\"T1-7\","
        "\"GV\":\"lrs_ver: 1.0.0, sw_rel: 2024.05.00.423-alpha\","
        "\"MV\":\"Chargepoint Inc.\", \"MM\":\"CPKM3000\", "
        "\"MS\":\"MjUxMzYyQjAwMDAxAAAAAHwzMS0wMDI3MDAtMDQtMDE=\", "
        "\"IS\":false, \"ID\":\"\", \"CI\":2, "
        "\"LC\":{\"LU\":\"uOhm\", \"LR\":23000.0}, \"TT\":\"\",\"RD\":["
        "{\"TX\":\"E\", \"TM\":\"2025-06-03T07:48:45,250+0000 S\", "
        "\"RU\":\"kWh\", \"RI\":\"1-b:1.8.0\", \"RT\":\"AC\", \"RV\":9.7560, "
        "\"CL\":0.0009, \"EF\":\"E\", \"ST\":\"G\"}]}");
}

static const char *member(const char *text, const char *key)
{
    static char value[32];
    const char *at = strstr(text, key);
    assert_non_null(at);
    at += strlen(key);
    size_t n = strcspn(at, ",}");
    assert_true(n < sizeof value);
    memcpy(value, at, n);
    value[n] = '\0';
    return value;
}

static void a_loss_without_superfluous_zeros(void **state)
{
    (void)state;
    static const struct {
        int64_t loss_mwh;
        unsigned decimals;
        const char *rv, *cl;
    } rows[] = {{0, 4, "8.4587", "0.0"},       {99, 4, "8.4587", "0.0"},
                {100, 4, "8.4586", "0.0001"},  {1000, 4, "8.4577", "0.001"},
                {10000, 4, "8.4487", "0.01"},  {100000, 4, "8.3587", "0.1"},
                {1000000, 4, "7.4587", "1.0"}, {8458700, 4, "0.0000", "8.4587"},
                {1900, 3, "8.457", "0.001"},   {10000, 2, "8.44", "0.01"}};
    struct texts t;
    struct mg_ocmf_head head = printed_head(&t);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mg_ocmf_entry e = printed_entries[0];
        e.meter_mwh = 8458700;
        e.loss_mwh = rows[i].loss_mwh;
        const char *text = build(&head, &e, 1, rows[i].decimals);
        assert_string_equal(member(text, "\"RV\":"), rows[i].rv);
        assert_string_equal(member(text, "\"CL\":"), rows[i].cl);
    }
}

static void a_wrong_connector_is_refused(void **state)
{
    (void)state;
    struct texts t;
    struct mg_ocmf_head head = printed_head(&t);
    char text[2048];
    size_t len = 77;
    for (unsigned i = 0; i < 4; i++) {
        head.connector = (uint8_t)i;
        assert_int_equal(mg_ocmf_payload(&head, "T1", printed_entries, 3, 4,
                                         text, sizeof text, &len),
                         i == 1 || i == 2 ? MG_OK : MG_E_RANGE);
    }
    assert_int_equal(
        mg_ocmf_payload(&head, "T1", printed_entries, 3, 4, text, 300, &len),
        MG_E_RANGE);
    head.connector = 1;
    assert_int_equal(
        mg_ocmf_payload(&head, "T1", printed_entries, 3, 4, text, 300, &len),
        MG_E_NOSPC);
}

/* ---- Texts ---- */

static void serials_of_all_lengths(void **state)
{
    (void)state;
    static const struct {
        const char *serial, *part, *ms;
    } rows[] = {/* python3 base64 */
                {"251362B00001", "31-002700-04-01",
                 "MjUxMzYyQjAwMDAxAAAAAHwzMS0wMDI3MDAtMDQtMDE="},
                {"", "", "AAAAAAAAAAAAAAAAAAAAAHw="},
                {"0123456789ABCDEF", "P", "MDEyMzQ1Njc4OUFCQ0RFRnxQ"},
                {"0123456789ABCDEFG", "", "MDEyMzQ1Njc4OUFCQ0RFRkd8"},
                {"1234", "", "MTIzNAAAAAAAAAAAAAAAAHw="}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char ms[MG_CHARGEPOINT_MS_MAX], serial[MG_CHARGEPOINT_SERIAL_MAX];
        mg_chargepoint_ms(rows[i].serial, rows[i].part, ms);
        assert_string_equal(ms, rows[i].ms);
        assert_true(mg_chargepoint_serial(ms, serial));
        assert_string_equal(serial, rows[i].serial);
    }
}

static void other_serials_are_none(void **state)
{
    (void)state;
    static const char *const none[] = {
        "",
        "251362B00001",
        "not base64!",
        "MjUxMzYyQjAwMDAxAAAAAA==",
        "MjUxMzYyQjAwMDAxAAAAAA==|",
        "YWIAY2QAAAAAAAAAAAAAAHwx",
        "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHw=",
        "GwAAAAAAAAAAAAAAAAAAAHwx",
        "YXxiAAAAAAAAAAAAAAAAAA==",
        ("eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4"
         "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHw=")};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        char serial[MG_CHARGEPOINT_SERIAL_MAX] = "untouched";
        assert_false(mg_chargepoint_serial(none[i], serial));
        assert_string_equal(serial, "untouched");
    }
}

static void the_longest_texts_fit(void **state)
{
    (void)state;
    char longest[300], ms[MG_CHARGEPOINT_MS_MAX], gv[MG_CHARGEPOINT_GV_MAX];
    char pg[MG_CHARGEPOINT_PG_MAX], serial[MG_CHARGEPOINT_SERIAL_MAX];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    mg_chargepoint_ms(longest, longest, ms);
    assert_int_equal(strlen(ms), MG_CHARGEPOINT_MS_MAX - 5);
    assert_true(mg_chargepoint_serial(ms, serial));
    assert_int_equal(strlen(serial), MG_CHARGEPOINT_SERIAL_MAX - 1);
    mg_chargepoint_gv(longest, longest, gv);
    assert_int_equal(strlen(gv), MG_CHARGEPOINT_GV_MAX - 1);
    mg_chargepoint_pg('T', UINT64_MAX, "9223372036854775807", pg);
    assert_string_equal(pg, "T18446744073709551615-9223372036854775807");
}

static void versions_and_paginations(void **state)
{
    (void)state;
    char gv[MG_CHARGEPOINT_GV_MAX], pg[MG_CHARGEPOINT_PG_MAX];
    mg_chargepoint_gv("", "2024.05", gv);
    assert_string_equal(gv, "sw_rel: 2024.05");
    mg_chargepoint_pg('F', 3, NULL, pg);
    assert_string_equal(pg, "F3");
    mg_chargepoint_pg('F', 3, "", pg);
    assert_string_equal(pg, "F3");
    mg_chargepoint_pg('T', 5, "5333490790308772492", pg);
    assert_string_equal(pg, "T5-5333490790308772492");
    mg_chargepoint_pg('T', 5, "abc", pg); /* python3 hashlib */
    assert_string_equal(pg, "T5-3359128625063425018");
}

static void suffixes_that_name_no_session(void **state)
{
    (void)state;
    static const char *const none[] = {
        "T1", "T1-", "T1x7", "T1-7a", "T1--7", "T1-99999999999999999999"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        char text[128];
        struct mg_err err;
        uint64_t session = 77;
        int n = snprintf(text, sizeof text, "OCMF|{\"PG\":\"%s\"}|{}", none[i]);
        assert_int_equal(mg_ocmf_parse(text, (size_t)n, &ocmf, &err), MG_OK);
        assert_true(ocmf.pagination == 1);
        assert_false(mg_ocmf_session(&ocmf, &session));
        assert_true(session == 77);
        assert_true(mg_chargepoint_is_session(&ocmf, "any"));
    }
}

/* ---- What the driver sees ---- */

static void parse_readings(const char *readings)
{
    static char text[4096];
    struct mg_err err;
    int n = snprintf(text, sizeof text, "OCMF|{\"PG\":\"T1-7\",\"RD\":[%s]}|{}",
                     readings);
    assert_int_equal(mg_ocmf_parse(text, (size_t)n, &ocmf, &err), MG_OK);
}

#define READING(time, rv, cl)                                                  \
    "{\"TX\":\"C\",\"TM\":\"2025-01-29T" time                                  \
    ",000+0000 S\",\"RU\":\"kWh\",\"RV\":" rv ",\"CL\":" cl ",\"ST\":\"G\"}"

/* The summary that the guide shows, in its local time. */
static void the_summary_of_the_guide(void **state)
{
    (void)state;
    static const char *const want[][3] = {
        {"2025-01-29 06:40:32", "8.4587 kWh", "-0.0 Wh"},
        {"2025-01-29 06:44:56", "8.8033 kWh", "-0.3 Wh"},
        {"2025-01-29 06:45:00", "8.8079 kWh", "-0.3 Wh"},
        {"2025-01-29 06:57:11", "9.7560 kWh", "-0.9 Wh"},
        {"2025-01-29 06:57:11", "9.7560 kWh", "-0.9 Wh"}};
    parse_readings(READING("05:40:32", "8.4587", "0.0") "," READING(
        "05:44:56", "8.8033",
        "0.0003") "," READING("05:45:00", "8.8079",
                              "0.0003") "," READING("05:57:11", "9.7560",
                                                    "0.0009") "," READING("05:"
                                                                          "57:"
                                                                          "11",
                                                                          "9."
                                                                          "756",
                                                                          "0."
                                                                          "000"
                                                                          "9"));
    assert_int_equal(ocmf.n_readings, 5);
    assert_true(mg_ocmf_has_summary(&ocmf));
    for (size_t i = 0; i < 5; i++) {
        struct mg_ocmf_summary row;
        mg_ocmf_summarise(&ocmf.readings[i], 60, &row);
        assert_string_equal(row.time, want[i][0]);
        assert_string_equal(row.energy, want[i][1]);
        assert_string_equal(row.loss, want[i][2]);
    }
}

static void summary_is(const char *reading, const char *time,
                       const char *energy, const char *loss)
{
    struct mg_ocmf_summary row;
    parse_readings(reading);
    mg_ocmf_summarise(&ocmf.readings[0], -90, &row);
    assert_string_equal(row.time, time);
    assert_string_equal(row.energy, energy);
    assert_string_equal(row.loss, loss);
}

static void summaries_of_odd_readings(void **state)
{
    (void)state;
    summary_is("{\"TM\":\"2025-01-29T00:10:00,000+0000 U\",\"RU\":\"kWh\","
               "\"RV\":1.5,\"CL\":0.00005,\"EF\":\"Et\"}",
               "time not synchronised t", "1.5000 kWh E", "-0.1 Wh");
    summary_is("{\"TM\":\"2025-01-29T00:10:00,000+0100 I\",\"RU\":\"Wh\","
               "\"RV\":1234.56,\"CL\":0.04}",
               "2025-01-28 21:40:00", "1.23456 kWh", "-0.0 Wh");
    summary_is("{\"TM\":\"2025-01-29T00:10:00,000+0000 R\",\"RU\":\"mOhm\","
               "\"RV\":1,\"CL\":1}",
               "2025-01-28 22:40:00", "-", "-");
    summary_is("{\"RU\":\"kWh\",\"RV\":100000000000000000,\"CL\":"
               "900000000000000000}",
               "-", "100000000000000000 kWh", "-");
    summary_is("{\"RU\":\"kWh\",\"RV\":-1.25,\"CL\":-1}", "-", "-1.2500 kWh",
               "-");
    summary_is("{\"RU\":\"kWh\",\"RV\":0.000000000000000001,\"CL\":"
               "0.000149999999999999}",
               "-", "0.000000000000000001 kWh", "-0.1 Wh");
    parse_readings("{\"RV\":1}");
    assert_false(mg_ocmf_has_summary(&ocmf));
}

static int read_printed(const char *path)
{
    FILE *f = fopen(path, "r");
    while (f != NULL && fgets(printed, sizeof printed, f) != NULL &&
           printed[0] == '#') {
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    printed[strcspn(printed, "\n")] = '\0';
    return strncmp(printed, "OCMF|", 5) == 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_printed_record_byte_for_byte),
        cmocka_unit_test(the_printed_record_is_read),
        cmocka_unit_test(the_deviations_of_the_printed_record),
        cmocka_unit_test(cable_connector_and_errors),
        cmocka_unit_test(a_loss_without_superfluous_zeros),
        cmocka_unit_test(a_wrong_connector_is_refused),
        cmocka_unit_test(serials_of_all_lengths),
        cmocka_unit_test(other_serials_are_none),
        cmocka_unit_test(the_longest_texts_fit),
        cmocka_unit_test(versions_and_paginations),
        cmocka_unit_test(suffixes_that_name_no_session),
        cmocka_unit_test(the_summary_of_the_guide),
        cmocka_unit_test(summaries_of_odd_readings),
    };
    if (argc != 2 || read_printed(argv[1]) != 0) {
        (void)fprintf(stderr, "usage: %s chargepoint_record.txt\n", argv[0]);
        return 2;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
