/* The session procedure of the WM3M4C driver against a meter of a few lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

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

static void session(unsigned op)
{
    bed_session(&run, &meter, op);
}

/* A new run with these arguments, not played yet. */
static struct mg_session_args *prepare(unsigned op)
{
    bed_run_init(&run, &meter, "session");
    struct mg_session_args *args = (struct mg_session_args *)run.args;
    args->op = (uint8_t)op;
    args->reason = 'E';
    args->offset_min = 120;
    return args;
}

static void play(void)
{
    (void)bed_play(&run, BED_NOWHERE, BED_NO_TROUBLE);
}

static void begin(void)
{
    session(MG_SESSION_BEGIN);
    bed_assert_done(&run);
}

static int64_t value_of(mg_channel channel)
{
    const struct mg_value *v = bed_value(&run, channel);
    assert_non_null(v);
    return v->value;
}

static void assert_write(size_t i, unsigned number, unsigned n, unsigned first)
{
    assert_true(i < run.n_log);
    assert_int_equal(run.log[i].address + 40000, number);
    assert_int_equal(run.log[i].n, n);
    assert_int_equal(run.log[i].function, n == 1 ? 6 : 16);
    assert_int_equal(run.log[i].first, first);
}

/* ---- The procedure of the manual ---- */

/* 5.4, with the form of the time before the time; 5.5.4: summer time in
 * Slovenia is 120; 1570096309 is 5D95C4B5. */
static void begin_writes_what_the_manual_says(void **state)
{
    (void)state;
    begin();
    size_t i = 0;
    assert_write(i++, 47073, 1, 1);
    assert_write(i++, 47053, 1, 120);
    assert_write(i++, 47054, 2, 0x5d95);
    assert_int_equal(*reg(47054), 0x5d95);
    assert_int_equal(*reg(47055), 0xc4b5);
    assert_write(i++, 47071, 1, 2);
    assert_write(i++, 47072, 1, 1440);
    assert_write(i++, 47059, 1, 0);
    assert_write(i++, 47076, 1, 1);
    assert_write(i++, 47100, 68, '{' << 8 | '"');
    assert_write(i++, 47056, 1, (unsigned)run.text_len);
    assert_write(i++, 47051, 1, 'B' << 8);
    assert_int_equal(run.n_log, i);
    assert_int_equal(run.text_len, 136);
    assert_int_equal(*reg(47167), ']' << 8 | '}');
    bed_assert_record(&run);
    assert_int_equal(value_of(MG_CH(SESSION_STATE, TOTAL)), 1);
    assert_int_equal(value_of(MG_CH(SIGNATURE_STATUS, TOTAL)), 15);
    assert_int_equal(value_of(MG_CH(SIGNATURES, TOTAL)), 82212);
}

static void a_charging_with_all_operations(void **state)
{
    (void)state;
    static const uint8_t OPS[] = {
        MG_SESSION_INTERMEDIATE, MG_SESSION_TARIFF,    MG_SESSION_SUSPEND,
        MG_SESSION_RESUME,       MG_SESSION_FISCAL,    MG_SESSION_HOLD,
        MG_SESSION_INTERMEDIATE, MG_SESSION_EXCEPTION, MG_SESSION_END};
    begin();
    for (size_t i = 0; i < sizeof OPS; i++) {
        session(OPS[i]);
        bed_assert_done(&run);
        assert_int_equal(run.n_log, 1); /* the command and nothing else */
        if (OPS[i] != MG_SESSION_HOLD) {
            bed_assert_record(&run);
        }
    }
    assert_string_equal(meter.commands, "BCTSCfhCXr");
    assert_int_equal(value_of(MG_CH(SESSION_STATE, TOTAL)), 0);
    assert_int_equal(meter.n_time_writes, 1);
}

static void hold_says_what_is_held_and_reads_no_record(void **state)
{
    (void)state;
    begin();
    session(MG_SESSION_HOLD);
    bed_assert_done(&run);
    assert_int_equal(run.chunk_len[MG_CHUNK_PAYLOAD], 0);
    assert_true(value_of(MG_CH(HOLD_TIME, TOTAL)) >= 1000);
    assert_int_equal(value_of(MG_CH(HOLD_ENERGY, TOTAL)), 123456000);
    assert_int_equal(value_of(MG_CH(SESSION_STATE, TOTAL)), 1);
    /* Held again within the same second. */
    uint64_t now_ms = meter.now_ms;
    meter.now_ms -= 300;
    session(MG_SESSION_HOLD);
    bed_assert_done(&run);
    assert_true(meter.now_ms > now_ms);
}

static void clock_states_of_table_3(void **state)
{
    (void)state;
    static const struct {
        enum mg_clock_sync clock;
        uint16_t content;
    } CASES[] = {{MG_CLOCK_UNSYNC, 0},
                 {MG_CLOCK_INFORMATIVE, 1},
                 {MG_CLOCK_SYNCED, 2},
                 {MG_CLOCK_RELATIVE, 3}};
    for (size_t i = 0; i < 4; i++) {
        bed_meter_init(&meter);
        (void)prepare(MG_SESSION_BEGIN);
        run.clock = CASES[i].clock;
        play();
        bed_assert_done(&run);
        assert_int_equal(*reg(47071), CASES[i].content);
    }
}

static void zones_west_of_greenwich(void **state)
{
    (void)state;
    prepare(MG_SESSION_BEGIN)->offset_min = -210;
    play();
    bed_assert_done(&run);
    assert_int_equal(*reg(47053), 65536 - 210);
}

static void options_become_settings(void **state)
{
    (void)state;
    (void)prepare(MG_SESSION_BEGIN);
    run.options.signature_format = WM3M4C_BASE64;
    run.options.end_format = 2;
    run.options.clock_timeout_min = 600;
    run.options.lcd_time = WM3M4C_UTC;
    run.options.record_time = WM3M4C_UTC;
    run.options.lcd_row2 = 9;
    memcpy(run.options.lcd_text, "EVSE 1", 7);
    memcpy(run.options.lcd_label, "LAdE", 5);
    play();
    bed_assert_done(&run);
    assert_int_equal(*reg(47059), 1);
    assert_int_equal(*reg(47076), 2);
    assert_int_equal(*reg(47072), 600);
    assert_int_equal(*reg(47073), 7);
    assert_int_equal(*reg(47062), 9);
    assert_int_equal(*reg(47063), 'E' << 8 | 'V');
    assert_int_equal(*reg(47066), ' ' << 8 | ' ');
    assert_int_equal(*reg(47067), 'L' << 8 | 'A');
    assert_int_equal(*reg(47068), 'd' << 8 | 'E');
    bed_assert_record(&run); /* as base64 */
}

/* ---- Dataset and record of any length ---- */

static char long_text[2000];

static void datasets_of_any_length(void **state)
{
    (void)state;
    static const size_t LENS[] = {1, 2, 3, 239, 240, 241, 480, 1023, 1024};
    for (size_t i = 0; i < sizeof long_text; i++) {
        long_text[i] = (char)(' ' + i % 95);
    }
    for (size_t k = 0; k < sizeof LENS / sizeof *LENS; k++) {
        bed_meter_init(&meter);
        (void)prepare(MG_SESSION_BEGIN);
        run.text = long_text;
        run.text_len = LENS[k];
        play();
        bed_assert_done(&run);
        assert_int_equal(*reg(47056), LENS[k]);
        assert_int_equal(meter.n_dataset_writes, (LENS[k] + 239) / 240);
        for (size_t i = 0; i < LENS[k]; i++) {
            unsigned content = *reg(47100 + (unsigned)i / 2);
            assert_int_equal(i % 2 == 0 ? content >> 8 : content & 0xff,
                             long_text[i]);
        }
    }
}

static void datasets_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const size_t LENS[] = {0, 1025, 2000};
    for (size_t k = 0; k < 3; k++) {
        (void)prepare(MG_SESSION_BEGIN);
        run.text = long_text;
        run.text_len = LENS[k];
        play();
        bed_assert_failed(&run, MG_E_INVAL, " bytes, 1 to 1024 expected");
        assert_int_equal(run.n_log, 0);
    }
    run.text = NULL;
    play();
    bed_assert_failed(&run, MG_E_INVAL, "the dataset has 0 bytes");
}

static void a_dataset_read_back_wrong_is_not_begun(void **state)
{
    (void)state;
    memset(long_text, 'x', sizeof long_text);
    for (unsigned number = 47100; number < 47100 + 250; number += 83) {
        bed_meter_init(&meter);
        meter.spoils = (uint16_t)number;
        (void)prepare(MG_SESSION_BEGIN);
        run.text = long_text;
        run.text_len = 501;
        play();
        char part[64];
        (void)snprintf(part, sizeof part, "differs at byte %u, register %u",
                       (number - 47100) * 2, number);
        bed_assert_failed(&run, MG_E_MISMATCH, part);
        assert_int_equal(meter.n_commands, 0);
        assert_null(strstr(run.out.reason, "xx")); /* says no content */
    }
}

static void records_of_any_length(void **state)
{
    (void)state;
    static const struct {
        uint16_t output, signature;
    } LENS[] = {{1, 1},     {2, 2},      {239, 70},  {240, 72},
                {241, 240}, {1023, 241}, {1024, 256}};
    for (size_t k = 0; k < sizeof LENS / sizeof *LENS; k++) {
        bed_meter_init(&meter);
        meter.output_len = LENS[k].output;
        meter.signature_len = LENS[k].signature;
        begin();
        assert_int_equal(run.chunk_len[MG_CHUNK_PAYLOAD], LENS[k].output);
        bed_assert_record(&run);
    }
}

static void records_of_no_sane_length_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint16_t output, signature;
        const char *part;
    } LENS[] = {{0, 70, "output of 0 bytes"},
                {1025, 70, "output of 1025 bytes (47057)"},
                {65535, 70, "output of 65535"},
                {500, 0, "signature of 0"},
                {500, 257, "signature of 257"}};
    for (size_t k = 0; k < sizeof LENS / sizeof *LENS; k++) {
        bed_meter_init(&meter);
        meter.output_len = LENS[k].output;
        meter.signature_len = LENS[k].signature;
        session(MG_SESSION_BEGIN);
        bed_assert_failed(&run, MG_E_PROTO, LENS[k].part);
        assert_int_equal(run.chunk_len[MG_CHUNK_PAYLOAD], 0);
    }
}

/* ---- States ---- */

static void operations_need_their_state(void **state)
{
    (void)state;
    static const struct {
        uint16_t state;
        uint8_t op;
        const char *part;
    } CASES[] = {
        {1, MG_SESSION_BEGIN, "meter status 47000 is 1 (active), idle (0) "},
        {2, MG_SESSION_BEGIN,
         "meter status 47000 is 2 (active after power failure), idle (0) "
         "expected"},
        {3, MG_SESSION_BEGIN, "47000 is 3 (active after reset), idle (0) exp"},
        {9, MG_SESSION_BEGIN, "47000 is 9 (not documented), idle (0) expected"},
        {1, MG_SESSION_LAST, "idle (0) expected"},
        {0, MG_SESSION_END,
         "meter status 47000 is 0 (idle), active (1 to 3) expected"},
        {0, MG_SESSION_INTERMEDIATE, "active (1 to 3) expected"},
        {0, MG_SESSION_TARIFF, "active (1 to 3) expected"},
        {0, MG_SESSION_SUSPEND, "active (1 to 3) expected"},
        {0, MG_SESSION_RESUME, "active (1 to 3) expected"},
        {0, MG_SESSION_HOLD, "active (1 to 3) expected"},
        {0, MG_SESSION_EXCEPTION, "active (1 to 3) expected"},
        {0, MG_SESSION_RESTORE, "active (1 to 3) expected"},
        {0, MG_SESSION_ADJUST, "active (1 to 3) expected"},
        {4, MG_SESSION_FISCAL, "47000 is 4 (not documented)"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        bed_meter_init(&meter);
        *reg(47000) = CASES[i].state;
        session(CASES[i].op);
        bed_assert_failed(&run, MG_E_STATE, CASES[i].part);
        assert_int_equal(run.n_log, 0);
    }
}

static void fiscal_readings_in_any_state(void **state)
{
    (void)state;
    session(MG_SESSION_FISCAL); /* idle: with a dataset of its own */
    bed_assert_done(&run);
    bed_assert_record(&run);
    assert_write(0, 47073, 1, 1);
    assert_int_equal(meter.n_dataset_writes, 1);
    assert_int_equal(value_of(MG_CH(SIGNATURES, TOTAL)), 82211);
    begin();
    session(MG_SESSION_FISCAL);
    bed_assert_done(&run);
    assert_int_equal(run.n_log, 1);
    assert_string_equal(meter.commands, "fBf");
}

/* 5.5.17 and 5.5.18: time and dataset again, and what shapes the record. */
static void power_loss_and_reset_are_restored(void **state)
{
    (void)state;
    for (uint16_t status = 2; status <= 3; status++) {
        bed_meter_init(&meter);
        begin();
        bed_meter_power_cycle(&meter);
        *reg(47000) = status;
        session(MG_SESSION_RESTORE);
        bed_assert_done(&run);
        assert_write(0, 47073, 1, 1);
        assert_write(1, 47053, 1, 120);
        assert_int_equal(run.log[2].address, 7054);
        assert_write(3, 47071, 1, 2);
        assert_write(4, 47072, 1, 1440);
        assert_write(5, 47059, 1, 0);
        assert_write(6, 47076, 1, 1);
        assert_write(7, 47100, 68, '{' << 8 | '"');
        assert_write(8, 47056, 1, 136);
        assert_int_equal(run.n_log, 9);
        assert_int_equal(value_of(MG_CH(SESSION_STATE, TOTAL)), status);
        assert_string_equal(meter.commands, "B");
    }
}

static void the_end_restores_first(void **state)
{
    (void)state;
    for (uint16_t status = 2; status <= 3; status++) {
        bed_meter_init(&meter);
        begin();
        bed_meter_power_cycle(&meter);
        *reg(47000) = status;
        session(MG_SESSION_END);
        bed_assert_done(&run);
        bed_assert_record(&run);
        assert_int_equal(run.n_log, 10);
        assert_write(9, 47051, 1, 'r' << 8);
        assert_int_equal(*reg(47056), 136);
        assert_int_equal(value_of(MG_CH(SESSION_STATE, TOTAL)), 0);
    }
    begin();
    bed_meter_power_cycle(&meter);
    (void)prepare(MG_SESSION_END);
    run.text = NULL;
    run.text_len = 0;
    play();
    bed_assert_failed(&run, MG_E_INVAL, "the dataset has 0 bytes");
}

static void nothing_is_restored_while_all_is_well(void **state)
{
    (void)state;
    begin();
    session(MG_SESSION_RESTORE);
    bed_assert_done(&run);
    assert_int_equal(run.n_log, 0);
}

/* ---- Versions, formats, kinds ---- */

static void versions_differ(void **state)
{
    (void)state;
    static const struct {
        uint16_t version;
        bool has_ending, has_last;
    } CASES[] = {{203, false, false}, {204, false, false}, {205, true, false},
                 {207, true, false},  {208, true, true},   {300, true, true}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        bed_meter_init(&meter);
        meter.input[13] = CASES[i].version;
        (void)prepare(MG_SESSION_BEGIN);
        run.options.end_format = 2;
        play();
        bed_assert_done(&run);
        assert_int_equal(*reg(47076), CASES[i].has_ending ? 2 : 0);
        session(MG_SESSION_END);
        bed_assert_done(&run);
        assert_string_equal(meter.commands, CASES[i].has_ending ? "BR" : "Br");
        session(MG_SESSION_LAST);
        if (CASES[i].has_last) {
            bed_assert_done(&run);
            bed_assert_record(&run);
        } else {
            bed_assert_failed(&run, MG_E_NOSUP, "command i needs version 2.08");
        }
    }
}

/* Without 30013 the meter is taken for the oldest. */
static void a_version_that_is_not_there(void **state)
{
    (void)state;
    meter.has_no_version = true;
    meter.input[13] = 208;
    begin();
    assert_int_equal(*reg(47076), 0);
    session(MG_SESSION_END);
    bed_assert_done(&run);
    assert_string_equal(meter.commands, "Br");
}

static void ends_of_table_12(void **state)
{
    (void)state;
    static const char REASONS[] = "ELRAP";
    for (uint16_t ending = 0; ending <= 2; ending++) {
        for (size_t i = 0; i < 5; i++) {
            bed_meter_init(&meter);
            (void)prepare(MG_SESSION_BEGIN);
            run.options.end_format = ending;
            play();
            bed_assert_done(&run);
            /* The option may have changed meanwhile: the meter decides. */
            prepare(MG_SESSION_END)->reason = REASONS[i];
            run.options.end_format = 1;
            play();
            bed_assert_done(&run);
            assert_int_equal(meter.commands[1], ending == 2 ? REASONS[i] : 'r');
        }
    }
    prepare(MG_SESSION_END)->reason = 'B';
    *reg(47000) = 1;
    play();
    bed_assert_failed(&run, MG_E_INVAL, "E, L, R, A or P expected");
    assert_int_equal(run.n_log, 0);
}

static void meters_that_do_not_sign(void **state)
{
    (void)state;
    *reg(47060) = 0;
    session(MG_SESSION_LOOK);
    bed_assert_failed(&run, MG_E_NOSUP, "this meter does not sign");
    session(MG_SESSION_BEGIN);
    bed_assert_failed(&run, MG_E_NOSUP, "47060 is 0, 4 (P-256) expected");
    *reg(47060) = 4;
    *reg(47069) = 0x0200;
    session(MG_SESSION_BEGIN);
    bed_assert_failed(&run, MG_E_NOSUP, "47069 is 2.x, 1.x expected");
    *reg(47069) = 0x0103;
    begin();
}

static void operations_that_do_not_exist(void **state)
{
    (void)state;
    session(MG_SESSION_ADJUST + 1);
    bed_assert_failed(&run, MG_E_NOSUP, "operation 13 of a session");
    session(255);
    bed_assert_failed(&run, MG_E_NOSUP, "operation 255");
}

/* ---- Adjustment ---- */

static void the_clock_is_adjusted_by_three_seconds(void **state)
{
    (void)state;
    begin();
    for (int s = -4; s <= 4; s++) {
        prepare(MG_SESSION_ADJUST)->adjust_s = (int8_t)s;
        play();
        if (s < -3 || s > 3) {
            bed_assert_failed(&run, MG_E_RANGE, "at most 3 s");
            assert_int_equal(run.n_log, 0);
            continue;
        }
        bed_assert_done(&run);
        assert_int_equal((int16_t)*reg(47074), s);
        assert_int_equal(run.n_log, 1);
    }
}

static void an_adjustment_is_never_repeated(void **state)
{
    (void)state;
    begin();
    for (unsigned t = BED_LOST_REQUEST; t < BED_N_TROUBLES; t++) {
        prepare(MG_SESSION_ADJUST)->adjust_s = 3;
        unsigned n = bed_play(&run, BED_NOWHERE, BED_NO_TROUBLE);
        for (unsigned at = 1; at < n; at++) {
            prepare(MG_SESSION_ADJUST)->adjust_s = 3;
            (void)bed_play(&run, at, (enum bed_trouble)t);
            assert_true(run.n_effects <= 1);
        }
    }
    prepare(MG_SESSION_ADJUST)->adjust_s = 3;
    unsigned n = bed_play(&run, BED_NOWHERE, BED_NO_TROUBLE);
    (void)bed_play(&run, n - 1, BED_LOST_ANSWER);
    bed_assert_failed(&run, MG_E_TIMEOUT, "not known");
}

/* ---- 47052 ---- */

static const struct {
    uint16_t status;
    const char *text;
} TABLE_7[] = {
    {128,
     "47052 is 128 (invalid date time) after command B, signature OK (15)"},
    {129, "(checksum error)"},
    {130, "(invalid command)"},
    {131, "(invalid state)"},
    {132, "(invalid measurement)"},
    {133, "(test mode error)"},
    {243, "(verify state error)"},
    {244, "(signature state error)"},
    {245, "(keypair generation)"},
    {246, "(SHA failed)"},
    {247, "(init failed)"},
    {248, "(data not locked)"},
    {249, "(config not locked)"},
    {250, "(verify error)"},
    {251, "(public key error)"},
    {252, "(invalid message format)"},
    {253, "(invalid message size)"},
    {254, "(signature error)"},
    {255, "(undefined error)"},
    {200, "47052 is 200 (not documented)"},
};

static void every_error_of_table_7_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof TABLE_7 / sizeof *TABLE_7; i++) {
        bed_meter_init(&meter);
        meter.error = TABLE_7[i].status;
        session(MG_SESSION_BEGIN);
        bed_assert_failed(&run, MG_E_EXCEPTION, TABLE_7[i].text);
        assert_int_equal(run.chunk_len[MG_CHUNK_PAYLOAD], 0);
        assert_int_equal(meter.n_commands, 1);
    }
}

/* The content of 47052 before the command is no answer to it. */
static void an_old_status_is_not_believed(void **state)
{
    (void)state;
    static const uint16_t OLD[] = {0, 1, 15, 131, 254};
    for (size_t i = 0; i < sizeof OLD / sizeof *OLD; i++) {
        bed_meter_init(&meter);
        *reg(47052) = OLD[i];
        *reg(47057) = 77;
        *reg(47058) = 70;
        meter.counts_at_once = i % 2 == 0;
        meter.latency_ms = meter.counts_at_once ? 250 : 700;
        begin();
        bed_assert_record(&run);
        assert_int_equal(run.chunk_len[MG_CHUNK_PAYLOAD], 501);
    }
}

static void the_same_error_twice_is_an_error(void **state)
{
    (void)state;
    meter.error = 254;
    *reg(47052) = 254;
    meter.sign_ms = 0;
    session(MG_SESSION_BEGIN);
    bed_assert_failed(&run, MG_E_EXCEPTION, "47052 is 254");
}

static void a_change_of_47052_is_believed_at_once(void **state)
{
    (void)state;
    begin();
    uint64_t from_ms = meter.now_ms;
    meter.sign_ms = 100;
    session(MG_SESSION_INTERMEDIATE);
    bed_assert_done(&run);
    assert_true(meter.now_ms - from_ms < 400);
    from_ms = meter.now_ms;
    meter.error = 254;
    session(MG_SESSION_INTERMEDIATE);
    bed_assert_failed(&run, MG_E_EXCEPTION, "47052 is 254");
    assert_true(meter.now_ms - from_ms < 400);
}

static void signing_may_take_seconds(void **state)
{
    (void)state;
    meter.sign_ms = 14000;
    begin();
    bed_assert_record(&run);
    assert_true(meter.now_ms >= 14000);
    assert_true(run.n_steps < 400);
}

static void but_not_for_ever(void **state)
{
    (void)state;
    meter.never_signs = true;
    session(MG_SESSION_BEGIN);
    bed_assert_failed(&run, MG_E_TIMEOUT,
                      "47052 is 2 (signature in progress) 15 s after command "
                      "B");
    assert_int_equal(meter.n_commands, 1);
    /* The next operation waits for it first, then gives up untold. */
    session(MG_SESSION_END);
    bed_assert_failed(&run, MG_E_BUSY, "for 15 s; the command was not given");
    assert_int_equal(meter.n_commands, 1);
    assert_int_equal(run.n_log, 0);
}

/* Signed for somebody else, or long ago: the count says so. */
static void a_signature_without_a_count_is_none(void **state)
{
    (void)state;
    begin();
    *reg(47000) = 0;
    meter.spoils = 47051; /* command 'B' again does nothing */
    *reg(47051) = 0;
    session(MG_SESSION_BEGIN);
    bed_assert_failed(&run, MG_E_EXCEPTION, "47052 is 131");
    bed_meter_init(&meter);
    *reg(47052) = 15;
    meter.is_deaf = true;
    session(MG_SESSION_FISCAL);
    bed_assert_failed(&run, MG_E_MISMATCH, "read back differs");
    *reg(47000) = 1;
    session(MG_SESSION_INTERMEDIATE);
    bed_assert_failed(&run, MG_E_TIMEOUT, "but 47013 did not go up");
}

static void commands_that_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t exception;
        const char *part;
    } CASES[] = {
        {1, "exception 1 (no such function) when register 47051 was written"},
        {2, "exception 2 (no such register) when register 47051 was written"},
        {3, "exception 3 (value refused)"},
        {4, "exception 4 (failure in the meter)"},
        {99, "exception 99 when register"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        bed_meter_init(&meter);
        meter.refused = 47051;
        meter.refuses = CASES[i].exception;
        session(MG_SESSION_BEGIN);
        bed_assert_failed(&run, MG_E_EXCEPTION, CASES[i].part);
    }
    meter.refused = 47054;
    meter.refuses = 3;
    session(MG_SESSION_BEGIN);
    bed_assert_failed(&run, MG_E_EXCEPTION, "register 47054 was written");
    assert_int_equal(meter.n_commands, 0);
}

/* ---- Look ---- */

static void looking_writes_nothing(void **state)
{
    (void)state;
    session(MG_SESSION_LOOK);
    bed_assert_done(&run);
    assert_int_equal(run.n_log, 0);
    assert_int_equal(run.chunk_len[MG_CHUNK_PAYLOAD], 0);
    assert_int_equal(run.chunk_len[MG_CHUNK_SIGNATURE_DER], 0);
    assert_int_equal(run.chunk_len[MG_CHUNK_PUBLIC_KEY], 64); /* always */
    assert_int_equal(value_of(MG_CH(SESSION_STATE, TOTAL)), 0);
    assert_int_equal(value_of(MG_CH(SIGNATURE_STATUS, TOTAL)), 0);
    assert_int_equal(value_of(MG_CH(CLOCK_STATUS, TOTAL)), 0);
    begin();
    session(MG_SESSION_LOOK);
    bed_assert_done(&run);
    bed_assert_record(&run); /* it is still there */
    assert_int_equal(run.n_log, 0);
    assert_int_equal(value_of(MG_CH(SESSION_STATE, TOTAL)), 1);
    assert_int_equal(value_of(MG_CH(CLOCK_STATUS, TOTAL)), 2);
    assert_int_equal(value_of(MG_CH(SIGNATURES, TOTAL)), 82212);
    bed_meter_power_cycle(&meter);
    session(MG_SESSION_LOOK);
    bed_assert_done(&run);
    assert_int_equal(run.chunk_len[MG_CHUNK_PAYLOAD], 0);
    assert_int_equal(value_of(MG_CH(SESSION_STATE, TOTAL)), 2);
}

static void looking_does_not_mind_strange_lengths(void **state)
{
    (void)state;
    *reg(47052) = 15;
    *reg(47057) = 1025;
    *reg(47058) = 70;
    session(MG_SESSION_LOOK);
    bed_assert_done(&run);
    assert_int_equal(run.chunk_len[MG_CHUNK_PAYLOAD], 0);
}

/* ---- Trouble at every step ---- */

struct drama {
    unsigned op;
    bool is_after_power_loss;
    char letter;
    bool is_hold;
};

static const struct drama DRAMAS[] = {
    {MG_SESSION_BEGIN, false, 'B', false},
    {MG_SESSION_INTERMEDIATE, false, 'C', false},
    {MG_SESSION_FISCAL, false, 'f', false},
    {MG_SESSION_HOLD, false, 'h', true},
    {MG_SESSION_END, false, 'r', false},
    {MG_SESSION_END, true, 'r', false},
};

static void stage(const struct drama *d, bool counts_at_once)
{
    bed_meter_init(&meter);
    meter.counts_at_once = counts_at_once;
    if (d->op != MG_SESSION_BEGIN) {
        begin();
        meter.now_ms += 5000;
    }
    if (d->is_after_power_loss) {
        bed_meter_power_cycle(&meter);
    }
    meter.n_commands = 0;
    meter.n_carried_out = 0;
    memset(meter.commands, 0, sizeof meter.commands);
    (void)prepare(d->op);
}

/* Carried out once, and the record is here; or not at all, and said. */
static void check_drama(const struct drama *d, enum bed_trouble t, unsigned at)
{
    if (meter.n_carried_out > 1) {
        fail_msg("%c carried out %zu times, trouble %u at %u", d->letter,
                 meter.n_carried_out, t, at);
    }
    bool is_done = run.out.action == MG_STEP_DONE;
    if (is_done) {
        assert_int_equal(meter.n_carried_out, 1);
        if (!d->is_hold) {
            bed_assert_record(&run);
        }
    } else if (t == BED_CANCELED) {
        assert_int_equal(run.out.code, MG_E_CANCELED);
        assert_int_equal(meter.n_commands, 0);
    } else if (t == BED_SILENCE) {
        bed_assert_failed(&run, MG_E_TIMEOUT, "no answer for register 4");
    } else if (t == BED_GARBLED) {
        assert_int_equal(run.out.code, MG_E_PROTO);
    } else {
        fail_msg("%c, trouble %u at %u: %s", d->letter, t, at, run.out.reason);
    }
}

static void play_with_trouble(const struct drama *d, bool counts_at_once,
                              unsigned at)
{
    for (unsigned t = 1; t < BED_N_TROUBLES; t++) {
        stage(d, counts_at_once);
        (void)bed_play(&run, at, (enum bed_trouble)t);
        if (t == BED_SILENCE && at == 1) {
            bed_assert_failed(&run, MG_E_TIMEOUT, "30013");
        } else {
            check_drama(d, (enum bed_trouble)t, at);
        }
    }
}

static void trouble_at_every_step(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * (sizeof DRAMAS / sizeof *DRAMAS); i++) {
        const struct drama *d = &DRAMAS[i / 2];
        stage(d, i % 2 == 0);
        unsigned n = bed_play(&run, BED_NOWHERE, BED_NO_TROUBLE);
        check_drama(d, BED_NO_TROUBLE, 0);
        for (unsigned at = 1; at < n; at++) {
            play_with_trouble(d, i % 2 == 0, at);
        }
    }
}

/* The command's step: the first whose request is FC06 to 47051. */
static unsigned step_of_command(const struct drama *d)
{
    stage(d, false);
    unsigned n = bed_play(&run, BED_NOWHERE, BED_NO_TROUBLE);
    for (unsigned at = 1; at < n; at++) {
        stage(d, false);
        (void)bed_play(&run, at, BED_LOST_REQUEST);
        if (run.n_log > 1 && run.log[run.n_log - 1].address == 7051 &&
            run.log[run.n_log - 2].address == 7051) {
            return at;
        }
    }
    fail_msg("no step gives the command");
    return 0;
}

static void what_is_canceled_in_time_is_not_commanded(void **state)
{
    (void)state;
    unsigned last = step_of_command(&DRAMAS[0]);
    for (unsigned at = 1; at < last; at++) {
        stage(&DRAMAS[0], false);
        (void)bed_play(&run, at, BED_CANCELED);
        bed_assert_failed(&run, MG_E_CANCELED, "before the meter was given");
        assert_int_equal(meter.n_commands, 0);
    }
    for (; last < 30; last++) {
        stage(&DRAMAS[0], false);
        (void)bed_play(&run, last, BED_CANCELED);
        bed_assert_done(&run); /* the record is not left behind */
        bed_assert_record(&run);
    }
}

static void looking_with_trouble_at_every_step(void **state)
{
    (void)state;
    begin();
    session(MG_SESSION_LOOK);
    unsigned n = run.n_steps;
    for (unsigned at = 1; at < n; at++) {
        for (unsigned t = 1; t < BED_N_TROUBLES; t++) {
            (void)prepare(MG_SESSION_LOOK);
            (void)bed_play(&run, at, (enum bed_trouble)t);
            assert_int_equal(run.n_effects, 0);
            if (run.out.action == MG_STEP_DONE) {
                bed_assert_record(&run);
            } else {
                assert_true(t == BED_SILENCE || t == BED_CANCELED ||
                            t == BED_GARBLED);
            }
        }
    }
}

static void a_lost_command_is_given_again_after_a_look(void **state)
{
    (void)state;
    unsigned at = step_of_command(&DRAMAS[0]);
    stage(&DRAMAS[0], false);
    (void)bed_play(&run, at, BED_LOST_ANSWER);
    bed_assert_done(&run);
    bed_assert_record(&run);
    assert_int_equal(meter.n_commands, 1);
    stage(&DRAMAS[0], false);
    (void)bed_play(&run, at, BED_RESTARTED);
    bed_assert_done(&run);
    assert_int_equal(meter.n_commands, 1);
    assert_int_equal(run.n_effects, 10);
    /* Not sent: everything anew, since hours may have gone by. */
    stage(&DRAMAS[0], false);
    (void)bed_play(&run, at, BED_NOT_SENT);
    bed_assert_done(&run);
    assert_int_equal(meter.n_commands, 1);
    assert_int_equal(run.n_effects, 20);
}

/* 47000 shows that begin and end were carried out, also when nothing was
 * signed and no count went up. */
static void an_error_after_a_lost_answer_is_named(void **state)
{
    (void)state;
    static const size_t PLACES[] = {0, 4}; /* begin, end */
    for (size_t i = 0; i < 2; i++) {
        const struct drama *d = &DRAMAS[PLACES[i]];
        unsigned at = step_of_command(d);
        for (unsigned t = BED_LOST_ANSWER; t < BED_SILENCE; t++) {
            if (t != BED_LOST_ANSWER && t != BED_RESTARTED) {
                continue;
            }
            stage(d, false);
            meter.error = 254;
            (void)bed_play(&run, at, (enum bed_trouble)t);
            bed_assert_failed(&run, MG_E_EXCEPTION, "47052 is 254");
            assert_int_equal(meter.n_commands, 1);
        }
    }
}

/* Signed, and then the power went before the output was read. */
static void an_output_that_is_gone_is_said(void **state)
{
    (void)state;
    const struct drama *d = &DRAMAS[4]; /* the end */
    stage(d, false);
    unsigned n = bed_play(&run, BED_NOWHERE, BED_NO_TROUBLE);
    uint8_t kept[MG_STEP_STATE_MAX];
    memcpy(kept, run.stored, sizeof kept);
    bed_meter_power_cycle(&meter);
    /* A gateway that knows the command was sent, and nothing else. */
    assert_true(n > 1);
    (void)prepare(MG_SESSION_END);
    memcpy(run.stored, kept, sizeof kept);
    run.is_stored = true;
    bed_resume(&run);
    bed_assert_failed(&run, MG_E_NOTFOUND,
                      "47052 is 0 (not initialised): the meter signed, but its "
                      "output is gone");
    assert_int_equal(meter.n_commands, 1);
}

static void an_output_that_goes_away_is_no_record(void **state)
{
    (void)state;
    static const uint16_t NUMBERS[] = {47612, 47732, 48188, 48124};
    for (size_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++) {
        bed_meter_init(&meter);
        begin();
        meter.dies_at = NUMBERS[i];
        session(MG_SESSION_END);
        bed_assert_failed(&run, MG_E_STATE,
                          "the output went away while it was read: 47052 is 0");
    }
}

static void a_damaged_state_is_refused(void **state)
{
    (void)state;
    (void)prepare(MG_SESSION_BEGIN);
    memset(run.state, 0xff, sizeof run.state);
    struct mg_step_in in = {
        .event = MG_STEP_RESUME, .options = &run.options, .args = run.args};
    memset(&run.out, 0, sizeof run.out);
    run.procedure->step(run.state, &in, &run.out);
    bed_assert_failed(&run, MG_E_INVAL, "damaged");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(begin_writes_what_the_manual_says, setup),
        cmocka_unit_test_setup(a_charging_with_all_operations, setup),
        cmocka_unit_test_setup(hold_says_what_is_held_and_reads_no_record,
                               setup),
        cmocka_unit_test_setup(clock_states_of_table_3, setup),
        cmocka_unit_test_setup(zones_west_of_greenwich, setup),
        cmocka_unit_test_setup(options_become_settings, setup),
        cmocka_unit_test_setup(datasets_of_any_length, setup),
        cmocka_unit_test_setup(datasets_that_do_not_fit_are_refused, setup),
        cmocka_unit_test_setup(a_dataset_read_back_wrong_is_not_begun, setup),
        cmocka_unit_test_setup(records_of_any_length, setup),
        cmocka_unit_test_setup(records_of_no_sane_length_are_refused, setup),
        cmocka_unit_test_setup(operations_need_their_state, setup),
        cmocka_unit_test_setup(fiscal_readings_in_any_state, setup),
        cmocka_unit_test_setup(power_loss_and_reset_are_restored, setup),
        cmocka_unit_test_setup(the_end_restores_first, setup),
        cmocka_unit_test_setup(nothing_is_restored_while_all_is_well, setup),
        cmocka_unit_test_setup(versions_differ, setup),
        cmocka_unit_test_setup(a_version_that_is_not_there, setup),
        cmocka_unit_test_setup(ends_of_table_12, setup),
        cmocka_unit_test_setup(meters_that_do_not_sign, setup),
        cmocka_unit_test_setup(operations_that_do_not_exist, setup),
        cmocka_unit_test_setup(the_clock_is_adjusted_by_three_seconds, setup),
        cmocka_unit_test_setup(an_adjustment_is_never_repeated, setup),
        cmocka_unit_test_setup(every_error_of_table_7_is_named, setup),
        cmocka_unit_test_setup(an_old_status_is_not_believed, setup),
        cmocka_unit_test_setup(the_same_error_twice_is_an_error, setup),
        cmocka_unit_test_setup(a_change_of_47052_is_believed_at_once, setup),
        cmocka_unit_test_setup(signing_may_take_seconds, setup),
        cmocka_unit_test_setup(but_not_for_ever, setup),
        cmocka_unit_test_setup(a_signature_without_a_count_is_none, setup),
        cmocka_unit_test_setup(commands_that_are_refused, setup),
        cmocka_unit_test_setup(looking_writes_nothing, setup),
        cmocka_unit_test_setup(looking_does_not_mind_strange_lengths, setup),
        cmocka_unit_test_setup(trouble_at_every_step, setup),
        cmocka_unit_test_setup(what_is_canceled_in_time_is_not_commanded,
                               setup),
        cmocka_unit_test_setup(looking_with_trouble_at_every_step, setup),
        cmocka_unit_test_setup(a_lost_command_is_given_again_after_a_look,
                               setup),
        cmocka_unit_test_setup(an_error_after_a_lost_answer_is_named, setup),
        cmocka_unit_test_setup(an_output_that_is_gone_is_said, setup),
        cmocka_unit_test_setup(an_output_that_goes_away_is_no_record, setup),
        cmocka_unit_test_setup(a_damaged_state_is_refused, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
