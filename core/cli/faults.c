/* metergate faults: what faults a charging station can have. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "model/faults.h"
#include "model/json.h"

#define JSON_MAX ((size_t)32 * 1024)

static void help(void)
{
    (void)printf(
        "Usage: metergate faults [--json] [ID]...\n\n"
        "The faults of a charging station: how bad each is, whether it stays "
        "when its\n"
        "cause has gone, and who can know of it. Those of the station's own "
        "boards are\n"
        "carried as data only. With IDs, whole or without "
        "\"urn:fault:koala:\", all that\n"
        "there is to know about them.\n\n"
        "  --json   for programs\n"
        "  --help   this text\n\n"
        "Example: metergate faults ac-over-current\n");
}

static bool is_named(const struct mg_fault_row *row, const char *name)
{
    const char *last = strrchr(row->id, ':');
    return strcmp(row->id, name) == 0 || strcmp(last + 1, name) == 0;
}

static bool is_chosen(const struct mg_fault_row *row, char *const *names,
                      int n_names)
{
    for (int i = 0; i < n_names; i++) {
        if (is_named(row, names[i])) {
            return true;
        }
    }
    return n_names == 0;
}

static bool exists(const char *name)
{
    for (unsigned i = 0; i < MG_N_FAULTS; i++) {
        if (is_named(mg_fault_row(i), name)) {
            return true;
        }
    }
    return false;
}

/* ---- For people ---- */

static void print_table(void)
{
    (void)printf("%-50s %-9s %-19s %-8s %s\n", "ID", "SEVERITY", "LATCHED",
                 "FROM", "DESCRIPTION");
    for (unsigned i = 0; i < MG_N_FAULTS; i++) {
        const struct mg_fault_row *row = mg_fault_row(i);
        (void)printf("%-50s %-9s %-19s %-8s %s\n", row->id,
                     mg_fault_severity_text(row->severity),
                     mg_fault_latch_text(row->latch),
                     mg_fault_source_text(row->source), row->description);
    }
}

static void print_details(const struct mg_fault_row *row)
{
    (void)printf(
        "%s\n"
        "  %s\n"
        "  severity         %s\n"
        "  latched          %s\n"
        "  known to         %s\n"
        "  blocks sessions  %s\n"
        "  shown            %s\n"
        "  source           %s\n",
        row->id, row->description, mg_fault_severity_text(row->severity),
        mg_fault_latch_text(row->latch), mg_fault_source_text(row->source),
        row->blocks_sessions ? "yes" : "no", row->host_text,
        row->is_ours ? "metergate" : "Flex Series guide, chapter 4");
}

/* ---- For programs ---- */

static void put_row(struct mg_json *j, const struct mg_fault_row *row)
{
    mg_json_open(j, '{');
    mg_json_member_str(j, "id", row->id);
    mg_json_member_str(j, "severity", mg_fault_severity_text(row->severity));
    mg_json_member_str(j, "latched", mg_fault_latch_text(row->latch));
    mg_json_member_str(j, "from", mg_fault_source_text(row->source));
    mg_json_member_bool(j, "blocks_sessions", row->blocks_sessions);
    mg_json_member_bool(j, "ours", row->is_ours);
    mg_json_member_str(j, "description", row->description);
    mg_json_member_str(j, "shown", row->host_text);
    mg_json_close(j, '}');
}

static int print_json(char *const *names, int n_names)
{
    char *buf = malloc(JSON_MAX);
    if (buf == NULL) {
        return 1;
    }
    struct mg_json j = mg_json_init(buf, JSON_MAX);
    mg_json_open(&j, '[');
    for (unsigned i = 0; i < MG_N_FAULTS; i++) {
        if (is_chosen(mg_fault_row(i), names, n_names)) {
            put_row(&j, mg_fault_row(i));
        }
    }
    mg_json_close(&j, ']');
    if (!j.failed) {
        (void)printf("%.*s\n", (int)j.len, buf);
    }
    free(buf);
    return j.failed ? 1 : 0;
}

static int list(char *const *names, int n_names, bool is_json)
{
    for (int i = 0; i < n_names; i++) {
        if (!exists(names[i])) {
            (void)fprintf(stderr,
                          "metergate: there is no fault '%s'; "
                          "`metergate faults` lists them\n",
                          names[i]);
            return 1;
        }
    }
    if (is_json) {
        return print_json(names, n_names);
    }
    if (n_names == 0) {
        print_table();
    }
    for (unsigned i = 0; n_names > 0 && i < MG_N_FAULTS; i++) {
        if (is_chosen(mg_fault_row(i), names, n_names)) {
            print_details(mg_fault_row(i));
        }
    }
    return 0;
}

int cli_faults(int argc, char **argv)
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
    return list(argv + optind, argc - optind, is_json);
}
