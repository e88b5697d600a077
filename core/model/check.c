#include "model/check.h"

#include <string.h>

#include "model/channel.h"

#define MS_PER_HOUR 3600000
#define NS_PER_MS   1000000

enum verdict {
    VERDICT_NONE, /* no counter, or not GOOD */
    VERDICT_FINE,
    VERDICT_OLD, /* lower, of a sample that was overtaken */
    VERDICT_DOWN,
    VERDICT_JUMP
};

/* ---- Arithmetic that ends at the limit instead of overflowing ---- */

static int64_t mul(int64_t a, int64_t b)
{
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

static int64_t add(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static bool is_beyond(int64_t value, int64_t limit)
{
    return limit > 0 && (value > limit || value < -limit);
}

/* ---- Limits ---- */

/* mV * mA = 1e-6 W; 0: no limit */
static int64_t max_power_mw(const struct mg_check_limits *l)
{
    int64_t uw = mul(l->max_voltage_mv, l->max_current_ma);
    return mul(uw / 1000, l->n_phases);
}

/* What that power makes of that time, in 1e-3 Wh, rounded up. Split, since
 * power times milliseconds of some years needs more than 63 bits. */
static int64_t max_energy_mwh(int64_t power_mw, int64_t dt_ms)
{
    int64_t hours = dt_ms / MS_PER_HOUR;
    int64_t rest_ms = dt_ms % MS_PER_HOUR;
    int64_t of_rest = power_mw / MS_PER_HOUR * rest_ms +
                      power_mw % MS_PER_HOUR * rest_ms / MS_PER_HOUR + 1;
    return add(mul(power_mw, hours), of_rest);
}

/* @return 0: none */
static int64_t gauge_limit(const struct mg_check_limits *l, mg_channel channel)
{
    unsigned phase = mg_channel_phase(channel);
    switch (mg_channel_unit(channel)) {
    case MG_UNIT_MV:
        return mg_channel_quantity(channel) == MG_Q_VOLTAGE_LL
                   ? mul(l->max_voltage_mv, 2)
                   : l->max_voltage_mv;
    case MG_UNIT_MA:
        return phase == MG_PHASE_TOTAL || phase == MG_PHASE_N
                   ? mul(l->max_current_ma, l->n_phases)
                   : l->max_current_ma;
    case MG_UNIT_MW:
    case MG_UNIT_MVAR:
    case MG_UNIT_MVA:
        return max_power_mw(l);
    case MG_UNIT_PF:
        return 10000;
    default:
        return 0;
    }
}

static void report(struct mg_check_report *r, enum mg_check_event event,
                   const struct mg_value *v, int64_t before, int64_t limit)
{
    bool is_first = r->event == MG_CHECK_NOTHING;
    if (is_first || event == MG_CHECK_NEW_EPOCH) {
        *r = (struct mg_check_report){event, v->channel, before, v->value,
                                      limit};
    }
}

static void check_gauges(const struct mg_check_limits *limits,
                         struct mg_sample *sample, struct mg_check_report *r)
{
    for (size_t i = 0; i < sample->n_values; i++) {
        struct mg_value *v = &sample->values[i];
        if (v->quality != MG_QUALITY_GOOD ||
            mg_channel_kind(v->channel) != MG_KIND_GAUGE) {
            continue;
        }
        int64_t limit = gauge_limit(limits, v->channel);
        if (is_beyond(v->value, limit)) {
            v->quality = MG_QUALITY_IMPLAUSIBLE;
            report(r, MG_CHECK_RANGE, v, 0, limit);
        }
    }
}

/* ---- Counters ---- */

/* One look at a sample: what it is compared with, and what came out. */
struct look {
    struct mg_check_state *state;
    struct mg_sample *sample;
    int64_t max_power_mw;
    uint8_t verdicts[MG_SAMPLE_VALUES_MAX];
    size_t hint; /* counters mostly come in the order of `last` */
    size_t n_fine, n_contradicting;
    size_t first_down, first_contradiction; /* index of value */
};

static bool is_counter(const struct mg_value *v)
{
    return v->quality == MG_QUALITY_GOOD &&
           mg_channel_kind(v->channel) == MG_KIND_COUNTER;
}

/* @return index into last; state->n: not there */
static size_t find_last(const struct mg_check_state *state, size_t hint,
                        mg_channel channel)
{
    if (hint < state->n && state->last[hint].channel == channel) {
        return hint;
    }
    size_t i = 0;
    while (i < state->n && state->last[i].channel != channel) {
        i++;
    }
    return i;
}

static size_t find_suspect(const struct mg_check_state *state,
                           mg_channel channel)
{
    size_t i = 0;
    while (i < state->n_suspects && state->suspect[i].channel != channel) {
        i++;
    }
    return i;
}

/* The most an energy may have grown; INT64_MAX: nothing is known. */
static int64_t max_growth(const struct look *k, mg_channel channel,
                          int64_t dt_ms, int64_t steps)
{
    if (k->max_power_mw <= 0 || dt_ms < 0 ||
        mg_channel_unit(channel) == MG_UNIT_COUNT) {
        return INT64_MAX;
    }
    int64_t energy =
        max_energy_mwh(k->max_power_mw, add(dt_ms, MG_CHECK_SLACK_MS));
    return add(energy, steps);
}

static bool has_grown_beyond(int64_t before, int64_t after, int64_t limit)
{
    int64_t growth;
    return limit != INT64_MAX &&
           (__builtin_sub_overflow(after, before, &growth) || growth > limit);
}

/* @return negative: the time between them is not known */
static int64_t ms_since_last(const struct mg_check_state *state, size_t i,
                             const struct mg_sample *sample)
{
    if (state->last[i].mono_ns == 0) {
        int64_t dt_ms;
        bool is_over = __builtin_sub_overflow(sample->utc_ms,
                                              state->last[i].utc_ms, &dt_ms);
        return is_over ? -1 : dt_ms;
    }
    if (sample->mono_ns < state->last[i].mono_ns) {
        return -1;
    }
    return (int64_t)((sample->mono_ns - state->last[i].mono_ns) / NS_PER_MS) +
           1;
}

static int64_t growth_limit(const struct look *k, size_t i,
                            const struct mg_value *v)
{
    return max_growth(k, v->channel, ms_since_last(k->state, i, k->sample),
                      add(k->state->last[i].resolution, v->resolution));
}

static enum verdict judge(struct look *k, const struct mg_value *v)
{
    if (!is_counter(v)) {
        return VERDICT_NONE;
    }
    size_t i = find_last(k->state, k->hint, v->channel);
    k->hint = i + 1;
    if (i == k->state->n) {
        return VERDICT_FINE;
    }
    if (v->value < k->state->last[i].value) {
        return k->sample->mono_ns < k->state->last[i].mono_ns ? VERDICT_OLD
                                                              : VERDICT_DOWN;
    }
    return has_grown_beyond(k->state->last[i].value, v->value,
                            growth_limit(k, i, v))
               ? VERDICT_JUMP
               : VERDICT_FINE;
}

static void judge_all(struct look *k)
{
    k->first_down = k->first_contradiction = MG_SAMPLE_VALUES_MAX;
    for (size_t i = 0; i < k->sample->n_values; i++) {
        enum verdict verdict = judge(k, &k->sample->values[i]);
        k->verdicts[i] = (uint8_t)verdict;
        k->n_fine += verdict == VERDICT_FINE;
        if (verdict != VERDICT_DOWN && verdict != VERDICT_JUMP) {
            continue;
        }
        if (k->n_contradicting++ == 0) {
            k->first_contradiction = i;
        }
        if (verdict == VERDICT_DOWN && k->first_down == MG_SAMPLE_VALUES_MAX) {
            k->first_down = i;
        }
    }
}

/* ---- Levels that contradict, and whether they last ---- */

static bool is_contradicting(const struct look *k, size_t i)
{
    return k->verdicts[i] == VERDICT_DOWN || k->verdicts[i] == VERDICT_JUMP;
}

/* Whether the value could follow the level that was suspect before. */
static bool follows_suspect(const struct look *k, const struct mg_value *v,
                            size_t at)
{
    int64_t before = k->state->suspect[at].value;
    uint64_t then_ns = k->state->suspect[at].mono_ns;
    if (k->sample->mono_ns <= then_ns || v->value < before) {
        return false;
    }
    int64_t dt_ms = (int64_t)((k->sample->mono_ns - then_ns) / NS_PER_MS) + 1;
    int64_t limit = max_growth(k, v->channel, dt_ms, mul(v->resolution, 2));
    return !has_grown_beyond(before, v->value, limit);
}

/* Each suspect level must go on plausibly, and one at least must be seen. */
static bool is_confirming(const struct look *k)
{
    size_t n_following = 0;
    for (size_t i = 0; i < k->sample->n_values; i++) {
        const struct mg_value *v = &k->sample->values[i];
        size_t at = is_contradicting(k, i) ? find_suspect(k->state, v->channel)
                                           : k->state->n_suspects;
        if (at == k->state->n_suspects) {
            continue;
        }
        if (!follows_suspect(k, v, at)) {
            return false;
        }
        n_following++;
    }
    return n_following > 0;
}

static void note_suspects(struct look *k)
{
    struct mg_check_state *s = k->state;
    for (size_t i = 0; i < k->sample->n_values; i++) {
        const struct mg_value *v = &k->sample->values[i];
        size_t at = is_contradicting(k, i) ? find_suspect(s, v->channel)
                                           : MG_CHECK_COUNTERS_MAX;
        if (at >= MG_CHECK_COUNTERS_MAX) {
            continue;
        }
        if (at == s->n_suspects) {
            s->n_suspects++;
        }
        s->suspect[at].channel = v->channel;
        s->suspect[at].value = v->value;
        s->suspect[at].mono_ns = k->sample->mono_ns;
    }
}

static void forget_suspects(struct mg_check_state *state)
{
    state->n_suspects = 0;
    state->n_confirmed = 0;
}

/* @return true: the new level has lasted long enough to be believed */
static bool has_lasted(struct look *k)
{
    if (k->n_contradicting == 0) {
        /* A sample without counters neither confirms nor denies. */
        if (k->n_fine > 0) {
            forget_suspects(k->state);
        }
        return false;
    }
    if (is_confirming(k)) {
        k->state->n_confirmed++;
    } else {
        k->state->n_suspects = 0;
        k->state->n_confirmed = 1;
    }
    note_suspects(k);
    return k->state->n_confirmed >= MG_CHECK_CONFIRM;
}

/* ---- Outcome ---- */

static void open_epoch(struct mg_check_state *state)
{
    state->epoch++;
    state->n = 0;
    forget_suspects(state);
}

/* Remember a counter that is about to be published as GOOD.
 * @return false: it must not be, for want of room or because the sample has a
 * higher value of the same channel already */
static bool take_over(struct look *k, const struct mg_value *v)
{
    struct mg_check_state *s = k->state;
    size_t i = find_last(s, k->hint, v->channel);
    k->hint = i + 1;
    if (i == MG_CHECK_COUNTERS_MAX ||
        (i < s->n && v->value < s->last[i].value)) {
        return false;
    }
    uint64_t mono_ns = k->sample->mono_ns;
    if (i == s->n) {
        s->n++;
    } else if (mono_ns < s->last[i].mono_ns) {
        mono_ns = s->last[i].mono_ns; /* a late sample makes nothing older */
    }
    s->last[i].channel = v->channel;
    s->last[i].value = v->value;
    s->last[i].resolution = v->resolution;
    s->last[i].utc_ms = k->sample->utc_ms;
    s->last[i].mono_ns = mono_ns;
    return true;
}

static void take_over_all(struct look *k)
{
    k->hint = 0;
    for (size_t i = 0; i < k->sample->n_values; i++) {
        struct mg_value *v = &k->sample->values[i];
        if (is_counter(v) && !take_over(k, v)) {
            v->quality = MG_QUALITY_IMPLAUSIBLE;
        }
    }
}

static void report_counter(const struct look *k, enum mg_check_event event,
                           size_t index, struct mg_check_report *r)
{
    const struct mg_value *v = &k->sample->values[index];
    size_t i = find_last(k->state, 0, v->channel);
    int64_t before = k->state->last[i].value;
    int64_t limit = k->verdicts[index] == VERDICT_DOWN
                        ? before
                        : add(before, growth_limit(k, i, v));
    report(r, event, v, before, limit);
}

static void mark_contradictions(struct look *k, struct mg_check_report *r)
{
    for (size_t i = 0; i < k->sample->n_values; i++) {
        struct mg_value *v = &k->sample->values[i];
        if (k->verdicts[i] == VERDICT_OLD) {
            v->quality = MG_QUALITY_STALE;
        } else if (is_contradicting(k, i)) {
            bool is_down = k->verdicts[i] == VERDICT_DOWN;
            report_counter(k, is_down ? MG_CHECK_COUNTER_DOWN : MG_CHECK_JUMP,
                           i, r);
            v->quality = MG_QUALITY_IMPLAUSIBLE;
        }
    }
}

static void check_counters(const struct mg_check_limits *limits,
                           bool is_clear_expected, struct look *k,
                           struct mg_check_report *r)
{
    k->max_power_mw = max_power_mw(limits);
    judge_all(k);
    size_t cause = MG_SAMPLE_VALUES_MAX;
    if (is_clear_expected && k->first_down < MG_SAMPLE_VALUES_MAX) {
        cause = k->first_down;
    } else if (has_lasted(k)) {
        cause = k->first_contradiction;
    }
    if (cause < MG_SAMPLE_VALUES_MAX) {
        report_counter(k, MG_CHECK_NEW_EPOCH, cause, r);
        open_epoch(k->state);
    } else {
        mark_contradictions(k, r);
    }
    take_over_all(k);
}

/* What was restored may come from a damaged file. */
static void mend(struct mg_check_state *state)
{
    if (state->n > MG_CHECK_COUNTERS_MAX) {
        state->n = 0;
    }
    if (state->n_suspects > MG_CHECK_COUNTERS_MAX) {
        forget_suspects(state);
    }
    if (state->epoch == 0) {
        state->epoch = 1;
    }
}

void mg_check_sample(struct mg_check_state *state,
                     const struct mg_check_limits *limits,
                     bool is_clear_expected, struct mg_sample *sample,
                     struct mg_check_report *ret_report)
{
    *ret_report = (struct mg_check_report){.event = MG_CHECK_NOTHING};
    mend(state);
    check_gauges(limits, sample, ret_report);
    struct look look = {.state = state, .sample = sample};
    check_counters(limits, is_clear_expected, &look, ret_report);
    sample->epoch = state->epoch;
}

bool mg_check_serial(struct mg_check_state *state, const char *serial,
                     size_t len)
{
    mend(state);
    if (len == 0) {
        return false;
    }
    if (len >= sizeof state->serial) {
        len = sizeof state->serial - 1;
    }
    bool is_known = state->serial[0] != '\0';
    if (is_known && strnlen(state->serial, sizeof state->serial) == len &&
        memcmp(state->serial, serial, len) == 0) {
        return false;
    }
    memset(state->serial, 0, sizeof state->serial);
    memcpy(state->serial, serial, len);
    if (is_known) {
        open_epoch(state);
    }
    return is_known;
}
