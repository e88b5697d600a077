/* The far end of a serial line: a pty whose slave side is the client's tty. */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "sim/line_priv.h"

/* After this long, a client has long stopped waiting for what it was sent. */
#define STALE_NS UINT64_C(5000000000)

struct mg_sim_tty {
    struct mg_sim_port port;
    uv_poll_t poll;
    int master;
    /* Held open, so that the line survives its clients: without any slave open
     * the master would see a hang-up. */
    int slave;
    char device[64], link[128]; /* link: empty = none made */
};

static const struct {
    uint32_t baud;
    speed_t speed;
} speeds[] = {{1200, B1200},   {2400, B2400},    {4800, B4800},
              {9600, B9600},   {19200, B19200},  {38400, B38400},
              {57600, B57600}, {115200, B115200}};

static speed_t speed_of(uint32_t baud)
{
    for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++) {
        if (speeds[i].baud == baud) {
            return speeds[i].speed;
        }
    }
    return B9600;
}

static struct mg_sim_tty *tty_of(struct mg_sim_port *port)
{
    return (struct mg_sim_tty *)((char *)port -
                                 offsetof(struct mg_sim_tty, port));
}

/* Nobody listens: the bytes are lost, as on a wire. */
static void write_wire(struct mg_sim_port *port, const uint8_t *data,
                       size_t len)
{
    ssize_t ignored = write(tty_of(port)->master, data, len);
    (void)ignored;
}

static uint32_t client_baud(struct mg_sim_port *port)
{
    struct termios t;
    if (tcgetattr(tty_of(port)->slave, &t) != 0) {
        return 0;
    }
    for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++) {
        if (speeds[i].speed == cfgetospeed(&t)) {
            return speeds[i].baud;
        }
    }
    return 0;
}

static const struct mg_sim_port_ops tty_ops = {.write = write_wire,
                                               .baud = client_baud};

static void readable(uv_poll_t *poll, int status, int events)
{
    struct mg_sim_tty *tty = poll->data;
    uint8_t *at;
    size_t room = mg_port_room(&tty->port, &at);
    (void)events;
    ssize_t n = status < 0 ? 0 : read(tty->master, at, room);
    if (n > 0) {
        /* A client that takes the line for itself and leaves would lock out
         * the next, because our slave keeps the line alive. */
        (void)ioctl(tty->slave, TIOCNXCL);
        mg_port_received(&tty->port, (size_t)n);
    }
}

static int make_raw(struct mg_sim_tty *tty, const struct mg_serial *serial)
{
    struct termios t;
    if (tcgetattr(tty->slave, &t) != 0) {
        return -1;
    }
    cfmakeraw(&t);
    (void)cfsetispeed(&t, speed_of(serial->baud));
    (void)cfsetospeed(&t, speed_of(serial->baud));
    return tcsetattr(tty->slave, TCSANOW, &t);
}

static int set_flags(int fd, int status_flags)
{
    return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
                   fcntl(fd, F_SETFL, status_flags) == 0
               ? 0
               : -1;
}

static int open_pty(struct mg_sim_line *line, struct mg_sim_tty *tty,
                    struct mg_err *err)
{
    if (openpty(&tty->master, &tty->slave, NULL, NULL, NULL) != 0) {
        tty->master = tty->slave = -1;
        return mg_err_errno(err, errno, "no pseudo terminal");
    }
    if (set_flags(tty->master, O_RDWR | O_NONBLOCK) != 0 ||
        set_flags(tty->slave, O_RDWR | O_NONBLOCK) != 0 ||
        make_raw(tty, &line->set.serial) != 0) {
        return mg_err_errno(err, errno, "pseudo terminal");
    }
    int rc = ptsname_r(tty->master, tty->device, sizeof(tty->device));
    return rc == 0 ? MG_OK : mg_err_errno(err, rc, "name of pseudo terminal");
}

/* Put the link in place in one step, over a link of an earlier run. */
static int make_link(const struct mg_sim_line *line, struct mg_sim_tty *tty,
                     struct mg_err *err)
{
    const char *link = line->set.link;
    char temp[sizeof(line->set.link) + 32];
    struct stat st;
    if (lstat(link, &st) == 0 && !S_ISLNK(st.st_mode)) {
        return mg_err_set(err, MG_E_DENIED,
                          "%s: is there and no symbolic link; not replaced",
                          link);
    }
    (void)snprintf(temp, sizeof(temp), "%s.%ld", link, (long)getpid());
    if (symlink(tty->device, temp) != 0) {
        return mg_err_errno(err, errno, "link %s", temp);
    }
    if (rename(temp, link) != 0) {
        int error = errno;
        (void)unlink(temp);
        return mg_err_errno(err, error, "link %s", link);
    }
    (void)snprintf(tty->link, sizeof(tty->link), "%s", link);
    return MG_OK;
}

/* Unless somebody else's is there by now. */
static void remove_link(const struct mg_sim_tty *tty)
{
    char target[sizeof(tty->device)];
    if (tty->link[0] == '\0') {
        return;
    }
    ssize_t n = readlink(tty->link, target, sizeof(target) - 1);
    if (n < 0) {
        return;
    }
    target[n] = '\0';
    if (strcmp(target, tty->device) == 0) {
        (void)unlink(tty->link);
    }
}

static void close_fds(struct mg_sim_tty *tty)
{
    if (tty->master >= 0) {
        (void)close(tty->master);
    }
    if (tty->slave >= 0) {
        (void)close(tty->slave);
    }
}

int mg_line_tty_open(struct mg_sim_line *line, struct mg_err *err)
{
    struct mg_sim_tty *tty = calloc(1, sizeof(*tty));
    if (tty == NULL) {
        return mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    int rc = open_pty(line, tty, err);
    if (rc == MG_OK && line->set.link[0] != '\0') {
        rc = make_link(line, tty, err);
    }
    if (rc == MG_OK) {
        int uv = uv_poll_init(line->loop, &tty->poll, tty->master);
        if (uv != 0) {
            rc = mg_err_errno(err, -uv, "watching %s", tty->device);
        }
    }
    if (rc != MG_OK) {
        remove_link(tty);
        close_fds(tty);
        free(tty);
        return rc;
    }
    tty->poll.data = tty;
    mg_port_init(&tty->port, line, &tty_ops);
    (void)uv_poll_start(&tty->poll, UV_READABLE, readable); /* cannot fail */
    (void)snprintf(line->address, sizeof(line->address), "%s",
                   tty->link[0] == '\0' ? tty->device : tty->link);
    line->tty = tty;
    return MG_OK;
}

static void closed(uv_handle_t *handle)
{
    struct mg_sim_tty *tty = handle->data;
    close_fds(tty);
    free(tty);
}

void mg_line_tty_close(struct mg_sim_line *line)
{
    struct mg_sim_tty *tty = line->tty;
    if (tty == NULL) {
        return;
    }
    line->tty = NULL;
    mg_port_fini(&tty->port);
    remove_link(tty);
    uv_close((uv_handle_t *)&tty->poll, closed);
}

void mg_line_tty_tidy(struct mg_sim_line *line)
{
    struct mg_sim_tty *tty = line->tty;
    uint64_t now = mg_clock_now_ns(line->clock);
    if (now > tty->port.wire_end_ns + STALE_NS) {
        (void)tcflush(tty->slave, TCIFLUSH);
        (void)ioctl(tty->slave, TIOCNXCL);
    }
}
