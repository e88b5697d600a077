/* The parts of `metergate datasets`: what is in the store of signed records. */
#ifndef MG_CLI_DATASETS_H
#define MG_CLI_DATASETS_H

#include <stdio.h>

#include "model/json.h"
#include "store/dataset.h"

struct datasets_options {
    const char *path; /* of the database */
    struct mg_dataset_filter filter;
    bool is_json;
    const char *format; /* of an export: "xml", "jsonl", "ocpp" */
    const char *out;    /* file of an export; NULL: standard output */
    bool is_plain;      /* OCPP without base64 */
    const char *what;   /* to show: an id or a transaction */
};

/* The verbs. @return the exit code; failures are reported */
int datasets_list(struct mg_datasets *datasets,
                  const struct datasets_options *options);
int datasets_show(struct mg_datasets *datasets,
                  const struct datasets_options *options);
int datasets_export(struct mg_datasets *datasets,
                    const struct datasets_options *options);
int datasets_audit(struct mg_datasets *datasets,
                   const struct datasets_options *options);

/* ---- Shared ---- */

/** A buffer for the JSON of one row. */
struct datasets_json {
    char *buf; /* owned */
    struct mg_json j;
};

/** @return whether there is memory for it */
bool datasets_json_init(struct datasets_json *json);
void datasets_json_fini(struct datasets_json *json);

/** Open the object of a row and write what is known of it; with_record: also
 *  `ocmf` and `original`. */
void datasets_json_row(struct datasets_json *json, const struct mg_dataset *d,
                       bool with_record);

/** Close the object and print it as a line. @return MG_OK or MG_E_NOSPC */
int datasets_json_line(struct datasets_json *json, FILE *out,
                       struct mg_err *err);

/** "12.340", kWh, exactly; "-" when not known. */
void datasets_energy_text(int64_t begin_mwh, int64_t end_mwh, char ret[32]);

/** "2025-03-02 12:00:00", UTC, or "-". */
void datasets_time_text(int64_t utc_ms, char ret[24]);

/** "T7", or "-". */
void datasets_pagination_text(const struct mg_dataset *d, char ret[24]);

/** What the row is worth: "yes", or why not. */
const char *datasets_billable_text(const struct mg_dataset *d);

/** The table of times, readings and cable losses that the driver saw; nothing
 *  for a record without cable losses. */
void datasets_print_summary(FILE *out, const struct mg_dataset *d);

/** Text from the file, for a terminal: no control characters. */
void datasets_print_text(FILE *out, const char *text, size_t len);

/** A count that grows on a terminal's standard error; silent elsewhere. */
struct datasets_progress {
    const char *what;
    uint64_t n, last_ns;
    bool is_shown;
};

void datasets_progress_add(struct datasets_progress *progress);
/** Wipe it. */
void datasets_progress_end(const struct datasets_progress *progress);

#endif
