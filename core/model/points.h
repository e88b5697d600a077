/* From a register table to requests, and from answers to values. Pure.
 *
 * The plan of a meter merges the points of each group into the fewest
 * requests that its limits allow, never reading across registers that no
 * point covers unless max_gap says so. */
#ifndef MG_MODEL_POINTS_H
#define MG_MODEL_POINTS_H

#include "model/sample.h"

#define MG_PLAN_POINTS_MAX 256
#define MG_PLAN_BLOCKS_MAX 64

/** A point of the table with its series unrolled. */
struct mg_plan_point {
    const struct mg_point *row; /* borrowed from the plugin */
    mg_channel channel;
    uint16_t address;
    uint8_t width; /* registers or bits */
    uint8_t block; /* index into blocks */
};

struct mg_plan_block {
    uint8_t function, group;
    uint16_t address, count;
    uint16_t first_point, n_points; /* in points, sorted by first register */
};

struct mg_plan {
    size_t n_points, n_blocks;
    struct mg_plan_point points[MG_PLAN_POINTS_MAX];
    struct mg_plan_block blocks[MG_PLAN_BLOCKS_MAX];
};

/** Build the plan; blocks are in order of group, function, address.
 *  @param variant  as in mg_plugin.variant
 *  @return MG_OK; MG_E_NOSPC: table too large; MG_E_INVAL: the table is wrong
 *  (function, width against limit, overlapping points, exponent finer than the
 *  unit, bad channel); ret_row is then the offending row */
int mg_plan_build(const struct mg_driver *driver, unsigned variant,
                  struct mg_plan *ret_plan, size_t *ret_row);

/** The request of a block. @return length of the PDU (5) */
size_t mg_plan_request(const struct mg_plan_block *block,
                       uint8_t ret_pdu[MG_PDU_MAX]);

/** Decode the answer of a block into the sample. A value the register cannot
 *  hold is added with quality INVALID.
 *  @return MG_OK; MG_E_PROTO: not the answer of this block (nothing is added);
 *  MG_E_NOSPC */
int mg_plan_decode(const struct mg_plan *plan,
                   const struct mg_plan_block *block, const uint8_t *pdu,
                   size_t pdu_len, struct mg_sample *sample);

/** Add the block's points with this quality, for an answer that did not come.
 *  @return MG_OK or MG_E_NOSPC */
int mg_plan_miss(const struct mg_plan *plan, const struct mg_plan_block *block,
                 enum mg_quality quality, struct mg_sample *sample);

#endif
