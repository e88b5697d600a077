/* OCMF records: sections, members, numbers, times, carry-forward. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/json_pull.h"
#include "model/ocmf.h"

static struct mg_ocmf ocmf; /* 100 KB: not on the stack */

static int parse(const char *text)
{
    struct mg_err err = {0};
    return mg_ocmf_parse(text, strlen(text), &ocmf, &err);
}

#define assert_span(span, wanted)                                              \
    do {                                                                       \
        assert_non_null((span).text);                                          \
        assert_int_equal((span).len, strlen(wanted));                          \
        assert_memory_equal((span).text, wanted, (span).len);                  \
    } while (0)

static const char PLAIN[] =
    "OCMF|{\"FV\":\"1.2\",\"GI\":\"G\",\"GS\":\"1\",\"GV\":\"2\",\"PG\":"
    "\"T17\","
    "\"MV\":\"V\",\"MM\":\"M\",\"MS\":\"S1\",\"MF\":\"3\",\"IS\":true,"
    "\"IL\":\"NONE\",\"IF\":[\"RFID_NONE\",\"OCPP_NONE\"],\"IT\":\"NONE\","
    "\"ID\":\"\",\"TT\":\"t\",\"CF\":\"c\",\"CT\":\"EVSEID\",\"CI\":\"x\","
    "\"LC\":{\"LN\":\"n\",\"LI\":7,\"LR\":23000.0,\"LU\":\"uOhm\"},"
    "\"RD\":[{\"TM\":\"2022-11-11T13:22:28,250+0130 S\",\"TX\":\"B\","
    "\"RV\":123457.52,\"RI\":\"1-b:1.8.0\",\"RU\":\"kWh\",\"RT\":\"AC\","
    "\"CL\":0.0,\"EF\":\"\",\"ST\":\"G\"}]}|"
    "{\"SA\":\"A\",\"SE\":\"hex\",\"SM\":\"m\",\"SD\":\"3045\"}";

static void every_member_is_read(void **state)
{
    (void)state;
    assert_int_equal(parse(PLAIN), MG_OK);
    assert_span(ocmf.fv, "1.2");
    assert_span(ocmf.gi, "G");
    assert_span(ocmf.gs, "1");
    assert_span(ocmf.gv, "2");
    assert_span(ocmf.pg, "T17");
    assert_span(ocmf.mv, "V");
    assert_span(ocmf.mm, "M");
    assert_span(ocmf.ms, "S1");
    assert_span(ocmf.mf, "3");
    assert_true(ocmf.has_is && ocmf.is_assigned);
    assert_span(ocmf.il, "NONE");
    assert_true(ocmf.has_if && ocmf.is_if_array);
    assert_int_equal(ocmf.n_flags, 2);
    assert_span(ocmf.flags[1], "OCPP_NONE");
    assert_span(ocmf.it, "NONE");
    assert_span(ocmf.id, "");
    assert_span(ocmf.tt, "t");
    assert_span(ocmf.cf, "c");
    assert_span(ocmf.ct, "EVSEID");
    assert_span(ocmf.ci, "x");
    assert_true(ocmf.has_lc);
    assert_span(ocmf.ln, "n");
    assert_int_equal(ocmf.li.mantissa, 7);
    assert_int_equal(ocmf.lr.mantissa, 230000);
    assert_int_equal(ocmf.lr.decimals, 1);
    assert_span(ocmf.lu, "uOhm");
    assert_span(ocmf.sa, "A");
    assert_span(ocmf.se, "hex");
    assert_span(ocmf.sm, "m");
    assert_span(ocmf.sd, "3045");
    assert_int_equal(ocmf.context, 'T');
    assert_int_equal(ocmf.pagination, 17);
    assert_null(ocmf.pg_suffix.text);
    assert_int_equal(ocmf.oddities, 0);
}

static void a_reading_is_read(void **state)
{
    (void)state;
    assert_int_equal(parse(PLAIN), MG_OK);
    assert_int_equal(ocmf.n_readings, 1);
    const struct mg_ocmf_reading *r = &ocmf.readings[0];
    assert_true(r->has_time);
    /* 13:22:28.250 at +01:30 is 11:52:28.250 UTC */
    assert_true(r->utc_ms == INT64_C(1668167548250));
    assert_int_equal(r->offset_min, 90);
    assert_int_equal(r->clock, 'S');
    assert_int_equal(r->tx, 'B');
    assert_int_equal(r->status, 'G');
    assert_int_equal(r->unit, MG_OCMF_KWH);
    assert_true(r->rv.is_there && r->rv.is_exact && !r->rv.is_text);
    assert_true(r->rv.mantissa == 12345752);
    assert_int_equal(r->rv.decimals, 2);
    assert_true(r->cl.is_there && r->cl.mantissa == 0);
    assert_span(r->rt, "AC");
    assert_false(r->is_carried || r->is_energy_bad || r->is_time_bad);
}

/* What is signed is what stands between the pipes, to the byte. */
static void sections_are_as_written(void **state)
{
    (void)state;
    assert_int_equal(parse("OCMF| {\"PG\":\"T1\"}\n|\t{\"SD\":\"00\"}\r\n"),
                     MG_OK);
    assert_span(ocmf.payload, " {\"PG\":\"T1\"}\n");
    assert_span(ocmf.signature, "\t{\"SD\":\"00\"}");
    assert_int_equal(ocmf.oddities, MG_OCMF_ODD_SPACE);
    assert_int_equal(parse("OCMF|{\n \"PG\" : \"T1\"\n}|{\"SD\":\"00\"}"),
                     MG_OK);
    assert_span(ocmf.payload, "{\n \"PG\" : \"T1\"\n}");
    assert_int_equal(ocmf.oddities, 0);
}

static void a_pipe_in_a_text_ends_nothing(void **state)
{
    (void)state;
    assert_int_equal(
        parse("OCMF|{\"GI\":\"A}|{B\\\"|\",\"PG\":\"T1\"}|{\"SD\":\"00\"}"),
        MG_OK);
    assert_span(ocmf.gi, "A}|{B\\\"|");
    assert_span(ocmf.pg, "T1");
    assert_span(ocmf.sd, "00");
    assert_int_equal(ocmf.oddities, MG_OCMF_ODD_PIPE);
}

static void what_is_no_record_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "OCMF",
        "OCMF|",
        "ocmf|{}|{}",
        "OCMF|{}",
        "OCMF|{}|",
        "OCMF|{x}|{}",
        "OCMF|{}|{}x",
        "OCMF|{}|{}|{}",
        "OCMF|[]|{}",
        "OCMF|{}|[]",
        "OCMF|{\"a\":1,}|{}",
        "OCMF|{\"a\":01}|{}",
        "OCMF|{\"a\":.5}|{}",
        "OCMF|{\"a\":1e}|{}",
        "OCMF|{\"a\":\"\n\"}|{}",
        "OCMF|{\"a\":\"\\x\"}|{}",
        "OCMF|{\"a\":\"\\u12g4\"}|{}",
        "OCMF|{\"a\":\"\xff\"}|{}",
        "OCMF|{\"a\" 1}|{}",
        "OCMF|{\"a\":tru}|{}",
        "OCMF|{\"a\":[1 2]}|{}",
        "OCMF|{\"a\":[1}]|{}",
        "OCMF|{\"a\":1}{}",
        "xOCMF|{}|{}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct mg_err err = {0};
        assert_int_equal(mg_ocmf_parse(texts[i], strlen(texts[i]), &ocmf, &err),
                         MG_E_PROTO);
        assert_non_null(strstr(err.text, "byte"));
    }
    assert_int_equal(parse("OCMF|{}|{}"), MG_OK);
}

static void a_prefix_is_never_a_record(void **state)
{
    (void)state;
    for (size_t len = 0; len < sizeof PLAIN - 1; len++) {
        struct mg_err err = {0};
        assert_int_equal(mg_ocmf_parse(PLAIN, len, &ocmf, &err), MG_E_PROTO);
    }
}

/* 31 arrays within the payload's braces are the most. */
static void nesting_is_bounded(void **state)
{
    (void)state;
    for (size_t n = 30; n <= 33; n++) {
        char text[256] = "OCMF|{\"a\":";
        size_t at = strlen(text);
        memset(text + at, '[', n);
        memset(text + at + n, ']', n);
        memcpy(text + at + 2 * n, "}|{}", 5);
        assert_int_equal(parse(text),
                         n < MG_PULL_DEPTH_MAX ? MG_OK : MG_E_PROTO);
    }
}

static char *with_readings(size_t n)
{
    static const char HEAD[] = "OCMF|{\"RD\":[{}";
    char *text = malloc(sizeof HEAD + 3 * n + 16);
    assert_non_null(text);
    memcpy(text, HEAD, sizeof HEAD);
    size_t at = sizeof HEAD - 1;
    for (size_t i = 1; i < n; i++, at += 3) {
        memcpy(text + at, ",{}", 3);
    }
    memcpy(text + at, "]}|{}", 6);
    return text;
}

static void readings_are_bounded(void **state)
{
    (void)state;
    char *most = with_readings(MG_OCMF_READINGS_MAX);
    char *more = with_readings(MG_OCMF_READINGS_MAX + 1);
    assert_int_equal(parse(most), MG_OK);
    assert_int_equal(ocmf.n_readings, MG_OCMF_READINGS_MAX);
    assert_int_equal(parse(more), MG_E_PROTO);
    free(more);
    free(most);
}

static void a_long_text_is_refused(void **state)
{
    (void)state;
    size_t len = MG_OCMF_TEXT_MAX + 1;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, ' ', len);
    memcpy(text, "OCMF|{}|{}", 10);
    struct mg_err err = {0};
    assert_int_equal(mg_ocmf_parse(text, len - 1, &ocmf, &err), MG_OK);
    assert_int_equal(mg_ocmf_parse(text, len, &ocmf, &err), MG_E_PROTO);
    free(text);
}

/* ---- Oddities ---- */

static void duplicates_are_told(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "OCMF|{\"IS\":false,\"IS\":true}|{}", "OCMF|{\"abc\":1,\"abc\":2}|{}",
        "OCMF|{}|{\"SD\":\"1\",\"SD\":\"2\"}",
        "OCMF|{\"RD\":[{\"RV\":1,\"RV\":2}]}|{}",
        "OCMF|{\"LC\":{\"LR\":1,\"LR\":2}}|{}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(parse(texts[i]), MG_OK);
        assert_int_equal(ocmf.oddities, MG_OCMF_ODD_DUPLICATE);
    }
    assert_int_equal(parse(texts[0]), MG_OK);
    assert_true(ocmf.is_assigned);
    assert_int_equal(parse(texts[2]), MG_OK);
    assert_span(ocmf.sd, "2");
    assert_int_equal(parse("OCMF|{\"RD\":[{\"RV\":1},{\"RV\":1}]}|{}"), MG_OK);
    assert_int_equal(ocmf.oddities, 0);
}

static void other_types_are_told(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "OCMF|{\"FV\":1.0}|{}",      "OCMF|{\"CI\":1}|{}",
        "OCMF|{\"IS\":\"NONE\"}|{}", "OCMF|{\"IF\":\"\"}|{}",
        "OCMF|{\"IF\":[1]}|{}",      "OCMF|{\"LC\":7}|{}",
        "OCMF|{\"RD\":{}}|{}",       "OCMF|{\"RD\":[1]}|{}",
        "OCMF|{\"MS\":null}|{}",     "OCMF|{\"MS\":{\"a\":[{}]}}|{}",
        "OCMF|{}|{\"SD\":[]}",       "OCMF|{\"RD\":[{\"RV\":true}]}|{}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(parse(texts[i]), MG_OK);
        assert_int_equal(ocmf.oddities, MG_OCMF_ODD_TYPE);
    }
    assert_int_equal(parse(texts[0]), MG_OK);
    assert_span(ocmf.fv, "1.0");
    assert_int_equal(parse(texts[1]), MG_OK);
    assert_span(ocmf.ci, "1");
    assert_int_equal(parse(texts[3]), MG_OK);
    assert_true(ocmf.has_if && !ocmf.is_if_array);
    assert_int_equal(parse(texts[8]), MG_OK);
    assert_null(ocmf.ms.text);
}

static void version_0_1_has_other_names(void **state)
{
    (void)state;
    assert_int_equal(
        parse("OCMF|{\"FV\":\"0.1\",\"VI\":\"ABL\",\"VV\":\"1.4p3\","
              "\"IS\":\"VERIFIED\"}|{}"),
        MG_OK);
    assert_span(ocmf.gi, "ABL");
    assert_span(ocmf.gv, "1.4p3");
    assert_span(ocmf.il, "VERIFIED");
    assert_true(ocmf.is_assigned);
    /* Later they are a vendor's own members. */
    assert_int_equal(parse("OCMF|{\"FV\":\"1.0\",\"VI\":\"ABL\"}|{}"), MG_OK);
    assert_null(ocmf.gi.text);
}

static void paginations(void **state)
{
    (void)state;
    static const struct {
        const char *pg;
        char context;
        uint64_t n;
        const char *suffix;
    } rows[] = {{"T1", 'T', 1, NULL},
                {"F0", 'F', 0, NULL},
                {"T007", 'T', 7, NULL},
                {"T15-4193206880799101095", 'T', 15, "-4193206880799101095"},
                {"T18446744073709551609", 'T', UINT64_MAX - 6, NULL},
                {"T99999999999999999999", 0, 0, NULL},
                {"T", 0, 0, NULL},
                {"Tx", 0, 0, NULL},
                {"17", 0, 0, NULL},
                {"", 0, 0, NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[128] = "OCMF|{\"PG\":\"";
        memcpy(text + strlen(text), rows[i].pg, strlen(rows[i].pg) + 1);
        memcpy(text + strlen(text), "\"}|{}", 6);
        assert_int_equal(parse(text), MG_OK);
        assert_int_equal(ocmf.context, rows[i].context);
        assert_true(ocmf.pagination == rows[i].n);
        if (rows[i].suffix != NULL) {
            assert_span(ocmf.pg_suffix, rows[i].suffix);
        } else {
            assert_null(ocmf.pg_suffix.text);
        }
    }
}

/* ---- Numbers ---- */

static void numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_there, is_exact;
        int64_t mantissa;
        unsigned decimals;
    } rows[] = {
        {"0", true, true, 0, 0},
        {"-1.50", true, true, -150, 2},
        {"0.000", true, true, 0, 3},
        {"1.606848e7", true, true, 16068480, 0},
        {"1.5E-3", true, true, 15, 4},
        {"2e+2", true, true, 200, 0},
        {"0e99", true, true, 0, 0},
        {"123456789012345678", true, true, INT64_C(123456789012345678), 0},
        {"1234567890123456789", true, false, 0, 0},
        {"0.1234567890123456789", true, false, 0, 0},
        {"1e18", true, false, 0, 0},
        {"1e999999999999", true, false, 0, 0},
        {"1e-19", true, false, 0, 0},
        {"\"       9.038\"", true, true, 9038, 3},
        {"\"0.636\"", true, true, 636, 3},
        {"\"007.5 \"", true, true, 75, 1},
        {"\"\"", false, false, 0, 0},
        {"\"-\"", false, false, 0, 0},
        {"\"1,5\"", false, false, 0, 0},
        {"\"1.5 kWh\"", false, false, 0, 0},
        {"\"1e\"", false, false, 0, 0},
        {"\"0x10\"", false, false, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[128] = "OCMF|{\"RD\":[{\"RV\":";
        memcpy(text + strlen(text), rows[i].text, strlen(rows[i].text) + 1);
        memcpy(text + strlen(text), "}]}|{}", 7);
        assert_int_equal(parse(text), MG_OK);
        const struct mg_ocmf_number *n = &ocmf.readings[0].rv;
        assert_int_equal(n->is_there, rows[i].is_there);
        assert_int_equal(n->is_exact, rows[i].is_exact);
        assert_int_equal(n->is_text, rows[i].text[0] == '"');
        if (n->is_exact) {
            assert_true(n->mantissa == rows[i].mantissa);
            assert_int_equal(n->decimals, rows[i].decimals);
        }
    }
}

static struct mg_ocmf_number number(int64_t mantissa, unsigned decimals)
{
    return (struct mg_ocmf_number){.is_there = true,
                                   .is_exact = true,
                                   .mantissa = mantissa,
                                   .decimals = (uint8_t)decimals};
}

static void differences_are_exact(void **state)
{
    (void)state;
    static const struct {
        int64_t a;
        unsigned a_decimals;
        int64_t b;
        unsigned b_decimals;
        int rc;
        int64_t difference;
        unsigned decimals;
    } rows[] = {
        {12345752, 2, 12345901, 2, MG_OK, 149, 2},
        {80, 0, 8097, 2, MG_OK, 97, 2},
        {8097, 2, 80, 0, MG_OK, -97, 2},
        {-5, 1, 5, 1, MG_OK, 10, 1},
        {0, 0, 1, 18, MG_OK, 1, 18},
        {10, 0, 1, 18, MG_E_RANGE, 0, 0},
        {-9, 0, 999999999999999999, 18, MG_E_RANGE, 0, 0},
        {INT64_MAX, 0, -1, 0, MG_E_RANGE, 0, 0},
        {-INT64_MAX, 0, 0, 0, MG_OK, INT64_MAX, 0},
        {INT64_MAX, 0, 0, 0, MG_OK, -INT64_MAX, 0},
        {-INT64_MAX, 0, 1, 0, MG_E_RANGE, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mg_ocmf_number a = number(rows[i].a, rows[i].a_decimals);
        struct mg_ocmf_number b = number(rows[i].b, rows[i].b_decimals);
        int64_t difference = 42;
        uint8_t decimals = 42;
        assert_int_equal(mg_ocmf_difference(&a, &b, &difference, &decimals),
                         rows[i].rc);
        bool is_ok = rows[i].rc == MG_OK;
        assert_true(difference == (is_ok ? rows[i].difference : 42));
        assert_int_equal(decimals, is_ok ? rows[i].decimals : 42);
    }
    struct mg_ocmf_number a = number(1, 0);
    struct mg_ocmf_number b = number(2, 0);
    int64_t difference;
    uint8_t decimals;
    b.is_exact = false;
    assert_int_equal(mg_ocmf_difference(&a, &b, &difference, &decimals),
                     MG_E_RANGE);
}

/* ---- Times ---- */

static void times(void **state)
{
    (void)state;
    static const struct {
        const char *tm;
        bool has_time;
        int64_t utc_ms;
    } rows[] = {
        {"1970-01-01T00:00:00,000+0000 U", true, 0},
        {"1970-01-01T01:00:00,001+0100 I", true, 1},
        {"1969-12-31T23:59:59,000+0000 S", false, 0},
        {"2024-02-29T12:00:00,000-0500 R", true, INT64_C(1709226000000)},
        {"2023-02-29T12:00:00,000+0000 S", false, 0},
        {"2022-11-11T13:22:28.000+0000 S", false, 0},
        {"2022-11-11T13:22:28,000+0000 X", false, 0},
        {"2022-11-11T13:22:28,000+0000", false, 0},
        {"2022-11-11T13:22:28,000+0000 S ", false, 0},
        {"2022-11-11T13:22:28,000+2400 S", false, 0},
        {"2022-11-11 13:22:28,000+0000 S", false, 0},
        {"2022-11-11T13:22:28,00+0000 S", false, 0},
        {"2022-11-11T13:22:28,000Z S", false, 0},
        {"", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[128] = "OCMF|{\"RD\":[{\"TM\":\"";
        memcpy(text + strlen(text), rows[i].tm, strlen(rows[i].tm) + 1);
        memcpy(text + strlen(text), "\"}]}|{}", 8);
        assert_int_equal(parse(text), MG_OK);
        const struct mg_ocmf_reading *r = &ocmf.readings[0];
        assert_int_equal(r->has_time, rows[i].has_time);
        if (r->has_time) {
            assert_true(r->utc_ms == rows[i].utc_ms);
        } else {
            assert_int_equal(r->clock, 0);
        }
    }
}

/* ---- Carry-forward ---- */

static void readings_inherit(void **state)
{
    (void)state;
    assert_int_equal(
        parse("OCMF|{\"RD\":[{\"TM\":\"2022-11-11T13:22:28,000+0000 S\","
              "\"TX\":\"B\",\"RV\":1.5,\"RI\":\"1-b:1.8.0\",\"RU\":\"kWh\","
              "\"RT\":\"AC\",\"EF\":\"t\",\"ST\":\"G\",\"CL\":0},"
              "{\"TX\":\"E\",\"RV\":2.5,\"CL\":0.5},{},"
              "{\"TX\":\"B\"}]}|{}"),
        MG_OK);
    assert_int_equal(ocmf.n_readings, 4);
    const struct mg_ocmf_reading *r = ocmf.readings;
    assert_false(r[0].is_carried);
    assert_true(r[1].is_carried && r[1].is_ri_tx_carried);
    assert_int_equal(r[1].tx, 'E');
    assert_int_equal(r[1].status, 'G');
    assert_int_equal(r[1].unit, MG_OCMF_KWH);
    assert_true(r[1].is_time_bad);
    assert_true(r[1].utc_ms == r[0].utc_ms && r[1].has_time);
    assert_span(r[1].ri, "1-b:1.8.0");
    assert_int_equal(r[2].tx, 'E');
    assert_true(r[2].rv.mantissa == 25 && r[2].cl.mantissa == 5);
    /* A begin has no loss yet. */
    assert_false(r[3].cl.is_there);
    assert_true(r[3].rv.mantissa == 25);
}

static void an_empty_member_inherits_nothing(void **state)
{
    (void)state;
    assert_int_equal(
        parse("OCMF|{\"RD\":[{\"TX\":\"B\",\"ST\":\"G\",\"EF\":\"Et\"},"
              "{\"TX\":\"\",\"ST\":\"\",\"EF\":\"\"}]}|{}"),
        MG_OK);
    assert_true(ocmf.readings[0].is_energy_bad && ocmf.readings[0].is_time_bad);
    assert_int_equal(ocmf.readings[1].tx, 0);
    assert_int_equal(ocmf.readings[1].status, 0);
    assert_false(ocmf.readings[1].is_energy_bad);
}

static void escapes_are_resolved(void **state)
{
    (void)state;
    char text[16];
    assert_int_equal(
        parse("OCMF|{\"GI\":\"a\\u00e9\\n\",\"MS\":\"\\ud800\"}|{}"), MG_OK);
    assert_int_equal(mg_ocmf_text(ocmf.gi, text, sizeof text), 4);
    assert_string_equal(text, "a\xc3\xa9\n");
    assert_int_equal(mg_ocmf_text(ocmf.gi, text, 4), 0);
    assert_string_equal(text, "");
    assert_int_equal(mg_ocmf_text(ocmf.ms, text, sizeof text), 0);
    assert_int_equal(mg_ocmf_text(ocmf.gs, text, sizeof text), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_is_read),
        cmocka_unit_test(a_reading_is_read),
        cmocka_unit_test(sections_are_as_written),
        cmocka_unit_test(a_pipe_in_a_text_ends_nothing),
        cmocka_unit_test(what_is_no_record_is_refused),
        cmocka_unit_test(a_prefix_is_never_a_record),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(readings_are_bounded),
        cmocka_unit_test(a_long_text_is_refused),
        cmocka_unit_test(duplicates_are_told),
        cmocka_unit_test(other_types_are_told),
        cmocka_unit_test(version_0_1_has_other_names),
        cmocka_unit_test(paginations),
        cmocka_unit_test(numbers),
        cmocka_unit_test(differences_are_exact),
        cmocka_unit_test(times),
        cmocka_unit_test(readings_inherit),
        cmocka_unit_test(an_empty_member_inherits_nothing),
        cmocka_unit_test(escapes_are_resolved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
