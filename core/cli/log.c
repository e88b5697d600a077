/* metergate log: show, follow, export and verify the metrological log book. */
#include "cli/log.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/app.h"
#include "cli/cli.h"
#include "cli/database.h"

#define GIVEN_MAX 16 /* more say nothing new */

typedef int verb_main(struct mg_logs *logs, const struct log_options *options);

static const struct verb {
    const char *name;
    verb_main *main;
    const char *arguments; /* long options that it takes, each with a blank */
} verbs[] = {
    {"show", log_show, " from to meter event json last "},
    {"follow", log_follow, " meter event json "},
    {"export", log_export, " out "},
    {"verify", log_verify, " key expect file json "},
    {"capacity", log_capacity, " json "},
};

static void help(void)
{
    (void)printf(
        "Usage: metergate log [OPTION]... CONFIG VERB\n"
        "       metergate log [OPTION]... --state-dir DIR VERB\n"
        "       metergate log [OPTION]... - verify\n\n"
        "Look at the metrological log book of a gateway, also while it runs. "
        "CONFIG is\nits configuration, DIR its state_dir.\n\n"
        "  show              one line for each entry\n"
        "  follow            the last ten, then what comes\n"
        "  export            each entry as it was signed, with its hash and "
        "signature, one\n"
        "                    JSON object a line: the same as on the topic "
        "`log`\n"
        "  verify            is nothing changed, missing or forged?\n"
        "  capacity          how many years it lasts\n\n"
        "show and follow:\n"
        "  --from TIME       logged at or after, e.g. 2025-03-02 or "
        "2025-03-02T12:00:00Z\n"
        "  --to TIME         logged at or before; a date means all of the day "
        "(UTC)\n"
        "  --meter ID        of one meter\n"
        "  --event NAME      of one kind, e.g. ClockChanged\n"
        "  --last N          the newest N only\n\n"
        "verify:\n"
        "  --key KEY         accept this public key only: hex, base64, PEM or "
        "a file; again\n"
        "                    for one more. Without, the key that the database "
        "names: compare\n"
        "                    its fingerprint with that of the station\n"
        "  --expect HASH     an entry with this hash was there: finds an end "
        "that was cut off\n"
        "  --file FILE       an export instead of the database; - is standard "
        "input\n\n"
        "Other options:\n"
        "  -o, --out FILE    export: into a file, which is there when it is "
        "complete\n"
        "  --json            for programs, one object a line\n"
        "  --simulate        the book of `run --simulate`\n"
        "  --help            this text\n\n"
        "Example: metergate log depot.yaml show --last 20\n"
        "         metergate log depot.yaml export -o log.jsonl\n"
        "         metergate log verify --file log.jsonl --key station.pub\n"
        "Exit status: 0 done, or a book that is intact; 1 failed, or one that "
        "is not;\n2 wrong usage.\n");
}

/* ---- Arguments ---- */

struct request {
    struct log_options options;
    const struct verb *verb;
    const char *state_dir, *config;
    bool is_simulated;
    const struct option *given[GIVEN_MAX];
    size_t n_given;
};

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            return &verbs[i];
        }
    }
    return NULL;
}

static int take_time(const char *name, bool is_end, int64_t *ret_ms)
{
    return database_parse_time(optarg, is_end, ret_ms) == MG_OK
               ? 0
               : cli_usage("log",
                           "--%s takes a date or a time such as "
                           "2025-03-02T12:00:00Z, not '%s'",
                           name, optarg);
}

static int take_event(struct log_options *o)
{
    enum mg_log_event event;
    o->event = optarg;
    return mg_log_event_find(optarg, strlen(optarg), &event) == MG_OK
               ? 0
               : cli_usage("log", "there is no event '%s'; one is %s", optarg,
                           mg_log_event_text(MG_LOGBOOK_CLOCK_CHANGED));
}

static int take_last(struct log_options *o)
{
    char *end;
    long long n = strtoll(optarg, &end, 10);
    if (*end != '\0' || n < 1) {
        return cli_usage("log", "--last takes a number from 1, not '%s'",
                         optarg);
    }
    o->last = n;
    return 0;
}

static int take_key(struct log_options *o)
{
    if (o->n_keys >= MG_LOG_KEYS_MAX) {
        return cli_usage("log", "more than %d keys", MG_LOG_KEYS_MAX);
    }
    o->keys[o->n_keys++] = optarg;
    return 0;
}

/* @return 0, or the exit code */
static int take_option(struct request *r, int c)
{
    struct log_options *o = &r->options;
    switch (c) {
    case 'd':
        r->state_dir = optarg;
        return 0;
    case 's':
        r->is_simulated = true;
        return 0;
    case 'f':
        return take_time("from", false, &o->from_ms);
    case 't':
        return take_time("to", true, &o->to_ms);
    case 'm':
        o->meter = optarg;
        return 0;
    case 'e':
        return take_event(o);
    case 'l':
        return take_last(o);
    case 'j':
        o->is_json = true;
        return 0;
    case 'o':
        o->out = optarg;
        return 0;
    case 'k':
        return take_key(o);
    case 'x':
        o->expect = optarg;
        return 0;
    case 'F':
        o->file = optarg;
        return 0;
    default:
        return EXIT_USAGE;
    }
}

/* [CONFIG] VERB [CONFIG] */
static int take_words(struct request *r, int n, char **words)
{
    int at = 0;
    if (n > 0 && find_verb(words[0]) == NULL) {
        r->config = words[at++];
    }
    if (at == n) {
        return cli_usage("log", "show, follow, export, verify or capacity?");
    }
    r->verb = find_verb(words[at]);
    if (r->verb == NULL) {
        (void)cli_usage("log", "there is no verb '%s'", words[at]);
        return EXIT_USAGE;
    }
    at++;
    if (at < n && r->config == NULL) {
        r->config = words[at++];
    }
    if (r->config != NULL && strcmp(r->config, "-") == 0 &&
        r->options.file == NULL && r->verb->main == log_verify) {
        r->config = NULL;
        r->options.file = "-";
    }
    return at == n ? 0 : cli_usage("log", "'%s' is too much", words[at]);
}

static int check_request(const struct request *r)
{
    for (size_t i = 0; i < r->n_given; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, " %s ", r->given[i]->name);
        if (strstr(r->verb->arguments, name) == NULL) {
            return cli_usage("log", "%s takes no --%s", r->verb->name,
                             r->given[i]->name);
        }
    }
    bool has_both = r->state_dir != NULL && r->config != NULL;
    bool has_none = r->state_dir == NULL && r->config == NULL;
    if (has_both || (has_none && r->options.file == NULL)) {
        return cli_usage("log",
                         "either a configuration or --state-dir is needed");
    }
    return 0;
}

/* ---- Running ---- */

static int run(const struct request *r)
{
    char path[DATABASE_PATH_MAX];
    struct mg_err err;
    if (r->state_dir == NULL && r->config == NULL) {
        return r->verb->main(NULL, &r->options);
    }
    int exit_code =
        database_find(r->config, r->state_dir, r->is_simulated, path);
    if (exit_code != 0) {
        return exit_code;
    }
    struct mg_logs *logs = mg_logs_open(path, &err);
    if (logs == NULL) {
        return app_fail(&err);
    }
    exit_code = r->verb->main(logs, &r->options);
    mg_logs_close(logs);
    return exit_code;
}

int cli_log(int argc, char **argv)
{
    static const struct option options[] = {
        {"state-dir", required_argument, NULL, 'd'},
        {"simulate", no_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {"from", required_argument, NULL, 'f'},
        {"to", required_argument, NULL, 't'},
        {"meter", required_argument, NULL, 'm'},
        {"event", required_argument, NULL, 'e'},
        {"last", required_argument, NULL, 'l'},
        {"json", no_argument, NULL, 'j'},
        {"out", required_argument, NULL, 'o'},
        {"key", required_argument, NULL, 'k'},
        {"expect", required_argument, NULL, 'x'},
        {"file", required_argument, NULL, 'F'},
        {0}};
    struct request r = {0};
    int c;
    for (int index = -1;
         (c = getopt_long(argc, argv, "o:", options, &index)) != -1;
         index = -1) {
        if (c == 'h') {
            help();
            return 0;
        }
        int exit_code = take_option(&r, c);
        if (exit_code != 0) {
            return exit_code;
        }
        if (index < 0) {
            index = 9; /* -o */
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
