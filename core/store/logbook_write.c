/* The log book: handing over, and into the file. */
#include <string.h>

#include "store/logbook_row.h"
#include "store/store_priv.h"

static int hand_over(struct mg_store *store, const struct store_log *log,
                     const void *bytes, size_t len, uint64_t *ret_ticket)
{
    struct store_item *item =
        store__item_create((const char *)log, sizeof *log, bytes, len);
    if (item != NULL) {
        item->kind = STORE_ITEM_LOG;
    }
    return store__hand_over(store, item, ret_ticket);
}

int mg_store_add_log(struct mg_store *store, int64_t number, const char *text,
                     size_t len, const uint8_t hash[MG_LOG_HASH_LEN],
                     uint64_t *ret_ticket)
{
    struct store_log log = {.number = number};
    if (number < 1 || text == NULL || len == 0 || len > MG_LOG_TEXT_MAX) {
        return MG_E_INVAL;
    }
    memcpy(log.hash, hash, sizeof log.hash);
    return hand_over(store, &log, text, len, ret_ticket);
}

int mg_store_sign_log(struct mg_store *store, int64_t number,
                      const uint8_t *signature, size_t len,
                      const char *fingerprint, uint64_t *ret_ticket)
{
    struct store_log log = {.number = number, .is_signature = true};
    size_t fingerprint_len = strnlen(fingerprint, sizeof log.fingerprint);
    if (number < 1 || signature == NULL || len == 0 ||
        len > MG_LOG_SIGNATURE_MAX ||
        fingerprint_len >= sizeof log.fingerprint) {
        return MG_E_INVAL;
    }
    memcpy(log.fingerprint, fingerprint, fingerprint_len);
    return hand_over(store, &log, signature, len, ret_ticket);
}

/* Bindings can only fail for want of memory; the value is then NULL, and a NOT
 * NULL or a trigger refuses it. */
int store__write_log(struct store_writer *w, const struct store_item *item,
                     struct mg_err *err)
{
    struct store_log log;
    memcpy(&log, item->bytes, sizeof log);
    const char *bytes = item->bytes + sizeof log;
    enum store_query query =
        log.is_signature ? STORE_Q_SIGN_LOG : STORE_Q_ADD_LOG;
    sqlite3_stmt *stmt = w->stmt[query];
    (void)sqlite3_bind_int64(stmt, 1, log.number);
    (void)sqlite3_bind_blob(stmt, 2, bytes, (int)item->len, SQLITE_STATIC);
    if (log.is_signature) {
        (void)sqlite3_bind_text(stmt, 3, log.fingerprint, -1, SQLITE_STATIC);
    } else {
        (void)sqlite3_bind_blob(stmt, 3, log.hash, sizeof log.hash,
                                SQLITE_STATIC);
    }
    int rc = store__writer_run(w, query, err);
    (void)sqlite3_clear_bindings(stmt); /* they end with this call */
    return rc;
}
