/* A disk that is full or fails, with real errors: a file size limit, a small
 * tmpfs (where mounting is permitted), and a sync that reports an error. The
 * store says so, keeps events, and goes on by itself when the disk does. */
#include "../unit/store_bed.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "store/dataset.h"
#include "store/logbook.h"

struct world {
    struct bed bed;
    bool can_mount;
};

/* SQLite's own calls come here: the program's symbol goes before libc's. */
static atomic_int n_syncs;
static atomic_bool is_sync_broken;

int fdatasync(int fd)
{
    atomic_fetch_add(&n_syncs, 1);
    if (atomic_load(&is_sync_broken)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static int set_up(void **state)
{
    struct world *w = *state;
    bed_init(&w->bed);
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    atomic_store(&is_sync_broken, false); /* also after a failed test */
    limit_files(RLIM_INFINITY);
    bed_fini(&w->bed);
    return 0;
}

/* @return how many of n were taken */
static unsigned append_readings(struct bed *bed, unsigned n)
{
    static char payload[4000];
    static int64_t created_ms = 1700000000000;
    unsigned n_taken = 0;
    for (unsigned i = 0; i < n; i++) {
        struct mg_store_row row = {.class_ = MG_ROW_READINGS,
                                   .topic = "m/a/readings",
                                   .payload = payload,
                                   .len = sizeof payload,
                                   .n_readings = 10,
                                   .created_ms = created_ms += 7000};
        uint64_t ticket;
        int rc = mg_store_append(bed->store, &row, &ticket);
        assert_true(rc == MG_OK || rc == MG_E_NOSPC);
        n_taken += rc == MG_OK;
    }
    return n_taken;
}

/* All events are there, in order, and what is missing of the readings was
 * counted. */
static void check_books(struct bed *bed, unsigned n_readings_rows,
                        unsigned n_events)
{
    struct mg_err err;
    struct mg_outbox *o = mg_outbox_open(bed->store, &err);
    assert_non_null(o);
    struct mg_store_row row = {0};
    unsigned n_rows = 0, next = 0;
    while (mg_outbox_next(o, row.id, &row, &err) == MG_OK) {
        if (row.class_ == MG_ROW_READINGS) {
            n_rows++;
        } else {
            assert_int_equal(strtoul(row.payload, NULL, 10), next);
            next++;
        }
    }
    assert_int_equal(err.code, MG_E_NOTFOUND);
    mg_outbox_close(o);
    assert_int_equal(next, n_events);
    struct mg_store_stats stats;
    mg_store_stats(bed->store, &stats);
    assert_int_equal(stats.n_rows, n_rows + n_events);
    assert_int_equal(stats.n_dropped_readings,
                     10 * (uint64_t)(n_readings_rows - n_rows));
}

static uint64_t append_event(struct bed *bed, unsigned number)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%u", number);
    return bed_append(bed, MG_ROW_EVENT, "event", text);
}

/* ---- A file size limit ---- */

static void full_disk_is_told_and_survived(void **state)
{
    struct world *w = *state;
    struct bed *bed = &w->bed;
    bed_open(bed);
    unsigned n_live = append_readings(bed, 50), n_events = 0;
    bed_wait_durable(bed, append_event(bed, n_events++));
    limit_files(512 * 1024);
    for (unsigned i = 0; i < 10; i++) {
        n_live += append_readings(bed, 500);
        (void)uv_run(&bed->loop, UV_RUN_NOWAIT);
    }
    bed_wait_count(bed, &bed->n_troubles, 1);
    assert_int_equal(bed->trouble.code, MG_E_NOSPC);
    assert_non_null(strstr(bed->trouble.text, "the disk is full"));
    assert_true(n_live < 5000); /* the queue filled, the caller was told */
    uint64_t ticket = 0;
    for (unsigned i = 0; i < 300; i++) { /* events make room for themselves */
        ticket = append_event(bed, n_events++);
        ticket = bed_put(bed, "number", "300");
    }
    assert_true(bed->durable < ticket);
    assert_int_equal(bed->n_overs, 0);

    limit_files(RLIM_INFINITY);
    bed_wait_durable(bed, ticket);
    bed_wait_count(bed, &bed->n_overs, 1);
    check_books(bed, n_live, n_events);
    bed_close(bed);
    bed_open(bed);
    bed_wait_durable(bed, append_event(bed, n_events));
    char text[16];
    bed_sql(bed, "PRAGMA integrity_check", text, sizeof text);
    assert_string_equal(text, "ok");
}

static void full_disk_does_not_stop_the_end(void **state)
{
    struct world *w = *state;
    struct bed *bed = &w->bed;
    bed_open(bed);
    bed_wait_durable(bed, append_event(bed, 0));
    bed->n_troubles = 0;
    limit_files(64 * 1024);
    (void)append_readings(bed, 500);
    bed_wait_count(bed, &bed->n_troubles, 1);
    (void)append_event(bed, 1);
    bed_close(bed); /* gives up */
    limit_files(RLIM_INFINITY);
    bed_open(bed);
    struct mg_store_stats stats;
    mg_store_stats(bed->store, &stats);
    assert_true(stats.n_rows >= 1);
    bed_wait_durable(bed, append_event(bed, 1));
}

static void no_room_for_a_new_file_is_said(void **state)
{
    struct world *w = *state;
    struct mg_err err;
    limit_files(100);
    bed_open_fails(&w->bed, &err);
    limit_files(RLIM_INFINITY);
    assert_int_equal(err.code, MG_E_NOSPC);
    assert_non_null(strstr(err.text, "the disk is full"));
    bed_open(&w->bed); /* what was begun is no hindrance */
}

/* ---- A disk that fails ---- */

static void durable_means_synced(void **state)
{
    struct world *w = *state;
    struct bed *bed = &w->bed;
    bed_open(bed);
    for (unsigned i = 0; i < 20; i++) {
        int before = atomic_load(&n_syncs);
        bed_wait_durable(bed, append_event(bed, i));
        assert_true(atomic_load(&n_syncs) > before);
    }
}

static void failed_sync_is_not_durable(void **state)
{
    struct world *w = *state;
    struct bed *bed = &w->bed;
    bed_open(bed);
    bed_wait_durable(bed, append_event(bed, 0));
    atomic_store(&is_sync_broken, true);
    bed->n_troubles = 0;
    uint64_t ticket = append_event(bed, 1);
    bed_wait_count(bed, &bed->n_troubles, 1);
    int before = atomic_load(&n_syncs);
    while (atomic_load(&n_syncs) < before + 2) { /* it tries again */
        (void)uv_run(&bed->loop, UV_RUN_NOWAIT);
    }
    assert_true(bed->durable < ticket);
    assert_int_equal(bed->trouble.code, MG_E_IO);
    assert_non_null(strstr(bed->trouble.text, "I/O error"));
    bed->n_overs = 0;
    atomic_store(&is_sync_broken, false);
    bed_wait_durable(bed, ticket);
    bed_wait_count(bed, &bed->n_overs, 1);
    check_books(bed, 0, 2);
}

static void trouble_must_stay_away_to_be_over(void **state)
{
    struct world *w = *state;
    struct bed *bed = &w->bed;
    bed->commit_ms = 100; /* it is over after ten quiet seconds */
    bed_open(bed);
    atomic_store(&is_sync_broken, true);
    uint64_t ticket = append_event(bed, 0);
    bed_wait_count(bed, &bed->n_troubles, 1);
    atomic_store(&is_sync_broken, false);
    bed_wait_durable(bed, ticket);
    assert_int_equal(bed->n_overs, 0);
    assert_int_equal(bed->n_troubles, 1);
}

/* ---- A small file system ---- */

static bool write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    if (f == NULL) {
        return false;
    }
    bool is_written = fputs(text, f) >= 0;
    return fclose(f) == 0 && is_written;
}

/* A mount name space of our own; without root together with a user one. */
static bool enter_own_mounts(void)
{
    char users[64], groups[64];
    (void)snprintf(users, sizeof users, "0 %u 1", (unsigned)geteuid());
    (void)snprintf(groups, sizeof groups, "0 %u 1", (unsigned)getegid());
    if (unshare(CLONE_NEWNS) != 0 &&
        (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 ||
         !write_text("/proc/self/uid_map", users) ||
         !write_text("/proc/self/setgroups", "deny") ||
         !write_text("/proc/self/gid_map", groups))) {
        return false;
    }
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static void small_disk_keeps_events_and_thins_readings(void **state)
{
    struct world *w = *state;
    struct bed *bed = &w->bed;
    bed->reserve_bytes = 65536;
    if (!w->can_mount || mount("none", bed->dir, "tmpfs", 0, "size=4m") != 0) {
        print_message("skipped: no mount permitted here\n");
        skip();
    }
    bed_open(bed);
    unsigned n_live = 0, n_events = 0;
    uint64_t ticket = 0;
    for (unsigned i = 0; i < 150; i++) { /* 6 MB on 4 MiB */
        n_live += append_readings(bed, 10);
        ticket = append_event(bed, n_events++);
        mg_store_flush(bed->store);
        bed_wait_durable(bed, ticket); /* never stuck for good */
    }
    assert_true(bed->n_troubles > 0);
    assert_int_equal(bed->trouble.code, MG_E_NOSPC);
    struct mg_store_stats stats;
    mg_store_stats(bed->store, &stats);
    assert_true(stats.n_dropped_readings > 0);
    assert_true(stats.n_bytes > 1000000); /* not more than was needed */
    check_books(bed, n_live, n_events);
    bed_wait_count(bed, &bed->n_overs, 1);
    bed_close(bed);
    bed_open(bed);
    struct mg_store_stats again;
    mg_store_stats(bed->store, &again);
    assert_int_equal(again.n_rows, stats.n_rows);
    bed_close(bed);
    assert_int_equal(umount2(bed->dir, MNT_DETACH), 0);
}

static uint64_t add_dataset(struct bed *bed, uint64_t pagination)
{
    static char record[1500];
    memset(record, 'r', sizeof record);
    struct mg_dataset d = {.kind = MG_DATASET_TRANSACTION,
                           .state = MG_DATASET_DONE,
                           .meter = "a",
                           .context = 'T',
                           .pagination = pagination,
                           .fingerprint = "k",
                           .record = record,
                           .record_len = sizeof record};
    struct mg_store_row row = {.class_ = MG_ROW_SIGNED,
                               .topic = "m/a/signed",
                               .payload = record,
                               .len = sizeof record};
    uint64_t ticket;
    assert_int_equal(mg_store_add_dataset(bed->store, &d, &ticket), MG_OK);
    assert_int_equal(mg_store_append(bed->store, &row, &ticket), MG_OK);
    return ticket;
}

static void datasets_are(struct bed *bed, uint64_t n)
{
    char text[64], want[64];
    (void)snprintf(want, sizeof want, "%llu %llu", (unsigned long long)n,
                   (unsigned long long)n);
    bed_sql(bed,
            "SELECT count(*) || ' ' || coalesce(max(pagination), 0)"
            " FROM dataset WHERE length(record) = 1500",
            text, sizeof text);
    assert_string_equal(text, want);
}

static void small_disk_keeps_datasets_and_thins_readings(void **state)
{
    struct world *w = *state;
    struct bed *bed = &w->bed;
    bed->reserve_bytes = 65536;
    if (!w->can_mount || mount("none", bed->dir, "tmpfs", 0, "size=4m") != 0) {
        print_message("skipped: no mount permitted here\n");
        skip();
    }
    bed_open(bed);
    uint64_t n = 0;
    for (unsigned i = 0; i < 150; i++) { /* 6 MB on 4 MiB */
        (void)append_readings(bed, 10);
        uint64_t ticket = add_dataset(bed, ++n);
        mg_store_flush(bed->store);
        bed_wait_durable(bed, ticket);
    }
    assert_true(bed->n_troubles > 0);
    datasets_are(bed, n);
    bed_close(bed);
    assert_int_equal(umount2(bed->dir, MNT_DETACH), 0);
}

/* Another program takes the rest of the disk. */
static void fill_disk(int fd)
{
    static const char zeros[4096];
    while (write(fd, zeros, sizeof zeros) == (ssize_t)sizeof zeros) {
    }
    assert_int_equal(errno, ENOSPC);
}

static bool is_reserve(struct bed *bed, const char *n_rows)
{
    char text[16];
    bed_sql(bed, "SELECT count(*) FROM reserve", text, sizeof text);
    return strcmp(text, n_rows) == 0;
}

/* There are no readings whose space could be taken. The rest of the file's last
 * step goes first, then the reserve. */
static void use_up_reserve(struct bed *bed, uint64_t *n)
{
    for (unsigned n_more = 0; n_more < 60;) {
        uint64_t ticket = add_dataset(bed, ++*n);
        mg_store_flush(bed->store);
        bed_wait_durable(bed, ticket);
        n_more += is_reserve(bed, "0");
        assert_true(*n < 4000);
    }
}

static void reserve_is_for_datasets_on_a_full_disk(void **state)
{
    struct world *w = *state;
    struct bed *bed = &w->bed;
    if (!w->can_mount || mount("none", bed->dir, "tmpfs", 0, "size=8m") != 0) {
        print_message("skipped: no mount permitted here\n");
        skip();
    }
    char name[96];
    (void)snprintf(name, sizeof name, "%s/other", bed->dir);
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 0600);
    assert_true(fd >= 0);
    uint64_t n = 0;
    bed_open(bed);
    assert_true(is_reserve(bed, "16"));
    fill_disk(fd);
    use_up_reserve(bed, &n);
    assert_true(bed->n_troubles > 0);

    assert_int_equal(ftruncate(fd, 0), 0);
    for (unsigned i = 0; i < 5000 && !is_reserve(bed, "16"); i++) {
        uint64_t ticket = bed_put(bed, "bed", "tick");
        mg_store_flush(bed->store);
        bed_wait_durable(bed, ticket);
    }
    assert_true(is_reserve(bed, "16")); /* filled up again */
    fill_disk(fd);
    use_up_reserve(bed, &n);
    bed_close(bed);
    bed_open(bed); /* no room for a reserve is no hindrance */
    assert_true(is_reserve(bed, "0"));
    datasets_are(bed, n);
    assert_int_equal(close(fd), 0);
    bed_close(bed);
    assert_int_equal(umount2(bed->dir, MNT_DETACH), 0);
}

/* Entries come when the disk has no room and there is nothing but the
 * reserve. */
static void reserve_is_for_the_log_book_too(void **state)
{
    struct world *w = *state;
    struct bed *bed = &w->bed;
    if (!w->can_mount || mount("none", bed->dir, "tmpfs", 0, "size=8m") != 0) {
        print_message("skipped: no mount permitted here\n");
        skip();
    }
    char name[96], text[64], want[64];
    static char entry[1000];
    static const uint8_t hash[MG_LOG_HASH_LEN], signature[70];
    memset(entry, 'e', sizeof entry);
    (void)snprintf(name, sizeof name, "%s/other", bed->dir);
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 0600);
    assert_true(fd >= 0);
    bed_open(bed);
    fill_disk(fd);
    int64_t n = 0;
    for (unsigned n_more = 0; n_more < 60;) {
        uint64_t ticket;
        assert_int_equal(mg_store_add_log(bed->store, ++n, entry, sizeof entry,
                                          hash, &ticket),
                         MG_OK);
        assert_int_equal(mg_store_sign_log(bed->store, n, signature,
                                           sizeof signature, "f", &ticket),
                         MG_OK);
        mg_store_flush(bed->store);
        bed_wait_durable(bed, ticket);
        n_more += is_reserve(bed, "0");
        assert_true(n < 4000);
    }
    assert_true(bed->n_troubles > 0);
    bed_close(bed);
    bed_open(bed);
    (void)snprintf(want, sizeof want, "%lld %lld", (long long)n, (long long)n);
    bed_sql(bed,
            "SELECT count(signature) || ' ' || max(number) FROM logbook"
            " WHERE length(entry) = 1000",
            text, sizeof text);
    assert_string_equal(text, want);
    assert_int_equal(close(fd), 0);
    bed_close(bed);
    assert_int_equal(umount2(bed->dir, MNT_DETACH), 0);
}

static void datasets_are_read_where_nothing_can_be_written(void **state)
{
    struct world *w = *state;
    struct bed *bed = &w->bed;
    if (!w->can_mount || mount("none", bed->dir, "tmpfs", 0, "size=8m") != 0) {
        print_message("skipped: no mount permitted here\n");
        skip();
    }
    (void)snprintf(bed->path, sizeof bed->path, "%s/a%%20?b#.db", bed->dir);
    bed_open(bed);
    bed_wait_durable(bed, add_dataset(bed, 1));
    bed_close(bed);
    assert_int_equal(mount(NULL, bed->dir, NULL, MS_REMOUNT | MS_RDONLY, NULL),
                     0);
    struct mg_err err = {0, ""};
    struct mg_dataset d;
    struct mg_datasets *reader = mg_datasets_open(bed->path, &err);
    if (reader == NULL) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(mg_datasets_get(reader, 1, &d, &err), MG_OK);
    assert_int_equal(d.record_len, 1500);
    mg_datasets_close(reader);
    assert_int_equal(umount2(bed->dir, MNT_DETACH), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    static struct world w;
    (void)signal(SIGXFSZ, SIG_IGN); /* a write beyond the limit just fails */
    w.can_mount = enter_own_mounts();
    struct CMUnitTest tests[] = {
        T(full_disk_is_told_and_survived),
        T(full_disk_does_not_stop_the_end),
        T(no_room_for_a_new_file_is_said),
        T(durable_means_synced),
        T(failed_sync_is_not_durable),
        T(trouble_must_stay_away_to_be_over),
        T(small_disk_keeps_events_and_thins_readings),
        T(small_disk_keeps_datasets_and_thins_readings),
        T(reserve_is_for_datasets_on_a_full_disk),
        T(reserve_is_for_the_log_book_too),
        T(datasets_are_read_where_nothing_can_be_written),
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        tests[i].initial_state = &w;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
