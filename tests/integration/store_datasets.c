/* Puts datasets into a store, for the tests of the commands that read it.
 *
 * store_datasets PATH < lines: one flat JSON object a line with the members of
 * struct mg_dataset; what is left out is not known. Prints "stored N" for each
 * when it is on the disk; holds the store, as a gateway does, until its input
 * ends. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/json.h"
#include "store/dataset.h"

#define LINE_MAX_BYTES 262144
#define MEMBERS_MAX    32

struct writer {
    uv_loop_t loop;
    struct mg_store *store;
    uint64_t durable;
};

static void heard_durable(void *ctx, uint64_t ticket)
{
    struct writer *w = ctx;
    w->durable = ticket;
}

static void give_up(const char *what)
{
    (void)fprintf(stderr, "store_datasets: %s\n", what);
    exit(1);
}

/* @return whether the member has this name */
static bool take_text(const struct mg_json_member *m, const char *name,
                      char *ret, size_t cap)
{
    size_t len;
    if (strlen(name) != m->key_len || memcmp(m->key, name, m->key_len) != 0) {
        return false;
    }
    if (mg_json_string(m, ret, cap, &len) != MG_OK) {
        give_up(name);
    }
    return true;
}

static bool take_number(const struct mg_json_member *m, const char *name,
                        int64_t *ret)
{
    if (strlen(name) != m->key_len || memcmp(m->key, name, m->key_len) != 0) {
        return false;
    }
    if (mg_json_int64(m, ret) != MG_OK) {
        give_up(name);
    }
    return true;
}

static bool take_bytes(const struct mg_json_member *m, const char *name,
                       char **bytes, size_t *len)
{
    if (strlen(name) != m->key_len || memcmp(m->key, name, m->key_len) != 0) {
        return false;
    }
    *bytes = malloc(LINE_MAX_BYTES);
    if (*bytes == NULL ||
        mg_json_string(m, *bytes, LINE_MAX_BYTES, len) != MG_OK) {
        give_up(name);
    }
    return true;
}

static bool take_numbers(const struct mg_json_member *m, struct mg_dataset *d)
{
    int64_t number;
    if (take_number(m, "kind", &number)) {
        d->kind = (enum mg_dataset_kind)number;
    } else if (take_number(m, "state", &number)) {
        d->state = (enum mg_dataset_state)number;
    } else if (take_number(m, "pagination", &number)) {
        d->pagination = (uint64_t)number;
    } else if (take_number(m, "billable", &number)) {
        d->is_billable = number != 0;
    } else {
        return take_number(m, "begun_ms", &d->begun_ms) ||
               take_number(m, "ended_ms", &d->ended_ms) ||
               take_number(m, "stored_ms", &d->stored_ms) ||
               take_number(m, "begin_mwh", &d->begin_mwh) ||
               take_number(m, "end_mwh", &d->end_mwh);
    }
    return true;
}

static void take_member(const struct mg_json_member *m, struct mg_dataset *d)
{
    char context[2];
    if (take_text(m, "context", context, sizeof context)) {
        d->context = context[0];
    } else if (!take_numbers(m, d) &&
               !take_text(m, "meter", d->meter, sizeof d->meter) &&
               !take_text(m, "model", d->model, sizeof d->model) &&
               !take_text(m, "serial", d->serial, sizeof d->serial) &&
               !take_text(m, "transaction", d->transaction,
                          sizeof d->transaction) &&
               !take_text(m, "key_hex", d->key_hex, sizeof d->key_hex) &&
               !take_text(m, "fingerprint", d->fingerprint,
                          sizeof d->fingerprint) &&
               !take_text(m, "verdict", d->verdict, sizeof d->verdict) &&
               !take_text(m, "why", d->why, sizeof d->why) &&
               !take_text(m, "mark", d->mark, sizeof d->mark) &&
               !take_bytes(m, "record", &d->record, &d->record_len) &&
               !take_bytes(m, "original", &d->original, &d->original_len)) {
        give_up("a member that is not known");
    }
}

static void store_line(struct writer *w, const char *line, size_t len)
{
    struct mg_json_member members[MEMBERS_MAX];
    struct mg_dataset d = {.begin_mwh = INT64_MIN, .end_mwh = INT64_MIN};
    size_t n, error;
    uint64_t ticket = 0;
    if (mg_json_parse_flat(line, len, members, MEMBERS_MAX, &n, &error) !=
        MG_OK) {
        give_up("no JSON");
    }
    for (size_t i = 0; i < n; i++) {
        take_member(&members[i], &d);
    }
    if (mg_store_add_dataset(w->store, &d, &ticket) != MG_OK) {
        give_up("the store refuses it");
    }
    free(d.record);
    free(d.original);
    while (w->durable < ticket) {
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    }
}

int main(int argc, char **argv)
{
    static char line[LINE_MAX_BYTES];
    static struct writer w;
    static const struct mg_store_events events = {.durable = heard_durable};
    struct mg_store_settings settings = {.path = argv[1], .commit_ms = 1};
    struct mg_err err;
    unsigned n = 0;
    if (argc != 2 || uv_loop_init(&w.loop) != 0) {
        give_up("the path of a store is needed");
    }
    w.store = mg_store_open(&w.loop, &settings, &events, &w, &err);
    if (w.store == NULL) {
        give_up(err.text);
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        store_line(&w, line, strlen(line) - 1);
        (void)printf("stored %u\n", ++n);
        (void)fflush(stdout);
    }
    mg_store_close(w.store);
    (void)uv_run(&w.loop, UV_RUN_DEFAULT);
    return uv_loop_close(&w.loop) == 0 ? 0 : 1;
}
