/* From the sums of ticks to the values in the frames, every 10 periods. */
#include "firmware_priv.h"

#include "metergate/fixed.h"

#include <string.h>

#define WINDOW_TICKS 5

/* Ours: below it there is no voltage. 50 V = 3125 counts. */
#define VOLTAGE_COUNTS 3125

/* Roots are in 1/256 of a count. */
#define U_PER_MV  16
#define I_PER_MA  64
#define S_PER_MVA (INT64_C(1000) * U_PER_MV * I_PER_MA)

static int64_t rounded(int64_t a, int64_t b)
{
    return mg_div_half_even(a, b);
}

/* ---- Elements ---- */

/* Which line feeds element k; FW_N_PHASES: none does. Guide, "Wiring systems":
 * with L2 as neutral there is one element, between L1 and L2. */
static unsigned line_of(const struct cpkm3000_options *o, unsigned k)
{
    if (k > 0 &&
        (o->variant == CPKM3000_ONE_PHASE || o->wiring == CPKM3000_WIRING_IT)) {
        return FW_N_PHASES;
    }
    return o->phase_map == CPKM3000_L1_L3_L2 && k > 0 ? FW_N_PHASES - k : k;
}

/* Those of a second: a tick does not hold whole periods to the sample, and
 * taking its own mean for the offset would take a part of its power. */
static void find_offsets(struct fw_state *st, const struct mg_tick *tick)
{
    struct fw_offsets *o = &st->offsets_now;
    for (unsigned k = 0; k < FW_N_PHASES; k++) {
        o->u[k] += tick->lane[k].u_sum;
        o->i[k] += tick->lane[k].i_sum;
    }
    o->n += tick->n_samples;
    if (o->n >= FW_RATE_HZ || st->offsets.n < FW_RATE_HZ) {
        st->offsets = *o;
    }
    if (o->n >= FW_RATE_HZ) {
        memset(o, 0, sizeof *o);
    }
}

/* What the means a / o->n and b / o->n add to a sum of n products. */
static int64_t offset_part(int64_t a, int64_t b, int64_t sum_a, int64_t sum_b,
                           const struct fw_offsets *o, uint32_t n)
{
    return (a * sum_b + b * sum_a) / o->n - a * b / o->n * n / o->n;
}

static struct fw_lane without_offsets(const struct mg_lane_sums *s, unsigned k,
                                      const struct fw_offsets *o, uint32_t n)
{
    int64_t ui = offset_part(o->u[k], o->i[k], s->u_sum, s->i_sum, o, n);
    return (struct fw_lane){
        .ui = s->ui - ui,
        .uq = s->uq - ui,
        .u2 = s->u2 - offset_part(o->u[k], o->u[k], s->u_sum, s->u_sum, o, n),
        .i2 = s->i2 - offset_part(o->i[k], o->i[k], s->i_sum, s->i_sum, o, n),
        .n_saturated = s->n_saturated};
}

void cpkm3000_fw_elements(struct fw_state *st, const struct mg_tick *tick,
                          struct fw_lane ret[FW_N_PHASES])
{
    memset(ret, 0, FW_N_PHASES * sizeof *ret);
    find_offsets(st, tick);
    for (unsigned k = 0; k < FW_N_PHASES; k++) {
        unsigned line = line_of(st->options, k);
        if (line < FW_N_PHASES && tick->n_samples != 0) {
            ret[k] = without_offsets(&tick->lane[line], line, &st->offsets,
                                     tick->n_samples);
        }
    }
}

/* ---- Values ---- */

static bool has_voltage(int64_t u2, uint32_t n)
{
    return n != 0 && u2 >= (int64_t)VOLTAGE_COUNTS * VOLTAGE_COUNTS * n;
}

static int64_t root(int64_t squares, uint32_t n)
{
    return cpkm3000_fw_isqrt((uint64_t)squares * 65536 / n);
}

/* 64 uW a product. */
static int64_t power_mw(int64_t products, uint32_t n)
{
    return rounded(products * 8, (int64_t)n * 125);
}

/* An element without enough current shows its voltage only.
 * @return apparent power in mVA */
static int64_t show_element(struct fw_state *st, unsigned k)
{
    const struct fw_sums *s = &st->sums;
    const struct fw_lane *lane = &s->lane[k];
    if (!has_voltage(lane->u2, s->n)) {
        return 0;
    }
    int64_t u = root(lane->u2, s->n);
    st->live[FW_S_U + k] = rounded(u, U_PER_MV);
    if (!cpkm3000_fw_is_flowing(st, lane->i2, s->n)) {
        return 0;
    }
    int64_t i = root(lane->i2, s->n);
    int64_t i_ma = rounded(i, I_PER_MA);
    st->live[FW_S_I + k] = i_ma;
    st->live[FW_S_P + k] = power_mw(lane->ui, s->n);
    st->live[FW_S_Q + k] = power_mw(lane->uq, s->n);
    st->live[FW_S_P_TOTAL] += st->live[FW_S_P + k];
    st->live[FW_S_Q_TOTAL] += st->live[FW_S_Q + k];
    st->thermal.i2_ma2 += (uint64_t)(i_ma * i_ma);
    return rounded(u * i, S_PER_MVA);
}

/* By the crossings of L1's voltage; without it, by the ticks, which are two
 * periods each. */
static int64_t frequency_mhz(const struct fw_sums *s)
{
    if (has_voltage(s->lane[0].u2, s->n) && s->cycles_q8 != 0) {
        return rounded((int64_t)s->n_cycles * FW_RATE_HZ * 256000,
                       (int64_t)s->cycles_q8);
    }
    for (unsigned k = 0; k < FW_N_PHASES; k++) {
        if (has_voltage(s->lane[k].u2, s->n)) {
            return rounded((int64_t)s->n_ticks * FW_HALF_PERIODS / 2 *
                               FW_RATE_HZ * 1000,
                           s->n);
        }
    }
    return 0;
}

static int64_t limited(int64_t x, int64_t limit)
{
    return x > limit ? limit : x < -limit ? -limit : x;
}

/* Guide, "Voltage configurations": L2 or L3 without L1 is not valid. */
static bool lacks_l1(const struct fw_sums *s)
{
    return !has_voltage(s->lane[0].u2, s->n) &&
           (has_voltage(s->lane[1].u2, s->n) ||
            has_voltage(s->lane[2].u2, s->n));
}

static void show(struct fw_state *st)
{
    int64_t apparent = 0;
    memset(st->live, 0, sizeof st->live);
    st->thermal.i2_ma2 = 0;
    for (unsigned k = 0; k < FW_N_PHASES; k++) {
        apparent += show_element(st, k);
    }
    if (apparent != 0) {
        int64_t pf = rounded(st->live[FW_S_P_TOTAL] * 10000, apparent);
        st->live[FW_S_PF] = limited(pf, 10000);
    }
    st->live[FW_S_FREQUENCY] = frequency_mhz(&st->sums);
    st->is_l1_missing = lacks_l1(&st->sums);
    st->has_live = true;
}

static void add_tick(struct fw_sums *s, const struct mg_tick *tick,
                     const struct fw_lane lanes[FW_N_PHASES])
{
    for (unsigned k = 0; k < FW_N_PHASES; k++) {
        s->lane[k].ui += lanes[k].ui;
        s->lane[k].uq += lanes[k].uq;
        s->lane[k].u2 += lanes[k].u2;
        s->lane[k].i2 += lanes[k].i2;
    }
    s->n += tick->n_samples;
    s->n_ticks += tick->n_ticks;
    if (tick->n_crossings >= 2) {
        s->n_cycles += tick->n_crossings - 1;
        s->cycles_q8 += tick->crossing_span_q8;
    }
}

void cpkm3000_fw_measure(struct fw_state *st, const struct mg_tick *tick,
                         const struct fw_lane lanes[FW_N_PHASES])
{
    add_tick(&st->sums, tick, lanes);
    bool is_whole = st->sums.n_ticks >= WINDOW_TICKS;
    if (is_whole || !st->has_live) {
        show(st);
    }
    if (is_whole) {
        memset(&st->sums, 0, sizeof st->sums);
    }
}

void cpkm3000_fw_measure_nothing(struct fw_state *st)
{
    memset(st->live, 0, sizeof st->live);
    memset(&st->sums, 0, sizeof st->sums);
    memset(st->pending, 0, sizeof st->pending);
    st->thermal.i2_ma2 = 0;
    st->is_lit = false;
}
