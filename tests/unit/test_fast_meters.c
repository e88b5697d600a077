/* Whole meters without samples and with many ticks as one: their registers,
 * impulses and clocks are those of the same meter that samples, or that takes
 * each tick by itself. */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "run/plugins.h"
#include "sim/device.h"
#include "sim/rng.h"

#define UNIT      5
#define SECOND_NS UINT64_C(1000000000)
#define BORN_MS   INT64_C(1780270800000) /* 2026-05-31 23:40:00 UTC */

#define N_MODELS    4
#define N_STEPS     200
#define N_VALUES    16
#define OPTIONS_MAX 1024

/* A value of a meter that is compared. */
struct place {
    const char *signal; /* on CAN, instead of a register */
    uint8_t function;
    uint16_t address;
    double tolerance;
    bool is_float; /* else u32 */
};

struct model {
    const char *file;
    struct place value[N_VALUES];
};

#define PULSE_KWH (0.000625 * 1.01)
#define KWH(address_)                                                          \
    {                                                                          \
        .function = 3, .address = (address_), .tolerance = PULSE_KWH,          \
        .is_float = true                                                       \
    }

static const struct model models[] = {
    {MG_TEST_KPM31,
     {KWH(0x82),
      KWH(0x84),
      KWH(0x88),
      KWH(0x8a),
      KWH(0x8c),
      KWH(0x8e),
      KWH(0x90),
      KWH(0x92),
      KWH(0x94),
      KWH(0x96),
      KWH(0x98),
      KWH(0x9a),
      KWH(0x9c),
      KWH(0x9e),
      {.function = 3, .address = 0x24}}},
    {MG_TEST_WM3M4C,
     {{.function = 4, .address = 418, .tolerance = 1},
      {.function = 4, .address = 420, .tolerance = 1},
      {.function = 3, .address = 7007, .tolerance = 0}}}, /* its clock */
    {MG_TEST_CPKM3000,
     {{.signal = "MeterImpulses.PulsesPos", .tolerance = 1},
      {.signal = "MeterImpulses.PulsesNeg", .tolerance = 1}}},
    {MG_TEST_CPIM1000,
     {{.signal = "RightImpulses.Pulses", .tolerance = 1},
      {.signal = "LeftImpulses.Pulses", .tolerance = 1}}},
};

/* ---- Mains: steps of random length and load ---- */

struct script {
    unsigned n;
    uint64_t end_ns[N_STEPS];
    struct mg_sim_mains mains[N_STEPS];
};

static int64_t below(struct mg_sim_rng *rng, int64_t n)
{
    return (int64_t)mg_sim_rng_below(rng, (uint64_t)n);
}

/* Nothing, standby around the starting currents, or charging. */
static int64_t random_ma(struct mg_sim_rng *rng)
{
    switch (below(rng, 4)) {
    case 0:
        return 0;
    case 1:
        return below(rng, 70);
    default:
        return 6000 + below(rng, 26001);
    }
}

static void random_step(struct mg_sim_rng *rng, struct mg_sim_mains *m)
{
    struct mg_sim_load load = {.voltage_mv = 210000 + below(rng, 40001),
                               .frequency_mhz = 49900 + below(rng, 201),
                               .current_ma = random_ma(rng)};
    mg_sim_mains_balanced(&load, m);
    bool is_export = below(rng, 3) == 0;
    for (unsigned k = 0; k < MG_LANES_MAX; k++) {
        m->phase[k].phase_cdeg = (int32_t)(below(rng, 12001) - 6000);
        m->phase[k].phase_cdeg += is_export ? 18000 : 0;
        if (below(rng, 4) == 0) {
            m->phase[k].current_ma = random_ma(rng);
        }
    }
    if (below(rng, 3) == 0) {
        m->n_harmonics = 2;
        m->harmonic[0] = (struct mg_sim_harmonic){5, 20000, 40000, 0, 3000};
        m->harmonic[1] = (struct mg_sim_harmonic){7, 10000, 20000, 900, 0};
    }
}

static void random_script(struct mg_sim_rng *rng, unsigned n,
                          uint64_t longest_ms, struct script *ret)
{
    uint64_t now_ns = 0;
    ret->n = n;
    for (unsigned k = 0; k < n; k++) {
        uint64_t limit = below(rng, 2) == 0 ? longest_ms : 400;
        now_ns += (1 + (uint64_t)below(rng, (int64_t)limit)) * 1000000;
        ret->end_ns[k] = now_ns;
        random_step(rng, &ret->mains[k]);
    }
    ret->end_ns[n - 1] = UINT64_MAX;
}

static uint64_t at(void *ctx, uint64_t now_ns, struct mg_sim_mains *ret)
{
    const struct script *s = ctx;
    unsigned k = 0;
    while (now_ns >= s->end_ns[k]) {
        k++;
    }
    *ret = s->mains[k];
    return s->end_ns[k];
}

/* ---- Meters ---- */

static struct mg_plugins plugins;

static struct mg_sim_device *meter(const struct model *model, unsigned which,
                                   struct script *script)
{
    const struct mg_plugin *p = plugins.loaded[which].plugin;
    static uint8_t options[OPTIONS_MAX];
    const struct mg_sim_profile none = {.is_fixed = true};
    struct mg_sim_source source = {.at = at, .ctx = script};
    (void)model;
    assert_in_range(p->options_size, 0, sizeof options);
    mg_options_default(p->options, p->n_options, options);
    struct mg_sim_device *d =
        mg_sim_device_create(p, options, &none, 1, 77, UNIT, 9600, BORN_MS);
    assert_non_null(d);
    mg_sim_device_set_source(d, &source);
    return d;
}

static double read_signal(struct mg_sim_device *d, const struct mg_firmware *fw,
                          const char *name)
{
    for (size_t k = 0; k < fw->n_signals; k++) {
        int64_t value;
        if (strcmp(fw->signals[k].name, name) == 0) {
            assert_true(mg_sim_device_signal(d, k, &value));
            return (double)value;
        }
    }
    fail_msg("no signal %s", name);
    return 0;
}

static double read_place(struct mg_sim_device *d, const struct mg_firmware *fw,
                         const struct place *at_)
{
    if (at_->signal != NULL) {
        return read_signal(d, fw, at_->signal);
    }
    const uint8_t ask[5] = {at_->function, (uint8_t)(at_->address >> 8),
                            (uint8_t)at_->address, 0, 2};
    uint8_t a[MG_PDU_MAX];
    float f;
    struct mg_fw_outputs out;
    mg_sim_device_outputs(d, &out);
    assert_int_equal(mg_sim_device_pdu(d, out.unit, ask, sizeof ask, a), 6);
    uint32_t word = (uint32_t)a[2] << 24 | (uint32_t)a[3] << 16 |
                    (uint32_t)a[4] << 8 | a[5];
    memcpy(&f, &word, sizeof f);
    return at_->is_float ? (double)f : (double)word;
}

static void assert_same(const struct model *model, unsigned which,
                        struct mg_sim_device *a, struct mg_sim_device *b)
{
    const struct mg_firmware *fw = plugins.loaded[which].plugin->firmware;
    struct mg_fw_outputs of_a, of_b;
    mg_sim_device_outputs(a, &of_a);
    mg_sim_device_outputs(b, &of_b);
    int64_t more =
        (int64_t)(of_a.circuit[0].n_pulses - of_b.circuit[0].n_pulses);
    if (more < -1 || more > 1) {
        fail_msg("%s: %" PRIu64 " and %" PRIu64 " impulses",
                 plugins.loaded[which].plugin->model, of_a.circuit[0].n_pulses,
                 of_b.circuit[0].n_pulses);
    }
    for (size_t k = 0; k < N_VALUES && model->value[k].function +
                                           (model->value[k].signal != NULL);
         k++) {
        const struct place *p = &model->value[k];
        double x = read_place(a, fw, p);
        double y = read_place(b, fw, p);
        if (!(fabs(x - y) <= p->tolerance)) {
            fail_msg("%s: value %zu: %.9g and %.9g",
                     plugins.loaded[which].plugin->model, k, x, y);
        }
    }
}

static void set_clock(struct mg_sim_device *d)
{
    mg_channel clock = MG_CH(METER_CLOCK, TOTAL);
    (void)mg_sim_device_set(d, clock,
                            BORN_MS); /* those that have none keep it */
}

/* The truth of a day of minutes: registers stay within a pulse, at every stop
 * on the way, and time is the same to the sample. */
static void test_many_ticks_as_one(void **state)
{
    (void)state;
    static struct script script;
    for (unsigned which = 0; which < N_MODELS; which++) {
        for (uint64_t seed = 1; seed <= 2; seed++) {
            struct mg_sim_rng rng = {.state = seed};
            random_script(&rng, N_STEPS, 60000, &script);
            struct mg_sim_device *alone = meter(&models[which], which, &script);
            struct mg_sim_device *many = meter(&models[which], which, &script);
            mg_sim_device_set_path(many, MG_SIM_PATH_AUTO, 15 * SECOND_NS);
            set_clock(alone);
            set_clock(many);
            uint64_t now_ns = 0;
            for (unsigned stop = 0; stop < 30; stop++) {
                now_ns += (uint64_t)below(&rng, 200) * SECOND_NS;
                mg_sim_device_run(alone, now_ns);
                mg_sim_device_run(many, now_ns);
                assert_int_equal(mg_sim_device_now_ns(alone),
                                 mg_sim_device_now_ns(many));
                assert_same(&models[which], which, alone, many);
            }
            mg_sim_device_destroy(alone);
            mg_sim_device_destroy(many);
        }
    }
}

static void test_without_samples(void **state)
{
    (void)state;
    static struct script script;
    for (unsigned which = 0; which < N_MODELS; which++) {
        struct mg_sim_rng rng = {.state = 10 + which};
        random_script(&rng, N_STEPS, 2000, &script);
        struct mg_sim_device *sampled = meter(&models[which], which, &script);
        struct mg_sim_device *fast = meter(&models[which], which, &script);
        mg_sim_device_set_path(sampled, MG_SIM_PATH_SAMPLES, 0);
        for (unsigned stop = 1; stop <= 20; stop++) {
            mg_sim_device_run(sampled, stop * 5 * SECOND_NS);
            mg_sim_device_run(fast, stop * 5 * SECOND_NS);
            assert_same(&models[which], which, sampled, fast);
        }
        mg_sim_device_destroy(sampled);
        mg_sim_device_destroy(fast);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_ticks_as_one),
        cmocka_unit_test(test_without_samples),
    };
    struct mg_err err;
    for (size_t k = 0; k < N_MODELS; k++) {
        if (mg_plugins_load_file(&plugins, models[k].file, &err) != MG_OK) {
            return 1;
        }
    }
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    mg_plugins_destroy(&plugins);
    return rc;
}
