#include "record/audit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "record/audit_priv.h"
#include "record/chargepoint.h"

/* ---- Findings ---- */

void audit__tell(struct mg_audit *a, enum audit_kind kind,
                 const struct mg_audit_row *row, const char *format, ...)
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
    audit__copy(a->key_hex, sizeof a->key_hex, row->key_hex);
    int rc = mg_public_key_parse(row->key_hex, strlen(row->key_hex),
                                 MG_N_CURVES, &a->key, &a->key_lenient, &err);
    return rc == MG_E_NOMEM ? rc : MG_OK;
}

static void check_row(struct mg_audit *a, const struct mg_audit_row *row)
{
    char fingerprint[MG_FINGERPRINT_HEX_MAX];
    if (a->ocmf.context != row->context ||
        a->ocmf.pagination != row->pagination) {
        audit__tell(a, FOUND_ROW, row,
                    "the row says %c%" PRIu64 ", its record %c%" PRIu64,
                    row->context, row->pagination,
                    a->ocmf.context == 0 ? '?' : a->ocmf.context,
                    a->ocmf.pagination);
    }
    if (row->transaction[0] != '\0' && a->ocmf.context == 'T' &&
        !mg_chargepoint_is_session(&a->ocmf, row->transaction)) {
        audit__tell(a, FOUND_ROW, row,
                    "the row's transaction is %.40s, session %" PRIu64
                    "; its record says '%.*s'",
                    row->transaction, mg_chargepoint_session(row->transaction),
                    (int)a->ocmf.pg_suffix.len, a->ocmf.pg_suffix.text);
    }
    if (a->key == NULL) {
        return;
    }
    mg_public_key_fingerprint(a->key, fingerprint);
    if (strcmp(fingerprint, row->fingerprint) != 0) {
        audit__tell(a, FOUND_ROW, row,
                    "the row's key is %.*s, its fingerprint says %.*s",
                    SHORT_KEY, fingerprint, SHORT_KEY, row->fingerprint);
    }
}

static void tell_verdict(struct mg_audit *a, const struct mg_audit_row *row)
{
    const struct mg_record_report *r = &a->report;
    switch (r->verdict) {
    case MG_VERDICT_INVALID:
        audit__tell(a, FOUND_SIGNATURE, row,
                    "the signature does not hold (%s); on arrival: %s",
                    r->reason, row->verdict);
        break;
    case MG_VERDICT_NO_RECORD:
        audit__tell(a, FOUND_NO_RECORD, row,
                    "no OCMF record: %s; on arrival: %s", r->reason,
                    row->verdict);
        break;
    case MG_VERDICT_NO_KEY:
        audit__tell(a, FOUND_UNVERIFIED, row, "no usable public key is stored");
        break;
    case MG_VERDICT_UNSUPPORTED:
        audit__tell(a, FOUND_UNVERIFIED, row, "%s", r->reason);
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
        audit__tell(a, FOUND_TWICE, row,
                    "%c%" PRIu64 " is stored twice: rows %" PRId64
                    " and %" PRId64,
                    row->context, row->pagination, a->before.id, row->id);
    } else {
        audit__tell(a, FOUND_DUPLICATE, row,
                    "%c%" PRIu64
                    " is the pagination of two different records: rows "
                    "%" PRId64 " and %" PRId64,
                    row->context, row->pagination, a->before.id, row->id);
    }
}

static void check_pagination(struct mg_audit *a, const struct mg_audit_row *row,
                             bool is_same_record)
{
    const struct audit_before *b = &a->before;
    if (row->pagination == b->pagination) {
        tell_same_pagination(a, row, is_same_record);
        return;
    }
    if (row->pagination > b->pagination + 1 &&
        row->pagination > b->pagination) {
        uint64_t n = row->pagination - b->pagination - 1;
        audit__tell(a, FOUND_GAP, row,
                    "%" PRIu64 " record%s missing between %c%" PRIu64
                    " (row %" PRId64 ") and %c%" PRIu64,
                    n, n == 1 ? " is" : "s are", b->context, b->pagination,
                    b->id, row->context, row->pagination);
    }
    if (row->arrival < b->arrival || row->pagination < b->pagination) {
        audit__tell(a, FOUND_BACK, row,
                    "%c%" PRIu64 " (row %" PRId64 ") came after %c%" PRIu64,
                    b->context, b->pagination, b->id, row->context,
                    row->pagination);
    }
}

/* Another meter, key or context begins. */
static void begin_group(struct mg_audit *a, const struct mg_audit_row *row)
{
    a->before = (struct audit_before){.context = row->context};
    audit__copy(a->before.fingerprint, sizeof a->before.fingerprint,
                row->fingerprint);
    if (row->pagination > 1) {
        audit__tell(a, FOUND_LATE, row,
                    "the first record of the key %.*s here is %c%" PRIu64,
                    SHORT_KEY, row->fingerprint, row->context, row->pagination);
    }
}

/* The serial that was signed, in ChargePoint's code or not, else the one the
 * meter told. */
static void serial_of(const struct mg_audit *a, const struct mg_audit_row *row,
                      char ret[SERIAL_MAX])
{
    char ms[MG_CHARGEPOINT_MS_MAX], serial[MG_CHARGEPOINT_SERIAL_MAX];
    if (mg_ocmf_text(a->ocmf.ms, ms, sizeof ms) > 0 &&
        mg_chargepoint_serial(ms, serial)) {
        audit__copy(ret, SERIAL_MAX, serial);
    } else if (mg_ocmf_text(a->ocmf.ms, ret, SERIAL_MAX) == 0) {
        audit__copy(ret, SERIAL_MAX, row->serial);
    }
}

/* @return whether the meter is the one of the record before, as far as known */
static bool check_serial(struct mg_audit *a, const struct mg_audit_row *row,
                         struct audit_key *key)
{
    char serial[SERIAL_MAX];
    serial_of(a, row, serial);
    bool has_changed = serial[0] != '\0' && key->last_serial[0] != '\0' &&
                       strcmp(serial, key->last_serial) != 0;
    if (has_changed) {
        audit__tell(a, FOUND_SERIAL, row,
                    "the serial changed from %s to %s under the same key",
                    key->last_serial, serial);
    }
    if (serial[0] != '\0') {
        audit__copy(key->last_serial, sizeof key->last_serial, serial);
    }
    return !has_changed;
}

static void note_first(struct audit_key *key, const struct mg_audit_row *row,
                       const struct audit_reading *first)
{
    if (row->arrival < key->first_arrival) {
        key->first_arrival = row->arrival;
        key->first_row = row->id;
        key->first_context = row->context;
        key->first_pagination = row->pagination;
        audit__copy(key->first_serial, sizeof key->first_serial,
                    key->last_serial);
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
                           struct audit_key *key, bool is_same_meter)
{
    struct audit_before *b = &a->before;
    struct audit_reading first, last;
    audit__take_readings(&a->ocmf, &first, &last);
    note_first(key, row, &first);
    if (row->is_reissue || !last.is_there) {
        return;
    }
    bool is_same = row->transaction[0] != '\0' &&
                   strcmp(b->transaction, row->transaction) == 0;
    const struct audit_reading *now = is_same ? &last : &first;
    if (b->is_there && is_same_meter) {
        audit__compare(a, row, &b->last, now);
    }
    b->last = last;
    audit__copy(b->transaction, sizeof b->transaction, row->transaction);
    if (row->context == 'T') {
        key->last = last;
    }
}

/* ---- The whole ---- */

static void begin_meter(struct mg_audit *a, const char *meter)
{
    audit__end_meter(a);
    audit__copy(a->meter, sizeof a->meter, meter);
    a->summary.n_meters++;
}

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
    struct audit_key *key = audit__find_key(a, row->fingerprint);
    if (key == NULL && !a->is_full_told) {
        a->is_full_told = true;
        audit__tell(a, FOUND_KEYS, row,
                    "so many keys that changes are not followed");
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
    audit__tell(a, FOUND_OPEN, &r,
                "the session %s has no record after %" PRId64 " hours",
                transaction, age_ms / 3600000);
}

void mg_audit_missing_rows(struct mg_audit *a, int64_t first, int64_t n)
{
    const struct mg_audit_row r = {.meter = "", .fingerprint = "", .id = first};
    if (n == 1) {
        audit__tell(a, FOUND_MISSING, &r,
                    "row %" PRId64 " was taken out of the store", first);
    } else {
        audit__tell(a, FOUND_MISSING, &r,
                    "rows %" PRId64 " to %" PRId64
                    " were taken out of the store",
                    first, first + n - 1);
    }
}

void mg_audit_end(struct mg_audit *a, struct mg_audit_summary *ret)
{
    audit__end_meter(a);
    *ret = a->summary;
}
