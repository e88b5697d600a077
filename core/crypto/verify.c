#include "crypto/verify.h"

#include <openssl/err.h>
#include <string.h>

#include "crypto/key_priv.h"

#define TAG_SEQUENCE 0x30
#define TAG_INTEGER  0x02
#define OCTETS_MAX   48

/* ---- DER of Ecdsa-Sig-Value (SEC 1, C.5) ---- */

struct reader {
    const uint8_t *at;
    size_t left;
};

/* Lengths of one byte, or of two with 0x81: no signature is longer. */
static int read_head(struct reader *r, uint8_t tag, size_t *ret_len)
{
    if (r->left < 2 || r->at[0] != tag) {
        return MG_E_PROTO;
    }
    size_t head = 2, len = r->at[1];
    if (len == 0x81 && r->left >= 3) {
        head = 3;
        len = r->at[2];
    } else if (len >= 0x80) {
        return MG_E_PROTO;
    }
    if (len > r->left - head || (head == 3 && len < 0x80)) {
        return MG_E_PROTO;
    }
    r->at += head;
    r->left -= head;
    *ret_len = len;
    return MG_OK;
}

/* @param ret  `octets` bytes, big-endian */
static int read_integer(struct reader *r, size_t octets, uint8_t *ret,
                        unsigned *lenient)
{
    size_t len;
    if (read_head(r, TAG_INTEGER, &len) != MG_OK || len == 0) {
        return MG_E_PROTO;
    }
    const uint8_t *number = r->at;
    r->at += len;
    r->left -= len;
    if ((number[0] & 0x80) != 0) {
        return MG_E_PROTO; /* negative */
    }
    size_t n_zeros = 0;
    while (n_zeros < len && number[n_zeros] == 0) {
        n_zeros++;
    }
    size_t n = len - n_zeros;
    if (n == 0 || n > octets) {
        return MG_E_PROTO; /* 0, or too large for the curve */
    }
    size_t n_needed = (number[n_zeros] & 0x80) != 0 ? 1 : 0;
    *lenient |= n_zeros > n_needed ? MG_LENIENT_SIG_DER : 0;
    memset(ret, 0, octets - n);
    memcpy(ret + octets - n, number + n_zeros, n);
    return MG_OK;
}

static int read_der(const uint8_t *sig, size_t len, size_t octets, uint8_t *ret,
                    unsigned *lenient)
{
    struct reader r = {sig, len};
    size_t content;
    if (read_head(&r, TAG_SEQUENCE, &content) != MG_OK || content != r.left) {
        return MG_E_PROTO; /* bytes behind it are none of the signature */
    }
    int rc = read_integer(&r, octets, ret, lenient);
    if (rc == MG_OK) {
        rc = read_integer(&r, octets, ret + octets, lenient);
    }
    return rc == MG_OK && r.left == 0 ? MG_OK : MG_E_PROTO;
}

static size_t write_integer(uint8_t *to, const uint8_t *number, size_t octets)
{
    size_t n_zeros = 0;
    while (n_zeros < octets - 1 && number[n_zeros] == 0) {
        n_zeros++;
    }
    size_t n = octets - n_zeros;
    size_t pad = (number[n_zeros] & 0x80) != 0 ? 1 : 0;
    to[0] = TAG_INTEGER;
    to[1] = (uint8_t)(n + pad);
    to[2] = 0;
    memcpy(to + 2 + pad, number + n_zeros, n);
    return 2 + pad + n;
}

static size_t write_der(const uint8_t *rs, size_t octets,
                        uint8_t ret[MG_SIGNATURE_MAX])
{
    uint8_t body[2 * (OCTETS_MAX + 3)];
    size_t len = write_integer(body, rs, octets);
    len += write_integer(body + len, rs + octets, octets);
    ret[0] = TAG_SEQUENCE;
    ret[1] = (uint8_t)len; /* at most 102 */
    memcpy(ret + 2, body, len);
    return len + 2;
}

static bool is_zero(const uint8_t *number, size_t octets)
{
    uint8_t all = 0;
    for (size_t i = 0; i < octets; i++) {
        all |= number[i];
    }
    return all == 0;
}

int mg_signature_normalise(const uint8_t *sig, size_t len, enum mg_curve curve,
                           uint8_t ret_der[MG_SIGNATURE_MAX], size_t *ret_len,
                           unsigned *ret_lenient)
{
    size_t octets = mg_curve_octets(curve);
    uint8_t rs[2 * OCTETS_MAX];
    unsigned lenient = 0;
    if (octets == 0) {
        return MG_E_PROTO;
    }
    if (read_der(sig, len, octets, rs, &lenient) != MG_OK) {
        if (len != 2 * octets || is_zero(sig, octets) ||
            is_zero(sig + octets, octets)) {
            return MG_E_PROTO;
        }
        lenient = MG_LENIENT_SIG_RAW;
        memcpy(rs, sig, len);
    }
    *ret_len = write_der(rs, octets, ret_der);
    *ret_lenient = lenient;
    return MG_OK;
}

/* ---- ECDSA ---- */

int mg_verify(const struct mg_public_key *key, const void *data, size_t len,
              const uint8_t *der, size_t der_len)
{
    uint8_t digest[32];
    if (!crypto__sha256(data, len, digest)) {
        return MG_E_NOMEM;
    }
    /* What the table refuses is looked at once more: it only saves time. */
    if (key->table != NULL &&
        crypto__table_verify(key->table, der, der_len, digest)) {
        return MG_OK;
    }
    /* A copy saves looking the algorithm up, which takes a lock. */
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_dup(key->verifying);
    if (ctx == NULL) {
        ERR_clear_error();
        return MG_E_NOMEM;
    }
    int rc = EVP_PKEY_verify(ctx, der, der_len, digest, sizeof digest) == 1
                 ? MG_OK
                 : MG_E_MISMATCH;
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    return rc;
}

bool crypto__sha256(const void *data, size_t len, uint8_t ret[32])
{
    return EVP_Digest(data, len, ret, NULL, EVP_sha256(), NULL) == 1;
}

void mg_sha256(const void *data, size_t len, uint8_t ret[32])
{
    if (!crypto__sha256(data, len, ret)) { /* out of memory */
        memset(ret, 0, 32);
    }
}
