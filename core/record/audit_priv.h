/* The inside of an audit, for the files audit*.c. */
#ifndef MG_RECORD_AUDIT_PRIV_H
#define MG_RECORD_AUDIT_PRIV_H

#include <stdio.h>

#include "record/audit.h"
#include "record/verify.h"

#define SERIAL_MAX 64
#define RI_MAX     32
#define SHORT_KEY  10 /* characters of a fingerprint in texts */

/* A total that only grows over the life of a meter. */
struct audit_reading {
    bool is_there;
    enum mg_ocmf_unit unit;
    char ri[RI_MAX];
    struct mg_ocmf_number rv; /* its text is not valid any more: */
    char text[24];            /* as it was written */
};

/* A key of the present meter. */
struct audit_key {
    char fingerprint[MG_FINGERPRINT_HEX_MAX];
    char first_serial[SERIAL_MAX], last_serial[SERIAL_MAX]; /* "" = none */
    int64_t first_arrival, last_arrival, first_row;
    char first_context;
    uint64_t first_pagination;
    struct audit_reading first, last; /* of context T */
};

/* The record before, of the same meter, key and context. */
struct audit_before {
    bool is_there;
    char fingerprint[MG_FINGERPRINT_HEX_MAX];
    char context;
    uint64_t pagination;
    int64_t id, arrival;
    uint8_t hash[32];
    char transaction[64];
    struct audit_reading last;
};

enum audit_kind {
#define X(name, id, severity) FOUND_##name,
    MG_AUDIT_FINDINGS(X)
#undef X
};

struct mg_audit {
    void (*finding)(void *ctx, const struct mg_audit_finding *f);
    void *ctx;
    struct mg_audit_summary summary;
    char meter[64];
    struct audit_key *keys; /* owned; of this meter */
    size_t n_keys, cap;
    bool is_full_told;
    struct audit_before before;
    /* The key of the rows before, parsed. */
    char key_hex[2 * MG_KEY_SPKI_MAX + 1];
    struct mg_public_key *key; /* owned; NULL: none */
    unsigned key_lenient;
    /* Of the present row. */
    struct mg_ocmf ocmf;
    struct mg_record_report report;
};

void audit__tell(struct mg_audit *a, enum audit_kind kind,
                 const struct mg_audit_row *row, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static inline void audit__copy(char *ret, size_t cap, const char *text)
{
    (void)snprintf(ret, cap, "%s", text);
}

/* ---- Readings ---- */

/** The first total of a record, and the last of the same register. */
void audit__take_readings(const struct mg_ocmf *ocmf,
                          struct audit_reading *ret_first,
                          struct audit_reading *ret_last);

/** Tell it when both are of one register and the later one is lower. */
void audit__compare(struct mg_audit *a, const struct mg_audit_row *row,
                    const struct audit_reading *before,
                    const struct audit_reading *after);

/* ---- Keys of the present meter ---- */

/** @return NULL: so many are not followed */
struct audit_key *audit__find_key(struct mg_audit *a, const char *fingerprint);

/** Tell how the keys of the meter followed each other, and forget them. */
void audit__end_meter(struct mg_audit *a);

#endif
