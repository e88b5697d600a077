/* Which signal of a DBC feeds which channel: names, units, what the
 * configuration says otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bus/can_signals.h"

static const char text[] =
    "BU_: Meter\n"
    "BO_ 256 Status: 8 Meter\n"
    " SG_ Word : 0|32@1+ (1,0) [0|0] \"\" Meter\n"
    "BO_ 2044 Live: 8 Meter\n"
    " SG_ U1 : 0|16@1+ (0.01,0) [0|0] \"V\" Meter\n"
    " SG_ U1mV : 16|32@1+ (1,0) [0|0] \"mV\" Meter\n"
    " SG_ E : 48|16@1+ (0.1,0) [0|0] \"kWh\" Meter\n"
    "BO_ 2684354552 Far: 8 Meter\n" /* 1ffffff8, extended */
    " SG_ T : 0|16@1- (0.1,0) [0|0] \"degC\" Meter\n"
    "BO_ 1728 Request: 8 Meter\n"
    "BO_ 1760 Answer: 8 Meter\n";

static const struct mg_signal rows[] = {
    {.channel = MG_CH(ERROR_WORD, TOTAL), .name = "Status.Word"},
    {.channel = MG_CH(VOLTAGE, L1), .name = "Live.U1"},
    {.channel = MG_CH(ENERGY_ACTIVE_IMPORT, TOTAL), .name = "Live.E"},
    {.channel = MG_CH(TEMPERATURE, TOTAL), .name = "Far.T", .variants = 1 << 2},
};
#define N_ROWS (sizeof rows / sizeof *rows)

static const struct mg_fault_bit faults[] = {
    {.bit = 0, .fault = "urn:fault:a", .voids_measured = false},
    {.bit = 31, .fault = "urn:fault:b", .voids_measured = true},
};

static const struct mg_can_driver driver = {.signals = rows,
                                            .n_signals = N_ROWS,
                                            .to_meter = {"Request"},
                                            .from_meter = {"Answer"},
                                            .faults = faults,
                                            .n_faults = 2};

static int parse(void **state)
{
    struct mg_err err = {0};
    *state = mg_dbc_parse("test.dbc", text, strlen(text), &err);
    if (*state == NULL) {
        fail_msg("%s", err.text);
    }
    return 0;
}

static int forget(void **state)
{
    mg_dbc_destroy(*state);
    return 0;
}

static struct mg_can_override override_of(const char *what, const char *name)
{
    struct mg_can_override o;
    (void)snprintf(o.what, sizeof o.what, "%s", what);
    (void)snprintf(o.name, sizeof o.name, "%s", name);
    return o;
}

/* ---- The map ---- */

static void test_map(void **state)
{
    struct mg_can_map map;
    struct mg_err err = {0};
    assert_int_equal(
        mg_can_map_build(&driver, 0, 0, *state, NULL, 0, &map, &err), MG_OK);
    assert_ptr_equal(map.dbc, *state);
    assert_int_equal(map.n, 3); /* the last row is another variant's */
    for (size_t i = 0; i < map.n; i++) {
        assert_ptr_equal(map.signals[i].row, &rows[i]);
    }
    assert_string_equal(map.signals[0].message->name, "Status");
    assert_string_equal(map.signals[0].signal->name, "Word");
    assert_int_equal(map.signals[0].exp10, 0);
    assert_string_equal(map.signals[1].signal->name, "U1");
    assert_int_equal(map.signals[1].exp10, 3);
    assert_int_equal(map.signals[2].exp10, 6);
    assert_int_equal(map.to_meter->id, 1728);
    assert_int_equal(map.from_meter->id, 1760);
}

static void test_variants(void **state)
{
    struct mg_can_map map;
    struct mg_err err = {0};
    assert_int_equal(
        mg_can_map_build(&driver, 2, 0, *state, NULL, 0, &map, &err), MG_OK);
    assert_int_equal(map.n, 4);
    assert_string_equal(map.signals[3].message->name, "Far");
    assert_true(map.signals[3].message->is_extended);
    assert_int_equal(map.signals[3].exp10, 3);
    assert_int_equal(
        mg_can_map_build(&driver, 31, 0, *state, NULL, 0, &map, &err), MG_OK);
    assert_int_equal(map.n, 3);
}

static void test_overrides(void **state)
{
    const struct mg_can_override o[] = {
        override_of("voltage_l1_v", "Live.U1mV"),
        override_of("energy_active_import_wh", "none"),
        override_of("request", "Answer"), override_of("answer", "Request")};
    struct mg_can_map map;
    struct mg_err err = {0};
    assert_int_equal(mg_can_map_build(&driver, 0, 0, *state, o, 4, &map, &err),
                     MG_OK);
    assert_int_equal(map.n, 2);
    assert_string_equal(map.signals[1].signal->name, "U1mV");
    assert_int_equal(map.signals[1].exp10, 0);
    assert_string_equal(map.to_meter->name, "Answer");
    assert_string_equal(map.from_meter->name, "Request");

    assert_string_equal(mg_can_signal_name(&rows[1], o, 4), "Live.U1mV");
    assert_string_equal(mg_can_signal_name(&rows[0], o, 4), "Status.Word");
    assert_null(mg_can_signal_name(&rows[2], o, 4));
}

/* Without ISO-TP, by the configuration or by the model. */
static void test_no_transport(void **state)
{
    const struct mg_can_override o[] = {override_of("request", "none"),
                                        override_of("answer", "none")};
    struct mg_can_driver bare = driver;
    struct mg_can_map map;
    struct mg_err err = {0};
    assert_int_equal(mg_can_map_build(&driver, 0, 0, *state, o, 2, &map, &err),
                     MG_OK);
    assert_null(map.to_meter);
    assert_null(map.from_meter);
    bare.to_meter[0] = bare.from_meter[0] = NULL;
    assert_int_equal(mg_can_map_build(&bare, 0, 0, *state, NULL, 0, &map, &err),
                     MG_OK);
    assert_null(map.to_meter);
    assert_null(map.from_meter);
}

static void test_refused(void **state)
{
    static const struct {
        const char *what, *name;
        int code;
        const char *says;
    } cases[] = {
        {"voltage_l1_v", "Gone.U1", MG_E_NOTFOUND, "no message Gone"},
        {"voltage_l1_v", "Live.Gone", MG_E_NOTFOUND, "no signal Live.Gone"},
        {"voltage_l1_v", "Live", MG_E_INVAL, "\"Live\" is no Message.Signal"},
        {"voltage_l1_v", "", MG_E_INVAL, "\"\" is no Message.Signal"},
        {"voltage_l1_v", "Live.E", MG_E_INVAL, "in \"kWh\""},
        {"error_word", "Live.U1", MG_E_INVAL, "in \"V\""},
        {"energy_active_import_wh", "Status.Word", MG_E_INVAL, "in \"\""},
        {"voltage_l2_v", "Live.U1", MG_E_INVAL, "\"voltage_l2_v\" is no value"},
        {"Voltage_L1_V", "Live.U1", MG_E_INVAL, "is no value"},
        {"", "Live.U1", MG_E_INVAL, "\"\" is no value"},
        {"request", "Gone", MG_E_NOTFOUND, "no message Gone (request"},
        {"answer", "Gone", MG_E_NOTFOUND, "no message Gone (answer"},
        {"answer", "Request", MG_E_INVAL, "both message Request"},
        {"request", "Live.U1", MG_E_NOTFOUND, "no message Live.U1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct mg_can_override o =
            override_of(cases[i].what, cases[i].name);
        struct mg_can_map map;
        struct mg_err err = {0};
        assert_int_equal(
            mg_can_map_build(&driver, 0, 0, *state, &o, 1, &map, &err),
            cases[i].code);
        assert_int_equal(err.code, cases[i].code);
        if (strstr(err.text, cases[i].says) == NULL) {
            fail_msg("%zu: \"%s\" lacks \"%s\"", i, err.text, cases[i].says);
        }
    }
}

static void test_named_twice(void **state)
{
    const struct mg_can_override o[] = {
        override_of("voltage_l1_v", "Live.U1"),
        override_of("error_word", "none"),
        override_of("voltage_l1_v", "Live.U1mV")};
    struct mg_can_map map;
    struct mg_err err = {0};
    assert_int_equal(mg_can_map_build(&driver, 0, 0, *state, o, 3, &map, &err),
                     MG_E_INVAL);
    assert_non_null(strstr(err.text, "\"voltage_l1_v\" is named twice"));
}

static void test_too_many(void **state)
{
    static struct mg_signal many[MG_CAN_SIGNALS_MAX + 1];
    struct mg_can_driver big = driver;
    struct mg_can_map map;
    struct mg_err err = {0};
    for (size_t i = 0; i < MG_CAN_SIGNALS_MAX + 1; i++) {
        many[i] = rows[1];
    }
    big.signals = many;
    big.n_signals = MG_CAN_SIGNALS_MAX;
    assert_int_equal(mg_can_map_build(&big, 0, 0, *state, NULL, 0, &map, &err),
                     MG_OK);
    assert_int_equal(map.n, MG_CAN_SIGNALS_MAX);
    big.n_signals++;
    assert_int_equal(mg_can_map_build(&big, 0, 0, *state, NULL, 0, &map, &err),
                     MG_E_NOSPC);
}

/* ---- Units ---- */

static void test_units(void **state)
{
    static const struct {
        const char *unit_text;
        enum mg_unit unit;
        int exp10; /* 99: refused */
    } cases[] = {
        {"V", MG_UNIT_MV, 3},
        {"mV", MG_UNIT_MV, 0},
        {"A", MG_UNIT_MA, 3},
        {"mA", MG_UNIT_MA, 0},
        {"kW", MG_UNIT_MW, 6},
        {"W", MG_UNIT_MW, 3},
        {"mW", MG_UNIT_MW, 0},
        {"Wh", MG_UNIT_MWH, 3},
        {"kWh", MG_UNIT_MWH, 6},
        {"varh", MG_UNIT_MVARH, 3},
        {"kvarh", MG_UNIT_MVARH, 6},
        {"kVAh", MG_UNIT_MVAH, 6},
        {"kvar", MG_UNIT_MVAR, 6},
        {"VA", MG_UNIT_MVA, 3},
        {"Hz", MG_UNIT_MHZ, 3},
        {"mHz", MG_UNIT_MHZ, 0},
        {"degC", MG_UNIT_MDEGC, 3},
        {"C", MG_UNIT_MDEGC, 3},
        {"\xc2\xb0"
         "C",
         MG_UNIT_MDEGC, 3},
        {"\xb0"
         "C",
         MG_UNIT_MDEGC, 3},
        {"%", MG_UNIT_CPCT, 2},
        {"deg", MG_UNIT_CDEG, 2},
        {"s", MG_UNIT_SECONDS, 0},
        {"imp", MG_UNIT_COUNT, 0},
        {"", MG_UNIT_COUNT, 0},
        {"", MG_UNIT_BOOL, 0},
        {"-", MG_UNIT_BITS, 0},
        {"", MG_UNIT_PF, 4},
        {"-", MG_UNIT_PF, 4},
        {"", MG_UNIT_UNIX_S, 0},
        {"", MG_UNIT_MV, 99}, /* volts or millivolts: not to be guessed */
        {"-", MG_UNIT_MWH, 99},
        {"", MG_UNIT_TEXT, 99},
        {"v", MG_UNIT_MV, 99},
        {"KWH", MG_UNIT_MWH, 99},
        {"V ", MG_UNIT_MV, 99},
        {"MV", MG_UNIT_MV, 99},
        {"W", MG_UNIT_MWH, 99},
        {"Wh", MG_UNIT_MW, 99},
        {"varh", MG_UNIT_MWH, 99},
        {"C", MG_UNIT_COUNT, 99},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int exp10 = 99;
        int rc = mg_can_unit_exp10(cases[i].unit_text, cases[i].unit, &exp10);
        if (exp10 != cases[i].exp10 || (rc == MG_OK) != (exp10 != 99)) {
            fail_msg("\"%s\" for unit %d: %d, 1e%d", cases[i].unit_text,
                     (int)cases[i].unit, rc, exp10);
        }
    }
}

/* ---- Identifiers and names ---- */

static void test_node_id(void **state)
{
    const struct mg_dbc_message *near = mg_dbc_find(*state, "Live");
    const struct mg_dbc_message *far = mg_dbc_find(*state, "Far");
    uint32_t id = 1;
    assert_int_equal(mg_can_node_id(*state, near, 0, &id), MG_OK);
    assert_int_equal(id, 0x7fc);
    assert_int_equal(mg_can_node_id(*state, near, 3, &id), MG_OK);
    assert_int_equal(id, 0x7ff);
    assert_int_equal(mg_can_node_id(*state, near, 4, &id), MG_E_RANGE);
    assert_int_equal(id, 0x7ff); /* left alone */
    assert_int_equal(mg_can_node_id(*state, far, 7, &id), MG_OK);
    assert_int_equal(id, 0x1fffffff);
    assert_int_equal(mg_can_node_id(*state, far, 8, &id), MG_E_RANGE);
}

/* A step that would not fit 32 bits any more. */
static void test_node_step(void **state)
{
    static const char stepped[] = "BU_: M\n"
                                  "BO_ 16 A: 8 M\n"
                                  "BO_ 2147483664 B: 8 M\n"
                                  "BA_DEF_ \"NodeStep\" INT 0 4294967295;\n"
                                  "BA_DEF_DEF_ \"NodeStep\" 1;\n"
                                  "BA_ \"NodeStep\" 65536;\n";
    struct mg_err err = {0};
    struct mg_dbc *dbc =
        mg_dbc_parse("step.dbc", stepped, strlen(stepped), &err);
    uint32_t id = 0;
    (void)state;
    if (dbc == NULL) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(mg_can_node_id(dbc, mg_dbc_find(dbc, "A"), 0, &id), MG_OK);
    assert_int_equal(id, 16);
    assert_int_equal(mg_can_node_id(dbc, mg_dbc_find(dbc, "A"), 1, &id),
                     MG_E_RANGE);
    assert_int_equal(mg_can_node_id(dbc, mg_dbc_find(dbc, "B"), 255, &id),
                     MG_OK);
    assert_int_equal(id, 0xff0010);
    mg_dbc_destroy(dbc);
}

static void test_split(void **state)
{
    static const char *const bad[] = {"",
                                      ".",
                                      "a",
                                      "a.",
                                      ".b",
                                      "a23456789012345678901234567890123.b",
                                      "a.b23456789012345678901234567890123"};
    char message[MG_DBC_NAME_MAX], name[MG_DBC_NAME_MAX];
    (void)state;
    assert_int_equal(mg_can_split_name("a.b", message, name), MG_OK);
    assert_string_equal(message, "a");
    assert_string_equal(name, "b");
    assert_int_equal(mg_can_split_name("a2345678901234567890123456789012."
                                       "b2345678901234567890123456789012",
                                       message, name),
                     MG_OK);
    assert_string_equal(message, "a2345678901234567890123456789012");
    assert_string_equal(name, "b2345678901234567890123456789012");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(mg_can_split_name(bad[i], message, name), MG_E_INVAL);
    }
}

/* ---- What the error word voids ---- */

static void void_of(int64_t word, enum mg_quality quality,
                    enum mg_quality wanted)
{
    /* The word comes last: what is before it is void as well. */
    struct mg_value v[] = {
        {.channel = MG_CH(VOLTAGE, L1), .value = 230000},
        {.channel = MG_CH(FREQUENCY, TOTAL), .quality = MG_QUALITY_MISSING},
        {.channel = MG_CH(ENERGY_ACTIVE_IMPORT, TOTAL), .value = 7},
        {.channel = MG_CH(RELAY_CLOSED, TOTAL), .value = 1},
        {.channel = MG_CH(ERROR_WORD, TOTAL),
         .quality = (uint8_t)quality,
         .value = word}};
    mg_can_void_measured(&driver, v, sizeof v / sizeof *v);
    assert_int_equal(v[0].quality, wanted);
    assert_int_equal(v[1].quality, MG_QUALITY_MISSING);
    assert_int_equal(v[2].quality, MG_QUALITY_GOOD);
    assert_int_equal(v[3].quality, MG_QUALITY_GOOD);
    assert_int_equal(v[4].quality, quality);
}

static void test_void(void **state)
{
    struct mg_value alone = {.channel = MG_CH(VOLTAGE, L1)};
    (void)state;
    void_of(0, MG_QUALITY_GOOD, MG_QUALITY_GOOD);
    void_of(1, MG_QUALITY_GOOD, MG_QUALITY_GOOD); /* a fault, but not such */
    void_of(INT64_C(1) << 30, MG_QUALITY_GOOD, MG_QUALITY_GOOD);
    void_of(INT64_C(1) << 31, MG_QUALITY_GOOD, MG_QUALITY_INVALID);
    void_of(INT64_C(0xffffffff), MG_QUALITY_GOOD, MG_QUALITY_INVALID);
    void_of(INT64_C(1) << 31, MG_QUALITY_MISSING, MG_QUALITY_GOOD);
    mg_can_void_measured(&driver, &alone, 1);
    mg_can_void_measured(&driver, NULL, 0);
    assert_int_equal(alone.quality, MG_QUALITY_GOOD);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map),       cmocka_unit_test(test_variants),
        cmocka_unit_test(test_overrides), cmocka_unit_test(test_no_transport),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_named_twice),
        cmocka_unit_test(test_too_many),  cmocka_unit_test(test_units),
        cmocka_unit_test(test_node_id),   cmocka_unit_test(test_node_step),
        cmocka_unit_test(test_split),     cmocka_unit_test(test_void)};
    return cmocka_run_group_tests(tests, parse, forget);
}
