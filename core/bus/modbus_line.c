/* The line comes, is lost, and is opened again. */
#include "bus/modbus_priv.h"

/* xorshift64*; only spreads the reopening of many lines. */
static uint64_t draw(struct mg_modbus *bus)
{
    uint64_t x = bus->random;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    bus->random = x;
    return x * 0x2545f4914f6cdd1dULL;
}

/* @return the pause before the next try, 3/4 to 1 of the nominal one */
static uint64_t next_pause_ns(struct mg_modbus *bus)
{
    uint64_t pause_ns = bus->reopen_ms * MS_NS;
    pause_ns -= draw(bus) % (pause_ns / 4 + 1);
    uint64_t doubled = (uint64_t)bus->reopen_ms * 2;
    bus->reopen_ms = doubled < bus->set.reopen_max_ms ? (uint32_t)doubled
                                                      : bus->set.reopen_max_ms;
    return pause_ns;
}

void mg_modbus_fail_requests(struct mg_modbus *bus, int code)
{
    struct mg_modbus_request *request = bus->current;
    bus->current = NULL;
    if (request != NULL) {
        mg_modbus_report(request, code);
    }
    struct mg_modbus_unit *unit = bus->last;
    for (uint32_t i = 0; i < bus->n_units; i++, unit = unit->next) {
        mg_modbus_unit_fail_all(unit, code);
    }
}

/* The transport is closed. Who hears that his request failed shall be able to
 * look up why: first the line's state, then the requests. */
static void line_lost(struct mg_modbus *bus, const struct mg_err *err)
{
    bus->stats.n_losses += bus->is_up;
    bus->is_up = false;
    bus->state = BUS_BACKOFF;
    mg_modbus_set_timer(bus, mg_clock_now_ns(bus->clock) + next_pause_ns(bus));
    if (bus->events != NULL && bus->events->down != NULL) {
        bus->events->down(bus->events_ctx, err);
    }
    mg_modbus_fail_requests(bus, MG_E_IO);
}

void mg_modbus_open(struct mg_modbus *bus)
{
    struct mg_err err;
    bus->state = BUS_OPENING;
    if (bus->transport->ops->open(bus->transport, &err) != MG_OK) {
        line_lost(bus, &err);
    }
}

/* Units that were given up may be well: it can have been the line. */
static void give_units_a_chance(struct mg_modbus *bus)
{
    struct mg_modbus_unit *unit = bus->last;
    for (uint32_t i = 0; i < bus->n_units; i++, unit = unit->next) {
        unit->probe_ns = 0;
        unit->n_probes = 0;
    }
}

static void opened(void *ctx)
{
    struct mg_modbus *bus = ctx;
    mg_modbus_enter(bus);
    if (bus->state == BUS_OPENING) {
        bool was_up = bus->is_up;
        bus->state = BUS_IDLE;
        bus->is_up = true;
        bus->baud = bus->set.baud;
        bus->rx_len = bus->rx_from = 0;
        bus->n_row = bus->n_row_silent = 0;
        bus->quiet_ns = mg_clock_now_ns(bus->clock) + mg_modbus_gap_ns(bus);
        bus->stats.n_opens++;
        if (!was_up) {
            give_units_a_chance(bus);
        }
        if (!was_up && bus->events != NULL && bus->events->up != NULL) {
            bus->events->up(bus->events_ctx);
        }
    }
    mg_modbus_leave(bus);
}

static void received(void *ctx, const uint8_t *data, size_t len)
{
    struct mg_modbus *bus = ctx;
    mg_modbus_enter(bus);
    mg_modbus_receive(bus, data, len);
    mg_modbus_leave(bus);
}

static void lost(void *ctx, const struct mg_err *err)
{
    struct mg_modbus *bus = ctx;
    mg_modbus_enter(bus);
    line_lost(bus, err);
    mg_modbus_leave(bus);
}

const struct mg_transport_events mg_modbus_line_events = {
    .opened = opened, .received = received, .lost = lost};

void mg_modbus_give_up_line(struct mg_modbus *bus, const struct mg_err *err)
{
    bus->transport->ops->close(bus->transport);
    line_lost(bus, err);
}

/* A connection that answers nobody may be half open: make a new one. While
 * that succeeds, the line counts as up and requests wait. */
void mg_modbus_reconnect(struct mg_modbus *bus)
{
    bus->stats.n_losses++;
    bus->transport->ops->close(bus->transport);
    mg_timer_stop(&bus->timer);
    mg_modbus_open(bus);
}
