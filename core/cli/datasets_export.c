/* metergate datasets export. */
#include <stdlib.h>
#include <string.h>

#include "cli/app.h"
#include "cli/datasets.h"
#include "cli/outfile.h"
#include "model/ocmf.h"
#include "record/ocpp.h"
#include "record/safe_xml.h"

struct exporter {
    const struct datasets_options *options;
    struct outfile file;
    struct datasets_json json;
    struct mg_datasets *others; /* owned; to look for partners */
    struct mg_ocmf *ocmf;       /* owned */
};

/* ---- SAFE XML ---- */

/* Which ends of a transaction a record holds. */
struct ends {
    bool has_begin, has_end;
};

static struct ends ends_of(struct exporter *e, const struct mg_dataset *d)
{
    struct ends ends = {false, false};
    struct mg_err err;
    if (mg_ocmf_parse(d->record, d->record_len, e->ocmf, &err) != MG_OK) {
        return ends;
    }
    for (size_t i = 0; i < e->ocmf->n_readings; i++) {
        char tx = e->ocmf->readings[i].tx;
        ends.has_begin = ends.has_begin || tx == 'B';
        ends.has_end =
            ends.has_end || (tx != 0 && strchr("ELRAPr", tx) != NULL);
    }
    return ends;
}

/* The first record of a kind of this transaction.
 * @return MG_OK; MG_E_NOTFOUND; MG_E_IO */
static int find_of(struct exporter *e, const struct mg_dataset *d,
                   enum mg_dataset_kind kind, struct mg_dataset *ret,
                   struct mg_err *err)
{
    struct mg_dataset_filter filter = {
        .meter = d->meter, .transaction = d->transaction, .has_record = true};
    int rc;
    while ((rc = mg_datasets_next(e->others, &filter, ret, err)) == MG_OK &&
           ret->kind != kind) {
        filter.after_id = ret->id;
    }
    return rc;
}

/* A record that holds both ends stands for its transaction alone. One that
 * holds the end only is paired with the record of the begin. All others are
 * values by themselves: a third one of the same number would break the pair.
 * @param ret_context  NULL: none
 * @return MG_OK; MG_E_IO */
static int find_role(struct exporter *e, const struct mg_dataset *d,
                     bool *ret_has_number, const char **ret_context,
                     struct mg_err *err)
{
    bool is_final = d->kind == MG_DATASET_TRANSACTION;
    struct mg_dataset other;
    *ret_has_number = false;
    *ret_context = NULL;
    if (d->transaction[0] == '\0' ||
        (!is_final && d->kind != MG_DATASET_BEGIN)) {
        return MG_OK;
    }
    struct ends ends = ends_of(e, d);
    if (is_final && ends.has_begin) {
        *ret_has_number = true;
        return MG_OK;
    }
    int rc = find_of(e, d, is_final ? MG_DATASET_BEGIN : MG_DATASET_TRANSACTION,
                     &other, err);
    if (rc != MG_OK) {
        return rc == MG_E_NOTFOUND ? MG_OK : rc;
    }
    struct ends others = ends_of(e, &other);
    const struct ends *begin = is_final ? &others : &ends;
    const struct ends *end = is_final ? &ends : &others;
    if (begin->has_begin && !begin->has_end && end->has_end &&
        !end->has_begin) {
        *ret_has_number = true;
        *ret_context = is_final ? "Transaction.End" : "Transaction.Begin";
    }
    return MG_OK;
}

static int write_xml(struct exporter *e, const struct mg_dataset *d,
                     struct mg_err *err)
{
    bool has_number;
    const char *context;
    int rc = find_role(e, d, &has_number, &context, err);
    if (rc == MG_OK) {
        mg_safe_xml_value(e->file.out, has_number ? d->transaction : NULL,
                          context, d->record, d->record_len, d->key_hex);
    }
    return rc;
}

/* ---- Lines ---- */

static int write_jsonl(struct exporter *e, const struct mg_dataset *d,
                       struct mg_err *err)
{
    datasets_json_row(&e->json, d, true);
    return datasets_json_line(&e->json, e->file.out, err);
}

/* OCPP's ReadingContext. */
static const char *context_of(enum mg_dataset_kind kind)
{
    switch (kind) {
    case MG_DATASET_TRANSACTION:
    case MG_DATASET_REISSUE:
    case MG_DATASET_UNKNOWN:
        return "Transaction.End";
    case MG_DATASET_BEGIN:
        return "Transaction.Begin";
    case MG_DATASET_SUSPEND:
        return "Interruption.Begin";
    case MG_DATASET_RESUME:
        return "Interruption.End";
    case MG_DATASET_FISCAL:
        return "Sample.Clock";
    default:
        return "Sample.Periodic";
    }
}

static int write_ocpp(struct exporter *e, const struct mg_dataset *d,
                      struct mg_err *err)
{
    datasets_json_row(&e->json, d, false);
    mg_json_key(&e->json.j, "ocpp");
    mg_json_open(&e->json.j, '{');
    mg_ocpp_members(&e->json.j, d->record, d->record_len, d->key_hex,
                    context_of(d->kind), e->options->is_plain);
    mg_json_close(&e->json.j, '}');
    return datasets_json_line(&e->json, e->file.out, err);
}

/* ---- All ---- */

static int write_all(struct exporter *e, struct mg_datasets *datasets,
                     struct mg_err *err)
{
    const char *format = e->options->format;
    bool is_xml = strcmp(format, "xml") == 0;
    int (*write)(struct exporter * e, const struct mg_dataset *d,
                 struct mg_err *err) = is_xml ? write_xml
                                       : strcmp(format, "jsonl") == 0
                                           ? write_jsonl
                                           : write_ocpp;
    struct mg_dataset_filter filter = e->options->filter;
    struct datasets_progress progress = {.what = "datasets"};
    struct mg_dataset d;
    filter.has_record = true;
    if (is_xml) {
        mg_safe_xml_begin(e->file.out);
    }
    int rc = MG_OK;
    while (rc == MG_OK && ferror(e->file.out) == 0 &&
           (rc = mg_datasets_next(datasets, &filter, &d, err)) == MG_OK) {
        filter.after_id = d.id;
        rc = write(e, &d, err);
        datasets_progress_add(&progress);
    }
    if (is_xml) {
        mg_safe_xml_end(e->file.out);
    }
    datasets_progress_end(&progress);
    if (e->file.part[0] != '\0' && rc == MG_E_NOTFOUND) {
        (void)fprintf(stderr, "%llu datasets\n",
                      (unsigned long long)progress.n);
    }
    return rc == MG_E_NOTFOUND ? MG_OK : rc;
}

int datasets_export(struct mg_datasets *datasets,
                    const struct datasets_options *options)
{
    struct exporter e = {.options = options};
    struct mg_err err = {0};
    int rc = MG_OK;
    e.others = mg_datasets_open(options->path, &err);
    e.ocmf = malloc(sizeof *e.ocmf);
    if (e.others == NULL) {
        rc = err.code;
    } else if (e.ocmf == NULL || !datasets_json_init(&e.json)) {
        rc = mg_err_set(&err, MG_E_NOMEM, "out of memory");
    }
    if (rc == MG_OK) {
        rc = outfile_open(&e.file, options->out, &err);
    }
    if (rc == MG_OK) {
        rc = write_all(&e, datasets, &err);
        rc = outfile_close(&e.file, rc, &err);
    }
    datasets_json_fini(&e.json);
    free(e.ocmf);
    mg_datasets_close(e.others);
    return rc == MG_OK ? 0 : app_fail(&err);
}
