/* What a configuration says, as plain data: filled by config/, used by run/,
 * mqtt/ and sim/. Strings are owned by the setup and live as long as it does.
 */
#ifndef MG_RUN_SETUP_H
#define MG_RUN_SETUP_H

#include "bus/can.h"
#include "bus/can_signals.h"
#include "bus/modbus.h"

#define MG_ID_MAX           48 /* ids: [a-z0-9_-], first a letter or digit */
#define MG_SETUP_BUSES_MAX  4096
#define MG_SETUP_METERS_MAX 16384
#define MG_ALLOW_MAX        16

struct mg_setup_place {
    uint32_t line, column; /* of the item in the file, 1-based */
};

struct mg_setup_mqtt {
    bool is_enabled; /* false: no `mqtt` section */
    char host[256];
    uint16_t port;
    char root[128];       /* "mg/v1": topics are <root>/<gateway>/... */
    char client_id[64];   /* default: metergate-<gateway> */
    char *username;       /* NULL = none */
    char *password;       /* read from password_file; never logged */
    bool has_tls;         /* default true */
    bool is_host_checked; /* default true */
    char *ca_file, *cert_file, *key_file; /* NULL = system's CAs, none */
    uint16_t keepalive_s;                 /* default 15 */
    uint16_t window;            /* unacknowledged messages, 1..16, default 16 */
    bool is_v311_allowed;       /* fall back to MQTT 3.1.1, with a warning */
    uint32_t max_command_bytes; /* default 4096 */
};

struct mg_setup_outbox {
    uint32_t max_readings; /* per row, 1..1000, default 10 */
    uint32_t max_age_ms;   /* of a reading before its row is written */
    uint64_t max_bytes;    /* default 256 MiB */
};

/** The station signs for the meters that cannot. */
struct mg_setup_station {
    bool is_enabled; /* false: no `station` section */
    char *key_file;  /* PEM; or NULL: PKCS#11 */
    char *pkcs11_module, *pkcs11_uri, *pkcs11_pin_file; /* NULL = none */
    char identification[64]; /* OCMF GI; default: the gateway's id */
    char serial[64];         /* OCMF GS; "" = left out */
    char version[64];        /* OCMF GV; default: metergate VERSION */
};

/** EVerest's powermeter API on a broker, usually the charger's own. */
struct mg_setup_everest {
    bool is_enabled;           /* false: no `everest` section */
    struct mg_setup_mqtt mqtt; /* of the section; default: that of `mqtt`,
                                * with a client id of its own */
    uint32_t interval_ms;      /* powermeter_values at least this far apart,
                                * default 1000 */
};

/* The first three are the values of enum mg_modbus_framing. */
enum mg_setup_bus_type {
    MG_SETUP_RTU,
    MG_SETUP_TCP,
    MG_SETUP_RTU_TCP,
    MG_SETUP_SOCKETCAN,
    MG_SETUP_SOCKETCAND
};

struct mg_setup_bus {
    struct mg_setup_place place;
    char id[MG_ID_MAX];
    enum mg_setup_bus_type type;
    struct mg_modbus_settings modbus; /* framing, baud, gaps */
    struct mg_tty_settings tty;       /* MG_MODBUS_RTU */
    char host[256];                   /* the TCP framings, socketcand */
    uint16_t port;
    uint32_t connect_timeout_ms;
    struct mg_socketcan_settings can; /* SOCKETCAN; SOCKETCAND: the interface is
                                       * the name of its bus */
};

/** What the simulated meter of a meter does; used by --simulate only. */
struct mg_setup_load {
    bool is_fixed; /* false: a charging profile made from the seed */
    int64_t voltage_mv, current_ma;
    int32_t pf_1e4; /* power factor 1e-4; negative: export */
    bool is_capacitive;
    int64_t frequency_mhz;
};

/** Charging transactions of one meter. */
struct mg_setup_session {
    char evse[64];             /* OCMF CI; default: the meter's id */
    bool is_chargebox;         /* OCMF CT: CBIDC instead of EVSEID */
    uint32_t loss_uohm;        /* cable loss per phase, 0 (socket) or 23000
                                * (tethered cable); station signing only */
    uint8_t form;              /* enum mg_ocmf_form; station signing only */
    uint8_t connector;         /* CI of ChargePoint's form: 1 right,
                                * 2 left, seen from the front */
    bool is_ocpp_plain;        /* the record as it is instead of base64 */
    char *public_key;          /* pinned: hex or base64; NULL = any */
    char everest[64];          /* module id in EVerest, "" = not served */
    bool is_contactor;         /* sessions switch the relays */
    uint32_t current_limit_ma; /* per phase; from 1.25 times this on it is an
                                * overload (Flex Series guide, annex B); 0 =
                                * not watched */
};

struct mg_setup_meter {
    struct mg_setup_place place;
    char id[MG_ID_MAX];
    const struct mg_plugin *plugin; /* borrowed from the plugin host */
    void *options;                  /* owned; plugin->options_size bytes */
    size_t bus;                     /* index into buses */
    uint8_t unit;
    uint32_t interval_ms;        /* of the live group, default 1000 */
    uint32_t slow_interval_ms;   /* of the slow group, default 15 min */
    uint32_t timeout_ms, gap_ms; /* default: the driver's */
    uint16_t max_registers;      /* default: the driver's */
    uint16_t max_gap;            /* default: the driver's */
    /* On CAN. */
    char *dbc_file;           /* owned; NULL: the model's own */
    const struct mg_dbc *dbc; /* one of setup->dbcs */
    size_t n_signals;
    struct mg_can_override *signals; /* owned */
    size_t n_allowed;                /* command verbs the broker may give */
    char allowed[MG_ALLOW_MAX][32];
    struct mg_setup_load load;
    struct mg_setup_session session;
};

struct mg_setup_simulation {
    uint64_t seed;          /* default 1 */
    int64_t start_utc_ms;   /* 0 = now */
    uint32_t turnaround_ms; /* answer time of a simulated meter, default 20 */
    bool is_paced;          /* keep the baud rate on ptys, default true */
};

struct mg_setup {
    char *file; /* as given on the command line */
    char gateway[MG_ID_MAX];
    char *state_dir;
    struct mg_setup_mqtt mqtt;
    struct mg_setup_outbox outbox;
    struct mg_setup_simulation simulation;
    struct mg_setup_station station;
    struct mg_setup_everest everest;
    char *update_dir;  /* owned: images for meters; NULL = none */
    char timezone[64]; /* of the site, as in the tz database; default UTC */
    size_t n_buses, n_meters, n_dbcs;
    struct mg_setup_dbc {
        char *file;                /* owned */
        struct mg_dbc *dbc;        /* owned */
    } * dbcs;                      /* owned; each file once */
    struct mg_setup_bus *buses;    /* owned */
    struct mg_setup_meter *meters; /* owned */
};

/** Free everything the setup owns, wiping secrets; NULL is allowed. */
void mg_setup_destroy(struct mg_setup *setup);

/** A bus for meters on CAN. */
static inline bool mg_setup_is_can(const struct mg_setup_bus *bus)
{
    return bus->type >= MG_SETUP_SOCKETCAN;
}

/** Which circuit of its device the meter is, < MG_CIRCUITS_MAX. */
unsigned mg_setup_circuit(const struct mg_setup_meter *meter);

/** The option that chooses the circuit, and what it says for this meter; NULL: a
 *  device is one meter. */
const struct mg_option *mg_setup_circuit_option(const struct mg_plugin *plugin);
const char *mg_setup_circuit_text(const struct mg_setup_meter *meter);

/** Two meters are one device: circuits of one model at one address. */
bool mg_setup_is_one_device(const struct mg_setup_meter *a,
                            const struct mg_setup_meter *b);

/** The first meter of a meter's device: itself, or one before it. */
size_t mg_setup_device(const struct mg_setup *setup, size_t meter);

/** Descriptors the gateway needs to run this. */
size_t mg_setup_descriptors(const struct mg_setup *setup);

/** Least time in ns that one poll of each group of a meter takes on its bus,
 *  as if the meter answered at once. Over TCP only the meter's gaps count.
 *  @return MG_OK or what mg_plan_build says of the meter's limits */
int mg_setup_poll_ns(const struct mg_setup *setup, size_t meter,
                     uint64_t ret_ns[MG_N_GROUPS]);

/** Time in ns of each second that the polls of a meter need of its bus. */
uint64_t mg_setup_meter_load_ns(const struct mg_setup *setup, size_t meter);

/** Share of a bus's time that its polls need, in 1/1000; above 1000 they
 *  cannot be kept. Uses the merged requests of each meter. */
uint32_t mg_setup_bus_load(const struct mg_setup *setup, size_t bus);

#endif
