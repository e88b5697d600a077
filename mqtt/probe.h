/* Why can the broker not be reached? A connection of our own that goes only as
 * far as TLS, since the MQTT library says no more than that it failed.
 *
 * Blocks for at most three seconds: run it on a thread that may. */
#ifndef MG_MQTT_PROBE_H
#define MG_MQTT_PROBE_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/err.h"
#include "run/setup.h"

#define MG_PROBE_ADDRESSES_MAX 4

struct mg_probe {
    const struct mg_setup_mqtt *mqtt; /* borrowed */
    struct sockaddr_storage addresses[MG_PROBE_ADDRESSES_MAX];
    size_t n_addresses;
    atomic_bool is_canceled; /* set by another thread: give up at once */
    char text[MG_ERR_TEXT];  /* the sentence */
};

/** Fill probe->text. */
void mg_probe_run(struct mg_probe *probe);

#endif
