/* Accuracy of the values that the meter shows, read over its bus, against its
 * manual. */
#include "typetest/campaign.h"
#include "typetest/reader.h"

#define SHOW_NS   (4 * BENCH_S) /* longer than what any meter averages */
#define N_SHOWN   (1 + 3)       /* total, L1..L3 */
#define LOW_SHARE 400           /* permille of S: less is not tested */

struct condition {
    struct mg_current_point at;
    uint8_t factor; /* enum mg_factor */
    uint16_t voltage_permille, frequency_permille;
};

static const struct condition conditions[] = {
    {{MG_I_MIN, 1000}, MG_FACTOR_1, 1000, 1000},
    {{MG_I_REF, 1000}, MG_FACTOR_1, 1000, 1000},
    {{MG_I_MAX, 1000}, MG_FACTOR_1, 1000, 1000},
    {{MG_I_REF, 1000}, MG_FACTOR_05_IND, 1000, 1000},
    {{MG_I_MAX, 1000}, MG_FACTOR_05_IND, 1000, 1000},
    {{MG_I_REF, 1000}, MG_FACTOR_08_CAP, 1000, 1000},
    {{MG_I_REF, 1000}, MG_FACTOR_1, 900, 1000},
    {{MG_I_REF, 1000}, MG_FACTOR_1, 1100, 1000},
    {{MG_I_REF, 1000}, MG_FACTOR_1, 1000, 980},
    {{MG_I_REF, 1000}, MG_FACTOR_1, 1000, 1020},
};

/* ---- The truth, in base units of the channels ---- */

struct truth {
    double value, rated;
};

static struct truth of_phase(const struct bench *bench, uint16_t quantity)
{
    const struct mg_rating *r = bench->rating;
    const struct mg_sim_phase *p = &bench->mains.phase[bench->first_lane];
    double u = (double)p->voltage_mv;
    double i = (double)p->current_ma;
    double un = r->voltage_mv;
    double rated_power = un * r->ref_ma / 1000; /* mW */
    double s, c;
    mg_sincos(mg_turn_from_cdeg(p->phase_cdeg), &s, &c);
    switch (quantity) {
    case MG_Q_VOLTAGE:
        return (struct truth){u, un};
    case MG_Q_CURRENT:
        return (struct truth){i, r->ref_ma};
    case MG_Q_POWER_ACTIVE:
        return (struct truth){u * i / 1000 * c, rated_power};
    case MG_Q_POWER_REACTIVE:
        return (struct truth){u * i / 1000 * s, rated_power};
    case MG_Q_POWER_APPARENT:
        return (struct truth){u * i / 1000, rated_power};
    case MG_Q_POWER_FACTOR:
        return (struct truth){c * 10000, 10000};
    default:
        return (struct truth){(double)bench->mains.frequency_mhz,
                              r->frequency_mhz};
    }
}

/* Powers and currents of all phases are added up; the rest is the same for the
 * meter as a whole. */
static struct truth truth_of(const struct bench *bench, uint16_t quantity,
                             unsigned phase)
{
    struct truth t = of_phase(bench, quantity);
    bool is_sum = quantity == MG_Q_CURRENT || quantity == MG_Q_POWER_ACTIVE ||
                  quantity == MG_Q_POWER_REACTIVE ||
                  quantity == MG_Q_POWER_APPARENT;
    if (is_sum && phase == MG_PHASE_TOTAL) {
        t.value *= bench->n_lanes;
        t.rated *= bench->n_lanes;
    }
    return t;
}

/* ---- Measuring ---- */

static double base_of(const struct bench *bench, const struct mg_accuracy *a,
                      const struct truth *t)
{
    bool is_above = bench->mains.phase[bench->first_lane].current_ma >
                    bench->rating->ref_ma;
    switch ((enum mg_accuracy_rule)a->rule) {
    case MG_ACCURACY_OF_RATED:
        return t->rated;
    case MG_ACCURACY_OF_RATED_THEN_VALUE:
        return is_above ? t->value : t->rated;
    case MG_ACCURACY_ABSOLUTE:
        return 1e9; /* the difference itself */
    default:
        return t->value;
    }
}

static int64_t rounded(double x)
{
    return (int64_t)(x < 0 ? x - 0.5 : x + 0.5);
}

/* @return NULL: not shown, or not of what is connected. A voltage of the meter
 * as a whole is a mean of all lines where each is shown too. */
static const struct mg_value *shown(const struct bench *bench,
                                    const struct mg_sample *sample,
                                    uint16_t quantity, unsigned phase)
{
    unsigned line = MG_PHASE_L1 + bench->first_lane % 3U;
    const struct mg_value *v =
        mg_sample_find(sample, MG_CHANNEL(quantity, phase, 0, MG_PERIOD_EVER));
    bool is_mean =
        quantity == MG_Q_VOLTAGE && phase == MG_PHASE_TOTAL &&
        mg_sample_find(sample, MG_CHANNEL(quantity, line, 0, MG_PERIOD_EVER));
    bool is_fed =
        phase == MG_PHASE_TOTAL || bench->n_lanes > 1 || phase == line;
    bool is_good = v != NULL && v->quality == MG_QUALITY_GOOD;
    return is_good && is_fed && !is_mean ? v : NULL;
}

/* The worst of what the meter shows of a quantity. */
static bool worst_of(const struct bench *bench, const struct mg_accuracy *a,
                     const struct mg_sample *sample, int64_t *ret)
{
    bool is_shown = false;
    for (unsigned phase = 0; phase < N_SHOWN; phase++) {
        const struct mg_value *v = shown(bench, sample, a->quantity, phase);
        if (v == NULL) {
            continue;
        }
        struct truth t = truth_of(bench, a->quantity, phase);
        double base = base_of(bench, a, &t);
        int64_t error = rounded(((double)v->value - t.value) /
                                (base < 0 ? -base : base) * 1e9);
        bool is_worse =
            (error < 0 ? -error : error) > (*ret < 0 ? -*ret : *ret);
        *ret = !is_shown || is_worse ? error : *ret;
        is_shown = true;
    }
    return is_shown;
}

/* Powers that hardly flow, as reactive power at power factor 1, have an error
 * of the value that says nothing. */
static bool is_tested(const struct mg_accuracy *a, uint8_t factor)
{
    static const uint16_t cosines[MG_N_FACTORS] = {1000, 500, 800, 250, 500};
    static const uint16_t sines[MG_N_FACTORS] = {0, 866, 600, 968, 866};
    return (a->quantity != MG_Q_POWER_ACTIVE || cosines[factor] >= LOW_SHARE) &&
           (a->quantity != MG_Q_POWER_REACTIVE || sines[factor] >= LOW_SHARE);
}

static void set_mains(struct bench *bench, const struct bench_point *point,
                      const struct condition *condition)
{
    struct mg_sim_mains mains;
    bench_mains(bench, point, &mains);
    mains.frequency_mhz =
        mains.frequency_mhz * condition->frequency_permille / 1000;
    for (unsigned k = 0; k < MG_LANES_MAX; k++) {
        mains.phase[k].voltage_mv =
            mains.phase[k].voltage_mv * condition->voltage_permille / 1000;
    }
    bench_apply(bench, &mains);
}

static void run(const struct task *task,
                const struct mg_typetest_settings *settings,
                struct mg_typetest_row *rows, uint64_t *ret_metered_ns)
{
    const struct mg_rating *r = settings->plugin->rating;
    struct bench bench;
    struct reader reader;
    struct mg_sample sample = {0};
    if (bench_open(&bench, settings) != MG_OK) {
        return;
    }
    set_mains(&bench, &task->point, &conditions[task->index]);
    bench_run(&bench, SHOW_NS);
    int rc = reader_open(&reader, &bench);
    rc = rc == MG_OK ? reader_read(&reader, &sample) : rc;
    size_t row = 0;
    for (size_t k = 0; k < r->n_accuracies; k++) {
        const struct mg_accuracy *a = &r->accuracies[k];
        int64_t error = 0;
        if (!is_tested(a, task->point.factor)) {
            continue;
        }
        if (rc == MG_OK && worst_of(&bench, a, &sample, &error)) {
            row_judge(&rows[row], error);
        } else {
            row_fail(&rows[row], "the meter did not show it");
        }
        row++;
    }
    *ret_metered_ns = bench_now_ns(&bench);
    bench_close(&bench);
}

/* ---- Planning ---- */

static const char *letter_of(uint16_t quantity)
{
    switch (quantity) {
    case MG_Q_VOLTAGE:
        return "U";
    case MG_Q_CURRENT:
        return "I";
    case MG_Q_POWER_ACTIVE:
        return "P";
    case MG_Q_POWER_REACTIVE:
        return "Q";
    case MG_Q_POWER_APPARENT:
        return "S";
    case MG_Q_POWER_FACTOR:
        return "PF";
    default:
        return "f";
    }
}

static size_t add_row(struct campaign *c, const struct mg_accuracy *a,
                      const struct condition *condition, const char *current,
                      const char *text)
{
    bool is_absolute = a->rule == MG_ACCURACY_ABSOLUTE;
    const struct mg_limit limit = {
        is_absolute ? a->limit : (int64_t)a->limit * 1000, a->source, "H"};
    enum mg_typetest_unit unit = !is_absolute ? MG_TYPETEST_PPB
                                 : a->quantity == MG_Q_FREQUENCY
                                     ? MG_TYPETEST_MHZ
                                     : MG_TYPETEST_PF;
    return campaign_row(c, "accuracy", unit, &limit,
                        "%s at %s, %s, %u.%u Un, %u.%02u fn",
                        letter_of(a->quantity), current, text,
                        condition->voltage_permille / 1000U,
                        condition->voltage_permille % 1000U / 100,
                        condition->frequency_permille / 1000U,
                        condition->frequency_permille % 1000U / 10);
}

static void add(struct campaign *c, size_t index)
{
    const struct condition *condition = &conditions[index];
    const struct mg_rating *r = campaign_settings(c)->plugin->rating;
    struct task task = {
        .run = run,
        .point = {.current_ma = mg_current_ma(r, &condition->at),
                  .factor = condition->factor},
        .index = (uint8_t)index};
    bool has_row = false;
    char current[44];
    char text[40];
    current_text(task.point.current_ma, current);
    point_text(c, &task.point, text);
    for (size_t k = 0; k < r->n_accuracies; k++) {
        if (!is_tested(&r->accuracies[k], condition->factor)) {
            continue;
        }
        size_t row = add_row(c, &r->accuracies[k], condition, current, text);
        task.first_row = has_row ? task.first_row : row;
        has_row = true;
    }
    if (has_row) {
        campaign_task(c, &task);
    }
}

void accuracy_plan(struct campaign *c)
{
    if (campaign_settings(c)->plugin->rating->n_accuracies == 0) {
        campaign_skip(c, "accuracy", "U, I, P, Q, S, PF, f",
                      "the manual gives no accuracy of shown values");
        return;
    }
    for (size_t k = 0; k < sizeof conditions / sizeof *conditions; k++) {
        add(c, k);
    }
}
