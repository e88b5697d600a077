#include "broker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define START_LIMIT_MS 20000

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

uint16_t free_port(void)
{
    struct sockaddr_in a = loopback(0);
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    (void)close(fd);
    return ntohs(a.sin_port);
}

static pid_t spawn(const char *const argv[])
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        (void)dup2(null, STDIN_FILENO);
        (void)dup2(null, STDOUT_FILENO);
        if (getenv("MG_TEST_VERBOSE") == NULL) {
            (void)dup2(null, STDERR_FILENO);
        }
        (void)execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    return pid;
}

void run_program(const char *const argv[])
{
    int status;
    pid_t pid = spawn(argv);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail_msg("%s %s failed", argv[0], argv[1]);
    }
}

void broker_init(struct broker *broker)
{
    *broker = (struct broker){.port = free_port()};
    (void)snprintf(broker->dir, sizeof broker->dir, "/tmp/mg-broker-XXXXXX");
    assert_non_null(mkdtemp(broker->dir));
    assert_int_equal(chmod(broker->dir, 0755), 0);
}

void broker_file(const struct broker *broker, const char *name,
                 const char *text, char *ret_path)
{
    (void)snprintf(ret_path, 128, "%s/%s", broker->dir, name);
    FILE *file = fopen(ret_path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static bool accepts(uint16_t port)
{
    struct sockaddr_in a = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    bool is_open = connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
    (void)close(fd);
    return is_open;
}

void broker_restart(struct broker *broker)
{
    char conf[128];
    (void)snprintf(conf, sizeof conf, "%s/mosquitto.conf", broker->dir);
    const char *program = access("/usr/sbin/mosquitto", X_OK) == 0
                              ? "/usr/sbin/mosquitto"
                              : "mosquitto";
    broker->pid = spawn((const char *const[]){program, "-c", conf, NULL});
    for (int ms = 0; !accepts(broker->port); ms += 10) {
        if (ms > START_LIMIT_MS || waitpid(broker->pid, NULL, WNOHANG) != 0) {
            broker->pid = 0;
            fail_msg("mosquitto does not start with %s", conf);
        }
        struct timespec pause = {.tv_nsec = 10000000};
        (void)nanosleep(&pause, NULL);
    }
}

void broker_start(struct broker *broker, const char *lines)
{
    char text[4096];
    char path[128];
    (void)snprintf(text, sizeof text,
                   "listener %u 127.0.0.1\npersistence false\n%s%s",
                   broker->port, geteuid() == 0 ? "user root\n" : "", lines);
    broker_file(broker, "mosquitto.conf", text, path);
    broker_restart(broker);
}

void broker_signal(struct broker *broker, int signal)
{
    assert_true(broker->pid > 0);
    assert_int_equal(kill(broker->pid, signal), 0);
}

void broker_kill(struct broker *broker)
{
    broker_signal(broker, SIGKILL);
    assert_int_equal(waitpid(broker->pid, NULL, 0), broker->pid);
    broker->pid = 0;
}

void broker_free(struct broker *broker)
{
    if (broker->pid > 0) {
        broker_kill(broker);
    }
    run_program((const char *const[]){"rm", "-rf", broker->dir, NULL});
}
