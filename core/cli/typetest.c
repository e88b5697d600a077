/* metergate typetest: a simulated meter on the test bench. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/app.h"
#include "cli/cli.h"
#include "cli/typetest_show.h"

#define THREADS_MAX 16

static void help(void)
{
    (void)printf(
        "Usage: metergate typetest [OPTION]... MODEL\n\n"
        "Put the simulated meter of a model on a test bench, in virtual time,\n"
        "and hold it to the standards of its class and to its manual.\n\n"
        "  --json               for programs\n"
        "  --list               the tests there are\n"
        "  --only TEST          that one alone\n"
        "  --option NAME=VALUE  option of the model; `metergate models MODEL`\n"
        "  --seed N             of the noise; default 1\n"
        "  --defect DEFECT      with a mistake put in that must be found:\n"
        "                       phase-error (0.4 degree), pulses-at-update,\n"
        "                       creep, remainder\n"
        "  --help               this text\n\n"
        "Exit status: 0 all passed, 1 a row failed, 2 wrong usage.\n\n"
        "Example: metergate typetest --only intrinsic cpkm3000\n");
}

struct arguments {
    const char *model, *only;
    const char *options[32]; /* NAME=VALUE */
    size_t n_options;
    uint64_t seed;
    uint8_t defect; /* enum mg_typetest_defect */
    bool is_json, is_list, is_help;
};

static const char *const defects[] = {
    [MG_DEFECT_NONE] = "none",
    [MG_DEFECT_PHASE_ERROR] = "phase-error",
    [MG_DEFECT_PULSES_AT_UPDATE] = "pulses-at-update",
    [MG_DEFECT_CREEP] = "creep",
    [MG_DEFECT_REMAINDER] = "remainder",
};

/* ---- Arguments ---- */

static int parse_defect(const char *text, uint8_t *ret)
{
    for (size_t k = 1; k < sizeof defects / sizeof *defects; k++) {
        if (strcmp(text, defects[k]) == 0) {
            *ret = (uint8_t)k;
            return 0;
        }
    }
    return cli_usage("typetest",
                     "--defect %.40s: expected phase-error, pulses-at-update, "
                     "creep or remainder",
                     text);
}

static int parse_seed(const char *text, uint64_t *ret)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0) {
        return cli_usage("typetest", "--seed %.40s: expected a whole number",
                         text);
    }
    *ret = n;
    return 0;
}

static int add_option(struct arguments *a, const char *text)
{
    size_t max = sizeof a->options / sizeof *a->options;
    if (strchr(text, '=') == NULL || a->n_options == max) {
        return cli_usage("typetest",
                         "--option %.60s: expected NAME=VALUE, at most %zu "
                         "times",
                         text, max);
    }
    a->options[a->n_options++] = text;
    return 0;
}

static bool is_test(const char *name)
{
    const char *summary;
    const char *test;
    for (size_t k = 0; (test = mg_typetest_name(k, &summary)) != NULL; k++) {
        if (strcmp(name, test) == 0) {
            return true;
        }
    }
    return false;
}

static int take(struct arguments *a, int c)
{
    switch (c) {
    case 'j':
        a->is_json = true;
        return 0;
    case 'l':
        a->is_list = true;
        return 0;
    case 'h':
        a->is_help = true;
        return 0;
    case 'o':
        a->only = optarg;
        return is_test(optarg) ? 0
                               : cli_usage("typetest",
                                           "there is no test '%.40s'; --list "
                                           "shows them",
                                           optarg);
    case 'O':
        return add_option(a, optarg);
    case 's':
        return parse_seed(optarg, &a->seed);
    case 'd':
        return parse_defect(optarg, &a->defect);
    default:
        return EXIT_USAGE;
    }
}

static int parse(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"list", no_argument, NULL, 'l'},
        {"only", required_argument, NULL, 'o'},
        {"option", required_argument, NULL, 'O'},
        {"seed", required_argument, NULL, 's'},
        {"defect", required_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'},
        {0}};
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        int rc = take(a, c);
        if (rc != 0) {
            return rc;
        }
    }
    a->model = argv[optind];
    if (argc - optind != 1 && !a->is_list && !a->is_help) {
        return cli_usage("typetest", "expected one model");
    }
    return 0;
}

/* ---- The test ---- */

static void show_progress(void *ctx, size_t n_done, size_t n_all)
{
    (void)ctx;
    (void)fprintf(stderr, "\r%zu of %zu measurements%s", n_done, n_all,
                  n_done == n_all ? "\r\033[K" : "");
    (void)fflush(stderr);
}

static unsigned count_threads(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : (unsigned)n;
}

static int test(const struct arguments *a, const struct mg_plugin *plugin,
                const void *options)
{
    struct mg_err err = {0};
    struct mg_typetest_result result;
    struct mg_typetest_settings settings = {
        .plugin = plugin,
        .options = options,
        .only = a->only,
        .seed = a->seed,
        .defect = a->defect,
        .n_threads = count_threads(),
        .progress = isatty(STDERR_FILENO) != 0 ? show_progress : NULL,
    };
    if (mg_typetest_run(&settings, &result, &err) != MG_OK) {
        return app_fail(&err);
    }
    int exit_code = result.n_failed > 0 ? 1 : 0;
    const struct typetest_subject subject = {.plugin = plugin,
                                             .options = a->options,
                                             .n_options = a->n_options,
                                             .defect = defects[a->defect]};
    if (a->is_json) {
        exit_code |= typetest_print_json(&subject, &result);
    } else {
        typetest_print(&subject, &result);
    }
    mg_typetest_result_free(&result);
    return exit_code;
}

static int set_options(const struct arguments *a,
                       const struct mg_plugin *plugin, void *options)
{
    mg_options_default(plugin->options, plugin->n_options, options);
    for (size_t k = 0; k < a->n_options; k++) {
        char name[64];
        const char *value = strchr(a->options[k], '=');
        struct mg_err err = {0};
        size_t index;
        (void)snprintf(name, sizeof name, "%.*s", (int)(value - a->options[k]),
                       a->options[k]);
        int rc = mg_options_set(plugin->options, plugin->n_options, options,
                                name, value + 1, &index, &err);
        if (rc != MG_OK) {
            return cli_usage("typetest", "%s",
                             rc == MG_E_NOTFOUND ? "no such option of the model"
                                                 : err.text);
        }
    }
    return 0;
}

static int test_model(const struct arguments *a,
                      const struct mg_plugins *plugins)
{
    const struct mg_plugin *plugin = mg_plugins_find(plugins, a->model);
    if (plugin == NULL) {
        return cli_usage("typetest",
                         "there is no model '%.40s'; `metergate models` lists "
                         "them",
                         a->model);
    }
    void *options =
        calloc(1, plugin->options_size > 0 ? plugin->options_size : 1);
    if (options == NULL) {
        (void)fprintf(stderr, "metergate typetest: out of memory\n");
        return 1;
    }
    int exit_code = set_options(a, plugin, options);
    if (exit_code == 0) {
        exit_code = test(a, plugin, options);
    }
    free(options);
    return exit_code;
}

static int list(void)
{
    const char *summary;
    const char *name;
    for (size_t k = 0; (name = mg_typetest_name(k, &summary)) != NULL; k++) {
        (void)printf("%-14s %s\n", name, summary);
    }
    return 0;
}

int cli_typetest(int argc, char **argv)
{
    struct arguments a = {.seed = 1};
    int exit_code = parse(argc, argv, &a);
    if (exit_code != 0 || a.is_help || a.is_list) {
        if (exit_code == 0) {
            a.is_help ? help() : (void)list();
        }
        return exit_code;
    }
    struct mg_err err = {0};
    struct mg_plugins plugins = {0};
    char directory[4096];
    if (mg_plugins_directory(directory, sizeof directory, &err) != MG_OK ||
        mg_plugins_load(&plugins, directory, &err) != MG_OK) {
        return app_fail(&err);
    }
    exit_code = test_model(&a, &plugins);
    mg_plugins_destroy(&plugins);
    return exit_code;
}
