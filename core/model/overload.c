#include "model/overload.h"

/* So that five times it does not overflow; no meter shows a billion amperes. */
#define MAX_MA (INT64_C(1) << 40)

static int64_t magnitude(int64_t ma)
{
    if (ma < -MAX_MA || ma > MAX_MA) {
        return MAX_MA;
    }
    return ma < 0 ? -ma : ma;
}

bool mg_overload_is_over(int64_t limit_ma, const int64_t *current_ma,
                         unsigned n_phases)
{
    if (limit_ma <= 0) {
        return false;
    }
    int64_t five = 5 * magnitude(limit_ma);
    for (unsigned i = 0; i < n_phases; i++) {
        if (4 * magnitude(current_ma[i]) >= five) {
            return true;
        }
    }
    return false;
}

/* ---- One function per phase: what the time asks for ---- */

static struct mg_overload_step watching(struct mg_overload *o, int64_t now_ms)
{
    struct mg_overload_step step = {0};
    if (o->is_over && now_ms - o->clear_ms >= MG_OVERLOAD_TRIP_MS) {
        step.action = MG_OVERLOAD_OPEN;
        step.is_changed = true;
        bool is_last = o->n_retries >= MG_OVERLOAD_RETRIES;
        o->phase = is_last ? MG_OVERLOAD_LATCHED : MG_OVERLOAD_TRIPPED;
        o->is_soft = !is_last;
        o->since_ms = now_ms;
    } else if (o->is_soft && !o->is_over &&
               now_ms - o->since_ms >= MG_OVERLOAD_CALM_MS) {
        o->is_soft = false;
        step.is_changed = true;
    }
    return step;
}

static struct mg_overload_step tripped(struct mg_overload *o, int64_t now_ms)
{
    struct mg_overload_step step = {0};
    if (now_ms - o->since_ms < MG_OVERLOAD_RETRY_MS) {
        return step;
    }
    step.action = MG_OVERLOAD_CLOSE;
    step.is_changed = true;
    o->phase = MG_OVERLOAD_WATCHING;
    o->n_retries++;
    o->is_over = false;
    o->since_ms = now_ms;
    o->is_known = true;
    o->clear_ms = now_ms; /* the contact was open until now */
    return step;
}

struct mg_overload_step mg_overload_tick(struct mg_overload *o, int64_t now_ms)
{
    switch ((enum mg_overload_phase)o->phase) {
    case MG_OVERLOAD_WATCHING:
        return watching(o, now_ms);
    case MG_OVERLOAD_TRIPPED:
        return tripped(o, now_ms);
    case MG_OVERLOAD_LATCHED:
        break;
    }
    return (struct mg_overload_step){0};
}

/* The contact should be open. If the current flows on, the order was lost or
 * not obeyed: it is given again, and there is nothing to resume yet. */
static struct mg_overload_step sample_open(struct mg_overload *o, bool is_over,
                                           int64_t now_ms)
{
    o->is_over = is_over;
    if (!is_over) {
        return mg_overload_tick(o, now_ms);
    }
    o->since_ms = now_ms;
    return (struct mg_overload_step){.action = MG_OVERLOAD_OPEN};
}

struct mg_overload_step mg_overload_sample(struct mg_overload *o,
                                           int64_t limit_ma,
                                           const int64_t *current_ma,
                                           unsigned n_phases, int64_t now_ms)
{
    bool is_over = mg_overload_is_over(limit_ma, current_ma, n_phases);
    if (o->phase != MG_OVERLOAD_WATCHING) {
        return sample_open(o, is_over, now_ms);
    }
    bool was_over = o->is_over;
    o->is_over = is_over;
    if (!is_over || !o->is_known) {
        o->clear_ms = now_ms;
        o->is_known = true;
    }
    struct mg_overload_step step = watching(o, now_ms);
    step.is_changed = step.is_changed || was_over != is_over;
    return step;
}

int64_t mg_overload_deadline_ms(const struct mg_overload *o)
{
    if (o->phase == MG_OVERLOAD_TRIPPED) {
        return o->since_ms + MG_OVERLOAD_RETRY_MS;
    }
    if (o->phase == MG_OVERLOAD_WATCHING && o->is_over) {
        return o->clear_ms + MG_OVERLOAD_TRIP_MS;
    }
    if (o->phase == MG_OVERLOAD_WATCHING && o->is_soft) {
        return o->since_ms + MG_OVERLOAD_CALM_MS;
    }
    return INT64_MAX;
}

void mg_overload_end(struct mg_overload *o)
{
    if (o->phase != MG_OVERLOAD_LATCHED) {
        *o = (struct mg_overload){0};
    }
}

void mg_overload_restart(struct mg_overload *o, int64_t now_ms)
{
    if (o->phase > MG_OVERLOAD_LATCHED) {
        *o = (struct mg_overload){0}; /* not a state of ours */
    }
    o->since_ms = now_ms;
    o->is_known = o->is_over;
    o->clear_ms = now_ms - MG_OVERLOAD_TRIP_MS;
    o->is_over = false; /* the next sample says */
}

bool mg_overload_power_cycle(struct mg_overload *o, bool is_new_boot,
                             int64_t off_ms)
{
    if (o->phase != MG_OVERLOAD_LATCHED || !is_new_boot ||
        off_ms < MG_OVERLOAD_OFF_MS) {
        return false;
    }
    *o = (struct mg_overload){0};
    return true;
}

bool mg_overload_is_soft(const struct mg_overload *o)
{
    return o->is_soft;
}

bool mg_overload_is_latched(const struct mg_overload *o)
{
    return o->phase == MG_OVERLOAD_LATCHED;
}
