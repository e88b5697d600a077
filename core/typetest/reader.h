/* What the meter says over its bus, read as the gateway does it: requests and
 * decoding of its driver's table, or the signals that its driver names. */
#ifndef MG_TYPETEST_READER_H
#define MG_TYPETEST_READER_H

#include "model/points.h"
#include "typetest/bench.h"

struct reader {
    struct bench *bench; /* borrowed */
    unsigned variant;
    struct mg_plan plan; /* of a meter on Modbus */
};

/** @return MG_OK or what mg_plan_build says */
int reader_open(struct reader *reader, struct bench *bench);

/** All values of the live group.
 *  @return MG_OK; MG_E_PROTO: no answer, or not the right one; MG_E_NOSPC */
int reader_read(struct reader *reader, struct mg_sample *ret);

/** One value in base units. @return MG_OK; MG_E_NOTFOUND: not there, not good
 */
int reader_value(struct reader *reader, mg_channel channel, int64_t *ret);

#endif
