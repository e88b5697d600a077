/* conformance PLUGIN_DIR: one test for every meter model there is or will be.
 *
 * Driver and firmware of a model come from two readings of its manual; here
 * they must agree, and each must behave. Every value of every enumerated option
 * is tried, and of every one that is true or false. */
#include <stdio.h>
#include <string.h>

#include "device.h"

static const struct {
    const char *name;
    void (*run)(struct device *d);
} PARTS[] = {
    {"readings", test_readings},
    {"sweep", test_sweep},
    {"independence", test_independence},
    {"circuits", test_circuits},
    {"refusals", test_refusals},
    {"messages", test_messages},
    {"faults", test_faults},
    {"procedures", test_procedures},
};

static void run_parts(const struct mg_plugin *plugin, const void *options,
                      const char *label)
{
    static struct device d;
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++) {
        bool is_can = plugin->driver->can != NULL;
        if (PARTS[i].run == (is_can ? test_refusals : test_messages)) {
            continue; /* of the other bus */
        }
        unsigned before = n_failures();
        device_init(&d, plugin, options, label);
        PARTS[i].run(&d);
        device_fini(&d);
        (void)printf("%s: %-12s %s\n", label, PARTS[i].name,
                     n_failures() == before ? "ok" : "FAILED");
        (void)fflush(stdout);
    }
}

static const char *value_name(const struct mg_option *o, int64_t value)
{
    if (o->type == MG_OPTION_BOOL) {
        return value != 0 ? "true" : "false";
    }
    return o->choices[value];
}

static void run_plugin(const struct mg_plugin *plugin)
{
    _Alignas(8) uint8_t options[DEVICE_OPTIONS] = {0};
    char label[64];
    bool has_choices = false;
    for (size_t i = 0; i < plugin->n_options; i++) {
        const struct mg_option *o = &plugin->options[i];
        bool is_bool = o->type == MG_OPTION_BOOL;
        int64_t first = is_bool ? 0 : o->min;
        int64_t last = is_bool ? 1 : o->max;
        if (!is_bool && o->type != MG_OPTION_ENUM) {
            continue;
        }
        for (int64_t k = first; k <= last; k++) {
            has_choices = true;
            mg_options_default(plugin->options, plugin->n_options, options);
            memcpy(options + o->offset, &k, sizeof k);
            (void)snprintf(label, sizeof label, "%s %s=%s", plugin->model,
                           o->name, value_name(o, k));
            run_parts(plugin, options, label);
        }
    }
    if (!has_choices) {
        mg_options_default(plugin->options, plugin->n_options, options);
        run_parts(plugin, options, plugin->model);
    }
}

int main(int argc, char **argv)
{
    struct mg_plugins plugins = {0};
    struct mg_err err = {0};
    if (argc != 2) {
        (void)fprintf(stderr, "usage: conformance PLUGIN_DIR\n");
        return 2;
    }
    device_set_directory(argv[1]);
    /* Loading checks all tables. */
    if (mg_plugins_load(&plugins, argv[1], &err) != MG_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    unsigned n_without = 0;
    for (size_t i = 0; i < plugins.n; i++) {
        const struct mg_plugin *plugin = plugins.loaded[i].plugin;
        if (plugin->firmware == NULL) {
            (void)fprintf(stderr, "FAIL %s: no firmware to test against\n",
                          plugin->model);
            n_without++;
        } else {
            run_plugin(plugin);
        }
    }
    mg_plugins_destroy(&plugins);
    if (n_failures() + n_without > 0) {
        (void)fprintf(stderr, "%u failures\n", n_failures() + n_without);
        return 1;
    }
    return 0;
}
