/* Whether a bus has the time for the polls that are asked of it. */
#include <inttypes.h>

#include "config/load.h"

#define SHARES_SHOWN 6
#define SHARES_TEXT  300

/* The polls of one bus. */
struct budget {
    uint64_t live_ns; /* one poll of every meter */
    uint64_t slow_ns; /* of each second */
    size_t n_meters;
    char shares[SHARES_TEXT];
    size_t used;
};

/* @return false: what is known of the meter does not allow a judgement */
static bool is_known(const struct mg_load *load, size_t meter)
{
    static const char *const keys[] = {"interval", "slow_interval", "gap",
                                       "max_registers", "max_gap"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (mg_item_is_bad(&load->meters[meter], keys[i])) {
            return false;
        }
    }
    return load->setup->meters[meter].plugin != NULL;
}

static void add_share(struct budget *b, const char *id, uint64_t load_ns)
{
    b->n_meters++;
    if (b->n_meters > SHARES_SHOWN || b->used >= sizeof b->shares) {
        return;
    }
    b->used += (size_t)snprintf(b->shares + b->used, sizeof b->shares - b->used,
                                "%s%s %" PRIu64, b->used == 0 ? "" : ", ", id,
                                (load_ns + 999999) / 1000000);
}

/* @return false: a meter's limits are wrong, which is noted */
static bool add_meter(struct mg_load *load, size_t i, struct budget *b)
{
    const struct mg_setup_meter *meter = &load->setup->meters[i];
    uint64_t ns[MG_N_GROUPS];
    if (meter->plugin->driver->can != NULL) {
        /* It sends by itself: no interval of ours makes that less. */
        b->slow_ns += mg_setup_meter_load_ns(load->setup, i);
        add_share(b, meter->id, mg_setup_meter_load_ns(load->setup, i));
        return true;
    }
    if (mg_setup_poll_ns(load->setup, i, ns) != MG_OK) {
        mg_fault_add(&load->faults,
                     mg_item_place(&load->meters[i], "max_registers"),
                     "max_registers: %u is too few for the values of a %s; "
                     "expected up to %u",
                     meter->max_registers, meter->plugin->model,
                     meter->plugin->driver->max_registers);
        return false;
    }
    b->live_ns += ns[MG_GROUP_LIVE];
    b->slow_ns += ns[MG_GROUP_SLOW] * 1000 / meter->slow_interval_ms;
    add_share(b, meter->id, mg_setup_meter_load_ns(load->setup, i));
    return true;
}

/* The next interval that a person would write. */
static uint64_t round_up_ms(uint64_t ms)
{
    uint64_t step = 10000;
    if (ms < 10000) {
        step = 100;
    } else if (ms < 60000) {
        step = 1000;
    }
    return (ms + step - 1) / step * step;
}

static void advise(const struct budget *b, char *buf, size_t cap)
{
    if (b->slow_ns >= 950000000) {
        (void)snprintf(buf, cap, "%s",
                       b->live_ns == 0
                           ? "a higher bitrate or fewer meters"
                           : "a longer slow_interval or fewer meters");
        return;
    }
    uint64_t free_ns = 1000000000 - b->slow_ns; /* of each second */
    uint64_t ms = b->live_ns / (free_ns / 1000) + 1;
    char interval[32];
    mg_scalar_print((int64_t)round_up_ms(ms) * 1000, mg_scales_duration,
                    interval, sizeof interval);
    (void)snprintf(buf, cap, "at most 1000: an interval of %s%s would fit",
                   interval, b->n_meters == 1 ? "" : " for all of them");
}

static void report(struct mg_load *load, size_t bus, uint32_t needed_ms,
                   const struct budget *b)
{
    char advice[96];
    char more[48] = "";
    char baud[32] = "";
    advise(b, advice, sizeof advice);
    if (b->n_meters > SHARES_SHOWN) {
        (void)snprintf(more, sizeof more, " and %zu more",
                       b->n_meters - SHARES_SHOWN);
    }
    const struct mg_setup_bus *settings = &load->setup->buses[bus];
    if (settings->modbus.framing == MG_MODBUS_RTU) {
        (void)snprintf(baud, sizeof baud, " at %u baud",
                       (unsigned)settings->modbus.baud);
    }
    mg_fault_add(&load->faults, mg_item_place(&load->buses[bus], "id"),
                 "bus %s: its polls need at least %u ms of every second%s "
                 "(%s%s); expected %s",
                 settings->id, (unsigned)needed_ms, baud, b->shares, more,
                 advice);
}

static void check_bus(struct mg_load *load, size_t bus)
{
    struct budget b = {0};
    const struct mg_item *item = &load->buses[bus];
    bool is_complete = mg_item_has(item, "type") &&
                       !mg_item_is_bad(item, "baud") &&
                       !mg_item_is_bad(item, "gap");
    for (size_t i = 0; i < load->setup->n_meters; i++) {
        if (load->setup->meters[i].bus != bus) {
            continue;
        }
        if (!is_known(load, i) || !is_complete) {
            is_complete = false;
        } else {
            is_complete = add_meter(load, i, &b);
        }
    }
    if (!is_complete || b.n_meters == 0) {
        return;
    }
    uint32_t needed_ms = mg_setup_bus_load(load->setup, bus);
    if (needed_ms > 1000) {
        report(load, bus, needed_ms, &b);
    }
}

void mg_load_check_budgets(struct mg_load *load)
{
    for (size_t i = 0; i < load->setup->n_buses; i++) {
        check_bus(load, i);
    }
}
