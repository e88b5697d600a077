/* A simulated KPM31 on the test's bench: ticks computed from voltage, current
 * and angle with integers, and registers read back in the test's own way. */
#ifndef KPM31_METER_H
#define KPM31_METER_H

#include "metergate/plugin.h"

#include "../../plugins/kpm31/options.h"

#define METER_UNIT     7
#define METER_SERIAL   1234567
#define METER_NV_MAX   8192
#define METER_STATE    16384
#define UTC_2024_03_15 INT64_C(1710460800000) /* 00:00:00 */
#define TICKS_PER_S    5
#define MINUTE         INT64_C(60)
#define HOUR           INT64_C(3600)

/* One pulse, 2250 J, in mean products of counts (2^-10 uW) times 200 ms. */
#define PULSE_SUM INT64_C(11520000000000)

/* Angles whose cosine and sine are exact: 1e-3. */
struct angle {
    int cos_pm, sin_pm;
};

struct flow {
    int64_t u_mv, i_ma;
    struct angle angle;
    int64_t f_mhz;
};

struct meter {
    uint64_t state[METER_STATE / 8];
    uint8_t nv[METER_NV_MAX];
    struct kpm31_options options;
    int64_t utc_ms;
    struct flow flow;
    /* What has flowed, exactly, in parts of PULSE_SUM, by direction. */
    int64_t active[2], reactive[2];
};

/** A new meter, powered on, 230 V and no current. */
void meter_new(struct meter *m, enum kpm31_variant variant, int64_t utc_ms);

/** Power comes back after off_ms; power_fail is the caller's. */
void meter_power_on(struct meter *m, int64_t off_ms);
void meter_power_cycle(struct meter *m, int64_t off_ms);

void meter_ticks(struct meter *m, int64_t n);
void meter_run_s(struct meter *m, int64_t seconds);

/** @return length of the answer */
size_t meter_ask(struct meter *m, uint8_t unit, const uint8_t *request,
                 size_t len, uint8_t ret[MG_PDU_MAX]);

/** Exception code of a request to the meter's own unit, 0: none. */
int meter_refusal(struct meter *m, const uint8_t *request, size_t len);

/** Function 03; the test fails unless it is answered. */
void meter_read(struct meter *m, unsigned first, unsigned n, uint16_t *ret);
/** Exception code of reading, 0: answered. */
int meter_read_refusal(struct meter *m, unsigned first, unsigned n);
/** Function 16. @return exception code, 0: done */
int meter_write(struct meter *m, unsigned first, unsigned n,
                const uint16_t *words);
int meter_write_one(struct meter *m, unsigned address, uint16_t word);

uint32_t meter_bits(struct meter *m, unsigned address);
double meter_float(struct meter *m, unsigned address);
/** An energy register in pulses; fails unless a whole number of them. */
int64_t meter_pulses(struct meter *m, unsigned address);

uint16_t meter_unit_now(struct meter *m);
uint64_t meter_output_pulses(struct meter *m);
bool meter_has_load(struct meter *m);

#endif
