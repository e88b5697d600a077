/* The requests that the KPM31's table becomes, per variant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "model/points.h"
#include "run/plugins.h"

struct request {
    uint8_t group, function;
    uint16_t address, count;
};

/* Live data without crossing a hole are three requests; the relay is one more
 * where there is one. */
static const struct request REQUESTS[] = {
    {MG_GROUP_LIVE, 1, 0x0001, 1},  {MG_GROUP_LIVE, 3, 0x0030, 14},
    {MG_GROUP_LIVE, 3, 0x0070, 2},  {MG_GROUP_LIVE, 3, 0x0080, 28},
    {MG_GROUP_SLOW, 3, 0x0001, 2},  {MG_GROUP_SLOW, 3, 0x0023, 3},
    {MG_GROUP_SLOW, 3, 0x009c, 88}, {MG_GROUP_SLOW, 3, 0x00f4, 88},
    {MG_GROUP_SLOW, 3, 0x014c, 84}, {MG_GROUP_INFO, 3, 0x0012, 7},
};
#define N_REQUESTS (sizeof REQUESTS / sizeof *REQUESTS)

static const struct mg_plugin *kpm31(void)
{
    static struct mg_plugins plugins;
    struct mg_err err = {0};
    if (plugins.n == 0 &&
        mg_plugins_load(&plugins, MG_TEST_PLUGINS, &err) != MG_OK) {
        fail_msg("%s", err.text);
    }
    const struct mg_plugin *plugin = mg_plugins_find(&plugins, "kpm31");
    assert_non_null(plugin);
    return plugin;
}

static void check_requests(unsigned variant, bool has_relay)
{
    struct mg_plan plan;
    size_t row;
    size_t skipped = has_relay ? 0 : 1;
    assert_int_equal(mg_plan_build(kpm31()->driver, variant, &plan, &row),
                     MG_OK);
    assert_int_equal(plan.n_blocks, N_REQUESTS - skipped);
    for (size_t i = 0; i < plan.n_blocks; i++) {
        const struct request *r = &REQUESTS[i + skipped];
        assert_int_equal(plan.blocks[i].group, r->group);
        assert_int_equal(plan.blocks[i].function, r->function);
        assert_int_equal(plan.blocks[i].address, r->address);
        assert_int_equal(plan.blocks[i].count, r->count);
    }
    /* 22 live values, 130 of months, address, speed, clock, serial number. */
    assert_int_equal(plan.n_points, 22 + 130 + 4 + (has_relay ? 1 : 0));
}

static void test_requests(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool has_relay;
    } variants[] = {{"A", false}, {"B", true}, {"BK", true}};
    const struct mg_plugin *p = kpm31();
    for (size_t i = 0; i < 3; i++) {
        _Alignas(8) uint8_t options[64];
        struct mg_err err = {0};
        size_t index;
        assert_true(p->options_size <= sizeof options);
        mg_options_default(p->options, p->n_options, options);
        assert_int_equal(p->variant(options), 0); /* A by default */
        assert_int_equal(mg_options_set(p->options, p->n_options, options,
                                        "variant", variants[i].name, &index,
                                        &err),
                         MG_OK);
        assert_int_equal(p->variant(options), i);
        check_requests((unsigned)i, variants[i].has_relay);
    }
}

/* The months take no more requests with the protocol's own limit. */
static void test_request_limit(void **state)
{
    (void)state;
    struct mg_driver driver = *kpm31()->driver;
    struct mg_plan plan;
    size_t row;
    driver.max_registers = 125;
    assert_int_equal(mg_plan_build(&driver, 0, &plan, &row), MG_OK);
    assert_int_equal(plan.n_blocks, N_REQUESTS - 1);
    driver.max_registers = 86;
    assert_int_equal(mg_plan_build(&driver, 0, &plan, &row), MG_OK);
    assert_int_equal(plan.n_blocks, N_REQUESTS);
}

static void test_password_is_never_read(void **state)
{
    (void)state;
    for (unsigned variant = 0; variant < 32; variant++) {
        struct mg_plan plan;
        size_t row;
        assert_int_equal(mg_plan_build(kpm31()->driver, variant, &plan, &row),
                         MG_OK);
        for (size_t i = 0; i < plan.n_blocks; i++) {
            assert_true(plan.blocks[i].function == 1 ||
                        plan.blocks[i].address > 0);
        }
    }
}

static void test_limits(void **state)
{
    (void)state;
    const struct mg_driver *d = kpm31()->driver;
    assert_int_equal(d->max_voltage_mv, 264000); /* 1.2 * 220 V */
    assert_int_equal(d->max_current_ma, 72000);  /* 1.2 * 60 A */
    assert_int_equal(d->serial.baud, 9600);
    assert_int_equal(d->serial.parity, 'E');
    assert_int_equal(d->n_phases, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_request_limit),
        cmocka_unit_test(test_password_is_never_read),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
