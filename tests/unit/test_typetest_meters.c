/* The type test of the four models: each passes with room to spare, and each
 * defect fails the rows that theory says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run/plugins.h"
#include "typetest/typetest.h"

static const char *const models[] = {"cpim1000", "cpkm3000", "kpm31", "wm3m4c"};

#define N_MODELS (sizeof models / sizeof *models)

static struct mg_typetest_result run(const char *model, const char *only,
                                     enum mg_typetest_defect defect,
                                     int32_t phase_error_cdeg)
{
    static struct mg_plugins plugins;
    struct mg_err err = {0};
    if (plugins.n == 0 &&
        mg_plugins_load(&plugins, MG_TEST_PLUGINS, &err) != MG_OK) {
        fail_msg("%s", err.text);
    }
    const struct mg_plugin *p = mg_plugins_find(&plugins, model);
    assert_non_null(p);
    assert_non_null(p->rating);
    void *options = calloc(1, p->options_size);
    assert_non_null(options);
    mg_options_default(p->options, p->n_options, options);
    struct mg_typetest_settings settings = {.plugin = p,
                                            .options = options,
                                            .only = only,
                                            .seed = 7,
                                            .defect = (uint8_t)defect,
                                            .phase_error_cdeg =
                                                phase_error_cdeg,
                                            .n_threads = 2};
    struct mg_typetest_result result;
    assert_int_equal(mg_typetest_run(&settings, &result, &err), MG_OK);
    assert_true(result.n_rows > 0);
    free(options);
    return result;
}

static void check_row(const char *model, const struct mg_typetest_row *row)
{
    if (row->verdict == MG_FAIL) {
        fail_msg("%s: %s, %s", model, row->test, row->condition);
    }
    if (strcmp(row->test, "intrinsic") == 0) {
        assert_true(row->error * 3 <= row->limit.limit);
        assert_true(row->error * 3 >= -row->limit.limit);
    }
}

static void test_all_pass(void **state)
{
    (void)state;
    for (size_t m = 0; m < N_MODELS; m++) {
        struct mg_typetest_result r = run(models[m], NULL, MG_DEFECT_NONE, 0);
        for (size_t k = 0; k < r.n_rows; k++) {
            check_row(models[m], &r.rows[k]);
        }
        mg_typetest_result_free(&r);
    }
}

static bool is_half(const struct mg_typetest_row *row)
{
    return strstr(row->condition, "PF 0.5 ind") != NULL &&
           strstr(row->condition, "only") == NULL;
}

/* 0.4 degree makes -1.21 % of power factor 0.5 inductive, 0.2 degree half of
 * it: that a class of 1 % lets pass. */
static void test_phase_error(void **state)
{
    (void)state;
    for (size_t m = 0; m < N_MODELS; m++) {
        struct mg_typetest_result r =
            run(models[m], "intrinsic", MG_DEFECT_PHASE_ERROR, 0);
        for (size_t k = 0; k < r.n_rows; k++) {
            const struct mg_typetest_row *row = &r.rows[k];
            if (is_half(row)) {
                assert_true(row->error < -11000000 && row->error > -14000000);
                assert_int_equal(row->verdict, -row->error > row->limit.limit
                                                   ? MG_FAIL
                                                   : MG_PASS);
            } else if (strstr(row->condition, "PF 1") != NULL) {
                assert_int_equal(row->verdict, MG_PASS);
            }
        }
        assert_true(r.n_failed >= 5);
        mg_typetest_result_free(&r);
    }
    for (size_t m = 0; m < N_MODELS; m++) {
        if (strcmp(models[m], "kpm31") == 0) {
            continue; /* 0.6 % is its limit */
        }
        struct mg_typetest_result r =
            run(models[m], "intrinsic", MG_DEFECT_PHASE_ERROR, 20);
        assert_int_equal(r.n_failed, 0);
        mg_typetest_result_free(&r);
    }
}

static void test_pulses_at_update(void **state)
{
    (void)state;
    for (size_t m = 0; m < N_MODELS; m++) {
        struct mg_typetest_result r =
            run(models[m], "repeatability", MG_DEFECT_PULSES_AT_UPDATE, 0);
        assert_true(r.n_failed > 0);
        if (strcmp(models[m], "cpim1000") == 0) {
            /* 10 ms of the 2.44 s of 300 impulses. */
            assert_int_equal(r.rows[3].verdict, MG_FAIL);
            assert_true(r.rows[3].error > 3000000 && r.rows[3].error < 5000000);
        }
        mg_typetest_result_free(&r);
    }
}

static void test_creep(void **state)
{
    (void)state;
    for (size_t m = 0; m < N_MODELS; m++) {
        struct mg_typetest_result r =
            run(models[m], "starting", MG_DEFECT_CREEP, 0);
        assert_int_equal(r.n_failed, r.n_rows);
        mg_typetest_result_free(&r);
        r = run(models[m], "repeatability", MG_DEFECT_CREEP, 0);
        assert_int_equal(r.n_failed, 0);
        mg_typetest_result_free(&r);
    }
}

static void test_remainder(void **state)
{
    (void)state;
    for (size_t m = 0; m < N_MODELS; m++) {
        struct mg_typetest_result r =
            run(models[m], "intrinsic", MG_DEFECT_REMAINDER, 0);
        assert_int_equal(r.rows[0].verdict, MG_FAIL); /* Imin */
        mg_typetest_result_free(&r);
    }
}

/* The filter of the converters takes 1.92 % of a 5th harmonic in voltage and
 * current: with U 10 % and I 40 %, 0.147 % of 1.04 of the power. Half a wave,
 * cut waves and bursts cost a meter with such a filter and a shunt next to
 * nothing. */
static void test_theory_of_harmonics(void **state)
{
    struct mg_typetest_result r =
        run("cpim1000", "influence", MG_DEFECT_NONE, 0);
    unsigned n = 0;
    (void)state;
    for (size_t k = 0; k < r.n_rows; k++) {
        const struct mg_typetest_row *row = &r.rows[k];
        if (strstr(row->condition, "5th harmonic") != NULL) {
            assert_true(row->error > -1670000 && row->error < -1270000);
            n++;
        } else if (strstr(row->condition, "bursts") != NULL) {
            assert_true(row->error > -200000 && row->error < 200000);
            n++;
        }
    }
    assert_int_equal(n, 2);
    mg_typetest_result_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_pass),
        cmocka_unit_test(test_phase_error),
        cmocka_unit_test(test_pulses_at_update),
        cmocka_unit_test(test_creep),
        cmocka_unit_test(test_remainder),
        cmocka_unit_test(test_theory_of_harmonics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
