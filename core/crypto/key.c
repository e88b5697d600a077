#include "crypto/key.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/curve.h"
#include "crypto/encode.h"
#include "crypto/key_priv.h"
#include "crypto/verify.h"

#define POINT_UNCOMPRESSED 0x04

/* ---- From libcrypto ---- */

static int fill_point(struct mg_public_key *key)
{
    uint8_t point[1 + MG_KEY_RAW_MAX];
    size_t len = 0;
    size_t expected = 1 + 2 * mg_curve_octets(key->curve);
    if (EVP_PKEY_get_octet_string_param(key->pkey, OSSL_PKEY_PARAM_PUB_KEY,
                                        point, sizeof point, &len) != 1 ||
        len != expected || point[0] != POINT_UNCOMPRESSED) {
        return MG_E_PROTO;
    }
    key->raw_len = len - 1;
    memcpy(key->raw, point + 1, key->raw_len);
    return MG_OK;
}

static int fill_spki(struct mg_public_key *key)
{
    int len = i2d_PUBKEY(key->pkey, NULL);
    if (len <= 0 || len > MG_KEY_SPKI_MAX) {
        return MG_E_PROTO;
    }
    uint8_t *at = key->spki;
    key->spki_len = (size_t)i2d_PUBKEY(key->pkey, &at);
    return MG_OK;
}

static int curve_of(EVP_PKEY *pkey, enum mg_curve *ret, struct mg_err *err)
{
    char group[64];
    size_t len;
    if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_EC ||
        EVP_PKEY_get_group_name(pkey, group, sizeof group, &len) != 1) {
        return mg_err_set(err, MG_E_NOSUP,
                          "not a key of a named elliptic curve");
    }
    *ret = crypto__curve_of_group(group);
    return *ret < MG_N_CURVES
               ? MG_OK
               : mg_err_set(err, MG_E_NOSUP, "curve %.40s is none of OCMF's",
                            group);
}

int crypto__key_of(EVP_PKEY *pkey, struct mg_public_key **ret,
                   struct mg_err *err)
{
    enum mg_curve curve = MG_N_CURVES;
    int rc = curve_of(pkey, &curve, err);
    if (rc != MG_OK) {
        return rc;
    }
    struct mg_public_key *key = calloc(1, sizeof *key);
    if (key == NULL) {
        return mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    key->curve = curve;
    (void)EVP_PKEY_up_ref(pkey);
    key->pkey = pkey;
    if (fill_point(key) != MG_OK || fill_spki(key) != MG_OK) {
        mg_public_key_destroy(key);
        return mg_err_set(err, MG_E_PROTO,
                          "not a key with an uncompressed "
                          "point on %s",
                          mg_curve_name(curve));
    }
    key->verifying = EVP_PKEY_CTX_new(pkey, NULL);
    if (key->verifying == NULL || EVP_PKEY_verify_init(key->verifying) != 1) {
        mg_public_key_destroy(key);
        return mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    *ret = key;
    return MG_OK;
}

void mg_public_key_destroy(struct mg_public_key *key)
{
    if (key != NULL) {
        crypto__table_destroy(key->table);
        EVP_PKEY_CTX_free(key->verifying);
        EVP_PKEY_free(key->pkey);
        free(key);
    }
}

static EVP_PKEY *pkey_of_point(enum mg_curve curve, const uint8_t *point,
                               size_t len)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                         (char *)crypto__curve_group(curve), 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
                                          (void *)point, len),
        OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *pkey = NULL;
    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

int crypto__key_of_point(enum mg_curve curve, const uint8_t *raw, size_t len,
                         struct mg_public_key **ret, struct mg_err *err)
{
    uint8_t point[1 + MG_KEY_RAW_MAX] = {POINT_UNCOMPRESSED};
    if (len != 2 * mg_curve_octets(curve)) {
        return mg_err_set(err, MG_E_PROTO, "not a point of %s",
                          mg_curve_name(curve));
    }
    memcpy(point + 1, raw, len);
    EVP_PKEY *pkey = pkey_of_point(curve, point, 1 + len);
    if (pkey == NULL) {
        return mg_err_set(err, MG_E_PROTO, "the point is not on %s",
                          mg_curve_name(curve));
    }
    int rc = crypto__key_of(pkey, ret, err);
    EVP_PKEY_free(pkey);
    return rc;
}

/* ---- From text ---- */

static enum mg_curve curve_of_raw(size_t len, enum mg_curve hint)
{
    static const enum mg_curve usual[] = {
        MG_CURVE_SECP192R1, MG_CURVE_SECP256R1, MG_CURVE_SECP384R1};
    if (hint < MG_N_CURVES && len == 2 * mg_curve_octets(hint)) {
        return hint;
    }
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        if (len == 2 * mg_curve_octets(usual[i])) {
            return usual[i];
        }
    }
    return MG_N_CURVES;
}

static int parse_spki(const uint8_t *der, size_t len,
                      struct mg_public_key **ret, struct mg_err *err)
{
    const uint8_t *at = der;
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)len);
    if (pkey == NULL || at != der + len) {
        EVP_PKEY_free(pkey);
        return mg_err_set(err, MG_E_PROTO,
                          "neither a SubjectPublicKeyInfo in DER nor the two "
                          "coordinates of a point");
    }
    int rc = crypto__key_of(pkey, ret, err);
    EVP_PKEY_free(pkey);
    return rc;
}

static int parse_binary(const uint8_t *bytes, size_t len, enum mg_curve hint,
                        struct mg_public_key **ret, unsigned *lenient,
                        struct mg_err *err)
{
    bool has_mark = len > 1 && len % 2 == 1 && bytes[0] == POINT_UNCOMPRESSED;
    const uint8_t *raw = has_mark ? bytes + 1 : bytes;
    size_t raw_len = has_mark ? len - 1 : len;
    enum mg_curve curve = curve_of_raw(raw_len, hint);
    if (curve < MG_N_CURVES) {
        *lenient |= MG_LENIENT_KEY_RAW;
        return crypto__key_of_point(curve, raw, raw_len, ret, err);
    }
    return parse_spki(bytes, len, ret, err);
}

static int parse_pem(const char *text, size_t len, struct mg_public_key **ret,
                     struct mg_err *err)
{
    BIO *bio = BIO_new_mem_buf(text, (int)len);
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    long der_len = 0;
    int rc;
    /* PEM_read_bio_PUBKEY would ask for the pass phrase of an encrypted one on
     * the terminal, and says nothing of bytes behind the key. */
    if (bio != NULL && PEM_read_bio(bio, &name, &header, &der, &der_len) == 1 &&
        strcmp(name, PEM_STRING_PUBLIC) == 0 && header[0] == '\0' &&
        BIO_pending(bio) == 0) {
        rc = parse_spki(der, (size_t)der_len, ret, err);
    } else {
        rc = mg_err_set(err, MG_E_PROTO, "not one public key in PEM");
    }
    (void)BIO_free(bio); /* cannot fail: memory only */
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_clear_free(der, (size_t)der_len); /* maybe a private key */
    return rc;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Without blanks, and without the colons between the bytes of a print-out. */
static size_t squeeze(const char *text, size_t len, char *ret, bool *ret_spaced)
{
    size_t n = 0;
    *ret_spaced = false;
    for (size_t i = 0; i < len; i++) {
        if (is_blank(text[i]) || text[i] == ':') {
            *ret_spaced = true;
        } else {
            ret[n++] = text[i];
        }
    }
    return n;
}

static int parse_text(const char *text, size_t len, enum mg_curve hint,
                      struct mg_public_key **ret, unsigned *lenient,
                      struct mg_err *err)
{
    char squeezed[MG_KEY_TEXT_MAX];
    uint8_t bytes[MG_KEY_TEXT_MAX];
    bool is_spaced;
    size_t n = squeeze(text, len, squeezed, &is_spaced);
    size_t n_bytes;
    if (mg_hex_read(squeezed, n, bytes, sizeof bytes, &n_bytes) != MG_OK &&
        mg_base64_read(squeezed, n, bytes, sizeof bytes, &n_bytes) != MG_OK) {
        return mg_err_set(err, MG_E_PROTO,
                          "a public key is hex, base64 or PEM; this is none");
    }
    *lenient |= is_spaced ? MG_LENIENT_KEY_SPACED : 0;
    return parse_binary(bytes, n_bytes, hint, ret, lenient, err);
}

static bool is_printable(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && !is_blank(text[i])) || c >= 0x7f) {
            return false;
        }
    }
    return true;
}

int mg_public_key_parse(const char *text, size_t len, enum mg_curve curve,
                        struct mg_public_key **ret, unsigned *ret_lenient,
                        struct mg_err *err)
{
    static const char pem[] = "-----BEGIN";
    unsigned lenient = 0;
    int rc;
    bool is_text = is_printable(text, len);
    while (is_text && len > 0 && is_blank(text[len - 1])) {
        len--;
    }
    while (is_text && len > 0 && is_blank(text[0])) {
        text++;
        len--;
    }
    if (len == 0 || len > MG_KEY_TEXT_MAX) {
        return mg_err_set(err, MG_E_PROTO,
                          "a public key has 1 to %d bytes, this has %zu",
                          MG_KEY_TEXT_MAX, len);
    }
    if (len >= sizeof pem && memcmp(text, pem, sizeof pem - 1) == 0) {
        rc = parse_pem(text, len, ret, err);
    } else if (is_text) {
        rc = parse_text(text, len, curve, ret, &lenient, err);
    } else {
        rc =
            parse_binary((const uint8_t *)text, len, curve, ret, &lenient, err);
    }
    ERR_clear_error(); /* nobody reads them; the next user must not */
    if (rc == MG_OK) {
        *ret_lenient = lenient;
    }
    return rc;
}

/* ---- To text ---- */

enum mg_curve mg_public_key_curve(const struct mg_public_key *key)
{
    return key->curve;
}

size_t mg_public_key_spki(const struct mg_public_key *key,
                          uint8_t ret[MG_KEY_SPKI_MAX])
{
    memcpy(ret, key->spki, key->spki_len);
    return key->spki_len;
}

size_t mg_public_key_raw(const struct mg_public_key *key,
                         uint8_t ret[MG_KEY_RAW_MAX])
{
    memcpy(ret, key->raw, key->raw_len);
    return key->raw_len;
}

void mg_public_key_hex(const struct mg_public_key *key,
                       char ret[2 * MG_KEY_SPKI_MAX + 1])
{
    mg_hex_write(key->spki, key->spki_len, true, ret);
}

int mg_public_key_pem(const struct mg_public_key *key, char *buf, size_t cap)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long len = 0;
    int rc = MG_E_NOSPC;
    if (bio != NULL && PEM_write_bio_PUBKEY(bio, key->pkey) == 1) {
        len = BIO_get_mem_data(bio, &text);
    }
    if (len > 0 && (size_t)len < cap) {
        memcpy(buf, text, (size_t)len);
        buf[len] = '\0';
        rc = MG_OK;
    }
    (void)BIO_free(bio); /* cannot fail: memory only */
    return rc;
}

void mg_public_key_fingerprint(const struct mg_public_key *key,
                               char ret[MG_FINGERPRINT_HEX_MAX])
{
    uint8_t digest[32];
    mg_sha256(key->spki, key->spki_len, digest);
    mg_hex_write(digest, sizeof digest, false, ret);
}
