#include "run/logbook_capacity.h"

#include "model/logbook.h"

#define MS_PER_DAY  86400000
#define WINDOW_DAYS 90

/* The time of the first entry at or behind a number. One that cannot be read
 * counts as old: verifying is not done here.
 * @return MG_OK, also at the end, with INT64_MAX; MG_E_IO */
static int time_at(struct mg_logs *logs, int64_t number, int64_t *ret_ms,
                   struct mg_err *err)
{
    struct mg_log_row row;
    struct mg_log_entry entry;
    char buf[MG_LOG_ENTRY_MAX];
    int rc = mg_logs_next(logs, number - 1, &row, err);
    if (rc == MG_E_NOTFOUND) {
        *ret_ms = INT64_MAX;
        return MG_OK;
    }
    if (rc != MG_OK && rc != MG_E_PROTO) {
        return rc;
    }
    bool is_known = rc == MG_OK &&
                    mg_log_entry_parse(row.text, row.len, buf, &entry) == MG_OK;
    *ret_ms = is_known ? entry.utc_ms : 0;
    return MG_OK;
}

/* The first number of the window, by halves: times ascend but for clocks that
 * were set.
 * @param ret_number  last + 1: none is in it */
static int find_first(struct mg_logs *logs, int64_t last, int64_t from_ms,
                      int64_t *ret_number, int64_t *ret_ms, struct mg_err *err)
{
    int64_t low = 1, high = last, ms = 0;
    int rc = MG_OK;
    while (rc == MG_OK && low < high) {
        int64_t middle = low + (high - low) / 2;
        rc = time_at(logs, middle, &ms, err);
        if (ms < from_ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (rc == MG_OK) {
        rc = time_at(logs, low, &ms, err);
    }
    *ret_number = ms < from_ms ? last + 1 : low; /* none in the window */
    *ret_ms = ms;
    return rc;
}

static uint64_t days(uint64_t bytes, uint64_t bytes_per_day)
{
    uint64_t n = bytes_per_day == 0 ? MG_LOG_DAYS_MAX : bytes / bytes_per_day;
    return n < MG_LOG_DAYS_MAX ? n : MG_LOG_DAYS_MAX;
}

int mg_log_capacity_read(struct mg_logs *logs, int64_t now_ms,
                         struct mg_log_capacity *ret, struct mg_err *err)
{
    struct mg_log_books books;
    struct mg_log_capacity c = {.window_days = 1};
    int64_t first = 1, first_ms = now_ms;
    int rc = mg_logs_books(logs, &books, err);
    if (rc == MG_OK && books.last_number > 0 && books.n_entries > 0) {
        rc = find_first(logs, books.last_number,
                        now_ms - (int64_t)WINDOW_DAYS * MS_PER_DAY, &first,
                        &first_ms, err);
    }
    if (rc != MG_OK) {
        return rc;
    }
    c.n_entries = books.n_entries;
    c.n_bytes = books.n_bytes;
    /* At most 2^21 entries of 2^10 bytes, and 2^33 ms: no product overflows. */
    uint64_t n_new = (uint64_t)(books.last_number - first + 1);
    uint64_t bytes = c.n_entries == 0 ? 0 : c.n_bytes / c.n_entries * n_new;
    int64_t window_ms = first_ms < now_ms ? now_ms - first_ms : 0;
    window_ms = window_ms < MS_PER_DAY ? MS_PER_DAY : window_ms;
    window_ms = window_ms > (int64_t)WINDOW_DAYS * MS_PER_DAY
                    ? (int64_t)WINDOW_DAYS * MS_PER_DAY
                    : window_ms;
    c.window_days = (uint64_t)window_ms / MS_PER_DAY;
    c.bytes_per_day = bytes * 1000 / ((uint64_t)window_ms / 86400);
    uint64_t left = c.n_bytes < MG_LOG_CAPACITY_BYTES
                        ? MG_LOG_CAPACITY_BYTES - c.n_bytes
                        : 0;
    c.total_days = days(MG_LOG_CAPACITY_BYTES, c.bytes_per_day);
    c.left_days = left == 0 ? 0 : days(left, c.bytes_per_day);
    c.is_short =
        c.total_days < MG_LOG_KEPT_DAYS || left < MG_LOG_CAPACITY_BYTES / 10;
    *ret = c;
    return MG_OK;
}
