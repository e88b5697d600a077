#include "dbc_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_MAX 40 /* of a token, in a fault */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           c == '_';
}

/* NUL beyond the end: no token contains it. */
static char peek(const struct dbc_lex *lex, size_t ahead)
{
    size_t left = lex->len - lex->pos;
    if (ahead >= left) {
        return '\0';
    }
    return lex->text[lex->pos + ahead];
}

static struct dbc_pos here(const struct dbc_lex *lex)
{
    return (struct dbc_pos){lex->line,
                            (uint32_t)(lex->pos - lex->line_start + 1)};
}

void dbc_fault(struct dbc_lex *lex, struct dbc_pos at, const char *format, ...)
{
    if (!lex->failed) {
        char text[MG_ERR_TEXT];
        va_list args;
        va_start(args, format);
        (void)vsnprintf(text, sizeof text, format, args); /* cut if longer */
        va_end(args);
        (void)mg_err_set(lex->err, MG_E_INVAL, "%.100s:%u:%u: %s", lex->name,
                         (unsigned)at.line, (unsigned)at.column, text);
    }
    lex->failed = true;
    lex->token.kind = DBC_END;
    lex->token.len = 0;
}

/* A token as a fault shows it: printable, and not longer than a line. */
static void show(const struct dbc_token *token, char ret[SHOWN_MAX + 1])
{
    size_t n = token->len < SHOWN_MAX ? token->len : SHOWN_MAX;
    for (size_t i = 0; i < n; i++) {
        char c = token->text[i];
        ret[i] = '?';
        if (c >= ' ' && c <= '~') {
            ret[i] = c;
        }
    }
    ret[n] = '\0';
}

void dbc_expected(struct dbc_lex *lex, const char *what)
{
    const struct dbc_token *token = &lex->token;
    char shown[SHOWN_MAX + 1];
    show(token, shown);
    if (token->kind == DBC_END) {
        dbc_fault(lex, token->at, "expected %s, found the end of the file",
                  what);
    } else if (token->kind == DBC_STRING) {
        dbc_fault(lex, token->at, "expected %s, found the text \"%s\"", what,
                  shown);
    } else {
        dbc_fault(lex, token->at, "expected %s, found '%s'", what, shown);
    }
}

static void skip_space(struct dbc_lex *lex)
{
    for (; lex->pos < lex->len; lex->pos++) {
        char c = lex->text[lex->pos];
        if (c == '\n') {
            lex->line++;
            lex->line_start = lex->pos + 1;
        } else if (c != ' ' && c != '\t' && c != '\r') {
            return;
        }
    }
}

static void take(struct dbc_lex *lex, enum dbc_kind kind, size_t len)
{
    lex->token.kind = kind;
    lex->token.text = &lex->text[lex->pos];
    lex->token.len = len;
    lex->pos += len;
}

static size_t digits(const struct dbc_lex *lex, size_t at)
{
    size_t n = 0;
    while (is_digit(peek(lex, at + n))) {
        n++;
    }
    return n;
}

/* [+-] digits [. digits] [e [+-] digits]; with digits before or behind the
 * point. */
static void take_number(struct dbc_lex *lex)
{
    char sign = peek(lex, 0);
    size_t n = sign == '+' || sign == '-' ? 1 : 0;
    size_t n_digits = digits(lex, n);
    n += n_digits;
    if (peek(lex, n) == '.') {
        size_t behind = digits(lex, n + 1);
        n_digits += behind;
        n += 1 + behind;
    }
    char e = peek(lex, n);
    bool is_good = n_digits > 0;
    if (e == 'e' || e == 'E') {
        char exp_sign = peek(lex, n + 1);
        n += exp_sign == '+' || exp_sign == '-' ? 2 : 1;
        size_t n_exp = digits(lex, n);
        is_good = is_good && n_exp > 0;
        n += n_exp;
    }
    while (is_word(peek(lex, n)) || peek(lex, n) == '.') {
        is_good = false;
        n++;
    }
    take(lex, DBC_NUMBER, n);
    if (!is_good) {
        char shown[SHOWN_MAX + 1];
        show(&lex->token, shown);
        dbc_fault(lex, lex->token.at,
                  "'%s' is no number; -12, 0.5 or 1e-3 would be", shown);
    }
}

/* A quote within is written \". */
static void take_string(struct dbc_lex *lex)
{
    size_t begin = ++lex->pos;
    for (; lex->pos < lex->len; lex->pos++) {
        char c = lex->text[lex->pos];
        if (c == '\0') {
            dbc_fault(lex, here(lex), "a NUL byte in a text");
            return;
        }
        if (c == '\n') {
            lex->line++;
            lex->line_start = lex->pos + 1;
        } else if (c == '"' &&
                   (lex->pos == begin || lex->text[lex->pos - 1] != '\\')) {
            size_t len = lex->pos - begin;
            lex->token.kind = DBC_STRING;
            lex->token.text = &lex->text[begin];
            lex->token.len = len;
            lex->pos++;
            return;
        }
    }
    dbc_fault(lex, lex->token.at, "this text has no end: a '\"' is missing");
}

void dbc_next(struct dbc_lex *lex)
{
    if (lex->failed) {
        return;
    }
    lex->last_line = lex->line;
    skip_space(lex);
    lex->token.at = here(lex);
    char c = peek(lex, 0);
    char second = peek(lex, 1);
    bool has_sign = c == '+' || c == '-';
    if (lex->pos == lex->len) {
        take(lex, DBC_END, 0);
    } else if (is_digit(c) || c == '.' ||
               (has_sign && (is_digit(second) || second == '.'))) {
        take_number(lex);
    } else if (is_word(c)) {
        size_t n = 1;
        while (is_word(peek(lex, n))) {
            n++;
        }
        take(lex, DBC_NAME, n);
    } else if (c == '"') {
        take_string(lex);
    } else if (c != '\0' && strchr(":;,|@+-()[]", c) != NULL) {
        take(lex, DBC_MARK, 1);
    } else {
        dbc_fault(lex, lex->token.at,
                  "a byte 0x%02x outside of a text; only letters, digits and "
                  "marks may be there",
                  (unsigned)(unsigned char)c);
    }
}

void dbc_lex_init(struct dbc_lex *lex, const char *name, const char *text,
                  size_t len, struct mg_err *err)
{
    static const char bom[] = "\xef\xbb\xbf";
    *lex = (struct dbc_lex){
        .name = name, .text = text, .len = len, .line = 1, .err = err};
    lex->token.text = text;
    if (len >= 3 && memcmp(text, bom, 3) == 0) {
        lex->pos = 3;
        lex->line_start = 3;
    }
    dbc_next(lex);
}

bool dbc_is(const struct dbc_token *token, const char *word)
{
    return token->kind == DBC_NAME && token->len == strlen(word) &&
           memcmp(token->text, word, token->len) == 0;
}

bool dbc_is_mark(const struct dbc_token *token, char mark)
{
    return token->kind == DBC_MARK && token->text[0] == mark;
}

bool dbc_accept(struct dbc_lex *lex, char mark)
{
    if (!dbc_is_mark(&lex->token, mark)) {
        return false;
    }
    dbc_next(lex);
    return true;
}

void dbc_expect(struct dbc_lex *lex, char mark)
{
    if (!dbc_accept(lex, mark)) {
        char what[] = {'\'', mark, '\'', '\0'};
        dbc_expected(lex, what);
    }
}

void dbc_take_name(struct dbc_lex *lex, const char *what,
                   char ret[MG_DBC_NAME_MAX])
{
    const struct dbc_token *token = &lex->token;
    if (token->kind != DBC_NAME) {
        dbc_expected(lex, what);
        return;
    }
    if (token->len >= MG_DBC_NAME_MAX) {
        dbc_fault(lex, token->at, "%s is %zu long; at most %d would be right",
                  what, token->len, MG_DBC_NAME_MAX - 1);
        return;
    }
    memcpy(ret, token->text, token->len);
    ret[token->len] = '\0';
    dbc_next(lex);
}

struct dbc_token dbc_take_string(struct dbc_lex *lex, const char *what)
{
    struct dbc_token token = lex->token;
    if (token.kind != DBC_STRING) {
        dbc_expected(lex, what);
        return (struct dbc_token){.kind = DBC_END, .text = "", .at = token.at};
    }
    dbc_next(lex);
    return token;
}
