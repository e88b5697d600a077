/* Composite error: root of the squares of the error at reference conditions and
 * of its changes by temperature, voltage and frequency, in each of MID's
 * temperature bands. */
#include "typetest/campaign.h"

#include <math.h>

/* The bands' edges in degC; each band has those of its two halves. */
static const int16_t edges[MG_N_BANDS][4] = {
    {5, 30, 5, 30}, {-10, 5, 30, 40}, {-25, -10, 40, 55}, {-40, -25, 55, 70}};

static const char *const band_texts[MG_N_BANDS] = {
    "+5 to +30 degC", "-10 to +5, +30 to +40 degC",
    "-25 to -10, +40 to +55 degC", "-40 to -25, +55 to +70 degC"};

static int64_t size_of(int64_t x)
{
    return x < 0 ? -x : x;
}

/* The larger change of error that either of two mains makes. */
static int worst_change(struct bench *bench, struct mg_sim_mains both[2],
                        int64_t reference, int64_t *ret)
{
    *ret = 0;
    for (unsigned k = 0; k < 2; k++) {
        int64_t error;
        int rc = bench_error(bench, &both[k], &error);
        if (rc != MG_OK) {
            return rc;
        }
        int64_t by = size_of(error - reference);
        *ret = by > *ret ? by : *ret;
    }
    return MG_OK;
}

static int change_by_voltage(struct bench *bench,
                             const struct mg_sim_mains *mains,
                             int64_t reference, int64_t *ret)
{
    struct mg_sim_mains both[2] = {*mains, *mains};
    for (unsigned k = 0; k < MG_LANES_MAX; k++) {
        both[0].phase[k].voltage_mv = mains->phase[k].voltage_mv * 9 / 10;
        both[1].phase[k].voltage_mv = mains->phase[k].voltage_mv * 11 / 10;
    }
    return worst_change(bench, both, reference, ret);
}

static int change_by_frequency(struct bench *bench,
                               const struct mg_sim_mains *mains,
                               int64_t reference, int64_t *ret)
{
    struct mg_sim_mains both[2] = {*mains, *mains};
    both[0].frequency_mhz = mains->frequency_mhz * 98 / 100;
    both[1].frequency_mhz = mains->frequency_mhz * 102 / 100;
    return worst_change(bench, both, reference, ret);
}

/* The error goes up or down steadily with the temperature, so that the edges
 * are the worst of a band. Those outside the meter's range do not count.
 * @return false: no part of the band is within */
static bool band_edges(const struct mg_rating *r, unsigned band,
                       struct mg_sim_mains both[2])
{
    int32_t low = edges[band][0] < r->min_degc ? r->min_degc : edges[band][0];
    int32_t high = edges[band][3] > r->max_degc ? r->max_degc : edges[band][3];
    bool is_low = low < edges[band][1];
    bool is_high = high > edges[band][2];
    both[0].ambient_mdegc = (is_low ? low : high) * 1000;
    both[1].ambient_mdegc = (is_high ? high : low) * 1000;
    return is_low || is_high;
}

static bool has_band(const struct mg_rating *r, unsigned band)
{
    struct mg_sim_mains both[2];
    return band_edges(r, band, both);
}

static int measure(struct bench *bench, const struct bench_point *point,
                   struct mg_typetest_row *rows)
{
    struct mg_sim_mains mains;
    int64_t e = 0;
    int64_t by_u = 0;
    int64_t by_f = 0;
    bench_mains(bench, point, &mains);
    int rc = bench_error(bench, &mains, &e);
    rc = rc == MG_OK ? change_by_voltage(bench, &mains, e, &by_u) : rc;
    rc = rc == MG_OK ? change_by_frequency(bench, &mains, e, &by_f) : rc;
    size_t row = 0;
    for (unsigned band = 0; band < MG_N_BANDS; band++) {
        struct mg_sim_mains both[2] = {mains, mains};
        int64_t by_t = 0;
        if (!has_band(bench->rating, band)) {
            continue;
        }
        (void)band_edges(bench->rating, band, both);
        rc = rc == MG_OK ? worst_change(bench, both, e, &by_t) : rc;
        double squares = (double)e * (double)e + (double)by_t * (double)by_t +
                         (double)by_u * (double)by_u +
                         (double)by_f * (double)by_f;
        row_give(&rows[row++], rc, (int64_t)sqrt(squares));
    }
    return rc;
}

static void run(const struct task *task,
                const struct mg_typetest_settings *settings,
                struct mg_typetest_row *rows, uint64_t *ret_metered_ns)
{
    struct bench bench;
    if (bench_open(&bench, settings) != MG_OK) {
        row_give(rows, MG_E_NOMEM, 0);
        return;
    }
    (void)measure(&bench, &task->point, rows);
    *ret_metered_ns = bench_now_ns(&bench);
    bench_close(&bench);
}

static void add(struct campaign *c, const struct bench_point *point)
{
    const struct mg_rating *r = campaign_settings(c)->plugin->rating;
    bool is_low = point->current_ma < r->tr_ma;
    struct task task = {.run = run, .point = *point};
    bool has_row = false;
    char current[44];
    char text[40];
    current_text(point->current_ma, current);
    point_text(c, point, text);
    for (unsigned band = 0; band < MG_N_BANDS; band++) {
        const struct mg_limit *limit =
            mg_limit_composite((enum mg_load)point->load, band, is_low);
        if (limit == NULL || !has_band(r, band)) {
            continue;
        }
        size_t row =
            campaign_row(c, "composite", MG_TYPETEST_PPB, limit, "%s, %s, %s",
                         current, text, band_texts[band]);
        task.first_row = has_row ? task.first_row : row;
        has_row = true;
    }
    if (has_row) {
        campaign_task(c, &task);
    }
}

static void say_bands(struct campaign *c)
{
    const struct mg_rating *r = campaign_settings(c)->plugin->rating;
    for (unsigned band = 0; band < MG_N_BANDS; band++) {
        bool is_whole =
            edges[band][0] >= r->min_degc && edges[band][3] <= r->max_degc;
        if (!has_band(r, band)) {
            campaign_skip(c, "composite", band_texts[band],
                          "outside the meter's working temperature");
        } else if (!is_whole) {
            campaign_skip(c, "composite", band_texts[band],
                          "the part outside the meter's working temperature");
        }
    }
}

void composite_plan(struct campaign *c)
{
    static const uint8_t factors[] = {MG_FACTOR_1, MG_FACTOR_05_IND,
                                      MG_FACTOR_08_CAP};
    const struct mg_rating *r = campaign_settings(c)->plugin->rating;
    const int64_t currents[] = {r->min_ma, r->tr_ma, r->ref_ma, r->max_ma};
    unsigned first;
    bool has_phases = bench_phases(campaign_settings(c), &first) > 1;
    if (!rating_has(r, MG_CLASS_B)) {
        campaign_skip(c, "composite", "MID temperature bands",
                      "not a meter under MID");
        return;
    }
    for (size_t k = 0; k < sizeof currents / sizeof *currents; k++) {
        for (size_t f = 0; f < sizeof factors; f++) {
            struct bench_point point = {.current_ma = currents[k],
                                        .factor = factors[f]};
            if (k > 0 || f == 0) { /* below Itr at power factor 1 only */
                add(c, &point);
            }
        }
    }
    if (has_phases) {
        add(c, &(struct bench_point){.current_ma = r->ref_ma,
                                     .load = MG_LOAD_SINGLE});
    }
    say_bands(c);
}
