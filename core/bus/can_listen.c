/* Who listens to which identifier: lists in a table hashed by it. */
#include <stdlib.h>

#include "bus/can_priv.h"

static size_t bucket_of(uint32_t id)
{
    return (size_t)((id * 2654435761U) >> 22); /* Knuth's; 10 bits */
}

static bool is_same(const struct mg_can_listener *l, uint32_t id,
                    bool is_extended)
{
    return l->id == id && l->is_extended == is_extended;
}

int mg_can_listen(struct mg_can *can, struct mg_can_listener *listener)
{
    uint32_t max =
        listener->is_extended ? MG_CAN_EXTENDED_MAX : MG_CAN_STANDARD_MAX;
    if (listener->id > max || listener->frame == NULL) {
        return MG_E_INVAL;
    }
    if (can->n_listeners == MG_CAN_LISTENERS_MAX) {
        return MG_E_NOSPC;
    }
    bool is_new = true;
    struct mg_can_listener **at = &can->buckets[bucket_of(listener->id)];
    while (*at != NULL) { /* at the end: called in the order of coming */
        is_new = is_new && !is_same(*at, listener->id, listener->is_extended);
        at = &(*at)->next;
    }
    listener->next = NULL;
    *at = listener;
    can->n_listeners++;
    if (is_new) {
        mg_can_renew(can);
    }
    return MG_OK;
}

void mg_can_listen_rest(struct mg_can *can, struct mg_can_listener *listener)
{
    can->rest = listener;
    mg_can_renew(can);
}

/* @return there is one of this identifier earlier in the list */
static bool is_repeated(const struct mg_can_listener *first,
                        const struct mg_can_listener *l)
{
    for (; first != l; first = first->next) {
        if (is_same(first, l->id, l->is_extended)) {
            return true;
        }
    }
    return false;
}

int mg_can_filters(const struct mg_can *can, struct mg_can_filter **ret,
                   size_t *ret_n)
{
    *ret = NULL;
    *ret_n = 0;
    if (can->rest != NULL) {
        return MG_OK;
    }
    struct mg_can_filter *filters =
        calloc(can->n_listeners + 1, sizeof *filters);
    if (filters == NULL) {
        return MG_E_NOMEM;
    }
    size_t n = 0;
    for (size_t i = 0; i < CAN_BUCKETS; i++) {
        const struct mg_can_listener *l = can->buckets[i];
        for (; l != NULL; l = l->next) {
            if (!is_repeated(can->buckets[i], l)) {
                filters[n].id = l->id;
                filters[n].is_extended = l->is_extended;
                n++;
            }
        }
    }
    *ret = filters;
    *ret_n = n;
    return MG_OK;
}

void mg_can_dispatch(struct mg_can *can, const struct mg_can_frame *frame,
                     uint64_t arrived_ns)
{
    bool is_wanted = false;
    struct mg_can_listener *l = can->buckets[bucket_of(frame->id)];
    while (l != NULL) {
        struct mg_can_listener *next = l->next;
        if (is_same(l, frame->id, frame->is_extended)) {
            is_wanted = true;
            l->frame(l, frame, arrived_ns);
        }
        l = next;
    }
    if (!is_wanted && can->rest != NULL) {
        can->rest->frame(can->rest, frame, arrived_ns);
    } else {
        can->stats.n_foreign += is_wanted ? 0 : 1;
    }
}
