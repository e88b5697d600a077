/* What went wrong, for a person: a code and one line of text.
 *
 * Every function that touches the outside world takes a last parameter
 * `struct mg_err *err`, on the caller's stack. The lowest function that knows
 * the facts fills it; callers may put their name in front. Never logs. */
#ifndef MG_BASE_ERR_H
#define MG_BASE_ERR_H

#include "metergate/types.h"

#define MG_ERR_TEXT 240

struct mg_err {
    int code;
    char text[MG_ERR_TEXT];
};

/** The text of a code, e.g. "no answer in time". */
const char *mg_code_text(int code);

/** The name of a code in messages for programs, e.g. "timeout". */
const char *mg_code_name(int code);

/** Fill err and return code. Text beyond the limit is cut. */
int mg_err_set(struct mg_err *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Like mg_err_set with ": <strerror(errno)>" after the text; MG_E_IO. */
int mg_err_errno(struct mg_err *err, int error_number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Put "prefix: " in front of the text. */
void mg_err_prefix(struct mg_err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
