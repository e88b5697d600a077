/* Signed energy telegrams. Only what they say is billed, and only when
 * signature, meter, counter and, for the readings of a session, the challenge
 * are right. What is not is never used: it stops billing on the meter until a
 * telegram with a fresh challenge has verified. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "run/can_priv.h"
#include "run/duties.h"
#include "run/session.h"
#include "sim/rng.h"

#define TELEGRAM_VERSION 2
#define SAVE_NS          (10 * 1000000000ULL)
#define LOST_NS          (10 * 1000000000ULL) /* ten cycles */
#define ASK_TRIES        10
#define ASK_AGAIN_NS     (3 * 1000000000ULL)
/* Who sends bad ones all the time fills no log: refused so often, each time
 * within an hour, a fresh one is asked for twice as late; after 192 s at last.
 */
#define RELAPSE_NS    (3600 * 1000000000ULL)
#define RELAPSES_FREE 3U
#define RELAPSES_MAX  (RELAPSES_FREE + 6)
/* Signatures looked at in a second: a flood of forged ones costs no more. */
#define VERIFIED_PER_S 8
#define GONE_BACK      "its energy is below an earlier one"

static struct mg_gateway *gateway_of(const struct can_meter *cm)
{
    return cm->meter->gateway;
}

static uint64_t now_of(const struct can_meter *cm)
{
    return mg_clock_now_ns(gateway_of(cm)->clock);
}

static const struct mg_can_driver *driver_of(const struct can_meter *cm)
{
    return cm->meter->setup->plugin->driver->can;
}

static bool has_telegrams(const struct can_meter *cm)
{
    return (cm->meter->setup->plugin->capabilities & MG_CAP_TELEGRAM) != 0;
}

/* ---- Memory ---- */

static void save(struct can_meter *cm)
{
    struct mg_store *store = gateway_of(cm)->store;
    struct telegram_kept *k = &cm->telegram.kept;
    char key[MG_STORE_KEY_MAX];
    uint64_t ticket;
    if (store == NULL) {
        return;
    }
    k->version = TELEGRAM_VERSION;
    k->size = sizeof *k;
    mg_memory_key(cm->meter, "telegram", key);
    if (mg_store_put(store, key, k, sizeof *k, &ticket) == MG_OK) {
        cm->telegram.saved_ns = now_of(cm);
    }
}

static int take_key(struct can_meter *cm, const char *text, size_t len,
                    struct mg_err *err)
{
    struct mg_public_key *key = NULL;
    unsigned lenient;
    int rc =
        mg_public_key_parse(text, len, MG_CURVE_SECP256R1, &key, &lenient, err);
    if (rc == MG_OK && mg_public_key_curve(key) != MG_CURVE_SECP256R1) {
        mg_public_key_destroy(key);
        rc = mg_err_set(err, MG_E_NOSUP, "the meter's key is one of %s",
                        mg_curve_name(MG_CURVE_SECP256R1));
    }
    if (rc == MG_OK) {
        mg_public_key_destroy(cm->telegram.key);
        cm->telegram.key = key;
    }
    return rc;
}

static void load_kept(struct can_meter *cm)
{
    struct telegram_kept kept;
    char key[MG_STORE_KEY_MAX];
    struct mg_err err;
    size_t len;
    if (gateway_of(cm)->store == NULL) {
        return;
    }
    mg_memory_key(cm->meter, "telegram", key);
    if (mg_store_get(gateway_of(cm)->store, key, &kept, sizeof kept, &len,
                     &err) == MG_OK &&
        len == sizeof kept && kept.version == TELEGRAM_VERSION &&
        kept.size == sizeof kept) {
        kept.serial[sizeof kept.serial - 1] = '\0';
        cm->telegram.kept = kept;
        cm->telegram.is_refused = kept.is_refused;
        (void)snprintf(cm->telegram.why, sizeof cm->telegram.why,
                       "one was refused before the restart");
    }
}

int mg_telegram_load(struct can_meter *cm, struct mg_err *err)
{
    struct telegram *t = &cm->telegram;
    const char *pinned = cm->meter->setup->session.public_key;
    if (!has_telegrams(cm)) {
        return MG_OK;
    }
    load_kept(cm);
    if (t->is_refused) {
        mg_duties_fault(cm->meter, MG_FAULT_SIGNATURE_VERIFICATION_FAILED, true,
                        t->why);
    }
    t->is_pinned = pinned != NULL;
    int rc = MG_OK;
    if (t->is_pinned) {
        rc = take_key(cm, pinned, strlen(pinned), err);
    } else if (t->kept.has_key) {
        rc = take_key(cm, (const char *)t->kept.public_key,
                      sizeof t->kept.public_key, err);
    }
    if (rc != MG_OK) {
        mg_err_prefix(err, "meter %s", cm->meter->setup->id);
    }
    return rc;
}

void mg_telegram_stop(struct can_meter *cm)
{
    mg_timer_stop(&cm->telegram.timer);
    if (cm->telegram.accepted_ns > cm->telegram.saved_ns &&
        gateway_of(cm)->is_loaded) {
        save(cm);
    }
}

void mg_telegram_free(struct can_meter *cm)
{
    mg_public_key_destroy(cm->telegram.key);
    cm->telegram.key = NULL;
}

/* ---- The meter's key ---- */

static void remember_key(struct can_meter *cm)
{
    struct telegram_kept *k = &cm->telegram.kept;
    memset(k, 0, sizeof *k);
    memcpy(k->public_key, cm->identity.public_key, sizeof k->public_key);
    memcpy(k->serial, cm->identity.serial, sizeof k->serial);
    k->has_key = true;
    k->is_refused = cm->telegram.is_refused;
    save(cm);
}

void mg_telegram_learn_key(struct can_meter *cm)
{
    struct telegram *t = &cm->telegram;
    struct mg_err err = {0};
    if (!has_telegrams(cm) || t->kept.has_key) {
        return;
    }
    if (!t->is_pinned &&
        take_key(cm, (const char *)cm->identity.public_key,
                 sizeof cm->identity.public_key, &err) != MG_OK) {
        mg_event(gateway_of(cm), cm->meter, MG_LOG_ERROR, "meter-key-invalid",
                 NULL, "the meter's key is none: %s", err.text);
        return;
    }
    remember_key(cm);
    if (t->is_pinned) {
        return;
    }
    char fingerprint[MG_FINGERPRINT_HEX_MAX];
    char members[128];
    mg_public_key_fingerprint(t->key, fingerprint);
    (void)snprintf(members, sizeof members, "\"fingerprint\":\"%s\"",
                   fingerprint);
    mg_event(gateway_of(cm), cm->meter, MG_LOG_INFO, "meter-key-stored",
             members,
             "the key of meter %s is trusted from its first use on: %s",
             cm->identity.serial, fingerprint);
}

void mg_telegram_adopt(struct can_meter *cm)
{
    struct telegram *t = &cm->telegram;
    struct mg_err err = {0};
    if (!cm->has_identity ||
        (!t->is_pinned &&
         take_key(cm, (const char *)cm->identity.public_key,
                  sizeof cm->identity.public_key, &err) != MG_OK)) {
        return;
    }
    remember_key(cm);
    t->accepted_ns = 0;
}

/* ---- Asking ---- */

static void ask_now(struct can_meter *cm);

static void ask_again(struct mg_timer *timer)
{
    struct telegram *t =
        (struct telegram *)((char *)timer - offsetof(struct telegram, timer));
    struct can_meter *cm =
        (struct can_meter *)((char *)t - offsetof(struct can_meter, telegram));
    if (t->is_asked && t->n_tries < ASK_TRIES) {
        ask_now(cm);
    } else {
        t->is_asked = false; /* whoever waits gives up by himself */
    }
}

static void asked(struct mg_modbus_request *request,
                  const struct mg_modbus_result *result)
{
    struct telegram *t =
        (struct telegram *)((char *)request - offsetof(struct telegram, ask));
    t->is_in_flight = false;
    (void)result; /* the telegram itself is what counts */
}

static void ask_now(struct can_meter *cm)
{
    struct telegram *t = &cm->telegram;
    t->n_tries++;
    t->asked_ns = now_of(cm);
    if (!t->is_in_flight) {
        memset(&t->ask, 0, sizeof t->ask);
        t->ask.pdu_len = driver_of(cm)->ask_telegram(t->challenge, t->ask.pdu);
        t->ask.done = asked;
        t->is_in_flight = mg_can_submit(cm, &t->ask) == MG_OK;
    }
    mg_timer_start(gateway_of(cm)->clock, &t->timer,
                   t->asked_ns + cm->meter->setup->timeout_ms * 1000000ULL +
                       1000000,
                   ask_again);
}

/* Nobody can know it before; but in virtual time, where all meters are
 * simulated, the same seed gives the same. */
static bool make_challenge(struct can_meter *cm)
{
    struct telegram *t = &cm->telegram;
    const struct mg_gateway *g = gateway_of(cm);
    if (!mg_clock_is_virtual(g->clock)) {
        return getrandom(t->challenge, sizeof t->challenge, 0) ==
               sizeof t->challenge;
    }
    uint64_t parts[sizeof t->challenge / sizeof(uint64_t)];
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        parts[i] = mg_sim_hash3(g->setup->simulation.seed,
                                cm->meter->index * 2 + i, now_of(cm));
    }
    memcpy(t->challenge, parts, sizeof parts);
    return true;
}

void mg_telegram_ask(struct can_meter *cm)
{
    struct telegram *t = &cm->telegram;
    if (cm->channel == NULL || !make_challenge(cm)) {
        return; /* the time-out of whoever wants it tells */
    }
    t->is_asked = true;
    t->n_tries = 0;
    ask_now(cm);
}

/* ---- Refusing ---- */

static void refuse(struct can_meter *cm, const char *why)
{
    struct telegram *t = &cm->telegram;
    struct meter *m = cm->meter;
    t->n_refused++;
    if (t->is_refused) {
        return; /* said already; a fresh one ends it */
    }
    t->is_refused = t->kept.is_refused = true;
    save(cm); /* also after a kill it takes a fresh one */
    bool is_soon =
        t->refused_ns != 0 && now_of(cm) - t->refused_ns < RELAPSE_NS;
    t->n_relapses = is_soon ? t->n_relapses + 1 : 0;
    if (t->n_relapses > RELAPSES_MAX) {
        t->n_relapses = RELAPSES_MAX;
    }
    t->refused_ns = now_of(cm);
    (void)snprintf(t->why, sizeof t->why, "%s", why);
    char members[96];
    (void)snprintf(members, sizeof members, "\"refused\":%llu",
                   (unsigned long long)t->n_refused);
    mg_event(gateway_of(cm), m, MG_LOG_ERROR, "telegram-refused", members,
             "a signed energy telegram is not used: %s; nothing is billed on "
             "this meter until a fresh one verifies",
             why);
    mg_duties_telegram(m, false);
    mg_session_fault(m, "a telegram of the meter was refused during the "
                        "session");
}

static bool is_zero(const uint8_t *bytes, size_t n)
{
    uint8_t all = 0;
    for (size_t i = 0; i < n; i++) {
        all |= bytes[i];
    }
    return all == 0;
}

/* What can be said without the signature. NULL: nothing is wrong. */
static const char *cheap_fault(const struct can_meter *cm,
                               const struct mg_telegram *g)
{
    const struct telegram_kept *k = &cm->telegram.kept;
    if (g->node != cm->meter->address) {
        return "it names another node";
    }
    if (g->circuit != mg_setup_circuit(cm->meter->setup)) {
        return "it is of another circuit of the device";
    }
    if (strcmp(g->serial, k->serial) != 0) {
        return "it is of another meter";
    }
    if (g->counter <= k->counter) {
        return "its counter has been there already (replayed)";
    }
    return NULL;
}

static bool has_gone_back(const struct can_meter *cm,
                          const struct mg_telegram *g)
{
    const struct telegram_kept *k = &cm->telegram.kept;
    return g->import_mwh < k->import_mwh || g->export_mwh < k->export_mwh;
}

static bool is_answer(const struct can_meter *cm, const struct mg_telegram *g)
{
    const struct telegram *t = &cm->telegram;
    return t->is_asked &&
           memcmp(g->challenge, t->challenge, sizeof t->challenge) == 0;
}

static bool is_signed(const struct can_meter *cm, const struct mg_telegram *g)
{
    uint8_t der[MG_SIGNATURE_MAX];
    size_t len;
    unsigned lenient;
    return mg_signature_normalise(g->signature, sizeof g->signature,
                                  MG_CURVE_SECP256R1, der, &len,
                                  &lenient) == MG_OK &&
           mg_verify(cm->telegram.key, g->body, g->body_len, der, len) == MG_OK;
}

static bool may_verify(struct telegram *t, uint64_t now_ns)
{
    if (now_ns - t->window_ns >= 1000000000) {
        t->window_ns = now_ns;
        t->n_in_window = 0;
    }
    return t->n_in_window++ < VERIFIED_PER_S;
}

/* ---- Accepting ---- */

static void accept_telegram(struct can_meter *cm, const struct mg_telegram *g)
{
    struct telegram *t = &cm->telegram;
    struct telegram_kept *k = &t->kept;
    bool is_fresh = is_answer(cm, g);
    bool is_first = t->accepted_ns == 0;
    k->counter = g->counter;
    k->boot = g->boot;
    k->import_mwh = g->import_mwh;
    k->export_mwh = g->export_mwh;
    t->resolution_mwh = g->resolution_mwh;
    t->status = g->status;
    t->accepted_ns = now_of(cm);
    t->n_accepted++;
    k->is_refused = k->is_refused && !is_fresh;
    mg_duties_heard(cm->meter, g->boot, g->uptime_ms);
    if (is_fresh || t->accepted_ns - t->saved_ns >= SAVE_NS || is_first) {
        save(cm);
    }
    if (t->is_refused && is_fresh) {
        t->is_refused = false;
        mg_event(gateway_of(cm), cm->meter, MG_LOG_INFO, "telegram-accepted",
                 NULL, "a fresh signed telegram verifies again");
        mg_duties_telegram(cm->meter, true);
    } else if (is_first && !t->is_refused) {
        mg_duties_telegram(cm->meter, true);
    }
    if (!is_fresh) {
        return;
    }
    t->is_asked = false;
    mg_timer_stop(&t->timer);
    const struct mg_value energy = {.channel =
                                        MG_CH(ENERGY_ACTIVE_IMPORT, TOTAL),
                                    .quality = MG_QUALITY_GOOD,
                                    .value = g->import_mwh,
                                    .resolution = g->resolution_mwh};
    mg_session_telegram(cm->meter, &energy);
}

static void examine(struct can_meter *cm, const struct mg_telegram *g)
{
    struct telegram *t = &cm->telegram;
    if (t->key == NULL || !t->kept.has_key) {
        return; /* whose it is comes first */
    }
    bool is_cyclic = is_zero(g->challenge, sizeof g->challenge);
    const char *why = cheap_fault(cm, g);
    if (why == NULL && !is_cyclic && !is_answer(cm, g)) {
        /* The answer to a question that was given up. Not a sign of anything,
         * but its counter has been used. */
        why = now_of(cm) - t->asked_ns < ASK_AGAIN_NS && t->asked_ns != 0
                  ? NULL
                  : "nobody asked for its challenge";
        if (why == NULL) {
            return;
        }
    }
    /* A reset without warning costs a meter some energy. It says so itself, and
     * now: refused until it does, and with that the session is not billed. */
    bool is_back = has_gone_back(cm, g);
    if (why == NULL && is_back && !is_answer(cm, g)) {
        why = GONE_BACK;
    }
    if (why == NULL && !may_verify(t, now_of(cm))) {
        t->n_refused++;
        return;
    }
    if (why == NULL && !is_signed(cm, g)) {
        why = "its signature does not verify";
    }
    if (why != NULL) {
        refuse(cm, why);
        return;
    }
    if (is_back) {
        refuse(cm, GONE_BACK);
    }
    accept_telegram(cm, g);
}

bool mg_telegram_message(struct can_meter *cm, const uint8_t *message,
                         size_t len)
{
    struct mg_telegram g = {0};
    if (!has_telegrams(cm) || !gateway_of(cm)->is_running) {
        return false;
    }
    int rc = driver_of(cm)->telegram(message, len, &g);
    if (rc == MG_E_NOSUP) {
        return false;
    }
    if (rc == MG_OK) {
        examine(cm, &g);
    } else if (cm->telegram.key != NULL) {
        refuse(cm, "it is malformed");
    }
    if (cm->current == &cm->telegram.ask && !cm->telegram.is_asked) {
        mg_can_exchange_message(cm, message, len); /* that was the answer */
    }
    return true;
}

void mg_telegram_watch(struct can_meter *cm)
{
    struct telegram *t = &cm->telegram;
    if (!has_telegrams(cm) || t->key == NULL || t->is_asked ||
        cm->channel == NULL) {
        return;
    }
    unsigned n_late =
        t->n_relapses > RELAPSES_FREE ? t->n_relapses - RELAPSES_FREE : 0;
    if (t->is_refused && now_of(cm) - t->asked_ns >= ASK_AGAIN_NS << n_late) {
        mg_telegram_ask(cm);
    }
}

const char *mg_telegram_problem(const struct can_meter *cm)
{
    const struct telegram *t = &cm->telegram;
    if (cm->is_other_circuit) {
        return "the other one of the device's two meters answers for it";
    }
    if (!has_telegrams(cm)) {
        return NULL;
    }
    if (cm->channel == NULL) {
        return "the DBC has no messages for signed telegrams";
    }
    if (t->is_refused) {
        return t->why;
    }
    if (t->accepted_ns == 0) {
        return "no signed telegram of the meter has come yet";
    }
    return now_of(cm) - t->accepted_ns > LOST_NS
               ? "no signed telegram of the meter for more than 10 s"
               : NULL;
}
