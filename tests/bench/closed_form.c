/* Meters in real time per core without samples: CPU time of the closed form for
 * the ticks of a three-phase meter of 3906.25 Hz that measures every half
 * period, and for one that measures every two; one by one, in blocks with their
 * impulses, and for a load change of any length. The sample path beside it.
 * Usage: bench_closed [ticks] */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sim/closed_block.h"
#include "sim/closed_form.h"
#include "sim/frontend.h"

#define PULSE INT64_C(720000000000000) /* a sum of products that is one */

static const struct mg_frontend unit = {.rate_mhz = 3906250,
                                        .half_periods = 1,
                                        .n_lanes = 3,
                                        .bits = 24,
                                        .full_scale_mv = 500000,
                                        .full_scale_ma = 130000,
                                        .noise_u_mlsb = 20000,
                                        .noise_i_mlsb = 20000};

static double cpu_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* @param per_s  of what takes `ns` each, in one meter */
static void say(const char *what, double ns, double per_s)
{
    printf("%-46s %8.1f ns %12.0f meters\n", what, ns, 1e9 / (ns * per_s));
}

static void set_mains(struct mg_sim_frontend *fe, const struct mg_frontend *d,
                      unsigned n_harmonics, bool is_fast)
{
    struct mg_sim_mains mains;
    struct mg_sim_load load = {.voltage_mv = 230000,
                               .current_ma = 16000,
                               .frequency_mhz = 50013,
                               .phase_cdeg = 500};
    mg_sim_mains_balanced(&load, &mains);
    mains.n_harmonics = (uint8_t)n_harmonics;
    for (unsigned k = 0; k < n_harmonics; k++) {
        mains.harmonic[k] = (struct mg_sim_harmonic){
            .order = (uint8_t)(3 + 2 * k), .u_ppm = 5000, .i_ppm = 30000};
    }
    if (mg_sim_frontend_init(fe, d, 1) != MG_OK) {
        abort();
    }
    fe->may_be_fast = is_fast;
    mg_sim_frontend_set(fe, &mains);
}

/* As a device has them: sums and crossings of each tick. */
static double one_by_one(const struct mg_frontend *d, unsigned n_harmonics,
                         bool is_fast, uint32_t n_ticks)
{
    static struct mg_sim_frontend fe;
    struct mg_tick tick;
    int64_t sum = 0;
    set_mains(&fe, d, n_harmonics, is_fast);
    double start = cpu_s();
    for (uint32_t k = 0; k < n_ticks; k++) {
        mg_sim_frontend_tick(&fe, mg_sim_frontend_tick_samples(&fe), &tick);
        sum += tick.lane[0].ui >> 32;
    }
    double ns = (cpu_s() - start) * 1e9 / n_ticks;
    return sum == 0 ? 0.0 : ns; /* so that it is computed */
}

/* Blocks of ticks, and the impulses of each. */
static double blocked(const struct mg_frontend *d, uint32_t n_ticks)
{
    static struct mg_sim_frontend fe;
    struct mg_sim_pure pure;
    struct mg_sim_block block = {.n_ticks = MG_SIM_BLOCK};
    int64_t rest = 0;
    int64_t n_impulses = 0;
    set_mains(&fe, d, 0, true);
    mg_sim_pure_make(&fe.waves, &pure);
    mg_phase_turn phase = fe.phase;
    double start = cpu_s();
    for (uint32_t at = 0; at < n_ticks; at += MG_SIM_BLOCK) {
        mg_phase_turn first = phase;
        for (unsigned k = 0; k < MG_SIM_BLOCK; k++) {
            block.n_samples[k] =
                mg_sim_pure_samples(&pure, phase, d->half_periods);
            phase += block.n_samples[k] * pure.step;
        }
        mg_sim_pure_block(&pure, first, &block);
        for (unsigned k = 0; k < MG_SIM_BLOCK; k++) {
            rest += block.sum[0][MG_SUM_UI][k] + block.sum[1][MG_SUM_UI][k] +
                    block.sum[2][MG_SUM_UI][k];
            if (rest >= PULSE) {
                rest -= PULSE;
                n_impulses++;
            }
        }
    }
    double ns = (cpu_s() - start) * 1e9 / n_ticks;
    return n_impulses == 0 ? 0.0 : ns;
}

/* A new load, and the second that it lasts. */
static double event(unsigned n_harmonics, uint32_t n_events)
{
    static struct mg_sim_frontend fe;
    struct mg_tick tick;
    set_mains(&fe, &unit, n_harmonics, true);
    struct mg_sim_mains mains = fe.mains;
    double start = cpu_s();
    for (uint32_t k = 0; k < n_events; k++) {
        mains.phase[0].current_ma = 10000 + k % 10000;
        mg_sim_frontend_set(&fe, &mains);
        mg_sim_frontend_tick(&fe, mg_sim_frontend_samples(&fe, 100), &tick);
    }
    return (cpu_s() - start) * 1e9 / n_events;
}

int main(int argc, char **argv)
{
    uint32_t n =
        argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : UINT32_C(2000000);
    struct mg_frontend slow = unit;
    slow.half_periods = 4;
    printf("three phases at 3906.25 Hz, 50 Hz; CPU per core\n");
    double samples = one_by_one(&unit, 0, false, n / 10);
    double fast = one_by_one(&unit, 0, true, n);
    double block = blocked(&unit, n);
    say("samples, a tick of half a period", samples, 100);
    say("closed form, each such tick", fast, 100);
    say("the same in blocks, with impulses", block, 100);
    say("closed form, each tick of two periods", one_by_one(&slow, 0, true, n),
        25);
    say("the same in blocks, with impulses", blocked(&slow, n), 25);
    say("a new load, for a second", event(0, n / 10), 1);
    say("a new load with 6 harmonics, for a second", event(6, n / 100), 1);
    printf("goal: a million meters, in blocks\n");
    printf("against samples: %.1f times as fast tick by tick, %.1f in blocks\n",
           samples / fast, samples / block);
    return 0;
}
