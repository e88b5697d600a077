/* The inside of a public key; private to core/crypto. */
#ifndef MG_CRYPTO_KEY_PRIV_H
#define MG_CRYPTO_KEY_PRIV_H

#include <openssl/evp.h>

#include "crypto/key.h"

struct mg_public_key {
    enum mg_curve curve;
    EVP_PKEY *pkey; /* owned */
    uint8_t raw[MG_KEY_RAW_MAX];
    uint8_t spki[MG_KEY_SPKI_MAX];
    size_t raw_len, spki_len;
};

/** @param pkey  an EC key, public or private; another reference is taken
 *  @return as mg_public_key_parse */
int crypto__key_of(EVP_PKEY *pkey, struct mg_public_key **ret,
                   struct mg_err *err);

/** From X and Y. @return as mg_public_key_parse */
int crypto__key_of_point(enum mg_curve curve, const uint8_t *raw, size_t len,
                         struct mg_public_key **ret, struct mg_err *err);

#endif
