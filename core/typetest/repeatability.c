/* Repeatability: runs of as many whole impulses as the manual says. */
#include "typetest/campaign.h"

#define N_RUNS    10 /* three are asked for: more find more */
#define SETTLE_NS (2 * BENCH_S)
/* No net is at 50 Hz exactly, where runs begin and end alike by chance. */
#define ASIDE_MHZ 13
#define SOURCE    "IEC 62052-11:2020, repeatability: 1/10 of the limit"

static int spread(struct bench *bench, uint64_t n_pulses, int64_t *ret)
{
    int64_t lowest = INT64_MAX;
    int64_t highest = INT64_MIN;
    for (unsigned k = 0; k < N_RUNS; k++) {
        int64_t error;
        int rc = bench_measure(bench, n_pulses, 0, &error);
        if (rc != MG_OK) {
            return rc;
        }
        lowest = error < lowest ? error : lowest;
        highest = error > highest ? error : highest;
    }
    *ret = highest - lowest;
    return MG_OK;
}

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
        mains.frequency_mhz += ASIDE_MHZ;
        bench_apply(&bench, &mains);
        bench_run(&bench, SETTLE_NS);
        rc = spread(&bench, bench.rating->repeat_pulses[task->index], &error);
        *ret_metered_ns = bench_now_ns(&bench);
        bench_close(&bench);
    }
    row_give(rows, rc, error);
}

void repeatability_plan(struct campaign *c)
{
    static const char *const names[MG_N_REPEATS] = {"Imin", "Itr", "Iref",
                                                    "Imax"};
    const struct mg_rating *r = campaign_settings(c)->plugin->rating;
    const int64_t currents[MG_N_REPEATS] = {r->min_ma, r->tr_ma, r->ref_ma,
                                            r->max_ma};
    for (unsigned k = 0; k < MG_N_REPEATS; k++) {
        const struct mg_limit *intrinsic =
            mg_limit_intrinsic(rating_active_class(r), r, MG_LOAD_BALANCED,
                               currents[k], MG_FACTOR_1);
        if (r->repeat_pulses[k] == 0 || intrinsic == NULL) {
            continue;
        }
        const struct mg_limit limit = {intrinsic->limit / 10, SOURCE, "M"};
        size_t row = campaign_row(c, "repeatability", MG_TYPETEST_PPB, &limit,
                                  "%s, PF 1, %u x %u impulses", names[k],
                                  N_RUNS, r->repeat_pulses[k]);
        campaign_task(c, &(struct task){.run = run,
                                        .first_row = row,
                                        .point = {.current_ma = currents[k]},
                                        .index = (uint8_t)k});
    }
}
