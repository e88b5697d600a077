#include "config/value.h"

#include <stdlib.h>
#include <string.h>

#include "config/spell.h"
#include "model/json.h"

#define QUOTED_MAX 60

const char *mg_quote(const char *text, size_t len, char buf[MG_QUOTE_MAX])
{
    size_t n = len < QUOTED_MAX ? len : QUOTED_MAX;
    while (n > 0 && n < len && ((unsigned char)text[n] & 0xc0) == 0x80) {
        n--; /* not within a character */
    }
    char *p = buf;
    *p++ = '"';
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        *p++ = (char)(c < 0x20 || c == 0x7f ? '?' : c);
    }
    (void)snprintf(p, 8, "%s\"", n < len ? "..." : "");
    return buf;
}

enum mg_scalar_kind mg_node_kind(const yaml_node_t *node)
{
    if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
        return MG_SCALAR_TEXT;
    }
    return mg_scalar_kind((const char *)node->data.scalar.value,
                          node->data.scalar.length);
}

const char *mg_node_quote(const yaml_node_t *node, char buf[MG_QUOTE_MAX])
{
    const char *text = (const char *)node->data.scalar.value;
    size_t len = node->data.scalar.length;
    enum mg_scalar_kind kind = mg_node_kind(node);
    if ((kind == MG_SCALAR_INT || kind == MG_SCALAR_FLOAT) &&
        len < QUOTED_MAX) {
        (void)snprintf(buf, MG_QUOTE_MAX, "%s", text);
        return buf;
    }
    return mg_quote(text, len, buf);
}

bool mg_reader_spend(struct mg_reader *reader, const yaml_node_t *node)
{
    if (reader->n_nodes == MG_READER_NODES_MAX) {
        mg_fault_add(reader->faults, mg_yaml_place(node),
                     "the aliases unfold to too much; expected at most %d "
                     "values in all",
                     MG_READER_NODES_MAX);
    }
    if (reader->n_nodes <= MG_READER_NODES_MAX) {
        reader->n_nodes++;
    }
    return reader->n_nodes <= MG_READER_NODES_MAX;
}

const char *mg_node_scalar(struct mg_reader *reader, const yaml_node_t *node,
                           const char *name, const char *expect)
{
    if (node->type != YAML_SCALAR_NODE) {
        mg_fault_add(
            reader->faults, mg_yaml_place(node), "%s: a %s; expected %s", name,
            node->type == YAML_MAPPING_NODE ? "mapping" : "list", expect);
        return NULL;
    }
    const char *text = (const char *)node->data.scalar.value;
    for (size_t i = 0; i < node->data.scalar.length; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            mg_fault_add(reader->faults, mg_yaml_place(node),
                         "%s: a control character; expected %s", name, expect);
            return NULL;
        }
    }
    return text;
}

char *mg_reader_path(const struct mg_reader *reader, const char *path)
{
    if (path[0] == '/' || reader->folder[0] == '\0') {
        return strdup(path);
    }
    size_t cap = strlen(reader->folder) + strlen(path) + 2;
    char *joined = malloc(cap);
    if (joined != NULL) {
        (void)snprintf(joined, cap, "%s/%s", reader->folder, path);
    }
    return joined;
}

/* ---- Values ---- */

void mg_field_store(const struct mg_key *key, void *base, int64_t value)
{
    char *place = (char *)base + key->offset;
    uint8_t u8 = (uint8_t)value;
    uint16_t u16 = (uint16_t)value;
    uint32_t u32 = (uint32_t)value;
    switch (key->size) {
    case sizeof u8:
        memcpy(place, &u8, sizeof u8);
        break;
    case sizeof u16:
        memcpy(place, &u16, sizeof u16);
        break;
    case sizeof u32:
        memcpy(place, &u32, sizeof u32);
        break;
    case sizeof value:
        memcpy(place, &value, sizeof value);
        break;
    default:
        break; /* not stored by the reader */
    }
}

static bool reject(const struct mg_field *f, const char *what)
{
    char expect[MG_EXPECT_MAX];
    char quoted[MG_QUOTE_MAX];
    mg_key_expect(f->key, expect, sizeof expect);
    if (mg_node_kind(f->node) == MG_SCALAR_NULL) {
        mg_fault_add(f->reader->faults, mg_yaml_place(f->node),
                     "%s: no value; expected %s", f->key->name, expect);
    } else {
        mg_fault_add(f->reader->faults, mg_yaml_place(f->node),
                     "%s: %s %s; expected %s", f->key->name,
                     mg_node_quote(f->node, quoted), what, expect);
    }
    return false;
}

static bool reject_code(const struct mg_field *f, int code)
{
    return reject(f, code == MG_E_RANGE ? "is out of range"
                                        : "has the wrong form");
}

static bool store_checked(const struct mg_field *f, int64_t value)
{
    if (value < f->key->min || value > f->key->max) {
        return reject(f, "is out of range");
    }
    mg_field_store(f->key, f->base, value);
    return true;
}

static bool set_bool(const struct mg_field *f, const char *text)
{
    if (mg_node_kind(f->node) != MG_SCALAR_BOOL) {
        return reject(f, "is not a boolean");
    }
    mg_field_store(f->key, f->base, text[0] == 't' || text[0] == 'T');
    return true;
}

static bool set_int(const struct mg_field *f, const char *text)
{
    int64_t value = 0;
    if (mg_node_kind(f->node) != MG_SCALAR_INT) {
        return reject(f, "is not an integer");
    }
    int code = mg_scalar_int(text, f->node->data.scalar.length, &value);
    return code == MG_OK ? store_checked(f, value) : reject_code(f, code);
}

static bool set_amount(const struct mg_field *f, const char *text)
{
    int64_t value = 0;
    int64_t step = f->key->step == 0 ? 1 : f->key->step;
    int code = mg_scalar_amount(text, f->node->data.scalar.length,
                                f->key->scales, &value);
    if (code == MG_E_PROTO && f->key->scales == mg_scales_duration &&
        mg_node_kind(f->node) != MG_SCALAR_TEXT) {
        return reject(f, "has no unit");
    }
    if (code != MG_OK) {
        return reject_code(f, code);
    }
    if (value % step != 0) {
        return reject(f, "is too fine");
    }
    return store_checked(f, value / step);
}

static bool set_choice(const struct mg_field *f, const char *text)
{
    enum mg_scalar_kind kind =
        f->key->is_numeric ? MG_SCALAR_INT : MG_SCALAR_TEXT;
    if (mg_node_kind(f->node) != kind) {
        return reject(f, "is none of them");
    }
    struct mg_speller near = {.word = text, .len = f->node->data.scalar.length};
    for (const struct mg_choice *c = f->key->choices; c->text != NULL; c++) {
        if (strcmp(c->text, text) == 0) {
            mg_field_store(f->key, f->base, c->value);
            return true;
        }
        mg_speller_try(&near, c->text);
    }
    if (near.best == NULL || f->key->is_numeric) {
        return reject(f, "is unknown");
    }
    char what[128];
    (void)snprintf(what, sizeof what, "is unknown (did you mean \"%s\"?)",
                   near.best);
    return reject(f, what);
}

/* Texts are taken from quoted scalars and from plain ones that YAML does not
 * read as something else. */
static bool is_text(const struct mg_field *f)
{
    enum mg_scalar_kind kind = mg_node_kind(f->node);
    if (kind == MG_SCALAR_TEXT || kind == MG_SCALAR_NULL) {
        return kind == MG_SCALAR_TEXT || reject(f, "");
    }
    return reject(f, "without quotes is no text in YAML; put it into quotes");
}

static bool store_text(const struct mg_field *f, const char *text)
{
    size_t len = f->node->data.scalar.length;
    char *place = (char *)f->base + f->key->offset;
    bool is_pointer = f->key->is_owned || f->key->type == MG_KEY_PATH;
    size_t max =
        is_pointer || f->key->size == 0 ? MG_TEXT_MAX : f->key->size - 1U;
    if (len > max) {
        return reject(f, "is too long");
    }
    if (f->key->size == 0) {
        return true;
    }
    if (!is_pointer) {
        memcpy(place, text, len + 1);
        return true;
    }
    char *copy = f->key->type == MG_KEY_PATH ? mg_reader_path(f->reader, text)
                                             : strdup(text);
    if (copy == NULL) {
        return reject(f, "does not fit into memory");
    }
    memcpy(place, &copy, sizeof copy);
    return true;
}

static bool set_text(const struct mg_field *f, const char *text)
{
    if (!is_text(f)) {
        return false;
    }
    const char *expect = f->key->check == NULL ? NULL : f->key->check(text);
    if (expect != NULL) { /* the text may hold a password: not repeated */
        mg_fault_add(f->reader->faults, mg_yaml_place(f->node),
                     "%s: wrong form; expected %s", f->key->name, expect);
        return false;
    }
    if (f->key->type == MG_KEY_PATH && text[0] == '\0') {
        return reject(f, "is empty");
    }
    return store_text(f, text);
}

static bool set_id(const struct mg_field *f, const char *text)
{
    if (!is_text(f)) {
        return false;
    }
    size_t len = f->node->data.scalar.length;
    if (!mg_scalar_is_id(text, len) || len >= MG_ID_MAX) {
        return reject(f, len >= MG_ID_MAX ? "is too long" : "is no id");
    }
    return store_text(f, text);
}

static bool set_time(const struct mg_field *f, const char *text)
{
    int64_t utc_ms = 0;
    int code = mg_time_parse(text, f->node->data.scalar.length, &utc_ms);
    if (code != MG_OK || utc_ms <= 0) {
        return reject(f, "is no time");
    }
    mg_field_store(f->key, f->base, utc_ms);
    return true;
}

static bool set_scalar(const struct mg_field *f)
{
    char expect[MG_EXPECT_MAX];
    mg_key_expect(f->key, expect, sizeof expect);
    const char *text = mg_node_scalar(f->reader, f->node, f->key->name, expect);
    if (text == NULL) {
        return false;
    }
    switch (f->key->type) {
    case MG_KEY_BOOL:
        return set_bool(f, text);
    case MG_KEY_INT:
        return set_int(f, text);
    case MG_KEY_AMOUNT:
        return set_amount(f, text);
    case MG_KEY_CHOICE:
        return set_choice(f, text);
    case MG_KEY_ID:
        return set_id(f, text);
    case MG_KEY_TIME:
        return set_time(f, text);
    default:
        return set_text(f, text);
    }
}

/* Sections and lists are only looked at from outside here. */
static bool check_collection(const struct mg_field *f)
{
    bool is_list = f->key->type == MG_KEY_LIST || f->key->type == MG_KEY_NAMES;
    yaml_node_type_t type = is_list ? YAML_SEQUENCE_NODE : YAML_MAPPING_NODE;
    if (f->node->type == type) {
        return true;
    }
    if (f->node->type == YAML_SCALAR_NODE) {
        return reject(f, "is a single value");
    }
    char expect[MG_EXPECT_MAX];
    mg_key_expect(f->key, expect, sizeof expect);
    mg_fault_add(f->reader->faults, mg_yaml_place(f->node),
                 "%s: a %s; expected %s", f->key->name,
                 is_list ? "mapping" : "list", expect);
    return false;
}

bool mg_field_set(const struct mg_field *f)
{
    return f->key->type < MG_KEY_SECTION ? set_scalar(f) : check_collection(f);
}
