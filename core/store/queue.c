#include "store/queue.h"

#include <stdlib.h>
#include <string.h>

struct store_item *store__item_create(const char *name, size_t name_len,
                                      const void *data, size_t len)
{
    struct store_item *item = malloc(sizeof *item + name_len + len);
    if (item == NULL) {
        return NULL;
    }
    *item = (struct store_item){.name_len = name_len, .len = len};
    memcpy(item->bytes, name, name_len);
    if (data != NULL && len > 0) {
        memcpy(item->bytes + name_len, data, len);
    }
    return item;
}

static uint64_t size_of(const struct store_item *item)
{
    return item->name_len + item->len;
}

static void count_in(struct store_list *list, const struct store_item *item)
{
    list->n[item->kind]++;
    list->n_bytes += size_of(item);
}

static void count_out(struct store_list *list, const struct store_item *item)
{
    list->n[item->kind]--;
    list->n_bytes -= size_of(item);
}

static void push(struct store_list *list, struct store_item *item)
{
    item->next = NULL;
    if (list->last == NULL) {
        list->first = item;
    } else {
        list->last->next = item;
    }
    list->last = item;
    count_in(list, item);
}

/* Whether the item fits once some rows with some bytes have gone. */
static bool fits_without(const struct store_queue *q,
                         const struct store_item *item,
                         const struct store_list *gone)
{
    static const size_t max[STORE_N_ITEM_KINDS] = {
        [STORE_ITEM_PUT] = STORE_QUEUE_PUTS,
        [STORE_ITEM_ROW] = STORE_QUEUE_ROWS,
        [STORE_ITEM_DATASET] = STORE_QUEUE_DATASETS,
        [STORE_ITEM_LOG] = STORE_QUEUE_LOGS};
    enum store_item_kind kind = item->kind;
    size_t n = q->waiting.n[kind] + q->n_taken[kind] - gone->n[kind];
    uint64_t n_bytes = q->waiting.n_bytes + q->n_taken_bytes - gone->n_bytes;
    /* Nothing else keeps these out. */
    bool has_bytes = kind == STORE_ITEM_DATASET || kind == STORE_ITEM_LOG ||
                     n_bytes + size_of(item) <= STORE_QUEUE_BYTES;
    return n < max[kind] && has_bytes;
}

bool store__queue_has_room(const struct store_queue *q,
                           const struct store_item *item)
{
    struct store_list none = {0};
    return fits_without(q, item, &none);
}

static bool is_live(const struct store_item *item)
{
    return item->kind == STORE_ITEM_ROW && item->class_ == MG_ROW_READINGS;
}

/* The group of an item that goes still ends where it ended. */
static void unlink_after(struct store_queue *q, struct store_item *prev,
                         struct store_item *item)
{
    if (prev == NULL) {
        q->waiting.first = item->next;
    } else {
        prev->next = item->next;
        prev->is_group_last = prev->is_group_last || item->is_group_last;
    }
    if (q->waiting.last == item) {
        q->waiting.last = prev;
    }
    if (q->sealed == item) {
        q->sealed = prev;
    }
    count_out(&q->waiting, item);
}

bool store__queue_make_room(struct store_queue *q,
                            const struct store_item *item,
                            struct store_dropped *dropped)
{
    struct store_list gone = {0};
    for (struct store_item *i = q->waiting.first;
         i != NULL && !fits_without(q, item, &gone); i = i->next) {
        if (is_live(i)) {
            count_in(&gone, i);
        }
    }
    if (!fits_without(q, item, &gone)) {
        return false;
    }
    struct store_item *prev = NULL, *next;
    for (struct store_item *i = q->waiting.first; store__list_count(&gone) > 0;
         i = next) {
        next = i->next;
        if (!is_live(i)) {
            prev = i;
            continue;
        }
        gone.n[i->kind]--;
        dropped->n_rows++;
        dropped->n_readings += i->n_readings;
        unlink_after(q, prev, i);
        free(i);
    }
    return true;
}

void store__queue_add(struct store_queue *q, struct store_item *item,
                      uint64_t now_ns)
{
    if (q->waiting.first == NULL) {
        q->since_ns = now_ns;
    }
    push(&q->waiting, item);
}

void store__queue_seal(struct store_queue *q)
{
    if (q->waiting.last != NULL) {
        q->waiting.last->is_group_last = true;
        q->sealed = q->waiting.last;
    }
}

void store__queue_take(struct store_queue *q, size_t max_items,
                       uint64_t max_bytes, struct store_list *ret_list)
{
    struct store_list list = {0};
    bool is_whole = true;
    while (q->sealed != NULL) {
        bool is_enough =
            store__list_count(&list) >= max_items || list.n_bytes >= max_bytes;
        if (is_whole && is_enough) {
            break;
        }
        struct store_item *item = q->waiting.first;
        is_whole = item->is_group_last;
        if (q->sealed == item) {
            q->sealed = NULL;
        }
        unlink_after(q, NULL, item);
        push(&list, item);
    }
    if (q->sealed != NULL) {
        q->since_ns = 0; /* what is left is late already */
    }
    memcpy(q->n_taken, list.n, sizeof q->n_taken);
    q->n_taken_bytes = list.n_bytes;
    *ret_list = list;
}

void store__queue_done(struct store_queue *q)
{
    memset(q->n_taken, 0, sizeof q->n_taken);
    q->n_taken_bytes = 0;
}

void store__queue_give_back(struct store_queue *q, struct store_list *list)
{
    if (list->first == NULL) {
        return;
    }
    store__queue_done(q);
    list->last->next = q->waiting.first;
    q->waiting.first = list->first;
    if (q->waiting.last == NULL) {
        q->waiting.last = list->last;
    }
    if (q->sealed == NULL) {
        q->sealed = list->last;
    }
    for (size_t i = 0; i < STORE_N_ITEM_KINDS; i++) {
        q->waiting.n[i] += list->n[i];
    }
    q->waiting.n_bytes += list->n_bytes;
    *list = (struct store_list){0};
}

void store__list_free(struct store_list *list)
{
    struct store_item *next;
    for (struct store_item *i = list->first; i != NULL; i = next) {
        next = i->next;
        free(i);
    }
    *list = (struct store_list){0};
}
