/* Signatures: strict and tolerated forms, and that only the right one
 * verifies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/encode.h"
#include "crypto_vectors.h"

struct sample {
    enum mg_curve curve;
    struct mg_public_key *key;
    uint8_t der[MG_SIGNATURE_MAX];
    size_t der_len;
};

static size_t bytes_of(const char *hex, uint8_t *ret, size_t cap)
{
    size_t len = 0;
    assert_int_equal(mg_hex_read(hex, strlen(hex), ret, cap, &len), MG_OK);
    return len;
}

static struct sample sample_of(enum mg_curve curve)
{
    struct sample s = {.curve = curve};
    struct mg_err err;
    unsigned lenient;
    const char *spki = crypto_vectors[curve].spki;
    assert_int_equal(
        mg_public_key_parse(spki, strlen(spki), curve, &s.key, &lenient, &err),
        MG_OK);
    s.der_len = bytes_of(crypto_vectors[curve].signature, s.der, sizeof s.der);
    return s;
}

static int check(const struct sample *s, const char *text)
{
    return mg_verify(s->key, text, strlen(text), s->der, s->der_len);
}

/* The r and s of strict DER; it is written by hand here once more. */
static void raw_of(const struct sample *s, uint8_t *ret)
{
    size_t octets = mg_curve_octets(s->curve);
    const uint8_t *at = s->der + 2;
    memset(ret, 0, 2 * octets);
    for (int i = 0; i < 2; i++) {
        size_t len = at[1], skip = at[2] == 0 ? 1 : 0;
        memcpy(ret + (size_t)(i + 1) * octets - (len - skip), at + 2 + skip,
               len - skip);
        at += 2 + len;
    }
}

static void test_every_curve(void **state)
{
    (void)state;
    for (int i = 0; i < MG_N_CURVES; i++) {
        struct sample s = sample_of((enum mg_curve)i);
        uint8_t der[MG_SIGNATURE_MAX];
        size_t len = 0;
        unsigned lenient = 77;
        assert_int_equal(check(&s, SIGNED_TEXT), MG_OK);
        assert_int_equal(mg_signature_normalise(s.der, s.der_len, s.curve, der,
                                                &len, &lenient),
                         MG_OK);
        assert_int_equal(lenient, 0);
        assert_int_equal(len, s.der_len);
        assert_memory_equal(der, s.der, len);
        assert_int_equal(check(&s, SIGNED_TEXT " "), MG_E_MISMATCH);
        assert_int_equal(check(&s, ""), MG_E_MISMATCH);
        mg_public_key_destroy(s.key);
    }
    assert_int_equal(ERR_peek_error(), 0);
}

static void test_raw(void **state)
{
    (void)state;
    for (int i = 0; i < MG_N_CURVES; i++) {
        struct sample s = sample_of((enum mg_curve)i);
        uint8_t raw[MG_KEY_RAW_MAX], der[MG_SIGNATURE_MAX];
        size_t len = 0, raw_len = 2 * mg_curve_octets(s.curve);
        unsigned lenient = 0;
        raw_of(&s, raw);
        assert_int_equal(
            mg_signature_normalise(raw, raw_len, s.curve, der, &len, &lenient),
            MG_OK);
        assert_int_equal(lenient, MG_LENIENT_SIG_RAW);
        assert_int_equal(len, s.der_len);
        assert_memory_equal(der, s.der, len);
        mg_public_key_destroy(s.key);
    }
}

/* Every single bit of it counts. */
static void test_flipped_bits(void **state)
{
    (void)state;
    struct sample s = sample_of(MG_CURVE_SECP256R1);
    for (size_t bit = 0; bit < 8 * s.der_len; bit++) {
        uint8_t mask = (uint8_t)(1 << bit % 8);
        s.der[bit / 8] ^= mask;
        assert_int_equal(check(&s, SIGNED_TEXT), MG_E_MISMATCH);
        s.der[bit / 8] ^= mask;
    }
    assert_int_equal(check(&s, SIGNED_TEXT), MG_OK);
    assert_int_equal(ERR_peek_error(), 0);
    mg_public_key_destroy(s.key);
}

static void test_key_of_another(void **state)
{
    (void)state;
    struct sample s = sample_of(MG_CURVE_SECP256R1);
    for (int i = 0; i < MG_N_CURVES; i++) {
        struct sample other = sample_of((enum mg_curve)i);
        int rc = mg_verify(other.key, SIGNED_TEXT, strlen(SIGNED_TEXT), s.der,
                           s.der_len);
        assert_int_equal(rc, i == MG_CURVE_SECP256R1 ? MG_OK : MG_E_MISMATCH);
        mg_public_key_destroy(other.key);
    }
    mg_public_key_destroy(s.key);
}

/* mg_verify takes strict DER only, whoever calls it. */
static void test_verify_is_strict(void **state)
{
    (void)state;
    struct sample s = sample_of(MG_CURVE_SECP256R1);
    uint8_t raw[64];
    raw_of(&s, raw);
    assert_int_equal(
        mg_verify(s.key, SIGNED_TEXT, strlen(SIGNED_TEXT), raw, sizeof raw),
        MG_E_MISMATCH);
    for (size_t n = 0; n < s.der_len; n++) {
        assert_int_equal(
            mg_verify(s.key, SIGNED_TEXT, strlen(SIGNED_TEXT), s.der, n),
            MG_E_MISMATCH);
    }
    s.der[s.der_len++] = 0;
    assert_int_equal(check(&s, SIGNED_TEXT), MG_E_MISMATCH);
    mg_public_key_destroy(s.key);
}

/* ---- Forms of DER, with small numbers; secp192r1, 24 octets ---- */

static int normalise(const char *hex, char *ret_hex, unsigned *ret_lenient)
{
    uint8_t sig[256], der[MG_SIGNATURE_MAX];
    size_t len = bytes_of(hex, sig, sizeof sig), der_len = 0;
    int rc = mg_signature_normalise(sig, len, MG_CURVE_SECP192R1, der, &der_len,
                                    ret_lenient);
    if (rc == MG_OK) {
        mg_hex_write(der, der_len, false, ret_hex);
    }
    return rc;
}

static void becomes(const char *hex, const char *expected, unsigned leniency)
{
    char text[2 * MG_SIGNATURE_MAX + 1] = "";
    unsigned lenient = 77;
    assert_int_equal(normalise(hex, text, &lenient), MG_OK);
    assert_string_equal(text, expected);
    assert_int_equal(lenient, leniency);
}

static void is_none(const char *hex)
{
    char text[2 * MG_SIGNATURE_MAX + 1];
    unsigned lenient = 77;
    assert_int_equal(normalise(hex, text, &lenient), MG_E_PROTO);
    assert_int_equal(lenient, 77);
}

#define Z8  "0000000000000000"
#define F24 "ffffffffffffffffffffffffffffffffffffffffffffffff"

static void test_der_refused(void **state)
{
    (void)state;
    is_none("");
    is_none("30");
    is_none("3000");
    is_none("3006020101020102ff"); /* bytes behind it */
    is_none("300702010102010200"); /* and within */
    is_none("3003020101");         /* r alone */
    is_none("3009020101020101020101");
    is_none("3106020101020102"); /* no SEQUENCE */
    is_none("3006030101020102"); /* no INTEGER */
    is_none("3006020101030102");
    is_none("3006020100020102"); /* r = 0 */
    is_none("3006020101020100"); /* s = 0 */
    is_none("30080203000000020101");
    is_none("3006020181020102"); /* negative */
    is_none("30060201010201ff");
    is_none("30050200020101"); /* empty */
    is_none("30050201010200");
    is_none("3006020201020102"); /* lengths that do not fit */
    is_none("3006020101020202");
    is_none("3005020101020102");
    is_none("3007020101020102");
    is_none("3080020101020102"
            "0000");               /* indefinite */
    is_none("308106020101020102"); /* length not minimal */
    is_none("30820006020101020102");
    is_none("300702810101020102");
    is_none("30ff020101020102");
    is_none("301e"
            "021901" F24 "020101"); /* r too large */
    is_none("301e"
            "020101"
            "021901" F24); /* s too large */
    is_none("301d"
            "0218" F24 "020101"); /* negative, of full length */
    is_none(Z8 Z8 Z8 F24);        /* r || s: r = 0 */
    is_none(F24 Z8 Z8 Z8);        /* s = 0 */
    is_none(F24 F24 "01");        /* other lengths */
    is_none(F24 "0102030405060708090a0b0c0d0e0f1011121314151617");
}

static void test_der_tolerated(void **state)
{
    (void)state;
    becomes("3006020101020102", "3006020101020102", 0);
    becomes("300702020001020102", "3006020101020102", MG_LENIENT_SIG_DER);
    becomes("300a0202000102040000007f", "300602010102017f", MG_LENIENT_SIG_DER);
    becomes("30080203000080020101", "300702020080020101", MG_LENIENT_SIG_DER);
    becomes("300702020080020101", "300702020080020101", 0);
    becomes("3036"
            "021900" F24 "021900" F24,
            "3036"
            "021900" F24 "021900" F24,
            0);
    becomes(F24 F24,
            "3036"
            "021900" F24 "021900" F24,
            MG_LENIENT_SIG_RAW);
    becomes("0000000000000000000000000000000000000000000000"
            "01"
            "0000000000000000000000000000000000000000000000"
            "80",
            "300702010102020080", MG_LENIENT_SIG_RAW);
}

static void test_no_curve(void **state)
{
    (void)state;
    uint8_t sig[8] = {0x30, 6, 2, 1, 1, 2, 1, 1}, der[MG_SIGNATURE_MAX];
    size_t len;
    unsigned lenient;
    assert_int_equal(mg_signature_normalise(sig, sizeof sig, MG_N_CURVES, der,
                                            &len, &lenient),
                     MG_E_PROTO);
}

/* The longest there is, also from the most zeros that fit in a length. */
static void test_longest(void **state)
{
    (void)state;
    uint8_t raw[MG_KEY_RAW_MAX], der[MG_SIGNATURE_MAX], again[256] = {0x30};
    size_t len = 0;
    unsigned lenient = 0;
    memset(raw, 0xff, sizeof raw);
    assert_int_equal(mg_signature_normalise(raw, sizeof raw, MG_CURVE_SECP384R1,
                                            der, &len, &lenient),
                     MG_OK);
    assert_int_equal(len, 104);
    again[1] = 0x81;
    again[2] = 0xf8;
    size_t at = 3;
    for (int i = 0; i < 2; i++) {
        again[at] = 0x02;
        again[at + 1] = 122; /* 74 zeros */
        memset(again + at + 2 + 74, 0xff, 48);
        at += 124;
    }
    assert_int_equal(at, 251);
    uint8_t back[MG_SIGNATURE_MAX];
    size_t back_len = 0;
    assert_int_equal(mg_signature_normalise(again, at, MG_CURVE_SECP384R1, back,
                                            &back_len, &lenient),
                     MG_OK);
    assert_int_equal(lenient, MG_LENIENT_SIG_DER);
    assert_int_equal(back_len, len);
    assert_memory_equal(back, der, len);
}

/* FIPS 180-2, B.1 */
static void test_sha256(void **state)
{
    (void)state;
    uint8_t digest[32];
    char text[65];
    mg_sha256("abc", 3, digest);
    mg_hex_write(digest, sizeof digest, false, text);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223"
                              "b00361a396177a9cb410ff61f20015ad");
}

/* ---- As `openssl dgst -verify` says ---- */

static void write_file(const char *dir, const char *name, const void *data,
                       size_t len)
{
    char path[64];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "wbe");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void remove_all(const char *dir)
{
    static const char *const names[] = {"key", "sig", "text"};
    char path[64];
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(dir), 0);
}

static bool openssl_verifies(const struct sample *s, const char *text)
{
    char dir[] = "/tmp/mg-verify-XXXXXX", command[200], pem[512];
    assert_non_null(mkdtemp(dir));
    assert_int_equal(mg_public_key_pem(s->key, pem, sizeof pem), MG_OK);
    write_file(dir, "key", pem, strlen(pem));
    write_file(dir, "sig", s->der, s->der_len);
    write_file(dir, "text", text, strlen(text));
    (void)snprintf(command, sizeof command,
                   "cd %s && openssl dgst -sha256 -verify key -signature sig "
                   "text >/dev/null 2>&1",
                   dir);
    int status = system(command);
    remove_all(dir);
    return status == 0;
}

static void test_as_openssl(void **state)
{
    (void)state;
    if (system("openssl version >/dev/null 2>&1") != 0) {
        print_message("skipped: there is no openssl program\n");
        skip();
    }
    for (int i = 0; i < MG_N_CURVES; i++) {
        struct sample s = sample_of((enum mg_curve)i);
        assert_true(openssl_verifies(&s, SIGNED_TEXT));
        assert_int_equal(check(&s, SIGNED_TEXT), MG_OK);
        assert_false(openssl_verifies(&s, "another text"));
        assert_int_equal(check(&s, "another text"), MG_E_MISMATCH);
        s.der[s.der_len - 1] ^= 1;
        assert_false(openssl_verifies(&s, SIGNED_TEXT));
        assert_int_equal(check(&s, SIGNED_TEXT), MG_E_MISMATCH);
        mg_public_key_destroy(s.key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_curve),
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_key_of_another),
        cmocka_unit_test(test_verify_is_strict),
        cmocka_unit_test(test_der_refused),
        cmocka_unit_test(test_der_tolerated),
        cmocka_unit_test(test_no_curve),
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_as_openssl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
