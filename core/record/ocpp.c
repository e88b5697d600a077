/* Both forms carry the same object: 2.0.1 as a member, 1.6 as JSON text within
 * the string `value`. It is written piece by piece, so that no copy of a long
 * record is needed; `level` is how often a piece is escaped. */
#include "record/ocpp.h"

#include <stdio.h>
#include <string.h>

#include "crypto/encode.h"
#include "crypto/key.h"

#define KEY_SCHEME "oca:base16:asn1:"
#define PIECE      96 /* bytes; a multiple of 3 for base64 */

/* Right behind what was written before. */
static void put(struct mg_json *j, const char *text, size_t len)
{
    j->has_item = false;
    mg_json_raw(j, text, len);
}

static void put_base64(struct mg_json *j, const char *bytes, size_t len)
{
    char encoded[MG_BASE64_LEN(PIECE) + 1];
    for (size_t i = 0; i < len; i += PIECE) {
        size_t n = len - i < PIECE ? len - i : PIECE;
        mg_base64_write((const uint8_t *)bytes + i, n, encoded);
        put(j, encoded, MG_BASE64_LEN(n));
    }
}

/* A piece must not end within a character. */
static size_t piece_len(const char *text, size_t len)
{
    if (len <= PIECE) {
        return len;
    }
    size_t n = PIECE;
    while (n > PIECE - 3 && ((uint8_t)text[n] & 0xc0) == 0x80) {
        n--;
    }
    return n;
}

/* The text between the quotes of a JSON string. */
static size_t escape(const char *text, size_t len, char *ret, size_t cap)
{
    struct mg_json inner = mg_json_init(ret, cap);
    mg_json_str(&inner, text, len);
    memmove(ret, ret + 1, inner.len - 2);
    return inner.len - 2;
}

static void put_escaped(struct mg_json *j, unsigned level, const char *text,
                        size_t len)
{
    char once[6 * PIECE + 2], twice[2 * sizeof once + 2];
    for (size_t i = 0, n; i < len; i += n) {
        n = piece_len(text + i, len - i);
        if (level == 0) {
            put(j, text + i, n);
            continue;
        }
        size_t n_once = escape(text + i, n, once, sizeof once);
        if (level == 1) {
            put(j, once, n_once);
        } else { /* no control characters are left: at most twice as long */
            put(j, twice, escape(once, n_once, twice, sizeof twice));
        }
    }
}

static void put_text(struct mg_json *j, unsigned level, const char *text)
{
    put_escaped(j, level, text, strlen(text));
}

static void put_key(struct mg_json *j, const char *key_hex)
{
    char text[sizeof KEY_SCHEME + (size_t)2 * MG_KEY_SPKI_MAX];
    int len = snprintf(text, sizeof text, KEY_SCHEME "%s", key_hex);
    if (len < 0 || (size_t)len >= sizeof text) {
        j->failed = true;
    } else if (key_hex[0] != '\0') {
        put_base64(j, text, (size_t)len);
    }
}

static void put_signed_value(struct mg_json *j, unsigned level,
                             const char *record, size_t record_len,
                             const char *key_hex, bool is_plain)
{
    put_text(j, level, "{\"signedMeterData\":\"");
    if (is_plain) {
        put_escaped(j, level + 1, record, record_len);
    } else {
        put_base64(j, record, record_len);
    }
    put_text(j, level,
             "\",\"signingMethod\":\"\",\"encodingMethod\":\"OCMF\","
             "\"publicKey\":\"");
    put_key(j, key_hex);
    put_text(j, level, "\"}");
    j->has_item = true;
}

void mg_ocpp_members(struct mg_json *j, const char *record, size_t record_len,
                     const char *key_hex, const char *context, bool is_plain)
{
    mg_json_key(j, "1.6");
    mg_json_open(j, '{');
    mg_json_member_str(j, "format", "SignedData");
    mg_json_member_str(j, "context", context);
    mg_json_key(j, "value");
    put(j, "\"", 1);
    put_signed_value(j, 1, record, record_len, key_hex, is_plain);
    put(j, "\"", 1);
    mg_json_close(j, '}');
    mg_json_key(j, "2.0.1");
    put_signed_value(j, 0, record, record_len, key_hex, is_plain);
}
