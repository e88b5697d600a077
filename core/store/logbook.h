/* The metrological log book: entries kept for good, byte for byte, each with
 * its hash, and its signature once that is there. Triggers in the database
 * refuse to delete or change one. What the texts say is none of the store's
 * business. */
#ifndef MG_STORE_LOGBOOK_H
#define MG_STORE_LOGBOOK_H

#include "store/store.h"

#define MG_LOG_TEXT_MAX        4096 /* bytes of an entry */
#define MG_LOG_HASH_LEN        32
#define MG_LOG_FINGERPRINT_LEN 64
#define MG_LOG_SIGNATURE_MAX   112

/** Queue an entry: in order and in one transaction with what else this turn of
 *  the loop hands over. Never dropped; a full disk gives its reserve. Loop
 *  thread.
 *  @param number  above that of all before it
 *  @return as mg_store_append; the queue holds 2048 entries and signatures,
 *          whatever else waits. MG_E_INVAL: number below 1, no text, too long
 */
int mg_store_add_log(struct mg_store *store, int64_t number, const char *text,
                     size_t len, const uint8_t hash[MG_LOG_HASH_LEN],
                     uint64_t *ret_ticket);

/** Queue the signature of an entry that has none; otherwise as above. A second
 *  one is ignored.
 *  @param fingerprint  of the key, lower-case hex */
int mg_store_sign_log(struct mg_store *store, int64_t number,
                      const uint8_t *signature, size_t len,
                      const char *fingerprint, uint64_t *ret_ticket);

/* ---- Reading: any process, also beside a running gateway ---- */

struct mg_logs;

/** One row; valid until the next call. */
struct mg_log_row {
    int64_t number;
    const char *text; /* owned by the reader; may hold anything */
    size_t len;
    uint8_t hash[MG_LOG_HASH_LEN];
    uint8_t signature[MG_LOG_SIGNATURE_MAX];
    size_t signature_len; /* 0 = not signed */
    char fingerprint[MG_LOG_FINGERPRINT_LEN + 1];
};

/** What was ever written, by the count of the database. */
struct mg_log_books {
    uint64_t n_entries, n_bytes; /* of texts, hashes and signatures */
    int64_t last_number;         /* 0 = none */
    uint8_t last_hash[MG_LOG_HASH_LEN];
};

/** @param path  of the database
 *  @return owned; NULL with err, as mg_datasets_open */
struct mg_logs *mg_logs_open(const char *path, struct mg_err *err);
void mg_logs_close(struct mg_logs *logs);

/** The first entry behind a number, in their order.
 *  @return MG_OK; MG_E_NOTFOUND: no more; MG_E_PROTO: a row that is none of
 *          ours; ret->number is set then; MG_E_IO */
int mg_logs_next(struct mg_logs *logs, int64_t after, struct mg_log_row *ret,
                 struct mg_err *err);
int mg_logs_get(struct mg_logs *logs, int64_t number, struct mg_log_row *ret,
                struct mg_err *err);
/** The last entry. */
int mg_logs_newest(struct mg_logs *logs, struct mg_log_row *ret,
                   struct mg_err *err);
/** The first entry behind a number that has no signature. */
int mg_logs_unsigned(struct mg_logs *logs, int64_t after,
                     struct mg_log_row *ret, struct mg_err *err);

int mg_logs_books(struct mg_logs *logs, struct mg_log_books *ret,
                  struct mg_err *err);

/** A value that was set with mg_store_put, as text.
 *  @return MG_OK; MG_E_NOTFOUND; MG_E_PROTO: too long, or a NUL in it; MG_E_IO
 */
int mg_logs_value(struct mg_logs *logs, const char *key, char *buf, size_t cap,
                  struct mg_err *err);

#endif
