/* run_vectors PLUGIN_DIR SOURCE_DIR: every vector of every plugin, both ways.
 */
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "run/plugins.h"
#include "vector.h"

#define SOURCED_MIN 3 /* vectors per model with a source of their own */

struct count {
    unsigned n_driver, n_firmware, n_failed, n_sourced;
};

static void run_vector(const struct vector *v, const struct mg_plugin *plugin,
                       struct count *count)
{
    if (!v->is_derived) {
        count->n_sourced++;
    }
    if (!v->is_firmware_only) {
        count->n_driver++;
        count->n_failed += !vector_run_driver(v, plugin);
    }
    if (!v->is_driver_only) {
        count->n_firmware++;
        count->n_failed += !vector_run_firmware(v, plugin);
    }
}

static void run_file(const char *name, const struct mg_plugin *plugin,
                     struct count *count)
{
    static struct vector v;
    unsigned line = 0;
    int rc = -1;
    FILE *f = fopen(name, "r");
    if (f != NULL) {
        while ((rc = vector_read(f, name, &line, &v)) > 0) {
            run_vector(&v, plugin, count);
        }
        (void)fclose(f);
    }
    count->n_failed += rc < 0;
}

static void run_plugin(const char *source_dir, const struct mg_plugin *plugin,
                       struct count *count)
{
    char pattern[1024];
    glob_t found = {0};
    if (plugin->driver->can != NULL) {
        /* No maker has published frames: the layout is ours, and its golden
         * bytes are in the unit tests. */
        (void)printf("%s: on CAN, with a layout of ours: no vectors\n",
                     plugin->model);
        return;
    }
    (void)snprintf(pattern, sizeof pattern, "%s/%s/vectors/*.vec", source_dir,
                   plugin->model);
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            run_file(found.gl_pathv[i], plugin, count);
        }
    }
    globfree(&found);
    if (count->n_sourced < SOURCED_MIN) {
        (void)fprintf(stderr, "%s: %u vectors with a source; at least %d\n",
                      pattern, count->n_sourced, SOURCED_MIN);
        count->n_failed++;
    }
    (void)printf("%s: %u vectors for the driver, %u for the firmware, %u "
                 "failures\n",
                 plugin->model, count->n_driver, count->n_firmware,
                 count->n_failed);
}

int main(int argc, char **argv)
{
    struct mg_plugins plugins = {0};
    struct mg_err err = {0};
    unsigned n_failed = 0;
    if (argc != 3) {
        (void)fprintf(stderr, "usage: run_vectors PLUGIN_DIR SOURCE_DIR\n");
        return 2;
    }
    if (mg_plugins_load(&plugins, argv[1], &err) != MG_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    for (size_t i = 0; i < plugins.n; i++) {
        struct count count = {0};
        run_plugin(argv[2], plugins.loaded[i].plugin, &count);
        n_failed += count.n_failed;
    }
    mg_plugins_destroy(&plugins);
    return n_failed == 0 ? 0 : 1;
}
