/* JSON of any shape, read item by item over the original bytes (RFC 8259).
 * Nothing is copied, nesting is bounded, no recursion. Pure. */
#ifndef MG_MODEL_JSON_PULL_H
#define MG_MODEL_JSON_PULL_H

#include "metergate/types.h"

#define MG_PULL_DEPTH_MAX 32

enum mg_pull_kind {
    MG_PULL_OBJECT, /* opened: its members are the next items */
    MG_PULL_ARRAY,
    MG_PULL_CLOSE, /* of the innermost object or array */
    MG_PULL_STRING,
    MG_PULL_NUMBER,
    MG_PULL_BOOL,
    MG_PULL_NULL
};

/** Strings without their quotes, escapes untouched. */
struct mg_pull_item {
    enum mg_pull_kind kind;
    const char *key, *value; /* key NULL: not in an object */
    size_t key_len, value_len;
};

struct mg_pull {
    const char *at, *end;
    const char *wanted; /* static; what was expected at `at` on failure */
    uint64_t objects;   /* bit per depth: an object, not an array */
    unsigned depth;
    bool is_first; /* nothing in the innermost one yet */
};

struct mg_pull mg_pull_init(const char *text, size_t len);

/** The first call gives the value itself; after its end `depth` is 0 and `at`
 *  stands behind it; a further call reads a further value.
 *  @return false: no JSON at `at`, or too deep */
bool mg_pull_next(struct mg_pull *p, struct mg_pull_item *ret);

/** Pass over what the item has opened; nothing for other items. */
bool mg_pull_skip(struct mg_pull *p, const struct mg_pull_item *item);

void mg_pull_space(struct mg_pull *p);

/** Resolve the escapes; NUL-terminated.
 *  @return MG_OK; MG_E_NOSPC; MG_E_INVAL: half a surrogate pair */
int mg_pull_unescape(const char *text, size_t len, char *buf, size_t cap,
                     size_t *ret_len);

#endif
