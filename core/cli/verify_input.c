/* Files and standard input, piece by piece: never the whole of a stream. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/verify.h"

#define READ_BYTES 65536
#define PIECE_MAX  ((size_t)64 * 1024 * 1024) /* of a container, an array */

struct text {
    char *buf; /* owned */
    size_t len, cap;
};

/* Where a record or a piece of JSON ends: braces outside of strings. */
struct balance {
    unsigned depth, n_closed;
    bool is_string, is_escaped;
};

struct input {
    const char *name;
    const struct verify_sink *sink;
    struct mg_err *err;
    int fd;
    char *buf; /* READ_BYTES */
    size_t at, len;
    bool is_over;
    size_t line; /* lines read so far */
    struct text piece;
    size_t piece_line; /* where it begins */
    struct balance balance;
};

static int append(struct input *in, const char *bytes, size_t n)
{
    struct text *t = &in->piece;
    if (n > PIECE_MAX - t->len) {
        return mg_err_set(in->err, MG_E_NOSPC,
                          "%s:%zu: more than %zu MiB in one piece", in->name,
                          in->piece_line, PIECE_MAX >> 20);
    }
    if (t->len + n + 1 > t->cap) {
        size_t cap = 2 * (t->len + n + 1);
        char *buf = realloc(t->buf, cap);
        if (buf == NULL) {
            return mg_err_set(in->err, MG_E_NOMEM, "out of memory");
        }
        t->buf = buf;
        t->cap = cap;
    }
    memcpy(t->buf + t->len, bytes, n);
    t->len += n;
    t->buf[t->len] = '\0';
    return MG_OK;
}

/* More bytes into buf. At the end is_over is set. */
static int refill(struct input *in)
{
    in->sink->idle(in->sink->ctx);
    ssize_t n;
    do {
        n = read(in->fd, in->buf, READ_BYTES);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return mg_err_errno(in->err, errno, "%s", in->name);
    }
    in->at = 0;
    in->len = (size_t)n;
    in->is_over = n == 0;
    in->sink->progress(in->sink->ctx, in->len);
    return MG_OK;
}

/* Append the next line with its end to the piece; nothing at the end.
 * @param ret_begin  where in the piece it stands */
static int take_line(struct input *in, size_t *ret_begin)
{
    *ret_begin = in->piece.len;
    while (!in->is_over) {
        if (in->at == in->len) {
            int rc = refill(in);
            if (rc != MG_OK) {
                return rc;
            }
            continue;
        }
        const char *begin = in->buf + in->at;
        const char *newline = memchr(begin, '\n', in->len - in->at);
        size_t n =
            newline == NULL ? in->len - in->at : (size_t)(newline - begin) + 1;
        int rc = append(in, begin, n);
        if (rc != MG_OK) {
            return rc;
        }
        in->at += n;
        if (newline != NULL) {
            break;
        }
    }
    in->line++;
    return MG_OK;
}

static void follow(struct balance *b, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (b->is_escaped) {
            b->is_escaped = false;
        } else if (b->is_string) {
            while (i < len && text[i] != '"' && text[i] != '\\') {
                i++;
            }
            b->is_string = i == len || text[i] != '"';
            b->is_escaped = i < len && text[i] == '\\';
        } else if (c == '"') {
            b->is_string = true;
        } else if (c == '{' || c == '[') {
            b->depth++;
        } else if ((c == '}' || c == ']') && b->depth > 0) {
            b->depth--;
            b->n_closed += b->depth == 0;
        }
    }
}

static bool begins_with(const char *text, size_t len, const char *head)
{
    size_t n = strlen(head);
    return len >= n && memcmp(text, head, n) == 0;
}

static size_t blanks(const char *text, size_t len)
{
    size_t n = strspn(text, " \t\r\n");
    return n < len ? n : len;
}

/* @param ret_is_open  the piece is kept: it goes on; NULL: it does not */
static int give(struct input *in, bool *ret_is_open)
{
    char source[4200];
    size_t skip = blanks(in->piece.buf, in->piece.len);
    const char *text = in->piece.buf + skip;
    size_t len = in->piece.len - skip;
    (void)snprintf(source, sizeof source, "%s:%zu", in->name, in->piece_line);
    bool is_json = len > 0 && strchr("{[\"", *text) != NULL;
    int rc = is_json
                 ? verify_input_json(text, len, source, in->sink, ret_is_open)
                 : verify_input_text(text, len, source, in->sink);
    if (ret_is_open == NULL || !*ret_is_open) {
        in->balance = (struct balance){0};
        in->piece.len = 0;
    }
    return rc;
}

static bool is_open(const struct input *in, bool is_record)
{
    const struct balance *b = &in->balance;
    return b->depth > 0 || (is_record && b->n_closed < 2);
}

/* The line at `begin` goes on with the piece, or starts another one. */
static int take_piece_line(struct input *in, size_t begin)
{
    const char *line = in->piece.buf + begin;
    size_t len = in->piece.len - begin;
    size_t skip = blanks(line, len);
    if (begin == 0) {
        if (skip == len) {
            in->piece.len = 0;
            return MG_OK;
        }
        in->piece_line = in->line;
    }
    const char *head = in->piece.buf + blanks(in->piece.buf, in->piece.len);
    bool is_record = strncmp(head, "OCMF|", 5) == 0;
    bool goes_on = begin == 0 && *head == '{';
    if (goes_on) { /* nearly always an object of one line */
        goes_on = false;
        int rc = give(in, &goes_on);
        if (rc != MG_OK || !goes_on) {
            return rc;
        }
    }
    if (is_record || *head == '{' || *head == '[') {
        follow(&in->balance, line, len);
        if (is_open(in, is_record)) {
            return MG_OK;
        }
    }
    return give(in, NULL);
}

/* What began on the lines before is not whole, and another record begins: the
 * lines before are given for what they are. */
static int cut_piece(struct input *in, size_t *begin)
{
    const char *line = in->piece.buf + *begin;
    size_t len = in->piece.len - *begin;
    if (*begin == 0 || !begins_with(line, len, "OCMF|")) {
        return MG_OK;
    }
    char *next = malloc(len + 1);
    if (next == NULL) {
        return mg_err_set(in->err, MG_E_NOMEM, "out of memory");
    }
    memcpy(next, line, len);
    in->piece.len = *begin;
    in->piece.buf[*begin] = '\0';
    int rc = give(in, NULL);
    *begin = 0;
    if (rc == MG_OK) {
        rc = append(in, next, len);
    }
    free(next);
    return rc;
}

static int read_lines(struct input *in)
{
    for (;;) {
        size_t begin = 0;
        int rc = take_line(in, &begin);
        if (rc != MG_OK) {
            return rc;
        }
        if (begin == in->piece.len) {
            break;
        }
        rc = cut_piece(in, &begin);
        if (rc == MG_OK) {
            rc = take_piece_line(in, begin);
        }
        if (rc != MG_OK) {
            return rc;
        }
    }
    return in->piece.len > 0 ? give(in, NULL) : MG_OK;
}

static int read_container(struct input *in)
{
    while (!in->is_over) {
        size_t begin = 0;
        int rc = take_line(in, &begin);
        if (rc != MG_OK) {
            return rc;
        }
    }
    return verify_input_container(in->piece.buf, in->piece.len, in->name,
                                  in->sink, in->err);
}

static int read_all(struct input *in)
{
    static const char MARK[] = "\xef\xbb\xbf"; /* of UTF-8, on some systems */
    int rc = refill(in);
    if (rc != MG_OK) {
        return rc;
    }
    if (begins_with(in->buf, in->len, MARK)) {
        in->at = sizeof MARK - 1;
    }
    size_t at = in->at;
    while (at < in->len && strchr(" \t\r\n", in->buf[at]) != NULL) {
        at++;
    }
    in->piece_line = 1;
    return at < in->len && in->buf[at] == '<' ? read_container(in)
                                              : read_lines(in);
}

int verify_input_read(const char *path, const struct verify_sink *sink,
                      struct mg_err *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    struct input in = {.name = is_stdin ? "stdin" : path,
                       .sink = sink,
                       .err = err,
                       .fd = STDIN_FILENO};
    int rc = MG_OK;
    in.buf = malloc(READ_BYTES);
    if (in.buf == NULL) {
        return mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    if (!is_stdin) {
        in.fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (in.fd < 0) {
        rc = mg_err_errno(err, errno, "%s", path);
        goto out;
    }
    rc = read_all(&in);
out:
    if (!is_stdin && in.fd >= 0) {
        (void)close(in.fd); /* nothing was written */
    }
    free(in.piece.buf);
    free(in.buf);
    return rc;
}
