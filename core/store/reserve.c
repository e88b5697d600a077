/* Space within the file that is given away when the disk is full and a signed
 * dataset or an entry of the log book waits, which thinning alone has not made
 * room for: there may be no readings to thin. Pages of rows that are deleted
 * are used again. */
#include "store/writer.h"

#define ROW_BYTES 65536

void store__writer_fill_reserve(struct store_writer *w)
{
    uint64_t n_rows = w->reserve_bytes / ROW_BYTES;
    if (w->books.n_reserve >= n_rows) {
        return;
    }
    struct mg_err err; /* without room there is no reserve: no fault yet */
    w->next = w->books;
    int rc = store__writer_run(w, STORE_Q_BEGIN, &err);
    while (rc == MG_OK && w->next.n_reserve < n_rows) {
        w->next.n_reserve++;
        (void)sqlite3_bind_int(w->stmt[STORE_Q_ADD_RESERVE], 1, ROW_BYTES);
        rc = store__writer_run(w, STORE_Q_ADD_RESERVE, &err);
    }
    if (rc == MG_OK) {
        rc = store__writer_reserve(w, &err);
    }
    if (rc == MG_OK) {
        rc = store__writer_run(w, STORE_Q_COMMIT, &err);
    }
    store__writer_end(w, rc);
}
