/* JSON text: an exact writer into a caller's buffer, and a strict flat reader
 * for commands. Pure; no allocation, no floating point. */
#ifndef MG_MODEL_JSON_H
#define MG_MODEL_JSON_H

#include "metergate/types.h"

struct mg_json {
    char *buf; /* borrowed */
    size_t cap, len;
    bool failed;   /* did not fit; the text must not be used */
    bool has_item; /* a comma is due */
};

struct mg_json mg_json_init(char *buf, size_t cap);
void mg_json_open(struct mg_json *j, char bracket);  /* '{' or '[' */
void mg_json_close(struct mg_json *j, char bracket); /* '}' or ']' */
void mg_json_key(struct mg_json *j, const char *key);
/** Escapes quotes, backslash and control characters; bytes that are not UTF-8
 *  become U+FFFD. */
void mg_json_str(struct mg_json *j, const char *s, size_t len);
void mg_json_int(struct mg_json *j, int64_t v);
void mg_json_bool(struct mg_json *j, bool v);
/** value * 10^-decimals as an exact decimal; decimals finer than
 *  `resolution` (base units; 0 = keep all) are rounded half even and not
 *  printed; digits before the point are always exact:
 *  (230120, 3, 10) -> 230.12; (230100, 3, 1) -> 230.100
 *  @param decimals  0..18 */
void mg_json_decimal(struct mg_json *j, int64_t value, unsigned decimals,
                     int64_t resolution);
/** Text that is JSON already. */
void mg_json_raw(struct mg_json *j, const char *text, size_t len);

/* Members in one call. */
void mg_json_member_str(struct mg_json *j, const char *key, const char *s);
void mg_json_member_int(struct mg_json *j, const char *key, int64_t v);
void mg_json_member_bool(struct mg_json *j, const char *key, bool v);
/** RFC 3339, UTC, milliseconds: "2025-03-02T12:00:00.000Z"; a time outside the
 *  years 1970..9999 fails the text. */
void mg_json_member_time(struct mg_json *j, const char *key, int64_t utc_ms);

#define MG_TIME_TEXT 25
/** @return MG_OK; MG_E_RANGE outside the years 1970..9999 */
int mg_time_format(int64_t utc_ms, char ret_text[MG_TIME_TEXT]);
/** RFC 3339 with Z or offset, up to ms; no leap second.
 *  @return MG_OK; MG_E_PROTO: not such a text, or outside 1970..9999 */
int mg_time_parse(const char *text, size_t len, int64_t *ret_utc_ms);

enum mg_json_type {
    MG_JSON_STRING,
    MG_JSON_NUMBER,
    MG_JSON_BOOL,
    MG_JSON_NULL
};

/** One member of a flat object; texts are pointers into the input, strings
 *  still escaped. */
struct mg_json_member {
    const char *key, *value;
    size_t key_len, value_len;
    enum mg_json_type type;
};

/** Parse one flat JSON object strictly (RFC 8259): no nesting, no duplicate
 *  keys, valid UTF-8, nothing after it.
 *  @param ret_n     members found, at most max
 *  @param ret_error offset of the first wrong byte on failure
 *  @return MG_OK; MG_E_PROTO; MG_E_NOSPC: more than max members; MG_E_NOSUP:
 *  a nested value */
int mg_json_parse_flat(const char *text, size_t len,
                       struct mg_json_member *members, size_t max,
                       size_t *ret_n, size_t *ret_error);

/** Unescape a string member and put a NUL behind it (not counted; an escaped
 *  NUL within is possible). @return MG_OK; MG_E_NOSPC; MG_E_INVAL: no string */
int mg_json_string(const struct mg_json_member *member, char *buf, size_t cap,
                   size_t *ret_len);

/** An integer member; no fraction, no exponent. @return MG_OK or MG_E_RANGE */
int mg_json_int64(const struct mg_json_member *member, int64_t *ret_value);

#endif
