#include "sim/mains.h"

#include <string.h>

#define VOLTAGE_MAX_MV  INT64_C(1000000)
#define CURRENT_MAX_MA  INT64_C(1000000)
#define RATIO_MAX_PPM   2000000U
#define REFERENCE_MDEGC 23000

static int64_t between(int64_t lo, int64_t x, int64_t hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

void mg_sim_mains_balanced(const struct mg_sim_load *load,
                           struct mg_sim_mains *ret)
{
    static const int32_t angles[] = {0, -12000, 12000};
    memset(ret, 0, sizeof *ret);
    ret->frequency_mhz = load->frequency_mhz;
    ret->ambient_mdegc = REFERENCE_MDEGC;
    for (unsigned k = 0; k < MG_LANES_MAX; k++) {
        ret->phase[k] = (struct mg_sim_phase){.voltage_mv = load->voltage_mv,
                                              .current_ma = load->current_ma,
                                              .angle_cdeg = angles[k % 3],
                                              .phase_cdeg = load->phase_cdeg};
    }
}

static void limit_phase(struct mg_sim_phase *p)
{
    p->voltage_mv = between(0, p->voltage_mv, VOLTAGE_MAX_MV);
    p->current_ma = between(0, p->current_ma, CURRENT_MAX_MA);
    p->dc_mv = (int32_t)between(-VOLTAGE_MAX_MV, p->dc_mv, VOLTAGE_MAX_MV);
    p->dc_ma = (int32_t)between(-CURRENT_MAX_MA, p->dc_ma, CURRENT_MAX_MA);
}

static void limit_harmonic(struct mg_sim_harmonic *h)
{
    h->order = (uint8_t)between(2, h->order, MG_SIM_HARMONIC_LAST);
    h->u_ppm = h->u_ppm < RATIO_MAX_PPM ? h->u_ppm : RATIO_MAX_PPM;
    h->i_ppm = h->i_ppm < RATIO_MAX_PPM ? h->i_ppm : RATIO_MAX_PPM;
}

void mg_sim_mains_limit(struct mg_sim_mains *mains)
{
    mains->frequency_mhz = between(40000, mains->frequency_mhz, 70000);
    for (unsigned k = 0; k < MG_LANES_MAX; k++) {
        limit_phase(&mains->phase[k]);
    }
    if (mains->n_harmonics > MG_SIM_HARMONICS_MAX) {
        mains->n_harmonics = MG_SIM_HARMONICS_MAX;
    }
    for (unsigned k = 0; k < mains->n_harmonics; k++) {
        limit_harmonic(&mains->harmonic[k]);
    }
    if (mains->shape > MG_SIM_BURST_FIRED) {
        mains->shape = MG_SIM_SINE;
    }
    mains->spikes.peak_mv =
        between(-VOLTAGE_MAX_MV, mains->spikes.peak_mv, VOLTAGE_MAX_MV);
    mains->spikes.peak_ma =
        between(-CURRENT_MAX_MA, mains->spikes.peak_ma, CURRENT_MAX_MA);
    mains->ringing.peak_mv =
        between(-VOLTAGE_MAX_MV, mains->ringing.peak_mv, VOLTAGE_MAX_MV);
}

static bool is_same_phase(const struct mg_sim_phase *a,
                          const struct mg_sim_phase *b)
{
    return a->voltage_mv == b->voltage_mv && a->current_ma == b->current_ma &&
           a->angle_cdeg == b->angle_cdeg && a->phase_cdeg == b->phase_cdeg &&
           a->dc_mv == b->dc_mv && a->dc_ma == b->dc_ma;
}

static bool is_same_harmonic(const struct mg_sim_harmonic *a,
                             const struct mg_sim_harmonic *b)
{
    return a->order == b->order && a->u_ppm == b->u_ppm &&
           a->i_ppm == b->i_ppm && a->u_cdeg == b->u_cdeg &&
           a->i_cdeg == b->i_cdeg;
}

static bool are_same_transients(const struct mg_sim_mains *a,
                                const struct mg_sim_mains *b)
{
    return a->spikes.per_s == b->spikes.per_s &&
           a->spikes.peak_mv == b->spikes.peak_mv &&
           a->spikes.peak_ma == b->spikes.peak_ma &&
           a->ringing.start_ns == b->ringing.start_ns &&
           a->ringing.peak_mv == b->ringing.peak_mv &&
           a->ringing.frequency_hz == b->ringing.frequency_hz &&
           a->ringing.decay_us == b->ringing.decay_us;
}

bool mg_sim_mains_is_same(const struct mg_sim_mains *a,
                          const struct mg_sim_mains *b)
{
    bool is_same = a->frequency_mhz == b->frequency_mhz &&
                   a->ambient_mdegc == b->ambient_mdegc &&
                   a->n_harmonics == b->n_harmonics && a->shape == b->shape &&
                   are_same_transients(a, b);
    for (unsigned k = 0; is_same && k < MG_LANES_MAX; k++) {
        is_same = is_same_phase(&a->phase[k], &b->phase[k]);
    }
    for (unsigned k = 0; is_same && k < a->n_harmonics; k++) {
        is_same = is_same_harmonic(&a->harmonic[k], &b->harmonic[k]);
    }
    return is_same;
}
