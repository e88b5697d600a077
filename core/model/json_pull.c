#include "model/json_pull.h"

#include <string.h>

#include "model/json.h"
#include "model/utf8.h"

struct mg_pull mg_pull_init(const char *text, size_t len)
{
    return (struct mg_pull){.at = text, .end = text + len, .wanted = ""};
}

void mg_pull_space(struct mg_pull *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' ||
                              *p->at == '\n' || *p->at == '\r')) {
        p->at++;
    }
}

/* NUL at the end, which is no character of JSON. */
static char peek(const struct mg_pull *p)
{
    if (p->at == p->end) {
        return '\0';
    }
    return *p->at;
}

static bool fail(struct mg_pull *p, const char *wanted)
{
    p->wanted = wanted;
    return false;
}

static bool take(struct mg_pull *p, char c)
{
    if (p->at == p->end || *p->at != c) {
        return false;
    }
    p->at++;
    return true;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
           (c >= 'A' && c <= 'F');
}

/* @return what the letter behind a backslash stands for; NUL: no such */
static char simple_escape(char c)
{
    switch (c) {
    case '"':
    case '\\':
    case '/':
        return c;
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return '\0';
    }
}

/* Behind the backslash. */
static bool take_escape(struct mg_pull *p)
{
    char c = peek(p);
    if (c != 'u') {
        p->at += simple_escape(c) != '\0';
        return simple_escape(c) != '\0' || fail(p, "an escape");
    }
    p->at++;
    for (int i = 0; i < 4; i++) {
        if (p->at == p->end || !is_hex(*p->at)) {
            return fail(p, "four hex digits");
        }
        p->at++;
    }
    return true;
}

static bool take_special(struct mg_pull *p)
{
    if (p->at == p->end) {
        return fail(p, "the end of a string");
    }
    if (take(p, '\\')) {
        return take_escape(p);
    }
    size_t n = mg_utf8_len(p->at, (size_t)(p->end - p->at));
    if (n < 2) {
        return fail(p, n == 0 ? "UTF-8" : "no control character");
    }
    p->at += n;
    return true;
}

static bool is_plain(char c)
{
    return (uint8_t)c >= 0x20 && (uint8_t)c < 0x80 && c != '"' && c != '\\';
}

static bool take_string(struct mg_pull *p, const char **ret, size_t *ret_len)
{
    if (!take(p, '"')) {
        return fail(p, "a string");
    }
    const char *begin = p->at;
    for (;;) {
        while (p->at < p->end && is_plain(*p->at)) {
            p->at++;
        }
        if (p->at < p->end && *p->at == '"') {
            break;
        }
        if (!take_special(p)) {
            return false;
        }
    }
    *ret = begin;
    *ret_len = (size_t)(p->at - begin);
    p->at++;
    return true;
}

static bool take_digits(struct mg_pull *p)
{
    const char *begin = p->at;
    while (p->at < p->end && *p->at >= '0' && *p->at <= '9') {
        p->at++;
    }
    return p->at > begin || fail(p, "a digit");
}

static bool take_number(struct mg_pull *p)
{
    (void)take(p, '-');
    if (!take(p, '0') && !take_digits(p)) {
        return fail(p, "a value");
    }
    if (take(p, '.') && !take_digits(p)) {
        return false;
    }
    if (take(p, 'e') || take(p, 'E')) {
        if (!take(p, '+')) {
            (void)take(p, '-');
        }
        return take_digits(p);
    }
    return true;
}

static bool take_word(struct mg_pull *p, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(p->end - p->at) < len || memcmp(p->at, word, len) != 0) {
        return fail(p, "a value");
    }
    p->at += len;
    return true;
}

static bool open_container(struct mg_pull *p, bool is_object)
{
    if (p->depth == MG_PULL_DEPTH_MAX) {
        return fail(p, "less nesting");
    }
    p->at++;
    p->depth++;
    uint64_t bit = (uint64_t)1 << p->depth;
    p->objects = is_object ? p->objects | bit : p->objects & ~bit;
    p->is_first = true;
    return true;
}

static bool take_scalar(struct mg_pull *p, struct mg_pull_item *item)
{
    switch (peek(p)) {
    case 't':
        item->kind = MG_PULL_BOOL;
        return take_word(p, "true");
    case 'f':
        item->kind = MG_PULL_BOOL;
        return take_word(p, "false");
    case 'n':
        item->kind = MG_PULL_NULL;
        return take_word(p, "null");
    default:
        item->kind = MG_PULL_NUMBER;
        return take_number(p);
    }
}

static bool take_value(struct mg_pull *p, struct mg_pull_item *item)
{
    char c = peek(p);
    if (c == '{' || c == '[') {
        item->kind = c == '{' ? MG_PULL_OBJECT : MG_PULL_ARRAY;
        return open_container(p, c == '{');
    }
    if (c == '"') {
        item->kind = MG_PULL_STRING;
        return take_string(p, &item->value, &item->value_len);
    }
    item->value = p->at;
    bool is_right = take_scalar(p, item);
    item->value_len = (size_t)(p->at - item->value);
    return is_right;
}

static bool take_key(struct mg_pull *p, struct mg_pull_item *item)
{
    if (p->at == p->end || *p->at != '"') {
        return fail(p, "a name");
    }
    if (!take_string(p, &item->key, &item->key_len)) {
        return false;
    }
    mg_pull_space(p);
    if (!take(p, ':')) {
        return fail(p, "':'");
    }
    mg_pull_space(p);
    return true;
}

bool mg_pull_next(struct mg_pull *p, struct mg_pull_item *ret)
{
    struct mg_pull_item item = {0};
    mg_pull_space(p);
    bool is_object = (p->objects >> p->depth & 1) != 0;
    if (p->depth > 0) {
        if (take(p, is_object ? '}' : ']')) {
            p->depth--;
            p->is_first = false;
            item.kind = MG_PULL_CLOSE;
            *ret = item;
            return true;
        }
        if (!p->is_first && !take(p, ',')) {
            return fail(p, is_object ? "',' or '}'" : "',' or ']'");
        }
        mg_pull_space(p);
        if (is_object && !take_key(p, &item)) {
            return false;
        }
    }
    p->is_first = false;
    if (!take_value(p, &item)) {
        return false;
    }
    *ret = item;
    return true;
}

bool mg_pull_skip(struct mg_pull *p, const struct mg_pull_item *item)
{
    if (item->kind != MG_PULL_OBJECT && item->kind != MG_PULL_ARRAY) {
        return true;
    }
    unsigned outside = p->depth - 1;
    struct mg_pull_item inner;
    while (p->depth > outside) {
        if (!mg_pull_next(p, &inner)) {
            return false;
        }
    }
    return true;
}

/* The \u escape, or the two of a surrogate pair, at the beginning of a text.
 * @return characters of the text; 0: half a pair. What does not fit is
 * counted but not written */
static size_t resolve_unicode(const char *text, size_t len, char *buf,
                              size_t cap, size_t *ret_len)
{
    for (size_t n = 6; n <= 12 && n <= len; n += 6) {
        struct mg_json_member m = {
            .value = text, .value_len = n, .type = MG_JSON_STRING};
        char bytes[8];
        size_t n_bytes = 0;
        if (mg_json_string(&m, bytes, sizeof bytes, &n_bytes) == MG_OK) {
            memcpy(buf, bytes, n_bytes < cap ? n_bytes : cap);
            *ret_len = n_bytes;
            return n;
        }
    }
    return 0;
}

int mg_pull_unescape(const char *text, size_t len, char *buf, size_t cap,
                     size_t *ret_len)
{
    const char *end = text + len;
    size_t n = 0;
    while (text < end && n < cap) {
        if (*text != '\\') {
            buf[n++] = *text++;
            continue;
        }
        char c = '\0';
        if (end - text > 1) {
            c = simple_escape(text[1]);
        }
        size_t n_bytes = 1;
        size_t used = 2;
        buf[n] = c;
        if (c == '\0') {
            used = resolve_unicode(text, (size_t)(end - text), buf + n, cap - n,
                                   &n_bytes);
        }
        if (used == 0) {
            return MG_E_INVAL;
        }
        n += n_bytes;
        text += used;
    }
    if (n >= cap) {
        return MG_E_NOSPC;
    }
    buf[n] = '\0';
    *ret_len = n;
    return MG_OK;
}
