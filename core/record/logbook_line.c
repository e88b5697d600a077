#include "record/logbook_line.h"

#include <string.h>

#include "crypto/encode.h"
#include "model/json.h"

#define SIGNATURE_TEXT (MG_BASE64_LEN(MG_SIGNATURE_MAX) + 1)

int mg_log_line_write(const struct mg_log_link *link, const char *algorithm,
                      char *buf, size_t cap, size_t *ret_len)
{
    char hash[65], signature[SIGNATURE_TEXT] = "";
    if (link->signature_len > MG_SIGNATURE_MAX) {
        return MG_E_INVAL;
    }
    mg_hex_write(link->hash, 32, false, hash);
    if (link->signature_len > 0) {
        mg_base64_write(link->signature, link->signature_len, signature);
    }
    struct mg_json j = mg_json_init(buf, cap);
    mg_json_open(&j, '{');
    mg_json_member_int(&j, "n", link->number);
    mg_json_key(&j, "entry");
    mg_json_str(&j, link->text, link->len);
    mg_json_member_str(&j, "hash", hash);
    mg_json_member_str(&j, "signature", signature);
    mg_json_member_str(&j, "algorithm", algorithm);
    mg_json_member_str(&j, "fingerprint", link->fingerprint);
    mg_json_close(&j, '}');
    if (j.failed) {
        return MG_E_NOSPC;
    }
    *ret_len = j.len;
    return MG_OK;
}

/* ---- Reading ---- */

enum member { N, ENTRY, HASH, SIGNATURE, ALGORITHM, FINGERPRINT, N_MEMBERS };

static int take_text(const struct mg_json_member *m, char *buf, size_t cap,
                     size_t *ret_len)
{
    int rc = mg_json_string(m, buf, cap, ret_len);
    return rc == MG_OK && strlen(buf) == *ret_len ? MG_OK : MG_E_PROTO;
}

static int take_hash(const struct mg_json_member *m, uint8_t ret[32])
{
    char text[65];
    size_t len, n;
    int rc = take_text(m, text, sizeof text, &len);
    if (rc == MG_OK) {
        rc = mg_hex_read(text, len, ret, 32, &n);
    }
    return rc == MG_OK && n == 32 ? MG_OK : MG_E_PROTO;
}

static int take_signature(const struct mg_json_member *m,
                          struct mg_log_line *line)
{
    char text[SIGNATURE_TEXT];
    size_t len;
    int rc = take_text(m, text, sizeof text, &len);
    line->signature_len = 0;
    if (rc == MG_OK && len > 0) {
        rc = mg_base64_read(text, len, line->signature, sizeof line->signature,
                            &line->signature_len);
    }
    return rc;
}

/* @return false: one is unknown or missing (none is there twice) */
static bool sort(const struct mg_json_member *members, size_t n,
                 struct mg_json_member ret[N_MEMBERS])
{
    static const char *const keys[N_MEMBERS] = {[N] = "n",
                                                [ENTRY] = "entry",
                                                [HASH] = "hash",
                                                [SIGNATURE] = "signature",
                                                [ALGORITHM] = "algorithm",
                                                [FINGERPRINT] = "fingerprint"};
    for (size_t k = 0; k < N_MEMBERS; k++) {
        size_t i = 0;
        while (i < n &&
               (strlen(keys[k]) != members[i].key_len ||
                memcmp(keys[k], members[i].key, members[i].key_len) != 0)) {
            i++;
        }
        if (i == n) {
            return false;
        }
        ret[k] = members[i];
    }
    return n == N_MEMBERS;
}

int mg_log_line_parse(const char *text, size_t len, struct mg_log_line *ret)
{
    struct mg_json_member found[N_MEMBERS], m[N_MEMBERS];
    size_t n, at, fingerprint_len;
    if (len > MG_LOG_LINE_MAX ||
        mg_json_parse_flat(text, len, found, N_MEMBERS, &n, &at) != MG_OK ||
        !sort(found, n, m)) {
        return MG_E_PROTO;
    }
    struct mg_log_line line;
    int rc = m[N].type == MG_JSON_NUMBER ? mg_json_int64(&m[N], &line.number)
                                         : MG_E_PROTO;
    if (rc == MG_OK) {
        rc = take_text(&m[ENTRY], line.text, sizeof line.text, &line.len);
    }
    if (rc == MG_OK) {
        rc = take_hash(&m[HASH], line.hash);
    }
    if (rc == MG_OK) {
        rc = take_signature(&m[SIGNATURE], &line);
    }
    if (rc == MG_OK) {
        rc = take_text(&m[FINGERPRINT], line.fingerprint,
                       sizeof line.fingerprint, &fingerprint_len);
    }
    if (rc != MG_OK || line.number < 1) {
        return MG_E_PROTO;
    }
    *ret = line;
    return MG_OK;
}

struct mg_log_link mg_log_line_link(const struct mg_log_line *line)
{
    return (struct mg_log_link){.number = line->number,
                                .text = line->text,
                                .len = line->len,
                                .hash = line->hash,
                                .signature = line->signature,
                                .signature_len = line->signature_len,
                                .fingerprint = line->fingerprint};
}
