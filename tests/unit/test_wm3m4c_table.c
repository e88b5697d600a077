/* The requests that the WM3M4C's table becomes, and its options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../../plugins/wm3m4c/options.h"
#include "model/points.h"

extern const struct mg_plugin mg_plugin;

struct request {
    uint8_t group, function;
    uint16_t address, count;
};

/* 30105..30191, both counters with their exponents, 47000..47042, 47071; line
 * speed; 30001..30013, 47060..47069. */
static const struct request SIGNING[] = {
    {MG_GROUP_LIVE, 3, 7000, 43}, {MG_GROUP_LIVE, 3, 7071, 1},
    {MG_GROUP_LIVE, 4, 105, 86},  {MG_GROUP_LIVE, 4, 414, 8},
    {MG_GROUP_SLOW, 3, 203, 1},   {MG_GROUP_INFO, 3, 7060, 10},
    {MG_GROUP_INFO, 4, 1, 13},
};
static const struct request PLAIN[] = {
    {MG_GROUP_LIVE, 4, 105, 86},
    {MG_GROUP_LIVE, 4, 414, 8},
    {MG_GROUP_SLOW, 3, 203, 1},
    {MG_GROUP_INFO, 4, 1, 13},
};

static void check_requests(unsigned variant, const struct request *requests,
                           size_t n)
{
    struct mg_plan plan;
    size_t row = 0;
    assert_int_equal(mg_plan_build(mg_plugin.driver, variant, &plan, &row),
                     MG_OK);
    assert_int_equal(plan.n_blocks, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(plan.blocks[i].group, requests[i].group);
        assert_int_equal(plan.blocks[i].function, requests[i].function);
        assert_int_equal(plan.blocks[i].address, requests[i].address);
        assert_int_equal(plan.blocks[i].count, requests[i].count);
    }
}

static void test_requests(void **state)
{
    (void)state;
    check_requests(WM3M4C_SIGNS, SIGNING, sizeof SIGNING / sizeof *SIGNING);
    check_requests(WM3M4C_PLAIN, PLAIN, sizeof PLAIN / sizeof *PLAIN);
}

static void test_variant(void **state)
{
    (void)state;
    struct wm3m4c_options o = {.crypto = 1};
    assert_int_equal(mg_plugin.variant(&o), WM3M4C_SIGNS);
    o.crypto = 0;
    assert_int_equal(mg_plugin.variant(&o), WM3M4C_PLAIN);
}

/* Nothing that was written into the meter to be signed, and no customer in it,
 * is ever polled: 47100..48123. */
static void test_datasets_are_never_polled(void **state)
{
    (void)state;
    struct mg_plan plan;
    size_t row;
    assert_int_equal(mg_plan_build(mg_plugin.driver, WM3M4C_SIGNS, &plan, &row),
                     MG_OK);
    for (size_t i = 0; i < plan.n_blocks; i++) {
        assert_true(plan.blocks[i].address + plan.blocks[i].count <= 7076);
    }
}

static void test_limits(void **state)
{
    (void)state;
    const struct mg_driver *d = mg_plugin.driver;
    assert_int_equal(d->max_registers, 120);
    assert_int_equal(d->max_voltage_mv, 264500); /* 230 V + 15 % */
    assert_int_equal(d->max_current_ma, 48000);  /* 1.2 * 40 A */
    assert_int_equal(d->serial.baud, 115200);
    assert_int_equal(d->serial.parity, 'N');
    assert_int_equal(d->serial.stop_bits, 1);
    assert_int_equal(d->n_phases, 3);
}

static void test_options_have_sense(void **state)
{
    (void)state;
    assert_int_equal(mg_plugin.n_options, WM3M4C_N_OPTIONS);
    for (size_t i = 0; i < mg_plugin.n_options; i++) {
        const struct mg_option *o = &mg_plugin.options[i];
        assert_non_null(o->name);
        assert_non_null(o->help);
        assert_true(o->offset + o->size <= mg_plugin.options_size);
        assert_true(o->def >= o->min && o->def <= o->max);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_variant),
        cmocka_unit_test(test_datasets_are_never_polled),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_options_have_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
