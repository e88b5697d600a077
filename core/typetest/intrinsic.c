/* Intrinsic error: over current and power factor, balanced and each phase by
 * itself, both directions. */
#include "typetest/campaign.h"

static void run(const struct task *task,
                const struct mg_typetest_settings *settings,
                struct mg_typetest_row *rows, uint64_t *ret_metered_ns)
{
    struct bench bench;
    struct mg_sim_mains mains;
    int64_t error = 0;
    int rc = bench_open(&bench, settings);
    if (rc == MG_OK) {
        bench_mains(&bench, &task->point, &mains);
        rc = bench_error(&bench, &mains, &error);
        *ret_metered_ns = bench_now_ns(&bench);
        bench_close(&bench);
    }
    row_give(rows, rc, error);
}

static void add(struct campaign *c, uint32_t mg_class,
                const struct bench_point *point)
{
    const struct mg_rating *r = campaign_settings(c)->plugin->rating;
    const struct mg_limit *limit = mg_limit_intrinsic(
        mg_class, r, point->load, point->current_ma, point->factor);
    char current[44];
    char text[40];
    if (limit == NULL) {
        return;
    }
    current_text(point->current_ma, current);
    point_text(c, point, text);
    size_t row = campaign_row(c, "intrinsic", MG_TYPETEST_PPB, limit, "%s, %s",
                              current, text);
    campaign_task(
        c, &(struct task){.run = run, .first_row = row, .point = *point});
}

static void add_factors(struct campaign *c, uint32_t mg_class,
                        struct bench_point point)
{
    for (unsigned f = 0; f < MG_N_FACTORS; f++) {
        point.factor = (uint8_t)f;
        add(c, mg_class, &point);
    }
}

static void add_loads(struct campaign *c, uint32_t mg_class,
                      const struct bench_point *base)
{
    const struct mg_rating *r = campaign_settings(c)->plugin->rating;
    unsigned first;
    unsigned n_phases = bench_phases(campaign_settings(c), &first);
    size_t n;
    const struct mg_current_point *currents = mg_test_currents(mg_class, &n);
    for (size_t k = 0; k < n; k++) {
        struct bench_point point = *base;
        point.current_ma = mg_current_ma(r, &currents[k]);
        add_factors(c, mg_class, point);
    }
    for (unsigned phase = 0; n_phases > 1 && phase < n_phases; phase++) {
        for (size_t k = 0; k < n; k++) {
            struct bench_point point = *base;
            point.load = MG_LOAD_SINGLE;
            point.phase = (uint8_t)phase;
            point.current_ma = mg_current_ma(r, &currents[k]);
            add_factors(c, mg_class, point);
        }
    }
}

void intrinsic_plan(struct campaign *c)
{
    static const uint32_t classes[] = {MG_CLASS_B, MG_CLASS_1, MG_CLASS_05S};
    const struct mg_rating *r = campaign_settings(c)->plugin->rating;
    for (size_t k = 0; k < sizeof classes / sizeof *classes; k++) {
        if (!rating_has(r, classes[k])) {
            continue;
        }
        add_loads(c, classes[k], &(struct bench_point){0});
        if (r->has_export) {
            add_loads(c, classes[k], &(struct bench_point){.is_export = true});
        }
    }
}

/* ---- One phase's load against the balanced one, at Ib ---- */

static void run_difference(const struct task *task,
                           const struct mg_typetest_settings *settings,
                           struct mg_typetest_row *rows,
                           uint64_t *ret_metered_ns)
{
    struct bench_point balanced = task->point;
    balanced.load = MG_LOAD_BALANCED;
    struct bench bench;
    struct mg_sim_mains mains;
    int64_t errors[2] = {0};
    int rc = bench_open(&bench, settings);
    if (rc == MG_OK) {
        bench_mains(&bench, &balanced, &mains);
        rc = bench_error(&bench, &mains, &errors[0]);
        if (rc == MG_OK) {
            bench_mains(&bench, &task->point, &mains);
            rc = bench_error(&bench, &mains, &errors[1]);
        }
        *ret_metered_ns = bench_now_ns(&bench);
        bench_close(&bench);
    }
    row_give(rows, rc, errors[1] - errors[0]);
}

void difference_plan(struct campaign *c)
{
    static const uint32_t classes[] = {MG_CLASS_1, MG_CLASS_05S};
    const struct mg_rating *r = campaign_settings(c)->plugin->rating;
    unsigned first;
    unsigned n_phases = bench_phases(campaign_settings(c), &first);
    for (size_t k = 0; k < sizeof classes / sizeof *classes; k++) {
        for (unsigned phase = 0;
             n_phases > 1 && phase < n_phases && rating_has(r, classes[k]);
             phase++) {
            size_t row =
                campaign_row(c, "difference", MG_TYPETEST_PPB,
                             mg_limit_difference(classes[k]),
                             "Ib, L%u only against balanced", phase + 1);
            campaign_task(c,
                          &(struct task){.run = run_difference,
                                         .first_row = row,
                                         .point = {.current_ma = r->ref_ma,
                                                   .load = MG_LOAD_SINGLE,
                                                   .phase = (uint8_t)phase}});
        }
    }
}
