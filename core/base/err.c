#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *mg_code_text(int code)
{
    switch (code) {
#define X(name, number, text)                                                  \
    case number:                                                               \
        return text;
        MG_ERRORS(X)
#undef X
    default:
        return "unknown error";
    }
}

const char *mg_code_name(int code)
{
    switch (code) {
    case MG_OK:
        return "ok";
    case MG_E_NOSUP:
        return "not-supported";
    case MG_E_TIMEOUT:
        return "timeout";
    case MG_E_EXCEPTION:
        return "exception";
    case MG_E_IO:
        return "io";
    case MG_E_BUSY:
        return "busy";
    case MG_E_DENIED:
        return "denied";
    case MG_E_NOTFOUND:
        return "not-found";
    case MG_E_STATE:
        return "state";
    case MG_E_CANCELED:
        return "canceled";
    case MG_E_MISMATCH:
        return "mismatch";
    case MG_E_NOSPC:
    case MG_E_NOMEM:
        return "no-space";
    default:
        return "invalid";
    }
}

int mg_err_set(struct mg_err *err, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof err->text, format, args); /* may cut */
    va_end(args);
    err->code = code;
    return code;
}

int mg_err_errno(struct mg_err *err, int error_number, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof err->text) {
        (void)snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s",
                       strerror(error_number));
    }
    err->code = MG_E_IO;
    return MG_E_IO;
}

void mg_err_prefix(struct mg_err *err, const char *format, ...)
{
    char old[MG_ERR_TEXT];
    memcpy(old, err->text, sizeof old);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    if (n < 0 || (size_t)n + 3 > sizeof err->text) {
        return;
    }
    size_t left = sizeof err->text - (size_t)n - 3;
    (void)snprintf(err->text + n, left + 3, ": %.*s", (int)left, old);
}
