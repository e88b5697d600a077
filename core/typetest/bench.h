/* The test bench: one simulated meter, an exact source, a stopwatch on its
 * impulse LED. */
#ifndef MG_TYPETEST_BENCH_H
#define MG_TYPETEST_BENCH_H

#include "sim/device.h"
#include "sim/turn.h"
#include "typetest/limits.h"
#include "typetest/typetest.h"

#define BENCH_S UINT64_C(1000000000) /* ns */

/* A load as the tables of limits describe it. */
struct bench_point {
    int64_t current_ma;
    uint8_t load;     /* enum mg_load */
    uint8_t phase;    /* of a single phase's load, 0..2 */
    uint8_t factor;   /* enum mg_factor */
    bool is_reactive; /* `factor` is the sine, and the energy reactive */
    bool is_export;   /* energy flows the other way */
};

/* Impulses that are being timed. */
struct bench_stopwatch {
    uint64_t n_wanted; /* impulses after the first */
    uint64_t min_ns;   /* and so long at least */
    uint64_t n, first_ns, last_ns;
};

struct bench {
    const struct mg_typetest_settings *settings; /* borrowed */
    const struct mg_rating *rating;              /* borrowed */
    struct mg_sim_device *device;                /* owned */
    struct mg_sim_mains mains;                   /* that now flow */
    struct bench_stopwatch watch;
    uint8_t circuit, first_lane, n_lanes; /* of the device, that are loaded */
    uint64_t n_seen;                      /* impulses since power-on */
    uint64_t now_ns;
};

/** @return MG_OK or MG_E_NOMEM */
int bench_open(struct bench *bench,
               const struct mg_typetest_settings *settings);
void bench_close(struct bench *bench);

/** Lanes of the meter with these options, the first one of them. */
unsigned bench_phases(const struct mg_typetest_settings *settings,
                      unsigned *ret_first_lane);

/** The mains of a point at reference conditions: Un, fn, 23 degC. */
void bench_mains(const struct bench *bench, const struct bench_point *point,
                 struct mg_sim_mains *ret);

/** From now on these flow. */
void bench_apply(struct bench *bench, const struct mg_sim_mains *mains);

void bench_run(struct bench *bench, uint64_t ns);
uint64_t bench_now_ns(const struct bench *bench);

/** True active power of the present mains in uW: fundamentals, harmonics and
 *  shapes (those of EN 50470-3 at power factor 1). Negative: export. */
double bench_power_uw(const struct bench *bench);
/** True reactive power of the fundamentals in uvar. */
double bench_reactive_uvar(const struct bench *bench);

/** ns between impulses, by the true power; 0: none flows. */
double bench_period_ns(const struct bench *bench);

/** Time impulses at the present load.
 *  @param n_wanted  impulses after the first; exactly so many unless min_ns
 *                   asks for more
 *  @param ret_ppb   error of the energy that they stand for
 *  @return MG_OK; MG_E_TIMEOUT: fewer came in half as much time again */
int bench_measure(struct bench *bench, uint64_t n_wanted, uint64_t min_ns,
                  int64_t *ret_ppb);

/** After two seconds to settle, at least 2 impulses and 10 seconds. */
int bench_error(struct bench *bench, const struct mg_sim_mains *mains,
                int64_t *ret_ppb);

/** Wait for the next impulse. @return MG_OK with the time since the call;
 *  MG_E_TIMEOUT */
int bench_wait(struct bench *bench, uint64_t timeout_ns, uint64_t *ret_ns);

/** 1e9 * (measured - true) / true, rounded. */
int64_t bench_ppb(double measured, double truth);

#endif
