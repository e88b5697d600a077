/* UTF-8 as RFC 3629 allows it. Pure; private to core/model. */
#ifndef MG_MODEL_UTF8_H
#define MG_MODEL_UTF8_H

#include <stddef.h>
#include <stdint.h>

/** Length of the character that begins at s, 1..4; 0 when there is none: a
 *  stray or missing continuation byte, an overlong form, a surrogate, beyond
 *  U+10FFFF, or cut off. */
static inline size_t mg_utf8_len(const char *s, size_t len)
{
    if (len == 0) {
        return 0;
    }
    uint8_t first = (uint8_t)s[0];
    if (first < 0x80) {
        return 1;
    }
    size_t n = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || n > len) {
        return 0;
    }
    /* The second byte alone tells overlong forms, surrogates and the end. */
    uint8_t second = (uint8_t)s[1];
    uint8_t lo = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t hi = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (second < lo || second > hi) {
        return 0;
    }
    for (size_t i = 2; i < n; i++) {
        if (((uint8_t)s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return n;
}

#endif
