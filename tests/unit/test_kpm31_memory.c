/* The simulated KPM31: what it still knows after power, damage and both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kpm31_meter.h"
#include "sim/rng.h"

#include "../../plugins/kpm31/firmware.h"

#define NAN_BITS 0x7fc00000
#define SAVE_S   INT64_C(300)

static void new_meter(struct meter *m)
{
    meter_new(m, KPM31_BK, UTC_2024_03_15);
    m->flow = (struct flow){230000, 50000, {800, 600}, 50000};
}

static bool is_lost(struct meter *m)
{
    uint16_t word;
    meter_read(m, 0x220, 1, &word);
    for (unsigned k = 0; k < 144; k++) {
        bool is_nan = meter_bits(m, 0x80 + 2 * k) == NAN_BITS;
        assert_int_equal(is_nan, word & 1);
        is_nan = meter_bits(m, 0x300 + 2 * k) == NAN_BITS;
        assert_int_equal(is_nan, word & 1);
        is_nan = meter_bits(m, 0x500 + 2 * k) == NAN_BITS;
        assert_int_equal(is_nan, word & 1);
    }
    return (word & 1) != 0;
}

/* The supply goes without a chance to save. */
static void crash(struct meter *m)
{
    meter_power_on(m, 1000);
}

static void test_periodic_save(void **state)
{
    (void)state;
    struct meter m;
    new_meter(&m);
    meter_run_s(&m, 3 * SAVE_S);
    int64_t saved = meter_pulses(&m, 0x80);
    meter_run_s(&m, SAVE_S - 1);
    assert_true(meter_pulses(&m, 0x80) > saved + 1000);
    crash(&m);
    assert_int_equal(meter_pulses(&m, 0x80), saved);
}

/* Damage any one byte of the memory: at most one interval is lost, and
 * nothing else than the truth or less is ever shown. */
static void test_one_damaged_byte(void **state)
{
    (void)state;
    static struct meter saved;
    struct meter m;
    new_meter(&saved);
    meter_run_s(&saved, 4 * SAVE_S);
    int64_t older = meter_pulses(&saved, 0x80);
    meter_run_s(&saved, SAVE_S);
    int64_t newest = meter_pulses(&saved, 0x80);
    int64_t older_month = 0;
    unsigned n_fallen_back = 0;
    for (size_t at = 0; at < kpm31_firmware.nv_size; at++) {
        m = saved;
        m.nv[at] ^= 0x40;
        crash(&m);
        int64_t shown = meter_pulses(&m, 0x300);
        assert_true(shown == newest || shown == older);
        n_fallen_back += shown == older;
        /* A lost clock is not a new month. */
        assert_int_equal(meter_pulses(&m, 0x31e), older_month);
        assert_int_equal(meter_unit_now(&m), METER_UNIT);
    }
    /* Only the bytes of the newest slot of three can do that. */
    assert_int_equal(n_fallen_back, 4 + 4 + 2 * 2 * 257 + 4);
}

static void test_torn_save(void **state)
{
    (void)state;
    struct meter m;
    new_meter(&m);
    meter_run_s(&m, 2 * SAVE_S);
    int64_t saved = meter_pulses(&m, 0x80);
    meter_run_s(&m, 100);
    assert_int_equal(kpm31_firmware.fault(m.state, MG_FW_FAULT_NV_SLOT), MG_OK);
    meter_power_cycle(&m, 1000);
    assert_int_equal(meter_pulses(&m, 0x80), saved);
    assert_false(is_lost(&m));
    /* And goes on from there. */
    meter_run_s(&m, 100);
    int64_t now = meter_pulses(&m, 0x80);
    meter_power_cycle(&m, 1000);
    assert_int_equal(meter_pulses(&m, 0x80), now);
}

static void test_all_damaged(void **state)
{
    (void)state;
    struct meter m;
    new_meter(&m);
    meter_run_s(&m, 2 * SAVE_S);
    assert_int_equal(kpm31_firmware.fault(m.state, MG_FW_FAULT_NV_ALL), MG_OK);
    meter_run_s(&m, 2 * SAVE_S);
    meter_power_cycle(&m, 1000);
    assert_true(is_lost(&m));
    /* No value comes back by itself, whatever is saved, set or waited for. */
    meter_run_s(&m, 2 * SAVE_S);
    assert_int_equal(
        kpm31_firmware.set(m.state, MG_CH(ENERGY_ACTIVE, TOTAL), 5), MG_OK);
    assert_true(is_lost(&m));
    meter_power_cycle(&m, INT64_C(40) * 86400000);
    assert_true(is_lost(&m));
    assert_true(meter_float(&m, 0x30) < 1); /* it measures */
    meter_run_s(&m, 1);
    assert_true(meter_float(&m, 0x34) > 9000);
    /* Only somebody who says so starts again from zero. */
    assert_int_equal(meter_write_one(&m, 0x0c, 0x55aa), 0);
    assert_false(is_lost(&m));
    assert_int_equal(meter_bits(&m, 0x80), 0);
    crash(&m);
    assert_false(is_lost(&m));
    assert_int_equal(meter_bits(&m, 0x80), 0);
}

static void test_erased_slots_are_not_a_new_meter(void **state)
{
    (void)state;
    struct meter m;
    new_meter(&m);
    meter_run_s(&m, 4 * SAVE_S);
    /* All but the settings; then all but the clock, relay and contact. */
    memset(m.nv + 144, 0xff, kpm31_firmware.nv_size - 144);
    crash(&m);
    assert_true(is_lost(&m));
    memset(m.nv + 144, 0x00, kpm31_firmware.nv_size - 144);
    crash(&m);
    assert_true(is_lost(&m));
}

static void test_clear_leaves_no_older_copy(void **state)
{
    (void)state;
    struct meter m;
    new_meter(&m);
    meter_run_s(&m, 5 * SAVE_S);
    assert_int_equal(meter_write_one(&m, 0x0c, 0x55aa), 0);
    const struct meter cleared = m;
    for (size_t at = 144; at < kpm31_firmware.nv_size; at++) {
        m = cleared;
        m.nv[at] ^= 0x08;
        crash(&m);
        assert_int_equal(meter_bits(&m, 0x80), 0);
    }
}

static void test_settings_survive_one_damaged_copy(void **state)
{
    (void)state;
    static struct meter saved;
    struct meter m;
    uint16_t word;
    new_meter(&saved);
    assert_int_equal(meter_write_one(&saved, 0, 4711), 0);
    assert_int_equal(meter_write_one(&saved, 0x202, 3), 0);
    for (size_t at = 16; at < 144; at++) {
        m = saved;
        m.nv[at] ^= 0x01;
        crash(&m);
        meter_read(&m, 0, 1, &word);
        assert_int_equal(word, 4711);
        meter_read(&m, 0x202, 1, &word);
        assert_int_equal(word, 3);
    }
    assert_int_equal(kpm31_firmware.fault(saved.state, MG_FW_FAULT_NV_ALL),
                     MG_OK);
    crash(&saved);
    meter_read(&saved, 0, 1, &word);
    assert_int_equal(word, 6666);
}

static void test_faulty_environment(void **state)
{
    (void)state;
    struct meter m;
    struct mg_fw_outputs out;
    new_meter(&m);
    struct mg_fw_env env = {.options = &m.options,
                            .nv = m.nv,
                            .unit = 0,
                            .baud = 115200,
                            .utc_ms = UTC_2024_03_15};
    memset(m.nv, 0xff, sizeof(m.nv));
    kpm31_firmware.power_on(m.state, &env);
    kpm31_firmware.outputs(m.state, &out);
    assert_int_equal(out.unit, 1);
    assert_int_equal(out.baud, 9600);
}

/* Any content: never a crash, never a value that was not stored as good. */
static void test_random_memory(void **state)
{
    (void)state;
    struct meter m;
    struct mg_sim_rng rng = {.state = 5};
    for (int k = 0; k < 300; k++) {
        new_meter(&m);
        for (size_t at = 0; at < kpm31_firmware.nv_size; at++) {
            m.nv[at] = (uint8_t)mg_sim_rng_next(&rng);
        }
        crash(&m);
        assert_true(is_lost(&m));
        meter_run_s(&m, 10);
        meter_power_cycle(&m, 1000);
        assert_true(is_lost(&m));
    }
}

static void test_same_history_same_state(void **state)
{
    (void)state;
    static struct meter a, b;
    struct meter *both[2] = {&a, &b};
    for (size_t k = 0; k < 2; k++) {
        new_meter(both[k]);
        meter_run_s(both[k], 1234);
        meter_power_cycle(both[k], 777);
        meter_run_s(both[k], 4321);
    }
    assert_memory_equal(a.nv, b.nv, sizeof(a.nv));
    for (unsigned k = 0; k < 144; k++) {
        assert_int_equal(meter_bits(&a, 0x80 + 2 * k),
                         meter_bits(&b, 0x80 + 2 * k));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_periodic_save),
        cmocka_unit_test(test_one_damaged_byte),
        cmocka_unit_test(test_torn_save),
        cmocka_unit_test(test_all_damaged),
        cmocka_unit_test(test_erased_slots_are_not_a_new_meter),
        cmocka_unit_test(test_clear_leaves_no_older_copy),
        cmocka_unit_test(test_settings_survive_one_damaged_copy),
        cmocka_unit_test(test_faulty_environment),
        cmocka_unit_test(test_random_memory),
        cmocka_unit_test(test_same_history_same_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
