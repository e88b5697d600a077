/* Sessions of a meter that signs, with one fault at every single request: the
 * driver and the simulated meter of the WM3M4C, the real store, virtual time.
 * Whatever happens, the transaction ends with one record, verified; none is
 * lost, none doubled.
 *
 * MG_ALL=1 tries every request; otherwise every STRIDE-th. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../plugins/wm3m4c/options.h"
#include "base/log.h"
#include "gateway_bed.h"
#include "sim/device.h"
#include "store/dataset.h"
#include "wire/crc16.h"

#define UNIT        33
#define STRIDE      5
#define TURN_MS     5
#define ASKS_MAX    40
#define RECORDS_MAX 40

enum fault {
    FAULT_NONE,
    FAULT_KILL_BEFORE, /* the gateway dies, the meter has not got the request */
    FAULT_KILL_AFTER,  /* the meter has acted */
    FAULT_NO_REQUEST,
    FAULT_NO_ANSWER,
    FAULT_NOISE,
    FAULT_SILENCE, /* of 20 s */
    FAULT_POWER,
    FAULT_RESET,
    N_FAULTS
};

static const char *const fault_names[] = {
    "none",  "kill before", "kill after", "request lost", "answer lost",
    "noise", "silence",     "power loss", "reset"};

struct site {
    struct gateway_bed bed;
    struct wm3m4c_options options;
    struct mg_sim_device *device;
    uint64_t base_ns;   /* the meter's time at 0 of the bed's clock */
    uint64_t silent_ns; /* says nothing until then */
    struct mg_timer timer;
    struct mg_transport *line;
    uint8_t answer[300];
    size_t answer_len;
    unsigned n_requests, fault_at;
    enum fault fault;
    bool is_killed, is_begun;
    bool was_running, is_begun_at_fault; /* when the fault came */
};

static uint64_t meter_ns(const struct site *s)
{
    return s->base_ns + mg_clock_now_ns(s->bed.clock);
}

static void answer_due(struct mg_timer *timer)
{
    struct site *s =
        (struct site *)((char *)timer - offsetof(struct site, timer));
    mg_transport_memory_deliver(s->line, s->answer, s->answer_len);
}

static uint16_t status_47000(struct site *s)
{
    static const uint8_t read[] = {3, 0x1b, 0x58, 0, 1};
    uint8_t reply[MG_PDU_MAX] = {0};
    size_t n = mg_sim_device_pdu(s->device, UNIT, read, sizeof read, reply);
    uint16_t status = (uint16_t)(reply[2] << 8 | reply[3]);
    return n == 4 ? status : 0;
}

/* @return whether the meter gets the request */
static bool strike(struct site *s)
{
    s->was_running = status_47000(s) != 0;
    s->is_begun_at_fault = s->is_begun;
    switch (s->fault) {
    case FAULT_KILL_BEFORE:
        s->is_killed = true;
        return false;
    case FAULT_NO_REQUEST:
        return false;
    case FAULT_SILENCE:
        s->silent_ns = meter_ns(s) + 20000 * BED_MS;
        return false;
    case FAULT_POWER:
        mg_sim_device_power_cycle(s->device, 700);
        return false;
    case FAULT_RESET:
        (void)mg_sim_device_fault(s->device, MG_FW_FAULT_RESET);
        return false;
    default:
        return true;
    }
}

static void finish_answer(struct site *s, bool is_struck)
{
    if (is_struck && s->fault == FAULT_KILL_AFTER) {
        s->is_killed = true;
        return;
    }
    if (is_struck && s->fault == FAULT_NO_ANSWER) {
        return;
    }
    if (is_struck && s->fault == FAULT_NOISE) {
        s->answer[s->answer_len / 2] ^= 0x10;
    }
    mg_timer_start(s->bed.clock, &s->timer,
                   mg_clock_now_ns(s->bed.clock) + TURN_MS * BED_MS,
                   answer_due);
}

static void peer(void *ctx, struct mg_transport *line, const uint8_t *data,
                 size_t len)
{
    struct site *s = ctx;
    (void)line;
    bool is_struck = ++s->n_requests == s->fault_at;
    mg_sim_device_run(s->device, meter_ns(s));
    if ((is_struck && !strike(s)) || s->is_killed ||
        meter_ns(s) < s->silent_ns) {
        return;
    }
    uint8_t *a = s->answer;
    size_t n = mg_sim_device_pdu(s->device, data[0], data + 1, len - 3, a + 1);
    if (n == 0) {
        return;
    }
    a[0] = data[0];
    uint16_t crc = mg_crc16(a, n + 1);
    a[n + 1] = (uint8_t)crc;
    a[n + 2] = (uint8_t)(crc >> 8);
    s->answer_len = n + 3;
    finish_answer(s, is_struck);
}

static struct mg_transport *open_line(void *ctx, size_t bus)
{
    struct site *s = ctx;
    (void)bus;
    struct mg_transport *line = mg_transport_memory(s->bed.clock, 0, peer, s);
    assert_non_null(line);
    s->line = line;
    return line;
}

static void set_option(struct site *s, const char *name, const char *text)
{
    size_t index;
    struct mg_err err = {0};
    assert_int_equal(mg_options_set(wm3m4c_options, WM3M4C_N_OPTIONS,
                                    &s->options, name, text, &index, &err),
                     MG_OK);
}

static struct site *new_site(void)
{
    struct site *s = calloc(1, sizeof *s);
    assert_non_null(s);
    bed_init(&s->bed, 1);
    struct mg_err err = {0};
    assert_int_equal(
        mg_plugins_load_file(&s->bed.plugins, MG_TEST_WM3M4C, &err), MG_OK);
    struct mg_setup_meter *m = &s->bed.meters[0];
    m->plugin = mg_plugins_find(&s->bed.plugins, "wm3m4c");
    assert_non_null(m->plugin);
    mg_options_default(wm3m4c_options, WM3M4C_N_OPTIONS, &s->options);
    m->options = &s->options;
    m->unit = UNIT;
    m->timeout_ms = m->plugin->driver->timeout_ms;
    m->gap_ms = m->plugin->driver->min_gap_ms;
    m->max_registers = m->plugin->driver->max_registers;
    m->max_gap = m->plugin->driver->max_gap;
    s->bed.setup.n_buses = 1;
    s->bed.buses[0].modbus.baud = 115200;
    s->bed.buses[0].modbus.char_bits = 10;
    s->bed.line = open_line;
    s->bed.line_ctx = s;
    bed_allow(&s->bed, 0, "session");
    set_option(s, "sign-time", "300");
    return s;
}

static void start_site(struct site *s)
{
    struct mg_sim_profile profile = {.is_fixed = true,
                                     .fixed = {.voltage_mv = 230000,
                                               .current_ma = 32000,
                                               .frequency_mhz = 50000}};
    s->device =
        mg_sim_device_create(s->bed.meters[0].plugin, &s->options, &profile, 1,
                             18230001, UNIT, 115200, BED_UTC_MS);
    assert_non_null(s->device);
    bed_run(&s->bed);
    bed_pass(&s->bed, 3000);
}

static void done_with(struct site *s)
{
    mg_timer_stop(&s->timer);
    bed_fini(&s->bed);
    mg_sim_device_destroy(s->device);
    free(s);
}

/* Five seconds pass while the gateway is away. */
static void revive(struct site *s)
{
    s->base_ns = meter_ns(s) + 5000 * BED_MS;
    mg_timer_stop(&s->timer);
    bed_kill(&s->bed);
    s->is_killed = false;
    bed_run(&s->bed);
    bed_pass(&s->bed, 2000);
}

static void pass(struct site *s, uint64_t ms)
{
    for (uint64_t t = 0; t < ms; t += 50) {
        bed_pass(&s->bed, 50);
        if (s->is_killed) {
            revive(s);
            return;
        }
    }
}

/* Ask until it is done, as a charger does. */
static void ask(struct site *s, const char *verb, const char *payload)
{
    for (int i = 0; i < ASKS_MAX; i++) {
        size_t n = s->bed.n_replies;
        bed_command(&s->bed, "m0", verb, payload);
        for (int k = 0; k < 1400 && s->bed.n_replies == n; k++) {
            bed_pass(&s->bed, 50);
            if (s->is_killed) {
                revive(s);
                break;
            }
        }
        if (s->bed.n_replies > n &&
            strstr(s->bed.replies[s->bed.n_replies - 1], "\"ok\":true")) {
            s->bed.n_replies = 0;
            return;
        }
        s->bed.n_replies = 0;
        pass(s, 2000);
    }
    fail_msg("%s was not done in %d tries", verb, ASKS_MAX);
}

static void run_session(struct site *s)
{
    ask(s, "session-begin", "{\"transaction\":\"tx-1\"}");
    s->is_begun = true;
    pass(s, 4000);
    ask(s, "session-intermediate", "{}");
    pass(s, 2000);
    ask(s, "session-end", "{\"transaction\":\"tx-1\"}");
    pass(s, 3000);
}

/* ---- What must be true afterwards ---- */

struct seen {
    unsigned n_transactions, n_open, n_gaps;
    bool is_billable, is_invalid;
    char why[160];
    unsigned n;
    uint64_t pages[RECORDS_MAX];
};

static void look(struct site *s, struct seen *ret)
{
    struct mg_err err = {0};
    struct mg_datasets *all = mg_datasets_open(s->bed.path, &err);
    assert_non_null(all);
    struct mg_dataset_filter filter = {0};
    struct mg_dataset d;
    memset(ret, 0, sizeof *ret);
    while (mg_datasets_next(all, &filter, &d, &err) == MG_OK) {
        filter.after_id = d.id;
        ret->n_open += d.state == MG_DATASET_OPEN;
        if (d.state != MG_DATASET_DONE) {
            continue;
        }
        ret->is_invalid |= strcmp(d.verdict, "valid") != 0;
        assert_true(ret->n < RECORDS_MAX);
        ret->pages[ret->n++] = d.pagination;
        if (d.kind == MG_DATASET_TRANSACTION) {
            ret->n_transactions++;
            ret->is_billable = d.is_billable;
            (void)snprintf(ret->why, sizeof ret->why, "%s", d.why);
            assert_string_equal(d.transaction, "tx-1");
        }
    }
    mg_datasets_close(all);
}

static void check_pages(const struct seen *seen, bool may_have_gaps)
{
    for (unsigned i = 0; i < seen->n; i++) {
        unsigned n_same = 0, n_next = 0, n_first = 0;
        for (unsigned k = 0; k < seen->n; k++) {
            n_same += seen->pages[k] == seen->pages[i];
            n_next += seen->pages[k] + 1 == seen->pages[i];
            n_first += seen->pages[k] < seen->pages[i];
        }
        assert_int_equal(n_same, 1);
        if (!may_have_gaps) {
            assert_int_equal(n_next, n_first == 0 ? 0 : 1);
        }
    }
}

/* @return requests until the end */
static unsigned try(enum fault fault, unsigned at)
{
    struct site *s = new_site();
    s->fault = fault;
    s->fault_at = at;
    start_site(s);
    run_session(s);
    struct seen seen;
    look(s, &seen);
    bool is_meter_hurt = fault == FAULT_POWER || fault == FAULT_RESET;
    /* A reset while it begins: begun anew, or marked. */
    bool is_reset = fault == FAULT_RESET;
    bool is_either = is_reset && !s->is_begun_at_fault && s->was_running;
    if (seen.n_transactions != 1 || seen.n_open != 0 || seen.is_invalid ||
        (!is_either && seen.is_billable != !(is_reset && s->was_running))) {
        fail_msg("%s at request %u: %u records, %u open, %s: %s",
                 fault_names[fault], at, seen.n_transactions, seen.n_open,
                 seen.is_billable ? "billable" : "not billable", seen.why);
    }
    check_pages(&seen, is_meter_hurt);
    assert_int_equal(status_47000(s), 0);
    unsigned n = s->n_requests;
    done_with(s);
    return n;
}

static void try_everywhere(enum fault fault)
{
    mg_log_set_level(MG_LOG_ERROR);
    unsigned n = try(FAULT_NONE, 0);
    assert_true(n > 100);
    bool is_all = getenv("MG_ALL") != NULL;
    unsigned n_tried = 0;
    for (unsigned at = is_all ? 1 : 1 + (unsigned)fault; at <= n;
         at += is_all ? 1 : STRIDE) {
        (void)try(fault, at);
        n_tried++;
    }
    print_message("%s: %u of %u requests\n", fault_names[fault], n_tried, n);
}

static void test_kill_before(void **state)
{
    (void)state;
    try_everywhere(FAULT_KILL_BEFORE);
}

static void test_kill_after(void **state)
{
    (void)state;
    try_everywhere(FAULT_KILL_AFTER);
}

static void test_lost_request(void **state)
{
    (void)state;
    try_everywhere(FAULT_NO_REQUEST);
}

static void test_lost_answer(void **state)
{
    (void)state;
    try_everywhere(FAULT_NO_ANSWER);
}

static void test_noise(void **state)
{
    (void)state;
    try_everywhere(FAULT_NOISE);
}

static void test_silence(void **state)
{
    (void)state;
    try_everywhere(FAULT_SILENCE);
}

static void test_power_loss(void **state)
{
    (void)state;
    try_everywhere(FAULT_POWER);
}

static void test_reset(void **state)
{
    (void)state;
    try_everywhere(FAULT_RESET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kill_before),  cmocka_unit_test(test_kill_after),
        cmocka_unit_test(test_lost_request), cmocka_unit_test(test_lost_answer),
        cmocka_unit_test(test_noise),        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_power_loss),   cmocka_unit_test(test_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
