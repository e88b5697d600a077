/* The tables of limits against the public ones: a row of numbers each, read
 * again and not copied from limits.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "typetest/limits.h"

#define NONE (-1)

static const struct mg_rating RATING = {.start_ma = 20,
                                        .min_ma = 250,
                                        .tr_ma = 500,
                                        .ref_ma = 5000,
                                        .max_ma = 40000};

/* In 1e-2 %. */
static int64_t intrinsic(uint32_t c, enum mg_load load, int64_t ma,
                         enum mg_factor factor)
{
    const struct mg_limit *l = mg_limit_intrinsic(c, &RATING, load, ma, factor);
    return l == NULL ? NONE : l->limit / 100000;
}

struct vector {
    int64_t ma;
    int16_t limits[MG_N_FACTORS]; /* 1, 0.5 ind, 0.8 cap, 0.25 ind, 0.5 cap */
};

static void check(uint32_t c, enum mg_load load, const struct vector *v,
                  size_t n)
{
    for (size_t k = 0; k < n; k++) {
        for (unsigned f = 0; f < MG_N_FACTORS; f++) {
            assert_int_equal(intrinsic(c, load, v[k].ma, (enum mg_factor)f),
                             v[k].limits[f]);
        }
    }
}

#define CHECK(c, load, ...)                                                    \
    do {                                                                       \
        const struct vector v[] = {__VA_ARGS__};                               \
        check((c), (load), v, sizeof v / sizeof *v);                           \
    } while (0)

static void test_class_b(void **state)
{
    (void)state;
    CHECK(MG_CLASS_B, MG_LOAD_BALANCED, {249, {-1, -1, -1, -1, -1}},
          {250, {150, -1, -1, -1, -1}}, {499, {150, -1, -1, -1, -1}},
          {500, {100, 100, 100, -1, -1}}, {40000, {100, 100, 100, -1, -1}},
          {40001, {-1, -1, -1, -1, -1}});
    CHECK(MG_CLASS_B, MG_LOAD_SINGLE, {499, {-1, -1, -1, -1, -1}},
          {500, {200, 200, -1, -1, -1}}, {40000, {200, 200, -1, -1, -1}});
}

static void test_class_1(void **state)
{
    (void)state;
    CHECK(MG_CLASS_1, MG_LOAD_BALANCED, {249, {-1, -1, -1, -1, -1}},
          {250, {150, -1, -1, -1, -1}}, {499, {150, -1, -1, -1, -1}},
          {500, {100, 150, 150, -1, -1}}, {999, {100, 150, 150, -1, -1}},
          {1000, {100, 100, 100, 350, 250}}, {5000, {100, 100, 100, 350, 250}},
          {5001, {100, 100, 100, -1, -1}}, {40000, {100, 100, 100, -1, -1}});
    CHECK(MG_CLASS_1, MG_LOAD_SINGLE, {499, {-1, -1, -1, -1, -1}},
          {500, {200, -1, -1, -1, -1}}, {1000, {200, 200, -1, -1, -1}});
}

static void test_class_05s(void **state)
{
    (void)state;
    CHECK(MG_CLASS_05S, MG_LOAD_BALANCED, {49, {-1, -1, -1, -1, -1}},
          {50, {100, -1, -1, -1, -1}}, {100, {100, 100, 100, -1, -1}},
          {250, {50, 100, 100, -1, -1}}, {499, {50, 100, 100, -1, -1}},
          {500, {50, 60, 60, 100, 100}}, {40000, {50, 60, 60, 100, 100}});
    CHECK(MG_CLASS_05S, MG_LOAD_SINGLE, {249, {-1, -1, -1, -1, -1}},
          {250, {60, -1, -1, -1, -1}}, {500, {60, 100, -1, -1, -1}});
}

static void test_reactive(void **state)
{
    (void)state;
    CHECK(MG_CLASS_2_REACTIVE, MG_LOAD_BALANCED, {249, {-1, -1, -1, -1, -1}},
          {250, {250, -1, -1, -1, -1}}, {500, {200, 250, -1, -1, 250}},
          {1000, {200, 200, -1, 250, 200}}, {40000, {200, 200, -1, 250, 200}});
}

static int64_t influence(uint32_t c, enum mg_influence i, enum mg_factor f)
{
    const struct mg_limit *l = mg_limit_influence(c, i, f);
    return l == NULL ? NONE : l->limit / 100000;
}

static void test_influences(void **state)
{
    (void)state;
    /* Power factor 1, then 0.5 inductive; in the order of the enumeration. */
    static const int16_t b[2][MG_N_INFLUENCES] = {
        {70, 50, 5, 150, 200, 80, 300, 300, 300},
        {100, 70, 7, -1, -1, -1, -1, -1, -1}};
    static const int16_t s[2][MG_N_INFLUENCES] = {
        {20, 20, 3, 10, 100, 50, -1, -1, 150},
        {40, 20, 5, -1, -1, -1, -1, -1, -1}};
    for (unsigned f = 0; f < 2; f++) {
        for (unsigned i = 0; i < MG_N_INFLUENCES; i++) {
            enum mg_influence of = (enum mg_influence)i;
            enum mg_factor at = (enum mg_factor)f;
            assert_int_equal(influence(MG_CLASS_B, of, at), b[f][i]);
            assert_int_equal(influence(MG_CLASS_1, of, at), b[f][i]);
            assert_int_equal(influence(MG_CLASS_05S, of, at), s[f][i]);
        }
    }
}

static void test_composite(void **state)
{
    (void)state;
    static const int64_t balanced[] = {200, 250, 350, 400};
    static const int64_t single[] = {250, 300, 400, 450};
    for (unsigned band = 0; band < MG_N_BANDS; band++) {
        for (int is_low = 0; is_low < 2; is_low++) {
            assert_int_equal(
                mg_limit_composite(MG_LOAD_BALANCED, band, is_low)->limit,
                balanced[band] * 100000);
        }
        assert_int_equal(mg_limit_composite(MG_LOAD_SINGLE, band, false)->limit,
                         single[band] * 100000);
        assert_null(mg_limit_composite(MG_LOAD_SINGLE, band, true));
    }
    assert_null(mg_limit_composite(MG_LOAD_BALANCED, MG_N_BANDS, false));
}

static void test_difference_and_base(void **state)
{
    (void)state;
    assert_null(mg_limit_difference(MG_CLASS_B));
    assert_int_equal(mg_limit_difference(MG_CLASS_1)->limit, 15000000);
    assert_int_equal(mg_limit_difference(MG_CLASS_05S)->limit, 10000000);
    assert_int_equal(mg_class_base_ppb(MG_CLASS_B), 10000000);
    assert_int_equal(mg_class_base_ppb(MG_CLASS_05S), 5000000);
}

/* Every limit says where it is from and how sure that is, and every test
 * current of a class has a limit at power factor 1. */
static void test_sources_and_currents(void **state)
{
    static const uint32_t classes[] = {MG_CLASS_B, MG_CLASS_1, MG_CLASS_05S,
                                       MG_CLASS_2_REACTIVE};
    (void)state;
    for (size_t c = 0; c < sizeof classes / sizeof *classes; c++) {
        size_t n;
        int64_t last = 0;
        const struct mg_current_point *p = mg_test_currents(classes[c], &n);
        for (size_t k = 0; k < n; k++) {
            int64_t ma = mg_current_ma(&RATING, &p[k]);
            const struct mg_limit *l = mg_limit_intrinsic(
                classes[c], &RATING, MG_LOAD_BALANCED, ma, MG_FACTOR_1);
            assert_true(ma > last);
            last = ma;
            assert_non_null(l);
            assert_true(strlen(l->source) > 10);
            assert_true(strcmp(l->confidence, "H") == 0 ||
                        strcmp(l->confidence, "M/H") == 0 ||
                        strcmp(l->confidence, "M") == 0);
        }
        assert_int_equal(last, RATING.max_ma);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_class_b),
        cmocka_unit_test(test_class_1),
        cmocka_unit_test(test_class_05s),
        cmocka_unit_test(test_reactive),
        cmocka_unit_test(test_influences),
        cmocka_unit_test(test_composite),
        cmocka_unit_test(test_difference_and_base),
        cmocka_unit_test(test_sources_and_currents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
