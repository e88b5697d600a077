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
    if (len > 0) {
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
    list->n_rows += item->is_row;
    list->n_puts += !item->is_row;
    list->n_bytes += size_of(item);
}

static void count_out(struct store_list *list, const struct store_item *item)
{
    list->n_rows -= item->is_row;
    list->n_puts -= !item->is_row;
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
    size_t n_rows = q->waiting.n_rows + q->n_taken_rows - gone->n_rows;
    size_t n_puts = q->waiting.n_puts + q->n_taken_puts;
    uint64_t n_bytes = q->waiting.n_bytes + q->n_taken_bytes - gone->n_bytes;
    return (item->is_row ? n_rows < STORE_QUEUE_ROWS
                         : n_puts < STORE_QUEUE_PUTS) &&
           n_bytes + size_of(item) <= STORE_QUEUE_BYTES;
}

bool store__queue_has_room(const struct store_queue *q,
                           const struct store_item *item)
{
    struct store_list none = {0};
    return fits_without(q, item, &none);
}

static bool is_live(const struct store_item *item)
{
    return item->is_row && item->class_ == MG_ROW_READINGS;
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
    for (struct store_item *i = q->waiting.first; gone.n_rows > 0; i = next) {
        next = i->next;
        if (!is_live(i)) {
            prev = i;
            continue;
        }
        gone.n_rows--;
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
            list.n_rows + list.n_puts >= max_items || list.n_bytes >= max_bytes;
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
    q->n_taken_rows = list.n_rows;
    q->n_taken_puts = list.n_puts;
    q->n_taken_bytes = list.n_bytes;
    *ret_list = list;
}

void store__queue_done(struct store_queue *q)
{
    q->n_taken_rows = 0;
    q->n_taken_puts = 0;
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
    q->waiting.n_rows += list->n_rows;
    q->waiting.n_puts += list->n_puts;
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
