/* The simulated KPM31: what the parts of its firmware share. It knows nothing
 * of the driver; both are readings of the manual (KPM31 manual V2.0).
 *
 * One count of the converters is 1/16 mV and 1/64 mA, so a product of counts
 * is 2^-10 uW, and no conversion below ever rounds or overflows. */
#ifndef KPM31_FIRMWARE_PRIV_H
#define KPM31_FIRMWARE_PRIV_H

#include "metergate/plugin.h"

#include "options.h"

/* Front end (ours): 24 bits, 4 kHz, ticks of 200 ms. */
#define FW_RATE_HZ       4000
#define FW_TICK_SAMPLES  800
#define FW_BITS          24
#define FW_FULL_SCALE_MV (1U << 19) /* 524 V peak: 1.4 x 264 V rms */
#define FW_FULL_SCALE_MA (1U << 17) /* 131 A peak: 1.28 x 72 A rms */
#define FW_WINDOW        5          /* ticks that a shown value averages */

/* Manual 4.3: 1600 imp/kWh, so a pulse is 0.625 Wh = 2250 J. A summed product
 * of counts is 2^-10 uW for 250 us: 2250e6 uJ * 1024 / 250e-6 s. Reactive
 * energy has the same constant (ours). */
#define FW_PULSE        INT64_C(9216000000000000)
#define FW_PULSES_PER_K 1600 /* per kWh, kvarh */

#define FW_N_RATES   4
#define FW_N_PERIODS 8  /* of a day, manual 4.1 */
#define FW_N_MONTHS  13 /* the running one and 12 before */
#define FW_N_BANKS   2  /* basic and extended circuit, manual 4.6 */

#define FW_DEMAND_MINUTES 15

/* Floats of the map in order: U I P Q S PF F, demand, energy area. */
#define FW_N_LIVE   8
#define FW_N_ENERGY 144
#define FW_N_FLOATS (FW_N_LIVE + FW_N_ENERGY)
#define FW_NAN      UINT32_C(0x7fc00000)

/* Error word (ours). */
#define FW_ERROR_ENERGY (1U << 0) /* no stored copy of the energies is good */
#define FW_ERROR_CLOCK  (1U << 1) /* the clock lost its time, not set since */
#define FW_ERROR_SIGNAL (1U << 2) /* the measuring part fails */

/* One kind of energy of one circuit, in pulses. Below a pulse: `rest` by
 * direction, and `pending`, signed, which is not yet given to a direction. */
struct fw_energy {
    uint32_t count[2]; /* forward, reverse */
    uint32_t rate[FW_N_RATES];
    uint32_t month[FW_N_MONTHS][FW_N_RATES]; /* [0] is the running one */
    int64_t rest[2];
    int64_t pending;
    uint8_t is_reverse; /* direction of the flow now, 0 or 1: an index */
};

struct fw_bank {
    struct fw_energy active, reactive;
};

struct fw_energies {
    int32_t settled_month; /* that month[0] belongs to, year * 12 + month */
    struct fw_bank bank[FW_N_BANKS];
};

struct fw_period {
    uint8_t hour, minute, rate; /* rate 1..4 */
};

/* Manual 5.4, 6.2. */
struct fw_settings {
    uint16_t password;
    uint8_t unit;
    uint8_t baud_code; /* 1..4 */
    uint8_t n_periods; /* 1..8 */
    struct fw_period period[FW_N_PERIODS];
};

/* Sums over one tick; over FW_WINDOW of them. */
struct fw_sums {
    int64_t ui, uq, u2, i2;
    uint32_t n, n_cycles, cycles_q8; /* whole cycles, samples of them / 256 */
};

/* What is shown, 0 below the thresholds. */
struct fw_live {
    uint64_t u, i; /* rms, 1/16 count: 1/256 mV, 1/1024 mA */
    int64_t p, q;  /* 2^-10 uW */
    uint64_t s;    /* u * i: 2^-18 uVA */
    uint32_t n_cycles, cycles_q8;
};

struct fw_demand {
    int64_t sum; /* of the running minute, mVA * us */
    uint32_t elapsed_us;
    uint32_t minute_mva[FW_DEMAND_MINUTES]; /* ring */
    uint8_t at;
    uint32_t mva;
};

/* Values put in by the back door, until the next tick. */
struct fw_shown {
    bool is_any;
    bool is_set[FW_N_FLOATS];
    uint32_t bits[FW_N_FLOATS];
    uint8_t unit, baud_code; /* 0 = none */
};

struct fw_state {
    struct mg_fw_env env;
    enum kpm31_variant variant;
    struct fw_settings settings;
    uint32_t settings_seq;
    struct fw_energies energies;
    uint32_t energies_seq;
    bool is_energy_lost, is_clock_lost, is_signal_bad;
    bool is_relay_open, is_contact_closed;
    int64_t true_us; /* since 1970 */
    int64_t clock_offset_us;
    uint32_t since_save_us;
    uint64_t n_pulses;
    struct fw_sums ring[FW_WINDOW];
    uint8_t ring_at;
    struct fw_live live;
    struct fw_demand demand;
    struct fw_shown shown;
    bool is_creeping, is_forgetful; /* MG_FW_FAULT_CREEP, _REMAINDER */
    enum mg_fw_fault memory_fault;  /* NONE, NV_SLOT or NV_ALL */
};

struct fw_date {
    int32_t year; /* 2000..2099 */
    uint8_t month, day, hour, minute, second;
};

/* ---- firmware_number.c ---- */

/** num / den as the bits of a float32, rounded half to even.
 *  @param den  1..2^62 */
uint32_t kpm31_fw_f32(int64_t num, uint64_t den);

/** The largest integer whose square is at most x. */
uint32_t kpm31_fw_isqrt(uint64_t x);

/* ---- firmware_clock.c: battery-backed, in UTC (ours) ---- */

/** Seconds since 1970. @return false: no such date */
bool kpm31_fw_date_to_unix(const struct fw_date *date, int64_t *ret_unix_s);
void kpm31_fw_date_from_unix(int64_t unix_s, struct fw_date *ret);

int64_t kpm31_fw_clock_now(const struct fw_state *st);
/** @param unix_s  2000..2099 */
void kpm31_fw_clock_set(struct fw_state *st, int64_t unix_s);
/** The clock starts again at 2000-01-01 00:00:00. */
void kpm31_fw_clock_lose(struct fw_state *st);
/** Read what the battery kept. */
void kpm31_fw_clock_power_on(struct fw_state *st);
void kpm31_fw_clock_advance(struct fw_state *st, uint32_t elapsed_us);
/** Until the meter's clock begins its next minute, 1..60000000. */
uint32_t kpm31_fw_clock_left_us(const struct fw_state *st);
/** year * 12 + month (0..11) of the meter's clock. */
int32_t kpm31_fw_clock_month(const struct fw_state *st);

/* ---- firmware_measure.c ---- */

/** Update what is shown from one tick's sums. */
void kpm31_fw_measure(struct fw_state *st, const struct mg_tick *tick);
/** Whether current and voltage of these sums are enough to register. */
bool kpm31_fw_is_flowing(const struct fw_state *st, int64_t u2, int64_t i2,
                         uint32_t n);
/** @param index  0..FW_N_LIVE-1; the bits of its float */
uint32_t kpm31_fw_live_float(const struct fw_state *st, unsigned index);

/* ---- firmware_energy.c ---- */

void kpm31_fw_energy_tick(struct fw_state *st, const struct mg_tick *tick);
/** How far the active output is on its way to the next impulse. */
uint32_t kpm31_fw_pulse_rest_q32(const struct fw_state *st);
/** Move the months as far as the clock has come. */
void kpm31_fw_settle(struct fw_state *st);
/** Clock set by hand: settle, or follow it back. */
void kpm31_fw_settle_after_set(struct fw_state *st);
/** Manual 6.2, command word 55AAH. */
void kpm31_fw_energy_clear(struct fw_state *st);
/** @param index  0..FW_N_ENERGY-1: register 0080H + 2 * index */
uint32_t kpm31_fw_energy_float(const struct fw_state *st, unsigned bank,
                               unsigned index);
/** Starts ascending, 1..8 of them, rates 1..4. */
bool kpm31_fw_schedule_is_valid(const struct fw_settings *settings);
/** As mg_firmware.tariff_request. */
size_t kpm31_fw_tariff_request(const struct mg_fw_period *periods, size_t n,
                               uint8_t *ret, size_t cap);

/* ---- firmware_nv.c ---- */

#define FW_NV_RELAY    0 /* the latching relay itself: 0 = open */
#define FW_NV_CONTACT  1 /* the switch outside: 0 = closed */
#define FW_NV_CLOCK    2 /* the clock's battery-backed registers */
#define FW_NV_SETTINGS 16
#define FW_NV_SIZE     3264

#define FW_SAVE_US 300000000 /* energies: every 5 minutes, ours */

/** Load, or set up what a new meter has. */
void kpm31_fw_nv_power_on(struct fw_state *st);
void kpm31_fw_nv_save_settings(struct fw_state *st);
/** Write the next slot; nothing while the energies are lost. */
void kpm31_fw_nv_save_energies(struct fw_state *st);
/** As the supply goes. */
void kpm31_fw_nv_power_fail(struct fw_state *st);
/** Write every slot, so that no older copy comes back. */
void kpm31_fw_nv_renew_energies(struct fw_state *st);
/** Damage every stored copy. */
void kpm31_fw_nv_damage(struct fw_state *st);

/* ---- firmware_pdu.c, firmware_registers.c ---- */

size_t kpm31_fw_pdu(void *state, uint8_t unit, const uint8_t *request,
                    size_t len, uint8_t *ret, size_t cap);

/** Registers as words, high byte first on the wire.
 *  @param n_words  >= 1
 *  @return 0 or a Modbus exception code */
int kpm31_fw_read(const struct fw_state *st, unsigned first, unsigned n_words,
                  uint16_t *ret_words);
int kpm31_fw_write(struct fw_state *st, unsigned first, unsigned n_words,
                   const uint16_t *words);
bool kpm31_fw_has_relay(const struct fw_state *st);
void kpm31_fw_relay_switch(struct fw_state *st, bool is_closed);

/** Baud rate of a code 1..4, and back; 0: none. */
uint32_t kpm31_fw_baud(unsigned code);
uint8_t kpm31_fw_baud_code(int64_t baud);

/* ---- firmware_backdoor.c ---- */

int kpm31_fw_set(void *state, mg_channel channel, int64_t value);
int kpm31_fw_range(mg_channel channel, int64_t *ret_lo, int64_t *ret_hi,
                   int64_t *ret_tolerance);
int kpm31_fw_fault(void *state, enum mg_fw_fault kind);
int kpm31_fw_set_input(void *state, unsigned index, bool is_closed);

#endif
