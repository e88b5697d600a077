/* Datagrams to the service manager's socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "run/notify.h"

/* @param name  with '@' for an abstract name
 * @return the receiving socket */
static int listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    assert_true(len < sizeof address.sun_path);
    memcpy(address.sun_path, name, len);
    if (name[0] == '@') {
        address.sun_path[0] = '\0';
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(
        bind(fd, (struct sockaddr *)&address,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
        0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

static void assert_received(int fd, const char *expected)
{
    char text[1024];
    ssize_t n = recv(fd, text, sizeof text, 0);
    assert_int_equal(n, strlen(expected));
    assert_memory_equal(text, expected, strlen(expected));
    assert_true(recv(fd, text, sizeof text, 0) < 0); /* nothing else */
}

static void test_abstract_name(void **state)
{
    (void)state;
    char name[64];
    (void)snprintf(name, sizeof name, "@mg-notify-%ld", (long)getpid());
    int fd = listen_at(name);
    mg_notify("READY=1\nSTATUS=%u/%u meters online", 48, 50);
    assert_received(fd, "READY=1\nSTATUS=48/50 meters online");
    (void)close(fd);
}

static void test_path(void **state)
{
    (void)state;
    char dir[] = "/tmp/mg-notify-XXXXXX";
    char path[64];
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/socket", dir);
    int fd = listen_at(path);
    mg_notify("WATCHDOG=1");
    assert_received(fd, "WATCHDOG=1");
    (void)close(fd);
    (void)unlink(path);
    mg_notify("WATCHDOG=1"); /* lost, and that is all */
    (void)rmdir(dir);
}

static void test_long_status_is_cut(void **state)
{
    (void)state;
    char name[64];
    char status[600];
    (void)snprintf(name, sizeof name, "@mg-notify-%ld", (long)getpid());
    memset(status, 's', sizeof status - 1);
    status[sizeof status - 1] = '\0';
    int fd = listen_at(name);
    mg_notify("%s", status);
    status[511] = '\0';
    assert_received(fd, status);
    (void)close(fd);
}

/* Not started by a service manager, or by a strange one. */
static void test_no_socket(void **state)
{
    (void)state;
    char name[200];
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    mg_notify("READY=1");
    assert_int_equal(setenv("NOTIFY_SOCKET", "", 1), 0);
    mg_notify("READY=1");
    assert_int_equal(setenv("NOTIFY_SOCKET", "vsock:2:1", 1), 0);
    mg_notify("READY=1");
    memset(name, 'x', sizeof name - 1);
    name[0] = '/';
    name[sizeof name - 1] = '\0';
    assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
    mg_notify("READY=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_abstract_name),
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_long_status_is_cut),
        cmocka_unit_test(test_no_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
