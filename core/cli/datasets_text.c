/* Texts and JSON of a row, shared by the verbs. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "cli/datasets.h"

/* A record of 64 KiB escaped twice within the OCPP 1.6 member, once within the
 * other, and the original; more is refused. */
#define JSON_MAX    ((size_t)4 * 1024 * 1024)
#define PROGRESS_NS 200000000ULL

/* ---- JSON ---- */

bool datasets_json_init(struct datasets_json *json)
{
    json->buf = malloc(JSON_MAX);
    return json->buf != NULL;
}

void datasets_json_fini(struct datasets_json *json)
{
    free(json->buf);
}

static void put_known(struct mg_json *j, const char *key, const char *text)
{
    if (text[0] != '\0') {
        mg_json_member_str(j, key, text);
    }
}

/* A time outside of what can be written is left out, not the whole row. */
static void put_time(struct mg_json *j, const char *key, int64_t utc_ms)
{
    char text[MG_TIME_TEXT];
    if (utc_ms != 0 && mg_time_format(utc_ms, text) == MG_OK) {
        mg_json_member_str(j, key, text);
    }
}

static void put_energy(struct mg_json *j, const char *key, int64_t mwh)
{
    if (mwh != INT64_MIN) {
        mg_json_key(j, key);
        mg_json_decimal(j, mwh, 3, 1);
    }
}

static void put_bytes(struct mg_json *j, const char *key, const char *bytes,
                      size_t len)
{
    if (len > 0) {
        mg_json_key(j, key);
        mg_json_str(j, bytes, len);
    }
}

static const char *state_text(enum mg_dataset_state state)
{
    static const char *const texts[] = {"open", "done", "void"};
    return texts[state];
}

static void put_verdict(struct mg_json *j, const struct mg_dataset *d)
{
    char pagination[24];
    if (d->record_len > 0) {
        datasets_pagination_text(d, pagination);
        mg_json_member_str(j, "pagination", pagination);
        mg_json_member_int(j, "arrival", d->arrival);
    }
    put_known(j, "verification", d->verdict);
    mg_json_member_bool(j, "billable", d->is_billable);
    put_known(j, "not_billable_because", d->why);
    put_known(j, "marks", d->mark);
    put_known(j, "publicKey", d->key_hex);
    put_known(j, "fingerprint", d->fingerprint);
}

void datasets_json_row(struct datasets_json *json, const struct mg_dataset *d,
                       bool with_record)
{
    json->j = mg_json_init(json->buf, JSON_MAX);
    struct mg_json *j = &json->j;
    int64_t used;
    mg_json_open(j, '{');
    mg_json_member_int(j, "id", d->id);
    mg_json_member_str(j, "meter", d->meter);
    put_known(j, "model", d->model);
    put_known(j, "serial", d->serial);
    put_known(j, "transaction", d->transaction);
    mg_json_member_str(j, "kind", mg_dataset_kind_text(d->kind));
    mg_json_member_str(j, "state", state_text(d->state));
    put_time(j, "begin", d->begun_ms);
    put_time(j, "end", d->ended_ms);
    put_energy(j, "begin_wh", d->begin_mwh);
    put_energy(j, "end_wh", d->end_mwh);
    if (d->begin_mwh != INT64_MIN && d->end_mwh != INT64_MIN &&
        !__builtin_sub_overflow(d->end_mwh, d->begin_mwh, &used)) {
        put_energy(j, "energy_wh", used);
    }
    put_verdict(j, d);
    put_time(j, "stored", d->stored_ms);
    if (with_record) {
        put_bytes(j, "ocmf", d->record, d->record_len);
        put_bytes(j, "original", d->original, d->original_len);
    }
}

int datasets_json_line(struct datasets_json *json, FILE *out,
                       struct mg_err *err)
{
    mg_json_close(&json->j, '}');
    if (json->j.failed) {
        return mg_err_set(err, MG_E_NOSPC, "a dataset is too long to print");
    }
    (void)fwrite(json->buf, 1, json->j.len, out); /* ferror tells later */
    (void)fputc('\n', out);
    return MG_OK;
}

/* ---- Texts ---- */

void datasets_energy_text(int64_t begin_mwh, int64_t end_mwh, char ret[32])
{
    int64_t used;
    if (begin_mwh == INT64_MIN || end_mwh == INT64_MIN ||
        __builtin_sub_overflow(end_mwh, begin_mwh, &used)) {
        (void)snprintf(ret, 32, "-");
        return;
    }
    struct mg_json j = mg_json_init(ret, 31);
    mg_json_decimal(&j, used, 6, 1);
    size_t point = j.len - 6;
    while (j.len > point + 3 && ret[j.len - 1] == '0') {
        j.len--; /* at least to the Wh, and all that there is */
    }
    ret[j.len] = '\0';
}

void datasets_time_text(int64_t utc_ms, char ret[24])
{
    char text[MG_TIME_TEXT];
    if (utc_ms == 0 || mg_time_format(utc_ms, text) != MG_OK) {
        (void)snprintf(ret, 24, "-");
        return;
    }
    (void)snprintf(ret, 24, "%.10s %.8s", text, text + 11);
}

void datasets_pagination_text(const struct mg_dataset *d, char ret[24])
{
    if (d->context == '\0') {
        (void)snprintf(ret, 24, "-");
    } else {
        (void)snprintf(ret, 24, "%c%" PRIu64, d->context, d->pagination);
    }
}

const char *datasets_billable_text(const struct mg_dataset *d)
{
    if (d->is_billable) {
        return "yes";
    }
    if (d->state == MG_DATASET_OPEN) {
        return "not yet: the session goes on";
    }
    return d->why[0] == '\0' ? "no" : d->why;
}

void datasets_print_text(FILE *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool is_control = (uint8_t)text[i] < 0x20 || text[i] == 0x7f;
        (void)fputc(is_control ? '?' : text[i], out);
    }
}

/* ---- Progress ---- */

void datasets_progress_add(struct datasets_progress *p)
{
    p->n++;
    uint64_t now_ns = uv_hrtime();
    if (p->last_ns == 0) {
        p->last_ns = now_ns;
        p->is_shown = isatty(STDERR_FILENO) == 1;
    }
    if (p->is_shown && now_ns - p->last_ns >= PROGRESS_NS) {
        p->last_ns = now_ns;
        (void)fprintf(stderr, "\r%" PRIu64 " %s", p->n, p->what);
    }
}

void datasets_progress_end(const struct datasets_progress *p)
{
    if (p->is_shown) {
        (void)fprintf(stderr, "\r\x1b[K");
    }
}
