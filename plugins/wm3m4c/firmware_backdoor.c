/* Back doors for tests: shown values. */
#include "firmware_priv.h"

/* Where a channel is shown, and what a test may put there. */
struct place {
    uint8_t function; /* 0: nowhere */
    uint16_t address;
    enum fw_type type;
    int64_t lo, hi;
};

#define INPUT   4
#define HOLDING 3

/* 264.5 V x 48 A (manual 6.2 and the 1.2 times of EN 50470-3), three phases. */
#define MAX_MW  38088000
#define MAX_MWH (INT64_C(2147483647) * 1000)

/* ---- Measured values ---- */

struct group {
    uint16_t quantity;
    uint8_t first; /* value of L1 */
    uint8_t total; /* value of the total; FW_N_VALUES: none */
    int64_t lo, hi;
};

static const struct group groups[] = {
    {MG_Q_FREQUENCY, FW_N_VALUES, FW_FREQUENCY, 40000, 70000},
    {MG_Q_VOLTAGE, FW_U1, FW_U_MEAN, 0, 264500},
    {MG_Q_VOLTAGE_LL, FW_U12, FW_ULL_MEAN, 0, 458000},
    {MG_Q_CURRENT, FW_I1, FW_I_SUM, 0, 48000},
    {MG_Q_POWER_ACTIVE, FW_P + 1, FW_P, -MAX_MW / 3, MAX_MW / 3},
    {MG_Q_POWER_REACTIVE, FW_Q + 1, FW_Q, -MAX_MW / 3, MAX_MW / 3},
    {MG_Q_POWER_APPARENT, FW_S + 1, FW_S, 0, MAX_MW / 3},
    {MG_Q_POWER_FACTOR, FW_PF + 1, FW_PF, -10000, 10000},
    {MG_Q_PHASE_ANGLE, FW_ANGLE + 1, FW_ANGLE, -18000, 18000},
    {MG_Q_TEMPERATURE, FW_N_VALUES, FW_TEMPERATURE, -25000, 70000},
    {MG_Q_THD_VOLTAGE, FW_THD_U1, FW_N_VALUES, 0, 40000},
    {MG_Q_THD_CURRENT, FW_THD_I1, FW_N_VALUES, 0, 40000},
};

static struct place value_place(enum mg_quantity quantity, unsigned phase)
{
    struct place p = {0};
    for (size_t k = 0; k < sizeof groups / sizeof *groups; k++) {
        const struct group *g = &groups[k];
        bool is_total = phase == MG_PHASE_TOTAL;
        unsigned value = is_total ? g->total : g->first + phase - 1;
        if (g->quantity != (uint16_t)quantity || phase > MG_PHASE_L3 ||
            (is_total ? g->total : g->first) == FW_N_VALUES) {
            continue;
        }
        if (wm3m4c_fw_value_place((enum fw_value)value, &p.address, &p.type)) {
            p.function = INPUT;
            p.lo = g->lo;
            p.hi = g->hi;
        }
    }
    return p;
}

/* ---- Counters and the measurements table ---- */

struct item {
    uint16_t quantity, address;
    uint8_t function;
    uint8_t type; /* enum fw_type */
};

static const struct item items[] = {
    {MG_Q_ENERGY_ACTIVE_IMPORT, 418, INPUT, FW_WH},
    {MG_Q_ENERGY_ACTIVE_EXPORT, 420, INPUT, FW_WH},
    {MG_Q_SESSION_DURATION, 7001, HOLDING, FW_WIDE},
    {MG_Q_SESSION_ENERGY, 7003, HOLDING, FW_WH},
    {MG_Q_TARIFF_CHANGES, 7009, HOLDING, FW_NARROW},
    {MG_Q_INTERMEDIATE_READINGS, 7010, HOLDING, FW_NARROW},
    {MG_Q_FISCAL_READINGS, 7011, HOLDING, FW_WIDE},
    {MG_Q_SIGNATURES, 7013, HOLDING, FW_WIDE},
    {MG_Q_START_TIME, 7015, HOLDING, FW_WIDE},
    {MG_Q_START_ENERGY, 7017, HOLDING, FW_WH},
    {MG_Q_STOP_TIME, 7019, HOLDING, FW_WIDE},
    {MG_Q_STOP_ENERGY, 7021, HOLDING, FW_WH},
    {MG_Q_TARIFF_TIME, 7023, HOLDING, FW_WIDE},
    {MG_Q_TARIFF_ENERGY, 7025, HOLDING, FW_WH},
    {MG_Q_INTERMEDIATE_TIME, 7027, HOLDING, FW_WIDE},
    {MG_Q_INTERMEDIATE_ENERGY, 7029, HOLDING, FW_WH},
    {MG_Q_FISCAL_TIME, 7031, HOLDING, FW_WIDE},
    {MG_Q_FISCAL_ENERGY, 7033, HOLDING, FW_WH},
    {MG_Q_HOLD_TIME, 7035, HOLDING, FW_WIDE},
    {MG_Q_HOLD_ENERGY, 7037, HOLDING, FW_WH},
    {MG_Q_SUSPEND_TIME, 7039, HOLDING, FW_WIDE},
    {MG_Q_SUSPEND_ENERGY, 7041, HOLDING, FW_WH},
};

static struct place item_place(enum mg_quantity quantity, unsigned phase)
{
    struct place p = {0};
    for (size_t k = 0; k < sizeof items / sizeof *items; k++) {
        const struct item *i = &items[k];
        if (i->quantity == (uint16_t)quantity && phase == MG_PHASE_TOTAL) {
            p.function = i->function;
            p.address = i->address;
            p.type = (enum fw_type)i->type;
            p.hi = p.type == FW_WH       ? MAX_MWH
                   : p.type == FW_NARROW ? UINT16_MAX
                                         : UINT32_MAX;
        }
    }
    return p;
}

static struct place place_of(mg_channel channel)
{
    enum mg_quantity quantity = mg_channel_quantity(channel);
    unsigned phase = mg_channel_phase(channel);
    struct place p = {0};
    if (mg_channel_tariff(channel) == 0 && mg_channel_period(channel) == 0) {
        p = value_place(quantity, phase);
        if (p.function == 0) {
            p = item_place(quantity, phase);
        }
    }
    return p;
}

/* ---- Operations ---- */

static void show(struct fw_shown *shown, uint8_t function, unsigned address,
                 uint16_t word)
{
    size_t k = 0;
    while (k < shown->n && (shown->at[k].function != function ||
                            shown->at[k].address != address)) {
        k++;
    }
    if (k == FW_N_SHOWN) {
        return;
    }
    shown->n = (uint8_t)(k == shown->n ? k + 1 : shown->n);
    shown->at[k].function = function;
    shown->at[k].address = (uint16_t)address;
    shown->at[k].word = word;
}

static int set_clock(struct fw_state *st, int64_t unix_s)
{
    if (unix_s < 0 || unix_s > UINT32_MAX) {
        return MG_E_RANGE;
    }
    wm3m4c_fw_clock_set(st, unix_s);
    return MG_OK;
}

int wm3m4c_fw_set(void *state, mg_channel channel, int64_t value)
{
    struct fw_state *st = state;
    if (channel == MG_CH(METER_CLOCK, TOTAL)) {
        return set_clock(st, value);
    }
    struct place p = place_of(channel);
    uint16_t words[2];
    if (p.function == 0) {
        return MG_E_NOSUP;
    }
    if (value < p.lo || value > p.hi) {
        return MG_E_RANGE;
    }
    bool is_temperature = mg_channel_quantity(channel) == MG_Q_TEMPERATURE;
    unsigned n = wm3m4c_fw_encode(p.type, is_temperature ? value / 10 : value,
                                  false, words);
    for (unsigned k = 0; k < n; k++) {
        show(&st->shown, p.function, p.address + k, words[k]);
    }
    return MG_OK;
}

int wm3m4c_fw_range(mg_channel channel, int64_t *ret_lo, int64_t *ret_hi,
                    int64_t *ret_tolerance)
{
    struct place p = place_of(channel);
    if (p.function == 0) {
        return MG_E_NOSUP;
    }
    *ret_lo = p.lo;
    *ret_hi = p.hi;
    *ret_tolerance = 0; /* the step of the register, which the reader knows */
    return MG_OK;
}

int wm3m4c_fw_set_input(void *state, unsigned index, bool is_closed)
{
    (void)state;
    (void)index;
    (void)is_closed;
    return MG_E_NOSUP;
}
