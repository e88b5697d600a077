/* Options and command arguments: a table says what there is, here texts become
 * members of a struct. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/plugins.h"

static void put_number(const struct mg_option *option, void *values, int64_t n)
{
    memcpy((char *)values + option->offset, &n, sizeof n);
}

/* The table's check has seen to it that size > 0. */
static bool put_text(const struct mg_option *option, void *values,
                     const char *text)
{
    size_t len = strlen(text);
    if (len >= option->size) {
        return false;
    }
    memset((char *)values + option->offset, 0, option->size);
    memcpy((char *)values + option->offset, text, len);
    return true;
}

void mg_options_default(const struct mg_option *options, size_t n, void *values)
{
    for (size_t i = 0; i < n; i++) {
        const struct mg_option *o = &options[i];
        if (o->type == MG_OPTION_TEXT) {
            (void)put_text(o, values, o->def_text == NULL ? "" : o->def_text);
        } else {
            put_number(o, values, o->def);
        }
    }
}

static int set_bool(const struct mg_option *o, void *values, const char *text,
                    struct mg_err *err)
{
    bool is_true = strcmp(text, "true") == 0;
    if (!is_true && strcmp(text, "false") != 0) {
        return mg_err_set(err, MG_E_INVAL,
                          "%s: \"%.40s\" is neither true nor false", o->name,
                          text);
    }
    put_number(o, values, is_true);
    return MG_OK;
}

/* Decimal digits with an optional minus, nothing else. */
static bool is_whole_number(const char *text)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    size_t len = strlen(digits);
    return len > 0 && strspn(digits, "0123456789") == len;
}

static int set_int(const struct mg_option *o, void *values, const char *text,
                   struct mg_err *err)
{
    if (!is_whole_number(text)) {
        return mg_err_set(err, MG_E_INVAL,
                          "%s: \"%.40s\" is no whole number; expected %" PRId64
                          " to %" PRId64,
                          o->name, text, o->min, o->max);
    }
    errno = 0;
    long long n = strtoll(text, NULL, 10);
    if (errno != 0 || n < o->min || n > o->max) {
        return mg_err_set(err, MG_E_RANGE,
                          "%s: %.40s is out of range; expected %" PRId64
                          " to %" PRId64,
                          o->name, text, o->min, o->max);
    }
    put_number(o, values, n);
    return MG_OK;
}

static int set_enum(const struct mg_option *o, void *values, const char *text,
                    struct mg_err *err)
{
    char list[120] = "";
    size_t len = 0;
    for (int64_t i = 0; o->choices[i] != NULL; i++) {
        if (i < o->min || i > o->max) {
            continue;
        }
        if (strcmp(text, o->choices[i]) == 0) {
            put_number(o, values, i);
            return MG_OK;
        }
        int n = snprintf(list + len, sizeof list - len, "%s%s",
                         len == 0 ? "" : ", ", o->choices[i]);
        if (n > 0 && (size_t)n < sizeof list - len) {
            len += (size_t)n;
        }
    }
    return mg_err_set(err, MG_E_INVAL, "%s: \"%.40s\" is not one of %s",
                      o->name, text, list);
}

static int set_text(const struct mg_option *o, void *values, const char *text,
                    struct mg_err *err)
{
    if (!put_text(o, values, text)) {
        return mg_err_set(err, MG_E_RANGE,
                          "%s: %zu bytes are too long; expected at most %d",
                          o->name, strlen(text), o->size - 1);
    }
    return MG_OK;
}

int mg_options_set(const struct mg_option *options, size_t n, void *values,
                   const char *name, const char *text, size_t *ret_index,
                   struct mg_err *err)
{
    size_t i = 0;
    while (i < n && strcmp(options[i].name, name) != 0) {
        i++;
    }
    if (i == n) {
        return mg_err_set(err, MG_E_NOTFOUND, "no such option: %.60s", name);
    }
    const struct mg_option *o = &options[i];
    int rc = MG_E_INVAL;
    switch (o->type) {
    case MG_OPTION_BOOL:
        rc = set_bool(o, values, text, err);
        break;
    case MG_OPTION_INT:
        rc = set_int(o, values, text, err);
        break;
    case MG_OPTION_ENUM:
        rc = set_enum(o, values, text, err);
        break;
    case MG_OPTION_TEXT:
        rc = set_text(o, values, text, err);
        break;
    }
    if (rc == MG_OK) {
        *ret_index = i;
    }
    return rc;
}
