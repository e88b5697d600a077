/* The far end of a TCP line: one listening socket, many clients. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/line_priv.h"

#define CLIENTS_MAX 64 /* per line */
#define BACKLOG     128
#define SEND_BUFFER 16384 /* asked of the kernel, per client */

struct client {
    struct mg_sim_port port;
    uv_tcp_t tcp;
    struct mg_sim_listener *listener;
    struct client *next, **link; /* list of the listener's clients */
};

/* Lives until its own handle and those of all clients are closed. */
struct mg_sim_listener {
    uv_tcp_t tcp;
    struct mg_sim_line *line; /* NULL: the line is gone */
    struct client *clients;   /* open ones */
    size_t n_handles, n_clients;
};

static struct client *client_of(struct mg_sim_port *port)
{
    return (struct client *)((char *)port - offsetof(struct client, port));
}

static void release(struct mg_sim_listener *l)
{
    l->n_handles--;
    if (l->n_handles == 0) {
        free(l);
    }
}

static void client_closed(uv_handle_t *handle)
{
    struct client *c = handle->data;
    release(c->listener);
    free(c);
}

static void close_client(struct mg_sim_port *port)
{
    struct client *c = client_of(port);
    if (port->line == NULL) {
        return;
    }
    mg_port_fini(port);
    *c->link = c->next;
    if (c->next != NULL) {
        c->next->link = c->link;
    }
    c->listener->n_clients--;
    uv_close((uv_handle_t *)&c->tcp, client_closed);
}

/* What the kernel does not take at once belongs to a client that has not read
 * dozens of answers: it is let go, instead of storing more. */
static void write_stream(struct mg_sim_port *port, const uint8_t *data,
                         size_t len)
{
    struct client *c = client_of(port);
    uv_buf_t buf = uv_buf_init((char *)data, (unsigned)len);
    if (uv_try_write((uv_stream_t *)&c->tcp, &buf, 1) != (int)len) {
        close_client(port);
    }
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct client *c = handle->data;
    uint8_t *at;
    size_t room = mg_port_room(&c->port, &at);
    (void)suggested;
    *ret = uv_buf_init((char *)at, (unsigned)room);
}

static void received(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct client *c = stream->data;
    (void)buf;
    if (n < 0) {
        close_client(&c->port);
    } else if (n > 0) {
        mg_port_received(&c->port, (size_t)n);
    }
}

static void pause_reading(struct mg_sim_port *port, bool is_paused)
{
    uv_stream_t *stream = (uv_stream_t *)&client_of(port)->tcp;
    if (is_paused) {
        (void)uv_read_stop(stream); /* always 0 */
    } else if (uv_read_start(stream, give_room, received) != 0) {
        close_client(port);
    }
}

static const struct mg_sim_port_ops tcp_ops = {
    .write = write_stream, .close = close_client, .pause = pause_reading};

/* Take a connection; one too many is closed at once. */
static void connected(uv_stream_t *stream, int status)
{
    struct mg_sim_listener *l = stream->data;
    struct client *c = status < 0 ? NULL : calloc(1, sizeof(*c));
    if (c == NULL) {
        return;
    }
    if (uv_tcp_init(l->tcp.loop, &c->tcp) != 0) {
        free(c);
        return;
    }
    c->tcp.data = c;
    c->listener = l;
    c->next = l->clients;
    c->link = &l->clients;
    if (c->next != NULL) {
        c->next->link = &c->next;
    }
    l->clients = c;
    l->n_handles++;
    l->n_clients++;
    mg_port_init(&c->port, l->line, &tcp_ops);
    if (uv_accept(stream, (uv_stream_t *)&c->tcp) != 0 ||
        l->n_clients > CLIENTS_MAX ||
        uv_read_start((uv_stream_t *)&c->tcp, give_room, received) != 0) {
        close_client(&c->port);
        return;
    }
    int send_buffer = SEND_BUFFER;
    /* Without these two it works as well, slower and with more memory. */
    (void)uv_tcp_nodelay(&c->tcp, 1);
    (void)uv_send_buffer_size((uv_handle_t *)&c->tcp, &send_buffer);
}

static int parse_address(const struct mg_sim_line_settings *set,
                         struct sockaddr_storage *ret, struct mg_err *err)
{
    const char *host = set->host[0] == '\0' ? "127.0.0.1" : set->host;
    if (uv_ip4_addr(host, set->port, (struct sockaddr_in *)ret) == 0 ||
        uv_ip6_addr(host, set->port, (struct sockaddr_in6 *)ret) == 0) {
        return MG_OK;
    }
    return mg_err_set(err, MG_E_INVAL, "%s: not a numeric address to listen on",
                      host);
}

static int bind_and_listen(struct mg_sim_listener *l,
                           const struct sockaddr_storage *address,
                           struct mg_sim_line *line, struct mg_err *err)
{
    struct sockaddr_storage bound;
    int len = sizeof(bound);
    char host[INET6_ADDRSTRLEN];
    int rc = uv_tcp_bind(&l->tcp, (const struct sockaddr *)address, 0);
    if (rc == 0) {
        rc = uv_listen((uv_stream_t *)&l->tcp, BACKLOG, connected);
    }
    if (rc == 0) {
        rc = uv_tcp_getsockname(&l->tcp, (struct sockaddr *)&bound, &len);
    }
    if (rc != 0) {
        return mg_err_errno(err, -rc, "listening on %s:%u", line->set.host,
                            (unsigned)line->set.port);
    }
    bool is_v6 = bound.ss_family == AF_INET6;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&bound;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&bound;
    if (is_v6) {
        (void)uv_ip6_name(v6, host, sizeof(host));
    } else {
        (void)uv_ip4_name(v4, host, sizeof(host));
    }
    (void)snprintf(line->address, sizeof(line->address),
                   is_v6 ? "[%s]:%u" : "%s:%u", host,
                   (unsigned)ntohs(is_v6 ? v6->sin6_port : v4->sin_port));
    return MG_OK;
}

static void listener_closed(uv_handle_t *handle)
{
    release(handle->data);
}

int mg_line_tcp_open(struct mg_sim_line *line, struct mg_err *err)
{
    struct sockaddr_storage address;
    int rc = parse_address(&line->set, &address, err);
    if (rc != MG_OK) {
        return rc;
    }
    struct mg_sim_listener *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        return mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    int uv = uv_tcp_init(line->loop, &l->tcp);
    if (uv != 0) {
        free(l);
        return mg_err_errno(err, -uv, "no socket");
    }
    l->tcp.data = l;
    l->line = line;
    l->n_handles = 1;
    rc = bind_and_listen(l, &address, line, err);
    if (rc != MG_OK) {
        uv_close((uv_handle_t *)&l->tcp, listener_closed);
        return rc;
    }
    line->listener = l;
    return MG_OK;
}

void mg_line_tcp_close(struct mg_sim_line *line)
{
    struct mg_sim_listener *l = line->listener;
    if (l == NULL) {
        return;
    }
    line->listener = NULL;
    l->line = NULL;
    while (l->clients != NULL) {
        close_client(&l->clients->port);
    }
    uv_close((uv_handle_t *)&l->tcp, listener_closed);
}
