#include "sim/transients.h"

#include <string.h>

#include "sim/rng.h"

#define SILENT_COUNTS2 1e-4 /* a ringing of less than 0.01 counts is over */

__extension__ typedef unsigned __int128 wide_turn;

bool mg_sim_has_extras(const struct mg_sim_waves *waves)
{
    return waves->shape != MG_SIM_SINE || waves->has_spikes ||
           waves->has_ringing;
}

/* ---- Shapes ---- */

/* Where a shape's cut is: the current is let through in the first half of each
 * turn of `x`. */
struct cut {
    mg_phase_turn x, step;
};

/* `turn` is where the current's fundamental is. */
static struct cut cut_at(enum mg_sim_shape shape, uint64_t n_turns,
                         mg_phase_turn turn, mg_phase_turn step)
{
    switch (shape) {
    case MG_SIM_PHASE_FIRED: /* the second quarter and the fourth */
        return (struct cut){2 * turn - MG_TURN_HALF, 2 * step};
    case MG_SIM_BURST_FIRED: /* four periods are one turn */
        return (struct cut){n_turns << 62 | turn >> 2, step >> 2};
    case MG_SIM_SINE:
    case MG_SIM_HALF_WAVE:
    default:
        return (struct cut){turn, step};
    }
}

/* How far a sample is behind its nearest edge, in turns of the fundamental. */
static int64_t behind_edge(enum mg_sim_shape shape, mg_phase_turn x)
{
    int64_t behind = (int64_t)x;
    switch (shape) {
    case MG_SIM_PHASE_FIRED:
        return behind / 2;
    case MG_SIM_BURST_FIRED:
        return behind * 4;
    case MG_SIM_SINE:
    case MG_SIM_HALF_WAVE:
    default:
        return behind;
    }
}

/* The mean of the sine over what is let through of a sample's time, as a part
 * of what the mean over all of it leaves of a sine: sums of such samples are
 * what they must be, wherever the edges are. */
static double at_edge(enum mg_sim_shape shape, const struct cut *cut,
                      mg_phase_turn turn, mg_phase_turn step)
{
    bool is_opening = cut->x + MG_TURN_QUARTER < MG_TURN_HALF;
    mg_phase_turn from_edge = is_opening ? cut->x : cut->x - MG_TURN_HALF;
    mg_phase_turn edge = turn - (mg_phase_turn)behind_edge(shape, from_edge);
    double half, s, c, c_from, c_to;
    mg_sincos(step / 2, &half, &c);
    mg_sincos(is_opening ? edge : turn - step / 2, &s, &c_from);
    mg_sincos(is_opening ? turn + step / 2 : edge, &s, &c_to);
    return (c_from - c_to) / (2.0 * half);
}

static void make_gate(const struct mg_sim_frontend *fe, unsigned lane, size_t n,
                      struct mg_sample_extras *ret)
{
    const struct mg_sim_waves *w = &fe->waves;
    const struct mg_sim_component *i = &w->i[lane][0];
    enum mg_sim_shape shape = (enum mg_sim_shape)w->shape;
    wide_turn x = (wide_turn)fe->n_turns << 64 | fe->phase;
    x += i->phase;
    for (size_t k = 0; k < n; k++, x += w->step) {
        mg_phase_turn turn = (mg_phase_turn)x;
        struct cut cut = cut_at(shape, (uint64_t)(x >> 64), turn, w->step);
        mg_phase_turn in_half = cut.x & (MG_TURN_HALF - 1);
        mg_phase_turn left = MG_TURN_HALF - in_half;
        ret->gate[k] = shape == MG_SIM_SINE || cut.x < MG_TURN_HALF;
        if (shape != MG_SIM_SINE &&
            (in_half < cut.step / 2 || left < cut.step / 2)) {
            ret->gate[k] = 0.0;
            ret->i[k] = i->peak * at_edge(shape, &cut, turn, w->step);
        }
    }
}

/* ---- Ringing ---- */

/* exp(-x) for x >= 0, our own: Taylor of a small part, then squares. */
static double decayed(double x)
{
    if (x > 700.0) {
        return 0.0;
    }
    double small = -x / 4096.0;
    double sum = 1.0;
    for (unsigned k = 10; k > 0; k--) {
        sum = 1.0 + sum * small / k;
    }
    for (unsigned k = 0; k < 12; k++) {
        sum *= sum;
    }
    return sum;
}

static mg_phase_turn turns_of(uint64_t ns, uint32_t frequency_hz)
{
    uint64_t s = ns / 1000000000;
    uint64_t rest = ns % 1000000000;
    wide_turn of_rest = ((wide_turn)rest * frequency_hz << 32) / 1000000000;
    return (mg_phase_turn)((wide_turn)s * frequency_hz << 64) +
           ((mg_phase_turn)of_rest << 32);
}

/* The first sample at or after its start. */
static void start_ring(struct mg_sim_frontend *fe, uint64_t now_ns)
{
    const struct mg_sim_ringing *r = &fe->mains.ringing;
    const struct mg_frontend *d = fe->description;
    struct mg_sim_ring *ring = &fe->ring;
    uint64_t late_ns = now_ns - r->start_ns;
    double decay_ns = r->decay_us > 0 ? r->decay_us * 1e3 : 1.0;
    double sample_ns = 1e12 / d->rate_mhz;
    double peak = (double)r->peak_mv / d->full_scale_mv * fe->waves.full *
                  decayed((double)late_ns / decay_ns);
    double left = decayed(sample_ns / decay_ns);
    double s, c;
    mg_sincos(turns_of(late_ns, r->frequency_hz), &s, &c);
    ring->sine = peak * s;
    ring->cosine = peak * c;
    mg_sincos(turns_of((uint64_t)(sample_ns + 0.5), r->frequency_hz), &s, &c);
    ring->turn_sine = left * s;
    ring->turn_cosine = left * c;
    ring->is_started = true;
    ring->is_over = false;
}

static double next_of_ring(struct mg_sim_ring *ring)
{
    double now = ring->sine;
    double s = ring->sine * ring->turn_cosine + ring->cosine * ring->turn_sine;
    double c = ring->cosine * ring->turn_cosine - ring->sine * ring->turn_sine;
    ring->sine = s;
    ring->cosine = c;
    ring->is_over = s * s + c * c < SILENT_COUNTS2;
    return now;
}

static void add_ringing(struct mg_sim_frontend *fe, uint32_t at, size_t n,
                        struct mg_sample_extras ret[MG_LANES_MAX])
{
    const struct mg_sim_ringing *r = &fe->mains.ringing;
    struct mg_sim_ring *ring = &fe->ring;
    uint32_t rate_mhz = fe->description->rate_mhz;
    for (size_t k = 0; k < n && !ring->is_over; k++) {
        uint64_t ns = fe->now_ns +
                      (uint64_t)((at + k) * UINT64_C(1000000000000) / rate_mhz);
        if (!ring->is_started && ns >= r->start_ns) {
            start_ring(fe, ns);
        }
        if (ring->is_started && !ring->is_over) {
            double u = next_of_ring(ring);
            for (unsigned lane = 0; lane < fe->waves.n_lanes; lane++) {
                ret[lane].u[k] += u;
            }
        }
    }
}

/* ---- Spikes ---- */

/* On one phase at a time, up or down. The pauses are uniform around the mean,
 * which needs no logarithm. */
static void add_spikes(struct mg_sim_frontend *fe, size_t n,
                       struct mg_sample_extras ret[MG_LANES_MAX])
{
    const struct mg_sim_spikes *s = &fe->mains.spikes;
    const struct mg_frontend *d = fe->description;
    struct mg_sim_rng rng = {.state = fe->spike_rng};
    uint64_t mean = d->rate_mhz / 1000 / s->per_s;
    uint64_t longest = mean > 0 ? 2 * mean : 1;
    uint64_t at = fe->spike_in < longest ? fe->spike_in : longest - 1;
    for (; at < n; at += 1 + mg_sim_rng_below(&rng, longest)) {
        uint32_t chance =
            mg_sim_rng_below(&rng, (uint64_t)fe->waves.n_lanes * 2);
        double sign = (chance & 1U) != 0 ? fe->waves.full : -fe->waves.full;
        struct mg_sample_extras *x = &ret[chance / 2];
        x->u[at] += sign * (double)s->peak_mv / d->full_scale_mv;
        x->i[at] += sign * (double)s->peak_ma / d->full_scale_ma;
    }
    fe->spike_in = at - n;
    fe->spike_rng = rng.state;
}

void mg_sim_extras_make(struct mg_sim_frontend *fe, uint32_t at, size_t n,
                        struct mg_sample_extras ret[MG_LANES_MAX])
{
    for (unsigned lane = 0; lane < fe->waves.n_lanes; lane++) {
        memset(&ret[lane], 0, sizeof ret[lane]);
        make_gate(fe, lane, n, &ret[lane]);
    }
    if (fe->waves.has_ringing) {
        add_ringing(fe, at, n, ret);
    }
    if (fe->waves.has_spikes) {
        add_spikes(fe, n, ret);
    }
}
