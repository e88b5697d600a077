/* Plausibility and register epochs: what a new sample says about the last.
 * Pure.
 *
 * A value that cannot be true is marked IMPLAUSIBLE and never replaces the last
 * good one; a counter that fell because the registers were cleared or the meter
 * was exchanged opens a new epoch instead. */
#ifndef MG_MODEL_CHECK_H
#define MG_MODEL_CHECK_H

#include "model/sample.h"

struct mg_check_limits {
    int64_t max_voltage_mv, max_current_ma; /* per phase */
    uint8_t n_phases;
};

#define MG_CHECK_COUNTERS_MAX 64

/* A register may be older or newer than the sample's time stamp says: a meter
 * renews its registers in steps of its own, and the answers of one poll come
 * one after the other. Without this allowance a poll every 100 ms of a meter
 * that counts once a second would see a jump every second. */
#define MG_CHECK_SLACK_MS 10000

/** Last good counters of a meter. Zero-initialised, or restored. */
struct mg_check_state {
    uint64_t epoch; /* register epoch, from 1 */
    size_t n;
    struct {
        mg_channel channel;
        int64_t value, resolution;
        int64_t utc_ms;
        uint64_t mono_ns; /* 0: from before a restart; utc_ms is used */
    } last[MG_CHECK_COUNTERS_MAX];
    char serial[32]; /* of the meter, empty until known */
    /* Levels that contradict `last`, and for how many samples in a row they
     * have been plausible among themselves. */
    struct {
        mg_channel channel;
        int64_t value;
        uint64_t mono_ns;
    } suspect[MG_CHECK_COUNTERS_MAX];
    size_t n_suspects;
    unsigned n_confirmed;
};

enum mg_check_event {
    MG_CHECK_NOTHING,
    MG_CHECK_NEW_EPOCH,    /* registers cleared or meter exchanged */
    MG_CHECK_COUNTER_DOWN, /* marked implausible */
    MG_CHECK_JUMP,         /* marked implausible */
    MG_CHECK_RANGE         /* voltage or current beyond the meter's range */
};

/** What to report: first finding of the sample. */
struct mg_check_report {
    enum mg_check_event event;
    mg_channel channel;
    int64_t before, after, limit; /* base units */
};

/** Check a sample against the state, mark its values, take over the good ones,
 *  set the sample's register epoch.
 *
 *  Counter down: implausible, unless is_clear_expected: then a new epoch.
 *  Jump of an energy: more than n_phases * Umax * Imax * (dt +
 *  MG_CHECK_SLACK_MS) + one step of each of the two readings: implausible. dt
 *  is that of mono_ns, and of utc_ms for a counter from before a restart; when
 *  utc_ms has gone back since then nothing is a jump.
 *  Either one becomes a new epoch when MG_CHECK_CONFIRM samples in a row show
 *  the new level, plausible among themselves: a meter that was exchanged or
 *  cleared behind the gateway's back must not stay silent for ever.
 *  Gauges beyond the meter's range (|U| > Umax, |I| > Imax, |P|, |Q|, |S| >
 *  n_phases * Umax * Imax, |PF| > 1) are implausible; between two phases twice
 *  Umax, in the neutral and in total n_phases * Imax. A limit of 0 is none.
 *  A counter lower than the last in a sample that is older than the last is
 *  STALE and no finding. Counters beyond MG_CHECK_COUNTERS_MAX cannot be
 *  remembered and are implausible.
 *  Of several findings the first is reported, but a new epoch always.
 *  @param is_clear_expected  a clear command was carried out since the last
 *  sample that had counters */
#define MG_CHECK_CONFIRM 5
void mg_check_sample(struct mg_check_state *state,
                     const struct mg_check_limits *limits,
                     bool is_clear_expected, struct mg_sample *sample,
                     struct mg_check_report *ret_report);

/** The serial number was read; an empty one says nothing.
 *  @return true: it was known and has changed: another meter; a new epoch is
 *  open and the counters are forgotten */
bool mg_check_serial(struct mg_check_state *state, const char *serial,
                     size_t len);

#endif
