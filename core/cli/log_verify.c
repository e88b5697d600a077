/* metergate log verify: is nothing changed, missing or forged? */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/app.h"
#include "cli/cli.h"
#include "cli/datasets.h"
#include "cli/log.h"
#include "cli/verify.h"
#include "crypto/encode.h"

struct signer {
    char fingerprint[MG_FINGERPRINT_HEX_MAX];
    uint64_t n;
};

struct verifier {
    struct mg_log_chain chain;
    struct mg_logs *logs; /* borrowed; NULL: a file alone */
    struct mg_public_key *keys[MG_LOG_KEYS_MAX]; /* owned */
    size_t n_keys;
    bool is_vouched; /* the keys were given, not taken from the database */
    uint8_t expected[32];
    struct mg_log_books books; /* of the database; last_number 0: none */
    bool has_books_end;
    int64_t first_number, first_ms;
    struct signer signers[MG_LOG_KEYS_MAX];
    size_t n_signers;
    bool has_unknown_key; /* a signature could not be checked */
    struct datasets_progress progress;
};

/* ---- Keys ---- */

static int add_key(struct verifier *v, struct mg_public_key *key,
                   struct mg_err *err)
{
    if (v->n_keys >= MG_LOG_KEYS_MAX ||
        mg_log_chain_add_key(&v->chain, key) != MG_OK) {
        mg_public_key_destroy(key);
        return mg_err_set(err, MG_E_NOSPC, "too many keys");
    }
    (void)mg_public_key_prepare(key); /* only slower without */
    v->keys[v->n_keys++] = key;
    return MG_OK;
}

static int load_keys(struct verifier *v, const struct log_options *o,
                     struct mg_err *err)
{
    int rc = MG_OK;
    for (size_t i = 0; rc == MG_OK && i < o->n_keys; i++) {
        unsigned lenient;
        struct mg_public_key *key = NULL;
        char *text = verify_key_load(o->keys[i], err);
        rc = text == NULL ? err->code
                          : mg_public_key_parse(text, strlen(text), MG_N_CURVES,
                                                &key, &lenient, err);
        free(text);
        if (rc == MG_OK) {
            rc = add_key(v, key, err);
        }
    }
    v->is_vouched = o->n_keys > 0;
    return rc;
}

/* Without --key all must be signed by the key of the first. */
static int find_key(struct verifier *v, const struct mg_log_link *link,
                    struct mg_err *err)
{
    if (v->is_vouched || v->n_keys > 0 || link->signature_len == 0) {
        return MG_OK;
    }
    struct mg_public_key *key =
        v->logs == NULL ? NULL : log_stored_key(v->logs, link->fingerprint);
    if (key == NULL) {
        v->has_unknown_key = true;
        return MG_OK;
    }
    return add_key(v, key, err);
}

static void count_signer(struct verifier *v, const struct mg_log_link *link)
{
    size_t i = 0;
    if (link->signature_len == 0) {
        return;
    }
    while (i < v->n_signers &&
           strcmp(v->signers[i].fingerprint, link->fingerprint) != 0) {
        i++;
    }
    if (i == MG_LOG_KEYS_MAX) {
        return; /* more keys than are accepted: the chain is broken anyway */
    }
    if (i == v->n_signers) {
        (void)snprintf(v->signers[i].fingerprint,
                       sizeof v->signers[i].fingerprint, "%s",
                       link->fingerprint);
        v->n_signers++;
    }
    v->signers[i].n++;
}

/* ---- Feeding ---- */

static void fault(struct verifier *v, int64_t number, enum mg_log_fault what,
                  const char *why)
{
    v->chain.fault = what;
    v->chain.fault_number = number;
    (void)snprintf(v->chain.why, sizeof v->chain.why, "%s", why);
}

/* @return MG_OK; MG_E_MISMATCH: the chain is broken; or a code with err */
static int feed(struct verifier *v, const struct mg_log_link *link,
                struct mg_err *err)
{
    struct mg_log_chain *c = &v->chain;
    int rc = find_key(v, link, err);
    if (rc != MG_OK) {
        return rc;
    }
    rc = mg_log_chain_feed(c, link);
    if (rc == MG_E_NOMEM) {
        return mg_err_set(err, rc, "out of memory");
    }
    if (rc != MG_OK) {
        return rc;
    }
    if (c->n_entries == 1) {
        v->first_number = c->last_number;
        v->first_ms = c->last_ms;
    }
    v->has_books_end =
        v->has_books_end ||
        (c->last_number == v->books.last_number &&
         memcmp(c->last_hash, v->books.last_hash, sizeof c->last_hash) == 0);
    count_signer(v, link);
    datasets_progress_add(&v->progress);
    return MG_OK;
}

/* What the database counted is what a forger may have forgotten. */
static int end(struct verifier *v)
{
    char why[160];
    int rc = mg_log_chain_end(&v->chain);
    if (rc == MG_OK && v->books.last_number > v->chain.last_number) {
        (void)snprintf(why, sizeof why,
                       "it is missing: the database counted entries up to "
                       "%" PRId64 ", so the end was cut off",
                       v->books.last_number);
        fault(v, v->chain.last_number + 1, MG_LOG_FAULT_END, why);
        return MG_E_MISMATCH;
    }
    if (rc == MG_OK && v->books.last_number > 0 && !v->has_books_end) {
        fault(v, v->books.last_number, MG_LOG_FAULT_CHANGED,
              "it was replaced: the database counted another");
        return MG_E_MISMATCH;
    }
    return rc;
}

static int verify_store(struct verifier *v, struct mg_err *err)
{
    struct mg_log_row row = {0};
    int64_t number = 0;
    /* Before the entries: a running gateway adds some meanwhile. */
    int rc = mg_logs_books(v->logs, &v->books, err);
    while (rc == MG_OK &&
           (rc = mg_logs_next(v->logs, number, &row, err)) == MG_OK) {
        struct mg_log_link link = log_row_link(&row);
        number = row.number;
        rc = feed(v, &link, err);
    }
    if (rc == MG_E_PROTO) {
        fault(v, row.number, MG_LOG_FAULT_TEXT,
              "what is kept of it is no entry of a log book");
        return MG_E_MISMATCH;
    }
    return rc == MG_E_NOTFOUND ? end(v) : rc;
}

/* @return MG_OK; MG_E_NOTFOUND at the end; MG_E_PROTO: too long; MG_E_IO */
static int read_line(FILE *file, char *buf, size_t cap, size_t *ret_len,
                     struct mg_err *err)
{
    size_t len = 0;
    int c;
    while ((c = getc(file)) != EOF && c != '\n') {
        if (len == cap) {
            return MG_E_PROTO;
        }
        buf[len++] = (char)c;
    }
    if (ferror(file) != 0) {
        return mg_err_errno(err, errno, "cannot read the export");
    }
    *ret_len = len;
    return c == EOF && len == 0 ? MG_E_NOTFOUND : MG_OK;
}

static int verify_lines(struct verifier *v, FILE *file, struct mg_err *err)
{
    char buf[MG_LOG_LINE_MAX];
    struct mg_log_line line;
    size_t len = 0;
    int rc = MG_OK;
    while (rc == MG_OK &&
           (rc = read_line(file, buf, sizeof buf, &len, err)) == MG_OK) {
        rc = mg_log_line_parse(buf, len, &line);
        if (rc == MG_OK) {
            struct mg_log_link link = mg_log_line_link(&line);
            rc = feed(v, &link, err);
        }
    }
    if (rc == MG_E_PROTO) {
        fault(v, v->chain.last_number + 1, MG_LOG_FAULT_TEXT,
              "its line is not that of an export");
        return MG_E_MISMATCH;
    }
    return rc == MG_E_NOTFOUND ? end(v) : rc;
}

static int verify_file(struct verifier *v, const char *path, struct mg_err *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    if (file == NULL) {
        return mg_err_errno(err, errno, "cannot read %s", path);
    }
    int rc = verify_lines(v, file, err);
    if (!is_stdin) {
        (void)fclose(file); /* was read */
    }
    return rc;
}

/* ---- Telling ---- */

static void print_signers(const struct verifier *v)
{
    const struct mg_log_chain *c = &v->chain;
    for (size_t i = 0; i < v->n_signers; i++) {
        const char *text = v->signers[i].fingerprint;
        (void)printf("signed       %" PRIu64 " by ", v->signers[i].n);
        datasets_print_text(stdout, text, strlen(text));
        (void)printf("%s\n", v->has_unknown_key ? " (not checked)"
                             : v->is_vouched    ? ""
                                                : " (key of the database)");
    }
    if (c->n_unsigned > 0) {
        (void)printf("not signed   %" PRIu64 ", from entry %" PRId64 " on\n",
                     c->n_unsigned, c->first_unsigned);
    }
    if (c->first_back != 0) {
        (void)printf("note         the clock goes back at entry %" PRId64
                     "; the order is that of the numbers\n",
                     c->first_back);
    }
}

static void print_text(const struct verifier *v)
{
    const struct mg_log_chain *c = &v->chain;
    char hash[65], from[24], to[24];
    (void)printf("entries      %" PRIu64, c->n_entries);
    if (c->n_entries > 0) {
        datasets_time_text(v->first_ms, from);
        datasets_time_text(c->last_ms, to);
        mg_hex_write(c->last_hash, sizeof c->last_hash, false, hash);
        (void)printf(" (%" PRId64 " to %" PRId64 "), %s to %s UTC\n"
                     "last hash    %s",
                     v->first_number, c->last_number, from, to, hash);
    }
    (void)printf("\n");
    print_signers(v);
    if (c->fault != MG_LOG_INTACT) {
        (void)printf(
            "BROKEN       entry %" PRId64 ": %s%s\n", c->fault_number, c->why,
            c->fault == MG_LOG_FAULT_KEY
                ? "; if the station's key was replaced, give --key for "
                  "each of them"
                : "");
    } else if (v->has_unknown_key) {
        (void)printf("INCOMPLETE   the hashes are right; the signatures could "
                     "not be checked: give --key\n");
    } else {
        (void)printf("intact\n");
    }
}

static void print_json(const struct verifier *v)
{
    const struct mg_log_chain *c = &v->chain;
    char buf[4096], hash[65];
    mg_hex_write(c->last_hash, sizeof c->last_hash, false, hash);
    struct mg_json j = mg_json_init(buf, sizeof buf);
    mg_json_open(&j, '{');
    mg_json_member_bool(&j, "intact", c->fault == MG_LOG_INTACT);
    mg_json_member_bool(&j, "signatures_checked", !v->has_unknown_key);
    mg_json_member_int(&j, "entries", (int64_t)c->n_entries);
    mg_json_member_int(&j, "last", c->last_number);
    mg_json_member_str(&j, "last_hash", hash);
    mg_json_member_int(&j, "signed", (int64_t)c->n_signed);
    mg_json_member_int(&j, "unsigned", (int64_t)c->n_unsigned);
    mg_json_key(&j, "fingerprints");
    mg_json_open(&j, '[');
    for (size_t i = 0; i < v->n_signers; i++) {
        mg_json_str(&j, v->signers[i].fingerprint,
                    strlen(v->signers[i].fingerprint));
    }
    mg_json_close(&j, ']');
    if (c->fault != MG_LOG_INTACT) {
        mg_json_member_int(&j, "broken", c->fault_number);
        mg_json_member_str(&j, "why", c->why);
    }
    mg_json_close(&j, '}');
    (void)printf("%.*s\n", (int)j.len, buf);
}

int log_verify(struct mg_logs *logs, const struct log_options *o)
{
    struct verifier v = {.logs = logs, .progress = {.what = "entries"}};
    struct mg_err err = {0};
    size_t n = 0;
    mg_log_chain_init(&v.chain);
    if (o->expect != NULL) {
        if (mg_hex_read(o->expect, strlen(o->expect), v.expected,
                        sizeof v.expected, &n) != MG_OK ||
            n != sizeof v.expected) {
            return cli_usage("log", "--expect takes the 64 hex digits of a "
                                    "hash");
        }
        v.chain.expected = v.expected;
    }
    int rc = load_keys(&v, o, &err);
    if (rc == MG_OK) {
        rc = o->file != NULL ? verify_file(&v, o->file, &err)
                             : verify_store(&v, &err);
    }
    datasets_progress_end(&v.progress);
    bool is_told = rc == MG_OK || rc == MG_E_MISMATCH;
    if (is_told && o->is_json) {
        print_json(&v);
    } else if (is_told) {
        print_text(&v);
    }
    for (size_t i = 0; i < v.n_keys; i++) {
        mg_public_key_destroy(v.keys[i]);
    }
    if (!is_told) {
        return app_fail(&err);
    }
    return rc == MG_OK && !v.has_unknown_key ? 0 : 1;
}
