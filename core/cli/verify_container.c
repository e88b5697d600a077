/* SAFE containers: values of one transaction are looked at together. */
#include <stdlib.h>
#include <string.h>

#include "cli/verify.h"
#include "record/safe_xml.h"

struct values {
    const char *source;
    struct verify_value *all; /* owned */
    size_t n, cap;
};

static int grow(struct values *v)
{
    if (v->n < v->cap) {
        return MG_OK;
    }
    size_t cap = v->cap == 0 ? 64 : 2 * v->cap;
    struct verify_value *all = realloc(v->all, cap * sizeof *all);
    if (all == NULL) {
        return MG_E_NOMEM;
    }
    v->all = all;
    v->cap = cap;
    return MG_OK;
}

static int keep(void *ctx, const struct mg_safe_value *found)
{
    struct values *v = ctx;
    char source[4200];
    (void)snprintf(source, sizeof source, "%s:%u", v->source, found->line);
    const struct verify_found borrowed = {.source = source,
                                          .transaction = found->transaction,
                                          .context = found->context,
                                          .record = found->record,
                                          .record_len = found->record_len,
                                          .key = found->key,
                                          .problem = found->problem};
    int rc = grow(v);
    if (rc == MG_OK) {
        rc = verify_value_copy(&v->all[v->n], &borrowed);
    }
    v->n += rc == MG_OK;
    return rc;
}

static const char *transaction_of(const struct verify_value *v)
{
    return v->transaction == NULL ? "" : v->transaction;
}

struct row {
    const char *transaction; /* borrowed from the value */
    size_t index;
};

static int compare_rows(const void *a, const void *b)
{
    const struct row *x = a;
    const struct row *y = b;
    int order = strcmp(x->transaction, y->transaction);
    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

/* For each value how many there are of its transaction, and the next of them;
 * a value without transaction is alone. */
struct group {
    size_t size, next;
};

static struct group *group_values(const struct values *v)
{
    struct row *rows = calloc(v->n + 1, sizeof *rows);
    struct group *groups = calloc(v->n + 1, sizeof *groups);
    if (rows == NULL || groups == NULL) {
        free(groups);
        groups = NULL;
        goto out;
    }
    for (size_t i = 0; i < v->n; i++) {
        rows[i] = (struct row){transaction_of(&v->all[i]), i};
    }
    qsort(rows, v->n, sizeof *rows, compare_rows);
    for (size_t from = 0, to; from < v->n; from = to) {
        bool is_alone = rows[from].transaction[0] == '\0';
        for (to = from + 1;
             to < v->n && !is_alone &&
             strcmp(rows[to].transaction, rows[from].transaction) == 0;
             to++) {
        }
        for (size_t i = from; i < to; i++) {
            size_t next = i + 1 < to ? rows[i + 1].index : v->n;
            groups[rows[i].index] = (struct group){to - from, next};
        }
    }
out:
    free(rows);
    return groups;
}

/* Moves a value into the job. */
static void move(struct verify_job *job, struct verify_value *value)
{
    job->values[job->n_values++] = *value;
    *value = (struct verify_value){0};
}

static int emit_one(struct values *v, size_t i, const struct group *group,
                    const struct verify_sink *sink)
{
    struct verify_job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        return MG_E_NOMEM;
    }
    move(job, &v->all[i]);
    if (group->size == 2) {
        move(job, &v->all[group->next]);
    }
    job->is_crowded = group->size > 2;
    return sink->emit(sink->ctx, job);
}

static int emit_all(struct values *v, const struct verify_sink *sink)
{
    struct group *groups = group_values(v);
    int rc = groups == NULL ? MG_E_NOMEM : MG_OK;
    for (size_t i = 0; i < v->n && rc == MG_OK; i++) {
        if (v->all[i].source != NULL) { /* not moved with another */
            rc = emit_one(v, i, &groups[i], sink);
        }
    }
    free(groups);
    return rc;
}

int verify_input_container(const char *text, size_t len, const char *source,
                           const struct verify_sink *sink, struct mg_err *err)
{
    struct values v = {.source = source};
    int rc = mg_safe_xml_read(text, len, keep, &v, err);
    if (rc == MG_E_PROTO || rc == MG_E_NOSPC) {
        mg_err_prefix(err, "%s", source);
    }
    if (rc == MG_OK) {
        rc = emit_all(&v, sink);
    }
    if (rc == MG_E_NOMEM) {
        (void)mg_err_set(err, rc, "out of memory");
    }
    for (size_t i = 0; i < v.n; i++) {
        verify_value_free(&v.all[i]);
    }
    free(v.all);
    return rc;
}
