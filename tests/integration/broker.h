/* A real mosquitto of a test's own: a free loopback port that stays the same
 * across restarts, a configuration in a temporary directory. Ended by its pid.
 *
 * Fails the running cmocka test when something does not work. */
#ifndef TESTS_BROKER_H
#define TESTS_BROKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct broker {
    pid_t pid; /* 0: not running */
    uint16_t port;
    char dir[64];
};

/** A directory below /tmp, removed by broker_free. */
void broker_init(struct broker *broker);

/** Start with these lines behind ours (listener, user, no persistence).
 *  @param lines  "" or whole lines; `allow_anonymous` is the caller's */
void broker_start(struct broker *broker, const char *lines);

void broker_restart(struct broker *broker); /* the same configuration */
void broker_kill(struct broker *broker);    /* SIGKILL */
void broker_signal(struct broker *broker, int signal);
void broker_free(struct broker *broker); /* also ends it */

/** Write a file into the broker's directory.
 *  @param ret_path  at least 128 bytes */
void broker_file(const struct broker *broker, const char *name,
                 const char *text, char *ret_path);

/** A port that nobody listens on at the moment. */
uint16_t free_port(void);

/** Run a program to its end, with its output thrown away; must exit 0. */
void run_program(const char *const argv[]);

#endif
