/* Reactive energy. The LED shows active energy, so the register itself is
 * timed: it is read ten times a second, and the energy between two of its steps
 * is set against the truth. */
#include "typetest/campaign.h"
#include "typetest/reader.h"

#define LOOK_NS     (BENCH_S / 10)
#define SETTLE_NS   (2 * BENCH_S)
#define MEASURE_NS  (400 * BENCH_S)
#define N_STEPS     3
#define UJ_PER_MVAR 3600000.0 /* of a mvarh, in uvar s */
#define MVARH_PER_K 1e6

/* What may be changed at Iref, IEC 62053-23; 0 is nothing. */
struct change {
    uint8_t influence; /* enum mg_influence */
    int16_t amount;    /* permille; -1 and 1: coldest and hottest */
    const char *text;
};

static const struct change changes[] = {
    {0, 0, ""},
    {MG_INFLUENCE_VOLTAGE, 900, "0.9 Un"},
    {MG_INFLUENCE_VOLTAGE, 1100, "1.1 Un"},
    {MG_INFLUENCE_FREQUENCY, 980, "0.98 fn"},
    {MG_INFLUENCE_FREQUENCY, 1020, "1.02 fn"},
    {MG_INFLUENCE_TEMPERATURE, -1, "lowest temperature"},
    {MG_INFLUENCE_TEMPERATURE, 1, "highest temperature"},
};

#define N_CHANGES (sizeof changes / sizeof *changes)

/* ---- Measuring ---- */

struct steps {
    struct reader *reader;
    mg_channel channel;
    int64_t value, first_value, last_value; /* mvarh */
    uint64_t first_ns, last_ns;
    unsigned n;
};

static int look(struct steps *s)
{
    int64_t value;
    int rc = reader_value(s->reader, s->channel, &value);
    if (rc != MG_OK || value == s->value) {
        return rc;
    }
    s->last_value = value;
    s->last_ns = mg_sim_device_now_ns(s->reader->bench->device);
    if (s->n == 0) {
        s->first_value = value;
        s->first_ns = s->last_ns;
    }
    s->n++;
    s->value = value;
    return MG_OK;
}

static bool is_measured(const struct steps *s)
{
    return s->n > N_STEPS && s->last_ns - s->first_ns >= MEASURE_NS;
}

static int measure(struct bench *bench, int64_t *ret_ppb)
{
    struct reader reader;
    double uvar = bench_reactive_uvar(bench);
    double step_s = UJ_PER_MVAR * MVARH_PER_K /
                    bench->rating->impulses_per_kwh / (uvar < 0 ? -uvar : uvar);
    uint64_t until = bench_now_ns(bench) + SETTLE_NS + MEASURE_NS +
                     (uint64_t)((N_STEPS + 3) * step_s * 2e9);
    int rc = reader_open(&reader, bench);
    struct steps s = {.reader = &reader,
                      .channel = uvar < 0
                                     ? MG_CH(ENERGY_REACTIVE_EXPORT, TOTAL)
                                     : MG_CH(ENERGY_REACTIVE_IMPORT, TOTAL)};
    bench_run(bench, SETTLE_NS);
    rc = rc == MG_OK ? reader_value(&reader, s.channel, &s.value) : rc;
    while (rc == MG_OK && !is_measured(&s)) {
        if (bench_now_ns(bench) >= until) {
            return MG_E_TIMEOUT;
        }
        bench_run(bench, LOOK_NS);
        rc = look(&s);
    }
    if (rc == MG_OK) {
        double truth = uvar * 1e-9 * (double)(s.last_ns - s.first_ns);
        double shown = (double)(s.last_value - s.first_value) * UJ_PER_MVAR;
        *ret_ppb = bench_ppb(shown, truth < 0 ? -truth : truth);
    }
    return rc;
}

static void apply_change(struct bench *bench, const struct change *change,
                         struct mg_sim_mains *m)
{
    const struct mg_rating *r = bench->rating;
    if (change->influence == MG_INFLUENCE_FREQUENCY) {
        m->frequency_mhz = m->frequency_mhz * change->amount / 1000;
    } else if (change->influence == MG_INFLUENCE_TEMPERATURE) {
        m->ambient_mdegc =
            (change->amount < 0 ? r->min_degc : r->max_degc) * 1000;
    } else {
        for (unsigned k = 0; k < MG_LANES_MAX; k++) {
            m->phase[k].voltage_mv =
                m->phase[k].voltage_mv * change->amount / 1000;
        }
    }
}

static int measure_task(struct bench *bench, const struct task *task,
                        int64_t *ret)
{
    const struct change *change = &changes[task->index];
    struct mg_sim_mains mains;
    int64_t changed = 0;
    bench_mains(bench, &task->point, &mains);
    bench_apply(bench, &mains);
    int rc = measure(bench, ret);
    if (task->index == 0 || rc != MG_OK) {
        return rc;
    }
    apply_change(bench, change, &mains);
    int64_t by_k = mains.ambient_mdegc / 1000 - 23;
    bench_apply(bench, &mains);
    rc = measure(bench, &changed);
    *ret = (changed - *ret) / (by_k == 0 ? 1 : by_k);
    return rc;
}

static void run(const struct task *task,
                const struct mg_typetest_settings *settings,
                struct mg_typetest_row *rows, uint64_t *ret_metered_ns)
{
    struct bench bench;
    int64_t error = 0;
    int rc = bench_open(&bench, settings);
    if (rc == MG_OK) {
        rc = measure_task(&bench, task, &error);
        *ret_metered_ns = bench_now_ns(&bench);
        bench_close(&bench);
    }
    row_give(rows, rc, error);
}

/* ---- Planning ---- */

static void add(struct campaign *c, const struct bench_point *point,
                size_t index)
{
    const struct mg_rating *r = campaign_settings(c)->plugin->rating;
    const struct change *change = &changes[index];
    bool is_temperature =
        index != 0 && change->influence == MG_INFLUENCE_TEMPERATURE;
    const struct mg_limit *limit =
        index == 0
            ? mg_limit_intrinsic(MG_CLASS_2_REACTIVE, r,
                                 (enum mg_load)point->load, point->current_ma,
                                 (enum mg_factor)point->factor)
            : mg_limit_influence(MG_CLASS_2_REACTIVE,
                                 (enum mg_influence)change->influence,
                                 (enum mg_factor)point->factor);
    char current[44];
    char text[40];
    if (limit == NULL) {
        return;
    }
    current_text(point->current_ma, current);
    point_text(c, point, text);
    size_t row = campaign_row(
        c, "reactive", is_temperature ? MG_TYPETEST_PPB_K : MG_TYPETEST_PPB,
        limit, "%s, %s%s%s", current, text, index == 0 ? "" : ", ",
        change->text);
    campaign_task(c, &(struct task){.run = run,
                                    .first_row = row,
                                    .point = *point,
                                    .index = (uint8_t)index});
}

void reactive_plan(struct campaign *c)
{
    const struct mg_rating *r = campaign_settings(c)->plugin->rating;
    struct bench_point point = {.is_reactive = true};
    size_t n;
    const struct mg_current_point *currents =
        mg_test_currents(MG_CLASS_2_REACTIVE, &n);
    if (!rating_has(r, MG_CLASS_2_REACTIVE)) {
        campaign_skip(c, "reactive", "reactive energy",
                      "the manual claims no class for it");
        return;
    }
    for (size_t k = 0; k < n; k++) {
        point.current_ma = mg_current_ma(r, &currents[k]);
        for (unsigned f = 0; f < MG_N_FACTORS; f++) {
            point.factor = (uint8_t)f;
            add(c, &point, 0);
        }
    }
    point.current_ma = r->ref_ma;
    for (size_t k = 1; k < N_CHANGES; k++) {
        point.factor = MG_FACTOR_1;
        add(c, &point, k);
        point.factor = MG_FACTOR_05_IND;
        add(c, &point, k);
    }
}
