/* The inside of a public key; private to core/crypto. */
#ifndef MG_CRYPTO_KEY_PRIV_H
#define MG_CRYPTO_KEY_PRIV_H

#include <openssl/evp.h>

#include "crypto/key.h"

struct crypto__table;

struct mg_public_key {
    enum mg_curve curve;
    EVP_PKEY *pkey;              /* owned */
    EVP_PKEY_CTX *verifying;     /* owned; only copied: threads share it */
    struct crypto__table *table; /* owned; NULL: not prepared */
    uint8_t raw[MG_KEY_RAW_MAX];
    uint8_t spki[MG_KEY_SPKI_MAX];
    size_t raw_len, spki_len;
};

/** A digest of all zeros must never be verified: anybody can sign it. So this
 *  tells, which mg_sha256 cannot. @return false: out of memory */
bool crypto__sha256(const void *data, size_t len, uint8_t ret[32]);

/** @param pkey  an EC key, public or private; another reference is taken
 *  @return as mg_public_key_parse */
int crypto__key_of(EVP_PKEY *pkey, struct mg_public_key **ret,
                   struct mg_err *err);

/** From X and Y. @return as mg_public_key_parse */
int crypto__key_of_point(enum mg_curve curve, const uint8_t *raw, size_t len,
                         struct mg_public_key **ret, struct mg_err *err);

void crypto__table_destroy(struct crypto__table *table);

/** @param der  strict
 *  @return whether it is the key's signature of the digest; false also when
 *          memory runs out */
bool crypto__table_verify(const struct crypto__table *table, const uint8_t *der,
                          size_t der_len, const uint8_t digest[32]);

#endif
