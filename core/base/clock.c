#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define FIRST_HEAP     64U
#define SYNC_PERIOD_NS 1000000000ULL

struct entry {
    struct mg_timer *timer;
    uint64_t order; /* equal deadlines fire in the order they were armed */
};

struct mg_clock {
    struct entry *heap; /* 1-based */
    size_t n, cap;
    uint64_t n_armed;
    bool is_virtual, is_closing, is_firing;
    uint64_t virtual_ns;
    int64_t virtual_utc_ms; /* at virtual time 0 */
    int fd;
    uint64_t armed_ns; /* what the timerfd is set to; 0 = nothing */
    uv_poll_t poll;
    uint64_t sync_ns; /* when the kernel was asked last */
    enum mg_clock_sync sync;
};

static void put_at(struct mg_clock *c, size_t i, struct entry e)
{
    c->heap[i] = e;
    e.timer->heap_index = i;
}

static bool is_before(const struct entry *a, const struct entry *b)
{
    if (a->timer->deadline_ns != b->timer->deadline_ns) {
        return a->timer->deadline_ns < b->timer->deadline_ns;
    }
    return a->order < b->order;
}

static void sift_up(struct mg_clock *c, size_t i, struct entry e)
{
    while (i > 1 && is_before(&e, &c->heap[i / 2])) {
        put_at(c, i, c->heap[i / 2]);
        i /= 2;
    }
    put_at(c, i, e);
}

static void sift_down(struct mg_clock *c, size_t i, struct entry e)
{
    while (2 * i <= c->n) {
        size_t child = 2 * i;
        if (child < c->n && is_before(&c->heap[child + 1], &c->heap[child])) {
            child++;
        }
        if (!is_before(&c->heap[child], &e)) {
            break;
        }
        put_at(c, i, c->heap[child]);
        i = child;
    }
    put_at(c, i, e);
}

static void heap_remove(struct mg_clock *c, size_t i)
{
    struct entry last = c->heap[c->n];
    c->heap[i].timer->heap_index = 0;
    c->n--;
    if (i > c->n) {
        return;
    }
    if (i > 1 && is_before(&last, &c->heap[i / 2])) {
        sift_up(c, i, last);
    } else {
        sift_down(c, i, last);
    }
}

static void heap_grow(struct mg_clock *c)
{
    if (c->n + 1 < c->cap) {
        return;
    }
    size_t cap = c->cap == 0 ? FIRST_HEAP : c->cap * 2;
    struct entry *heap = realloc(c->heap, cap * sizeof *heap);
    if (heap == NULL) {
        abort(); /* timers are made at start: there is nothing to save yet */
    }
    c->heap = heap;
    c->cap = cap;
}

/* ---- Real time ---- */

static uint64_t monotonic_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
    return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

/* The timerfd follows the earliest deadline. It is not moved when that one
 * becomes later: an early wake-up costs less than setting it each time. */
static void arm(struct mg_clock *c)
{
    if (c->is_virtual || c->is_firing || c->n == 0) {
        return;
    }
    uint64_t deadline_ns = c->heap[1].timer->deadline_ns;
    if (c->armed_ns != 0 && c->armed_ns <= deadline_ns) {
        return;
    }
    uint64_t at_ns = deadline_ns == 0 ? 1 : deadline_ns; /* 0 would disarm */
    struct itimerspec spec = {
        .it_value = {.tv_sec = (time_t)(at_ns / 1000000000ULL),
                     .tv_nsec = (long)(at_ns % 1000000000ULL)}};
    (void)timerfd_settime(c->fd, TFD_TIMER_ABSTIME, &spec, NULL);
    c->armed_ns = at_ns;
}

/* Timers armed by a callback for the past wait for the next turn. */
static void fire_due(struct mg_clock *c, uint64_t now_ns)
{
    uint64_t last_order = c->n_armed;
    c->is_firing = true;
    while (c->n > 0 && !c->is_closing) {
        struct mg_timer *timer = c->heap[1].timer;
        if (timer->deadline_ns > now_ns || c->heap[1].order > last_order) {
            break;
        }
        heap_remove(c, 1);
        timer->fire(timer);
    }
    c->is_firing = false;
}

static void readable(uv_poll_t *poll, int status, int events)
{
    struct mg_clock *c = poll->data;
    uint64_t n_expired;
    (void)status;
    (void)events;
    ssize_t n = read(c->fd, &n_expired, sizeof n_expired);
    (void)n; /* EAGAIN when the timer was moved meanwhile: look all the same */
    c->armed_ns = 0;
    fire_due(c, monotonic_ns());
    if (!c->is_closing) {
        arm(c);
    }
}

struct mg_clock *mg_clock_create_real(uv_loop_t *loop, struct mg_err *err)
{
    struct mg_clock *c = calloc(1, sizeof *c);
    if (c == NULL) {
        (void)mg_err_set(err, MG_E_NOMEM, "clock: out of memory");
        return NULL;
    }
    c->sync = MG_CLOCK_UNSYNC;
    c->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (c->fd < 0) {
        (void)mg_err_errno(err, errno, "clock: timerfd");
        free(c);
        return NULL;
    }
    int rc = uv_poll_init(loop, &c->poll, c->fd);
    if (rc != 0) {
        (void)mg_err_set(err, MG_E_IO, "clock: %s", uv_strerror(rc));
        (void)close(c->fd); /* nothing is armed */
        free(c);
        return NULL;
    }
    c->poll.data = c;
    (void)uv_poll_start(&c->poll, UV_READABLE, readable);
    return c;
}

struct mg_clock *mg_clock_create_virtual(int64_t utc_ms)
{
    struct mg_clock *c = calloc(1, sizeof *c);
    if (c != NULL) {
        c->is_virtual = true;
        c->virtual_utc_ms = utc_ms;
        c->fd = -1;
    }
    return c;
}

static void closed(uv_handle_t *handle)
{
    struct mg_clock *c = handle->data;
    (void)close(c->fd); /* a timerfd has nothing to lose */
    free(c->heap);
    free(c);
}

static void free_virtual(struct mg_clock *c)
{
    free(c->heap);
    free(c);
}

void mg_clock_destroy(struct mg_clock *c)
{
    if (c == NULL) {
        return;
    }
    c->is_closing = true;
    while (c->n > 0) {
        heap_remove(c, c->n);
    }
    if (!c->is_virtual) {
        uv_close((uv_handle_t *)&c->poll, closed);
    } else if (!c->is_firing) {
        free_virtual(c); /* else the advance that is running frees it */
    }
}

bool mg_clock_is_virtual(const struct mg_clock *c)
{
    return c->is_virtual;
}

uint64_t mg_clock_now_ns(const struct mg_clock *c)
{
    return c->is_virtual ? c->virtual_ns : monotonic_ns();
}

int64_t mg_clock_utc_ms(const struct mg_clock *c)
{
    if (c->is_virtual) {
        return c->virtual_utc_ms + (int64_t)(c->virtual_ns / 1000000);
    }
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

enum mg_clock_sync mg_clock_sync(struct mg_clock *c)
{
    if (c->is_virtual) {
        return MG_CLOCK_RELATIVE;
    }
    uint64_t now_ns = monotonic_ns();
    if (c->sync_ns == 0 || now_ns - c->sync_ns >= SYNC_PERIOD_NS) {
        struct timex state = {0};
        int rc = adjtimex(&state);
        bool is_synced =
            rc >= 0 && rc != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
        c->sync = is_synced ? MG_CLOCK_SYNCED : MG_CLOCK_UNSYNC;
        c->sync_ns = now_ns;
    }
    return c->sync;
}

void mg_timer_start(struct mg_clock *c, struct mg_timer *timer,
                    uint64_t deadline_ns, void (*fire)(struct mg_timer *))
{
    mg_timer_stop(timer);
    if (c->is_closing) {
        return;
    }
    timer->clock = c;
    timer->deadline_ns = deadline_ns;
    timer->fire = fire;
    heap_grow(c);
    c->n++;
    sift_up(c, c->n, (struct entry){timer, ++c->n_armed});
    arm(c);
}

void mg_timer_stop(struct mg_timer *timer)
{
    if (timer->heap_index != 0) {
        heap_remove(timer->clock, timer->heap_index);
    }
}

uint64_t mg_clock_next_ns(const struct mg_clock *c)
{
    return c->n == 0 ? UINT64_MAX : c->heap[1].timer->deadline_ns;
}

void mg_clock_advance(struct mg_clock *c, uint64_t until_ns)
{
    c->is_firing = true;
    while (c->n > 0 && c->heap[1].timer->deadline_ns <= until_ns) {
        struct mg_timer *timer = c->heap[1].timer;
        heap_remove(c, 1);
        if (timer->deadline_ns > c->virtual_ns) {
            c->virtual_ns = timer->deadline_ns;
        }
        timer->fire(timer);
    }
    c->is_firing = false;
    if (c->is_closing) {
        free_virtual(c);
        return;
    }
    if (until_ns > c->virtual_ns) {
        c->virtual_ns = until_ns;
    }
}
