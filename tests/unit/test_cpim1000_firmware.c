/* The simulated CPIM1000: constants of the guide, energies of both sides, what
 * is shown, supply and start-up faults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "cpim1000_meter.h"

#include "../../plugins/cpim1000/firmware.h"
#include "../../plugins/cpim1000/firmware_priv.h"

#define FW       cpim1000_firmware
#define IN_PHASE ((struct angle){1000, 0})
#define AGAINST  ((struct angle){-1000, 0})

/* Flags of README.md. */
#define F_MEMORY       (1U << 0)
#define F_INITIALIZING (1U << 1)
#define F_MEASURING    (1U << 2)
#define F_SATURATED    (1U << 3)
#define F_HOT          (1U << 4)
#define F_SENSOR       (1U << 5)
#define F_AMBIENT      (1U << 6)
#define F_WELDED       (1U << 7)
#define F_STRAPS       (1U << 8)
#define F_FREQUENCY    (1U << 9)
#define F_REVERSE      (1U << 10)
#define F_PHASE_LOSS   (1U << 11)
#define F_COLD         (1U << 12)
#define HEALTHY        0x001f0000U /* closed, sealed, SPD, 3 phases, EU */

static int64_t pulses(const struct meter *m, unsigned side)
{
    return meter_of(m, side, "Impulses.Pulses");
}

/* Guide: "Metering Logic", "LED Specifications". */
static void test_constants(void **state)
{
    (void)state;
    const struct mg_frontend *fe = FW.frontend;
    assert_int_equal(fe->rate_mhz, 3906250);
    assert_int_equal(fe->half_periods, 1);
    assert_int_equal(fe->samples_per_tick, 0);
    assert_int_equal(fe->n_lanes, 6);
    assert_int_equal(fe->bits, 24);
    assert_int_equal(fe->sinc_order, 3);
    assert_int_equal(fe->current_sensor, MG_SENSOR_TRANSFORMER);
    /* 16 counts a mV and 64 a mA. */
    assert_int_equal(fe->full_scale_mv, (1U << 23) / 16);
    assert_int_equal(fe->full_scale_ma, (1U << 23) / 64);
    /* 94.5 dB: 2^23 / sqrt 2 / 10^(94.5 / 20), in 1e-3. */
    assert_in_range(fe->noise_i_mlsb, 111600, 111800);
}

/* 1 kWh is 20000 impulses: 5 A at 230 V in three phases, 3.45 kW. */
static void test_impulses(void **state)
{
    (void)state;
    struct meter m;
    struct mg_fw_outputs out;
    meter_new(&m);
    meter_load(&m, RIGHT, 5000, IN_PHASE);
    meter_run_s(&m, 607);
    int64_t want = (int64_t)(m.now_us * 3450 / 180 / 1000000);
    assert_int_equal(pulses(&m, RIGHT), want);
    assert_int_equal(pulses(&m, LEFT), 0);
    assert_int_equal(meter_of(&m, RIGHT, "Energy.EnergyImport"),
                     want / 2 * 100);
    FW.outputs(m.state, &out);
    assert_int_equal(out.circuit[0].n_pulses, want);
    assert_int_equal(out.circuit[1].n_pulses, 0);
    uint64_t rest = m.now_us * 3450 % 180000000; /* uJ of the next one */
    assert_in_range(out.circuit[0].rest_q32, (rest << 32) / 180000000 - 4,
                    (rest << 32) / 180000000 + 4);
}

static void test_sides_are_independent(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, RIGHT, 10000, IN_PHASE);
    meter_load(&m, LEFT, 2500, (struct angle){800, 600});
    meter_run_s(&m, 300);
    assert_int_equal(pulses(&m, RIGHT), m.now_us * 6900 / 180 / 1000000);
    assert_int_equal(pulses(&m, LEFT), m.now_us * 1380 / 180 / 1000000);
    assert_int_equal(meter_of(&m, RIGHT, "Totals.PowerTotal"), 6900000);
    assert_int_equal(meter_of(&m, LEFT, "Totals.PowerTotal"), 1380000);
    assert_int_equal(meter_of(&m, LEFT, "Totals.ReactiveTotal"), 1035000);
    assert_int_equal(meter_of(&m, LEFT, "Totals.PowerFactor"), 8000);
    assert_int_equal(meter_of(&m, LEFT, "Currents.CurrentL3"), 2500);
    assert_int_equal(meter_of(&m, LEFT, "Voltages.VoltageL2"), 230000);
}

/* The sum over the phases counts; what is negative of it registers nowhere. */
static void test_reverse(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, LEFT, 10000, IN_PHASE);
    m.flow.angle[3] = AGAINST;
    meter_run_s(&m, 60);
    assert_int_equal(pulses(&m, LEFT), m.now_us * 2300 / 180 / 1000000);
    assert_int_equal(meter_flags(&m, LEFT), HEALTHY);
    m.flow.angle[4] = AGAINST;
    int64_t before = pulses(&m, LEFT);
    meter_run_s(&m, 60);
    assert_int_equal(pulses(&m, LEFT), before);
    assert_int_equal(meter_of(&m, LEFT, "Totals.PowerTotal"), -2300000);
    assert_int_equal(meter_flags(&m, LEFT), HEALTHY | F_REVERSE);
    assert_int_equal(meter_flags(&m, RIGHT), HEALTHY);
    meter_load(&m, LEFT, 10000, IN_PHASE);
    uint64_t from_us = m.now_us;
    meter_run_s(&m, 60);
    /* What was below an impulse before may be lost, and no more. */
    int64_t want = (int64_t)((m.now_us - from_us) * 6900 / 180 / 1000000);
    assert_in_range(pulses(&m, LEFT) - before, want, want + 1);
}

/* Ist is 20 mA: it starts there; 19 mA are not registered. */
static void test_start(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, RIGHT, 19, IN_PHASE);
    meter_load(&m, LEFT, 20, IN_PHASE);
    meter_run_s(&m, 600);
    assert_int_equal(pulses(&m, RIGHT), 0);
    assert_int_equal(meter_of(&m, RIGHT, "Currents.CurrentL1"), 0);
    assert_in_range(pulses(&m, LEFT), 45, 46); /* 13.8 W */
    assert_int_equal(meter_of(&m, LEFT, "Currents.CurrentL1"), 20);
}

static void test_programmers_mistakes(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, RIGHT, 77, IN_PHASE);
    meter_load(&m, LEFT, 32000, IN_PHASE);
    meter_fault(&m, MG_FW_FAULT_CREEP);
    meter_run_s(&m, 60);
    assert_int_equal(pulses(&m, RIGHT), 0);
    meter_fault(&m, MG_FW_FAULT_NONE);
    meter_run_s(&m, 60);
    assert_true(pulses(&m, RIGHT) > 10);
    int64_t good = pulses(&m, LEFT);
    meter_fault(&m, MG_FW_FAULT_REMAINDER);
    meter_run_s(&m, 120);
    /* 1.22 impulses a tick: one is left of them. */
    assert_in_range(pulses(&m, LEFT) - good, 11990, 12010);
    assert_int_equal(good, 14720);
}

/* As many equal ticks as one: the same energy and time, whatever the length. */
static void test_long_ticks(void **state)
{
    (void)state;
    static const int64_t currents[] = {18, 20, 30, 45, 250, 5000, 32000};
    for (size_t k = 0; k < sizeof currents / sizeof *currents; k++) {
        struct meter one, many;
        struct mg_fw_outputs a, b;
        meter_new(&one);
        meter_new(&many);
        meter_load(&one, LEFT, currents[k], (struct angle){600, -800});
        many.flow = one.flow;
        meter_ticks(&one, 12000);
        for (unsigned n = 0; n < 8; n++) {
            meter_long_tick(&many, 1500); /* 15 s */
        }
        FW.outputs(one.state, &a);
        FW.outputs(many.state, &b);
        assert_int_equal(a.circuit[1].n_pulses, b.circuit[1].n_pulses);
        assert_int_equal(a.circuit[1].rest_q32, b.circuit[1].rest_q32);
        assert_int_equal(meter_of(&one, LEFT, "Totals.PowerTotal"),
                         meter_of(&many, LEFT, "Totals.PowerTotal"));
        assert_int_equal(meter_signal(&many, "UnitState.Frequency"), 50000);
        int64_t warmer = meter_of(&many, LEFT, "Status.Temperature") -
                         meter_of(&one, LEFT, "Status.Temperature");
        assert_in_range(warmer + 50, 0, 100); /* of 3.6 K at 32 A */
    }
}

/* At the end stops of the converters for 15 s nothing overflows. */
static void test_long_extremes(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    for (unsigned k = 0; k < 6; k++) {
        m.flow.u_mv[k] = 524287;
    }
    meter_load(&m, RIGHT, 131071, IN_PHASE);
    meter_load(&m, LEFT, 131071, AGAINST);
    for (unsigned n = 0; n < 4; n++) {
        meter_long_tick(&m, 1500);
    }
    /* 524.287 V * 131.071 A * 3 */
    int64_t want = (int64_t)(m.now_us / 1000 * 206156 / 180 / 1000);
    assert_in_range(pulses(&m, RIGHT), want - 2, want + 2);
    assert_int_equal(pulses(&m, LEFT), 0);
}

static void test_one_phase(void **state)
{
    (void)state;
    struct meter m;
    meter_blank(&m);
    m.options.phases = CPIM1000_ONE_PHASE;
    meter_start(&m);
    meter_load(&m, LEFT, 10000, IN_PHASE);
    meter_run_s(&m, 60);
    assert_int_equal(pulses(&m, LEFT), m.now_us * 2300 / 180 / 1000000);
    assert_int_equal(meter_of(&m, LEFT, "Voltages.VoltageL2"), SIGNAL_MISSING);
    assert_int_equal(meter_of(&m, LEFT, "Status.Phases"), 1);
    assert_int_equal(meter_flags(&m, LEFT), HEALTHY & ~(1U << 19));
}

/* Guide: six digits before and four after the comma; flags, version, hashes. */
static void test_display(void **state)
{
    (void)state;
    struct meter m;
    char row[17];
    meter_new(&m);
    meter_load(&m, LEFT, 32000, IN_PHASE);
    meter_run_s(&m, 60);
    meter_load(&m, LEFT, 0, IN_PHASE);
    assert_int_equal(pulses(&m, LEFT), 7360);
    meter_row(&m, "left kWh 20000 imp/kWh", row);
    assert_string_equal(row, "000000.3680");
    meter_row(&m, "right kWh 20000 imp/kWh", row);
    assert_string_equal(row, "000000.0000");
    meter_row(&m, "software version", row);
    assert_string_equal(row, "2.3.1");
    meter_row(&m, "right flags", row);
    assert_string_equal(row, "001f0000");
    meter_row(&m, "LRS hash", row);
    assert_int_equal(strlen(row), 8);
    meter_row(&m, "software hash", row);
    assert_int_equal(strlen(row), 8);
}

/* It begins again at 1000000 kWh; the register does not. */
static void test_display_wraps(void **state)
{
    (void)state;
    struct meter m;
    char row[17];
    meter_new(&m);
    struct fw_state *st = (struct fw_state *)m.state;
    st->memory.energy[RIGHT].pulses = UINT64_C(19999999999);
    meter_row(&m, "right kWh 20000 imp/kWh", row);
    assert_string_equal(row, "999999.9999");
    meter_load(&m, RIGHT, 32000, IN_PHASE);
    meter_run_s(&m, 1);
    meter_load(&m, RIGHT, 0, IN_PHASE);
    meter_row(&m, "right kWh 20000 imp/kWh", row);
    assert_string_equal(row, "000000.0060");
    assert_int_equal(meter_of(&m, RIGHT, "Energy.EnergyImport"),
                     INT64_C(1000000006000));
}

/* ---- Supply ---- */

/* Guide: supplied by L1-N on the right; without it the relays stay open. */
static void test_supply(void **state)
{
    (void)state;
    struct meter m;
    struct mg_fw_display shown;
    meter_new(&m);
    meter_load(&m, RIGHT, 10000, IN_PHASE);
    meter_load(&m, LEFT, 10000, IN_PHASE);
    meter_run_s(&m, 30);
    int64_t left = pulses(&m, LEFT);
    m.flow.u_mv[0] = 0;
    meter_ticks(&m, 2); /* bridged */
    assert_true(meter_is_connected(&m, LEFT));
    meter_run_s(&m, 60);
    assert_true(meter_is_dark(&m));
    assert_false(meter_is_connected(&m, RIGHT));
    assert_false(meter_is_connected(&m, LEFT));
    FW.display(m.state, &shown);
    assert_string_equal(shown.row, "");
    assert_false(shown.impulse_led);
    m.flow.u_mv[0] = 230000;
    meter_ticks(&m, 1);
    assert_false(meter_is_dark(&m));
    assert_in_range(pulses(&m, LEFT), left, left + 2);
    assert_true(meter_is_connected(&m, LEFT));
    assert_int_equal(meter_signal(&m, "UnitState.Boots"), 2);
}

/* The left side's supply and the right side's other phases are not needed. */
static void test_other_phases_supply_nothing(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    for (unsigned k = 1; k < 6; k++) {
        m.flow.u_mv[k] = 0;
    }
    meter_load(&m, RIGHT, 10000, IN_PHASE);
    meter_run_s(&m, 60);
    assert_int_equal(pulses(&m, RIGHT), m.now_us * 2300 / 180 / 1000000);
    assert_int_equal(meter_flags(&m, RIGHT), HEALTHY | F_PHASE_LOSS);
    assert_int_equal(meter_flags(&m, LEFT), HEALTHY | F_PHASE_LOSS);
    assert_true(meter_is_connected(&m, LEFT));
}

/* ---- Faults ---- */

/* Guide, "Fault Detection": the display says -CHARGEPOIN+; for good. */
static void test_boot_loader(void **state)
{
    (void)state;
    struct meter m;
    struct mg_fw_display shown;
    meter_new(&m);
    meter_load(&m, RIGHT, 10000, IN_PHASE);
    meter_run_s(&m, 30);
    int64_t before = pulses(&m, RIGHT);
    meter_fault(&m, MG_FW_FAULT_IMAGE);
    meter_run_s(&m, 1);
    assert_true(pulses(&m, RIGHT) > before); /* it runs already */
    for (unsigned n = 0; n < 3; n++) {
        meter_power_cycle(&m);
        meter_run_s(&m, 5);
        FW.display(m.state, &shown);
        assert_string_equal(shown.row, "-CHARGEPOIN+");
        assert_true(meter_is_dark(&m));
        assert_false(meter_is_connected(&m, RIGHT));
        assert_false(meter_is_connected(&m, LEFT));
    }
    meter_fault(&m, MG_FW_FAULT_NONE);
    meter_power_cycle(&m);
    assert_true(pulses(&m, RIGHT) > before);
    assert_int_equal(meter_signal(&m, "UnitState.Boots"), 2);
}

/* In meter mode a dead MCP3914 is said and opens nothing; at the start it keeps
 * the relays open. */
static void test_initializing(void **state)
{
    (void)state;
    struct meter m;
    struct mg_fw_display shown;
    meter_new(&m);
    meter_load(&m, RIGHT, 10000, IN_PHASE);
    meter_run_s(&m, 30);
    int64_t before = pulses(&m, RIGHT);
    meter_fault(&m, MG_FW_FAULT_NAN);
    meter_run_s(&m, 30);
    assert_int_equal(meter_flags(&m, LEFT), HEALTHY | F_MEASURING);
    assert_int_equal(pulses(&m, RIGHT), before);
    assert_true(meter_is_connected(&m, RIGHT));
    meter_power_cycle(&m);
    meter_run_s(&m, 30);
    FW.display(m.state, &shown);
    assert_string_equal(shown.row, "Initializing");
    unsigned want = HEALTHY | F_MEASURING | F_INITIALIZING;
    assert_int_equal(meter_flags(&m, RIGHT), want & ~(1U << 16));
    assert_int_equal(pulses(&m, RIGHT), before);
    assert_false(meter_is_connected(&m, RIGHT));
    assert_false(meter_is_connected(&m, LEFT));
    assert_int_equal(meter_do(&m, LEFT, 0x13, "\1", 1), 7);
}

/* No operating fault changes anything. */
static void test_operating_faults(void **state)
{
    (void)state;
    static const struct {
        enum mg_fw_fault kind;
        unsigned flags;
    } cases[] = {{MG_FW_FAULT_TEMPERATURE, F_HOT},
                 {MG_FW_FAULT_SENSOR, F_SENSOR | F_AMBIENT},
                 {MG_FW_FAULT_NV_ALL, F_MEMORY},
                 {MG_FW_FAULT_NV_SLOT, 0}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct meter m;
        meter_new(&m);
        meter_load(&m, LEFT, 10000, IN_PHASE);
        meter_run_s(&m, 30);
        int64_t before = pulses(&m, LEFT);
        meter_fault(&m, cases[k].kind);
        meter_run_s(&m, 5);
        assert_int_equal(meter_flags(&m, LEFT), HEALTHY | cases[k].flags);
        assert_true(meter_is_connected(&m, LEFT));
        assert_in_range(pulses(&m, LEFT) - before, 191, 193);
        meter_fault(&m, MG_FW_FAULT_NONE);
    }
}

/* Each copy is read again, also when none is written. */
static void test_memory_is_looked_at(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_run_s(&m, 10);
    assert_int_equal(meter_flags(&m, LEFT), HEALTHY);
    meter_fault(&m, MG_FW_FAULT_NV_ALL);
    meter_run_s(&m, 8);
    assert_int_equal(meter_flags(&m, LEFT), HEALTHY | F_MEMORY);
}

static void test_saturation(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    m.flow.n_saturated[4] = 4; /* a spike */
    meter_run_s(&m, 1);
    assert_int_equal(meter_flags(&m, LEFT), HEALTHY);
    m.flow.n_saturated[4] = 5;
    meter_run_s(&m, 1);
    assert_int_equal(meter_flags(&m, LEFT), HEALTHY | F_SATURATED);
    assert_int_equal(meter_flags(&m, RIGHT), HEALTHY);
}

static void test_straps(void **state)
{
    (void)state;
    static const struct {
        int64_t region;
        unsigned hz, flags;
    } cases[] = {{CPIM1000_REGION_EU, 50, HEALTHY},
                 {CPIM1000_REGION_EU, 60, HEALTHY | F_FREQUENCY},
                 {CPIM1000_REGION_NA, 60, 0x002f0000},
                 {CPIM1000_REGION_NA, 50, 0x002f0000 | F_FREQUENCY},
                 {CPIM1000_REGION_NONE, 50, 0x000f0000 | F_STRAPS},
                 {CPIM1000_REGION_BOTH, 60, 0x000f0000 | F_STRAPS}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        struct meter m;
        meter_blank(&m);
        m.options.region = cases[k].region;
        m.flow.hz = cases[k].hz;
        meter_start(&m);
        meter_run_s(&m, 10);
        assert_int_equal(meter_flags(&m, RIGHT), cases[k].flags);
        assert_int_equal(meter_signal(&m, "UnitState.Region"), cases[k].region);
        assert_true(meter_is_connected(&m, RIGHT));
        int64_t off = meter_signal(&m, "UnitState.Frequency") -
                      cases[k].hz * INT64_C(1000);
        assert_in_range(off + 20, 0, 40);
    }
}

static void test_inputs(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    assert_int_equal(FW.set_input(m.state, 1, false), MG_OK);
    assert_int_equal(meter_of(&m, RIGHT, "Status.SpdEnabled"), 0);
    assert_int_equal(meter_of(&m, LEFT, "Status.SpdEnabled"), 1);
    assert_int_equal(meter_flags(&m, RIGHT), HEALTHY & ~(1U << 18));
    assert_int_equal(FW.set_input(m.state, 0, false), MG_OK);
    assert_int_equal(meter_flags(&m, LEFT), HEALTHY & ~(1U << 17));
    assert_int_equal(FW.set_input(m.state, 5, true), MG_E_NOSUP);
}

/* Guide: the LCD is degraded below -10 degrees; three thermistors. */
static void test_temperatures(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    m.flow.ambient_mdegc = -10000;
    meter_load(&m, LEFT, 32000, IN_PHASE);
    meter_run_s(&m, 3600);
    assert_int_equal(meter_signal(&m, "UnitState.AmbientTemperature"), -10000);
    assert_int_equal(meter_of(&m, RIGHT, "Status.Temperature"), -10000);
    assert_in_range(meter_of(&m, LEFT, "Status.Temperature") + 10000, 19500,
                    20000);
    assert_int_equal(meter_flags(&m, LEFT), HEALTHY);
    m.flow.ambient_mdegc = -10001;
    meter_run_s(&m, 1);
    assert_int_equal(meter_flags(&m, LEFT), HEALTHY | F_COLD);
}

/* Contacts that do not open: seen by their current. */
static void test_welded(void **state)
{
    (void)state;
    struct meter m;
    meter_new(&m);
    meter_load(&m, LEFT, 6000, IN_PHASE);
    meter_run_s(&m, 1);
    assert_int_equal(meter_do(&m, LEFT, 0x13, "\0", 1), 0);
    assert_false(meter_is_connected(&m, LEFT));
    assert_true(meter_is_connected(&m, RIGHT));
    meter_load(&m, LEFT, 0, IN_PHASE);
    meter_run_s(&m, 1);
    assert_int_equal(meter_flags(&m, LEFT), HEALTHY & ~(1U << 16));
    meter_fault(&m, MG_FW_FAULT_WELDED);
    assert_true(meter_is_connected(&m, LEFT));
    meter_load(&m, LEFT, 6000, IN_PHASE);
    meter_run_s(&m, 1);
    assert_int_equal(meter_flags(&m, LEFT), (HEALTHY & ~(1U << 16)) | F_WELDED);
    assert_int_equal(meter_flags(&m, RIGHT), HEALTHY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constants),
        cmocka_unit_test(test_impulses),
        cmocka_unit_test(test_sides_are_independent),
        cmocka_unit_test(test_reverse),
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_programmers_mistakes),
        cmocka_unit_test(test_long_ticks),
        cmocka_unit_test(test_long_extremes),
        cmocka_unit_test(test_one_phase),
        cmocka_unit_test(test_display),
        cmocka_unit_test(test_display_wraps),
        cmocka_unit_test(test_supply),
        cmocka_unit_test(test_other_phases_supply_nothing),
        cmocka_unit_test(test_boot_loader),
        cmocka_unit_test(test_initializing),
        cmocka_unit_test(test_operating_faults),
        cmocka_unit_test(test_memory_is_looked_at),
        cmocka_unit_test(test_saturation),
        cmocka_unit_test(test_straps),
        cmocka_unit_test(test_inputs),
        cmocka_unit_test(test_temperatures),
        cmocka_unit_test(test_welded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
