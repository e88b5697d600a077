/* Meter readings: totals that must not fall. */
#include <string.h>

#include "model/json.h"
#include "record/audit_priv.h"

/* Registers that begin anew with each transaction are none: *B2, *B3, 98. */
static bool is_total(const char *ri)
{
    static const char *const parts[] = {":1.8.0",    ":2.8.0",    ":B0.08.00",
                                        ":B1.08.00", ":C0.08.00", ":C1.08.00"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strstr(ri, parts[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* CL is what was taken off since the begin of a session, and 0 at the next:
 * the meter's own reading is RV + CL (Flex Series guide, "Device-specific
 * remarks"). Registers that are compensated themselves go on from RV. */
static void add_loss(const struct mg_ocmf_reading *r,
                     struct audit_reading *reading)
{
    struct mg_ocmf_number *rv = &reading->rv, taken = r->cl;
    taken.mantissa = -taken.mantissa;
    if (!taken.is_there || taken.mantissa >= 0 ||
        strstr(reading->ri, ":1.8.0") == NULL ||
        mg_ocmf_difference(&taken, rv, &rv->mantissa, &rv->decimals) != MG_OK) {
        return;
    }
    struct mg_json j = mg_json_init(reading->text, sizeof reading->text - 1);
    mg_json_decimal(&j, rv->mantissa, rv->decimals, 0);
    reading->text[j.len] = '\0';
}

static bool take_reading(const struct mg_ocmf_reading *r,
                         struct audit_reading *ret)
{
    struct audit_reading reading = {
        .is_there = true, .unit = r->unit, .rv = r->rv};
    if (!r->rv.is_there || !r->rv.is_exact || r->is_energy_bad ||
        (r->unit != MG_OCMF_KWH && r->unit != MG_OCMF_WH) ||
        mg_ocmf_text(r->ri, reading.ri, sizeof reading.ri) == 0 ||
        !is_total(reading.ri)) {
        return false;
    }
    (void)snprintf(reading.text, sizeof reading.text, "%.*s",
                   (int)(r->rv.text.len < 24 ? r->rv.text.len : 23),
                   r->rv.text.text);
    add_loss(r, &reading);
    *ret = reading;
    return true;
}

void audit__take_readings(const struct mg_ocmf *o,
                          struct audit_reading *ret_first,
                          struct audit_reading *ret_last)
{
    struct audit_reading r;
    *ret_first = *ret_last = (struct audit_reading){0};
    for (size_t i = 0; i < o->n_readings; i++) {
        if (!take_reading(&o->readings[i], &r)) {
            continue;
        }
        if (!ret_first->is_there) {
            *ret_first = r;
        }
        if (strcmp(r.ri, ret_first->ri) == 0 && r.unit == ret_first->unit) {
            *ret_last = r;
        }
    }
}

/* @return whether both are of one register and the later one is lower */
static bool fell(const struct audit_reading *before,
                 const struct audit_reading *after)
{
    int64_t difference;
    uint8_t decimals;
    return before->is_there && after->is_there && before->unit == after->unit &&
           strcmp(before->ri, after->ri) == 0 &&
           mg_ocmf_difference(&before->rv, &after->rv, &difference,
                              &decimals) == MG_OK &&
           difference < 0;
}

static const char *unit_text(const struct audit_reading *r)
{
    return r->unit == MG_OCMF_KWH ? "kWh" : "Wh";
}

void audit__compare(struct mg_audit *a, const struct mg_audit_row *row,
                    const struct audit_reading *before,
                    const struct audit_reading *after)
{
    if (!fell(before, after)) {
        return;
    }
    audit__tell(
        a, FOUND_RESET, row,
        "the meter reading %s fell from %s to %s %s since the record before",
        after->ri, before->text, after->text, unit_text(after));
}
