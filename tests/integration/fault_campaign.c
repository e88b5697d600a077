/* Random reads of meters of which one answer in twenty is faulty: whatever
 * arrives, in virtual time or over a real pty, wrong data must never be
 * taken for an answer. MG_SEED sets the seed. */
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "hostile_slave.h"

#define N_REQUESTS    5000U
#define N_PTY         400U
#define FAULT_PERCENT 5U
#define UNITS_MAX     8U
#define MS            UINT64_C(1000000)

struct campaign;

struct reader {
    struct mg_modbus_request request;
    struct campaign *campaign;
    struct mg_modbus_unit *unit;
    struct mg_timer later;
    uint8_t address;
    bool is_pending;
};

struct campaign {
    struct mg_clock *clock;
    struct mg_modbus *bus;
    struct mg_transport *line;
    struct hostile slave;
    struct reader readers[UNITS_MAX];
    unsigned n_units, n_wanted, n_asked, n_done;
    unsigned n_ok, n_wrong, n_exceptions, n_timeouts, n_io;
    uint64_t n_opens; /* connections the slave knows of */

    uv_loop_t loop; /* over the pty */
    uv_poll_t poll;
    int master, held;
    uint8_t rx[8];
    size_t rx_len;
};

static uint64_t seed_of_run(void)
{
    const char *text = getenv("MG_SEED");
    uint64_t seed = text == NULL ? 1 : strtoull(text, NULL, 0);
    return seed == 0 ? 1 : seed;
}

/* ---- The reading side ---- */

static void ask(struct reader *r);

static void ask_later(struct mg_timer *timer)
{
    ask((struct reader *)((char *)timer - offsetof(struct reader, later)));
}

static bool is_right(const struct reader *r,
                     const struct mg_modbus_result *result)
{
    const uint8_t *asked = r->request.pdu;
    unsigned address = (unsigned)asked[1] << 8 | asked[2];
    unsigned count = (unsigned)asked[3] << 8 | asked[4];
    if (result->pdu_len != 2 + (size_t)count * 2 || result->pdu[0] != 3) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *p = result->pdu + 2 + 2 * (size_t)i;
        if (((unsigned)p[0] << 8 | p[1]) !=
            hostile_register(r->address, (uint16_t)(address + i))) {
            return false;
        }
    }
    return true;
}

static void answered(struct mg_modbus_request *request,
                     const struct mg_modbus_result *result)
{
    struct reader *r = (struct reader *)request;
    struct campaign *c = r->campaign;
    r->is_pending = false;
    c->n_done++;
    switch (result->code) {
    case MG_OK:
        c->n_ok++;
        c->n_wrong += !is_right(r, result);
        break;
    case MG_E_EXCEPTION:
        c->n_exceptions++;
        break;
    case MG_E_TIMEOUT:
        c->n_timeouts++;
        break;
    case MG_E_CANCELED:
        return;
    default:
        c->n_io++;
        break;
    }
    ask(r);
}

/* Few different counts: an answer to another request then fits well. */
static void ask(struct reader *r)
{
    static const uint8_t counts[] = {1, 2, 2, 10, 20, 125};
    struct campaign *c = r->campaign;
    if (c->n_asked == c->n_wanted) {
        return;
    }
    unsigned address = hostile_draw(&c->slave, 60000);
    uint8_t count = counts[hostile_draw(&c->slave, sizeof counts)];
    const uint8_t pdu[5] = {3, (uint8_t)(address >> 8), (uint8_t)address, 0,
                            count};
    memcpy(r->request.pdu, pdu, sizeof pdu);
    r->request.pdu_len = sizeof pdu;
    r->request.done = answered;
    if (mg_modbus_submit(r->unit, &r->request) == MG_OK) {
        r->is_pending = true;
        c->n_asked++;
    } else { /* the line is down, or the unit is taken for dead */
        mg_timer_start(c->clock, &r->later,
                       mg_clock_now_ns(c->clock) + 200 * MS, ask_later);
    }
}

static void begin(struct campaign *c, uint32_t timeout_ms)
{
    for (unsigned i = 0; i < c->n_units; i++) {
        struct reader *r = &c->readers[i];
        const struct mg_modbus_unit_settings set = {.unit = (uint8_t)(i + 1),
                                                    .timeout_ms = timeout_ms};
        r->campaign = c;
        r->address = set.unit;
        r->unit = mg_modbus_add_unit(c->bus, &set);
        assert_non_null(r->unit);
        ask(r);
    }
}

static void stop_timers(struct campaign *c)
{
    for (unsigned i = 0; i < c->n_units; i++) {
        mg_timer_stop(&c->readers[i].later);
    }
    hostile_forget(&c->slave);
}

/* ---- The table ---- */

static void report(const struct campaign *c, const char *line)
{
    const struct mg_modbus_stats *s = mg_modbus_stats(c->bus);
    (void)printf("%-12s %u unit%s: %u requests, %u ok, %u WRONG, %u "
                 "exceptions, %u time-outs, %u line lost\n",
                 line, c->n_units, c->n_units == 1 ? " " : "s", c->n_done,
                 c->n_ok, c->n_wrong, c->n_exceptions, c->n_timeouts, c->n_io);
    (void)printf("    bad frames %ju, foreign %ju, late %ju, stray bytes %ju, "
                 "opened %ju times; faults:",
                 (uintmax_t)s->n_bad_frames, (uintmax_t)s->n_foreign,
                 (uintmax_t)s->n_late, (uintmax_t)s->n_stray_bytes,
                 (uintmax_t)s->n_opens);
    for (int i = 1; i < N_FAULTS; i++) {
        (void)printf(" %s %u%s", hostile_fault_name((enum hostile_fault)i),
                     c->slave.n_faults[i], i + 1 < N_FAULTS ? "," : "\n");
    }
}

static void judge(const struct campaign *c)
{
    unsigned n_faults = c->slave.n_requests - c->slave.n_faults[FAULT_NONE];
    assert_int_equal(c->n_done, c->n_wanted);
    assert_int_equal(c->n_wrong, 0);
    for (int i = 1; i < N_FAULTS; i++) {
        assert_true(c->n_done < N_REQUESTS || c->slave.n_faults[i] > 0);
    }
    /* Noise does no harm on a serial line, and some late answers are in time:
     * no more is lost than was spoiled, but for requests that a reconnection
     * or a dead unit takes along, and their neighbours on the wire. */
    assert_true(c->n_ok + n_faults * 2 >= c->n_done);
    assert_true(c->n_ok * 100 >= c->n_done * 90);
}

/* ---- In virtual time ---- */

/* What was sent on an old connection does not arrive on the new one. Behind a
 * converter it does: the line there has not changed.
 * @return true: the connection is new */
static bool is_new_connection(struct campaign *c)
{
    uint64_t n_opens = mg_modbus_stats(c->bus)->n_opens;
    bool is_new = c->slave.framing == MG_MODBUS_TCP && n_opens != c->n_opens;
    c->n_opens = n_opens;
    if (is_new) {
        hostile_forget(&c->slave);
    }
    return is_new;
}

static void to_engine(void *ctx, const uint8_t *data, size_t len)
{
    struct campaign *c = ctx;
    if (is_new_connection(c)) {
        return;
    }
    mg_transport_memory_deliver(c->line, data, len);
}

static void to_slave(void *ctx, struct mg_transport *line, const uint8_t *data,
                     size_t len)
{
    struct campaign *c = ctx;
    (void)line;
    (void)is_new_connection(c);
    hostile_request(&c->slave, data, len);
}

static struct campaign *make(enum mg_modbus_framing framing, unsigned n_units)
{
    struct campaign *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->n_units = n_units;
    c->n_wanted = N_REQUESTS;
    c->slave.framing = framing;
    c->slave.fault_percent = FAULT_PERCENT;
    c->slave.random = seed_of_run() * 977 + (uint64_t)framing * 31 + n_units;
    c->slave.ctx = c;
    return c;
}

static void run_virtual(enum mg_modbus_framing framing, unsigned n_units,
                        const char *name)
{
    struct campaign *c = make(framing, n_units);
    const struct mg_modbus_settings set = {
        .framing = framing,
        .baud = framing == MG_MODBUS_RTU ? 19200 : 0,
        .seed = seed_of_run()};
    c->clock = mg_clock_create_virtual(0);
    c->line = mg_transport_memory(c->clock, 0, to_slave, c);
    c->slave.clock = c->clock;
    c->slave.timeout_ms = 500;
    c->slave.char_ns = framing == MG_MODBUS_RTU ? 11 * 1000000000U / 19200 : 0;
    c->slave.out = to_engine;
    c->bus = mg_modbus_create(c->clock, c->line, &set, NULL, NULL);
    assert_non_null(c->bus);
    mg_clock_advance(c->clock, 100 * MS);
    begin(c, c->slave.timeout_ms);
    while (c->n_done < c->n_wanted) {
        uint64_t next_ns = mg_clock_next_ns(c->clock);
        assert_int_not_equal(next_ns, UINT64_MAX);
        mg_clock_advance(c->clock, next_ns);
    }
    report(c, name);
    stop_timers(c);
    judge(c);
    mg_modbus_destroy(c->bus);
    mg_clock_destroy(c->clock);
    free(c);
}

static void test_rtu(void **state)
{
    (void)state;
    run_virtual(MG_MODBUS_RTU, 8, "RTU");
    run_virtual(MG_MODBUS_RTU, 1, "RTU");
}

static void test_rtu_over_tcp(void **state)
{
    (void)state;
    run_virtual(MG_MODBUS_RTU_TCP, 8, "RTU over TCP");
    run_virtual(MG_MODBUS_RTU_TCP, 1, "RTU over TCP");
}

static void test_tcp(void **state)
{
    (void)state;
    run_virtual(MG_MODBUS_TCP, 8, "TCP");
    run_virtual(MG_MODBUS_TCP, 1, "TCP");
}

/* ---- Over a pty, in real time ---- */

static void to_master(void *ctx, const uint8_t *data, size_t len)
{
    struct campaign *c = ctx;
    assert_int_equal(write(c->master, data, len), (ssize_t)len);
}

static void master_readable(uv_poll_t *poll, int status, int events)
{
    struct campaign *c = poll->data;
    (void)events;
    assert_int_equal(status, 0);
    ssize_t n = read(c->master, c->rx + c->rx_len, sizeof c->rx - c->rx_len);
    if (n > 0) {
        c->rx_len += (size_t)n;
    }
    if (c->rx_len == sizeof c->rx) {
        c->rx_len = 0;
        hostile_request(&c->slave, c->rx, sizeof c->rx);
    }
}

static void open_pty(struct campaign *c, struct mg_tty_settings *tty)
{
    struct termios t;
    assert_int_equal(openpty(&c->master, &c->held, NULL, NULL, NULL), 0);
    assert_int_equal(tcgetattr(c->held, &t), 0);
    cfmakeraw(&t);
    assert_int_equal(tcsetattr(c->held, TCSANOW, &t), 0);
    assert_int_equal(ptsname_r(c->master, tty->device, sizeof tty->device), 0);
    assert_int_equal(uv_poll_init(&c->loop, &c->poll, c->master), 0);
    c->poll.data = c;
    assert_int_equal(uv_poll_start(&c->poll, UV_READABLE, master_readable), 0);
}

static void test_pty(void **state)
{
    (void)state;
    struct campaign *c = make(MG_MODBUS_RTU, 8);
    const struct mg_modbus_settings set = {.framing = MG_MODBUS_RTU,
                                           .baud = 115200};
    struct mg_tty_settings tty = {.serial = {115200, 'E', 1}};
    struct mg_err err;
    assert_int_equal(uv_loop_init(&c->loop), 0);
    open_pty(c, &tty);
    c->n_wanted = N_PTY;
    c->clock = mg_clock_create_real(&c->loop, &err);
    assert_non_null(c->clock);
    c->slave.clock = c->clock;
    c->slave.timeout_ms = 100;
    c->slave.out = to_master;
    c->line = mg_transport_tty(&c->loop, &tty);
    c->bus = mg_modbus_create(c->clock, c->line, &set, NULL, NULL);
    assert_non_null(c->bus);
    while (!mg_modbus_is_up(c->bus)) {
        (void)uv_run(&c->loop, UV_RUN_ONCE);
    }
    begin(c, c->slave.timeout_ms);
    while (c->n_done < c->n_wanted) {
        (void)uv_run(&c->loop, UV_RUN_ONCE);
    }
    report(c, "pty");
    stop_timers(c);
    assert_int_equal(c->n_wrong, 0);
    mg_modbus_destroy(c->bus);
    uv_close((uv_handle_t *)&c->poll, NULL);
    mg_clock_destroy(c->clock);
    (void)uv_run(&c->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&c->loop), 0);
    assert_int_equal(close(c->master) + close(c->held), 0);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rtu),
        cmocka_unit_test(test_rtu_over_tcp),
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_pty),
    };
    (void)printf("seed %ju; %u requests, %u %% of the answers faulty\n",
                 (uintmax_t)seed_of_run(), N_REQUESTS, FAULT_PERCENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
