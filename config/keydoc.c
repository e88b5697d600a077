/* The keys in words: for messages and for README.md. */
#include <inttypes.h>
#include <string.h>

#include "config/keys.h"
#include "config/scenario.h"
#include "config/scenario_keys.h"

#define WORDS_MAX 200

static const char *amount_noun(const struct mg_scale *scales)
{
    if (scales == mg_scales_duration) {
        return "a duration";
    }
    if (scales == mg_scales_size) {
        return "a size";
    }
    if (scales == mg_scales_voltage) {
        return "a voltage";
    }
    if (scales == mg_scales_current) {
        return "a current";
    }
    return scales == mg_scales_frequency ? "a frequency" : "a number";
}

static void print_amount(const struct mg_key *key, int64_t value, char *buf,
                         size_t cap)
{
    int64_t step = key->step == 0 ? 1 : key->step;
    mg_scalar_print(value * step, key->scales, buf, cap);
}

static void expect_amount(const struct mg_key *key, char *buf, size_t cap)
{
    char min[32];
    char max[32];
    print_amount(key, key->min, min, sizeof min);
    print_amount(key, key->max, max, sizeof max);
    bool is_duration = key->scales == mg_scales_duration;
    (void)snprintf(buf, cap, "%s from %s to %s%s", amount_noun(key->scales),
                   min, max, is_duration ? " (unit ms, s, m or h)" : "");
}

static void expect_choice(const struct mg_key *key, char *buf, size_t cap)
{
    size_t used = (size_t)snprintf(buf, cap, "one of ");
    for (const struct mg_choice *c = key->choices; c->text != NULL; c++) {
        if (used < cap) {
            used += (size_t)snprintf(buf + used, cap - used, "%s%s",
                                     c == key->choices ? "" : ", ", c->text);
        }
    }
}

void mg_key_expect(const struct mg_key *key, char *buf, size_t cap)
{
    switch (key->type) {
    case MG_KEY_INT:
        if (key->max == INT64_MAX) {
            (void)snprintf(buf, cap, "an integer of at least %" PRId64,
                           key->min);
        } else {
            (void)snprintf(buf, cap, "an integer from %" PRId64 " to %" PRId64,
                           key->min, key->max);
        }
        break;
    case MG_KEY_AMOUNT:
        expect_amount(key, buf, cap);
        break;
    case MG_KEY_CHOICE:
        expect_choice(key, buf, cap);
        break;
    case MG_KEY_LIST:
        (void)snprintf(buf, cap, "a list of 1 to %" PRId64 " entries",
                       key->max);
        break;
    case MG_KEY_ID:
        (void)snprintf(buf, cap,
                       "an id of a-z, 0-9, _ and -, at most %d characters",
                       MG_ID_MAX - 1);
        break;
    case MG_KEY_TEXT:
        (void)snprintf(buf, cap, "a text of at most %d characters",
                       key->is_owned || key->size == 0 ? MG_TEXT_MAX
                                                       : key->size - 1);
        break;
    default: {
        static const char *const words[] = {
            [MG_KEY_BOOL] = "true or false",
            [MG_KEY_PATH] = "a path",
            [MG_KEY_TIME] = "a time such as 2025-01-31T23:55:00Z",
            [MG_KEY_SECTION] = "a section with keys of its own",
            [MG_KEY_NAMES] = "a list of texts",
            [MG_KEY_OPTIONS] = "a section with the options of the model"};
        (void)snprintf(buf, cap, "%s", words[key->type]);
    }
    }
}

void mg_key_default(const struct mg_key *key, char *buf, size_t cap)
{
    if (key->is_required) {
        (void)snprintf(buf, cap, "required");
    } else if (key->def_text != NULL) {
        (void)snprintf(buf, cap, "%s", key->def_text);
    } else if (key->def_literal != NULL) {
        (void)snprintf(buf, cap, "%s", key->def_literal);
    } else if (key->type == MG_KEY_BOOL) {
        (void)snprintf(buf, cap, "%s", key->def != 0 ? "true" : "false");
    } else if (key->type == MG_KEY_AMOUNT) {
        print_amount(key, key->def, buf, cap);
    } else {
        (void)snprintf(buf, cap, "%" PRId64, key->def);
    }
}

static void document_types(const struct mg_section *section,
                           const struct mg_key *key, FILE *out)
{
    const struct mg_key *types = mg_section_discriminator(section);
    if (types == NULL || key->for_types == 0) {
        return;
    }
    const char *separator = " Only ";
    for (const struct mg_choice *c = types->choices; c->text != NULL; c++) {
        if ((key->for_types >> c->value & 1) != 0) {
            (void)fprintf(out, "%s%s", separator, c->text);
            separator = ", ";
        }
    }
    (void)fputc('.', out);
}

static void document_section(const struct mg_section *section, const char *name,
                             FILE *out)
{
    (void)fprintf(out,
                  "### %s\n\n%s\n\n| key | value | default | meaning |\n"
                  "|---|---|---|---|\n",
                  name, section->help);
    for (size_t i = 0; i < section->n_keys; i++) {
        const struct mg_key *key = &section->keys[i];
        char expect[WORDS_MAX];
        char def[WORDS_MAX];
        mg_key_expect(key, expect, sizeof expect);
        mg_key_default(key, def, sizeof def);
        (void)fprintf(out, "| `%s` | %s | %s | %s", key->name, expect, def,
                      key->help);
        document_types(section, key, out);
        (void)fputs(" |\n", out);
    }
    (void)fputc('\n', out);
}

static void document(const struct mg_section *root, FILE *out)
{
    document_section(root, "The file", out);
    for (size_t i = 0; i < root->n_keys; i++) {
        const struct mg_section *section = root->keys[i].section;
        if (section == NULL) {
            continue;
        }
        document_section(section, root->keys[i].name, out);
        for (size_t j = 0; j < section->n_keys; j++) {
            if (section->keys[j].section != NULL) {
                char name[64];
                (void)snprintf(name, sizeof name, "%s: %s", root->keys[i].name,
                               section->keys[j].name);
                document_section(section->keys[j].section, name, out);
            }
        }
    }
}

void mg_keys_document(FILE *out)
{
    document(&mg_section_root, out);
}

void mg_scenario_document(FILE *out)
{
    document(&mg_section_scenario, out);
}
