/* Time and timers, real or virtual.
 *
 * One clock per loop: a binary heap of deadlines in nanoseconds. The real clock
 * is driven by one timerfd in a uv_poll, so that a deadline is kept to some
 * tens of microseconds (uv_timer rounds to milliseconds, in both directions).
 * The virtual clock stands still until mg_clock_advance; UTC follows it. */
#ifndef MG_BASE_CLOCK_H
#define MG_BASE_CLOCK_H

#include <uv.h>

#include "base/err.h"

struct mg_clock;

/** Embedded in its owner, zero-initialised; the owner must stop it before its
 *  memory goes. */
struct mg_timer {
    struct mg_clock *clock;
    uint64_t deadline_ns;
    void (*fire)(struct mg_timer *timer);
    size_t heap_index; /* 1-based; 0 = not running */
};

/** @param loop  borrowed until mg_clock_destroy
 *  @return owned by the caller; NULL with err */
struct mg_clock *mg_clock_create_real(uv_loop_t *loop, struct mg_err *err);

/** @param utc_ms  UTC at virtual time 0 */
struct mg_clock *mg_clock_create_virtual(int64_t utc_ms);

/** Closes the handles; memory goes after the loop has run once more.
 *  NULL is allowed. Running timers are forgotten. */
void mg_clock_destroy(struct mg_clock *clock);

bool mg_clock_is_virtual(const struct mg_clock *clock);

/** Monotonic. Virtual: from 0. */
uint64_t mg_clock_now_ns(const struct mg_clock *clock);
static inline uint64_t mg_clock_now_ms(const struct mg_clock *clock)
{
    return mg_clock_now_ns(clock) / 1000000;
}

int64_t mg_clock_utc_ms(const struct mg_clock *clock);

/** From the kernel (adjtimex), asked at most once a second; virtual: R. */
enum mg_clock_sync mg_clock_sync(struct mg_clock *clock);

/** (Re)arm. A deadline in the past fires at the next turn of the loop, never
 *  from within this call. Equal deadlines fire in the order they were armed. */
void mg_timer_start(struct mg_clock *clock, struct mg_timer *timer,
                    uint64_t deadline_ns, void (*fire)(struct mg_timer *));
void mg_timer_stop(struct mg_timer *timer);

/** Virtual only: deadline of the next timer, UINT64_MAX when there is none. */
uint64_t mg_clock_next_ns(const struct mg_clock *clock);

/** Virtual only: fire all timers up to and including until_ns in order, each
 *  at its own time, then stand at until_ns. */
void mg_clock_advance(struct mg_clock *clock, uint64_t until_ns);

#endif
