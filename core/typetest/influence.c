/* Influences: how far the error changes when one thing is not as it should
 * be. */
#include "typetest/campaign.h"

#define REFERENCE_DEGC 23
#define SHAPE_NS       (200 * BENCH_S) /* what a burst leaves over is small */

/* What is changed, and by how much. */
struct change {
    uint8_t influence; /* enum mg_influence */
    uint8_t factor;    /* enum mg_factor */
    struct mg_current_point at;
    int16_t amount; /* permille of Un or fn; lost phases as bits; for the
                     * temperature -1 the lowest, 1 the highest */
    const char *text;
};

#define AT_TR                                                                  \
    {                                                                          \
        MG_I_TR, 1000                                                          \
    }
#define AT_REF                                                                 \
    {                                                                          \
        MG_I_REF, 1000                                                         \
    }

static const struct change changes[] = {
    {MG_INFLUENCE_VOLTAGE, MG_FACTOR_1, AT_TR, 900, "0.9 Un"},
    {MG_INFLUENCE_VOLTAGE, MG_FACTOR_1, AT_TR, 1100, "1.1 Un"},
    {MG_INFLUENCE_VOLTAGE, MG_FACTOR_1, AT_REF, 900, "0.9 Un"},
    {MG_INFLUENCE_VOLTAGE, MG_FACTOR_1, AT_REF, 1100, "1.1 Un"},
    {MG_INFLUENCE_VOLTAGE, MG_FACTOR_05_IND, AT_REF, 900, "0.9 Un"},
    {MG_INFLUENCE_VOLTAGE, MG_FACTOR_05_IND, AT_REF, 1100, "1.1 Un"},
    {MG_INFLUENCE_FREQUENCY, MG_FACTOR_1, AT_REF, 980, "0.98 fn"},
    {MG_INFLUENCE_FREQUENCY, MG_FACTOR_1, AT_REF, 1020, "1.02 fn"},
    {MG_INFLUENCE_FREQUENCY, MG_FACTOR_05_IND, AT_REF, 980, "0.98 fn"},
    {MG_INFLUENCE_FREQUENCY, MG_FACTOR_05_IND, AT_REF, 1020, "1.02 fn"},
    {MG_INFLUENCE_TEMPERATURE, MG_FACTOR_1, AT_REF, -1, "lowest temperature"},
    {MG_INFLUENCE_TEMPERATURE, MG_FACTOR_1, AT_REF, 1, "highest temperature"},
    {MG_INFLUENCE_TEMPERATURE, MG_FACTOR_05_IND, AT_REF, -1,
     "lowest temperature"},
    {MG_INFLUENCE_TEMPERATURE, MG_FACTOR_05_IND, AT_REF, 1,
     "highest temperature"},
    {MG_INFLUENCE_SEQUENCE, MG_FACTOR_1, AT_REF, 0, "reversed phase sequence"},
    {MG_INFLUENCE_UNBALANCE, MG_FACTOR_1, AT_REF, 1, "L1 lost"},
    {MG_INFLUENCE_UNBALANCE, MG_FACTOR_1, AT_REF, 2, "L2 lost"},
    {MG_INFLUENCE_UNBALANCE, MG_FACTOR_1, AT_REF, 4, "L3 lost"},
    {MG_INFLUENCE_UNBALANCE, MG_FACTOR_1, AT_REF, 3, "L1 and L2 lost"},
    {MG_INFLUENCE_UNBALANCE, MG_FACTOR_1, AT_REF, 5, "L1 and L3 lost"},
    {MG_INFLUENCE_UNBALANCE, MG_FACTOR_1, AT_REF, 6, "L2 and L3 lost"},
    {MG_INFLUENCE_HARMONIC_5,
     MG_FACTOR_1,
     {MG_I_MAX, 500},
     0,
     "5th harmonic, U 10 %, I 40 %"},
    {MG_INFLUENCE_DC_EVEN,
     MG_FACTOR_1,
     {MG_I_MAX, 1000},
     0,
     "half-wave, Imax/sqrt 2 rms"},
    {MG_INFLUENCE_ODD, MG_FACTOR_1, {MG_I_REF, 500}, 0, "phase-fired at 90"},
    {MG_INFLUENCE_SUB,
     MG_FACTOR_1,
     {MG_I_REF, 500},
     0,
     "bursts, two periods of four"},
};

/* ---- Changing ---- */

static void lose_phases(struct bench *bench, unsigned lost,
                        struct mg_sim_mains *m)
{
    for (unsigned k = 0; k < bench->n_lanes; k++) {
        if ((lost >> k & 1) != 0) {
            m->phase[bench->first_lane + k].voltage_mv = 0;
            m->phase[bench->first_lane + k].current_ma = 0;
        }
    }
}

static void scale_voltages(struct mg_sim_mains *m, int permille)
{
    for (unsigned k = 0; k < MG_LANES_MAX; k++) {
        m->phase[k].voltage_mv = m->phase[k].voltage_mv * permille / 1000;
    }
}

static void reverse_sequence(struct mg_sim_mains *m)
{
    for (unsigned k = 0; k < MG_LANES_MAX; k++) {
        m->phase[k].angle_cdeg = -m->phase[k].angle_cdeg;
    }
}

static int32_t temperature_mdegc(const struct mg_rating *r, int which)
{
    return (which < 0 ? r->min_degc : r->max_degc) * 1000;
}

static void change_mains(struct bench *bench, const struct change *change,
                         struct mg_sim_mains *m)
{
    switch ((enum mg_influence)change->influence) {
    case MG_INFLUENCE_VOLTAGE:
        scale_voltages(m, change->amount);
        break;
    case MG_INFLUENCE_FREQUENCY:
        m->frequency_mhz = m->frequency_mhz * change->amount / 1000;
        break;
    case MG_INFLUENCE_TEMPERATURE:
        m->ambient_mdegc = temperature_mdegc(bench->rating, change->amount);
        break;
    case MG_INFLUENCE_SEQUENCE:
        reverse_sequence(m);
        break;
    case MG_INFLUENCE_UNBALANCE:
        lose_phases(bench, (unsigned)change->amount, m);
        break;
    case MG_INFLUENCE_HARMONIC_5:
        m->n_harmonics = 1;
        m->harmonic[0] = (struct mg_sim_harmonic){
            .order = 5, .u_ppm = 100000, .i_ppm = 400000};
        break;
    case MG_INFLUENCE_DC_EVEN:
        m->shape = MG_SIM_HALF_WAVE;
        break;
    case MG_INFLUENCE_ODD:
        m->shape = MG_SIM_PHASE_FIRED;
        break;
    case MG_INFLUENCE_SUB:
        m->shape = MG_SIM_BURST_FIRED;
        break;
    default:
        break;
    }
}

/* ---- Measuring ---- */

static int measure_changed(struct bench *bench, const struct change *change,
                           struct mg_sim_mains *mains, int64_t *ret_ppb)
{
    change_mains(bench, change, mains);
    if (mains->shape == MG_SIM_SINE) {
        return bench_error(bench, mains, ret_ppb);
    }
    bench_apply(bench, mains);
    bench_run(bench, 2 * BENCH_S);
    return bench_measure(bench, 2, SHAPE_NS, ret_ppb);
}

static void run(const struct task *task,
                const struct mg_typetest_settings *settings,
                struct mg_typetest_row *rows, uint64_t *ret_metered_ns)
{
    const struct change *change = &changes[task->index];
    struct bench bench;
    struct mg_sim_mains mains;
    int64_t errors[2] = {0};
    int rc = bench_open(&bench, settings);
    if (rc == MG_OK) {
        bench_mains(&bench, &task->point, &mains);
        rc = bench_error(&bench, &mains, &errors[0]);
        if (rc == MG_OK) {
            rc = measure_changed(&bench, change, &mains, &errors[1]);
        }
        *ret_metered_ns = bench_now_ns(&bench);
        bench_close(&bench);
    }
    int64_t by = errors[1] - errors[0];
    if (change->influence == MG_INFLUENCE_TEMPERATURE) {
        int32_t degc =
            temperature_mdegc(settings->plugin->rating, change->amount) / 1000;
        by /= degc - REFERENCE_DEGC;
    }
    row_give(rows, rc, by);
}

/* ---- Planning ---- */

static bool needs_phases(const struct change *change)
{
    return change->influence == MG_INFLUENCE_SEQUENCE ||
           change->influence == MG_INFLUENCE_UNBALANCE;
}

static void add(struct campaign *c, uint32_t mg_class, size_t index)
{
    const struct change *change = &changes[index];
    const struct mg_rating *r = campaign_settings(c)->plugin->rating;
    const struct mg_limit *limit =
        mg_limit_influence(mg_class, (enum mg_influence)change->influence,
                           (enum mg_factor)change->factor);
    struct bench_point point = {.current_ma = mg_current_ma(r, &change->at),
                                .factor = change->factor};
    bool is_temperature = change->influence == MG_INFLUENCE_TEMPERATURE;
    char current[44];
    char text[40];
    if (limit == NULL) {
        campaign_skip(c, "influence", change->text,
                      "the class has no limit for it");
        return;
    }
    if (change->influence == MG_INFLUENCE_UNBALANCE && r->needs_l1 &&
        (change->amount & 1) != 0) {
        campaign_skip(c, "influence", change->text,
                      "without L1 the meter is dark, or opens its relays");
        return;
    }
    current_text(point.current_ma, current);
    point_text(c, &point, text);
    size_t row = campaign_row(
        c, "influence", is_temperature ? MG_TYPETEST_PPB_K : MG_TYPETEST_PPB,
        limit, "%s, %s, %s", current, text, change->text);
    campaign_task(c, &(struct task){.run = run,
                                    .first_row = row,
                                    .point = point,
                                    .index = (uint8_t)index});
}

void influence_plan(struct campaign *c)
{
    const struct mg_rating *r = campaign_settings(c)->plugin->rating;
    unsigned first;
    bool has_phases = bench_phases(campaign_settings(c), &first) > 1;
    for (size_t k = 0; k < sizeof changes / sizeof *changes; k++) {
        if (has_phases || !needs_phases(&changes[k])) {
            add(c, rating_active_class(r), k);
        }
    }
    if (rating_has(r, MG_CLASS_B) && rating_has(r, MG_CLASS_1)) {
        campaign_skip(c, "influence", "IEC 62053-21, class 1",
                      "its limits are those of class B, above");
    }
}
