/* Verification by a table of the key's multiples says what libcrypto says, also
 * where the two points of the sum are the same or cancel out. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/key_priv.h"
#include "crypto/verify.h"

struct rig {
    EC_KEY *key;
    const EC_GROUP *group;
    const BIGNUM *n, *d;
    BN_CTX *ctx;
    struct mg_public_key *plain, *prepared;
};

static struct mg_public_key *public_of(const EC_KEY *key)
{
    uint8_t point[65];
    struct mg_public_key *ret = NULL;
    struct mg_err err = {0};
    assert_int_equal(EC_POINT_point2oct(EC_KEY_get0_group(key),
                                        EC_KEY_get0_public_key(key),
                                        POINT_CONVERSION_UNCOMPRESSED, point,
                                        sizeof point, NULL),
                     sizeof point);
    assert_int_equal(
        crypto__key_of_point(MG_CURVE_SECP256R1, point + 1, 64, &ret, &err),
        MG_OK);
    return ret;
}

static int set_up(void **state)
{
    static struct rig rig;
    rig.key = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    assert_int_equal(EC_KEY_generate_key(rig.key), 1);
    rig.group = EC_KEY_get0_group(rig.key);
    rig.n = EC_GROUP_get0_order(rig.group);
    rig.d = EC_KEY_get0_private_key(rig.key);
    rig.ctx = BN_CTX_new();
    rig.plain = public_of(rig.key);
    rig.prepared = public_of(rig.key);
    assert_int_equal(mg_public_key_prepare(rig.prepared), MG_OK);
    assert_int_equal(mg_public_key_prepare(rig.prepared), MG_OK);
    *state = &rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    mg_public_key_destroy(r->prepared);
    mg_public_key_destroy(r->plain);
    BN_CTX_free(r->ctx);
    EC_KEY_free(r->key);
    return 0;
}

/* Both ways to verify say the same. */
static bool is_good(struct rig *r, const uint8_t *der, size_t len,
                    const uint8_t digest[32])
{
    bool by_table = crypto__table_verify(r->prepared->table, der, len, digest);
    bool by_openssl = ECDSA_verify(0, digest, 32, der, (int)len, r->key) == 1;
    assert_int_equal(by_table, by_openssl);
    return by_table;
}

static bool is_good_pair(struct rig *rig, const BIGNUM *r, const BIGNUM *s,
                         const BIGNUM *e)
{
    uint8_t digest[32];
    uint8_t der[128];
    uint8_t *at = der;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    assert_int_equal(ECDSA_SIG_set0(sig, BN_dup(r), BN_dup(s)), 1);
    int len = i2d_ECDSA_SIG(sig, &at);
    ECDSA_SIG_free(sig);
    assert_true(len > 0);
    assert_int_equal(BN_bn2binpad(e, digest, sizeof digest), 32);
    return is_good(rig, der, (size_t)len, digest);
}

static void signatures(void **state)
{
    struct rig *r = *state;
    for (unsigned i = 0; i < 200; i++) {
        uint8_t data[64] = {(uint8_t)i};
        uint8_t digest[32];
        uint8_t der[128];
        unsigned len = sizeof der;
        mg_sha256(data, sizeof data, digest);
        assert_int_equal(ECDSA_sign(0, digest, 32, der, &len, r->key), 1);
        assert_true(is_good(r, der, len, digest));
        assert_int_equal(mg_verify(r->prepared, data, sizeof data, der, len),
                         MG_OK);
        assert_int_equal(mg_verify(r->plain, data, sizeof data, der, len),
                         MG_OK);
        data[63]++;
        assert_int_equal(mg_verify(r->prepared, data, sizeof data, der, len),
                         MG_E_MISMATCH);
        digest[i % 32] ^= (uint8_t)(1U << i % 8);
        assert_false(is_good(r, der, len, digest));
        digest[i % 32] ^= (uint8_t)(1U << i % 8);
        der[8 + i % (len - 8)] ^= (uint8_t)(1U << i % 8);
        (void)is_good(r, der, len, digest);
        assert_false(
            crypto__table_verify(r->prepared->table, der, len - 1, digest));
    }
}

static void trailing_bytes(void **state)
{
    struct rig *r = *state;
    uint8_t digest[32] = {1};
    uint8_t der[128] = {0};
    unsigned len = sizeof der;
    assert_int_equal(ECDSA_sign(0, digest, 32, der, &len, r->key), 1);
    assert_true(crypto__table_verify(r->prepared->table, der, len, digest));
    der[len] = 0;
    assert_false(
        crypto__table_verify(r->prepared->table, der, len + 1, digest));
}

/* 0, 1, n - 1, n, n + 1 and 2^256 - 1 in every place. */
static void limits(void **state)
{
    struct rig *rig = *state;
    BIGNUM *v[6];
    for (size_t i = 0; i < 6; i++) {
        v[i] = BN_new();
    }
    BN_zero(v[0]);
    assert_true(BN_one(v[1]));
    assert_true(BN_sub(v[2], rig->n, BN_value_one()));
    assert_non_null(BN_copy(v[3], rig->n));
    assert_true(BN_add(v[4], rig->n, BN_value_one()));
    assert_true(BN_lshift(v[5], BN_value_one(), 256));
    assert_true(BN_sub(v[5], v[5], BN_value_one()));
    for (size_t i = 0; i < 6 * 6 * 6; i++) {
        (void)is_good_pair(rig, v[i % 6], v[i / 6 % 6], v[i / 36]);
    }
    for (size_t i = 0; i < 6; i++) {
        BN_free(v[i]);
    }
}

/* A good signature plus n in r or s is none; n - s is one. */
static void beyond_the_order(void **state)
{
    struct rig *rig = *state;
    uint8_t digest[32] = {1, 2, 3};
    ECDSA_SIG *sig = ECDSA_do_sign(digest, sizeof digest, rig->key);
    BIGNUM *e = BN_bin2bn(digest, sizeof digest, NULL);
    const BIGNUM *r = ECDSA_SIG_get0_r(sig);
    const BIGNUM *s = ECDSA_SIG_get0_s(sig);
    BIGNUM *x = BN_new();
    assert_true(is_good_pair(rig, r, s, e));
    assert_true(BN_add(x, s, rig->n));
    assert_false(is_good_pair(rig, r, x, e));
    assert_true(BN_add(x, r, rig->n));
    assert_false(is_good_pair(rig, x, s, e));
    assert_true(BN_sub(x, rig->n, s));
    assert_true(is_good_pair(rig, r, x, e));
    BN_free(x);
    BN_free(e);
    ECDSA_SIG_free(sig);
}

/* u1 * G and u2 * Q are the same point: e = r * d. With u1 = k the sum is
 * 2k * G, so that r is its x and s is e / k. */
static void the_same_point_twice(void **state)
{
    struct rig *rig = *state;
    BIGNUM *k = BN_new(), *r = BN_new(), *s = BN_new(), *e = BN_new();
    EC_POINT *point = EC_POINT_new(rig->group);
    assert_true(BN_set_word(k, 123456789));
    assert_true(BN_lshift1(e, k));
    assert_true(EC_POINT_mul(rig->group, point, e, NULL, NULL, rig->ctx));
    assert_true(
        EC_POINT_get_affine_coordinates(rig->group, point, r, NULL, rig->ctx));
    assert_true(BN_nnmod(r, r, rig->n, rig->ctx));
    assert_true(BN_mod_mul(e, r, rig->d, rig->n, rig->ctx));
    assert_non_null(BN_mod_inverse(s, k, rig->n, rig->ctx));
    assert_true(BN_mod_mul(s, s, e, rig->n, rig->ctx));
    assert_true(is_good_pair(rig, r, s, e));
    assert_true(BN_add_word(r, 1));
    assert_false(is_good_pair(rig, r, s, e));
    EC_POINT_free(point);
    BN_free(k);
    BN_free(r);
    BN_free(s);
    BN_free(e);
}

/* u1 * G = -u2 * Q: e = -r * d, whatever s is. */
static void points_that_cancel_out(void **state)
{
    struct rig *rig = *state;
    BIGNUM *r = BN_new(), *s = BN_new(), *e = BN_new();
    assert_true(BN_set_word(r, 5));
    assert_true(BN_set_word(s, 7));
    assert_true(BN_mod_mul(e, r, rig->d, rig->n, rig->ctx));
    assert_true(BN_sub(e, rig->n, e));
    assert_false(is_good_pair(rig, r, s, e));
    BN_free(r);
    BN_free(s);
    BN_free(e);
}

/* A point whose x is not below the order, the rarest of cases: r is x - n. The
 * key is made for it: Q = (R - u1 * G) / u2, s = r / u2, e = u1 * s. */
static void an_x_beyond_the_order(void **state)
{
    struct rig *rig = *state;
    const EC_GROUP *g = rig->group;
    struct rig other = *rig;
    BIGNUM *x = BN_dup(rig->n), *r = BN_new(), *s = BN_new(), *e = BN_new();
    BIGNUM *u = BN_new();
    EC_POINT *sum = EC_POINT_new(g), *q = EC_POINT_new(g);
    assert_true(BN_set_word(r, 0));
    do {
        assert_true(BN_add_word(x, 1) && BN_add_word(r, 1));
    } while (EC_POINT_set_compressed_coordinates(g, sum, x, 0, rig->ctx) != 1);
    assert_true(BN_set_word(u, 1000003)); /* u1 */
    assert_true(EC_POINT_mul(g, q, u, NULL, NULL, rig->ctx));
    assert_true(EC_POINT_invert(g, q, rig->ctx));
    assert_true(EC_POINT_add(g, q, sum, q, rig->ctx));
    assert_true(BN_set_word(e, 2000003)); /* u2 */
    assert_non_null(BN_mod_inverse(s, e, rig->n, rig->ctx));
    assert_true(EC_POINT_mul(g, q, NULL, q, s, rig->ctx));
    assert_true(BN_mod_mul(s, s, r, rig->n, rig->ctx));
    assert_true(BN_mod_mul(e, u, s, rig->n, rig->ctx));
    other.key = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    assert_true(EC_KEY_set_public_key(other.key, q));
    other.prepared = public_of(other.key);
    assert_int_equal(mg_public_key_prepare(other.prepared), MG_OK);
    assert_true(is_good_pair(&other, r, s, e));
    assert_false(is_good_pair(&other, x, s, e));
    mg_public_key_destroy(other.prepared);
    EC_KEY_free(other.key);
    EC_POINT_free(q);
    EC_POINT_free(sum);
    BN_free(u);
    BN_free(e);
    BN_free(s);
    BN_free(r);
    BN_free(x);
}

static void other_curves_have_no_table(void **state)
{
    (void)state;
    static const char P384[] =
        "3076301006072a8648ce3d020106052b81040022036200041633d235aaae09da293f4b"
        "467ea6a7017ef6b805ba9c7562221d14e1507022cd994fb4641dc1acab1bd5f154a898"
        "b5c5654e2de09c719f5198c52c962b3daf33faa4ee3567537c8cc058a00be64c4204a0"
        "0df942fe2ef0136676b6c4bdf780b8";
    struct mg_public_key *key = NULL;
    struct mg_err err = {0};
    unsigned lenient;
    assert_int_equal(mg_public_key_parse(P384, sizeof P384 - 1, MG_N_CURVES,
                                         &key, &lenient, &err),
                     MG_OK);
    assert_int_equal(mg_public_key_prepare(key), MG_E_NOSUP);
    assert_null(key->table);
    mg_public_key_destroy(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures),
        cmocka_unit_test(trailing_bytes),
        cmocka_unit_test(limits),
        cmocka_unit_test(beyond_the_order),
        cmocka_unit_test(the_same_point_twice),
        cmocka_unit_test(points_that_cancel_out),
        cmocka_unit_test(an_x_beyond_the_order),
        cmocka_unit_test(other_curves_have_no_table),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
