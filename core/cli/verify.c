/* metergate verify: are these records signed by that key, and what of them? */
#include "cli/verify.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

#define JOBS_MAX 256

static void help(void)
{
    (void)printf(
        "Usage: metergate verify [--key KEY] [OPTION]... FILE|RECORD... | -\n"
        "       metergate verify explain [--json] FILE|RECORD\n"
        "       metergate verify --list-checks [--json]\n\n"
        "Verify signed meter records (OCMF): lines or whole files \"OCMF|...\","
        "\nJSON lines, OCPP signed meter values, SAFE XML containers; - is "
        "standard input.\n\n"
        "  --key KEY        public key for all: hex, base64, PEM, or a file; "
        "without it\n"
        "                   the key that comes with the record\n"
        "  --json           one JSON object a line\n"
        "  --verbose        a report of each record, not only of a single one\n"
        "  --strict         deviations and findings that are errors fail, too\n"
        "  --profile NAME   transparenzsoftware-1.3 or -1.4: what that "
        "program\n"
        "                   refuses fails\n"
        "  --jobs N         threads (all cores)\n"
        "  --list-checks    id, severity and meaning of every finding\n"
        "  --help           this text\n\n"
        "Example: metergate verify --key meter.pem records.jsonl\n"
        "Exit status: 0 all valid, 1 not valid or no record, 2 wrong usage.\n");
}

struct arguments {
    struct verify_options options;
    char *key; /* owned */
    unsigned n_jobs;
    bool is_list, is_help;
};

static bool take_number(const char *text, unsigned *ret)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || n < 1 || n > JOBS_MAX) {
        return false;
    }
    *ret = (unsigned)n;
    return true;
}

const char *verify_profile_name(enum mg_ocmf_profile profile)
{
    static const char *const NAMES[] = {NULL, "transparenzsoftware-1.3",
                                        "transparenzsoftware-1.4"};
    return NAMES[profile];
}

static bool take_profile(const char *name, enum mg_ocmf_profile *ret)
{
    for (int i = MG_PROFILE_TRANSPARENZ_1_3; i <= MG_PROFILE_TRANSPARENZ_1_4;
         i++) {
        if (strcmp(name, verify_profile_name((enum mg_ocmf_profile)i)) == 0) {
            *ret = (enum mg_ocmf_profile)i;
            return true;
        }
    }
    return false;
}

static int take_key(struct arguments *a, const char *text)
{
    struct mg_err err = {0};
    free(a->key);
    a->key = verify_key_load(text, &err);
    a->options.key = a->key;
    return a->key == NULL ? cli_usage("verify", "%s", err.text) : 0;
}

/* @return 0, or the exit status */
static int take_option(struct arguments *a, int option)
{
    switch (option) {
    case 'k':
        return take_key(a, optarg);
    case 'j':
        a->options.is_json = true;
        return 0;
    case 'v':
        a->options.is_verbose = true;
        return 0;
    case 's':
        a->options.is_strict = true;
        return 0;
    case 'l':
        a->is_list = true;
        return 0;
    case 'h':
        a->is_help = true;
        return 0;
    case 'p':
        return take_profile(optarg, &a->options.profile)
                   ? 0
                   : cli_usage("verify", "--profile: transparenzsoftware-1.3 "
                                         "or transparenzsoftware-1.4");
    case 'n':
        return take_number(optarg, &a->n_jobs)
                   ? 0
                   : cli_usage("verify", "--jobs: 1..%d", JOBS_MAX);
    default:
        return EXIT_USAGE;
    }
}

static int take_options(struct arguments *a, int argc, char **argv)
{
    static const struct option options[] = {
        {"key", required_argument, NULL, 'k'},
        {"json", no_argument, NULL, 'j'},
        {"verbose", no_argument, NULL, 'v'},
        {"strict", no_argument, NULL, 's'},
        {"profile", required_argument, NULL, 'p'},
        {"jobs", required_argument, NULL, 'n'},
        {"list-checks", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {0}};
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        int exit_code = take_option(a, c);
        if (exit_code != 0) {
            return exit_code;
        }
    }
    return 0;
}

static bool is_record(const char *argument)
{
    return strncmp(argument, "OCMF|", 5) == 0;
}

static size_t size_of(char **paths, int n)
{
    size_t total = 0;
    for (int i = 0; i < n; i++) {
        struct stat st;
        bool is_file = !is_record(paths[i]) && stat(paths[i], &st) == 0 &&
                       S_ISREG(st.st_mode);
        if (strcmp(paths[i], "-") == 0 || (!is_file && !is_record(paths[i]))) {
            return 0;
        }
        total += is_file ? (size_t)st.st_size : 0;
    }
    return total;
}

/* @return MG_OK; a file that cannot be read is said and failed */
static int read_inputs(struct verify_pool *pool, char **paths, int n)
{
    struct verify_sink sink = verify_pool_sink(pool);
    int rc = MG_OK;
    for (int i = 0; i < n; i++) {
        struct mg_err err = {0};
        int one = is_record(paths[i])
                      ? verify_input_text(paths[i], strlen(paths[i]),
                                          "argument", &sink)
                      : verify_input_read(paths[i], &sink, &err);
        if (one != MG_OK) {
            (void)fprintf(stderr, "metergate verify: %s\n",
                          err.text[0] != '\0' ? err.text : mg_code_text(one));
            rc = one;
        }
    }
    return rc;
}

static int verify(const struct arguments *a, char **paths, int n)
{
    struct verify_counts counts = {0};
    struct verify_pool *pool =
        verify_pool_create(&a->options, a->n_jobs, size_of(paths, n));
    if (pool == NULL) {
        (void)fprintf(stderr, "metergate verify: out of memory\n");
        return 1;
    }
    int read = read_inputs(pool, paths, n);
    int finished = verify_pool_finish(pool, &counts);
    verify_pool_destroy(pool);
    size_t total = 0;
    for (size_t i = 0; i < sizeof counts.n / sizeof *counts.n; i++) {
        total += counts.n[i];
    }
    if (total == 0 && read == MG_OK) {
        (void)fprintf(stderr, "metergate verify: there is no record\n");
    }
    if (total > 1 && !a->options.is_json) {
        verify_text_summary(&counts, stdout);
    }
    bool is_good =
        read == MG_OK && finished == MG_OK && total > 0 && counts.n_failed == 0;
    return is_good ? 0 : 1;
}

static unsigned count_cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > JOBS_MAX ? JOBS_MAX : (unsigned)n;
}

int cli_verify(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "explain") == 0) {
        return verify_explain(argc - 1, argv + 1);
    }
    struct arguments a = {.n_jobs = count_cores()};
    int exit_code = take_options(&a, argc, argv);
    if (exit_code != 0) {
        goto out;
    }
    if (a.is_help) {
        help();
    } else if (a.is_list) {
        verify_list_checks(a.options.is_json);
    } else if (optind == argc) {
        exit_code = cli_usage("verify", "a file, a record or - is needed");
    } else {
        exit_code = verify(&a, argv + optind, argc - optind);
    }
out:
    free(a.key);
    return exit_code;
}
