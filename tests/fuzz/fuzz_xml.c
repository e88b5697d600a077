/* The reader of SAFE containers. What it gives is written again and must come
 * back the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/safe_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct values {
    FILE *out;
    size_t n, n_bytes;
    uint64_t sum; /* of all records, in order */
};

static int take(void *ctx, const struct mg_safe_value *v)
{
    struct values *all = ctx;
    if ((v->record == NULL) != (v->problem != NULL)) {
        abort();
    }
    if (v->record == NULL) {
        return MG_OK;
    }
    all->n++;
    all->n_bytes += v->record_len;
    for (size_t i = 0; i < v->record_len; i++) {
        all->sum = all->sum * 31 + (uint8_t)v->record[i];
    }
    if (all->out != NULL) {
        mg_safe_xml_value(all->out, v->transaction, v->context, v->record,
                          v->record_len, v->key);
    }
    return MG_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = NULL;
    size_t len = 0;
    struct mg_err err;
    struct values first = {.out = open_memstream(&text, &len)};
    struct values second = {0};
    if (first.out == NULL) {
        return 0;
    }
    mg_safe_xml_begin(first.out);
    int rc = mg_safe_xml_read((const char *)data, size, take, &first, &err);
    mg_safe_xml_end(first.out);
    if (fclose(first.out) != 0) {
        abort();
    }
    if (rc == MG_OK &&
        (mg_safe_xml_read(text, len, take, &second, &err) != MG_OK ||
         second.n != first.n || second.n_bytes != first.n_bytes ||
         second.sum != first.sum)) {
        abort();
    }
    free(text);
    return 0;
}
