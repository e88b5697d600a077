#include "config/item.h"

#include <string.h>

#include "config/known.h"

void mg_item_defaults(const struct mg_section *section, void *base)
{
    for (size_t i = 0; i < section->n_keys; i++) {
        const struct mg_key *key = &section->keys[i];
        char *place = (char *)base + key->offset;
        if (key->def_literal != NULL && key->type == MG_KEY_TEXT) {
            (void)snprintf(place, key->size, "%s", key->def_literal);
        } else if (key->type <= MG_KEY_CHOICE) {
            mg_field_store(key, base, key->def);
        }
    }
}

static void report_unknown(struct mg_reader *reader, struct mg_item *item,
                           const yaml_node_t *node)
{
    const struct mg_section *section = item->section;
    struct mg_known known = mg_known_init(node);
    for (size_t i = 0; i < section->n_keys; i++) {
        mg_known_add(&known, section->keys[i].name);
    }
    if (known.near.best != NULL) {
        size_t i =
            mg_section_find(section, known.near.best, strlen(known.near.best));
        item->meant |= 1U << i;
    }
    mg_known_report(reader, node, "key", &known);
}

static void read_pair(struct mg_reader *reader, struct mg_item *item,
                      const yaml_node_t *name, const yaml_node_t *value,
                      void *base)
{
    const struct mg_section *section = item->section;
    if (mg_node_scalar(reader, name, section->name, "keys that are words") ==
        NULL) {
        return;
    }
    size_t i = mg_section_find(section, (const char *)name->data.scalar.value,
                               name->data.scalar.length);
    if (i == section->n_keys) {
        report_unknown(reader, item, name);
        return;
    }
    if (item->keys[i] != NULL) {
        mg_fault_add(reader->faults, mg_yaml_place(name),
                     "duplicate key \"%s\"; it stands in line %u already",
                     section->keys[i].name, mg_yaml_place(item->keys[i]).line);
        return;
    }
    item->keys[i] = name;
    item->values[i] = value;
    struct mg_field f = {reader, &section->keys[i], value, base};
    item->good |= mg_field_set(&f) ? 1U << i : 0;
}

/* Keys that this kind of item must have, or must not have. */
static void check_kind(struct mg_reader *reader, const struct mg_item *item,
                       const void *base)
{
    const struct mg_section *section = item->section;
    const struct mg_key *types = mg_section_discriminator(section);
    uint32_t kind = UINT32_MAX; /* not known: any */
    const char *kind_name = section->name;
    if (types != NULL && mg_item_has(item, "type")) {
        int32_t type = 0; /* enums are stored in four bytes */
        memcpy(&type, (const char *)base + types->offset, sizeof type);
        kind = 1U << type;
        kind_name = mg_item_text(item, "type");
    }
    for (size_t i = 0; i < section->n_keys; i++) {
        const struct mg_key *key = &section->keys[i];
        bool applies = key->for_types == 0 || (key->for_types & kind) != 0;
        bool is_due = key->for_types == 0 || (applies && kind != UINT32_MAX);
        if (!applies && item->keys[i] != NULL) {
            mg_fault_add(reader->faults, mg_yaml_place(item->keys[i]),
                         "%s has no effect with type %s; expected it to be "
                         "left out",
                         key->name, kind_name);
        }
        bool is_meant = (item->meant >> i & 1) != 0;
        if (key->is_required && is_due && item->keys[i] == NULL && !is_meant) {
            char expect[MG_EXPECT_MAX];
            mg_key_expect(key, expect, sizeof expect);
            mg_fault_add(reader->faults, mg_yaml_place(item->node),
                         "%s: required key \"%s\" is missing; expected %s",
                         section->name, key->name, expect);
        }
    }
}

static void set_literals(struct mg_reader *reader, const struct mg_item *item,
                         void *base)
{
    for (size_t i = 0; i < item->section->n_keys; i++) {
        const struct mg_key *key = &item->section->keys[i];
        if (key->type != MG_KEY_PATH || key->def_literal == NULL ||
            item->keys[i] != NULL) {
            continue;
        }
        char *copy = mg_reader_path(reader, key->def_literal);
        memcpy((char *)base + key->offset, &copy, sizeof copy);
    }
}

void mg_item_read(struct mg_reader *reader, const struct mg_section *section,
                  const yaml_node_t *node, void *base, struct mg_item *ret_item)
{
    mg_item_defaults(section, base);
    ret_item->section = section;
    ret_item->node = node;
    if (node->type != YAML_MAPPING_NODE) {
        mg_fault_add(reader->faults, mg_yaml_place(node),
                     "%s: no mapping; expected \"key: value\" lines, the first "
                     "\"%s: ...\"",
                     section->name, section->keys[0].name);
        return;
    }
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *value =
            yaml_document_get_node(reader->doc, pair->value);
        const yaml_node_t *name =
            yaml_document_get_node(reader->doc, pair->key);
        if (!mg_reader_spend(reader, name)) {
            return;
        }
        read_pair(reader, ret_item, name, value, base);
    }
    set_literals(reader, ret_item, base);
    check_kind(reader, ret_item, base);
}

static size_t index_of(const struct mg_item *item, const char *key)
{
    size_t i = item->section == NULL
                   ? MG_SECTION_KEYS_MAX
                   : mg_section_find(item->section, key, strlen(key));
    return item->section == NULL || i == item->section->n_keys
               ? MG_SECTION_KEYS_MAX
               : i;
}

const yaml_node_t *mg_item_value(const struct mg_item *item, const char *key)
{
    size_t i = index_of(item, key);
    return i == MG_SECTION_KEYS_MAX ? NULL : item->values[i];
}

bool mg_item_has(const struct mg_item *item, const char *key)
{
    size_t i = index_of(item, key);
    return i < MG_SECTION_KEYS_MAX && (item->good >> i & 1) != 0;
}

bool mg_item_is_bad(const struct mg_item *item, const char *key)
{
    return mg_item_value(item, key) != NULL && !mg_item_has(item, key);
}

struct mg_setup_place mg_item_place(const struct mg_item *item, const char *key)
{
    const yaml_node_t *value = mg_item_value(item, key);
    return mg_yaml_place(value == NULL ? item->node : value);
}

const char *mg_item_text(const struct mg_item *item, const char *key)
{
    return mg_item_has(item, key)
               ? (const char *)mg_item_value(item, key)->data.scalar.value
               : NULL;
}
