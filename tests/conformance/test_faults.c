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

enum loss {
    LOSS_NONE,     /* all energies as before */
    LOSS_BOUNDED,  /* what came since the last copy that was kept */
    LOSS_ADMITTED, /* nothing that looks like an energy */
};

/* After an hour and 100 s of load (no meter saves just then) a copy that is
 * older than a quarter of it is none. */
#define LOAD_MS   3700000U
#define LOSS_PART 4

static bool is_right(const struct mg_value *before,
                     const struct mg_value *after, enum loss loss)
{
    bool is_good = after->quality == MG_QUALITY_GOOD;
    switch (loss) {
    case LOSS_NONE:
        return is_good && after->value == before->value;
    case LOSS_BOUNDED:
        return is_good && after->value <= before->value &&
               after->value >= before->value - before->value / LOSS_PART;
    case LOSS_ADMITTED:
        return !is_good || after->value == 0;
    }
    return false;
}

/* Energies of an hour before and after a power cycle with a fault of the
 * memory. @return number of energies that were not zero before */
static unsigned cycle(struct device *d, enum mg_fw_fault kind, enum loss loss)
{
    struct mg_sample before;
    struct mg_sample after;
    char key[MG_CHANNEL_KEY_MAX];
    unsigned n_energies = 0;
    device_run_loaded(d, LOAD_MS);
    device_read_all(d, &before);
    if (!cause(d, kind)) {
        return 1; /* said; nothing to judge */
    }
    device_power_cycle(d);
    device_read_all(d, &after);
    for (size_t i = 0; i < before.n_values; i++) {
        const struct mg_value *b = &before.values[i];
        const struct mg_value *a = mg_sample_find(&after, b->channel);
        if (!is_energy(b->channel) || a == NULL) {
            continue;
        }
        n_energies += b->value != 0;
        if (!is_right(b, a, loss)) {
            (void)mg_channel_key(b->channel, key);
            fail(d, "%s was %" PRId64 " and is %s %" PRId64 " after fault %d",
                 key, b->value, mg_quality_text((enum mg_quality)a->quality),
                 a->value, (int)kind);
        }
    }
    return n_energies;
}

static void check_memory(struct device *d)
{
    static const struct {
        enum mg_fw_fault kind;
        enum loss loss;
    } cases[] = {{MG_FW_FAULT_NONE, LOSS_NONE},
                 {MG_FW_FAULT_NV_SLOT, LOSS_BOUNDED},
                 {MG_FW_FAULT_NONE, LOSS_NONE},
                 {MG_FW_FAULT_NV_ALL, LOSS_ADMITTED}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cycle(d, cases[i].kind, cases[i].loss) == 0) {
            fail(d, "no energy was counted in an hour at 10 A");
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
    /* 0: without a battery, and not set since the power came. */
    bool is_set = v->quality != MG_QUALITY_GOOD || v->value != 0;
    int64_t off_s = is_set ? v->value - d->utc_ms / 1000 : 0;
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
    check_memory(d);
    check_clock(d);
}
