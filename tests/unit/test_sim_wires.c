/* The far ends on real ptys and sockets, with plain descriptors as clients on
 * the same loop. Waits for events; only a failure runs into the time limit. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "sim/fleet.h"
#include "toy_meter.h"
#include "wire/crc16.h"

#define PATIENCE_NS UINT64_C(20000000000)

struct bench {
    uv_loop_t loop;
    struct mg_clock *clock;
    char dir[64];
};

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    struct mg_err err;
    assert_non_null(b);
    assert_int_equal(uv_loop_init(&b->loop), 0);
    b->clock = mg_clock_create_real(&b->loop, &err);
    assert_non_null(b->clock);
    (void)snprintf(b->dir, sizeof(b->dir), "/tmp/mg-wires-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    *state = b;
    return 0;
}

/* Every test must have let go of all it had. */
static int teardown(void **state)
{
    struct bench *b = *state;
    mg_clock_destroy(b->clock);
    for (int n = 0; n < 3; n++) { /* closing handles, nothing else */
        (void)uv_run(&b->loop, UV_RUN_NOWAIT);
    }
    int rc = uv_loop_close(&b->loop);
    rc |= rmdir(b->dir);
    free(b);
    return rc;
}

/* Let the loop run until there is something to do or to read. */
static void turn(struct bench *b, int fd)
{
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN},
                            {.fd = uv_backend_fd(&b->loop), .events = POLLIN}};
    (void)uv_run(&b->loop, UV_RUN_NOWAIT); /* watches what is new */
    (void)poll(fds, 2, uv_backend_timeout(&b->loop) == 0 ? 0 : 50);
    (void)uv_run(&b->loop, UV_RUN_NOWAIT);
}

/* @return bytes read, less than `want` when the far end has closed */
static size_t fetch(struct bench *b, int fd, uint8_t *ret, size_t want)
{
    uint64_t start = mg_clock_now_ns(b->clock);
    size_t len = 0;
    while (len < want) {
        ssize_t n = read(fd, ret + len, want - len);
        if (n > 0) {
            len += (size_t)n;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            return len;
        } else if (mg_clock_now_ns(b->clock) - start > PATIENCE_NS) {
            fail_msg("got %zu of %zu bytes", len, want);
        } else {
            turn(b, fd);
        }
    }
    return len;
}

static struct mg_sim_line *create(struct bench *b, enum mg_sim_framing framing,
                                  const char *link)
{
    struct mg_sim_line_settings set = {.framing = framing,
                                       .serial = {19200, 'N', 1},
                                       .is_paced = true,
                                       .host = "127.0.0.1",
                                       .turnaround_ms = 1};
    struct mg_err err;
    (void)snprintf(set.link, sizeof(set.link), "%s", link);
    struct mg_sim_line *line =
        mg_sim_line_create(&b->loop, b->clock, &set, &err);
    if (line == NULL) {
        fail_msg("%s", err.text);
    }
    for (uint8_t unit = 1; unit <= 3; unit++) {
        assert_int_equal(mg_sim_line_add(line, toy_create(unit, 19200)), MG_OK);
    }
    return line;
}

static void close_fd(int fd)
{
    assert_int_equal(close(fd), 0);
}

/* ---- Serial ---- */

static int open_tty(const char *path)
{
    struct termios t;
    int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(tcgetattr(fd, &t), 0);
    cfmakeraw(&t);
    assert_int_equal(cfsetspeed(&t, B19200), 0);
    assert_int_equal(tcsetattr(fd, TCSANOW, &t), 0);
    return fd;
}

static void ask_tty(struct bench *b, int fd, uint8_t unit)
{
    uint8_t frame[8] = {unit, 3, 0, 4, 0, 1};
    uint8_t answer[7];
    uint16_t crc = mg_crc16(frame, 6);
    frame[6] = (uint8_t)crc;
    frame[7] = (uint8_t)(crc >> 8);
    assert_int_equal(write(fd, frame, 8), 8);
    assert_int_equal(fetch(b, fd, answer, 7), 7);
    assert_int_equal(answer[0], unit);
    assert_int_equal(answer[3], unit);
    assert_int_equal(answer[4], 4);
    crc = mg_crc16(answer, 5);
    assert_int_equal(answer[5] | answer[6] << 8, crc);
}

static void test_pty_outlives_its_clients(void **state)
{
    struct bench *b = *state;
    struct mg_sim_line *line = create(b, MG_SIM_RTU_PTY, "");
    uint64_t n_answered, n_violations;
    for (uint8_t round = 0; round < 5; round++) {
        int fd = open_tty(mg_sim_line_address(line));
        assert_int_equal(ioctl(fd, TIOCEXCL), 0);
        ask_tty(b, fd, (uint8_t)(1 + round % 3));
        ask_tty(b, fd, 2);
        close_fd(fd);
    }
    mg_sim_line_stats(line, &n_answered, &n_violations);
    assert_int_equal(n_answered, 10);
    assert_true(n_violations > 0); /* this client never waits for t3.5 */
    mg_sim_line_destroy(line);
}

static void test_pty_takes_back_the_exclusive_lock(void **state)
{
    struct bench *b = *state;
    struct mg_sim_line *line = create(b, MG_SIM_RTU_PTY, "");
    int is_exclusive = 1;
    int fd = open_tty(mg_sim_line_address(line));
    assert_int_equal(ioctl(fd, TIOCEXCL), 0);
    ask_tty(b, fd, 1);
    assert_int_equal(ioctl(fd, TIOCGEXCL, &is_exclusive), 0);
    assert_int_equal(is_exclusive, 0);
    close_fd(fd);
    mg_sim_line_destroy(line);
}

static void test_link_is_replaced_and_removed(void **state)
{
    struct bench *b = *state;
    char link[128];
    struct stat st;
    (void)snprintf(link, sizeof(link), "%s/ttyA", b->dir);
    assert_int_equal(symlink("/nowhere", link), 0);
    struct mg_sim_line *first = create(b, MG_SIM_RTU_PTY, link);
    assert_string_equal(mg_sim_line_address(first), link);
    int fd = open_tty(link);
    ask_tty(b, fd, 3);
    close_fd(fd);
    /* A second run takes it over; the first one's end leaves it alone. */
    struct mg_sim_line *second = create(b, MG_SIM_RTU_PTY, link);
    mg_sim_line_destroy(first);
    fd = open_tty(link);
    ask_tty(b, fd, 1);
    close_fd(fd);
    mg_sim_line_destroy(second);
    assert_int_equal(lstat(link, &st), -1);
}

static void test_link_never_replaces_a_file(void **state)
{
    struct bench *b = *state;
    char path[128];
    struct mg_sim_line_settings set = {.framing = MG_SIM_RTU_PTY,
                                       .serial = {9600, 'N', 1}};
    struct mg_err err = {0};
    (void)snprintf(path, sizeof(path), "%s/precious", b->dir);
    (void)snprintf(set.link, sizeof(set.link), "%s", path);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close_fd(fd);
    assert_null(mg_sim_line_create(&b->loop, b->clock, &set, &err));
    assert_int_equal(err.code, MG_E_DENIED);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(unlink(path), 0);
    (void)snprintf(set.link, sizeof(set.link), "%s/no/such/dir", b->dir);
    assert_null(mg_sim_line_create(&b->loop, b->clock, &set, &err));
    assert_int_equal(err.code, MG_E_IO);
    set.link[0] = '\0';
    set.serial.baud = 0;
    assert_null(mg_sim_line_create(&b->loop, b->clock, &set, &err));
    assert_int_equal(err.code, MG_E_INVAL);
}

/* ---- TCP ---- */

static int connect_to(struct bench *b, const struct mg_sim_line *line)
{
    const char *address = mg_sim_line_address(line);
    struct sockaddr_in to = {.sin_family = AF_INET};
    assert_memory_equal(address, "127.0.0.1:", 10);
    to.sin_port = htons((uint16_t)strtoul(address + 10, NULL, 10));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    (void)uv_run(&b->loop, UV_RUN_NOWAIT);
    return fd;
}

static void send_tcp(int fd, uint8_t transaction, uint8_t unit, uint8_t n)
{
    const uint8_t frame[12] = {0, transaction, 0, 0, 0, 6, unit, 3, 0, 4, 0, n};
    assert_int_equal(write(fd, frame, 12), 12);
}

static void test_tcp_many_clients_and_units(void **state)
{
    struct bench *b = *state;
    struct mg_sim_line *line = create(b, MG_SIM_TCP, "");
    int fds[20];
    uint8_t answer[11];
    for (size_t i = 0; i < 20; i++) {
        fds[i] = connect_to(b, line);
        send_tcp(fds[i], (uint8_t)i, (uint8_t)(1 + i % 3), 1);
        send_tcp(fds[i], (uint8_t)(100 + i), 1, 1);
    }
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(fetch(b, fds[i], answer, 11), 11);
        assert_int_equal(answer[1], i);
        assert_int_equal(answer[9], 1 + i % 3);
        assert_int_equal(fetch(b, fds[i], answer, 11), 11);
        assert_int_equal(answer[1], 100 + i);
        close_fd(fds[i]);
    }
    mg_sim_line_destroy(line);
}

static void test_tcp_more_requests_than_answers_fit(void **state)
{
    struct bench *b = *state;
    struct mg_sim_line *line = create(b, MG_SIM_TCP, "");
    int fd = connect_to(b, line);
    uint8_t answer[11];
    for (uint8_t i = 0; i < 200; i++) {
        send_tcp(fd, i, 1, 1);
    }
    for (uint8_t i = 0; i < 200; i++) {
        assert_int_equal(fetch(b, fd, answer, 11), 11);
        assert_int_equal(answer[1], i);
    }
    close_fd(fd);
    mg_sim_line_destroy(line);
}

static void test_tcp_wrong_frame_closes_only_that_client(void **state)
{
    struct bench *b = *state;
    struct mg_sim_line *line = create(b, MG_SIM_TCP, "");
    int good = connect_to(b, line), bad = connect_to(b, line);
    uint8_t answer[11];
    assert_int_equal(write(bad, "GET / HTTP/1.1\r\n", 16), 16);
    assert_int_equal(fetch(b, bad, answer, 1), 0);
    send_tcp(good, 1, 1, 1);
    assert_int_equal(fetch(b, good, answer, 11), 11);
    close_fd(good);
    close_fd(bad);
    mg_sim_line_destroy(line);
}

static void test_tcp_too_many_clients(void **state)
{
    struct bench *b = *state;
    struct mg_sim_line *line = create(b, MG_SIM_TCP, "");
    int fds[65];
    uint8_t answer[11];
    for (size_t i = 0; i < 65; i++) {
        fds[i] = connect_to(b, line);
    }
    assert_int_equal(fetch(b, fds[64], answer, 1), 0); /* turned away */
    close_fd(fds[0]);
    send_tcp(fds[1], 1, 2, 1);
    assert_int_equal(fetch(b, fds[1], answer, 11), 11);
    fds[0] = connect_to(b, line); /* a place is free again */
    send_tcp(fds[0], 2, 2, 1);
    assert_int_equal(fetch(b, fds[0], answer, 11), 11);
    for (size_t i = 0; i < 65; i++) {
        close_fd(fds[i]);
    }
    mg_sim_line_destroy(line);
}

/* A client that asks and never reads must not make us store its answers. */
static void test_tcp_slow_reader_is_let_go(void **state)
{
    struct bench *b = *state;
    struct mg_sim_line *line = create(b, MG_SIM_TCP, "");
    int fd = connect_to(b, line);
    uint8_t frames[100 * 12], reset[4096];
    int small = 4096;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    for (size_t i = 0; i < 100; i++) {
        const uint8_t frame[12] = {0, 1, 0, 0, 0, 6, 1, 3, 0, 4, 0, 125};
        memcpy(frames + 12 * i, frame, 12);
    }
    uint64_t start = mg_clock_now_ns(b->clock);
    bool is_closed = false;
    while (!is_closed && mg_clock_now_ns(b->clock) - start < PATIENCE_NS) {
        struct pollfd p = {.fd = fd, .events = POLLOUT | POLLRDHUP};
        (void)poll(&p, 1, 0);
        is_closed = (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
        if (!is_closed && (p.revents & POLLOUT) != 0) {
            (void)!send(fd, frames, sizeof(frames), MSG_NOSIGNAL);
        }
        turn(b, -1);
    }
    assert_true(is_closed);
    while (read(fd, reset, sizeof(reset)) > 0) {
    }
    close_fd(fd);
    mg_sim_line_destroy(line);
}

static void test_tcp_destroy_with_clients(void **state)
{
    struct bench *b = *state;
    struct mg_sim_line *line = create(b, MG_SIM_RTU_TCP, "");
    int fd = connect_to(b, line);
    uint8_t answer[7];
    ask_tty(b, fd, 2);
    const uint8_t frame[8] = {1, 3, 0, 4, 0, 1, 0xc5, 0xcb};
    assert_int_equal(write(fd, frame, 8), 8);
    (void)uv_run(&b->loop, UV_RUN_NOWAIT);
    mg_sim_line_destroy(line);
    (void)fetch(b, fd, answer, 7); /* closed, with or without this answer */
    close_fd(fd);
}

static void test_tcp_bad_places_to_listen(void **state)
{
    struct bench *b = *state;
    struct mg_sim_line *line = create(b, MG_SIM_TCP, "");
    struct mg_sim_line_settings set = {.framing = MG_SIM_TCP};
    struct mg_err err;
    const char *port = strchr(mg_sim_line_address(line), ':') + 1;
    set.port = (uint16_t)strtoul(port, NULL, 10); /* is taken */
    assert_null(mg_sim_line_create(&b->loop, b->clock, &set, &err));
    assert_non_null(strstr(err.text, port));
    set.port = 0;
    (void)snprintf(set.host, sizeof(set.host), "localhost");
    assert_null(mg_sim_line_create(&b->loop, b->clock, &set, &err));
    assert_non_null(strstr(err.text, "localhost"));
    assert_null(mg_sim_line_create(NULL, b->clock, &set, &err));
    mg_sim_line_destroy(line);
    mg_sim_line_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pty_outlives_its_clients, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_pty_takes_back_the_exclusive_lock,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_link_is_replaced_and_removed,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_link_never_replaces_a_file, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_tcp_many_clients_and_units, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_tcp_more_requests_than_answers_fit,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_tcp_wrong_frame_closes_only_that_client, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tcp_too_many_clients, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_tcp_slow_reader_is_let_go, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_tcp_destroy_with_clients, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_tcp_bad_places_to_listen, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
