/* metergate datasets list and show. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/app.h"
#include "cli/datasets.h"

/* ---- list ---- */

static void print_head(void)
{
    (void)printf("%6s  %-16s %-12s %8s  %-19s  %-19s %10s  %-13s %-36s %s\n",
                 "id", "meter", "kind", "page", "begin (UTC)", "end (UTC)",
                 "kWh", "verification", "transaction", "billable");
}

/* At least so wide. */
static void print_cell(const char *text, size_t width)
{
    size_t len = strlen(text);
    datasets_print_text(stdout, text, len);
    (void)printf("%*s", len < width ? (int)(width - len) : 0, "");
}

static void print_row(const struct mg_dataset *d)
{
    char begin[24], end[24], energy[32], pagination[24];
    datasets_time_text(d->begun_ms, begin);
    datasets_time_text(d->ended_ms, end);
    datasets_energy_text(d->begin_mwh, d->end_mwh, energy);
    datasets_pagination_text(d, pagination);
    const char *verdict = d->verdict[0] == '\0' ? "-" : d->verdict;
    (void)printf("%6" PRId64 "  ", d->id);
    print_cell(d->meter, 16);
    (void)printf(" %-12s %8s  %-19s  %-19s %10s  ",
                 mg_dataset_kind_text(d->kind), pagination, begin, end, energy);
    print_cell(verdict, 13);
    (void)fputc(' ', stdout);
    print_cell(d->transaction[0] == '\0' ? "-" : d->transaction, 36);
    (void)fputc(' ', stdout);
    const char *billable = datasets_billable_text(d);
    datasets_print_text(stdout, billable, strlen(billable));
    if (d->mark[0] != '\0') {
        (void)printf(" [");
        datasets_print_text(stdout, d->mark, strlen(d->mark));
        (void)printf("]");
    }
    (void)printf("\n");
}

int datasets_list(struct mg_datasets *datasets,
                  const struct datasets_options *options)
{
    struct mg_dataset_filter filter = options->filter;
    struct datasets_json json = {0};
    struct mg_dataset d;
    struct mg_err err = {0};
    if (options->is_json && !datasets_json_init(&json)) {
        (void)mg_err_set(&err, MG_E_NOMEM, "out of memory");
        return app_fail(&err);
    }
    if (!options->is_json) {
        print_head();
    }
    int rc = MG_OK;
    while (rc == MG_OK &&
           (rc = mg_datasets_next(datasets, &filter, &d, &err)) == MG_OK) {
        filter.after_id = d.id;
        if (options->is_json) {
            datasets_json_row(&json, &d, false);
            rc = datasets_json_line(&json, stdout, &err);
        } else {
            print_row(&d);
        }
    }
    datasets_json_fini(&json);
    return rc == MG_E_NOTFOUND ? 0 : app_fail(&err);
}

/* ---- show ---- */

static void print_field(const char *name, const char *text)
{
    if (text[0] != '\0') {
        (void)printf("%-16s", name);
        datasets_print_text(stdout, text, strlen(text));
        (void)printf("\n");
    }
}

static void print_reading(const char *name, int64_t mwh)
{
    char text[32];
    datasets_energy_text(0, mwh, text);
    if (mwh != INT64_MIN) {
        (void)printf("%-16s%s kWh\n", name, text);
    }
}

/* As it is, byte for byte, but not onto a terminal. */
static void print_bytes(const char *name, const char *bytes, size_t len)
{
    if (len == 0) {
        return;
    }
    (void)printf("%s (%zu bytes):\n", name, len);
    if (isatty(STDOUT_FILENO) == 1) {
        datasets_print_text(stdout, bytes, len);
    } else {
        (void)fwrite(bytes, 1, len, stdout); /* ferror tells later */
    }
    (void)printf("\n");
}

static void print_all(const struct mg_dataset *d)
{
    char begin[24], end[24], stored[24], energy[32], pagination[24];
    datasets_time_text(d->begun_ms, begin);
    datasets_time_text(d->ended_ms, end);
    datasets_time_text(d->stored_ms, stored);
    datasets_energy_text(d->begin_mwh, d->end_mwh, energy);
    datasets_pagination_text(d, pagination);
    (void)printf("%-16s%" PRId64 "\n", "dataset", d->id);
    print_field("meter", d->meter);
    print_field("model", d->model);
    print_field("serial", d->serial);
    print_field("transaction", d->transaction);
    print_field("kind", mg_dataset_kind_text(d->kind));
    print_field("pagination", pagination);
    print_field("begin (UTC)", begin);
    print_field("end (UTC)", end);
    print_field("stored (UTC)", stored);
    print_reading("begin reading", d->begin_mwh);
    print_reading("end reading", d->end_mwh);
    (void)printf("%-16s%s%s\n", "energy", energy,
                 energy[0] == '-' && energy[1] == '\0' ? "" : " kWh");
    print_field("verification", d->verdict);
    print_field("billable", datasets_billable_text(d));
    print_field("marks", d->mark);
    print_field("public key", d->key_hex);
    print_field("fingerprint", d->fingerprint);
    datasets_print_summary(stdout, d);
    print_bytes("record", d->record, d->record_len);
    print_bytes("as the meter gave it", d->original, d->original_len);
}

static int show_row(const struct mg_dataset *d, bool is_json, bool is_first,
                    struct mg_err *err)
{
    if (!is_json) {
        if (!is_first) {
            (void)printf("\n");
        }
        print_all(d);
        return MG_OK;
    }
    struct datasets_json json;
    if (!datasets_json_init(&json)) {
        return mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    datasets_json_row(&json, d, true);
    int rc = datasets_json_line(&json, stdout, err);
    datasets_json_fini(&json);
    return rc;
}

static int show_transaction(struct mg_datasets *datasets,
                            const struct datasets_options *options)
{
    struct mg_dataset_filter filter = {.transaction = options->what};
    struct mg_dataset d;
    struct mg_err err = {0};
    bool is_first = true;
    int rc;
    while ((rc = mg_datasets_next(datasets, &filter, &d, &err)) == MG_OK) {
        filter.after_id = d.id;
        rc = show_row(&d, options->is_json, is_first, &err);
        if (rc != MG_OK) {
            break;
        }
        is_first = false;
    }
    if (rc == MG_E_NOTFOUND && is_first) {
        (void)mg_err_set(&err, MG_E_NOTFOUND,
                         "there is no dataset and no transaction '%s'",
                         options->what);
        return app_fail(&err);
    }
    return rc == MG_E_NOTFOUND ? 0 : app_fail(&err);
}

int datasets_show(struct mg_datasets *datasets,
                  const struct datasets_options *options)
{
    char *end;
    long long id = strtoll(options->what, &end, 10);
    struct mg_dataset d;
    struct mg_err err = {0};
    int rc = MG_E_NOTFOUND;
    if (*end == '\0' && id > 0) {
        rc = mg_datasets_get(datasets, id, &d, &err);
    }
    if (rc == MG_OK) {
        rc = show_row(&d, options->is_json, true, &err);
        return rc == MG_OK ? 0 : app_fail(&err);
    }
    return rc == MG_E_NOTFOUND ? show_transaction(datasets, options)
                               : app_fail(&err);
}
