#include "crypto/signer.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/key_priv.h"
#include "crypto/signer_priv.h"

struct mg_signer {
    const struct crypto__signer_ops *ops;
    void *ctx;                 /* owned */
    struct mg_public_key *key; /* owned */
};

int crypto__check_signing_curve(enum mg_curve curve, struct mg_err *err)
{
    if (curve == MG_CURVE_SECP256R1 || curve == MG_CURVE_SECP384R1) {
        return MG_OK;
    }
    return mg_err_set(err, MG_E_NOSUP,
                      "a station signs with secp384r1 or secp256r1, not with "
                      "%s",
                      mg_curve_name(curve));
}

static int sign(struct mg_signer *s, const void *data, size_t len,
                bool is_checked, uint8_t ret_der[MG_SIGNATURE_MAX],
                size_t *ret_len, struct mg_err *err)
{
    uint8_t digest[32], der[MG_SIGNATURE_MAX], strict[MG_SIGNATURE_MAX];
    size_t der_len, strict_len;
    unsigned lenient;
    if (!crypto__sha256(data, len, digest)) {
        return mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    int rc = s->ops->sign(s->ctx, digest, der, &der_len, err);
    if (rc != MG_OK) {
        return rc;
    }
    if (mg_signature_normalise(der, der_len, mg_public_key_curve(s->key),
                               strict, &strict_len, &lenient) != MG_OK ||
        (is_checked &&
         mg_verify(s->key, data, len, strict, strict_len) != MG_OK)) {
        return mg_err_set(err, MG_E_MISMATCH,
                          "the signature just made does not verify: the "
                          "private key does not belong to the public key");
    }
    memcpy(ret_der, strict, strict_len);
    *ret_len = strict_len;
    return MG_OK;
}

/* Does the private key belong to the public one? */
static int try_out(struct mg_signer *s, struct mg_err *err)
{
    static const char text[] = "metergate";
    uint8_t der[MG_SIGNATURE_MAX];
    size_t len;
    int rc = crypto__check_signing_curve(mg_public_key_curve(s->key), err);
    return rc == MG_OK ? sign(s, text, sizeof text, true, der, &len, err) : rc;
}

struct mg_signer *mg_signer_open(const struct mg_signer_settings *settings,
                                 struct mg_err *err)
{
    struct mg_signer *s = calloc(1, sizeof *s);
    if (s == NULL) {
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        return NULL;
    }
    if (settings->key_file != NULL) {
        s->ops = &crypto__file_ops;
        s->ctx = crypto__file_open(settings->key_file, &s->key, err);
    } else {
        s->ops = &crypto__token_ops;
        s->ctx = crypto__token_open(settings, &s->key, err);
    }
    if (s->ctx == NULL || try_out(s, err) != MG_OK) {
        mg_signer_close(s);
        return NULL;
    }
    return s;
}

void mg_signer_close(struct mg_signer *s)
{
    if (s == NULL) {
        return;
    }
    if (s->ctx != NULL) {
        s->ops->close(s->ctx);
    }
    mg_public_key_destroy(s->key);
    free(s);
}

const struct mg_public_key *mg_signer_public_key(const struct mg_signer *s)
{
    return s->key;
}

int mg_signer_sign(struct mg_signer *s, const void *data, size_t len,
                   uint8_t ret_der[MG_SIGNATURE_MAX], size_t *ret_len,
                   struct mg_err *err)
{
    /* A token is another machine; the key of a file is in this process. */
    bool is_checked = s->ops == &crypto__token_ops;
    return sign(s, data, len, is_checked, ret_der, ret_len, err);
}

void mg_signer_leave_thread(void)
{
    OPENSSL_thread_stop();
}
