/* metergate log export: entries as they were signed. */
#include <inttypes.h>
#include <string.h>

#include "cli/app.h"
#include "cli/log.h"
#include "cli/outfile.h"

struct mg_log_link log_row_link(const struct mg_log_row *row)
{
    return (struct mg_log_link){.number = row->number,
                                .text = row->text,
                                .len = row->len,
                                .hash = row->hash,
                                .signature = row->signature,
                                .signature_len = row->signature_len,
                                .fingerprint = row->fingerprint};
}

struct mg_public_key *log_stored_key(struct mg_logs *logs,
                                     const char *fingerprint)
{
    char name[MG_STORE_KEY_MAX], hex[2 * MG_KEY_SPKI_MAX + 1];
    char found[MG_FINGERPRINT_HEX_MAX];
    struct mg_public_key *key = NULL;
    unsigned lenient;
    struct mg_err err; /* it is not known, for whatever reason */
    (void)snprintf(name, sizeof name, "log-key/%s", fingerprint);
    if (mg_logs_value(logs, name, hex, sizeof hex, &err) != MG_OK ||
        mg_public_key_parse(hex, strlen(hex), MG_N_CURVES, &key, &lenient,
                            &err) != MG_OK) {
        return NULL;
    }
    mg_public_key_fingerprint(key, found);
    if (strcmp(found, fingerprint) != 0) {
        mg_public_key_destroy(key);
        return NULL;
    }
    return key;
}

/* Of the key last looked at. */
struct algorithm {
    char fingerprint[MG_FINGERPRINT_HEX_MAX];
    const char *text;
};

static const char *algorithm_of(struct mg_logs *logs, struct algorithm *a,
                                const struct mg_log_row *row)
{
    if (row->signature_len == 0) {
        return "";
    }
    if (a->text == NULL || strcmp(a->fingerprint, row->fingerprint) != 0) {
        struct mg_public_key *key = log_stored_key(logs, row->fingerprint);
        a->text =
            key == NULL ? "" : mg_curve_algorithm(mg_public_key_curve(key));
        memcpy(a->fingerprint, row->fingerprint, sizeof a->fingerprint);
        mg_public_key_destroy(key);
    }
    return a->text;
}

static int write_all(struct mg_logs *logs, FILE *out, uint64_t *ret_n,
                     struct mg_err *err)
{
    struct algorithm algorithm = {.text = NULL};
    struct mg_log_row row = {0};
    int64_t number = 0;
    int rc = MG_OK;
    *ret_n = 0;
    while (ferror(out) == 0 &&
           (rc = mg_logs_next(logs, number, &row, err)) == MG_OK) {
        char buf[4 * MG_LOG_LINE_MAX];
        size_t len;
        struct mg_log_link link = log_row_link(&row);
        number = row.number;
        rc = mg_log_line_write(&link, algorithm_of(logs, &algorithm, &row), buf,
                               sizeof buf, &len);
        if (rc != MG_OK) {
            return mg_err_set(err, rc, "entry %" PRId64 ": %s", number,
                              mg_code_text(rc));
        }
        (void)fwrite(buf, 1, len, out); /* ferror tells */
        (void)fputc('\n', out);
        (*ret_n)++;
    }
    return rc == MG_E_NOTFOUND ? MG_OK : rc;
}

int log_export(struct mg_logs *logs, const struct log_options *o)
{
    struct outfile file;
    struct mg_err err;
    uint64_t n = 0;
    int rc = outfile_open(&file, o->out, &err);
    if (rc == MG_OK) {
        rc = write_all(logs, file.out, &n, &err);
        rc = outfile_close(&file, rc, &err);
    }
    if (rc == MG_OK && o->out != NULL) {
        (void)fprintf(stderr, "%" PRIu64 " entries\n", n);
    }
    return rc == MG_OK ? 0 : app_fail(&err);
}
