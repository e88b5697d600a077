/* The store through its header: files it opens and refuses, rows and values,
 * acknowledging and parking, limits, two threads. */
#include "store_bed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/store_priv.h"

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

static void stored_is(struct bed *bed, const char *key, const char *value)
{
    char buf[64];
    size_t len = 0;
    struct mg_err err;
    assert_int_equal(mg_store_get(bed->store, key, buf, sizeof buf, &len, &err),
                     MG_OK);
    assert_int_equal(len, strlen(value));
    assert_memory_equal(buf, value, len);
}

static void nothing_stored(struct bed *bed, const char *key)
{
    char buf[8];
    size_t len = 77;
    struct mg_err err;
    assert_int_equal(mg_store_get(bed->store, key, buf, sizeof buf, &len, &err),
                     MG_E_NOTFOUND);
    assert_int_equal(len, 77);
}

/* The rows of the outbox in order, as "payload payload ...". */
static void read_all(struct bed *bed, char *ret, size_t cap)
{
    struct mg_err err;
    struct mg_outbox *o = mg_outbox_open(bed->store, &err);
    assert_non_null(o);
    struct mg_store_row row = {0};
    int64_t last = 0;
    size_t len = 0;
    ret[0] = '\0';
    while (mg_outbox_next(o, last, &row, &err) == MG_OK) {
        assert_true(row.id > last);
        last = row.id;
        int n = snprintf(ret + len, cap - len, "%s%s", len > 0 ? " " : "",
                         row.payload);
        assert_true(n >= 0 && (size_t)n < cap - len);
        len += (size_t)n;
    }
    assert_int_equal(err.code, MG_E_NOTFOUND);
    mg_outbox_close(o);
}

static void rows_are(struct bed *bed, const char *want)
{
    char got[512];
    read_all(bed, got, sizeof got);
    assert_string_equal(got, want);
}

static int64_t first_id(struct bed *bed)
{
    struct mg_err err;
    struct mg_store_row row;
    struct mg_outbox *o = mg_outbox_open(bed->store, &err);
    assert_non_null(o);
    assert_int_equal(mg_outbox_next(o, 0, &row, &err), MG_OK);
    mg_outbox_close(o);
    return row.id;
}

/* ---- Opening ---- */

static void opens_and_keeps_its_epoch(void **state)
{
    struct bed *bed = *state;
    char epoch[17];
    bed_open(bed);
    assert_int_equal(strlen(mg_store_epoch(bed->store)), 16);
    assert_int_equal(strspn(mg_store_epoch(bed->store), "0123456789abcdef"),
                     16);
    (void)snprintf(epoch, sizeof epoch, "%s", mg_store_epoch(bed->store));
    bed_close(bed);
    bed_open(bed);
    assert_string_equal(mg_store_epoch(bed->store), epoch);
    bed_close(bed);

    assert_int_equal(unlink(bed->path), 0);
    bed_open(bed);
    assert_string_not_equal(mg_store_epoch(bed->store), epoch);
}

static void second_gateway_is_refused(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    struct mg_store *first = bed->store;
    struct mg_err err;
    bed_open_fails(bed, &err);
    assert_int_equal(err.code, MG_E_BUSY);
    char pid[32];
    (void)snprintf(pid, sizeof pid, "(pid %ld)", (long)getpid());
    assert_non_null(strstr(err.text, pid));
    bed->store = first;
    bed_wait_durable(bed, bed_put(bed, "a", "1")); /* it still works */
    bed_close(bed);
    bed_open(bed);
}

static void write_file(const struct bed *bed, const char *text)
{
    FILE *f = fopen(bed->path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void file_is(const struct bed *bed, const char *text)
{
    char got[8192] = "";
    FILE *f = fopen(bed->path, "r");
    assert_non_null(f);
    assert_int_equal(fread(got, 1, sizeof got - 1, f), strlen(text));
    assert_int_equal(fclose(f), 0);
    assert_string_equal(got, text);
}

static void no_database_is_left_as_it_is(void **state)
{
    struct bed *bed = *state;
    char text[5000];
    memset(text, 'n', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct mg_err err;
    write_file(bed, text);
    bed_open_fails(bed, &err);
    assert_int_equal(err.code, MG_E_PROTO);
    assert_non_null(strstr(err.text, "is not a database"));
    file_is(bed, text);
    write_file(bed, "short");
    bed_open_fails(bed, &err);
    assert_int_equal(err.code, MG_E_PROTO);
    file_is(bed, "short");
    write_file(bed, ""); /* a file that has still to be made */
    bed_open(bed);
}

static void torn_database_is_refused(void **state)
{
    struct bed *bed = *state;
    char text[5000];
    memset(text, 'n', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    memcpy(text, "SQLite format 3", 15);
    write_file(bed, text);
    FILE *f = fopen(bed->path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, 15, SEEK_SET), 0);
    assert_int_equal(fputc('\0', f), '\0');
    assert_int_equal(fclose(f), 0);
    struct mg_err err;
    bed_open_fails(bed, &err);
    assert_non_null(strstr(err.text, bed->path));
    assert_non_null(strstr(err.text, "not a database"));
}

static void foreign_database_is_refused(void **state)
{
    struct bed *bed = *state;
    bed_change(bed, "CREATE TABLE cats(name)");
    long long size = bed_size(bed, "");
    struct mg_err err;
    bed_open_fails(bed, &err);
    assert_int_equal(err.code, MG_E_PROTO);
    assert_non_null(strstr(err.text, "another program"));
    char mode[32];
    bed_sql(bed, "PRAGMA journal_mode", mode, sizeof mode);
    assert_string_equal(mode, "delete");
    assert_int_equal(bed_size(bed, ""), size);
    bed_change(bed, "PRAGMA user_version=1"); /* a version, but not ours */
    bed_open_fails(bed, &err);
    assert_int_equal(err.code, MG_E_PROTO);
}

static void newer_version_is_refused(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    bed_wait_durable(bed, bed_put(bed, "a", "1"));
    bed_close(bed);
    bed_change(bed, "PRAGMA user_version=4");
    struct mg_err err;
    bed_open_fails(bed, &err);
    assert_int_equal(err.code, MG_E_NOSUP);
    assert_non_null(strstr(err.text, "schema 4, this one knows up to 3"));
    bed_change(bed, "PRAGMA user_version=3");
    bed_open(bed);
    stored_is(bed, "a", "1");
}

static void damaged_epoch_is_refused(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    bed_close(bed);
    bed_change(bed, "UPDATE meta SET value='0123'");
    struct mg_err err;
    bed_open_fails(bed, &err);
    assert_non_null(strstr(err.text, "epoch"));
}

static void folder_must_be_there(void **state)
{
    struct bed *bed = *state;
    struct bed other = *bed;
    (void)snprintf(other.path, sizeof other.path, "%s/no/store.db", bed->dir);
    struct mg_err err;
    struct mg_store_settings settings = {.path = other.path};
    struct mg_store_events none = {0};
    assert_null(mg_store_open(&bed->loop, &settings, &none, NULL, &err));
    assert_int_equal(err.code, MG_E_IO);
    assert_non_null(strstr(err.text, "/no/store.db"));
}

static void file_is_not_for_everybody_and_settings_hold(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    bed_wait_durable(bed, bed_put(bed, "a", "1"));
    char mode[32];
    bed_sql(bed, "PRAGMA journal_mode", mode, sizeof mode);
    assert_string_equal(mode, "wal");
    uv_fs_t req;
    assert_int_equal(uv_fs_stat(NULL, &req, bed->path, NULL), 0);
    assert_int_equal(req.statbuf.st_mode & 0007, 0);
    uv_fs_req_cleanup(&req);
}

/* ---- Values ---- */

static void values_are_set_and_deleted_in_order(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    nothing_stored(bed, "a");
    (void)bed_put(bed, "a", "1");
    (void)bed_put(bed, "b", "2");
    (void)bed_put(bed, "a", "three");
    bed_wait_durable(bed, bed_put(bed, "b", ""));
    stored_is(bed, "a", "three");
    nothing_stored(bed, "b");
    bed_close(bed);
    bed_open(bed);
    stored_is(bed, "a", "three");

    char small[4] = "abc";
    size_t len = 77;
    struct mg_err err;
    assert_int_equal(
        mg_store_get(bed->store, "a", small, sizeof small, &len, &err),
        MG_E_NOSPC);
    assert_int_equal(len, 77);
    assert_string_equal(small, "abc");
}

static void nonsense_is_refused(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    static char big[MG_STORE_PAYLOAD_MAX + 1];
    char key[MG_STORE_KEY_MAX + 1];
    memset(key, 'k', sizeof key);
    key[MG_STORE_KEY_MAX] = '\0';
    uint64_t ticket = 77;
    assert_int_equal(mg_store_put(bed->store, "", "v", 1, &ticket), MG_E_INVAL);
    assert_int_equal(mg_store_put(bed->store, key, "v", 1, &ticket),
                     MG_E_INVAL);
    assert_int_equal(
        mg_store_put(bed->store, "k", big, MG_STORE_VALUE_MAX + 1, &ticket),
        MG_E_INVAL);
    struct mg_store_row row = {.topic = "t", .payload = big, .len = sizeof big};
    assert_int_equal(mg_store_append(bed->store, &row, &ticket), MG_E_INVAL);
    row.len = 1;
    row.topic[0] = '\0';
    assert_int_equal(mg_store_append(bed->store, &row, &ticket), MG_E_INVAL);
    memset(row.topic, 't', sizeof row.topic); /* without an end */
    assert_int_equal(mg_store_append(bed->store, &row, &ticket), MG_E_INVAL);
    assert_int_equal(ticket, 77);
    key[MG_STORE_KEY_MAX - 1] = '\0'; /* the longest */
    assert_int_equal(
        mg_store_put(bed->store, key, big, MG_STORE_VALUE_MAX, &ticket), MG_OK);
    row.topic[MG_STORE_TOPIC_MAX - 1] = '\0';
    row.len = MG_STORE_PAYLOAD_MAX;
    assert_int_equal(mg_store_append(bed->store, &row, &ticket), MG_OK);
    bed_wait_durable(bed, ticket);
    struct mg_err err;
    struct mg_outbox *o = mg_outbox_open(bed->store, &err);
    assert_int_equal(mg_outbox_next(o, 0, &row, &err), MG_OK);
    assert_int_equal(row.len, MG_STORE_PAYLOAD_MAX);
    assert_int_equal(strlen(row.topic), MG_STORE_TOPIC_MAX - 1);
    mg_outbox_close(o);
}

/* ---- Rows ---- */

static void rows_come_back_whole_and_in_order(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    struct mg_err err;
    struct mg_outbox *o = mg_outbox_open(bed->store, &err);
    assert_non_null(o);
    struct mg_store_row row = {.id = 77};
    assert_int_equal(mg_outbox_next(o, 0, &row, &err), MG_E_NOTFOUND);
    assert_int_equal(row.id, 77);

    (void)bed_append(bed, MG_ROW_READINGS, "m/a/readings", "[1]");
    (void)bed_append(bed, MG_ROW_EVENT, "event", "");
    bed_wait_durable(bed, bed_append(bed, MG_ROW_SIGNED, "m/a/ocmf", "OCMF"));
    assert_int_equal(mg_outbox_next(o, 0, &row, &err), MG_OK);
    assert_int_equal(row.class_, MG_ROW_READINGS);
    assert_string_equal(row.topic, "m/a/readings");
    assert_string_equal(row.payload, "[1]");
    assert_int_equal(row.len, 3);
    assert_int_equal(row.n_readings, 10);
    assert_int_equal(row.created_ms, 1700000000000);
    int64_t id = row.id;
    assert_int_equal(mg_outbox_next(o, id, &row, &err), MG_OK);
    assert_int_equal(row.class_, MG_ROW_EVENT);
    assert_int_equal(row.len, 0);
    assert_true(row.id > id);
    assert_int_equal(mg_outbox_next(o, row.id, &row, &err), MG_OK);
    assert_int_equal(row.class_, MG_ROW_SIGNED);
    assert_int_equal(mg_outbox_next(o, row.id, &row, &err), MG_E_NOTFOUND);
    mg_outbox_close(o);

    struct mg_store_stats stats;
    mg_store_stats(bed->store, &stats);
    assert_int_equal(stats.n_rows, 3);
    assert_int_equal(stats.n_bytes, 7);
    assert_int_equal(stats.oldest_ms, 1700000000000);
}

static void one_turn_is_one_commit(void **state)
{
    struct bed *bed = *state;
    bed->commit_ms = 1;
    bed_open(bed);
    struct mg_store_stats stats;
    (void)bed_append(bed, MG_ROW_EVENT, "event", "1");
    /* The commit is due, but the turn has not ended. */
    uint64_t until = uv_hrtime() + 20000000;
    while (uv_hrtime() < until) {
        mg_store_stats(bed->store, &stats);
        assert_int_equal(stats.n_commits, 0);
    }
    bed_wait_durable(bed, bed_put(bed, "number", "1"));
    mg_store_stats(bed->store, &stats);
    assert_int_equal(stats.n_commits, 1);
    assert_int_equal(bed->n_durable_calls, 1);
}

static void close_commits_everything(void **state)
{
    struct bed *bed = *state;
    bed->commit_ms = 1000000;
    bed_open(bed);
    for (unsigned i = 0; i < 2500; i++) { /* more than one transaction */
        char number[16];
        (void)snprintf(number, sizeof number, "%u", i);
        (void)bed_append(bed, MG_ROW_EVENT, "event", number);
        (void)bed_put(bed, "last", number);
    }
    bed_close(bed);
    assert_int_equal(bed->n_durable_calls, 0); /* no event follows */
    assert_int_equal(bed_size(bed, "-wal"), 0);
    bed_open(bed);
    stored_is(bed, "last", "2499");
    struct mg_store_stats stats;
    mg_store_stats(bed->store, &stats);
    assert_int_equal(stats.n_rows, 2500);
    assert_int_equal(stats.n_bytes, 10 + 90 * 2 + 900 * 3 + 1500 * 4);
}

/* A record and the row that publishes it are handed over in one turn; a flush
 * for something else in between must not part them. */
static void flush_keeps_a_turn_together(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    (void)bed_put(bed, "a", "1");
    mg_store_flush(bed->store);
    uv_mutex_lock(&bed->store->mutex);
    bool may_be_taken = bed->store->queue.sealed != NULL;
    size_t n_waiting = bed->store->queue.waiting.n[STORE_ITEM_PUT];
    uv_mutex_unlock(&bed->store->mutex);
    assert_false(may_be_taken);
    assert_int_equal(n_waiting, 1);
    bed_wait_durable(bed, bed_append(bed, MG_ROW_SIGNED, "t", "p"));
}

static void flush_does_not_wait(void **state)
{
    struct bed *bed = *state;
    bed->commit_ms = 1000000; /* the watchdog would bite first */
    bed_open(bed);
    uint64_t ticket = bed_append(bed, MG_ROW_EVENT, "event", "1");
    mg_store_flush(bed->store);
    bed_wait_durable(bed, ticket);
    mg_store_flush(bed->store); /* nothing to do */
    ticket = bed_append(bed, MG_ROW_EVENT, "event", "2");
    mg_store_flush(bed->store);
    bed_wait_durable(bed, ticket);
}

static void much_does_not_wait(void **state)
{
    struct bed *bed = *state;
    bed->commit_ms = 1000000;
    bed_open(bed);
    uint64_t ticket = 0;
    for (unsigned i = 0; i < 1000; i++) {
        ticket = bed_append(bed, MG_ROW_READINGS, "m/a/readings", "[]");
    }
    bed_wait_durable(bed, ticket);
}

/* ---- Settling ---- */

static bool is_empty(const struct mg_store_stats *stats)
{
    return stats->n_rows == 0;
}

static bool has_one_row(const struct mg_store_stats *stats)
{
    return stats->n_rows == 1;
}

static void ack_deletes_for_good(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    (void)bed_append(bed, MG_ROW_READINGS, "m/a/readings", "one");
    bed_wait_durable(bed, bed_append(bed, MG_ROW_SIGNED, "m/a/ocmf", "two"));
    int64_t id = first_id(bed);
    mg_store_ack(bed->store, id);
    rows_are(bed, "two"); /* at once, whether written or not */
    mg_store_ack(bed->store, id);
    mg_store_ack(bed->store, 12345);
    bed_wait_stats(bed, has_one_row);
    rows_are(bed, "two");
    mg_store_ack(bed->store, id + 1);
    bed_close(bed); /* also what waits */
    bed_open(bed);
    struct mg_store_stats stats;
    mg_store_stats(bed->store, &stats);
    assert_int_equal(stats.n_rows, 0);
    assert_int_equal(stats.n_bytes, 0);
    assert_int_equal(stats.oldest_ms, 0);
    bed_wait_durable(bed, bed_append(bed, MG_ROW_EVENT, "event", "three"));
    assert_int_equal(first_id(bed), id + 2); /* never given twice */
}

static void park_keeps_aside_with_the_reason(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    (void)bed_append(bed, MG_ROW_EVENT, "event", "poison");
    bed_wait_durable(bed, bed_append(bed, MG_ROW_EVENT, "event", "good"));
    mg_store_park(bed->store, first_id(bed), 0x87);
    rows_are(bed, "good");
    bed_wait_stats(bed, has_one_row);
    rows_are(bed, "good");
    struct mg_store_stats stats;
    mg_store_stats(bed->store, &stats);
    assert_int_equal(stats.n_parked, 1);
    assert_int_equal(stats.n_bytes, 4);
    char text[64];
    bed_sql(bed, "SELECT reason || topic || payload FROM parked", text,
            sizeof text);
    assert_string_equal(text, "135eventpoison");
    bed_close(bed);
    bed_open(bed);
    mg_store_stats(bed->store, &stats);
    assert_int_equal(stats.n_parked, 1);
}

static void parked_readings_are_bounded(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    (void)bed_append(bed, MG_ROW_EVENT, "event", "keep");
    uint64_t ticket = 0;
    for (unsigned i = 0; i < 1010; i++) {
        ticket = bed_append(bed, MG_ROW_READINGS, "m/a/readings", "x");
    }
    bed_wait_durable(bed, ticket);
    for (int64_t id = first_id(bed), last = id + 1010; id <= last; id++) {
        mg_store_park(bed->store, id, 0x99);
    }
    bed_wait_stats(bed, is_empty);
    struct mg_store_stats stats;
    mg_store_stats(bed->store, &stats);
    assert_int_equal(stats.n_parked, 1001);
    assert_int_equal(stats.n_dropped_readings, 100);
    char text[64];
    bed_sql(bed, "SELECT group_concat(payload) FROM parked WHERE class=1", text,
            sizeof text);
    assert_string_equal(text, "keep");
    bed_sql(bed, "SELECT min(id) FROM parked WHERE class=0", text, sizeof text);
    assert_string_equal(text, "12"); /* the oldest went */
}

/* ---- Limits ---- */

static void append_live(struct bed *bed, int64_t created_ms, size_t len,
                        uint64_t *ret_ticket)
{
    static char payload[4096];
    struct mg_store_row row = {.class_ = MG_ROW_READINGS,
                               .topic = "m/a/readings",
                               .payload = payload,
                               .len = len,
                               .n_readings = 3,
                               .created_ms = created_ms};
    assert_int_equal(mg_store_append(bed->store, &row, ret_ticket), MG_OK);
}

/* 100 kB of room; 200 minutes with one row of 1000 bytes each. */
static void full_outbox_thins_out_then_drops_the_oldest(void **state)
{
    struct bed *bed = *state;
    bed->max_bytes = 100000;
    bed_open(bed);
    (void)bed_append(bed, MG_ROW_EVENT, "event", "keep");
    (void)bed_append(bed, MG_ROW_SIGNED, "m/a/ocmf", "this");
    uint64_t ticket = 0;
    for (int64_t minute = 0; minute < 200; minute++) {
        append_live(bed, 1700000400000 + minute * 60000, 1000, &ticket);
        bed_wait_durable(bed, ticket);
    }
    struct mg_store_stats stats;
    mg_store_stats(bed->store, &stats);
    assert_in_range(stats.n_bytes, 90000, 100000);
    char text[64];
    bed_sql(bed, "SELECT sum(length(payload)) FROM outbox", text, sizeof text);
    assert_int_equal(strtoull(text, NULL, 10), stats.n_bytes);
    bed_sql(bed, "SELECT count(*) FROM outbox WHERE class>0", text,
            sizeof text);
    assert_string_equal(text, "2");
    /* 1700000400 s is a tenth minute: of the oldest hour every tenth stays. */
    bed_sql(bed,
            "SELECT group_concat((created_ms-1700000400000)/60000) FROM outbox"
            " WHERE class=0 AND created_ms<1700000400000+60*60000",
            text, sizeof text);
    assert_string_equal(text, "0,10,20,30,40,50");
    bed_sql(bed, "SELECT count(*) FROM outbox WHERE class=0", text,
            sizeof text);
    assert_int_equal(stats.n_dropped_readings,
                     3 * (200 - (int)strtol(text, NULL, 10)));
    bed_wait_count(bed, &bed->n_troubles, 1);
    assert_int_equal(bed->trouble.code, MG_E_NOSPC);
    assert_non_null(strstr(bed->trouble.text, "outbox is full"));
    assert_true(bed->lost_rows > 0);
    assert_int_equal(bed->lost_readings, 3 * bed->lost_rows);
    assert_int_equal(bed->n_overs, 0);

    /* Much more: all is thinned, so the oldest go. */
    for (int64_t minute = 200; minute < 2000; minute++) {
        append_live(bed, 1700000400000 + minute * 60000, 1000, &ticket);
        if (minute % 10 == 0) {
            bed_wait_durable(bed, ticket);
        }
    }
    bed_wait_durable(bed, ticket);
    mg_store_stats(bed->store, &stats);
    assert_in_range(stats.n_bytes, 80000, 100000);
    bed_sql(bed,
            "SELECT min(created_ms)>1700000400000 FROM outbox WHERE class=0",
            text, sizeof text);
    assert_string_equal(text, "1");
    bed_sql(bed, "SELECT group_concat(payload, '') FROM outbox WHERE class>0",
            text, sizeof text);
    assert_string_equal(text, "keepthis");
}

static void full_outbox_is_over_when_the_broker_takes_rows(void **state)
{
    struct bed *bed = *state;
    bed->max_bytes = 10000;
    bed_open(bed);
    uint64_t ticket = 0;
    for (int64_t minute = 0; minute < 12; minute++) {
        append_live(bed, 1700000400000 + minute * 60000, 1000, &ticket);
    }
    bed_wait_durable(bed, ticket);
    bed_wait_count(bed, &bed->n_troubles, 1);
    for (int64_t id = 1; id <= 12; id++) {
        mg_store_ack(bed->store, id);
    }
    bed_wait_count(bed, &bed->n_overs, 1);
    assert_int_equal(bed->n_troubles, 1);
    bed_wait_stats(bed, is_empty);
}

static void events_alone_may_exceed_the_limit(void **state)
{
    struct bed *bed = *state;
    bed->max_bytes = 10;
    bed_open(bed);
    (void)bed_append(bed, MG_ROW_EVENT, "event", "more than ten bytes");
    (void)bed_append(bed, MG_ROW_READINGS, "m/a/readings", "[]");
    bed_wait_durable(bed, bed_append(bed, MG_ROW_SIGNED, "m/a/ocmf", "signed"));
    rows_are(bed, "more than ten bytes signed");
}

static void queue_has_an_end(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    uint64_t ticket = 0, first = bed_append(bed, MG_ROW_EVENT, "event", "one");
    for (unsigned i = 1; i < 4096; i++) {
        ticket = bed_append(bed, MG_ROW_READINGS, "m/a/readings", "x");
    }
    assert_int_equal(ticket, first + 4095);
    struct mg_store_row row = {.topic = "m/a/readings", .n_readings = 10};
    ticket = 77;
    assert_int_equal(mg_store_append(bed->store, &row, &ticket), MG_E_NOSPC);
    assert_int_equal(ticket, 77);
    /* Events push out the oldest readings; values have room of their own. */
    (void)bed_append(bed, MG_ROW_EVENT, "event", "two");
    (void)bed_append(bed, MG_ROW_SIGNED, "m/a/ocmf", "three");
    bed_wait_durable(bed, bed_put(bed, "last", "4098"));
    bed_wait_count(bed, &bed->n_troubles, 1);
    assert_int_equal(bed->lost_rows, 2);
    assert_int_equal(bed->lost_readings, 20);
    struct mg_store_stats stats;
    mg_store_stats(bed->store, &stats);
    assert_int_equal(stats.n_rows, 4096);
    assert_int_equal(stats.n_dropped_readings, 20);
    char text[64];
    bed_sql(bed, "SELECT group_concat(payload) FROM outbox WHERE class>0", text,
            sizeof text);
    assert_string_equal(text, "one,two,three");
    bed_wait_count(bed, &bed->n_overs, 1);
    (void)bed_append(bed, MG_ROW_READINGS, "m/a/readings", "x");
}

static void queue_of_events_refuses(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    uint64_t ticket = 0;
    for (unsigned i = 0; i < 4096; i++) {
        ticket = bed_append(bed, MG_ROW_EVENT, "event", "x");
        (void)bed_put(bed, "k", "v");
    }
    struct mg_store_row row = {.topic = "event", .class_ = MG_ROW_EVENT};
    assert_int_equal(mg_store_append(bed->store, &row, &ticket), MG_E_NOSPC);
    assert_int_equal(mg_store_put(bed->store, "k", "v", 1, &ticket),
                     MG_E_NOSPC);
    bed_wait_durable(bed, 8192);
    struct mg_store_stats stats;
    mg_store_stats(bed->store, &stats);
    assert_int_equal(stats.n_rows, 4096);
    assert_int_equal(stats.n_dropped_readings, 0);
}

static void queue_counts_bytes(void **state)
{
    struct bed *bed = *state;
    static char big[MG_STORE_PAYLOAD_MAX];
    bed_open(bed);
    struct mg_store_row row = {.class_ = MG_ROW_READINGS,
                               .topic = "t",
                               .payload = big,
                               .len = sizeof big};
    uint64_t ticket = 0;
    unsigned n = 0;
    while (mg_store_append(bed->store, &row, &ticket) == MG_OK) {
        n++;
    }
    assert_int_equal(n, 255); /* 64 MiB, less the topics */
    row.class_ = MG_ROW_SIGNED;
    assert_int_equal(mg_store_append(bed->store, &row, &ticket), MG_OK);
    bed_wait_durable(bed, ticket);
    struct mg_store_stats stats;
    mg_store_stats(bed->store, &stats);
    assert_int_equal(stats.n_rows, 255);
}

/* A box that runs for years: the same pages are used again and again. */
static void file_and_wal_do_not_grow(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    uint64_t ticket = 0;
    long long early = 0, wal = 0;
    int64_t id = 0;
    struct mg_err err;
    struct mg_outbox *o = mg_outbox_open(bed->store, &err);
    assert_non_null(o);
    for (unsigned round = 0; round < 400; round++) {
        for (unsigned i = 0; i < 10; i++) {
            append_live(bed, 1700000400000, 4000, &ticket);
        }
        bed_wait_durable(bed, ticket);
        struct mg_store_row row;
        while (id < (int64_t)round * 10 + 10) { /* never reads to the end */
            assert_int_equal(mg_outbox_next(o, id, &row, &err), MG_OK);
            id = row.id;
            mg_store_ack(bed->store, id);
        }
        early = round == 150 ? bed_size(bed, "") : early;
        wal = bed_size(bed, "-wal") > wal ? bed_size(bed, "-wal") : wal;
    }
    mg_outbox_close(o);
    assert_int_equal(id, 4000);
    assert_true(early > 0);
    assert_true(bed_size(bed, "") <= early + 256 * 1024);
    assert_true(wal > 0 && wal <= 8LL * 1024 * 1024);
}

/* ---- Threads ---- */

#define N_PUMPED 3000

struct uplink {
    struct mg_store *store;
    struct mg_outbox *outbox;
    uv_sem_t woken;
    int64_t last_id;
    unsigned n_rows;
    bool is_wrong;
};

static void wake_uplink(void *ctx)
{
    struct uplink *u = ctx;
    uv_sem_post(&u->woken);
}

static void run_uplink(void *arg)
{
    struct uplink *u = arg;
    struct mg_store_row row;
    struct mg_err err;
    while (u->n_rows < N_PUMPED) {
        uv_sem_wait(&u->woken);
        while (mg_outbox_next(u->outbox, u->last_id, &row, &err) == MG_OK) {
            u->is_wrong = u->is_wrong || row.id <= u->last_id ||
                          strtoul(row.payload, NULL, 10) != u->n_rows;
            u->last_id = row.id;
            u->n_rows++;
            if (u->n_rows % 100 == 0) {
                mg_store_park(u->store, row.id, 0x99);
            } else {
                mg_store_ack(u->store, row.id);
            }
        }
        u->is_wrong = u->is_wrong || err.code != MG_E_NOTFOUND;
    }
}

static void uplink_reads_while_the_loop_writes(void **state)
{
    struct bed *bed = *state;
    bed_open(bed);
    struct uplink u = {.store = bed->store};
    struct mg_err err;
    u.outbox = mg_outbox_open(bed->store, &err);
    assert_non_null(u.outbox);
    assert_int_equal(uv_sem_init(&u.woken, 0), 0);
    mg_store_set_wake(bed->store, wake_uplink, &u);
    uv_thread_t thread;
    assert_int_equal(uv_thread_create(&thread, run_uplink, &u), 0);
    for (unsigned i = 0; i < N_PUMPED; i++) {
        char number[16];
        (void)snprintf(number, sizeof number, "%u", i);
        uint64_t ticket = bed_append(bed, MG_ROW_READINGS, "t", number);
        if (i % 50 == 0) {
            bed_wait_durable(bed, ticket);
        } else {
            (void)uv_run(&bed->loop, UV_RUN_NOWAIT);
        }
    }
    mg_store_flush(bed->store);
    assert_int_equal(uv_thread_join(&thread), 0);
    mg_store_set_wake(bed->store, NULL, NULL);
    mg_outbox_close(u.outbox);
    uv_sem_destroy(&u.woken);
    assert_false(u.is_wrong);
    bed_wait_stats(bed, is_empty);
    struct mg_store_stats stats;
    mg_store_stats(bed->store, &stats);
    assert_int_equal(stats.n_parked, N_PUMPED / 100);
    assert_int_equal(stats.n_bytes, 0);
}

static void events_are_optional_and_close_takes_null(void **state)
{
    struct bed *bed = *state;
    struct mg_store_settings settings = {.path = bed->path, .max_bytes = 1};
    struct mg_store_events none = {0};
    struct mg_err err;
    bed->store = mg_store_open(&bed->loop, &settings, &none, NULL, &err);
    assert_non_null(bed->store);
    (void)bed_append(bed, MG_ROW_READINGS, "t", "dropped");
    mg_store_flush(bed->store);
    struct mg_store_stats stats = {0};
    while (stats.n_commits == 0) {
        (void)uv_run(&bed->loop, UV_RUN_NOWAIT);
        mg_store_stats(bed->store, &stats);
    }
    (void)uv_run(&bed->loop, UV_RUN_NOWAIT);
    mg_store_close(NULL);
    mg_outbox_close(NULL);
}

static void closing_from_a_callback(void *ctx, uint64_t ticket)
{
    struct bed *bed = ctx;
    (void)ticket;
    bed_append(bed, MG_ROW_EVENT, "event", "last");
    mg_store_close(bed->store);
    bed->store = NULL;
}

static void may_be_closed_from_a_callback(void **state)
{
    struct bed *bed = *state;
    struct mg_store_settings settings = {.path = bed->path};
    struct mg_store_events events = {.durable = closing_from_a_callback};
    struct mg_err err;
    bed->store = mg_store_open(&bed->loop, &settings, &events, bed, &err);
    assert_non_null(bed->store);
    (void)bed_append(bed, MG_ROW_EVENT, "event", "first");
    (void)uv_run(&bed->loop, UV_RUN_DEFAULT);
    assert_null(bed->store);
    bed_open(bed);
    rows_are(bed, "first last");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(opens_and_keeps_its_epoch),
        T(second_gateway_is_refused),
        T(no_database_is_left_as_it_is),
        T(torn_database_is_refused),
        T(foreign_database_is_refused),
        T(newer_version_is_refused),
        T(damaged_epoch_is_refused),
        T(folder_must_be_there),
        T(file_is_not_for_everybody_and_settings_hold),
        T(values_are_set_and_deleted_in_order),
        T(nonsense_is_refused),
        T(rows_come_back_whole_and_in_order),
        T(one_turn_is_one_commit),
        T(close_commits_everything),
        T(flush_keeps_a_turn_together),
        T(flush_does_not_wait),
        T(much_does_not_wait),
        T(ack_deletes_for_good),
        T(park_keeps_aside_with_the_reason),
        T(parked_readings_are_bounded),
        T(full_outbox_thins_out_then_drops_the_oldest),
        T(full_outbox_is_over_when_the_broker_takes_rows),
        T(events_alone_may_exceed_the_limit),
        T(queue_has_an_end),
        T(queue_of_events_refuses),
        T(queue_counts_bytes),
        T(file_and_wal_do_not_grow),
        T(uplink_reads_while_the_loop_writes),
        T(events_are_optional_and_close_takes_null),
        T(may_be_closed_from_a_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
