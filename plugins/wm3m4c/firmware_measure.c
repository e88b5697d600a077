/* From the sums of the phase modules' ticks to the values of a second (manual
 * 4.1, 4.3). */
#include "firmware_priv.h"

#include "metergate/fixed.h"

#include <string.h>

/* 20 mA is blocked no more (manual 4.5); the threshold lies 1 % below it, so
 * that the meter surely starts there. */
#define START_COUNTS   1267   /* 19.8 mA */
#define VOLTAGE_COUNTS 160000 /* 10 V, ours: below it there is none */

/* Means in converter units per unit of struct fw_values. */
#define P_PER_MW  INT64_C(1024000) /* 2^-10 uW */
#define U_PER_MV  256              /* roots are 1/16 of a count */
#define I_PER_MA  1024
#define S_PER_MVA (INT64_C(1000) * U_PER_MV * I_PER_MA)

#define TEMPERATURE  3000 /* 30 degree Celsius; no model of heat (ours) */
#define SQRT3_E6     1732051
#define STATISTICS_S 900 /* interval of the averages, ours */

bool wm3m4c_fw_is_flowing(const struct fw_state *st, int64_t i2, uint32_t n)
{
    int64_t threshold = st->is_creeping ? 4 * START_COUNTS : START_COUNTS;
    return n != 0 && i2 >= threshold * threshold * n;
}

static bool has_voltage(int64_t u2, uint32_t n)
{
    return u2 >= (int64_t)VOLTAGE_COUNTS * VOLTAGE_COUNTS * n;
}

static void add_tick(struct fw_sums *s, const struct mg_tick *tick)
{
    for (unsigned k = 0; k < FW_N_PHASES; k++) {
        s->ui[k] += tick->lane[k].ui;
        s->uq[k] += tick->lane[k].uq;
        s->u2[k] += tick->lane[k].u2;
        s->i2[k] += tick->lane[k].i2;
    }
    s->n += tick->n_samples;
    s->n_ticks += tick->n_ticks;
    s->elapsed_us += tick->elapsed_us;
    if (tick->n_crossings >= 2) {
        s->n_cycles += tick->n_crossings - 1;
        s->cycles_q8 += tick->crossing_span_q8;
    }
}

static int64_t rms(int64_t squares, uint32_t n)
{
    return wm3m4c_fw_isqrt((uint64_t)(squares / n) << 8);
}

static int64_t rounded(int64_t a, int64_t b)
{
    return mg_div_half_even(a, b);
}

/* 1e-4, signed by the direction of the power. */
static int64_t power_factor(int64_t p, int64_t s)
{
    return s == 0 ? 0 : rounded(p * 10000, s);
}

/* A phase without enough current shows its voltage only. */
static void measure_phase(const struct fw_state *st, unsigned k,
                          bool is_reversed, int64_t *v)
{
    const struct fw_sums *s = &st->sums;
    if (!has_voltage(s->u2[k], s->n)) {
        return;
    }
    int64_t u = rms(s->u2[k], s->n);
    v[FW_U1 + k] = rounded(u, U_PER_MV);
    if (!wm3m4c_fw_is_flowing(st, s->i2[k], s->n)) {
        return;
    }
    int64_t i = rms(s->i2[k], s->n);
    int64_t sign = is_reversed ? -1 : 1;
    v[FW_I1 + k] = rounded(i, I_PER_MA);
    v[FW_P + 1 + k] = sign * rounded(s->ui[k] / s->n, P_PER_MW);
    v[FW_Q + 1 + k] = sign * rounded(s->uq[k] / s->n, P_PER_MW);
    v[FW_S + 1 + k] = rounded(u * i, S_PER_MVA);
}

/* The front end has no products of two phases: 120 degrees between them are
 * taken for granted. */
static void measure_between(int64_t *v)
{
    for (unsigned k = 0; k < FW_N_PHASES; k++) {
        int64_t a = v[FW_U1 + k];
        int64_t b = v[FW_U1 + (k + 1) % FW_N_PHASES];
        v[FW_U12 + k] = wm3m4c_fw_isqrt((uint64_t)(a * a + b * b + a * b));
        v[FW_PHI12 + k] = a != 0 && b != 0 ? 12000 : 0;
        v[FW_U_MEAN] += a;
        v[FW_ULL_MEAN] += v[FW_U12 + k];
    }
    v[FW_U_MEAN] = rounded(v[FW_U_MEAN], FW_N_PHASES);
    v[FW_ULL_MEAN] = rounded(v[FW_ULL_MEAN], FW_N_PHASES);
}

/* The sum of three phasors; x along the voltage of L1. */
static int64_t neutral_ma(const int64_t *v)
{
    int64_t x = 0;
    int64_t y = 0;
    for (unsigned k = 0; k < FW_N_PHASES; k++) {
        int64_t s = v[FW_S + 1 + k];
        if (s == 0) {
            continue;
        }
        int64_t a = v[FW_I1 + k] * v[FW_P + 1 + k] / s;
        int64_t b = -v[FW_I1 + k] * v[FW_Q + 1 + k] / s;
        int64_t turn = k == 0 ? 0 : k == 1 ? -SQRT3_E6 : SQRT3_E6;
        x += k == 0 ? a : (-a * 1000000 - b * turn) / 2000000;
        y += k == 0 ? b : (-b * 1000000 + a * turn) / 2000000;
    }
    return wm3m4c_fw_isqrt((uint64_t)(x * x + y * y));
}

static void measure_totals(int64_t *v)
{
    for (unsigned k = 0; k < FW_N_PHASES; k++) {
        v[FW_I_SUM] += v[FW_I1 + k];
        v[FW_P] += v[FW_P + 1 + k];
        v[FW_Q] += v[FW_Q + 1 + k];
        v[FW_S] += v[FW_S + 1 + k];
    }
    v[FW_I_MEAN] = rounded(v[FW_I_SUM], FW_N_PHASES);
    v[FW_I_NEUTRAL] = neutral_ma(v);
    for (unsigned k = 0; k <= FW_N_PHASES; k++) {
        v[FW_PF + k] = power_factor(v[FW_P + k], v[FW_S + k]);
        v[FW_ANGLE + k] = wm3m4c_fw_angle(v[FW_P + k], v[FW_Q + k]);
    }
}

/* By the crossings of L1's voltage; without it, by the ticks, which are two
 * periods each. */
static int64_t frequency_mhz(const struct fw_sums *s)
{
    if (s->cycles_q8 != 0) {
        return rounded((int64_t)s->n_cycles * FW_RATE_HZ * 256000,
                       (int64_t)s->cycles_q8);
    }
    for (unsigned k = 0; k < FW_N_PHASES; k++) {
        if (has_voltage(s->u2[k], s->n)) {
            return rounded((int64_t)s->n_ticks * FW_HALF_PERIODS / 2 *
                               FW_RATE_HZ * 1000,
                           s->n);
        }
    }
    return 0;
}

/* The phase modules hand over fundamentals only: THD stays 0. */
static void show(struct fw_state *st)
{
    const struct fw_sums *s = &st->sums;
    int64_t *v = st->live.v;
    bool is_reversed = (st->settings.energy_flow & 2) != 0;
    memset(&st->live, 0, sizeof(st->live));
    for (unsigned k = 0; k < FW_N_PHASES; k++) {
        measure_phase(st, k, is_reversed, v);
    }
    measure_between(v);
    measure_totals(v);
    v[FW_FREQUENCY] = frequency_mhz(s);
    v[FW_TEMPERATURE] = TEMPERATURE;
}

static void keep_statistics(struct fw_state *st, uint32_t n_seconds)
{
    struct fw_statistics *a = &st->statistics;
    for (size_t k = 0; k < FW_N_VALUES; k++) {
        int64_t x = st->live.v[k];
        bool is_first = !st->has_live;
        a->sum.v[k] += x * n_seconds;
        a->max.v[k] = is_first || x > a->max.v[k] ? x : a->max.v[k];
        a->min.v[k] = is_first || x < a->min.v[k] ? x : a->min.v[k];
    }
    a->n += n_seconds;
    if (a->n < STATISTICS_S) {
        return;
    }
    for (size_t k = 0; k < FW_N_VALUES; k++) {
        a->average.v[k] = rounded(a->sum.v[k], a->n);
    }
    memset(&a->sum, 0, sizeof(a->sum));
    a->n = 0;
}

void wm3m4c_fw_measure(struct fw_state *st, const struct mg_tick *tick)
{
    if (tick->n_samples == 0) {
        return;
    }
    add_tick(&st->sums, tick);
    bool is_whole = st->sums.elapsed_us >= FW_SECOND_US;
    if (is_whole || !st->has_live) {
        show(st);
    }
    if (is_whole) {
        keep_statistics(st, st->sums.elapsed_us / FW_SECOND_US);
        st->has_live = true;
        memset(&st->sums, 0, sizeof(st->sums));
    }
}
