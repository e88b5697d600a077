/* The simulated CPKM3000: what it measures, counts and shows, and when it
 * opens its relays. Guide, "Display information", "Technical specification". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpkm3000_meter.h"

#include "../../plugins/cpkm3000/firmware.h"

#define FW cpkm3000_firmware

#define POS       "MeterEnergyPos.EnergyPos"
#define NEG       "MeterEnergyNeg.EnergyNeg"
#define OPENING   0xdfU
#define MEMORY    (1U << 0)
#define HOT       (1U << 2)
#define SENSOR    (1U << 3)
#define MEASURING (1U << 4)
#define WELDED    (1U << 5)
#define INSTALLED (1U << 6)
#define CRYPTO    (1U << 7)

static const struct angle in_phase = {1000, 0};
static const struct angle behind = {800, 600};
static const struct angle ahead = {600, -800};
static const struct angle exporting = {-1000, 0};

static void assert_near(int64_t is, int64_t want, int64_t tolerance)
{
    if (llabs(is - want) > tolerance) {
        fail_msg("is %lld, want %lld +- %lld", (long long)is, (long long)want,
                 (long long)tolerance);
    }
}

/* ---- Live values ---- */

static void test_values(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    m.flow.u_mv[1] = 231008;
    m.flow.u_mv[2] = 228992;
    m.flow.i_ma[0] = 10000;
    m.flow.i_ma[1] = 16000;
    m.flow.i_ma[2] = 32000;
    m.flow.angle[1] = behind;
    m.flow.angle[2] = ahead;
    meter_run_s(&m, 1);
    assert_int_equal(meter_signal(&m, "MeterVoltages.VoltageL1"), 230000);
    assert_int_equal(meter_signal(&m, "MeterVoltages.VoltageL2"), 231008);
    assert_int_equal(meter_signal(&m, "MeterVoltages.VoltageL3"), 228992);
    assert_int_equal(meter_signal(&m, "MeterVoltages.Frequency"), 50000);
    assert_int_equal(meter_signal(&m, "MeterCurrents.CurrentL1"), 10000);
    assert_int_equal(meter_signal(&m, "MeterCurrents.CurrentL3"), 32000);
    assert_near(meter_signal(&m, "MeterActivePower.PowerL1"), 2300000, 1);
    assert_near(meter_signal(&m, "MeterActivePower.PowerL2"), 2956902, 2);
    assert_near(meter_signal(&m, "MeterReactivePower.ReactiveL2"), 2217676, 2);
    assert_near(meter_signal(&m, "MeterActivePower.PowerL3"), 4396646, 2);
    assert_near(meter_signal(&m, "MeterReactivePower.ReactiveL3"), -5862195, 2);
    assert_near(meter_signal(&m, "MeterTotals.PowerTotal"), 9653548, 5);
    assert_near(meter_signal(&m, "MeterTotals.ReactiveTotal"), -3644519, 5);
    assert_int_equal(meter_signal(&m, "MeterTotals.PowerFactor"), 7245);
    assert_int_equal(meter_signal(&m, "MeterStatus.Phases"), 3);
    assert_int_equal(meter_signal(&m, "MeterStatus.Node"), METER_NODE);
}

static void test_offsets_do_not_count(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    struct mg_tick tick = {.n_ticks = 1,
                           .n_samples = 320,
                           .elapsed_us = 40000,
                           .n_crossings = 2,
                           .crossing_span_q8 = 40960};
    for (unsigned k = 0; k < 3; k++) { /* 100 counts each, and no signal */
        tick.lane[k] = (struct mg_lane_sums){.ui = 3200000,
                                             .uq = 3200000,
                                             .u2 = 3200000,
                                             .i2 = 3200000,
                                             .u_sum = 32000,
                                             .i_sum = 32000};
    }
    tick.lane[0].u2 += INT64_C(14375) * 14375 * 320;
    for (unsigned k = 0; k < 50; k++) {
        FW.tick(m.state, &tick);
    }
    assert_int_equal(meter_signal(&m, "MeterVoltages.VoltageL1"), 230000);
    assert_int_equal(meter_signal(&m, "MeterCurrents.CurrentL1"), 0);
    assert_int_equal(meter_signal(&m, "MeterTotals.PowerTotal"), 0);
    assert_int_equal(meter_signal(&m, POS), 0);
    /* 10 A, all of it reactive: 100 x 100 counts are no power either. */
    tick.lane[0].i2 += INT64_C(2500) * 2500 * 320;
    tick.lane[0].uq += INT64_C(14375) * 2500 * 320;
    for (unsigned k = 0; k < 250; k++) {
        FW.tick(m.state, &tick);
    }
    assert_near(meter_signal(&m, "MeterReactivePower.ReactiveL1"), 2300000, 1);
    assert_int_equal(meter_signal(&m, "MeterActivePower.PowerL1"), 0);
    assert_int_equal(meter_signal(&m, POS), 0);
}

static void test_one_phase(void **state)
{
    (void)state;
    struct meter m;
    meter_blank(&m);
    m.options.variant = CPKM3000_ONE_PHASE;
    meter_start(&m);
    meter_load(&m, 16000, in_phase);
    meter_run_s(&m, 1);
    assert_near(meter_signal(&m, "MeterTotals.PowerTotal"), 3680000, 1);
    assert_int_equal(meter_signal(&m, "MeterStatus.Phases"), 1);
    assert_true(meter_signal(&m, "MeterVoltages.VoltageL2") == SIGNAL_MISSING);
    assert_true(meter_signal(&m, "MeterReactivePower.ReactiveL3") ==
                SIGNAL_MISSING);
    assert_int_equal(meter_signal(&m, "MeterStatus.ErrorWord"), 1 << 16);
    assert_int_equal(FW.set(m.state, MG_CH(VOLTAGE, L2), 1), MG_E_NOSUP);
}

/* L2 as neutral: one element between L1 and L2. */
static void test_it_system(void **state)
{
    (void)state;
    struct meter m;
    meter_blank(&m);
    m.options.wiring = CPKM3000_WIRING_IT;
    meter_start(&m);
    meter_load(&m, 16000, in_phase);
    meter_run_s(&m, 1);
    assert_int_equal(meter_signal(&m, "MeterVoltages.VoltageL1"), 230000);
    assert_int_equal(meter_signal(&m, "MeterVoltages.VoltageL2"), 0);
    assert_int_equal(meter_signal(&m, "MeterCurrents.CurrentL2"), 0);
    assert_near(meter_signal(&m, "MeterTotals.PowerTotal"), 3680000, 1);
    assert_int_equal(meter_errors(&m), 0);
}

/* Wired L1, L3, L2: the element L2 sees the line L3. */
static void test_phase_map(void **state)
{
    (void)state;
    struct meter m;
    meter_blank(&m);
    m.options.phase_map = CPKM3000_L1_L3_L2;
    meter_start(&m);
    m.flow.i_ma[1] = 10000;
    meter_run_s(&m, 1);
    assert_int_equal(meter_signal(&m, "MeterCurrents.CurrentL1"), 0);
    assert_int_equal(meter_signal(&m, "MeterCurrents.CurrentL2"), 0);
    assert_int_equal(meter_signal(&m, "MeterCurrents.CurrentL3"), 10000);
    assert_int_equal(FW.set(m.state, MG_CH(CURRENT, L3), 4711), MG_OK);
    assert_int_equal(meter_signal(&m, "MeterCurrents.CurrentL2"), 4711);
    meter_run_ms(&m, TICK_MS);
    assert_int_equal(meter_signal(&m, "MeterCurrents.CurrentL2"), 0);
}

/* ---- Energy ---- */

static void test_energy(void **state)
{
    (void)state;
    struct meter m;
    struct mg_fw_outputs out;
    meter_new(&m);
    meter_load(&m, 32000, in_phase); /* 22.08 kW */
    meter_run_s(&m, 3600);
    assert_near(meter_signal(&m, POS), 22080000, 100);
    assert_int_equal(meter_signal(&m, NEG), 0);
    assert_near(meter_signal(&m, "MeterImpulses.PulsesPos"), 441600, 1);
    FW.outputs(m.state, &out);
    assert_near((int64_t)out.circuit[0].n_pulses, 441600, 1);
    meter_load(&m, 5000, exporting);
    meter_run_s(&m, 3600);
    assert_near(meter_signal(&m, POS), 22080000, 100);
    assert_near(meter_signal(&m, NEG), 3450000, 100);
    assert_near(meter_signal(&m, "MeterImpulses.PulsesNeg"), 69000, 1);
}

/* The direction is that of the sum over the phases. */
static void test_phases_are_netted(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    m.flow.i_ma[0] = 10000;
    m.flow.i_ma[1] = 16000;
    m.flow.angle[1] = exporting;
    meter_run_s(&m, 3600);
    assert_int_equal(meter_signal(&m, POS), 0);
    assert_near(meter_signal(&m, NEG), 1380000, 100);
}

static void test_start_and_no_load(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, 24, in_phase);
    meter_run_s(&m, 3600);
    assert_int_equal(meter_signal(&m, POS), 0);
    assert_int_equal(meter_signal(&m, "MeterCurrents.CurrentL1"), 0);
    assert_int_equal(meter_signal(&m, "MeterTotals.PowerTotal"), 0);
    meter_load(&m, 25, in_phase); /* 17.25 W */
    meter_run_s(&m, 16);          /* 1.5 tau of 10.43 s */
    assert_in_range(meter_signal(&m, "MeterImpulses.PulsesPos"), 1, 2);
    meter_run_s(&m, 3584);
    assert_near(meter_signal(&m, POS), 17250, 100);
    assert_near(meter_signal(&m, "MeterTotals.PowerTotal"), 17250, 10);
}

/* Part of a second, then none: all that surely flowed is registered. */
static void test_bursts(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    for (unsigned k = 0; k < 1000; k++) {
        meter_load(&m, 16000, in_phase);
        meter_run_ms(&m, 120);
        meter_load(&m, 0, in_phase);
        meter_run_ms(&m, 280);
    }
    assert_near(meter_signal(&m, POS), 368000, 100);
}

/* ---- Display ---- */

static struct mg_fw_display look(const struct meter *m)
{
    struct mg_fw_display d;
    FW.display(m->state, &d);
    return d;
}

static void expect_page(struct meter *m, const char *row, const char *caption)
{
    assert_string_equal(look(m).row, row);
    assert_string_equal(look(m).caption, caption);
    meter_run_s(m, 3);
}

static void test_display_cycle(void **state)
{
    (void)state;
    struct meter m;
    char code[7];
    meter_blank(&m);
    m.options.has_sw_page = 1;
    meter_start(&m);
    meter_load(&m, 32000, in_phase);
    meter_run_s(&m, 3620);
    meter_load(&m, 10000, exporting);
    meter_run_s(&m, 1820);
    meter_load(&m, 0, in_phase);
    while (strcmp(look(&m).row, "POS") != 0) {
        meter_run_ms(&m, TICK_MS);
    }
    for (size_t k = 0; k < 3; k++) {
        unsigned byte = m.telegram.hash[k];
        code[2 * k] = "0123456789abcdef"[byte >> 4];
        code[2 * k + 1] = "0123456789abcdef"[byte & 0xf];
    }
    code[6] = '\0';
    for (unsigned n = 0; n < 2; n++) {
        expect_page(&m, "POS", "20000 imp/kWh");
        expect_page(&m, "00022.20", "kWh 20000 imp/kWh");
        expect_page(&m, "NEG", "20000 imp/kWh");
        expect_page(&m, "00003.48", "kWh 20000 imp/kWh");
        expect_page(&m, "Lrs", "20000 imp/kWh");
        expect_page(&m, code, "20000 imp/kWh");
        expect_page(&m, code, "SW 20000 imp/kWh");
    }
    m.options.has_sw_page = 0;
    m.options.display_s = 10;
    meter_power_cycle(&m);
    meter_run_ms(&m, 59960);
    assert_string_equal(look(&m).row, code);
    meter_run_ms(&m, TICK_MS);
    assert_string_equal(look(&m).row, "POS");
}

/* 100000 kWh by an impossible current: the display wraps, the register and the
 * telegram go on. */
static void test_display_wraps(void **state)
{
    (void)state;
    struct meter m;
    struct mg_tick tick = {.n_ticks = 1, .n_samples = 320, .elapsed_us = 40000};
    meter_new(&m);
    meter_run_s(&m, 3);                  /* shows the energy */
    tick.lane[0] = (struct mg_lane_sums){/* 2500000 impulses, 125 kWh */
                                         .ui = INT64_C(2500000) * 22500000000,
                                         .u2 = INT64_C(14375) * 14375 * 320,
                                         .i2 = INT64_C(30000) * 30000 * 320};
    for (unsigned k = 0; k < 800; k++) {
        FW.tick(m.state, &tick);
        if (k == 798) { /* one tick before */
            assert_int_equal(meter_signal(&m, POS), INT64_C(99875000000));
        }
    }
    while (strchr(look(&m).row, '.') == NULL) {
        meter_run_ms(&m, TICK_MS);
    }
    assert_string_equal(look(&m).row, "00000.00");
    assert_int_equal(meter_signal(&m, POS), INT64_C(100000000000));
    assert_int_equal(meter_signal(&m, "MeterImpulses.PulsesPos"), 2000000000);
    meter_run_s(&m, 3);
    assert_int_equal(m.telegram.pos, 1000000000);
}

static void test_display_counts_10_wh(void **state)
{
    (void)state;
    struct meter m;
    unsigned n_seen = 0;
    meter_new(&m);
    m.options.display_s = 10; /* POS; then 10 s of energy */
    meter_load(&m, 32000, in_phase);
    while (meter_signal(&m, "MeterImpulses.PulsesPos") < 2400) {
        meter_run_ms(&m, TICK_MS);
        int64_t n = meter_signal(&m, "MeterImpulses.PulsesPos");
        /* Frames have 0.1 Wh, two impulses. */
        assert_int_equal(meter_signal(&m, POS), n / 2 * 100);
        struct mg_fw_display d = look(&m);
        if (d.row[5] == '.') {
            assert_int_equal((d.row[6] - '0') * 10 + d.row[7] - '0', n / 200);
            n_seen++;
        }
    }
    assert_true(n_seen > 200);
}

static void test_leds(void **state)
{
    (void)state;
    struct meter m;
    unsigned n_lit = 0;
    meter_new(&m);
    assert_false(look(&m).warning_led);
    assert_int_equal(FW.set_input(m.state, 1, true), MG_E_NOSUP);
    assert_int_equal(FW.set_input(m.state, 0, true), MG_OK);
    assert_true(look(&m).warning_led);
    assert_int_equal(meter_signal(&m, "MeterStatus.EvseFault"), 1);
    meter_load(&m, 250, in_phase); /* an impulse every 1.0435 s */
    for (unsigned k = 0; k < 3600 * 25; k++) {
        meter_run_ms(&m, TICK_MS);
        n_lit += look(&m).impulse_led;
    }
    assert_in_range(n_lit, 3449, 3450);
    assert_near(meter_signal(&m, POS), 172500, 100);
    assert_int_equal(meter_errors(&m), 0);
    assert_true(meter_is_connected(&m));
    assert_int_equal(FW.set_input(m.state, 0, false), MG_OK);
    assert_false(look(&m).warning_led);
}

/* ---- Errors and relays ---- */

static void close_relay(struct meter *m, int refusal)
{
    assert_int_equal(meter_do(m, 0x13, "\1", 1), refusal);
}

/* It opens, cannot be closed, and after the fault only 13h closes it. */
static void expect_opening(enum mg_fw_fault kind, unsigned bit)
{
    struct meter m;
    meter_new(&m);
    meter_run_s(&m, 2);
    assert_true(meter_is_connected(&m));
    assert_int_equal(meter_errors(&m), 0);
    meter_fault(&m, kind);
    meter_run_s(&m, 5);
    assert_int_equal(meter_errors(&m), bit);
    assert_false(meter_is_connected(&m));
    assert_int_equal(meter_signal(&m, "MeterStatus.RelayClosed"), 0);
    close_relay(&m, 7);
    assert_false(meter_is_connected(&m));
    meter_fault(&m, bit == MEASURING ? MG_FW_FAULT_NONE : MG_FW_FAULT_OVER);
    meter_run_s(&m, 5);
    assert_int_equal(meter_errors(&m), 0);
    assert_false(meter_is_connected(&m));
    close_relay(&m, 0);
    assert_true(meter_is_connected(&m));
    assert_int_equal(meter_signal(&m, "MeterStatus.RelayClosed"), 1);
}

static void test_errors_open_the_relays(void **state)
{
    (void)state;
    expect_opening(MG_FW_FAULT_TEMPERATURE, HOT);
    expect_opening(MG_FW_FAULT_SENSOR, SENSOR);
    expect_opening(MG_FW_FAULT_NAN, MEASURING);
    expect_opening(MG_FW_FAULT_CRYPTO, CRYPTO);
}

static void test_memory_error_lasts(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, 32000, in_phase);
    meter_run_s(&m, 60);
    int64_t before = meter_signal(&m, POS);
    meter_fault(&m, MG_FW_FAULT_NV_ALL);
    meter_run_s(&m, 2);
    assert_int_equal(meter_errors(&m), MEMORY);
    assert_false(meter_is_connected(&m));
    assert_true(meter_signal(&m, POS) > before); /* what it knows is right */
    meter_fault(&m, MG_FW_FAULT_OVER);
    meter_run_s(&m, 2);
    close_relay(&m, 7);
    meter_power_cycle(&m);
    assert_int_equal(meter_errors(&m), MEMORY);
    assert_false(meter_is_connected(&m));
    assert_int_equal(meter_signal(&m, POS), 0);
    close_relay(&m, 7);
}

static void test_welded(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, 10000, in_phase);
    meter_fault(&m, MG_FW_FAULT_WELDED);
    meter_run_s(&m, 1);
    assert_int_equal(meter_errors(&m), 0);
    assert_int_equal(meter_do(&m, 0x13, "\0", 1), 0);
    assert_int_equal(meter_signal(&m, "MeterStatus.RelayClosed"), 0);
    assert_int_equal(meter_errors(&m), WELDED);
    assert_true(meter_is_connected(&m)); /* it flows on, and is registered */
    int64_t before = meter_signal(&m, POS);
    meter_run_s(&m, 10);
    assert_near(meter_signal(&m, POS) - before, 19167, 100);
    meter_fault(&m, MG_FW_FAULT_OVER);
    meter_run_ms(&m, TICK_MS);
    assert_int_equal(meter_errors(&m), 0);
    assert_false(meter_is_connected(&m));
}

static void test_l1_missing(void **state)
{
    (void)state;
    struct meter m;
    meter_blank(&m);
    m.flow.u_mv[0] = 0;
    meter_start(&m);
    meter_run_s(&m, 2);
    assert_int_equal(meter_errors(&m), INSTALLED);
    assert_false(meter_is_connected(&m));
    assert_int_equal(meter_signal(&m, "MeterVoltages.Frequency"), 50000);
    m.flow.u_mv[0] = 230000; /* lasts until the next start */
    meter_run_s(&m, 2);
    assert_int_equal(meter_errors(&m), INSTALLED);
    close_relay(&m, 7);
    meter_power_cycle(&m);
    meter_run_s(&m, 2);
    assert_int_equal(meter_errors(&m), 0);
    assert_true(meter_is_connected(&m));
    m.flow.u_mv[0] = 0; /* lost later: over when it is back */
    meter_run_s(&m, 2);
    assert_int_equal(meter_errors(&m), INSTALLED);
    m.flow.u_mv[0] = 230000;
    meter_run_s(&m, 2);
    assert_int_equal(meter_errors(&m), 0);
    assert_false(meter_is_connected(&m));
    close_relay(&m, 0);
}

static void test_converters(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    m.flow.n_saturated = 3; /* a spike */
    meter_run_s(&m, 1);
    assert_int_equal(meter_errors(&m), 0);
    m.flow.n_saturated = 4;
    meter_run_s(&m, 1);
    assert_int_equal(meter_errors(&m), MEASURING);
    assert_false(meter_is_connected(&m));
    m.flow.n_saturated = 0;
    meter_run_s(&m, 1);
    close_relay(&m, 0);
    m.flow.is_dead = true;
    meter_run_ms(&m, TICK_MS);
    assert_int_equal(meter_errors(&m), MEASURING);
    assert_int_equal(meter_signal(&m, "MeterVoltages.VoltageL1"), 0);
}

static void test_temperature(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    assert_int_equal(meter_signal(&m, "MeterDiagnostics.Temperature"), 25000);
    meter_load(&m, 32000, in_phase);
    meter_run_s(&m, 7200);
    assert_near(meter_signal(&m, "MeterDiagnostics.Temperature"), 45000, 50);
    meter_load(&m, 0, in_phase);
    meter_run_s(&m, 7200);
    assert_near(meter_signal(&m, "MeterDiagnostics.Temperature"), 25000, 50);
    meter_fault(&m, MG_FW_FAULT_SENSOR);
    assert_true(meter_signal(&m, "MeterDiagnostics.Temperature") ==
                SIGNAL_MISSING);
}

/* ---- Back door ---- */

static void test_set_and_range(void **state)
{
    (void)state;
    struct meter m;
    int64_t lo, hi, tolerance;
    unsigned n = 0;
    meter_new(&m);
    for (unsigned q = 0; q < MG_N_QUANTITIES; q++) {
        for (unsigned phase = 0; phase < 16; phase++) {
            mg_channel c = MG_CHANNEL(q, phase, 0, 0);
            if (FW.range(c, &lo, &hi, &tolerance) != MG_OK) {
                assert_int_equal(FW.set(m.state, c, 0), MG_E_NOSUP);
                continue;
            }
            n++;
            assert_int_equal(FW.set(m.state, c, lo), MG_OK);
            assert_int_equal(FW.set(m.state, c, hi), MG_OK);
            assert_int_equal(FW.set(m.state, c, hi + 1), MG_E_RANGE);
            assert_int_equal(FW.set(m.state, c, lo - 1), MG_E_RANGE);
        }
    }
    assert_int_equal(n, 14 + 12); /* with and without a phase */
    assert_int_equal(FW.set(m.state, MG_CH(ENERGY_ACTIVE_IMPORT, TOTAL), 4200),
                     MG_OK);
    assert_int_equal(meter_signal(&m, POS), 4200);
    meter_run_ms(&m, TICK_MS);
    assert_int_equal(meter_signal(&m, POS), 0);
    assert_int_equal(FW.fault(m.state, MG_FW_FAULT_CLOCK), MG_E_NOSUP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_offsets_do_not_count),
        cmocka_unit_test(test_one_phase),
        cmocka_unit_test(test_it_system),
        cmocka_unit_test(test_phase_map),
        cmocka_unit_test(test_energy),
        cmocka_unit_test(test_phases_are_netted),
        cmocka_unit_test(test_start_and_no_load),
        cmocka_unit_test(test_bursts),
        cmocka_unit_test(test_display_cycle),
        cmocka_unit_test(test_display_wraps),
        cmocka_unit_test(test_display_counts_10_wh),
        cmocka_unit_test(test_leds),
        cmocka_unit_test(test_errors_open_the_relays),
        cmocka_unit_test(test_memory_error_lasts),
        cmocka_unit_test(test_welded),
        cmocka_unit_test(test_l1_missing),
        cmocka_unit_test(test_converters),
        cmocka_unit_test(test_temperature),
        cmocka_unit_test(test_set_and_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
