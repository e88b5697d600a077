/* A station's duties: the faults of its catalogue, what they block, overload
 * and welded contacts, and what of all that goes into the log book. */
#include "run/duties.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/faults.h"
#include "model/overload.h"
#include "model/station_rules.h"
#include "model/welded.h"
#include "run/can_priv.h"
#include "run/logbook.h"
#include "run/seal.h"
#include "run/session_priv.h"

#define DUTIES_VERSION 2
#define RELAY_RETRY_NS (1000 * 1000000ULL)
#define SAVE_POWER_NS  (10 * 1000000000ULL)

/* On the disk as "duties/<meter>". */
struct duties_kept {
    uint32_t version, size;
    struct mg_fault_set faults;
    struct mg_overload overload;
    struct mg_welded welded;
    struct mg_power_watch power;
    uint8_t wish;                   /* enum wish: what the relays shall do */
    bool is_tripped, has_suspended; /* by overload */
};

enum wish { WISH_NOTHING, WISH_OPEN, WISH_CLOSE };

struct duties {
    struct meter *meter;
    struct duties_kept kept;
    struct mg_condition balance;
    struct mg_voltage_watch voltage;
    bool was_offline;
    uint64_t wished_ns, saved_ns;
    bool is_switching;
    uint8_t switching; /* enum wish: which is under way */
    bool has_failed;   /* and that was said */
};

static uint64_t now_of(const struct meter *m)
{
    return mg_clock_now_ns(m->gateway->clock);
}

static bool has_duties(const struct meter *m)
{
    return (m->setup->plugin->capabilities & MG_CAP_DUTIES) != 0;
}

static void save(struct duties *d)
{
    struct mg_store *store = d->meter->gateway->store;
    char key[MG_STORE_KEY_MAX];
    uint64_t ticket;
    d->kept.version = DUTIES_VERSION;
    d->kept.size = sizeof d->kept;
    d->saved_ns = now_of(d->meter);
    mg_memory_key(d->meter, "duties", key);
    if (store != NULL &&
        mg_store_put(store, key, &d->kept, sizeof d->kept, &ticket) != MG_OK) {
        mg_log(MG_LOG_ERROR, "%s: its faults could not be stored",
               d->meter->setup->id);
    }
}

void mg_duties_load(struct meter *m)
{
    struct duties_kept kept;
    char key[MG_STORE_KEY_MAX];
    struct mg_err err;
    size_t len;
    m->duties = has_duties(m) ? calloc(1, sizeof *m->duties) : NULL;
    if (m->duties == NULL) {
        return;
    }
    m->duties->meter = m;
    mg_memory_key(m, "duties", key);
    if (mg_store_get(m->gateway->store, key, &kept, sizeof kept, &len, &err) ==
            MG_OK &&
        len == sizeof kept && kept.version == DUTIES_VERSION &&
        kept.size == sizeof kept) {
        m->duties->kept = kept;
        mg_overload_restart(&m->duties->kept.overload,
                            (int64_t)(now_of(m) / 1000000));
        (void)mg_fault_release(&m->duties->kept.faults, MG_FAULT_AT_RESTART);
    }
}

void mg_duties_stop(struct meter *m)
{
    if (m->duties != NULL && m->gateway->is_loaded) {
        save(m->duties);
    }
}

void mg_duties_free(struct meter *m)
{
    free(m->duties);
    m->duties = NULL;
}

/* ---- Faults ---- */

static void put_fault(struct mg_json *j, const struct mg_fault_row *row)
{
    mg_json_member_str(j, "fault", row->id);
    mg_json_member_str(j, "severity", mg_fault_severity_text(row->severity));
    mg_json_member_str(j, "latch", mg_fault_latch_text(row->latch));
    mg_json_member_str(j, "host_text", row->host_text);
}

void mg_duties_publish(struct meter *m)
{
    const struct duties *d = m->duties;
    if (d == NULL) {
        return;
    }
    char buf[READING_JSON_MAX];
    struct mg_json j = mg_json_init(buf, sizeof buf);
    mg_json_open(&j, '{');
    mg_json_key(&j, "faults");
    mg_json_open(&j, '[');
    for (unsigned i = 0; i < MG_N_FAULTS; i++) {
        if (mg_fault_is_active(&d->kept.faults, (enum mg_fault_id)i)) {
            mg_json_open(&j, '{');
            put_fault(&j, mg_fault_row(i));
            mg_json_close(&j, '}');
        }
    }
    mg_json_close(&j, ']');
    mg_json_member_bool(&j, "sessions_blocked",
                        mg_fault_blocking(&d->kept.faults) != NULL);
    mg_json_close(&j, '}');
    if (!j.failed) {
        mg_meter_retain(m, "faults", j.buf, j.len, 1);
    }
}

static void say_fault(struct duties *d, enum mg_fault_id id, bool is_there,
                      const char *why)
{
    const struct mg_fault_row *row = mg_fault_row(id);
    char members[1024];
    struct mg_json j = mg_json_init(members, sizeof members - 1);
    put_fault(&j, row);
    mg_json_member_bool(&j, "active", is_there);
    members[j.len] = '\0';
    enum mg_log_level level = !is_there ? MG_LOG_INFO
                              : row->severity == MG_FAULT_CRITICAL
                                  ? MG_LOG_ERROR
                                  : MG_LOG_WARN;
    mg_event(d->meter->gateway, d->meter, level, "fault",
             j.failed ? NULL : members, "%s %s%s%s", row->id,
             is_there ? "raised" : "is over", why[0] == '\0' ? "" : ": ", why);
}

static void changed(struct duties *d, enum mg_fault_id id, const char *why)
{
    save(d);
    say_fault(d, id, mg_fault_is_active(&d->kept.faults, id), why);
    mg_duties_publish(d->meter);
}

void mg_duties_fault(struct meter *m, enum mg_fault_id id, bool is_there,
                     const char *why)
{
    struct duties *d = m->duties;
    if (d != NULL && mg_fault_follow(&d->kept.faults, id, is_there)) {
        changed(d, id, is_there ? why : "");
    }
}

const char *mg_duties_problem(const struct meter *m)
{
    const struct mg_fault_row *row =
        m->duties == NULL ? NULL : mg_fault_blocking(&m->duties->kept.faults);
    return row == NULL ? NULL : row->id;
}

/* What is gone with a power cycle. */
static void release(struct duties *d, enum mg_fault_release how)
{
    struct mg_fault_set gone = mg_fault_release(&d->kept.faults, how);
    for (unsigned i = 0; i < MG_N_FAULTS; i++) {
        if (mg_fault_is_active(&gone, (enum mg_fault_id)i)) {
            changed(d, (enum mg_fault_id)i, "");
        }
    }
}

int mg_duties_clear(struct meter *m, const char *urn, struct mg_err *err)
{
    struct duties *d = m->duties;
    enum mg_fault_id id;
    if (d == NULL || mg_fault_find(urn, &id) != MG_OK ||
        !mg_fault_is_active(&d->kept.faults, id)) {
        return mg_err_set(err, MG_E_NOTFOUND, "%.64s is not active", urn);
    }
    uint8_t latch = mg_fault_row(id)->latch;
    if (latch == MG_FAULT_UNTIL_POWER_CYCLED || latch == MG_FAULT_UNLATCHED) {
        return mg_err_set(err, MG_E_DENIED,
                          latch == MG_FAULT_UNLATCHED
                              ? "it goes with its cause"
                              : "it is cleared by a minute without power");
    }
    if (id == MG_FAULT_WELDED_CONTACT) {
        (void)mg_welded_reset(&d->kept.welded);
    }
    (void)mg_fault_reset(&d->kept.faults, id);
    changed(d, id, "service has cleared it");
    return MG_OK;
}

/* ---- Relays ---- */

/* What a session has written is not on the disk yet: nothing flows before. */
static bool is_unwritten(const struct meter *m)
{
    return m->session != NULL &&
           m->session->ticket > m->gateway->durable_ticket;
}

static void switch_relays(struct duties *d)
{
    int64_t closed = d->kept.wish == WISH_CLOSE;
    uint64_t now_ns = now_of(d->meter);
    if (d->kept.wish == WISH_NOTHING || d->is_switching ||
        (d->wished_ns != 0 && now_ns - d->wished_ns < RELAY_RETRY_NS) ||
        (closed != 0 && is_unwritten(d->meter))) {
        return;
    }
    d->wished_ns = now_ns;
    d->switching = d->kept.wish;
    d->is_switching = true; /* before it begins: it may be over at once */
    if (mg_procedure_run(d->meter, "relay", &closed, sizeof closed) != MG_OK) {
        d->is_switching = false;
    }
}

void mg_duties_durable(struct meter *m)
{
    if (m->duties != NULL && m->duties->kept.wish == WISH_CLOSE) {
        switch_relays(m->duties);
    }
}

static void wish(struct duties *d, enum wish what)
{
    d->kept.wish = (uint8_t)what;
    d->wished_ns = 0;
    d->has_failed = false;
    switch_relays(d);
    save(d); /* a kill forgets no order */
}

/* What session and overload want: where sessions do not switch, only the
 * overload does. */
static enum wish wanted(const struct duties *d)
{
    const struct session *s = d->meter->session;
    if (d->kept.overload.phase != MG_OVERLOAD_WATCHING) {
        return WISH_OPEN;
    }
    bool is_charging = s != NULL && s->kept.phase == PHASE_ACTIVE &&
                       (!s->kept.is_suspended || d->kept.has_suspended);
    return is_charging || !d->meter->setup->session.is_contactor ? WISH_CLOSE
                                                                 : WISH_OPEN;
}

/* ---- Readings ---- */

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
        wish(d, WISH_OPEN);
    } else if (step.action == MG_OVERLOAD_CLOSE) {
        d->kept.is_tripped = false;
        wish(d, wanted(d)); /* the session may have gone on to its end */
    }
    mg_duties_fault(m, MG_FAULT_AC_OVER_CURRENT_SOFT, mg_overload_is_soft(o),
                    "a phase reached 1.25 times the limit");
    mg_duties_fault(m, MG_FAULT_AC_OVER_CURRENT, mg_overload_is_latched(o),
                    "the overload came back after three attempts; a minute "
                    "without power clears it");
    if (step.is_changed) {
        save(d);
    }
}

void mg_duties_tick(struct meter *m)
{
    if (m->duties != NULL && m->setup->session.current_limit_ma != 0) {
        act_on_overload(m->duties,
                        mg_overload_tick(&m->duties->kept.overload,
                                         (int64_t)(now_of(m) / 1000000)));
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
        save(d);
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
        save(d);
    }
    if (d->kept.welded.is_latched) {
        mg_duties_fault(d->meter, MG_FAULT_WELDED_CONTACT, true,
                        "current flows through open relays");
    }
}

static void watch_currents(struct duties *d, const struct mg_sample *s)
{
    int64_t ma[3] = {0};
    int64_t now_ms = (int64_t)(now_of(d->meter) / 1000000);
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
                                 (int64_t)(now_of(d->meter) / 1000000))) {
        return;
    }
    mg_duties_fault(d->meter, MG_FAULT_INPUT_OVERVOLTAGE,
                    d->voltage.over.is_there, "above 115 % of 230 V");
    mg_duties_fault(d->meter, MG_FAULT_INPUT_UNDERVOLTAGE,
                    d->voltage.under.is_there, "below 80 % of 230 V");
}

/* A meter closes its relays when it starts; not all are to be closed. */
static void open_again(struct duties *d)
{
    if (wanted(d) == WISH_OPEN) {
        wish(d, WISH_OPEN);
    }
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
            now_of(m) - d->saved_ns >= SAVE_POWER_NS) {
            save(d);
        }
        return;
    }
    if (mg_overload_power_cycle(&d->kept.overload, true, off_ms)) {
        act_on_overload(d, (struct mg_overload_step){.is_changed = true});
    }
    if (off_ms >= MG_OVERLOAD_OFF_MS) {
        release(d, MG_FAULT_AT_POWER_CYCLE);
    }
    open_again(d);
    save(d);
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
    switch_relays(d);
    if (m->must_seal) {
        mg_seal_check(m);
    }
}

/* ---- The meter and its line ---- */

static void log_meter(struct meter *m, enum mg_log_event event)
{
    const struct mg_log_data data = {.udid = m->udid};
    mg_logbook_add(m->gateway, m, event, &data);
}

void mg_duties_offline(struct meter *m, bool is_offline)
{
    struct duties *d = m->duties;
    if (d == NULL || d->was_offline == is_offline) {
        return;
    }
    d->was_offline = is_offline;
    mg_duties_fault(m, MG_FAULT_ACM_COMMS_LOSS, is_offline, m->reason);
    if (is_offline) {
        log_meter(m, MG_LOGBOOK_METER_TEST_FAILED);
    }
    mg_duties_line(m->line);
}

void mg_duties_line(struct line *line)
{
    struct mg_gateway *g = line->gateway;
    bool is_bad =
        line->can != NULL &&
        (!line->is_up || mg_can_status(line->can)->state > MG_CAN_WARNING);
    for (size_t i = 0; i < g->n_meters; i++) {
        struct meter *m = &g->meters[i];
        if (m->line == line && m->duties != NULL) {
            mg_duties_fault(m, MG_FAULT_CAN_BUS_ERROR, is_bad,
                            line->is_up ? "the controller has errors"
                                        : line->reason);
        }
    }
}

void mg_duties_telegram(struct meter *m, bool is_good)
{
    log_meter(m, is_good ? MG_LOGBOOK_METER_TEST_PASSED
                         : MG_LOGBOOK_METER_DATA_CORRUPT);
    mg_duties_fault(m, MG_FAULT_SIGNATURE_VERIFICATION_FAILED, !is_good,
                    is_good ? "" : m->can->telegram.why);
}

/* ---- Sessions ---- */

void mg_duties_session(struct meter *m, enum mg_duty_session what)
{
    static const enum mg_log_event events[] = {
        [MG_DUTY_BEGUN] = MG_LOGBOOK_CHARGING_STARTED,
        [MG_DUTY_SUSPENDED] = MG_LOGBOOK_CHARGING_SUSPENDED,
        [MG_DUTY_RESUMED] = MG_LOGBOOK_CHARGING_RESUMED,
        [MG_DUTY_ENDED] = MG_LOGBOOK_CHARGING_STOPPED};
    const struct mg_log_data data = {.connector = m->setup->session.connector,
                                     .session =
                                         m->session->kept.request.transaction};
    struct duties *d = m->duties;
    if (what != MG_DUTY_ENDING) {
        mg_logbook_add(m->gateway, m, events[what], &data);
    }
    if (d == NULL) {
        return;
    }
    if (what == MG_DUTY_ENDED) {
        bool was_tripped = d->kept.is_tripped;
        mg_overload_end(&d->kept.overload);
        d->kept.has_suspended = d->kept.is_tripped = false;
        /* What no session switches is left as it was before. */
        if (was_tripped && wanted(d) == WISH_CLOSE) {
            wish(d, WISH_CLOSE);
        }
    } else if (m->setup->session.is_contactor) {
        wish(d, what == MG_DUTY_SUSPENDED || what == MG_DUTY_ENDING
                    ? WISH_OPEN
                    : wanted(d));
    }
}

void mg_duties_replaced(struct meter *m, const char *old_serial,
                        const char *serial, uint32_t old_uohm, uint32_t uohm)
{
    char before[48], after[48];
    (void)snprintf(before, sizeof before, "%.17s, %u uOhm", old_serial,
                   old_uohm);
    (void)snprintf(after, sizeof after, "%.17s, %u uOhm", serial, uohm);
    const struct mg_log_data data = {.old_value = before, .new_value = after};
    mg_logbook_add(m->gateway, m, MG_LOGBOOK_METER_REPLACED, &data);
    mg_event(m->gateway, m, MG_LOG_WARN, "meter-replaced", NULL,
             "meter and cable are now %s; before: %s", after, before);
}

/* ---- Procedures ---- */

static void log_update(struct task *t, enum mg_log_event event)
{
    struct meter *m = t->meter;
    char hash[65] = "";
    char version[13] = "";
    for (size_t i = 0; m->has_lrs_hash && i < sizeof m->lrs_hash; i++) {
        (void)snprintf(hash + 2 * i, 3, "%02x", m->lrs_hash[i]);
    }
    /* MGCPKM01, LRS version, behind the hash. */
    if (t->text != NULL && t->text_len > 32 + 20) {
        (void)snprintf(version, sizeof version, "%.12s", t->text + 32 + 8);
    }
    const struct mg_log_data data = {.lrs_hash = hash,
                                     .lrs_version = m->lrs_version,
                                     .new_lrs_version = version};
    mg_logbook_add(m->gateway, m, event, &data);
}

void mg_duties_stage(struct task *t)
{
    static const enum mg_log_event events[] = {
        [MG_STAGE_NONE] = MG_LOGBOOK_FIRMWARE_UPDATE_REQUESTED,
        [MG_STAGE_DOWNLOADED] = MG_LOGBOOK_FIRMWARE_DOWNLOADED,
        [MG_STAGE_INSTALLED] = MG_LOGBOOK_FIRMWARE_INSTALLED};
    if (t->stage < sizeof events / sizeof *events) {
        log_update(t, events[t->stage]);
    }
}

void mg_duties_done(struct task *t, const struct mg_procedure *p, int code,
                    const char *reason)
{
    struct meter *m = t->meter;
    struct duties *d = m->duties;
    if ((p->flags & MG_PROC_SEAL) != 0 && code == MG_OK) {
        mg_seal_renew(m);
    } else if ((p->flags & MG_PROC_UPDATE) != 0) {
        m->has_info = false; /* who is it now? */
        if (code != MG_OK && code != MG_E_CANCELED) {
            log_update(t, t->stage == MG_STAGE_NONE
                              ? MG_LOGBOOK_FIRMWARE_DOWNLOAD_FAILED
                              : MG_LOGBOOK_FIRMWARE_INSTALL_FAILED);
        }
    } else if (d != NULL && d->is_switching && t->is_internal) {
        d->is_switching = false;
        if (code == MG_OK && d->kept.wish == d->switching) {
            d->kept.wish = WISH_NOTHING; /* not another one since */
            save(d);
        } else if (code != MG_OK && !d->has_failed) {
            d->has_failed = true;
            mg_log(MG_LOG_WARN, "%s: the relays were not switched: %s",
                   m->setup->id, reason);
        }
    }
}
