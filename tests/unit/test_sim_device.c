/* The device around a firmware: time, ticks, load, power and memory. The
 * firmware here only counts. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "sim/device.h"

struct tiny {
    struct mg_fw_env env;
    uint32_t n_ticks;
    uint64_t elapsed_us, hash;
    int64_t ui, i2; /* since power-on in 65536; of the last tick */
    bool is_open;
};

struct tiny_nv {
    uint32_t n_power_fails;
};

struct tiny_options {
    int64_t number;
};

static void power_on(void *state, const struct mg_fw_env *env)
{
    struct tiny *t = state;
    struct tiny_nv nv;
    assert_int_equal(t->n_ticks, 0);
    t->env = *env;
    memcpy(&nv, env->nv, sizeof(nv));
    if (nv.n_power_fails == UINT32_MAX) { /* new */
        nv.n_power_fails = 0;
        memcpy(env->nv, &nv, sizeof(nv));
    }
}

static void power_fail(void *state)
{
    struct tiny *t = state;
    struct tiny_nv nv;
    memcpy(&nv, t->env.nv, sizeof(nv));
    nv.n_power_fails++;
    memcpy(t->env.nv, &nv, sizeof(nv));
}

static void tick(void *state, const struct mg_tick *tick)
{
    struct tiny *t = state;
    t->n_ticks++;
    t->elapsed_us += tick->elapsed_us;
    t->ui += tick->lane[0].ui / 65536; /* an hour fits */
    t->i2 = tick->lane[0].i2;
    t->hash = (t->hash ^ (uint64_t)tick->lane[0].ui) * 0x100000001b3U;
    t->hash = (t->hash ^ (uint64_t)tick->lane[0].uq) * 0x100000001b3U;
}

/* Function 3: the whole state. Function 5: the relay. */
static size_t pdu(void *state, uint8_t unit, const uint8_t *request, size_t len,
                  uint8_t *ret, size_t cap)
{
    struct tiny *t = state;
    assert_int_equal(cap, MG_PDU_MAX);
    if (len < 2 || unit != t->env.unit) {
        return 0;
    }
    if (request[0] == 5) {
        t->is_open = request[1] == 0;
        ret[0] = 5;
        return 1;
    }
    memcpy(ret, t, sizeof(*t));
    return sizeof(*t);
}

static void outputs(const void *state, struct mg_fw_outputs *ret)
{
    const struct tiny *t = state;
    *ret = (struct mg_fw_outputs){.circuit[0].load_connected = !t->is_open,
                                  .unit = t->env.unit,
                                  .baud = t->env.baud};
}

/* Ticks of 201.9969.. ms, no whole number of nanoseconds, to see that nothing
 * is lost between them. */
#define RATE_MHZ       3906000
#define TICK_END_NS(n) ((n)*UINT64_C(789000000000000) / RATE_MHZ)
#define TICK_NS        (TICK_END_NS(1) + 1)

static const struct mg_frontend frontend = {.rate_mhz = RATE_MHZ,
                                            .samples_per_tick = 789,
                                            .n_lanes = 1,
                                            .bits = 24,
                                            .full_scale_mv = 400000,
                                            .full_scale_ma = 100000,
                                            .noise_u_mlsb = 900,
                                            .noise_i_mlsb = 900};

static const struct mg_firmware firmware = {.frontend = &frontend,
                                            .state_size = sizeof(struct tiny),
                                            .nv_size = sizeof(struct tiny_nv),
                                            .power_on = power_on,
                                            .power_fail = power_fail,
                                            .tick = tick,
                                            .pdu = pdu,
                                            .outputs = outputs};

static const struct mg_plugin plugin = {
    .firmware = &firmware, .options_size = sizeof(struct tiny_options)};

static const struct mg_sim_profile ten_ampere = {
    .is_fixed = true,
    .fixed = {.voltage_mv = 230000,
              .current_ma = 10000,
              .frequency_mhz = 50000,
              .phase_cdeg = 0}};

static struct mg_sim_device *create(const struct mg_sim_profile *profile,
                                    uint64_t seed)
{
    struct tiny_options options = {.number = 77};
    struct mg_sim_device *d = mg_sim_device_create(
        &plugin, &options, profile, seed, 1234, 9, 19200, 1700000000000);
    assert_non_null(d);
    return d;
}

static struct tiny look(struct mg_sim_device *d)
{
    uint8_t answer[MG_PDU_MAX];
    const uint8_t request[2] = {3, 0};
    struct tiny t;
    assert_int_equal(mg_sim_device_pdu(d, 9, request, 2, answer), sizeof(t));
    memcpy(&t, answer, sizeof(t));
    return t;
}

static void test_environment(void **state)
{
    (void)state;
    struct mg_sim_device *d = create(&ten_ampere, 1);
    struct tiny t = look(d);
    struct tiny_options options;
    memcpy(&options, t.env.options, sizeof(options));
    assert_int_equal(options.number, 77);
    assert_int_equal(t.env.serial, 1234);
    assert_int_equal(t.env.unit, 9);
    assert_int_equal(t.env.baud, 19200);
    assert_int_equal(t.env.utc_ms, 1700000000000);
    mg_sim_device_destroy(d);
}

static void test_only_whole_ticks(void **state)
{
    (void)state;
    struct mg_sim_device *d = create(&ten_ampere, 1);
    mg_sim_device_run(d, TICK_END_NS(1) - 1);
    assert_int_equal(look(d).n_ticks, 0);
    mg_sim_device_run(d, TICK_END_NS(1));
    assert_int_equal(look(d).n_ticks, 1);
    mg_sim_device_run(d, UINT64_C(3600000000000));
    struct tiny t = look(d);
    assert_true(TICK_END_NS(t.n_ticks) <= UINT64_C(3600000000000));
    assert_true(TICK_END_NS(t.n_ticks + 1) > UINT64_C(3600000000000));
    assert_int_equal(mg_sim_device_now_ns(d), TICK_END_NS(t.n_ticks));
    assert_int_equal(t.elapsed_us, mg_sim_device_now_ns(d) / 1000);
    mg_sim_device_destroy(d);
}

static void test_truth_and_counts_agree(void **state)
{
    (void)state;
    struct mg_sim_device *d = create(&ten_ampere, 1);
    mg_sim_device_run(d, UINT64_C(3600000000000));
    double hours = (double)mg_sim_device_now_ns(d) / 3.6e12;
    double truth = (double)mg_sim_device_true_energy_mwh(d);
    assert_true(fabs(truth - 2300000 * hours) <= 1.0);
    double counts = (double)look(d).ui * 65536 / 3906.0 / 3600 * (400 * 100) /
                    (8388608.0 * 8388608.0) * 1000; /* mWh */
    assert_true(fabs(counts / truth - 1) < 1e-5);
    mg_sim_device_destroy(d);
}

static void test_open_relay_stops_the_current(void **state)
{
    (void)state;
    struct mg_sim_device *d = create(&ten_ampere, 1);
    uint8_t answer[MG_PDU_MAX];
    mg_sim_device_run(d, 10 * TICK_NS);
    const uint8_t off[2] = {5, 0};
    (void)mg_sim_device_pdu(d, 9, off, 2, answer);
    int64_t truth = mg_sim_device_true_energy_mwh(d);
    assert_true(look(d).i2 > 2000);
    mg_sim_device_run(d, 20 * TICK_NS);
    assert_int_equal(mg_sim_device_true_energy_mwh(d), truth);
    assert_true(look(d).i2 < 2000); /* noise only */
    const uint8_t on[2] = {5, 1};
    (void)mg_sim_device_pdu(d, 9, on, 2, answer);
    mg_sim_device_run(d, 30 * TICK_NS);
    assert_true(mg_sim_device_true_energy_mwh(d) > truth);
    mg_sim_device_destroy(d);
}

static void test_long_jump_equals_small_steps(void **state)
{
    (void)state;
    struct mg_sim_profile charging = {.seed = 3};
    struct mg_sim_device *a = create(&charging, 5);
    struct mg_sim_device *b = create(&charging, 5);
    struct mg_sim_device *c = create(&charging, 6);
    uint64_t end = UINT64_C(600000000000);
    for (uint64_t t = 0; t <= end; t += 37000000) {
        mg_sim_device_run(a, t);
    }
    mg_sim_device_run(a, end);
    mg_sim_device_run(b, end);
    mg_sim_device_run(c, end);
    assert_true(look(a).hash == look(b).hash);
    assert_true(look(a).hash != look(c).hash);
    assert_int_equal(mg_sim_device_true_energy_mwh(a),
                     mg_sim_device_true_energy_mwh(b));
    mg_sim_device_destroy(a);
    mg_sim_device_destroy(b);
    mg_sim_device_destroy(c);
}

static void test_power_cycle(void **state)
{
    (void)state;
    struct mg_sim_device *d = create(&ten_ampere, 1);
    uint8_t answer[MG_PDU_MAX];
    const uint8_t request[2] = {3, 0};
    mg_sim_device_run(d, 5 * TICK_NS);
    mg_sim_device_power_cycle(d, 60000);
    int64_t truth = mg_sim_device_true_energy_mwh(d);
    struct tiny t = look(d);
    struct tiny_nv nv;
    memcpy(&nv, t.env.nv, sizeof(nv));
    assert_int_equal(nv.n_power_fails, 1);
    assert_int_equal(t.n_ticks, 0);
    assert_int_equal(t.env.utc_ms,
                     1700000000000 + 60000 + TICK_END_NS(5) / 1000000);
    /* For a caller whose clock is still in the power cut it is silent. */
    mg_sim_device_run(d, UINT64_C(30000000000));
    assert_int_equal(mg_sim_device_pdu(d, 9, request, 2, answer), 0);
    mg_sim_device_run(d, UINT64_C(62000000000));
    assert_int_equal(look(d).n_ticks, 4); /* from 61.01 s on */
    assert_true(mg_sim_device_true_energy_mwh(d) > truth);
    mg_sim_device_destroy(d);
}

static void test_memory_of_an_earlier_run(void **state)
{
    (void)state;
    struct mg_sim_device *d = create(&ten_ampere, 1);
    struct tiny_nv nv = {.n_power_fails = 41};
    size_t len;
    const uint8_t *memory = mg_sim_device_nv(d, &len);
    struct mg_fw_outputs out;
    assert_int_equal(len, sizeof(nv));
    assert_int_equal(memory[0], 0xff);
    mg_sim_device_outputs(d, &out); /* looking does not power it */
    assert_true(out.circuit[0].load_connected);
    assert_int_equal(out.unit, 9);
    const uint8_t *image = (const uint8_t *)&nv;
    assert_int_equal(mg_sim_device_load_nv(d, image, len - 1), MG_E_INVAL);
    assert_int_equal(mg_sim_device_load_nv(d, image, len), MG_OK);
    mg_sim_device_power_cycle(d, 0);
    memcpy(&nv, memory, sizeof(nv));
    assert_int_equal(nv.n_power_fails, 42);
    assert_int_equal(mg_sim_device_load_nv(d, image, len), MG_E_STATE);
    mg_sim_device_destroy(d);
}

static void test_absurd_load_is_held_in_bounds(void **state)
{
    (void)state;
    struct mg_sim_profile absurd = {
        .is_fixed = true,
        .fixed = {INT64_MAX, INT64_MAX, INT64_MAX, INT32_MAX}};
    struct mg_sim_device *d = create(&absurd, 1);
    mg_sim_device_run(d, 10 * TICK_NS);
    absurd.fixed = (struct mg_sim_load){-1, INT64_MIN, INT64_MIN, INT32_MIN};
    struct mg_sim_device *e = create(&absurd, 1);
    mg_sim_device_run(e, 10 * TICK_NS);
    assert_int_equal(mg_sim_device_true_energy_mwh(e), 0);
    mg_sim_device_destroy(d);
    mg_sim_device_destroy(e);
}

static void test_senseless_firmware_is_refused(void **state)
{
    (void)state;
    struct mg_frontend no_rate = frontend;
    struct mg_firmware wrong = firmware;
    struct mg_plugin p = {.firmware = &wrong};
    no_rate.rate_mhz = 0;
    wrong.frontend = &no_rate;
    assert_null(mg_sim_device_create(&p, NULL, &ten_ampere, 1, 1, 1, 9600, 0));
    wrong = firmware;
    wrong.state_size = UINT32_MAX;
    assert_null(mg_sim_device_create(&p, NULL, &ten_ampere, 1, 1, 1, 9600, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_only_whole_ticks),
        cmocka_unit_test(test_truth_and_counts_agree),
        cmocka_unit_test(test_open_relay_stops_the_current),
        cmocka_unit_test(test_long_jump_equals_small_steps),
        cmocka_unit_test(test_power_cycle),
        cmocka_unit_test(test_memory_of_an_earlier_run),
        cmocka_unit_test(test_absurd_load_is_held_in_bounds),
        cmocka_unit_test(test_senseless_firmware_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
