/* One worker: the verdict on a record, or on begin and end together. */
#include <stdlib.h>
#include <string.h>

#include "cli/verify.h"
#include "model/ocmf_check.h"
#include "record/chargepoint.h"

struct verify_worker *verify_worker_create(const struct verify_options *o)
{
    struct verify_worker *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return NULL;
    }
    w->options = o;
    w->keys = verify_keys_create();
    w->json = malloc(VERIFY_JSON_MAX);
    w->results[0].ocmf = malloc(sizeof(struct mg_ocmf));
    w->results[1].ocmf = malloc(sizeof(struct mg_ocmf));
    if (w->keys == NULL || w->json == NULL || w->results[0].ocmf == NULL ||
        w->results[1].ocmf == NULL) {
        verify_worker_destroy(w);
        return NULL;
    }
    return w;
}

void verify_worker_destroy(struct verify_worker *w)
{
    if (w == NULL) {
        return;
    }
    verify_keys_destroy(w->keys);
    free(w->results[0].ocmf);
    free(w->results[1].ocmf);
    free(w->json);
    free(w);
}

/* The curve that the record itself names. */
static enum mg_curve curve_of(const struct verify_value *v,
                              struct mg_ocmf *scratch)
{
    struct mg_err err = {0};
    char name[64] = "";
    enum mg_curve curve = MG_N_CURVES;
    bool is_exact;
    if (mg_ocmf_parse(v->record, v->record_len, scratch, &err) != MG_OK) {
        return MG_N_CURVES;
    }
    size_t len = mg_ocmf_text(scratch->sa, name, sizeof name);
    if (mg_curve_of_algorithm(name, len, &curve, &is_exact) != MG_OK) {
        return MG_N_CURVES;
    }
    return curve;
}

/* A raw key does not say its curve: then the record is asked. */
static const struct mg_public_key *
find_key(struct verify_worker *w, struct verify_result *r, unsigned *lenient)
{
    const char *text =
        w->options->key != NULL ? w->options->key : r->value->key;
    r->key_problem = "";
    if (text == NULL || text[0] == '\0' || r->value->record == NULL) {
        return NULL;
    }
    const struct mg_public_key *key =
        verify_keys_find(w->keys, text, MG_N_CURVES, lenient, &r->key_problem);
    if (key != NULL && (*lenient & (unsigned)MG_LENIENT_KEY_RAW) == 0) {
        return key;
    }
    enum mg_curve curve = curve_of(r->value, r->ocmf);
    return curve == MG_N_CURVES ? key
                                : verify_keys_find(w->keys, text, curve,
                                                   lenient, &r->key_problem);
}

static void report_problem(struct verify_result *r, const char *problem)
{
    r->report.verdict = MG_VERDICT_NO_RECORD;
    r->report.curve = MG_N_CURVES;
    r->report.lenient = 0;
    r->report.der_len = 0;
    r->report.findings.n = 0;
    r->report.findings.is_cut = false;
    (void)snprintf(r->report.reason, sizeof r->report.reason, "%.150s",
                   problem);
}

static void verify_value(struct verify_worker *w, struct verify_result *r)
{
    unsigned lenient = 0;
    if (r->value->problem != NULL || r->value->record == NULL) {
        r->key_problem = "";
        report_problem(r, r->value->problem != NULL ? r->value->problem
                                                    : "there is no record");
        return;
    }
    const struct mg_public_key *key = find_key(w, r, &lenient);
    if (mg_record_verify(r->value->record, r->value->record_len, key, lenient,
                         r->ocmf, &r->report) != MG_OK) {
        report_problem(r, "out of memory");
        return;
    }
    if (r->report.verdict == MG_VERDICT_NO_KEY && r->key_problem[0] != '\0') {
        (void)snprintf(r->report.reason, sizeof r->report.reason,
                       "the key cannot be used: %s", r->key_problem);
    }
}

/* ---- Two of one transaction ---- */

static bool is_parsed(const struct verify_result *r)
{
    return r->report.verdict != MG_VERDICT_NO_RECORD;
}

static void find_marks(const struct verify_result *r, bool *ret_begin,
                       bool *ret_end)
{
    const struct mg_ocmf_reading *begin = NULL;
    const struct mg_ocmf_reading *end = NULL;
    if (is_parsed(r)) {
        (void)mg_ocmf_transaction(r->ocmf, &begin, &end);
    }
    *ret_begin = begin != NULL;
    *ret_end = end != NULL;
}

/* What only a record that stands alone must have. */
static void excuse(struct verify_result *r, bool is_begin)
{
    mg_findings_remove(&r->report.findings,
                       is_begin ? MG_CHECK_NO_END : MG_CHECK_NO_BEGIN);
    mg_findings_remove(&r->report.findings, MG_CHECK_TRANSPARENZ_TRANSACTION);
}

static void check_pair(struct verify_worker *w)
{
    struct verify_result *a = &w->results[0];
    struct verify_result *b = &w->results[1];
    bool a_begins, a_ends, b_begins, b_ends;
    find_marks(a, &a_begins, &a_ends);
    find_marks(b, &b_begins, &b_ends);
    if (a_begins && a_ends && b_begins && b_ends) {
        return; /* each is whole: the number was used twice */
    }
    bool is_swapped = !a_begins && a_ends && b_begins && !b_ends;
    bool is_right = a_begins && !a_ends && !b_begins && b_ends;
    if (!is_swapped && !is_right) {
        mg_findings_report(&w->pair, MG_CHECK_PAIR_COUNT, -1,
                           "two records, but not a begin and an end");
        return;
    }
    struct verify_result *begin = is_swapped ? b : a;
    struct verify_result *end = is_swapped ? a : b;
    w->is_pair = true;
    mg_ocmf_check_pair(begin->ocmf, end->ocmf, &w->pair);
    excuse(begin, true);
    excuse(end, false);
}

static void check_crowd(struct verify_worker *w)
{
    bool begins, ends;
    find_marks(&w->results[0], &begins, &ends);
    if (!begins || !ends) {
        mg_findings_report(&w->results[0].report.findings, MG_CHECK_PAIR_COUNT,
                           -1, "more than two records of this transaction");
    }
}

/* ---- Result ---- */

bool verify_is_refused(const struct verify_result *r)
{
    for (size_t i = 0; i < r->report.findings.n; i++) {
        const struct mg_finding *f = &r->report.findings.all[i];
        if (f->severity == MG_SEVERITY_ERROR &&
            strncmp(f->id, "transparenz-", 12) == 0) {
            return true;
        }
    }
    return false;
}

static void settle(const struct verify_worker *w, struct verify_result *r)
{
    enum mg_verdict verdict = r->report.verdict;
    r->has_failed = verdict > MG_VERDICT_LENIENT || verify_is_refused(r);
    if (w->options->is_strict) {
        r->has_failed =
            r->has_failed || verdict == MG_VERDICT_LENIENT ||
            mg_findings_has(&r->report.findings, MG_SEVERITY_ERROR) ||
            mg_findings_has(&w->pair, MG_SEVERITY_ERROR);
    }
}

static void count(const struct verify_worker *w, const struct verify_result *r,
                  struct verify_counts *counts)
{
    counts->n[r->report.verdict]++;
    counts->n_failed += r->has_failed;
    counts->n_errors +=
        r->report.verdict <= MG_VERDICT_LENIENT &&
        (mg_findings_has(&r->report.findings, MG_SEVERITY_ERROR) ||
         mg_findings_has(&w->pair, MG_SEVERITY_ERROR));
}

/* ChargePoint's PG repeats the transaction. */
static void check_session(struct verify_result *r)
{
    const char *transaction = r->value->transaction;
    if (transaction == NULL || transaction[0] == '\0' ||
        mg_chargepoint_is_session(r->ocmf, transaction)) {
        return;
    }
    mg_findings_report(
        &r->report.findings, MG_CHECK_SESSION_DIFFERS, -1,
        "PG goes on with '%.*s', the transaction is %.40s",
        r->ocmf->pg_suffix.len > 24 ? 24 : (int)r->ocmf->pg_suffix.len,
        r->ocmf->pg_suffix.text, transaction);
}

void verify_worker_run(struct verify_worker *w, const struct verify_job *job,
                       bool is_only, struct verify_counts *counts, FILE *out)
{
    w->is_pair = false;
    w->pair.n = 0;
    w->pair.is_cut = false;
    for (unsigned i = 0; i < job->n_values; i++) {
        w->results[i].value = &job->values[i];
        verify_value(w, &w->results[i]);
        if (is_parsed(&w->results[i])) {
            check_session(&w->results[i]);
            mg_record_check_profile(w->results[i].ocmf, w->options->profile,
                                    &w->results[i].report);
        }
    }
    if (job->n_values == 2) {
        check_pair(w);
    } else if (job->is_crowded) {
        check_crowd(w);
    }
    for (unsigned i = 0; i < job->n_values; i++) {
        settle(w, &w->results[i]);
        count(w, &w->results[i], counts);
    }
    if (w->options->is_json) {
        verify_json_lines(w, job, out);
    } else if (is_only || w->options->is_verbose) {
        verify_text_report(w, job, out);
    } else {
        verify_text_line(w, job, out);
    }
}
