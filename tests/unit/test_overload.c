/* Overload protection: the guide's trip values, times, attempts, the latch, and
 * random currents against what really flowed. MG_SEED repeats a run. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "model/overload.h"

#define LIMIT 16000

static struct mg_overload_step at(struct mg_overload *o, int64_t ma,
                                  int64_t now_ms)
{
    int64_t phases[3] = {ma, 0, 0};
    return mg_overload_sample(o, LIMIT, phases, 3, now_ms);
}

/* Samples of one current every second; @return when it opened, or -1. */
static int64_t run(struct mg_overload *o, int64_t limit_ma, int64_t ma,
                   int64_t from_ms, int64_t to_ms)
{
    for (int64_t t = from_ms; t <= to_ms; t += 1000) {
        if (mg_overload_sample(o, limit_ma, &ma, 1, t).action ==
            MG_OVERLOAD_OPEN) {
            return t;
        }
    }
    return -1;
}

/* Flex Series guide, annex B. */
static void test_trip_values_of_the_guide(void **state)
{
    (void)state;
    static const struct {
        int64_t limit_ma, trip_ma;
    } guide[] = {{8000, 10000},
                 {10000, 12500},
                 {16000, 20000},
                 {25000, 31250},
                 {32000, 40000}};
    for (size_t i = 0; i < sizeof guide / sizeof *guide; i++) {
        int64_t limit = guide[i].limit_ma, trip = guide[i].trip_ma;
        struct mg_overload o = {0};
        assert_int_equal(run(&o, limit, trip - 1, 0, 86400000), -1);
        assert_int_equal(o.n_retries, 0);
        int64_t opened = run(&o, limit, trip, 86401000, 86500000);
        assert_in_range(opened, 86401000, 86400000 + 9999);
        struct mg_overload back = {0};
        assert_in_range(run(&back, limit, -trip, 0, 20000), 0, 9999);
    }
}

static void test_exact_compare(void **state)
{
    (void)state;
    int64_t ma = 12;
    assert_false(mg_overload_is_over(10, &ma, 1)); /* 12 < 12.5 */
    ma = 13;
    assert_true(mg_overload_is_over(10, &ma, 1));
    int64_t third[3] = {0, 0, -20000};
    assert_true(mg_overload_is_over(16000, third, 3));
    assert_false(mg_overload_is_over(16000, third, 2));
    assert_false(mg_overload_is_over(0, third, 3));
    assert_false(mg_overload_is_over(-5, third, 3));
    int64_t wild[2] = {INT64_MIN, INT64_MAX};
    assert_true(mg_overload_is_over(16000, wild, 1));
    assert_true(mg_overload_is_over(16000, wild + 1, 1));
    assert_false(mg_overload_is_over(INT64_MAX, third, 3));
}

static void test_ends_by_itself(void **state)
{
    (void)state;
    struct mg_overload o = {0};
    for (int64_t t = 0; t < 3600000; t += 8000) {
        (void)at(&o, 16000, t);
        for (int64_t k = 1000; k < 8000; k += 1000) {
            assert_int_equal(at(&o, 20000, t + k).action, MG_OVERLOAD_NOTHING);
        }
    }
    assert_int_equal(o.phase, MG_OVERLOAD_WATCHING);
    assert_false(mg_overload_is_soft(&o));
}

static void test_late_sample(void **state)
{
    (void)state;
    struct mg_overload o = {0};
    (void)at(&o, 16000, 0);
    assert_int_equal(mg_overload_deadline_ms(&o), INT64_MAX);
    assert_true(at(&o, 25000, 900).is_changed);
    assert_int_equal(mg_overload_deadline_ms(&o), MG_OVERLOAD_TRIP_MS);
    assert_int_equal(mg_overload_tick(&o, MG_OVERLOAD_TRIP_MS - 1).action,
                     MG_OVERLOAD_NOTHING);
    assert_int_equal(mg_overload_tick(&o, MG_OVERLOAD_TRIP_MS).action,
                     MG_OVERLOAD_OPEN);
    /* Blind for nine seconds, then too much: it may have been all the time. */
    struct mg_overload blind = {0};
    (void)at(&blind, 16000, 0);
    assert_int_equal(at(&blind, 25000, 9000).action, MG_OVERLOAD_OPEN);
}

/* One trip after an attempt; @return when it opened. */
static int64_t trip_again(struct mg_overload *o, int64_t opened_ms)
{
    int64_t deadline = opened_ms + MG_OVERLOAD_RETRY_MS;
    assert_int_equal(at(o, 0, opened_ms + 1000).action, MG_OVERLOAD_NOTHING);
    assert_true(mg_overload_is_soft(o));
    assert_int_equal(mg_overload_deadline_ms(o), deadline);
    struct mg_overload_step step = mg_overload_tick(o, deadline);
    assert_int_equal(step.action, MG_OVERLOAD_CLOSE);
    assert_true(step.is_changed);
    int64_t opened = run(o, LIMIT, 20000, deadline + 500, deadline + 30000);
    assert_in_range(opened, deadline, deadline + 9999);
    return opened;
}

static int64_t latch(struct mg_overload *o)
{
    int64_t opened = run(o, LIMIT, 20000, 1000, 20000);
    assert_in_range(opened, 1000, 10999);
    for (unsigned i = 0; i < MG_OVERLOAD_RETRIES; i++) {
        assert_false(mg_overload_is_latched(o));
        opened = trip_again(o, opened);
    }
    assert_true(mg_overload_is_latched(o));
    assert_false(mg_overload_is_soft(o));
    return opened;
}

static void test_three_attempts_then_latched(void **state)
{
    (void)state;
    struct mg_overload o = {0};
    int64_t now = latch(&o);
    assert_int_equal(mg_overload_deadline_ms(&o), INT64_MAX);
    for (int64_t t = now; t < now + 86400000; t += 1000) {
        assert_int_equal(at(&o, 0, t).action, MG_OVERLOAD_NOTHING);
        assert_int_equal(mg_overload_tick(&o, t).action, MG_OVERLOAD_NOTHING);
    }
    mg_overload_end(&o);
    mg_overload_restart(&o, 5);
    assert_true(mg_overload_is_latched(&o));
    assert_false(mg_overload_power_cycle(&o, true, MG_OVERLOAD_OFF_MS - 1));
    assert_false(mg_overload_power_cycle(&o, false, MG_OVERLOAD_OFF_MS));
    assert_true(mg_overload_is_latched(&o));
    assert_true(mg_overload_power_cycle(&o, true, MG_OVERLOAD_OFF_MS));
    assert_false(mg_overload_is_latched(&o));
    assert_false(mg_overload_power_cycle(&o, true, MG_OVERLOAD_OFF_MS));
    assert_int_equal(o.n_retries, 0);
}

static void test_attempt_that_works(void **state)
{
    (void)state;
    struct mg_overload o = {0};
    int64_t opened = run(&o, LIMIT, 20000, 1000, 20000);
    int64_t closed = opened + MG_OVERLOAD_RETRY_MS;
    assert_int_equal(at(&o, 0, closed).action, MG_OVERLOAD_CLOSE);
    assert_int_equal(at(&o, 15000, closed + 1000).action, MG_OVERLOAD_NOTHING);
    assert_true(mg_overload_is_soft(&o));
    assert_int_equal(mg_overload_deadline_ms(&o), closed + MG_OVERLOAD_CALM_MS);
    assert_true(at(&o, 15000, closed + MG_OVERLOAD_CALM_MS).is_changed);
    assert_false(mg_overload_is_soft(&o));
    assert_int_equal(o.n_retries, 1); /* of three in this session */
    mg_overload_end(&o);
    assert_int_equal(o.n_retries, 0);
}

static void test_no_attempt_after_the_session(void **state)
{
    (void)state;
    struct mg_overload o = {0};
    int64_t opened = run(&o, LIMIT, 20000, 1000, 20000);
    assert_true(mg_overload_is_soft(&o));
    mg_overload_end(&o);
    assert_false(mg_overload_is_soft(&o));
    for (int64_t t = opened; t < opened + 100000; t += 1000) {
        assert_int_equal(at(&o, 0, t).action, MG_OVERLOAD_NOTHING);
    }
}

/* The order to open was lost: it is given again, and nothing is closed. */
static void test_contact_that_does_not_open(void **state)
{
    (void)state;
    struct mg_overload o = {0};
    int64_t opened = run(&o, LIMIT, 20000, 1000, 20000);
    int64_t t = opened;
    for (; t < opened + 60000; t += 1000) {
        assert_int_equal(at(&o, 20000, t).action, MG_OVERLOAD_OPEN);
        assert_int_equal(mg_overload_tick(&o, t).action, MG_OVERLOAD_NOTHING);
    }
    assert_int_equal(at(&o, 0, t).action, MG_OVERLOAD_NOTHING);
    assert_int_equal(at(&o, 0, t + MG_OVERLOAD_RETRY_MS).action,
                     MG_OVERLOAD_CLOSE);
}

static void test_restart(void **state)
{
    (void)state;
    /* Tripped: the attempt comes, after its full time. */
    struct mg_overload o = {0};
    (void)run(&o, LIMIT, 20000, 1000000, 1020000);
    mg_overload_restart(&o, 50);
    assert_true(mg_overload_is_soft(&o));
    assert_int_equal(mg_overload_deadline_ms(&o), 50 + MG_OVERLOAD_RETRY_MS);
    assert_int_equal(at(&o, 0, 60).action, MG_OVERLOAD_NOTHING);
    assert_int_equal(mg_overload_tick(&o, 50 + MG_OVERLOAD_RETRY_MS).action,
                     MG_OVERLOAD_CLOSE);
    assert_int_equal(o.n_retries, 1);
    /* Under way: it trips with the next sample that shows it... */
    struct mg_overload over = {0};
    (void)at(&over, 0, 1000000);
    (void)at(&over, 20000, 1001000);
    struct mg_overload saved = over;
    mg_overload_restart(&over, 50);
    assert_int_equal(at(&over, 20000, 60).action, MG_OVERLOAD_OPEN);
    /* ...and not if it has ended. */
    mg_overload_restart(&saved, 50);
    assert_int_equal(at(&saved, 16000, 60).action, MG_OVERLOAD_NOTHING);
    assert_int_equal(at(&saved, 20000, 1060).action, MG_OVERLOAD_NOTHING);
    /* Nothing was: the first sample begins a new count. */
    struct mg_overload calm = {0};
    (void)at(&calm, 0, 1000000);
    mg_overload_restart(&calm, 50);
    assert_int_equal(at(&calm, 20000, 60).action, MG_OVERLOAD_NOTHING);
    assert_int_equal(mg_overload_deadline_ms(&calm), 60 + MG_OVERLOAD_TRIP_MS);
    /* Bytes that are no state of ours. */
    struct mg_overload wild = {.phase = 77, .is_soft = true};
    mg_overload_restart(&wild, 50);
    assert_int_equal(wild.phase, MG_OVERLOAD_WATCHING);
}

/* ---- Random currents ---- */

static uint64_t rng;

static uint64_t next(void)
{
    uint64_t z = (rng += 0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static int64_t between(int64_t lo, int64_t hi)
{
    return lo + (int64_t)(next() % (uint64_t)(hi - lo + 1));
}

/* A vehicle that draws what it likes, in steps of 100 ms, through a contact
 * that does as it is told. The truth is kept apart from the rule. */
struct world {
    struct mg_overload o;
    bool is_closed, is_latched;
    int64_t wants_ma, until_ms; /* of the vehicle */
    int64_t over_ms;            /* how long too much has really flowed */
    int64_t seen_ms;            /* the same at the last sample */
    int64_t sample_ms;          /* time of the next sample */
    unsigned n_opened, n_closed;
};

#define STEP_MS    100
#define MAX_GAP_MS 3000 /* shorter than what the vehicle does */

static void vehicle(struct world *w, int64_t now_ms)
{
    if (now_ms >= w->until_ms) {
        bool is_near = next() % 2 == 0;
        w->wants_ma = is_near ? between(19990, 20010) : between(0, 40000);
        w->until_ms = now_ms + between(4, 20) * 1000;
    }
}

static void obey(struct world *w, struct mg_overload_step step)
{
    if (step.action == MG_OVERLOAD_OPEN && w->is_closed) {
        /* Not for an overload that has just begun, nor for one that a sample
         * has seen to end. */
        assert_true(w->seen_ms >= MG_OVERLOAD_TRIP_MS - 2 * MAX_GAP_MS);
        w->is_closed = false;
        w->n_opened++;
    } else if (step.action == MG_OVERLOAD_CLOSE) {
        assert_false(w->is_closed);
        assert_false(w->is_latched);
        assert_int_equal(w->over_ms, 0);
        w->is_closed = true;
        w->n_closed++;
    }
    w->is_latched = mg_overload_is_latched(&w->o);
    assert_int_equal(w->is_latched, w->n_opened > MG_OVERLOAD_RETRIES);
}

static void step_world(struct world *w, int64_t now_ms)
{
    int64_t flows_ma = w->is_closed ? w->wants_ma : 0;
    w->over_ms = flows_ma >= 20000 ? w->over_ms + STEP_MS : 0;
    assert_true(w->over_ms < 10000);
    if (now_ms >= w->sample_ms) {
        w->seen_ms = w->over_ms;
        obey(w, at(&w->o, flows_ma, now_ms));
        /* Each second; now and then one comes late. */
        bool is_late = next() % 10 == 0;
        w->sample_ms =
            now_ms + (is_late ? between(1000, MAX_GAP_MS - STEP_MS) : 1000);
    }
    if (now_ms >= mg_overload_deadline_ms(&w->o)) {
        obey(w, mg_overload_tick(&w->o, now_ms));
    }
    if (!w->is_closed) {
        w->over_ms = 0;
    }
}

static void test_random_currents(void **state)
{
    (void)state;
    unsigned n_opened = 0, n_latched = 0;
    for (unsigned round = 0; round < 300; round++) {
        struct world w = {.is_closed = true};
        for (int64_t t = 0; t < 120000; t += STEP_MS) {
            vehicle(&w, t);
            step_world(&w, t);
        }
        assert_true(w.n_closed <= MG_OVERLOAD_RETRIES);
        n_opened += w.n_opened;
        n_latched += w.is_latched;
    }
    assert_true(n_opened > 100);
    assert_true(n_latched > 10);
}

int main(void)
{
    const char *seed = getenv("MG_SEED");
    rng = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
    (void)printf("MG_SEED=%" PRIu64 "\n", rng);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trip_values_of_the_guide),
        cmocka_unit_test(test_exact_compare),
        cmocka_unit_test(test_ends_by_itself),
        cmocka_unit_test(test_late_sample),
        cmocka_unit_test(test_three_attempts_then_latched),
        cmocka_unit_test(test_attempt_that_works),
        cmocka_unit_test(test_no_attempt_after_the_session),
        cmocka_unit_test(test_contact_that_does_not_open),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_random_currents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
