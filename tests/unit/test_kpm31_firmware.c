/* The simulated KPM31: what it measures, registers, and books by rate and
 * month. KPM31 manual V2.0, sections 2.3, 4.1, 4.6, 6.3, 6.4. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "kpm31_meter.h"

#include "../../plugins/kpm31/firmware.h"

static const struct angle in_phase = {1000, 0};
static const struct angle behind = {800, 600};
static const struct angle ahead = {600, -800};
static const struct angle exporting = {-800, 600};

/* 2024-03-15 07:00:00: rate 1 until 10:00. */
#define MORNING (UTC_2024_03_15 + INT64_C(7) * 3600000)

static void assert_near(double is, double want, double tolerance)
{
    if (fabs(is - want) > tolerance) {
        fail_msg("is %.9g, want %.9g +- %.3g", is, want, tolerance);
    }
}

/* ---- Live values ---- */

static void check_live(const struct flow *f)
{
    struct meter m;
    double u = (double)f->u_mv / 1000;
    double i = (double)f->i_ma / 1000;
    double p = u * i * f->angle.cos_pm / 1000;
    double q = u * i * f->angle.sin_pm / 1000;
    meter_new(&m, KPM31_A, MORNING);
    m.flow = *f;
    meter_run_s(&m, 2);
    /* Far inside 0.2 % and 0.5 % (manual 2.3): only rounding is left. */
    assert_near(meter_float(&m, 0x30), u, u * 1e-6);
    assert_near(meter_float(&m, 0x32), i, i * 1e-5);
    assert_near(meter_float(&m, 0x34), p, u * i * 1e-6);
    assert_near(meter_float(&m, 0x36), q, u * i * 1e-6);
    assert_near(meter_float(&m, 0x38), u * i, u * i * 1e-5);
    assert_near(meter_float(&m, 0x3a), f->angle.cos_pm / 1000.0, 2e-5);
    assert_near(meter_float(&m, 0x3c), (double)f->f_mhz / 1000, 0.001);
}

static void test_live_values(void **state)
{
    (void)state;
    const struct angle angles[] = {
        in_phase, behind, ahead, exporting, {-1000, 0}};
    const int64_t currents[] = {50, 5000, 60000, 72000};
    const int64_t voltages[] = {176000, 220000, 264000};
    const int64_t frequencies[] = {45000, 50000, 60000};
    for (size_t a = 0; a < 5; a++) {
        for (size_t c = 0; c < 4; c++) {
            for (size_t v = 0; v < 3; v++) {
                struct flow f = {voltages[v], currents[c], angles[a],
                                 frequencies[v]};
                check_live(&f);
            }
        }
    }
}

static void test_shown_values_follow_within_a_second(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m, KPM31_A, MORNING);
    m.flow.i_ma = 10000;
    meter_ticks(&m, 1);
    assert_near(meter_float(&m, 0x32), 10, 1e-4);
    meter_ticks(&m, 4);
    m.flow.i_ma = 0;
    meter_ticks(&m, 4);
    assert_near(meter_float(&m, 0x34), 460, 1e-3); /* one tick of five left */
    meter_ticks(&m, 1);
    assert_int_equal(meter_bits(&m, 0x34), 0);
}

static void test_no_voltage(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m, KPM31_A, MORNING);
    m.flow = (struct flow){900, 10000, in_phase, 0};
    meter_run_s(&m, 2);
    for (unsigned address = 0x30; address <= 0x3c; address += 2) {
        assert_int_equal(meter_bits(&m, address), 0);
    }
}

static void test_creep(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m, KPM31_A, MORNING);
    m.flow = (struct flow){264000, 4, in_phase, 50000};
    meter_run_s(&m, 8 * HOUR); /* 14 pulses' worth */
    assert_true(m.active[0] > 10 * PULSE_SUM);
    assert_int_equal(meter_output_pulses(&m), 0);
    assert_int_equal(meter_bits(&m, 0x80), 0);
    assert_int_equal(meter_bits(&m, 0x32), 0);
    assert_int_equal(meter_bits(&m, 0x34), 0);
    assert_int_equal(meter_bits(&m, 0x38), 0);
    assert_int_equal(meter_bits(&m, 0x3a), 0);
    assert_near(meter_float(&m, 0x30), 264, 1e-3);
    assert_near(meter_float(&m, 0x3c), 50, 1e-3);
}

static void test_starting_current(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m, KPM31_A, MORNING);
    m.flow = (struct flow){220000, 5, in_phase, 50000};
    meter_run_s(&m, 2045); /* 2250 J / 1.1 W */
    assert_int_equal(meter_output_pulses(&m), 0);
    meter_run_s(&m, 1);
    assert_int_equal(meter_output_pulses(&m), 1);
}

/* ---- Energy ---- */

static void check_energy(struct meter *m)
{
    int64_t forward = m->active[0] / PULSE_SUM;
    int64_t reverse = m->active[1] / PULSE_SUM;
    assert_int_equal(meter_pulses(m, 0x80), forward + reverse);
    assert_int_equal(meter_pulses(m, 0x82), forward);
    assert_int_equal(meter_pulses(m, 0x84), reverse);
    forward = m->reactive[0] / PULSE_SUM;
    reverse = m->reactive[1] / PULSE_SUM;
    assert_int_equal(meter_pulses(m, 0x86), forward + reverse);
    assert_int_equal(meter_pulses(m, 0x88), forward);
    assert_int_equal(meter_pulses(m, 0x8a), reverse);
}

static int64_t sum_of(struct meter *m, const unsigned addresses[4])
{
    int64_t sum = 0;
    for (size_t k = 0; k < 4; k++) {
        sum += meter_pulses(m, addresses[k]);
    }
    return sum;
}

/* The parts make the whole: rates the total, this month its total. */
static void check_sums(struct meter *m)
{
    const unsigned active[4] = {0x8c, 0x8e, 0x90, 0x92};
    const unsigned reactive[4] = {0x94, 0x96, 0x98, 0x9a};
    assert_int_equal(sum_of(m, active), meter_pulses(m, 0x80));
    assert_int_equal(sum_of(m, reactive), meter_pulses(m, 0x86));
    for (unsigned month = 0; month < 13; month++) {
        const unsigned at = 2 * month;
        const unsigned months[4] = {0xd0 + at, 0x104 + at, 0x138 + at,
                                    0x16c + at};
        const unsigned months_q[4] = {0xea + at, 0x11e + at, 0x152 + at,
                                      0x186 + at};
        assert_int_equal(sum_of(m, months), meter_pulses(m, 0x9c + at));
        assert_int_equal(sum_of(m, months_q), meter_pulses(m, 0xb6 + at));
    }
}

static void test_energy_of_every_quadrant(void **state)
{
    (void)state;
    const struct angle angles[] = {
        in_phase, behind, ahead, exporting, {-600, -800}};
    struct meter m;
    meter_new(&m, KPM31_A, MORNING);
    for (size_t a = 0; a < 5; a++) {
        m.flow = (struct flow){230000, 31999, angles[a], 50000};
        meter_run_s(&m, HOUR + 17);
        check_energy(&m);
        check_sums(&m);
    }
    assert_int_equal(meter_output_pulses(&m), meter_pulses(&m, 0x80));
    /* 230 V * 31.999 A * 3617 s * (1 + 0.8 + 0.6) forward = 17.747 kWh */
    assert_near(meter_float(&m, 0x82), 17.747, 0.001);
}

static void test_pulses_are_the_floor_of_the_energy(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m, KPM31_A, MORNING);
    m.flow = (struct flow){229999, 60001, behind, 50000};
    for (int k = 0; k < 5000; k++) {
        meter_ticks(&m, 1);
        assert_int_equal(meter_output_pulses(&m), m.active[0] / PULSE_SUM);
    }
}

static void test_remainder_survives_power_cycles(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m, KPM31_A, MORNING);
    m.flow = (struct flow){230000, 333, behind, 50000};
    for (int k = 0; k < 200; k++) {
        meter_ticks(&m, 1 + k % 7);
        meter_power_cycle(&m, 1000);
    }
    assert_true(m.active[0] > 2 * PULSE_SUM);
    check_energy(&m);
    assert_int_equal(meter_output_pulses(&m), 0); /* since power-on */
}

/* A flow around zero must not run both registers up. */
static void test_swing_around_zero_registers_nothing(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m, KPM31_A, MORNING);
    for (int k = 0; k < 20000; k++) {
        /* 230 V * 32 A * 1 % = 73.6 W var: 14.7 J up, 14.7 J down */
        m.flow =
            (struct flow){230000, 32000, {1000, k % 2 == 0 ? 10 : -10}, 50000};
        meter_ticks(&m, 1);
    }
    assert_int_equal(meter_pulses(&m, 0x86), 0);
    check_sums(&m);
}

static void test_direction_change_loses_nothing(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m, KPM31_A, MORNING);
    for (int k = 0; k < 2000; k++) {
        /* 736 J each way, less than a pulse */
        m.flow =
            (struct flow){230000, 16000, {k % 2 == 0 ? 1000 : -1000, 0}, 50000};
        meter_ticks(&m, 1);
    }
    check_energy(&m);
    assert_int_equal(meter_pulses(&m, 0x82), meter_pulses(&m, 0x84));
}

/* What waits for a change of direction belongs to the new one, over a power
 * cycle too: 46 J a tick, 2250 J a pulse. */
static void test_turning_round_survives_power(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m, KPM31_A, MORNING);
    m.flow = (struct flow){230000, 1000, in_phase, 50000};
    meter_ticks(&m, 10);
    m.flow.angle = (struct angle){-1000, 0};
    meter_ticks(&m, 3);
    meter_power_cycle(&m, 1000);
    meter_ticks(&m, 45);
    assert_int_equal(meter_pulses(&m, 0x84), 0);
    meter_ticks(&m, 1);
    assert_int_equal(meter_pulses(&m, 0x84), 1);
}

/* ---- Rates ---- */

static void at_hour(struct meter *m, int hour, int minute, int second)
{
    meter_new(m, KPM31_A,
              UTC_2024_03_15 + (hour * HOUR + minute * MINUTE + second) * 1000);
    m->flow = (struct flow){230000, 50000, in_phase, 50000};
}

/* Which of the four rate registers moves in the next second, 1..4. */
static int rate_moving(struct meter *m)
{
    int64_t before[4];
    int moving = 0;
    for (unsigned k = 0; k < 4; k++) {
        before[k] = meter_pulses(m, 0x8c + 2 * k);
    }
    meter_ticks(m, 5);
    for (unsigned k = 0; k < 4; k++) {
        if (meter_pulses(m, 0x8c + 2 * k) != before[k]) {
            moving = moving == 0 ? (int)k + 1 : -1;
        }
    }
    return moving;
}

/* Manual 4.1. */
static void test_rates_of_the_manual(void **state)
{
    (void)state;
    const struct {
        int hour, before, after;
    } switches[] = {{6, 4, 1}, {10, 1, 2}, {12, 2, 1}, {15, 1, 3}, {23, 3, 4}};
    for (size_t k = 0; k < 5; k++) {
        struct meter m;
        at_hour(&m, switches[k].hour - 1, 59, 59);
        assert_int_equal(rate_moving(&m), switches[k].before);
        assert_int_equal(rate_moving(&m), switches[k].after);
    }
    struct meter m;
    at_hour(&m, 23, 59, 59); /* past midnight it goes on */
    assert_int_equal(rate_moving(&m), 4);
    assert_int_equal(rate_moving(&m), 4);
}

static void test_equal_rates_add_up(void **state)
{
    (void)state;
    struct meter m;
    at_hour(&m, 0, 0, 0);
    meter_run_s(&m, 24 * HOUR);
    /* 11.5 kW: hours of 7, 2, 8 and 7 per rate */
    assert_near(meter_float(&m, 0x8c), 11.5 * 7, 0.001);
    assert_near(meter_float(&m, 0x8e), 11.5 * 2, 0.001);
    assert_near(meter_float(&m, 0x90), 11.5 * 8, 0.001);
    assert_near(meter_float(&m, 0x92), 11.5 * 7, 0.001);
    check_energy(&m);
    check_sums(&m);
}

static void test_switch_at_the_very_tick(void **state)
{
    (void)state;
    struct meter m;
    at_hour(&m, 9, 59, 59);
    meter_ticks(&m, 5); /* to 10:00:00 */
    assert_int_equal(meter_pulses(&m, 0x8c), meter_pulses(&m, 0x80));
    int64_t sharp = meter_pulses(&m, 0x8c);
    meter_ticks(&m, 1);
    assert_int_equal(meter_pulses(&m, 0x8c), sharp);
    assert_true(meter_pulses(&m, 0x8e) > 0);
}

static void test_own_schedule_survives_power(void **state)
{
    (void)state;
    struct meter m;
    const uint16_t eight[17] = {8, 0x0000, 4, 0x0300, 3, 0x0600,
                                2, 0x0900, 1, 0x0c00, 4, 0x0f00,
                                3, 0x1200, 2, 0x173b, 1};
    at_hour(&m, 23, 58, 59);
    assert_int_equal(meter_write(&m, 0x200, 17, eight), 0);
    meter_power_cycle(&m, 0);
    assert_int_equal(rate_moving(&m), 2);
    meter_run_s(&m, 59);
    assert_int_equal(rate_moving(&m), 1);
    meter_run_s(&m, 60);
    assert_int_equal(rate_moving(&m), 4);
}

/* ---- Months ---- */

static void check_month(struct meter *m, unsigned back, double kwh)
{
    assert_near(meter_float(m, 0x9c + 2 * back), kwh, 0.001);
}

static void settle_at(int64_t first_utc_ms)
{
    struct meter m;
    meter_new(&m, KPM31_A, first_utc_ms - 3600000);
    m.flow = (struct flow){230000, 50000, in_phase, 50000};
    meter_run_s(&m, HOUR);
    check_month(&m, 0, 0);
    check_month(&m, 1, 11.5);
    meter_run_s(&m, 2 * HOUR);
    check_month(&m, 0, 23);
    check_month(&m, 1, 11.5);
    check_month(&m, 2, 0);
    check_energy(&m);
    check_sums(&m);
}

static void test_settlement_on_the_first(void **state)
{
    (void)state;
    settle_at(INT64_C(1709251200000)); /* 2024-03-01 after a 29th */
    settle_at(INT64_C(1740787200000)); /* 2025-03-01 after a 28th */
    settle_at(INT64_C(1735689600000)); /* 2025-01-01 */
    settle_at(INT64_C(1714521600000)); /* 2024-05-01 */
    settle_at(INT64_C(1719792000000)); /* 2024-07-01 */
}

static void test_not_before_the_leap_day_is_over(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m, KPM31_A, INT64_C(1709164799000)); /* 2024-02-28 23:59:59 */
    m.flow = (struct flow){230000, 50000, in_phase, 50000};
    meter_run_s(&m, 10);
    check_month(&m, 1, 0);
    assert_true(meter_pulses(&m, 0x9c) > 0);
}

/* The meter is off from 2024-11-20 to 2025-02-20. */
static void test_months_without_power_are_empty(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m, KPM31_A, INT64_C(1732060800000));
    m.flow = (struct flow){230000, 50000, in_phase, 50000};
    meter_run_s(&m, HOUR);
    meter_power_cycle(&m, INT64_C(92) * 86400000);
    check_month(&m, 0, 0);
    check_month(&m, 1, 0);
    check_month(&m, 2, 0);
    check_month(&m, 3, 11.5);
    check_month(&m, 4, 0);
    meter_run_s(&m, HOUR);
    check_month(&m, 0, 11.5);
    check_month(&m, 3, 11.5);
    check_sums(&m);
}

static void test_twelve_months_are_kept(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m, KPM31_A, UTC_2024_03_15);
    m.flow = (struct flow){230000, 50000, behind, 50000};
    for (int month = 1; month <= 14; month++) {
        meter_run_s(&m, (int64_t)month * 100);
        meter_power_cycle(&m, INT64_C(30) * 86400000 + 43200000);
    }
    /* 9.2 kW; the running month is empty, the n-th before had 15 - n */
    check_month(&m, 0, 0);
    for (unsigned back = 1; back <= 12; back++) {
        check_month(&m, back, 9.2 * (15 - back) / 36);
        assert_near(meter_float(&m, 0xb6 + 2 * back), 6.9 * (15 - back) / 36,
                    0.001);
    }
    check_sums(&m);
    meter_power_cycle(&m, INT64_C(20) * 365 * 86400000);
    for (unsigned back = 0; back <= 12; back++) {
        check_month(&m, back, 0);
    }
    check_energy(&m);
}

static void test_months_by_rate(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m, KPM31_A, INT64_C(1711929600000) - 7200000); /* 22:00 */
    m.flow = (struct flow){230000, 50000, behind, 50000};
    meter_run_s(&m, 8 * HOUR + 600); /* to 2024-04-01 06:10 */
    assert_near(meter_float(&m, 0xd0), 9.2 / 6, 0.001);  /* sharp, now */
    assert_near(meter_float(&m, 0xea), 6.9 / 6, 0.001);  /* kvarh */
    assert_near(meter_float(&m, 0x13a), 9.2, 0.001);     /* flat, before */
    assert_near(meter_float(&m, 0x154), 6.9, 0.001);     /* kvarh */
    assert_near(meter_float(&m, 0x16c), 9.2 * 6, 0.001); /* valley, now */
    assert_near(meter_float(&m, 0x16e), 9.2, 0.001);     /* and before */
    assert_near(meter_float(&m, 0x186), 6.9 * 6, 0.001); /* kvarh */
    assert_near(meter_float(&m, 0x188), 6.9, 0.001);     /* and before */
    assert_int_equal(meter_bits(&m, 0x104), 0);          /* no peak */
    assert_int_equal(meter_bits(&m, 0x19e), 0);
    check_sums(&m);
}

/* ---- Demand ---- */

static void test_sliding_demand(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m, KPM31_A, MORNING);
    m.flow = (struct flow){230000, 10000, behind, 50000}; /* 2300 VA */
    meter_ticks(&m, 60 * 5 - 1);
    assert_int_equal(meter_bits(&m, 0x70), 0);
    meter_ticks(&m, 1);
    assert_near(meter_float(&m, 0x70), 2300.0 / 15, 0.01);
    meter_run_s(&m, 14 * MINUTE);
    assert_near(meter_float(&m, 0x70), 2300, 0.1);
    meter_run_s(&m, 3 * MINUTE);
    assert_near(meter_float(&m, 0x70), 2300, 0.1);
    m.flow.i_ma = 40000;
    meter_run_s(&m, 5 * MINUTE);
    assert_near(meter_float(&m, 0x70), (2300.0 * 10 + 9200.0 * 5) / 15, 5);
    m.flow.i_ma = 0;
    meter_run_s(&m, 16 * MINUTE);
    assert_int_equal(meter_bits(&m, 0x70), 0);
    m.flow.i_ma = 40000;
    meter_run_s(&m, 15 * MINUTE);
    meter_power_cycle(&m, 1000);
    assert_int_equal(meter_bits(&m, 0x70), 0);
}

/* ---- Two circuits (manual 4.6) ---- */

static void test_dual_source(void **state)
{
    (void)state;
    struct meter m;
    int64_t parts[2] = {0, 0};
    meter_new(&m, KPM31_BK, MORNING);
    m.flow = (struct flow){230000, 31999, behind, 50000};
    for (int k = 0; k < 100; k++) {
        int closed = k % 3 == 1;
        int64_t before = m.active[0];
        assert_int_equal(kpm31_firmware.set_input(m.state, 0, closed != 0),
                         MG_OK);
        meter_ticks(&m, 7 + k % 11);
        parts[closed] += m.active[0] - before;
        assert_int_equal(meter_pulses(&m, 0x80), parts[closed] / PULSE_SUM);
        assert_int_equal(meter_pulses(&m, 0x300), parts[0] / PULSE_SUM);
        assert_int_equal(meter_pulses(&m, 0x500), parts[1] / PULSE_SUM);
        check_sums(&m);
    }
    assert_int_equal(parts[0] + parts[1], m.active[0]);
    assert_true(parts[0] > 2 * PULSE_SUM && parts[1] > 2 * PULSE_SUM);
    /* The contact is outside: power does not move it. */
    assert_int_equal(kpm31_firmware.set_input(m.state, 0, true), MG_OK);
    meter_power_cycle(&m, INT64_C(31) * 86400000);
    assert_int_equal(meter_pulses(&m, 0x80), parts[1] / PULSE_SUM);
    assert_int_equal(meter_pulses(&m, 0x9e), parts[1] / PULSE_SUM);
    assert_int_equal(meter_pulses(&m, 0x31e), parts[0] / PULSE_SUM);
    assert_int_equal(meter_pulses(&m, 0x51e), parts[1] / PULSE_SUM);
}

static void test_only_bk_has_an_input(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m, KPM31_B, MORNING);
    assert_int_equal(kpm31_firmware.set_input(m.state, 0, true), MG_E_NOSUP);
    meter_new(&m, KPM31_BK, MORNING);
    assert_int_equal(kpm31_firmware.set_input(m.state, 1, true), MG_E_NOSUP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live_values),
        cmocka_unit_test(test_shown_values_follow_within_a_second),
        cmocka_unit_test(test_no_voltage),
        cmocka_unit_test(test_creep),
        cmocka_unit_test(test_starting_current),
        cmocka_unit_test(test_energy_of_every_quadrant),
        cmocka_unit_test(test_pulses_are_the_floor_of_the_energy),
        cmocka_unit_test(test_remainder_survives_power_cycles),
        cmocka_unit_test(test_swing_around_zero_registers_nothing),
        cmocka_unit_test(test_direction_change_loses_nothing),
        cmocka_unit_test(test_turning_round_survives_power),
        cmocka_unit_test(test_rates_of_the_manual),
        cmocka_unit_test(test_equal_rates_add_up),
        cmocka_unit_test(test_switch_at_the_very_tick),
        cmocka_unit_test(test_own_schedule_survives_power),
        cmocka_unit_test(test_settlement_on_the_first),
        cmocka_unit_test(test_not_before_the_leap_day_is_over),
        cmocka_unit_test(test_months_without_power_are_empty),
        cmocka_unit_test(test_twelve_months_are_kept),
        cmocka_unit_test(test_months_by_rate),
        cmocka_unit_test(test_sliding_demand),
        cmocka_unit_test(test_dual_source),
        cmocka_unit_test(test_only_bk_has_an_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
