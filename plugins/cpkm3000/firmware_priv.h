/* The simulated CPKM3000: what the parts of the firmware share. It knows
 * nothing of the driver; both are readings of README.md, which is the contract
 * of frames and messages.
 *
 * One count of the converters is 16 mV and 4 mA, so a product of counts is
 * 64 uW; at 8000 samples a second it is 8 nJ, and no conversion below ever
 * rounds or overflows. */
#ifndef CPKM3000_FIRMWARE_PRIV_H
#define CPKM3000_FIRMWARE_PRIV_H

#include "metergate/plugin.h"

#include "options.h"

/* Front end (ours): the STM32G4's 12-bit converters, oversampled 256 times in
 * hardware, which gives 16 bits; a tick of two mains periods. */
#define FW_RATE_HZ       8000
#define FW_HALF_PERIODS  4
#define FW_BITS          16
#define FW_FULL_SCALE_MV (16U << 15) /* 371 V rms */
#define FW_FULL_SCALE_MA (4U << 15)  /* 92 A rms: 2.9 times Imax */
#define FW_N_PHASES      3
#define FW_NOISE_MLSB    1500

/* Guide, "LED specifications": 20000 imp/kWh, so a pulse is 180 J. */
#define FW_PULSE     INT64_C(22500000000)
#define FW_PULSE_MWH 50

#define FW_SECOND_US 1000000U
#define FW_MINUTE_US 60000000U

/* Refusals, README.md. */
enum fw_refusal {
    FW_DONE = 0,
    FW_UNKNOWN_SERVICE = 1,
    FW_BAD_LENGTH = 2,
    FW_BAD_STATE = 3,
    FW_BAD_VALUE = 4,
    FW_BAD_SIGNATURE = 5,
    FW_BAD_HASH = 6,
    FW_INTERNAL_ERROR = 7
};

/* Status word, README.md. */
#define FW_ERR_MEMORY       (1U << 0)
#define FW_ERR_LRS          (1U << 1)
#define FW_ERR_HOT          (1U << 2)
#define FW_ERR_SENSOR       (1U << 3)
#define FW_ERR_MEASURING    (1U << 4)
#define FW_ERR_WELDED       (1U << 5)
#define FW_ERR_INSTALLATION (1U << 6)
#define FW_ERR_CRYPTO       (1U << 7)
#define FW_IS_CLOSED        (1U << 16)
#define FW_IS_EVSE_FAULT    (1U << 17)
#define FW_IS_SEALED        (1U << 18)
#define FW_IS_THREE_PHASE   (1U << 19)

/* All but contacts that cannot be opened anyway. */
#define FW_ERR_OPENING (0xffU & ~FW_ERR_WELDED)

#define FW_SERIAL_LEN    16
#define FW_VERSION_LEN   12
#define FW_HASH_LEN      32
#define FW_SEAL_LEN      32
#define FW_SIGNATURE_LEN 64
#define FW_BODY_LEN      110
#define FW_TELEGRAM_LEN  (FW_BODY_LEN + FW_SIGNATURE_LEN)

/* Signals in the order of cpkm3000.dbc; three of a kind are L1 to L3. */
enum fw_signal {
    FW_S_ERROR_WORD,
    FW_S_RELAY,
    FW_S_EVSE_FAULT,
    FW_S_PHASES,
    FW_S_NODE,
    FW_S_U,
    FW_S_FREQUENCY = FW_S_U + 3,
    FW_S_I,
    FW_S_P = FW_S_I + 3,
    FW_S_Q = FW_S_P + 3,
    FW_S_P_TOTAL = FW_S_Q + 3,
    FW_S_Q_TOTAL,
    FW_S_PF,
    FW_S_POS,
    FW_S_NEG,
    FW_S_TEMPERATURE,
    FW_S_BOOTS,
    FW_S_PULSES_POS,
    FW_S_PULSES_NEG,
    FW_N_SIGNALS
};

/* One element's sums, without the converters' offsets. */
struct fw_lane {
    int64_t ui, uq, u2, i2;
    uint32_t n_saturated;
};

/* Sums over the window that is running. */
struct fw_sums {
    struct fw_lane lane[FW_N_PHASES];
    uint32_t n, n_ticks, n_cycles;
    uint64_t cycles_q8; /* samples of n_cycles whole cycles, 1/256 */
};

/* Sums of the lines' samples over a second: the converters' offsets. */
struct fw_offsets {
    int64_t u[FW_N_PHASES], i[FW_N_PHASES];
    uint32_t n;
};

/* What a small current would register, until it is known to be enough. */
struct fw_pending {
    int64_t ui, i2;
    uint32_t n, n_ticks;
};

/* Non-volatile; in impulses. */
struct fw_energy {
    uint64_t pos, neg;
    int64_t rest; /* not yet an impulse; negative: NEG */
};

/* The legally relevant software that runs; bank 0: as delivered. */
struct fw_lrs {
    uint8_t bank; /* 0, 1 or 2 */
    uint32_t size;
    uint8_t version[FW_VERSION_LEN], hash[FW_HASH_LEN];
};

enum fw_update_result { FW_NO_UPDATE, FW_INSTALLED, FW_REFUSED };

struct fw_memory {
    struct fw_energy energy;
    uint64_t counter; /* of the last telegram */
    uint32_t boots;
    bool is_sealed;
    uint8_t seal[FW_SEAL_LEN];
    uint8_t update_result; /* enum fw_update_result */
    struct fw_lrs lrs;
};

#define FW_N_SLOTS   3
#define FW_BANK_SIZE 16384
#define FW_BANKS_AT  1024 /* the slots lie before */
#define FW_NV_SIZE   (FW_BANKS_AT + 2 * FW_BANK_SIZE)

struct fw_slots {
    uint32_t seq;                 /* of the newest */
    uint64_t ceiling[FW_N_SLOTS]; /* as stored: no counter is above it */
    uint32_t since_save_us;
    uint64_t saved_impulses; /* pos + neg */
    enum mg_fw_fault fault;  /* NONE, NV_SLOT or NV_ALL */
    bool is_lost;            /* no copy was intact at the start */
    bool is_bad;             /* no copy is intact now */
};

struct fw_telegram {
    bool is_due, is_wanted; /* cyclic; with `challenge` */
    uint8_t challenge[MG_CHALLENGE_LEN];
    uint32_t since_cycle_us;
    /* The chip: asked for, given out, and since when. */
    bool is_busy, is_given, is_answer;
    uint32_t busy_us;
    uint8_t body[FW_BODY_LEN];
    /* Finished: [0] sent by itself, [1] with a challenge. */
    uint8_t ready[2][FW_TELEGRAM_LEN];
    bool is_ready[2];
};

struct fw_update {
    bool is_receiving;
    uint32_t size, next;
    uint8_t hash[FW_HASH_LEN];
};

struct fw_thermal {
    int64_t rise_nk; /* above the surroundings, 1e-9 K */
    uint32_t since_us;
    uint64_t i2_ma2; /* sum over the elements, of the last window */
};

/* Hardware that is broken by the back door; outlives a reset. */
struct fw_broken {
    bool is_chip_dead, is_welded, is_hot, is_sensor_dead, is_forging, is_blind;
    bool is_creeping, is_forgetful; /* MG_FW_FAULT_CREEP, _REMAINDER */
};

struct fw_state {
    struct mg_fw_env env;
    const struct cpkm3000_options *options;
    struct fw_memory memory;
    struct fw_slots slots;
    struct fw_sums sums;
    struct fw_offsets offsets; /* of the last whole second; n 0: none yet */
    struct fw_offsets offsets_now;
    struct fw_pending pending[FW_N_PHASES];
    struct fw_telegram telegram;
    struct fw_update update;
    struct fw_thermal thermal;
    struct fw_broken broken;
    int64_t live[FW_N_SIGNALS]; /* what is measured; the rest stays 0 */
    bool has_live;
    uint32_t errors; /* FW_ERR_* now */
    bool is_lrs_bad, is_misinstalled, is_hot, is_crypto_late;
    bool is_measuring_bad, is_l1_missing;
    bool is_closed, is_evse_fault;
    uint64_t life_us; /* since the start */
    uint32_t since_check_us;
    uint64_t n_pulses; /* since power-on */
    bool is_lit;       /* impulse LED */
    uint32_t page, page_us;
    /* Put in by the back door, until the next tick. */
    bool is_shown[FW_N_SIGNALS];
    int64_t shown[FW_N_SIGNALS];
};

/* ---- firmware.c ---- */

/** Status word; the errors as of the last tick or request. */
uint32_t cpkm3000_fw_status(const struct fw_state *st);
/** Look for errors and open the relays if there is one. */
void cpkm3000_fw_guard(struct fw_state *st);
/** Start again without losing power, as the watchdog or an update does. */
void cpkm3000_fw_restart(struct fw_state *st);
unsigned cpkm3000_fw_n_phases(const struct fw_state *st);
/** Texts as in the messages, filled up with NUL. */
void cpkm3000_fw_serial(const struct fw_state *st, uint8_t ret[FW_SERIAL_LEN]);

/* ---- firmware_number.c ---- */

/** The largest integer whose square is at most x. */
uint32_t cpkm3000_fw_isqrt(uint64_t x);
/** Of Ethernet and zip. */
uint32_t cpkm3000_fw_crc32(const uint8_t *data, size_t len);

/* ---- firmware_measure.c, firmware_energy.c, firmware_thermal.c ---- */

/** Sums of the elements from those of the lines: wiring, variant, phase map,
 *  offsets. Without elements that are not there. */
void cpkm3000_fw_elements(struct fw_state *st, const struct mg_tick *tick,
                          struct fw_lane ret[FW_N_PHASES]);
/** Whether this current is enough to be registered, over n samples. */
bool cpkm3000_fw_is_flowing(const struct fw_state *st, int64_t i2, uint32_t n);
void cpkm3000_fw_measure(struct fw_state *st, const struct mg_tick *tick,
                         const struct fw_lane lanes[FW_N_PHASES]);
/** No value of this tick is any good. */
void cpkm3000_fw_measure_nothing(struct fw_state *st);
void cpkm3000_fw_energy_tick(struct fw_state *st, const struct mg_tick *tick,
                             const struct fw_lane lanes[FW_N_PHASES]);
void cpkm3000_fw_thermal_tick(struct fw_state *st, uint32_t elapsed_us);
int64_t cpkm3000_fw_temperature_mdegc(const struct fw_state *st);

/* ---- firmware_nv.c: the microcontroller's own memory ---- */

/** Newest intact copy, or as delivered; counts the start. */
void cpkm3000_fw_nv_power_on(struct fw_state *st);
void cpkm3000_fw_nv_tick(struct fw_state *st, uint32_t elapsed_us);
/** @return false: no copy is intact */
bool cpkm3000_fw_nv_save(struct fw_state *st);
void cpkm3000_fw_nv_power_fail(struct fw_state *st);
/** Whether counter + 1 may be used: whatever copy is read at the next start,
 *  it leads to a higher one. Saves if need be. */
bool cpkm3000_fw_nv_reserve(struct fw_state *st);
/** Damage the newest copy (NV_SLOT) or all, now and later (NV_ALL). */
void cpkm3000_fw_nv_damage(struct fw_state *st, enum mg_fw_fault kind);
/** The 16 KiB of a bank, 1 or 2. */
uint8_t *cpkm3000_fw_bank(const struct fw_state *st, unsigned bank);

/* ---- firmware_telegram.c ---- */

void cpkm3000_fw_telegram_tick(struct fw_state *st, const struct mg_tick *tick);
/** The next telegram of the chip is one with this challenge. */
void cpkm3000_fw_telegram_ask(struct fw_state *st,
                              const uint8_t challenge[MG_CHALLENGE_LEN]);
size_t cpkm3000_fw_sign_request(void *state, const uint8_t **ret_message);
void cpkm3000_fw_sign_result(void *state, const uint8_t signature[64]);
size_t cpkm3000_fw_unasked(void *state, unsigned circuit, uint8_t *ret,
                           size_t cap);

/* ---- firmware_update.c: services 20h to 24h, secure boot ---- */

/** The software of a meter as delivered. */
void cpkm3000_fw_lrs_factory(const struct fw_state *st, struct fw_lrs *ret);
/** @return false: its memory does not hold what was installed */
bool cpkm3000_fw_lrs_check(const struct fw_state *st);
enum fw_refusal cpkm3000_fw_update_begin(struct fw_state *st,
                                         const uint8_t *data);
/** @param len  of data; at least 5 */
enum fw_refusal cpkm3000_fw_update_data(struct fw_state *st,
                                        const uint8_t *data, size_t len);
/** FW_DONE: installed; the caller restarts. */
enum fw_refusal cpkm3000_fw_update_finish(struct fw_state *st,
                                          const uint8_t *signature);
enum fw_refusal cpkm3000_fw_update_abort(struct fw_state *st);

/* ---- firmware_service.c ---- */

size_t cpkm3000_fw_pdu(void *state, uint8_t unit, const uint8_t *request,
                       size_t len, uint8_t *ret, size_t cap);

/* ---- firmware_signal.c: frames and the back door to them ---- */

extern const struct mg_fw_signal cpkm3000_fw_signals[FW_N_SIGNALS]
    __attribute__((visibility("hidden")));
bool cpkm3000_fw_signal(const void *state, size_t index, int64_t *ret);
int cpkm3000_fw_set(void *state, mg_channel channel, int64_t value);
int cpkm3000_fw_range(mg_channel channel, int64_t *ret_lo, int64_t *ret_hi,
                      int64_t *ret_tolerance);

/* ---- firmware_display.c ---- */

void cpkm3000_fw_display_tick(struct fw_state *st, uint32_t elapsed_us);
void cpkm3000_fw_display(const void *state, struct mg_fw_display *ret);

#endif
