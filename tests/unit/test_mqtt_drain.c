/* The outbox against a broker that answers what a test wants: the client, the
 * outbox and the store are played here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mqtt/drain.h"

#define N_ROWS 40

struct mg_store {
    bool is_gone[N_ROWS + 1]; /* acknowledged or parked */
    int parked_code[N_ROWS + 1];
    unsigned n_rows, n_events;
    int next_code; /* of mg_outbox_next */
};

struct mg_outbox {
    struct mg_store *store;
};

struct mg_client {
    int publish_code;
    unsigned n_sent;
    int64_t sent_ids[200];
    uint32_t tags[200];
};

/* ---- The parts played ---- */

int mg_outbox_next(struct mg_outbox *outbox, int64_t after_id,
                   struct mg_store_row *ret_row, struct mg_err *err)
{
    static char payload[] = "{}";
    struct mg_store *s = outbox->store;
    if (s->next_code != MG_OK) {
        return mg_err_set(err, s->next_code, "played");
    }
    for (int64_t id = after_id + 1; id <= (int64_t)s->n_rows; id++) {
        if (!s->is_gone[id]) {
            *ret_row =
                (struct mg_store_row){.id = id, .payload = payload, .len = 2};
            (void)snprintf(ret_row->topic, sizeof ret_row->topic, "row/%d",
                           (int)id);
            return MG_OK;
        }
    }
    return MG_E_NOTFOUND;
}

void mg_store_ack(struct mg_store *store, int64_t id)
{
    store->is_gone[id] = true;
}

void mg_store_park(struct mg_store *store, int64_t id, int reason_code)
{
    store->is_gone[id] = true;
    store->parked_code[id] = reason_code;
}

int mg_client_publish(struct mg_client *client,
                      const struct mg_client_publish *publish)
{
    static const char prefix[] = "t/row/";
    if (client->publish_code != MG_OK) {
        return client->publish_code;
    }
    assert_memory_equal(publish->topic, prefix, sizeof prefix - 1);
    assert_int_equal(publish->qos, 1);
    client->sent_ids[client->n_sent] =
        strtol(publish->topic + sizeof prefix - 1, NULL, 10);
    client->tags[client->n_sent++] = publish->tag;
    return MG_OK;
}

size_t mg_client_packet_len(const struct mg_client_publish *publish)
{
    return strlen(publish->topic) + publish->len;
}

/* ---- The bed ---- */

struct bed {
    struct mg_store store;
    struct mg_outbox outbox;
    struct mg_client client;
    struct mg_window window;
    struct mg_drain drain;
    uint64_t now_ms;
};

static void on_parked(void *ctx, const char *topic, int code,
                      const char *reason)
{
    struct bed *bed = ctx;
    (void)topic;
    assert_true(code != 0 && strlen(reason) > 0);
    bed->store.n_events++;
}

static int setup(void **state)
{
    static struct bed bed;
    static const struct mg_drain_events events = {.parked = on_parked};
    bed = (struct bed){.store.n_rows = 20, .now_ms = 1000};
    bed.outbox.store = &bed.store;
    mg_drain_init(&bed.drain, &bed.store, &bed.outbox, "t/", &events, &bed);
    mg_window_reset(&bed.window, 4);
    *state = &bed;
    return 0;
}

static uint64_t send_rows(struct bed *bed)
{
    return mg_drain_send(&bed->drain, &bed->client, &bed->window, 1000,
                         bed->now_ms);
}

/* The broker answers the n-th message sent. */
static void answer(struct bed *bed, unsigned n, int code)
{
    struct mg_sent sent;
    assert_true(mg_window_release(&bed->window, bed->client.tags[n], &sent));
    assert_int_equal(sent.id, bed->client.sent_ids[n]);
    mg_drain_answered(&bed->drain, &sent, code, bed->now_ms);
}

static void assert_sent(const struct bed *bed, unsigned n, int64_t last)
{
    assert_int_equal(bed->client.n_sent, n);
    assert_int_equal(bed->client.sent_ids[n - 1], last);
}

/* ---- Tests ---- */

static void test_window(void **state)
{
    struct bed *bed = *state;
    assert_int_equal(send_rows(bed), 0);
    assert_sent(bed, 4, 4);
    assert_int_equal(send_rows(bed), 0);
    assert_sent(bed, 4, 4);
    answer(bed, 1, 0x00);
    answer(bed, 0, 0x10);
    (void)send_rows(bed);
    assert_sent(bed, 6, 6);
    assert_true(bed->store.is_gone[1] && bed->store.is_gone[2]);
    assert_int_equal(bed->drain.n_acked, 2);
    assert_int_equal(bed->drain.n_no_subscriber, 1);
}

static void test_empty(void **state)
{
    struct bed *bed = *state;
    bed->store.n_rows = 1;
    (void)send_rows(bed);
    assert_true(bed->drain.is_empty);
    bed->store.n_rows = 2;
    (void)send_rows(bed);
    assert_sent(bed, 1, 1);
    mg_drain_wake(&bed->drain);
    (void)send_rows(bed);
    assert_sent(bed, 2, 2);
}

static void test_poison(void **state)
{
    struct bed *bed = *state;
    (void)send_rows(bed);
    answer(bed, 0, 0x87);
    answer(bed, 1, 0x99);
    assert_int_equal(bed->store.parked_code[1], 0x87);
    assert_int_equal(bed->store.parked_code[2], 0x99);
    assert_int_equal(bed->store.n_events, 2);
    (void)send_rows(bed);
    assert_sent(bed, 6, 6); /* the rest flows */
}

/* A quota: wait for what is on its way, wait the pause, resend from there. */
static void test_retry(void **state)
{
    struct bed *bed = *state;
    (void)send_rows(bed);
    answer(bed, 0, 0x00);
    answer(bed, 1, 0x97);
    answer(bed, 2, 0x00);
    assert_int_equal(send_rows(bed), 1000);
    assert_sent(bed, 4, 4);
    bed->now_ms += 1000;
    assert_int_equal(send_rows(bed), 0); /* the fourth is still out */
    assert_sent(bed, 4, 4);
    answer(bed, 3, 0x00);
    (void)send_rows(bed);
    assert_int_equal(bed->client.sent_ids[4], 2);
    assert_int_equal(bed->client.sent_ids[5], 5);
    assert_false(bed->store.is_gone[2]);
}

static void test_retry_grows(void **state)
{
    struct bed *bed = *state;
    bed->store.n_rows = 1;
    uint64_t pause_ms = 1000;
    for (unsigned i = 0; i < 9; i++) {
        (void)send_rows(bed);
        assert_sent(bed, i + 1, 1);
        answer(bed, i, 0x80);
        assert_int_equal(send_rows(bed), pause_ms);
        bed->now_ms += pause_ms;
        pause_ms = pause_ms < 64000 ? pause_ms * 2 : pause_ms;
    }
    (void)send_rows(bed);
    answer(bed, 9, 0x00);
    bed->store.n_rows = 2;
    mg_drain_wake(&bed->drain);
    (void)send_rows(bed);
    answer(bed, 10, 0x83);
    assert_int_equal(send_rows(bed), 1000);
}

/* After a loss all that was out is sent again, in order, without a pause. */
static void test_loss(void **state)
{
    struct bed *bed = *state;
    (void)send_rows(bed);
    answer(bed, 2, 0x00);
    answer(bed, 0, -11); /* some fail one by one before */
    mg_drain_rewind(&bed->drain, &bed->window);
    mg_window_reset(&bed->window, 0);
    (void)send_rows(bed);
    assert_sent(bed, 4, 4);
    mg_window_reset(&bed->window, 4);
    assert_int_equal(send_rows(bed), 0);
    static const int64_t want[] = {1, 2, 4, 5};
    assert_memory_equal(bed->client.sent_ids + 4, want, sizeof want);
    assert_int_equal(bed->drain.n_failed, 3);
}

/* The same while a refused row waits. */
static void test_loss_in_pause(void **state)
{
    struct bed *bed = *state;
    (void)send_rows(bed);
    answer(bed, 0, 0x97);
    mg_drain_rewind(&bed->drain, &bed->window);
    mg_window_reset(&bed->window, 4);
    assert_int_equal(send_rows(bed), 0);
    assert_int_equal(bed->client.sent_ids[4], 1);
}

static void test_too_large(void **state)
{
    struct bed *bed = *state;
    (void)mg_drain_send(&bed->drain, &bed->client, &bed->window, 9,
                        bed->now_ms);
    /* "t/row/9" and 2 bytes fit, "t/row/10" does not. */
    for (unsigned n = 0; n < 9; n++) {
        answer(bed, n, 0x00);
        (void)mg_drain_send(&bed->drain, &bed->client, &bed->window, 9,
                            bed->now_ms);
    }
    assert_sent(bed, 9, 9);
    assert_int_equal(bed->drain.n_parked, 11);
    assert_int_equal(bed->store.parked_code[20], 0x95);
}

static void test_socket_full(void **state)
{
    struct bed *bed = *state;
    bed->client.publish_code = MG_E_BUSY;
    assert_true(send_rows(bed) > 0);
    assert_int_equal(bed->window.n, 0);
    bed->client.publish_code = MG_OK;
    (void)send_rows(bed);
    assert_int_equal(bed->client.sent_ids[0], 1);
    bed->client.publish_code = MG_E_RANGE; /* no such topic can be sent */
    answer(bed, 0, 0x00);
    (void)send_rows(bed);
    assert_int_equal(bed->store.parked_code[5], 0x90);
}

static void test_disk(void **state)
{
    struct bed *bed = *state;
    mg_log_set_level(MG_LOG_ERROR);
    bed->store.next_code = MG_E_IO;
    assert_int_equal(send_rows(bed), 1000);
    bed->store.next_code = MG_OK;
    (void)send_rows(bed);
    assert_sent(bed, 4, 4);
}

static void test_window_slots(void **state)
{
    struct bed *bed = *state;
    struct mg_window *w = &bed->window;
    struct mg_sent sent;
    assert_int_equal(mg_window_oldest_ms(w), UINT64_MAX);
    uint32_t a = mg_window_take(w, MG_SENT_REPLY, 0, 30);
    uint32_t b = mg_window_take(w, MG_SENT_ROW, 7, 20);
    assert_int_not_equal(a, b);
    assert_int_equal(mg_window_oldest_ms(w), 20);
    assert_true(mg_window_has(w, MG_SENT_ROW));
    assert_false(mg_window_has(w, MG_SENT_RETAINED));
    assert_true(mg_window_release(w, b, &sent));
    assert_int_equal(sent.id, 7);
    assert_false(mg_window_release(w, b, &sent));
    assert_false(mg_window_release(w, 16, &sent));
    mg_window_reset(w, 1000);
    assert_int_equal(w->limit, 16);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_window),        TEST(test_empty),
        TEST(test_poison),        TEST(test_retry),
        TEST(test_retry_grows),   TEST(test_loss),
        TEST(test_loss_in_pause), TEST(test_too_large),
        TEST(test_socket_full),   TEST(test_disk),
        TEST(test_window_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
