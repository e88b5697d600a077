/* The simulated CPIM1000: what the parts of the firmware share. It knows
 * nothing of the driver; both are readings of README.md, which is the contract
 * of frames and messages.
 *
 * One count of the converters is 1/16 mV and 1/64 mA, so a product of counts is
 * 1/1024 uW; a sample lasts 256 us, which makes it 1/4 pJ, and no conversion
 * below ever rounds or overflows. */
#ifndef CPIM1000_FIRMWARE_PRIV_H
#define CPIM1000_FIRMWARE_PRIV_H

#include "metergate/plugin.h"

#include "options.h"

/* Guide, "Metering Logic": 3.90625 kHz, energy at twice the mains rate. */
#define FW_RATE_MHZ      3906250U
#define FW_HALF_PERIODS  1
#define FW_BITS          24
#define FW_FULL_SCALE_MV (1U << 19) /* 371 V rms */
#define FW_FULL_SCALE_MA (1U << 17) /* 92 A rms: 2.9 times Imax */
#define FW_U_PER_MV      16
#define FW_I_PER_MA      64
#define FW_N_SIDES       2
#define FW_N_PHASES      3
#define FW_N_LANES       (FW_N_SIDES * FW_N_PHASES)

/* 94.5 dB below a full sine, which is 2^23 / sqrt 2: the MCP3914's. */
#define FW_NOISE_I_MLSB 111700U
/* The microcontroller's own converters, averaged: some 17 bits (ours). */
#define FW_NOISE_U_MLSB 60000U

/* Guide, "LED Specifications": 20000 imp/kWh, so a pulse is 180 J; in 1/4 pJ.
 */
#define FW_PULSE     INT64_C(720000000000000)
#define FW_PULSE_MWH 50

#define FW_SECOND_US 1000000U
#define FW_MINUTE_US 60000000U

/* Right is circuit 0 and lanes 0 to 2; it supplies the unit. */
enum fw_side { FW_RIGHT, FW_LEFT };

/* Refusals, README.md. */
enum fw_refusal {
    FW_DONE = 0,
    FW_UNKNOWN_SERVICE = 1,
    FW_BAD_LENGTH = 2,
    FW_BAD_STATE = 3,
    FW_BAD_VALUE = 4,
    FW_BAD_SIGNATURE = 5,
    FW_BAD_HASH = 6,
    FW_START_FAULT = 7,
    FW_SEAL_INTACT = 8
};

/* Flags, README.md. Of the unit: */
#define FW_F_MEMORY       (1U << 0)
#define FW_F_INITIALIZING (1U << 1)
#define FW_F_MEASURING    (1U << 2)
#define FW_F_AMBIENT      (1U << 6)
#define FW_F_STRAPS       (1U << 8)
#define FW_F_FREQUENCY    (1U << 9)
#define FW_F_COLD         (1U << 12)
#define FW_F_IS_SEALED    (1U << 17)
#define FW_F_IS_EU        (1U << 20)
#define FW_F_IS_NA        (1U << 21)
/* Of a side: */
#define FW_F_SATURATED      (1U << 3)
#define FW_F_HOT            (1U << 4)
#define FW_F_SENSOR         (1U << 5)
#define FW_F_WELDED         (1U << 7)
#define FW_F_REVERSE        (1U << 10)
#define FW_F_PHASE_LOSS     (1U << 11)
#define FW_F_IS_CLOSED      (1U << 16)
#define FW_F_IS_SPD_ENABLED (1U << 18)
#define FW_F_IS_THREE_PHASE (1U << 19)
#define FW_F_IS_TRIPPED     (1U << 22)

#define FW_SERIAL_LEN    16
#define FW_VERSION_LEN   12
#define FW_HASH_LEN      32
#define FW_SIGNATURE_LEN 64

/* What the world connects (set_input). */
enum fw_input {
    FW_IN_SEAL, /* closed: in place */
    FW_IN_SPD_RIGHT,
    FW_IN_SPD_LEFT, /* closed: MOV GND on GND, enabled */
    FW_IN_ID1,
    FW_IN_ID2, /* closed: shorted to GND */
    FW_N_INPUTS
};

/* Signals of a side; three of a kind are L1 to L3. In the table of all, those
 * of the right side come first, then the left, then the unit's. */
enum fw_signal {
    FW_S_FLAGS,
    FW_S_RELAY,
    FW_S_SPD,
    FW_S_PHASES,
    FW_S_NODE,
    FW_S_TEMPERATURE,
    FW_S_U,
    FW_S_I = FW_S_U + 3,
    FW_S_P = FW_S_I + 3,
    FW_S_Q = FW_S_P + 3,
    FW_S_P_TOTAL = FW_S_Q + 3,
    FW_S_Q_TOTAL,
    FW_S_PF,
    FW_S_ENERGY,
    FW_S_PULSES,
    FW_N_OF_SIDE
};

#define FW_S_FREQUENCY ((size_t)2 * FW_N_OF_SIDE)
#define FW_S_AMBIENT   (FW_S_FREQUENCY + 1)
#define FW_S_BOOTS     (FW_S_FREQUENCY + 2)
#define FW_S_REGION    (FW_S_FREQUENCY + 3)
#define FW_N_SIGNALS   (FW_S_FREQUENCY + 4)

/* Sums over the window that is running. */
struct fw_sums {
    int64_t ui[FW_N_PHASES], uq[FW_N_PHASES], u2[FW_N_PHASES], i2[FW_N_PHASES];
    uint32_t n, n_ticks;
};

/* What a small current would register, until it is known to be enough. */
struct fw_pending {
    int64_t ui, i2;
    uint32_t n, n_ticks;
};

/* Non-volatile, of a side. */
struct fw_energy {
    uint64_t pulses; /* since it was made */
    int64_t rest;    /* not yet one, 0..FW_PULSE - 1 */
};

struct fw_circuit {
    struct fw_sums sums;
    struct fw_pending pending[FW_N_PHASES];
    int64_t live[FW_N_OF_SIDE]; /* what is measured; the rest stays 0 */
    bool is_reverse, is_phase_lost, is_saturated, is_hot;
    bool is_closed, is_tripped; /* as told */
    bool is_stuck;              /* current flows through open contacts */
    int64_t rise_nk;   /* of the power path above its surroundings, 1e-9 K */
    uint64_t i2_ma2;   /* sum over the phases, of the last window */
    uint64_t n_pulses; /* since power-on */
    bool is_lit;       /* impulse LED */
};

/* What runs; bank 0: as delivered. */
struct fw_software {
    uint8_t bank; /* 0, 1 or 2 */
    uint32_t size;
    uint8_t version[FW_VERSION_LEN], hash[FW_HASH_LEN];
    uint8_t lrs_version[FW_VERSION_LEN], lrs_hash[FW_HASH_LEN];
    uint8_t signature[FW_SIGNATURE_LEN]; /* bank 1 and 2 */
};

enum fw_update_result { FW_NO_UPDATE, FW_INSTALLED, FW_REFUSED };

struct fw_memory {
    struct fw_energy energy[FW_N_SIDES];
    uint32_t boots;
    uint8_t update_result; /* enum fw_update_result */
    struct fw_software software;
};

#define FW_N_SLOTS   4
#define FW_BANK_SIZE 16384
#define FW_BROKEN_AT 1023 /* see FW_GOOD_* */
#define FW_BANKS_AT  1024 /* the slots lie before */
#define FW_NV_SIZE   (FW_BANKS_AT + 2 * FW_BANK_SIZE)

/* Bits of the byte at FW_BROKEN_AT: hardware that only exchange repairs. */
#define FW_GOOD_IMAGE 1U
#define FW_GOOD_ADC   2U

struct fw_slots {
    uint32_t seq; /* of the newest */
    uint32_t since_save_us;
    uint64_t saved_pulses; /* of both sides */
    uint8_t looked_at, n_bad_in_row;
    enum mg_fw_fault fault; /* NONE, NV_SLOT or NV_ALL */
    bool is_lost;           /* no copy was intact at the start */
    bool is_bad;            /* no copy is intact now */
};

struct fw_update {
    bool is_receiving;
    uint32_t size, next;
    uint8_t hash[FW_HASH_LEN];
};

/* The back door's; outlives a reset. */
struct fw_broken {
    bool is_welded, is_hot, is_sensor_dead, has_bad_creep, loses_rest;
};

/* In meter mode, or why not. */
enum fw_mode {
    FW_MODE_OFF,          /* no supply from the right side's L1 */
    FW_MODE_BOOT_LOADER,  /* which it cannot leave */
    FW_MODE_INITIALIZING, /* the MCP3914 does not answer */
    FW_MODE_METER
};

struct fw_state {
    struct mg_fw_env env;
    const struct cpim1000_options *options;
    uint8_t mode; /* enum fw_mode */
    bool inputs[FW_N_INPUTS];
    struct fw_circuit side[FW_N_SIDES];
    struct fw_memory memory;
    struct fw_slots slots;
    struct fw_update update;
    struct fw_broken broken;
    /* Of the unit. */
    int64_t frequency_mhz;
    uint32_t freq_n, freq_half_periods;
    int32_t ambient_mdegc;
    uint32_t since_thermal_us, since_check_us;
    uint32_t dead_us; /* the supply has been too low for so long */
    bool has_live, is_measuring_bad;
    uint32_t page, page_us;
    /* Put in by the back door, until the next tick. */
    bool is_shown[FW_N_SIGNALS];
    int64_t shown[FW_N_SIGNALS];
};

/* ---- firmware.c ---- */

bool cpim1000_fw_is_running(const struct fw_state *st);
uint32_t cpim1000_fw_flags(const struct fw_state *st, unsigned side);
bool cpim1000_fw_is_closed(const struct fw_state *st, unsigned side);
/** Start again without losing power, as the watchdog or an update does. */
void cpim1000_fw_restart(struct fw_state *st);
unsigned cpim1000_fw_n_phases(const struct fw_state *st);
/** enum cpim1000_region as strapped. */
unsigned cpim1000_fw_region(const struct fw_state *st);
void cpim1000_fw_relay(struct fw_state *st, unsigned side, bool is_closed);

/* ---- firmware_number.c ---- */

/** The largest integer whose square is at most x. */
uint32_t cpim1000_fw_isqrt(uint64_t x);
/** Of Ethernet and zip. */
uint32_t cpim1000_fw_crc32(const uint8_t *data, size_t len);

/* ---- firmware_measure.c, firmware_energy.c, firmware_thermal.c ---- */

/** Whether this voltage is one, over n samples. */
bool cpim1000_fw_has_voltage(int64_t u2, uint32_t n);
/** Whether this current is enough to be registered, over n samples. */
bool cpim1000_fw_is_flowing(const struct fw_state *st, int64_t i2, uint32_t n);
void cpim1000_fw_measure(struct fw_state *st, const struct mg_tick *tick);
/** No value of this tick is any good. */
void cpim1000_fw_measure_nothing(struct fw_state *st);
void cpim1000_fw_energy_tick(struct fw_state *st, const struct mg_tick *tick);
void cpim1000_fw_thermal_tick(struct fw_state *st, uint32_t elapsed_us);
int64_t cpim1000_fw_temperature_mdegc(const struct fw_state *st, unsigned side);

/* ---- firmware_nv.c: the microcontroller's own memory ---- */

/** Newest intact copy, or as delivered. */
void cpim1000_fw_nv_load(struct fw_state *st);
void cpim1000_fw_nv_tick(struct fw_state *st, uint32_t elapsed_us);
/** @return false: no copy is intact */
bool cpim1000_fw_nv_save(struct fw_state *st);
void cpim1000_fw_nv_power_fail(struct fw_state *st);
/** Damage the newest copy (NV_SLOT) or all, now and later (NV_ALL). */
void cpim1000_fw_nv_damage(struct fw_state *st, enum mg_fw_fault kind);
/** The 16 KiB of a bank, 1 or 2. */
uint8_t *cpim1000_fw_bank(const struct fw_state *st, unsigned bank);

/* ---- firmware_software.c: images, secure boot ---- */

/** The software of a unit as delivered. */
void cpim1000_fw_software_factory(const struct fw_state *st,
                                  struct fw_software *ret);
/** Whether a bank holds the right image, and what it is.
 *  @param what  bank, size, hash that it must have, signature; the rest is set
 *               on success only */
enum fw_refusal cpim1000_fw_software_check(const struct fw_state *st,
                                           struct fw_software *what);
/** @return false: the flash does not hold what was installed */
bool cpim1000_fw_software_boots(const struct fw_state *st);

/* ---- firmware_update.c: services 20h to 24h ---- */

enum fw_refusal cpim1000_fw_update_begin(struct fw_state *st,
                                         const uint8_t *data);
/** @param len  of data; at least 5 */
enum fw_refusal cpim1000_fw_update_data(struct fw_state *st,
                                        const uint8_t *data, size_t len);
/** FW_DONE: installed; the caller restarts. */
enum fw_refusal cpim1000_fw_update_finish(struct fw_state *st,
                                          const uint8_t *signature);
enum fw_refusal cpim1000_fw_update_abort(struct fw_state *st);

/* ---- firmware_service.c ---- */

size_t cpim1000_fw_pdu(void *state, uint8_t circuit, const uint8_t *request,
                       size_t len, uint8_t *ret, size_t cap);

/* ---- firmware_signal.c: frames and the back door to them ---- */

extern const struct mg_fw_signal cpim1000_fw_signals[FW_N_SIGNALS]
    __attribute__((visibility("hidden")));
bool cpim1000_fw_signal(const void *state, size_t index, int64_t *ret);
int cpim1000_fw_set(void *state, mg_channel channel, int64_t value);
int cpim1000_fw_range(mg_channel channel, int64_t *ret_lo, int64_t *ret_hi,
                      int64_t *ret_tolerance);

/* ---- firmware_display.c ---- */

void cpim1000_fw_display_tick(struct fw_state *st, uint32_t elapsed_us);
void cpim1000_fw_display(const void *state, struct mg_fw_display *ret);

#endif
