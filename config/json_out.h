/* Writes indented JSON to a stream; for the schema. */
#ifndef MG_CONFIG_JSON_OUT_H
#define MG_CONFIG_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct mg_json_out {
    FILE *out;
    unsigned depth;
    bool has_item; /* a comma is due */
};

/** @param key  NULL in arrays and at the top */
void mg_json_out_open(struct mg_json_out *j, const char *key, char bracket);
void mg_json_out_close(struct mg_json_out *j, char bracket);
void mg_json_out_str(struct mg_json_out *j, const char *key, const char *text);
void mg_json_out_int(struct mg_json_out *j, const char *key, int64_t value);
void mg_json_out_bool(struct mg_json_out *j, const char *key, bool value);

#endif
