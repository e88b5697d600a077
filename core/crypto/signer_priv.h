/* What is behind a signer: a file's key or a token; private to core/crypto. */
#ifndef MG_CRYPTO_SIGNER_PRIV_H
#define MG_CRYPTO_SIGNER_PRIV_H

#include "crypto/signer.h"

/** How one kind of signer signs a digest: strict DER. */
struct crypto__signer_ops {
    int (*sign)(void *ctx, const uint8_t digest[32],
                uint8_t ret_der[MG_SIGNATURE_MAX], size_t *ret_len,
                struct mg_err *err);
    void (*close)(void *ctx);
};

/** Open; the key is owned by the caller. @return NULL with err */
void *crypto__file_open(const char *path, struct mg_public_key **ret_key,
                        struct mg_err *err);
void *crypto__token_open(const struct mg_signer_settings *settings,
                         struct mg_public_key **ret_key, struct mg_err *err);

extern const struct crypto__signer_ops crypto__file_ops, crypto__token_ops;

/** Read a small secret file that nobody else may read. NUL-terminated; the
 *  caller wipes it. @return MG_OK or a code with err */
int crypto__read_secret(const char *path, char *buf, size_t cap,
                        size_t *ret_len, struct mg_err *err);

/** secp256r1 and secp384r1 only. */
int crypto__check_signing_curve(enum mg_curve curve, struct mg_err *err);

#endif
