#include "cli/broker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_TRIES  100
#define TRY_PAUSE_NS 50000000L
#define NOT_FOUND    127 /* as the shell says it */
#define LOG_FILE     "mosquitto.log"

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

/* The child: it ends with us even when we are killed, and not by Ctrl-C before
 * the last messages were sent. */
static void become_mosquitto(const char *directory, const char *config,
                             pid_t parent)
{
    static const char *const programs[] = {
        "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "mosquitto"};
    (void)setpgid(0, 0);
    /* What it says before it has read where to log. */
    char log[512];
    (void)snprintf(log, sizeof log, "%s/" LOG_FILE, directory);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd >= 0 &&
        (dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)) {
        _exit(NOT_FOUND);
    }
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && getppid() != parent) {
        _exit(NOT_FOUND); /* the parent died before it could be watched */
    }
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        (void)execlp(programs[i], "mosquitto", "-c", config, (char *)NULL);
    }
    _exit(NOT_FOUND);
}

static int spawn(struct broker *b, const char *directory, const char *config,
                 struct mg_err *err)
{
    pid_t parent = getpid();
    b->pid = fork();
    if (b->pid == 0) {
        become_mosquitto(directory, config, parent);
    }
    return b->pid > 0 ? MG_OK : mg_err_errno(err, errno, "mosquitto");
}

static int has_ended(struct broker *b, const char *directory,
                     struct mg_err *err)
{
    int status;
    if (waitpid(b->pid, &status, WNOHANG) == 0) {
        return MG_OK;
    }
    b->pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_FOUND) {
        return mg_err_set(
            err, MG_E_NOTFOUND,
            "mosquitto is not installed: apt-get install mosquitto");
    }
    return mg_err_set(err, MG_E_IO, "mosquitto ended at once; see %s/%s",
                      directory, LOG_FILE);
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
        rc = spawn(b, directory, config, err);
    }
    for (int i = 0; rc == MG_OK && !accepts(b->port); i++) {
        static const struct timespec pause = {.tv_nsec = TRY_PAUSE_NS};
        rc = i < START_TRIES
                 ? has_ended(b, directory, err)
                 : mg_err_set(err, MG_E_IO,
                              "mosquitto does not accept connections on port "
                              "%u; see %s/%s",
                              b->port, directory, LOG_FILE);
        (void)nanosleep(&pause, NULL);
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
