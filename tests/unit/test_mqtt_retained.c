/* The table of retained topics: newest wins, first dirtied first sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mqtt/retained.h"

struct bed {
    struct mg_retained *table;
    struct mg_retained_item item;
};

static int setup(void **state)
{
    static struct bed bed;
    bed = (struct bed){.table = mg_retained_create("t/gw/", 1000)};
    *state = &bed;
    return bed.table == NULL;
}

static int teardown(void **state)
{
    struct bed *bed = *state;
    mg_retained_destroy(bed->table);
    free(bed->item.payload);
    return 0;
}

static bool set(struct bed *bed, const char *topic, const char *payload,
                unsigned flags)
{
    bool is_due = false;
    assert_int_equal(mg_retained_set(bed->table, topic, payload,
                                     strlen(payload), flags, &is_due),
                     MG_OK);
    return is_due;
}

static void assert_next(struct bed *bed, const char *topic, const char *payload,
                        int qos)
{
    assert_true(mg_retained_take(bed->table, 1, &bed->item));
    assert_string_equal(bed->item.topic, topic);
    assert_int_equal(bed->item.len, strlen(payload));
    assert_memory_equal(bed->item.payload, payload, bed->item.len);
    assert_int_equal(bed->item.qos, qos);
}

static void assert_none(struct bed *bed)
{
    assert_false(mg_retained_take(bed->table, 1, &bed->item));
    assert_false(mg_retained_is_dirty(bed->table));
}

static void test_newest_wins(void **state)
{
    struct bed *bed = *state;
    assert_true(set(bed, "a", "1", 0));
    assert_false(set(bed, "b", "2", 1));
    assert_false(set(bed, "a", "a longer one", 0));
    assert_next(bed, "t/gw/a", "a longer one", 0);
    assert_next(bed, "t/gw/b", "2", 1);
    assert_none(bed);
    assert_true(set(bed, "b", "", 0)); /* empty: deletes at the broker */
    assert_next(bed, "t/gw/b", "", 0);
    assert_none(bed);
}

/* What tells of now is not told again when it is the past. */
static void test_passing(void **state)
{
    struct bed *bed = *state;
    (void)set(bed, "now", "1", MG_TOPIC_PASSING);
    (void)set(bed, "kept", "2", 0);
    assert_next(bed, "t/gw/now", "1", 0);
    assert_true(bed->item.is_passing);
    assert_next(bed, "t/gw/kept", "2", 0);
    assert_false(bed->item.is_passing);
    mg_retained_again_all(bed->table);
    assert_next(bed, "t/gw/kept", "2", 0);
    assert_none(bed);
    (void)set(bed, "now", "3", MG_TOPIC_PASSING); /* waits for a connection */
    mg_retained_again_all(bed->table);
    assert_next(bed, "t/gw/now", "3", 0);
}

/* Wake only once for what is sent together. */
static void test_due_once(void **state)
{
    struct bed *bed = *state;
    assert_true(set(bed, "a", "1", 0));
    assert_false(set(bed, "b", "1", 0));
    assert_next(bed, "t/gw/a", "1", 0);
    assert_false(set(bed, "a", "2", 0));
    assert_next(bed, "t/gw/b", "1", 0);
    assert_next(bed, "t/gw/a", "2", 0);
    assert_true(set(bed, "a", "3", 0));
}

static void test_again(void **state)
{
    struct bed *bed = *state;
    (void)set(bed, "a", "1", 0);
    (void)set(bed, "b", "1", 0);
    assert_next(bed, "t/gw/a", "1", 0);
    mg_retained_again(bed->table, bed->item.index);
    mg_retained_again(bed->table, bed->item.index);
    assert_next(bed, "t/gw/a", "1", 0);
    size_t a = bed->item.index;
    (void)set(bed, "a", "2", 0); /* waits behind b, with the newer value */
    mg_retained_again(bed->table, a);
    mg_retained_again(bed->table, 999);
    assert_next(bed, "t/gw/b", "1", 0);
    assert_next(bed, "t/gw/a", "2", 0);
    assert_none(bed);
    mg_retained_again(bed->table, a); /* as the only one */
    assert_next(bed, "t/gw/a", "2", 0);
    (void)set(bed, "b", "3", 0);
    assert_next(bed, "t/gw/b", "3", 0);
    assert_none(bed);
}

static void test_new_connection(void **state)
{
    struct bed *bed = *state;
    (void)set(bed, "a", "1", 0);
    (void)set(bed, "b", "1", 0);
    (void)set(bed, "c", "1", 0);
    assert_next(bed, "t/gw/a", "1", 0);
    assert_next(bed, "t/gw/b", "1", 0);
    mg_retained_again_all(bed->table);
    assert_next(bed, "t/gw/c", "1", 0); /* waited before */
    assert_next(bed, "t/gw/a", "1", 0);
    assert_next(bed, "t/gw/b", "1", 0);
    assert_none(bed);
}

static void test_window_full(void **state)
{
    struct bed *bed = *state;
    (void)set(bed, "a", "1", 0);
    (void)set(bed, "b", "1", 1);
    (void)set(bed, "c", "1", 0);
    assert_true(mg_retained_take(bed->table, 0, &bed->item));
    assert_false(mg_retained_take(bed->table, 0, &bed->item));
    assert_true(mg_retained_is_dirty(bed->table));
    assert_next(bed, "t/gw/b", "1", 1);
}

static void test_many(void **state)
{
    struct bed *bed = *state;
    char topic[32];
    bool is_due;
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 1000; i++) {
            (void)snprintf(topic, sizeof topic, "m/m%u/state", i);
            (void)set(bed, topic, topic + 2, 0);
        }
        for (unsigned i = 0; i < 1000; i++) {
            (void)snprintf(topic, sizeof topic, "t/gw/m/m%u/state", i);
            assert_next(bed, topic, topic + 7, 0);
        }
        assert_none(bed);
    }
    assert_int_equal(mg_retained_set(bed->table, "more", "", 0, 0, &is_due),
                     MG_E_NOSPC);
}

static void test_limits(void **state)
{
    struct bed *bed = *state;
    char topic[300];
    bool is_due;
    size_t max = (size_t)256 * 1024;
    char *payload = calloc(1, max + 1);
    assert_non_null(payload);
    memset(topic, 'x', sizeof topic);
    topic[256] = '\0';
    assert_int_equal(mg_retained_set(bed->table, topic, "", 0, 0, &is_due),
                     MG_E_RANGE);
    topic[255] = '\0';
    assert_int_equal(
        mg_retained_set(bed->table, topic, payload, max + 1, 0, &is_due),
        MG_E_RANGE);
    assert_none(bed);
    assert_int_equal(
        mg_retained_set(bed->table, topic, payload, max, 0, &is_due), MG_OK);
    assert_true(mg_retained_take(bed->table, 1, &bed->item));
    assert_int_equal(bed->item.len, max);
    free(payload);
    memset(topic, 'x', sizeof topic - 1);
    topic[256] = '\0';
    assert_null(mg_retained_create(topic, 1));
}

static void test_complain(void **state)
{
    struct bed *bed = *state;
    (void)set(bed, "a", "1", 0);
    assert_true(mg_retained_complain(bed->table, 0));
    assert_false(mg_retained_complain(bed->table, 0));
    assert_false(mg_retained_complain(bed->table, 1));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_newest_wins),    TEST(test_due_once),    TEST(test_again),
        TEST(test_new_connection), TEST(test_window_full), TEST(test_many),
        TEST(test_limits),         TEST(test_complain),    TEST(test_passing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
