/* The commands for settings of the WM3M4C driver. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../../plugins/wm3m4c/settings.h"
#include "wm3m4c_bed.h"

static struct bed_meter meter;
static struct bed_run run;

static int setup(void **state)
{
    (void)state;
    bed_meter_init(&meter);
    return 0;
}

static uint16_t *reg(unsigned number)
{
    return &meter.holding[number - 40000];
}

static void prepare(const char *verb)
{
    bed_run_init(&run, &meter, verb);
    if (strcmp(verb, "lcd") == 0) {
        struct wm3m4c_lcd_args *a = (struct wm3m4c_lcd_args *)run.args;
        a->row2 = WM3M4C_UNCHANGED;
        a->backlight = WM3M4C_UNCHANGED;
    } else if (strcmp(verb, "set-baud") == 0) {
        ((struct wm3m4c_baud_args *)run.args)->baud = 0;
    } else {
        ((struct wm3m4c_seconds_args *)run.args)->seconds = 30;
    }
}

static void play(void)
{
    (void)bed_play(&run, BED_NOWHERE, BED_NO_TROUBLE);
}

static int64_t value_of(mg_channel channel)
{
    const struct mg_value *v = bed_value(&run, channel);
    assert_non_null(v);
    return v->value;
}

/* Whether the bus speaks local time or UTC, the clock is right afterwards. */
static void the_clock_is_set_in_either_form(void **state)
{
    (void)state;
    for (uint16_t form = 0; form <= 1; form++) {
        bed_meter_init(&meter);
        *reg(47073) = form;
        *reg(47053) = 65536 - 90;
        prepare("set-clock");
        play();
        bed_assert_done(&run);
        assert_int_equal(run.n_log, 1);
        assert_int_equal(run.log[0].address, 7054);
        assert_int_equal(run.log[0].n, 2);
        assert_true(meter.clock_off_ms > -1000 && meter.clock_off_ms < 1000);
        int64_t off = value_of(MG_CH(METER_CLOCK, TOTAL)) - BED_UTC_MS / 1000;
        assert_true(off >= -1 && off <= 2);
        play(); /* nothing to do any more */
        bed_assert_done(&run);
        assert_int_equal(run.n_log, 0);
    }
}

static void the_clock_is_not_set_while_charging(void **state)
{
    (void)state;
    for (uint16_t s = 1; s <= 3; s++) {
        *reg(47000) = s;
        prepare("set-clock");
        play();
        bed_assert_failed(&run, MG_E_STATE, "not while charging: 47000 is ");
        assert_int_equal(run.n_log, 0);
    }
}

static void a_clock_that_does_not_move_is_said(void **state)
{
    (void)state;
    meter.is_deaf = true;
    prepare("set-clock");
    play();
    bed_assert_failed(&run, MG_E_MISMATCH, "the clock was set but is -");
}

static void the_display_changes_in_one_request(void **state)
{
    (void)state;
    static const struct {
        int64_t row2, backlight;
        const char *text, *label;
        uint16_t address, n, first;
    } CASES[] = {
        {8, -1, "", "", 7062, 1, 8},
        {-1, 1, "", "", 7061, 1, 1},
        {-1, -1, "EVSE", "", 7063, 4, 'E' << 8 | 'V'},
        {-1, -1, "", "LAdE", 7067, 2, 'L' << 8 | 'A'},
        {-1, -1, "12345678", "A", 7063, 6, '1' << 8 | '2'},
        {264, 1, "12345678", "Abcd", 7061, 8, 1},
        {-1, -1, "", "", 0, 0, 0},
        {0, 0, "", "", 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        bed_meter_init(&meter);
        prepare("lcd");
        struct wm3m4c_lcd_args *a = (struct wm3m4c_lcd_args *)run.args;
        a->row2 = CASES[i].row2;
        a->backlight = CASES[i].backlight;
        memcpy(a->text, CASES[i].text, strlen(CASES[i].text));
        memcpy(a->label, CASES[i].label, strlen(CASES[i].label));
        play();
        bed_assert_done(&run);
        assert_int_equal(run.n_log, CASES[i].n == 0 ? 0 : 1);
        assert_int_equal(run.log[0].address * run.n_log, CASES[i].address);
        assert_int_equal(run.log[0].n * run.n_log, CASES[i].n);
        assert_int_equal(run.log[0].first * run.n_log, CASES[i].first);
    }
}

static void short_texts_are_filled_with_blanks(void **state)
{
    (void)state;
    prepare("lcd");
    struct wm3m4c_lcd_args *a = (struct wm3m4c_lcd_args *)run.args;
    memcpy(a->text, "123", 3);
    play();
    bed_assert_done(&run);
    assert_int_equal(*reg(47064), '3' << 8 | ' ');
    assert_int_equal(*reg(47065), ' ' << 8 | ' ');
    assert_int_equal(*reg(47066), ' ' << 8 | ' ');
    assert_int_equal(*reg(47067), 0);
}

static void registers_that_keep_their_content_are_named(void **state)
{
    (void)state;
    meter.spoils = 47062;
    prepare("lcd");
    ((struct wm3m4c_lcd_args *)run.args)->row2 = 8;
    play();
    bed_assert_failed(&run, MG_E_MISMATCH, "register 47062 is 0, 8 wanted");
    meter.spoils = 40174;
    prepare("lcd-period");
    play();
    bed_assert_failed(&run, MG_E_MISMATCH, "30 s wanted, 40174 holds 10");
}

static void the_period_is_changed(void **state)
{
    (void)state;
    prepare("lcd-period");
    play();
    bed_assert_done(&run);
    assert_int_equal(*reg(40174), 30);
    assert_int_equal(run.log[0].function, 6);
}

static void the_last_charging_is_reset(void **state)
{
    (void)state;
    *reg(47002) = 3600;
    *reg(47003) = 1;
    prepare("reset-consumption");
    play();
    bed_assert_done(&run);
    assert_int_equal(*reg(47070), 1);
    assert_int_equal(*reg(47002), 0);
    assert_int_equal(value_of(MG_CH(SESSION_ENERGY, TOTAL)), 0);
    *reg(47003) = 1;
    meter.is_deaf = true;
    play();
    bed_assert_failed(&run, MG_E_MISMATCH, "47003 65536 Wh");
    *reg(47000) = 1;
    play();
    bed_assert_failed(&run, MG_E_STATE, "not while charging");
}

static void the_line_speed_is_followed(void **state)
{
    (void)state;
    prepare("set-baud");
    play();
    bed_assert_done(&run);
    assert_int_equal(run.out.baud, 1200);
    assert_int_equal(meter.baud, 1200);
    assert_int_equal(value_of(MG_CH(BAUD, TOTAL)), 1200);
    bed_meter_init(&meter);
    meter.is_deaf = true;
    play();
    bed_assert_failed(&run, MG_E_MISMATCH, "(1200 baud) wanted, 40203 holds 7");
    assert_int_equal(run.out.baud, 0);
}

static void write_only_registers_are_believed(void **state)
{
    (void)state;
    prepare("save-settings");
    play();
    bed_assert_done(&run);
    assert_int_equal(*reg(40012), 1);
    prepare("fw-screen");
    play();
    bed_assert_done(&run);
    assert_int_equal(*reg(47075), 30);
    (void)bed_play(&run, 1, BED_LOST_ANSWER);
    bed_assert_failed(&run, MG_E_TIMEOUT, "whether it did is not known");
    (void)bed_play(&run, 1, BED_RESTARTED);
    bed_assert_failed(&run, MG_E_TIMEOUT, "whether it did is not known");
    assert_int_equal(run.n_log, 1);
}

static void refusals_name_the_register(void **state)
{
    (void)state;
    meter.refused = 47075;
    meter.refuses = 3;
    prepare("fw-screen");
    play();
    bed_assert_failed(&run, MG_E_EXCEPTION,
                      "exception 3 (value refused) when register 47075 was "
                      "written");
    meter.refused = 47062;
    meter.refuses = 2;
    prepare("lcd");
    ((struct wm3m4c_lcd_args *)run.args)->row2 = 8;
    play();
    bed_assert_failed(&run, MG_E_EXCEPTION, "register 47062 was written");
}

static void a_silent_meter_is_left(void **state)
{
    (void)state;
    prepare("lcd-period");
    (void)bed_play(&run, 1, BED_SILENCE);
    bed_assert_failed(&run, MG_E_TIMEOUT, "nothing was changed");
    (void)bed_play(&run, 2, BED_SILENCE);
    bed_assert_failed(&run, MG_E_TIMEOUT, "whether it did is not known");
}

/* On a new meter, where each of them has something to do. */
static void act(const char *verb, unsigned at, enum bed_trouble trouble)
{
    bed_meter_init(&meter);
    *reg(47003) = 1;
    prepare(verb);
    if (strcmp(verb, "lcd") == 0) {
        ((struct wm3m4c_lcd_args *)run.args)->row2 = 8;
    }
    (void)bed_play(&run, at, trouble);
}

/* What acts is sent once at most, whatever happens. */
static void settings_with_trouble_at_every_step(void **state)
{
    (void)state;
    static const char *const VERBS[] = {
        "set-clock", "lcd",           "lcd-period", "reset-consumption",
        "set-baud",  "save-settings", "fw-screen"};
    for (size_t v = 0; v < sizeof VERBS / sizeof *VERBS; v++) {
        act(VERBS[v], BED_NOWHERE, BED_NO_TROUBLE);
        bed_assert_done(&run);
        assert_int_equal(run.n_effects, 1);
        unsigned n = run.n_steps;
        for (unsigned at = 1; at < n; at++) {
            for (unsigned t = 1; t < BED_N_TROUBLES; t++) {
                act(VERBS[v], at, (enum bed_trouble)t);
                assert_true(run.n_effects <= 1);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_clock_is_set_in_either_form, setup),
        cmocka_unit_test_setup(the_clock_is_not_set_while_charging, setup),
        cmocka_unit_test_setup(a_clock_that_does_not_move_is_said, setup),
        cmocka_unit_test_setup(the_display_changes_in_one_request, setup),
        cmocka_unit_test_setup(short_texts_are_filled_with_blanks, setup),
        cmocka_unit_test_setup(registers_that_keep_their_content_are_named,
                               setup),
        cmocka_unit_test_setup(the_period_is_changed, setup),
        cmocka_unit_test_setup(the_last_charging_is_reset, setup),
        cmocka_unit_test_setup(the_line_speed_is_followed, setup),
        cmocka_unit_test_setup(write_only_registers_are_believed, setup),
        cmocka_unit_test_setup(refusals_name_the_register, setup),
        cmocka_unit_test_setup(a_silent_meter_is_left, setup),
        cmocka_unit_test_setup(settings_with_trouble_at_every_step, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
