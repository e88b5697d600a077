/* A meter for benchmarks: ten float values in twenty consecutive registers,
 * one request a poll. Not a product; lives in <build>/bench_plugins. */
#include "metergate/plugin.h"

#include <string.h>

#define N_REGISTERS 20U

#define POINT(ch, at, e)                                                       \
    {                                                                          \
        .channel = (ch), .function = 3, .encoding = MG_ENC_F32,                \
        .address = (at), .exp10 = (e), .source = "benchmark"                   \
    }

static const struct mg_point points[] = {
    POINT(MG_CH(VOLTAGE, TOTAL), 0, 0),
    POINT(MG_CH(CURRENT, TOTAL), 2, 0),
    POINT(MG_CH(POWER_ACTIVE, TOTAL), 4, 0),
    POINT(MG_CH(POWER_REACTIVE, TOTAL), 6, 0),
    POINT(MG_CH(POWER_APPARENT, TOTAL), 8, 0),
    POINT(MG_CH(POWER_FACTOR, TOTAL), 10, 0),
    POINT(MG_CH(FREQUENCY, TOTAL), 12, 0),
    POINT(MG_CH(ENERGY_ACTIVE_IMPORT, TOTAL), 14, 3),
    POINT(MG_CH(ENERGY_ACTIVE_EXPORT, TOTAL), 16, 3),
    POINT(MG_CH(ENERGY_REACTIVE_IMPORT, TOTAL), 18, 3),
};

static const struct mg_driver driver = {
    .points = points,
    .n_points = sizeof points / sizeof *points,
    .max_registers = 125,
    .timeout_ms = 500,
    .serial = {9600, 'N', 1},
    .n_phases = 1,
    .max_voltage_mv = 264000,
    .max_current_ma = 72000,
};

static const struct mg_frontend frontend = {.rate_mhz = 1000000,
                                            .samples_per_tick = 1000,
                                            .n_lanes = 1,
                                            .bits = 24,
                                            .full_scale_mv = 500000,
                                            .full_scale_ma = 150000};

struct state {
    uint16_t registers[N_REGISTERS];
    uint8_t unit;
    uint32_t baud;
};

static void power_on(void *p, const struct mg_fw_env *env)
{
    /* 230 V, 10 A, 2300 W, 0 var, 2300 VA, 1, 50 Hz, 100 kWh, 0, 0 */
    static const uint32_t bits[] = {
        0x43660000, 0x41200000, 0x450FC000, 0, 0x450FC000,
        0x3F800000, 0x42480000, 0x42C80000, 0, 0};
    struct state *s = p;
    s->unit = env->unit;
    s->baud = env->baud;
    for (size_t i = 0; i < N_REGISTERS; i++) {
        s->registers[i] = (uint16_t)(bits[i / 2] >> (i % 2 == 0 ? 16 : 0));
    }
}

static void power_fail(void *p)
{
    (void)p;
}

static void tick(void *p, const struct mg_tick *t)
{
    (void)p;
    (void)t;
}

static size_t pdu(void *p, uint8_t unit, const uint8_t *in, size_t len,
                  uint8_t *out, size_t cap)
{
    const struct state *s = p;
    if (unit != s->unit) {
        return 0;
    }
    unsigned at = len == 5 ? (unsigned)in[1] << 8 | in[2] : 0xffff;
    unsigned n = len == 5 ? (unsigned)in[3] << 8 | in[4] : 0;
    if (len != 5 || in[0] != 3 || at + n > N_REGISTERS || n == 0 ||
        cap < 2 + 2 * n) {
        out[0] = (uint8_t)(len > 0 ? in[0] | 0x80 : 0x80);
        out[1] = 2;
        return 2;
    }
    out[0] = 3;
    out[1] = (uint8_t)(2 * n);
    for (unsigned i = 0; i < n; i++) {
        out[2 + 2 * i] = (uint8_t)(s->registers[at + i] >> 8);
        out[3 + 2 * i] = (uint8_t)s->registers[at + i];
    }
    return 2 + 2 * n;
}

static void outputs(const void *p, struct mg_fw_outputs *ret)
{
    const struct state *s = p;
    *ret = (struct mg_fw_outputs){
        .circuit[0].load_connected = true, .unit = s->unit, .baud = s->baud};
}

static int set_input(void *p, unsigned index, bool is_closed)
{
    (void)p;
    (void)index;
    (void)is_closed;
    return MG_E_NOSUP;
}

static int set(void *p, mg_channel channel, int64_t value)
{
    (void)p;
    (void)channel;
    (void)value;
    return MG_E_NOSUP;
}

static int range(mg_channel channel, int64_t *ret_lo, int64_t *ret_hi,
                 int64_t *ret_tolerance)
{
    (void)channel;
    (void)ret_lo;
    (void)ret_hi;
    (void)ret_tolerance;
    return MG_E_NOSUP;
}

static int fault(void *p, enum mg_fw_fault kind)
{
    (void)p;
    (void)kind;
    return MG_E_NOSUP;
}

static const struct mg_firmware firmware = {.frontend = &frontend,
                                            .state_size = sizeof(struct state),
                                            .nv_size = 1,
                                            .power_on = power_on,
                                            .power_fail = power_fail,
                                            .tick = tick,
                                            .pdu = pdu,
                                            .outputs = outputs,
                                            .set_input = set_input,
                                            .set = set,
                                            .range = range,
                                            .fault = fault};

extern const struct mg_plugin mg_plugin;
__attribute__((visibility("default"))) const struct mg_plugin mg_plugin = {
    .abi = MG_PLUGIN_ABI,
    .size = sizeof(struct mg_plugin),
    .model = "meter20",
    .vendor = "benchmark",
    .description = "ten values in twenty registers",
    .bus = MG_BUS_MODBUS,
    .capabilities = MG_CAP_FIRMWARE,
    .driver = &driver,
    .firmware = &firmware};
