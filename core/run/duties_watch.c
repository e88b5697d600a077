/* What the readings of a station's meter show: overload, welded contacts,
 * voltages, the faults that the meter itself tells, and when it has started. */
#include <stdio.h>

#include "run/can_priv.h"
#include "run/duties_priv.h"
#include "run/seal.h"
#include "run/session_priv.h"

#define SAVE_POWER_NS (10 * 1000000000ULL)

static bool good_value(const struct mg_sample *s, mg_channel channel,
                       int64_t *ret)
{
    const struct mg_value *v = mg_sample_find(s, channel);
    if (v == NULL || v->quality != MG_QUALITY_GOOD) {
        return false;
    }
    *ret = v->value;
    return true;
}

/* Of the lines, or of the only phase. @return how many */
static unsigned phases(const struct mg_sample *s, enum mg_quantity q,
                       int64_t ret[3])
{
    unsigned n = 0;
    for (unsigned phase = MG_PHASE_L1; phase <= MG_PHASE_L3; phase++) {
        n += good_value(s, MG_CHANNEL(q, phase, 0, 0), &ret[n]);
    }
    if (n == 0) {
        n += good_value(s, MG_CHANNEL(q, MG_PHASE_TOTAL, 0, 0), &ret[n]);
    }
    return n;
}

static void watch_meter_bits(struct duties *d, const struct mg_sample *s)
{
    const struct mg_can_driver *can = d->meter->setup->plugin->driver->can;
    struct mg_fault_set told = {0}, there = {0};
    int64_t bits;
    if (can == NULL || !good_value(s, MG_CH(ERROR_WORD, TOTAL), &bits)) {
        return;
    }
    for (size_t i = 0; i < can->n_faults; i++) {
        enum mg_fault_id id;
        if (mg_fault_find(can->faults[i].fault, &id) == MG_OK) {
            (void)mg_fault_raise(&told, id);
            if ((bits >> can->faults[i].bit & 1) != 0) {
                (void)mg_fault_raise(&there, id); /* any of several bits */
            }
        }
    }
    for (unsigned i = 0; i < MG_N_FAULTS; i++) {
        enum mg_fault_id id = (enum mg_fault_id)i;
        if (mg_fault_is_active(&told, id)) {
            mg_duties_fault(d->meter, id, mg_fault_is_active(&there, id),
                            "the meter says so");
        }
    }
}

static void act_on_overload(struct duties *d, struct mg_overload_step step)
{
    struct meter *m = d->meter;
    const struct mg_overload *o = &d->kept.overload;
    if (step.action == MG_OVERLOAD_OPEN) {
        d->kept.is_tripped = true;
        mg_relays_wish(d, WISH_OPEN);
    } else if (step.action == MG_OVERLOAD_CLOSE) {
        d->kept.is_tripped = false;
        mg_relays_wish(d, mg_relays_wanted(
                              d)); /* the session may have gone on to its end */
    }
    mg_duties_fault(m, MG_FAULT_AC_OVER_CURRENT_SOFT, mg_overload_is_soft(o),
                    "a phase reached 1.25 times the limit");
    mg_duties_fault(m, MG_FAULT_AC_OVER_CURRENT, mg_overload_is_latched(o),
                    "the overload came back after three attempts; a minute "
                    "without power clears it");
    if (step.is_changed) {
        mg_duties_save(d);
    }
}

void mg_duties_tick(struct meter *m)
{
    if (m->duties != NULL && m->setup->session.current_limit_ma != 0) {
        act_on_overload(
            m->duties,
            mg_overload_tick(&m->duties->kept.overload,
                             (int64_t)(mg_duties_now_ns(m->duties) / 1000000)));
    }
}

static void nobody(void *ctx, const struct mg_session_result *result)
{
    (void)ctx;
    (void)result; /* looked at again with the next reading */
}

/* The session follows what the overload rule has done to the relays. */
static void lead_session(struct duties *d)
{
    struct meter *m = d->meter;
    const struct session *s = m->session;
    if (s == NULL || s->kept.phase != PHASE_ACTIVE || s->has_request) {
        return;
    }
    struct mg_session_request r = {.verb = MG_VERB_END, .reason = 'A'};
    (void)snprintf(r.transaction, sizeof r.transaction, "%s",
                   s->kept.request.transaction);
    if (mg_overload_is_latched(&d->kept.overload)) {
        mg_gateway_session(m->gateway, m->index, &r, nobody, NULL);
    } else if (d->kept.is_tripped ? !s->kept.is_suspended
                                  : d->kept.has_suspended) {
        r.verb = d->kept.is_tripped ? MG_VERB_SUSPEND : MG_VERB_RESUME;
        r.reason = 0;
        d->kept.has_suspended = d->kept.is_tripped || s->kept.is_suspended;
        mg_duties_save(d);
        mg_gateway_session(m->gateway, m->index, &r, nobody, NULL);
    }
}

static void watch_contact(struct duties *d, const struct mg_sample *s,
                          const int64_t ma[3], unsigned n)
{
    const struct mg_can_driver *can = d->meter->setup->plugin->driver->can;
    int64_t closed;
    if (can == NULL || !good_value(s, MG_CH(RELAY_CLOSED, TOTAL), &closed)) {
        return;
    }
    if (mg_welded_sample(&d->kept.welded, closed == 0, ma, n,
                         can->starting_current_ma)) {
        mg_duties_save(d);
    }
    if (d->kept.welded.is_latched) {
        mg_duties_fault(d->meter, MG_FAULT_WELDED_CONTACT, true,
                        "current flows through open relays");
    }
}

static void watch_currents(struct duties *d, const struct mg_sample *s)
{
    int64_t ma[3] = {0};
    int64_t now_ms = (int64_t)(mg_duties_now_ns(d) / 1000000);
    unsigned n = phases(s, MG_Q_CURRENT, ma);
    struct meter *m = d->meter;
    if (n == 0) {
        return;
    }
    uint32_t limit_ma = m->setup->session.current_limit_ma;
    if (limit_ma != 0) {
        act_on_overload(
            d, mg_overload_sample(&d->kept.overload, limit_ma, ma, n, now_ms));
    }
    if (mg_balance_sample(&d->balance, MG_BALANCE_LIMIT_MA, ma, n, now_ms)) {
        mg_duties_fault(m, MG_FAULT_CIRCUIT_DISTRIBUTION_ERROR,
                        d->balance.is_there,
                        "the currents of the phases differ by more than 20 A");
    }
    watch_contact(d, s, ma, n);
}

static void watch_voltages(struct duties *d, const struct mg_sample *s)
{
    int64_t mv[3] = {0};
    unsigned n = phases(s, MG_Q_VOLTAGE, mv);
    if (n == 0 ||
        !mg_voltage_watch_sample(&d->voltage, MG_VOLTAGE_NOMINAL_MV, mv, n,
                                 (int64_t)(mg_duties_now_ns(d) / 1000000))) {
        return;
    }
    mg_duties_fault(d->meter, MG_FAULT_INPUT_OVERVOLTAGE,
                    d->voltage.over.is_there, "above 115 % of 230 V");
    mg_duties_fault(d->meter, MG_FAULT_INPUT_UNDERVOLTAGE,
                    d->voltage.under.is_there, "below 80 % of 230 V");
}

void mg_duties_heard(struct meter *m, uint32_t boot, uint64_t uptime_ms)
{
    struct duties *d = m->duties;
    if (d == NULL) {
        return;
    }
    int64_t off_ms = mg_power_watch_heard(&d->kept.power, boot, uptime_ms,
                                          mg_clock_utc_ms(m->gateway->clock));
    if (off_ms < 0) {
        /* How long it will have been off must be known to some seconds, also
         * if the gateway goes off with it. */
        if (mg_overload_is_latched(&d->kept.overload) &&
            mg_duties_now_ns(m->duties) - d->saved_ns >= SAVE_POWER_NS) {
            mg_duties_save(d);
        }
        return;
    }
    if (mg_overload_power_cycle(&d->kept.overload, true, off_ms)) {
        act_on_overload(d, (struct mg_overload_step){.is_changed = true});
    }
    if (off_ms >= MG_OVERLOAD_OFF_MS) {
        mg_duties_release(m, MG_FAULT_AT_POWER_CYCLE);
    }
    /* A meter closes its relays when it starts; not all are to be closed. */
    if (mg_relays_wanted(d) == WISH_OPEN) {
        mg_relays_wish(d, WISH_OPEN);
    }
    mg_duties_save(d);
}

void mg_duties_sample(struct meter *m, const struct mg_sample *s)
{
    struct duties *d = m->duties;
    if (d == NULL || s->group != MG_GROUP_LIVE) {
        return;
    }
    watch_meter_bits(d, s);
    watch_currents(d, s);
    watch_voltages(d, s);
    lead_session(d);
    mg_relays_switch(d);
    if (m->must_seal) {
        mg_seal_check(m);
    }
}
