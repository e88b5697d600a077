#include <string.h>

#include "model/json.h"
#include "model/utf8.h"

struct cursor {
    const char *at, *end;
};

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' ||
                              *c->at == '\n' || *c->at == '\r')) {
        c->at++;
    }
}

static bool is_next(const struct cursor *c, char ch)
{
    return c->at < c->end && *c->at == ch;
}

static bool take(struct cursor *c, char ch)
{
    if (!is_next(c, ch)) {
        return false;
    }
    c->at++;
    return true;
}

/* @return 0..15, or 16: no such digit */
static unsigned hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return (unsigned)(c - '0');
    }
    if (c >= 'a' && c <= 'f') {
        return (unsigned)(c - 'a') + 10;
    }
    return c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10 : 16;
}

#define NO_CHARACTER UINT32_MAX

/* The four digits of \uXXXX. */
static uint32_t take_hex4(struct cursor *c)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        unsigned digit = c->at < c->end ? hex_digit(*c->at) : 16;
        if (digit > 15) {
            return NO_CHARACTER;
        }
        value = value << 4 | digit;
        c->at++;
    }
    return value;
}

/* Behind "\u": one escape, or the two of a surrogate pair. */
static uint32_t take_unicode(struct cursor *c)
{
    uint32_t hi = take_hex4(c);
    if (hi == NO_CHARACTER || hi < 0xd800 || hi > 0xdfff) {
        return hi;
    }
    if (hi > 0xdbff || !take(c, '\\') || !take(c, 'u')) {
        return NO_CHARACTER;
    }
    uint32_t lo = take_hex4(c);
    if (lo < 0xdc00 || lo > 0xdfff) {
        return NO_CHARACTER;
    }
    return 0x10000 + ((hi - 0xd800) << 10 | (lo - 0xdc00));
}

static uint32_t take_escape(struct cursor *c)
{
    static const char NAMES[] = "\"\\/bfnrt";
    static const char CHARACTERS[] = "\"\\/\b\f\n\r\t";
    if (c->at == c->end || *c->at == '\0') {
        return NO_CHARACTER;
    }
    if (take(c, 'u')) {
        return take_unicode(c);
    }
    const char *name = strchr(NAMES, *c->at);
    if (name == NULL) {
        return NO_CHARACTER;
    }
    c->at++;
    return (uint8_t)CHARACTERS[name - NAMES];
}

static uint32_t decode_utf8(const char *s, size_t len)
{
    static const uint8_t FIRST_BITS[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t value = (uint8_t)s[0] & FIRST_BITS[len];
    for (size_t i = 1; i < len; i++) {
        value = value << 6 | ((uint8_t)s[i] & 0x3f);
    }
    return value;
}

/* One character of a string, escaped or not; the closing quote is not one. On
 * failure the cursor stands at the wrong byte. */
static uint32_t take_character(struct cursor *c)
{
    if (c->at == c->end || (uint8_t)*c->at < 0x20 || *c->at == '"') {
        return NO_CHARACTER;
    }
    if (take(c, '\\')) {
        return take_escape(c);
    }
    size_t len = mg_utf8_len(c->at, (size_t)(c->end - c->at));
    if (len == 0) {
        return NO_CHARACTER;
    }
    uint32_t value = decode_utf8(c->at, len);
    c->at += len;
    return value;
}

/* Between the quotes, still escaped. */
static bool parse_string(struct cursor *c, const char **ret_text,
                         size_t *ret_len)
{
    if (!take(c, '"')) {
        return false;
    }
    const char *begin = c->at;
    while (!is_next(c, '"')) {
        if (take_character(c) == NO_CHARACTER) {
            return false;
        }
    }
    *ret_text = begin;
    *ret_len = (size_t)(c->at - begin);
    c->at++;
    return true;
}

static bool take_digits(struct cursor *c)
{
    const char *begin = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
        c->at++;
    }
    return c->at > begin;
}

/* RFC 8259, 6 */
static bool parse_number(struct cursor *c)
{
    (void)take(c, '-');
    if (!take(c, '0') && !take_digits(c)) {
        return false;
    }
    if (take(c, '.') && !take_digits(c)) {
        return false;
    }
    if (take(c, 'e') || take(c, 'E')) {
        if (!take(c, '+')) {
            (void)take(c, '-');
        }
        return take_digits(c);
    }
    return true;
}

static bool parse_word(struct cursor *c, const char *word)
{
    for (; *word != '\0'; word++) {
        if (!take(c, *word)) {
            return false;
        }
    }
    return true;
}

static int parse_value(struct cursor *c, struct mg_json_member *m)
{
    if (is_next(c, '{') || is_next(c, '[')) {
        return MG_E_NOSUP;
    }
    bool is_right;
    if (is_next(c, '"')) {
        m->type = MG_JSON_STRING;
        is_right = parse_string(c, &m->value, &m->value_len);
        return is_right ? MG_OK : MG_E_PROTO;
    }
    const char *begin = c->at;
    if (is_next(c, 't') || is_next(c, 'f')) {
        m->type = MG_JSON_BOOL;
        is_right = parse_word(c, *begin == 't' ? "true" : "false");
    } else if (is_next(c, 'n')) {
        m->type = MG_JSON_NULL;
        is_right = parse_word(c, "null");
    } else {
        m->type = MG_JSON_NUMBER;
        is_right = parse_number(c);
    }
    m->value = begin;
    m->value_len = (size_t)(c->at - begin);
    return is_right ? MG_OK : MG_E_PROTO;
}

/* Compares what the keys mean: "a" is "\u0061". */
static bool is_same_key(const struct mg_json_member *a,
                        const struct mg_json_member *b)
{
    struct cursor x = {a->key, a->key + a->key_len};
    struct cursor y = {b->key, b->key + b->key_len};
    while (x.at < x.end && y.at < y.end) {
        if (take_character(&x) != take_character(&y)) {
            return false;
        }
    }
    return x.at == x.end && y.at == y.end;
}

static bool is_duplicate(const struct mg_json_member *members, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (is_same_key(&members[i], &members[n])) {
            return true;
        }
    }
    return false;
}

static int parse_member(struct cursor *c, struct mg_json_member *members,
                        size_t max, size_t n)
{
    struct mg_json_member m = {0};
    const char *begin = c->at;
    if (!parse_string(c, &m.key, &m.key_len)) {
        return MG_E_PROTO;
    }
    if (n >= max) {
        c->at = begin;
        return MG_E_NOSPC;
    }
    members[n] = m;
    if (is_duplicate(members, n)) {
        c->at = begin;
        return MG_E_PROTO;
    }
    skip_space(c);
    if (!take(c, ':')) {
        return MG_E_PROTO;
    }
    skip_space(c);
    return parse_value(c, &members[n]);
}

static int parse_object(struct cursor *c, struct mg_json_member *members,
                        size_t max, size_t *ret_n)
{
    size_t n = 0;
    skip_space(c);
    if (!take(c, '{')) {
        return MG_E_PROTO;
    }
    skip_space(c);
    if (!take(c, '}')) {
        do {
            skip_space(c);
            int rc = parse_member(c, members, max, n);
            if (rc != MG_OK) {
                return rc;
            }
            n++;
            skip_space(c);
        } while (take(c, ','));
        if (!take(c, '}')) {
            return MG_E_PROTO;
        }
    }
    skip_space(c);
    *ret_n = n;
    return c->at == c->end ? MG_OK : MG_E_PROTO;
}

int mg_json_parse_flat(const char *text, size_t len,
                       struct mg_json_member *members, size_t max,
                       size_t *ret_n, size_t *ret_error)
{
    struct cursor c = {text, text + len};
    size_t n = 0;
    int rc = parse_object(&c, members, max, &n);
    if (rc != MG_OK) {
        *ret_error = (size_t)(c.at - text);
        return rc;
    }
    *ret_n = n;
    return MG_OK;
}

static size_t encode_utf8(uint32_t c, char ret[4])
{
    if (c < 0x80) {
        ret[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t FIRST[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len - 1; i > 0; i--) {
        ret[i] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    ret[0] = (char)(FIRST[len] | c);
    return len;
}

int mg_json_string(const struct mg_json_member *member, char *buf, size_t cap,
                   size_t *ret_len)
{
    if (member->type != MG_JSON_STRING) {
        return MG_E_INVAL;
    }
    struct cursor c = {member->value, member->value + member->value_len};
    size_t n = 0;
    while (c.at < c.end) {
        uint32_t character = take_character(&c);
        if (character == NO_CHARACTER) {
            return MG_E_INVAL; /* not a member that the parser made */
        }
        char bytes[4];
        size_t len = encode_utf8(character, bytes);
        if (len > cap - n) {
            return MG_E_NOSPC;
        }
        memcpy(buf + n, bytes, len);
        n += len;
    }
    if (n >= cap) {
        return MG_E_NOSPC;
    }
    buf[n] = '\0';
    *ret_len = n;
    return MG_OK;
}

int mg_json_int64(const struct mg_json_member *member, int64_t *ret_value)
{
    struct cursor c = {member->value, member->value + member->value_len};
    if (member->type != MG_JSON_NUMBER) {
        return MG_E_RANGE;
    }
    bool is_negative = take(&c, '-');
    int64_t value = 0; /* kept negative: INT64_MIN has no positive */
    if (c.at == c.end) {
        return MG_E_RANGE;
    }
    for (; c.at < c.end; c.at++) {
        if (*c.at < '0' || *c.at > '9') {
            return MG_E_RANGE;
        }
        int digit = *c.at - '0';
        if (value < (INT64_MIN + digit) / 10) {
            return MG_E_RANGE;
        }
        value = value * 10 - digit;
    }
    if (!is_negative && value == INT64_MIN) {
        return MG_E_RANGE;
    }
    *ret_value = is_negative ? value : -value;
    return MG_OK;
}
