#include <stdlib.h>
#include <string.h>

#include "cli/verify.h"

int verify_buffer_append(struct verify_buffer *b, const char *bytes, size_t n,
                         size_t max)
{
    if (n > max - b->len) {
        return MG_E_NOSPC;
    }
    if (b->len + n + 1 > b->cap) {
        size_t cap = 2 * (b->len + n + 1);
        char *text = realloc(b->text, cap);
        if (text == NULL) {
            return MG_E_NOMEM;
        }
        b->text = text;
        b->cap = cap;
    }
    memcpy(b->text + b->len, bytes, n);
    b->len += n;
    b->text[b->len] = '\0';
    return MG_OK;
}

void verify_buffer_free(struct verify_buffer *b)
{
    free(b->text);
    *b = (struct verify_buffer){0};
}
