/* What happens to the clock of the machine: synchronised, no longer so, set.
 *
 * "Set" is a step of UTC against the monotonic clock; slewing moves both alike
 * and is none. The kernel tells of a step at once (a timerfd with
 * TFD_TIMER_CANCEL_ON_SET), and each second it is looked for besides: that is
 * all where the kernel cannot tell. */
#ifndef MG_BASE_CLOCK_WATCH_H
#define MG_BASE_CLOCK_WATCH_H

#include "base/clock.h"

enum mg_clock_event {
    MG_CLOCK_EVENT_NONE,
    MG_CLOCK_EVENT_SYNC,   /* synchronised: at the start, or again */
    MG_CLOCK_EVENT_UNSYNC, /* not so at the start, or for too long */
    MG_CLOCK_EVENT_CHANGED /* set: other times than before */
};

/* ---- Pure ---- */

/** All zero: not started. */
struct mg_sync_watch {
    bool is_started;
    bool is_unsync;     /* the last event was UNSYNC */
    uint64_t synced_ms; /* when it was synchronised last */
};

/** What the clock said at now_ms (monotonic). The first step tells how it is;
 *  later ones tell of the loss after patience_ms without synchronisation, and
 *  of its return if the loss was told. */
enum mg_clock_event mg_sync_watch_step(struct mg_sync_watch *watch,
                                       uint64_t now_ms, bool is_synced,
                                       uint64_t patience_ms);

/* Smaller steps are not told of: no time stamp shows them. */
#define MG_CLOCK_STEP_NS INT64_C(1000000)

/** Whether the clock was set between two offsets (UTC minus monotonic).
 *  @param ret_step_ns  forward is positive; set on true only */
bool mg_clock_is_set(int64_t old_offset_ns, int64_t new_offset_ns,
                     int64_t *ret_step_ns);

/* ---- On a loop ---- */

/* About 12 hours (Flex Series guide, entries of the log book). The kernel holds
 * itself synchronised for some hours after the last answer of a time server;
 * they come before these. */
#define MG_CLOCK_PATIENCE_MS ((uint64_t)12 * 3600 * 1000)

struct mg_clock_watch;

struct mg_clock_watch_settings {
    uint64_t patience_ms; /* 0 = MG_CLOCK_PATIENCE_MS */
    /** From the loop, never from within create; must not destroy the watch.
     *  CHANGED: UTC as it would be by the old setting, and as it is now. */
    void (*happened)(void *arg, enum mg_clock_event event, int64_t old_utc_ms,
                     int64_t new_utc_ms);
    void *arg; /* of all three */
    /* Where it comes from; optional, default: the kernel. */
    bool (*is_synced)(void *arg);
    /** UTC minus monotonic. @return false: not known just now */
    bool (*offset)(void *arg, int64_t *ret_ns);
};

/** A virtual clock is never synchronised nor set: nothing is told, unless both
 *  sources are given.
 *  @param loop      borrowed until the watch is destroyed; virtual: NULL
 *  @param clock     borrowed likewise
 *  @param settings  copied
 *  @return owned by the caller; NULL with err */
struct mg_clock_watch *
mg_clock_watch_create(uv_loop_t *loop, struct mg_clock *clock,
                      const struct mg_clock_watch_settings *settings,
                      struct mg_err *err);

/** Before its clock. Closes the handles; memory goes after the loop has run
 *  once more. NULL is allowed. */
void mg_clock_watch_destroy(struct mg_clock_watch *watch);

#endif
