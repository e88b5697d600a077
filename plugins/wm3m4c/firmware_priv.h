/* The simulated WM3M4 and WM3M4C: what the parts of the firmware share. It
 * knows nothing of the driver; both are readings of the manual (WM3M4 manual
 * V1.07) and of the published register map of the Iskra family.
 *
 * One count of the converters is 1/16 mV and 1/64 mA, so a product of counts
 * is 2^-10 uW, and no conversion below ever rounds or overflows. */
#ifndef WM3M4C_FIRMWARE_PRIV_H
#define WM3M4C_FIRMWARE_PRIV_H

#include "metergate/plugin.h"

#include "options.h"

/* Front end: a tick of two mains periods (manual 4.1); the rest is ours. */
#define FW_RATE_HZ       4000
#define FW_HALF_PERIODS  4
#define FW_BITS          24
#define FW_FULL_SCALE_MV (1U << 19) /* 524 V peak: 1.4 x 264.5 V rms */
#define FW_FULL_SCALE_MA (1U << 17) /* 131 A peak: 2.3 x 40 A rms */
#define FW_N_PHASES      3

/* Manual 1.1: 1000 imp/kWh, so a pulse is 1 Wh = 3600 J. A summed product of
 * counts is 2^-10 uW for 250 us: 3600e6 uJ * 1024 / 250e-6 s. */
#define FW_PULSE INT64_C(14745600000000000)

#define FW_SECOND_US 1000000U
#define FW_MINUTE_US 60000000U

#define FW_DEFAULT_UNIT 33 /* manual 6.6, 6.7 */
#define FW_INPUT_MAX    1024
#define FW_OUTPUT_MAX   1024
#define FW_SIGNATURE    64
#define FW_ASN1_MAX     256
#define FW_TEXT         40  /* description, location */
#define FW_MAX_WORDS    120 /* per request, manual 5.5.7 */

/* Modbus exceptions. State: what the meter does just now forbids it. */
#define FW_BAD_FUNCTION 1
#define FW_BAD_ADDRESS  2
#define FW_BAD_VALUE    3
#define FW_BAD_STATE    4
#define FW_BUSY         6

/* Register 47052, manual Table 7. */
enum fw_status {
    FW_NOT_INITIALISED = 0,
    FW_IDLE = 1,
    FW_SIGNING = 2,
    FW_SIGNED = 15,
    FW_INVALID_TIME = 128,
    FW_CHECKSUM_ERROR = 129,
    FW_INVALID_COMMAND = 130,
    FW_INVALID_STATE = 131,
    FW_INVALID_MEASUREMENT = 132,
    FW_TEST_MODE = 133,
    FW_INIT_FAILED = 247,
    FW_CONFIG_NOT_LOCKED = 249,
    FW_INVALID_FORMAT = 252,
    FW_INVALID_SIZE = 253,
    FW_SIGNATURE_ERROR = 254
};

/* Error word, manual 4.6.1. */
#define FW_ERR_PARAMETER   (1U << 0)
#define FW_ERR_MID_LOCK    (1U << 2)
#define FW_ERR_PHASE_FW    (7U << 3)
#define FW_ERR_CRYPTO_CHIP (1U << 15)

/* Measured values, in 1e-3 of the unit; angles and THD in 1e-2, power factors
 * in 1e-4. Where there are four, the total comes first. */
enum fw_value {
    FW_FREQUENCY,
    FW_U1,
    FW_U_MEAN = FW_U1 + 3,
    FW_PHI12, /* angle between phases */
    FW_U12 = FW_PHI12 + 3,
    FW_ULL_MEAN = FW_U12 + 3,
    FW_I1,
    FW_I_NEUTRAL = FW_I1 + 3,
    FW_I_MEAN,
    FW_I_SUM,
    FW_P,
    FW_Q = FW_P + 4,
    FW_S = FW_Q + 4,
    FW_PF = FW_S + 4,
    FW_ANGLE = FW_PF + 4,
    FW_TEMPERATURE = FW_ANGLE + 4, /* 1e-2 degree Celsius */
    FW_THD_U1,
    FW_THD_U12 = FW_THD_U1 + 3,
    FW_THD_I1 = FW_THD_U12 + 3,
    FW_N_VALUES = FW_THD_I1 + 3
};

/* Types of the register map; WIDE and NARROW are plain numbers. */
enum fw_type {
    FW_T5,     /* u24, decade exponent */
    FW_T6,     /* i24, decade exponent */
    FW_T7,     /* power factor */
    FW_T16,    /* u16 / 100 */
    FW_T17,    /* i16 / 100 */
    FW_WIDE,   /* u32 */
    FW_NARROW, /* u16 */
    FW_WH      /* u32 in Wh, of a value in mWh */
};

/* Sums over the second that is running. */
struct fw_sums {
    int64_t ui[FW_N_PHASES], uq[FW_N_PHASES];
    int64_t u2[FW_N_PHASES], i2[FW_N_PHASES];
    uint32_t n, n_ticks, n_cycles, elapsed_us;
    uint64_t cycles_q8; /* samples of n_cycles whole cycles, 1/256 */
};

struct fw_values {
    int64_t v[FW_N_VALUES];
};

/* Averages and extremes, registers 355xx to 357xx (ours in detail). */
struct fw_statistics {
    struct fw_values sum, average, max, min;
    uint32_t n; /* seconds in sum */
};

struct fw_energy {
    uint32_t wh[2]; /* import, export */
    int64_t rest;   /* not yet a pulse; negative: export */
};

struct fw_reading {
    uint32_t unix_s, wh;
    int16_t offset_min;
    uint8_t clock; /* register 47071 at that time */
};

/* What is kept of each command: in the order of registers 47015 to 47042. */
enum fw_event {
    FW_START,
    FW_STOP,
    FW_TARIFF,
    FW_INTERMEDIATE,
    FW_FISCAL,
    FW_HOLD,
    FW_SUSPEND,
    FW_N_EVENTS
};

/* Register 47000. */
enum fw_charge_state {
    FW_CHARGE_IDLE,
    FW_CHARGE_ACTIVE,
    FW_CHARGE_AFTER_POWER_LOSS,
    FW_CHARGE_AFTER_RESET
};

#define FW_FLAG_ENERGY 1U /* EF "E": unexpected reset */
#define FW_FLAG_TIME   2U /* EF "t": power loss */

struct fw_charge {
    uint8_t state;      /* enum fw_charge_state */
    uint8_t flags;      /* of the running one, FW_FLAG_* */
    uint8_t end_flags;  /* of the last one */
    uint8_t end_letter; /* of the last one; 0: there was none */
    bool is_cleared;    /* register 47070: show no last consumption */
    bool is_adjusted;   /* register 47074 has been used */
    uint16_t n_tariff, n_intermediate;
    uint32_t duration_s;
    uint32_t n_fiscal, n_signatures;
    struct fw_reading reading[FW_N_EVENTS];
};

/* What registers 40012 saves. */
struct fw_settings {
    uint8_t unit, baud_code, stop_bits, parity;
    uint8_t description[FW_TEXT], location[FW_TEXT];
    uint16_t energy_flow;   /* 40151 */
    uint16_t lcd_period_s;  /* 40174 */
    uint16_t counter[2][2]; /* 40421, 40422, 40431, 40432 */
    int16_t offset_min;     /* 47053 */
    uint16_t format;        /* 47059 */
    uint16_t backlight;     /* 47061 */
    uint16_t lcd_mask;      /* 47062 */
    uint8_t lcd_text[8];    /* 47063 */
    uint8_t lcd_label[4];   /* 47067 */
    uint16_t clock_timeout; /* 47072, minutes */
    uint16_t utc_mask;      /* 47073 */
    uint16_t end_format;    /* 47076 */
    uint8_t password[2][4]; /* PL1, PL2 */
    uint8_t is_locked;      /* MID lock, 47097 */
};

/* Without a battery: gone with the supply (manual 5.5.17). */
struct fw_clock {
    bool is_set;
    int64_t utc_us;
    uint16_t high_word; /* of a time that is being written */
    uint8_t status;     /* 47071 */
    uint64_t since_sync_us;
};

struct fw_signing {
    uint8_t status; /* enum fw_status, or another of Table 7 */
    bool is_requested, is_asked, is_answered, is_fiscal;
    uint32_t left_us;                         /* until the chip is done */
    uint16_t input_len, output_len, asn1_len; /* the last two: 0 until done */
    uint16_t text_len;                        /* of output, being signed */
    uint8_t input[FW_INPUT_MAX], output[FW_OUTPUT_MAX];
    uint8_t raw[FW_SIGNATURE], asn1[FW_ASN1_MAX];
};

/* Values put in by the back door, until the next tick. */
#define FW_N_SHOWN 192
struct fw_shown {
    struct {
        uint8_t function;
        uint16_t address, word;
    } at[FW_N_SHOWN];
    uint8_t n;
};

struct fw_state {
    struct mg_fw_env env;
    const struct wm3m4c_options *options;
    struct fw_settings settings;
    uint32_t settings_seq, energies_seq;
    struct fw_energy energy, reactive;
    struct fw_charge charge;
    struct fw_clock clock;
    struct fw_signing signing;
    struct fw_sums sums;
    struct fw_values live;
    struct fw_statistics statistics;
    bool has_live; /* a whole second has been measured */
    bool is_energy_lost, is_parameter_bad, is_crypto_dead;
    bool is_test_mode, is_led_reactive, is_held, is_no_load;
    bool is_optical;  /* the request comes from the optical port */
    uint8_t access;   /* password level that was entered, 0..2 */
    uint8_t entry[4]; /* password that is being entered */
    uint64_t access_until_us, unlock_until_us, fw_screen_until_us;
    uint64_t life_us; /* since power-on */
    uint32_t since_check_us, since_save_us, duration_us;
    uint64_t n_pulses;
    struct fw_shown shown;
    bool is_creeping, is_forgetful; /* MG_FW_FAULT_CREEP, _REMAINDER */
    enum mg_fw_fault memory_fault;  /* NONE, NV_SLOT or NV_ALL */
};

/* ---- firmware_number.c ---- */

/** The largest integer whose square is at most x. */
uint32_t wm3m4c_fw_isqrt(uint64_t x);
/** Angle of (x, y) in 1e-2 degree, -18000..18000; 0 for (0, 0).
 *  @param x,y  within +-2^40 */
int32_t wm3m4c_fw_angle(int64_t x, int64_t y);
/** Of Ethernet and zip. */
uint32_t wm3m4c_fw_crc32(const uint8_t *data, size_t len);
/** Registers of a value.
 *  @param is_capacitive  T7 only
 *  @return how many, 1 or 2 */
unsigned wm3m4c_fw_encode(enum fw_type type, int64_t value, bool is_capacitive,
                          uint16_t ret_words[2]);

/* ---- firmware_measure.c, firmware_energy.c ---- */

void wm3m4c_fw_measure(struct fw_state *st, const struct mg_tick *tick);
/** Whether this current is enough to be registered (manual 4.5: 20 mA). */
bool wm3m4c_fw_is_flowing(const struct fw_state *st, int64_t i2, uint32_t n);
void wm3m4c_fw_energy_tick(struct fw_state *st, const struct mg_tick *tick);
/** Import or export with the part below a pulse, mWh: the test mode's. */
uint64_t wm3m4c_fw_energy_fine(const struct fw_state *st, unsigned direction);

/* ---- firmware_clock.c ---- */

struct fw_date {
    uint16_t year;
    uint8_t month, day, hour, minute, second;
};

void wm3m4c_fw_date(int64_t unix_s, struct fw_date *ret);
int64_t wm3m4c_fw_clock_now(const struct fw_state *st); /* UTC, seconds */
void wm3m4c_fw_clock_set(struct fw_state *st, int64_t utc_s);
void wm3m4c_fw_clock_lose(struct fw_state *st);
void wm3m4c_fw_clock_advance(struct fw_state *st, uint32_t elapsed_us);
/** As RS-485 shows it (47073 bit 0). */
uint32_t wm3m4c_fw_clock_shown(const struct fw_state *st, uint32_t unix_s,
                               int16_t offset_min);

/* ---- firmware_charge.c: the procedure of manual 5.4 ---- */

/** Register 47051; what comes of it is in 47052. */
void wm3m4c_fw_command(struct fw_state *st, unsigned letter);
/** After power-on: what became of a running charge. */
void wm3m4c_fw_charge_power_on(struct fw_state *st, bool is_reset);
void wm3m4c_fw_charge_tick(struct fw_state *st, uint32_t elapsed_us);
uint32_t wm3m4c_fw_consumption_wh(const struct fw_state *st);

/* ---- firmware_dataset.c: what is signed (manual 5.5.13) ---- */

struct fw_entry {
    struct fw_reading reading;
    uint8_t letter; /* TX; 0: none */
    uint8_t flags;  /* FW_FLAG_* */
};

/** Fill in the dataset of `input`.
 *  @param n_entries  1 or 2
 *  @return FW_SIGNING, FW_INVALID_FORMAT or FW_INVALID_SIZE */
enum fw_status wm3m4c_fw_dataset(struct fw_state *st, bool is_fiscal,
                                 const struct fw_entry *entries,
                                 size_t n_entries);

/* ---- firmware_signature.c: the crypto chip ---- */

/** output[0..text_len) is to be signed. */
void wm3m4c_fw_sign(struct fw_state *st, bool is_fiscal);
void wm3m4c_fw_signature_tick(struct fw_state *st, uint32_t elapsed_us);
size_t wm3m4c_fw_sign_request(void *state, const uint8_t **ret_message);
void wm3m4c_fw_sign_result(void *state, const uint8_t signature[64]);

/* ---- firmware_error.c: errors, lock, passwords ---- */

uint16_t wm3m4c_fw_errors(const struct fw_state *st);
/** At start and every minute (manual 5.1). */
void wm3m4c_fw_check_parameters(struct fw_state *st);
uint32_t wm3m4c_fw_main_crc(const struct fw_state *st);
uint16_t wm3m4c_fw_phase_crc(const struct fw_state *st);
/** @return 0..2: the level reached now */
unsigned wm3m4c_fw_access(const struct fw_state *st);
/** What is in `entry`. */
void wm3m4c_fw_enter_password(struct fw_state *st);
/** Of this serial number (ours: nobody publishes how). */
void wm3m4c_fw_backup_password(uint32_t serial, uint8_t ret[4]);
/** The counters' settings as the approval has them. */
uint16_t wm3m4c_fw_counter_setting(unsigned counter, unsigned which);

/* ---- firmware_nv.c: the EEPROM, manual Table 1 and 4.3 ---- */

#define FW_NV_SIZE 2048

void wm3m4c_fw_nv_power_on(struct fw_state *st);
void wm3m4c_fw_nv_save_settings(struct fw_state *st);
/** Lock and passwords at once, whatever else was changed and not saved. */
void wm3m4c_fw_nv_save_access(struct fw_state *st);
/** Write the next slot; nothing while the energies are lost. */
void wm3m4c_fw_nv_save_energies(struct fw_state *st);
void wm3m4c_fw_nv_power_fail(struct fw_state *st);
/** Damage every stored copy. */
void wm3m4c_fw_nv_damage(struct fw_state *st);

/* ---- firmware_lcd.c ---- */

#define FW_LCD_ROW 16
/** Rows as text, padded with blanks. */
void wm3m4c_fw_lcd(const struct fw_state *st, uint8_t ret_rows[3][FW_LCD_ROW]);

/* ---- registers ---- */

/* An area of a register file. `check` says whether a word may be written, and
 * changes nothing: a request is carried out whole or not at all. */
struct fw_area {
    uint16_t first, last; /* on the wire */
    uint8_t access;       /* FW_AREA_* */
    uint16_t (*word)(const struct fw_state *st, unsigned offset);
    int (*check)(const struct fw_state *st, unsigned offset, uint16_t word);
    void (*apply)(struct fw_state *st, unsigned offset, uint16_t word);
};

#define FW_AREA_CRYPTO   1U /* WM3M4C only */
#define FW_AREA_SETTING  2U /* password level 2 */
#define FW_AREA_TEST     4U /* test mode only */
#define FW_AREA_END_MODE 8U /* from version 2.05 on */

extern const struct fw_area wm3m4c_fw_setting_areas[]
    __attribute__((visibility("hidden")));
extern const size_t wm3m4c_fw_n_setting_areas
    __attribute__((visibility("hidden")));
extern const struct fw_area wm3m4c_fw_charge_areas[]
    __attribute__((visibility("hidden")));
extern const size_t wm3m4c_fw_n_charge_areas
    __attribute__((visibility("hidden")));
extern const struct fw_area wm3m4c_fw_own_areas[]
    __attribute__((visibility("hidden")));
extern const size_t wm3m4c_fw_n_own_areas __attribute__((visibility("hidden")));

/** Input registers. @return false: there is none */
bool wm3m4c_fw_input_word(const struct fw_state *st, unsigned address,
                          uint16_t *ret);
/** The value of a channel in the input registers.
 *  @return false: it has none */
bool wm3m4c_fw_value_place(enum fw_value value, uint16_t *ret_address,
                           enum fw_type *ret_type);

/** Two characters, high first; 0 beyond the end. */
uint16_t wm3m4c_fw_chars(const uint8_t *bytes, size_t len, unsigned offset);

/** Line speed of a code 0..7, and back; -1: none. */
uint32_t wm3m4c_fw_baud(unsigned code);
int wm3m4c_fw_baud_code(int64_t baud);

/** Functions 03, 04, 06 and 16. */
int wm3m4c_fw_read(const struct fw_state *st, unsigned function, unsigned first,
                   unsigned n, uint16_t *ret_words);
int wm3m4c_fw_write(struct fw_state *st, unsigned first, unsigned n,
                    const uint16_t *words);
size_t wm3m4c_fw_pdu(void *state, uint8_t unit, const uint8_t *request,
                     size_t len, uint8_t *ret, size_t cap);
size_t wm3m4c_fw_optical_pdu(void *state, uint8_t unit, const uint8_t *request,
                             size_t len, uint8_t *ret, size_t cap);

/* ---- firmware_backdoor.c ---- */

int wm3m4c_fw_set(void *state, mg_channel channel, int64_t value);
int wm3m4c_fw_range(mg_channel channel, int64_t *ret_lo, int64_t *ret_hi,
                    int64_t *ret_tolerance);
int wm3m4c_fw_set_input(void *state, unsigned index, bool is_closed);

#endif
