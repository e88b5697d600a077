/* The station's key in a file: who may read it, what is in it, and that a new
 * one harms none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/signer_priv.h"

struct bed {
    char dir[32], key[64], other[64];
    struct mg_err err;
};

static int setup(void **state)
{
    struct bed *b = calloc(1, sizeof *b);
    assert_non_null(b);
    (void)snprintf(b->dir, sizeof b->dir, "/tmp/mg-signer-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    (void)snprintf(b->key, sizeof b->key, "%s/key.pem", b->dir);
    (void)snprintf(b->other, sizeof b->other, "%s/other.pem", b->dir);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bed *b = *state;
    (void)unlink(b->key);
    (void)unlink(b->other);
    int rc = rmdir(b->dir);
    free(b);
    return rc;
}

static struct mg_signer *open_file(struct bed *b, const char *path)
{
    struct mg_signer_settings settings = {.key_file = path};
    memset(&b->err, 0, sizeof b->err);
    return mg_signer_open(&settings, &b->err);
}

static void is_refused(struct bed *b, const char *path, int code)
{
    assert_null(open_file(b, path));
    assert_int_equal(b->err.code, code);
    assert_non_null(strstr(b->err.text, path)); /* it says where */
    assert_null(strstr(b->err.text, "PRIVATE"));
    assert_int_equal(ERR_peek_error(), 0);
}

static void make_key(struct bed *b)
{
    assert_int_equal(mg_key_generate_file(b->key, MG_CURVE_SECP256R1, &b->err),
                     MG_OK);
}

static void write_text(const char *path, const char *text, size_t len)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fchmod(fileno(file), 0600), 0);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

/* @param pass  NULL: in the clear @param pkey  taken */
static void write_pem(const char *path, EVP_PKEY *pkey, const char *pass,
                      bool is_traditional)
{
    BIO *bio = BIO_new_file(path, "w");
    const EVP_CIPHER *cipher = pass == NULL ? NULL : EVP_aes_128_cbc();
    assert_non_null(bio);
    assert_non_null(pkey);
    int (*write)(BIO *, const EVP_PKEY *, const EVP_CIPHER *,
                 const unsigned char *, int, pem_password_cb *, void *) =
        is_traditional ? PEM_write_bio_PrivateKey_traditional
                       : PEM_write_bio_PrivateKey;
    assert_int_equal(write(bio, pkey, cipher, (const unsigned char *)pass,
                           pass == NULL ? 0 : (int)strlen(pass), NULL, NULL),
                     1);
    assert_int_equal(BIO_free(bio), 1);
    assert_int_equal(chmod(path, 0600), 0);
    EVP_PKEY_free(pkey);
}

/* ---- Signing ---- */

static void signs(struct bed *b, enum mg_curve curve)
{
    uint8_t der[MG_SIGNATURE_MAX], strict[MG_SIGNATURE_MAX];
    size_t len = 0, strict_len = 0;
    unsigned lenient = 77;
    struct mg_signer *s = open_file(b, b->key);
    assert_non_null(s);
    const struct mg_public_key *key = mg_signer_public_key(s);
    assert_int_equal(mg_public_key_curve(key), curve);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(mg_signer_sign(s, "a record", 8, der, &len, &b->err),
                         MG_OK);
        assert_int_equal(mg_verify(key, "a record", 8, der, len), MG_OK);
        assert_int_equal(mg_verify(key, "a recorD", 8, der, len),
                         MG_E_MISMATCH);
        assert_int_equal(mg_signature_normalise(der, len, curve, strict,
                                                &strict_len, &lenient),
                         MG_OK);
        assert_int_equal(lenient, 0);
    }
    mg_signer_close(s);
    assert_int_equal(ERR_peek_error(), 0);
}

static void test_both_curves(void **state)
{
    struct bed *b = *state;
    make_key(b);
    signs(b, MG_CURVE_SECP256R1);
    assert_int_equal(unlink(b->key), 0);
    assert_int_equal(mg_key_generate_file(b->key, MG_CURVE_SECP384R1, &b->err),
                     MG_OK);
    signs(b, MG_CURVE_SECP384R1);
    mg_signer_close(NULL);
}

/* As openssl ecparam -genkey writes it: traditional, parameters in front. */
static void test_traditional_pem(void **state)
{
    struct bed *b = *state;
    write_pem(b->other, EVP_EC_gen("P-256"), NULL, true);
    char text[2048] = "-----BEGIN EC PARAMETERS-----\n"
                      "BggqhkjOPQMBBw==\n"
                      "-----END EC PARAMETERS-----\n";
    size_t n = strlen(text);
    FILE *file = fopen(b->other, "re");
    assert_non_null(file);
    n += fread(text + n, 1, sizeof text - n, file);
    assert_int_equal(fclose(file), 0);
    write_text(b->key, text, n);
    signs(b, MG_CURVE_SECP256R1);
}

/* ---- Who may read it ---- */

static void test_modes(void **state)
{
    struct bed *b = *state;
    static const mode_t good[] = {0600, 0400, 0700},
                        bad[] = {0640, 0604, 0644, 0620, 0602, 0610, 0601};
    make_key(b);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(chmod(b->key, good[i]), 0);
        struct mg_signer *s = open_file(b, b->key);
        assert_non_null(s);
        mg_signer_close(s);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(chmod(b->key, bad[i]), 0);
        is_refused(b, b->key, MG_E_DENIED);
        assert_non_null(strstr(b->err.text, "0600"));
    }
}

static void test_no_file(void **state)
{
    struct bed *b = *state;
    is_refused(b, b->key, MG_E_IO); /* missing */
    is_refused(b, b->dir, MG_E_INVAL);
    is_refused(b, "/dev/null", MG_E_INVAL);
    assert_int_equal(mkfifo(b->key, 0600), 0);
    (void)alarm(20); /* a FIFO without a writer must not be waited for */
    is_refused(b, b->key, MG_E_INVAL);
    (void)alarm(0);
}

static void test_symlink(void **state)
{
    struct bed *b = *state;
    make_key(b);
    assert_int_equal(symlink(b->key, b->other), 0);
    struct mg_signer *s = open_file(b, b->other);
    assert_non_null(s);
    mg_signer_close(s);
    assert_int_equal(chmod(b->key, 0644), 0); /* the file's mode counts */
    is_refused(b, b->other, MG_E_DENIED);
}

/* ---- What is in it ---- */

static void test_garbage(void **state)
{
    struct bed *b = *state;
    static const char pem[] = "-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n"
                              "-----END PRIVATE KEY-----\n";
    char *big = calloc(1, 10000);
    assert_non_null(big);
    write_text(b->key, "", 0);
    is_refused(b, b->key, MG_E_PROTO);
    write_text(b->key, "garbage\0\xff", 9);
    is_refused(b, b->key, MG_E_PROTO);
    write_text(b->key, pem, sizeof pem - 1);
    is_refused(b, b->key, MG_E_PROTO);
    write_text(b->key, big, 10000);
    is_refused(b, b->key, MG_E_NOSPC);
    free(big);
}

static void test_other_keys(void **state)
{
    struct bed *b = *state;
    static const char *const groups[] = {"P-192", "secp256k1",
                                         "brainpoolP256r1"};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        write_pem(b->key, EVP_EC_gen(groups[i]), NULL, false);
        assert_null(open_file(b, b->key));
        assert_int_equal(b->err.code, MG_E_NOSUP);
        assert_non_null(strstr(b->err.text, "secp384r1"));
    }
    write_pem(b->key, EVP_EC_gen("P-521"), NULL, false);
    is_refused(b, b->key, MG_E_NOSUP);
    write_pem(b->key, EVP_RSA_gen(1024), NULL, false);
    is_refused(b, b->key, MG_E_NOSUP);
    write_pem(b->key, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL, false);
    is_refused(b, b->key, MG_E_NOSUP);
}

/* With a terminal of its own, where a question would be seen.
 * @return bytes on the terminal */
static size_t open_at_terminal(struct bed *b)
{
    int terminal;
    pid_t child = forkpty(&terminal, NULL, NULL, NULL);
    assert_true(child >= 0);
    if (child == 0) {
        struct mg_signer_settings settings = {.key_file = b->key};
        struct mg_err err;
        _exit(mg_signer_open(&settings, &err) == NULL && err.code == MG_E_PROTO
                  ? 0
                  : 1);
    }
    char text[256];
    ssize_t n = read(terminal, text, sizeof text); /* EIO: it has ended */
    if (n > 0) {
        (void)kill(child, SIGKILL);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(close(terminal), 0);
    assert_true(n > 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
    return n > 0 ? (size_t)n : 0;
}

static void test_encrypted(void **state)
{
    struct bed *b = *state;
    for (int is_traditional = 0; is_traditional < 2; is_traditional++) {
        write_pem(b->key, EVP_EC_gen("P-256"), "secret", is_traditional);
        is_refused(b, b->key, MG_E_PROTO);
        assert_int_equal(open_at_terminal(b), 0);
    }
}

/* The public part in the file is of another key. */
static void test_mismatched_halves(void **state)
{
    struct bed *b = *state;
    EVP_PKEY *mine = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
    uint8_t *mine_der = NULL, *other_der = NULL;
    int mine_len = i2d_PrivateKey(mine, &mine_der);
    int other_len = i2d_PrivateKey(other, &other_der);
    assert_int_equal(mine_len, 121);
    assert_int_equal(other_len, mine_len);
    memcpy(mine_der + mine_len - 64, other_der + other_len - 64, 64);
    FILE *file = fopen(b->key, "we");
    assert_non_null(file);
    assert_int_equal(fchmod(fileno(file), 0600), 0);
    assert_true(PEM_write(file, "EC PRIVATE KEY", "", mine_der, mine_len) > 0);
    assert_int_equal(fclose(file), 0);
    OPENSSL_free(mine_der);
    OPENSSL_free(other_der);
    EVP_PKEY_free(mine);
    EVP_PKEY_free(other);
    struct mg_signer *s = open_file(b, b->key);
    uint8_t der[MG_SIGNATURE_MAX];
    size_t len = 77;
    if (s != NULL) { /* found out at the latest by the first signature */
        assert_int_equal(mg_signer_sign(s, "x", 1, der, &len, &b->err),
                         MG_E_MISMATCH);
    }
    assert_int_equal(len, 77);
    mg_signer_close(s);
}

/* ---- A new key ---- */

static void test_generate_keeps_what_is_there(void **state)
{
    struct bed *b = *state;
    write_text(b->key, "precious", 8);
    assert_int_equal(mg_key_generate_file(b->key, MG_CURVE_SECP256R1, &b->err),
                     MG_E_IO);
    assert_non_null(strstr(b->err.text, b->key));
    char text[16] = "";
    FILE *file = fopen(b->key, "re");
    assert_non_null(file);
    assert_int_equal(fread(text, 1, sizeof text, file), 8);
    assert_int_equal(fclose(file), 0);
    assert_string_equal(text, "precious");
    /* nor through a link that leads nowhere */
    assert_int_equal(unlink(b->key), 0);
    assert_int_equal(symlink(b->other, b->key), 0);
    assert_int_equal(mg_key_generate_file(b->key, MG_CURVE_SECP256R1, &b->err),
                     MG_E_IO);
    assert_int_equal(access(b->other, F_OK), -1);
}

static void test_generate_mode(void **state)
{
    struct bed *b = *state;
    struct stat st;
    mode_t before = umask(0);
    make_key(b);
    (void)umask(before);
    assert_int_equal(stat(b->key, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_generate_refused(void **state)
{
    struct bed *b = *state;
    assert_int_equal(mg_key_generate_file(b->key, MG_CURVE_SECP192R1, &b->err),
                     MG_E_NOSUP);
    assert_int_equal(access(b->key, F_OK), -1);
    assert_int_equal(mg_key_generate_file("/nonexistent/dir/key.pem",
                                          MG_CURVE_SECP256R1, &b->err),
                     MG_E_IO);
}

/* ---- Secrets ---- */

static void test_too_long_secret_is_wiped(void **state)
{
    struct bed *b = *state;
    char buf[8], zeros[8] = {0};
    size_t len;
    memset(buf, 'x', sizeof buf);
    write_text(b->key, "1234567890", 10);
    assert_int_equal(
        crypto__read_secret(b->key, buf, sizeof buf, &len, &b->err),
        MG_E_NOSPC);
    assert_memory_equal(buf, zeros, sizeof buf);
    write_text(b->key, "1234567", 7);
    assert_int_equal(
        crypto__read_secret(b->key, buf, sizeof buf, &len, &b->err), MG_OK);
    assert_string_equal(buf, "1234567");
    assert_int_equal(len, 7);
}

static void test_no_settings(void **state)
{
    struct bed *b = *state;
    struct mg_signer_settings none = {0};
    assert_null(mg_signer_open(&none, &b->err));
    assert_int_equal(b->err.code, MG_E_INVAL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_both_curves),
        TEST(test_traditional_pem),
        TEST(test_modes),
        TEST(test_no_file),
        TEST(test_symlink),
        TEST(test_garbage),
        TEST(test_other_keys),
        TEST(test_encrypted),
        TEST(test_mismatched_halves),
        TEST(test_generate_keeps_what_is_there),
        TEST(test_generate_mode),
        TEST(test_generate_refused),
        TEST(test_too_long_secret_is_wiped),
        TEST(test_no_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
