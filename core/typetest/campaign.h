/* The list of what is to be done, and the parts of the test that fill it. */
#ifndef MG_TYPETEST_CAMPAIGN_H
#define MG_TYPETEST_CAMPAIGN_H

#include "typetest/bench.h"

struct campaign;

/* One piece of work: a meter of its own on the bench, some rows of results.
 * What the members mean is said by the part that made it. */
struct task {
    /** @param rows  of this task, from its first on */
    void (*run)(const struct task *task,
                const struct mg_typetest_settings *settings,
                struct mg_typetest_row *rows, uint64_t *ret_metered_ns);
    size_t first_row;
    uint32_t mg_class;
    struct bench_point point;
    uint8_t kind, index; /* of the part's own */
};

/** Add a row; its condition is what the format makes.
 *  @param limit  copied; NULL: none
 *  @return its index; when memory is short, 0, and the campaign has failed */
size_t campaign_row(struct campaign *c, const char *test,
                    enum mg_typetest_unit unit, const struct mg_limit *limit,
                    const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/** A row of what is not tested, and why. */
void campaign_skip(struct campaign *c, const char *test, const char *condition,
                   const char *why);

/** Add a task; copied. */
void campaign_task(struct campaign *c, const struct task *task);

const struct mg_typetest_settings *
campaign_settings(const struct campaign *campaign);

/* For tasks. */
void row_judge(struct mg_typetest_row *row, int64_t error);
/** It could not be measured. */
void row_fail(struct mg_typetest_row *row, const char *why);
/** What a function of the bench has returned. */
void row_give(struct mg_typetest_row *row, int rc, int64_t error);

/** "balanced" or "L2 only" (neither for a meter with one phase), "PF 0.5 ind",
 *  "export". */
void point_text(const struct campaign *c, const struct bench_point *point,
                char ret[40]);

/* Whether the meter claims this class; the class of the active energy that
 * comes first. */
bool rating_has(const struct mg_rating *rating, uint32_t mg_class);
uint32_t rating_active_class(const struct mg_rating *rating);

/** "0.250 A". */
void current_text(int64_t current_ma, char ret[44]);

/* ---- The parts, in the order of the results ---- */

void intrinsic_plan(struct campaign *c);
void difference_plan(struct campaign *c);
void starting_plan(struct campaign *c);
void no_load_plan(struct campaign *c);
void constant_plan(struct campaign *c);
void repeatability_plan(struct campaign *c);
void influence_plan(struct campaign *c);
void composite_plan(struct campaign *c);
void reactive_plan(struct campaign *c);
void accuracy_plan(struct campaign *c);

#endif
