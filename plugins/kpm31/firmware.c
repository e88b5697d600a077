/* The simulated KPM31: power, ticks, outputs. */
#include "firmware.h"

#include <string.h>

#include "firmware_priv.h"

static void power_on(void *state, const struct mg_fw_env *env)
{
    struct fw_state *st = state;
    const struct kpm31_options *options = env->options;
    memset(st, 0, sizeof(*st));
    st->env = *env;
    st->variant = (enum kpm31_variant)options->variant;
    kpm31_fw_nv_power_on(st);
    if (st->variant != KPM31_BK) {
        st->is_contact_closed = false;
    }
    kpm31_fw_settle(st);
}

static void power_fail(void *state)
{
    kpm31_fw_nv_power_fail(state);
}

static void drop_shown(struct fw_state *st)
{
    if (st->shown.is_any) {
        memset(&st->shown, 0, sizeof(st->shown));
    }
}

/* What flowed in a tick belongs to the rate and the month of its beginning. */
static void pass(struct fw_state *st, const struct mg_tick *tick)
{
    if (!st->is_signal_bad) {
        kpm31_fw_energy_tick(st, tick);
    }
    kpm31_fw_clock_advance(st, tick->elapsed_us);
    kpm31_fw_settle(st);
    st->since_save_us += tick->elapsed_us;
    if (st->since_save_us >= FW_SAVE_US) {
        kpm31_fw_nv_save_energies(st);
    }
}

static int64_t share(int64_t all, uint32_t n, uint32_t of)
{
    return all / of * n + all % of * n / of;
}

/* Take the first n ticks out of many equal ones. */
static struct mg_tick take(struct mg_tick *many, uint32_t n)
{
    struct mg_tick first = *many;
    uint32_t of = many->n_ticks;
    struct mg_lane_sums *a = &first.lane[0];
    struct mg_lane_sums *b = &many->lane[0];
    first.n_ticks = n;
    first.n_samples = (uint32_t)share(many->n_samples, n, of);
    first.elapsed_us = (uint32_t)share(many->elapsed_us, n, of);
    a->ui = share(b->ui, n, of);
    a->uq = share(b->uq, n, of);
    a->u2 = share(b->u2, n, of);
    a->i2 = share(b->i2, n, of);
    many->n_ticks -= n;
    many->n_samples -= first.n_samples;
    many->elapsed_us -= first.elapsed_us;
    b->ui -= a->ui;
    b->uq -= a->uq;
    b->u2 -= a->u2;
    b->i2 -= a->i2;
    return first;
}

/* Rates and months begin with a minute. */
static void tick(void *state, const struct mg_tick *tick)
{
    struct fw_state *st = state;
    struct mg_tick left = *tick;
    drop_shown(st);
    kpm31_fw_measure(st, tick);
    while (left.n_ticks > 1) {
        uint32_t each_us = left.elapsed_us / left.n_ticks;
        uint32_t minute_us = kpm31_fw_clock_left_us(st);
        uint32_t n =
            each_us == 0 ? left.n_ticks : (minute_us + each_us - 1) / each_us;
        if (n >= left.n_ticks) {
            break;
        }
        struct mg_tick first = take(&left, n);
        pass(st, &first);
    }
    pass(st, &left);
}

static void outputs(const void *state, struct mg_fw_outputs *ret)
{
    const struct fw_state *st = state;
    *ret = (struct mg_fw_outputs){
        .circuit = {{.load_connected =
                         !kpm31_fw_has_relay(st) || !st->is_relay_open,
                     .n_pulses = st->n_pulses,
                     .rest_q32 = kpm31_fw_pulse_rest_q32(st)}},
        .unit = st->settings.unit,
        .baud = kpm31_fw_baud(st->settings.baud_code)};
}

/* Class 0.5S (manual 2.3) with room to spare; the values, the shunt and the
 * filter of a delta-sigma converter are ours. */
static const struct mg_frontend frontend = {
    .rate_mhz = FW_RATE_HZ * 1000,
    .samples_per_tick = FW_TICK_SAMPLES,
    .n_lanes = 1,
    .bits = FW_BITS,
    .current_sensor = MG_SENSOR_SHUNT,
    .sinc_order = 3,
    .full_scale_mv = FW_FULL_SCALE_MV,
    .full_scale_ma = FW_FULL_SCALE_MA,
    .gain_u_ppm = 180,
    .gain_i_ppm = -240,
    .drift_u_ppb = 5000,
    .drift_i_ppb = 8000,
    .phase_error_cdeg = 2,
    .offset_u_lsb = 2,
    .offset_i_lsb = -1,
    .noise_u_mlsb = 3000,
    .noise_i_mlsb = 3000,
};

const struct mg_firmware kpm31_firmware = {
    .frontend = &frontend,
    .state_size = sizeof(struct fw_state),
    .nv_size = FW_NV_SIZE,
    .power_on = power_on,
    .power_fail = power_fail,
    .tick = tick,
    .pdu = kpm31_fw_pdu,
    .tariff_request = kpm31_fw_tariff_request,
    .outputs = outputs,
    .set_input = kpm31_fw_set_input,
    .set = kpm31_fw_set,
    .range = kpm31_fw_range,
    .fault = kpm31_fw_fault,
};
