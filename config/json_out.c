#include "config/json_out.h"

#include <inttypes.h>

static void put_str(struct mg_json_out *j, const char *text)
{
    (void)fputc('"', j->out);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            (void)fprintf(j->out, "\\%c", c);
        } else if (c < 0x20) {
            (void)fprintf(j->out, "\\u%04x", c);
        } else {
            (void)fputc(c, j->out);
        }
    }
    (void)fputc('"', j->out);
}

/* Comma, new line, indentation, key. */
static void begin(struct mg_json_out *j, const char *key)
{
    if (j->depth > 0) {
        (void)fprintf(j->out, "%s\n%*s", j->has_item ? "," : "",
                      (int)(2 * j->depth), "");
    }
    j->has_item = true;
    if (key != NULL) {
        put_str(j, key);
        (void)fputs(": ", j->out);
    }
}

void mg_json_out_open(struct mg_json_out *j, const char *key, char bracket)
{
    begin(j, key);
    (void)fputc(bracket, j->out);
    j->depth++;
    j->has_item = false;
}

void mg_json_out_close(struct mg_json_out *j, char bracket)
{
    j->depth--;
    if (j->has_item) {
        (void)fprintf(j->out, "\n%*s", (int)(2 * j->depth), "");
    }
    (void)fputc(bracket, j->out);
    j->has_item = true;
}

void mg_json_out_str(struct mg_json_out *j, const char *key, const char *text)
{
    begin(j, key);
    put_str(j, text);
}

void mg_json_out_int(struct mg_json_out *j, const char *key, int64_t value)
{
    begin(j, key);
    (void)fprintf(j->out, "%" PRId64, value);
}

void mg_json_out_bool(struct mg_json_out *j, const char *key, bool value)
{
    begin(j, key);
    (void)fputs(value ? "true" : "false", j->out);
}
