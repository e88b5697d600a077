/* The queue between the loop and the store thread: groups stay whole, order
 * holds, readings make room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/queue.h"

#define MUCH (1ULL << 40)

/* Letters are live readings, capitals events, digits values. */
static struct store_item *item_of(char name)
{
    struct store_item *item = store__item_create(&name, 1, "", 0);
    assert_non_null(item);
    item->kind = name > '9' ? STORE_ITEM_ROW : STORE_ITEM_PUT;
    item->class_ = name >= 'a' ? MG_ROW_READINGS : MG_ROW_EVENT;
    item->n_readings = 5;
    item->ticket = (uint64_t)name;
    return item;
}

/* A blank ends a group. */
static void add(struct store_queue *q, const char *names)
{
    for (; *names != '\0'; names++) {
        if (*names == ' ') {
            store__queue_seal(q);
        } else {
            store__queue_add(q, item_of(*names), 7);
        }
    }
}

static void check_counts(const struct store_list *list)
{
    size_t n_rows = 0, n_puts = 0, n_bytes = 0;
    const struct store_item *last = NULL;
    for (const struct store_item *i = list->first; i != NULL; i = i->next) {
        n_rows += i->kind == STORE_ITEM_ROW;
        n_puts += i->kind == STORE_ITEM_PUT;
        n_bytes += i->name_len + i->len;
        last = i;
    }
    assert_int_equal(list->n[STORE_ITEM_ROW], n_rows);
    assert_int_equal(list->n[STORE_ITEM_PUT], n_puts);
    assert_int_equal(list->n_bytes, n_bytes);
    assert_ptr_equal(list->last, last);
}

static void list_is(const struct store_list *list, const char *names)
{
    char got[64] = "";
    size_t n = 0;
    for (const struct store_item *i = list->first; i != NULL; i = i->next) {
        assert_true(n < sizeof got - 1);
        got[n++] = i->bytes[0];
    }
    assert_string_equal(got, names);
    check_counts(list);
}

/* Take with this limit, and expect these. */
static void takes(struct store_queue *q, size_t max_items, const char *names)
{
    struct store_list list;
    store__queue_take(q, max_items, MUCH, &list);
    list_is(&list, names);
    check_counts(&q->waiting);
    store__list_free(&list);
    store__queue_done(q);
}

static void only_sealed_groups_are_taken(void **state)
{
    (void)state;
    struct store_queue q = {0};
    takes(&q, 9, "");
    add(&q, "ab");
    takes(&q, 9, "");
    add(&q, "1 Cd");
    takes(&q, 9, "ab1");
    takes(&q, 9, "");
    store__queue_seal(&q);
    store__queue_seal(&q);
    takes(&q, 9, "Cd");
    assert_int_equal(q.waiting.n[STORE_ITEM_ROW], 0);
}

static void groups_stay_whole(void **state)
{
    (void)state;
    struct store_queue q = {0};
    add(&q, "abc d ef g");
    takes(&q, 1, "abc");
    assert_int_equal(q.since_ns, 0); /* the rest is late */
    takes(&q, 2, "def");             /* never half of a group */
    takes(&q, 2, "");
    store__list_free(&q.waiting);
}

static void bytes_limit_a_take(void **state)
{
    (void)state;
    struct store_queue q = {0};
    add(&q, "ab c d ");
    struct store_list list;
    store__queue_take(&q, 9, 3, &list);
    list_is(&list, "abc");
    store__list_free(&list);
    store__queue_done(&q);
    takes(&q, 9, "d");
}

static void what_failed_comes_first_again(void **state)
{
    (void)state;
    struct store_queue q = {0};
    struct store_list list;
    add(&q, "ab 1 ");
    store__queue_take(&q, 9, MUCH, &list);
    assert_int_equal(q.n_taken[STORE_ITEM_ROW], 2);
    assert_int_equal(q.n_taken[STORE_ITEM_PUT], 1);
    assert_int_equal(q.n_taken_bytes, 3);
    add(&q, "c");
    store__queue_give_back(&q, &list);
    assert_null(list.first);
    assert_int_equal(q.n_taken[STORE_ITEM_ROW], 0);
    takes(&q, 9, "ab1"); /* c is not sealed */
    add(&q, "d ");
    store__queue_take(&q, 9, MUCH, &list);
    add(&q, "e ");
    store__queue_give_back(&q, &list);
    takes(&q, 9, "cde");
    store__queue_take(&q, 9, MUCH, &list);
    store__queue_give_back(&q, &list); /* nothing */
    add(&q, "f ");
    takes(&q, 9, "f");
}

/* Fill up with events so that n rows are in the queue. */
static void fill(struct store_queue *q, size_t n)
{
    while (q->waiting.n[STORE_ITEM_ROW] < n) {
        store__queue_add(q, item_of('Z'), 7);
    }
    store__queue_seal(q);
}

static bool make_room(struct store_queue *q, char name,
                      struct store_dropped *dropped)
{
    struct store_item *item = item_of(name);
    bool has_room = store__queue_make_room(q, item, dropped);
    free(item);
    return has_room;
}

static void oldest_readings_make_room(void **state)
{
    (void)state;
    struct store_queue q = {0};
    struct store_dropped dropped = {0};
    add(&q, "A1b cd 2e ");
    fill(&q, STORE_QUEUE_ROWS);
    assert_true(make_room(&q, '3', &dropped)); /* values have room */
    assert_int_equal(dropped.n_rows, 0);
    assert_true(make_room(&q, 'X', &dropped));
    store__queue_add(&q, item_of('X'), 7);
    assert_true(make_room(&q, 'Y', &dropped));
    store__queue_add(&q, item_of('Y'), 7);
    assert_int_equal(dropped.n_rows, 2);
    assert_int_equal(dropped.n_readings, 10);
    takes(&q, 1, "A1"); /* b was the end of this group */
    takes(&q, 1, "d");
    takes(&q, 1, "2e");
    store__list_free(&q.waiting);
}

static void sealed_end_may_go(void **state)
{
    (void)state;
    struct store_queue q = {0};
    struct store_dropped dropped = {0};
    while (q.waiting.n[STORE_ITEM_ROW] < STORE_QUEUE_ROWS - 1) {
        store__queue_add(&q, item_of('Z'), 7);
    }
    add(&q, "a ");
    assert_true(make_room(&q, 'X', &dropped));
    store__queue_add(&q, item_of('X'), 7);
    struct store_list list;
    store__queue_take(&q, 1, MUCH, &list);
    assert_int_equal(list.n[STORE_ITEM_ROW],
                     STORE_QUEUE_ROWS - 1); /* still one group */
    check_counts(&list);
    list_is(&q.waiting, "X");
    store__list_free(&list);
    store__list_free(&q.waiting);
}

static void without_readings_there_is_no_room(void **state)
{
    (void)state;
    struct store_queue q = {0};
    struct store_dropped dropped = {0};
    fill(&q, STORE_QUEUE_ROWS);
    assert_false(make_room(&q, 'X', &dropped));
    struct store_list list; /* what is being written counts */
    store__queue_take(&q, 1, MUCH, &list);
    assert_false(make_room(&q, 'X', &dropped));
    assert_true(make_room(&q, '1', &dropped));
    store__list_free(&list);
    store__queue_done(&q);
    assert_true(make_room(&q, 'X', &dropped));
    for (size_t i = 0; i < STORE_QUEUE_PUTS; i++) {
        store__queue_add(&q, item_of('1'), 7);
    }
    add(&q, "a");
    assert_false(make_room(&q, '1', &dropped)); /* a would not help */
    assert_int_equal(dropped.n_rows, 0);
    store__list_free(&q.waiting);
}

static void bytes_keep_no_dataset_out(void **state)
{
    (void)state;
    struct store_queue q = {0};
    struct store_item *dataset = item_of('D'), *event = item_of('X');
    dataset->kind = STORE_ITEM_DATASET;
    fill(&q, 1);
    q.waiting.n_bytes = STORE_QUEUE_BYTES; /* as if it were so large */
    assert_false(store__queue_has_room(&q, event));
    assert_true(store__queue_has_room(&q, dataset));
    q.waiting.n[STORE_ITEM_DATASET] = STORE_QUEUE_DATASETS - 1;
    assert_true(store__queue_has_room(&q, dataset));
    q.n_taken[STORE_ITEM_DATASET] = 1;
    assert_false(store__queue_has_room(&q, dataset));
    free(dataset);
    free(event);
    store__list_free(&q.waiting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_sealed_groups_are_taken),
        cmocka_unit_test(groups_stay_whole),
        cmocka_unit_test(bytes_limit_a_take),
        cmocka_unit_test(what_failed_comes_first_again),
        cmocka_unit_test(oldest_readings_make_room),
        cmocka_unit_test(sealed_end_may_go),
        cmocka_unit_test(without_readings_there_is_no_room),
        cmocka_unit_test(bytes_keep_no_dataset_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
