/* Whose turn it is, and sending. */
#include <string.h>

#include "bus/modbus_priv.h"

#define PATIENCE_NS (500 * MS_NS)
#define TURN_NS     (100 * MS_NS) /* after a broadcast; V1.02, 2.4.1 */

/* Urgent requests of any unit, then the units in turn; who has to pause is
 * left out. @return NULL: nobody before *ret_ns (UINT64_MAX: nothing queued) */
static struct mg_modbus_unit *choose(const struct mg_modbus *bus,
                                     uint64_t now_ns, uint64_t *ret_ns)
{
    struct mg_modbus_unit *chosen = NULL;
    *ret_ns = UINT64_MAX;
    struct mg_modbus_unit *unit = bus->last;
    for (uint32_t i = 0; i < bus->n_units; i++) {
        unit = unit->next;
        if (unit->queue == NULL) {
            continue;
        }
        uint64_t pause_ns = mg_modbus_unit_pause_ns(unit);
        if (pause_ns > now_ns) {
            *ret_ns = pause_ns < *ret_ns ? pause_ns : *ret_ns;
        } else if (unit->queue->is_urgent) {
            return unit;
        } else if (chosen == NULL) {
            chosen = unit;
        }
    }
    return chosen;
}

/* Called from the pump, where nobody may be called back. */
static void fail_later(struct mg_modbus *bus, const struct mg_err *err)
{
    bus->failure = *err;
    bus->state = BUS_FAILED;
    mg_modbus_set_timer(bus, mg_clock_now_ns(bus->clock));
}

static void wait_for_silence(struct mg_modbus *bus, uint64_t now_ns)
{
    bus->quiet_ns = now_ns + mg_modbus_gap_ns(bus);
    mg_modbus_set_timer(bus, bus->quiet_ns);
}

/* What came in since the loop looked last is not the answer to what is sent
 * next. @return false: the line is not silent, later */
static bool is_silent(struct mg_modbus *bus, uint64_t now_ns)
{
    size_t n = bus->transport->ops->discard(bus->transport);
    bus->stats.n_stray_bytes += n;
    if (n == 0 || !mg_modbus_is_serial(bus) || now_ns >= bus->patience_ns) {
        return true;
    }
    wait_for_silence(bus, now_ns);
    return false;
}

/* @return false: the speed was changed; later */
static bool has_speed(struct mg_modbus *bus, uint32_t baud, uint64_t now_ns)
{
    struct mg_err err;
    uint32_t want = baud != 0 ? baud : bus->set.baud;
    if (want == bus->baud || bus->transport->ops->set_baud == NULL) {
        return true;
    }
    if (bus->transport->ops->set_baud(bus->transport, want, &err) != MG_OK) {
        fail_later(bus, &err);
        return false;
    }
    bus->baud = want;
    wait_for_silence(bus, now_ns);
    return false;
}

static void build(struct mg_modbus *bus,
                  const struct mg_modbus_request *request)
{
    if (mg_modbus_is_rtu(bus)) {
        bus->tx_len =
            mg_rtu_build(bus->tx, bus->address, request->pdu, request->pdu_len);
        mg_modbus_forget_rx(bus);
        bus->is_echo = false;
        return;
    }
    bus->transaction =
        (uint16_t)(bus->transaction == UINT16_MAX ? 1 : bus->transaction + 1);
    bus->tx_len = mg_mbap_build(bus->tx, bus->transaction, bus->address,
                                request->pdu, request->pdu_len);
}

static uint64_t answer_ns(const struct mg_modbus *bus,
                          const struct mg_modbus_unit *unit,
                          const struct mg_modbus_request *request)
{
    uint64_t ms =
        (uint64_t)mg_modbus_timeout_ms(unit, request) + bus->set.slack_ms;
    size_t n_chars = mg_modbus_is_rtu(bus)
                         ? bus->tx_len + mg_adu_reply_len(request->pdu) + 3
                         : 0;
    return ms * MS_NS + mg_modbus_chars_ns(bus, n_chars);
}

static void send_next(struct mg_modbus *bus, struct mg_modbus_unit *unit,
                      uint64_t now_ns)
{
    struct mg_modbus_request *request = mg_modbus_unit_pop(unit);
    struct mg_err err;
    if (!request->is_urgent) {
        bus->last = unit;
    }
    bus->current = request;
    bus->unit = unit;
    bus->address = request->alias != 0 ? request->alias : unit->set.unit;
    bus->patience_ns = 0;
    build(bus, request);
    bool is_broadcast = bus->address == 0 && mg_modbus_is_rtu(bus);
    uint64_t wait_ns = is_broadcast
                           ? mg_modbus_chars_ns(bus, bus->tx_len) + TURN_NS
                           : answer_ns(bus, unit, request);
    if (bus->transport->ops->send(bus->transport, bus->tx, bus->tx_len, &err) !=
        MG_OK) {
        fail_later(bus, &err);
        return;
    }
    bus->stats.n_requests++;
    bus->state = is_broadcast ? BUS_BROADCAST : BUS_WAITING;
    bus->has_grace = true;
    mg_modbus_set_timer(bus, now_ns + wait_ns);
}

void mg_modbus_pump(struct mg_modbus *bus)
{
    if (bus->n_inside > 0 || bus->state != BUS_IDLE) {
        return;
    }
    if (bus->n_queued == 0) {
        mg_timer_stop(&bus->timer);
        bus->patience_ns = 0;
        return;
    }
    uint64_t now_ns = mg_clock_now_ns(bus->clock);
    if (bus->patience_ns == 0) {
        uint64_t from_ns = bus->quiet_ns > now_ns ? bus->quiet_ns : now_ns;
        bus->patience_ns = from_ns + PATIENCE_NS;
    }
    if (now_ns < bus->quiet_ns && now_ns < bus->patience_ns) {
        mg_modbus_set_timer(bus, bus->quiet_ns);
        return;
    }
    uint64_t next_ns;
    struct mg_modbus_unit *unit = choose(bus, now_ns, &next_ns);
    if (unit == NULL) {
        bus->patience_ns = 0;
        mg_modbus_set_timer(bus, next_ns);
        return;
    }
    if (mg_modbus_is_rtu(bus) && !is_silent(bus, now_ns)) {
        return;
    }
    if (has_speed(bus, unit->queue->baud, now_ns)) {
        send_next(bus, unit, now_ns);
    }
}
