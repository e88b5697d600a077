#include "record/audit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/verify.h"

#define SERIAL_MAX 64
#define RI_MAX     32
#define SHORT_KEY  10 /* characters of a fingerprint in texts */

/* A total that only grows over the life of a meter. */
struct reading {
    bool is_there;
    enum mg_ocmf_unit unit;
    char ri[RI_MAX];
    struct mg_ocmf_number rv; /* its text is not valid any more: */
    char text[24];            /* as it was written */
};

/* A key of the present meter. */
struct key {
    char fingerprint[MG_FINGERPRINT_HEX_MAX];
    char first_serial[SERIAL_MAX], last_serial[SERIAL_MAX]; /* "" = none */
    int64_t first_arrival, last_arrival, first_row;
    char first_context;
    uint64_t first_pagination;
    struct reading first, last; /* of context T */
};

/* The record before, of the same meter, key and context. */
struct before {
    bool is_there;
    char fingerprint[MG_FINGERPRINT_HEX_MAX];
    char context;
    uint64_t pagination;
    int64_t id, arrival;
    uint8_t hash[32];
    char transaction[64];
    struct reading last;
};

enum kind {
#define X(name, id, severity) FOUND_##name,
    MG_AUDIT_FINDINGS(X)
#undef X
};

struct mg_audit {
    void (*finding)(void *ctx, const struct mg_audit_finding *f);
    void *ctx;
    struct mg_audit_summary summary;
    char meter[64];
    struct key *keys; /* owned; of this meter */
    size_t n_keys, cap;
    bool is_full_told;
    struct before before;
    /* The key of the rows before, parsed. */
    char key_hex[2 * MG_KEY_SPKI_MAX + 1];
    struct mg_public_key *key; /* owned; NULL: none */
    unsigned key_lenient;
    /* Of the present row. */
    struct mg_ocmf ocmf;
    struct mg_record_report report;
};

/* ---- Findings ---- */

static void __attribute__((format(printf, 4, 5)))
tell(struct mg_audit *a, enum kind kind, const struct mg_audit_row *row,
     const char *format, ...)
{
    static const struct {
        const char *id;
        enum mg_severity severity;
    } kinds[] = {
#define X(name, id, severity) {id, MG_SEVERITY_##severity},
        MG_AUDIT_FINDINGS(X)
#undef X
    };
    struct mg_audit_finding f = {.id = kinds[kind].id,
                                 .severity = kinds[kind].severity,
                                 .meter = row->meter,
                                 .fingerprint = row->fingerprint,
                                 .context = row->context,
                                 .pagination = row->pagination,
                                 .row = row->id};
    va_list args;
    va_start(args, format);
    (void)vsnprintf(f.text, sizeof f.text, format, args);
    va_end(args);
    a->summary.n_notes += f.severity == MG_SEVERITY_NOTE;
    a->summary.n_warnings += f.severity == MG_SEVERITY_WARNING;
    a->summary.n_errors += f.severity == MG_SEVERITY_ERROR;
    a->finding(a->ctx, &f);
}

static void copy(char *ret, size_t cap, const char *text)
{
    (void)snprintf(ret, cap, "%s", text);
}

/* ---- Keys ---- */

/* The last one first: rows come in groups of one key. @return NULL: no room */
static struct key *find_key(struct mg_audit *a, const char *fingerprint)
{
    for (size_t i = a->n_keys; i > 0; i--) {
        if (strcmp(a->keys[i - 1].fingerprint, fingerprint) == 0) {
            return &a->keys[i - 1];
        }
    }
    if (a->n_keys == MG_AUDIT_KEYS_MAX) {
        return NULL;
    }
    if (a->n_keys == a->cap) {
        size_t cap = a->cap == 0 ? 4 : 2 * a->cap;
        struct key *keys = realloc(a->keys, cap * sizeof *keys);
        if (keys == NULL) {
            return NULL;
        }
        a->keys = keys;
        a->cap = cap;
    }
    struct key *key = &a->keys[a->n_keys++];
    *key = (struct key){.first_arrival = INT64_MAX};
    copy(key->fingerprint, sizeof key->fingerprint, fingerprint);
    a->summary.n_keys++;
    return key;
}

static int by_arrival(const void *a, const void *b)
{
    const struct key *left = a, *right = b;
    return (left->first_arrival > right->first_arrival) -
           (left->first_arrival < right->first_arrival);
}

/* ---- Readings ---- */

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

static bool take_reading(const struct mg_ocmf_reading *r, struct reading *ret)
{
    struct reading reading = {.is_there = true, .unit = r->unit, .rv = r->rv};
    if (!r->rv.is_there || !r->rv.is_exact || r->is_energy_bad ||
        (r->unit != MG_OCMF_KWH && r->unit != MG_OCMF_WH) ||
        mg_ocmf_text(r->ri, reading.ri, sizeof reading.ri) == 0 ||
        !is_total(reading.ri)) {
        return false;
    }
    (void)snprintf(reading.text, sizeof reading.text, "%.*s",
                   (int)(r->rv.text.len < 24 ? r->rv.text.len : 23),
                   r->rv.text.text);
    *ret = reading;
    return true;
}

/* The first total of the record, and the last of the same register. */
static void take_readings(const struct mg_ocmf *o, struct reading *ret_first,
                          struct reading *ret_last)
{
    struct reading r;
    *ret_first = *ret_last = (struct reading){0};
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
static bool fell(const struct reading *before, const struct reading *after)
{
    int64_t difference;
    uint8_t decimals;
    return before->is_there && after->is_there && before->unit == after->unit &&
           strcmp(before->ri, after->ri) == 0 &&
           mg_ocmf_difference(&before->rv, &after->rv, &difference,
                              &decimals) == MG_OK &&
           difference < 0;
}

static const char *unit_text(const struct reading *r)
{
    return r->unit == MG_OCMF_KWH ? "kWh" : "Wh";
}

static void tell_reset(struct mg_audit *a, const struct mg_audit_row *row,
                       const struct reading *before,
                       const struct reading *after)
{
    tell(a, FOUND_RESET, row,
         "the meter reading %s fell from %s to %s %s since the record before",
         after->ri, before->text, after->text, unit_text(after));
}

/* ---- One record ---- */

static int take_key(struct mg_audit *a, const struct mg_audit_row *row)
{
    if (strcmp(a->key_hex, row->key_hex) == 0) {
        return MG_OK;
    }
    struct mg_err err;
    mg_public_key_destroy(a->key);
    a->key = NULL;
    a->key_lenient = 0;
    copy(a->key_hex, sizeof a->key_hex, row->key_hex);
    int rc = mg_public_key_parse(row->key_hex, strlen(row->key_hex),
                                 MG_N_CURVES, &a->key, &a->key_lenient, &err);
    return rc == MG_E_NOMEM ? rc : MG_OK;
}

static void check_row(struct mg_audit *a, const struct mg_audit_row *row)
{
    char fingerprint[MG_FINGERPRINT_HEX_MAX];
    if (a->ocmf.context != row->context ||
        a->ocmf.pagination != row->pagination) {
        tell(a, FOUND_ROW, row,
             "the row says %c%" PRIu64 ", its record %c%" PRIu64, row->context,
             row->pagination, a->ocmf.context == 0 ? '?' : a->ocmf.context,
             a->ocmf.pagination);
    }
    if (a->key == NULL) {
        return;
    }
    mg_public_key_fingerprint(a->key, fingerprint);
    if (strcmp(fingerprint, row->fingerprint) != 0) {
        tell(a, FOUND_ROW, row,
             "the row's key is %.*s, its fingerprint says %.*s", SHORT_KEY,
             fingerprint, SHORT_KEY, row->fingerprint);
    }
}

static void tell_verdict(struct mg_audit *a, const struct mg_audit_row *row)
{
    const struct mg_record_report *r = &a->report;
    switch (r->verdict) {
    case MG_VERDICT_INVALID:
        tell(a, FOUND_SIGNATURE, row,
             "the signature does not hold (%s); on arrival: %s", r->reason,
             row->verdict);
        break;
    case MG_VERDICT_NO_RECORD:
        tell(a, FOUND_NO_RECORD, row, "no OCMF record: %s; on arrival: %s",
             r->reason, row->verdict);
        break;
    case MG_VERDICT_NO_KEY:
        tell(a, FOUND_UNVERIFIED, row, "no usable public key is stored");
        break;
    case MG_VERDICT_UNSUPPORTED:
        tell(a, FOUND_UNVERIFIED, row, "%s", r->reason);
        break;
    default:
        break;
    }
}

static int verify(struct mg_audit *a, const struct mg_audit_row *row)
{
    int rc = take_key(a, row);
    if (rc == MG_OK) {
        rc = mg_record_verify(row->record, row->record_len, a->key,
                              a->key_lenient, &a->ocmf, &a->report);
    }
    if (rc != MG_OK) {
        return rc;
    }
    tell_verdict(a, row);
    if (a->report.verdict == MG_VERDICT_NO_RECORD) {
        a->ocmf = (struct mg_ocmf){0};
    } else {
        check_row(a, row);
    }
    return MG_OK;
}

static void tell_same_pagination(struct mg_audit *a,
                                 const struct mg_audit_row *row,
                                 bool is_same_record)
{
    if (is_same_record) {
        tell(a, FOUND_TWICE, row,
             "%c%" PRIu64 " is stored twice: rows %" PRId64 " and %" PRId64,
             row->context, row->pagination, a->before.id, row->id);
    } else {
        tell(a, FOUND_DUPLICATE, row,
             "%c%" PRIu64 " is the pagination of two different records: rows "
             "%" PRId64 " and %" PRId64,
             row->context, row->pagination, a->before.id, row->id);
    }
}

static void check_pagination(struct mg_audit *a, const struct mg_audit_row *row,
                             bool is_same_record)
{
    const struct before *b = &a->before;
    if (row->pagination == b->pagination) {
        tell_same_pagination(a, row, is_same_record);
        return;
    }
    if (row->pagination > b->pagination + 1 &&
        row->pagination > b->pagination) {
        uint64_t n = row->pagination - b->pagination - 1;
        tell(a, FOUND_GAP, row,
             "%" PRIu64 " record%s missing between %c%" PRIu64 " (row %" PRId64
             ") and %c%" PRIu64,
             n, n == 1 ? " is" : "s are", b->context, b->pagination, b->id,
             row->context, row->pagination);
    }
    if (row->arrival < b->arrival || row->pagination < b->pagination) {
        tell(a, FOUND_BACK, row,
             "%c%" PRIu64 " (row %" PRId64 ") came after %c%" PRIu64,
             b->context, b->pagination, b->id, row->context, row->pagination);
    }
}

/* Another meter, key or context begins. */
static void begin_group(struct mg_audit *a, const struct mg_audit_row *row)
{
    a->before = (struct before){.context = row->context};
    copy(a->before.fingerprint, sizeof a->before.fingerprint, row->fingerprint);
    if (row->pagination > 1) {
        tell(a, FOUND_LATE, row,
             "the first record of the key %.*s here is %c%" PRIu64, SHORT_KEY,
             row->fingerprint, row->context, row->pagination);
    }
}

/* The serial that was signed, else the one the meter told. */
static void serial_of(const struct mg_audit *a, const struct mg_audit_row *row,
                      char ret[SERIAL_MAX])
{
    if (mg_ocmf_text(a->ocmf.ms, ret, SERIAL_MAX) == 0) {
        copy(ret, SERIAL_MAX, row->serial);
    }
}

/* @return whether the meter is the one of the record before, as far as known */
static bool check_serial(struct mg_audit *a, const struct mg_audit_row *row,
                         struct key *key)
{
    char serial[SERIAL_MAX];
    serial_of(a, row, serial);
    bool has_changed = serial[0] != '\0' && key->last_serial[0] != '\0' &&
                       strcmp(serial, key->last_serial) != 0;
    if (has_changed) {
        tell(a, FOUND_SERIAL, row,
             "the serial changed from %s to %s under the same key",
             key->last_serial, serial);
    }
    if (serial[0] != '\0') {
        copy(key->last_serial, sizeof key->last_serial, serial);
    }
    return !has_changed;
}

static void note_first(struct key *key, const struct mg_audit_row *row,
                       const struct reading *first)
{
    if (row->arrival < key->first_arrival) {
        key->first_arrival = row->arrival;
        key->first_row = row->id;
        key->first_context = row->context;
        key->first_pagination = row->pagination;
        copy(key->first_serial, sizeof key->first_serial, key->last_serial);
    }
    if (row->arrival > key->last_arrival) {
        key->last_arrival = row->arrival;
    }
    if (row->context == 'T' && !key->first.is_there) {
        key->first = *first;
    }
}

/* A record along the way may be newer than the begin that the final record
 * repeats: within a transaction, ends are compared. */
static void check_readings(struct mg_audit *a, const struct mg_audit_row *row,
                           struct key *key, bool is_same_meter)
{
    struct before *b = &a->before;
    struct reading first, last;
    take_readings(&a->ocmf, &first, &last);
    note_first(key, row, &first);
    if (row->is_reissue || !last.is_there) {
        return;
    }
    bool is_same = row->transaction[0] != '\0' &&
                   strcmp(b->transaction, row->transaction) == 0;
    const struct reading *now = is_same ? &last : &first;
    if (b->is_there && is_same_meter && fell(&b->last, now)) {
        tell_reset(a, row, &b->last, now);
    }
    b->last = last;
    copy(b->transaction, sizeof b->transaction, row->transaction);
    if (row->context == 'T') {
        key->last = last;
    }
}

/* ---- One meter ---- */

static void check_key_change(struct mg_audit *a, const struct key *before,
                             const struct key *key)
{
    const struct mg_audit_row row = {.meter = a->meter,
                                     .fingerprint = key->fingerprint,
                                     .context = key->first_context,
                                     .pagination = key->first_pagination,
                                     .id = key->first_row};
    bool is_known =
        before->last_serial[0] != '\0' && key->first_serial[0] != '\0';
    if (is_known && strcmp(before->last_serial, key->first_serial) != 0) {
        tell(a, FOUND_EXCHANGE, &row,
             "the key %.*s follows %.*s: the serial changed from %s to %s",
             SHORT_KEY, key->fingerprint, SHORT_KEY, before->fingerprint,
             before->last_serial, key->first_serial);
        return;
    }
    tell(a, FOUND_KEY, &row, "the key %.*s follows %.*s%s%s%s", SHORT_KEY,
         key->fingerprint, SHORT_KEY, before->fingerprint,
         is_known ? ", the serial stayed " : ", the serial is not known",
         is_known ? key->first_serial : "",
         before->last_arrival > key->first_arrival ? "; the old one came again"
                                                   : "");
    if (fell(&before->last, &key->first)) {
        tell_reset(a, &row, &before->last, &key->first);
    }
}

static void end_meter(struct mg_audit *a)
{
    if (a->n_keys > 1) {
        qsort(a->keys, a->n_keys, sizeof *a->keys, by_arrival);
    }
    for (size_t i = 1; i < a->n_keys; i++) {
        check_key_change(a, &a->keys[i - 1], &a->keys[i]);
    }
    a->n_keys = 0;
    a->is_full_told = false;
}

static void begin_meter(struct mg_audit *a, const char *meter)
{
    end_meter(a);
    copy(a->meter, sizeof a->meter, meter);
    a->summary.n_meters++;
}

/* ---- The whole ---- */

struct mg_audit *
mg_audit_create(void (*finding)(void *ctx, const struct mg_audit_finding *f),
                void *ctx)
{
    struct mg_audit *a = calloc(1, sizeof *a);
    if (a != NULL) {
        a->finding = finding;
        a->ctx = ctx;
    }
    return a;
}

void mg_audit_destroy(struct mg_audit *a)
{
    if (a == NULL) {
        return;
    }
    mg_public_key_destroy(a->key);
    free(a->keys);
    free(a);
}

static bool is_same_group(const struct mg_audit *a,
                          const struct mg_audit_row *row)
{
    return a->before.is_there && a->before.context == row->context &&
           strcmp(a->before.fingerprint, row->fingerprint) == 0;
}

int mg_audit_record(struct mg_audit *a, const struct mg_audit_row *row)
{
    uint8_t hash[32];
    if (a->summary.n_records == 0 || strcmp(a->meter, row->meter) != 0) {
        begin_meter(a, row->meter);
        a->before.is_there = false;
    }
    a->summary.n_records++;
    struct key *key = find_key(a, row->fingerprint);
    if (key == NULL && !a->is_full_told) {
        a->is_full_told = true;
        tell(a, FOUND_KEYS, row, "so many keys that changes are not followed");
    }
    int rc = verify(a, row);
    if (rc != MG_OK) {
        return rc;
    }
    mg_sha256(row->record, row->record_len, hash);
    if (is_same_group(a, row)) {
        check_pagination(a, row, memcmp(hash, a->before.hash, 32) == 0);
    } else {
        begin_group(a, row);
    }
    if (key != NULL) {
        bool is_same_meter = check_serial(a, row, key);
        check_readings(a, row, key, is_same_meter);
    }
    a->before.is_there = true;
    a->before.pagination = row->pagination;
    a->before.id = row->id;
    a->before.arrival = row->arrival;
    memcpy(a->before.hash, hash, sizeof hash);
    return MG_OK;
}

void mg_audit_open_session(struct mg_audit *a, const char *meter,
                           const char *transaction, int64_t row, int64_t age_ms)
{
    const struct mg_audit_row r = {
        .meter = meter, .fingerprint = "", .id = row};
    tell(a, FOUND_OPEN, &r,
         "the session %s has no record after %" PRId64 " hours", transaction,
         age_ms / 3600000);
}

void mg_audit_missing_rows(struct mg_audit *a, int64_t first, int64_t n)
{
    const struct mg_audit_row r = {.meter = "", .fingerprint = "", .id = first};
    if (n == 1) {
        tell(a, FOUND_MISSING, &r, "row %" PRId64 " was taken out of the store",
             first);
    } else {
        tell(a, FOUND_MISSING, &r,
             "rows %" PRId64 " to %" PRId64 " were taken out of the store",
             first, first + n - 1);
    }
}

void mg_audit_end(struct mg_audit *a, struct mg_audit_summary *ret)
{
    end_meter(a);
    *ret = a->summary;
}
