/* Sessions of a meter that does not sign: the station takes the readings, one
 * after each request, never one from before it, and signs them at the end. */
#include <stdio.h>
#include <string.h>

#include "record/assemble.h"
#include "record/chargepoint.h"
#include "run/can_priv.h"
#include "run/duties.h"
#include "run/seal.h"
#include "run/session_priv.h"
#include "run/site_time.h"

#define OCMF_VERSION    "1.0"
#define RETRY_SIGN_MS   10000U
#define SAVE_LOSS_NS    (10 * 1000000000ULL)
#define LOSS_GAP_MIN_MS 5000 /* samples further apart are not joined */

static const mg_channel energies[] = {MG_CH(ENERGY_ACTIVE_IMPORT, TOTAL),
                                      MG_CH(ENERGY_ACTIVE, TOTAL)};

static struct mg_gateway *gateway_of(const struct session *s)
{
    return s->meter->gateway;
}

static const struct mg_value *good_energy(const struct mg_sample *sample)
{
    for (size_t i = 0; i < sizeof energies / sizeof *energies; i++) {
        const struct mg_value *v = mg_sample_find(sample, energies[i]);
        if (v != NULL && v->quality == MG_QUALITY_GOOD) {
            return v;
        }
    }
    return NULL;
}

/* ---- Cable loss ---- */

static unsigned currents(const struct mg_sample *sample, int64_t ret_ma[3])
{
    static const mg_channel phases[] = {MG_CH(CURRENT, L1), MG_CH(CURRENT, L2),
                                        MG_CH(CURRENT, L3)};
    static const mg_channel single = MG_CH(CURRENT, TOTAL);
    unsigned n = 0;
    for (size_t i = 0; i < 3; i++) {
        const struct mg_value *v = mg_sample_find(sample, phases[i]);
        if (v != NULL && v->quality == MG_QUALITY_GOOD) {
            ret_ma[n++] = v->value;
        }
    }
    const struct mg_value *v = mg_sample_find(sample, single);
    if (n == 0 && v != NULL && v->quality == MG_QUALITY_GOOD) {
        ret_ma[n++] = v->value;
    }
    return n;
}

static void add_loss(struct session *s, const struct mg_sample *sample)
{
    if (s->kept.phase == PHASE_NONE || s->kept.n_entries == 0 ||
        s->kept.loss_uohm == 0) {
        return;
    }
    int64_t ma[3];
    unsigned n = currents(sample, ma);
    if (n == 0) {
        return;
    }
    int64_t max_gap_ms = 3 * (int64_t)s->meter->setup->interval_ms;
    mg_loss_add(&s->kept.loss, s->kept.loss_uohm, ma, n,
                (int64_t)(sample->mono_ns / 1000000),
                max_gap_ms > LOSS_GAP_MIN_MS ? max_gap_ms : LOSS_GAP_MIN_MS);
    uint64_t now_ns = mg_clock_now_ns(gateway_of(s)->clock);
    if (now_ns - s->saved_ns >= SAVE_LOSS_NS) {
        (void)mg_session_save(s); /* said when it matters */
    }
}

/* ---- The record ---- */

static bool is_chargepoint(const struct session *s)
{
    return s->meter->setup->session.form == MG_OCMF_FORM_CHARGEPOINT;
}

/* Texts that a head points to. */
struct head_texts {
    char model[32];
    char ms[MG_CHARGEPOINT_MS_MAX], mf[MG_CHARGEPOINT_MF_MAX];
    char gv[MG_CHARGEPOINT_GV_MAX];
};

/* As on the meter: models are named in lower case here. */
static void model_name(const struct meter *m, char ret[32])
{
    (void)snprintf(ret, 32, "%s", m->setup->plugin->model);
    for (char *c = ret; *c != '\0'; c++) {
        *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
    }
}

static void head_of(struct session *s, const struct mg_session_request *r,
                    struct head_texts *texts, struct mg_ocmf_head *ret)
{
    const struct meter *m = s->meter;
    const struct mg_setup_station *station = &gateway_of(s)->setup->station;
    model_name(m, texts->model);
    *ret = (struct mg_ocmf_head){
        .version = OCMF_VERSION,
        .gi = station->identification[0] != '\0'
                  ? station->identification
                  : gateway_of(s)->setup->gateway,
        .gs = station->serial,
        .gv = station->version[0] != '\0' ? station->version
                                          : "metergate " MG_VERSION,
        .is_assigned = r->is_assigned,
        .level = r->level,
        .n_flags = r->n_flags,
        .type = r->type,
        .data = r->data,
        .tariff = r->tariff,
        .ct = m->setup->session.is_chargebox ? "CBIDC" : "EVSEID",
        .ci = r->evse[0] != '\0' ? r->evse : m->setup->session.evse,
        .mv = m->setup->plugin->vendor,
        .mm = texts->model,
        .ms = m->serial,
        .has_loss = true,
        .loss_uohm = s->kept.loss_uohm};
    for (size_t i = 0; i < r->n_flags && i < 4; i++) {
        ret->flags[i] = r->flags[i];
    }
}

/* What ChargePoint's form says in another way. */
static void chargepoint_head(const struct session *s, struct head_texts *texts,
                             struct mg_ocmf_head *ret)
{
    const struct meter *m = s->meter;
    mg_chargepoint_gv(m->lrs_version, ret->gv, texts->gv);
    mg_chargepoint_ms(m->serial, m->part_number, texts->ms);
    ret->form = MG_OCMF_FORM_CHARGEPOINT;
    ret->connector = m->setup->session.connector == 2 ? 2 : 1;
    ret->gv = texts->gv;
    ret->ms = texts->ms;
    if (m->has_lrs_hash) {
        mg_chargepoint_mf(m->lrs_hash, texts->mf);
        ret->mf = texts->mf;
    }
}

static void station_signed(void *ctx, int code, const uint8_t *der,
                           size_t der_len, const char *why);

static int sign(struct session *s, char context,
                const struct mg_ocmf_entry *entries, size_t n)
{
    const struct mg_session_request *r =
        context == 'F' ? &s->request : &s->kept.request;
    struct mg_ocmf_head head;
    struct head_texts texts;
    char pg[MG_CHARGEPOINT_PG_MAX];
    const char *session = NULL;
    head_of(s, r, &texts, &head);
    if (is_chargepoint(s)) {
        chargepoint_head(s, &texts, &head);
        session = context == 'F' ? NULL : r->transaction;
    }
    /* The next number. It is used up with the record, in one transaction. */
    s->pagination = (context == 'F' ? s->key.last_f : s->key.last_t) + 1;
    s->context = context;
    mg_chargepoint_pg(context, s->pagination, session, pg);
    int rc = mg_ocmf_payload(&head, pg, entries, n, s->kept.decimals,
                             s->payload, sizeof s->payload, &s->payload_len);
    if (rc == MG_OK) {
        rc = mg_station_sign(gateway_of(s)->station, MG_STATION_RECORD,
                             s->payload, s->payload_len, station_signed, s);
    }
    s->is_signing = rc == MG_OK;
    return rc;
}

static void cannot_sign(struct session *s, int code, const char *why)
{
    mg_event(gateway_of(s), s->meter, MG_LOG_ERROR, "session-unsigned", NULL,
             "the record of the session is not signed yet: %s", why);
    mg_session_retry_later(s, RETRY_SIGN_MS);
    mg_session_answer(s, code, "%s%s", why,
                      s->kept.phase == PHASE_ENDING
                          ? "; the session is signed as soon as that is over"
                          : "");
}

static int take_record(struct session *s, const uint8_t *der, size_t der_len)
{
    const struct mg_public_key *key = mg_station_key(gateway_of(s)->station);
    char text[SESSION_PAYLOAD_MAX + 512];
    size_t len;
    int rc = mg_record_assemble(
        s->payload, s->payload_len, mg_public_key_curve(key), der, der_len,
        is_chargepoint(s) ? MG_SIGNATURE_CHARGEPOINT : MG_SIGNATURE_BASE64,
        text, sizeof text, &len);
    if (rc != MG_OK) {
        return rc;
    }
    bool is_fiscal = s->context == 'F';
    struct session_record r = {
        .kind = is_fiscal ? MG_DATASET_FISCAL : MG_DATASET_TRANSACTION,
        .transaction = is_fiscal ? "" : s->kept.request.transaction,
        .mark = "",
        .fault = is_fiscal                  ? ""
                 : s->kept.fault[0] != '\0' ? s->kept.fault
                 : s->kept.is_canceled      ? "the session was canceled"
                                            : "",
        .key = key,
        .text = text,
        .len = len,
        .is_base64 = true};
    return mg_session_take_record(s, &r);
}

static void station_signed(void *ctx, int code, const uint8_t *der,
                           size_t der_len, const char *why)
{
    struct session *s = ctx;
    s->is_signing = false;
    if (code != MG_OK) {
        cannot_sign(s, code, why);
        return;
    }
    int rc = take_record(s, der, der_len);
    if (rc != MG_OK) {
        cannot_sign(s, rc,
                    rc == MG_E_MISMATCH
                        ? "the signature just made does not verify"
                        : "the store does not take the record");
        return;
    }
    if (s->context == 'T') {
        mg_session_set_phase(s, PHASE_NONE);
    }
    bool is_asked = s->has_request &&
                    (s->request.verb != MG_VERB_BEGIN || s->context == 'F');
    if (is_asked) {
        mg_session_answer(s, MG_OK, "%s", "");
    }
    mg_session_go_on(s);
}

/* ---- Readings ---- */

static struct mg_ocmf_entry entry_of(const struct session *s,
                                     const struct mg_sample *sample,
                                     const struct mg_value *energy, char tx)
{
    int64_t loss = mg_loss_mwh(&s->kept.loss);
    int16_t offset_min = 0; /* ChargePoint's records are in UTC */
    if (!is_chargepoint(s)) {
        offset_min = mg_site_offset_min(sample->utc_ms);
    }
    return (struct mg_ocmf_entry){
        .utc_ms = sample->utc_ms,
        .offset_min = offset_min,
        .clock = (char)sample->clock,
        .tx = tx,
        .status = 'G',
        .meter_mwh = energy->value,
        .loss_mwh = loss > energy->value ? energy->value : loss};
}

static bool has_telegrams(const struct session *s)
{
    return (s->meter->setup->plugin->capabilities & MG_CAP_TELEGRAM) != 0;
}

static void want_sample(struct session *s)
{
    s->wants_sample = true;
    s->wanted_ns = mg_clock_now_ns(gateway_of(s)->clock);
    if (has_telegrams(s)) {
        mg_telegram_ask(s->meter->can);
    } else {
        mg_poller_now(s->meter);
    }
}

static void begun(struct session *s, const struct mg_sample *sample,
                  const struct mg_value *energy)
{
    struct session_kept *k = &s->kept;
    memset(k, 0, sizeof *k);
    k->request = s->request;
    k->loss_uohm = s->meter->setup->session.loss_uohm;
    k->decimals = (uint8_t)mg_ocmf_decimals(energy->resolution);
    k->begun_ms = sample->utc_ms;
    k->begin_mwh = energy->value;
    k->entries[k->n_entries++] = entry_of(s, sample, energy, 'B');
    if (mg_session_open_dataset(s) != MG_OK) {
        memset(k, 0, sizeof *k);
        mg_session_answer(s, MG_E_NOSPC, "the store does not take the session");
        return;
    }
    mg_session_set_phase(s, PHASE_ACTIVE);
    mg_session_answer(s, MG_OK, "%s", "");
}

/* Nothing is made up for the time without readings. */
static void say_gap(const struct session *s)
{
    if (s->kept.loss.gap_ms > 0) {
        mg_event(gateway_of(s), s->meter, MG_LOG_WARN, "session-loss-gap", NULL,
                 "the cable loss of session %s leaves out %llu s without "
                 "readings",
                 s->kept.request.transaction,
                 (unsigned long long)(s->kept.loss.gap_ms / 1000));
    }
}

static void add_entry(struct session *s, const struct mg_sample *sample,
                      const struct mg_value *energy, char tx)
{
    struct session_kept *k = &s->kept;
    /* The last place is the end's. */
    if (k->n_entries >= SESSION_ENTRIES_MAX - (tx == k->reason ? 0 : 1)) {
        mg_session_answer(s, MG_E_NOSPC,
                          "the record is full: it has %d readings",
                          k->n_entries);
        return;
    }
    k->entries[k->n_entries++] = entry_of(s, sample, energy, tx);
    if (tx == k->reason) {
        say_gap(s);
        mg_session_set_phase(s, PHASE_ENDING);
        return; /* signed by go_on */
    }
    if (tx == 'S' || s->request.verb == MG_VERB_RESUME) {
        k->is_suspended = tx == 'S';
    } else if (tx == 'X') {
        (void)snprintf(k->fault, sizeof k->fault,
                       "an exception was signalled during the session");
    }
    mg_session_set_phase(s, PHASE_ACTIVE);
    mg_session_answer(s, MG_OK, "%s", "");
}

static char tx_of(enum mg_session_verb verb)
{
    switch (verb) {
    case MG_VERB_TARIFF:
        return 'T';
    case MG_VERB_SUSPEND:
        return 'S';
    case MG_VERB_EXCEPTION:
        return 'X';
    default:
        return 'C';
    }
}

static bool is_ended(const struct session_kept *k)
{
    return k->phase == PHASE_ENDING && k->n_entries > 1 &&
           k->entries[k->n_entries - 1].tx == k->reason;
}

/* What was found out since the request came. */
static bool is_blocked(struct session *s)
{
    if (s->meter->must_seal) {
        mg_seal_check(s->meter);
    }
    const char *problem = mg_duties_problem(s->meter);
    if (problem != NULL) {
        mg_session_answer(s, MG_E_DENIED, "nothing can be billed: %s", problem);
    }
    return problem != NULL;
}

static void use_reading(struct session *s, const struct mg_sample *sample,
                        const struct mg_value *energy)
{
    if (s->kept.phase == PHASE_ENDING) {
        add_entry(s, sample, energy, s->kept.reason);
    } else if (!s->has_request || s->is_answered) {
        return;
    } else if (s->kept.phase == PHASE_NONE && is_blocked(s)) {
        return; /* told */
    } else if (s->request.verb == MG_VERB_BEGIN) {
        begun(s, sample, energy);
    } else if (s->request.verb == MG_VERB_FISCAL) {
        struct mg_ocmf_entry e = entry_of(s, sample, energy, 0);
        if (s->kept.phase == PHASE_NONE) {
            s->kept.decimals = (uint8_t)mg_ocmf_decimals(energy->resolution);
            s->kept.loss_uohm = s->meter->setup->session.loss_uohm;
            e.loss_mwh = 0;
        }
        int rc = sign(s, 'F', &e, 1);
        if (rc != MG_OK) {
            cannot_sign(s, rc, mg_code_text(rc));
        }
    } else {
        add_entry(s, sample, energy, tx_of(s->request.verb));
    }
}

void mg_session_station_sample(struct session *s,
                               const struct mg_sample *sample)
{
    add_loss(s, sample);
    if (has_telegrams(s)) {
        return; /* what is not signed is not billed */
    }
    const struct mg_value *energy = good_energy(sample);
    /* The identification comes first: a record names the meter's serial number
     * where the meter can tell it. */
    bool is_known = s->meter->has_info || s->kept.phase != PHASE_NONE;
    if (!s->wants_sample || energy == NULL || !is_known ||
        sample->mono_ns < s->wanted_ns) {
        return;
    }
    s->wants_sample = false;
    use_reading(s, sample, energy);
}

void mg_session_telegram(struct meter *m, const struct mg_value *energy)
{
    struct session *s = m->session;
    struct mg_clock *clock = m->gateway->clock;
    if (s == NULL || s->is_signing_meter || !s->wants_sample) {
        return;
    }
    struct mg_sample sample = {.group = MG_GROUP_LIVE,
                               .utc_ms = mg_clock_utc_ms(clock),
                               .mono_ns = mg_clock_now_ns(clock),
                               .clock = (uint8_t)mg_clock_sync(clock)};
    s->wants_sample = false;
    use_reading(s, &sample, energy);
}

/* ---- What next? ---- */

/* ChargePoint's records have readings of suspensions, but none of their ends.
 */
static void resume_unread(struct session *s)
{
    s->kept.is_suspended = false;
    mg_session_set_phase(s, PHASE_ACTIVE);
    mg_session_answer(s, MG_OK, "%s", "");
}

/* A telegram names no software and no part number, but a record does: in a
 * session the meter must have told them once, before it now. */
static bool is_identified(const struct session *s)
{
    const struct meter *m = s->meter;
    return !has_telegrams(s) || m->has_info ||
           (s->kept.phase != PHASE_NONE && m->udid[0] != '\0');
}

void mg_session_station_go_on(struct session *s)
{
    if (s->is_signing || mg_clock_now_ns(gateway_of(s)->clock) < s->retry_ns ||
        (s->kept.phase == PHASE_ENDING && !is_identified(s))) {
        return;
    }
    if (s->wants_sample) {
        /* The meter was away longer than it was asked. */
        if (has_telegrams(s) && !s->meter->can->telegram.is_asked) {
            mg_telegram_ask(s->meter->can);
        }
        return;
    }
    if (is_ended(&s->kept)) {
        int rc = sign(s, 'T', s->kept.entries, s->kept.n_entries);
        if (rc != MG_OK) {
            const char *why = mg_station_problem(gateway_of(s)->station);
            cannot_sign(s, rc, why != NULL ? why : mg_code_text(rc));
        }
        return;
    }
    if (s->kept.phase == PHASE_ENDING) {
        want_sample(s);
        return;
    }
    if (!s->has_request || s->is_answered) {
        return;
    }
    switch (s->request.verb) {
    case MG_VERB_END:
    case MG_VERB_CANCEL:
    case MG_VERB_RECOVER:
        mg_session_answer(s, MG_OK, "%s", "");
        break;
    case MG_VERB_LAST:
        mg_session_answer(
            s, MG_E_NOSUP,
            "the station keeps its records: name the transaction");
        break;
    case MG_VERB_RESUME:
        if (is_chargepoint(s)) {
            resume_unread(s);
            break;
        }
        want_sample(s);
        break;
    default:
        if (is_identified(s)) {
            want_sample(s);
        }
        break;
    }
}
