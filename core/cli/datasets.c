/* metergate datasets: list, show, export and audit the signed records. */
#include "cli/datasets.h"

#include <getopt.h>
#include <string.h>

#include "cli/app.h"
#include "cli/cli.h"
#include "cli/database.h"

#define GIVEN_MAX 16 /* more say nothing new */

typedef int verb_main(struct mg_datasets *datasets,
                      const struct datasets_options *options);

static const struct verb {
    const char *name;
    verb_main *main;
    const char *arguments; /* long options that it takes, each with a blank */
} verbs[] = {
    {"list", datasets_list, " meter transaction from to billable kind json "},
    {"show", datasets_show, " json "},
    {"export", datasets_export,
     " meter transaction from to billable kind format plain out "},
    {"audit", datasets_audit, " meter json "},
};

static void help(void)
{
    (void)printf(
        "Usage: metergate datasets [OPTION]... CONFIG VERB\n"
        "       metergate datasets [OPTION]... --state-dir DIR VERB\n\n"
        "Look at the signed records of a gateway, also while it runs. CONFIG "
        "is its\nconfiguration, DIR its state_dir.\n\n"
        "  list              one line for each\n"
        "  show ID           all of one; ID may be a transaction\n"
        "  export            hand the records out\n"
        "  audit             are they all there, in order, and genuine?\n\n"
        "Which ones:\n"
        "  --meter ID        of one meter\n"
        "  --transaction ID  of one transaction\n"
        "  --from TIME       stored at or after, e.g. 2025-03-02 or "
        "2025-03-02T12:00:00Z\n"
        "  --to TIME         stored at or before; a date means all of the day "
        "(UTC)\n"
        "  --billable        only those that may be billed\n"
        "  --kind KIND       all (default) or transactions\n\n"
        "Other options:\n"
        "  --format FORMAT   export: xml (default; the container that "
        "Transparenzsoftware\n"
        "                    opens), jsonl (one object a line), ocpp (signed "
        "values of\n"
        "                    1.6 and 2.0.1, one line for each)\n"
        "  --plain           ocpp: the record as it is instead of base64\n"
        "  --out FILE        export: into a file, which is there when it is "
        "complete\n"
        "  --json            for programs, one object a line\n"
        "  --simulate        the records of `run --simulate`\n"
        "  --help            this text\n\n"
        "Example: metergate datasets depot.yaml export --from 2025-03-01 "
        "--out march.xml\n"
        "Exit status: 0 done, or nothing found by an audit; 1 failed, or "
        "findings;\n2 wrong usage.\n");
}

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            return &verbs[i];
        }
    }
    return NULL;
}

/* ---- Arguments ---- */

/* All that the command line says. */
struct request {
    struct datasets_options options;
    const struct verb *verb;
    const char *state_dir, *config;
    bool is_simulated;
    const char *last_option; /* that a verb may not take; NULL: none */
    const struct option *given[GIVEN_MAX];
    size_t n_given;
};

static int take_time(const char *name, bool is_end, int64_t *ret_ms)
{
    return database_parse_time(optarg, is_end, ret_ms) == MG_OK
               ? 0
               : cli_usage("datasets",
                           "--%s takes a date or a time such as "
                           "2025-03-02T12:00:00Z, not '%s'",
                           name, optarg);
}

static int take_kind(struct mg_dataset_filter *filter)
{
    if (strcmp(optarg, "all") != 0 && strcmp(optarg, "transactions") != 0) {
        return cli_usage("datasets",
                         "--kind takes all or transactions, not '%s'", optarg);
    }
    filter->is_transactions_only = optarg[0] == 't';
    return 0;
}

static int take_format(struct datasets_options *o)
{
    static const char *const formats[] = {"xml", "jsonl", "ocpp"};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(optarg, formats[i]) == 0) {
            o->format = formats[i];
            return 0;
        }
    }
    return cli_usage("datasets", "--format takes xml, jsonl or ocpp, not '%s'",
                     optarg);
}

/* @return 0, or the exit code */
static int take_option(struct request *r, int c)
{
    struct datasets_options *o = &r->options;
    switch (c) {
    case 'd':
        r->state_dir = optarg;
        return 0;
    case 's':
        r->is_simulated = true;
        return 0;
    case 'm':
        o->filter.meter = optarg;
        return 0;
    case 't':
        o->filter.transaction = optarg;
        return 0;
    case 'f':
        return take_time("from", false, &o->filter.from_ms);
    case 'e':
        return take_time("to", true, &o->filter.to_ms);
    case 'b':
        o->filter.is_billable_only = true;
        return 0;
    case 'k':
        return take_kind(&o->filter);
    case 'F':
        return take_format(o);
    case 'p':
        o->is_plain = true;
        return 0;
    case 'o':
        o->out = optarg;
        return 0;
    case 'j':
        o->is_json = true;
        return 0;
    default:
        return EXIT_USAGE;
    }
}

/* [CONFIG] VERB [ID] [CONFIG] */
static int take_words(struct request *r, int n, char **words)
{
    int at = 0;
    if (n > 0 && find_verb(words[0]) == NULL) {
        r->config = words[at++];
    }
    if (at == n) {
        return cli_usage("datasets", "list, show, export or audit?");
    }
    r->verb = find_verb(words[at]);
    if (r->verb == NULL) {
        (void)cli_usage("datasets", "there is no verb '%s'", words[at]);
        return EXIT_USAGE;
    }
    at++;
    if (r->verb->main == datasets_show) {
        if (at == n) {
            return cli_usage("datasets", "show which? An id or a transaction "
                                         "is needed");
        }
        r->options.what = words[at++];
    }
    if (at < n && r->config == NULL) {
        r->config = words[at++];
    }
    return at == n ? 0 : cli_usage("datasets", "'%s' is too much", words[at]);
}

static int check_request(const struct request *r)
{
    for (size_t i = 0; i < r->n_given; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, " %s ", r->given[i]->name);
        if (strstr(r->verb->arguments, name) == NULL) {
            return cli_usage("datasets", "%s takes no --%s", r->verb->name,
                             r->given[i]->name);
        }
    }
    if ((r->state_dir == NULL) == (r->config == NULL)) {
        return cli_usage("datasets",
                         "either a configuration or --state-dir is needed");
    }
    return 0;
}

static int run(const struct request *r)
{
    char path[DATABASE_PATH_MAX];
    struct mg_err err;
    int exit_code =
        database_find(r->config, r->state_dir, r->is_simulated, path);
    if (exit_code != 0) {
        return exit_code;
    }
    struct datasets_options options = r->options;
    options.path = path;
    struct mg_datasets *datasets = mg_datasets_open(path, &err);
    if (datasets == NULL) {
        return app_fail(&err);
    }
    exit_code = r->verb->main(datasets, &options);
    mg_datasets_close(datasets);
    return exit_code;
}

int cli_datasets(int argc, char **argv)
{
    static const struct option options[] = {
        {"state-dir", required_argument, NULL, 'd'},
        {"simulate", no_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {"meter", required_argument, NULL, 'm'},
        {"transaction", required_argument, NULL, 't'},
        {"from", required_argument, NULL, 'f'},
        {"to", required_argument, NULL, 'e'},
        {"billable", no_argument, NULL, 'b'},
        {"kind", required_argument, NULL, 'k'},
        {"format", required_argument, NULL, 'F'},
        {"plain", no_argument, NULL, 'p'},
        {"out", required_argument, NULL, 'o'},
        {"json", no_argument, NULL, 'j'},
        {0}};
    struct request r = {.options.format = "xml"};
    int c, index = 0;
    while ((c = getopt_long(argc, argv, "", options, &index)) != -1) {
        if (c == 'h') {
            help();
            return 0;
        }
        int exit_code = take_option(&r, c);
        if (exit_code != 0) {
            return exit_code;
        }
        if (index > 2 && r.n_given < GIVEN_MAX) {
            r.given[r.n_given++] = &options[index];
        }
    }
    if (take_words(&r, argc - optind, argv + optind) != 0 || r.verb == NULL ||
        check_request(&r) != 0) {
        return EXIT_USAGE;
    }
    return run(&r);
}
