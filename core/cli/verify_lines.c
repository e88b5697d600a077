/* Records in JSON: our own topics and exports, OCPP's SignedMeterValue and
 * SampledValue, test vectors, Chargy's PTB container. */
#include <stdlib.h>
#include <string.h>

#include "cli/verify.h"
#include "model/json_pull.h"

#define FOUND_MAX 256 /* records in one object */

struct span {
    const char *text;
    size_t len;
};

/* What an object has of a record. */
struct found {
    struct span record, key, transaction, id, context;
};

struct search {
    const char *source;
    const struct verify_sink *sink;
    struct found frames[MG_PULL_DEPTH_MAX + 1]; /* of the open objects */
    struct found found[FOUND_MAX];
    size_t n;
    struct span wrapped; /* a text that is JSON itself */
    size_t n_given;
    bool is_cut;  /* the text ended within the JSON */
    bool is_full; /* there are more records than in found */
};

static bool is_one_of(const struct mg_pull_item *item, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (item->key_len == strlen(*names) &&
            memcmp(item->key, *names, item->key_len) == 0) {
            return true;
        }
    }
    return false;
}

static void put(struct span *to, const struct mg_pull_item *item)
{
    if (to->text == NULL) {
        *to = (struct span){item->value, item->value_len};
    }
}

static void keep_wrapped(struct search *s, const struct mg_pull_item *item)
{
    if (item->value_len > 1 && item->value[0] == '{' &&
        s->wrapped.text == NULL) {
        s->wrapped = (struct span){item->value, item->value_len};
    }
}

static void keep(struct search *s, const struct found *f)
{
    s->is_full = s->n == FOUND_MAX;
    if (!s->is_full) {
        s->found[s->n++] = *f;
    }
}

/* Chargy's PTB container has two records in one object. */
static void keep_half(struct search *s, const struct mg_pull_item *item)
{
    keep(s, &(struct found){.record = {item->value, item->value_len}});
}

static void take_member(struct search *s, struct found *f,
                        const struct mg_pull_item *item)
{
    static const char *const RECORDS[] = {
        "ocmf", "record", "signedData", "signedMeterData", "signed_meter_data",
        NULL};
    static const char *const HALVES[] = {"ocmfBegin", "ocmfEnd", NULL};
    static const char *const KEYS[] = {"publicKey", "public_key", "key", NULL};
    static const char *const TRANSACTIONS[] = {"transactionId", "transaction",
                                               "transaction_id", NULL};
    static const char *const IDS[] = {"id", NULL};
    static const char *const CONTEXTS[] = {"context", NULL};
    static const char *const WRAPPED[] = {"value", NULL};
    bool is_text = item->kind == MG_PULL_STRING;
    if (is_text && is_one_of(item, RECORDS)) {
        put(&f->record, item);
    } else if (is_text && is_one_of(item, HALVES)) {
        keep_half(s, item);
    } else if (is_text && is_one_of(item, KEYS)) {
        put(&f->key, item);
    } else if ((is_text || item->kind == MG_PULL_NUMBER) &&
               is_one_of(item, TRANSACTIONS)) {
        put(&f->transaction, item);
    } else if (is_text && is_one_of(item, IDS)) {
        put(&f->id, item);
    } else if (is_text && is_one_of(item, CONTEXTS)) {
        put(&f->context, item);
    } else if (is_text && is_one_of(item, WRAPPED)) {
        keep_wrapped(s, item);
    }
}

/* @return owned and NUL-terminated; NULL: absent, or out of memory */
static char *text_of(struct span span, size_t *ret_len)
{
    char *text = span.text == NULL ? NULL : malloc(span.len + 1);
    *ret_len = 0;
    if (text != NULL && mg_pull_unescape(span.text, span.len, text,
                                         span.len + 1, ret_len) != MG_OK) {
        text[0] = '\0'; /* half a surrogate pair: no key, no record */
    }
    return text;
}

static int give(struct search *s, const struct found *f)
{
    size_t unused;
    struct verify_value v = {.source = strdup(s->source)};
    v.record = text_of(f->record, &v.record_len);
    v.key = text_of(f->key, &unused);
    v.transaction = text_of(f->transaction, &unused);
    v.id = text_of(f->id, &unused);
    v.context = text_of(f->context, &unused);
    if (v.source == NULL) {
        verify_value_free(&v);
        return MG_E_NOMEM;
    }
    verify_value_settle(&v);
    s->n_given++;
    return verify_emit_owned(s->sink, &v);
}

static int give_problem(struct search *s, const char *problem)
{
    const struct verify_found found = {.source = s->source, .problem = problem};
    return verify_emit_value(s->sink, &found);
}

/* An outermost object has ended: its own record, or else those within it. A key
 * that stands outside is for all within. */
static int settle(struct search *s, const struct found *outer)
{
    int rc = MG_OK;
    if (outer->record.text != NULL) {
        s->found[0] = *outer;
        s->n = 1;
        s->is_full = false;
    }
    for (size_t i = 0; i < s->n && rc == MG_OK; i++) {
        struct found f = s->found[i];
        f.key = f.key.text == NULL ? outer->key : f.key;
        f.transaction =
            f.transaction.text == NULL ? outer->transaction : f.transaction;
        rc = give(s, &f);
    }
    s->n = 0;
    if (s->is_full && rc == MG_OK) {
        s->is_full = false;
        rc = give_problem(s, "more than 256 records in one object");
    }
    return rc;
}

static int close_object(struct search *s, unsigned depth, unsigned outermost)
{
    struct found *f = &s->frames[depth];
    if (depth <= outermost) {
        return settle(s, f);
    }
    if (f->record.text != NULL) {
        keep(s, f);
    }
    return MG_OK;
}

/* @return MG_E_PROTO: no JSON */
static int search(struct search *s, const char *text, size_t len)
{
    struct mg_pull p = mg_pull_init(text, len);
    struct mg_pull_item item;
    unsigned outermost = *text == '[' ? 2 : 1;
    do {
        unsigned depth = p.depth;
        bool was_object = (p.objects >> depth & 1) != 0;
        if (!mg_pull_next(&p, &item)) {
            s->is_cut = p.at == p.end;
            return MG_E_PROTO;
        }
        int rc = MG_OK;
        if (item.kind == MG_PULL_CLOSE) {
            rc = was_object ? close_object(s, depth, outermost) : MG_OK;
        } else if (item.kind == MG_PULL_OBJECT) {
            s->frames[p.depth] = (struct found){0};
        } else if (item.key != NULL) {
            take_member(s, &s->frames[depth], &item);
        } else if (item.kind == MG_PULL_STRING && depth < outermost) {
            struct found f = {.record = {item.value, item.value_len}};
            rc = give(s, &f);
        }
        if (rc != MG_OK) {
            return rc;
        }
    } while (p.depth > 0);
    mg_pull_space(&p);
    return p.at == p.end ? MG_OK : MG_E_PROTO;
}

static int search_wrapped(struct search *s)
{
    size_t len = 0;
    char *text = text_of(s->wrapped, &len);
    if (text == NULL) {
        return MG_E_NOMEM;
    }
    s->wrapped = (struct span){0};
    int rc = len == 0 ? MG_E_PROTO : search(s, text, len);
    free(text);
    return rc;
}

int verify_input_json(const char *text, size_t len, const char *source,
                      const struct verify_sink *sink, bool *ret_is_open)
{
    struct search *s = malloc(sizeof *s); /* large: not cleared */
    if (s == NULL) {
        return MG_E_NOMEM;
    }
    s->source = source;
    s->sink = sink;
    s->n = s->n_given = 0;
    memset(s->frames, 0, sizeof s->frames);
    s->wrapped = (struct span){0};
    s->is_cut = s->is_full = false;
    int rc = search(s, text, len);
    if (rc == MG_E_PROTO && s->is_cut && ret_is_open != NULL) {
        *ret_is_open = true;
        rc = MG_OK;
        goto out;
    }
    if (rc == MG_OK && s->n_given == 0 && s->wrapped.text != NULL) {
        rc = search_wrapped(s);
    }
    if (rc == MG_E_PROTO) {
        rc = give_problem(s, "this is no JSON");
    } else if (rc == MG_OK && s->n_given == 0) {
        rc = give_problem(s, "JSON without a record: no member ocmf, record, "
                             "signedData, signedMeterData");
    }
out:
    free(s);
    return rc;
}
