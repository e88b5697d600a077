#include "sim/can_meter.h"

#include <stdlib.h>
#include <string.h>

#include "wire/isotp.h"

#define MESSAGES_MAX 64
#define TICK_NS      (20 * 1000000ULL)
#define QUEUE_MAX    8

/* A signal that the firmware has a value for. */
struct source {
    size_t index; /* in the firmware's table */
    const struct mg_dbc_signal *signal;
    int exp10;
};

struct message {
    const struct mg_dbc_message *dbc;
    uint32_t id;
    uint64_t due_ns;
    uint32_t page; /* next multiplexor value */
    size_t n;
    struct source *sources; /* owned */
};

/* Messages to and from one circuit. */
struct transport {
    bool is_there; /* the database has them */
    uint32_t rx_id, tx_id;
    bool rx_is_extended, tx_is_extended;
    struct mg_isotp tp;
    size_t n_queued;
    struct {
        size_t len;
        uint8_t data[MG_PDU_MAX];
    } queue[QUEUE_MAX];
};

struct mg_sim_can_meter {
    struct mg_sim_can_node node; /* first */
    struct mg_sim_can_meter_settings set;
    struct mg_sim_device *device;
    uint64_t start_ns;
    struct mg_timer timer;
    size_t n_messages;
    struct message messages[MESSAGES_MAX];
    struct transport transports[MG_CIRCUITS_MAX];
};

static uint64_t now_of(const struct mg_sim_can_meter *m)
{
    return mg_clock_now_ns(m->set.clock);
}

void mg_sim_can_meter_live(struct mg_sim_can_meter *m)
{
    mg_sim_device_run(m->device, m->set.lived_ns + now_of(m) - m->start_ns);
}

/* ---- ISO-TP ---- */

static void pump(struct mg_sim_can_meter *m, struct transport *t)
{
    struct mg_can_frame frame = {.id = t->tx_id,
                                 .is_extended = t->tx_is_extended};
    size_t len = 0;
    for (;;) {
        while (mg_isotp_pull(&t->tp, now_of(m), frame.data, &len)) {
            frame.len = (uint8_t)len;
            mg_sim_can_bus_send(m->set.bus, &m->node, &frame);
            mg_isotp_sent(&t->tp, now_of(m));
        }
        if (t->n_queued == 0 ||
            mg_isotp_send(&t->tp, t->queue[0].data, t->queue[0].len,
                          now_of(m)) != MG_OK) {
            return;
        }
        t->n_queued--;
        memmove(&t->queue[0], &t->queue[1], t->n_queued * sizeof t->queue[0]);
    }
}

static void say(struct transport *t, const uint8_t *data, size_t len)
{
    if (len == 0 || t->n_queued == QUEUE_MAX) {
        return; /* a meter has no room for more either */
    }
    memcpy(t->queue[t->n_queued].data, data, len);
    t->queue[t->n_queued++].len = len;
}

static void say_unasked(struct mg_sim_can_meter *m, unsigned circuit)
{
    uint8_t data[MG_PDU_MAX];
    size_t len;
    for (int i = 0; i < QUEUE_MAX; i++) {
        len = mg_sim_device_unasked(m->device, circuit, data);
        if (len == 0) {
            return;
        }
        say(&m->transports[circuit], data, len);
    }
}

static void answer(struct mg_sim_can_meter *m, unsigned circuit)
{
    struct transport *t = &m->transports[circuit];
    struct mg_isotp_event event;
    while (mg_isotp_event(&t->tp, &event)) {
        uint8_t reply[MG_PDU_MAX];
        if (event.kind == MG_ISOTP_MESSAGE && event.len <= MG_PDU_MAX) {
            uint8_t request[MG_PDU_MAX];
            size_t len = event.len;
            memcpy(request, event.data, len);
            say(t, reply,
                mg_sim_device_pdu(m->device, (uint8_t)circuit, request, len,
                                  reply));
        }
    }
}

/* What one circuit is asked may make another say something: to say is up to all
 * of them. */
static void serve(struct mg_sim_can_meter *m)
{
    for (unsigned i = 0; i < MG_CIRCUITS_MAX; i++) {
        if (m->transports[i].is_there) {
            answer(m, i);
        }
    }
    for (unsigned i = 0; i < MG_CIRCUITS_MAX; i++) {
        if (m->transports[i].is_there) {
            say_unasked(m, i);
            pump(m, &m->transports[i]);
        }
    }
}

static struct transport *receiver_of(struct mg_sim_can_meter *m,
                                     const struct mg_can_frame *frame)
{
    for (unsigned i = 0; i < MG_CIRCUITS_MAX; i++) {
        struct transport *t = &m->transports[i];
        if (t->is_there && frame->id == t->rx_id &&
            frame->is_extended == t->rx_is_extended && !frame->is_remote) {
            return t;
        }
    }
    return NULL;
}

static void came(struct mg_sim_can_node *node, const struct mg_can_frame *frame)
{
    struct mg_sim_can_meter *m = (struct mg_sim_can_meter *)node;
    struct transport *t = receiver_of(m, frame);
    if (t == NULL) {
        return;
    }
    mg_sim_can_meter_live(m);
    if (mg_sim_device_is_off(m->device)) {
        return;
    }
    mg_isotp_receive(&t->tp, frame->data, frame->len, now_of(m));
    serve(m);
}

/* ---- Cyclic messages ---- */

/* The first multiplexor value in use from this one on, and round again: the
 * values of a foreign database may be far apart. */
static uint32_t page_from(const struct mg_dbc_message *message, uint64_t from)
{
    uint32_t lowest = UINT32_MAX;
    uint32_t next = UINT32_MAX;
    bool has_next = false;
    for (size_t i = 0; i < message->n_signals; i++) {
        const struct mg_dbc_signal *s = &message->signals[i];
        if (s->mux != MG_DBC_MULTIPLEXED) {
            continue;
        }
        lowest = s->mux_value < lowest ? s->mux_value : lowest;
        if (s->mux_value >= from && s->mux_value <= next) {
            next = s->mux_value;
            has_next = true;
        }
    }
    return has_next ? next : lowest;
}

static void send_message(struct mg_sim_can_meter *m, struct message *message)
{
    struct mg_can_frame frame = {.id = message->id,
                                 .is_extended = message->dbc->is_extended,
                                 .is_fd =
                                     message->dbc->len > MG_CAN_CLASSIC_MAX,
                                 .len = message->dbc->len};
    (void)mg_dbc_put_page(message->dbc, message->page, frame.data, frame.len);
    for (size_t i = 0; i < message->n; i++) {
        const struct source *s = &message->sources[i];
        int64_t value;
        if ((s->signal->mux != MG_DBC_MULTIPLEXED ||
             s->signal->mux_value == message->page) &&
            mg_sim_device_signal(m->device, s->index, &value)) {
            /* What does not fit stays 0, as in a real meter's register. */
            (void)mg_dbc_encode(message->dbc, s->signal, value, s->exp10,
                                frame.data, frame.len);
        }
    }
    message->page = page_from(message->dbc, message->page + UINT64_C(1));
    mg_sim_can_bus_send(m->set.bus, &m->node, &frame);
}

/* Its supply is off, or the host keeps it so; or it runs no program. */
static bool is_dark(const struct mg_sim_can_meter *m)
{
    int64_t value;
    for (size_t i = 0; i < m->set.plugin->firmware->n_signals; i++) {
        if (mg_sim_device_signal(m->device, i, &value)) {
            return false;
        }
    }
    return true;
}

static void forget(struct mg_sim_can_meter *m)
{
    for (unsigned i = 0; i < MG_CIRCUITS_MAX; i++) {
        if (m->transports[i].is_there) {
            mg_isotp_reset(&m->transports[i].tp);
        }
        m->transports[i].n_queued = 0;
    }
}

static void send_due(struct mg_sim_can_meter *m, uint64_t now_ns)
{
    for (size_t i = 0; i < m->n_messages; i++) {
        struct message *message = &m->messages[i];
        if (now_ns >= message->due_ns) {
            uint64_t cycle_ns = message->dbc->cycle_ms * UINT64_C(1000000);
            message->due_ns += cycle_ns;
            if (message->due_ns <= now_ns) {
                message->due_ns = now_ns + cycle_ns;
            }
            send_message(m, message);
        }
    }
}

static void due(struct mg_timer *timer)
{
    struct mg_sim_can_meter *m =
        (struct mg_sim_can_meter *)((char *)timer -
                                    offsetof(struct mg_sim_can_meter, timer));
    uint64_t now_ns = now_of(m);
    mg_timer_start(m->set.clock, timer, now_ns + TICK_NS, due);
    mg_sim_can_meter_live(m);
    if (is_dark(m)) {
        forget(m);
        return;
    }
    send_due(m, now_ns);
    for (unsigned i = 0; i < MG_CIRCUITS_MAX; i++) {
        if (m->transports[i].is_there) {
            mg_isotp_expire(&m->transports[i].tp, now_ns);
        }
    }
    serve(m);
}

/* ---- Making ---- */

/* The name that a meter of the configuration has for a signal of the firmware;
 * NULL: its database does not have it.
 * @return false: the signal is none of this meter's */
static bool name_of(const struct mg_sim_can_meter *m,
                    const struct mg_sim_can_side *side, const char *name,
                    const char **ret)
{
    const struct mg_can_driver *driver = m->set.plugin->driver->can;
    for (size_t i = 0; side->is_used && i < driver->n_signals; i++) {
        const struct mg_signal *row = &driver->signals[i];
        if (strcmp(row->name, name) == 0 &&
            (row->variants == 0 ||
             (row->variants >> side->variant & 1U) != 0)) {
            *ret = mg_can_signal_name(row, side->overrides, side->n_overrides);
            return true;
        }
    }
    return false;
}

static struct message *message_of(struct mg_sim_can_meter *m,
                                  const struct mg_dbc_message *dbc)
{
    for (size_t i = 0; i < m->n_messages; i++) {
        if (m->messages[i].dbc == dbc) {
            return &m->messages[i];
        }
    }
    struct message *message = &m->messages[m->n_messages];
    const struct mg_firmware *fw = m->set.plugin->firmware;
    uint32_t id;
    if (dbc->cycle_ms == 0 || m->n_messages == MESSAGES_MAX ||
        mg_can_node_id(m->set.dbc, dbc, m->set.node, &id) != MG_OK) {
        return NULL;
    }
    message->sources =
        calloc(fw->n_signals * MG_CIRCUITS_MAX, sizeof *message->sources);
    if (message->sources == NULL) {
        return NULL;
    }
    message->dbc = dbc;
    message->page = page_from(dbc, 0);
    message->id = id;
    /* Spread, so that they do not come in one burst. */
    message->due_ns = m->start_ns + m->n_messages * TICK_NS;
    m->n_messages++;
    return message;
}

static bool has_source(const struct message *message, size_t index,
                       const struct mg_dbc_signal *signal)
{
    for (size_t i = 0; i < message->n; i++) {
        if (message->sources[i].index == index &&
            message->sources[i].signal == signal) {
            return true;
        }
    }
    return false;
}

static void add_source(struct mg_sim_can_meter *m, size_t index,
                       const char *name)
{
    char message_name[MG_DBC_NAME_MAX], signal_name[MG_DBC_NAME_MAX];
    if (name == NULL ||
        mg_can_split_name(name, message_name, signal_name) != MG_OK) {
        return;
    }
    const struct mg_dbc_message *dbc = mg_dbc_find(m->set.dbc, message_name);
    const struct mg_dbc_signal *signal =
        dbc == NULL ? NULL : mg_dbc_find_signal(dbc, signal_name);
    int exp10;
    if (signal == NULL ||
        mg_can_unit_exp10(signal->unit,
                          m->set.plugin->firmware->signals[index].unit,
                          &exp10) != MG_OK) {
        return; /* another database may leave it out */
    }
    struct message *message = message_of(m, dbc);
    if (message != NULL && !has_source(message, index, signal)) {
        message->sources[message->n++] =
            (struct source){.index = index, .signal = signal, .exp10 = exp10};
    }
}

/* Under each name that a meter of the device has for it; a signal of none of
 * them as the model's own database has it. */
static void add_sources(struct mg_sim_can_meter *m, size_t index)
{
    const char *own = m->set.plugin->firmware->signals[index].name;
    bool is_named = false;
    for (unsigned i = 0; i < MG_CIRCUITS_MAX; i++) {
        const char *name;
        if (name_of(m, &m->set.sides[i], own, &name)) {
            is_named = true;
            add_source(m, index, name);
        }
    }
    if (!is_named) {
        add_source(m, index, own);
    }
}

static int find_messages(const struct mg_sim_can_meter *m, unsigned circuit,
                         const struct mg_dbc_message **to,
                         const struct mg_dbc_message **from, struct mg_err *err)
{
    const struct mg_can_driver *driver = m->set.plugin->driver->can;
    const struct mg_sim_can_side *side = &m->set.sides[circuit];
    struct mg_can_map map;
    *to = *from = NULL;
    if (!side->is_used) {
        if (driver->to_meter[circuit] != NULL) {
            *to = mg_dbc_find(m->set.dbc, driver->to_meter[circuit]);
            *from = mg_dbc_find(m->set.dbc, driver->from_meter[circuit]);
        }
        return MG_OK;
    }
    int rc = mg_can_map_build(driver, side->variant, circuit, m->set.dbc,
                              side->overrides, side->n_overrides, &map, err);
    if (rc == MG_OK) {
        *to = map.to_meter;
        *from = map.from_meter;
    }
    return rc;
}

static int open_transport(struct mg_sim_can_meter *m, unsigned circuit,
                          struct mg_err *err)
{
    static const struct mg_isotp_settings settings = {.tx_dl =
                                                          MG_CAN_CLASSIC_MAX,
                                                      .is_padded = true,
                                                      .pad = 0xcc,
                                                      .wait_max = 10,
                                                      .max_len = MG_PDU_MAX};
    struct transport *t = &m->transports[circuit];
    const struct mg_dbc_message *to, *from;
    int rc = find_messages(m, circuit, &to, &from, err);
    if (rc != MG_OK || to == NULL || from == NULL) {
        return rc;
    }
    t->rx_is_extended = to->is_extended;
    t->tx_is_extended = from->is_extended;
    t->is_there =
        mg_can_node_id(m->set.dbc, to, m->set.node, &t->rx_id) == MG_OK &&
        mg_can_node_id(m->set.dbc, from, m->set.node, &t->tx_id) == MG_OK &&
        mg_isotp_init(&t->tp, &settings) == MG_OK;
    return MG_OK;
}

struct mg_sim_can_meter *
mg_sim_can_meter_create(const struct mg_sim_can_meter_settings *settings,
                        struct mg_sim_device *device, struct mg_err *err)
{
    struct mg_sim_can_meter *m = calloc(1, sizeof *m);
    if (m == NULL) {
        mg_sim_device_destroy(device);
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        return NULL;
    }
    m->set = *settings;
    m->device = device;
    m->start_ns = now_of(m);
    m->node.frame = came;
    for (size_t i = 0; i < settings->plugin->firmware->n_signals; i++) {
        add_sources(m, i);
    }
    int rc = MG_OK;
    for (unsigned i = 0; rc == MG_OK && i < MG_CIRCUITS_MAX; i++) {
        rc = open_transport(m, i, err);
    }
    if (rc != MG_OK) {
        mg_sim_can_meter_destroy(m);
        return NULL;
    }
    mg_sim_can_bus_attach(settings->bus, &m->node);
    mg_timer_start(settings->clock, &m->timer, m->start_ns + TICK_NS, due);
    return m;
}

void mg_sim_can_meter_destroy(struct mg_sim_can_meter *m)
{
    if (m == NULL) {
        return;
    }
    mg_timer_stop(&m->timer);
    for (size_t i = 0; i < m->n_messages; i++) {
        free(m->messages[i].sources);
    }
    mg_sim_device_destroy(m->device);
    free(m);
}
