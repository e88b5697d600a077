#include "mqtt/publish.h"

#include <stdlib.h>
#include <string.h>

#define BATCH_MAX  128 /* retained topics at once */
#define BLOCKED_MS 100 /* the socket takes no more */

/* @return code of the client; the slot is free again on failure */
static int publish_qos1(struct mg_worker *w, struct mg_client_publish *publish,
                        enum mg_sent_kind kind, int64_t id)
{
    struct mg_sent unused;
    publish->qos = 1;
    publish->tag = mg_window_take(&w->window, kind, id, uv_now(&w->loop));
    int rc = mg_client_publish(w->session.client, publish);
    if (rc != MG_OK) {
        (void)mg_window_release(&w->window, publish->tag, &unused);
    }
    return rc;
}

void mg_publish_availability(struct mg_worker *worker, const char *text)
{
    struct mg_client_publish publish = {.topic = worker->availability,
                                        .payload = text,
                                        .len = strlen(text),
                                        .is_retained = true};
    if (worker->session.state != MG_MQTT_SESSION_UP ||
        worker->availability[0] == '\0') {
        return;
    }
    if (mg_window_has_room(&worker->window)) {
        (void)publish_qos1(worker, &publish, MG_SENT_AVAILABILITY, 0);
    } else {
        (void)mg_client_publish(worker->session.client, &publish);
    }
}

/* ---- Answers ---- */

static void publish_replies(struct mg_worker *w)
{
    struct mg_reply *reply;
    while (mg_window_has_room(&w->window) &&
           (reply = mg_replies_take(w->replies)) != NULL) {
        struct mg_client_publish publish = {
            .topic = reply->to.topic,
            .payload = reply->payload,
            .len = reply->len,
            .has_json_properties = true,
            .correlation = reply->to.correlation,
            .correlation_len = reply->to.correlation_len};
        int rc = MG_E_RANGE;
        if (mg_client_packet_len(&publish) < w->max_packet) {
            rc = publish_qos1(w, &publish, MG_SENT_REPLY, 0);
        }
        if (rc == MG_E_BUSY || rc == MG_E_STATE) {
            mg_replies_again(w->replies, reply);
            mg_worker_later(w, &w->rows, BLOCKED_MS);
            return;
        }
        if (rc == MG_E_RANGE) {
            mg_log(MG_LOG_DEBUG, "an answer cannot be sent to its topic");
        }
        free(reply);
    }
}

/* ---- Retained topics ---- */

/* @return MG_OK: sent or given up; else it must wait */
static int publish_item(struct mg_worker *w,
                        const struct mg_retained_item *item, bool is_marked)
{
    struct mg_client_publish publish = {.topic = item->topic,
                                        .payload = item->payload,
                                        .len = item->len,
                                        .is_retained = !item->is_passing};
    int rc;
    if (mg_client_packet_len(&publish) + 2 > w->max_packet) {
        rc = MG_E_RANGE;
    } else if (item->qos > 0) {
        rc = publish_qos1(w, &publish, MG_SENT_RETAINED, (int64_t)item->index);
    } else {
        publish.is_marked = is_marked;
        rc = mg_client_publish(w->session.client, &publish);
        w->is_batch_out = is_marked && rc == MG_OK;
    }
    if (rc != MG_E_RANGE) {
        return rc;
    }
    if (mg_retained_complain(w->retained, item->index)) {
        mg_log(MG_LOG_WARN,
               "%s cannot be published: larger than the broker takes, or no "
               "topic",
               item->topic);
    }
    return MG_OK;
}

/* A batch ends with a mark, and the next waits for it: no more than a batch
 * ever waits behind a slow socket, newer values replace older ones here. */
static void publish_retained(struct mg_worker *w)
{
    for (size_t i = 1; !w->is_batch_out; i++) {
        int max_qos = mg_window_has_room(&w->window) ? 1 : 0;
        if (!mg_retained_take(w->retained, max_qos, &w->item)) {
            /* What is left, if any, waits for room in the window: the next
             * PUBACK comes back here. */
            w->is_retained_due = mg_retained_is_dirty(w->retained);
            w->is_syncing = w->is_syncing && w->is_retained_due;
            return;
        }
        bool is_last = !mg_retained_is_dirty(w->retained);
        if (publish_item(w, &w->item, is_last || i >= BATCH_MAX) != MG_OK) {
            mg_retained_again(w->retained, w->item.index);
            w->is_retained_due = false;
            mg_worker_later(w, &w->batch, BLOCKED_MS);
            return;
        }
        if (is_last) {
            w->is_retained_due = false;
            w->is_syncing = false;
            return;
        }
    }
}

void mg_publish_all(struct mg_worker *worker)
{
    struct mg_worker *w = worker;
    if (w->session.state != MG_MQTT_SESSION_UP || w->is_offline_sent) {
        return;
    }
    publish_replies(w);
    if (w->is_retained_due) {
        publish_retained(w);
    }
    if (w->is_syncing || w->outbox == NULL) {
        return;
    }
    uint64_t wait_ms = mg_drain_send(&w->drain, w->session.client, &w->window,
                                     w->max_packet, uv_now(&w->loop));
    if (wait_ms > 0) {
        mg_worker_later(w, &w->rows, wait_ms);
    }
}
