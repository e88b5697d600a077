/* A meter for tests of the wires: function 3 gives register a as 256 * unit +
 * a; function 6 writes register 0 (its bus address), 1 (its speed / 100) or
 * counts any other; function 7 (no length in the request) gives that count. */
#ifndef MG_TEST_TOY_METER_H
#define MG_TEST_TOY_METER_H

#include "sim/device.h"

struct toy {
    uint8_t unit, n_written;
    uint32_t baud;
};

static void toy_power_on(void *state, const struct mg_fw_env *env)
{
    struct toy *t = state;
    t->unit = env->unit;
    t->baud = env->baud;
}

static void toy_power_fail(void *state)
{
    (void)state;
}

static void toy_tick(void *state, const struct mg_tick *tick)
{
    (void)state;
    (void)tick;
}

static void toy_write(struct toy *t, const uint8_t *request)
{
    if (request[2] == 0) {
        t->unit = request[4];
    } else if (request[2] == 1) {
        t->baud = ((uint32_t)request[3] << 8 | request[4]) * 100;
    } else {
        t->n_written++;
    }
}

static size_t toy_pdu(void *state, uint8_t unit, const uint8_t *request,
                      size_t len, uint8_t *ret, size_t cap)
{
    struct toy *t = state;
    (void)cap;
    bool is_mine = unit == t->unit;
    if (len == 5 && request[0] == 6 && (is_mine || unit == 0)) {
        toy_write(t, request);
        for (size_t i = 0; i < 5; i++) {
            ret[i] = request[i];
        }
        return is_mine ? 5 : 0;
    }
    if (!is_mine) {
        return 0;
    }
    if (len == 1 && request[0] == 7) {
        ret[0] = 7;
        ret[1] = t->n_written;
        return 2;
    }
    if (len != 5 || request[0] != 3 || request[4] > 125) {
        ret[0] = (uint8_t)(request[0] | 0x80);
        ret[1] = 1;
        return 2;
    }
    ret[0] = 3;
    ret[1] = (uint8_t)(2 * request[4]);
    for (uint8_t i = 0; i < request[4]; i++) {
        ret[2 + 2 * i] = t->unit;
        ret[3 + 2 * i] = (uint8_t)(request[2] + i);
    }
    return 2U + ret[1];
}

static void toy_outputs(const void *state, struct mg_fw_outputs *ret)
{
    const struct toy *t = state;
    *ret = (struct mg_fw_outputs){
        .circuit[0].load_connected = true, .unit = t->unit, .baud = t->baud};
}

static const struct mg_frontend toy_frontend = {.rate_mhz = 1000000,
                                                .samples_per_tick = 1000,
                                                .n_lanes = 1,
                                                .bits = 16,
                                                .full_scale_mv = 400000,
                                                .full_scale_ma = 100000};

static const struct mg_firmware toy_firmware = {.frontend = &toy_frontend,
                                                .state_size =
                                                    sizeof(struct toy),
                                                .power_on = toy_power_on,
                                                .power_fail = toy_power_fail,
                                                .tick = toy_tick,
                                                .pdu = toy_pdu,
                                                .outputs = toy_outputs};

static const struct mg_plugin toy_plugin = {.firmware = &toy_firmware};

static struct mg_sim_device *toy_create(uint8_t unit, uint32_t baud)
{
    struct mg_sim_profile profile = {.seed = unit};
    return mg_sim_device_create(&toy_plugin, NULL, &profile, 1, unit, unit,
                                baud, 0);
}

#endif
