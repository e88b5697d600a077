/* Values and jobs: their memory, and what stands around a record. */
#include <stdlib.h>
#include <string.h>

#include "cli/verify.h"
#include "crypto/encode.h"

void verify_value_free(struct verify_value *value)
{
    free(value->source);
    free(value->id);
    free(value->transaction);
    free(value->context);
    free(value->record);
    free(value->key);
    free(value->problem);
    *value = (struct verify_value){0};
}

void verify_job_free(struct verify_job *job)
{
    if (job == NULL) {
        return;
    }
    for (unsigned i = 0; i < job->n_values; i++) {
        verify_value_free(&job->values[i]);
    }
    free(job);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool copy_text(char **ret, const char *text)
{
    *ret = text == NULL ? NULL : strdup(text);
    return text == NULL || *ret != NULL;
}

/* "OCMF|" in base64 begins so, whatever follows. */
static bool is_base64(const char *text, size_t len)
{
    static const char HEAD[] = "T0NNRn";
    return len > sizeof HEAD && memcmp(text, HEAD, sizeof HEAD - 1) == 0;
}

static void undo_base64(struct verify_value *v)
{
    char *bytes = malloc(v->record_len + 1);
    size_t len = 0;
    if (bytes == NULL) {
        return; /* it stays what it is: no record */
    }
    if (mg_base64_read(v->record, v->record_len, (uint8_t *)bytes,
                       v->record_len, &len) != MG_OK) {
        free(bytes);
        return;
    }
    bytes[len] = '\0';
    free(v->record);
    v->record = bytes;
    v->record_len = len;
}

void verify_value_settle(struct verify_value *v)
{
    char *text = v->record;
    size_t len = v->record_len;
    size_t skip = 0;
    if (text == NULL) {
        return;
    }
    while (len > 0 && is_space(text[len - 1])) {
        len--;
    }
    while (skip < len && is_space(text[skip])) {
        skip++;
    }
    if (skip > 0) {
        memmove(text, text + skip, len - skip);
    }
    v->record_len = len - skip;
    text[v->record_len] = '\0';
    if (is_base64(text, v->record_len)) {
        undo_base64(v);
    }
}

static bool copy_record(struct verify_value *v, const char *text, size_t len)
{
    if (text == NULL) {
        return true;
    }
    v->record = malloc(len + 1);
    if (v->record == NULL) {
        return false;
    }
    memcpy(v->record, text, len);
    v->record_len = len;
    v->record[len] = '\0';
    verify_value_settle(v);
    return true;
}

int verify_value_copy(struct verify_value *ret,
                      const struct verify_found *found)
{
    struct verify_value v = {0};
    bool is_done = copy_text(&v.source, found->source) &&
                   copy_text(&v.id, found->id) &&
                   copy_text(&v.transaction, found->transaction) &&
                   copy_text(&v.context, found->context) &&
                   copy_text(&v.key, found->key) &&
                   copy_text(&v.problem, found->problem) &&
                   copy_record(&v, found->record, found->record_len);
    if (!is_done) {
        verify_value_free(&v);
        return MG_E_NOMEM;
    }
    *ret = v;
    return MG_OK;
}

int verify_emit_owned(const struct verify_sink *sink,
                      struct verify_value *value)
{
    struct verify_job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        verify_value_free(value);
        return MG_E_NOMEM;
    }
    job->values[0] = *value;
    job->n_values = 1;
    *value = (struct verify_value){0};
    return sink->emit(sink->ctx, job);
}

int verify_emit_value(const struct verify_sink *sink,
                      const struct verify_found *found)
{
    struct verify_value v;
    int rc = verify_value_copy(&v, found);
    return rc == MG_OK ? verify_emit_owned(sink, &v) : rc;
}

int verify_input_text(const char *text, size_t len, const char *source,
                      const struct verify_sink *sink)
{
    const struct verify_found found = {
        .source = source, .record = text, .record_len = len};
    return verify_emit_value(sink, &found);
}
