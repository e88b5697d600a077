/* The gateway: meters, buses, polls, readings, events, commands, on one loop.
 *
 * It owns what it polls and nothing else: loop, clock, plugins, store and sink
 * are handed in by the composition root. */
#ifndef MG_RUN_GATEWAY_H
#define MG_RUN_GATEWAY_H

#include "model/sample.h"
#include "run/setup.h"
#include "run/sink.h"

struct mg_gateway;

enum mg_meter_state {
    MG_METER_UNKNOWN, /* not read yet */
    MG_METER_ONLINE,
    MG_METER_DEGRADED, /* some of its values are missing or implausible */
    MG_METER_OFFLINE
};

/** "unknown", "online", "degraded", "offline". */
const char *mg_meter_state_text(enum mg_meter_state state);

/** What others may look at; borrowed, changes with the loop. */
struct mg_meter_view {
    const struct mg_setup_meter *setup;
    enum mg_meter_state state;
    const char *reason;           /* of DEGRADED and OFFLINE, or "" */
    const struct mg_sample *live; /* newest live reading; n_values 0: none */
    uint64_t n_polls, n_good, n_missed; /* missed: the last was still going */
};

/** All optional. */
struct mg_gateway_observer {
    /** A sample of any group was read and checked; borrowed for the call. */
    void (*sample)(void *ctx, size_t meter, const struct mg_sample *sample);
    /** A poll failed or a meter changed its state. */
    void (*state)(void *ctx, size_t meter, enum mg_meter_state state,
                  const char *reason);
    /** The key that a meter's records are signed with, SPKI hex. */
    void (*public_key)(void *ctx, size_t meter, const char *key_hex);
};

struct mg_gateway_settings {
    uv_loop_t *loop;
    struct mg_clock *clock;
    const struct mg_setup *setup;
    struct mg_store *store; /* NULL: nothing durable (`read`) */
    /** Lines other than the setup's, for simulation in memory; optional. */
    struct mg_transport *(*line)(void *ctx, size_t bus);
    struct mg_can_transport *(*can_line)(void *ctx, size_t bus);
    bool is_manual;    /* no schedule: only mg_gateway_read_once */
    bool is_simulated; /* the meters are; `info` says so */
    const struct mg_gateway_observer *observer; /* optional */
    void *ctx; /* of line, can_line and observer */
};

struct mg_gateway_stats {
    uint64_t n_polls, n_good, n_missed, n_requests, n_timeouts;
    uint64_t n_readings, n_unstored; /* unstored: the disk did not keep up */
    size_t n_meters, n_online, n_offline;
    uint32_t latency_p50_us, latency_p99_us; /* from the scheduled time to the
                                              * first answer's arrival */
};

/** @return owned; NULL with err */
struct mg_gateway *mg_gateway_create(const struct mg_gateway_settings *settings,
                                     struct mg_err *err);

/** The events to give to the sink; ctx is the gateway. */
const struct mg_sink_events *mg_gateway_sink_events(void);
const struct mg_store_events *mg_gateway_store_events(void);

/** Publish to this sink from now on; borrowed until stop. NULL is allowed. */
void mg_gateway_attach(struct mg_gateway *gateway, struct mg_sink *sink);

/** The store is open; before start. */
void mg_gateway_set_store(struct mg_gateway *gateway, struct mg_store *store);

/** Open the lines and begin to poll. @return MG_OK or a code with err */
int mg_gateway_start(struct mg_gateway *gateway, struct mg_err *err);

/** Stop polling, hand all readings to the store, mark the stop as clean. The
 *  caller closes the sink and the store afterwards. */
void mg_gateway_stop(struct mg_gateway *gateway);

/** After stop; frees once the loop has let go of the lines. */
void mg_gateway_destroy(struct mg_gateway *gateway);

size_t mg_gateway_n_meters(const struct mg_gateway *gateway);
void mg_gateway_meter(const struct mg_gateway *gateway, size_t meter,
                      struct mg_meter_view *ret);
void mg_gateway_stats(const struct mg_gateway *gateway,
                      struct mg_gateway_stats *ret);

/** More is waiting for the disk than should be: a virtual clock pauses until
 *  it is not; the disk is told to hurry. */
bool mg_gateway_is_behind(struct mg_gateway *gateway);

/** Whether the meter's line is open.
 *  @param ret_reason  why not, MG_ERR_TEXT bytes; empty while it is opening */
bool mg_gateway_line_is_up(const struct mg_gateway *gateway, size_t meter,
                           char *ret_reason);

/** Read all groups of one meter now, outside the schedule (`read`). The sample
 * comes through the observer. */
void mg_gateway_read_once(struct mg_gateway *gateway, size_t meter);

#endif
