#include "wire/socketcand.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WORDS_MAX    12
#define STANDARD_LEN 3 /* digits of an identifier of 11 bits */
#define EXTENDED_LEN 8

struct word {
    const char *at;
    size_t len;
};

int mg_socketcand_cut(const char *data, size_t len, const char **ret_element,
                      size_t *ret_len, size_t *ret_used)
{
    const char *begin = len == 0 ? NULL : memchr(data, '<', len);
    if (begin == NULL) {
        *ret_used = len;
        return MG_E_BUSY;
    }
    size_t skipped = (size_t)(begin - data);
    const char *end = memchr(begin, '>', len - skipped);
    if (end == NULL) {
        *ret_used = skipped;
        return len - skipped >= MG_SOCKETCAND_MAX ? MG_E_PROTO : MG_E_BUSY;
    }
    size_t n = (size_t)(end - begin) + 1;
    *ret_used = skipped + n;
    if (n > MG_SOCKETCAND_MAX) {
        return MG_E_PROTO;
    }
    *ret_element = begin;
    *ret_len = n;
    return MG_OK;
}

/* @return words between the brackets; 0: none, or too many */
static size_t split(const char *element, size_t len,
                    struct word words[WORDS_MAX])
{
    size_t n = 0;
    size_t i = 1;
    while (i < len - 1) {
        if (element[i] == ' ') {
            i++;
            continue;
        }
        if (n == WORDS_MAX) {
            return 0;
        }
        words[n].at = element + i;
        while (i < len - 1 && element[i] != ' ') {
            i++;
        }
        words[n].len = (size_t)(element + i - words[n].at);
        n++;
    }
    return n;
}

static bool is_word(const struct word *w, const char *text)
{
    return w->len == strlen(text) && memcmp(w->at, text, w->len) == 0;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool hex(const struct word *w, size_t max_len, uint32_t *ret)
{
    uint32_t value = 0;
    if (w->len == 0 || w->len > max_len) {
        return false;
    }
    for (size_t i = 0; i < w->len; i++) {
        int d = digit(w->at[i]);
        if (d < 0) {
            return false;
        }
        value = value << 4 | (uint32_t)d;
    }
    *ret = value;
    return true;
}

static bool take_id(const struct word *w, struct mg_can_frame *frame)
{
    if (!hex(w, EXTENDED_LEN, &frame->id) || frame->id > MG_CAN_EXTENDED_MAX) {
        return false;
    }
    frame->is_extended =
        w->len > STANDARD_LEN || frame->id > MG_CAN_STANDARD_MAX;
    return true;
}

/* One run of digits, two for each byte; "" of a frame without data. */
static bool take_data(const struct word *w, struct mg_can_frame *frame)
{
    if (w->len % 2 != 0 || w->len > (size_t)2 * MG_CAN_CLASSIC_MAX) {
        return false;
    }
    for (size_t i = 0; i < w->len / 2; i++) {
        const struct word byte = {w->at + 2 * i, 2};
        uint32_t value;
        if (!hex(&byte, 2, &value)) {
            return false;
        }
        frame->data[i] = (uint8_t)value;
    }
    frame->len = (uint8_t)(w->len / 2);
    return true;
}

static int parse_frame(const struct word *words, size_t n,
                       struct mg_can_frame *frame)
{
    /* frame ID TIME DATA */
    if ((n != 3 && n != 4) || !take_id(&words[1], frame) ||
        (n == 4 && !take_data(&words[3], frame))) {
        return MG_E_PROTO;
    }
    return MG_OK;
}

static int parse_send(const struct word *words, size_t n,
                      struct mg_can_frame *frame)
{
    /* send ID LENGTH BYTE BYTE ... */
    uint32_t len;
    if (n < 3 || !take_id(&words[1], frame) || !hex(&words[2], 1, &len) ||
        len > MG_CAN_CLASSIC_MAX || n != 3 + len) {
        return MG_E_PROTO;
    }
    for (uint32_t i = 0; i < len; i++) {
        uint32_t value;
        if (!hex(&words[3 + i], 2, &value)) {
            return MG_E_PROTO;
        }
        frame->data[i] = (uint8_t)value;
    }
    frame->len = (uint8_t)len;
    return MG_OK;
}

static void take_text(const char *element, size_t len, char *ret)
{
    for (size_t i = 0; i < len; i++) {
        ret[i] = element[i] < ' ' || element[i] > '~' ? '?' : element[i];
    }
    ret[len] = '\0';
}

int mg_socketcand_parse(const char *element, size_t len,
                        struct mg_socketcand_element *ret)
{
    static const struct {
        const char *word;
        enum mg_socketcand_kind kind;
    } plain[] = {{"hi", MG_SOCKETCAND_HI},
                 {"ok", MG_SOCKETCAND_OK},
                 {"rawmode", MG_SOCKETCAND_RAWMODE},
                 {"echo", MG_SOCKETCAND_ECHO}};
    struct word words[WORDS_MAX];
    memset(ret, 0, sizeof *ret);
    if (len < 2 || len > MG_SOCKETCAND_MAX || element[0] != '<' ||
        element[len - 1] != '>') {
        return MG_E_PROTO;
    }
    size_t n = split(element, len, words);
    ret->kind = MG_SOCKETCAND_OTHER;
    if (n == 0) {
        return MG_OK;
    }
    for (size_t i = 0; n == 1 && i < sizeof plain / sizeof *plain; i++) {
        if (is_word(&words[0], plain[i].word)) {
            ret->kind = plain[i].kind;
        }
    }
    if (is_word(&words[0], "frame")) {
        ret->kind = MG_SOCKETCAND_FRAME;
        return parse_frame(words, n, &ret->frame);
    }
    if (is_word(&words[0], "send")) {
        ret->kind = MG_SOCKETCAND_SEND;
        return parse_send(words, n, &ret->frame);
    }
    if (is_word(&words[0], "error")) {
        ret->kind = MG_SOCKETCAND_ERROR;
        take_text(element + 1, len - 2, ret->text);
    } else if (is_word(&words[0], "open")) {
        if (n != 2 || words[1].len >= sizeof ret->bus) {
            return MG_E_PROTO;
        }
        ret->kind = MG_SOCKETCAND_OPEN;
        take_text(words[1].at, words[1].len, ret->bus);
    }
    return MG_OK;
}

static bool is_classic(const struct mg_can_frame *frame)
{
    return !frame->is_fd && !frame->is_remote &&
           frame->len <= MG_CAN_CLASSIC_MAX;
}

size_t mg_socketcand_put_frame(const struct mg_can_frame *frame, int64_t utc_us,
                               char ret[MG_SOCKETCAND_MAX])
{
    if (!is_classic(frame) || utc_us < 0) {
        return 0;
    }
    int n = snprintf(ret, MG_SOCKETCAND_MAX,
                     "< frame %0*" PRIX32 " %" PRId64 ".%06" PRId64 " ",
                     frame->is_extended ? EXTENDED_LEN : STANDARD_LEN,
                     frame->id, utc_us / 1000000, utc_us % 1000000);
    for (size_t i = 0; i < frame->len; i++) {
        n += snprintf(ret + n, MG_SOCKETCAND_MAX - (size_t)n, "%02X",
                      frame->data[i]);
    }
    n += snprintf(ret + n, MG_SOCKETCAND_MAX - (size_t)n, " >");
    return (size_t)n;
}

size_t mg_socketcand_put_send(const struct mg_can_frame *frame,
                              char ret[MG_SOCKETCAND_MAX])
{
    if (!is_classic(frame)) {
        return 0;
    }
    int n = snprintf(ret, MG_SOCKETCAND_MAX, "< send %0*" PRIX32 " %u ",
                     frame->is_extended ? EXTENDED_LEN : STANDARD_LEN,
                     frame->id, frame->len);
    for (size_t i = 0; i < frame->len; i++) {
        n += snprintf(ret + n, MG_SOCKETCAND_MAX - (size_t)n, "%02X ",
                      frame->data[i]);
    }
    n += snprintf(ret + n, MG_SOCKETCAND_MAX - (size_t)n, ">");
    return (size_t)n;
}
