/* Runs a driver's step function: sends what it asks for, waits when it says
 * so, and keeps its state on the disk before anything that has an effect. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/can_priv.h"
#include "run/duties.h"
#include "run/seal.h"
#include "run/update.h"

#define TASK_VERSION    1
#define TASK_TIMEOUT_MS 60000U
#define TASK_CANCEL_MS  10000U
#define TASK_STEPS_MAX  500U
#define BUSY_RETRY_MS   100U

static void run_step(struct task *t, enum mg_step_event event,
                     const struct mg_modbus_result *result);
static void send_now(struct task *t);

static struct mg_gateway *gateway_of(const struct task *t)
{
    return t->meter->gateway;
}

static uint64_t in_ms(const struct task *t, uint32_t ms)
{
    return mg_clock_now_ns(gateway_of(t)->clock) + (uint64_t)ms * 1000000;
}

static void woke(struct mg_timer *timer)
{
    struct task *t =
        (struct task *)((char *)timer - offsetof(struct task, wait));
    run_step(t, t->next_event, NULL);
}

static void wake_later(struct task *t, uint32_t ms, enum mg_step_event event)
{
    t->next_event = event;
    mg_timer_start(gateway_of(t)->clock, &t->wait, in_ms(t, ms), woke);
}

static void retry_send(struct mg_timer *timer)
{
    send_now((struct task *)((char *)timer - offsetof(struct task, wait)));
}

static void finish(struct task *t, int code, const char *reason)
{
    mg_timer_stop(&t->wait);
    mg_timer_stop(&t->deadline);
    t->ticket = 0;
    if (t->is_stored && gateway_of(t)->store != NULL) {
        char key[MG_STORE_KEY_MAX];
        mg_memory_key(t->meter, "task", key);
        uint64_t ticket;
        /* If it cannot be deleted, a restart resumes and finds it done. */
        (void)mg_store_put(gateway_of(t)->store, key, "", 0, &ticket);
    }
    t->is_stored = false;
    const struct mg_procedure *p = t->procedure;
    bool is_session = (p->flags & MG_PROC_SESSION) != 0;
    if (!is_session && !t->is_internal) {
        mg_command_finish(t, code, reason);
    }
    t->procedure = NULL;
    if (is_session) {
        mg_session_op_done(t, code, reason);
    } else {
        mg_duties_done(t, p, code, reason);
    }
    t->is_internal = false;
    free(t->text);
    t->text = NULL;
    mg_session_meter_answered(t->meter); /* what waited for the task */
}

static void deadline(struct mg_timer *timer)
{
    struct task *t =
        (struct task *)((char *)timer - offsetof(struct task, deadline));
    if (t->is_in_flight) {
        /* What was asked is answered, or timed out, before. */
        mg_timer_start(gateway_of(t)->clock, timer, in_ms(t, BUSY_RETRY_MS),
                       deadline);
    } else if (t->ticket != 0) {
        finish(t, MG_E_TIMEOUT,
               "not carried out: its state could not be stored in time");
    } else if (t->is_canceled) {
        finish(t, MG_E_TIMEOUT, "gave up: the meter never came to rest");
    } else {
        t->is_canceled = true;
        mg_timer_start(gateway_of(t)->clock, timer, in_ms(t, TASK_CANCEL_MS),
                       deadline);
        mg_timer_stop(&t->wait);
        run_step(t, MG_STEP_CANCEL, NULL);
    }
}

static void answered(struct mg_modbus_request *request,
                     const struct mg_modbus_result *result)
{
    struct task *t =
        (struct task *)((char *)request - offsetof(struct task, request));
    t->is_in_flight = false;
    if (result->code == MG_E_CANCELED || t->procedure == NULL) {
        return; /* the gateway is stopping: it is resumed at the next start */
    }
    switch (result->code) {
    case MG_OK:
        run_step(t, MG_STEP_REPLY, result);
        break;
    case MG_E_EXCEPTION:
        run_step(t, MG_STEP_EXCEPTION, result);
        break;
    default:
        run_step(t, MG_STEP_TIMEOUT, result);
        break;
    }
}

static void send_now(struct task *t)
{
    struct mg_modbus_request *request = &t->request;
    memset(request, 0, sizeof *request);
    memcpy(request->pdu, t->out.pdu, t->out.pdu_len);
    request->pdu_len = t->out.pdu_len;
    request->is_urgent = true;
    request->timeout_ms = t->out.timeout_ms;
    request->alias = t->out.unit;
    request->baud = t->out.baud != 0 ? t->out.baud : t->meter->baud;
    request->done = answered;
    int rc = mg_meter_submit(t->meter, request);
    if (rc == MG_OK) {
        t->is_in_flight = true;
    } else if (rc == MG_E_BUSY) {
        mg_timer_start(gateway_of(t)->clock, &t->wait, in_ms(t, BUSY_RETRY_MS),
                       retry_send);
    } else if (rc == MG_E_INVAL) {
        finish(t, rc, "the driver made a request that is none");
    } else {
        wake_later(t, BUSY_RETRY_MS, MG_STEP_TIMEOUT);
    }
}

/* What acts on the meter is on the disk first: after a kill the procedure is
 * resumed, and looks before it leaps. Not so the gateway's own orders: a relay
 * that must open does not wait for a disk, and what is still wanted after a
 * kill is ordered anew. */
static void send_after_commit(struct task *t)
{
    char key[MG_STORE_KEY_MAX];
    mg_memory_key(t->meter, "task", key);
    if (mg_store_put(gateway_of(t)->store, key, &t->kept, sizeof t->kept,
                     &t->ticket) != MG_OK) {
        t->ticket = 0;
        finish(t, MG_E_NOSPC,
               "not carried out: its state could not be stored first");
        return;
    }
    t->is_stored = true;
    mg_store_flush(gateway_of(t)->store);
}

void mg_procedure_durable(struct mg_gateway *g, uint64_t ticket)
{
    for (size_t i = 0; i < g->n_meters; i++) {
        struct task *t = g->meters[i].task;
        if (t != NULL && t->ticket != 0 && t->ticket <= ticket) {
            t->ticket = 0;
            send_now(t);
        }
    }
}

static void collect_values(struct task *t)
{
    for (size_t i = 0; i < t->out.n_values && i < MG_STEP_VALUES_MAX; i++) {
        if (t->n_values < TASK_VALUES_MAX) {
            t->values[t->n_values++] = t->out.values[i];
        }
    }
}

static void act(struct task *t)
{
    if (t->out.action == MG_STEP_SEND && t->out.has_effect &&
        (t->procedure->flags & MG_PROC_NEW_EPOCH) != 0) {
        t->meter->is_clear_expected = true;
    }
    switch (t->out.action) {
    case MG_STEP_SEND:
        if (t->out.pdu_len > MG_PDU_MAX) {
            finish(t, MG_E_INVAL, "the driver made a request too long");
        } else if (t->out.has_effect && !t->is_internal &&
                   gateway_of(t)->store != NULL) {
            send_after_commit(t);
        } else {
            send_now(t);
        }
        break;
    case MG_STEP_WAIT:
        wake_later(t, t->out.wait_ms, MG_STEP_WOKE);
        break;
    case MG_STEP_DONE:
        finish(t, MG_OK, "");
        break;
    case MG_STEP_FAIL:
        finish(t, t->out.code == MG_OK ? MG_E_STATE : t->out.code,
               t->out.reason);
        break;
    }
}

static void run_step(struct task *t, enum mg_step_event event,
                     const struct mg_modbus_result *result)
{
    struct mg_gateway *g = gateway_of(t);
    if (++t->n_steps > TASK_STEPS_MAX) {
        finish(t, MG_E_STATE, "the driver does not come to an end");
        return;
    }
    uint8_t seal[32];
    struct mg_step_in in = {.event = event,
                            .now_ms = mg_clock_now_ms(g->clock),
                            .utc_ms = mg_clock_utc_ms(g->clock),
                            .clock = (uint8_t)mg_clock_sync(g->clock),
                            .options = t->meter->setup->options,
                            .args = t->kept.args,
                            .unit = t->meter->address};
    if (result != NULL) {
        in.pdu = result->pdu;
        in.pdu_len = result->pdu_len;
        in.exception = result->exception;
    }
    if ((t->procedure->flags & MG_PROC_SESSION) != 0) {
        in.text = mg_session_dataset_text(t->meter, &in.text_len);
    } else if (t->text != NULL) {
        in.text = t->text;
        in.text_len = t->text_len;
    } else if ((t->procedure->flags & MG_PROC_SEAL) != 0 &&
               mg_seal_text(t->meter, seal)) {
        in.text = (const char *)seal;
        in.text_len = sizeof seal;
    }
    memset(&t->out, 0, sizeof t->out);
    t->procedure->step(t->kept.state, &in, &t->out);
    t->out.reason[sizeof t->out.reason - 1] = '\0';
    collect_values(t);
    if (t->out.stage > t->stage) {
        t->stage = t->out.stage;
        mg_duties_stage(t);
    }
    if (t->out.chunk_len > 0) {
        mg_session_chunk(t->meter, (enum mg_chunk_kind)t->out.chunk_kind,
                         t->out.chunk, t->out.chunk_len);
    }
    act(t);
}

struct task *mg_task_of(struct meter *m)
{
    if (m->task == NULL) {
        m->task = calloc(1, sizeof *m->task);
        if (m->task != NULL) {
            m->task->meter = m;
        }
    }
    return m->task;
}

void mg_task_free(struct meter *m)
{
    if (m->task != NULL) {
        free(m->task->text);
        free(m->task);
        m->task = NULL;
    }
}

const struct mg_procedure *mg_procedure_find(const struct meter *m,
                                             const char *verb)
{
    const struct mg_driver *driver = m->setup->plugin->driver;
    for (size_t i = 0; i < driver->n_procedures; i++) {
        const struct mg_procedure *p = &driver->procedures[i];
        if (strcmp(p->verb, verb) == 0 &&
            (p->variants == 0 || (p->variants & 1U << m->plan->variant) != 0)) {
            return p;
        }
    }
    return NULL;
}

/* t->kept is filled in; START begins, RESUME goes on after a restart. */
void mg_procedure_start(struct task *t, enum mg_step_event event)
{
    t->must_resume = false;
    t->is_canceled = false;
    t->n_steps = 0;
    t->n_values = 0;
    t->stage = MG_STAGE_NONE;
    t->kept.version = TASK_VERSION;
    mg_timer_start(gateway_of(t)->clock, &t->deadline,
                   in_ms(t, TASK_TIMEOUT_MS), deadline);
    if ((t->procedure->flags & MG_PROC_UPDATE) != 0) {
        struct mg_err err = {0};
        if (mg_update_load(t, &err) != MG_OK) {
            finish(t, err.code, err.text);
            return;
        }
        mg_duties_stage(t);
    }
    if ((t->procedure->flags & MG_PROC_SERVICE) != 0) {
        struct mg_err err = {0};
        const char *id =
            (const char *)t->kept.args + t->procedure->args[0].offset;
        if (mg_duties_clear(t->meter, id, &err) != MG_OK) {
            finish(t, err.code, err.text);
            return;
        }
    }
    run_step(t, event, NULL);
}

int mg_procedure_run(struct meter *m, const char *verb, const void *args,
                     size_t args_len)
{
    const struct mg_procedure *p = mg_procedure_find(m, verb);
    struct task *t = mg_task_of(m);
    if (p == NULL || t == NULL) {
        return p == NULL ? MG_E_NOSUP : MG_E_NOMEM;
    }
    if (t->procedure != NULL) {
        return MG_E_BUSY;
    }
    memset(&t->kept, 0, sizeof t->kept);
    (void)snprintf(t->kept.verb, sizeof t->kept.verb, "%s", verb);
    if (args_len > 0) {
        memcpy(t->kept.args, args, args_len);
    }
    t->procedure = p;
    t->is_internal = true;
    mg_procedure_start(t, MG_STEP_START);
    return MG_OK;
}

int mg_meter_submit(struct meter *m, struct mg_modbus_request *request)
{
    return m->can != NULL ? mg_can_submit(m->can, request)
                          : mg_modbus_submit(m->unit, request);
}

bool mg_procedure_is_clearing(const struct meter *m)
{
    return m->task != NULL && m->task->procedure != NULL &&
           (m->task->procedure->flags & MG_PROC_NEW_EPOCH) != 0;
}

void mg_procedure_cancel(struct meter *m)
{
    struct task *t = m->task;
    if (t != NULL && t->procedure != NULL && !t->is_stored) {
        finish(t, MG_E_CANCELED, "the gateway stops; nothing was changed");
    }
}

void mg_procedure_stop(struct meter *m)
{
    if (m->task != NULL) {
        mg_timer_stop(&m->task->wait);
        mg_timer_stop(&m->task->deadline);
        m->task->ticket = 0; /* what becomes durable now is not sent */
    }
}

void mg_procedure_load(struct meter *m)
{
    char key[MG_STORE_KEY_MAX];
    mg_memory_key(m, "task", key);
    struct task_kept kept;
    struct mg_err err;
    size_t len;
    if (mg_store_get(m->gateway->store, key, &kept, sizeof kept, &len, &err) !=
            MG_OK ||
        len != sizeof kept || kept.version != TASK_VERSION) {
        return;
    }
    kept.verb[sizeof kept.verb - 1] = '\0';
    kept.id[sizeof kept.id - 1] = '\0';
    const struct mg_procedure *p = mg_procedure_find(m, kept.verb);
    struct task *t = p == NULL ? NULL : mg_task_of(m);
    if (t == NULL) {
        return;
    }
    t->kept = kept;
    t->procedure = p;
    t->is_stored = true;
    t->must_resume = true;
    m->is_clear_expected = mg_procedure_is_clearing(m);
    if ((p->flags & MG_PROC_SESSION) != 0) {
        mg_session_resume_op(m, t);
    }
    mg_log(MG_LOG_WARN,
           "%s: the command %s was interrupted; it is looked "
           "after when the meter answers",
           m->setup->id, kept.verb);
}
