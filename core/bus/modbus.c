/* The engine's outside: making, asking, destroying. */
#include "bus/modbus.h"

#include <stdlib.h>

#include "bus/modbus_priv.h"

#define REOPEN_MIN_MS 1000U
#define REOPEN_MAX_MS 60000U
#define BAUD          9600U
/* A deadline noticed so late means that the loop was busy: the answer may
 * have been waiting all the time. */
#define LATE_NS  (5 * MS_NS)
#define GRACE_NS (2 * MS_NS)

static void deadline_passed(struct mg_modbus *bus)
{
    uint64_t now_ns = mg_clock_now_ns(bus->clock);
    if (bus->has_grace && now_ns - bus->timer.deadline_ns > LATE_NS) {
        bus->has_grace = false;
        mg_modbus_set_timer(bus, now_ns + GRACE_NS);
        return;
    }
    mg_modbus_timed_out(bus);
}

static void fired(struct mg_timer *timer)
{
    struct mg_modbus *bus =
        (struct mg_modbus *)((char *)timer - offsetof(struct mg_modbus, timer));
    mg_modbus_enter(bus);
    switch (bus->state) {
    case BUS_BACKOFF:
        mg_modbus_open(bus);
        break;
    case BUS_WAITING:
        deadline_passed(bus);
        break;
    case BUS_BROADCAST:
        mg_modbus_broadcast_over(bus);
        break;
    case BUS_DRAINING:
        bus->state = BUS_IDLE;
        break;
    case BUS_FAILED:
        mg_modbus_give_up_line(bus, &bus->failure);
        break;
    case BUS_IDLE: /* leaving pumps */
    case BUS_OPENING:
    case BUS_GONE:
        break;
    }
    mg_modbus_leave(bus);
}

void mg_modbus_set_timer(struct mg_modbus *bus, uint64_t deadline_ns)
{
    mg_timer_start(bus->clock, &bus->timer, deadline_ns, fired);
}

void mg_modbus_enter(struct mg_modbus *bus)
{
    bus->n_inside++;
}

static void free_bus(struct mg_modbus *bus)
{
    struct mg_modbus_unit *unit = bus->last;
    for (uint32_t i = 0; i < bus->n_units; i++) {
        struct mg_modbus_unit *next = unit->next;
        free(unit);
        unit = next;
    }
    free(bus);
}

void mg_modbus_leave(struct mg_modbus *bus)
{
    bus->n_inside--;
    if (bus->n_inside > 0) {
        return;
    }
    if (bus->state == BUS_GONE) {
        free_bus(bus);
        return;
    }
    mg_modbus_pump(bus);
}

static void set_defaults(struct mg_modbus_settings *set)
{
    if (set->baud == 0 && set->framing == MG_MODBUS_RTU) {
        set->baud = BAUD;
    }
    if (set->reopen_min_ms == 0) {
        set->reopen_min_ms = REOPEN_MIN_MS;
    }
    if (set->reopen_max_ms == 0) {
        set->reopen_max_ms = REOPEN_MAX_MS;
    }
    if (set->reopen_max_ms < set->reopen_min_ms) {
        set->reopen_max_ms = set->reopen_min_ms;
    }
}

struct mg_modbus *mg_modbus_create(struct mg_clock *clock,
                                   struct mg_transport *transport,
                                   const struct mg_modbus_settings *settings,
                                   const struct mg_modbus_events *events,
                                   void *ctx)
{
    struct mg_modbus *bus = calloc(1, sizeof *bus);
    if (bus == NULL) {
        transport->ops->destroy(transport);
        return NULL;
    }
    bus->clock = clock;
    bus->transport = transport;
    bus->set = *settings;
    set_defaults(&bus->set);
    bus->events = events;
    bus->events_ctx = ctx;
    bus->baud = bus->set.baud;
    bus->reopen_ms = bus->set.reopen_min_ms;
    bus->random = settings->seed != 0 ? settings->seed : 1;
    transport->events = &mg_modbus_line_events;
    transport->ctx = bus;
    bus->state = BUS_BACKOFF;
    mg_modbus_set_timer(bus, mg_clock_now_ns(clock));
    return bus;
}

void mg_modbus_destroy(struct mg_modbus *bus)
{
    if (bus == NULL || bus->state == BUS_GONE) {
        return;
    }
    mg_modbus_enter(bus);
    bus->state = BUS_GONE;
    bus->is_up = false;
    mg_timer_stop(&bus->timer);
    bus->transport->ops->destroy(bus->transport);
    mg_modbus_fail_requests(bus, MG_E_CANCELED);
    mg_modbus_leave(bus);
}

static bool takes_request(const struct mg_modbus_unit *unit,
                          const struct mg_modbus_request *request)
{
    const struct mg_modbus *bus = unit->bus;
    if (!mg_modbus_unit_is_dead(unit) || request->alias != 0) {
        return true;
    }
    bool is_probed =
        unit->n_queued > 0 || (bus->current != NULL && bus->unit == unit);
    return !is_probed && mg_clock_now_ns(bus->clock) >= unit->probe_ns;
}

int mg_modbus_submit(struct mg_modbus_unit *unit,
                     struct mg_modbus_request *request)
{
    struct mg_modbus *bus = unit->bus;
    uint8_t address = request->alias != 0 ? request->alias : unit->set.unit;
    if (!mg_adu_is_request(request->pdu, request->pdu_len)) {
        return MG_E_INVAL;
    }
    if (address == 0 && mg_modbus_is_rtu(bus) &&
        !mg_adu_is_write(request->pdu[0])) {
        return MG_E_INVAL; /* nobody would answer */
    }
    if (!bus->is_up) {
        return MG_E_IO;
    }
    if (!takes_request(unit, request)) {
        return MG_E_TIMEOUT;
    }
    if (unit->n_queued >= QUEUE_MAX) {
        return MG_E_BUSY;
    }
    mg_modbus_unit_push(unit, request);
    mg_modbus_pump(bus);
    return MG_OK;
}

bool mg_modbus_is_up(const struct mg_modbus *bus)
{
    return bus->is_up;
}

const struct mg_modbus_stats *mg_modbus_stats(const struct mg_modbus *bus)
{
    return &bus->stats;
}
