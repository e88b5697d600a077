/* metergate check: is this configuration right? */
#include <getopt.h>
#include <stdio.h>
#include <sys/resource.h>

#include "cli/app.h"
#include "cli/cli.h"
#include "config/config.h"
#include "config/scenario.h"

static void help(void)
{
    (void)printf("Usage: metergate check [--scenario SCENARIO] FILE\n"
                 "       metergate check --schema | --scenario-schema\n\n"
                 "Check a configuration whole and print every fault as "
                 "file:line:column.\n\n"
                 "  --schema   print the JSON Schema of the configuration\n"
                 "  --scenario SCENARIO   check a scenario for its meters "
                 "too\n"
                 "  --scenario-schema     print the JSON Schema of "
                 "scenarios\n"
                 "  --help     this text\n\n"
                 "Example: metergate check config/examples/depot.yaml\n"
                 "Exit status: 0 right, 1 faults were found, 2 wrong usage.\n");
}

static int print_schema(void)
{
    struct mg_err err = {0};
    struct mg_plugins plugins = {0};
    char directory[4096];
    if (mg_plugins_directory(directory, sizeof directory, &err) != MG_OK ||
        mg_plugins_load(&plugins, directory, &err) != MG_OK) {
        return app_fail(&err);
    }
    mg_config_schema(&plugins, stdout);
    mg_plugins_destroy(&plugins);
    return 0;
}

static void print_descriptors(const struct mg_setup *setup)
{
    struct rlimit limit;
    size_t n = mg_setup_descriptors(setup);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && n > limit.rlim_max) {
        (void)printf("  it needs %zu descriptors, but the hard limit here is "
                     "%llu: raise LimitNOFILE= or `ulimit -Hn`\n",
                     n, (unsigned long long)limit.rlim_max);
    }
}

static void print_summary(const struct mg_setup *setup)
{
    (void)printf("%s: gateway %s, %zu meters on %zu buses, %zu descriptors\n",
                 setup->file, setup->gateway, setup->n_meters, setup->n_buses,
                 mg_setup_descriptors(setup));
    print_descriptors(setup);
    for (size_t i = 0; i < setup->n_buses && i < 20; i++) {
        uint32_t load = mg_setup_bus_load(setup, i);
        size_t n = 0;
        for (size_t k = 0; k < setup->n_meters; k++) {
            n += setup->meters[k].bus == i;
        }
        (void)printf("  %-12s %3zu meters, %u.%u %% of the bus's time\n",
                     setup->buses[i].id, n, load / 10, load % 10);
    }
    if (setup->n_buses > 20) {
        (void)printf("  and %zu more\n", setup->n_buses - 20);
    }
}

static void print_scenario(const struct mg_sim_scenario *s, const char *file)
{
    (void)printf("%s: %zu entries of sessions, %zu of what happens to net, "
                 "meters and wires\n",
                 file, s->n_sessions, s->n_net + s->n_acts);
}

int cli_check(int argc, char **argv)
{
    static const struct option options[] = {
        {"schema", no_argument, NULL, 's'},
        {"scenario", required_argument, NULL, 'c'},
        {"scenario-schema", no_argument, NULL, 'x'},
        {"help", no_argument, NULL, 'h'},
        {0}};
    const char *scenario = NULL;
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 's':
            return optind == argc ? print_schema()
                                  : cli_usage("check", "--schema takes no "
                                                       "file");
        case 'x':
            mg_scenario_schema(stdout);
            return 0;
        case 'c':
            scenario = optarg;
            break;
        case 'h':
            help();
            return 0;
        default:
            return EXIT_USAGE;
        }
    }
    if (optind + 1 != argc) {
        return cli_usage("check", "one configuration file is needed");
    }
    struct app app = {0};
    int exit_code = app_load(&app, argv[optind]);
    if (exit_code == 0 && scenario != NULL) {
        exit_code = app_load_scenario(&app, scenario);
    }
    if (exit_code == 0) {
        print_summary(app.setup);
    }
    if (app.scenario != NULL) {
        print_scenario(app.scenario, scenario);
    }
    app_stop(&app);
    return exit_code;
}
