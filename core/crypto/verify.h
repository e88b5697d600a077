/* ECDSA with SHA-256. */
#ifndef MG_CRYPTO_VERIFY_H
#define MG_CRYPTO_VERIFY_H

#include "crypto/key.h"

#define MG_SIGNATURE_MAX 112 /* DER, of the longest curve */

/** Bring a signature into strict DER: minimal INTEGERs, exact lengths, no
 *  trailing bytes. Accepts superfluous leading zeros (SIG_DER) and r || s
 *  (SIG_RAW), and says so.
 *  @return MG_OK; MG_E_PROTO: neither, r or s not in 1..2^bits - 1 */
int mg_signature_normalise(const uint8_t *sig, size_t len, enum mg_curve curve,
                           uint8_t ret_der[MG_SIGNATURE_MAX], size_t *ret_len,
                           unsigned *ret_lenient);

/** @param der  strict
 *  @return MG_OK; MG_E_MISMATCH: not this key's signature of this data;
 *          MG_E_NOMEM. Any thread. */
int mg_verify(const struct mg_public_key *key, const void *data, size_t len,
              const uint8_t *der, size_t der_len);

void mg_sha256(const void *data, size_t len, uint8_t ret[32]);

#endif
