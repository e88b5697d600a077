/* Starting current, and no load at all. */
#include "typetest/campaign.h"

#define START_SOURCE "EN 50470-3:2006 and IEC 62052-11:2020: 1.5 tau, twice"
#define SETTLE_NS    (2 * BENCH_S)

/* Rows: the first impulse, the next. */
static void run_starting(const struct task *task,
                         const struct mg_typetest_settings *settings,
                         struct mg_typetest_row *rows, uint64_t *ret_metered_ns)
{
    struct bench_point open = task->point;
    open.current_ma = 0;
    struct bench bench;
    struct mg_sim_mains mains;
    int rc = bench_open(&bench, settings);
    if (rc != MG_OK) {
        row_give(&rows[0], rc, 0);
        row_give(&rows[1], rc, 0);
        return;
    }
    bench_mains(&bench, &open, &mains);
    bench_apply(&bench, &mains);
    bench_run(&bench, SETTLE_NS);
    bench_mains(&bench, &task->point, &mains);
    bench_apply(&bench, &mains);
    double tau_ns = bench_period_ns(&bench);
    for (unsigned k = 0; k < 2; k++) {
        uint64_t took_ns = 0;
        rc = bench_wait(&bench, (uint64_t)(1.5 * tau_ns), &took_ns);
        if (rc == MG_OK) {
            row_judge(&rows[k], (int64_t)((double)took_ns / tau_ns * 1000));
        } else {
            row_fail(&rows[k], "no impulse within 1.5 tau");
        }
    }
    *ret_metered_ns = bench_now_ns(&bench);
    bench_close(&bench);
}

static void add_starting(struct campaign *c, bool is_export)
{
    static const struct mg_limit limit = {1500, START_SOURCE, "M"};
    static const char *const impulses[] = {"first impulse", "next impulse"};
    const struct mg_rating *r = campaign_settings(c)->plugin->rating;
    struct task task = {
        .run = run_starting,
        .point = {.current_ma = r->start_ma, .is_export = is_export}};
    char current[44];
    char text[40];
    current_text(r->start_ma, current);
    point_text(c, &task.point, text);
    for (unsigned k = 0; k < 2; k++) {
        size_t row = campaign_row(c, "starting", MG_TYPETEST_TAU, &limit,
                                  "%s, %s, %s", current, text, impulses[k]);
        task.first_row = k == 0 ? row : task.first_row;
    }
    campaign_task(c, &task);
}

void starting_plan(struct campaign *c)
{
    add_starting(c, false);
    if (campaign_settings(c)->plugin->rating->has_export) {
        add_starting(c, true);
    }
}

/* ---- No load ---- */

enum no_load_rule { NO_LOAD_EN, NO_LOAD_2020, NO_LOAD_2003 };

struct no_load {
    uint16_t voltage_permille;
    uint32_t constant; /* 1e3 of the rule's */
    bool is_by_imax;   /* else by Ist and the test's voltage */
    struct mg_limit limit;
};

/* Time in min: constant / (k * m * U * I). */
static const struct no_load no_loads[] = {
    [NO_LOAD_EN] = {1150, 240, false, {1, "EN 50470-3:2006, no load", "M/H"}},
    [NO_LOAD_2020] = {1100,
                      240,
                      false,
                      {1, "IEC 62052-11:2020, no load", "M/H"}},
    [NO_LOAD_2003] = {1150,
                      600000,
                      true,
                      {1, "IEC 62053-21 and -22:2003, 8.3.2", "M/H"}},
};

static uint64_t no_load_ns(const struct mg_typetest_settings *settings,
                           const struct no_load *rule)
{
    const struct mg_rating *r = settings->plugin->rating;
    unsigned first;
    double m = bench_phases(settings, &first);
    double volt = r->voltage_mv * 1e-3;
    double ampere = (rule->is_by_imax ? r->max_ma : r->start_ma) * 1e-3;
    volt *= rule->is_by_imax ? 1 : rule->voltage_permille * 1e-3;
    double minutes =
        rule->constant * 1e3 / (r->impulses_per_kwh * m * volt * ampere);
    return (uint64_t)(minutes * 60e9);
}

static void run_no_load(const struct task *task,
                        const struct mg_typetest_settings *settings,
                        struct mg_typetest_row *rows, uint64_t *ret_metered_ns)
{
    const struct no_load *rule = &no_loads[task->kind];
    struct bench bench;
    struct mg_sim_mains mains;
    int rc = bench_open(&bench, settings);
    if (rc != MG_OK) {
        row_give(rows, rc, 0);
        return;
    }
    bench_mains(&bench, &task->point, &mains);
    for (unsigned k = 0; k < MG_LANES_MAX; k++) {
        mains.phase[k].voltage_mv =
            mains.phase[k].voltage_mv * rule->voltage_permille / 1000;
    }
    bench_apply(&bench, &mains);
    bench_run(&bench, SETTLE_NS);
    uint64_t before = bench.n_seen;
    bench_run(&bench, no_load_ns(settings, rule));
    row_judge(rows, (int64_t)(bench.n_seen - before));
    *ret_metered_ns = bench_now_ns(&bench);
    bench_close(&bench);
}

static void add_no_load(struct campaign *c, enum no_load_rule kind)
{
    const struct no_load *rule = &no_loads[kind];
    uint64_t s = no_load_ns(campaign_settings(c), rule) / BENCH_S;
    size_t row = campaign_row(c, "no-load", MG_TYPETEST_IMPULSES, &rule->limit,
                              "%u.%02u Un, no current, %u min %u s",
                              rule->voltage_permille / 1000U,
                              rule->voltage_permille % 1000U / 10,
                              (unsigned)(s / 60), (unsigned)(s % 60));
    campaign_task(c, &(struct task){.run = run_no_load,
                                    .first_row = row,
                                    .kind = (uint8_t)kind});
}

void no_load_plan(struct campaign *c)
{
    const struct mg_rating *r = campaign_settings(c)->plugin->rating;
    if (rating_has(r, MG_CLASS_B)) {
        add_no_load(c, NO_LOAD_EN);
    }
    add_no_load(c, NO_LOAD_2020);
    if (rating_has(r, MG_CLASS_1 | MG_CLASS_05S)) {
        add_no_load(c, NO_LOAD_2003);
    }
}
