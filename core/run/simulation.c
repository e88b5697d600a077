#include "run/simulation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "sim/can_meter.h"
#include "sim/rng.h"
#include "sim/sample_path.h"
#include "sim/scenario.h"

#define FIRST_SERIAL 26000001U
#define NV_MAX       65536U
/* A meter lives so long before it is served: in its first moments it measures
 * nothing yet, and a gateway would take 0 V for a reading. */
#define WARM_UP_MS 2000

struct mg_simulation {
    const struct mg_setup *setup;
    struct mg_simulation_settings settings;
    char *keep_dir;               /* owned; NULL: nothing is kept */
    struct mg_sim_line **lines;   /* owned, one per bus; NULL: CAN */
    struct mg_sim_can_bus **cans; /* owned, one per bus; NULL: Modbus */
    struct mg_sim_can_meter *
        *nodes;                     /* owned, of the first meter of each device;
                                     * NULL: Modbus, or another meter */
    struct mg_sim_line **optical;   /* owned, one per meter; NULL: none */
    struct mg_sim_device **devices; /* borrowed from the lines and nodes */
    size_t *first;                  /* owned; of each meter's device */
};

/* Different streams for each meter and line of one seed. */
enum { SALT_METER = 1, SALT_LINE, SALT_OPTICAL };

/* Of the current behind the voltage; with a negative power factor, export. */
static int32_t phase_cdeg(int32_t pf_1e4, bool is_capacitive)
{
    int32_t cdeg = mg_sim_angle_of((uint32_t)(pf_1e4 < 0 ? -pf_1e4 : pf_1e4));
    cdeg = pf_1e4 < 0 ? 18000 - cdeg : cdeg;
    return is_capacitive ? -cdeg : cdeg;
}

static void make_profile(const struct mg_setup_load *load, uint64_t seed,
                         struct mg_sim_profile *ret)
{
    *ret = (struct mg_sim_profile){.is_fixed = load->is_fixed, .seed = seed};
    if (load->is_fixed) {
        ret->fixed.voltage_mv = load->voltage_mv;
        ret->fixed.current_ma = load->current_ma;
        ret->fixed.frequency_mhz = load->frequency_mhz;
        ret->fixed.phase_cdeg = phase_cdeg(load->pf_1e4, load->is_capacitive);
    }
}

/* ---- Non-volatile memories on disk ---- */

static int keep_path(const struct mg_simulation *s, size_t meter,
                     const char *suffix, char *path, size_t cap)
{
    int n = snprintf(path, cap, "%s/%s.nv%s", s->keep_dir,
                     s->setup->meters[meter].id, suffix);
    return n > 0 && (size_t)n < cap ? MG_OK : MG_E_NOSPC;
}

static void load_nv(struct mg_simulation *s, size_t meter)
{
    char path[4096];
    uint8_t image[NV_MAX];
    size_t len;
    (void)mg_sim_device_nv(s->devices[meter], &len);
    if (keep_path(s, meter, "", path, sizeof path) != MG_OK || len > NV_MAX) {
        return;
    }
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return; /* a new meter */
    }
    if (fread(image, 1, sizeof image, file) != len ||
        mg_sim_device_load_nv(s->devices[meter], image, len) != MG_OK) {
        mg_log(MG_LOG_WARN,
               "%s is no memory of this meter model; the meter starts anew "
               "and replaces it",
               path);
    }
    (void)fclose(file); /* only read */
}

static int write_file(const char *path, const uint8_t *data, size_t len)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        return MG_E_IO;
    }
    bool is_written = fwrite(data, 1, len, file) == len;
    return fclose(file) == 0 && is_written ? MG_OK : MG_E_IO;
}

static void save_nv(struct mg_simulation *s, size_t meter)
{
    char path[4096];
    char temp[4096];
    size_t len;
    /* Off for an instant: the firmware saves what it would save when its
     * supply fails. */
    mg_sim_device_power_cycle(s->devices[meter], 0);
    const uint8_t *nv = mg_sim_device_nv(s->devices[meter], &len);
    if (keep_path(s, meter, "", path, sizeof path) == MG_OK &&
        keep_path(s, meter, ".new", temp, sizeof temp) == MG_OK &&
        write_file(temp, nv, len) == MG_OK) {
        (void)rename(temp, path); /* else the old image stays */
    }
}

/* ---- Making ---- */

static int make_line_settings(const struct mg_simulation *s, size_t bus,
                              struct mg_sim_line_settings *ret,
                              struct mg_err *err)
{
    const struct mg_setup_bus *b = &s->setup->buses[bus];
    static const enum mg_sim_framing framings[] = {
        [MG_MODBUS_RTU] = MG_SIM_RTU_PTY,
        [MG_MODBUS_TCP] = MG_SIM_TCP,
        [MG_MODBUS_RTU_TCP] = MG_SIM_RTU_TCP};
    *ret = (struct mg_sim_line_settings){
        .framing = framings[b->modbus.framing],
        .serial = b->tty.serial,
        .is_paced = s->setup->simulation.is_paced,
        .turnaround_ms = s->setup->simulation.turnaround_ms,
        .host = "127.0.0.1",
        .seed = mg_sim_hash3(s->setup->simulation.seed, SALT_LINE, bus),
        .faults = s->settings.faults};
    if (s->settings.port_base != 0) {
        if (bus > 65535U - s->settings.port_base) {
            return mg_err_set(err, MG_E_RANGE, "its port would be above 65535");
        }
        ret->port = (uint16_t)(s->settings.port_base + bus);
    }
    if (s->settings.link_dir != NULL) {
        int n = snprintf(ret->link, sizeof ret->link, "%s/%s",
                         s->settings.link_dir, b->id);
        if (n < 0 || (size_t)n >= sizeof ret->link) {
            return mg_err_set(err, MG_E_NOSPC,
                              "the path of its link is longer than %zu bytes",
                              sizeof ret->link - 1);
        }
    }
    return MG_OK;
}

static int make_can(struct mg_simulation *s, size_t bus, struct mg_err *err)
{
    const struct mg_setup_bus *b = &s->setup->buses[bus];
    struct mg_sim_can_bus_settings set = {
        .host = "127.0.0.1",
        .seed = mg_sim_hash3(s->setup->simulation.seed, SALT_LINE, bus)};
    (void)snprintf(set.name, sizeof set.name, "%s", b->can.interface);
    if (s->settings.is_on_socketcan && b->type == MG_SETUP_SOCKETCAN) {
        (void)snprintf(set.interface, sizeof set.interface, "%s",
                       b->can.interface);
        set.is_fd = b->can.is_fd;
    }
    if (s->settings.port_base != 0) {
        if (bus > 65535U - s->settings.port_base) {
            return mg_err_set(err, MG_E_RANGE, "its port would be above 65535");
        }
        set.port = (uint16_t)(s->settings.port_base + bus);
    }
    s->cans[bus] =
        mg_sim_can_bus_create(s->settings.loop, s->settings.clock, &set, err);
    return s->cans[bus] == NULL ? err->code : MG_OK;
}

/* Meter i is one of the device whose first is `first`. */
static bool is_part(const struct mg_simulation *s, size_t first, size_t i)
{
    const struct mg_setup_meter *meters = s->setup->meters;
    return i == first || mg_setup_is_one_device(&meters[first], &meters[i]);
}

static void add_side(const struct mg_setup_meter *m,
                     struct mg_sim_can_meter_settings *ret)
{
    ret->sides[mg_setup_circuit(m)] = (struct mg_sim_can_side){
        .is_used = true,
        .variant =
            m->plugin->variant == NULL ? 0 : m->plugin->variant(m->options),
        .overrides = m->signals,
        .n_overrides = m->n_signals};
}

/* Each of its meters has a load of its own; nothing flows where there is none.
 */
static void set_loads(struct mg_simulation *s, size_t first)
{
    struct mg_sim_device *d = s->devices[first];
    if (s->setup->meters[first].plugin->circuit == NULL) {
        return;
    }
    for (unsigned i = 0; i < MG_CIRCUITS_MAX; i++) {
        mg_sim_device_set_profile(d, i, NULL);
    }
    for (size_t i = first; i < s->setup->n_meters; i++) {
        if (is_part(s, first, i)) {
            struct mg_sim_profile profile = mg_simulation_profile(s, i);
            mg_sim_device_set_profile(d, mg_setup_circuit(&s->setup->meters[i]),
                                      &profile);
        }
    }
}

static int make_node(struct mg_simulation *s, size_t meter,
                     struct mg_sim_device *d, struct mg_err *err)
{
    const struct mg_setup_meter *m = &s->setup->meters[meter];
    struct mg_sim_can_meter_settings set = {.clock = s->settings.clock,
                                            .bus = s->cans[m->bus],
                                            .plugin = m->plugin,
                                            .dbc = m->dbc,
                                            .node = m->unit,
                                            .lived_ns =
                                                WARM_UP_MS * UINT64_C(1000000)};
    for (size_t i = meter; i < s->setup->n_meters; i++) {
        if (is_part(s, meter, i)) {
            add_side(&s->setup->meters[i], &set);
        }
    }
    s->nodes[meter] = mg_sim_can_meter_create(&set, d, err);
    if (s->nodes[meter] == NULL) {
        s->devices[meter] = NULL;
        mg_err_prefix(err, "%s", m->id);
        return err->code;
    }
    return MG_OK;
}

static bool has_optical_port(const struct mg_setup_meter *m)
{
    const struct mg_plugin *p = m->plugin;
    for (size_t i = 0; i < p->n_options; i++) {
        const struct mg_option *o = &p->options[i];
        if (strcmp(o->name, "optical-port") == 0 && o->type == MG_OPTION_BOOL &&
            p->firmware->optical_pdu != NULL) {
            int64_t value;
            memcpy(&value, (const char *)m->options + o->offset, sizeof value);
            return value != 0;
        }
    }
    return false;
}

/* Of the meter that was put on its bus last. */
static int make_optical(struct mg_simulation *s, size_t meter,
                        struct mg_err *err)
{
    const struct mg_setup_meter *m = &s->setup->meters[meter];
    struct mg_sim_line_settings set = {
        .framing = MG_SIM_RTU_PTY,
        .serial = {.baud = 19200, .parity = 'N', .stop_bits = 1},
        .is_paced = s->setup->simulation.is_paced,
        .turnaround_ms = s->setup->simulation.turnaround_ms,
        .seed = mg_sim_hash3(s->setup->simulation.seed, SALT_OPTICAL, meter)};
    if (s->settings.loop == NULL || !has_optical_port(m)) {
        return MG_OK;
    }
    if (s->settings.link_dir != NULL) {
        int n = snprintf(set.link, sizeof set.link, "%s/%s-optical",
                         s->settings.link_dir, m->id);
        if (n < 0 || (size_t)n >= sizeof set.link) {
            return mg_err_set(err, MG_E_NOSPC,
                              "%s: the path of its optical port's link is "
                              "longer than %zu bytes",
                              m->id, sizeof set.link - 1);
        }
    }
    s->optical[meter] =
        mg_sim_line_create(s->settings.loop, s->settings.clock, &set, err);
    if (s->optical[meter] == NULL) {
        mg_err_prefix(err, "%s: optical port", m->id);
        return err->code;
    }
    return mg_sim_line_add_optical(s->optical[meter], s->lines[m->bus]) == MG_OK
               ? MG_OK
               : mg_err_set(err, MG_E_NOMEM, "%s: out of memory", m->id);
}

static int make_device(struct mg_simulation *s, size_t meter,
                       struct mg_err *err)
{
    const struct mg_setup_meter *m = &s->setup->meters[meter];
    const struct mg_setup_bus *b = &s->setup->buses[m->bus];
    if (m->plugin->firmware == NULL) {
        return mg_err_set(err, MG_E_NOSUP, "%s: %s has no simulated meter",
                          m->id, m->plugin->model);
    }
    s->first[meter] = mg_setup_device(s->setup, meter);
    if (s->first[meter] != meter) {
        s->devices[meter] = s->devices[s->first[meter]];
        return MG_OK;
    }
    uint64_t seed = mg_sim_hash3(s->setup->simulation.seed, SALT_METER, meter);
    struct mg_sim_profile profile = mg_simulation_profile(s, meter);
    struct mg_sim_device *d = mg_sim_device_create(
        m->plugin, m->options, &profile, seed, FIRST_SERIAL + (uint32_t)meter,
        m->unit, b->tty.serial.baud,
        mg_clock_utc_ms(s->settings.clock) - WARM_UP_MS);
    if (d == NULL) {
        return mg_err_set(err, MG_E_NOMEM, "%s: out of memory", m->id);
    }
    s->devices[meter] = d;
    set_loads(s, meter);
    if (s->keep_dir != NULL) {
        load_nv(s, meter);
    }
    mg_sim_device_run(d, WARM_UP_MS * UINT64_C(1000000));
    if (s->cans[m->bus] != NULL) {
        return make_node(s, meter, d, err);
    }
    if (mg_sim_line_add(s->lines[m->bus], d) != MG_OK) {
        mg_sim_device_destroy(d);
        s->devices[meter] = NULL;
        return mg_err_set(err, MG_E_NOSPC, "%s: more than 247 meters on %s",
                          m->id, b->id);
    }
    return make_optical(s, meter, err);
}

static int make_all(struct mg_simulation *s, struct mg_err *err)
{
    for (size_t i = 0; i < s->setup->n_buses; i++) {
        struct mg_sim_line_settings settings;
        if (mg_setup_is_can(&s->setup->buses[i])) {
            (void)make_can(s, i, err);
        } else if (make_line_settings(s, i, &settings, err) == MG_OK) {
            s->lines[i] = mg_sim_line_create(s->settings.loop,
                                             s->settings.clock, &settings, err);
        }
        if (s->lines[i] == NULL && s->cans[i] == NULL) {
            mg_err_prefix(err, "bus %s", s->setup->buses[i].id);
            return err->code;
        }
    }
    for (size_t i = 0; i < s->setup->n_meters; i++) {
        int rc = make_device(s, i, err);
        if (rc != MG_OK) {
            return rc;
        }
    }
    return MG_OK;
}

static int prepare_keep_dir(struct mg_simulation *s, struct mg_err *err)
{
    if (s->settings.keep_dir == NULL) {
        return MG_OK;
    }
    struct stat st;
    if (mkdir(s->settings.keep_dir, 0777) != 0 && errno != EEXIST) {
        return mg_err_errno(err, errno, "cannot make the directory %s",
                            s->settings.keep_dir);
    }
    if (stat(s->settings.keep_dir, &st) != 0 || !S_ISDIR(st.st_mode)) {
        return mg_err_set(err, MG_E_INVAL, "%s is not a directory",
                          s->settings.keep_dir);
    }
    s->keep_dir = strdup(s->settings.keep_dir);
    return s->keep_dir == NULL ? mg_err_set(err, MG_E_NOMEM, "out of memory")
                               : MG_OK;
}

static void warn_of_vector_unit(void)
{
    const char *name = getenv("MG_SIM_ISA");
    if (mg_sample_path_named(name) == NULL) {
        mg_log(MG_LOG_WARN,
               "MG_SIM_ISA: expected one of baseline, avx2, avx512 that this "
               "machine has; '%.20s' is ignored",
               name);
    }
}

struct mg_simulation *
mg_simulation_create(const struct mg_setup *setup,
                     const struct mg_simulation_settings *settings,
                     struct mg_err *err)
{
    struct mg_simulation *s = calloc(1, sizeof *s);
    if (s == NULL) {
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        return NULL;
    }
    warn_of_vector_unit();
    s->setup = setup;
    s->settings = *settings;
    s->lines = calloc(setup->n_buses + 1, sizeof(struct mg_sim_line *));
    s->cans = calloc(setup->n_buses + 1, sizeof(struct mg_sim_can_bus *));
    s->nodes = calloc(setup->n_meters + 1, sizeof(struct mg_sim_can_meter *));
    s->optical = calloc(setup->n_meters + 1, sizeof(struct mg_sim_line *));
    s->devices = calloc(setup->n_meters + 1, sizeof(struct mg_sim_device *));
    s->first = calloc(setup->n_meters + 1, sizeof(size_t));
    if (s->lines == NULL || s->cans == NULL || s->nodes == NULL ||
        s->optical == NULL || s->devices == NULL || s->first == NULL) {
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
    } else if (prepare_keep_dir(s, err) == MG_OK && make_all(s, err) == MG_OK) {
        return s;
    }
    mg_simulation_destroy(s);
    return NULL;
}

void mg_simulation_destroy(struct mg_simulation *s)
{
    if (s == NULL) {
        return;
    }
    for (size_t i = 0;
         s->keep_dir != NULL && s->first != NULL && i < s->setup->n_meters;
         i++) {
        if (s->devices[i] != NULL && s->first[i] == i) {
            save_nv(s, i);
        }
    }
    for (size_t i = 0; s->optical != NULL && i < s->setup->n_meters; i++) {
        mg_sim_line_destroy(s->optical[i]); /* before its meter goes */
    }
    for (size_t i = 0; s->nodes != NULL && i < s->setup->n_meters; i++) {
        mg_sim_can_meter_destroy(s->nodes[i]);
    }
    for (size_t i = 0;
         s->lines != NULL && s->cans != NULL && i < s->setup->n_buses; i++) {
        if (s->lines[i] != NULL) {
            mg_sim_line_destroy(s->lines[i]);
        }
        mg_sim_can_bus_destroy(s->cans[i]);
    }
    free(s->keep_dir);
    free(s->first);
    free(s->devices);
    free(s->optical);
    free(s->nodes);
    free(s->cans);
    free(s->lines);
    free(s);
}

const char *mg_simulation_address(struct mg_simulation *s, size_t bus)
{
    return s->cans[bus] != NULL ? mg_sim_can_bus_address(s->cans[bus])
                                : mg_sim_line_address(s->lines[bus]);
}

struct mg_sim_can_bus *mg_simulation_can(struct mg_simulation *s, size_t bus)
{
    return s->cans[bus];
}

void mg_simulation_live(struct mg_simulation *s, size_t meter)
{
    if (s->nodes[s->first[meter]] != NULL) {
        mg_sim_can_meter_live(s->nodes[s->first[meter]]);
    } else {
        mg_sim_line_live(s->lines[s->setup->meters[meter].bus]);
    }
}

struct mg_sim_line *mg_simulation_line(struct mg_simulation *s, size_t bus)
{
    return s->lines[bus];
}

struct mg_sim_line *mg_simulation_optical(struct mg_simulation *s, size_t meter)
{
    return s->optical[meter];
}

struct mg_sim_device *mg_simulation_device(struct mg_simulation *s,
                                           size_t meter)
{
    return s->devices[meter];
}

struct mg_sim_profile mg_simulation_profile(struct mg_simulation *s,
                                            size_t meter)
{
    struct mg_sim_profile profile;
    make_profile(&s->setup->meters[meter].load,
                 mg_sim_hash3(s->setup->simulation.seed, SALT_METER, meter),
                 &profile);
    return profile;
}

int mg_simulation_redirect(struct mg_setup_bus *bus, const char *address)
{
    if (bus->modbus.framing == MG_MODBUS_RTU) {
        if (address[0] == '\0' || strlen(address) >= sizeof bus->tty.device) {
            return MG_E_PROTO;
        }
        (void)snprintf(bus->tty.device, sizeof bus->tty.device, "%s", address);
        bus->tty.has_rs485 = false; /* a pty has no transceiver */
        bus->tty.is_low_latency = false;
        return MG_OK;
    }
    const char *colon = strrchr(address, ':');
    if (colon == NULL || colon == address ||
        (size_t)(colon - address) >= sizeof bus->host) {
        return MG_E_PROTO;
    }
    size_t n_digits = strspn(colon + 1, "0123456789");
    unsigned long port = strtoul(colon + 1, NULL, 10); /* huge: ULONG_MAX */
    if (colon[1 + n_digits] != '\0' || port == 0 || port > 65535) {
        return MG_E_PROTO;
    }
    if (mg_setup_is_can(bus)) {
        bus->type = MG_SETUP_SOCKETCAND;
        bus->connect_timeout_ms =
            bus->connect_timeout_ms == 0 ? 5000 : bus->connect_timeout_ms;
    }
    (void)snprintf(bus->host, sizeof bus->host, "%.*s", (int)(colon - address),
                   address);
    bus->port = (uint16_t)port;
    return MG_OK;
}
