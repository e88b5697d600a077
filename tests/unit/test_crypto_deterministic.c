/* Deterministic signatures: the examples of RFC 6979, and simulated keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "crypto/deterministic_priv.h"
#include "crypto/encode.h"
#include "crypto/verify.h"

/* RFC 6979, A.2.5 */
#define SCALAR                                                                 \
    "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721"
#define PUBLIC                                                                 \
    "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"         \
    "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
#define SAMPLE                                                                 \
    "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"         \
    "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
#define TEST                                                                   \
    "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367"         \
    "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083"

static void read_scalar(uint8_t ret[32])
{
    size_t len;
    assert_int_equal(mg_hex_read(SCALAR, 64, ret, 32, &len), MG_OK);
}

static void test_public_of_rfc(void **state)
{
    (void)state;
    uint8_t scalar[32], raw[64];
    char text[129];
    read_scalar(scalar);
    assert_int_equal(crypto__public_of(scalar, raw), MG_OK);
    mg_hex_write(raw, sizeof raw, true, text);
    assert_string_equal(text, PUBLIC);
}

static void test_signatures_of_rfc(void **state)
{
    (void)state;
    uint8_t scalar[32], rs[64];
    char text[129];
    read_scalar(scalar);
    assert_int_equal(crypto__sign_deterministic(scalar, "sample", 6, rs),
                     MG_OK);
    mg_hex_write(rs, sizeof rs, true, text);
    assert_string_equal(text, SAMPLE);
    assert_int_equal(crypto__sign_deterministic(scalar, "test", 4, rs), MG_OK);
    mg_hex_write(rs, sizeof rs, true, text);
    assert_string_equal(text, TEST);
}

static void test_simulated_keys(void **state)
{
    (void)state;
    struct mg_sim_key *a = mg_sim_key_create(7, 1),
                      *b = mg_sim_key_create(7, 1);
    struct mg_sim_key *c = mg_sim_key_create(7, 2),
                      *d = mg_sim_key_create(8, 1);
    uint8_t first[64], second[64];
    assert_true(a != NULL && b != NULL && c != NULL && d != NULL);
    assert_memory_equal(mg_sim_key_public(a), mg_sim_key_public(b), 64);
    assert_memory_not_equal(mg_sim_key_public(a), mg_sim_key_public(c), 64);
    assert_memory_not_equal(mg_sim_key_public(a), mg_sim_key_public(d), 64);
    assert_int_equal(mg_sim_key_sign(a, "x", 1, first), MG_OK);
    assert_int_equal(mg_sim_key_sign(b, "x", 1, second), MG_OK);
    assert_memory_equal(first, second, 64);
    assert_int_equal(mg_sim_key_sign(a, "y", 1, second), MG_OK);
    assert_memory_not_equal(first, second, 64);
    mg_sim_key_destroy(a);
    mg_sim_key_destroy(b);
    mg_sim_key_destroy(c);
    mg_sim_key_destroy(d);
    mg_sim_key_destroy(NULL);
}

/* Small r and s come by, and with them every length of DER. */
static void test_simulated_signatures_verify(void **state)
{
    (void)state;
    struct mg_sim_key *sim = mg_sim_key_create(1, 1);
    struct mg_public_key *key = NULL;
    struct mg_err err = {0};
    unsigned lenient;
    assert_non_null(sim);
    assert_int_equal(mg_public_key_parse((const char *)mg_sim_key_public(sim),
                                         64, MG_CURVE_SECP256R1, &key, &lenient,
                                         &err),
                     MG_OK);
    for (int i = 0; i < 300; i++) {
        uint8_t rs[64], der[MG_SIGNATURE_MAX];
        size_t der_len;
        char text[16];
        int len = snprintf(text, sizeof text, "record %d", i);
        assert_int_equal(mg_sim_key_sign(sim, text, (size_t)len, rs), MG_OK);
        assert_int_equal(mg_signature_normalise(rs, 64, MG_CURVE_SECP256R1, der,
                                                &der_len, &lenient),
                         MG_OK);
        assert_int_equal(mg_verify(key, text, (size_t)len, der, der_len),
                         MG_OK);
    }
    mg_public_key_destroy(key);
    mg_sim_key_destroy(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_public_of_rfc),
        cmocka_unit_test(test_signatures_of_rfc),
        cmocka_unit_test(test_simulated_keys),
        cmocka_unit_test(test_simulated_signatures_verify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
