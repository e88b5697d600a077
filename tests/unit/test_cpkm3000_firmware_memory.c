/* The simulated CPKM3000's memory: what a power cut, a reset and damaged copies
 * leave of energies and counter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpkm3000_meter.h"

#include "../../plugins/cpkm3000/firmware.h"

#define FW cpkm3000_firmware

#define PULSES   "MeterImpulses.PulsesPos"
#define BOOTS    "MeterDiagnostics.Boots"
#define N_SLOTS  3
#define SLOT_LEN 160
/* What a reset may lose: 10 Wh, and what flows until the next tick. */
#define LOSS_MAX 210

static const struct angle in_phase = {1000, 0};

static uint32_t draw(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void expect_about(int64_t is, int64_t at, int64_t loss_max)
{
    int64_t lo = at > loss_max ? at - loss_max : 0;
    assert_in_range(is, lo, at);
}

static int64_t pulses(const struct meter *m)
{
    return meter_signal(m, PULSES);
}

static void test_new_meter(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_run_s(&m, 1);
    assert_int_equal(m.n_telegrams, 1);
    assert_int_equal(m.telegram.counter, 1);
    assert_int_equal(m.telegram.boot, 1);
    assert_int_equal(meter_signal(&m, BOOTS), 1);
    assert_int_equal(meter_errors(&m), 0);
}

static void test_power_cut_loses_nothing(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, 32000, in_phase);
    for (unsigned k = 1; k <= 50; k++) {
        meter_run_s(&m, 3);
        assert_int_equal(m.telegram.counter, 3 * k); /* without a gap */
        assert_int_equal(m.telegram.boot, k);
        int64_t before = pulses(&m);
        meter_power_cycle(&m);
        assert_int_equal(pulses(&m), before);
    }
    /* 150 s of 22.08 kW = 920 Wh; no remainder is lost on the way. */
    assert_in_range(pulses(&m), 18399, 18400);
}

static void test_one_bad_copy_loses_nothing(void **state)
{
    (void)state;
    for (unsigned slot = 0; slot < N_SLOTS; slot++) {
        for (unsigned byte = 0; byte < SLOT_LEN; byte++) {
            struct meter m;
            meter_new(&m);
            meter_load(&m, 32000, in_phase);
            meter_run_s(&m, 5 + slot);
            uint64_t counter = m.telegram.counter;
            int64_t before = pulses(&m);
            FW.power_fail(m.state);
            m.nv[slot * SLOT_LEN + byte] ^= 0x20;
            meter_start(&m);
            assert_int_equal(pulses(&m), before);
            assert_int_equal(meter_errors(&m), 0);
            meter_run_s(&m, 1);
            assert_int_equal(m.telegram.counter, counter + 1);
        }
    }
}

static void test_fault_of_one_copy(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, 32000, in_phase);
    meter_run_s(&m, 20);
    meter_fault(&m, MG_FW_FAULT_NV_SLOT);
    meter_run_s(&m, 2);
    assert_int_equal(meter_errors(&m), 0);
    int64_t before = pulses(&m);
    meter_power_cycle(&m);
    assert_int_equal(pulses(&m), before);
    assert_int_equal(meter_errors(&m), 0);
    assert_true(meter_is_connected(&m));
}

static void test_reset(void **state)
{
    (void)state;
    struct meter m;
    struct mg_fw_outputs out;
    meter_new(&m);
    meter_load(&m, 32000, in_phase);
    for (unsigned k = 0; k < 100; k++) {
        meter_run_ms(&m, 1000 + 40 * k);
        int64_t before = pulses(&m);
        uint64_t counter = m.telegram.counter;
        meter_fault(&m, MG_FW_FAULT_RESET);
        expect_about(pulses(&m), before, LOSS_MAX);
        assert_int_equal(meter_signal(&m, BOOTS), k + 2);
        meter_run_s(&m, 1);
        assert_true(m.telegram.counter > counter);
        assert_int_equal(m.telegram.uptime_ms, 1000);
    }
    FW.outputs(m.state, &out);
    assert_true((int64_t)out.circuit[0].n_pulses >=
                pulses(&m)); /* seen is seen */
}

/* Small loads are saved every minute. */
static void test_saving_by_time(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, 500, in_phase); /* 345 W: 5.75 Wh a minute */
    meter_run_s(&m, 61);
    int64_t at = pulses(&m);
    meter_start(&m); /* no time to save */
    assert_in_range(pulses(&m), at - 3, at);
}

/* The supply goes after any tick, with or without time to save; a copy may be
 * damaged, or its writing be cut off. Nothing ever repeats a counter, nor takes
 * back more than 10 Wh. */
static void test_thousand_power_cuts(void **state)
{
    (void)state;
    struct meter m;
    uint32_t seed = 4711;
    uint64_t counter = 0;
    meter_new(&m);
    meter_load(&m, 32000, in_phase);
    for (unsigned k = 0; k < 1000; k++) {
        uint8_t challenge[CHALLENGE_LEN] = {1, (uint8_t)k};
        unsigned n = draw(&seed) % 50;
        for (unsigned i = 0; i < n; i++) {
            unsigned before = m.n_telegrams;
            if (draw(&seed) % 4 == 0) {
                assert_int_equal(meter_do(&m, 0x11, challenge, 16), 0);
            } else {
                meter_run_ms(&m, TICK_MS);
            }
            if (m.n_telegrams != before) {
                assert_true(m.telegram.counter > counter);
                counter = m.telegram.counter;
            }
        }
        int64_t at = pulses(&m);
        unsigned how = draw(&seed) % 4;
        if (how == 0) {
            meter_fault(&m, MG_FW_FAULT_RESET);
        } else if (how == 1) {
            FW.power_fail(m.state);
        }
        if (how > 0) {
            if (draw(&seed) % 2 == 0) {
                m.nv[draw(&seed) % (N_SLOTS * SLOT_LEN)] ^= 1;
            }
            meter_start(&m);
        }
        assert_int_equal(meter_errors(&m), 0);
        /* With a copy lost besides, it is the saving before. */
        expect_about(pulses(&m), at, how < 2 ? LOSS_MAX : 3 * LOSS_MAX);
    }
}

/* The supply goes while a copy is being written, at every byte. */
static void test_torn_writes(void **state)
{
    (void)state;
    struct meter m;
    uint8_t before[METER_NV_MAX], after[METER_NV_MAX];
    meter_new(&m);
    meter_load(&m, 32000, in_phase);
    meter_run_s(&m, 10);
    memcpy(before, m.nv, sizeof before);
    while (memcmp(before, m.nv, sizeof before) == 0) {
        meter_run_ms(&m, TICK_MS);
    }
    int64_t at = pulses(&m);
    uint64_t counter = m.telegram.counter;
    memcpy(after, m.nv, sizeof after);
    for (unsigned len = 0; len <= N_SLOTS * SLOT_LEN; len++) {
        memcpy(m.nv, before, sizeof before);
        memcpy(m.nv, after, len);
        meter_start(&m);
        assert_int_equal(meter_errors(&m), 0);
        expect_about(pulses(&m), at, LOSS_MAX);
        meter_run_s(&m, 1);
        assert_true(m.telegram.counter > counter);
    }
}

/* As many questions as there is time for: the reserve is renewed. */
static void test_many_telegrams_between_savings(void **state)
{
    (void)state;
    struct meter m;
    uint8_t challenge[CHALLENGE_LEN] = {9};
    meter_new(&m);
    for (unsigned k = 1; k <= 5000; k++) {
        assert_int_equal(meter_do(&m, 0x11, challenge, 16), 0);
        assert_int_equal(m.telegram.counter, k);
    }
    for (unsigned slot = 0; slot < N_SLOTS; slot++) {
        struct meter again = m;
        for (unsigned k = 0; k < N_SLOTS; k++) {
            again.nv[k * SLOT_LEN + 9] ^= k == slot ? 0 : 1;
        }
        meter_start(&again); /* whatever copy is left */
        meter_run_s(&again, 1);
        assert_true(again.telegram.counter > 5000);
    }
}

static void test_nothing_without_memory(void **state)
{
    (void)state;
    struct meter m;
    uint8_t bytes[36] = {0, 0, 1, 0, 5};
    meter_new(&m);
    meter_run_s(&m, 2);
    FW.power_fail(m.state);
    for (unsigned k = 0; k < N_SLOTS; k++) {
        m.nv[k * SLOT_LEN + 20] ^= 1;
    }
    meter_start(&m);
    unsigned n = m.n_telegrams;
    meter_load(&m, 32000, in_phase);
    meter_run_s(&m, 70);
    assert_int_equal(m.n_telegrams, n); /* no counter can be promised */
    assert_int_equal(meter_errors(&m), 1);
    assert_false(meter_is_connected(&m));
    assert_int_equal(meter_do(&m, 0x11, bytes, 16), 7);
    assert_int_equal(meter_do(&m, 0x12, bytes, 32), 7);
    assert_int_equal(meter_do(&m, 0x20, bytes, 36), 7);
    meter_power_cycle(&m);
    assert_int_equal(meter_errors(&m), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_meter),
        cmocka_unit_test(test_power_cut_loses_nothing),
        cmocka_unit_test(test_one_bad_copy_loses_nothing),
        cmocka_unit_test(test_fault_of_one_copy),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_saving_by_time),
        cmocka_unit_test(test_thousand_power_cuts),
        cmocka_unit_test(test_torn_writes),
        cmocka_unit_test(test_many_telegrams_between_savings),
        cmocka_unit_test(test_nothing_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
