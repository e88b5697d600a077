/* A look-up of the broker's name that never comes back: the loop goes on, and
 * the end does not wait for it. getaddrinfo is played here. */
#include <netdb.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "mqtt_bed.h"

static atomic_bool is_asked;

int getaddrinfo(const char *name, const char *service,
                const struct addrinfo *req, struct addrinfo **pai)
{
    (void)name;
    (void)service;
    (void)req;
    (void)pai;
    atomic_store(&is_asked, true);
    for (;;) {
        (void)pause();
    }
}

static bool has_asked(struct bed *bed, const void *arg)
{
    (void)bed;
    (void)arg;
    return atomic_load(&is_asked);
}

static void test_hanging_look_up(void **state)
{
    (void)state;
    struct bed *b = bed_create();
    struct mg_sink_stats stats;
    struct mg_reply_to to = {.topic = "app/1"};
    bed_open_store(b);
    bed_start_uplink(b);
    bed_wait(b, has_asked, NULL);
    /* Would hang if they waited for the uplink thread. */
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(
            b->sink->ops->retain(b->sink, "m/cp1/state", "{}", 2, 0), MG_OK);
        b->sink->ops->reply(b->sink, &to, "{}", 2);
    }
    mg_uplink_stats(b->sink, &stats);
    assert_false(stats.is_connected);
    b->sink->ops->destroy(b->sink, 100);
    b->sink = NULL;
    bed_destroy(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hanging_look_up)};
    /* Past the destructors: libuv's would wait for the look-up. */
    _exit(cmocka_run_group_tests(tests, NULL, NULL));
}
