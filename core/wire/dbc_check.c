/* The second pass: double names, references, multiplexors. */
#include "dbc_priv.h"

#include <stdlib.h>
#include <string.h>

/* Sorted, so that a file made to collide costs no more than another. */
struct key {
    uint32_t group;   /* index of the message, or one of these */
    const char *name; /* "" for identifiers */
    size_t name_len;
    size_t index;
};

#define GROUP_MESSAGES UINT32_MAX

static struct mg_dbc_message *message_at(const struct dbc_parse *p, size_t i)
{
    return (struct mg_dbc_message *)p->messages.items + i;
}

static const struct dbc_message_extra *extra_at(const struct dbc_parse *p,
                                                size_t i)
{
    return (const struct dbc_message_extra *)p->extras.items + i;
}

static struct mg_dbc_signal *signal_at(const struct dbc_parse *p, size_t i)
{
    return (struct mg_dbc_signal *)p->signals.items + i;
}

static struct dbc_pos signal_pos(const struct dbc_parse *p, size_t i)
{
    return ((const struct dbc_pos *)p->signals_at.items)[i];
}

static int compare_names(const void *a, const void *b)
{
    const struct key *left = a;
    const struct key *right = b;
    if (left->group != right->group) {
        return left->group < right->group ? -1 : 1;
    }
    size_t n =
        left->name_len < right->name_len ? left->name_len : right->name_len;
    int order = n == 0 ? 0 : memcmp(left->name, right->name, n);
    if (order != 0) {
        return order;
    }
    return (left->name_len > right->name_len) -
           (left->name_len < right->name_len);
}

/* In the order of the file where the names are the same. */
static int compare_keys(const void *a, const void *b)
{
    const struct key *left = a;
    const struct key *right = b;
    int order = compare_names(a, b);
    return order != 0
               ? order
               : (left->index > right->index) - (left->index < right->index);
}

static struct key *find_key(struct key *keys, size_t n, struct key wanted)
{
    return n == 0 ? NULL
                  : bsearch(&wanted, keys, n, sizeof *keys, compare_names);
}

static uint32_t file_id(const struct mg_dbc_message *message)
{
    return message->id | (message->is_extended ? DBC_EXTENDED : 0);
}

/* The names of all messages and, grouped by message, of all signals. */
static void list_names(const struct dbc_parse *p, struct key *names)
{
    size_t n = 0;
    for (size_t i = 0; i < p->messages.n; i++) {
        const struct mg_dbc_message *message = message_at(p, i);
        names[n++] = (struct key){GROUP_MESSAGES, message->name,
                                  strlen(message->name), i};
        for (size_t k = 0; k < message->n_signals; k++) {
            const char *name = message->signals[k].name;
            names[n++] = (struct key){(uint32_t)i, name, strlen(name),
                                      extra_at(p, i)->first + k};
        }
    }
    qsort(names, n, sizeof *names, compare_keys);
}

static void list_ids(const struct dbc_parse *p, struct key *ids)
{
    for (size_t i = 0; i < p->messages.n; i++) {
        ids[i] = (struct key){file_id(message_at(p, i)), "", 0, i};
    }
    if (p->messages.n != 0) {
        qsort(ids, p->messages.n, sizeof *ids, compare_keys);
    }
}

/* The second of two that are the same; NULL: none. */
static const struct key *find_double(const struct key *keys, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (compare_names(&keys[i - 1], &keys[i]) == 0) {
            return &keys[i];
        }
    }
    return NULL;
}

static void check_double_names(struct dbc_parse *p, const struct key *names,
                               size_t n)
{
    const struct key *again = find_double(names, n);
    if (again == NULL) {
        return;
    }
    size_t first = again[-1].index;
    if (again->group == GROUP_MESSAGES) {
        dbc_fault(&p->lex, extra_at(p, again->index)->name_at,
                  "a second message %s; the first is in line %u", again->name,
                  (unsigned)message_at(p, first)->line);
    } else {
        dbc_fault(&p->lex, signal_pos(p, again->index),
                  "a second signal %s in %s; the first is in line %u",
                  again->name, message_at(p, again->group)->name,
                  (unsigned)signal_at(p, first)->line);
    }
}

static void check_double_ids(struct dbc_parse *p, const struct key *ids)
{
    const struct key *again = find_double(ids, p->messages.n);
    if (again != NULL) {
        const struct mg_dbc_message *first = message_at(p, again[-1].index);
        dbc_fault(&p->lex, extra_at(p, again->index)->id_at,
                  "a second message with identifier %u; %s in line %u has it",
                  (unsigned)again->group, first->name, (unsigned)first->line);
    }
}

/* ---- References ---- */

static void set_type(struct dbc_parse *p, const struct dbc_ref *ref,
                     struct mg_dbc_signal *signal)
{
    struct dbc_pos at = ref->signal.at;
    if (ref->value == 0) {
        return;
    }
    if (signal->length != 32) {
        dbc_fault(&p->lex, at, "a float32 has 32 bits, %s (line %u) has %u",
                  signal->name, (unsigned)signal->line, signal->length);
    }
    if (signal->offset.mantissa != 0) {
        dbc_fault(&p->lex, at,
                  "%s (line %u) is a float32 with an offset; 0 would be right",
                  signal->name, (unsigned)signal->line);
    }
    if (signal->mux == MG_DBC_MULTIPLEXOR) {
        dbc_fault(&p->lex, at,
                  "the multiplexor %s (line %u) must be an integer",
                  signal->name, (unsigned)signal->line);
    }
    signal->type = MG_DBC_FLOAT32;
}

static void set_labels(struct dbc_parse *p, const struct dbc_ref *ref,
                       struct mg_dbc_signal *signal)
{
    if (signal->n_labels != 0) {
        dbc_fault(&p->lex, ref->signal.at,
                  "a second VAL_ for %s; one would be right", signal->name);
        return;
    }
    signal->labels = (const struct mg_dbc_label *)p->labels.items + ref->first;
    signal->n_labels = ref->n;
}

static void resolve_signal(struct dbc_parse *p, const struct dbc_ref *ref,
                           const struct mg_dbc_message *message,
                           const struct key *found)
{
    if (found == NULL) {
        dbc_fault(&p->lex, ref->signal.at,
                  "%s names a signal %.*s that %s (line %u) does not have",
                  ref->section, (int)ref->signal.len, ref->signal.text,
                  message->name, (unsigned)message->line);
        return;
    }
    struct mg_dbc_signal *signal = signal_at(p, found->index);
    if (ref->kind == DBC_REF_TYPE) {
        set_type(p, ref, signal);
    } else if (ref->kind == DBC_REF_LABELS) {
        set_labels(p, ref, signal);
    }
}

static void resolve(struct dbc_parse *p, const struct dbc_ref *ref,
                    struct key *ids, struct key *names, size_t n_names)
{
    const struct key *found = find_key(
        ids, p->messages.n, (struct key){.group = ref->id, .name = ""});
    if (found == NULL) {
        dbc_fault(&p->lex, ref->id_at,
                  "%s names message %u, which no BO_ defines", ref->section,
                  (unsigned)ref->id);
        return;
    }
    struct mg_dbc_message *message = message_at(p, found->index);
    if (ref->signal.kind == DBC_NAME) {
        struct key wanted = {.group = (uint32_t)found->index,
                             .name = ref->signal.text,
                             .name_len = ref->signal.len};
        resolve_signal(p, ref, message, find_key(names, n_names, wanted));
    } else if (ref->kind == DBC_REF_CYCLE) {
        message->cycle_ms = ref->value;
    }
}

/* ---- Multiplexors ---- */

static uint64_t largest(const struct mg_dbc_signal *signal)
{
    return UINT64_MAX >> (64 - signal->length);
}

static void find_multiplexor(struct dbc_parse *p, size_t i)
{
    struct mg_dbc_message *message = message_at(p, i);
    for (size_t k = 0; k < message->n_signals; k++) {
        const struct mg_dbc_signal *signal = &message->signals[k];
        if (signal->mux != MG_DBC_MULTIPLEXOR) {
            continue;
        }
        if (message->multiplexor != NULL) {
            dbc_fault(&p->lex, signal_pos(p, extra_at(p, i)->first + k),
                      "%s is a second multiplexor in %s; one (%s, line %u) "
                      "would be right",
                      signal->name, message->name, message->multiplexor->name,
                      (unsigned)message->multiplexor->line);
            return;
        }
        message->multiplexor = signal;
    }
}

static void check_multiplexed(struct dbc_parse *p, size_t i)
{
    const struct mg_dbc_message *message = message_at(p, i);
    const struct mg_dbc_signal *multiplexor = message->multiplexor;
    for (size_t k = 0; k < message->n_signals; k++) {
        const struct mg_dbc_signal *signal = &message->signals[k];
        struct dbc_pos at = signal_pos(p, extra_at(p, i)->first + k);
        if (signal->mux != MG_DBC_MULTIPLEXED) {
            continue;
        }
        if (multiplexor == NULL) {
            dbc_fault(&p->lex, at,
                      "%s is multiplexed, but %s has no multiplexor M",
                      signal->name, message->name);
        } else if (signal->mux_value > largest(multiplexor)) {
            dbc_fault(&p->lex, at, "%s is sent with m%u, but %s has %u bits",
                      signal->name, (unsigned)signal->mux_value,
                      multiplexor->name, multiplexor->length);
        }
    }
}

/* ---- All ---- */

static void set_signals(const struct dbc_parse *p)
{
    for (size_t i = 0; i < p->messages.n; i++) {
        struct mg_dbc_message *message = message_at(p, i);
        message->cycle_ms = p->default_cycle_ms;
        if (message->n_signals != 0) {
            message->signals = signal_at(p, extra_at(p, i)->first);
        }
    }
}

static void check_with(struct dbc_parse *p, struct key *ids, struct key *names)
{
    size_t n_names = p->messages.n + p->signals.n;
    list_ids(p, ids);
    list_names(p, names);
    check_double_ids(p, ids);
    check_double_names(p, names, n_names);
    const struct dbc_ref *refs = p->refs.items;
    for (size_t i = 0; i < p->refs.n && !p->lex.failed; i++) {
        resolve(p, &refs[i], ids, names, n_names);
    }
    for (size_t i = 0; i < p->messages.n && !p->lex.failed; i++) {
        find_multiplexor(p, i);
        check_multiplexed(p, i);
        dbc_check_layout(p, i);
    }
}

void dbc_check(struct dbc_parse *p)
{
    if (p->lex.failed || p->messages.n == 0) {
        return;
    }
    set_signals(p);
    size_t n_names = p->messages.n + p->signals.n;
    struct key *ids = calloc(p->messages.n, sizeof *ids);
    struct key *names = calloc(n_names, sizeof *names);
    if (ids == NULL || names == NULL) {
        dbc_out_of_memory(p);
    } else {
        check_with(p, ids, names);
    }
    free(names);
    free(ids);
}
