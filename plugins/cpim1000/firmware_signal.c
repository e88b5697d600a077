/* The frames: signals by the names of cpim1000.dbc, and the back door by which
 * tests make them show something, on both sides at once. */
#include "firmware_priv.h"

#define MAX_MV  264500 /* 1.15 times rated */
#define MAX_MA  90000  /* of the converter */
#define MAX_MW  INT64_C(24000000)
#define MAX_MWH INT64_C(50000000000000)

#define WRAP UINT32_MAX /* of the impulse counters */

#define SIDE(at, side)                                                         \
    [(at) +                                                                    \
        FW_S_FLAGS] = {side "Status.Flags", MG_UNIT_BITS},                     \
        [(at) + FW_S_RELAY] = {side "Status.RelayClosed", MG_UNIT_BOOL},       \
        [(at) + FW_S_SPD] = {side "Status.SpdEnabled", MG_UNIT_BOOL},          \
        [(at) + FW_S_PHASES] = {side "Status.Phases", MG_UNIT_COUNT},          \
        [(at) + FW_S_NODE] = {side "Status.Node", MG_UNIT_COUNT},              \
        [(at) +                                                                \
            FW_S_TEMPERATURE] = {side "Status.Temperature", MG_UNIT_MDEGC},    \
        [(at) + FW_S_U] = {side "Voltages.VoltageL1", MG_UNIT_MV},             \
        [(at) + FW_S_U + 1] = {side "Voltages.VoltageL2", MG_UNIT_MV},         \
        [(at) + FW_S_U + 2] = {side "Voltages.VoltageL3", MG_UNIT_MV},         \
        [(at) + FW_S_I] = {side "Currents.CurrentL1", MG_UNIT_MA},             \
        [(at) + FW_S_I + 1] = {side "Currents.CurrentL2", MG_UNIT_MA},         \
        [(at) + FW_S_I + 2] = {side "Currents.CurrentL3", MG_UNIT_MA},         \
        [(at) + FW_S_P] = {side "ActivePower.PowerL1", MG_UNIT_MW},            \
        [(at) + FW_S_P + 1] = {side "ActivePower.PowerL2", MG_UNIT_MW},        \
        [(at) + FW_S_P + 2] = {side "ActivePower.PowerL3", MG_UNIT_MW},        \
        [(at) + FW_S_Q] = {side "ReactivePower.ReactiveL1", MG_UNIT_MVAR},     \
        [(at) + FW_S_Q + 1] = {side "ReactivePower.ReactiveL2", MG_UNIT_MVAR}, \
        [(at) + FW_S_Q + 2] = {side "ReactivePower.ReactiveL3", MG_UNIT_MVAR}, \
        [(at) + FW_S_P_TOTAL] = {side "Totals.PowerTotal", MG_UNIT_MW},        \
        [(at) + FW_S_Q_TOTAL] = {side "Totals.ReactiveTotal", MG_UNIT_MVAR},   \
        [(at) + FW_S_PF] = {side "Totals.PowerFactor", MG_UNIT_PF},            \
        [(at) + FW_S_ENERGY] = {side "Energy.EnergyImport", MG_UNIT_MWH},      \
        [(at) + FW_S_PULSES] = {side "Impulses.Pulses", MG_UNIT_COUNT}

const struct mg_fw_signal cpim1000_fw_signals[FW_N_SIGNALS] = {
    SIDE(0, "Right"),
    SIDE(FW_N_OF_SIDE, "Left"),
    [FW_S_FREQUENCY] = {"UnitState.Frequency", MG_UNIT_MHZ},
    [FW_S_AMBIENT] = {"UnitState.AmbientTemperature", MG_UNIT_MDEGC},
    [FW_S_BOOTS] = {"UnitState.Boots", MG_UNIT_COUNT},
    [FW_S_REGION] = {"UnitState.Region", MG_UNIT_COUNT},
};

/* Whole steps of 0.1 Wh, as on the display. */
static int64_t energy_mwh(uint64_t pulses)
{
    return (int64_t)(pulses / 2 * 2 * FW_PULSE_MWH);
}

static int64_t value_of_side(const struct fw_state *st, unsigned side,
                             enum fw_signal which)
{
    uint64_t pulses = st->memory.energy[side].pulses;
    switch (which) {
    case FW_S_FLAGS:
        return cpim1000_fw_flags(st, side);
    case FW_S_RELAY:
        return cpim1000_fw_is_closed(st, side);
    case FW_S_SPD:
        return st->inputs[FW_IN_SPD_RIGHT + side];
    case FW_S_PHASES:
        return cpim1000_fw_n_phases(st);
    case FW_S_NODE:
        return st->env.unit;
    case FW_S_TEMPERATURE:
        return cpim1000_fw_temperature_mdegc(st, side);
    case FW_S_ENERGY:
        return energy_mwh(pulses);
    case FW_S_PULSES:
        return (int64_t)(pulses & WRAP);
    default:
        return st->side[side].live[which];
    }
}

static int64_t value_of(const struct fw_state *st, size_t index)
{
    switch (index) {
    case FW_S_FREQUENCY:
        return st->frequency_mhz;
    case FW_S_AMBIENT:
        return st->ambient_mdegc;
    case FW_S_BOOTS:
        return st->memory.boots;
    case FW_S_REGION:
        return cpim1000_fw_region(st);
    default:
        return value_of_side(st, (unsigned)(index / FW_N_OF_SIDE),
                             (enum fw_signal)(index % FW_N_OF_SIDE));
    }
}

/* L2 and L3 of a unit with one phase. */
static bool has_phase(const struct fw_state *st, size_t index)
{
    static const uint8_t kinds[] = {FW_S_U, FW_S_I, FW_S_P, FW_S_Q};
    size_t which = index % FW_N_OF_SIDE;
    for (size_t k = 0; k < sizeof kinds && index < FW_S_FREQUENCY; k++) {
        if (which == kinds[k] + 1U || which == kinds[k] + 2U) {
            return cpim1000_fw_n_phases(st) == FW_N_PHASES;
        }
    }
    return true;
}

static bool is_thermistor(size_t index)
{
    return index == FW_S_AMBIENT ||
           (index < FW_S_FREQUENCY && index % FW_N_OF_SIDE == FW_S_TEMPERATURE);
}

bool cpim1000_fw_signal(const void *state, size_t index, int64_t *ret)
{
    const struct fw_state *st = state;
    if (index >= FW_N_SIGNALS || !cpim1000_fw_is_running(st) ||
        !has_phase(st, index)) {
        return false;
    }
    if (st->is_shown[index]) {
        *ret = st->shown[index];
        return true;
    }
    if (is_thermistor(index) && st->broken.is_sensor_dead) {
        return false;
    }
    *ret = value_of(st, index);
    return true;
}

/* ---- Back door ---- */

#define NONE FW_N_SIGNALS

struct place {
    uint16_t quantity;
    uint8_t first; /* signal of L1 */
    uint8_t total; /* of the total */
    int64_t lo, hi;
};

static const struct place places[] = {
    /* The total is the only phase of a single-phase meter. */
    {MG_Q_VOLTAGE, FW_S_U, FW_S_U, 0, MAX_MV},
    {MG_Q_CURRENT, FW_S_I, FW_S_I, 0, MAX_MA},
    {MG_Q_POWER_ACTIVE, FW_S_P, FW_S_P_TOTAL, -MAX_MW, MAX_MW},
    {MG_Q_POWER_REACTIVE, FW_S_Q, FW_S_Q_TOTAL, -MAX_MW, MAX_MW},
    {MG_Q_POWER_FACTOR, NONE, FW_S_PF, -10000, 10000},
    {MG_Q_ENERGY_ACTIVE_IMPORT, NONE, FW_S_ENERGY, 0, MAX_MWH},
    {MG_Q_PULSES, NONE, FW_S_PULSES, 0, UINT32_MAX},
    {MG_Q_TEMPERATURE, NONE, FW_S_TEMPERATURE, -25000, 125000},
    {MG_Q_RELAY_CLOSED, NONE, FW_S_RELAY, 0, 1},
    {MG_Q_DIGITAL_INPUT, NONE, FW_S_SPD, 0, 1},
    {MG_Q_FREQUENCY, NONE, FW_S_FREQUENCY, 40000, 65000},
    {MG_Q_TEMPERATURE_AMBIENT, NONE, FW_S_AMBIENT, -40000, 85000},
    {MG_Q_BOOTS, NONE, FW_S_BOOTS, 0, 0xffffff},
};

static const struct place *place_of(mg_channel channel, size_t *ret_signal)
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
            base != NONE) {
            *ret_signal = phase == MG_PHASE_TOTAL ? base : base + phase - 1;
            return p;
        }
    }
    return NULL;
}

static void show(struct fw_state *st, size_t index, int64_t value)
{
    st->is_shown[index] = true;
    st->shown[index] = value;
}

int cpim1000_fw_set(void *state, mg_channel channel, int64_t value)
{
    struct fw_state *st = state;
    size_t signal;
    const struct place *p = place_of(channel, &signal);
    if (p == NULL || !has_phase(st, signal)) {
        return MG_E_NOSUP;
    }
    if (value < p->lo || value > p->hi) {
        return MG_E_RANGE;
    }
    show(st, signal, value);
    if (signal < FW_N_OF_SIDE) {
        show(st, signal + FW_N_OF_SIDE, value);
    }
    return MG_OK;
}

int cpim1000_fw_range(mg_channel channel, int64_t *ret_lo, int64_t *ret_hi,
                      int64_t *ret_tolerance)
{
    size_t signal;
    const struct place *p = place_of(channel, &signal);
    if (p == NULL) {
        return MG_E_NOSUP;
    }
    *ret_lo = p->lo;
    *ret_hi = p->hi;
    *ret_tolerance = 0; /* the step of the signal, which the reader knows */
    return MG_OK;
}
