/* A TCP connection: looked up off the loop, connected and read without
 * blocking. What libuv and the resolver hold lives in a `link`, one for each
 * opening, so that closing and opening again need not wait for each other. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/transport.h"

#define READ_MAX        2048
#define DISCARD_MAX     65536 /* who sends more does not let the loop go on */
#define CONNECT_MS      5000U
#define USER_TIMEOUT_MS 20000
#define KEEPALIVE_S     30
#define KEEPALIVE_STEP  10
#define KEEPALIVE_COUNT 3

struct tcp;

struct link {
    struct tcp *tcp; /* NULL: closed, only waiting for libuv */
    uv_getaddrinfo_t lookup;
    uv_poll_t poll;
    bool is_looking_up, is_polled, is_connected;
    int fd; /* -1 = none */
};

struct tcp {
    struct mg_transport transport;
    uv_loop_t *loop;
    struct mg_clock *clock;
    char host[256];
    uint16_t port;
    uint32_t connect_ms;
    struct mg_timer timer;      /* of connecting, look-up included */
    struct link *link;          /* NULL: closed; freed by itself */
    struct addrinfo *addresses; /* owned while connecting; of the look-up */
    struct addrinfo *address;   /* the one to try next */
    unsigned n_tries;           /* of opening; begins with another address */
};

static struct tcp *tcp_of(struct mg_transport *t)
{
    return (struct tcp *)((char *)t - offsetof(struct tcp, transport));
}

static void link_free_if_done(struct link *l)
{
    if (!l->is_looking_up && !l->is_polled) {
        free(l);
    }
}

static void poll_closed(uv_handle_t *handle)
{
    struct link *l = handle->data;
    (void)close(l->fd); /* a socket has nothing more to tell */
    l->is_polled = false;
    link_free_if_done(l);
}

static void drop_addresses(struct tcp *tcp)
{
    if (tcp->addresses != NULL) {
        uv_freeaddrinfo(tcp->addresses);
    }
    tcp->addresses = tcp->address = NULL;
}

/* The descriptor is closed after libuv has let go of it: closed earlier, its
 * number could belong to something else by then. */
static void drop_poll(struct link *l)
{
    if (l->is_polled) {
        uv_close((uv_handle_t *)&l->poll, poll_closed);
    }
}

static void tcp_close(struct mg_transport *t)
{
    struct tcp *tcp = tcp_of(t);
    struct link *l = tcp->link;
    mg_timer_stop(&tcp->timer);
    drop_addresses(tcp);
    if (l == NULL) {
        return;
    }
    tcp->link = NULL;
    l->tcp = NULL;
    if (l->is_looking_up) {
        (void)uv_cancel((uv_req_t *)&l->lookup); /* else it ends by itself */
    }
    drop_poll(l);
    if (!l->is_polled) {
        link_free_if_done(l);
    }
}

static void lose(struct tcp *tcp, const struct mg_err *err)
{
    tcp_close(&tcp->transport);
    tcp->transport.events->lost(tcp->transport.ctx, err);
}

static void lose_errno(struct tcp *tcp, const char *what, int error)
{
    struct mg_err err;
    (void)mg_err_errno(&err, error, "%s port %u: %s", tcp->host, tcp->port,
                       what);
    lose(tcp, &err);
}

static void connect_timed_out(struct mg_timer *timer)
{
    struct tcp *tcp =
        (struct tcp *)((char *)timer - offsetof(struct tcp, timer));
    struct mg_err err;
    (void)mg_err_set(&err, MG_E_TIMEOUT,
                     "%s port %u: no connection within "
                     "%u ms",
                     tcp->host, tcp->port, tcp->connect_ms);
    lose(tcp, &err);
}

/* ---- Connected ---- */

static void read_once(struct tcp *tcp, struct link *l)
{
    uint8_t data[READ_MAX];
    ssize_t n = recv(l->fd, data, sizeof data, MSG_DONTWAIT);
    if (n > 0) {
        tcp->transport.events->received(tcp->transport.ctx, data, (size_t)n);
    } else if (n == 0) {
        struct mg_err err;
        (void)mg_err_set(&err, MG_E_IO, "%s port %u: closed by the other side",
                         tcp->host, tcp->port);
        lose(tcp, &err);
    } else if (errno != EAGAIN && errno != EINTR) {
        lose_errno(tcp, "connection lost", errno);
    }
}

static int socket_error(int fd)
{
    int error = 0;
    socklen_t len = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error
                                                                   : errno;
}

static void polled(uv_poll_t *poll, int status, int events);
static int connect_next(struct tcp *tcp, struct mg_err *err);

static void set_option(int fd, int level, int name, int value)
{
    /* Without one of them the connection is worse, but works. */
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

static void set_options(int fd)
{
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_STEP);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
}

static void connected(struct tcp *tcp, struct link *l)
{
    l->is_connected = true;
    mg_timer_stop(&tcp->timer);
    drop_addresses(tcp);
    tcp->n_tries = 0;
    (void)uv_poll_start(&l->poll, UV_READABLE, polled);
    tcp->transport.events->opened(tcp->transport.ctx);
}

/* A new link goes on with the next address; this one has seen enough. */
static void connect_failed(struct tcp *tcp, struct link *l, int error)
{
    struct mg_err err;
    (void)mg_err_errno(&err, error, "%s port %u", tcp->host, tcp->port);
    tcp->link = NULL;
    l->tcp = NULL;
    drop_poll(l);
    if (tcp->address == NULL || connect_next(tcp, &err) != MG_OK) {
        lose(tcp, &err);
    }
}

static void polled(uv_poll_t *poll, int status, int events)
{
    struct link *l = poll->data;
    struct tcp *tcp = l->tcp;
    (void)events;
    if (tcp == NULL) {
        return;
    }
    if (l->is_connected && status >= 0) {
        read_once(tcp, l);
        return;
    }
    int error = socket_error(l->fd);
    error = error == 0 && status < 0 ? -status : error;
    if (l->is_connected) {
        lose_errno(tcp, "connection lost", error);
    } else if (error != 0) {
        connect_failed(tcp, l, error);
    } else {
        connected(tcp, l);
    }
}

/* ---- Connecting ---- */

static int start_poll(struct tcp *tcp, struct link *l)
{
    int rc = uv_poll_init_socket(tcp->loop, &l->poll, l->fd);
    if (rc != 0) {
        return -rc;
    }
    l->poll.data = l;
    l->is_polled = true;
    return -uv_poll_start(&l->poll, UV_WRITABLE, polled);
}

/* @return 0, or the error number */
static int connect_to(struct tcp *tcp, struct link *l,
                      const struct sockaddr *address, socklen_t len)
{
    l->fd = socket(address->sa_family,
                   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0) {
        return errno;
    }
    set_options(l->fd);
    int error = 0;
    if (connect(l->fd, address, len) != 0 && errno != EINPROGRESS) {
        error = errno;
    }
    if (error == 0) {
        error = start_poll(tcp, l);
    }
    if (!l->is_polled) {
        (void)close(l->fd); /* never was connected */
    }
    return error;
}

static struct link *new_link(struct tcp *tcp)
{
    struct link *l = calloc(1, sizeof *l);
    if (l != NULL) {
        l->tcp = tcp;
        l->fd = -1;
        tcp->link = l;
    }
    return l;
}

static int connect_address(struct tcp *tcp, const struct sockaddr *address,
                           socklen_t len, struct mg_err *err)
{
    struct link *l = new_link(tcp);
    if (l == NULL) {
        return mg_err_set(err, MG_E_NOMEM, "%s: out of memory", tcp->host);
    }
    int error = connect_to(tcp, l, address, len);
    if (error == 0) {
        return MG_OK;
    }
    tcp->link = NULL;
    l->tcp = NULL;
    drop_poll(l);
    if (!l->is_polled) {
        free(l);
    }
    return mg_err_errno(err, error, "%s port %u", tcp->host, tcp->port);
}

static int connect_next(struct tcp *tcp, struct mg_err *err)
{
    int rc = MG_E_IO;
    while (rc != MG_OK && tcp->address != NULL) {
        struct addrinfo *a = tcp->address;
        tcp->address = a->ai_next;
        rc = connect_address(tcp, a->ai_addr, a->ai_addrlen, err);
    }
    return rc;
}

/* Each opening begins with another address, as one that does not even refuse
 * uses up all the time there is. */
static void rotate(struct tcp *tcp)
{
    unsigned n = 0;
    for (struct addrinfo *a = tcp->addresses; a != NULL; a = a->ai_next) {
        n++;
    }
    tcp->address = tcp->addresses;
    for (unsigned i = n == 0 ? 0 : tcp->n_tries % n; i > 0; i--) {
        tcp->address = tcp->address->ai_next;
    }
    tcp->n_tries++;
}

static void looked_up(uv_getaddrinfo_t *lookup, int status,
                      struct addrinfo *addresses)
{
    struct link *l = lookup->data;
    struct tcp *tcp = l->tcp;
    struct mg_err err;
    l->is_looking_up = false;
    if (tcp == NULL) {
        uv_freeaddrinfo(addresses); /* NULL is allowed */
        free(l);
        return;
    }
    tcp->link = NULL;
    free(l);
    if (status != 0) {
        (void)mg_err_set(&err, MG_E_IO, "%s: name look-up failed: %s",
                         tcp->host, uv_strerror(status));
        lose(tcp, &err);
        return;
    }
    tcp->addresses = addresses;
    rotate(tcp);
    (void)mg_err_set(&err, MG_E_IO, "%s: the name has no address", tcp->host);
    if (connect_next(tcp, &err) != MG_OK) {
        lose(tcp, &err);
    }
}

static int look_up(struct tcp *tcp, struct mg_err *err)
{
    static const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                          .ai_socktype = SOCK_STREAM};
    char service[8];
    struct link *l = new_link(tcp);
    if (l == NULL) {
        return mg_err_set(err, MG_E_NOMEM, "%s: out of memory", tcp->host);
    }
    (void)snprintf(service, sizeof service, "%u", tcp->port);
    l->lookup.data = l;
    int rc = uv_getaddrinfo(tcp->loop, &l->lookup, looked_up, tcp->host,
                            service, &hints);
    if (rc != 0) {
        tcp->link = NULL;
        free(l);
        return mg_err_set(err, MG_E_IO, "%s: name look-up: %s", tcp->host,
                          uv_strerror(rc));
    }
    l->is_looking_up = true;
    return MG_OK;
}

/* Numbers need no look-up. */
static int start(struct tcp *tcp, struct mg_err *err)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (uv_ip4_addr(tcp->host, tcp->port, &v4) == 0) {
        return connect_address(tcp, (const struct sockaddr *)&v4, sizeof v4,
                               err);
    }
    if (uv_ip6_addr(tcp->host, tcp->port, &v6) == 0) {
        return connect_address(tcp, (const struct sockaddr *)&v6, sizeof v6,
                               err);
    }
    return look_up(tcp, err);
}

static int tcp_open(struct mg_transport *t, struct mg_err *err)
{
    struct tcp *tcp = tcp_of(t);
    tcp_close(t);
    int rc = start(tcp, err);
    if (rc == MG_OK) {
        mg_timer_start(tcp->clock, &tcp->timer,
                       mg_clock_now_ns(tcp->clock) +
                           (uint64_t)tcp->connect_ms * 1000000,
                       connect_timed_out);
    }
    return rc;
}

static int tcp_send(struct mg_transport *t, const uint8_t *data, size_t len,
                    struct mg_err *err)
{
    struct tcp *tcp = tcp_of(t);
    if (tcp->link == NULL || !tcp->link->is_connected) {
        return mg_err_set(err, MG_E_IO, "%s port %u: not connected", tcp->host,
                          tcp->port);
    }
    ssize_t n = send(tcp->link->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
        return mg_err_errno(err, errno, "%s port %u: sending", tcp->host,
                            tcp->port);
    }
    if ((size_t)n != len) {
        return mg_err_set(err, MG_E_IO,
                          "%s port %u: only %zd of %zu bytes "
                          "were sent",
                          tcp->host, tcp->port, n, len);
    }
    return MG_OK;
}

static size_t tcp_discard(struct mg_transport *t)
{
    struct tcp *tcp = tcp_of(t);
    uint8_t data[READ_MAX];
    size_t n_all = 0;
    while (tcp->link != NULL && tcp->link->is_connected &&
           n_all < DISCARD_MAX) {
        ssize_t n = recv(tcp->link->fd, data, sizeof data, MSG_DONTWAIT);
        if (n <= 0) {
            break; /* an error comes again where it is looked at */
        }
        n_all += (size_t)n;
    }
    return n_all;
}

static void tcp_destroy(struct mg_transport *t)
{
    tcp_close(t);
    free(tcp_of(t));
}

static const struct mg_transport_ops tcp_ops = {.open = tcp_open,
                                                .send = tcp_send,
                                                .discard = tcp_discard,
                                                .close = tcp_close,
                                                .destroy = tcp_destroy};

struct mg_transport *mg_transport_tcp(uv_loop_t *loop, struct mg_clock *clock,
                                      const char *host, uint16_t port,
                                      uint32_t connect_timeout_ms)
{
    struct tcp *tcp = calloc(1, sizeof *tcp);
    if (tcp == NULL) {
        return NULL;
    }
    tcp->transport.ops = &tcp_ops;
    tcp->loop = loop;
    tcp->clock = clock;
    (void)snprintf(tcp->host, sizeof tcp->host, "%s", host);
    tcp->port = port;
    tcp->connect_ms = connect_timeout_ms == 0 ? CONNECT_MS : connect_timeout_ms;
    return &tcp->transport;
}
