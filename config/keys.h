/* The one table of keys: it drives the reader, the table of keys in README.md
 * and the JSON Schema. To add a key, add a row in keys.c or, for signed
 * charging, keys_session.c. */
#ifndef MG_CONFIG_KEYS_H
#define MG_CONFIG_KEYS_H

#include <stdio.h>

#include "config/scalar.h"
#include "run/setup.h"

#define MG_SECTION_KEYS_MAX 24
#define MG_TEXT_MAX         4095 /* of a text or path */

enum mg_key_type {
    MG_KEY_BOOL,
    MG_KEY_INT,
    MG_KEY_AMOUNT,  /* a number with a unit, see `scales` */
    MG_KEY_CHOICE,  /* one of `choices` */
    MG_KEY_ID,      /* into char[size] */
    MG_KEY_TEXT,    /* into char[size], or an owned copy if is_owned */
    MG_KEY_PATH,    /* owned; relative to the folder of the file */
    MG_KEY_TIME,    /* UTC ms */
    MG_KEY_SECTION, /* a mapping of `section` */
    MG_KEY_LIST,    /* a list of such mappings, 1..max */
    MG_KEY_NAMES,   /* a list of texts */
    MG_KEY_OPTIONS  /* a mapping that the meter's model describes */
};

struct mg_choice {
    const char *text;
    int64_t value;
};

struct mg_section;

struct mg_key {
    const char *name;
    enum mg_key_type type;
    /* Bit set of the values of the section's `type` key that have this key;
     * 0 = all. */
    uint32_t for_types;
    bool is_required;
    bool is_numeric;       /* CHOICE: the choices are numbers */
    bool is_owned;         /* TEXT: stored as char *, to be freed */
    uint16_t offset, size; /* of the field; size 0: not stored by the reader */
    int64_t def, min, max; /* in units of the field */
    const char *def_literal; /* TEXT, PATH: the default, stored */
    /* Default in words where it is not a constant, "" = none. A key with none
     * of these and not required has `def`. */
    const char *def_text;
    const struct mg_scale *scales; /* AMOUNT */
    int64_t step;                  /* AMOUNT: base units per unit of field;
                                    * 0 = 1 */
    const struct mg_choice *choices;
    /* TEXT: optional; what would be right, or NULL when the text is. */
    const char *(*check)(const char *text);
    const struct mg_section *section;
    const char *help;
};

struct mg_section {
    const char *name; /* in messages: "mqtt", "bus" */
    const char *help;
    const struct mg_key *keys;
    size_t n_keys;
};

extern const struct mg_section mg_section_root;
extern const struct mg_section mg_section_broker; /* keys.c */
/* keys_session.c */
extern const struct mg_section mg_section_session, mg_section_station,
    mg_section_everest;

/** @return index of the key or n_keys */
size_t mg_section_find(const struct mg_section *section, const char *name,
                       size_t len);

/** The section of a key of the root. */
const struct mg_section *mg_section_of(const char *key);

/** The key `type` of a section that has kinds with keys of their own, or
 *  NULL. */
const struct mg_key *mg_section_discriminator(const struct mg_section *section);

/** What a value has to be: "an integer from 1 to 65535". */
void mg_key_expect(const struct mg_key *key, char *buf, size_t cap);

/** The default as the file would say it; "" when there is none. */
void mg_key_default(const struct mg_key *key, char *buf, size_t cap);

/** Write the table of keys of README.md. */
void mg_keys_document(FILE *out);

#endif
