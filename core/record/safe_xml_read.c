/* Reading a SAFE container with expat: elements by their place, <value> below
 * the root, its children below that. What is not known is passed over. A
 * document type is refused, so there are no entities but XML's own five and
 * nothing outside of the text is looked at. */
#include <expat.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/encode.h"
#include "record/safe_xml.h"

#define TEXT_MAX      (1U << 20) /* of an element */
#define ATTRIBUTE_MAX 256
#define FEED_BYTES    (1 << 20)
#define DEPTH_MAX     64

struct text {
    char *buf; /* owned */
    size_t len, cap;
};

struct attribute {
    char text[ATTRIBUTE_MAX];
    bool is_there;
};

struct reader {
    XML_Parser parser;
    int (*value)(void *ctx, const struct mg_safe_value *v);
    void *ctx;
    struct mg_err *err;
    int rc; /* MG_OK until something ends the reading */
    unsigned depth;

    /* The value that is being read. */
    bool is_value;
    unsigned line;
    struct attribute transaction, context;
    struct attribute format, encoding, key_encoding;
    unsigned n_records, n_keys;
    struct text record, key, decoded;
    struct text *target; /* where character data goes; NULL: nowhere */
};

static void fail(struct reader *r, int code, const char *what)
{
    if (r->rc != MG_OK) {
        return;
    }
    r->rc = mg_err_set(r->err, code, "line %lu, column %lu: %s",
                       (unsigned long)XML_GetCurrentLineNumber(r->parser),
                       (unsigned long)XML_GetCurrentColumnNumber(r->parser) + 1,
                       what);
    (void)XML_StopParser(r->parser, XML_FALSE); /* it is running */
}

/* Room for so many bytes and a NUL. */
static bool make_room(struct reader *r, struct text *t, size_t len)
{
    if (len > TEXT_MAX) {
        fail(r, MG_E_NOSPC, "a text of more than 1 MiB");
        return false;
    }
    if (len + 1 <= t->cap) {
        return true;
    }
    size_t cap = 2 * (len + 1);
    char *buf = realloc(t->buf, cap);
    if (buf == NULL) {
        fail(r, MG_E_NOMEM, "out of memory");
        return false;
    }
    t->buf = buf;
    t->cap = cap;
    return true;
}

static void append(struct reader *r, struct text *t, const char *s, size_t len)
{
    if (!make_room(r, t, t->len + len)) {
        return;
    }
    memcpy(t->buf + t->len, s, len);
    t->len += len;
    t->buf[t->len] = '\0';
}

/* ---- The texts of a value ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* What stands around a text in the container is layout. */
static void trim(struct text *t)
{
    size_t start = 0;
    while (t->len > 0 && is_blank(t->buf[t->len - 1])) {
        t->len--;
    }
    while (start < t->len && is_blank(t->buf[start])) {
        start++;
    }
    t->len -= start;
    if (t->buf != NULL) {
        memmove(t->buf, t->buf + start, t->len);
        t->buf[t->len] = '\0';
    }
}

static void drop_blanks(struct text *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->len; i++) {
        if (!is_blank(t->buf[i])) {
            t->buf[n++] = t->buf[i];
        }
    }
    t->len = n;
}

/* The record, as it is declared to be written.
 * @return the problem, or NULL */
static const char *decode(struct reader *r)
{
    const char *encoding = r->encoding.is_there ? r->encoding.text : "plain";
    struct text *from = &r->record, *to = &r->decoded;
    if (strcmp(encoding, "plain") == 0 || encoding[0] == '\0') {
        return NULL;
    }
    drop_blanks(from);
    if (!make_room(r, to, from->len)) {
        return "out of memory";
    }
    uint8_t *bytes = (uint8_t *)to->buf;
    if (strcmp(encoding, "base64") == 0) {
        if (mg_base64_read(from->buf, from->len, bytes, from->len, &to->len) !=
            MG_OK) {
            return "signedData is not the base64 that it is declared to be";
        }
    } else if (strcmp(encoding, "hex") == 0) {
        if (mg_hex_read(from->buf, from->len, bytes, from->len, &to->len) !=
            MG_OK) {
            return "signedData is not the hex that it is declared to be";
        }
    } else {
        return "signedData is in an encoding that is not known";
    }
    to->buf[to->len] = '\0';
    struct text written = *from;
    *from = *to;
    *to = written;
    return NULL;
}

/* @return the problem, or NULL when the record can be had */
static const char *settle(struct reader *r)
{
    if (r->n_records != 1) {
        return r->n_records == 0 ? "no signedData"
                                 : "more than one signedData in one value";
    }
    if (r->n_keys > 1) {
        return "more than one publicKey in one value";
    }
    if (r->format.is_there && strcmp(r->format.text, "OCMF") != 0) {
        return "signedData is of another format than OCMF";
    }
    trim(&r->record);
    if (r->record.len == 0) {
        return "signedData is empty";
    }
    return decode(r);
}

static const char *text_of(const struct attribute *a)
{
    return a->is_there ? a->text : NULL;
}

static void give(struct reader *r)
{
    const char *problem = settle(r);
    if (r->rc != MG_OK) {
        return;
    }
    trim(&r->key);
    struct mg_safe_value v = {.transaction = text_of(&r->transaction),
                              .context = text_of(&r->context),
                              .key = r->key.len > 0 ? r->key.buf : NULL,
                              .key_encoding = text_of(&r->key_encoding),
                              .line = r->line,
                              .problem = problem};
    if (problem == NULL) {
        v.record = r->record.buf;
        v.record_len = r->record.len;
    }
    int rc = r->value(r->ctx, &v);
    if (rc != MG_OK) {
        r->rc = rc;
        (void)XML_StopParser(r->parser, XML_FALSE); /* it is running */
    }
}

/* ---- Elements ---- */

/* Without its prefix: containers come with and without a name space. */
static bool is_named(const char *name, const char *want)
{
    const char *colon = strrchr(name, ':');
    return strcmp(colon == NULL ? name : colon + 1, want) == 0;
}

static void take_attribute(struct reader *r, const char **attributes,
                           const char *name, struct attribute *ret)
{
    ret->is_there = false;
    for (size_t i = 0; attributes[i] != NULL; i += 2) {
        if (strcmp(attributes[i], name) != 0) {
            continue;
        }
        size_t len = strlen(attributes[i + 1]);
        if (len >= sizeof ret->text) {
            fail(r, MG_E_NOSPC, "an attribute of more than 255 bytes");
            return;
        }
        memcpy(ret->text, attributes[i + 1], len + 1);
        ret->is_there = true;
        return;
    }
}

static void begin_value(struct reader *r, const char **attributes)
{
    r->is_value = true;
    r->line = (unsigned)XML_GetCurrentLineNumber(r->parser);
    r->n_records = r->n_keys = 0;
    r->record.len = r->key.len = 0;
    r->key_encoding.is_there = false;
    take_attribute(r, attributes, "transactionId", &r->transaction);
    take_attribute(r, attributes, "context", &r->context);
}

static void begin_child(struct reader *r, const char *name,
                        const char **attributes)
{
    if (is_named(name, "signedData") || is_named(name, "encodedData")) {
        take_attribute(r, attributes, "format", &r->format);
        take_attribute(r, attributes, "encoding", &r->encoding);
        r->n_records++;
        r->record.len = 0;
        r->target = &r->record;
    } else if (is_named(name, "publicKey")) {
        take_attribute(r, attributes, "encoding", &r->key_encoding);
        r->n_keys++;
        r->key.len = 0;
        r->target = &r->key;
    }
}

static void on_start(void *ctx, const char *name, const char **attributes)
{
    struct reader *r = ctx;
    if (r->rc != MG_OK) {
        return;
    }
    r->depth++;
    r->target = NULL;
    if (r->depth > DEPTH_MAX) {
        fail(r, MG_E_PROTO, "elements within elements, too many");
    } else if (r->depth == 1 && !is_named(name, "values")) {
        fail(r, MG_E_PROTO, "no SAFE container: <values> was expected");
    } else if (r->depth == 2 && is_named(name, "value")) {
        begin_value(r, attributes);
    } else if (r->depth == 3 && r->is_value) {
        begin_child(r, name, attributes);
    }
}

static void on_end(void *ctx, const char *name)
{
    struct reader *r = ctx;
    (void)name; /* expat has matched it */
    if (r->rc != MG_OK) {
        return;
    }
    r->target = NULL;
    if (r->depth == 2 && r->is_value) {
        r->is_value = false;
        give(r);
    }
    r->depth--;
}

static void on_text(void *ctx, const char *s, int len)
{
    struct reader *r = ctx;
    if (r->rc == MG_OK && r->target != NULL) {
        append(r, r->target, s, (size_t)len);
    }
}

static void on_doctype(void *ctx, const char *name, const char *system_id,
                       const char *public_id, int has_internal_subset)
{
    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_internal_subset;
    fail(ctx, MG_E_PROTO, "a document type is not allowed here");
}

/* ---- The whole ---- */

static int feed(struct reader *r, const char *text, size_t len)
{
    bool is_last;
    do {
        size_t n = len < FEED_BYTES ? len : FEED_BYTES;
        is_last = n == len;
        enum XML_Status status = XML_Parse(r->parser, text, (int)n, is_last);
        if (r->rc != MG_OK) {
            return r->rc;
        }
        if (status != XML_STATUS_OK) {
            enum XML_Error code = XML_GetErrorCode(r->parser);
            fail(r, code == XML_ERROR_NO_MEMORY ? MG_E_NOMEM : MG_E_PROTO,
                 XML_ErrorString(code));
            return r->rc;
        }
        text += n;
        len -= n;
    } while (!is_last);
    return MG_OK;
}

int mg_safe_xml_read(const char *text, size_t len,
                     int (*value)(void *ctx, const struct mg_safe_value *v),
                     void *ctx, struct mg_err *err)
{
    struct reader *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    r->value = value;
    r->ctx = ctx;
    r->err = err;
    r->parser = XML_ParserCreate(NULL);
    int rc;
    if (r->parser == NULL) {
        rc = mg_err_set(err, MG_E_NOMEM, "out of memory");
    } else {
        XML_SetUserData(r->parser, r);
        XML_SetElementHandler(r->parser, on_start, on_end);
        XML_SetCharacterDataHandler(r->parser, on_text);
        XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
        rc = feed(r, text, len);
        XML_ParserFree(r->parser);
    }
    free(r->record.buf);
    free(r->key.buf);
    free(r->decoded.buf);
    free(r);
    return rc;
}
