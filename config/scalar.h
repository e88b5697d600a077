/* What one scalar of the file says: numbers, amounts with a unit, ids. Pure.
 *
 * Plain scalars are typed by the YAML 1.2 core schema, so that what a schema
 * checker in an editor says is what the gateway says. */
#ifndef MG_CONFIG_SCALAR_H
#define MG_CONFIG_SCALAR_H

#include "metergate/types.h"

enum mg_scalar_kind {
    MG_SCALAR_NULL,
    MG_SCALAR_BOOL,
    MG_SCALAR_INT,
    MG_SCALAR_FLOAT,
    MG_SCALAR_TEXT
};

/** A unit and how many base units it has; "" = a bare number. Lists end with a
 *  NULL name and are in order of size. */
struct mg_scale {
    const char *name;
    int64_t scale;
};

extern const struct mg_scale mg_scales_duration[];  /* base: us; unit is due */
extern const struct mg_scale mg_scales_size[];      /* base: byte */
extern const struct mg_scale mg_scales_voltage[];   /* base: mV */
extern const struct mg_scale mg_scales_current[];   /* base: mA */
extern const struct mg_scale mg_scales_frequency[]; /* base: mHz */
extern const struct mg_scale mg_scales_factor[];    /* base: 1e-4 */

/** Type of a plain (unquoted) scalar. */
enum mg_scalar_kind mg_scalar_kind(const char *text, size_t len);

/** A decimal integer without leading zeros.
 *  @return MG_OK; MG_E_PROTO: no such number; MG_E_RANGE: beyond int64 */
int mg_scalar_int(const char *text, size_t len, int64_t *ret_value);

/** A decimal number and a unit, with or without a blank between them:
 *  "1.5 s" -> 1500000.
 *  @return MG_OK; MG_E_PROTO: not a number with a known unit; MG_E_RANGE: too
 *  large, or finer than the base unit */
int mg_scalar_amount(const char *text, size_t len,
                     const struct mg_scale *scales, int64_t *ret_value);

/** The shortest exact text: 90000000 us -> "90s", 60000000 -> "1m". */
void mg_scalar_print(int64_t value, const struct mg_scale *scales, char *buf,
                     size_t cap);

/** [a-z0-9][a-z0-9_-]* */
bool mg_scalar_is_id(const char *text, size_t len);

#endif
