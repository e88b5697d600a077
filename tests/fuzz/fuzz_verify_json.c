/* JSON from anywhere, searched for signed records: whatever it is, one job at
 * least comes of it, with a record or with the reason, and none leaks. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cli/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int take(void *ctx, struct verify_job *job)
{
    size_t *n = ctx;
    assert(job->n_values == 1);
    const struct verify_value *v = &job->values[0];
    assert(v->source != NULL && strcmp(v->source, "here") == 0);
    assert((v->record == NULL) == (v->problem != NULL));
    assert(v->record == NULL || v->record[v->record_len] == '\0');
    ++*n;
    verify_job_free(job);
    return MG_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = 0;
    bool is_open = false;
    const struct verify_sink sink = {.emit = take, .ctx = &n};
    /* The reader gives JSON only, and a NUL behind it. */
    if (size == 0 || strchr("{[\"", data[0]) == NULL || data[0] == '\0') {
        return 0;
    }
    char *text = malloc(size + 1);
    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    assert(verify_input_json(text, size, "here", &sink, NULL) == MG_OK);
    assert(n > 0);
    n = 0;
    assert(verify_input_json(text, size, "here", &sink, &is_open) == MG_OK);
    assert(n > 0 || is_open);
    free(text);
    return 0;
}
