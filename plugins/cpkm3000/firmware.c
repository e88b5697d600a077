/* The simulated CPKM3000: power, ticks, errors and relays, faults. */
#include "firmware.h"

#include <string.h>

#include "firmware_priv.h"

#include "metergate/fixed.h"

#define SATURATED_SAMPLES 4 /* of a tick: more than a spike (ours) */

/* ---- Errors ---- */

static uint32_t errors_now(const struct fw_state *st)
{
    bool is_lost = st->slots.is_lost || st->slots.is_bad;
    bool is_misinstalled = st->is_misinstalled || st->is_l1_missing;
    bool is_stuck = st->broken.is_welded && !st->is_closed;
    return (is_lost ? FW_ERR_MEMORY : 0) | (st->is_lrs_bad ? FW_ERR_LRS : 0) |
           (st->is_hot ? FW_ERR_HOT : 0) |
           (st->broken.is_sensor_dead ? FW_ERR_SENSOR : 0) |
           (st->is_measuring_bad ? FW_ERR_MEASURING : 0) |
           (is_stuck ? FW_ERR_WELDED : 0) |
           (is_misinstalled ? FW_ERR_INSTALLATION : 0) |
           (st->is_crypto_late ? FW_ERR_CRYPTO : 0);
}

void cpkm3000_fw_guard(struct fw_state *st)
{
    if (st->is_l1_missing && st->life_us <= FW_SECOND_US) {
        st->is_misinstalled = true;
    }
    if ((errors_now(st) & FW_ERR_OPENING) != 0) {
        st->is_closed = false;
    }
    st->errors = errors_now(st);
}

uint32_t cpkm3000_fw_status(const struct fw_state *st)
{
    bool is_three_phase = st->options->variant == CPKM3000_THREE_PHASE;
    return st->errors | (st->is_closed ? FW_IS_CLOSED : 0) |
           (st->is_evse_fault ? FW_IS_EVSE_FAULT : 0) |
           (st->memory.is_sealed ? FW_IS_SEALED : 0) |
           (is_three_phase ? FW_IS_THREE_PHASE : 0);
}

/* ---- Identity ---- */

unsigned cpkm3000_fw_n_phases(const struct fw_state *st)
{
    return st->options->variant == CPKM3000_THREE_PHASE ? 3 : 1;
}

/* Twelve characters as on the label, "2513" the year and week (ours). */
void cpkm3000_fw_serial(const struct fw_state *st, uint8_t ret[FW_SERIAL_LEN])
{
    static const uint8_t week[4] = {'2', '5', '1', '3'};
    uint32_t rest = st->env.serial;
    memset(ret, 0, FW_SERIAL_LEN);
    memcpy(ret, week, sizeof week);
    for (size_t k = 12; k-- > 4;) {
        ret[k] = (uint8_t)('0' + rest % 10);
        rest /= 10;
    }
}

/* ---- Power ---- */

static void start(struct fw_state *st)
{
    st->options = st->env.options;
    cpkm3000_fw_nv_power_on(st);
    st->is_lrs_bad = !cpkm3000_fw_lrs_check(st);
    st->is_closed = true;
    cpkm3000_fw_guard(st);
}

static void power_on(void *state, const struct mg_fw_env *env)
{
    struct fw_state *st = state;
    memset(st, 0, sizeof *st);
    st->env = *env;
    start(st);
}

static void power_fail(void *state)
{
    cpkm3000_fw_nv_power_fail(state);
}

/* What is not in the memory is lost; what is broken stays so, and the impulse
 * LED has been seen all the same. */
void cpkm3000_fw_restart(struct fw_state *st)
{
    struct mg_fw_env env = st->env;
    struct fw_broken broken = st->broken;
    struct fw_thermal thermal = st->thermal;
    enum mg_fw_fault memory_fault = st->slots.fault;
    uint64_t n_pulses = st->n_pulses;
    bool is_evse_fault = st->is_evse_fault;
    memset(st, 0, sizeof *st);
    st->env = env;
    st->broken = broken;
    st->thermal = thermal;
    st->slots.fault = memory_fault;
    st->n_pulses = n_pulses;
    st->is_evse_fault = is_evse_fault;
    start(st);
}

/* ---- Ticks ---- */

/* A converter always has some noise: nothing at all means that it is dead. */
static bool is_blind(const struct fw_state *st, const struct mg_tick *tick,
                     const struct fw_lane lanes[FW_N_PHASES])
{
    return st->broken.is_blind || tick->n_samples == 0 ||
           (lanes[0].u2 == 0 && lanes[0].i2 == 0);
}

static bool is_saturated(const struct fw_lane lanes[FW_N_PHASES])
{
    return lanes[0].n_saturated >= SATURATED_SAMPLES ||
           lanes[1].n_saturated >= SATURATED_SAMPLES ||
           lanes[2].n_saturated >= SATURATED_SAMPLES;
}

/* What a saturated converter has seen of a current is registered. */
static void tick(void *state, const struct mg_tick *tick)
{
    struct fw_state *st = state;
    struct fw_lane lanes[FW_N_PHASES];
    memset(st->is_shown, 0, sizeof st->is_shown);
    st->life_us += tick->elapsed_us;
    cpkm3000_fw_elements(st, tick, lanes);
    bool is_nothing = is_blind(st, tick, lanes);
    st->is_measuring_bad = is_nothing || is_saturated(lanes);
    if (is_nothing) {
        cpkm3000_fw_measure_nothing(st);
    } else {
        cpkm3000_fw_energy_tick(st, tick, lanes);
        cpkm3000_fw_measure(st, tick, lanes);
    }
    cpkm3000_fw_thermal_tick(st, tick->elapsed_us);
    cpkm3000_fw_nv_tick(st, tick->elapsed_us);
    cpkm3000_fw_display_tick(st, tick->elapsed_us);
    cpkm3000_fw_guard(st);
    cpkm3000_fw_telegram_tick(st, tick);
}

/* ---- Outside ---- */

static void outputs(const void *state, struct mg_fw_outputs *ret)
{
    const struct fw_state *st = state;
    int64_t rest = st->memory.energy.rest;
    *ret = (struct mg_fw_outputs){
        .circuit = {{.load_connected = st->is_closed || st->broken.is_welded,
                     .n_pulses = st->n_pulses,
                     .rest_q32 =
                         mg_ratio_q32(rest < 0 ? -rest : rest, FW_PULSE)}},
        .unit = st->env.unit,
        .baud = st->env.baud};
}

/* Guide, "Connector pinout table", pin 34: the fault line of the station. */
static int set_input(void *state, unsigned index, bool is_closed)
{
    struct fw_state *st = state;
    if (index != 0) {
        return MG_E_NOSUP;
    }
    st->is_evse_fault = is_closed;
    return MG_OK;
}

/* ---- Faults ---- */

static void repair(struct fw_state *st, bool is_all)
{
    struct fw_broken kept = {.is_blind = st->broken.is_blind,
                             .is_creeping = st->broken.is_creeping,
                             .is_forgetful = st->broken.is_forgetful};
    st->broken = is_all ? (struct fw_broken){0} : kept;
    if (is_all) {
        st->slots.fault = MG_FW_FAULT_NONE;
    }
}

static int break_part(struct fw_state *st, enum mg_fw_fault kind)
{
    struct fw_broken *b = &st->broken;
    switch (kind) {
    case MG_FW_FAULT_CRYPTO:
        b->is_chip_dead = true;
        return MG_OK;
    case MG_FW_FAULT_WELDED:
        b->is_welded = true;
        return MG_OK;
    case MG_FW_FAULT_TEMPERATURE:
        b->is_hot = true;
        return MG_OK;
    case MG_FW_FAULT_SENSOR:
        b->is_sensor_dead = true;
        return MG_OK;
    case MG_FW_FAULT_TELEGRAM:
        b->is_forging = true;
        return MG_OK;
    case MG_FW_FAULT_NAN:
        b->is_blind = true;
        return MG_OK;
    case MG_FW_FAULT_CREEP:
        b->is_creeping = true;
        return MG_OK;
    case MG_FW_FAULT_REMAINDER:
        b->is_forgetful = true;
        return MG_OK;
    default:
        return MG_E_NOSUP; /* it has no clock */
    }
}

static int fault(void *state, enum mg_fw_fault kind)
{
    struct fw_state *st = state;
    switch (kind) {
    case MG_FW_FAULT_NONE:
        repair(st, true);
        return MG_OK;
    case MG_FW_FAULT_OVER:
        repair(st, false);
        return MG_OK;
    case MG_FW_FAULT_NV_SLOT:
    case MG_FW_FAULT_NV_ALL:
        cpkm3000_fw_nv_damage(st, kind);
        return MG_OK;
    case MG_FW_FAULT_RESET:
        cpkm3000_fw_restart(st);
        return MG_OK;
    default:
        return break_part(st, kind);
    }
}

/* Class B (guide, "Technical specification") with room to spare; the values,
 * the shunts and the filter of a delta-sigma converter are ours. */
static const struct mg_frontend frontend = {
    .rate_mhz = FW_RATE_HZ * 1000,
    .half_periods = FW_HALF_PERIODS,
    .n_lanes = FW_N_PHASES,
    .bits = FW_BITS,
    .current_sensor = MG_SENSOR_SHUNT,
    .sinc_order = 3,
    .full_scale_mv = FW_FULL_SCALE_MV,
    .full_scale_ma = FW_FULL_SCALE_MA,
    .gain_u_ppm = 450,
    .gain_i_ppm = -720,
    .drift_u_ppb = 12000,
    .drift_i_ppb = -20000,
    .phase_error_cdeg = 2,
    .offset_u_lsb = 3,
    .offset_i_lsb = -2,
    .noise_u_mlsb = FW_NOISE_MLSB,
    .noise_i_mlsb = FW_NOISE_MLSB,
};

const struct mg_firmware cpkm3000_firmware = {
    .frontend = &frontend,
    .state_size = sizeof(struct fw_state),
    .nv_size = FW_NV_SIZE,
    .power_on = power_on,
    .power_fail = power_fail,
    .tick = tick,
    .pdu = cpkm3000_fw_pdu,
    .outputs = outputs,
    .set_input = set_input,
    .set = cpkm3000_fw_set,
    .range = cpkm3000_fw_range,
    .fault = fault,
    .sign_request = cpkm3000_fw_sign_request,
    .sign_result = cpkm3000_fw_sign_result,
    .signals = cpkm3000_fw_signals,
    .n_signals = FW_N_SIGNALS,
    .signal = cpkm3000_fw_signal,
    .unasked = cpkm3000_fw_unasked,
    .display = cpkm3000_fw_display,
};
