/* Cable-loss compensation (ChargePoint Flex Series manual, annex A): the loss
 * between meter and vehicle is the integral of R * I^2, summed over the phases.
 * Wide integers: nothing is lost to rounding but once, at the read-out. */
#ifndef MG_MODEL_LOSS_H
#define MG_MODEL_LOSS_H

#include <stdbool.h>
#include <stdint.h>

/** All zero: nothing yet. Plain data, kept across restarts. In 1e-12 W * ms,
 *  hi * 2^64 + lo. */
struct mg_loss {
    uint64_t hi, lo;
    int64_t last_ms;  /* of the last sample, monotonic; 0: none */
    uint64_t last_i2; /* sum over the phases of I^2, mA^2 */
    uint64_t gap_ms;  /* time without samples, not integrated */
};

/** Integrate to now_ms with the mean of this and the last I^2.
 *  @param r_uohm       resistance of the loop of one phase, 0..1,000,000
 *  @param current_ma   per phase, each up to 1,000,000
 *  @param max_gap_ms   a longer time between samples is not integrated but
 *                      counted: no value is made up for it */
void mg_loss_add(struct mg_loss *loss, uint32_t r_uohm,
                 const int64_t *current_ma, unsigned n_phases, int64_t now_ms,
                 int64_t max_gap_ms);

/** No sample is joined to the one before the interruption. */
void mg_loss_interrupt(struct mg_loss *loss);

/** In mWh, rounded down. */
int64_t mg_loss_mwh(const struct mg_loss *loss);

#endif
