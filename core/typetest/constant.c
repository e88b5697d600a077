/* Meter constant: what the register says against the impulses. */
#include "typetest/campaign.h"
#include "typetest/reader.h"

#define SOURCE "OIML R46: register against impulses, 1/10 of the base error"

/* R46 asks for 1000 steps of the register per per cent of the base error; with
 * four times that the step itself hardly counts. */
#define STEPS    4000
#define PAUSE_NS (3 * BENCH_S) /* all that flowed is registered */

struct state {
    int64_t along_mwh, other_mwh; /* of the tested direction, of the other */
    uint64_t n_pulses;
};

static int read_state(struct reader *reader, bool is_export, struct state *ret)
{
    mg_channel in = MG_CH(ENERGY_ACTIVE_IMPORT, TOTAL);
    mg_channel out = MG_CH(ENERGY_ACTIVE_EXPORT, TOTAL);
    ret->other_mwh = 0;
    ret->n_pulses = reader->bench->n_seen;
    int rc = reader_value(reader, is_export ? out : in, &ret->along_mwh);
    if (rc == MG_OK && reader->bench->rating->has_export) {
        rc = reader_value(reader, is_export ? in : out, &ret->other_mwh);
    }
    return rc;
}

static uint64_t load_ns(const struct bench *bench)
{
    int64_t base_ppm =
        mg_class_base_ppb(rating_active_class(bench->rating)) / 1000;
    double mwh = (double)bench->rating->register_step_mwh * STEPS * 1e4 /
                 (double)base_ppm;
    double impulses = mwh * 1e-6 * bench->rating->impulses_per_kwh;
    return (uint64_t)(impulses * bench_period_ns(bench));
}

static int pass_energy(struct bench *bench, const struct bench_point *point)
{
    struct bench_point open = *point;
    struct mg_sim_mains mains;
    bench_mains(bench, point, &mains);
    bench_apply(bench, &mains);
    bench_run(bench, load_ns(bench));
    open.current_ma = 0;
    bench_mains(bench, &open, &mains);
    bench_apply(bench, &mains);
    bench_run(bench, PAUSE_NS);
    return MG_OK;
}

static void judge(struct mg_typetest_row *row, const struct bench *bench,
                  const struct state *before, const struct state *after)
{
    double per_mwh = bench->rating->impulses_per_kwh * 1e-6;
    double by_register =
        (double)(after->along_mwh - before->along_mwh) * per_mwh;
    double by_pulses = (double)(after->n_pulses - before->n_pulses);
    if (by_pulses <= 0) {
        row_fail(row, "no impulses");
        return;
    }
    row_judge(row, bench_ppb(by_register, by_pulses));
    if (after->other_mwh != before->other_mwh) {
        row_fail(row, "the other direction's register has moved");
    }
}

static void run(const struct task *task,
                const struct mg_typetest_settings *settings,
                struct mg_typetest_row *rows, uint64_t *ret_metered_ns)
{
    struct bench bench;
    struct bench_point open = task->point;
    struct mg_sim_mains mains;
    struct reader reader;
    struct state before;
    struct state after;
    int rc = bench_open(&bench, settings);
    if (rc != MG_OK) {
        row_give(rows, rc, 0);
        return;
    }
    open.current_ma = 0;
    bench_mains(&bench, &open, &mains);
    bench_apply(&bench, &mains);
    bench_run(&bench, PAUSE_NS);
    rc = reader_open(&reader, &bench);
    rc = rc == MG_OK ? read_state(&reader, task->point.is_export, &before) : rc;
    rc = rc == MG_OK ? pass_energy(&bench, &task->point) : rc;
    rc = rc == MG_OK ? read_state(&reader, task->point.is_export, &after) : rc;
    if (rc == MG_OK) {
        judge(rows, &bench, &before, &after);
    } else {
        row_fail(rows, "the register could not be read");
    }
    *ret_metered_ns = bench_now_ns(&bench);
    bench_close(&bench);
}

static void add(struct campaign *c, bool is_export)
{
    const struct mg_rating *r = campaign_settings(c)->plugin->rating;
    const struct mg_limit limit = {
        mg_class_base_ppb(rating_active_class(r)) / 10, SOURCE, "M/H"};
    struct task task = {
        .run = run, .point = {.current_ma = r->max_ma, .is_export = is_export}};
    char current[44];
    char text[40];
    current_text(r->max_ma, current);
    point_text(c, &task.point, text);
    task.first_row = campaign_row(c, "constant", MG_TYPETEST_PPB, &limit,
                                  "%s, %s, %u steps", current, text, STEPS);
    campaign_task(c, &task);
}

void constant_plan(struct campaign *c)
{
    add(c, false);
    if (campaign_settings(c)->plugin->rating->has_export) {
        add(c, true);
    }
}
