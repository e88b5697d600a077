#include "gateway_bed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/json.h"
#include "wire/crc16.h"

#define WATCHDOG_MS 30000
#define SLICE_NS    (50 * BED_MS)
#define MEMBERS_MAX 64

/* The store's functions, wrapped by the linker: a full queue on demand, and
 * what was handed over is known. One bed at a time. */
static struct gateway_bed *running;

int __real_mg_store_append(struct mg_store *store,
                           const struct mg_store_row *row, uint64_t *ticket);
int __wrap_mg_store_append(struct mg_store *store,
                           const struct mg_store_row *row, uint64_t *ticket);
int __real_mg_store_put(struct mg_store *store, const char *key,
                        const void *value, size_t len, uint64_t *ticket);
int __wrap_mg_store_put(struct mg_store *store, const char *key,
                        const void *value, size_t len, uint64_t *ticket);

int __wrap_mg_store_append(struct mg_store *store,
                           const struct mg_store_row *row, uint64_t *ticket)
{
    if (running->refuses_rows) {
        return MG_E_NOSPC;
    }
    int rc = __real_mg_store_append(store, row, ticket);
    assert_int_equal(rc, MG_OK);
    running->last_ticket = *ticket;
    running->n_appends++;
    return rc;
}

int __wrap_mg_store_put(struct mg_store *store, const char *key,
                        const void *value, size_t len, uint64_t *ticket)
{
    if (running->refuses_values) {
        return MG_E_NOSPC;
    }
    int rc = __real_mg_store_put(store, key, value, len, ticket);
    assert_int_equal(rc, MG_OK);
    running->last_ticket = *ticket;
    return rc;
}

/* ---- The meters ---- */

void bed_set_f32(struct bed_meter *fake, uint16_t address, double value)
{
    float f = (float)value;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    fake->registers[address] = (uint16_t)(bits >> 16);
    fake->registers[address + 1] = (uint16_t)bits;
}

void bed_rule(struct bed_meter *fake, uint8_t function, uint16_t first,
              uint16_t last, uint8_t exception)
{
    for (size_t i = 0; i < BED_RULES; i++) {
        if (fake->rules[i].exception == 0) {
            fake->rules[i] =
                (struct bed_rule){function, first, last, exception};
            return;
        }
    }
    fail_msg("too many rules");
}

void bed_set_serial(struct bed_meter *fake, const char *serial)
{
    char text[15] = {0};
    (void)snprintf(text, sizeof text, "%s", serial);
    for (size_t i = 0; i < 7; i++) {
        fake->registers[REG_SERIAL + i] =
            (uint16_t)((unsigned char)text[2 * i] << 8 |
                       (unsigned char)text[2 * i + 1]);
    }
}

static void make_fake(struct bed_meter *fake, size_t index)
{
    char serial[] = "26000000";
    *fake = (struct bed_meter){.unit = (uint8_t)(index + 1), .delay_ms = 20};
    fake->registers[REG_ADDRESS] = fake->unit;
    fake->registers[REG_ADDRESS + 1] = 4;
    serial[7] = (char)('0' + index);
    bed_set_serial(fake, serial);
    static const uint16_t noon[] = {25 << 8 | 3, 2 << 8 | 12, 0};
    memcpy(&fake->registers[REG_CLOCK], noon, sizeof noon);
    static const double live[] = {230, 10, 2300, 0, 2300, 1, 50};
    for (uint16_t i = 0; i < 7; i++) {
        bed_set_f32(fake, (uint16_t)(REG_VOLTAGE + 2 * i), live[i]);
    }
    for (uint16_t i = 0; i < 14; i++) {
        bed_set_f32(fake, (uint16_t)(REG_ENERGY + 2 * i), 100 + i);
    }
}

static void cleared(struct mg_timer *timer)
{
    struct bed_meter *fake =
        (struct bed_meter *)((char *)timer -
                             offsetof(struct bed_meter, clear_timer));
    memset(&fake->registers[REG_ENERGY], 0, 28 * sizeof(uint16_t));
}

static uint16_t word(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static void write_registers(struct gateway_bed *bed, struct bed_meter *fake,
                            const uint8_t *pdu)
{
    uint16_t address = word(pdu + 1);
    for (uint16_t i = 0; i < word(pdu + 3); i++) {
        fake->registers[address + i] = word(pdu + 6 + 2 * i);
    }
    if (address == REG_ADDRESS) {
        fake->unit = (uint8_t)fake->registers[REG_ADDRESS];
    } else if (address == REG_CLEAR && word(pdu + 6) == 0x55aa) {
        mg_timer_start(bed->clock, &fake->clear_timer,
                       mg_clock_now_ns(bed->clock) +
                           fake->clear_delay_ms * BED_MS,
                       cleared);
    }
}

/* @return length of the answer */
static size_t answer(struct gateway_bed *bed, struct bed_meter *fake,
                     const uint8_t *pdu, size_t len, uint8_t *ret)
{
    switch (pdu[0]) {
    case 1:
        ret[1] = 1;
        ret[2] = fake->is_closed;
        return 3;
    case 3:
        ret[1] = (uint8_t)(2 * pdu[4]);
        for (size_t i = 0; i < pdu[4]; i++) {
            uint16_t r = fake->registers[word(pdu + 1) + i];
            ret[2 + 2 * i] = (uint8_t)(r >> 8);
            ret[3 + 2 * i] = (uint8_t)r;
        }
        return 2 + 2U * pdu[4];
    case 5:
        fake->n_coil_writes++;
        if (!fake->ignores_writes) {
            fake->is_closed = pdu[3] == 0xff;
        }
        break;
    case 16:
        fake->n_writes++;
        if (!fake->ignores_writes) {
            write_registers(bed, fake, pdu);
        }
        break;
    default:
        fail_msg("function %u, %zu bytes", pdu[0], len);
    }
    memcpy(ret + 1, pdu + 1, 4);
    return 5;
}

static uint8_t temper(const struct bed_meter *fake, const uint8_t *pdu)
{
    for (size_t i = 0; i < BED_RULES; i++) {
        const struct bed_rule *r = &fake->rules[i];
        if (r->exception != 0 && (r->function == 0 || r->function == pdu[0]) &&
            word(pdu + 1) >= r->first && word(pdu + 1) <= r->last) {
            return r->exception;
        }
    }
    return 0;
}

static void answer_due(struct mg_timer *timer)
{
    struct bed_line *line =
        (struct bed_line *)((char *)timer - offsetof(struct bed_line, timer));
    mg_transport_memory_deliver(line->transport, line->answer,
                                line->answer_len);
}

static void note_request(struct gateway_bed *bed, size_t meter,
                         const uint8_t *pdu)
{
    if (bed->n_requests == bed->cap_requests) {
        bed->cap_requests = bed->cap_requests * 2 + 1024;
        bed->requests =
            realloc(bed->requests, bed->cap_requests * sizeof *bed->requests);
        assert_non_null(bed->requests);
    }
    bed->requests[bed->n_requests++] =
        (struct bed_request){.ns = mg_clock_now_ns(bed->clock),
                             .meter = meter,
                             .function = pdu[0],
                             .address = word(pdu + 1),
                             .count = word(pdu + 3)};
}

static void ask_meter(struct bed_line *line, size_t meter, const uint8_t *pdu,
                      size_t len)
{
    struct gateway_bed *bed = line->bed;
    struct bed_meter *fake = &bed->fakes[meter];
    uint8_t unit = fake->unit; /* the answer to a move has the old one */
    fake->n_requests++;
    note_request(bed, meter, pdu);
    if (bed->asked != NULL) {
        bed->asked(bed, meter, pdu, len);
    }
    uint8_t exception = temper(fake, pdu);
    if (fake->is_silent || exception == BED_SILENT) {
        return;
    }
    uint8_t *a = line->answer;
    size_t n = 2;
    a[0] = unit;
    a[1] = (uint8_t)(pdu[0] | (exception != 0 ? 0x80 : 0));
    a[2] = exception;
    if (exception == 0) {
        n = answer(bed, fake, pdu, len, a + 1);
    }
    uint16_t crc = mg_crc16(a, n + 1);
    a[n + 1] = (uint8_t)crc;
    a[n + 2] = (uint8_t)(crc >> 8);
    line->answer_len = n + 3;
    if (fake->is_mute_on_writes && (pdu[0] == 5 || pdu[0] == 16)) {
        return;
    }
    mg_timer_start(bed->clock, &line->timer,
                   mg_clock_now_ns(bed->clock) + fake->delay_ms * BED_MS,
                   answer_due);
}

static void peer(void *ctx, struct mg_transport *transport, const uint8_t *data,
                 size_t len)
{
    struct bed_line *line = ctx;
    assert_true(len >= 4);
    (void)transport;
    for (size_t i = 0; i < line->bed->setup.n_meters; i++) {
        if (line->bed->meters[i].bus == line->bus &&
            line->bed->fakes[i].unit == data[0]) {
            ask_meter(line, i, data + 1, len - 3);
            return;
        }
    }
}

static struct bed_line *line_of(struct mg_transport *transport)
{
    struct gateway_bed *bed = running;
    size_t i = 0;
    while (i < BED_BUSES - 1 && bed->lines[i].transport != transport) {
        i++;
    }
    return &bed->lines[i];
}

static int set_baud(struct mg_transport *transport, uint32_t baud,
                    struct mg_err *err)
{
    (void)err;
    line_of(transport)->baud = baud;
    return MG_OK;
}

static int open_transport(struct mg_transport *transport, struct mg_err *err)
{
    const struct bed_line *line = line_of(transport);
    return line->bed->line_is_away
               ? mg_err_set(err, MG_E_IO, "the line is away")
               : line->open(transport, err);
}

static struct mg_transport *open_line(void *ctx, size_t bus)
{
    struct gateway_bed *bed = ctx;
    if (bed->line != NULL) {
        return bed->line(bed->line_ctx, bus);
    }
    struct bed_line *line = &bed->lines[bus];
    line->bed = bed;
    line->bus = bus;
    line->transport = mg_transport_memory(bed->clock, 0, peer, line);
    assert_non_null(line->transport);
    line->ops = *line->transport->ops;
    line->open = line->ops.open;
    line->ops.open = open_transport;
    line->ops.set_baud = set_baud;
    line->baud = 0;
    line->transport->ops = &line->ops;
    return line->transport;
}

/* ---- The sink, the observer, the store's events ---- */

static struct gateway_bed *bed_of(struct mg_sink *sink)
{
    return (struct gateway_bed *)((char *)sink -
                                  offsetof(struct gateway_bed, sink));
}

static int sink_retain(struct mg_sink *sink, const char *topic,
                       const char *payload, size_t len, int qos)
{
    struct gateway_bed *bed = bed_of(sink);
    (void)qos;
    size_t i = 0;
    while (i < bed->n_topics && strcmp(bed->topics[i].name, topic) != 0) {
        i++;
    }
    assert_true(i < BED_TOPICS);
    struct bed_topic *t = &bed->topics[i];
    if (i == bed->n_topics) {
        bed->n_topics++;
        (void)snprintf(t->name, sizeof t->name, "%s", topic);
    }
    free(t->payload);
    t->payload = strndup(payload, len);
    assert_non_null(t->payload);
    t->n++;
    return MG_OK;
}

static void sink_reply(struct mg_sink *sink, const struct mg_reply_to *to,
                       const char *payload, size_t len)
{
    struct gateway_bed *bed = bed_of(sink);
    assert_true(bed->n_replies < BED_REPLIES);
    assert_true(len < sizeof bed->replies[0]);
    (void)snprintf(bed->replies[bed->n_replies], sizeof bed->replies[0], "%.*s",
                   (int)len, payload);
    (void)snprintf(bed->reply_topics[bed->n_replies],
                   sizeof bed->reply_topics[0], "%s", to->topic);
    bed->n_replies++;
}

static void saw_sample(void *ctx, size_t meter, const struct mg_sample *sample)
{
    struct gateway_bed *bed = ctx;
    struct bed_sample *s = &bed->samples[meter][sample->group];
    s->sample = *sample;
    s->seen_ns = mg_clock_now_ns(bed->clock);
    s->n++;
}

static void saw_state(void *ctx, size_t meter, enum mg_meter_state state,
                      const char *reason)
{
    struct gateway_bed *bed = ctx;
    assert_non_null(reason);
    bed->states[meter] = state;
    bed->n_states[meter]++;
}

static void heard_durable(void *ctx, uint64_t ticket)
{
    struct gateway_bed *bed = ctx;
    bed->durable_ticket = ticket;
    if (bed->gateway != NULL && !bed->is_disk_slow) {
        mg_gateway_store_events()->durable(bed->gateway, ticket);
    }
}

static void heard_trouble(void *ctx, uint64_t n_rows, uint64_t n_readings,
                          const struct mg_err *err)
{
    struct gateway_bed *bed = ctx;
    mg_gateway_store_events()->trouble(bed->gateway, n_rows, n_readings, err);
}

/* ---- Life ---- */

static void bite(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("waited for %d s in vain", WATCHDOG_MS / 1000);
}

static void make_setup(struct gateway_bed *bed, size_t n_meters)
{
    bed->setup.file = "bed.yaml";
    (void)snprintf(bed->setup.gateway, sizeof bed->setup.gateway, "gw");
    bed->setup.outbox.max_readings = 10;
    bed->setup.outbox.max_age_ms = 60000;
    bed->setup.n_buses = BED_BUSES;
    bed->setup.buses = bed->buses;
    bed->setup.n_meters = n_meters;
    bed->setup.meters = bed->meters;
    bed->setup.simulation.seed = 1;
    bed->setup.simulation.turnaround_ms = 20;
    for (size_t i = 0; i < BED_BUSES; i++) {
        struct mg_setup_bus *b = &bed->buses[i];
        (void)snprintf(b->id, sizeof b->id, "b%zu", i);
        b->modbus.framing = MG_MODBUS_RTU;
        b->modbus.baud = 9600;
        b->modbus.char_bits = 11;
        b->tty.serial = (struct mg_serial){9600, 'E', 1};
    }
}

static void make_meter(struct gateway_bed *bed, size_t index)
{
    struct mg_setup_meter *m = &bed->meters[index];
    (void)snprintf(m->id, sizeof m->id, "m%zu", index);
    m->plugin = mg_plugins_find(&bed->plugins, "kpm31");
    assert_non_null(m->plugin);
    assert_int_equal(m->plugin->options_size, sizeof bed->options[index]);
    m->options = &bed->options[index];
    m->unit = (uint8_t)(index + 1);
    m->interval_ms = 1000;
    m->slow_interval_ms = 900000;
    m->timeout_ms = m->plugin->driver->timeout_ms;
    m->gap_ms = m->plugin->driver->min_gap_ms;
    m->max_registers = m->plugin->driver->max_registers;
    m->max_gap = m->plugin->driver->max_gap;
    m->load = (struct mg_setup_load){.is_fixed = true,
                                     .voltage_mv = 230000,
                                     .current_ma = 10000,
                                     .pf_1e4 = 10000,
                                     .frequency_mhz = 50000};
    make_fake(&bed->fakes[index], index);
}

void bed_init(struct gateway_bed *bed, size_t n_meters)
{
    struct mg_err err = {0};
    const char *tmp = getenv("TMPDIR");
    assert_true(n_meters <= BED_METERS);
    memset(bed, 0, sizeof *bed);
    running = bed;
    bed->has_store = true;
    bed->utc_ms = BED_UTC_MS;
    (void)snprintf(bed->dir, sizeof bed->dir, "%.40s/mg-gateway-XXXXXX",
                   tmp == NULL ? "/tmp" : tmp);
    assert_non_null(mkdtemp(bed->dir));
    (void)snprintf(bed->path, sizeof bed->path, "%s/store.db", bed->dir);
    assert_int_equal(uv_loop_init(&bed->loop), 0);
    assert_int_equal(uv_timer_init(&bed->loop, &bed->watchdog), 0);
    uv_unref((uv_handle_t *)&bed->watchdog);
    if (mg_plugins_load_file(&bed->plugins, MG_TEST_KPM31, &err) != MG_OK) {
        fail_msg("%s", err.text);
    }
    static const struct mg_sink_ops ops = {.retain = sink_retain,
                                           .reply = sink_reply};
    bed->sink.ops = &ops;
    bed->observer =
        (struct mg_gateway_observer){.sample = saw_sample, .state = saw_state};
    make_setup(bed, n_meters);
    for (size_t i = 0; i < n_meters; i++) {
        make_meter(bed, i);
    }
}

static void remove_files(struct gateway_bed *bed)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char name[112];
        (void)snprintf(name, sizeof name, "%s%s", bed->path, suffixes[i]);
        (void)unlink(name);
    }
    assert_int_equal(rmdir(bed->dir), 0);
}

void bed_fini(struct gateway_bed *bed)
{
    if (bed->gateway != NULL) {
        bed_stop(bed);
    }
    uv_close((uv_handle_t *)&bed->watchdog, NULL);
    (void)uv_run(&bed->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&bed->loop), 0);
    remove_files(bed);
    for (size_t i = 0; i < bed->n_topics; i++) {
        free(bed->topics[i].payload);
    }
    free(bed->requests);
    mg_plugins_destroy(&bed->plugins);
}

static void open_store(struct gateway_bed *bed)
{
    static const struct mg_store_events events = {.durable = heard_durable,
                                                  .trouble = heard_trouble};
    struct mg_store_settings settings = {.path = bed->path, .commit_ms = 1};
    struct mg_err err = {0};
    bed->last_ticket = bed->durable_ticket = 0;
    bed->store = mg_store_open(&bed->loop, &settings, &events, bed, &err);
    if (bed->store == NULL) {
        fail_msg("%s", err.text);
    }
}

void bed_start(struct gateway_bed *bed)
{
    struct mg_err err = {0};
    if (bed->clock == NULL) {
        bed->clock = mg_clock_create_virtual(bed->utc_ms);
    }
    assert_non_null(bed->clock);
    if (bed->has_store) {
        open_store(bed);
    }
    struct mg_gateway_settings settings = {.loop = &bed->loop,
                                           .clock = bed->clock,
                                           .setup = &bed->setup,
                                           .store = bed->store,
                                           .line = open_line,
                                           .can_line = bed->can_line,
                                           .observer = &bed->observer,
                                           .ctx = bed};
    bed->gateway = mg_gateway_create(&settings, &err);
    if (bed->gateway == NULL) {
        fail_msg("%s", err.text);
    }
    mg_gateway_attach(bed->gateway, &bed->sink);
    if (mg_gateway_start(bed->gateway, &err) != MG_OK) {
        fail_msg("%s", err.text);
    }
}

void bed_run(struct gateway_bed *bed)
{
    bed_start(bed);
    mg_clock_advance(bed->clock, mg_clock_now_ns(bed->clock) + BED_MS);
    bed_settle(bed); /* the lines are open by now */
}

static void let_go(struct gateway_bed *bed)
{
    for (size_t i = 0; i < BED_BUSES; i++) {
        mg_timer_stop(&bed->lines[i].timer);
    }
    for (size_t i = 0; i < bed->setup.n_meters; i++) {
        mg_timer_stop(&bed->fakes[i].clear_timer);
    }
    mg_store_close(bed->store);
    bed->store = NULL;
    mg_gateway_destroy(bed->gateway);
    bed->gateway = NULL;
    (void)uv_run(&bed->loop, UV_RUN_NOWAIT);
    bed->utc_ms = mg_clock_utc_ms(bed->clock) + 5000;
    mg_clock_destroy(bed->clock);
    bed->clock = NULL;
}

void bed_stop(struct gateway_bed *bed)
{
    mg_gateway_stop(bed->gateway);
    let_go(bed);
}

void bed_kill(struct gateway_bed *bed)
{
    let_go(bed);
}

void bed_settle(struct gateway_bed *bed)
{
    if (bed->store == NULL) {
        return;
    }
    (void)uv_timer_start(&bed->watchdog, bite, WATCHDOG_MS, 0);
    while (bed->durable_ticket < bed->last_ticket) {
        mg_store_flush(bed->store);
        (void)uv_run(&bed->loop, UV_RUN_ONCE);
    }
    (void)uv_timer_stop(&bed->watchdog);
}

void bed_pass(struct gateway_bed *bed, uint64_t ms)
{
    uint64_t end_ns = mg_clock_now_ns(bed->clock) + ms * BED_MS;
    for (;;) {
        bed_settle(bed);
        uint64_t now_ns = mg_clock_now_ns(bed->clock);
        if (now_ns >= end_ns) {
            return;
        }
        uint64_t until_ns = now_ns + SLICE_NS;
        mg_clock_advance(bed->clock, until_ns < end_ns ? until_ns : end_ns);
    }
}

void bed_set_option(struct gateway_bed *bed, size_t meter, const char *name,
                    const char *text)
{
    const struct mg_plugin *p = bed->meters[meter].plugin;
    struct mg_err err = {0};
    size_t index;
    assert_int_equal(mg_options_set(p->options, p->n_options,
                                    bed->meters[meter].options, name, text,
                                    &index, &err),
                     MG_OK);
}

void bed_allow(struct gateway_bed *bed, size_t meter, const char *verb)
{
    struct mg_setup_meter *m = &bed->meters[meter];
    (void)snprintf(m->allowed[m->n_allowed++], sizeof m->allowed[0], "%s",
                   verb);
}

void bed_command(struct gateway_bed *bed, const char *meter, const char *verb,
                 const char *payload)
{
    size_t len = strlen(payload);
    struct mg_command *c = calloc(1, sizeof *c + len + 1);
    assert_non_null(c);
    (void)snprintf(c->meter, sizeof c->meter, "%s", meter);
    (void)snprintf(c->verb, sizeof c->verb, "%s", verb);
    (void)snprintf(c->reply_to.topic, sizeof c->reply_to.topic, "r");
    c->len = len;
    memcpy(c->payload, payload, len);
    mg_gateway_sink_events()->command(bed->gateway, c);
    free(c);
}

/* ---- Looking ---- */

static struct bed_topic *find_topic(struct gateway_bed *bed, const char *name)
{
    for (size_t i = 0; i < bed->n_topics; i++) {
        if (strcmp(bed->topics[i].name, name) == 0) {
            return &bed->topics[i];
        }
    }
    return NULL;
}

const char *bed_topic(struct gateway_bed *bed, const char *name)
{
    struct bed_topic *t = find_topic(bed, name);
    return t == NULL ? "" : t->payload;
}

unsigned bed_n_topic(struct gateway_bed *bed, const char *name)
{
    struct bed_topic *t = find_topic(bed, name);
    return t == NULL ? 0 : t->n;
}

unsigned bed_n_requests(const struct gateway_bed *bed, size_t meter,
                        uint8_t function, uint16_t address)
{
    unsigned n = 0;
    for (size_t i = 0; i < bed->n_requests; i++) {
        const struct bed_request *r = &bed->requests[i];
        n += r->meter == meter && r->address == address &&
             (function == 0 || r->function == function);
    }
    return n;
}

static size_t parse(const char *json, size_t len,
                    struct mg_json_member members[MEMBERS_MAX])
{
    size_t n = 0;
    size_t error_at = 0;
    if (mg_json_parse_flat(json, len, members, MEMBERS_MAX, &n, &error_at) !=
        MG_OK) {
        fail_msg("no flat JSON at byte %zu of %.*s", error_at, (int)len, json);
    }
    return n;
}

static bool find_member(const char *json, const char *key,
                        struct mg_json_member *ret)
{
    struct mg_json_member members[MEMBERS_MAX];
    size_t n = parse(json, strlen(json), members);
    for (size_t i = 0; i < n; i++) {
        if (members[i].key_len == strlen(key) &&
            memcmp(members[i].key, key, members[i].key_len) == 0) {
            *ret = members[i];
            return true;
        }
    }
    return false;
}

bool bed_has(const char *json, const char *key)
{
    struct mg_json_member member;
    return find_member(json, key, &member);
}

int64_t bed_int(const char *json, const char *key)
{
    struct mg_json_member member;
    int64_t value = 0;
    if (!find_member(json, key, &member) ||
        mg_json_int64(&member, &value) != MG_OK) {
        fail_msg("no whole number %s in %s", key, json);
    }
    return value;
}

void bed_text(const char *json, const char *key, char *ret, size_t cap)
{
    struct mg_json_member member;
    size_t len;
    if (!find_member(json, key, &member)) {
        fail_msg("no %s in %s", key, json);
    }
    if (member.type == MG_JSON_STRING) {
        assert_int_equal(mg_json_string(&member, ret, cap, &len), MG_OK);
    } else {
        (void)snprintf(ret, cap, "%.*s", (int)member.value_len, member.value);
    }
}

void bed_assert_text(const char *json, const char *key, const char *expected)
{
    char text[512];
    bed_text(json, key, text, sizeof text);
    assert_string_equal(text, expected);
}

static void check_event(const struct mg_store_row *row, int64_t *last_seq)
{
    char json[BED_EVENT_MAX];
    assert_true(row->len > 0 && row->len < sizeof json);
    (void)snprintf(json, sizeof json, "%.*s", (int)row->len, row->payload);
    int64_t seq = bed_int(json, "seq");
    assert_true(seq > *last_seq);
    *last_seq = seq;
    bed_assert_text(json, "gateway", "gw");
}

unsigned bed_n_events(struct gateway_bed *bed, const char *name)
{
    struct mg_err err = {0};
    struct mg_store_row row = {0};
    unsigned n = 0;
    int64_t last_seq = 0;
    bed_settle(bed);
    struct mg_outbox *outbox = mg_outbox_open(bed->store, &err);
    assert_non_null(outbox);
    while (mg_outbox_next(outbox, row.id, &row, &err) == MG_OK) {
        char text[64];
        if (row.class_ != MG_ROW_EVENT || strcmp(row.topic, "log") == 0) {
            continue;
        }
        check_event(&row, &last_seq);
        char json[BED_EVENT_MAX];
        (void)snprintf(json, sizeof json, "%.*s", (int)row.len, row.payload);
        bed_text(json, "event", text, sizeof text);
        if (strcmp(text, name) == 0) {
            n++;
            memcpy(bed->event, json, sizeof json);
        }
    }
    mg_outbox_close(outbox);
    return n;
}

static void each_of_row(const struct mg_store_row *row,
                        void (*each)(void *ctx, const char *json, size_t len),
                        void *ctx)
{
    uint32_t n = 0;
    size_t i = 0;
    assert_true(row->len > 2 && row->payload[0] == '[' &&
                row->payload[row->len - 1] == ']');
    while (i < row->len) {
        const char *begin = memchr(row->payload + i, '{', row->len - i);
        if (begin == NULL) {
            break;
        }
        size_t at = (size_t)(begin - row->payload);
        const char *end = memchr(begin, '}', row->len - at);
        assert_non_null(end);
        each(ctx, begin, (size_t)(end - begin) + 1);
        i = at + (size_t)(end - begin) + 1;
        n++;
    }
    assert_int_equal(n, row->n_readings);
}

void bed_readings(struct gateway_bed *bed, size_t meter,
                  void (*each)(void *ctx, const char *json, size_t len),
                  void *ctx)
{
    struct mg_err err = {0};
    struct mg_store_row row = {0};
    char topic[80];
    (void)snprintf(topic, sizeof topic, "m/%s/readings", bed->meters[meter].id);
    bed_settle(bed);
    struct mg_outbox *outbox = mg_outbox_open(bed->store, &err);
    assert_non_null(outbox);
    while (mg_outbox_next(outbox, row.id, &row, &err) == MG_OK) {
        if (row.class_ == MG_ROW_READINGS && strcmp(row.topic, topic) == 0) {
            each_of_row(&row, each, ctx);
        }
    }
    mg_outbox_close(outbox);
}
