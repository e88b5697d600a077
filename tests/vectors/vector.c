/* Reading vector files. */
#include "vector.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/channel.h"
#include "run/plugins.h"

#define LINE_MAX_LEN 1024

bool vector_fail(const struct vector *vector, unsigned line, const char *format,
                 ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)fprintf(stderr, "%s:%u: %s\n", vector->file, line, text);
    return false;
}

const char *vector_hex(const uint8_t *bytes, size_t len, char *ret_hex)
{
    static const char DIGITS[] = "0123456789ABCDEF";
    char *to = ret_hex;
    for (size_t i = 0; i < len; i++) {
        *to++ = DIGITS[bytes[i] >> 4];
        *to++ = DIGITS[bytes[i] & 0xf];
        *to++ = ' ';
    }
    to[len > 0 ? -1 : 0] = '\0';
    return ret_hex;
}

uint16_t vector_crc(const uint8_t *bytes, size_t len)
{
    unsigned crc = 0xffff;
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0xa001 : crc >> 1;
        }
    }
    return (uint16_t)crc;
}

const struct expected *vector_find(const struct expected *list, size_t n,
                                   mg_channel channel)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i].channel == channel) {
            return &list[i];
        }
    }
    return NULL;
}

bool vector_options(const struct vector *vector, const struct mg_plugin *plugin,
                    void *options, size_t cap)
{
    struct mg_err err = {0};
    if (plugin->options_size > cap) {
        return vector_fail(vector, vector->line, "options too large");
    }
    mg_options_default(plugin->options, plugin->n_options, options);
    for (size_t i = 0; i < vector->n_options; i++) {
        size_t index;
        if (mg_options_set(plugin->options, plugin->n_options, options,
                           vector->options[i].name, vector->options[i].value,
                           &index, &err) != MG_OK) {
            return vector_fail(vector, vector->line, "%s", err.text);
        }
    }
    return true;
}

/* ---- Parsing ---- */

static bool copy(const struct vector *v, unsigned line, const char *from,
                 size_t len, char to[TEXT_MAX])
{
    if (len >= TEXT_MAX) {
        return vector_fail(v, line, "more than %d characters", TEXT_MAX - 1);
    }
    memcpy(to, from, len);
    to[len] = '\0';
    return true;
}

static bool parse_bytes(const struct vector *v, unsigned line, const char *s,
                        struct frame *frame)
{
    while (*s != '\0') {
        if (isspace((unsigned char)*s)) {
            s++;
            continue;
        }
        char digits[3] = {s[0], s[1], 0};
        if (!isxdigit((unsigned char)s[0]) || !isxdigit((unsigned char)s[1])) {
            return vector_fail(v, line, "\"%.4s\" is no byte in hex", s);
        }
        if (frame->len >= ADU_MAX) {
            return vector_fail(v, line, "more than %d bytes", ADU_MAX);
        }
        frame->adu[frame->len++] = (uint8_t)strtoul(digits, NULL, 16);
        s += 2;
    }
    return true;
}

static bool parse_frame(const struct vector *v, unsigned line, const char *s,
                        struct frame *frame)
{
    frame->line = line;
    if (strcmp(s, "timeout") == 0) {
        return true;
    }
    if (*s == '@') {
        char *end;
        frame->baud = (uint32_t)strtoul(s + 1, &end, 10);
        s = end;
    }
    return parse_bytes(v, line, s, frame);
}

static bool check_frame(const struct vector *v, const struct frame *f)
{
    if (f->len == 0) {
        return true;
    }
    if (f->len < 4) {
        return vector_fail(v, f->line, "a frame of %zu bytes", f->len);
    }
    unsigned crc = vector_crc(f->adu, f->len - 2);
    unsigned lo = f->adu[f->len - 2];
    unsigned hi = f->adu[f->len - 1];
    if (crc != (hi << 8 | lo)) {
        return vector_fail(v, f->line, "CRC is %02X %02X, want %02X %02X", lo,
                           hi, crc & 0xff, crc >> 8);
    }
    return true;
}

/* An exact decimal in 10^-decimals. */
static bool parse_decimal(const char *s, unsigned decimals, int64_t *ret)
{
    bool is_negative = *s == '-';
    int64_t n = 0;
    s += is_negative;
    if (!isdigit((unsigned char)*s)) {
        return false;
    }
    for (; isdigit((unsigned char)*s); s++) {
        n = n * 10 + (*s - '0');
    }
    if (*s == '.') {
        for (s++; decimals > 0 && isdigit((unsigned char)*s); s++) {
            n = n * 10 + (*s - '0');
            decimals--;
        }
    }
    for (; decimals > 0; decimals--) {
        n *= 10;
    }
    *ret = is_negative ? -n : n;
    return *s == '\0';
}

static bool parse_expected(const struct vector *v, unsigned line, char *s,
                           struct expected *e)
{
    char *space = strchr(s, ' ');
    if (space == NULL) {
        return vector_fail(v, line, "= needs a key and a value");
    }
    *space = '\0';
    char *value = space + 1;
    e->line = line;
    if (mg_channel_from_key(s, &e->channel) != MG_OK) {
        return vector_fail(v, line, "no such channel: %s", s);
    }
    enum mg_unit unit = mg_channel_unit(e->channel);
    size_t len = strlen(value);
    if (strcmp(value, "invalid") == 0) {
        e->is_invalid = true;
        return true;
    }
    if (unit != MG_UNIT_TEXT) {
        return parse_decimal(value, mg_unit_decimals(unit), &e->value) ||
               vector_fail(v, line, "no exact decimal: %s", value);
    }
    if (len < 2 || value[0] != '"' || value[len - 1] != '"') {
        return vector_fail(v, line, "text needs quotes: %s", value);
    }
    value[len - 1] = '\0';
    return copy(v, line, value + 1, len - 2, e->text);
}

static bool add_pair(const struct vector *v, unsigned line, const char *s,
                     char separator, struct pair *list, size_t *n)
{
    const char *at = strchr(s, separator);
    if (at == NULL || *n >= PAIRS_MAX) {
        return vector_fail(v, line, "no pair, or too many: %s", s);
    }
    struct pair *p = &list[(*n)++];
    return copy(v, line, s, (size_t)(at - s), p->name) &&
           copy(v, line, at + 1, strlen(at + 1), p->value);
}

/* The verb, then pairs, with one blank between. */
static bool parse_command(struct vector *v, unsigned line, const char *s)
{
    size_t len = strcspn(s, " ");
    if (!copy(v, line, s, len, v->verb)) {
        return false;
    }
    for (s += len; *s == ' '; s += len) {
        char word[TEXT_MAX];
        s++;
        len = strcspn(s, " ");
        if (!copy(v, line, s, len, word) ||
            !add_pair(v, line, word, '=', v->args, &v->n_args)) {
            return false;
        }
    }
    memcpy(v->before, v->values, sizeof v->before);
    v->n_before = v->n_values;
    v->n_values = 0;
    return v->verb[0] != '\0' || vector_fail(v, line, "! needs a verb");
}

static bool parse_option(struct vector *v, unsigned line, const char *s)
{
    if (strncmp(s, "utc ", 4) == 0) {
        v->has_utc = true;
        return parse_decimal(s + 4, 0, &v->utc_s) ||
               vector_fail(v, line, "no time in s: %s", s);
    }
    return add_pair(v, line, s, ' ', v->options, &v->n_options);
}

static bool parse_only(struct vector *v, unsigned line, const char *s)
{
    v->is_driver_only = strncmp(s, "driver ", 7) == 0;
    v->is_firmware_only = strncmp(s, "firmware ", 9) == 0;
    return v->is_driver_only || v->is_firmware_only ||
           vector_fail(v, line, "- needs driver or firmware, and why");
}

static bool parse_request(struct vector *v, unsigned line, const char *s)
{
    if (v->n_exchanges >= FRAMES_MAX) {
        return vector_fail(v, line, "more than %d exchanges", FRAMES_MAX);
    }
    return parse_frame(v, line, s, &v->exchanges[v->n_exchanges++].request);
}

static bool parse_answer(struct vector *v, unsigned line, const char *s)
{
    struct frame *f =
        v->n_exchanges == 0 ? NULL : &v->exchanges[v->n_exchanges - 1].answer;
    if (f == NULL || f->line != 0) {
        return vector_fail(v, line, "< without its own >");
    }
    return parse_frame(v, line, s, f);
}

static bool parse_more(struct vector *v, unsigned line, const char *s)
{
    if (v->n_exchanges == 0) {
        return vector_fail(v, line, "a continued line without a frame");
    }
    struct exchange *x = &v->exchanges[v->n_exchanges - 1];
    return parse_bytes(v, line, s,
                       x->answer.line != 0 ? &x->answer : &x->request);
}

static bool parse_line(struct vector *v, unsigned line, char *s)
{
    char *rest = s + 1;
    while (*rest == ' ') {
        rest++;
    }
    switch (s[0]) {
    case '%':
        return parse_option(v, line, rest);
    case '-':
        return parse_only(v, line, rest);
    case '!':
        return parse_command(v, line, rest);
    case '>':
        return parse_request(v, line, rest);
    case '<':
        return parse_answer(v, line, rest);
    case ' ':
        return parse_more(v, line, rest);
    case '=':
        if (v->n_values >= VALUES_MAX) {
            return vector_fail(v, line, "more than %d values", VALUES_MAX);
        }
        return parse_expected(v, line, rest, &v->values[v->n_values++]);
    case '.':
        return copy(v, line, rest, strlen(rest), v->end);
    default:
        return vector_fail(v, line, "no such kind of line: %s", s);
    }
}

static bool is_complete(const struct vector *v)
{
    if (v->n_exchanges == 0) {
        return vector_fail(v, v->line, "a vector without a request");
    }
    for (size_t i = 0; i < v->n_exchanges; i++) {
        const struct exchange *x = &v->exchanges[i];
        if (x->answer.line == 0 || x->request.len == 0) {
            return vector_fail(v, x->request.line, "no request or no answer");
        }
        if (!check_frame(v, &x->request) || !check_frame(v, &x->answer)) {
            return false;
        }
    }
    if ((v->verb[0] != '\0') != (v->end[0] != '\0')) {
        return vector_fail(v, v->line, "! and . belong together");
    }
    return v->verb[0] != '\0' || v->n_exchanges == 1 ||
           vector_fail(v, v->line, "several exchanges without a command");
}

static void begin(struct vector *v, unsigned line, const char *source)
{
    v->line = line;
    v->is_derived = strncmp(source, "derived", 7) == 0;
}

/* The @ of the next vector is left in the file. */
int vector_read(void *file, const char *name, unsigned *line,
                struct vector *vector)
{
    char s[LINE_MAX_LEN];
    FILE *f = file;
    memset(vector, 0, sizeof *vector);
    vector->file = name;
    for (;;) {
        long at = ftell(f);
        if (fgets(s, sizeof s, f) == NULL) {
            break;
        }
        s[strcspn(s, "\n")] = '\0';
        if (s[0] == '@' && vector->line != 0) {
            if (fseek(f, at, SEEK_SET) != 0) {
                return -1;
            }
            break;
        }
        ++*line;
        if (s[0] == '\0' || s[0] == '#') {
            continue;
        }
        if (s[0] == '@') {
            begin(vector, *line, s + 1 + strspn(s + 1, " "));
        } else if (vector->line == 0) {
            (void)vector_fail(vector, *line, "before the first @");
            return -1;
        } else if (!parse_line(vector, *line, s)) {
            return -1;
        }
    }
    if (vector->line == 0) {
        return 0;
    }
    return is_complete(vector) ? 1 : -1;
}
