/* Plausibility: what cannot be true is marked, what became true opens an
 * epoch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "model/check.h"

#define IMPORT   MG_CH(ENERGY_ACTIVE_IMPORT, TOTAL)
#define EXPORT   MG_CH(ENERGY_ACTIVE_EXPORT, TOTAL)
#define REACTIVE MG_CH(ENERGY_REACTIVE, TOTAL)

#define SECOND_NS   UINT64_C(1000000000)
#define HOUR_S      3600
#define START_NS    (100 * SECOND_NS)
#define START_MS    INT64_C(1740916800000)
#define KWH         INT64_C(1000000)
#define MAX_W       INT64_C(19008) /* 264 V * 72 A */
#define SLACK_S     10
#define GOOD        MG_QUALITY_GOOD
#define IMPLAUSIBLE MG_QUALITY_IMPLAUSIBLE

/* KPM31 manual V2.0, 2.2: 220 V and 60 A, both times 1.2. */
static const struct mg_check_limits LIMITS = {264000, 72000, 1};

static struct mg_check_state checked;
static struct mg_check_report found;
static struct mg_sample sample;

static int setup(void **state)
{
    (void)state;
    memset(&checked, 0, sizeof checked);
    memset(&found, 0, sizeof found);
    return 0;
}

/* An empty sample, so many seconds after the start. */
static void at(int64_t seconds)
{
    memset(&sample, 0, sizeof sample);
    sample.mono_ns = START_NS + (uint64_t)seconds * SECOND_NS;
    sample.utc_ms = START_MS + seconds * 1000;
}

static void add(mg_channel channel, int64_t value)
{
    struct mg_value v = {.channel = channel, .value = value, .resolution = 1};
    assert_int_equal(mg_sample_add(&sample, &v), MG_OK);
}

static void check(enum mg_check_event expected)
{
    mg_check_sample(&checked, &LIMITS, false, &sample, &found);
    assert_int_equal(found.event, expected);
    assert_int_equal(sample.epoch, checked.epoch);
}

/* One sample with one counter. */
static void check_import(int64_t seconds, int64_t mwh,
                         enum mg_check_event expected)
{
    at(seconds);
    add(IMPORT, mwh);
    check(expected);
    enum mg_quality quality =
        expected == MG_CHECK_NOTHING || expected == MG_CHECK_NEW_EPOCH
            ? GOOD
            : IMPLAUSIBLE;
    assert_int_equal(sample.values[0].quality, quality);
}

/* ---- Gauges ---- */

struct gauge {
    mg_channel channel;
    int64_t limit;
};

static void gauges_stay_within_the_meter(void **state)
{
    (void)state;
    static const struct gauge GAUGES[] = {
        {MG_CH(VOLTAGE, TOTAL), 264000},
        {MG_CH(VOLTAGE, L1), 264000},
        {MG_CH(VOLTAGE_LL, L1), 528000},
        {MG_CH(CURRENT, L1), 72000},
        {MG_CH(POWER_ACTIVE, TOTAL), MAX_W * 1000},
        {MG_CH(POWER_REACTIVE, L1), MAX_W * 1000},
        {MG_CH(POWER_APPARENT, TOTAL), MAX_W * 1000},
        {MG_CH(DEMAND_APPARENT, TOTAL), MAX_W * 1000},
        {MG_CH(POWER_FACTOR, TOTAL), 10000},
    };
    for (size_t i = 0; i < sizeof GAUGES / sizeof GAUGES[0]; i++) {
        for (int64_t sign = -1; sign <= 1; sign += 2) {
            at(0);
            add(GAUGES[i].channel, sign * GAUGES[i].limit);
            check(MG_CHECK_NOTHING);
            assert_int_equal(sample.values[0].quality, GOOD);
            at(0);
            add(GAUGES[i].channel, sign * (GAUGES[i].limit + 1));
            check(MG_CHECK_RANGE);
            assert_int_equal(sample.values[0].quality, IMPLAUSIBLE);
            assert_int_equal(found.channel, GAUGES[i].channel);
            assert_int_equal(found.limit, GAUGES[i].limit);
        }
    }
}

static void three_phases_carry_three_times_the_power(void **state)
{
    (void)state;
    static const struct mg_check_limits THREE = {264000, 72000, 3};
    at(0);
    add(MG_CH(POWER_ACTIVE, TOTAL), 3 * MAX_W * 1000);
    add(MG_CH(CURRENT, N), 216000);
    add(MG_CH(CURRENT, L2), 72001);
    mg_check_sample(&checked, &THREE, false, &sample, &found);
    assert_int_equal(found.event, MG_CHECK_RANGE);
    assert_int_equal(found.channel, MG_CH(CURRENT, L2));
    assert_int_equal(sample.values[0].quality, GOOD);
    assert_int_equal(sample.values[1].quality, GOOD);
}

static void without_limits_nothing_is_beyond(void **state)
{
    (void)state;
    static const struct mg_check_limits NONE = {0, 0, 0};
    at(0);
    add(MG_CH(VOLTAGE, L1), INT64_MAX);
    add(MG_CH(POWER_ACTIVE, TOTAL), INT64_MIN);
    add(MG_CH(TEMPERATURE, TOTAL), INT64_MIN);
    add(IMPORT, 0);
    mg_check_sample(&checked, &NONE, false, &sample, &found);
    at(1);
    add(IMPORT, INT64_MAX);
    mg_check_sample(&checked, &NONE, false, &sample, &found);
    assert_int_equal(found.event, MG_CHECK_NOTHING);
    assert_int_equal(sample.values[0].quality, GOOD);
}

static void bad_values_stay_bad(void **state)
{
    (void)state;
    at(0);
    add(IMPORT, 5 * KWH);
    sample.values[0].quality = MG_QUALITY_INVALID;
    add(MG_CH(VOLTAGE, L1), INT64_MAX);
    sample.values[1].quality = MG_QUALITY_MISSING;
    check(MG_CHECK_NOTHING);
    assert_int_equal(sample.values[0].quality, MG_QUALITY_INVALID);
    assert_int_equal(sample.values[1].quality, MG_QUALITY_MISSING);
    assert_int_equal(checked.n, 0);
}

/* ---- Counters ---- */

static void counters_may_stand_and_grow(void **state)
{
    (void)state;
    check_import(0, 1000 * KWH, MG_CHECK_NOTHING);
    check_import(1, 1000 * KWH, MG_CHECK_NOTHING);
    check_import(2, 1000 * KWH + 5000, MG_CHECK_NOTHING);
    assert_int_equal(checked.epoch, 1);
    assert_int_equal(checked.n, 1);
    assert_int_equal(checked.last[0].value, 1000 * KWH + 5000);
}

static void a_fall_is_marked_and_the_last_stays(void **state)
{
    (void)state;
    check_import(0, 1000 * KWH, MG_CHECK_NOTHING);
    check_import(1, 1000 * KWH - 1, MG_CHECK_COUNTER_DOWN);
    assert_int_equal(found.channel, IMPORT);
    assert_int_equal(found.before, 1000 * KWH);
    assert_int_equal(found.after, 1000 * KWH - 1);
    check_import(2, 1000 * KWH + 1, MG_CHECK_NOTHING);
    assert_int_equal(checked.epoch, 1);
}

/* Umax * Imax over 90 s and the slack, and one step of each reading. */
static void a_jump_is_more_than_the_meter_can_carry(void **state)
{
    (void)state;
    int64_t most = MAX_W * 1000 * (90 + SLACK_S) / HOUR_S;
    check_import(0, 1000 * KWH, MG_CHECK_NOTHING);
    check_import(90, 1000 * KWH + most + 2, MG_CHECK_NOTHING);
    setup(NULL);
    check_import(0, 1000 * KWH, MG_CHECK_NOTHING);
    check_import(90, 1000 * KWH + most + 12, MG_CHECK_JUMP);
    assert_int_equal(found.before, 1000 * KWH);
    assert_in_range(found.limit, 1000 * KWH + most + 2, 1000 * KWH + most + 10);
    assert_int_equal(checked.last[0].value, 1000 * KWH);
}

/* At 2^20 kWh one step of a float register is 125 Wh. */
static void coarse_registers_may_step(void **state)
{
    (void)state;
    int64_t step = 125000;
    int64_t slack = MAX_W * 1000 * (1 + SLACK_S) / HOUR_S;
    at(0);
    add(IMPORT, 1048576 * KWH);
    sample.values[0].resolution = step;
    check(MG_CHECK_NOTHING);
    at(1);
    add(IMPORT, 1048576 * KWH + 2 * step + slack);
    sample.values[0].resolution = step;
    check(MG_CHECK_NOTHING);
    at(2);
    add(IMPORT, 1048576 * KWH + 5 * step + slack);
    sample.values[0].resolution = step;
    check(MG_CHECK_JUMP);
}

static void pulses_have_no_power_but_do_not_fall(void **state)
{
    (void)state;
    at(0);
    add(MG_CH(PULSES, TOTAL), 0);
    check(MG_CHECK_NOTHING);
    at(1);
    add(MG_CH(PULSES, TOTAL), 1000000000);
    check(MG_CHECK_NOTHING);
    at(2);
    add(MG_CH(PULSES, TOTAL), 999999999);
    check(MG_CHECK_COUNTER_DOWN);
}

static void years_between_readings_do_not_overflow(void **state)
{
    (void)state;
    int64_t years = INT64_C(10) * 365 * 24; /* hours */
    check_import(0, 0, MG_CHECK_NOTHING);
    check_import(years * HOUR_S, MAX_W * 1000 * years, MG_CHECK_NOTHING);
    setup(NULL);
    check_import(0, 0, MG_CHECK_NOTHING);
    check_import(years * HOUR_S, MAX_W * 1000 * (years + 1), MG_CHECK_JUMP);
    setup(NULL);
    static const struct mg_check_limits HUGE = {INT64_MAX, INT64_MAX, 255};
    check_import(0, INT64_MIN, MG_CHECK_NOTHING);
    at(years * HOUR_S);
    add(IMPORT, INT64_MAX);
    mg_check_sample(&checked, &HUGE, false, &sample, &found);
}

static void the_whole_range_is_a_jump(void **state)
{
    (void)state;
    check_import(0, INT64_MIN, MG_CHECK_NOTHING);
    check_import(1, INT64_MAX, MG_CHECK_JUMP);
}

/* ---- Restart and order ---- */

static void restart(void)
{
    for (size_t i = 0; i < checked.n; i++) {
        checked.last[i].mono_ns = 0;
    }
}

static void after_a_restart_utc_tells_the_time(void **state)
{
    (void)state;
    check_import(0, 1000 * KWH, MG_CHECK_NOTHING);
    restart();
    at(1);
    sample.utc_ms = START_MS + INT64_C(10) * HOUR_S * 1000;
    add(IMPORT, 1000 * KWH + 10 * MAX_W * 1000);
    check(MG_CHECK_NOTHING);
    restart();
    at(1);
    sample.utc_ms = START_MS + INT64_C(11) * HOUR_S * 1000;
    add(IMPORT, 1000 * KWH + 20 * MAX_W * 1000);
    check(MG_CHECK_JUMP);
}

static void a_clock_that_went_back_says_nothing(void **state)
{
    (void)state;
    check_import(0, 1000 * KWH, MG_CHECK_NOTHING);
    restart();
    at(1);
    sample.utc_ms = 0;
    add(IMPORT, 2000 * KWH);
    check(MG_CHECK_NOTHING);
    restart();
    at(2);
    sample.utc_ms = 0;
    add(IMPORT, 1000 * KWH); /* but a fall is a fall */
    check(MG_CHECK_COUNTER_DOWN);
}

static void an_older_sample_is_stale_when_lower(void **state)
{
    (void)state;
    check_import(10, 1000 * KWH, MG_CHECK_NOTHING);
    at(5);
    add(IMPORT, 999 * KWH);
    check(MG_CHECK_NOTHING);
    assert_int_equal(sample.values[0].quality, MG_QUALITY_STALE);
    assert_int_equal(checked.last[0].value, 1000 * KWH);
    assert_int_equal(checked.n_suspects, 0);
}

static void an_older_sample_makes_nothing_older(void **state)
{
    (void)state;
    check_import(100, 1000 * KWH, MG_CHECK_NOTHING);
    check_import(0, 1000 * KWH + 5, MG_CHECK_NOTHING);
    assert_int_equal(checked.last[0].mono_ns, START_NS + 100 * SECOND_NS);
    check_import(101, 1001 * KWH, MG_CHECK_JUMP);
}

/* ---- Epochs ---- */

static void an_expected_clear_opens_an_epoch(void **state)
{
    (void)state;
    at(0);
    add(IMPORT, 1000 * KWH);
    add(EXPORT, 0);
    add(REACTIVE, 7 * KWH);
    check(MG_CHECK_NOTHING);
    at(1);
    add(MG_CH(VOLTAGE, L1), 999000); /* a finding, but the epoch is reported */
    add(EXPORT, 0);
    add(IMPORT, 0);
    add(REACTIVE, 3);
    mg_check_sample(&checked, &LIMITS, true, &sample, &found);
    assert_int_equal(found.event, MG_CHECK_NEW_EPOCH);
    assert_int_equal(found.channel, IMPORT);
    assert_int_equal(found.before, 1000 * KWH);
    assert_int_equal(found.after, 0);
    assert_int_equal(sample.epoch, 2);
    for (size_t i = 1; i < 4; i++) {
        assert_int_equal(sample.values[i].quality, GOOD);
    }
    check_import(2, 10, MG_CHECK_NOTHING);
    assert_int_equal(checked.epoch, 2);
}

static void an_expected_clear_alone_is_no_epoch(void **state)
{
    (void)state;
    check_import(0, 0, MG_CHECK_NOTHING);
    at(1);
    add(IMPORT, 0);
    mg_check_sample(&checked, &LIMITS, true, &sample, &found);
    assert_int_equal(found.event, MG_CHECK_NOTHING);
    assert_int_equal(checked.epoch, 1);
}

static void a_lower_level_that_lasts_opens_an_epoch(void **state)
{
    (void)state;
    check_import(0, 1000 * KWH, MG_CHECK_NOTHING);
    for (int i = 1; i < MG_CHECK_CONFIRM; i++) {
        check_import(i, 5 * KWH + i, MG_CHECK_COUNTER_DOWN);
        assert_int_equal(checked.epoch, 1);
    }
    check_import(MG_CHECK_CONFIRM, 5 * KWH + 9, MG_CHECK_NEW_EPOCH);
    assert_int_equal(found.before, 1000 * KWH);
    assert_int_equal(checked.epoch, 2);
    check_import(6, 5 * KWH + 10, MG_CHECK_NOTHING);
    check_import(7, 5 * KWH, MG_CHECK_COUNTER_DOWN);
}

static void a_higher_level_that_lasts_opens_an_epoch(void **state)
{
    (void)state;
    check_import(0, 10 * KWH, MG_CHECK_NOTHING);
    for (int i = 1; i < MG_CHECK_CONFIRM; i++) {
        check_import(i, 5000 * KWH, MG_CHECK_JUMP);
    }
    check_import(5, 5000 * KWH, MG_CHECK_NEW_EPOCH);
}

static void levels_that_contradict_each_other_confirm_nothing(void **state)
{
    (void)state;
    check_import(0, 1000 * KWH, MG_CHECK_NOTHING);
    for (int i = 1; i < 40; i++) { /* falls further each time */
        check_import(i, 900 * KWH - i, MG_CHECK_COUNTER_DOWN);
    }
    for (int i = 40; i < 80; i++) { /* jumps each time */
        check_import(i, i * KWH, MG_CHECK_COUNTER_DOWN);
    }
    assert_int_equal(checked.epoch, 1);
}

static void a_good_sample_between_starts_anew(void **state)
{
    (void)state;
    check_import(0, 1000 * KWH, MG_CHECK_NOTHING);
    for (int i = 1; i < MG_CHECK_CONFIRM; i++) {
        check_import(i, 5 * KWH, MG_CHECK_COUNTER_DOWN);
    }
    check_import(5, 1000 * KWH, MG_CHECK_NOTHING);
    for (int i = 6; i < 6 + MG_CHECK_CONFIRM - 1; i++) {
        check_import(i, 5 * KWH, MG_CHECK_COUNTER_DOWN);
    }
    check_import(20, 5 * KWH, MG_CHECK_NEW_EPOCH);
}

static void a_sample_without_counters_neither_confirms_nor_denies(void **state)
{
    (void)state;
    check_import(0, 1000 * KWH, MG_CHECK_NOTHING);
    for (int64_t i = 1; i < MG_CHECK_CONFIRM; i++) {
        check_import(2 * i, 5 * KWH, MG_CHECK_COUNTER_DOWN);
        at(2 * i + 1);
        add(MG_CH(VOLTAGE, L1), 230000);
        check(MG_CHECK_NOTHING);
    }
    check_import(20, 5 * KWH, MG_CHECK_NEW_EPOCH);
}

static void the_same_sample_again_confirms_nothing(void **state)
{
    (void)state;
    check_import(0, 1000 * KWH, MG_CHECK_NOTHING);
    for (int i = 0; i < 20; i++) {
        check_import(1, 5 * KWH, MG_CHECK_COUNTER_DOWN);
    }
    assert_int_equal(checked.epoch, 1);
}

/* Exchanged for a meter with one counter higher and one lower. */
static void mixed_levels_confirm_together(void **state)
{
    (void)state;
    for (int i = 0; i <= MG_CHECK_CONFIRM; i++) {
        at(i);
        add(IMPORT, i == 0 ? 1000 * KWH : 10 * KWH);
        add(EXPORT, i == 0 ? 10 * KWH : 1000 * KWH);
        check(i == 0                  ? MG_CHECK_NOTHING
              : i == MG_CHECK_CONFIRM ? MG_CHECK_NEW_EPOCH
                                      : MG_CHECK_COUNTER_DOWN);
    }
    assert_int_equal(sample.values[0].quality, GOOD);
    assert_int_equal(sample.values[1].quality, GOOD);
}

static void check_both(int64_t seconds, int64_t import, int64_t export)
{
    at(seconds);
    add(IMPORT, import);
    add(EXPORT, export);
    mg_check_sample(&checked, &LIMITS, false, &sample, &found);
}

static void one_counter_of_two_confirms_nothing(void **state)
{
    (void)state;
    check_both(0, 1000 * KWH, 1000 * KWH);
    for (int i = 1; i < 20; i++) {
        check_both(i, 5 * KWH, 900 * KWH - i);
    }
    assert_int_equal(checked.epoch, 1);
}

static void a_level_that_was_given_up_is_forgotten(void **state)
{
    (void)state;
    check_both(0, 1000 * KWH, 1000 * KWH);
    check_both(1, 5 * KWH, 9 * KWH);
    check_import(2, 900 * KWH, MG_CHECK_COUNTER_DOWN); /* a first of its own */
    for (int i = 3; i < 2 + MG_CHECK_CONFIRM; i++) {
        assert_int_equal(checked.epoch, 1);
        check_both(i, 900 * KWH, 1 * KWH); /* below the 9 kWh given up */
    }
    assert_int_equal(checked.epoch, 2);
}

static void another_serial_opens_an_epoch(void **state)
{
    (void)state;
    check_import(0, 1000 * KWH, MG_CHECK_NOTHING);
    assert_false(mg_check_serial(&checked, "123", 3));
    assert_false(mg_check_serial(&checked, "123", 3));
    assert_false(mg_check_serial(&checked, "", 0));
    assert_int_equal(checked.epoch, 1);
    assert_true(mg_check_serial(&checked, "1234", 4));
    assert_string_equal(checked.serial, "1234");
    assert_int_equal(checked.epoch, 2);
    check_import(1, 5 * KWH, MG_CHECK_NOTHING);
    assert_true(mg_check_serial(&checked, "12", 2));
    assert_int_equal(checked.epoch, 3);
}

static void long_serials_are_cut_and_still_compare(void **state)
{
    (void)state;
    static const char LONG[] = "0123456789012345678901234567890123456789";
    assert_false(mg_check_serial(&checked, LONG, sizeof LONG - 1));
    assert_int_equal(strlen(checked.serial), sizeof checked.serial - 1);
    assert_false(mg_check_serial(&checked, LONG, sizeof LONG - 1));
    assert_int_equal(checked.epoch, 1);
}

/* ---- Bounds ---- */

static mg_channel counter(unsigned i)
{
    return MG_CHANNEL(MG_Q_ENERGY_ACTIVE + i / 36, i / 9 % 4, i % 9, 0);
}

static void what_cannot_be_remembered_is_not_published(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        at(round);
        for (unsigned i = 0; i < MG_CHECK_COUNTERS_MAX + 2; i++) {
            add(counter(i), 5);
        }
        check(MG_CHECK_NOTHING);
        assert_int_equal(sample.values[63].quality, GOOD);
        assert_int_equal(sample.values[64].quality, IMPLAUSIBLE);
        assert_int_equal(sample.values[65].quality, IMPLAUSIBLE);
    }
    assert_int_equal(checked.n, MG_CHECK_COUNTERS_MAX);
}

static void all_counters_can_be_suspect(void **state)
{
    (void)state;
    for (int i = 0; i <= MG_CHECK_CONFIRM; i++) {
        at(i);
        for (unsigned c = 0; c < MG_CHECK_COUNTERS_MAX; c++) {
            add(counter(c), i == 0 ? KWH : 0);
        }
        check(i == 0                  ? MG_CHECK_NOTHING
              : i == MG_CHECK_CONFIRM ? MG_CHECK_NEW_EPOCH
                                      : MG_CHECK_COUNTER_DOWN);
    }
}

static void a_channel_twice_does_not_go_down(void **state)
{
    (void)state;
    at(0);
    add(IMPORT, 9);
    add(IMPORT, 8);
    check(MG_CHECK_NOTHING);
    assert_int_equal(sample.values[0].quality, GOOD);
    assert_int_equal(sample.values[1].quality, IMPLAUSIBLE);
}

static void a_damaged_state_is_mended(void **state)
{
    (void)state;
    memset(&checked, 0xff, sizeof checked);
    check_import(0, 5, MG_CHECK_NOTHING);
    assert_int_equal(checked.n, 1);
    assert_int_equal(checked.n_suspects, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(gauges_stay_within_the_meter, setup),
        cmocka_unit_test_setup(three_phases_carry_three_times_the_power, setup),
        cmocka_unit_test_setup(without_limits_nothing_is_beyond, setup),
        cmocka_unit_test_setup(bad_values_stay_bad, setup),
        cmocka_unit_test_setup(counters_may_stand_and_grow, setup),
        cmocka_unit_test_setup(a_fall_is_marked_and_the_last_stays, setup),
        cmocka_unit_test_setup(a_jump_is_more_than_the_meter_can_carry, setup),
        cmocka_unit_test_setup(coarse_registers_may_step, setup),
        cmocka_unit_test_setup(pulses_have_no_power_but_do_not_fall, setup),
        cmocka_unit_test_setup(years_between_readings_do_not_overflow, setup),
        cmocka_unit_test_setup(the_whole_range_is_a_jump, setup),
        cmocka_unit_test_setup(after_a_restart_utc_tells_the_time, setup),
        cmocka_unit_test_setup(a_clock_that_went_back_says_nothing, setup),
        cmocka_unit_test_setup(an_older_sample_is_stale_when_lower, setup),
        cmocka_unit_test_setup(an_older_sample_makes_nothing_older, setup),
        cmocka_unit_test_setup(an_expected_clear_opens_an_epoch, setup),
        cmocka_unit_test_setup(an_expected_clear_alone_is_no_epoch, setup),
        cmocka_unit_test_setup(a_lower_level_that_lasts_opens_an_epoch, setup),
        cmocka_unit_test_setup(a_higher_level_that_lasts_opens_an_epoch, setup),
        cmocka_unit_test_setup(
            levels_that_contradict_each_other_confirm_nothing, setup),
        cmocka_unit_test_setup(a_good_sample_between_starts_anew, setup),
        cmocka_unit_test_setup(
            a_sample_without_counters_neither_confirms_nor_denies, setup),
        cmocka_unit_test_setup(the_same_sample_again_confirms_nothing, setup),
        cmocka_unit_test_setup(mixed_levels_confirm_together, setup),
        cmocka_unit_test_setup(one_counter_of_two_confirms_nothing, setup),
        cmocka_unit_test_setup(a_level_that_was_given_up_is_forgotten, setup),
        cmocka_unit_test_setup(another_serial_opens_an_epoch, setup),
        cmocka_unit_test_setup(long_serials_are_cut_and_still_compare, setup),
        cmocka_unit_test_setup(what_cannot_be_remembered_is_not_published,
                               setup),
        cmocka_unit_test_setup(all_counters_can_be_suspect, setup),
        cmocka_unit_test_setup(a_channel_twice_does_not_go_down, setup),
        cmocka_unit_test_setup(a_damaged_state_is_mended, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
