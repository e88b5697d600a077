#include "mqtt/drain.h"

#include <stdio.h>
#include <string.h>

#include "mqtt/reason.h"

#define RETRY_MS 1000 /* after a failure of the disk or a full socket */
#define PAUSE_MS 1000 /* after a refusal; doubles up to a minute */

void mg_drain_init(struct mg_drain *drain, struct mg_store *store,
                   struct mg_outbox *outbox, const char *base,
                   const struct mg_drain_events *events, void *ctx)
{
    *drain = (struct mg_drain){.store = store,
                               .outbox = outbox,
                               .base = base,
                               .events = events,
                               .ctx = ctx,
                               .resend_id = INT64_MAX};
}

void mg_drain_wake(struct mg_drain *drain)
{
    drain->is_empty = false;
}

static void park(struct mg_drain *d, int64_t id, const char *topic, int code,
                 const char *reason)
{
    mg_store_park(d->store, id, code);
    d->n_parked++;
    d->events->parked(d->ctx, topic, code, reason);
}

static void park_too_large(struct mg_drain *d, const struct mg_store_row *row,
                           size_t packet_len, uint32_t max_packet)
{
    char reason[128];
    (void)snprintf(reason, sizeof reason,
                   "%zu bytes are more than the broker takes (%u)", packet_len,
                   max_packet);
    park(d, row->id, row->topic, MG_REASON_PACKET_TOO_LARGE, reason);
}

/* @return MG_OK: sent or parked; else it must wait */
static int send_row(struct mg_drain *d, struct mg_client *client,
                    struct mg_window *window, uint32_t max_packet,
                    const struct mg_store_row *row, uint64_t now_ms)
{
    char topic[512];
    (void)snprintf(topic, sizeof topic, "%s%s", d->base, row->topic);
    struct mg_client_publish publish = {.topic = topic,
                                        .payload = row->payload,
                                        .len = row->len,
                                        .qos = 1,
                                        .has_json_properties = true};
    size_t packet_len = mg_client_packet_len(&publish);
    if (packet_len > max_packet) {
        park_too_large(d, row, packet_len, max_packet);
        return MG_OK;
    }
    publish.tag = mg_window_take(window, MG_SENT_ROW, row->id, now_ms);
    memcpy(window->slots[publish.tag].topic, row->topic, sizeof row->topic);
    int rc = mg_client_publish(client, &publish);
    if (rc == MG_OK) {
        return MG_OK;
    }
    struct mg_sent unused;
    (void)mg_window_release(window, publish.tag, &unused);
    if (rc == MG_E_RANGE) {
        park(d, row->id, row->topic, 0x90, mg_reason_text(0x90));
        return MG_OK;
    }
    return rc;
}

static void complain(struct mg_drain *d, uint64_t now_ms,
                     const struct mg_err *err)
{
    if (mg_complaint_fail(&d->complaint, now_ms)) {
        mg_log(MG_LOG_WARN, "the outbox cannot be read: %s", err->text);
    }
}

static void recovered(struct mg_drain *d, uint64_t now_ms)
{
    uint64_t lasted_ms;
    uint32_t n;
    if (mg_complaint_ok(&d->complaint, now_ms, &lasted_ms, &n)) {
        mg_log(MG_LOG_INFO, "the outbox can be read again after %llu s",
               (unsigned long long)(lasted_ms / 1000));
    }
}

/* Rows to be sent again go first, but only when all that overtook them are
 * answered, and not before the pause is over.
 * @return ms to wait; 0: none */
static uint64_t check_pause(struct mg_drain *d, const struct mg_window *window,
                            uint64_t now_ms, bool *ret_may_send)
{
    *ret_may_send = false;
    if (now_ms < d->pause_until_ms) {
        return d->pause_until_ms - now_ms;
    }
    if (d->resend_id != INT64_MAX) {
        if (mg_window_has(window, MG_SENT_ROW)) {
            return 0;
        }
        d->cursor = d->resend_id - 1;
        d->resend_id = INT64_MAX;
        d->is_empty = false;
    }
    *ret_may_send = true;
    return 0;
}

uint64_t mg_drain_send(struct mg_drain *drain, struct mg_client *client,
                       struct mg_window *window, uint32_t max_packet,
                       uint64_t now_ms)
{
    bool may_send;
    uint64_t wait_ms = check_pause(drain, window, now_ms, &may_send);
    while (may_send && !drain->is_empty && mg_window_has_room(window)) {
        struct mg_store_row row;
        struct mg_err err = {0};
        int rc = mg_outbox_next(drain->outbox, drain->cursor, &row, &err);
        if (rc == MG_E_NOTFOUND) {
            drain->is_empty = true;
            recovered(drain, now_ms);
            return 0;
        }
        if (rc != MG_OK) {
            complain(drain, now_ms, &err);
            return RETRY_MS;
        }
        recovered(drain, now_ms);
        if (send_row(drain, client, window, max_packet, &row, now_ms) !=
            MG_OK) {
            return RETRY_MS;
        }
        drain->cursor = row.id;
    }
    return wait_ms;
}

static void resend_later(struct mg_drain *d, int64_t id)
{
    d->n_failed++;
    d->resend_id = id < d->resend_id ? id : d->resend_id;
}

static void hold_back(struct mg_drain *d, int64_t id, uint64_t now_ms)
{
    d->refused_id = id;
    if (now_ms >= d->pause_until_ms) {
        uint32_t shift = d->n_refusals < 6 ? d->n_refusals : 6;
        d->pause_until_ms = now_ms + ((uint64_t)PAUSE_MS << shift);
        d->n_refusals++;
    }
}

void mg_drain_answered(struct mg_drain *drain, const struct mg_sent *row,
                       int code, uint64_t now_ms)
{
    switch (mg_reason_classify(code)) {
    case MG_REASON_TAKEN:
        mg_store_ack(drain->store, row->id);
        drain->n_acked++;
        drain->n_no_subscriber += code == MG_REASON_NO_SUBSCRIBER;
        if (row->id == drain->refused_id) {
            drain->n_refusals = 0;
        }
        break;
    case MG_REASON_POISON:
        park(drain, row->id, row->topic, code, mg_reason_text(code));
        break;
    case MG_REASON_RETRY:
        resend_later(drain, row->id);
        if (code > 0) {
            hold_back(drain, row->id, now_ms);
        }
        break;
    }
}

void mg_drain_rewind(struct mg_drain *drain, const struct mg_window *window)
{
    for (size_t i = 0; i < MG_CLIENT_WINDOW_MAX; i++) {
        const struct mg_sent *sent = &window->slots[i];
        if (sent->is_used && sent->kind == MG_SENT_ROW) {
            resend_later(drain, sent->id);
        }
    }
    drain->pause_until_ms = 0;
}
