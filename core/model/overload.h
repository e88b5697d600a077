/* Overload protection of one charging point (Flex Series guide, annex B). Pure.
 *
 * A current that reaches or exceeds 1.25 times the limit opens the contact
 * before ten seconds of it have passed; below, never. One that ends by itself
 * before does not. The contact is closed again after a few seconds, three times
 * at most in a session; the next overload latches until the power was off for
 * a minute. */
#ifndef MG_MODEL_OVERLOAD_H
#define MG_MODEL_OVERLOAD_H

#include "metergate/types.h"

/* From the last sample without overload to the order to open. Ours: one second
 * is left for a sample that is late, one for the contact. */
#define MG_OVERLOAD_TRIP_MS 8000
/* From the opening to the next attempt: "a few seconds". */
#define MG_OVERLOAD_RETRY_MS 5000
#define MG_OVERLOAD_RETRIES  3
/* After an attempt, without overload: the fault is over. Ours: as long as an
 * overload may last. The attempts stay counted until the session ends. */
#define MG_OVERLOAD_CALM_MS 10000
/* The power must have been off so long to reset the latch. */
#define MG_OVERLOAD_OFF_MS 60000

enum mg_overload_phase {
    MG_OVERLOAD_WATCHING,
    MG_OVERLOAD_TRIPPED, /* open, until the next attempt */
    MG_OVERLOAD_LATCHED  /* open, until a power cycle */
};

/** All zero: watching, nothing known. Plain data, to be stored when a step says
 *  so. Times are monotonic milliseconds. */
struct mg_overload {
    uint8_t phase;     /* enum mg_overload_phase */
    uint8_t n_retries; /* attempts of this session */
    bool is_known;     /* clear_ms is valid */
    bool is_over;      /* as the last sample said */
    bool is_soft;      /* tripped, and not calm since */
    int64_t clear_ms;  /* WATCHING: last sample without overload */
    int64_t since_ms;  /* of the opening, or of the last attempt */
};

enum mg_overload_action {
    MG_OVERLOAD_NOTHING,
    MG_OVERLOAD_OPEN, /* the contact; again while current flows all the same */
    MG_OVERLOAD_CLOSE /* an attempt to resume */
};

struct mg_overload_step {
    uint8_t action;  /* enum mg_overload_action */
    bool is_changed; /* what must survive a restart has changed: store it */
};

/** 4 * I >= 5 * limit for any phase, exactly; the sign of I is its direction.
 *  @param limit_ma  above 0; 0 = no limit: never */
bool mg_overload_is_over(int64_t limit_ma, const int64_t *current_ma,
                         unsigned n_phases);

/** A sample, once a second while the contact may be closed.
 *  @param limit_ma  the lowest of station, vehicle and installation, per phase;
 *                   0: nothing is watched
 *  @param now_ms    arrival of the sample; never goes back */
struct mg_overload_step mg_overload_sample(struct mg_overload *overload,
                                           int64_t limit_ma,
                                           const int64_t *current_ma,
                                           unsigned n_phases, int64_t now_ms);

/** Time has passed without a sample: what was last known still holds. Needed
 *  for attempts when an open meter says nothing, and for late samples. To be
 *  called at mg_overload_deadline_ms, or once a second. */
struct mg_overload_step mg_overload_tick(struct mg_overload *overload,
                                         int64_t now_ms);

/** When the next tick has something to do; INT64_MAX: not before a sample. */
int64_t mg_overload_deadline_ms(const struct mg_overload *overload);

/** The session is over, its contact open: no attempt is made any more, and the
 *  next session begins with none. A latch stays. */
void mg_overload_end(struct mg_overload *overload);

/** After a restart of the gateway, with the stored state. Times of before mean
 *  nothing: an attempt waits its full time again, and an overload that was
 *  under way trips with the next sample that still shows it. */
void mg_overload_restart(struct mg_overload *overload, int64_t now_ms);

/** The meter is back from a time without power.
 *  @param is_new_boot  it has another boot number than before
 *  @param off_ms       how long it was off
 *  @return true: a latch was reset; it takes both, a new boot and a minute */
bool mg_overload_power_cycle(struct mg_overload *overload, bool is_new_boot,
                             int64_t off_ms);

/** ac-over-current-soft is present: tripped, to be tried again, or not calm
 *  since the last attempt. */
bool mg_overload_is_soft(const struct mg_overload *overload);
/** ac-over-current is present. */
bool mg_overload_is_latched(const struct mg_overload *overload);

#endif
