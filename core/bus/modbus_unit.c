/* One address on the bus: its queue, and how far it is trusted. */
#include <stdlib.h>

#include "bus/modbus_priv.h"

#define TIMEOUT_MS        1000U
#define QUARANTINE_MIN_MS 1000U
/* An answer may come up to so many time-outs after its deadline. */
#define LATE_TIMEOUTS 4U

static const uint32_t probe_s[] = {10, 20, 40, 60};

struct mg_modbus_unit *
mg_modbus_add_unit(struct mg_modbus *bus,
                   const struct mg_modbus_unit_settings *set)
{
    if (bus->n_units >= UNITS_MAX) {
        return NULL;
    }
    struct mg_modbus_unit *unit = calloc(1, sizeof *unit);
    if (unit == NULL) {
        return NULL;
    }
    unit->bus = bus;
    unit->set = *set;
    if (bus->last == NULL) {
        unit->next = unit;
    } else {
        unit->next = bus->last->next;
        bus->last->next = unit;
    }
    bus->last = unit;
    bus->n_units++;
    return unit;
}

/* ---- Queue ---- */

static void count_in(struct mg_modbus_unit *unit,
                     struct mg_modbus_request *request)
{
    request->unit = unit;
    unit->n_queued++;
    unit->bus->n_queued++;
}

void mg_modbus_unit_push_first(struct mg_modbus_unit *unit,
                               struct mg_modbus_request *request)
{
    request->next = unit->queue;
    unit->queue = request;
    count_in(unit, request);
}

void mg_modbus_unit_push(struct mg_modbus_unit *unit,
                         struct mg_modbus_request *request)
{
    struct mg_modbus_request **at = &unit->queue;
    while (*at != NULL && (!request->is_urgent || (*at)->is_urgent)) {
        at = &(*at)->next;
    }
    request->next = *at;
    *at = request;
    count_in(unit, request);
}

struct mg_modbus_request *mg_modbus_unit_pop(struct mg_modbus_unit *unit)
{
    struct mg_modbus_request *request = unit->queue;
    unit->queue = request->next;
    request->next = NULL;
    unit->n_queued--;
    unit->bus->n_queued--;
    return request;
}

/* Those that `done` adds meanwhile are not meant. */
void mg_modbus_unit_fail_all(struct mg_modbus_unit *unit, int code)
{
    for (uint32_t n = unit->n_queued; n > 0 && unit->queue != NULL; n--) {
        mg_modbus_report(mg_modbus_unit_pop(unit), code);
    }
}

/* ---- Health ---- */

bool mg_modbus_unit_is_dead(const struct mg_modbus_unit *unit)
{
    return unit->n_failed >= DEAD_AFTER;
}

uint64_t mg_modbus_unit_pause_ns(const struct mg_modbus_unit *unit)
{
    return unit->silent_ns > unit->rested_ns ? unit->silent_ns
                                             : unit->rested_ns;
}

void mg_modbus_unit_alive(struct mg_modbus_unit *unit)
{
    unit->n_failed = 0;
    unit->n_probes = 0;
    unit->has_late_answer = false;
}

uint32_t mg_modbus_timeout_ms(const struct mg_modbus_unit *unit,
                              const struct mg_modbus_request *request)
{
    uint32_t ms =
        request->timeout_ms != 0 ? request->timeout_ms : unit->set.timeout_ms;
    return ms == 0 ? TIMEOUT_MS : ms;
}

/* Nothing on a serial line says which request an answer belongs to. So
 * whoever has not answered is not asked again before its answer must have
 * come, and been thrown away. */
static void quarantine(struct mg_modbus_unit *unit, uint32_t timeout_ms)
{
    struct mg_modbus *bus = unit->bus;
    uint64_t ms = (uint64_t)timeout_ms * LATE_TIMEOUTS;
    ms = ms < QUARANTINE_MIN_MS ? QUARANTINE_MIN_MS : ms;
    ms += bus->set.slack_ms;
    unit->has_late_answer = true;
    unit->silent_ns = mg_clock_now_ns(bus->clock) + ms * MS_NS +
                      mg_modbus_chars_ns(bus, MG_RTU_MAX);
}

static void schedule_probe(struct mg_modbus_unit *unit)
{
    size_t last = sizeof probe_s / sizeof probe_s[0] - 1;
    size_t i = unit->n_probes < last ? unit->n_probes : last;
    unit->n_probes++;
    unit->probe_ns =
        mg_clock_now_ns(unit->bus->clock) + probe_s[i] * (1000 * MS_NS);
}

void mg_modbus_unit_missed(struct mg_modbus_unit *unit, uint8_t address,
                           uint32_t timeout_ms)
{
    struct mg_modbus_unit *u = unit;
    do {
        bool may_answer = u == unit || u->set.unit == address;
        if (may_answer && mg_modbus_is_rtu(unit->bus)) {
            quarantine(u, timeout_ms);
        }
        u = u->next;
    } while (u != unit);
    if (address != unit->set.unit) {
        return; /* it was looked for elsewhere: that says nothing */
    }
    unit->n_failed++;
    if (mg_modbus_unit_is_dead(unit)) {
        schedule_probe(unit);
    }
}

enum mg_modbus_unit_state
mg_modbus_unit_state(const struct mg_modbus_unit *unit)
{
    if (mg_modbus_unit_is_dead(unit)) {
        return MG_UNIT_DEAD;
    }
    return mg_clock_now_ns(unit->bus->clock) < unit->silent_ns
               ? MG_UNIT_QUARANTINED
               : MG_UNIT_OK;
}

uint64_t mg_modbus_unit_ready_ns(const struct mg_modbus_unit *unit)
{
    const struct mg_modbus *bus = unit->bus;
    uint64_t ns = mg_clock_now_ns(bus->clock);
    ns = bus->quiet_ns > ns ? bus->quiet_ns : ns;
    uint64_t pause_ns = mg_modbus_unit_pause_ns(unit);
    ns = pause_ns > ns ? pause_ns : ns;
    return mg_modbus_unit_is_dead(unit) && unit->probe_ns > ns ? unit->probe_ns
                                                               : ns;
}

void mg_modbus_unit_move(struct mg_modbus_unit *unit, uint8_t address)
{
    unit->set.unit = address;
}
