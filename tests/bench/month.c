/* A month of a depot of 100 meters without wires, as fast as it goes: charging
 * profiles, four models, ticks without samples and many as one. Says how long
 * it takes, and hashes everything that the meters keep, so that two runs can be
 * compared. Usage: bench_month PLUGINS [days [runs]] */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "run/plugins.h"
#include "sim/device.h"
#include "sim/rng.h"

#define SECOND_NS UINT64_C(1000000000)
#define N_THREADS 2
#define N_DEVICES 90
#define BORN_MS   INT64_C(1780272000000) /* 2026-06-01 00:00:00 UTC */

/* A car that stays after charging, in every fourth place. */
#define STANDBY_MA 40

static const struct {
    const char *model;
    unsigned n_devices, n_meters;
} depot[] = {{"kpm31", 30, 1},
             {"wm3m4c", 30, 1},
             {"cpkm3000", 20, 1},
             {"cpim1000", 10, 2}};

#define N_MODELS (sizeof depot / sizeof *depot)

struct place {
    const struct mg_plugin *plugin;
    uint32_t number;
    struct mg_sim_profile profile;
    uint64_t hash, n_impulses;
    int64_t energy_mwh; /* true */
};

struct worker {
    pthread_t thread;
    struct place *places; /* every N_THREADS-th of them */
    uint64_t until_ns;
};

static uint64_t load_at(void *ctx, uint64_t now_ns, struct mg_sim_mains *ret)
{
    const struct place *p = ctx;
    struct mg_sim_load load;
    uint64_t until_ms =
        mg_sim_profile_step(&p->profile, now_ns / 1000000, &load);
    if (load.current_ma < 100) {
        load.current_ma = p->number % 4 == 0 ? STANDBY_MA : 0;
    }
    mg_sim_mains_balanced(&load, ret);
    return until_ms * 1000000;
}

static uint64_t hash_bytes(uint64_t hash, const uint8_t *bytes, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        hash = mg_sim_hash(hash ^ bytes[k]);
    }
    return hash;
}

static void live(struct place *p, uint64_t until_ns)
{
    uint8_t *options = calloc(1, p->plugin->options_size + 1);
    if (options == NULL) {
        abort();
    }
    mg_options_default(p->plugin->options, p->plugin->n_options, options);
    struct mg_sim_device *d =
        mg_sim_device_create(p->plugin, options, &p->profile, p->number,
                             p->number, 1, 9600, BORN_MS);
    free(options);
    if (d == NULL) {
        abort();
    }
    struct mg_sim_source source = {.at = load_at, .ctx = p};
    struct mg_fw_outputs out;
    size_t n;
    mg_sim_device_set_source(d, &source);
    mg_sim_device_set_path(d, MG_SIM_PATH_AUTO, 15 * SECOND_NS);
    mg_sim_device_run(d, until_ns);
    mg_sim_device_outputs(d, &out);
    p->energy_mwh = mg_sim_device_true_energy_mwh(d);
    mg_sim_device_power_cycle(d, 0); /* all that it keeps is in its memory */
    const uint8_t *nv = mg_sim_device_nv(d, &n);
    p->hash = hash_bytes(p->number, nv, n);
    p->n_impulses = 0;
    for (unsigned k = 0; k < MG_CIRCUITS_MAX; k++) {
        p->n_impulses += out.circuit[k].n_pulses;
    }
    p->hash = mg_sim_hash(p->hash ^ p->n_impulses);
    mg_sim_device_destroy(d);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    for (size_t k = 0; k < N_DEVICES; k += N_THREADS) {
        live(&w->places[k], w->until_ns);
    }
    return NULL;
}

static double now_s(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void make_places(const struct mg_plugins *plugins,
                        struct place places[N_DEVICES + N_THREADS])
{
    uint32_t at = 0;
    for (size_t m = 0; m < N_MODELS; m++) {
        const struct mg_plugin *p = mg_plugins_find(plugins, depot[m].model);
        if (p == NULL) {
            (void)fprintf(stderr, "bench_month: no %s\n", depot[m].model);
            exit(1);
        }
        for (unsigned k = 0; k < depot[m].n_devices; k++, at++) {
            places[at] = (struct place){
                .plugin = p, .number = at + 1, .profile = {.seed = at + 1}};
        }
    }
}

/* By its impulses, against what flowed. */
static void report(const struct place *places)
{
    size_t at = 0;
    for (size_t m = 0; m < N_MODELS; m++) {
        double wh = 0.0, true_wh = 0.0;
        const struct mg_plugin *p = places[at].plugin;
        for (unsigned k = 0; k < depot[m].n_devices; k++, at++) {
            wh += (double)places[at].n_impulses * 1e3 /
                  p->rating->impulses_per_kwh;
            true_wh += (double)places[at].energy_mwh * 1e-3;
        }
        printf("  %-9s %3u meters %12.3f kWh, true %12.3f, %+.3f %%\n",
               depot[m].model, depot[m].n_devices * depot[m].n_meters,
               wh * 1e-3, true_wh * 1e-3, (wh / true_wh - 1.0) * 100.0);
    }
}

static uint64_t run(const struct mg_plugins *plugins, uint64_t until_ns,
                    bool is_first)
{
    static struct place places[N_DEVICES + N_THREADS];
    struct worker workers[N_THREADS];
    make_places(plugins, places);
    double wall = now_s(CLOCK_MONOTONIC);
    double cpu = now_s(CLOCK_PROCESS_CPUTIME_ID);
    for (size_t k = 0; k < N_THREADS; k++) {
        workers[k] =
            (struct worker){.places = places + k, .until_ns = until_ns};
        if (pthread_create(&workers[k].thread, NULL, work, &workers[k]) != 0) {
            abort();
        }
    }
    for (size_t k = 0; k < N_THREADS; k++) {
        (void)pthread_join(workers[k].thread, NULL);
    }
    uint64_t hash = 0;
    for (size_t k = 0; k < N_DEVICES; k++) {
        hash = mg_sim_hash(hash ^ places[k].hash);
    }
    printf("%6.1f s on %d threads, %.1f s of CPU; hash %016" PRIx64 "\n",
           now_s(CLOCK_MONOTONIC) - wall, N_THREADS,
           now_s(CLOCK_PROCESS_CPUTIME_ID) - cpu, hash);
    if (is_first) {
        report(places);
    }
    return hash;
}

int main(int argc, char **argv)
{
    static struct mg_plugins plugins;
    struct mg_err err;
    if (argc < 2 || mg_plugins_load(&plugins, argv[1], &err) != MG_OK) {
        (void)fprintf(stderr, "usage: bench_month PLUGINS [days [runs]]\n");
        return 2;
    }
    unsigned long days = argc > 2 ? strtoul(argv[2], NULL, 10) : 31;
    unsigned long runs = argc > 3 ? strtoul(argv[3], NULL, 10) : 2;
    uint64_t first = 0;
    int rc = 0;
    printf("100 meters, %lu days\n", days);
    for (unsigned long k = 0; k < runs; k++) {
        uint64_t hash = run(&plugins, days * 86400 * SECOND_NS, k == 0);
        first = k == 0 ? hash : first;
        if (hash != first) {
            printf("NOT the same as the first run\n");
            rc = 1;
        }
    }
    mg_plugins_destroy(&plugins);
    return rc;
}
