#include "store/writer.h"

#include "store/dataset_row.h"
#include "store/logbook_row.h"

#define NEXT_ARRIVAL                                                           \
    "CASE WHEN ?20 IS NOT NULL"                                                \
    " THEN (SELECT coalesce(max(arrival), 0) + 1 FROM dataset) END"

static const char *const queries[STORE_N_QUERIES] = {
    [STORE_Q_BEGIN] = "BEGIN IMMEDIATE",
    [STORE_Q_COMMIT] = "COMMIT",
    [STORE_Q_ROLLBACK] = "ROLLBACK",
    [STORE_Q_ADD_ROW] = "INSERT INTO outbox(class, n_readings, created_ms,"
                        " topic, payload) VALUES(?1, ?2, ?3, ?4, ?5)",
    [STORE_Q_PUT] = "INSERT INTO kv VALUES(?1, ?2)"
                    " ON CONFLICT(key) DO UPDATE SET value=excluded.value",
    [STORE_Q_DELETE_KEY] = "DELETE FROM kv WHERE key=?1",
    [STORE_Q_FIND_ROW] = "SELECT class, length(payload) FROM outbox"
                         " WHERE id=?1",
    [STORE_Q_DELETE_ROW] = "DELETE FROM outbox WHERE id=?1",
    [STORE_Q_PARK_ROW] = "INSERT OR REPLACE INTO parked"
                         " SELECT id, class, ?2, n_readings, created_ms,"
                         " topic, payload FROM outbox WHERE id=?1",
    [STORE_Q_OLDEST] = "SELECT created_ms FROM outbox ORDER BY id LIMIT 1",
    [STORE_Q_N_PAGES] = "PRAGMA page_count",
    [STORE_Q_LIVE_AFTER] = "SELECT id, length(payload), n_readings, created_ms"
                           " FROM outbox WHERE id>?1 AND class=0"
                           " ORDER BY id LIMIT ?2",
    [STORE_Q_PARKED_LIVE] = "SELECT id, length(payload), n_readings, created_ms"
                            " FROM parked WHERE id>?1 AND class=0"
                            " ORDER BY id LIMIT ?2",
    [STORE_Q_ADD_DATASET] =
        "INSERT INTO dataset(kind, state, meter, transaction_id, context,"
        " pagination, fingerprint, stored_ms, begun_ms, ended_ms, begin_mwh,"
        " end_mwh, is_billable, verdict, model, serial, mark, why, key_hex,"
        " record, original, arrival) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
        "?9, ?10,"
        " ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, " NEXT_ARRIVAL
        ")",
    /* What the session knew at its begin stays where the record does not tell
     * it. */
    [STORE_Q_COMPLETE_DATASET] =
        "UPDATE dataset SET kind=?1, state=?2, context=?5, pagination=?6,"
        " fingerprint=?7, stored_ms=?8, begun_ms=coalesce(?9, begun_ms),"
        " ended_ms=?10, begin_mwh=coalesce(?11, begin_mwh), end_mwh=?12,"
        " is_billable=?13, verdict=?14,"
        " model=CASE ?15 WHEN '' THEN model ELSE ?15 END,"
        " serial=CASE ?16 WHEN '' THEN serial ELSE ?16 END,"
        " mark=?17, why=?18, key_hex=?19, record=?20, original=?21,"
        " arrival=" NEXT_ARRIVAL
        " WHERE id=(SELECT id FROM dataset WHERE state=0 AND meter=?3"
        " AND transaction_id=?4 ORDER BY id LIMIT 1)",
    [STORE_Q_ADD_LOG] = "INSERT INTO logbook(number, entry, hash, fingerprint)"
                        " VALUES(?1, ?2, ?3, '')",
    /* A row that somebody took out meanwhile is no reason to stop. */
    [STORE_Q_SIGN_LOG] = "UPDATE logbook SET signature=?2, fingerprint=?3"
                         " WHERE number=?1 AND signature IS NULL",
    [STORE_Q_ADD_RESERVE] = "INSERT INTO reserve(space) VALUES(zeroblob(?1))",
    [STORE_Q_DROP_RESERVE] = "DELETE FROM reserve",
    [STORE_Q_DELETE_PARKED] = "DELETE FROM parked WHERE id=?1",
};

static const char count_outbox[] =
    "SELECT count(*), coalesce(sum(length(payload)), 0),"
    " coalesce(sum(class=0), 0) FROM outbox";
static const char count_parked[] =
    "SELECT count(*), coalesce(sum(class=0), 0),"
    " coalesce(sum(CASE class WHEN 0 THEN length(payload) END), 0) FROM parked";

static const char count_reserve[] = "SELECT count(*), 0, 0 FROM reserve";

static int count(sqlite3 *db, const char *sql, uint64_t *const ret[3],
                 struct mg_err *err)
{
    sqlite3_stmt *stmt;
    int rc = store__prepare(db, sql, &stmt, err);
    if (rc != MG_OK) {
        return rc;
    }
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        for (int i = 0; i < 3; i++) {
            *ret[i] = (uint64_t)sqlite3_column_int64(stmt, i);
        }
    } else {
        rc = store__db_err(db, err, "cannot count the rows");
    }
    (void)sqlite3_finalize(stmt); /* repeats the error of the step */
    return rc;
}

/* @param ret  0 when there is no row */
static int read_number(struct store_writer *w, enum store_query query,
                       int64_t *ret, struct mg_err *err)
{
    sqlite3_stmt *stmt = w->stmt[query];
    int step = sqlite3_step(stmt);
    int rc = MG_OK;
    if (step == SQLITE_ROW || step == SQLITE_DONE) {
        *ret = step == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    } else {
        rc = store__db_err(w->db, err, "cannot read the outbox");
    }
    (void)sqlite3_reset(stmt); /* repeats the error of the step */
    return rc;
}

static int read_oldest(struct store_writer *w, struct mg_err *err)
{
    return read_number(w, STORE_Q_OLDEST, &w->next.oldest_ms, err);
}

int store__writer_reserve(struct store_writer *w, struct mg_err *err)
{
    int64_t n_pages = 0;
    int rc = read_number(w, STORE_Q_N_PAGES, &n_pages, err);
    return rc == MG_OK ? store__file_reserve(w->db, n_pages, err) : rc;
}

int store__writer_open(struct store_writer *w, sqlite3 *db, uint64_t max_bytes,
                       uint64_t reserve_bytes, struct mg_err *err)
{
    w->db = db;
    w->max_bytes = max_bytes;
    w->reserve_bytes = reserve_bytes;
    for (size_t i = 0; i < STORE_N_QUERIES; i++) {
        int rc = store__prepare(db, queries[i], &w->stmt[i], err);
        if (rc != MG_OK) {
            return rc;
        }
    }
    struct store_books *b = &w->next;
    uint64_t *const outbox[3] = {&b->n_rows, &b->n_bytes, &b->n_live};
    uint64_t *const parked[3] = {&b->n_parked, &b->n_parked_live,
                                 &b->n_parked_live_bytes};
    uint64_t unused[2];
    uint64_t *const reserve[3] = {&b->n_reserve, &unused[0], &unused[1]};
    int rc = count(db, count_outbox, outbox, err);
    if (rc == MG_OK) {
        rc = count(db, count_parked, parked, err);
    }
    if (rc == MG_OK) {
        rc = count(db, count_reserve, reserve, err);
    }
    if (rc == MG_OK) {
        rc = read_oldest(w, err);
    }
    w->books = w->next;
    if (rc == MG_OK) {
        store__writer_fill_reserve(w);
    }
    return rc;
}

void store__writer_close(struct store_writer *w)
{
    for (size_t i = 0; i < STORE_N_QUERIES; i++) {
        (void)sqlite3_finalize(w->stmt[i]); /* repeats an old error */
    }
    /* Moves the WAL into the file; what cannot be moved stays in the WAL. */
    (void)sqlite3_close(w->db);
    *w = (struct store_writer){0};
}

int store__writer_run(struct store_writer *w, enum store_query query,
                      struct mg_err *err)
{
    int rc = MG_OK;
    if (sqlite3_step(w->stmt[query]) != SQLITE_DONE) {
        rc = store__db_err(w->db, err, "cannot write");
    }
    (void)sqlite3_reset(w->stmt[query]); /* repeats the error of the step */
    return rc;
}

/* Bindings can only fail for want of memory; the value is then NULL and the
 * insert is refused by NOT NULL. */
static int add_row(struct store_writer *w, const struct store_item *item,
                   struct mg_err *err)
{
    sqlite3_stmt *stmt = w->stmt[STORE_Q_ADD_ROW];
    (void)sqlite3_bind_int(stmt, 1, (int)item->class_);
    (void)sqlite3_bind_int64(stmt, 2, item->n_readings);
    (void)sqlite3_bind_int64(stmt, 3, item->created_ms);
    (void)sqlite3_bind_text(stmt, 4, item->bytes, (int)item->name_len,
                            SQLITE_STATIC);
    (void)sqlite3_bind_blob(stmt, 5, item->bytes + item->name_len,
                            (int)item->len, SQLITE_STATIC);
    w->next.n_rows++;
    w->next.n_bytes += item->len;
    w->next.n_live += item->class_ == MG_ROW_READINGS;
    return store__writer_run(w, STORE_Q_ADD_ROW, err);
}

static int put(struct store_writer *w, const struct store_item *item,
               struct mg_err *err)
{
    enum store_query query = item->len > 0 ? STORE_Q_PUT : STORE_Q_DELETE_KEY;
    sqlite3_stmt *stmt = w->stmt[query];
    (void)sqlite3_bind_text(stmt, 1, item->bytes, (int)item->name_len,
                            SQLITE_STATIC);
    if (item->len > 0) {
        (void)sqlite3_bind_blob(stmt, 2, item->bytes + item->name_len,
                                (int)item->len, SQLITE_STATIC);
    }
    return store__writer_run(w, query, err);
}

/* @return MG_OK; MG_E_NOTFOUND: it was settled or thinned out before */
static int find_row(struct store_writer *w, int64_t id, bool *ret_is_live,
                    uint64_t *ret_len, struct mg_err *err)
{
    sqlite3_stmt *stmt = w->stmt[STORE_Q_FIND_ROW];
    (void)sqlite3_bind_int64(stmt, 1, id);
    int step = sqlite3_step(stmt);
    int rc = MG_OK;
    if (step == SQLITE_ROW) {
        *ret_is_live = sqlite3_column_int(stmt, 0) == MG_ROW_READINGS;
        *ret_len = (uint64_t)sqlite3_column_int64(stmt, 1);
    } else if (step == SQLITE_DONE) {
        rc = MG_E_NOTFOUND;
    } else {
        rc = store__db_err(w->db, err, "cannot read the outbox");
    }
    (void)sqlite3_reset(stmt); /* repeats the error of the step */
    return rc;
}

static int park(struct store_writer *w, const struct store_settlement *s,
                bool is_live, uint64_t len, struct mg_err *err)
{
    (void)sqlite3_bind_int64(w->stmt[STORE_Q_PARK_ROW], 1, s->id);
    (void)sqlite3_bind_int(w->stmt[STORE_Q_PARK_ROW], 2, s->reason);
    w->next.n_parked++;
    w->next.n_parked_live += is_live;
    w->next.n_parked_live_bytes += is_live ? len : 0;
    return store__writer_run(w, STORE_Q_PARK_ROW, err);
}

static int settle(struct store_writer *w, const struct store_settlement *s,
                  struct mg_err *err)
{
    bool is_live = false;
    uint64_t len = 0;
    int rc = find_row(w, s->id, &is_live, &len, err);
    if (rc != MG_OK) {
        return rc == MG_E_NOTFOUND ? MG_OK : rc;
    }
    if (s->is_park) {
        rc = park(w, s, is_live, len, err);
    }
    if (rc != MG_OK) {
        return rc;
    }
    (void)sqlite3_bind_int64(w->stmt[STORE_Q_DELETE_ROW], 1, s->id);
    w->next.n_rows--;
    w->next.n_bytes -= len;
    w->next.n_live -= is_live;
    return store__writer_run(w, STORE_Q_DELETE_ROW, err);
}

static int write_item(struct store_writer *w, const struct store_item *item,
                      struct mg_err *err)
{
    switch (item->kind) {
    case STORE_ITEM_ROW:
        return add_row(w, item, err);
    case STORE_ITEM_DATASET:
        return store__write_dataset(w, item, err);
    case STORE_ITEM_LOG:
        return store__write_log(w, item, err);
    default:
        return put(w, item, err);
    }
}

static int fill(struct store_writer *w, const struct store_list *items,
                const struct store_settlement *settled, size_t n_settled,
                struct mg_err *err)
{
    int rc = MG_OK;
    for (size_t i = 0; rc == MG_OK && i < n_settled; i++) {
        rc = settle(w, &settled[i], err);
    }
    for (const struct store_item *i = items->first; rc == MG_OK && i != NULL;
         i = i->next) {
        rc = write_item(w, i, err);
    }
    return rc;
}

void store__writer_end(struct store_writer *w, int rc)
{
    if (rc == MG_OK) {
        w->books = w->next;
    } else if (sqlite3_get_autocommit(w->db) == 0) {
        struct mg_err ignored; /* the first failure is the one to tell */
        (void)store__writer_run(w, STORE_Q_ROLLBACK, &ignored);
    }
}

int store__writer_commit(struct store_writer *w, const struct store_list *items,
                         const struct store_settlement *settled,
                         size_t n_settled, enum store_shrink shrink,
                         struct mg_err *err)
{
    w->next = w->books;
    w->dropped = (struct store_dropped){0};
    w->dropped_parked = (struct store_dropped){0};
    int rc = store__writer_run(w, STORE_Q_BEGIN, err);
    if (rc == MG_OK) {
        rc = fill(w, items, settled, n_settled, err);
    }
    if (rc == MG_OK) {
        rc = store__retain(w, shrink, err);
    }
    if (rc == MG_OK) {
        rc = read_oldest(w, err);
    }
    if (rc == MG_OK) {
        rc = store__writer_reserve(w, err);
    }
    if (rc == MG_OK) {
        rc = store__writer_run(w, STORE_Q_COMMIT, err);
    }
    store__writer_end(w, rc);
    return rc;
}

void store__writer_make_space(struct store_writer *w)
{
    (void)sqlite3_wal_checkpoint_v2(w->db, NULL, SQLITE_CHECKPOINT_RESTART,
                                    NULL, NULL); /* the retry will tell */
}
