/* What a session keeps on the disk: itself, and what is known of the key. */
#include <stdio.h>
#include <string.h>

#include "run/session_priv.h"

#define KEPT_VERSION 1

_Static_assert(sizeof(struct session_kept) <= MG_STORE_VALUE_MAX,
               "a session fits into one value of the store");

static bool load(const struct meter *m, const char *kind, void *buf, size_t cap)
{
    char key[MG_STORE_KEY_MAX];
    struct mg_err err;
    size_t len;
    mg_memory_key(m, kind, key);
    return mg_store_get(m->gateway->store, key, buf, cap, &len, &err) ==
               MG_OK &&
           len == cap;
}

static bool is_sound(const struct session_kept *k)
{
    return k->version == KEPT_VERSION && k->size == sizeof *k &&
           k->phase <= PHASE_ENDING && k->n_entries <= SESSION_ENTRIES_MAX &&
           memchr(k->request.transaction, '\0',
                  sizeof k->request.transaction) != NULL;
}

static void load_key(struct session *s)
{
    struct key_kept key;
    if (load(s->meter, "key", &key, sizeof key) &&
        key.version == KEPT_VERSION && key.size == sizeof key) {
        s->key = key;
        s->key.key_hex[sizeof s->key.key_hex - 1] = '\0';
        s->key.fingerprint[sizeof s->key.fingerprint - 1] = '\0';
    }
}

/* The rows are the truth: what was committed with them is not done twice, and
 * no number is used twice, whatever else was lost. */
static void reconcile(struct session *s)
{
    struct mg_dataset *d =
        s->kept.phase == PHASE_NONE
            ? NULL
            : mg_session_find_dataset(s, s->kept.request.transaction);
    if (d != NULL) {
        s->kept.phase = PHASE_NONE;
    }
    mg_session_free_dataset(d);
    struct mg_gateway *g = s->meter->gateway;
    struct mg_err err;
    struct mg_dataset newest;
    if (g->datasets == NULL) {
        g->datasets = mg_datasets_open(mg_store_path(g->store), &err);
    }
    if (g->datasets == NULL || s->key.fingerprint[0] == '\0') {
        return;
    }
    const char *meter = s->meter->setup->id;
    if (mg_datasets_newest(g->datasets, meter, s->key.fingerprint, 'T', &newest,
                           &err) == MG_OK &&
        newest.pagination > s->key.last_t) {
        s->key.last_t = newest.pagination;
    }
    if (mg_datasets_newest(g->datasets, meter, s->key.fingerprint, 'F', &newest,
                           &err) == MG_OK &&
        newest.pagination > s->key.last_f) {
        s->key.last_f = newest.pagination;
    }
}

void mg_session_load(struct meter *m)
{
    struct session *s = mg_session_of(m);
    if (s == NULL) {
        return;
    }
    load_key(s);
    struct session_kept kept;
    s->must_look = s->is_signing_meter;
    if (load(m, "session", &kept, sizeof kept) && is_sound(&kept)) {
        s->kept = kept;
    }
    reconcile(s);
    mg_session_told(s);
    const struct mg_public_key *key =
        s->is_signing_meter ? NULL : mg_station_key(m->gateway->station);
    if (key != NULL) {
        mg_session_learn_key(s, key);
    }
    if (s->kept.phase == PHASE_NONE) {
        return;
    }
    mg_loss_interrupt(&s->kept.loss);
    mg_log(MG_LOG_WARN, "%s: the charging session %s goes on after the restart",
           m->setup->id, s->kept.request.transaction);
    mg_session_publish(s);
}

static int save(struct session *s, const char *kind, const void *value,
                size_t len)
{
    struct mg_gateway *g = s->meter->gateway;
    char key[MG_STORE_KEY_MAX];
    mg_memory_key(s->meter, kind, key);
    uint64_t ticket;
    int rc = mg_store_put(g->store, key, value, len, &ticket);
    if (rc == MG_OK) {
        s->ticket = ticket;
        mg_store_flush(g->store);
    }
    return rc;
}

int mg_session_save(struct session *s)
{
    s->kept.version = KEPT_VERSION;
    s->kept.size = sizeof s->kept;
    s->saved_ns = mg_clock_now_ns(s->meter->gateway->clock);
    return save(s, "session", &s->kept, sizeof s->kept);
}

int mg_session_save_key(struct session *s)
{
    s->key.version = KEPT_VERSION;
    s->key.size = sizeof s->key;
    return save(s, "key", &s->key, sizeof s->key);
}
