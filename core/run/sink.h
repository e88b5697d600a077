/* Where the gateway publishes to: declared here, implemented by mqtt/.
 *
 * All calls are made on the loop thread and return at once. Topics are given
 * below <root>/<gateway>/. */
#ifndef MG_RUN_SINK_H
#define MG_RUN_SINK_H

#include "base/clock.h"
#include "store/store.h"

#define MG_REPLY_TOPIC_MAX 256
#define MG_CORRELATION_MAX 64

/** Where an answer goes; copied with the command. */
struct mg_reply_to {
    char topic[MG_REPLY_TOPIC_MAX]; /* empty: nobody asked for an answer */
    uint8_t correlation[MG_CORRELATION_MAX];
    size_t correlation_len;
};

/** A command as it came; meter and verb are from the topic
 *  m/<meter>/cmd/<verb>. The payload is well-formed flat JSON, checked for
 *  size, retain and expiry by the sink; refused commands never get here. */
struct mg_command {
    char meter[48], verb[32];
    struct mg_reply_to reply_to;
    size_t len;
    char payload[]; /* len bytes and a NUL */
};

struct mg_sink_events {
    /** Loop thread. The command is borrowed for the call. */
    void (*command)(void *ctx, const struct mg_command *command);
    /** The uplink went up or down; text says to whom or why. */
    void (*link)(void *ctx, bool is_up, const char *text);
    /** The broker refused a row for good; it is parked. */
    void (*parked)(void *ctx, const char *topic, int reason_code,
                   const char *reason);
    /** A command was refused before it got here. */
    void (*refused)(void *ctx, const char *topic, const char *reason);
};

struct mg_sink;

struct mg_sink_ops {
    /** Newest value of a topic, retained; sent when connected and after every
     *  reconnect; an older one that has not left yet is replaced. QoS 0 or 1.
     *  @return MG_OK or MG_E_NOSPC (more than 65,536 topics) */
    int (*retain)(struct mg_sink *sink, const char *topic, const char *payload,
                  size_t len, int qos);
    /** Answer a command, QoS 1, not durable. */
    void (*reply)(struct mg_sink *sink, const struct mg_reply_to *to,
                  const char *payload, size_t len);
    /** Stop within timeout_ms: send what the window allows, publish
     *  availability "offline", disconnect, join, free. */
    void (*destroy)(struct mg_sink *sink, uint32_t timeout_ms);
};

struct mg_sink {
    const struct mg_sink_ops *ops;
};

struct mg_sink_stats {
    bool is_connected;
    uint64_t n_acked, n_failed, n_parked, n_no_subscriber, n_reconnects;
};

#endif
