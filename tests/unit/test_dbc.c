/* CAN databases: every section that is read, and every refusal with its line
 * and column. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/dbc.h"

static struct mg_dbc *parse(const char *text)
{
    struct mg_err err = {0};
    struct mg_dbc *dbc = mg_dbc_parse("x.dbc", text, strlen(text), &err);
    if (dbc == NULL) {
        fail_msg("refused: %s", err.text);
    }
    return dbc;
}

static void is_refused(const char *text, const char *why)
{
    struct mg_err err = {0};
    struct mg_dbc *dbc = mg_dbc_parse("x.dbc", text, strlen(text), &err);
    assert_null(dbc);
    assert_string_equal(err.text, why);
    assert_int_equal(err.code, MG_E_INVAL);
}

/* Line 1 is a message of 8 bytes; what is tested starts in line 2. */
#define BO    "BO_ 1 A: 8 N\n"
#define SG(x) BO " SG_ " x "\n"

/* ---- What is read ---- */

static void decimal_is(struct mg_decimal have, int64_t mantissa, int exp10)
{
    assert_int_equal(have.mantissa, mantissa);
    assert_int_equal(have.exp10, exp10);
}

static void test_message_and_signal(void **state)
{
    (void)state;
    struct mg_dbc *dbc = parse("BO_ 2566844926 Ext_1: 64 Node_A\n"
                               " SG_ S : 7|20@0- (0.25,-40) [-40|85.5] "
                               "\"degC\" B,C D\n\n"
                               "BO_ 2047 Std: 0 Vector__XXX\n");
    assert_int_equal(mg_dbc_n_messages(dbc), 2);
    const struct mg_dbc_message *message = mg_dbc_message(dbc, 0);
    assert_string_equal(message->name, "Ext_1");
    assert_int_equal(message->id, 2566844926U - 0x80000000U);
    assert_true(message->is_extended);
    assert_int_equal(message->len, 64);
    assert_int_equal(message->cycle_ms, 0);
    assert_string_equal(message->transmitter, "Node_A");
    assert_int_equal(message->line, 1);
    assert_null(message->multiplexor);
    assert_int_equal(message->n_signals, 1);
    const struct mg_dbc_signal *signal = &message->signals[0];
    assert_string_equal(signal->name, "S");
    assert_string_equal(signal->unit, "degC");
    assert_int_equal(signal->start, 7);
    assert_int_equal(signal->length, 20);
    assert_true(signal->is_big_endian);
    assert_int_equal(signal->type, MG_DBC_SIGNED);
    assert_int_equal(signal->mux, MG_DBC_PLAIN);
    decimal_is(signal->factor, 25, -2);
    decimal_is(signal->offset, -4, 1);
    decimal_is(signal->min, -4, 1);
    decimal_is(signal->max, 855, -1);
    assert_int_equal(signal->n_labels, 0);
    assert_int_equal(signal->line, 2);
    message = mg_dbc_message(dbc, 1);
    assert_int_equal(message->id, 2047);
    assert_false(message->is_extended);
    assert_int_equal(message->len, 0);
    assert_int_equal(message->n_signals, 0);
    assert_int_equal(message->line, 4);
    assert_null(mg_dbc_message(dbc, 2));
    mg_dbc_destroy(dbc);
}

static void test_find(void **state)
{
    (void)state;
    struct mg_dbc *dbc =
        parse("BO_ 1 A: 8 N\n SG_ S : 0|8@1+ (1,0) [0|0] \"\" N\n"
              "BO_ 2 B: 8 N\n SG_ S : 8|8@1+ (1,0) [0|0] \"\" N\n"
              " SG_ T : 0|8@1+ (1,0) [0|0] \"\" N\n");
    const struct mg_dbc_message *message = mg_dbc_find(dbc, "B");
    assert_ptr_equal(message, mg_dbc_message(dbc, 1));
    assert_ptr_equal(mg_dbc_find_signal(message, "S"), &message->signals[0]);
    assert_int_equal(message->signals[0].start, 8);
    assert_ptr_equal(mg_dbc_find_signal(message, "T"), &message->signals[1]);
    assert_null(mg_dbc_find_signal(message, "U"));
    assert_null(mg_dbc_find(dbc, "C"));
    assert_null(mg_dbc_find_signal(mg_dbc_find(dbc, "A"), "T"));
    mg_dbc_destroy(dbc);
    mg_dbc_destroy(NULL);
}

static void test_empty_file(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n", "\xef\xbb\xbfVERSION \"\"\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct mg_dbc *dbc = parse(texts[i]);
        assert_int_equal(mg_dbc_n_messages(dbc), 0);
        assert_null(mg_dbc_find(dbc, "A"));
        assert_int_equal(mg_dbc_node_step(dbc), 1);
        mg_dbc_destroy(dbc);
    }
}

/* As the usual editor writes it, with CRLF and tabs. */
static void test_all_sections(void **state)
{
    (void)state;
    struct mg_dbc *dbc = parse(
        "VERSION \"1.0\"\r\n\r\n\r\n"
        "NS_ : \r\n\tNS_DESC_\r\n\tCM_\r\n\tBA_DEF_\r\n\tVAL_\r\n\tFILTER\r\n"
        "\tSG_MUL_VAL_\r\n\tANYTHING_NEW_\r\n\r\n"
        "BS_: 500000 : 1,2\r\n\r\n"
        "BU_: Meter Station\r\n"
        "VAL_TABLE_ OnOff 1 \"on\" 0 \"off\" ;\r\n"
        "BO_ 100 A: 8 Meter\r\n"
        "\tSG_\tS\t:\t0|8@1+\t(1,0)\t[0|0]\t\"\xb0\x43\"\tStation,\r\n"
        "\t Meter\r\n"
        "BO_ 3221225472 VECTOR__INDEPENDENT_SIG_MSG: 0 Vector__XXX\r\n"
        " SG_ Lost : 0|8@1+ (1,0) [0|0] \"\" Vector__XXX\r\n"
        " SG_ Lost2 : 0|64@1+ (1,0) [0|0] \"\" Vector__XXX\r\n"
        "BO_TX_BU_ 100 : Meter,Station;\r\n"
        "EV_ Env: 0 [0|0] \"\" 0 1 DUMMY_NODE_VECTOR0 Vector__XXX;\r\n"
        "ENVVAR_DATA_ Env: 5;\r\n"
        "SGTYPE_ T : 8@1+ (1,0) [0|0] \"\" 0 , OnOff;\r\n"
        "SIG_GROUP_ 100 G 1 : S;\r\n"
        "CAT_DEF_ 1 C 0;\r\nCAT_ A 1;\r\nFILTER A 0 1;\r\n"
        "CM_ \"of the file; with \\\" and \xe4 and\r\n two lines\";\r\n"
        "CM_ BU_ Meter \"\";\r\nCM_ BO_ 100 \"a\";\r\n"
        "CM_ SG_ 100 S \"b\";\r\nCM_ EV_ Env \"c\";\r\n"
        "CM_ SG_ 3221225472 Lost \"d\";\r\n"
        "BA_DEF_ \"NodeStep\" INT 0 65536;\r\n"
        "BA_DEF_ BO_ \"GenMsgCycleTime\" INT 0 65535;\r\n"
        "BA_DEF_ SG_ \"Kind\" ENUM \"a\",\"b\";\r\n"
        "BA_DEF_ BU_ \"Text\" STRING ;\r\n"
        "BA_DEF_REL_ BU_SG_REL_ \"R\" INT 0 1;\r\n"
        "BA_DEF_DEF_ \"Kind\" \"a\";\r\n"
        "BA_DEF_DEF_ \"NodeStep\" 3;\r\n"
        "BA_DEF_DEF_REL_ \"R\" 0;\r\n"
        "BA_ \"Kind\" SG_ 100 S 1;\r\n"
        "BA_ \"Kind\" SG_ 3221225472 Lost 1;\r\n"
        "BA_ \"Text\" BU_ Meter \"t\";\r\n"
        "BA_ \"Other\" 5;\r\n"
        "BA_ \"Other\" EV_ Env 5;\r\n"
        "BA_REL_ \"R\" BU_SG_REL_ Station SG_ 100 S 1;\r\n"
        "VAL_ Env 1 \"x\" ;\r\n"
        "VAL_ 100 S 2 \"t\\\"wo\" -1 \"\" 9223372036854775807 \"max\";\r\n"
        "VAL_ 3221225472 Lost 0 \"x\";\r\n");
    assert_int_equal(mg_dbc_n_messages(dbc), 1);
    assert_int_equal(mg_dbc_node_step(dbc), 3);
    const struct mg_dbc_message *message = mg_dbc_message(dbc, 0);
    assert_int_equal(message->n_signals, 1);
    const struct mg_dbc_signal *signal = message->signals;
    assert_string_equal(signal->unit, "\xb0\x43");
    assert_int_equal(signal->line, 18);
    assert_int_equal(signal->n_labels, 3);
    assert_int_equal(signal->labels[0].raw, 2);
    assert_string_equal(signal->labels[0].text, "t\"wo");
    assert_int_equal(signal->labels[1].raw, -1);
    assert_string_equal(signal->labels[1].text, "");
    assert_int_equal(signal->labels[2].raw, INT64_MAX);
    assert_string_equal(signal->labels[2].text, "max");
    mg_dbc_destroy(dbc);
}

/* The default counts for who has none of its own, wherever it stands. */
static void test_cycle_times(void **state)
{
    (void)state;
    struct mg_dbc *dbc = parse("BA_ \"NodeStep\" 16;\n"
                               "BA_ \"GenMsgCycleTime\" BO_ 2 0;\n"
                               "BA_ \"GenMsgCycleTime\" BO_ 3 200.0;\n"
                               "BO_ 1 A: 8 N\nBO_ 2 B: 8 N\nBO_ 3 C: 8 N\n"
                               "BA_DEF_DEF_ \"NodeStep\" 2;\n"
                               "BA_DEF_DEF_ \"GenMsgCycleTime\" 100;\n");
    assert_int_equal(mg_dbc_find(dbc, "A")->cycle_ms, 100);
    assert_int_equal(mg_dbc_find(dbc, "B")->cycle_ms, 0);
    assert_int_equal(mg_dbc_find(dbc, "C")->cycle_ms, 200);
    assert_int_equal(mg_dbc_node_step(dbc), 16);
    mg_dbc_destroy(dbc);
}

static void test_float_and_multiplexed(void **state)
{
    (void)state;
    struct mg_dbc *dbc =
        parse(BO " SG_ Low m0 : 8|32@1+ (1,0) [0|0] \"\" N\n"
                 " SG_ Page M : 0|8@1+ (1,0) [0|0] \"\" N\n"
                 " SG_ High m255 : 8|16@1+ (1,0) [0|0] \"\" N\n"
                 " SG_ Last m255 : 24|16@1+ (1,0) [0|0] \"\" N\n"
                 "SIG_VALTYPE_ 1 Low : 1;\nSIG_VALTYPE_ 1 Page 0;\n");
    const struct mg_dbc_message *message = mg_dbc_message(dbc, 0);
    assert_ptr_equal(message->multiplexor, &message->signals[1]);
    assert_int_equal(message->signals[0].type, MG_DBC_FLOAT32);
    assert_int_equal(message->signals[0].mux, MG_DBC_MULTIPLEXED);
    assert_int_equal(message->signals[0].mux_value, 0);
    assert_int_equal(message->signals[1].type, MG_DBC_UNSIGNED);
    assert_int_equal(message->signals[1].mux, MG_DBC_MULTIPLEXOR);
    assert_int_equal(message->signals[3].mux_value, 255);
    mg_dbc_destroy(dbc);
}

static struct mg_dbc *with_scale(const char *scale)
{
    char text[200];
    (void)snprintf(text, sizeof text, SG("S : 0|8@1+ %s \"\" N"), scale);
    return parse(text);
}

static void test_numbers(void **state)
{
    (void)state;
    struct mg_dbc *dbc = with_scale("(+1.500E+003,-.5) [-1.|1e+2]");
    const struct mg_dbc_signal *signal = mg_dbc_message(dbc, 0)->signals;
    decimal_is(signal->factor, 15, 2);
    decimal_is(signal->offset, -5, -1);
    decimal_is(signal->min, -1, 0);
    decimal_is(signal->max, 1, 2);
    mg_dbc_destroy(dbc);
    dbc = with_scale("(0.999999999999999,1e33) [0|0]");
    signal = mg_dbc_message(dbc, 0)->signals;
    decimal_is(signal->factor, 999999999999999, -15);
    decimal_is(signal->offset, 1000000000000000, 18);
    mg_dbc_destroy(dbc);
    dbc = with_scale("(0.00000000000000000100,0e99999999999) [-0|0.000]");
    signal = mg_dbc_message(dbc, 0)->signals;
    decimal_is(signal->factor, 1, -18);
    decimal_is(signal->offset, 0, 0);
    mg_dbc_destroy(dbc);
}

/* Editors write limits of 64 bits and of floats: outwards, never inwards. */
static void test_limits_beyond_decimals(void **state)
{
    (void)state;
    struct mg_dbc *dbc =
        with_scale("(1,0) [-9223372036854775808|18446744073709551615]");
    const struct mg_dbc_signal *signal = mg_dbc_message(dbc, 0)->signals;
    decimal_is(signal->min, -922337203685478, 4);
    decimal_is(signal->max, 184467440737096, 5);
    mg_dbc_destroy(dbc);
    dbc = with_scale("(1,0) [-3.4E+038|3.4E+038]");
    signal = mg_dbc_message(dbc, 0)->signals;
    decimal_is(signal->min, -1000000000000000, 18);
    decimal_is(signal->max, 1000000000000000, 18);
    mg_dbc_destroy(dbc);
    dbc = with_scale("(1,0) [1.0000000000000001|1.0000000000000001]");
    signal = mg_dbc_message(dbc, 0)->signals;
    decimal_is(signal->min, 100000000000000, -14);
    decimal_is(signal->max, 100000000000001, -14);
    mg_dbc_destroy(dbc);
    dbc = with_scale("(1,0) [-1e-40|1e-40]");
    signal = mg_dbc_message(dbc, 0)->signals;
    decimal_is(signal->min, -1, -18);
    decimal_is(signal->max, 1, -18);
    mg_dbc_destroy(dbc);
}

/* Two signals may share bits when they are never in the same frame. */
static void test_fields_side_by_side(void **state)
{
    (void)state;
    mg_dbc_destroy(parse(BO " SG_ A : 7|8@0+ (1,0) [0|0] \"\" N\n"
                            " SG_ B : 8|8@1+ (1,0) [0|0] \"\" N\n"
                            " SG_ C : 19|12@0+ (1,0) [0|0] \"\" N\n"
                            " SG_ D : 20|4@1+ (1,0) [0|0] \"\" N\n"
                            " SG_ E M : 32|8@1+ (1,0) [0|0] \"\" N\n"
                            " SG_ F m1 : 40|24@1+ (1,0) [0|0] \"\" N\n"
                            " SG_ G m2 : 47|24@0+ (1,0) [0|0] \"\" N\n"));
    mg_dbc_destroy(parse("BO_ 1 A: 64 N\n"
                         " SG_ A : 448|64@1+ (1,0) [0|0] \"\" N\n"
                         " SG_ B : 7|64@0- (1,0) [0|0] \"\" N\n"));
}

/* ---- What is refused ---- */

static void test_refuses_places(void **state)
{
    (void)state;
    is_refused(SG("S : 60|5@1+ (1,0) [0|0] \"\" N"),
               "x.dbc:2:10: S: 5 bits from bit 60 reach beyond the 8 bytes of "
               "A");
    is_refused(SG("S : 60|6@0+ (1,0) [0|0] \"\" N"),
               "x.dbc:2:10: S: 6 bits from bit 60 reach beyond the 8 bytes of "
               "A");
    is_refused(SG("S : 0|65@1+ (1,0) [0|0] \"\" N"),
               "x.dbc:2:12: the length in bits is 65; a whole number from 1 "
               "to 64 would be right");
    is_refused(SG("S : 0|0@1+ (1,0) [0|0] \"\" N"),
               "x.dbc:2:12: the length in bits is 0; a whole number from 1 "
               "to 64 would be right");
    is_refused(SG("S : 512|1@1+ (1,0) [0|0] \"\" N"),
               "x.dbc:2:10: the start bit is 512; a whole number from 0 to 511 "
               "would be right");
    is_refused(SG("S : 0|8@2+ (1,0) [0|0] \"\" N"),
               "x.dbc:2:14: the byte order (0 Motorola, 1 Intel) is 2; a whole "
               "number from 0 to 1 would be right");
    is_refused(SG("S : 0|8@1 (1,0) [0|0] \"\" N"),
               "x.dbc:2:16: expected '+' (unsigned) or '-' (signed), found "
               "'('");
}

static void test_refuses_overlaps(void **state)
{
    (void)state;
    is_refused(SG("S : 0|9@1+ (1,0) [0|0] \"\" N\n"
                  " SG_ T : 15|8@0+ (1,0) [0|0] \"\" N"),
               "x.dbc:3:6: T overlaps S (line 2) at bit 8");
    is_refused(SG("S M : 0|8@1+ (1,0) [0|0] \"\" N\n"
                  " SG_ T m1 : 7|4@1+ (1,0) [0|0] \"\" N"),
               "x.dbc:3:6: T overlaps S (line 2) at bit 7");
    /* Two of the same value, one of another between them. */
    is_refused(SG("S M : 0|8@1+ (1,0) [0|0] \"\" N\n"
                  " SG_ T m1 : 8|8@1+ (1,0) [0|0] \"\" N\n"
                  " SG_ U m2 : 8|8@1+ (1,0) [0|0] \"\" N\n"
                  " SG_ V m1 : 15|2@1+ (1,0) [0|0] \"\" N"),
               "x.dbc:5:6: V overlaps T (line 3) at bit 15");
}

static void test_refuses_names(void **state)
{
    (void)state;
    is_refused(SG(": 0|8@1+ (1,0) [0|0] \"\" N"),
               "x.dbc:2:6: expected the name of a signal, found ':'");
    is_refused(SG("5S : 0|8@1+ (1,0) [0|0] \"\" N"),
               "x.dbc:2:6: '5S' is no number; -12, 0.5 or 1e-3 would be");
    is_refused("BO_ 1 : 8 N\n",
               "x.dbc:1:7: expected the name of a message, found ':'");
    is_refused("BO_ 1 A: 8\n",
               "x.dbc:2:1: expected the name of the transmitter, found the end "
               "of the file");
    is_refused("BO_ 1 A23456789012345678901234567890123: 8 N\n",
               "x.dbc:1:7: the name of a message is 33 long; at most 32 would "
               "be right");
    is_refused(SG("S : 0|8@1+ (1,0) [0|0] \"a unit too long for this\" N"),
               "x.dbc:2:29: the unit is 24 bytes long; at most 15 would be "
               "right");
}

static void test_refuses_doubles(void **state)
{
    (void)state;
    is_refused("BO_ 1 A: 8 N\nBO_ 2 B: 8 N\nBO_ 3 A: 8 N\n",
               "x.dbc:3:7: a second message A; the first is in line 1");
    is_refused("BO_ 1 A: 8 N\nBO_ 2 B: 8 N\nBO_ 1 C: 8 N\n",
               "x.dbc:3:5: a second message with identifier 1; A in line 1 has "
               "it");
    is_refused(SG("S : 0|8@1+ (1,0) [0|0] \"\" N\n"
                  " SG_ T : 8|8@1+ (1,0) [0|0] \"\" N\n"
                  " SG_ S : 16|8@1+ (1,0) [0|0] \"\" N"),
               "x.dbc:4:6: a second signal S in A; the first is in line 2");
    is_refused(SG("S : 0|8@1+ (1,0) [0|0] \"\" N\n"
                  "VAL_ 1 S 1 \"a\" ;\nVAL_ 1 S 2 \"b\" ;"),
               "x.dbc:4:8: a second VAL_ for S; one would be right");
    /* The same number as standard and as extended identifier are two. */
    mg_dbc_destroy(parse("BO_ 1 A: 8 N\nBO_ 2147483649 B: 8 N\n"));
}

static void test_refuses_identifiers(void **state)
{
    (void)state;
    is_refused("BO_ 2048 A: 8 N\n",
               "x.dbc:1:5: the identifier is 2048; at most 2047, or with bit "
               "31 2147483648 to 2684354559, would be right");
    is_refused("BO_ 2684354560 A: 8 N\n",
               "x.dbc:1:5: the identifier is 2684354560; at most 2047, or with "
               "bit 31 2147483648 to 2684354559, would be right");
    is_refused("BO_ -1 A: 8 N\n",
               "x.dbc:1:5: the identifier is -1; a whole number from 0 to "
               "4294967295 would be right");
    is_refused("BO_ 1.5 A: 8 N\n",
               "x.dbc:1:5: the identifier is 1.5; a whole number from 0 to "
               "4294967295 would be right");
    is_refused("BO_ 1 A: 65 N\n",
               "x.dbc:1:10: the length in bytes is 65; a whole number from 0 "
               "to 64 would be right");
}

static void test_refuses_numbers(void **state)
{
    (void)state;
    is_refused(SG("S : 0|8@1+ (0,0) [0|0] \"\" N"),
               "x.dbc:2:18: the factor of S is 0; 1 would be right");
    is_refused(SG("S : 0|8@1+ (1.2.3,0) [0|0] \"\" N"),
               "x.dbc:2:18: '1.2.3' is no number; -12, 0.5 or 1e-3 would be");
    is_refused(SG("S : 0|8@1+ (1e,0) [0|0] \"\" N"),
               "x.dbc:2:18: '1e' is no number; -12, 0.5 or 1e-3 would be");
    is_refused(SG("S : 0|8@1+ (1,.) [0|0] \"\" N"),
               "x.dbc:2:20: '.' is no number; -12, 0.5 or 1e-3 would be");
    is_refused(SG("S : 0|8@1+ (nan,0) [0|0] \"\" N"),
               "x.dbc:2:18: expected the factor, found 'nan'");
    is_refused(SG("S : 0|8@1+ (1234567890.123456,0) [0|0] \"\" N"),
               "x.dbc:2:18: the factor is 1234567890.123456; at most 15 "
               "digits, from 1e-18 to 1e33, would be right");
    is_refused(SG("S : 0|8@1+ (1,1e34) [0|0] \"\" N"),
               "x.dbc:2:20: the offset is 1e34; at most 15 digits, from 1e-18 "
               "to 1e33, would be right");
    is_refused(SG("S : 0|8@1+ (1e-19,0) [0|0] \"\" N"),
               "x.dbc:2:18: the factor is 1e-19; at most 15 digits, from 1e-18 "
               "to 1e33, would be right");
    is_refused(SG("S : 0|8@1+ (1,0) [1|0.9] \"\" N"),
               "x.dbc:2:24: the minimum of S is above its maximum; [0|0] would "
               "be without limits");
    is_refused(SG("S : 0|8@1+ (1,0) [0|0] \"\" N\n"
                  "VAL_ 1 S 9223372036854775808 \"a\";"),
               "x.dbc:3:10: the value is 9223372036854775808; a whole number "
               "from -9223372036854775807 to 9223372036854775807 would be "
               "right");
}

static void test_refuses_floats(void **state)
{
    (void)state;
    is_refused(SG("S : 0|31@1+ (1,0) [0|0] \"\" N\nSIG_VALTYPE_ 1 S : 1;"),
               "x.dbc:3:16: a float32 has 32 bits, S (line 2) has 31");
    is_refused(SG("S : 0|32@1+ (1,1) [0|0] \"\" N\nSIG_VALTYPE_ 1 S : 1;"),
               "x.dbc:3:16: S (line 2) is a float32 with an offset; 0 would be "
               "right");
    is_refused(SG("S M : 0|32@1+ (1,0) [0|0] \"\" N\nSIG_VALTYPE_ 1 S : 1;"),
               "x.dbc:3:16: the multiplexor S (line 2) must be an integer");
    is_refused(SG("S : 0|64@1+ (1,0) [0|0] \"\" N\nSIG_VALTYPE_ 1 S : 2;"),
               "x.dbc:3:20: type 2 is not supported; 0 (integer) or 1 "
               "(float32) would be right");
}

static void test_refuses_multiplexing(void **state)
{
    (void)state;
    is_refused(SG("S m1 : 0|8@1+ (1,0) [0|0] \"\" N"),
               "x.dbc:2:6: S is multiplexed, but A has no multiplexor M");
    is_refused(SG("S M : 0|8@1+ (1,0) [0|0] \"\" N\n"
                  " SG_ T M : 8|8@1+ (1,0) [0|0] \"\" N"),
               "x.dbc:3:6: T is a second multiplexor in A; one (S, line 2) "
               "would be right");
    is_refused(SG("S M : 0|2@1+ (1,0) [0|0] \"\" N\n"
                  " SG_ T m4 : 8|8@1+ (1,0) [0|0] \"\" N"),
               "x.dbc:3:6: T is sent with m4, but S has 2 bits");
    is_refused(SG("S m1M : 0|8@1+ (1,0) [0|0] \"\" N"),
               "x.dbc:2:8: 'm1M' is extended multiplexing, which is not "
               "supported; M or m<n> would be right");
    is_refused(SG("S m4294967296 : 0|8@1+ (1,0) [0|0] \"\" N"),
               "x.dbc:2:8: expected ':', M or m<n> of 32 bits, found "
               "'m4294967296'");
    is_refused(SG("S X : 0|8@1+ (1,0) [0|0] \"\" N"),
               "x.dbc:2:8: expected ':', M or m<n> of 32 bits, found 'X'");
    is_refused(BO "SG_MUL_VAL_ 1 S T 1-1;\n",
               "x.dbc:2:13: SG_MUL_VAL_: extended multiplexing is not "
               "supported; one multiplexor M and its m<n> would be right");
}

static void test_refuses_references(void **state)
{
    (void)state;
    const char *signal = " SG_ S : 0|32@1+ (1,0) [0|0] \"\" N\n";
    static const struct {
        const char *line, *why;
    } cases[] = {
        {"VAL_ 2 S 0 \"\";",
         "x.dbc:3:6: VAL_ names message 2, which no BO_ defines"},
        {"VAL_ 1 T 0 \"\";", "x.dbc:3:8: VAL_ names a signal T that A (line 1) "
                             "does not have"},
        {"SIG_VALTYPE_ 2 S : 1;",
         "x.dbc:3:14: SIG_VALTYPE_ names message 2, which no BO_ defines"},
        {"SIG_VALTYPE_ 1 SS : 1;",
         "x.dbc:3:16: SIG_VALTYPE_ names a signal SS that A (line 1) does not "
         "have"},
        {"BA_ \"GenMsgCycleTime\" BO_ 2 5;",
         "x.dbc:3:27: BA_ names message 2, which no BO_ defines"},
        {"BA_ \"X\" BO_ 2 5;",
         "x.dbc:3:13: BA_ names message 2, which no BO_ defines"},
        {"BA_ \"X\" SG_ 1 T 5;", "x.dbc:3:15: BA_ names a signal T that A "
                                 "(line 1) does not have"},
        {"BA_ \"GenMsgCycleTime\" BO_ 1 0.5;",
         "x.dbc:3:29: the cycle time in ms is 0.5; a whole number from 0 to "
         "86400000 would be right"},
        {"BA_ \"NodeStep\" \"x\";",
         "x.dbc:3:16: expected the step of identifiers, found the text "
         "\"x\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        (void)snprintf(text, sizeof text, BO "%s%s\n", signal, cases[i].line);
        is_refused(text, cases[i].why);
    }
}

static void test_refuses_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"SG_ S : 0|8@1+ (1,0) [0|0] \"\" N\n",
         "x.dbc:1:1: SG_ without a message; right behind its BO_ would be "
         "right"},
        {BO "VERSION \"\"\n SG_ S : 0|8@1+ (1,0) [0|0] \"\" N\n",
         "x.dbc:3:2: SG_ without a message; right behind its BO_ would be "
         "right"},
        {"\n  HELLO 1;\n", "x.dbc:2:3: expected a section such as BO_ or VAL_, "
                           "found 'HELLO'"},
        {"VERSION \"abc\nBO_ 1\n",
         "x.dbc:1:9: this text has no end: a '\"' is missing"},
        {"VERSION 1\n",
         "x.dbc:1:9: expected the version as \"text\", found '1'"},
        {"BU_: N\nEV_ a 1\nBO_ 1 A: 8 N\n",
         "x.dbc:3:1: expected ';' at the end of the section, found 'BO_'"},
        {"EV_ a 1", "x.dbc:1:8: expected ';' at the end of the section, found "
                    "the end of the file"},
        {"BU_: N\n\xc3\xa4\n",
         "x.dbc:2:1: a byte 0xc3 outside of a text; only letters, digits and "
         "marks may be there"},
        {"CM_ BO_ 1 \"a\"\n",
         "x.dbc:2:1: expected ';', found the end of the file"},
        {"CM_ BO_ X \"a\";\n", "x.dbc:1:9: expected the identifier, found 'X'"},
        {"VAL_ X 1 2;\n", "x.dbc:1:10: expected what the value means as "
                          "\"text\", found '2'"},
        {"VAL_ X 1 \"a\" X;\n",
         "x.dbc:1:14: expected a value, or ';', found 'X'"},
        {"VAL_TABLE_ 1 \"a\";\n",
         "x.dbc:1:12: expected the name of a table, found '1'"},
        {"BA_DEF_ BO_ \"X\" 5;\n",
         "x.dbc:1:17: expected a type such as INT or ENUM, found '5'"},
        {"BA_ \"X\" ;\n",
         "x.dbc:1:9: expected a number or a \"text\", found ';'"},
        {SG("S : 0|8@1+ (1,0) [0|0] \"\" N,\nBO_ 2 B: 8 N"),
         "x.dbc:3:1: expected the name of a receiver, found 'BO_'"},
        {SG("S : 0|8@1+ (1;0) [0|0] \"\" N"),
         "x.dbc:2:19: expected ',', found ';'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        is_refused(cases[i].text, cases[i].why);
    }
}

static void test_refuses_nul(void **state)
{
    (void)state;
    struct mg_err err = {0};
    static const char text[] = "CM_ \"a\0b\";";
    assert_null(mg_dbc_parse("x.dbc", text, sizeof text - 1, &err));
    assert_string_equal(err.text, "x.dbc:1:7: a NUL byte in a text");
    assert_null(mg_dbc_parse("x.dbc", "\0", 1, &err));
    assert_string_equal(err.text,
                        "x.dbc:1:1: a byte 0x00 outside of a text; only "
                        "letters, digits and marks may be there");
}

/* ---- Limits ---- */

static char *new_text(void)
{
    char *text = calloc(1, MG_DBC_FILE_MAX + 2);
    assert_non_null(text);
    return text;
}

__attribute__((format(printf, 3, 4))) static void add(char *text, size_t *len,
                                                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(&text[*len], MG_DBC_FILE_MAX + 1 - *len, format, args);
    va_end(args);
    *len += (size_t)n;
    assert_true(n > 0 && *len <= MG_DBC_FILE_MAX);
}

static void test_limits(void **state)
{
    (void)state;
    struct mg_err err = {0};
    char *text = new_text();
    memset(text, ' ', MG_DBC_FILE_MAX + 1);
    struct mg_dbc *dbc = mg_dbc_parse("x.dbc", text, MG_DBC_FILE_MAX, &err);
    assert_non_null(dbc);
    mg_dbc_destroy(dbc);
    assert_null(mg_dbc_parse("x.dbc", text, MG_DBC_FILE_MAX + 1, &err));
    assert_string_equal(err.text, "x.dbc: 1048577 bytes; at most 1048576 would "
                                  "be right");
    size_t len = 0;
    for (int i = 0; i <= MG_DBC_MESSAGES_MAX; i++) {
        add(text, &len, "BO_ %d M%d: 8 N\n", i, i);
    }
    is_refused(text, "x.dbc:1025:5: more than 1024 messages");
    char *last = strstr(text, "BO_ 1024");
    *last = '\0';
    mg_dbc_destroy(parse(text));
    len = 0;
    add(text, &len, "BO_ 1 A: 64 N\n");
    for (int i = 0; i < MG_DBC_SIGNALS_MAX; i++) {
        add(text, &len, " SG_ S%d : %d|1@1+ (1,0) [0|0] \"\" N\n", i, i);
    }
    mg_dbc_destroy(parse(text));
    add(text, &len, " SG_ X : 0|1@1+ (1,0) [0|0] \"\" N\n");
    is_refused(text, "x.dbc:514:6: A has more than 512 signals");
    free(text);
}

/* A megabyte of the same word must not take longer than any other. */
static void test_large_files(void **state)
{
    (void)state;
    static const char *const words[] = {
        "\"",  "(",          "1",           "CM_ BO_ 1 \"\";",
        "1e9", "BU_: a a\n", "\\\"",        "VAL_ a 1 \"\";",
        "a",   "NS_: CM_\n", "CAT_ BO_ a;", "SG_ a",
    };
    char *text = new_text();
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t len = strlen(words[i]);
        size_t n = 0;
        for (; n + len <= MG_DBC_FILE_MAX; n += len) {
            memcpy(&text[n], words[i], len);
        }
        struct mg_err err = {0};
        mg_dbc_destroy(mg_dbc_parse("x.dbc", text, n, &err));
    }
    free(text);
}

/* As many labels as a file holds, each signal searched for by name. */
static void test_many_references(void **state)
{
    (void)state;
    char *text = new_text();
    size_t len = 0;
    add(text, &len, "BO_ 1 A: 64 N\n");
    for (int i = 0; i < MG_DBC_SIGNALS_MAX; i++) {
        add(text, &len, " SG_ S%d : %d|1@1+ (1,0) [0|0] \"\" N\n", i, i);
    }
    size_t n = 0;
    while (len + 30 < MG_DBC_FILE_MAX) {
        add(text, &len, "BA_ \"\" SG_ 1 S%zu 0;\n", n++ % MG_DBC_SIGNALS_MAX);
    }
    mg_dbc_destroy(parse(text));
    len = (size_t)(strstr(text, "BA_") - text);
    add(text, &len, "VAL_ 1 S0");
    while (len + 30 < MG_DBC_FILE_MAX) {
        add(text, &len, " 1 \"\"");
    }
    text[len++] = ';';
    text[len] = '\0';
    is_refused(text, "x.dbc:514:500011: more than 100000 values in VAL_");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message_and_signal),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_empty_file),
        cmocka_unit_test(test_all_sections),
        cmocka_unit_test(test_cycle_times),
        cmocka_unit_test(test_float_and_multiplexed),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_limits_beyond_decimals),
        cmocka_unit_test(test_fields_side_by_side),
        cmocka_unit_test(test_refuses_places),
        cmocka_unit_test(test_refuses_overlaps),
        cmocka_unit_test(test_refuses_names),
        cmocka_unit_test(test_refuses_doubles),
        cmocka_unit_test(test_refuses_identifiers),
        cmocka_unit_test(test_refuses_numbers),
        cmocka_unit_test(test_refuses_floats),
        cmocka_unit_test(test_refuses_multiplexing),
        cmocka_unit_test(test_refuses_references),
        cmocka_unit_test(test_refuses_forms),
        cmocka_unit_test(test_refuses_nul),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_large_files),
        cmocka_unit_test(test_many_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
