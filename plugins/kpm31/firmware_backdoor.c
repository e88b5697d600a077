/* Back doors for tests: shown values, faults, contacts. */
#include "firmware_priv.h"

#define NO_INDEX (-1)

/* Where the float of a channel is, and base units per unit of the register. */
struct place {
    int index;
    uint32_t per_unit;
    int64_t lo, hi, tolerance;
};

/* 264 V x 72 A, manual 2.2: 1.2 times rated. A float32 of some kW has steps of
 * up to 2 mW, one of a GWh (in kWh) of up to 62.5 Wh. */
#define MAX_MW             19008000
#define MAX_MWH            INT64_C(1000000000000)
#define POWER_TOLERANCE    1
#define ENERGY_TOLERANCE   31250
#define ENERGY_PER_UNIT    1000000
#define TARIFF_INDEX       6 /* of the first rate in the energy area */
#define TARIFF_INDEX_REACT 10
#define MONTH_INDEX        14

static struct place live_place(enum mg_quantity quantity)
{
    switch (quantity) {
    case MG_Q_VOLTAGE:
        return (struct place){0, 1000, 0, 264000, 0};
    case MG_Q_CURRENT:
        return (struct place){1, 1000, 0, 72000, 0};
    case MG_Q_POWER_ACTIVE:
        return (struct place){2, 1000, -MAX_MW, MAX_MW, POWER_TOLERANCE};
    case MG_Q_POWER_REACTIVE:
        return (struct place){3, 1000, -MAX_MW, MAX_MW, POWER_TOLERANCE};
    case MG_Q_POWER_APPARENT:
        return (struct place){4, 1000, 0, MAX_MW, POWER_TOLERANCE};
    case MG_Q_POWER_FACTOR:
        return (struct place){5, 10000, -10000, 10000, 0};
    case MG_Q_FREQUENCY:
        return (struct place){6, 1000, 40000, 70000, 0};
    case MG_Q_DEMAND_APPARENT:
        return (struct place){7, 1000, 0, MAX_MW, POWER_TOLERANCE};
    default:
        return (struct place){.index = NO_INDEX};
    }
}

/* Direction within the energy area: total, import, export, then reactive. */
static int energy_kind(enum mg_quantity quantity)
{
    switch (quantity) {
    case MG_Q_ENERGY_ACTIVE:
        return 0;
    case MG_Q_ENERGY_ACTIVE_IMPORT:
        return 1;
    case MG_Q_ENERGY_ACTIVE_EXPORT:
        return 2;
    case MG_Q_ENERGY_REACTIVE:
        return 3;
    case MG_Q_ENERGY_REACTIVE_IMPORT:
        return 4;
    case MG_Q_ENERGY_REACTIVE_EXPORT:
        return 5;
    default:
        return NO_INDEX;
    }
}

/* @return index in the energy area or NO_INDEX */
static int energy_index(mg_channel channel)
{
    int kind = energy_kind(mg_channel_quantity(channel));
    int tariff = (int)mg_channel_tariff(channel);
    int period = (int)mg_channel_period(channel);
    bool is_total = kind == 0 || kind == 3;
    if (kind == NO_INDEX || tariff > FW_N_RATES || period > FW_N_MONTHS ||
        (!is_total && (tariff != 0 || period != MG_PERIOD_EVER))) {
        return NO_INDEX;
    }
    if (period == MG_PERIOD_EVER && tariff == 0) {
        return kind;
    }
    if (period == MG_PERIOD_EVER) {
        return (kind == 0 ? TARIFF_INDEX : TARIFF_INDEX_REACT) + tariff - 1;
    }
    int block = tariff * 2 + (kind == 0 ? 0 : 1);
    return MONTH_INDEX + block * FW_N_MONTHS + period - MG_PERIOD_CURRENT;
}

/* A single-phase meter: its phase may be called L1 or the total. */
static struct place float_place(mg_channel channel)
{
    struct place none = {.index = NO_INDEX};
    if (mg_channel_phase(channel) > MG_PHASE_L1 || (channel & 0xff) != 0) {
        return none;
    }
    int index = energy_index(channel);
    if (index != NO_INDEX) {
        return (struct place){FW_N_LIVE + index, ENERGY_PER_UNIT, 0, MAX_MWH,
                              ENERGY_TOLERANCE};
    }
    if (mg_channel_tariff(channel) != 0 || mg_channel_period(channel) != 0) {
        return none;
    }
    return live_place(mg_channel_quantity(channel));
}

static int set_clock(struct fw_state *st, int64_t unix_s)
{
    int64_t lo, hi, tolerance;
    (void)kpm31_fw_range(MG_CH(METER_CLOCK, TOTAL), &lo, &hi, &tolerance);
    if (unix_s < lo || unix_s > hi) {
        return MG_E_RANGE;
    }
    kpm31_fw_clock_set(st, unix_s);
    /* As if it had always been so: nothing is settled. */
    st->energies.settled_month = kpm31_fw_clock_month(st);
    return MG_OK;
}

static int set_other(struct fw_state *st, enum mg_quantity quantity,
                     int64_t value)
{
    switch (quantity) {
    case MG_Q_RELAY_CLOSED:
        if (!kpm31_fw_has_relay(st)) {
            return MG_E_NOSUP;
        }
        kpm31_fw_relay_switch(st, value != 0);
        return MG_OK;
    case MG_Q_DIGITAL_INPUT:
        return kpm31_fw_set_input(st, 0, value != 0);
    case MG_Q_METER_CLOCK:
        return set_clock(st, value);
    case MG_Q_BUS_ADDRESS:
        if (value < 1 || value > 247) {
            return MG_E_RANGE;
        }
        st->shown.unit = (uint8_t)value;
        st->shown.is_any = true;
        return MG_OK;
    case MG_Q_BAUD:
        if (kpm31_fw_baud_code(value) == 0) {
            return MG_E_RANGE;
        }
        st->shown.baud_code = kpm31_fw_baud_code(value);
        st->shown.is_any = true;
        return MG_OK;
    default:
        return MG_E_NOSUP;
    }
}

int kpm31_fw_set(void *state, mg_channel channel, int64_t value)
{
    struct fw_state *st = state;
    struct place place = float_place(channel);
    if (place.index == NO_INDEX) {
        return set_other(st, mg_channel_quantity(channel), value);
    }
    st->shown.bits[place.index] = kpm31_fw_f32(value, place.per_unit);
    st->shown.is_set[place.index] = true;
    st->shown.is_any = true;
    return MG_OK;
}

static int other_range(enum mg_quantity quantity, int64_t *lo, int64_t *hi)
{
    switch (quantity) {
    case MG_Q_RELAY_CLOSED:
    case MG_Q_DIGITAL_INPUT:
        *lo = 0;
        *hi = 1;
        return MG_OK;
    case MG_Q_METER_CLOCK:
        *lo = INT64_C(946684800); /* 2000-01-01 */
        *hi = INT64_C(4102444799);
        return MG_OK;
    case MG_Q_BUS_ADDRESS:
        *lo = 1;
        *hi = 247;
        return MG_OK;
    case MG_Q_BAUD: /* four values with nothing between: one of them */
        *lo = 9600;
        *hi = 9600;
        return MG_OK;
    default:
        return MG_E_NOSUP;
    }
}

int kpm31_fw_range(mg_channel channel, int64_t *ret_lo, int64_t *ret_hi,
                   int64_t *ret_tolerance)
{
    struct place place = float_place(channel);
    if (place.index != NO_INDEX) {
        *ret_lo = place.lo;
        *ret_hi = place.hi;
        *ret_tolerance = place.tolerance;
        return MG_OK;
    }
    int code = other_range(mg_channel_quantity(channel), ret_lo, ret_hi);
    if (code == MG_OK) {
        *ret_tolerance = 0;
    }
    return code;
}

int kpm31_fw_fault(void *state, enum mg_fw_fault kind)
{
    struct fw_state *st = state;
    switch (kind) {
    case MG_FW_FAULT_NONE:
        st->is_signal_bad = false;
        st->is_creeping = false;
        st->is_forgetful = false;
        st->memory_fault = MG_FW_FAULT_NONE;
        return MG_OK;
    case MG_FW_FAULT_NV_SLOT: /* the write as the supply goes is cut off */
        st->memory_fault = kind;
        return MG_OK;
    case MG_FW_FAULT_NV_ALL:
        st->memory_fault = kind;
        kpm31_fw_nv_damage(st);
        return MG_OK;
    case MG_FW_FAULT_CLOCK:
        kpm31_fw_clock_lose(st);
        return MG_OK;
    case MG_FW_FAULT_NAN:
        st->is_signal_bad = true;
        return MG_OK;
    case MG_FW_FAULT_CREEP:
        st->is_creeping = true;
        return MG_OK;
    case MG_FW_FAULT_REMAINDER:
        st->is_forgetful = true;
        return MG_OK;
    default:
        return MG_E_NOSUP;
    }
}

int kpm31_fw_set_input(void *state, unsigned index, bool is_closed)
{
    struct fw_state *st = state;
    if (st->variant != KPM31_BK || index != 0) {
        return MG_E_NOSUP;
    }
    st->is_contact_closed = is_closed;
    st->env.nv[FW_NV_CONTACT] = is_closed ? 0 : 1;
    return MG_OK;
}
