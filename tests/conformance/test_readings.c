/* Readings: what the driver asks is answered and understood; what a channel is
 * set to is what is read; one meter is not another. */
#include <inttypes.h>
#include <string.h>

#include "device.h"
#include "model/channel.h"

#define STEPS 40

static const char *key_of(mg_channel channel, char key[MG_CHANNEL_KEY_MAX])
{
    return mg_channel_key(channel, key) == MG_OK ? key : "?";
}

void test_readings(struct device *d)
{
    struct mg_sample sample;
    char key[MG_CHANNEL_KEY_MAX];
    device_run(d, 3000);
    device_read_all(d, &sample);
    if (sample.n_values != d->plan.n_points) {
        fail(d, "%u values of %zu points", sample.n_values, d->plan.n_points);
    }
    for (size_t i = 0; i < sample.n_values; i++) {
        const struct mg_value *v = &sample.values[i];
        if (v->quality != MG_QUALITY_GOOD) {
            fail(d, "%s is %s on a healthy meter", key_of(v->channel, key),
                 mg_quality_text(v->quality));
        }
        for (size_t k = 0; k < i; k++) {
            if (sample.values[k].channel == v->channel) {
                fail(d, "%s is read twice", key_of(v->channel, key));
            }
        }
    }
}

static int64_t distance(int64_t a, int64_t b)
{
    return a > b ? a - b : b - a;
}

static void check_set(struct device *d, const struct mg_plan_point *p,
                      int64_t value, int64_t tolerance)
{
    struct mg_sample sample = {0};
    char key[MG_CHANNEL_KEY_MAX];
    if (d->firmware->set(d->state, p->channel, value) != MG_OK) {
        fail(d, "%s cannot be set to %" PRId64, key_of(p->channel, key), value);
        return;
    }
    device_read(d, &d->plan.blocks[p->block], &sample);
    const struct mg_value *v = mg_sample_find(&sample, p->channel);
    if (v == NULL || v->quality != MG_QUALITY_GOOD) {
        fail(d, "%s set to %" PRId64 " is not good", key_of(p->channel, key),
             value);
    } else if (distance(v->value, value) > tolerance + v->resolution) {
        fail(d, "%s set to %" PRId64 " reads %" PRId64, key_of(p->channel, key),
             value, v->value);
    }
}

/* Everything but this one channel must be as before. */
static void check_others(const struct device *d, mg_channel channel,
                         const struct mg_sample *before,
                         const struct mg_sample *after)
{
    char key[MG_CHANNEL_KEY_MAX];
    char other[MG_CHANNEL_KEY_MAX];
    for (size_t i = 0; i < before->n_values; i++) {
        const struct mg_value *b = &before->values[i];
        const struct mg_value *a = &after->values[i];
        if (b->channel != channel &&
            (a->value != b->value || a->quality != b->quality)) {
            fail(d, "setting %s changes %s from %" PRId64 " to %" PRId64,
                 key_of(channel, key), key_of(b->channel, other), b->value,
                 a->value);
        }
    }
}

/* What a meter measures and counts must have a back door; what it is told by
 * its surroundings (clock, place, name) need not. */
static bool needs_range(mg_channel channel)
{
    return mg_channel_kind(channel) != MG_KIND_STATE &&
           mg_channel_unit(channel) != MG_UNIT_UNIX_S;
}

static void sweep_point(struct device *d, const struct mg_plan_point *p)
{
    static struct mg_sample before, after;
    char key[MG_CHANNEL_KEY_MAX];
    int64_t lo;
    int64_t hi;
    int64_t tolerance;
    if (d->firmware->range(p->channel, &lo, &hi, &tolerance) != MG_OK) {
        if (needs_range(p->channel)) {
            fail(d, "the firmware has no range for %s",
                 key_of(p->channel, key));
        }
        return;
    }
    if (lo > hi || tolerance < 0) {
        fail(d, "%s: range %" PRId64 " to %" PRId64, key_of(p->channel, key),
             lo, hi);
        return;
    }
    device_read_all(d, &before);
    for (int64_t i = 0; i <= STEPS; i++) {
        int64_t whole = (hi - lo) / STEPS;
        int64_t rest = (hi - lo) % STEPS;
        check_set(d, p, lo + whole * i + rest * i / STEPS, tolerance);
    }
    device_read_all(d, &after);
    check_others(d, p->channel, &before, &after);
}

void test_sweep(struct device *d)
{
    for (size_t i = 0; i < d->plan.n_points; i++) {
        sweep_point(d, &d->plan.points[i]);
    }
}

void test_independence(struct device *d)
{
    struct device other;
    struct mg_sample first;
    struct mg_sample second;
    device_init(&other, d->plugin, d->options, d->label);
    device_read_all(d, &first);
    for (size_t i = 0; i < other.plan.n_points; i++) {
        int64_t lo;
        int64_t hi;
        int64_t tolerance;
        mg_channel c = other.plan.points[i].channel;
        if (other.firmware->range(c, &lo, &hi, &tolerance) == MG_OK) {
            (void)other.firmware->set(other.state, c, hi);
        }
    }
    (void)other.firmware->fault(other.state, MG_FW_FAULT_NAN);
    device_run(&other, 1000);
    device_read_all(d, &second);
    check_others(d, 0xffffffff, &first, &second);
    device_fini(&other);
}

/* Whether anything is counted, or flows, that was not before. */
static bool has_moved(const struct mg_sample *before,
                      const struct mg_sample *after)
{
    for (size_t i = 0; i < before->n_values; i++) {
        mg_channel c = before->values[i].channel;
        bool tells = mg_channel_kind(c) == MG_KIND_COUNTER ||
                     mg_channel_unit(c) == MG_UNIT_MA ||
                     mg_channel_unit(c) == MG_UNIT_MW;
        if (tells && after->values[i].value != before->values[i].value) {
            return true;
        }
    }
    return false;
}

/* What flows in the other circuit of the device is not this meter's. */
void test_circuits(struct device *d)
{
    static struct mg_sample before, other, own;
    if (d->plugin->circuit == NULL) {
        return;
    }
    device_run(d, 3000);
    device_read_all(d, &before);
    device_run_circuit(d, 1U - d->circuit, 60000);
    device_read_all(d, &other);
    device_run_circuit(d, d->circuit, 60000);
    device_read_all(d, &own);
    if (has_moved(&before, &other)) {
        fail(d, "circuit %u sees the load of the other one", d->circuit);
    }
    if (!has_moved(&other, &own)) {
        fail(d, "circuit %u does not see its own load", d->circuit);
    }
}
