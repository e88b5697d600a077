/* metergate plugin SDK: what a meter model exports.
 *
 * A plugin is a shared object with one exported constant, `mg_plugin`. It holds
 * no mutable file-scope data, allocates nothing, logs nothing, reads no clock
 * and starts no thread: every operation below is a pure function of its
 * arguments and of state that the core owns. All operations are called on one
 * thread at a time and must return at once. A NULL pointer is legal only where
 * the comment says "optional".
 *
 * Driver and firmware of one meter share nothing but this header: two readings
 * of the same manual, so that neither can hide an error of the other. */
#ifndef METERGATE_PLUGIN_H
#define METERGATE_PLUGIN_H

#include "metergate/rating.h"
#include "metergate/types.h"

#define MG_PLUGIN_ABI    4
#define MG_PLUGIN_SYMBOL "mg_plugin"

#define MG_PDU_MAX                                                             \
    253                        /* Modbus PDU: function code and data; message  \
                                * of a CAN meter over ISO-TP */
#define MG_STEP_STATE_MAX  256 /* bytes of a procedure's state */
#define MG_STEP_VALUES_MAX 8

#define MG_CIRCUITS_MAX 2 /* meters in one device */
#define MG_LANES_MAX    6 /* three phases of each */

/* ---- Options: a table; the core parses, checks, documents and fills ---- */

enum mg_option_type {
    MG_OPTION_BOOL, /* stored as int64_t 0 or 1 */
    MG_OPTION_INT,  /* stored as int64_t */
    MG_OPTION_ENUM, /* stored as int64_t, index into choices */
    MG_OPTION_TEXT  /* stored as char[size], NUL-terminated */
};

struct mg_option {
    const char *name; /* lower case, words joined by '-' */
    enum mg_option_type type;
    bool is_required;
    int64_t def, min, max;      /* BOOL, INT, ENUM (index) */
    const char *const *choices; /* ENUM: NULL-terminated list */
    const char *def_text;       /* TEXT; optional, default "" */
    uint16_t offset, size;      /* place in the struct; size for TEXT */
    const char *help;           /* one sentence with the unit */
    bool is_device; /* of the whole device: its meters must agree on it */
};

/* ---- Register table ---- */

enum mg_encoding {
    MG_ENC_BIT,    /* FC01/FC02: one coil or input */
    MG_ENC_U16,    /* one register, unsigned */
    MG_ENC_S16,    /* one register, two's complement */
    MG_ENC_U32,    /* two registers, high word first */
    MG_ENC_S32,    /* two registers, high word first */
    MG_ENC_F32,    /* two registers, IEEE 754, high word first */
    MG_ENC_CLOCK6, /* three registers, six bytes Y M D h m s, UTC */
    MG_ENC_ASCII,  /* `length` registers, two characters each, high first */
    MG_ENC_MAP,    /* one register; value = map[register], see `map` */
    MG_ENC_U24E8,  /* two registers: i8 decimal exponent, u24 mantissa */
    MG_ENC_S24E8,  /* two registers: i8 decimal exponent, i24 mantissa */
    MG_ENC_PF,     /* two registers: byte 00 import/ff export, byte 00
                    * inductive/ff capacitive, u16 in 1e-4; negative for
                    * export, no channel says inductive or capacitive */
    MG_ENC_VERSION /* one register in 1e-2, for a text: 208 = "2.08" */
};

/* In a map: no value belongs to this register content. */
#define MG_MAP_HOLE UINT32_MAX

/* How often a point is read; the intervals are the configuration's. */
enum mg_group {
    MG_GROUP_LIVE, /* every poll: live values, energies, switches */
    MG_GROUP_SLOW, /* every `slow_interval`: settlement history, parameters */
    MG_GROUP_INFO, /* once after each (re)connection: identification */
    MG_N_GROUPS
};

/* Decimal exponent `exp10`: register * 10^exp10 is in the unit without its
 * milli- (V, A, W, Wh, Hz); F32 in kWh has exp10 3. */
struct mg_point {
    mg_channel channel;
    uint8_t function; /* 1, 2, 3 or 4 */
    uint8_t encoding; /* enum mg_encoding */
    uint8_t group;    /* enum mg_group */
    int8_t exp10;
    uint16_t address; /* on the wire, 0-based */
    uint8_t length;   /* MG_ENC_ASCII: registers */
    /* Not 0, for U32 and S32: the register (i16) before `address` that holds
     * the exponent of ten of the value; read in the same request. */
    uint16_t exponent_at;
    /* A series: n_periods points, `stride` registers apart, the billing
     * period of the channel going up by one each. 0 = a single point. */
    uint8_t n_periods, stride;
    const uint32_t *map; /* MG_ENC_MAP: values by register content */
    uint8_t n_map;       /* entries of map; content beyond, and where the map
                          * holds MG_MAP_HOLE, is INVALID */
    uint32_t variants;   /* bit set of `variant` values that have the point,
                          * 0 = all */
    const char *source;  /* manual and section, or the page of facts */
};

/* ---- Procedures: several exchanges, as a step function ---- */

enum mg_step_event {
    MG_STEP_START,
    MG_STEP_REPLY,     /* pdu holds the answer to the last SEND */
    MG_STEP_EXCEPTION, /* exception holds the meter's exception code */
    MG_STEP_TIMEOUT,   /* no answer; whether the meter acted is not known */
    MG_STEP_WOKE,      /* the WAIT is over */
    MG_STEP_CANCEL,    /* stop as soon as the meter is in a defined state */
    MG_STEP_RESUME     /* after a restart of the gateway: read before acting */
};

/* What the core asks of a meter that signs (MG_CAP_SIGNS). Its driver has one
 * procedure with MG_PROC_SESSION and these arguments; in->text is the dataset
 * of the session, without the parts that the meter fills in. */
enum mg_session_op {
    MG_SESSION_LOOK,  /* read state and an output that is still there; writes
                       * nothing */
    MG_SESSION_BEGIN, /* clock, format, dataset, begin; needs the idle state */
    MG_SESSION_RESTORE, /* after power loss or reset: clock and dataset again */
    MG_SESSION_INTERMEDIATE,
    MG_SESSION_TARIFF,
    MG_SESSION_SUSPEND,
    MG_SESSION_RESUME,
    MG_SESSION_FISCAL, /* allowed in any state */
    MG_SESSION_HOLD,   /* keep the present reading; the next op signs it */
    MG_SESSION_EXCEPTION,
    MG_SESSION_END,   /* `reason`; gives the record of the whole transaction */
    MG_SESSION_LAST,  /* the last record again, with a new pagination */
    MG_SESSION_ADJUST /* clock by `adjust_s`; the meter allows one a charge */
};

struct mg_session_args {
    uint8_t op;         /* enum mg_session_op */
    char reason;        /* END: 'E', 'L', 'R', 'A' or 'P' (OCMF TX) */
    int8_t adjust_s;    /* ADJUST: -3..3 */
    int16_t offset_min; /* local time - UTC now, DST included */
};

/* State of the charging in the meter, MG_Q_SESSION_STATE. */
enum mg_session_state {
    MG_SESSION_IDLE,
    MG_SESSION_ACTIVE,
    MG_SESSION_AFTER_POWER_LOSS, /* needs RESTORE */
    MG_SESSION_AFTER_RESET       /* energy not valid; needs RESTORE */
};

/* What a chunk of result is. The chunks of a kind are joined in order. */
enum mg_chunk_kind {
    MG_CHUNK_PAYLOAD,          /* of the OCMF record, as the meter made it */
    MG_CHUNK_SIGNATURE_DER,    /* binary */
    MG_CHUNK_SIGNATURE_BASE64, /* text */
    MG_CHUNK_PUBLIC_KEY,       /* binary, X and Y */
    MG_N_CHUNKS
};

struct mg_step_in {
    enum mg_step_event event;
    uint64_t now_ms; /* monotonic */
    int64_t utc_ms;
    uint8_t clock;       /* enum mg_clock_sync */
    const void *options; /* the meter's options struct */
    const void *args;    /* the procedure's arguments struct */
    const char *text;    /* finished dataset text, image of an update, or
                          * fingerprint of a seal (binary); or NULL */
    size_t text_len;
    const uint8_t *pdu; /* REPLY: function code and data, length checked */
    size_t pdu_len;
    uint8_t exception;
    uint8_t unit; /* bus address the meter has now */
};

enum mg_step_action {
    MG_STEP_SEND, /* send `pdu`, come back with REPLY, EXCEPTION or TIMEOUT */
    MG_STEP_WAIT, /* yield the bus for wait_ms, come back with WOKE */
    MG_STEP_DONE,
    MG_STEP_FAIL /* code and reason say why */
};

/* How far a procedure with MG_PROC_UPDATE has come; each is an entry of the
 * metrological log book. */
enum mg_step_stage {
    MG_STAGE_NONE,
    MG_STAGE_DOWNLOADED, /* the meter has the whole image */
    MG_STAGE_INSTALLED   /* and runs it */
};

struct mg_step_out {
    enum mg_step_action action;
    bool has_effect;     /* SEND: the core commits the state before sending */
    uint16_t timeout_ms; /* SEND: 0 = the unit's own time-out */
    uint32_t wait_ms;
    uint8_t unit;  /* SEND: ask this address instead (0 = the meter's);
                    * DONE: the meter's new address (0 = unchanged) */
    uint32_t baud; /* SEND, DONE: likewise for the line speed */
    uint8_t pdu[MG_PDU_MAX];
    size_t pdu_len;
    int code;        /* FAIL: enum mg_code */
    char reason[96]; /* FAIL: what was expected and what was found */
    uint8_t stage;   /* enum mg_step_stage: reached with this step */
    /* SEND, WAIT, DONE: values to put into the answer, and a piece of text to
     * append to the result (signed dataset). */
    struct mg_value values[MG_STEP_VALUES_MAX];
    size_t n_values;
    const uint8_t *chunk; /* borrowed from in->pdu or the state */
    size_t chunk_len;
    uint8_t chunk_kind; /* enum mg_chunk_kind */
};

enum mg_procedure_flags {
    MG_PROC_SWITCHES = 1 << 0,    /* acts on the load */
    MG_PROC_NEW_EPOCH = 1 << 1,   /* clears registers: opens a new epoch */
    MG_PROC_NEW_ADDRESS = 1 << 2, /* moves the meter on its bus */
    MG_PROC_LINE_SPEED = 1 << 3,  /* changes the line: meter must be alone */
    MG_PROC_SESSION = 1 << 4,     /* args are struct mg_session_args; given by
                                   * the core only, never by the broker */
    MG_PROC_SEAL = 1 << 5,        /* text is what the meter is sealed to, 32
                                   * bytes */
    MG_PROC_SERVICE = 1 << 7,     /* the first argument names a fault that the
                                   * gateway forgets; the step only ends */
    MG_PROC_UPDATE = 1 << 6       /* the first argument names a file of the
                                   * gateway; text is its SHA-256 without
                                   * the last 64 bytes, the signature, and
                                   * then the content. It begins with 8 bytes
                                   * of the model's own and 12 of the version
                                   * of the legally relevant software */
};

struct mg_procedure {
    const char *verb; /* the command topic's last level */
    const char *help;
    uint32_t flags;
    uint32_t variants;            /* as in mg_point */
    const struct mg_option *args; /* members of the command */
    size_t n_args, args_size;
    size_t state_size; /* at most MG_STEP_STATE_MAX */
    /** Advance by one event. `out` is zeroed by the caller; `state` is zeroed
     *  before START and otherwise as the last call left it, also across a
     *  restart of the gateway. Idempotent: RESUME first reads the meter. */
    void (*step)(void *state, const struct mg_step_in *in,
                 struct mg_step_out *out);
    const char *source;
};

/* ---- CAN: signals of a database, messages over ISO-TP ---- */

/* A meter on CAN sends its values by itself. Where they lie is said by a DBC
 * file; the plugin only names them. */
struct mg_signal {
    mg_channel channel;
    const char *name;  /* "Message.Signal" */
    uint32_t variants; /* as in mg_point */
    const char *source;
};

/* Who a meter says it is. Texts are NUL-terminated, printable ASCII. */
struct mg_identity {
    char serial[17], part_number[17], version[13], lrs_version[13];
    uint8_t lrs_hash[32]; /* of the legally relevant software */
    bool has_software_hash;
    uint8_t software_hash[32]; /* of all of it */
    uint8_t public_key[64];    /* X and Y, P-256, of its telegrams */
    uint8_t circuit;           /* of its device, that has answered */
    bool is_sealed;
    uint8_t seal[32]; /* what it is sealed to */
};

#define MG_CHALLENGE_LEN 16

/* A signed energy telegram. Not verified yet: the core does that. */
struct mg_telegram {
    char serial[17];
    uint8_t node, circuit; /* a device that is one meter: circuit 0 */
    uint32_t boot;
    uint64_t counter; /* non-volatile, higher with each telegram */
    uint64_t uptime_ms;
    int64_t import_mwh, export_mwh, resolution_mwh;
    uint32_t status; /* bits as MG_Q_ERROR_WORD of this meter */
    uint8_t lrs_hash[32];
    uint8_t challenge[MG_CHALLENGE_LEN]; /* all 0: sent by itself */
    const uint8_t *body; /* what is signed; borrowed from the message */
    size_t body_len;
    uint8_t signature[64]; /* r and s */
};

/* A bit of MG_Q_ERROR_WORD that is a fault of the station's catalogue. */
struct mg_fault_bit {
    uint8_t bit;
    const char *fault;   /* "urn:fault:koala:acm-over-temp" */
    bool voids_measured; /* while it is set, nothing measured is to be used */
};

struct mg_can_driver {
    const char *dbc; /* file beside the plugin: "cpkm3000.dbc" */
    const struct mg_signal *signals;
    size_t n_signals;
    uint8_t max_node; /* addresses are 0..max_node */
    /* Messages of the DBC that carry ISO-TP, of each circuit of the device;
     * NULL: there is none, and neither procedures nor what follows. */
    const char *to_meter[MG_CIRCUITS_MAX], *from_meter[MG_CIRCUITS_MAX];
    /** The question who it is. @return length */
    size_t (*identify)(uint8_t ret[MG_PDU_MAX]);
    /** @return MG_OK; MG_E_NOSUP: this is no answer to it; MG_E_PROTO: it is,
     *  but malformed */
    int (*identity)(const uint8_t *message, size_t len,
                    struct mg_identity *ret);
    /** MG_CAP_TELEGRAM: ask for a telegram with this challenge. */
    size_t (*ask_telegram)(const uint8_t challenge[MG_CHALLENGE_LEN],
                           uint8_t ret[MG_PDU_MAX]);
    /** @return as identity */
    int (*telegram)(const uint8_t *message, size_t len,
                    struct mg_telegram *ret);
    const struct mg_fault_bit *faults;
    size_t n_faults;
    int64_t starting_current_ma; /* Ist: below, nothing flows */
};

/* ---- Driver ---- */

struct mg_serial {
    uint32_t baud;
    char parity; /* 'N', 'E' or 'O' */
    uint8_t stop_bits;
};

struct mg_driver {
    const struct mg_point *points;
    size_t n_points;
    uint16_t max_registers;  /* per request, at most 125 */
    uint16_t max_gap;        /* registers a merged request may read across */
    uint16_t timeout_ms;     /* answer time of the meter, without the wire */
    uint16_t min_gap_ms;     /* silence the meter wants between requests */
    struct mg_serial serial; /* as delivered */
    uint8_t n_phases;
    int64_t max_voltage_mv, max_current_ma; /* plausibility, per phase */
    const struct mg_procedure *procedures;
    size_t n_procedures;
    const struct mg_can_driver *can; /* MG_BUS_CAN; then no points */
};

/* ---- Firmware: the meter itself, for simulation ---- */

enum mg_current_sensor {
    MG_SENSOR_SHUNT,      /* passes direct current */
    MG_SENSOR_TRANSFORMER /* does not */
};

/* The analogue side that core/sim runs at the sample rate for the firmware.
 * Lane k is phase k % 3 of circuit k / 3. */
struct mg_frontend {
    uint32_t rate_mhz;         /* sample rate in 1e-3 Hz */
    uint32_t samples_per_tick; /* fixed tick; 0 = half_periods rule */
    uint8_t half_periods;      /* tick after so many half mains periods */
    uint8_t n_lanes;
    uint8_t bits;                   /* of the converter, sign included, <= 24 */
    uint8_t current_sensor;         /* enum mg_current_sensor */
    uint8_t sinc_order;             /* of the converter's decimation filter with
                                     * its first zero at the sample rate, up to
                                     * 5; 0: it passes harmonics unchanged */
    uint32_t full_scale_mv;         /* peak voltage at 2^(bits - 1) counts */
    uint32_t full_scale_ma;         /* peak current at 2^(bits - 1) counts */
    int32_t gain_u_ppm, gain_i_ppm; /* residual errors after calibration */
    int32_t drift_u_ppb, drift_i_ppb; /* of the gains, per K from 23 degC */
    int32_t phase_error_cdeg; /* of the current path at any frequency, 1e-2
                               * degree: positive = measured too late */
    int32_t skew_ns; /* the current is sampled so much after the voltage */
    int32_t offset_u_lsb, offset_i_lsb;
    uint32_t noise_u_mlsb, noise_i_mlsb; /* rms, 1e-3 LSB */
};

/* One lane's sums over a tick, in converter counts. uq is the current times
 * the voltage delayed by a quarter period. */
struct mg_lane_sums {
    int64_t ui, uq, u2, i2;
    int64_t u_sum, i_sum;
    uint32_t n_saturated;
};

/* What a tick hands over. A simulation that is in a hurry hands over many equal
 * ticks as one: the firmware must then register the same energy and keep the
 * same time as with each of them alone, and may be late with all else. */
struct mg_tick {
    uint32_t n_ticks; /* ticks of the rule that these sums cover, at least 1 */
    uint32_t n_samples;
    uint32_t elapsed_us;  /* of the device's own oscillator, at most 15 s */
    uint32_t n_crossings; /* rising zero crossings of lane 0's voltage */
    uint32_t crossing_span_q8; /* samples from the first to the last, 1/256 */
    int32_t ambient_mdegc;     /* what a thermistor in the housing sees */
    struct mg_lane_sums lane[MG_LANES_MAX];
};

struct mg_fw_env {
    const void *options; /* the meter's options struct; borrowed for good */
    uint8_t *nv;         /* non-volatile memory, nv_size bytes; borrowed for
                          * good; survives power_on, 0xff when new */
    uint64_t seed;
    uint32_t serial; /* serial number, 1..99999999 */
    uint8_t unit;    /* bus address when nv is new */
    uint32_t baud;   /* line speed when nv is new */
    int64_t utc_ms;  /* true time: what a battery-backed clock has kept */
    const uint8_t *public_key; /* X and Y of P-256, 64 bytes; the private key is
                                * in the crypto chip: see sign_request. NULL
                                * unless MG_CAP_SIGNS or MG_CAP_TELEGRAM */
    /** What the chip computes at once, both pure. ECDSA-SHA256 on P-256: keys
     *  are X and Y, signatures r and s. */
    bool (*verify)(const uint8_t public_key[64], const uint8_t *message,
                   size_t len, const uint8_t signature[64]);
    void (*sha256)(const uint8_t *data, size_t len, uint8_t ret[32]);
};

enum mg_fw_fault {
    MG_FW_FAULT_NONE,
    MG_FW_FAULT_NV_SLOT,     /* one stored copy is damaged */
    MG_FW_FAULT_NV_ALL,      /* every stored copy is damaged */
    MG_FW_FAULT_CLOCK,       /* the clock loses its time */
    MG_FW_FAULT_NAN,         /* a measuring fault: the meter serves NaN */
    MG_FW_FAULT_RESET,       /* an unexpected reset, as by the watchdog */
    MG_FW_FAULT_CRYPTO,      /* the crypto chip does not answer */
    MG_FW_FAULT_WELDED,      /* the relay's contacts do not open any more */
    MG_FW_FAULT_TEMPERATURE, /* it is too hot */
    MG_FW_FAULT_SENSOR,      /* a temperature sensor is broken */
    MG_FW_FAULT_TELEGRAM,    /* signed telegrams come with a wrong signature */
    MG_FW_FAULT_OVER,        /* the last four, and CRYPTO, are over */
    /* Mistakes of a programmer, which a type test must find. */
    MG_FW_FAULT_CREEP,     /* the starting threshold is four times too high */
    MG_FW_FAULT_REMAINDER, /* what is left below an impulse is lost with every
                            * tick */
    MG_FW_FAULT_IMAGE /* the code in flash is damaged, which shows at the next
                       * start */
};

/* What a person in front of the meter sees. */
struct mg_fw_display {
    char row[17];     /* the digits or letters now shown */
    char caption[25]; /* what is lit beside them: "kWh 20000 imp/kWh" */
    bool impulse_led, warning_led;
};

/* A value that the firmware puts into its messages; the host encodes it as the
 * configured DBC says and sends each message at its cycle time. */
struct mg_fw_signal {
    const char *name; /* "Message.Signal" of the built-in DBC */
    enum mg_unit unit;
};

/* What the world around the meter sees of one of its circuits. The host lights
 * the impulse LED as a meter's sampling interrupt does: over the next tick it
 * walks from what it had (n_pulses and rest of the tick before) to this,
 * sample by sample, and lights it with every whole one. */
struct mg_fw_circuit {
    bool load_connected; /* false: the relay interrupts the load */
    uint64_t n_pulses;   /* of the active-energy output, since power-on */
    uint32_t rest_q32;   /* of the way to the next one, 2^-32 of an impulse */
};

struct mg_fw_outputs {
    struct mg_fw_circuit circuit[MG_CIRCUITS_MAX];
    uint8_t unit; /* bus address it answers on now */
    uint32_t baud;
};

/* A part of the day that has a tariff; it lasts to the next one's start, the
 * last one past midnight. */
struct mg_fw_period {
    uint8_t hour, minute, rate; /* from 1 */
};

struct mg_firmware {
    const struct mg_frontend *frontend;
    uint32_t state_size, nv_size;
    /** Power comes: `state` is zeroed, nv as the last power-off left it. */
    void (*power_on)(void *state, const struct mg_fw_env *env);
    /** Supply is going: the last chance to save to nv. */
    void (*power_fail)(void *state);
    /** One block of samples has been accumulated. */
    void (*tick)(void *state, const struct mg_tick *tick);
    /** Answer a request.
     *  @param cap  MG_PDU_MAX
     *  @return length of the answer; 0: silent (wrong unit, broadcast) */
    size_t (*pdu)(void *state, uint8_t unit, const uint8_t *request, size_t len,
                  uint8_t *ret, size_t cap);
    void (*outputs)(const void *state, struct mg_fw_outputs *ret);
    /** A contact of the meter, from 0. @return MG_OK or MG_E_NOSUP */
    int (*set_input)(void *state, unsigned index, bool is_closed);
    /** Back door for tests: make the meter show this value of this channel
     *  until the next tick that computes it. @return MG_OK or MG_E_NOSUP */
    int (*set)(void *state, mg_channel channel, int64_t value);
    /** Range a test may sweep with `set` and the error the meter's registers
     *  may add, all in base units. @return MG_OK or MG_E_NOSUP */
    int (*range)(mg_channel channel, int64_t *ret_lo, int64_t *ret_hi,
                 int64_t *ret_tolerance);
    int (*fault)(void *state, enum mg_fw_fault kind);
    /** Optional, with MG_CAP_SIGNS: the crypto chip. Called after every tick
     *  and request. @return length of a message that is to be signed with
     *  ECDSA-SHA256 now, once; 0: none
     *  @param ret_message  borrowed from the state until sign_result */
    size_t (*sign_request)(void *state, const uint8_t **ret_message);
    /** The answer of the chip, before the next tick: r and s, 32 bytes each. */
    void (*sign_result)(void *state, const uint8_t signature[64]);
    /** Optional: as pdu, for the meter's second port, the optical one. */
    size_t (*optical_pdu)(void *state, uint8_t unit, const uint8_t *request,
                          size_t len, uint8_t *ret, size_t cap);
    /* MG_BUS_CAN; `pdu` is then a message over ISO-TP to the circuit `unit`,
     * which comes as `to_meter` of it and goes back as its `from_meter`. */
    const struct mg_fw_signal *signals;
    size_t n_signals;
    /** @return false: it has no value now; the bits of the message stay 0. A
     *  meter without a value for any signal has no supply or no program: the
     *  host sends nothing for it. */
    bool (*signal)(const void *state, size_t index, int64_t *ret);
    /** A message that a circuit sends by itself over ISO-TP; called for each
     *  after every tick and request until it gives 0.
     *  @param cap  MG_PDU_MAX */
    size_t (*unasked)(void *state, unsigned circuit, uint8_t *ret, size_t cap);
    /** Optional: the request with which a tool gives the meter these tariffs,
     *  for `pdu`. @return length; 0: it does not take them */
    size_t (*tariff_request)(const struct mg_fw_period *periods, size_t n,
                             uint8_t *ret, size_t cap);
    void (*display)(const void *state,
                    struct mg_fw_display *ret); /* optional */
};

/* ---- The plugin ---- */

enum mg_bus_kind { MG_BUS_MODBUS, MG_BUS_CAN };

enum mg_capability {
    MG_CAP_RELAY = 1 << 0,
    MG_CAP_TARIFFS = 1 << 1,
    MG_CAP_SETTLEMENT = 1 << 2,
    MG_CAP_CLOCK = 1 << 3,
    MG_CAP_SIGNS = 1 << 4, /* signs datasets in the meter */
    MG_CAP_FIRMWARE = 1 << 5,
    MG_CAP_TELEGRAM = 1 << 6, /* sends signed energies, which alone are billed;
                               * the station signs the dataset */
    MG_CAP_SEAL = 1 << 7,  /* is sealed to its station, and it to the meter */
    MG_CAP_DUTIES = 1 << 8 /* switches the load of a charging station: overload
                            * and welded contacts are watched */
};

struct mg_plugin {
    uint32_t abi;  /* MG_PLUGIN_ABI; first, for ever */
    uint32_t size; /* sizeof(struct mg_plugin); second, for ever */
    const char *model, *vendor, *description;
    enum mg_bus_kind bus;
    uint32_t capabilities; /* enum mg_capability */
    const struct mg_option *options;
    size_t n_options, options_size;
    /** Value 0..31 that `variants` masks select on; optional. */
    unsigned (*variant)(const void *options);
    /** Which circuit of its device a meter is, 0..MG_CIRCUITS_MAX - 1;
     *  optional: NULL, a device is one meter. Meters of one model, bus and
     *  address with different circuits are one device. One enumerated option
     *  chooses it; all others are the device's (mg_option.is_device). */
    unsigned (*circuit)(const void *options);
    const struct mg_driver *driver;
    const struct mg_firmware *firmware; /* optional */
    const struct mg_rating *rating;     /* optional: there is no type test */
};

#endif
