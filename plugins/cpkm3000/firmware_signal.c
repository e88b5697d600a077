/* The frames: signals by the names of cpkm3000.dbc, and the back door by which
 * tests make them show something. */
#include "firmware_priv.h"

/* 264.5 V (1.15 times rated) and the converters' 92 A. */
#define MAX_MV  264500
#define MAX_MA  60000
#define MAX_MW  16000000
#define MAX_MWH INT64_C(50000000000000)

#define WRAP UINT32_MAX /* of the impulse counters */

const struct mg_fw_signal cpkm3000_fw_signals[FW_N_SIGNALS] = {
    [FW_S_ERROR_WORD] = {"MeterStatus.ErrorWord", MG_UNIT_BITS},
    [FW_S_RELAY] = {"MeterStatus.RelayClosed", MG_UNIT_BOOL},
    [FW_S_EVSE_FAULT] = {"MeterStatus.EvseFault", MG_UNIT_BOOL},
    [FW_S_PHASES] = {"MeterStatus.Phases", MG_UNIT_COUNT},
    [FW_S_NODE] = {"MeterStatus.Node", MG_UNIT_COUNT},
    [FW_S_U] = {"MeterVoltages.VoltageL1", MG_UNIT_MV},
    [FW_S_U + 1] = {"MeterVoltages.VoltageL2", MG_UNIT_MV},
    [FW_S_U + 2] = {"MeterVoltages.VoltageL3", MG_UNIT_MV},
    [FW_S_FREQUENCY] = {"MeterVoltages.Frequency", MG_UNIT_MHZ},
    [FW_S_I] = {"MeterCurrents.CurrentL1", MG_UNIT_MA},
    [FW_S_I + 1] = {"MeterCurrents.CurrentL2", MG_UNIT_MA},
    [FW_S_I + 2] = {"MeterCurrents.CurrentL3", MG_UNIT_MA},
    [FW_S_P] = {"MeterActivePower.PowerL1", MG_UNIT_MW},
    [FW_S_P + 1] = {"MeterActivePower.PowerL2", MG_UNIT_MW},
    [FW_S_P + 2] = {"MeterActivePower.PowerL3", MG_UNIT_MW},
    [FW_S_Q] = {"MeterReactivePower.ReactiveL1", MG_UNIT_MVAR},
    [FW_S_Q + 1] = {"MeterReactivePower.ReactiveL2", MG_UNIT_MVAR},
    [FW_S_Q + 2] = {"MeterReactivePower.ReactiveL3", MG_UNIT_MVAR},
    [FW_S_P_TOTAL] = {"MeterTotals.PowerTotal", MG_UNIT_MW},
    [FW_S_Q_TOTAL] = {"MeterTotals.ReactiveTotal", MG_UNIT_MVAR},
    [FW_S_PF] = {"MeterTotals.PowerFactor", MG_UNIT_PF},
    [FW_S_POS] = {"MeterEnergyPos.EnergyPos", MG_UNIT_MWH},
    [FW_S_NEG] = {"MeterEnergyNeg.EnergyNeg", MG_UNIT_MWH},
    [FW_S_TEMPERATURE] = {"MeterDiagnostics.Temperature", MG_UNIT_MDEGC},
    [FW_S_BOOTS] = {"MeterDiagnostics.Boots", MG_UNIT_COUNT},
    [FW_S_PULSES_POS] = {"MeterImpulses.PulsesPos", MG_UNIT_COUNT},
    [FW_S_PULSES_NEG] = {"MeterImpulses.PulsesNeg", MG_UNIT_COUNT},
};

/* Whole steps of 0.1 Wh, as in the telegram. */
static int64_t energy_mwh(uint64_t impulses)
{
    return (int64_t)(impulses / 2 * 2 * FW_PULSE_MWH);
}

static int64_t value_of(const struct fw_state *st, enum fw_signal index)
{
    const struct fw_memory *m = &st->memory;
    switch (index) {
    case FW_S_ERROR_WORD:
        return cpkm3000_fw_status(st);
    case FW_S_RELAY:
        return st->is_closed;
    case FW_S_EVSE_FAULT:
        return st->is_evse_fault;
    case FW_S_PHASES:
        return cpkm3000_fw_n_phases(st);
    case FW_S_NODE:
        return st->env.unit;
    case FW_S_POS:
        return energy_mwh(m->energy.pos);
    case FW_S_NEG:
        return energy_mwh(m->energy.neg);
    case FW_S_TEMPERATURE:
        return cpkm3000_fw_temperature_mdegc(st);
    case FW_S_BOOTS:
        return m->boots;
    case FW_S_PULSES_POS:
        return (int64_t)(m->energy.pos & WRAP);
    case FW_S_PULSES_NEG:
        return (int64_t)(m->energy.neg & WRAP);
    default:
        return st->live[index];
    }
}

/* Lines of a meter that has none: nothing is put into the frame. */
static bool has_element(const struct fw_state *st, size_t index)
{
    static const uint8_t kinds[] = {FW_S_U, FW_S_I, FW_S_P, FW_S_Q};
    for (size_t k = 0; k < sizeof kinds; k++) {
        if (index == kinds[k] + 1U || index == kinds[k] + 2U) {
            return st->options->variant == CPKM3000_THREE_PHASE;
        }
    }
    return true;
}

bool cpkm3000_fw_signal(const void *state, size_t index, int64_t *ret)
{
    const struct fw_state *st = state;
    if (index >= FW_N_SIGNALS || !has_element(st, index)) {
        return false;
    }
    if (st->is_shown[index]) {
        *ret = st->shown[index];
        return true;
    }
    if (index == FW_S_TEMPERATURE && st->broken.is_sensor_dead) {
        return false;
    }
    *ret = value_of(st, (enum fw_signal)index);
    return true;
}

/* ---- Back door ---- */

struct place {
    uint16_t quantity;
    uint8_t first; /* signal of L1 */
    uint8_t total; /* of the total; FW_N_SIGNALS: none */
    int64_t lo, hi;
};

static const struct place places[] = {
    /* The total is the only phase of a single-phase meter. */
    {MG_Q_VOLTAGE, FW_S_U, FW_S_U, 0, MAX_MV},
    {MG_Q_CURRENT, FW_S_I, FW_S_I, 0, MAX_MA},
    {MG_Q_POWER_ACTIVE, FW_S_P, FW_S_P_TOTAL, -MAX_MW, MAX_MW},
    {MG_Q_POWER_REACTIVE, FW_S_Q, FW_S_Q_TOTAL, -MAX_MW, MAX_MW},
    {MG_Q_POWER_FACTOR, FW_N_SIGNALS, FW_S_PF, -10000, 10000},
    {MG_Q_FREQUENCY, FW_N_SIGNALS, FW_S_FREQUENCY, 40000, 65000},
    {MG_Q_ENERGY_ACTIVE_IMPORT, FW_N_SIGNALS, FW_S_POS, 0, MAX_MWH},
    {MG_Q_ENERGY_ACTIVE_EXPORT, FW_N_SIGNALS, FW_S_NEG, 0, MAX_MWH},
    {MG_Q_PULSES, FW_N_SIGNALS, FW_S_PULSES_POS, 0, UINT32_MAX},
    {MG_Q_PULSES_EXPORT, FW_N_SIGNALS, FW_S_PULSES_NEG, 0, UINT32_MAX},
    {MG_Q_TEMPERATURE, FW_N_SIGNALS, FW_S_TEMPERATURE, -25000, 125000},
    {MG_Q_BOOTS, FW_N_SIGNALS, FW_S_BOOTS, 0, UINT32_MAX},
    {MG_Q_RELAY_CLOSED, FW_N_SIGNALS, FW_S_RELAY, 0, 1},
    {MG_Q_EVSE_FAULT, FW_N_SIGNALS, FW_S_EVSE_FAULT, 0, 1},
};

static const struct place *place_of(mg_channel channel, unsigned *ret_signal)
{
    unsigned phase = mg_channel_phase(channel);
    if (mg_channel_tariff(channel) != 0 || mg_channel_period(channel) != 0 ||
        phase > MG_PHASE_L3) {
        return NULL;
    }
    for (size_t k = 0; k < sizeof places / sizeof *places; k++) {
        const struct place *p = &places[k];
        unsigned base = phase == MG_PHASE_TOTAL ? p->total : p->first;
        if (p->quantity == (uint16_t)mg_channel_quantity(channel) &&
            base != FW_N_SIGNALS) {
            *ret_signal = phase == MG_PHASE_TOTAL ? base : base + phase - 1;
            return p;
        }
    }
    return NULL;
}

/* A channel is of the true line, a signal of the element. */
static unsigned mapped(const struct fw_state *st, mg_channel channel,
                       unsigned signal)
{
    bool is_crossed = st->options->phase_map == CPKM3000_L1_L3_L2;
    unsigned phase = mg_channel_phase(channel);
    if (!is_crossed || phase < MG_PHASE_L2) {
        return signal;
    }
    return phase == MG_PHASE_L2 ? signal + 1 : signal - 1;
}

int cpkm3000_fw_set(void *state, mg_channel channel, int64_t value)
{
    struct fw_state *st = state;
    unsigned signal;
    const struct place *p = place_of(channel, &signal);
    if (p == NULL || !has_element(st, signal)) {
        return MG_E_NOSUP;
    }
    if (value < p->lo || value > p->hi) {
        return MG_E_RANGE;
    }
    signal = mapped(st, channel, signal);
    st->is_shown[signal] = true;
    st->shown[signal] = value;
    return MG_OK;
}

int cpkm3000_fw_range(mg_channel channel, int64_t *ret_lo, int64_t *ret_hi,
                      int64_t *ret_tolerance)
{
    unsigned signal;
    const struct place *p = place_of(channel, &signal);
    if (p == NULL) {
        return MG_E_NOSUP;
    }
    *ret_lo = p->lo;
    *ret_hi = p->hi;
    *ret_tolerance = 0; /* the step of the signal, which the reader knows */
    return MG_OK;
}
