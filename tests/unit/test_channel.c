/* The schema: keys, OBIS codes, units, over every channel there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/channel.h"

#define ENERGY(quantity, phase, tariff, period)                                \
    MG_CHANNEL(MG_Q_ENERGY_##quantity, MG_PHASE_##phase, tariff, period)

struct naming {
    mg_channel channel;
    const char *key, *obis;
};

/* Written from the DLMS UA Blue Book's tables and the schema's description. */
static const struct naming NAMINGS[] = {
    {MG_CH(VOLTAGE, TOTAL), "voltage_v", "1-0:12.7.0"},
    {MG_CH(VOLTAGE, L1), "voltage_l1_v", "1-0:32.7.0"},
    {MG_CH(VOLTAGE, L3), "voltage_l3_v", "1-0:72.7.0"},
    {MG_CH(VOLTAGE, N), "voltage_n_v", "1-0:92.7.0"},
    {MG_CH(VOLTAGE_LL, L2), "voltage_ll_l2_v", "1-0:170.7.0"},
    {MG_CH(CURRENT, L2), "current_l2_a", "1-0:51.7.0"},
    {MG_CH(CURRENT, N), "current_n_a", "1-0:91.7.0"},
    {MG_CH(POWER_ACTIVE, TOTAL), "power_active_w", "1-0:16.7.0"},
    {MG_CH(POWER_ACTIVE, L3), "power_active_l3_w", "1-0:76.7.0"},
    {MG_CH(POWER_REACTIVE, TOTAL), "power_reactive_var", "1-0:129.7.0"},
    {MG_CH(POWER_APPARENT, L1), "power_apparent_l1_va", "1-0:29.7.0"},
    {MG_CH(POWER_FACTOR, TOTAL), "power_factor", "1-0:13.7.0"},
    {MG_CH(POWER_FACTOR, L1), "power_factor_l1", "1-0:33.7.0"},
    {MG_CH(FREQUENCY, TOTAL), "frequency_hz", "1-0:14.7.0"},
    {MG_CH(PHASE_ANGLE, L1), "phase_angle_l1_deg", "1-0:81.7.4"},
    {MG_CH(PHASE_ANGLE, L2), "phase_angle_l2_deg", "1-0:81.7.15"},
    {MG_CH(PHASE_ANGLE, L3), "phase_angle_l3_deg", "1-0:81.7.26"},
    {MG_CH(THD_VOLTAGE, L1), "thd_voltage_l1_pct", "1-0:32.7.124"},
    {MG_CH(THD_CURRENT, L3), "thd_current_l3_pct", "1-0:71.7.124"},
    {MG_CH(DEMAND_APPARENT, TOTAL), "demand_apparent_va", "1-0:9.4.0"},
    {MG_CH(TEMPERATURE, TOTAL), "temperature_degc", "0-0:96.9.0"},
    {ENERGY(ACTIVE, TOTAL, 0, 0), "energy_active_wh", "1-0:15.8.0"},
    {ENERGY(ACTIVE_IMPORT, TOTAL, 0, 0), "energy_active_import_wh",
     "1-0:1.8.0"},
    {ENERGY(ACTIVE_EXPORT, L2, 0, 0), "energy_active_export_l2_wh",
     "1-0:42.8.0"},
    {ENERGY(ACTIVE, TOTAL, 2, 0), "energy_active_t2_wh", "1-0:15.8.2"},
    {ENERGY(ACTIVE, TOTAL, 2, MG_PERIOD_CURRENT), "energy_active_t2_month_wh",
     "1-0:15.9.2"},
    {ENERGY(ACTIVE, TOTAL, 2, MG_PERIOD_PREVIOUS(3)), "energy_active_t2_m3_wh",
     "1-0:15.9.2*3"},
    {ENERGY(ACTIVE, TOTAL, 0, MG_PERIOD_PREVIOUS(3)), "energy_active_m3_wh",
     "1-0:15.9.0*3"},
    {ENERGY(REACTIVE, L3, 8, MG_PERIOD_PREVIOUS(12)),
     "energy_reactive_l3_t8_m12_varh", "1-0:188.9.8*12"},
    {ENERGY(REACTIVE_IMPORT, TOTAL, 0, 0), "energy_reactive_import_varh",
     "1-0:3.8.0"},
    {ENERGY(REACTIVE_EXPORT, TOTAL, 4, MG_PERIOD_CURRENT),
     "energy_reactive_export_t4_month_varh", "1-0:4.9.4"},
    {ENERGY(APPARENT, TOTAL, 0, 0), "energy_apparent_vah", "1-0:9.8.0"},
    {MG_CH(PULSES, TOTAL), "pulses", "0-0:134.8.0"},
    {MG_CH(RELAY_CLOSED, TOTAL), "relay_closed", "0-0:96.3.10"},
    {MG_CH(DIGITAL_INPUT, TOTAL), "digital_input", "0-0:96.3.1"},
    {MG_CH(ERROR_WORD, TOTAL), "error_word", "0-0:97.97.0"},
    {MG_CH(METER_CLOCK, TOTAL), "meter_clock_s", "0-0:1.0.0"},
    {MG_CH(BUS_ADDRESS, TOTAL), "bus_address", "0-0:132.0.0"},
    {MG_CH(BAUD, TOTAL), "baud", "0-0:133.0.0"},
    {MG_CH(SERIAL, TOTAL), "serial", "0-0:96.1.0"},
    {MG_CH(MODEL, TOTAL), "model", "0-0:96.1.1"},
    {MG_CH(VERSION, TOTAL), "version", "0-0:0.2.0"},
    {MG_CH(SESSION_STATE, TOTAL), "session_state", "0-0:135.0.0"},
    {MG_CH(SIGNATURES, TOTAL), "signatures", "0-0:135.0.2"},
    {MG_CH(SESSION_DURATION, TOTAL), "session_duration_s", "0-0:135.1.0"},
    {MG_CH(SUSPEND_TIME, TOTAL), "suspend_time_s", "0-0:135.1.7"},
    {MG_CH(SESSION_ENERGY, TOTAL), "session_energy_wh", "0-0:135.2.0"},
    {MG_CH(SUSPEND_ENERGY, TOTAL), "suspend_energy_wh", "0-0:135.2.7"},
};

static void names_and_codes_are_as_published(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof NAMINGS / sizeof NAMINGS[0]; i++) {
        const struct naming *n = &NAMINGS[i];
        char key[MG_CHANNEL_KEY_MAX];
        char obis[MG_OBIS_MAX];
        mg_channel back = 0;
        assert_int_equal(mg_channel_key(n->channel, key), MG_OK);
        assert_string_equal(key, n->key);
        assert_int_equal(mg_channel_obis(n->channel, obis), MG_OK);
        assert_string_equal(obis, n->obis);
        assert_int_equal(mg_channel_from_key(n->key, &back), MG_OK);
        assert_int_equal(back, n->channel);
    }
}

struct entry {
    char key[MG_CHANNEL_KEY_MAX], obis[MG_OBIS_MAX];
};

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->key,
                  ((const struct entry *)b)->key);
}

static int by_obis(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->obis,
                  ((const struct entry *)b)->obis);
}

/* Every value of the packed fields, the legal ones and the others. */
static size_t collect(struct entry *entries, size_t cap)
{
    size_t n = 0;
    for (unsigned q = 0; q < MG_N_QUANTITIES + 2; q++) {
        for (unsigned rest = 0; rest < 1U << 16; rest++) {
            mg_channel c = (mg_channel)q << 24 | (mg_channel)rest << 8;
            struct entry e;
            int rc = mg_channel_key(c, e.key);
            assert_int_equal(rc, mg_channel_exists(c) ? MG_OK : MG_E_RANGE);
            assert_int_equal(rc, mg_channel_obis(c, e.obis));
            if (rc != MG_OK) {
                continue;
            }
            assert_true(n < cap);
            mg_channel back = 0;
            assert_int_equal(mg_channel_from_key(e.key, &back), MG_OK);
            assert_int_equal(back, c);
            entries[n++] = e;
        }
    }
    return n;
}

static void all_keys_and_codes_are_unique_and_reversible(void **state)
{
    (void)state;
    enum { CAP = 8192 };
    struct entry *entries = calloc(CAP, sizeof *entries);
    assert_non_null(entries);
    size_t n = collect(entries, CAP);
    size_t n_energies = (size_t)7 * 4 * 9 * 14; /* phases, tariffs, periods */
    size_t n_to_n = (size_t)4 * 5;  /* voltage, current, THD of both */
    size_t n_to_l3 = (size_t)7 * 4; /* LL, P, Q, S, PF, angle, demand */
    size_t n_total = 12 + 25 + 9;   /* others, of a transaction, a station */
    assert_int_equal(n, n_energies + n_to_n + n_to_l3 + n_total);
    qsort(entries, n, sizeof *entries, by_key);
    for (size_t i = 1; i < n; i++) {
        assert_string_not_equal(entries[i - 1].key, entries[i].key);
    }
    qsort(entries, n, sizeof *entries, by_obis);
    for (size_t i = 1; i < n; i++) {
        assert_string_not_equal(entries[i - 1].obis, entries[i].obis);
    }
    free(entries);
}

static void what_is_no_channel_is_refused(void **state)
{
    (void)state;
    static const mg_channel WRONG[] = {
        MG_CHANNEL(MG_N_QUANTITIES, 0, 0, 0),
        MG_CH(VOLTAGE, L1) | 1, /* the low byte is reserved */
        MG_CHANNEL(MG_Q_VOLTAGE, 5, 0, 0),
        MG_CHANNEL(MG_Q_VOLTAGE, 1, 1, 0),
        MG_CHANNEL(MG_Q_VOLTAGE, 1, 0, 1),
        MG_CH(FREQUENCY, L1),
        MG_CH(POWER_ACTIVE, N),
        ENERGY(ACTIVE, N, 0, 0),
        ENERGY(ACTIVE, TOTAL, 9, 0),
        ENERGY(ACTIVE, TOTAL, 0, MG_PERIOD_PREVIOUS(13)),
        MG_CHANNEL(MG_Q_PULSES, 0, 0, MG_PERIOD_CURRENT),
        MG_CHANNEL(MG_Q_SESSION_ENERGY, 0, 1, 0),
        MG_CHANNEL(MG_Q_START_ENERGY, 0, 0, MG_PERIOD_CURRENT),
        MG_CH(SESSION_STATE, L1),
        UINT32_MAX,
    };
    char text[MG_CHANNEL_KEY_MAX];
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        assert_false(mg_channel_exists(WRONG[i]));
        assert_int_equal(mg_channel_key(WRONG[i], text), MG_E_RANGE);
        assert_int_equal(mg_channel_obis(WRONG[i], text), MG_E_RANGE);
    }
}

static void what_is_no_key_is_refused(void **state)
{
    (void)state;
    static const char *const WRONG[] = {
        "",
        "volt",
        "voltage",
        "voltage_v_",
        "voltage_l4_v",
        "voltage_l1",
        "voltage_l1_a",
        "voltage_v_l1",
        "Voltage_v",
        "voltage__v",
        "voltage_l1_t1_v",
        "energy_active_t0_wh",
        "energy_active_t9_wh",
        "energy_active_t16_wh",
        "energy_active_t17_wh",
        "energy_active_m0_wh",
        "energy_active_m03_wh",
        "energy_active_m13_wh",
        "energy_active_m255_wh",
        "energy_active_month_t2_wh",
        "energy_active_t2_month",
        "energy_active_imports_wh",
        "pulses_",
        "power_factor_",
        "meter_clock",
    };
    mg_channel c = 42;
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        assert_int_equal(mg_channel_from_key(WRONG[i], &c), MG_E_NOTFOUND);
    }
    assert_int_equal(c, 42);
}

static void units_have_suffix_and_decimals(void **state)
{
    (void)state;
    assert_int_equal(mg_channel_unit(MG_CH(VOLTAGE, L1)), MG_UNIT_MV);
    assert_int_equal(mg_unit_decimals(MG_UNIT_MWH), 3);
    assert_int_equal(mg_unit_decimals(MG_UNIT_PF), 4);
    assert_int_equal(mg_unit_decimals(MG_UNIT_CDEG), 2);
    assert_int_equal(mg_unit_decimals(MG_UNIT_CPCT), 2);
    assert_int_equal(mg_unit_decimals(MG_UNIT_COUNT), 0);
    assert_string_equal(mg_unit_suffix(MG_UNIT_MWH), "wh");
    assert_string_equal(mg_unit_suffix(MG_UNIT_MHZ), "hz");
    assert_string_equal(mg_unit_suffix(MG_UNIT_PF), "");
    assert_string_equal(mg_unit_suffix((enum mg_unit)99), "");
    assert_int_equal(mg_unit_decimals((enum mg_unit)99), 0);
}

static void kind_depends_on_the_period(void **state)
{
    (void)state;
    assert_int_equal(mg_channel_kind(ENERGY(ACTIVE, TOTAL, 1, 0)),
                     MG_KIND_COUNTER);
    assert_int_equal(
        mg_channel_kind(ENERGY(ACTIVE, TOTAL, 1, MG_PERIOD_CURRENT)),
        MG_KIND_AMOUNT);
    assert_int_equal(
        mg_channel_kind(ENERGY(ACTIVE, TOTAL, 0, MG_PERIOD_PREVIOUS(1))),
        MG_KIND_AMOUNT);
    assert_int_equal(mg_channel_kind(MG_CH(PULSES, TOTAL)), MG_KIND_COUNTER);
    assert_int_equal(mg_channel_kind(MG_CH(VOLTAGE, L1)), MG_KIND_GAUGE);
    assert_int_equal(mg_channel_kind(MG_CH(START_ENERGY, TOTAL)),
                     MG_KIND_GAUGE);
    assert_int_equal(mg_channel_kind(MG_CH(SIGNATURES, TOTAL)),
                     MG_KIND_COUNTER);
    assert_int_equal(mg_channel_kind(MG_CH(RELAY_CLOSED, TOTAL)),
                     MG_KIND_STATE);
    assert_int_equal(mg_channel_kind(UINT32_MAX), MG_KIND_STATE);
    assert_int_equal(mg_channel_unit(UINT32_MAX), MG_UNIT_COUNT);
}

static void qualities_have_texts(void **state)
{
    (void)state;
    assert_string_equal(mg_quality_text(MG_QUALITY_GOOD), "good");
    assert_string_equal(mg_quality_text(MG_QUALITY_MISSING), "missing");
    assert_string_equal(mg_quality_text(MG_QUALITY_INVALID), "invalid");
    assert_string_equal(mg_quality_text(MG_QUALITY_IMPLAUSIBLE), "implausible");
    assert_string_equal(mg_quality_text(MG_QUALITY_STALE), "stale");
    assert_string_equal(mg_quality_text((enum mg_quality)77), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_codes_are_as_published),
        cmocka_unit_test(all_keys_and_codes_are_unique_and_reversible),
        cmocka_unit_test(what_is_no_channel_is_refused),
        cmocka_unit_test(what_is_no_key_is_refused),
        cmocka_unit_test(units_have_suffix_and_decimals),
        cmocka_unit_test(kind_depends_on_the_period),
        cmocka_unit_test(qualities_have_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
