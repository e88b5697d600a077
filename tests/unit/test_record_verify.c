/* Verdicts on signed records: the vectors one by one, and what may be tolerated
 * in a signature, a key, an encoding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/encode.h"
#include "model/json_pull.h"
#include "model/ocmf_check.h"
#include "record/verify.h"

static struct mg_ocmf ocmf; /* 100 KB: not on the stack */
static struct mg_record_report report;
static const char *vectors; /* folder */

/* ---- The vectors ---- */

struct vector {
    char id[128], expected[32], key[2048], text[16384];
    size_t len;
    bool has_key;
    int64_t n_readings, n_usable; /* -1: not said */
};

static int64_t number_of(const struct mg_pull_item *item)
{
    char text[32] = "";
    assert_true(item->value_len < sizeof text);
    memcpy(text, item->value, item->value_len);
    return strtoll(text, NULL, 10);
}

static void take(struct vector *v, const struct mg_pull_item *item)
{
    const struct {
        const char *name;
        char *to;
        size_t cap;
    } texts[] = {{"id", v->id, sizeof v->id},
                 {"expected", v->expected, sizeof v->expected},
                 {"publicKey", v->key, sizeof v->key},
                 {"ocmf", v->text, sizeof v->text}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t len = strlen(texts[i].name);
        if (item->key == NULL || item->key_len != len ||
            memcmp(item->key, texts[i].name, len) != 0 ||
            item->kind != MG_PULL_STRING) {
            continue;
        }
        assert_int_equal(mg_pull_unescape(item->value, item->value_len,
                                          texts[i].to, texts[i].cap, &len),
                         MG_OK);
        v->len = texts[i].to == v->text ? len : v->len;
        v->has_key = v->has_key || texts[i].to == v->key;
    }
    if (item->kind == MG_PULL_NUMBER && item->key != NULL &&
        item->key_len == 8) {
        int64_t *to = item->key[0] == 'r' ? &v->n_readings : &v->n_usable;
        *to = number_of(item);
    }
}

static void parse_line(const char *line, struct vector *v)
{
    struct mg_pull p = mg_pull_init(line, strlen(line));
    struct mg_pull_item item;
    memset(v, 0, sizeof *v);
    v->n_readings = v->n_usable = -1;
    do {
        assert_true(mg_pull_next(&p, &item));
        take(v, &item);
    } while (p.depth > 0);
}

static void verify(const struct vector *v)
{
    struct mg_public_key *key = NULL;
    struct mg_err err = {0};
    unsigned lenient = 0;
    enum mg_curve curve = MG_N_CURVES;
    bool is_exact;
    if (mg_ocmf_parse(v->text, v->len, &ocmf, &err) == MG_OK &&
        ocmf.sa.text != NULL) {
        (void)mg_curve_of_algorithm(ocmf.sa.text, ocmf.sa.len, &curve,
                                    &is_exact);
    }
    if (v->has_key) {
        int rc = mg_public_key_parse(v->key, strlen(v->key), curve, &key,
                                     &lenient, &err);
        if (rc != MG_OK) {
            fail_msg("%s: %s", v->id, err.text);
        }
    }
    assert_int_equal(
        mg_record_verify(v->text, v->len, key, lenient, &ocmf, &report), MG_OK);
    mg_public_key_destroy(key);
}

static const char *verdict_of(const char *expected)
{
    if (strcmp(expected, "unparseable") == 0) {
        return "norecord";
    }
    return strcmp(expected, "unsupported-SA") == 0 ? "unsupported" : expected;
}

static void check_usable(const struct vector *v)
{
    int64_t n = 0;
    for (size_t i = 0; i < ocmf.n_readings; i++) {
        n += mg_ocmf_is_usable(&ocmf.readings[i]);
    }
    if ((int64_t)ocmf.n_readings != v->n_readings || n != v->n_usable) {
        fail_msg("%s: %zu readings, %lld of them usable", v->id,
                 ocmf.n_readings, (long long)n);
    }
}

static bool has_finding(enum mg_check check)
{
    for (size_t i = 0; i < report.findings.n; i++) {
        if (report.findings.all[i].id == mg_check_kind(check)->id) {
            return true;
        }
    }
    return false;
}

static void check_vector(const struct vector *v)
{
    verify(v);
    const char *verdict = mg_verdict_text(report.verdict);
    if (strcmp(verdict, verdict_of(v->expected)) != 0) {
        fail_msg("%s: %s instead of %s (%s)", v->id, verdict, v->expected,
                 report.reason);
    }
    if (v->n_readings >= 0) {
        check_usable(v);
    }
    bool is_lenient = report.verdict == MG_VERDICT_LENIENT;
    assert_true(!is_lenient || report.lenient != 0);
    for (unsigned bit = 1; bit <= report.lenient; bit <<= 1) {
        if ((report.lenient & bit) != 0) {
            const char *id = mg_leniency_text(bit);
            bool is_named = false;
            for (size_t i = 0; i < report.findings.n; i++) {
                is_named = is_named || report.findings.all[i].id == id;
            }
            assert_true(is_named);
        }
    }
}

static size_t check_file(const char *name)
{
    static struct vector v;
    static char line[65536];
    char path[4096];
    size_t n = 0;
    (void)snprintf(path, sizeof path, "%s/%s", vectors, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        parse_line(line, &v);
        check_vector(&v);
        n++;
    }
    (void)fclose(file); /* was read */
    return n;
}

static void generated_records(void **state)
{
    (void)state;
    assert_int_equal(check_file("ocmf_generated.jsonl"), 73);
}

static void published_records(void **state)
{
    (void)state;
    assert_int_equal(check_file("ocmf_published.jsonl"), 8);
}

/* ---- One record in many dresses ---- */

#define PAYLOAD                                                                \
    "{\"FV\":\"1.0\",\"GI\":\"Gateway 1\",\"GS\":\"123456789\","               \
    "\"PG\":\"T17\",\"MV\":\"Iskra\",\"MM\":\"WM3M4C\",\"MS\":\"18230001\","   \
    "\"MF\":\"2.08\",\"IS\":true,\"IF\":[],\"IT\":\"NONE\",\"ID\":\"\","       \
    "\"CT\":\"EVSEID\",\"CI\":\"\",\"RD\":[{\"TM\":\""                         \
    "2022-11-11T13:22:28,000+0000 S\",\"TX\":\"B\",\"RV\":123457.52,"          \
    "\"RI\":\"1-b:1.8.0\",\"RU\":\"kWh\",\"RT\":\"AC\",\"EF\":\"\","           \
    "\"ST\":\"G\"},{\"TM\":\"2022-11-11T13:24:12,000+0000 S\","                \
    "\"TX\":\"E\",\"RV\":123459.01,\"RI\":\"1-b:1.8.0\",\"RU\":\"kWh\","       \
    "\"RT\":\"AC\",\"EF\":\"\",\"ST\":\"G\"}]}"
#define R   "536843CF2ABC2240E9065DA4540B209D1E559A863255CED7EAB101CD7891503B"
#define S   "7E76967D0267E88052753DAABD47EC27DF39D4DB6FC038E5C3F535893A7A5D49"
#define DER "30440220" R "0220" S
#define BASE64                                                                 \
    "MEQCIFNoQ88qvCJA6QZdpFQLIJ0eVZqGMlXO1+qxAc14kVA7AiB+dpZ9AmfogFJ1Paq9R+"   \
    "wn3znU22/AOOXD9TWJOnpdSQ=="
#define POINT                                                                  \
    "570a643d390d11acd05d621db8406554c31a1efcc4f48a6943757208ba027736"         \
    "ee5d00361cbb6dcd334ba0b53f019d09902bef256180f3aa04e3cd7f58e3754a"
#define KEY "3059301306072a8648ce3d020106082a8648ce3d03010703420004" POINT
#define OTHER_CURVE                                                            \
    "3056301006072A8648CE3D020106052B8104000A034200040A88527E23ED871117491BD4" \
    "35DA048041AAF9B371F6A5C4C048DCD599D969C3A0ECBF77370F23208E7CA03BD35307CB" \
    "42F5904A9C75BB7D81B41C053467F558"

struct dress {
    const char *signature, *key, *verdict;
    unsigned lenient;
};

static void try_on(const struct dress *d)
{
    static struct vector v;
    memset(&v, 0, sizeof v);
    (void)snprintf(v.id, sizeof v.id, "%s", d->signature);
    v.len = (size_t)snprintf(v.text, sizeof v.text, "OCMF|" PAYLOAD "|{%s}",
                             d->signature);
    v.has_key = d->key != NULL;
    (void)snprintf(v.key, sizeof v.key, "%s", v.has_key ? d->key : "");
    verify(&v);
    if (strcmp(mg_verdict_text(report.verdict), d->verdict) != 0 ||
        report.lenient != d->lenient) {
        fail_msg("%s: %s, lenient %x: %s", d->signature,
                 mg_verdict_text(report.verdict), report.lenient,
                 report.reason);
    }
    bool is_good = report.verdict <= MG_VERDICT_LENIENT;
    assert_int_equal(report.reason[0] == '\0',
                     is_good || report.verdict == MG_VERDICT_NO_KEY);
    /* Whatever the dress, the strict signature is the same. */
    uint8_t der[MG_SIGNATURE_MAX];
    size_t len = 0;
    assert_int_equal(mg_hex_read(DER, strlen(DER), der, sizeof der, &len),
                     MG_OK);
    if (is_good) {
        assert_int_equal(report.der_len, len);
        assert_memory_equal(report.der, der, len);
    }
}

static void dresses(void **state)
{
    (void)state;
    static const struct dress rows[] = {
        {"\"SD\":\"" DER "\"", KEY, "valid", 0},
        {"\"SD\":\"" DER "\",\"SE\":\"hex\",\"SM\":\"application/x-der\"", KEY,
         "valid", 0},
        {"\"SD\":\"" BASE64 "\",\"SE\":\"base64\"", KEY, "valid", 0},
        {"\"SA\":\"ECDSA-secp256r1-SHA256\",\"SD\":\"" DER "\"", KEY, "valid",
         0},
        {"\"SD\":\"" BASE64 "\",\"SE\":\"base 64\"", KEY, "valid-lenient",
         MG_LENIENT_SIG_ENCODING},
        {"\"SD\":\"" BASE64 "\"", KEY, "valid-lenient",
         MG_LENIENT_SIG_ENCODING},
        {"\"SD\":\"" BASE64 "\",\"SE\":\"hex\"", KEY, "valid-lenient",
         MG_LENIENT_SIG_ENCODING},
        {"\"SD\":\"" DER "\",\"SE\":\"HEX\"", KEY, "valid-lenient",
         MG_LENIENT_SIG_ENCODING},
        {"\"SD\":\"" DER "\",\"SE\":\"base64\"", KEY, "invalid", 0},
        {"\"SD\":\"" R S "\"", KEY, "valid-lenient", MG_LENIENT_SIG_RAW},
        {"\"SD\":\"30460221"
         "00" R "0221"
         "00" S "\"",
         KEY, "valid-lenient", MG_LENIENT_SIG_DER},
        {"\"SD\":\"" DER "\"", POINT, "valid-lenient", MG_LENIENT_KEY_RAW},
        {"\"SD\":\"" DER "\"", "04" POINT, "valid-lenient", MG_LENIENT_KEY_RAW},
        {"\"SD\":\"" R S "\"", POINT, "valid-lenient",
         MG_LENIENT_SIG_RAW | MG_LENIENT_KEY_RAW},
        {"\"SD\":\"" BASE64 "\"", POINT, "valid-lenient",
         MG_LENIENT_SIG_ENCODING | MG_LENIENT_KEY_RAW},
        {"\"SA\":\"ECDSA-secp384r1-SHA256\",\"SD\":\"" DER "\"", KEY,
         "valid-lenient", MG_LENIENT_KEY_CURVE},
        {"\"SA\":\"ECDSA-secp384r1-SHA256\",\"SD\":\"" R S "\"", KEY,
         "valid-lenient", MG_LENIENT_KEY_CURVE | MG_LENIENT_SIG_RAW},
        {"\"SD\":\"" DER "00\"", KEY, "invalid", 0},
        {"\"SD\":\"" DER "0\"", KEY, "invalid", 0},
        {"\"SD\":\"30450220" R "0220" S "00\"", KEY, "invalid", 0},
        {"\"SD\":\"\"", KEY, "invalid", 0},
        {"", KEY, "invalid", 0},
        {"\"SA\":\"ECDSA-secp256r1-SHA512\",\"SD\":\"" DER "\"", KEY,
         "unsupported", 0},
        {"\"SA\":\"RSA\",\"SD\":\"00\"", NULL, "unsupported", 0},
        {"\"SD\":\"" DER "\"", NULL, "nokey", 0},
        {"\"SD\":\"zz\"", NULL, "nokey", 0},
        {"\"SD\":\"" DER "\"", OTHER_CURVE, "invalid", MG_LENIENT_KEY_CURVE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        try_on(&rows[i]);
    }
}

/* No byte of the payload may change, nor one of the signature. */
static void no_changed_byte_is_accepted(void **state)
{
    (void)state;
    static const char GOOD[] = "OCMF|" PAYLOAD "|{\"SD\":\"" DER "\"}";
    static struct vector v;
    memset(&v, 0, sizeof v);
    v.has_key = true;
    (void)snprintf(v.key, sizeof v.key, "%s", KEY);
    v.len = sizeof GOOD - 1;
    size_t begin = strlen("OCMF|");
    size_t end = strlen("OCMF|" PAYLOAD);
    size_t digits = strlen("OCMF|" PAYLOAD "|{\"SD\":\"");
    for (size_t i = begin; i < sizeof GOOD - 3; i++) {
        if (i >= end && i < digits) {
            continue; /* not signed: names and braces */
        }
        memcpy(v.text, GOOD, sizeof GOOD);
        v.text[i] = v.text[i] == '0' ? '1' : '0';
        verify(&v);
        assert_true(report.verdict > MG_VERDICT_LENIENT);
    }
    memcpy(v.text, GOOD, sizeof GOOD);
    verify(&v);
    assert_int_equal(report.verdict, MG_VERDICT_VALID);
}

static void blanks_around_the_payload_are_named(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "OCMF| " PAYLOAD "|{\"SD\":\"" DER "\"}",
        "OCMF|" PAYLOAD "\n|{\"SD\":\"" DER "\"}",
        "OCMF|\r\n" PAYLOAD " |{\"SD\":\"" DER "\"}"};
    static struct vector v;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        memset(&v, 0, sizeof v);
        v.has_key = true;
        (void)snprintf(v.key, sizeof v.key, "%s", KEY);
        v.len = (size_t)snprintf(v.text, sizeof v.text, "%s", texts[i]);
        verify(&v);
        assert_int_equal(report.verdict, MG_VERDICT_INVALID);
        assert_non_null(strstr(report.reason, "white space"));
        assert_true(has_finding(MG_CHECK_SECTION_SPACE));
    }
}

/* Each is found once, here or in the vectors. */
static void signature_matters_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *signature, *key;
        enum mg_check check;
    } rows[] = {
        {"", KEY, MG_CHECK_SIGNATURE_MISSING},
        {"\"SD\":\"" R S "\"", KEY, MG_CHECK_SIGNATURE_RAW},
        {"\"SD\":\"3045022100" R "0220" S "\"", KEY, MG_CHECK_SIGNATURE_DER},
        {"\"SD\":\"" BASE64 "\"", KEY, MG_CHECK_SIGNATURE_ENCODING},
        {"\"SD\":\"" DER "\",\"SM\":\"text\"", KEY, MG_CHECK_SIGNATURE_TYPE},
        {"\"SD\":\"" DER "\",\"SA\":\"ECDSA-brainpoolP256r1-SHA256\"", KEY,
         MG_CHECK_ALGORITHM_NAME},
        {"\"SD\":\"" DER "\"", OTHER_CURVE, MG_CHECK_KEY_CURVE},
        {"\"SD\":\"" DER "\"", POINT, MG_CHECK_KEY_RAW},
        {"\"SD\":\"" DER "\"",
         "3059 301306072a8648ce3d020106082a8648ce3d0301"
         "0703420004" POINT,
         MG_CHECK_KEY_SPACED},
    };
    static struct vector v;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        memset(&v, 0, sizeof v);
        v.has_key = true;
        (void)snprintf(v.key, sizeof v.key, "%s", rows[i].key);
        v.len = (size_t)snprintf(v.text, sizeof v.text, "OCMF|" PAYLOAD "|{%s}",
                                 rows[i].signature);
        verify(&v);
        if (!has_finding(rows[i].check)) {
            fail_msg("%s is not named", mg_check_kind(rows[i].check)->id);
        }
    }
}

static void a_profile_minds_the_signature(void **state)
{
    (void)state;
    static const struct dress rows[] = {
        {"\"SD\":\"" R S "\"", KEY, "valid-lenient", MG_LENIENT_SIG_RAW},
        {"\"SD\":\"" DER "\"", POINT, "valid-lenient", MG_LENIENT_KEY_RAW},
        {"\"SD\":\"3045022100" R "0220" S "\"", KEY, "valid-lenient",
         MG_LENIENT_SIG_DER},
        {"\"SD\":\"" BASE64 "\"", KEY, "valid-lenient",
         MG_LENIENT_SIG_ENCODING},
        {"\"SD\":\"" DER "\"", KEY, "valid", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        try_on(&rows[i]);
        mg_record_check_profile(&ocmf, MG_PROFILE_TRANSPARENZ_1_4, &report);
        assert_int_equal(has_finding(MG_CHECK_TRANSPARENZ_SIGNATURE), i < 3);
        report.findings.n = 0;
        mg_record_check_profile(&ocmf, MG_PROFILE_NONE, &report);
        assert_int_equal(report.findings.n, 0);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generated_records),
        cmocka_unit_test(published_records),
        cmocka_unit_test(dresses),
        cmocka_unit_test(no_changed_byte_is_accepted),
        cmocka_unit_test(blanks_around_the_payload_are_named),
        cmocka_unit_test(signature_matters_are_named),
        cmocka_unit_test(a_profile_minds_the_signature),
    };
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    vectors = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
