/* From the outbox to the broker: rows in the order of their ids, deleted when
 * acknowledged, put aside when refused for good, resent otherwise.
 *
 * On the uplink thread. */
#ifndef MG_MQTT_DRAIN_H
#define MG_MQTT_DRAIN_H

#include "base/log.h"
#include "mqtt/window.h"
#include "store/store.h"

struct mg_drain_events {
    /** The broker refused a row for good. */
    void (*parked)(void *ctx, const char *topic, int code, const char *reason);
};

struct mg_drain {
    struct mg_store *store;
    struct mg_outbox *outbox;
    const char *base; /* "<root>/<gateway>/" */
    const struct mg_drain_events *events;
    void *ctx;
    int64_t cursor;    /* id of the last row sent */
    int64_t resend_id; /* lowest that must be sent again; INT64_MAX: none */
    uint64_t pause_until_ms; /* after a refusal */
    bool is_empty;           /* nothing behind the cursor, until woken */
    int64_t refused_id;      /* the last row that must be retried */
    uint32_t n_refusals;     /* of it, in a row */
    struct mg_complaint complaint;
    uint64_t n_acked, n_failed, n_parked, n_no_subscriber; /* rows */
};

/** @param store, outbox, base, events, ctx  borrowed */
void mg_drain_init(struct mg_drain *drain, struct mg_store *store,
                   struct mg_outbox *outbox, const char *base,
                   const struct mg_drain_events *events, void *ctx);

/** There are new rows. */
void mg_drain_wake(struct mg_drain *drain);

/** Send as many rows as the window has room for.
 *  @param max_packet  bytes; a larger row is parked
 *  @return ms until it should be called again; 0: not before something
 *  happens */
uint64_t mg_drain_send(struct mg_drain *drain, struct mg_client *client,
                       struct mg_window *window, uint32_t max_packet,
                       uint64_t now_ms);

/** A row that was sent is answered.
 *  @param code  of the PUBACK; below 0: there was no answer */
void mg_drain_answered(struct mg_drain *drain, const struct mg_sent *row,
                       int code, uint64_t now_ms);

/** The connection is gone: send again what waits in the window. */
void mg_drain_rewind(struct mg_drain *drain, const struct mg_window *window);

#endif
