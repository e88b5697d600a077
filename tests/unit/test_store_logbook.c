/* The log book in the store: kept as it was written, by whomever. */
#include "store_bed.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/logbook.h"

static const uint8_t signature[] = {0x30, 0x06, 0x02, 0x01,
                                    0x05, 0x02, 0x01, 0x07};

static int set_up(void **state)
{
    struct bed *bed = calloc(1, sizeof *bed);
    assert_non_null(bed);
    bed_init(bed);
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *bed = *state;
    bed_fini(bed);
    free(bed);
    return 0;
}

static uint64_t add(struct bed *bed, int64_t number)
{
    char text[32];
    uint8_t hash[32];
    uint64_t ticket = 0;
    memset(hash, (int)number, sizeof hash);
    int n = snprintf(text, sizeof text, "entry %lld", (long long)number);
    assert_int_equal(
        mg_store_add_log(bed->store, number, text, (size_t)n, hash, &ticket),
        MG_OK);
    memset(text, 'x', sizeof text); /* the store must have copied it */
    return ticket;
}

static uint64_t sign(struct bed *bed, int64_t number, const char *fingerprint)
{
    uint64_t ticket = 0;
    assert_int_equal(mg_store_sign_log(bed->store, number, signature,
                                       sizeof signature, fingerprint, &ticket),
                     MG_OK);
    return ticket;
}

static void write_three(struct bed *bed)
{
    bed_open(bed);
    (void)add(bed, 1);
    (void)add(bed, 2);
    (void)sign(bed, 1, "f1");
    bed_wait_durable(bed, add(bed, 3));
}

static struct mg_logs *reader_of(const struct bed *bed)
{
    struct mg_err err;
    struct mg_logs *r = mg_logs_open(bed->path, &err);
    if (r == NULL) {
        fail_msg("%s", err.text);
    }
    return r;
}

static void row_is(const struct mg_log_row *row, int64_t number, bool is_signed)
{
    char text[32];
    uint8_t hash[32];
    memset(hash, (int)number, sizeof hash);
    (void)snprintf(text, sizeof text, "entry %lld", (long long)number);
    assert_int_equal(row->number, number);
    assert_int_equal(row->len, strlen(text));
    assert_memory_equal(row->text, text, row->len);
    assert_memory_equal(row->hash, hash, sizeof hash);
    assert_int_equal(row->signature_len, is_signed ? sizeof signature : 0);
    assert_memory_equal(row->signature, signature, row->signature_len);
    assert_string_equal(row->fingerprint, is_signed ? "f1" : "");
}

static void entries_are_read_back(void **state)
{
    struct bed *bed = *state;
    write_three(bed);
    struct mg_logs *r = reader_of(bed);
    struct mg_log_row row;
    struct mg_log_books books;
    struct mg_err err;
    int64_t number = 0;
    while (mg_logs_next(r, number, &row, &err) == MG_OK) {
        row_is(&row, ++number, row.number == 1);
    }
    assert_int_equal(err.code, MG_E_NOTFOUND);
    assert_int_equal(number, 3);
    assert_int_equal(mg_logs_newest(r, &row, &err), MG_OK);
    row_is(&row, 3, false);
    assert_int_equal(mg_logs_get(r, 1, &row, &err), MG_OK);
    row_is(&row, 1, true);
    assert_int_equal(mg_logs_get(r, 4, &row, &err), MG_E_NOTFOUND);
    assert_int_equal(mg_logs_unsigned(r, 0, &row, &err), MG_OK);
    row_is(&row, 2, false);
    assert_int_equal(mg_logs_unsigned(r, 2, &row, &err), MG_OK);
    row_is(&row, 3, false);
    assert_int_equal(mg_logs_unsigned(r, 3, &row, &err), MG_E_NOTFOUND);
    assert_int_equal(mg_logs_books(r, &books, &err), MG_OK);
    assert_int_equal(books.n_entries, 3);
    assert_int_equal(books.n_bytes, 3 * (7 + 32) + sizeof signature + 2);
    assert_int_equal(books.last_number, 3);
    assert_int_equal(books.last_hash[31], 3);
    mg_logs_close(r);
}

static void a_reader_sees_what_comes_while_it_is_open(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    struct mg_logs *r = reader_of(bed);
    struct mg_log_row row;
    struct mg_log_books books;
    struct mg_err err;
    char text[8];
    assert_int_equal(mg_logs_newest(r, &row, &err), MG_E_NOTFOUND);
    assert_int_equal(mg_logs_books(r, &books, &err), MG_OK);
    assert_int_equal(books.last_number, 0);
    bed_wait_durable(bed, add(bed, 1));
    assert_int_equal(mg_logs_next(r, 0, &row, &err), MG_OK);
    row_is(&row, 1, false);
    bed_wait_durable(bed, sign(bed, 1, "f1"));
    assert_int_equal(mg_logs_next(r, 0, &row, &err), MG_OK);
    row_is(&row, 1, true);
    assert_int_equal(mg_logs_value(r, "k", text, sizeof text, &err),
                     MG_E_NOTFOUND);
    bed_wait_durable(bed, bed_put(bed, "k", "1234567"));
    assert_int_equal(mg_logs_value(r, "k", text, sizeof text, &err), MG_OK);
    assert_string_equal(text, "1234567");
    assert_int_equal(mg_logs_value(r, "k", text, 7, &err), MG_E_PROTO);
    mg_logs_close(r);
}

static void is_signed_once(void **state)
{
    struct bed *bed = *state;
    write_three(bed);
    (void)sign(bed, 1, "another");
    bed_wait_durable(bed, sign(bed, 99, "f1")); /* there is no such entry */
    struct mg_logs *r = reader_of(bed);
    struct mg_log_row row;
    struct mg_err err;
    assert_int_equal(mg_logs_get(r, 1, &row, &err), MG_OK);
    row_is(&row, 1, true);
    mg_logs_close(r);
}

static void reopened_store_has_them_all(void **state)
{
    struct bed *bed = *state;
    write_three(bed);
    bed_close(bed);
    bed_open(bed);
    bed_wait_durable(bed, add(bed, 4));
    char text[64];
    bed_sql(bed, "SELECT group_concat(number) FROM logbook", text, sizeof text);
    assert_string_equal(text, "1,2,3,4");
}

static void wrong_calls_are_refused(void **state)
{
    struct bed *bed = *state;
    static char text[MG_LOG_TEXT_MAX + 1];
    uint8_t hash[32] = {0};
    uint64_t ticket;
    char long_print[MG_LOG_FINGERPRINT_LEN + 2];
    memset(long_print, 'f', sizeof long_print - 1);
    long_print[sizeof long_print - 1] = '\0';
    bed_open(bed);
    struct mg_store *s = bed->store;
    assert_int_equal(mg_store_add_log(s, 0, "a", 1, hash, &ticket), MG_E_INVAL);
    assert_int_equal(mg_store_add_log(s, 1, "a", 0, hash, &ticket), MG_E_INVAL);
    assert_int_equal(mg_store_add_log(s, 1, text, sizeof text, hash, &ticket),
                     MG_E_INVAL);
    assert_int_equal(mg_store_sign_log(s, 1, signature, 0, "f", &ticket),
                     MG_E_INVAL);
    assert_int_equal(mg_store_sign_log(s, 1, (const uint8_t *)text,
                                       MG_LOG_SIGNATURE_MAX + 1, "f", &ticket),
                     MG_E_INVAL);
    assert_int_equal(mg_store_sign_log(s, 1, signature, sizeof signature,
                                       long_print, &ticket),
                     MG_E_INVAL);
}

/* ---- Triggers ---- */

/* @return whether another program may do this */
static bool is_allowed(const struct bed *bed, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(bed->path, &db), SQLITE_OK);
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    assert_true(rc == SQLITE_OK || (rc & 0xff) == SQLITE_CONSTRAINT);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return rc == SQLITE_OK;
}

static void nobody_deletes_or_changes_an_entry(void **state)
{
    struct bed *bed = *state;
    static const char *const refused[] = {
        "DELETE FROM logbook",
        "DELETE FROM logbook WHERE number=3",
        "UPDATE logbook SET entry=x'00' WHERE number=2",
        "UPDATE logbook SET hash=zeroblob(32) WHERE number=2",
        "UPDATE logbook SET number=7 WHERE number=2",
        "UPDATE logbook SET fingerprint='x' WHERE number=2",
        "UPDATE logbook SET signature=x'01' WHERE number=1",
        "UPDATE logbook SET signature=NULL WHERE number=1",
        "UPDATE logbook SET fingerprint='x' WHERE number=1",
        "UPDATE logbook SET signature=x'01', entry=x'00' WHERE number=2",
        "UPDATE logbook SET signature=x'01', hash=zeroblob(32) WHERE number=2",
        "UPDATE logbook SET signature=x'01', number=7 WHERE number=2",
        "INSERT INTO logbook VALUES(2, x'00', zeroblob(32), NULL, '')",
        "INSERT OR REPLACE INTO logbook VALUES(2, x'00', zeroblob(32), NULL,"
        " '')",
        "INSERT OR REPLACE INTO logbook VALUES(3, x'00', zeroblob(32), NULL,"
        " '')",
        "UPDATE OR REPLACE logbook SET number=1, signature=x'01'"
        " WHERE number=2",
        "INSERT INTO logbook VALUES(-5, x'00', zeroblob(32), NULL, '')",
        "INSERT INTO logbook VALUES(3, x'00', zeroblob(32), NULL, '')"
        " ON CONFLICT DO UPDATE SET entry=x'01'"};
    write_three(bed);
    bed_close(bed);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (is_allowed(bed, refused[i])) {
            fail_msg("allowed: %s", refused[i]);
        }
    }
    bed_open(bed);
    struct mg_logs *r = reader_of(bed);
    struct mg_log_row row;
    struct mg_err err;
    for (int64_t i = 1; i <= 3; i++) {
        assert_int_equal(mg_logs_get(r, i, &row, &err), MG_OK);
        row_is(&row, i, i == 1);
    }
    mg_logs_close(r);
}

static void foreign_rows_are_said_not_shown(void **state)
{
    struct bed *bed = *state;
    write_three(bed);
    bed_close(bed);
    static const char *const changes[] = {
        "UPDATE logbook SET entry=zeroblob(5000) WHERE number=2",
        "UPDATE logbook SET entry=x'' WHERE number=2",
        "UPDATE logbook SET entry=x'41', hash=x'00' WHERE number=2",
        "UPDATE logbook SET hash=zeroblob(32), signature=zeroblob(113)"
        " WHERE number=2",
        "UPDATE logbook SET signature=NULL, fingerprint=hex(zeroblob(40))"
        " WHERE number=2"};
    bed_change(bed, "DROP TRIGGER logbook_stays; DROP TRIGGER"
                    " logbook_is_signed");
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        bed_change(bed, changes[i]);
        struct mg_logs *r = reader_of(bed);
        struct mg_log_row row;
        struct mg_err err;
        assert_int_equal(mg_logs_next(r, 1, &row, &err), MG_E_PROTO);
        assert_int_equal(row.number, 2);
        assert_non_null(strstr(err.text, "entry 2 of the log book"));
        mg_logs_close(r);
    }
}

/* ---- Versions ---- */

/* As versions 1 and 2 made it; of version 2 without what is not needed here. */
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
    "COMMIT;";
static const char to_schema_2[] =
    "CREATE TABLE dataset(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " kind INTEGER NOT NULL, state INTEGER NOT NULL, meter TEXT NOT NULL,"
    " transaction_id TEXT NOT NULL, context TEXT NOT NULL, pagination INTEGER,"
    " fingerprint TEXT NOT NULL, stored_ms INTEGER NOT NULL, begun_ms INTEGER,"
    " ended_ms INTEGER, begin_mwh INTEGER, end_mwh INTEGER,"
    " is_billable INTEGER NOT NULL, verdict TEXT NOT NULL,"
    " model TEXT NOT NULL, serial TEXT NOT NULL, mark TEXT NOT NULL,"
    " why TEXT NOT NULL, key_hex TEXT NOT NULL, arrival INTEGER, record BLOB,"
    " original BLOB);"
    "CREATE INDEX dataset_by_pagination"
    " ON dataset(meter, fingerprint, context, pagination);"
    "CREATE UNIQUE INDEX dataset_by_arrival ON dataset(arrival);"
    "CREATE INDEX dataset_by_transaction ON dataset(meter, transaction_id);"
    "CREATE INDEX dataset_open ON dataset(meter, transaction_id)"
    " WHERE state=0;"
    "CREATE TABLE reserve(id INTEGER PRIMARY KEY, space BLOB NOT NULL);"
    "INSERT INTO dataset(kind, state, meter, transaction_id, context,"
    " fingerprint, stored_ms, is_billable, verdict, model, serial, mark, why,"
    " key_hex) VALUES(0, 0, 'a', 't1', '', '', 5, 0, '', '', '', '', '', '');"
    "PRAGMA user_version=2";

static void older_files_get_a_log_book(void **state)
{
    struct bed *bed = *state;
    static const char all[] =
        "SELECT group_concat(sql, ';') FROM (SELECT sql FROM sqlite_schema"
        " WHERE sql IS NOT NULL ORDER BY name)";
    static char made[16384], upgraded[16384];
    char text[64];
    struct mg_err err;
    bed_open(bed);
    bed_sql(bed, all, made, sizeof made);
    assert_non_null(strstr(made, "logbook_is_kept"));
    for (int version = 1; version <= 2; version++) {
        bed_close(bed);
        assert_int_equal(unlink(bed->path), 0);
        bed_change(bed, schema_1);
        if (version == 2) {
            bed_change(bed, to_schema_2);
        }
        assert_null(mg_logs_open(bed->path, &err));
        assert_int_equal(err.code, MG_E_NOSUP);
        assert_non_null(strstr(err.text, "holds no log book yet"));
        bed->durable = 0;
        write_three(bed);
        assert_string_equal(mg_store_epoch(bed->store), "0123456789abcdef");
        bed_sql(bed, all, upgraded, sizeof upgraded);
        assert_string_equal(upgraded, made);
        bed_sql(bed, "PRAGMA user_version", text, sizeof text);
        assert_string_equal(text, "3");
        bed_sql(bed,
                "SELECT (SELECT count(*) FROM dataset) || hex(value)"
                " FROM kv WHERE key='seq'",
                text, sizeof text);
        assert_string_equal(text, version == 2 ? "12A" : "02A");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
        T(entries_are_read_back),
        T(a_reader_sees_what_comes_while_it_is_open),
        T(is_signed_once),
        T(reopened_store_has_them_all),
        T(wrong_calls_are_refused),
        T(nobody_deletes_or_changes_an_entry),
        T(foreign_rows_are_said_not_shown),
        T(older_files_get_a_log_book),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
