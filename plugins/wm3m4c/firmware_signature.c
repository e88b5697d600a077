/* The crypto chip (manual 4.2, 5.3), which the host plays: it gets the text at
 * once, and the meter takes its time. */
#include "firmware_priv.h"

#include "metergate/bytes.h"

#include <string.h>

#define BASE64_FORMAT 1 /* register 47059 */
#define CHIP_TIMEOUT  (2 * FW_SECOND_US)

/* ---- Encoding ---- */

/* INTEGER of 32 bytes, as short as it may be; with the defect of meters in the
 * field, always with a leading 0. */
static void put_integer(struct mg_wr *w, const uint8_t *number, bool is_long)
{
    size_t skip = 0;
    while (!is_long && skip < 31 && number[skip] == 0) {
        skip++;
    }
    bool has_zero = is_long || number[skip] >= 0x80;
    mg_put_u8(w, 0x02);
    mg_put_u8(w, (unsigned)(32 - skip + has_zero));
    if (has_zero) {
        mg_put_u8(w, 0);
    }
    mg_put_bytes(w, number + skip, 32 - skip);
}

static size_t make_der(const uint8_t raw[FW_SIGNATURE], bool is_long,
                       uint8_t ret[FW_ASN1_MAX])
{
    struct mg_wr w = mg_wr_init(ret, FW_ASN1_MAX);
    mg_put_u8(&w, 0x30);
    mg_put_u8(&w, 0);
    put_integer(&w, raw, is_long);
    put_integer(&w, raw + 32, is_long);
    ret[1] = (uint8_t)(w.len - 2);
    return w.len;
}

static size_t make_base64(const uint8_t *data, size_t len,
                          uint8_t ret[FW_ASN1_MAX])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    struct mg_wr w = mg_wr_init(ret, FW_ASN1_MAX);
    for (size_t at = 0; at < len; at += 3) {
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++) {
            bits = bits << 8 | (at + k < len ? data[at + k] : 0);
        }
        for (unsigned k = 0; k < 4; k++) {
            bool is_padding = at + k > len;
            mg_put_u8(&w, is_padding
                              ? '='
                              : (uint8_t)digits[bits >> (18 - 6 * k) & 0x3f]);
        }
    }
    return w.len;
}

static void encode(struct fw_state *st)
{
    struct fw_signing *s = &st->signing;
    uint8_t der[FW_ASN1_MAX];
    size_t len = make_der(s->raw, st->options->der_defect != 0, der);
    memset(s->asn1, 0, sizeof s->asn1);
    if (st->settings.format == BASE64_FORMAT) {
        len = make_base64(der, len, s->asn1);
    } else {
        memcpy(s->asn1, der, len);
    }
    s->asn1_len = (uint16_t)len;
}

/* ---- Asking the chip ---- */

void wm3m4c_fw_sign(struct fw_state *st, bool is_fiscal)
{
    struct fw_signing *s = &st->signing;
    s->output_len = 0;
    s->asn1_len = 0;
    s->is_fiscal = is_fiscal;
    s->is_asked = false;
    s->is_answered = false;
    s->is_requested = !st->is_crypto_dead;
    s->status = st->is_crypto_dead ? FW_SIGNATURE_ERROR : FW_SIGNING;
    s->left_us = CHIP_TIMEOUT;
}

/* The number counts from now on; before, nobody could have seen it. */
static void finish(struct fw_state *st)
{
    struct fw_signing *s = &st->signing;
    struct fw_charge *c = &st->charge;
    if (st->options->crypto_status != 0) {
        s->status = (uint8_t)st->options->crypto_status;
        return;
    }
    *(s->is_fiscal ? &c->n_fiscal : &c->n_signatures) += 1;
    wm3m4c_fw_nv_save_energies(st);
    encode(st);
    s->output_len = s->text_len;
    s->status = FW_SIGNED;
}

void wm3m4c_fw_signature_tick(struct fw_state *st, uint32_t elapsed_us)
{
    struct fw_signing *s = &st->signing;
    if (s->status != FW_SIGNING) {
        return;
    }
    if (st->is_crypto_dead) {
        s->status = FW_SIGNATURE_ERROR;
        s->is_requested = false;
        return;
    }
    s->left_us -= elapsed_us < s->left_us ? elapsed_us : s->left_us;
    if (s->left_us > 0) {
        return;
    }
    if (s->is_answered) {
        finish(st);
    } else {
        st->is_crypto_dead = true; /* manual 5.1: no response */
        s->status = FW_SIGNATURE_ERROR;
    }
}

size_t wm3m4c_fw_sign_request(void *state, const uint8_t **ret_message)
{
    struct fw_state *st = state;
    struct fw_signing *s = &st->signing;
    if (!s->is_requested) {
        return 0;
    }
    s->is_requested = false;
    s->is_asked = true;
    *ret_message = s->output;
    return s->text_len;
}

void wm3m4c_fw_sign_result(void *state, const uint8_t signature[64])
{
    struct fw_state *st = state;
    struct fw_signing *s = &st->signing;
    if (!s->is_asked) {
        return;
    }
    s->is_asked = false;
    s->is_answered = true;
    memcpy(s->raw, signature, FW_SIGNATURE);
    s->left_us = (uint32_t)st->options->sign_time_ms * 1000;
    if (s->left_us == 0) {
        finish(st);
    }
}
