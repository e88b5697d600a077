/* "unknown key "hots"; did you mean "host"?", or what is known. */
#ifndef MG_CONFIG_KNOWN_H
#define MG_CONFIG_KNOWN_H

#include "config/spell.h"
#include "config/value.h"

#define MG_KNOWN_MAX 300

/** The names that would be right, with the nearest to what was written. */
struct mg_known {
    struct mg_speller near;
    char text[MG_KNOWN_MAX];
    size_t used;
    bool is_cut;
};

struct mg_known mg_known_init(const yaml_node_t *written);
void mg_known_add(struct mg_known *known, const char *name);
void mg_known_report(struct mg_reader *reader, const yaml_node_t *written,
                     const char *what, const struct mg_known *known);

#endif
