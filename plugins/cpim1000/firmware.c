/* The simulated CPIM1000: supply, start, ticks, flags and relays, faults. */
#include "firmware.h"

#include <string.h>

#include "firmware_priv.h"

#include "metergate/fixed.h"

#define HOLD_UP_US    30000 /* the supply bridges three half periods (ours) */
#define COLD_MDEGC    (-10000) /* guide: the LCD is degraded below */
#define REGION_MHZ    5000     /* off the region's frequency (ours) */
#define START_AMBIENT 23000

unsigned cpim1000_fw_n_phases(const struct fw_state *st)
{
    return st->options->phases == CPIM1000_ONE_PHASE ? 1 : FW_N_PHASES;
}

/* Guide, "Pinout Definition": ID1 is the EU's, ID2 North America's. */
unsigned cpim1000_fw_region(const struct fw_state *st)
{
    return (st->inputs[FW_IN_ID1] ? CPIM1000_REGION_EU : 0U) |
           (st->inputs[FW_IN_ID2] ? CPIM1000_REGION_NA : 0U);
}

/* There is a program, and power to run it. */
bool cpim1000_fw_is_running(const struct fw_state *st)
{
    return st->mode == FW_MODE_METER || st->mode == FW_MODE_INITIALIZING;
}

/* ---- Flags ---- */

static uint32_t flag(bool is_set, uint32_t mask)
{
    return is_set ? mask : 0;
}

static bool is_off_frequency(const struct fw_state *st, unsigned region)
{
    int64_t nominal = region == CPIM1000_REGION_NA ? 60000 : 50000;
    int64_t off = st->frequency_mhz - nominal;
    return st->frequency_mhz != 0 && (off > REGION_MHZ || off < -REGION_MHZ);
}

static uint32_t unit_flags(const struct fw_state *st)
{
    unsigned region = cpim1000_fw_region(st);
    bool is_strapped =
        region == CPIM1000_REGION_EU || region == CPIM1000_REGION_NA;
    bool is_cold = !st->broken.is_sensor_dead && st->ambient_mdegc < COLD_MDEGC;
    return flag(st->slots.is_lost || st->slots.is_bad, FW_F_MEMORY) |
           flag(st->mode == FW_MODE_INITIALIZING, FW_F_INITIALIZING) |
           flag(st->is_measuring_bad, FW_F_MEASURING) |
           flag(st->broken.is_sensor_dead, FW_F_AMBIENT) |
           flag(!is_strapped, FW_F_STRAPS) |
           flag(is_strapped && is_off_frequency(st, region), FW_F_FREQUENCY) |
           flag(is_cold, FW_F_COLD) |
           flag(st->inputs[FW_IN_SEAL], FW_F_IS_SEALED) |
           flag(region == CPIM1000_REGION_EU, FW_F_IS_EU) |
           flag(region == CPIM1000_REGION_NA, FW_F_IS_NA);
}

uint32_t cpim1000_fw_flags(const struct fw_state *st, unsigned side)
{
    const struct fw_circuit *c = &st->side[side];
    return unit_flags(st) | flag(c->is_saturated, FW_F_SATURATED) |
           flag(c->is_hot, FW_F_HOT) |
           flag(st->broken.is_sensor_dead, FW_F_SENSOR) |
           flag(c->is_stuck, FW_F_WELDED) | flag(c->is_reverse, FW_F_REVERSE) |
           flag(c->is_phase_lost, FW_F_PHASE_LOSS) |
           flag(cpim1000_fw_is_closed(st, side), FW_F_IS_CLOSED) |
           flag(st->inputs[FW_IN_SPD_RIGHT + side], FW_F_IS_SPD_ENABLED) |
           flag(cpim1000_fw_n_phases(st) == FW_N_PHASES, FW_F_IS_THREE_PHASE) |
           flag(c->is_tripped, FW_F_IS_TRIPPED);
}

/* ---- Relays ---- */

bool cpim1000_fw_is_closed(const struct fw_state *st, unsigned side)
{
    return st->mode == FW_MODE_METER && st->side[side].is_closed;
}

void cpim1000_fw_relay(struct fw_state *st, unsigned side, bool is_closed)
{
    struct fw_circuit *c = &st->side[side];
    c->is_closed = is_closed;
    c->is_stuck = false;
    /* What has flowed before is not what flows through open contacts. */
    memset(&c->sums, 0, sizeof c->sums);
}

/* ---- Power ---- */

/* Guide, "Fault Detection": only what fails here keeps it from its work. */
static void start(struct fw_state *st)
{
    st->options = st->env.options;
    st->ambient_mdegc = START_AMBIENT;
    cpim1000_fw_nv_load(st);
    if (!cpim1000_fw_software_boots(st)) {
        st->mode = FW_MODE_BOOT_LOADER;
        return;
    }
    bool has_adc = (st->env.nv[FW_BROKEN_AT] & FW_GOOD_ADC) != 0;
    st->mode = has_adc ? FW_MODE_METER : FW_MODE_INITIALIZING;
    st->side[FW_RIGHT].is_closed = true; /* in meter mode */
    st->side[FW_LEFT].is_closed = true;
    st->memory.boots++;
    (void)cpim1000_fw_nv_save(st);
}

static void power_on(void *state, const struct mg_fw_env *env)
{
    struct fw_state *st = state;
    const struct cpim1000_options *o = env->options;
    memset(st, 0, sizeof *st);
    st->env = *env;
    st->inputs[FW_IN_SEAL] = o->has_seal != 0;
    st->inputs[FW_IN_SPD_RIGHT] = true;
    st->inputs[FW_IN_SPD_LEFT] = true;
    st->inputs[FW_IN_ID1] = (o->region & CPIM1000_REGION_EU) != 0;
    st->inputs[FW_IN_ID2] = (o->region & CPIM1000_REGION_NA) != 0;
    start(st);
}

static void power_fail(void *state)
{
    struct fw_state *st = state;
    if (cpim1000_fw_is_running(st)) {
        cpim1000_fw_nv_power_fail(st);
    }
}

/* What is not in the memory is lost; what is broken or connected stays so, and
 * the impulses have been seen all the same. */
void cpim1000_fw_restart(struct fw_state *st)
{
    struct fw_state old = *st;
    memset(st, 0, sizeof *st);
    st->env = old.env;
    st->broken = old.broken;
    st->slots.fault = old.slots.fault;
    memcpy(st->inputs, old.inputs, sizeof st->inputs);
    for (unsigned side = 0; side < FW_N_SIDES; side++) {
        st->side[side].n_pulses = old.side[side].n_pulses;
        st->side[side].rise_nk = old.side[side].rise_nk;
        st->side[side].is_tripped = old.side[side].is_tripped;
    }
    start(st);
}

/* Guide: supplied by L1-N on the right; without it the relays are open and
 * nothing runs. */
static void watch_supply(struct fw_state *st, const struct mg_tick *tick)
{
    if (tick->n_samples == 0) {
        return;
    }
    if (cpim1000_fw_has_voltage(tick->lane[0].u2, tick->n_samples)) {
        st->dead_us = 0;
        if (st->mode == FW_MODE_OFF) {
            cpim1000_fw_restart(st);
        }
        return;
    }
    st->dead_us += tick->elapsed_us;
    if (st->dead_us >= HOLD_UP_US && st->mode != FW_MODE_OFF) {
        power_fail(st);
        st->mode = FW_MODE_OFF;
    }
}

/* ---- Ticks ---- */

static void live(struct fw_state *st, const struct mg_tick *tick)
{
    bool has_adc = (st->env.nv[FW_BROKEN_AT] & FW_GOOD_ADC) != 0;
    st->ambient_mdegc = tick->ambient_mdegc;
    st->is_measuring_bad = !has_adc || tick->n_samples == 0;
    if (st->mode == FW_MODE_METER && !st->is_measuring_bad) {
        cpim1000_fw_energy_tick(st, tick);
        cpim1000_fw_measure(st, tick);
    } else {
        cpim1000_fw_measure_nothing(st);
    }
    cpim1000_fw_thermal_tick(st, tick->elapsed_us);
    cpim1000_fw_nv_tick(st, tick->elapsed_us);
    cpim1000_fw_display_tick(st, tick->elapsed_us);
}

/* Behind a breaker that was tripped there is no voltage. */
static void tick(void *state, const struct mg_tick *mains)
{
    struct fw_state *st = state;
    struct mg_tick seen = *mains;
    for (unsigned k = 0; k < FW_N_LANES; k++) {
        if (st->side[k / FW_N_PHASES].is_tripped) {
            memset(&seen.lane[k], 0, sizeof seen.lane[k]);
        }
    }
    memset(st->is_shown, 0, sizeof st->is_shown);
    watch_supply(st, &seen);
    if (cpim1000_fw_is_running(st)) {
        live(st, &seen);
    }
}

/* ---- Outside ---- */

static void outputs(const void *state, struct mg_fw_outputs *ret)
{
    const struct fw_state *st = state;
    *ret = (struct mg_fw_outputs){.unit = st->env.unit, .baud = st->env.baud};
    for (unsigned side = 0; side < FW_N_SIDES; side++) {
        const struct fw_circuit *c = &st->side[side];
        bool is_closed =
            cpim1000_fw_is_closed(st, side) || st->broken.is_welded;
        ret->circuit[side] = (struct mg_fw_circuit){
            .load_connected = is_closed && !c->is_tripped,
            .n_pulses = c->n_pulses,
            .rest_q32 = mg_ratio_q32(st->memory.energy[side].rest, FW_PULSE)};
    }
}

static int set_input(void *state, unsigned index, bool is_closed)
{
    struct fw_state *st = state;
    if (index >= FW_N_INPUTS) {
        return MG_E_NOSUP;
    }
    st->inputs[index] = is_closed;
    return MG_OK;
}

/* ---- Faults ---- */

/* Not repaired by a start: it is the hardware. */
static void break_for_good(struct fw_state *st, uint8_t good)
{
    st->env.nv[FW_BROKEN_AT] &= (uint8_t)~good;
}

static void repair(struct fw_state *st, bool is_all)
{
    struct fw_broken b = {0};
    if (!is_all) {
        b.has_bad_creep = st->broken.has_bad_creep;
        b.loses_rest = st->broken.loses_rest;
    } else {
        st->slots.fault = MG_FW_FAULT_NONE;
        st->env.nv[FW_BROKEN_AT] |= FW_GOOD_IMAGE | FW_GOOD_ADC;
    }
    st->broken = b;
}

static int break_part(struct fw_state *st, enum mg_fw_fault kind)
{
    struct fw_broken *b = &st->broken;
    switch (kind) {
    case MG_FW_FAULT_WELDED:
        b->is_welded = true;
        return MG_OK;
    case MG_FW_FAULT_TEMPERATURE:
        b->is_hot = true;
        return MG_OK;
    case MG_FW_FAULT_SENSOR:
        b->is_sensor_dead = true;
        return MG_OK;
    case MG_FW_FAULT_CREEP:
        b->has_bad_creep = true;
        return MG_OK;
    case MG_FW_FAULT_REMAINDER:
        b->loses_rest = true;
        return MG_OK;
    case MG_FW_FAULT_NAN:
        break_for_good(st, FW_GOOD_ADC);
        return MG_OK;
    case MG_FW_FAULT_IMAGE:
        break_for_good(st, FW_GOOD_IMAGE);
        return MG_OK;
    default:
        return MG_E_NOSUP; /* it has no clock and no crypto chip */
    }
}

static int fault(void *state, enum mg_fw_fault kind)
{
    struct fw_state *st = state;
    switch (kind) {
    case MG_FW_FAULT_NONE:
    case MG_FW_FAULT_OVER:
        repair(st, kind == MG_FW_FAULT_NONE);
        return MG_OK;
    case MG_FW_FAULT_NV_SLOT:
    case MG_FW_FAULT_NV_ALL:
        cpim1000_fw_nv_damage(st, kind);
        return MG_OK;
    case MG_FW_FAULT_RESET:
        if (st->mode != FW_MODE_OFF) {
            cpim1000_fw_restart(st);
        }
        return MG_OK;
    default:
        return break_part(st, kind);
    }
}

/* Class B (guide, "Environmental Specifications") with room to spare; what is
 * left after calibration is ours. */
static const struct mg_frontend frontend = {
    .rate_mhz = FW_RATE_MHZ,
    .half_periods = FW_HALF_PERIODS,
    .n_lanes = FW_N_LANES,
    .bits = FW_BITS,
    .current_sensor = MG_SENSOR_TRANSFORMER,
    .sinc_order = 3,
    .full_scale_mv = FW_FULL_SCALE_MV,
    .full_scale_ma = FW_FULL_SCALE_MA,
    .gain_u_ppm = 300,
    .gain_i_ppm = -500,
    .drift_u_ppb = 15000,
    .drift_i_ppb = 35000,
    .phase_error_cdeg = 2,
    .skew_ns = 500,
    .offset_u_lsb = -160,
    .offset_i_lsb = 40,
    .noise_u_mlsb = FW_NOISE_U_MLSB,
    .noise_i_mlsb = FW_NOISE_I_MLSB,
};

const struct mg_firmware cpim1000_firmware = {
    .frontend = &frontend,
    .state_size = sizeof(struct fw_state),
    .nv_size = FW_NV_SIZE,
    .power_on = power_on,
    .power_fail = power_fail,
    .tick = tick,
    .pdu = cpim1000_fw_pdu,
    .outputs = outputs,
    .set_input = set_input,
    .set = cpim1000_fw_set,
    .range = cpim1000_fw_range,
    .fault = fault,
    .signals = cpim1000_fw_signals,
    .n_signals = FW_N_SIGNALS,
    .signal = cpim1000_fw_signal,
    .display = cpim1000_fw_display,
};
