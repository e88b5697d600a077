/* Energy: exact sums, pulses of 0.625 Wh, rates, months (manual 4.1, 4.6). */
#include "firmware_priv.h"

#include "metergate/fixed.h"

#include <string.h>

/* Between two directions 140 J (140 var s) are waited for. A tick does not
 * hold whole mains periods, so that the sums of a flow near zero swing by up to
 * 75 J (19 kVA, 40 Hz); giving each swing to its own direction would make both
 * run. Nothing is lost: what is pending goes to the direction that wins. */
#define TURN_AROUND (FW_PULSE / 16)

bool kpm31_fw_schedule_is_valid(const struct fw_settings *settings)
{
    int last = -1;
    if (settings->n_periods < 1 || settings->n_periods > FW_N_PERIODS) {
        return false;
    }
    for (size_t k = 0; k < settings->n_periods; k++) {
        const struct fw_period *p = &settings->period[k];
        int start = p->hour * 60 + p->minute;
        if (p->hour > 23 || p->minute > 59 || p->rate < 1 ||
            p->rate > FW_N_RATES || start <= last) {
            return false;
        }
        last = start;
    }
    return true;
}

/* @return 0..3. A period lasts to the next start, the last one of the day to
 * the first start of the next. */
static unsigned rate_now(const struct fw_state *st)
{
    const struct fw_settings *s = &st->settings;
    int64_t minute = kpm31_fw_clock_now(st) % 86400 / 60;
    size_t at = s->n_periods - 1U;
    for (size_t k = 0; k < s->n_periods; k++) {
        if (minute >= s->period[k].hour * 60 + s->period[k].minute) {
            at = k;
        }
    }
    return s->period[at].rate - 1U;
}

/* @return pulses */
static uint32_t add_flow(const struct fw_state *st, struct fw_energy *e,
                         int64_t flow, unsigned rate)
{
    e->pending += flow;
    int64_t along = e->is_reverse ? -e->pending : e->pending;
    if (along < -TURN_AROUND) {
        e->is_reverse ^= 1;
        along = -along;
    }
    if (along < 0) {
        return 0;
    }
    int64_t *rest = &e->rest[e->is_reverse];
    *rest += along;
    e->pending = 0;
    uint32_t n = (uint32_t)(*rest / FW_PULSE);
    *rest = st->is_forgetful ? 0 : *rest % FW_PULSE;
    e->count[e->is_reverse] += n;
    e->rate[rate] += n;
    e->month[0][rate] += n;
    return n;
}

void kpm31_fw_energy_tick(struct fw_state *st, const struct mg_tick *tick)
{
    const struct mg_lane_sums *sums = &tick->lane[0];
    struct fw_bank *bank = &st->energies.bank[st->is_contact_closed ? 1 : 0];
    if (!kpm31_fw_is_flowing(st, sums->u2, sums->i2, tick->n_samples)) {
        return;
    }
    unsigned rate = rate_now(st);
    st->n_pulses += add_flow(st, &bank->active, sums->ui, rate);
    (void)add_flow(st, &bank->reactive, sums->uq,
                   rate); /* no output of its own */
}

uint32_t kpm31_fw_pulse_rest_q32(const struct fw_state *st)
{
    const struct fw_energy *e =
        &st->energies.bank[st->is_contact_closed ? 1 : 0].active;
    return mg_ratio_q32(e->rest[e->is_reverse], FW_PULSE);
}

static void next_month(struct fw_energy *e)
{
    memmove(e->month[1], e->month[0], sizeof(e->month) - sizeof(e->month[0]));
    memset(e->month[0], 0, sizeof(e->month[0]));
}

void kpm31_fw_settle(struct fw_state *st)
{
    int32_t now = kpm31_fw_clock_month(st);
    struct fw_energies *all = &st->energies;
    if (now <= all->settled_month || st->is_energy_lost) {
        return;
    }
    int32_t n_passed = now - all->settled_month;
    for (int32_t n = 0; n < n_passed && n < FW_N_MONTHS; n++) {
        for (size_t b = 0; b < FW_N_BANKS; b++) {
            next_month(&all->bank[b].active);
            next_month(&all->bank[b].reactive);
        }
    }
    all->settled_month = now;
    kpm31_fw_nv_save_energies(st);
}

void kpm31_fw_settle_after_set(struct fw_state *st)
{
    int32_t now = kpm31_fw_clock_month(st);
    /* Back over one month's end is a correction: that end is not settled
     * twice. Further back, the clock had been wrong. */
    if (now < st->energies.settled_month - 1) {
        st->energies.settled_month = now;
    }
    kpm31_fw_settle(st);
}

void kpm31_fw_energy_clear(struct fw_state *st)
{
    memset(&st->energies, 0, sizeof(st->energies));
    st->energies.settled_month = kpm31_fw_clock_month(st);
    st->is_energy_lost = false;
    memset(st->shown.is_set + FW_N_LIVE, 0, FW_N_ENERGY);
    kpm31_fw_nv_renew_energies(st);
}

static uint64_t month_count(const struct fw_bank *bank, unsigned block,
                            unsigned month)
{
    const struct fw_energy *e =
        block % 2 == 0 ? &bank->active : &bank->reactive;
    const uint32_t *rates = e->month[month];
    if (block >= 2) {
        return rates[block / 2 - 1];
    }
    return (uint64_t)rates[0] + rates[1] + rates[2] + rates[3];
}

/* Manual 6.4: total, import, export of both kinds; rates of both; then blocks
 * of 13 months: total, sharp, peak, flat, valley, each active and reactive. */
static uint64_t count_at(const struct fw_bank *bank, unsigned index)
{
    const struct fw_energy *e = index < 3 ? &bank->active : &bank->reactive;
    if (index < 6) {
        unsigned which = index % 3;
        return which == 0 ? (uint64_t)e->count[0] + e->count[1]
                          : e->count[which - 1];
    }
    if (index < 10) {
        return bank->active.rate[index - 6];
    }
    if (index < 14) {
        return bank->reactive.rate[index - 10];
    }
    return month_count(bank, (index - 14) / FW_N_MONTHS,
                       (index - 14) % FW_N_MONTHS);
}

uint32_t kpm31_fw_energy_float(const struct fw_state *st, unsigned bank,
                               unsigned index)
{
    if (st->is_energy_lost) {
        return FW_NAN;
    }
    uint64_t count = count_at(&st->energies.bank[bank], index);
    return kpm31_fw_f32((int64_t)count, FW_PULSES_PER_K);
}
