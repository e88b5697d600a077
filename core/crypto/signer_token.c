/* A private key in a PKCS#11 token, through p11-kit. */
#include <openssl/crypto.h>
#include <p11-kit/p11-kit.h>
#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/key_priv.h"
#include "crypto/signer_priv.h"

#define SLOTS_MAX 64
#define PIN_MAX   256
#define POINT_MAX 160

struct token {
    CK_FUNCTION_LIST *module; /* owned */
    CK_SESSION_HANDLE session;
    bool has_session;
    bool is_pin_refused; /* never tried twice: a token locks itself */
    CK_OBJECT_HANDLE private_key;
    enum mg_curve curve;
    char *module_path, *uri, *pin_file; /* owned */
};

/* DER of the two named curves (RFC 5480, 2.1.1.1). */
static const uint8_t oid_p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x03, 0x01, 0x07};
static const uint8_t oid_p384[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};

static int fail(struct mg_err *err, const char *what, CK_RV rv)
{
    (void)mg_err_set(err, MG_E_IO, "the token: %s: %s", what,
                     p11_kit_strerror(rv));
    return MG_E_IO;
}

static void end_session(struct token *t)
{
    if (t->has_session) {
        (void)t->module->C_CloseSession(t->session); /* may be gone already */
        t->has_session = false;
    }
}

static void unload_module(struct token *t)
{
    if (t->module != NULL) {
        end_session(t);
        (void)p11_kit_module_finalize(t->module); /* the last use of it */
        p11_kit_module_release(t->module);
        t->module = NULL;
    }
}

static void token_close(void *ctx)
{
    struct token *t = ctx;
    unload_module(t);
    free(t->module_path);
    free(t->uri);
    free(t->pin_file);
    free(t);
}

/* ---- Module, slot, session ---- */

static int load_module(struct token *t, struct mg_err *err)
{
    t->module = p11_kit_module_load(t->module_path, 0);
    if (t->module == NULL) {
        (void)mg_err_set(err, MG_E_IO, "%s is no PKCS#11 module",
                         t->module_path);
        return MG_E_IO;
    }
    CK_RV rv = p11_kit_module_initialize(t->module);
    if (rv != CKR_OK) {
        p11_kit_module_release(t->module);
        t->module = NULL;
        return fail(err, "initialising the module", rv);
    }
    return MG_OK;
}

static int find_slot(struct token *t, P11KitUri *uri, CK_SLOT_ID *ret,
                     struct mg_err *err)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG n = SLOTS_MAX;
    CK_RV rv = t->module->C_GetSlotList(CK_TRUE, slots, &n);
    if (rv != CKR_OK) {
        return fail(err, "listing the slots", rv);
    }
    for (CK_ULONG i = 0; i < n; i++) {
        CK_TOKEN_INFO info;
        if (t->module->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
            (info.flags & CKF_TOKEN_INITIALIZED) != 0 &&
            p11_kit_uri_match_token_info(uri, &info) == 1) {
            *ret = slots[i];
            return MG_OK;
        }
    }
    return mg_err_set(err, MG_E_NOTFOUND, "no token there is %s", t->uri);
}

static bool is_about_pin(CK_RV rv)
{
    return rv == CKR_PIN_INCORRECT || rv == CKR_PIN_INVALID ||
           rv == CKR_PIN_LEN_RANGE || rv == CKR_PIN_EXPIRED ||
           rv == CKR_PIN_LOCKED;
}

static int login(struct token *t, struct mg_err *err)
{
    char pin[PIN_MAX];
    size_t len;
    if (t->pin_file == NULL) {
        return MG_OK;
    }
    int rc = crypto__read_secret(t->pin_file, pin, sizeof pin, &len, err);
    if (rc != MG_OK) {
        return rc;
    }
    while (len > 0 && (pin[len - 1] == '\n' || pin[len - 1] == '\r')) {
        len--;
    }
    if (len == 0 || memchr(pin, '\n', len) != NULL) {
        OPENSSL_cleanse(pin, sizeof pin); /* a wrong PIN costs a try */
        return mg_err_set(err, MG_E_INVAL, "%s: the PIN in one line expected",
                          t->pin_file);
    }
    CK_RV rv = t->module->C_Login(t->session, CKU_USER, (CK_UTF8CHAR *)pin,
                                  (CK_ULONG)len);
    OPENSSL_cleanse(pin, sizeof pin);
    if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN) {
        return MG_OK;
    }
    t->is_pin_refused = is_about_pin(rv);
    return fail(err, "login", rv);
}

static int begin_session(struct token *t, P11KitUri *uri, bool is_writing,
                         struct mg_err *err)
{
    CK_SLOT_ID slot = 0;
    int rc = find_slot(t, uri, &slot, err);
    if (rc != MG_OK) {
        return rc;
    }
    CK_FLAGS flags = CKF_SERIAL_SESSION | (is_writing ? CKF_RW_SESSION : 0);
    CK_RV rv = t->module->C_OpenSession(slot, flags, NULL, NULL, &t->session);
    if (rv != CKR_OK) {
        return fail(err, "opening a session", rv);
    }
    t->has_session = true;
    return login(t, err);
}

/* ---- Objects ---- */

static int find_object(struct token *t, P11KitUri *uri, CK_OBJECT_CLASS class_,
                       CK_OBJECT_HANDLE *ret, struct mg_err *err)
{
    CK_ATTRIBUTE match[3] = {{CKA_CLASS, &class_, sizeof class_}};
    CK_ULONG n = 1, n_found = 0;
    static const CK_ATTRIBUTE_TYPE types[] = {CKA_LABEL, CKA_ID};
    for (size_t i = 0; i < 2; i++) {
        CK_ATTRIBUTE *a = p11_kit_uri_get_attribute(uri, types[i]);
        if (a != NULL) {
            match[n++] = *a;
        }
    }
    const char *what = class_ == CKO_PRIVATE_KEY ? "private" : "public";
    if (n == 1) {
        return mg_err_set(err, MG_E_INVAL,
                          "%s names no object: add object=LABEL or id=ID",
                          t->uri);
    }
    CK_OBJECT_HANDLE found[2];
    CK_RV rv = t->module->C_FindObjectsInit(t->session, match, n);
    if (rv == CKR_OK) {
        rv = t->module->C_FindObjects(t->session, found, 2, &n_found);
        (void)t->module->C_FindObjectsFinal(t->session); /* only read */
    }
    if (rv != CKR_OK) {
        return fail(err, "looking for the key", rv);
    }
    if (n_found != 1) {
        return mg_err_set(err, n_found == 0 ? MG_E_NOTFOUND : MG_E_STATE,
                          "%s: %s %s keys, 1 expected", t->uri,
                          n_found == 0 ? "no" : "several", what);
    }
    *ret = found[0];
    return MG_OK;
}

/* CKA_EC_POINT is the point as an OCTET STRING; some tokens leave the wrapping
 * away. */
static int unwrap_point(const uint8_t *point, size_t len, enum mg_curve curve,
                        const uint8_t **ret_raw)
{
    size_t raw = 2 * mg_curve_octets(curve);
    if (len == raw + 3 && point[0] == 0x04 && point[1] == raw + 1 &&
        point[2] == 0x04) {
        *ret_raw = point + 3;
        return MG_OK;
    }
    if (len == raw + 1 && point[0] == 0x04) {
        *ret_raw = point + 1;
        return MG_OK;
    }
    return MG_E_PROTO;
}

static int read_public(struct token *t, P11KitUri *uri,
                       struct mg_public_key **ret, struct mg_err *err)
{
    CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
    int rc = find_object(t, uri, CKO_PUBLIC_KEY, &object, err);
    if (rc != MG_OK) {
        return rc;
    }
    uint8_t params[64], point[POINT_MAX];
    CK_ATTRIBUTE get[2] = {{CKA_EC_PARAMS, params, sizeof params},
                           {CKA_EC_POINT, point, sizeof point}};
    CK_RV rv = t->module->C_GetAttributeValue(t->session, object, get, 2);
    if (rv != CKR_OK) {
        return fail(err, "reading the public key", rv);
    }
    size_t n = get[0].ulValueLen;
    if (n == sizeof oid_p256 && memcmp(params, oid_p256, n) == 0) {
        t->curve = MG_CURVE_SECP256R1;
    } else if (n == sizeof oid_p384 && memcmp(params, oid_p384, n) == 0) {
        t->curve = MG_CURVE_SECP384R1;
    } else {
        return mg_err_set(err, MG_E_NOSUP,
                          "%s: a key of secp384r1 or secp256r1 is expected",
                          t->uri);
    }
    const uint8_t *raw;
    if (unwrap_point(point, get[1].ulValueLen, t->curve, &raw) != MG_OK) {
        return mg_err_set(err, MG_E_PROTO, "%s: its public key is no point",
                          t->uri);
    }
    return crypto__key_of_point(t->curve, raw, 2 * mg_curve_octets(t->curve),
                                ret, err);
}

/* ---- Opening ---- */

static int parse_uri(const char *text, P11KitUri **ret, struct mg_err *err)
{
    /* Of what may follow the '?' (RFC 7512, 2.3) nothing is of use here, but
     * a PIN, also a misspelled one, would be in every message. */
    if (strchr(text, '?') != NULL || strstr(text, "pin-") != NULL) {
        return mg_err_set(err, MG_E_INVAL,
                          "a PKCS#11 URI with a query, as pin-value or "
                          "pin-source: the PIN belongs in a file of its own");
    }
    P11KitUri *uri = p11_kit_uri_new();
    int rc =
        uri == NULL
            ? P11_KIT_URI_UNEXPECTED
            : p11_kit_uri_parse(text, P11_KIT_URI_FOR_OBJECT_ON_TOKEN, uri);
    if (rc != P11_KIT_URI_OK) {
        p11_kit_uri_free(uri);
        return mg_err_set(err, MG_E_INVAL, "%s is no PKCS#11 URI: %s", text,
                          p11_kit_uri_message(rc));
    }
    *ret = uri;
    return MG_OK;
}

/* @param ret_key  NULL: it is known already */
static int connect(struct token *t, struct mg_public_key **ret_key,
                   struct mg_err *err)
{
    P11KitUri *uri = NULL;
    int rc = parse_uri(t->uri, &uri, err);
    if (rc == MG_OK) {
        rc = begin_session(t, uri, false, err);
    }
    if (rc == MG_OK) {
        rc = find_object(t, uri, CKO_PRIVATE_KEY, &t->private_key, err);
    }
    if (rc == MG_OK && ret_key != NULL) {
        rc = read_public(t, uri, ret_key, err);
    }
    p11_kit_uri_free(uri); /* NULL is allowed */
    return rc;
}

static struct token *make(const struct mg_signer_settings *settings,
                          struct mg_err *err)
{
    if (settings->pkcs11_module == NULL || settings->pkcs11_uri == NULL) {
        (void)mg_err_set(err, MG_E_INVAL,
                         "neither a key file nor a PKCS#11 module and URI");
        return NULL;
    }
    struct token *t = calloc(1, sizeof *t);
    if (t == NULL) {
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        return NULL;
    }
    t->module_path = strdup(settings->pkcs11_module);
    t->uri = strdup(settings->pkcs11_uri);
    t->pin_file = settings->pkcs11_pin_file == NULL
                      ? NULL
                      : strdup(settings->pkcs11_pin_file);
    bool is_whole = t->module_path != NULL && t->uri != NULL &&
                    (t->pin_file != NULL || settings->pkcs11_pin_file == NULL);
    if (!is_whole) {
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    if (!is_whole || load_module(t, err) != MG_OK) {
        token_close(t);
        return NULL;
    }
    return t;
}

void *crypto__token_open(const struct mg_signer_settings *settings,
                         struct mg_public_key **ret_key, struct mg_err *err)
{
    struct token *t = make(settings, err);
    if (t != NULL && connect(t, ret_key, err) != MG_OK) {
        token_close(t);
        return NULL;
    }
    return t;
}

/* ---- Signing ---- */

static CK_RV sign_once(struct token *t, const uint8_t digest[32],
                       uint8_t ret[MG_SIGNATURE_MAX], CK_ULONG *len)
{
    CK_MECHANISM mechanism = {CKM_ECDSA, NULL, 0};
    CK_RV rv = t->module->C_SignInit(t->session, &mechanism, t->private_key);
    return rv == CKR_OK ? t->module->C_Sign(t->session, (CK_BYTE_PTR)digest, 32,
                                            ret, len)
                        : rv;
}

/* Modules may not see a token that comes back until they begin anew. */
static int reconnect(struct token *t, struct mg_err *err)
{
    if (t->is_pin_refused) {
        return mg_err_set(err, MG_E_DENIED,
                          "the token refused the PIN; it is not tried again, "
                          "or the token locks itself: start again with the "
                          "right one");
    }
    unload_module(t);
    int rc = load_module(t, err);
    return rc == MG_OK ? connect(t, NULL, err) : rc;
}

static int token_sign(void *ctx, const uint8_t digest[32],
                      uint8_t ret_der[MG_SIGNATURE_MAX], size_t *ret_len,
                      struct mg_err *err)
{
    struct token *t = ctx;
    uint8_t rs[MG_SIGNATURE_MAX];
    CK_ULONG len = sizeof rs;
    CK_RV rv = t->has_session ? sign_once(t, digest, rs, &len)
                              : CKR_SESSION_HANDLE_INVALID;
    if (rv != CKR_OK) { /* it was pulled and put back? once more */
        int rc = reconnect(t, err);
        if (rc != MG_OK) {
            return rc;
        }
        len = sizeof rs;
        rv = sign_once(t, digest, rs, &len);
    }
    if (rv != CKR_OK) {
        return fail(err, "signing", rv);
    }
    unsigned lenient;
    if (len > sizeof rs || mg_signature_normalise(rs, len, t->curve, ret_der,
                                                  ret_len, &lenient) != MG_OK) {
        return mg_err_set(err, MG_E_PROTO, "the token gave no signature");
    }
    return MG_OK;
}

const struct crypto__signer_ops crypto__token_ops = {token_sign, token_close};

/* ---- A new key ---- */

static int generate(struct token *t, P11KitUri *uri, enum mg_curve curve,
                    struct mg_err *err)
{
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    const uint8_t *oid = curve == MG_CURVE_SECP256R1 ? oid_p256 : oid_p384;
    CK_ULONG oid_len =
        curve == MG_CURVE_SECP256R1 ? sizeof oid_p256 : sizeof oid_p384;
    CK_ATTRIBUTE public_[5] = {{CKA_TOKEN, &yes, sizeof yes},
                               {CKA_VERIFY, &yes, sizeof yes},
                               {CKA_EC_PARAMS, (void *)oid, oid_len}};
    CK_ATTRIBUTE private_[7] = {{CKA_TOKEN, &yes, sizeof yes},
                                {CKA_SIGN, &yes, sizeof yes},
                                {CKA_PRIVATE, &yes, sizeof yes},
                                {CKA_SENSITIVE, &yes, sizeof yes},
                                {CKA_EXTRACTABLE, &no, sizeof no}};
    CK_ULONG n_public = 3, n_private = 5;
    static const CK_ATTRIBUTE_TYPE types[] = {CKA_LABEL, CKA_ID};
    for (size_t i = 0; i < 2; i++) {
        CK_ATTRIBUTE *a = p11_kit_uri_get_attribute(uri, types[i]);
        if (a != NULL) {
            public_[n_public++] = *a;
            private_[n_private++] = *a;
        }
    }
    CK_OBJECT_HANDLE handles[2];
    CK_RV rv = t->module->C_GenerateKeyPair(t->session, &mechanism, public_,
                                            n_public, private_, n_private,
                                            &handles[0], &handles[1]);
    return rv == CKR_OK ? MG_OK : fail(err, "making the key", rv);
}

int mg_key_generate_token(const struct mg_signer_settings *settings,
                          enum mg_curve curve, struct mg_err *err)
{
    P11KitUri *uri = NULL;
    CK_OBJECT_HANDLE existing;
    struct mg_err ignored;
    int rc = crypto__check_signing_curve(curve, err);
    struct token *t = rc == MG_OK ? make(settings, err) : NULL;
    if (t == NULL) {
        return rc == MG_OK ? err->code : rc;
    }
    rc = parse_uri(t->uri, &uri, err);
    if (rc == MG_OK) {
        rc = begin_session(t, uri, true, err);
    }
    if (rc == MG_OK) {
        rc = find_object(t, uri, CKO_PRIVATE_KEY, &existing, &ignored);
        if (rc == MG_OK) {
            rc = mg_err_set(err, MG_E_STATE,
                            "%s: there is a key already, it is kept", t->uri);
        } else if (rc == MG_E_NOTFOUND) {
            rc = generate(t, uri, curve, err);
        } else {
            *err = ignored;
        }
    }
    p11_kit_uri_free(uri); /* NULL is allowed */
    token_close(t);
    return rc;
}
