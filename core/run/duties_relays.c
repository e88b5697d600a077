/* The relays of a station's meter: sessions and the overload rule say what they
 * shall do, one order at a time, until it is done. */
#include "run/duties_priv.h"
#include "run/session_priv.h"

#define RELAY_RETRY_NS (1000 * 1000000ULL)

/* What a session has written is not on the disk yet: nothing flows before. */
static bool is_unwritten(const struct meter *m)
{
    return m->session != NULL &&
           m->session->ticket > m->gateway->durable_ticket;
}

void mg_relays_switch(struct duties *d)
{
    int64_t closed = d->kept.wish == WISH_CLOSE;
    uint64_t now_ns = mg_duties_now_ns(d);
    if (d->kept.wish == WISH_NOTHING || d->is_switching ||
        (d->wished_ns != 0 && now_ns - d->wished_ns < RELAY_RETRY_NS) ||
        (closed != 0 && is_unwritten(d->meter))) {
        return;
    }
    d->wished_ns = now_ns;
    d->switching = d->kept.wish;
    d->is_switching = true; /* before it begins: it may be over at once */
    if (mg_procedure_run(d->meter, "relay", &closed, sizeof closed) != MG_OK) {
        d->is_switching = false;
    }
}

void mg_duties_durable(struct meter *m)
{
    if (m->duties != NULL && m->duties->kept.wish == WISH_CLOSE) {
        mg_relays_switch(m->duties);
    }
}

void mg_relays_wish(struct duties *d, enum wish what)
{
    d->kept.wish = (uint8_t)what;
    d->wished_ns = 0;
    d->has_failed = false;
    mg_relays_switch(d);
    mg_duties_save(d); /* a kill forgets no order */
}

enum wish mg_relays_wanted(const struct duties *d)
{
    const struct session *s = d->meter->session;
    if (d->kept.overload.phase != MG_OVERLOAD_WATCHING) {
        return WISH_OPEN;
    }
    bool is_charging = s != NULL && s->kept.phase == PHASE_ACTIVE &&
                       (!s->kept.is_suspended || d->kept.has_suspended);
    return is_charging || !d->meter->setup->session.is_contactor ? WISH_CLOSE
                                                                 : WISH_OPEN;
}

void mg_relays_done(struct duties *d, int code, const char *reason)
{
    if (!d->is_switching) {
        return;
    }
    d->is_switching = false;
    if (code == MG_OK && d->kept.wish == d->switching) {
        d->kept.wish = WISH_NOTHING; /* not another one since */
        mg_duties_save(d);
    } else if (code != MG_OK && !d->has_failed) {
        d->has_failed = true;
        mg_log(MG_LOG_WARN, "%s: the relays were not switched: %s",
               d->meter->setup->id, reason);
    }
}
