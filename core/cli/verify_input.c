/* Files and standard input, piece by piece: never the whole of a stream. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/verify.h"

#define READ_BYTES 65536
#define PIECE_MAX  ((size_t)64 * 1024 * 1024) /* of a container, an array */

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
    struct verify_buffer piece;
    size_t piece_line; /* where it begins */
    struct balance balance;
};

static int append(struct input *in, const char *bytes, size_t n)
{
    int rc = verify_buffer_append(&in->piece, bytes, n, PIECE_MAX);
    if (rc == MG_E_NOSPC) {
        return mg_err_set(in->err, rc, "%s:%zu: more than %zu MiB in one piece",
                          in->name, in->piece_line, PIECE_MAX >> 20);
    }
    return rc == MG_OK ? rc : mg_err_set(in->err, rc, "out of memory");
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
    size_t skip = blanks(in->piece.text, in->piece.len);
    const char *text = in->piece.text + skip;
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

/* What the piece begins with: '{' and '[' JSON, 'O' a record, or '?'. */
static char kind_of(const struct input *in)
{
    const char *head = in->piece.text + blanks(in->piece.text, in->piece.len);
    if (strncmp(head, "OCMF|", 5) == 0) {
        return 'O';
    }
    if (*head == '{' || *head == '[') {
        return *head;
    }
    return '?';
}

/* The line at `begin` goes on with the piece, or starts another one. */
static int take_piece_line(struct input *in, size_t begin)
{
    size_t len = in->piece.len - begin;
    if (begin == 0) {
        if (blanks(in->piece.text, len) == len) {
            in->piece.len = 0;
            return MG_OK;
        }
        in->piece_line = in->line;
    }
    char kind = kind_of(in);
    if (begin == 0 && kind == '{') { /* nearly always an object of one line */
        bool goes_on = false;
        int rc = give(in, &goes_on);
        if (rc != MG_OK || !goes_on) {
            return rc;
        }
    }
    if (kind != '?') {
        follow(&in->balance, in->piece.text + begin, len);
        if (is_open(in, kind == 'O')) {
            return MG_OK;
        }
    }
    return give(in, NULL);
}

/* What began on the lines before is not whole, and another record begins: the
 * lines before are given for what they are. */
static int cut_piece(struct input *in, size_t *begin)
{
    const char *line = in->piece.text + *begin;
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
    in->piece.text[*begin] = '\0';
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
    return verify_input_container(in->piece.text, in->piece.len, in->name,
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

/* @return MG_OK; MG_E_NOMEM */
static int input_init(struct input *in, const char *path)
{
    in->fd = STDIN_FILENO;
    in->name = path;
    in->buf = malloc(READ_BYTES);
    if (in->buf == NULL) {
        return mg_err_set(in->err, MG_E_NOMEM, "out of memory");
    }
    return MG_OK;
}

int verify_input_read(const char *path, const struct verify_sink *sink,
                      struct mg_err *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    struct input in = {.sink = sink, .err = err};
    int rc = input_init(&in, is_stdin ? "stdin" : path);
    if (rc != MG_OK) {
        goto out;
    }
    if (!is_stdin) {
        in.fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    rc = in.fd < 0 ? mg_err_errno(err, errno, "%s", path) : read_all(&in);
    if (!is_stdin && in.fd >= 0) {
        (void)close(in.fd); /* nothing was written */
    }
out:
    verify_buffer_free(&in.piece);
    free(in.buf);
    return rc;
}
