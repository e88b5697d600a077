/* metergate datasets audit. */
#include <inttypes.h>
#include <string.h>
#include <uv.h>

#include "cli/app.h"
#include "cli/datasets.h"
#include "record/audit.h"

#define OPEN_MS 86400000 /* a session without a record for so long is told */

struct auditor {
    const struct datasets_options *options;
    struct mg_audit *audit; /* owned */
    struct datasets_progress progress;
};

static const char *severity_text(enum mg_severity severity)
{
    static const char *const texts[] = {"note", "warning", "error"};
    return texts[severity];
}

static void print_json(const struct mg_audit_finding *f)
{
    char buf[2048], pagination[32];
    struct mg_json j = mg_json_init(buf, sizeof buf);
    mg_json_open(&j, '{');
    mg_json_member_str(&j, "finding", f->id);
    mg_json_member_str(&j, "severity", severity_text(f->severity));
    if (f->meter[0] != '\0') {
        mg_json_member_str(&j, "meter", f->meter);
    }
    if (f->fingerprint[0] != '\0') {
        mg_json_member_str(&j, "fingerprint", f->fingerprint);
    }
    if (f->context != '\0') {
        (void)snprintf(pagination, sizeof pagination, "%c%" PRIu64, f->context,
                       f->pagination);
        mg_json_member_str(&j, "pagination", pagination);
    }
    mg_json_member_int(&j, "id", f->row);
    mg_json_member_str(&j, "text", f->text);
    mg_json_close(&j, '}');
    (void)printf("%.*s\n", (int)j.len, buf);
}

static void print_text(const struct mg_audit_finding *f)
{
    (void)printf("%-7s  %-20s  ", severity_text(f->severity), f->id);
    if (f->meter[0] != '\0') {
        datasets_print_text(stdout, f->meter, strlen(f->meter));
        (void)printf(": ");
    }
    datasets_print_text(stdout, f->text, strlen(f->text));
    if (f->row != 0) {
        (void)printf(" (dataset %" PRId64 ")", f->row);
    }
    (void)printf("\n");
}

static void found(void *ctx, const struct mg_audit_finding *f)
{
    const struct auditor *a = ctx;
    datasets_progress_end(&a->progress);
    if (a->options->is_json) {
        print_json(f);
    } else {
        print_text(f);
    }
}

static int audit_records(struct auditor *a, struct mg_datasets *datasets,
                         struct mg_err *err)
{
    const char *meter = a->options->filter.meter;
    struct mg_dataset d;
    int rc = mg_datasets_by_pagination(datasets, NULL, meter, &d, err);
    while (rc == MG_OK) {
        const struct mg_audit_row row = {
            .id = d.id,
            .arrival = d.arrival,
            .meter = d.meter,
            .serial = d.serial,
            .transaction = d.transaction,
            .fingerprint = d.fingerprint,
            .key_hex = d.key_hex,
            .verdict = d.verdict,
            .context = d.context,
            .pagination = d.pagination,
            .is_reissue = d.kind == MG_DATASET_REISSUE,
            .record = d.record == NULL ? "" : d.record,
            .record_len = d.record_len};
        if (mg_audit_record(a->audit, &row) != MG_OK) {
            return mg_err_set(err, MG_E_NOMEM, "out of memory");
        }
        datasets_progress_add(&a->progress);
        rc = mg_datasets_by_pagination(datasets, &d, meter, &d, err);
    }
    return rc == MG_E_NOTFOUND ? MG_OK : rc;
}

static int audit_sessions(struct auditor *a, struct mg_datasets *datasets,
                          struct mg_err *err)
{
    struct mg_dataset_filter filter = {.meter = a->options->filter.meter,
                                       .is_open_only = true};
    struct mg_dataset d;
    uv_timeval64_t now;
    (void)uv_gettimeofday(&now); /* cannot fail with a valid pointer */
    int64_t now_ms = now.tv_sec * 1000 + now.tv_usec / 1000;
    int rc;
    while ((rc = mg_datasets_next(datasets, &filter, &d, err)) == MG_OK) {
        filter.after_id = d.id;
        int64_t begun_ms = d.begun_ms != 0 ? d.begun_ms : d.stored_ms;
        if (now_ms - begun_ms > OPEN_MS) {
            mg_audit_open_session(a->audit, d.meter, d.transaction, d.id,
                                  now_ms - begun_ms);
        }
    }
    return rc == MG_E_NOTFOUND ? MG_OK : rc;
}

/* Rows are not of one meter once they are gone. */
static int audit_ids(struct auditor *a, struct mg_datasets *datasets,
                     struct mg_err *err)
{
    int64_t first, n, after = 0;
    int rc;
    while ((rc = mg_datasets_missing(datasets, after, &first, &n, err)) ==
           MG_OK) {
        mg_audit_missing_rows(a->audit, first, n);
        after = first + n - 1;
    }
    return rc == MG_E_NOTFOUND ? MG_OK : rc;
}

static void print_summary(const struct auditor *a,
                          const struct mg_audit_summary *s)
{
    if (!a->options->is_json) {
        (void)printf("%" PRIu64 " records of %" PRIu64 " meters, %" PRIu64
                     " keys: %" PRIu64 " errors, %" PRIu64 " warnings, %" PRIu64
                     " notes\n",
                     s->n_records, s->n_meters, s->n_keys, s->n_errors,
                     s->n_warnings, s->n_notes);
        return;
    }
    char buf[512];
    struct mg_json j = mg_json_init(buf, sizeof buf);
    mg_json_open(&j, '{');
    mg_json_key(&j, "summary");
    mg_json_open(&j, '{');
    mg_json_member_int(&j, "records", (int64_t)s->n_records);
    mg_json_member_int(&j, "meters", (int64_t)s->n_meters);
    mg_json_member_int(&j, "keys", (int64_t)s->n_keys);
    mg_json_member_int(&j, "errors", (int64_t)s->n_errors);
    mg_json_member_int(&j, "warnings", (int64_t)s->n_warnings);
    mg_json_member_int(&j, "notes", (int64_t)s->n_notes);
    mg_json_close(&j, '}');
    mg_json_close(&j, '}');
    (void)printf("%.*s\n", (int)j.len, buf);
}

int datasets_audit(struct mg_datasets *datasets,
                   const struct datasets_options *options)
{
    struct auditor a = {.options = options, .progress.what = "records"};
    struct mg_audit_summary summary = {0};
    struct mg_err err = {0};
    a.audit = mg_audit_create(found, &a);
    if (a.audit == NULL) {
        (void)mg_err_set(&err, MG_E_NOMEM, "out of memory");
        return app_fail(&err);
    }
    int rc = audit_records(&a, datasets, &err);
    if (rc == MG_OK) {
        rc = audit_sessions(&a, datasets, &err);
    }
    if (rc == MG_OK && options->filter.meter == NULL) {
        rc = audit_ids(&a, datasets, &err);
    }
    datasets_progress_end(&a.progress);
    if (rc == MG_OK) {
        mg_audit_end(a.audit, &summary);
        print_summary(&a, &summary);
    }
    mg_audit_destroy(a.audit);
    if (rc != MG_OK) {
        return app_fail(&err);
    }
    return summary.n_errors + summary.n_warnings > 0 ? 1 : 0;
}
