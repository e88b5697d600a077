/* What the files of the OCMF reader share. Private to core/model. */
#ifndef MG_MODEL_OCMF_PRIV_H
#define MG_MODEL_OCMF_PRIV_H

#include <string.h>

#include "model/json_pull.h"
#include "model/ocmf.h"

/** What a list of members expects of a value. */
enum ocmf_type {
    OCMF_STRING, /* struct mg_span; a number's text is taken, and told */
    OCMF_NUMBER, /* struct mg_ocmf_number; a string's, and told by is_text */
    OCMF_OTHER   /* the reader looks for itself */
};

struct ocmf_member {
    char name[3];
    enum ocmf_type type;
    size_t offset;
};

#define OCMF_NAMES_MAX 32

/* The names of one object, to see those that come twice. */
struct ocmf_names {
    uint32_t letters[26]; /* of two capitals, as nearly all are */
    size_t n;             /* others; beyond the limit not looked at */
    struct mg_span others[OCMF_NAMES_MAX];
};

/** @return whether it was there before */
bool ocmf_name_repeats(struct ocmf_names *names, struct mg_span name);

static inline bool ocmf_is(struct mg_span span, const char *text)
{
    return span.text != NULL && span.len == strlen(text) &&
           memcmp(span.text, text, span.len) == 0;
}

static inline bool ocmf_is_same(struct mg_span a, struct mg_span b)
{
    if (a.text == NULL || b.text == NULL) {
        return a.text == b.text;
    }
    return a.len == b.len && memcmp(a.text, b.text, a.len) == 0;
}

/** Put the value of a known member where it belongs in *to.
 *  @return whether it was of the type that the specification gives it */
bool ocmf_store(const struct ocmf_member *member,
                const struct mg_pull_item *item, void *to);

/** The row of `name`, or NULL. */
const struct ocmf_member *ocmf_find(const struct ocmf_member *table, size_t n,
                                    struct mg_span name);

void ocmf_number_parse(struct mg_span text, bool is_text,
                       struct mg_ocmf_number *ret);

/** TM: "2018-07-24T13:22:04,000+0200 S". Sets the time members of r. */
void ocmf_time_parse(struct mg_span text, struct mg_ocmf_reading *r);

/** Read the array RD, whose opening was the last item. */
bool ocmf_read_readings(struct mg_pull *p, struct mg_ocmf *ret);

#endif
