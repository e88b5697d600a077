/* The simulated WM3M4 and WM3M4C: power, ticks, faults. */
#include "firmware.h"

#include <string.h>

#include "firmware_priv.h"

#include "metergate/fixed.h"

static void start(struct fw_state *st, const struct mg_fw_env *env,
                  bool is_reset)
{
    memset(st, 0, sizeof *st);
    st->env = *env;
    st->options = env->options;
    st->signing.status = FW_NOT_INITIALISED;
    wm3m4c_fw_nv_power_on(st);
    wm3m4c_fw_check_parameters(st);
    wm3m4c_fw_charge_power_on(st, is_reset);
}

static void power_on(void *state, const struct mg_fw_env *env)
{
    start(state, env, false);
}

static void power_fail(void *state)
{
    wm3m4c_fw_nv_power_fail(state);
}

/* What is not there: the phases without a wire. */
static struct mg_tick wired(const struct fw_state *st,
                            const struct mg_tick *tick)
{
    struct mg_tick t = *tick;
    if (st->options->single_phase != 0) {
        memset(&t.lane[0], 0, 2 * sizeof t.lane[0]); /* manual 2: on L3 */
    }
    return t;
}

/* Manual 4.3: every 5 minutes while charging, else every 60. */
static void save_now_and_then(struct fw_state *st, uint32_t elapsed_us)
{
    bool is_idle = st->charge.state == FW_CHARGE_IDLE;
    st->since_save_us += elapsed_us;
    if (st->since_save_us >= (is_idle ? 60 : 5) * FW_MINUTE_US) {
        wm3m4c_fw_nv_save_energies(st);
        st->since_save_us = 0;
    }
}

static void tick(void *state, const struct mg_tick *tick)
{
    struct fw_state *st = state;
    struct mg_tick t = wired(st, tick);
    st->shown.n = 0;
    st->life_us += t.elapsed_us;
    if (!st->is_energy_lost) {
        wm3m4c_fw_energy_tick(st, &t);
    }
    wm3m4c_fw_measure(st, &t);
    wm3m4c_fw_clock_advance(st, t.elapsed_us);
    wm3m4c_fw_charge_tick(st, t.elapsed_us);
    wm3m4c_fw_signature_tick(st, t.elapsed_us);
    if (st->signing.status == FW_NOT_INITIALISED &&
        st->life_us >= FW_SECOND_US) {
        st->signing.status = FW_IDLE;
    }
    st->since_check_us += t.elapsed_us;
    if (st->since_check_us >= FW_MINUTE_US) {
        st->since_check_us = 0;
        wm3m4c_fw_check_parameters(st);
    }
    save_now_and_then(st, t.elapsed_us);
}

static void outputs(const void *state, struct mg_fw_outputs *ret)
{
    const struct fw_state *st = state;
    int64_t rest = st->is_led_reactive ? st->reactive.rest : st->energy.rest;
    *ret = (struct mg_fw_outputs){
        .circuit = {{.load_connected = true,
                     .n_pulses = st->n_pulses,
                     .rest_q32 =
                         mg_ratio_q32(rest < 0 ? -rest : rest, FW_PULSE)}},
        .unit = st->settings.unit,
        .baud = wm3m4c_fw_baud(st->settings.baud_code)};
}

/* The watchdog: what was not in the EEPROM is lost; the LED's pulses have been
 * seen all the same. */
static void reset(struct fw_state *st)
{
    struct mg_fw_env env = st->env;
    uint64_t n_pulses = st->n_pulses;
    enum mg_fw_fault memory_fault = st->memory_fault;
    bool is_crypto_dead = st->is_crypto_dead;
    start(st, &env, true);
    st->n_pulses = n_pulses;
    st->memory_fault = memory_fault;
    st->is_crypto_dead = is_crypto_dead;
}

/* No register of this meter can say that it has no value, so a measuring fault
 * cannot be shown as one; see option errors for what the meter would say. */
static int fault(void *state, enum mg_fw_fault kind)
{
    struct fw_state *st = state;
    switch (kind) {
    case MG_FW_FAULT_NONE:
        st->memory_fault = MG_FW_FAULT_NONE;
        st->is_crypto_dead = false;
        st->is_creeping = false;
        st->is_forgetful = false;
        return MG_OK;
    case MG_FW_FAULT_NV_SLOT: /* the write as the supply goes is cut off */
        st->memory_fault = kind;
        return MG_OK;
    case MG_FW_FAULT_NV_ALL:
        st->memory_fault = kind;
        wm3m4c_fw_nv_damage(st);
        return MG_OK;
    case MG_FW_FAULT_CLOCK:
        wm3m4c_fw_clock_lose(st);
        return MG_OK;
    case MG_FW_FAULT_RESET:
        reset(st);
        return MG_OK;
    case MG_FW_FAULT_CRYPTO:
        st->is_crypto_dead = st->options->crypto != 0;
        return st->is_crypto_dead ? MG_OK : MG_E_NOSUP;
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

/* Class B (manual 6.3) with room to spare. Shunts (manual 3), which have next
 * to no phase error; the values and the filter of a delta-sigma converter are
 * ours. */
static const struct mg_frontend frontend = {
    .rate_mhz = FW_RATE_HZ * 1000,
    .half_periods = FW_HALF_PERIODS,
    .n_lanes = FW_N_PHASES,
    .bits = FW_BITS,
    .current_sensor = MG_SENSOR_SHUNT,
    .sinc_order = 3,
    .full_scale_mv = FW_FULL_SCALE_MV,
    .full_scale_ma = FW_FULL_SCALE_MA,
    .gain_u_ppm = -310,
    .gain_i_ppm = 420,
    .drift_u_ppb = -10000,
    .drift_i_ppb = 25000,
    .phase_error_cdeg = 1,
    .offset_u_lsb = -2,
    .offset_i_lsb = 1,
    .noise_u_mlsb = 4000,
    .noise_i_mlsb = 6000,
};

const struct mg_firmware wm3m4c_firmware = {
    .frontend = &frontend,
    .state_size = sizeof(struct fw_state),
    .nv_size = FW_NV_SIZE,
    .power_on = power_on,
    .power_fail = power_fail,
    .tick = tick,
    .pdu = wm3m4c_fw_pdu,
    .outputs = outputs,
    .set_input = wm3m4c_fw_set_input,
    .set = wm3m4c_fw_set,
    .range = wm3m4c_fw_range,
    .fault = fault,
    .sign_request = wm3m4c_fw_sign_request,
    .sign_result = wm3m4c_fw_sign_result,
    .optical_pdu = wm3m4c_fw_optical_pdu,
};
