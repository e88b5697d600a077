/* The type test on a toy meter whose errors are known: it counts half a per
 * cent too much, 0.01 % per kelvin more, and can be told to count without
 * current. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "metergate/fixed.h"
#include "typetest/typetest.h"

/* 16 counts a mV, 64 a mA, 4 kHz: 1 Wh is so many products of counts. */
#define PULSE INT64_C(14745600000000000)
#define START 1267 /* counts: 19.8 mA */

enum toy_kind { TOY_HALF_PERCENT, TOY_CREEPING, TOY_SILENT, TOY_REGISTER };

struct toy_options {
    int64_t kind; /* enum toy_kind */
};

struct toy {
    const struct toy_options *options;
    int64_t rest;
    uint64_t n;
    bool has_bad_start, is_forgetful;
};

static void power_on(void *state, const struct mg_fw_env *env)
{
    ((struct toy *)state)->options = env->options;
}

static void power_fail(void *state)
{
    (void)state;
}

static void tick(void *state, const struct mg_tick *tick)
{
    struct toy *t = state;
    const struct mg_lane_sums *s = &tick->lane[0];
    int64_t start = t->has_bad_start ? 4 * START : START;
    bool is_flowing = s->i2 >= start * start * tick->n_samples;
    int64_t flow = is_flowing ? s->ui + s->ui / 200 : 0;
    if (t->options->kind == TOY_CREEPING) {
        flow += PULSE / 2000;
    }
    t->rest += t->options->kind == TOY_SILENT ? 0 : flow;
    int64_t n = t->rest / PULSE;
    t->rest = t->is_forgetful ? 0 : t->rest % PULSE;
    t->n += (uint64_t)(n < 0 ? -n : n);
}

/* Register 0, u32: Wh. */
static size_t pdu(void *state, uint8_t unit, const uint8_t *request, size_t len,
                  uint8_t *ret, size_t cap)
{
    const struct toy *t = state;
    (void)unit;
    if (len != 5 || request[0] != 3 || cap < 6) {
        return 0;
    }
    bool is_wrong = t->options->kind == TOY_REGISTER;
    uint64_t wh = is_wrong ? t->n + t->n / 100 : t->n;
    ret[0] = 3;
    ret[1] = 4;
    for (unsigned k = 0; k < 4; k++) {
        ret[2 + k] = (uint8_t)(wh >> (24 - 8 * k));
    }
    return 6;
}

static void outputs(const void *state, struct mg_fw_outputs *ret)
{
    const struct toy *t = state;
    int64_t rest = t->rest < 0 ? -t->rest : t->rest;
    *ret = (struct mg_fw_outputs){
        .circuit[0] = {.load_connected = true,
                       .n_pulses = t->n,
                       .rest_q32 = mg_ratio_q32(rest, PULSE)},
        .unit = 1,
        .baud = 9600};
}

static int fault(void *state, enum mg_fw_fault kind)
{
    struct toy *t = state;
    t->has_bad_start |= kind == MG_FW_FAULT_CREEP;
    t->is_forgetful |= kind == MG_FW_FAULT_REMAINDER;
    return MG_OK;
}

static const struct mg_frontend FRONTEND = {.rate_mhz = 4000000,
                                            .samples_per_tick = 80,
                                            .n_lanes = 1,
                                            .bits = 24,
                                            .drift_u_ppb = 100000,
                                            .full_scale_mv = 1U << 19,
                                            .full_scale_ma = 1U << 17};

static const struct mg_firmware FIRMWARE = {.frontend = &FRONTEND,
                                            .state_size = sizeof(struct toy),
                                            .power_on = power_on,
                                            .power_fail = power_fail,
                                            .tick = tick,
                                            .pdu = pdu,
                                            .outputs = outputs,
                                            .fault = fault};

static const struct mg_point POINTS[] = {
    {.channel = MG_CH(ENERGY_ACTIVE_IMPORT, TOTAL),
     .function = 3,
     .encoding = MG_ENC_U32,
     .group = MG_GROUP_LIVE,
     .source = "toy"}};

static const struct mg_driver DRIVER = {
    .points = POINTS, .n_points = 1, .max_registers = 100};

static const struct mg_rating RATING = {.classes = MG_CLASS_B,
                                        .voltage_mv = 230000,
                                        .frequency_mhz = 50000,
                                        .start_ma = 20,
                                        .min_ma = 250,
                                        .tr_ma = 500,
                                        .ref_ma = 5000,
                                        .max_ma = 40000,
                                        .impulses_per_kwh = 1000,
                                        .n_phases = 1,
                                        .min_degc = -25,
                                        .max_degc = 70,
                                        .register_step_mwh = 1000,
                                        .repeat_pulses = {2, 2, 2, 20},
                                        .source = "toy",
                                        .repeat_source = "toy"};

static const struct mg_plugin PLUGIN = {.model = "toy",
                                        .options_size =
                                            sizeof(struct toy_options),
                                        .driver = &DRIVER,
                                        .firmware = &FIRMWARE,
                                        .rating = &RATING};

static struct mg_typetest_result run(enum toy_kind kind, const char *only,
                                     enum mg_typetest_defect defect,
                                     unsigned n_threads)
{
    struct toy_options options = {.kind = kind};
    struct mg_typetest_settings settings = {.plugin = &PLUGIN,
                                            .options = &options,
                                            .only = only,
                                            .seed = 1,
                                            .defect = (uint8_t)defect,
                                            .n_threads = n_threads};
    struct mg_typetest_result result;
    struct mg_err err;
    assert_int_equal(mg_typetest_run(&settings, &result, &err), MG_OK);
    return result;
}

static void assert_near(int64_t a, int64_t b, int64_t by)
{
    if (a - b > by || b - a > by) {
        fail_msg("%lld is not near %lld", (long long)a, (long long)b);
    }
}

/* +0.5 % everywhere, whatever the current and the power factor. */
static void test_known_error(void **state)
{
    struct mg_typetest_result r =
        run(TOY_HALF_PERCENT, "intrinsic", MG_DEFECT_NONE, 1);
    (void)state;
    assert_true(r.n_rows > 15);
    assert_int_equal(r.n_passed, r.n_rows);
    for (size_t k = 0; k < r.n_rows; k++) {
        assert_near(r.rows[k].error, 5000000, 30000);
        assert_near(mg_typetest_share(&r.rows[k]),
                    r.rows[k].limit.limit == 15000000 ? 34 : 50, 1);
    }
    mg_typetest_result_free(&r);
}

static size_t count_near(const struct mg_typetest_result *r, const char *part,
                         int64_t error)
{
    size_t n = 0;
    for (size_t k = 0; k < r->n_rows; k++) {
        if (strstr(r->rows[k].condition, part) != NULL &&
            r->rows[k].verdict != MG_SKIP) {
            assert_near(r->rows[k].error, error, 40000);
            n++;
        }
    }
    return n;
}

/* Of 0.5 % and 18, 33, 48 and 47 K from 23 degC: the root of the squares. */
static void test_temperature(void **state)
{
    (void)state;
    struct mg_typetest_result r =
        run(TOY_HALF_PERCENT, "composite", MG_DEFECT_NONE, 2);
    assert_int_equal(count_near(&r, "+5 to +30", 5315000), 10);
    assert_int_equal(count_near(&r, "-10 to +5", 5998000), 10);
    assert_int_equal(count_near(&r, "-25 to -10", 6945000), 10);
    assert_int_equal(count_near(&r, "+55 to +70", 6878000), 10);
    assert_int_equal(r.n_skipped, 1); /* below -25 */
    mg_typetest_result_free(&r);

    r = run(TOY_HALF_PERCENT, "influence", MG_DEFECT_NONE, 2);
    size_t n = 0;
    for (size_t k = 0; k < r.n_rows; k++) {
        if (r.rows[k].unit == MG_TYPETEST_PPB_K && r.rows[k].has_error) {
            assert_near(r.rows[k].error, 100500, 1500);
            n++;
        }
    }
    assert_int_equal(n, 4);
    assert_int_equal(r.n_failed, 0);
    mg_typetest_result_free(&r);
}

/* The other way round: cos(60.4 deg) / cos(60 deg) is 0.9879. */
static void test_phase_error(void **state)
{
    struct mg_typetest_result r =
        run(TOY_HALF_PERCENT, "intrinsic", MG_DEFECT_PHASE_ERROR, 1);
    size_t n_half = 0;
    (void)state;
    for (size_t k = 0; k < r.n_rows; k++) {
        const struct mg_typetest_row *row = &r.rows[k];
        if (strstr(row->condition, "PF 0.5 ind") != NULL) {
            assert_near(row->error, 5000000 - 12180000, 50000);
            n_half++;
        } else if (strstr(row->condition, "PF 0.8 cap") == NULL) {
            assert_near(row->error, 5000000, 60000);
        }
    }
    assert_true(n_half >= 5);
    mg_typetest_result_free(&r);
}

static void test_only(void **state)
{
    static const char *const tests[] = {"starting", "no-load", "constant",
                                        "repeatability"};
    (void)state;
    for (size_t t = 0; t < sizeof tests / sizeof *tests; t++) {
        struct mg_typetest_result r =
            run(TOY_HALF_PERCENT, tests[t], MG_DEFECT_NONE, 1);
        assert_true(r.n_rows > 0);
        assert_int_equal(r.n_passed, r.n_rows);
        for (size_t k = 0; k < r.n_rows; k++) {
            assert_string_equal(r.rows[k].test, tests[t]);
            assert_true(r.rows[k].has_error);
        }
        mg_typetest_result_free(&r);
    }
}

static void test_bad_meters(void **state)
{
    (void)state;
    struct mg_typetest_result r =
        run(TOY_CREEPING, "no-load", MG_DEFECT_NONE, 1);
    assert_int_equal(r.n_failed, r.n_rows);
    assert_true(r.rows[0].error > 50);
    mg_typetest_result_free(&r);

    r = run(TOY_SILENT, "intrinsic", MG_DEFECT_NONE, 1);
    assert_int_equal(r.n_failed, r.n_rows);
    assert_false(r.rows[0].has_error);
    assert_true(r.rows[0].note[0] != '\0');
    assert_int_equal(mg_typetest_share(&r.rows[0]), -1);
    mg_typetest_result_free(&r);

    r = run(TOY_REGISTER, "constant", MG_DEFECT_NONE, 1);
    assert_int_equal(r.n_failed, r.n_rows);
    assert_near(r.rows[0].error, 10000000, 300000);
    mg_typetest_result_free(&r);

    r = run(TOY_HALF_PERCENT, "starting", MG_DEFECT_CREEP, 1);
    assert_int_equal(r.n_failed, r.n_rows);
    mg_typetest_result_free(&r);

    r = run(TOY_HALF_PERCENT, "intrinsic", MG_DEFECT_REMAINDER, 1);
    assert_int_equal(r.n_failed, r.n_rows);
    mg_typetest_result_free(&r);

    r = run(TOY_HALF_PERCENT, "repeatability", MG_DEFECT_PULSES_AT_UPDATE, 1);
    assert_true(r.n_failed > 0);
    mg_typetest_result_free(&r);
}

/* Order and values are the same with any number of threads. */
static void test_threads(void **state)
{
    struct mg_typetest_result a =
        run(TOY_HALF_PERCENT, NULL, MG_DEFECT_NONE, 1);
    struct mg_typetest_result b =
        run(TOY_HALF_PERCENT, NULL, MG_DEFECT_NONE, 5);
    (void)state;
    assert_int_equal(a.n_rows, b.n_rows);
    assert_int_equal(a.metered_s, b.metered_s);
    assert_int_equal(a.n_skipped, b.n_skipped);
    for (size_t k = 0; k < a.n_rows; k++) {
        assert_string_equal(a.rows[k].test, b.rows[k].test);
        assert_string_equal(a.rows[k].condition, b.rows[k].condition);
        assert_int_equal(a.rows[k].error, b.rows[k].error);
        assert_int_equal(a.rows[k].verdict, b.rows[k].verdict);
    }
    mg_typetest_result_free(&a);
    mg_typetest_result_free(&b);
}

static void count_progress(void *ctx, size_t n_done, size_t n_all)
{
    size_t *n = ctx;
    assert_int_equal(n_done, *n + 1);
    assert_true(n_done <= n_all);
    *n = n_done;
}

static void test_progress(void **state)
{
    struct toy_options options = {.kind = TOY_HALF_PERCENT};
    size_t n = 0;
    struct mg_typetest_settings settings = {.plugin = &PLUGIN,
                                            .options = &options,
                                            .only = "starting",
                                            .n_threads = 1,
                                            .progress = count_progress,
                                            .ctx = &n};
    struct mg_typetest_result result;
    struct mg_err err;
    (void)state;
    assert_int_equal(mg_typetest_run(&settings, &result, &err), MG_OK);
    assert_int_equal(n, 1);
    mg_typetest_result_free(&result);
}

static void test_refused(void **state)
{
    struct mg_plugin bare = PLUGIN;
    struct toy_options options = {.kind = TOY_HALF_PERCENT};
    struct mg_typetest_settings settings = {.plugin = &PLUGIN,
                                            .options = &options,
                                            .only = "nothing",
                                            .n_threads = 1};
    struct mg_typetest_result result;
    struct mg_err err;
    (void)state;
    assert_int_equal(mg_typetest_run(&settings, &result, &err), MG_E_NOTFOUND);
    assert_non_null(strstr(err.text, "nothing"));
    bare.rating = NULL;
    settings.plugin = &bare;
    settings.only = NULL;
    assert_int_equal(mg_typetest_run(&settings, &result, &err), MG_E_NOSUP);
    bare = PLUGIN;
    bare.firmware = NULL;
    assert_int_equal(mg_typetest_run(&settings, &result, &err), MG_E_NOSUP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_error), cmocka_unit_test(test_temperature),
        cmocka_unit_test(test_phase_error), cmocka_unit_test(test_only),
        cmocka_unit_test(test_bad_meters),  cmocka_unit_test(test_threads),
        cmocka_unit_test(test_progress),    cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
