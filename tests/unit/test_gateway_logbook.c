/* The gateway's log book: signed in order, published once, whatever becomes of
 * the key, the disk and the gateway. */
#include "gateway_bed.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/signer.h"
#include "record/logbook_line.h"
#include "run/logbook.h"
#include "run/logbook_capacity.h"
#include "run/session_priv.h"
#include "store/logbook.h"

static char key_file[128];

static void make_key(void)
{
    struct mg_err err;
    assert_int_equal(mg_key_generate_file(key_file, MG_CURVE_SECP256R1, &err),
                     MG_OK);
}

static int set_up(void **state)
{
    struct gateway_bed *bed = malloc(sizeof *bed);
    assert_non_null(bed);
    bed_init(bed, 1);
    (void)snprintf(key_file, sizeof key_file, "%s/station.pem", bed->dir);
    bed->setup.station.is_enabled = true;
    bed->setup.station.key_file = key_file;
    make_key();
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    struct gateway_bed *bed = *state;
    (void)unlink(key_file); /* may be missing */
    bed_fini(bed);
    free(bed);
    return 0;
}

static void change(struct gateway_bed *bed, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(bed->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int64_t number_of(struct gateway_bed *bed, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    assert_int_equal(sqlite3_open(bed->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(q, 0);
    (void)sqlite3_finalize(q);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return n;
}

/* Signatures come from another thread. */
static void wait_for(struct gateway_bed *bed, const char *sql, int64_t n)
{
    for (int i = 0; i < 100000 && number_of(bed, sql) != n; i++) {
        (void)uv_run(&bed->loop, UV_RUN_NOWAIT);
        bed_pass(bed, i % 10 == 0 ? 10 : 0);
        mg_store_flush(bed->store);
    }
    assert_int_equal(number_of(bed, sql), n);
}

static const char n_signed[] = "SELECT count(signature) FROM logbook";
static const char n_entries[] = "SELECT count(*) FROM logbook";
static const char n_published[] =
    "SELECT count(*) FROM outbox WHERE topic='log'";

static void add(struct gateway_bed *bed, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        char session[16];
        (void)snprintf(session, sizeof session, "s%u", i);
        const struct mg_log_data data = {.connector = 1, .session = session};
        mg_logbook_add(bed->gateway, NULL, MG_LOGBOOK_CHARGING_STARTED, &data);
    }
}

/* Every entry is chained, signed and was published exactly once, in order, as
 * it is kept. */
static void check_all(struct gateway_bed *bed, int64_t n)
{
    struct mg_log_chain chain;
    struct mg_log_row row;
    struct mg_err err;
    struct mg_public_key *key;
    char buf[8192];
    FILE *file = fopen(key_file, "r");
    assert_non_null(file);
    (void)fclose(file);
    const struct mg_signer_settings settings = {.key_file = key_file};
    struct mg_signer *signer = mg_signer_open(&settings, &err);
    assert_non_null(signer);
    uint8_t spki[MG_KEY_SPKI_MAX];
    size_t spki_len = mg_public_key_spki(mg_signer_public_key(signer), spki);
    unsigned lenient;
    assert_int_equal(mg_public_key_parse((const char *)spki, spki_len,
                                         MG_N_CURVES, &key, &lenient, &err),
                     MG_OK);
    mg_log_chain_init(&chain);
    assert_int_equal(mg_log_chain_add_key(&chain, key), MG_OK);
    struct mg_logs *logs = mg_logs_open(bed->path, &err);
    assert_non_null(logs);
    sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    assert_int_equal(sqlite3_open(bed->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db,
                           "SELECT payload FROM outbox WHERE topic='log'"
                           " ORDER BY id",
                           -1, &q, NULL),
        SQLITE_OK);
    for (int64_t i = 1; i <= n; i++) {
        assert_int_equal(mg_logs_next(logs, i - 1, &row, &err), MG_OK);
        struct mg_log_link link = {.number = row.number,
                                   .text = row.text,
                                   .len = row.len,
                                   .hash = row.hash,
                                   .signature = row.signature,
                                   .signature_len = row.signature_len,
                                   .fingerprint = row.fingerprint};
        assert_true(row.signature_len > 0);
        if (mg_log_chain_feed(&chain, &link) != MG_OK) {
            fail_msg("entry %lld: %s", (long long)i, chain.why);
        }
        size_t len = 0;
        assert_int_equal(mg_log_line_write(&link, "ECDSA-secp256r1-SHA256", buf,
                                           sizeof buf, &len),
                         MG_OK);
        assert_int_equal(sqlite3_step(q), SQLITE_ROW);
        assert_int_equal(sqlite3_column_bytes(q, 0), len);
        assert_memory_equal(sqlite3_column_blob(q, 0), buf, len);
    }
    assert_int_equal(mg_logs_next(logs, n, &row, &err), MG_E_NOTFOUND);
    assert_int_equal(sqlite3_step(q), SQLITE_DONE);
    (void)sqlite3_finalize(q);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    mg_logs_close(logs);
    mg_signer_close(signer);
    mg_public_key_destroy(key);
}

static void test_more_than_wait_in_memory(void **state)
{
    struct gateway_bed *bed = *state;
    bed_run(bed);
    add(bed, 100);
    wait_for(bed, n_published, 102);
    mg_logbook_add(bed->gateway, NULL, MG_LOGBOOK_CLOCK_SYNC, NULL);
    wait_for(bed, n_published, 103);
    bed_stop(bed);
    check_all(bed, 104);
}

static void test_stop_signs_what_is_left(void **state)
{
    struct gateway_bed *bed = *state;
    bed_run(bed);
    wait_for(bed, n_published, 2);
    add(bed, 5);
    bed_stop(bed);
    assert_int_equal(number_of(bed, n_signed), 8);
    check_all(bed, 8);
}

static void test_killed_while_many_wait(void **state)
{
    struct gateway_bed *bed = *state;
    bed_run(bed);
    add(bed, 50);
    bed_kill(bed);
    int64_t n = number_of(bed, n_entries);
    assert_int_equal(n, 52);
    bed_run(bed);
    wait_for(bed, n_signed, n + 1);
    bed_stop(bed);
    check_all(bed, n + 2);
}

static void test_key_that_comes_later(void **state)
{
    struct gateway_bed *bed = *state;
    assert_int_equal(unlink(key_file), 0);
    bed_run(bed);
    add(bed, 30);
    bed_pass(bed, 65000); /* tried twice more */
    assert_int_equal(number_of(bed, n_entries), 33);
    assert_int_equal(number_of(bed, n_signed), 0);
    assert_int_equal(number_of(bed, n_published), 0);
    assert_int_equal(number_of(bed, "SELECT count(*) FROM logbook WHERE"
                                    " CAST(entry AS TEXT) LIKE"
                                    " '%SigningKeyInvalid%'"),
                     1);
    bed_stop(bed);
    bed_run(bed);
    assert_int_equal(number_of(bed, n_signed), 0);
    make_key();
    bed_pass(bed, 31000);
    wait_for(bed, n_published, number_of(bed, n_entries));
    bed_stop(bed);
    check_all(bed, 37); /* activation, two starts, stops, without a key */
}

static void test_full_queue_is_tried_again(void **state)
{
    struct gateway_bed *bed = *state;
    bed_run(bed);
    wait_for(bed, n_published, 2);
    bed->refuses_rows = true;
    add(bed, 3);
    bed_pass(bed, 3000);
    wait_for(bed, n_signed, 3); /* it stopped between two steps */
    bed->refuses_rows = false;
    wait_for(bed, n_published, 5);
    bed->refuses_values = true;
    add(bed, 3);
    wait_for(bed, n_published, 6);
    bed->refuses_values = false;
    wait_for(bed, n_published, 8);
    bed_stop(bed);
    check_all(bed, 9);
}

static void test_without_a_station_published_at_once(void **state)
{
    struct gateway_bed *bed = *state;
    bed->setup.station.is_enabled = false;
    bed_run(bed);
    add(bed, 40);
    wait_for(bed, n_published, 41);
    bed_kill(bed);
    bed_run(bed);
    wait_for(bed, n_published, 42); /* none again */
    assert_int_equal(number_of(bed, n_signed), 0);
    bed_stop(bed);
    assert_int_equal(number_of(bed, n_published), 43);
    bed->setup.station.is_enabled = true;
    change(bed, "DELETE FROM outbox WHERE topic='log'");
    bed_run(bed);
    wait_for(bed, n_published, 45); /* all of them, signed now */
    bed_stop(bed);
    check_all(bed, 46);
}

static void insert_many(struct gateway_bed *bed, int64_t after, int64_t n)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    assert_int_equal(sqlite3_open(bed->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "INSERT INTO logbook VALUES(?1, ?2, ?3,"
                                        " NULL, '')",
                                        -1, &q, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
    for (int64_t i = after + 1; i <= after + n; i++) {
        struct mg_log_entry e = {.number = i,
                                 .utc_ms = BED_UTC_MS,
                                 .clock = 'S',
                                 .event = MG_LOGBOOK_CLOCK_SYNC};
        char text[MG_LOG_ENTRY_MAX];
        uint8_t hash[32];
        size_t len = 0;
        assert_int_equal(mg_log_entry_build(&e, text, sizeof text, &len),
                         MG_OK);
        mg_log_hash(text, len, hash);
        (void)sqlite3_bind_int64(q, 1, i);
        (void)sqlite3_bind_blob(q, 2, text, (int)len, SQLITE_STATIC);
        (void)sqlite3_bind_blob(q, 3, hash, sizeof hash, SQLITE_STATIC);
        assert_int_equal(sqlite3_step(q), SQLITE_DONE);
        (void)sqlite3_reset(q);
    }
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_finalize(q);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Thousands that have waited keep nobody else from the disk. */
static void test_many_that_waited_leave_room(void **state)
{
    struct gateway_bed *bed = *state;
    struct mg_gateway_stats stats;
    bed->setup.station.is_enabled = false;
    bed_run(bed);
    bed_stop(bed);
    insert_many(bed, 2, 10000);
    bed_run(bed);
    wait_for(bed, n_published, 10003);
    mg_gateway_stats(bed->gateway, &stats);
    assert_int_equal(stats.n_unstored, 0);
    assert_int_equal(bed_n_events(bed, "started"), 2);
}

static void test_entries_of_meters(void **state)
{
    struct gateway_bed *bed = *state;
    bed_run(bed);
    const struct mg_log_data data = {.udid = "WFhYWFhYWFhYWFhYWA=="};
    mg_logbook_add(bed->gateway, &bed->gateway->meters[0],
                   MG_LOGBOOK_METER_TEST_PASSED, &data);
    bed_stop(bed);
    struct mg_err err;
    struct mg_log_row row;
    struct mg_logs *logs = mg_logs_open(bed->path, &err);
    assert_non_null(logs);
    assert_int_equal(mg_logs_get(logs, 3, &row, &err), MG_OK);
    char text[512];
    (void)snprintf(text, sizeof text, "%.*s", (int)row.len, row.text);
    assert_non_null(strstr(text, "\"clk\":\"R\",\"event\":\"MeterTestPassed\","
                                 "\"meter\":\"m0\",\"data\":{\"udid\":"
                                 "\"WFhYWFhYWF\"},\"prev\":\""));
    mg_logs_close(logs);
}

static void note_log(void *ctx, int code, const uint8_t *der, size_t der_len,
                     const char *why)
{
    (void)der;
    (void)der_len;
    (void)why;
    assert_int_equal(code, MG_OK);
    *strchr(ctx, '\0') = 'l';
}

static void note_record(void *ctx, int code, const uint8_t *der, size_t der_len,
                        const char *why)
{
    char *end = strchr(ctx, '\0');
    note_log(ctx, code, der, der_len, why);
    *end = 'r';
}

static void test_records_go_first(void **state)
{
    struct gateway_bed *bed = *state;
    char turns[16] = "";
    bed_run(bed);
    wait_for(bed, n_signed, 2);
    struct station *st = bed->gateway->station;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            mg_station_sign(st, MG_STATION_LOG, "x", 1, note_log, turns),
            MG_OK);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            mg_station_sign(st, MG_STATION_RECORD, "y", 1, note_record, turns),
            MG_OK);
    }
    assert_int_equal(turns[0], '\0'); /* never from within the call */
    for (int i = 0; i < 100000 && turns[4] == '\0'; i++) {
        (void)uv_run(&bed->loop, UV_RUN_ONCE);
    }
    assert_string_equal(turns, "lrrll"); /* the first was under way */
}

/* What was changed while it waited for its signature is not signed. */
static void test_changed_entries_are_not_signed(void **state)
{
    struct gateway_bed *bed = *state;
    assert_int_equal(unlink(key_file), 0);
    bed_run(bed);
    add(bed, 3);
    bed_stop(bed);
    change(bed, "DROP TRIGGER logbook_stays; DROP TRIGGER logbook_is_kept;"
                "DROP TRIGGER logbook_is_signed");
    change(bed, "UPDATE logbook SET entry=CAST(replace(CAST(entry AS TEXT),"
                " '\"connector\":1', '\"connector\":2') AS BLOB)"
                " WHERE number=4; DELETE FROM logbook WHERE number=6");
    make_key();
    bed_run(bed);
    wait_for(bed, n_signed, 6); /* 1 2 3 5 7 and the new one */
    assert_int_equal(number_of(bed, "SELECT number FROM logbook"
                                    " WHERE signature IS NULL"),
                     4);
    assert_int_equal(bed_n_events(bed, "log-broken"), 2);
}

static void test_capacity_is_watched(void **state)
{
    struct gateway_bed *bed = *state;
    bed_run(bed);
    add(bed, 10);
    bed_stop(bed);
    struct mg_err err;
    struct mg_log_capacity c;
    struct mg_logs *logs = mg_logs_open(bed->path, &err);
    assert_non_null(logs);
    assert_int_equal(mg_log_capacity_read(logs, bed->utc_ms, &c, &err), MG_OK);
    assert_int_equal(c.n_entries, 13);
    assert_int_equal(c.window_days, 1);
    assert_false(c.is_short);
    assert_true(c.bytes_per_day >= 3000 && c.bytes_per_day <= 7200);
    /* The same a hundred days later: nothing was logged in the window. */
    assert_int_equal(
        mg_log_capacity_read(logs, bed->utc_ms + 8640000000, &c, &err), MG_OK);
    assert_int_equal(c.bytes_per_day, 0);
    assert_int_equal(c.total_days, MG_LOG_DAYS_MAX);
    /* And fifty days later. */
    assert_int_equal(
        mg_log_capacity_read(logs, bed->utc_ms + 4320000000, &c, &err), MG_OK);
    assert_int_equal(c.window_days, 50);
    mg_logs_close(logs);
    bed_run(bed);
    assert_int_equal(bed_n_events(bed, "log-capacity"), 0);
    bed_stop(bed);
    change(bed, "UPDATE logbook_books SET n_bytes=490000000"); /* above 90 % */
    bed_run(bed);
    assert_int_equal(bed_n_events(bed, "log-capacity"), 1);
    bed_pass(bed, 3600000);
    assert_int_equal(bed_n_events(bed, "log-capacity"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
        T(test_more_than_wait_in_memory),
        T(test_stop_signs_what_is_left),
        T(test_killed_while_many_wait),
        T(test_key_that_comes_later),
        T(test_full_queue_is_tried_again),
        T(test_without_a_station_published_at_once),
        T(test_many_that_waited_leave_room),
        T(test_entries_of_meters),
        T(test_records_go_first),
        T(test_changed_entries_are_not_signed),
        T(test_capacity_is_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
