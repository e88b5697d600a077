/* From the sums of ticks to the values in the frames, every 20 half periods. */
#include "firmware_priv.h"

#include <string.h>

#include "metergate/fixed.h"

#define WINDOW_TICKS 20
#define FREQ_TICKS   400

/* Ours: below it there is no voltage, and no supply: 80 V. */
#define VOLTAGE_COUNTS (INT64_C(80000) * FW_U_PER_MV)

#define PRODUCTS_PER_MW INT64_C(1024000)
#define SATURATED_MAX   4 /* of a tick: no more than a spike (ours) */

static int64_t rounded(int64_t a, int64_t b)
{
    return mg_div_half_even(a, b);
}

bool cpim1000_fw_has_voltage(int64_t u2, uint32_t n)
{
    return n != 0 && u2 / n >= VOLTAGE_COUNTS * VOLTAGE_COUNTS;
}

static int64_t rms(int64_t squares, uint32_t n)
{
    return cpim1000_fw_isqrt((uint64_t)(squares / n));
}

static int64_t power_mw(int64_t products, uint32_t n)
{
    return rounded(products, n * PRODUCTS_PER_MW);
}

/* A phase without enough current shows its voltage only.
 * @return apparent power in mVA */
static int64_t show_phase(const struct fw_state *st, struct fw_circuit *c,
                          unsigned k)
{
    const struct fw_sums *s = &c->sums;
    if (!cpim1000_fw_has_voltage(s->u2[k], s->n)) {
        c->is_phase_lost = true;
        return 0;
    }
    int64_t u = rms(s->u2[k], s->n);
    c->live[FW_S_U + k] = rounded(u, FW_U_PER_MV);
    if (!cpim1000_fw_is_flowing(st, s->i2[k], s->n)) {
        return 0;
    }
    int64_t i = rms(s->i2[k], s->n);
    int64_t i_ma = rounded(i, FW_I_PER_MA);
    c->live[FW_S_I + k] = i_ma;
    c->live[FW_S_P + k] = power_mw(s->ui[k], s->n);
    c->live[FW_S_Q + k] = power_mw(s->uq[k], s->n);
    c->live[FW_S_P_TOTAL] += c->live[FW_S_P + k];
    c->live[FW_S_Q_TOTAL] += c->live[FW_S_Q + k];
    c->i2_ma2 += (uint64_t)(i_ma * i_ma);
    return rounded(u * i, PRODUCTS_PER_MW);
}

static void show_side(const struct fw_state *st, struct fw_circuit *c)
{
    int64_t apparent = 0;
    memset(c->live, 0, sizeof c->live);
    c->i2_ma2 = 0;
    c->is_phase_lost = false;
    for (unsigned k = 0; k < cpim1000_fw_n_phases(st); k++) {
        apparent += show_phase(st, c, k);
    }
    if (apparent != 0) {
        int64_t pf = rounded(c->live[FW_S_P_TOTAL] * 10000, apparent);
        c->live[FW_S_PF] = pf > 10000 ? 10000 : pf < -10000 ? -10000 : pf;
    }
    c->is_reverse = c->live[FW_S_P_TOTAL] < 0;
    c->is_stuck = !c->is_closed && c->i2_ma2 != 0;
}

static void add_tick(struct fw_circuit *c, unsigned side, uint32_t n_ticks,
                     const struct mg_tick *tick)
{
    struct fw_sums *s = &c->sums;
    c->is_saturated = false;
    for (unsigned k = 0; k < FW_N_PHASES; k++) {
        const struct mg_lane_sums *lane = &tick->lane[side * FW_N_PHASES + k];
        s->ui[k] += lane->ui;
        s->uq[k] += lane->uq;
        s->u2[k] += lane->u2;
        s->i2[k] += lane->i2;
        c->is_saturated |= lane->n_saturated > SATURATED_MAX * n_ticks;
    }
    s->n += tick->n_samples;
    s->n_ticks += n_ticks;
}

/* A tick is half a period, and has no more than one crossing: its length alone
 * says the frequency. 256 us a sample. */
static void frequency_tick(struct fw_state *st, uint32_t n_ticks,
                           const struct mg_tick *tick)
{
    st->freq_n += tick->n_samples;
    st->freq_half_periods += n_ticks * FW_HALF_PERIODS;
    if (st->freq_n != 0 &&
        (st->freq_half_periods >= FREQ_TICKS || st->frequency_mhz == 0)) {
        st->frequency_mhz =
            rounded((int64_t)st->freq_half_periods * FW_RATE_MHZ,
                    INT64_C(2) * st->freq_n);
    }
    if (st->freq_half_periods >= FREQ_TICKS) {
        st->freq_n = 0;
        st->freq_half_periods = 0;
    }
}

void cpim1000_fw_measure(struct fw_state *st, const struct mg_tick *tick)
{
    uint32_t n_ticks = tick->n_ticks == 0 ? 1 : tick->n_ticks;
    for (unsigned side = 0; side < FW_N_SIDES; side++) {
        struct fw_circuit *c = &st->side[side];
        add_tick(c, side, n_ticks, tick);
        bool is_whole = c->sums.n_ticks >= WINDOW_TICKS;
        if (is_whole || !st->has_live) {
            show_side(st, c);
        }
        if (is_whole) {
            memset(&c->sums, 0, sizeof c->sums);
        }
    }
    st->has_live = true;
    frequency_tick(st, n_ticks, tick);
}

void cpim1000_fw_measure_nothing(struct fw_state *st)
{
    for (unsigned side = 0; side < FW_N_SIDES; side++) {
        struct fw_circuit *c = &st->side[side];
        memset(c->live, 0, sizeof c->live);
        memset(&c->sums, 0, sizeof c->sums);
        memset(c->pending, 0, sizeof c->pending);
        c->i2_ma2 = 0;
        c->is_lit = false;
        c->is_reverse = false;
    }
    st->has_live = false;
}
