/* The JSON Schema of the configuration, for editors, from the table of keys
 * and the tables of the loaded models. */
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/json_out.h"
#include "config/keys.h"
#include "config/load.h"
#include "config/scenario.h"
#include "config/scenario_keys.h"

#define DIALECT "https://json-schema.org/draft/2020-12/schema"
#define NUMBER  "[0-9]+(\\.[0-9]+)?"

struct schema {
    struct mg_json_out j;
    const struct mg_plugins *plugins;
};

/* ---- Values ---- */

static void write_amount(struct mg_json_out *j, const struct mg_key *key)
{
    char pattern[128] = "";
    size_t used = 0;
    const struct mg_scale *bare = NULL;
    for (const struct mg_scale *s = key->scales; s->name != NULL; s++) {
        if (s->name[0] == '\0') {
            bare = s;
        } else if (used < sizeof pattern) {
            used += (size_t)snprintf(pattern + used, sizeof pattern - used,
                                     "%s%s", used == 0 ? "" : "|", s->name);
        }
    }
    char text[256];
    (void)snprintf(text, sizeof text, "^-?" NUMBER " ?(%s)$", pattern);
    mg_json_out_open(j, "anyOf", '[');
    if (used > 0) {
        mg_json_out_open(j, NULL, '{');
        mg_json_out_str(j, "type", "string");
        mg_json_out_str(j, "pattern", text);
        mg_json_out_close(j, '}');
    }
    if (bare != NULL) {
        /* Limits that are whole numbers of the bare unit; all are. */
        mg_json_out_open(j, NULL, '{');
        mg_json_out_str(j, "type", "number");
        mg_json_out_int(j, "minimum", key->min / bare->scale);
        mg_json_out_int(j, "maximum", key->max / bare->scale);
        mg_json_out_close(j, '}');
    }
    mg_json_out_close(j, ']');
}

static void write_choices(struct mg_json_out *j, const struct mg_key *key)
{
    mg_json_out_open(j, "enum", '[');
    for (const struct mg_choice *c = key->choices; c->text != NULL; c++) {
        if (key->is_numeric) {
            mg_json_out_int(j, NULL, c->value);
        } else {
            mg_json_out_str(j, NULL, c->text);
        }
    }
    mg_json_out_close(j, ']');
}

static void write_int(struct mg_json_out *j, const struct mg_key *key)
{
    mg_json_out_str(j, "type", "integer");
    mg_json_out_int(j, "minimum", key->min);
    mg_json_out_int(j, "maximum", key->max);
}

static void write_text(struct mg_json_out *j, const struct mg_key *key)
{
    bool is_field = key->size > 0 && !key->is_owned && key->type != MG_KEY_PATH;
    mg_json_out_str(j, "type", "string");
    mg_json_out_int(j, "maxLength", is_field ? key->size - 1 : MG_TEXT_MAX);
    if (key->type == MG_KEY_PATH || key->check != NULL) {
        mg_json_out_int(j, "minLength", 1);
    }
}

static void write_scalar(struct mg_json_out *j, const struct mg_key *key)
{
    switch (key->type) {
    case MG_KEY_BOOL:
        mg_json_out_str(j, "type", "boolean");
        break;
    case MG_KEY_INT:
        write_int(j, key);
        break;
    case MG_KEY_AMOUNT:
        write_amount(j, key);
        break;
    case MG_KEY_CHOICE:
        write_choices(j, key);
        break;
    case MG_KEY_ID:
        mg_json_out_str(j, "type", "string");
        mg_json_out_str(j, "pattern", "^[a-z0-9][a-z0-9_-]*$");
        mg_json_out_int(j, "maxLength", MG_ID_MAX - 1);
        break;
    case MG_KEY_TIME:
        mg_json_out_str(j, "type", "string");
        mg_json_out_str(j, "pattern", "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]");
        break;
    default:
        write_text(j, key);
    }
}

static void write_description(struct mg_json_out *j, const struct mg_key *key)
{
    char def[128];
    char text[320];
    mg_key_default(key, def, sizeof def);
    bool has_default = !key->is_required && def[0] != '\0';
    (void)snprintf(text, sizeof text, "%s%s%s%s", key->help,
                   has_default ? " Default: " : "", has_default ? def : "",
                   has_default ? "." : "");
    mg_json_out_str(j, "description", text);
}

static void write_models(struct schema *s, const char *key)
{
    mg_json_out_open(&s->j, key, '[');
    for (size_t i = 0; i < s->plugins->n; i++) {
        mg_json_out_str(&s->j, NULL, s->plugins->loaded[i].plugin->model);
    }
    mg_json_out_close(&s->j, ']');
}

/* ---- Sections ---- */

static void write_required(struct mg_json_out *j,
                           const struct mg_section *section, uint32_t for_types)
{
    mg_json_out_open(j, "required", '[');
    for (size_t i = 0; i < section->n_keys; i++) {
        const struct mg_key *key = &section->keys[i];
        bool is_meant = for_types == 0 ? key->for_types == 0
                                       : (key->for_types & for_types) != 0;
        if (key->is_required && is_meant) {
            mg_json_out_str(j, NULL, key->name);
        }
    }
    mg_json_out_close(j, ']');
}

/* if: this key has this value; the caller writes `then` and closes. */
static void open_condition(struct mg_json_out *j, const char *key,
                           const char *value)
{
    mg_json_out_open(j, NULL, '{');
    mg_json_out_open(j, "if", '{');
    mg_json_out_open(j, "properties", '{');
    mg_json_out_open(j, key, '{');
    mg_json_out_str(j, "const", value);
    mg_json_out_close(j, '}');
    mg_json_out_close(j, '}');
    mg_json_out_open(j, "required", '[');
    mg_json_out_str(j, NULL, key);
    mg_json_out_close(j, ']');
    mg_json_out_close(j, '}');
    mg_json_out_open(j, "then", '{');
}

static void close_condition(struct mg_json_out *j)
{
    mg_json_out_close(j, '}');
    mg_json_out_close(j, '}');
}

/* What the kinds of a section require and do not have. */
static void write_kinds(struct mg_json_out *j, const struct mg_section *section)
{
    const struct mg_key *types = mg_section_discriminator(section);
    mg_json_out_open(j, "allOf", '[');
    for (const struct mg_choice *c = types->choices; c->text != NULL; c++) {
        uint32_t kind = 1U << c->value;
        open_condition(j, types->name, c->text);
        write_required(j, section, kind);
        mg_json_out_open(j, "properties", '{');
        for (size_t i = 0; i < section->n_keys; i++) {
            uint32_t mask = section->keys[i].for_types;
            if (mask != 0 && (mask & kind) == 0) {
                mg_json_out_bool(j, section->keys[i].name, false);
            }
        }
        mg_json_out_close(j, '}');
        close_condition(j);
    }
    mg_json_out_close(j, ']');
}

/* ---- Models ---- */

static bool is_number(const char *text)
{
    enum mg_scalar_kind kind = mg_scalar_kind(text, strlen(text));
    return kind == MG_SCALAR_INT;
}

static void write_option_choices(struct mg_json_out *j,
                                 const struct mg_option *option)
{
    mg_json_out_open(j, "enum", '[');
    for (const char *const *c = option->choices; *c != NULL; c++) {
        mg_json_out_str(j, NULL, *c);
        int64_t number = 0;
        if (is_number(*c) && mg_scalar_int(*c, strlen(*c), &number) == MG_OK) {
            mg_json_out_int(j, NULL, number); /* as written without quotes */
        }
    }
    mg_json_out_close(j, ']');
}

static void write_option(struct mg_json_out *j, const struct mg_option *option)
{
    mg_json_out_open(j, option->name, '{');
    mg_json_out_str(j, "description", option->help);
    switch (option->type) {
    case MG_OPTION_BOOL:
        mg_json_out_str(j, "type", "boolean");
        break;
    case MG_OPTION_INT:
        mg_json_out_str(j, "type", "integer");
        mg_json_out_int(j, "minimum", option->min);
        mg_json_out_int(j, "maximum", option->max);
        break;
    case MG_OPTION_ENUM:
        write_option_choices(j, option);
        break;
    case MG_OPTION_TEXT:
        mg_json_out_str(j, "type", "string");
        mg_json_out_int(j, "maxLength", option->size - 1);
        break;
    }
    mg_json_out_close(j, '}');
}

static void write_options(struct mg_json_out *j, const struct mg_plugin *plugin)
{
    mg_json_out_open(j, "options", '{');
    mg_json_out_open(j, "properties", '{');
    for (size_t i = 0; i < plugin->n_options; i++) {
        write_option(j, &plugin->options[i]);
    }
    mg_json_out_close(j, '}');
    mg_json_out_open(j, "required", '[');
    for (size_t i = 0; i < plugin->n_options; i++) {
        if (plugin->options[i].is_required) {
            mg_json_out_str(j, NULL, plugin->options[i].name);
        }
    }
    mg_json_out_close(j, ']');
    mg_json_out_bool(j, "additionalProperties", false);
    mg_json_out_close(j, '}');
}

static bool has_required_option(const struct mg_plugin *plugin)
{
    for (size_t i = 0; i < plugin->n_options; i++) {
        if (plugin->options[i].is_required) {
            return true;
        }
    }
    return false;
}

static void write_verbs(struct mg_json_out *j, const struct mg_driver *driver)
{
    mg_json_out_open(j, "allow", '{');
    mg_json_out_open(j, "items", '{');
    mg_json_out_open(j, "enum", '[');
    for (size_t i = 0; driver != NULL && i < driver->n_procedures; i++) {
        if ((driver->procedures[i].flags & MG_PROC_SESSION) == 0) {
            mg_json_out_str(j, NULL, driver->procedures[i].verb);
        }
    }
    for (size_t i = 0; mg_load_session_verb(i) != NULL; i++) {
        mg_json_out_str(j, NULL, mg_load_session_verb(i));
    }
    mg_json_out_close(j, ']');
    mg_json_out_close(j, '}');
    mg_json_out_close(j, '}');
}

static void write_model_conditions(struct schema *s)
{
    struct mg_json_out *j = &s->j;
    mg_json_out_open(j, "allOf", '[');
    for (size_t i = 0; i < s->plugins->n; i++) {
        const struct mg_plugin *plugin = s->plugins->loaded[i].plugin;
        open_condition(j, "model", plugin->model);
        if (has_required_option(plugin)) {
            mg_json_out_open(j, "required", '[');
            mg_json_out_str(j, NULL, "options");
            mg_json_out_close(j, ']');
        }
        mg_json_out_open(j, "properties", '{');
        write_options(j, plugin);
        write_verbs(j, plugin->driver);
        mg_json_out_close(j, '}');
        close_condition(j);
    }
    mg_json_out_close(j, ']');
}

/* ---- The tree; three levels deep, as the table is ---- */

static void write_section(struct schema *s, const struct mg_section *section,
                          void (*nested)(struct schema *s,
                                         const struct mg_key *key))
{
    struct mg_json_out *j = &s->j;
    mg_json_out_str(j, "type", "object");
    mg_json_out_open(j, "properties", '{');
    for (size_t i = 0; i < section->n_keys; i++) {
        const struct mg_key *key = &section->keys[i];
        mg_json_out_open(j, key->name, '{');
        write_description(j, key);
        if (key->type < MG_KEY_SECTION) {
            write_scalar(j, key);
        } else if (nested != NULL) {
            nested(s, key);
        }
        if (strcmp(key->name, "model") == 0) {
            write_models(s, "enum");
        }
        mg_json_out_close(j, '}');
    }
    mg_json_out_close(j, '}');
    write_required(j, section, 0);
    mg_json_out_bool(j, "additionalProperties", false);
    if (mg_section_discriminator(section) != NULL) {
        write_kinds(j, section);
    }
}

/* The caller writes an entry and closes. */
static void open_list(struct mg_json_out *j, const struct mg_key *key)
{
    mg_json_out_str(j, "type", "array");
    mg_json_out_int(j, "minItems", 1);
    mg_json_out_int(j, "maxItems", key->max);
    mg_json_out_open(j, "items", '{');
}

/* Inside an entry: a section, a list of sections or names, or options. */
static void write_inner(struct schema *s, const struct mg_key *key)
{
    struct mg_json_out *j = &s->j;
    if (key->type == MG_KEY_SECTION) {
        write_section(s, key->section, NULL);
    } else if (key->type == MG_KEY_LIST) {
        open_list(j, key);
        write_section(s, key->section, NULL);
        mg_json_out_close(j, '}');
    } else if (key->type == MG_KEY_NAMES) {
        mg_json_out_str(j, "type", "array");
        mg_json_out_bool(j, "uniqueItems", true);
    } else {
        mg_json_out_str(j, "type", "object");
    }
}

static void write_outer(struct schema *s, const struct mg_key *key)
{
    struct mg_json_out *j = &s->j;
    if (key->type == MG_KEY_SECTION) {
        write_section(s, key->section, write_inner);
        return;
    }
    open_list(j, key);
    write_section(s, key->section, write_inner);
    if (key->section == mg_section_of("meters")) {
        write_model_conditions(s);
    }
    mg_json_out_close(j, '}');
}

static void write_schema(const struct mg_section *root, const char *title,
                         const struct mg_plugins *plugins, FILE *out)
{
    struct schema s = {.j = {.out = out}, .plugins = plugins};
    mg_json_out_open(&s.j, NULL, '{');
    mg_json_out_str(&s.j, "$schema", DIALECT);
    mg_json_out_str(&s.j, "title", title);
    write_section(&s, root, write_outer);
    mg_json_out_close(&s.j, '}');
    (void)fputc('\n', out);
}

void mg_config_schema(const struct mg_plugins *plugins, FILE *out)
{
    write_schema(&mg_section_root, "metergate configuration", plugins, out);
}

void mg_scenario_schema(FILE *out)
{
    static const struct mg_plugins none = {0};
    write_schema(&mg_section_scenario, "metergate scenario", &none, out);
}
