/* Verdicts for programs: one JSON object a line. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/verify.h"
#include "model/ocmf_check.h"

#define TEXT_MAX 2048

static void put_span(struct mg_json *j, const char *key, struct mg_span span)
{
    char text[TEXT_MAX];
    if (span.text == NULL) {
        return;
    }
    size_t len = mg_ocmf_text(span, text, sizeof text);
    mg_json_key(j, key);
    if (len == 0 && span.len > 0) { /* too long, or half a surrogate pair */
        mg_json_str(j, span.text, span.len < TEXT_MAX ? span.len : TEXT_MAX);
    } else {
        mg_json_str(j, text, len);
    }
}

static void put_member(struct mg_json *j, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        mg_json_member_str(j, key, text);
    }
}

static void put_number(struct mg_json *j, const char *key,
                       const struct mg_ocmf_number *n)
{
    if (n->is_exact) {
        mg_json_key(j, key);
        mg_json_decimal(j, n->mantissa, n->decimals, 0);
    }
}

static void put_findings(struct mg_json *j, const struct mg_findings *f)
{
    mg_json_key(j, "findings");
    mg_json_open(j, '[');
    for (size_t i = 0; i < f->n; i++) {
        mg_json_open(j, '{');
        mg_json_member_str(j, "id", f->all[i].id);
        mg_json_member_str(j, "severity", mg_severity_text(f->all[i].severity));
        if (f->all[i].reading >= 0) {
            mg_json_member_int(j, "reading", f->all[i].reading);
        }
        mg_json_member_str(j, "text", f->all[i].text);
        mg_json_close(j, '}');
    }
    mg_json_close(j, ']');
    if (f->is_cut) {
        mg_json_member_bool(j, "findings_cut", true);
    }
}

static void put_reading(struct mg_json *j, const char *key,
                        const struct mg_ocmf_reading *r)
{
    if (r == NULL) {
        return;
    }
    const char clock[2] = {r->clock, '\0'};
    mg_json_key(j, key);
    mg_json_open(j, '{');
    if (r->has_time) {
        mg_json_member_time(j, "time", r->utc_ms);
        mg_json_member_str(j, "clock", clock);
    }
    put_number(j, "value", &r->rv);
    put_number(j, "loss", &r->cl);
    put_span(j, "unit", r->ru);
    put_span(j, "register", r->ri);
    mg_json_close(j, '}');
}

static void put_transaction(struct mg_json *j,
                            const struct mg_ocmf_reading *begin,
                            const struct mg_ocmf_reading *end)
{
    int64_t mantissa = 0;
    uint8_t decimals = 0;
    put_reading(j, "begin", begin);
    put_reading(j, "end", end);
    if (begin == NULL || end == NULL || begin->unit != end->unit ||
        mg_ocmf_difference(&begin->rv, &end->rv, &mantissa, &decimals) !=
            MG_OK) {
        return;
    }
    mg_json_key(j, end->unit == MG_OCMF_KWH ? "energy_kwh" : "energy_wh");
    mg_json_decimal(j, mantissa, decimals, 0);
    if (begin->has_time && end->has_time) {
        mg_json_key(j, "duration_s");
        mg_json_decimal(j, end->utc_ms - begin->utc_ms, 3, 0);
    }
}

static void put_record(struct mg_json *j, const struct verify_result *r)
{
    const struct mg_ocmf *o = r->ocmf;
    const struct mg_ocmf_reading *begin = NULL;
    const struct mg_ocmf_reading *end = NULL;
    char why[120];
    size_t n_usable = 0;
    uint64_t session;
    put_span(j, "version", o->fv);
    put_span(j, "pagination", o->pg);
    if (mg_ocmf_session(o, &session)) { /* too long for a number in JSON */
        char text[24];
        (void)snprintf(text, sizeof text, "%" PRIu64, session);
        mg_json_member_str(j, "session", text);
    }
    put_span(j, "manufacturer", o->mv);
    put_span(j, "model", o->mm);
    put_span(j, "serial", o->ms);
    put_span(j, "gateway", o->gi);
    put_span(j, "gateway_serial", o->gs);
    put_span(j, "charge_point", o->ci);
    put_span(j, "user_type", o->it);
    put_span(j, "user_id", o->id);
    for (size_t i = 0; i < o->n_readings; i++) {
        n_usable += mg_ocmf_is_usable(&o->readings[i]);
    }
    mg_json_member_int(j, "readings", (int64_t)o->n_readings);
    mg_json_member_int(j, "usable_readings", (int64_t)n_usable);
    (void)mg_ocmf_transaction(o, &begin, &end);
    put_transaction(j, begin, end);
    bool is_billable = r->report.verdict <= MG_VERDICT_LENIENT;
    if (!is_billable) {
        (void)snprintf(why, sizeof why, "the signature is not verified");
    } else {
        is_billable = mg_ocmf_is_billable(o, why);
    }
    mg_json_member_bool(j, "billable", is_billable);
    put_member(j, "why", why);
}

static void put_lenient(struct mg_json *j, unsigned lenient)
{
    mg_json_key(j, "lenient");
    mg_json_open(j, '[');
    for (unsigned bit = 1; bit <= lenient; bit <<= 1) {
        if ((lenient & bit) != 0) {
            const char *text = mg_leniency_text(bit);
            mg_json_str(j, text, strlen(text));
        }
    }
    mg_json_close(j, ']');
}

static void put_profile(struct mg_json *j, const struct verify_worker *w,
                        const struct verify_result *r)
{
    const char *name = verify_profile_name(w->options->profile);
    if (name != NULL) {
        bool is_good = r->report.verdict <= MG_VERDICT_LENIENT;
        mg_json_member_str(j, "profile", name);
        mg_json_member_bool(j, "profile_accepts",
                            is_good && !verify_is_refused(r));
    }
}

static void put_result(struct mg_json *j, const struct verify_worker *w,
                       const struct verify_result *r)
{
    const struct mg_record_report *p = &r->report;
    mg_json_open(j, '{');
    mg_json_member_str(j, "type", "record");
    mg_json_member_str(j, "source", r->value->source);
    put_member(j, "id", r->value->id);
    put_member(j, "transaction", r->value->transaction);
    put_member(j, "context", r->value->context);
    mg_json_member_str(j, "verdict", mg_verdict_text(p->verdict));
    mg_json_member_bool(j, "valid", p->verdict <= MG_VERDICT_LENIENT);
    put_lenient(j, p->lenient);
    put_member(j, "reason", p->reason);
    if (p->curve < MG_N_CURVES) {
        mg_json_member_str(j, "algorithm", mg_curve_algorithm(p->curve));
    }
    if (p->verdict != MG_VERDICT_NO_RECORD) {
        put_record(j, r);
        put_profile(j, w, r);
    }
    put_findings(j, &p->findings);
    mg_json_close(j, '}');
}

static void put_pair(struct mg_json *j, const struct verify_worker *w)
{
    const struct mg_ocmf_reading *begin = NULL;
    const struct mg_ocmf_reading *end = NULL;
    mg_json_open(j, '{');
    mg_json_member_str(j, "type", "transaction");
    put_member(j, "transaction", w->results[0].value->transaction);
    mg_json_key(j, "records");
    mg_json_open(j, '[');
    for (int i = 0; i < 2; i++) {
        const struct mg_ocmf_reading *first = NULL;
        const struct mg_ocmf_reading *last = NULL;
        const char *source = w->results[i].value->source;
        mg_json_str(j, source, strlen(source));
        if (w->is_pair) {
            (void)mg_ocmf_transaction(w->results[i].ocmf, &first, &last);
        }
        begin = first != NULL ? first : begin;
        end = last != NULL ? last : end;
    }
    mg_json_close(j, ']');
    put_transaction(j, begin, end);
    bool is_right = !mg_findings_has(&w->pair, MG_SEVERITY_ERROR);
    bool is_billable = w->is_pair && is_right;
    for (int i = 0; i < 2; i++) {
        is_billable =
            is_billable && w->results[i].report.verdict <= MG_VERDICT_LENIENT &&
            !mg_findings_has(&w->results[i].report.findings, MG_SEVERITY_ERROR);
    }
    mg_json_member_bool(j, "billable", is_billable);
    put_findings(j, &w->pair);
    mg_json_close(j, '}');
}

static void write_line(const struct mg_json *j, const struct verify_result *r,
                       FILE *out)
{
    if (j->failed) { /* the limits of record and findings do not allow it */
        (void)fprintf(out,
                      "{\"type\":\"record\",\"verdict\":\"%s\",\"reason\":"
                      "\"too long to be printed\"}\n",
                      mg_verdict_text(r->report.verdict));
        return;
    }
    (void)fwrite(j->buf, 1, j->len, out);
    (void)fputc('\n', out);
}

void verify_json_lines(const struct verify_worker *w,
                       const struct verify_job *job, FILE *out)
{
    for (unsigned i = 0; i < job->n_values; i++) {
        struct mg_json j = mg_json_init(w->json, VERIFY_JSON_MAX);
        put_result(&j, w, &w->results[i]);
        write_line(&j, &w->results[i], out);
    }
    if (job->n_values == 2) {
        struct mg_json j = mg_json_init(w->json, VERIFY_JSON_MAX);
        put_pair(&j, w);
        write_line(&j, &w->results[0], out);
    }
}

void verify_list_checks(bool is_json)
{
    for (int i = 0; i < MG_N_CHECKS; i++) {
        const struct mg_check_kind *kind = mg_check_kind((enum mg_check)i);
        if (!is_json) {
            (void)printf("%-24s %-8s %s\n", kind->id,
                         mg_severity_text(kind->severity), kind->meaning);
            continue;
        }
        char buf[512];
        struct mg_json j = mg_json_init(buf, sizeof buf);
        mg_json_open(&j, '{');
        mg_json_member_str(&j, "id", kind->id);
        mg_json_member_str(&j, "severity", mg_severity_text(kind->severity));
        mg_json_member_str(&j, "meaning", kind->meaning);
        mg_json_close(&j, '}');
        (void)printf("%.*s\n", (int)j.len, buf);
    }
}
