/* The charging profile: within its limits at every moment, alive soon, and a
 * pure function of seed and time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "sim/device.h"

static struct mg_sim_load at(uint64_t seed, uint64_t ms)
{
    struct mg_sim_profile p = {.seed = seed};
    struct mg_sim_load load;
    mg_sim_profile_at(&p, ms, &load);
    return load;
}

static bool same(const struct mg_sim_load *a, const struct mg_sim_load *b)
{
    return a->voltage_mv == b->voltage_mv && a->current_ma == b->current_ma &&
           a->frequency_mhz == b->frequency_mhz &&
           a->phase_cdeg == b->phase_cdeg;
}

static void test_within_limits_for_a_day(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        for (uint64_t s = 0; s < 86400; s += 7) {
            struct mg_sim_load l = at(seed, s * 1000 + s % 1000);
            assert_in_range(l.voltage_mv, 220000, 240000);
            assert_in_range(l.frequency_mhz, 49950, 50050);
            assert_in_range(l.current_ma, 20, 32320);
            assert_in_range(l.phase_cdeg + 1407, 0, 2 * 1407); /* PF 0.97 */
        }
    }
}

static void test_half_charge_at_once_and_all_soon(void **state)
{
    (void)state;
    unsigned n_at_once = 0;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        n_at_once += at(seed, 0).current_ma > 1000;
        bool has_charged = false;
        for (uint64_t s = 0; s <= 250; s += 5) {
            has_charged |= at(seed, s * 1000).current_ma > 1000;
        }
        assert_true(has_charged);
    }
    assert_in_range(n_at_once, 430, 570);
}

static void test_sessions_come_and_go(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        unsigned n_starts = 0, n_idle = 0;
        bool was_idle = false;
        for (uint64_t s = 0; s < 86400; s += 2) {
            int64_t ma = at(seed, s * 1000).current_ma;
            bool is_idle = ma <= 60;
            n_starts += was_idle && !is_idle;
            n_idle += is_idle;
            was_idle = is_idle;
        }
        assert_in_range(n_starts, 23, 60); /* slots of 24 to 60 minutes */
        assert_in_range(n_idle, 43200 * 25 / 100, 43200 * 70 / 100);
    }
}

static void test_rises_no_faster_than_a_few_ampere_per_second(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        int64_t last = at(seed, 0).current_ma;
        for (uint64_t ms = 100; ms < 7200000; ms += 100) {
            int64_t ma = at(seed, ms).current_ma;
            assert_true(ma - last <= 520);
            last = ma;
        }
    }
}

static void test_same_in_any_order(void **state)
{
    (void)state;
    struct mg_sim_load a = at(5, 1000000), b = at(6, 1000000);
    assert_false(same(&a, &b));
    (void)at(5, UINT64_C(1) << 60); /* a far future is as cheap */
    b = at(5, 1000000);
    assert_true(same(&a, &b));
}

static void test_fixed(void **state)
{
    (void)state;
    struct mg_sim_profile p = {.is_fixed = true,
                               .fixed = {230000, 5000, 50000, 3000}};
    struct mg_sim_load load;
    mg_sim_profile_at(&p, 123456789, &load);
    assert_true(same(&load, &p.fixed));
}

/* Each step is the profile at its beginning; short while it changes. */
static void test_steps(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct mg_sim_profile p = {.seed = seed};
        uint64_t now_ms = 0;
        while (now_ms < 6 * 3600000) {
            struct mg_sim_load load, inside;
            uint64_t next_ms = mg_sim_profile_step(&p, now_ms, &load);
            struct mg_sim_load start = at(seed, now_ms);
            struct mg_sim_load end = at(seed, next_ms - 1);
            assert_true(same(&load, &start));
            assert_in_range(next_ms - now_ms, 1000, 12000);
            assert_int_equal(
                mg_sim_profile_step(&p, (now_ms + next_ms) / 2, &inside),
                next_ms);
            assert_true(same(&load, &inside));
            bool is_brisk = load.current_ma * 2 < end.current_ma ||
                            load.current_ma > end.current_ma * 2;
            assert_true(!is_brisk || next_ms - now_ms == 1000);
            now_ms = next_ms;
        }
    }
}

static void test_a_fixed_load_has_one_step(void **state)
{
    (void)state;
    struct mg_sim_profile p = {.is_fixed = true, .fixed.current_ma = 7};
    struct mg_sim_load load;
    assert_true(mg_sim_profile_step(&p, 5, &load) == UINT64_MAX);
    assert_int_equal(load.current_ma, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_within_limits_for_a_day),
        cmocka_unit_test(test_half_charge_at_once_and_all_soon),
        cmocka_unit_test(test_sessions_come_and_go),
        cmocka_unit_test(test_rises_no_faster_than_a_few_ampere_per_second),
        cmocka_unit_test(test_same_in_any_order),
        cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_a_fixed_load_has_one_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
