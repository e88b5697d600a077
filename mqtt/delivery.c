#include "mqtt/delivery.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS_MAX 256

enum kind { COMMAND, PARKED, REFUSED };

struct item {
    enum kind kind;
    int code;
    struct mg_command *command; /* owned */
    char topic[MG_REPLY_TOPIC_MAX], text[192];
};

struct mg_delivery {
    uv_async_t async;
    const struct mg_sink_events *events;
    void *ctx;
    bool is_leaked;
    pthread_mutex_t lock; /* what follows */
    bool is_closed;       /* written by the loop thread */
    bool has_link, is_up;
    char link_text[512];
    size_t first, n;
    struct item items[ITEMS_MAX];
};

static bool take(struct mg_delivery *d, struct item *ret)
{
    (void)pthread_mutex_lock(&d->lock); /* fails on misuse only */
    bool has_item = d->n > 0;
    if (has_item) {
        *ret = d->items[d->first];
        d->first = (d->first + 1) % ITEMS_MAX;
        d->n--;
    }
    (void)pthread_mutex_unlock(&d->lock);
    return has_item;
}

static void deliver_link(struct mg_delivery *d)
{
    char text[sizeof d->link_text];
    (void)pthread_mutex_lock(&d->lock);
    bool has_link = d->has_link;
    bool is_up = d->is_up;
    d->has_link = false;
    memcpy(text, d->link_text, sizeof text);
    (void)pthread_mutex_unlock(&d->lock);
    if (has_link && d->events->link != NULL) {
        d->events->link(d->ctx, is_up, text);
    }
}

static void deliver(struct mg_delivery *d, const struct item *item)
{
    const struct mg_sink_events *e = d->events;
    if (item->kind == COMMAND && e->command != NULL) {
        e->command(d->ctx, item->command);
    } else if (item->kind == PARKED && e->parked != NULL) {
        e->parked(d->ctx, item->topic, item->code, item->text);
    } else if (item->kind == REFUSED && e->refused != NULL) {
        e->refused(d->ctx, item->topic, item->text);
    }
}

/* Sends coalesce, so take all. An event may destroy the sink: then the rest is
 * dropped. */
static void on_async(uv_async_t *async)
{
    struct mg_delivery *d = async->data;
    struct item item;
    if (!d->is_closed) {
        deliver_link(d);
    }
    while (!d->is_closed && take(d, &item)) {
        deliver(d, &item);
        free(item.command);
    }
}

struct mg_delivery *mg_delivery_create(uv_loop_t *loop,
                                       const struct mg_sink_events *events,
                                       void *ctx, struct mg_err *err)
{
    struct mg_delivery *d = calloc(1, sizeof *d);
    if (d == NULL || pthread_mutex_init(&d->lock, NULL) != 0) {
        free(d);
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        return NULL;
    }
    d->events = events;
    d->ctx = ctx;
    d->async.data = d;
    int rc = uv_async_init(loop, &d->async, on_async);
    if (rc != 0) {
        (void)pthread_mutex_destroy(&d->lock); /* nobody knows it yet */
        free(d);
        (void)mg_err_errno(err, -rc, "uv_async_init");
        return NULL;
    }
    return d;
}

static void on_closed(uv_handle_t *handle)
{
    struct mg_delivery *d = handle->data;
    struct item item;
    while (take(d, &item)) {
        free(item.command);
    }
    if (!d->is_leaked) {
        (void)pthread_mutex_destroy(&d->lock); /* the uplink thread is gone */
        free(d);
    }
}

void mg_delivery_close(struct mg_delivery *delivery, bool is_leaked)
{
    (void)pthread_mutex_lock(&delivery->lock);
    delivery->is_closed = true;
    (void)pthread_mutex_unlock(&delivery->lock);
    delivery->is_leaked = is_leaked;
    uv_close((uv_handle_t *)&delivery->async, on_closed);
}

/* With the lock held: the handle must not be closed meanwhile. */
static void wake(struct mg_delivery *d)
{
    /* libuv before 1.53 does not order earlier writes before its own flag. */
    atomic_thread_fence(memory_order_seq_cst);
    if (!d->is_closed) {
        (void)uv_async_send(&d->async); /* fails on misuse only */
    }
}

bool mg_delivery_has_room(struct mg_delivery *delivery)
{
    (void)pthread_mutex_lock(&delivery->lock);
    bool has_room = delivery->n < ITEMS_MAX;
    (void)pthread_mutex_unlock(&delivery->lock);
    return has_room;
}

static bool put(struct mg_delivery *d, const struct item *item)
{
    (void)pthread_mutex_lock(&d->lock);
    bool has_room = d->n < ITEMS_MAX;
    if (has_room) {
        d->items[(d->first + d->n++) % ITEMS_MAX] = *item;
        wake(d);
    }
    (void)pthread_mutex_unlock(&d->lock);
    return has_room;
}

void mg_delivery_put_command(struct mg_delivery *delivery,
                             struct mg_command *command)
{
    struct item item = {.kind = COMMAND, .command = command};
    if (!put(delivery, &item)) {
        free(command);
    }
}

void mg_delivery_put_link(struct mg_delivery *delivery, bool is_up,
                          const char *text)
{
    (void)pthread_mutex_lock(&delivery->lock);
    delivery->has_link = true;
    delivery->is_up = is_up;
    (void)snprintf(delivery->link_text, sizeof delivery->link_text, "%s", text);
    wake(delivery);
    (void)pthread_mutex_unlock(&delivery->lock);
}

static void put_text(struct mg_delivery *d, enum kind kind, const char *topic,
                     int code, const char *text)
{
    struct item item = {.kind = kind, .code = code};
    (void)snprintf(item.topic, sizeof item.topic, "%s", topic); /* may cut */
    (void)snprintf(item.text, sizeof item.text, "%s", text);
    (void)put(d, &item); /* news may be lost; the counts are not */
}

void mg_delivery_put_parked(struct mg_delivery *delivery, const char *topic,
                            int reason_code, const char *reason)
{
    put_text(delivery, PARKED, topic, reason_code, reason);
}

void mg_delivery_put_refused(struct mg_delivery *delivery, const char *topic,
                             const char *reason)
{
    put_text(delivery, REFUSED, topic, 0, reason);
}
