/* The far end of a line in virtual time, and the near end that goes with it: a
 * memory transport in a thin coat, which lets both ends go in any order. */
#include <stdlib.h>

#include "sim/line_priv.h"

struct mg_sim_near {
    struct mg_transport outer; /* the client's; first */
    struct mg_transport *inner;
    struct mg_sim_port port;
    uint32_t baud;            /* the client has set */
    struct mg_sim_line *line; /* NULL: the line is gone */
    bool is_open;
};

static struct mg_sim_near *near_of(struct mg_transport *t)
{
    return (struct mg_sim_near *)((char *)t -
                                  offsetof(struct mg_sim_near, outer));
}

static struct mg_sim_near *near_of_port(struct mg_sim_port *port)
{
    return (struct mg_sim_near *)((char *)port -
                                  offsetof(struct mg_sim_near, port));
}

static void write_memory(struct mg_sim_port *port, const uint8_t *data,
                         size_t len)
{
    mg_transport_memory_deliver(near_of_port(port)->inner, data, len);
}

static void hang_up(struct mg_sim_port *port)
{
    struct mg_sim_near *near = near_of_port(port);
    mg_port_fini(port);
    near->is_open = false;
    mg_transport_memory_cut(near->inner,
                            "the meter's end has closed the connection");
}

static uint32_t memory_baud(struct mg_sim_port *port)
{
    return near_of_port(port)->baud;
}

static const struct mg_sim_port_ops memory_ops = {
    .write = write_memory, .close = hang_up, .baud = memory_baud};

static void from_client(void *ctx, struct mg_transport *line,
                        const uint8_t *data, size_t len)
{
    struct mg_sim_near *near = ctx;
    (void)line;
    while (len > 0 && near->port.line != NULL) {
        uint8_t *at;
        size_t n = mg_port_room(&near->port, &at);
        n = n < len ? n : len;
        for (size_t i = 0; i < n; i++) {
            at[i] = data[i];
        }
        mg_port_received(&near->port, n);
        data += n;
        len -= n;
    }
}

/* A serial line is always there; a connection begins anew. */
static int near_open(struct mg_transport *t, struct mg_err *err)
{
    struct mg_sim_near *near = near_of(t);
    if (near->line == NULL) {
        return mg_err_set(err, MG_E_IO, "the meter's end is gone");
    }
    near->inner->events = t->events;
    near->inner->ctx = t->ctx;
    if (near->port.line == NULL || near->line->set.framing != MG_SIM_RTU_PTY) {
        mg_port_fini(&near->port);
        mg_port_init(&near->port, near->line, &memory_ops);
    }
    near->is_open = true;
    return near->inner->ops->open(near->inner, err);
}

static int near_send(struct mg_transport *t, const uint8_t *data, size_t len,
                     struct mg_err *err)
{
    struct mg_transport *inner = near_of(t)->inner;
    return inner->ops->send(inner, data, len, err);
}

static size_t near_discard(struct mg_transport *t)
{
    struct mg_transport *inner = near_of(t)->inner;
    return inner->ops->discard(inner);
}

static int near_set_baud(struct mg_transport *t, uint32_t baud,
                         struct mg_err *err)
{
    (void)err;
    near_of(t)->baud = baud;
    return MG_OK;
}

static void near_close(struct mg_transport *t)
{
    struct mg_sim_near *near = near_of(t);
    if (near->line != NULL && near->line->set.framing != MG_SIM_RTU_PTY) {
        mg_port_fini(&near->port);
    }
    near->is_open = false;
    near->inner->ops->close(near->inner);
}

static void near_destroy(struct mg_transport *t)
{
    struct mg_sim_near *near = near_of(t);
    mg_port_fini(&near->port);
    if (near->line != NULL) {
        near->line->near = NULL;
    }
    near->inner->ops->destroy(near->inner);
    free(near);
}

static const struct mg_transport_ops near_ops = {.open = near_open,
                                                 .send = near_send,
                                                 .discard = near_discard,
                                                 .set_baud = near_set_baud,
                                                 .close = near_close,
                                                 .destroy = near_destroy};

struct mg_transport *mg_sim_line_memory(struct mg_sim_line *line)
{
    if (line->near != NULL || line->loop != NULL) {
        return NULL;
    }
    struct mg_sim_near *near = calloc(1, sizeof(*near));
    if (near == NULL) {
        return NULL;
    }
    near->inner = mg_transport_memory(line->clock, 0, from_client, near);
    if (near->inner == NULL) {
        free(near);
        return NULL;
    }
    near->outer.ops = &near_ops;
    near->line = line;
    mg_port_init(&near->port, line, &memory_ops);
    line->near = near;
    return &near->outer;
}

void mg_line_memory_close(struct mg_sim_line *line)
{
    struct mg_sim_near *near = line->near;
    if (near == NULL) {
        return;
    }
    line->near = NULL;
    near->line = NULL;
    mg_port_fini(&near->port);
    if (near->is_open) {
        near->is_open = false;
        mg_transport_memory_cut(near->inner, "the meter's end is gone");
    }
}
