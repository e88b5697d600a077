/* Batches of jobs in a ring: one thread fills it, others work on them, and what
 * they have to say comes out in the order in which it went in. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/verify.h"

#define BATCH_JOBS     64
#define RING_PER_JOB   4
#define PROGRESS_MS    100
#define PROGRESS_FIRST 500 /* ms without a bar */

enum state { EMPTY, FILLED, TAKEN, DONE };

struct batch {
    enum state state;
    size_t n;
    struct verify_job *jobs[BATCH_JOBS]; /* owned */
    char *said;                          /* owned; what is to be printed */
    size_t said_len;
    struct verify_counts counts;
    bool is_only; /* its one job is all there is */
};

struct worker {
    struct verify_pool *pool;
    struct verify_worker *verify; /* owned */
    pthread_t thread;
    bool is_running;
};

struct verify_pool {
    const struct verify_options *options; /* borrowed */
    unsigned n_workers;                   /* threads; 0: the caller's */
    struct worker *workers;               /* owned; one at least */
    size_t n_ring;
    struct batch *ring; /* owned */
    pthread_mutex_t mutex;
    pthread_cond_t filled, done;
    /* Batches so far; those filled may be worked on, those printed are free. */
    size_t n_filled, n_taken, n_printed;
    bool is_over, has_no_memory, is_printing;
    struct batch *filling; /* borrowed from the ring; NULL: none */
    size_t n_jobs;
    struct verify_counts counts;
    /* Progress, of the caller's thread. */
    bool has_bar, is_bar_drawn;
    size_t bytes, total_bytes;
    int64_t start_ms, drawn_ms;
};

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail */
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- Working ---- */

static void add_counts(struct verify_counts *to,
                       const struct verify_counts *from)
{
    for (size_t i = 0; i < sizeof to->n / sizeof *to->n; i++) {
        to->n[i] += from->n[i];
    }
    to->n_failed += from->n_failed;
    to->n_errors += from->n_errors;
}

static bool work(struct verify_worker *verify, struct batch *b)
{
    FILE *out = open_memstream(&b->said, &b->said_len);
    if (out == NULL) {
        return false;
    }
    for (size_t i = 0; i < b->n; i++) {
        verify_worker_run(verify, b->jobs[i], b->is_only, &b->counts, out);
        verify_job_free(b->jobs[i]);
        b->jobs[i] = NULL;
    }
    return fclose(out) == 0;
}

static void clear_bar(struct verify_pool *p)
{
    if (p->is_bar_drawn) {
        (void)fputs("\r\033[K", stderr);
        p->is_bar_drawn = false;
    }
}

/* The one next to be printed, and those behind it that wait for it. Under the
 * mutex, which is let go while printing; nobody else prints meanwhile. */
static void print_done(struct verify_pool *p)
{
    if (p->is_printing) {
        return;
    }
    p->is_printing = true;
    while (p->n_printed < p->n_filled &&
           p->ring[p->n_printed % p->n_ring].state == DONE) {
        struct batch *b = &p->ring[p->n_printed % p->n_ring];
        if (b->said_len > 0) {
            clear_bar(p);
            (void)pthread_mutex_unlock(&p->mutex);
            (void)fwrite(b->said, 1, b->said_len, stdout);
            (void)pthread_mutex_lock(&p->mutex);
        }
        add_counts(&p->counts, &b->counts);
        free(b->said);
        *b = (struct batch){0};
        p->n_printed++;
        (void)pthread_cond_signal(&p->done);
    }
    if (p->n_printed == p->n_filled) {
        (void)fflush(stdout); /* who waits for the answer has it */
    }
    p->is_printing = false;
}

static void *run(void *arg)
{
    struct worker *w = arg;
    struct verify_pool *p = w->pool;
    (void)pthread_mutex_lock(&p->mutex);
    for (;;) {
        while (p->n_taken == p->n_filled && !p->is_over) {
            (void)pthread_cond_wait(&p->filled, &p->mutex);
        }
        if (p->n_taken == p->n_filled) {
            break;
        }
        struct batch *b = &p->ring[p->n_taken++ % p->n_ring];
        b->state = TAKEN;
        (void)pthread_mutex_unlock(&p->mutex);
        bool is_done = work(w->verify, b);
        (void)pthread_mutex_lock(&p->mutex);
        p->has_no_memory = p->has_no_memory || !is_done;
        b->state = DONE;
        print_done(p);
    }
    (void)pthread_mutex_unlock(&p->mutex);
    return NULL;
}

/* ---- Filling ---- */

/* Under the mutex. */
static struct batch *wait_empty(struct verify_pool *p)
{
    while (p->n_filled - p->n_printed == p->n_ring) {
        (void)pthread_cond_wait(&p->done, &p->mutex);
    }
    return &p->ring[p->n_filled % p->n_ring];
}

static void submit(struct verify_pool *p)
{
    struct batch *b = p->filling;
    if (b == NULL || b->n == 0) {
        return;
    }
    p->filling = NULL;
    (void)pthread_mutex_lock(&p->mutex);
    b->state = FILLED;
    p->n_filled++;
    if (p->n_workers > 0) {
        (void)pthread_cond_signal(&p->filled);
    } else {
        p->n_taken++;
        p->has_no_memory = !work(p->workers[0].verify, b) || p->has_no_memory;
        b->state = DONE;
        print_done(p);
    }
    (void)pthread_mutex_unlock(&p->mutex);
}

static int take_job(void *ctx, struct verify_job *job)
{
    struct verify_pool *p = ctx;
    int rc = MG_OK;
    if (p->filling == NULL) {
        (void)pthread_mutex_lock(&p->mutex);
        p->filling = wait_empty(p);
        rc = p->has_no_memory ? MG_E_NOMEM : MG_OK;
        (void)pthread_mutex_unlock(&p->mutex);
    }
    p->filling->jobs[p->filling->n++] = job;
    p->n_jobs++;
    if (p->filling->n == BATCH_JOBS) {
        submit(p);
    }
    return rc;
}

/* Nothing to read for now: what is there goes out. The very first job waits for
 * a second one, which decides how it is reported. */
static void idle(void *ctx)
{
    struct verify_pool *p = ctx;
    if (p->n_jobs > 1) {
        submit(p);
    }
}

static void draw_bar(struct verify_pool *p)
{
    static const char FULL[] = "##############################";
    size_t n = p->counts.n_failed;
    size_t all = 0;
    for (size_t i = 0; i < sizeof p->counts.n / sizeof *p->counts.n; i++) {
        all += p->counts.n[i];
    }
    if (p->total_bytes > 0) {
        size_t done = p->bytes < p->total_bytes ? p->bytes : p->total_bytes;
        int width = (int)(done * (sizeof FULL - 1) / p->total_bytes);
        (void)fprintf(stderr, "\r\033[K[%-30.*s] %3zu %%  ", width, FULL,
                      done * 100 / p->total_bytes);
    } else {
        (void)fputs("\r\033[K", stderr);
    }
    (void)fprintf(stderr, "%zu records, %zu failed", all, n);
    (void)fflush(stderr);
    p->is_bar_drawn = true;
}

static void progress(void *ctx, size_t n)
{
    struct verify_pool *p = ctx;
    p->bytes += n;
    if (!p->has_bar) {
        return;
    }
    int64_t now = now_ms();
    if (now - p->start_ms < PROGRESS_FIRST || now - p->drawn_ms < PROGRESS_MS) {
        return;
    }
    p->drawn_ms = now;
    (void)pthread_mutex_lock(&p->mutex);
    if (!p->is_printing) {
        draw_bar(p);
    }
    (void)pthread_mutex_unlock(&p->mutex);
}

struct verify_sink verify_pool_sink(struct verify_pool *pool)
{
    return (struct verify_sink){
        .emit = take_job, .idle = idle, .progress = progress, .ctx = pool};
}

/* ---- Life ---- */

static bool start_workers(struct verify_pool *p)
{
    unsigned n = p->n_workers == 0 ? 1 : p->n_workers;
    for (unsigned i = 0; i < n; i++) {
        struct worker *w = &p->workers[i];
        w->pool = p;
        w->verify = verify_worker_create(p->options);
        if (w->verify == NULL) {
            return false;
        }
        w->is_running =
            p->n_workers > 0 && pthread_create(&w->thread, NULL, run, w) == 0;
        if (p->n_workers > 0 && !w->is_running) {
            return false;
        }
    }
    return true;
}

struct verify_pool *verify_pool_create(const struct verify_options *options,
                                       unsigned n_jobs, size_t total_bytes)
{
    struct verify_pool *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    (void)pthread_mutex_init(&p->mutex, NULL); /* cannot fail on Linux */
    (void)pthread_cond_init(&p->filled, NULL);
    (void)pthread_cond_init(&p->done, NULL);
    p->options = options;
    p->n_workers = n_jobs > 1 ? n_jobs : 0;
    p->n_ring = (size_t)n_jobs * RING_PER_JOB;
    p->ring = calloc(p->n_ring, sizeof *p->ring);
    p->workers = calloc(n_jobs, sizeof *p->workers);
    p->has_bar = isatty(STDERR_FILENO) != 0;
    p->total_bytes = total_bytes;
    p->start_ms = now_ms();
    if (p->ring == NULL || p->workers == NULL || !start_workers(p)) {
        verify_pool_destroy(p);
        return NULL;
    }
    return p;
}

static void stop(struct verify_pool *p)
{
    (void)pthread_mutex_lock(&p->mutex);
    p->is_over = true;
    (void)pthread_cond_broadcast(&p->filled);
    (void)pthread_mutex_unlock(&p->mutex);
    for (unsigned i = 0; i < p->n_workers; i++) {
        if (p->workers[i].is_running) {
            (void)pthread_join(p->workers[i].thread, NULL);
            p->workers[i].is_running = false;
        }
    }
}

int verify_pool_finish(struct verify_pool *pool, struct verify_counts *ret)
{
    if (pool->filling != NULL) {
        pool->filling->is_only = pool->n_jobs == 1;
    }
    submit(pool);
    stop(pool);
    clear_bar(pool);
    (void)fflush(stderr);
    *ret = pool->counts;
    return pool->has_no_memory ? MG_E_NOMEM : MG_OK;
}

void verify_pool_destroy(struct verify_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    if (pool->workers != NULL) {
        stop(pool);
        for (unsigned i = 0; i == 0 || i < pool->n_workers; i++) {
            verify_worker_destroy(pool->workers[i].verify);
        }
    }
    for (size_t i = 0; pool->ring != NULL && i < pool->n_ring; i++) {
        for (size_t k = 0; k < pool->ring[i].n; k++) {
            verify_job_free(pool->ring[i].jobs[k]);
        }
        free(pool->ring[i].said);
    }
    (void)pthread_cond_destroy(&pool->done);
    (void)pthread_cond_destroy(&pool->filled);
    (void)pthread_mutex_destroy(&pool->mutex);
    free(pool->workers);
    free(pool->ring);
    free(pool);
}
