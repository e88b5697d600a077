/* A record has come: verified, compared with what was known of the meter and
 * its key, handed to the store and to the outbox in one transaction. Whatever
 * is wrong with it is marked; it is kept all the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/chargepoint.h"
#include "record/ocpp.h"
#include "run/session_priv.h"

#define SIGNED_JSON_MAX (192U * 1024)

static struct mg_gateway *gateway_of(const struct session *s)
{
    return s->meter->gateway;
}

void mg_session_free_dataset(struct mg_dataset *d)
{
    if (d != NULL) {
        free(d->record);
        free(d->original);
        free(d);
    }
}

static char *copy_text(const char *text, size_t len)
{
    char *copy = malloc(len + 1);
    if (copy != NULL) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

struct mg_dataset *mg_session_copy_dataset(const struct mg_dataset *d)
{
    struct mg_dataset *copy = malloc(sizeof *copy);
    if (copy == NULL) {
        return NULL;
    }
    *copy = *d;
    copy->record =
        d->record == NULL ? NULL : copy_text(d->record, d->record_len);
    copy->original = NULL;
    copy->original_len = 0;
    if (d->record != NULL && copy->record == NULL) {
        free(copy);
        return NULL;
    }
    return copy;
}

struct mg_dataset *mg_session_find_dataset(struct session *s,
                                           const char *transaction)
{
    struct mg_gateway *g = gateway_of(s);
    struct mg_err err;
    if (g->datasets == NULL) {
        g->datasets = mg_datasets_open(mg_store_path(g->store), &err);
    }
    struct mg_dataset_filter filter = {.meter = s->meter->setup->id,
                                       .transaction = transaction,
                                       .is_transactions_only = true};
    struct mg_dataset found;
    struct mg_dataset *newest = NULL;
    while (g->datasets != NULL &&
           mg_datasets_next(g->datasets, &filter, &found, &err) == MG_OK) {
        mg_session_free_dataset(newest);
        newest = mg_session_copy_dataset(&found);
        filter.after_id = found.id;
    }
    if (newest != NULL && newest->state == MG_DATASET_OPEN) {
        mg_session_free_dataset(newest);
        return NULL;
    }
    return newest;
}

/* ---- The row ---- */

static int64_t mwh_of(const struct mg_ocmf_reading *r)
{
    if (!r->rv.is_there || !r->rv.is_exact || r->rv.decimals > 6 ||
        (r->unit != MG_OCMF_KWH && r->unit != MG_OCMF_WH)) {
        return INT64_MIN;
    }
    int64_t mwh = r->rv.mantissa;
    unsigned shift = r->unit == MG_OCMF_KWH ? 6 : 3;
    if (r->rv.decimals > shift) {
        return INT64_MIN;
    }
    for (unsigned i = r->rv.decimals; i < shift; i++) {
        if (mwh > INT64_MAX / 10 || mwh < INT64_MIN / 10) {
            return INT64_MIN;
        }
        mwh *= 10;
    }
    return mwh;
}

static void fill_head(const struct session *s, const char *transaction,
                      struct mg_dataset *d)
{
    const struct meter *m = s->meter;
    (void)snprintf(d->meter, sizeof d->meter, "%s", m->setup->id);
    (void)snprintf(d->model, sizeof d->model, "%s", m->setup->plugin->model);
    (void)snprintf(d->serial, sizeof d->serial, "%s", m->serial);
    (void)snprintf(d->transaction, sizeof d->transaction, "%s", transaction);
    d->stored_ms = mg_clock_utc_ms(gateway_of(s)->clock);
}

int mg_session_open_dataset(struct session *s)
{
    struct mg_dataset d = {.kind = MG_DATASET_TRANSACTION,
                           .state = MG_DATASET_OPEN,
                           .begun_ms = s->kept.begun_ms,
                           .begin_mwh = s->kept.begin_mwh,
                           .end_mwh = INT64_MIN};
    fill_head(s, s->kept.request.transaction, &d);
    return mg_store_add_dataset(gateway_of(s)->store, &d, &s->ticket);
}

/* ---- Marks ---- */

static void mark(struct session *s, struct mg_dataset *d, const char *what,
                 const char *text)
{
    size_t len = strlen(d->mark);
    (void)snprintf(d->mark + len, sizeof d->mark - len, "%s%s",
                   len == 0 ? "" : ",", what);
    char event[64];
    char members[256];
    (void)snprintf(event, sizeof event, "dataset-%s", what);
    struct mg_json j = mg_json_init(members, sizeof members - 1);
    mg_json_member_str(&j, "transaction", d->transaction);
    mg_json_member_int(&j, "pagination", (int64_t)d->pagination);
    members[j.len] = '\0';
    mg_event(gateway_of(s), s->meter, MG_LOG_WARN, event,
             j.failed ? NULL : members, "record %c%llu: %s", d->context,
             (unsigned long long)d->pagination, text);
}

/* A meter with another key is another meter, or has another crypto chip: it
 * counts anew. The station counts for each meter, whatever its key is. */
static void new_key(struct session *s, const char *key_hex,
                    const char *fingerprint)
{
    uint64_t last_t = s->key.last_t, last_f = s->key.last_f;
    memset(&s->key, 0, sizeof s->key);
    (void)snprintf(s->key.key_hex, sizeof s->key.key_hex, "%s", key_hex);
    (void)snprintf(s->key.fingerprint, sizeof s->key.fingerprint, "%s",
                   fingerprint);
    if (!s->is_signing_meter) {
        s->key.last_t = last_t;
        s->key.last_f = last_f;
    }
    mg_meter_publish_info(s->meter);
    if (gateway_of(s)->bridge != NULL &&
        gateway_of(s)->bridge->public_key != NULL) {
        gateway_of(s)->bridge->public_key(gateway_of(s)->bridge_ctx,
                                          s->meter->index, s->key.key_hex);
    }
}

static void check_key(struct session *s, struct mg_dataset *d)
{
    if (d->fingerprint[0] == '\0' ||
        strcmp(s->key.fingerprint, d->fingerprint) == 0) {
        return;
    }
    if (s->key.fingerprint[0] != '\0') {
        mark(s, d, "key-changed", "signed with another key than before");
    }
    new_key(s, d->key_hex, d->fingerprint);
}

void mg_session_learn_key(struct session *s, const struct mg_public_key *key)
{
    char hex[2 * MG_KEY_SPKI_MAX + 1], fingerprint[MG_FINGERPRINT_HEX_MAX];
    mg_public_key_hex(key, hex);
    mg_public_key_fingerprint(key, fingerprint);
    if (strcmp(s->key.fingerprint, fingerprint) == 0) {
        return;
    }
    if (s->key.fingerprint[0] != '\0') {
        char members[256];
        (void)snprintf(members, sizeof members,
                       "\"before\":\"%s\",\"now\":\"%s\"", s->key.fingerprint,
                       fingerprint);
        mg_event(gateway_of(s), s->meter, MG_LOG_WARN, "key-changed", members,
                 "the %s has another key than before",
                 s->is_signing_meter ? "meter" : "station");
    }
    new_key(s, hex, fingerprint);
    (void)mg_session_save_key(s); /* else it is found out again */
}

static void check_serial(struct session *s, struct mg_dataset *d,
                         const struct mg_ocmf *o)
{
    char ms[MG_CHARGEPOINT_MS_MAX], coded[MG_CHARGEPOINT_SERIAL_MAX];
    const char *serial = ms;
    if (o->ms.text == NULL || s->meter->serial[0] == '\0' ||
        mg_ocmf_text(o->ms, ms, sizeof ms) == 0) {
        return;
    }
    if (!s->is_signing_meter && mg_chargepoint_serial(ms, coded)) {
        serial = coded;
    }
    if (strcmp(serial, s->meter->serial) != 0) {
        mark(s, d, "serial-changed",
             "it names another meter than the one read");
    }
}

static void check_pagination(struct session *s, struct mg_dataset *d)
{
    uint64_t *last = d->context == 'F' ? &s->key.last_f : &s->key.last_t;
    if (d->context == 0) {
        return;
    }
    if (*last != 0 && d->pagination > *last + 1) {
        mark(s, d, "pagination-gap", "records before it were never seen");
    } else if (*last != 0 && d->pagination <= *last) {
        mark(s, d, "pagination-back", "the counter went back");
    }
    if (d->pagination > *last) {
        *last = d->pagination;
    }
}

static bool is_known(const struct session *s, const uint8_t digest[32])
{
    for (size_t i = 0; i < SESSION_RECENT; i++) {
        if (i < s->key.n_recent && memcmp(s->key.recent[i], digest, 32) == 0) {
            return true;
        }
    }
    return false;
}

static void remember(struct session *s, const uint8_t digest[32])
{
    memcpy(s->key.recent[s->key.n_recent % SESSION_RECENT], digest, 32);
    s->key.n_recent++;
}

/* ---- Publishing ---- */

static const char *context_of(const struct mg_dataset *d)
{
    switch (d->kind) {
    case MG_DATASET_TRANSACTION:
    case MG_DATASET_REISSUE:
        return "Transaction.End";
    case MG_DATASET_BEGIN:
        return "Transaction.Begin";
    default:
        return "Sample.Clock";
    }
}

void mg_session_put_energy(struct mg_json *j, const char *key, int64_t mwh)
{
    if (mwh != INT64_MIN) {
        mg_json_key(j, key);
        mg_json_decimal(j, mwh, 3, 1);
    }
}

static void put_who(struct mg_json *j, const struct session *s,
                    const struct mg_dataset *d)
{
    mg_json_member_str(j, "gateway", gateway_of(s)->setup->gateway);
    mg_json_member_str(j, "epoch", gateway_of(s)->epoch);
    mg_json_member_str(j, "meter", d->meter);
    mg_json_member_str(j, "model", d->model);
    mg_json_member_str(j, "serial", d->serial);
    mg_json_member_str(j, "kind", mg_dataset_kind_text(d->kind));
    if (d->transaction[0] != '\0') {
        mg_json_member_str(j, "transaction", d->transaction);
    }
}

/* The letter need not be in the record: see the option of the WM3M4C. */
static const char *reason_of(const struct session *s,
                             const struct mg_dataset *d)
{
    switch (d->kind == MG_DATASET_TRANSACTION ? s->kept.reason : 0) {
    case 'E':
        return "end";
    case 'L':
        return "local";
    case 'R':
        return "remote";
    case 'A':
        return "abort";
    case 'P':
        return "power-loss";
    default:
        return NULL;
    }
}

static void put_what(struct mg_json *j, const struct session *s,
                     const struct mg_dataset *d, const struct session_record *r)
{
    char pg[32];
    (void)snprintf(pg, sizeof pg, "%c%llu", d->context,
                   (unsigned long long)d->pagination);
    mg_json_member_str(j, "pagination", pg);
    if (d->begun_ms != 0) {
        mg_json_member_time(j, "begin", d->begun_ms);
    }
    mg_session_put_energy(j, "begin_wh", d->begin_mwh);
    if (d->ended_ms != 0) {
        mg_json_member_time(j, "end", d->ended_ms);
    }
    mg_session_put_energy(j, "end_wh", d->end_mwh);
    if (d->begin_mwh != INT64_MIN && d->end_mwh != INT64_MIN) {
        mg_session_put_energy(j, "energy_wh", d->end_mwh - d->begin_mwh);
    }
    if (reason_of(s, d) != NULL) {
        mg_json_member_str(j, "reason", reason_of(s, d));
    }
    mg_json_member_bool(j, "billable", d->is_billable);
    if (!d->is_billable) {
        mg_json_member_str(j, "not_billable_because", d->why);
    }
    mg_json_member_str(j, "verification", d->verdict);
    if (d->mark[0] != '\0') {
        mg_json_member_str(j, "marks", d->mark);
    }
    if (r->key != NULL) {
        mg_json_member_str(j, "algorithm",
                           mg_curve_algorithm(mg_public_key_curve(r->key)));
    }
    mg_json_member_str(j, "encoding", r->is_base64 ? "base64" : "hex");
    mg_json_member_str(j, "public_key", d->key_hex);
    mg_json_member_str(j, "fingerprint", d->fingerprint);
    mg_json_member_time(j, "stored", d->stored_ms);
}

static int publish(struct session *s, const struct mg_dataset *d,
                   const struct session_record *r)
{
    char *buf = malloc(SIGNED_JSON_MAX);
    if (buf == NULL) {
        return MG_E_NOMEM;
    }
    struct mg_json j = mg_json_init(buf, SIGNED_JSON_MAX);
    mg_json_open(&j, '{');
    put_who(&j, s, d);
    put_what(&j, s, d, r);
    mg_json_key(&j, "ocmf");
    mg_json_str(&j, d->record, d->record_len);
    mg_json_key(&j, "ocpp");
    mg_json_open(&j, '{');
    mg_ocpp_members(&j, d->record, d->record_len, d->key_hex, context_of(d),
                    s->meter->setup->session.is_ocpp_plain);
    mg_json_close(&j, '}');
    mg_json_close(&j, '}');
    struct mg_store_row row = {.class_ = MG_ROW_SIGNED,
                               .payload = buf,
                               .len = j.len,
                               .created_ms = d->stored_ms};
    (void)snprintf(row.topic, sizeof row.topic, "m/%s/signed", d->meter);
    int rc = j.failed ? MG_E_NOSPC
                      : mg_store_append(gateway_of(s)->store, &row, &s->ticket);
    free(buf);
    return rc;
}

/* ---- Taking ---- */

/* The configured key may be written in any form. */
static bool is_pinned_key(const char *pinned, const char *fingerprint)
{
    struct mg_public_key *key = NULL;
    unsigned lenient;
    struct mg_err err;
    char expected[MG_FINGERPRINT_HEX_MAX] = "";
    if (mg_public_key_parse(pinned, strlen(pinned), MG_N_CURVES, &key, &lenient,
                            &err) == MG_OK) {
        mg_public_key_fingerprint(key, expected);
    }
    mg_public_key_destroy(key);
    return strcmp(expected, fingerprint) == 0;
}

/* Transactions alone are for the bill. */
static void judge(const struct session *s, const struct session_record *r,
                  const struct mg_record_report *report,
                  const struct mg_ocmf *o, struct mg_dataset *d)
{
    const char *pinned = s->meter->setup->session.public_key;
    bool is_good = report->verdict == MG_VERDICT_VALID ||
                   report->verdict == MG_VERDICT_LENIENT;
    char why[120] = "";
    (void)snprintf(d->verdict, sizeof d->verdict, "%s",
                   mg_verdict_text(report->verdict));
    if (d->kind == MG_DATASET_REISSUE) {
        (void)snprintf(d->why, sizeof d->why,
                       "a transaction again that has its record already");
    } else if (d->kind != MG_DATASET_TRANSACTION) {
        (void)snprintf(d->why, sizeof d->why, "%s",
                       r->fault[0] != '\0' ? r->fault
                                           : "it is not the record of a "
                                             "whole transaction");
    } else if (r->fault[0] != '\0') {
        (void)snprintf(d->why, sizeof d->why, "%s", r->fault);
    } else if (!is_good) {
        (void)snprintf(d->why, sizeof d->why, "the signature is %s: %.100s",
                       d->verdict, report->reason);
    } else if (pinned != NULL && !is_pinned_key(pinned, d->fingerprint)) {
        (void)snprintf(d->why, sizeof d->why,
                       "signed with a key that is not the configured one");
    } else if (!mg_ocmf_is_billable(o, why)) {
        (void)snprintf(d->why, sizeof d->why, "%s", why);
    } else {
        d->is_billable = true;
    }
}

static void fill_readings(const struct mg_ocmf *o, struct mg_dataset *d)
{
    d->begin_mwh = d->end_mwh = INT64_MIN;
    if (o->n_readings == 0) {
        return;
    }
    const struct mg_ocmf_reading *first = &o->readings[0];
    const struct mg_ocmf_reading *last = &o->readings[o->n_readings - 1];
    d->begun_ms = first->has_time ? first->utc_ms : 0;
    d->begin_mwh = mwh_of(first);
    if (o->n_readings > 1) {
        d->ended_ms = last->has_time ? last->utc_ms : 0;
        d->end_mwh = mwh_of(last);
    }
}

static void fill(struct session *s, const struct session_record *r,
                 const struct mg_record_report *report, const struct mg_ocmf *o,
                 struct mg_dataset *d)
{
    *d = (struct mg_dataset){.kind = r->kind,
                             .state = MG_DATASET_DONE,
                             .context = o->context,
                             .pagination = o->pagination,
                             .record = r->text,
                             .record_len = r->len,
                             .original = r->original,
                             .original_len = r->original_len};
    fill_head(s, r->transaction, d);
    fill_readings(o, d);
    if (r->key != NULL) {
        mg_public_key_hex(r->key, d->key_hex);
        mg_public_key_fingerprint(r->key, d->fingerprint);
    }
    if (r->mark[0] != '\0') {
        mark(s, d, r->mark, "it belongs to no session of this gateway");
    }
    judge(s, r, report, o, d);
    check_key(s, d);
    check_serial(s, d, o);
    check_pagination(s, d);
}

static void say(const struct session *s, const struct mg_dataset *d)
{
    if (d->kind != MG_DATASET_TRANSACTION) {
        return;
    }
    mg_event(gateway_of(s), s->meter,
             d->is_billable ? MG_LOG_INFO : MG_LOG_WARN, "session-ended", NULL,
             "session %s: record %c%llu is %s%s%s", d->transaction, d->context,
             (unsigned long long)d->pagination, d->verdict,
             d->is_billable ? "" : ", not billable: ", d->why);
}

int mg_session_take_record(struct session *s, const struct session_record *r)
{
    struct mg_ocmf *o = gateway_of(s)->ocmf;
    struct mg_record_report *report = malloc(sizeof *report);
    uint8_t digest[32];
    if (report == NULL) {
        return MG_E_NOMEM;
    }
    mg_sha256(r->text, r->len, digest);
    if (is_known(s, digest)) {
        free(report);
        return MG_E_BUSY;
    }
    struct mg_dataset d;
    struct key_kept before = s->key;
    int rc = mg_record_verify(r->text, r->len, r->key, 0, o, report);
    if (rc == MG_OK && !s->is_signing_meter &&
        report->verdict != MG_VERDICT_VALID) {
        rc = MG_E_MISMATCH; /* a faulty signature may give the key away */
    }
    if (rc == MG_OK) {
        fill(s, r, report, o, &d);
        rc = mg_store_add_dataset(gateway_of(s)->store, &d, &s->ticket);
    }
    if (rc == MG_OK) {
        remember(s, digest);
        (void)mg_session_save_key(s); /* else it is found out again */
        rc = publish(s, &d, r);
        say(s, &d);
        mg_session_free_dataset(s->dataset);
        s->dataset = mg_session_copy_dataset(&d);
        mg_store_flush(gateway_of(s)->store);
    } else {
        s->key = before; /* its number is not used up */
    }
    free(report);
    return rc;
}
