/* metergate models: what meter models there are and what each can do. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/app.h"
#include "cli/cli.h"
#include "model/channel.h"
#include "model/json.h"
#include "model/points.h"

#define MODELS_JSON_MAX ((size_t)256 * 1024)

static void help(void)
{
    (void)printf("Usage: metergate models [--json] [MODEL]\n\n"
                 "List the meter models: vendor, bus, options, commands and "
                 "channels.\n\n"
                 "  --json   for programs\n"
                 "  --help   this text\n\n"
                 "Example: metergate models kpm31\n");
}

static const char *group_text(uint8_t group)
{
    static const char *const texts[] = {"live", "slow", "info"};
    return group < MG_N_GROUPS ? texts[group] : "?";
}

static const char *kind_text(enum mg_kind kind)
{
    static const char *const texts[] = {"counter", "amount", "gauge", "state"};
    return texts[kind];
}

static const char *type_text(enum mg_option_type type)
{
    static const char *const texts[] = {"bool", "int", "enum", "text"};
    return texts[type];
}

/* ---- For people ---- */

static void print_choice(const struct mg_option *o, char *buf, size_t cap)
{
    int n = 0;
    switch (o->type) {
    case MG_OPTION_ENUM:
        for (size_t i = 0; o->choices[i] != NULL && n >= 0 && (size_t)n < cap;
             i++) {
            n += snprintf(buf + n, cap - (size_t)n, "%s%s", i == 0 ? "" : "|",
                          o->choices[i]);
        }
        break;
    case MG_OPTION_INT:
        (void)snprintf(buf, cap, "%lld..%lld", (long long)o->min,
                       (long long)o->max);
        break;
    case MG_OPTION_BOOL:
        (void)snprintf(buf, cap, "true|false");
        break;
    case MG_OPTION_TEXT:
        (void)snprintf(buf, cap, "text, %u bytes at most", o->size - 1U);
        break;
    }
}

static void print_default(const struct mg_option *o, char *buf, size_t cap)
{
    if (o->is_required) {
        (void)snprintf(buf, cap, "required");
    } else if (o->type == MG_OPTION_ENUM) {
        (void)snprintf(buf, cap, "default %s", o->choices[o->def]);
    } else if (o->type == MG_OPTION_BOOL) {
        (void)snprintf(buf, cap, "default %s", o->def ? "true" : "false");
    } else if (o->type == MG_OPTION_INT) {
        (void)snprintf(buf, cap, "default %lld", (long long)o->def);
    } else {
        (void)snprintf(buf, cap, "default \"%s\"",
                       o->def_text == NULL ? "" : o->def_text);
    }
}

static void print_options(const struct mg_option *options, size_t n,
                          const char *indent)
{
    for (size_t i = 0; i < n; i++) {
        char choice[128] = "";
        char def[96] = "";
        print_choice(&options[i], choice, sizeof choice);
        print_default(&options[i], def, sizeof def);
        (void)printf("%s%-14s %-22s %-16s %s\n", indent, options[i].name,
                     choice, def, options[i].help);
    }
}

static void print_summary(const struct mg_plugin *p)
{
    (void)printf("%-10s %-12s %-7s %u phase%s, %zu commands  %s\n", p->model,
                 p->vendor, p->bus == MG_BUS_MODBUS ? "Modbus" : "CAN",
                 p->driver->n_phases, p->driver->n_phases == 1 ? "" : "s",
                 p->driver->n_procedures, p->description);
}

static void print_row(const struct mg_point *row)
{
    char key[MG_CHANNEL_KEY_MAX] = "?";
    char obis[MG_OBIS_MAX] = "?";
    (void)mg_channel_key(row->channel, key);
    (void)mg_channel_obis(row->channel, obis);
    (void)printf("    %-36s %-14s %-8s FC%02u %04XH %-5s", key, obis,
                 kind_text(mg_channel_kind(row->channel)), row->function,
                 row->address, group_text(row->group));
    if (row->n_periods > 1) {
        (void)printf(" and %u more periods", row->n_periods - 1U);
    }
    (void)printf("  [%s]\n", row->source);
}

static void print_signal(const struct mg_signal *row)
{
    char key[MG_CHANNEL_KEY_MAX] = "?";
    char obis[MG_OBIS_MAX] = "?";
    (void)mg_channel_key(row->channel, key);
    (void)mg_channel_obis(row->channel, obis);
    (void)printf("    %-36s %-14s %-8s %-30s", key, obis,
                 kind_text(mg_channel_kind(row->channel)), row->name);
    for (unsigned i = 0, n = 0; i < 32; i++) {
        if ((row->variants >> i & 1) != 0) {
            (void)printf("%s%u", n++ == 0 ? " variant " : ",", i);
        }
    }
    (void)printf("  [%s]\n", row->source);
}

static void print_line(const struct mg_plugin *p)
{
    if (p->driver->can != NULL) {
        (void)printf("\n  DBC: %s, nodes 0 to %u; `dbc` and `signals` of a "
                     "meter name another\n",
                     p->driver->can->dbc, p->driver->can->max_node);
        return;
    }
    (void)printf("\n  Line as delivered: %u %u%c%u, at most %u registers a "
                 "request, answers within %u ms\n",
                 p->driver->serial.baud, 8U, p->driver->serial.parity,
                 p->driver->serial.stop_bits, p->driver->max_registers,
                 p->driver->timeout_ms);
}

static void print_circuits(const struct mg_plugin *p)
{
    const struct mg_option *o = mg_setup_circuit_option(p);
    if (o != NULL) {
        (void)printf("\n  One device is two meters, `%s: %s` and `%s: %s`, on "
                     "one bus and unit;\n  all other options must be the same "
                     "in both\n",
                     o->name, o->choices[0], o->name, o->choices[1]);
    }
}

static void print_details(const struct mg_plugin *p)
{
    print_summary(p);
    print_line(p);
    (void)printf("\n  Options\n");
    print_options(p->options, p->n_options, "    ");
    print_circuits(p);
    (void)printf("\n  Commands (refused unless the meter's `allow` list names "
                 "them)\n");
    for (size_t i = 0; i < p->driver->n_procedures; i++) {
        const struct mg_procedure *c = &p->driver->procedures[i];
        (void)printf("    %-14s %s [%s]\n", c->verb, c->help, c->source);
        print_options(c->args, c->n_args, "      ");
    }
    (void)printf("\n  Channels\n");
    for (size_t i = 0; i < p->driver->n_points; i++) {
        print_row(&p->driver->points[i]);
    }
    for (size_t i = 0; p->driver->can != NULL && i < p->driver->can->n_signals;
         i++) {
        print_signal(&p->driver->can->signals[i]);
    }
}

/* ---- For programs ---- */

static void put_options(struct mg_json *j, const char *key,
                        const struct mg_option *options, size_t n)
{
    mg_json_key(j, key);
    mg_json_open(j, '[');
    for (size_t i = 0; i < n; i++) {
        const struct mg_option *o = &options[i];
        mg_json_open(j, '{');
        mg_json_member_str(j, "name", o->name);
        mg_json_member_str(j, "type", type_text(o->type));
        mg_json_member_bool(j, "required", o->is_required);
        mg_json_member_str(j, "help", o->help);
        if (o->type == MG_OPTION_INT) {
            mg_json_member_int(j, "minimum", o->min);
            mg_json_member_int(j, "maximum", o->max);
            mg_json_member_int(j, "default", o->def);
        } else if (o->type == MG_OPTION_BOOL) {
            mg_json_member_bool(j, "default", o->def != 0);
        } else if (o->type == MG_OPTION_ENUM) {
            mg_json_member_str(j, "default", o->choices[o->def]);
            mg_json_key(j, "choices");
            mg_json_open(j, '[');
            for (size_t k = 0; o->choices[k] != NULL; k++) {
                mg_json_str(j, o->choices[k], strlen(o->choices[k]));
            }
            mg_json_close(j, ']');
        }
        mg_json_close(j, '}');
    }
    mg_json_close(j, ']');
}

static void put_channel(struct mg_json *j, const struct mg_point *row,
                        unsigned period)
{
    char key[MG_CHANNEL_KEY_MAX];
    char obis[MG_OBIS_MAX];
    mg_channel channel = row->channel + (period << 8);
    if (mg_channel_key(channel, key) != MG_OK ||
        mg_channel_obis(channel, obis) != MG_OK) {
        return;
    }
    mg_json_open(j, '{');
    mg_json_member_str(j, "key", key);
    mg_json_member_str(j, "obis", obis);
    mg_json_member_str(j, "unit", mg_unit_suffix(mg_channel_unit(channel)));
    mg_json_member_str(j, "kind", kind_text(mg_channel_kind(channel)));
    mg_json_member_str(j, "group", group_text(row->group));
    mg_json_member_int(j, "function", row->function);
    mg_json_member_int(j, "address", row->address + period * row->stride);
    mg_json_member_str(j, "source", row->source);
    mg_json_close(j, '}');
}

static void put_signal(struct mg_json *j, const struct mg_signal *row)
{
    char key[MG_CHANNEL_KEY_MAX];
    char obis[MG_OBIS_MAX];
    if (mg_channel_key(row->channel, key) != MG_OK ||
        mg_channel_obis(row->channel, obis) != MG_OK) {
        return;
    }
    mg_json_open(j, '{');
    mg_json_member_str(j, "key", key);
    mg_json_member_str(j, "obis", obis);
    mg_json_member_str(j, "unit",
                       mg_unit_suffix(mg_channel_unit(row->channel)));
    mg_json_member_str(j, "kind", kind_text(mg_channel_kind(row->channel)));
    mg_json_member_str(j, "signal", row->name);
    mg_json_member_int(j, "variants", row->variants);
    mg_json_member_str(j, "source", row->source);
    mg_json_close(j, '}');
}

static void put_model(struct mg_json *j, const struct mg_plugin *p)
{
    mg_json_open(j, '{');
    mg_json_member_str(j, "model", p->model);
    mg_json_member_str(j, "vendor", p->vendor);
    mg_json_member_str(j, "description", p->description);
    mg_json_member_str(j, "bus", p->bus == MG_BUS_MODBUS ? "modbus" : "can");
    mg_json_member_int(j, "phases", p->driver->n_phases);
    mg_json_member_bool(j, "simulated", p->firmware != NULL);
    if (p->circuit != NULL) {
        mg_json_member_str(j, "circuit_option",
                           mg_setup_circuit_option(p)->name);
    }
    put_options(j, "options", p->options, p->n_options);
    mg_json_key(j, "commands");
    mg_json_open(j, '[');
    for (size_t i = 0; i < p->driver->n_procedures; i++) {
        const struct mg_procedure *c = &p->driver->procedures[i];
        mg_json_open(j, '{');
        mg_json_member_str(j, "verb", c->verb);
        mg_json_member_str(j, "help", c->help);
        put_options(j, "args", c->args, c->n_args);
        mg_json_close(j, '}');
    }
    mg_json_close(j, ']');
    mg_json_key(j, "channels");
    mg_json_open(j, '[');
    for (size_t i = 0; i < p->driver->n_points; i++) {
        const struct mg_point *row = &p->driver->points[i];
        unsigned n = row->n_periods == 0 ? 1 : row->n_periods;
        for (unsigned k = 0; k < n; k++) {
            put_channel(j, row, k);
        }
    }
    for (size_t i = 0; p->driver->can != NULL && i < p->driver->can->n_signals;
         i++) {
        put_signal(j, &p->driver->can->signals[i]);
    }
    mg_json_close(j, ']');
    mg_json_close(j, '}');
}

static int print_json(const struct mg_plugins *plugins, const char *model)
{
    char *buf = malloc(MODELS_JSON_MAX);
    if (buf == NULL) {
        return 1;
    }
    struct mg_json j = mg_json_init(buf, MODELS_JSON_MAX);
    mg_json_open(&j, '[');
    for (size_t i = 0; i < plugins->n; i++) {
        const struct mg_plugin *p = plugins->loaded[i].plugin;
        if (model == NULL || strcmp(model, p->model) == 0) {
            put_model(&j, p);
        }
    }
    mg_json_close(&j, ']');
    if (!j.failed) {
        (void)printf("%.*s\n", (int)j.len, buf);
    }
    free(buf);
    return j.failed ? 1 : 0;
}

static int list(const struct mg_plugins *plugins, const char *model,
                bool is_json)
{
    if (model != NULL && mg_plugins_find(plugins, model) == NULL) {
        (void)fprintf(stderr,
                      "metergate: there is no model '%s'; "
                      "`metergate models` lists them\n",
                      model);
        return 1;
    }
    if (is_json) {
        return print_json(plugins, model);
    }
    if (model != NULL) {
        print_details(mg_plugins_find(plugins, model));
        return 0;
    }
    for (size_t i = 0; i < plugins->n; i++) {
        print_summary(plugins->loaded[i].plugin);
    }
    (void)printf("\nmetergate models MODEL shows its options, commands and "
                 "channels.\n");
    return 0;
}

int cli_models(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    bool is_json = false;
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'j':
            is_json = true;
            break;
        case 'h':
            help();
            return 0;
        default:
            return EXIT_USAGE;
        }
    }
    if (argc - optind > 1) {
        return cli_usage("models", "one model at most");
    }
    struct mg_err err = {0};
    struct mg_plugins plugins = {0};
    char directory[4096];
    if (mg_plugins_directory(directory, sizeof directory, &err) != MG_OK ||
        mg_plugins_load(&plugins, directory, &err) != MG_OK) {
        return app_fail(&err);
    }
    int exit_code = list(&plugins, argv[optind], is_json);
    mg_plugins_destroy(&plugins);
    return exit_code;
}
