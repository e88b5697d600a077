/* How many meters one core simulates in real time: CPU time per simulated
 * second of the whole path (load, samples, sums, tick) with a firmware that
 * does nothing. Usage: bench_sim [simulated seconds] */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/device.h"

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

static double cpu_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void measure(const char *name, const struct mg_frontend *frontend,
                    unsigned seconds)
{
    struct mg_firmware fw = {.frontend = frontend,
                             .state_size = sizeof(int64_t),
                             .power_on = power_on,
                             .tick = tick,
                             .outputs = outputs};
    struct mg_plugin plugin = {.firmware = &fw};
    struct mg_sim_profile profile = {.seed = 1};
    struct mg_sim_device *d =
        mg_sim_device_create(&plugin, NULL, &profile, 1, 1, 1, 9600, 0);
    if (d == NULL) {
        (void)fprintf(stderr, "bench_sim: %s: no device\n", name);
        exit(1);
    }
    mg_sim_device_set_path(d, MG_SIM_PATH_SAMPLES, 0);
    double start = cpu_s();
    mg_sim_device_run(d, seconds * UINT64_C(1000000000));
    double us = (cpu_s() - start) / seconds * 1e6;
    double rate = frontend->rate_mhz * 1e-3 * frontend->n_lanes;
    printf("%-34s %7.1f us/s %6.2f ns/lane-sample %9.0f meters\n", name, us,
           us * 1e3 / rate, 1e6 / us);
    mg_sim_device_destroy(d);
}

int main(int argc, char **argv)
{
    unsigned seconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 2000;
    struct mg_frontend one = {.rate_mhz = 4000000,
                              .samples_per_tick = 800,
                              .n_lanes = 1,
                              .bits = 24,
                              .full_scale_mv = 500000,
                              .full_scale_ma = 120000,
                              .noise_u_mlsb = 1000,
                              .noise_i_mlsb = 1000};
    struct mg_frontend half = one;
    half.rate_mhz = 3906250;
    half.samples_per_tick = 0;
    half.half_periods = 1;
    struct mg_frontend three = half;
    three.n_lanes = 3;
    printf("meters in real time per core, CPU per simulated second\n");
    measure("1 lane 4000 Hz, tick 200 ms", &one, seconds);
    measure("1 lane 3906.25 Hz, tick 1/2 period", &half, seconds);
    measure("3 lanes 3906.25 Hz, tick 1/2 period", &three, seconds);
    return 0;
}
