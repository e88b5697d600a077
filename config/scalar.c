#include "config/scalar.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DIGITS_MAX 18 /* fit an int64 */

const struct mg_scale mg_scales_duration[] = {{"ms", 1000},
                                              {"s", 1000000},
                                              {"m", 60000000},
                                              {"h", 3600000000},
                                              {NULL, 0}};
const struct mg_scale mg_scales_size[] = {{"", 1},          {"B", 1},
                                          {"KiB", 1024},    {"MiB", 1 << 20},
                                          {"GiB", 1 << 30}, {NULL, 0}};
const struct mg_scale mg_scales_voltage[] = {
    {"mV", 1}, {"", 1000}, {"V", 1000}, {NULL, 0}};
const struct mg_scale mg_scales_current[] = {
    {"mA", 1}, {"", 1000}, {"A", 1000}, {NULL, 0}};
const struct mg_scale mg_scales_frequency[] = {
    {"", 1000}, {"Hz", 1000}, {NULL, 0}};
const struct mg_scale mg_scales_factor[] = {{"", 10000}, {NULL, 0}};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_one_of(const char *text, size_t len, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strlen(*words) == len && memcmp(*words, text, len) == 0) {
            return true;
        }
    }
    return false;
}

static size_t skip_sign(const char *text, size_t len)
{
    return len > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
}

static size_t skip_digits(const char *text, size_t len, size_t pos)
{
    while (pos < len && is_digit(text[pos])) {
        pos++;
    }
    return pos;
}

static bool is_float(const char *text, size_t len)
{
    size_t start = skip_sign(text, len);
    size_t pos = skip_digits(text, len, start);
    size_t n_digits = pos - start;
    if (pos < len && text[pos] == '.') {
        size_t end = skip_digits(text, len, pos + 1);
        n_digits += end - pos - 1;
        pos = end;
    }
    if (n_digits == 0) {
        return false;
    }
    if (pos < len && (text[pos] == 'e' || text[pos] == 'E')) {
        pos++;
        pos += skip_sign(text + pos, len - pos);
        size_t end = skip_digits(text, len, pos);
        return end > pos && end == len;
    }
    return pos == len;
}

static bool is_based_int(const char *text, size_t len)
{
    if (len < 3 || text[0] != '0' || (text[1] != 'x' && text[1] != 'o')) {
        return false;
    }
    const char *digits = text[1] == 'o' ? "01234567" : "0123456789abcdefABCDEF";
    for (size_t i = 2; i < len; i++) {
        if (text[i] == '\0' || strchr(digits, text[i]) == NULL) {
            return false;
        }
    }
    return true;
}

enum mg_scalar_kind mg_scalar_kind(const char *text, size_t len)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const bools[] = {"true",  "True",  "TRUE", "false",
                                        "False", "FALSE", NULL};
    static const char *const floats[] = {".inf",  ".Inf",  ".INF",  "+.inf",
                                         "-.inf", "-.Inf", "-.INF", ".nan",
                                         ".NaN",  ".NAN",  NULL};
    if (is_one_of(text, len, nulls)) {
        return MG_SCALAR_NULL;
    }
    if (is_one_of(text, len, bools)) {
        return MG_SCALAR_BOOL;
    }
    size_t start = skip_sign(text, len);
    if ((len > start && skip_digits(text, len, start) == len) ||
        is_based_int(text, len)) {
        return MG_SCALAR_INT;
    }
    if (is_one_of(text, len, floats) || is_float(text, len)) {
        return MG_SCALAR_FLOAT;
    }
    return MG_SCALAR_TEXT;
}

/* An unsigned decimal number: mantissa * 10^-n_decimals. */
struct number {
    int64_t mantissa;
    unsigned n_decimals;
    size_t used;
};

static int scan_number(const char *text, size_t len, struct number *ret)
{
    struct number n = {0};
    size_t n_digits = 0;
    bool has_point = false;
    for (; n.used < len; n.used++) {
        char c = text[n.used];
        if (c == '.' && !has_point && n_digits > 0) {
            has_point = true;
            continue;
        }
        if (!is_digit(c)) {
            break;
        }
        if (++n_digits > DIGITS_MAX) {
            return MG_E_RANGE;
        }
        n.mantissa = n.mantissa * 10 + (c - '0');
        n.n_decimals += has_point ? 1 : 0;
    }
    if (n_digits == 0 || text[n.used - 1] == '.') {
        return MG_E_PROTO;
    }
    *ret = n;
    return MG_OK;
}

int mg_scalar_int(const char *text, size_t len, int64_t *ret_value)
{
    size_t start = skip_sign(text, len);
    size_t n_digits = len - start;
    if (n_digits == 0 || skip_digits(text, len, start) != len ||
        (n_digits > 1 && text[start] == '0')) {
        return MG_E_PROTO;
    }
    uint64_t limit = (uint64_t)INT64_MAX + (text[0] == '-' ? 1 : 0);
    uint64_t value = 0;
    for (size_t i = start; i < len; i++) {
        unsigned digit = (unsigned)(text[i] - '0');
        if (value > (limit - digit) / 10) {
            return MG_E_RANGE;
        }
        value = value * 10 + digit;
    }
    if (text[0] != '-') {
        *ret_value = (int64_t)value;
    } else {
        *ret_value = value == limit ? INT64_MIN : -(int64_t)value;
    }
    return MG_OK;
}

static const struct mg_scale *find_scale(const struct mg_scale *scales,
                                         const char *name, size_t len)
{
    for (; scales->name != NULL; scales++) {
        if (strlen(scales->name) == len &&
            memcmp(scales->name, name, len) == 0) {
            return scales;
        }
    }
    return NULL;
}

int mg_scalar_amount(const char *text, size_t len,
                     const struct mg_scale *scales, int64_t *ret_value)
{
    size_t start = skip_sign(text, len);
    struct number n = {0};
    int code = scan_number(text + start, len - start, &n);
    if (code != MG_OK) {
        return code;
    }
    size_t pos = start + n.used;
    if (pos + 1 < len && text[pos] == ' ') {
        pos++;
    }
    const struct mg_scale *unit = find_scale(scales, text + pos, len - pos);
    if (unit == NULL) {
        return MG_E_PROTO;
    }
    if (n.mantissa > INT64_MAX / unit->scale) {
        return MG_E_RANGE;
    }
    int64_t value = n.mantissa * unit->scale;
    for (unsigned i = 0; i < n.n_decimals; i++) {
        if (value % 10 != 0) {
            return MG_E_RANGE;
        }
        value /= 10;
    }
    *ret_value = start > 0 && text[0] == '-' ? -value : value;
    return MG_OK;
}

void mg_scalar_print(int64_t value, const struct mg_scale *scales, char *buf,
                     size_t cap)
{
    const struct mg_scale *unit = scales;
    for (const struct mg_scale *s = scales; s->name != NULL; s++) {
        if (value != 0 && value % s->scale == 0) {
            unit = s;
        }
    }
    if (value == 0) { /* "0s" rather than "0" where a unit is due */
        while (unit[1].name != NULL && unit->scale == unit[1].scale) {
            unit++;
        }
    }
    (void)snprintf(buf, cap, "%" PRId64 "%s", value / unit->scale, unit->name);
}

bool mg_scalar_is_id(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool is_alnum = is_digit(text[i]) || (text[i] >= 'a' && text[i] <= 'z');
        if (!is_alnum && (i == 0 || (text[i] != '_' && text[i] != '-'))) {
            return false;
        }
    }
    return len > 0;
}
