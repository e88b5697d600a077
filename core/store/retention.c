/* What goes when the outbox is full.
 *
 * Live readings thin out from the oldest on: of each ten minutes (UTC) the
 * rows made in the first stay, so that all meters are kept for the same
 * moments. When all of the outbox is thinned and that is not enough, the
 * oldest readings go. Events and signed rows are never touched. The outbox is
 * brought 1/16 below its limit, so that this is done now and then and not with
 * each commit. */
#include "store/writer.h"

#define KEPT_MINUTE       10
#define MS_PER_MINUTE     60000
#define STEP              256  /* rows looked at together */
#define MAX_STEPS         32   /* in one transaction */
#define PARKED_LIVE_MAX   1000 /* readings that the broker refused */
#define PARKED_LIVE_BYTES (16ULL * 1024 * 1024)

struct live_row {
    int64_t id, created_ms;
    uint64_t len, n_readings;
};

static int read_live(struct store_writer *w, enum store_query query,
                     int64_t after_id, struct live_row rows[STEP],
                     size_t *ret_n, struct mg_err *err)
{
    sqlite3_stmt *stmt = w->stmt[query];
    (void)sqlite3_bind_int64(stmt, 1, after_id);
    (void)sqlite3_bind_int(stmt, 2, STEP);
    int rc = MG_OK, step = SQLITE_DONE;
    size_t n = 0;
    while (n < STEP && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
        rows[n++] = (struct live_row){
            .id = sqlite3_column_int64(stmt, 0),
            .len = (uint64_t)sqlite3_column_int64(stmt, 1),
            .n_readings = (uint64_t)sqlite3_column_int64(stmt, 2),
            .created_ms = sqlite3_column_int64(stmt, 3)};
    }
    if (step != SQLITE_ROW && step != SQLITE_DONE) {
        rc = store__db_err(w->db, err, "cannot read the outbox");
    }
    (void)sqlite3_reset(stmt); /* repeats the error of the step */
    *ret_n = n;
    return rc;
}

static int drop(struct store_writer *w, const struct live_row *row,
                struct mg_err *err)
{
    w->next.n_rows--;
    w->next.n_live--;
    w->next.n_bytes -= row->len;
    w->dropped.n_rows++;
    w->dropped.n_readings += row->n_readings;
    (void)sqlite3_bind_int64(w->stmt[STORE_Q_DELETE_ROW], 1, row->id);
    return store__writer_run(w, STORE_Q_DELETE_ROW, err);
}

static bool is_kept(const struct live_row *row)
{
    return row->created_ms / MS_PER_MINUTE % KEPT_MINUTE == 0;
}

/* @param cursor  thinned_to or dropped_to of the books */
static int drop_some(struct store_writer *w, int64_t *cursor, bool is_thinning,
                     uint64_t target, size_t *ret_n, struct mg_err *err)
{
    struct live_row rows[STEP];
    size_t n = 0;
    int rc = read_live(w, STORE_Q_LIVE_AFTER, *cursor, rows, &n, err);
    for (size_t i = 0; rc == MG_OK && i < n && w->next.n_bytes > target; i++) {
        *cursor = rows[i].id;
        if (!is_thinning || !is_kept(&rows[i])) {
            rc = drop(w, &rows[i], err);
        }
    }
    *ret_n = n;
    return rc;
}

static int thin_out(struct store_writer *w, bool is_shrinking,
                    struct mg_err *err)
{
    uint64_t limit = w->max_bytes;
    if (is_shrinking && w->next.n_bytes < limit) {
        limit = w->next.n_bytes;
    } else if (w->next.n_bytes <= limit) {
        return MG_OK;
    }
    uint64_t target = limit - limit / 16;
    bool is_thinning = true;
    int rc = MG_OK;
    for (int i = 0; rc == MG_OK && i < MAX_STEPS && w->next.n_live > 0 &&
                    w->next.n_bytes > target;
         i++) {
        size_t n;
        rc = drop_some(w,
                       is_thinning ? &w->next.thinned_to : &w->next.dropped_to,
                       is_thinning, target, &n, err);
        is_thinning = is_thinning && n > 0;
    }
    return rc;
}

static bool is_parked_full(const struct store_books *b)
{
    return b->n_parked_live > PARKED_LIVE_MAX ||
           b->n_parked_live_bytes > PARKED_LIVE_BYTES;
}

static int drop_parked(struct store_writer *w, struct mg_err *err)
{
    struct live_row rows[STEP];
    size_t n = 0;
    int rc = read_live(w, STORE_Q_PARKED_LIVE, 0, rows, &n, err);
    for (size_t i = 0; rc == MG_OK && i < n && is_parked_full(&w->next); i++) {
        w->next.n_parked--;
        w->next.n_parked_live--;
        w->next.n_parked_live_bytes -= rows[i].len;
        w->dropped_parked.n_rows++;
        w->dropped_parked.n_readings += rows[i].n_readings;
        (void)sqlite3_bind_int64(w->stmt[STORE_Q_DELETE_PARKED], 1, rows[i].id);
        rc = store__writer_run(w, STORE_Q_DELETE_PARKED, err);
    }
    return rc;
}

int store__retain(struct store_writer *w, enum store_shrink shrink,
                  struct mg_err *err)
{
    int rc = thin_out(w, shrink != STORE_SHRINK_NOTHING, err);
    if (rc == MG_OK && is_parked_full(&w->next)) {
        rc = drop_parked(w, err);
    }
    if (rc == MG_OK && shrink == STORE_SHRINK_RESERVE &&
        w->next.n_reserve > 0) {
        w->next.n_reserve = 0;
        rc = store__writer_run(w, STORE_Q_DROP_RESERVE, err);
    }
    return rc;
}
