#include "sim/waves.h"

#include <string.h>

#define SQRT2 1.4142135623730950488
#define PI    3.1415926535897932385

#define REFERENCE_MDEGC 23000
#define NOMINAL_MHZ     50000 /* where the meter was calibrated */
#define NOISE_PEAK      3.46  /* of sample_path.c's noise, in rms */
#define END_STOP_MARGIN 2.0

__extension__ typedef __int128 wide;

static double magnitude(double x)
{
    return x < 0.0 ? -x : x;
}

/* The part of a turn that numerator / denominator turns leave over. */
static mg_phase_turn turns(wide numerator, int64_t denominator)
{
    wide rest = numerator % denominator;
    return (mg_phase_turn)((rest * ((wide)1 << 64)) / denominator);
}

/* sin(pi f / rate) / (pi f / rate) */
static double sinc(int64_t f_mhz, uint32_t rate_mhz)
{
    double s, c;
    mg_sincos(turns(f_mhz, 2 * (int64_t)rate_mhz), &s, &c);
    return s / (PI * (double)f_mhz / (double)rate_mhz);
}

double mg_sim_droop(const struct mg_frontend *description, int64_t f_mhz)
{
    uint32_t rate = description->rate_mhz;
    double one = sinc(f_mhz, rate) / sinc(NOMINAL_MHZ, rate);
    double all = 1.0;
    for (unsigned k = 0; k < description->sinc_order; k++) {
        all *= one;
    }
    return all;
}

/* ---- One path of the converter ---- */

struct path {
    double counts; /* of one mV or mA of direct current */
    double offset;
};

static struct path path_of(const struct mg_frontend *d, uint32_t full_scale,
                           int32_t gain_ppm, int32_t drift_ppb, double kelvin,
                           int32_t offset_lsb)
{
    double full = (double)((uint32_t)1 << (d->bits - 1));
    double gain = 1.0 + gain_ppm * 1e-6;
    gain *= 1.0 + drift_ppb * 1e-9 * kelvin;
    return (struct path){.counts = full / full_scale * gain,
                         .offset = offset_lsb};
}

/* How much too late or too early (negative) the current comes. */
static mg_phase_turn current_lag(const struct mg_frontend *d, int64_t f_mhz,
                                 unsigned order)
{
    wide early = (wide)f_mhz * order * d->skew_ns;
    return mg_turn_from_cdeg(d->phase_error_cdeg) -
           turns(early, INT64_C(1000000000000));
}

static void make_fundamental(const struct mg_frontend *d,
                             const struct mg_sim_mains *mains, unsigned lane,
                             const struct path *u, const struct path *i,
                             struct mg_sim_waves *w)
{
    const struct mg_sim_phase *p = &mains->phase[lane];
    double droop = SQRT2 * mg_sim_droop(d, mains->frequency_mhz);
    mg_phase_turn angle = mg_turn_from_cdeg(p->angle_cdeg);
    w->u[lane][0] = (struct mg_sim_component){
        .peak = (double)p->voltage_mv * u->counts * droop, .phase = angle};
    w->i[lane][0] = (struct mg_sim_component){
        .peak = (double)p->current_ma * i->counts * droop,
        .phase = angle - mg_turn_from_cdeg(p->phase_cdeg) -
                 current_lag(d, mains->frequency_mhz, 1)};
}

static void make_harmonic(const struct mg_frontend *d,
                          const struct mg_sim_mains *mains, unsigned lane,
                          unsigned n, struct mg_sim_waves *w)
{
    const struct mg_sim_phase *p = &mains->phase[lane];
    const struct mg_sim_harmonic *h = &mains->harmonic[n];
    double droop = mg_sim_droop(d, mains->frequency_mhz * h->order) /
                   mg_sim_droop(d, mains->frequency_mhz);
    mg_phase_turn turned = droop < 0.0 ? MG_TURN_HALF : 0;
    droop = magnitude(droop);
    mg_phase_turn angle = mg_turn_from_cdeg(p->angle_cdeg);
    mg_phase_turn behind = mg_turn_from_cdeg(p->phase_cdeg);
    w->u[lane][n + 1] = (struct mg_sim_component){
        .peak = w->u[lane][0].peak * droop * h->u_ppm * 1e-6,
        .phase = h->order * angle + mg_turn_from_cdeg(h->u_cdeg) + turned};
    w->i[lane][n + 1] = (struct mg_sim_component){
        .peak = w->i[lane][0].peak * droop * h->i_ppm * 1e-6,
        .phase = h->order * (angle - behind) + mg_turn_from_cdeg(h->i_cdeg) +
                 turned - current_lag(d, mains->frequency_mhz, h->order)};
}

static void make_dc(const struct mg_frontend *d,
                    const struct mg_sim_mains *mains, unsigned lane,
                    const struct path *u, const struct path *i,
                    struct mg_sim_waves *w)
{
    const struct mg_sim_phase *p = &mains->phase[lane];
    w->dc_u[lane] = u->offset + p->dc_mv * u->counts;
    w->dc_i[lane] = i->offset;
    if (d->current_sensor == MG_SENSOR_SHUNT) {
        w->dc_i[lane] += p->dc_ma * i->counts;
    } else if (mains->shape == MG_SIM_HALF_WAVE) {
        /* The mean of the halves, cut as sim/transients.c does. */
        w->dc_i[lane] -=
            w->i[lane][0].peak / (PI * sinc(mains->frequency_mhz, d->rate_mhz));
    }
}

/* ---- Bounds ---- */

/* At least as far as a path's counts can go without noise. */
static double farthest(const struct mg_sim_component *c, unsigned n, double dc)
{
    double sum = magnitude(dc);
    for (unsigned k = 0; k < n; k++) {
        sum += magnitude(c[k].peak);
    }
    return sum;
}

static bool may_clip(const struct mg_sim_mains *mains, const struct path *u,
                     const struct path *i, const struct mg_sim_waves *w)
{
    const struct mg_sim_spikes *spikes = &mains->spikes;
    double more_u = NOISE_PEAK * w->noise_u + END_STOP_MARGIN;
    double more_i = NOISE_PEAK * w->noise_i + END_STOP_MARGIN;
    if (w->has_spikes) {
        more_u += magnitude((double)spikes->peak_mv * u->counts);
        more_i += magnitude((double)spikes->peak_ma * i->counts);
    }
    if (w->has_ringing) {
        more_u += magnitude((double)mains->ringing.peak_mv * u->counts);
    }
    for (unsigned lane = 0; lane < w->n_lanes; lane++) {
        if (farthest(w->u[lane], w->n, w->dc_u[lane]) + more_u >= w->full ||
            farthest(w->i[lane], w->n, w->dc_i[lane]) + more_i >= w->full) {
            return true;
        }
    }
    return false;
}

void mg_sim_waves_make(const struct mg_frontend *description,
                       const struct mg_sim_mains *mains,
                       struct mg_sim_waves *ret)
{
    const struct mg_frontend *d = description;
    double kelvin = (mains->ambient_mdegc - (double)REFERENCE_MDEGC) * 1e-3;
    struct path u = path_of(d, d->full_scale_mv, d->gain_u_ppm, d->drift_u_ppb,
                            kelvin, d->offset_u_lsb);
    struct path i = path_of(d, d->full_scale_ma, d->gain_i_ppm, d->drift_i_ppb,
                            kelvin, d->offset_i_lsb);
    memset(ret, 0, sizeof *ret);
    ret->step = mg_mains_step(mains->frequency_mhz, d->rate_mhz);
    ret->n_lanes = d->n_lanes;
    ret->n = (uint8_t)(1 + mains->n_harmonics);
    ret->order[0] = 1;
    ret->noise_u = d->noise_u_mlsb * 1e-3;
    ret->noise_i = d->noise_i_mlsb * 1e-3;
    ret->full = (double)((uint32_t)1 << (d->bits - 1));
    ret->shape = mains->shape;
    ret->has_spikes = mains->spikes.per_s > 0;
    ret->has_ringing = mains->ringing.peak_mv != 0;
    for (unsigned n = 0; n < mains->n_harmonics; n++) {
        ret->order[n + 1] = mains->harmonic[n].order;
    }
    for (unsigned lane = 0; lane < ret->n_lanes; lane++) {
        make_fundamental(d, mains, lane, &u, &i, ret);
        for (unsigned n = 0; n < mains->n_harmonics; n++) {
            make_harmonic(d, mains, lane, n, ret);
        }
        make_dc(d, mains, lane, &u, &i, ret);
    }
    ret->may_clip = may_clip(mains, &u, &i, ret);
}
