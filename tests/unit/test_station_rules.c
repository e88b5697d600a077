/* Welded contacts, voltage, distribution of the load, time without power. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "model/station_rules.h"
#include "model/welded.h"

#define IST 25 /* CPKM3000 */

static bool weld(struct mg_welded *w, bool is_open, int64_t ma)
{
    int64_t phases[3] = {0, 0, ma};
    return mg_welded_sample(w, is_open, phases, 3, IST);
}

static void test_welded(void **state)
{
    (void)state;
    struct mg_welded w = {0};
    assert_true(weld(&w, false, 16000)); /* a session */
    assert_false(weld(&w, false, 16000));
    /* Up to Ist nothing flows, whatever its direction. */
    for (unsigned i = 0; i < 100; i++) {
        assert_false(weld(&w, true, i < 50 ? IST : -IST));
    }
    assert_false(weld(&w, true, IST + 1));
    assert_false(weld(&w, true, -IST - 1));
    assert_false(w.is_latched);
    assert_true(weld(&w, true, IST + 1));
    assert_true(w.is_latched);
    /* It stays, and is said once. */
    assert_false(weld(&w, true, 16000));
    assert_false(weld(&w, true, 0));
    assert_false(weld(&w, false, 16000));
    assert_true(w.is_latched);
    assert_true(mg_welded_reset(&w));
    assert_false(mg_welded_reset(&w));
    /* Still welded: found again. */
    assert_false(weld(&w, true, 16000));
    assert_false(weld(&w, true, 16000));
    assert_true(weld(&w, true, 16000));
}

static void test_not_welded(void **state)
{
    (void)state;
    struct mg_welded w = {0};
    for (unsigned i = 0; i < 10; i++) {
        assert_false(weld(&w, true, 16000)); /* before any session */
    }
    (void)weld(&w, false, 16000);
    for (unsigned i = 0; i < 100; i++) { /* not in a row */
        assert_false(weld(&w, true, 16000));
        assert_false(weld(&w, true, 16000));
        assert_false(i % 2 == 0 ? weld(&w, true, 0) : weld(&w, false, 16000));
    }
    assert_false(w.is_latched);
}

static bool volts(struct mg_voltage_watch *w, int64_t l1_mv, int64_t l2_mv,
                  int64_t now_ms)
{
    int64_t phases[3] = {l1_mv, l2_mv, 230000};
    return mg_voltage_watch_sample(w, MG_VOLTAGE_NOMINAL_MV, phases, 3, now_ms);
}

static void test_overvoltage(void **state)
{
    (void)state;
    struct mg_voltage_watch w = {0};
    int64_t t = 0;
    for (; t < 60000; t += 1000) {
        assert_false(volts(&w, 230000, 264500, t)); /* 115 % is inside */
    }
    assert_false(volts(&w, 230000, 264501, t));
    assert_false(volts(&w, 230000, 264501, t + 2999));
    assert_true(volts(&w, 230000, 264501, t + 3000));
    assert_true(w.over.is_there);
    assert_false(w.under.is_there);
    for (t += 4000; t < 120000; t += 1000) { /* inside, but not yet enough */
        assert_false(volts(&w, 230000, 259901, t));
    }
    assert_false(volts(&w, 230000, 259900, t));
    assert_false(volts(&w, 230000, 259901, t + 1000)); /* starts again */
    assert_false(volts(&w, 230000, 259900, t + 2000));
    assert_false(volts(&w, 230000, 259900, t + 4999));
    assert_true(volts(&w, 230000, 259900, t + 5000));
    assert_false(w.over.is_there);
}

static void test_undervoltage(void **state)
{
    (void)state;
    struct mg_voltage_watch w = {0};
    int64_t t = 0;
    for (; t < 60000; t += 1000) {
        assert_false(volts(&w, 184000, 230000, t)); /* 80 % is inside */
    }
    assert_false(volts(&w, 183999, 230000, t));
    assert_true(volts(&w, 0, 230000, t + 3000));
    assert_true(w.under.is_there);
    assert_false(w.over.is_there);
    assert_false(volts(&w, 188599, 230000, t + 4000));
    assert_false(volts(&w, 188600, 230000, t + 5000));
    assert_true(volts(&w, 188600, 230000, t + 8000));
    assert_false(w.under.is_there);
    int64_t none = 0;
    assert_false(
        mg_voltage_watch_sample(&w, MG_VOLTAGE_NOMINAL_MV, &none, 0, t + 9000));
    assert_false(w.under.is_turning);
}

static bool amps(struct mg_condition *c, int64_t l1_ma, int64_t l3_ma,
                 int64_t now_ms)
{
    int64_t phases[3] = {l1_ma, 12000, l3_ma};
    return mg_balance_sample(c, MG_BALANCE_LIMIT_MA, phases, 3, now_ms);
}

static void test_distribution(void **state)
{
    (void)state;
    struct mg_condition c = {0};
    int64_t t = 0;
    for (; t < 300000; t += 1000) {
        assert_false(amps(&c, 32000, 12000, t)); /* 20 A is allowed */
    }
    for (int64_t end = t + 60000; t < end; t += 1000) {
        assert_false(amps(&c, 32001, 12000, t));
    }
    assert_true(amps(&c, 10000, 30001, t));
    assert_true(c.is_there);
    assert_false(amps(&c, 30001, 12000, t + 1000)); /* 18.001 A */
    assert_false(amps(&c, 30001, 12000, t + 70000));
    assert_false(amps(&c, 30000, 12000, t + 71000));
    assert_true(amps(&c, 30000, 12000, t + 131000));
    assert_false(c.is_there);
    /* One phase; and no limit. */
    struct mg_condition one = {0};
    int64_t ma[2] = {32000, 0};
    for (t = 0; t < 300000; t += 1000) {
        assert_false(mg_balance_sample(&one, MG_BALANCE_LIMIT_MA, ma, 1, t));
        assert_false(mg_balance_sample(&one, 0, ma, 2, t));
    }
}

static void test_time_without_power(void **state)
{
    (void)state;
    struct mg_power_watch w = {0};
    assert_int_equal(mg_power_watch_heard(&w, 5, 1000, 1000000), -1);
    assert_int_equal(mg_power_watch_heard(&w, 5, 2000, 1001000), -1);
    /* Silent for a day, but on all the time. */
    assert_int_equal(mg_power_watch_heard(&w, 5, 86402000, 87401000), -1);
    /* Silent for 70 s, of which it was on for the last 8. */
    assert_int_equal(mg_power_watch_heard(&w, 6, 8000, 87471000), 62000);
    assert_int_equal(mg_power_watch_heard(&w, 6, 9000, 87472000), -1);
    /* A reset only; a clock that was set back; counters that wrap. */
    assert_int_equal(mg_power_watch_heard(&w, 7, 1500, 87473000), 0);
    assert_int_equal(mg_power_watch_heard(&w, UINT32_MAX, 1000, 0), 0);
    assert_int_equal(mg_power_watch_heard(&w, 0, 1000, 62000), 61000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_welded),
        cmocka_unit_test(test_not_welded),
        cmocka_unit_test(test_overvoltage),
        cmocka_unit_test(test_undervoltage),
        cmocka_unit_test(test_distribution),
        cmocka_unit_test(test_time_without_power),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
