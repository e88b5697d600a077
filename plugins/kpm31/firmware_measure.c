/* From the sums of a tick to what the meter shows (manual 2.3, 6.3). */
#include "firmware_priv.h"

#include <string.h>

/* Below them nothing is shown or registered (ours). The starting current is
 * 0.001 In = 5 mA with In = 5 A; the threshold lies 10 % below it so that the
 * meter surely starts there. */
#define START_COUNTS   288   /* 4.5 mA */
#define VOLTAGE_COUNTS 16000 /* 1 V */

#define US_PER_MINUTE 60000000

/* Units of struct fw_live per unit of the register. */
#define U_PER_V INT64_C(256000)
#define I_PER_A INT64_C(1024000)
#define P_PER_W INT64_C(1024000000)
#define S_PER_P INT64_C(256) /* 2^-18 uVA in 2^-10 uW */

static bool has_voltage(int64_t u2, uint32_t n)
{
    return u2 >= (int64_t)VOLTAGE_COUNTS * VOLTAGE_COUNTS * n;
}

bool kpm31_fw_is_flowing(const struct fw_state *st, int64_t u2, int64_t i2,
                         uint32_t n)
{
    int64_t threshold = st->is_creeping ? 4 * START_COUNTS : START_COUNTS;
    return n != 0 && has_voltage(u2, n) && i2 >= threshold * threshold * n;
}

static void keep_sums(struct fw_state *st, const struct mg_tick *tick)
{
    if (tick->n_ticks >= FW_WINDOW) {
        memset(st->ring, 0, sizeof st->ring);
    }
    struct fw_sums *s = &st->ring[st->ring_at];
    *s = (struct fw_sums){.ui = tick->lane[0].ui,
                          .uq = tick->lane[0].uq,
                          .u2 = tick->lane[0].u2,
                          .i2 = tick->lane[0].i2,
                          .n = tick->n_samples};
    if (tick->n_crossings >= 2) {
        s->n_cycles = tick->n_crossings - 1;
        s->cycles_q8 = tick->crossing_span_q8;
    }
    st->ring_at = (uint8_t)((st->ring_at + 1) % FW_WINDOW);
}

static struct fw_sums window(const struct fw_state *st)
{
    struct fw_sums all = {0};
    for (size_t k = 0; k < FW_WINDOW; k++) {
        const struct fw_sums *s = &st->ring[k];
        all.ui += s->ui;
        all.uq += s->uq;
        all.u2 += s->u2;
        all.i2 += s->i2;
        all.n += s->n;
        all.n_cycles += s->n_cycles;
        all.cycles_q8 += s->cycles_q8;
    }
    return all;
}

static uint64_t rms(int64_t squares, uint32_t n)
{
    return kpm31_fw_isqrt((uint64_t)(squares / n) << 8);
}

static void add_demand(struct fw_demand *d, uint64_t s, uint32_t elapsed_us)
{
    d->sum += (int64_t)(s / (uint64_t)(S_PER_P * P_PER_W / 1000)) * elapsed_us;
    d->elapsed_us += elapsed_us;
    if (d->elapsed_us < US_PER_MINUTE) {
        return;
    }
    d->minute_mva[d->at] = (uint32_t)(d->sum / d->elapsed_us);
    d->at = (uint8_t)((d->at + 1) % FW_DEMAND_MINUTES);
    d->sum = 0;
    d->elapsed_us = 0;
    uint64_t total = 0;
    for (size_t k = 0; k < FW_DEMAND_MINUTES; k++) {
        total += d->minute_mva[k];
    }
    d->mva = (uint32_t)(total / FW_DEMAND_MINUTES);
}

void kpm31_fw_measure(struct fw_state *st, const struct mg_tick *tick)
{
    keep_sums(st, tick);
    struct fw_sums all = window(st);
    struct fw_live *live = &st->live;
    *live = (struct fw_live){0};
    if (all.n != 0 && has_voltage(all.u2, all.n)) {
        live->u = rms(all.u2, all.n);
        live->n_cycles = all.n_cycles;
        live->cycles_q8 = all.cycles_q8;
    }
    if (kpm31_fw_is_flowing(st, all.u2, all.i2, all.n)) {
        live->i = rms(all.i2, all.n);
        live->p = all.ui / all.n;
        live->q = all.uq / all.n;
        live->s = live->u * live->i;
    }
    add_demand(&st->demand, live->s, tick->elapsed_us);
}

/* Signed by the direction of the power; the roots are rounded down, so the
 * quotient may come out a hair above 1. */
static uint32_t power_factor(const struct fw_live *live)
{
    if (live->s == 0) {
        return 0;
    }
    int64_t s = (int64_t)live->s;
    int64_t p = live->p * S_PER_P;
    p = p > s ? s : p < -s ? -s : p;
    return kpm31_fw_f32(p, live->s);
}

static uint32_t frequency(const struct fw_live *live)
{
    if (live->cycles_q8 == 0) {
        return 0;
    }
    return kpm31_fw_f32((int64_t)live->n_cycles * FW_RATE_HZ * 256,
                        live->cycles_q8);
}

uint32_t kpm31_fw_live_float(const struct fw_state *st, unsigned index)
{
    const struct fw_live *live = &st->live;
    switch (index) {
    case 0:
        return kpm31_fw_f32((int64_t)live->u, U_PER_V);
    case 1:
        return kpm31_fw_f32((int64_t)live->i, I_PER_A);
    case 2:
        return kpm31_fw_f32(live->p, P_PER_W);
    case 3:
        return kpm31_fw_f32(live->q, P_PER_W);
    case 4:
        return kpm31_fw_f32((int64_t)live->s, S_PER_P * P_PER_W);
    case 5:
        return power_factor(live);
    case 6:
        return frequency(live);
    default:
        return kpm31_fw_f32(st->demand.mva, 1000);
    }
}
