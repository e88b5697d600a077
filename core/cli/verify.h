/* The parts of `metergate verify`.
 *
 * Input becomes jobs (verify_input, verify_lines, verify_container), the pool
 * has them worked on in all cores and keeps their order (verify_pool), a worker
 * makes the verdict (verify_worker), and says it (verify_text, verify_json). */
#ifndef MG_CLI_VERIFY_H
#define MG_CLI_VERIFY_H

#include <stdio.h>

#include "model/json.h"
#include "record/verify.h"

/** One record as it was found. All texts owned; NULL: not there. */
struct verify_value {
    char *source; /* "file:12" */
    char *id, *transaction, *context;
    char *record, *key;
    size_t record_len;
    char *problem; /* why there is no record */
};

/** One record, or begin and end of one transaction. */
struct verify_job {
    unsigned n_values; /* 1 or 2 */
    bool is_crowded;   /* more than two values of this transaction */
    struct verify_value values[2];
};

/** The same texts, borrowed. */
struct verify_found {
    const char *source, *id, *transaction, *context, *record, *key, *problem;
    size_t record_len;
};

void verify_job_free(struct verify_job *job);

/** Where jobs go; takes over the job in any case. @return MG_OK to go on */
typedef int verify_emit(void *ctx, struct verify_job *job);

/** Text that grows, with a NUL behind it. All zero: empty. */
struct verify_buffer {
    char *text; /* owned */
    size_t len, cap;
};

/** @return MG_OK; MG_E_NOSPC: longer than max; MG_E_NOMEM */
int verify_buffer_append(struct verify_buffer *b, const char *bytes, size_t n,
                         size_t max);
void verify_buffer_free(struct verify_buffer *b);

/* ---- Input ---- */

struct verify_sink {
    verify_emit *emit;
    void (*idle)(void *ctx);               /* before waiting for input */
    void (*progress)(void *ctx, size_t n); /* bytes were read */
    void *ctx;
};

/** Read a file to its end. @param path  "-": standard input */
int verify_input_read(const char *path, const struct verify_sink *sink,
                      struct mg_err *err);

/** A record that stands for itself. */
int verify_input_text(const char *text, size_t len, const char *source,
                      const struct verify_sink *sink);

/** The records of a piece of JSON: an object, an array of them, or a string.
 *  @param ret_is_open  an object that goes on behind the text: nothing was
 *                      handed over. NULL: there is nothing behind it
 *  @return MG_OK; MG_E_NOMEM; what `emit` returned */
int verify_input_json(const char *text, size_t len, const char *source,
                      const struct verify_sink *sink, bool *ret_is_open);

/** The values of a SAFE container, those of a transaction together. */
int verify_input_container(const char *text, size_t len, const char *source,
                           const struct verify_sink *sink, struct mg_err *err);

/** One value as a job, also when it is no record. Trims, and undoes base64. */
int verify_emit_value(const struct verify_sink *sink,
                      const struct verify_found *found);
/** A value whose texts are the callee's from now on, in any case. */
int verify_emit_owned(const struct verify_sink *sink,
                      struct verify_value *value);
/** Trim the record, and undo base64. */
void verify_value_settle(struct verify_value *value);
/** A copy, settled. @return MG_OK or MG_E_NOMEM */
int verify_value_copy(struct verify_value *ret,
                      const struct verify_found *found);
void verify_value_free(struct verify_value *value);

/* ---- Keys ---- */

struct verify_keys;

struct verify_keys *verify_keys_create(void);
void verify_keys_destroy(struct verify_keys *keys);

/** The key of a text, from memory when it was there before. Also of the forms
 *  that OCPP wraps it in.
 *  @param curve  for raw keys: that of the record, MG_N_CURVES: not known
 *  @return borrowed until the next call; NULL: *ret_problem says why */
const struct mg_public_key *verify_keys_find(struct verify_keys *keys,
                                             const char *text,
                                             enum mg_curve curve,
                                             unsigned *ret_lenient,
                                             const char **ret_problem);

/** --key: a file by that name, or else the key itself. @return owned text */
char *verify_key_load(const char *argument, struct mg_err *err);

/* ---- Work ---- */

struct verify_options {
    const char *key; /* text; or NULL */
    enum mg_ocmf_profile profile;
    bool is_json, is_strict, is_verbose;
};

struct verify_counts {
    size_t n[MG_VERDICT_NO_RECORD + 1];
    size_t n_failed; /* for the exit status */
    size_t n_errors; /* good signatures with findings that are errors */
};

/** What was found of one value. */
struct verify_result {
    const struct verify_value *value;
    struct mg_ocmf *ocmf;
    struct mg_record_report report;
    const char *key_problem;
    bool has_failed;
};

/** Whether the program of the profile would refuse the record, for other
 *  reasons than a bad signature. */
bool verify_is_refused(const struct verify_result *result);
/** "transparenzsoftware-1.4"; NULL: no profile. */
const char *verify_profile_name(enum mg_ocmf_profile profile);

struct verify_worker {
    const struct verify_options *options;
    struct verify_keys *keys;
    struct verify_result results[2];
    bool is_pair;
    struct mg_findings pair;
    char *json; /* VERIFY_JSON_MAX */
};

#define VERIFY_JSON_MAX ((size_t)512 * 1024)

struct verify_worker *verify_worker_create(const struct verify_options *o);
void verify_worker_destroy(struct verify_worker *w);

/** Work on a job and write what is to be said of it.
 *  @param is_only  nothing else is verified: a report instead of a line */
void verify_worker_run(struct verify_worker *w, const struct verify_job *job,
                       bool is_only, struct verify_counts *counts, FILE *out);

/* ---- Output ---- */

void verify_text_report(const struct verify_worker *w,
                        const struct verify_job *job, FILE *out);
void verify_text_line(const struct verify_worker *w,
                      const struct verify_job *job, FILE *out);
void verify_text_summary(const struct verify_counts *counts, FILE *out);
void verify_json_lines(const struct verify_worker *w,
                       const struct verify_job *job, FILE *out);
void verify_list_checks(bool is_json);
/** Where an energy, a time: "123.45 kWh", "2022-11-11T13:22:28.000Z (S)". */
void verify_energy_text(const struct mg_ocmf_reading *a,
                        const struct mg_ocmf_reading *b, char *buf, size_t cap);

/* ---- Pool ---- */

struct verify_pool;

/** @param n_jobs  threads; 1: all is done in the caller's
 *  @param total_bytes  for the progress bar; 0: not known */
struct verify_pool *verify_pool_create(const struct verify_options *options,
                                       unsigned n_jobs, size_t total_bytes);
/** The pool as a sink of jobs. */
struct verify_sink verify_pool_sink(struct verify_pool *pool);
/** Wait for all that was handed over. @return MG_OK; MG_E_NOMEM */
int verify_pool_finish(struct verify_pool *pool, struct verify_counts *ret);
void verify_pool_destroy(struct verify_pool *pool);

/* ---- Explain ---- */

int verify_explain(int argc, char **argv);

#endif
