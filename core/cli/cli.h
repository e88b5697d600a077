/* Subcommands of metergate: one file each, one row each in main.c.
 *
 * Exit codes: 0 done, 1 failed, 2 wrong usage. Errors go to stderr. */
#ifndef MG_CLI_CLI_H
#define MG_CLI_CLI_H

#define EXIT_USAGE 2

struct cli_command {
    const char *name;
    const char *summary;                /* one line for `metergate --help` */
    int (*main)(int argc, char **argv); /* argv[0] is the command's name */
};

int cli_run(int argc, char **argv);
int cli_simulate(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_models(int argc, char **argv);
int cli_read(int argc, char **argv);
int cli_datasets(int argc, char **argv);
int cli_log(int argc, char **argv);
int cli_faults(int argc, char **argv);
int cli_demo(int argc, char **argv);
int cli_verify(int argc, char **argv);
int cli_key(int argc, char **argv);
int cli_typetest(int argc, char **argv);

/** Report wrong usage of a command. @return EXIT_USAGE */
int cli_usage(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
