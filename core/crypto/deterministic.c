/* RFC 6979 with HMAC-SHA-256 on P-256; 256-bit order and digest, so that
 * bits2int and bits2octets are plain. */
#include "crypto/deterministic.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/obj_mac.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/deterministic_priv.h"
#include "crypto/key_priv.h"

#define OCTETS 32

struct mg_sim_key {
    uint8_t scalar[OCTETS];
    uint8_t raw[2 * OCTETS];
};

struct work {
    BN_CTX *ctx;
    EC_GROUP *group;
    EC_POINT *point;
    const BIGNUM *order;
};

static bool work_begin(struct work *w)
{
    w->ctx = BN_CTX_new();
    w->group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    w->point = w->group == NULL ? NULL : EC_POINT_new(w->group);
    w->order = w->group == NULL ? NULL : EC_GROUP_get0_order(w->group);
    if (w->ctx != NULL) {
        BN_CTX_start(w->ctx);
    }
    return w->ctx != NULL && w->point != NULL && w->order != NULL;
}

static void work_end(struct work *w)
{
    if (w->ctx != NULL) {
        BN_CTX_end(w->ctx);
    }
    EC_POINT_free(w->point);
    EC_GROUP_free(w->group);
    BN_CTX_free(w->ctx);
}

static bool hmac(const uint8_t key[OCTETS], const uint8_t *data, size_t len,
                 uint8_t ret[OCTETS])
{
    unsigned n;
    return HMAC(EVP_sha256(), key, OCTETS, data, len, ret, &n) != NULL;
}

/* ---- The nonce, RFC 6979, 3.2 ---- */

struct drbg {
    uint8_t k[OCTETS], v[OCTETS];
};

static bool drbg_update(struct drbg *d, uint8_t mark, const uint8_t *seed,
                        size_t len)
{
    uint8_t buf[OCTETS + 1 + 2 * OCTETS];
    memcpy(buf, d->v, OCTETS);
    buf[OCTETS] = mark;
    if (len > 0) {
        memcpy(buf + OCTETS + 1, seed, len);
    }
    return hmac(d->k, buf, OCTETS + 1 + len, d->k) &&
           hmac(d->k, d->v, OCTETS, d->v);
}

static bool drbg_init(struct drbg *d, const uint8_t scalar[OCTETS],
                      const uint8_t digest_mod_order[OCTETS])
{
    uint8_t seed[2 * OCTETS];
    memcpy(seed, scalar, OCTETS);
    memcpy(seed + OCTETS, digest_mod_order, OCTETS);
    memset(d->v, 0x01, OCTETS);
    memset(d->k, 0x00, OCTETS);
    return drbg_update(d, 0x00, seed, sizeof seed) &&
           drbg_update(d, 0x01, seed, sizeof seed);
}

/* ---- ECDSA ---- */

/* s = k^-1 (z + r x) mod n. @return false: out of memory, or try another k */
static bool sign_with(struct work *w, const BIGNUM *k, const BIGNUM *x,
                      const BIGNUM *z, BIGNUM *r, BIGNUM *s)
{
    BIGNUM *inverse = BN_CTX_get(w->ctx);
    return inverse != NULL &&
           EC_POINT_mul(w->group, w->point, k, NULL, NULL, w->ctx) == 1 &&
           EC_POINT_get_affine_coordinates(w->group, w->point, r, NULL,
                                           w->ctx) == 1 &&
           BN_nnmod(r, r, w->order, w->ctx) == 1 && !BN_is_zero(r) &&
           BN_mod_mul(s, r, x, w->order, w->ctx) == 1 &&
           BN_mod_add(s, s, z, w->order, w->ctx) == 1 &&
           BN_mod_inverse(inverse, k, w->order, w->ctx) != NULL &&
           BN_mod_mul(s, s, inverse, w->order, w->ctx) == 1 && !BN_is_zero(s);
}

static int sign_digest(struct work *w, const uint8_t scalar[OCTETS],
                       const uint8_t digest[OCTETS], uint8_t ret[2 * OCTETS])
{
    BIGNUM *x = BN_CTX_get(w->ctx), *z = BN_CTX_get(w->ctx),
           *k = BN_CTX_get(w->ctx), *r = BN_CTX_get(w->ctx),
           *s = BN_CTX_get(w->ctx);
    uint8_t reduced[OCTETS];
    struct drbg drbg;
    if (s == NULL || BN_bin2bn(scalar, OCTETS, x) == NULL ||
        BN_bin2bn(digest, OCTETS, z) == NULL ||
        BN_nnmod(z, z, w->order, w->ctx) != 1 ||
        BN_bn2binpad(z, reduced, OCTETS) != OCTETS ||
        !drbg_init(&drbg, scalar, reduced)) {
        return MG_E_NOMEM;
    }
    for (int i = 0; i < 64; i++) { /* one try but for 2^-32 */
        if (!hmac(drbg.k, drbg.v, OCTETS, drbg.v) ||
            BN_bin2bn(drbg.v, OCTETS, k) == NULL) {
            return MG_E_NOMEM;
        }
        if (!BN_is_zero(k) && BN_cmp(k, w->order) < 0 &&
            sign_with(w, k, x, z, r, s)) {
            return BN_bn2binpad(r, ret, OCTETS) == OCTETS &&
                           BN_bn2binpad(s, ret + OCTETS, OCTETS) == OCTETS
                       ? MG_OK
                       : MG_E_NOMEM;
        }
        if (!drbg_update(&drbg, 0x00, NULL, 0)) {
            return MG_E_NOMEM;
        }
    }
    return MG_E_NOMEM;
}

int crypto__sign_deterministic(const uint8_t scalar[32], const void *data,
                               size_t len, uint8_t ret[64])
{
    struct work w = {0};
    uint8_t digest[OCTETS];
    int rc = crypto__sha256(data, len, digest) && work_begin(&w)
                 ? sign_digest(&w, scalar, digest, ret)
                 : MG_E_NOMEM;
    work_end(&w);
    return rc;
}

/* ---- The key ---- */

static bool make_scalar(const struct work *w, uint64_t seed, uint32_t serial,
                        uint8_t ret[OCTETS])
{
    static const uint8_t label[OCTETS] = "metergate simulated meter key";
    uint8_t text[16];
    BIGNUM *x = BN_CTX_get(w->ctx);
    for (uint32_t i = 0; x != NULL && i < 64; i++) {
        for (unsigned b = 0; b < 8; b++) {
            text[b] = (uint8_t)(seed >> 8 * (7 - b));
        }
        for (unsigned b = 0; b < 4; b++) {
            text[8 + b] = (uint8_t)(serial >> 8 * (3 - b));
            text[12 + b] = (uint8_t)(i >> 8 * (3 - b));
        }
        if (!hmac(label, text, sizeof text, ret) ||
            BN_bin2bn(ret, OCTETS, x) == NULL) {
            return false;
        }
        if (!BN_is_zero(x) && BN_cmp(x, w->order) < 0) {
            return true;
        }
    }
    return false;
}

int crypto__public_of(const uint8_t scalar[32], uint8_t ret[64])
{
    struct work w = {0};
    int rc = MG_E_NOMEM;
    if (work_begin(&w)) {
        BIGNUM *x = BN_CTX_get(w.ctx), *px = BN_CTX_get(w.ctx),
               *py = BN_CTX_get(w.ctx);
        if (py != NULL && BN_bin2bn(scalar, OCTETS, x) != NULL &&
            EC_POINT_mul(w.group, w.point, x, NULL, NULL, w.ctx) == 1 &&
            EC_POINT_get_affine_coordinates(w.group, w.point, px, py, w.ctx) ==
                1 &&
            BN_bn2binpad(px, ret, OCTETS) == OCTETS &&
            BN_bn2binpad(py, ret + OCTETS, OCTETS) == OCTETS) {
            rc = MG_OK;
        }
    }
    work_end(&w);
    return rc;
}

struct mg_sim_key *mg_sim_key_create(uint64_t seed, uint32_t serial)
{
    struct mg_sim_key *key = calloc(1, sizeof *key);
    struct work w = {0};
    bool is_made = key != NULL && work_begin(&w) &&
                   make_scalar(&w, seed, serial, key->scalar) &&
                   crypto__public_of(key->scalar, key->raw) == MG_OK;
    work_end(&w);
    if (!is_made) {
        mg_sim_key_destroy(key);
        return NULL;
    }
    return key;
}

void mg_sim_key_destroy(struct mg_sim_key *key)
{
    free(key);
}

const uint8_t *mg_sim_key_public(const struct mg_sim_key *key)
{
    return key->raw;
}

int mg_sim_key_sign(const struct mg_sim_key *key, const void *data, size_t len,
                    uint8_t ret[64])
{
    return crypto__sign_deterministic(key->scalar, data, len, ret);
}
