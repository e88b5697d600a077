/* SAFE containers: forms that are read, forms that are refused, and what is
 * written comes back byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "record/safe_xml.h"

#define RECORD "OCMF|{\"PG\":\"T1\"}|{\"SD\":\"30\"}"

/* What was read, as one text: "[transaction|context|record|key|encoding|line]"
 * or "[!problem]" for each value. */
struct got {
    char text[4096];
    size_t n;
    int stop_rc; /* what the callback returns */
};

static const char *or_dash(const char *text)
{
    return text == NULL ? "-" : text;
}

static int take(void *ctx, const struct mg_safe_value *v)
{
    struct got *got = ctx;
    size_t len = strlen(got->text);
    got->n++;
    if (v->problem != NULL) {
        assert_null(v->record);
        (void)snprintf(got->text + len, sizeof got->text - len, "[!%s]",
                       v->problem);
        return got->stop_rc;
    }
    assert_int_equal(v->record[v->record_len], '\0');
    (void)snprintf(got->text + len, sizeof got->text - len,
                   "[%s|%s|%.*s|%s|%s|%u]", or_dash(v->transaction),
                   or_dash(v->context), (int)v->record_len, v->record,
                   or_dash(v->key), or_dash(v->key_encoding), v->line);
    return got->stop_rc;
}

static void reads(const char *xml, const char *want)
{
    struct got got = {.stop_rc = MG_OK};
    struct mg_err err = {0, ""};
    if (mg_safe_xml_read(xml, strlen(xml), take, &got, &err) != MG_OK) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(got.text, want);
}

static void refuses(const char *xml, int code, const char *text)
{
    struct got got = {.stop_rc = MG_OK};
    struct mg_err err = {0, ""};
    assert_int_equal(mg_safe_xml_read(xml, strlen(xml), take, &got, &err),
                     code);
    assert_int_equal(err.code, code);
    if (strstr(err.text, text) == NULL) {
        fail_msg("'%s' is not in '%s'", text, err.text);
    }
}

static void forms_in_the_field_are_read(void **state)
{
    (void)state;
    reads("<values/>", "");
    reads("<values><value><signedData>" RECORD "</signedData></value></values>",
          "[-|-|" RECORD "|-|-|1]");
    /* Either order, layout around the texts, name spaces with and without
     * prefix, elements that are not known. */
    reads("<?xml version=\"1.0\"?>\n<values xmlns=\"http://x/y\">\n"
          "<!-- a comment --><value transactionId=\"7\" other=\"o\""
          " context=\"Transaction.Begin\">\n<signedData format=\"OCMF\""
          " encoding=\"plain\">\n\t " RECORD " \r\n</signedData><meterId>9"
          "</meterId>\n<publicKey encoding=\"plain\">\n 3059 \n</publicKey>"
          "</value><value/></values>",
          "[7|Transaction.Begin|" RECORD "|3059|plain|3][!no signedData]");
    reads("<s:values xmlns:s=\"u\"><s:value context=\"Transaction.End\">"
          "<s:publicKey>MFk=</s:publicKey><s:signedData>" RECORD
          "</s:signedData></s:value></s:values>",
          "[-|Transaction.End|" RECORD "|MFk=|-|1]");
}

static void encodings_are_resolved(void **state)
{
    (void)state;
    reads("<values><value><encodedData encoding=\"base64\">T0NN\n Rnx8</"
          "encodedData></value><value><signedData encoding=\"hex\">4f434D46"
          "7c7c</signedData></value><value><signedData encoding=\"\">OCMF||"
          "</signedData></value></values>",
          "[-|-|OCMF|||-|-|1][-|-|OCMF|||-|-|2][-|-|OCMF|||-|-|2]");
    reads("<values><value><signedData><![CDATA[a<b&]]>&lt;&amp;&#x20ac;&#13;."
          "</signedData></value></values>",
          "[-|-|a<b&<&\xe2\x82\xac\r.|-|-|1]");
    /* What was not sent as UTF-8 becomes UTF-8. */
    reads("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><values><value>"
          "<signedData>\xe4</signedData></value></values>",
          "[-|-|\xc3\xa4|-|-|1]");
}

static void unreadable_values_are_named_and_the_rest_is_read(void **state)
{
    (void)state;
    reads("<values>"
          "<value><signedData encoding=\"base64\">T0NN*</signedData></value>"
          "<value><signedData encoding=\"hex\">4f4</signedData></value>"
          "<value><signedData encoding=\"rot13\">x</signedData></value>"
          "<value><signedData format=\"ALFEN\">x</signedData></value>"
          "<value><signedData> \n </signedData></value>"
          "<value><signedData>a</signedData><signedData>b</signedData></value>"
          "<value><signedData>a</signedData><publicKey>1</publicKey>"
          "<publicKey>2</publicKey></value>"
          "<value><signedData format=\"OCMF\">c</signedData></value></values>",
          "[!signedData is not the base64 that it is declared to be]"
          "[!signedData is not the hex that it is declared to be]"
          "[!signedData is in an encoding that is not known]"
          "[!signedData is of another format than OCMF]"
          "[!signedData is empty]"
          "[!more than one signedData in one value]"
          "[!more than one publicKey in one value]"
          "[-|-|c|-|-|2]");
}

/* A value must not inherit from the one before. */
static void values_do_not_mix(void **state)
{
    (void)state;
    reads("<values><value transactionId=\"1\" context=\"c\"><publicKey"
          " encoding=\"hex\">30</publicKey><signedData encoding=\"hex\">61"
          "</signedData></value>\n<value><signedData>62</signedData></value>"
          "</values>",
          "[1|c|a|30|hex|1][-|-|62|-|-|2]");
    /* Texts count only at their place. */
    reads("<values><signedData>no</signedData>stray<value>stray<signedData>a"
          "<b>no</b></signedData><c><signedData>no</signedData></c></value>"
          "</values>",
          "[-|-|a|-|-|1]");
}

static void what_is_no_container_is_refused(void **state)
{
    (void)state;
    refuses("", MG_E_PROTO, "line 1, column 1: no element found");
    refuses("OCMF|{}|{}", MG_E_PROTO, "line 1, column 1: ");
    refuses("<html/>", MG_E_PROTO, "<values> was expected");
    refuses("<values>\n  <value></values>", MG_E_PROTO,
            "line 2, column 12: mismatched tag");
    refuses("<values><value></value></values><values/>", MG_E_PROTO, "line 1");
    refuses("<values>&unknown;</values>", MG_E_PROTO, "undefined entity");
    refuses("<?xml version=\"1.0\" encoding=\"EBCDIC\"?><values/>", MG_E_PROTO,
            "unknown encoding");
    refuses("<values>\xff</values>", MG_E_PROTO, "not well-formed");
}

static void document_types_are_refused(void **state)
{
    (void)state;
    refuses("<!DOCTYPE values><values/>", MG_E_PROTO,
            "a document type is not allowed");
    refuses("<!DOCTYPE values SYSTEM \"file:///etc/passwd\"><values/>",
            MG_E_PROTO, "a document type is not allowed");
    refuses("<!DOCTYPE values [<!ENTITY a \"OCMF\"><!ENTITY b \"&a;&a;\">]>"
            "<values><value><signedData>&b;</signedData></value></values>",
            MG_E_PROTO, "a document type is not allowed");
}

static char *repeat(const char *before, char c, size_t n, const char *after)
{
    size_t a = strlen(before), b = strlen(after);
    char *text = malloc(a + n + b + 1);
    assert_non_null(text);
    memcpy(text, before, a);
    memset(text + a, c, n);
    memcpy(text + a + n, after, b + 1);
    return text;
}

static void everything_is_bounded(void **state)
{
    (void)state;
    struct got got = {.stop_rc = MG_OK};
    struct mg_err err;
    char *xml = repeat("<values><value><signedData>", 'x', 1 << 20,
                       "</signedData></value></values>");
    assert_int_equal(mg_safe_xml_read(xml, strlen(xml), take, &got, &err),
                     MG_OK);
    assert_int_equal(got.n, 1);
    free(xml);
    xml = repeat("<values><value><publicKey>", 'x', (1 << 20) + 1,
                 "</publicKey></value></values>");
    refuses(xml, MG_E_NOSPC, "more than 1 MiB");
    free(xml);
    xml = repeat("<values><value transactionId=\"", '1', 255, "\"/></values>");
    reads(xml, "[!no signedData]");
    free(xml);
    xml = repeat("<values><value context=\"", '1', 256, "\"/></values>");
    refuses(xml, MG_E_NOSPC, "an attribute of more than 255 bytes");
    free(xml);
    char deep[512] = "<values>";
    for (int i = 0; i < 80; i++) {
        (void)snprintf(deep + strlen(deep), sizeof deep - strlen(deep), "<a>");
    }
    refuses(deep, MG_E_PROTO, "too many");
}

static void callback_ends_the_reading(void **state)
{
    (void)state;
    static const char xml[] = "<values><value/><value/></values>";
    struct got got = {.stop_rc = MG_E_CANCELED};
    struct mg_err err;
    assert_int_equal(mg_safe_xml_read(xml, sizeof xml - 1, take, &got, &err),
                     MG_E_CANCELED);
    assert_int_equal(got.n, 1);
}

/* ---- Writing ---- */

struct written {
    char *text; /* owned */
    size_t len;
};

static struct written write_one(const char *transaction, const char *context,
                                const char *record, size_t record_len,
                                const char *key)
{
    struct written w = {NULL, 0};
    FILE *out = open_memstream(&w.text, &w.len);
    assert_non_null(out);
    mg_safe_xml_begin(out);
    mg_safe_xml_value(out, transaction, context, record, record_len, key);
    mg_safe_xml_end(out);
    assert_int_equal(fclose(out), 0);
    return w;
}

static void container_is_as_the_program_wants_it(void **state)
{
    (void)state;
    struct written w =
        write_one("42", "Transaction.End", RECORD, sizeof RECORD - 1, "3059AB");
    assert_string_equal(
        w.text,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<values>\n"
        "  <value transactionId=\"42\" context=\"Transaction.End\">\n"
        "    <publicKey encoding=\"hex\">3059AB</publicKey>\n"
        "    <signedData format=\"OCMF\" encoding=\"plain\">OCMF|"
        "{&quot;PG&quot;:&quot;T1&quot;}|{&quot;SD&quot;:&quot;30&quot;}"
        "</signedData>\n  </value>\n</values>\n");
    free(w.text);
    w = write_one("", NULL, "OCMF||", 6, "");
    assert_non_null(strstr(w.text, "  <value>\n    <signedData"));
    free(w.text);
}

static void id_is(const char *transaction, const char *want)
{
    char text[64];
    struct written w = write_one(transaction, NULL, "x", 1, NULL);
    (void)snprintf(text, sizeof text, "<value transactionId=\"%s\">", want);
    if (strstr(w.text, text) == NULL) {
        fail_msg("'%s' is not in '%s'", text, w.text);
    }
    free(w.text);
}

/* The numbers: the first 62 bits of the SHA-256, by another program
 * (python3 hashlib). */
static void transactions_become_integers(void **state)
{
    (void)state;
    id_is("0", "0");
    id_is("999999999999999999", "999999999999999999");
    id_is("abc", "3359128625063425018");
    id_is("007", "1776620842552050499"); /* 7 would be another's */
    id_is("9223372036854775807", "9223372036854775807");
    id_is("9223372036854775808", "3562530632450731656");
    id_is("10000000000000000000", "1524734682601986521");
    id_is("-1", "498592115804884095");
}

struct want {
    const char *record;
    size_t len;
};

static int is_same(void *ctx, const struct mg_safe_value *v)
{
    const struct want *want = ctx;
    assert_null(v->problem);
    assert_int_equal(v->record_len, want->len);
    assert_memory_equal(v->record, want->record, want->len);
    assert_string_equal(v->key, "30");
    return MG_OK;
}

static void comes_back(const char *record, size_t len, bool is_plain)
{
    struct written w = write_one("1", NULL, record, len, "30");
    assert_int_equal(strstr(w.text, "encoding=\"plain\"") != NULL, is_plain);
    struct want want = {record, len};
    struct mg_err err;
    assert_int_equal(mg_safe_xml_read(w.text, w.len, is_same, &want, &err),
                     MG_OK);
    free(w.text);
}

#define COMES_BACK(text, is_plain) comes_back(text, sizeof(text) - 1, is_plain)

static void odd_texts_come_back(void **state)
{
    (void)state;
    COMES_BACK(RECORD, true);
    COMES_BACK("OCMF|{\"TT\":\"<&>'\\\"]]>\"}|{}", true);
    COMES_BACK("OCMF|{\"a\":\r\n\t\"b\"\r}|{}", true);
    COMES_BACK("OCMF|\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x8c\x7f|{}", true);
    COMES_BACK(" OCMF||", false); /* blanks around it would be layout */
    COMES_BACK("OCMF||\n", false);
    COMES_BACK("OCMF|\x01|", false); /* XML has no such characters */
    COMES_BACK("OCMF|\0|", false);
    COMES_BACK("OCMF|\xff|", false);
    COMES_BACK("OCMF|\xef\xbf\xbe|", false);
    COMES_BACK("OCMF|\xef\xbf\xbd|", true);
    COMES_BACK("OCMF|\xed\xa0\x80|", false);
    COMES_BACK("OCMF|\xe2\x82", false); /* cut off */
    char *all = malloc(65536);
    assert_non_null(all);
    for (size_t i = 0; i < 65536; i++) {
        all[i] = (char)(i * 31 + i / 256);
    }
    comes_back(all, 65536, false);
    memset(all, '&', 65536);
    comes_back(all, 65536, true);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_in_the_field_are_read),
        cmocka_unit_test(encodings_are_resolved),
        cmocka_unit_test(unreadable_values_are_named_and_the_rest_is_read),
        cmocka_unit_test(values_do_not_mix),
        cmocka_unit_test(what_is_no_container_is_refused),
        cmocka_unit_test(document_types_are_refused),
        cmocka_unit_test(everything_is_bounded),
        cmocka_unit_test(callback_ends_the_reading),
        cmocka_unit_test(container_is_as_the_program_wants_it),
        cmocka_unit_test(transactions_become_integers),
        cmocka_unit_test(odd_texts_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
