#include "run/gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/channel.h"
#include "run/activation.h"
#include "run/can_priv.h"
#include "run/clock_events.h"
#include "run/duties.h"
#include "run/gateway_priv.h"
#include "run/line.h"
#include "run/logbook.h"
#include "run/seal.h"
#include "run/session_priv.h"

#define FLUSH_PERIOD_MS 250U
/* Rows and values on their way to the disk; the store takes 4096. */
#define BEHIND_MAX       512U
#define NUMBERS_LEFT_MIN 4U
/* An interval is divided into slots for polls, about so many polls each. */
#define SLOTS_MIN      4U
#define SLOTS_MAX      20U
#define POLLS_PER_SLOT 32U

static void start_flush_timer(struct mg_gateway *g);

static void flush_due(struct mg_timer *timer)
{
    struct mg_gateway *g =
        (struct mg_gateway *)((char *)timer -
                              offsetof(struct mg_gateway, flush_timer));
    mg_pipeline_flush_old(g);
    start_flush_timer(g);
}

static void start_flush_timer(struct mg_gateway *g)
{
    mg_timer_start(g->clock, &g->flush_timer,
                   mg_clock_now_ns(g->clock) + FLUSH_PERIOD_MS * 1000000ULL,
                   flush_due);
}

/* ---- Making ---- */

static uint16_t cheapest_live_block(const struct mg_plan *plan)
{
    uint16_t best = 0;
    unsigned best_count = UINT16_MAX;
    for (uint16_t i = 0; i < plan->n_blocks; i++) {
        if (plan->blocks[i].group == MG_GROUP_LIVE &&
            plan->blocks[i].count < best_count) {
            best_count = plan->blocks[i].count;
            best = i;
        }
    }
    return best;
}

/* A meter on CAN is not asked for registers. */
static struct shared_plan *make_empty_plan(const struct mg_setup_meter *setup,
                                           unsigned variant, struct mg_err *err)
{
    struct shared_plan *p = calloc(1, sizeof *p);
    if (p == NULL) {
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        return NULL;
    }
    p->plugin = setup->plugin;
    p->variant = variant;
    p->max_registers = setup->max_registers;
    p->max_gap = setup->max_gap;
    return p;
}

static struct shared_plan *make_plan(const struct mg_setup_meter *setup,
                                     unsigned variant, struct mg_err *err)
{
    struct mg_driver driver = *setup->plugin->driver;
    if (driver.can != NULL) {
        return make_empty_plan(setup, variant, err);
    }
    driver.max_registers = setup->max_registers;
    driver.max_gap = setup->max_gap;
    struct shared_plan *p = calloc(1, sizeof *p);
    if (p == NULL) {
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        return NULL;
    }
    size_t row = 0;
    int rc = mg_plan_build(&driver, variant, &p->plan, &row);
    if (rc != MG_OK || p->plan.n_points > MG_SAMPLE_VALUES_MAX) {
        (void)mg_err_set(err, rc == MG_OK ? MG_E_NOSPC : rc,
                         "meter %s: row %zu of the register table cannot be "
                         "read with %u registers a request",
                         setup->id, row, setup->max_registers);
        free(p);
        return NULL;
    }
    p->plugin = setup->plugin;
    p->variant = variant;
    p->max_registers = setup->max_registers;
    p->max_gap = setup->max_gap;
    p->probe_block = cheapest_live_block(&p->plan);
    return p;
}

static const struct shared_plan *plan_for(struct mg_gateway *g,
                                          const struct mg_setup_meter *setup,
                                          struct mg_err *err)
{
    unsigned variant = setup->plugin->variant == NULL
                           ? 0
                           : setup->plugin->variant(setup->options);
    for (size_t i = 0; i < g->n_plans; i++) {
        const struct shared_plan *p = g->plans[i];
        if (p != NULL && p->plugin == setup->plugin && p->variant == variant &&
            p->max_registers == setup->max_registers &&
            p->max_gap == setup->max_gap) {
            return p;
        }
    }
    struct shared_plan *p = make_plan(setup, variant, err);
    if (p != NULL) {
        g->plans[g->n_plans++] = p;
    }
    return p;
}

static int make_meter(struct mg_gateway *g, size_t index, struct mg_err *err)
{
    struct meter *m = &g->meters[index];
    m->gateway = g;
    m->index = index;
    m->setup = &g->setup->meters[index];
    m->line = &g->lines[m->setup->bus];
    m->address = m->setup->unit;
    m->check.epoch = 1;
    m->plan = plan_for(g, m->setup, err);
    m->live = calloc(1, sizeof *m->live);
    if (m->plan == NULL || m->live == NULL) {
        return m->plan == NULL ? err->code
                               : mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    return m->setup->plugin->driver->can == NULL ? MG_OK
                                                 : mg_can_meter_make(m, err);
}

static int make_all(struct mg_gateway *g, struct mg_err *err)
{
    g->n_lines = g->setup->n_buses;
    g->n_meters = g->setup->n_meters;
    g->lines = calloc(g->n_lines + 1, sizeof *g->lines);
    g->meters = calloc(g->n_meters + 1, sizeof *g->meters);
    g->plans = calloc(g->n_meters + 1, sizeof(struct shared_plan *));
    if (g->lines == NULL || g->meters == NULL || g->plans == NULL) {
        return mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < g->n_lines; i++) {
        g->lines[i].gateway = g;
        g->lines[i].setup = &g->setup->buses[i];
    }
    for (size_t i = 0; i < g->n_meters; i++) {
        int rc = make_meter(g, i, err);
        if (rc != MG_OK) {
            return rc;
        }
    }
    return MG_OK;
}

struct mg_gateway *mg_gateway_create(const struct mg_gateway_settings *settings,
                                     struct mg_err *err)
{
    struct mg_gateway *g = calloc(1, sizeof *g);
    if (g == NULL) {
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        return NULL;
    }
    g->settings = *settings;
    g->loop = settings->loop;
    g->clock = settings->clock;
    g->setup = settings->setup;
    mg_gateway_set_store(g, settings->store);
    if (make_all(g, err) != MG_OK) {
        mg_gateway_destroy(g);
        return NULL;
    }
    return g;
}

void mg_gateway_set_store(struct mg_gateway *g, struct mg_store *store)
{
    g->store = store;
    (void)snprintf(g->epoch, sizeof g->epoch, "%s",
                   store == NULL ? "" : mg_store_epoch(store));
}

void mg_gateway_attach(struct mg_gateway *g, struct mg_sink *sink)
{
    g->sink = sink;
}

/* ---- Running ---- */

static uint64_t n_slots(const struct mg_gateway *g)
{
    uint64_t n = g->n_meters / POLLS_PER_SLOT;
    n = n < SLOTS_MIN ? SLOTS_MIN : n;
    return n > SLOTS_MAX ? SLOTS_MAX : n;
}

/* Spread the first polls over the interval: multiples of the golden ratio lie
 * evenly, over all meters and over those of one line. Polls of one slot share a
 * wake-up of the processor, which costs more than the poll itself. */
static uint64_t first_due_ns(const struct meter *m, uint64_t start_ns)
{
    uint64_t fraction = (m->index * 0x9E3779B97F4A7C15ULL) >> 44; /* 20 bits */
    uint64_t slot = (fraction * n_slots(m->gateway)) >> 20;
    uint64_t interval_ns = (uint64_t)m->setup->interval_ms * 1000000;
    return start_ns + interval_ns / n_slots(m->gateway) * slot;
}

static void begin_polls(struct mg_gateway *g)
{
    uint64_t start_ns = mg_clock_now_ns(g->clock);
    g->is_running = true;
    for (size_t i = 0; i < g->n_meters; i++) {
        mg_poller_start(&g->meters[i], first_due_ns(&g->meters[i], start_ns));
    }
    start_flush_timer(g);
}

static int prepare_sessions(struct mg_gateway *g, struct mg_err *err)
{
    g->ocmf = malloc(sizeof *g->ocmf);
    if (g->ocmf == NULL) {
        return mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    if (g->setup->station.is_enabled) {
        g->station = mg_station_open(g, err);
    }
    return g->setup->station.is_enabled && g->station == NULL ? err->code
                                                              : MG_OK;
}

static int load_memory(struct mg_gateway *g, struct mg_err *err)
{
    mg_event_load(g);
    int rc = mg_logbook_load(g, err);
    if (rc == MG_OK) {
        rc = prepare_sessions(g, err);
    }
    if (rc != MG_OK) {
        return rc;
    }
    for (size_t i = 0; i < g->n_meters; i++) {
        mg_memory_load(&g->meters[i]);
        mg_sequence_load(&g->meters[i]);
        mg_session_load(&g->meters[i]);
        mg_duties_load(&g->meters[i]);
        mg_seal_load(&g->meters[i]);
        mg_procedure_load(&g->meters[i]);
    }
    g->is_loaded = true;
    mg_activation_load(g);
    mg_event(g, NULL, MG_LOG_INFO, "started", NULL,
             "gateway %s: %zu meters on %zu lines", g->setup->gateway,
             g->n_meters, g->n_lines);
    mg_store_flush(g->store);
    return mg_clock_events_start(g, err);
}

/* For whoever checks records and the log book. */
static void put_station_key(const struct mg_gateway *g, struct mg_json *j)
{
    const struct mg_public_key *key =
        g->station == NULL ? NULL : mg_station_key(g->station);
    if (key != NULL) {
        char hex[2 * MG_KEY_SPKI_MAX + 1];
        char fingerprint[MG_FINGERPRINT_HEX_MAX];
        mg_public_key_hex(key, hex);
        mg_public_key_fingerprint(key, fingerprint);
        mg_json_member_str(j, "station_key", hex);
        mg_json_member_str(j, "station_fingerprint", fingerprint);
    }
}

static void publish_info(struct mg_gateway *g)
{
    char buf[EVENT_JSON_MAX];
    struct mg_json j = mg_json_init(buf, sizeof buf);
    mg_json_open(&j, '{');
    mg_json_member_str(&j, "gateway", g->setup->gateway);
    mg_json_member_str(&j, "version", MG_VERSION);
    mg_json_member_str(&j, "epoch", g->epoch);
    mg_json_member_time(&j, "started", mg_clock_utc_ms(g->clock));
    mg_json_member_int(&j, "meters", (int64_t)g->n_meters);
    mg_json_member_int(&j, "lines", (int64_t)g->n_lines);
    mg_json_member_bool(&j, "simulated", g->settings.is_simulated);
    put_station_key(g, &j);
    mg_json_close(&j, '}');
    (void)g->sink->ops->retain(g->sink, "info", j.buf, j.len, 1);
    for (size_t i = 0; i < g->n_meters; i++) {
        mg_meter_publish_info(&g->meters[i]);
    }
}

int mg_gateway_start(struct mg_gateway *g, struct mg_err *err)
{
    if (g->store != NULL) {
        int rc = load_memory(g, err);
        if (rc != MG_OK) {
            return rc;
        }
    }
    for (size_t i = 0; i < g->n_lines; i++) {
        int rc = mg_line_open(&g->lines[i], err);
        if (rc != MG_OK) {
            return rc;
        }
    }
    for (size_t i = 0; i < g->n_meters; i++) {
        int rc = mg_line_add_meter(&g->meters[i], err);
        if (rc != MG_OK) {
            return rc;
        }
    }
    if (g->sink != NULL) {
        publish_info(g);
    }
    if (g->settings.is_manual) {
        g->is_running = true;
    } else if (g->store == NULL) {
        begin_polls(g);
    } /* else when the sequence reserves are on the disk */
    return MG_OK;
}

static void durable(void *ctx, uint64_t ticket)
{
    struct mg_gateway *g = ctx;
    g->durable_ticket = ticket;
    mg_sequence_durable(g, ticket);
    if (!g->is_running && !g->is_stopped) {
        begin_polls(g);
    }
    mg_procedure_durable(g, ticket);
    mg_session_durable(g);
    mg_logbook_durable(g);
}

static void store_trouble(void *ctx, uint64_t n_rows, uint64_t n_readings,
                          const struct mg_err *err)
{
    struct mg_gateway *g = ctx;
    if (n_rows == 0 && g->has_disk_trouble && err->code == MG_OK) {
        g->has_disk_trouble = false;
        mg_event(g, NULL, MG_LOG_INFO, "store-recovered", NULL,
                 "the store takes rows again");
        return;
    }
    char members[96];
    (void)snprintf(members, sizeof members,
                   "\"rows_dropped\":%llu,\"readings_dropped\":%llu",
                   (unsigned long long)n_rows, (unsigned long long)n_readings);
    g->has_disk_trouble = true;
    mg_event(g, NULL, MG_LOG_ERROR, "store-trouble", members,
             "%s; %llu live readings were dropped", err->text,
             (unsigned long long)n_readings);
}

const struct mg_store_events *mg_gateway_store_events(void)
{
    static const struct mg_store_events events = {.durable = durable,
                                                  .trouble = store_trouble};
    return &events;
}

/* ---- What the sink tells ---- */

static void sink_command(void *ctx, const struct mg_command *command)
{
    mg_command_receive(ctx, command);
}

static void sink_link(void *ctx, bool is_up, const char *text)
{
    struct mg_gateway *g = ctx;
    uint64_t now_ms = mg_clock_now_ms(g->clock);
    uint64_t lasted_ms;
    uint32_t n_failures;
    if (!is_up) {
        if (mg_complaint_fail(&g->link_complaint, now_ms)) {
            mg_log(MG_LOG_WARN,
                   "broker: %s; readings are kept until it is "
                   "back",
                   text);
        }
        return;
    }
    if (mg_complaint_ok(&g->link_complaint, now_ms, &lasted_ms, &n_failures)) {
        mg_log(MG_LOG_INFO, "broker: %s again after %llu s", text,
               (unsigned long long)(lasted_ms / 1000));
    } else {
        mg_log(MG_LOG_INFO, "broker: %s", text);
    }
}

static void sink_parked(void *ctx, const char *topic, int reason_code,
                        const char *reason)
{
    struct mg_gateway *g = ctx;
    char members[6 * MG_STORE_TOPIC_MAX + 64];
    struct mg_json j = mg_json_init(members, sizeof members - 1);
    mg_json_key(&j, "topic");
    mg_json_str(&j, topic, strnlen(topic, MG_STORE_TOPIC_MAX));
    mg_json_member_int(&j, "reason_code", reason_code);
    members[j.len] = '\0';
    mg_event(g, NULL, MG_LOG_ERROR, "row-parked", members,
             "the broker refuses %s: %s; the row is kept aside", topic, reason);
}

static void sink_refused(void *ctx, const char *topic, const char *reason)
{
    struct mg_gateway *g = ctx;
    if (mg_refusal_is_reported(g)) {
        mg_event(g, NULL, MG_LOG_WARN, "command-refused", NULL,
                 "command on %s refused: %s", topic, reason);
    }
}

const struct mg_sink_events *mg_gateway_sink_events(void)
{
    static const struct mg_sink_events events = {.command = sink_command,
                                                 .link = sink_link,
                                                 .parked = sink_parked,
                                                 .refused = sink_refused};
    return &events;
}

/* ---- Stopping ---- */

/* No timer and no answer comes any more. */
static void halt(struct mg_gateway *g)
{
    g->is_running = false;
    g->is_stopped = true;
    mg_timer_stop(&g->flush_timer);
    mg_clock_events_stop(g);
    for (size_t i = 0; g->meters != NULL && i < g->n_meters; i++) {
        mg_poller_stop(&g->meters[i]);
        mg_procedure_stop(&g->meters[i]);
    }
    for (size_t i = 0; g->meters != NULL && i < g->n_meters; i++) {
        mg_can_meter_detach(&g->meters[i]);
        mg_duties_stop(&g->meters[i]);
    }
    for (size_t i = 0; g->lines != NULL && i < g->n_lines; i++) {
        if (g->lines[i].bus != NULL) {
            mg_modbus_destroy(g->lines[i].bus);
            g->lines[i].bus = NULL;
        }
        mg_can_destroy(g->lines[i].can);
        g->lines[i].can = NULL;
    }
    for (size_t i = 0; g->meters != NULL && i < g->n_meters; i++) {
        mg_can_meter_close(&g->meters[i]);
    }
}

void mg_gateway_stop(struct mg_gateway *g)
{
    g->is_stopped = true;
    for (size_t i = 0; i < g->n_meters; i++) {
        mg_session_stop(&g->meters[i]);
        mg_procedure_cancel(&g->meters[i]);
    }
    halt(g);
    if (!g->is_loaded) {
        return;
    }
    g->is_loaded = false;
    for (size_t i = 0; i < g->n_meters; i++) {
        struct meter *m = &g->meters[i];
        mg_pipeline_flush(m);
        if (m->is_check_dirty) {
            mg_memory_save_check(m);
        }
        mg_sequence_clean(m);
    }
    mg_logbook_stop(g);
    mg_event(g, NULL, MG_LOG_INFO, "stopped", NULL, "gateway %s stopped",
             g->setup->gateway);
    mg_store_flush(g->store);
}

void mg_gateway_destroy(struct mg_gateway *g)
{
    if (g == NULL) {
        return;
    }
    g->is_loaded = false; /* without a clean stop nothing is stored: the store
                           * may be gone */
    halt(g);
    for (size_t i = 0; g->meters != NULL && i < g->n_meters; i++) {
        mg_session_free(&g->meters[i]);
        mg_can_meter_free(&g->meters[i]);
        mg_duties_free(&g->meters[i]);
        mg_seal_free(&g->meters[i]);
        free(g->meters[i].live);
        free(g->meters[i].batch.buf);
        mg_task_free(&g->meters[i]);
    }
    for (size_t i = 0; i < g->n_plans; i++) {
        free(g->plans[i]);
    }
    mg_station_close(g->station);
    mg_logbook_free(g);
    mg_datasets_close(g->datasets);
    free(g->ocmf);
    free(g->plans);
    free(g->meters);
    free(g->lines);
    free(g);
}

/* ---- Looking ---- */

size_t mg_gateway_n_meters(const struct mg_gateway *g)
{
    return g->n_meters;
}

void mg_gateway_meter(const struct mg_gateway *g, size_t meter,
                      struct mg_meter_view *ret)
{
    const struct meter *m = &g->meters[meter];
    *ret = (struct mg_meter_view){.setup = m->setup,
                                  .state = m->state,
                                  .reason = m->reason,
                                  .live = m->live,
                                  .n_polls = m->n_polls,
                                  .n_good = m->n_good,
                                  .n_missed = m->n_missed};
}

void mg_gateway_stats(const struct mg_gateway *g, struct mg_gateway_stats *ret)
{
    struct mg_gateway_stats s = {.n_meters = g->n_meters,
                                 .n_readings = g->n_readings,
                                 .n_unstored = g->n_unstored};
    for (size_t i = 0; i < g->n_meters; i++) {
        const struct meter *m = &g->meters[i];
        s.n_polls += m->n_polls;
        s.n_good += m->n_good;
        s.n_missed += m->n_missed;
        s.n_online +=
            m->state == MG_METER_ONLINE || m->state == MG_METER_DEGRADED;
        s.n_offline += m->state == MG_METER_OFFLINE;
    }
    for (size_t i = 0; i < g->n_lines; i++) {
        if (g->lines[i].bus != NULL) {
            const struct mg_modbus_stats *b = mg_modbus_stats(g->lines[i].bus);
            s.n_requests += b->n_requests;
            s.n_timeouts += b->n_timeouts;
        }
    }
    s.latency_p50_us = mg_latency_percentile(&g->latency, 500);
    s.latency_p99_us = mg_latency_percentile(&g->latency, 990);
    *ret = s;
}

bool mg_gateway_line_is_up(const struct mg_gateway *g, size_t meter,
                           char *ret_reason)
{
    const struct line *line = g->meters[meter].line;
    (void)snprintf(ret_reason, MG_ERR_TEXT, "%s",
                   line->complaint.n_failures > 0 ? line->reason : "");
    return line->is_up;
}

/* A number that is not reserved in time would cost a reading. */
static bool is_short_of_numbers(const struct mg_gateway *g)
{
    for (size_t i = 0; i < g->n_meters; i++) {
        const struct sequence *s = &g->meters[i].seq;
        if (s->last + NUMBERS_LEFT_MIN > s->durable) {
            return true;
        }
    }
    return false;
}

bool mg_gateway_is_behind(struct mg_gateway *g)
{
    if (g->store == NULL || g->is_stopped) {
        return false;
    }
    bool is_behind = !g->is_running ||
                     g->last_ticket > g->durable_ticket + BEHIND_MAX ||
                     is_short_of_numbers(g);
    if (is_behind) {
        mg_store_flush(g->store);
    }
    return is_behind;
}

void mg_gateway_read_once(struct mg_gateway *g, size_t meter)
{
    mg_poller_once(&g->meters[meter]);
}
