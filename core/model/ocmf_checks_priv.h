/* What the files of the checks share. Private to core/model. */
#ifndef MG_MODEL_OCMF_CHECKS_PRIV_H
#define MG_MODEL_OCMF_CHECKS_PRIV_H

#include "model/ocmf_check.h"
#include "model/ocmf_priv.h"

/** @param values  ends with NULL */
bool ocmf_is_one_of(struct mg_span span, const char *const *values);

/** For "%.*s": not more than `max` bytes, no half character. */
static inline int ocmf_cut(struct mg_span span, size_t max)
{
    size_t n = span.len < max ? span.len : max;
    while (n > 0 && n < span.len && ((uint8_t)span.text[n] & 0xc0) == 0x80) {
        n--;
    }
    return (int)n;
}

static inline bool ocmf_is_energy(const struct mg_ocmf_reading *r)
{
    return r->unit == MG_OCMF_KWH || r->unit == MG_OCMF_WH;
}

/** Index of the next reading of the register of `i`, behind it; -1: none. */
int ocmf_next_of_register(const struct mg_ocmf *o, int i);
/** Whether `i` is the first of its register. */
bool ocmf_is_first_of_register(const struct mg_ocmf *o, int i);

/** b - a: < 0, 0, > 0; also 0 when it cannot be told. */
int ocmf_compare(const struct mg_ocmf_number *a,
                 const struct mg_ocmf_number *b);

void ocmf_check_readings(const struct mg_ocmf *o, struct mg_findings *f);
void ocmf_check_registers(const struct mg_ocmf *o, struct mg_findings *f);
void ocmf_check_cable(const struct mg_ocmf *o, struct mg_findings *f);
/** The loss of a register whose first reading is `first`. */
void ocmf_check_loss(const struct mg_ocmf *o, int first, struct mg_findings *f);

#endif
