/* Public keys in every form in which they are printed, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "crypto/encode.h"
#include "crypto_vectors.h"

static struct mg_public_key *parse(const void *text, size_t len,
                                   enum mg_curve curve, unsigned expected)
{
    struct mg_public_key *key = NULL;
    struct mg_err err = {0};
    unsigned lenient = 0xffff;
    int rc = mg_public_key_parse(text, len, curve, &key, &lenient, &err);
    if (rc != MG_OK) {
        print_error("%s\n", err.text);
    }
    assert_int_equal(rc, MG_OK);
    assert_int_equal(lenient, expected);
    return key;
}

static void is_key(const void *text, size_t len, enum mg_curve curve,
                   unsigned lenient)
{
    struct mg_public_key *key = parse(text, len, curve, lenient);
    uint8_t spki[MG_KEY_SPKI_MAX];
    char hex[2 * MG_KEY_SPKI_MAX + 1];
    mg_hex_write(spki, mg_public_key_spki(key, spki), false, hex);
    assert_int_equal(mg_public_key_curve(key), curve);
    assert_string_equal(hex, crypto_vectors[curve].spki);
    mg_public_key_destroy(key);
}

static void is_refused(const void *text, size_t len, enum mg_curve curve,
                       int code)
{
    struct mg_public_key *key = (void *)&len;
    unsigned lenient = 77;
    struct mg_err err = {0};
    assert_int_equal(
        mg_public_key_parse(text, len, curve, &key, &lenient, &err), code);
    assert_ptr_equal(key, &len);
    assert_int_equal(lenient, 77);
    assert_int_equal(err.code, code);
    assert_true(err.text[0] != '\0');
    assert_int_equal(ERR_peek_error(), 0);
}

static void is_text_refused(const char *text, int code)
{
    is_refused(text, strlen(text), MG_N_CURVES, code);
}

static size_t spki_of(enum mg_curve curve, uint8_t ret[MG_KEY_SPKI_MAX])
{
    const char *hex = crypto_vectors[curve].spki;
    size_t len;
    assert_int_equal(mg_hex_read(hex, strlen(hex), ret, MG_KEY_SPKI_MAX, &len),
                     MG_OK);
    return len;
}

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < MG_N_CURVES; i++) {
        const char *text = mg_curve_algorithm((enum mg_curve)i);
        enum mg_curve curve = MG_N_CURVES;
        bool is_exact = false;
        char expected[64];
        (void)snprintf(expected, sizeof expected, "ECDSA-%s-SHA256",
                       mg_curve_name((enum mg_curve)i));
        assert_string_equal(text, expected);
        assert_int_equal(
            mg_curve_of_algorithm(text, strlen(text), &curve, &is_exact),
            MG_OK);
        assert_int_equal(curve, i);
        assert_true(is_exact);
        assert_int_equal(
            mg_curve_of_algorithm(text, strlen(text) - 1, &curve, &is_exact),
            MG_E_NOSUP);
    }
    assert_int_equal(mg_curve_octets(MG_N_CURVES), 0);
    assert_string_equal(mg_curve_name(MG_N_CURVES), "unknown");
}

static void test_other_spelling(void **state)
{
    (void)state;
    static const char text[] = "ECDSA-brainpoolP384r1-SHA256";
    enum mg_curve curve = MG_N_CURVES;
    bool is_exact = true;
    assert_int_equal(
        mg_curve_of_algorithm(text, sizeof text - 1, &curve, &is_exact), MG_OK);
    assert_int_equal(curve, MG_CURVE_BRAINPOOL384R1);
    assert_false(is_exact);
    assert_int_equal(mg_curve_of_algorithm("", 0, &curve, &is_exact),
                     MG_E_NOSUP);
}

static void test_spki(void **state)
{
    (void)state;
    for (int i = 0; i < MG_N_CURVES; i++) {
        enum mg_curve curve = (enum mg_curve)i;
        uint8_t spki[MG_KEY_SPKI_MAX];
        char hex[2 * MG_KEY_SPKI_MAX + 1];
        char base64[MG_BASE64_LEN(MG_KEY_SPKI_MAX) + 1];
        size_t len = spki_of(curve, spki);
        mg_hex_write(spki, len, true, hex);
        mg_base64_write(spki, len, base64);
        is_key(hex, strlen(hex), curve, 0);
        is_key(crypto_vectors[i].spki, 2 * len, curve, 0);
        is_key(base64, strlen(base64), curve, 0);
        is_key(spki, len, curve, 0);
    }
}

static void test_raw(void **state)
{
    (void)state;
    for (int i = 0; i < MG_N_CURVES; i++) {
        enum mg_curve curve = (enum mg_curve)i;
        uint8_t spki[MG_KEY_SPKI_MAX];
        size_t len = spki_of(curve, spki), raw = 2 * mg_curve_octets(curve);
        const char *hex = crypto_vectors[i].spki + 2 * (len - raw);
        char base64[MG_BASE64_LEN(MG_KEY_RAW_MAX) + 1];
        mg_base64_write(spki + len - raw, raw, base64);
        is_key(hex, 2 * raw, curve, MG_LENIENT_KEY_RAW);
        is_key(hex - 2, 2 * raw + 2, curve, MG_LENIENT_KEY_RAW);
        is_key(spki + len - raw, raw, curve, MG_LENIENT_KEY_RAW);
        is_key(spki + len - raw - 1, raw + 1, curve, MG_LENIENT_KEY_RAW);
        is_key(base64, strlen(base64), curve, MG_LENIENT_KEY_RAW);
    }
}

static void test_raw_without_a_curve(void **state)
{
    (void)state;
    static const enum mg_curve usual[] = {
        MG_CURVE_SECP192R1, MG_CURVE_SECP256R1, MG_CURVE_SECP384R1};
    for (size_t i = 0; i < 3; i++) {
        uint8_t spki[MG_KEY_SPKI_MAX];
        size_t len = spki_of(usual[i], spki);
        size_t raw = 2 * mg_curve_octets(usual[i]);
        struct mg_public_key *key =
            parse(spki + len - raw, raw, MG_N_CURVES, MG_LENIENT_KEY_RAW);
        assert_int_equal(mg_public_key_curve(key), usual[i]);
        mg_public_key_destroy(key);
    }
    /* A point of another curve of that length is not taken for one of it. */
    uint8_t spki[MG_KEY_SPKI_MAX];
    size_t len = spki_of(MG_CURVE_SECP256K1, spki);
    is_refused(spki + len - 64, 64, MG_N_CURVES, MG_E_PROTO);
}

/* Binary, though no byte of it is a control character. */
static void test_binary_like_text(void **state)
{
    (void)state;
    static const char hex[] =
        "39fc77624bd262cb42785cfc46aa8ec5d2ae9fe43b2687d7a7f22dcfd474ed97"
        "a894eb45b76f8460268ec9245eb395cfcd859936c244e020d5ed2dff6147c8ec";
    uint8_t raw[64];
    size_t len;
    assert_int_equal(mg_hex_read(hex, 128, raw, sizeof raw, &len), MG_OK);
    struct mg_public_key *key =
        parse(raw, len, MG_CURVE_SECP256R1, MG_LENIENT_KEY_RAW);
    mg_public_key_destroy(key);
}

static void test_spaced(void **state)
{
    (void)state;
    enum mg_curve curve = MG_CURVE_SECP256R1;
    const char *hex = crypto_vectors[curve].spki;
    static const char *const gaps[] = {":", " ", "\n", "\r\n", "\t"};
    for (size_t g = 0; g < sizeof gaps / sizeof *gaps; g++) {
        char text[512] = "";
        size_t n = 0;
        for (size_t i = 0; i < strlen(hex); i += 2) {
            n += (size_t)snprintf(text + n, sizeof text - n, "%.2s%s", hex + i,
                                  i + 2 < strlen(hex) ? gaps[g] : "");
        }
        is_key(text, n, curve, MG_LENIENT_KEY_SPACED);
    }
    char text[512];
    int n = snprintf(text, sizeof text, " \n%s\r\n", hex); /* around it: none */
    is_key(text, (size_t)n, curve, 0);
}

static void test_written_forms(void **state)
{
    (void)state;
    for (int i = 0; i < MG_N_CURVES; i++) {
        enum mg_curve curve = (enum mg_curve)i;
        size_t len = strlen(crypto_vectors[i].spki);
        struct mg_public_key *key =
            parse(crypto_vectors[i].spki, len, curve, 0);
        char pem[512], hex[2 * MG_KEY_SPKI_MAX + 1];
        uint8_t raw[MG_KEY_RAW_MAX];
        assert_int_equal(mg_public_key_pem(key, pem, sizeof pem), MG_OK);
        assert_int_equal(mg_public_key_pem(key, pem, strlen(pem)), MG_E_NOSPC);
        is_key(pem, strlen(pem), curve, 0);
        mg_public_key_hex(key, hex);
        is_key(hex, strlen(hex), curve, 0);
        size_t raw_len = mg_public_key_raw(key, raw);
        is_key(raw, raw_len, curve, MG_LENIENT_KEY_RAW);
        mg_public_key_destroy(key);
    }
    mg_public_key_destroy(NULL);
}

/* openssl pkey -pubin -outform DER | sha256sum */
static void test_fingerprint(void **state)
{
    (void)state;
    const char *hex = crypto_vectors[MG_CURVE_SECP256R1].spki;
    struct mg_public_key *key = parse(hex, strlen(hex), MG_N_CURVES, 0);
    char fingerprint[MG_FINGERPRINT_HEX_MAX];
    mg_public_key_fingerprint(key, fingerprint);
    assert_string_equal(fingerprint, "c828591312596fe6ecb5afa249f7a0a8"
                                     "961ee211539edf379519b4993bb14e92");
    mg_public_key_destroy(key);
}

static void test_not_on_its_curve(void **state)
{
    (void)state;
    for (int i = 0; i < MG_N_CURVES; i++) {
        enum mg_curve curve = (enum mg_curve)i;
        uint8_t spki[MG_KEY_SPKI_MAX];
        size_t len = spki_of(curve, spki), raw = 2 * mg_curve_octets(curve);
        spki[len - 1] ^= 1;
        is_refused(spki, len, curve, MG_E_PROTO);
        is_refused(spki + len - raw, raw, curve, MG_E_PROTO);
        memset(spki + len - raw, 0, raw);
        is_refused(spki + len - raw, raw, curve, MG_E_PROTO);
        memset(spki + len - raw, 0xff, raw); /* not below the prime */
        is_refused(spki + len - raw, raw, curve, MG_E_PROTO);
    }
}

static void test_every_length(void **state)
{
    (void)state;
    for (int i = 0; i < MG_N_CURVES; i++) {
        enum mg_curve curve = (enum mg_curve)i;
        uint8_t spki[MG_KEY_SPKI_MAX + 1] = {0};
        size_t len = spki_of(curve, spki);
        for (size_t n = 0; n < len; n++) {
            is_refused(spki, n, curve, MG_E_PROTO);
        }
        is_refused(spki, len + 1, curve, MG_E_PROTO); /* trailing byte */
    }
}

static void test_other_keys(void **state)
{
    (void)state;
    /* secp521r1, Ed25519, RSA, and P-256 with explicit parameters */
    is_text_refused(
        "30819b301006072a8648ce3d020106052b81040023038186000400ee65a79f43"
        "4e7cef662559b254ed6c20834e456ed87c2a2cacd9c46a465f03a7f8a2490e9b"
        "eee4528655a536283d8367a1be695f6d443fffdc38617b26f3ae417301b7f789"
        "15aa0840a4398410be232ea561f51c3507d169c65ab7f9ed103acb86f2c54ffa"
        "13c0e3155e814ea2df271e3d8b5d29f89131e17a299f6cc5edc43a49a2c7",
        MG_E_NOSUP);
    is_text_refused(
        "302a300506032b6570032100c23c3db043c73ca25167401028d9ba8c98535335"
        "54171e3d4f4dc06b7c5f2d16",
        MG_E_NOSUP);
    is_text_refused(
        "30819f300d06092a864886f70d010101050003818d0030818902818100cdeb94"
        "0261f669ee6b23d2c10376a9af7c1a8f4474bfa79a82993d01d4fdbe75240b22"
        "b5f8f949ec834f17f6bf65d255913c73234e8b4ac5533fbf2c5327f3f5d27636"
        "61f67062e57b33ef108be4f57b93b62ddc02c83c934b6b902feeadc29387f52f"
        "6c5954478991512b0f1427fbade890f1f43b241625024702e9888c17a7020301"
        "0001",
        MG_E_NOSUP);
    is_text_refused(
        "3082014b3082010306072a8648ce3d02013081f7020101302c06072a8648ce3d"
        "0101022100ffffffff00000001000000000000000000000000ffffffffffffff"
        "ffffffffff305b0420ffffffff00000001000000000000000000000000ffffff"
        "fffffffffffffffffc04205ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc"
        "53b0f63bce3c3e27d2604b031500c49d360886e704936a6678e1139d26b7819f"
        "7e900441046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a139"
        "45d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb640"
        "6837bf51f5022100ffffffff00000000ffffffffffffffffbce6faada7179e84"
        "f3b9cac2fc63255102010103420004c092731fc0930e7bfd8cef64e673c82cc8"
        "6141760799c754190bec5ec583d28f1324992e8eeeb40a9ac55513d4e91997f1"
        "d9aa483c2cd19753f118830a0c698a",
        MG_E_PROTO);
    /* a compressed and a hybrid point */
    is_text_refused(
        "3039301306072a8648ce3d020106082a8648ce3d03010703220003a98071bb49"
        "dd32f08be15804cc8236e91300eaa3496922f273a41011eb247385",
        MG_E_PROTO);
    is_text_refused(
        "03a98071bb49dd32f08be15804cc8236e91300eaa3496922f273a41011eb2473"
        "85",
        MG_E_PROTO);
    is_text_refused(
        "3059301306072a8648ce3d020106082a8648ce3d03010703420007a98071bb49"
        "dd32f08be15804cc8236e91300eaa3496922f273a41011eb2473850dd4cb3779"
        "605ddbe54dea28a0cf06d33a44f6e91c06cb331d8e340a97e178af",
        MG_E_PROTO);
    is_text_refused(
        "07a98071bb49dd32f08be15804cc8236e91300eaa3496922f273a41011eb2473"
        "850dd4cb3779605ddbe54dea28a0cf06d33a44f6e91c06cb331d8e340a97e178"
        "af",
        MG_E_PROTO);
}

static void test_no_text(void **state)
{
    (void)state;
    char big[MG_KEY_TEXT_MAX + 1];
    memset(big, 'a', sizeof big);
    is_text_refused("", MG_E_PROTO);
    is_text_refused(" \n", MG_E_PROTO);
    is_text_refused("abc", MG_E_PROTO);
    is_text_refused("no key at all", MG_E_PROTO);
    is_text_refused("3059301306072a8648ce3d020106082a8648ce3d03010g",
                    MG_E_PROTO);
    is_refused(big, sizeof big, MG_N_CURVES, MG_E_PROTO);
    is_refused(big, sizeof big - 1, MG_N_CURVES, MG_E_PROTO);
}

#define BEGIN "-----BEGIN PUBLIC KEY-----\n"
#define END   "-----END PUBLIC KEY-----\n"

/* @param before  between the first line and the body */
static void is_pem_refused(const char *begin, const char *before,
                           const char *body, const char *end)
{
    char text[MG_KEY_TEXT_MAX];
    (void)snprintf(text, sizeof text, "%s%s%.64s\n%s\n%s", begin, before, body,
                   strlen(body) > 64 ? body + 64 : "", end);
    is_text_refused(text, MG_E_PROTO);
}

static void test_bad_pem(void **state)
{
    (void)state;
    char body[MG_BASE64_LEN(MG_KEY_SPKI_MAX) + 1], text[512];
    uint8_t spki[MG_KEY_SPKI_MAX];
    size_t len = spki_of(MG_CURVE_SECP256R1, spki);
    mg_base64_write(spki, len, body);
    int n = snprintf(text, sizeof text, BEGIN "%s\n" END, body);
    is_key(text, (size_t)n, MG_CURVE_SECP256R1, 0);
    is_key(text, (size_t)n - 1, MG_CURVE_SECP256R1, 0);
    is_text_refused("-----BEGIN", MG_E_PROTO);
    is_pem_refused(BEGIN, "", body, "");
    is_pem_refused(BEGIN, "", "", END);
    is_pem_refused(BEGIN, "", body, END "more");
    is_pem_refused(text, BEGIN, body, END); /* two of them */
    is_pem_refused("-----BEGIN CERTIFICATE-----\n", "", body,
                   "-----END CERTIFICATE-----\n");
    /* Must not ask for a pass phrase. */
    is_pem_refused(BEGIN,
                   "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,"
                   "AC4B015A51F51B5AF2E3C1F08B9298FE\n\n",
                   body, END);
    spki[len] = 0;
    mg_base64_write(spki, len + 1, body);
    is_pem_refused(BEGIN, "", body, END); /* trailing byte within */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_other_spelling),
        cmocka_unit_test(test_spki),
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_raw_without_a_curve),
        cmocka_unit_test(test_binary_like_text),
        cmocka_unit_test(test_spaced),
        cmocka_unit_test(test_written_forms),
        cmocka_unit_test(test_fingerprint),
        cmocka_unit_test(test_not_on_its_curve),
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_other_keys),
        cmocka_unit_test(test_no_text),
        cmocka_unit_test(test_bad_pem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
