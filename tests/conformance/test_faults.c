/* Faults of the meter: none of them may come out as a good value. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "model/channel.h"

static bool is_energy(mg_channel channel)
{
    enum mg_unit unit = mg_channel_unit(channel);
    return unit == MG_UNIT_MWH || unit == MG_UNIT_MVARH || unit == MG_UNIT_MVAH;
}

/* What is measured now, unlike what is kept. */
static bool is_measured(mg_channel channel)
{
    return mg_channel_kind(channel) == MG_KIND_GAUGE &&
           mg_channel_unit(channel) != MG_UNIT_UNIX_S;
}

/* A firmware need not know every fault; which ones, it shall say. */
static bool cause(struct device *d, enum mg_fw_fault kind)
{
    int rc = d->firmware->fault(d->state, kind);
    if (rc == MG_E_NOSUP && kind != MG_FW_FAULT_NONE) {
        (void)printf("%s: fault %d is not simulated\n", d->label, (int)kind);
    } else if (rc != MG_OK) {
        fail(d, "fault %d: code %d", (int)kind, rc);
    }
    return rc == MG_OK;
}

static void check_nan(struct device *d)
{
    struct mg_sample sample;
    char key[MG_CHANNEL_KEY_MAX];
    if (!cause(d, MG_FW_FAULT_NAN)) {
        return;
    }
    device_run(d, 1000);
    device_read_all(d, &sample);
    for (size_t i = 0; i < sample.n_values; i++) {
        const struct mg_value *v = &sample.values[i];
        if (is_measured(v->channel) && v->quality != MG_QUALITY_INVALID) {
            (void)mg_channel_key(v->channel, key);
            fail(d, "%s is %s during a measuring fault", key,
                 mg_quality_text(v->quality));
        }
    }
    (void)d->firmware->fault(d->state, MG_FW_FAULT_NONE);
    device_run(d, 3000);
    device_read_all(d, &sample);
    for (size_t i = 0; i < sample.n_values; i++) {
        if (sample.values[i].quality != MG_QUALITY_GOOD) {
            (void)mg_channel_key(sample.values[i].channel, key);
            fail(d, "%s is %s after a measuring fault", key,
                 mg_quality_text(sample.values[i].quality));
        }
    }
}

/* Energies before and after a power cycle with a fault in between. */
static void cycle(struct device *d, enum mg_fw_fault kind, bool may_be_lost)
{
    struct mg_sample before;
    struct mg_sample after;
    char key[MG_CHANNEL_KEY_MAX];
    device_run(d, 1000);
    device_read_all(d, &before);
    d->firmware->power_fail(d->state);
    if (!cause(d, kind)) {
        return;
    }
    memset(d->state, 0, d->firmware->state_size);
    d->env.utc_ms = d->utc_ms;
    d->firmware->power_on(d->state, &d->env);
    device_read_all(d, &after);
    for (size_t i = 0; i < before.n_values; i++) {
        const struct mg_value *b = &before.values[i];
        const struct mg_value *a = mg_sample_find(&after, b->channel);
        if (!is_energy(b->channel) || a == NULL) {
            continue;
        }
        (void)mg_channel_key(b->channel, key);
        bool is_kept = a->quality == MG_QUALITY_GOOD && a->value == b->value;
        bool is_lost = a->quality != MG_QUALITY_GOOD || a->value == 0;
        if (!is_kept && !(may_be_lost && is_lost)) {
            fail(d, "%s was %" PRId64 " and is %s %" PRId64 " after fault %d",
                 key, b->value, mg_quality_text(a->quality), a->value,
                 (int)kind);
        }
    }
}

/* Some energy that is not zero: one hour of current would take too long. */
static void fill(struct device *d)
{
    for (size_t i = 0; i < d->plan.n_points; i++) {
        mg_channel c = d->plan.points[i].channel;
        if (is_energy(c)) {
            (void)d->firmware->set(d->state, c, 1000000 * (int64_t)(i + 1));
        }
    }
}

static void check_clock(struct device *d)
{
    struct mg_sample sample;
    mg_channel c = MG_CH(METER_CLOCK, TOTAL);
    device_read_all(d, &sample);
    const struct mg_value *v = mg_sample_find(&sample, c);
    if (v == NULL) {
        return;
    }
    int64_t off_s = v->value - d->utc_ms / 1000;
    if (v->quality != MG_QUALITY_GOOD || off_s > 2 || off_s < -2) {
        fail(d, "the clock of a healthy meter is %" PRId64 " s off", off_s);
    }
    if (!cause(d, MG_FW_FAULT_CLOCK)) {
        return;
    }
    device_run(d, 1000);
    device_read_all(d, &sample);
    v = mg_sample_find(&sample, c);
    off_s = v->value - d->utc_ms / 1000;
    if (v->quality == MG_QUALITY_GOOD && off_s > -60 && off_s < 60) {
        fail(d, "a clock that lost its time still shows it");
    }
}

void test_faults(struct device *d)
{
    check_nan(d);
    fill(d);
    cycle(d, MG_FW_FAULT_NONE, false);
    fill(d);
    cycle(d, MG_FW_FAULT_NV_SLOT, false);
    fill(d);
    cycle(d, MG_FW_FAULT_NV_ALL, true);
    check_clock(d);
}
