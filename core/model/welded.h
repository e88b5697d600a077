/* A contact that is welded: it should be open, and current flows (Flex Series
 * guide, annex B). Pure. Possible only after a session; nothing but service
 * ends it. */
#ifndef MG_MODEL_WELDED_H
#define MG_MODEL_WELDED_H

#include "metergate/types.h"

/* Samples in a row. Ours: the first may be from before the opening. */
#define MG_WELDED_SAMPLES 3

/** All zero: no session yet. Plain data, to be stored when a step says so. */
struct mg_welded {
    bool had_session; /* the contact was closed once */
    bool is_latched;
    uint8_t n_over; /* samples in a row with current through an open contact */
};

/** A sample.
 *  @param is_open      the relay says open, or, of a relay that says nothing,
 *                      the session has ended and it was ordered to open
 *  @param current_ma   per phase; the sign is its direction
 *  @param starting_ma  Ist of the meter: up to it nothing flows
 *  @return true: what must survive a restart has changed: store it */
bool mg_welded_sample(struct mg_welded *welded, bool is_open,
                      const int64_t *current_ma, unsigned n_phases,
                      int64_t starting_ma);

/** Service has repaired it. @return true: it was latched */
bool mg_welded_reset(struct mg_welded *welded);

#endif
