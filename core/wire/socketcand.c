#include "wire/socketcand.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WORDS_MAX    (MG_SOCKETCAND_MAX / 2)
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

/* @return words between the brackets; each takes two bytes at least */
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

/* socketcand itself writes eight digits for an extended one, and takes only
 * eight as such; python-can writes as few as there are. */
static bool take_id(const struct word *w, struct mg_can_frame *frame)
{
    if (!hex(w, EXTENDED_LEN, &frame->id) || frame->id > MG_CAN_EXTENDED_MAX) {
        return false;
    }
    frame->is_extended =
        w->len > STANDARD_LEN || frame->id > MG_CAN_STANDARD_MAX;
    return true;
}

/* Seconds with a fraction: 1700000000.123456 */
static bool is_time(const struct word *w)
{
    size_t n_points = 0;
    for (size_t i = 0; i < w->len; i++) {
        bool is_point = w->at[i] == '.';
        n_points += is_point ? 1 : 0;
        if (!is_point && (w->at[i] < '0' || w->at[i] > '9')) {
            return false;
        }
    }
    return n_points <= 1 && w->len > n_points;
}

/* Two digits for each byte, adding to what there is. */
static bool take_data(const struct word *w, struct mg_can_frame *frame)
{
    size_t n = w->len / 2;
    if (w->len % 2 != 0 || n > (size_t)MG_CAN_CLASSIC_MAX - frame->len) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const struct word byte = {w->at + 2 * i, 2};
        uint32_t value;
        if (!hex(&byte, 2, &value)) {
            return false;
        }
        frame->data[frame->len++] = (uint8_t)value;
    }
    return true;
}

/* frame ID TIME DATA. The data are one run of digits, as socketcand writes
 * them, or one word for each byte, as its documentation has it. */
static int parse_frame(const struct word *words, size_t n,
                       struct mg_socketcand_element *e)
{
    e->kind = MG_SOCKETCAND_FRAME;
    if (n < 3 || !take_id(&words[1], &e->frame) || !is_time(&words[2])) {
        return MG_E_PROTO;
    }
    for (size_t i = 3; i < n; i++) {
        if (!take_data(&words[i], &e->frame)) {
            return MG_E_PROTO;
        }
    }
    return MG_OK;
}

/* send ID LENGTH BYTE BYTE ... */
static int parse_send(const struct word *words, size_t n,
                      struct mg_socketcand_element *e)
{
    uint32_t len;
    e->kind = MG_SOCKETCAND_SEND;
    if (n < 3 || !take_id(&words[1], &e->frame) || !hex(&words[2], 1, &len) ||
        len > MG_CAN_CLASSIC_MAX || n != 3 + len) {
        return MG_E_PROTO;
    }
    for (uint32_t i = 0; i < len; i++) {
        uint32_t value;
        if (!hex(&words[3 + i], 2, &value)) {
            return MG_E_PROTO;
        }
        e->frame.data[i] = (uint8_t)value;
    }
    e->frame.len = (uint8_t)len;
    return MG_OK;
}

static void take_text(const char *text, size_t len, char *ret)
{
    for (size_t i = 0; i < len; i++) {
        ret[i] = text[i];
        if (ret[i] < ' ' || ret[i] > '~') {
            ret[i] = '?';
        }
    }
    ret[len] = '\0';
}

/* error CLASS TIME is an error frame of the bus; the rest is for people. */
static int parse_error(const struct word *words, size_t n,
                       struct mg_socketcand_element *e)
{
    const struct word *last = &words[n - 1];
    if (n == 3 && is_time(&words[2]) &&
        hex(&words[1], EXTENDED_LEN, &e->error_class)) {
        e->kind = MG_SOCKETCAND_ERROR_FRAME;
        return MG_OK;
    }
    e->kind = MG_SOCKETCAND_ERROR;
    if (n > 1) {
        take_text(words[1].at, (size_t)(last->at + last->len - words[1].at),
                  e->text);
    }
    return MG_OK;
}

static int parse_open(const struct word *words, size_t n,
                      struct mg_socketcand_element *e)
{
    e->kind = MG_SOCKETCAND_OPEN;
    if (n != 2 || words[1].len >= sizeof e->bus) {
        return MG_E_PROTO;
    }
    take_text(words[1].at, words[1].len, e->bus);
    return MG_OK;
}

static int parse_plain(const struct word *words, size_t n,
                       struct mg_socketcand_element *e)
{
    static const struct {
        const char *word;
        enum mg_socketcand_kind kind;
    } plain[] = {{"hi", MG_SOCKETCAND_HI},
                 {"ok", MG_SOCKETCAND_OK},
                 {"rawmode", MG_SOCKETCAND_RAWMODE},
                 {"echo", MG_SOCKETCAND_ECHO}};
    e->kind = MG_SOCKETCAND_OTHER;
    for (size_t i = 0; n == 1 && i < sizeof plain / sizeof *plain; i++) {
        if (is_word(&words[0], plain[i].word)) {
            e->kind = plain[i].kind;
        }
    }
    return MG_OK;
}

int mg_socketcand_parse(const char *element, size_t len,
                        struct mg_socketcand_element *ret)
{
    static const struct {
        const char *word;
        int (*parse)(const struct word *words, size_t n,
                     struct mg_socketcand_element *e);
    } with_arguments[] = {{"frame", parse_frame},
                          {"send", parse_send},
                          {"error", parse_error},
                          {"open", parse_open}};
    struct word words[WORDS_MAX];
    memset(ret, 0, sizeof *ret);
    if (len < 2 || len > MG_SOCKETCAND_MAX || element[0] != '<' ||
        element[len - 1] != '>') {
        return MG_E_PROTO;
    }
    size_t n = split(element, len, words);
    if (n == 0) {
        return MG_E_PROTO;
    }
    for (size_t i = 0; i < sizeof with_arguments / sizeof *with_arguments;
         i++) {
        if (is_word(&words[0], with_arguments[i].word)) {
            return with_arguments[i].parse(words, n, ret);
        }
    }
    return parse_plain(words, n, ret);
}

static bool is_classic(const struct mg_can_frame *frame)
{
    return !frame->is_fd && !frame->is_remote &&
           frame->len <= MG_CAN_CLASSIC_MAX &&
           frame->id <=
               (frame->is_extended ? MG_CAN_EXTENDED_MAX : MG_CAN_STANDARD_MAX);
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
