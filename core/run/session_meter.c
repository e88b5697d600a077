/* Sessions of a meter that signs. What is to be done next follows from what the
 * meter says of itself, what is on the disk, and what is asked; never from what
 * was going on before: so a restart of either changes nothing. */
#include <stdio.h>
#include <string.h>

#include "crypto/encode.h"
#include "record/assemble.h"
#include "run/session_priv.h"
#include "run/site_time.h"

#define RETRY_MS       5000U
#define RETRY_SLOW_MS  60000U
#define END_TRIES      5
#define CLOCK_LOST_S   3600
#define ADJUST_FROM_S  2 /* the meter's clock shows whole seconds */
#define ADJUST_MAX_S   3 /* WM3M4C description V1.07, 5.5.4.5 */
#define OCMF_DEFAULT   0x0100
#define OCMF_WITH_TEXT 0x0101 /* from 1.1 on there is TT */

static struct mg_gateway *gateway_of(const struct session *s)
{
    return s->meter->gateway;
}

static const struct mg_procedure *session_procedure(const struct meter *m)
{
    const struct mg_driver *d = m->setup->plugin->driver;
    for (size_t i = 0; i < d->n_procedures; i++) {
        if ((d->procedures[i].flags & MG_PROC_SESSION) != 0) {
            return &d->procedures[i];
        }
    }
    return NULL; /* the plugin host has refused such a plugin */
}

/* ---- The dataset ---- */

static uint16_t ocmf_version(const struct session *s)
{
    return s->kept.ocmf_version != 0 ? s->kept.ocmf_version : OCMF_DEFAULT;
}

static int write_dataset(struct session *s, const struct mg_session_request *r,
                         struct mg_err *err)
{
    const struct mg_gateway *g = gateway_of(s);
    const struct mg_setup_session *setup = &s->meter->setup->session;
    char version[8];
    uint16_t v = ocmf_version(s);
    (void)snprintf(version, sizeof version, "%u.%u", v >> 8, v & 0xffU);
    struct mg_ocmf_head head = {
        .version = version,
        .gi = g->setup->station.identification[0] != '\0'
                  ? g->setup->station.identification
                  : g->setup->gateway,
        .gs = g->setup->station.serial,
        .is_assigned = r->is_assigned,
        .n_flags = r->n_flags,
        .type = r->type,
        .data = r->data,
        .tariff = v >= OCMF_WITH_TEXT ? r->tariff : NULL,
        .ct = setup->is_chargebox ? "CBIDC" : "EVSEID",
        .ci = r->evse[0] != '\0' ? r->evse : setup->evse};
    for (size_t i = 0; i < r->n_flags && i < 4; i++) {
        head.flags[i] = r->flags[i];
    }
    int rc = mg_ocmf_dataset(&head, s->dataset_text, sizeof s->dataset_text,
                             &s->dataset_len);
    return rc == MG_OK
               ? MG_OK
               : mg_err_set(err, MG_E_RANGE,
                            "the dataset is longer than the %d bytes that the "
                            "meter takes: shorten the identification or the "
                            "tariff text",
                            SESSION_DATASET_MAX);
}

/* ---- Giving an operation to the driver ---- */

static bool is_free(const struct session *s)
{
    const struct task *t = s->meter->task;
    return t == NULL || (t->procedure == NULL && !t->must_resume);
}

static void forget_output(struct session *s)
{
    s->payload_len = s->signature_len = s->public_key_len = 0;
    s->is_base64 = s->is_too_long = false;
}

static void start_op(struct session *s, enum mg_session_op op, char reason,
                     int8_t adjust_s)
{
    struct meter *m = s->meter;
    struct task *t = mg_task_of(m);
    if (t == NULL) {
        mg_session_retry_later(s, RETRY_MS);
        return;
    }
    memset(&t->kept, 0, sizeof t->kept);
    struct mg_session_args args = {.op = (uint8_t)op,
                                   .reason = reason,
                                   .adjust_s = adjust_s,
                                   .offset_min = mg_site_offset_min(
                                       mg_clock_utc_ms(gateway_of(s)->clock))};
    memcpy(t->kept.args, &args, sizeof args);
    t->procedure = session_procedure(m);
    (void)snprintf(t->kept.verb, sizeof t->kept.verb, "%s", t->procedure->verb);
    t->kept.started_ms = mg_clock_utc_ms(gateway_of(s)->clock);
    forget_output(s);
    if (op != MG_SESSION_LOOK && op != MG_SESSION_RESTORE &&
        op != MG_SESSION_ADJUST) {
        mg_session_free_dataset(s->dataset);
        s->dataset = NULL;
    }
    s->has_op = true;
    s->op = (uint8_t)op;
    mg_procedure_start(t, MG_STEP_START);
}

/* The dataset that goes with the session, or an empty one for a session that is
 * nobody's. */
static void refresh_dataset(struct session *s)
{
    struct mg_err err;
    static const struct mg_session_request nobody = {0};
    const struct mg_session_request *r =
        s->kept.phase != PHASE_NONE ? &s->kept.request : &nobody;
    if (write_dataset(s, r, &err) != MG_OK) {
        (void)write_dataset(s, &nobody, &err); /* it was refused at begin */
    }
}

/* A task of before the restart is about to be resumed. */
void mg_session_resume_op(struct meter *m, const struct task *t)
{
    struct session *s = m->session;
    struct mg_session_args args;
    memcpy(&args, t->kept.args, sizeof args);
    if (s != NULL) {
        s->has_op = true;
        s->op = args.op;
        forget_output(s);
    }
}

const char *mg_session_dataset_text(struct meter *m, size_t *ret_len)
{
    struct session *s = m->session;
    if (s == NULL) {
        return NULL;
    }
    refresh_dataset(s);
    *ret_len = s->dataset_len;
    return s->dataset_text;
}

static bool append(void *to, size_t cap, size_t *len, const uint8_t *chunk,
                   size_t chunk_len)
{
    if (chunk_len > cap - *len) {
        return false;
    }
    memcpy((uint8_t *)to + *len, chunk, chunk_len);
    *len += chunk_len;
    return true;
}

void mg_session_chunk(struct meter *m, enum mg_chunk_kind kind,
                      const uint8_t *chunk, size_t len)
{
    struct session *s = m->session;
    if (s == NULL) {
        return;
    }
    bool fits = false;
    switch (kind) {
    case MG_CHUNK_PAYLOAD:
        fits =
            append(s->payload, sizeof s->payload, &s->payload_len, chunk, len);
        break;
    case MG_CHUNK_SIGNATURE_DER:
    case MG_CHUNK_SIGNATURE_BASE64:
        s->is_base64 = kind == MG_CHUNK_SIGNATURE_BASE64;
        fits = append(s->signature, sizeof s->signature, &s->signature_len,
                      chunk, len);
        break;
    case MG_CHUNK_PUBLIC_KEY:
        fits = append(s->public_key, sizeof s->public_key, &s->public_key_len,
                      chunk, len);
        break;
    case MG_N_CHUNKS:
        break;
    }
    s->is_too_long = s->is_too_long || !fits;
}

/* ---- A record has been read ---- */

/* From the record itself: was it the whole transaction? */
static enum mg_dataset_kind kind_of_output(const struct session *s)
{
    static const enum mg_dataset_kind kinds[] = {
        [MG_SESSION_BEGIN] = MG_DATASET_BEGIN,
        [MG_SESSION_INTERMEDIATE] = MG_DATASET_INTERMEDIATE,
        [MG_SESSION_TARIFF] = MG_DATASET_TARIFF,
        [MG_SESSION_SUSPEND] = MG_DATASET_SUSPEND,
        [MG_SESSION_RESUME] = MG_DATASET_RESUME,
        [MG_SESSION_FISCAL] = MG_DATASET_FISCAL,
        [MG_SESSION_EXCEPTION] = MG_DATASET_EXCEPTION,
        [MG_SESSION_END] = MG_DATASET_TRANSACTION,
        [MG_SESSION_LAST] = MG_DATASET_TRANSACTION,
    };
    if (s->op < sizeof kinds / sizeof *kinds && s->op != MG_SESSION_LOOK &&
        s->op != MG_SESSION_RESTORE && s->op != MG_SESSION_HOLD) {
        return kinds[s->op];
    }
    return MG_DATASET_UNKNOWN;
}

/* What was found in the meter without having been asked for: the last reading
 * tells what it is. It is of our session when that is still to be ended, and
 * the meter has ended it. */
static enum mg_dataset_kind kind_of_found(const struct session *s)
{
    static const struct {
        char tx;
        enum mg_dataset_kind kind;
    } kinds[] = {{'B', MG_DATASET_BEGIN},
                 {'C', MG_DATASET_INTERMEDIATE},
                 {'T', MG_DATASET_TARIFF},
                 {'S', MG_DATASET_SUSPEND},
                 {'X', MG_DATASET_EXCEPTION}};
    const struct mg_ocmf *o = gateway_of(s)->ocmf;
    if (o->context == 'F') {
        return MG_DATASET_FISCAL;
    }
    if (s->kept.phase == PHASE_NONE || o->n_readings == 0) {
        return MG_DATASET_UNKNOWN;
    }
    char first = o->readings[0].tx, last = o->readings[o->n_readings - 1].tx;
    if (o->n_readings > 1 && first == 'B' && last != 0 &&
        strchr("ELRAPr", last) != NULL) {
        return s->state == MG_SESSION_IDLE ? MG_DATASET_TRANSACTION
                                           : MG_DATASET_UNKNOWN;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].tx == last) {
            return kinds[i].kind;
        }
    }
    return MG_DATASET_UNKNOWN;
}

static const char *fault_of(const struct session *s, enum mg_dataset_kind kind)
{
    if (kind == MG_DATASET_UNKNOWN || s->is_dangling) {
        return "found in the meter: of no session of this gateway";
    }
    if (s->kept.fault[0] != '\0') {
        return s->kept.fault;
    }
    return s->kept.is_canceled ? "the session was canceled" : "";
}

static int assemble(struct session *s, char *text, size_t cap, bool is_original,
                    size_t *ret_len)
{
    uint8_t der[MG_SIGNATURE_MAX];
    size_t der_len = s->signature_len;
    unsigned lenient = 0;
    if (s->is_base64) {
        int rc = mg_base64_read((const char *)s->signature, s->signature_len,
                                der, sizeof der, &der_len);
        if (rc != MG_OK) {
            return rc;
        }
    } else if (der_len <= sizeof der) {
        memcpy(der, s->signature, der_len);
    } else {
        return MG_E_RANGE;
    }
    uint8_t strict[MG_SIGNATURE_MAX];
    size_t strict_len;
    if (!is_original &&
        mg_signature_normalise(der, der_len, MG_CURVE_SECP256R1, strict,
                               &strict_len, &lenient) == MG_OK) {
        memcpy(der, strict, strict_len);
        der_len = strict_len;
    }
    return mg_record_assemble(
        s->payload, s->payload_len, MG_CURVE_SECP256R1, der, der_len,
        s->is_base64 ? MG_SIGNATURE_BASE64 : MG_SIGNATURE_HEX, text, cap,
        ret_len);
}

static int take_output(struct session *s)
{
    char text[SESSION_PAYLOAD_MAX + 512], original[sizeof text];
    size_t len, original_len;
    if (s->is_too_long ||
        assemble(s, text, sizeof text, false, &len) != MG_OK ||
        assemble(s, original, sizeof original, true, &original_len) != MG_OK) {
        mg_event(gateway_of(s), s->meter, MG_LOG_ERROR, "record-unusable", NULL,
                 "the meter's output of %zu bytes with a signature of %zu "
                 "bytes is no record",
                 s->payload_len, s->signature_len);
        return MG_E_PROTO;
    }
    struct mg_public_key *key = NULL;
    unsigned lenient = 0;
    struct mg_err err;
    (void)mg_public_key_parse((const char *)s->public_key, s->public_key_len,
                              MG_CURVE_SECP256R1, &key, &lenient, &err);
    (void)mg_ocmf_parse(text, len, gateway_of(s)->ocmf, &err);
    enum mg_dataset_kind kind = kind_of_output(s);
    if (kind == MG_DATASET_UNKNOWN) {
        kind = kind_of_found(s);
    } else if (kind == MG_DATASET_TRANSACTION && s->kept.phase == PHASE_NONE) {
        kind =
            s->op == MG_SESSION_LAST ? MG_DATASET_REISSUE : MG_DATASET_UNKNOWN;
    }
    bool is_ours = kind != MG_DATASET_UNKNOWN && kind != MG_DATASET_FISCAL &&
                   kind != MG_DATASET_REISSUE;
    bool is_same = len == original_len && memcmp(text, original, len) == 0;
    struct session_record r = {.kind = kind,
                               .transaction =
                                   is_ours ? s->kept.request.transaction : "",
                               .mark = s->is_dangling ? "dangling" : "",
                               .fault = fault_of(s, kind),
                               .key = key,
                               .text = text,
                               .len = len,
                               .original = is_same ? NULL : original,
                               .original_len = is_same ? 0 : original_len,
                               .is_base64 = s->is_base64};
    int rc = mg_session_take_record(s, &r);
    mg_public_key_destroy(key);
    if (rc == MG_OK && kind == MG_DATASET_TRANSACTION) {
        mg_session_set_phase(s, PHASE_NONE);
        s->n_failed_ends = 0;
    }
    return rc;
}

/* ---- An operation has ended ---- */

/* The key without a record. */
static void learn_key(struct session *s)
{
    struct mg_public_key *key = NULL;
    unsigned lenient;
    struct mg_err err;
    if (mg_public_key_parse((const char *)s->public_key, s->public_key_len,
                            MG_CURVE_SECP256R1, &key, &lenient,
                            &err) == MG_OK) {
        mg_session_learn_key(s, key);
    }
    mg_public_key_destroy(key);
}

static void note_state(struct session *s, uint8_t state)
{
    struct mg_gateway *g = gateway_of(s);
    bool is_news = !s->has_state || s->state != state;
    s->has_state = true;
    s->state = state;
    if (!is_news || s->kept.phase == PHASE_NONE) {
        return;
    }
    if (state == MG_SESSION_AFTER_POWER_LOSS) {
        mg_event(g, s->meter, MG_LOG_WARN, "session-power-loss", NULL,
                 "the meter lost power during session %s: its record will bear "
                 "the time error flag",
                 s->kept.request.transaction);
    } else if (state == MG_SESSION_AFTER_RESET) {
        (void)snprintf(s->kept.fault, sizeof s->kept.fault,
                       "the meter was reset during the session");
        (void)mg_session_save(s);
        mg_event(g, s->meter, MG_LOG_ERROR, "session-meter-reset", NULL,
                 "the meter was reset during session %s: its energy is not "
                 "valid and cannot be billed",
                 s->kept.request.transaction);
    }
}

static void note_values(struct session *s, const struct task *t)
{
    for (size_t i = 0; i < t->n_values; i++) {
        const struct mg_value *v = &t->values[i];
        if (v->channel == MG_CH(SESSION_STATE, TOTAL) &&
            v->quality == MG_QUALITY_GOOD && v->value >= 0 &&
            v->value <= MG_SESSION_AFTER_RESET) {
            note_state(s, (uint8_t)v->value);
        }
    }
}

static bool is_unknown_outcome(int code)
{
    return code == MG_E_TIMEOUT || code == MG_E_IO || code == MG_E_CANCELED;
}

static void looked(struct session *s)
{
    bool is_idle = s->state == MG_SESSION_IDLE;
    s->must_look = false;
    s->is_dangling = s->is_dangling && !is_idle;
    if (s->kept.phase == PHASE_BEGINNING) {
        if (is_idle) {
            mg_session_void(s, "the meter did not begin");
        } else {
            mg_session_set_phase(s, PHASE_ACTIVE);
        }
    } else if (s->kept.phase == PHASE_ACTIVE && is_idle) {
        mg_event(gateway_of(s), s->meter, MG_LOG_ERROR, "session-lost", NULL,
                 "the meter has no running session any more: the record of %s "
                 "is asked for again",
                 s->kept.request.transaction);
        s->kept.reason = 'E';
        mg_session_set_phase(s, PHASE_ENDING);
    }
}

/* What each verb is for the driver; BEGIN and END have ways of their own. */
static enum mg_session_op op_of_verb(enum mg_session_verb verb)
{
    static const enum mg_session_op ops[MG_N_SESSION_VERBS] = {
        [MG_VERB_INTERMEDIATE] = MG_SESSION_INTERMEDIATE,
        [MG_VERB_TARIFF] = MG_SESSION_TARIFF,
        [MG_VERB_SUSPEND] = MG_SESSION_SUSPEND,
        [MG_VERB_RESUME] = MG_SESSION_RESUME,
        [MG_VERB_FISCAL] = MG_SESSION_FISCAL,
        [MG_VERB_HOLD] = MG_SESSION_HOLD,
        [MG_VERB_EXCEPTION] = MG_SESSION_EXCEPTION,
        [MG_VERB_LAST] = MG_SESSION_LAST};
    return ops[verb];
}

/* Whether the operation that has ended is the one that was asked for: after a
 * restart it may be one from before, and the request waits for its own. */
static bool is_answer(const struct session *s)
{
    bool is_held =
        s->request.verb == MG_VERB_HOLD && s->op == MG_SESSION_INTERMEDIATE;
    bool is_begun =
        s->request.verb == MG_VERB_BEGIN && s->op == MG_SESSION_BEGIN;
    return is_held || is_begun || op_of_verb(s->request.verb) == s->op;
}

static void answer_own(struct session *s, int code, const char *reason,
                       const char *more)
{
    if (s->has_request && is_answer(s)) {
        mg_session_answer(s, code, "%s%s", reason, more);
    }
}

static void began(struct session *s, int code, const char *reason)
{
    if (code == MG_OK) {
        s->kept.begin_mwh =
            s->dataset != NULL ? s->dataset->begin_mwh : INT64_MIN;
        mg_session_set_phase(s, PHASE_ACTIVE);
        answer_own(s, MG_OK, "", "");
        return;
    }
    if (is_unknown_outcome(code)) {
        s->must_look = true;
        answer_own(s, code, reason,
                   "; whether the meter began is not known, ask again");
        return;
    }
    char why[160];
    (void)snprintf(why, sizeof why, "the meter did not begin: %.120s", reason);
    mg_session_void(s, why);
    s->must_look = true;
    answer_own(s, code, reason, "");
}

static void ended(struct session *s, int code, const char *reason)
{
    if (code == MG_OK && (s->kept.phase == PHASE_NONE || s->is_dangling)) {
        s->is_dangling = false;
        s->has_state = true;
        s->state = MG_SESSION_IDLE;
        return; /* answered by go_on */
    }
    s->must_look = true;
    s->n_failed_ends++;
    mg_session_retry_later(s, s->n_failed_ends < END_TRIES ? RETRY_MS
                                                           : RETRY_SLOW_MS);
    mg_session_answer(s, code == MG_OK ? MG_E_PROTO : code,
                      "%s; the session is ended as soon as the meter allows",
                      code == MG_OK ? "the meter gave no record" : reason);
}

static void got_last(struct session *s, int code, const char *reason)
{
    if (s->kept.phase == PHASE_NONE) {
        if (s->has_request && s->request.verb == MG_VERB_LAST) {
            mg_session_answer(s, code, "%s", reason);
        }
        return;
    }
    /* What went wrong may have been the line, the meter's supply or our disk:
     * the record is given up only when the meter refuses again and again. */
    bool is_refused =
        code == MG_E_EXCEPTION && s->n_failed_ends + 1 >= END_TRIES;
    if (code != MG_E_NOSUP && !is_refused) {
        s->must_look = true;
        s->n_failed_ends += code == MG_E_EXCEPTION;
        mg_session_retry_later(s, RETRY_MS);
        mg_session_answer(s, code == MG_OK ? MG_E_PROTO : code,
                          "%s; the record is asked for again",
                          code == MG_OK ? "the meter gave no record" : reason);
        return;
    }
    s->n_failed_ends = 0;
    char why[160];
    (void)snprintf(why, sizeof why,
                   "the meter ended the transaction and does not give its "
                   "record: %.80s",
                   reason);
    mg_session_void(s, why);
    mg_session_answer(s, MG_E_NOTFOUND, "%s", why);
}

static void stepped(struct session *s, int code, const char *reason)
{
    if (code == MG_OK && s->op == MG_SESSION_SUSPEND) {
        s->kept.is_suspended = true;
    } else if (code == MG_OK && s->op == MG_SESSION_RESUME) {
        s->kept.is_suspended = false;
    } else if (code == MG_OK && s->op == MG_SESSION_EXCEPTION) {
        (void)snprintf(s->kept.fault, sizeof s->kept.fault,
                       "an exception was signalled during the session");
    }
    if (code == MG_OK && s->kept.phase != PHASE_NONE) {
        mg_session_set_phase(s, (enum session_phase)s->kept.phase);
    }
    s->must_look = s->must_look || is_unknown_outcome(code);
    answer_own(s, code, reason, "");
}

/* A meter of this make without the crypto chip. */
static void does_not_sign(struct session *s, const char *reason)
{
    struct mg_gateway *g = gateway_of(s);
    s->must_look = false;
    if (g->station == NULL) {
        mg_session_retry_later(s, RETRY_SLOW_MS);
        s->must_look = true;
        mg_session_answer(s, MG_E_NOSUP,
                          "the meter does not sign and no `station` is "
                          "configured that would: %s",
                          reason);
        return;
    }
    mg_event(g, s->meter, MG_LOG_INFO, "meter-without-signature", NULL,
             "the meter does not sign, the station signs for it: %s", reason);
    s->is_signing_meter = false;
    if (mg_station_key(g->station) != NULL) {
        mg_session_learn_key(s, mg_station_key(g->station));
    }
}

void mg_session_op_done(struct task *t, int code, const char *reason)
{
    struct session *s = t->meter->session;
    if (s == NULL || !s->has_op) {
        return;
    }
    s->has_op = false;
    s->op_end_ns = mg_clock_now_ns(gateway_of(s)->clock);
    if (gateway_of(s)->is_stopped) {
        return; /* looked after at the next start */
    }
    note_values(s, t);
    if (code == MG_OK && s->payload_len > 0 && s->signature_len > 0) {
        (void)take_output(s); /* what is wrong with it has been said */
    } else if (code == MG_OK && s->public_key_len > 0) {
        learn_key(s);
    }
    switch ((enum mg_session_op)s->op) {
    case MG_SESSION_LOOK:
        if (code == MG_OK) {
            looked(s);
        } else if (code == MG_E_EXCEPTION || code == MG_E_NOSUP) {
            does_not_sign(s, reason);
        } else {
            mg_session_retry_later(s, RETRY_MS);
        }
        break;
    case MG_SESSION_BEGIN:
        began(s, code, reason);
        break;
    case MG_SESSION_RESTORE:
        s->is_restored = code == MG_OK;
        if (code != MG_OK) {
            mg_session_retry_later(s, RETRY_MS);
        }
        break;
    case MG_SESSION_END:
        ended(s, code, reason);
        break;
    case MG_SESSION_LAST:
        got_last(s, code, reason);
        break;
    case MG_SESSION_HOLD:
        if (code == MG_OK) {
            start_op(s, MG_SESSION_INTERMEDIATE, 0, 0);
            return;
        }
        stepped(s, code, reason);
        break;
    case MG_SESSION_ADJUST:
        break;
    default:
        stepped(s, code, reason);
        break;
    }
    /* Not from within this call: the task is not free yet. */
}

/* ---- What next? ---- */

static void begin_now(struct session *s)
{
    struct mg_err err = {0};
    struct mg_gateway *g = gateway_of(s);
    uint16_t version = s->kept.ocmf_version;
    memset(&s->kept, 0, sizeof s->kept);
    s->kept.ocmf_version = version;
    s->kept.request = s->request;
    s->kept.begun_ms = mg_clock_utc_ms(g->clock);
    s->kept.begin_mwh = INT64_MIN;
    int rc = write_dataset(s, &s->request, &err);
    if (rc == MG_OK && mg_session_open_dataset(s) != MG_OK) {
        rc =
            mg_err_set(&err, MG_E_NOSPC, "the store does not take the session");
    }
    if (rc != MG_OK) {
        mg_session_answer(s, rc, "%s", err.text);
        return;
    }
    s->is_restored = false;
    mg_session_set_phase(s, PHASE_BEGINNING);
    start_op(s, MG_SESSION_BEGIN, 0, 0);
}

static void carry_out(struct session *s)
{
    if (!s->has_request || s->is_answered) {
        return;
    }
    switch (s->request.verb) {
    case MG_VERB_BEGIN:
        if (s->kept.phase == PHASE_NONE) {
            begin_now(s);
        } else if (s->kept.phase == PHASE_ACTIVE &&
                   strcmp(s->kept.request.transaction,
                          s->request.transaction) != 0) {
            mg_session_begin_ending(s, 'A', false); /* forced */
        } else if (s->kept.phase == PHASE_ACTIVE) {
            s->is_repeated = true;
            mg_session_answer(s, MG_OK, "%s", "");
        }
        break;
    case MG_VERB_END:
    case MG_VERB_CANCEL:
    case MG_VERB_RECOVER: /* nothing is left to be done */
        if (s->dataset == NULL && s->request.verb != MG_VERB_RECOVER &&
            s->request.transaction[0] != '\0') {
            mg_session_answer(s, MG_E_NOTFOUND, "the session did not begin");
        } else {
            mg_session_answer(s, MG_OK, "%s", "");
        }
        break;
    default:
        start_op(s, op_of_verb(s->request.verb), 0, 0);
        break;
    }
}

/* The meter's own clock against that of the station, once a charge. */
static bool adjust_clock(struct session *s)
{
    const struct mg_value *v =
        mg_sample_find(s->meter->live, MG_CH(METER_CLOCK, TOTAL));
    if (s->kept.phase != PHASE_ACTIVE || s->state != MG_SESSION_ACTIVE ||
        s->kept.is_adjusted || v == NULL || v->quality != MG_QUALITY_GOOD ||
        mg_clock_sync(gateway_of(s)->clock) != MG_CLOCK_SYNCED) {
        return false;
    }
    int64_t off_s = s->meter->live->utc_ms / 1000 - v->value;
    if ((off_s < ADJUST_FROM_S && off_s > -ADJUST_FROM_S) ||
        off_s > ADJUST_MAX_S || off_s < -ADJUST_MAX_S) {
        return false;
    }
    s->kept.is_adjusted = true;
    mg_session_set_phase(s, PHASE_ACTIVE);
    start_op(s, MG_SESSION_ADJUST, 0, (int8_t)off_s);
    return true;
}

static void take_version(struct session *s)
{
    if (s->meter->ocmf_version != 0 && s->kept.phase == PHASE_NONE) {
        s->kept.ocmf_version = s->meter->ocmf_version;
    }
}

/* An end that was asked for while it was not known whether the meter began. */
static void take_end(struct session *s)
{
    bool is_cancel = s->request.verb == MG_VERB_CANCEL;
    if (s->has_request && !s->is_answered && s->kept.phase == PHASE_ACTIVE &&
        (is_cancel || s->request.verb == MG_VERB_END)) {
        mg_session_begin_ending(s, is_cancel ? 'A' : s->request.reason,
                                is_cancel);
    }
}

void mg_session_meter_go_on(struct session *s)
{
    bool is_known = s->has_state && !s->must_look;
    if (s->has_op || !is_free(s) || s->meter->state == MG_METER_OFFLINE ||
        mg_clock_now_ns(gateway_of(s)->clock) < s->retry_ns) {
        return;
    }
    take_version(s);
    take_end(s);
    if (!is_known) {
        start_op(s, MG_SESSION_LOOK, 0, 0);
    } else if (s->state >= MG_SESSION_AFTER_POWER_LOSS && !s->is_restored) {
        start_op(s, MG_SESSION_RESTORE, 0, 0);
    } else if (s->state != MG_SESSION_IDLE && s->kept.phase == PHASE_NONE) {
        s->is_dangling = true;
        mg_event(gateway_of(s), s->meter, MG_LOG_WARN, "session-dangling", NULL,
                 "a session of nobody runs in the meter: it is ended and its "
                 "record kept");
        start_op(s, MG_SESSION_END, 'A', 0);
    } else if (s->kept.phase == PHASE_ENDING) {
        start_op(s,
                 s->state == MG_SESSION_IDLE ? MG_SESSION_LAST : MG_SESSION_END,
                 s->kept.reason, 0);
    } else if (!adjust_clock(s)) {
        carry_out(s);
    }
}

void mg_session_meter_sample(struct session *s, const struct mg_sample *sample)
{
    const struct mg_value *state =
        mg_sample_find(sample, MG_CH(SESSION_STATE, TOTAL));
    const struct mg_value *clock =
        mg_sample_find(sample, MG_CH(METER_CLOCK, TOTAL));
    if (s->has_op || state == NULL || state->quality != MG_QUALITY_GOOD ||
        sample->mono_ns <= s->op_end_ns) {
        return;
    }
    bool is_ours = s->kept.phase != PHASE_NONE;
    bool is_running = state->value != MG_SESSION_IDLE;
    if (!s->has_state || state->value != s->state || is_ours != is_running) {
        s->must_look = true;
    }
    int64_t off_s = clock == NULL ? 0 : clock->value - sample->utc_ms / 1000;
    if (state->value >= MG_SESSION_AFTER_POWER_LOSS && clock != NULL &&
        clock->quality == MG_QUALITY_GOOD &&
        (off_s > CLOCK_LOST_S || off_s < -CLOCK_LOST_S)) {
        s->is_restored = false; /* once more */
    }
}
