#include "model/logbook.h"

#include <string.h>

#include "model/json.h"
#include "model/json_pull.h"
#include "model/utf8.h"

#define SHORT_CHARS   10 /* of a UDID and of an LRS hash */
#define VERSION_CHARS 32
#define SESSION_CHARS 63
#define VALUE_CHARS   48
#define METER_CHARS   47

static const struct {
    const char *name;
    enum mg_log_data_kind data;
} events[MG_N_LOGBOOK_EVENTS] = {
#define X(id, name, data) [MG_LOGBOOK_##id] = {name, MG_LOG_DATA_##data},
    MG_LOGBOOK_EVENTS(X)
#undef X
};

const char *mg_log_event_text(enum mg_log_event event)
{
    return event < MG_N_LOGBOOK_EVENTS ? events[event].name : "unknown";
}

int mg_log_event_find(const char *name, size_t len, enum mg_log_event *ret)
{
    for (unsigned i = 0; i < MG_N_LOGBOOK_EVENTS; i++) {
        if (strlen(events[i].name) == len &&
            memcmp(events[i].name, name, len) == 0) {
            *ret = (enum mg_log_event)i;
            return MG_OK;
        }
    }
    return MG_E_NOTFOUND;
}

enum mg_log_data_kind mg_log_event_data(enum mg_log_event event)
{
    return event < MG_N_LOGBOOK_EVENTS ? events[event].data : MG_LOG_DATA_NONE;
}

/* ---- Writing ---- */

/* Cut by characters, not bytes: what is read back and written again is then the
 * same, also where a byte that is no UTF-8 became U+FFFD. */
static void put_text(struct mg_json *j, const char *key, const char *text,
                     size_t max_chars)
{
    const char *s = text != NULL ? text : "";
    size_t len = 0;
    for (size_t n = 0; n < max_chars && s[len] != '\0'; n++) {
        size_t step = mg_utf8_len(s + len, strnlen(s + len, 4));
        len += step > 0 ? step : 1;
    }
    mg_json_key(j, key);
    mg_json_str(j, s, len);
}

static void put_lrs(struct mg_json *j, const struct mg_log_data *d)
{
    put_text(j, "LRSHash", d->lrs_hash, SHORT_CHARS);
    put_text(j, "LRSVersion", d->lrs_version, VERSION_CHARS);
}

static void put_data(struct mg_json *j, enum mg_log_data_kind kind,
                     const struct mg_log_data *d)
{
    mg_json_open(j, '{');
    switch (kind) {
    case MG_LOG_DATA_UDID:
        put_text(j, "udid", d->udid, SHORT_CHARS);
        break;
    case MG_LOG_DATA_LRS:
        put_lrs(j, d);
        break;
    case MG_LOG_DATA_LRS_UPDATE:
        put_lrs(j, d);
        put_text(j, "newLRSVersion", d->new_lrs_version, VERSION_CHARS);
        break;
    case MG_LOG_DATA_SESSION:
        mg_json_member_int(j, "connector", d->connector);
        put_text(j, "session", d->session, SESSION_CHARS);
        break;
    case MG_LOG_DATA_PARAMETER:
        put_text(j, "old", d->old_value, VALUE_CHARS);
        put_text(j, "new", d->new_value, VALUE_CHARS);
        break;
    case MG_LOG_DATA_ACTIVATION:
        mg_json_member_bool(j, "activated", d->is_activated);
        break;
    default:
        break;
    }
    mg_json_close(j, '}');
}

static void put_hash(struct mg_json *j, const char *key, const uint8_t hash[32])
{
    static const char hex[] = "0123456789abcdef";
    char text[64];
    for (size_t i = 0; i < 32; i++) {
        text[2 * i] = hex[hash[i] >> 4];
        text[2 * i + 1] = hex[hash[i] & 0xf];
    }
    mg_json_key(j, key);
    mg_json_str(j, text, sizeof text);
}

static int check(const struct mg_log_entry *e)
{
    char time[MG_TIME_TEXT];
    if (e->number < 1 || e->event >= MG_N_LOGBOOK_EVENTS || e->clock == '\0' ||
        strchr("UISR", e->clock) == NULL) {
        return MG_E_INVAL;
    }
    return mg_time_format(e->utc_ms, time);
}

int mg_log_entry_build(const struct mg_log_entry *e, char *buf, size_t cap,
                       size_t *ret_len)
{
    int rc = check(e);
    if (rc != MG_OK) {
        return rc;
    }
    const char clock[2] = {e->clock, '\0'};
    enum mg_log_data_kind kind = mg_log_event_data(e->event);
    struct mg_json j = mg_json_init(buf, cap);
    mg_json_open(&j, '{');
    mg_json_member_int(&j, "n", e->number);
    mg_json_member_time(&j, "ts", e->utc_ms);
    mg_json_member_str(&j, "clk", clock);
    mg_json_member_str(&j, "event", mg_log_event_text(e->event));
    if (e->meter != NULL) {
        put_text(&j, "meter", e->meter, METER_CHARS);
    }
    if (kind != MG_LOG_DATA_NONE) {
        mg_json_key(&j, "data");
        put_data(&j, kind, &e->data);
    }
    put_hash(&j, "prev", e->prev);
    mg_json_close(&j, '}');
    if (j.failed) {
        return MG_E_NOSPC;
    }
    *ret_len = j.len;
    return MG_OK;
}

int mg_log_data_build(const struct mg_log_entry *e, char *buf, size_t cap,
                      size_t *ret_len)
{
    enum mg_log_data_kind kind = mg_log_event_data(e->event);
    struct mg_json j = mg_json_init(buf, cap);
    if (kind != MG_LOG_DATA_NONE) {
        put_data(&j, kind, &e->data);
    }
    if (j.failed) {
        return MG_E_NOSPC;
    }
    *ret_len = j.len;
    return MG_OK;
}

/* ---- Reading ---- */

/* Where the texts go. */
struct reader {
    struct mg_log_entry *entry;
    char *buf;
    size_t cap;
};

static bool is_key(const struct mg_pull_item *item, const char *key)
{
    return item->key != NULL && strlen(key) == item->key_len &&
           memcmp(item->key, key, item->key_len) == 0;
}

static bool take_text(struct reader *r, const struct mg_pull_item *item,
                      const char **ret)
{
    size_t len;
    if (item->kind != MG_PULL_STRING ||
        mg_pull_unescape(item->value, item->value_len, r->buf, r->cap, &len) !=
            MG_OK) {
        return false;
    }
    *ret = r->buf;
    r->buf += len + 1;
    r->cap -= len + 1;
    return true;
}

static bool take_number(const struct mg_pull_item *item, int64_t max,
                        int64_t *ret)
{
    int64_t value = 0;
    if (item->kind != MG_PULL_NUMBER) {
        return false;
    }
    for (size_t i = 0; i < item->value_len; i++) {
        char c = item->value[i];
        if (c < '0' || c > '9' || value > (max - (c - '0')) / 10) {
            return false;
        }
        value = value * 10 + (c - '0');
    }
    *ret = value;
    return true;
}

static int nibble(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

static bool take_hash(const struct mg_pull_item *item, uint8_t ret[32])
{
    if (item->kind != MG_PULL_STRING || item->value_len != 64) {
        return false;
    }
    for (size_t i = 0; i < 32; i++) {
        int hi = nibble(item->value[2 * i]);
        int lo = nibble(item->value[2 * i + 1]);
        if (hi < 0 || lo < 0) {
            return false;
        }
        ret[i] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}

static bool take_data_member(struct reader *r, const struct mg_pull_item *item)
{
    struct mg_log_data *d = &r->entry->data;
    const struct {
        const char *key;
        const char **to;
    } texts[] = {{"udid", &d->udid},
                 {"LRSHash", &d->lrs_hash},
                 {"LRSVersion", &d->lrs_version},
                 {"newLRSVersion", &d->new_lrs_version},
                 {"session", &d->session},
                 {"old", &d->old_value},
                 {"new", &d->new_value}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (is_key(item, texts[i].key)) {
            return take_text(r, item, texts[i].to);
        }
    }
    if (is_key(item, "connector")) {
        int64_t connector = 0;
        bool is_right = take_number(item, UINT32_MAX, &connector);
        d->connector = (uint32_t)connector;
        return is_right;
    }
    d->is_activated = item->value_len == 4;
    return is_key(item, "activated") && item->kind == MG_PULL_BOOL;
}

static bool take_member(struct reader *r, const struct mg_pull_item *item)
{
    struct mg_log_entry *e = r->entry;
    if (is_key(item, "n")) {
        return take_number(item, INT64_MAX, &e->number);
    }
    if (is_key(item, "ts")) {
        return item->kind == MG_PULL_STRING &&
               mg_time_parse(item->value, item->value_len, &e->utc_ms) == MG_OK;
    }
    if (is_key(item, "clk")) {
        e->clock = (char)(item->value_len == 1 ? item->value[0] : '\0');
        return item->kind == MG_PULL_STRING;
    }
    if (is_key(item, "event")) {
        return item->kind == MG_PULL_STRING &&
               mg_log_event_find(item->value, item->value_len, &e->event) ==
                   MG_OK;
    }
    if (is_key(item, "meter")) {
        return take_text(r, item, &e->meter);
    }
    return is_key(item, "prev") && take_hash(item, e->prev);
}

static bool read_members(struct reader *r, struct mg_pull *p)
{
    struct mg_pull_item item;
    while (mg_pull_next(p, &item)) {
        bool is_right;
        if (item.kind == MG_PULL_CLOSE) {
            if (p->depth == 0) {
                return p->at == p->end;
            }
            continue; /* of `data` */
        }
        if (p->depth == 2 && item.kind == MG_PULL_OBJECT) {
            is_right = is_key(&item, "data");
        } else {
            is_right = p->depth == 2 ? take_data_member(r, &item)
                                     : take_member(r, &item);
        }
        if (!is_right) {
            return false;
        }
    }
    return false;
}

int mg_log_entry_parse(const char *text, size_t len, char buf[MG_LOG_ENTRY_MAX],
                       struct mg_log_entry *ret)
{
    struct mg_log_entry e = {.event = MG_N_LOGBOOK_EVENTS};
    struct reader r = {.entry = &e, .cap = MG_LOG_ENTRY_MAX};
    r.buf = buf;
    struct mg_pull p = mg_pull_init(text, len);
    struct mg_pull_item item;
    if (len > MG_LOG_ENTRY_MAX || !mg_pull_next(&p, &item) ||
        item.kind != MG_PULL_OBJECT || !read_members(&r, &p)) {
        return MG_E_PROTO;
    }
    /* Order, blanks, escapes, members twice or too many: all of that would be
     * written in another way. */
    char again[MG_LOG_ENTRY_MAX];
    size_t n;
    if (mg_log_entry_build(&e, again, sizeof again, &n) != MG_OK || n != len ||
        memcmp(again, text, n) != 0) {
        return MG_E_PROTO;
    }
    *ret = e;
    return MG_OK;
}
