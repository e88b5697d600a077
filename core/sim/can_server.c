/* The server end of socketcand: many clients on one simulated bus. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "sim/can_priv.h"
#include "wire/socketcand.h"

#define BACKLOG     16
#define BUFFER_MAX  4096
#define SEND_BUFFER 262144 /* asked of the kernel, per client */
/* Clients read the last answer of the hand-shake alone: the first frame comes
 * a moment later, unless the client has said something by then. */
#define FIRST_FRAME_NS (50 * 1000000ULL)

enum phase { WANTS_OPEN, WANTS_RAWMODE, RAW };

struct client {
    uv_tcp_t tcp;
    struct mg_sim_can_server *server;
    struct client *next;
    enum phase phase;
    uint64_t raw_ns; /* since when it is in raw mode */
    bool has_read;   /* the last answer: it has sent since */
    bool is_closing;
    size_t len;
    char buffer[BUFFER_MAX];
};

/* Lives until its own handle and those of all clients are closed. */
struct mg_sim_can_server {
    uv_tcp_t tcp;
    struct mg_sim_can_bus *bus; /* NULL: the bus is gone */
    struct client *clients;
    size_t n_handles, n_clients;
    char address[96];
};

static void release(struct mg_sim_can_server *s)
{
    s->n_handles--;
    if (s->n_handles == 0) {
        free(s);
    }
}

static void client_closed(uv_handle_t *handle)
{
    struct client *c = handle->data;
    struct mg_sim_can_server *s = c->server;
    struct client **link = &s->clients;
    while (*link != c) {
        link = &(*link)->next;
    }
    *link = c->next;
    s->n_clients--;
    free(c);
    release(s);
}

static void close_client(struct client *c)
{
    if (!c->is_closing) {
        c->is_closing = true;
        uv_close((uv_handle_t *)&c->tcp, client_closed);
    }
}

/* What the kernel does not take belongs to a client that has not read for a
 * long time: it is let go, instead of storing more. */
static void say(struct client *c, const char *text, size_t len)
{
    uv_buf_t buf = uv_buf_init((char *)text, (unsigned)len);
    if (!c->is_closing &&
        uv_try_write((uv_stream_t *)&c->tcp, &buf, 1) != (int)len) {
        mg_log(MG_LOG_WARN, "%s: a client on %s does not read: cut off",
               c->server->bus == NULL ? "can" : c->server->bus->name,
               c->server->address);
        close_client(c);
    }
}

static void say_text(struct client *c, const char *text)
{
    say(c, text, strlen(text));
}

static void open_bus(struct client *c, const char *name)
{
    if (strcmp(name, c->server->bus->name) != 0) {
        say_text(c, "< error could not open bus >");
        close_client(c);
        return;
    }
    c->phase = WANTS_RAWMODE;
    say_text(c, "< ok >");
}

static void take(struct client *c, const struct mg_socketcand_element *e)
{
    struct mg_sim_can_bus *bus = c->server->bus;
    if (e->kind == MG_SOCKETCAND_ECHO) {
        say_text(c, "< echo >");
    } else if (c->phase == WANTS_OPEN && e->kind == MG_SOCKETCAND_OPEN) {
        open_bus(c, e->bus);
    } else if (c->phase == WANTS_RAWMODE && e->kind == MG_SOCKETCAND_RAWMODE) {
        c->phase = RAW;
        c->raw_ns = mg_clock_now_ns(bus->clock);
        say_text(c, "< ok >");
    } else if (c->phase == RAW && e->kind == MG_SOCKETCAND_SEND) {
        c->has_read = true;
        mg_sim_can_bus_came(bus, c, &e->frame);
    } else {
        say_text(c, "< error unknown command >");
    }
}

static void work_off(struct client *c)
{
    size_t at = 0;
    int rc = MG_OK;
    while (rc == MG_OK && !c->is_closing && c->server->bus != NULL) {
        struct mg_socketcand_element e;
        const char *element;
        size_t len;
        size_t used = 0;
        rc = mg_socketcand_cut(c->buffer + at, c->len - at, &element, &len,
                               &used);
        at += used;
        if (rc == MG_OK && mg_socketcand_parse(element, len, &e) == MG_OK) {
            take(c, &e);
        } else if (rc == MG_OK) {
            say_text(c, "< error syntax error >");
        }
    }
    if (rc == MG_E_PROTO) {
        close_client(c);
        return;
    }
    c->len -= at;
    memmove(c->buffer, c->buffer + at, c->len);
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct client *c = handle->data;
    (void)suggested;
    *ret =
        uv_buf_init(c->buffer + c->len, (unsigned)(sizeof c->buffer - c->len));
}

static void received(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct client *c = stream->data;
    (void)buf;
    if (n < 0) {
        close_client(c);
    } else {
        c->len += (size_t)n;
        work_off(c); /* leaves less than an element */
    }
}

static void connected(uv_stream_t *stream, int status)
{
    struct mg_sim_can_server *s = stream->data;
    struct client *c = status < 0 ? NULL : calloc(1, sizeof *c);
    int send_buffer = SEND_BUFFER;
    if (c == NULL) {
        return;
    }
    if (uv_tcp_init(s->tcp.loop, &c->tcp) != 0) {
        free(c);
        return;
    }
    c->tcp.data = c;
    c->server = s;
    c->next = s->clients;
    s->clients = c;
    s->n_handles++;
    s->n_clients++;
    if (uv_accept(stream, (uv_stream_t *)&c->tcp) != 0 ||
        s->n_clients > MG_SIM_CAN_CLIENTS_MAX ||
        uv_read_start((uv_stream_t *)&c->tcp, give_room, received) != 0) {
        close_client(c);
        return;
    }
    /* Without these two it works as well, slower. */
    (void)uv_tcp_nodelay(&c->tcp, 1);
    (void)uv_send_buffer_size((uv_handle_t *)&c->tcp, &send_buffer);
    say_text(c, "< hi >");
}

void mg_sim_can_server_send(struct mg_sim_can_server *s, const void *but_client,
                            const struct mg_can_frame *frame)
{
    /* Before each, for python-can loses a byte between two of them, and
     * complains of one after the last. */
    char text[1 + MG_SOCKETCAND_MAX] = "\n";
    uint64_t now_ns = mg_clock_now_ns(s->bus->clock);
    size_t len = mg_socketcand_put_frame(
        frame, mg_clock_utc_ms(s->bus->clock) * 1000, text + 1);
    if (len == 0) {
        return; /* the protocol carries classic data frames only */
    }
    len++;
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        if (c != but_client && c->phase == RAW &&
            (c->has_read || now_ns - c->raw_ns >= FIRST_FRAME_NS)) {
            say(c, text, len);
        }
    }
}

/* ---- Making ---- */

static void server_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static int listen_on(struct mg_sim_can_server *s, const char *host,
                     uint16_t port)
{
    struct sockaddr_in where;
    struct sockaddr_in got;
    int len = sizeof got;
    int rc = uv_ip4_addr(host, port, &where);
    if (rc == 0) {
        rc = uv_tcp_bind(&s->tcp, (const struct sockaddr *)&where, 0);
    }
    if (rc == 0) {
        rc = uv_listen((uv_stream_t *)&s->tcp, BACKLOG, connected);
    }
    if (rc == 0) {
        rc = uv_tcp_getsockname(&s->tcp, (struct sockaddr *)&got, &len);
    }
    if (rc == 0) {
        (void)snprintf(s->address, sizeof s->address, "%s:%u", host,
                       ntohs(got.sin_port));
    }
    return rc;
}

struct mg_sim_can_server *
mg_sim_can_server_create(uv_loop_t *loop, struct mg_sim_can_bus *bus,
                         const char *host, uint16_t port, struct mg_err *err)
{
    struct mg_sim_can_server *s = calloc(1, sizeof *s);
    if (s == NULL || uv_tcp_init(loop, &s->tcp) != 0) {
        free(s);
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        return NULL;
    }
    s->tcp.data = s;
    s->bus = bus;
    s->n_handles = 1;
    int rc = listen_on(s, host, port);
    if (rc != 0) {
        (void)mg_err_set(err, MG_E_IO, "cannot listen on %s:%u: %s", host, port,
                         uv_strerror(rc));
        mg_sim_can_server_destroy(s);
        return NULL;
    }
    return s;
}

void mg_sim_can_server_destroy(struct mg_sim_can_server *s)
{
    if (s == NULL) {
        return;
    }
    s->bus = NULL;
    for (struct client *c = s->clients; c != NULL; c = c->next) {
        close_client(c);
    }
    uv_close((uv_handle_t *)&s->tcp, server_closed);
}

const char *mg_sim_can_server_address(const struct mg_sim_can_server *s)
{
    return s->address;
}
