/* The checks beyond the signature: each is made to speak, and only it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/ocmf_check.h"

static struct mg_ocmf ocmf, other; /* 100 KB each: not on the stack */
static bool was_seen[MG_N_CHECKS];

/* Nothing to find here. */
#define HEAD                                                                   \
    "{\"FV\":\"1.0\",\"GI\":\"G\",\"GS\":\"1\",\"PG\":\"T17\",\"MV\":\"V\","   \
    "\"MM\":\"M\",\"MS\":\"S1\",\"MF\":\"3\",\"IS\":true,\"IL\":\"NONE\","     \
    "\"IF\":[],\"IT\":\"NONE\",\"ID\":\"\",\"TT\":\"\",\"CF\":\"\","           \
    "\"CT\":\"EVSEID\",\"CI\":\"x\","                                          \
    "\"LC\":{\"LR\":23000,\"LU\":\"uOhm\"},\"RD\":["
#define READING_BEGIN                                                          \
    "{\"TM\":\"2022-11-11T13:22:28,000+0000 S\",\"TX\":\"B\",\"RV\":10.00,"    \
    "\"RI\":\"1-b:1.8.0\",\"RU\":\"kWh\",\"RT\":\"AC\",\"CL\":0.00,"           \
    "\"EF\":\"\",\"ST\":\"G\"}"
#define READING_END                                                            \
    "{\"TM\":\"2022-11-11T14:22:28,000+0000 S\",\"TX\":\"E\",\"RV\":20.00,"    \
    "\"RI\":\"1-b:1.8.0\",\"RU\":\"kWh\",\"RT\":\"AC\",\"CL\":0.05,"           \
    "\"EF\":\"\",\"ST\":\"G\"}"
#define GOOD "OCMF|" HEAD READING_BEGIN "," READING_END "]}|{\"SD\":\"00\"}"

/* The text of GOOD with the nth `from` replaced; "" leaves it out. */
static void change(const char *from, unsigned nth, const char *to, char *buf,
                   size_t cap)
{
    const char *at = strstr(GOOD, from);
    for (; nth > 0 && at != NULL; nth--) {
        at = strstr(at + 1, from);
    }
    assert_non_null(at);
    int n = snprintf(buf, cap, "%.*s%s%s", (int)(at - GOOD), GOOD, to,
                     at + strlen(from));
    assert_true(n > 0 && (size_t)n < cap);
}

static const char *id_of(int check)
{
    return mg_check_kind((enum mg_check)check)->id;
}

static void remember(const struct mg_findings *f)
{
    for (size_t i = 0; i < f->n; i++) {
        for (int k = 0; k < MG_N_CHECKS; k++) {
            was_seen[k] = was_seen[k] || f->all[i].id == id_of(k);
        }
    }
}

/* "a b c" of the findings, in order. */
static void ids_of(const struct mg_findings *f, char *buf, size_t cap)
{
    size_t at = 0;
    buf[0] = '\0';
    for (size_t i = 0; i < f->n; i++) {
        int n = snprintf(buf + at, cap - at, "%s%s", i == 0 ? "" : " ",
                         f->all[i].id);
        assert_true(n > 0 && (size_t)n < cap - at);
        at += (size_t)n;
        assert_true(f->all[i].text[0] != '\0');
    }
    remember(f);
}

static void parse(const char *text, struct mg_ocmf *ret)
{
    struct mg_err err = {0};
    assert_int_equal(mg_ocmf_parse(text, strlen(text), ret, &err), MG_OK);
}

struct row {
    const char *from;
    unsigned nth;
    const char *to, *ids;
};

/* The text must live as long as what points into it. */
static char buffer[4096], other_buffer[4096];

static void run(const struct row *row)
{
    struct mg_findings f = {0};
    char ids[512];
    change(row->from, row->nth, row->to, buffer, sizeof buffer);
    parse(buffer, &ocmf);
    mg_ocmf_check(&ocmf, &f);
    ids_of(&f, ids, sizeof ids);
    assert_string_equal(ids, row->ids);
}

#define RUN(rows)                                                              \
    for (size_t i = 0; i < sizeof(rows) / sizeof *(rows); i++) {               \
        run(&(rows)[i]);                                                       \
    }

static void a_good_record_has_nothing_to_tell(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"x", 0, "x", ""},
        {"\"1.0\"", 0, "\"1.4\"", ""},
        {"\"E\"", 0, "\"P\"", ""},
        {"\"IF\":[],", 0, "", ""},
        {"1-b:1.8.0\",\"RU\":\"kWh\",\"RT\":\"AC\",\"CL\":0.05", 0,
         "1-b:1.8.0\",\"RU\":\"kWh\",\"RT\":\"AC\",\"CL\":0.00", ""},
    };
    RUN(rows);
}

static void form(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"\"GI\":\"G\"", 0, "\"GI\":\"G\",\"GI\":\"H\"", "duplicate-member"},
        {"\"GI\":\"G\"", 0, "\"GI\":\"G|H\"", "pipe-in-string"},
        {"\"CI\":\"x\"", 0, "\"CI\":1", "member-type"},
        {"OCMF|", 0, "OCMF| ", "section-space"},
        {"\"MS\":\"S1\",", 0, "", "missing-member"},
        {"\"PG\":\"T17\",", 0, "", "missing-member"},
        {"\"IS\":true,", 0, "", "missing-member"},
        {"\"IT\":\"NONE\",", 0, "", "missing-member"},
        {"\"FV\":\"1.0\",", 0, "", "format-version"},
        {"\"FV\":\"1.0\"", 0, "\"FV\":\"2.0\"", "format-version"},
        {"\"FV\":\"1.0\"", 0, "\"FV\":1.0", "member-type format-version"},
        {"T17", 0, "17", "pagination-form"},
        {"T17", 0, "T017", "pagination-form"},
        {"T17", 0, "T17-99", "pagination-suffix"},
        {"\"IL\":\"NONE\"", 0, "\"IL\":\"SURE\"", "unknown-value"},
        {"\"IT\":\"NONE\"", 0, "\"IT\":\"CARD\"", "unknown-value"},
        {"EVSEID", 0, "EVSE", "unknown-value"},
        {"\"IF\":[]", 0, "\"IF\":[\"RFID_PLAIN\",\"NFC\"]", "unknown-value"},
        {"\"IF\":[]", 0, "\"IF\":\"\"", "member-type flags-form"},
        {"\"IF\":[]", 0,
         "\"IF\":[\"PLMN_SMS\",\"PLMN_SMS\",\"PLMN_SMS\",\"PLMN_SMS\","
         "\"PLMN_SMS\"]",
         "flags-form"},
        {"\"IL\":\"NONE\"", 0, "\"IL\":\"MISMATCH\"", "user-assignment"},
        {"\"IT\":\"NONE\"", 0, "\"IT\":\"ISO14443\"", "user-id-form"},
        {"\"CF\":\"\"", 0, "\"CF\":\"12345678901234567890123456\"",
         "text-length"},
        {"\"CF\":\"\"", 0, "\"CF\":\"\\u00e9234567890123456789012345\"", ""},
        {"\"GS\":\"1\",\"PG\":\"T17\",\"MV\":\"V\",\"MM\":\"M\",\"MS\":\"S1\"",
         0, "\"PG\":\"T17\"", "missing-member"},
    };
    RUN(rows);
}

static void user_ids(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"\"IT\":\"NONE\",\"ID\":\"\"", 0,
         "\"IT\":\"ISO14443\",\"ID\":\"1F2D3A4F5506c7\"", ""},
        {"\"IT\":\"NONE\",\"ID\":\"\"", 0,
         "\"IT\":\"ISO14443\",\"ID\":\"1F2D3A4\"", "user-id-form"},
        {"\"IT\":\"NONE\",\"ID\":\"\"", 0,
         "\"IT\":\"ISO14443\",\"ID\":\"1F2D3A4G\"", "user-id-form"},
        {"\"IT\":\"NONE\",\"ID\":\"\"", 0,
         "\"IT\":\"EVCCID\",\"ID\":\"001122AABBCC\"", ""},
        {"\"IT\":\"NONE\",\"ID\":\"\"", 0,
         "\"IT\":\"EMAID\",\"ID\":\"DEABCC12345678\"", ""},
        {"\"IT\":\"NONE\",\"ID\":\"\"", 0,
         "\"IT\":\"ISO15693\",\"ID\":\"00112233445566778\"", "user-id-form"},
    };
    RUN(rows);
}

static void readings(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {READING_BEGIN "," READING_END, 0, "", "no-readings"},
        {"\"TM\":\"2022-11-11T13:22:28,000+0000 S\",", 0, "", "missing-value"},
        {",\"ST\":\"G\"", 0, "", "missing-value"},
        {"\"RV\":10.00,", 0, "", "missing-value"},
        {"13:22:28,000+0000 S", 0, "13:22:28,000+0000 Z", "time-form"},
        {"14:22:28", 0, "12:22:28", "time-order"},
        {"\"EF\":\"\"", 0, "\"EF\":\"t\"", "time-flag"},
        {"\"EF\":\"\"", 1, "\"EF\":\"E\"", "energy-flag"},
        {"\"EF\":\"\"", 1, "\"EF\":\"x\"", "unknown-value"},
        {"+0000 S", 0, "+0000 U", "clock-state clock-changed"},
        {"+0000 S", 1, "+0000 R", "clock-relative clock-changed"},
        {"20.00", 0, "\"20 kWh\"", "energy-form number-as-text"},
        {"20.00", 0, "\"  20.00\"", "number-as-text"},
        {"20.00", 0, "9.95", "energy-order"}, /* 10.00 with the loss */
        {"20.00", 0, "9.94", "energy-order loss-sum"},
        {"20.00", 0, "20.0", "energy-digits"},
        {"\"ST\":\"G\"", 1, "\"ST\":\"T\"", "meter-status"},
        {"\"TX\":\"E\"", 0, "\"TX\":\"Q\"", "unknown-value no-end"},
        {"\"RT\":\"AC\"", 0, "\"RT\":\"3\"", "unknown-value"},
        {"\"kWh\"", 1, "\"Wh\"", "unit-order"},
        {"\"RI\":\"1-b:1.8.0\",", 0, "", "register-pair no-end no-begin"},
        {"1-b:1.8.0\",\"RU\":\"kWh\",\"RT\":\"AC\",\"CL\":0.00", 0,
         "1-b\",\"RU\":\"kWh\",\"RT\":\"AC\",\"CL\":0.00",
         "register-form no-end no-begin"},
        {"\"TM\":\"2022-11-11T14:22:28,000+0000 S\",", 0, "", "carry-forward"},
        {",\"RI\":\"1-b:1.8.0\",\"RU\":\"kWh\",\"RT\":\"AC\",\"CL\":0.05", 0,
         "", "carry-forward"},
    };
    RUN(rows);
}

static void other_units(void **state)
{
    (void)state;
    struct mg_findings f = {0};
    char ids[512];
    change(READING_BEGIN "," READING_END, 0,
           "{\"TM\":\"2022-11-11T13:22:28,000+0000 S\",\"TX\":\"B\",\"RV\":1,"
           "\"RI\":\"1-b:1.9.0\",\"RU\":\"sec\",\"ST\":\"G\"}",
           buffer, sizeof buffer);
    parse(buffer, &ocmf);
    mg_ocmf_check(&ocmf, &f);
    ids_of(&f, ids, sizeof ids);
    assert_string_equal(ids, "other-unit no-energy");
}

static void no_source(void **state)
{
    (void)state;
    struct mg_findings f = {0};
    parse("OCMF|{\"FV\":\"1.0\",\"PG\":\"T1\",\"IS\":true,\"IT\":\"NONE\","
          "\"RD\":[" READING_BEGIN "]}|{}",
          &ocmf);
    mg_ocmf_check(&ocmf, &f);
    char ids[512];
    ids_of(&f, ids, sizeof ids);
    assert_string_equal(ids, "missing-member no-source no-end");
}

static void transactions(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"\"TX\":\"B\"", 0, "\"TX\":\"C\"", "no-begin"},
        {"\"TX\":\"E\"", 0, "\"TX\":\"C\"", "no-end"},
        {"\"TX\":\"E\"", 0, "\"TX\":\"B\"", "second-begin no-end loss-begin"},
        {"\"TX\":\"E\"", 0, "\"TX\":\"X\"", "exception no-end"},
        {"\"TX\":\"E\"", 0, "\"TX\":\"r\"", "end-spelling"},
        {"]}|", 0, "," READING_END "]}|", "after-end"},
        {"\"TX\":\"B\"", 0, "\"TX\":\"\"", "no-begin"},
        {"T17", 0, "F17", "fiscal"},
    };
    RUN(rows);
}

/* Begin and end of one register say nothing of another. */
static void registers_are_apart(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"]}|", 0,
         ",{\"TM\":\"2022-11-11T13:22:28,000+0000 S\",\"TX\":\"B\","
         "\"RV\":1.00,\"RI\":\"01-00:B1.08.00*FF\",\"CL\":0},"
         "{\"TM\":\"2022-11-11T14:22:28,000+0000 S\",\"TX\":\"E\","
         "\"RV\":2.00}]}|",
         "carry-forward"},
        {"]}|", 0,
         ",{\"TM\":\"2022-11-11T13:22:28,000+0000 S\",\"TX\":\"B\","
         "\"RV\":1.00,\"RI\":\"01-00:B1.08.00*FF\",\"CL\":0}]}|",
         "carry-forward no-end"},
    };
    RUN(rows);
}

static void losses(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"0.05", 0, "-0.05", "loss-form loss-order"},
        {"0.05", 0, "\"?\"", "number-as-text loss-form"},
        {"0.00", 1, "0.01", "loss-begin"},
        {"0.00", 1, "0.06", "loss-begin loss-order"},
        {"20.00", 0, "10.00", "loss-high"},
        {"0.05", 0, "0.20", "loss-high"},
        {"0.05", 0, "0.13", ""}, /* 10 * 0.023 / 2, and two steps */
        {"0.05", 0, "0.14", "loss-high"},
        {"\"RT\":\"AC\",\"CL\":0.05", 0, "\"RT\":\"DC\",\"CL\":2.0", ""},
        {"23000", 0, "0", "loss-high"},
        {"\"LR\":23000,\"LU\":\"uOhm\"", 0, "\"LR\":23,\"LU\":\"mOhm\"", ""},
        {"\"LR\":23000,\"LU\":\"uOhm\"", 0, "\"LR\":1,\"LU\":\"mOhm\"",
         "loss-high"},
        {"\"LR\":23000", 0, "\"LR\":\"?\"", "cable-form"},
        {"\"uOhm\"", 0, "\"Ohm\"", "cable-form"},
        {"\"LC\":{\"LR\":23000,\"LU\":\"uOhm\"},", 0, "", "loss-cable"},
    };
    RUN(rows);
}

static void a_loss_of_a_power_register(void **state)
{
    (void)state;
    struct mg_findings f = {0};
    char ids[512];
    parse("OCMF|" HEAD "{\"TM\":\"2022-11-11T13:22:28,000+0000 S\","
          "\"TX\":\"B\",\"RV\":10.00,\"RI\":\"1-b:1.7.0\",\"RU\":\"kWh\","
          "\"CL\":0,\"ST\":\"G\"}]}|{}",
          &ocmf);
    mg_ocmf_check(&ocmf, &f);
    ids_of(&f, ids, sizeof ids);
    assert_string_equal(ids, "register-form no-end loss-register");
}

static void usable_readings(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        bool is_usable;
    } rows[] = {
        {"x", "x", true},
        {"\"TX\":\"B\"", "\"TX\":\"X\"", false},
        {"\"TX\":\"B\"", "\"TX\":\"T\"", true},
        {"\"ST\":\"G\"", "\"ST\":\"O\"", false},
        {"\"EF\":\"\"", "\"EF\":\"Et\"", false},
        {"\"EF\":\"\"", "\"EF\":\"t\"", true},
        {"\"kWh\"", "\"Wh\"", true},
        {"\"kWh\"", "\"sec\"", false},
        {"10.00", "\"?\"", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        change(rows[i].from, 0, rows[i].to, buffer, sizeof buffer);
        parse(buffer, &ocmf);
        assert_int_equal(mg_ocmf_is_usable(&ocmf.readings[0]),
                         rows[i].is_usable);
    }
}

static void billable(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *why;
    } rows[] = {
        {"x", "x", ""},
        {"+0000 S", "+0000 U", ""},
        {"\"E\"", "\"A\"", ""},
        {"\"TX\":\"E\"", "\"TX\":\"C\"", "no-end: "},
        {"\"EF\":\"\"", "\"EF\":\"Et\"", "energy-flag: "},
        {"\"ST\":\"G\"", "\"ST\":\"S\"", "meter-status: "},
        {"T17", "F17", "fiscal: "},
        {"20.00", "9.00", "energy-order: "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char why[120] = "?";
        change(rows[i].from, 0, rows[i].to, buffer, sizeof buffer);
        parse(buffer, &ocmf);
        assert_int_equal(mg_ocmf_is_billable(&ocmf, why),
                         rows[i].why[0] == '\0');
        assert_memory_equal(why, rows[i].why, strlen(rows[i].why));
    }
}

/* ---- Two records ---- */

/* The begin alone as T17, the end alone as T18. */
#define BEGIN_ALONE "OCMF|" HEAD READING_BEGIN "]}|{}"
#define END_HEAD                                                               \
    "OCMF|{\"FV\":\"1.0\",\"GI\":\"G\",\"GS\":\"1\",\"PG\":\"%s\","            \
    "\"MS\":\"%s\",\"IT\":\"NONE\",\"ID\":\"%s\",\"CT\":\"EVSEID\","           \
    "\"CI\":\"x\",\"RD\":[{\"TM\":\"2022-11-11T%s:22:28,000+0000 S\","         \
    "\"TX\":\"%s\",\"RV\":%s,\"RI\":\"1-b:1.8.0\",\"RU\":\"%s\","              \
    "\"CL\":%s,\"ST\":\"G\"}]}|{}"

static void pairs(void **state)
{
    (void)state;
    static const struct {
        const char *pg, *ms, *id, *hour, *tx, *rv, *ru, *cl, *ids;
    } rows[] = {
        {"T18", "S1", "", "14", "E", "20.00", "kWh", "0.05", ""},
        {"T18", "S2", "", "14", "E", "20.00", "kWh", "0.05", "pair-source"},
        {"T18", "S1", "7", "14", "E", "20.00", "kWh", "0.05", "pair-user"},
        {"T17", "S1", "", "14", "E", "20.00", "kWh", "0.05", "pair-pagination"},
        {"F18", "S1", "", "14", "E", "20.00", "kWh", "0.05", "pair-pagination"},
        {"T20", "S1", "", "14", "E", "20.00", "kWh", "0.05", "pair-gap"},
        {"T18", "S1", "", "12", "E", "20.00", "kWh", "0.05", "pair-time"},
        {"T18", "S1", "", "14", "C", "20.00", "kWh", "0.05", "pair-end"},
        {"T18", "S1", "", "14", "E", "9.99", "kWh", "0.05", "pair-energy"},
        {"T18", "S1", "", "14", "E", "20.00", "Wh", "0.05", "pair-energy"},
        {"T18", "S1", "", "14", "E", "20.00", "kWh", "-0.05", "pair-loss"},
    };
    parse(BEGIN_ALONE, &ocmf);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mg_findings f = {0};
        char ids[512];
        int n = snprintf(other_buffer, sizeof other_buffer, END_HEAD,
                         rows[i].pg, rows[i].ms, rows[i].id, rows[i].hour,
                         rows[i].tx, rows[i].rv, rows[i].ru, rows[i].cl);
        assert_true(n > 0 && (size_t)n < sizeof other_buffer);
        parse(other_buffer, &other);
        mg_ocmf_check_pair(&ocmf, &other, &f);
        ids_of(&f, ids, sizeof ids);
        assert_string_equal(ids, rows[i].ids);
    }
}

static void a_pair_without_begin(void **state)
{
    (void)state;
    struct mg_findings f = {0};
    char ids[512];
    parse("OCMF|" HEAD READING_END "]}|{}", &ocmf);
    parse("OCMF|" HEAD READING_END "]}|{}", &other);
    other.pagination++;
    mg_ocmf_check_pair(&ocmf, &other, &f);
    ids_of(&f, ids, sizeof ids);
    assert_string_equal(ids, "pair-begin");
}

/* ---- Profiles ---- */

static void profiles(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"x", 0, "x", ""},
        {"\"FV\":\"1.0\"", 0, "\"FV\":\"1.4\"", "transparenz-version"},
        {"\"FV\":\"1.0\",", 0, "", "transparenz-version"},
        {"\"GI\":\"G\"", 0, "\"GI\":\"G|\"", "transparenz-pipe"},
        {"\"GI\":\"G\"", 0, "\"GI\":\"G\",\"GI\":\"G\"",
         "transparenz-duplicate"},
        {"\"IF\":[]", 0, "\"IF\":\"\"", "transparenz-flags"},
        {"\"IL\":\"NONE\"", 0, "\"IL\":\"INVALID\"", "transparenz-user"},
        {"\"RI\":\"1-b:1.8.0\",", 1, "", "transparenz-carry"},
        {"\"TX\":\"E\",", 0, "", "transparenz-carry transparenz-transaction"},
        {"\"TX\":\"E\"", 0, "\"TX\":\"r\"", "transparenz-transaction"},
        {"\"TX\":\"E\"", 0, "\"TX\":\"L\"", ""},
        {"\"CI\":\"x\"", 0, "\"CI\":1", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mg_findings f = {0};
        char ids[512];
        change(rows[i].from, rows[i].nth, rows[i].to, buffer, sizeof buffer);
        parse(buffer, &ocmf);
        mg_ocmf_check_profile(&ocmf, MG_PROFILE_TRANSPARENZ_1_4, &f);
        ids_of(&f, ids, sizeof ids);
        assert_string_equal(ids, rows[i].ids);
    }
}

static void profile_1_3_is_inferred(void **state)
{
    (void)state;
    struct mg_findings f = {0};
    parse(GOOD, &ocmf);
    mg_ocmf_check_profile(&ocmf, MG_PROFILE_NONE, &f);
    assert_int_equal(f.n, 0);
    mg_ocmf_check_profile(&ocmf, MG_PROFILE_TRANSPARENZ_1_3, &f);
    char ids[512];
    ids_of(&f, ids, sizeof ids);
    assert_string_equal(ids, "transparenz-inferred");
}

/* The guide of the Flex Series: 1.3.0 is the only version that was assessed. */
static void profile_1_4_was_not_assessed(void **state)
{
    (void)state;
    static const struct {
        const char *pg;
        enum mg_ocmf_profile profile;
        const char *ids;
    } rows[] = {{"T15-4193206880799101095", MG_PROFILE_TRANSPARENZ_1_3,
                 "transparenz-inferred"},
                {"T15-4193206880799101095", MG_PROFILE_TRANSPARENZ_1_4,
                 "transparenz-assessed"},
                {"T15-x", MG_PROFILE_TRANSPARENZ_1_4, ""}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mg_findings f = {0};
        char ids[512];
        change("T17", 0, rows[i].pg, buffer, sizeof buffer);
        parse(buffer, &ocmf);
        mg_ocmf_check_profile(&ocmf, rows[i].profile, &f);
        ids_of(&f, ids, sizeof ids);
        assert_string_equal(ids, rows[i].ids);
    }
}

static void registers_of_the_law(void **state)
{
    (void)state;
    static const struct {
        const char *ri;
        bool is_obis, is_law;
    } rows[] = {
        {"1-b:1.8.0", true, true},
        {"01-00:B1.08.00*FF", true, true},
        {"01-0B:01.08.00*FF", true, true},
        {"01-00:98.08.00.FF", true, true},
        {"1-0:9E.8.0*255", true, true},
        {"1-0:C7.8.0*200", true, true},
        {"01-00:B0.08.00*00", true, true},
        {"01-00:C8.08.00*FF", true, false},
        {"01-00:9C.08.00.FF", true, false},
        {"1-b:1.9.0", true, false},
        {"2-b:1.8.0", true, false},
        {"1-b:1.8.0*1", true, false},
        {"1-b", false, false},
        {"1-b:1.8", false, false},
        {"1-b:1.8.0*", false, false},
        {"1-b:1.8.0x", false, false},
        {"", false, false},
        {"1111-b:1.8.0", false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mg_obis_parts obis = {0};
        struct mg_span span = {rows[i].ri, strlen(rows[i].ri)};
        assert_int_equal(mg_obis_parse(span, &obis), rows[i].is_obis);
        assert_int_equal(rows[i].is_obis && mg_obis_is_law_relevant(&obis),
                         rows[i].is_law);
    }
    struct mg_findings f = {0};
    char ids[512];
    parse("OCMF|" HEAD "{\"TX\":\"B\",\"RI\":\"1-b:1.9.0\"}]}|{}", &ocmf);
    mg_ocmf_check_profile(&ocmf, MG_PROFILE_TRANSPARENZ_1_4, &f);
    ids_of(&f, ids, sizeof ids);
    assert_string_equal(ids, "transparenz-register");
}

/* ---- The list ---- */

static void findings_are_bounded(void **state)
{
    (void)state;
    struct mg_findings f = {0};
    for (int i = 0; i < MG_FINDINGS_MAX; i++) {
        mg_findings_add(&f, "x", MG_SEVERITY_NOTE, i, "%d", i);
    }
    assert_false(f.is_cut);
    mg_findings_report(&f, MG_CHECK_NO_END, -1, "text");
    assert_true(f.is_cut);
    assert_int_equal(f.n, MG_FINDINGS_MAX);
    assert_false(mg_findings_has(&f, MG_SEVERITY_WARNING));
    f.n--;
    mg_findings_report(&f, MG_CHECK_NO_END, -1, "text");
    assert_true(mg_findings_has(&f, MG_SEVERITY_ERROR));
    mg_findings_remove(&f, MG_CHECK_NO_END);
    assert_int_equal(f.n, MG_FINDINGS_MAX - 1);
}

/* What the verification and the container find is tested with them. */
static bool is_found_elsewhere(enum mg_check check)
{
    return check <= MG_CHECK_KEY_SPACED || check == MG_CHECK_PAIR_COUNT ||
           check == MG_CHECK_SESSION_DIFFERS ||
           check == MG_CHECK_TRANSPARENZ_SIGNATURE;
}

static void every_check_was_seen(void **state)
{
    (void)state;
    for (int i = 0; i < MG_N_CHECKS; i++) {
        if (!was_seen[i] && !is_found_elsewhere((enum mg_check)i)) {
            fail_msg("%s was never found", id_of(i));
        }
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(id_of(i), id_of(k));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_record_has_nothing_to_tell),
        cmocka_unit_test(form),
        cmocka_unit_test(user_ids),
        cmocka_unit_test(readings),
        cmocka_unit_test(other_units),
        cmocka_unit_test(no_source),
        cmocka_unit_test(transactions),
        cmocka_unit_test(registers_are_apart),
        cmocka_unit_test(losses),
        cmocka_unit_test(a_loss_of_a_power_register),
        cmocka_unit_test(usable_readings),
        cmocka_unit_test(billable),
        cmocka_unit_test(pairs),
        cmocka_unit_test(a_pair_without_begin),
        cmocka_unit_test(profiles),
        cmocka_unit_test(profile_1_3_is_inferred),
        cmocka_unit_test(profile_1_4_was_not_assessed),
        cmocka_unit_test(registers_of_the_law),
        cmocka_unit_test(findings_are_bounded),
        cmocka_unit_test(every_check_was_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
