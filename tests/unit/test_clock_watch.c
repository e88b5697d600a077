/* The clock watch: its decisions with sources of the test in virtual time, and
 * the kernel's timer armed as it must be. Setting the real clock takes rights
 * that a test does not have. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock_watch.h"

#define HOUR_MS UINT64_C(3600000)
#define NS      UINT64_C(1000000000)

/* ---- Synchronised or not ---- */

static enum mg_clock_event step(struct mg_sync_watch *w, uint64_t now_ms,
                                bool is_synced)
{
    return mg_sync_watch_step(w, now_ms, is_synced, 12 * HOUR_MS);
}

static void test_unsync_at_the_start_at_once(void **state)
{
    (void)state;
    struct mg_sync_watch w = {0};
    assert_int_equal(step(&w, 5, false), MG_CLOCK_EVENT_UNSYNC);
    for (uint64_t t = 0; t < 48 * HOUR_MS; t += HOUR_MS) {
        assert_int_equal(step(&w, 5 + t, false), MG_CLOCK_EVENT_NONE);
    }
    assert_int_equal(step(&w, 49 * HOUR_MS, true), MG_CLOCK_EVENT_SYNC);
    assert_int_equal(step(&w, 50 * HOUR_MS, true), MG_CLOCK_EVENT_NONE);
}

static void test_unsync_after_twelve_hours(void **state)
{
    (void)state;
    struct mg_sync_watch w = {0};
    assert_int_equal(step(&w, 0, true), MG_CLOCK_EVENT_SYNC);
    uint64_t lost = 100 * HOUR_MS;
    assert_int_equal(step(&w, lost, true), MG_CLOCK_EVENT_NONE);
    assert_int_equal(step(&w, lost + 12 * HOUR_MS - 1, false),
                     MG_CLOCK_EVENT_NONE);
    /* Back in time: nothing was lost, and the count begins again. */
    assert_int_equal(step(&w, lost + 12 * HOUR_MS, true), MG_CLOCK_EVENT_NONE);
    lost += 12 * HOUR_MS;
    assert_int_equal(step(&w, lost + 12 * HOUR_MS - 1, false),
                     MG_CLOCK_EVENT_NONE);
    assert_int_equal(step(&w, lost + 12 * HOUR_MS, false),
                     MG_CLOCK_EVENT_UNSYNC);
    assert_int_equal(step(&w, lost + 30 * HOUR_MS, false), MG_CLOCK_EVENT_NONE);
    assert_int_equal(step(&w, lost + 31 * HOUR_MS, true), MG_CLOCK_EVENT_SYNC);
}

/* ---- Set or not ---- */

static void test_steps_of_the_clock(void **state)
{
    (void)state;
    int64_t now = INT64_C(1760000000) * 1000000000, ns = -77;
    assert_false(mg_clock_is_set(now, now, &ns));
    assert_false(mg_clock_is_set(now, now + MG_CLOCK_STEP_NS - 1, &ns));
    assert_false(mg_clock_is_set(now, now - MG_CLOCK_STEP_NS + 1, &ns));
    assert_int_equal(ns, -77);
    assert_true(mg_clock_is_set(now, now + MG_CLOCK_STEP_NS, &ns));
    assert_int_equal(ns, MG_CLOCK_STEP_NS);
    assert_true(mg_clock_is_set(now, now - MG_CLOCK_STEP_NS, &ns));
    assert_int_equal(ns, -MG_CLOCK_STEP_NS);
    assert_true(mg_clock_is_set(0, now, &ns)); /* from 1970 */
    assert_int_equal(ns, now);
    assert_true(mg_clock_is_set(now, 0, &ns));
    assert_int_equal(ns, -now);
}

/* ---- The watch in virtual time ---- */

struct source {
    bool is_synced, has_offset;
    int64_t offset_ns;
    unsigned n_events, n_sync, n_unsync, n_changed;
    int64_t old_utc_ms, new_utc_ms; /* of the last */
};

static bool source_synced(void *arg)
{
    return ((struct source *)arg)->is_synced;
}

static bool source_offset(void *arg, int64_t *ret_ns)
{
    const struct source *s = arg;
    if (s->has_offset) {
        *ret_ns = s->offset_ns;
    }
    return s->has_offset;
}

static void note(void *arg, enum mg_clock_event event, int64_t old_utc_ms,
                 int64_t new_utc_ms)
{
    struct source *s = arg;
    s->n_events++;
    s->n_sync += event == MG_CLOCK_EVENT_SYNC;
    s->n_unsync += event == MG_CLOCK_EVENT_UNSYNC;
    s->n_changed += event == MG_CLOCK_EVENT_CHANGED;
    s->old_utc_ms = old_utc_ms;
    s->new_utc_ms = new_utc_ms;
}

static struct mg_clock_watch *watch(struct mg_clock *clock, struct source *s)
{
    struct mg_clock_watch_settings settings = {.happened = note,
                                               .arg = s,
                                               .is_synced = source_synced,
                                               .offset = source_offset};
    struct mg_err err = {0};
    struct mg_clock_watch *w =
        mg_clock_watch_create(NULL, clock, &settings, &err);
    assert_non_null(w);
    return w;
}

static void test_watch_tells_of_synchronisation(void **state)
{
    (void)state;
    struct mg_clock *clock = mg_clock_create_virtual(1760000000000);
    struct source s = {.has_offset = true};
    struct mg_clock_watch *w = watch(clock, &s);
    assert_int_equal(s.n_events, 0); /* never from within create */
    mg_clock_advance(clock, 0);
    assert_int_equal(s.n_unsync, 1);
    assert_int_equal(s.new_utc_ms, 1760000000000);
    s.is_synced = true;
    mg_clock_advance(clock, 10 * NS);
    assert_int_equal(s.n_sync, 1);
    s.is_synced = false;
    mg_clock_advance(clock, (10 + 12 * 3600 - 1) * NS);
    assert_int_equal(s.n_events, 2);
    mg_clock_advance(clock, (10 + 12 * 3600) * NS);
    assert_int_equal(s.n_unsync, 2);
    mg_clock_watch_destroy(w);
    mg_clock_advance(clock, 100000 * NS);
    assert_int_equal(s.n_events, 3);
    mg_clock_destroy(clock);
}

static void test_watch_tells_of_steps(void **state)
{
    (void)state;
    int64_t utc_ms = 1760000000000;
    struct mg_clock *clock = mg_clock_create_virtual(utc_ms);
    struct source s = {.is_synced = true, .has_offset = true};
    s.offset_ns = utc_ms * 1000000;
    struct mg_clock_watch *w = watch(clock, &s);
    mg_clock_advance(clock, 100 * NS);
    assert_int_equal(s.n_changed, 0);
    s.offset_ns -= INT64_C(3600) * 1000000000; /* an hour back */
    mg_clock_advance(clock, 101 * NS);
    assert_int_equal(s.n_changed, 1);
    assert_int_equal(s.old_utc_ms, utc_ms + 101000);
    assert_int_equal(s.new_utc_ms, utc_ms + 101000 - 3600000);
    mg_clock_advance(clock, 200 * NS);
    assert_int_equal(s.n_changed, 1);
    /* Not known for a while: found afterwards. */
    s.has_offset = false;
    s.offset_ns += INT64_C(5) * 1000000000;
    mg_clock_advance(clock, 300 * NS);
    assert_int_equal(s.n_changed, 1);
    s.has_offset = true;
    mg_clock_advance(clock, 301 * NS);
    assert_int_equal(s.n_changed, 2);
    assert_int_equal(s.new_utc_ms - s.old_utc_ms, 5000);
    mg_clock_watch_destroy(w);
    mg_clock_destroy(clock);
}

static void test_virtual_clock_has_no_events(void **state)
{
    (void)state;
    struct mg_clock *clock = mg_clock_create_virtual(0);
    struct source s = {0};
    struct mg_clock_watch_settings settings = {.happened = note, .arg = &s};
    struct mg_err err = {0};
    struct mg_clock_watch *w =
        mg_clock_watch_create(NULL, clock, &settings, &err);
    assert_non_null(w);
    assert_true(mg_clock_next_ns(clock) == UINT64_MAX); /* costs nothing */
    mg_clock_advance(clock, 100000 * NS);
    assert_int_equal(s.n_events, 0);
    mg_clock_watch_destroy(w);
    mg_clock_destroy(clock);
}

/* ---- The real clock ---- */

/* Timers of CLOCK_REALTIME that are absolute and cancelled when it is set: the
 * flags are octal, 01 and 02 (proc(5), fdinfo of timerfds). */
static unsigned count_armed(void)
{
    unsigned n = 0;
    DIR *directory = opendir("/proc/self/fdinfo");
    assert_non_null(directory);
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        char path[300], text[1024];
        (void)snprintf(path, sizeof path, "/proc/self/fdinfo/%s",
                       entry->d_name);
        FILE *file = fopen(path, "re");
        if (file == NULL) {
            continue;
        }
        size_t len = fread(text, 1, sizeof text - 1, file);
        text[len] = '\0';
        n += strstr(text, "clockid: 0\n") != NULL &&
             strstr(text, "settime flags: 03\n") != NULL;
        (void)fclose(file);
    }
    (void)closedir(directory);
    return n;
}

struct real {
    struct source source;
    struct mg_clock *clock;
    struct mg_clock_watch *watch;
    struct mg_timer end;
    unsigned n_armed;
};

/* After the first turn of the watch: it was created, armed, and has spoken. */
static void end(struct mg_timer *timer)
{
    struct real *r =
        (struct real *)((char *)timer - offsetof(struct real, end));
    r->n_armed = count_armed();
    mg_clock_watch_destroy(r->watch);
    mg_clock_destroy(r->clock);
}

static void test_real_clock(void **state)
{
    (void)state;
    unsigned n_before = count_armed();
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    struct real r = {0};
    struct mg_err err = {0};
    r.clock = mg_clock_create_real(&loop, &err);
    assert_non_null(r.clock);
    bool is_synced = mg_clock_sync(r.clock) == MG_CLOCK_SYNCED;
    struct mg_clock_watch_settings settings = {.happened = note,
                                               .arg = &r.source};
    r.watch = mg_clock_watch_create(&loop, r.clock, &settings, &err);
    assert_non_null(r.watch);
    mg_timer_start(r.clock, &r.end, mg_clock_now_ns(r.clock), end);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(r.n_armed, n_before + 1);
    assert_int_equal(r.source.n_events, 1);
    assert_int_equal(r.source.n_sync, is_synced);
    assert_int_equal(count_armed(), n_before); /* closed */
    assert_int_equal(uv_loop_close(&loop), 0);
    mg_clock_watch_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unsync_at_the_start_at_once),
        cmocka_unit_test(test_unsync_after_twelve_hours),
        cmocka_unit_test(test_steps_of_the_clock),
        cmocka_unit_test(test_watch_tells_of_synchronisation),
        cmocka_unit_test(test_watch_tells_of_steps),
        cmocka_unit_test(test_virtual_clock_has_no_events),
        cmocka_unit_test(test_real_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
