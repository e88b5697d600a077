/* One reading of one meter: the values of one poll with their time. Pure. */
#ifndef MG_MODEL_SAMPLE_H
#define MG_MODEL_SAMPLE_H

#include "metergate/plugin.h"

#define MG_SAMPLE_VALUES_MAX 192
#define MG_SAMPLE_TEXT_MAX   256

struct mg_sample {
    int64_t utc_ms;   /* arrival of the first answer of the poll: no value is
                       * older than it says */
    uint64_t mono_ns; /* likewise, on the clock */
    uint64_t seq;     /* per meter, never reused; 0 = not given yet */
    uint64_t epoch;   /* register epoch; a counter compares only within it */
    uint8_t clock;    /* enum mg_clock_sync */
    uint8_t group;    /* enum mg_group */
    uint16_t n_values;
    uint16_t text_len;
    struct mg_value values[MG_SAMPLE_VALUES_MAX];
    char text[MG_SAMPLE_TEXT_MAX]; /* of MG_UNIT_TEXT values */
};

/** Append. @return MG_OK or MG_E_NOSPC */
int mg_sample_add(struct mg_sample *sample, const struct mg_value *value);

/** Append a text value; unprintable bytes become '?', trailing blanks and NULs
 *  are cut. @return MG_OK or MG_E_NOSPC */
int mg_sample_add_text(struct mg_sample *sample, mg_channel channel,
                       const uint8_t *text, size_t len);

/** @return borrowed; NULL when the channel is not there */
const struct mg_value *mg_sample_find(const struct mg_sample *sample,
                                      mg_channel channel);

/** Text of a MG_UNIT_TEXT value, as a pointer into the sample. */
const char *mg_sample_text(const struct mg_sample *sample,
                           const struct mg_value *value, size_t *ret_len);

#endif
