/* The parts of deterministic.c that have test vectors (RFC 6979, A.2.5). */
#ifndef MG_CRYPTO_DETERMINISTIC_PRIV_H
#define MG_CRYPTO_DETERMINISTIC_PRIV_H

#include "crypto/deterministic.h"

/** @param scalar  private key, big-endian @param ret  r and s */
int crypto__sign_deterministic(const uint8_t scalar[32], const void *data,
                               size_t len, uint8_t ret[64]);
/** X and Y of a private key. */
int crypto__public_of(const uint8_t scalar[32], uint8_t ret[64]);

#endif
