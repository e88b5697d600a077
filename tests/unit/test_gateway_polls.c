/* When the gateway asks its meters, what it makes of their answers, and of
 * those that do not come. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway_bed.h"

#define N_POLLS 1000

static struct gateway_bed *new_bed(size_t n_meters)
{
    struct gateway_bed *bed = malloc(sizeof *bed);
    assert_non_null(bed);
    bed_init(bed, n_meters);
    return bed;
}

static void done_with(struct gateway_bed *bed)
{
    bed_fini(bed);
    free(bed);
}

/* The n-th request of a meter for these registers. */
static const struct bed_request *request_at(const struct gateway_bed *bed,
                                            size_t meter, uint16_t address,
                                            size_t n)
{
    for (size_t i = 0; i < bed->n_requests; i++) {
        const struct bed_request *r = &bed->requests[i];
        if (r->meter == meter && r->address == address && r->function == 3 &&
            n-- == 0) {
            return r;
        }
    }
    fail_msg("no such request of meter %zu for %04x", meter, address);
    return NULL;
}

/* ---- Schedule ---- */

static void test_polls_do_not_drift(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(1);
    /* All groups take more than a second. */
    bed->meters[0].interval_ms = 2000;
    bed->fakes[0].delay_ms = 37; /* nothing that the interval is made of */
    bed_run(bed);
    bed_pass(bed, 2000 * N_POLLS);
    struct mg_meter_view view;
    mg_gateway_meter(bed->gateway, 0, &view);
    assert_int_equal(view.n_polls, N_POLLS + 1);
    assert_int_equal(view.n_good, N_POLLS);
    assert_int_equal(view.n_missed, 0);
    /* The first poll begins with the identification, and the slow group comes
     * with it: the live registers of the others are asked for on the dot. */
    uint64_t second_ns = request_at(bed, 0, REG_VOLTAGE, 1)->ns;
    size_t n = 0;
    for (size_t i = 0; i < bed->n_requests; i++) {
        const struct bed_request *r = &bed->requests[i];
        if (r->address == REG_VOLTAGE && n++ > 0) {
            assert_int_equal(r->ns, second_ns + (n - 2) * 2000 * BED_MS);
        }
    }
    assert_int_equal(n, N_POLLS + 1);
    done_with(bed);
}

/* Not all at once: no quarter of the interval has more than half of them. */
static void test_polls_are_staggered(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(BED_METERS);
    unsigned n_in_quarter[4] = {0};
    bed->has_store = false;
    for (size_t i = 0; i < BED_METERS; i++) {
        bed->meters[i].bus = i % BED_BUSES;
    }
    bed_run(bed);
    bed_pass(bed, 20000);
    for (size_t i = 0; i < BED_METERS; i++) {
        uint64_t ms = request_at(bed, i, REG_VOLTAGE, 9)->ns / BED_MS % 1000;
        n_in_quarter[ms / 250]++;
    }
    for (size_t i = 0; i < 4; i++) {
        assert_in_range(n_in_quarter[i], 1, BED_METERS / 2);
    }
    done_with(bed);
}

/* Three answers of 400 ms do not fit into a second. */
static void test_missed_polls_are_skipped(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(1);
    bed->has_store = false;
    bed->fakes[0].delay_ms = 400;
    bed_run(bed);
    bed_pass(bed, 100000);
    struct mg_meter_view view;
    mg_gateway_meter(bed->gateway, 0, &view);
    assert_int_equal(view.n_polls + view.n_missed, 101);
    assert_in_range(view.n_polls, 45, 51);
    /* Asked at whole seconds only, never late. */
    uint64_t phase_ns =
        request_at(bed, 0, REG_VOLTAGE, 5)->ns % (1000 * BED_MS);
    for (size_t i = 6; i < 40; i++) {
        assert_int_equal(
            request_at(bed, 0, REG_VOLTAGE, i)->ns % (1000 * BED_MS), phase_ns);
    }
    assert_int_equal(view.state, MG_METER_ONLINE);
    done_with(bed);
}

/* The latency counts from when the poll was due, also when the answer comes
 * after the next one was. */
static void test_latency_is_from_the_due_time(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(1);
    struct mg_gateway_stats stats;
    bed->has_store = false;
    bed->meters[0].interval_ms = 200;
    bed->fakes[0].delay_ms = 300;
    bed_run(bed);
    bed_pass(bed, 60000);
    mg_gateway_stats(bed->gateway, &stats);
    assert_true(stats.latency_p50_us >= 300000);
    assert_true(stats.latency_p50_us < 400000);
    assert_true(stats.latency_p99_us < 1100000);
    done_with(bed);
}

static void test_slow_group_at_its_interval(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(1);
    bed->has_store = false;
    bed->meters[0].slow_interval_ms = 60000;
    bed_run(bed);
    bed_pass(bed, 3603000);
    assert_int_equal(bed_n_requests(bed, 0, 3, REG_MONTHS), 61);
    uint64_t first_ns = request_at(bed, 0, REG_MONTHS, 1)->ns;
    for (size_t i = 2; i < 61; i++) {
        assert_int_equal(request_at(bed, 0, REG_MONTHS, i)->ns,
                         first_ns + (i - 1) * 60000 * BED_MS);
    }
    assert_int_equal(bed->samples[0][MG_GROUP_SLOW].n, 61);
    done_with(bed);
}

static void test_info_after_each_reconnect(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(1);
    bed_run(bed);
    bed_pass(bed, 30000);
    assert_int_equal(bed_n_requests(bed, 0, 3, REG_SERIAL), 1);
    assert_int_equal(bed->samples[0][MG_GROUP_INFO].n, 1);
    bed->fakes[0].is_silent = true;
    bed_pass(bed, 20000);
    assert_int_equal(bed->states[0], MG_METER_OFFLINE);
    bed->fakes[0].is_silent = false;
    bed_pass(bed, 90000);
    assert_int_equal(bed->states[0], MG_METER_ONLINE);
    assert_int_equal(bed_n_requests(bed, 0, 3, REG_SERIAL), 2);
    assert_int_equal(bed->samples[0][MG_GROUP_INFO].n, 2);
    done_with(bed);
}

/* ---- Registers that a meter has not got ---- */

static void check_reads_on(struct gateway_bed *bed, unsigned least)
{
    struct mg_meter_view view;
    unsigned n_before = bed->samples[0][MG_GROUP_LIVE].n;
    bed_pass(bed, 100000);
    mg_gateway_meter(bed->gateway, 0, &view);
    assert_int_equal(view.state, MG_METER_ONLINE);
    assert_in_range(bed->samples[0][MG_GROUP_LIVE].n - n_before, least, 100);
    assert_int_equal(bed_n_events(bed, "meter-offline"), 0);
}

static void test_no_serial_and_no_clock(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(1);
    bed_rule(&bed->fakes[0], 3, REG_SERIAL, REG_CLOCK + 2, 2);
    bed_run(bed);
    bed_pass(bed, 10000);
    check_reads_on(bed, 100);
    assert_int_equal(bed_n_events(bed, "meter-degraded"), 0);
    /* It has said so once: it is not asked every second. */
    assert_int_equal(bed_n_requests(bed, 0, 3, REG_SERIAL), 1);
    assert_int_equal(bed_n_requests(bed, 0, 3, REG_CLOCK), 1);
    done_with(bed);
}

static void test_no_slow_registers_at_all(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(1);
    bed_rule(&bed->fakes[0], 3, REG_ADDRESS, REG_CLOCK + 2, 2);
    bed_rule(&bed->fakes[0], 3, REG_MONTHS, 0x1ff, 2);
    bed_run(bed);
    bed_pass(bed, 10000);
    check_reads_on(bed, 100);
    assert_int_equal(bed_n_requests(bed, 0, 3, REG_MONTHS), 1);
    assert_int_equal(bed->samples[0][MG_GROUP_SLOW].n, 0);
    done_with(bed);
}

/* Another exception than 02 is trouble, but no reason to ask for ever. */
static void test_refused_serial(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(1);
    bed_rule(&bed->fakes[0], 3, REG_SERIAL, REG_SERIAL, 4);
    bed_run(bed);
    bed_pass(bed, 10000);
    check_reads_on(bed, 100);
    assert_int_equal(bed_n_requests(bed, 0, 3, REG_SERIAL), 2);
    assert_int_equal(bed_n_events(bed, "meter-degraded"), 0);
    done_with(bed);
}

static void test_silence_about_serial_and_clock(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(1);
    bed_rule(&bed->fakes[0], 3, REG_SERIAL, REG_CLOCK + 2, BED_SILENT);
    bed_run(bed);
    bed_pass(bed, 15000);
    check_reads_on(bed, 95);
    assert_int_equal(bed_n_requests(bed, 0, 3, REG_SERIAL), 2);
    done_with(bed);
}

/* Not one register of the slow group is answered. */
static void test_silence_about_the_slow_group(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(1);
    bed_rule(&bed->fakes[0], 3, REG_ADDRESS, REG_ADDRESS, BED_SILENT);
    bed_run(bed);
    bed_pass(bed, 15000);
    check_reads_on(bed, 95);
    assert_int_equal(bed_n_requests(bed, 0, 3, REG_ADDRESS), 2);
    done_with(bed);
}

/* ---- A meter that dies ---- */

static void test_dead_meter(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(4);
    struct mg_meter_view view;
    bed_run(bed);
    bed_pass(bed, 20000);
    assert_string_equal(bed_topic(bed, "m/m1/availability"), "online");
    assert_int_equal(bed_n_topic(bed, "m/m1/availability"), 1);
    bed->fakes[1].is_silent = true;
    unsigned n_before = bed->fakes[1].n_requests;
    unsigned n_reads[4];
    for (size_t i = 0; i < 4; i++) {
        n_reads[i] = bed->samples[i][MG_GROUP_LIVE].n;
    }
    bed_pass(bed, 600000);
    mg_gateway_meter(bed->gateway, 1, &view);
    assert_int_equal(view.state, MG_METER_OFFLINE);
    assert_true(strlen(view.reason) > 0);
    assert_string_equal(bed_topic(bed, "m/m1/availability"), "offline");
    assert_int_equal(bed_n_topic(bed, "m/m1/availability"), 2);
    assert_int_equal(bed_n_events(bed, "meter-offline"), 1);
    bed_assert_text(bed->event, "meter", "m1");
    bed_assert_text(bed->event, "level", "warning");
    /* Three time-outs, then probes 10, 20, 40, 60, 60, ... s apart. */
    assert_in_range(bed->fakes[1].n_requests - n_before, 8, 16);
    assert_int_equal(bed->samples[1][MG_GROUP_LIVE].n, n_reads[1]);
    for (size_t i = 0; i < 4; i++) {
        if (i != 1) {
            unsigned n = bed->samples[i][MG_GROUP_LIVE].n - n_reads[i];
            assert_in_range(n, 600 * 95 / 100, 600);
            mg_gateway_meter(bed->gateway, i, &view);
            assert_int_equal(view.state, MG_METER_ONLINE);
        }
    }
    struct mg_gateway_stats stats;
    mg_gateway_stats(bed->gateway, &stats);
    assert_int_equal(stats.n_online, 3);
    assert_int_equal(stats.n_offline, 1);
    done_with(bed);
}

static void test_offline_after_three_polls(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(1);
    struct mg_meter_view view;
    bed_run(bed);
    bed_pass(bed, 5500);
    bed->fakes[0].is_silent = true;
    unsigned n_before = bed->fakes[0].n_requests;
    while (bed->fakes[0].n_requests < n_before + 3) {
        mg_gateway_meter(bed->gateway, 0, &view);
        assert_int_equal(view.state, MG_METER_ONLINE);
        bed_pass(bed, 50);
    }
    mg_gateway_meter(bed->gateway, 0, &view);
    assert_int_equal(view.state, MG_METER_ONLINE);
    bed_pass(bed, 700); /* the third time-out */
    mg_gateway_meter(bed->gateway, 0, &view);
    assert_int_equal(view.state, MG_METER_OFFLINE);
    done_with(bed);
}

static void test_answers_again(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(1);
    bed_run(bed);
    bed_pass(bed, 10000);
    bed->fakes[0].is_silent = true;
    bed_pass(bed, 300000);
    bed->fakes[0].is_silent = false;
    bed_pass(bed, 70000);
    assert_int_equal(bed->states[0], MG_METER_ONLINE);
    assert_string_equal(bed_topic(bed, "m/m0/availability"), "online");
    assert_int_equal(bed_n_events(bed, "meter-offline"), 1);
    assert_int_equal(bed_n_events(bed, "meter-online"), 1);
    char text[400];
    unsigned seconds = 0;
    unsigned polls = 0;
    bed_text(bed->event, "text", text, sizeof text);
    assert_int_equal(sscanf(text, "answers again after %u s, %u failed polls",
                            &seconds, &polls),
                     2);
    assert_in_range(seconds, 295, 365);
    assert_true(polls >= 3);
    /* Every value is published again. */
    unsigned n_before = bed->samples[0][MG_GROUP_LIVE].n;
    bed_pass(bed, 10000);
    assert_int_equal(bed->samples[0][MG_GROUP_LIVE].n, n_before + 10);
    done_with(bed);
}

/* A meter that was never there gets its state, too. */
static void test_never_there(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(1);
    bed->fakes[0].is_silent = true;
    bed_run(bed);
    assert_int_equal(bed_n_topic(bed, "m/m0/availability"), 0);
    bed_pass(bed, 20000);
    assert_string_equal(bed_topic(bed, "m/m0/availability"), "offline");
    assert_int_equal(bed_n_events(bed, "meter-offline"), 1);
    assert_int_equal(bed_n_topic(bed, "m/m0/state"), 0);
    done_with(bed);
}

static void test_lost_line(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(1);
    char reason[MG_ERR_TEXT];
    bed_run(bed);
    bed_pass(bed, 5000);
    assert_true(mg_gateway_line_is_up(bed->gateway, 0, reason));
    mg_transport_memory_cut(bed->lines[0].transport, "unplugged");
    assert_false(mg_gateway_line_is_up(bed->gateway, 0, reason));
    assert_string_equal(reason, "unplugged");
    assert_int_equal(bed_n_events(bed, "line-down"), 1);
    bed_pass(bed, 10000);
    assert_true(mg_gateway_line_is_up(bed->gateway, 0, reason));
    assert_string_equal(reason, "");
    unsigned n_before = bed->samples[0][MG_GROUP_LIVE].n;
    bed_pass(bed, 10000);
    assert_int_equal(bed->samples[0][MG_GROUP_LIVE].n, n_before + 10);
    done_with(bed);
}

/* Nobody was asked while the line was away: that says nothing of the meter. */
static void test_info_after_a_lost_line(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(1);
    bed_run(bed);
    bed_pass(bed, 5000);
    bed->line_is_away = true;
    mg_transport_memory_cut(bed->lines[0].transport, "unplugged");
    bed_pass(bed, 30000);
    assert_int_equal(bed->states[0], MG_METER_OFFLINE);
    bed_set_serial(&bed->fakes[0], "99999999");
    bed->line_is_away = false;
    bed_pass(bed, 100000);
    assert_int_equal(bed->states[0], MG_METER_ONLINE);
    assert_int_equal(bed_n_requests(bed, 0, 3, REG_SERIAL), 2);
    assert_int_equal(bed_n_events(bed, "meter-exchanged"), 1);
    done_with(bed);
}

static void unplug(struct gateway_bed *bed, size_t meter, const uint8_t *pdu,
                   size_t len)
{
    (void)meter;
    (void)len;
    if (pdu[0] == 3 && pdu[2] == REG_SERIAL && bed->n_asked++ < 2) {
        mg_transport_memory_cut(bed->lines[0].transport, "unplugged");
    }
}

/* Nor does a line that goes away while it is asked. */
static void test_line_lost_in_the_middle(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(1);
    bed->asked = unplug;
    bed->meters[0].interval_ms = 5000; /* the line is back by then */
    bed_run(bed);
    bed_pass(bed, 14500);
    assert_int_equal(bed->n_asked, 3);
    assert_int_equal(bed->samples[0][MG_GROUP_INFO].n, 1);
    done_with(bed);
}

/* ---- Time stamps and missing values ---- */

/* The voltage tells when its answer left the meter. */
static void stamp(struct gateway_bed *bed, size_t meter, const uint8_t *pdu,
                  size_t len)
{
    (void)len;
    if (pdu[0] == 3 && pdu[2] == REG_VOLTAGE) {
        bed->n_asked = (unsigned)(mg_clock_now_ns(bed->clock) / BED_MS);
        (void)meter;
    }
}

static void test_time_stamp_is_the_first_answer(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(1);
    bed->has_store = false;
    bed->asked = stamp;
    bed->fakes[0].delay_ms = 150;
    bed_run(bed);
    for (unsigned n = 2; n < 60; n++) {
        while (bed->samples[0][MG_GROUP_LIVE].n < n) {
            bed_pass(bed, 1);
        }
        const struct bed_sample *s = &bed->samples[0][MG_GROUP_LIVE];
        uint64_t first_ms = bed->n_asked + 150;
        assert_in_range(s->sample.mono_ns / BED_MS, first_ms, first_ms + 5);
        assert_int_equal(s->sample.utc_ms,
                         BED_UTC_MS + (int64_t)(s->sample.mono_ns / BED_MS));
        /* Two more answers came before it was complete. */
        assert_true(s->seen_ns >= s->sample.mono_ns + 300 * BED_MS);
        assert_int_equal(bed_int(bed_topic(bed, "m/m0/state"), "ts_ms"),
                         s->sample.utc_ms);
    }
    done_with(bed);
}

static void test_partial_poll(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(1);
    struct mg_meter_view view;
    bed_run(bed);
    bed_pass(bed, 10000);
    bed_assert_text(bed_topic(bed, "m/m0/state"), "quality", "good");
    bed_rule(&bed->fakes[0], 3, REG_ENERGY, REG_ENERGY, BED_SILENT);
    bed_pass(bed, 10000);
    const char *reading = bed_topic(bed, "m/m0/state");
    bed_assert_text(reading, "quality", "partial");
    assert_true(bed_has(reading, "voltage_v"));
    assert_false(bed_has(reading, "energy_active_wh"));
    char missing[512];
    bed_text(reading, "missing", missing, sizeof missing);
    assert_non_null(strstr(missing, "energy_active_wh:missing"));
    mg_gateway_meter(bed->gateway, 0, &view);
    assert_int_equal(view.state, MG_METER_DEGRADED);
    assert_string_equal(view.reason, "no answer in time");
    assert_string_equal(bed_topic(bed, "m/m0/availability"), "online");
    assert_int_equal(bed_n_events(bed, "meter-degraded"), 1);
    assert_int_equal(bed_n_events(bed, "meter-offline"), 0);
    done_with(bed);
}

static void test_refused_block(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(1);
    struct mg_meter_view view;
    bed_rule(&bed->fakes[0], 3, REG_DEMAND, REG_DEMAND, 2);
    bed_run(bed);
    bed_pass(bed, 10000);
    const char *reading = bed_topic(bed, "m/m0/state");
    bed_assert_text(reading, "quality", "partial");
    bed_assert_text(reading, "missing", "demand_apparent_va:missing");
    assert_true(bed_has(reading, "energy_active_wh"));
    mg_gateway_meter(bed->gateway, 0, &view);
    assert_string_equal(view.reason,
                        "exception 2 on function 3 at 0070H, 2 items");
    done_with(bed);
}

/* It answers, but nothing that a reading could be made of. */
static void test_nothing_answered(void **state)
{
    (void)state;
    struct gateway_bed *bed = new_bed(1);
    bed_rule(&bed->fakes[0], 3, REG_VOLTAGE, REG_ENERGY, 4);
    bed_run(bed);
    bed_pass(bed, 20000);
    assert_int_equal(bed_n_topic(bed, "m/m0/state"), 0);
    assert_int_equal(bed->samples[0][MG_GROUP_LIVE].n, 0);
    struct mg_gateway_stats stats;
    mg_gateway_stats(bed->gateway, &stats);
    assert_int_equal(stats.n_readings, 0);
    done_with(bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_polls_do_not_drift),
        cmocka_unit_test(test_polls_are_staggered),
        cmocka_unit_test(test_missed_polls_are_skipped),
        cmocka_unit_test(test_latency_is_from_the_due_time),
        cmocka_unit_test(test_slow_group_at_its_interval),
        cmocka_unit_test(test_info_after_each_reconnect),
        cmocka_unit_test(test_no_serial_and_no_clock),
        cmocka_unit_test(test_no_slow_registers_at_all),
        cmocka_unit_test(test_refused_serial),
        cmocka_unit_test(test_silence_about_serial_and_clock),
        cmocka_unit_test(test_silence_about_the_slow_group),
        cmocka_unit_test(test_dead_meter),
        cmocka_unit_test(test_offline_after_three_polls),
        cmocka_unit_test(test_answers_again),
        cmocka_unit_test(test_never_there),
        cmocka_unit_test(test_lost_line),
        cmocka_unit_test(test_info_after_a_lost_line),
        cmocka_unit_test(test_line_lost_in_the_middle),
        cmocka_unit_test(test_time_stamp_is_the_first_answer),
        cmocka_unit_test(test_partial_poll),
        cmocka_unit_test(test_refused_block),
        cmocka_unit_test(test_nothing_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
