/* An entry of the log book with its hash and signature as one JSON object in
 * one line: what is published on the topic `log` and what is exported.
 *
 * {"n":26,"entry":"<its text, as a JSON string>","hash":"<SHA-256, hex>",
 *  "signature":"<base64 of DER, or nothing>",
 *  "algorithm":"ECDSA-secp256r1-SHA256","fingerprint":"<of the key, hex>"} */
#ifndef MG_RECORD_LOGBOOK_LINE_H
#define MG_RECORD_LOGBOOK_LINE_H

#include "record/logbook_chain.h"

#define MG_LOG_LINE_MAX 8192

struct mg_log_line {
    int64_t number;
    char text[MG_LOG_ENTRY_MAX + 1];
    size_t len;
    uint8_t hash[32];
    uint8_t signature[MG_SIGNATURE_MAX];
    size_t signature_len; /* 0: not signed */
    char fingerprint[MG_FINGERPRINT_HEX_MAX];
};

/** @param link       with number and hash
 *  @param algorithm  mg_curve_algorithm, or "" without a signature
 *  @return MG_OK; MG_E_NOSPC; MG_E_INVAL: a signature that is too long */
int mg_log_line_write(const struct mg_log_link *link, const char *algorithm,
                      char *buf, size_t cap, size_t *ret_len);

/** @return MG_OK; MG_E_PROTO: not such a line */
int mg_log_line_parse(const char *text, size_t len, struct mg_log_line *ret);

/** Pointers into the line. */
struct mg_log_link mg_log_line_link(const struct mg_log_line *line);

#endif
