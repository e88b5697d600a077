/* How an exchange ends, and what that says about unit and line. */
#include "bus/modbus_priv.h"

#define DRAIN_MAX_NS  (2000 * MS_NS)
#define BUSY_TRIES    3U
#define BUSY_PAUSE_MS 200U /* doubled each time */
/* TCP: the connection is taken for dead after so many time-outs in a row. */
#define TCP_ROW         3U
#define TCP_ROW_SILENT  2U
#define TCP_ROW_GARBLED 2U
#define RTU_TCP_ROW     2U

enum exception {
    EX_ACKNOWLEDGE = 5,
    EX_BUSY = 6,
    EX_NO_PATH = 10,  /* gateway: path unavailable */
    EX_NO_ANSWER = 11 /* gateway: target failed to respond */
};

void mg_modbus_report(struct mg_modbus_request *request, int code)
{
    struct mg_modbus_result result = {.code = code};
    request->done(request, &result);
}

static struct mg_modbus_request *end_exchange(struct mg_modbus *bus,
                                              uint64_t now_ns)
{
    struct mg_modbus_request *request = bus->current;
    mg_timer_stop(&bus->timer);
    bus->current = NULL;
    bus->state = BUS_IDLE;
    bus->quiet_ns = now_ns + mg_modbus_gap_ns(bus);
    bus->unit->rested_ns = now_ns + bus->unit->set.gap_ms * MS_NS;
    return request;
}

/* Somebody is there, and speaks Modbus. */
static void line_works(struct mg_modbus *bus)
{
    bus->n_row = 0;
    bus->n_row_silent = 0;
    bus->n_row_garbled = 0;
    bus->reopen_ms = bus->set.reopen_min_ms;
}

void mg_modbus_answered(struct mg_modbus *bus, const uint8_t *pdu, size_t len)
{
    uint64_t now_ns = mg_clock_now_ns(bus->clock);
    struct mg_modbus_request *request = end_exchange(bus, now_ns);
    struct mg_modbus_result result = {
        .code = MG_OK, .pdu = pdu, .pdu_len = len, .answered_ns = now_ns};
    line_works(bus);
    mg_modbus_unit_alive(bus->unit);
    bus->unit->n_busy = 0;
    bus->stats.n_ok++;
    request->done(request, &result);
}

/* Nothing comes back from a broadcast: it was sent, that is all. */
void mg_modbus_broadcast_over(struct mg_modbus *bus)
{
    uint64_t now_ns = mg_clock_now_ns(bus->clock);
    struct mg_modbus_request *request = end_exchange(bus, now_ns);
    struct mg_modbus_result result = {
        .code = MG_OK, .pdu = request->pdu, .answered_ns = now_ns};
    bus->stats.n_ok++;
    request->done(request, &result);
}

/* A write is the caller's to repeat: only he knows what it does twice. */
static bool try_again(struct mg_modbus_unit *unit,
                      struct mg_modbus_request *request, uint64_t now_ns)
{
    if (mg_adu_is_write(request->pdu[0]) || unit->n_busy >= BUSY_TRIES) {
        unit->n_busy = 0;
        return false;
    }
    unit->rested_ns =
        now_ns + ((uint64_t)BUSY_PAUSE_MS << unit->n_busy) * MS_NS;
    unit->n_busy++;
    mg_modbus_unit_push_first(unit, request);
    return true;
}

static void missed(struct mg_modbus *bus, struct mg_modbus_request *request,
                   uint8_t exception)
{
    struct mg_modbus_result result = {.code = MG_E_TIMEOUT,
                                      .exception = exception};
    struct mg_modbus_unit *unit = bus->unit;
    mg_modbus_unit_missed(unit, bus->address,
                          mg_modbus_timeout_ms(unit, request));
    unit->n_busy = 0;
    request->done(request, &result);
    if (mg_modbus_unit_is_dead(unit) && bus->state != BUS_GONE) {
        mg_modbus_unit_fail_all(unit, MG_E_TIMEOUT);
    }
}

/* Only a new connection finds the beginning of a frame again. One that comes
 * to that at once is no Modbus. */
void mg_modbus_out_of_step(struct mg_modbus *bus, const struct mg_err *err)
{
    bus->n_row_garbled++;
    if (bus->n_row_garbled >= TCP_ROW_GARBLED) {
        mg_modbus_give_up_line(bus, err);
        return;
    }
    if (bus->current != NULL) {
        missed(bus, end_exchange(bus, mg_clock_now_ns(bus->clock)), 0);
    }
    if (bus->state != BUS_GONE) {
        mg_modbus_reconnect(bus);
    }
}

void mg_modbus_refused(struct mg_modbus *bus, uint8_t exception)
{
    uint64_t now_ns = mg_clock_now_ns(bus->clock);
    struct mg_modbus_request *request = end_exchange(bus, now_ns);
    line_works(bus);
    bus->stats.n_exceptions++;
    if (exception == EX_NO_PATH || exception == EX_NO_ANSWER) {
        missed(bus, request, exception);
        return;
    }
    mg_modbus_unit_alive(bus->unit);
    bool is_busy = exception == EX_ACKNOWLEDGE || exception == EX_BUSY;
    if (is_busy && try_again(bus->unit, request, now_ns)) {
        return;
    }
    bus->unit->n_busy = 0;
    struct mg_modbus_result result = {
        .code = MG_E_EXCEPTION, .exception = exception, .answered_ns = now_ns};
    request->done(request, &result);
}

static bool is_line_dead(const struct mg_modbus *bus)
{
    switch (bus->set.framing) {
    case MG_MODBUS_TCP:
        return bus->n_row >= TCP_ROW || bus->n_row_silent >= TCP_ROW_SILENT;
    case MG_MODBUS_RTU_TCP:
        return bus->n_row >= RTU_TCP_ROW;
    default:
        return false;
    }
}

void mg_modbus_timed_out(struct mg_modbus *bus)
{
    uint64_t now_ns = mg_clock_now_ns(bus->clock);
    if (mg_modbus_is_rtu(bus)) {
        mg_modbus_forget_rx(bus);
    }
    struct mg_modbus_request *request = end_exchange(bus, now_ns);
    bus->stats.n_timeouts++;
    bus->n_row++;
    bus->n_row_silent++;
    if (mg_modbus_is_rtu(bus)) {
        bus->state = BUS_DRAINING;
        bus->drain_end_ns = now_ns + DRAIN_MAX_NS;
        mg_modbus_set_timer(bus, now_ns + mg_modbus_drain_ns(bus));
    }
    missed(bus, request, 0);
    if (bus->state != BUS_GONE && is_line_dead(bus)) {
        mg_modbus_reconnect(bus);
    }
}
