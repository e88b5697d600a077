/* A mosquitto of our own on a free loopback port, for the demo. */
#ifndef MG_CLI_BROKER_H
#define MG_CLI_BROKER_H

#include <sys/types.h>

#include "base/err.h"

struct broker {
    pid_t pid; /* 0: not running */
    uint16_t port;
};

/** Start it with a configuration written to `directory` and wait until it
 *  accepts connections, 5 s at most. */
int broker_start(struct broker *broker, const char *directory,
                 struct mg_err *err);

/** Stop it and wait for its end. */
void broker_stop(struct broker *broker);

#endif
