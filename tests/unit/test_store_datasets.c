/* Signed datasets in the store: kept byte for byte, found again, never touched
 * by what thins the outbox; files of the schema before; readers beside a
 * writer. */
#include "store_bed.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/dataset.h"

static int set_up(void **state)
{
    struct bed *bed = malloc(sizeof *bed);
    assert_non_null(bed);
    bed_init(bed);
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    bed_fini(*state);
    free(*state);
    return 0;
}

/* A record of this meter, key, context and pagination. */
static struct mg_dataset signed_by(const char *meter, const char *key,
                                   char context, uint64_t pagination)
{
    static char record[] = "OCMF|{}|{}";
    struct mg_dataset d = {.kind = MG_DATASET_TRANSACTION,
                           .state = MG_DATASET_DONE,
                           .context = context,
                           .pagination = pagination,
                           .verdict = "valid",
                           .is_billable = true,
                           .stored_ms = 1700000000000,
                           .begin_mwh = INT64_MIN,
                           .end_mwh = INT64_MIN,
                           .record = record,
                           .record_len = sizeof record - 1};
    (void)snprintf(d.meter, sizeof d.meter, "%s", meter);
    (void)snprintf(d.fingerprint, sizeof d.fingerprint, "%s", key);
    (void)snprintf(d.key_hex, sizeof d.key_hex, "30%s", key);
    return d;
}

static void add(struct bed *bed, const struct mg_dataset *d)
{
    uint64_t ticket = 0;
    assert_int_equal(mg_store_add_dataset(bed->store, d, &ticket), MG_OK);
    bed_wait_durable(bed, ticket);
}

static void add_transaction(struct bed *bed, const char *transaction,
                            enum mg_dataset_kind kind)
{
    struct mg_dataset d = signed_by("a", "k", 'T', 1);
    d.kind = kind;
    (void)snprintf(d.transaction, sizeof d.transaction, "%s", transaction);
    add(bed, &d);
}

static struct mg_datasets *reader_of(struct bed *bed)
{
    struct mg_err err = {0, ""};
    struct mg_datasets *reader = mg_datasets_open(bed->path, &err);
    if (reader == NULL) {
        fail_msg("cannot read: %s", err.text);
    }
    return reader;
}

static void reader_fails(struct bed *bed, int code, const char *text)
{
    struct mg_err err = {0, ""};
    assert_null(mg_datasets_open(bed->path, &err));
    assert_int_equal(err.code, code);
    if (strstr(err.text, text) == NULL) {
        fail_msg("'%s' is not in '%s'", text, err.text);
    }
}

/* The ids that a filter finds, as "1 3 ". */
static void finds(struct mg_datasets *reader, struct mg_dataset_filter filter,
                  const char *want)
{
    char got[256] = "";
    struct mg_dataset d;
    struct mg_err err;
    size_t len = 0;
    int rc;
    while ((rc = mg_datasets_next(reader, &filter, &d, &err)) == MG_OK) {
        assert_true(d.id > filter.after_id);
        filter.after_id = d.id;
        len += (size_t)snprintf(got + len, sizeof got - len, "%lld ",
                                (long long)d.id);
    }
    assert_int_equal(rc, MG_E_NOTFOUND);
    assert_string_equal(got, want);
}

/* ---- What is kept ---- */

static void every_byte_comes_back(void **state)
{
    struct bed *bed = *state;
    static char record[] =
        "OCMF|{\"TT\":\"\xe2\x82\xac 'x' \\\" \n\r\t\"}|{}\0\xff";
    static char original[] = "\0\x01 as the meter wrote it";
    struct mg_dataset d = {.kind = MG_DATASET_REISSUE,
                           .state = MG_DATASET_DONE,
                           .meter = "bay-1",
                           .model = "WM3M4C",
                           .serial = "00471",
                           .transaction = "3f-\xc3\xa4';--",
                           .context = 'F',
                           .pagination = INT64_MAX,
                           .key_hex = "3059",
                           .fingerprint = "abcd",
                           .verdict = "valid-lenient",
                           .why = "error flag",
                           .mark = "key-changed,pagination-gap",
                           .begun_ms = 1,
                           .ended_ms = 2,
                           .stored_ms = 3,
                           .begin_mwh = -1,
                           .end_mwh = INT64_MAX,
                           .record = record,
                           .record_len = sizeof record - 1,
                           .original = original,
                           .original_len = sizeof original - 1};
    bed_open(bed);
    uint64_t ticket;
    assert_int_equal(mg_store_add_dataset(bed->store, &d, &ticket), MG_OK);
    struct mg_dataset copy = d, got;
    char bytes[sizeof record];
    memcpy(bytes, record, sizeof record);
    memset(record, 'x', sizeof record); /* the store must have copied it */
    bed_wait_durable(bed, ticket);
    bed_close(bed);

    struct mg_datasets *reader = reader_of(bed);
    struct mg_err err;
    assert_int_equal(mg_datasets_get(reader, 1, &got, &err), MG_OK);
    assert_int_equal(got.record_len, sizeof bytes - 1);
    assert_memory_equal(got.record, bytes, sizeof bytes - 1);
    assert_int_equal(got.record[got.record_len], '\0');
    assert_int_equal(got.original_len, sizeof original - 1);
    assert_memory_equal(got.original, original, sizeof original - 1);
    assert_string_equal(got.meter, copy.meter);
    assert_int_equal(got.kind, copy.kind);
    assert_int_equal(got.context, 'F');
    assert_int_equal(got.pagination, INT64_MAX);
    assert_string_equal(got.model, copy.model);
    assert_string_equal(got.serial, copy.serial);
    assert_string_equal(got.transaction, copy.transaction);
    assert_string_equal(got.key_hex, copy.key_hex);
    assert_string_equal(got.fingerprint, copy.fingerprint);
    assert_string_equal(got.verdict, copy.verdict);
    assert_string_equal(got.why, copy.why);
    assert_string_equal(got.mark, copy.mark);
    assert_int_equal(got.begun_ms, 1);
    assert_int_equal(got.ended_ms, 2);
    assert_int_equal(got.stored_ms, 3);
    assert_int_equal(got.begin_mwh, -1);
    assert_int_equal(got.end_mwh, INT64_MAX);
    assert_false(got.is_billable);
    assert_int_equal(mg_datasets_get(reader, 2, &got, &err), MG_E_NOTFOUND);
    mg_datasets_close(reader);
}

static void what_is_not_known_is_no_number(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    struct mg_dataset d = {.kind = MG_DATASET_UNKNOWN,
                           .state = MG_DATASET_VOID,
                           .meter = "a",
                           .begin_mwh = INT64_MIN,
                           .end_mwh = INT64_MIN,
                           .why = "no record could be had"};
    add(bed, &d);
    char text[32];
    bed_sql(bed,
            "SELECT count(*) FROM dataset WHERE pagination IS NULL AND begun_ms"
            " IS NULL AND ended_ms IS NULL AND begin_mwh IS NULL AND end_mwh"
            " IS NULL AND record IS NULL AND original IS NULL",
            text, sizeof text);
    assert_string_equal(text, "1");
    struct mg_datasets *reader = reader_of(bed);
    struct mg_err err;
    assert_int_equal(mg_datasets_get(reader, 1, &d, &err), MG_OK);
    assert_int_equal(d.context, 0);
    assert_int_equal(d.arrival, 0);
    assert_int_equal(d.begun_ms, 0);
    assert_int_equal(d.begin_mwh, INT64_MIN);
    assert_int_equal(d.end_mwh, INT64_MIN);
    assert_null(d.record);
    assert_null(d.original);
    assert_string_equal(d.why, "no record could be had");
    mg_datasets_close(reader);
}

static void refused(struct bed *bed, const struct mg_dataset *d)
{
    uint64_t ticket = 77;
    assert_int_equal(mg_store_add_dataset(bed->store, d, &ticket), MG_E_INVAL);
    assert_int_equal(ticket, 77);
}

static void wrong_datasets_are_refused(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    const struct mg_dataset right = signed_by("a", "k", 'T', 1);
    struct mg_dataset d = right;
    d.meter[0] = '\0';
    refused(bed, &d);
    d = right;
    memset(d.why, 'x', sizeof d.why); /* does not end */
    refused(bed, &d);
    d = right;
    d.kind = MG_N_DATASET_KINDS;
    refused(bed, &d);
    d = right;
    d.context = 'X';
    refused(bed, &d);
    d = right;
    d.record_len = 0; /* done without a record */
    refused(bed, &d);
    d = right;
    d.state = MG_DATASET_OPEN; /* open with one */
    refused(bed, &d);
    d = right;
    d.record_len = MG_DATASET_RECORD_MAX + 1;
    refused(bed, &d);
    add(bed, &right);
    char text[8];
    bed_sql(bed, "SELECT count(*) FROM dataset", text, sizeof text);
    assert_string_equal(text, "1");
}

static void longest_record_fits(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    char *bytes = malloc(MG_DATASET_RECORD_MAX);
    assert_non_null(bytes);
    for (size_t i = 0; i < MG_DATASET_RECORD_MAX; i++) {
        bytes[i] = (char)(i * 7);
    }
    struct mg_dataset d = signed_by("a", "k", 'T', 1);
    d.record = d.original = bytes;
    d.record_len = d.original_len = MG_DATASET_RECORD_MAX;
    add(bed, &d);
    struct mg_datasets *reader = reader_of(bed);
    struct mg_err err;
    assert_int_equal(mg_datasets_get(reader, 1, &d, &err), MG_OK);
    assert_int_equal(d.record_len, MG_DATASET_RECORD_MAX);
    assert_memory_equal(d.record, bytes, MG_DATASET_RECORD_MAX);
    assert_memory_equal(d.original, bytes, MG_DATASET_RECORD_MAX);
    mg_datasets_close(reader);
    free(bytes);
}

/* ---- Sessions ---- */

static void open_session(struct bed *bed, const char *meter,
                         const char *transaction)
{
    struct mg_dataset d = {.kind = MG_DATASET_TRANSACTION,
                           .state = MG_DATASET_OPEN,
                           .model = "m",
                           .serial = "s",
                           .begun_ms = 50,
                           .begin_mwh = 1000,
                           .end_mwh = INT64_MIN,
                           .stored_ms = 60};
    (void)snprintf(d.meter, sizeof d.meter, "%s", meter);
    (void)snprintf(d.transaction, sizeof d.transaction, "%s", transaction);
    add(bed, &d);
}

static void record_completes_the_row_of_its_session(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    open_session(bed, "b", "x"); /* another meter */
    open_session(bed, "a", "y"); /* another transaction */
    open_session(bed, "a", "x");
    add_transaction(bed, "x", MG_DATASET_BEGIN); /* a record of its own */
    struct mg_datasets *reader = reader_of(bed);
    finds(reader, (struct mg_dataset_filter){.is_open_only = true}, "1 2 3 ");
    add_transaction(bed, "x", MG_DATASET_TRANSACTION);
    finds(reader, (struct mg_dataset_filter){.is_open_only = true}, "1 2 ");
    finds(reader, (struct mg_dataset_filter){0}, "1 2 3 4 ");

    struct mg_dataset d;
    struct mg_err err;
    assert_int_equal(mg_datasets_get(reader, 3, &d, &err), MG_OK);
    assert_int_equal(d.state, MG_DATASET_DONE);
    assert_int_equal(d.arrival, 2); /* the record of the begin came first */
    assert_int_equal(d.pagination, 1);
    assert_string_equal(d.verdict, "valid");
    assert_string_equal(d.key_hex, "30k");
    assert_string_equal(d.record, "OCMF|{}|{}");
    assert_true(d.is_billable);
    assert_int_equal(d.begun_ms, 50); /* what the record does not tell */
    assert_int_equal(d.begin_mwh, 1000);
    assert_string_equal(d.model, "m");
    assert_string_equal(d.serial, "s");
    add_transaction(bed, "x", MG_DATASET_TRANSACTION); /* none is open now */
    finds(reader, (struct mg_dataset_filter){0}, "1 2 3 4 5 ");
    mg_datasets_close(reader);
}

static void what_the_record_tells_wins(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    open_session(bed, "a", "x");
    struct mg_dataset d = signed_by("a", "k", 'T', 9);
    (void)snprintf(d.transaction, sizeof d.transaction, "x");
    (void)snprintf(d.serial, sizeof d.serial, "other");
    d.begun_ms = 51;
    d.begin_mwh = 1001;
    add(bed, &d);
    struct mg_datasets *reader = reader_of(bed);
    struct mg_err err;
    assert_int_equal(mg_datasets_get(reader, 1, &d, &err), MG_OK);
    assert_int_equal(d.begun_ms, 51);
    assert_int_equal(d.begin_mwh, 1001);
    assert_string_equal(d.serial, "other");
    assert_string_equal(d.model, "m");
    mg_datasets_close(reader);
}

static void begin_told_twice_is_one_row(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    open_session(bed, "a", "x");
    open_session(bed, "a", "x");
    struct mg_datasets *reader = reader_of(bed);
    finds(reader, (struct mg_dataset_filter){0}, "1 ");
    mg_datasets_close(reader);
}

static void records_without_transaction_are_rows_of_their_own(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    open_session(bed, "a", "");
    add_transaction(bed, "", MG_DATASET_TRANSACTION);
    struct mg_datasets *reader = reader_of(bed);
    finds(reader, (struct mg_dataset_filter){0}, "1 2 ");
    finds(reader, (struct mg_dataset_filter){.is_open_only = true}, "1 ");
    mg_datasets_close(reader);
}

/* ---- Finding ---- */

static void filters_find_what_they_say(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    for (int i = 0; i < 8; i++) { /* ids 1..8 */
        struct mg_dataset d =
            signed_by(i % 2 == 0 ? "a" : "b", i < 4 ? "k1" : "k2", 'T', 1);
        d.kind = i < 6 ? MG_DATASET_TRANSACTION : MG_DATASET_FISCAL;
        d.is_billable = i % 3 == 0;
        d.stored_ms = 1000 + i;
        (void)snprintf(d.transaction, sizeof d.transaction, "t%d", i / 2);
        add(bed, &d);
    }
    open_session(bed, "a", "t9"); /* 9, stored at 60 */
    struct mg_datasets *r = reader_of(bed);
    finds(r, (struct mg_dataset_filter){0}, "1 2 3 4 5 6 7 8 9 ");
    finds(r, (struct mg_dataset_filter){.meter = "a"}, "1 3 5 7 9 ");
    finds(r, (struct mg_dataset_filter){.meter = "none"}, "");
    finds(r, (struct mg_dataset_filter){.transaction = "t1"}, "3 4 ");
    finds(r, (struct mg_dataset_filter){.meter = "b", .transaction = "t1"},
          "4 ");
    finds(r, (struct mg_dataset_filter){.fingerprint = "k2"}, "5 6 7 8 ");
    finds(r, (struct mg_dataset_filter){.from_ms = 1002, .to_ms = 1004},
          "3 4 5 ");
    finds(r, (struct mg_dataset_filter){.is_billable_only = true}, "1 4 7 ");
    finds(r, (struct mg_dataset_filter){.is_transactions_only = true},
          "1 2 3 4 5 6 9 ");
    finds(r, (struct mg_dataset_filter){.has_record = true, .meter = "a"},
          "1 3 5 7 ");
    finds(r, (struct mg_dataset_filter){.is_open_only = true}, "9 ");
    finds(r, (struct mg_dataset_filter){.is_open_only = true, .meter = "b"},
          "");
    finds(r, (struct mg_dataset_filter){.after_id = 6}, "7 8 9 ");
    finds(r,
          (struct mg_dataset_filter){.meter = "a",
                                     .fingerprint = "k1",
                                     .is_billable_only = true,
                                     .is_transactions_only = true,
                                     .has_record = true,
                                     .to_ms = 1001},
          "1 ");
    mg_datasets_close(r);
}

static void newest_is_by_pagination(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    static const uint64_t paginations[] = {3, 10, 9, 2};
    for (size_t i = 0; i < 4; i++) {
        struct mg_dataset d = signed_by("a", "k1", 'T', paginations[i]);
        add(bed, &d);
    }
    struct mg_dataset d = signed_by("a", "k1", 'F', 99);
    add(bed, &d);
    d = signed_by("a", "k2", 'T', 98);
    add(bed, &d);
    d = signed_by("b", "k1", 'T', 97);
    add(bed, &d);
    open_session(bed, "a", "x");
    struct mg_datasets *r = reader_of(bed);
    struct mg_err err;
    assert_int_equal(mg_datasets_newest(r, "a", "k1", 'T', &d, &err), MG_OK);
    assert_int_equal(d.id, 2);
    assert_int_equal(d.pagination, 10);
    assert_int_equal(mg_datasets_newest(r, "a", "k1", 'F', &d, &err), MG_OK);
    assert_int_equal(d.pagination, 99);
    assert_int_equal(mg_datasets_newest(r, "b", "k2", 'T', &d, &err),
                     MG_E_NOTFOUND);
    mg_datasets_close(r);
}

static void comes_by_pagination(struct mg_datasets *r, const char *meter,
                                const char *want)
{
    char got[128] = "";
    struct mg_dataset d;
    struct mg_err err;
    size_t len = 0;
    int rc = mg_datasets_by_pagination(r, NULL, meter, &d, &err);
    for (; rc == MG_OK;
         rc = mg_datasets_by_pagination(r, &d, meter, &d, &err)) {
        len += (size_t)snprintf(got + len, sizeof got - len, "%s%s%c%llu ",
                                d.meter, d.fingerprint, d.context,
                                (unsigned long long)d.pagination);
    }
    assert_int_equal(rc, MG_E_NOTFOUND);
    assert_string_equal(got, want);
}

static void audit_order_is_by_pagination(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    static const struct {
        const char *meter, *key;
        char context;
        uint64_t pagination;
    } rows[] = {{"b", "1", 'T', 3}, {"a", "2", 'T', 10}, {"a", "1", 'T', 9},
                {"a", "1", 'F', 1}, {"a", "1", 'T', 10}, {"a", "1", 'T', 2},
                {"b", "1", 'T', 0}, {"a", "1", 'T', 9}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct mg_dataset d = signed_by(rows[i].meter, rows[i].key,
                                        rows[i].context, rows[i].pagination);
        add(bed, &d);
    }
    open_session(bed, "a", "x"); /* no record, no pagination */
    struct mg_datasets *r = reader_of(bed);
    comes_by_pagination(r, NULL, "a1F1 a1T2 a1T9 a1T9 a1T10 a2T10 b1T0 b1T3 ");
    comes_by_pagination(r, "a", "a1F1 a1T2 a1T9 a1T9 a1T10 a2T10 ");
    comes_by_pagination(r, "b", "b1T0 b1T3 ");
    comes_by_pagination(r, "c", "");
    mg_datasets_close(r);
}

static void misses(struct bed *bed, const char *want)
{
    char got[64] = "";
    int64_t first, n, after = 0;
    struct mg_err err;
    struct mg_datasets *r = reader_of(bed);
    int rc;
    while ((rc = mg_datasets_missing(r, after, &first, &n, &err)) == MG_OK) {
        size_t len = strlen(got);
        (void)snprintf(got + len, sizeof got - len, "%lld+%lld ",
                       (long long)first, (long long)n);
        after = first + n - 1;
    }
    assert_int_equal(rc, MG_E_NOTFOUND);
    assert_string_equal(got, want);
    mg_datasets_close(r);
}

static void deleted_rows_are_missed(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    misses(bed, "");
    for (uint64_t i = 1; i <= 9; i++) {
        struct mg_dataset d = signed_by("a", "k", 'T', i);
        add(bed, &d);
    }
    misses(bed, "");
    bed_close(bed);
    bed_change(bed, "DELETE FROM dataset WHERE id IN (4, 5, 7)");
    misses(bed, "4+2 7+1 ");
    bed_change(bed, "DELETE FROM dataset WHERE id IN (1, 9)");
    misses(bed, "1+1 4+2 7+1 9+1 ");
    bed_change(bed, "DELETE FROM dataset");
    misses(bed, "1+9 ");
    bed_open(bed);
    struct mg_dataset d = signed_by("a", "k", 'T', 10);
    add(bed, &d); /* the numbers of those that are gone stay free */
    misses(bed, "1+9 ");
}

/* ---- Apart from the outbox ---- */

static void thinning_keeps_datasets_and_does_not_count_them(void **state)
{
    struct bed *bed = *state;
    bed->max_bytes = 20000;
    bed_open(bed);
    char payload[400];
    memset(payload, 'p', sizeof payload - 1);
    payload[sizeof payload - 1] = '\0';
    for (unsigned i = 0; i < 200; i++) {
        (void)bed_append(bed, MG_ROW_READINGS, "r", payload);
        struct mg_dataset d = signed_by("a", "k", 'T', i + 1);
        d.record = payload;
        d.record_len = sizeof payload - 1;
        uint64_t ticket;
        assert_int_equal(mg_store_add_dataset(bed->store, &d, &ticket), MG_OK);
        if (i % 20 == 19) {
            bed_wait_durable(bed, ticket);
        }
    }
    struct mg_store_stats stats;
    mg_store_stats(bed->store, &stats);
    assert_true(stats.n_bytes <= 20000);
    assert_true(stats.n_rows <= 20000 / 399);
    assert_true(stats.n_rows > 20);
    char text[8];
    bed_sql(bed, "SELECT count(*) FROM dataset", text, sizeof text);
    assert_string_equal(text, "200");
    misses(bed, "");
}

static void full_queue_takes_datasets(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    struct mg_store_row row = {.class_ = MG_ROW_EVENT, .topic = "e"};
    uint64_t ticket;
    while (mg_store_append(bed->store, &row, &ticket) == MG_OK) {
    }
    unsigned n = 0;
    struct mg_dataset d = signed_by("a", "k", 'T', 0);
    while (mg_store_add_dataset(bed->store, &d, &ticket) == MG_OK) {
        d.pagination = ++n;
    }
    assert_int_equal(n, 1024);
    bed_wait_durable(bed, ticket);
    char text[8];
    bed_sql(bed, "SELECT count(*) FROM dataset", text, sizeof text);
    assert_string_equal(text, "1024");
    add(bed, &d);
}

static void turn_is_one_transaction(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    struct mg_store_stats before, after;
    mg_store_stats(bed->store, &before);
    (void)bed_append(bed, MG_ROW_SIGNED, "m/a/signed", "{}");
    struct mg_dataset d = signed_by("a", "k", 'T', 1);
    uint64_t ticket;
    assert_int_equal(mg_store_add_dataset(bed->store, &d, &ticket), MG_OK);
    ticket = bed_put(bed, "next", "2");
    bed_wait_durable(bed, ticket);
    mg_store_stats(bed->store, &after);
    assert_int_equal(after.n_commits, before.n_commits + 1);
    assert_int_equal(after.n_rows, 1); /* the dataset is no row to send */
}

/* ---- Files ---- */

/* As the version before made it. */
static const char schema_1[] =
    "PRAGMA journal_mode=WAL; BEGIN;"
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE kv(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE outbox(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " class INTEGER NOT NULL, n_readings INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL);"
    "CREATE TABLE parked(id INTEGER PRIMARY KEY, class INTEGER NOT NULL,"
    " reason INTEGER NOT NULL, n_readings INTEGER NOT NULL,"
    " created_ms INTEGER NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL);"
    "CREATE INDEX parked_by_class ON parked(class, id);"
    "PRAGMA application_id=1835496308; PRAGMA user_version=1;"
    "INSERT INTO meta VALUES('epoch','0123456789abcdef');"
    "INSERT INTO kv VALUES('seq', x'2a');"
    "INSERT INTO outbox(class, n_readings, created_ms, topic, payload)"
    " VALUES(1, 0, 5, 'event', x'4142');"
    "COMMIT;";

static void file_of_version_1_is_brought_up_to_date(void **state)
{
    struct bed *bed = *state;
    bed_change(bed, schema_1);
    reader_fails(bed, MG_E_NOSUP, "older version");
    bed_open(bed);
    assert_string_equal(mg_store_epoch(bed->store), "0123456789abcdef");
    char byte = 0, text[32];
    size_t len = 0;
    struct mg_err err;
    assert_int_equal(mg_store_get(bed->store, "seq", &byte, 1, &len, &err),
                     MG_OK);
    assert_int_equal(byte, 42);
    struct mg_store_stats stats;
    mg_store_stats(bed->store, &stats);
    assert_int_equal(stats.n_rows, 1);
    struct mg_dataset d = signed_by("a", "k", 'T', 1);
    add(bed, &d);
    bed_sql(bed, "PRAGMA user_version", text, sizeof text);
    assert_string_equal(text, "3");
    bed_sql(bed, "SELECT payload FROM outbox", text, sizeof text);
    assert_string_equal(text, "AB");
    bed_close(bed);
    bed_open(bed); /* and once only */
    struct mg_datasets *r = reader_of(bed);
    finds(r, (struct mg_dataset_filter){0}, "1 ");
    mg_datasets_close(r);
}

static void both_ways_lead_to_the_same_tables(void **state)
{
    static const char all[] =
        "SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_schema"
        " WHERE sql IS NOT NULL ORDER BY name)";
    struct bed *bed = *state;
    char made[8192], upgraded[8192];
    bed_open(bed);
    bed_sql(bed, all, made, sizeof made);
    bed_close(bed);
    assert_int_equal(unlink(bed->path), 0);
    bed_change(bed, schema_1);
    bed_open(bed);
    bed_sql(bed, all, upgraded, sizeof upgraded);
    assert_string_equal(upgraded, made);
    assert_non_null(strstr(made, "WHERE state=0"));
}

static void failed_upgrade_changes_nothing(void **state)
{
    struct bed *bed = *state;
    bed_change(bed, schema_1);
    bed_change(bed, "CREATE TABLE dataset_open(x)"); /* in the way, late */
    struct mg_err err;
    bed_open_fails(bed, &err);
    assert_non_null(strstr(err.text, "cannot make the tables"));
    char text[16];
    bed_sql(bed, "PRAGMA user_version", text, sizeof text);
    assert_string_equal(text, "1");
    bed_sql(bed, "SELECT count(*) FROM sqlite_schema WHERE name='dataset'",
            text, sizeof text);
    assert_string_equal(text, "0");
    bed_change(bed, "DROP TABLE dataset_open");
    bed_open(bed);
}

static void readers_refuse_what_is_not_ours(void **state)
{
    struct bed *bed = *state;
    reader_fails(bed, MG_E_NOTFOUND, "there is no ");
    assert_int_equal(bed_size(bed, ""), 0);
    assert_int_not_equal(access(bed->path, F_OK), 0); /* nor was it made */
    bed_change(bed, "CREATE TABLE cats(name)");
    reader_fails(bed, MG_E_PROTO, "another program");
    assert_int_equal(unlink(bed->path), 0);
    bed_open(bed);
    bed_close(bed);
    bed_change(bed, "PRAGMA user_version=4");
    reader_fails(bed, MG_E_NOSUP, "newer version");
}

static void damaged_row_is_said_not_shown(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    struct mg_dataset d = signed_by("a", "k", 'T', 1);
    add(bed, &d);
    bed_close(bed);
    static const char *const changes[] = {
        "UPDATE dataset SET kind=99", "UPDATE dataset SET kind=0, state=-1",
        "UPDATE dataset SET state=1, verdict=hex(zeroblob(100))",
        "UPDATE dataset SET verdict='', context='TF'",
        "UPDATE dataset SET context='T', record=zeroblob(70000)"};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        bed_change(bed, changes[i]);
        struct mg_datasets *r = reader_of(bed);
        struct mg_err err;
        assert_int_equal(mg_datasets_get(r, 1, &d, &err), MG_E_IO);
        assert_non_null(strstr(err.text, "dataset 1 is not one of ours"));
        mg_datasets_close(r);
    }
}

/* ---- Beside a running gateway ---- */

static void reader_sees_what_is_durable_while_the_writer_runs(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    struct mg_datasets *r = reader_of(bed);
    struct mg_dataset_filter filter = {0};
    struct mg_dataset d, got;
    struct mg_err err;
    for (uint64_t i = 1; i <= 300; i++) {
        assert_int_equal(mg_datasets_next(r, &filter, &got, &err),
                         MG_E_NOTFOUND);
        d = signed_by("a", "k", 'T', i);
        add(bed, &d);
        assert_int_equal(mg_datasets_next(r, &filter, &got, &err), MG_OK);
        assert_int_equal(got.pagination, i);
        filter.after_id = got.id;
    }
    bed_close(bed); /* an open reader is no hindrance */
    assert_int_equal(mg_datasets_get(r, 300, &got, &err), MG_OK);
    bed_open(bed);
    d = signed_by("a", "k", 'T', 301);
    add(bed, &d);
    assert_int_equal(mg_datasets_next(r, &filter, &got, &err), MG_OK);
    assert_int_equal(got.pagination, 301);
    mg_datasets_close(r);
}

static void reader_leaves_no_read_open(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    struct mg_dataset d = signed_by("a", "k", 'T', 1), got;
    add(bed, &d);
    struct mg_datasets *r = reader_of(bed);
    struct mg_err err;
    assert_int_equal(mg_datasets_get(r, 1, &got, &err), MG_OK);
    assert_int_equal(mg_datasets_by_pagination(r, NULL, NULL, &got, &err),
                     MG_OK);
    d.pagination = 2;
    add(bed, &d);
    char busy[8]; /* a checkpoint that waits for readers would tell 1 */
    bed_sql(bed, "PRAGMA wal_checkpoint(TRUNCATE)", busy, sizeof busy);
    assert_string_equal(busy, "0");
    assert_int_equal(bed_size(bed, "-wal"), 0);
    mg_datasets_close(r);
}

static void kinds_have_their_names(void **state)
{
    (void)state;
    assert_string_equal(mg_dataset_kind_text(MG_DATASET_TRANSACTION),
                        "transaction");
    assert_string_equal(mg_dataset_kind_text(MG_DATASET_REISSUE), "reissue");
    for (int i = 0; i < MG_N_DATASET_KINDS; i++) {
        assert_non_null(mg_dataset_kind_text((enum mg_dataset_kind)i));
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_byte_comes_back),
        T(what_is_not_known_is_no_number),
        T(wrong_datasets_are_refused),
        T(longest_record_fits),
        T(record_completes_the_row_of_its_session),
        T(what_the_record_tells_wins),
        T(begin_told_twice_is_one_row),
        T(records_without_transaction_are_rows_of_their_own),
        T(filters_find_what_they_say),
        T(newest_is_by_pagination),
        T(audit_order_is_by_pagination),
        T(deleted_rows_are_missed),
        T(thinning_keeps_datasets_and_does_not_count_them),
        T(full_queue_takes_datasets),
        T(turn_is_one_transaction),
        T(file_of_version_1_is_brought_up_to_date),
        T(both_ways_lead_to_the_same_tables),
        T(failed_upgrade_changes_nothing),
        T(readers_refuse_what_is_not_ours),
        T(damaged_row_is_said_not_shown),
        T(reader_sees_what_is_durable_while_the_writer_runs),
        T(reader_leaves_no_read_open),
        cmocka_unit_test(kinds_have_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
