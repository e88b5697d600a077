/* Options: defaults, types, ranges, and what the messages say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "run/plugins.h"

struct values {
    int64_t on, number, choice;
    char text[8];
    char guard[8]; /* must stay as it is */
};

static const char *const CHOICES[] = {"A", "B", "BK", NULL};

static const struct mg_option OPTIONS[] = {
    {.name = "on",
     .type = MG_OPTION_BOOL,
     .def = 1,
     .offset = offsetof(struct values, on)},
    {.name = "number",
     .type = MG_OPTION_INT,
     .def = -5,
     .min = -10,
     .max = 247,
     .offset = offsetof(struct values, number)},
    {.name = "choice",
     .type = MG_OPTION_ENUM,
     .def = 2,
     .max = 2,
     .choices = CHOICES,
     .offset = offsetof(struct values, choice)},
    {.name = "text",
     .type = MG_OPTION_TEXT,
     .def_text = "seven..",
     .offset = offsetof(struct values, text),
     .size = 8},
    {.name = "wide",
     .type = MG_OPTION_INT,
     .min = INT64_MIN,
     .max = INT64_MAX,
     .offset = offsetof(struct values, number)},
};
#define N (sizeof OPTIONS / sizeof *OPTIONS)

static struct values fresh(void)
{
    struct values v;
    memset(&v, 0x5a, sizeof v);
    mg_options_default(OPTIONS, N - 1, &v);
    return v;
}

static int set(struct values *v, const char *name, const char *text,
               struct mg_err *err)
{
    size_t index = 99;
    int rc = mg_options_set(OPTIONS, N, v, name, text, &index, err);
    if (rc == MG_OK) {
        assert_string_equal(OPTIONS[index].name, name);
    } else {
        assert_int_equal(index, 99);
        assert_int_equal(err->code, rc);
    }
    assert_int_equal(v->guard[0], 0x5a);
    return rc;
}

static void test_defaults(void **state)
{
    (void)state;
    struct values v = fresh();
    assert_int_equal(v.on, 1);
    assert_int_equal(v.number, -5);
    assert_int_equal(v.choice, 2);
    assert_string_equal(v.text, "seven..");
    assert_int_equal(v.guard[0], 0x5a);
}

static void test_right(void **state)
{
    (void)state;
    struct mg_err err = {0};
    struct values v = fresh();
    assert_int_equal(set(&v, "on", "false", &err), MG_OK);
    assert_int_equal(v.on, 0);
    assert_int_equal(set(&v, "on", "true", &err), MG_OK);
    assert_int_equal(v.on, 1);
    assert_int_equal(set(&v, "number", "-10", &err), MG_OK);
    assert_int_equal(v.number, -10);
    assert_int_equal(set(&v, "number", "247", &err), MG_OK);
    assert_int_equal(v.number, 247);
    assert_int_equal(set(&v, "wide", "-9223372036854775808", &err), MG_OK);
    assert_true(v.number == INT64_MIN);
    assert_int_equal(set(&v, "choice", "B", &err), MG_OK);
    assert_int_equal(v.choice, 1);
    assert_int_equal(set(&v, "text", "", &err), MG_OK);
    assert_string_equal(v.text, "");
    assert_int_equal(set(&v, "text", "1234567", &err), MG_OK);
    assert_string_equal(v.text, "1234567");
}

struct wrong {
    const char *name, *text;
    int code;
    const char *message;
};

static const struct wrong WRONG[] = {
    {"nothing", "1", MG_E_NOTFOUND, "no such option: nothing"},
    {"on", "yes", MG_E_INVAL, "on: \"yes\" is neither true nor false"},
    {"on", "1", MG_E_INVAL, "on: \"1\" is neither true nor false"},
    {"on", "", MG_E_INVAL, "on: \"\" is neither true nor false"},
    {"number", "248", MG_E_RANGE,
     "number: 248 is out of range; expected -10 to 247"},
    {"number", "-11", MG_E_RANGE,
     "number: -11 is out of range; expected -10 to 247"},
    {"number", "99999999999999999999", MG_E_RANGE,
     "number: 99999999999999999999 is out of range; expected -10 to 247"},
    {"wide", "9223372036854775808", MG_E_RANGE,
     "wide: 9223372036854775808 is out of range; expected "
     "-9223372036854775808 to 9223372036854775807"},
    {"number", "1.5", MG_E_INVAL,
     "number: \"1.5\" is no whole number; expected -10 to 247"},
    {"number", "0x10", MG_E_INVAL,
     "number: \"0x10\" is no whole number; expected -10 to 247"},
    {"number", " 1", MG_E_INVAL,
     "number: \" 1\" is no whole number; expected -10 to 247"},
    {"number", "", MG_E_INVAL,
     "number: \"\" is no whole number; expected -10 to 247"},
    {"number", "-", MG_E_INVAL,
     "number: \"-\" is no whole number; expected -10 to 247"},
    {"number", "+1", MG_E_INVAL,
     "number: \"+1\" is no whole number; expected -10 to 247"},
    {"choice", "b", MG_E_INVAL, "choice: \"b\" is not one of A, B, BK"},
    {"text", "12345678", MG_E_RANGE,
     "text: 8 bytes are too long; expected at most 7"},
};

static void test_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        struct mg_err err = {0};
        struct values v = fresh();
        struct values before = v;
        assert_int_equal(set(&v, WRONG[i].name, WRONG[i].text, &err),
                         WRONG[i].code);
        assert_string_equal(err.text, WRONG[i].message);
        assert_memory_equal(&v, &before, sizeof v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_right),
        cmocka_unit_test(test_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
