/* Timers in virtual time, and the same heap behind a timerfd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

#define N_MANY 1000

struct probe {
    struct mg_timer timer;
    struct mg_clock *clock;
    uint64_t fired_ns;
    unsigned n_fired, n_again;
    uint64_t again_ns; /* start again so much later, n_again times */
    bool destroys;
    unsigned *counter, order; /* order of firing, from 1 */
    struct mg_timer *victim;  /* stopped when this one fires */
};

static void fire(struct mg_timer *timer)
{
    struct probe *p = (struct probe *)timer;
    p->fired_ns = mg_clock_now_ns(p->clock);
    p->n_fired++;
    if (p->counter != NULL) {
        p->order = ++*p->counter;
    }
    if (p->victim != NULL) {
        mg_timer_stop(p->victim);
    }
    if (p->n_again > 0) {
        p->n_again--;
        mg_timer_start(p->clock, timer, timer->deadline_ns + p->again_ns, fire);
    }
    if (p->destroys) {
        mg_clock_destroy(p->clock);
    }
}

static void start(struct probe *p, struct mg_clock *clock, uint64_t at_ns)
{
    p->clock = clock;
    mg_timer_start(clock, &p->timer, at_ns, fire);
}

static void test_timers_fire_at_their_time_and_in_order(void **state)
{
    (void)state;
    struct mg_clock *clock = mg_clock_create_virtual(1000);
    struct probe a = {0}, b = {0}, c = {0};
    unsigned n = 0;
    a.counter = b.counter = c.counter = &n;
    start(&a, clock, 30);
    start(&b, clock, 10);
    start(&c, clock, 30);
    assert_int_equal(mg_clock_next_ns(clock), 10);
    mg_clock_advance(clock, 9);
    assert_int_equal(n, 0);
    assert_int_equal(mg_clock_now_ns(clock), 9);
    mg_clock_advance(clock, 50);
    assert_int_equal(b.fired_ns, 10);
    assert_int_equal(a.fired_ns, 30);
    assert_int_equal(b.order, 1);
    assert_int_equal(a.order, 2); /* equal deadlines: the order of arming */
    assert_int_equal(c.order, 3);
    assert_int_equal(mg_clock_now_ns(clock), 50);
    assert_int_equal(mg_clock_next_ns(clock), UINT64_MAX);
    mg_clock_destroy(clock);
}

static void test_restart_moves_and_stop_forgets(void **state)
{
    (void)state;
    struct mg_clock *clock = mg_clock_create_virtual(0);
    struct probe a = {0}, b = {0};
    start(&a, clock, 10);
    start(&b, clock, 20);
    start(&a, clock, 30);
    mg_timer_stop(&b.timer);
    mg_timer_stop(&b.timer); /* twice is allowed */
    mg_clock_advance(clock, 25);
    assert_int_equal(a.n_fired + b.n_fired, 0);
    mg_clock_advance(clock, 30);
    assert_int_equal(a.n_fired, 1);
    assert_int_equal(b.n_fired, 0);
    mg_clock_destroy(clock);
}

static void test_a_callback_starts_stops_and_repeats(void **state)
{
    (void)state;
    struct mg_clock *clock = mg_clock_create_virtual(0);
    struct probe a = {.n_again = 4, .again_ns = 7}, b = {0};
    a.victim = &b.timer;
    start(&a, clock, 5);
    start(&b, clock, 6);
    mg_clock_advance(clock, 100);
    assert_int_equal(a.n_fired, 5);
    assert_int_equal(a.fired_ns, 5 + 4 * 7);
    assert_int_equal(b.n_fired, 0);
    mg_clock_destroy(clock);
}

/* Against the obvious: every timer fires exactly once, at its deadline, and
 * time never runs backwards. */
static void test_many_timers(void **state)
{
    (void)state;
    struct mg_clock *clock = mg_clock_create_virtual(0);
    struct probe *probes = calloc(N_MANY, sizeof *probes);
    assert_non_null(probes);
    uint32_t x = 12345;
    for (size_t i = 0; i < N_MANY; i++) {
        x = x * 1664525U + 1013904223U;
        start(&probes[i], clock, x >> 20);
    }
    for (size_t i = 0; i < N_MANY; i += 3) {
        mg_timer_stop(&probes[i].timer);
    }
    for (uint64_t now = 0; now < 4096; now += 16) {
        mg_clock_advance(clock, now);
        assert_true(mg_clock_next_ns(clock) > now);
    }
    mg_clock_advance(clock, 4096);
    for (size_t i = 0; i < N_MANY; i++) {
        assert_int_equal(probes[i].n_fired, i % 3 == 0 ? 0 : 1);
        if (i % 3 != 0) {
            assert_int_equal(probes[i].fired_ns, probes[i].timer.deadline_ns);
        }
    }
    free(probes);
    mg_clock_destroy(clock);
}

static void test_a_past_deadline_fires_now_not_earlier(void **state)
{
    (void)state;
    struct mg_clock *clock = mg_clock_create_virtual(0);
    struct probe a = {0};
    mg_clock_advance(clock, 1000);
    start(&a, clock, 10);
    assert_int_equal(a.n_fired, 0);
    mg_clock_advance(clock, 1000);
    assert_int_equal(a.n_fired, 1);
    assert_int_equal(a.fired_ns, 1000);
    mg_clock_destroy(clock);
}

static void test_utc_follows_virtual_time(void **state)
{
    (void)state;
    struct mg_clock *clock = mg_clock_create_virtual(1700000000000);
    mg_clock_advance(clock, 2500999999);
    assert_int_equal(mg_clock_utc_ms(clock), 1700000002500);
    assert_int_equal(mg_clock_sync(clock), MG_CLOCK_RELATIVE);
    assert_true(mg_clock_is_virtual(clock));
    mg_clock_destroy(clock);
}

static void test_destroyed_by_a_callback(void **state)
{
    (void)state;
    struct mg_clock *clock = mg_clock_create_virtual(0);
    struct probe a = {.destroys = true}, b = {0};
    start(&a, clock, 5);
    start(&b, clock, 6);
    mg_clock_advance(clock, 10);
    assert_int_equal(a.n_fired, 1);
    assert_int_equal(b.n_fired, 0);
    mg_timer_stop(&b.timer); /* its clock is gone: nothing happens */
    mg_clock_destroy(NULL);
}

/* ---- Real time ---- */

static void run_until(uv_loop_t *loop, const unsigned *n, unsigned wanted)
{
    while (*n < wanted) {
        (void)uv_run(loop, UV_RUN_ONCE);
    }
}

static void end(uv_loop_t *loop)
{
    (void)uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
}

static struct mg_clock *real(uv_loop_t *loop)
{
    struct mg_err err;
    assert_int_equal(uv_loop_init(loop), 0);
    struct mg_clock *clock = mg_clock_create_real(loop, &err);
    assert_non_null(clock);
    return clock;
}

static void test_real_timers_never_fire_early(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct mg_clock *clock = real(&loop);
    struct probe a = {0}, b = {0}, past = {.n_again = 3};
    unsigned n = 0;
    a.counter = b.counter = past.counter = &n;
    uint64_t now = mg_clock_now_ns(clock);
    start(&a, clock, now + 3000000);
    start(&b, clock, now + 1000000);
    start(&past, clock, 0); /* each time again in the past: 4 turns */
    assert_int_equal(n, 0);
    run_until(&loop, &n, 6);
    assert_true(a.fired_ns >= now + 3000000);
    assert_true(b.fired_ns >= now + 1000000);
    assert_true(b.order < a.order);
    assert_int_equal(past.n_fired, 4);
    assert_false(mg_clock_is_virtual(clock));
    mg_clock_destroy(clock);
    end(&loop);
}

static void test_real_earlier_deadline_comes_first(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct mg_clock *clock = real(&loop);
    struct probe far = {0}, near = {0};
    unsigned n = 0;
    far.counter = near.counter = &n;
    uint64_t now = mg_clock_now_ns(clock);
    start(&far, clock, now + UINT64_C(3600000000000));
    start(&near, clock, now + 1000);
    run_until(&loop, &n, 1);
    assert_int_equal(near.n_fired, 1);
    assert_int_equal(far.n_fired, 0);
    mg_clock_destroy(clock); /* far is forgotten */
    end(&loop);
    mg_timer_stop(&far.timer);
}

static void test_real_destroyed_by_a_callback(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct mg_clock *clock = real(&loop);
    struct probe a = {.destroys = true, .n_again = 1}, b = {0};
    start(&a, clock, 1);
    start(&b, clock, 2);
    end(&loop); /* returns: nothing is left running */
    assert_int_equal(a.n_fired, 1);
    assert_int_equal(b.n_fired, 0);
}

static void test_real_clock_knows_its_state(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct mg_clock *clock = real(&loop);
    enum mg_clock_sync sync = mg_clock_sync(clock);
    assert_true(sync == MG_CLOCK_SYNCED || sync == MG_CLOCK_UNSYNC);
    assert_int_equal(mg_clock_sync(clock), sync);
    assert_true(mg_clock_utc_ms(clock) > INT64_C(1700000000000));
    mg_clock_destroy(clock);
    end(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timers_fire_at_their_time_and_in_order),
        cmocka_unit_test(test_restart_moves_and_stop_forgets),
        cmocka_unit_test(test_a_callback_starts_stops_and_repeats),
        cmocka_unit_test(test_many_timers),
        cmocka_unit_test(test_a_past_deadline_fires_now_not_earlier),
        cmocka_unit_test(test_utc_follows_virtual_time),
        cmocka_unit_test(test_destroyed_by_a_callback),
        cmocka_unit_test(test_real_timers_never_fire_early),
        cmocka_unit_test(test_real_earlier_deadline_comes_first),
        cmocka_unit_test(test_real_destroyed_by_a_callback),
        cmocka_unit_test(test_real_clock_knows_its_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
