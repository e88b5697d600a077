/* What the gateway remembers of a meter across restarts: its last good
 * counters, register epoch and serial, and where a command has moved it. */
#include <stdio.h>
#include <string.h>

#include "run/gateway_priv.h"

#define MEMORY_VERSION 1

/* The part of the check state that is worth keeping. */
struct stored_check {
    uint32_t version, size;
    unsigned char bytes[offsetof(struct mg_check_state, suspect)];
};

struct stored_place {
    uint32_t configured_unit, configured_baud, unit, baud;
};

void mg_memory_key(const struct meter *m, const char *kind,
                   char ret_key[MG_STORE_KEY_MAX])
{
    (void)snprintf(ret_key, MG_STORE_KEY_MAX, "%s/%s", kind, m->setup->id);
}

static void load_check(struct meter *m)
{
    char key[MG_STORE_KEY_MAX];
    mg_memory_key(m, "check", key);
    struct stored_check stored;
    struct mg_err err;
    size_t len;
    if (mg_store_get(m->gateway->store, key, &stored, sizeof stored, &len,
                     &err) != MG_OK ||
        len != sizeof stored || stored.version != MEMORY_VERSION ||
        stored.size != sizeof stored.bytes) {
        return;
    }
    memcpy(&m->check, stored.bytes, sizeof stored.bytes);
    if (m->check.n > MG_CHECK_COUNTERS_MAX) {
        memset(&m->check, 0, sizeof m->check);
    }
    for (size_t i = 0; i < m->check.n; i++) {
        m->check.last[i].mono_ns = 0; /* the monotonic clock has restarted */
    }
    m->check.serial[sizeof m->check.serial - 1] = '\0';
    (void)snprintf(m->serial, sizeof m->serial, "%s", m->check.serial);
}

static void load_place(struct meter *m)
{
    char key[MG_STORE_KEY_MAX];
    mg_memory_key(m, "place", key);
    struct stored_place place;
    struct mg_err err;
    size_t len;
    if (mg_store_get(m->gateway->store, key, &place, sizeof place, &len,
                     &err) != MG_OK ||
        len != sizeof place || place.configured_unit != m->setup->unit ||
        place.configured_baud != m->line->setup->modbus.baud ||
        place.unit == 0 || place.unit > 247) {
        return; /* the configuration was changed since: it holds */
    }
    if (place.unit != m->setup->unit) {
        mg_log(MG_LOG_WARN,
               "%s: was moved by command to unit %u; the configuration still "
               "says %u, please update it",
               m->setup->id, place.unit, m->setup->unit);
        m->address = (uint8_t)place.unit;
    }
    m->baud = place.baud;
}

void mg_memory_load(struct meter *m)
{
    load_check(m);
    load_place(m);
}

void mg_memory_save_check(struct meter *m)
{
    if (m->gateway->store == NULL) {
        return;
    }
    char key[MG_STORE_KEY_MAX];
    mg_memory_key(m, "check", key);
    struct stored_check stored;
    memset(&stored, 0, sizeof stored);
    stored.version = MEMORY_VERSION;
    stored.size = sizeof stored.bytes;
    memcpy(stored.bytes, &m->check, sizeof stored.bytes);
    uint64_t ticket;
    m->is_check_dirty = mg_store_put(m->gateway->store, key, &stored,
                                     sizeof stored, &ticket) != MG_OK;
}

void mg_memory_save_place(struct meter *m)
{
    if (m->gateway->store == NULL) {
        return;
    }
    char key[MG_STORE_KEY_MAX];
    mg_memory_key(m, "place", key);
    struct stored_place place = {m->setup->unit, m->line->setup->modbus.baud,
                                 m->address, m->baud};
    uint64_t ticket;
    if (mg_store_put(m->gateway->store, key, &place, sizeof place, &ticket) !=
        MG_OK) {
        mg_log(MG_LOG_ERROR, "%s: its new address could not be stored",
               m->setup->id);
    }
}
