/* Verdicts for people. What comes from a record is cleaned of what a terminal
 * would obey. */
#include <string.h>

#include "cli/verify.h"
#include "model/ocmf_check.h"

static void put_clean(FILE *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)text[i];
        bool is_control = c < 0x20 || c == 0x7f;
        bool is_c1 = c == 0xc2 && i + 1 < len && (uint8_t)text[i + 1] < 0xa0;
        (void)fputc(is_control || is_c1 ? '?' : text[i], out);
        i += is_c1;
    }
}

static void put_text(FILE *out, const char *text)
{
    put_clean(out, text, strlen(text));
}

static void put_span(FILE *out, struct mg_span span)
{
    if (span.text != NULL) {
        put_clean(out, span.text, span.len < 200 ? span.len : 200);
    }
}

static const char *verdict_words(enum mg_verdict verdict)
{
    static const char *const WORDS[] = {"VALID",
                                        "VALID, with deviations",
                                        "NOT VALID",
                                        "NOT VERIFIED: no key",
                                        "NOT VERIFIED: algorithm not supported",
                                        "NO OCMF RECORD"};
    return WORDS[verdict];
}

void verify_energy_text(const struct mg_ocmf_reading *a,
                        const struct mg_ocmf_reading *b, char *buf, size_t cap)
{
    int64_t mantissa = 0;
    uint8_t decimals = 0;
    if (a->unit != b->unit ||
        mg_ocmf_difference(&a->rv, &b->rv, &mantissa, &decimals) != MG_OK) {
        (void)snprintf(buf, cap, "not known");
        return;
    }
    char number[40] = "";
    struct mg_json j = mg_json_init(number, sizeof number - 1);
    mg_json_decimal(&j, mantissa, decimals, 0);
    (void)snprintf(buf, cap, "%s %s", number,
                   b->unit == MG_OCMF_KWH ? "kWh" : "Wh");
}

/* ---- A report ---- */

static void put_label(FILE *out, const char *label)
{
    (void)fprintf(out, "  %-12s ", label);
}

static void put_spans(FILE *out, const char *label, const struct mg_span *spans,
                      size_t n)
{
    bool is_any = false;
    for (size_t i = 0; i < n; i++) {
        if (spans[i].len == 0) {
            continue;
        }
        if (!is_any) {
            put_label(out, label);
        }
        (void)fputs(is_any ? " " : "", out);
        put_span(out, spans[i]);
        is_any = true;
    }
    (void)fputs(is_any ? "\n" : "", out);
}

static void put_identity(FILE *out, const struct mg_ocmf *o)
{
    const struct mg_span meter[] = {o->mv, o->mm, o->ms};
    const struct mg_span gateway[] = {o->gi, o->gs, o->gv};
    const struct mg_span point[] = {o->ct, o->ci};
    const struct mg_span user[] = {o->it, o->id, o->il};
    const struct mg_span number[] = {o->pg};
    const struct mg_span tariff[] = {o->tt};
    put_spans(out, "transaction", number, 1);
    put_spans(out, "meter", meter, 3);
    put_spans(out, "gateway", gateway, 3);
    put_spans(out, "point", point, 2);
    put_spans(out, "user", user, 3);
    put_spans(out, "tariff", tariff, 1);
}

static const char *clock_words(char clock)
{
    switch (clock) {
    case 'S':
        return "synchronised";
    case 'I':
        return "informative";
    case 'R':
        return "relative";
    default:
        return "unsynchronised";
    }
}

static void put_reading(FILE *out, const char *label,
                        const struct mg_ocmf_reading *r)
{
    put_label(out, label);
    if (r == NULL) {
        (void)fputs("not in this record\n", out);
        return;
    }
    put_span(out, r->time);
    if (r->has_time) {
        (void)fprintf(out, " (%s)", clock_words(r->clock));
    }
    (void)fputs("   ", out);
    put_span(out, r->rv.text);
    (void)fputc(' ', out);
    put_span(out, r->ru);
    (void)fputs("   ", out);
    put_span(out, r->ri);
    (void)fputc('\n', out);
}

static void put_energy(FILE *out, const struct mg_ocmf_reading *begin,
                       const struct mg_ocmf_reading *end)
{
    char energy[80];
    put_reading(out, "begin", begin);
    put_reading(out, "end", end);
    if (begin == NULL || end == NULL) {
        return;
    }
    verify_energy_text(begin, end, energy, sizeof energy);
    put_label(out, "energy");
    (void)fputs(energy, out);
    if (begin->has_time && end->has_time) {
        long long s = (end->utc_ms - begin->utc_ms) / 1000;
        (void)fprintf(out, " in %lld:%02lld:%02lld h", s / 3600, s / 60 % 60,
                      s % 60);
    }
    if (end->cl.is_there) {
        (void)fputs(", cable loss ", out);
        put_span(out, end->cl.text);
        (void)fputc(' ', out);
        put_span(out, end->ru);
        (void)fputs(" taken off", out);
    }
    (void)fputc('\n', out);
}

static void put_findings(FILE *out, const struct mg_findings *f)
{
    for (size_t i = 0; i < f->n; i++) {
        (void)fprintf(out, "  %-7s %s", mg_severity_text(f->all[i].severity),
                      f->all[i].id);
        if (f->all[i].reading >= 0) {
            (void)fprintf(out, ", reading %d", f->all[i].reading);
        }
        (void)fputs(": ", out);
        put_text(out, f->all[i].text);
        (void)fputc('\n', out);
    }
    if (f->is_cut) {
        (void)fputs("  and more\n", out);
    }
}

static void put_billable(FILE *out, const struct mg_ocmf *o)
{
    char why[120];
    bool is_billable = mg_ocmf_is_billable(o, why);
    put_label(out, "billable");
    (void)fputs(is_billable ? "yes" : "no, ", out);
    put_text(out, why);
    (void)fputc('\n', out);
}

static void put_profile(FILE *out, const struct verify_worker *w,
                        const struct verify_result *r)
{
    const char *name = verify_profile_name(w->options->profile);
    if (name != NULL) {
        bool is_good = r->report.verdict <= MG_VERDICT_LENIENT;
        put_label(out, "profile");
        (void)fprintf(out, "%s would %s it\n", name,
                      is_good && !verify_is_refused(r) ? "accept" : "refuse");
    }
}

static void put_result(FILE *out, const struct verify_worker *w,
                       const struct verify_result *r)
{
    const struct mg_record_report *p = &r->report;
    const struct mg_ocmf_reading *begin = NULL;
    const struct mg_ocmf_reading *end = NULL;
    put_text(out, r->value->source);
    (void)fprintf(out, ": %s\n", verdict_words(p->verdict));
    if (p->reason[0] != '\0') {
        put_label(out, "because");
        put_text(out, p->reason);
        (void)fputc('\n', out);
    }
    if (p->verdict == MG_VERDICT_NO_RECORD) {
        return;
    }
    put_identity(out, r->ocmf);
    (void)mg_ocmf_transaction(r->ocmf, &begin, &end);
    put_energy(out, begin, end);
    if (p->curve < MG_N_CURVES) {
        put_label(out, "signature");
        (void)fprintf(out, "%s\n", mg_curve_algorithm(p->curve));
    }
    if (!w->is_pair) {
        put_billable(out, r->ocmf);
    }
    put_profile(out, w, r);
    put_findings(out, &p->findings);
}

/* Of two records: the end belongs to whichever has it. */
static void put_pair(FILE *out, const struct verify_worker *w)
{
    const struct mg_ocmf_reading *begin = NULL;
    const struct mg_ocmf_reading *end = NULL;
    for (int i = 0; i < 2; i++) {
        const struct mg_ocmf_reading *first = NULL;
        const struct mg_ocmf_reading *last = NULL;
        (void)mg_ocmf_transaction(w->results[i].ocmf, &first, &last);
        begin = first != NULL ? first : begin;
        end = last != NULL ? last : end;
    }
    (void)fputs("both together:\n", out);
    if (w->is_pair) {
        put_energy(out, begin, end);
    }
    put_findings(out, &w->pair);
}

void verify_text_report(const struct verify_worker *w,
                        const struct verify_job *job, FILE *out)
{
    for (unsigned i = 0; i < job->n_values; i++) {
        put_result(out, w, &w->results[i]);
    }
    if (w->is_pair || w->pair.n > 0) {
        put_pair(out, w);
    }
}

/* ---- A line ---- */

static void put_names(FILE *out, const struct mg_findings *f,
                      enum mg_severity at_least)
{
    const char *separator = "";
    for (size_t i = 0; i < f->n; i++) {
        if (f->all[i].severity >= at_least) {
            (void)fprintf(out, "%s%s", separator, f->all[i].id);
            separator = ", ";
        }
    }
}

static void put_line(FILE *out, const struct verify_worker *w,
                     const struct verify_result *r)
{
    const struct mg_record_report *p = &r->report;
    put_text(out, r->value->source);
    if (r->value->id != NULL) {
        (void)fputs(" ", out);
        put_text(out, r->value->id);
    }
    (void)fprintf(out, ": %s", mg_verdict_text(p->verdict));
    if (p->reason[0] != '\0') {
        (void)fputs(": ", out);
        put_text(out, p->reason);
    } else if (p->verdict == MG_VERDICT_LENIENT) {
        const char *separator = ": ";
        for (unsigned bit = 1; bit <= p->lenient; bit <<= 1) {
            if ((p->lenient & bit) != 0) {
                (void)fprintf(out, "%s%s", separator, mg_leniency_text(bit));
                separator = ", ";
            }
        }
    }
    if (r->has_failed && p->verdict <= MG_VERDICT_LENIENT) {
        (void)fputs("; ", out);
        put_names(out, &p->findings, MG_SEVERITY_ERROR);
    }
    if (w->pair.n > 0) {
        (void)fputs("; ", out);
        put_names(out, &w->pair, MG_SEVERITY_NOTE);
    }
    (void)fputc('\n', out);
}

/* Nothing of a record that is valid without more to say. */
void verify_text_line(const struct verify_worker *w,
                      const struct verify_job *job, FILE *out)
{
    for (unsigned i = 0; i < job->n_values; i++) {
        const struct verify_result *r = &w->results[i];
        bool is_last = i + 1 == job->n_values;
        if (r->has_failed || r->report.verdict != MG_VERDICT_VALID ||
            (is_last && mg_findings_has(&w->pair, MG_SEVERITY_ERROR))) {
            put_line(out, w, r);
        }
    }
}

void verify_text_summary(const struct verify_counts *counts, FILE *out)
{
    static const char *const WORDS[] = {
        "valid",       "valid with deviations", "not valid",
        "without key", "not supported",         "no record"};
    size_t total = 0;
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++) {
        total += counts->n[i];
    }
    (void)fprintf(out, "%zu record%s: ", total, total == 1 ? "" : "s");
    const char *separator = "";
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++) {
        if (counts->n[i] > 0 || i == 0) {
            (void)fprintf(out, "%s%zu %s", separator, counts->n[i], WORDS[i]);
            separator = ", ";
        }
    }
    if (counts->n_errors > 0) {
        (void)fprintf(out,
                      "; %zu of the valid not to be billed alone (see "
                      "--verbose)",
                      counts->n_errors);
    }
    (void)fputc('\n', out);
}
