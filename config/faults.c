#include "config/faults.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define INDENT     "    "
#define LINE_SHOWN 160 /* characters of a line */
#define LEAD_SHOWN 100 /* of them before the caret at most */

void mg_fault_add(struct mg_faults *faults, struct mg_setup_place place,
                  const char *format, ...)
{
    if (faults->kept == NULL) {
        faults->kept = calloc(MG_FAULTS_KEPT, sizeof *faults->kept);
    }
    if (faults->kept == NULL || faults->n_kept == MG_FAULTS_KEPT) {
        faults->n_dropped++;
        return;
    }
    char text[MG_FAULT_TEXT];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args); /* may cut */
    va_end(args);
    char *copy = strdup(text);
    if (copy == NULL) {
        faults->n_dropped++;
        return;
    }
    faults->kept[faults->n_kept] = (struct mg_fault){
        .place = place, .number = faults->n_kept, .text = copy};
    faults->n_kept++;
}

size_t mg_faults_count(const struct mg_faults *faults)
{
    return faults->n_kept + faults->n_dropped;
}

static int compare(const void *a, const void *b)
{
    const struct mg_fault *x = a;
    const struct mg_fault *y = b;
    if (x->place.line != y->place.line) {
        return x->place.line < y->place.line ? -1 : 1;
    }
    if (x->place.column != y->place.column) {
        return x->place.column < y->place.column ? -1 : 1;
    }
    return x->number < y->number ? -1 : 1;
}

static bool is_same(const struct mg_fault *a, const struct mg_fault *b)
{
    return a->place.line == b->place.line &&
           a->place.column == b->place.column && strcmp(a->text, b->text) == 0;
}

/* A node that several aliases name is looked at more than once. */
static void drop_repeats(struct mg_faults *faults)
{
    size_t n = 0;
    for (size_t i = 0; i < faults->n_kept; i++) {
        if (n > 0 && is_same(&faults->kept[n - 1], &faults->kept[i])) {
            free(faults->kept[i].text);
        } else {
            faults->kept[n++] = faults->kept[i];
        }
    }
    faults->n_kept = n;
}

/* Start of a line; ret_len without the line end. NULL: there is none. */
static const char *find_line(const struct mg_faults *faults, uint32_t line,
                             size_t *ret_len)
{
    const char *start = faults->text;
    const char *end = faults->text + faults->len;
    for (uint32_t i = 1; i < line; i++) {
        const char *newline = memchr(start, '\n', (size_t)(end - start));
        if (newline == NULL) {
            return NULL;
        }
        start = newline + 1;
    }
    const char *newline = memchr(start, '\n', (size_t)(end - start));
    size_t len = (size_t)((newline == NULL ? end : newline) - start);
    if (len > 0 && start[len - 1] == '\r') {
        len--;
    }
    *ret_len = len;
    return start;
}

static const char *find_word(const char *line, size_t len, const char *word)
{
    size_t word_len = strlen(word);
    for (size_t i = 0; i + word_len <= len; i++) {
        if (strncasecmp(line + i, word, word_len) == 0) {
            return line + i;
        }
    }
    return NULL;
}

/* Where a secret that does not belong into the file may begin: behind a key
 * that is called so, before the '@' of a URL, or behind the first, which is an
 * attribute of a PKCS#11 URI. @return len = nowhere */
static size_t find_secret(const char *line, size_t len)
{
    static const char *const words[] = {"pin-value", "pass", "secret", "token",
                                        "://"};
    size_t at = len;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const char *word = find_word(line, len, words[i]);
        if (word == NULL) {
            continue;
        }
        size_t rest = len - (size_t)(word - line);
        const char *colon = memchr(word, i == 0 ? '=' : ':', rest);
        const char *file = find_word(word, rest, "_file");
        bool is_path = file != NULL && colon != NULL && file + 5 == colon;
        if (colon != NULL && !is_path) {
            size_t start = (size_t)(colon - line) + 1;
            at = start < at ? start : at;
        }
    }
    return at;
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* The line from character `first` on, and below it the caret. */
static void print_window(const char *line, size_t len, uint32_t column,
                         FILE *out)
{
    uint32_t first = column > LEAD_SHOWN ? column - LEAD_SHOWN : 1;
    size_t secret = find_secret(line, len);
    char lead[LEAD_SHOWN + 1];
    size_t n_lead = 0;
    uint32_t n = 0; /* characters seen */
    (void)fputs(INDENT, out);
    for (size_t i = 0; i < len && i < secret; i++) {
        n += is_continuation(line[i]) ? 0 : 1;
        if (n < first) {
            continue;
        }
        if (n >= first + LINE_SHOWN) {
            break;
        }
        unsigned char c = (unsigned char)line[i];
        bool is_plain = c == '\t' || (c >= 0x20 && c != 0x7f);
        (void)fputc(is_plain ? c : '?', out);
        if (n < column && !is_continuation(line[i]) && n_lead < LEAD_SHOWN) {
            lead[n_lead++] = c == '\t' ? '\t' : ' ';
        }
    }
    (void)fprintf(out, "%s\n" INDENT "%.*s^\n", secret < len ? " ***" : "",
                  (int)n_lead, lead);
}

static void print_fault(const struct mg_faults *faults,
                        const struct mg_fault *fault, FILE *out)
{
    if (fault->place.line == 0) {
        (void)fprintf(out, "%s: %s\n", faults->name, fault->text);
        return;
    }
    (void)fprintf(out, "%s:%u:%u: %s\n", faults->name, fault->place.line,
                  fault->place.column, fault->text);
    size_t len = 0;
    const char *line = NULL;
    if (faults->text != NULL) {
        line = find_line(faults, fault->place.line, &len);
    }
    if (line != NULL) {
        print_window(line, len, fault->place.column, out);
    }
}

void mg_faults_print(struct mg_faults *faults, FILE *out)
{
    if (faults->n_kept > 0) {
        qsort(faults->kept, faults->n_kept, sizeof *faults->kept, compare);
        drop_repeats(faults);
    }
    size_t n =
        faults->n_kept < MG_FAULTS_PRINTED ? faults->n_kept : MG_FAULTS_PRINTED;
    for (size_t i = 0; i < n; i++) {
        print_fault(faults, &faults->kept[i], out);
    }
    size_t n_more = mg_faults_count(faults) - n;
    if (n_more > 0) {
        (void)fprintf(out, "%s: and %zu more\n", faults->name, n_more);
    }
}

void mg_faults_fini(struct mg_faults *faults)
{
    for (size_t i = 0; i < faults->n_kept; i++) {
        free(faults->kept[i].text);
    }
    free(faults->kept);
    faults->kept = NULL;
    faults->n_kept = 0;
}
