/* metergate verify explain: a record member by member. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/verify.h"
#include "cli/verify_fields.h"
#include "model/json_pull.h"

#define PATH_MAX_LEN 128

static void help(void)
{
    (void)printf("Usage: metergate verify explain [--json] FILE|RECORD|-\n\n"
                 "Print each member of a signed record with its meaning and "
                 "the part of the\nspecification (OCMF 1.4.1) that gives it. "
                 "Nothing is verified.\n\n"
                 "  --json   one JSON object a record\n"
                 "  --help   this text\n\n"
                 "Example: metergate verify explain record.ocmf\n");
}

struct explain {
    bool is_json;
    size_t n_good, n_bad;
    struct mg_ocmf *ocmf; /* owned */
    char *buf;            /* owned; VERIFY_JSON_MAX */
    struct mg_json json;
    /* While walking through a section. */
    enum field_scope section;
    unsigned depth;
    size_t reading;
    bool is_in_readings, is_in_cable, is_in_flags;
};

/* ---- A member ---- */

static enum field_scope scope_of(const struct explain *e)
{
    if (e->section == FIELD_PAYLOAD && e->depth > 1) {
        return e->is_in_readings ? FIELD_READING : FIELD_CABLE;
    }
    return e->section;
}

/* Within members of a vendor nothing is of the specification. */
static bool is_known_place(const struct explain *e)
{
    return e->depth == 1 || (e->is_in_readings && e->depth == 3) ||
           (e->is_in_cable && e->depth == 2);
}

static const char *meaning_of(const struct explain *e,
                              const struct mg_pull_item *item,
                              const struct field *field)
{
    if (field != NULL) {
        return field->meaning;
    }
    bool is_vendor =
        item->key != NULL && item->key[0] >= 'U' && item->key[0] <= 'Z';
    return is_vendor || e->depth > 1 ? "of the vendor"
                                     : "not of the specification";
}

static const char *clock_meaning(const char *time, size_t len)
{
    static const struct field_value CLOCKS[] = {
        {"U", "clock unsynchronised"},
        {"I", "clock informative"},
        {"S", "clock synchronised"},
        {"R", "clock relative: only durations are right"},
        {NULL, NULL}};
    const struct field clock = {.values = CLOCKS};
    return len == 0 ? NULL : field_value_meaning(&clock, time + len - 1, 1);
}

static const char *value_meaning(const struct field *field,
                                 const struct mg_pull_item *item)
{
    if (field == NULL) {
        return NULL;
    }
    if (strcmp(field->name, "TM") == 0) {
        return clock_meaning(item->value, item->value_len);
    }
    const char *meaning =
        field_value_meaning(field, item->value, item->value_len);
    return meaning == NULL && field->values != NULL ? "not in the table"
                                                    : meaning;
}

static void put_clean(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)text[i];
        bool is_c1 = c == 0xc2 && i + 1 < len && (uint8_t)text[i + 1] < 0xa0;
        (void)putchar(c < 0x20 || c == 0x7f || is_c1 ? '?' : text[i]);
        i += is_c1;
    }
}

static void print_member(const char *path, const struct mg_pull_item *item,
                         const char *meaning, const char *value_text,
                         const char *table)
{
    (void)printf("%-10s ", path);
    put_clean(item->value, item->value_len);
    (void)printf("\n           %s", meaning);
    if (value_text != NULL) {
        (void)printf(": %s", value_text);
    }
    if (table != NULL) {
        (void)printf(" [%s]", table);
    }
    (void)putchar('\n');
}

static void put_value(struct mg_json *j, const struct mg_pull_item *item)
{
    char text[4096];
    size_t len = 0;
    mg_json_key(j, "value");
    if (item->kind != MG_PULL_STRING) {
        mg_json_raw(j, item->value, item->value_len);
    } else if (mg_pull_unescape(item->value, item->value_len, text, sizeof text,
                                &len) == MG_OK) {
        mg_json_str(j, text, len);
    } else {
        mg_json_str(j, item->value, item->value_len);
    }
}

static void put_member(struct mg_json *j, const char *path,
                       const struct mg_pull_item *item, const char *meaning,
                       const char *value_text, const char *table)
{
    mg_json_open(j, '{');
    mg_json_member_str(j, "path", path);
    put_value(j, item);
    mg_json_member_str(j, "meaning", meaning);
    if (value_text != NULL) {
        mg_json_member_str(j, "value_meaning", value_text);
    }
    if (table != NULL) {
        mg_json_member_str(j, "table", table);
    }
    mg_json_close(j, '}');
}

static void path_of(const struct explain *e, const struct mg_pull_item *item,
                    char path[PATH_MAX_LEN])
{
    int len = item->key_len < 40 ? (int)item->key_len : 40;
    const char *key = item->key == NULL ? "" : item->key;
    if (e->is_in_readings && e->depth >= 3) {
        (void)snprintf(path, PATH_MAX_LEN, "RD[%zu].%.*s", e->reading, len,
                       key);
    } else if (e->is_in_cable) {
        (void)snprintf(path, PATH_MAX_LEN, "LC.%.*s", len, key);
    } else if (e->is_in_flags) {
        (void)snprintf(path, PATH_MAX_LEN, "IF");
    } else {
        (void)snprintf(path, PATH_MAX_LEN, "%.*s", len, key);
    }
}

static void explain_scalar(struct explain *e, const struct mg_pull_item *item)
{
    char path[PATH_MAX_LEN];
    const struct field *field = NULL;
    path_of(e, item, path);
    if (e->is_in_flags) {
        field = field_find(FIELD_PAYLOAD, "IF", 2);
    } else if (item->key != NULL && is_known_place(e)) {
        field = field_find(scope_of(e), item->key, item->key_len);
    }
    const char *meaning = meaning_of(e, item, field);
    const char *value_text = value_meaning(field, item);
    const char *table = field == NULL ? NULL : field->table;
    if (e->is_json) {
        put_member(&e->json, path, item, meaning, value_text, table);
    } else {
        print_member(path, item, meaning, value_text, table);
    }
}

/* ---- A section ---- */

static bool is_named(const struct mg_pull_item *item, const char *name)
{
    return item->key_len == strlen(name) &&
           memcmp(item->key, name, item->key_len) == 0;
}

static void enter(struct explain *e, const struct mg_pull_item *item)
{
    if (e->depth == 1 && e->section == FIELD_PAYLOAD) {
        e->is_in_readings = is_named(item, "RD");
        e->is_in_cable = is_named(item, "LC");
        e->is_in_flags = is_named(item, "IF");
        e->reading = 0;
    }
}

static void walk(struct explain *e, enum field_scope section,
                 struct mg_span text)
{
    struct mg_pull p = mg_pull_init(text.text, text.len);
    struct mg_pull_item item;
    e->section = section;
    do {
        e->depth = p.depth;
        if (!mg_pull_next(&p, &item)) {
            return; /* was parsed before */
        }
        if (item.kind == MG_PULL_OBJECT || item.kind == MG_PULL_ARRAY) {
            enter(e, &item);
        } else if (item.kind == MG_PULL_CLOSE) {
            e->reading += e->is_in_readings && e->depth == 3;
            bool is_back = p.depth == 1;
            e->is_in_readings = e->is_in_readings && !is_back;
            e->is_in_cable = e->is_in_cable && !is_back;
            e->is_in_flags = e->is_in_flags && !is_back;
        } else {
            explain_scalar(e, &item);
        }
    } while (p.depth > 0);
}

/* ---- A record ---- */

static void explain_record(struct explain *e, const struct verify_value *v)
{
    if (!e->is_json) {
        put_clean(v->source, strlen(v->source));
        (void)printf(": %zu readings, %zu bytes signed\n", e->ocmf->n_readings,
                     e->ocmf->payload.len);
        walk(e, FIELD_PAYLOAD, e->ocmf->payload);
        walk(e, FIELD_SIGNATURE, e->ocmf->signature);
        return;
    }
    e->json = mg_json_init(e->buf, VERIFY_JSON_MAX);
    mg_json_open(&e->json, '{');
    mg_json_member_str(&e->json, "source", v->source);
    mg_json_key(&e->json, "members");
    mg_json_open(&e->json, '[');
    walk(e, FIELD_PAYLOAD, e->ocmf->payload);
    walk(e, FIELD_SIGNATURE, e->ocmf->signature);
    mg_json_close(&e->json, ']');
    mg_json_close(&e->json, '}');
    if (e->json.failed) {
        (void)fprintf(stderr, "metergate verify: %s: too long to be printed\n",
                      v->source);
        e->n_bad++;
        return;
    }
    (void)printf("%.*s\n", (int)e->json.len, e->buf);
}

static int take_job(void *ctx, struct verify_job *job)
{
    struct explain *e = ctx;
    for (unsigned i = 0; i < job->n_values; i++) {
        const struct verify_value *v = &job->values[i];
        struct mg_err err = {0};
        const char *problem = v->problem;
        if (v->record == NULL) {
            problem = problem == NULL ? "there is no record" : problem;
        } else if (mg_ocmf_parse(v->record, v->record_len, e->ocmf, &err) !=
                   MG_OK) {
            problem = err.text;
        }
        if (problem != NULL) {
            (void)fprintf(stderr, "metergate verify: %s: %s\n", v->source,
                          problem);
            e->n_bad++;
        } else {
            explain_record(e, v);
            e->n_good++;
        }
    }
    verify_job_free(job);
    return MG_OK;
}

static void no_idle(void *ctx)
{
    (void)ctx;
}

static void no_progress(void *ctx, size_t n)
{
    (void)ctx;
    (void)n;
}

static int explain(struct explain *e, const char *argument)
{
    struct mg_err err = {0};
    const struct verify_sink sink = {
        .emit = take_job, .idle = no_idle, .progress = no_progress, .ctx = e};
    int rc =
        strncmp(argument, "OCMF|", 5) == 0
            ? verify_input_text(argument, strlen(argument), "argument", &sink)
            : verify_input_read(argument, &sink, &err);
    if (rc != MG_OK) {
        (void)fprintf(stderr, "metergate verify: %s\n",
                      err.text[0] != '\0' ? err.text : mg_code_text(rc));
    }
    return rc == MG_OK && e->n_good > 0 && e->n_bad == 0 ? 0 : 1;
}

int verify_explain(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct explain e = {0};
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'h') {
            help();
            return 0;
        }
        if (c != 'j') {
            return EXIT_USAGE;
        }
        e.is_json = true;
    }
    if (optind + 1 != argc) {
        return cli_usage("verify", "explain: one file or record is needed");
    }
    int exit_code = 1;
    e.ocmf = malloc(sizeof *e.ocmf);
    e.buf = malloc(VERIFY_JSON_MAX);
    if (e.ocmf != NULL && e.buf != NULL) {
        exit_code = explain(&e, argv[optind]);
    }
    free(e.buf);
    free(e.ocmf);
    return exit_code;
}
