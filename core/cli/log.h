/* The parts of `metergate log`: the metrological log book of a gateway. */
#ifndef MG_CLI_LOG_H
#define MG_CLI_LOG_H

#include <stdio.h>

#include "record/logbook_line.h"
#include "store/logbook.h"

struct log_options {
    int64_t from_ms, to_ms; /* both included; 0 = open */
    const char *meter;      /* NULL = all */
    const char *event;
    int64_t last; /* the newest so many; 0 = all */
    bool is_json;
    const char *out; /* file of an export; NULL: standard output */
    const char *keys[MG_LOG_KEYS_MAX]; /* of --key */
    size_t n_keys;
    const char *expect; /* hex of a hash; NULL: none */
    const char *file;   /* an export to verify; "-": standard input */
};

/* The verbs. @param logs  NULL: only a file is verified
 * @return the exit code; failures are reported */
int log_show(struct mg_logs *logs, const struct log_options *options);
int log_follow(struct mg_logs *logs, const struct log_options *options);
int log_export(struct mg_logs *logs, const struct log_options *options);
int log_verify(struct mg_logs *logs, const struct log_options *options);
int log_capacity(struct mg_logs *logs, const struct log_options *options);

/** Pointers into the row. */
struct mg_log_link log_row_link(const struct mg_log_row *row);

/** The public key that the gateway has signed with, as it told the database.
 *  @return owned; NULL: not known */
struct mg_public_key *log_stored_key(struct mg_logs *logs,
                                     const char *fingerprint);

#endif
