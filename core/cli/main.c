/* metergate: the composition root's front door. */
#include "cli/cli.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct cli_command commands[] = {
    {"run", "read the meters of a configuration and publish them", cli_run},
    {"simulate", "serve the simulated meters of a configuration", cli_simulate},
    {"check", "check a configuration, or print its JSON Schema", cli_check},
    {"models", "list the meter models", cli_models},
    {"read", "read one meter once", cli_read},
    {"datasets", "list, show, export and audit signed records", cli_datasets},
    {"log", "show, export and verify the metrological log book", cli_log},
    {"faults", "what faults a station can have", cli_faults},
    {"key", "make and show the key that the station signs with", cli_key},
    {"verify", "verify signed records of any meter", cli_verify},
    {"typetest", "test a simulated meter by its class's standards",
     cli_typetest},
    {"demo", "a simulated depot, a broker and a live table", cli_demo},
};

static void help(FILE *out)
{
    (void)fprintf(out, "Usage: metergate COMMAND [OPTION]... [FILE]\n\n"
                       "Energy-meter gateway for EV-charging depots.\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        (void)fprintf(out, "  %-10s %s\n", commands[i].name,
                      commands[i].summary);
    }
    (void)fprintf(out, "\nEach command explains itself: metergate run --help\n"
                       "Exit status: 0 done, 1 failed, 2 wrong usage.\n");
}

int cli_usage(const char *command, const char *format, ...)
{
    (void)fprintf(stderr, "metergate %s: ", command);
    va_list args;
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fprintf(stderr, "\nTry: metergate %s --help\n", command);
    return EXIT_USAGE;
}

/* A file that is opened later must not become what we print to: log lines would
 * go into the database. */
static void fill_standard_streams(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        (void)close(fd); /* nothing was written */
    }
}

/* Output that was lost, on a full disk for one, is no success. */
static int finish(int exit_code)
{
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        (void)fprintf(stderr, "metergate: the output could not be written\n");
        return exit_code == 0 ? 1 : exit_code;
    }
    return exit_code;
}

int main(int argc, char **argv)
{
    fill_standard_streams();
    if (argc < 2) {
        help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("metergate %s\n", MG_VERSION);
        return 0;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return finish(commands[i].main(argc - 1, argv + 1));
        }
    }
    (void)fprintf(stderr,
                  "metergate: there is no command '%s'\n"
                  "Try: metergate --help\n",
                  argv[1]);
    return EXIT_USAGE;
}
