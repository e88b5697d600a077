/* A station's duties: the faults of its catalogue, what they block, and what of
 * all that goes into the log book. */
#include "run/duties.h"

#include <stdio.h>
#include <stdlib.h>

#include "run/can_priv.h"
#include "run/duties_priv.h"
#include "run/logbook.h"
#include "run/seal.h"
#include "run/session_priv.h"
#include "run/update.h"

#define DUTIES_VERSION 2

uint64_t mg_duties_now_ns(const struct duties *d)
{
    return mg_clock_now_ns(d->meter->gateway->clock);
}

static bool has_duties(const struct meter *m)
{
    return (m->setup->plugin->capabilities & MG_CAP_DUTIES) != 0;
}

void mg_duties_save(struct duties *d)
{
    struct mg_store *store = d->meter->gateway->store;
    char key[MG_STORE_KEY_MAX];
    uint64_t ticket;
    d->kept.version = DUTIES_VERSION;
    d->kept.size = sizeof d->kept;
    d->saved_ns = mg_duties_now_ns(d);
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
                            (int64_t)(mg_duties_now_ns(m->duties) / 1000000));
        (void)mg_fault_release(&m->duties->kept.faults, MG_FAULT_AT_RESTART);
    }
}

void mg_duties_stop(struct meter *m)
{
    if (m->duties != NULL && m->gateway->is_loaded) {
        mg_duties_save(m->duties);
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
    mg_duties_save(d);
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

void mg_duties_release(struct meter *m, enum mg_fault_release how)
{
    struct duties *d = m->duties;
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
        if (was_tripped && mg_relays_wanted(d) == WISH_CLOSE) {
            mg_relays_wish(d, WISH_CLOSE);
        }
    } else if (m->setup->session.is_contactor) {
        mg_relays_wish(d, what == MG_DUTY_SUSPENDED || what == MG_DUTY_ENDING
                              ? WISH_OPEN
                              : mg_relays_wanted(d));
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

void mg_duties_stage(struct task *t)
{
    static const enum mg_log_event events[] = {
        [MG_STAGE_NONE] = MG_LOGBOOK_FIRMWARE_UPDATE_REQUESTED,
        [MG_STAGE_DOWNLOADED] = MG_LOGBOOK_FIRMWARE_DOWNLOADED,
        [MG_STAGE_INSTALLED] = MG_LOGBOOK_FIRMWARE_INSTALLED};
    if (t->stage < sizeof events / sizeof *events) {
        mg_update_log(t, events[t->stage]);
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
            mg_update_log(t, t->stage == MG_STAGE_NONE
                                 ? MG_LOGBOOK_FIRMWARE_DOWNLOAD_FAILED
                                 : MG_LOGBOOK_FIRMWARE_INSTALL_FAILED);
        }
    } else if (d != NULL && t->is_internal &&
               (p->flags & MG_PROC_SWITCHES) != 0) {
        mg_relays_done(d, code, reason);
    }
}
