/* What the tests of the uplink share: a broker, a store, an uplink, a peer
 * (mqtt_peer.py) and what they have said. One loop, which waits for events. */
#ifndef TESTS_MQTT_BED_H
#define TESTS_MQTT_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker.h"
#include "mqtt/uplink.h"
#include "store/store.h"

#define BASE "t/gw/"

struct bed_message {
    char topic[128], correlation[256], type[64];
    int qos;
    bool is_retained;
    char *payload; /* owned */
};

struct bed {
    struct broker broker;
    uv_loop_t loop;
    struct mg_setup setup;
    struct mg_store *store;
    struct mg_sink *sink;
    pid_t child; /* of the test; killed at its end; 0: none */
    /* the peer */
    pid_t peer;
    int to_peer, from_peer;
    uv_poll_t poll;
    char line[2 * 1024 * 1024];
    size_t line_len;
    bool is_peer_ready;
    struct bed_message *messages; /* owned */
    size_t n_messages, cap_messages;
    /* what the uplink said */
    unsigned n_up, n_down, n_commands, n_parked, n_refused;
    char link[512], parked_topic[256], refused[256], refused_topic[256];
    int parked_code;
    char meter[48], verb[32], payload[256];
    struct mg_reply_to reply_to;
    bool is_due; /* by the timer of bed_wait */
};

/** A broker's directory and a setup that fits; nothing is started. */
struct bed *bed_create(void);
void bed_destroy(struct bed *bed); /* ends all */
void bed_kill_child(struct bed *bed);

void bed_open_store(struct bed *bed);
void bed_close_store(struct bed *bed);
void bed_start_uplink(struct bed *bed);
void bed_stop_uplink(struct bed *bed);
void bed_start_peer(struct bed *bed); /* hears all, waits until subscribed */
void bed_stop_peer(struct bed *bed);

/** Run the loop until the condition holds; fails after 30 s. */
typedef bool bed_condition(struct bed *bed, const void *arg);
void bed_wait_for(struct bed *bed, bed_condition *condition, const void *arg,
                  const char *what);
#define bed_wait(bed, condition, arg)                                          \
    bed_wait_for(bed, condition, arg, #condition)

bed_condition is_up;          /* by the link event */
bed_condition is_down;        /* by the link event */
bed_condition is_store_empty; /* all rows acknowledged or parked */
bed_condition has_message;    /* arg: topic below BASE */

/** Append a row: readings of a meter with this number as payload. */
void bed_append(struct bed *bed, const char *topic, unsigned number);

/** The numbers of a topic are 1..n, each at least once, in this order when
 *  repetitions are left out. */
void bed_assert_complete(const struct bed *bed, const char *topic, unsigned n);

/** The last message of a topic (below BASE, or whole); NULL: none. */
const struct bed_message *bed_last(const struct bed *bed, const char *topic);
size_t bed_count(const struct bed *bed, const char *topic);
void bed_forget(struct bed *bed); /* all messages */

/** Let the peer publish. NULL: without. */
void bed_publish(struct bed *bed, const char *topic, bool is_retained,
                 const char *response_topic, const char *correlation_hex,
                 const void *payload, size_t len);

#endif
