/* A serial line. libmodbus opens and sets it up (that does not block);
 * everything after that is ours: its receiving side waits in select, which
 * ends at descriptor 1024, and keeps no silence between frames. */
#include <errno.h>
#include <fcntl.h>
#include <linux/serial.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "bus/transport.h"

#define READ_MAX    512
#define DISCARD_MAX 4096
/* Character devices of pseudo terminals, see devices.txt of Linux. */
#define PTY_MAJOR_FIRST 136U
#define PTY_MAJOR_LAST  143U

struct tty;

/* What libuv holds; one for each opening. */
struct port {
    struct tty *tty; /* NULL: closed, only waiting for libuv */
    uv_poll_t poll;
    uv_idle_t announce; /* tells `opened` at the next turn */
    unsigned n_handles;
    modbus_t *modbus; /* owns the descriptor that is used */
    int lock_fd;      /* holds the lock of the device */
};

struct tty {
    struct mg_transport transport;
    uv_loop_t *loop;
    struct mg_tty_settings set;
    struct port *port; /* NULL: closed; freed by itself */
};

static const struct {
    uint32_t baud;
    speed_t speed;
} speeds[] = {{1200, B1200},     {2400, B2400},     {4800, B4800},
              {9600, B9600},     {19200, B19200},   {38400, B38400},
              {57600, B57600},   {115200, B115200}, {230400, B230400},
              {460800, B460800}, {921600, B921600}};

static struct tty *tty_of(struct mg_transport *t)
{
    return (struct tty *)((char *)t - offsetof(struct tty, transport));
}

static int fd_of(const struct port *p)
{
    return modbus_get_socket(p->modbus);
}

/* ---- Closing ---- */

static void port_free(struct port *p)
{
    if (p->modbus != NULL) {
        /* Closing would wait for output that nobody takes. */
        (void)tcflush(fd_of(p), TCIOFLUSH);
        (void)ioctl(fd_of(p), TIOCNXCL); /* a pty outlives its users */
        modbus_close(p->modbus);
        modbus_free(p->modbus);
    }
    if (p->lock_fd >= 0) {
        (void)close(p->lock_fd); /* nothing was written through it */
    }
    free(p);
}

static void handle_closed(uv_handle_t *handle)
{
    struct port *p = handle->data;
    p->n_handles--;
    if (p->n_handles == 0) {
        port_free(p);
    }
}

static void tty_close(struct mg_transport *t)
{
    struct tty *tty = tty_of(t);
    struct port *p = tty->port;
    if (p != NULL) {
        tty->port = NULL;
        p->tty = NULL;
        uv_close((uv_handle_t *)&p->poll, handle_closed);
        uv_close((uv_handle_t *)&p->announce, handle_closed);
    }
}

static void lose(struct tty *tty, const struct mg_err *err)
{
    tty_close(&tty->transport);
    tty->transport.events->lost(tty->transport.ctx, err);
}

/* ---- Open ---- */

static void readable(uv_poll_t *poll, int status, int events)
{
    struct port *p = poll->data;
    struct tty *tty = p->tty;
    uint8_t data[READ_MAX];
    struct mg_err err;
    (void)events;
    if (tty == NULL) {
        return;
    }
    ssize_t n = status < 0 ? 0 : read(fd_of(p), data, sizeof data);
    if (n > 0) {
        tty->transport.events->received(tty->transport.ctx, data, (size_t)n);
        return;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    /* A hang-up: read gives 0 or EIO, or libuv has stopped the handle. */
    int error = n < 0 ? errno : EIO;
    (void)mg_err_errno(&err, error, "%s: the device is gone", tty->set.device);
    lose(tty, &err);
}

static void announce(uv_idle_t *idle)
{
    struct port *p = idle->data;
    (void)uv_idle_stop(idle);
    if (p->tty != NULL) {
        p->tty->transport.events->opened(p->tty->transport.ctx);
    }
}

/* ---- Opening ---- */

static int tty_error(const struct tty *tty, struct mg_err *err,
                     const char *what)
{
    return mg_err_errno(err, errno, "%s: %s", tty->set.device, what);
}

/* flock also stops root, whom TIOCEXCL lets pass; others than us may know
 * only one of them. */
static int lock_device(const struct tty *tty, struct port *p,
                       struct mg_err *err)
{
    const char *device = tty->set.device;
    p->lock_fd = open(device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (p->lock_fd < 0 && errno == EBUSY) {
        return mg_err_set(err, MG_E_BUSY,
                          "%s: another process holds the port exclusively",
                          device);
    }
    if (p->lock_fd < 0) {
        return tty_error(tty, err, "open");
    }
    if (isatty(p->lock_fd) == 0) {
        return mg_err_set(err, MG_E_INVAL, "%s: not a serial port", device);
    }
    if (flock(p->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK
                   ? mg_err_set(err, MG_E_BUSY,
                                "%s: another process has locked the port, "
                                "perhaps a running gateway",
                                device)
                   : tty_error(tty, err, "lock");
    }
    return MG_OK;
}

/* A pseudo terminal has no parity bit, and setting one may fail. */
static char parity_of(const struct tty *tty, const struct port *p)
{
    struct stat st;
    bool is_pty = fstat(p->lock_fd, &st) == 0 &&
                  major(st.st_rdev) >= PTY_MAJOR_FIRST &&
                  major(st.st_rdev) <= PTY_MAJOR_LAST;
    if (is_pty) {
        return 'N';
    }
    return tty->set.serial.parity;
}

static bool find_speed(uint32_t baud, speed_t *ret)
{
    for (size_t i = 0; i < sizeof speeds / sizeof speeds[0]; i++) {
        if (speeds[i].baud == baud) {
            *ret = speeds[i].speed;
            return true;
        }
    }
    return false;
}

static int open_modbus(const struct tty *tty, struct port *p,
                       struct mg_err *err)
{
    const struct mg_serial *serial = &tty->set.serial;
    speed_t speed;
    if (!find_speed(serial->baud, &speed)) {
        return mg_err_set(err, MG_E_INVAL, "%s: no speed of %u baud",
                          tty->set.device, serial->baud);
    }
    modbus_t *modbus =
        modbus_new_rtu(tty->set.device, (int)serial->baud, parity_of(tty, p), 8,
                       serial->stop_bits == 2 ? 2 : 1);
    if (modbus == NULL) {
        return mg_err_set(err, MG_E_IO, "%s: %s", tty->set.device,
                          modbus_strerror(errno));
    }
    if (modbus_connect(modbus) != 0) {
        int rc = mg_err_set(err, MG_E_IO, "%s: %s", tty->set.device,
                            modbus_strerror(errno));
        modbus_free(modbus);
        return rc;
    }
    p->modbus = modbus;
    return MG_OK;
}

static int set_rs485(const struct tty *tty, int fd, struct mg_err *err)
{
    struct serial_rs485 rs485;
    memset(&rs485, 0, sizeof rs485);
    if (ioctl(fd, TIOCGRS485, &rs485) == 0) {
        rs485.flags |= SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND;
        rs485.flags &= ~(unsigned)SER_RS485_RTS_AFTER_SEND;
        if (ioctl(fd, TIOCSRS485, &rs485) == 0) {
            return MG_OK;
        }
    }
    return tty_error(tty, err, "its driver cannot switch RS-485 direction");
}

/* Best effort: an adapter that waits 16 ms before it delivers works too. */
static void set_low_latency(int fd)
{
    struct serial_struct serial;
    memset(&serial, 0, sizeof serial);
    if (ioctl(fd, TIOCGSERIAL, &serial) == 0) {
        serial.flags |= (int)ASYNC_LOW_LATENCY;
        (void)ioctl(fd, TIOCSSERIAL, &serial);
    }
}

static int set_up(const struct tty *tty, int fd, struct mg_err *err)
{
    struct termios t;
    if (ioctl(fd, TIOCEXCL) != 0 || tcgetattr(fd, &t) != 0) {
        return tty_error(tty, err, "set up");
    }
    t.c_cc[VMIN] = 1; /* so that reading 0 bytes means a hang-up */
    t.c_cc[VTIME] = 0;
    if (tcsetattr(fd, TCSANOW, &t) != 0) {
        return tty_error(tty, err, "set up");
    }
    if (tty->set.has_rs485 && set_rs485(tty, fd, err) != MG_OK) {
        return err->code;
    }
    if (tty->set.is_low_latency) {
        set_low_latency(fd);
    }
    return tcflush(fd, TCIOFLUSH) == 0 ? MG_OK : tty_error(tty, err, "flush");
}

static int watch(struct tty *tty, struct port *p, struct mg_err *err)
{
    int rc = uv_poll_init(tty->loop, &p->poll, fd_of(p));
    if (rc != 0) {
        return mg_err_set(err, MG_E_IO, "%s: %s", tty->set.device,
                          uv_strerror(rc));
    }
    (void)uv_idle_init(tty->loop, &p->announce); /* cannot fail */
    p->poll.data = p;
    p->announce.data = p;
    p->n_handles = 2;
    p->tty = tty;
    tty->port = p;
    (void)uv_idle_start(&p->announce, announce);
    (void)uv_poll_start(&p->poll, UV_READABLE, readable);
    return MG_OK;
}

static int tty_open(struct mg_transport *t, struct mg_err *err)
{
    struct tty *tty = tty_of(t);
    tty_close(t);
    struct port *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return mg_err_set(err, MG_E_NOMEM, "%s: out of memory",
                          tty->set.device);
    }
    p->lock_fd = -1;
    int rc = lock_device(tty, p, err);
    if (rc == MG_OK) {
        rc = open_modbus(tty, p, err);
    }
    if (rc == MG_OK) {
        rc = set_up(tty, fd_of(p), err);
    }
    if (rc == MG_OK) {
        rc = watch(tty, p, err);
    }
    if (rc != MG_OK) {
        port_free(p);
    }
    return rc;
}

static int tty_send(struct mg_transport *t, const uint8_t *data, size_t len,
                    struct mg_err *err)
{
    struct tty *tty = tty_of(t);
    if (tty->port == NULL) {
        return mg_err_set(err, MG_E_IO, "%s: not open", tty->set.device);
    }
    ssize_t n = write(fd_of(tty->port), data, len);
    if (n < 0) {
        return tty_error(tty, err, "write");
    }
    if ((size_t)n != len) {
        return mg_err_set(err, MG_E_IO, "%s: only %zd of %zu bytes were taken",
                          tty->set.device, n, len);
    }
    return MG_OK;
}

static size_t tty_discard(struct mg_transport *t)
{
    struct tty *tty = tty_of(t);
    uint8_t data[READ_MAX];
    size_t n_all = 0;
    while (tty->port != NULL && n_all < DISCARD_MAX) {
        ssize_t n = read(fd_of(tty->port), data, sizeof data);
        if (n <= 0) {
            break; /* a hang-up comes again where it is looked at */
        }
        n_all += (size_t)n;
    }
    return n_all;
}

/* The engine changes speed between exchanges only: output has drained. */
static int tty_set_baud(struct mg_transport *t, uint32_t baud,
                        struct mg_err *err)
{
    struct tty *tty = tty_of(t);
    struct termios attributes;
    speed_t speed;
    if (tty->port == NULL) {
        return mg_err_set(err, MG_E_IO, "%s: not open", tty->set.device);
    }
    if (!find_speed(baud, &speed)) {
        return mg_err_set(err, MG_E_INVAL, "%s: no speed of %u baud",
                          tty->set.device, baud);
    }
    int fd = fd_of(tty->port);
    if (tcgetattr(fd, &attributes) != 0 ||
        cfsetispeed(&attributes, speed) != 0 ||
        cfsetospeed(&attributes, speed) != 0 ||
        tcsetattr(fd, TCSANOW, &attributes) != 0) {
        return tty_error(tty, err, "change of speed");
    }
    return MG_OK;
}

static void tty_destroy(struct mg_transport *t)
{
    tty_close(t);
    free(tty_of(t));
}

static const struct mg_transport_ops tty_ops = {.open = tty_open,
                                                .send = tty_send,
                                                .discard = tty_discard,
                                                .set_baud = tty_set_baud,
                                                .close = tty_close,
                                                .destroy = tty_destroy};

struct mg_transport *mg_transport_tty(uv_loop_t *loop,
                                      const struct mg_tty_settings *settings)
{
    struct tty *tty = calloc(1, sizeof *tty);
    if (tty == NULL) {
        return NULL;
    }
    tty->transport.ops = &tty_ops;
    tty->loop = loop;
    tty->set = *settings;
    tty->set.device[sizeof tty->set.device - 1] = '\0';
    return &tty->transport;
}
