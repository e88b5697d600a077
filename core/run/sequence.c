/* Sequence numbers of readings: per meter, from a persistent counter, never
 * given twice.
 *
 * A number may leave the gateway with the live `state` before its reading is
 * on the disk. So numbers are reserved on the disk ahead of use; after a kill
 * the next number is behind the reserve, and the gap says what was lost. */
#include <stdio.h>
#include <string.h>

#include "run/gateway_priv.h"

struct stored_sequence {
    uint64_t stored, reserved;
};

static uint64_t ahead(const struct meter *m)
{
    uint64_t n = 3ULL * m->gateway->setup->outbox.max_readings;
    return n > SEQ_AHEAD_MIN ? n : SEQ_AHEAD_MIN;
}

static void put(struct meter *m, uint64_t stored, uint64_t reserved)
{
    char key[MG_STORE_KEY_MAX];
    mg_memory_key(m, "seq", key);
    struct stored_sequence value = {stored, reserved};
    uint64_t ticket;
    if (mg_store_put(m->gateway->store, key, &value, sizeof value, &ticket) ==
        MG_OK) {
        m->seq.stored = stored;
        m->seq.reserved = reserved;
        m->seq.ticket = ticket;
        m->gateway->last_ticket = ticket;
    }
}

static void say_lost(struct meter *m, const struct stored_sequence *value)
{
    char members[128];
    (void)snprintf(members, sizeof members,
                   "\"seq_from\":%llu,\"seq_to\":%llu,\"at_most\":%llu",
                   (unsigned long long)value->stored + 1,
                   (unsigned long long)value->reserved,
                   (unsigned long long)(value->reserved - value->stored));
    mg_event(m->gateway, m, MG_LOG_WARN, "readings-lost", members,
             "the gateway was not stopped cleanly: at most %llu live readings "
             "were lost",
             (unsigned long long)(value->reserved - value->stored));
}

void mg_sequence_load(struct meter *m)
{
    char key[MG_STORE_KEY_MAX];
    mg_memory_key(m, "seq", key);
    struct stored_sequence value = {0, 0};
    struct mg_err err;
    size_t len;
    if (mg_store_get(m->gateway->store, key, &value, sizeof value, &len,
                     &err) == MG_OK &&
        len == sizeof value && value.reserved > value.stored) {
        say_lost(m, &value);
    }
    m->seq.last = m->seq.stored = value.reserved;
    put(m, m->seq.last, m->seq.last + ahead(m));
}

/* @return 0: no number can be given before the disk has kept up */
uint64_t mg_sequence_next(struct meter *m)
{
    if (m->gateway->store == NULL) {
        return ++m->seq.last;
    }
    if (m->seq.last >= m->seq.durable) {
        if (m->seq.ticket == 0) {
            put(m, m->seq.stored, m->seq.last + ahead(m));
        }
        return 0;
    }
    return ++m->seq.last;
}

/* A row was handed over: its last number and a new reserve go along. */
void mg_sequence_stored(struct meter *m)
{
    put(m, m->batch.last_seq, m->seq.last + ahead(m));
}

/* What the store did not take is said at the next start. */
void mg_sequence_clean(struct meter *m)
{
    put(m, m->batch.n == 0 ? m->seq.last : m->seq.stored, m->seq.last);
}

void mg_sequence_durable(struct mg_gateway *g, uint64_t ticket)
{
    for (size_t i = 0; i < g->n_meters; i++) {
        struct sequence *s = &g->meters[i].seq;
        if (s->ticket != 0 && s->ticket <= ticket) {
            s->durable = s->reserved;
            s->ticket = 0;
        }
    }
}
