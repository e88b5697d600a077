/* Error texts, and what is said of a lasting trouble. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/log.h"

#define MINUTE UINT64_C(60000)
#define DAY    (MINUTE * 24 * 60)

static void test_err_is_set_and_prefixed(void **state)
{
    (void)state;
    struct mg_err err;
    assert_int_equal(mg_err_set(&err, MG_E_RANGE, "unit %d", 300), MG_E_RANGE);
    mg_err_prefix(&err, "line %s", "west");
    assert_string_equal(err.text, "line west: unit 300");
    assert_int_equal(err.code, MG_E_RANGE);
    assert_int_equal(mg_err_errno(&err, ENOENT, "/dev/x"), MG_E_IO);
    assert_string_equal(err.text, "/dev/x: No such file or directory");
}

static void test_err_text_is_cut_never_overrun(void **state)
{
    (void)state;
    struct mg_err err;
    char text[2 * MG_ERR_TEXT];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    (void)mg_err_set(&err, MG_E_IO, "%s", text);
    assert_int_equal(strlen(err.text), MG_ERR_TEXT - 1);
    mg_err_prefix(&err, "who");
    assert_int_equal(strlen(err.text), MG_ERR_TEXT - 1);
    assert_memory_equal(err.text, "who: xxx", 8);
    mg_err_prefix(&err, "%s", text);
    assert_int_equal(strlen(err.text), MG_ERR_TEXT - 1);
    (void)mg_err_errno(&err, EIO, "%s", text);
    assert_int_equal(strlen(err.text), MG_ERR_TEXT - 1);
    /* Every length of the prefix around the limit. */
    for (int n = MG_ERR_TEXT - 8; n < MG_ERR_TEXT + 2; n++) {
        (void)mg_err_set(&err, MG_E_IO, "tail");
        mg_err_prefix(&err, "%.*s", n, text);
        assert_true(strlen(err.text) < MG_ERR_TEXT);
    }
}

static void test_codes_have_texts_and_names(void **state)
{
    (void)state;
    assert_string_equal(mg_code_text(MG_E_TIMEOUT), "no answer in time");
    assert_string_equal(mg_code_text(77), "unknown error");
    assert_string_equal(mg_code_name(MG_OK), "ok");
    assert_string_equal(mg_code_name(MG_E_TIMEOUT), "timeout");
    assert_string_equal(mg_code_name(77), "invalid");
}

/* Said at 0, then after 1, 4, 16 ... minutes of pause, at last once a day. */
static void test_complaint_pauses_grow_to_a_day(void **state)
{
    (void)state;
    struct mg_complaint c = {0};
    uint64_t last = 0, pause = 0;
    unsigned n_said = 0;
    for (uint64_t now = 0; now < DAY * 5; now += MINUTE / 6) {
        if (mg_complaint_fail(&c, now)) {
            assert_true(now - last >= pause);
            pause = now - last;
            last = now;
            n_said++;
        }
    }
    assert_int_equal(pause, DAY);
    assert_in_range(n_said, 8, 12);
}

static void test_complaint_ends_once(void **state)
{
    (void)state;
    struct mg_complaint c = {0};
    uint64_t lasted_ms = 7;
    uint32_t n_failures = 7;
    assert_false(mg_complaint_ok(&c, 5, &lasted_ms, &n_failures));
    assert_int_equal(lasted_ms, 7);
    assert_true(mg_complaint_fail(&c, 1000));
    assert_false(mg_complaint_fail(&c, 2000));
    assert_true(mg_complaint_ok(&c, 4000, &lasted_ms, &n_failures));
    assert_int_equal(lasted_ms, 3000);
    assert_int_equal(n_failures, 2);
    assert_false(mg_complaint_ok(&c, 5000, &lasted_ms, &n_failures));
    assert_true(mg_complaint_fail(&c, 6000)); /* news again: said at once */
}

/* What mg_log writes for one line; the caller frees nothing. */
static void written(char *ret, size_t cap, enum mg_log_level level,
                    const char *text)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    assert_true(saved >= 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    mg_log(level, "%s", text);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    assert_int_equal(close(saved) + close(ends[1]), 0);
    ssize_t n = read(ends[0], ret, cap - 1);
    assert_true(n >= 0);
    ret[n] = '\0';
    assert_int_equal(close(ends[0]), 0);
}

static void test_log_lines(void **state)
{
    (void)state;
    char line[2048], text[1500];
    assert_int_equal(setenv("JOURNAL_STREAM", "8:1", 1), 0);
    written(line, sizeof line, MG_LOG_WARN, "line west: gone");
    assert_string_equal(line, "<4>line west: gone\n");
    written(line, sizeof line, MG_LOG_DEBUG, "not at this level");
    assert_string_equal(line, "");
    mg_log_set_level(MG_LOG_DEBUG);
    written(line, sizeof line, MG_LOG_DEBUG, "now");
    assert_string_equal(line, "<7>now\n");
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    written(line, sizeof line, MG_LOG_ERROR, text);
    assert_true(strlen(line) <= 1024 && line[strlen(line) - 1] == '\n');
    assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
    written(line, sizeof line, MG_LOG_ERROR, "clock");
    assert_non_null(strstr(line, " error clock\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_err_is_set_and_prefixed),
        cmocka_unit_test(test_err_text_is_cut_never_overrun),
        cmocka_unit_test(test_codes_have_texts_and_names),
        cmocka_unit_test(test_complaint_pauses_grow_to_a_day),
        cmocka_unit_test(test_complaint_ends_once),
        cmocka_unit_test(test_log_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
