#include "record/assemble.h"

#include <string.h>

#include "crypto/encode.h"

struct text {
    char *buf;
    size_t cap, len;
    bool is_full;
};

static void add(struct text *t, const char *text, size_t len)
{
    if (len >= t->cap - t->len) { /* room for the NUL */
        t->is_full = true;
        return;
    }
    memcpy(t->buf + t->len, text, len);
    t->len += len;
}

static void add_str(struct text *t, const char *text)
{
    add(t, text, strlen(text));
}

/* Around the signature, enum mg_signature_form. */
static const struct {
    const char *before, *after;
} LAYOUTS[] = {{"\",\"SD\":\"", "\"}"},
               {"\",\"SE\":\"base64\",\"SD\":\"", "\"}"},
               {"\", \"SD\":\"", "\", \"SE\":\"base64\"}"}};

/* NOLINTNEXTLINE(readability-function-size): text, signature, destination */
int mg_record_assemble(const char *payload, size_t payload_len,
                       enum mg_curve curve, const uint8_t *signature,
                       size_t signature_len, enum mg_signature_form form,
                       char *ret, size_t cap, size_t *ret_len)
{
    char encoded[2 * MG_SIGNATURE_MAX + 1]; /* base64 is shorter */
    if (payload_len == 0 || memchr(payload, '|', payload_len) != NULL ||
        signature_len == 0 || signature_len > MG_SIGNATURE_MAX ||
        curve >= MG_N_CURVES) {
        return MG_E_INVAL;
    }
    if (form == MG_SIGNATURE_HEX) {
        mg_hex_write(signature, signature_len, true, encoded);
    } else {
        mg_base64_write(signature, signature_len, encoded);
    }
    struct text t = {.buf = ret, .cap = cap};
    add_str(&t, "OCMF|");
    add(&t, payload, payload_len);
    add_str(&t, "|{\"SA\":\"");
    add_str(&t, mg_curve_algorithm(curve));
    add_str(&t, LAYOUTS[form].before);
    add_str(&t, encoded);
    add_str(&t, LAYOUTS[form].after);
    if (t.is_full) {
        return MG_E_NOSPC;
    }
    ret[t.len] = '\0';
    *ret_len = t.len;
    return MG_OK;
}
