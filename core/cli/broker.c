#include "cli/broker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_TRIES  100
#define TRY_PAUSE_NS 50000000L

extern char **environ;

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static uint16_t free_port(void)
{
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof address;
    uint16_t port = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 &&
        bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &len) == 0) {
        port = ntohs(address.sin_port);
    }
    if (fd >= 0) {
        (void)close(fd); /* nothing was sent */
    }
    return port;
}

static bool accepts(uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_open = fd >= 0 && connect(fd, (const struct sockaddr *)&address,
                                      sizeof address) == 0;
    if (fd >= 0) {
        (void)close(fd); /* nothing was sent */
    }
    return is_open;
}

static int write_config(const char *directory, uint16_t port, char *path,
                        size_t cap, struct mg_err *err)
{
    int n = snprintf(path, cap, "%s/mosquitto.conf", directory);
    FILE *file = n > 0 && (size_t)n < cap ? fopen(path, "w") : NULL;
    if (file == NULL) {
        return mg_err_errno(err, errno, "%s/mosquitto.conf", directory);
    }
    (void)fprintf(file,
                  "listener %u 127.0.0.1\nallow_anonymous true\n"
                  "persistence false\nlog_dest file %s/mosquitto.log\n%s",
                  port, directory, geteuid() == 0 ? "user root\n" : "");
    if (fclose(file) != 0) {
        return mg_err_errno(err, errno, "%s", path);
    }
    return MG_OK;
}

static int spawn(struct broker *b, const char *config, struct mg_err *err)
{
    static const char *const programs[] = {
        "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "mosquitto"};
    char *args[] = {(char *)"mosquitto", (char *)"-c", (char *)config, NULL};
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        if (posix_spawnp(&b->pid, programs[i], NULL, NULL, args, environ) ==
            0) {
            return MG_OK;
        }
    }
    b->pid = 0;
    return mg_err_set(err, MG_E_NOTFOUND,
                      "mosquitto is not installed: apt-get install mosquitto");
}

int broker_start(struct broker *b, const char *directory, struct mg_err *err)
{
    char config[512];
    b->port = free_port();
    if (b->port == 0) {
        return mg_err_set(err, MG_E_IO, "no free port on 127.0.0.1");
    }
    int rc = write_config(directory, b->port, config, sizeof config, err);
    if (rc == MG_OK) {
        rc = spawn(b, config, err);
    }
    for (int i = 0; rc == MG_OK && !accepts(b->port); i++) {
        static const struct timespec pause = {.tv_nsec = TRY_PAUSE_NS};
        if (i == START_TRIES || waitpid(b->pid, NULL, WNOHANG) != 0) {
            rc = mg_err_set(err, MG_E_IO,
                            "mosquitto does not accept connections on port "
                            "%u; see %s/mosquitto.log",
                            b->port, directory);
        } else {
            (void)nanosleep(&pause, NULL);
        }
    }
    return rc;
}

void broker_stop(struct broker *b)
{
    if (b->pid > 0) {
        (void)kill(b->pid, SIGTERM);
        (void)waitpid(b->pid, NULL, 0);
        b->pid = 0;
    }
}
