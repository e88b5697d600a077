/* The SAFE container, as Transparenzsoftware opens it:
 * <values><value transactionId="" context=""><publicKey/><signedData/></value>
 * </values>. */
#ifndef MG_RECORD_SAFE_XML_H
#define MG_RECORD_SAFE_XML_H

#include <stdio.h>

#include "base/err.h"

struct mg_safe_value {
    const char *transaction; /* transactionId as written, or NULL */
    const char *context;     /* "Transaction.Begin", ..., or NULL */
    const char *record;      /* OCMF text, decoded from its encoding */
    size_t record_len;
    const char *key;          /* text of publicKey, trimmed, or NULL */
    const char *key_encoding; /* as declared, or NULL */
    unsigned line;            /* of <value> */
    const char *problem;      /* NULL, or why `record` could not be had */
};

/** Read a container; with or without namespace, either order of the children.
 *  No entities but XML's own five, nothing is fetched. Calls `value` for each
 *  in order; its strings are borrowed for the call; it returns MG_OK to go on.
 *  @return MG_OK; MG_E_PROTO with err (line, column); MG_E_NOSPC: a text above
 *          1 MiB; what `value` returned */
int mg_safe_xml_read(const char *text, size_t len,
                     int (*value)(void *ctx, const struct mg_safe_value *v),
                     void *ctx, struct mg_err *err);

/** Write one: begin, values, end. The key is SPKI hex (encoding="hex"). The
 *  transactionId must be an integer for Transparenzsoftware: see
 *  mg_chargepoint_session. */
void mg_safe_xml_begin(FILE *out);
void mg_safe_xml_value(FILE *out, const char *transaction, const char *context,
                       const char *record, size_t record_len,
                       const char *key_hex);
void mg_safe_xml_end(FILE *out);

#endif
