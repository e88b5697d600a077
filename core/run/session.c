/* One request at a time for each meter: taken, carried out when the meter is
 * free, answered when all that came of it is on the disk. */
#include "run/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/can_priv.h"
#include "run/duties.h"
#include "run/session_priv.h"

/* The slowest step is a signature of a meter that takes 15 s. */
#define ANSWER_WITHIN_MS 45000U
#define ASK_AGAIN_MS     5000U

static const char *const phases[] = {"idle", "beginning", "active", "ending"};

const char *mg_session_verb_text(enum mg_session_verb verb)
{
    static const char *const texts[MG_N_SESSION_VERBS] = {
        [MG_VERB_BEGIN] = "session-begin",
        [MG_VERB_INTERMEDIATE] = "session-intermediate",
        [MG_VERB_TARIFF] = "session-tariff",
        [MG_VERB_SUSPEND] = "session-suspend",
        [MG_VERB_RESUME] = "session-resume",
        [MG_VERB_FISCAL] = "session-fiscal",
        [MG_VERB_HOLD] = "session-hold",
        [MG_VERB_EXCEPTION] = "session-exception",
        [MG_VERB_END] = "session-end",
        [MG_VERB_CANCEL] = "session-cancel",
        [MG_VERB_LAST] = "session-last",
        [MG_VERB_RECOVER] = "session-recover"};
    return texts[verb];
}

struct session *mg_session_of(struct meter *m)
{
    bool signs = (m->setup->plugin->capabilities & MG_CAP_SIGNS) != 0;
    if (m->session == NULL && m->gateway->store != NULL &&
        (signs || m->gateway->station != NULL)) {
        m->session = calloc(1, sizeof *m->session);
        if (m->session != NULL) {
            m->session->meter = m;
            m->session->is_signing_meter = signs;
        }
    }
    return m->session;
}

/* ---- Answers ---- */

static int64_t energy_now(const struct session *s)
{
    const struct mg_sample *live = s->meter->live;
    static const mg_channel channels[] = {MG_CH(ENERGY_ACTIVE_IMPORT, TOTAL),
                                          MG_CH(ENERGY_ACTIVE, TOTAL)};
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
        const struct mg_value *v = mg_sample_find(live, channels[i]);
        if (v != NULL && v->quality == MG_QUALITY_GOOD) {
            return v->value;
        }
    }
    return INT64_MIN;
}

static void deliver(struct session *s)
{
    struct mg_session_result result = {
        .code = s->code,
        .reason = s->text,
        .transaction = s->kept.phase != PHASE_NONE ? s->kept.request.transaction
                                                   : s->request.transaction,
        .is_repeated = s->is_repeated,
        .is_running = s->kept.phase != PHASE_NONE,
        .dataset = s->dataset,
        .begin_mwh =
            s->kept.phase != PHASE_NONE ? s->kept.begin_mwh : INT64_MIN,
        .now_mwh = energy_now(s)};
    mg_session_done done = s->done;
    void *ctx = s->ctx;
    struct mg_dataset *dataset = s->dataset;
    mg_timer_stop(&s->timer);
    s->has_request = s->is_answered = s->is_repeated = false;
    s->dataset = NULL;
    done(ctx, &result);
    mg_session_free_dataset(dataset);
}

/* Told when all that was written is on the disk. */
void mg_session_answer(struct session *s, int code, const char *format, ...)
{
    if (!s->has_request || s->is_answered) {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(s->text, sizeof s->text, format, args);
    va_end(args);
    s->code = code;
    s->is_answered = true;
    if (s->ticket <= s->meter->gateway->durable_ticket) {
        deliver(s);
    }
}

void mg_session_durable(struct mg_gateway *g)
{
    for (size_t i = 0; i < g->n_meters; i++) {
        struct session *s = g->meters[i].session;
        if (s != NULL && s->is_answered && s->ticket <= g->durable_ticket) {
            deliver(s);
            mg_session_go_on(s);
        }
        mg_duties_durable(&g->meters[i]);
    }
}

/* ---- State ---- */

void mg_session_publish(struct session *s)
{
    const struct session_kept *k = &s->kept;
    char buf[1024];
    struct mg_json j = mg_json_init(buf, sizeof buf);
    mg_json_open(&j, '{');
    mg_json_member_str(&j, "phase", phases[k->phase]);
    if (k->phase != PHASE_NONE) {
        mg_json_member_str(&j, "transaction", k->request.transaction);
        mg_json_member_time(&j, "begun", k->begun_ms);
        mg_json_member_bool(&j, "suspended", k->is_suspended);
        if (k->begin_mwh != INT64_MIN) {
            mg_json_key(&j, "begin_wh");
            mg_json_decimal(&j, k->begin_mwh, 3, 1);
        }
        if (k->fault[0] != '\0') {
            mg_json_member_str(&j, "fault", k->fault);
        }
    }
    mg_json_close(&j, '}');
    if (!j.failed) {
        mg_meter_retain(s->meter, "session", j.buf, j.len, 1);
    }
}

/* Once for each change, for the log book and the station's duties. */
static void tell_change(struct session *s)
{
    bool is_charging =
        s->kept.phase == PHASE_ACTIVE || s->kept.phase == PHASE_ENDING;
    if (is_charging && !s->was_charging) {
        mg_duties_session(s->meter, MG_DUTY_BEGUN);
    }
    if (is_charging && s->kept.is_suspended != s->was_suspended) {
        mg_duties_session(s->meter, s->kept.is_suspended ? MG_DUTY_SUSPENDED
                                                         : MG_DUTY_RESUMED);
    }
    if (s->kept.phase == PHASE_ENDING && !s->was_ending) {
        mg_duties_session(s->meter, MG_DUTY_ENDING);
    }
    if (!is_charging && s->was_charging) {
        mg_duties_session(s->meter, MG_DUTY_ENDED);
    }
    s->was_charging = is_charging;
    s->was_ending = s->kept.phase == PHASE_ENDING;
    s->was_suspended = is_charging && s->kept.is_suspended;
}

/* After a start: what was told before. */
void mg_session_told(struct session *s)
{
    s->was_charging =
        s->kept.phase == PHASE_ACTIVE || s->kept.phase == PHASE_ENDING;
    s->was_ending = s->kept.phase == PHASE_ENDING;
    s->was_suspended = s->was_charging && s->kept.is_suspended;
}

void mg_session_set_phase(struct session *s, enum session_phase phase)
{
    s->kept.phase = (uint8_t)phase;
    if (mg_session_save(s) != MG_OK) {
        mg_event(s->meter->gateway, s->meter, MG_LOG_ERROR, "session-unsaved",
                 NULL, "the state of session %s could not be stored",
                 s->kept.request.transaction);
    }
    mg_session_publish(s);
    tell_change(s);
}

const char *mg_session_transaction(const struct meter *m)
{
    const struct session *s = m->session;
    return s == NULL || s->kept.phase == PHASE_NONE
               ? NULL
               : s->kept.request.transaction;
}

void mg_session_fault(struct meter *m, const char *why)
{
    struct session *s = m->session;
    if (s == NULL || s->is_signing_meter || s->kept.phase == PHASE_NONE ||
        s->kept.fault[0] != '\0') {
        return;
    }
    (void)snprintf(s->kept.fault, sizeof s->kept.fault, "%s", why);
    mg_session_set_phase(s, (enum session_phase)s->kept.phase);
}

/* The session ends without a record: no value is made up for it. */
void mg_session_void(struct session *s, const char *why)
{
    struct meter *m = s->meter;
    struct mg_dataset d = {.kind = MG_DATASET_TRANSACTION,
                           .state = MG_DATASET_VOID,
                           .begun_ms = s->kept.begun_ms,
                           .ended_ms = mg_clock_utc_ms(m->gateway->clock),
                           .stored_ms = mg_clock_utc_ms(m->gateway->clock),
                           .begin_mwh = s->kept.begin_mwh,
                           .end_mwh = INT64_MIN};
    (void)snprintf(d.meter, sizeof d.meter, "%s", m->setup->id);
    (void)snprintf(d.model, sizeof d.model, "%s", m->setup->plugin->model);
    (void)snprintf(d.serial, sizeof d.serial, "%s", m->serial);
    (void)snprintf(d.transaction, sizeof d.transaction, "%s",
                   s->kept.request.transaction);
    (void)snprintf(d.why, sizeof d.why, "%s", why);
    uint64_t ticket;
    if (mg_store_add_dataset(m->gateway->store, &d, &ticket) == MG_OK) {
        s->ticket = ticket;
    }
    mg_event(m->gateway, m, MG_LOG_ERROR, "session-void", NULL,
             "session %s has no record: %s", s->kept.request.transaction, why);
    mg_session_set_phase(s, PHASE_NONE);
}

static void timer_fired(struct mg_timer *timer);

static void start_timer(struct session *s, uint32_t ms)
{
    struct mg_clock *clock = s->meter->gateway->clock;
    mg_timer_start(clock, &s->timer,
                   mg_clock_now_ns(clock) + ms * UINT64_C(1000000),
                   timer_fired);
}

/* What the driver does comes to an end, and may answer. */
static void give_up_meter(struct session *s)
{
    if (s->has_op) {
        start_timer(s, ASK_AGAIN_MS);
        return;
    }
    mg_session_answer(s, MG_E_TIMEOUT,
                      s->kept.phase == PHASE_ENDING
                          ? "the meter is not ready; the session ends when it "
                            "is"
                          : "the meter is not ready");
}

static void timer_fired(struct mg_timer *timer)
{
    struct session *s =
        (struct session *)((char *)timer - offsetof(struct session, timer));
    if (s->has_request && !s->is_answered && s->is_signing_meter) {
        give_up_meter(s);
        return;
    }
    if (s->has_request && !s->is_answered && !s->is_signing_meter) {
        s->wants_sample = s->wants_sample && s->kept.phase == PHASE_ENDING;
        mg_session_answer(s, MG_E_TIMEOUT,
                          s->kept.phase == PHASE_ENDING
                              ? "the meter gives no reading; the session ends "
                                "when it does"
                              : "the meter gives no reading");
    }
    mg_session_go_on(s);
}

/* Looked at again with the polls of the meter. */
void mg_session_retry_later(struct session *s, uint32_t ms)
{
    s->retry_ns =
        mg_clock_now_ns(s->meter->gateway->clock) + ms * UINT64_C(1000000);
}

void mg_session_go_on(struct session *s)
{
    struct mg_gateway *g = s->meter->gateway;
    if (!g->is_running || g->is_stopped) {
        return;
    }
    if (s->is_signing_meter) {
        mg_session_meter_go_on(s);
    } else {
        mg_session_station_go_on(s);
    }
}

/* Whoever has asked is told, and asks again after the start. */
static void give_up(struct session *s)
{
    mg_timer_stop(&s->timer);
    if (s->has_request) {
        s->code = MG_E_CANCELED;
        (void)snprintf(s->text, sizeof s->text,
                       "the gateway stops; ask again when it runs");
        deliver(s);
    }
}

void mg_session_stop(struct meter *m)
{
    struct session *s = m->session;
    if (s == NULL) {
        return;
    }
    give_up(s);
    if (s->kept.phase != PHASE_NONE && m->gateway->is_loaded) {
        (void)mg_session_save(s); /* what changed since is little */
    }
}

void mg_session_free(struct meter *m)
{
    struct session *s = m->session;
    if (s != NULL) {
        give_up(s);
        mg_session_free_dataset(s->dataset);
        explicit_bzero(s, sizeof *s);
        free(s);
        m->session = NULL;
    }
}

void mg_session_sample(struct meter *m, const struct mg_sample *sample)
{
    struct session *s = m->session;
    if (s == NULL) {
        return;
    }
    if (s->is_signing_meter) {
        mg_session_meter_sample(s, sample);
    } else {
        mg_session_station_sample(s, sample);
    }
}

void mg_session_meter_answered(struct meter *m)
{
    if (m->session != NULL) {
        mg_session_go_on(m->session);
    }
}

void mg_session_meter_lost(struct meter *m)
{
    struct session *s = m->session;
    if (s == NULL) {
        return;
    }
    s->must_look = s->is_signing_meter;
    s->wants_sample = false; /* asked for anew when it is back */
    if (s->has_request && !s->is_answered && !s->has_op) {
        mg_session_answer(s, MG_E_TIMEOUT, "the meter does not answer%s",
                          s->kept.phase == PHASE_ENDING
                              ? "; the session ends when it does"
                              : "");
    }
}

/* ---- Requests ---- */

static bool is_own(const struct session *s, const struct mg_session_request *r)
{
    return r->transaction[0] == '\0' ||
           strcmp(s->kept.request.transaction, r->transaction) == 0;
}

static void tell(mg_session_done done, void *ctx, const char *transaction,
                 int code, const char *reason, const struct mg_dataset *dataset,
                 bool is_repeated)
{
    struct mg_session_result result = {.code = code,
                                       .reason = reason,
                                       .transaction = transaction,
                                       .is_repeated = is_repeated,
                                       .dataset = dataset,
                                       .begin_mwh = INT64_MIN,
                                       .now_mwh = INT64_MIN};
    done(ctx, &result);
}

/* No session is going on: was it one that has ended? */
static bool tell_again(struct session *s, const struct mg_session_request *r,
                       mg_session_done done, void *ctx)
{
    if (r->transaction[0] == '\0') {
        return false;
    }
    struct mg_dataset *d = mg_session_find_dataset(s, r->transaction);
    if (d == NULL) {
        return false;
    }
    bool is_end = r->verb == MG_VERB_END || r->verb == MG_VERB_CANCEL ||
                  r->verb == MG_VERB_LAST;
    if (!is_end && d->state == MG_DATASET_VOID && d->begin_mwh == INT64_MIN) {
        mg_session_free_dataset(d);
        return false; /* it never began: it may be tried again */
    }
    if (is_end && d->state == MG_DATASET_DONE) {
        tell(done, ctx, r->transaction, MG_OK, "", d, true);
    } else if (is_end) {
        tell(done, ctx, r->transaction, MG_E_NOTFOUND, d->why, d, true);
    } else {
        tell(done, ctx, r->transaction, MG_E_STATE,
             "this transaction has ended already", d, true);
    }
    mg_session_free_dataset(d);
    return true;
}

/* What need not, or must not, be carried out. @return MG_OK: go on */
static int admit(struct session *s, const struct mg_session_request *r,
                 bool *ret_is_done, struct mg_err *err)
{
    const struct session_kept *k = &s->kept;
    *ret_is_done = false;
    if (s->meter->gateway->has_disk_trouble && r->verb == MG_VERB_BEGIN) {
        return mg_err_set(err, MG_E_NOSPC,
                          "the store is in trouble: no new session");
    }
    if (k->phase == PHASE_NONE) {
        bool needs_session =
            r->verb != MG_VERB_BEGIN && r->verb != MG_VERB_FISCAL &&
            r->verb != MG_VERB_LAST && r->verb != MG_VERB_RECOVER &&
            !(r->verb == MG_VERB_CANCEL && r->transaction[0] == '\0');
        return needs_session
                   ? mg_err_set(err, MG_E_STATE, "no session is going on")
                   : MG_OK;
    }
    if (r->verb == MG_VERB_BEGIN && is_own(s, r)) {
        *ret_is_done = k->phase == PHASE_ACTIVE;
        return k->phase == PHASE_ENDING
                   ? mg_err_set(err, MG_E_STATE, "this transaction is ending")
                   : MG_OK;
    }
    if (!is_own(s, r) && !(r->verb == MG_VERB_BEGIN && r->is_forced)) {
        return mg_err_set(err, MG_E_BUSY, "session %s is going on",
                          k->request.transaction);
    }
    bool is_end = r->verb == MG_VERB_END || r->verb == MG_VERB_CANCEL;
    if (k->phase == PHASE_ENDING && !is_end && r->verb != MG_VERB_RECOVER &&
        r->verb != MG_VERB_BEGIN) {
        return mg_err_set(err, MG_E_STATE, "the session is ending");
    }
    if (r->verb == MG_VERB_LAST) {
        return mg_err_set(err, MG_E_STATE,
                          "a session is going on: its record comes when it "
                          "ends");
    }
    *ret_is_done = (r->verb == MG_VERB_SUSPEND && k->is_suspended) ||
                   (r->verb == MG_VERB_RESUME && !k->is_suspended);
    return MG_OK;
}

static int check_station(const struct session *s, struct mg_err *err)
{
    const struct mg_gateway *g = s->meter->gateway;
    const char *problem =
        s->is_signing_meter ? NULL : mg_station_problem(g->station);
    if (problem != NULL) {
        return mg_err_set(err, MG_E_DENIED, "the station cannot sign: %.200s",
                          problem);
    }
    problem = s->meter->can == NULL ? NULL : mg_telegram_problem(s->meter->can);
    if (problem == NULL) {
        problem = mg_duties_problem(s->meter);
    }
    return problem == NULL
               ? MG_OK
               : mg_err_set(err, MG_E_DENIED, "nothing can be billed: %.200s",
                            problem);
}

static int check_all(struct mg_gateway *g, struct session *s,
                     const struct mg_session_request *r, struct mg_err *err)
{
    if (!g->is_running || g->is_stopped) {
        return mg_err_set(err, MG_E_STATE, "the gateway is %s",
                          g->is_stopped ? "stopping" : "starting");
    }
    if (s == NULL) {
        return mg_err_set(err, MG_E_NOSUP,
                          "this meter does not sign and no `station` is "
                          "configured that would");
    }
    int rc = mg_session_check(r, err);
    if (rc == MG_OK && s->has_request) {
        rc = mg_err_set(err, MG_E_BUSY, "%s is still being carried out",
                        mg_session_verb_text(s->request.verb));
    }
    if (rc == MG_OK &&
        (r->verb == MG_VERB_BEGIN || r->verb == MG_VERB_FISCAL)) {
        rc = check_station(s, err);
    }
    return rc;
}

static void take(struct session *s, const struct mg_session_request *r,
                 mg_session_done done, void *ctx)
{
    mg_session_free_dataset(s->dataset);
    s->dataset = NULL;
    s->request = *r;
    s->done = done;
    s->ctx = ctx;
    s->has_request = true;
    s->is_answered = s->is_repeated = false;
    s->ticket = 0;
}

void mg_session_begin_ending(struct session *s, char reason, bool is_cancel)
{
    if (s->kept.phase == PHASE_ENDING) {
        s->kept.is_canceled = s->kept.is_canceled || is_cancel;
        return; /* as it was asked for first */
    }
    s->kept.reason = reason == 0 ? 'E' : reason;
    s->kept.is_canceled = is_cancel;
    mg_session_set_phase(s, PHASE_ENDING);
}

void mg_gateway_session(struct mg_gateway *g, size_t meter,
                        const struct mg_session_request *r,
                        mg_session_done done, void *ctx)
{
    struct session *s = mg_session_of(&g->meters[meter]);
    struct mg_err err = {0};
    bool is_done = false;
    int rc = check_all(g, s, r, &err);
    if (rc == MG_OK && (s->kept.phase == PHASE_NONE || !is_own(s, r)) &&
        tell_again(s, r, done, ctx)) {
        return;
    }
    if (rc == MG_OK) {
        rc = admit(s, r, &is_done, &err);
    }
    if (rc != MG_OK) {
        tell(done, ctx, r->transaction, rc, err.text, NULL, false);
        return;
    }
    take(s, r, done, ctx);
    if (is_done) {
        s->is_repeated = true;
        mg_session_answer(s, MG_OK, "%s", "");
        return;
    }
    bool is_end = r->verb == MG_VERB_END || r->verb == MG_VERB_CANCEL;
    /* Whether one that is beginning has begun must be known first. */
    if (s->kept.phase > PHASE_BEGINNING && is_end) {
        mg_session_begin_ending(s, r->verb == MG_VERB_CANCEL ? 'A' : r->reason,
                                r->verb == MG_VERB_CANCEL);
    } else if (s->kept.phase > PHASE_BEGINNING && r->verb == MG_VERB_BEGIN &&
               !is_own(s, r)) {
        mg_session_begin_ending(s, 'A', false);
    } else if (r->verb == MG_VERB_RECOVER ||
               (r->verb == MG_VERB_CANCEL && s->kept.phase == PHASE_NONE)) {
        s->must_look = s->is_signing_meter;
    }
    s->retry_ns = 0;
    start_timer(s, ANSWER_WITHIN_MS);
    if (s->meter->state == MG_METER_OFFLINE) {
        mg_session_meter_lost(s->meter);
        return;
    }
    mg_session_go_on(s);
}

void mg_gateway_listen(struct mg_gateway *g,
                       const struct mg_gateway_observer *observer, void *ctx)
{
    g->bridge = observer;
    g->bridge_ctx = ctx;
}

const char *mg_gateway_public_key(const struct mg_gateway *g, size_t meter)
{
    const struct session *s = g->meters[meter].session;
    return s == NULL ? "" : s->key.key_hex;
}
