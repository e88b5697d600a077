/* The text as a tree of nodes with their places, by libyaml; bounded. */
#ifndef MG_CONFIG_YAML_DOC_H
#define MG_CONFIG_YAML_DOC_H

#include <yaml.h>

#include "config/faults.h"

#define MG_YAML_DEPTH_MAX   32
#define MG_YAML_ANCHORS_MAX 1000

/** Read one document. Refused with a fault: syntax errors, an empty file, a
 *  second document, tags, deep nesting, an alias within its own anchor.
 *  @param ret_doc  to be deleted with yaml_document_delete; set on success
 *  @return MG_OK, MG_E_PROTO */
int mg_yaml_read(const char *text, size_t len, struct mg_faults *faults,
                 yaml_document_t *ret_doc);

/** Place of a node; NULL = the start of the file. */
struct mg_setup_place mg_yaml_place(const yaml_node_t *node);

#endif
