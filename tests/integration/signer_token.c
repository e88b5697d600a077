/* Signing with a PKCS#11 token: SoftHSM, set up in a temporary folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/signer.h"

#define PIN       "73955173"
#define WRONG_PIN "40044004"
#define URI       "pkcs11:token=depot;object=station"

struct bed {
    char dir[32], pin_file[64], wrong_pin_file[64], tokens[64], away[64];
    const char *module;
    struct mg_err err;
};

static const char *find_module(void)
{
    static const char *const paths[] = {
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (access(paths[i], R_OK) == 0) {
            return paths[i];
        }
    }
    return NULL;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fchmod(fileno(file), 0600), 0);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void init_token(void)
{
    assert_int_equal(system("softhsm2-util --init-token --free --label depot "
                            "--pin " PIN " --so-pin 12345678 >/dev/null"),
                     0);
}

static int setup(void **state)
{
    struct bed *b = calloc(1, sizeof *b);
    char path[64], text[256];
    assert_non_null(b);
    *state = b;
    b->module = find_module();
    (void)snprintf(b->dir, sizeof b->dir, "/tmp/mg-token-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    (void)snprintf(b->pin_file, sizeof b->pin_file, "%s/pin", b->dir);
    (void)snprintf(b->wrong_pin_file, sizeof b->wrong_pin_file, "%s/wrong",
                   b->dir);
    (void)snprintf(b->tokens, sizeof b->tokens, "%s/tokens", b->dir);
    (void)snprintf(b->away, sizeof b->away, "%s/away", b->dir);
    write_file(b->pin_file, PIN "\n");
    write_file(b->wrong_pin_file, WRONG_PIN "\n");
    assert_int_equal(mkdir(b->tokens, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/softhsm2.conf", b->dir);
    (void)snprintf(text, sizeof text,
                   "directories.tokendir = %s\nobjectstore.backend = file\n"
                   "log.level = ERROR\n",
                   b->tokens);
    write_file(path, text);
    assert_int_equal(setenv("SOFTHSM2_CONF", path, 1), 0);
    init_token();
    return 0;
}

static int teardown(void **state)
{
    struct bed *b = *state;
    char command[64];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", b->dir);
    int rc = system(command);
    free(b);
    return rc;
}

static struct mg_signer_settings settings_of(const struct bed *b,
                                             const char *uri)
{
    return (struct mg_signer_settings){.pkcs11_module = b->module,
                                       .pkcs11_uri = uri,
                                       .pkcs11_pin_file = b->pin_file};
}

static int generate(struct bed *b, const char *uri, enum mg_curve curve)
{
    struct mg_signer_settings settings = settings_of(b, uri);
    memset(&b->err, 0, sizeof b->err);
    return mg_key_generate_token(&settings, curve, &b->err);
}

static struct mg_signer *open_token(struct bed *b, const char *uri)
{
    struct mg_signer_settings settings = settings_of(b, uri);
    memset(&b->err, 0, sizeof b->err);
    struct mg_signer *s = mg_signer_open(&settings, &b->err);
    if (s == NULL) {
        print_message("says: %s\n", b->err.text);
    }
    return s;
}

static int sign(struct bed *b, struct mg_signer *s, const char *text)
{
    uint8_t der[MG_SIGNATURE_MAX];
    size_t len = 0;
    memset(&b->err, 0, sizeof b->err);
    int rc = mg_signer_sign(s, text, strlen(text), der, &len, &b->err);
    if (rc == MG_OK) {
        assert_int_equal(
            mg_verify(mg_signer_public_key(s), text, strlen(text), der, len),
            MG_OK);
    } else {
        print_message("says: %s\n", b->err.text);
    }
    return rc;
}

/* ---- What works ---- */

static void signs_100_times(struct bed *b, const char *uri, enum mg_curve curve)
{
    char first[2 * MG_KEY_SPKI_MAX + 1], again[2 * MG_KEY_SPKI_MAX + 1];
    assert_int_equal(generate(b, uri, curve), MG_OK);
    struct mg_signer *s = open_token(b, uri);
    assert_non_null(s);
    assert_int_equal(mg_public_key_curve(mg_signer_public_key(s)), curve);
    mg_public_key_hex(mg_signer_public_key(s), first);
    mg_signer_close(s);
    s = open_token(b, uri);
    assert_non_null(s);
    mg_public_key_hex(mg_signer_public_key(s), again);
    assert_string_equal(first, again);
    for (int i = 0; i < 100; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "record %d", i);
        assert_int_equal(sign(b, s, text), MG_OK);
    }
    mg_signer_close(s);
}

static void test_both_curves(void **state)
{
    signs_100_times(*state, URI, MG_CURVE_SECP384R1);
    signs_100_times(*state, "pkcs11:token=depot;object=second;id=%02",
                    MG_CURVE_SECP256R1);
}

static void test_two_at_once(void **state)
{
    struct bed *b = *state;
    assert_int_equal(generate(b, URI, MG_CURVE_SECP256R1), MG_OK);
    struct mg_signer *one = open_token(b, URI), *two = open_token(b, URI);
    assert_true(one != NULL && two != NULL);
    assert_int_equal(sign(b, one, "x"), MG_OK);
    mg_signer_close(one);
    assert_int_equal(sign(b, two, "x"), MG_OK);
    mg_signer_close(two);
}

/* ---- What is refused ---- */

static void test_second_key_refused(void **state)
{
    struct bed *b = *state;
    char first[2 * MG_KEY_SPKI_MAX + 1], again[2 * MG_KEY_SPKI_MAX + 1];
    assert_int_equal(generate(b, URI, MG_CURVE_SECP256R1), MG_OK);
    struct mg_signer *s = open_token(b, URI);
    assert_non_null(s);
    mg_public_key_hex(mg_signer_public_key(s), first);
    mg_signer_close(s);
    assert_int_equal(generate(b, URI, MG_CURVE_SECP384R1), MG_E_STATE);
    s = open_token(b, URI);
    assert_non_null(s);
    mg_public_key_hex(mg_signer_public_key(s), again);
    assert_string_equal(first, again);
    mg_signer_close(s);
    assert_int_equal(
        generate(b, "pkcs11:token=depot;object=x", MG_CURVE_BRAINPOOL256R1),
        MG_E_NOSUP);
}

static void test_pin(void **state)
{
    struct bed *b = *state;
    assert_int_equal(generate(b, URI, MG_CURVE_SECP256R1), MG_OK);
    struct mg_signer_settings settings = settings_of(b, URI);
    settings.pkcs11_pin_file = b->wrong_pin_file;
    assert_null(mg_signer_open(&settings, &b->err));
    assert_null(strstr(b->err.text, WRONG_PIN));
    assert_non_null(strstr(b->err.text, "PIN"));
    assert_int_equal(
        mg_key_generate_token(&settings, MG_CURVE_SECP256R1, &b->err),
        b->err.code);
    assert_null(strstr(b->err.text, WRONG_PIN));
    settings.pkcs11_pin_file = NULL; /* a private key is not seen then */
    assert_null(mg_signer_open(&settings, &b->err));
    assert_int_equal(chmod(b->pin_file, 0644), 0);
    assert_null(open_token(b, URI));
    assert_int_equal(b->err.code, MG_E_DENIED);
    assert_null(strstr(b->err.text, PIN));
}

/* Refused before the token is asked: it would count them as wrong tries. */
static void test_pin_file_of_no_pin(void **state)
{
    struct bed *b = *state;
    static const char *const texts[] = {"", "\n", "\r\n", PIN "\nmore\n",
                                        "\n" PIN "\n"};
    assert_int_equal(generate(b, URI, MG_CURVE_SECP256R1), MG_OK);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_file(b->pin_file, texts[i]);
        assert_null(open_token(b, URI));
        assert_int_equal(b->err.code, MG_E_INVAL);
        assert_non_null(strstr(b->err.text, b->pin_file));
        assert_null(strstr(b->err.text, PIN));
    }
    write_file(b->pin_file, PIN "\r\n");
    struct mg_signer *s = open_token(b, URI);
    assert_non_null(s);
    mg_signer_close(s);
}

/* A PIN in the URI would be in every message. */
static void test_pin_in_uri(void **state)
{
    struct bed *b = *state;
    static const char *const uris[] = {URI "?pin-value=" PIN,
                                       URI "?pin-value=" PIN ";nonsense",
                                       "pkcs11:token=none?pin-value=" PIN,
                                       URI "?pin-source=/x" PIN,
                                       URI ";pin-value=" PIN,
                                       URI "?PIN-VALUE=" PIN,
                                       URI "?pin%2Dvalue=" PIN,
                                       URI "?pin-v alue=" PIN,
                                       "pkcs11:token=none?pin=" PIN};
    for (size_t i = 0; i < sizeof uris / sizeof *uris; i++) {
        assert_null(open_token(b, uris[i]));
        assert_int_equal(b->err.code, MG_E_INVAL);
        assert_null(strstr(b->err.text, PIN));
    }
}

static void refused(struct bed *b, const char *uri, int code)
{
    assert_null(open_token(b, uri));
    assert_int_equal(b->err.code, code);
    assert_non_null(strstr(b->err.text, uri));
}

static void test_not_found(void **state)
{
    struct bed *b = *state;
    assert_int_equal(generate(b, URI, MG_CURVE_SECP256R1), MG_OK);
    refused(b, "pkcs11:token=depot;object=other", MG_E_NOTFOUND);
    refused(b, "pkcs11:token=depot;object=station;id=%09", MG_E_NOTFOUND);
    refused(b, "pkcs11:token=elsewhere;object=station", MG_E_NOTFOUND);
    refused(b, "pkcs11:token=depot", MG_E_INVAL);
    refused(b, "http://depot", MG_E_INVAL);
    refused(b, "", MG_E_INVAL);
    refused(b, "pkcs11:token=%zz;object=station", MG_E_INVAL);
    assert_int_equal(
        generate(b, "pkcs11:token=elsewhere;object=x", MG_CURVE_SECP256R1),
        MG_E_NOTFOUND);
    assert_int_equal(generate(b, "nonsense", MG_CURVE_SECP256R1), MG_E_INVAL);
}

static void test_module(void **state)
{
    struct bed *b = *state;
    static const char *const modules[] = {"/nonexistent/module.so",
                                          "/etc/passwd", "/tmp"};
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
        b->module = modules[i];
        assert_null(open_token(b, URI));
        assert_int_equal(b->err.code, MG_E_IO);
        assert_non_null(strstr(b->err.text, modules[i]));
    }
}

/* ---- A token that goes and comes ---- */

static void test_away_and_back(void **state)
{
    struct bed *b = *state;
    assert_int_equal(generate(b, URI, MG_CURVE_SECP256R1), MG_OK);
    struct mg_signer *s = open_token(b, URI);
    assert_non_null(s);
    assert_int_equal(sign(b, s, "before"), MG_OK);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(rename(b->tokens, b->away), 0);
        for (int i = 0; i < 2; i++) {
            assert_int_not_equal(sign(b, s, "away"), MG_OK);
            assert_true(b->err.text[0] != '\0');
            assert_null(strstr(b->err.text, PIN));
        }
        assert_int_equal(rename(b->away, b->tokens), 0);
        assert_int_equal(sign(b, s, "back"), MG_OK);
        assert_int_equal(sign(b, s, "again"), MG_OK);
    }
    mg_signer_close(s);
}

/* Another key came in its place: it must not sign in the name of the old. */
static void test_another_key_comes_back(void **state)
{
    struct bed *b = *state;
    char other[64];
    (void)snprintf(other, sizeof other, "%s/other", b->dir);
    assert_int_equal(generate(b, URI, MG_CURVE_SECP256R1), MG_OK);
    assert_int_equal(rename(b->tokens, other), 0);
    assert_int_equal(mkdir(b->tokens, 0700), 0);
    init_token();
    assert_int_equal(generate(b, URI, MG_CURVE_SECP256R1), MG_OK);
    struct mg_signer *s = open_token(b, URI);
    assert_non_null(s);
    assert_int_equal(sign(b, s, "mine"), MG_OK);
    assert_int_equal(rename(b->tokens, b->away), 0);
    assert_int_equal(rename(other, b->tokens), 0);
    assert_int_equal(sign(b, s, "another's"), MG_E_MISMATCH);
    mg_signer_close(s);
}

/* A token locks itself after some wrong PINs. */
static void test_wrong_pin_is_tried_once(void **state)
{
    struct bed *b = *state;
    assert_int_equal(generate(b, URI, MG_CURVE_SECP256R1), MG_OK);
    struct mg_signer *s = open_token(b, URI);
    assert_non_null(s);
    assert_int_equal(rename(b->tokens, b->away), 0);
    assert_int_not_equal(sign(b, s, "away"), MG_OK);
    write_file(b->pin_file, WRONG_PIN);
    assert_int_equal(rename(b->away, b->tokens), 0);
    assert_int_not_equal(sign(b, s, "with the wrong PIN"), MG_OK);
    write_file(b->pin_file, PIN); /* even so */
    assert_int_equal(sign(b, s, "again"), MG_E_DENIED);
    mg_signer_close(s);
    s = open_token(b, URI);
    assert_non_null(s);
    mg_signer_close(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    if (find_module() == NULL ||
        system("softhsm2-util --version >/dev/null 2>&1") != 0) {
        (void)printf("skipped: SoftHSM is not installed\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        TEST(test_both_curves),
        TEST(test_two_at_once),
        TEST(test_second_key_refused),
        TEST(test_pin),
        TEST(test_pin_file_of_no_pin),
        TEST(test_pin_in_uri),
        TEST(test_not_found),
        TEST(test_module),
        TEST(test_away_and_back),
        TEST(test_another_key_comes_back),
        TEST(test_wrong_pin_is_tried_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
