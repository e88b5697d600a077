/* The histogram: percentiles are never below the truth and at most 1/16 above
 * it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "run/latency.h"

static void test_empty(void **state)
{
    (void)state;
    struct mg_latency l = {0};
    assert_int_equal(mg_latency_percentile(&l, 500), 0);
    assert_int_equal(mg_latency_percentile(&l, 990), 0);
}

static void check_one(uint64_t us)
{
    struct mg_latency l = {0};
    mg_latency_add(&l, us);
    uint32_t bound = mg_latency_percentile(&l, 1000);
    assert_true(bound >= us);
    assert_true(bound <= us + us / 16 + 1);
    assert_int_equal(mg_latency_percentile(&l, 1), bound);
}

static void test_resolution(void **state)
{
    (void)state;
    for (uint64_t us = 0; us < 5000; us++) {
        check_one(us);
    }
    for (uint64_t us = 5000; us < 3000000000U; us += us / 37) {
        check_one(us);
        check_one(us + 1);
    }
}

static void test_bounds_ascend(void **state)
{
    (void)state;
    uint32_t last = 0;
    for (uint64_t us = 0; us < 4000000000U; us += 1 + us / 64) {
        struct mg_latency l = {0};
        mg_latency_add(&l, us);
        uint32_t bound = mg_latency_percentile(&l, 500);
        assert_true(bound >= last);
        last = bound;
    }
}

static void test_beyond_the_scale(void **state)
{
    (void)state;
    struct mg_latency l = {0};
    mg_latency_add(&l, UINT64_MAX);
    mg_latency_add(&l, (uint64_t)1 << 40);
    assert_int_equal(l.n, 2);
    assert_int_equal(mg_latency_percentile(&l, 1000), UINT32_MAX);
}

/* Of 1..1000 us the median is 500 and the 99th percentile 990. */
static void test_percentiles(void **state)
{
    (void)state;
    struct mg_latency l = {0};
    for (uint64_t us = 1; us <= 1000; us++) {
        mg_latency_add(&l, us);
    }
    uint32_t p50 = mg_latency_percentile(&l, 500);
    uint32_t p99 = mg_latency_percentile(&l, 990);
    assert_in_range(p50, 500, 500 + 500 / 16 + 1);
    assert_in_range(p99, 990, 990 + 990 / 16 + 1);
    assert_int_equal(mg_latency_percentile(&l, 1), 1);
}

/* One slow answer of a hundred shows above the 99th percentile only. */
static void test_outlier(void **state)
{
    (void)state;
    struct mg_latency l = {0};
    for (unsigned i = 0; i < 99; i++) {
        mg_latency_add(&l, 10);
    }
    mg_latency_add(&l, 1000000);
    assert_int_equal(mg_latency_percentile(&l, 990), 10);
    assert_true(mg_latency_percentile(&l, 991) >= 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_resolution),
        cmocka_unit_test(test_bounds_ascend),
        cmocka_unit_test(test_beyond_the_scale),
        cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_outlier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
