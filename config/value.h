/* One value of the file: checked against its row of the table, then stored. */
#ifndef MG_CONFIG_VALUE_H
#define MG_CONFIG_VALUE_H

#include "config/faults.h"
#include "config/keys.h"
#include "config/yaml_doc.h"

/* Nodes that are looked at, counting repeats by aliases. */
#define MG_READER_NODES_MAX 1000000
#define MG_EXPECT_MAX       200

struct mg_reader {
    yaml_document_t *doc;     /* borrowed */
    struct mg_faults *faults; /* borrowed */
    const char *folder;       /* of the file; borrowed; "" = the current one */
    size_t n_nodes;
};

/** A value on its way into its field. */
struct mg_field {
    struct mg_reader *reader;
    const struct mg_key *key;
    const yaml_node_t *node;
    void *base; /* the struct that the field is in */
};

/** Check and store; sections and lists are only looked at from outside.
 *  @return false: a fault was noted, nothing is stored */
bool mg_field_set(const struct mg_field *field);

/** Store a number into the field of a key, as wide as that is. */
void mg_field_store(const struct mg_key *key, void *base, int64_t value);

/** Count a node. @return false, with a fault at the first time, when the file
 *  unfolds to too many. */
bool mg_reader_spend(struct mg_reader *reader, const yaml_node_t *node);

/** A path as the program has to open it; owned. NULL: out of memory. */
char *mg_reader_path(const struct mg_reader *reader, const char *path);

/** Text of any scalar. NULL with a fault: not a scalar, or it holds control
 *  characters. */
const char *mg_node_scalar(struct mg_reader *reader, const yaml_node_t *node,
                           const char *name, const char *expect);

/** Kind of a scalar node; a quoted one is TEXT. */
enum mg_scalar_kind mg_node_kind(const yaml_node_t *node);

#define MG_QUOTE_MAX 80
/** A text for a message: quoted, cut, without control characters. */
const char *mg_quote(const char *text, size_t len, char buf[MG_QUOTE_MAX]);
const char *mg_node_quote(const yaml_node_t *node, char buf[MG_QUOTE_MAX]);

#endif
