/* The store under load: commits and rows a second, processor time for a row
 * from handing over to the deletion after the acknowledgement. The uplink is a
 * thread that acknowledges each row as soon as it reads it.
 * Usage: bench_store [seconds of the steady load] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store/store.h"

#define LIMIT_PERCENT                                                          \
    2.0 /* of a core at 100 rows/s of 4 KB, with the syncs                     \
         */

struct bench {
    uv_loop_t loop;
    struct mg_store *store;
    struct mg_outbox *outbox;
    uv_timer_t timer;
    uv_thread_t uplink;
    uv_sem_t woken;
    uint64_t durable;
    unsigned n_ticks_left;
    uint64_t n_acked;
    bool is_ending;
};

static char payload[4096];

static double cpu_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void durable(void *ctx, uint64_t ticket)
{
    struct bench *b = ctx;
    b->durable = ticket;
}

static void wake(void *ctx)
{
    struct bench *b = ctx;
    uv_sem_post(&b->woken);
}

static void run_uplink(void *arg)
{
    struct bench *b = arg;
    struct mg_store_row row = {0};
    struct mg_err err;
    for (;;) {
        uv_sem_wait(&b->woken);
        while (mg_outbox_next(b->outbox, row.id, &row, &err) == MG_OK) {
            mg_store_ack(b->store, row.id);
            b->n_acked++;
        }
        if (b->is_ending) { /* ordered by the semaphore */
            break;
        }
    }
}

static uint64_t append(struct bench *b, size_t len)
{
    struct mg_store_row row = {.class_ = MG_ROW_READINGS,
                               .topic = "m/cp1/readings",
                               .payload = payload,
                               .len = len,
                               .n_readings = 10,
                               .created_ms = 1700000000000};
    uint64_t ticket = 0;
    return mg_store_append(b->store, &row, &ticket) == MG_OK ? ticket : 0;
}

static void wait_durable(struct bench *b, uint64_t ticket)
{
    while (b->durable < ticket) {
        (void)uv_run(&b->loop, UV_RUN_ONCE);
    }
}

static void measure_commits(struct bench *b, unsigned n)
{
    uint64_t start_ns = uv_hrtime();
    for (unsigned i = 0; i < n; i++) {
        uint64_t ticket = append(b, 400);
        mg_store_flush(b->store);
        wait_durable(b, ticket);
    }
    double s = (double)(uv_hrtime() - start_ns) * 1e-9;
    (void)printf("one row a commit     %8.0f commits/s\n", n / s);
}

static void measure_rows(struct bench *b, size_t len, unsigned n)
{
    uint64_t start_ns = uv_hrtime(), ticket = 0;
    double start_s = cpu_s();
    for (unsigned i = 0; i < n;) {
        uint64_t newest = append(b, len);
        i += newest != 0;
        ticket = newest != 0 ? newest : ticket;
        if (newest == 0 || i % 100 == 0) {
            (void)uv_run(&b->loop, newest == 0 ? UV_RUN_ONCE : UV_RUN_NOWAIT);
        }
    }
    wait_durable(b, ticket);
    double s = (double)(uv_hrtime() - start_ns) * 1e-9;
    (void)printf("rows of %4zu B         %8.0f rows/s, %.1f us of cpu a row\n",
                 len, n / s, (cpu_s() - start_s) * 1e6 / n);
}

static void tick(uv_timer_t *timer)
{
    struct bench *b = timer->data;
    (void)append(b, sizeof payload);
    if (--b->n_ticks_left == 0) {
        (void)uv_timer_stop(timer);
    }
}

/* @return percent of a core */
static double measure_steady(struct bench *b, unsigned seconds)
{
    b->n_ticks_left = seconds * 100;
    double start_s = cpu_s();
    (void)uv_timer_start(&b->timer, tick, 10, 10);
    while (b->n_ticks_left > 0) {
        (void)uv_run(&b->loop, UV_RUN_ONCE);
    }
    double percent = (cpu_s() - start_s) * 100.0 / seconds;
    (void)printf("100 rows/s of 4 KB   %8.2f %% of a core (%.0f us a row), "
                 "limit %.0f %%\n",
                 percent, percent * 100, LIMIT_PERCENT);
    return percent;
}

static double run(struct bench *b, unsigned seconds)
{
    if (uv_thread_create(&b->uplink, run_uplink, b) != 0) {
        return 100;
    }
    double percent = measure_steady(b, seconds);
    measure_commits(b, 300);
    measure_rows(b, 400, 100000);
    measure_rows(b, 4096, 20000);
    b->is_ending = true;
    uv_sem_post(&b->woken);
    (void)uv_thread_join(&b->uplink);
    struct mg_store_stats stats;
    mg_store_stats(b->store, &stats);
    (void)printf("acknowledged %llu rows in %llu commits\n",
                 (unsigned long long)b->n_acked,
                 (unsigned long long)stats.n_commits);
    return percent;
}

static void clean(const char *path, const char *dir)
{
    char lock[80];
    (void)snprintf(lock, sizeof lock, "%s.lock", path);
    (void)unlink(lock);
    (void)unlink(path);
    (void)rmdir(dir);
}

int main(int argc, char **argv)
{
    static struct bench b;
    unsigned seconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5;
    char dir[] = "/var/tmp/mg-bench-XXXXXX", path[64];
    if (seconds == 0 || mkdtemp(dir) == NULL || uv_loop_init(&b.loop) != 0 ||
        uv_sem_init(&b.woken, 0) != 0) {
        return 2;
    }
    (void)snprintf(path, sizeof path, "%s/store.db", dir);
    struct mg_store_settings settings = {.path = path};
    struct mg_store_events events = {.durable = durable};
    struct mg_err err;
    b.store = mg_store_open(&b.loop, &settings, &events, &b, &err);
    b.outbox = b.store == NULL ? NULL : mg_outbox_open(b.store, &err);
    if (b.outbox == NULL) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    (void)uv_timer_init(&b.loop, &b.timer);
    b.timer.data = &b;
    memset(payload, '7', sizeof payload);
    mg_store_set_wake(b.store, wake, &b);
    double percent = run(&b, seconds);
    mg_outbox_close(b.outbox);
    mg_store_close(b.store);
    uv_close((uv_handle_t *)&b.timer, NULL);
    (void)uv_run(&b.loop, UV_RUN_DEFAULT);
    clean(path, dir);
    return percent <= LIMIT_PERCENT ? 0 : 1;
}
