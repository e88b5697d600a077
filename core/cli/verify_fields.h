/* What the members of an OCMF record mean, after the specification (OCMF 1.4.1;
 * the section or table is named with each). */
#ifndef MG_CLI_VERIFY_FIELDS_H
#define MG_CLI_VERIFY_FIELDS_H

#include "model/ocmf.h"

enum field_scope { FIELD_PAYLOAD, FIELD_READING, FIELD_CABLE, FIELD_SIGNATURE };

struct field_value {
    const char *value, *meaning;
};

struct field {
    enum field_scope scope;
    const char *name, *meaning, *table;
    const struct field_value *values; /* ends with NULL; NULL: free text */
};

/** @return NULL: none of the specification's */
const struct field *field_find(enum field_scope scope, const char *name,
                               size_t len);

/** @return what one of the values means; NULL: not in the table */
const char *field_value_meaning(const struct field *field, const char *value,
                                size_t len);

#endif
