/* The station's private key: from a PEM file or a PKCS#11 token. */
#ifndef MG_CRYPTO_SIGNER_H
#define MG_CRYPTO_SIGNER_H

#include "crypto/verify.h"

struct mg_signer_settings {
    const char *key_file; /* PEM, mode 0600 or stricter; or NULL: PKCS#11 */
    const char *pkcs11_module;   /* path of the token's library */
    const char *pkcs11_uri;      /* RFC 7512: token, object, id; no query */
    const char *pkcs11_pin_file; /* one line, mode 0600 or stricter; or NULL */
};

struct mg_signer;

/** secp256r1 or secp384r1. Blocks on the file or the token. The secrets never
 *  appear in err.
 *  @return owned; NULL with err (missing, readable by others, no EC key,
 *          another curve, token absent, wrong PIN, object not found) */
struct mg_signer *mg_signer_open(const struct mg_signer_settings *settings,
                                 struct mg_err *err);
void mg_signer_close(struct mg_signer *signer); /* NULL is allowed */

/** Borrowed. */
const struct mg_public_key *mg_signer_public_key(const struct mg_signer *s);

/** ECDSA with SHA-256, strict DER. That the keys belong together was tried out
 *  when it was opened; a token's signature is verified each time. Verify before
 *  it is given away: a computing fault may reveal the key. Blocks; any thread,
 *  one call at a time.
 *  @return MG_OK or a code with err (token removed, ...); it may be tried
 *          again: a token is opened anew */
int mg_signer_sign(struct mg_signer *signer, const void *data, size_t len,
                   uint8_t ret_der[MG_SIGNATURE_MAX], size_t *ret_len,
                   struct mg_err *err);

/** What OpenSSL keeps for the calling thread goes: for a thread of a pool,
 * which ends when nobody can free it any more. */
void mg_signer_leave_thread(void);

/** Make a key in a new PEM file of mode 0600 (PKCS#8); an existing file is
 *  never overwritten. */
int mg_key_generate_file(const char *path, enum mg_curve curve,
                         struct mg_err *err);
/** Make a key pair in the token of settings->pkcs11_uri, private key not
 *  extractable. */
int mg_key_generate_token(const struct mg_signer_settings *settings,
                          enum mg_curve curve, struct mg_err *err);

#endif
