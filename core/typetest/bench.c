#include "typetest/bench.h"

#include <string.h>

#define PICO_J_PER_KWH   3.6e18
#define SETTLE_NS        (2 * BENCH_S)
#define CHUNK_MIN_NS     (BENCH_S / 20)
#define CHUNK_MAX_NS     (5 * BENCH_S)
#define MEASURE_NS       (10 * BENCH_S)
#define PHASE_ERROR_CDEG 40
#define SERIAL           1
#define UNIT             1
#define BAUD             9600
#define BORN_UTC_MS      INT64_C(1767225600000) /* 2026-01-01 */

/* ---- The meter ---- */

unsigned bench_phases(const struct mg_typetest_settings *settings,
                      unsigned *ret_first_lane)
{
    const struct mg_rating *r = settings->plugin->rating;
    bool is_one = r->n_phases == 1 || (r->is_one_phase != NULL &&
                                       r->is_one_phase(settings->options));
    *ret_first_lane = is_one ? r->one_phase_lane : 0;
    return is_one ? 1 : 3;
}

static void on_impulse(void *ctx, uint64_t at_ns)
{
    struct bench *b = ctx;
    struct bench_stopwatch *w = &b->watch;
    b->n_seen++;
    if (w->n > w->n_wanted && w->last_ns - w->first_ns >= w->min_ns) {
        return;
    }
    if (w->n == 0) {
        w->first_ns = at_ns;
    }
    w->last_ns = at_ns;
    w->n++;
}

static uint64_t same_for_ever(void *ctx, uint64_t now_ns,
                              struct mg_sim_mains *ret)
{
    (void)now_ns;
    *ret = *(const struct mg_sim_mains *)ctx;
    return UINT64_MAX;
}

static int put_defect(struct bench *b)
{
    const struct mg_typetest_settings *s = b->settings;
    struct mg_sim_defects defects = {
        .pulses_at_update = s->defect == MG_DEFECT_PULSES_AT_UPDATE};
    if (s->defect == MG_DEFECT_PHASE_ERROR) {
        defects.phase_error_cdeg =
            s->phase_error_cdeg != 0 ? s->phase_error_cdeg : PHASE_ERROR_CDEG;
    }
    mg_sim_device_set_defects(b->device, &defects);
    if (s->defect == MG_DEFECT_CREEP) {
        return mg_sim_device_fault(b->device, MG_FW_FAULT_CREEP);
    }
    if (s->defect == MG_DEFECT_REMAINDER) {
        return mg_sim_device_fault(b->device, MG_FW_FAULT_REMAINDER);
    }
    return MG_OK;
}

int bench_open(struct bench *bench, const struct mg_typetest_settings *settings)
{
    const struct mg_plugin *p = settings->plugin;
    const struct mg_sim_profile none = {.is_fixed = true};
    unsigned first = 0;
    memset(bench, 0, sizeof *bench);
    bench->settings = settings;
    bench->rating = p->rating;
    bench->n_lanes = (uint8_t)bench_phases(settings, &first);
    bench->circuit =
        (uint8_t)(p->circuit == NULL ? 0 : p->circuit(settings->options));
    bench->first_lane = (uint8_t)(bench->circuit * 3 + first);
    bench->device =
        mg_sim_device_create(p, settings->options, &none, settings->seed,
                             SERIAL, UNIT, BAUD, BORN_UTC_MS);
    if (bench->device == NULL) {
        return MG_E_NOMEM;
    }
    /* With the converters' noise, which a closed form has not. */
    mg_sim_device_set_path(bench->device, MG_SIM_PATH_SAMPLES, 0);
    mg_sim_device_on_pulse(bench->device, bench->circuit, on_impulse, bench);
    int rc = put_defect(bench);
    if (rc != MG_OK) {
        bench_close(bench);
    }
    return rc;
}

void bench_close(struct bench *bench)
{
    mg_sim_device_destroy(bench->device);
    bench->device = NULL;
}

/* ---- The source ---- */

static int32_t angle_cdeg(const struct bench_point *point)
{
    static const int32_t of_cosine[MG_N_FACTORS] = {0, 6000, -3687, 7552,
                                                    -6000};
    static const int32_t of_sine[MG_N_FACTORS] = {9000, 3000, -5313, 1448,
                                                  -3000};
    int32_t angle =
        point->is_reactive ? of_sine[point->factor] : of_cosine[point->factor];
    return point->is_export ? angle + 18000 : angle;
}

void bench_mains(const struct bench *bench, const struct bench_point *point,
                 struct mg_sim_mains *ret)
{
    const struct mg_sim_load load = {.voltage_mv = bench->rating->voltage_mv,
                                     .frequency_mhz =
                                         bench->rating->frequency_mhz,
                                     .phase_cdeg = angle_cdeg(point)};
    mg_sim_mains_balanced(&load, ret);
    for (unsigned k = 0; k < bench->n_lanes; k++) {
        if (point->load == MG_LOAD_BALANCED || k == point->phase) {
            ret->phase[bench->first_lane + k].current_ma = point->current_ma;
        }
    }
}

void bench_apply(struct bench *bench, const struct mg_sim_mains *mains)
{
    bench->mains = *mains;
    const struct mg_sim_source source = {same_for_ever, &bench->mains};
    mg_sim_device_set_source(bench->device, &source);
}

/* ---- The truth ---- */

static double cosine(mg_phase_turn turn)
{
    double s, c;
    mg_sincos(turn, &s, &c);
    return c;
}

static double harmonics_of(const struct mg_sim_mains *m,
                           const struct mg_sim_phase *p)
{
    double sum = 0;
    for (unsigned k = 0; k < m->n_harmonics; k++) {
        const struct mg_sim_harmonic *h = &m->harmonic[k];
        mg_phase_turn behind = mg_turn_from_cdeg(p->phase_cdeg) * h->order;
        mg_phase_turn ahead =
            mg_turn_from_cdeg(h->u_cdeg) - mg_turn_from_cdeg(h->i_cdeg);
        sum += h->u_ppm * 1e-6 * (h->i_ppm * 1e-6) * cosine(ahead + behind);
    }
    return sum;
}

double bench_power_uw(const struct bench *bench)
{
    const struct mg_sim_mains *m = &bench->mains;
    double uw = 0;
    for (unsigned k = 0; k < bench->n_lanes; k++) {
        const struct mg_sim_phase *p = &m->phase[bench->first_lane + k];
        double factor =
            cosine(mg_turn_from_cdeg(p->phase_cdeg)) + harmonics_of(m, p);
        uw += (double)p->voltage_mv * (double)p->current_ma * factor;
    }
    /* Each of the three is cut from a sine so that half of its power stays. */
    return m->shape == MG_SIM_SINE ? uw : uw / 2;
}

double bench_reactive_uvar(const struct bench *bench)
{
    const struct mg_sim_mains *m = &bench->mains;
    double uvar = 0;
    for (unsigned k = 0; k < bench->n_lanes; k++) {
        const struct mg_sim_phase *p = &m->phase[bench->first_lane + k];
        double s, c;
        mg_sincos(mg_turn_from_cdeg(p->phase_cdeg), &s, &c);
        uvar += (double)p->voltage_mv * (double)p->current_ma * s;
    }
    return uvar;
}

double bench_period_ns(const struct bench *bench)
{
    double uw = bench_power_uw(bench);
    double pulse_pj = PICO_J_PER_KWH / bench->rating->impulses_per_kwh;
    uw = uw < 0 ? -uw : uw;
    return uw > 0 ? pulse_pj / uw * 1000 : 0;
}

int64_t bench_ppb(double measured, double truth)
{
    double ppb = (measured - truth) / truth * 1e9;
    return (int64_t)(ppb < 0 ? ppb - 0.5 : ppb + 0.5);
}

/* ---- The stopwatch ---- */

uint64_t bench_now_ns(const struct bench *bench)
{
    return bench->now_ns;
}

void bench_run(struct bench *bench, uint64_t ns)
{
    bench->now_ns += ns;
    mg_sim_device_run(bench->device, bench->now_ns);
}

static bool is_timed(const struct bench_stopwatch *w)
{
    return w->n > w->n_wanted && w->last_ns - w->first_ns >= w->min_ns;
}

static uint64_t between(uint64_t lo, double x, uint64_t hi)
{
    return x < (double)lo ? lo : x > (double)hi ? hi : (uint64_t)x;
}

int bench_measure(struct bench *bench, uint64_t n_wanted, uint64_t min_ns,
                  int64_t *ret_ppb)
{
    struct bench_stopwatch *w = &bench->watch;
    double period = bench_period_ns(bench);
    double all = period * (double)(n_wanted + 1);
    uint64_t chunk = between(CHUNK_MIN_NS, all / 4, CHUNK_MAX_NS);
    uint64_t until = bench_now_ns(bench) + min_ns + SETTLE_NS +
                     (uint64_t)(1.5 * (all + period));
    *w = (struct bench_stopwatch){.n_wanted = n_wanted, .min_ns = min_ns};
    while (!is_timed(w)) {
        if (period <= 0 || bench_now_ns(bench) >= until) {
            return MG_E_TIMEOUT;
        }
        bench_run(bench, chunk);
    }
    *ret_ppb = bench_ppb((double)(w->n - 1) * period,
                         (double)(w->last_ns - w->first_ns));
    return MG_OK;
}

int bench_error(struct bench *bench, const struct mg_sim_mains *mains,
                int64_t *ret_ppb)
{
    bench_apply(bench, mains);
    bench_run(bench, SETTLE_NS);
    return bench_measure(bench, 2, MEASURE_NS, ret_ppb);
}

int bench_wait(struct bench *bench, uint64_t timeout_ns, uint64_t *ret_ns)
{
    struct bench_stopwatch *w = &bench->watch;
    uint64_t start = bench_now_ns(bench);
    uint64_t chunk =
        between(CHUNK_MIN_NS, (double)timeout_ns / 200, CHUNK_MAX_NS);
    *w = (struct bench_stopwatch){.n_wanted = 0};
    while (w->n == 0) {
        if (bench_now_ns(bench) >= start + timeout_ns) {
            return MG_E_TIMEOUT;
        }
        bench_run(bench, chunk);
    }
    *ret_ns = w->first_ns > start ? w->first_ns - start : 0;
    return MG_OK;
}
