/* Dates of the Gregorian calendar. Pure; private to core/model. */
#ifndef MG_MODEL_CIVIL_H
#define MG_MODEL_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

struct mg_civil {
    unsigned year, month, day, hour, minute, second;
};

/** Whether such a moment exists (years 1970..9999, no leap second). */
bool mg_civil_exists(const struct mg_civil *c);

/** Seconds since 1970-01-01 UTC of a moment that exists. */
int64_t mg_civil_unix_s(const struct mg_civil *c);

#endif
