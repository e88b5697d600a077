/* The type test of a meter, in virtual time: the simulated meter on a bench
 * with an exact source, judged by what the standards and its manual allow.
 *
 * Energy is measured as on a real bench: whole impulses of the LED against the
 * energy that has truly flowed between the first and the last. */
#ifndef MG_TYPETEST_H
#define MG_TYPETEST_H

#include "base/err.h"
#include "metergate/plugin.h"

/* A limit and where it comes from. Confidence: H read in the text, M/H well
 * known or one good source, M one secondary source, L inferred. */
struct mg_limit {
    int64_t limit; /* in the unit of the row */
    const char *source;
    const char *confidence;
};

enum mg_typetest_unit {
    MG_TYPETEST_PPB,     /* of the true energy or value, 1e-9 */
    MG_TYPETEST_PPB_K,   /* the same per kelvin */
    MG_TYPETEST_MHZ,     /* 1e-3 Hz */
    MG_TYPETEST_PF,      /* 1e-4 */
    MG_TYPETEST_TAU,     /* 1e-3 of the time between impulses at Ist */
    MG_TYPETEST_IMPULSES /* counted */
};

enum mg_verdict { MG_PASS, MG_FAIL, MG_SKIP };

struct mg_typetest_row {
    const char *test; /* "intrinsic" */
    char condition[72];
    uint8_t unit; /* enum mg_typetest_unit */
    uint8_t verdict;
    bool has_error; /* false: could not be measured, see note */
    int64_t error;  /* signed, in `unit` */
    struct mg_limit limit;
    char note[96]; /* why skipped or failed; "" */
};

/* Mistakes that are put in, to see the test find them. */
enum mg_typetest_defect {
    MG_DEFECT_NONE,
    MG_DEFECT_PHASE_ERROR,      /* 0.4 degree in the current path */
    MG_DEFECT_PULSES_AT_UPDATE, /* LED only when energy is registered */
    MG_DEFECT_CREEP,            /* MG_FW_FAULT_CREEP */
    MG_DEFECT_REMAINDER         /* MG_FW_FAULT_REMAINDER */
};

struct mg_typetest_settings {
    const struct mg_plugin *plugin; /* borrowed; with firmware and rating */
    const void *options;            /* borrowed; of the plugin */
    const char *only;               /* one test's name; NULL: all */
    uint64_t seed;                  /* of the noise */
    uint8_t defect;                 /* enum mg_typetest_defect */
    int32_t phase_error_cdeg;       /* of MG_DEFECT_PHASE_ERROR; 0: 0.4 */
    unsigned n_threads;             /* at least 1 */
    /** Optional: after each finished piece of work, by the thread that did
     *  it, one at a time. */
    void (*progress)(void *ctx, size_t n_done, size_t n_all);
    void *ctx;
};

struct mg_typetest_result {
    struct mg_typetest_row *rows; /* owned; in a fixed order */
    size_t n_rows;
    size_t n_passed, n_failed, n_skipped;
    uint64_t metered_s; /* of the meters' own time, all together */
};

/** Run it. The result does not depend on the number of threads.
 *  @return MG_OK; MG_E_NOSUP: no firmware, no rating; MG_E_NOTFOUND: no test
 *  `only`; MG_E_NOMEM */
int mg_typetest_run(const struct mg_typetest_settings *settings,
                    struct mg_typetest_result *ret, struct mg_err *err);
void mg_typetest_result_free(struct mg_typetest_result *result);

/** Names and one line of each test, in order; NULL beyond the last. */
const char *mg_typetest_name(size_t index, const char **ret_summary);

/** What the error uses of its limit, in per cent, rounded up; -1: it has none,
 *  or the limit is a count. */
int64_t mg_typetest_share(const struct mg_typetest_row *row);

/** "B", "1", "0.5S", "2 (reactive)". @param mg_class  one of enum mg_class */
const char *mg_class_name(uint32_t mg_class);

#endif
