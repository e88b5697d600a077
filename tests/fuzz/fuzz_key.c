/* Keys and signatures of outside bytes. The first byte chooses the curve; what
 * is accepted is written in every form and must be read as the same again. */
#include <stdlib.h>
#include <string.h>

#include "crypto/encode.h"
#include "crypto/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool is_so)
{
    if (!is_so) {
        abort();
    }
}

static void reads_as(const void *text, size_t len,
                     const struct mg_public_key *key, unsigned lenient)
{
    char a[MG_FINGERPRINT_HEX_MAX], b[MG_FINGERPRINT_HEX_MAX];
    struct mg_public_key *again;
    struct mg_err err;
    unsigned again_lenient;
    expect(mg_public_key_parse(text, len, mg_public_key_curve(key), &again,
                               &again_lenient, &err) == MG_OK);
    expect(again_lenient == lenient);
    mg_public_key_fingerprint(key, a);
    mg_public_key_fingerprint(again, b);
    expect(strcmp(a, b) == 0);
    mg_public_key_destroy(again);
}

static void write_all(const struct mg_public_key *key)
{
    uint8_t spki[MG_KEY_SPKI_MAX], raw[MG_KEY_RAW_MAX];
    char hex[2 * MG_KEY_SPKI_MAX + 1], pem[MG_KEY_TEXT_MAX];
    char base64[MG_BASE64_LEN(MG_KEY_SPKI_MAX) + 1];
    size_t len = mg_public_key_spki(key, spki);
    reads_as(spki, len, key, 0);
    mg_base64_write(spki, len, base64);
    reads_as(base64, strlen(base64), key, 0);
    mg_public_key_hex(key, hex);
    reads_as(hex, strlen(hex), key, 0);
    expect(mg_public_key_pem(key, pem, sizeof pem) == MG_OK);
    reads_as(pem, strlen(pem), key, 0);
    len = mg_public_key_raw(key, raw);
    mg_hex_write(raw, len, true, hex);
    reads_as(hex, strlen(hex), key, MG_LENIENT_KEY_RAW);
}

static void try_key(const uint8_t *data, size_t size, enum mg_curve curve)
{
    struct mg_public_key *key;
    struct mg_err err;
    unsigned lenient;
    if (mg_public_key_parse((const char *)data, size, curve, &key, &lenient,
                            &err) == MG_OK) {
        write_all(key);
        expect(mg_verify(key, data, size, data, size) == MG_E_MISMATCH);
        mg_public_key_destroy(key);
    }
}

static void try_signature(const uint8_t *data, size_t size, enum mg_curve curve)
{
    uint8_t der[MG_SIGNATURE_MAX], again[MG_SIGNATURE_MAX];
    size_t len, again_len;
    unsigned lenient;
    if (mg_signature_normalise(data, size, curve, der, &len, &lenient) !=
        MG_OK) {
        return;
    }
    expect(len <= sizeof der);
    expect(lenient != 0 || (len == size && memcmp(der, data, len) == 0));
    expect(mg_signature_normalise(der, len, curve, again, &again_len,
                                  &lenient) == MG_OK);
    expect(lenient == 0 && again_len == len && memcmp(der, again, len) == 0);
}

static void try_text(const char *text, size_t len)
{
    uint8_t bytes[256];
    char back[2 * sizeof bytes + 1];
    size_t n;
    if (mg_hex_read(text, len, bytes, sizeof bytes, &n) == MG_OK) {
        mg_hex_write(bytes, n, true, back);
        expect(2 * n == len);
    }
    if (mg_base64_read(text, len, bytes, sizeof bytes, &n) == MG_OK) {
        mg_base64_write(bytes, n, back);
        expect(strlen(back) == len && memcmp(back, text, len) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0) {
        enum mg_curve curve = (enum mg_curve)(data[0] % (MG_N_CURVES + 1));
        try_key(data + 1, size - 1, curve);
        try_signature(data + 1, size - 1, curve);
        try_text((const char *)data + 1, size - 1);
    }
    return 0;
}
