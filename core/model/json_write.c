#include <string.h>

#include "metergate/fixed.h"
#include "model/json.h"
#include "model/utf8.h"

#define NUMBER_MAX 24 /* sign, 20 digits, point, a zero before it */

struct mg_json mg_json_init(char *buf, size_t cap)
{
    return (struct mg_json){.buf = buf, .cap = cap};
}

static void put(struct mg_json *j, const char *text, size_t len)
{
    if (j->failed || len > j->cap - j->len) {
        j->failed = true;
        return;
    }
    memcpy(j->buf + j->len, text, len);
    j->len += len;
}

static void put_char(struct mg_json *j, char c)
{
    put(j, &c, 1);
}

static void comma(struct mg_json *j)
{
    if (j->has_item) {
        put_char(j, ',');
    }
}

void mg_json_open(struct mg_json *j, char bracket)
{
    comma(j);
    put_char(j, bracket);
    j->has_item = false;
}

void mg_json_close(struct mg_json *j, char bracket)
{
    put_char(j, bracket);
    j->has_item = true;
}

static void put_escaped(struct mg_json *j, char c)
{
    static const char HEX[] = "0123456789abcdef";
    static const char NAMED[] = "\"\\\b\f\n\r\t";
    static const char NAMES[] = "\"\\bfnrt";
    const char *named = c == '\0' ? NULL : strchr(NAMED, c);
    char text[6] = {'\\', 'u', '0', '0', HEX[(uint8_t)c >> 4], HEX[c & 0xf]};
    if (named != NULL) {
        text[1] = NAMES[named - NAMED];
    }
    put(j, text, named != NULL ? 2 : 6);
}

static bool is_plain(char c)
{
    uint8_t u = (uint8_t)c;
    return u >= 0x20 && u < 0x80 && u != '"' && u != '\\';
}

static void put_quoted(struct mg_json *j, const char *s, size_t len)
{
    put_char(j, '"');
    for (size_t i = 0; i < len && !j->failed;) {
        size_t n = 0;
        while (i + n < len && is_plain(s[i + n])) {
            n++;
        }
        put(j, s + i, n);
        i += n;
        if (i == len) {
            break;
        }
        n = mg_utf8_len(s + i, len - i);
        if (n == 1) {
            put_escaped(j, s[i]);
        } else if (n == 0) {
            put(j, "\xef\xbf\xbd", 3);
            n = 1;
        } else {
            put(j, s + i, n);
        }
        i += n;
    }
    put_char(j, '"');
}

void mg_json_key(struct mg_json *j, const char *key)
{
    comma(j);
    put_quoted(j, key, strlen(key));
    put_char(j, ':');
    j->has_item = false;
}

void mg_json_str(struct mg_json *j, const char *s, size_t len)
{
    comma(j);
    put_quoted(j, s, len);
    j->has_item = true;
}

void mg_json_bool(struct mg_json *j, bool v)
{
    mg_json_raw(j, v ? "true" : "false", v ? 4 : 5);
}

void mg_json_raw(struct mg_json *j, const char *text, size_t len)
{
    comma(j);
    put(j, text, len);
    j->has_item = true;
}

void mg_json_int(struct mg_json *j, int64_t v)
{
    mg_json_decimal(j, v, 0, 0);
}

void mg_json_decimal(struct mg_json *j, int64_t value, unsigned decimals,
                     int64_t resolution)
{
    if (decimals > MG_POW10_MAX) {
        j->failed = true;
        return;
    }
    /* The smallest place kept is the power of ten at or below the resolution:
     * two neighbouring values of the register stay different. Digits before
     * the point could not be left out, so they are not falsified either. */
    int64_t place = 1;
    while (decimals > 0 && place <= resolution / 10) {
        place *= 10;
        decimals--;
    }
    if (place > 1) {
        value = mg_div_half_even(value, place);
    }
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    char text[NUMBER_MAX];
    size_t at = sizeof text;
    for (unsigned n = 0; left > 0 || n <= decimals; n++) {
        if (n == decimals && n > 0) {
            text[--at] = '.';
        }
        text[--at] = (char)('0' + left % 10);
        left /= 10;
    }
    if (value < 0) {
        text[--at] = '-';
    }
    mg_json_raw(j, text + at, sizeof text - at);
}

void mg_json_member_str(struct mg_json *j, const char *key, const char *s)
{
    mg_json_key(j, key);
    mg_json_str(j, s, strlen(s));
}

void mg_json_member_int(struct mg_json *j, const char *key, int64_t v)
{
    mg_json_key(j, key);
    mg_json_int(j, v);
}

void mg_json_member_bool(struct mg_json *j, const char *key, bool v)
{
    mg_json_key(j, key);
    mg_json_bool(j, v);
}

void mg_json_member_time(struct mg_json *j, const char *key, int64_t utc_ms)
{
    char text[MG_TIME_TEXT];
    if (mg_time_format(utc_ms, text) != MG_OK) {
        j->failed = true;
        return;
    }
    mg_json_key(j, key);
    mg_json_str(j, text, MG_TIME_TEXT - 1);
}
