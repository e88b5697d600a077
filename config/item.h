/* Reads one mapping of the file into a struct, as its table of keys says. */
#ifndef MG_CONFIG_ITEM_H
#define MG_CONFIG_ITEM_H

#include "config/value.h"

/** A mapping that was read: where each key stands, and which are right. */
struct mg_item {
    const struct mg_section *section; /* NULL: the mapping is not there */
    const yaml_node_t *node;
    const yaml_node_t *keys[MG_SECTION_KEYS_MAX];
    const yaml_node_t *values[MG_SECTION_KEYS_MAX];
    uint32_t good;  /* bit set of keys with a right value */
    uint32_t meant; /* bit set of keys that an unknown one was likely to be */
};

/** Fill `base` with the defaults of the section. */
void mg_item_defaults(const struct mg_section *section, void *base);

/** Read a mapping over the defaults; every fault is noted.
 *  @param base     the struct that the section's fields are in; its owned
 *                  texts are NULL
 *  @param ret_item zeroed by the caller */
void mg_item_read(struct mg_reader *reader, const struct mg_section *section,
                  const yaml_node_t *node, void *base,
                  struct mg_item *ret_item);

/** Value node of a key; NULL when it is not given. */
const yaml_node_t *mg_item_value(const struct mg_item *item, const char *key);

/** The key was given with a right value. */
bool mg_item_has(const struct mg_item *item, const char *key);

/** The key was given, but is wrong. */
bool mg_item_is_bad(const struct mg_item *item, const char *key);

/** Place of a key's value, or of the item when it is not given. */
struct mg_setup_place mg_item_place(const struct mg_item *item,
                                    const char *key);

/** The text of a TEXT, ID or PATH key that is right; else NULL. */
const char *mg_item_text(const struct mg_item *item, const char *key);

#endif
