/* How many three-phase meters one core samples in real time: CPU time of a
 * fleet's front ends, with each vector unit that this machine has (or the one
 * that MG_SIM_ISA names), against a loop that calls sin() for every sample and
 * against the most multiplications and additions that this core does.
 * Usage: bench_sim [simulated seconds of each meter] */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mul_add_peak.h"
#include "sim/device.h"
#include "sim/frontend.h"

#define N_METERS   128 /* more than the second level of cache holds */
#define N_BEST     5
#define SLICE_NS   UINT64_C(1000000000) /* one meter after the other */
#define LANE_RATE  (3 * 3906.25)
#define FULL_SCALE 8388608.0

/* Additions and multiplications of doubles per phase and sample: 4 for each
 * sinusoid, 6 to round three counts, 10 for six sums, 7 for noise. */
struct path {
    const char *name;
    bool has_harmonics, has_noise;
    int64_t current_ma;
    double operations;
    double goal[MG_SAMPLE_PATHS]; /* meters per core; 0: none */
};

static const struct path paths[] = {
    {"fundamental", false, false, 16000, 28, {0, 0, 0}},
    {"+ 5 harmonics of the current", true, false, 16000, 48, {0, 0, 0}},
    {"full: + noise (no end stop near)",
     true,
     true,
     32000,
     55,
     {7000, 13000, 20000}},
    {"full, clipped at the end stops", true, true, 39000, 55, {0, 0, 0}},
};
#define N_PATHS (sizeof paths / sizeof paths[0])

static double cpu_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- What is measured ---- */

static struct mg_frontend describe(const struct path *path)
{
    return (struct mg_frontend){.rate_mhz = 3906250,
                                .half_periods = 1,
                                .n_lanes = 3,
                                .bits = 24,
                                .sinc_order = 3,
                                .full_scale_mv = 524288,
                                .full_scale_ma = 56000,
                                .gain_u_ppm = 300,
                                .gain_i_ppm = -500,
                                .phase_error_cdeg = 2,
                                .skew_ns = 500,
                                .offset_u_lsb = -160,
                                .offset_i_lsb = 40,
                                .noise_u_mlsb = path->has_noise ? 61000 : 0,
                                .noise_i_mlsb = path->has_noise ? 111000 : 0};
}

static void make_mains(const struct path *path, struct mg_sim_mains *ret)
{
    static const uint32_t ppm[] = {40000, 30000, 15000, 6000, 10000};
    struct mg_sim_load load = {.voltage_mv = 230000,
                               .current_ma = path->current_ma,
                               .frequency_mhz = 50013,
                               .phase_cdeg = 1000};
    mg_sim_mains_balanced(&load, ret);
    for (uint8_t k = 0; path->has_harmonics && k < 5; k++) {
        ret->harmonic[k] = (struct mg_sim_harmonic){
            .order = (uint8_t)(2 * k + 3), .i_ppm = ppm[k]};
        ret->n_harmonics++;
    }
    mg_sim_mains_limit(ret);
}

static int64_t sample_for(struct mg_sim_frontend *fe, uint64_t ns)
{
    int64_t sum = 0;
    for (uint64_t n = 0; n * 256000 < ns;) {
        struct mg_tick t;
        uint32_t samples = mg_sim_frontend_tick_samples(fe);
        mg_sim_frontend_tick(fe, samples, &t);
        sum += t.lane[0].ui + t.lane[2].uq;
        n += samples;
    }
    return sum;
}

/* @return ns of CPU time per phase and sample, the best of some runs */
static double time_fleet(const struct path *path, mg_sample_path *kernel,
                         unsigned seconds)
{
    struct mg_frontend d = describe(path);
    struct mg_sim_mains mains;
    size_t size = N_METERS * sizeof(struct mg_sim_frontend);
    struct mg_sim_frontend *fleet = aligned_alloc(MG_LINE, size);
    volatile int64_t sum = 0;
    double best = INFINITY;
    make_mains(path, &mains);
    for (unsigned k = 0; fleet != NULL && k < N_METERS; k++) {
        if (mg_sim_frontend_init(&fleet[k], &d, k) != MG_OK) {
            abort();
        }
        mg_sim_frontend_set(&fleet[k], &mains);
        fleet[k].kernel = kernel;
    }
    for (unsigned run = 0; fleet != NULL && run < N_BEST; run++) {
        double start = cpu_s();
        for (unsigned s = 0; s < seconds; s++) {
            for (unsigned k = 0; k < N_METERS; k++) {
                sum += sample_for(&fleet[k], SLICE_NS);
            }
        }
        double s = (cpu_s() - start) / N_METERS / seconds;
        best = s < best ? s : best;
    }
    (void)sum;
    free(fleet);
    return best * 1e9 / LANE_RATE;
}

/* ---- What it is compared with ---- */

/* A sample as everybody writes it first. */
static double plain_loop(const struct path *path, unsigned n_samples)
{
    static const double parts[] = {1, 0.04, 0.03, 0.015, 0.006, 0.01};
    int64_t ui = 0, uq = 0, u2 = 0, i2 = 0, u_sum = 0, i_sum = 0;
    unsigned n = path->has_harmonics ? 6 : 1;
    volatile int64_t sum = 0;
    double start = cpu_s();
    for (unsigned k = 0; k < n_samples; k++) {
        double x = 2 * M_PI * 50.013 / 3906.25 * k;
        double i = 40;
        for (unsigned h = 0; h < n; h++) {
            i += 2e6 * parts[h] * sin((2 * h + 1) * (x - 0.17));
        }
        int64_t u_lsb = lrint(5e6 * sin(x) - 160);
        int64_t q_lsb = lrint(5e6 * sin(x - M_PI / 2) - 160);
        int64_t i_lsb = lrint(i);
        ui += u_lsb * i_lsb;
        uq += q_lsb * i_lsb;
        u2 += u_lsb * u_lsb;
        i2 += i_lsb * i_lsb;
        u_sum += u_lsb;
        i_sum += i_lsb;
    }
    sum += ui + uq + u2 + i2 + u_sum + i_sum;
    (void)sum;
    return (cpu_s() - start) / n_samples * 1e9;
}

/* @return 1e9 operations per s */
static double time_peak(mg_mul_add_peak *peak)
{
    double best = 0;
    for (unsigned run = 0; run < N_BEST; run++) {
        double start = cpu_s();
        double n = peak(3000000);
        double rate = n / (cpu_s() - start) * 1e-9;
        best = rate > best ? rate : best;
    }
    return best;
}

static mg_mul_add_peak *peak_of(unsigned index)
{
#ifdef MG_SAMPLE_PATH_X86
    if (index > 0) {
        return index == 1 ? mg_mul_add_peak_avx2 : mg_mul_add_peak_avx512;
    }
#else
    (void)index;
#endif
    return mg_mul_add_peak_baseline;
}

/* ---- With a device around it ---- */

static void power_on(void *state, const struct mg_fw_env *env)
{
    (void)env;
    memset(state, 0, sizeof(int64_t));
}

static void tick(void *state, const struct mg_tick *t)
{
    int64_t sum;
    memcpy(&sum, state, sizeof(sum));
    sum += t->lane[0].ui + t->lane[0].uq;
    memcpy(state, &sum, sizeof(sum));
}

static void outputs(const void *state, struct mg_fw_outputs *ret)
{
    (void)state;
    *ret = (struct mg_fw_outputs){.circuit[0].load_connected = true};
}

static uint64_t steady(void *ctx, uint64_t now_ns, struct mg_sim_mains *ret)
{
    (void)now_ns;
    make_mains(ctx, ret);
    return UINT64_MAX;
}

static void print_device(const struct path *path, unsigned seconds)
{
    struct mg_frontend d = describe(path);
    struct mg_firmware fw = {.frontend = &d,
                             .state_size = sizeof(int64_t),
                             .power_on = power_on,
                             .tick = tick,
                             .outputs = outputs};
    struct mg_plugin plugin = {.firmware = &fw};
    struct mg_sim_profile profile = {.seed = 1};
    struct path copy = *path;
    struct mg_sim_device *device =
        mg_sim_device_create(&plugin, NULL, &profile, 1, 1, 1, 9600, 0);
    if (device == NULL) {
        return;
    }
    struct mg_sim_source source = {.at = steady, .ctx = &copy};
    mg_sim_device_set_source(device, &source);
    mg_sim_device_set_path(device, MG_SIM_PATH_SAMPLES, 0);
    unsigned all = seconds * N_METERS;
    double start = cpu_s();
    mg_sim_device_run(device, all * SLICE_NS);
    double ns = (cpu_s() - start) / all * 1e9 / LANE_RATE;
    printf("  %-32s %8.2f %9.0f\n", "full, mains, truth, ticks too", ns,
           1e9 / (ns * LANE_RATE));
    mg_sim_device_destroy(device);
}

/* ---- The table ---- */

static void print_unit(unsigned index, const char *name, mg_sample_path *kernel,
                       const double plain_ns[N_PATHS], unsigned seconds)
{
    double peak = time_peak(peak_of(index));
    printf("%s, %.1f GFLOP/s at most\n", name, peak);
    for (size_t k = 0; k < N_PATHS; k++) {
        const struct path *path = &paths[k];
        double ns = time_fleet(path, kernel, seconds);
        double meters = 1e9 / (ns * LANE_RATE);
        printf("  %-32s %8.2f %9.0f %8.1f x %7.0f %%", path->name, ns, meters,
               plain_ns[k] / ns, 100 * path->operations / ns / peak);
        if (path->goal[index] > 0) {
            printf("   goal %.0f %s", path->goal[index],
                   meters >= path->goal[index] ? "reached" : "MISSED");
        }
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    unsigned seconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 4;
    const char *only = getenv("MG_SIM_ISA");
    double plain_ns[N_PATHS];
    if (seconds == 0 || mg_sample_path_named(only) == NULL) {
        (void)fprintf(stderr, "bench_sim: expected seconds, at least 1, and in "
                              "MG_SIM_ISA one of baseline, avx2, avx512 that "
                              "this machine has\n");
        return 2;
    }
    for (size_t k = 0; k < N_PATHS; k++) {
        plain_ns[k] = plain_loop(&paths[k], 2000000);
    }
    printf("three-phase meters of 3906.25 Hz, %d of them by turns\n", N_METERS);
    printf("%-34s %8s %9s %10s %9s\n", "", "ns per", "meters", "of plain",
           "of");
    printf("%-34s %8s %9s %10s %9s\n", "", "phase", "per", "sin() per", "the");
    printf("%-34s %8s %9s %10s %9s\n", "", "sample", "core", "sample", "peak");
    for (unsigned k = 0; k < MG_SAMPLE_PATHS; k++) {
        const char *name;
        mg_sample_path *kernel = mg_sample_path_at(k, &name);
        if (kernel == NULL) {
            printf("%s\n", k == 1 ? "avx2: not here" : "avx512: not here");
        } else if (only == NULL || strcmp(only, name) == 0) {
            print_unit(k, name, kernel, plain_ns, seconds);
        }
    }
    print_device(&paths[2], seconds);
    return 0;
}
