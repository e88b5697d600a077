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

struct mg_sim_can_meter {
    struct mg_sim_can_node node; /* first */
    struct mg_sim_can_meter_settings set;
    struct mg_sim_device *device;
    uint64_t start_ns;
    struct mg_timer timer;
    size_t n_messages;
    struct message messages[MESSAGES_MAX];
    bool has_transport;
    uint32_t rx_id, tx_id;
    bool rx_is_extended, tx_is_extended;
    struct mg_isotp tp;
    size_t n_queued;
    struct {
        size_t len;
        uint8_t data[MG_PDU_MAX];
    } queue[QUEUE_MAX];
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

static void pump(struct mg_sim_can_meter *m)
{
    struct mg_can_frame frame = {.id = m->tx_id,
                                 .is_extended = m->tx_is_extended};
    size_t len = 0;
    for (;;) {
        while (mg_isotp_pull(&m->tp, now_of(m), frame.data, &len)) {
            frame.len = (uint8_t)len;
            mg_sim_can_bus_send(m->set.bus, &m->node, &frame);
            mg_isotp_sent(&m->tp, now_of(m));
        }
        if (m->n_queued == 0 ||
            mg_isotp_send(&m->tp, m->queue[0].data, m->queue[0].len,
                          now_of(m)) != MG_OK) {
            return;
        }
        m->n_queued--;
        memmove(&m->queue[0], &m->queue[1], m->n_queued * sizeof m->queue[0]);
    }
}

static void say(struct mg_sim_can_meter *m, const uint8_t *data, size_t len)
{
    if (len == 0 || m->n_queued == QUEUE_MAX) {
        return; /* a meter has no room for more either */
    }
    memcpy(m->queue[m->n_queued].data, data, len);
    m->queue[m->n_queued++].len = len;
}

static void say_unasked(struct mg_sim_can_meter *m)
{
    uint8_t data[MG_PDU_MAX];
    size_t len;
    for (int i = 0; i < QUEUE_MAX; i++) {
        len = mg_sim_device_unasked(m->device, data);
        if (len == 0) {
            return;
        }
        say(m, data, len);
    }
}

static void serve(struct mg_sim_can_meter *m)
{
    struct mg_isotp_event event;
    while (mg_isotp_event(&m->tp, &event)) {
        uint8_t answer[MG_PDU_MAX];
        if (event.kind == MG_ISOTP_MESSAGE && event.len <= MG_PDU_MAX) {
            uint8_t request[MG_PDU_MAX];
            size_t len = event.len;
            memcpy(request, event.data, len);
            say(m, answer,
                mg_sim_device_pdu(m->device, m->set.node, request, len,
                                  answer));
        }
    }
    say_unasked(m);
    pump(m);
}

static void came(struct mg_sim_can_node *node, const struct mg_can_frame *frame)
{
    struct mg_sim_can_meter *m = (struct mg_sim_can_meter *)node;
    if (!m->has_transport || frame->id != m->rx_id ||
        frame->is_extended != m->rx_is_extended || frame->is_remote) {
        return;
    }
    mg_sim_can_meter_live(m);
    if (mg_sim_device_is_off(m->device)) {
        return;
    }
    mg_isotp_receive(&m->tp, frame->data, frame->len, now_of(m));
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

static void due(struct mg_timer *timer)
{
    struct mg_sim_can_meter *m =
        (struct mg_sim_can_meter *)((char *)timer -
                                    offsetof(struct mg_sim_can_meter, timer));
    uint64_t now_ns = now_of(m);
    mg_timer_start(m->set.clock, timer, now_ns + TICK_NS, due);
    mg_sim_can_meter_live(m);
    if (is_dark(m)) {
        if (m->has_transport) {
            mg_isotp_reset(&m->tp);
        }
        m->n_queued = 0;
        return;
    }
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
    if (m->has_transport) {
        mg_isotp_expire(&m->tp, now_ns);
        serve(m);
    }
}

/* ---- Making ---- */

/* The name that the DBC has for a signal of the firmware; NULL: none. */
static const char *name_of(const struct mg_sim_can_meter *m, const char *name)
{
    const struct mg_can_driver *driver = m->set.plugin->driver->can;
    for (size_t i = 0; i < driver->n_signals; i++) {
        const struct mg_signal *row = &driver->signals[i];
        if (strcmp(row->name, name) == 0 &&
            (row->variants == 0 ||
             (row->variants >> m->set.variant & 1U) != 0)) {
            return mg_can_signal_name(row, m->set.overrides,
                                      m->set.n_overrides);
        }
    }
    return name;
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
    message->sources = calloc(fw->n_signals, sizeof *message->sources);
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

static void add_source(struct mg_sim_can_meter *m, size_t index)
{
    const struct mg_fw_signal *s = &m->set.plugin->firmware->signals[index];
    const char *name = name_of(m, s->name);
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
        mg_can_unit_exp10(signal->unit, s->unit, &exp10) != MG_OK) {
        return; /* another database may leave it out */
    }
    struct message *message = message_of(m, dbc);
    if (message != NULL) {
        message->sources[message->n++] =
            (struct source){.index = index, .signal = signal, .exp10 = exp10};
    }
}

static int open_transport(struct mg_sim_can_meter *m, struct mg_err *err)
{
    static const struct mg_isotp_settings settings = {.tx_dl =
                                                          MG_CAN_CLASSIC_MAX,
                                                      .is_padded = true,
                                                      .pad = 0xcc,
                                                      .wait_max = 10,
                                                      .max_len = MG_PDU_MAX};
    struct mg_can_map map;
    int rc =
        mg_can_map_build(m->set.plugin->driver->can, m->set.variant, m->set.dbc,
                         m->set.overrides, m->set.n_overrides, &map, err);
    if (rc != MG_OK || map.to_meter == NULL || map.from_meter == NULL) {
        return rc;
    }
    m->rx_is_extended = map.to_meter->is_extended;
    m->tx_is_extended = map.from_meter->is_extended;
    m->has_transport = mg_can_node_id(m->set.dbc, map.to_meter, m->set.node,
                                      &m->rx_id) == MG_OK &&
                       mg_can_node_id(m->set.dbc, map.from_meter, m->set.node,
                                      &m->tx_id) == MG_OK &&
                       mg_isotp_init(&m->tp, &settings) == MG_OK;
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
        add_source(m, i);
    }
    int rc = open_transport(m, err);
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
