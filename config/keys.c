#include "config/keys.h"

#include <string.h>

#define FIELD(type, field)                                                     \
    .offset = offsetof(type, field), .size = sizeof(((type *)NULL)->field)
#define N_KEYS(keys) (sizeof(keys) / sizeof(keys)[0])

#define MS_PER_MIN  INT64_C(60000)
#define MS_PER_HOUR INT64_C(3600000)
#define US_PER_MS   1000
#define US_PER_S    1000000

/* ---- Texts with a form ---- */

static const char *check_root(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || text[0] == '/' || text[0] == '$' || text[len - 1] == '/' ||
        strpbrk(text, "+#") != NULL || strstr(text, "//") != NULL) {
        return "a topic such as mg/v1, without +, # or empty levels";
    }
    return NULL;
}

static const char *check_host(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789.-_:%";
    if (text[0] == '\0' || text[strspn(text, allowed)] != '\0') {
        return "a name or an address without scheme, user or port";
    }
    return NULL;
}

static const char *check_interface(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";
    if (text[0] == '\0' || strlen(text) > 15 ||
        text[strspn(text, allowed)] != '\0') {
        return "the name of an interface such as can0, at most 15 letters";
    }
    return NULL;
}

static const char *check_not_empty(const char *text)
{
    return text[0] == '\0' ? "a text that is not empty" : NULL;
}

static const char *check_zone(const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_+-/";
    size_t len = strlen(text);
    if (len == 0 || text[0] == '/' || text[len - 1] == '/' ||
        strspn(text, allowed) != len) {
        return "a name of the tz database such as Europe/Berlin, or UTC";
    }
    return NULL;
}

/* ---- Sections ---- */

static const struct mg_key gateway_keys[] = {
    {.name = "id",
     .type = MG_KEY_ID,
     .is_required = true,
     FIELD(struct mg_setup, gateway),
     .help = "Name of this gateway, part of every topic."},
    {.name = "state_dir",
     .type = MG_KEY_PATH,
     .def_literal = "/var/lib/metergate",
     FIELD(struct mg_setup, state_dir),
     .help = "Folder of the database: outbox, sequence numbers, meter state."},
    {.name = "update_dir",
     .type = MG_KEY_PATH,
     .def_text = "no updates",
     FIELD(struct mg_setup, update_dir),
     .help = "Folder of firmware images for the command `firmware-update`."},
    {.name = "timezone",
     .type = MG_KEY_TEXT,
     .def_literal = "UTC",
     .check = check_zone,
     FIELD(struct mg_setup, timezone),
     .help = "Local time of signed records, a name of the tz database such as "
             "Europe/Berlin."},
};
static const struct mg_section gateway_section = {
    "gateway", "The gateway itself.", gateway_keys, N_KEYS(gateway_keys)};

/* `root` is the last: the broker of EVerest has all the others. */
static const struct mg_key mqtt_keys[] = {
    {.name = "host",
     .type = MG_KEY_TEXT,
     .is_required = true,
     .check = check_host,
     FIELD(struct mg_setup_mqtt, host),
     .help = "Name or address of the broker."},
    {.name = "port",
     .type = MG_KEY_INT,
     .min = 1,
     .max = 65535,
     .def_text = "8883, or 1883 without TLS",
     FIELD(struct mg_setup_mqtt, port),
     .help = "TCP port of the broker."},
    {.name = "client_id",
     .type = MG_KEY_TEXT,
     .def_text = "metergate-ID, ID of the gateway",
     .check = check_not_empty,
     FIELD(struct mg_setup_mqtt, client_id),
     .help = "MQTT client id; one connection per id."},
    {.name = "username",
     .type = MG_KEY_TEXT,
     .is_owned = true,
     .def_text = "",
     .check = check_not_empty,
     FIELD(struct mg_setup_mqtt, username),
     .help = "User at the broker."},
    {.name = "password_file",
     .type = MG_KEY_PATH,
     .def_text = "",
     .help = "File with the password in one line of at most 256 bytes, not "
             "readable by others."},
    {.name = "tls",
     .type = MG_KEY_BOOL,
     .def = 1,
     FIELD(struct mg_setup_mqtt, has_tls),
     .help = "Encrypt the connection and check the broker's certificate."},
    {.name = "check_host_name",
     .type = MG_KEY_BOOL,
     .def = 1,
     FIELD(struct mg_setup_mqtt, is_host_checked),
     .help = "The certificate must be for `host`."},
    {.name = "ca_file",
     .type = MG_KEY_PATH,
     .def_text = "the system's",
     FIELD(struct mg_setup_mqtt, ca_file),
     .help = "Certificates of the authorities to trust, PEM."},
    {.name = "cert_file",
     .type = MG_KEY_PATH,
     .def_text = "",
     FIELD(struct mg_setup_mqtt, cert_file),
     .help = "Client certificate, PEM; with `key_file`."},
    {.name = "key_file",
     .type = MG_KEY_PATH,
     .def_text = "",
     FIELD(struct mg_setup_mqtt, key_file),
     .help = "Its private key, PEM, not readable by others."},
    {.name = "keepalive",
     .type = MG_KEY_AMOUNT,
     .def = 15,
     .min = 5,
     .max = 3600,
     .scales = mg_scales_duration,
     .step = US_PER_S,
     FIELD(struct mg_setup_mqtt, keepalive_s),
     .help = "A dead broker is noticed after 1.5 to 2.5 times this."},
    {.name = "window",
     .type = MG_KEY_INT,
     .def = 16,
     .min = 1,
     .max = 16,
     FIELD(struct mg_setup_mqtt, window),
     .help = "Messages under way without an acknowledgement."},
    {.name = "allow_v311",
     .type = MG_KEY_BOOL,
     .def = 0,
     FIELD(struct mg_setup_mqtt, is_v311_allowed),
     .help = "Fall back to MQTT 3.1.1, which hides refused messages."},
    {.name = "max_command_size",
     .type = MG_KEY_AMOUNT,
     .def = 4096,
     .min = 64,
     .max = 65536,
     .scales = mg_scales_size,
     FIELD(struct mg_setup_mqtt, max_command_bytes),
     .help = "Larger commands are refused."},
    {.name = "root",
     .type = MG_KEY_TEXT,
     .def_literal = "mg/v1",
     .check = check_root,
     FIELD(struct mg_setup_mqtt, root),
     .help = "Topics are ROOT/GATEWAY/..."},
};
static const struct mg_section mqtt_section = {
    "mqtt", "The broker; without this section nothing is published.", mqtt_keys,
    N_KEYS(mqtt_keys)};
const struct mg_section mg_section_broker = {
    "mqtt", "The broker of EVerest, with the keys of `mqtt` but `root`.",
    mqtt_keys, N_KEYS(mqtt_keys) - 1};

static const struct mg_key outbox_keys[] = {
    {.name = "max_readings",
     .type = MG_KEY_INT,
     .def = 10,
     .min = 1,
     .max = 1000,
     FIELD(struct mg_setup_outbox, max_readings),
     .help = "Readings of a meter in one message."},
    {.name = "max_age",
     .type = MG_KEY_AMOUNT,
     .def = 10000,
     .min = 100,
     .max = MS_PER_HOUR,
     .scales = mg_scales_duration,
     .step = US_PER_MS,
     FIELD(struct mg_setup_outbox, max_age_ms),
     .help = "A reading is on the disk after this at the latest."},
    {.name = "max_size",
     .type = MG_KEY_AMOUNT,
     .def = (int64_t)256 << 20,
     .min = (int64_t)1 << 20,
     .max = (int64_t)1 << 40,
     .scales = mg_scales_size,
     FIELD(struct mg_setup_outbox, max_bytes),
     .help = "Disk space for readings that wait for the broker."},
};
static const struct mg_section outbox_section = {
    "outbox", "Readings on their way to the broker.", outbox_keys,
    N_KEYS(outbox_keys)};

static const struct mg_key simulation_keys[] = {
    {.name = "seed",
     .type = MG_KEY_INT,
     .def = 1,
     .min = 0,
     .max = INT64_MAX,
     FIELD(struct mg_setup_simulation, seed),
     .help = "The same seed gives the same meters and loads."},
    {.name = "start",
     .type = MG_KEY_TIME,
     .def_text = "now",
     FIELD(struct mg_setup_simulation, start_utc_ms),
     .help = "Time at which the simulated world begins."},
    {.name = "turnaround",
     .type = MG_KEY_AMOUNT,
     .def = 20,
     .min = 0,
     .max = 10000,
     .scales = mg_scales_duration,
     .step = US_PER_MS,
     FIELD(struct mg_setup_simulation, turnaround_ms),
     .help = "Time a simulated meter takes to answer."},
    {.name = "paced",
     .type = MG_KEY_BOOL,
     .def = 1,
     FIELD(struct mg_setup_simulation, is_paced),
     .help = "Simulated serial lines are as slow as real ones."},
};
static const struct mg_section simulation_section = {
    "simulation", "For `--simulate` only.", simulation_keys,
    N_KEYS(simulation_keys)};

static const struct mg_choice bus_types[] = {
    {"modbus-rtu", MG_MODBUS_RTU},         {"modbus-tcp", MG_MODBUS_TCP},
    {"modbus-rtu-tcp", MG_MODBUS_RTU_TCP}, {"socketcan", MG_SETUP_SOCKETCAN},
    {"socketcand", MG_SETUP_SOCKETCAND},   {NULL, 0}};
static const struct mg_choice parities[] = {
    {"none", 'N'}, {"even", 'E'}, {"odd", 'O'}, {NULL, 0}};
static const struct mg_choice bauds[] = {
    {"1200", 1200},     {"2400", 2400},   {"4800", 4800},   {"9600", 9600},
    {"19200", 19200},   {"38400", 38400}, {"57600", 57600}, {"115200", 115200},
    {"230400", 230400}, {NULL, 0}};
#define ON_RTU        (1U << MG_MODBUS_RTU)
#define ON_TCP        (1U << MG_MODBUS_TCP | 1U << MG_MODBUS_RTU_TCP)
#define ON_MODBUS     (ON_RTU | ON_TCP)
#define ON_SOCKETCAN  (1U << MG_SETUP_SOCKETCAN)
#define ON_SOCKETCAND (1U << MG_SETUP_SOCKETCAND)
#define ON_CAN        (ON_SOCKETCAN | ON_SOCKETCAND)

static const struct mg_key bus_keys[] = {
    {.name = "id",
     .type = MG_KEY_ID,
     .is_required = true,
     FIELD(struct mg_setup_bus, id),
     .help = "Name of the bus."},
    {.name = "type",
     .type = MG_KEY_CHOICE,
     .is_required = true,
     .choices = bus_types,
     FIELD(struct mg_setup_bus, type),
     .help = "A serial line, Modbus TCP, RTU frames over TCP; a CAN interface "
             "of the kernel, or one of a socketcand server."},
    {.name = "device",
     .type = MG_KEY_TEXT,
     .is_required = true,
     .for_types = ON_RTU,
     .check = check_not_empty,
     FIELD(struct mg_setup_bus, tty.device),
     .help = "Serial device, best a link below /dev/serial/by-id."},
    {.name = "baud",
     .type = MG_KEY_CHOICE,
     .is_numeric = true,
     .for_types = ON_RTU,
     .choices = bauds,
     .def_text = "of the first meter's model",
     FIELD(struct mg_setup_bus, tty.serial.baud),
     .help = "Speed of the line."},
    {.name = "parity",
     .type = MG_KEY_CHOICE,
     .for_types = ON_RTU,
     .choices = parities,
     .def_text = "of the first meter's model",
     FIELD(struct mg_setup_bus, tty.serial.parity),
     .help = "Parity of the line."},
    {.name = "stop_bits",
     .type = MG_KEY_INT,
     .for_types = ON_RTU,
     .min = 1,
     .max = 2,
     .def_text = "of the first meter's model",
     FIELD(struct mg_setup_bus, tty.serial.stop_bits),
     .help = "Stop bits; 2 only without parity."},
    {.name = "rs485",
     .type = MG_KEY_BOOL,
     .for_types = ON_RTU,
     FIELD(struct mg_setup_bus, tty.has_rs485),
     .help = "The kernel switches the transceiver's direction (TIOCSRS485)."},
    {.name = "low_latency",
     .type = MG_KEY_BOOL,
     .for_types = ON_RTU,
     FIELD(struct mg_setup_bus, tty.is_low_latency),
     .help = "Ask a USB adapter to hand over bytes at once."},
    {.name = "host",
     .type = MG_KEY_TEXT,
     .is_required = true,
     .for_types = ON_TCP | ON_SOCKETCAND,
     .check = check_host,
     FIELD(struct mg_setup_bus, host),
     .help = "Name or address of the meter, its gateway or the server."},
    {.name = "port",
     .type = MG_KEY_INT,
     .for_types = ON_TCP | ON_SOCKETCAND,
     .def_text = "502; socketcand: 29536",
     .min = 1,
     .max = 65535,
     FIELD(struct mg_setup_bus, port),
     .help = "Its TCP port."},
    {.name = "connect_timeout",
     .type = MG_KEY_AMOUNT,
     .for_types = ON_TCP | ON_SOCKETCAND,
     .def = 5000,
     .min = 100,
     .max = MS_PER_MIN,
     .scales = mg_scales_duration,
     .step = US_PER_MS,
     FIELD(struct mg_setup_bus, connect_timeout_ms),
     .help = "Time for a connection to be made."},
    {.name = "interface",
     .type = MG_KEY_TEXT,
     .for_types = ON_CAN,
     .def_literal = "can0",
     .check = check_interface,
     FIELD(struct mg_setup_bus, can.interface),
     .help = "CAN interface of the kernel, or the server's name of its bus."},
    {.name = "fd",
     .type = MG_KEY_BOOL,
     .for_types = ON_SOCKETCAN,
     FIELD(struct mg_setup_bus, can.is_fd),
     .help = "The interface takes CAN FD frames."},
    {.name = "manage",
     .type = MG_KEY_BOOL,
     .for_types = ON_SOCKETCAN,
     FIELD(struct mg_setup_bus, can.is_managed),
     .help = "Bring the interface up with these values, and again after "
             "bus-off; needs CAP_NET_ADMIN."},
    {.name = "bitrate",
     .type = MG_KEY_INT,
     .for_types = ON_CAN,
     .def = 500000,
     .min = 10000,
     .max = 1000000,
     FIELD(struct mg_setup_bus, can.bitrate),
     .help = "Bits per second; set when `manage` is, else for the budget."},
    {.name = "sample_point",
     .type = MG_KEY_INT,
     .for_types = ON_SOCKETCAN,
     .min = 500,
     .max = 999,
     .def_text = "the kernel's choice",
     FIELD(struct mg_setup_bus, can.sample_point),
     .help = "In 1/1000 of a bit; with `manage`."},
    {.name = "restart",
     .type = MG_KEY_AMOUNT,
     .for_types = ON_SOCKETCAN,
     .min = 0,
     .max = MS_PER_MIN,
     .scales = mg_scales_duration,
     .step = US_PER_MS,
     FIELD(struct mg_setup_bus, can.restart_ms),
     .help = "The kernel restarts the controller so long after bus-off; 0: the "
             "gateway does, with growing pauses. With `manage`."},
    {.name = "gap",
     .type = MG_KEY_AMOUNT,
     .for_types = ON_MODBUS,
     .min = 0,
     .max = 1000000,
     .scales = mg_scales_duration,
     .step = 1,
     FIELD(struct mg_setup_bus, modbus.bus_gap_us),
     .help = "Silence between frames, where longer than t3.5."},
    {.name = "slack",
     .type = MG_KEY_AMOUNT,
     .for_types = ON_MODBUS,
     .min = 0,
     .max = 10000,
     .scales = mg_scales_duration,
     .step = US_PER_MS,
     FIELD(struct mg_setup_bus, modbus.slack_ms),
     .help = "Added to every time-out: delay of an adapter or gateway."},
};
static const struct mg_section bus_section = {
    "bus", "A line with meters on it.", bus_keys, N_KEYS(bus_keys)};

static const struct mg_key load_keys[] = {
    {.name = "voltage",
     .type = MG_KEY_AMOUNT,
     .def = 230000,
     .min = 0,
     .max = 1000000,
     .scales = mg_scales_voltage,
     FIELD(struct mg_setup_load, voltage_mv),
     .help = "Voltage of each phase."},
    {.name = "current",
     .type = MG_KEY_AMOUNT,
     .def = 10000,
     .min = 0,
     .max = 1000000,
     .scales = mg_scales_current,
     FIELD(struct mg_setup_load, current_ma),
     .help = "Current of each phase."},
    {.name = "power_factor",
     .type = MG_KEY_AMOUNT,
     .def = 10000,
     .min = -10000,
     .max = 10000,
     .scales = mg_scales_factor,
     FIELD(struct mg_setup_load, pf_1e4),
     .help = "Negative: energy flows back."},
    {.name = "capacitive",
     .type = MG_KEY_BOOL,
     FIELD(struct mg_setup_load, is_capacitive),
     .help = "The current leads the voltage."},
    {.name = "frequency",
     .type = MG_KEY_AMOUNT,
     .def = 50000,
     .min = 40000,
     .max = 70000,
     .scales = mg_scales_frequency,
     FIELD(struct mg_setup_load, frequency_mhz),
     .help = "Frequency of the mains."},
};
static const struct mg_section load_section = {
    "simulate", "A fixed load of a simulated meter.", load_keys,
    N_KEYS(load_keys)};

static const struct mg_key meter_keys[] = {
    {.name = "id",
     .type = MG_KEY_ID,
     .is_required = true,
     FIELD(struct mg_setup_meter, id),
     .help = "Name of the meter, part of its topics."},
    {.name = "model",
     .type = MG_KEY_TEXT,
     .is_required = true,
     .help = "One of `metergate models`."},
    {.name = "bus",
     .type = MG_KEY_ID,
     .is_required = true,
     .help = "Id of the bus it is on."},
    {.name = "unit",
     .type = MG_KEY_INT,
     .is_required = true,
     .min = 0,
     .max = 255,
     FIELD(struct mg_setup_meter, unit),
     .help = "Its address: 1 to 247, over Modbus TCP also 0 and 255; on CAN "
             "its node."},
    {.name = "interval",
     .type = MG_KEY_AMOUNT,
     .def = 1000,
     .min = 50,
     .max = 24 * MS_PER_HOUR,
     .scales = mg_scales_duration,
     .step = US_PER_MS,
     FIELD(struct mg_setup_meter, interval_ms),
     .help = "Live values and energies are read this often."},
    {.name = "slow_interval",
     .type = MG_KEY_AMOUNT,
     .def = 15 * MS_PER_MIN,
     .min = 1000,
     .max = 24 * MS_PER_HOUR,
     .scales = mg_scales_duration,
     .step = US_PER_MS,
     FIELD(struct mg_setup_meter, slow_interval_ms),
     .help = "Settlement history and parameters are read this often."},
    {.name = "timeout",
     .type = MG_KEY_AMOUNT,
     .min = 10,
     .max = MS_PER_MIN,
     .def_text = "of the model",
     .scales = mg_scales_duration,
     .step = US_PER_MS,
     FIELD(struct mg_setup_meter, timeout_ms),
     .help = "Time to answer, without the time on the wire."},
    {.name = "gap",
     .type = MG_KEY_AMOUNT,
     .min = 0,
     .max = 10000,
     .def_text = "of the model",
     .scales = mg_scales_duration,
     .step = US_PER_MS,
     FIELD(struct mg_setup_meter, gap_ms),
     .help = "Silence the meter wants before a request."},
    {.name = "max_registers",
     .type = MG_KEY_INT,
     .min = 1,
     .max = 125,
     .def_text = "of the model",
     FIELD(struct mg_setup_meter, max_registers),
     .help = "Registers in one request, at most the model's."},
    {.name = "max_gap",
     .type = MG_KEY_INT,
     .min = 0,
     .max = 124,
     .def_text = "of the model",
     FIELD(struct mg_setup_meter, max_gap),
     .help = "Unused registers that a request may read across."},
    {.name = "dbc",
     .type = MG_KEY_PATH,
     .def_text = "the model's own",
     FIELD(struct mg_setup_meter, dbc_file),
     .help = "CAN database that says where the meter's values lie."},
    {.name = "signals",
     .type = MG_KEY_NAMES,
     .max = MG_CAN_SIGNALS_MAX,
     .def_text = "the model's own",
     .help = "Other names in that database: KEY=Message.Signal, "
             "request=Message, answer=Message; none: it is not there."},
    {.name = "allow",
     .type = MG_KEY_NAMES,
     .max = MG_ALLOW_MAX,
     .def_text = "none",
     .help = "Commands that the broker may give to this meter."},
    {.name = "options",
     .type = MG_KEY_OPTIONS,
     .def_text = "of the model",
     .help = "Settings of the model, see `metergate models`."},
    {.name = "simulate",
     .type = MG_KEY_SECTION,
     .def_text = "a charging profile made from the seed",
     .section = &load_section,
     .help = "A fixed load when simulated."},
    {.name = "session",
     .type = MG_KEY_SECTION,
     .def_text = "",
     .section = &mg_section_session,
     .help = "Charging transactions on this meter."},
};
static const struct mg_section meter_section = {"meter", "A meter on a bus.",
                                                meter_keys, N_KEYS(meter_keys)};

static const struct mg_key root_keys[] = {
    {.name = "gateway",
     .type = MG_KEY_SECTION,
     .is_required = true,
     .section = &gateway_section,
     .help = "The gateway itself."},
    {.name = "mqtt",
     .type = MG_KEY_SECTION,
     .def_text = "nothing is published",
     .section = &mqtt_section,
     .help = "The broker."},
    {.name = "outbox",
     .type = MG_KEY_SECTION,
     .def_text = "",
     .section = &outbox_section,
     .help = "Readings on their way to the broker."},
    {.name = "station",
     .type = MG_KEY_SECTION,
     .def_text = "meters that do not sign have no sessions",
     .section = &mg_section_station,
     .help = "Signs for the meters that cannot."},
    {.name = "everest",
     .type = MG_KEY_SECTION,
     .def_text = "EVerest is not served",
     .section = &mg_section_everest,
     .help = "The bridge to EVerest."},
    {.name = "simulation",
     .type = MG_KEY_SECTION,
     .def_text = "",
     .section = &simulation_section,
     .help = "For `--simulate` only."},
    {.name = "buses",
     .type = MG_KEY_LIST,
     .is_required = true,
     .max = MG_SETUP_BUSES_MAX,
     .section = &bus_section,
     .help = "The lines."},
    {.name = "meters",
     .type = MG_KEY_LIST,
     .is_required = true,
     .max = MG_SETUP_METERS_MAX,
     .section = &meter_section,
     .help = "The meters on them."},
};
const struct mg_section mg_section_root = {"file", "The whole file.", root_keys,
                                           N_KEYS(root_keys)};

size_t mg_section_find(const struct mg_section *section, const char *name,
                       size_t len)
{
    size_t i = 0;
    while (i < section->n_keys &&
           (strlen(section->keys[i].name) != len ||
            memcmp(section->keys[i].name, name, len) != 0)) {
        i++;
    }
    return i;
}

const struct mg_section *mg_section_of(const char *key)
{
    size_t i = mg_section_find(&mg_section_root, key, strlen(key));
    return i < N_KEYS(root_keys) ? root_keys[i].section : NULL;
}

const struct mg_key *mg_section_discriminator(const struct mg_section *section)
{
    size_t i = mg_section_find(section, "type", 4);
    for (size_t k = 0; i < section->n_keys && k < section->n_keys; k++) {
        if (section->keys[k].for_types != 0) {
            return &section->keys[i];
        }
    }
    return NULL;
}
