#include "run/seal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/chargepoint.h"
#include "run/can_priv.h"
#include "run/duties.h"
#include "run/session_priv.h"

#define SEAL_VERSION  1
#define SEAL_AGAIN_NS (60 * 1000000000ULL)

/* On the disk as "seal/<meter>". A meter that cannot be sealed has only the
 * cable in it. */
struct seal_kept {
    uint32_t version, size;
    uint32_t loss_uohm;
    bool is_sealed;
    char serial[17], part_number[17];
    uint8_t meter_key[64];
    uint8_t station_key[32]; /* fingerprint */
};

static bool can_seal(const struct meter *m)
{
    return (m->setup->plugin->capabilities & MG_CAP_SEAL) != 0 &&
           m->can != NULL;
}

/* It holds at once, not only when it can be read from the disk. */
static void hold(struct meter *m, const struct seal_kept *kept)
{
    if (m->seal == NULL) {
        m->seal = malloc(sizeof *m->seal);
    }
    if (m->seal != NULL) {
        *m->seal = *kept;
    }
}

static bool load(struct meter *m, struct seal_kept *ret)
{
    char key[MG_STORE_KEY_MAX];
    struct mg_err err;
    size_t len;
    if (m->seal != NULL) {
        *ret = *m->seal;
        return true;
    }
    mg_memory_key(m, "seal", key);
    if (m->gateway->store == NULL ||
        mg_store_get(m->gateway->store, key, ret, sizeof *ret, &len, &err) !=
            MG_OK ||
        len != sizeof *ret || ret->version != SEAL_VERSION ||
        ret->size != sizeof *ret) {
        return false;
    }
    ret->serial[sizeof ret->serial - 1] = '\0';
    ret->part_number[sizeof ret->part_number - 1] = '\0';
    hold(m, ret); /* looked at again and again */
    return true;
}

static void save(struct meter *m, struct seal_kept *kept)
{
    char key[MG_STORE_KEY_MAX];
    uint64_t ticket;
    kept->version = SEAL_VERSION;
    kept->size = sizeof *kept;
    hold(m, kept);
    mg_memory_key(m, "seal", key);
    if (m->gateway->store == NULL ||
        mg_store_put(m->gateway->store, key, kept, sizeof *kept, &ticket) !=
            MG_OK) {
        mg_log(MG_LOG_ERROR, "%s: the seal could not be stored", m->setup->id);
    }
}

bool mg_seal_text(const struct meter *m, uint8_t ret[32])
{
    const struct station *station = m->gateway->station;
    const struct mg_public_key *key =
        station == NULL ? NULL : mg_station_key(station);
    uint8_t spki[MG_KEY_SPKI_MAX];
    if (key == NULL) {
        return false;
    }
    size_t len = mg_public_key_spki(key, spki);
    mg_sha256(spki, len, ret);
    return true;
}

void mg_seal_identity(struct meter *m, const struct mg_identity *id)
{
    (void)snprintf(m->part_number, sizeof m->part_number, "%s",
                   id->part_number);
    (void)snprintf(m->lrs_version, sizeof m->lrs_version, "%s",
                   id->lrs_version);
    memcpy(m->lrs_hash, id->lrs_hash, sizeof m->lrs_hash);
    m->has_lrs_hash = true;
    mg_chargepoint_ms(id->serial, id->part_number, m->udid);
}

/* What differs from the seal, as a sentence; false: nothing. */
static bool differs(const struct meter *m, const struct seal_kept *k,
                    char ret[160])
{
    const struct mg_identity *id = &m->can->identity;
    uint8_t station_key[32];
    bool has_key = mg_seal_text(m, station_key);
    if (strcmp(k->serial, id->serial) != 0 ||
        strcmp(k->part_number, id->part_number) != 0) {
        (void)snprintf(ret, 160, "the meter is %s (%s), sealed is %s (%s)",
                       id->serial, id->part_number, k->serial, k->part_number);
    } else if (memcmp(k->meter_key, id->public_key, sizeof k->meter_key) != 0) {
        (void)snprintf(ret, 160, "the meter has another key than the sealed");
    } else if (has_key &&
               memcmp(k->station_key, station_key, sizeof station_key) != 0) {
        (void)snprintf(ret, 160, "the station has another key than the sealed");
    } else if (has_key && id->is_sealed &&
               memcmp(id->seal, station_key, sizeof station_key) != 0) {
        (void)snprintf(ret, 160, "the meter is sealed to another station");
    } else if (k->loss_uohm != m->setup->session.loss_uohm) {
        (void)snprintf(ret, 160,
                       "cable_loss is %u uOhm, sealed is %u; the command "
                       "`seal` accepts it",
                       m->setup->session.loss_uohm, k->loss_uohm);
    } else {
        return false;
    }
    return true;
}

static void fill(const struct meter *m, struct seal_kept *k)
{
    const struct mg_identity *id = &m->can->identity;
    memset(k, 0, sizeof *k);
    k->is_sealed = true;
    k->loss_uohm = m->setup->session.loss_uohm;
    memcpy(k->serial, id->serial, sizeof k->serial);
    memcpy(k->part_number, id->part_number, sizeof k->part_number);
    memcpy(k->meter_key, id->public_key, sizeof k->meter_key);
    (void)mg_seal_text(m, k->station_key);
}

static void seal_first(struct meter *m)
{
    struct seal_kept k;
    fill(m, &k);
    save(m, &k);
    mg_event(m->gateway, m, MG_LOG_INFO, "meter-sealed", NULL,
             "station and meter %s (%s) belong together from the first use on, "
             "with a cable of %u uOhm",
             k.serial, k.part_number, k.loss_uohm);
}

/* The meter's own side of it, when it is free. */
static void seal_meter(struct meter *m)
{
    uint8_t text[32];
    uint64_t now_ns = mg_clock_now_ns(m->gateway->clock);
    /* Until it says that it is: the answer may be lost, or no. */
    m->must_seal = !m->can->identity.is_sealed && mg_seal_text(m, text);
    if (m->must_seal && now_ns >= m->seal_again_ns &&
        mg_procedure_run(m, "seal", NULL, 0) == MG_OK) {
        m->seal_again_ns = now_ns + SEAL_AGAIN_NS;
    }
}

void mg_seal_check(struct meter *m)
{
    struct seal_kept k;
    char why[160];
    uint8_t station_key[32];
    if (!can_seal(m) || !m->can->has_identity || m->gateway->store == NULL ||
        m->gateway->station == NULL) {
        return;
    }
    if (!mg_seal_text(m, station_key)) {
        m->must_seal = true; /* there is nothing to seal to yet */
        return;
    }
    if (!load(m, &k) || !k.is_sealed) {
        seal_first(m);
        (void)load(m, &k);
        fill(m, &k);
    }
    bool is_wrong = differs(m, &k, why);
    mg_duties_fault(m, MG_FAULT_EICHRECHT_METER_MISMATCH, is_wrong,
                    is_wrong ? why : "");
    if (!is_wrong) {
        seal_meter(m);
    }
}

void mg_seal_renew(struct meter *m)
{
    struct seal_kept old = {0};
    struct seal_kept k;
    if (!can_seal(m) || !m->can->has_identity) {
        return;
    }
    bool had = load(m, &old) && old.is_sealed;
    fill(m, &k);
    m->can->identity.is_sealed = mg_seal_text(m, m->can->identity.seal);
    if (!had ||
        memcmp(&old.serial, &k.serial,
               sizeof k - offsetof(struct seal_kept, serial)) != 0 ||
        old.loss_uohm != k.loss_uohm) {
        save(m, &k);
        if (!had || strcmp(old.serial, k.serial) != 0 ||
            memcmp(old.meter_key, k.meter_key, sizeof k.meter_key) != 0) {
            mg_telegram_adopt(m->can);
        }
        mg_duties_replaced(m, had ? old.serial : "", k.serial, old.loss_uohm,
                           k.loss_uohm);
    }
    mg_seal_check(m);
}

void mg_seal_free(struct meter *m)
{
    free(m->seal);
    m->seal = NULL;
}

void mg_seal_load(struct meter *m)
{
    struct seal_kept k = {0};
    uint32_t loss_uohm = m->setup->session.loss_uohm;
    if (can_seal(m) || (m->setup->plugin->capabilities & MG_CAP_SIGNS) != 0 ||
        m->gateway->station == NULL) {
        return;
    }
    bool is_known = load(m, &k);
    if (is_known && k.loss_uohm == loss_uohm) {
        return;
    }
    if (is_known) {
        mg_duties_replaced(m, m->serial, m->serial, k.loss_uohm, loss_uohm);
    }
    k.loss_uohm = loss_uohm;
    save(m, &k);
}
