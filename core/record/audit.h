/* Is a store of signed records whole and genuine?
 *
 * Fed row by row in the order of meter, key, context and pagination; holds one
 * row and a list of the keys of the present meter. Orders records by their
 * pagination and by how they arrived, never by time stamps: those come from
 * clocks. Pure: no store, no clock. */
#ifndef MG_RECORD_AUDIT_H
#define MG_RECORD_AUDIT_H

#include "model/ocmf.h"

#define MG_AUDIT_KEYS_MAX 1024 /* of one meter */

/** What an audit finds: X(name, id, severity). */
#define MG_AUDIT_FINDINGS(X)                                                   \
    /* Paginations between two records are not in the store. */                \
    X(GAP, "pagination-gap", ERROR)                                            \
    /* One pagination, two records. */                                         \
    X(DUPLICATE, "pagination-duplicate", ERROR)                                \
    /* One record, stored twice. */                                            \
    X(TWICE, "stored-twice", WARNING)                                          \
    /* A record came after one of a higher pagination. */                      \
    X(BACK, "pagination-back", WARNING)                                        \
    /* The first record of a key is not the key's first. */                    \
    X(LATE, "pagination-late", NOTE)                                           \
    X(SIGNATURE, "signature-invalid", ERROR)                                   \
    X(NO_RECORD, "no-record", ERROR)                                           \
    X(UNVERIFIED, "not-verifiable", WARNING)                                   \
    /* Key, context or pagination of the row are not those of the record. */   \
    X(ROW, "row-differs", ERROR)                                               \
    X(KEY, "key-changed", WARNING)                                             \
    X(EXCHANGE, "meter-exchanged", NOTE)                                       \
    /* Another serial, signed with the same key. */                            \
    X(SERIAL, "serial-changed", WARNING)                                       \
    /* The meter reading is below the one of the record before. */             \
    X(RESET, "counter-reset", WARNING)                                         \
    X(KEYS, "too-many-keys", WARNING)                                          \
    X(OPEN, "session-open", WARNING)                                           \
    X(MISSING, "rows-missing", ERROR)

struct mg_audit_finding {
    const char *id; /* static */
    enum mg_severity severity;
    const char *meter;       /* "" = of the whole store */
    const char *fingerprint; /* of the key, "" = none */
    char context;            /* 'T', 'F'; 0 = no pagination */
    uint64_t pagination;
    int64_t row; /* id in the store; 0 = none */
    char text[240];
};

/** Texts are borrowed for the call. */
struct mg_audit_row {
    int64_t id, arrival;
    const char *meter, *serial, *transaction, *fingerprint, *key_hex;
    const char *verdict; /* on arrival */
    char context;
    uint64_t pagination;
    bool is_reissue; /* an older transaction again */
    const char *record;
    size_t record_len;
};

struct mg_audit_summary {
    uint64_t n_records, n_meters, n_keys, n_notes, n_warnings, n_errors;
};

struct mg_audit;

/** @param finding  called for each, borrowed for the call
 *  @return owned; NULL: no memory */
struct mg_audit *
mg_audit_create(void (*finding)(void *ctx, const struct mg_audit_finding *f),
                void *ctx);
void mg_audit_destroy(struct mg_audit *audit);

/** The next row that has a record. @return MG_OK; MG_E_NOMEM */
int mg_audit_record(struct mg_audit *audit, const struct mg_audit_row *row);

/** A session that has no record yet after this time. */
void mg_audit_open_session(struct mg_audit *audit, const char *meter,
                           const char *transaction, int64_t row,
                           int64_t age_ms);

/** Rows that were given these ids are not there any more. */
void mg_audit_missing_rows(struct mg_audit *audit, int64_t first, int64_t n);

/** After the last row: what only the whole shows.
 *  @param ret  notes are no fault */
void mg_audit_end(struct mg_audit *audit, struct mg_audit_summary *ret);

#endif
