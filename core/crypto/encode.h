/* Hex and base64 (RFC 4648, with padding). */
#ifndef MG_CRYPTO_ENCODE_H
#define MG_CRYPTO_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "metergate/types.h"

#define MG_BASE64_LEN(n) (((n) + 2) / 3 * 4)

/** NUL-terminated; room for 2 * len + 1. */
void mg_hex_write(const uint8_t *bytes, size_t len, bool is_upper, char *ret);
/** @return MG_OK; MG_E_PROTO: odd or no hex; MG_E_NOSPC */
int mg_hex_read(const char *text, size_t len, uint8_t *ret, size_t cap,
                size_t *ret_len);
/** NUL-terminated; room for MG_BASE64_LEN(len) + 1. */
void mg_base64_write(const uint8_t *bytes, size_t len, char *ret);
/** Strict: no blanks, right padding, no bits left over.
 *  @return MG_OK; MG_E_PROTO; MG_E_NOSPC */
int mg_base64_read(const char *text, size_t len, uint8_t *ret, size_t cap,
                   size_t *ret_len);

#endif
