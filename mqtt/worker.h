/* The uplink thread: its loop, what it does when woken, and its end. Private
 * to mqtt/.
 *
 * The loop thread writes the tables (retained, replies), sets a flag and wakes;
 * all else below belongs to the uplink thread. */
#ifndef MG_MQTT_WORKER_H
#define MG_MQTT_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "mqtt/command.h"
#include "mqtt/delivery.h"
#include "mqtt/drain.h"
#include "mqtt/recent.h"
#include "mqtt/replies.h"
#include "mqtt/retained.h"
#include "mqtt/session.h"

#define MG_BASE_MAX (128 + MG_ID_MAX + 2)

enum mg_wake {
    MG_WAKE_CLIENT = 1,
    MG_WAKE_ROWS = 2,
    MG_WAKE_RETAINED = 4,
    MG_WAKE_REPLY = 8,
    MG_WAKE_STOP = 16
};

struct mg_worker {
    /* Set before the thread starts. */
    struct mg_setup_mqtt mqtt;  /* a copy; what it points to is borrowed */
    char base[MG_BASE_MAX + 1]; /* "<root>/<gateway>/" */
    char availability[MG_BASE_MAX + 16];  /* "": none */
    char *filters[MG_CLIENT_FILTERS_MAX]; /* owned */
    size_t n_filters;
    const struct mg_command_protocol *protocol; /* borrowed */
    struct mg_delivery *delivery;               /* borrowed, as the next four */
    struct mg_retained *retained;
    struct mg_replies *replies;
    struct mg_recent *recent;
    struct mg_outbox *outbox; /* NULL: no rows */

    uv_async_t wake; /* any thread may send */
    atomic_uint flags;
    atomic_uint stop_ms;  /* how long the end may take */
    pthread_mutex_t lock; /* of stats */
    struct mg_sink_stats stats;

    /* The uplink thread's. */
    uv_loop_t loop;
    uv_timer_t batch; /* when to send the retained topics */
    uv_timer_t rows;  /* when to try the outbox again */
    uv_timer_t tick;  /* each second while connected */
    uv_timer_t stop;
    struct mg_mqtt_session session;
    struct mg_window window;
    struct mg_drain drain;
    struct mg_retained_item item;
    uint32_t max_packet;
    uint64_t n_connected;
    bool is_retained_due;
    bool is_batch_out; /* the last batch has not left for the socket yet */
    bool is_syncing;   /* the retained topics go before the first row */
    bool is_stopping, is_offline_sent, is_finished;
    bool has_said_deaf; /* the broker refuses our subscription */
};

/** Make the loop and its handles. Everything above them must be set.
 *  @return MG_OK, or MG_E_IO and nothing is left behind */
int mg_worker_init(struct mg_worker *worker, struct mg_store *store,
                   struct mg_err *err);

/** The thread: runs until MG_WAKE_STOP has been obeyed. */
void mg_worker_run(struct mg_worker *worker);

/** Close what mg_worker_init made, when the thread was never started. */
void mg_worker_fini(struct mg_worker *worker);

/** Any thread. */
void mg_worker_wake(struct mg_worker *worker, enum mg_wake why);

void mg_worker_stats(struct mg_worker *worker, struct mg_sink_stats *ret);

#endif
