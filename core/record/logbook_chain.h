/* The chain of the log book, checked entry by entry: text, number, hash, the
 * hash before, signature. Constant memory, whatever the book's length.
 *
 * Hashes show that nothing was changed or taken out in the middle; signatures,
 * that the station wrote it; a hash that was noted elsewhere, that nothing is
 * missing at the end. */
#ifndef MG_RECORD_LOGBOOK_CHAIN_H
#define MG_RECORD_LOGBOOK_CHAIN_H

#include "crypto/verify.h"
#include "model/logbook.h"

#define MG_LOG_KEYS_MAX 8

/* What the first broken entry has. */
enum mg_log_fault {
    MG_LOG_INTACT,
    MG_LOG_FAULT_TEXT,      /* not the text of an entry */
    MG_LOG_FAULT_CHANGED,   /* the hash kept with it is another */
    MG_LOG_FAULT_NUMBER,    /* entries are missing, twice, or moved */
    MG_LOG_FAULT_PREV,      /* it does not follow the entry before */
    MG_LOG_FAULT_UNSIGNED,  /* no signature though a later entry has one */
    MG_LOG_FAULT_KEY,       /* signed by a key that is not accepted */
    MG_LOG_FAULT_SIGNATURE, /* not that key's signature of this text */
    MG_LOG_FAULT_END        /* the expected hash did not come: the end is
                             * missing */
};

/** One entry as it is kept; all borrowed. */
struct mg_log_link {
    int64_t number; /* it is kept under; 0: its own */
    const char *text;
    size_t len;
    const uint8_t *hash;      /* 32 bytes; NULL: not kept */
    const uint8_t *signature; /* DER */
    size_t signature_len;     /* 0: not signed */
    const char *fingerprint;  /* of the key, hex; "" without a signature */
};

struct mg_log_chain {
    /* Set by the caller after init. */
    const struct mg_public_key *keys[MG_LOG_KEYS_MAX]; /* borrowed */
    char fingerprints[MG_LOG_KEYS_MAX][MG_FINGERPRINT_HEX_MAX];
    size_t n_keys; /* 0: signatures are not checked */
    const uint8_t
        *expected; /* hash of the last entry known elsewhere, or NULL */

    /* What came out. */
    enum mg_log_fault fault; /* the first */
    int64_t fault_number;    /* of the entry */
    char why[160];
    uint64_t n_entries, n_signed, n_unsigned;
    int64_t first_unsigned; /* number; 0 = none */
    uint64_t n_back;        /* times before that of the entry before */
    int64_t first_back;     /* the first that no ClockChanged explains; or 0 */
    int64_t last_number, last_ms;
    uint8_t last_hash[32];

    /* Within. */
    enum mg_log_event last_event;
    bool has_expected;
};

void mg_log_chain_init(struct mg_log_chain *chain);

/** Accept signatures of this key. @return MG_OK; MG_E_NOSPC */
int mg_log_chain_add_key(struct mg_log_chain *chain,
                         const struct mg_public_key *key);

/** The next entry, in the order they are kept. After a fault nothing more is
 *  looked at.
 *  @return MG_OK; MG_E_MISMATCH: chain->fault, fault_number and why;
 *          MG_E_NOMEM */
int mg_log_chain_feed(struct mg_log_chain *chain,
                      const struct mg_log_link *link);

/** All were fed. @return as mg_log_chain_feed */
int mg_log_chain_end(struct mg_log_chain *chain);

/** Why an entry by itself cannot be one of ours: its text, number, hash.
 *  @param buf  as of mg_log_entry_parse
 *  @param ret_entry  set when it is one */
enum mg_log_fault mg_log_link_check(const struct mg_log_link *link,
                                    char buf[MG_LOG_ENTRY_MAX],
                                    struct mg_log_entry *ret_entry,
                                    uint8_t ret_hash[32]);

/** SHA-256 of an entry's text: the next one's `prev`. */
void mg_log_hash(const char *text, size_t len, uint8_t ret[32]);

#endif
