/* The audit of a store: each finding by a store that has just this fault, and
 * silence where there is none. Records are signed with OpenSSL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "crypto/encode.h"
#include "crypto/key.h"
#include "record/assemble.h"
#include "record/audit.h"

#define ROWS_MAX 40
#define N_KEYS   3

/* What a test says of a row; the rest is made. */
struct given {
    const char *meter;
    int key;
    uint64_t pagination;
    const char *begin, *end; /* meter readings; NULL: no such reading */
    const char *transaction;
    const char *serial; /* NULL: "S1"; "" = none */
    char context;       /* 0: 'T' */
    int64_t arrival;    /* 0: after the row before */
    const char *ri;     /* NULL: "1-b:1.8.0" */
    bool is_reissue;
    const char *suffix; /* of PG; NULL: none */
    const char *loss;   /* CL of the end; NULL: no CL */
};

struct world {
    EVP_PKEY *keys[N_KEYS];
    char hex[N_KEYS][2 * MG_KEY_SPKI_MAX + 1];
    char fingerprint[N_KEYS][MG_FINGERPRINT_HEX_MAX];
    struct mg_audit_row rows[ROWS_MAX];
    char records[ROWS_MAX][1024];
    size_t n;
    char found[2048]; /* "id@pagination ..." */
    char texts[4096];
    struct mg_audit_summary summary;
};

static int make_keys(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    for (size_t i = 0; i < N_KEYS; i++) {
        unsigned char *der = NULL;
        struct mg_public_key *key = NULL;
        unsigned lenient;
        struct mg_err err;
        w->keys[i] = EVP_EC_gen("prime256v1");
        assert_non_null(w->keys[i]);
        int len = i2d_PUBKEY(w->keys[i], &der);
        assert_true(len > 0);
        mg_hex_write(der, (size_t)len, true, w->hex[i]);
        OPENSSL_free(der);
        assert_int_equal(mg_public_key_parse(w->hex[i], strlen(w->hex[i]),
                                             MG_N_CURVES, &key, &lenient, &err),
                         MG_OK);
        mg_public_key_fingerprint(key, w->fingerprint[i]);
        mg_public_key_destroy(key);
    }
    *state = w;
    return 0;
}

static int free_keys(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < N_KEYS; i++) {
        EVP_PKEY_free(w->keys[i]);
    }
    free(w);
    return 0;
}

static size_t add_reading(char *buf, size_t cap, size_t len, char tx,
                          const char *value, const char *loss, const char *ri)
{
    char cl[40] = "";
    if (loss != NULL) {
        (void)snprintf(cl, sizeof cl, "\"CL\":%s,", loss);
    }
    return len + (size_t)snprintf(
                     buf + len, cap - len,
                     "%s{\"TM\":\"2026-01-02T03:04:05,000+0000 S\",\"TX\":"
                     "\"%c\",\"RV\":%s,%s\"RI\":\"%s\",\"RU\":\"kWh\",\"ST\":"
                     "\"G\"}",
                     buf[len - 1] == '[' ? "" : ",", tx, value, cl, ri);
}

static size_t sign_record(struct world *w, const struct given *g, char *ret,
                          size_t cap)
{
    char payload[900];
    uint8_t der[MG_SIGNATURE_MAX];
    size_t der_len = sizeof der, record_len = 0;
    const char *ri = g->ri == NULL ? "1-b:1.8.0" : g->ri;
    size_t len = (size_t)snprintf(
        payload, sizeof payload,
        "{\"FV\":\"1.0\",\"PG\":\"%c%llu%s\",\"MS\":\"%s\",\"IS\":false,\"IT\":"
        "\"NONE\",\"RD\":[",
        g->context == 0 ? 'T' : g->context, (unsigned long long)g->pagination,
        g->suffix == NULL ? "" : g->suffix,
        g->serial == NULL ? "S1" : g->serial);
    if (g->begin != NULL) {
        len = add_reading(payload, sizeof payload, len, 'B', g->begin,
                          g->loss == NULL ? NULL : "0.0", ri);
    }
    if (g->end != NULL) {
        len =
            add_reading(payload, sizeof payload, len, 'E', g->end, g->loss, ri);
    }
    len += (size_t)snprintf(payload + len, sizeof payload - len, "]}");
    assert_true(len < sizeof payload);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(
        EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, w->keys[g->key]), 1);
    assert_int_equal(
        EVP_DigestSign(ctx, der, &der_len, (const unsigned char *)payload, len),
        1);
    EVP_MD_CTX_free(ctx);
    assert_int_equal(mg_record_assemble(payload, len, MG_CURVE_SECP256R1, der,
                                        der_len, false, ret, cap, &record_len),
                     MG_OK);
    return record_len;
}

static struct mg_audit_row *add(struct world *w, struct given g)
{
    assert_true(w->n < ROWS_MAX);
    struct mg_audit_row *row = &w->rows[w->n];
    *row = (struct mg_audit_row){
        .id = (int64_t)w->n + 1,
        .arrival = g.arrival != 0 ? g.arrival : (int64_t)w->n + 1,
        .meter = g.meter,
        .serial = "told",
        .transaction = g.transaction == NULL ? "" : g.transaction,
        .fingerprint = w->fingerprint[g.key],
        .key_hex = w->hex[g.key],
        .verdict = "valid",
        .context = g.context == 0 ? 'T' : g.context,
        .pagination = g.pagination,
        .is_reissue = g.is_reissue,
        .record = w->records[w->n]};
    row->record_len =
        sign_record(w, &g, w->records[w->n], sizeof w->records[w->n]);
    w->n++;
    return row;
}

static void found(void *ctx, const struct mg_audit_finding *f)
{
    struct world *w = ctx;
    size_t len = strlen(w->found);
    (void)snprintf(w->found + len, sizeof w->found - len, "%s@%c%llu ", f->id,
                   f->context == 0 ? '-' : f->context,
                   (unsigned long long)f->pagination);
    len = strlen(w->texts);
    (void)snprintf(w->texts + len, sizeof w->texts - len, "%s: %s\n", f->meter,
                   f->text);
}

/* Audit all rows that were added, in the order they were, and start anew. */
static void finds(struct world *w, const char *want)
{
    w->found[0] = w->texts[0] = '\0';
    struct mg_audit *audit = mg_audit_create(found, w);
    assert_non_null(audit);
    for (size_t i = 0; i < w->n; i++) {
        assert_int_equal(mg_audit_record(audit, &w->rows[i]), MG_OK);
    }
    mg_audit_end(audit, &w->summary);
    mg_audit_destroy(audit);
    if (strcmp(w->found, want) != 0) {
        fail_msg("found '%s', not '%s':\n%s", w->found, want, w->texts);
    }
    w->n = 0;
}

static void says(const struct world *w, const char *text)
{
    if (strstr(w->texts, text) == NULL) {
        fail_msg("'%s' is not in:\n%s", text, w->texts);
    }
}

/* ---- Clean ---- */

static void clean_store_is_clean(void **state)
{
    struct world *w = *state;
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "1.00",
                          .end = "2.00",
                          .transaction = "t1"});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 2,
                          .begin = "2.00",
                          .end = "2.00",
                          .transaction = "t2"});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 3,
                          .begin = "2.00",
                          .end = "3.50",
                          .transaction = "t3"});
    add(w, (struct given){.meter = "b",
                          .key = 1,
                          .pagination = 1,
                          .begin = "0.00",
                          .end = "2.00",
                          .transaction = "t4"});
    finds(w, "");
    assert_int_equal(w->summary.n_records, 4);
    assert_int_equal(w->summary.n_meters, 2);
    assert_int_equal(w->summary.n_keys, 2);
    finds(w, ""); /* nothing at all */
    assert_int_equal(w->summary.n_meters, 0);
}

static void contexts_have_their_own_pagination(void **state)
{
    struct world *w = *state;
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .end = "9.00",
                          .context = 'F',
                          .arrival = 3});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "1.00",
                          .end = "2.00",
                          .transaction = "t1",
                          .arrival = 1});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 2,
                          .begin = "2.00",
                          .end = "3.00",
                          .transaction = "t2",
                          .arrival = 2});
    finds(w, "");
    assert_int_equal(w->summary.n_keys, 1);
}

/* ---- Pagination ---- */

static void gaps_are_found_and_counted(void **state)
{
    struct world *w = *state;
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "1.00",
                          .end = "2.00",
                          .transaction = "t1"});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 3,
                          .begin = "2.00",
                          .end = "3.00",
                          .transaction = "t2"});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 10,
                          .begin = "3.00",
                          .end = "4.00",
                          .transaction = "t3"});
    finds(w, "pagination-gap@T3 pagination-gap@T10 ");
    says(w, "a: 1 record is missing between T1 (row 1) and T3\n");
    says(w, "a: 6 records are missing between T3 (row 2) and T10\n");
    assert_int_equal(w->summary.n_errors, 2);
}

static void duplicates_are_told_from_records_stored_twice(void **state)
{
    struct world *w = *state;
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "1.00",
                          .end = "2.00",
                          .transaction = "t1"});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "1.00",
                          .end = "2.01",
                          .transaction = "t1"});
    finds(w, "pagination-duplicate@T1 ");
    assert_int_equal(w->summary.n_errors, 1);
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "1.00",
                          .end = "2.00",
                          .transaction = "t1"});
    struct mg_audit_row *again = add(w, (struct given){.meter = "a",
                                                       .key = 0,
                                                       .pagination = 1,
                                                       .begin = "1.00",
                                                       .end = "2.00",
                                                       .transaction = "t1"});
    again->record = w->records[0];
    again->record_len = w->rows[0].record_len;
    finds(w, "stored-twice@T1 ");
    assert_int_equal(w->summary.n_warnings, 1);
}

static void steps_back_are_found_by_arrival(void **state)
{
    struct world *w = *state;
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "1.00",
                          .end = "2.00",
                          .transaction = "t1",
                          .arrival = 1});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 2,
                          .begin = "2.00",
                          .end = "3.00",
                          .transaction = "t2",
                          .arrival = 9});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 3,
                          .begin = "3.00",
                          .end = "4.00",
                          .transaction = "t3",
                          .arrival = 4});
    finds(w, "pagination-back@T3 ");
    says(w, "T2 (row 2) came after T3");
}

static void late_begin_is_a_note(void **state)
{
    struct world *w = *state;
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 17,
                          .begin = "1.00",
                          .end = "2.00",
                          .transaction = "t1"});
    add(w, (struct given){.meter = "b",
                          .key = 1,
                          .pagination = 0,
                          .begin = "1.00",
                          .end = "2.00",
                          .transaction = "t1"});
    finds(w, "pagination-late@T17 ");
    assert_int_equal(w->summary.n_notes, 1);
    assert_int_equal(w->summary.n_warnings + w->summary.n_errors, 0);
}

static void huge_paginations_do_not_wrap(void **state)
{
    struct world *w = *state;
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = INT64_MAX - 1,
                          .begin = "1.00",
                          .end = "2.00",
                          .transaction = "t1"});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = INT64_MAX,
                          .begin = "2.00",
                          .end = "3.00",
                          .transaction = "t2"});
    finds(w, "pagination-late@T9223372036854775806 ");
}

/* ---- Keys and meters ---- */

static void exchange_is_told_from_a_new_key(void **state)
{
    struct world *w = *state;
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "5.00",
                          .end = "6.00",
                          .transaction = "t1"});
    add(w, (struct given){.meter = "a",
                          .key = 1,
                          .pagination = 1,
                          .begin = "0.00",
                          .end = "1.00",
                          .transaction = "t2",
                          .serial = "S2"});
    finds(w, "meter-exchanged@T1 ");
    says(w, "the serial changed from S1 to S2");
    assert_int_equal(w->summary.n_notes, 1);
    assert_int_equal(w->summary.n_warnings + w->summary.n_errors, 0);

    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "5.00",
                          .end = "6.00",
                          .transaction = "t1"});
    add(w, (struct given){.meter = "a",
                          .key = 1,
                          .pagination = 1,
                          .begin = "6.00",
                          .end = "7.00",
                          .transaction = "t2"});
    finds(w, "key-changed@T1 ");
    says(w, "the serial stayed S1");
    assert_int_equal(w->summary.n_warnings, 1);

    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "5.00",
                          .end = "6.00",
                          .transaction = "t1"});
    add(w, (struct given){.meter = "a",
                          .key = 1,
                          .pagination = 1,
                          .begin = "5.99",
                          .end = "7.00",
                          .transaction = "t2"});
    finds(w, "key-changed@T1 counter-reset@T1 ");
    says(w, "1-b:1.8.0 fell from 6.00 to 5.99 kWh");
}

/* Keys come in the order of their fingerprints, not of their use. */
static void keys_follow_each_other_as_they_arrived(void **state)
{
    struct world *w = *state;
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "0.00",
                          .end = "1.00",
                          .transaction = "t3",
                          .serial = "S3",
                          .arrival = 7});
    add(w, (struct given){.meter = "a",
                          .key = 1,
                          .pagination = 1,
                          .begin = "5.00",
                          .end = "6.00",
                          .transaction = "t1",
                          .serial = "S1",
                          .arrival = 2});
    add(w, (struct given){.meter = "a",
                          .key = 2,
                          .pagination = 1,
                          .begin = "0.00",
                          .end = "1.00",
                          .transaction = "t2",
                          .serial = "S2",
                          .arrival = 5});
    finds(w, "meter-exchanged@T1 meter-exchanged@T1 ");
    says(w, "from S1 to S2");
    says(w, "from S2 to S3");
    assert_null(strstr(w->texts, "from S3"));
}

/* The first record of a key is the one that came first, whatever its
 * pagination; and an old key may come again. */
static void order_of_keys_is_that_of_their_first_records(void **state)
{
    struct world *w = *state;
    add(w, (struct given){
               .meter = "a", .pagination = 1, .end = "2.00", .arrival = 5});
    add(w, (struct given){
               .meter = "a", .pagination = 2, .end = "3.00", .arrival = 1});
    add(w, (struct given){.meter = "a",
                          .key = 1,
                          .pagination = 1,
                          .end = "4.00",
                          .serial = "S2",
                          .arrival = 3});
    finds(w, "pagination-back@T2 meter-exchanged@T1 ");
    says(w, "from S1 to S2");
    add(w, (struct given){
               .meter = "a", .pagination = 1, .end = "2.00", .arrival = 1});
    add(w, (struct given){
               .meter = "a", .pagination = 2, .end = "3.00", .arrival = 3});
    add(w, (struct given){.meter = "a",
                          .key = 1,
                          .pagination = 1,
                          .end = "4.00",
                          .arrival = 2});
    finds(w, "key-changed@T1 ");
    says(w, "the serial stayed S1; the old one came again");
}

static void serial_that_is_not_signed_is_the_one_told(void **state)
{
    struct world *w = *state;
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "1.00",
                          .end = "2.00",
                          .transaction = "t1",
                          .serial = ""});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 2,
                          .begin = "2.00",
                          .end = "3.00",
                          .transaction = "t2",
                          .serial = ""})
        ->serial = "x";
    finds(w, "serial-changed@T2 ");
    says(w, "from told to x under the same key");
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "1.00",
                          .end = "2.00",
                          .transaction = "t1",
                          .serial = ""})
        ->serial = "";
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 2,
                          .begin = "2.00",
                          .end = "3.00",
                          .transaction = "t2",
                          .serial = ""})
        ->serial = "x";
    finds(w, ""); /* not known is not another */
}

static void meters_do_not_mix(void **state)
{
    struct world *w = *state;
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "5.00",
                          .end = "6.00",
                          .transaction = "t1"});
    add(w, (struct given){.meter = "b",
                          .key = 0,
                          .pagination = 1,
                          .begin = "1.00",
                          .end = "2.00",
                          .transaction = "t2",
                          .serial = "S2"});
    add(w, (struct given){.meter = "b",
                          .key = 1,
                          .pagination = 1,
                          .begin = "0.00",
                          .end = "2.00",
                          .transaction = "t3",
                          .serial = "S3"});
    finds(w, "meter-exchanged@T1 ");
    assert_int_equal(w->summary.n_meters, 2);
}

/* ---- Readings ---- */

static void readings_that_fall_are_found(void **state)
{
    struct world *w = *state;
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "5.00",
                          .end = "6.00",
                          .transaction = "t1"});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 2,
                          .begin = "5.999",
                          .end = "7.00",
                          .transaction = "t2"});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 3,
                          .begin = "0",
                          .end = "1",
                          .transaction = "t3"});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 4,
                          .begin = "1.00",
                          .end = "2.00",
                          .transaction = "t4"});
    finds(w, "counter-reset@T2 counter-reset@T3 ");
    says(w, "1-b:1.8.0 fell from 6.00 to 5.999 kWh");
    says(w, "1-b:1.8.0 fell from 7.00 to 0 kWh");
}

static void begin_that_is_repeated_is_no_fall(void **state)
{
    struct world *w = *state;
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "5.00",
                          .transaction = "t1"});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 2,
                          .begin = "5.00",
                          .end = "6.00",
                          .transaction = "t1"}); /* on the way */
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 3,
                          .begin = "5.00",
                          .end = "7.00",
                          .transaction = "t1"});
    finds(w, "");
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "5.00",
                          .end = "6.00",
                          .transaction = "t1"});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 2,
                          .begin = "5.00",
                          .end = "5.50",
                          .transaction = "t1"});
    finds(w, "counter-reset@T2 ");
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "5.00",
                          .end = "6.00",
                          .transaction = ""});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 2,
                          .begin = "5.00",
                          .end = "7.00",
                          .transaction = ""}); /* not known: two */
    finds(w, "counter-reset@T2 ");
}

static void what_is_not_comparable_is_not_compared(void **state)
{
    struct world *w = *state;
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "5.00",
                          .end = "6.00",
                          .transaction = "t1"});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 2,
                          .begin = "1.00",
                          .end = "2.00",
                          .transaction = "t0",
                          .is_reissue = true});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 3,
                          .begin = "6.00",
                          .end = "7.00",
                          .transaction = "t2"});
    finds(w, ""); /* an older transaction again */
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "5.00",
                          .end = "6.00",
                          .transaction = "t1",
                          .ri = "01-00:98.08.00.FF"});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 2,
                          .begin = "0.00",
                          .end = "6.00",
                          .transaction = "t2",
                          .ri = "01-00:98.08.00.FF"});
    finds(w, ""); /* a register of the transaction */
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "5.00",
                          .end = "6.00",
                          .transaction = "t1"});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 2,
                          .begin = "0.00",
                          .end = "6.00",
                          .transaction = "t2",
                          .ri = "01-00:B0.08.00*FF"});
    finds(w, ""); /* another register */
}

static void another_meter_is_not_compared(void **state)
{
    struct world *w = *state;
    add(w, (struct given){.meter = "a", .pagination = 1, .end = "6.00"});
    add(w, (struct given){
               .meter = "a", .pagination = 2, .end = "1.00", .serial = "S2"});
    add(w, (struct given){
               .meter = "a", .pagination = 3, .end = "0.99", .serial = "S2"});
    finds(w, "serial-changed@T2 counter-reset@T3 ");
}

static void flagged_readings_are_not_compared(void **state)
{
    struct world *w = *state;
    static const char flagged[] = "1-b:1.8.0\",\"EF\":\"E";
    add(w, (struct given){.meter = "a", .pagination = 1, .end = "6.00"});
    add(w, (struct given){
               .meter = "a", .pagination = 2, .end = "0.00", .ri = flagged});
    add(w, (struct given){.meter = "a", .pagination = 3, .end = "6.00"});
    finds(w, "");
}

/* ---- Signatures ---- */

static void altered_records_are_found(void **state)
{
    struct world *w = *state;
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "5.00",
                          .end = "6.00",
                          .transaction = "t1"});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 2,
                          .begin = "6.00",
                          .end = "7.00",
                          .transaction = "t2"});
    char *digit = strstr(w->records[1], "7.00");
    assert_non_null(digit);
    digit[0] = '8';
    finds(w, "signature-invalid@T2 ");
    says(w, "on arrival: valid");
    assert_int_equal(w->summary.n_errors, 1);

    struct mg_audit_row *row = add(w, (struct given){.meter = "a",
                                                     .key = 0,
                                                     .pagination = 1,
                                                     .begin = "5.00",
                                                     .end = "6.00",
                                                     .transaction = "t1"});
    row->key_hex = w->hex[1]; /* signed by another */
    finds(w, "signature-invalid@T1 row-differs@T1 ");

    row = add(w, (struct given){.meter = "a",
                                .key = 0,
                                .pagination = 1,
                                .begin = "5.00",
                                .end = "6.00",
                                .transaction = "t1"});
    row->record = "nothing";
    row->record_len = 7;
    finds(w, "no-record@T1 ");

    row = add(w, (struct given){.meter = "a",
                                .key = 0,
                                .pagination = 1,
                                .begin = "5.00",
                                .end = "6.00",
                                .transaction = "t1"});
    row->key_hex = "";
    finds(w, "not-verifiable@T1 ");
}

static void rows_that_differ_from_their_record_are_found(void **state)
{
    struct world *w = *state;
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "5.00",
                          .end = "6.00",
                          .transaction = "t1"});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 3,
                          .begin = "6.00",
                          .end = "7.00",
                          .transaction = "t2"})
        ->pagination = 2;
    finds(w, "row-differs@T2 ");
    says(w, "the row says T2, its record T3");
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "5.00",
                          .end = "6.00",
                          .transaction = "t1"})
        ->context = 'F';
    finds(w, "row-differs@F1 ");
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "5.00",
                          .end = "6.00",
                          .transaction = "t1"})
        ->fingerprint = w->fingerprint[1];
    finds(w, "row-differs@T1 ");
}

/* ---- Others ---- */

/* ---- ChargePoint's form ---- */

#define CODED_SERIAL "MjUxMzYyQjAwMDAxAAAAAHwzMS0wMDI3MDAtMDQtMDE="

static void add_chargepoint(struct world *w, uint64_t n, const char *begin,
                            const char *end, const char *loss)
{
    static const char *const sessions[] = {"4193206880799101095",
                                           "5333490790308772492", "7", "8"};
    static const char *const suffixes[] = {"-4193206880799101095",
                                           "-5333490790308772492", "-7", "-8"};
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = n,
                          .begin = begin,
                          .end = end,
                          .transaction = sessions[n % 4],
                          .serial = CODED_SERIAL,
                          .suffix = suffixes[n % 4],
                          .loss = loss});
}

static void chargepoint_records_are_audited(void **state)
{
    struct world *w = *state;
    add_chargepoint(w, 1, "8.4587", "9.7560", "0.0009");
    add_chargepoint(w, 2, "9.7569", "9.8569", "0.0");
    add_chargepoint(w, 3, "9.8569", "9.956", "0.0005");
    finds(w, "");
    add_chargepoint(w, 1, "8.4587", "9.7560", "0.0009");
    add_chargepoint(w, 4, "9.7569", "9.8569", "0.0");
    add_chargepoint(w, 4, "9.8569", "9.9569", "0.0");
    finds(w, "pagination-gap@T4 pagination-duplicate@T4 ");
}

/* RV + CL, the meter's own reading, is what must not fall. */
static void a_loss_taken_off_is_not_a_fall(void **state)
{
    struct world *w = *state;
    add_chargepoint(w, 1, "8.4587", "9.756", "0.0009");
    add_chargepoint(w, 2, "9.7568", "9.8569", "0.0");
    finds(w, "counter-reset@T2 ");
    says(w, "1-b:1.8.0 fell from 9.7569 to 9.7568 kWh");
    /* A register that is compensated itself goes on from RV. */
    for (unsigned i = 1; i <= 2; i++) {
        add(w, (struct given){.meter = "a",
                              .key = 0,
                              .pagination = i,
                              .begin = i == 1 ? "1.0" : "2.0",
                              .end = i == 1 ? "2.0" : "3.0",
                              .loss = "0.5",
                              .transaction = i == 1 ? "t1" : "t2",
                              .ri = "01-00:B1.08.00*FF"});
    }
    finds(w, "");
}

static void sessions_that_differ_from_the_row_are_found(void **state)
{
    struct world *w = *state;
    add_chargepoint(w, 1, "8.4587", "9.7560", "0.0009");
    w->rows[0].transaction = "4193206880799101095";
    finds(w, "row-differs@T1 ");
    says(w, "the row's transaction is 4193206880799101095, session "
            "4193206880799101095; its record says '-5333490790308772492'");
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 1,
                          .begin = "1.0",
                          .end = "2.0",
                          .transaction = "abc",
                          .suffix = "-3359128625063425018"});
    finds(w, "");
}

/* A serial number is the same one, coded or not. */
static void coded_serials_are_decoded(void **state)
{
    struct world *w = *state;
    add_chargepoint(w, 1, "8.4587", "9.7560", "0.0009");
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 2,
                          .begin = "9.7569",
                          .end = "9.8",
                          .transaction = "t2",
                          .serial = "251362B00001"});
    add(w, (struct given){.meter = "a",
                          .key = 0,
                          .pagination = 3,
                          .begin = "9.8",
                          .end = "9.9",
                          .transaction = "t3",
                          .serial = "251362B00002"});
    finds(w, "serial-changed@T3 ");
    says(w, "changed from 251362B00001 to 251362B00002");
}

static void rows_and_sessions_that_are_missing(void **state)
{
    struct world *w = *state;
    w->found[0] = w->texts[0] = '\0';
    struct mg_audit *audit = mg_audit_create(found, w);
    mg_audit_missing_rows(audit, 4, 1);
    mg_audit_missing_rows(audit, 7, 3);
    mg_audit_open_session(audit, "a", "t9", 12, 90000000);
    mg_audit_end(audit, &w->summary);
    mg_audit_destroy(audit);
    assert_string_equal(w->found,
                        "rows-missing@-0 rows-missing@-0 session-open@-0 ");
    assert_string_equal(w->texts,
                        ": row 4 was taken out of the store\n"
                        ": rows 7 to 9 were taken out of the store\n"
                        "a: the session t9 has no record after 25 hours\n");
    assert_int_equal(w->summary.n_errors, 2);
    assert_int_equal(w->summary.n_warnings, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_store_is_clean),
        cmocka_unit_test(contexts_have_their_own_pagination),
        cmocka_unit_test(gaps_are_found_and_counted),
        cmocka_unit_test(duplicates_are_told_from_records_stored_twice),
        cmocka_unit_test(steps_back_are_found_by_arrival),
        cmocka_unit_test(late_begin_is_a_note),
        cmocka_unit_test(huge_paginations_do_not_wrap),
        cmocka_unit_test(exchange_is_told_from_a_new_key),
        cmocka_unit_test(keys_follow_each_other_as_they_arrived),
        cmocka_unit_test(order_of_keys_is_that_of_their_first_records),
        cmocka_unit_test(serial_that_is_not_signed_is_the_one_told),
        cmocka_unit_test(meters_do_not_mix),
        cmocka_unit_test(readings_that_fall_are_found),
        cmocka_unit_test(begin_that_is_repeated_is_no_fall),
        cmocka_unit_test(what_is_not_comparable_is_not_compared),
        cmocka_unit_test(another_meter_is_not_compared),
        cmocka_unit_test(flagged_readings_are_not_compared),
        cmocka_unit_test(altered_records_are_found),
        cmocka_unit_test(rows_that_differ_from_their_record_are_found),
        cmocka_unit_test(rows_and_sessions_that_are_missing),
        cmocka_unit_test(chargepoint_records_are_audited),
        cmocka_unit_test(a_loss_taken_off_is_not_a_fall),
        cmocka_unit_test(sessions_that_differ_from_the_row_are_found),
        cmocka_unit_test(coded_serials_are_decoded),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
