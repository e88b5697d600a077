#include "sim/truth.h"

#define NJ_PER_MWH INT64_C(3600000000)

#define SQRT2 1.4142135623730950488
#define PI    3.1415926535897932385

/* rms * sqrt 2 * sin(order * x + phase), in V or A. */
struct tone {
    unsigned order;
    double rms;
    mg_phase_turn phase;
};

struct tones {
    unsigned n;
    double dc;
    struct tone tone[1 + MG_SIM_HARMONICS_MAX];
};

/* ---- The mains as tones ---- */

/* A current cut from I sin has the fundamental I (sine sin + cosine cos) and
 * the mean dc. */
struct cut {
    double sine, cosine, dc;
};

static struct cut cut_of(enum mg_sim_shape shape)
{
    switch (shape) {
    case MG_SIM_HALF_WAVE:
        return (struct cut){.sine = 0.5, .dc = 1.0 / PI};
    case MG_SIM_PHASE_FIRED:
        return (struct cut){.sine = 0.5, .cosine = -1.0 / PI};
    case MG_SIM_BURST_FIRED:
        return (struct cut){.sine = 0.5};
    case MG_SIM_SINE:
    default:
        return (struct cut){.sine = 1.0};
    }
}

static void make_tones(const struct mg_sim_mains *mains,
                       const struct mg_sim_phase *p, struct tones *ret_u,
                       struct tones *ret_i)
{
    mg_phase_turn angle = mg_turn_from_cdeg(p->angle_cdeg);
    mg_phase_turn behind = mg_turn_from_cdeg(p->phase_cdeg);
    double u = (double)p->voltage_mv * 1e-3;
    double i = (double)p->current_ma * 1e-3;
    ret_u->n = ret_i->n = 1U + mains->n_harmonics;
    ret_u->dc = p->dc_mv * 1e-3;
    ret_i->dc = p->dc_ma * 1e-3;
    ret_u->tone[0] = (struct tone){.order = 1, .rms = u, .phase = angle};
    ret_i->tone[0] =
        (struct tone){.order = 1, .rms = i, .phase = angle - behind};
    for (unsigned k = 0; k < mains->n_harmonics; k++) {
        const struct mg_sim_harmonic *h = &mains->harmonic[k];
        ret_u->tone[k + 1] = (struct tone){
            .order = h->order,
            .rms = u * h->u_ppm * 1e-6,
            .phase = h->order * angle + mg_turn_from_cdeg(h->u_cdeg)};
        ret_i->tone[k + 1] =
            (struct tone){.order = h->order,
                          .rms = i * h->i_ppm * 1e-6,
                          .phase = h->order * (angle - behind) +
                                   mg_turn_from_cdeg(h->i_cdeg)};
    }
}

/* ---- Power ---- */

/* amplitude * cos(order * x + phase), as a power, into the ripple's integral;
 * omega in rad/s. */
static void add_ripple(struct mg_sim_truth_power *ret, unsigned order,
                       double amplitude, mg_phase_turn phase, double omega)
{
    double s, c;
    if (order < 1 || order > 2 || amplitude == 0.0) {
        return;
    }
    mg_sincos(phase, &s, &c);
    double energy = amplitude / (order * omega);
    if (order == 1) {
        ret->once_sin += energy * c;
        ret->once_cos += energy * s;
    } else {
        ret->twice_sin += energy * c;
        ret->twice_cos += energy * s;
    }
}

/* The product of two tones is half their difference less half their sum. */
static void add_pair(struct mg_sim_truth_power *ret, const struct tone *u,
                     const struct tone *i, double omega)
{
    double ui = u->rms * i->rms;
    bool is_higher = u->order > i->order;
    const struct tone *high = is_higher ? u : i;
    const struct tone *low = is_higher ? i : u;
    if (u->order == i->order) {
        double s, c;
        mg_sincos(u->phase - i->phase, &s, &c);
        ret->p += ui * c;
        ret->q += u->order == 1 ? ui * s : 0.0;
    }
    add_ripple(ret, high->order - low->order, ui, high->phase - low->phase,
               omega);
    add_ripple(ret, high->order + low->order, -ui, high->phase + low->phase,
               omega);
}

/* sin is cos a quarter turn later. */
static void add_dc(struct mg_sim_truth_power *ret, double dc,
                   const struct tones *of, double omega)
{
    for (unsigned k = 0; k < of->n; k++) {
        add_ripple(ret, of->tone[k].order, dc * SQRT2 * of->tone[k].rms,
                   of->tone[k].phase - MG_TURN_QUARTER, omega);
    }
}

static void make_power(const struct mg_sim_mains *mains,
                       const struct mg_sim_phase *phase,
                       struct mg_sim_truth_power *ret)
{
    double omega = 2e-3 * PI * (double)mains->frequency_mhz;
    struct cut cut = cut_of((enum mg_sim_shape)mains->shape);
    struct tones u, i;
    make_tones(mains, phase, &u, &i);
    *ret = (struct mg_sim_truth_power){.p = 0.0};
    i.dc += cut.dc * SQRT2 * i.tone[0].rms;
    /* The cut fundamental is two tones, a quarter turn apart. */
    struct tone ahead = i.tone[0];
    ahead.rms *= cut.cosine;
    ahead.phase += MG_TURN_QUARTER;
    i.tone[0].rms *= cut.sine;
    for (unsigned a = 0; a < u.n; a++) {
        for (unsigned b = 0; b < i.n; b++) {
            add_pair(ret, &u.tone[a], &i.tone[b], omega);
        }
        if (ahead.rms != 0.0) {
            add_pair(ret, &u.tone[a], &ahead, omega);
        }
    }
    ret->p += u.dc * i.dc;
    add_dc(ret, u.dc, &i, omega);
    add_dc(ret, i.dc, &u, omega);
}

void mg_sim_truth_set(struct mg_sim_truth *truth,
                      const struct mg_sim_mains *mains, unsigned n_lanes)
{
    if (truth->has_power && mg_sim_mains_is_same(&truth->mains, mains)) {
        return;
    }
    truth->has_power = true;
    truth->mains = *mains;
    for (unsigned k = 0; k < n_lanes; k++) {
        make_power(mains, &mains->phase[k], &truth->power[k]);
    }
}

/* ---- Energy ---- */

static void add(struct mg_sim_energy *e, int64_t nj)
{
    e->rest_nj += nj;
    e->mwh += e->rest_nj / NJ_PER_MWH;
    e->rest_nj %= NJ_PER_MWH;
}

static int64_t in_nj(double joule)
{
    double nj = joule * 1e9;
    return (int64_t)(nj < 0.0 ? nj - 0.5 : nj + 0.5);
}

/* What the mean power says decides the direction: ripple makes none. */
static void add_both(struct mg_sim_energies *e, double p, double q,
                     int64_t p_nj, int64_t q_nj)
{
    if (p < 0.0) {
        add(&e->export, -p_nj);
    } else {
        add(&e->import, p_nj);
    }
    if (q < 0.0) {
        add(&e->q_export, -q_nj);
    } else {
        add(&e->q_import, q_nj);
    }
}

static struct mg_sim_truth_corner corner_at(mg_phase_turn x)
{
    struct mg_sim_truth_corner at;
    mg_sincos(x, &at.s1, &at.c1);
    mg_sincos(2 * x, &at.s2, &at.c2);
    return at;
}

static double ripple(const struct mg_sim_truth_power *p,
                     const struct mg_sim_truth_corner *at)
{
    return p->once_sin * at->s1 + p->once_cos * at->c1 + p->twice_sin * at->s2 +
           p->twice_cos * at->c2;
}

void mg_sim_truth_tick(struct mg_sim_truth *truth, unsigned n_lanes,
                       mg_phase_turn x, mg_phase_turn step, uint32_t n_samples,
                       uint32_t rate_mhz)
{
    double seconds = n_samples * 1e3 / rate_mhz;
    /* A sample stands for the time half a step around it. */
    mg_phase_turn begin = x - step / 2;
    mg_phase_turn end = begin + n_samples * step;
    struct mg_sim_truth_corner from =
        truth->has_corner && truth->corner_at == begin ? truth->corner
                                                       : corner_at(begin);
    struct mg_sim_truth_corner to = corner_at(end);
    truth->has_corner = true;
    truth->corner_at = end;
    truth->corner = to;
    for (unsigned c = 0; 3 * c < n_lanes; c++) {
        double p = 0.0;
        double q = 0.0;
        int64_t p_nj = 0;
        int64_t q_nj = 0;
        for (unsigned k = 3 * c; k < n_lanes && k < 3 * c + 3; k++) {
            const struct mg_sim_truth_power *power = &truth->power[k];
            int64_t of_p = in_nj(power->p * seconds + ripple(power, &to) -
                                 ripple(power, &from));
            int64_t of_q = in_nj(power->q * seconds);
            add_both(&truth->phase[k], power->p, power->q, of_p, of_q);
            p += power->p;
            q += power->q;
            p_nj += of_p;
            q_nj += of_q;
        }
        add_both(&truth->circuit[c], p, q, p_nj, q_nj);
    }
}

double mg_sim_energy_wh(const struct mg_sim_energy *energy)
{
    return (double)energy->mwh * 1e-3 + (double)energy->rest_nj / 3.6e12;
}
