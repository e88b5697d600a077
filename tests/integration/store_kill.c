/* A store killed with SIGKILL at random moments, on one file all the time.
 *
 * The child hands over groups of rows, values and datasets, each in one turn of
 * its loop: a group completes the session that the group before began, and
 * begins another. It tells through a pipe which rows are durable and which it
 * acknowledged. After each kill the parent opens the file and checks: every row
 * told durable and not acknowledged is there, a group is there whole or not at
 * all, ids ascend without a gap, the epoch is the same. Of the datasets exactly
 * one is open, that of the newest group, and its record is the newest: no pair
 * of rows is torn. Each group is an entry of the log book and signs the one
 * before: only the newest has no signature. MG_SEED sets the seed, the first
 * argument the number of rounds. */
#include "../unit/store_bed.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/dataset.h"
#include "store/logbook.h"

#define MAX_ROWS  400000
#define MAX_AHEAD 300 /* rows not yet durable */
#define NOT_ACKED 20  /* the newest durable rows are kept */
#define N_TICKETS (MAX_AHEAD * 8)

struct told {
    enum { TOLD_DURABLE, TOLD_ACK } what;
    uint64_t seq;
};

static uint64_t roll(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

/* ---- Child ---- */

struct child {
    uv_loop_t loop;
    struct mg_store *store;
    int pipe_fd;
    uint64_t rng, seq, durable, acked;
    uint64_t seq_of[N_TICKETS]; /* by ticket */
};

static void tell(const struct child *c, struct told told)
{
    if (write(c->pipe_fd, &told, sizeof told) != (ssize_t)sizeof told) {
        _exit(3); /* the parent has gone */
    }
}

static void child_durable(void *ctx, uint64_t ticket)
{
    struct child *c = ctx;
    c->durable = c->seq_of[ticket % N_TICKETS];
    tell(c, (struct told){TOLD_DURABLE, c->durable});
    while (c->acked + NOT_ACKED < c->durable) {
        c->acked++;
        if (roll(&c->rng) % 50 == 0) {
            continue;
        }
        tell(c, (struct told){TOLD_ACK, c->acked});
        mg_store_ack(c->store, (int64_t)c->acked); /* id and seq are the same */
    }
}

static void child_append(struct child *c, uint64_t first, uint64_t last)
{
    char payload[3000];
    memset(payload, ' ', sizeof payload);
    int n = snprintf(payload, sizeof payload, "%llu %llu %llu",
                     (unsigned long long)c->seq, (unsigned long long)first,
                     (unsigned long long)last);
    payload[n] = ' ';
    struct mg_store_row row = {.class_ = (enum mg_row_class)(c->seq % 3),
                               .topic = "t",
                               .payload = payload,
                               .len = 100 + roll(&c->rng) % 2900};
    uint64_t ticket;
    if (mg_store_append(c->store, &row, &ticket) != MG_OK) {
        _exit(4);
    }
    c->seq_of[ticket % N_TICKETS] = c->seq;
}

static void child_dataset(struct child *c, const struct mg_dataset *like,
                          uint64_t transaction)
{
    struct mg_dataset d = *like;
    uint64_t ticket;
    (void)snprintf(d.meter, sizeof d.meter, "m");
    (void)snprintf(d.fingerprint, sizeof d.fingerprint, "k");
    (void)snprintf(d.transaction, sizeof d.transaction, "n%llu",
                   (unsigned long long)transaction);
    if (mg_store_add_dataset(c->store, &d, &ticket) != MG_OK) {
        _exit(11);
    }
}

/* The record of the session that ends, then the row of the next. */
static void child_sessions(struct child *c, uint64_t before, uint64_t last)
{
    char record[3000];
    memset(record, 'r', sizeof record);
    (void)snprintf(record, sizeof record, "%llu", (unsigned long long)last);
    const struct mg_dataset done = {.state = MG_DATASET_DONE,
                                    .context = 'T',
                                    .pagination = last,
                                    .record = record,
                                    .record_len = 100 + last % 2900};
    child_dataset(c, &done, before);
    const struct mg_dataset open = {.state = MG_DATASET_OPEN};
    child_dataset(c, &open, last);
}

/* Its number is that of the group's last row. */
static void child_log(struct child *c, uint64_t before, uint64_t last)
{
    static const uint8_t signature[70];
    uint8_t hash[MG_LOG_HASH_LEN];
    char text[32];
    uint64_t ticket;
    memset(hash, (int)(last & 0xff), sizeof hash);
    int n = snprintf(text, sizeof text, "entry %llu", (unsigned long long)last);
    if (mg_store_add_log(c->store, (int64_t)last, text, (size_t)n, hash,
                         &ticket) != MG_OK ||
        (before > 0 &&
         mg_store_sign_log(c->store, (int64_t)before, signature,
                           sizeof signature, "f", &ticket) != MG_OK)) {
        _exit(12);
    }
}

static void child_group(struct child *c)
{
    uint64_t first = c->seq + 1, last = first + roll(&c->rng) % 8, ticket;
    child_sessions(c, c->seq, last);
    child_log(c, c->seq, last);
    while (c->seq < last) {
        c->seq++;
        child_append(c, first, last);
    }
    if (mg_store_put(c->store, "last", &last, sizeof last, &ticket) != MG_OK) {
        _exit(5);
    }
    c->seq_of[ticket % N_TICKETS] = last;
}

static void run_child(const char *path, int pipe_fd, uint64_t seed)
{
    static struct child c;
    c.pipe_fd = pipe_fd;
    c.rng = seed;
    struct mg_store_settings settings = {
        .path = path, .commit_ms = 1 + (uint32_t)(roll(&c.rng) % 10)};
    struct mg_store_events events = {.durable = child_durable};
    struct mg_err err;
    size_t len;
    if (uv_loop_init(&c.loop) != 0) {
        _exit(6);
    }
    c.store = mg_store_open(&c.loop, &settings, &events, &c, &err);
    if (c.store == NULL) {
        (void)fprintf(stderr, "child: %s\n", err.text);
        _exit(7);
    }
    int rc = mg_store_get(c.store, "last", &c.seq, sizeof c.seq, &len, &err);
    if (rc != MG_OK && rc != MG_E_NOTFOUND) {
        (void)fprintf(stderr, "child: %s\n", err.text);
        _exit(8);
    }
    c.durable = c.acked = c.seq;
    while (c.seq < MAX_ROWS) {
        if (c.seq < c.durable + MAX_AHEAD) {
            child_group(&c);
        }
        (void)uv_run(&c.loop, c.seq < c.durable + MAX_AHEAD ? UV_RUN_NOWAIT
                                                            : UV_RUN_ONCE);
    }
    _exit(9); /* so many rows were not meant */
}

/* ---- Parent ---- */

struct parent {
    struct bed bed;
    uint64_t rng, durable;
    bool *is_acked; /* owned; by seq */
    char epoch[17];
    unsigned n_rounds, n_told;
};

static int64_t now_ms(void)
{
    return (int64_t)(uv_hrtime() / 1000000);
}

/* @return false at the end of the pipe */
static bool hear(struct parent *p, int fd)
{
    struct told told;
    ssize_t n = read(fd, &told, sizeof told);
    if (n == 0) {
        return false;
    }
    assert_int_equal(n, sizeof told);
    assert_true(told.seq < MAX_ROWS);
    if (told.what == TOLD_ACK) {
        p->is_acked[told.seq] = true;
    } else {
        assert_true(told.seq >= p->durable);
        p->durable = told.seq;
    }
    p->n_told++;
    return true;
}

/* Half of the children die soon, also while the file is made or opened. */
static void hear_until_kill(struct parent *p, int fd, pid_t pid)
{
    uint64_t longest_ms = roll(&p->rng) % 2 == 0 ? 10 : 120;
    int64_t until_ms = now_ms() + (int64_t)(roll(&p->rng) % longest_ms);
    for (int64_t left_ms; (left_ms = until_ms - now_ms()) > 0;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        if (poll(&poll_fd, 1, (int)left_ms) == 1 && !hear(p, fd)) {
            break; /* it ended: waitpid tells */
        }
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    while (hear(p, fd)) {
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSIGNALED(status)) {
        fail_msg("the child ended itself with %d", WEXITSTATUS(status));
    }
}

static uint64_t stored_last(struct parent *p)
{
    uint64_t last = 0;
    size_t len;
    struct mg_err err;
    int rc = mg_store_get(p->bed.store, "last", &last, sizeof last, &len, &err);
    assert_true(rc == MG_OK || rc == MG_E_NOTFOUND);
    return last;
}

/* Each number up to the last is a row, unless it was acknowledged; the last
 * row ends its group. */
static void check_rows(struct parent *p, struct mg_outbox *o, uint64_t last)
{
    struct mg_store_row row = {0};
    struct mg_err err;
    unsigned long long seq = 0, first, end = 0;
    uint64_t next = 1;
    while (mg_outbox_next(o, row.id, &row, &err) == MG_OK) {
        assert_int_equal(
            sscanf(row.payload, "%llu %llu %llu", &seq, &first, &end), 3);
        assert_int_equal(row.id, seq);
        assert_true(first <= seq && seq <= end);
        assert_int_equal(row.class_, seq % 3);
        for (; next < seq; next++) {
            assert_true(p->is_acked[next]);
        }
        next = seq + 1;
    }
    assert_int_equal(err.code, MG_E_NOTFOUND);
    assert_int_equal(seq, last);
    assert_int_equal(end, last);
}

static void check_datasets(struct parent *p, uint64_t last)
{
    char text[128], want[128];
    bed_sql(&p->bed,
            "SELECT count(*) || ' ' || coalesce(max(transaction_id), '')"
            " || (SELECT ' ' || (count(*) - coalesce(max(id), 0)) || ' ' ||"
            " (count(arrival) - coalesce(max(arrival), 0)) || ' ' ||"
            " (count(record) - count(pagination)) || ' ' ||"
            " coalesce(max(pagination), 0) FROM dataset)"
            " FROM dataset WHERE state=0",
            text, sizeof text);
    if (last == 0) {
        assert_string_equal(text, "0  0 0 0 0");
        return;
    }
    (void)snprintf(want, sizeof want, "1 n%llu 0 0 0 %llu",
                   (unsigned long long)last, (unsigned long long)last);
    assert_string_equal(text, want);
    struct mg_err err;
    struct mg_dataset d;
    struct mg_datasets *reader = mg_datasets_open(p->bed.path, &err);
    assert_non_null(reader);
    assert_int_equal(mg_datasets_newest(reader, "m", "k", 'T', &d, &err),
                     MG_OK);
    assert_int_equal(d.record_len, 100 + last % 2900);
    assert_int_equal(strtoull(d.record, NULL, 10), last);
    mg_datasets_close(reader);
}

static void check_log(struct parent *p, uint64_t last)
{
    struct mg_log_row row = {0};
    struct mg_log_books books;
    struct mg_err err;
    char text[64];
    struct mg_logs *logs = mg_logs_open(p->bed.path, &err);
    assert_non_null(logs);
    assert_int_equal(mg_logs_books(logs, &books, &err), MG_OK);
    assert_int_equal(books.last_number, last);
    bed_sql(&p->bed,
            "SELECT count(*) || ' ' || coalesce(sum(length(entry)"
            " + length(hash) + coalesce(length(signature), 0)"
            " + length(fingerprint)), 0) FROM logbook",
            text, sizeof text);
    char want[64];
    (void)snprintf(want, sizeof want, "%llu %llu",
                   (unsigned long long)books.n_entries,
                   (unsigned long long)books.n_bytes);
    assert_string_equal(text, want);
    if (last > 0) {
        assert_int_equal(mg_logs_newest(logs, &row, &err), MG_OK);
        assert_int_equal(row.number, last);
        assert_int_equal(row.hash[0], last & 0xff);
        assert_int_equal(row.signature_len, 0);
        assert_int_equal(mg_logs_unsigned(logs, 0, &row, &err), MG_OK);
        assert_int_equal(row.number, last);
    }
    mg_logs_close(logs);
}

static void check_file(struct parent *p)
{
    bed_open(&p->bed);
    if (p->epoch[0] == '\0') {
        memcpy(p->epoch, mg_store_epoch(p->bed.store), sizeof p->epoch);
    }
    assert_string_equal(mg_store_epoch(p->bed.store), p->epoch);
    uint64_t last = stored_last(p);
    assert_true(last >= p->durable);
    struct mg_err err;
    struct mg_outbox *o = mg_outbox_open(p->bed.store, &err);
    assert_non_null(o);
    check_rows(p, o, last);
    mg_outbox_close(o);
    check_datasets(p, last);
    check_log(p, last);
    p->durable = last;
    bed_close(&p->bed);
}

static void play_round(struct parent *p)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    uint64_t seed = roll(&p->rng);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(fds[0]);
        run_child(p->bed.path, fds[1], seed);
    }
    (void)close(fds[1]);
    hear_until_kill(p, fds[0], pid);
    (void)close(fds[0]);
    check_file(p);
    if (p->n_rounds % 4 == 0) { /* a WAL that was not moved, a round later */
        char text[16];
        bed_sql(&p->bed, "PRAGMA quick_check", text, sizeof text);
        assert_string_equal(text, "ok");
    }
}

static void killed_at_any_moment_loses_nothing_durable(void **state)
{
    struct parent *p = *state;
    for (unsigned round = 0; round < p->n_rounds; round++) {
        play_round(p);
    }
    print_message("%u rounds, %llu rows, %u messages\n", p->n_rounds,
                  (unsigned long long)p->durable, p->n_told);
    assert_true(p->durable > p->n_rounds); /* it did work */
}

int main(int argc, char **argv)
{
    static struct parent p;
    const char *seed = getenv("MG_SEED");
    p.n_rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 50;
    p.rng = seed != NULL ? strtoull(seed, NULL, 0) : uv_hrtime();
    p.is_acked = calloc(MAX_ROWS, sizeof *p.is_acked);
    if (p.is_acked == NULL) {
        return 1;
    }
    (void)printf("MG_SEED=%llu\n", (unsigned long long)p.rng);
    (void)fflush(stdout); /* else each child would hold a copy */
    bed_init(&p.bed);
    const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(
        killed_at_any_moment_loses_nothing_durable, &p)};
    int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (n_failed == 0) {
        bed_fini(&p.bed);
    } else {
        (void)printf("the file is left in %s\n", p.bed.dir);
    }
    free(p.is_acked);
    return n_failed;
}
