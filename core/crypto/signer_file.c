/* A private key in a PEM file. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/curve.h"
#include "crypto/key_priv.h"
#include "crypto/signer_priv.h"

#define PEM_MAX 8192

struct file_signer {
    EVP_PKEY *pkey;    /* owned */
    EVP_PKEY_CTX *ctx; /* owned; ready to sign */
};

static int check_mode(int fd, const char *path, struct mg_err *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return mg_err_errno(err, errno, "%s", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return mg_err_set(err, MG_E_INVAL, "%s is not a file", path);
    }
    if ((st.st_mode & 077) != 0) {
        return mg_err_set(err, MG_E_DENIED,
                          "%s may be used by others (mode %04o): expected 0600",
                          path, (unsigned)(st.st_mode & 07777));
    }
    return MG_OK;
}

static int read_all(int fd, const char *path, char *buf, size_t cap,
                    size_t *ret_len, struct mg_err *err)
{
    size_t len = 0;
    for (;;) {
        ssize_t n = read(fd, buf + len, cap - len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return mg_err_errno(err, errno, "%s", path);
        }
        len += (size_t)n;
        if (n == 0) {
            break;
        }
        if (len == cap) {
            return mg_err_set(err, MG_E_NOSPC,
                              "%s is longer than the %zu bytes expected", path,
                              cap - 1);
        }
    }
    buf[len] = '\0';
    *ret_len = len;
    return MG_OK;
}

int crypto__read_secret(const char *path, char *buf, size_t cap,
                        size_t *ret_len, struct mg_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return mg_err_errno(err, errno, "%s", path);
    }
    int rc = check_mode(fd, path, err);
    if (rc == MG_OK) {
        rc = read_all(fd, path, buf, cap, ret_len, err);
    }
    (void)close(fd); /* only read */
    if (rc != MG_OK) {
        OPENSSL_cleanse(buf, cap); /* the start of what is too long */
    }
    return rc;
}

/* An encrypted key would ask for its pass phrase on the terminal. */
static int no_pass_phrase(char *buf, int size, int is_writing, void *ctx)
{
    (void)is_writing;
    (void)ctx;
    if (size > 0) {
        buf[0] = '\0';
    }
    return -1;
}

static EVP_PKEY *parse_private(const char *text, size_t len)
{
    BIO *bio = BIO_new_mem_buf(text, (int)len);
    EVP_PKEY *pkey =
        bio == NULL ? NULL
                    : PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, NULL);
    (void)BIO_free(bio); /* cannot fail: memory only */
    ERR_clear_error();
    return pkey;
}

static void file_close(void *ctx)
{
    struct file_signer *f = ctx;
    EVP_PKEY_CTX_free(f->ctx);
    EVP_PKEY_free(f->pkey);
    free(f);
}

static int open_key(struct file_signer *f, const char *path,
                    struct mg_public_key **ret_key, struct mg_err *err)
{
    char text[PEM_MAX];
    size_t len = 0;
    int rc = crypto__read_secret(path, text, sizeof text, &len, err);
    if (rc != MG_OK) {
        return rc;
    }
    f->pkey = parse_private(text, len);
    OPENSSL_cleanse(text, sizeof text);
    if (f->pkey == NULL) {
        return mg_err_set(err, MG_E_PROTO,
                          "%s: no private key in PEM without pass phrase",
                          path);
    }
    rc = crypto__key_of(f->pkey, ret_key, err);
    if (rc != MG_OK) {
        mg_err_prefix(err, "%s", path);
        return rc;
    }
    f->ctx = EVP_PKEY_CTX_new(f->pkey, NULL);
    if (f->ctx == NULL || EVP_PKEY_sign_init(f->ctx) != 1) {
        return mg_err_set(err, MG_E_NOSUP, "%s: this key cannot sign", path);
    }
    return MG_OK;
}

void *crypto__file_open(const char *path, struct mg_public_key **ret_key,
                        struct mg_err *err)
{
    struct file_signer *f = calloc(1, sizeof *f);
    if (f == NULL) {
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        return NULL;
    }
    if (open_key(f, path, ret_key, err) != MG_OK) {
        file_close(f);
        return NULL;
    }
    return f;
}

static int file_sign(void *ctx, const uint8_t digest[32],
                     uint8_t ret_der[MG_SIGNATURE_MAX], size_t *ret_len,
                     struct mg_err *err)
{
    struct file_signer *f = ctx;
    size_t len = MG_SIGNATURE_MAX;
    if (EVP_PKEY_sign(f->ctx, ret_der, &len, digest, 32) != 1) {
        ERR_clear_error();
        return mg_err_set(err, MG_E_IO, "the key of the file does not sign");
    }
    *ret_len = len;
    return MG_OK;
}

const struct crypto__signer_ops crypto__file_ops = {file_sign, file_close};

/* ---- A new key ---- */

/* In memory that libcrypto wipes; stdio's would keep the key. */
static BIO *to_pem(EVP_PKEY *pkey)
{
    BIO *pem = BIO_new(BIO_s_mem());
    if (pem != NULL && PEM_write_bio_PKCS8PrivateKey(pem, pkey, NULL, NULL, 0,
                                                     NULL, NULL) != 1) {
        (void)BIO_free(pem); /* cannot fail: memory only */
        pem = NULL;
    }
    return pem;
}

static int write_all(int fd, const char *path, const char *text, size_t len,
                     struct mg_err *err)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return mg_err_errno(err, errno, "%s", path);
        }
        text += n;
        len -= (size_t)n;
    }
    return fsync(fd) == 0 ? MG_OK : mg_err_errno(err, errno, "%s", path);
}

static int write_new(const char *path, const char *text, size_t len,
                     struct mg_err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return mg_err_errno(err, errno, "%s", path);
    }
    int rc = write_all(fd, path, text, len, err);
    if (close(fd) != 0 && rc == MG_OK) {
        rc = mg_err_errno(err, errno, "%s", path);
    }
    if (rc != MG_OK) {
        (void)unlink(path); /* half a key is none */
    }
    return rc;
}

int mg_key_generate_file(const char *path, enum mg_curve curve,
                         struct mg_err *err)
{
    int rc = crypto__check_signing_curve(curve, err);
    if (rc != MG_OK) {
        return rc;
    }
    EVP_PKEY *pkey = EVP_EC_gen(crypto__curve_group(curve));
    BIO *pem = pkey == NULL ? NULL : to_pem(pkey);
    char *text;
    if (pem == NULL) {
        rc = mg_err_set(err, MG_E_NOMEM, "a key could not be made");
    } else {
        long len = BIO_get_mem_data(pem, &text);
        rc = write_new(path, text, (size_t)len, err);
    }
    (void)BIO_free(pem); /* cannot fail: memory only */
    EVP_PKEY_free(pkey);
    ERR_clear_error();
    return rc;
}
