#include "store_bed.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WATCHDOG_MS 30000

static void bite(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("waited for %d s in vain", WATCHDOG_MS / 1000);
}

void bed_init(struct bed *bed)
{
    const char *tmp = getenv("TMPDIR");
    *bed = (struct bed){.commit_ms = 2};
    (void)snprintf(bed->dir, sizeof bed->dir, "%.40s/mg-store-XXXXXX",
                   tmp == NULL ? "/tmp" : tmp);
    assert_non_null(mkdtemp(bed->dir));
    (void)snprintf(bed->path, sizeof bed->path, "%s/store.db", bed->dir);
    assert_int_equal(uv_loop_init(&bed->loop), 0);
    assert_int_equal(uv_timer_init(&bed->loop, &bed->watchdog), 0);
    uv_unref((uv_handle_t *)&bed->watchdog);
}

void bed_fini(struct bed *bed)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    bed_close(bed);
    uv_close((uv_handle_t *)&bed->watchdog, NULL);
    (void)uv_run(&bed->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&bed->loop), 0);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char name[112];
        (void)snprintf(name, sizeof name, "%s%s", bed->path, suffixes[i]);
        (void)unlink(name);
    }
    assert_int_equal(rmdir(bed->dir), 0);
}

static void heard_durable(void *ctx, uint64_t ticket)
{
    struct bed *bed = ctx;
    assert_true(ticket > bed->durable);
    bed->durable = ticket;
    bed->n_durable_calls++;
}

static void heard_trouble(void *ctx, uint64_t n_rows, uint64_t n_readings,
                          const struct mg_err *err)
{
    struct bed *bed = ctx;
    if (err->code == MG_OK) {
        assert_int_equal(n_rows, 0);
        bed->n_overs++;
        return;
    }
    bed->n_troubles++;
    bed->lost_rows = n_rows;
    bed->lost_readings = n_readings;
    bed->trouble = *err;
}

static struct mg_store *open_store(struct bed *bed, struct mg_err *err)
{
    static const struct mg_store_events events = {heard_durable, heard_trouble};
    struct mg_store_settings settings = {
        .path = bed->path,
        .max_bytes = bed->max_bytes,
        .commit_ms = bed->commit_ms,
        .reserve_bytes = bed->reserve_bytes,
    };
    return mg_store_open(&bed->loop, &settings, &events, bed, err);
}

void bed_open(struct bed *bed)
{
    struct mg_err err = {0, ""};
    bed->store = open_store(bed, &err);
    if (bed->store == NULL) {
        fail_msg("cannot open: %s", err.text);
    }
    bed->durable = 0;
}

void bed_open_fails(struct bed *bed, struct mg_err *err)
{
    err->code = MG_OK;
    assert_null(open_store(bed, err));
    assert_int_not_equal(err->code, MG_OK);
    (void)uv_run(&bed->loop, UV_RUN_NOWAIT);
}

void bed_close(struct bed *bed)
{
    mg_store_close(bed->store);
    bed->store = NULL;
    (void)uv_run(&bed->loop, UV_RUN_NOWAIT);
}

uint64_t bed_append(struct bed *bed, enum mg_row_class class_,
                    const char *topic, const char *payload)
{
    struct mg_store_row row = {.class_ = class_,
                               .len = strlen(payload),
                               .n_readings = class_ == MG_ROW_READINGS ? 10 : 0,
                               .created_ms = 1700000000000};
    char copy[512];
    (void)snprintf(copy, sizeof copy, "%s", payload);
    (void)snprintf(row.topic, sizeof row.topic, "%s", topic);
    row.payload = copy;
    uint64_t ticket = 0;
    assert_int_equal(mg_store_append(bed->store, &row, &ticket), MG_OK);
    memset(copy, 'x', sizeof copy); /* the store must have copied it */
    return ticket;
}

uint64_t bed_put(struct bed *bed, const char *key, const char *value)
{
    uint64_t ticket = 0;
    assert_int_equal(
        mg_store_put(bed->store, key, value, strlen(value), &ticket), MG_OK);
    return ticket;
}

static void watch(struct bed *bed)
{
    assert_int_equal(uv_timer_start(&bed->watchdog, bite, WATCHDOG_MS, 0), 0);
}

void bed_wait_durable(struct bed *bed, uint64_t ticket)
{
    watch(bed);
    while (bed->durable < ticket) {
        (void)uv_run(&bed->loop, UV_RUN_ONCE);
    }
    (void)uv_timer_stop(&bed->watchdog);
}

void bed_wait_count(struct bed *bed, const unsigned *counter, unsigned value)
{
    watch(bed);
    while (*counter < value) {
        (void)uv_run(&bed->loop, UV_RUN_ONCE);
    }
    (void)uv_timer_stop(&bed->watchdog);
}

/* Each durable put is one more commit that has happened. */
void bed_wait_stats(struct bed *bed,
                    bool (*is_met)(const struct mg_store_stats *stats))
{
    struct mg_store_stats stats;
    mg_store_stats(bed->store, &stats);
    for (unsigned i = 0; i < 2000 && !is_met(&stats); i++) {
        uint64_t ticket = bed_put(bed, "bed", "tick");
        mg_store_flush(bed->store);
        bed_wait_durable(bed, ticket);
        mg_store_stats(bed->store, &stats);
    }
    assert_true(is_met(&stats));
}

void bed_sql(struct bed *bed, const char *sql, char *ret, size_t cap)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open(bed->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    const char *text = (const char *)sqlite3_column_text(stmt, 0);
    (void)snprintf(ret, cap, "%s", text == NULL ? "" : text);
    assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

void bed_change(struct bed *bed, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(bed->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

long long bed_size(const struct bed *bed, const char *suffix)
{
    char name[112];
    struct stat st;
    (void)snprintf(name, sizeof name, "%s%s", bed->path, suffix);
    return stat(name, &st) == 0 ? (long long)st.st_size : 0;
}
