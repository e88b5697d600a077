/* tty and TCP lines, on real ptys and loopback connections. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "bus/modbus.h"
#include "bus/transport.h"
#include "wire/modbus_adu.h"

#define WATCHDOG_S 50 /* ends a test that waits for what never comes */

struct bed {
    uv_loop_t loop;
    struct mg_clock *clock;
    struct mg_transport *line;
    unsigned n_opened, n_lost;
    uint8_t rx[4096];
    size_t rx_len;
    struct mg_err err;
    bool closes_on_rx, destroys_on_rx;

    int master, slave; /* of the pty */
    char device[128];
    int listener, peer; /* of the connection */
    uint16_t port;
};

static void opened(void *ctx)
{
    ((struct bed *)ctx)->n_opened++;
}

static void received(void *ctx, const uint8_t *data, size_t len)
{
    struct bed *b = ctx;
    assert_true(b->rx_len + len <= sizeof b->rx);
    memcpy(b->rx + b->rx_len, data, len);
    b->rx_len += len;
    if (b->closes_on_rx) {
        b->line->ops->close(b->line);
    }
    if (b->destroys_on_rx) {
        b->line->ops->destroy(b->line);
        b->line = NULL;
    }
}

static void lost(void *ctx, const struct mg_err *err)
{
    struct bed *b = ctx;
    b->n_lost++;
    b->err = *err;
}

static const struct mg_transport_events events = {opened, received, lost};

static void run_until(struct bed *b, const unsigned *n, unsigned wanted)
{
    while (*n < wanted) {
        (void)uv_run(&b->loop, UV_RUN_ONCE);
    }
}

static void run_until_rx(struct bed *b, size_t wanted)
{
    while (b->rx_len < wanted) {
        (void)uv_run(&b->loop, UV_RUN_ONCE);
    }
}

static struct bed *make_bed(void)
{
    struct bed *b = calloc(1, sizeof *b);
    struct mg_err err;
    assert_non_null(b);
    (void)alarm(WATCHDOG_S);
    assert_int_equal(uv_loop_init(&b->loop), 0);
    b->clock = mg_clock_create_real(&b->loop, &err);
    assert_non_null(b->clock);
    b->master = b->slave = b->listener = b->peer = -1;
    return b;
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        assert_int_equal(close(*fd), 0);
    }
    *fd = -1;
}

static void end_bed(struct bed *b)
{
    if (b->line != NULL) {
        b->line->ops->destroy(b->line);
    }
    mg_clock_destroy(b->clock);
    assert_int_equal(uv_run(&b->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&b->loop), 0); /* no handle was left */
    close_fd(&b->master);
    close_fd(&b->slave);
    close_fd(&b->listener);
    close_fd(&b->peer);
    (void)alarm(0);
    free(b);
}

static void use(struct bed *b, struct mg_transport *line)
{
    assert_non_null(line);
    b->line = line;
    line->events = &events;
    line->ctx = b;
}

static void open_line(struct bed *b)
{
    unsigned n = b->n_opened;
    assert_int_equal(b->line->ops->open(b->line, &b->err), MG_OK);
    assert_int_equal(b->n_opened, n); /* never from within */
    run_until(b, &b->n_opened, n + 1);
}

static size_t read_all(int fd, uint8_t *data, size_t wanted)
{
    size_t n_all = 0;
    while (n_all < wanted) {
        ssize_t n = read(fd, data + n_all, wanted - n_all);
        assert_true(n > 0);
        n_all += (size_t)n;
    }
    return n_all;
}

static void exchange(struct bed *b, int far)
{
    uint8_t data[256], back[256];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)i; /* also 03 and 11: no signal, no flow control */
    }
    assert_int_equal(b->line->ops->send(b->line, data, sizeof data, &b->err),
                     MG_OK);
    assert_int_equal(read_all(far, back, sizeof back), sizeof back);
    assert_memory_equal(back, data, sizeof data);
    b->rx_len = 0;
    assert_int_equal(write(far, data, sizeof data), sizeof data);
    run_until_rx(b, sizeof data);
    assert_memory_equal(b->rx, data, sizeof data);
}

/* ---- tty ---- */

static void make_pty(struct bed *b)
{
    assert_int_equal(openpty(&b->master, &b->slave, NULL, NULL, NULL), 0);
    assert_int_equal(ptsname_r(b->master, b->device, sizeof b->device), 0);
}

static struct mg_transport *tty(struct bed *b, uint32_t baud, char parity)
{
    struct mg_tty_settings set = {
        .serial = {.baud = baud, .parity = parity, .stop_bits = 1},
        .is_low_latency = true}; /* not there on a pty: no trouble */
    memcpy(set.device, b->device, sizeof set.device);
    return mg_transport_tty(&b->loop, &set);
}

static speed_t speed_of(struct bed *b)
{
    struct termios t;
    assert_int_equal(tcgetattr(b->slave, &t), 0);
    return cfgetospeed(&t);
}

static void test_tty_exchange(void **state)
{
    (void)state;
    struct bed *b = make_bed();
    make_pty(b);
    use(b, tty(b, 19200, 'E'));
    open_line(b);
    exchange(b, b->master);
    assert_int_equal(speed_of(b), B19200);
    end_bed(b);
}

/* Parity on a pty: the second opening is the one that used to fail. */
static void test_tty_reopens_with_any_parity(void **state)
{
    (void)state;
    static const char parities[] = "EOEN";
    for (size_t i = 0; i < 4; i++) {
        struct bed *b = make_bed();
        make_pty(b);
        use(b, tty(b, 9600, parities[i]));
        for (unsigned n = 0; n < 3; n++) {
            open_line(b);
            exchange(b, b->master);
            b->line->ops->close(b->line);
            (void)uv_run(&b->loop, UV_RUN_NOWAIT);
        }
        assert_int_equal(b->n_lost, 0);
        end_bed(b);
    }
}

static void test_tty_changes_speed(void **state)
{
    (void)state;
    struct bed *b = make_bed();
    make_pty(b);
    use(b, tty(b, 9600, 'N'));
    assert_int_not_equal(b->line->ops->set_baud(b->line, 4800, &b->err), MG_OK);
    open_line(b);
    assert_int_equal(speed_of(b), B9600);
    assert_int_equal(b->line->ops->set_baud(b->line, 4800, &b->err), MG_OK);
    assert_int_equal(speed_of(b), B4800);
    exchange(b, b->master);
    assert_int_not_equal(b->line->ops->set_baud(b->line, 31250, &b->err),
                         MG_OK);
    assert_non_null(strstr(b->err.text, "no speed of 31250 baud"));
    assert_int_equal(speed_of(b), B4800);
    end_bed(b);
}

static void test_tty_discards_what_is_there(void **state)
{
    (void)state;
    struct bed *b = make_bed();
    make_pty(b);
    use(b, tty(b, 9600, 'N'));
    open_line(b);
    assert_int_equal(b->line->ops->discard(b->line), 0);
    assert_int_equal(write(b->master, "abcdefg", 7), 7);
    size_t n = 0;
    while (n < 7) { /* a pty hands over through a kernel thread */
        n += b->line->ops->discard(b->line);
    }
    assert_int_equal(n, 7);
    assert_int_equal(b->rx_len, 0);
    end_bed(b);
}

static void expect_no_open(struct bed *b, const char *why)
{
    assert_int_not_equal(b->line->ops->open(b->line, &b->err), MG_OK);
    assert_non_null(strstr(b->err.text, b->device));
    if (strstr(b->err.text, why) == NULL) {
        fail_msg("\"%s\" says nothing of \"%s\"", b->err.text, why);
    }
    assert_int_equal(b->n_opened, 0);
}

static void test_tty_that_cannot_be_opened(void **state)
{
    (void)state;
    struct bed *b = make_bed();
    (void)snprintf(b->device, sizeof b->device, "/dev/ttyNotThere");
    use(b, tty(b, 9600, 'N'));
    expect_no_open(b, "No such file or directory");
    b->line->ops->destroy(b->line);
    (void)snprintf(b->device, sizeof b->device, "/dev/null");
    use(b, tty(b, 9600, 'N'));
    expect_no_open(b, "not a serial port");
    b->line->ops->destroy(b->line);
    make_pty(b);
    use(b, tty(b, 31250, 'N'));
    expect_no_open(b, "no speed of 31250 baud");
    b->line->ops->destroy(b->line);
    struct mg_tty_settings set = {.serial = {9600, 'N', 1}, .has_rs485 = true};
    memcpy(set.device, b->device, sizeof set.device);
    use(b, mg_transport_tty(&b->loop, &set));
    expect_no_open(b, "RS-485");
    end_bed(b);
}

/* Another process has the port: said clearly, and not configured over its
 * head. */
static void test_tty_held_by_another_process(void **state)
{
    (void)state;
    struct bed *b = make_bed();
    int ready[2], leave[2];
    char byte;
    make_pty(b);
    assert_int_equal(pipe(ready) + pipe(leave), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int fd = open(b->device, O_RDWR | O_NOCTTY);
        bool is_mine = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
        if (!is_mine || write(ready[1], "x", 1) != 1) {
            _exit(1);
        }
        (void)close(leave[1]);
        (void)!read(leave[0], &byte, 1);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    speed_t before = speed_of(b);
    use(b, tty(b, 4800, 'N'));
    expect_no_open(b, "another process has locked the port");
    assert_int_equal(speed_of(b), before);
    close_fd(&leave[1]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    open_line(b); /* as soon as it is free */
    close_fd(&ready[0]);
    close_fd(&ready[1]);
    close_fd(&leave[0]);
    end_bed(b);
}

static void test_tty_locks_others_out(void **state)
{
    (void)state;
    struct bed *b = make_bed();
    make_pty(b);
    use(b, tty(b, 9600, 'N'));
    open_line(b);
    int fd = open(b->device, O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0) { /* root: TIOCEXCL does not stop it, the lock does */
        assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
        assert_int_equal(errno, EWOULDBLOCK);
        close_fd(&fd);
    } else {
        assert_int_equal(errno, EBUSY);
    }
    int exclusive = 0;
    assert_int_equal(ioctl(b->slave, TIOCGEXCL, &exclusive), 0);
    assert_int_equal(exclusive, 1);
    b->line->ops->close(b->line);
    (void)uv_run(&b->loop, UV_RUN_NOWAIT);
    assert_int_equal(ioctl(b->slave, TIOCGEXCL, &exclusive), 0);
    assert_int_equal(exclusive, 0);
    end_bed(b);
}

static void test_tty_unplugged(void **state)
{
    (void)state;
    struct bed *b = make_bed();
    make_pty(b);
    use(b, tty(b, 9600, 'N'));
    open_line(b);
    close_fd(&b->slave);
    close_fd(&b->master);
    run_until(b, &b->n_lost, 1);
    assert_non_null(strstr(b->err.text, "the device is gone"));
    struct mg_err err;
    assert_int_not_equal(b->line->ops->send(b->line, b->rx, 1, &err), MG_OK);
    (void)uv_run(&b->loop, UV_RUN_NOWAIT);
    assert_int_equal(b->n_lost, 1);
    end_bed(b);
}

static void test_tty_closed_from_within(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct bed *b = make_bed();
        make_pty(b);
        use(b, tty(b, 9600, 'N'));
        open_line(b);
        b->closes_on_rx = i == 0;
        b->destroys_on_rx = i == 1;
        assert_int_equal(write(b->master, "abc", 3), 3);
        run_until_rx(b, 1);
        end_bed(b);
    }
}

/* ---- TCP ---- */

static void make_listener(struct bed *b)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    b->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(b->listener >= 0);
    assert_int_equal(
        bind(b->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(b->listener, 8), 0);
    assert_int_equal(
        getsockname(b->listener, (struct sockaddr *)&address, &len), 0);
    b->port = ntohs(address.sin_port);
}

static void use_tcp(struct bed *b, const char *host, uint32_t timeout_ms)
{
    use(b, mg_transport_tcp(&b->loop, b->clock, host, b->port, timeout_ms));
}

static void accept_peer(struct bed *b)
{
    b->peer = accept(b->listener, NULL, NULL);
    assert_true(b->peer >= 0);
}

/* The sockets options of the client's end are not to be seen from outside
 * its process, but inside it is one of our descriptors. */
static int option_of_client(struct bed *b, int level, int name)
{
    struct sockaddr_in peer = {0}, own = {0};
    socklen_t len = sizeof peer;
    assert_int_equal(getpeername(b->peer, (struct sockaddr *)&peer, &len), 0);
    for (int fd = 3; fd < 2048; fd++) {
        len = sizeof own;
        int value = -1;
        if (getsockname(fd, (struct sockaddr *)&own, &len) == 0 &&
            own.sin_family == AF_INET && own.sin_port == peer.sin_port) {
            len = sizeof value;
            assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
            return value;
        }
    }
    fail();
    return -1;
}

static void test_tcp_exchange(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    for (size_t i = 0; i < 2; i++) {
        struct bed *b = make_bed();
        make_listener(b);
        use_tcp(b, hosts[i], 0);
        open_line(b);
        accept_peer(b);
        exchange(b, b->peer);
        assert_int_equal(option_of_client(b, IPPROTO_TCP, TCP_NODELAY), 1);
        assert_int_not_equal(option_of_client(b, SOL_SOCKET, SO_KEEPALIVE), 0);
        assert_int_equal(option_of_client(b, IPPROTO_TCP, TCP_USER_TIMEOUT),
                         20000);
        assert_int_equal(write(b->peer, "abc", 3), 3);
        assert_int_equal(b->line->ops->discard(b->line), 3);
        end_bed(b);
    }
}

static void test_tcp_refused(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    for (size_t i = 0; i < 2; i++) {
        struct bed *b = make_bed();
        make_listener(b);
        close_fd(&b->listener);
        use_tcp(b, hosts[i], 0);
        if (b->line->ops->open(b->line, &b->err) == MG_OK) {
            run_until(b, &b->n_lost, 1);
        }
        assert_non_null(strstr(b->err.text, "Connection refused"));
        assert_non_null(strstr(b->err.text, hosts[i]));
        assert_int_equal(b->n_opened, 0);
        end_bed(b);
    }
}

static void test_tcp_name_that_is_none(void **state)
{
    (void)state;
    struct bed *b = make_bed();
    b->port = 502;
    use_tcp(b, "no-such-meter.invalid", 0);
    assert_int_equal(b->line->ops->open(b->line, &b->err), MG_OK);
    run_until(b, &b->n_lost, 1);
    assert_non_null(strstr(b->err.text, "no-such-meter.invalid"));
    end_bed(b);
}

/* The backlog of a listener that accepts nobody is full: connecting neither
 * succeeds nor fails. */
static void test_tcp_connect_times_out(void **state)
{
    (void)state;
    struct bed *b = make_bed();
    struct sockaddr_in address = {.sin_family = AF_INET};
    int fillers[8];
    make_listener(b);
    assert_int_equal(listen(b->listener, 0), 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(b->port);
    for (size_t i = 0; i < 8; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], (struct sockaddr *)&address, sizeof address);
    }
    use_tcp(b, "127.0.0.1", 50);
    assert_int_equal(b->line->ops->open(b->line, &b->err), MG_OK);
    run_until(b, &b->n_lost, 1);
    assert_non_null(strstr(b->err.text, "no connection within 50 ms"));
    for (size_t i = 0; i < 8; i++) {
        close_fd(&fillers[i]);
    }
    end_bed(b);
}

static void test_tcp_closed_by_the_other_side(void **state)
{
    (void)state;
    for (int reset = 0; reset < 2; reset++) {
        struct bed *b = make_bed();
        make_listener(b);
        use_tcp(b, "127.0.0.1", 0);
        open_line(b);
        accept_peer(b);
        const struct linger now = {.l_onoff = reset, .l_linger = 0};
        assert_int_equal(
            setsockopt(b->peer, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
        close_fd(&b->peer);
        run_until(b, &b->n_lost, 1);
        assert_non_null(strstr(
            b->err.text, reset ? "reset by peer" : "closed by the other side"));
        open_line(b); /* it may be opened again at once */
        accept_peer(b);
        exchange(b, b->peer);
        end_bed(b);
    }
}

/* Writing where nobody reads must be an error, not the end of the process. */
static void test_tcp_no_sigpipe(void **state)
{
    (void)state;
    struct bed *b = make_bed();
    make_listener(b);
    use_tcp(b, "127.0.0.1", 0);
    open_line(b);
    accept_peer(b);
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(
        setsockopt(b->peer, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close_fd(&b->peer);
    int n_failed = 0;
    for (int i = 0; i < 3; i++) {
        n_failed += b->line->ops->send(b->line, b->rx, 12, &b->err) != MG_OK;
    }
    assert_true(n_failed >= 2);
    end_bed(b);
}

static void test_tcp_closed_in_any_state(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    for (int i = 0; i < 6; i++) {
        struct bed *b = make_bed();
        make_listener(b);
        use_tcp(b, hosts[i % 2], 0);
        assert_int_equal(b->line->ops->open(b->line, &b->err), MG_OK);
        if (i >= 4) { /* closed and opened again within one turn */
            b->line->ops->close(b->line);
            open_line(b);
        } else if (i >= 2) {
            b->line->ops->close(b->line);
            b->line->ops->close(b->line);
            (void)uv_run(&b->loop, UV_RUN_NOWAIT);
        }
        assert_int_equal(b->n_lost, 0);
        end_bed(b);
    }
}

static void test_tcp_closed_from_within(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct bed *b = make_bed();
        make_listener(b);
        use_tcp(b, "127.0.0.1", 0);
        open_line(b);
        accept_peer(b);
        b->closes_on_rx = i == 0;
        b->destroys_on_rx = i == 1;
        assert_int_equal(write(b->peer, "abc", 3), 3);
        run_until_rx(b, 1);
        end_bed(b);
    }
}

/* select() ends at 1024; we do not use it. */
static void test_descriptors_beyond_1024(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max < 1200) {
        print_message("skipped: only %ju descriptors are allowed\n",
                      (uintmax_t)limit.rlim_max);
        skip();
    }
    limit.rlim_cur = limit.rlim_cur < 1200 ? 1200 : limit.rlim_cur;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    int low = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int n = 0, high[1100];
    while (n < 1100) {
        high[n] = fcntl(low, F_DUPFD_CLOEXEC, 0);
        assert_true(high[n] >= 0);
        n++;
        if (high[n - 1] >= 1100) {
            break;
        }
    }
    struct bed *b = make_bed();
    make_pty(b);
    use(b, tty(b, 9600, 'N'));
    open_line(b);
    assert_true(b->master > 1024);
    exchange(b, b->master);
    b->line->ops->destroy(b->line);
    make_listener(b);
    use_tcp(b, "localhost", 0);
    open_line(b);
    accept_peer(b);
    assert_true(b->peer > 1024);
    exchange(b, b->peer);
    end_bed(b);
    while (n > 0) {
        n--;
        close_fd(&high[n]);
    }
    close_fd(&low);
}

/* ---- Engine and line together ---- */

struct asked {
    struct mg_modbus_request request;
    unsigned n_done;
    int code;
    uint8_t pdu[MG_PDU_MAX];
};

static void answered(struct mg_modbus_request *request,
                     const struct mg_modbus_result *result)
{
    struct asked *a = (struct asked *)request;
    a->n_done++;
    a->code = result->code;
    if (result->pdu_len > 0) {
        memcpy(a->pdu, result->pdu, result->pdu_len);
    }
}

static void read_one(struct bed *b, struct mg_modbus_unit *unit, int far,
                     bool is_tcp)
{
    struct asked a = {.request = {.pdu = {3, 0, 0x30, 0, 1}, .pdu_len = 5}};
    uint8_t request[12], frame[MG_MBAP_MAX];
    a.request.done = answered;
    assert_int_equal(mg_modbus_submit(unit, &a.request), MG_OK);
    size_t wanted = is_tcp ? 12 : 8, n_all = 0;
    while (n_all < wanted) { /* an RTU request waits for its silence */
        int n_there = 0;
        (void)uv_run(&b->loop, UV_RUN_NOWAIT);
        assert_int_equal(ioctl(far, FIONREAD, &n_there), 0);
        if (n_there > 0) {
            ssize_t n = read(far, request + n_all, wanted - n_all);
            assert_true(n > 0);
            n_all += (size_t)n;
        }
    }
    const uint8_t reply[4] = {3, 2, 0x12, 0x34};
    size_t n =
        is_tcp ? mg_mbap_build(frame, (uint16_t)(request[0] << 8 | request[1]),
                               request[6], reply, 4)
               : mg_rtu_build(frame, request[0], reply, 4);
    assert_int_equal(write(far, frame, n), (ssize_t)n);
    run_until(b, &a.n_done, 1);
    assert_int_equal(a.code, MG_OK);
    assert_memory_equal(a.pdu, reply, 4);
}

static void test_engine_reads_through_a_line(void **state)
{
    (void)state;
    for (int is_tcp = 0; is_tcp < 2; is_tcp++) {
        struct bed *b = make_bed();
        struct mg_transport *line;
        const struct mg_modbus_settings set = {
            .framing = is_tcp ? MG_MODBUS_TCP : MG_MODBUS_RTU,
            .baud = 115200,
            .reopen_min_ms = 10};
        const struct mg_modbus_unit_settings unit_set = {.unit = 7,
                                                         .timeout_ms = 10000};
        if (is_tcp) {
            make_listener(b);
            line =
                mg_transport_tcp(&b->loop, b->clock, "127.0.0.1", b->port, 0);
        } else {
            make_pty(b);
            line = tty(b, 115200, 'E');
        }
        struct mg_modbus *bus =
            mg_modbus_create(b->clock, line, &set, NULL, NULL);
        struct mg_modbus_unit *unit = mg_modbus_add_unit(bus, &unit_set);
        while (!mg_modbus_is_up(bus)) {
            (void)uv_run(&b->loop, UV_RUN_ONCE);
        }
        if (is_tcp) {
            accept_peer(b);
        }
        int far = is_tcp ? b->peer : b->master;
        read_one(b, unit, far, is_tcp);
        read_one(b, unit, far, is_tcp);
        if (is_tcp) { /* lost, and opened again by itself */
            close_fd(&b->peer);
            while (mg_modbus_stats(bus)->n_opens < 2) {
                (void)uv_run(&b->loop, UV_RUN_ONCE);
            }
            accept_peer(b);
            read_one(b, unit, b->peer, true);
        }
        mg_modbus_destroy(bus);
        end_bed(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tty_exchange),
        cmocka_unit_test(test_tty_reopens_with_any_parity),
        cmocka_unit_test(test_tty_changes_speed),
        cmocka_unit_test(test_tty_discards_what_is_there),
        cmocka_unit_test(test_tty_that_cannot_be_opened),
        cmocka_unit_test(test_tty_held_by_another_process),
        cmocka_unit_test(test_tty_locks_others_out),
        cmocka_unit_test(test_tty_unplugged),
        cmocka_unit_test(test_tty_closed_from_within),
        cmocka_unit_test(test_tcp_exchange),
        cmocka_unit_test(test_tcp_refused),
        cmocka_unit_test(test_tcp_name_that_is_none),
        cmocka_unit_test(test_tcp_connect_times_out),
        cmocka_unit_test(test_tcp_closed_by_the_other_side),
        cmocka_unit_test(test_tcp_no_sigpipe),
        cmocka_unit_test(test_tcp_closed_in_any_state),
        cmocka_unit_test(test_tcp_closed_from_within),
        cmocka_unit_test(test_descriptors_beyond_1024),
        cmocka_unit_test(test_engine_reads_through_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
