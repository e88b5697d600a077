/* What the gateway keeps: counters and register epochs, sequence numbers,
 * batches of readings, events; also across restarts and with a store that does
 * not keep up. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway_bed.h"

static struct gateway_bed *new_bed(void)
{
    struct gateway_bed *bed = malloc(sizeof *bed);
    assert_non_null(bed);
    bed_init(bed, 1);
    return bed;
}

static void done_with(struct gateway_bed *bed)
{
    bed_fini(bed);
    free(bed);
}

static void set_energy(struct gateway_bed *bed, double kwh)
{
    for (uint16_t i = 0; i < 14; i++) {
        bed_set_f32(&bed->fakes[0], (uint16_t)(REG_ENERGY + 2 * i), kwh + i);
    }
}

static const char *reading(struct gateway_bed *bed)
{
    return bed_topic(bed, "m/m0/state");
}

/* ---- Counters ---- */

static void test_counter_down(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed();
    bed_run(bed);
    bed_pass(bed, 10000);
    set_energy(bed, 50);
    bed_pass(bed, 3000); /* too short to be believed */
    assert_false(bed_has(reading(bed), "energy_active_wh"));
    assert_true(bed_has(reading(bed), "voltage_v"));
    bed_assert_text(reading(bed), "quality", "partial");
    assert_int_equal(bed_n_events(bed, "implausible"), 1);
    bed_assert_text(bed->event, "channel", "energy_active_wh");
    assert_int_equal(bed_int(bed->event, "before"), 100000000);
    assert_int_equal(bed_int(bed->event, "after"), 50000000);
    set_energy(bed, 100);
    bed_pass(bed, 10000);
    bed_assert_text(reading(bed), "energy_active_wh", "100000.000");
    bed_assert_text(reading(bed), "quality", "good");
    assert_int_equal(bed_int(reading(bed), "reg_epoch"), 1);
    assert_int_equal(bed_n_events(bed, "implausible"), 1);
    assert_int_equal(bed_n_events(bed, "register-epoch"), 0);
    /* It was asked whether it is still the same meter. */
    assert_in_range(bed_n_requests(bed, 0, 3, REG_SERIAL), 2, 4);
    set_energy(bed, 60);
    bed_pass(bed, 2000); /* a new trouble is said again */
    assert_int_equal(bed_n_events(bed, "implausible"), 2);
    done_with(bed);
}

static void test_new_level_that_lasts(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed();
    bed_run(bed);
    bed_pass(bed, 10000);
    set_energy(bed, 50);
    bed_pass(bed, 20000);
    assert_int_equal(bed_n_events(bed, "implausible"), 1);
    assert_int_equal(bed_n_events(bed, "register-epoch"), 1);
    assert_int_equal(bed_int(bed->event, "before"), 100000000);
    assert_int_equal(bed_int(bed->event, "after"), 50000000);
    assert_int_equal(bed_int(bed->event, "reg_epoch"), 2);
    assert_int_equal(bed_int(reading(bed), "reg_epoch"), 2);
    bed_assert_text(reading(bed), "energy_active_wh", "50000.000");
    assert_non_null(strstr(bed_topic(bed, "m/m0/info"), "\"reg_epoch\":2"));
    done_with(bed);
}

static void test_gauge_out_of_range(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed();
    bed_run(bed);
    bed_pass(bed, 10000);
    bed_set_f32(&bed->fakes[0], REG_VOLTAGE, 300);
    bed_pass(bed, 50000);
    assert_false(bed_has(reading(bed), "voltage_v"));
    assert_true(bed_has(reading(bed), "energy_active_wh"));
    assert_int_equal(bed_n_events(bed, "implausible"), 1);
    assert_int_equal(bed_int(bed->event, "after"), 300000);
    /* That says nothing about who it is. */
    assert_int_equal(bed_n_requests(bed, 0, 3, REG_SERIAL), 1);
    done_with(bed);
}

static void test_another_meter(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed();
    bed_run(bed);
    bed_pass(bed, 10000);
    bed_set_serial(&bed->fakes[0], "99000001");
    set_energy(bed, 3);
    bed_pass(bed, 5000);
    assert_int_equal(bed_n_events(bed, "meter-exchanged"), 1);
    assert_non_null(strstr(bed->event, "99000001"));
    assert_non_null(strstr(bed->event, "26000000"));
    assert_int_equal(bed_int(reading(bed), "reg_epoch"), 2);
    bed_assert_text(reading(bed), "energy_active_wh", "3000.000");
    assert_int_equal(bed_n_events(bed, "register-epoch"), 0);
    assert_int_equal(bed_n_events(bed, "implausible"), 1);
    assert_non_null(strstr(bed_topic(bed, "m/m0/info"), "99000001"));
    done_with(bed);
}

static void test_memory_survives_a_restart(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed();
    bed_run(bed);
    bed_pass(bed, 5000);
    set_energy(bed, 50);
    bed_pass(bed, 20000);
    assert_int_equal(bed_int(reading(bed), "reg_epoch"), 2);
    bed_stop(bed);
    set_energy(bed, 40);
    bed_run(bed);
    bed_pass(bed, 2000);
    assert_int_equal(bed_int(reading(bed), "reg_epoch"), 2);
    assert_false(bed_has(reading(bed), "energy_active_wh"));
    assert_int_equal(bed_n_events(bed, "implausible"), 2);
    assert_int_equal(bed_int(bed->event, "before"), 50000000);
    assert_int_equal(bed_n_events(bed, "meter-exchanged"), 0);
    bed_stop(bed);
    bed_set_serial(&bed->fakes[0], "99000001");
    bed_run(bed);
    bed_pass(bed, 2000);
    assert_int_equal(bed_n_events(bed, "meter-exchanged"), 1);
    assert_int_equal(bed_int(reading(bed), "reg_epoch"), 3);
    done_with(bed);
}

/* The epoch is on the disk before anybody can have relied on it. */
static void test_epoch_survives_a_kill(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed();
    bed_run(bed);
    bed_pass(bed, 5000);
    set_energy(bed, 50);
    bed_pass(bed, 8000);
    assert_int_equal(bed_int(reading(bed), "reg_epoch"), 2);
    bed_kill(bed);
    bed_run(bed);
    bed_pass(bed, 2000);
    assert_int_equal(bed_int(reading(bed), "reg_epoch"), 2);
    bed_assert_text(reading(bed), "energy_active_wh", "50000.000");
    done_with(bed);
}

/* ---- Sequence numbers ---- */

struct seqs {
    int64_t last, first;
    unsigned n, n_gaps;
};

static void take_seq(void *ctx, const char *json, size_t len)
{
    struct seqs *s = ctx;
    char text[2048];
    assert_true(len < sizeof text);
    (void)snprintf(text, sizeof text, "%.*s", (int)len, json);
    int64_t seq = bed_int(text, "seq");
    assert_true(seq > s->last);
    s->n_gaps += s->n > 0 && seq != s->last + 1;
    s->first = s->n == 0 ? seq : s->first;
    s->last = seq;
    s->n++;
}

static struct seqs all_seqs(struct gateway_bed *bed)
{
    struct seqs s = {0};
    bed_readings(bed, 0, take_seq, &s);
    return s;
}

static void test_numbers_across_clean_restarts(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed();
    for (unsigned i = 0; i < 4; i++) {
        bed_run(bed);
        bed_pass(bed, 14500);
        bed_stop(bed);
    }
    bed_run(bed);
    struct seqs s = all_seqs(bed);
    assert_int_equal(s.first, 1);
    assert_int_equal(s.n_gaps, 0);
    assert_in_range(s.n, 4 * 13, 4 * 15);
    assert_int_equal(bed_n_events(bed, "readings-lost"), 0);
    assert_int_equal(bed_n_events(bed, "started"), 5);
    assert_int_equal(bed_n_events(bed, "stopped"), 4);
    done_with(bed);
}

static void test_numbers_across_a_kill(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed();
    bed_run(bed);
    bed_pass(bed, 14500);
    int64_t shown = bed_int(reading(bed), "seq");
    struct seqs s = all_seqs(bed);
    assert_int_equal(s.last, 10); /* the others were in memory */
    assert_true(shown > 10);
    bed_kill(bed);
    bed_run(bed);
    assert_int_equal(bed_n_events(bed, "readings-lost"), 1);
    int64_t from = bed_int(bed->event, "seq_from");
    int64_t to = bed_int(bed->event, "seq_to");
    assert_int_equal(from, 11);
    assert_true(to >= shown);
    assert_int_equal(bed_int(bed->event, "at_most"), to - from + 1);
    bed_pass(bed, 12000);
    s = all_seqs(bed);
    assert_int_equal(s.n_gaps, 1);
    assert_true(s.last > to);
    assert_true(bed_int(reading(bed), "seq") > to);
    bed_stop(bed);
    bed_run(bed); /* said once */
    assert_int_equal(bed_n_events(bed, "readings-lost"), 1);
    done_with(bed);
}

/* Stopped before the first poll: nothing was given, nothing is lost. */
static void test_stop_before_the_first_poll(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed();
    bed_start(bed);
    bed_stop(bed);
    bed_run(bed);
    assert_int_equal(bed_n_events(bed, "readings-lost"), 0);
    bed_pass(bed, 12000);
    assert_int_equal(all_seqs(bed).first, 1);
    done_with(bed);
}

static void test_no_poll_before_the_reserve_is_durable(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed();
    bed->is_disk_slow = true;
    bed_start(bed);
    bed_pass(bed, 10000);
    assert_int_equal(bed->fakes[0].n_requests, 0);
    bed->is_disk_slow = false;
    mg_gateway_store_events()->durable(bed->gateway, bed->durable_ticket);
    bed_pass(bed, 10000);
    assert_int_equal(bed_int(reading(bed), "seq"), 10);
    done_with(bed);
}

static void test_no_number_beyond_the_reserve(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed();
    struct mg_gateway_stats stats;
    bed_run(bed);
    bed_pass(bed, 500);
    bed->is_disk_slow = true;
    bed_pass(bed, 100000);
    assert_false(bed_has(reading(bed), "seq"));
    assert_true(mg_gateway_is_behind(bed->gateway));
    mg_gateway_stats(bed->gateway, &stats);
    assert_in_range(stats.n_unstored, 35, 42);
    bed->is_disk_slow = false;
    mg_gateway_store_events()->durable(bed->gateway, bed->durable_ticket);
    bed_pass(bed, 30000);
    assert_false(mg_gateway_is_behind(bed->gateway));
    bed_stop(bed);
    bed_run(bed);
    struct seqs s = all_seqs(bed);
    assert_int_equal(s.n_gaps, 0);
    assert_in_range(s.n, 85, 95);
    done_with(bed);
}

/* ---- Batches ---- */

struct rows {
    unsigned n, n_readings, most, least;
    size_t longest;
};

static struct rows all_rows(struct gateway_bed *bed)
{
    struct mg_err err = {0};
    struct mg_store_row row = {0};
    struct rows r = {.least = UINT32_MAX};
    bed_settle(bed);
    struct mg_outbox *outbox = mg_outbox_open(bed->store, &err);
    assert_non_null(outbox);
    while (mg_outbox_next(outbox, row.id, &row, &err) == MG_OK) {
        if (row.class_ != MG_ROW_READINGS) {
            continue;
        }
        r.n++;
        r.n_readings += row.n_readings;
        r.most = row.n_readings > r.most ? row.n_readings : r.most;
        r.least = row.n_readings < r.least ? row.n_readings : r.least;
        r.longest = row.len > r.longest ? row.len : r.longest;
    }
    mg_outbox_close(outbox);
    return r;
}

static void test_full_batches(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed();
    bed_run(bed);
    bed_pass(bed, 45500);
    struct rows r = all_rows(bed);
    assert_int_equal(r.n, 4);
    assert_int_equal(r.most, 10);
    assert_int_equal(r.least, 10);
    done_with(bed);
}

static void test_batches_by_age(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed();
    bed->setup.outbox.max_age_ms = 3000;
    bed_run(bed);
    bed_pass(bed, 41500);
    struct rows r = all_rows(bed);
    assert_in_range(r.most, 3, 4);
    assert_in_range(r.n_readings, 36, 42);
    assert_in_range(r.n, 9, 14);
    assert_int_equal(all_seqs(bed).n_gaps, 0);
    done_with(bed);
}

/* Readings of one row that would be longer than a row can be. */
static void test_batch_beyond_a_row(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed();
    struct mg_gateway_stats stats;
    bed->setup.outbox.max_readings = 1000;
    bed->setup.outbox.max_age_ms = 3600000;
    bed_run(bed);
    bed_pass(bed, 700000);
    struct rows r = all_rows(bed);
    assert_in_range(r.n, 1, 3);
    assert_in_range(r.longest, MG_STORE_PAYLOAD_MAX - 2000,
                    MG_STORE_PAYLOAD_MAX);
    assert_true(r.most < 1000);
    assert_int_equal(all_seqs(bed).n_gaps, 0);
    mg_gateway_stats(bed->gateway, &stats);
    assert_int_equal(stats.n_unstored, 0);
    done_with(bed);
}

static void test_store_refuses_rows(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed();
    struct mg_gateway_stats stats;
    bed_run(bed);
    bed_pass(bed, 10500);
    bed->refuses_rows = true;
    bed_pass(bed, 8000);
    mg_gateway_stats(bed->gateway, &stats);
    assert_int_equal(stats.n_unstored, 0); /* they wait */
    bed_pass(bed, 37000);
    mg_gateway_stats(bed->gateway, &stats);
    assert_in_range(stats.n_unstored, 20, 40);
    assert_int_equal(stats.n_unstored % 20, 0);
    bed->refuses_rows = false;
    bed_pass(bed, 20000);
    struct seqs s = all_seqs(bed);
    assert_int_equal(s.n_gaps, 1);
    mg_gateway_stats(bed->gateway, &stats);
    assert_int_equal(s.n + stats.n_unstored, s.last);
    done_with(bed);
}

/* A row of the greatest length that cannot be handed over: what is lost is
 * counted to the last reading. */
static void test_store_refuses_a_long_row(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed();
    struct mg_gateway_stats stats;
    bed->setup.outbox.max_readings = 1000;
    bed->setup.outbox.max_age_ms = 3600000;
    bed_run(bed);
    bed->refuses_rows = true;
    bed_pass(bed, 700000);
    mg_gateway_stats(bed->gateway, &stats);
    assert_true(stats.n_unstored > 100);
    bed->refuses_rows = false;
    bed_stop(bed);
    bed_run(bed);
    struct seqs s = all_seqs(bed);
    assert_int_equal(s.n_gaps, 0);
    assert_int_equal(s.first, stats.n_unstored + 1);
    done_with(bed);
}

/* What could not be handed over at the stop is said at the next start. */
static void test_stop_with_readings_left(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed();
    bed_run(bed);
    bed_pass(bed, 14500);
    int64_t last = bed_int(reading(bed), "seq");
    bed->refuses_rows = true;
    bed_stop(bed);
    bed->refuses_rows = false;
    bed_run(bed);
    assert_int_equal(bed_n_events(bed, "readings-lost"), 1);
    assert_int_equal(bed_int(bed->event, "seq_from"), 11);
    assert_int_equal(bed_int(bed->event, "seq_to"), last);
    done_with(bed);
}

/* ---- Events ---- */

static void test_store_trouble(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed();
    const struct mg_store_events *events = mg_gateway_store_events();
    struct mg_err err = {MG_E_IO, "the disk is \"full\""};
    struct mg_err ok = {0};
    bed_run(bed);
    events->trouble(bed->gateway, 3, 30, &err);
    assert_int_equal(bed_n_events(bed, "store-trouble"), 1);
    assert_int_equal(bed_int(bed->event, "rows_dropped"), 3);
    assert_int_equal(bed_int(bed->event, "readings_dropped"), 30);
    bed_assert_text(bed->event, "level", "error");
    assert_int_equal(bed_n_events(bed, "store-recovered"), 0);
    events->trouble(bed->gateway, 0, 0, &ok);
    assert_int_equal(bed_n_events(bed, "store-recovered"), 1);
    assert_int_equal(bed_n_events(bed, "store-trouble"), 1);
    done_with(bed);
}

/* Texts from outside: events stay JSON (bed_n_events parses every one). */
static void test_nasty_texts(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed();
    const struct mg_sink_events *events = mg_gateway_sink_events();
    char topic[MG_STORE_TOPIC_MAX];
    char verb[32];
    bed_run(bed);
    memset(topic, '\x01', sizeof topic - 1);
    topic[sizeof topic - 1] = '\0';
    events->refused(bed->gateway, topic, topic);
    assert_int_equal(bed_n_events(bed, "command-refused"), 1);
    events->parked(bed->gateway, topic, 0x87, "not \"authorized\"");
    assert_int_equal(bed_n_events(bed, "row-parked"), 1);
    assert_int_equal(bed_int(bed->event, "reason_code"), 0x87);
    memset(verb, '"', sizeof verb - 1);
    verb[sizeof verb - 1] = '\0';
    bed_command(bed, "m0", verb, "{}");
    bed_command(bed, verb, "x\",\"ok\":true,\"y\":\"", "{}");
    assert_int_equal(bed_n_events(bed, "command-refused"), 3);
    bed_assert_text(bed->event, "ok", "false");
    bed_assert_text(bed->replies[0], "verb", verb);
    bed_assert_text(bed->replies[1], "meter", verb);
    done_with(bed);
}

static void test_event_numbers_across_restarts(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed();
    for (unsigned i = 0; i < 3; i++) {
        bed_run(bed);
        bed_pass(bed, 2000);
        bed_stop(bed);
        bed_run(bed);
        bed_pass(bed, 2000);
        bed_kill(bed);
    }
    bed_run(bed);
    /* Ascending, as bed_n_events has seen, and none is missing. */
    assert_int_equal(bed_n_events(bed, "started"), 7);
    assert_int_equal(bed_n_events(bed, "readings-lost"), 3);
    assert_int_equal(bed_n_events(bed, "stopped"), 3);
    assert_int_equal(bed_n_events(bed, "started"), 7);
    assert_int_equal(bed_int(bed->event, "seq"), 7 + 3 + 3);
    done_with(bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counter_down),
        cmocka_unit_test(test_new_level_that_lasts),
        cmocka_unit_test(test_gauge_out_of_range),
        cmocka_unit_test(test_another_meter),
        cmocka_unit_test(test_memory_survives_a_restart),
        cmocka_unit_test(test_epoch_survives_a_kill),
        cmocka_unit_test(test_numbers_across_clean_restarts),
        cmocka_unit_test(test_numbers_across_a_kill),
        cmocka_unit_test(test_stop_before_the_first_poll),
        cmocka_unit_test(test_no_poll_before_the_reserve_is_durable),
        cmocka_unit_test(test_no_number_beyond_the_reserve),
        cmocka_unit_test(test_full_batches),
        cmocka_unit_test(test_batches_by_age),
        cmocka_unit_test(test_batch_beyond_a_row),
        cmocka_unit_test(test_store_refuses_rows),
        cmocka_unit_test(test_store_refuses_a_long_row),
        cmocka_unit_test(test_stop_with_readings_left),
        cmocka_unit_test(test_store_trouble),
        cmocka_unit_test(test_nasty_texts),
        cmocka_unit_test(test_event_numbers_across_restarts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
