/* The same bits with every vector unit, compiler and optimisation: hashes of
 * the sums of twelve kinds of mains against those of sample_path_hashes.h.
 * Usage: test_sample_path [baseline|avx2|avx512]; without, all that there are,
 * one after the other; ends with 77, which ctest shows as skipped, where that
 * vector unit is missing. "print": what the header holds. Without cmocka, so
 * that it can be compiled by itself. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sample_path_hashes.h"
#include "sim/frontend.h"
#include "sim/rng.h"

#define SKIPPED 77
#define N_TICKS 60
#define N_CASES (sizeof cases / sizeof cases[0])

struct kind {
    const char *name;
    uint8_t n_lanes, bits, n_harmonics, shape;
    uint32_t noise_mlsb;
    int64_t current_ma;
    uint32_t spikes_per_s;
    int64_t ringing_mv;
    bool is_transformer, is_restless;
};

static const struct kind cases[] = {
    {.name = "one phase", .n_lanes = 1, .bits = 24, .current_ma = 10000},
    {.name = "three phases with noise",
     .n_lanes = 3,
     .bits = 24,
     .noise_mlsb = 61000,
     .current_ma = 20},
    {.name = "twelve harmonics",
     .n_lanes = 3,
     .bits = 24,
     .n_harmonics = 12,
     .current_ma = 16000},
    {.name = "six phases, restless, a transformer",
     .n_lanes = 6,
     .bits = 24,
     .n_harmonics = 5,
     .noise_mlsb = 3000,
     .current_ma = 32000,
     .is_transformer = true,
     .is_restless = true},
    {.name = "end stop",
     .n_lanes = 3,
     .bits = 24,
     .n_harmonics = 2,
     .noise_mlsb = 900,
     .current_ma = 150000},
    {.name = "coarse converter",
     .n_lanes = 3,
     .bits = 8,
     .noise_mlsb = 700,
     .current_ma = 500},
    {.name = "half wave",
     .n_lanes = 3,
     .bits = 24,
     .shape = MG_SIM_HALF_WAVE,
     .current_ma = 20000},
    {.name = "half wave, a transformer",
     .n_lanes = 1,
     .bits = 22,
     .shape = MG_SIM_HALF_WAVE,
     .current_ma = 20000,
     .is_transformer = true},
    {.name = "phase fired",
     .n_lanes = 3,
     .bits = 24,
     .n_harmonics = 1,
     .shape = MG_SIM_PHASE_FIRED,
     .noise_mlsb = 61000,
     .current_ma = 2500},
    {.name = "burst fired",
     .n_lanes = 3,
     .bits = 24,
     .shape = MG_SIM_BURST_FIRED,
     .current_ma = 2500,
     .is_restless = true},
    {.name = "spikes",
     .n_lanes = 3,
     .bits = 24,
     .noise_mlsb = 1000,
     .current_ma = 5000,
     .spikes_per_s = 200},
    {.name = "ringing",
     .n_lanes = 3,
     .bits = 24,
     .noise_mlsb = 1000,
     .current_ma = 5000,
     .ringing_mv = 300000},
};

static void make_mains(const struct kind *kind, int32_t tick,
                       struct mg_sim_mains *ret)
{
    int32_t n = kind->is_restless ? tick : 0;
    struct mg_sim_load load = {.voltage_mv = 230000 + 37 * n,
                               .current_ma = kind->current_ma + 11 * n,
                               .frequency_mhz = 50013 + n,
                               .phase_cdeg = 2750 + n};
    mg_sim_mains_balanced(&load, ret);
    ret->ambient_mdegc = 31000;
    ret->phase[1].current_ma /= 2;
    ret->phase[2].angle_cdeg += 113;
    ret->phase[0].dc_ma = 40;
    ret->phase[0].dc_mv = -25;
    ret->n_harmonics = kind->n_harmonics;
    for (unsigned k = 0; k < kind->n_harmonics; k++) {
        ret->harmonic[k] =
            (struct mg_sim_harmonic){.order = (uint8_t)(2 * k + 3),
                                     .u_ppm = k % 2 == 0 ? 20000 : 0,
                                     .i_ppm = 90000 / (k + 1),
                                     .u_cdeg = (int32_t)(1700 * k),
                                     .i_cdeg = -(int32_t)(2300 * k)};
    }
    ret->shape = kind->shape;
    ret->spikes = (struct mg_sim_spikes){kind->spikes_per_s, 1500000, 200000};
    ret->ringing = (struct mg_sim_ringing){.start_ns = 123456789,
                                           .peak_mv = kind->ringing_mv,
                                           .frequency_hz = 700,
                                           .decay_us = 20000};
    mg_sim_mains_limit(ret);
}

static uint64_t mix(uint64_t hash, int64_t x)
{
    return (hash ^ (uint64_t)x) * 0x100000001b3U; /* FNV-1a, by words */
}

static uint64_t mix_tick(uint64_t hash, const struct mg_tick *t,
                         unsigned n_lanes)
{
    for (unsigned lane = 0; lane < n_lanes; lane++) {
        const struct mg_lane_sums *s = &t->lane[lane];
        hash = mix(mix(hash, s->ui), s->uq);
        hash = mix(mix(hash, s->u2), s->i2);
        hash = mix(mix(hash, s->u_sum), s->i_sum);
        hash = mix(hash, s->n_saturated);
    }
    return mix(mix(hash, t->n_crossings), t->crossing_span_q8);
}

static uint64_t hash_of(const struct kind *kind, mg_sample_path *kernel)
{
    struct mg_frontend d = {.rate_mhz = 3906250,
                            .half_periods = 1,
                            .n_lanes = kind->n_lanes,
                            .bits = kind->bits,
                            .current_sensor = kind->is_transformer
                                                  ? MG_SENSOR_TRANSFORMER
                                                  : MG_SENSOR_SHUNT,
                            .sinc_order = 3,
                            .full_scale_mv = 524288,
                            .full_scale_ma = 131072,
                            .gain_u_ppm = 300,
                            .gain_i_ppm = -500,
                            .drift_u_ppb = 15000,
                            .drift_i_ppb = 35000,
                            .phase_error_cdeg = 2,
                            .skew_ns = 500,
                            .offset_u_lsb = -160,
                            .offset_i_lsb = 40,
                            .noise_u_mlsb = kind->noise_mlsb,
                            .noise_i_mlsb = kind->noise_mlsb};
    struct mg_sim_frontend fe;
    uint64_t hash = 0xcbf29ce484222325U;
    if (mg_sim_frontend_init(&fe, &d, 42) != MG_OK) {
        return 0;
    }
    fe.kernel = kernel;
    for (int32_t n = 0; n < N_TICKS; n++) {
        struct mg_sim_mains mains;
        struct mg_tick t;
        make_mains(kind, n, &mains);
        mg_sim_frontend_set(&fe, &mains);
        uint32_t samples = mg_sim_frontend_tick_samples(&fe);
        mg_sim_frontend_tick(&fe, samples, &t);
        fe.now_ns += samples * UINT64_C(256000);
        hash = mix_tick(hash, &t, kind->n_lanes);
    }
    return hash;
}

static int print_all(void)
{
    for (size_t k = 0; k < N_CASES; k++) {
        printf("    UINT64_C(0x%016" PRIx64 "), /* %s */\n",
               hash_of(&cases[k], mg_sample_path_baseline), cases[k].name);
    }
    return 0;
}

static int check(const char *name)
{
    mg_sample_path *kernel = mg_sample_path_named(name);
    if (kernel == NULL) {
        printf("SKIPPED: this machine or program has no '%s'\n", name);
        return SKIPPED;
    }
    int n_wrong = 0;
    for (size_t k = 0; k < N_CASES; k++) {
        uint64_t hash = hash_of(&cases[k], kernel);
        bool is_same = hash == sample_path_hashes[k];
        n_wrong += !is_same;
        printf("%s %-8s %s: 0x%016" PRIx64 "\n", is_same ? "ok   " : "WRONG",
               name, cases[k].name, hash);
    }
    return n_wrong > 0;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "all";
    if (strcmp(name, "print") == 0) {
        return print_all();
    }
    if (strcmp(name, "all") != 0) {
        return check(name);
    }
    if (mg_sample_path_named(getenv("MG_SIM_ISA")) == NULL) {
        printf("MG_SIM_ISA: there is no '%s' here\n", getenv("MG_SIM_ISA"));
        return 1;
    }
    int is_wrong = 0;
    for (unsigned k = 0; k < MG_SAMPLE_PATHS; k++) {
        if (mg_sample_path_at(k, &name) != NULL) {
            is_wrong |= check(name);
        }
    }
    return is_wrong;
}
