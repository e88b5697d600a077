/* A table of multiples of a public key, for keys with thousands of signatures.
 *
 * ECDSA (SEC 1, 4.1.4) computes u1 * G + u2 * Q. libcrypto has a table for G
 * but computes u2 * Q from scratch, most of the time of a verification on
 * secp256r1. Its old interface can make such a table for Q too, as if Q were
 * the generator of a group of its own; the result is the same point. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>
#include <stdlib.h>

#include "crypto/key_priv.h"

#define DIGEST_OCTETS 32

struct crypto__table {
    EC_GROUP *of_g, *of_q; /* owned; read only once made */
};

void crypto__table_destroy(struct crypto__table *table)
{
    if (table != NULL) {
        EC_GROUP_free(table->of_g);
        EC_GROUP_free(table->of_q);
        free(table);
    }
}

/* @return the point of the key on `group`, owned; NULL */
static EC_POINT *point_of(const EC_GROUP *group,
                          const struct mg_public_key *key)
{
    uint8_t octets[1 + MG_KEY_RAW_MAX] = {POINT_CONVERSION_UNCOMPRESSED};
    EC_POINT *point = EC_POINT_new(group);
    for (size_t i = 0; i < key->raw_len; i++) {
        octets[1 + i] = key->raw[i];
    }
    if (point == NULL ||
        EC_POINT_oct2point(group, point, octets, 1 + key->raw_len, NULL) != 1) {
        EC_POINT_free(point);
        return NULL;
    }
    return point;
}

static bool fill(struct crypto__table *t, const struct mg_public_key *key)
{
    t->of_g = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    t->of_q = t->of_g == NULL ? NULL : EC_GROUP_dup(t->of_g);
    if (t->of_q == NULL) {
        return false;
    }
    EC_POINT *q = point_of(t->of_g, key);
    bool is_done =
        q != NULL &&
        EC_GROUP_set_generator(t->of_q, q, EC_GROUP_get0_order(t->of_g),
                               BN_value_one()) == 1 &&
        EC_GROUP_precompute_mult(t->of_q, NULL) == 1 &&
        EC_GROUP_have_precompute_mult(t->of_q) == 1;
    EC_POINT_free(q);
    return is_done;
}

int mg_public_key_prepare(struct mg_public_key *key)
{
    if (key->table != NULL) {
        return MG_OK;
    }
    if (key->curve != MG_CURVE_SECP256R1) {
        return MG_E_NOSUP;
    }
    struct crypto__table *t = calloc(1, sizeof *t);
    if (t == NULL || !fill(t, key)) {
        crypto__table_destroy(t);
        return MG_E_NOMEM;
    }
    key->table = t;
    return MG_OK;
}

/* In 1..n - 1 (SEC 1, 4.1.4, step 1). */
static bool is_scalar(const BIGNUM *x, const BIGNUM *n)
{
    return !BN_is_zero(x) && !BN_is_negative(x) && BN_cmp(x, n) < 0;
}

/* Is r the x of u1 * G + u2 * Q, modulo n? */
static bool is_point_of(const struct crypto__table *t, const BIGNUM *r,
                        const BIGNUM *u1, const BIGNUM *u2, BN_CTX *ctx)
{
    EC_POINT *a = EC_POINT_new(t->of_g);
    EC_POINT *b = EC_POINT_new(t->of_q);
    BIGNUM *x = BN_CTX_get(ctx);
    bool is_it =
        a != NULL && b != NULL && x != NULL &&
        EC_POINT_mul(t->of_g, a, u1, NULL, NULL, ctx) == 1 &&
        EC_POINT_mul(t->of_q, b, u2, NULL, NULL, ctx) == 1 &&
        EC_POINT_add(t->of_g, a, a, b, ctx) == 1 &&
        EC_POINT_is_at_infinity(t->of_g, a) == 0 &&
        EC_POINT_get_affine_coordinates(t->of_g, a, x, NULL, ctx) == 1 &&
        BN_nnmod(x, x, EC_GROUP_get0_order(t->of_g), ctx) == 1 &&
        BN_cmp(x, r) == 0;
    EC_POINT_free(b);
    EC_POINT_free(a);
    return is_it;
}

static bool is_signature(const struct crypto__table *t, const ECDSA_SIG *sig,
                         const uint8_t digest[DIGEST_OCTETS], BN_CTX *ctx)
{
    const BIGNUM *n = EC_GROUP_get0_order(t->of_g);
    const BIGNUM *r = ECDSA_SIG_get0_r(sig);
    const BIGNUM *s = ECDSA_SIG_get0_s(sig);
    BIGNUM *e = BN_CTX_get(ctx);
    BIGNUM *w = BN_CTX_get(ctx);
    BIGNUM *u1 = BN_CTX_get(ctx);
    BIGNUM *u2 = BN_CTX_get(ctx);
    /* The order has 256 bits, as the digest: nothing is cut off it. */
    return u2 != NULL && is_scalar(r, n) && is_scalar(s, n) &&
           BN_bin2bn(digest, DIGEST_OCTETS, e) != NULL &&
           BN_mod_inverse(w, s, n, ctx) != NULL &&
           BN_mod_mul(u1, e, w, n, ctx) == 1 &&
           BN_mod_mul(u2, r, w, n, ctx) == 1 && is_point_of(t, r, u1, u2, ctx);
}

bool crypto__table_verify(const struct crypto__table *table, const uint8_t *der,
                          size_t der_len, const uint8_t digest[DIGEST_OCTETS])
{
    const uint8_t *at = der;
    bool is_good = false;
    BN_CTX *ctx = BN_CTX_new();
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)der_len);
    if (ctx != NULL && sig != NULL && at == der + der_len) {
        BN_CTX_start(ctx);
        is_good = is_signature(table, sig, digest, ctx);
        BN_CTX_end(ctx);
    }
    ECDSA_SIG_free(sig);
    BN_CTX_free(ctx);
    return is_good;
}
