#include "mqtt/replies.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct mg_replies {
    pthread_mutex_t lock;
    struct mg_reply *ring[MG_REPLIES_MAX]; /* owned */
    size_t first, n;
};

struct mg_replies *mg_replies_create(void)
{
    struct mg_replies *r = calloc(1, sizeof *r);
    if (r == NULL || pthread_mutex_init(&r->lock, NULL) != 0) {
        free(r);
        return NULL;
    }
    return r;
}

void mg_replies_destroy(struct mg_replies *replies)
{
    if (replies == NULL) {
        return;
    }
    for (size_t i = 0; i < replies->n; i++) {
        free(replies->ring[(replies->first + i) % MG_REPLIES_MAX]);
    }
    (void)pthread_mutex_destroy(&replies->lock); /* nobody holds it */
    free(replies);
}

static struct mg_reply *take_first(struct mg_replies *r)
{
    if (r->n == 0) {
        return NULL;
    }
    struct mg_reply *reply = r->ring[r->first];
    r->first = (r->first + 1) % MG_REPLIES_MAX;
    r->n--;
    return reply;
}

int mg_replies_put(struct mg_replies *replies, const struct mg_reply_to *to,
                   const char *payload, size_t len)
{
    struct mg_reply *dropped = NULL;
    if (to->topic[0] == '\0' || len > MG_REPLY_PAYLOAD_MAX) {
        return MG_E_RANGE;
    }
    struct mg_reply *reply = malloc(sizeof *reply + len);
    if (reply == NULL) {
        return MG_E_NOMEM;
    }
    reply->to = *to;
    reply->len = len;
    memcpy(reply->payload, payload, len);
    (void)pthread_mutex_lock(&replies->lock); /* fails on misuse only */
    if (replies->n == MG_REPLIES_MAX) {
        dropped = take_first(replies);
    }
    replies->ring[(replies->first + replies->n++) % MG_REPLIES_MAX] = reply;
    (void)pthread_mutex_unlock(&replies->lock);
    free(dropped);
    return MG_OK;
}

struct mg_reply *mg_replies_take(struct mg_replies *replies)
{
    (void)pthread_mutex_lock(&replies->lock);
    struct mg_reply *reply = take_first(replies);
    (void)pthread_mutex_unlock(&replies->lock);
    return reply;
}

void mg_replies_again(struct mg_replies *replies, struct mg_reply *reply)
{
    (void)pthread_mutex_lock(&replies->lock);
    bool has_room = replies->n < MG_REPLIES_MAX;
    if (has_room) {
        replies->first = (replies->first + MG_REPLIES_MAX - 1) % MG_REPLIES_MAX;
        replies->ring[replies->first] = reply;
        replies->n++;
    }
    (void)pthread_mutex_unlock(&replies->lock);
    if (!has_room) {
        free(reply);
    }
}
