#include "run/clock_events.h"

#include <stdio.h>

#include "base/clock_watch.h"
#include "run/logbook.h"

/* The kernel holds itself synchronised for some 9 h after the last answer of a
 * time server (16 s at 500 ppm): together about 12 h. */
#define PATIENCE_MS (UINT64_C(3) * 3600 * 1000)

static void happened(void *arg, enum mg_clock_event event, int64_t old_utc_ms,
                     int64_t new_utc_ms)
{
    struct mg_gateway *g = arg;
    char members[64];
    switch (event) {
    case MG_CLOCK_EVENT_SYNC:
        mg_logbook_add(g, NULL, MG_LOGBOOK_CLOCK_SYNC, NULL);
        mg_event(g, NULL, MG_LOG_INFO, "clock-sync", NULL,
                 "the clock is synchronised");
        break;
    case MG_CLOCK_EVENT_UNSYNC:
        mg_logbook_add(g, NULL, MG_LOGBOOK_CLOCK_UNSYNC, NULL);
        mg_event(g, NULL, MG_LOG_WARN, "clock-unsync", NULL,
                 "the clock is not synchronised: records say so");
        break;
    case MG_CLOCK_EVENT_CHANGED:
        (void)snprintf(members, sizeof members, "\"by_ms\":%lld",
                       (long long)(new_utc_ms - old_utc_ms));
        mg_logbook_add(g, NULL, MG_LOGBOOK_CLOCK_CHANGED, NULL);
        mg_event(g, NULL, MG_LOG_WARN, "clock-changed", members,
                 "the clock was set by %lld ms",
                 (long long)(new_utc_ms - old_utc_ms));
        break;
    default:
        break;
    }
}

int mg_clock_events_start(struct mg_gateway *g, struct mg_err *err)
{
    const struct mg_clock_watch_settings settings = {
        .happened = happened, .arg = g, .patience_ms = PATIENCE_MS};
    if (mg_clock_is_virtual(g->clock)) {
        return MG_OK;
    }
    g->clock_watch = mg_clock_watch_create(g->loop, g->clock, &settings, err);
    return g->clock_watch == NULL ? err->code : MG_OK;
}

void mg_clock_events_stop(struct mg_gateway *g)
{
    mg_clock_watch_destroy(g->clock_watch);
    g->clock_watch = NULL;
}
