/* Entries of the log book within the store: as items of the queue, and into
 * the file. */
#ifndef MG_STORE_LOGBOOK_ROW_H
#define MG_STORE_LOGBOOK_ROW_H

#include "store/logbook.h"
#include "store/writer.h"

/* The "name" of an item; behind it the text, or the signature. */
struct store_log {
    int64_t number;
    bool is_signature;
    uint8_t hash[MG_LOG_HASH_LEN];                /* of an entry */
    char fingerprint[MG_LOG_FINGERPRINT_LEN + 1]; /* of a signature's key */
};

/** Within a transaction. */
int store__write_log(struct store_writer *writer, const struct store_item *item,
                     struct mg_err *err);

#endif
