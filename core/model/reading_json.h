/* One reading of one meter as flat JSON, as it is published. Pure. */
#ifndef MG_MODEL_READING_JSON_H
#define MG_MODEL_READING_JSON_H

#include "model/json.h"
#include "model/sample.h"

#define MG_READING_MISSING_MAX 512

/** Write one reading as a flat JSON object:
 *  - ts (RFC 3339), ts_ms, clk ("U", "I", "S" or "R"; "U" when not known), seq
 *    (unless 0: not numbered),
 *    epoch (the store's, unless empty), reg_epoch (the sample's register
 * epoch),
 *  - quality: "good" when all values are, "bad" when none is, else "partial",
 *  - each GOOD value under the key of its channel, numbers as exact decimals
 *    with the digits that the register resolves, switches as booleans, texts as
 *    strings,
 *  - when values are not GOOD: missing, a list "key:reason,key:reason" of at
 *    most MG_READING_MISSING_MAX bytes, whole items only. These values have no
 *    member of their own.
 *  @param epoch  text of the store's epoch, NUL-terminated
 *  @return MG_OK; MG_E_NOSPC: did not fit (j->failed); MG_E_RANGE: the sample's
 *  time is outside the years 1970..9999, nothing is written */
int mg_reading_json(const struct mg_sample *sample, const char *epoch,
                    struct mg_json *j);

/** The same members without the braces, into an object that is open. */
int mg_reading_json_members(const struct mg_sample *sample, const char *epoch,
                            struct mg_json *j);

#endif
