#include "crypto/encode.h"

#include <openssl/evp.h>
#include <string.h>

void mg_hex_write(const uint8_t *bytes, size_t len, bool is_upper, char *ret)
{
    const char *digits = is_upper ? "0123456789ABCDEF" : "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        ret[2 * i] = digits[bytes[i] >> 4];
        ret[2 * i + 1] = digits[bytes[i] & 0xf];
    }
    ret[2 * len] = '\0';
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int mg_hex_read(const char *text, size_t len, uint8_t *ret, size_t cap,
                size_t *ret_len)
{
    if (len % 2 != 0) {
        return MG_E_PROTO;
    }
    if (len / 2 > cap) {
        return MG_E_NOSPC;
    }
    for (size_t i = 0; i < len / 2; i++) {
        int hi = nibble(text[2 * i]), lo = nibble(text[2 * i + 1]);
        if (hi < 0 || lo < 0) {
            return MG_E_PROTO;
        }
        ret[i] = (uint8_t)(hi << 4 | lo);
    }
    *ret_len = len / 2;
    return MG_OK;
}

void mg_base64_write(const uint8_t *bytes, size_t len, char *ret)
{
    (void)EVP_EncodeBlock((unsigned char *)ret, bytes, (int)len);
}

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* libcrypto's decoder takes blanks and says nothing of bits left over. */
int mg_base64_read(const char *text, size_t len, uint8_t *ret, size_t cap,
                   size_t *ret_len)
{
    size_t n_pad = 0;
    while (n_pad < 2 && len > n_pad && text[len - 1 - n_pad] == '=') {
        n_pad++;
    }
    if (len % 4 != 0) {
        return MG_E_PROTO;
    }
    size_t n = len / 4 * 3 - n_pad;
    if (n > cap) {
        return MG_E_NOSPC;
    }
    uint32_t bits = 0;
    unsigned n_bits = 0;
    size_t at = 0;
    for (size_t i = 0; i < len - n_pad; i++) {
        int value = sextet(text[i]);
        if (value < 0) {
            return MG_E_PROTO;
        }
        bits = bits << 6 | (uint32_t)value;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            ret[at++] = (uint8_t)(bits >> n_bits);
            bits &= (1U << n_bits) - 1;
        }
    }
    *ret_len = n;
    return bits == 0 ? MG_OK : MG_E_PROTO;
}
