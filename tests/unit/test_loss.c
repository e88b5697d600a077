/* Cable loss: R * I^2 summed over phases and time, with wide integers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "model/loss.h"

static void test_constant_current(void **state)
{
    (void)state;
    struct mg_loss loss = {0};
    int64_t ma[3] = {32000, 32000, 32000};
    for (int64_t t = 1000; t <= 3601000; t += 1000) {
        mg_loss_add(&loss, 23000, ma, 3, t, 5000);
    }
    /* 3 * 0.023 Ohm * (32 A)^2 = 70.656 W, for an hour. */
    assert_int_equal(mg_loss_mwh(&loss), 70656);
    assert_int_equal(loss.gap_ms, 0);
}

/* The display of the Flex Series manual: 1.2973 kWh in 999 s lose 0.9 Wh. */
static void test_example_of_the_manual(void **state)
{
    (void)state;
    struct mg_loss loss = {0};
    /* 1297.3 Wh in 999 s are 4675 W: three phases at 230 V carry 6.775 A. */
    int64_t ma[3] = {6775, 6775, 6775};
    for (int64_t t = 1; t <= 999001; t += 1000) {
        mg_loss_add(&loss, 23000, ma, 3, t, 5000);
    }
    assert_in_range(mg_loss_mwh(&loss), 840, 960);
}

static void test_nothing_is_lost_to_rounding(void **state)
{
    (void)state;
    struct mg_loss fine = {0}, coarse = {0};
    int64_t ma[1] = {1};
    mg_loss_add(&fine, 1, ma, 1, 1, 1000000);
    mg_loss_add(&coarse, 1, ma, 1, 1, 1000000);
    for (int64_t t = 2; t <= 100001; t++) {
        mg_loss_add(&fine, 1, ma, 1, t, 1000000);
    }
    mg_loss_add(&coarse, 1, ma, 1, 100001, 1000000);
    assert_int_equal(fine.lo, coarse.lo);
    assert_int_equal(fine.lo, 200000); /* half femtojoules */
}

static void test_mean_of_both_ends(void **state)
{
    (void)state;
    struct mg_loss loss = {0};
    int64_t none[1] = {0}, some[1] = {10000};
    mg_loss_add(&loss, 1000000, none, 1, 1000, 5000);
    mg_loss_add(&loss, 1000000, some, 1, 2000, 5000);
    /* (0 + 100) / 2 W for a second: 50 Ws = 13.888 mWh */
    assert_int_equal(mg_loss_mwh(&loss), 13);
}

static void test_gap_is_counted_not_filled(void **state)
{
    (void)state;
    struct mg_loss loss = {0};
    int64_t ma[1] = {32000};
    mg_loss_add(&loss, 23000, ma, 1, 1000, 5000);
    mg_loss_add(&loss, 23000, ma, 1, 7000, 5000);
    assert_int_equal(mg_loss_mwh(&loss), 0);
    assert_int_equal(loss.gap_ms, 6000);
    mg_loss_add(&loss, 23000, ma, 1, 12000, 5000); /* on the limit */
    assert_true(mg_loss_mwh(&loss) > 0);
}

static void test_interrupted(void **state)
{
    (void)state;
    struct mg_loss loss = {0};
    int64_t ma[1] = {32000};
    mg_loss_add(&loss, 23000, ma, 1, 1000, 5000);
    mg_loss_interrupt(&loss);
    mg_loss_add(&loss, 23000, ma, 1, 2000, 5000);
    assert_int_equal(mg_loss_mwh(&loss), 0);
    assert_int_equal(loss.gap_ms, 0);
}

static void test_monotone_and_far_from_overflow(void **state)
{
    (void)state;
    struct mg_loss loss = {0};
    int64_t ma[3] = {1000000, -1000000, 1000000};
    int64_t before = 0;
    for (int64_t day = 0; day <= 365; day++) {
        mg_loss_add(&loss, 1000000, ma, 3, 1 + day * 86400000, 86400000);
        assert_true(mg_loss_mwh(&loss) >= before);
        before = mg_loss_mwh(&loss);
    }
    /* 3 MW for a year. */
    assert_int_equal(before, INT64_C(3000000) * 365 * 24 * 1000);
    assert_true(loss.hi > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant_current),
        cmocka_unit_test(test_example_of_the_manual),
        cmocka_unit_test(test_nothing_is_lost_to_rounding),
        cmocka_unit_test(test_mean_of_both_ends),
        cmocka_unit_test(test_gap_is_counted_not_filled),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_monotone_and_far_from_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
