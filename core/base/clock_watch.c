#include "base/clock_watch.h"

#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_NS     1000000000ULL
#define OFFSET_TRIES  8
#define NS_PER_MS     1000000
#define NS_PER_SECOND INT64_C(1000000000)

struct mg_clock_watch {
    struct mg_timer timer; /* first: found from it by a cast */
    struct mg_clock *clock;
    struct mg_clock_watch_settings settings;
    struct mg_sync_watch sync;
    bool has_offset;
    int64_t offset_ns;
    int fd; /* -1: the kernel does not tell */
    uv_poll_t poll;
};

/* ---- Pure ---- */

enum mg_clock_event mg_sync_watch_step(struct mg_sync_watch *w, uint64_t now_ms,
                                       bool is_synced, uint64_t patience_ms)
{
    bool is_first = !w->is_started;
    w->is_started = true;
    if (is_synced) {
        bool is_news = is_first || w->is_unsync;
        w->is_unsync = false;
        w->synced_ms = now_ms;
        return is_news ? MG_CLOCK_EVENT_SYNC : MG_CLOCK_EVENT_NONE;
    }
    if (w->is_unsync || (!is_first && now_ms - w->synced_ms < patience_ms)) {
        return MG_CLOCK_EVENT_NONE;
    }
    w->is_unsync = true;
    return MG_CLOCK_EVENT_UNSYNC;
}

bool mg_clock_is_set(int64_t old_offset_ns, int64_t new_offset_ns,
                     int64_t *ret_step_ns)
{
    int64_t step_ns = new_offset_ns - old_offset_ns;
    if (step_ns > -MG_CLOCK_STEP_NS && step_ns < MG_CLOCK_STEP_NS) {
        return false;
    }
    *ret_step_ns = step_ns;
    return true;
}

/* ---- The kernel ---- */

static int64_t read_ns(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t); /* cannot fail */
    return (int64_t)t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

/* UTC between two readings of the monotonic clock. When the process was put
 * aside in between it is not known what belongs together: the nearest of some
 * tries counts, and none that is worse than what is looked for. */
static bool kernel_offset(int64_t *ret_ns)
{
    int64_t best_ns = MG_CLOCK_STEP_NS / 2, offset_ns = 0;
    bool is_known = false;
    for (unsigned i = 0; i < OFFSET_TRIES; i++) {
        int64_t before_ns = read_ns(CLOCK_MONOTONIC);
        int64_t utc_ns = read_ns(CLOCK_REALTIME);
        int64_t took_ns = read_ns(CLOCK_MONOTONIC) - before_ns;
        if (took_ns < best_ns) {
            best_ns = took_ns;
            offset_ns = utc_ns - before_ns;
            is_known = true;
        }
    }
    if (is_known) {
        *ret_ns = offset_ns;
    }
    return is_known;
}

/* It never expires: it is there to be cancelled. The kernel keeps it armed
 * after that. @return -1: this kernel has no such timers */
static int open_canceled_on_set(void)
{
    int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    uint64_t far_s = UINT64_MAX >> (65 - 8 * sizeof(time_t));
    struct itimerspec never = {.it_value = {.tv_sec = (time_t)far_s}};
    if (timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never,
                        NULL) != 0) {
        (void)close(fd); /* nothing is armed */
        return -1;
    }
    return fd;
}

/* ---- The watch ---- */

static bool read_offset(const struct mg_clock_watch *w, int64_t *ret_ns)
{
    return w->settings.offset != NULL
               ? w->settings.offset(w->settings.arg, ret_ns)
               : kernel_offset(ret_ns);
}

static bool is_synced(const struct mg_clock_watch *w)
{
    return w->settings.is_synced != NULL
               ? w->settings.is_synced(w->settings.arg)
               : mg_clock_sync(w->clock) == MG_CLOCK_SYNCED;
}

static void look_for_step(struct mg_clock_watch *w)
{
    int64_t offset_ns, step_ns;
    if (!read_offset(w, &offset_ns)) {
        return; /* the next second tells */
    }
    int64_t old_ns = w->offset_ns;
    bool had_offset = w->has_offset;
    w->offset_ns = offset_ns;
    w->has_offset = true;
    if (had_offset && mg_clock_is_set(old_ns, offset_ns, &step_ns)) {
        int64_t mono_ns = (int64_t)mg_clock_now_ns(w->clock);
        w->settings.happened(w->settings.arg, MG_CLOCK_EVENT_CHANGED,
                             (mono_ns + old_ns) / NS_PER_MS,
                             (mono_ns + offset_ns) / NS_PER_MS);
    }
}

static void ask_for_sync(struct mg_clock_watch *w)
{
    enum mg_clock_event event =
        mg_sync_watch_step(&w->sync, mg_clock_now_ms(w->clock), is_synced(w),
                           w->settings.patience_ms);
    if (event != MG_CLOCK_EVENT_NONE) {
        int64_t utc_ms = mg_clock_utc_ms(w->clock);
        w->settings.happened(w->settings.arg, event, utc_ms, utc_ms);
    }
}

static void each_second(struct mg_timer *timer)
{
    struct mg_clock_watch *w = (struct mg_clock_watch *)timer;
    look_for_step(w);
    ask_for_sync(w);
    mg_timer_start(w->clock, timer, mg_clock_now_ns(w->clock) + PERIOD_NS,
                   each_second);
}

static void canceled(uv_poll_t *poll, int status, int events)
{
    struct mg_clock_watch *w = poll->data;
    uint64_t n_expired;
    (void)status;
    (void)events;
    ssize_t n = read(w->fd, &n_expired, sizeof n_expired);
    (void)n; /* ECANCELED is the news; the offsets tell the rest */
    look_for_step(w);
}

/* Without the poll the steps are found each second. */
static int start_poll(struct mg_clock_watch *w, uv_loop_t *loop,
                      struct mg_err *err)
{
    w->fd = open_canceled_on_set();
    if (w->fd < 0) {
        return MG_OK;
    }
    int rc = uv_poll_init(loop, &w->poll, w->fd);
    if (rc != 0) {
        (void)close(w->fd); /* nobody reads it */
        return mg_err_set(err, MG_E_IO, "clock watch: %s", uv_strerror(rc));
    }
    w->poll.data = w;
    (void)uv_poll_start(&w->poll, UV_READABLE, canceled);
    return MG_OK;
}

struct mg_clock_watch *
mg_clock_watch_create(uv_loop_t *loop, struct mg_clock *clock,
                      const struct mg_clock_watch_settings *settings,
                      struct mg_err *err)
{
    struct mg_clock_watch *w = calloc(1, sizeof *w);
    if (w == NULL) {
        (void)mg_err_set(err, MG_E_NOMEM, "clock watch: out of memory");
        return NULL;
    }
    w->clock = clock;
    w->settings = *settings;
    w->fd = -1;
    if (w->settings.patience_ms == 0) {
        w->settings.patience_ms = MG_CLOCK_PATIENCE_MS;
    }
    bool is_virtual = mg_clock_is_virtual(clock);
    if (!is_virtual && start_poll(w, loop, err) != MG_OK) {
        free(w);
        return NULL;
    }
    w->has_offset = (!is_virtual || settings->offset != NULL) &&
                    read_offset(w, &w->offset_ns);
    if (!is_virtual ||
        (settings->is_synced != NULL && settings->offset != NULL)) {
        mg_timer_start(clock, &w->timer, mg_clock_now_ns(clock), each_second);
    }
    return w;
}

static void closed(uv_handle_t *handle)
{
    struct mg_clock_watch *w = handle->data;
    (void)close(w->fd); /* a timerfd has nothing to lose */
    free(w);
}

void mg_clock_watch_destroy(struct mg_clock_watch *w)
{
    if (w == NULL) {
        return;
    }
    mg_timer_stop(&w->timer);
    if (w->fd < 0) {
        free(w);
        return;
    }
    uv_close((uv_handle_t *)&w->poll, closed);
}
