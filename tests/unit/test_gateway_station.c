/* A charging station in virtual time: the whole gateway with its store and its
 * key, and the simulated CPKM3000 on a CAN bus in memory, with somebody in
 * between who can hold back and repeat what the meter says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../plugins/cpkm3000/options.h"
#include "base/log.h"
#include "crypto/signer.h"
#include "gateway_bed.h"
#include "model/ocmf_build.h"
#include "run/session_priv.h"
#include "sim/can_meter.h"
#include "store/dataset.h"

#define NODE      5
#define SERIAL    25130001
#define ANSWER_ID (0x6e0 + NODE) /* MeterAnswer, all of ISO-TP */
#define BEGIN     "{\"transaction\":\"7\"}"
#define KOALA     "urn:fault:koala:"
#define TAPE_MAX  64

struct site {
    struct gateway_bed bed;
    char key_file[128];
    struct mg_dbc *dbc;
    struct cpkm3000_options options;
    struct mg_sim_can_bus *bus;
    struct mg_sim_device *device;
    struct mg_sim_can_meter *meter;
    struct mg_can_transport *line; /* the gateway's */
    /* Who is in between. */
    struct mg_sim_can_node tap;
    bool is_cut;                        /* the gateway hears nothing */
    bool is_mute;                       /* nor any message */
    bool is_nameless;                   /* nor who the meter is */
    unsigned n_messages;                /* that the meter has begun to send */
    struct mg_can_frame tape[TAPE_MAX]; /* the newest message */
    size_t n_tape;
};

/* ---- In between ---- */

static struct site *site_of(struct mg_sim_can_node *tap)
{
    return (struct site *)((char *)tap - offsetof(struct site, tap));
}

static void from_meter(struct mg_sim_can_node *tap,
                       const struct mg_can_frame *frame)
{
    struct site *s = site_of(tap);
    bool is_message = frame->id == ANSWER_ID;
    unsigned kind = frame->data[0] >> 4;
    if (is_message && kind <= 1) {
        s->n_tape = 0;
        s->n_messages++;
    }
    if (is_message && kind <= 2 && s->n_tape < TAPE_MAX) {
        s->tape[s->n_tape++] = *frame;
    }
    /* The first of the frames that say who it is. */
    bool is_name = is_message && kind == 1 && frame->data[2] == 0x50;
    if (s->line != NULL && !s->is_cut && !(is_message && s->is_mute) &&
        !(is_name && s->is_nameless)) {
        mg_can_transport_memory_deliver(s->line, frame);
    }
}

static void from_gateway(void *ctx, const struct mg_can_frame *frame)
{
    struct site *s = ctx;
    mg_sim_can_bus_send(s->bus, &s->tap, frame);
}

static struct mg_can_transport *open_can(void *ctx, size_t bus)
{
    struct site *s = (struct site *)((char *)ctx - offsetof(struct site, bed));
    assert_int_equal(bus, 0);
    s->line = mg_can_transport_memory(s->bed.clock, from_gateway, s);
    assert_non_null(s->line);
    return s->line;
}

static void replay(struct site *s, const struct mg_can_frame *tape, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        mg_can_transport_memory_deliver(s->line, &tape[i]);
    }
    bed_pass(&s->bed, 100);
}

/* ---- Building it ---- */

/* @param is_far  the second page of the multiplexed message is number 200 */
static struct mg_dbc *read_dbc(bool is_far)
{
    struct mg_err err = {0};
    char *text = calloc(1, 65536);
    FILE *file = fopen(MG_TEST_DBC, "rb");
    assert_non_null(text);
    assert_non_null(file);
    size_t n = fread(text, 1, 65000, file);
    assert_int_equal(fclose(file), 0);
    char *page = strstr(text, "Boots m1 ");
    if (is_far) {
        assert_non_null(page);
        memmove(page + 10, page + 8, n - (size_t)(page + 8 - text));
        memcpy(page, "Boots m200", 10);
        n += 2;
    }
    struct mg_dbc *dbc = mg_dbc_parse("cpkm3000.dbc", text, n, &err);
    free(text);
    if (dbc == NULL) {
        fail_msg("%s", err.text);
    }
    return dbc;
}

static struct site *new_site(void)
{
    struct site *s = calloc(1, sizeof *s);
    struct mg_err err = {0};
    assert_non_null(s);
    mg_log_set_level(MG_LOG_ERROR);
    bed_init(&s->bed, 1);
    assert_int_equal(
        mg_plugins_load_file(&s->bed.plugins, MG_TEST_CPKM3000, &err), MG_OK);
    s->dbc = read_dbc(false);
    struct mg_setup_meter *m = &s->bed.meters[0];
    m->plugin = mg_plugins_find(&s->bed.plugins, "cpkm3000");
    assert_non_null(m->plugin);
    mg_options_default(m->plugin->options, m->plugin->n_options, &s->options);
    m->options = &s->options;
    m->unit = NODE;
    m->dbc = s->dbc;
    m->timeout_ms = m->plugin->driver->timeout_ms;
    m->session.form = MG_OCMF_FORM_CHARGEPOINT;
    m->session.current_limit_ma = 16000;
    m->session.is_contactor = true;
    bed_allow(&s->bed, 0, "session");
    bed_allow(&s->bed, 0, "relay");
    bed_allow(&s->bed, 0, "seal");
    bed_allow(&s->bed, 0, "clear-fault");
    s->bed.setup.n_buses = 1;
    s->bed.buses[0].type = MG_SETUP_SOCKETCAND;
    s->bed.can_line = open_can;
    s->bed.setup.station.is_enabled = true;
    (void)snprintf(s->key_file, sizeof s->key_file, "%s/station.pem",
                   s->bed.dir);
    assert_int_equal(
        mg_key_generate_file(s->key_file, MG_CURVE_SECP256R1, &err), MG_OK);
    s->bed.setup.station.key_file = s->key_file;
    return s;
}

/* Ten amperes; the meter has been on for two seconds. */
static void plug_in(struct site *s, uint32_t serial)
{
    struct mg_err err = {0};
    const struct mg_sim_can_bus_settings bus = {.seed = 1};
    const struct mg_setup_meter *m = &s->bed.meters[0];
    const struct mg_sim_profile profile = {.is_fixed = true,
                                           .fixed = {.voltage_mv = 230000,
                                                     .current_ma = 10000,
                                                     .frequency_mhz = 50000}};
    s->bus = mg_sim_can_bus_create(NULL, s->bed.clock, &bus, &err);
    assert_non_null(s->bus);
    s->device = mg_sim_device_create(m->plugin, m->options, &profile, 1, serial,
                                     NODE, 0, BED_UTC_MS);
    assert_non_null(s->device);
    const struct mg_sim_can_meter_settings set = {
        .clock = s->bed.clock,
        .bus = s->bus,
        .plugin = m->plugin,
        .dbc = s->dbc,
        .node = NODE,
        .sides[0] = {.is_used = true,
                     .variant = m->plugin->variant(m->options)},
        .lived_ns = 2000 * BED_MS};
    s->meter = mg_sim_can_meter_create(&set, s->device, &err);
    assert_non_null(s->meter);
    s->tap.frame = from_meter;
    mg_sim_can_bus_attach(s->bus, &s->tap);
}

static void unplug(struct site *s)
{
    mg_sim_can_meter_destroy(s->meter);
    mg_sim_can_bus_destroy(s->bus);
    s->meter = NULL;
    s->bus = NULL;
}

static struct site *running_site(void)
{
    struct site *s = new_site();
    s->bed.clock = mg_clock_create_virtual(BED_UTC_MS);
    plug_in(s, SERIAL);
    bed_run(&s->bed);
    bed_pass(&s->bed, 5000);
    assert_int_equal(s->bed.states[0], MG_METER_ONLINE);
    return s;
}

/* The gateway dies at once; meter and time go on. */
static void kill_gateway(struct site *s)
{
    mg_store_close(s->bed.store);
    s->bed.store = NULL;
    s->line = NULL;
    mg_gateway_destroy(s->bed.gateway);
    s->bed.gateway = NULL;
    (void)uv_run(&s->bed.loop, UV_RUN_NOWAIT);
}

static void done_with(struct site *s)
{
    mg_gateway_stop(s->bed.gateway);
    kill_gateway(s);
    unplug(s);
    mg_clock_destroy(s->bed.clock);
    s->bed.clock = NULL;
    assert_int_equal(unlink(s->key_file), 0);
    bed_fini(&s->bed);
    mg_dbc_destroy(s->dbc);
    free(s);
}

/* ---- Using it ---- */

static void set_current(struct site *s, int64_t ma)
{
    mg_sim_can_meter_live(s->meter);
    mg_sim_device_set_current(s->device, 0, ma);
}

static bool is_closed(struct site *s)
{
    struct mg_fw_outputs outputs;
    mg_sim_can_meter_live(s->meter);
    mg_sim_device_outputs(s->device, &outputs);
    return outputs.circuit[0].load_connected;
}

/* @return milliseconds until the relays are as wished; UINT64_MAX: not so soon
 */
static uint64_t until(struct site *s, bool closed, uint64_t max_ms)
{
    for (uint64_t ms = 0; ms < max_ms; ms += 50) {
        if (is_closed(s) == closed) {
            return ms;
        }
        bed_pass(&s->bed, 50);
    }
    return UINT64_MAX;
}

static bool has_fault(struct site *s, const char *fault)
{
    char quoted[96];
    (void)snprintf(quoted, sizeof quoted, "\"%s\"", fault);
    return strstr(bed_topic(&s->bed, "m/m0/faults"), quoted) != NULL;
}

/* @return the answer; waits for a minute at most */
static const char *ask(struct site *s, const char *verb, const char *payload)
{
    size_t n = s->bed.n_replies;
    bed_command(&s->bed, "m0", verb, payload);
    for (int i = 0; i < 1200 && s->bed.n_replies == n; i++) {
        bed_pass(&s->bed, 50);
    }
    assert_true(s->bed.n_replies > n);
    return s->bed.replies[s->bed.n_replies - 1];
}

static void ask_ok(struct site *s, const char *verb, const char *payload)
{
    const char *answer = ask(s, verb, payload);
    if (strstr(answer, "\"ok\":true") == NULL) {
        fail_msg("%s: %s", verb, answer);
    }
}

static void assert_refused(const char *answer, const char *why)
{
    if (strstr(answer, "\"ok\":false") == NULL || strstr(answer, why) == NULL) {
        fail_msg("not \"%s\" but %s", why, answer);
    }
}

static bool is_idle(struct site *s)
{
    /* The key is at work in another thread, in true time. */
    while (s->bed.gateway->meters[0].session->is_signing) {
        (void)uv_run(&s->bed.loop, UV_RUN_ONCE);
    }
    return strstr(bed_topic(&s->bed, "m/m0/session"), "\"idle\"") != NULL;
}

/* @return records of transaction 7 that are done */
static unsigned n_records(struct site *s, struct mg_dataset *ret)
{
    struct mg_err err = {0};
    struct mg_dataset_filter filter = {0};
    struct mg_dataset d;
    unsigned n = 0;
    bed_settle(&s->bed);
    struct mg_datasets *all = mg_datasets_open(s->bed.path, &err);
    assert_non_null(all);
    while (mg_datasets_next(all, &filter, &d, &err) == MG_OK) {
        filter.after_id = d.id;
        if (d.state == MG_DATASET_DONE && strcmp(d.transaction, "7") == 0) {
            assert_string_equal(d.verdict, "valid");
            /* Who the meter is was known before. */
            assert_non_null(strstr(d.record, "\"MF\":"));
            *ret = d;
            n++;
        }
    }
    mg_datasets_close(all);
    return n;
}

/* ---- Sessions ---- */

static void test_session(void **state)
{
    (void)state;
    struct site *s = running_site();
    struct mg_dataset d;
    ask_ok(s, "session-begin", BEGIN);
    bed_pass(&s->bed, 3000);
    assert_true(is_closed(s));
    ask_ok(s, "session-end", BEGIN);
    bed_pass(&s->bed, 3000);
    assert_false(is_closed(s));
    assert_int_equal(n_records(s, &d), 1);
    assert_true(d.is_billable);
    assert_true(is_idle(s));
    done_with(s);
}

static void test_lost_challenges(void **state)
{
    (void)state;
    struct site *s = running_site();
    struct mg_dataset d;
    s->is_mute = true;
    bed_command(&s->bed, "m0", "session-begin", BEGIN);
    bed_pass(&s->bed, 2500);
    assert_int_equal(s->bed.n_replies, 0);
    s->is_mute = false;
    bed_pass(&s->bed, 3000);
    assert_int_equal(s->bed.n_replies, 1);
    assert_non_null(strstr(s->bed.replies[0], "\"ok\":true"));

    /* Longer than it is asked: the session ends all the same. */
    s->is_mute = true;
    bed_command(&s->bed, "m0", "session-end", BEGIN);
    bed_pass(&s->bed, 60000);
    assert_int_equal(s->bed.n_replies, 2);
    assert_refused(s->bed.replies[1], "the session ends when it does");
    s->is_mute = false;
    bed_pass(&s->bed, 5000);
    assert_true(is_idle(s));
    assert_int_equal(n_records(s, &d), 1);
    assert_true(d.is_billable);
    assert_int_equal(bed_n_events(&s->bed, "telegram-refused"), 0);
    done_with(s);
}

static unsigned second_circuit(const void *options)
{
    (void)options;
    return 1;
}

static const struct mg_can_driver *true_can; /* of identity_of_second */

static int identity_of_second(const uint8_t *message, size_t len,
                              struct mg_identity *ret)
{
    int rc = true_can->identity(message, len, ret);
    ret->circuit = rc == MG_OK ? 1 : ret->circuit;
    return rc;
}

/* A meter that is the second circuit of its device: neither an identity nor a
 * telegram of the first is taken for its own. */
static void check_other_circuit(bool is_known, const char *event,
                                const char *why)
{
    struct site *s = new_site();
    struct mg_setup_meter *m = &s->bed.meters[0];
    struct mg_plugin plugin = *m->plugin;
    struct mg_driver driver = *plugin.driver;
    struct mg_can_driver can = *driver.can;
    true_can = driver.can;
    can.to_meter[1] = can.to_meter[0];
    can.from_meter[1] = can.from_meter[0];
    can.identity = is_known ? identity_of_second : can.identity;
    driver.can = &can;
    plugin.driver = &driver;
    s->bed.clock = mg_clock_create_virtual(BED_UTC_MS);
    plug_in(s, SERIAL);
    plugin.circuit = second_circuit;
    m->plugin = &plugin;
    bed_run(&s->bed);
    bed_pass(&s->bed, 30000);
    assert_int_equal(s->bed.states[0], MG_METER_ONLINE);
    assert_int_equal(bed_n_events(&s->bed, event), 1);
    assert_refused(ask(s, "session-begin", BEGIN), why);
    done_with(s);
}

static void test_other_circuit(void **state)
{
    (void)state;
    check_other_circuit(false, "wrong-circuit", "two meters answers for it");
    check_other_circuit(true, "telegram-refused", "another circuit");
}

static void test_replay(void **state)
{
    (void)state;
    struct site *s = running_site();
    struct mg_can_frame old[TAPE_MAX];
    struct mg_dataset d;
    ask_ok(s, "session-begin", BEGIN);
    bed_pass(&s->bed, 2000);
    size_t n = s->n_tape;
    memcpy(old, s->tape, sizeof old);
    assert_true(n > 20); /* a telegram */
    bed_pass(&s->bed, 2000);
    replay(s, old, n);
    assert_int_equal(bed_n_events(&s->bed, "telegram-refused"), 1);
    assert_true(has_fault(s, KOALA "signature-verification-failed"));
    replay(s, old, n);
    assert_int_equal(bed_n_events(&s->bed, "telegram-refused"), 1);
    assert_refused(ask(s, "session-fiscal", "{}"), "replayed");

    /* A fresh one ends it, but not for this session. */
    bed_pass(&s->bed, 6000);
    assert_int_equal(bed_n_events(&s->bed, "telegram-accepted"), 1);
    assert_false(has_fault(s, KOALA "signature-verification-failed"));
    ask_ok(s, "session-end", BEGIN);
    bed_pass(&s->bed, 2000);
    assert_int_equal(n_records(s, &d), 1);
    assert_false(d.is_billable);
    done_with(s);
}

/* Whoever repeats them all day fills no log, and a kill forgives nothing. */
static void test_replays_without_end(void **state)
{
    (void)state;
    struct site *s = running_site();
    struct mg_can_frame old[TAPE_MAX];
    size_t n = s->n_tape;
    memcpy(old, s->tape, sizeof old);
    for (int i = 0; i < 600; i++) {
        bed_pass(&s->bed, 900);
        replay(s, old, n);
    }
    assert_in_range(bed_n_events(&s->bed, "telegram-refused"), 8, 14);
    assert_true(has_fault(s, KOALA "signature-verification-failed"));
    s->is_mute = true;
    kill_gateway(s);
    bed_run(&s->bed);
    bed_pass(&s->bed, 3000);
    assert_true(has_fault(s, KOALA "signature-verification-failed"));
    assert_refused(ask(s, "session-begin", BEGIN), "before the restart");
    s->is_mute = false;
    bed_pass(&s->bed, 15000);
    assert_false(has_fault(s, KOALA "signature-verification-failed"));
    ask_ok(s, "session-begin", BEGIN);
    done_with(s);
}

static void test_gateway_dies_in_a_session(void **state)
{
    (void)state;
    struct site *s = running_site();
    struct mg_dataset d;
    ask_ok(s, "session-begin", BEGIN);
    bed_pass(&s->bed, 3000);
    kill_gateway(s);
    bed_run(&s->bed);
    bed_pass(&s->bed, 3000);
    assert_true(is_closed(s));
    assert_false(is_idle(s));
    bed_command(&s->bed, "m0", "session-end", BEGIN);
    kill_gateway(s); /* before the meter has answered */
    s->is_nameless = true;
    bed_run(&s->bed);
    bed_pass(&s->bed, 6000);
    s->is_nameless = false;
    bed_pass(&s->bed, 12000);
    assert_true(is_idle(s));
    assert_false(is_closed(s));
    assert_int_equal(n_records(s, &d), 1);
    assert_true(d.is_billable);
    done_with(s);
}

static void test_meter_away_at_the_end(void **state)
{
    (void)state;
    struct site *s = running_site();
    struct mg_dataset d;
    ask_ok(s, "session-begin", BEGIN);
    bed_command(&s->bed, "m0", "session-end", BEGIN);
    s->is_cut = true;
    bed_pass(&s->bed, 90000);
    assert_int_equal(s->bed.states[0], MG_METER_OFFLINE);
    assert_true(has_fault(s, KOALA "acm-comms-loss"));
    s->is_cut = false;
    bed_pass(&s->bed, 8000);
    assert_false(has_fault(s, KOALA "acm-comms-loss"));
    assert_true(is_idle(s));
    assert_int_equal(n_records(s, &d), 1);
    assert_true(d.is_billable);
    done_with(s);
}

/* ---- Readings ---- */

static void test_pages_far_apart(void **state)
{
    (void)state;
    struct site *s = new_site();
    mg_dbc_destroy(s->dbc);
    s->dbc = read_dbc(true);
    s->bed.meters[0].dbc = s->dbc;
    s->bed.clock = mg_clock_create_virtual(BED_UTC_MS);
    plug_in(s, SERIAL);
    bed_run(&s->bed);
    bed_pass(&s->bed, 5000);
    const struct mg_sample *live = &s->bed.samples[0][MG_GROUP_LIVE].sample;
    static const mg_channel paged[] = {MG_CH(TEMPERATURE, TOTAL),
                                       MG_CH(BOOTS, TOTAL)};
    for (size_t i = 0; i < 2; i++) {
        const struct mg_value *v = mg_sample_find(live, paged[i]);
        assert_non_null(v);
        assert_int_equal(v->quality, MG_QUALITY_GOOD);
    }
    done_with(s);
}

/* ---- Relays ---- */

/* The session ends while the order to close is still on its way. */
static void test_opened_while_closing(void **state)
{
    (void)state;
    struct site *s = running_site();
    ask_ok(s, "relay", "{\"closed\":false}");
    ask_ok(s, "session-begin", BEGIN);
    assert_true(until(s, true, 3000) < 3000);
    ask_ok(s, "session-suspend", BEGIN);
    assert_true(until(s, false, 3000) < 3000);
    s->is_mute = true;
    bed_command(&s->bed, "m0", "session-resume", BEGIN);
    assert_true(until(s, true, 3000) < 3000); /* but it is not known */
    size_t n = s->n_tape;
    struct mg_can_frame answer = s->tape[0];
    assert_int_equal(n, 1);
    bed_command(&s->bed, "m0", "session-end", BEGIN);
    s->is_mute = false;
    replay(s, &answer, 1);
    bed_pass(&s->bed, 5000);
    assert_false(is_closed(s));
    assert_true(is_idle(s));
    done_with(s);
}

/* ---- Overload ---- */

static bool is_suspended(struct site *s)
{
    return strstr(bed_topic(&s->bed, "m/m0/session"), "\"suspended\":true") !=
           NULL;
}

static void test_overload(void **state)
{
    (void)state;
    struct site *s = running_site();
    struct mg_dataset d;
    ask_ok(s, "session-begin", BEGIN);
    assert_true(until(s, true, 3000) < 3000);
    set_current(s, 19900); /* below 1.25 times 16 A: never */
    bed_pass(&s->bed, 60000);
    assert_true(is_closed(s));
    set_current(s, 20100);
    for (int i = 0; i < 4; i++) {
        uint64_t ms = until(s, false, 10000);
        assert_in_range(ms, 6000, 8850); /* and 1.1 s */
        bed_pass(&s->bed, 2000);
        assert_int_equal(has_fault(s, KOALA "ac-over-current-soft"), i < 3);
        assert_int_equal(has_fault(s, KOALA "ac-over-current"), i == 3);
        if (i < 3) {
            assert_true(is_suspended(s));
            assert_in_range(until(s, true, 6000), 1000, 5000);
            bed_pass(&s->bed, 1100);
            assert_false(is_suspended(s));
        }
    }
    /* Latched: the session has ended, and none begins. */
    bed_pass(&s->bed, 3000);
    assert_true(is_idle(s));
    assert_int_equal(n_records(s, &d), 1);
    assert_true(d.is_billable);
    assert_refused(ask(s, "session-begin", "{\"transaction\":\"8\"}"),
                   KOALA "ac-over-current");
    assert_refused(
        ask(s, "clear-fault", "{\"fault\":\"" KOALA "ac-over-current\"}"),
        "minute without power");
    bed_pass(&s->bed, 60000);
    assert_false(is_closed(s));
    done_with(s);
}

static void power_off(struct site *s, uint64_t ms)
{
    mg_sim_can_meter_live(s->meter);
    mg_sim_device_power_cycle(s->device, ms);
    bed_pass(&s->bed, ms + 6000);
}

/* Trip four times. */
static void latch(struct site *s)
{
    ask_ok(s, "session-begin", BEGIN);
    assert_true(until(s, true, 3000) < 3000);
    set_current(s, 25000);
    bed_pass(&s->bed, 70000);
    assert_true(has_fault(s, KOALA "ac-over-current"));
    assert_true(is_idle(s));
    assert_false(is_closed(s));
}

static void test_latch_needs_a_minute_off(void **state)
{
    (void)state;
    struct site *s = running_site();
    latch(s);
    set_current(s, 10000);
    power_off(s, 30000);
    assert_true(has_fault(s, KOALA "ac-over-current"));
    assert_false(is_closed(s)); /* which the meter does not know */

    /* The gateway goes off with it, long after the latch. */
    bed_pass(&s->bed, 120000);
    kill_gateway(s);
    mg_sim_can_meter_live(s->meter);
    mg_sim_device_power_cycle(s->device, 30000);
    mg_clock_advance(s->bed.clock,
                     mg_clock_now_ns(s->bed.clock) + 30000 * BED_MS);
    bed_run(&s->bed);
    bed_pass(&s->bed, 6000);
    assert_true(has_fault(s, KOALA "ac-over-current"));
    assert_false(is_closed(s));

    power_off(s, 61000);
    assert_false(has_fault(s, KOALA "ac-over-current"));
    assert_false(is_closed(s)); /* no session */
    ask_ok(s, "session-begin", "{\"transaction\":\"8\"}");
    assert_true(until(s, true, 3000) < 3000);
    done_with(s);
}

static void test_gateway_dies_while_tripped(void **state)
{
    (void)state;
    struct site *s = running_site();
    ask_ok(s, "session-begin", BEGIN);
    assert_true(until(s, true, 3000) < 3000);
    set_current(s, 25000);
    assert_in_range(until(s, false, 10000), 7000, 9999);
    bed_pass(&s->bed, 1100);
    assert_true(is_suspended(s));
    kill_gateway(s);
    set_current(s, 10000);
    bed_run(&s->bed);
    assert_in_range(until(s, true, 9000), 4000, 8000);
    bed_pass(&s->bed, 3000);
    assert_false(is_suspended(s));
    done_with(s);
}

static void test_session_ends_while_tripped(void **state)
{
    (void)state;
    struct site *s = running_site();
    ask_ok(s, "session-begin", BEGIN);
    assert_true(until(s, true, 3000) < 3000);
    set_current(s, 25000);
    assert_in_range(until(s, false, 10000), 7000, 9999);
    bed_pass(&s->bed, 1100);
    s->is_mute = true; /* its last reading comes later than the attempt */
    bed_command(&s->bed, "m0", "session-end", BEGIN);
    bed_pass(&s->bed, 8000);
    assert_false(is_closed(s));
    s->is_mute = false;
    bed_pass(&s->bed, 5000);
    assert_true(is_idle(s));
    assert_false(is_closed(s));
    done_with(s);
}

static void test_suspended_by_somebody_stays_open(void **state)
{
    (void)state;
    struct site *s = running_site();
    ask_ok(s, "session-begin", BEGIN);
    assert_true(until(s, true, 3000) < 3000);
    ask_ok(s, "session-suspend", BEGIN);
    assert_true(until(s, false, 3000) < 3000);
    power_off(s, 5000); /* the meter closes them */
    assert_false(is_closed(s));
    ask_ok(s, "session-resume", BEGIN);
    assert_true(until(s, true, 3000) < 3000);
    done_with(s);
}

/* Nothing flows that is not on the disk. */
static void test_relays_wait_for_the_disk(void **state)
{
    (void)state;
    struct site *s = running_site();
    ask_ok(s, "relay", "{\"closed\":false}");
    assert_false(is_closed(s));
    s->bed.is_disk_slow = true;
    bed_command(&s->bed, "m0", "session-begin", BEGIN);
    bed_pass(&s->bed, 4000);
    assert_int_equal(s->bed.n_replies, 1);
    assert_false(is_closed(s));
    s->bed.is_disk_slow = false;
    mg_gateway_store_events()->durable(s->bed.gateway, s->bed.durable_ticket);
    bed_pass(&s->bed, 200);
    assert_int_equal(s->bed.n_replies, 2);
    assert_true(is_closed(s));
    done_with(s);
}

/* ---- The seal ---- */

static void test_mismatch_blocks(void **state)
{
    (void)state;
    struct site *s = running_site();
    bed_pass(&s->bed, 2000);
    s->bed.meters[0].session.loss_uohm = 23000; /* another cable */
    kill_gateway(s);
    bed_run(&s->bed);
    bed_command(&s->bed, "m0", "session-begin", BEGIN);
    bed_pass(&s->bed, 5000);
    assert_int_equal(s->bed.n_replies, 1);
    assert_refused(s->bed.replies[0], "");
    assert_true(has_fault(s, KOALA "eichrecht-meter-mismatch"));
    assert_refused(ask(s, "session-begin", BEGIN), "eichrecht-meter-mismatch");
    assert_refused(ask(s, "clear-fault",
                       "{\"fault\":\"" KOALA "eichrecht-meter-mismatch\"}"),
                   "cause");
    assert_refused(ask(s, "session-begin", BEGIN), "eichrecht-meter-mismatch");
    ask_ok(s, "seal", "{}");
    assert_false(has_fault(s, KOALA "eichrecht-meter-mismatch"));
    ask_ok(s, "session-begin", BEGIN);
    done_with(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session),
        cmocka_unit_test(test_lost_challenges),
        cmocka_unit_test(test_meter_away_at_the_end),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_other_circuit),
        cmocka_unit_test(test_replays_without_end),
        cmocka_unit_test(test_gateway_dies_in_a_session),
        cmocka_unit_test(test_pages_far_apart),
        cmocka_unit_test(test_opened_while_closing),
        cmocka_unit_test(test_overload),
        cmocka_unit_test(test_latch_needs_a_minute_off),
        cmocka_unit_test(test_gateway_dies_while_tripped),
        cmocka_unit_test(test_session_ends_while_tripped),
        cmocka_unit_test(test_suspended_by_somebody_stays_open),
        cmocka_unit_test(test_relays_wait_for_the_disk),
        cmocka_unit_test(test_mismatch_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
